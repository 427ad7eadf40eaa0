/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the host can do and what it is asked to: address, size, offloads, receive-side scaling, filter.
 */
#include "net_priv.h"

#define MTU_MIN 68u

/* What we ask the host to hash. */
#define HASH_TYPES                                                                                 \
	(HVP_RSS_FUNCTION_TOEPLITZ | HVP_RSS_IPV4 | HVP_RSS_TCP4 | HVP_RSS_IPV6 | HVP_RSS_TCP6)

/* --- what there is ---------------------------------------------------------------------------------------- */

static bool end_is_near(int err)
{
	return err == -ENODEV || err == -ETIMEDOUT || err == -EPROTO;
}

static int query_size(struct hvg_net *net)
{
	uint32_t size, len = sizeof(size);
	int err = hvg_net_rndis_query(net, HVP_OID_GEN_MAXIMUM_FRAME_SIZE, NULL, 0, &size, &len);

	net->info.mtu_max = net->config.mtu;
	if (!err && len == sizeof(size) && size >= MTU_MIN && size < net->config.mtu)
		net->info.mtu_max = size;
	return end_is_near(err) ? err : 0;
}

static int query_mac(struct hvg_net *net)
{
	uint32_t len = sizeof(net->info.mac);
	int err = hvg_net_rndis_query(net, HVP_OID_802_3_PERMANENT_ADDRESS, NULL, 0, net->info.mac,
				      &len);

	return err ? err : len == sizeof(net->info.mac) ? 0 : -EPROTO;
}

static int query_name(struct hvg_net *net)
{
	uint32_t len = sizeof(net->info.name);
	int err =
		hvg_net_rndis_query(net, HVP_OID_GEN_FRIENDLY_NAME, NULL, 0, net->info.name, &len);

	net->info.name_len = err ? 0 : len / sizeof(net->info.name[0]);
	return end_is_near(err) ? err : 0;
}

static uint32_t checksum_offloads(const struct hvp_ndis_offload *caps)
{
	const uint32_t tcp4 = HVP_OFFLOAD_TCP | HVP_OFFLOAD_TCP_OPTIONS;
	const uint32_t tcp6 = tcp4 | HVP_OFFLOAD_IPV6_EXTENSIONS;
	uint32_t found = 0;

	/* UDP alone is of no use to a stack that wants both. */
	if ((caps->tx4.flags & tcp4) == tcp4)
		found |= HVG_NET_OFFLOAD_TX_TCP4 |
			 (caps->tx4.flags & HVP_OFFLOAD_UDP ? HVG_NET_OFFLOAD_TX_UDP4 : 0);
	if ((caps->tx6.flags & tcp6) == tcp6)
		found |= HVG_NET_OFFLOAD_TX_TCP6 |
			 (caps->tx6.flags & HVP_OFFLOAD_UDP ? HVG_NET_OFFLOAD_TX_UDP6 : 0);
	return found | HVG_NET_OFFLOAD_RX_CSUM;
}

static uint32_t lso_offloads(struct hvg_net *net, const struct hvp_ndis_offload *caps)
{
	const uint32_t needed6 = HVP_OFFLOAD_LSO_IPV6_EXTENSIONS | HVP_OFFLOAD_LSO_TCP_OPTIONS;
	uint32_t found = 0, max = 0xffffffffu;

	if (caps->lso4.encapsulation & HVP_NDIS_ENCAPSULATION_802_3 &&
	    caps->lso4.size_max > net->config.mtu) {
		found |= HVG_NET_OFFLOAD_LSO4;
		max = caps->lso4.size_max;
	}
	if (caps->lso6.encapsulation & HVP_NDIS_ENCAPSULATION_802_3 &&
	    (caps->lso6_flags & needed6) == needed6 && caps->lso6.size_max > net->config.mtu) {
		found |= HVG_NET_OFFLOAD_LSO6;
		if (caps->lso6.size_max < max)
			max = caps->lso6.size_max;
	}
	net->info.lso_max = found ? max : 0;
	return found;
}

