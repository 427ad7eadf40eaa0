/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * As compat.h, of network devices.
 */
#ifndef PORT_LINUX_NIC_COMPAT_H
#define PORT_LINUX_NIC_COMPAT_H

#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/filter.h>
#include <linux/netdevice.h>
#include <net/xdp.h>

/* The weight was said by all. */
static inline void compat_napi_add(struct net_device *ndev, struct napi_struct *napi,
				   int (*poll)(struct napi_struct *, int))
{
#if COMPAT_NAPI_ADD_WEIGHT
	netif_napi_add_weight(ndev, napi, poll, NAPI_POLL_WEIGHT);
#else
	netif_napi_add(ndev, napi, poll, NAPI_POLL_WEIGHT);
#endif
}

/* An administrator has said which processor or receive queue sends by which queue. */
static inline bool compat_xps(const struct net_device *ndev)
{
#if !defined(CONFIG_XPS)
	return false;
#elif COMPAT_XPS_MAPS
	return rcu_access_pointer(ndev->xps_maps[XPS_CPUS]) ||
	       rcu_access_pointer(ndev->xps_maps[XPS_RXQS]);
#else
	return rcu_access_pointer(ndev->xps_cpus_map) || rcu_access_pointer(ndev->xps_rxqs_map);
#endif
}

static inline void compat_tso_max_size(struct net_device *ndev, unsigned int bytes)
{
#if COMPAT_TSO_MAX_SIZE
	netif_set_tso_max_size(ndev, bytes);
#else
	netif_set_gso_max_size(ndev, bytes);
#endif
}

static inline void compat_hw_addr_set(struct net_device *ndev, const u8 *address)
{
#if COMPAT_HW_ADDR_SET
	eth_hw_addr_set(ndev, address);
#else
	ether_addr_copy(ndev->dev_addr, address);
#endif
}

/* Which processor polls was not known to programs. */
static inline int compat_rxq_reg(struct xdp_rxq_info *rxq, struct net_device *ndev, u32 index,
				 const struct napi_struct *napi)
{
#if COMPAT_RXQ_NAPI
	return xdp_rxq_info_reg(rxq, ndev, index, napi->napi_id);
#else
	return xdp_rxq_info_reg(rxq, ndev, index);
#endif
}

/* A buffer of a page, in which a frame will lie behind the room that programs may use. */
static inline void compat_xdp_init(struct xdp_buff *xdp, struct xdp_rxq_info *rxq, u8 *page)
{
#if COMPAT_XDP_INIT_BUFF
	xdp_init_buff(xdp, PAGE_SIZE, rxq);
	xdp_prepare_buff(xdp, page, XDP_PACKET_HEADROOM, 0, true);
#else
	xdp->data_hard_start = page;
	xdp->data = xdp->data_meta = xdp->data_end = page + XDP_PACKET_HEADROOM;
	xdp->frame_sz = PAGE_SIZE;
	xdp->rxq = rxq;
#endif
}

static inline void compat_warn_action(struct net_device *ndev, struct bpf_prog *program, u32 act)
{
#if COMPAT_WARN_ACTION_DEVICE
	bpf_warn_invalid_xdp_action(ndev, program, act);
#else
	bpf_warn_invalid_xdp_action(act);
#endif
}

/* What ndo_xdp_xmit returns. Frames that are not sent were the driver's to free. */
static inline int compat_xdp_sent(struct xdp_frame **frames, int sent, int count)
{
#if !COMPAT_XDP_CALLER_FREES
	for (; count > sent; count--)
		xdp_return_frame_rx_napi(frames[count - 1]);
#endif
	return sent;
}

static inline void compat_xdp_features(struct net_device *ndev)
{
#if COMPAT_XDP_FEATURES
	ndev->xdp_features = NETDEV_XDP_ACT_BASIC | NETDEV_XDP_ACT_REDIRECT |
			     NETDEV_XDP_ACT_NDO_XMIT;
#endif
}

/* Elsewhere the lower half of another device has an IPv6 address of its own until it is IFF_SLAVE. */
static inline void compat_no_addrconf(struct net_device *ndev)
{
#if COMPAT_NO_ADDRCONF
	ndev->priv_flags |= IFF_NO_ADDRCONF;
#endif
}

#if COMPAT_RINGPARAM_KERNEL
#define COMPAT_RINGPARAM_MORE                                                                      \
	, struct kernel_ethtool_ringparam *kernel_ring, struct netlink_ext_ack *extack
#else
#define COMPAT_RINGPARAM_MORE
#endif

#endif
