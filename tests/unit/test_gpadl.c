/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "tests/unit/bed.h"

#define RAM_PAGES (EMBEDDER_RAM / HVP_PAGE_SIZE)

/* The next message is GPADL_CREATED of this handle with this status. */
static bool created(struct bed *b, uint32_t channel_id, uint32_t gpadl, int32_t status)
{
	struct hvw_msg msg;

	return guest_expect(&b->g, HVP_MSG_GPADL_CREATED, &msg) &&
	       msg.u.GPADL_CREATED.channel_id == channel_id && msg.u.GPADL_CREATED.gpadl == gpadl &&
	       msg.u.GPADL_CREATED.status == status;
}

static bool torndown(struct bed *b, uint32_t gpadl)
{
	struct hvw_msg msg;

	return guest_expect(&b->g, HVP_MSG_GPADL_TORNDOWN, &msg) &&
	       msg.u.GPADL_TORNDOWN.gpadl == gpadl;
}

/* A header as the guest likes it, and `words` of range data. */
static void header(struct bed *b, uint32_t channel_id, uint32_t gpadl, unsigned range_bytes,
		   unsigned ranges, const uint64_t *data, unsigned words)
{
	struct {
		struct hvp_msg_gpadl_header h;
		uint8_t data[HVP_MESSAGE_PAYLOAD_MAX - sizeof(struct hvp_msg_gpadl_header)];
	} msg = { .h = { .h.type = HVP_MSG_GPADL_HEADER,
			 .channel_id = channel_id,
			 .gpadl = gpadl,
			 .range_bytes = (uint16_t)range_bytes,
			 .range_count = (uint16_t)ranges } };

	if (words)
		memcpy(msg.data, data, words * sizeof(*data));
	TAP_EQ(guest_post(&b->g, &msg, sizeof(msg.h) + words * sizeof(*data)), HVP_STATUS_SUCCESS);
}

/* struct hvp_gpa_range as a word. */
static uint64_t range(uint32_t byte_count, uint32_t byte_offset)
{
	return byte_count | (uint64_t)byte_offset << 32;
}

static void count_up(uint64_t *gpns, unsigned pages)
{
	for (unsigned i = 0; i < pages; i++)
		gpns[i] = i % RAM_PAGES;
}

TAP_TEST(lists_of_any_length_are_assembled)
{
	static const unsigned lengths[] = { 1, 2, 25, 26, 27, 53, 54, 55, 82, 83, 500, 8190 };
	uint64_t *gpns = malloc(8190 * sizeof(*gpns));
	struct bed b;

	bed_make_connected(&b);
	count_up(gpns, 8190);
	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		TAP_EQ(guest_post_gpadl(&b.g, 1, 100 + i, gpns, lengths[i], 0, 0),
		       HVP_STATUS_SUCCESS);
		TAP_REQUIRE(created(&b, 1, 100 + i, HVP_GPADL_SUCCESS));
		TAP_EQ(bed_stats(&b).gpadls, 1);
		TAP_EQ(bed_stats(&b).gpadl_pages, lengths[i]);
		TAP_EQ(guest_post_teardown(&b.g, 1, 100 + i), HVP_STATUS_SUCCESS);
		TAP_CHECK(torndown(&b, 100 + i));
		TAP_EQ(bed_stats(&b).gpadls, 0);
		TAP_EQ(bed_stats(&b).gpadl_pages, 0);
	}
	TAP_EQ(bed_stats(&b).violations, 0);
	bed_drop(&b);
	free(gpns);
}

