/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Sub-channels, by the echo device (channel 3, index 2); its sub-channels are 4 and up (index 3 and up).
 */
#include <errno.h>

#include "host/vmbus/server_priv.h"
#include "tests/unit/bed.h"

#define ECHO 2u
#define SUB  3u /* the first */

static void drop(struct bed *b)
{
	b->e.echo.behaviour.slow = false;
	bed_drop(b);
}

static uint64_t violations(struct bed *b)
{
	return bed_stats(b).violations;
}

static const char *state_of(struct bed *b, unsigned channel)
{
	struct hvh_channel_info info = { .state = "gone" };

	if (embedder_channel(&b->e, channel))
		hvh_channel_info(embedder_channel(&b->e, channel), &info);
	return info.state;
}

static bool open_one(struct bed *b, unsigned channel)
{
	bool fine = guest_share_ring(&b->g, channel, 8, 4) &&
		    guest_open(&b->g, channel, channel % 4);

	embedder_run(&b->e);
	return fine;
}

/* The next message offers this channel as the echo device's sub-channel `index`. */
static bool offered(struct bed *b, unsigned channel, unsigned index)
{
	struct hvw_msg msg;

	return guest_expect(&b->g, HVP_MSG_OFFER_CHANNEL, &msg) &&
	       msg.u.OFFER_CHANNEL.channel_id == channel + 1 &&
	       msg.u.OFFER_CHANNEL.subchannel_index == index &&
	       !memcmp(&msg.u.OFFER_CHANNEL.class_id, &b->e.echo.device.class_id,
		       sizeof(struct hvp_guid)) &&
	       !memcmp(&msg.u.OFFER_CHANNEL.instance_id, &b->e.echo.device.instance_id,
		       sizeof(struct hvp_guid));
}

static bool rescinded(struct bed *b, unsigned channel)
{
	struct hvw_msg msg;

	return guest_expect(&b->g, HVP_MSG_RESCIND_OFFER, &msg) &&
	       msg.u.RESCIND_OFFER.channel_id == channel + 1;
}

/* The first channel open, with `count` sub-channels offered. */
static void make_offered(struct bed *b, unsigned count)
{
	bed_make_connected(b);
	b->e.echo.behaviour.subchannels = count;
	TAP_CHECK(open_one(b, ECHO));
	for (unsigned i = 0; i < count; i++)
		TAP_CHECK(offered(b, SUB + i, i + 1));
	TAP_CHECK(guest_expect_nothing(&b->g));
}

/* All open. */
static void make_open(struct bed *b, unsigned count)
{
	make_offered(b, count);
	for (unsigned i = 0; i < count; i++)
		TAP_CHECK(open_one(b, SUB + i));
	TAP_CHECK(guest_expect_nothing(&b->g));
}

/* --- offering ------------------------------------------------------------------------------------ */

TAP_TEST(sub_channels_are_offered_when_their_device_is_open)
{
	struct hvh_channel_info info;
	struct bed b;

	make_offered(&b, 3);
	hvh_channel_info(embedder_channel(&b.e, SUB + 1), &info);
	TAP_EQ(info.subchannel_index, 2);
	TAP_STR_EQ(info.name, "echo");
	TAP_EQ(hvh_channel_index(embedder_channel(&b.e, SUB + 1)), 2);
	TAP_EQ(hvh_channel_index(embedder_channel(&b.e, ECHO)), 0);
	TAP_CHECK(hvh_device_channel(&b.e.echo.device, 0) == embedder_channel(&b.e, ECHO));
	TAP_CHECK(hvh_device_channel(&b.e.echo.device, 3) == embedder_channel(&b.e, SUB + 2));
	TAP_CHECK(!hvh_device_channel(&b.e.echo.device, 4));
	drop(&b);
}

TAP_TEST(a_later_request_adds_what_is_missing)
{
	struct bed b;

	make_offered(&b, 1);
	hvh_device_request_subchannels(&b.e.echo.device, 3);
	TAP_CHECK(offered(&b, SUB + 1, 2));
	TAP_CHECK(offered(&b, SUB + 2, 3));
	hvh_device_request_subchannels(&b.e.echo.device, 2);
	hvh_device_request_subchannels(&b.e.echo.device, 3);
	TAP_CHECK(guest_expect_nothing(&b.g));
	/* One that the guest did not want is offered again if the device still wants it. */
	TAP_EQ(guest_post_channel(&b.g, HVP_MSG_RELID_RELEASED, SUB + 2), HVP_STATUS_SUCCESS);
	TAP_STR_EQ(state_of(&b, SUB + 1), "gone");
	hvh_device_request_subchannels(&b.e.echo.device, 3);
	TAP_CHECK(offered(&b, SUB + 1, 2));
	TAP_EQ(violations(&b), 0);
	drop(&b);
}

