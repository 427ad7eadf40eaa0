/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Channels, by the echo device (channel 3, index 2).
 */
#include <errno.h>

#include "host/vmbus/server_priv.h"
#include "tests/unit/bed.h"

#define ECHO 2u

static void make_version(struct bed *b, uint32_t version)
{
	bed_make(b);
	TAP_CHECK(guest_contact(&b->g, version, 0) && guest_request_offers(&b->g));
}

/* Open, with 4 pages for each ring and nothing left to do. */
static void make_open(struct bed *b)
{
	bed_make_connected(b);
	TAP_CHECK(guest_share_ring(&b->g, ECHO, 8, 4) && guest_open(&b->g, ECHO, 1));
	embedder_run(&b->e);
}

static struct hvh_channel_info info(struct bed *b)
{
	struct hvh_channel_info i;

	hvh_channel_info(hvh_server_channel(b->e.server, ECHO), &i);
	return i;
}

static uint64_t violations(struct bed *b)
{
	return bed_stats(b).violations;
}

/* The next message is OPEN_RESULT of the last open, with this status. */
static bool open_result(struct bed *b, int32_t status)
{
	struct hvw_msg msg;

	return guest_expect(&b->g, HVP_MSG_OPEN_RESULT, &msg) &&
	       msg.u.OPEN_RESULT.channel_id == ECHO + 1 &&
	       msg.u.OPEN_RESULT.open_id == b->g.channels[ECHO].open_id &&
	       msg.u.OPEN_RESULT.status == status;
}

static struct guest_channel *echo(struct bed *b)
{
	return &b->g.channels[ECHO];
}

/* --- open and close -------------------------------------------------------------------------- */

TAP_TEST(open_is_answered_when_the_owner_loop_has_started)
{
	struct bed b;

	bed_make_connected(&b);
	TAP_REQUIRE(guest_share_ring(&b.g, ECHO, 4, 2));
	TAP_EQ(guest_post_open(&b.g, ECHO, 3), HVP_STATUS_SUCCESS);
	TAP_STR_EQ(info(&b).state, "opening");
	TAP_CHECK(!embedder_take(&b.e, &(struct embedder_message){ 0 }));
	TAP_CHECK(embedder_step(&b.e, 0)); /* the owner loop starts it */
	TAP_CHECK(b.e.echo.lanes[0].open);
	TAP_CHECK(!embedder_take(&b.e, &(struct embedder_message){ 0 }));
	TAP_CHECK(embedder_step(&b.e, 0)); /* the control loop hears of it */
	TAP_STR_EQ(info(&b).state, "open");
	TAP_EQ(info(&b).target_vp, 3);
	TAP_CHECK(info(&b).open);
	TAP_CHECK(open_result(&b, HVP_OPEN_SUCCESS));
	bed_drop(&b);
}

TAP_TEST(the_device_hears_nothing_before_the_guest_knows)
{
	struct bed b;

	bed_make_connected(&b);
	TAP_REQUIRE(guest_share_ring(&b.g, ECHO, 4, 2));
	TAP_EQ(guest_post_open(&b.g, ECHO, 0), HVP_STATUS_SUCCESS);
	embedder_doorbell(&b.e, echo(&b)->connection_id);
	TAP_CHECK(embedder_step(&b.e, 0));
	/* A signal left over from the last time that the channel was open. */
	embedder_doorbell(&b.e, echo(&b)->connection_id);
	TAP_EQ(b.e.echo.notified, 0);
	TAP_CHECK(open_result(&b, HVP_OPEN_SUCCESS));
	embedder_run(&b.e);
	TAP_EQ(b.e.echo.notified, 1);
	bed_drop(&b);
}

TAP_TEST(close_and_reopen_with_the_same_ring)
{
	struct bed b;

	make_open(&b);
	for (unsigned i = 0; i < 10; i++) {
		TAP_EQ(guest_post_close(&b.g, ECHO), HVP_STATUS_SUCCESS);
		TAP_CHECK(guest_expect_nothing(&b.g));
		TAP_STR_EQ(info(&b).state, "offered");
		TAP_CHECK(!b.e.echo.lanes[0].open);
		TAP_EQ(hvh_mem_held(b.e.mem), 0);
		TAP_CHECK(guest_open(&b.g, ECHO, i % 4));
	}
	TAP_EQ(violations(&b), 0);
	bed_drop(&b);
}

