/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The heartbeat device, and with it what all integration services share: negotiation and framing.
 */
#include "tests/unit/bed.h"

#define SECOND 1000000000ull
#define PERIOD (2 * SECOND)

/* Open, and the negotiation waits in the guest's ring. */
static void make(struct bed *b)
{
	bed_make_connected(b);
	TAP_CHECK(guest_share_ring(&b->g, 0, 8, 4) && guest_open(&b->g, 0, 0));
	embedder_run(&b->e);
}

static struct hvh_heartbeat_status status(struct bed *b)
{
	struct hvh_heartbeat_status s;

	hvh_heartbeat_status(b->e.heartbeat, &s);
	return s;
}

/* The next packet of the host, parsed in `bytes`. */
static struct hvw_ic next(struct bed *b, uint8_t bytes[4096])
{
	int len = guest_recv(&b->g, 0, bytes, 4096, NULL);
	struct hvw_ic ic = { .h.type = UINT16_MAX };

	TAP_CHECK(len > 0 && !hvw_ic_parse(&ic, bytes, (size_t)len));
	return ic;
}

static bool nothing(struct bed *b)
{
	uint8_t bytes[64];

	return guest_recv(&b->g, 0, bytes, sizeof(bytes), NULL) == -EAGAIN;
}

/* Answer `h` with this body. */
static void reply(struct bed *b, struct hvp_ic_header h, const void *body, size_t len)
{
	uint8_t bytes[256] = { 0 };

	h.size = (uint16_t)len;
	if (len)
		memcpy(bytes + HVW_IC_HEADERS, body, len);
	TAP_EQ(guest_send(&b->g, 0, 0, bytes, (uint32_t)hvw_ic_build(bytes, &h)), 0);
}

static struct hvp_ic_header response_to(const struct hvw_ic *ic)
{
	struct hvp_ic_header h = ic->h;

	h.flags = HVP_IC_FLAG_TRANSACTION | HVP_IC_FLAG_RESPONSE;
	return h;
}

/* --- negotiation ------------------------------------------------------------------------------ */

TAP_TEST(the_host_speaks_first_and_offers_its_versions)
{
	static const uint16_t expected[] = { 2, 2, 0, 0, 1, 0, 3, 0, 1, 0, 3, 0 };
	struct bed b;
	uint8_t bytes[4096];
	struct hvw_ic ic;

	make(&b);
	ic = next(&b, bytes);
	TAP_EQ(ic.h.type, HVP_IC_NEGOTIATE);
	TAP_EQ(ic.h.flags, HVP_IC_FLAG_TRANSACTION | HVP_IC_FLAG_REQUEST);
	TAP_EQ(ic.h.transaction_id, 0);
	TAP_EQ(ic.h.status, 0);
	TAP_EQ(ic.h.size, sizeof(expected));
	TAP_MEM_EQ(ic.body, expected, sizeof(expected));
	TAP_EQ(status(&b).ic.state, HVH_IC_NEGOTIATING);
	TAP_CHECK(nothing(&b));
	embedder_advance(&b.e, 100 * SECOND);
	TAP_CHECK(nothing(&b));
	TAP_EQ(status(&b).verdict, HVH_HEARTBEAT_NONE);
	bed_drop(&b);
}

TAP_TEST(each_offered_version_can_be_chosen)
{
	static const struct hvp_ic_version versions[] = { { 1, 0 }, { 3, 0 } };

	for (unsigned framework = 0; framework < 2; framework++) {
		for (unsigned message = 0; message < 2; message++) {
			struct bed b;
			uint8_t bytes[4096];
			struct hvw_ic ic;

			make(&b);
			ic = next(&b, bytes);
			TAP_EQ(guest_send(&b.g, 0, 0, bytes,
					  (uint32_t)hvw_ic_build_choice(bytes, &ic.h,
									&versions[framework],
									&versions[message])),
			       0);
			TAP_EQ(status(&b).ic.state, HVH_IC_READY);
			TAP_EQ(status(&b).ic.framework.major, versions[framework].major);
			TAP_EQ(status(&b).ic.message.major, versions[message].major);
			ic = next(&b, bytes);
			TAP_EQ(ic.h.type, HVP_IC_HEARTBEAT);
			TAP_EQ(ic.h.framework.major, versions[framework].major);
			TAP_EQ(ic.h.message.major, versions[message].major);
			bed_drop(&b);
		}
	}
}

