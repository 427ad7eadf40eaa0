/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * VMBus control messages: what guest and host say to each other over SynIC messages to connect,
 * offer channels, share memory (GPADL), open, close and leave.
 */
#ifndef PROTO_HVP_VMBUS_H
#define PROTO_HVP_VMBUS_H

#include "hvp_base.h"

/* Versions: number, text, in ascending order. 6.0 is known so that it can be refused by name. */
#define HVP_VERSION_LIST(X)                                                                        \
	X(2, 4)                                                                                    \
	X(3, 0)                                                                                    \
	X(4, 0)                                                                                    \
	X(4, 1)                                                                                    \
	X(5, 0)                                                                                    \
	X(5, 1)                                                                                    \
	X(5, 2)                                                                                    \
	X(5, 3)                                                                                    \
	X(6, 0)

#define HVP_VERSION(major, minor)  ((uint32_t)(major) << 16 | (uint32_t)(minor))
#define HVP_VERSION_MAJOR(version) ((version) >> 16)
#define HVP_VERSION_MINOR(version) ((version)&0xffffu)

enum hvp_version {
#define HVP_VERSION_ENUM(major, minor) HVP_VERSION_##major##_##minor = (major) << 16 | (minor),
	HVP_VERSION_LIST(HVP_VERSION_ENUM)
#undef HVP_VERSION_ENUM
};

/* Well-known numbers. */
#define HVP_CONNECTION_MESSAGE_1 1u /* messages up to version 4.1 */
#define HVP_CONNECTION_MESSAGE_4 4u /* INITIATE_CONTACT of 5.0 and later */
#define HVP_VMBUS_SINT		 2u
#define HVP_CHANNEL_ID_MAX	 2047u /* 0 is never used */
#define HVP_USER_DATA_MAX	 120
#define HVP_MONITOR_ID_NONE	 0xffu
#define HVP_TARGET_VP_NONE	 0xffffffffu /* OPEN_CHANNEL: no interrupts */

/*
 * All messages: number, name, structure, least length in bytes, direction, first version.
 * The least length is that of the oldest form; longer messages are legal, their tail is ignored.
 */
#define HVP_MSG_LIST(X)                                                                            \
	X(1, OFFER_CHANNEL, offer_channel, 196, HVP_TO_GUEST, HVP_VERSION_2_4)                     \
	X(2, RESCIND_OFFER, channel_ref, 12, HVP_TO_GUEST, HVP_VERSION_2_4)                        \
	X(3, REQUEST_OFFERS, header, 8, HVP_TO_HOST, HVP_VERSION_2_4)                              \
	X(4, ALL_OFFERS_DELIVERED, header, 8, HVP_TO_GUEST, HVP_VERSION_2_4)                       \
	X(5, OPEN_CHANNEL, open_channel, 148, HVP_TO_HOST, HVP_VERSION_2_4)                        \
	X(6, OPEN_RESULT, open_result, 20, HVP_TO_GUEST, HVP_VERSION_2_4)                          \
	X(7, CLOSE_CHANNEL, channel_ref, 12, HVP_TO_HOST, HVP_VERSION_2_4)                         \
	X(8, GPADL_HEADER, gpadl_header, 20, HVP_TO_HOST, HVP_VERSION_2_4)                         \
	X(9, GPADL_BODY, gpadl_body, 16, HVP_TO_HOST, HVP_VERSION_2_4)                             \
	X(10, GPADL_CREATED, gpadl_created, 20, HVP_TO_GUEST, HVP_VERSION_2_4)                     \
	X(11, GPADL_TEARDOWN, gpadl_teardown, 16, HVP_TO_HOST, HVP_VERSION_2_4)                    \
	X(12, GPADL_TORNDOWN, gpadl_torndown, 12, HVP_TO_GUEST, HVP_VERSION_2_4)                   \
	X(13, RELID_RELEASED, channel_ref, 12, HVP_TO_HOST, HVP_VERSION_2_4)                       \
	X(14, INITIATE_CONTACT, initiate_contact, 40, HVP_TO_HOST, HVP_VERSION_2_4)                \
	X(15, VERSION_RESPONSE, version_response, 16, HVP_TO_GUEST, HVP_VERSION_2_4)               \
	X(16, UNLOAD, header, 8, HVP_TO_HOST, HVP_VERSION_2_4)                                     \
	X(17, UNLOAD_RESPONSE, header, 8, HVP_TO_GUEST, HVP_VERSION_2_4)                           \
	X(18, OPEN_RESERVED, open_reserved, 28, HVP_TO_HOST, HVP_VERSION_4_0)                      \
	X(19, CLOSE_RESERVED, close_reserved, 20, HVP_TO_HOST, HVP_VERSION_2_4)                    \
	X(20, CLOSE_RESERVED_RESPONSE, channel_ref, 12, HVP_TO_GUEST, HVP_VERSION_4_0)             \
	X(21, TL_CONNECT_REQUEST, tl_connect_request, 40, HVP_TO_HOST, HVP_VERSION_4_0)            \
	X(22, MODIFY_CHANNEL, modify_channel, 16, HVP_TO_HOST, HVP_VERSION_4_1)                    \
	X(23, TL_CONNECT_RESULT, tl_connect_result, 44, HVP_TO_GUEST, HVP_VERSION_4_1)             \
	X(24, MODIFY_CHANNEL_RESPONSE, modify_channel_response, 16, HVP_TO_GUEST, HVP_VERSION_5_3) \
	X(25, MODIFY_CONNECTION, modify_connection, 24, HVP_TO_HOST, HVP_VERSION_6_0)              \
	X(26, MODIFY_CONNECTION_RESPONSE, modify_connection_response, 9, HVP_TO_GUEST,             \
	  HVP_VERSION_6_0)                                                                         \
	X(27, PAUSE, header, 8, HVP_TO_HOST, HVP_VERSION_6_0)                                      \
	X(28, PAUSE_RESPONSE, header, 8, HVP_TO_GUEST, HVP_VERSION_6_0)                            \
	X(29, RESUME, header, 8, HVP_TO_HOST, HVP_VERSION_6_0)

