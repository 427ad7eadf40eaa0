/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The guest's backup service. What it shares with other services that have a daemon is tested by test_guest_kvp.
 */
#include "hvp_vss.h"

#define WORLD_DRIVER hvg_vss_driver
#define SERVICE_CLASS HVP_CLASS_VSS
#define SERVICE_TYPE  HVP_IC_VSS
#include "tests/unit/guest_daemon.h"

static bool up(struct bed *b, struct world *w)
{
	return service_up(b, w, (struct hvp_guid)HVP_CLASS_VSS, HVP_IC_VSS);
}

static bool agreed(struct bed *b)
{
	struct hvp_ic_version message = { 5, 0 };

	put_versions(b, &message, 1);
	return chosen(b, message);
}

static bool daemon_comes(struct bed *b)
{
	struct hvp_daemon_vss hello = { .op = HVP_DAEMON_VSS_REGISTER };
	uint32_t version = 0;
	int err = hvg_daemon_open(b->device, wake, b);

	W_EQ(b->w, err, 0);
	if (err)
		return false;
	W_EQ(b->w, hvg_daemon_write(b->device, &hello, sizeof(hello) - 1), -EINVAL);
	W_EQ(b->w, hvg_daemon_write(b->device, &hello, sizeof(hello)), sizeof(hello));
	W_EQ(b->w, hvg_daemon_read(b->device, &version, 3), -EINVAL);
	W_EQ(b->w, hvg_daemon_read(b->device, &version, sizeof(version)), sizeof(version));
	W_EQ(b->w, version, HVP_DAEMON_VSS_REGISTER);
	return true;
}

static bool up_with_daemon(struct bed *b, struct world *w)
{
	return up(b, w) && agreed(b) && daemon_comes(b);
}

static void ask(struct bed *b, uint8_t op)
{
	struct hvp_vss_freeze body = { .h = { .op = op } };

	ask_with(b, &body,
		 op == HVP_VSS_FREEZE ? sizeof(struct hvp_vss_freeze) :
					sizeof(struct hvp_vss_plain));
}

/* The operation that the daemon reads, or the error. */
static int daemon_reads(struct bed *b)
{
	struct hvp_daemon_vss message = { .flags = 1 };
	int len;

	W_EQ(b->w, hvg_daemon_read(b->device, &message, sizeof(message) - 1) < 0, true);
	len = hvg_daemon_read(b->device, &message, sizeof(message));
	W_EQ(b->w, len < 0 || (len == sizeof(message) && !message.flags), true);
	return len < 0 ? len : message.op;
}

static void daemon_answers(struct bed *b, uint32_t status)
{
	struct hvp_daemon_vss message = { .status = status };

	W_EQ(b->w, hvg_daemon_write(b->device, &message, sizeof(message) - 1), -EINVAL);
	W_EQ(b->w, hvg_daemon_write(b->device, &message, sizeof(message)), sizeof(message));
}

static uint32_t flags_told(struct bed *b)
{
	struct hvp_vss_plain plain = { .flags = 0 };

	W_EQ(b->w, hvw_ic_read(&b->ic, 0, &plain, sizeof(plain)), 0);
	return plain.flags;
}

/* --- scenarios --------------------------------------------------------------------------------------- */

static void backup_scenario(struct world *w)
{
	static const uint8_t quiet[] = { HVP_VSS_CREATE, HVP_VSS_DELETE, HVP_VSS_COMPLETE, 99 };
	struct bed b;

	if (!up_with_daemon(&b, w))
		return;
	ask(&b, HVP_VSS_HOT_BACKUP);
	W_EQ(w, daemon_reads(&b), HVP_VSS_HOT_BACKUP);
	daemon_answers(&b, HVP_IC_SUCCESS);
	if (!host_is_told(&b, HVP_IC_SUCCESS))
		return;
	W_EQ(w, flags_told(&b), HVP_VSS_NO_AUTO_RECOVERY);
	ask(&b, HVP_VSS_FREEZE);
	W_EQ(w, daemon_reads(&b), HVP_VSS_FREEZE);
	/* Much has to be written first. */
	hvos_sleep_ms(890000);
	W_EQ(w, taken(&b), false);
	daemon_answers(&b, HVP_IC_SUCCESS);
	if (!host_is_told(&b, HVP_IC_SUCCESS))
		return;
	ask(&b, HVP_VSS_THAW);
	W_EQ(w, daemon_reads(&b), HVP_VSS_THAW);
	hvos_sleep_ms(30000);
	if (!host_is_told(&b, HVP_IC_FAIL))
		return;
	daemon_answers(&b, HVP_IC_SUCCESS);
	for (unsigned i = 0; i < sizeof(quiet); i++) {
		ask(&b, quiet[i]);
		if (!host_is_told(&b, HVP_IC_SUCCESS))
			return;
		W_EQ(w, hvg_daemon_readable(b.device), false);
	}
	hvg_daemon_close(b.device);
}

