/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Devices that come and go while the guest runs, in every state of their channels. The device is an echo
 * device in slot EMBEDDER_HOT (channel 4, index 3), and now and then a real one.
 */
#include <errno.h>

#include "host/vmbus/server_priv.h"
#include "tests/unit/bed.h"

#define HOT 3u

/* Connected, and the hot device offered. */
static void make(struct bed *b)
{
	struct hvw_msg msg;

	bed_make_connected(b);
	TAP_EQ(embedder_add(&b->e, EMBEDDER_HOT), 0);
	TAP_CHECK(guest_expect(&b->g, HVP_MSG_OFFER_CHANNEL, &msg));
	TAP_EQ(msg.u.OFFER_CHANNEL.channel_id, HOT + 1);
}

static void make_open(struct bed *b)
{
	make(b);
	TAP_CHECK(guest_share_ring(&b->g, HOT, 8, 4) && guest_open(&b->g, HOT, 1));
	embedder_run(&b->e);
}

static const char *state_of(struct bed *b, unsigned channel)
{
	struct hvh_channel_info info = { .state = "gone" };

	if (embedder_channel(&b->e, channel))
		hvh_channel_info(embedder_channel(&b->e, channel), &info);
	return info.state;
}

/* The next message is a RESCIND_OFFER of this channel. */
static bool rescinded(struct bed *b, unsigned channel)
{
	struct hvw_msg msg;

	return guest_expect(&b->g, HVP_MSG_RESCIND_OFFER, &msg) &&
	       msg.u.RESCIND_OFFER.channel_id == channel + 1;
}

static bool expect(struct bed *b, uint32_t type)
{
	return guest_expect(&b->g, type, &(struct hvw_msg){ 0 });
}

static bool open_result(struct bed *b, int32_t status)
{
	struct hvw_msg msg;

	return guest_expect(&b->g, HVP_MSG_OPEN_RESULT, &msg) &&
	       msg.u.OPEN_RESULT.channel_id == HOT + 1 &&
	       msg.u.OPEN_RESULT.open_id == b->g.channels[HOT].open_id &&
	       msg.u.OPEN_RESULT.status == status;
}

/* --- adding ------------------------------------------------------------------------------------- */

TAP_TEST(a_device_added_before_the_contact_is_offered_with_the_others)
{
	struct bed b;

	bed_make(&b);
	TAP_EQ(embedder_add(&b.e, EMBEDDER_HOT), 0);
	TAP_REQUIRE(guest_contact(&b.g, HVP_VERSION_5_3, 0));
	TAP_CHECK(guest_expect_nothing(&b.g));
	TAP_CHECK(guest_request_offers(&b.g));
	TAP_EQ(b.g.channels[HOT].id, HOT + 1);
	TAP_CHECK(guest_expect_nothing(&b.g));
	bed_drop(&b);
}

TAP_TEST(a_device_added_between_contact_and_request_is_offered_once)
{
	struct bed b;
	unsigned offers = 0;
	struct hvw_msg msg;

	bed_make(&b);
	TAP_REQUIRE(guest_contact(&b.g, HVP_VERSION_5_3, 0));
	TAP_EQ(embedder_add(&b.e, EMBEDDER_HOT), 0);
	TAP_CHECK(guest_expect_nothing(&b.g));
	TAP_EQ(guest_post_header(&b.g, HVP_MSG_REQUEST_OFFERS), HVP_STATUS_SUCCESS);
	while (guest_expect(&b.g, HVP_MSG_OFFER_CHANNEL, &msg))
		offers++;
	TAP_EQ(offers, 4);
	TAP_EQ(msg.u.h.type, HVP_MSG_ALL_OFFERS_DELIVERED);
	bed_drop(&b);
}