TAP_TEST(no_version_in_common_makes_it_unusable_until_it_is_opened_anew)
{
	struct bed b;
	uint8_t bytes[4096];
	struct hvw_ic ic;

	for (unsigned by_status = 0; by_status < 2; by_status++) {
		make(&b);
		ic = next(&b, bytes);
		if (by_status) {
			struct hvp_ic_header h = response_to(&ic);

			h.status = HVP_IC_FAIL;
			reply(&b, h, NULL, 0);
		} else {
			TAP_EQ(guest_send(&b.g, 0, 0, bytes,
					  (uint32_t)hvw_ic_build_choice(bytes, &ic.h, NULL, NULL)),
			       0);
		}
		TAP_EQ(status(&b).ic.state, HVH_IC_UNUSABLE);
		TAP_EQ(status(&b).ic.violations, 0);
		embedder_advance(&b.e, 100 * SECOND);
		TAP_CHECK(nothing(&b));
		/* Too late. */
		TAP_EQ(guest_send(&b.g, 0, 0, bytes,
				  (uint32_t)hvw_ic_build_choice(bytes, &ic.h,
								&(struct hvp_ic_version){ 3, 0 },
								&(struct hvp_ic_version){ 3, 0 })),
		       0);
		TAP_EQ(status(&b).ic.state, HVH_IC_UNUSABLE);
		TAP_EQ(status(&b).ic.violations, 1);
		TAP_EQ(guest_post_close(&b.g, 0), HVP_STATUS_SUCCESS);
		embedder_run(&b.e);
		TAP_EQ(status(&b).ic.state, HVH_IC_CLOSED);
		TAP_CHECK(guest_share_ring(&b.g, 0, 8, 4) && guest_open(&b.g, 0, 0));
		embedder_run(&b.e);
		TAP_EQ(guest_serve(&b.g, 0), 2);
		TAP_EQ(status(&b).ic.state, HVH_IC_READY);
		bed_drop(&b);
	}
}

TAP_TEST(nonsense_during_negotiation_is_counted_and_waited_out)
{
	struct hvp_ic_header bad[6];
	struct bed b;
	uint8_t bytes[4096];
	const uint16_t choice[] = { 1, 1, 0, 0, 3, 0, 3, 0 },
		       unknown[] = { 1, 1, 0, 0, 3, 0, 2, 0 };
	const uint16_t two[] = { 1, 2, 0, 0, 3, 0, 3, 0, 1, 0 };
	struct hvw_ic ic;

	make(&b);
	ic = next(&b, bytes);
	for (unsigned i = 0; i < 6; i++)
		bad[i] = response_to(&ic);
	bad[0].flags = HVP_IC_FLAG_TRANSACTION | HVP_IC_FLAG_REQUEST;
	bad[1].transaction_id = 1;
	bad[2].type = HVP_IC_HEARTBEAT;
	bad[3].type = HVP_IC_SHUTDOWN;
	for (unsigned i = 0; i < 4; i++)
		reply(&b, bad[i], choice, sizeof(choice));
	reply(&b, bad[4], unknown, sizeof(unknown));
	reply(&b, bad[4], two, sizeof(two));
	reply(&b, bad[4], choice, sizeof(choice) - 1);
	reply(&b, bad[4], choice, 3);
	TAP_EQ(status(&b).ic.violations, 8);
	TAP_EQ(status(&b).ic.state, HVH_IC_NEGOTIATING);
	reply(&b, bad[4], choice, sizeof(choice));
	TAP_EQ(status(&b).ic.state, HVH_IC_READY);
	/* A second one is no answer to anything. */
	reply(&b, bad[4], choice, sizeof(choice));
	TAP_EQ(status(&b).ic.violations, 9);
	bed_drop(&b);
}

TAP_TEST(packets_that_are_no_messages_are_counted)
{
	struct bed b;
	uint8_t bytes[4096] = { 0 };
	struct hvw_piece piece = { bytes, 64 };

	make(&b);
	TAP_EQ(guest_send(&b.g, 0, 0, bytes, 0), 0);
	TAP_EQ(guest_send(&b.g, 0, 0, bytes, 8), 0);
	TAP_EQ(guest_send(&b.g, 0, 0, bytes, 4096), 0);
	TAP_EQ(hvw_tx_put(&b.g.channels[0].tx, HVP_PACKET_COMPLETION, 0, 0, 0, &piece, 1), 0);
	TAP_CHECK(hvw_tx_commit(&b.g.channels[0].tx));
	embedder_doorbell(&b.e, b.g.channels[0].connection_id);
	TAP_EQ(status(&b).ic.violations, 4);
	TAP_EQ(guest_serve(&b.g, 0), 2);
	TAP_EQ(status(&b).ic.state, HVH_IC_READY);
	bed_drop(&b);
}

