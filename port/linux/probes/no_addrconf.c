/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <linux/netdevice.h>
void probe_flag(struct net_device *dev);
void probe_flag(struct net_device *dev)
{
	dev->priv_flags |= IFF_NO_ADDRCONF;
}
