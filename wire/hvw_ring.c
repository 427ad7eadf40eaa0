/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "hvw_ring.h"

/* An index that the peer wrote: a multiple of 8 inside the data. */
static bool index_valid(uint32_t index, uint32_t size)
{
	return index < size && index % 8u == 0;
}

/* Bytes from index `from` forward to index `to`. */
static uint32_t distance(uint32_t from, uint32_t to, uint32_t size)
{
	return to >= from ? to - from : to + size - from;
}

static int check_memory(size_t bytes)
{
	/* Indices are 32 bits wide; `index + length` must not wrap, so a ring ends below 1 GiB. */
	if (bytes < HVP_RING_MIN_PAGES * HVP_PAGE_SIZE || bytes > 1u << 30 || bytes % HVP_PAGE_SIZE)
		return -EINVAL;
	return 0;
}

int hvw_tx_init(struct hvw_tx *tx, void HVW_SHARED *base, size_t bytes)
{
	struct hvp_ring_control HVW_SHARED *control = base;
	uint32_t size, write, read;
	int err = check_memory(bytes);

	if (err)
		return err;
	size = (uint32_t)bytes - HVP_PAGE_SIZE;
	write = hvw_load32(&control->write_index);
	read = hvw_load32_acquire(&control->read_index);
	if (!index_valid(write, size) || !index_valid(read, size))
		return -EPROTO;

	tx->control = control;
	tx->data = (uint8_t HVW_SHARED *)base + HVP_PAGE_SIZE;
	tx->size = size;
	tx->write = write;
	tx->published = write;
	tx->room = size - distance(read, write, size);
	tx->pending = 0;
	hvw_store32(&control->pending_send_size, 0);
	hvw_store32(&control->features, HVP_RING_FEATURE_PENDING_SEND);
	return 0;
}

int hvw_rx_init(struct hvw_rx *rx, void HVW_SHARED *base, size_t bytes)
{
	struct hvp_ring_control HVW_SHARED *control = base;
	uint32_t size, write, read;
	int err = check_memory(bytes);

	if (err)
		return err;
	size = (uint32_t)bytes - HVP_PAGE_SIZE;
	write = hvw_load32_acquire(&control->write_index);
	read = hvw_load32(&control->read_index);
	if (!index_valid(write, size) || !index_valid(read, size))
		return -EPROTO;

	rx->control = control;
	rx->data = (const uint8_t HVW_SHARED *)base + HVP_PAGE_SIZE;
	rx->size = size;
	rx->read = read;
	rx->published = read;
	rx->filled = distance(read, write, size);
	return 0;
}

/* Look how far the consumer has come. */
int hvw_tx_refresh(struct hvw_tx *tx, uint32_t need)
{
	/* The consumer's loads of the old packets stand before its store of this index. */
	uint32_t read = hvw_load32_acquire(&tx->control->read_index);
	uint32_t used, room;

	if (need >= tx->size)
		return -EMSGSIZE;
	if (!index_valid(read, tx->size))
		return -EPROTO;
	/* In two parts, so that a read index among packets not yet published makes more than a full ring. */
	used = distance(read, tx->published, tx->size) + distance(tx->published, tx->write, tx->size);
	if (used >= tx->size)
		return -EPROTO;
	room = tx->size - used;
	/* An honest consumer only makes room: less than before would be a read index that went back or too far. */
	if (room < tx->room)
		return -EPROTO;
	tx->room = room;
	/* Strictly more: indices that are equal mean an empty ring. */
	if (room <= need)
		return -EAGAIN;
	if (tx->pending) {
		tx->pending = 0;
		hvw_store32(&tx->control->pending_send_size, 0);
	}
	return 0;
}

int hvw_tx_want_space(struct hvw_tx *tx, uint32_t need)
{
	if (need >= tx->size)
		return -EMSGSIZE;
	tx->pending = need;
	/* Store before the load of the read index; partner: hvw_rx_release. */
	hvw_store32_full(&tx->control->pending_send_size, need);
	return hvw_tx_refresh(tx, need);
}

/* Look how far the producer has come. */
int hvw_rx_refresh(struct hvw_rx *rx)
{
	uint32_t write = hvw_load32_acquire(&rx->control->write_index);
	uint32_t filled;

	if (!index_valid(write, rx->size))
		return -EPROTO;
	filled = distance(rx->read, write, rx->size);
	if (!filled)
		return -EAGAIN;
	/* The producer may fill up to what we published as read, but never completely, and not beyond. */
	if (filled >= rx->size - distance(rx->published, rx->read, rx->size))
		return -EPROTO;
	rx->filled = filled;
	return 0;
}

bool hvw_rx_owes_signal(struct hvw_rx *rx, uint32_t released, uint32_t pending)
{
	uint32_t write = hvw_load32(&rx->control->write_index);
	uint32_t room_now, room_before;

	/* A broken index shows up at the next hvw_rx_refresh; a surplus signal harms nobody. */
	if (!index_valid(write, rx->size))
		return true;
	room_now = rx->size - distance(rx->published, write, rx->size);
	room_before = room_now > released ? room_now - released : 0;
	/* Equality is not enough room, because a ring must not become full. */
	return room_before <= pending && room_now > pending;
}
