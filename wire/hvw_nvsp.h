/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * NVSP messages: one check in front of every handler, and names for people.
 *
 * To send one: hvw_nvsp_init(), fill its member of `u`, send hvw_nvsp_bytes() of u.bytes.
 */
#ifndef WIRE_HVW_NVSP_H
#define WIRE_HVW_NVSP_H

#include <stdbool.h>

#include "hvp_nvsp.h"
#include "hvw_error.h"

/* The longest form that anybody sends: an indirection table, for which old hosts count with longer messages. */
#define HVW_NVSP_MAX 128

/* Any message, in private memory. */
struct hvw_nvsp {
	uint32_t len; /* bytes: as many as were given, at most HVW_NVSP_MAX */
	union {
		struct hvp_nvsp_header h;
#define HVW_NVSP_MEMBER(number, name, type, least, direction, version) struct hvp_nvsp_##type name;
		HVP_NVSP_LIST(HVW_NVSP_MEMBER)
#undef HVW_NVSP_MEMBER
		uint8_t bytes[HVW_NVSP_MAX];
	} u;
};

/*
 * Copy a message to `msg` and check that its sender may send it (`direction`: HVP_NVSP_TO_*), that `version` has it, and
 * its length. `version` 0: none is agreed on, only INIT and its completion pass. `bytes` is private memory; fields behind
 * the end are zero, and what is behind HVW_NVSP_MAX is ignored. -EPROTO.
 */
int hvw_nvsp_parse(struct hvw_nvsp *msg, const void *bytes, size_t len, unsigned direction,
		   uint32_t version) HVW_MUST_CHECK;

/* All zeros but the type. */
void hvw_nvsp_init(struct hvw_nvsp *msg, uint32_t type);

/* What a message of that version takes on the ring; an unknown version's counts as the oldest. */
uint32_t hvw_nvsp_bytes(uint32_t version);

/* True: it is one of HVP_NVSP_VERSION_LIST. */
bool hvw_nvsp_version_known(uint32_t version);

/* "6.1", …; "none" for an unknown version. */
const char *hvw_nvsp_version_name(uint32_t version);

/* "SEND_NDIS_VERSION", …; "UNKNOWN" for an unknown type. Of those with the same number: the request. */
const char *hvw_nvsp_name(uint32_t type);

/*
 * The table of a SEND_INDIRECTION_TABLE that was parsed at `version`; the entries themselves are not checked.
 * -EPROTO: another number of entries, or not inside the message.
 */
int hvw_nvsp_indirection(const struct hvw_nvsp *msg, uint32_t version,
			 uint32_t table[HVP_NVSP_INDIRECTION_ENTRIES]) HVW_MUST_CHECK;

/* The same to send; sets msg->len to what it takes. */
void hvw_nvsp_indirection_build(struct hvw_nvsp *msg,
				const uint32_t table[HVP_NVSP_INDIRECTION_ENTRIES]);

/*
 * Guest: the receive buffer's section. -EPROTO: not exactly one, not at the beginning of the buffer, of a size below
 * `size_min`, or larger than the buffer's `buffer_bytes`.
 */
int hvw_nvsp_recv_section(const struct hvw_nvsp *msg, uint32_t size_min, uint32_t buffer_bytes,
			  struct hvp_nvsp_recv_section *section) HVW_MUST_CHECK;

#endif
