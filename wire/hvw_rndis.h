/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * RNDIS messages: readers and writers for both ends. Readers work on private memory; what they give points
 * into it.
 */
#ifndef WIRE_HVW_RNDIS_H
#define WIRE_HVW_RNDIS_H

#include <stdbool.h>

#include "hvp_rndis.h"
#include "hvw_error.h"

/* "QUERY", …; "UNKNOWN". */
const char *hvw_rndis_name(uint32_t type);

/* Of an HVP_OID_*: "GEN_LINK_SPEED", …; "UNKNOWN". */
const char *hvw_oid_name(uint32_t oid);

/* --- messages in a stream -------------------------------------------------------------------------- */

/*
 * Check a private copy of a message's header against the `left` bytes that its stream has from there on.
 * -EPROTO: an unknown type, or a length below the type's fixed part or beyond the stream. So whoever goes
 * on by the length advances.
 */
int hvw_rndis_check(const struct hvp_rndis_header *h, uint64_t left) HVW_MUST_CHECK;

/* A stream in private memory. */
struct hvw_rndis_iter {
	const uint8_t *next;
	size_t left;
};

struct hvw_rndis_msg {
	uint32_t type;
	uint32_t len; /* bytes, the type's fixed part or more */
	const uint8_t *bytes; /* of the whole message, possibly unaligned */
};

void hvw_rndis_iter_init(struct hvw_rndis_iter *iter, const void *bytes, size_t len);

/* 0 and a message; -EAGAIN behind the last; -EPROTO, which ends the walk. */
int hvw_rndis_iter_next(struct hvw_rndis_iter *iter, struct hvw_rndis_msg *msg) HVW_MUST_CHECK;

/* --- packets --------------------------------------------------------------------------------------- */

/* Where a PACKET's parts are, from the message's first byte on, all inside it. */
struct hvw_rndis_packet {
	uint32_t len; /* of the message */
	uint32_t data_at;
	uint32_t data_len; /* not 0 */
	uint32_t info_at;
	uint32_t info_len; /* 0: none */
};

/*
 * `h`: a private copy. -EPROTO: as hvw_rndis_check(); not a PACKET; no data; data or information not behind the header
 * or not inside the message; out-of-band data, which nobody uses, or a VC.
 */
int hvw_rndis_packet_parse(struct hvw_rndis_packet *packet, const struct hvp_rndis_packet *h,
			   uint64_t left) HVW_MUST_CHECK;

/* The list of per-packet information. */
struct hvw_rndis_infos {
	const uint8_t *next;
	size_t left;
};

struct hvw_rndis_info {
	uint32_t type; /* HVP_INFO_*, or one that we do not know */
	uint32_t len; /* of the value, possibly 0 */
	const uint8_t *value; /* possibly unaligned */
};

void hvw_rndis_infos_init(struct hvw_rndis_infos *iter, const void *bytes, size_t len);

/*
 * 0 and an element; -EAGAIN behind the last; -EPROTO: its size is below its header, no multiple of 4 or beyond
 * the list, or its value is not inside it; that ends the walk. So each call uses up 12 bytes at least, or is the last.
 */
int hvw_rndis_infos_next(struct hvw_rndis_infos *iter, struct hvw_rndis_info *info) HVW_MUST_CHECK;

/* The information that both ends know. `has`: HVW_META_* of the values that are there. */
#define HVW_META_CHECKSUM  0x01u
#define HVW_META_LSO	   0x02u
#define HVW_META_VLAN	   0x04u
#define HVW_META_HASH	   0x08u
#define HVW_META_HASH_INFO 0x10u
#define HVW_META_PACKET_ID 0x20u

struct hvw_rndis_meta {
	uint32_t has;
	uint32_t checksum;
	uint32_t lso;
	uint32_t vlan;
	uint32_t hash;
	uint32_t hash_info;
	uint32_t packet_id;
};

/* meta.vlan has the parts of an 802.1Q tag in another order: from one to the other. */
static inline uint32_t hvw_rndis_vlan(uint16_t tag)
{
	return (uint32_t)(tag & HVP_VLAN_ID_MASK) << HVP_VLAN_ID_SHIFT |
	       (tag >> 12 & 1u ? HVP_VLAN_CFI : 0) | (uint32_t)tag >> 13;
}

static inline uint16_t hvw_rndis_vlan_tag(uint32_t vlan)
{
	return (uint16_t)((vlan & HVP_VLAN_PRIORITY_MASK) << 13 |
			  (vlan & HVP_VLAN_CFI ? 1u << 12 : 0) |
			  (vlan >> HVP_VLAN_ID_SHIFT & HVP_VLAN_ID_MASK));
}

