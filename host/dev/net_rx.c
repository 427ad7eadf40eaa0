/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The network device: frames to the guest.
 *
 * The receive buffer is cut in sub-allocations. Those that are free wait in the fifo of a queue; the reader takes
 * one, fills it and puts it into the fifo of the queue that the frame's hash chooses; that queue's loop sends
 * what is there in one transfer-page packet, and frees it when the guest completes the packet. So each fifo has one
 * producer and one consumer, and no lock.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net_priv.h"

/* --- fifos ----------------------------------------------------------------------------------------- */

bool hvh_net_fifo_put(const struct net *net, struct net_fifo *fifo, uint32_t value)
{
	uint32_t tail = atomic_load_explicit(&fifo->tail, memory_order_relaxed);

	if (tail - atomic_load_explicit(&fifo->head, memory_order_acquire) >= net->fifo_size)
		return false;
	fifo->entry[tail & (net->fifo_size - 1)] = value;
	atomic_store_explicit(&fifo->tail, tail + 1, memory_order_release);
	return true;
}

bool hvh_net_fifo_get(const struct net *net, struct net_fifo *fifo, uint32_t *value)
{
	uint32_t head = atomic_load_explicit(&fifo->head, memory_order_relaxed);

	if (head == atomic_load_explicit(&fifo->tail, memory_order_acquire))
		return false;
	*value = fifo->entry[head & (net->fifo_size - 1)];
	atomic_store_explicit(&fifo->head, head + 1, memory_order_release);
	return true;
}

/* For the consumer: how many there are, and one of them. */
static uint32_t fifo_count(const struct net_fifo *fifo)
{
	return atomic_load_explicit(&fifo->tail, memory_order_acquire) -
	       atomic_load_explicit(&fifo->head, memory_order_relaxed);
}

static uint32_t fifo_peek(const struct net *net, const struct net_fifo *fifo, uint32_t index)
{
	return fifo->entry[(atomic_load_explicit(&fifo->head, memory_order_relaxed) + index) &
			   (net->fifo_size - 1)];
}

/* What the fifo of filled ones holds. */
#define FILLED(sub, len)  ((sub) | (uint32_t)(len) << 16)
#define FILLED_SUB(value) ((value)&0xffffu)
#define FILLED_LEN(value) ((value) >> 16)

/* --- sub-allocations ------------------------------------------------------------------------------- */

/* Two fifos for each queue that there may be. */
int hvh_net_rx_allocate(struct net *net)
{
	unsigned i;

	net->fifo_size = 1;
	while (net->fifo_size < net->sub_count)
		net->fifo_size *= 2;
	net->sub = calloc(net->sub_count, sizeof(*net->sub));
	net->fifo_memory = calloc((size_t)net->fifo_size * 2 * net->config.queues_max,
				  sizeof(*net->fifo_memory));
	if (!net->sub || !net->fifo_memory) {
		hvh_net_rx_reset(net);
		return -ENOMEM;
	}
	for (i = 0; i < net->config.queues_max; i++) {
		net->queue[i].free.entry = net->fifo_memory + (size_t)net->fifo_size * 2 * i;
		net->queue[i].filled.entry = net->queue[i].free.entry + net->fifo_size;
	}
	return 0;
}

int hvh_net_rx_setup(struct net *net)
{
	uint32_t i;
	int err;

	net->sub_bytes = net->frame_max + RX_HEADROOM + RX_TAILROOM;
	net->sub_count = net->recv.share->bytes / net->sub_bytes;
	if (net->sub_count > SUB_NONE)
		net->sub_count = SUB_NONE;
	if (net->sub_count <= RX_CONTROL)
		return -ENOSPC;
	err = hvh_net_rx_allocate(net);
	if (err)
		return err;
	for (i = 0; i < net->sub_count - RX_CONTROL; i++)
		hvh_net_fifo_put(net, &net->queue[0].free, i);
	net->control_free_count = 0;
	for (; i < net->sub_count; i++)
		net->control_free[net->control_free_count++] = (uint16_t)i;
	return 0;
}