enum hvp_direction { HVP_TO_GUEST, HVP_TO_HOST };

enum hvp_msg_type {
#define HVP_MSG_ENUM(number, name, type, least, direction, version) HVP_MSG_##name = (number),
	HVP_MSG_LIST(HVP_MSG_ENUM)
#undef HVP_MSG_ENUM
		HVP_MSG_END /* one more than the highest number */
};

struct hvp_msg_header {
	uint32_t type;
	uint32_t padding;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_msg_header, 8);

/* OFFER_CHANNEL flags. */
#define HVP_OFFER_ENUMERATE_DEVICE 0x0001u
#define HVP_OFFER_NAMED_PIPE	   0x0010u
#define HVP_OFFER_TLNPI_PROVIDER   0x2000u

/* First u32 of an offer's user data on a channel in pipe mode. */
#define HVP_PIPE_MODE_BYTE    0u
#define HVP_PIPE_MODE_MESSAGE 4u

struct hvp_msg_offer_channel {
	struct hvp_msg_header h;
	struct hvp_guid class_id;
	struct hvp_guid instance_id;
	uint8_t reserved1[16];
	uint16_t flags;
	uint16_t mmio_megabytes;
	uint8_t user_data[HVP_USER_DATA_MAX];
	uint16_t subchannel_index; /* 0: the primary channel */
	uint16_t mmio_megabytes_optional;
	uint32_t channel_id;
	uint8_t monitor_id;
	uint8_t monitor_allocated; /* bit 0 */
	uint16_t dedicated_interrupt; /* bit 0 */
	uint32_t connection_id; /* for SIGNAL_EVENT */
} HVP_WIRE(4);
HVP_SIZE(struct hvp_msg_offer_channel, 196);
HVP_OFFSET(struct hvp_msg_offer_channel, user_data, 60);
HVP_OFFSET(struct hvp_msg_offer_channel, channel_id, 184);
HVP_OFFSET(struct hvp_msg_offer_channel, connection_id, 192);

/* RESCIND_OFFER, CLOSE_CHANNEL, RELID_RELEASED, CLOSE_RESERVED_RESPONSE. */
struct hvp_msg_channel_ref {
	struct hvp_msg_header h;
	uint32_t channel_id;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_msg_channel_ref, 12);

struct hvp_msg_open_channel {
	struct hvp_msg_header h;
	uint32_t channel_id;
	uint32_t open_id; /* echoed in OPEN_RESULT */
	uint32_t ring_gpadl;
	uint32_t target_vp; /* HVP_TARGET_VP_NONE: no interrupts */
	uint32_t downstream_page; /* page of the ring memory at which the host-to-guest ring begins */
	uint8_t user_data[HVP_USER_DATA_MAX];
} HVP_WIRE(4);
HVP_SIZE(struct hvp_msg_open_channel, 148);
HVP_OFFSET(struct hvp_msg_open_channel, user_data, 28);

#define HVP_OPEN_SUCCESS 0
#define HVP_OPEN_FAILED	 ((int32_t)0x8000ffff)

struct hvp_msg_open_result {
	struct hvp_msg_header h;
	uint32_t channel_id;
	uint32_t open_id;
	int32_t status;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_msg_open_result, 20);

/* Followed by the ranges, as far as they fit: struct hvp_gpa_range, then its page numbers. */
struct hvp_msg_gpadl_header {
	struct hvp_msg_header h;
	uint32_t channel_id;
	uint32_t gpadl;
	uint16_t range_bytes; /* of all ranges with their page numbers, here and in the bodies */
	uint16_t range_count;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_msg_gpadl_header, 20);
HVP_OFFSET(struct hvp_msg_gpadl_header, range_bytes, 16);

/* Followed by more of the range bytes. */
struct hvp_msg_gpadl_body {
	struct hvp_msg_header h;
	uint32_t message_number; /* hosts ignore it */
	uint32_t gpadl;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_msg_gpadl_body, 16);

#define HVP_GPADL_SUCCESS 0
#define HVP_GPADL_FAILED  ((int32_t)0x8000ffff)

