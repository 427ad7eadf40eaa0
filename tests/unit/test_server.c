/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The connection: contact, versions, offers, dispatch, back-pressure, unload, reset.
 */
#include <errno.h>

#include "tests/unit/bed.h"

static void make(struct bed *b, uint32_t version_max)
{
	memset(b, 0, sizeof(*b));
	b->e.config = (struct hvh_server_config){ .version_max = version_max, .vps = 4 };
	bed_begin(b);
}

static const char *state_of(struct bed *b, unsigned channel)
{
	struct hvh_channel_info info;

	hvh_channel_info(hvh_server_channel(b->e.server, channel), &info);
	return info.state;
}

/* --- contact --------------------------------------------------------------------------------- */

static const uint32_t versions[] = {
#define VERSION(major, minor) HVP_VERSION(major, minor),
	HVP_VERSION_LIST(VERSION)
#undef VERSION
};
#define VERSIONS (sizeof(versions) / sizeof(versions[0]))

TAP_TEST(every_version_up_to_the_cap_is_accepted_and_none_above)
{
	for (unsigned cap = 0; versions[cap] <= HVP_VERSION_5_3; cap++) {
		struct bed b;
		uint32_t version;

		make(&b, versions[cap]);
		for (unsigned i = 0; i < VERSIONS; i++) {
			struct hvw_msg msg;
			uint16_t status = guest_post_contact(&b.g, versions[i], 0);

			if (versions[i] >= HVP_VERSION_5_0 && versions[cap] < HVP_VERSION_5_0) {
				/* A host of that age has no connection 4. */
				TAP_EQ(status, HVP_STATUS_INVALID_CONNECTION_ID);
				continue;
			}
			TAP_EQ(status, HVP_STATUS_SUCCESS);
			TAP_REQUIRE(guest_expect(&b.g, HVP_MSG_VERSION_RESPONSE, &msg));
			TAP_EQ(msg.len, 16);
			TAP_EQ(msg.u.VERSION_RESPONSE.supported, i <= cap);
			TAP_EQ(msg.u.VERSION_RESPONSE.connection_state, HVP_CONTACT_OK);
			TAP_EQ(hvh_server_connected(b.e.server, &version), i <= cap);
			if (i > cap)
				continue;
			TAP_EQ(version, versions[i]);
			TAP_EQ(msg.u.VERSION_RESPONSE.connection_id,
			       versions[i] >= HVP_VERSION_5_0 ? HVP_CONNECTION_MESSAGE_4 :
								versions[i]);
		}
		TAP_EQ(bed_stats(&b).violations, 0);
		bed_drop(&b);
	}
}

TAP_TEST(unknown_versions_are_refused_and_the_guest_may_try_again)
{
	static const uint32_t unknown[] = { 0,	     13,      0x10001, 0x20003, 0x20005,
					    0x30001, 0x50004, 0x60000, 0x70000, UINT32_MAX };
	struct bed b;
	struct hvw_msg msg;

	make(&b, HVP_VERSION_5_3);
	for (unsigned i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		TAP_EQ(guest_post_contact(&b.g, unknown[i], 0), HVP_STATUS_SUCCESS);
		TAP_REQUIRE(guest_expect(&b.g, HVP_MSG_VERSION_RESPONSE, &msg));
		TAP_EQ(msg.u.VERSION_RESPONSE.supported, 0);
		TAP_EQ(guest_post_header(&b.g, HVP_MSG_REQUEST_OFFERS), HVP_STATUS_SUCCESS);
		TAP_CHECK(guest_expect_nothing(&b.g));
	}
	TAP_CHECK(guest_contact(&b.g, HVP_VERSION_5_3, 0));
	bed_drop(&b);
}

static struct embedder_message contact_on(struct bed *b, uint32_t version, uint32_t vp,
					  uint8_t sint)
{
	struct hvp_msg_initiate_contact msg = { .h.type = HVP_MSG_INITIATE_CONTACT,
						.version = version,
						.target_vp = vp,
						.u.v5.sint = sint };
	struct embedder_message answer = { .vp = UINT32_MAX };

	TAP_EQ(guest_post(&b->g, &msg, sizeof(msg)), HVP_STATUS_SUCCESS);
	TAP_CHECK(embedder_take(&b->e, &answer));
	return answer;
}

TAP_TEST(answers_go_where_the_guest_asked_for_them)
{
	struct bed b;

	make(&b, HVP_VERSION_5_3);
	TAP_EQ(contact_on(&b, HVP_VERSION_5_3, 3, 5).vp, 3);
	TAP_EQ(contact_on(&b, HVP_VERSION_5_3, 3, 5).sint, 5);
	TAP_EQ(contact_on(&b, HVP_VERSION_3_0, 2, 5).vp, 2);
	TAP_EQ(contact_on(&b, HVP_VERSION_3_0, 2, 5).sint, HVP_VMBUS_SINT);
	TAP_EQ(contact_on(&b, HVP_VERSION_2_4, 2, 5).vp, 0);
	TAP_EQ(contact_on(&b, HVP_VERSION_6_0, 2, 3).vp, 2);
	bed_drop(&b);
}

TAP_TEST(impossible_processors_and_sints_fall_back)
{
	struct bed b;

	make(&b, HVP_VERSION_5_3);
	TAP_EQ(contact_on(&b, HVP_VERSION_5_3, 4, 2).vp, 0);
	TAP_EQ(contact_on(&b, HVP_VERSION_5_3, UINT32_MAX, 2).vp, 0);
	TAP_EQ(contact_on(&b, HVP_VERSION_5_3, 0, HVP_SINT_COUNT).sint, HVP_VMBUS_SINT);
	TAP_EQ(contact_on(&b, HVP_VERSION_5_3, 0, 0).sint, HVP_VMBUS_SINT);
	bed_drop(&b);
}

