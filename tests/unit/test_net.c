/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The network device against a scripted guest: set-up at every version, frames both ways, the buffers' teardown.
 */
#include <errno.h>

#include "fuzz/net_script.h"
#include "hvw_frame.h"
#include "hvw_rss.h"
#include "tap.h"
#include "unit/net_frames.h"

static struct net_guest *world(uint32_t version)
{
	struct net_guest *n = calloc(1, sizeof(*n));

	TAP_CHECK(net_guest_init(n));
	if (version)
		TAP_CHECK(net_guest_up(n, version));
	return n;
}

static void end(struct net_guest *n)
{
	net_guest_fini(n);
	free(n);
}

static bool broken(struct net_guest *n, unsigned channel)
{
	struct hvh_channel_info info;

	hvh_channel_info(embedder_channel(&n->e, channel), &info);
	return info.broken;
}

/* The completion of `id`, and its status. */
static uint32_t completed(struct net_guest *n, unsigned channel, uint64_t id)
{
	struct hvp_nvsp_rndis_complete done;

	if (!TAP_EQ(net_guest_take(n, channel, true), 0) ||
	    !TAP_EQ(n->packet.h.type, HVP_PACKET_COMPLETION) ||
	    !TAP_EQ(n->packet.h.transaction_id, id))
		return 99;
	memcpy(&done, n->payload, sizeof(done));
	TAP_EQ(done.h.type, HVP_NVSP_SEND_RNDIS_PACKET_COMPLETE);
	return done.status;
}

/* --- set-up ---------------------------------------------------------------------------------- */

TAP_TEST(every_version_can_be_set_up_and_answers_have_its_length){
#define TRY(name, text, number, bytes)                                                             \
	{                                                                                          \
		struct net_guest *n = world(number);                                               \
		struct hvh_net_status status;                                                      \
                                                                                                   \
		TAP_EQ(n->packet.payload_len % 8, 0);                                              \
		hvh_net_status(net_guest_device(n), &status);                                      \
		TAP_EQ(status.version, number);                                                    \
		TAP_CHECK(status.ready);                                                           \
		TAP_EQ(status.mtu, 1500);                                                          \
		TAP_EQ(status.violations, 0);                                                      \
		end(n);                                                                            \
	}
	HVP_NVSP_VERSION_LIST(TRY)
#undef TRY
}

TAP_TEST(a_version_that_is_not_known_is_refused_and_another_may_be_tried)
{
	struct net_guest *n = world(0);
	struct hvw_nvsp m, answer;

	hvw_nvsp_init(&m, HVP_NVSP_INIT);
	m.u.INIT.version_min = m.u.INIT.version_max = 0x70000;
	TAP_EQ(net_guest_ask(n, &m, &answer), 32);
	TAP_CHECK(answer.u.INIT_COMPLETE.status != HVP_NVSP_STATUS_SUCCESS);
	TAP_CHECK(net_guest_up(n, HVP_NVSP_5));
	end(n);
}

TAP_TEST(answers_are_40_bytes_from_6_1_on_and_28_before)
{
	struct net_guest *n = world(0);
	struct hvw_nvsp m, answer;

	hvw_nvsp_init(&m, HVP_NVSP_INIT);
	m.u.INIT.version_min = m.u.INIT.version_max = HVP_NVSP_6_1;
	TAP_EQ(net_guest_ask(n, &m, &answer), 40);
	TAP_EQ(answer.u.INIT_COMPLETE.status, HVP_NVSP_STATUS_SUCCESS);
	TAP_EQ(answer.u.INIT_COMPLETE.mdl_chain_max, 34);
	end(n);
}

/* A message that breaks the protocol here costs the guest its channel, and no more. */
static void check_untimely(uint32_t version, struct hvw_nvsp *m)
{
	struct net_guest *n = world(version);

	TAP_EQ(net_guest_say(n, m, 40), 0);
	TAP_CHECK(broken(n, NET_GUEST_CHANNEL));
	end(n);
}

TAP_TEST(set_up_messages_come_once_and_in_order)
{
	struct hvw_nvsp m;

	hvw_nvsp_init(&m, HVP_NVSP_INIT);
	m.u.INIT.version_min = m.u.INIT.version_max = HVP_NVSP_5;
	check_untimely(HVP_NVSP_5, &m);
	hvw_nvsp_init(&m, HVP_NVSP_NDIS_CONFIG);
	check_untimely(0, &m);
	check_untimely(HVP_NVSP_5, &m);
	hvw_nvsp_init(&m, HVP_NVSP_SEND_NDIS_VERSION);
	m.u.SEND_NDIS_VERSION.major = 6;
	check_untimely(0, &m);
	check_untimely(HVP_NVSP_1, &m);
	hvw_nvsp_init(&m, HVP_NVSP_SEND_RECV_BUF);
	check_untimely(0, &m);
	check_untimely(HVP_NVSP_5, &m);
	hvw_nvsp_init(&m, HVP_NVSP_SEND_SEND_BUF);
	check_untimely(0, &m);
	check_untimely(HVP_NVSP_5, &m);
	hvw_nvsp_init(&m, HVP_NVSP_INIT_COMPLETE);
	check_untimely(HVP_NVSP_5, &m);
	hvw_nvsp_init(&m, 109);
	check_untimely(HVP_NVSP_5, &m);
}