void hvh_net_rx_reset(struct net *net)
{
	unsigned i;

	for (i = 0; i < HVH_NET_QUEUES_MAX; i++) {
		struct net_queue *q = &net->queue[i];

		memset(&q->free, 0, sizeof(q->free));
		memset(&q->filled, 0, sizeof(q->filled));
		atomic_store(&q->rx_starved, false);
	}
	free(net->sub);
	free(net->fifo_memory);
	net->sub = NULL;
	net->fifo_memory = NULL;
	net->sub_count = 0;
	net->sub_bytes = 0;
	net->fifo_size = 0;
	net->control_free_count = 0;
	net->kicks = 0;
	atomic_store(&net->reader_waits, false);
}

/*
 * Each of `queues` gets an equal part of the free ones, before any of them but the first is open. What the guest has
 * now comes back to the first.
 */
void hvh_net_rx_spread(struct net *net, unsigned queues)
{
	uint32_t part = (net->sub_count - RX_CONTROL) / queues, sub;
	unsigned i;

	for (i = 1; i < queues; i++) {
		uint32_t given;

		for (given = 0; given < part && hvh_net_fifo_get(net, &net->queue[0].free, &sub);
		     given++) {
			atomic_store(&net->sub[sub].queue, (uint8_t)i);
			hvh_net_fifo_put(net, &net->queue[i].free, sub);
		}
	}
}

/* --- to the guest ---------------------------------------------------------------------------------- */

/* The first `count` of what is filled, in one packet. */
static int send_packet(struct net *net, struct net_queue *q, uint32_t count)
{
	uint8_t header[sizeof(struct hvp_transfer_pages) +
		       RX_BATCH * sizeof(struct hvp_transfer_range)];
	struct hvw_nvsp message;
	struct hvw_transfer_writer writer;
	struct hvw_piece pieces[2] = { { header, 0 },
				       { message.u.bytes, hvw_nvsp_bytes(net->version) } };
	uint32_t first = FILLED_SUB(fifo_peek(net, &q->filled, 0)), i;

	hvw_transfer_writer_init(&writer, header, RX_BATCH);
	for (i = 0; i < count; i++) {
		uint32_t value = fifo_peek(net, &q->filled, i);

		if (hvw_transfer_writer_add(&writer, FILLED_SUB(value) * net->sub_bytes,
					    FILLED_LEN(value)))
			return -EMSGSIZE;
	}
	pieces[0].len = hvw_transfer_writer_finish(&writer, net->recv.id);
	hvw_nvsp_init(&message, HVP_NVSP_SEND_RNDIS_PACKET);
	message.u.SEND_RNDIS_PACKET.channel_type = HVP_NVSP_CHANNEL_DATA;
	message.u.SEND_RNDIS_PACKET.section_index = HVP_NVSP_SECTION_NONE;
	return hvh_channel_put(q->channel, HVP_PACKET_TRANSFER_PAGES, HVP_PACKET_FLAG_COMPLETION,
			       first, pieces[0].len, pieces, 2);
}

bool hvh_net_rx_send(struct net *net, struct net_queue *q)
{
	uint32_t count;

	if (!q->channel || !q->uses_recv)
		return true;
	while ((count = fifo_count(&q->filled))) {
		uint32_t i, sub, before = SUB_NONE;

		if (count > RX_BATCH)
			count = RX_BATCH;
		if (send_packet(net, q, count))
			return false;
		for (i = 0; i < count && hvh_net_fifo_get(net, &q->filled, &sub); i++) {
			sub = FILLED_SUB(sub);
			net->sub[sub].first = !i;
			net->sub[sub].next = SUB_NONE;
			if (i)
				net->sub[before].next = (uint16_t)sub;
			before = sub;
		}
	}
	return true;
}

/* Free room is there again for a reader that found none. */
static void tell_reader(struct net *net, struct net_queue *q)
{
	if (!atomic_exchange(&q->rx_starved, false))
		return;
	if (!q->index || (net->backend->can & HVH_NET_READS_QUEUES)) {
		if (net->backend->receive_ready)
			net->backend->receive_ready(net->ctx, q->index);
		return;
	}
	atomic_store(&net->reader_waits, true);
	net->backend->kick(net->ctx, 0);
}

