/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The network device with several queues, and saved and loaded in the midst of things.
 */
#include <errno.h>
#include <hvh/hvh_share.h>

#include "fuzz/net_script.h"
#include "hvw_frame.h"
#include "hvw_rss.h"
#include "tap.h"
#include "unit/net_frames.h"

#define SUBCHANNELS 3u

static struct net_guest *world(void)
{
	struct net_guest *n = calloc(1, sizeof(*n));

	TAP_CHECK(net_guest_init(n));
	TAP_CHECK(net_guest_up(n, HVP_NVSP_5));
	return n;
}

static void end(struct net_guest *n)
{
	net_guest_fini(n);
	free(n);
}

/* Asks for sub-channels, opens all, takes the table; their channels follow the NIC's. */
static bool open_queues(struct net_guest *n)
{
	struct hvp_nvsp_indirection_table head;
	struct hvw_nvsp m, answer;
	struct hvw_msg msg;

	hvw_nvsp_init(&m, HVP_NVSP_SUBCHANNEL);
	m.u.SUBCHANNEL.operation = HVP_NVSP_SUBCHANNEL_ALLOCATE;
	m.u.SUBCHANNEL.count = SUBCHANNELS;
	if (!TAP_EQ(net_guest_ask(n, &m, &answer), 32) ||
	    !TAP_EQ(answer.u.SUBCHANNEL_COMPLETE.status, HVP_NVSP_STATUS_SUCCESS) ||
	    !TAP_EQ(answer.u.SUBCHANNEL_COMPLETE.count, SUBCHANNELS))
		return false;
	for (unsigned i = 1; i <= SUBCHANNELS; i++)
		if (!TAP_CHECK(guest_expect(&n->g, HVP_MSG_OFFER_CHANNEL, &msg)) ||
		    !TAP_EQ(msg.u.OFFER_CHANNEL.subchannel_index, i))
			return false;
	for (unsigned i = 1; i <= SUBCHANNELS; i++)
		if (!TAP_CHECK(guest_share_ring(&n->g, NET_GUEST_CHANNEL + i, NET_GUEST_RING,
						NET_GUEST_RING / 2)) ||
		    !TAP_CHECK(guest_open(&n->g, NET_GUEST_CHANNEL + i, i)))
			return false;
	if (!TAP_EQ(net_guest_take(n, NET_GUEST_CHANNEL, true), 0))
		return false;
	memcpy(&head, n->payload, sizeof(head));
	return TAP_EQ(head.h.type, HVP_NVSP_SEND_INDIRECTION_TABLE) && TAP_EQ(head.count, 16) &&
	       TAP_EQ(n->payload[head.offset + 4 * 5], 1);
}

static bool set_rss(struct net_guest *n)
{
	struct hvw_rss_params params = {
		.hash = HVP_RSS_FUNCTION_TOEPLITZ | HVP_RSS_IPV4 | HVP_RSS_UDP4 | HVP_RSS_TCP4,
		.entries = 128,
		.keyed = true,
	};
	uint8_t bytes[1024];
	int len;

	for (uint32_t i = 0; i < params.entries; i++)
		params.table[i] = i % (SUBCHANNELS + 1);
	memcpy(params.key, hvw_rss_default_key, sizeof(params.key));
	len = hvw_rss_params_build(bytes, sizeof(bytes), &params);
	return TAP_CHECK(len > 0) &&
	       TAP_EQ(net_guest_set(n, HVP_OID_GEN_RECEIVE_SCALE_PARAMETERS, bytes, (uint32_t)len),
		      0);
}

/* A frame of flow `flow`, and the queue that its hash chooses. */
static unsigned flow_frame(struct made *frame, uint16_t flow)
{
	struct hvw_toeplitz toeplitz;
	uint8_t tuple[12];

	made_udp(frame, other_mac, own_mac, 64);
	made_be16(frame->bytes + 34, flow);
	hvw_toeplitz_init(&toeplitz, hvw_rss_default_key);
	memcpy(tuple, frame->bytes + 26, 8);
	memcpy(tuple + 8, frame->bytes + 34, 4);
	return hvw_toeplitz_hash(&toeplitz, tuple, sizeof(tuple)) % 128 % (SUBCHANNELS + 1);
}