/* The NDIS version says what a guest takes; the parts of its buffer depend on what came before. */
TAP_TEST(buffers_come_after_the_versions)
{
	struct net_guest *n = world(0);
	struct hvw_nvsp m, answer;

	hvw_nvsp_init(&m, HVP_NVSP_INIT);
	m.u.INIT.version_min = m.u.INIT.version_max = HVP_NVSP_5;
	TAP_CHECK(net_guest_ask(n, &m, &answer) > 0);
	hvw_nvsp_init(&m, HVP_NVSP_SEND_RECV_BUF);
	m.u.SEND_RECV_BUF.gpadl = 77;
	TAP_EQ(net_guest_say(n, &m, 40), 0);
	TAP_CHECK(broken(n, NET_GUEST_CHANNEL));
	end(n);
}

TAP_TEST(a_buffer_that_is_not_shared_is_refused)
{
	struct net_guest *n = world(0);
	struct hvw_nvsp m, answer;

	hvw_nvsp_init(&m, HVP_NVSP_INIT);
	m.u.INIT.version_min = m.u.INIT.version_max = HVP_NVSP_1;
	TAP_CHECK(net_guest_ask(n, &m, &answer) > 0);
	hvw_nvsp_init(&m, HVP_NVSP_SEND_NDIS_VERSION);
	m.u.SEND_NDIS_VERSION.major = 6;
	TAP_EQ(net_guest_ask(n, &m, &answer), 0);
	hvw_nvsp_init(&m, HVP_NVSP_SEND_RECV_BUF);
	for (uint32_t handle = 0; handle < 3; handle++) {
		/* None, one that there is not, and another channel's. */
		m.u.SEND_RECV_BUF.gpadl = handle == 2 ? n->g.channels[0].gpadl : handle * 77;
		TAP_CHECK(net_guest_ask(n, &m, &answer) >= 28);
		TAP_EQ(answer.u.SEND_RECV_BUF_COMPLETE.status, HVP_NVSP_STATUS_FAILURE);
	}
	end(n);
}

TAP_TEST(messages_without_an_answer_are_completed_empty)
{
	struct net_guest *n = world(HVP_NVSP_6_1);
	struct hvw_nvsp m, answer;

	hvw_nvsp_init(&m, HVP_NVSP_SWITCH_DATA_PATH);
	m.u.SWITCH_DATA_PATH.active = HVP_NVSP_PATH_VF;
	TAP_EQ(net_guest_ask(n, &m, &answer), 0);
	hvw_nvsp_init(&m, HVP_NVSP_PD_API);
	m.u.PD_API.operation = 3;
	TAP_EQ(net_guest_ask(n, &m, &answer), 40);
	TAP_EQ(answer.u.PD_API_COMPLETE.status, HVP_RNDIS_STATUS_NOT_SUPPORTED);
	end(n);
}

/* Linux does without its queues if the answer is longer than the structure that it asks with. */
TAP_TEST(answers_to_questions_about_rss_have_no_padding)
{
	struct net_guest *n = world(HVP_NVSP_5);
	struct hvp_ndis_rss_caps caps = { .queues = 0 };
	uint32_t len = HVP_NDIS_RSS_CAPS_SIZE_2;

	TAP_EQ(net_guest_query(n, HVP_OID_GEN_RECEIVE_SCALE_CAPABILITIES, &caps, &len), 0);
	TAP_EQ(len, HVP_NDIS_RSS_CAPS_SIZE_2);
	TAP_EQ(caps.h.size, HVP_NDIS_RSS_CAPS_SIZE_2);
	TAP_EQ(caps.queues, NET_GUEST_QUEUES);
	end(n);
}

/* --- frames ---------------------------------------------------------------------------------- */

/* A PACKET with `frame` in it; its length. */
static uint32_t packet_of(uint8_t *bytes, const struct hvw_rndis_meta *meta,
			  const struct made *frame)
{
	const struct hvw_rndis_meta none = { .has = 0 };
	int head = hvw_rndis_packet_build(bytes, meta ? meta : &none, 0, (uint32_t)frame->len, 0);

	memcpy(bytes + head, frame->bytes, frame->len);
	return (uint32_t)head + (uint32_t)frame->len;
}

TAP_TEST(frames_leave_the_guest_from_pages_and_from_sections)
{
	struct net_guest *n = world(HVP_NVSP_5);
	uint8_t bytes[2000];
	struct made frame;
	uint32_t len;
	uint64_t id;

	made_udp(&frame, own_mac, other_mac, 600);
	len = packet_of(bytes, NULL, &frame);
	id = net_guest_send_direct(n, NET_GUEST_CHANNEL, bytes, len, HVP_NVSP_CHANNEL_DATA);
	TAP_EQ(completed(n, NET_GUEST_CHANNEL, id), HVP_NVSP_STATUS_SUCCESS);
	id = net_guest_send_section(n, NET_GUEST_CHANNEL, 3, bytes, len);
	TAP_EQ(completed(n, NET_GUEST_CHANNEL, id), HVP_NVSP_STATUS_SUCCESS);
	TAP_EQ(n->frames, 2);
	for (unsigned i = 0; i < 2; i++) {
		TAP_EQ(n->frame[i].len, frame.len);
		TAP_MEM_EQ(n->frame[i].bytes, frame.bytes, frame.len);
	}
	end(n);
}