TAP_TEST(a_ring_that_is_full_at_the_start_is_waited_for)
{
	struct bed b;
	struct hvp_ring_control *control;
	struct guest_channel *ch;

	memset(&b, 0, sizeof(b));
	embedder_init(&b.e);
	guest_init(&b.g, &b.e);
	TAP_REQUIRE(guest_contact(&b.g, HVP_VERSION_5_3, 0) && guest_request_offers(&b.g));
	TAP_REQUIRE(guest_share_ring(&b.g, 0, 8, 4));
	ch = &b.g.channels[0];
	control = (struct hvp_ring_control *)(void *)(ch->ring + 4 * HVP_PAGE_SIZE);
	control->write_index = 64;
	control->read_index = 72;
	TAP_REQUIRE(guest_open(&b.g, 0, 0));
	embedder_run(&b.e);
	TAP_EQ(control->write_index, 64);
	TAP_CHECK(control->pending_send_size != 0);
	control->read_index = 64;
	embedder_advance(&b.e, 10000000);
	TAP_REQUIRE(hvw_rx_init(&ch->rx, control, 4 * HVP_PAGE_SIZE) == 0);
	TAP_EQ(guest_serve(&b.g, 0), 2);
	TAP_EQ(status(&b).ic.state, HVH_IC_READY);
	bed_drop(&b);
}

/* --- heartbeats -------------------------------------------------------------------------------- */

static void make_ready(struct bed *b)
{
	make(b);
	TAP_CHECK(guest_serve(&b->g, 0) != 0);
	TAP_EQ(status(b).ic.state, HVH_IC_READY);
}

TAP_TEST(a_request_every_two_seconds_and_the_verdict_is_ok)
{
	struct bed b;

	make_ready(&b);
	TAP_EQ(status(&b).ic.requests, 1);
	TAP_EQ(status(&b).ic.replies, 1);
	for (unsigned i = 2; i <= 30; i++) {
		embedder_advance(&b.e, PERIOD - 1);
		TAP_CHECK(nothing(&b));
		embedder_advance(&b.e, 1);
		TAP_EQ(guest_serve(&b.g, 0), 1);
		TAP_EQ(status(&b).ic.requests, i);
		TAP_EQ(status(&b).ic.replies, i);
		TAP_EQ(status(&b).sequence, i);
		TAP_EQ(status(&b).last_reply_ns, b.e.now_ns);
		TAP_EQ(status(&b).verdict, HVH_HEARTBEAT_OK);
	}
	TAP_EQ(status(&b).ic.violations, 0);
	bed_drop(&b);
}

TAP_TEST(requests_are_as_the_guests_expect_them)
{
	struct bed b;
	uint8_t bytes[4096];
	struct hvw_ic ic;
	uint64_t sequence;

	make_ready(&b);
	embedder_advance(&b.e, PERIOD);
	ic = next(&b, bytes);
	TAP_EQ(ic.h.type, HVP_IC_HEARTBEAT);
	TAP_EQ(ic.h.flags, HVP_IC_FLAG_TRANSACTION | HVP_IC_FLAG_REQUEST);
	TAP_EQ(ic.h.size, 40);
	TAP_EQ(ic.h.transaction_id, 2);
	TAP_EQ(hvw_ic_read(&ic, 0, &sequence, 8), 0);
	TAP_EQ(sequence, 2);
	bed_drop(&b);
}

TAP_TEST(one_request_is_outstanding_and_silence_is_noticed)
{
	struct bed b;

	make_ready(&b);
	b.g.mute = true;
	embedder_advance(&b.e, PERIOD);
	TAP_EQ(guest_serve(&b.g, 0), 1);
	/* Five periods without a reply; then it is taken for lost, and another one is sent. */
	embedder_advance(&b.e, 4 * PERIOD - 1);
	TAP_CHECK(nothing(&b));
	TAP_EQ(status(&b).verdict, HVH_HEARTBEAT_OK);
	embedder_advance(&b.e, 1);
	TAP_EQ(status(&b).verdict, HVH_HEARTBEAT_LOST);
	embedder_advance(&b.e, PERIOD);
	TAP_EQ(guest_serve(&b.g, 0), 1);
	TAP_EQ(status(&b).ic.requests, 3);
	TAP_EQ(status(&b).ic.replies, 1);
	b.g.mute = false;
	embedder_advance(&b.e, 5 * PERIOD);
	TAP_EQ(guest_serve(&b.g, 0), 1);
	TAP_EQ(status(&b).verdict, HVH_HEARTBEAT_OK);
	bed_drop(&b);
}