bool hvh_net_rx_completed(struct net *net, struct net_queue *q, uint64_t transaction_id)
{
	uint32_t sub = (uint32_t)transaction_id;

	if (transaction_id >= net->sub_count || atomic_load(&net->sub[sub].queue) != q->index ||
	    !net->sub[sub].first)
		return false;
	net->sub[sub].first = false;
	if (sub >= net->sub_count - RX_CONTROL) {
		net->control_free[net->control_free_count++] = (uint16_t)sub;
		return true;
	}
	while (sub != SUB_NONE) {
		hvh_net_fifo_put(net, &q->free, sub);
		sub = net->sub[sub].next;
	}
	tell_reader(net, q);
	return true;
}

/* --- from the back end ----------------------------------------------------------------------------- */

static bool wanted(const struct net *net, const uint8_t *to)
{
	static const uint8_t broadcast[HVH_NET_MAC_BYTES] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	uint32_t filter = atomic_load_explicit(&net->filter, memory_order_relaxed);

	if (filter & HVP_FILTER_PROMISCUOUS)
		return true;
	if (!memcmp(to, broadcast, sizeof(broadcast)))
		return filter & HVP_FILTER_BROADCAST;
	/* No guest sends a list of groups. */
	if (to[0] & 1)
		return filter & (HVP_FILTER_MULTICAST | HVP_FILTER_ALL_MULTICAST);
	return (filter & HVP_FILTER_DIRECTED) &&
	       net_mac_of(to) == atomic_load_explicit(&net->mac, memory_order_relaxed);
}

/* Where a frame of that hash goes. */
static struct net_queue *choose(struct net *net, uint32_t hash, bool hashed)
{
	struct net_queue *q = &net->queue[0];

	if (!hashed || !net->rss_entries)
		return q;
	q = &net->queue[net->rss_table[hash % net->rss_entries]];
	return atomic_load_explicit(&q->open, memory_order_acquire) ? q : &net->queue[0];
}

static void describe(struct hvw_rndis_meta *meta, const struct hvw_frame *frame, bool verified)
{
	if (frame->tagged) {
		meta->has |= HVW_META_VLAN;
		meta->vlan = hvw_rndis_vlan(frame->vlan);
	}
	if (!verified || !frame->ip)
		return;
	meta->checksum = frame->ip == 4 ? HVP_RX_CHECKSUM_IP_SUCCEEDED : 0;
	if (frame->l4)
		meta->checksum |= frame->protocol == HVW_PROTOCOL_TCP ?
					  HVP_RX_CHECKSUM_TCP_SUCCEEDED :
					  HVP_RX_CHECKSUM_UDP_SUCCEEDED;
	if (meta->checksum)
		meta->has |= HVW_META_CHECKSUM;
}

/* [skip, end) of the pieces to `offset` of the receive buffer. */
static void copy_in(const struct hvh_share *share, uint32_t offset, const struct iovec *iov,
		    unsigned iovs, size_t skip)
{
	int err = 0;

	for (; iovs && !err; iov++, iovs--) {
		size_t step;

		if (skip >= iov->iov_len) {
			skip -= iov->iov_len;
			continue;
		}
		step = iov->iov_len - skip;
		err = hvh_share_write(share, offset, (const uint8_t *)iov->iov_base + skip,
				      (uint32_t)step);
		offset += (uint32_t)step;
		skip = 0;
	}
}

/*
 * The message into the sub-allocation, in which it fits. A tag is not in the frame that the guest gets, but beside it.
 */
static void write_frame(const struct net *net, uint32_t sub, const struct iovec *iov, unsigned iovs,
			const uint8_t *head, uint32_t len, const struct hvw_rndis_meta *meta)
{
	uint8_t rndis[HVW_RNDIS_HEAD_MAX];
	uint32_t at = sub * net->sub_bytes;
	uint32_t addresses = meta->has & HVW_META_VLAN ? 2 * HVH_NET_MAC_BYTES : 0;
	int written = hvw_rndis_packet_build(rndis, meta, RX_HEADROOM, len, 0);
	int err = written < 0 ? written :
				hvh_share_write(net->recv.share, at, rndis, (uint32_t)written);

	at += RX_HEADROOM;
	if (!err && addresses)
		err = hvh_share_write(net->recv.share, at, head, addresses);
	if (!err)
		copy_in(net->recv.share, at + addresses, iov, iovs,
			addresses ? addresses + HVW_VLAN_TAG : 0);
}

