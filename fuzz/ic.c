/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Integration service messages, taken by a guest (as a request) and by a host (as an answer). The input
 * is a packet's payload: pipe header, IC header, body.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz_target.h"
#include "hvw_ic.h"

static const struct hvp_ic_version framework_up[] = { { 1, 0 }, { 3, 0 } };
static const struct hvp_ic_version message_up[] = { { 1, 0 }, { 3, 0 }, { 3, 1 }, { 3, 2 } };
static const struct hvp_ic_version framework_down[] = { { 3, 0 }, { 1, 0 } };
static const struct hvp_ic_version message_down[] = { { 3, 2 }, { 3, 1 }, { 3, 0 }, { 1, 0 } };

#define TYPES 16
static unsigned parsed[TYPES], chosen, none_in_common, accepted_choice;

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* The whole body can be read, and not a byte more. */
static void read_body(const struct hvw_ic *ic)
{
	uint8_t *body = malloc((size_t)ic->h.size + 1);

	if (!body)
		return;
	check(hvw_ic_read(ic, 0, body, ic->h.size) == 0);
	check(memcmp(body, ic->body, ic->h.size) == 0);
	check(hvw_ic_read(ic, 0, body, (size_t)ic->h.size + 1) == -EPROTO);
	check(hvw_ic_read(ic, ic->h.size, body, 1) == -EPROTO);
	free(body);
}

/* What was parsed can be built again, and parses to the same. */
static void rebuild(const struct hvw_ic *ic)
{
	uint8_t *bytes = malloc(HVW_IC_HEADERS + (size_t)ic->h.size);
	struct hvw_ic again;

	if (!bytes)
		return;
	check(hvw_ic_build(bytes, &ic->h) == HVW_IC_HEADERS + (size_t)ic->h.size);
	memcpy(bytes + HVW_IC_HEADERS, ic->body, ic->h.size);
	check(hvw_ic_parse(&again, bytes, HVW_IC_HEADERS + (size_t)ic->h.size) == 0);
	check(memcmp(&again.h, &ic->h, sizeof(again.h)) == 0);
	check(memcmp(again.body, ic->body, ic->h.size) == 0);
	free(bytes);
}

/* A guest's answer to this request must be one that its host accepts. */
static void answer(const struct hvw_ic *ic)
{
	struct hvp_ic_version framework, message, framework_seen, message_seen;
	uint8_t bytes[HVW_IC_CHOICE];
	struct hvw_ic reply;
	int err = hvw_ic_choose(ic, framework_down, 2, message_down, 4, &framework, &message);

	if (err) {
		check(err == -EPROTO || err == -EOPNOTSUPP);
		none_in_common += err == -EOPNOTSUPP;
		check(hvw_ic_build_choice(bytes, &ic->h, NULL, NULL) == sizeof(bytes));
	} else {
		chosen++;
		check(hvw_ic_build_choice(bytes, &ic->h, &framework, &message) == sizeof(bytes));
	}
	check(hvw_ic_parse(&reply, bytes, sizeof(bytes)) == 0);
	check(reply.h.type == ic->h.type && reply.h.transaction_id == ic->h.transaction_id);
	check(hvw_ic_parse_choice(&reply, framework_up, 2, message_up, 4, &framework_seen,
				  &message_seen) == (err ? -EOPNOTSUPP : 0));
	if (!err)
		check(!memcmp(&framework_seen, &framework, sizeof(framework)) &&
		      !memcmp(&message_seen, &message, sizeof(message)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct hvp_ic_version framework, message;
	struct hvw_ic ic;

	if (hvw_ic_parse(&ic, data, len))
		return 0;
	check(HVW_IC_HEADERS + (size_t)ic.h.size <= len);
	if (ic.h.type < TYPES)
		parsed[ic.h.type]++;
	read_body(&ic);
	rebuild(&ic);
	answer(&ic);
	if (hvw_ic_parse_choice(&ic, framework_up, 2, message_up, 4, &framework, &message) == 0) {
		accepted_choice++;
		check(framework.major == 1 || framework.major == 3);
		check(message.major == 1 || message.major == 3);
	}
	return 0;
}

int fuzz_corpus_complete(void)
{
	int missing = !chosen + !none_in_common + !accepted_choice;

	if (missing)
		printf("# chosen %u, none in common %u, choice accepted %u\n", chosen,
		       none_in_common, accepted_choice);
#define CHECK_PARSED(number, name)                                                                 \
	if (!parsed[number]) {                                                                     \
		printf("# never parsed: " #name "\n");                                             \
		missing++;                                                                         \
	}
	HVP_IC_TYPE_LIST(CHECK_PARSED)
#undef CHECK_PARSED
	return missing;
}
