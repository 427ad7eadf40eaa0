/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Receive coalescing: segments of a flow reach the guest as one packet of several parts, where it has agreed to that.
 */
#include <errno.h>

#include "fuzz/net_script.h"
#include "hvw_frame.h"
#include "tap.h"
#include "unit/net_frames.h"

#define HEADERS 54u

static struct net_guest *world(uint32_t version, bool on)
{
	struct net_guest *n = calloc(1, sizeof(*n));
	struct hvp_ndis_offload_params params = {
		.h = { HVP_NDIS_DEFAULT, 3, HVP_NDIS_OFFLOAD_PARAMS_SIZE_3 },
		.rsc4 = HVP_OFFLOAD_ON,
		.rsc6 = HVP_OFFLOAD_ON,
	};

	TAP_CHECK(net_guest_init(n));
	TAP_CHECK(net_guest_up(n, version));
	if (on)
		TAP_EQ(net_guest_set(n, HVP_OID_TCP_OFFLOAD_PARAMETERS, &params, sizeof(params)),
		       0);
	while (!net_guest_take(n, NET_GUEST_CHANNEL, true))
		;
	return n;
}

static void end(struct net_guest *n)
{
	net_guest_fini(n);
	free(n);
}

/* Segment `number` of a flow, each of `payload` bytes, its checksums right. */
static void segment(struct made *m, bool ipv6, uint16_t port, uint32_t number, uint32_t payload)
{
	size_t at = made_transport(m, other_mac, own_mac, ipv6, false, payload);

	made_be16(m->bytes + at, port);
	hvw_put_be32(m->bytes + at + 4, 1000 + number * payload);
	m->bytes[at + 13] = 0x10;
	for (uint32_t i = 0; i < payload; i++)
		m->bytes[at + 20 + i] = (uint8_t)(number * payload + i);
}

static void finish(struct made *m, bool ipv6)
{
	size_t at = ipv6 ? 54 : 34;

	made_be16(m->bytes + at + 16, 0);
	made_be16(m->bytes + at + 16, ~made_sum(made_pseudo(m->bytes, ipv6, 6, m->len - at),
						m->bytes + at, m->len - at));
}

static int push_as(struct net_guest *n, const struct made *m, const struct hvh_net_meta *meta)
{
	const struct iovec iov[] = { { (void *)m->bytes, 30 },
				     { (void *)(m->bytes + 30), m->len - 30 } };

	return hvh_net_receive(net_guest_device(n), 0, iov, 2, meta);
}

static int push(struct net_guest *n, const struct made *m)
{
	const struct hvh_net_meta meta = { .verified = true };

	return push_as(n, m, &meta);
}

/* What the guest sees: its packets, one after another. */
struct seen {
	unsigned packets; /* frames and joined ones */
	unsigned parts[16]; /* of each */
	uint32_t len[16];
	uint8_t bytes[16][20000];
	uint8_t head[16][64];
	uint32_t checksum[16]; /* what the guest is told of the packet's: HVP_RX_CHECKSUM_* */
	bool wrong; /* parts are not marked as they should be */
};

/* What it is told of one that is right. */
#define SEEN_RIGHT(ipv6)                                                                           \
	(HVP_RX_CHECKSUM_TCP_SUCCEEDED | ((ipv6) ? 0 : HVP_RX_CHECKSUM_IP_SUCCEEDED))