static int drop(struct net_queue *q, int result)
{
	net_count(&q->rx_dropped, 1);
	return result;
}

/* The back end left a checksum to us. False: it cannot stand there. */
static bool checksum_fits(const struct iovec *iov, const struct hvh_net_meta *info)
{
	return (size_t)info->checksum_start + info->checksum_offset + sizeof(uint16_t) <=
	       iov[0].iov_len;
}

/* Once, because the pseudo-header's sum is where it goes: when the frame is taken. */
static void store_checksum(const struct iovec *iov, unsigned iovs, size_t len,
			   const struct hvh_net_meta *info)
{
	size_t place = (size_t)info->checksum_start + info->checksum_offset;
	uint16_t sum = hvh_net_sum_fold(
		hvh_net_sum(0, iov, iovs, info->checksum_start, len - info->checksum_start));

	/* For UDP it would mean that there is none, and for TCP it is the same number. */
	if (!sum)
		sum = 0xffff;
	memcpy((uint8_t *)iov[0].iov_base + place, &sum, sizeof(sum));
}

int hvh_net_receive(struct hvh_device *device, unsigned queue, const struct iovec *iov,
		    unsigned iovs, const struct hvh_net_meta *info)
{
	struct net *net = (struct net *)device;
	struct net_queue *reader = &net->queue[queue], *q = reader;
	struct hvw_rndis_meta meta = { .has = 0 };
	uint8_t head[HVW_FRAME_HEADERS_MAX];
	struct hvw_frame frame;
	size_t len = 0, head_len;
	uint32_t sub;
	unsigned i;

	for (i = 0; i < iovs; i++)
		len += iov[i].iov_len;
	head_len = hvh_net_copy(head, iov, iovs, 0, sizeof(head));
	if (!reader->channel || !reader->uses_recv ||
	    !atomic_load_explicit(&net->link, memory_order_relaxed) ||
	    head_len < HVW_ETHERNET_HEADER ||
	    (info && info->checksum_start && !checksum_fits(iov, info)))
		return drop(reader, 0);
	if (!wanted(net, head))
		return 0;
	hvw_frame_dissect(&frame, head, head_len);
	if (len - (frame.tagged ? HVW_VLAN_TAG : 0) > net->frame_max)
		return drop(reader, -EMSGSIZE);
	if (net->rss_types) {
		uint32_t type =
			hvw_rss_hash(&net->toeplitz, net->rss_types, &frame, head, &meta.hash);

		if (type) {
			meta.has |= HVW_META_HASH | HVW_META_HASH_INFO;
			meta.hash_info = HVP_RSS_FUNCTION_TOEPLITZ | type;
		}
		if (!(net->backend->can & HVH_NET_READS_QUEUES))
			q = choose(net, meta.hash, type != 0);
	}
	if (!hvh_net_fifo_get(net, &q->free, &sub)) {
		atomic_store(&q->rx_starved, true);
		/* One that was freed before the flag was seen. */
		if (!hvh_net_fifo_get(net, &q->free, &sub))
			return -EAGAIN;
	}
	if (info && info->checksum_start)
		store_checksum(iov, iovs, len, info);
	describe(&meta, &frame, info && (info->verified || info->checksum_start));
	len -= frame.tagged ? HVW_VLAN_TAG : 0;
	write_frame(net, sub, iov, iovs, head, (uint32_t)len, &meta);
	hvh_net_fifo_put(net, &q->filled, FILLED(sub, RX_HEADROOM + len));
	net_count(&q->rx_frames, 1);
	net_count(&q->rx_bytes, len);
	if (q != reader)
		net->kicks |= 1ull << q->index;
	return 0;
}

void hvh_net_flush(struct hvh_device *device, unsigned queue)
{
	struct net *net = (struct net *)device;
	struct net_queue *q = &net->queue[queue];
	unsigned i;

	if (q->channel) {
		hvh_net_rx_send(net, q);
		hvh_channel_flush(q->channel);
	}
	if (net->backend->can & HVH_NET_READS_QUEUES)
		return;
	for (i = 1; net->kicks; i++) {
		if (net->kicks & 1ull << i)
			net->backend->kick(net->ctx, i);
		net->kicks &= ~(1ull << i);
	}
}
