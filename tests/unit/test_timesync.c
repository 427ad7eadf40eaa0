/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The time synchronisation device.
 */
#include "fuzz/guest_script.h"
#include "tap.h"

#define SECOND 1000000000ull
#define PERIOD (5 * SECOND)
#define CH     3

struct bed {
	struct embedder e;
	struct guest g;
	struct hvw_ic ic; /* the last request, in `bytes` */
	uint8_t bytes[256];
};

static struct hvh_timesync_status status(struct bed *b)
{
	struct hvh_timesync_status s;

	hvh_timesync_status(b->e.timesync, &s);
	return s;
}

/* Open, with message versions `major`.0; the host has the answer to its negotiation. */
static void make(struct bed *b, uint16_t major)
{
	const struct hvp_ic_version framework = { 3, 0 }, version = { major, 0 };
	uint8_t bytes[256];
	struct hvw_ic ic;
	int len;

	memset(b, 0, sizeof(*b));
	b->e.with_timesync = true;
	embedder_init(&b->e);
	guest_init(&b->g, &b->e);
	TAP_CHECK(guest_contact(&b->g, HVP_VERSION_5_3, 0) && guest_request_offers(&b->g));
	TAP_CHECK(guest_share_ring(&b->g, CH, 8, 4) && guest_open(&b->g, CH, 0));
	embedder_run(&b->e);
	len = guest_recv(&b->g, CH, bytes, sizeof(bytes), NULL);
	TAP_CHECK(len > 0 && !hvw_ic_parse(&ic, bytes, (size_t)len));
	TAP_EQ(guest_send(&b->g, CH, 0, bytes,
			  (uint32_t)hvw_ic_build_choice(bytes, &ic.h, &framework, &version)),
	       0);
	TAP_EQ(status(b).ic.state, HVH_IC_READY);
}

static void drop(struct bed *b)
{
	guest_fini(&b->g);
	embedder_fini(&b->e);
}

static bool nothing(struct bed *b)
{
	uint8_t bytes[64];

	return guest_recv(&b->g, CH, bytes, sizeof(bytes), NULL) == -EAGAIN;
}

/* The next request, taken out of the ring; false: none, or no message. */
static bool take(struct bed *b)
{
	int len = guest_recv(&b->g, CH, b->bytes, sizeof(b->bytes), NULL);

	return len > 0 && !hvw_ic_parse(&b->ic, b->bytes, (size_t)len) &&
	       b->ic.h.type == HVP_IC_TIMESYNC;
}

/* A request of version 4.0 with these flags that tells the present time plus `offset`, and no other. */
static void take_v4(struct bed *b, uint8_t flags, int64_t offset)
{
	struct hvp_ic_timesync_v4 body, expected = {
		.host_time = EMBEDDER_HOST_TIME(b->e.now_ns) + (uint64_t)offset,
		.reference_time = EMBEDDER_REFERENCE(b->e.now_ns),
		.flags = flags,
	};

	memset(&body, 0xff, sizeof(body));
	TAP_CHECK(take(b));
	TAP_EQ(b->ic.h.size, sizeof(body));
	TAP_EQ(hvw_ic_read(&b->ic, 0, &body, sizeof(body)), 0);
	TAP_MEM_EQ(&body, &expected, sizeof(body));
	TAP_CHECK(nothing(b));
}

static void reply_status(struct bed *b, struct hvp_ic_header h, uint32_t status_code)
{
	uint8_t bytes[HVW_IC_HEADERS];

	h.flags = HVP_IC_FLAG_TRANSACTION | HVP_IC_FLAG_RESPONSE;
	h.status = status_code;
	h.size = 0;
	TAP_EQ(guest_send(&b->g, CH, 0, bytes, (uint32_t)hvw_ic_build(bytes, &h)), 0);
}

static void reply(struct bed *b)
{
	reply_status(b, b->ic.h, HVP_IC_SUCCESS);
}

/* Up to the answer to the first sync. */
static void make_synced(struct bed *b)
{
	make(b, 4);
	take_v4(b, HVP_TIMESYNC_SYNC, 0);
	reply(b);
	TAP_EQ(status(b).syncs, 1);
	TAP_CHECK(!status(b).sync_pending);
}

TAP_TEST(three_versions_are_offered)
{
	static const uint16_t expected[] = { 2, 3, 0, 0, 1, 0, 3, 0, 1, 0, 3, 0, 4, 0 };
	struct bed b;
	int len;

	memset(&b, 0, sizeof(b));
	b.e.with_timesync = true;
	embedder_init(&b.e);
	guest_init(&b.g, &b.e);
	TAP_CHECK(guest_contact(&b.g, HVP_VERSION_5_3, 0) && guest_request_offers(&b.g));
	TAP_CHECK(guest_share_ring(&b.g, CH, 8, 4) && guest_open(&b.g, CH, 0));
	embedder_run(&b.e);
	TAP_EQ(hvh_timesync_step(b.e.timesync, 0), -ENOTCONN);
	len = guest_recv(&b.g, CH, b.bytes, sizeof(b.bytes), NULL);
	TAP_REQUIRE(len > 0 && !hvw_ic_parse(&b.ic, b.bytes, (size_t)len));
	TAP_EQ(b.ic.h.size, sizeof(expected));
	TAP_MEM_EQ(b.ic.body, expected, sizeof(expected));
	drop(&b);
}

