/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * VMBus rings: the producer's and the consumer's half, used by guest and host alike.
 *
 * A ring is a control page and data, mapped at one contiguous range of addresses (the pages behind it
 * may be scattered). The peer is not trusted: each of its indices is loaded once and checked, own
 * cursors are private, packet headers are copied once. After -EPROTO the ring is broken and the
 * caller closes the channel.
 *
 * Neither half takes a lock or sleeps: one thread at a time per half is the caller's duty. The two
 * halves of one ring run in different address spaces, processors and privilege levels.
 *
 * Producer: hvw_tx_put() any number of packets, then hvw_tx_commit() publishes them together and
 * tells whether to signal the peer. When there is no room: hvw_tx_want_space(), wait for a signal.
 *
 * Consumer: hvw_rx_mask(), then hvw_rx_next() until -EAGAIN, hvw_rx_release() now and then to give
 * space back (tells whether to signal), then hvw_rx_unmask(), which tells whether to go on draining.
 */
#ifndef WIRE_HVW_RING_H
#define WIRE_HVW_RING_H

#include <stdbool.h>

#include "hvp_ring.h"
#include "hvw_error.h"
#include "hvw_shared.h"

struct hvw_tx {
	struct hvp_ring_control HVW_SHARED *control; /* (p) */
	uint8_t HVW_SHARED *data; /* (p) */
	uint32_t size; /* of the data; (c) */
	uint32_t write; /* own cursor: where the next packet goes */
	uint32_t published; /* write index that the peer can see */
	uint32_t room; /* bytes known to be free; the true number is this or more */
	uint32_t pending; /* what we last stored in pending_send_size */
};

struct hvw_rx {
	struct hvp_ring_control HVW_SHARED *control; /* (p) */
	const uint8_t HVW_SHARED *data; /* (p) */
	uint32_t size; /* of the data; (c) */
	uint32_t read; /* own cursor: the packet that comes next */
	uint32_t published; /* read index that the peer can see */
	uint32_t filled; /* bytes known to be there from `read` on; the true number is this or more */
};

/* A piece of private memory to send. */
struct hvw_piece {
	const void *data;
	uint32_t len;
};

/*
 * A packet found in a ring. `h` is a checked private copy; everything behind it is still in shared
 * memory, reachable through hvw_rx_copy() until hvw_rx_release().
 */
struct hvw_rx_packet {
	struct hvp_packet h;
	uint32_t start; /* ring offset */
	uint32_t header_len; /* bytes, descriptor included: 16 or more */
	uint32_t payload_len; /* bytes, padding included */
};

/*
 * Bytes that a packet takes in the ring: `header` bytes of type-specific header (as in hvw_tx_put: a
 * multiple of 8, the descriptor not counted) and `payload` bytes.
 */
static inline uint32_t hvw_packet_space(uint32_t header, uint32_t payload)
{
	return (uint32_t)sizeof(struct hvp_packet) + header + ((payload + 7u) & ~7u) + HVP_PACKET_TRAILER;
}

/*
 * Prepare a half on `bytes` of memory at `base`: a control page and data, at least
 * HVP_RING_MIN_PAGES pages. Indices already in the control page are taken over after a check (a
 * guest zeroes the page first). -EINVAL for an impossible size, -EPROTO for impossible indices.
 */
int hvw_tx_init(struct hvw_tx *tx, void HVW_SHARED *base, size_t bytes) HVW_MUST_CHECK;
int hvw_rx_init(struct hvw_rx *rx, void HVW_SHARED *base, size_t bytes) HVW_MUST_CHECK;

/* Slow parts of the inline functions below. */
int hvw_tx_refresh(struct hvw_tx *tx, uint32_t need) HVW_MUST_CHECK;
int hvw_rx_refresh(struct hvw_rx *rx) HVW_MUST_CHECK;
bool hvw_rx_owes_signal(struct hvw_rx *rx, uint32_t released, uint32_t pending);

/*
 * Say how many bytes (hvw_packet_space) this blocked producer waits for. Returns 0 when there is
 * room by now (try again at once), -EAGAIN when the peer will signal, -EMSGSIZE, -EPROTO. The wish is
 * withdrawn by itself when a put that had run out of known room finds some. Not every guest knows it
 * (FreeBSD): with those, also retry on each signal and on a timer.
 */
int hvw_tx_want_space(struct hvw_tx *tx, uint32_t need) HVW_MUST_CHECK;

/*
 * --- the inline data path ---------------------------------------------------------------------
 *
 * Most arguments of put and send are constants of the caller and vanish when they are inlined, which
 * compilers that see only their size do not do. A hot function that receives has next and copy
 * inlined by __attribute__((flatten)); otherwise their out-parameters go through memory.
 */
#define HVW_ALWAYS_INLINE static inline __attribute__((always_inline))

