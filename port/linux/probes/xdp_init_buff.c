/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <net/xdp.h>
void probe_init(struct xdp_buff *xdp, struct xdp_rxq_info *rxq, unsigned char *page);
void probe_init(struct xdp_buff *xdp, struct xdp_rxq_info *rxq, unsigned char *page)
{
	xdp_init_buff(xdp, 1, rxq);
	xdp_prepare_buff(xdp, page, 0, 0, true);
}