TAP_TEST(old_versions_carry_no_reference_time)
{
	static const uint16_t majors[] = { 1, 3 };

	for (unsigned i = 0; i < 2; i++) {
		struct hvp_ic_timesync body, expected = { .flags = HVP_TIMESYNC_SYNC };
		struct bed b;

		make(&b, majors[i]);
		for (unsigned round = 0; round < 2; round++) {
			memset(&body, 0xff, sizeof(body));
			expected.host_time = EMBEDDER_HOST_TIME(b.e.now_ns);
			TAP_CHECK(take(&b));
			TAP_EQ(b.ic.h.message.major, majors[i]);
			TAP_EQ(b.ic.h.flags, HVP_IC_FLAG_TRANSACTION | HVP_IC_FLAG_REQUEST);
			TAP_EQ(b.ic.h.size, 25);
			TAP_EQ(hvw_ic_read(&b.ic, 0, &body, sizeof(body)), 0);
			TAP_MEM_EQ(&body, &expected, sizeof(body));
			reply(&b);
			embedder_advance(&b.e, PERIOD);
			expected.flags = HVP_TIMESYNC_SAMPLE;
		}
		drop(&b);
	}
}

TAP_TEST(a_sync_then_samples_five_seconds_after_each_answer)
{
	struct bed b;

	make_synced(&b);
	for (unsigned i = 0; i < 10; i++) {
		embedder_advance(&b.e, PERIOD - 1);
		TAP_CHECK(nothing(&b));
		embedder_advance(&b.e, 1);
		take_v4(&b, HVP_TIMESYNC_SAMPLE, 0);
		/* It takes its time. */
		embedder_advance(&b.e, SECOND);
		reply(&b);
	}
	TAP_EQ(status(&b).ic.requests, 11);
	TAP_EQ(status(&b).ic.replies, 11);
	TAP_EQ(status(&b).ic.violations, 0);
	TAP_EQ(status(&b).syncs, 1);
	drop(&b);
}

TAP_TEST(a_step_goes_out_at_once_and_its_offset_stays)
{
	const int64_t offset = -36000000000;
	struct bed b;

	make_synced(&b);
	embedder_advance(&b.e, SECOND);
	TAP_EQ(hvh_timesync_step(b.e.timesync, offset), 0);
	TAP_CHECK(status(&b).sync_pending);
	take_v4(&b, HVP_TIMESYNC_SYNC, offset);
	reply(&b);
	TAP_EQ(status(&b).syncs, 2);
	TAP_EQ(status(&b).offset, offset);
	embedder_advance(&b.e, PERIOD);
	take_v4(&b, HVP_TIMESYNC_SAMPLE, offset);
	drop(&b);
}

TAP_TEST(a_step_while_a_request_is_outstanding_follows_its_answer)
{
	struct bed b;

	make(&b, 4);
	take_v4(&b, HVP_TIMESYNC_SYNC, 0);
	/* Two: only the last one counts. */
	TAP_EQ(hvh_timesync_step(b.e.timesync, 70000000), 0);
	TAP_EQ(hvh_timesync_step(b.e.timesync, 50000000), 0);
	TAP_CHECK(nothing(&b));
	embedder_advance(&b.e, SECOND);
	reply(&b);
	take_v4(&b, HVP_TIMESYNC_SYNC, 50000000);
	reply(&b);
	TAP_EQ(status(&b).syncs, 2);
	TAP_CHECK(nothing(&b));
	drop(&b);
}

TAP_TEST(a_lost_sync_is_sent_again_and_its_late_answer_does_not_count)
{
	struct hvp_ic_header late;
	struct bed b;

	make(&b, 4);
	take_v4(&b, HVP_TIMESYNC_SYNC, 0);
	late = b.ic.h;
	embedder_advance(&b.e, PERIOD - 1);
	TAP_CHECK(nothing(&b));
	embedder_advance(&b.e, 1);
	take_v4(&b, HVP_TIMESYNC_SYNC, 0);
	reply_status(&b, late, HVP_IC_SUCCESS);
	TAP_EQ(status(&b).syncs, 0);
	TAP_EQ(status(&b).ic.violations, 1);
	TAP_CHECK(status(&b).sync_pending);
	reply(&b);
	TAP_EQ(status(&b).syncs, 1);
	embedder_advance(&b.e, PERIOD);
	take_v4(&b, HVP_TIMESYNC_SAMPLE, 0);
	/* A sample that is lost stays a sample. */
	embedder_advance(&b.e, PERIOD);
	take_v4(&b, HVP_TIMESYNC_SAMPLE, 0);
	drop(&b);
}