static inline uint32_t hvw_ring_wrap(uint32_t position, uint32_t size)
{
	return position >= size ? position - size : position;
}

/* Private memory into the ring at `position`; returns the position behind it. */
static inline uint32_t hvw_tx_write(struct hvw_tx *tx, uint32_t position, const void *src, uint32_t len)
{
	uint32_t first = tx->size - position;

	if (__builtin_expect(len < first, 1)) {
		hvw_copy_in(tx->data + position, src, len);
		return position + len;
	}
	hvw_copy_in(tx->data + position, src, first);
	hvw_copy_in(tx->data, (const uint8_t *)src + first, len - first);
	return len - first;
}

static inline void hvw_tx_write64(struct hvw_tx *tx, uint32_t position, uint64_t value)
{
	hvw_store64((uint64_t HVW_SHARED *)(tx->data + position), value);
}

/*
 * Write one packet at the own cursor; the peer does not see it before hvw_tx_commit().
 *
 * `header` bytes of type-specific header (a multiple of 8; ranges of a GPA-direct packet) come behind
 * the 16-byte descriptor from `pieces` first, then the payload; together `npieces` pieces.
 * 0, -EAGAIN (full), -EMSGSIZE (larger than the ring or than a packet can be), -EPROTO (ring broken),
 * -EINVAL (`header` is not a multiple of 8, or more than the pieces). Nothing is written on failure.
 */
HVW_ALWAYS_INLINE int HVW_MUST_CHECK hvw_tx_put(struct hvw_tx *tx, uint16_t type, uint16_t flags,
						uint64_t transaction_id, uint32_t header,
						const struct hvw_piece *pieces, unsigned npieces)
{
	uint64_t total = sizeof(struct hvp_packet);
	uint32_t start = tx->write, need, position;
	unsigned i;

	for (i = 0; i < npieces; i++)
		total += pieces[i].len;
	if (total > 0xffffu * 8u)
		return -EMSGSIZE;
	if (header % 8u || header > total - sizeof(struct hvp_packet))
		return -EINVAL;
	need = (((uint32_t)total + 7u) & ~7u) + HVP_PACKET_TRAILER;
	if (__builtin_expect(need >= tx->room, 0)) {
		int err = hvw_tx_refresh(tx, need);

		if (err)
			return err;
	}

	/* In the order of addresses: in any other, lines that the peer still holds are waited for twice. */
	position = start;
	hvw_tx_write64(tx, position,
		       (uint64_t)flags << 48 | (uint64_t)((need - HVP_PACKET_TRAILER) / 8u) << 32 |
			       (uint64_t)((sizeof(struct hvp_packet) + header) / 8u) << 16 | type);
	position = hvw_ring_wrap(position + 8u, tx->size);
	hvw_tx_write64(tx, position, transaction_id);
	position = hvw_ring_wrap(position + 8u, tx->size);
	for (i = 0; i < npieces; i++)
		position = hvw_tx_write(tx, position, pieces[i].data, pieces[i].len);
	if (total & 7u)
		hvw_zero(tx->data + position, 8u - ((uint32_t)total & 7u));
	position = hvw_ring_wrap(start + need - HVP_PACKET_TRAILER, tx->size);
	hvw_tx_write64(tx, position, (uint64_t)start << 32);
	tx->write = hvw_ring_wrap(position + HVP_PACKET_TRAILER, tx->size);
	tx->room -= need;
	return 0;
}

/*
 * Show the peer all packets put so far. True: signal the peer. That is the case exactly when the
 * peer had emptied the ring and does not mask signals: it may be asleep.
 */
static inline bool HVW_MUST_CHECK hvw_tx_commit(struct hvw_tx *tx)
{
	uint32_t before = tx->published;

	if (before == tx->write)
		return false;
	tx->published = tx->write;
	/*
	 * The store of the write index comes before the loads of mask and read index; in the consumer
	 * the stores of those come before its last load of the write index (hvw_rx_unmask). So at
	 * least one side sees the other's store and no wake-up is lost.
	 */
	hvw_store32_full(&tx->control->write_index, tx->write);
	if (hvw_load32_acquire(&tx->control->interrupt_mask))
		return false;
	return hvw_load32(&tx->control->read_index) == before;
}

/*
 * About how much of the ring is free, for a choice between rings: from any thread, without a look at the own cursor; the peer's
 * index is not checked.
 */
static inline uint32_t hvw_tx_guess_room(const struct hvw_tx *tx)
{
	const uint32_t write = hvw_load32(&tx->control->write_index);
	const uint32_t read = hvw_load32(&tx->control->read_index);

	return write >= read ? tx->size - (write - read) : read - write;
}

/* Whether the peer has read all that it was shown. Its index is not checked: whoever acts on this trusts nothing that is there. */
static inline bool hvw_tx_drained(const struct hvw_tx *tx)
{
	return hvw_load32_acquire(&tx->control->read_index) == tx->published;
}