TAP_TEST(late_wrong_and_short_replies_do_not_count)
{
	struct bed b;
	uint8_t bytes[4096];
	struct hvp_ic_header h;
	uint64_t right, wrong;
	struct hvw_ic ic;

	make_ready(&b);
	embedder_advance(&b.e, PERIOD);
	ic = next(&b, bytes);
	h = response_to(&ic);
	right = 3;
	wrong = 2;

	h.transaction_id--;
	reply(&b, h, &right, 8);
	h.transaction_id++;
	h.flags = HVP_IC_FLAG_TRANSACTION;
	reply(&b, h, &right, 8);
	h.flags = HVP_IC_FLAG_RESPONSE;
	h.type = HVP_IC_KVP;
	reply(&b, h, &right, 8);
	TAP_EQ(status(&b).ic.violations, 3);
	TAP_EQ(status(&b).ic.replies, 1);
	/* The request stays outstanding: the right one still counts, and once. */
	h.type = HVP_IC_HEARTBEAT;
	reply(&b, h, &right, 8);
	TAP_EQ(status(&b).ic.replies, 2);
	reply(&b, h, &right, 8);
	TAP_EQ(status(&b).ic.violations, 4);

	embedder_advance(&b.e, PERIOD);
	ic = next(&b, bytes);
	reply(&b, response_to(&ic), &wrong, 8);
	TAP_EQ(status(&b).ic.violations, 5);
	embedder_advance(&b.e, PERIOD);
	ic = next(&b, bytes);
	reply(&b, response_to(&ic), &wrong, 7);
	TAP_EQ(status(&b).ic.violations, 6);
	TAP_EQ(status(&b).ic.replies, 2);
	/* And it goes on. */
	embedder_advance(&b.e, PERIOD);
	TAP_EQ(guest_serve(&b.g, 0), 1);
	TAP_EQ(status(&b).ic.replies, 3);
	bed_drop(&b);
}

TAP_TEST(the_guests_state_is_optional_and_checked)
{
	struct bed b;
	uint8_t bytes[4096];
	struct hvp_ic_heartbeat body = { .state = HVP_HEARTBEAT_CRITICAL };
	struct hvw_ic ic;

	make_ready(&b);
	TAP_EQ(status(&b).guest_state, HVP_HEARTBEAT_UNKNOWN);
	for (unsigned i = 0; i < 3; i++) {
		embedder_advance(&b.e, PERIOD);
		ic = next(&b, bytes);
		body.sequence = i + 3;
		if (i == 2)
			body.state = HVP_HEARTBEAT_STOPPED + 1;
		reply(&b, response_to(&ic), &body, i == 1 ? 8 : 12);
		TAP_EQ(status(&b).guest_state, HVP_HEARTBEAT_CRITICAL);
	}
	TAP_EQ(status(&b).ic.replies, 4);
	bed_drop(&b);
}

TAP_TEST(a_closed_channel_forgets_everything)
{
	struct bed b;

	make_ready(&b);
	embedder_advance(&b.e, PERIOD);
	TAP_EQ(guest_post_close(&b.g, 0), HVP_STATUS_SUCCESS);
	embedder_run(&b.e);
	TAP_EQ(status(&b).ic.state, HVH_IC_CLOSED);
	TAP_EQ(status(&b).verdict, HVH_HEARTBEAT_NONE);
	TAP_EQ(status(&b).sequence, 0);
	embedder_advance(&b.e, 100 * SECOND);
	TAP_CHECK(guest_share_ring(&b.g, 0, 8, 4) && guest_open(&b.g, 0, 0));
	embedder_run(&b.e);
	TAP_EQ(guest_serve(&b.g, 0), 2);
	TAP_EQ(status(&b).ic.requests, 1);
	bed_drop(&b);
}

TAP_TEST(a_corrupt_ring_ends_the_heartbeat_not_the_host)
{
	struct bed b;

	make_ready(&b);
	((struct hvp_ring_control *)(void *)b.g.channels[0].ring)->write_index = 5;
	embedder_doorbell(&b.e, b.g.channels[0].connection_id);
	embedder_advance(&b.e, 100 * SECOND);
	TAP_EQ(status(&b).verdict, HVH_HEARTBEAT_LOST);
	TAP_EQ(status(&b).ic.requests, 1);
	bed_drop(&b);
}

TAP_TEST(states_and_verdicts_have_names)
{
	TAP_STR_EQ(hvh_ic_state_name(HVH_IC_CLOSED), "closed");
	TAP_STR_EQ(hvh_ic_state_name(HVH_IC_NEGOTIATING), "negotiating");
	TAP_STR_EQ(hvh_ic_state_name(HVH_IC_READY), "ready");
	TAP_STR_EQ(hvh_ic_state_name(HVH_IC_UNUSABLE), "unusable");
	TAP_STR_EQ(hvh_heartbeat_verdict_name(HVH_HEARTBEAT_NONE), "no contact");
	TAP_STR_EQ(hvh_heartbeat_verdict_name(HVH_HEARTBEAT_OK), "ok");
	TAP_STR_EQ(hvh_heartbeat_verdict_name(HVH_HEARTBEAT_LOST), "lost contact");
}

TAP_MAIN()
