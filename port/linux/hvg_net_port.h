/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The core's NIC as a Linux network device: the hooks of hvg/hvg_net.h. Polling is NAPI's, the sender's lock is
 * the transmit queue's, control is under the rtnl.
 */
#ifndef PORT_LINUX_HVG_NET_PORT_H
#define PORT_LINUX_HVG_NET_PORT_H

#include <linux/netdevice.h>
#include <linux/u64_stats_sync.h>
#include <net/xdp.h>

#include "hvg/hvg_net.h"

/* In 32-bit kernels 64 bits are read in two parts, so readers look at `sync`. */
struct nic_stats {
	u64 packets, bytes;
	u64 xdp[3]; /* receive: by enum nic_xdp; transmit: the first, those that came by ndo_xdp_xmit */
	struct u64_stats_sync sync;
};

enum nic_xdp {
	NIC_XDP_DROPPED,
	NIC_XDP_REDIRECTED,
	NIC_XDP_SENT,
};

/* Keys: (c) const while it is open, (p) NAPI's, (x) the transmit queue's lock, (a) atomic. */
struct hvg_net_port_queue {
	struct napi_struct napi;
	struct hvg_net_port *nic; /* (c) */
	struct hvg_net_queue *core; /* (c) */
	unsigned index; /* (c) */
	bool open; /* (x) sends may go to the core */
	bool wake; /* (p) a wake that could not take the lock */
	bool flush_redirects, flush_sends; /* (p) by programs */
	int budget; /* (p) of the poll under way */
	struct xdp_rxq_info rxq;
	struct page *page; /* (p) left by a frame that was dropped; NULL: none */
	struct nic_stats rx; /* (p) */
	struct nic_stats tx; /* (x) */
};

/* Cookies: a socket buffer, or, with this bit, an XDP frame. */
#define NIC_COOKIE_XDP 1ul

void hvg_net_port_receive(struct hvg_net_port_queue *queue, const struct hvg_net_rx *rx);
void hvg_net_port_done(struct hvg_net_port_queue *queue, void *cookie);
void hvg_net_port_completed(struct hvg_net_port_queue *queue, unsigned frames, unsigned bytes);
void hvg_net_port_stop(struct hvg_net_port_queue *queue);
void hvg_net_port_wake(struct hvg_net_port_queue *queue);
void hvg_net_port_copy(const struct hvg_net_frame *frame, uint32_t offset, void *dst, uint32_t len);
unsigned hvg_net_port_pieces(const struct hvg_net_frame *frame, uint32_t offset,
			     struct hvg_net_piece *pieces, unsigned max);
int hvg_net_port_queue_start(struct hvg_net_port_queue *queue, struct hvg_net_port *nic,
			     struct hvg_net_queue *core, unsigned index) HVW_MUST_CHECK;
void hvg_net_port_queue_stop(struct hvg_net_port_queue *queue);
void hvg_net_port_work(struct hvg_net_port *nic, uint32_t delay_ms);
void hvg_net_port_changed(struct hvg_net_port *nic, enum hvg_net_change change);

static inline void hvg_net_port_schedule(struct hvg_net_port_queue *queue)
{
	napi_schedule(&queue->napi);
}

/* Others poll. */
static inline int HVW_MUST_CHECK hvg_net_port_wait(struct hvg_net_port *nic,
						   struct hvos_event *event, uint32_t timeout_ms)
{
	if (event)
		return hvos_event_wait(event, timeout_ms);
	hvos_sleep_ms(timeout_ms);
	return -ETIMEDOUT;
}

#endif