/* One range: a PACKET with a frame or a part of one. */
static void see_range(const struct net_guest *n, struct seen *s,
		      const struct hvp_transfer_range *range, bool *open)
{
	struct hvp_rndis_packet h;
	struct hvw_rndis_packet packet;
	struct hvw_rndis_meta meta;
	const uint8_t *at = n->recv + range->byte_offset;
	uint32_t flags;
	unsigned i;

	memcpy(&h, at, sizeof(h));
	if (!TAP_EQ(hvw_rndis_packet_parse(&packet, &h, range->byte_count), 0) ||
	    !TAP_EQ(hvw_rndis_meta_parse(&meta, at + packet.info_at, packet.info_len), 0))
		return;
	flags = meta.has & HVW_META_PACKET_ID ?
			meta.packet_id :
			HVP_PACKET_ID_VERSION | HVP_PACKET_ID_SUBALLOCATION | HVP_PACKET_ID_FIRST |
				HVP_PACKET_ID_LAST;
	s->wrong |= (flags & 0xff) != HVP_PACKET_ID_VERSION ||
		    !(flags & HVP_PACKET_ID_SUBALLOCATION) ||
		    *open == !!(flags & HVP_PACKET_ID_FIRST) ||
		    (!(flags & HVP_PACKET_ID_FIRST) && meta.has != HVW_META_PACKET_ID);
	*open = !(flags & HVP_PACKET_ID_LAST);
	s->packets += !!(flags & HVP_PACKET_ID_FIRST);
	i = (s->packets - 1) % 16;
	if (flags & HVP_PACKET_ID_FIRST) {
		s->len[i] = s->parts[i] = 0;
		s->checksum[i] = meta.has & HVW_META_CHECKSUM ? meta.checksum : 0;
	}
	s->parts[i]++;
	if (flags & HVP_PACKET_ID_FIRST)
		memcpy(s->head[i], at + packet.data_at, sizeof(s->head[i]));
	if (s->len[i] + packet.data_len <= sizeof(s->bytes[i]))
		memcpy(s->bytes[i] + s->len[i], at + packet.data_at, packet.data_len);
	s->len[i] += packet.data_len;
}

static void look(struct net_guest *n, struct seen *s)
{
	hvh_net_flush(net_guest_device(n), 0);
	while (!net_guest_take(n, NET_GUEST_CHANNEL, true)) {
		bool open = false;

		for (uint32_t i = 0; i < n->range_count; i++) {
			struct hvp_transfer_range range;

			memcpy(&range,
			       n->ranges + sizeof(struct hvp_transfer_pages) + i * sizeof(range),
			       sizeof(range));
			see_range(n, s, &range, &open);
		}
		/* All parts are in one packet of the ring's. */
		s->wrong |= open;
	}
}

static bool joined(const struct seen *s, unsigned index, unsigned parts, uint32_t payload,
		   uint32_t headers)
{
	bool good = TAP_EQ(s->parts[index], parts) && TAP_EQ(s->len[index], headers + payload);

	/* Its sum is that of the first segment, so the guest must be told that all of it is right. */
	good = TAP_EQ(s->checksum[index], SEEN_RIGHT(headers == 74)) && good;

	for (uint32_t i = 0; i < payload && good; i++)
		good = TAP_EQ(s->bytes[index][headers + i], (uint8_t)i);
	return good;
}

/* --- tests -------------------------------------------------------------------------------------------- */

static uint8_t offered(struct net_guest *n)
{
	struct hvp_ndis_offload offload = { .rsc4 = 99 };
	uint32_t len = sizeof(offload);

	TAP_EQ(net_guest_query(n, HVP_OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES, &offload, &len), 0);
	TAP_EQ(offload.rsc4, offload.rsc6);
	return offload.rsc4;
}

TAP_TEST(it_is_offered_from_6_1_on_unless_switched_off)
{
	struct net_guest *n = world(HVP_NVSP_6_1, false);

	TAP_EQ(offered(n), 1);
	end(n);
	n = world(HVP_NVSP_6, false);
	TAP_EQ(offered(n), 0);
	end(n);
	n = calloc(1, sizeof(*n));
	memcpy(n->config.mac, own_mac, 6);
	n->config.queues_max = 1;
	n->config.no_join = true;
	TAP_CHECK(net_guest_init(n) && net_guest_up(n, HVP_NVSP_6_1));
	TAP_EQ(offered(n), 0);
	end(n);
}