TAP_TEST(a_device_added_later_is_offered_at_once_and_works)
{
	struct bed b;
	uint8_t bytes[8] = { 1, 2, 3, 4, 5, 6, 7, 8 }, back[8];

	make_open(&b);
	TAP_EQ(guest_send(&b.g, HOT, 5, bytes, sizeof(bytes)), 0);
	TAP_EQ(guest_recv(&b.g, HOT, back, sizeof(back), NULL), 8);
	TAP_MEM_EQ(back, bytes, sizeof(bytes));
	TAP_EQ(bed_stats(&b).violations, 0);
	bed_drop(&b);
}

TAP_TEST(one_instance_is_there_once)
{
	struct echo_device twin;
	struct bed b;

	make(&b);
	echo_device_init(&twin, 1);
	TAP_EQ(hvh_server_add(b.e.server, &twin.device), -EEXIST);
	TAP_EQ(hvh_server_remove(b.e.server, &twin.device), -ENOENT);
	TAP_CHECK(guest_expect_nothing(&b.g));
	bed_drop(&b);
}

TAP_TEST(ids_run_out_and_come_back)
{
	static struct echo_device many[HVP_CHANNEL_ID_MAX];
	struct bed b;
	unsigned i;

	bed_make(&b);
	for (i = 0; i + EMBEDDER_CHANNELS < HVP_CHANNEL_ID_MAX; i++) {
		echo_device_init(&many[i], 0);
		many[i].device.instance_id.b[1] = (uint8_t)(i + 1);
		many[i].device.instance_id.b[2] = (uint8_t)((i + 1) >> 8);
		TAP_REQUIRE(hvh_server_add(b.e.server, &many[i].device) == 0);
		TAP_EQ(many[i].device.channel->id, EMBEDDER_CHANNELS + 1 + i);
	}
	TAP_EQ(embedder_add(&b.e, EMBEDDER_HOT), -ENOSPC);
	/* The guest has never heard of it, so its id is free at once. */
	TAP_EQ(hvh_server_remove(b.e.server, &many[7].device), 0);
	TAP_EQ(embedder_add(&b.e, EMBEDDER_HOT), 0);
	TAP_EQ(b.e.slots[EMBEDDER_HOT]->channel->id, EMBEDDER_CHANNELS + 1 + 7);
	b.e.server->removed = NULL; /* it is not the embedder's */
	bed_drop(&b);
}

/* --- removing, in each state -------------------------------------------------------------------- */

TAP_TEST(removing_what_the_guest_does_not_know_tells_it_nothing)
{
	struct bed b;

	bed_make(&b);
	TAP_EQ(embedder_remove(&b.e, EMBEDDER_SHUTDOWN), 0);
	TAP_EQ(b.e.removed, 0); /* from within hvh_server_work() only */
	embedder_run(&b.e);
	TAP_EQ(b.e.removed, 1);
	TAP_STR_EQ(state_of(&b, 1), "gone");
	TAP_REQUIRE(guest_contact(&b.g, HVP_VERSION_5_3, 0) && guest_request_offers(&b.g));
	TAP_EQ(b.g.channels[1].id, 0);
	TAP_CHECK(guest_expect_nothing(&b.g));
	bed_drop(&b);
}

TAP_TEST(removing_an_offered_device_rescinds_the_offer)
{
	struct bed b;

	make(&b);
	TAP_EQ(embedder_remove(&b.e, EMBEDDER_HOT), 0);
	TAP_CHECK(rescinded(&b, HOT));
	TAP_EQ(b.e.removed, 1);
	TAP_STR_EQ(state_of(&b, HOT), "revoked");
	TAP_EQ(guest_post_channel(&b.g, HVP_MSG_RELID_RELEASED, HOT + 1), HVP_STATUS_SUCCESS);
	TAP_STR_EQ(state_of(&b, HOT), "gone");
	TAP_EQ(bed_stats(&b).violations, 0);
	/* Once. */
	TAP_EQ(guest_post_channel(&b.g, HVP_MSG_RELID_RELEASED, HOT + 1), HVP_STATUS_SUCCESS);
	TAP_EQ(bed_stats(&b).violations, 1);
	TAP_CHECK(guest_expect_nothing(&b.g));
	bed_drop(&b);
}

