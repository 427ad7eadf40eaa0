/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Channels on the core's own VMBus. Contract: hvg/hvg_chan.h.
 *
 * Keys: (c) const from the offer to the end, (d) the device's thread, (t) tx_lock, (r) the one receiver,
 * (a) atomic, (m) bus mutex. (d), (m): the thread writes it with the mutex, so either will do for a reader.
 */
#ifndef GUEST_BUS_HVG_CHAN_IMPL_H
#define GUEST_BUS_HVG_CHAN_IMPL_H

#include "hvg/hvg_chan.h"
#include "hvp_vmbus.h"

struct hvg_bus;

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
	hvg_chan_fn signalled; /* (a) NULL: nobody listens */
	void *signalled_ctx; /* (a) stored before `signalled` */
	struct hvos_lock tx_lock;
	struct hvw_tx tx; /* (t) */
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

HVW_ALWAYS_INLINE int HVW_MUST_CHECK hvg_chan_send_pieces(struct hvg_chan *chan, uint16_t type,
							  uint16_t flags, uint64_t transaction_id,
							  uint32_t header,
							  const struct hvw_piece *pieces,
							  unsigned npieces)
{
	int err = hvg_chan_usable(chan);
	bool signal = false;
	uint32_t payload = 0;
	unsigned i;

	if (err)
		return err;
	hvos_lock(&chan->tx_lock);
	do {
		err = hvw_tx_put(&chan->tx, type, flags, transaction_id, header, pieces, npieces);
		if (!err) {
			signal = hvw_tx_commit(&chan->tx);
			break;
		}
		if (err == -EAGAIN) {
			for (payload = 0, i = 0; i < npieces; i++)
				payload += pieces[i].len;
			err = hvw_tx_want_space(&chan->tx,
						hvw_packet_space(header, payload - header));
		}
	} while (!err);
	hvos_unlock(&chan->tx_lock);
	if (signal)
		hvg_chan_signal(chan);
	if (__builtin_expect(err == -EPROTO, 0))
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
	/* Said again of a channel that was broken already: no more happens. */
	if (__builtin_expect(err == -EPROTO, 0))
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
	if (hvw_rx_release(&chan->rx))
		hvg_chan_signal(chan);
}

static inline bool HVW_MUST_CHECK hvg_chan_unmask(struct hvg_chan *chan)
{
	return hvw_rx_unmask(&chan->rx) && !hvg_chan_usable(chan);
}

#endif