TAP_TEST(several_frames_in_one_section_leave_in_order_and_are_resumed)
{
	struct net_guest *n = world(HVP_NVSP_5);
	uint8_t bytes[4096];
	uint32_t len = 0;
	uint64_t id;

	for (unsigned i = 0; i < 4; i++) {
		struct made frame;

		made_udp(&frame, own_mac, other_mac, 100 + i);
		len += packet_of(bytes + len, NULL, &frame);
	}
	/* The third is refused: the rest waits until the back end is ready, and nothing goes twice. */
	n->send_result = -EAGAIN;
	n->refuse_after = 3;
	id = net_guest_send_section(n, NET_GUEST_CHANNEL, 0, bytes, len);
	TAP_EQ(n->frames, 2);
	TAP_EQ(net_guest_take(n, NET_GUEST_CHANNEL, true), -EAGAIN);
	n->refuse_after = 1;
	hvh_net_tx_ready(net_guest_device(n), 0);
	TAP_EQ(n->frames, 2);
	n->send_result = 0;
	hvh_net_tx_ready(net_guest_device(n), 0);
	TAP_EQ(completed(n, NET_GUEST_CHANNEL, id), HVP_NVSP_STATUS_SUCCESS);
	TAP_REQUIRE(n->frames == 4);
	for (unsigned i = 0; i < 4; i++)
		TAP_EQ(n->frame[i].len, made_udp_len(100 + i));
	end(n);
}

TAP_TEST(what_is_no_frame_is_completed_with_failure_and_no_more)
{
	struct net_guest *n = world(HVP_NVSP_5);
	uint8_t bytes[2000], bad[2000];
	const struct hvw_rndis_meta vlan = { .has = HVW_META_VLAN, .vlan = 0x50 };
	struct made frame;
	uint32_t len, value;

	made_udp(&frame, own_mac, other_mac, 100);
	len = packet_of(bytes, &vlan, &frame);
	static const struct {
		uint32_t at, value;
	} spoilt[] = {
		{ 4, 43 },	    { 4, 0xffffffff },	{ 8, 0xfffffff8 }, { 8, 4 },  { 12, 0 },
		{ 12, 0xffffff00 }, { 28, 0xfffffff8 }, { 32, 4000 },	   { 44, 0 }, { 44, 14 },
		{ 44, 400 },	    { 52, 0 },		{ 52, 17 },	   { 16, 1 }, { 36, 1 },
	};
	for (unsigned i = 0; i < sizeof(spoilt) / sizeof(spoilt[0]); i++) {
		memcpy(bad, bytes, len);
		memcpy(bad + spoilt[i].at, &spoilt[i].value, 4);
		TAP_EQ(completed(n, NET_GUEST_CHANNEL,
				 net_guest_send_direct(n, NET_GUEST_CHANNEL, bad, len,
						       HVP_NVSP_CHANNEL_DATA)),
		       HVP_NVSP_STATUS_FAILURE);
	}
	/* Sections that there are not, or too long a part of one. */
	TAP_EQ(completed(n, NET_GUEST_CHANNEL,
			 net_guest_send_section(n, NET_GUEST_CHANNEL, 10, NULL, 100)),
	       HVP_NVSP_STATUS_FAILURE);
	TAP_EQ(completed(n, NET_GUEST_CHANNEL,
			 net_guest_send_section(n, NET_GUEST_CHANNEL, 0xfffffffe, NULL, 100)),
	       HVP_NVSP_STATUS_FAILURE);
	TAP_EQ(completed(n, NET_GUEST_CHANNEL,
			 net_guest_send_section(n, NET_GUEST_CHANNEL, 0, NULL, 6145)),
	       HVP_NVSP_STATUS_FAILURE);
	TAP_EQ(completed(n, NET_GUEST_CHANNEL,
			 net_guest_send_section(n, NET_GUEST_CHANNEL, 0, NULL, 0)),
	       HVP_NVSP_STATUS_FAILURE);
	TAP_EQ(n->frames, 0);
	value = sizeof(spoilt) / sizeof(spoilt[0]) + 4;
	TAP_CHECK(!broken(n, NET_GUEST_CHANNEL));
	TAP_EQ(completed(n, NET_GUEST_CHANNEL,
			 net_guest_send_direct(n, NET_GUEST_CHANNEL, bytes, len,
					       HVP_NVSP_CHANNEL_DATA)),
	       HVP_NVSP_STATUS_SUCCESS);
	struct hvh_net_status status;
	hvh_net_status(net_guest_device(n), &status);
	TAP_EQ(status.violations, value);
	end(n);
}