TAP_TEST(removing_an_open_device_rescinds_when_it_has_drained)
{
	struct bed b;

	make_open(&b);
	embedder_echo(&b.e, EMBEDDER_HOT)->behaviour.slow = true;
	TAP_EQ(embedder_remove(&b.e, EMBEDDER_HOT), 0);
	TAP_CHECK(guest_expect_nothing(&b.g));
	TAP_STR_EQ(state_of(&b, HOT), "closing, device is leaving");
	TAP_EQ(hvh_mem_held(b.e.mem), 1);
	TAP_EQ(b.e.removed, 0);
	embedder_drain(&b.e);
	TAP_CHECK(rescinded(&b, HOT));
	TAP_EQ(b.e.removed, 1);
	TAP_EQ(hvh_mem_held(b.e.mem), 0);
	TAP_EQ(bed_stats(&b).channels_open, 0);
	/* What guests say to a channel that they have just lost is no violation. */
	TAP_EQ(guest_post_close(&b.g, HOT), HVP_STATUS_SUCCESS);
	TAP_EQ(guest_post_open(&b.g, HOT, 0), HVP_STATUS_SUCCESS);
	TAP_EQ(guest_post_modify(&b.g, HOT, 0), HVP_STATUS_SUCCESS);
	TAP_CHECK(guest_expect_nothing(&b.g));
	TAP_CHECK(guest_unshare_ring(&b.g, HOT));
	TAP_EQ(bed_stats(&b).violations, 0);
	bed_drop(&b);
}

TAP_TEST(a_close_that_crosses_the_removal_is_no_violation)
{
	struct bed b;

	make_open(&b);
	embedder_echo(&b.e, EMBEDDER_HOT)->behaviour.slow = true;
	TAP_EQ(embedder_remove(&b.e, EMBEDDER_HOT), 0);
	TAP_EQ(guest_post_close(&b.g, HOT), HVP_STATUS_SUCCESS);
	TAP_EQ(guest_post_modify(&b.g, HOT, 0), HVP_STATUS_SUCCESS);
	TAP_EQ(guest_post_teardown(&b.g, HOT + 1, b.g.channels[HOT].gpadl), HVP_STATUS_SUCCESS);
	TAP_EQ(guest_post_open(&b.g, HOT, 0), HVP_STATUS_SUCCESS);
	TAP_CHECK(guest_expect_nothing(&b.g));
	embedder_drain(&b.e);
	TAP_CHECK(expect(&b, HVP_MSG_GPADL_TORNDOWN));
	TAP_CHECK(rescinded(&b, HOT));
	TAP_CHECK(guest_expect_nothing(&b.g));
	TAP_EQ(bed_stats(&b).violations, 0);
	bed_drop(&b);
}

TAP_TEST(an_open_under_way_is_refused_before_the_rescind)
{
	for (int result = 0; result >= -EIO; result -= EIO) {
		struct bed b;

		make(&b);
		TAP_REQUIRE(guest_share_ring(&b.g, HOT, 8, 4));
		embedder_echo(&b.e, EMBEDDER_HOT)->behaviour.open_result = result;
		TAP_EQ(guest_post_open(&b.g, HOT, 0), HVP_STATUS_SUCCESS);
		TAP_EQ(embedder_remove(&b.e, EMBEDDER_HOT), 0);
		TAP_STR_EQ(state_of(&b, HOT), "opening, device is leaving");
		TAP_CHECK(open_result(&b, HVP_OPEN_FAILED));
		TAP_CHECK(rescinded(&b, HOT));
		TAP_EQ(b.e.removed, 1);
		TAP_EQ(bed_stats(&b).violations, 0);
		bed_drop(&b);
	}
}