TAP_TEST(an_open_while_closing_waits_for_the_device)
{
	struct bed b;

	make_open(&b);
	b.e.echo.behaviour.slow = true;
	TAP_EQ(guest_post_close(&b.g, ECHO), HVP_STATUS_SUCCESS);
	TAP_EQ(guest_post_open(&b.g, ECHO, 2), HVP_STATUS_SUCCESS);
	TAP_STR_EQ(info(&b).state, "closing, will reopen");
	TAP_CHECK(guest_expect_nothing(&b.g));
	embedder_drain(&b.e);
	TAP_CHECK(open_result(&b, HVP_OPEN_SUCCESS));
	TAP_EQ(info(&b).target_vp, 2);
	TAP_CHECK(b.e.echo.lanes[0].open);
	b.e.echo.behaviour.slow = false;
	bed_drop(&b);
}

TAP_TEST(a_queued_open_is_checked_when_its_turn_comes)
{
	struct bed b;

	make_open(&b);
	TAP_EQ(guest_post_close(&b.g, ECHO), HVP_STATUS_SUCCESS);
	TAP_EQ(guest_post_open(&b.g, ECHO, 77), HVP_STATUS_SUCCESS);
	TAP_CHECK(open_result(&b, HVP_OPEN_FAILED));
	TAP_STR_EQ(info(&b).state, "offered");
	TAP_EQ(violations(&b), 1);
	bed_drop(&b);
}

TAP_TEST(a_close_takes_a_queued_open_back)
{
	struct bed b;

	make_open(&b);
	TAP_EQ(guest_post_close(&b.g, ECHO), HVP_STATUS_SUCCESS);
	TAP_EQ(guest_post_open(&b.g, ECHO, 2), HVP_STATUS_SUCCESS);
	TAP_EQ(guest_post_close(&b.g, ECHO), HVP_STATUS_SUCCESS);
	TAP_CHECK(guest_expect_nothing(&b.g));
	TAP_STR_EQ(info(&b).state, "offered");
	TAP_EQ(violations(&b), 0);
	TAP_CHECK(guest_open(&b.g, ECHO, 0));
	bed_drop(&b);
}

TAP_TEST(nothing_is_answered_before_a_slow_device_has_drained)
{
	struct bed b;

	make_open(&b);
	b.e.echo.behaviour.slow = true;
	TAP_EQ(guest_post_close(&b.g, ECHO), HVP_STATUS_SUCCESS);
	TAP_EQ(guest_post_teardown(&b.g, ECHO + 1, echo(&b)->gpadl), HVP_STATUS_SUCCESS);
	TAP_CHECK(guest_expect_nothing(&b.g));
	TAP_EQ(hvh_mem_held(b.e.mem), 1);
	/* Late doorbells and timers find nobody. */
	embedder_doorbell(&b.e, echo(&b)->connection_id);
	hvh_channel_expire(hvh_server_channel(b.e.server, ECHO), b.e.now_ns);
	TAP_EQ(b.e.echo.notified, 1);
	TAP_EQ(b.e.echo.expired, 0);
	embedder_drain(&b.e);
	TAP_CHECK(guest_expect(&b.g, HVP_MSG_GPADL_TORNDOWN, &(struct hvw_msg){ 0 }));
	TAP_EQ(hvh_mem_held(b.e.mem), 0);
	embedder_doorbell(&b.e, echo(&b)->connection_id);
	hvh_channel_expire(hvh_server_channel(b.e.server, ECHO), b.e.now_ns);
	TAP_EQ(b.e.echo.notified, 1);
	bed_drop(&b);
}

TAP_TEST(a_device_that_refuses_fails_the_open_and_may_accept_the_next)
{
	struct bed b;

	bed_make_connected(&b);
	TAP_REQUIRE(guest_share_ring(&b.g, ECHO, 4, 2));
	b.e.echo.behaviour.open_result = -EIO;
	b.e.echo.behaviour.period_ns = 1000;
	TAP_EQ(guest_post_open(&b.g, ECHO, 0), HVP_STATUS_SUCCESS);
	TAP_CHECK(open_result(&b, HVP_OPEN_FAILED));
	TAP_STR_EQ(info(&b).state, "offered");
	TAP_EQ(hvh_mem_held(b.e.mem), 0);
	b.e.echo.behaviour.open_result = 0;
	TAP_CHECK(guest_open(&b.g, ECHO, 0));
	bed_drop(&b);
}

