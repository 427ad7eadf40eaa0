/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "hvw_pkt.h"
#include "tap.h"

/* A list of ranges under construction; page numbers count up from 100. */
struct list {
	uint8_t *bytes;
	size_t len;
	uint64_t next_page;
};

static void list_add(struct list *list, uint32_t byte_count, uint32_t byte_offset, unsigned pages)
{
	struct hvp_gpa_range range = { byte_count, byte_offset };
	size_t len = sizeof(range) + pages * sizeof(uint64_t);

	list->bytes = realloc(list->bytes, list->len + len);
	memcpy(list->bytes + list->len, &range, sizeof(range));
	list->len += sizeof(range);
	for (unsigned i = 0; i < pages; i++, list->len += sizeof(uint64_t)) {
		uint64_t page = 100 + list->next_page++;

		memcpy(list->bytes + list->len, &page, sizeof(page));
	}
}

/* What the first step over one range says. The range stands at the very end of its block of memory. */
static int first_step(uint32_t byte_count, uint32_t byte_offset, unsigned pages,
		      struct hvw_gpa_range *range)
{
	struct list list = { NULL, 0, 0 };
	struct hvw_gpa_iter iter;
	int err;

	list_add(&list, byte_count, byte_offset, pages);
	hvw_gpa_iter_init(&iter, list.bytes, list.len, 1);
	err = hvw_gpa_iter_next(&iter, range);
	free(list.bytes);
	return err;
}

