/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Lists of ranges. Those of guest memory, as GPADL messages and GPA-direct packets carry them, and those
 * of a buffer that both ends share, as transfer-page packets do: walked in a private copy, each range
 * checked before the caller sees it; and written.
 */
#ifndef WIRE_HVW_PKT_H
#define WIRE_HVW_PKT_H

#include "hvp_ring.h"
#include "hvw_error.h"

struct hvw_gpa_iter {
	const uint8_t *next;
	size_t left; /* bytes */
	uint32_t ranges_left;
};

/* A range: `page_count` page numbers cover `byte_count` bytes from `byte_offset` of the first page on. */
struct hvw_gpa_range {
	uint32_t byte_count; /* not 0 */
	uint32_t byte_offset; /* below a page */
	uint32_t page_count;
	const uint8_t *pages; /* in the caller's copy, possibly unaligned: hvw_gpa_page() */
};

/* `bytes`: private memory that outlives the walk. `ranges`: how many the sender claims. */
void hvw_gpa_iter_init(struct hvw_gpa_iter *iter, const void *bytes, size_t len, uint32_t ranges);

/* 0 and a range; -EAGAIN behind the last; -EPROTO when a range is empty, misplaced or cut short. */
int hvw_gpa_iter_next(struct hvw_gpa_iter *iter, struct hvw_gpa_range *range) HVW_MUST_CHECK;

/* Page number `index` of a range; the caller keeps it below page_count. */
uint64_t hvw_gpa_page(const struct hvw_gpa_range *range, uint32_t index);

/* The type-specific header of a GPA-direct packet, in the caller's memory. */
struct hvw_gpa_writer {
	uint8_t *bytes;
	size_t size;
	size_t len;
	uint32_t ranges;
};

/* -EMSGSIZE: `size` is too small for any header. */
int hvw_gpa_writer_init(struct hvw_gpa_writer *writer, void *bytes, size_t size) HVW_MUST_CHECK;

/*
 * A range of `byte_count` bytes, `byte_offset` (below a page) behind the start of pages[0]; as many page numbers are
 * taken as it touches. -EMSGSIZE: no room; -EINVAL: no bytes, or no such offset.
 */
int hvw_gpa_writer_add(struct hvw_gpa_writer *writer, const uint64_t *pages, uint32_t byte_offset,
		       uint32_t byte_count) HVW_MUST_CHECK;

/*
 * The same without a list: returns the place of the page numbers, which the caller fills, for as many pages as it touches
 * (*count). As aligned as the writer's memory. NULL: no room, no bytes, or no such offset.
 */
uint64_t *hvw_gpa_writer_range(struct hvw_gpa_writer *writer, uint32_t byte_offset,
			       uint32_t byte_count, uint32_t *count) HVW_MUST_CHECK;

/* Bytes of the whole header, for hvw_tx_put(). */
size_t hvw_gpa_writer_finish(struct hvw_gpa_writer *writer);

/* --- transfer pages -------------------------------------------------------------------------------- */

struct hvw_transfer_iter {
	const uint8_t *next;
	uint32_t ranges_left;
};

/*
 * `bytes`: a private copy of the packet from behind its descriptor to the end of its header, which outlives the walk.
 * -EPROTO: it is shorter than its ranges.
 */
int hvw_transfer_iter_init(struct hvw_transfer_iter *iter, const void *bytes, size_t len,
			   uint16_t *set_id) HVW_MUST_CHECK;

/*
 * 0 and a range; -EAGAIN behind the last; -EPROTO: it is empty, longer than `range_max`, or does not lie
 * inside the `buffer_bytes` of the buffer. The walk goes on after that.
 */
int hvw_transfer_iter_next(struct hvw_transfer_iter *iter, uint32_t buffer_bytes,
			   uint32_t range_max, struct hvp_transfer_range *range) HVW_MUST_CHECK;

/* Bytes of the type-specific header of a transfer-page packet with so many ranges. */
static inline uint32_t hvw_transfer_header(uint32_t ranges)
{
	return (uint32_t)sizeof(struct hvp_transfer_pages) +
	       ranges * (uint32_t)sizeof(struct hvp_transfer_range);
}

/* The same, in the caller's memory. */
struct hvw_transfer_writer {
	uint8_t *bytes;
	uint32_t ranges;
	uint32_t ranges_max;
};

/* `bytes`: hvw_transfer_header(ranges_max) of them. */
void hvw_transfer_writer_init(struct hvw_transfer_writer *writer, void *bytes, uint32_t ranges_max);

/* -EMSGSIZE: there are `ranges_max` already. */
int hvw_transfer_writer_add(struct hvw_transfer_writer *writer, uint32_t byte_offset,
			    uint32_t byte_count) HVW_MUST_CHECK;

/* Bytes of the header, for hvw_tx_put(). */
uint32_t hvw_transfer_writer_finish(struct hvw_transfer_writer *writer, uint16_t set_id);

#endif