TAP_TEST(a_queued_open_is_refused_before_the_rescind)
{
	struct bed b;

	make_open(&b);
	embedder_echo(&b.e, EMBEDDER_HOT)->behaviour.slow = true;
	TAP_EQ(guest_post_close(&b.g, HOT), HVP_STATUS_SUCCESS);
	TAP_EQ(guest_post_open(&b.g, HOT, 0), HVP_STATUS_SUCCESS);
	TAP_EQ(embedder_remove(&b.e, EMBEDDER_HOT), 0);
	TAP_CHECK(guest_expect_nothing(&b.g));
	TAP_STR_EQ(state_of(&b, HOT), "closing, device is leaving, open to be refused");
	embedder_drain(&b.e);
	TAP_CHECK(open_result(&b, HVP_OPEN_FAILED));
	TAP_CHECK(rescinded(&b, HOT));
	bed_drop(&b);
}

TAP_TEST(a_close_takes_back_the_open_that_was_to_be_refused)
{
	struct bed b;

	make_open(&b);
	embedder_echo(&b.e, EMBEDDER_HOT)->behaviour.slow = true;
	TAP_EQ(guest_post_close(&b.g, HOT), HVP_STATUS_SUCCESS);
	TAP_EQ(guest_post_open(&b.g, HOT, 0), HVP_STATUS_SUCCESS);
	TAP_EQ(embedder_remove(&b.e, EMBEDDER_HOT), 0);
	TAP_EQ(guest_post_close(&b.g, HOT), HVP_STATUS_SUCCESS);
	embedder_run(&b.e);
	embedder_drain(&b.e);
	TAP_CHECK(rescinded(&b, HOT));
	TAP_CHECK(guest_expect_nothing(&b.g));
	TAP_EQ(bed_stats(&b).violations, 0);
	bed_drop(&b);
}

TAP_TEST(removing_while_closing_rescinds_afterwards)
{
	struct bed b;

	make_open(&b);
	embedder_echo(&b.e, EMBEDDER_HOT)->behaviour.slow = true;
	TAP_EQ(guest_post_close(&b.g, HOT), HVP_STATUS_SUCCESS);
	TAP_EQ(embedder_remove(&b.e, EMBEDDER_HOT), 0);
	TAP_CHECK(guest_expect_nothing(&b.g));
	embedder_drain(&b.e);
	TAP_CHECK(rescinded(&b, HOT));
	TAP_EQ(b.e.removed, 1);
	bed_drop(&b);
}

TAP_TEST(a_guest_that_lets_go_first_hears_no_rescind)
{
	for (unsigned remove_first = 0; remove_first < 2; remove_first++) {
		struct bed b;

		make_open(&b);
		embedder_echo(&b.e, EMBEDDER_HOT)->behaviour.slow = true;
		TAP_EQ(guest_post_close(&b.g, HOT), HVP_STATUS_SUCCESS);
		if (remove_first)
			TAP_EQ(embedder_remove(&b.e, EMBEDDER_HOT), 0);
		TAP_EQ(guest_post_channel(&b.g, HVP_MSG_RELID_RELEASED, HOT + 1),
		       HVP_STATUS_SUCCESS);
		if (!remove_first)
			TAP_EQ(embedder_remove(&b.e, EMBEDDER_HOT), 0);
		TAP_STR_EQ(state_of(&b, HOT), "closing, guest is leaving");
		embedder_run(&b.e);
		embedder_drain(&b.e);
		TAP_CHECK(guest_expect_nothing(&b.g));
		TAP_EQ(b.e.removed, 1);
		TAP_STR_EQ(state_of(&b, HOT), "gone");
		TAP_EQ(bed_stats(&b).violations, 0);
		bed_drop(&b);
	}
}

/* --- removing, and the guest or the machine goes at the same time -------------------------------------- */

static void leave_by_unload(struct bed *b)
{
	TAP_EQ(guest_post_header(&b->g, HVP_MSG_UNLOAD), HVP_STATUS_SUCCESS);
}

static void leave_by_contact(struct bed *b)
{
	TAP_EQ(guest_post_contact(&b->g, HVP_VERSION_5_2, 0), HVP_STATUS_SUCCESS);
}

