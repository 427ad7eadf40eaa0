/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The network device against a hostile guest and a busy back end: a list of actions. The first byte says what kind of device it
 * is; each action is one byte and its parameters; an input that ends within one reads zeros.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz_target.h"
#include "fuzz/input.h"
#include "fuzz/net_script.h"
#include "hvw_frame.h"

#define ACTIONS_MAX 200u
#define PAGES_MAX   (EMBEDDER_RAM / HVP_PAGE_SIZE)

const unsigned fuzz_cuts = 8;

/* One byte, then what the action takes. scripts/gen-fuzz-seeds reads this list. */
enum action {
	UP, /* version */
	NVSP, /* channel, flags, length, bytes */
	PACKET, /* channel, type, length, bytes */
	CONTROL, /* length, bytes */
	QUERY, /* oid, length, bytes */
	SET, /* oid, length, bytes */
	SEND, /* how, channel, frame, what is beside it, four numbers of 4 bytes, place and value to be spoilt */
	PUSH, /* queue, frame, what is known of it, number */
	FLUSH, /* queue */
	TAKE, /* channel, 1: and complete */
	COMPLETE, /* channel, id of 2 bytes */
	SUBCHANNELS, /* how many */
	CLOSE,
	OPEN,
	TEARDOWN, /* 1: of the send buffer */
	LINK, /* 0: down, 1: up, 2: another network */
	REFUSE, /* 0: takes frames, 1: later, 2: never; after how many */
	READY, /* queue */
	SAVE_AND_LOAD,
	DAMAGE, /* place of 2 bytes, and what is changed there, in the saved state that is loaded */
	ACTIONS
};

static unsigned frames_sent, frames_taken, joined, control_answered, opened, saved, damaged,
	refused, offloaded;

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* --- frames ---------------------------------------------------------------------------------------- */

enum { TCP, IPV6 = 1, UDP = 2, TAGGED = 4, LARGE = 8, PUSHED = 16, SHORT = 32, OTHER = 64 };

/* A frame of that kind, and where its payload begins. The addresses are swapped for those to the guest. */
static uint32_t make_frame(uint8_t *bytes, unsigned kind, bool to_guest, uint32_t number)
{
	static const uint8_t macs[12] = { 0x00, 0x15, 0x5d, 0x01, 0x02, 0x03,
					  0x02, 0x00, 0x00, 0x00, 0x00, 0x01 };
	uint32_t at = 12, l3, l4, payload = kind & LARGE ? 5000 : kind & SHORT ? 0 : 700;

	memset(bytes, 0, 8192);
	memcpy(bytes, to_guest ? macs : macs + 6, 6);
	memcpy(bytes + 6, to_guest ? macs + 6 : macs, 6);
	if (kind & OTHER)
		bytes[to_guest ? 5 : 11] ^= 1;
	if (kind & TAGGED) {
		hvw_put_be16(bytes + at, HVW_ETHERTYPE_VLAN);
		hvw_put_be16(bytes + at + 2, 5);
		at += 4;
	}
	hvw_put_be16(bytes + at, kind & IPV6 ? HVW_ETHERTYPE_IPV6 : HVW_ETHERTYPE_IPV4);
	l3 = at + 2;
	l4 = l3 + (kind & IPV6 ? HVW_IPV6_HEADER : HVW_IPV4_HEADER);
	if (kind & IPV6) {
		bytes[l3] = 0x60;
		hvw_put_be16(bytes + l3 + 4, (uint16_t)((kind & UDP ? 8 : 20) + payload));
		bytes[l3 + 6] = kind & UDP ? 17 : 6;
	} else {
		bytes[l3] = 0x45;
		hvw_put_be16(bytes + l3 + 2, (uint16_t)(l4 - l3 + (kind & UDP ? 8 : 20) + payload));
		bytes[l3 + 9] = kind & UDP ? 17 : 6;
	}
	if (kind & UDP) {
		hvw_put_be16(bytes + l4 + 4, (uint16_t)(8 + payload));
		return l4 + 8 + payload;
	}
	hvw_put_be32(bytes + l4 + 4, number * payload);
	bytes[l4 + 12] = 0x50;
	bytes[l4 + 13] = kind & PUSHED ? 0x18 : 0x10;
	return l4 + 20 + payload;
}