static int push(struct net_guest *n, const struct made *frame)
{
	const struct iovec iov = { (void *)frame->bytes, frame->len };

	return hvh_net_receive(net_guest_device(n), 0, &iov, 1, NULL);
}

TAP_TEST(the_hash_chooses_the_queue_of_a_frame)
{
	struct net_guest *n = world();
	unsigned expected[SUBCHANNELS + 1] = { 0 }, got[SUBCHANNELS + 1] = { 0 };
	struct made frame;

	TAP_REQUIRE(open_queues(n) && set_rss(n));
	for (uint16_t flow = 1; flow < 30; flow++) {
		expected[flow_frame(&frame, flow)]++;
		TAP_EQ(push(n, &frame), 0);
		hvh_net_flush(net_guest_device(n), 0);
		for (unsigned q = 0; q <= SUBCHANNELS; q++)
			while (!net_guest_take(n, NET_GUEST_CHANNEL + q, true))
				got[q] += n->range_count;
	}
	for (unsigned q = 0; q <= SUBCHANNELS; q++) {
		TAP_EQ(got[q], expected[q]);
		TAP_CHECK(expected[q] > 0);
	}
	end(n);
}

TAP_TEST(each_queue_sends)
{
	struct net_guest *n = world();
	const struct hvw_rndis_meta none = { .has = 0 };
	struct made frame;
	uint8_t bytes[1000];
	int head;

	TAP_REQUIRE(open_queues(n));
	made_udp(&frame, own_mac, other_mac, 100);
	head = hvw_rndis_packet_build(bytes, &none, 0, (uint32_t)frame.len, 0);
	memcpy(bytes + head, frame.bytes, frame.len);
	for (unsigned q = 0; q <= SUBCHANNELS; q++) {
		net_guest_send_section(n, NET_GUEST_CHANNEL + q, q, bytes,
				       (uint32_t)head + (uint32_t)frame.len);
		TAP_EQ(net_guest_take(n, NET_GUEST_CHANNEL + q, true), 0);
		TAP_EQ(n->packet.h.type, HVP_PACKET_COMPLETION);
		TAP_EQ(n->frames, q + 1);
		TAP_EQ(n->frame[q].queue, q);
	}
	end(n);
}

TAP_TEST(a_packet_is_completed_on_the_queue_that_had_it)
{
	struct net_guest *n = world();
	struct hvh_channel_info info;
	struct made frame;

	TAP_REQUIRE(open_queues(n));
	made_udp(&frame, other_mac, own_mac, 64);
	TAP_EQ(push(n, &frame), 0);
	hvh_net_flush(net_guest_device(n), 0);
	TAP_EQ(net_guest_take(n, NET_GUEST_CHANNEL, false), 0);
	TAP_EQ(n->range_count, 1);
	net_guest_complete(n, NET_GUEST_CHANNEL + 1, n->packet.h.transaction_id);
	hvh_channel_info(embedder_channel(&n->e, NET_GUEST_CHANNEL + 1), &info);
	TAP_CHECK(info.broken);
	end(n);
}