TAP_TEST(frames_with_a_foreign_source_go_nowhere_unless_they_may)
{
	for (unsigned may = 0; may < 2; may++) {
		struct net_guest *n = calloc(1, sizeof(*n));
		uint8_t bytes[2000];
		struct made frame;
		uint32_t len;

		n->config.foreign_macs = may;
		TAP_CHECK(net_guest_init(n));
		TAP_CHECK(net_guest_up(n, HVP_NVSP_5));
		made_udp(&frame, other_mac, own_mac, 100);
		len = packet_of(bytes, NULL, &frame);
		TAP_EQ(completed(n, NET_GUEST_CHANNEL,
				 net_guest_send_direct(n, NET_GUEST_CHANNEL, bytes, len,
						       HVP_NVSP_CHANNEL_DATA)),
		       HVP_NVSP_STATUS_SUCCESS);
		TAP_EQ(n->frames, may);
		end(n);
	}
}

/* Takes the next packet of frames; where the first one's message is. */
static const uint8_t *received(struct net_guest *n, unsigned channel,
			       struct hvw_rndis_packet *packet, struct hvw_rndis_meta *meta,
			       bool completes)
{
	struct hvp_transfer_pages pages;
	struct hvp_transfer_range range;
	struct hvp_rndis_packet h;

	if (!TAP_EQ(net_guest_take(n, channel, completes), 0) ||
	    !TAP_EQ(n->packet.h.type, HVP_PACKET_TRANSFER_PAGES))
		return NULL;
	memcpy(&pages, n->ranges, sizeof(pages));
	memcpy(&range, n->ranges + sizeof(pages), sizeof(range));
	TAP_EQ(pages.set_id, NET_GUEST_RECV_ID);
	TAP_CHECK(range.byte_count <= n->section.size);
	TAP_EQ(range.byte_offset % n->section.size, 0);
	memcpy(&h, n->recv + range.byte_offset, sizeof(h));
	if (!TAP_EQ(hvw_rndis_packet_parse(packet, &h, range.byte_count), 0) ||
	    !TAP_EQ(hvw_rndis_meta_parse(meta, n->recv + range.byte_offset + packet->info_at,
					 packet->info_len),
		    0))
		return NULL;
	return n->recv + range.byte_offset;
}

static int push(struct net_guest *n, const struct made *frame, bool verified)
{
	const struct iovec iov[2] = { { (void *)frame->bytes, 10 },
				      { (void *)(frame->bytes + 10), frame->len - 10 } };
	const struct hvh_net_meta meta = { .verified = verified };

	return hvh_net_receive(net_guest_device(n), 0, iov, 2, &meta);
}

TAP_TEST(frames_reach_the_guest_in_batches_and_its_completion_frees_their_room)
{
	struct net_guest *n = world(HVP_NVSP_5);
	struct hvw_rndis_packet packet;
	struct hvw_rndis_meta meta;
	unsigned most = n->section.count - 16, round;
	struct made frame;
	const uint8_t *at;

	for (round = 0; round < 3; round++) {
		unsigned taken = 0;

		for (unsigned i = 0; i < most; i++) {
			made_udp(&frame, other_mac, own_mac, 100 + i);
			TAP_EQ(push(n, &frame, true), 0);
		}
		TAP_EQ(push(n, &frame, true), -EAGAIN);
		hvh_net_flush(net_guest_device(n), 0);
		at = received(n, NET_GUEST_CHANNEL, &packet, &meta, false);
		TAP_REQUIRE(at != NULL);
		TAP_EQ(n->range_count, most < 64 ? most : 64);
		TAP_EQ(packet.data_at, 256);
		TAP_EQ(packet.data_len, made_udp_len(100));
		made_udp(&frame, other_mac, own_mac, 100);
		TAP_MEM_EQ(at + packet.data_at, frame.bytes, frame.len);
		TAP_EQ(meta.has, HVW_META_CHECKSUM);
		TAP_EQ(meta.checksum, HVP_RX_CHECKSUM_UDP_SUCCEEDED | HVP_RX_CHECKSUM_IP_SUCCEEDED);
		taken = n->range_count;
		TAP_EQ(push(n, &frame, true), -EAGAIN);
		net_guest_complete(n, NET_GUEST_CHANNEL, n->packet.h.transaction_id);
		while (!net_guest_take(n, NET_GUEST_CHANNEL, true))
			taken += n->range_count;
		TAP_EQ(taken, most);
	}
	TAP_CHECK(n->ready_calls > 0);
	end(n);
}

TAP_TEST(a_completion_of_what_the_guest_does_not_have_costs_it_the_channel)
{
	struct net_guest *n = world(HVP_NVSP_5);
	struct hvw_rndis_packet packet;
	struct hvw_rndis_meta meta;
	struct made frame;

	made_udp(&frame, other_mac, own_mac, 100);
	TAP_EQ(push(n, &frame, true), 0);
	hvh_net_flush(net_guest_device(n), 0);
	TAP_CHECK(received(n, NET_GUEST_CHANNEL, &packet, &meta, true) != NULL);
	TAP_CHECK(!broken(n, NET_GUEST_CHANNEL));
	net_guest_complete(n, NET_GUEST_CHANNEL, n->packet.h.transaction_id);
	TAP_CHECK(broken(n, NET_GUEST_CHANNEL));
	end(n);
	for (unsigned i = 0; i < 3; i++) {
		static const uint64_t ids[] = { 0xffff, 0x100000000, 0xffffffffffffffff };

		n = world(HVP_NVSP_5);
		net_guest_complete(n, NET_GUEST_CHANNEL, ids[i]);
		TAP_CHECK(broken(n, NET_GUEST_CHANNEL));
		end(n);
	}
}