TAP_TEST(both_monitor_pages_or_none)
{
	struct bed b;
	struct hvw_msg msg;

	make(&b, HVP_VERSION_5_3);
	for (unsigned i = 0; i < 4; i++) {
		struct hvp_msg_initiate_contact contact = {
			.h.type = HVP_MSG_INITIATE_CONTACT,
			.version = HVP_VERSION_4_1,
			.monitor_page_to_guest = i & 1 ? 0x1000 : 0,
			.monitor_page_to_host = i & 2 ? 0x2000 : 0,
		};
		bool fine = i == 0 || i == 3;

		TAP_EQ(guest_post(&b.g, &contact, sizeof(contact)), HVP_STATUS_SUCCESS);
		TAP_REQUIRE(guest_expect(&b.g, HVP_MSG_VERSION_RESPONSE, &msg));
		TAP_EQ(msg.u.VERSION_RESPONSE.supported, fine);
		TAP_EQ(msg.u.VERSION_RESPONSE.connection_state,
		       fine ? HVP_CONTACT_OK : HVP_CONTACT_FAILED);
		TAP_EQ(hvh_server_connected(b.e.server, &(uint32_t){ 0 }), fine);
	}
	TAP_EQ(bed_stats(&b).violations, 2);
	bed_drop(&b);
}

TAP_TEST(sixty_four_processors_are_told_apart)
{
	struct bed b;

	memset(&b, 0, sizeof(b));
	b.e.config = (struct hvh_server_config){ .version_max = HVP_VERSION_5_3, .vps = 64 };
	embedder_init(&b.e);
	guest_init(&b.g, &b.e);
	TAP_EQ(contact_on(&b, HVP_VERSION_5_3, 64, 2).vp, 0);
	TAP_EQ(contact_on(&b, HVP_VERSION_5_3, 63, 2).vp, 63);
	TAP_REQUIRE(guest_request_offers(&b.g) && guest_share_ring(&b.g, 2, 8, 4));
	TAP_CHECK(!guest_open(&b.g, 2, 64));
	TAP_CHECK(guest_open(&b.g, 2, 63));
	embedder_run(&b.e);
	TAP_EQ(guest_send(&b.g, 2, 1, "1234567", 8), 0);
	TAP_EQ(b.e.signal_vp[2], 63);
	TAP_EQ(guest_post_modify(&b.g, 2, 62), HVP_STATUS_SUCCESS);
	TAP_EQ(guest_recv(&b.g, 2, &(uint64_t){ 0 }, 8, NULL), 8);
	TAP_EQ(guest_send(&b.g, 2, 1, "1234567", 8), 0);
	TAP_EQ(b.e.signal_vp[2], 62);
	bed_drop(&b);
}

TAP_TEST(a_second_contact_starts_from_scratch)
{
	struct bed b;

	make(&b, HVP_VERSION_5_3);
	TAP_REQUIRE(guest_up(&b.g));
	TAP_EQ(bed_stats(&b).channels_open, 3);
	TAP_REQUIRE(guest_contact(&b.g, HVP_VERSION_4_1, 1));
	TAP_EQ(bed_stats(&b).channels_open, 0);
	TAP_EQ(bed_stats(&b).gpadls, 0);
	TAP_EQ(hvh_mem_held(b.e.mem), 0);
	TAP_CHECK(guest_expect_nothing(&b.g));
	TAP_CHECK(guest_request_offers(&b.g));
	bed_drop(&b);
}

TAP_TEST(a_second_contact_waits_for_slow_devices)
{
	struct bed b;
	struct hvw_msg msg;

	make(&b, HVP_VERSION_5_3);
	b.e.echo.behaviour.slow = true;
	TAP_REQUIRE(guest_up(&b.g));
	TAP_EQ(guest_post_contact(&b.g, HVP_VERSION_5_2, 0), HVP_STATUS_SUCCESS);
	TAP_CHECK(guest_expect_nothing(&b.g));
	/* A third one overrides it: one answer, for the latest. */
	TAP_EQ(guest_post_contact(&b.g, HVP_VERSION_4_0, 0), HVP_STATUS_SUCCESS);
	TAP_CHECK(guest_expect_nothing(&b.g));
	TAP_EQ(guest_post_header(&b.g, HVP_MSG_REQUEST_OFFERS), HVP_STATUS_SUCCESS);
	embedder_drain(&b.e);
	TAP_REQUIRE(guest_expect(&b.g, HVP_MSG_VERSION_RESPONSE, &msg));
	TAP_EQ(msg.u.VERSION_RESPONSE.connection_id, HVP_VERSION_4_0);
	TAP_CHECK(guest_expect_nothing(&b.g));
	bed_drop(&b);
}

TAP_TEST(each_contact_takes_back_what_has_not_arrived)
{
	struct bed b;

	make(&b, HVP_VERSION_5_3);
	TAP_REQUIRE(guest_up(&b.g));
	TAP_EQ(b.e.withdrawals, 1);
	TAP_REQUIRE(guest_contact(&b.g, HVP_VERSION_5_3, 1));
	TAP_EQ(b.e.withdrawals, 2);
	/* A farewell does not: its answer comes behind the others. */
	TAP_EQ(guest_post_header(&b.g, HVP_MSG_UNLOAD), HVP_STATUS_SUCCESS);
	TAP_EQ(b.e.withdrawals, 2);
	bed_drop(&b);
}

/* A FreeBSD guest takes any answer for the one that it waits for. */
TAP_TEST(nothing_of_the_old_life_is_answered_into_the_new_one)
{
	struct bed b;

	make(&b, HVP_VERSION_5_3);
	b.e.echo.behaviour.slow = true;
	TAP_REQUIRE(guest_up(&b.g));
	TAP_EQ(guest_post_close(&b.g, 2), HVP_STATUS_SUCCESS);
	TAP_EQ(guest_post_teardown(&b.g, 3, b.g.channels[2].gpadl), HVP_STATUS_SUCCESS);
	embedder_run(&b.e);
	TAP_EQ(guest_post_contact(&b.g, HVP_VERSION_5_3, 0), HVP_STATUS_SUCCESS);
	embedder_drain(&b.e);
	TAP_CHECK(guest_expect(&b.g, HVP_MSG_VERSION_RESPONSE, &(struct hvw_msg){ 0 }));
	TAP_CHECK(guest_expect_nothing(&b.g));
	bed_drop(&b);
}

