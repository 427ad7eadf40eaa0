/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the files of the network device share.
 *
 * Keys: (c) const from probe to removal, (r) rtnl, (a) atomic.
 */
#ifndef PORT_LINUX_NIC_H
#define PORT_LINUX_NIC_H

#include <linux/if_vlan.h>
#include <linux/netdevice.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "hvg/hvg_log.h"
#include "hvg/hvg_net.h"
#include "hvp_ndis.h"
#include "hvp_rndis.h"
#include "linux_priv.h"

/* What the device shows beside the counters of the core; names as the kernel's own has them. */
struct nic_counters {
	unsigned long tx_scattered; /* (a) all of these */
	unsigned long tx_no_memory;
	unsigned long tx_too_big;
	unsigned long rx_no_memory;
	unsigned long vlan_error;
	unsigned long tx_dropped;
};

/* The private part of the network device. */
struct hvg_net_port {
	struct net_device *ndev; /* (c) */
	struct hvg_device *device; /* (c) */
	struct hvg_net *net; /* (c) */
	struct hvg_chan *subs; /* (c) HVG_NET_QUEUES_MAX; the first is not used */
	struct hvg_net_config config; /* (r) what the administrator wants */
	struct delayed_work work;
	bool closing; /* (a) no more work */
	bool ready; /* (r) it is registered */
	bool filter_wanted; /* (a) */
	u32 msg_enable; /* (r) */
	struct bpf_prog __rcu *program; /* written with the rtnl */
	struct nic_counters counters;
	struct list_head others; /* (r) nic_vf.c's */
	struct net_device __rcu *vf; /* written with the rtnl */
	struct delayed_work takeover;
	struct nic_vf_stats __percpu *vf_stats; /* (c) */
};

struct nic_vf_stats {
	u64 rx_packets, rx_bytes, tx_packets, tx_bytes;
	struct u64_stats_sync syncp; /* the kernel wants this name */
	u32 tx_dropped;
};

static inline struct hvg_net_port *nic_of(const struct net_device *ndev)
{
	return netdev_priv(ndev);
}

static inline struct hvg_net_port_queue *nic_queue(const struct hvg_net_port *nic, unsigned index)
{
	return hvg_net_queue_port(hvg_net_queue(nic->net, index));
}

static inline void nic_count(unsigned long *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

/* nic.c. quiet, resume: with the rtnl; nobody sends; as before, with what changed meanwhile. */
bool nic_is_ours(const struct net_device *ndev);
void nic_quiet(struct hvg_net_port *nic);
void nic_resume(struct hvg_net_port *nic);
int nic_reconfigure(struct hvg_net_port *nic, const struct hvg_net_config *config) HVW_MUST_CHECK;
void nic_apply_filter(struct hvg_net_port *nic);

/* nic_tx.c */
netdev_tx_t nic_start_xmit(struct sk_buff *skb, struct net_device *ndev);
u16 nic_select_queue(struct net_device *ndev, struct sk_buff *skb, struct net_device *sb_dev);

/* nic_queue.c. Before anyone sends; an administrator may set them otherwise later. */
void nic_init_limits(struct net_device *ndev);

/* nic_rx.c */
int nic_poll(struct napi_struct *napi, int budget);

void nic_copy_pieces(u8 *dst, const struct hvg_net_rx *rx);

/* nic_xdp.c. start, stop: with the queue. setting a program: with the rtnl; fini: when nobody else is left. */
int nic_xdp_queue_start(struct hvg_net_port_queue *queue) HVW_MUST_CHECK;
void nic_xdp_queue_stop(struct hvg_net_port_queue *queue);
unsigned nic_xdp_mtu_max(void); /* with a program */
int nic_bpf(struct net_device *ndev, struct netdev_bpf *bpf);
void nic_xdp_fini(struct hvg_net_port *nic);
int nic_xdp_xmit(struct net_device *ndev, int count, struct xdp_frame **frames, u32 flags);

/* P, in an RCU section. What is left for the kernel, or NULL; then, whether the program has taken it. */
struct sk_buff *nic_xdp_receive(struct hvg_net_port_queue *queue, const struct hvg_net_rx *rx,
				struct bpf_prog *program, bool *taken);
void nic_xdp_flush(struct hvg_net_port_queue *queue);

/* nic_vf.c. start, stop: the module's. add, remove: of a NIC that is registered, with the rtnl, as the others. */
int nic_vf_start(void) HVW_MUST_CHECK;
void nic_vf_stop(void);
void nic_vf_init(struct hvg_net_port *nic);
void nic_vf_add(struct hvg_net_port *nic);
void nic_vf_remove(struct hvg_net_port *nic);
void nic_vf_look(struct hvg_net_port *nic);
void nic_vf_changed(struct hvg_net_port *nic); /* what the host says of it */
int nic_vf_open(struct hvg_net_port *nic);
void nic_vf_close(struct hvg_net_port *nic);
int nic_vf_set_mtu(struct hvg_net_port *nic, unsigned int mtu) HVW_MUST_CHECK;
int nic_vf_set_mac(struct hvg_net_port *nic, void *address) HVW_MUST_CHECK;
int nic_vf_set_program(struct hvg_net_port *nic, struct bpf_prog *program,
		       struct netlink_ext_ack *extack);

/* Without the rtnl. */
void nic_vf_set_rx_mode(struct hvg_net_port *nic);
struct net_device *nic_vf_active(const struct hvg_net_port *nic);
u16 nic_vf_select_queue(struct net_device *vf, struct sk_buff *skb);
netdev_tx_t nic_vf_xmit(struct hvg_net_port *nic, struct net_device *vf, struct sk_buff *skb);

static inline bool nic_vf_path(const struct hvg_net_port *nic)
{
	u32 serial;

	return hvg_net_vf(nic->net, &serial) == HVG_NET_VF_ACTIVE;
}

/* nic_features.c */
void nic_features_init(struct hvg_net_port *nic);
netdev_features_t nic_fix_features(struct net_device *ndev, netdev_features_t features);
int nic_set_features(struct net_device *ndev, netdev_features_t features);
netdev_features_t nic_features_check(struct sk_buff *skb, struct net_device *ndev,
				     netdev_features_t features);

/* nic_ethtool.c */
extern const struct ethtool_ops nic_ethtool_ops;

/* nic_stats.c */
void nic_get_stats(struct net_device *ndev, struct rtnl_link_stats64 *stats);
int nic_stats_count(const struct hvg_net_port *nic);
void nic_stats_names(const struct hvg_net_port *nic, u8 *names);
void nic_stats_values(struct hvg_net_port *nic, u64 *values);

#endif