TAP_TEST(the_filter_says_which_frames_the_guest_gets)
{
	static const uint8_t broadcast[6] = { 255, 255, 255, 255, 255, 255 },
			     group[6] = { 1, 0, 0x5e, 0, 0, 1 };
	static const struct {
		uint32_t filter;
		const uint8_t *to;
		bool arrives;
	} cases[] = {
		{ 0, own_mac, false },
		{ HVP_FILTER_DIRECTED, own_mac, true },
		{ HVP_FILTER_DIRECTED, other_mac, false },
		{ HVP_FILTER_DIRECTED, broadcast, false },
		{ HVP_FILTER_BROADCAST, broadcast, true },
		{ HVP_FILTER_BROADCAST, group, false },
		{ HVP_FILTER_ALL_MULTICAST, group, true },
		{ HVP_FILTER_ALL_MULTICAST, own_mac, false },
		{ HVP_FILTER_PROMISCUOUS, other_mac, true },
		{ HVP_FILTER_PROMISCUOUS, group, true },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct net_guest *n = world(HVP_NVSP_5);
		struct made frame;

		TAP_EQ(net_guest_set(n, HVP_OID_GEN_CURRENT_PACKET_FILTER, &cases[i].filter, 4), 0);
		made_udp(&frame, other_mac, cases[i].to, 100);
		TAP_EQ(push(n, &frame, true), 0);
		hvh_net_flush(net_guest_device(n), 0);
		TAP_EQ(net_guest_take(n, NET_GUEST_CHANNEL, true), cases[i].arrives ? 0 : -EAGAIN);
		end(n);
	}
}

TAP_TEST(a_tag_stands_beside_the_frame_in_the_guest_and_in_it_outside)
{
	struct net_guest *n = world(HVP_NVSP_5);
	/* Priority 5, drop eligible, VLAN 0x123. */
	const struct hvw_rndis_meta vlan = { .has = HVW_META_VLAN,
					     .vlan = 0x123 << 4 | HVP_VLAN_CFI | 5 };
	struct hvw_rndis_packet packet;
	struct hvw_rndis_meta meta;
	struct made frame, tagged;
	uint8_t bytes[2000];
	const uint8_t *at;
	uint32_t len;

	made_udp(&frame, own_mac, other_mac, 100);
	len = packet_of(bytes, &vlan, &frame);
	completed(n, NET_GUEST_CHANNEL,
		  net_guest_send_direct(n, NET_GUEST_CHANNEL, bytes, len, HVP_NVSP_CHANNEL_DATA));
	TAP_REQUIRE(n->frames == 1);
	TAP_EQ(n->frame[0].len, frame.len + 4);
	TAP_MEM_EQ(n->frame[0].bytes, frame.bytes, 12);
	TAP_MEM_EQ(n->frame[0].bytes + 12, "\x81\x00\xb1\x23", 4);
	TAP_MEM_EQ(n->frame[0].bytes + 16, frame.bytes + 12, frame.len - 12);

	made_udp(&frame, other_mac, own_mac, 1472);
	tagged = frame;
	memmove(tagged.bytes + 16, tagged.bytes + 12, tagged.len - 12);
	memcpy(tagged.bytes + 12, "\x81\x00\xb1\x23", 4);
	tagged.len += 4;
	TAP_EQ(push(n, &tagged, true), 0);
	hvh_net_flush(net_guest_device(n), 0);
	at = received(n, NET_GUEST_CHANNEL, &packet, &meta, true);
	TAP_REQUIRE(at != NULL);
	TAP_CHECK(meta.has & HVW_META_VLAN);
	TAP_EQ(meta.vlan, vlan.vlan);
	TAP_EQ(packet.data_len, frame.len);
	TAP_MEM_EQ(at + packet.data_at, frame.bytes, frame.len);
	/* Without a tag that would be too long. */
	made_udp(&frame, other_mac, own_mac, 1473);
	TAP_EQ(push(n, &frame, true), -EMSGSIZE);
	end(n);
}

/* --- offloads -------------------------------------------------------------------------------- */