TAP_TEST(a_contact_voids_what_waits_for_the_guest)
{
	struct bed b;

	make(&b, HVP_VERSION_5_3);
	TAP_REQUIRE(guest_contact(&b.g, HVP_VERSION_5_3, 0));
	b.e.room = 1;
	TAP_EQ(guest_post_header(&b.g, HVP_MSG_REQUEST_OFFERS), HVP_STATUS_SUCCESS);
	TAP_EQ(guest_post_contact(&b.g, HVP_VERSION_5_0, 0), HVP_STATUS_SUCCESS);
	TAP_CHECK(guest_expect(&b.g, HVP_MSG_OFFER_CHANNEL, &(struct hvw_msg){ 0 }));
	TAP_CHECK(guest_expect(&b.g, HVP_MSG_VERSION_RESPONSE, &(struct hvw_msg){ 0 }));
	TAP_CHECK(guest_expect_nothing(&b.g));
	bed_drop(&b);
}

/* --- offers ---------------------------------------------------------------------------------- */

TAP_TEST(offers_describe_the_devices)
{
	static const struct hvp_guid heartbeat = HVP_CLASS_HEARTBEAT, shutdown = HVP_CLASS_SHUTDOWN;
	static const struct hvp_guid instance = HVP_INSTANCE_HEARTBEAT;
	struct bed b;
	struct hvw_msg msg;
	uint32_t mode;

	make(&b, HVP_VERSION_5_3);
	TAP_REQUIRE(guest_contact(&b.g, HVP_VERSION_5_3, 0));
	TAP_EQ(guest_post_header(&b.g, HVP_MSG_REQUEST_OFFERS), HVP_STATUS_SUCCESS);
	TAP_REQUIRE(guest_expect(&b.g, HVP_MSG_OFFER_CHANNEL, &msg));
	TAP_MEM_EQ(&msg.u.OFFER_CHANNEL.class_id, &heartbeat, sizeof(heartbeat));
	TAP_MEM_EQ(&msg.u.OFFER_CHANNEL.instance_id, &instance, sizeof(instance));
	TAP_EQ(msg.u.OFFER_CHANNEL.flags, HVP_OFFER_ENUMERATE_DEVICE | HVP_OFFER_NAMED_PIPE);
	memcpy(&mode, msg.u.OFFER_CHANNEL.user_data, sizeof(mode));
	TAP_EQ(mode, HVP_PIPE_MODE_MESSAGE);
	TAP_EQ(msg.u.OFFER_CHANNEL.channel_id, 1);
	TAP_EQ(msg.u.OFFER_CHANNEL.subchannel_index, 0);
	TAP_EQ(msg.u.OFFER_CHANNEL.monitor_allocated, 0);
	TAP_EQ(msg.u.OFFER_CHANNEL.monitor_id, HVP_MONITOR_ID_NONE);
	TAP_EQ(msg.u.OFFER_CHANNEL.dedicated_interrupt, 1);
	TAP_EQ(msg.u.OFFER_CHANNEL.connection_id, 0x2001);
	TAP_REQUIRE(guest_expect(&b.g, HVP_MSG_OFFER_CHANNEL, &msg));
	TAP_MEM_EQ(&msg.u.OFFER_CHANNEL.class_id, &shutdown, sizeof(shutdown));
	TAP_EQ(msg.u.OFFER_CHANNEL.channel_id, 2);
	TAP_REQUIRE(guest_expect(&b.g, HVP_MSG_OFFER_CHANNEL, &msg));
	TAP_REQUIRE(guest_expect(&b.g, HVP_MSG_ALL_OFFERS_DELIVERED, &msg));
	TAP_CHECK(guest_expect_nothing(&b.g));
	bed_drop(&b);
}

TAP_TEST(offers_are_made_once_in_a_connection)
{
	struct bed b;

	make(&b, HVP_VERSION_5_3);
	TAP_REQUIRE(guest_contact(&b.g, HVP_VERSION_5_3, 0) && guest_request_offers(&b.g));
	TAP_EQ(guest_post_header(&b.g, HVP_MSG_REQUEST_OFFERS), HVP_STATUS_SUCCESS);
	TAP_CHECK(guest_expect_nothing(&b.g));
	TAP_EQ(bed_stats(&b).violations, 1);
	TAP_REQUIRE(guest_contact(&b.g, HVP_VERSION_5_3, 0));
	TAP_CHECK(guest_request_offers(&b.g));
	bed_drop(&b);
}

TAP_TEST(a_released_offer_is_gone_until_the_next_contact)
{
	struct bed b;

	make(&b, HVP_VERSION_5_3);
	TAP_REQUIRE(guest_contact(&b.g, HVP_VERSION_5_3, 0) && guest_request_offers(&b.g));
	TAP_EQ(guest_post_channel(&b.g, HVP_MSG_RELID_RELEASED, 1), HVP_STATUS_SUCCESS);
	TAP_STR_EQ(state_of(&b, 0), "not offered");
	TAP_EQ(bed_stats(&b).violations, 0);
	TAP_EQ(guest_post_channel(&b.g, HVP_MSG_RELID_RELEASED, 1), HVP_STATUS_SUCCESS);
	TAP_EQ(bed_stats(&b).violations, 1);
	TAP_CHECK(guest_expect_nothing(&b.g));
	TAP_REQUIRE(guest_contact(&b.g, HVP_VERSION_5_3, 0));
	TAP_CHECK(guest_request_offers(&b.g));
	TAP_STR_EQ(state_of(&b, 0), "offered");
	bed_drop(&b);
}

/* --- dispatch -------------------------------------------------------------------------------- */