TAP_TEST(a_request_of_a_closed_device_is_void)
{
	struct bed b;

	bed_make_connected(&b);
	hvh_device_request_subchannels(&b.e.echo.device, 2);
	TAP_CHECK(guest_expect_nothing(&b.g));
	b.e.echo.behaviour.subchannels = 2;
	/* Asked for, and closed before the server gets to it. */
	TAP_REQUIRE(guest_share_ring(&b.g, ECHO, 8, 4));
	TAP_EQ(guest_post_open(&b.g, ECHO, 0), HVP_STATUS_SUCCESS);
	while (strcmp(state_of(&b, ECHO), "open"))
		TAP_REQUIRE(embedder_step(&b.e, 0));
	TAP_EQ(guest_post_close(&b.g, ECHO), HVP_STATUS_SUCCESS);
	embedder_run(&b.e);
	b.e.echo.behaviour.subchannels = 0;
	hvh_device_request_subchannels(&b.e.echo.device, 0);
	TAP_CHECK(guest_expect(&b.g, HVP_MSG_OPEN_RESULT, &(struct hvw_msg){ 0 }));
	for (unsigned i = 0; i < 2; i++) {
		struct hvw_msg msg;

		/* The server may have been faster: then they are offered and rescinded. */
		while (guest_take(&b.g, &msg))
			TAP_CHECK(msg.u.h.type == HVP_MSG_OFFER_CHANNEL ||
				  msg.u.h.type == HVP_MSG_RESCIND_OFFER);
	}
	TAP_CHECK(!hvh_device_channel(&b.e.echo.device, 1));
	drop(&b);
}

TAP_TEST(each_sub_channel_has_rings_of_its_own)
{
	struct bed b;

	make_open(&b, 2);
	for (unsigned i = 0; i < 3; i++) {
		uint64_t value = 100 + i, back = 0;

		TAP_CHECK(b.e.echo.lanes[i].open);
		TAP_EQ(guest_send(&b.g, ECHO + i, i, &value, sizeof(value)), 0);
		for (unsigned other = 0; other < 3; other++)
			if (other != i)
				TAP_EQ(guest_recv(&b.g, ECHO + other, &back, sizeof(back), NULL),
				       -EAGAIN);
		TAP_EQ(guest_recv(&b.g, ECHO + i, &back, sizeof(back), NULL), sizeof(back));
		TAP_EQ(back, value);
		TAP_CHECK(b.e.signals[ECHO + i] > 0);
		TAP_EQ(b.e.signal_vp[ECHO + i], (ECHO + i) % 4);
	}
	drop(&b);
}

TAP_TEST(each_sub_channel_has_retries_of_its_own)
{
	uint8_t bytes[ECHO_PACKET_MAX] = { 0 };
	struct bed b;

	make_open(&b, 1);
	while (!b.e.echo.lanes[1].kept_len)
		TAP_EQ(guest_send(&b.g, SUB, 1, bytes, sizeof(bytes)), 0);
	TAP_EQ(embedder_channel(&b.e, ECHO)->retry_ns, 0);
	TAP_CHECK(embedder_channel(&b.e, SUB)->retry_ns > b.e.now_ns);
	/* No signal tells of the room: the timer finds it. */
	b.g.channels[SUB].connection_id = 0;
	while (guest_recv(&b.g, SUB, bytes, sizeof(bytes), NULL) >= 0)
		;
	embedder_advance(&b.e, 10000000);
	TAP_EQ(b.e.echo.lanes[1].kept_len, 0);
	drop(&b);
}

TAP_TEST(a_sub_channel_closes_and_reopens_alone)
{
	struct bed b;

	make_open(&b, 2);
	for (unsigned i = 0; i < 3; i++) {
		TAP_EQ(guest_post_close(&b.g, SUB), HVP_STATUS_SUCCESS);
		TAP_CHECK(guest_expect_nothing(&b.g));
		TAP_STR_EQ(state_of(&b, SUB), "offered");
		TAP_CHECK(!b.e.echo.lanes[1].open && b.e.echo.lanes[0].open);
		TAP_CHECK(guest_unshare_ring(&b.g, SUB));
		TAP_CHECK(open_one(&b, SUB));
	}
	TAP_EQ(violations(&b), 0);
	drop(&b);
}

/* --- the end of the first channel ------------------------------------------------------------------ */