TAP_TEST(no_answer_before_the_last_body)
{
	uint64_t gpns[100];
	struct bed b;

	bed_make_connected(&b);
	count_up(gpns, 100);
	for (unsigned messages = 1; messages < 4; messages++) {
		TAP_EQ(guest_post_gpadl(&b.g, 1, messages, gpns, 100, messages, 0),
		       HVP_STATUS_SUCCESS);
		TAP_CHECK(guest_expect_nothing(&b.g));
	}
	/* All at once in progress; the bodies find theirs by handle. */
	for (unsigned messages = 3; messages; messages--) {
		TAP_EQ(guest_post_gpadl_rest(&b.g, messages, gpns, 100, messages),
		       HVP_STATUS_SUCCESS);
		TAP_CHECK(created(&b, 1, messages, HVP_GPADL_SUCCESS));
	}
	bed_drop(&b);
}

/* Firmware always posts messages of full size: bytes behind the list, half a number behind a header's last. */
TAP_TEST(stray_bytes_of_firmware_are_ignored)
{
	uint64_t gpns[60];
	struct bed b;

	bed_make_connected(&b);
	count_up(gpns, 60);
	for (unsigned pages = 1; pages <= 60; pages++) {
		TAP_EQ(guest_post_gpadl(&b.g, 1, pages, gpns, pages, 0, HVP_MESSAGE_PAYLOAD_MAX),
		       HVP_STATUS_SUCCESS);
		TAP_CHECK(created(&b, 1, pages, HVP_GPADL_SUCCESS));
	}
	TAP_EQ(bed_stats(&b).violations, 0);
	bed_drop(&b);
}

TAP_TEST(several_ranges_are_one_list)
{
	struct bed b;
	const uint64_t data[] = { range(4096, 0), 3, range(5000, 4000), 4, 5, 6, range(1, 4095), 7 };

	bed_make_connected(&b);
	header(&b, 2, 9, sizeof(data), 3, data, 8);
	TAP_CHECK(created(&b, 2, 9, HVP_GPADL_SUCCESS));
	TAP_EQ(bed_stats(&b).gpadl_pages, 5);
	bed_drop(&b);
}

TAP_TEST(impossible_headers_are_refused)
{
	static const struct {
		unsigned range_bytes, ranges;
	} bad[] = { { 16, 0 },	      { 0, 0 },	       { 0, 1 },     { 8, 1 },	{ 15, 1 },
		    { 17, 1 },	      { 20, 1 },       { 16, 2 },    { 24, 2 }, { 65535, 1 },
		    { 65535, 65535 }, { 65528, 8191 }, { 16, 65535 } };
	const uint64_t data[] = { range(4096, 0), 3, range(4096, 0), 3 };
	struct bed b;

	bed_make_connected(&b);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		header(&b, 1, 5, bad[i].range_bytes, bad[i].ranges, data, 4);
		TAP_CHECK(created(&b, 1, 5, HVP_GPADL_FAILED));
		TAP_EQ(bed_stats(&b).violations, i + 1);
		TAP_EQ(bed_stats(&b).gpadls, 0);
	}
	bed_drop(&b);
}

TAP_TEST(impossible_ranges_are_refused)
{
	const uint64_t bad[][4] = {
		{ range(0, 0), 3 }, /* empty */
		{ range(4096, 4096), 3, 4 }, /* begins behind the page */
		{ range(4096, 1), 3 }, /* one page short */
		{ range(UINT32_MAX, 0), 3 },
		{ range(4096, UINT32_MAX), 3 },
		{ range(4096, 0), RAM_PAGES }, /* no RAM */
		{ range(4096, 0), UINT64_MAX },
		{ range(4096, 0), 1ull << 52 }, /* shifted, this would be page 0 */
		{ range(8192, 0), 3, UINT64_MAX / 4096 },
	};
	struct bed b;

	bed_make_connected(&b);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		unsigned words = bad[i][2] ? 3 : 2;

		header(&b, 1, 5, words * 8, 1, bad[i], words);
		TAP_CHECK(created(&b, 1, 5, HVP_GPADL_FAILED));
		TAP_EQ(bed_stats(&b).violations, i + 1);
		TAP_EQ(bed_stats(&b).gpadls, 0);
	}
	/* The second of two. */
	header(&b, 1, 5, 32, 2, (const uint64_t[]){ range(4096, 0), 3, range(0, 0), 3 }, 4);
	TAP_CHECK(created(&b, 1, 5, HVP_GPADL_FAILED));
	bed_drop(&b);
}