TAP_TEST(hypercalls_that_are_no_vmbus_messages_are_told_so)
{
	struct bed b;
	uint8_t bytes[HVP_MESSAGE_PAYLOAD_MAX + 1] = { HVP_MSG_UNLOAD };

	make(&b, HVP_VERSION_4_1);
	TAP_EQ(hvh_server_post(b.e.server, 1, 2, bytes, 8), HVP_STATUS_INVALID_CALL_INPUT);
	TAP_EQ(hvh_server_post(b.e.server, 1, 0, bytes, 8), HVP_STATUS_INVALID_CALL_INPUT);
	TAP_EQ(hvh_server_post(b.e.server, 1, 1, bytes, 7), HVP_STATUS_INVALID_CALL_INPUT);
	TAP_EQ(hvh_server_post(b.e.server, 1, 1, bytes, sizeof(bytes)),
	       HVP_STATUS_INVALID_CALL_INPUT);
	TAP_EQ(hvh_server_post(b.e.server, 2, 1, bytes, 8), HVP_STATUS_INVALID_CONNECTION_ID);
	TAP_EQ(hvh_server_post(b.e.server, 4, 1, bytes, 8), HVP_STATUS_INVALID_CONNECTION_ID);
	TAP_EQ(hvh_server_post(b.e.server, 0x2001, 1, bytes, 8), HVP_STATUS_INVALID_CONNECTION_ID);
	TAP_EQ(bed_stats(&b).messages_in, 0);
	TAP_EQ(bed_stats(&b).violations, 0);
	bed_drop(&b);
}

TAP_TEST(every_message_is_traced_once_refused_ones_too)
{
	struct bed b;

	make(&b, HVP_VERSION_5_3);
	TAP_REQUIRE(guest_contact(&b.g, HVP_VERSION_5_3, 0) && guest_request_offers(&b.g));
	TAP_EQ(b.e.traced_messages[HVP_TO_HOST], 2);
	TAP_EQ(b.e.traced_messages[HVP_TO_GUEST], 1 + 3 + 1);
	TAP_EQ(guest_post_header(&b.g, HVP_MSG_OFFER_CHANNEL), HVP_STATUS_SUCCESS);
	TAP_EQ(guest_post_header(&b.g, HVP_MSG_REQUEST_OFFERS), HVP_STATUS_SUCCESS);
	TAP_EQ(b.e.traced_messages[HVP_TO_HOST], 4);
	/* What waits for room is traced when it is queued, and what the guest shall post again not before that. */
	b.e.room = 0;
	while (guest_post_gpadl(&b.g, 1, 0, &(uint64_t){ 7 }, 1, 0, 0) == HVP_STATUS_SUCCESS)
		;
	TAP_EQ(b.e.traced_messages[HVP_TO_HOST], bed_stats(&b).messages_in);
	TAP_EQ(b.e.traced_messages[HVP_TO_GUEST], bed_stats(&b).messages_out + 64);
	bed_drop(&b);
}

TAP_TEST(every_message_may_be_longer_and_none_shorter)
{
	for (uint32_t type = 0; type < HVP_MSG_END + 2; type++) {
		struct bed b;
		uint8_t bytes[HVP_MESSAGE_PAYLOAD_MAX];
		uint32_t least = hvw_msg_least(type);

		make(&b, HVP_VERSION_5_3);
		TAP_REQUIRE(guest_contact(&b.g, HVP_VERSION_5_3, 0));
		memset(bytes, 0xff, sizeof(bytes));
		memcpy(bytes, &type, sizeof(type));
		for (uint32_t len = sizeof(struct hvp_msg_header); len < least; len++) {
			uint64_t before = bed_stats(&b).violations;

			TAP_EQ(guest_post(&b.g, bytes, len), HVP_STATUS_SUCCESS);
			TAP_EQ(bed_stats(&b).violations, before + 1);
			TAP_CHECK(guest_expect_nothing(&b.g));
		}
		TAP_EQ(guest_post(&b.g, bytes, sizeof(bytes)), HVP_STATUS_SUCCESS);
		bed_drop(&b);
	}
}

/* Post each message of the list in a state; returns the bits of those that were no violation. */
static uint32_t post_each(struct bed *b, void (*enter)(struct bed *))
{
	uint32_t fine = 0;

	for (uint32_t type = 1; type < HVP_MSG_END; type++) {
		struct hvw_msg msg = { .u.h.type = type };
		uint64_t before;

		make(b, HVP_VERSION_5_3);
		enter(b);
		/* Channel 3, handle 3 or GPADL 3: the same place in most of them, and none that is there. */
		msg.u.OPEN_CHANNEL.channel_id = 3;
		msg.u.OPEN_CHANNEL.open_id = 3;
		msg.u.OPEN_RESERVED.target_sint = HVP_VMBUS_SINT;
		before = bed_stats(b).violations;
		TAP_EQ(guest_post(&b->g, msg.u.bytes, HVP_MESSAGE_PAYLOAD_MAX), HVP_STATUS_SUCCESS);
		if (bed_stats(b).violations == before)
			fine |= 1u << type;
		embedder_run(&b->e);
		embedder_drain(&b->e);
		embedder_run(&b->e);
		bed_drop(b);
	}
	return fine;
}

static void enter_none(struct bed *b)
{
	(void)b;
}

static void enter_refused(struct bed *b)
{
	TAP_CHECK(!guest_contact(&b->g, HVP_VERSION_6_0, 0));
}

static void enter_connected(struct bed *b)
{
	TAP_CHECK(guest_contact(&b->g, HVP_VERSION_5_3, 0));
}

static void enter_offered(struct bed *b)
{
	enter_connected(b);
	TAP_CHECK(guest_request_offers(&b->g));
}

static void enter_opening(struct bed *b)
{
	enter_offered(b);
	TAP_CHECK(guest_share_ring(&b->g, 2, 4, 2));
	TAP_EQ(guest_post_open(&b->g, 2, 0), HVP_STATUS_SUCCESS);
	TAP_STR_EQ(state_of(b, 2), "opening");
}

