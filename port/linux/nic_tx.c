/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Sending: socket buffers as frames of the core's.
 */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/netpoll.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/ip6_checksum.h>
#include <net/sock.h>
#include <net/xdp.h>

#include "nic.h"
#include "nic_compat.h"

static bool is_xdp(const void *cookie)
{
	return (unsigned long)cookie & NIC_COOKIE_XDP;
}

static struct xdp_frame *xdp_of(const void *cookie)
{
	return (struct xdp_frame *)((unsigned long)cookie & ~NIC_COOKIE_XDP);
}

/* --- hooks ---------------------------------------------------------------------------------------------- */

void hvg_net_port_done(struct hvg_net_port_queue *queue, void *cookie)
{
	if (unlikely(is_xdp(cookie)))
		xdp_return_frame(xdp_of(cookie));
	else
		dev_consume_skb_any(cookie);
}

void hvg_net_port_copy(const struct hvg_net_frame *frame, uint32_t offset, void *dst, uint32_t len)
{
	if (unlikely(is_xdp(frame->cookie)))
		memcpy(dst, (u8 *)xdp_of(frame->cookie)->data + offset, len);
	else if (skb_copy_bits(frame->cookie, offset, dst, len))
		/* The frame says how long it is. */
		WARN_ON_ONCE(true);
}

static bool add_piece(struct hvg_net_piece *pieces, unsigned max, unsigned *count, u64 gpa, u32 len)
{
	if (*count == max)
		return false;
	pieces[*count].gpa = gpa;
	pieces[*count].len = len;
	(*count)++;
	return true;
}

unsigned hvg_net_port_pieces(const struct hvg_net_frame *frame, uint32_t offset,
			     struct hvg_net_piece *pieces, unsigned max)
{
	const struct sk_buff *skb = frame->cookie;
	unsigned count = 0, i;

	if (unlikely(is_xdp(frame->cookie))) {
		struct xdp_frame *xdp = xdp_of(frame->cookie);

		return add_piece(pieces, max, &count, virt_to_phys((u8 *)xdp->data + offset),
				 xdp->len - offset);
	}
	if (offset < skb_headlen(skb)) {
		if (!add_piece(pieces, max, &count, virt_to_phys(skb->data + offset),
			       skb_headlen(skb) - offset))
			return 0;
		offset = 0;
	} else {
		offset -= skb_headlen(skb);
	}
	for (i = 0; i < skb_shinfo(skb)->nr_frags; i++) {
		const skb_frag_t *fragment = &skb_shinfo(skb)->frags[i];
		u32 len = skb_frag_size(fragment);

		if (offset >= len) {
			offset -= len;
			continue;
		}
		if (!add_piece(pieces, max, &count,
			       page_to_phys(skb_frag_page(fragment)) + skb_frag_off(fragment) +
				       offset,
			       len - offset))
			return 0;
		offset = 0;
	}
	return count;
}

/* --- which queue ------------------------------------------------------------------------------------------ */

/* As the administrator wants it (XPS); where this connection went before; where it came in; or by its hash. */
u16 nic_select_queue(struct net_device *ndev, struct sk_buff *skb, struct net_device *sb_dev)
{
	struct hvg_net_port *nic = nic_of(ndev);
	const unsigned count = ndev->real_num_tx_queues;
	struct net_device *vf;
	struct sock *sk = skb->sk;
	int before = sk_tx_queue_get(sk), queue;

	rcu_read_lock();
	vf = nic_vf_active(nic);
	if (unlikely(vf))
		queue = nic_vf_select_queue(vf, skb) % count;
	rcu_read_unlock();
	if (unlikely(vf))
		return queue;
	if (count < 2)
		return 0;
	if (unlikely(compat_xps(ndev)))
		return netdev_pick_tx(ndev, skb, sb_dev) % count;
	if (before >= 0 && before < count && !skb->ooo_okay)
		return before;
	if (skb_rx_queue_recorded(skb))
		queue = skb_get_rx_queue(skb) % count;
	else
		queue = hvg_net_tx_queue(nic->net, skb_get_hash(skb)) % count;
	if (queue != before && sk && sk_fullsock(sk) && rcu_access_pointer(sk->sk_dst_cache))
		sk_tx_queue_set(sk, queue);
	return queue;
}

/* --- what the host is to do ---------------------------------------------------------------------------------- */

/* As LSO wants its headers: lengths and sums as if there were no payload. */
static int prepare_lso(struct sk_buff *skb, struct hvg_net_frame *frame)
{
	int err = skb_cow_head(skb, 0);
	struct tcphdr *tcp;

	if (err)
		return err;
	tcp = tcp_hdr(skb);
	if (skb_shinfo(skb)->gso_type & SKB_GSO_TCPV4) {
		struct iphdr *ip = ip_hdr(skb);

		ip->tot_len = 0;
		ip->check = 0;
		tcp->check = ~csum_tcpudp_magic(ip->saddr, ip->daddr, 0, IPPROTO_TCP, 0);
	} else {
		struct ipv6hdr *ip = ipv6_hdr(skb);

		ip->payload_len = 0;
		tcp->check = ~csum_ipv6_magic(&ip->saddr, &ip->daddr, 0, IPPROTO_TCP, 0);
		frame->flags |= HVG_NET_IPV6;
	}
	frame->flags |= HVG_NET_LSO;
	frame->mss = skb_shinfo(skb)->gso_size;
	frame->transport = skb_transport_offset(skb);
	frame->head = skb_transport_offset(skb) + tcp_hdrlen(skb);
	return 0;
}

