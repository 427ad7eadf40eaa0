/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * NVSP: what guest and host of the synthetic network say on the ring itself. Versions, shared buffers,
 * queues, and the message that carries RNDIS.
 *
 * A message is the payload of an in-band, GPA-direct, transfer-page or completion packet. A receiver
 * learns its length from the packet, so that the padding to 8 bytes counts as payload.
 */
#ifndef PROTO_HVP_NVSP_H
#define PROTO_HVP_NVSP_H

#include "hvp_base.h"

/* A NIC's channels, the first included. */
#define HVP_NVSP_CHANNELS_MAX 64

/*
 * Versions in ascending order: name, text, number, bytes of any message without a longer form of its own
 * (hosts send that many, and some guests refuse other lengths).
 */
#define HVP_NVSP_VERSION_LIST(X)                                                                   \
	X(1, "1", 0x00000002, 28)                                                                  \
	X(2, "2", 0x00030002, 28)                                                                  \
	X(4, "4", 0x00040000, 28)                                                                  \
	X(5, "5", 0x00050000, 28)                                                                  \
	X(6, "6", 0x00060000, 28)                                                                  \
	X(6_1, "6.1", 0x00060001, 40)

enum hvp_nvsp_version {
#define HVP_NVSP_VERSION_ENUM(name, text, number, bytes) HVP_NVSP_##name = (number),
	HVP_NVSP_VERSION_LIST(HVP_NVSP_VERSION_ENUM)
#undef HVP_NVSP_VERSION_ENUM
};

/* What guests send at least, since hosts are silent about shorter messages. */
#define HVP_NVSP_SEND_MIN 32

#define HVP_NVSP_TO_GUEST 1u
#define HVP_NVSP_TO_HOST  2u
#define HVP_NVSP_BOTH	  (HVP_NVSP_TO_GUEST | HVP_NVSP_TO_HOST)

/*
 * Messages: number, name, structure, bytes that its fields need, who sends it, first version. Where a
 * completion has the number of its request it has a row of its own. Messages that no known guest or
 * host uses (109 to 124, 126, 127, 130) have a number and a name only.
 */
#define HVP_NVSP_LIST(X)                                                                           \
	X(1, INIT, init, 12, HVP_NVSP_TO_HOST, HVP_NVSP_1)                                         \
	X(2, INIT_COMPLETE, init_complete, 16, HVP_NVSP_TO_GUEST, HVP_NVSP_1)                      \
	X(100, SEND_NDIS_VERSION, ndis_version, 12, HVP_NVSP_TO_HOST, HVP_NVSP_1)                  \
	X(101, SEND_RECV_BUF, send_buffer, 10, HVP_NVSP_TO_HOST, HVP_NVSP_1)                       \
	X(102, SEND_RECV_BUF_COMPLETE, recv_buf_complete, 12, HVP_NVSP_TO_GUEST, HVP_NVSP_1)       \
	X(103, REVOKE_RECV_BUF, revoke_buffer, 6, HVP_NVSP_TO_HOST, HVP_NVSP_1)                    \
	X(104, SEND_SEND_BUF, send_buffer, 10, HVP_NVSP_TO_HOST, HVP_NVSP_1)                       \
	X(105, SEND_SEND_BUF_COMPLETE, send_buf_complete, 12, HVP_NVSP_TO_GUEST, HVP_NVSP_1)       \
	X(106, REVOKE_SEND_BUF, revoke_buffer, 6, HVP_NVSP_TO_HOST, HVP_NVSP_1)                    \
	X(107, SEND_RNDIS_PACKET, rndis_packet, 16, HVP_NVSP_BOTH, HVP_NVSP_1)                     \
	X(108, SEND_RNDIS_PACKET_COMPLETE, rndis_complete, 8, HVP_NVSP_BOTH, HVP_NVSP_1)           \
	X(125, NDIS_CONFIG, ndis_config, 20, HVP_NVSP_TO_HOST, HVP_NVSP_2)                         \
	X(128, VF_ASSOCIATION, vf_association, 12, HVP_NVSP_TO_GUEST, HVP_NVSP_4)                  \
	X(129, SWITCH_DATA_PATH, switch_data_path, 8, HVP_NVSP_BOTH, HVP_NVSP_4)                   \
	X(131, OID_QUERY_EX, oid_query_ex, 12, HVP_NVSP_TO_HOST, HVP_NVSP_5)                       \
	X(132, OID_QUERY_EX_COMPLETE, oid_query_ex_complete, 12, HVP_NVSP_TO_GUEST, HVP_NVSP_5)    \
	X(133, SUBCHANNEL, subchannel, 12, HVP_NVSP_TO_HOST, HVP_NVSP_5)                           \
	X(133, SUBCHANNEL_COMPLETE, subchannel_complete, 12, HVP_NVSP_TO_GUEST, HVP_NVSP_5)        \
	X(134, SEND_INDIRECTION_TABLE, indirection_table, 12, HVP_NVSP_TO_GUEST, HVP_NVSP_5)       \
	X(135, PD_API, pd_api, 8, HVP_NVSP_TO_HOST, HVP_NVSP_6)                                    \
	X(135, PD_API_COMPLETE, pd_api_complete, 12, HVP_NVSP_TO_GUEST, HVP_NVSP_6)                \
	X(136, PD_POST_BATCH, pd_post_batch, 8, HVP_NVSP_BOTH, HVP_NVSP_6)

