/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <linux/ethtool.h>
#include <linux/netdevice.h>
static void probe_get(struct net_device *dev, struct ethtool_ringparam *ring,
		      struct kernel_ethtool_ringparam *more, struct netlink_ext_ack *extack)
{
}
extern const struct ethtool_ops probe_ops;
const struct ethtool_ops probe_ops = { .get_ringparam = probe_get };
