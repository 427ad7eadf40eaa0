/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>

#include "fuzz/guest_script.h"
#include "tap.h"

#define SECOND	 1000000000ull
#define SHUTDOWN 1u

struct bed {
	struct embedder e;
	struct guest g;
	unsigned ended; /* calls of done */
	int result;
	uint32_t status;
	bool again; /* ask anew from within done */
	int again_result;
};

static void done(void *ctx, int result, uint32_t status)
{
	struct bed *b = ctx;

	b->ended++;
	b->result = result;
	b->status = status;
	if (b->again) {
		b->again = false;
		b->again_result = hvh_shutdown_request(b->e.shutdown, 0, NULL, done, b);
	}
}

static int ask(struct bed *b, uint32_t flags)
{
	return hvh_shutdown_request(b->e.shutdown, flags, "maintenance", done, b);
}

static void make(struct bed *b)
{
	memset(b, 0, sizeof(*b));
	embedder_init(&b->e);
	guest_init(&b->g, &b->e);
}

static void open_it(struct bed *b)
{
	TAP_CHECK(guest_contact(&b->g, HVP_VERSION_5_3, 0) && guest_request_offers(&b->g));
	TAP_CHECK(guest_share_ring(&b->g, SHUTDOWN, 8, 4) && guest_open(&b->g, SHUTDOWN, 0));
	embedder_run(&b->e);
}

static void make_ready(struct bed *b)
{
	make(b);
	open_it(b);
	TAP_EQ(guest_serve(&b->g, SHUTDOWN), 1);
}

static void drop(struct bed *b)
{
	guest_fini(&b->g);
	embedder_fini(&b->e);
}

static struct hvh_ic_status status(struct bed *b)
{
	struct hvh_ic_status s;

	hvh_shutdown_status(b->e.shutdown, &s);
	return s;
}

/* The request that waits in the guest's ring. */
static struct hvw_ic request(struct bed *b, uint8_t bytes[4096])
{
	int len = guest_recv(&b->g, SHUTDOWN, bytes, 4096, NULL);
	struct hvw_ic ic = { .h.type = UINT16_MAX };

	TAP_CHECK(len > 0 && !hvw_ic_parse(&ic, bytes, (size_t)len));
	TAP_EQ(ic.h.type, HVP_IC_SHUTDOWN);
	ic.h.flags = HVP_IC_FLAG_TRANSACTION | HVP_IC_FLAG_RESPONSE;
	return ic;
}

static void reply(struct bed *b, struct hvp_ic_header h, size_t body_len)
{
	uint8_t bytes[4096] = { 0 };

	h.size = (uint16_t)body_len;
	TAP_EQ(guest_send(&b->g, SHUTDOWN, 0, bytes, (uint32_t)hvw_ic_build(bytes, &h)), 0);
}

TAP_TEST(a_request_carries_all_that_linux_wants)
{
	struct bed b;
	uint8_t bytes[4096];
	struct hvp_ic_shutdown body;
	struct hvw_ic ic;

	make_ready(&b);
	TAP_EQ(ask(&b, HVP_SHUTDOWN_FORCE), 0);
	ic = request(&b, bytes);
	TAP_EQ(ic.h.size, 2060);
	TAP_EQ(ic.h.message.major, 3);
	TAP_EQ(ic.h.message.minor, 2);
	TAP_REQUIRE(hvw_ic_read(&ic, 0, &body, sizeof(body)) == 0);
	TAP_EQ(body.reason, HVP_SHUTDOWN_REASON_PLANNED);
	TAP_EQ(body.timeout_seconds, 0);
	TAP_EQ(body.flags, HVP_SHUTDOWN_FORCE);
	TAP_EQ(body.text[0], 'm');
	TAP_EQ(body.text[10], 'e');
	TAP_EQ(body.text[11], 0);
	TAP_EQ(body.text[1023], 0);
	drop(&b);
}

TAP_TEST(long_texts_are_cut_and_none_is_allowed)
{
	struct bed b;
	uint8_t bytes[4096];
	char text[3000];
	struct hvp_ic_shutdown body;
	struct hvw_ic ic;

	make_ready(&b);
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	TAP_EQ(hvh_shutdown_request(b.e.shutdown, 0, text, done, &b), 0);
	ic = request(&b, bytes);
	TAP_REQUIRE(hvw_ic_read(&ic, 0, &body, sizeof(body)) == 0);
	TAP_EQ(body.text[1022], 'x');
	TAP_EQ(body.text[1023], 0);
	reply(&b, ic.h, 0);
	TAP_EQ(hvh_shutdown_request(b.e.shutdown, 0, NULL, NULL, NULL), 0);
	ic = request(&b, bytes);
	TAP_REQUIRE(hvw_ic_read(&ic, 0, &body, sizeof(body)) == 0);
	TAP_EQ(body.text[0], 0);
	/* Nobody waits for this one. */
	reply(&b, ic.h, 0);
	TAP_EQ(b.ended, 1);
	TAP_EQ(status(&b).replies, 2);
	drop(&b);
}