TAP_TEST(a_handle_in_use_is_refused_and_the_first_one_stays)
{
	uint64_t gpns[30];
	struct bed b;

	bed_make_connected(&b);
	count_up(gpns, 30);
	TAP_EQ(guest_post_gpadl(&b.g, 1, 7, gpns, 1, 0, 0), HVP_STATUS_SUCCESS);
	TAP_CHECK(created(&b, 1, 7, HVP_GPADL_SUCCESS));
	TAP_EQ(guest_post_gpadl(&b.g, 1, 7, gpns, 2, 0, 0), HVP_STATUS_SUCCESS);
	TAP_CHECK(created(&b, 1, 7, HVP_GPADL_FAILED));
	/* Unique over all channels, and while it is assembled. */
	TAP_EQ(guest_post_gpadl(&b.g, 2, 7, gpns, 2, 0, 0), HVP_STATUS_SUCCESS);
	TAP_CHECK(created(&b, 2, 7, HVP_GPADL_FAILED));
	TAP_EQ(guest_post_gpadl(&b.g, 1, 8, gpns, 30, 1, 0), HVP_STATUS_SUCCESS);
	TAP_EQ(guest_post_gpadl(&b.g, 1, 8, gpns, 30, 1, 0), HVP_STATUS_SUCCESS);
	TAP_CHECK(created(&b, 1, 8, HVP_GPADL_FAILED));
	TAP_EQ(guest_post_gpadl_rest(&b.g, 8, gpns, 30, 1), HVP_STATUS_SUCCESS);
	TAP_CHECK(created(&b, 1, 8, HVP_GPADL_SUCCESS));
	TAP_EQ(guest_post_gpadl(&b.g, 1, 0, gpns, 1, 0, 0), HVP_STATUS_SUCCESS);
	TAP_CHECK(created(&b, 1, 0, HVP_GPADL_FAILED));
	TAP_EQ(bed_stats(&b).gpadls, 2);
	bed_drop(&b);
}

TAP_TEST(channels_that_are_not_offered_have_none)
{
	static const uint32_t ids[] = { 0, 4, UINT32_MAX };
	struct bed b;

	bed_make_connected(&b);
	for (unsigned i = 0; i < 3; i++) {
		TAP_EQ(guest_post_gpadl(&b.g, ids[i], 5, &(uint64_t){ 3 }, 1, 0, 0),
		       HVP_STATUS_SUCCESS);
		TAP_CHECK(created(&b, ids[i], 5, HVP_GPADL_FAILED));
	}
	bed_drop(&b);
}

TAP_TEST(bodies_without_a_header_are_dropped)
{
	uint64_t gpns[30];
	struct bed b;

	bed_make_connected(&b);
	count_up(gpns, 30);
	TAP_EQ(guest_post_gpadl_rest(&b.g, 5, gpns, 30, 1), HVP_STATUS_SUCCESS);
	TAP_EQ(bed_stats(&b).violations, 1);
	/* Nor for one that is complete. */
	TAP_EQ(guest_post_gpadl(&b.g, 1, 5, gpns, 2, 0, 0), HVP_STATUS_SUCCESS);
	TAP_CHECK(created(&b, 1, 5, HVP_GPADL_SUCCESS));
	TAP_EQ(guest_post_gpadl_rest(&b.g, 5, gpns, 30, 1), HVP_STATUS_SUCCESS);
	TAP_EQ(bed_stats(&b).violations, 2);
	TAP_CHECK(guest_expect_nothing(&b.g));
	bed_drop(&b);
}