TAP_TEST(checksums_that_the_guest_leaves_out_are_filled_in)
{
	for (unsigned kind = 0; kind < 4; kind++) {
		struct net_guest *n = world(HVP_NVSP_5);
		bool ipv6 = kind & 1, udp = kind & 2;
		struct hvw_rndis_meta meta = {
			.has = HVW_META_CHECKSUM,
			.checksum = (ipv6 ? HVP_TX_CHECKSUM_IPV6 :
					    HVP_TX_CHECKSUM_IPV4 | HVP_TX_CHECKSUM_IP_HEADER) |
				    (udp ? HVP_TX_CHECKSUM_UDP : HVP_TX_CHECKSUM_TCP),
		};
		struct hvh_net_status status;
		struct made frame;
		uint8_t bytes[2000];
		uint32_t len;

		made_partial(&frame, own_mac, other_mac, ipv6, udp, 301);
		len = packet_of(bytes, &meta, &frame);
		TAP_EQ(completed(n, NET_GUEST_CHANNEL,
				 net_guest_send_direct(n, NET_GUEST_CHANNEL, bytes, len,
						       HVP_NVSP_CHANNEL_DATA)),
		       HVP_NVSP_STATUS_SUCCESS);
		TAP_REQUIRE(n->frames == 1);
		TAP_EQ(n->frame[0].len, frame.len);
		TAP_STR_EQ(made_wrong(n->frame[0].bytes, n->frame[0].len), "");
		hvh_net_status(net_guest_device(n), &status);
		TAP_EQ(status.queue[0].tx_checksums, 1);
		end(n);
	}
}

TAP_TEST(large_frames_are_cut_into_segments_with_headers_of_their_own)
{
	/* Both versions; the first is for IPv4 alone, and has the frame's length in its header. */
	for (unsigned kind = 0; kind < 3; kind++) {
		struct net_guest *n = world(HVP_NVSP_5);
		const bool ipv6 = kind == 1, first = kind == 2;
		const uint32_t payload = 3100, mss = 1000;
		struct hvw_rndis_meta meta = {
			.has = HVW_META_LSO,
			.lso = mss | (first ? 0 : HVP_LSO_VERSION_2) | (ipv6 ? HVP_LSO_IPV6 : 0),
		};
		struct hvh_net_status status;
		struct made frame;
		uint8_t bytes[8000];
		uint32_t len, headers;

		made_large(&frame, own_mac, other_mac, ipv6, payload);
		headers = (uint32_t)frame.len - payload;
		if (first)
			hvw_put_be16(frame.bytes + 16, (uint16_t)(frame.len - 14));
		len = packet_of(bytes, &meta, &frame);
		TAP_EQ(completed(n, NET_GUEST_CHANNEL,
				 net_guest_send_direct(n, NET_GUEST_CHANNEL, bytes, len,
						       HVP_NVSP_CHANNEL_DATA)),
		       HVP_NVSP_STATUS_SUCCESS);
		TAP_REQUIRE(n->frames == 4);
		for (uint32_t i = 0; i < 4; i++) {
			const struct net_frame *f = &n->frame[i];
			const uint8_t *tcp = f->bytes + headers - 20;
			uint32_t step = i < 3 ? mss : payload - 3 * mss;

			TAP_EQ(f->len, headers + step);
			TAP_STR_EQ(made_wrong(f->bytes, f->len), "");
			TAP_EQ(hvw_be32(tcp + 4), MADE_SEQUENCE + i * mss);
			/* FIN and PSH on the last one alone, CWR on the first. */
			TAP_EQ(tcp[13], (i == 3 ? 0x09 : 0) | (i == 0 ? 0x80 : 0) | 0x10);
			TAP_MEM_EQ(f->bytes + headers, frame.bytes + headers + i * mss, step);
			if (!ipv6)
				TAP_EQ(hvw_be16(f->bytes + 18), (uint16_t)(MADE_IP_ID + i));
		}
		hvh_net_status(net_guest_device(n), &status);
		TAP_EQ(status.queue[0].tx_large, 1);
		TAP_EQ(status.queue[0].tx_segments, 4);
		end(n);
	}
}

TAP_TEST(segments_go_on_where_the_back_end_had_enough)
{
	struct net_guest *n = world(HVP_NVSP_5);
	const struct hvw_rndis_meta meta = { .has = HVW_META_LSO, .lso = HVP_LSO_VERSION_2 | 1000 };
	struct hvh_net_status status;
	uint8_t bytes[8192];
	struct made frame;
	uint32_t len;

	made_large(&frame, own_mac, other_mac, false, 5500);
	len = packet_of(bytes, &meta, &frame);
	n->send_result = -EAGAIN;
	n->refuse_after = 3;
	net_guest_send_direct(n, NET_GUEST_CHANNEL, bytes, len, HVP_NVSP_CHANNEL_DATA);
	TAP_EQ(n->frames, 2);
	TAP_EQ(net_guest_save_and_load(n), 0);
	n->send_result = 0;
	hvh_net_tx_ready(net_guest_device(n), 0);
	embedder_run(&n->e);
	TAP_EQ(n->frames, 6);
	for (unsigned i = 0; i < 6; i++) {
		TAP_STR_EQ(made_wrong(n->frame[i].bytes, n->frame[i].len), "");
		TAP_EQ(hvw_be32(n->frame[i].bytes + 38), MADE_SEQUENCE + i * 1000);
	}
	hvh_net_status(net_guest_device(n), &status);
	TAP_EQ(status.queue[0].tx_segments, 6);
	TAP_EQ(status.queue[0].tx_large, 1);
	TAP_EQ(status.queue[0].tx_dropped, 0);
	end(n);
}