TAP_TEST(the_guests_status_is_handed_on)
{
	static const uint32_t statuses[] = { HVP_IC_SUCCESS, HVP_IC_FAIL, HVP_IC_NOT_SUPPORTED,
					     0xdeadbeef };
	struct bed b;

	make_ready(&b);
	for (unsigned i = 0; i < 4; i++) {
		b.g.shutdown_status = statuses[i];
		TAP_EQ(ask(&b, 0), 0);
		TAP_EQ(b.ended, i);
		TAP_EQ(guest_serve(&b.g, SHUTDOWN), 1);
		TAP_EQ(b.ended, i + 1);
		TAP_EQ(b.result, 0);
		TAP_EQ(b.status, statuses[i]);
	}
	TAP_EQ(status(&b).violations, 0);
	TAP_EQ(status(&b).requests, 4);
	embedder_advance(&b.e, 100 * SECOND);
	TAP_EQ(b.ended, 4);
	drop(&b);
}

TAP_TEST(a_bare_header_is_a_reply)
{
	struct bed b;
	uint8_t bytes[4096];
	struct hvw_ic ic;

	make_ready(&b);
	TAP_EQ(ask(&b, 0), 0);
	ic = request(&b, bytes);
	reply(&b, ic.h, 0);
	TAP_EQ(b.ended, 1);
	TAP_EQ(b.result, 0);
	drop(&b);
}

TAP_TEST(less_than_a_header_is_none)
{
	struct bed b;
	uint8_t bytes[4096];
	struct hvw_ic ic;

	make_ready(&b);
	TAP_EQ(ask(&b, 0), 0);
	ic = request(&b, bytes);
	TAP_EQ(guest_send(&b.g, SHUTDOWN, 0, bytes, HVW_IC_HEADERS - 8), 0);
	TAP_EQ(b.ended, 0);
	TAP_EQ(status(&b).violations, 1);
	reply(&b, ic.h, 0);
	TAP_EQ(b.ended, 1);
	drop(&b);
}

TAP_TEST(replies_are_matched_by_their_id)
{
	struct bed b;
	uint8_t bytes[4096];
	struct hvw_ic ic;

	make_ready(&b);
	TAP_EQ(ask(&b, 0), 0);
	ic = request(&b, bytes);
	ic.h.transaction_id++;
	reply(&b, ic.h, 0);
	ic.h.transaction_id -= 2;
	reply(&b, ic.h, 0);
	ic.h.transaction_id++;
	ic.h.type = HVP_IC_HEARTBEAT;
	reply(&b, ic.h, 0);
	ic.h.type = HVP_IC_SHUTDOWN;
	ic.h.flags = HVP_IC_FLAG_REQUEST;
	reply(&b, ic.h, 0);
	TAP_EQ(b.ended, 0);
	TAP_EQ(status(&b).violations, 4);
	ic.h.flags = HVP_IC_FLAG_RESPONSE;
	reply(&b, ic.h, 0);
	TAP_EQ(b.ended, 1);
	reply(&b, ic.h, 0);
	TAP_EQ(b.ended, 1);
	TAP_EQ(status(&b).violations, 5);
	drop(&b);
}

TAP_TEST(silence_ends_in_a_timeout_and_a_late_reply_is_dropped)
{
	struct bed b;
	uint8_t bytes[4096];
	struct hvw_ic first, second;

	make_ready(&b);
	TAP_EQ(ask(&b, 0), 0);
	first = request(&b, bytes);
	embedder_advance(&b.e, HVH_SHUTDOWN_TIMEOUT_MS * 1000000ull - 1);
	TAP_EQ(b.ended, 0);
	TAP_EQ(ask(&b, 0), -EBUSY);
	embedder_advance(&b.e, 1);
	TAP_EQ(b.ended, 1);
	TAP_EQ(b.result, -ETIMEDOUT);
	TAP_EQ(ask(&b, 0), 0);
	second = request(&b, bytes);
	reply(&b, first.h, 0);
	TAP_EQ(b.ended, 1);
	TAP_EQ(status(&b).violations, 1);
	reply(&b, second.h, 0);
	TAP_EQ(b.ended, 2);
	TAP_EQ(b.result, 0);
	embedder_advance(&b.e, 100 * SECOND);
	TAP_EQ(b.ended, 2);
	drop(&b);
}