static void check_row(bool ipv6)
{
	struct net_guest *n = world(HVP_NVSP_6_1, true);
	struct seen *s = calloc(1, sizeof(*s));
	uint32_t headers = ipv6 ? 74 : HEADERS;
	struct hvh_net_status status;
	struct made m;

	for (uint32_t i = 0; i < 5; i++) {
		segment(&m, ipv6, 1000, i, 1000);
		if (i == 4)
			m.bytes[headers - 20 + 13] |= 0x08;
		finish(&m, ipv6);
		TAP_EQ(push(n, &m), 0);
	}
	look(n, s);
	TAP_EQ(s->packets, 1);
	TAP_CHECK(!s->wrong);
	TAP_CHECK(joined(s, 0, 5, 5000, headers));
	TAP_EQ(hvw_be16(s->bytes[0] + (ipv6 ? 18 : 16)), ipv6 ? 5020 : 5040);
	TAP_EQ(hvw_be32(s->bytes[0] + headers - 16), 1000);
	/* The push flag of the last. */
	TAP_EQ(s->bytes[0][headers - 20 + 13], 0x18);
	if (!ipv6)
		TAP_EQ(made_sum(0, s->bytes[0] + 14, 20), 0xffff);
	hvh_net_status(net_guest_device(n), &status);
	TAP_EQ(status.queue[0].rx_frames, 5);
	TAP_EQ(status.queue[0].rx_joined, 1);
	free(s);
	end(n);
}

TAP_TEST(segments_in_a_row_become_one_packet)
{
	check_row(false);
	check_row(true);
}

TAP_TEST(flows_are_kept_apart_and_a_single_segment_is_a_frame_as_any)
{
	struct net_guest *n = world(HVP_NVSP_6_1, true);
	struct seen *s = calloc(1, sizeof(*s));
	struct made m;

	for (uint32_t i = 0; i < 3; i++)
		for (uint16_t port = 1; port <= 2; port++) {
			segment(&m, false, port, i, 700);
			finish(&m, false);
			TAP_EQ(push(n, &m), 0);
		}
	segment(&m, false, 3, 0, 700);
	finish(&m, false);
	TAP_EQ(push(n, &m), 0);
	look(n, s);
	TAP_EQ(s->packets, 3);
	TAP_CHECK(!s->wrong);
	TAP_CHECK(joined(s, 0, 3, 2100, HEADERS));
	TAP_EQ(s->bytes[0][35], 1);
	TAP_CHECK(joined(s, 1, 3, 2100, HEADERS));
	TAP_EQ(s->bytes[1][35], 2);
	TAP_CHECK(joined(s, 2, 1, 700, HEADERS));
	free(s);
	end(n);
}

/* Something about the second segment; then it stands alone, behind the first. */
static void check_apart(void (*change)(struct made *m))
{
	struct net_guest *n = world(HVP_NVSP_6_1, true);
	struct seen *s = calloc(1, sizeof(*s));
	struct made m, second;

	segment(&m, false, 1, 0, 500);
	finish(&m, false);
	TAP_EQ(push(n, &m), 0);
	segment(&second, false, 1, 1, 500);
	change(&second);
	made_be16(second.bytes + 24, 0);
	made_be16(second.bytes + 24, ~made_sum(0, second.bytes + 14, 20));
	finish(&second, false);
	TAP_EQ(push(n, &second), 0);
	look(n, s);
	TAP_EQ(s->packets, 2);
	TAP_CHECK(!s->wrong);
	TAP_EQ(s->len[0], m.len);
	TAP_MEM_EQ(s->bytes[0], m.bytes, m.len);
	TAP_EQ(s->len[1], second.len);
	TAP_MEM_EQ(s->bytes[1], second.bytes, second.len);
	free(s);
	end(n);
}

static void skip_sequence(struct made *m)
{
	m->bytes[41]++;
}

static void set_syn(struct made *m)
{
	m->bytes[47] |= 0x02;
}

static void set_fin(struct made *m)
{
	m->bytes[47] |= 0x01;
}

static void change_ack(struct made *m)
{
	m->bytes[45]++;
}

static void change_window(struct made *m)
{
	m->bytes[49]++;
}

static void change_ttl(struct made *m)
{
	m->bytes[22]++;
}

static void change_tos(struct made *m)
{
	m->bytes[15] ^= 3;
}

static void change_sender(struct made *m)
{
	m->bytes[11]++;
}