static void send_frame(struct input *in, struct net_guest *n)
{
	unsigned how = input_byte(in), channel = input_byte(in) % NET_GUEST_QUEUES,
		 kind = input_byte(in), place;
	struct hvw_rndis_meta meta = { .has = input_byte(in) };
	uint8_t frame[8192], bytes[9000];
	uint32_t len, total;
	int head;

	input_take(in, &meta.checksum, sizeof(meta.checksum));
	input_take(in, &meta.lso, sizeof(meta.lso));
	input_take(in, &meta.vlan, sizeof(meta.vlan));
	input_take(in, &meta.hash, sizeof(meta.hash));
	len = make_frame(frame, kind, false, 0);
	head = hvw_rndis_packet_build(bytes, &meta, 0, len, how & 0x10 ? 8 : 0);
	if (head < 0)
		return;
	memcpy(bytes + head, frame, len);
	total = (uint32_t)head + len + (how & 0x10 ? 8 : 0);
	memset(bytes + head + len, 0, how & 0x10 ? 8 : 0);
	/* Two in one packet. */
	if (how & 0x20 && 2 * total <= sizeof(bytes)) {
		memcpy(bytes + total, bytes, total);
		total *= 2;
	}
	place = input_word(in);
	if (place)
		bytes[place % total] ^= (uint8_t)input_byte(in);
	if (!(how & 1) || total > 6144)
		net_guest_send_direct(n, NET_GUEST_CHANNEL + channel, bytes, total,
				      HVP_NVSP_CHANNEL_DATA);
	else if (n->send)
		net_guest_send_section(n, NET_GUEST_CHANNEL + channel, how >> 1 & 7, bytes, total);
}

static void push_frame(struct input *in, struct net_guest *n)
{
	unsigned queue = input_byte(in), kind = input_byte(in), known = input_byte(in);
	uint8_t frame[8192];
	uint32_t len = make_frame(frame, kind, true, input_byte(in));
	struct hvh_net_meta meta = { .verified = known & 1 };
	struct iovec iov[2] = { { frame, len } };
	unsigned iovs = 1;

	queue = n->backend.can & HVH_NET_READS_QUEUES ? queue % NET_GUEST_QUEUES : 0;
	if (known & 2) {
		meta.checksum_start = (uint16_t)(known & 0x40 ? 0xfff0 : 34);
		meta.checksum_offset = 16;
	}
	if (known & 4)
		meta.segment_bytes = 1000;
	if (known & 8) {
		iov[0].iov_len = len / 3;
		iov[1] = (struct iovec){ frame + len / 3, len - len / 3 };
		iovs = 2;
	}
	if (!hvh_net_receive(net_guest_device(n), queue, iov, iovs, known & 0x80 ? NULL : &meta))
		frames_taken++;
}

/* --- guest ----------------------------------------------------------------------------------------- */

/* What it is given lies in its buffer, each in a sub-allocation. */
static void take(struct input *in, struct net_guest *n)
{
	unsigned channel = input_byte(in) % NET_GUEST_QUEUES, complete = input_byte(in);

	if (net_guest_take(n, NET_GUEST_CHANNEL + channel, complete & 1))
		return;
	for (uint32_t i = 0; i < n->range_count; i++) {
		struct hvp_transfer_range range;

		memcpy(&range, n->ranges + sizeof(struct hvp_transfer_pages) + i * sizeof(range),
		       sizeof(range));
		check(n->section.size && range.byte_offset % n->section.size == 0 &&
		      range.byte_offset / n->section.size < n->section.count &&
		      range.byte_count <= n->section.size);
	}
}

static void raw_packet(struct input *in, struct net_guest *n, bool inband)
{
	struct guest_channel *ch =
		&n->g.channels[NET_GUEST_CHANNEL + input_byte(in) % NET_GUEST_QUEUES];
	unsigned what = input_byte(in), len = input_byte(in);
	uint8_t bytes[256];
	struct hvw_piece piece = { bytes, len };

	input_take(in, bytes, len);
	if (!ch->tx.control ||
	    hvw_tx_put(&ch->tx, inband ? HVP_PACKET_INBAND : (uint16_t)(what & 15), what >> 7, 99,
		       inband ? 0 : len & 0x78, &piece, 1))
		return;
	if (hvw_tx_commit(&ch->tx))
		embedder_doorbell(&n->e, ch->connection_id);
	embedder_run(&n->e);
}

