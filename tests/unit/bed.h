/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The library's server and a scripted guest, made anew for each test.
 */
#ifndef TESTS_UNIT_BED_H
#define TESTS_UNIT_BED_H

#include "fuzz/guest_script.h"
#include "tap.h"

struct bed {
	struct embedder e;
	struct guest g;
};

/* Zeroed, but for what the test has set already. */
TAP_UNUSED static void bed_begin(struct bed *b)
{
	embedder_init(&b->e);
	guest_init(&b->g, &b->e);
}

TAP_UNUSED static void bed_make(struct bed *b)
{
	memset(b, 0, sizeof(*b));
	bed_begin(b);
}

/* The guest has been offered its devices. */
TAP_UNUSED static void bed_make_connected(struct bed *b)
{
	bed_make(b);
	TAP_CHECK(guest_contact(&b->g, HVP_VERSION_5_3, 0) && guest_request_offers(&b->g));
}

TAP_UNUSED static void bed_drop(struct bed *b)
{
	guest_fini(&b->g);
	embedder_fini(&b->e);
}

TAP_UNUSED static struct hvh_server_stats bed_stats(const struct bed *b)
{
	struct hvh_server_stats stats;

	hvh_server_stats(b->e.server, &stats);
	return stats;
}

#endif
