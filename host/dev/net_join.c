/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The network device: receive coalescing (RSC). Segments of a TCP flow that come in a row reach the guest as one packet of
 * several parts, each in a sub-allocation of its own: the first has the headers, the others only payload. What is
 * held back for that is held no longer than the row.
 */
#include <string.h>

#include "net_priv.h"

#define TCP_FLAGS 13u
#define TCP_PSH	  0x08u
#define TCP_ACK	  0x10u

/* What the length in an IP header can say. */
#define DATAGRAM_MAX 0xffffu

static uint32_t headers_of(const struct hvw_frame *found)
{
	return (uint32_t)found->l4 + found->l4_len;
}

/* Bytes of the datagram, by its own header. */
static uint32_t datagram_of(const struct net_rx_frame *f)
{
	const uint8_t *ip = f->head + f->found.l3;

	return f->found.ip == 4 ? hvw_be16(ip + 2) : HVW_IPV6_HEADER + hvw_be16(ip + 4);
}

bool hvh_net_joins(const struct net *net, const struct net_rx_frame *f)
{
	uint32_t joins = atomic_load_explicit(&net->joins, memory_order_relaxed);

	return f->found.l4 && f->found.protocol == HVW_PROTOCOL_TCP &&
	       (joins & (f->found.ip == 4 ? HVH_NET_JOINS_IPV4 : HVH_NET_JOINS_IPV6));
}

/* What is right gives 0. */
static bool sums_up(const struct net_rx_frame *f)
{
	const struct hvw_frame *found = &f->found;
	const uint8_t *ip = f->head + found->l3;
	const uint32_t len = (uint32_t)f->len - found->l4;
	/* Of the pseudo-header, as IPv6 has it; the zeros count for nothing with IPv4. */
	uint8_t tail[8] = { 0 };
	const struct iovec pseudo[] = {
		{ (void *)(ip + (found->ip == 4 ? 12 : 8)), found->ip == 4 ? 8 : 32 },
		{ tail, sizeof(tail) },
	};
	const struct iovec header = { (void *)ip, HVW_IPV4_HEADER };

	if (found->ip == 4 && hvh_net_sum_fold(hvh_net_sum(0, &header, 1, 0, header.iov_len)))
		return false;
	hvw_put_be32(tail, len);
	tail[7] = HVW_PROTOCOL_TCP;
	return !hvh_net_sum_fold(hvh_net_sum(hvh_net_sum(0, pseudo, 2, 0, SIZE_MAX), f->iov,
					     f->iovs, found->l4, len));
}

bool hvh_net_join_verify(const struct net *net, const struct net_rx_frame *f)
{
	return hvh_net_joins(net, f) && !f->found.extended &&
	       f->len - f->found.l3 == datagram_of(f) && sums_up(f);
}

/* Nothing but payload is in it that another segment could not have. */
static bool is_plain(const struct net *net, const struct net_rx_frame *f)
{
	uint8_t flags = f->head[f->found.l4 + TCP_FLAGS];

	return f->verified && hvh_net_joins(net, f) && !f->found.extended &&
	       (flags & ~TCP_PSH) == TCP_ACK && f->len > headers_of(&f->found) &&
	       f->len - f->found.l3 == datagram_of(f);
}

void hvh_net_join_set(struct net *net)
{
	bool offered = hvh_net_join_offered(net);
	uint32_t joins = 0;

	if (offered && net->offload.rsc4 == HVP_OFFLOAD_ON)
		joins |= HVH_NET_JOINS_IPV4;
	if (offered && net->offload.rsc6 == HVP_OFFLOAD_ON)
		joins |= HVH_NET_JOINS_IPV6;
	if (atomic_exchange(&net->joins, joins) != joins && net->backend->joins)
		net->backend->joins(net->ctx, joins);
}

/* --- one packet of several parts ------------------------------------------------------------------- */