TAP_TEST(an_embedder_that_cannot_start_fails_the_open)
{
	struct bed b;

	bed_make_connected(&b);
	TAP_REQUIRE(guest_share_ring(&b.g, ECHO, 4, 2));
	b.e.start_result = -EMFILE;
	TAP_EQ(guest_post_open(&b.g, ECHO, 0), HVP_STATUS_SUCCESS);
	TAP_CHECK(open_result(&b, HVP_OPEN_FAILED));
	TAP_EQ(hvh_mem_held(b.e.mem), 0);
	b.e.start_result = 0;
	b.e.owner_result = -ENOMEM;
	TAP_EQ(guest_post_open(&b.g, ECHO, 0), HVP_STATUS_SUCCESS);
	TAP_CHECK(open_result(&b, HVP_OPEN_FAILED));
	TAP_EQ(hvh_mem_held(b.e.mem), 0);
	b.e.owner_result = 0;
	TAP_CHECK(guest_open(&b.g, ECHO, 0));
	bed_drop(&b);
}

TAP_TEST(leaving_while_opening_closes_what_was_opened)
{
	for (int result = 0; result >= -EIO; result -= EIO) {
		struct bed b;

		bed_make_connected(&b);
		TAP_REQUIRE(guest_share_ring(&b.g, ECHO, 4, 2));
		b.e.echo.behaviour.open_result = result;
		TAP_EQ(guest_post_open(&b.g, ECHO, 0), HVP_STATUS_SUCCESS);
		TAP_EQ(guest_post_header(&b.g, HVP_MSG_UNLOAD), HVP_STATUS_SUCCESS);
		TAP_CHECK(guest_expect(&b.g, HVP_MSG_UNLOAD_RESPONSE, &(struct hvw_msg){ 0 }));
		TAP_CHECK(guest_expect_nothing(&b.g));
		TAP_CHECK(!b.e.echo.lanes[0].open);
		TAP_EQ(hvh_mem_held(b.e.mem), 0);
		bed_drop(&b);
	}
}

TAP_TEST(a_release_while_closing_ends_without_an_offer)
{
	struct bed b;

	make_open(&b);
	TAP_EQ(guest_post_close(&b.g, ECHO), HVP_STATUS_SUCCESS);
	TAP_EQ(guest_post_channel(&b.g, HVP_MSG_RELID_RELEASED, ECHO + 1), HVP_STATUS_SUCCESS);
	embedder_run(&b.e);
	TAP_STR_EQ(info(&b).state, "not offered");
	TAP_EQ(violations(&b), 0);
	bed_drop(&b);
}

/* --- the ring's memory ------------------------------------------------------------------------ */

/* Opens with these parameters; true when the server refuses. */
static bool refused(struct bed *b, uint32_t gpadl, uint32_t page, uint32_t vp)
{
	uint64_t before = violations(b);

	echo(b)->gpadl = gpadl;
	echo(b)->split = page;
	TAP_EQ(guest_post_open(&b->g, ECHO, vp), HVP_STATUS_SUCCESS);
	if (!open_result(b, HVP_OPEN_FAILED))
		return false;
	TAP_EQ(violations(b), before + 1);
	TAP_EQ(hvh_mem_held(b->e.mem), 0);
	TAP_STR_EQ(info(b).state, "offered");
	return true;
}

TAP_TEST(rings_need_two_pages_on_either_side)
{
	struct bed b;
	uint32_t gpadl;

	bed_make_connected(&b);
	TAP_REQUIRE(guest_share_ring(&b.g, ECHO, 6, 3));
	gpadl = echo(&b)->gpadl;
	TAP_CHECK(refused(&b, gpadl, 0, 0));
	TAP_CHECK(refused(&b, gpadl, 1, 0));
	TAP_CHECK(refused(&b, gpadl, 5, 0));
	TAP_CHECK(refused(&b, gpadl, 6, 0));
	TAP_CHECK(refused(&b, gpadl, 7, 0));
	TAP_CHECK(refused(&b, gpadl, UINT32_MAX, 0));
	/* In bytes, this many pages are 2 again. */
	TAP_CHECK(refused(&b, gpadl, (1u << 20) + 2, 0));
	echo(&b)->split = 2;
	TAP_CHECK(guest_open(&b.g, ECHO, 0));
	TAP_EQ(guest_post_close(&b.g, ECHO), HVP_STATUS_SUCCESS);
	echo(&b)->split = 4;
	TAP_CHECK(guest_open(&b.g, ECHO, 0));
	bed_drop(&b);
}

struct ring_gpadl {
	struct hvp_msg_gpadl_header h;
	uint64_t data[8];
} HVP_WIRE(4);