static uint32_t oid_of(unsigned number)
{
	static const uint32_t oids[] = {
#define OID(number, name) number,
		HVP_OID_LIST(OID)
#undef OID
			0xffffffff,
	};

	return oids[number % (sizeof(oids) / sizeof(oids[0]))];
}

static void question(struct input *in, struct net_guest *n, bool set)
{
	uint32_t oid = oid_of(input_byte(in)), len = input_byte(in), value_len = 4096;
	uint8_t info[1024] = { 0 }, value[4096];

	/* Tables are longer than a byte can say. */
	if (len >= 0xf0)
		len = 40 + 512 + 40;
	input_take(in, info, len);
	if (n->recv)
		control_answered += (set ? net_guest_set(n, oid, info, len) :
					   net_guest_query(n, oid, value, &value_len)) == 0;
}

static void ask_subchannels(struct input *in, struct net_guest *n)
{
	unsigned count = input_byte(in);
	struct hvw_nvsp m, answer;
	struct hvw_msg msg;

	hvw_nvsp_init(&m, HVP_NVSP_SUBCHANNEL);
	m.u.SUBCHANNEL.operation = HVP_NVSP_SUBCHANNEL_ALLOCATE;
	m.u.SUBCHANNEL.count = count;
	if (net_guest_ask(n, &m, &answer) <= 0 ||
	    answer.u.SUBCHANNEL_COMPLETE.status != HVP_NVSP_STATUS_SUCCESS)
		return;
	for (unsigned i = 1; i <= count; i++)
		if (!guest_expect(&n->g, HVP_MSG_OFFER_CHANNEL, &msg))
			return;
	for (unsigned i = 1; i <= count; i++)
		opened += n->g.next_gpn + NET_GUEST_RING < PAGES_MAX &&
			  guest_share_ring(&n->g, NET_GUEST_CHANNEL + i, NET_GUEST_RING,
					   NET_GUEST_RING / 2) &&
			  guest_open(&n->g, NET_GUEST_CHANNEL + i, i);
}

static void come_up(struct input *in, struct net_guest *n)
{
	static const uint32_t versions[] = {
#define VERSION(name, text, number, bytes) number,
		HVP_NVSP_VERSION_LIST(VERSION)
#undef VERSION
	};
	uint32_t version = versions[input_byte(in) % (sizeof(versions) / sizeof(versions[0]))];

	if (n->g.next_gpn + NET_GUEST_RECV + NET_GUEST_SEND + 16 < PAGES_MAX)
		(void)net_guest_up(n, version);
}

/* --- all ------------------------------------------------------------------------------------------- */

static void back_end(struct input *in, struct net_guest *n, enum action action)
{
	static const int results[] = { 0, -EAGAIN, -EIO };
	unsigned what = input_byte(in);

	if (action == LINK) {
		if (what == 2)
			hvh_net_changed(net_guest_device(n));
		else
			hvh_net_link(net_guest_device(n), what & 1);
	} else if (action == REFUSE) {
		n->send_result = results[what % 3];
		n->refuse_after = input_byte(in);
	} else if (action == READY) {
		hvh_net_tx_ready(net_guest_device(n), what % NET_GUEST_QUEUES);
	} else {
		hvh_net_flush(net_guest_device(n), what % NET_GUEST_QUEUES);
	}
	embedder_run(&n->e);
}

/* False: the state was refused, and there is no device any more. */
static bool load_damaged(struct input *in, struct net_guest *n)
{
	uint8_t *state, place[2], value;
	size_t len;
	int err;

	input_take(in, place, sizeof(place));
	value = (uint8_t)input_byte(in);
	if (embedder_save(&n->e, &state, &len))
		return true;
	state[(place[0] | (size_t)place[1] << 8) % len] ^= value;
	err = embedder_load(&n->e, state, len);
	free(state);
	if (err) {
		refused++;
		return false;
	}
	damaged += value != 0;
	embedder_run(&n->e);
	return true;
}