TAP_TEST(page_count_covers_offset_and_length)
{
	static const struct {
		uint32_t byte_count, byte_offset, pages;
	} cases[] = {
		{ 1, 0, 1 },	   { 1, 4095, 1 },	     { 2, 4095, 2 },	{ 4096, 0, 1 },
		{ 4097, 0, 2 },	   { 4096, 1, 2 },	     { 4095, 1, 1 },	{ 8192, 0, 2 },
		{ 8192, 4095, 3 }, { 8190 * 4096, 0, 8190 }, { 4098, 4095, 3 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hvw_gpa_range range;

		TAP_EQ(first_step(cases[i].byte_count, cases[i].byte_offset, cases[i].pages, &range),
		       0);
		TAP_EQ(range.page_count, cases[i].pages);
		TAP_EQ(range.byte_count, cases[i].byte_count);
		TAP_EQ(range.byte_offset, cases[i].byte_offset);
		TAP_EQ(first_step(cases[i].byte_count, cases[i].byte_offset, cases[i].pages - 1,
				  &range),
		       -EPROTO);
	}
}

TAP_TEST(an_empty_range_is_refused)
{
	struct hvw_gpa_range range;

	TAP_EQ(first_step(0, 0, 1, &range), -EPROTO);
	TAP_EQ(first_step(0, 1, 1, &range), -EPROTO);
}

TAP_TEST(an_offset_behind_the_first_page_is_refused)
{
	struct hvw_gpa_range range;

	TAP_EQ(first_step(1, 4096, 2, &range), -EPROTO);
	TAP_EQ(first_step(1, 0xffffffff, 2, &range), -EPROTO);
}

TAP_TEST(lengths_near_4_gib_do_not_wrap)
{
	struct hvw_gpa_range range;

	TAP_EQ(first_step(0xffffffff, 4095, 1, &range), -EPROTO);
	TAP_EQ(first_step(0xfffff002, 4095, 1, &range), -EPROTO);
	TAP_EQ(first_step(0xffffffff, 0, 0, &range), -EPROTO);
}

TAP_TEST(the_largest_range_has_all_its_pages)
{
	/* 4095 + 0xffffffff bytes: one page more than 4 GiB. */
	struct hvw_gpa_range range;

	TAP_EQ(first_step(0xffffffff, 4095, 0x100001, &range), 0);
	TAP_EQ(range.page_count, 0x100001);
	TAP_EQ(first_step(0xffffffff, 4095, 0x100000, &range), -EPROTO);
}

TAP_TEST(a_list_cut_at_any_byte_ends_with_an_error)
{
	struct list list = { NULL, 0, 0 };
	size_t whole;

	list_add(&list, 5000, 100, 2);
	list_add(&list, 1, 0, 1);
	list_add(&list, 12288, 0, 3);
	whole = list.len;
	for (size_t len = 0; len <= whole; len++) {
		uint8_t *exact = malloc(len ? len : 1);
		struct hvw_gpa_iter iter;
		struct hvw_gpa_range range;
		unsigned ranges = 0;
		int err;

		memcpy(exact, list.bytes, len);
		hvw_gpa_iter_init(&iter, exact, len, 3);
		while ((err = hvw_gpa_iter_next(&iter, &range)) == 0)
			ranges++;
		TAP_EQ(err, len == whole ? -EAGAIN : -EPROTO);
		TAP_EQ(ranges, (len >= 24) + (len >= 40) + (len >= 72));
		free(exact);
	}
	free(list.bytes);
}

TAP_TEST(ranges_of_different_sizes_are_walked_in_order)
{
	struct list list = { NULL, 0, 0 };
	struct hvw_gpa_iter iter;
	struct hvw_gpa_range range;
	uint64_t expected = 100;

	for (unsigned i = 1; i <= 40; i++)
		list_add(&list, i * 1000, i * 97, (i * 1000 + i * 97 + 4095) / 4096);
	hvw_gpa_iter_init(&iter, list.bytes, list.len, 40);
	for (unsigned i = 1; i <= 40; i++) {
		TAP_REQUIRE(hvw_gpa_iter_next(&iter, &range) == 0);
		TAP_EQ(range.byte_count, i * 1000);
		TAP_EQ(range.byte_offset, i * 97);
		for (uint32_t page = 0; page < range.page_count; page++)
			TAP_EQ(hvw_gpa_page(&range, page), expected++);
	}
	TAP_EQ(hvw_gpa_iter_next(&iter, &range), -EAGAIN);
	TAP_EQ(iter.left, 0);
	free(list.bytes);
}

TAP_TEST(bytes_behind_the_claimed_ranges_are_ignored)
{
	struct list list = { NULL, 0, 0 };
	struct hvw_gpa_iter iter;
	struct hvw_gpa_range range;

	list_add(&list, 1, 0, 1);
	list_add(&list, 0, 0, 0); /* would be an error */
	hvw_gpa_iter_init(&iter, list.bytes, list.len, 1);
	TAP_EQ(hvw_gpa_iter_next(&iter, &range), 0);
	TAP_EQ(hvw_gpa_iter_next(&iter, &range), -EAGAIN);
	TAP_EQ(hvw_gpa_iter_next(&iter, &range), -EAGAIN);
	free(list.bytes);
}

TAP_TEST(no_ranges_claimed_means_none_read)
{
	struct hvw_gpa_iter iter;
	struct hvw_gpa_range range;

	hvw_gpa_iter_init(&iter, NULL, 0, 0);
	TAP_EQ(hvw_gpa_iter_next(&iter, &range), -EAGAIN);
}

TAP_TEST(a_claim_of_four_billion_ranges_ends_where_the_bytes_do)
{
	struct list list = { NULL, 0, 0 };
	struct hvw_gpa_iter iter;
	struct hvw_gpa_range range;
	unsigned ranges = 0;
	int err;

	list_add(&list, 1, 0, 1);
	list_add(&list, 1, 0, 1);
	hvw_gpa_iter_init(&iter, list.bytes, list.len, UINT32_MAX);
	while ((err = hvw_gpa_iter_next(&iter, &range)) == 0)
		ranges++;
	TAP_EQ(err, -EPROTO);
	TAP_EQ(ranges, 2);
	free(list.bytes);
}

TAP_TEST(a_refused_range_stays_refused_and_leaves_the_result_alone)
{
	struct list list = { NULL, 0, 0 };
	struct hvw_gpa_iter iter;
	struct hvw_gpa_range range, before;

	memset(&range, 0x5a, sizeof(range));
	before = range;
	list_add(&list, 8192, 0, 1);
	hvw_gpa_iter_init(&iter, list.bytes, list.len, 1);
	TAP_EQ(hvw_gpa_iter_next(&iter, &range), -EPROTO);
	TAP_EQ(hvw_gpa_iter_next(&iter, &range), -EPROTO);
	TAP_MEM_EQ(&range, &before, sizeof(range));
	free(list.bytes);
}

TAP_TEST(lists_may_stand_at_any_address)
{
	struct list list = { NULL, 0, 0 };

	list_add(&list, 5000, 0, 2);
	for (size_t shift = 0; shift < 8; shift++) {
		uint8_t *exact = malloc(shift + list.len);
		struct hvw_gpa_iter iter;
		struct hvw_gpa_range range;

		memcpy(exact + shift, list.bytes, list.len);
		hvw_gpa_iter_init(&iter, exact + shift, list.len, 1);
		TAP_EQ(hvw_gpa_iter_next(&iter, &range), 0);
		TAP_EQ(range.byte_count, 5000);
		TAP_EQ(hvw_gpa_page(&range, 0), 100);
		TAP_EQ(hvw_gpa_page(&range, 1), 101);
		free(exact);
	}
	free(list.bytes);
}

TAP_TEST(a_list_that_is_written_is_read_back)
{
	const uint64_t pages[] = { 7, 9, 1ull << 40 };
	uint8_t bytes[8 + 8 + 16 + 8 + 8];
	struct hvw_gpa_writer writer;
	struct hvw_gpa_iter iter;
	struct hvw_gpa_range range;
	struct hvp_gpa_direct header;

	TAP_EQ(hvw_gpa_writer_init(&writer, bytes, 7), -EMSGSIZE);
	TAP_REQUIRE(hvw_gpa_writer_init(&writer, bytes, sizeof(bytes)) == 0);
	TAP_EQ(hvw_gpa_writer_add(&writer, pages, 0, 0), -EINVAL);
	TAP_EQ(hvw_gpa_writer_add(&writer, pages, 4096, 1), -EINVAL);
	TAP_EQ(hvw_gpa_writer_add(&writer, pages, 4095, 2), 0);
	TAP_EQ(hvw_gpa_writer_add(&writer, pages, 0, 4097), -EMSGSIZE);
	TAP_EQ(hvw_gpa_writer_add(&writer, pages + 2, 5, 4091), 0);
	TAP_EQ(hvw_gpa_writer_add(&writer, pages, 0, 1), -EMSGSIZE);
	TAP_EQ(hvw_gpa_writer_finish(&writer), sizeof(bytes));
	memcpy(&header, bytes, sizeof(header));
	TAP_EQ(header.reserved, 0);
	TAP_EQ(header.range_count, 2);
	hvw_gpa_iter_init(&iter, bytes + 8, sizeof(bytes) - 8, header.range_count);
	TAP_REQUIRE(hvw_gpa_iter_next(&iter, &range) == 0);
	TAP_EQ(range.byte_offset, 4095);
	TAP_EQ(range.page_count, 2);
	TAP_EQ(hvw_gpa_page(&range, 1), 9);
	TAP_REQUIRE(hvw_gpa_iter_next(&iter, &range) == 0);
	TAP_EQ(range.byte_count, 4091);
	TAP_EQ(hvw_gpa_page(&range, 0), 1ull << 40);
	TAP_EQ(hvw_gpa_iter_next(&iter, &range), -EAGAIN);
}

TAP_TEST(page_numbers_may_be_filled_in_later)
{
	_Alignas(8) uint8_t bytes[8 + 8 + 16];
	struct hvw_gpa_writer writer;
	struct hvw_gpa_iter iter;
	struct hvw_gpa_range range;
	uint32_t count = 0;
	uint64_t *pages;

	TAP_REQUIRE(hvw_gpa_writer_init(&writer, bytes, sizeof(bytes)) == 0);
	TAP_CHECK(!hvw_gpa_writer_range(&writer, 0, 0, &count));
	TAP_CHECK(!hvw_gpa_writer_range(&writer, 4096, 1, &count));
	TAP_CHECK(!hvw_gpa_writer_range(&writer, 1, 8192, &count));
	pages = hvw_gpa_writer_range(&writer, 4095, 4097, &count);
	TAP_REQUIRE(pages && count == 2);
	pages[0] = 7;
	pages[1] = 1ull << 40;
	TAP_CHECK(!hvw_gpa_writer_range(&writer, 0, 1, &count));
	TAP_EQ(hvw_gpa_writer_finish(&writer), sizeof(bytes));
	hvw_gpa_iter_init(&iter, bytes + 8, sizeof(bytes) - 8, 1);
	TAP_REQUIRE(hvw_gpa_iter_next(&iter, &range) == 0);
	TAP_EQ(range.byte_offset, 4095);
	TAP_EQ(range.byte_count, 4097);
	TAP_EQ(hvw_gpa_page(&range, 0), 7);
	TAP_EQ(hvw_gpa_page(&range, 1), 1ull << 40);
}

/* The first step over one transfer range of a buffer of 10,000 bytes, at most 1,600 of them at a time. */
static int first_transfer(uint32_t byte_count, uint32_t byte_offset)
{
	uint8_t *bytes = malloc(hvw_transfer_header(1));
	struct hvw_transfer_writer writer;
	struct hvw_transfer_iter iter;
	struct hvp_transfer_range range;
	uint16_t set_id = 0;
	int err;

	hvw_transfer_writer_init(&writer, bytes, 1);
	TAP_EQ(hvw_transfer_writer_add(&writer, byte_offset, byte_count), 0);
	TAP_EQ(hvw_transfer_writer_add(&writer, byte_offset, byte_count), -EMSGSIZE);
	TAP_EQ(hvw_transfer_writer_finish(&writer, 0xcafe), 16);
	TAP_EQ(hvw_transfer_iter_init(&iter, bytes, 16, &set_id), 0);
	TAP_EQ(set_id, 0xcafe);
	err = hvw_transfer_iter_next(&iter, 10000, 1600, &range);
	TAP_EQ(range.byte_count, byte_count);
	TAP_EQ(range.byte_offset, byte_offset);
	TAP_EQ(hvw_transfer_iter_next(&iter, 10000, 1600, &range), -EAGAIN);
	free(bytes);
	return err;
}

TAP_TEST(a_transfer_range_lies_inside_its_buffer)
{
	TAP_EQ(first_transfer(1600, 0), 0);
	TAP_EQ(first_transfer(1601, 0), -EPROTO);
	TAP_EQ(first_transfer(0, 0), -EPROTO);
	TAP_EQ(first_transfer(1600, 8400), 0);
	TAP_EQ(first_transfer(1600, 8401), -EPROTO);
	TAP_EQ(first_transfer(1, 10000), -EPROTO);
	TAP_EQ(first_transfer(1600, 0xffffffff), -EPROTO);
	TAP_EQ(first_transfer(0xffffffff, 1), -EPROTO);
}

TAP_TEST(transfer_ranges_lie_inside_their_header)
{
	static const struct {
		uint32_t ranges;
		size_t len;
		int expected;
	} cases[] = {
		{ 0, 8, 0 },
		{ 0, 7, -EPROTO },
		{ 1, 16, 0 },
		{ 1, 15, -EPROTO },
		{ 2, 31, 0 },
		{ 3, 31, -EPROTO },
		{ 0xffffffff, 31, -EPROTO },
		{ 0x20000001, 16, -EPROTO },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hvp_transfer_pages header = { .range_count = cases[i].ranges };
		uint8_t *bytes = calloc(1, cases[i].len);
		struct hvw_transfer_iter iter;
		uint16_t set_id;

		memcpy(bytes, &header, cases[i].len < 8 ? cases[i].len : 8);
		TAP_EQ(hvw_transfer_iter_init(&iter, bytes, cases[i].len, &set_id),
		       cases[i].expected);
		free(bytes);
	}
}

TAP_MAIN()