#define HVP_NVSP_UNUSED_LIST(X)                                                                    \
	X(109, SEND_DELEGATED_BUF)                                                                 \
	X(110, SEND_DELEGATED_BUF_COMPLETE)                                                        \
	X(111, REVOKE_DELEGATED_BUF)                                                               \
	X(112, CHIMNEY_RESUME_RECEIVE)                                                             \
	X(113, CHIMNEY_TERMINATE)                                                                  \
	X(114, CHIMNEY_TERMINATE_COMPLETE)                                                         \
	X(115, CHIMNEY_EVENT)                                                                      \
	X(116, CHIMNEY_SEND_PACKET)                                                                \
	X(117, CHIMNEY_SEND_PACKET_COMPLETE)                                                       \
	X(118, CHIMNEY_POST_RECEIVE)                                                               \
	X(119, CHIMNEY_POST_RECEIVE_COMPLETE)                                                      \
	X(120, ALLOCATE_RECV_BUF)                                                                  \
	X(121, ALLOCATE_RECV_BUF_COMPLETE)                                                         \
	X(122, FREE_RECV_BUF)                                                                      \
	X(123, SEND_VMQ_RNDIS_PACKET)                                                              \
	X(124, SEND_VMQ_RNDIS_PACKET_COMPLETE)                                                     \
	X(126, ALLOCATE_CHIMNEY_HANDLE)                                                            \
	X(127, ALLOCATE_CHIMNEY_HANDLE_COMPLETE)                                                   \
	X(130, UPLINK_CONNECT_STATE)

enum hvp_nvsp_type {
#define HVP_NVSP_ENUM(number, name, type, least, direction, version) HVP_NVSP_##name = (number),
	HVP_NVSP_LIST(HVP_NVSP_ENUM)
#undef HVP_NVSP_ENUM
#define HVP_NVSP_ENUM(number, name) HVP_NVSP_##name = (number),
		HVP_NVSP_UNUSED_LIST(HVP_NVSP_ENUM)
#undef HVP_NVSP_ENUM
			HVP_NVSP_END = 137 /* one more than the highest number */
};

/* Only SUCCESS means success. */
#define HVP_NVSP_STATUS_LIST(X)                                                                    \
	X(0, NONE)                                                                                 \
	X(1, SUCCESS)                                                                              \
	X(2, FAILURE)                                                                              \
	X(3, PROTOCOL_TOO_NEW)                                                                     \
	X(4, PROTOCOL_TOO_OLD)                                                                     \
	X(5, INVALID_RNDIS_PACKET)                                                                 \
	X(6, BUSY)                                                                                 \
	X(7, PROTOCOL_UNSUPPORTED)

enum hvp_nvsp_status {
#define HVP_NVSP_STATUS_ENUM(number, name) HVP_NVSP_STATUS_##name = (number),
	HVP_NVSP_STATUS_LIST(HVP_NVSP_STATUS_ENUM)
#undef HVP_NVSP_STATUS_ENUM
};

struct hvp_nvsp_header {
	uint32_t type;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_nvsp_header, 4);

struct hvp_nvsp_init {
	struct hvp_nvsp_header h;
	uint32_t version_min; /* guests: both the same */
	uint32_t version_max;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_nvsp_init, 12);

struct hvp_nvsp_init_complete {
	struct hvp_nvsp_header h;
	uint32_t version; /* guests ignore it; HVP_NVSP_INIT_VERSION_NONE after version 1 */
	uint32_t mdl_chain_max;
	uint32_t status;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_nvsp_init_complete, 16);
HVP_OFFSET(struct hvp_nvsp_init_complete, status, 12);

#define HVP_NVSP_INIT_VERSION_NONE 0xffffffffu

struct hvp_nvsp_ndis_version {
	struct hvp_nvsp_header h;
	uint32_t major;
	uint32_t minor;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_nvsp_ndis_version, 12);

struct hvp_nvsp_send_buffer {
	struct hvp_nvsp_header h;
	uint32_t gpadl;
	uint16_t id; /* the guest's choice; of the receive buffer: the set id of each transfer-page packet */
	uint16_t reserved;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_nvsp_send_buffer, 12);
HVP_OFFSET(struct hvp_nvsp_send_buffer, id, 8);

struct hvp_nvsp_recv_section {
	uint32_t offset;
	uint32_t size; /* of one sub-allocation */
	uint32_t count;
	uint32_t end_offset;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_nvsp_recv_section, 16);

