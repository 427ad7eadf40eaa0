/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * VMBus control messages: one check in front of every handler, and names for people.
 */
#ifndef WIRE_HVW_MSG_H
#define WIRE_HVW_MSG_H

#include "hvp_hv.h"
#include "hvp_vmbus.h"
#include "hvw_error.h"

/* Any message, in private memory; `len` says how much of it the sender gave. */
struct hvw_msg {
	uint32_t len; /* bytes; at least what the type needs */
	union {
		struct hvp_msg_header h;
#define HVW_MSG_MEMBER(number, name, type, least, direction, version) struct hvp_msg_##type name;
		HVP_MSG_LIST(HVW_MSG_MEMBER)
#undef HVW_MSG_MEMBER
		uint8_t bytes[HVP_MESSAGE_PAYLOAD_MAX];
	} u;
};

/*
 * Copy a message to `msg` and check type, direction and length. `bytes` is private memory. Fields
 * behind the end are zero. -EPROTO: not a known message of that direction, or too short.
 */
int hvw_msg_parse(struct hvw_msg *msg, const void *bytes, size_t len, enum hvp_direction direction) HVW_MUST_CHECK;

/* The version that brought the message; 0 for an unknown type. */
uint32_t hvw_msg_since(uint32_t type);

/* "OFFER_CHANNEL", …; "UNKNOWN" for an unknown type. */
const char *hvw_msg_name(uint32_t type);

/* Bytes of the message's least form; 0 for an unknown type. */
uint32_t hvw_msg_least(uint32_t type);

#endif