TAP_TEST(a_buffer_goes_back_when_the_last_queue_has_let_go_of_it)
{
	struct net_guest *n = world();
	struct hvw_msg msg;
	struct made frame;

	TAP_REQUIRE(open_queues(n) && set_rss(n));
	for (uint16_t flow = 1; flow < 10; flow++) {
		flow_frame(&frame, flow);
		TAP_EQ(push(n, &frame), 0);
	}
	TAP_EQ(guest_post_teardown(&n->g, n->g.channels[NET_GUEST_CHANNEL].id, n->recv_gpadl), 0);
	TAP_CHECK(guest_expect(&n->g, HVP_MSG_GPADL_TORNDOWN, &msg));
	memset(n->recv, 0x5a, NET_GUEST_RECV * HVP_PAGE_SIZE);
	TAP_EQ(push(n, &frame), 0);
	hvh_net_flush(net_guest_device(n), 0);
	TAP_EQ(n->recv[0], 0x5a);
	TAP_EQ(memcmp(n->recv, n->recv + 1, NET_GUEST_RECV * HVP_PAGE_SIZE - 1), 0);
	end(n);
}

/* Everything that may be under way, saved and loaded after each step: the guest sees no difference. */
TAP_TEST(a_nic_goes_on_where_its_saved_state_was)
{
	struct net_guest *n = calloc(1, sizeof(*n));
	struct hvh_net_status before, after;
	unsigned outstanding = 0, got = 0;
	uint64_t ids[8] = { 0 };
	struct made frame;

	TAP_REQUIRE(net_guest_init(n));
	TAP_EQ(net_guest_save_and_load(n), 0);
	TAP_REQUIRE(net_guest_up(n, HVP_NVSP_5));
	TAP_EQ(net_guest_save_and_load(n), 0);
	TAP_REQUIRE(open_queues(n) && set_rss(n));
	TAP_EQ(net_guest_save_and_load(n), 0);
	for (uint16_t flow = 1; flow < 9; flow++) {
		unsigned q = flow_frame(&frame, flow);

		TAP_EQ(push(n, &frame), 0);
		TAP_EQ(net_guest_save_and_load(n), 0);
		hvh_net_flush(net_guest_device(n), 0);
		/* A load has notified each queue, so the frame is with its guest already, or comes now. */
		while (!net_guest_take(n, NET_GUEST_CHANNEL + q, false))
			if (n->range_count) {
				got += n->range_count;
				ids[outstanding++] = (uint64_t)q << 32 | n->packet.h.transaction_id;
			}
		TAP_EQ(net_guest_save_and_load(n), 0);
	}
	TAP_EQ(got, 8);
	hvh_net_status(net_guest_device(n), &before);
	while (outstanding) {
		outstanding--;
		net_guest_complete(n, NET_GUEST_CHANNEL + (unsigned)(ids[outstanding] >> 32),
				   (uint32_t)ids[outstanding]);
		TAP_EQ(net_guest_save_and_load(n), 0);
	}
	hvh_net_status(net_guest_device(n), &after);
	TAP_EQ(after.queues, SUBCHANNELS + 1);
	TAP_EQ(after.filter, before.filter);
	TAP_EQ(after.rss_types, before.rss_types);
	TAP_EQ(after.violations, 0);
	end(n);
}

/* Whatever is wrong with it: it is refused, or taken, and then given up. */
TAP_TEST(a_damaged_state_does_no_harm)
{
	unsigned refused = 0, taken = 0;
	size_t len = 1;

	for (size_t at = 0; at < len; at += 5) {
		struct net_guest *n = world();
		struct made frame;
		uint8_t *state;

		TAP_REQUIRE(open_queues(n) && set_rss(n));
		made_udp(&frame, other_mac, own_mac, 64);
		TAP_EQ(push(n, &frame), 0);
		TAP_REQUIRE(embedder_save(&n->e, &state, &len) == 0);
		state[at] ^= (uint8_t)(1u << at % 8);
		if (embedder_load(&n->e, state, len))
			refused++;
		else
			taken++;
		free(state);
		end(n);
	}
	TAP_CHECK(refused > 50);
	TAP_CHECK(taken > 5);
}

/* --- attention --------------------------------------------------------------------------------------- */

static struct hvh_device *wanting;
static unsigned told;

/* As another loop would, just when the wish of before is being spread. */
static void want_again(struct embedder *e)
{
	(void)e;
	if (!told++)
		hvh_device_attend(wanting);
}

