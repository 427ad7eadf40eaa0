/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * One service of the guest's that has a daemon, between a host that is played and a daemon that is played. WORLD_DRIVER, defined
 * before, is the service's driver.
 */
#ifndef TESTS_UNIT_GUEST_DAEMON_H
#define TESTS_UNIT_GUEST_DAEMON_H

#include "hvg/hvg_daemon.h"
#include "hvp_daemon.h"
#include "hvw_ic.h"
#include "tests/unit/guest_world.h"

#define ID 4711u

struct bed {
	struct world *w;
	struct fake_channel *channel;
	struct hvg_device *device;
	uint16_t type; /* HVP_IC_* of its messages */
	unsigned woken;
	uint8_t bytes[8192]; /* what the host got last, and in it: */
	struct hvw_ic ic;
};

TAP_UNUSED static void wake(void *ctx)
{
	((struct bed *)ctx)->woken++;
}

/* What there is from the guest within a while. */
TAP_UNUSED static bool taken(struct bed *b)
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

TAP_UNUSED static bool host_is_told(struct bed *b, uint32_t status)
{
	bool told = taken(b);

	W_EQ(b->w, told, true);
	if (told)
		W_EQ(b->w, b->ic.h.status, status);
	return told;
}

TAP_UNUSED static void put_versions(struct bed *b, const struct hvp_ic_version *messages,
				    unsigned count)
{
	struct hvp_ic_version framework = { 3, 0 };
	uint8_t bytes[128];
	int len = hvw_ic_build_negotiate(bytes, sizeof(bytes), &framework, 1, messages, count);

	W_EQ(b->w, fake_put(&b->w->fake, b->channel, ID, bytes, (uint32_t)len), 0);
}

/* The guest's answer to put_versions(). */
TAP_UNUSED static bool chosen(struct bed *b, struct hvp_ic_version message)
{
	struct hvp_ic_version framework = { 3, 0 }, is[2];
	bool good = taken(b) && b->ic.h.type == HVP_IC_NEGOTIATE &&
		    !hvw_ic_parse_choice(&b->ic, &framework, 1, &message, 1, &is[0], &is[1]);

	W_EQ(b->w, good, true);
	return good;
}

/* False: a failure keeps the device away. */
TAP_UNUSED static bool service_up(struct bed *b, struct world *w, struct hvp_guid class_id,
				  uint16_t type)
{
	memset(b, 0, sizeof(*b));
	b->w = w;
	b->type = type;
	b->channel = fake_add(&w->fake, class_id, 1, 0);
	if (!world_up(w) || !b->channel->open)
		return false;
	b->device = w->bus->devices;
	return true;
}

TAP_UNUSED static void ask_with(struct bed *b, const void *body, uint16_t size)
{
	struct hvp_ic_header header = {
		.type = b->type,
		.size = size,
		.flags = HVP_IC_FLAG_TRANSACTION | HVP_IC_FLAG_REQUEST,
	};
	uint8_t bytes[8192] = { 0 };
	size_t len = hvw_ic_build(bytes, &header);

	memcpy(bytes + HVW_IC_HEADERS, body, size);
	W_EQ(b->w, fake_put(&b->w->fake, b->channel, ID, bytes, (uint32_t)len), 0);
	hvos_sleep_ms(5);
}

#endif