/* The headers of the first part say what all are together. */
static void write_headers(const struct net *net, struct net_run *run)
{
	const struct hvw_frame *found = &run->found;
	uint8_t *ip = run->head + found->l3;
	uint32_t tag = found->tagged ? HVW_VLAN_TAG : 0;
	uint32_t l4_bytes = found->l4_len + run->payload;

	hvh_net_set_ip_length(found, ip, l4_bytes, found->ip == 4 ? hvw_be16(ip + 4) : 0);
	(void)!hvh_share_write(net->recv.share,
			       RX_FILLED_SUB(run->filled[0]) * net->sub_bytes + RX_HEADROOM +
				       found->l3 - tag,
			       ip, headers_of(found) - found->l3);
}

/* To the guest. */
static void finish(struct net *net, struct net_queue *reader, struct net_run *run)
{
	struct hvw_rndis_meta part = { .has = HVW_META_PACKET_ID };

	if (!run->q)
		return;
	/* The guest may have taken the buffer back meanwhile; then nobody will look at it. */
	if (run->count > 1 && reader->uses_recv) {
		net_count(&reader->rx_joined, 1);
		write_headers(net, run);
		run->meta.has |= HVW_META_PACKET_ID;
		run->meta.packet_id = HVP_PACKET_ID_VERSION | HVP_PACKET_ID_SUBALLOCATION |
				      HVP_PACKET_ID_FIRST;
	}
	for (unsigned i = 0; i < run->count; i++) {
		uint32_t value = run->filled[i];
		bool last = i + 1 == run->count;

		part.packet_id = HVP_PACKET_ID_VERSION | HVP_PACKET_ID_SUBALLOCATION |
				 (last ? HVP_PACKET_ID_LAST : 0);
		if (reader->uses_recv)
			hvh_net_write_head(net, RX_FILLED_SUB(value),
					   RX_FILLED_LEN(value) - RX_HEADROOM,
					   i ? &part : &run->meta);
		if (!last)
			run->filled[i] |= RX_FILLED_FOLLOWS;
	}
	hvh_net_rx_publish(net, reader, run->q, run->filled, run->count);
	run->q = NULL;
}

static void begin(struct net_run *run, struct net_queue *q, const struct net_rx_frame *f)
{
	run->q = q;
	run->count = 0;
	run->payload = (uint32_t)f->len - headers_of(&f->found);
	run->found = f->found;
	run->meta = f->meta;
	memcpy(run->head, f->head, f->head_len);
}

static void add(struct net_run *run, uint32_t sub, uint32_t len)
{
	run->filled[run->count++] = RX_FILLED(sub, RX_HEADROOM + len);
}

/* --- flows ----------------------------------------------------------------------------------------- */

static bool same_flow(const struct net_run *run, const struct net_rx_frame *f)
{
	const struct hvw_frame *found = &run->found;
	uint32_t addresses = found->ip == 4 ? 12 : 8;

	return found->ip == f->found.ip && found->l3 == f->found.l3 && found->l4 == f->found.l4 &&
	       !memcmp(run->head + found->l3 + addresses, f->head + found->l3 + addresses,
		       found->ip == 4 ? 8 : 32) &&
	       !memcmp(run->head + found->l4, f->head + found->l4, 4);
}

/* Headers with what differs from one segment to the next taken out. */
static uint32_t common(uint8_t *to, const uint8_t *head, const struct hvw_frame *found)
{
	uint32_t len = headers_of(found);
	uint8_t *ip = to + found->l3, *tcp = to + found->l4;

	memcpy(to, head, len);
	if (found->ip == 4) {
		memset(ip + 2, 0, 4); /* length, number */
		memset(ip + 10, 0, 2); /* checksum */
	} else {
		memset(ip + 4, 0, 2); /* length */
	}
	memset(tcp + 4, 0, 4); /* sequence number */
	tcp[TCP_FLAGS] &= (uint8_t)~TCP_PSH;
	memset(tcp + 16, 0, 2); /* checksum */
	return len;
}

