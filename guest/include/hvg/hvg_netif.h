/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The port's part of hvg_net.h for systems without a framework for network devices: polling and control run in
 * works, and one caller at a time is seen to by locks. Such a port's "hvg_net_port.h" includes this and
 * no more. What is above the NIC, a protocol stack or a test, gives struct hvg_netif_ops.
 *
 * Contexts as in hvg_net.h.
 */
#ifndef GUEST_INCLUDE_HVG_HVG_NETIF_H
#define GUEST_INCLUDE_HVG_HVG_NETIF_H

#include "hvg/hvg_net.h"

/* Frames in one run of a queue's work. */
#define HVG_NETIF_BUDGET 64u

struct hvg_net_port;

/* A frame to send: `pieces` of memory of ours which the host may read. */
struct hvg_netif_piece {
	const void *data;
	uint64_t gpa; /* of the first byte; contiguous there too. 0: unknown, so it can only be copied */
	uint32_t len;
};

struct hvg_netif_packet {
	struct hvg_net_frame frame; /* `cookie` is set by hvg_netif_send() */
	const struct hvg_netif_piece *pieces;
	unsigned piece_count;
};

/* NULL: not of interest, but `received`. */
struct hvg_netif_ops {
	/* T. The NIC can be used; and, it cannot any more: return when nobody is in any function with it. */
	void (*attached)(struct hvg_net_port *nic);
	void (*detached)(struct hvg_net_port *nic);

	/* P. As hvg_net_port_receive(). */
	void (*received)(struct hvg_net_port *nic, unsigned queue, const struct hvg_net_rx *rx);

	/* S, P, C, with the queue's lock or without. The packet and its memory are the sender's again. */
	void (*done)(struct hvg_net_port *nic, struct hvg_netif_packet *packet);

	/* P. After -EAGAIN: try again. */
	void (*room)(struct hvg_net_port *nic, unsigned queue);

	/* C. */
	void (*changed)(struct hvg_net_port *nic, enum hvg_net_change change);
};

/* Keys as in guest/dev/net_priv.h; (l) lock, (t) timer_lock. */
struct hvg_net_port {
	struct hvg_net *net; /* (c) */
	struct hvg_device *device; /* (c) */
	const struct hvg_netif_ops *ops; /* (c) */
	void *ctx; /* the ops' */
	struct hvos_mutex control; /* who holds it is in C */
	struct hvos_work work;
	struct hvos_timer timer;
	struct hvos_lock timer_lock;
	uint64_t deadline_ns; /* (t) 0: not armed */
	bool closing; /* (t) */
	struct hvos_event poked; /* a queue was polled, or wants to be */
};

struct hvg_net_port_queue {
	struct hvg_net_port *nic; /* (c) */
	struct hvg_net_queue *queue; /* (c) */
	unsigned index; /* (c) */
	struct hvos_lock lock; /* who holds it is in S */
	bool open; /* (l) */
	bool asked; /* (l) a sender waits for room */
	bool wanted; /* (l) to be polled */
	bool polling; /* (l) by someone */
	struct hvos_work work;
};

/*
 * T. For attach, detach, … of a struct hvg_driver of class HVP_CLASS_NETWORK. `config` is copied. Errors of
 * hvg_net_create() and hvg_net_attach().
 */
int hvg_netif_attach(struct hvg_device *device, const struct hvg_net_config *config,
		     const struct hvg_netif_ops *ops, void *ctx) HVW_MUST_CHECK;
void hvg_netif_detach(struct hvg_device *device);
void hvg_netif_subchannel(struct hvg_device *device, struct hvg_chan *chan);
void hvg_netif_subchannel_gone(struct hvg_device *device, struct hvg_chan *chan);
int hvg_netif_suspend(struct hvg_device *device) HVW_MUST_CHECK;
int hvg_netif_resume(struct hvg_device *device) HVW_MUST_CHECK;

/* T. Between the two the caller is in C. */
void hvg_netif_lock(struct hvg_net_port *nic);
void hvg_netif_unlock(struct hvg_net_port *nic);

/* C. What stock guests ask for: frames for us, for all, and for groups; or nothing. */
int hvg_netif_up(struct hvg_net_port *nic) HVW_MUST_CHECK;
int hvg_netif_down(struct hvg_net_port *nic) HVW_MUST_CHECK;

/* A, without a lock of the queue's. As hvg_net_send(); -ENETDOWN: the queue is not open. */
int hvg_netif_send(struct hvg_net_port *nic, unsigned queue, struct hvg_netif_packet *packet,
		   bool more) HVW_MUST_CHECK;

/* A, without a lock of the queue's. Nothing follows the last one after all. */
void hvg_netif_flush(struct hvg_net_port *nic, unsigned queue);

/* --- the hooks, see hvg_net.h --------------------------------------------------------------------------- */

void hvg_net_port_schedule(struct hvg_net_port_queue *port);
void hvg_net_port_receive(struct hvg_net_port_queue *port, const struct hvg_net_rx *rx);
void hvg_net_port_done(struct hvg_net_port_queue *port, void *cookie);
void hvg_net_port_wake(struct hvg_net_port_queue *port);
void hvg_net_port_copy(const struct hvg_net_frame *frame, uint32_t offset, void *dst, uint32_t len);
unsigned hvg_net_port_pieces(const struct hvg_net_frame *frame, uint32_t offset,
			     struct hvg_net_piece *pieces, unsigned max);
int hvg_net_port_queue_start(struct hvg_net_port_queue *port, struct hvg_net_port *nic,
			     struct hvg_net_queue *queue, unsigned index) HVW_MUST_CHECK;
void hvg_net_port_queue_stop(struct hvg_net_port_queue *port);
int hvg_net_port_wait(struct hvg_net_port *nic, struct hvos_event *event,
		      uint32_t timeout_ms) HVW_MUST_CHECK;
void hvg_net_port_work(struct hvg_net_port *nic, uint32_t delay_ms);
void hvg_net_port_changed(struct hvg_net_port *nic, enum hvg_net_change change);

/* Nobody here has limits of his own; who finds a queue stopped is told by -EAGAIN. */
static inline void hvg_net_port_completed(struct hvg_net_port_queue *port, unsigned frames,
					  unsigned bytes)
{
	(void)port;
	(void)frames;
	(void)bytes;
}

static inline void hvg_net_port_stop(struct hvg_net_port_queue *port)
{
	(void)port;
}

#endif