struct hvp_msg_gpadl_created {
	struct hvp_msg_header h;
	uint32_t channel_id;
	uint32_t gpadl;
	int32_t status;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_msg_gpadl_created, 20);

struct hvp_msg_gpadl_teardown {
	struct hvp_msg_header h;
	uint32_t channel_id;
	uint32_t gpadl;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_msg_gpadl_teardown, 16);

struct hvp_msg_gpadl_torndown {
	struct hvp_msg_header h;
	uint32_t gpadl;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_msg_gpadl_torndown, 12);

struct hvp_msg_initiate_contact {
	struct hvp_msg_header h;
	uint32_t version;
	uint32_t target_vp; /* where the guest wants its messages, from 3.0 */
	union {
		uint64_t interrupt_page; /* up to 4.1 */
		struct { /* from 5.0 */
			uint8_t sint;
			uint8_t vtl;
			uint16_t reserved;
			uint32_t features; /* from 6.0 */
		} v5;
	} u;
	uint64_t monitor_page_to_guest;
	uint64_t monitor_page_to_host;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_msg_initiate_contact, 40);
HVP_OFFSET(struct hvp_msg_initiate_contact, u, 16);
HVP_OFFSET(struct hvp_msg_initiate_contact, u.v5.features, 20);
HVP_OFFSET(struct hvp_msg_initiate_contact, monitor_page_to_host, 32);

#define HVP_CONTACT_OK		  0u
#define HVP_CONTACT_LOW_RESOURCES 1u
#define HVP_CONTACT_FAILED	  2u

struct hvp_msg_version_response {
	struct hvp_msg_header h;
	uint8_t supported;
	uint8_t connection_state;
	uint16_t padding;
	uint32_t connection_id; /* from 5.0, for all later messages; before: the version */
} HVP_WIRE(4);
HVP_SIZE(struct hvp_msg_version_response, 16);
HVP_OFFSET(struct hvp_msg_version_response, connection_id, 12);

struct hvp_msg_open_reserved {
	struct hvp_msg_header h;
	uint32_t channel_id;
	uint32_t target_vp;
	uint32_t target_sint;
	uint32_t ring_gpadl;
	uint32_t downstream_page;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_msg_open_reserved, 28);

struct hvp_msg_close_reserved {
	struct hvp_msg_header h;
	uint32_t channel_id;
	uint32_t target_vp;
	uint32_t target_sint;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_msg_close_reserved, 20);

/* From 5.2 a silo id (another GUID) may follow. */
struct hvp_msg_tl_connect_request {
	struct hvp_msg_header h;
	struct hvp_guid endpoint_id;
	struct hvp_guid service_id;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_msg_tl_connect_request, 40);

#define HVP_TL_CONNECTION_REFUSED ((int32_t)0xc0000236)

struct hvp_msg_tl_connect_result {
	struct hvp_msg_header h;
	struct hvp_guid endpoint_id;
	struct hvp_guid service_id;
	int32_t status;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_msg_tl_connect_result, 44);

struct hvp_msg_modify_channel {
	struct hvp_msg_header h;
	uint32_t channel_id;
	uint32_t target_vp;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_msg_modify_channel, 16);

struct hvp_msg_modify_channel_response {
	struct hvp_msg_header h;
	uint32_t channel_id;
	int32_t status;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_msg_modify_channel_response, 16);

struct hvp_msg_modify_connection {
	struct hvp_msg_header h;
	uint64_t monitor_page_to_guest;
	uint64_t monitor_page_to_host;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_msg_modify_connection, 24);

/* 9 bytes on the wire, so unaligned, and the header stands in it field by field. */
struct hvp_msg_modify_connection_response {
	uint32_t type;
	uint32_t padding;
	uint8_t connection_state;
} HVP_WIRE(1);
HVP_SIZE(struct hvp_msg_modify_connection_response, 9);

/* Device classes. Each integration service has one fixed instance. */
#define HVP_CLASS_HEARTBEAT    HVP_GUID(0x57164f39u, 0x9115u, 0x4e78u, 0xab55u, 0x382f3bd5422dull)
#define HVP_INSTANCE_HEARTBEAT HVP_GUID(0xfd149e91u, 0x82e0u, 0x4a7du, 0xafa6u, 0x2a4166cbd7c0ull)
#define HVP_CLASS_SHUTDOWN     HVP_GUID(0x0e0b6031u, 0x5213u, 0x4934u, 0x818bu, 0x38d90ced39dbull)
#define HVP_INSTANCE_SHUTDOWN  HVP_GUID(0xb6650ff7u, 0x33bcu, 0x4840u, 0x8048u, 0xe0676786f393ull)
#define HVP_CLASS_TIMESYNC     HVP_GUID(0x9527e630u, 0xd0aeu, 0x497bu, 0xadceu, 0xe80ab0175cafull)
#define HVP_INSTANCE_TIMESYNC  HVP_GUID(0x2dd1ce17u, 0x079eu, 0x403cu, 0xb352u, 0xa1921ee207eeull)

#endif
