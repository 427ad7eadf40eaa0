/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Channels as device drivers see them: all that they know of VMBus. Opening and closing has one
 * implementation per build: guest/bus, or a kernel's own VMBus in that kernel's port. The data path is
 * here, inline, on what that implementation gives in "hvg_chan_impl.h" on the include path:
 *
 *   struct hvg_chan, complete, with the members tx_lock (hvos_lock), tx (hvw_tx), rx (hvw_rx), and with tx_lock
 *	bool owes_signal;
 *   hvg_chan_usable(chan): 0; -ENODEV: revoked; -EPROTO: broken;
 *   hvg_chan_signal(chan): ring the host's doorbell for this channel;
 *   hvg_chan_break(chan, "send" or "receive"): that ring made no sense. Once: a line, a counter, and
 *	the channel is broken. Again: nothing;
 *   hvg_chan_note_sent(chan, type, transaction_id, bytes, signal), hvg_chan_note_full(chan, type,
 *	transaction_id, bytes), hvg_chan_note_received(chan, packet), hvg_chan_note_room(chan): for
 *	its counters and tracepoints. A packet is in the ring, or there is no room for it: both with
 *	tx_lock held, `bytes` without the descriptor. A packet was found. The host is to be told of room.
 *
 * Context: T = thread, may sleep; A = any, never sleeps; S = one caller at a time, any context: the
 * receiving side of a channel belongs to one thread or interrupt at a time.
 *
 * The host may take a device away at any moment ("revoked"). Then sends and receives fail with
 * -ENODEV, waits end, and the driver's detach follows, which closes the channel as ever.
 */
#ifndef GUEST_INCLUDE_HVG_HVG_CHAN_H
#define GUEST_INCLUDE_HVG_HVG_CHAN_H

#include "hvg/hvos.h"
#include "hvw_pkt.h"
#include "hvw_ring.h"

struct hvg_chan;
struct hvg_device;

struct hvg_chan_config {
	uint32_t send_pages; /* of the ring to the host, control page included: 2 or more */
	uint32_t receive_pages;
	unsigned cpu; /* to be interrupted */
	hvos_fn signalled; /* A, on that processor: packets to read, or room to send, or neither */
	void *ctx; /* of `signalled` */
	const void *user_data; /* HVP_USER_DATA_MAX bytes for the device; NULL: zeroes */
};

/*
 * T. Allocate the rings, share them, open. -ENODEV: revoked; -EIO: refused by the host; -ETIMEDOUT: it
 * did not answer; -ENOMEM; -EINVAL. After a failure the channel is closed, and every byte that the
 * host may still know has been given up for good (counted by the bus).
 */
int hvg_chan_open(struct hvg_chan *chan, const struct hvg_chan_config *config) HVW_MUST_CHECK;

/*
 * T. When it returns `signalled` is not running and does not run again; the caller has ended its own
 * use before. Closed already: nothing happens. Device buffers are unshared before, by who shared them.
 */
void hvg_chan_close(struct hvg_chan *chan);

/* T. Let the host know `shared` under *handle. -ENODEV, -EIO (refused), -ETIMEDOUT (then the memory is lost: do not free). */
int hvg_chan_share(struct hvg_chan *chan, const struct hvos_shared *shared,
		   uint32_t *handle) HVW_MUST_CHECK;

/* T. 0: the host has let go, free it. -ETIMEDOUT: it did not say so, never free it. Also on revoked channels. */
int hvg_chan_unshare(struct hvg_chan *chan, uint32_t handle) HVW_MUST_CHECK;

/* T. Have another processor interrupted from now on. -EOPNOTSUPP: not this host; -ENODEV, -EIO, -ETIMEDOUT. */
int hvg_chan_set_cpu(struct hvg_chan *chan, unsigned cpu) HVW_MUST_CHECK;

/* A. */
bool hvg_chan_revoked(const struct hvg_chan *chan);
struct hvg_device *hvg_chan_device(const struct hvg_chan *chan);
uint32_t hvg_chan_index(const struct hvg_chan *chan); /* 0: the primary channel */

#include "hvg_chan_impl.h"

/* --- sending: A ------------------------------------------------------------------------------------ */

/* What the senders below have in common. */
HVW_ALWAYS_INLINE int HVW_MUST_CHECK hvg_chan_send_any(struct hvg_chan *chan, uint16_t type,
						       uint16_t flags, uint64_t transaction_id,
						       uint32_t header,
						       const struct hvw_piece *pieces,
						       unsigned npieces, bool quiet)
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
			hvg_chan_note_sent(chan, type, transaction_id, bytes, signal);
			break;
		}
		if (err == -EAGAIN) {
			err = hvw_tx_want_space(&chan->tx,
						hvw_packet_space(header, bytes - header));
			if (err == -EAGAIN)
				hvg_chan_note_full(chan, type, transaction_id, bytes);
		}
	} while (!err);
	signal |= chan->owes_signal;
	/* Not when there was no room: the host has to make some. */
	chan->owes_signal = signal && quiet && !err;
	signal &= !chan->owes_signal;
	hvos_unlock(&chan->tx_lock);
	if (signal)
		hvg_chan_signal(chan);
	if (__builtin_expect(err == -EPROTO, 0))
		hvg_chan_break(chan, "send");
	return err;
}