static void leave_by_reset(struct bed *b)
{
	embedder_reset(&b->e);
}

static void to_offered(struct bed *b)
{
	make(b);
}

static void to_opening(struct bed *b)
{
	make(b);
	TAP_CHECK(guest_share_ring(&b->g, HOT, 8, 4));
	embedder_echo(&b->e, EMBEDDER_HOT)->behaviour.slow = true;
	TAP_EQ(guest_post_open(&b->g, HOT, 0), HVP_STATUS_SUCCESS);
}

static void to_open(struct bed *b)
{
	make_open(b);
	embedder_echo(&b->e, EMBEDDER_HOT)->behaviour.slow = true;
}

static void to_closing(struct bed *b)
{
	to_open(b);
	TAP_EQ(guest_post_close(&b->g, HOT), HVP_STATUS_SUCCESS);
}

static void to_reopening(struct bed *b)
{
	to_closing(b);
	TAP_EQ(guest_post_open(&b->g, HOT, 0), HVP_STATUS_SUCCESS);
}

static void to_releasing(struct bed *b)
{
	to_closing(b);
	TAP_EQ(guest_post_channel(&b->g, HVP_MSG_RELID_RELEASED, HOT + 1), HVP_STATUS_SUCCESS);
}

static void to_revoked(struct bed *b)
{
	make(b);
	TAP_EQ(embedder_remove(&b->e, EMBEDDER_HOT), 0);
	TAP_EQ(embedder_add(&b->e, EMBEDDER_HOT), 0);
	TAP_CHECK(rescinded(b, HOT));
}

static void (*const to_state[])(struct bed *) = { to_offered,	to_opening,   to_open,	 to_closing,
						  to_reopening, to_releasing, to_revoked };
static void (*const leave_by[])(struct bed *) = { leave_by_unload, leave_by_contact,
						  leave_by_reset };

TAP_TEST(removals_and_departures_may_come_in_any_state_and_order)
{
	for (unsigned s = 0; s < sizeof(to_state) / sizeof(to_state[0]); s++) {
		for (unsigned l = 0; l < 2 * sizeof(leave_by) / sizeof(leave_by[0]); l++) {
			struct hvw_msg msg;
			struct bed b;
			unsigned taken = 0;

			to_state[s](&b);
			if (l & 1)
				leave_by[l / 2](&b);
			TAP_EQ(embedder_remove(&b.e, EMBEDDER_HOT), 0);
			if (!(l & 1))
				leave_by[l / 2](&b);
			/* Two rounds: a device that was opened when all were told to stop is closed in the second. */
			for (unsigned i = 0; i < 2; i++) {
				embedder_run(&b.e);
				embedder_drain(&b.e);
			}
			embedder_run(&b.e);
			TAP_EQ(b.e.removed, s == 6 ? 2 : 1);
			TAP_STR_EQ(state_of(&b, HOT), "gone");
			TAP_EQ(bed_stats(&b).gpadls, 0);
			TAP_EQ(bed_stats(&b).violations, 0);
			while (guest_take(&b.g, &msg))
				taken = msg.u.h.type;
			if (leave_by[l / 2] != leave_by_reset)
				TAP_CHECK(taken == HVP_MSG_UNLOAD_RESPONSE ||
					  taken == HVP_MSG_VERSION_RESPONSE);
			TAP_CHECK(guest_contact(&b.g, HVP_VERSION_5_3, 0) &&
				  guest_request_offers(&b.g));
			bed_drop(&b);
		}
	}
}

/* --- the same instance again --------------------------------------------------------------------- */