/*
 * All of a list at once. Unknown elements are passed over; of two of a type the first counts. -EPROTO: as
 * hvw_rndis_infos_next(), or a known element with less than its 4 bytes.
 */
int hvw_rndis_meta_parse(struct hvw_rndis_meta *meta, const void *bytes, size_t len) HVW_MUST_CHECK;

/* Bytes that a PACKET's header and information take at most. */
#define HVW_RNDIS_HEAD_MAX                                                                         \
	(sizeof(struct hvp_rndis_packet) + 6 * (sizeof(struct hvp_rndis_info) + sizeof(uint32_t)))

/*
 * Write a PACKET's header and information to `dst`, which has room for HVW_RNDIS_HEAD_MAX bytes. The data goes to
 * `data_at` of the message (0: right behind); `padding` bytes more belong to the message. Returns what was written;
 * data_at must not be less, nor header, data and padding together more than 32 bits hold: -EINVAL.
 */
int hvw_rndis_packet_build(void *dst, const struct hvw_rndis_meta *meta, uint32_t data_at,
			   uint32_t data_len, uint32_t padding) HVW_MUST_CHECK;

/* --- control messages ------------------------------------------------------------------------------ */

/* What a guest asks: INITIALIZE, HALT, QUERY, SET, SET_EX, RESET, KEEPALIVE. */
struct hvw_rndis_request {
	uint32_t type;
	uint32_t id; /* RESET: 0 */
	uint32_t oid; /* QUERY, SET, SET_EX */
	uint32_t info_len;
	const uint8_t *info; /* inside the message */
	uint32_t transfer_max; /* INITIALIZE */
};

/* -EPROTO: none of these, or information that is not inside the message. */
int hvw_rndis_request_parse(struct hvw_rndis_request *request,
			    const struct hvw_rndis_msg *msg) HVW_MUST_CHECK;

/* What a host says: the completions and INDICATE_STATUS. */
struct hvw_rndis_answer {
	uint32_t type;
	uint32_t id; /* INDICATE_STATUS and RESET_COMPLETE: 0 */
	uint32_t status;
	uint32_t info_len;
	const uint8_t *info; /* QUERY_COMPLETE, SET_EX_COMPLETE, INDICATE_STATUS: inside the message */
	struct hvp_rndis_initialize_complete limits; /* INITIALIZE_COMPLETE */
};

/*
 * -EPROTO: none of these, or information that is not inside the message. The beginning of that of an INDICATE_STATUS
 * may lie behind the message and inside the `room` bytes that msg->bytes has in all: old hosts did not count
 * the speed of a LINK_SPEED_CHANGE.
 */
int hvw_rndis_answer_parse(struct hvw_rndis_answer *answer, const struct hvw_rndis_msg *msg,
			   size_t room) HVW_MUST_CHECK;

/* Writers: the message's length, or -EMSGSIZE when `size` bytes at `dst` are too few. `info` may be NULL without any. */
int hvw_rndis_build_initialize(void *dst, size_t size, uint32_t id,
			       uint32_t transfer_max) HVW_MUST_CHECK;
int hvw_rndis_build_halt(void *dst, size_t size, uint32_t id) HVW_MUST_CHECK;
int hvw_rndis_build_keepalive(void *dst, size_t size, uint32_t id) HVW_MUST_CHECK;
int hvw_rndis_build_reset(void *dst, size_t size) HVW_MUST_CHECK;

/* `type`: QUERY, SET or SET_EX. */
int hvw_rndis_build_request(void *dst, size_t size, uint32_t type, uint32_t id, uint32_t oid,
			    const void *info, uint32_t info_len) HVW_MUST_CHECK;

/* `type`: QUERY_COMPLETE or SET_EX_COMPLETE, or a completion without information (SET, KEEPALIVE, RESET). */
int hvw_rndis_build_completion(void *dst, size_t size, uint32_t type, uint32_t id, uint32_t status,
			       const void *info, uint32_t info_len) HVW_MUST_CHECK;

/* Header, version, medium and device flags are filled in; id, status and limits are taken from `limits`. */
int hvw_rndis_build_initialize_complete(
	void *dst, size_t size, const struct hvp_rndis_initialize_complete *limits) HVW_MUST_CHECK;
int hvw_rndis_build_indication(void *dst, size_t size, uint32_t status, const void *info,
			       uint32_t info_len) HVW_MUST_CHECK;

#endif
