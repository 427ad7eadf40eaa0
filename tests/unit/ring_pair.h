/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A ring in a block of memory of exactly its size, with both halves on it, and the raw view of what the
 * peer of each half can see and change.
 */
#ifndef TESTS_UNIT_RING_PAIR_H
#define TESTS_UNIT_RING_PAIR_H

#include <stdlib.h>
#include <string.h>

#include "hvw_ring.h"

struct ring_pair {
	struct hvp_ring_control *control; /* start of the block */
	uint8_t *data;
	uint32_t size; /* of the data */
	size_t bytes; /* of the block */
	struct hvw_tx tx;
	struct hvw_rx rx;
};

/* An empty ring whose indices both stand at `start`; the data is filled with 0xa5. */
static inline void ring_pair_make(struct ring_pair *r, unsigned pages, uint32_t start)
{
	r->bytes = (size_t)pages * HVP_PAGE_SIZE;
	r->size = (uint32_t)r->bytes - HVP_PAGE_SIZE;
	r->control = aligned_alloc(HVP_PAGE_SIZE, r->bytes);
	if (!r->control)
		abort();
	r->data = (uint8_t *)r->control + HVP_PAGE_SIZE;
	memset(r->control, 0, HVP_PAGE_SIZE);
	memset(r->data, 0xa5, r->size);
	r->control->write_index = start;
	r->control->read_index = start;
	if (hvw_tx_init(&r->tx, r->control, r->bytes) || hvw_rx_init(&r->rx, r->control, r->bytes))
		abort();
}

static inline void ring_pair_free(struct ring_pair *r)
{
	free(r->control);
}

/* Eight bytes of the data, at a position that may have run past its end. */
static inline uint64_t ring_pair_word(const struct ring_pair *r, uint32_t position)
{
	uint64_t word;

	memcpy(&word, r->data + position % r->size, sizeof(word));
	return word;
}

/* Writes a descriptor as a hostile producer could, and shows `bytes` of ring to the consumer. */
static inline void ring_pair_forge(struct ring_pair *r, uint16_t type, uint16_t offset8,
				   uint16_t length8, uint32_t bytes)
{
	struct hvp_packet h = { type, offset8, length8, 0, 0x1122334455667788u };
	uint8_t raw[sizeof(h)];
	uint32_t start = r->control->write_index;

	memcpy(raw, &h, sizeof(raw));
	for (uint32_t i = 0; i < sizeof(raw); i++)
		r->data[(start + i) % r->size] = raw[i];
	r->control->write_index = (start + bytes) % r->size;
}

#endif