static void enter_open(struct bed *b)
{
	TAP_CHECK(guest_up(&b->g));
	TAP_STR_EQ(state_of(b, 2), "open");
}

static void enter_closing(struct bed *b)
{
	enter_open(b);
	TAP_EQ(guest_post_close(&b->g, 2), HVP_STATUS_SUCCESS);
	TAP_STR_EQ(state_of(b, 2), "closing");
}

static void enter_reopening(struct bed *b)
{
	enter_closing(b);
	TAP_EQ(guest_post_open(&b->g, 2, 0), HVP_STATUS_SUCCESS);
	TAP_STR_EQ(state_of(b, 2), "closing, will reopen");
}

static void enter_releasing(struct bed *b)
{
	enter_closing(b);
	TAP_EQ(guest_post_channel(&b->g, HVP_MSG_RELID_RELEASED, 3), HVP_STATUS_SUCCESS);
	TAP_STR_EQ(state_of(b, 2), "closing, guest is leaving");
}

static void enter_leaving(struct bed *b)
{
	enter_open(b);
	TAP_EQ(guest_post_header(&b->g, HVP_MSG_UNLOAD), HVP_STATUS_SUCCESS);
}

static void enter_leaving_while_opening(struct bed *b)
{
	enter_opening(b);
	TAP_EQ(guest_post_header(&b->g, HVP_MSG_UNLOAD), HVP_STATUS_SUCCESS);
	TAP_STR_EQ(state_of(b, 2), "opening, guest is leaving");
}

static void enter_revoked(struct bed *b)
{
	enter_offered(b);
	TAP_EQ(embedder_remove(&b->e, EMBEDDER_ECHO), 0);
	TAP_STR_EQ(state_of(b, 2), "revoked");
}

static void enter_revoking_while_opening(struct bed *b)
{
	enter_opening(b);
	TAP_EQ(embedder_remove(&b->e, EMBEDDER_ECHO), 0);
	TAP_STR_EQ(state_of(b, 2), "opening, device is leaving");
}

static void enter_revoking(struct bed *b)
{
	enter_open(b);
	TAP_EQ(embedder_remove(&b->e, EMBEDDER_ECHO), 0);
	TAP_STR_EQ(state_of(b, 2), "closing, device is leaving");
}

static void enter_revoking_while_reopening(struct bed *b)
{
	enter_reopening(b);
	TAP_EQ(embedder_remove(&b->e, EMBEDDER_ECHO), 0);
	TAP_STR_EQ(state_of(b, 2), "closing, device is leaving, open to be refused");
}

#define BIT(name) (1u << HVP_MSG_##name)
#define ALWAYS	  (BIT(INITIATE_CONTACT) | BIT(OPEN_RESERVED) | BIT(CLOSE_RESERVED))
#define CONNECTED (ALWAYS | BIT(UNLOAD) | BIT(TL_CONNECT_REQUEST))

TAP_TEST(each_state_takes_its_messages_and_no_other)
{
	static const struct {
		void (*enter)(struct bed *);
		uint32_t taken;
	} cases[] = {
		{ enter_none, ALWAYS },
		{ enter_refused, ALWAYS },
		{ enter_connected, CONNECTED | BIT(REQUEST_OFFERS) },
		{ enter_offered, CONNECTED | BIT(RELID_RELEASED) },
		{ enter_opening, CONNECTED },
		{ enter_open, CONNECTED | BIT(CLOSE_CHANNEL) | BIT(MODIFY_CHANNEL) },
		{ enter_closing, CONNECTED | BIT(OPEN_CHANNEL) | BIT(RELID_RELEASED) },
		{ enter_reopening, CONNECTED | BIT(CLOSE_CHANNEL) },
		{ enter_releasing, CONNECTED },
		{ enter_leaving, ALWAYS },
		{ enter_leaving_while_opening, ALWAYS },
		{ enter_revoked, CONNECTED | BIT(OPEN_CHANNEL) | BIT(CLOSE_CHANNEL) |
					 BIT(MODIFY_CHANNEL) | BIT(RELID_RELEASED) },
		{ enter_revoking_while_opening,
		  CONNECTED | BIT(CLOSE_CHANNEL) | BIT(MODIFY_CHANNEL) },
		{ enter_revoking, CONNECTED | BIT(OPEN_CHANNEL) | BIT(CLOSE_CHANNEL) |
					  BIT(MODIFY_CHANNEL) | BIT(RELID_RELEASED) },
		{ enter_revoking_while_reopening,
		  CONNECTED | BIT(CLOSE_CHANNEL) | BIT(MODIFY_CHANNEL) },
	};
	struct bed b;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		TAP_EQ(post_each(&b, cases[i].enter), cases[i].taken);
}

TAP_TEST(messages_newer_than_the_connection_are_dropped)
{
	struct bed b;

	make(&b, HVP_VERSION_5_3);
	TAP_REQUIRE(guest_contact(&b.g, HVP_VERSION_4_0, 0) && guest_request_offers(&b.g));
	TAP_REQUIRE(guest_share_ring(&b.g, 2, 4, 2) && guest_open(&b.g, 2, 0));
	TAP_EQ(guest_post_modify(&b.g, 2, 1), HVP_STATUS_SUCCESS);
	TAP_EQ(bed_stats(&b).violations, 1);
	TAP_CHECK(guest_expect_nothing(&b.g));
	bed_drop(&b);
}

/* --- sockets and reserved channels: none ----------------------------------------------------------------- */