static void offload_header(const struct hvg_net *net, struct hvp_ndis_header *h)
{
	h->type = HVP_NDIS_OFFLOAD;
	h->revision = net->info.version >= HVP_NVSP_5 ? 3 : net->info.version >= HVP_NVSP_4 ? 2 : 1;
	h->size = h->revision == 3 ? HVP_NDIS_OFFLOAD_SIZE_3 :
		  h->revision == 2 ? HVP_NDIS_OFFLOAD_SIZE_2 :
				     HVP_NDIS_OFFLOAD_SIZE_1;
}

static int query_offloads(struct hvg_net *net)
{
	struct hvp_ndis_offload caps;
	uint32_t len = sizeof(caps);
	int err;

	/* As much of the question counts as the host may know of it; the rest is room for the answer. */
	hvw_memset(&caps, 0, sizeof(caps));
	offload_header(net, &caps.h);
	err = hvg_net_rndis_query(net, HVP_OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES, &caps,
				  caps.h.size, &caps, &len);
	if (err)
		return err;
	if (len < HVP_NDIS_OFFLOAD_SIZE_1 || caps.h.type != HVP_NDIS_OFFLOAD ||
	    caps.h.size < HVP_NDIS_OFFLOAD_SIZE_1)
		return -EPROTO;
	/* What did not come is not there. */
	hvw_memset((uint8_t *)&caps + len, 0, sizeof(caps) - len);
	net->info.offloads = checksum_offloads(&caps) | lso_offloads(net, &caps);
	if (net->info.version >= HVP_NVSP_6_1 && caps.rsc4 == 1 && caps.rsc6 == 1)
		net->info.offloads |= HVG_NET_OFFLOAD_JOIN;
	return 0;
}

static int query_rss(struct hvg_net *net)
{
	struct hvp_ndis_rss_caps caps;
	uint32_t len = sizeof(caps);
	int err;

	net->info.queues_max = 1;
	net->info.rss_entries = HVP_RSS_TABLE_ENTRIES;
	if (net->info.version < HVP_NVSP_5)
		return 0;
	hvw_memset(&caps, 0, sizeof(caps));
	caps.h.type = HVP_NDIS_RSS_CAPABILITIES;
	caps.h.revision = 2;
	caps.h.size = HVP_NDIS_RSS_CAPS_SIZE_2;
	err = hvg_net_rndis_query(net, HVP_OID_GEN_RECEIVE_SCALE_CAPABILITIES, &caps, sizeof(caps),
				  &caps, &len);
	if (err)
		return end_is_near(err) ? err : 0;
	if (len < HVP_NDIS_RSS_CAPS_SIZE_1 || caps.queues < 2)
		return 0;
	net->info.queues_max = caps.queues < HVG_NET_QUEUES_MAX ? caps.queues : HVG_NET_QUEUES_MAX;
	if (len >= HVP_NDIS_RSS_CAPS_SIZE_2 && caps.entries && caps.entries <= HVG_NET_RSS_TABLE_MAX)
		net->info.rss_entries = caps.entries;
	return 0;
}

int hvg_net_settings_query(struct hvg_net *net)
{
	int err = query_size(net);

	if (!err)
		err = query_mac(net);
	if (!err)
		err = query_name(net);
	if (!err)
		err = query_offloads(net);
	if (!err)
		err = hvg_net_settings_offloads(net);
	if (!err)
		err = hvg_net_link_query(net);
	if (!err)
		err = query_rss(net);
	return err;
}

/* --- offloads ------------------------------------------------------------------------------------------------ */

static uint8_t checksum_value(uint32_t offloads, uint32_t tx)
{
	bool rx = offloads & HVG_NET_OFFLOAD_RX_CSUM;

	if (offloads & tx)
		return rx ? HVP_OFFLOAD_TX_RX : HVP_OFFLOAD_TX;
	return rx ? HVP_OFFLOAD_RX : HVP_OFFLOAD_OFF;
}

static uint8_t switch_value(uint32_t offloads, uint32_t what)
{
	return offloads & what ? HVP_OFFLOAD_ON : HVP_OFFLOAD_OFF;
}

