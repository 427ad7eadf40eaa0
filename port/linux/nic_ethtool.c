/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What ethtool asks and sets.
 */
#include <linux/ethtool.h>

#include "nic.h"
#include "nic_compat.h"

/* Fewer parts of a shared buffer make no sense. */
#define PARTS_MIN 10u

static void nic_drvinfo(struct net_device *ndev, struct ethtool_drvinfo *info)
{
	strscpy(info->driver, KBUILD_MODNAME, sizeof(info->driver));
	strscpy(info->version, "hvis-" HVIS_VERSION, sizeof(info->version));
	strscpy(info->fw_version, "N/A", sizeof(info->fw_version));
}

static u32 nic_get_msglevel(struct net_device *ndev)
{
	return nic_of(ndev)->msg_enable;
}

static void nic_set_msglevel(struct net_device *ndev, u32 level)
{
	nic_of(ndev)->msg_enable = level;
}

static int nic_link_settings(struct net_device *ndev, struct ethtool_link_ksettings *settings)
{
	/* The host counts in 100 bit/s. */
	const u32 speed = hvg_net_speed(nic_of(ndev)->net);

	settings->base.speed = speed ? speed / 10000 : SPEED_UNKNOWN;
	settings->base.duplex = DUPLEX_FULL;
	settings->base.port = PORT_OTHER;
	return 0;
}

/* As registers: the host's table. */
static int nic_regs_len(struct net_device *ndev)
{
	return HVP_NVSP_INDIRECTION_ENTRIES * sizeof(u32);
}

static void nic_regs(struct net_device *ndev, struct ethtool_regs *regs, void *values)
{
	u32 *value = values;
	unsigned i;

	regs->version = 1;
	for (i = 0; i < HVP_NVSP_INDIRECTION_ENTRIES; i++)
		value[i] = hvg_net_tx_entry(nic_of(ndev)->net, i);
}

/* --- statistics ------------------------------------------------------------------------------------------- */

static int nic_sset_count(struct net_device *ndev, int set)
{
	return set == ETH_SS_STATS ? nic_stats_count(nic_of(ndev)) : -EINVAL;
}

static void nic_strings(struct net_device *ndev, u32 set, u8 *names)
{
	if (set == ETH_SS_STATS)
		nic_stats_names(nic_of(ndev), names);
}

static void nic_values(struct net_device *ndev, struct ethtool_stats *stats, u64 *values)
{
	nic_stats_values(nic_of(ndev), values);
}

/* --- channels, rings ---------------------------------------------------------------------------------------- */

static void nic_get_channels(struct net_device *ndev, struct ethtool_channels *channels)
{
	struct hvg_net_port *nic = nic_of(ndev);

	channels->max_combined = hvg_net_info(nic->net)->queues_max;
	channels->combined_count = hvg_net_queue_count(nic->net);
}

static int nic_set_channels(struct net_device *ndev, struct ethtool_channels *channels)
{
	struct hvg_net_port *nic = nic_of(ndev);
	struct hvg_net_config config = nic->config;

	if (!channels->combined_count || channels->rx_count || channels->tx_count ||
	    channels->other_count || channels->combined_count > hvg_net_info(nic->net)->queues_max)
		return -EINVAL;
	config.queues = channels->combined_count;
	return nic_reconfigure(nic, &config);
}

static void nic_get_ringparam(struct net_device *ndev,
			      struct ethtool_ringparam *ring COMPAT_RINGPARAM_MORE)
{
	const struct hvg_net_info *info = hvg_net_info(nic_of(ndev)->net);

	ring->rx_pending = info->receive_sections;
	ring->tx_pending = info->send_sections;
	ring->rx_max_pending = HVG_NET_RECEIVE_MAX / max(info->receive_section, 1u);
	ring->tx_max_pending = HVG_NET_SEND_MAX / max(info->send_section, 1u);
}

static int nic_set_ringparam(struct net_device *ndev,
			     struct ethtool_ringparam *ring COMPAT_RINGPARAM_MORE)
{
	struct hvg_net_port *nic = nic_of(ndev);
	const struct hvg_net_info *info = hvg_net_info(nic->net);
	struct hvg_net_config config = nic->config;
	const u32 rx_max = HVG_NET_RECEIVE_MAX / max(info->receive_section, 1u);
	const u32 tx_max = HVG_NET_SEND_MAX / max(info->send_section, 1u);
	const u32 rx = clamp_t(u32, ring->rx_pending, PARTS_MIN, rx_max);
	const u32 tx = clamp_t(u32, ring->tx_pending, PARTS_MIN, tx_max);