/* It is the next segment, and all else is as it was. */
static bool follows(const struct net_run *run, const struct net_queue *q,
		    const struct net_rx_frame *f)
{
	uint8_t a[HVW_FRAME_HEADERS_MAX], b[HVW_FRAME_HEADERS_MAX];
	uint32_t len = headers_of(&f->found), payload = (uint32_t)f->len - len;

	return run->q == q && run->count < RX_BATCH && run->found.l4_len == f->found.l4_len &&
	       hvw_be32(f->head + f->found.l4 + 4) ==
		       hvw_be32(run->head + run->found.l4 + 4) + run->payload &&
	       len - f->found.l3 + run->payload + payload <= DATAGRAM_MAX &&
	       common(a, run->head, &run->found) == common(b, f->head, &f->found) &&
	       !memcmp(a, b, len);
}

static struct net_run *find(struct net_queue *reader, const struct net_rx_frame *f)
{
	for (unsigned i = 0; i < RX_RUNS; i++)
		if (reader->run[i].q && same_flow(&reader->run[i], f))
			return &reader->run[i];
	return NULL;
}

/* The next segment: its payload alone. */
static void append(struct net *net, struct net_run *run, const struct net_rx_frame *f, uint32_t sub)
{
	uint32_t headers = headers_of(&f->found);

	hvh_net_copy_in(net->recv.share, sub * net->sub_bytes + RX_HEADROOM, f->iov, f->iovs,
			headers, f->len);
	add(run, sub, (uint32_t)f->len - headers);
	run->payload += (uint32_t)f->len - headers;
	run->head[run->found.l4 + TCP_FLAGS] |= f->head[f->found.l4 + TCP_FLAGS] & TCP_PSH;
}

/* The back end has joined it already: parts of it, as long as a frame may be. */
static void split(struct net *net, struct net_run *run, struct net_queue *q,
		  const struct net_rx_frame *f, const uint32_t *subs, unsigned count)
{
	uint32_t tag = f->found.tagged ? HVW_VLAN_TAG : 0, at;

	begin(run, q, f);
	for (unsigned i = 0; i < count; i++) {
		size_t end = tag + (size_t)(i + 1) * net->frame_max;

		at = subs[i] * net->sub_bytes + RX_HEADROOM;
		if (end > f->len)
			end = f->len;
		if (!i && tag) {
			(void)!hvh_share_write(net->recv.share, at, f->head, 2 * HVH_NET_MAC_BYTES);
			hvh_net_copy_in(net->recv.share, at + 2 * HVH_NET_MAC_BYTES, f->iov,
					f->iovs, 2 * HVH_NET_MAC_BYTES + tag, end);
		} else {
			hvh_net_copy_in(net->recv.share, at, f->iov, f->iovs,
					tag + (size_t)i * net->frame_max, end);
		}
		add(run, subs[i], (uint32_t)(end - tag) - i * net->frame_max);
	}
}

bool hvh_net_join(struct net *net, struct net_queue *reader, struct net_queue *q,
		  const struct net_rx_frame *f, const uint32_t *subs, unsigned count)
{
	bool tcp = f->found.l4 && f->found.protocol == HVW_PROTOCOL_TCP;
	bool plain = tcp && count == 1 && is_plain(net, f);
	struct net_run *run = tcp ? find(reader, f) : NULL;

	if (run && plain && follows(run, q, f)) {
		append(net, run, f, subs[0]);
	} else {
		if (run)
			finish(net, reader, run);
		if (!plain && count == 1)
			return false;
		run = &reader->run[reader->run_next++ % RX_RUNS];
		finish(net, reader, run);
		if (count > 1) {
			split(net, run, q, f, subs, count);
			finish(net, reader, run);
			return true;
		}
		begin(run, q, f);
		hvh_net_write_frame(net, subs[0], f);
		add(run, subs[0], (uint32_t)f->len - (f->found.tagged ? HVW_VLAN_TAG : 0));
	}
	/* The sender has no more for now. */
	if (f->head[f->found.l4 + TCP_FLAGS] & TCP_PSH)
		finish(net, reader, run);
	return true;
}

void hvh_net_join_end(struct net *net, struct net_queue *reader)
{
	for (unsigned i = 0; i < RX_RUNS; i++)
		finish(net, reader, &reader->run[i]);
}