TAP_TEST(the_same_instance_waits_for_the_release_of_its_old_offer)
{
	struct bed b;
	struct hvw_msg msg;

	make_open(&b);
	TAP_EQ(embedder_remove(&b.e, EMBEDDER_HOT), 0);
	TAP_EQ(embedder_add(&b.e, EMBEDDER_HOT), 0);
	TAP_CHECK(rescinded(&b, HOT));
	TAP_CHECK(guest_expect_nothing(&b.g));
	TAP_STR_EQ(state_of(&b, HOT + 1), "waiting for the old offer's release");
	/* The guest has not heard of the new id. */
	TAP_EQ(guest_post_open(&b.g, HOT + 1, 0), HVP_STATUS_SUCCESS);
	TAP_EQ(bed_stats(&b).violations, 1);
	TAP_EQ(guest_post_close(&b.g, HOT), HVP_STATUS_SUCCESS);
	TAP_CHECK(guest_unshare_ring(&b.g, HOT));
	TAP_EQ(guest_post_channel(&b.g, HVP_MSG_RELID_RELEASED, HOT + 1), HVP_STATUS_SUCCESS);
	TAP_REQUIRE(guest_expect(&b.g, HVP_MSG_OFFER_CHANNEL, &msg));
	TAP_EQ(msg.u.OFFER_CHANNEL.channel_id, HOT + 2);
	TAP_CHECK(guest_share_ring(&b.g, HOT + 1, 8, 4) && guest_open(&b.g, HOT + 1, 1));
	/* And once more: the first id is free by now. */
	TAP_EQ(embedder_remove(&b.e, EMBEDDER_HOT), 0);
	TAP_EQ(embedder_add(&b.e, EMBEDDER_HOT), 0);
	TAP_CHECK(rescinded(&b, HOT + 1));
	TAP_EQ(guest_post_channel(&b.g, HVP_MSG_RELID_RELEASED, HOT + 2), HVP_STATUS_SUCCESS);
	TAP_REQUIRE(guest_expect(&b.g, HVP_MSG_OFFER_CHANNEL, &msg));
	TAP_EQ(msg.u.OFFER_CHANNEL.channel_id, HOT + 1);
	TAP_EQ(bed_stats(&b).violations, 1);
	bed_drop(&b);
}

TAP_TEST(what_waits_for_a_release_can_be_removed_and_the_guest_never_knows)
{
	struct bed b;

	make(&b);
	for (unsigned i = 0; i < 5; i++) {
		TAP_EQ(embedder_remove(&b.e, EMBEDDER_HOT), 0);
		TAP_EQ(embedder_add(&b.e, EMBEDDER_HOT), 0);
		embedder_run(&b.e);
	}
	TAP_EQ(b.e.removed, 5);
	TAP_CHECK(rescinded(&b, HOT));
	TAP_CHECK(guest_expect_nothing(&b.g));
	TAP_EQ(embedder_remove(&b.e, EMBEDDER_HOT), 0);
	TAP_EQ(guest_post_channel(&b.g, HVP_MSG_RELID_RELEASED, HOT + 1), HVP_STATUS_SUCCESS);
	TAP_CHECK(guest_expect_nothing(&b.g));
	bed_drop(&b);
}

TAP_TEST(an_id_is_not_used_again_before_its_release)
{
	struct bed b;
	struct hvw_msg msg;

	make(&b);
	TAP_EQ(embedder_remove(&b.e, EMBEDDER_HOT), 0);
	TAP_CHECK(rescinded(&b, HOT));
	TAP_EQ(embedder_add(&b.e, EMBEDDER_HOT + 1), 0);
	TAP_REQUIRE(guest_expect(&b.g, HVP_MSG_OFFER_CHANNEL, &msg));
	TAP_EQ(msg.u.OFFER_CHANNEL.channel_id, HOT + 2);
	TAP_EQ(guest_post_channel(&b.g, HVP_MSG_RELID_RELEASED, HOT + 1), HVP_STATUS_SUCCESS);
	TAP_EQ(embedder_add(&b.e, EMBEDDER_HOT + 2), 0);
	TAP_REQUIRE(guest_expect(&b.g, HVP_MSG_OFFER_CHANNEL, &msg));
	TAP_EQ(msg.u.OFFER_CHANNEL.channel_id, HOT + 1);
	bed_drop(&b);
}