/* A list for the echo channel of `words` words of range data; true when it was created. */
static bool list(struct bed *b, uint32_t handle, unsigned ranges, const uint64_t *data,
		 unsigned words)
{
	struct ring_gpadl msg = { .h = { .h.type = HVP_MSG_GPADL_HEADER,
					 .channel_id = ECHO + 1,
					 .gpadl = handle,
					 .range_bytes = (uint16_t)(words * 8),
					 .range_count = (uint16_t)ranges } };
	struct hvw_msg answer;

	memcpy(msg.data, data, words * sizeof(*data));
	TAP_EQ(guest_post(&b->g, &msg, sizeof(msg.h) + words * 8), HVP_STATUS_SUCCESS);
	return guest_expect(&b->g, HVP_MSG_GPADL_CREATED, &answer) &&
	       !answer.u.GPADL_CREATED.status;
}

TAP_TEST(rings_come_from_a_fitting_list_of_the_same_channel)
{
	static const uint64_t gpns[30] = { 20, 21, 22, 23, 24, 25 };
	static const uint64_t good[] = { 6 * 4096, 20, 21, 22, 23, 24, 25 };
	static const uint64_t two[] = { 3 * 4096, 20, 21, 22, 3 * 4096, 23, 24, 25 };
	static const uint64_t not_whole[] = { 6 * 4096 - 8, 20, 21, 22, 23, 24, 25 };
	static const uint64_t not_from_start[] = {
		6 * 4096 | 8ull << 32, 20, 21, 22, 23, 24, 25, 26
	};
	struct bed b;

	bed_make_connected(&b);
	TAP_CHECK(refused(&b, 0, 2, 0));
	TAP_CHECK(refused(&b, 1234, 2, 0));
	/* Of another channel. */
	TAP_EQ(guest_post_gpadl(&b.g, 1, 1, gpns, 6, 0, 0), HVP_STATUS_SUCCESS);
	TAP_CHECK(guest_expect(&b.g, HVP_MSG_GPADL_CREATED, &(struct hvw_msg){ 0 }));
	TAP_CHECK(refused(&b, 1, 3, 0));
	/* Still being assembled. */
	TAP_EQ(guest_post_gpadl(&b.g, ECHO + 1, 2, gpns, 30, 1, 0), HVP_STATUS_SUCCESS);
	TAP_CHECK(refused(&b, 2, 3, 0));
	TAP_CHECK(list(&b, 3, 2, two, 8));
	TAP_CHECK(refused(&b, 3, 2, 0));
	TAP_CHECK(list(&b, 4, 1, not_whole, 7));
	TAP_CHECK(refused(&b, 4, 3, 0));
	TAP_CHECK(list(&b, 5, 1, not_from_start, 8));
	TAP_CHECK(refused(&b, 5, 3, 0));
	TAP_CHECK(list(&b, 6, 1, good, 7));
	echo(&b)->gpadl = 6;
	TAP_CHECK(guest_open(&b.g, ECHO, 0));
	bed_drop(&b);
}

TAP_TEST(target_processors_exist_or_are_none)
{
	struct bed b;
	uint32_t gpadl;

	bed_make_connected(&b);
	TAP_REQUIRE(guest_share_ring(&b.g, ECHO, 4, 2));
	gpadl = echo(&b)->gpadl;
	TAP_CHECK(refused(&b, gpadl, 2, 4));
	TAP_CHECK(refused(&b, gpadl, 2, UINT32_MAX - 1));
	TAP_CHECK(guest_open(&b.g, ECHO, 3));
	bed_drop(&b);
}

TAP_TEST(corrupt_indices_fail_the_open)
{
	static const uint32_t bad[] = { 1, 4, 4095, 4096, 4104, UINT32_MAX, UINT32_MAX - 7 };
	struct bed b;
	struct hvp_ring_control *control[2];
	uint32_t gpadl;

	bed_make_connected(&b);
	TAP_REQUIRE(guest_share_ring(&b.g, ECHO, 4, 2));
	gpadl = echo(&b)->gpadl;
	control[0] = (struct hvp_ring_control *)(void *)echo(&b)->ring;
	control[1] = (struct hvp_ring_control *)(void *)(echo(&b)->ring + 2 * HVP_PAGE_SIZE);
	for (unsigned ring = 0; ring < 2; ring++) {
		for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
			control[ring]->write_index = bad[i];
			TAP_CHECK(refused(&b, gpadl, 2, 0));
			control[ring]->write_index = 0;
			control[ring]->read_index = bad[i];
			TAP_CHECK(refused(&b, gpadl, 2, 0));
			control[ring]->read_index = 0;
		}
	}
	TAP_CHECK(guest_open(&b.g, ECHO, 0));
	bed_drop(&b);
}

