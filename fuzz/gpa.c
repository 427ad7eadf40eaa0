/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Lists of guest memory ranges. The input is a GPA_DIRECT packet from its 17th byte on: struct
 * hvp_gpa_direct, then the ranges.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz_target.h"
#include "hvw_pkt.h"

static unsigned complete, broken, many_ranges, many_pages;

static void check(bool ok)
{
	if (!ok)
		abort();
}

static uint64_t check_range(const struct hvw_gpa_range *range)
{
	uint64_t end = (uint64_t)range->byte_offset + range->byte_count, sum = 0;

	check(range->byte_count && range->byte_offset < HVP_PAGE_SIZE && range->page_count);
	check(((uint64_t)range->page_count - 1) * HVP_PAGE_SIZE < end);
	check((uint64_t)range->page_count * HVP_PAGE_SIZE >= end);
	for (uint32_t page = 0; page < range->page_count; page++)
		sum += hvw_gpa_page(range, page);
	many_pages += range->page_count > 1;
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct hvp_gpa_direct direct;
	struct hvw_gpa_iter iter;
	struct hvw_gpa_range range;
	size_t left;
	uint32_t ranges = 0;
	int err;

	if (len < sizeof(direct))
		return 0;
	memcpy(&direct, data, sizeof(direct));
	hvw_gpa_iter_init(&iter, data + sizeof(direct), len - sizeof(direct), direct.range_count);
	for (;;) {
		left = iter.left;
		err = hvw_gpa_iter_next(&iter, &range);
		if (err)
			break;
		/* Progress, and by exactly what the range takes */
		check(left - iter.left == 8 + 8 * (size_t)range.page_count);
		check_range(&range);
		ranges++;
	}
	check(err == -EPROTO ? ranges < direct.range_count :
			       err == -EAGAIN && ranges == direct.range_count);
	complete += err == -EAGAIN && ranges;
	broken += err == -EPROTO;
	many_ranges += ranges > 1;
	return 0;
}

int fuzz_corpus_complete(void)
{
	if (!complete)
		printf("# no list was walked to its end\n");
	if (!broken)
		printf("# no list was refused\n");
	if (!many_ranges)
		printf("# no list had several ranges\n");
	if (!many_pages)
		printf("# no range had several pages\n");
	return !complete + !broken + !many_ranges + !many_pages;
}