static void do_action(struct input *in, struct net_guest *n, enum action action)
{
	uint8_t bytes[256];
	uint32_t at;
	unsigned len;

	switch (action) {
	case UP:
		come_up(in, n);
		break;
	case NVSP:
	case PACKET:
		raw_packet(in, n, action == NVSP);
		break;
	case CONTROL:
		len = input_byte(in);
		input_take(in, bytes, len);
		if (len && n->recv)
			(void)net_guest_control(n, bytes, len, &at);
		break;
	case QUERY:
	case SET:
		question(in, n, action == SET);
		break;
	case SEND:
		if (n->data)
			send_frame(in, n);
		break;
	case PUSH:
		push_frame(in, n);
		break;
	case TAKE:
		take(in, n);
		break;
	case COMPLETE:
		len = input_byte(in) % NET_GUEST_QUEUES;
		if (n->g.channels[NET_GUEST_CHANNEL + len].tx.control)
			net_guest_complete(n, NET_GUEST_CHANNEL + len, input_word(in));
		break;
	case SUBCHANNELS:
		ask_subchannels(in, n);
		break;
	case CLOSE:
		(void)guest_post_close(&n->g, NET_GUEST_CHANNEL);
		embedder_run(&n->e);
		break;
	case OPEN:
		opened += guest_open(&n->g, NET_GUEST_CHANNEL, 0);
		break;
	case TEARDOWN:
		(void)guest_post_teardown(&n->g, n->g.channels[NET_GUEST_CHANNEL].id,
					  input_byte(in) & 1 ? n->send_gpadl : n->recv_gpadl);
		embedder_run(&n->e);
		break;
	case SAVE_AND_LOAD:
		saved += !net_guest_save_and_load(n);
		break;
	case FLUSH:
	case LINK:
	case REFUSE:
	case READY:
		back_end(in, n, action);
		break;
	case DAMAGE: /* the caller's */
	case ACTIONS:
		break;
	}
}

/* Nothing that leaves is longer than the guest's MTU allows, unless the back end cuts it. */
static void check_frames(const struct net_guest *n, unsigned from)
{
	for (; from < n->frames; from++) {
		const struct net_frame *frame = &n->frame[from % NET_GUEST_FRAMES];

		check(frame->meta.segment_bytes || frame->len <= HVH_NET_FRAME_MAX + HVW_VLAN_TAG);
		offloaded += frame->meta.checksum_start != 0;
	}
}

static void configure(struct net_guest *n, unsigned kind)
{
	memcpy(n->config.mac, "\x00\x15\x5d\x01\x02\x03", 6);
	n->config.queues_max = kind & 1 ? 1 : NET_GUEST_QUEUES;
	n->config.bits_per_second = 10000000000;
	n->config.mac_change = kind & 2;
	n->config.no_join = kind & 4;
	n->backend.can = kind >> 4 & 7;
	if (n->backend.can & HVH_NET_SEGMENTS)
		n->backend.can |= HVH_NET_CHECKSUMS;
	if (kind & 8)
		for (unsigned i = 0; i < HVH_INJECT_NICS; i++)
			n->config.fault_every[i] = 3 + i;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = { data, len };
	struct net_guest *n = calloc(1, sizeof(*n));
	struct hvh_net_status status;

	check(n != NULL);
	configure(n, input_byte(&in));
	check(net_guest_init(n));
	for (unsigned i = 0; i < ACTIONS_MAX && in.left; i++) {
		const unsigned before = n->frames, action = input_byte(&in) % ACTIONS;

		if (action != DAMAGE)
			do_action(&in, n, action);
		else if (!load_damaged(&in, n))
			goto out;
		check_frames(n, before);
	}
	hvh_net_status(net_guest_device(n), &status);
	frames_sent += n->frames;
	for (unsigned i = 0; i < NET_GUEST_QUEUES; i++)
		joined += (unsigned)status.queue[i].rx_joined;
out:
	net_guest_fini(n);
	free(n);
	return 0;
}

int fuzz_corpus_complete(void)
{
	printf("# frames out %u (%u with offloads), in %u, joined %u; answers %u, channels opened %u, "
	       "saved %u times, damaged states taken %u, refused %u\n",
	       frames_sent, offloaded, frames_taken, joined, control_answered, opened, saved,
	       damaged, refused);
	return !frames_sent + !frames_taken + !joined + !control_answered + !opened + !saved +
	       !offloaded + !damaged + !refused;
}