TAP_TEST(a_wish_for_attention_is_not_lost_while_another_is_granted)
{
	struct net_guest *n = world();

	TAP_REQUIRE(open_queues(n));
	embedder_run(&n->e);
	wanting = net_guest_device(n);
	told = 0;
	n->e.attending = want_again;
	hvh_device_attend(wanting);
	embedder_run(&n->e);
	/* All channels for each of the two. */
	TAP_EQ(told, 2 * (1 + SUBCHANNELS));
	end(n);
}

/* --- faults on purpose ------------------------------------------------------------------------------- */

TAP_TEST(faults_put_off_and_lose_nothing)
{
	struct net_guest *n = calloc(1, sizeof(*n));
	const struct hvw_rndis_meta none = { .has = 0 };
	struct hvh_net_status status;
	struct made frame;
	uint8_t bytes[1000];
	unsigned got = 0;
	int head;

	memcpy(n->config.mac, own_mac, 6);
	n->config.queues_max = 1;
	for (unsigned i = 0; i < HVH_INJECT_NICS; i++)
		n->config.fault_every[i] = 2 + i;
	TAP_REQUIRE(net_guest_init(n) && net_guest_up(n, HVP_NVSP_5));
	for (unsigned i = 0; i < 40; i++) {
		made_udp(&frame, own_mac, other_mac, 100 + i);
		head = hvw_rndis_packet_build(bytes, &none, 0, (uint32_t)frame.len, 0);
		memcpy(bytes + head, frame.bytes, frame.len);
		net_guest_send_section(n, NET_GUEST_CHANNEL, i % 8, bytes,
				       (uint32_t)head + (uint32_t)frame.len);
		TAP_EQ(net_guest_take(n, NET_GUEST_CHANNEL, true), 0);
		TAP_EQ(n->packet.h.type, HVP_PACKET_COMPLETION);
		TAP_EQ(n->frames, i + 1);
		TAP_EQ(n->frame[i].len, frame.len);
	}
	for (unsigned i = 0; i < 40; i++) {
		made_udp(&frame, other_mac, own_mac, 100 + i);
		TAP_EQ(push(n, &frame), 0);
		hvh_net_flush(net_guest_device(n), 0);
		embedder_run(&n->e);
		while (!net_guest_take(n, NET_GUEST_CHANNEL, true))
			got += n->range_count;
	}
	TAP_EQ(got, 40);
	hvh_net_status(net_guest_device(n), &status);
	TAP_CHECK(status.queue[0].faults >= 40 / 2);
	end(n);
}

TAP_TEST(faults_of_adapters_have_names)
{
	struct hvh_inject inject;
	char error[200];

	TAP_EQ(hvh_inject_parse("nic.send:late:7,open-result:late,nic.ring:late", &inject, error,
				sizeof(error)),
	       0);
	TAP_EQ(inject.count, 1);
	TAP_EQ(inject.nic_every[HVH_INJECT_NIC_SEND], 7);
	TAP_EQ(inject.nic_every[HVH_INJECT_NIC_COMPLETION], 0);
	TAP_EQ(inject.nic_every[HVH_INJECT_NIC_RING], HVH_INJECT_NIC_EVERY);
	TAP_EQ(hvh_inject_parse("nic.sent:late", &inject, error, sizeof(error)), -EINVAL);
	TAP_EQ(hvh_inject_parse("nic.send:never", &inject, error, sizeof(error)), -EINVAL);
	TAP_EQ(hvh_inject_parse("nic.send:late:1", &inject, error, sizeof(error)), -EINVAL);
	TAP_EQ(hvh_inject_parse("nic.send:late:5+", &inject, error, sizeof(error)), -EINVAL);
	TAP_EQ(hvh_inject_parse("nic.send:latest", &inject, error, sizeof(error)), -EINVAL);
}

TAP_MAIN()