/* What the host does not know is summed here. */
static int prepare_checksum(struct sk_buff *skb, struct hvg_net_frame *frame)
{
	const __be16 protocol = vlan_get_protocol(skb);

	if (protocol != htons(ETH_P_IP) && protocol != htons(ETH_P_IPV6))
		return skb_checksum_help(skb);
	if (skb->csum_offset == offsetof(struct tcphdr, check))
		frame->flags |= HVG_NET_TCP_CSUM;
	else if (skb->csum_offset == offsetof(struct udphdr, check))
		frame->flags |= HVG_NET_UDP_CSUM;
	else
		return skb_checksum_help(skb);
	if (protocol == htons(ETH_P_IPV6))
		frame->flags |= HVG_NET_IPV6;
	frame->transport = skb_checksum_start_offset(skb);
	return 0;
}

static int describe(struct hvg_net_port *nic, struct sk_buff *skb, struct hvg_net_frame *frame)
{
	int err = 0;

	frame->cookie = skb;
	frame->head = 0;
	frame->flags = 0;
	if (skb_vlan_tag_present(skb)) {
		frame->flags |= HVG_NET_VLAN;
		frame->vlan = skb_vlan_tag_get(skb);
	}
	if (skb_is_gso(skb))
		err = prepare_lso(skb, frame);
	else if (skb->ip_summed == CHECKSUM_PARTIAL)
		err = prepare_checksum(skb, frame);
	if (nic->ndev->real_num_tx_queues > 1) {
		frame->hash = skb_get_hash_raw(skb);
		frame->flags |= frame->hash ? HVG_NET_HASH : 0;
	}
	frame->len = skb->len;
	return err;
}

/* --- sending ---------------------------------------------------------------------------------------------------- */

static u32 pages_of(phys_addr_t at, u32 len)
{
	return (u32)(((at & (HVP_PAGE_SIZE - 1)) + len + HVP_PAGE_SIZE - 1) >> HVP_PAGE_SHIFT);
}

/* Only long ones go by reference, and of those only some are in many pieces. */
static bool is_scattered(const struct sk_buff *skb)
{
	u32 pages = pages_of(virt_to_phys(skb->data), skb_headlen(skb));
	unsigned i;

	for (i = 0; i < skb_shinfo(skb)->nr_frags; i++) {
		const skb_frag_t *fragment = &skb_shinfo(skb)->frags[i];

		pages += pages_of(skb_frag_off(fragment), skb_frag_size(fragment));
	}
	return pages > HVG_NET_PAGES_MAX;
}

/* A tag in the frame of a raw socket goes beside it, as the host wants it. */
static struct sk_buff *take_tag(struct hvg_net_port *nic, struct sk_buff *skb)
{
	if (skb_vlan_tag_present(skb) || !eth_type_vlan(skb->protocol) ||
	    skb_headlen(skb) < VLAN_ETH_HLEN)
		return skb;
	skb_reset_mac_header(skb);
	skb_set_network_header(skb, ETH_HLEN);
	__skb_pull(skb, ETH_HLEN);
	skb = skb_vlan_untag(skb);
	if (!skb) {
		nic_count(&nic->counters.vlan_error);
		return NULL;
	}
	__skb_push(skb, ETH_HLEN);
	return skb;
}

static void count_sent(struct hvg_net_port_queue *queue, unsigned frames, unsigned bytes)
{
	u64_stats_update_begin(&queue->tx.sync);
	queue->tx.packets += frames;
	queue->tx.bytes += bytes;
	u64_stats_update_end(&queue->tx.sync);
}

netdev_tx_t nic_start_xmit(struct sk_buff *skb, struct net_device *ndev)
{
	struct hvg_net_port *nic = nic_of(ndev);
	struct hvg_net_port_queue *queue = nic_queue(nic, skb_get_queue_mapping(skb));
	struct netdev_queue *txq = skb_get_tx_queue(ndev, skb);
	struct net_device *vf = nic_vf_active(nic);
	struct hvg_net_frame frame;
	unsigned frames, bytes;
	bool last;

	/* Not for who prints from anywhere: the function's driver may be where that came up. */
	if (unlikely(vf) && !netpoll_tx_running(ndev))
		return nic_vf_xmit(nic, vf, skb);
	if (unlikely(!queue->open))
		goto drop;
	if (unlikely(!hvg_net_sendable(queue->core)))
		return NETDEV_TX_BUSY;
	skb = take_tag(nic, skb);
	if (unlikely(!skb))
		goto none;
	if (unlikely(skb_shinfo(skb)->nr_frags && is_scattered(skb))) {
		nic_count(&nic->counters.tx_scattered);
		if (skb_linearize(skb)) {
			nic_count(&nic->counters.tx_no_memory);
			goto drop;
		}
	}
	if (unlikely(describe(nic, skb, &frame))) {
		nic_count(&nic->counters.tx_no_memory);
		goto drop;
	}
	/* Before the host can be done with it. */
	frames = skb_is_gso(skb) ? skb_shinfo(skb)->gso_segs : 1;
	bytes = frame.len;
	last = __netdev_tx_sent_queue(txq, bytes, netdev_xmit_more());
	skb_tx_timestamp(skb);
	if (unlikely(hvg_net_send(queue->core, &frame, !last)))
		goto drop;
	count_sent(queue, frames, bytes);
	return NETDEV_TX_OK;
drop:
	dev_kfree_skb_any(skb);
none:
	nic_count(&nic->counters.tx_dropped);
	if (queue->open)
		hvg_net_flush(queue->core);
	return NETDEV_TX_OK;
}