TAP_TEST(services_come_and_go_a_hundred_times)
{
	static const enum embedder_slot slots[] = { EMBEDDER_HEARTBEAT, EMBEDDER_SHUTDOWN,
						    EMBEDDER_TIMESYNC, EMBEDDER_HOT };
	struct bed b;

	bed_make(&b);
	TAP_REQUIRE(guest_contact(&b.g, HVP_VERSION_5_3, 0) && guest_request_offers(&b.g));
	for (unsigned i = 0; i < 3; i++)
		TAP_EQ(guest_post_channel(&b.g, HVP_MSG_RELID_RELEASED, i + 1), HVP_STATUS_SUCCESS);
	TAP_EQ(embedder_remove(&b.e, EMBEDDER_HEARTBEAT), 0);
	TAP_EQ(embedder_remove(&b.e, EMBEDDER_SHUTDOWN), 0);
	for (unsigned round = 0; round < 100; round++) {
		struct hvw_msg msg;
		unsigned channel;

		TAP_EQ(embedder_add(&b.e, slots[round % 4]), 0);
		TAP_REQUIRE(guest_expect(&b.g, HVP_MSG_OFFER_CHANNEL, &msg));
		channel = msg.u.OFFER_CHANNEL.channel_id - 1;
		TAP_CHECK(channel < 5);
		TAP_CHECK(guest_share_ring(&b.g, channel, 4, 2) && guest_open(&b.g, channel, 0));
		embedder_run(&b.e);
		if (slots[round % 4] != EMBEDDER_HOT) {
			TAP_CHECK(guest_serve(&b.g, channel) >= 1);
			embedder_advance(&b.e, 3000000000);
		}
		TAP_EQ(embedder_remove(&b.e, slots[round % 4]), 0);
		TAP_CHECK(rescinded(&b, channel));
		TAP_EQ(guest_post_close(&b.g, channel), HVP_STATUS_SUCCESS);
		TAP_CHECK(guest_unshare_ring(&b.g, channel));
		TAP_EQ(guest_post_channel(&b.g, HVP_MSG_RELID_RELEASED, channel + 1),
		       HVP_STATUS_SUCCESS);
	}
	TAP_EQ(b.e.removed, 102);
	TAP_EQ(b.e.server->channel_count, 1);
	TAP_EQ(bed_stats(&b).gpadls, 0);
	TAP_EQ(bed_stats(&b).violations, 0);
	bed_drop(&b);
}

TAP_TEST(removal_within_the_loop_of_everything_is_orderly_too)
{
	struct bed b;

	bed_make(&b);
	b.e.synchronous = true;
	TAP_EQ(embedder_add(&b.e, EMBEDDER_HOT), 0);
	TAP_REQUIRE(guest_contact(&b.g, HVP_VERSION_5_3, 0) && guest_request_offers(&b.g));
	TAP_CHECK(guest_share_ring(&b.g, HOT, 8, 4) && guest_open(&b.g, HOT, 1));
	TAP_EQ(embedder_remove(&b.e, EMBEDDER_HOT), 0);
	TAP_EQ(b.e.removed, 0);
	TAP_CHECK(rescinded(&b, HOT));
	TAP_EQ(b.e.removed, 1);
	bed_drop(&b);
}

/* --- lists of pages ------------------------------------------------------------------------------ */