TAP_TEST(requests_need_a_driver_in_the_guest)
{
	struct bed b;

	make(&b);
	TAP_EQ(ask(&b, 0), -ENOTCONN);
	open_it(&b);
	TAP_EQ(ask(&b, 0), -ENOTCONN); /* negotiating */
	b.g.version_count = 0;
	TAP_EQ(guest_serve(&b.g, SHUTDOWN), 1);
	TAP_EQ(status(&b).state, HVH_IC_UNUSABLE);
	TAP_EQ(ask(&b, 0), -ENOTCONN);
	TAP_EQ(guest_post_close(&b.g, SHUTDOWN), HVP_STATUS_SUCCESS);
	embedder_run(&b.e);
	TAP_EQ(ask(&b, 0), -ENOTCONN);
	TAP_EQ(b.ended, 0);
	drop(&b);
}

TAP_TEST(versions_limit_what_can_be_asked)
{
	static const struct {
		struct hvp_ic_version version;
		bool restart, hibernate;
	} cases[] = { { { 1, 0 }, false, false },
		      { { 3, 0 }, false, false },
		      { { 3, 1 }, true, false },
		      { { 3, 2 }, true, true } };

	for (unsigned i = 0; i < 4; i++) {
		struct bed b;

		make(&b);
		b.g.versions[0] = cases[i].version;
		b.g.version_count = 1;
		open_it(&b);
		TAP_EQ(guest_serve(&b.g, SHUTDOWN), 1);
		TAP_EQ(ask(&b, HVP_SHUTDOWN_RESTART), cases[i].restart ? 0 : -EOPNOTSUPP);
		guest_serve(&b.g, SHUTDOWN);
		TAP_EQ(ask(&b, HVP_SHUTDOWN_HIBERNATE | HVP_SHUTDOWN_FORCE),
		       cases[i].hibernate ? 0 : -EOPNOTSUPP);
		guest_serve(&b.g, SHUTDOWN);
		TAP_EQ(ask(&b, HVP_SHUTDOWN_FORCE), 0);
		drop(&b);
	}
}

TAP_TEST(a_close_ends_the_request)
{
	struct bed b;

	make_ready(&b);
	b.again = true;
	TAP_EQ(ask(&b, 0), 0);
	TAP_EQ(guest_post_close(&b.g, SHUTDOWN), HVP_STATUS_SUCCESS);
	embedder_run(&b.e);
	TAP_EQ(b.ended, 1);
	TAP_EQ(b.result, -ENOTCONN);
	TAP_EQ(b.again_result, -ENOTCONN);
	embedder_advance(&b.e, 100 * SECOND);
	TAP_EQ(b.ended, 1);
	drop(&b);
}

TAP_TEST(a_reset_of_the_machine_ends_the_request)
{
	struct bed b;

	make_ready(&b);
	TAP_EQ(ask(&b, 0), 0);
	embedder_reset(&b.e);
	embedder_run(&b.e);
	TAP_EQ(b.ended, 1);
	TAP_EQ(b.result, -ENOTCONN);
	drop(&b);
}

TAP_TEST(the_next_request_may_be_made_when_one_ends)
{
	struct bed b;

	make_ready(&b);
	b.again = true;
	TAP_EQ(ask(&b, 0), 0);
	TAP_EQ(guest_serve(&b.g, SHUTDOWN), 2);
	TAP_EQ(b.again_result, 0);
	TAP_EQ(b.ended, 2);
	b.again = true;
	b.g.mute = true;
	TAP_EQ(ask(&b, 0), 0);
	embedder_advance(&b.e, 30 * SECOND);
	TAP_EQ(b.ended, 3);
	TAP_EQ(b.again_result, 0);
	embedder_advance(&b.e, 30 * SECOND);
	TAP_EQ(b.ended, 4);
	TAP_EQ(b.result, -ETIMEDOUT);
	drop(&b);
}

TAP_TEST(a_ring_without_room_is_told_to_the_caller)
{
	struct bed b;
	struct hvp_ring_control *control;

	make_ready(&b);
	/* The smallest ring, and the guest has read nothing since the negotiation. */
	TAP_EQ(guest_post_close(&b.g, SHUTDOWN), HVP_STATUS_SUCCESS);
	TAP_CHECK(guest_share_ring(&b.g, SHUTDOWN, 4, 2) && guest_open(&b.g, SHUTDOWN, 0));
	embedder_run(&b.e);
	TAP_EQ(guest_serve(&b.g, SHUTDOWN), 1);
	b.g.mute = true;
	TAP_EQ(ask(&b, 0), 0);
	embedder_advance(&b.e, 30 * SECOND);
	TAP_EQ(b.result, -ETIMEDOUT);
	TAP_EQ(ask(&b, 0), -EAGAIN);
	TAP_EQ(b.ended, 1);
	TAP_EQ(status(&b).requests, 1);
	/* A broken ring is another answer. */
	control = (struct hvp_ring_control *)(void *)(b.g.channels[SHUTDOWN].ring +
						      2 * HVP_PAGE_SIZE);
	control->read_index = 1;
	TAP_EQ(ask(&b, 0), -EPROTO);
	TAP_EQ(b.ended, 1);
	drop(&b);
}

TAP_MAIN()