/* One in-band packet, published at once: the common case. As hvw_tx_put(); *signal as hvw_tx_commit(). */
HVW_ALWAYS_INLINE int HVW_MUST_CHECK hvw_tx_send(struct hvw_tx *tx, uint16_t flags,
						 uint64_t transaction_id, const void *payload,
						 uint32_t len, bool *signal)
{
	struct hvw_piece piece = { payload, len };
	int err = hvw_tx_put(tx, HVP_PACKET_INBAND, flags, transaction_id, 0, &piece, 1);

	if (!err)
		*signal = hvw_tx_commit(tx);
	return err;
}

/* No signals for data from now on; the consumer is awake and will look itself. */
static inline void hvw_rx_mask(struct hvw_rx *rx)
{
	hvw_store32_full(&rx->control->interrupt_mask, 1);
}

/* Whether all that the peer has shown was read. Its index is not checked. */
static inline bool hvw_rx_drained(const struct hvw_rx *rx)
{
	return hvw_load32(&rx->control->write_index) == rx->read;
}

/* 0 and a packet, which the own cursor has passed; -EAGAIN (empty); -EPROTO (ring broken). */
static inline int HVW_MUST_CHECK hvw_rx_next(struct hvw_rx *rx, struct hvw_rx_packet *packet)
{
	uint32_t position = rx->read, whole, header;
	uint64_t word;

	if (rx->filled == 0) {
		int err = hvw_rx_refresh(rx);

		if (err)
			return err;
	}
	word = hvw_load64((const uint64_t HVW_SHARED *)(rx->data + position));
	packet->h.type = (uint16_t)word;
	packet->h.offset8 = (uint16_t)(word >> 16);
	packet->h.length8 = (uint16_t)(word >> 32);
	packet->h.flags = (uint16_t)(word >> 48);
	packet->h.transaction_id =
		hvw_load64((const uint64_t HVW_SHARED *)(rx->data + hvw_ring_wrap(position + 8u, rx->size)));

	whole = packet->h.length8 * 8u;
	header = packet->h.offset8 * 8u;
	/* `filled` is 8 or more, and too short a rest for any packet fails here: whole >= header >= 16. */
	if (__builtin_expect(header < sizeof(struct hvp_packet) || whole < header ||
				     whole > rx->filled - HVP_PACKET_TRAILER,
			     0))
		return -EPROTO;
	packet->start = position;
	packet->header_len = header;
	packet->payload_len = whole - header;
	rx->read = hvw_ring_wrap(position + whole + HVP_PACKET_TRAILER, rx->size);
	rx->filled -= whole + HVP_PACKET_TRAILER;
	return 0;
}

/* Copy `len` bytes from `offset` behind the packet's start; -EPROTO when they lie beyond its end. */
static inline int HVW_MUST_CHECK hvw_rx_copy(const struct hvw_rx *rx,
					     const struct hvw_rx_packet *packet, uint32_t offset,
					     void *dst, uint32_t len)
{
	uint32_t whole = packet->header_len + packet->payload_len;
	uint32_t position, first;

	if (offset > whole || len > whole - offset)
		return -EPROTO;
	position = hvw_ring_wrap(packet->start + offset, rx->size);
	first = rx->size - position;
	if (len <= first) {
		hvw_copy_out(dst, rx->data + position, len);
	} else {
		hvw_copy_out(dst, rx->data + position, first);
		hvw_copy_out((uint8_t *)dst + first, rx->data, len - first);
	}
	return 0;
}

/*
 * Give the space of all packets passed so far back to the peer; their payload is gone for us. True:
 * signal the peer, which waits for that space.
 */
static inline bool HVW_MUST_CHECK hvw_rx_release(struct hvw_rx *rx)
{
	uint32_t released = rx->read >= rx->published ? rx->read - rx->published :
							rx->read + rx->size - rx->published;
	uint32_t pending;

	if (!released)
		return false;
	rx->published = rx->read;
	/* Store of the read index before load of the pending size; partner: hvw_tx_want_space. */
	hvw_store32_full(&rx->control->read_index, rx->read);
	/* Acquire: hvw_rx_owes_signal must not see a write index older than the wish. */
	pending = hvw_load32_acquire(&rx->control->pending_send_size);
	if (!pending || !(hvw_load32(&rx->control->features) & HVP_RING_FEATURE_PENDING_SEND))
		return false;
	return hvw_rx_owes_signal(rx, released, pending);
}

/*
 * Signals for data again. True: data came in meanwhile, no signal will announce it; mask and drain
 * again. Release first, or the producer's signal decision sees an old read index.
 */
static inline bool HVW_MUST_CHECK hvw_rx_unmask(struct hvw_rx *rx)
{
	hvw_store32_full(&rx->control->interrupt_mask, 0);
	return hvw_load32(&rx->control->write_index) != rx->read;
}

#endif
