/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Messages of the storage protocol as either end takes them, and the command, sense data or UNMAP list in them. The
 * input: one byte that chooses sender (bit 0: the guest), version (bits 1 to 3) or, with bit 7, an UNMAP list and, with
 * bit 6, sense data; then the bytes of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz_target.h"
#include "hvw_scsi.h"
#include "hvw_storvsp.h"

static unsigned accepted[HVP_STORVSP_END], commands, lists, senses;

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void take_list(const uint8_t *bytes, size_t len)
{
	struct hvw_unmap_iter iter;
	struct hvw_unmap unmap;
	size_t steps = 0;

	if (hvw_unmap_iter_init(&iter, bytes, len))
		return;
	lists++;
	while (!hvw_unmap_iter_next(&iter, &unmap))
		check(++steps <=
		      (len - sizeof(struct hvp_unmap_list)) / sizeof(struct hvp_unmap_descriptor));
}

static void take_sense(const uint8_t *bytes, size_t len)
{
	uint8_t key;
	uint16_t asc;

	if (hvw_sense_parse(bytes, len, &key, &asc))
		return;
	senses++;
	check(key < 16);
}

/* A command that is read, written and read again is the same. */
static void take_command(const uint8_t *bytes, size_t len)
{
	struct hvw_cdb cdb, again;
	uint8_t built[HVP_CDB_BYTES];

	if (hvw_cdb_parse(&cdb, bytes, len))
		return;
	commands++;
	hvw_cdb_build(built, &cdb);
	check(!hvw_cdb_parse(&again, built, hvw_cdb_bytes(cdb.op)));
	check(again.op == cdb.op && again.flags == cdb.flags && again.lba == cdb.lba &&
	      again.length == cdb.length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint32_t versions[8] = { 0,
					      HVP_STORVSP_2_0,
					      HVP_STORVSP_4_2,
					      HVP_STORVSP_5_1,
					      HVP_STORVSP_6_0,
					      HVP_STORVSP_6_2,
					      0xffffffff,
					      1 };
	struct hvw_storvsp msg;
	unsigned direction;

	if (!len)
		return 0;
	if (data[0] & 0x80) {
		take_list(data + 1, len - 1);
		return 0;
	}
	if (data[0] & 0x40) {
		take_sense(data + 1, len - 1);
		return 0;
	}
	direction = data[0] & 1 ? HVP_STORVSP_TO_HOST : HVP_STORVSP_TO_GUEST;
	if (hvw_storvsp_parse(&msg, data + 1, len - 1, direction, versions[data[0] >> 1 & 7]))
		return 0;
	check(msg.len <= len - 1 && msg.len <= HVP_STORVSP_BYTES);
	check(!memcmp(msg.u.bytes, data + 1, msg.len));
	check(msg.u.h.operation < HVP_STORVSP_END);
	accepted[msg.u.h.operation]++;
	if (msg.u.h.operation == HVP_STORVSP_EXECUTE_SRB) {
		check(msg.u.srb.cdb_length && msg.u.srb.cdb_length <= HVP_CDB_BYTES);
		take_command(msg.u.srb.cdb, msg.u.srb.cdb_length);
	}
	return 0;
}

int fuzz_corpus_complete(void)
{
	int missing = !commands + !lists + !senses;

	if (missing)
		printf("# commands %u, UNMAP lists %u, sense data %u\n", commands, lists, senses);
#define CHECK_ACCEPTED(number, name, type, least, direction, version)                              \
	if (!accepted[number]) {                                                                   \
		printf("# never accepted: " #name "\n");                                           \
		missing++;                                                                         \
	}
	HVP_STORVSP_LIST(CHECK_ACCEPTED)
#undef CHECK_ACCEPTED
	return missing;
}
