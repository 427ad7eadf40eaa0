/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Statistics, under the names that the stock driver has for them.
 */
#include <linux/ethtool.h>

#include "nic.h"

struct sums {
	u64 packets, bytes, xdp[3];
};

static struct sums sums_of(const struct nic_stats *stats)
{
	unsigned start;
	struct sums sums;

	do {
		start = u64_stats_fetch_begin(&stats->sync);
		sums.packets = stats->packets;
		sums.bytes = stats->bytes;
		memcpy(sums.xdp, stats->xdp, sizeof(sums.xdp));
	} while (u64_stats_fetch_retry(&stats->sync, start));
	return sums;
}

static void sum_vf(const struct hvg_net_port *nic, int cpu, struct nic_vf_stats *sum)
{
	const struct nic_vf_stats *stats = per_cpu_ptr(nic->vf_stats, cpu);
	struct nic_vf_stats one;
	unsigned start;

	do {
		start = u64_stats_fetch_begin(&stats->syncp);
		one.rx_packets = stats->rx_packets;
		one.rx_bytes = stats->rx_bytes;
		one.tx_packets = stats->tx_packets;
		one.tx_bytes = stats->tx_bytes;
	} while (u64_stats_fetch_retry(&stats->syncp, start));
	sum->rx_packets += one.rx_packets;
	sum->rx_bytes += one.rx_bytes;
	sum->tx_packets += one.tx_packets;
	sum->tx_bytes += one.tx_bytes;
	sum->tx_dropped += stats->tx_dropped;
}

void nic_get_stats(struct net_device *ndev, struct rtnl_link_stats64 *stats)
{
	struct hvg_net_port *nic = nic_of(ndev);
	struct hvg_net_counters counters;
	struct nic_vf_stats vf = { 0 };
	unsigned i;
	int cpu;

	netdev_stats_to_stats64(stats, &ndev->stats);
	for_each_possible_cpu(cpu) sum_vf(nic, cpu, &vf);
	stats->rx_packets += vf.rx_packets;
	stats->rx_bytes += vf.rx_bytes;
	stats->tx_packets += vf.tx_packets;
	stats->tx_bytes += vf.tx_bytes;
	stats->tx_dropped += vf.tx_dropped + READ_ONCE(nic->counters.tx_dropped);
	stats->rx_dropped += READ_ONCE(nic->counters.rx_no_memory);
	for (i = 0; i < HVG_NET_QUEUES_MAX; i++) {
		struct sums sums = sums_of(&nic_queue(nic, i)->rx);

		stats->rx_packets += sums.packets;
		stats->rx_bytes += sums.bytes;
		sums = sums_of(&nic_queue(nic, i)->tx);
		stats->tx_packets += sums.packets;
		stats->tx_bytes += sums.bytes;
		hvg_net_counters(nic->net, i, &counters);
		stats->rx_errors += counters.rx_invalid;
		stats->tx_errors += counters.tx_failed;
	}
}

/* --- ethtool -S ------------------------------------------------------------------------------------------- */

/* In this order; from the core's counters or ours. */
#define DEVICE_STATS(X)                                                                            \
	X(tx_scattered, ours.tx_scattered)                                                         \
	X(tx_no_memory, ours.tx_no_memory)                                                         \
	X(tx_no_space, core.tx_busy)                                                               \
	X(tx_too_big, ours.tx_too_big)                                                             \
	X(tx_busy, core.tx_busy)                                                                   \
	X(tx_send_full, core.tx_no_section)                                                        \
	X(rx_comp_busy, core.completions_late)                                                     \
	X(rx_no_memory, ours.rx_no_memory)                                                         \
	X(stop_queue, core.stops)                                                                  \
	X(wake_queue, core.wakes)                                                                  \
	X(vlan_error, ours.vlan_error)

#define VF_STATS(X)                                                                                \
	X(vf_rx_packets, rx_packets)                                                               \
	X(vf_rx_bytes, rx_bytes)                                                                   \
	X(vf_tx_packets, tx_packets)                                                               \
	X(vf_tx_bytes, tx_bytes)                                                                   \
	X(vf_tx_dropped, tx_dropped)

static const char *const queue_names[] = {
	"tx_queue_%u_packets",	    "tx_queue_%u_bytes",  "tx_queue_%u_xdp_xmit",
	"rx_queue_%u_packets",	    "rx_queue_%u_bytes",  "rx_queue_%u_xdp_drop",
	"rx_queue_%u_xdp_redirect", "rx_queue_%u_xdp_tx",
};

