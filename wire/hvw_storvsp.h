/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Messages of the storage protocol: one check in front of every handler, and names for people.
 */
#ifndef WIRE_HVW_STORVSP_H
#define WIRE_HVW_STORVSP_H

#include <stdbool.h>

#include "hvp_storvsp.h"
#include "hvw_error.h"

/* Any message, in private memory. */
struct hvw_storvsp {
	uint32_t len; /* bytes: as many as were given, at most HVP_STORVSP_BYTES */
	union {
		struct hvp_storvsp_header h;
		struct hvp_storvsp_srb srb;
		struct hvp_storvsp_query_version query_version;
		struct hvp_storvsp_properties properties;
		struct hvp_storvsp_fibre fibre;
		struct hvp_storvsp_sub_channels sub_channels;
		uint8_t bytes[HVP_STORVSP_BYTES];
	} u;
};

/*
 * Copy a message to `msg` and check that its sender may send it (`direction`: HVP_STORVSP_TO_*), that `version` has it, its
 * length, and of a command the length of that. `version` 0: none is agreed on. `bytes` is private memory; fields behind the
 * end are zero, and what is behind HVP_STORVSP_BYTES is ignored. -EPROTO; -EOPNOTSUPP: of that length, but unknown or
 * not of this version, and can be answered so (msg is filled).
 */
int hvw_storvsp_parse(struct hvw_storvsp *msg, const void *bytes, size_t len, unsigned direction,
		      uint32_t version) HVW_MUST_CHECK;

/* All zeros but the operation. */
void hvw_storvsp_init(struct hvw_storvsp *msg, uint32_t operation);

/* What a message of that version takes; an unknown version's counts as the oldest. */
uint32_t hvw_storvsp_bytes(uint32_t version);

/* True: it is one of HVP_STORVSP_VERSION_LIST. */
bool hvw_storvsp_version_known(uint32_t version);

/* "6.2", …; "none" for an unknown version. */
const char *hvw_storvsp_version_name(uint32_t version);

#endif
