/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <linux/etherdevice.h>
void probe_addr(struct net_device *dev, const u8 *addr);
void probe_addr(struct net_device *dev, const u8 *addr)
{
	eth_hw_addr_set(dev, addr);
}
