/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <linux/netdevice.h>
void probe_napi(struct net_device *dev, struct napi_struct *napi,
		int (*poll)(struct napi_struct *, int));
void probe_napi(struct net_device *dev, struct napi_struct *napi,
		int (*poll)(struct napi_struct *, int))
{
	netif_napi_add_weight(dev, napi, poll, NAPI_POLL_WEIGHT);
}
