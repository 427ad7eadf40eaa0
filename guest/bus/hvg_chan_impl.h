/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Channels on the core's own VMBus; for hvg/hvg_chan.h alone.
 *
 * Keys: (c) const from the offer to the end, (d) the device's thread, (t) tx_lock, (r) the one receiver,
 * (a) atomic, (m) bus mutex. (d), (m): the thread writes it with the mutex, so either will do for a reader.
 */
#ifndef GUEST_BUS_HVG_CHAN_IMPL_H
#define GUEST_BUS_HVG_CHAN_IMPL_H

#include "hvg/hvos.h"
#include "hvw_ring.h"

struct hvg_bus;
struct hvg_device;

struct hvg_chan {
	struct hvg_bus *bus; /* (c) */
	struct hvg_device *device; /* (c) */
	struct hvg_chan *next; /* (m) of the device's sub-channels */
	uint32_t id; /* (c) but a suspend */
	uint32_t connection_id; /* (c) but a suspend */
	uint32_t index; /* (c) 0: primary */
	bool open; /* (d), (m) the rings are there */
	bool presented; /* (d) the driver was told of it */
	unsigned cpu; /* (m) that is interrupted */
	unsigned other_cpu; /* (m) that may be, until `other_ns` */
	uint64_t other_ns; /* (m) of hvos_now_ns() */
	uint32_t ring_gpadl; /* (d) */
	struct hvos_shared ring; /* (d) */
	hvos_fn signalled; /* (a) NULL: nobody listens */
	void *signalled_ctx; /* (a) stored before `signalled` */
	struct hvos_lock tx_lock;
	struct hvw_tx tx; /* (t) */
	bool owes_signal; /* (t) for packets that were sent quietly */
	struct hvw_rx rx; /* (r) */

	/* Said by the host at any time, so beside the state that the device's thread keeps. */
	uint32_t revoked; /* (a) */
	uint32_t broken; /* (a) a ring made no sense */
};

/* Ring the host's doorbell for this channel. */
void hvg_chan_signal(struct hvg_chan *chan);

/* The ring made no sense: one line, a counter, nothing more from this channel. */
void hvg_chan_break(struct hvg_chan *chan, const char *which);

/* 0, -ENODEV or -EPROTO. */
static inline int hvg_chan_usable(const struct hvg_chan *chan)
{
	if (__builtin_expect(__atomic_load_n(&chan->revoked, __ATOMIC_RELAXED), 0))
		return -ENODEV;
	if (__builtin_expect(__atomic_load_n(&chan->broken, __ATOMIC_RELAXED), 0))
		return -EPROTO;
	return 0;
}

/* Nothing is counted for each packet. */
#define hvg_chan_note_sent(chan, type, transaction_id, bytes, signal) ((void)0)
#define hvg_chan_note_full(chan, type, transaction_id, bytes)	      ((void)0)
#define hvg_chan_note_received(chan, packet)			      ((void)0)
#define hvg_chan_note_room(chan)				      ((void)0)

#endif
