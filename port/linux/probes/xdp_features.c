/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <linux/netdevice.h>
void probe_features(struct net_device *dev);
void probe_features(struct net_device *dev)
{
	dev->xdp_features = NETDEV_XDP_ACT_BASIC | NETDEV_XDP_ACT_REDIRECT |
			    NETDEV_XDP_ACT_NDO_XMIT;
}
