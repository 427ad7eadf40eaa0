/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Control messages: hvw_msg_parse() for both directions, then the ranges of a GPADL header. The input is
 * one message.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz_target.h"
#include "hvw_msg.h"
#include "hvw_pkt.h"

static unsigned accepted[HVP_MSG_END];

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void walk_ranges(const struct hvw_msg *msg)
{
	size_t fixed = sizeof(msg->u.GPADL_HEADER);
	struct hvw_gpa_iter iter;
	struct hvw_gpa_range range;
	unsigned ranges = 0;

	hvw_gpa_iter_init(&iter, msg->u.bytes + fixed, msg->len - fixed,
			  msg->u.GPADL_HEADER.range_count);
	while (!hvw_gpa_iter_next(&iter, &range)) {
		ranges++;
		for (uint32_t page = 0; page < range.page_count; page++)
			(void)hvw_gpa_page(&range, page);
	}
	check(ranges <= msg->u.GPADL_HEADER.range_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const enum hvp_direction directions[] = { HVP_TO_GUEST, HVP_TO_HOST };
	unsigned parsed = 0;

	for (unsigned i = 0; i < 2; i++) {
		struct hvw_msg msg;

		memset(&msg, 0xa5, sizeof(msg));
		if (hvw_msg_parse(&msg, data, len, directions[i])) {
			check(msg.len == 0xa5a5a5a5);
			continue;
		}
		parsed++;
		check(msg.u.h.type < HVP_MSG_END && msg.len == len);
		check(len >= hvw_msg_least(msg.u.h.type) && len <= HVP_MESSAGE_PAYLOAD_MAX);
		check(strcmp(hvw_msg_name(msg.u.h.type), "UNKNOWN") != 0);
		check(hvw_msg_since(msg.u.h.type) >= HVP_VERSION_2_4);
		check(memcmp(msg.u.bytes, data, len) == 0);
		for (size_t at = len; at < sizeof(msg.u.bytes); at++)
			check(msg.u.bytes[at] == 0);
		accepted[msg.u.h.type]++;
		if (msg.u.h.type == HVP_MSG_GPADL_HEADER)
			walk_ranges(&msg);
	}
	check(parsed <= 1);
	return 0;
}

int fuzz_corpus_complete(void)
{
	int missing = 0;

#define CHECK_ACCEPTED(number, name, type, least, direction, version)                              \
	if (!accepted[number]) {                                                                   \
		printf("# never accepted: " #name "\n");                                           \
		missing++;                                                                         \
	}
	HVP_MSG_LIST(CHECK_ACCEPTED)
#undef CHECK_ACCEPTED
	return missing;
}
