/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "hvw_pkt.h"
#include "hvw_shared.h"

static uint64_t pages_touched(uint32_t byte_offset, uint32_t byte_count)
{
	return ((uint64_t)byte_offset + byte_count + HVP_PAGE_SIZE - 1) >> HVP_PAGE_SHIFT;
}

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
	pages = pages_touched(wire.byte_offset, wire.byte_count);
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

int hvw_gpa_writer_init(struct hvw_gpa_writer *writer, void *bytes, size_t size)
{
	if (size < sizeof(struct hvp_gpa_direct))
		return -EMSGSIZE;
	writer->bytes = bytes;
	writer->size = size;
	writer->len = sizeof(struct hvp_gpa_direct);
	writer->ranges = 0;
	return 0;
}

int hvw_gpa_writer_add(struct hvw_gpa_writer *writer, const uint64_t *pages, uint32_t byte_offset,
		       uint32_t byte_count)
{
	struct hvp_gpa_range range = { byte_count, byte_offset };
	size_t room = writer->size - writer->len, list;

	if (!byte_count || byte_offset >= HVP_PAGE_SIZE)
		return -EINVAL;
	list = (size_t)pages_touched(byte_offset, byte_count) * sizeof(*pages);
	if (room < sizeof(range) || list > room - sizeof(range))
		return -EMSGSIZE;
	hvw_memcpy(writer->bytes + writer->len, &range, sizeof(range));
	hvw_memcpy(writer->bytes + writer->len + sizeof(range), pages, list);
	writer->len += sizeof(range) + list;
	writer->ranges++;
	return 0;
}

uint64_t *hvw_gpa_writer_range(struct hvw_gpa_writer *writer, uint32_t byte_offset,
			       uint32_t byte_count, uint32_t *count)
{
	const struct hvp_gpa_range range = { byte_count, byte_offset };
	const size_t room = writer->size - writer->len;
	uint8_t *at = writer->bytes + writer->len;
	size_t list;

	if (!byte_count || byte_offset >= HVP_PAGE_SIZE)
		return NULL;
	*count = (uint32_t)pages_touched(byte_offset, byte_count);
	list = (size_t)*count * sizeof(uint64_t);
	if (room < sizeof(range) || list > room - sizeof(range))
		return NULL;
	hvw_memcpy(at, &range, sizeof(range));
	writer->len += sizeof(range) + list;
	writer->ranges++;
	return (uint64_t *)(void *)(at + sizeof(range));
}

size_t hvw_gpa_writer_finish(struct hvw_gpa_writer *writer)
{
	struct hvp_gpa_direct header = { 0, writer->ranges };

	hvw_memcpy(writer->bytes, &header, sizeof(header));
	return writer->len;
}

/* --- transfer pages -------------------------------------------------------------------------------- */

int hvw_transfer_iter_init(struct hvw_transfer_iter *iter, const void *bytes, size_t len,
			   uint16_t *set_id)
{
	struct hvp_transfer_pages header;

	if (len < sizeof(header))
		return -EPROTO;
	hvw_memcpy(&header, bytes, sizeof(header));
	if (header.range_count > (len - sizeof(header)) / sizeof(struct hvp_transfer_range))
		return -EPROTO;
	*set_id = header.set_id;
	iter->next = (const uint8_t *)bytes + sizeof(header);
	iter->ranges_left = header.range_count;
	return 0;
}

int hvw_transfer_iter_next(struct hvw_transfer_iter *iter, uint32_t buffer_bytes,
			   uint32_t range_max, struct hvp_transfer_range *range)
{
	if (!iter->ranges_left)
		return -EAGAIN;
	hvw_memcpy(range, iter->next, sizeof(*range));
	iter->next += sizeof(*range);
	iter->ranges_left--;
	if (!range->byte_count || range->byte_count > range_max ||
	    range->byte_offset > buffer_bytes ||
	    range->byte_count > buffer_bytes - range->byte_offset)
		return -EPROTO;
	return 0;
}

void hvw_transfer_writer_init(struct hvw_transfer_writer *writer, void *bytes, uint32_t ranges_max)
{
	writer->bytes = bytes;
	writer->ranges = 0;
	writer->ranges_max = ranges_max;
}

int hvw_transfer_writer_add(struct hvw_transfer_writer *writer, uint32_t byte_offset,
			    uint32_t byte_count)
{
	struct hvp_transfer_range range = { byte_count, byte_offset };

	if (writer->ranges == writer->ranges_max)
		return -EMSGSIZE;
	hvw_memcpy(writer->bytes + hvw_transfer_header(writer->ranges), &range, sizeof(range));
	writer->ranges++;
	return 0;
}

uint32_t hvw_transfer_writer_finish(struct hvw_transfer_writer *writer, uint16_t set_id)
{
	struct hvp_transfer_pages header = { .set_id = set_id, .range_count = writer->ranges };

	hvw_memcpy(writer->bytes, &header, sizeof(header));
	return hvw_transfer_header(writer->ranges);
}