TAP_TEST(the_number_of_lists_is_bounded)
{
	struct bed b;
	unsigned made = 0;
	bool more = true;

	bed_make_connected(&b);
	while (more) {
		TAP_EQ(guest_post_gpadl(&b.g, 1, made + 1, &(uint64_t){ 3 }, 1, 0, 0),
		       HVP_STATUS_SUCCESS);
		more = created(&b, 1, made + 1, HVP_GPADL_SUCCESS);
		made += more;
		TAP_REQUIRE(made < 100000);
	}
	TAP_EQ(made, 4096);
	TAP_EQ(guest_post_teardown(&b.g, 1, 1), HVP_STATUS_SUCCESS);
	TAP_CHECK(torndown(&b, 1));
	TAP_EQ(guest_post_gpadl(&b.g, 1, 1, &(uint64_t){ 3 }, 1, 0, 0), HVP_STATUS_SUCCESS);
	TAP_CHECK(created(&b, 1, 1, HVP_GPADL_SUCCESS));
	bed_drop(&b);
}

TAP_TEST(the_number_of_pages_is_bounded_from_the_header_on)
{
	uint64_t gpns[26];
	struct bed b;
	unsigned made = 0;

	bed_make_connected(&b);
	count_up(gpns, 26);
	/* 8190 pages each, declared and never sent. */
	while (bed_stats(&b).violations == 0) {
		header(&b, 1, made + 1, 8 + 8190 * 8, 1,
		       (const uint64_t[]){ range(8190 * 4096, 0) }, 1);
		made++;
		TAP_REQUIRE(made < 1000);
	}
	TAP_EQ(made, 327680 / 8190 + 1);
	TAP_CHECK(created(&b, 1, made, HVP_GPADL_FAILED));
	/* What is left can still be used, to the page. */
	header(&b, 1, 5000, 8 + 80 * 8, 1, (const uint64_t[]){ range(80 * 4096, 0) }, 1);
	TAP_EQ(bed_stats(&b).gpadl_pages, 327680);
	header(&b, 1, 5001, 16, 1, (const uint64_t[]){ range(4096, 0), 3 }, 2);
	TAP_CHECK(created(&b, 1, 5001, HVP_GPADL_FAILED));
	bed_drop(&b);
}

TAP_TEST(teardown_needs_the_right_handle_and_channel)
{
	struct bed b;

	bed_make_connected(&b);
	TAP_EQ(guest_post_gpadl(&b.g, 1, 7, &(uint64_t){ 3 }, 1, 0, 0), HVP_STATUS_SUCCESS);
	TAP_CHECK(created(&b, 1, 7, HVP_GPADL_SUCCESS));
	TAP_EQ(guest_post_teardown(&b.g, 1, 8), HVP_STATUS_SUCCESS);
	TAP_EQ(guest_post_teardown(&b.g, 2, 7), HVP_STATUS_SUCCESS);
	TAP_EQ(guest_post_teardown(&b.g, 1, 0), HVP_STATUS_SUCCESS);
	TAP_EQ(bed_stats(&b).violations, 3);
	TAP_CHECK(guest_expect_nothing(&b.g));
	TAP_EQ(guest_post_teardown(&b.g, 1, 7), HVP_STATUS_SUCCESS);
	TAP_CHECK(torndown(&b, 7));
	TAP_EQ(guest_post_teardown(&b.g, 1, 7), HVP_STATUS_SUCCESS);
	TAP_EQ(bed_stats(&b).violations, 4);
	TAP_CHECK(guest_expect_nothing(&b.g));
	bed_drop(&b);
}

TAP_TEST(a_list_half_assembled_can_be_torn_down)
{
	uint64_t gpns[30];
	struct bed b;

	bed_make_connected(&b);
	count_up(gpns, 30);
	TAP_EQ(guest_post_gpadl(&b.g, 1, 7, gpns, 30, 1, 0), HVP_STATUS_SUCCESS);
	TAP_EQ(guest_post_teardown(&b.g, 1, 7), HVP_STATUS_SUCCESS);
	TAP_CHECK(torndown(&b, 7));
	TAP_EQ(guest_post_gpadl_rest(&b.g, 7, gpns, 30, 1), HVP_STATUS_SUCCESS);
	TAP_EQ(bed_stats(&b).violations, 1);
	TAP_EQ(bed_stats(&b).gpadls, 0);
	bed_drop(&b);
}