static void refused_scenario(struct world *w)
{
	struct hvp_vss_plain plain = { .h = { .op = HVP_VSS_THAW } };
	struct bed b;

	if (!up_with_daemon(&b, w))
		return;
	ask_with(&b, &plain, sizeof(plain) - 1);
	if (!host_is_told(&b, HVP_IC_INVALID))
		return;
	W_EQ(w, hvg_daemon_readable(b.device), false);
	ask(&b, HVP_VSS_FREEZE);
	W_EQ(w, daemon_reads(&b), HVP_VSS_FREEZE);
	daemon_answers(&b, HVP_IC_FAIL);
	host_is_told(&b, HVP_IC_FAIL);
	hvg_daemon_close(b.device);
}

static void nobody_scenario(struct world *w)
{
	struct hvp_vss_plain plain = { .h = { .op = HVP_VSS_GET_DM_INFO }, .flags = 7 };
	struct bed b;

	if (!up(&b, w) || !agreed(&b))
		return;
	ask(&b, HVP_VSS_HOT_BACKUP);
	if (!host_is_told(&b, HVP_IC_FAIL))
		return;
	/* What concerns no daemon needs none. */
	ask_with(&b, &plain, sizeof(plain));
	if (!host_is_told(&b, HVP_IC_SUCCESS))
		return;
	W_EQ(w, flags_told(&b), 0);
	ask(&b, HVP_VSS_COMPLETE);
	host_is_told(&b, HVP_IC_SUCCESS);
}

/* The channel closes while the guest is frozen, or about to be: the daemon is told to thaw. */
static void left_frozen_scenario(struct world *w)
{
	struct bed b;

	if (!up_with_daemon(&b, w))
		return;
	ask(&b, HVP_VSS_FREEZE);
	if (w->n) {
		W_EQ(w, daemon_reads(&b), HVP_VSS_FREEZE);
		daemon_answers(&b, HVP_IC_SUCCESS);
		if (!host_is_told(&b, HVP_IC_SUCCESS))
			return;
	}
	if (hvg_bus_suspend(w->bus))
		return;
	/* It has not even heard of the freeze, and does not any more. */
	W_EQ(w, daemon_reads(&b), w->n ? HVP_VSS_THAW : -EAGAIN);
	if (w->n)
		daemon_answers(&b, HVP_IC_SUCCESS);
	if (hvg_bus_resume(w->bus) || hvg_bus_settle(w->bus, SETTLE_MS) || !b.channel->open ||
	    !agreed(&b))
		return;
	ask(&b, HVP_VSS_HOT_BACKUP);
	W_EQ(w, daemon_reads(&b), HVP_VSS_HOT_BACKUP);
	daemon_answers(&b, HVP_IC_SUCCESS);
	host_is_told(&b, HVP_IC_SUCCESS);
	hvg_daemon_close(b.device);
}

#define SCENARIO(name)                                                                             \
	TAP_TEST(name)                                                                             \
	{                                                                                          \
		world_run(name##_scenario, 0);                                                     \
	}

SCENARIO(backup)
SCENARIO(refused)
SCENARIO(nobody)

TAP_TEST(left_frozen)
{
	for (unsigned n = 0; n < 2; n++)
		world_run(left_frozen_scenario, n);
}

TAP_MAIN()
