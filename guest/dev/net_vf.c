/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A virtual function that takes a NIC's traffic over: which device it is, and where the host's path leads.
 */
#include "net_priv.h"

/* P of queue 0. One that is gone carries nothing, whatever was agreed on before. */
void hvg_net_vf_associate(struct hvg_net *net, bool allocated, uint32_t serial)
{
	__atomic_store_n(&net->vf_serial, serial, __ATOMIC_RELAXED);
	__atomic_store_n(&net->vf_allocated, allocated, __ATOMIC_SEQ_CST);
	if (!allocated)
		__atomic_store_n(&net->vf_active, 0, __ATOMIC_SEQ_CST);
	hvg_net_todo(net, HVG_NET_TODO_VF, 0);
}

enum hvg_net_vf hvg_net_vf(const struct hvg_net *net, uint32_t *serial)
{
	if (!__atomic_load_n(&net->vf_allocated, __ATOMIC_ACQUIRE))
		return HVG_NET_VF_NONE;
	*serial = __atomic_load_n(&net->vf_serial, __ATOMIC_RELAXED);
	return __atomic_load_n(&net->vf_active, __ATOMIC_RELAXED) ? HVG_NET_VF_ACTIVE :
								    HVG_NET_VF_THERE;
}

int hvg_net_vf_switch(struct hvg_net *net, bool to_vf)
{
	uint32_t serial;
	int err;

	if (!net->attached)
		return to_vf ? -ENODEV : 0;
	if (to_vf && hvg_net_vf(net, &serial) == HVG_NET_VF_NONE)
		return -ENOENT;
	err = hvg_net_nvsp_switch(net, to_vf);
	if (err)
		return err;
	__atomic_store_n(&net->vf_active, to_vf, __ATOMIC_SEQ_CST);
	/* It may have gone while the answer was on its way; who takes it away writes the other way round. */
	if (!__atomic_load_n(&net->vf_allocated, __ATOMIC_SEQ_CST))
		__atomic_store_n(&net->vf_active, 0, __ATOMIC_SEQ_CST);
	return 0;
}

int hvg_net_vf_follow(struct hvg_net *net, bool up)
{
	uint32_t serial;
	enum hvg_net_vf state = hvg_net_vf(net, &serial);

	if (state == HVG_NET_VF_NONE || up == (state == HVG_NET_VF_ACTIVE))
		return 0;
	return hvg_net_vf_switch(net, up);
}

static bool same_mac(const uint8_t *a, const uint8_t *b)
{
	unsigned i;

	for (i = 0; i < HVG_NET_MAC_BYTES; i++)
		if (a[i] != b[i])
			return false;
	return true;
}

/* The serial alone is not enough: it is that of a slot. A device that is new has no permanent address yet. */
enum hvg_net_vf_match hvg_net_vf_match(const struct hvg_net *net,
				       const struct hvg_net_vf_device *device)
{
	const uint8_t *mac = net->info.mac;
	const bool permanent = same_mac(mac, device->permanent);
	uint32_t serial;

	if (permanent && hvg_net_vf(net, &serial) != HVG_NET_VF_NONE && serial == device->serial)
		return HVG_NET_VF_BY_SERIAL;
	return permanent || same_mac(mac, device->current_mac) ? HVG_NET_VF_BY_ADDRESS :
								 HVG_NET_VF_OTHER;
}