TAP_TEST(a_ring_is_torn_down_when_its_device_has_let_go)
{
	struct bed b;
	struct hvw_msg msg;
	uint32_t gpadl;

	bed_make_connected(&b);
	b.e.echo.behaviour.slow = true;
	TAP_REQUIRE(guest_share_ring(&b.g, 2, 4, 2) && guest_open(&b.g, 2, 0));
	gpadl = b.g.channels[2].gpadl;
	TAP_EQ(guest_post_teardown(&b.g, 3, gpadl), HVP_STATUS_SUCCESS);
	TAP_CHECK(guest_expect_nothing(&b.g));
	/* Asked twice: one answer. The handle stays taken meanwhile. */
	TAP_EQ(guest_post_teardown(&b.g, 3, gpadl), HVP_STATUS_SUCCESS);
	TAP_EQ(bed_stats(&b).violations, 1);
	TAP_EQ(guest_post_gpadl(&b.g, 3, gpadl, &(uint64_t){ 3 }, 1, 0, 0), HVP_STATUS_SUCCESS);
	TAP_CHECK(created(&b, 3, gpadl, HVP_GPADL_FAILED));
	TAP_EQ(guest_post_close(&b.g, 2), HVP_STATUS_SUCCESS);
	TAP_CHECK(guest_expect_nothing(&b.g));
	TAP_EQ(hvh_mem_held(b.e.mem), 1);
	embedder_drain(&b.e);
	TAP_CHECK(torndown(&b, gpadl));
	TAP_EQ(hvh_mem_held(b.e.mem), 0);
	TAP_CHECK(!guest_take(&b.g, &msg));
	bed_drop(&b);
}

TAP_TEST(a_ring_that_is_being_torn_down_opens_no_more)
{
	struct bed b;
	struct hvw_msg msg;

	bed_make_connected(&b);
	TAP_REQUIRE(guest_share_ring(&b.g, 2, 4, 2) && guest_open(&b.g, 2, 0));
	TAP_EQ(guest_post_close(&b.g, 2), HVP_STATUS_SUCCESS);
	TAP_EQ(guest_post_teardown(&b.g, 3, b.g.channels[2].gpadl), HVP_STATUS_SUCCESS);
	TAP_EQ(guest_post_open(&b.g, 2, 0), HVP_STATUS_SUCCESS);
	TAP_CHECK(torndown(&b, b.g.channels[2].gpadl));
	TAP_REQUIRE(guest_expect(&b.g, HVP_MSG_OPEN_RESULT, &msg));
	TAP_EQ(msg.u.OPEN_RESULT.status, HVP_OPEN_FAILED);
	TAP_CHECK(guest_expect_nothing(&b.g));
	bed_drop(&b);
}

TAP_TEST(lists_outlive_the_release_of_their_channel)
{
	struct bed b;

	bed_make_connected(&b);
	TAP_EQ(guest_post_gpadl(&b.g, 1, 7, &(uint64_t){ 3 }, 1, 0, 0), HVP_STATUS_SUCCESS);
	TAP_CHECK(created(&b, 1, 7, HVP_GPADL_SUCCESS));
	TAP_EQ(guest_post_channel(&b.g, HVP_MSG_RELID_RELEASED, 1), HVP_STATUS_SUCCESS);
	TAP_EQ(guest_post_teardown(&b.g, 1, 7), HVP_STATUS_SUCCESS);
	TAP_CHECK(torndown(&b, 7));
	bed_drop(&b);
}

TAP_MAIN()