static const char *const cpu_names[] = {
	"cpu%u_rx_packets",    "cpu%u_rx_bytes",    "cpu%u_tx_packets",	   "cpu%u_tx_bytes",
	"cpu%u_vf_rx_packets", "cpu%u_vf_rx_bytes", "cpu%u_vf_tx_packets", "cpu%u_vf_tx_bytes",
};

#define ONE(name, value) +1
#define DEVICE_COUNT	 (DEVICE_STATS(ONE) VF_STATS(ONE))

int nic_stats_count(const struct hvg_net_port *nic)
{
	return DEVICE_COUNT + ARRAY_SIZE(queue_names) * hvg_net_queue_count(nic->net) +
	       ARRAY_SIZE(cpu_names) * num_present_cpus();
}

static u8 *put_name(u8 *at, const char *format, unsigned number)
{
	snprintf((char *)at, ETH_GSTRING_LEN, format, number);
	return at + ETH_GSTRING_LEN;
}

void nic_stats_names(const struct hvg_net_port *nic, u8 *at)
{
	static const char *const names[] = {
#define NAME(name, value) #name,
		DEVICE_STATS(NAME) VF_STATS(NAME)
#undef NAME
	};
	unsigned i, j;
	int cpu;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		at = put_name(at, names[i], 0);
	for (i = 0; i < hvg_net_queue_count(nic->net); i++)
		for (j = 0; j < ARRAY_SIZE(queue_names); j++)
			at = put_name(at, queue_names[j], i);
	for_each_present_cpu(cpu) for (j = 0; j < ARRAY_SIZE(cpu_names); j++)
		at = put_name(at, cpu_names[j], cpu);
}

static void sum_core(struct hvg_net_port *nic, struct hvg_net_counters *sum)
{
	struct hvg_net_counters one;
	unsigned i;

	memset(sum, 0, sizeof(*sum));
	for (i = 0; i < HVG_NET_QUEUES_MAX; i++) {
		hvg_net_counters(nic->net, i, &one);
#define ADD(name) sum->name += one.name;
		HVG_NET_COUNTERS(ADD)
#undef ADD
	}
}

/* What queues did counts for the processor that they interrupt. */
static void cpu_values(struct hvg_net_port *nic, int cpu, u64 *values)
{
	struct nic_vf_stats vf = { 0 };
	unsigned i;

	sum_vf(nic, cpu, &vf);
	values[0] = values[4] = vf.rx_packets;
	values[1] = values[5] = vf.rx_bytes;
	values[2] = values[6] = vf.tx_packets;
	values[3] = values[7] = vf.tx_bytes;
	for (i = 0; i < hvg_net_queue_count(nic->net); i++) {
		const struct hvg_chan *chan = i ? &nic->subs[i] : hvg_device_chan(nic->device);
		struct sums rx = sums_of(&nic_queue(nic, i)->rx);
		struct sums tx = sums_of(&nic_queue(nic, i)->tx);

		if (chan->channel->target_cpu != cpu)
			continue;
		values[0] += rx.packets;
		values[1] += rx.bytes;
		values[2] += tx.packets;
		values[3] += tx.bytes;
	}
}

void nic_stats_values(struct hvg_net_port *nic, u64 *values)
{
	const struct nic_counters ours = nic->counters;
	struct hvg_net_counters core;
	struct nic_vf_stats vf = { 0 };
	unsigned i;
	int cpu;

	sum_core(nic, &core);
	for_each_possible_cpu(cpu) sum_vf(nic, cpu, &vf);
#define VALUE(name, value) *values++ = value;
	DEVICE_STATS(VALUE)
#undef VALUE
#define VALUE(name, value) *values++ = vf.value;
	VF_STATS(VALUE)
#undef VALUE
	for (i = 0; i < hvg_net_queue_count(nic->net); i++) {
		struct sums rx = sums_of(&nic_queue(nic, i)->rx);
		struct sums tx = sums_of(&nic_queue(nic, i)->tx);

		*values++ = tx.packets;
		*values++ = tx.bytes;
		*values++ = tx.xdp[0];
		*values++ = rx.packets;
		*values++ = rx.bytes;
		*values++ = rx.xdp[NIC_XDP_DROPPED];
		*values++ = rx.xdp[NIC_XDP_REDIRECTED];
		*values++ = rx.xdp[NIC_XDP_SENT];
	}
	for_each_present_cpu(cpu)
	{
		cpu_values(nic, cpu, values);
		values += ARRAY_SIZE(cpu_names);
	}
}