static void no_payload(struct made *m)
{
	m->len = HEADERS;
	made_be16(m->bytes + 16, 40);
}

static void add_padding(struct made *m)
{
	made_be16(m->bytes + 16, 40 + 499);
}

TAP_TEST(what_differs_is_not_joined_and_keeps_its_order)
{
	check_apart(skip_sequence);
	check_apart(set_syn);
	check_apart(set_fin);
	check_apart(change_ack);
	check_apart(change_window);
	check_apart(change_ttl);
	check_apart(change_tos);
	check_apart(change_sender);
	check_apart(no_payload);
	check_apart(add_padding);
}

/* Two segments that the back end does not vouch for, of which one byte of the second is changed; 0: none is. */
static void check_unvouched(bool ipv6, size_t spoilt, bool is_joined)
{
	struct net_guest *n = world(HVP_NVSP_6_1, true);
	struct seen *s = calloc(1, sizeof(*s));
	struct made m;

	for (uint32_t i = 0; i < 2; i++) {
		segment(&m, ipv6, 1, i, 501);
		finish(&m, ipv6);
		if (i && spoilt)
			m.bytes[spoilt] ^= 0x10;
		TAP_EQ(push_as(n, &m, NULL), 0);
	}
	look(n, s);
	TAP_CHECK(!s->wrong);
	TAP_EQ(s->packets, is_joined ? 1 : 2);
	/* The first is right anyway. */
	TAP_EQ(s->checksum[0], SEEN_RIGHT(ipv6));
	if (is_joined)
		TAP_CHECK(joined(s, 0, 2, 1002, ipv6 ? 74 : HEADERS));
	else
		TAP_EQ(s->checksum[1], 0);
	free(s);
	end(n);
}

TAP_TEST(what_the_back_end_does_not_vouch_for_is_joined_when_its_sums_are_right)
{
	check_unvouched(false, 0, true);
	check_unvouched(true, 0, true);
}

TAP_TEST(what_is_wrong_is_not_joined_and_not_called_right)
{
	check_unvouched(false, 14 + 8, false); /* time to live: the header's sum */
	check_unvouched(false, 34 + 16, false); /* TCP's sum */
	check_unvouched(false, HEADERS + 500, false); /* the last byte */
	check_unvouched(true, 54 + 17, false);
	check_unvouched(true, 74 + 500, false);
}

/* Its guest sums for itself. */
TAP_TEST(what_may_not_be_joined_is_not_summed)
{
	struct net_guest *n = world(HVP_NVSP_6_1, false);
	struct seen *s = calloc(1, sizeof(*s));
	struct made m;

	segment(&m, false, 1, 0, 500);
	finish(&m, false);
	TAP_EQ(push_as(n, &m, NULL), 0);
	look(n, s);
	TAP_EQ(s->packets, 1);
	TAP_EQ(s->checksum[0], 0);
	free(s);
	end(n);
}

/* As Linux does when its user has it forward packets. */
TAP_TEST(the_guest_switches_it_off)
{
	struct net_guest *n = world(HVP_NVSP_6_1, true);
	struct hvp_ndis_offload_params params = {
		.h = { HVP_NDIS_DEFAULT, 3, HVP_NDIS_OFFLOAD_PARAMS_SIZE_3 },
		.rsc4 = HVP_OFFLOAD_OFF,
		.rsc6 = HVP_OFFLOAD_OFF,
	};
	struct seen *s = calloc(1, sizeof(*s));
	struct hvh_net_status status;
	struct made m;

	hvh_net_status(net_guest_device(n), &status);
	TAP_EQ(status.joins, HVH_NET_JOINS_IPV4 | HVH_NET_JOINS_IPV6);
	TAP_EQ(n->joins, HVH_NET_JOINS_IPV4 | HVH_NET_JOINS_IPV6);
	TAP_EQ(net_guest_set(n, HVP_OID_TCP_OFFLOAD_PARAMETERS, &params, sizeof(params)), 0);
	hvh_net_status(net_guest_device(n), &status);
	TAP_EQ(status.joins, 0);
	TAP_EQ(n->joins, 0);
	look(n, s);
	memset(s, 0, sizeof(*s));
	for (uint32_t i = 0; i < 3; i++) {
		segment(&m, false, 1, i, 500);
		finish(&m, false);
		TAP_EQ(push(n, &m), 0);
	}
	look(n, s);
	TAP_EQ(s->packets, 3);
	free(s);
	end(n);
}