struct hvp_nvsp_recv_buf_complete {
	struct hvp_nvsp_header h;
	uint32_t status;
	uint32_t section_count; /* 1; guests take nothing else */
	struct hvp_nvsp_recv_section section;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_nvsp_recv_buf_complete, 28);
HVP_OFFSET(struct hvp_nvsp_recv_buf_complete, section, 12);

struct hvp_nvsp_send_buf_complete {
	struct hvp_nvsp_header h;
	uint32_t status;
	uint32_t section_size;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_nvsp_send_buf_complete, 12);

struct hvp_nvsp_revoke_buffer {
	struct hvp_nvsp_header h;
	uint16_t id;
	uint16_t reserved;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_nvsp_revoke_buffer, 8);

#define HVP_NVSP_CHANNEL_DATA	 0u
#define HVP_NVSP_CHANNEL_CONTROL 1u

#define HVP_NVSP_SECTION_NONE 0xffffffffu

/* The RNDIS messages are the section's bytes first, then the ranges of the packet that carries this. */
struct hvp_nvsp_rndis_packet {
	struct hvp_nvsp_header h;
	uint32_t channel_type;
	uint32_t section_index; /* of the send buffer */
	uint32_t section_size; /* bytes used of it; 0 without a section */
} HVP_WIRE(4);
HVP_SIZE(struct hvp_nvsp_rndis_packet, 16);

struct hvp_nvsp_rndis_complete {
	struct hvp_nvsp_header h;
	uint32_t status;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_nvsp_rndis_complete, 8);

/* Capability bits of NDIS_CONFIG. */
#define HVP_NVSP_CAP_VMQ	    0x01u
#define HVP_NVSP_CAP_CHIMNEY	    0x02u
#define HVP_NVSP_CAP_SRIOV	    0x04u
#define HVP_NVSP_CAP_8021Q	    0x08u
#define HVP_NVSP_CAP_CORRELATION_ID 0x10u
#define HVP_NVSP_CAP_TEAMING	    0x20u
#define HVP_NVSP_CAP_VIRTUAL_SUBNET 0x40u
#define HVP_NVSP_CAP_RSC	    0x80u

struct hvp_nvsp_ndis_config {
	struct hvp_nvsp_header h;
	uint32_t mtu; /* with the Ethernet header of 14 bytes */
	uint32_t reserved;
	uint64_t capabilities;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_nvsp_ndis_config, 20);
HVP_OFFSET(struct hvp_nvsp_ndis_config, capabilities, 12);

struct hvp_nvsp_vf_association {
	struct hvp_nvsp_header h;
	uint32_t allocated;
	uint32_t serial;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_nvsp_vf_association, 12);

#define HVP_NVSP_PATH_SYNTHETIC 0u
#define HVP_NVSP_PATH_VF	1u

struct hvp_nvsp_switch_data_path {
	struct hvp_nvsp_header h;
	uint32_t active;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_nvsp_switch_data_path, 8);

struct hvp_nvsp_oid_query_ex {
	struct hvp_nvsp_header h;
	uint8_t object[4]; /* struct hvp_ndis_header */
	uint32_t oid;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_nvsp_oid_query_ex, 12);

struct hvp_nvsp_oid_query_ex_complete {
	struct hvp_nvsp_header h;
	uint32_t status;
	uint32_t bytes;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_nvsp_oid_query_ex_complete, 12);

#define HVP_NVSP_SUBCHANNEL_ALLOCATE 1u

struct hvp_nvsp_subchannel {
	struct hvp_nvsp_header h;
	uint32_t operation;
	uint32_t count;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_nvsp_subchannel, 12);

struct hvp_nvsp_subchannel_complete {
	struct hvp_nvsp_header h;
	uint32_t status;
	uint32_t count; /* granted */
} HVP_WIRE(4);
HVP_SIZE(struct hvp_nvsp_subchannel_complete, 12);

/* Which channel the guest is to send on, by the hash of the packet. */
#define HVP_NVSP_INDIRECTION_ENTRIES 16

struct hvp_nvsp_indirection_table {
	struct hvp_nvsp_header h;
	uint32_t count; /* HVP_NVSP_INDIRECTION_ENTRIES */
	uint32_t offset; /* of the entries (u32 each), from the start of the message */
} HVP_WIRE(4);
HVP_SIZE(struct hvp_nvsp_indirection_table, 12);

/* Packet direct: known, so that it can be refused. */
struct hvp_nvsp_pd_api {
	struct hvp_nvsp_header h;
	uint32_t operation;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_nvsp_pd_api, 8);

struct hvp_nvsp_pd_api_complete {
	struct hvp_nvsp_header h;
	uint32_t operation;
	uint32_t status; /* HVP_RNDIS_STATUS_* (those are NTSTATUS values) */
} HVP_WIRE(4);
HVP_SIZE(struct hvp_nvsp_pd_api_complete, 12);

struct hvp_nvsp_pd_post_batch {
	struct hvp_nvsp_header h;
	uint16_t count;
	uint16_t flags;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_nvsp_pd_post_batch, 8);

#endif