/* --- packets ----------------------------------------------------------------------------------- */

TAP_TEST(packets_come_back_over_scattered_pages)
{
	struct bed b;
	uint8_t out[ECHO_PACKET_MAX], in[ECHO_PACKET_MAX];
	uint64_t id;

	make_open(&b);
	for (unsigned i = 1; i < 1000; i++) {
		uint32_t len = 8 * (i % (ECHO_PACKET_MAX / 8) + 1);

		memset(out, (int)i, sizeof(out));
		TAP_REQUIRE(guest_send(&b.g, ECHO, i, out, len) == 0);
		TAP_REQUIRE(guest_recv(&b.g, ECHO, in, sizeof(in), &id) == (int)len);
		TAP_EQ(id, i);
		TAP_MEM_EQ(in, out, len);
	}
	TAP_EQ(info(&b).packets_in, 999);
	TAP_EQ(info(&b).packets_out, 999);
	TAP_EQ(b.e.signal_vp[ECHO], 1);
	TAP_CHECK(b.e.signals[ECHO] >= 999);
	bed_drop(&b);
}

TAP_TEST(a_channel_without_interrupts_works_by_polling)
{
	struct bed b;
	uint8_t bytes[8] = { 0 };

	bed_make_connected(&b);
	TAP_REQUIRE(guest_share_ring(&b.g, ECHO, 4, 2) &&
		    guest_open(&b.g, ECHO, HVP_TARGET_VP_NONE));
	embedder_run(&b.e);
	TAP_EQ(guest_send(&b.g, ECHO, 1, bytes, 8), 0);
	TAP_EQ(guest_recv(&b.g, ECHO, bytes, 8, NULL), 8);
	TAP_EQ(b.e.signals[ECHO], 0);
	/* A processor can be given later, none cannot. */
	TAP_EQ(guest_post_modify(&b.g, ECHO, 2), HVP_STATUS_SUCCESS);
	TAP_EQ(guest_send(&b.g, ECHO, 1, bytes, 8), 0);
	TAP_EQ(b.e.signals[ECHO], 1);
	TAP_EQ(b.e.signal_vp[ECHO], 2);
	bed_drop(&b);
}

/* Sends until the host's ring is full and the device keeps a packet; how many were sent. */
static unsigned fill(struct bed *b)
{
	uint8_t bytes[ECHO_PACKET_MAX] = { 0 };
	unsigned sent = 0;

	while (!b->e.echo.lanes[0].kept_len &&
	       guest_send(&b->g, ECHO, sent + 1, bytes, sizeof(bytes)) == 0)
		sent++;
	TAP_CHECK(b->e.echo.lanes[0].kept_len != 0);
	return sent;
}

TAP_TEST(a_blocked_send_goes_on_when_the_guest_signals_room)
{
	struct bed b;
	uint8_t bytes[ECHO_PACKET_MAX];
	unsigned sent, got = 0;
	uint64_t id;

	make_open(&b);
	sent = fill(&b);
	while (guest_recv(&b.g, ECHO, bytes, sizeof(bytes), &id) >= 0)
		TAP_EQ(id, ++got);
	TAP_EQ(got, sent);
	TAP_EQ(b.e.echo.lanes[0].kept_len, 0);
	bed_drop(&b);
}

TAP_TEST(a_blocked_send_goes_on_by_itself_for_guests_that_signal_no_room)
{
	struct bed b;
	uint8_t bytes[ECHO_PACKET_MAX];
	struct hvw_rx_packet packet;
	unsigned sent, got = 0;

	make_open(&b);
	sent = fill(&b);
	/* FreeBSD: reads, gives room back, and knows nothing of the host's wish. */
	for (unsigned i = 0; i < 3; i++) {
		while (hvw_rx_next(&echo(&b)->rx, &packet) == 0)
			got++;
		TAP_CHECK(hvw_rx_release(&echo(&b)->rx) || got);
		embedder_advance(&b.e, 10000000);
	}
	TAP_EQ(got, sent);
	TAP_EQ(b.e.echo.lanes[0].kept_len, 0);
	TAP_EQ(guest_send(&b.g, ECHO, 1, bytes, 8), 0);
	bed_drop(&b);
}

