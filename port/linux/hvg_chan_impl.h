/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Channels over the kernel's VMBus: it opens and closes them, the rings are read and written by wire/.
 * Contract: hvg/hvg_chan.h.
 *
 * Keys: (c) const while the device is there, (t) tx_lock, (r) the one receiver, (a) atomic.
 */
#ifndef PORT_LINUX_HVG_CHAN_IMPL_H
#define PORT_LINUX_HVG_CHAN_IMPL_H

#include <linux/hyperv.h>

#include "trace.h"

struct hvg_chan {
	struct vmbus_channel *channel; /* (c) */
	struct hvg_device *device; /* (c) */
	bool open; /* the driver's thread */
	bool ready; /* (a) the rings may be used: the kernel maps them only when the host has opened them */
	hvg_chan_fn signalled; /* (c) while open */
	void *ctx; /* (c) while open */
	struct hvos_lock tx_lock;
	struct hvw_tx tx; /* (t) */
	struct hvw_rx rx; /* (r) */
	bool broken; /* (a) a ring made no sense */
};

void hvg_chan_break(struct hvg_chan *chan, const char *which);

/* The kernel counts these for sysfs where its own ring code runs, so ours does too. Holder of tx_lock. */
static inline void hvg_chan_count_full(struct vmbus_channel *channel)
{
	channel->out_full_total++;
	if (!channel->out_full_flag)
		channel->out_full_first++;
	channel->out_full_flag = true;
}

static inline void hvg_chan_count_sent(struct vmbus_channel *channel, bool signal)
{
	channel->intr_out_empty += signal;
	channel->out_full_flag = false;
}

/* 0, -ENODEV or -EPROTO. */
static inline int hvg_chan_usable(const struct hvg_chan *chan)
{
	if (unlikely(READ_ONCE(chan->channel->rescind)))
		return -ENODEV;
	return unlikely(READ_ONCE(chan->broken)) ? -EPROTO : 0;
}

HVW_ALWAYS_INLINE int HVW_MUST_CHECK hvg_chan_send_pieces(struct hvg_chan *chan, uint16_t type,
							  uint16_t flags, uint64_t transaction_id,
							  uint32_t header,
							  const struct hvw_piece *pieces,
							  unsigned npieces)
{
	int err = hvg_chan_usable(chan);
	bool signal = false;
	uint32_t bytes = 0;
	unsigned i;

	if (err)
		return err;
	for (i = 0; i < npieces; i++)
		bytes += pieces[i].len;
	hvos_lock(&chan->tx_lock);
	do {
		err = hvw_tx_put(&chan->tx, type, flags, transaction_id, header, pieces, npieces);
		if (!err) {
			signal = hvw_tx_commit(&chan->tx);
			hvg_chan_count_sent(chan->channel, signal);
			break;
		}
		if (err == -EAGAIN) {
			err = hvw_tx_want_space(&chan->tx,
						hvw_packet_space(header, bytes - header));
			if (err == -EAGAIN)
				hvg_chan_count_full(chan->channel);
		}
	} while (!err);
	hvos_unlock(&chan->tx_lock);
	if (signal)
		vmbus_setevent(chan->channel);
	if (!err)
		trace_hvg_sent(chan->channel, type, transaction_id, bytes);
	else if (err == -EAGAIN)
		trace_hvg_full(chan->channel, type, transaction_id, bytes);
	if (unlikely(err == -EPROTO))
		hvg_chan_break(chan, "send");
	return err;
}

static inline int HVW_MUST_CHECK hvg_chan_send(struct hvg_chan *chan, uint16_t flags,
					       uint64_t transaction_id, const void *payload,
					       uint32_t len)
{
	struct hvw_piece piece = { payload, len };

	return hvg_chan_send_pieces(chan, HVP_PACKET_INBAND, flags, transaction_id, 0, &piece, 1);
}

static inline void hvg_chan_mask(struct hvg_chan *chan)
{
	hvw_rx_mask(&chan->rx);
}

static inline int HVW_MUST_CHECK hvg_chan_next(struct hvg_chan *chan, struct hvw_rx_packet *packet)
{
	int err = hvg_chan_usable(chan);

	if (!err)
		err = hvw_rx_next(&chan->rx, packet);
	if (!err)
		trace_hvg_received(chan->channel, packet->h.type, packet->h.transaction_id,
				   packet->header_len + packet->payload_len -
					   (uint32_t)sizeof(struct hvp_packet));
	if (unlikely(err == -EPROTO))
		hvg_chan_break(chan, "receive");
	return err;
}

static inline int HVW_MUST_CHECK hvg_chan_copy(struct hvg_chan *chan,
					       const struct hvw_rx_packet *packet, uint32_t offset,
					       void *dst, uint32_t len)
{
	return hvw_rx_copy(&chan->rx, packet, offset, dst, len);
}

static inline void hvg_chan_release(struct hvg_chan *chan)
{
	if (!hvw_rx_release(&chan->rx))
		return;
	chan->channel->intr_in_full++;
	vmbus_setevent(chan->channel);
}

static inline bool HVW_MUST_CHECK hvg_chan_unmask(struct hvg_chan *chan)
{
	return hvw_rx_unmask(&chan->rx) && !hvg_chan_usable(chan);
}

#endif