TAP_TEST(a_packet_that_the_back_end_has_joined_comes_in_parts)
{
	struct net_guest *n = world(HVP_NVSP_6_1, true);
	const struct hvh_net_meta meta = { .verified = true, .segment_bytes = 1000 };
	struct seen *s = calloc(1, sizeof(*s));
	struct made m;

	segment(&m, false, 1, 0, 6000);
	finish(&m, false);
	TAP_EQ(push_as(n, &m, &meta), 0);
	look(n, s);
	TAP_EQ(s->packets, 1);
	TAP_CHECK(!s->wrong);
	TAP_EQ(s->parts[0], 4);
	TAP_EQ(s->len[0], m.len);
	TAP_MEM_EQ(s->bytes[0], m.bytes, m.len);
	end(n);
	/* One that comes in spite of the guest is dropped, and so is one that is too long without reason. */
	n = world(HVP_NVSP_6_1, false);
	TAP_EQ(push_as(n, &m, &meta), -EMSGSIZE);
	TAP_EQ(push(n, &m), -EMSGSIZE);
	free(s);
	end(n);
}

TAP_TEST(a_tag_is_beside_the_packet_that_comes_in_parts)
{
	struct net_guest *n = world(HVP_NVSP_6_1, true);
	const struct hvh_net_meta meta = { .verified = true, .segment_bytes = 1000 };
	struct seen *s = calloc(1, sizeof(*s));
	struct made m, plain;

	for (unsigned large = 0; large < 2; large++) {
		segment(&plain, false, 1, 0, large ? 4000 : 400);
		finish(&plain, false);
		m = plain;
		memmove(m.bytes + 16, m.bytes + 12, m.len - 12);
		memcpy(m.bytes + 12, "\x81\x00\x20\x07", 4);
		m.len += 4;
		TAP_EQ(push_as(n, &m, &meta), 0);
		memset(s, 0, sizeof(*s));
		look(n, s);
		TAP_EQ(s->packets, 1);
		TAP_CHECK(!s->wrong);
		TAP_EQ(s->parts[0], large ? 3 : 1);
		TAP_EQ(s->len[0], plain.len);
		TAP_MEM_EQ(s->bytes[0], plain.bytes, plain.len);
	}
	free(s);
	end(n);
}

TAP_TEST(parts_that_find_no_room_wait_all_together)
{
	struct net_guest *n = world(HVP_NVSP_6_1, true);
	const struct hvh_net_meta meta = { .verified = true, .segment_bytes = 1000 };
	struct seen *s = calloc(1, sizeof(*s));
	unsigned taken = 0;
	struct made m;

	segment(&m, false, 1, 0, 4000);
	finish(&m, false);
	while (!push_as(n, &m, &meta))
		taken++;
	TAP_EQ(taken, (n->section.count - 16) / 3);
	look(n, s);
	TAP_EQ(s->packets, taken);
	TAP_CHECK(!s->wrong);
	TAP_CHECK(n->ready_calls > 0);
	TAP_EQ(push_as(n, &m, &meta), 0);
	free(s);
	end(n);
}

TAP_TEST(a_joined_packet_is_no_longer_than_a_datagram)
{
	struct net_guest *n = world(HVP_NVSP_6_1, true);
	struct seen *s = calloc(1, sizeof(*s));
	uint32_t payload = 0;
	struct made m;

	for (uint32_t i = 0; i < 100; i++) {
		segment(&m, false, 1, i, 1460);
		finish(&m, false);
		TAP_EQ(push(n, &m), 0);
	}
	hvh_net_flush(net_guest_device(n), 0);
	look(n, s);
	TAP_EQ(s->packets, 3);
	TAP_CHECK(!s->wrong);
	for (unsigned i = 0; i < s->packets && i < 16; i++) {
		TAP_EQ(hvw_be16(s->head[i] + 16), s->len[i] - 14);
		payload += s->len[i] - HEADERS;
	}
	TAP_EQ(payload, 100 * 1460);
	free(s);
	end(n);
}