static int send_offloads(struct hvg_net *net, uint32_t offloads)
{
	const bool old = net->info.version <= HVP_NVSP_4;
	struct hvp_ndis_offload_params params = {
		.h = { HVP_NDIS_DEFAULT, 3, HVP_NDIS_OFFLOAD_PARAMS_SIZE_3 },
		.ipv4_header = HVP_OFFLOAD_OFF,
	};

	params.tcp4 = checksum_value(offloads, HVG_NET_OFFLOAD_TX_TCP4);
	params.tcp6 = checksum_value(offloads, HVG_NET_OFFLOAD_TX_TCP6);
	params.udp4 = checksum_value(offloads, HVG_NET_OFFLOAD_TX_UDP4);
	params.udp6 = checksum_value(offloads, HVG_NET_OFFLOAD_TX_UDP6);
	params.lso4 = switch_value(offloads, HVG_NET_OFFLOAD_LSO4);
	params.lso6 = switch_value(offloads, HVG_NET_OFFLOAD_LSO6);
	params.rsc4 = switch_value(offloads, HVG_NET_OFFLOAD_JOIN);
	params.rsc6 = params.rsc4;
	/* Hosts of those versions take no longer one, whatever its header says. */
	if (old)
		params.udp4 = params.udp6 = HVP_OFFLOAD_UNCHANGED;
	return hvg_net_rndis_set(net, HVP_OID_TCP_OFFLOAD_PARAMETERS, &params,
				 old ? HVP_NDIS_OFFLOAD_PARAMS_SIZE_2 : sizeof(params));
}

/* All that it can, unless the port chose. */
int hvg_net_settings_offloads(struct hvg_net *net)
{
	uint32_t offloads = net->info.offloads;

	if (net->offloads_set)
		offloads &= net->offloads;
	else if (!net->config.join)
		offloads &= ~HVG_NET_OFFLOAD_JOIN;
	return send_offloads(net, offloads);
}

int hvg_net_set_offloads(struct hvg_net *net, uint32_t offloads)
{
	const uint32_t before = net->offloads;
	const bool was_set = net->offloads_set;
	int err;

	net->offloads = offloads;
	net->offloads_set = true;
	if (!net->attached)
		return 0;
	err = hvg_net_settings_offloads(net);
	if (err) {
		net->offloads = before;
		net->offloads_set = was_set;
	}
	return err;
}

/* --- receive-side scaling --------------------------------------------------------------------------------------- */

static int send_rss(struct hvg_net *net, uint16_t flags)
{
	const unsigned queues = hvg_net_queue_count(net);
	struct hvw_rss_params *params = &net->rss_params;
	unsigned i;
	int len;

	params->flags = flags;
	params->hash = HASH_TYPES;
	params->entries = net->info.rss_entries;
	for (i = 0; i < params->entries; i++)
		params->table[i] = net->rss_table[i] < queues ? net->rss_table[i] : i % queues;
	params->keyed = true;
	hvw_memcpy(params->key, net->rss_key, sizeof(net->rss_key));
	len = hvw_rss_params_build(net->rss_message, sizeof(net->rss_message), params);
	return len < 0 ? len :
			 hvg_net_rndis_set(net, HVP_OID_GEN_RECEIVE_SCALE_PARAMETERS,
					   net->rss_message, (uint32_t)len);
}

/* Hosts do not change what is on: off, and on again. */
int hvg_net_settings_rss(struct hvg_net *net)
{
	int err;

	if (hvg_net_queue_count(net) < 2)
		return 0;
	err = send_rss(net, HVP_RSS_DISABLE);
	return err ? err : send_rss(net, 0);
}

void hvg_net_settings_rss_default(struct hvg_net *net)
{
	unsigned i;

	for (i = 0; i < HVG_NET_RSS_TABLE_MAX; i++)
		net->rss_table[i] = (uint16_t)(i % hvg_net_queue_count(net));
}

void hvg_net_settings_init(struct hvg_net *net)
{
	hvw_memcpy(net->rss_key, hvw_rss_default_key, sizeof(net->rss_key));
}