TAP_TEST(socket_connections_are_refused_where_the_version_has_a_word_for_it)
{
	struct {
		struct hvp_msg_tl_connect_request request;
		struct hvp_guid silo_id;
	} HVP_WIRE(4) msg = { .request = { .h.type = HVP_MSG_TL_CONNECT_REQUEST,
					   .endpoint_id.b = { 1, 2, 3 },
					   .service_id.b = { 4, 5, 6 } } };

	for (unsigned i = 0; versions[i] <= HVP_VERSION_5_3; i++) {
		struct hvw_msg answer;
		struct bed b;

		make(&b, HVP_VERSION_5_3);
		TAP_REQUIRE(guest_contact(&b.g, versions[i], 0));
		/* With and without a silo id, whatever the version. */
		for (unsigned len = sizeof(msg.request); len <= sizeof(msg);
		     len += sizeof(msg.silo_id)) {
			TAP_EQ(guest_post(&b.g, &msg, len), HVP_STATUS_SUCCESS);
			if (versions[i] < HVP_VERSION_4_1) {
				TAP_CHECK(guest_expect_nothing(&b.g));
				continue;
			}
			TAP_REQUIRE(guest_expect(&b.g, HVP_MSG_TL_CONNECT_RESULT, &answer));
			TAP_EQ(answer.len, 44);
			TAP_MEM_EQ(&answer.u.TL_CONNECT_RESULT.endpoint_id,
				   &msg.request.endpoint_id, 16);
			TAP_MEM_EQ(&answer.u.TL_CONNECT_RESULT.service_id, &msg.request.service_id,
				   16);
			TAP_EQ(answer.u.TL_CONNECT_RESULT.status, HVP_TL_CONNECTION_REFUSED);
		}
		TAP_EQ(bed_stats(&b).violations, versions[i] < HVP_VERSION_4_0 ? 2 : 0);
		TAP_CHECK(guest_expect_nothing(&b.g));
		bed_drop(&b);
	}
}

static void close_reserved(struct bed *b, uint32_t vp, uint32_t sint)
{
	struct hvp_msg_close_reserved msg = { .h.type = HVP_MSG_CLOSE_RESERVED,
					      .channel_id = 77,
					      .target_vp = vp,
					      .target_sint = sint };

	TAP_EQ(guest_post(&b->g, &msg, sizeof(msg)), HVP_STATUS_SUCCESS);
}

TAP_TEST(closing_a_reserved_channel_is_answered_where_the_guest_says)
{
	static void (*const states[])(struct bed *) = { enter_none, enter_connected, enter_open,
							enter_leaving, enter_revoked };

	for (unsigned i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		struct embedder_message message;
		struct hvw_msg msg;
		struct bed b;

		make(&b, HVP_VERSION_5_3);
		states[i](&b);
		while (embedder_take(&b.e, &message))
			;
		close_reserved(&b, 2, 5);
		TAP_REQUIRE(embedder_take(&b.e, &message));
		TAP_EQ(message.vp, 2);
		TAP_EQ(message.sint, 5);
		TAP_EQ(message.len, 12);
		TAP_EQ(hvw_msg_parse(&msg, message.bytes, message.len, HVP_TO_GUEST), 0);
		TAP_EQ(msg.u.h.type, HVP_MSG_CLOSE_RESERVED_RESPONSE);
		TAP_EQ(msg.u.CLOSE_RESERVED_RESPONSE.channel_id, 77);
		TAP_EQ(bed_stats(&b).violations, 0);
		close_reserved(&b, 4, 5);
		close_reserved(&b, UINT32_MAX, 5);
		close_reserved(&b, 0, 0);
		close_reserved(&b, 0, HVP_SINT_COUNT);
		TAP_CHECK(!embedder_take(&b.e, &message));
		TAP_EQ(bed_stats(&b).violations, 4);
		bed_drop(&b);
	}
}

TAP_TEST(opening_a_reserved_channel_is_refused)
{
	static const struct {
		uint32_t max, version; /* 0: not connected */
		bool answered;
	} cases[] = { { HVP_VERSION_5_3, 0, true },
		      { HVP_VERSION_5_3, HVP_VERSION_5_3, true },
		      { HVP_VERSION_5_3, HVP_VERSION_4_0, true },
		      { HVP_VERSION_5_3, HVP_VERSION_3_0, false },
		      { HVP_VERSION_3_0, 0, false } };
	struct hvp_msg_open_reserved msg = { .h.type = HVP_MSG_OPEN_RESERVED,
					     .channel_id = 3,
					     .target_vp = 1,
					     .target_sint = 4,
					     .ring_gpadl = 5,
					     .downstream_page = 1 };

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct embedder_message message;
		struct hvw_msg answer;
		struct bed b;

		make(&b, cases[i].max);
		if (cases[i].version)
			TAP_REQUIRE(guest_contact(&b.g, cases[i].version, 0));
		TAP_EQ(guest_post(&b.g, &msg, sizeof(msg)), HVP_STATUS_SUCCESS);
		TAP_EQ(bed_stats(&b).violations, !cases[i].answered);
		TAP_EQ(embedder_take(&b.e, &message), cases[i].answered);
		if (cases[i].answered) {
			TAP_EQ(message.vp, 1);
			TAP_EQ(message.sint, 4);
			TAP_EQ(hvw_msg_parse(&answer, message.bytes, message.len, HVP_TO_GUEST), 0);
			TAP_EQ(answer.u.h.type, HVP_MSG_OPEN_RESULT);
			TAP_EQ(answer.u.OPEN_RESULT.channel_id, 3);
			TAP_EQ(answer.u.OPEN_RESULT.open_id, 0);
			TAP_EQ(answer.u.OPEN_RESULT.status, HVP_OPEN_FAILED);
		}
		bed_drop(&b);
	}
}

TAP_TEST(the_log_is_bounded_whatever_the_guest_repeats)
{
	struct bed b;

	make(&b, HVP_VERSION_5_3);
	for (unsigned i = 0; i < 1000; i++) {
		TAP_EQ(guest_post_header(&b.g, HVP_MSG_UNLOAD), HVP_STATUS_SUCCESS);
		TAP_CHECK(guest_contact(&b.g, HVP_VERSION_5_3, 0));
		TAP_CHECK(guest_unload(&b.g));
	}
	TAP_EQ(bed_stats(&b).violations, 1000);
	/* Ten lines of each kind. */
	TAP_EQ(b.e.lines, 20);
	embedder_advance(&b.e, 6000000000);
	TAP_EQ(guest_post_header(&b.g, HVP_MSG_UNLOAD), HVP_STATUS_SUCCESS);
	TAP_EQ(b.e.lines, 21);
	bed_drop(&b);
}