TAP_TEST(a_blocked_send_ends_with_the_channel)
{
	struct bed b;

	make_open(&b);
	fill(&b);
	TAP_EQ(guest_post_close(&b.g, ECHO), HVP_STATUS_SUCCESS);
	embedder_run(&b.e);
	embedder_advance(&b.e, 1000000000);
	TAP_EQ(hvh_server_channel(b.e.server, ECHO)->retry_ns, 0);
	TAP_CHECK(guest_share_ring(&b.g, ECHO, 8, 4) && guest_open(&b.g, ECHO, 1));
	bed_drop(&b);
}

TAP_TEST(messages_too_large_for_the_ring_are_told_so)
{
	struct bed b;
	uint8_t *big = calloc(1, 70000);

	make_open(&b);
	TAP_EQ(hvh_channel_send(hvh_server_channel(b.e.server, ECHO), 0, 0, big, 3 * 4096),
	       -EMSGSIZE);
	TAP_EQ(hvh_server_channel(b.e.server, ECHO)->retry_ns, 0);
	TAP_CHECK(!info(&b).broken);
	bed_drop(&b);
	free(big);
}

TAP_TEST(the_device_takes_so_many_packets_and_then_lets_others_run)
{
	struct bed b;
	uint8_t bytes[8] = { 0 };
	uint64_t before;

	bed_make_connected(&b);
	TAP_REQUIRE(guest_share_ring(&b.g, ECHO, 60, 30) && guest_open(&b.g, ECHO, 1));
	embedder_run(&b.e);
	for (unsigned i = 0; i < 600; i++)
		TAP_REQUIRE(hvw_tx_send(&echo(&b)->tx, 0, 1, bytes, 8, &(bool){ false }) == 0);
	embedder_doorbell(&b.e, echo(&b)->connection_id);
	TAP_EQ(b.e.echo.echoed, 256);
	/* What was read is given back, and no signal is asked for what comes by itself. */
	TAP_EQ(((struct hvp_ring_control *)(void *)echo(&b)->ring)->read_index, 256 * 32);
	TAP_EQ(((struct hvp_ring_control *)(void *)echo(&b)->ring)->interrupt_mask, 1);
	before = b.e.now_ns;
	embedder_advance(&b.e, 1);
	TAP_EQ(b.e.now_ns, before + 1);
	TAP_EQ(b.e.echo.echoed, 600);
	TAP_EQ(((struct hvp_ring_control *)(void *)echo(&b)->ring)->interrupt_mask, 0);
	bed_drop(&b);
}

TAP_TEST(a_corrupt_ring_costs_the_guest_its_channel_until_it_reopens)
{
	static const struct {
		uint32_t write_index;
		uint16_t type, offset8, length8;
	} bad[] = {
		{ 12287, 6, 2, 2 }, /* index unaligned */
		{ 12288, 6, 2, 2 }, /* index behind the ring */
		{ 8, 6, 2, 2 }, /* less than a packet */
		{ 24, 6, 2, 3 }, /* longer than what is there */
		{ 24, 6, 1, 2 }, /* data within the descriptor */
		{ 24, 6, 3, 2 }, /* data behind the packet */
		{ 24, 6, 2, 0 },    { 24, 6, 2, UINT16_MAX },
	};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct bed b;
		struct hvp_packet h = { bad[i].type, bad[i].offset8, bad[i].length8, 0, 1 };
		struct hvp_ring_control *control;
		unsigned lines;

		make_open(&b);
		lines = b.e.lines;
		control = (struct hvp_ring_control *)(void *)echo(&b)->ring;
		memcpy(echo(&b)->ring + HVP_PAGE_SIZE, &h, sizeof(h));
		control->write_index = bad[i].write_index;
		embedder_doorbell(&b.e, echo(&b)->connection_id);
		embedder_doorbell(&b.e, echo(&b)->connection_id);
		TAP_CHECK(info(&b).broken);
		TAP_EQ(b.e.lines, lines + 1);
		TAP_EQ(b.e.echo.notified, 2);
		TAP_EQ(hvh_channel_send(hvh_server_channel(b.e.server, ECHO), 0, 0, &h, 8),
		       -EPROTO);
		TAP_EQ(guest_post_close(&b.g, ECHO), HVP_STATUS_SUCCESS);
		embedder_run(&b.e);
		TAP_CHECK(guest_share_ring(&b.g, ECHO, 8, 4) && guest_open(&b.g, ECHO, 0));
		embedder_run(&b.e);
		TAP_CHECK(!info(&b).broken);
		TAP_EQ(guest_send(&b.g, ECHO, 1, &h, sizeof(h)), 0);
		TAP_EQ(guest_recv(&b.g, ECHO, &h, sizeof(h), NULL), (int)sizeof(h));
		bed_drop(&b);
	}
}