TAP_TEST(a_back_end_that_can_gets_large_frames_whole)
{
	struct net_guest *n = calloc(1, sizeof(*n));
	const struct hvw_rndis_meta meta = { .has = HVW_META_LSO, .lso = 1000 | HVP_LSO_VERSION_2 };
	struct made frame;
	uint8_t bytes[8000];
	uint32_t len;

	n->backend.can = HVH_NET_CHECKSUMS | HVH_NET_SEGMENTS;
	TAP_REQUIRE(net_guest_init(n) && net_guest_up(n, HVP_NVSP_5));
	made_large(&frame, own_mac, other_mac, false, 3100);
	len = packet_of(bytes, &meta, &frame);
	completed(n, NET_GUEST_CHANNEL,
		  net_guest_send_direct(n, NET_GUEST_CHANNEL, bytes, len, HVP_NVSP_CHANNEL_DATA));
	TAP_REQUIRE(n->frames == 1);
	TAP_EQ(n->frame[0].len, frame.len);
	TAP_EQ(n->frame[0].meta.segment_bytes, 1000);
	TAP_EQ(n->frame[0].meta.header_bytes, 54);
	TAP_EQ(n->frame[0].meta.checksum_start, 34);
	TAP_EQ(n->frame[0].meta.checksum_offset, 16);
	TAP_EQ(hvw_be16(n->frame[0].bytes + 16), 3140);
	end(n);
}

TAP_TEST(impossible_offloads_are_refused)
{
	static const uint32_t lso[] = {
		HVP_LSO_VERSION_2, /* no MSS */
		HVP_LSO_VERSION_2 | 2, /* more segments than anybody wants */
		HVP_LSO_VERSION_2 | 9000, /* segments longer than the MTU */
	};
	struct net_guest *n = world(HVP_NVSP_5);
	struct hvw_rndis_meta meta = { .has = HVW_META_LSO };
	struct made frame;
	uint8_t bytes[8000];

	for (unsigned i = 0; i < 3; i++) {
		made_large(&frame, own_mac, other_mac, false, 3100);
		meta.lso = lso[i];
		TAP_EQ(completed(n, NET_GUEST_CHANNEL,
				 net_guest_send_direct(n, NET_GUEST_CHANNEL, bytes,
						       packet_of(bytes, &meta, &frame),
						       HVP_NVSP_CHANNEL_DATA)),
		       HVP_NVSP_STATUS_FAILURE);
	}
	/* A checksum of a transport that is not there. */
	made_udp(&frame, own_mac, other_mac, 100);
	meta.has = HVW_META_CHECKSUM;
	meta.checksum = HVP_TX_CHECKSUM_IPV4 | HVP_TX_CHECKSUM_TCP;
	TAP_EQ(completed(n, NET_GUEST_CHANNEL,
			 net_guest_send_direct(n, NET_GUEST_CHANNEL, bytes,
					       packet_of(bytes, &meta, &frame),
					       HVP_NVSP_CHANNEL_DATA)),
	       HVP_NVSP_STATUS_FAILURE);
	TAP_EQ(n->frames, 0);
	end(n);
}

/* --- the end --------------------------------------------------------------------------------- */

/* At the second look at the latest, when nothing passes between the two. */
static bool quiet(struct net_guest *n)
{
	struct hvh_device *device = net_guest_device(n);

	embedder_run(&n->e);
	return hvh_net_quiet(device, 0) || hvh_net_quiet(device, 0);
}

TAP_TEST(an_adapter_is_quiet_when_nobody_waits_for_anything)
{
	struct net_guest *n = world(HVP_NVSP_5);
	struct hvh_device *device = net_guest_device(n);
	uint8_t bytes[2000];
	struct made frame;
	uint32_t len;
	uint64_t id;

	TAP_CHECK(quiet(n));
	TAP_CHECK(hvh_net_quiet(device, 0));
	/* A frame that the guest has not taken, and then one that it has not completed. */
	made_udp(&frame, other_mac, own_mac, 100);
	TAP_EQ(push(n, &frame, true), 0);
	hvh_net_flush(device, 0);
	TAP_CHECK(!quiet(n));
	TAP_EQ(net_guest_take(n, NET_GUEST_CHANNEL, false), 0);
	TAP_CHECK(!quiet(n));
	net_guest_complete(n, NET_GUEST_CHANNEL, n->packet.h.transaction_id);
	TAP_CHECK(!hvh_net_quiet(device, 0));
	TAP_CHECK(hvh_net_quiet(device, 0));
	/* What it sends, while the back end has no room, and until it has taken the completion. */
	made_udp(&frame, own_mac, other_mac, 600);
	len = packet_of(bytes, NULL, &frame);
	n->send_result = -EAGAIN;
	id = net_guest_send_direct(n, NET_GUEST_CHANNEL, bytes, len, HVP_NVSP_CHANNEL_DATA);
	TAP_CHECK(!quiet(n));
	n->send_result = 0;
	hvh_net_tx_ready(device, 0);
	TAP_CHECK(!quiet(n));
	TAP_EQ(completed(n, NET_GUEST_CHANNEL, id), HVP_NVSP_STATUS_SUCCESS);
	TAP_CHECK(quiet(n));
	end(n);
}