/* --- back-pressure --------------------------------------------------------------------------- */

TAP_TEST(messages_wait_in_order_while_the_slot_is_busy)
{
	struct bed b;
	struct hvw_msg msg;

	make(&b, HVP_VERSION_5_3);
	TAP_REQUIRE(guest_contact(&b.g, HVP_VERSION_5_3, 0));
	b.e.room = 1;
	TAP_EQ(guest_post_header(&b.g, HVP_MSG_REQUEST_OFFERS), HVP_STATUS_SUCCESS);
	for (uint32_t id = 1; id <= 3; id++) {
		TAP_REQUIRE(guest_expect(&b.g, HVP_MSG_OFFER_CHANNEL, &msg));
		TAP_EQ(msg.u.OFFER_CHANNEL.channel_id, id);
	}
	TAP_CHECK(guest_expect(&b.g, HVP_MSG_ALL_OFFERS_DELIVERED, &msg));
	TAP_CHECK(guest_expect_nothing(&b.g));
	TAP_EQ(bed_stats(&b).messages_out, 5);
	bed_drop(&b);
}

TAP_TEST(a_guest_that_does_not_read_is_put_off_but_may_start_anew)
{
	struct bed b;
	struct hvw_msg msg;
	unsigned accepted = 0;
	uint64_t in;

	make(&b, HVP_VERSION_5_3);
	TAP_REQUIRE(guest_contact(&b.g, HVP_VERSION_5_3, 0) && guest_request_offers(&b.g));
	b.e.room = 0;
	in = bed_stats(&b).messages_in;
	/* Each is answered with a failure. */
	while (guest_post_gpadl(&b.g, 1, 0, &(uint64_t){ 1 }, 1, 0, 0) == HVP_STATUS_SUCCESS)
		TAP_REQUIRE(++accepted < 1000);
	TAP_EQ(accepted, 64);
	TAP_EQ(guest_post_header(&b.g, HVP_MSG_UNLOAD), HVP_STATUS_INSUFFICIENT_BUFFERS);
	TAP_EQ(bed_stats(&b).messages_in, in + accepted);
	b.e.room = 1;
	embedder_flush(&b.e);
	TAP_EQ(guest_post_gpadl(&b.g, 1, 0, &(uint64_t){ 1 }, 1, 0, 0), HVP_STATUS_SUCCESS);
	TAP_EQ(guest_post_gpadl(&b.g, 1, 0, &(uint64_t){ 1 }, 1, 0, 0),
	       HVP_STATUS_INSUFFICIENT_BUFFERS);
	TAP_EQ(guest_post_contact(&b.g, HVP_VERSION_5_3, 0), HVP_STATUS_SUCCESS);
	TAP_CHECK(guest_expect(&b.g, HVP_MSG_GPADL_CREATED, &msg));
	TAP_CHECK(guest_expect(&b.g, HVP_MSG_VERSION_RESPONSE, &msg));
	TAP_CHECK(guest_expect_nothing(&b.g));
	bed_drop(&b);
}

/* --- leaving --------------------------------------------------------------------------------- */

TAP_TEST(unload_is_answered_when_everything_is_given_back)
{
	struct bed b;
	uint32_t version;

	make(&b, HVP_VERSION_5_3);
	b.e.echo.behaviour.slow = true;
	TAP_REQUIRE(guest_up(&b.g));
	TAP_EQ(guest_post_header(&b.g, HVP_MSG_UNLOAD), HVP_STATUS_SUCCESS);
	TAP_CHECK(!hvh_server_connected(b.e.server, &version));
	TAP_CHECK(guest_expect_nothing(&b.g));
	TAP_CHECK(hvh_mem_held(b.e.mem) != 0);
	embedder_drain(&b.e);
	TAP_CHECK(guest_expect(&b.g, HVP_MSG_UNLOAD_RESPONSE, &(struct hvw_msg){ 0 }));
	TAP_EQ(hvh_mem_held(b.e.mem), 0);
	TAP_EQ(bed_stats(&b).gpadls, 0);
	TAP_CHECK(guest_expect_nothing(&b.g));
	bed_drop(&b);
}

TAP_TEST(teardowns_that_wait_are_answered_before_the_unload)
{
	struct bed b;
	struct hvw_msg msg;

	make(&b, HVP_VERSION_5_3);
	TAP_REQUIRE(guest_up(&b.g));
	TAP_EQ(guest_post_close(&b.g, 2), HVP_STATUS_SUCCESS);
	TAP_EQ(guest_post_teardown(&b.g, 3, b.g.channels[2].gpadl), HVP_STATUS_SUCCESS);
	TAP_EQ(guest_post_header(&b.g, HVP_MSG_UNLOAD), HVP_STATUS_SUCCESS);
	TAP_CHECK(guest_expect(&b.g, HVP_MSG_GPADL_TORNDOWN, &msg));
	TAP_CHECK(guest_expect(&b.g, HVP_MSG_UNLOAD_RESPONSE, &msg));
	bed_drop(&b);
}

TAP_TEST(a_hundred_connections_leave_nothing)
{
	struct bed b;

	make(&b, HVP_VERSION_5_3);
	for (unsigned i = 0; i < 100; i++) {
		TAP_REQUIRE(guest_up(&b.g));
		if (i % 3 == 0)
			TAP_CHECK(guest_unload(&b.g));
		else if (i % 3 == 1)
			embedder_reset(&b.e);
		embedder_run(&b.e);
		TAP_EQ(hvh_mem_held(b.e.mem), i % 3 == 2 ? 3 : 0);
	}
	bed_drop(&b);
}