int hvg_net_set_rss(struct hvg_net *net, const uint16_t *entries, unsigned count,
		    const uint8_t *key)
{
	uint16_t table[HVG_NET_RSS_TABLE_MAX];
	uint8_t old_key[HVG_NET_RSS_KEY_BYTES];
	const bool was_set = net->rss_set;
	unsigned i;
	int err;

	if (entries && (!net->attached || count != net->info.rss_entries))
		return -EINVAL;
	for (i = 0; entries && i < count; i++)
		if (entries[i] >= hvg_net_queue_count(net))
			return -EINVAL;
	hvw_memcpy(table, net->rss_table, sizeof(table));
	hvw_memcpy(old_key, net->rss_key, sizeof(old_key));
	if (entries) {
		hvw_memcpy(net->rss_table, entries, count * sizeof(*entries));
		net->rss_set = true;
	}
	if (key)
		hvw_memcpy(net->rss_key, key, sizeof(net->rss_key));
	err = net->attached ? hvg_net_settings_rss(net) : 0;
	if (err) {
		hvw_memcpy(net->rss_table, table, sizeof(table));
		hvw_memcpy(net->rss_key, old_key, sizeof(old_key));
		net->rss_set = was_set;
	}
	return err;
}

void hvg_net_rss(const struct hvg_net *net, uint16_t *entries, uint8_t *key)
{
	if (entries)
		hvw_memcpy(entries, net->rss_table,
			   net->info.rss_entries * sizeof(net->rss_table[0]));
	if (key)
		hvw_memcpy(key, net->rss_key, sizeof(net->rss_key));
}

/* --- filter, address ---------------------------------------------------------------------------------------------- */

int hvg_net_settings_filter(struct hvg_net *net, uint32_t filter)
{
	return hvg_net_rndis_set(net, HVP_OID_GEN_CURRENT_PACKET_FILTER, &filter, sizeof(filter));
}

static bool all_idle(const struct hvg_net *net)
{
	unsigned i;

	for (i = 0; i < HVG_NET_QUEUES_MAX; i++)
		if (!hvg_net_tx_idle(&net->queues[i]))
			return false;
	return true;
}

/* Receiving ends with the answer at the latest, whatever the host still sends. */
static int close_filter(struct hvg_net *net)
{
	unsigned waited_ms;
	int err = hvg_net_settings_filter(net, 0);

	__atomic_store_n(&net->receiving, 0, __ATOMIC_RELAXED);
	for (waited_ms = 0; !err && waited_ms < HVG_NET_DRAIN_MS && !all_idle(net) &&
			    !hvg_chan_revoked(hvg_net_chan(net));
	     waited_ms++)
		hvg_net_pause(net, 1);
	return err;
}

int hvg_net_set_filter(struct hvg_net *net, uint32_t filter)
{
	const uint32_t before = net->filter;
	int err = 0;

	net->filter = filter;
	if (!net->attached)
		return 0;
	if (!filter)
		return close_filter(net);
	/* Before the host may send. */
	__atomic_store_n(&net->receiving, 1, __ATOMIC_RELAXED);
	err = hvg_net_settings_filter(net, filter);
	if (err) {
		net->filter = before;
		__atomic_store_n(&net->receiving, before != 0, __ATOMIC_RELAXED);
	}
	return err;
}

/* The name of the parameter, and twelve digits, in UTF-16. */
int hvg_net_set_mac(struct hvg_net *net, const uint8_t *mac)
{
	static const char name[] = "NetworkAddress", digits[] = "0123456789abcdef";
	struct {
		struct hvp_rndis_config_parameter h;
		uint16_t name[sizeof(name) - 1];
		uint16_t value[2 * HVG_NET_MAC_BYTES];
	} msg;
	unsigned i;

	if (!net->attached)
		return 0;
	hvw_memset(&msg, 0, sizeof(msg));
	msg.h.name_offset = (uint32_t)((uint8_t *)msg.name - (uint8_t *)&msg);
	msg.h.name_length = sizeof(msg.name);
	msg.h.value_type = HVP_RNDIS_CONFIG_STRING;
	msg.h.value_offset = (uint32_t)((uint8_t *)msg.value - (uint8_t *)&msg);
	msg.h.value_length = sizeof(msg.value);
	for (i = 0; i < sizeof(name) - 1; i++)
		msg.name[i] = (uint16_t)name[i];
	for (i = 0; i < HVG_NET_MAC_BYTES; i++) {
		msg.value[2 * i] = (uint16_t)digits[mac[i] >> 4];
		msg.value[2 * i + 1] = (uint16_t)digits[mac[i] & 15];
	}
	return hvg_net_rndis_set(net, HVP_OID_GEN_RNDIS_CONFIG_PARAMETER, &msg, sizeof(msg));
}