	if (rx == info->receive_sections && tx == info->send_sections)
		return 0;
	config.receive_bytes = rx * info->receive_section;
	if (info->send_section)
		config.send_bytes = tx * info->send_section;
	return nic_reconfigure(nic, &config);
}

/* --- receive-side scaling -------------------------------------------------------------------------------------- */

static u32 nic_key_size(struct net_device *ndev)
{
	return HVG_NET_RSS_KEY_BYTES;
}

static u32 nic_table_size(struct net_device *ndev)
{
	return hvg_net_info(nic_of(ndev)->net)->rss_entries;
}

static int get_rss(struct net_device *ndev, u32 *table, u8 *key)
{
	struct hvg_net_port *nic = nic_of(ndev);
	u16 entries[HVG_NET_RSS_TABLE_MAX];
	unsigned i;

	hvg_net_rss(nic->net, entries, key);
	for (i = 0; table && i < nic_table_size(ndev); i++)
		table[i] = entries[i];
	return 0;
}

static int set_rss(struct net_device *ndev, const u32 *table, const u8 *key, u8 function)
{
	struct hvg_net_port *nic = nic_of(ndev);
	u16 entries[HVG_NET_RSS_TABLE_MAX];
	unsigned i;

	if (function != ETH_RSS_HASH_NO_CHANGE && function != ETH_RSS_HASH_TOP)
		return -EOPNOTSUPP;
	for (i = 0; table && i < nic_table_size(ndev); i++) {
		if (table[i] >= hvg_net_queue_count(nic->net))
			return -EINVAL;
		entries[i] = table[i];
	}
	if (!table && !key)
		return 0;
	return hvg_net_set_rss(nic->net, table ? entries : NULL, nic_table_size(ndev), key);
}

#if COMPAT_RXFH_PARAM
static int nic_get_rxfh(struct net_device *ndev, struct ethtool_rxfh_param *param)
{
	param->hfunc = ETH_RSS_HASH_TOP;
	return get_rss(ndev, param->indir, param->key);
}

static int nic_set_rxfh(struct net_device *ndev, struct ethtool_rxfh_param *param,
			struct netlink_ext_ack *extack)
{
	return set_rss(ndev, param->indir, param->key, param->hfunc);
}
#else
static int nic_get_rxfh(struct net_device *ndev, u32 *table, u8 *key, u8 *function)
{
	if (function)
		*function = ETH_RSS_HASH_TOP;
	return get_rss(ndev, table, key);
}

static int nic_set_rxfh(struct net_device *ndev, const u32 *table, const u8 *key, const u8 function)
{
	return set_rss(ndev, table, key, function);
}
#endif

#if COMPAT_RX_RING_COUNT
static u32 nic_rx_rings(struct net_device *ndev)
{
	return hvg_net_queue_count(nic_of(ndev)->net);
}
#else
static int nic_get_rxnfc(struct net_device *ndev, struct ethtool_rxnfc *info, u32 *rules)
{
	if (info->cmd != ETHTOOL_GRXRINGS)
		return -EOPNOTSUPP;
	info->data = hvg_net_queue_count(nic_of(ndev)->net);
	return 0;
}
#endif

const struct ethtool_ops nic_ethtool_ops = {
	.get_drvinfo = nic_drvinfo,
	.get_regs_len = nic_regs_len,
	.get_regs = nic_regs,
	.get_msglevel = nic_get_msglevel,
	.set_msglevel = nic_set_msglevel,
	.get_link = ethtool_op_get_link,
	.get_link_ksettings = nic_link_settings,
	.get_ts_info = ethtool_op_get_ts_info,
	.get_sset_count = nic_sset_count,
	.get_strings = nic_strings,
	.get_ethtool_stats = nic_values,
	.get_channels = nic_get_channels,
	.set_channels = nic_set_channels,
	.get_ringparam = nic_get_ringparam,
	.set_ringparam = nic_set_ringparam,
	.get_rxfh_key_size = nic_key_size,
	.get_rxfh_indir_size = nic_table_size,
	.get_rxfh = nic_get_rxfh,
	.set_rxfh = nic_set_rxfh,
#if COMPAT_RX_RING_COUNT
	.get_rx_ring_count = nic_rx_rings,
#else
	.get_rxnfc = nic_get_rxnfc,
#endif
};
