/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Channels over the kernel's VMBus, which opens and closes them; for hvg/hvg_chan.h alone.
 *
 * Keys: (c) const while the device is there, (t) tx_lock, (r) the one receiver, (a) atomic.
 */
#ifndef PORT_LINUX_HVG_CHAN_IMPL_H
#define PORT_LINUX_HVG_CHAN_IMPL_H

#include <linux/hyperv.h>

#include "hvg/hvos.h"
#include "hvw_ring.h"
#include "trace.h"

struct hvg_device;

struct hvg_chan {
	struct vmbus_channel *channel; /* (c) */
	struct hvg_device *device; /* (c) */
	bool open; /* the driver's thread */
	bool ready; /* (a) the rings may be used: the kernel maps them only when the host has opened them */
	hvos_fn signalled; /* (c) while open */
	void *ctx; /* (c) while open */
	struct hvos_lock tx_lock;
	struct hvw_tx tx; /* (t) */
	bool owes_signal; /* (t) for packets that were sent quietly */
	struct hvw_rx rx; /* (r) */
	bool broken; /* (a) a ring made no sense */
};

void hvg_chan_break(struct hvg_chan *chan, const char *which);

/* 0, -ENODEV or -EPROTO. */
static inline int hvg_chan_usable(const struct hvg_chan *chan)
{
	if (unlikely(READ_ONCE(chan->channel->rescind)))
		return -ENODEV;
	return unlikely(READ_ONCE(chan->broken)) ? -EPROTO : 0;
}

static inline void hvg_chan_signal(struct hvg_chan *chan)
{
	vmbus_setevent(chan->channel);
}

/* The kernel counts these for sysfs where its own ring code runs, so ours does too. */
static inline void hvg_chan_note_sent(struct hvg_chan *chan, u16 type, u64 transaction_id,
				      u32 bytes, bool signal)
{
	chan->channel->intr_out_empty += signal;
	chan->channel->out_full_flag = false;
	trace_hvg_sent(chan->channel, type, transaction_id, bytes);
}

static inline void hvg_chan_note_full(struct hvg_chan *chan, u16 type, u64 transaction_id,
				      u32 bytes)
{
	struct vmbus_channel *channel = chan->channel;

	channel->out_full_total++;
	if (!channel->out_full_flag)
		channel->out_full_first++;
	channel->out_full_flag = true;
	trace_hvg_full(channel, type, transaction_id, bytes);
}

static inline void hvg_chan_note_received(struct hvg_chan *chan, const struct hvw_rx_packet *packet)
{
	trace_hvg_received(chan->channel, packet->h.type, packet->h.transaction_id,
			   packet->header_len + packet->payload_len - (u32)sizeof(packet->h));
}

static inline void hvg_chan_note_room(struct hvg_chan *chan)
{
	chan->channel->intr_in_full++;
}

#endif
