/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * As compat.h, of network devices.
 */
#ifndef PORT_LINUX_NIC_COMPAT_H
#define PORT_LINUX_NIC_COMPAT_H

#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/netdevice.h>

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

#if COMPAT_RINGPARAM_KERNEL
#define COMPAT_RINGPARAM_MORE                                                                      \
	, struct kernel_ethtool_ringparam *kernel_ring, struct netlink_ext_ack *extack
#else
#define COMPAT_RINGPARAM_MORE
#endif

#endif
