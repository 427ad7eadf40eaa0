/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Lists of guest memory ranges, as GPADL messages and GPA-direct packets carry them: walked in a
 * private copy, each range checked before the caller sees it.
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

#endif
