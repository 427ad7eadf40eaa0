/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <net/xdp.h>
int probe_reg(struct xdp_rxq_info *rxq, struct net_device *dev);
int probe_reg(struct xdp_rxq_info *rxq, struct net_device *dev)
{
	return xdp_rxq_info_reg(rxq, dev, 0, 0);
}
