/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Receiving: frames become socket buffers, copied once.
 */
#include <linux/etherdevice.h>
#include <linux/filter.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <net/ip6_checksum.h>
#include <net/tcp.h>

#include "nic.h"

static void count_received(struct hvg_net_port_queue *queue, u32 bytes)
{
	u64_stats_update_begin(&queue->rx.sync);
	queue->rx.packets++;
	queue->rx.bytes += bytes;
	u64_stats_update_end(&queue->rx.sync);
}

void nic_copy_pieces(u8 *dst, const struct hvg_net_rx *rx)
{
	unsigned i;

	for (i = 0; i < rx->piece_count; i++) {
		hvw_copy_out(dst, rx->pieces[i].data, rx->pieces[i].len);
		dst += rx->pieces[i].len;
	}
}

/* --- joined frames ---------------------------------------------------------------------------------------- */

/* Length of the IP header, and whether TCP follows it; 0: it is none that we know. */
static unsigned network_header(const struct sk_buff *skb, bool *ipv6)
{
	const struct iphdr *ip = (const struct iphdr *)skb->data;
	const struct ipv6hdr *ip6 = (const struct ipv6hdr *)skb->data;

	*ipv6 = skb->protocol == htons(ETH_P_IPV6);
	if (skb->protocol == htons(ETH_P_IP) && skb->len >= sizeof(*ip) && ip->version == 4 &&
	    ip->ihl >= 5 && ip->protocol == IPPROTO_TCP && ntohs(ip->tot_len) == skb->len)
		return ip->ihl * 4;
	if (*ipv6 && skb->len >= sizeof(*ip6) && ip6->version == 6 && ip6->nexthdr == IPPROTO_TCP &&
	    ntohs(ip6->payload_len) == skb->len - sizeof(*ip6))
		return sizeof(*ip6);
	return 0;
}

/*
 * Whoever forwards it has to cut it again, in pieces as long as those that came. The sum is said to be partial, for it is
 * no more that of the whole.
 */
static void mark_joined(struct sk_buff *skb, const struct hvg_net_rx *rx)
{
	struct skb_shared_info *info = skb_shinfo(skb);
	bool ipv6;
	unsigned network = network_header(skb, &ipv6), headers;
	struct tcphdr *tcp;

	if (!network || skb->len < network + sizeof(*tcp) || !(rx->flags & HVG_NET_RX_TCP_GOOD))
		return;
	tcp = (struct tcphdr *)(skb->data + network);
	headers = network + tcp->doff * 4;
	if (tcp->doff < 5 || ETH_HLEN + headers >= rx->pieces[0].len)
		return;
	skb_reset_network_header(skb);
	skb_set_transport_header(skb, network);
	if (ipv6)
		tcp->check = ~csum_ipv6_magic(&ipv6_hdr(skb)->saddr, &ipv6_hdr(skb)->daddr,
					      skb->len - network, IPPROTO_TCP, 0);
	else
		tcp->check = ~csum_tcpudp_magic(ip_hdr(skb)->saddr, ip_hdr(skb)->daddr,
						skb->len - network, IPPROTO_TCP, 0);
	skb->ip_summed = CHECKSUM_PARTIAL;
	skb->csum_start = skb_transport_header(skb) - skb->head;
	skb->csum_offset = offsetof(struct tcphdr, check);
	info->gso_type = ipv6 ? SKB_GSO_TCPV6 : SKB_GSO_TCPV4;
	info->gso_size = rx->pieces[0].len - ETH_HLEN - headers;
	info->gso_segs = DIV_ROUND_UP(skb->len - headers, info->gso_size);
}

/* --- one frame ---------------------------------------------------------------------------------------------- */

static void set_ip_sum(struct sk_buff *skb)
{
	struct iphdr *ip = (struct iphdr *)skb->data;

	if (skb->protocol == htons(ETH_P_IP) && skb->len >= sizeof(*ip) && ip->ihl >= 5 &&
	    skb->len >= ip->ihl * 4) {
		ip->check = 0;
		ip->check = ip_fast_csum(ip, ip->ihl);
	}
}

static void describe(struct hvg_net_port_queue *queue, struct sk_buff *skb,
		     const struct hvg_net_rx *rx)
{
	const netdev_features_t features = queue->nic->ndev->features;

	skb->protocol = eth_type_trans(skb, queue->nic->ndev);
	skb_checksum_none_assert(skb);
	if (rx->flags & HVG_NET_RX_IP_UNSET && rx->flags & HVG_NET_RX_IP_GOOD)
		set_ip_sum(skb);
	if (features & NETIF_F_RXCSUM && rx->flags & (HVG_NET_RX_TCP_GOOD | HVG_NET_RX_UDP_GOOD))
		skb->ip_summed = CHECKSUM_UNNECESSARY;
	if (features & NETIF_F_RXHASH && rx->flags & HVG_NET_RX_HASH)
		skb_set_hash(skb, rx->hash, PKT_HASH_TYPE_L4);
	if (rx->flags & HVG_NET_RX_VLAN)
		__vlan_hwaccel_put_tag(skb, htons(ETH_P_8021Q), rx->vlan);
	if (rx->piece_count > 1)
		mark_joined(skb, rx);
}

static struct sk_buff *copy_frame(struct hvg_net_port_queue *queue, const struct hvg_net_rx *rx)
{
	struct sk_buff *skb = napi_alloc_skb(&queue->napi, rx->len);

	if (likely(skb))
		nic_copy_pieces(skb_put(skb, rx->len), rx);
	return skb;
}

/* NULL: there is none, and what that means has been counted. */
static struct sk_buff *take_frame(struct hvg_net_port_queue *queue, const struct hvg_net_rx *rx)
{
	struct bpf_prog *program;
	struct sk_buff *skb;
	bool taken = false;

	rcu_read_lock();
	program = rcu_dereference(queue->nic->program);
	skb = unlikely(program) ? nic_xdp_receive(queue, rx, program, &taken) :
				  copy_frame(queue, rx);
	rcu_read_unlock();
	if (unlikely(!skb && !taken))
		nic_count(&queue->nic->counters.rx_no_memory);
	return skb;
}

void hvg_net_port_receive(struct hvg_net_port_queue *queue, const struct hvg_net_rx *rx)
{
	struct sk_buff *skb = take_frame(queue, rx);

	if (unlikely(!skb))
		return;
	count_received(queue, skb->len);
	describe(queue, skb, rx);
	skb_record_rx_queue(skb, queue->index);
	napi_gro_receive(&queue->napi, skb);
}