TAP_TEST(a_refused_sync_is_not_repeated)
{
	struct bed b;

	make(&b, 4);
	take_v4(&b, HVP_TIMESYNC_SYNC, 0);
	reply_status(&b, b.ic.h, HVP_IC_FAIL);
	TAP_EQ(status(&b).syncs, 0);
	embedder_advance(&b.e, PERIOD);
	take_v4(&b, HVP_TIMESYNC_SAMPLE, 0);
	drop(&b);
}

TAP_TEST(a_guest_that_reads_nothing_fills_its_ring_and_no_more)
{
	struct bed b;
	unsigned waiting = 0;

	make(&b, 4);
	embedder_advance(&b.e, 10000 * PERIOD);
	while (take(&b))
		waiting++;
	TAP_CHECK(waiting > 10 && waiting < 3 * HVP_PAGE_SIZE / 52);
	/* With room again it goes on, and what it missed was the sync. */
	embedder_advance(&b.e, PERIOD);
	take_v4(&b, HVP_TIMESYNC_SYNC, 0);
	drop(&b);
}

TAP_TEST(without_a_clock_nothing_is_sent)
{
	struct bed b;

	make_synced(&b);
	b.e.clock_stopped = true;
	TAP_EQ(hvh_timesync_step(b.e.timesync, 10), 0);
	embedder_advance(&b.e, 10 * PERIOD);
	TAP_CHECK(nothing(&b));
	b.e.clock_stopped = false;
	embedder_advance(&b.e, PERIOD);
	take_v4(&b, HVP_TIMESYNC_SYNC, 10);
	drop(&b);
}

TAP_TEST(a_channel_that_is_opened_anew_is_synced_anew)
{
	struct bed b;

	make_synced(&b);
	TAP_EQ(hvh_timesync_step(b.e.timesync, 1000), 0);
	TAP_EQ(guest_post_close(&b.g, CH), HVP_STATUS_SUCCESS);
	embedder_run(&b.e);
	TAP_EQ(status(&b).ic.state, HVH_IC_CLOSED);
	TAP_EQ(status(&b).syncs, 0);
	TAP_CHECK(!status(&b).sync_pending);
	TAP_EQ(hvh_timesync_step(b.e.timesync, 2000), -ENOTCONN);
	embedder_advance(&b.e, 10 * PERIOD);
	TAP_CHECK(guest_share_ring(&b.g, CH, 8, 4) && guest_open(&b.g, CH, 0));
	embedder_run(&b.e);
	/* The script's guest negotiates 3.0 and answers the sync. */
	TAP_EQ(guest_serve(&b.g, CH), 2);
	TAP_EQ(status(&b).syncs, 1);
	TAP_EQ(status(&b).offset, 1000);
	drop(&b);
}

static void save_and_load(struct bed *b)
{
	uint8_t *state = NULL;
	size_t len = 0;

	TAP_REQUIRE(embedder_save(&b->e, &state, &len) == 0);
	TAP_REQUIRE(embedder_load(&b->e, state, len) == 0);
	embedder_run(&b->e);
	free(state);
}

TAP_TEST(after_a_load_the_guest_is_told_to_set_its_clock)
{
	struct bed b;

	make_synced(&b);
	TAP_EQ(hvh_timesync_step(b.e.timesync, 600), 0);
	take_v4(&b, HVP_TIMESYNC_SYNC, 600);
	reply(&b);
	save_and_load(&b);
	TAP_EQ(status(&b).syncs, 2);
	embedder_advance(&b.e, 1);
	take_v4(&b, HVP_TIMESYNC_SYNC, 600);
	reply(&b);
	TAP_EQ(status(&b).syncs, 3);
	embedder_advance(&b.e, PERIOD);
	take_v4(&b, HVP_TIMESYNC_SAMPLE, 600);
	drop(&b);
}

TAP_TEST(an_outstanding_request_outlives_save_and_load)
{
	for (unsigned answered = 0; answered < 2; answered++) {
		struct bed b;

		make_synced(&b);
		embedder_advance(&b.e, PERIOD);
		take_v4(&b, HVP_TIMESYNC_SAMPLE, 0);
		embedder_advance(&b.e, 2 * SECOND);
		save_and_load(&b);
		/* Its deadline went along. */
		embedder_advance(&b.e, 3 * SECOND - 1);
		TAP_CHECK(nothing(&b));
		if (answered)
			reply(&b);
		else
			embedder_advance(&b.e, 1);
		take_v4(&b, HVP_TIMESYNC_SYNC, 0);
		TAP_EQ(status(&b).ic.violations, 0);
		TAP_EQ(status(&b).ic.replies, 1 + answered);
		drop(&b);
	}
}

TAP_MAIN()