TAP_TEST(lists_being_assembled_fail_with_their_channel_and_late_bodies_are_no_violation)
{
	struct bed b;
	struct hvw_msg msg;
	uint64_t gpns[60];

	for (unsigned i = 0; i < 60; i++)
		gpns[i] = 8 + i;
	make(&b);
	TAP_EQ(guest_post_gpadl(&b.g, HOT + 1, 71, gpns, 60, 1, 0), HVP_STATUS_SUCCESS);
	TAP_EQ(guest_post_gpadl(&b.g, HOT + 1, 72, gpns, 60, 2, 0), HVP_STATUS_SUCCESS);
	TAP_EQ(guest_post_gpadl(&b.g, 1, 73, gpns, 60, 1, 0), HVP_STATUS_SUCCESS);
	TAP_EQ(embedder_remove(&b.e, EMBEDDER_HOT), 0);
	for (unsigned i = 0; i < 2; i++) {
		TAP_REQUIRE(guest_expect(&b.g, HVP_MSG_GPADL_CREATED, &msg));
		TAP_EQ(msg.u.GPADL_CREATED.channel_id, HOT + 1);
		TAP_EQ(msg.u.GPADL_CREATED.status, HVP_GPADL_FAILED);
	}
	TAP_CHECK(rescinded(&b, HOT));
	/* The bodies were on their way. */
	TAP_EQ(guest_post_gpadl_rest(&b.g, 71, gpns, 60, 1), HVP_STATUS_SUCCESS);
	TAP_EQ(bed_stats(&b).violations, 0);
	TAP_EQ(bed_stats(&b).gpadls, 2);
	/* Not to be torn down, for it was never created; but its handle is free. */
	TAP_EQ(guest_post_teardown(&b.g, HOT + 1, 72), HVP_STATUS_SUCCESS);
	TAP_EQ(bed_stats(&b).violations, 1);
	TAP_EQ(guest_post_gpadl(&b.g, 1, 72, gpns, 5, 0, 0), HVP_STATUS_SUCCESS);
	TAP_REQUIRE(guest_expect(&b.g, HVP_MSG_GPADL_CREATED, &msg));
	TAP_EQ(msg.u.GPADL_CREATED.status, HVP_GPADL_SUCCESS);
	/* Another channel's goes on. */
	TAP_EQ(guest_post_gpadl_rest(&b.g, 73, gpns, 60, 1), HVP_STATUS_SUCCESS);
	TAP_REQUIRE(guest_expect(&b.g, HVP_MSG_GPADL_CREATED, &msg));
	TAP_EQ(msg.u.GPADL_CREATED.status, HVP_GPADL_SUCCESS);
	TAP_CHECK(guest_expect_nothing(&b.g));
	bed_drop(&b);
}

TAP_TEST(a_revoked_channel_still_takes_and_gives_back_lists_until_its_release)
{
	struct bed b;
	struct hvw_msg msg;
	uint64_t gpn = 9;

	make(&b);
	TAP_EQ(embedder_remove(&b.e, EMBEDDER_HOT), 0);
	TAP_CHECK(rescinded(&b, HOT));
	for (uint32_t handle = 5; handle < 8; handle++) {
		TAP_EQ(guest_post_gpadl(&b.g, HOT + 1, handle, &gpn, 1, 0, 0), HVP_STATUS_SUCCESS);
		TAP_REQUIRE(guest_expect(&b.g, HVP_MSG_GPADL_CREATED, &msg));
		TAP_EQ(msg.u.GPADL_CREATED.status, HVP_GPADL_SUCCESS);
	}
	TAP_EQ(guest_post_teardown(&b.g, HOT + 1, 5), HVP_STATUS_SUCCESS);
	TAP_CHECK(expect(&b, HVP_MSG_GPADL_TORNDOWN));
	TAP_EQ(bed_stats(&b).gpadls, 2);
	/* With the id goes what the guest has left behind. */
	TAP_EQ(guest_post_channel(&b.g, HVP_MSG_RELID_RELEASED, HOT + 1), HVP_STATUS_SUCCESS);
	TAP_EQ(bed_stats(&b).gpadls, 0);
	TAP_EQ(bed_stats(&b).violations, 0);
	TAP_EQ(guest_post_gpadl(&b.g, HOT + 1, 9, &gpn, 1, 0, 0), HVP_STATUS_SUCCESS);
	TAP_REQUIRE(guest_expect(&b.g, HVP_MSG_GPADL_CREATED, &msg));
	TAP_EQ(msg.u.GPADL_CREATED.status, HVP_GPADL_FAILED);
	bed_drop(&b);
}

TAP_MAIN()
