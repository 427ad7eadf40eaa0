/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <linux/netdevice.h>
void probe_tso(struct net_device *dev);
void probe_tso(struct net_device *dev)
{
	netif_set_tso_max_size(dev, 1);
}