TAP_TEST(reset_in_any_state_says_nothing_and_ends_as_after_create)
{
	static void (*const enter[])(struct bed *) = {
		enter_none,
		enter_refused,
		enter_connected,
		enter_offered,
		enter_opening,
		enter_open,
		enter_closing,
		enter_reopening,
		enter_releasing,
		enter_leaving,
		enter_leaving_while_opening,
	};

	for (unsigned slow = 0; slow < 2; slow++) {
		for (unsigned i = 0; i < sizeof(enter) / sizeof(enter[0]); i++) {
			struct bed b;
			uint32_t version;

			make(&b, HVP_VERSION_5_3);
			b.e.echo.behaviour.slow = slow;
			enter[i](&b);
			embedder_reset(&b.e);
			TAP_CHECK(guest_expect_nothing(&b.g));
			embedder_drain(&b.e);
			TAP_CHECK(guest_expect_nothing(&b.g));
			embedder_drain(&b.e);
			TAP_CHECK(guest_expect_nothing(&b.g));
			TAP_EQ(hvh_mem_held(b.e.mem), 0);
			TAP_CHECK(!hvh_server_connected(b.e.server, &version));
			TAP_EQ(version, 0);
			for (unsigned channel = 0; channel < 3; channel++)
				TAP_STR_EQ(state_of(&b, channel), "not offered");
			b.e.echo.behaviour.slow = false;
			TAP_CHECK(guest_up(&b.g));
			bed_drop(&b);
		}
	}
}

TAP_TEST(reset_overrides_an_unload_under_way)
{
	struct bed b;

	make(&b, HVP_VERSION_5_3);
	b.e.echo.behaviour.slow = true;
	enter_leaving(&b);
	embedder_run(&b.e);
	embedder_reset(&b.e);
	embedder_drain(&b.e);
	TAP_CHECK(guest_expect_nothing(&b.g));
	bed_drop(&b);
}

/* --- the embedder's side ---------------------------------------------------------------------- */

TAP_TEST(owner_and_control_loop_may_be_one)
{
	struct bed b;
	struct hvw_msg msg;

	make(&b, HVP_VERSION_5_3);
	b.e.synchronous = true;
	TAP_REQUIRE(guest_up(&b.g));
	TAP_EQ(guest_post_close(&b.g, 2), HVP_STATUS_SUCCESS);
	TAP_CHECK(guest_unshare_ring(&b.g, 2));
	TAP_CHECK(guest_unload(&b.g));
	b.e.owner_result = -EIO;
	TAP_REQUIRE(guest_contact(&b.g, HVP_VERSION_5_3, 0) && guest_request_offers(&b.g));
	TAP_REQUIRE(guest_share_ring(&b.g, 2, 4, 2));
	TAP_EQ(guest_post_open(&b.g, 2, 0), HVP_STATUS_SUCCESS);
	TAP_REQUIRE(guest_expect(&b.g, HVP_MSG_OPEN_RESULT, &msg));
	TAP_EQ(msg.u.OPEN_RESULT.status, HVP_OPEN_FAILED);
	b.e.owner_result = 0;
	TAP_CHECK(guest_up(&b.g));
	TAP_CHECK(guest_contact(&b.g, HVP_VERSION_5_3, 0));
	bed_drop(&b);
}

TAP_TEST(impossible_configurations_are_refused)
{
	static const struct hvh_server_config bad[] = {
		{ .version_max = HVP_VERSION_5_3, .vps = 0 },
		{ .version_max = HVP_VERSION_6_0, .vps = 1 },
		{ .version_max = 0x20003, .vps = 1 },
	};
	struct bed b;
	struct hvh_server *server;

	make(&b, HVP_VERSION_5_3);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		TAP_EQ(hvh_server_create(b.e.mem, &bad[i], &(struct hvh_server_ops){ 0 }, NULL,
					 &server),
		       -EINVAL);
	bed_drop(&b);
}

TAP_TEST(channels_run_out_at_their_limit_and_instances_are_unique)
{
	struct bed b;
	struct echo_device *many = calloc(HVP_CHANNEL_ID_MAX, sizeof(*many));
	unsigned i;

	make(&b, HVP_VERSION_5_3);
	echo_device_init(&many[0], 1);
	TAP_EQ(hvh_server_add(b.e.server, &many[0].device), -EEXIST);
	for (i = 0; i < HVP_CHANNEL_ID_MAX - 3; i++) {
		echo_device_init(&many[i], 2);
		memcpy(many[i].device.instance_id.b + 4, &i, sizeof(i));
		TAP_REQUIRE(hvh_server_add(b.e.server, &many[i].device) == 0);
	}
	echo_device_init(&many[i], 3);
	TAP_EQ(hvh_server_add(b.e.server, &many[i].device), -ENOSPC);
	TAP_CHECK(hvh_server_channel(b.e.server, HVP_CHANNEL_ID_MAX - 1) != NULL);
	TAP_CHECK(hvh_server_channel(b.e.server, HVP_CHANNEL_ID_MAX) == NULL);
	TAP_REQUIRE(guest_contact(&b.g, HVP_VERSION_5_3, 0));
	/* All the offers wait at once, and no new message is taken until they are read. */
	b.e.room = 0;
	TAP_EQ(guest_post_header(&b.g, HVP_MSG_REQUEST_OFFERS), HVP_STATUS_SUCCESS);
	TAP_EQ(guest_post_header(&b.g, HVP_MSG_UNLOAD), HVP_STATUS_INSUFFICIENT_BUFFERS);
	b.e.room = 3000;
	embedder_flush(&b.e);
	for (i = 0; embedder_take(&b.e, &(struct embedder_message){ 0 }); i++)
		;
	TAP_EQ(i, HVP_CHANNEL_ID_MAX + 1);
	bed_drop(&b);
	free(many);
}

TAP_MAIN()