TAP_TEST(parts_of_a_packet_stay_together)
{
	struct net_guest *n = world(HVP_NVSP_6_1, true);
	const struct hvh_net_meta meta = { .verified = true, .segment_bytes = 1000 };
	struct seen *s = calloc(1, sizeof(*s));
	struct made m;

	segment(&m, false, 1, 0, 4000);
	finish(&m, false);
	for (unsigned i = 0; i < 40; i++)
		TAP_EQ(push_as(n, &m, &meta), 0);
	look(n, s);
	TAP_EQ(s->packets, 40);
	TAP_CHECK(!s->wrong);
	free(s);
	end(n);
}

/* TCP whose checksum is the pseudo-header's sum. */
static void make_unsummed(struct made *m)
{
	made_partial(m, other_mac, own_mac, false, false, 4000);
	made_be16(m->bytes + 24, 0);
	made_be16(m->bytes + 24, ~made_sum(0, m->bytes + 14, 20));
}

TAP_TEST(a_checksum_that_the_back_end_left_out_is_stored_once)
{
	struct net_guest *n = world(HVP_NVSP_6_1, true);
	struct hvh_net_meta meta = { .checksum_start = 34, .checksum_offset = 16 };
	struct seen *s = calloc(1, sizeof(*s));
	struct iovec iov;
	struct made m;

	/* Refused at first, because the guest has no room. */
	segment(&m, false, 2, 0, 4000);
	finish(&m, false);
	meta.segment_bytes = 1000;
	while (!push_as(n, &m, &(struct hvh_net_meta){ .verified = true, .segment_bytes = 1000 }))
		;
	make_unsummed(&m);
	iov = (struct iovec){ m.bytes, m.len };
	TAP_EQ(hvh_net_receive(net_guest_device(n), 0, &iov, 1, &meta), -EAGAIN);
	look(n, s);
	/* And taken at once: what is stored twice is as it was, and three times right again. */
	for (unsigned i = 0; i < 2; i++) {
		memset(s, 0, sizeof(*s));
		TAP_EQ(hvh_net_receive(net_guest_device(n), 0, &iov, 1, &meta), 0);
		look(n, s);
		TAP_EQ(s->packets, 1);
		TAP_EQ(s->len[0], m.len);
		TAP_STR_EQ(made_wrong(s->bytes[0], s->len[0]), "");
		make_unsummed(&m);
	}
	/* One that cannot stand in the frame. */
	meta.checksum_start = 0xfff0;
	TAP_EQ(hvh_net_receive(net_guest_device(n), 0, &iov, 1, &meta), 0);
	memset(s, 0, sizeof(*s));
	look(n, s);
	TAP_EQ(s->packets, 0);
	free(s);
	end(n);
}

TAP_TEST(what_is_held_back_is_not_lost_when_the_nic_is_saved)
{
	struct net_guest *n = world(HVP_NVSP_6_1, true);
	struct seen *s = calloc(1, sizeof(*s));
	struct made m;

	for (uint32_t i = 0; i < 3; i++) {
		segment(&m, false, 1, i, 500);
		finish(&m, false);
		TAP_EQ(push(n, &m), 0);
	}
	TAP_EQ(net_guest_save_and_load(n), 0);
	look(n, s);
	TAP_EQ(s->packets, 1);
	TAP_CHECK(joined(s, 0, 3, 1500, HEADERS));
	/* It goes on joining. */
	memset(s, 0, sizeof(*s));
	for (uint32_t i = 0; i < 3; i++) {
		segment(&m, false, 1, i, 500);
		finish(&m, false);
		TAP_EQ(push(n, &m), 0);
	}
	look(n, s);
	TAP_EQ(s->packets, 1);
	free(s);
	end(n);
}

TAP_MAIN()