/*
 * A packet of any type, as hvw_tx_put(): `header` bytes of the pieces are type-specific header. -EAGAIN:
 * no room; `signalled` is called when there is. -ENODEV, -EMSGSIZE, -EPROTO (the host broke the ring).
 */
HVW_ALWAYS_INLINE int HVW_MUST_CHECK hvg_chan_send_pieces(struct hvg_chan *chan, uint16_t type,
							  uint16_t flags, uint64_t transaction_id,
							  uint32_t header,
							  const struct hvw_piece *pieces,
							  unsigned npieces)
{
	return hvg_chan_send_any(chan, type, flags, transaction_id, header, pieces, npieces, false);
}

/*
 * The same for what the host need not know of at once: a host that sleeps is told by the next packet that is not quiet, or by
 * hvg_chan_kick(), which is for the caller to see to.
 */
HVW_ALWAYS_INLINE int HVW_MUST_CHECK hvg_chan_send_quietly(struct hvg_chan *chan, uint16_t type,
							   uint16_t flags, uint64_t transaction_id,
							   uint32_t header,
							   const struct hvw_piece *pieces,
							   unsigned npieces)
{
	return hvg_chan_send_any(chan, type, flags, transaction_id, header, pieces, npieces, true);
}

static inline void hvg_chan_kick(struct hvg_chan *chan)
{
	bool signal;

	hvos_lock(&chan->tx_lock);
	signal = chan->owes_signal;
	chan->owes_signal = false;
	hvos_unlock(&chan->tx_lock);
	if (signal)
		hvg_chan_signal(chan);
}

/* An in-band packet. */
static inline int HVW_MUST_CHECK hvg_chan_send(struct hvg_chan *chan, uint16_t flags,
					       uint64_t transaction_id, const void *payload,
					       uint32_t len)
{
	const struct hvw_piece piece = { payload, len };

	return hvg_chan_send_pieces(chan, HVP_PACKET_INBAND, flags, transaction_id, 0, &piece, 1);
}

/*
 * A GPA_DIRECT packet: a payload, and the memory that it is about, which the host may touch until its
 * answer: a range for each fragment of a network packet, one of many pages for a storage request.
 * `ranges`: what a struct hvw_gpa_writer has written.
 */
static inline int HVW_MUST_CHECK hvg_chan_send_gpas(struct hvg_chan *chan, uint16_t flags,
						    uint64_t transaction_id, const void *ranges,
						    uint32_t ranges_len, const void *payload,
						    uint32_t len)
{
	const struct hvw_piece pieces[] = { { ranges, ranges_len }, { payload, len } };

	return hvg_chan_send_pieces(chan, HVP_PACKET_GPA_DIRECT, flags, transaction_id, ranges_len,
				    pieces, 2);
}

/*
 * --- receiving: S ----------------------------------------------------------------------------------
 *
 * In this order: mask; next until -EAGAIN; release now and then, and at the end; unmask, and begin
 * again if it says so. A driver that is not done when it lets others run does not unmask, and goes on
 * later where it was.
 */

static inline void hvg_chan_mask(struct hvg_chan *chan)
{
	hvw_rx_mask(&chan->rx);
}

/* -EAGAIN: no more; -ENODEV; -EPROTO (broken). */
static inline int HVW_MUST_CHECK hvg_chan_next(struct hvg_chan *chan, struct hvw_rx_packet *packet)
{
	int err = hvg_chan_usable(chan);

	if (!err)
		err = hvw_rx_next(&chan->rx, packet);
	if (!err)
		hvg_chan_note_received(chan, packet);
	/* Said again of a channel that was broken already: no more happens. */
	if (__builtin_expect(err == -EPROTO, 0))
		hvg_chan_break(chan, "receive");
	return err;
}

/*
 * As hvw_rx_copy(), also of a packet's type-specific header; until the release. Nothing is used in
 * place, because the host may change it at any time.
 */
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
	hvg_chan_note_room(chan);
	hvg_chan_signal(chan);
}

static inline bool HVW_MUST_CHECK hvg_chan_unmask(struct hvg_chan *chan)
{
	return hvw_rx_unmask(&chan->rx) && !hvg_chan_usable(chan);
}

#endif