TAP_TEST(a_corrupt_index_of_the_hosts_ring_breaks_the_channel_too)
{
	struct bed b;
	struct hvp_ring_control *control;
	unsigned sent = 0;
	int err = 0;

	make_open(&b);
	control = (struct hvp_ring_control *)(void *)(echo(&b)->ring + 4 * HVP_PAGE_SIZE);
	control->read_index = 3;
	/* It is looked at when the room that is known runs out. */
	while (!err && sent++ < 40)
		err = hvh_channel_send(hvh_server_channel(b.e.server, ECHO), 0, 0, control, 512);
	TAP_EQ(err, -EPROTO);
	TAP_CHECK(info(&b).broken);
	bed_drop(&b);
}

TAP_TEST(a_device_can_give_up_on_its_guest)
{
	struct bed b;
	uint8_t bytes[ECHO_PACKET_MAX + 8] = { 0 };
	struct hvw_rx_packet packet;

	make_open(&b);
	TAP_EQ(guest_send(&b.g, ECHO, 1, bytes, sizeof(bytes)), 0);
	TAP_CHECK(info(&b).broken);
	/* The ring is sound, and yet nothing more is taken from it or sent. */
	TAP_EQ(guest_send(&b.g, ECHO, 1, bytes, 8), 0);
	TAP_EQ(hvh_channel_recv(hvh_server_channel(b.e.server, ECHO), &packet), -EPROTO);
	TAP_EQ(hvh_channel_send(hvh_server_channel(b.e.server, ECHO), 0, 1, bytes, 8), -EPROTO);
	TAP_CHECK(strstr(b.e.last_line, "echo") &&
		  strstr(b.e.last_line, "not a packet to send back"));
	TAP_EQ(guest_post_close(&b.g, ECHO), HVP_STATUS_SUCCESS);
	TAP_CHECK(guest_unshare_ring(&b.g, ECHO));
	bed_drop(&b);
}

TAP_TEST(broken_channels_do_not_flood_the_log)
{
	struct bed b;
	uint8_t bytes[ECHO_PACKET_MAX + 8] = { 0 };

	bed_make_connected(&b);
	for (unsigned i = 0; i < 50; i++) {
		TAP_REQUIRE(guest_share_ring(&b.g, ECHO, 4, 2) && guest_open(&b.g, ECHO, 0));
		embedder_run(&b.e);
		TAP_EQ(guest_send(&b.g, ECHO, 1, bytes, sizeof(bytes)), 0);
		TAP_CHECK(info(&b).broken);
		TAP_EQ(guest_post_close(&b.g, ECHO), HVP_STATUS_SUCCESS);
		TAP_CHECK(guest_unshare_ring(&b.g, ECHO));
	}
	TAP_CHECK(b.e.lines <= 20);
	bed_drop(&b);
}

/* --- timers ------------------------------------------------------------------------------------ */

TAP_TEST(timers_run_while_the_channel_is_open)
{
	struct bed b;

	bed_make_connected(&b);
	b.e.echo.behaviour.period_ns = 1000;
	TAP_REQUIRE(guest_share_ring(&b.g, ECHO, 4, 2) && guest_open(&b.g, ECHO, 0));
	embedder_advance(&b.e, 999);
	TAP_EQ(b.e.echo.expired, 0);
	embedder_advance(&b.e, 9001);
	TAP_EQ(b.e.echo.expired, 10);
	TAP_EQ(guest_post_close(&b.g, ECHO), HVP_STATUS_SUCCESS);
	embedder_run(&b.e);
	embedder_advance(&b.e, 10000);
	TAP_EQ(b.e.echo.expired, 10);
	bed_drop(&b);
}

TAP_TEST(a_timer_and_a_retry_share_the_embedders_timer)
{
	struct bed b;

	bed_make_connected(&b);
	b.e.echo.behaviour.period_ns = 15000000;
	TAP_REQUIRE(guest_share_ring(&b.g, ECHO, 8, 4) && guest_open(&b.g, ECHO, 0));
	embedder_run(&b.e);
	fill(&b);
	embedder_advance(&b.e, 30000000);
	TAP_EQ(b.e.echo.expired, 2);
	TAP_CHECK(b.e.echo.lanes[0].kept_len != 0);
	TAP_CHECK(hvh_server_channel(b.e.server, ECHO)->retry_ns > b.e.now_ns);
	bed_drop(&b);
}