TAP_TEST(with_the_link_down_a_guest_is_served_on_until_it_is_quiet)
{
	struct net_guest *n = world(HVP_NVSP_5);
	struct hvh_device *device = net_guest_device(n);
	uint8_t bytes[2000];
	struct made frame;
	uint32_t len, filter = HVP_FILTER_DIRECTED;
	unsigned before;
	uint64_t id;

	TAP_CHECK(quiet(n));
	hvh_net_link(device, false);
	TAP_CHECK(!quiet(n));
	TAP_EQ(net_guest_take(n, NET_GUEST_CHANNEL, true), 0);
	TAP_CHECK(quiet(n));
	/* What it sends before it knows goes nowhere, and is completed as ever; and what it asks is answered. */
	before = n->frames;
	made_udp(&frame, own_mac, other_mac, 600);
	len = packet_of(bytes, NULL, &frame);
	id = net_guest_send_direct(n, NET_GUEST_CHANNEL, bytes, len, HVP_NVSP_CHANNEL_DATA);
	TAP_CHECK(!quiet(n));
	(void)completed(n, NET_GUEST_CHANNEL, id);
	TAP_EQ(n->frames, before);
	TAP_EQ(net_guest_set(n, HVP_OID_GEN_CURRENT_PACKET_FILTER, &filter, sizeof(filter)),
	       HVP_RNDIS_STATUS_SUCCESS);
	/* And nothing comes for it. */
	made_udp(&frame, other_mac, own_mac, 100);
	(void)push(n, &frame, true);
	hvh_net_flush(device, 0);
	TAP_CHECK(quiet(n));
	/* A guest that has closed waits for nothing. */
	TAP_EQ(guest_post_close(&n->g, NET_GUEST_CHANNEL), 0);
	embedder_run(&n->e);
	TAP_CHECK(hvh_net_quiet(device, 0));
	end(n);
}

TAP_TEST(a_buffer_that_the_guest_wants_back_is_let_go_before_it_hears_so)
{
	struct net_guest *n = world(HVP_NVSP_5);
	struct hvw_msg msg;
	struct made frame;

	made_udp(&frame, other_mac, own_mac, 100);
	TAP_EQ(push(n, &frame, true), 0);
	/* Old guests tear down before they close, and this overtakes what is in the ring. */
	TAP_EQ(guest_post_teardown(&n->g, n->g.channels[NET_GUEST_CHANNEL].id, n->recv_gpadl), 0);
	TAP_CHECK(guest_expect(&n->g, HVP_MSG_GPADL_TORNDOWN, &msg));
	TAP_EQ(msg.u.GPADL_TORNDOWN.gpadl, n->recv_gpadl);
	/* From here on its memory is not touched. */
	memset(n->recv, 0x5a, NET_GUEST_RECV * HVP_PAGE_SIZE);
	TAP_EQ(push(n, &frame, true), 0);
	hvh_net_flush(net_guest_device(n), 0);
	for (size_t i = 0; i < NET_GUEST_RECV * HVP_PAGE_SIZE; i++)
		if (!TAP_EQ(n->recv[i], 0x5a))
			break;
	TAP_EQ(guest_post_teardown(&n->g, n->g.channels[NET_GUEST_CHANNEL].id, n->send_gpadl), 0);
	TAP_CHECK(guest_expect(&n->g, HVP_MSG_GPADL_TORNDOWN, &msg));
	end(n);
}

TAP_TEST(after_a_revoke_nothing_comes_and_a_closed_channel_begins_anew)
{
	struct net_guest *n = world(HVP_NVSP_5);
	struct hvw_nvsp m, answer;
	struct made frame;

	hvw_nvsp_init(&m, HVP_NVSP_REVOKE_RECV_BUF);
	TAP_EQ(net_guest_ask(n, &m, &answer), 0);
	hvw_nvsp_init(&m, HVP_NVSP_REVOKE_SEND_BUF);
	TAP_EQ(net_guest_ask(n, &m, &answer), 0);
	made_udp(&frame, other_mac, own_mac, 100);
	TAP_EQ(push(n, &frame, true), 0);
	hvh_net_flush(net_guest_device(n), 0);
	TAP_EQ(net_guest_take(n, NET_GUEST_CHANNEL, true), -EAGAIN);
	TAP_EQ(guest_post_close(&n->g, NET_GUEST_CHANNEL), 0);
	embedder_run(&n->e);
	TAP_CHECK(guest_unshare_ring(&n->g, NET_GUEST_CHANNEL));
	TAP_CHECK(guest_share_ring(&n->g, NET_GUEST_CHANNEL, NET_GUEST_RING, NET_GUEST_RING / 2));
	TAP_CHECK(guest_open(&n->g, NET_GUEST_CHANNEL, 0));
	TAP_CHECK(net_guest_up(n, HVP_NVSP_6_1));
	end(n);
}

TAP_MAIN()
