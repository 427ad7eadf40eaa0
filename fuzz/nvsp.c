/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * NVSP messages and transfer-page headers as either end takes them. The input: one byte that chooses sender (bit 0:
 * the guest) and version (bits 1 to 3) or, with bit 7, a transfer-page header; then the bytes of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz_target.h"
#include "hvw_nvsp.h"
#include "hvw_pkt.h"

static unsigned accepted[HVP_NVSP_END][HVP_NVSP_BOTH + 1], tables, sections, transfers;

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void take_transfer(const uint8_t *bytes, size_t len)
{
	struct hvw_transfer_iter iter;
	struct hvp_transfer_range range;
	size_t steps = 0;
	uint16_t set_id;
	int err;

	if (hvw_transfer_iter_init(&iter, bytes, len, &set_id))
		return;
	transfers++;
	while ((err = hvw_transfer_iter_next(&iter, 1u << 20, 2048, &range)) != -EAGAIN) {
		check(++steps <= len / sizeof(range));
		if (!err)
			check(range.byte_count && range.byte_count <= 2048 &&
			      (uint64_t)range.byte_offset + range.byte_count <= 1u << 20);
	}
}

static void take_parts(const struct hvw_nvsp *msg, uint32_t version)
{
	uint32_t table[HVP_NVSP_INDIRECTION_ENTRIES];
	struct hvp_nvsp_recv_section section;

	if (msg->u.h.type == HVP_NVSP_SEND_INDIRECTION_TABLE &&
	    !hvw_nvsp_indirection(msg, version, table))
		tables++;
	if (msg->u.h.type == HVP_NVSP_SEND_RECV_BUF_COMPLETE &&
	    !hvw_nvsp_recv_section(msg, 68, 16u << 20, &section)) {
		sections++;
		check(section.size >= 68 && (uint64_t)section.size * section.count <= 16u << 20);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint32_t versions[8] = { 0,	  HVP_NVSP_1, HVP_NVSP_2,   HVP_NVSP_4,
					      HVP_NVSP_5, HVP_NVSP_6, HVP_NVSP_6_1, 0xffffffff };
	struct hvw_nvsp msg;
	unsigned direction;
	uint32_t version;

	if (!len)
		return 0;
	if (data[0] & 0x80) {
		take_transfer(data + 1, len - 1);
		return 0;
	}
	direction = data[0] & 1 ? HVP_NVSP_TO_HOST : HVP_NVSP_TO_GUEST;
	version = versions[data[0] >> 1 & 7];
	if (hvw_nvsp_parse(&msg, data + 1, len - 1, direction, version))
		return 0;
	check(msg.len <= len - 1 && msg.len <= HVW_NVSP_MAX);
	check(!memcmp(msg.u.bytes, data + 1, msg.len));
	check(msg.u.h.type < HVP_NVSP_END);
	check(strcmp(hvw_nvsp_name(msg.u.h.type), "UNKNOWN") != 0);
	check(!version || strcmp(hvw_nvsp_version_name(version), "none") != 0);
	check(version || msg.u.h.type <= HVP_NVSP_INIT_COMPLETE);
	accepted[msg.u.h.type][direction]++;
	take_parts(&msg, version);
	return 0;
}

int fuzz_corpus_complete(void)
{
	int missing = !tables + !sections + !transfers;

	if (missing)
		printf("# tables %u, sections %u, transfer headers %u\n", tables, sections,
		       transfers);
#define CHECK_ACCEPTED(number, name, type, least, direction, version)                              \
	for (unsigned way = 1; way <= HVP_NVSP_BOTH; way++)                                        \
		if (way != HVP_NVSP_BOTH && ((direction)&way) && !accepted[number][way]) {         \
			printf("# never accepted: " #name " %s\n",                                 \
			       way == HVP_NVSP_TO_HOST ? "to the host" : "to the guest");          \
			missing++;                                                                 \
		}
	HVP_NVSP_LIST(CHECK_ACCEPTED)
#undef CHECK_ACCEPTED
	return missing;
}