/* --- trace --------------------------------------------------------------------------------------- */

TAP_TEST(packets_are_traced_in_both_directions)
{
	struct bed b;
	uint8_t bytes[20], wide[2000];

	make_open(&b);
	TAP_EQ(b.e.traced_packets[HVP_TO_HOST] + b.e.traced_packets[HVP_TO_GUEST], 0);
	memset(bytes, 0x5a, sizeof(bytes));
	TAP_EQ(guest_send(&b.g, ECHO, 77, bytes, sizeof(bytes)), 0);
	TAP_EQ(b.e.traced_packets[HVP_TO_HOST], 1);
	TAP_EQ(b.e.traced_packets[HVP_TO_GUEST], 1);
	for (unsigned to = HVP_TO_GUEST; to <= HVP_TO_HOST; to++) {
		TAP_EQ(b.e.traced[to].type, HVP_PACKET_INBAND);
		TAP_EQ(b.e.traced[to].flags, 0);
		TAP_EQ(b.e.traced[to].transaction_id, 77);
		/* What was received has its padding, and was sent back so. */
		TAP_EQ(b.e.traced[to].len, 24);
		TAP_MEM_EQ(b.e.traced[to].bytes, bytes, sizeof(bytes));
	}
	/* Around the end of the ring the payload lies in two pieces. */
	for (unsigned i = 0; i < 100; i++) {
		memset(wide, (int)i, sizeof(wide));
		TAP_EQ(guest_send(&b.g, ECHO, i, wide, 400), 0);
		TAP_MEM_EQ(b.e.traced[HVP_TO_HOST].bytes, wide, 400);
		while (guest_recv(&b.g, ECHO, bytes, sizeof(bytes), NULL) >= 0)
			;
	}
	TAP_CHECK(b.e.traced_split);
	bed_drop(&b);
}

/* --- MODIFY_CHANNEL ---------------------------------------------------------------------------- */

TAP_TEST(modify_moves_the_interrupts)
{
	static const struct {
		uint32_t version;
		bool answered;
	} cases[] = { { HVP_VERSION_4_1, false },
		      { HVP_VERSION_5_2, false },
		      { HVP_VERSION_5_3, true } };
	uint8_t bytes[8] = { 0 };

	for (unsigned i = 0; i < 3; i++) {
		struct bed b;
		struct hvw_msg msg;

		make_version(&b, cases[i].version);
		TAP_REQUIRE(guest_share_ring(&b.g, ECHO, 4, 2) && guest_open(&b.g, ECHO, 0));
		embedder_run(&b.e);
		TAP_EQ(guest_post_modify(&b.g, ECHO, 3), HVP_STATUS_SUCCESS);
		if (cases[i].answered) {
			TAP_REQUIRE(guest_expect(&b.g, HVP_MSG_MODIFY_CHANNEL_RESPONSE, &msg));
			TAP_EQ(msg.u.MODIFY_CHANNEL_RESPONSE.channel_id, ECHO + 1);
			TAP_EQ(msg.u.MODIFY_CHANNEL_RESPONSE.status, 0);
		}
		TAP_CHECK(guest_expect_nothing(&b.g));
		TAP_EQ(guest_send(&b.g, ECHO, 1, bytes, 8), 0);
		TAP_EQ(b.e.signal_vp[ECHO], 3);
		TAP_EQ(violations(&b), 0);

		TAP_EQ(guest_post_modify(&b.g, ECHO, HVP_TARGET_VP_NONE), HVP_STATUS_SUCCESS);
		TAP_EQ(guest_post_modify(&b.g, ECHO, 4), HVP_STATUS_SUCCESS);
		for (unsigned j = 0; cases[i].answered && j < 2; j++) {
			TAP_REQUIRE(guest_expect(&b.g, HVP_MSG_MODIFY_CHANNEL_RESPONSE, &msg));
			TAP_CHECK(msg.u.MODIFY_CHANNEL_RESPONSE.status != 0);
		}
		TAP_EQ(violations(&b), 2);
		TAP_EQ(info(&b).target_vp, 3);

		TAP_EQ(guest_post_close(&b.g, ECHO), HVP_STATUS_SUCCESS);
		TAP_EQ(guest_post_modify(&b.g, ECHO, 0), HVP_STATUS_SUCCESS);
		TAP_EQ(guest_take(&b.g, &msg), cases[i].answered);
		TAP_EQ(violations(&b), 3);
		bed_drop(&b);
	}
}

TAP_MAIN()