TAP_TEST(closing_the_first_channel_rescinds_the_others_before)
{
	struct bed b;

	make_open(&b, 2);
	b.e.echo.behaviour.slow = true;
	TAP_EQ(guest_post_close(&b.g, ECHO), HVP_STATUS_SUCCESS);
	embedder_run(&b.e);
	/* The device closes the sub-channels first, and nobody hears anything before they have drained. */
	TAP_CHECK(b.e.echo.lanes[0].open && !b.e.echo.lanes[1].open && !b.e.echo.lanes[2].open);
	TAP_CHECK(guest_expect_nothing(&b.g));
	hvh_channel_stopped(b.e.echo.lanes[1].draining);
	b.e.echo.lanes[1].draining = NULL;
	TAP_CHECK(rescinded(&b, SUB));
	TAP_CHECK(guest_expect_nothing(&b.g));
	TAP_CHECK(b.e.echo.lanes[0].open);
	hvh_channel_stopped(b.e.echo.lanes[2].draining);
	b.e.echo.lanes[2].draining = NULL;
	TAP_CHECK(rescinded(&b, SUB + 1));
	TAP_CHECK(guest_expect_nothing(&b.g));
	TAP_CHECK(!b.e.echo.lanes[0].open);
	TAP_STR_EQ(state_of(&b, ECHO), "closing");
	embedder_drain(&b.e);
	embedder_run(&b.e);
	TAP_STR_EQ(state_of(&b, ECHO), "offered");
	for (unsigned i = 0; i < 2; i++)
		TAP_EQ(guest_post_channel(&b.g, HVP_MSG_RELID_RELEASED, SUB + 1 + i),
		       HVP_STATUS_SUCCESS);
	TAP_STR_EQ(state_of(&b, SUB), "gone");
	TAP_EQ(violations(&b), 0);
	drop(&b);
}

TAP_TEST(a_guest_that_closes_in_its_own_order_may_do_so)
{
	struct bed b;

	make_open(&b, 2);
	/* As Linux does: sub-channels, then the first one, then the offers. */
	for (unsigned i = 0; i < 3; i++) {
		unsigned channel = i < 2 ? SUB + i : ECHO;

		TAP_EQ(guest_post_close(&b.g, channel), HVP_STATUS_SUCCESS);
		TAP_EQ(guest_post_teardown(&b.g, channel + 1, b.g.channels[channel].gpadl),
		       HVP_STATUS_SUCCESS);
		TAP_CHECK(guest_expect(&b.g, i < 2 ? HVP_MSG_GPADL_TORNDOWN : HVP_MSG_RESCIND_OFFER,
				       &(struct hvw_msg){ 0 }));
	}
	TAP_CHECK(rescinded(&b, SUB + 1));
	TAP_CHECK(guest_expect(&b.g, HVP_MSG_GPADL_TORNDOWN, &(struct hvw_msg){ 0 }));
	TAP_EQ(violations(&b), 0);
	drop(&b);
}

TAP_TEST(reopening_the_device_offers_them_anew_as_the_old_ones_are_released)
{
	struct bed b;

	make_open(&b, 2);
	TAP_EQ(guest_post_close(&b.g, ECHO), HVP_STATUS_SUCCESS);
	TAP_CHECK(rescinded(&b, SUB));
	TAP_CHECK(rescinded(&b, SUB + 1));
	TAP_CHECK(open_one(&b, ECHO));
	/* The device asked for them again. */
	TAP_STR_EQ(state_of(&b, SUB + 2), "waiting for the old offer's release");
	TAP_CHECK(guest_expect_nothing(&b.g));
	TAP_EQ(guest_post_channel(&b.g, HVP_MSG_RELID_RELEASED, SUB + 2), HVP_STATUS_SUCCESS);
	TAP_CHECK(offered(&b, SUB + 3, 2));
	TAP_EQ(guest_post_channel(&b.g, HVP_MSG_RELID_RELEASED, SUB + 1), HVP_STATUS_SUCCESS);
	TAP_CHECK(offered(&b, SUB + 2, 1));
	/* Those that wait end with the first channel, and silently. */
	TAP_EQ(guest_post_close(&b.g, ECHO), HVP_STATUS_SUCCESS);
	TAP_CHECK(rescinded(&b, SUB + 2));
	TAP_CHECK(rescinded(&b, SUB + 3));
	TAP_CHECK(guest_unshare_ring(&b.g, ECHO) && open_one(&b, ECHO));
	TAP_EQ(guest_post_close(&b.g, ECHO), HVP_STATUS_SUCCESS);
	TAP_CHECK(guest_expect_nothing(&b.g));
	TAP_EQ(b.e.server->channel_count, 3 + 2);
	TAP_EQ(violations(&b), 0);
	drop(&b);
}

