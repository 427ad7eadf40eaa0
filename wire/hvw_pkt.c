/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "hvw_pkt.h"
#include "hvw_shared.h"

void hvw_gpa_iter_init(struct hvw_gpa_iter *iter, const void *bytes, size_t len, uint32_t ranges)
{
	iter->next = bytes;
	iter->left = len;
	iter->ranges_left = ranges;
}

int hvw_gpa_iter_next(struct hvw_gpa_iter *iter, struct hvw_gpa_range *range)
{
	struct hvp_gpa_range wire;
	uint64_t pages;

	if (!iter->ranges_left)
		return -EAGAIN;
	if (iter->left < sizeof(wire))
		return -EPROTO;
	hvw_memcpy(&wire, iter->next, sizeof(wire));
	if (!wire.byte_count || wire.byte_offset >= HVP_PAGE_SIZE)
		return -EPROTO;
	pages = ((uint64_t)wire.byte_offset + wire.byte_count + HVP_PAGE_SIZE - 1) >> HVP_PAGE_SHIFT;
	if (pages > (iter->left - sizeof(wire)) / sizeof(uint64_t))
		return -EPROTO;

	range->byte_count = wire.byte_count;
	range->byte_offset = wire.byte_offset;
	range->page_count = (uint32_t)pages;
	range->pages = iter->next + sizeof(wire);
	iter->next = range->pages + pages * sizeof(uint64_t);
	iter->left -= sizeof(wire) + (size_t)pages * sizeof(uint64_t);
	iter->ranges_left--;
	return 0;
}

uint64_t hvw_gpa_page(const struct hvw_gpa_range *range, uint32_t index)
{
	uint64_t page;

	hvw_memcpy(&page, range->pages + (size_t)index * sizeof(page), sizeof(page));
	return page;
}
