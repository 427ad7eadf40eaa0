/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The network device: frames from the back end, on the loop of the reader: which of them the guest gets, on which queue,
 * and what it is told of them.
 */
#include <errno.h>
#include <string.h>

#include "net_priv.h"

/* A joined packet of the back end's: what IP can say, and the Ethernet header. */
#define LARGE_MAX (0xffffu + HVW_ETHERNET_HEADER)

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

void hvh_net_copy_in(const struct hvh_share *share, uint32_t offset, const struct iovec *iov,
		     unsigned iovs, size_t at, size_t end)
{
	int err = 0;

	for (; iovs && at < end && !err; iov++, iovs--) {
		size_t step = iov->iov_len;

		if (at >= step) {
			at -= step;
			end -= step;
			continue;
		}
		step = (end < step ? end : step) - at;
		err = hvh_share_write(share, offset, (const uint8_t *)iov->iov_base + at,
				      (uint32_t)step);
		offset += (uint32_t)step;
		end -= iov->iov_len < end ? iov->iov_len : end;
		at = 0;
	}
}

/* The frame without its tag, which the guest gets beside it, from its first byte on. */
void hvh_net_write_frame(const struct net *net, uint32_t sub, const struct net_rx_frame *f)
{
	uint32_t at = sub * net->sub_bytes + RX_HEADROOM;

	if (!f->found.tagged) {
		hvh_net_copy_in(net->recv.share, at, f->iov, f->iovs, 0, f->len);
		return;
	}
	if (!hvh_share_write(net->recv.share, at, f->head, 2 * HVH_NET_MAC_BYTES))
		hvh_net_copy_in(net->recv.share, at + 2 * HVH_NET_MAC_BYTES, f->iov, f->iovs,
				2 * HVH_NET_MAC_BYTES + HVW_VLAN_TAG, f->len);
}

/* What stands in front of `len` bytes in the sub-allocation. */
void hvh_net_write_head(const struct net *net, uint32_t sub, uint32_t len,
			const struct hvw_rndis_meta *meta)
{
	uint8_t rndis[HVW_RNDIS_HEAD_MAX];
	int written = hvw_rndis_packet_build(rndis, meta, RX_HEADROOM, len, 0);

	if (written > 0)
		(void)!hvh_share_write(net->recv.share, sub * net->sub_bytes, rndis,
				       (uint32_t)written);
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

static int drop(struct net_queue *q, int result)
{
	net_count(&q->rx_dropped, 1);
	return result;
}

/* What is known of a frame, and the queue for it. */
static struct net_queue *look_at(struct net *net, struct net_queue *reader, struct net_rx_frame *f,
				 const struct hvh_net_meta *info)
{
	struct net_queue *q = reader;

	/* To join what nobody has looked at would hide a wrong sum for good. */
	f->verified = (info && (info->verified || info->checksum_start)) ||
		      hvh_net_join_verify(net, f);
	describe(&f->meta, &f->found, f->verified);
	/* Key and types are queue 0's, and change while other readers are at work. */
	if (net->rss_types && !(net->backend->can & HVH_NET_READS_QUEUES)) {
		uint32_t type = hvw_rss_hash(&net->toeplitz, net->rss_types, &f->found, f->head,
					     &f->meta.hash);

		if (type) {
			f->meta.has |= HVW_META_HASH | HVW_META_HASH_INFO;
			f->meta.hash_info = HVP_RSS_FUNCTION_TOEPLITZ | type;
		}
		q = choose(net, f->meta.hash, type != 0);
	}
	return q;
}

/* -EMSGSIZE, or how many sub-allocations it takes. */
static int parts_of(const struct net *net, const struct net_rx_frame *f,
		    const struct hvh_net_meta *info)
{
	size_t len = f->len - (f->found.tagged ? HVW_VLAN_TAG : 0);

	if (len <= net->frame_max)
		return 1;
	if (!info || !info->segment_bytes || len > LARGE_MAX || !hvh_net_joins(net, f))
		return -EMSGSIZE;
	return (int)((len + net->frame_max - 1) / net->frame_max);
}

/* `count` free sub-allocations of the queue's, or none. */
static bool take_subs(struct net *net, struct net_queue *q, uint32_t *subs, unsigned count)
{
	if (hvh_net_fifo_count(&q->free) < count) {
		atomic_store(&q->rx_starved, true);
		/* Some may have been freed before the flag was seen. */
		if (hvh_net_fifo_count(&q->free) < count)
			return false;
	}
	for (unsigned i = 0; i < count; i++)
		hvh_net_fifo_get(net, &q->free, &subs[i]);
	return true;
}

int hvh_net_receive(struct hvh_device *device, unsigned queue, const struct iovec *iov,
		    unsigned iovs, const struct hvh_net_meta *info)
{
	struct net *net = (struct net *)device;
	struct net_queue *reader = &net->queue[queue], *q;
	struct net_rx_frame f = { .iov = iov, .iovs = iovs };
	uint32_t subs[RX_BATCH];
	int parts;

	for (unsigned i = 0; i < iovs; i++)
		f.len += iov[i].iov_len;
	f.head_len = hvh_net_copy(f.head, iov, iovs, 0, sizeof(f.head));
	if (!reader->channel || !reader->uses_recv ||
	    !atomic_load_explicit(&net->link, memory_order_relaxed) ||
	    f.head_len < HVW_ETHERNET_HEADER ||
	    (info && info->checksum_start && !checksum_fits(iov, info)))
		return drop(reader, 0);
	if (!wanted(net, f.head))
		return 0;
	hvw_frame_dissect(&f.found, f.head, f.head_len);
	parts = parts_of(net, &f, info);
	if (parts < 0)
		return drop(reader, parts);
	q = look_at(net, reader, &f, info);
	if (!take_subs(net, q, subs, (unsigned)parts))
		return -EAGAIN;
	if (info && info->checksum_start) {
		store_checksum(iov, iovs, f.len, info);
		f.head_len = hvh_net_copy(f.head, iov, iovs, 0, sizeof(f.head));
	}
	net_count(&reader->rx_frames, 1);
	net_count(&reader->rx_bytes, f.len - (f.found.tagged ? HVW_VLAN_TAG : 0));
	if (hvh_net_join(net, reader, q, &f, subs, (unsigned)parts))
		return 0;
	hvh_net_write_frame(net, subs[0], &f);
	f.len -= f.found.tagged ? HVW_VLAN_TAG : 0;
	hvh_net_write_head(net, subs[0], (uint32_t)f.len, &f.meta);
	subs[0] = RX_FILLED(subs[0], RX_HEADROOM + f.len);
	hvh_net_rx_publish(net, reader, q, subs, 1);
	return 0;
}

void hvh_net_flush(struct hvh_device *device, unsigned queue)
{
	struct net *net = (struct net *)device;
	struct net_queue *q = &net->queue[queue];
	unsigned i;

	hvh_net_join_end(net, q);
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
