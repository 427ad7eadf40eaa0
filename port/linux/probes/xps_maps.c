/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <linux/netdevice.h>
bool probe_maps(const struct net_device *ndev);
bool probe_maps(const struct net_device *ndev)
{
	return rcu_access_pointer(ndev->xps_maps[XPS_CPUS]) ||
	       rcu_access_pointer(ndev->xps_maps[XPS_RXQS]);
}