TAP_TEST(a_sub_channel_that_is_just_being_opened_is_waited_for)
{
	for (int result = 0; result >= -EIO; result -= EIO) {
		struct bed b;
		struct hvw_msg msg;

		make_offered(&b, 1);
		TAP_REQUIRE(guest_share_ring(&b.g, SUB, 8, 4));
		TAP_EQ(guest_post_open(&b.g, SUB, 0), HVP_STATUS_SUCCESS);
		TAP_EQ(guest_post_close(&b.g, ECHO), HVP_STATUS_SUCCESS);
		TAP_STR_EQ(state_of(&b, SUB), "opening, device is leaving");
		TAP_STR_EQ(state_of(&b, ECHO), "closing");
		TAP_CHECK(b.e.echo.lanes[0].open);
		b.e.echo.behaviour.open_result = result;
		TAP_REQUIRE(guest_expect(&b.g, HVP_MSG_OPEN_RESULT, &msg));
		TAP_EQ(msg.u.OPEN_RESULT.status, HVP_OPEN_FAILED);
		TAP_CHECK(rescinded(&b, SUB));
		TAP_STR_EQ(state_of(&b, ECHO), "offered");
		TAP_CHECK(!b.e.echo.lanes[0].open);
		drop(&b);
	}
}

TAP_TEST(removal_and_departure_take_the_sub_channels_along)
{
	for (unsigned way = 0; way < 8; way++) {
		struct bed b;
		struct hvw_msg msg;
		unsigned rescinds = 0;

		make_open(&b, 3);
		TAP_EQ(guest_post_close(&b.g, SUB + 2), HVP_STATUS_SUCCESS);
		if (way & 1)
			embedder_run(&b.e);
		b.e.synchronous = way == 1;
		b.e.echo.behaviour.slow = way == 2 || way == 4;
		if (way < 4)
			TAP_EQ(embedder_remove(&b.e, EMBEDDER_ECHO), 0);
		else if (way < 6)
			TAP_EQ(guest_post_header(&b.g, HVP_MSG_UNLOAD), HVP_STATUS_SUCCESS);
		else
			embedder_reset(&b.e);
		for (unsigned i = 0; i < 3; i++) {
			embedder_run(&b.e);
			embedder_drain(&b.e);
		}
		while (guest_take(&b.g, &msg))
			rescinds += msg.u.h.type == HVP_MSG_RESCIND_OFFER;
		TAP_EQ(rescinds, way < 4 ? 4 : 0);
		TAP_EQ(msg.u.h.type, way < 4 ? HVP_MSG_RESCIND_OFFER :
				     way < 6 ? HVP_MSG_UNLOAD_RESPONSE :
					       msg.u.h.type);
		/* That of the first channel came last. */
		if (way < 4)
			TAP_EQ(msg.u.RESCIND_OFFER.channel_id, ECHO + 1);
		TAP_EQ(b.e.removed, way < 4);
		TAP_EQ(b.e.server->channel_count, way < 4 ? 6 : 3);
		TAP_EQ(hvh_mem_held(b.e.mem), 0);
		TAP_EQ(violations(&b), 0);
		drop(&b);
	}
}

TAP_TEST(they_come_back_after_save_and_load)
{
	uint64_t value = 5, back = 0;
	uint8_t *state;
	size_t len;
	struct bed b;

	make_open(&b, 2);
	TAP_EQ(guest_post_close(&b.g, SUB + 1), HVP_STATUS_SUCCESS);
	TAP_EQ(embedder_save(&b.e, &state, &len), -EBUSY);
	embedder_run(&b.e);
	hvh_device_request_subchannels(&b.e.echo.device, 2);
	TAP_EQ(embedder_save(&b.e, &state, &len), -EBUSY);
	embedder_run(&b.e);
	TAP_REQUIRE(embedder_save(&b.e, &state, &len) == 0);
	TAP_EQ(embedder_load(&b.e, state, len), 0);
	embedder_run(&b.e);
	TAP_STR_EQ(state_of(&b, ECHO), "open");
	TAP_STR_EQ(state_of(&b, SUB), "open");
	TAP_STR_EQ(state_of(&b, SUB + 1), "offered");
	TAP_EQ(guest_send(&b.g, SUB, 1, &value, sizeof(value)), 0);
	TAP_EQ(guest_recv(&b.g, SUB, &back, sizeof(back), NULL), sizeof(back));
	/* Should the first one not start again, the others are taken away. */
	b.e.owner_result = -ENOMEM;
	TAP_EQ(embedder_load(&b.e, state, len), 0);
	embedder_run(&b.e);
	TAP_STR_EQ(state_of(&b, ECHO), "offered");
	TAP_STR_EQ(state_of(&b, SUB), "revoked");
	TAP_STR_EQ(state_of(&b, SUB + 1), "revoked");
	TAP_CHECK(rescinded(&b, SUB + 1) && rescinded(&b, SUB));
	free(state);
	drop(&b);
}

TAP_MAIN()
