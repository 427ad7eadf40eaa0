/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Offloads as the kernel names them.
 */
#include <linux/udp.h>

#include "nic.h"
#include "nic_compat.h"

/* In a guest the host works out more than we could: what it does not offer the kernel does. */
static netdev_features_t offered(const struct hvg_net_info *info)
{
	netdev_features_t features = NETIF_F_SG | NETIF_F_RXHASH;

	if (info->offloads & HVG_NET_OFFLOAD_TX_TCP4)
		features |= NETIF_F_IP_CSUM;
	if (info->offloads & HVG_NET_OFFLOAD_TX_TCP6)
		features |= NETIF_F_IPV6_CSUM;
	if (info->offloads & HVG_NET_OFFLOAD_LSO4)
		features |= NETIF_F_TSO;
	if (info->offloads & HVG_NET_OFFLOAD_LSO6)
		features |= NETIF_F_TSO6;
	if (info->offloads & HVG_NET_OFFLOAD_RX_CSUM)
		features |= NETIF_F_RXCSUM;
	if (info->offloads & HVG_NET_OFFLOAD_JOIN)
		features |= NETIF_F_LRO;
	return features;
}

void nic_features_init(struct hvg_net_port *nic)
{
	const struct hvg_net_info *info = hvg_net_info(nic->net);
	struct net_device *ndev = nic->ndev;

	ndev->hw_features = offered(info);
	ndev->features = ndev->hw_features | NETIF_F_HIGHDMA | NETIF_F_HW_VLAN_CTAG_TX |
			 NETIF_F_HW_VLAN_CTAG_RX;
	ndev->vlan_features = ndev->hw_features & ~NETIF_F_LRO;
	compat_xdp_features(ndev);
	if (info->lso_max)
		compat_tso_max_size(ndev, min_t(u32, info->lso_max, GSO_MAX_SIZE));
}

/* Programs see frames one by one. */
netdev_features_t nic_fix_features(struct net_device *ndev, netdev_features_t features)
{
	if (rcu_access_pointer(nic_of(ndev)->program))
		features &= ~NETIF_F_LRO;
	return features;
}

/* Only joining is asked of the host anew; of the rest it is told with each frame. */
int nic_set_features(struct net_device *ndev, netdev_features_t features)
{
	struct hvg_net_port *nic = nic_of(ndev);
	u32 offloads = hvg_net_info(nic->net)->offloads;

	if (!((ndev->features ^ features) & NETIF_F_LRO))
		return 0;
	nic->config.join = features & NETIF_F_LRO;
	if (!(features & NETIF_F_LRO))
		offloads &= ~HVG_NET_OFFLOAD_JOIN;
	return hvg_net_set_offloads(nic->net, offloads);
}

/* Headers have to lie where the host can be told that they do. */
netdev_features_t nic_features_check(struct sk_buff *skb, struct net_device *ndev,
				     netdev_features_t features)
{
	const struct hvg_net_info *info = hvg_net_info(nic_of(ndev)->net);

	if (skb->ip_summed != CHECKSUM_PARTIAL)
		return vlan_features_check(skb, features);
	if (skb_checksum_start_offset(skb) > HVP_TX_CHECKSUM_OFFSET_MASK)
		features &= ~(NETIF_F_CSUM_MASK | NETIF_F_GSO_MASK);
	/* The kernel has one switch for TCP and UDP. */
	if (skb->csum_offset == offsetof(struct udphdr, check) &&
	    !(info->offloads &
	      (vlan_get_protocol(skb) == htons(ETH_P_IP) ? HVG_NET_OFFLOAD_TX_UDP4 :
							   HVG_NET_OFFLOAD_TX_UDP6)))
		features &= ~NETIF_F_CSUM_MASK;
	return vlan_features_check(skb, features);
}
