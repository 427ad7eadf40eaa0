/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The guest's backup service. What it shares with other services that have a daemon is tested by test_guest_kvp.
 */
#include "hvg/hvg_daemon.h"
#include "hvp_daemon.h"
#include "hvp_vss.h"
#include "hvw_ic.h"

#define WORLD_DRIVER hvg_vss_driver
#include "tests/unit/guest_world.h"

#define ID 4711u

struct bed {
	struct world *w;
	struct fake_channel *channel;
	struct hvg_device *device;
	unsigned woken;
	uint8_t bytes[8192]; /* what the host got last, and in it: */
	struct hvw_ic ic;
};

static void wake(void *ctx)
{
	((struct bed *)ctx)->woken++;
}

static bool taken(struct bed *b)
{
	uint64_t id = 0;
	int len;

	hvos_sleep_ms(5);
	len = fake_take(&b->w->fake, b->channel, &id, b->bytes, sizeof(b->bytes));
	if (len < 0 || hvw_ic_parse(&b->ic, b->bytes, (size_t)len))
		return false;
	W_EQ(b->w, id, ID);
	return b->ic.h.flags == (HVP_IC_FLAG_TRANSACTION | HVP_IC_FLAG_RESPONSE);
}

static bool host_is_told(struct bed *b, uint32_t status)
{
	bool told = taken(b);

	W_EQ(b->w, told, true);
	if (told)
		W_EQ(b->w, b->ic.h.status, status);
	return told;
}

static bool negotiated(struct bed *b)
{
	struct hvp_ic_version framework = { 3, 0 }, message = { 5, 0 }, is[2];
	uint8_t bytes[128];
	int len = hvw_ic_build_negotiate(bytes, sizeof(bytes), &framework, 1, &message, 1);
	bool good;

	W_EQ(b->w, fake_put(&b->w->fake, b->channel, ID, bytes, (uint32_t)len), 0);
	good = taken(b) && b->ic.h.type == HVP_IC_NEGOTIATE &&
	       !hvw_ic_parse_choice(&b->ic, &framework, 1, &message, 1, &is[0], &is[1]);
	W_EQ(b->w, good, true);
	return good;
}

/* False: a failure keeps the device away. Versions are agreed, without a daemon. */
static bool up(struct bed *b, struct world *w)
{
	memset(b, 0, sizeof(*b));
	b->w = w;
	b->channel = fake_add(&w->fake, (struct hvp_guid)HVP_CLASS_VSS, 1, 0);
	if (!world_up(w) || !b->channel->open)
		return false;
	b->device = w->bus->devices;
	return negotiated(b);
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
	return up(b, w) && daemon_comes(b);
}

static void ask_with(struct bed *b, const void *body, uint16_t size)
{
	struct hvp_ic_header header = {
		.type = HVP_IC_VSS,
		.size = size,
		.flags = HVP_IC_FLAG_TRANSACTION | HVP_IC_FLAG_REQUEST,
	};
	uint8_t bytes[8192] = { 0 };
	size_t len = hvw_ic_build(bytes, &header);

	memcpy(bytes + HVW_IC_HEADERS, body, size);
	W_EQ(b->w, fake_put(&b->w->fake, b->channel, ID, bytes, (uint32_t)len), 0);
	hvos_sleep_ms(5);
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

	if (!up(&b, w))
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
	    !negotiated(&b))
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
