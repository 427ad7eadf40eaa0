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

/* clang-format off */
/* Device classes, and the instances of those that have one fixed instance. */
#define HVP_CLASS_HEARTBEAT         HVP_GUID(0x57164f39u, 0x9115u, 0x4e78u, 0xab55u, 0x382f3bd5422dull)
#define HVP_INSTANCE_HEARTBEAT      HVP_GUID(0xfd149e91u, 0x82e0u, 0x4a7du, 0xafa6u, 0x2a4166cbd7c0ull)
#define HVP_CLASS_SHUTDOWN          HVP_GUID(0x0e0b6031u, 0x5213u, 0x4934u, 0x818bu, 0x38d90ced39dbull)
#define HVP_INSTANCE_SHUTDOWN       HVP_GUID(0xb6650ff7u, 0x33bcu, 0x4840u, 0x8048u, 0xe0676786f393ull)
#define HVP_CLASS_TIMESYNC          HVP_GUID(0x9527e630u, 0xd0aeu, 0x497bu, 0xadceu, 0xe80ab0175cafull)
#define HVP_INSTANCE_TIMESYNC       HVP_GUID(0x2dd1ce17u, 0x079eu, 0x403cu, 0xb352u, 0xa1921ee207eeull)
#define HVP_CLASS_KVP               HVP_GUID(0xa9a0f4e7u, 0x5a45u, 0x4d96u, 0xb827u, 0x8a841e8c03e6ull)
#define HVP_INSTANCE_KVP            HVP_GUID(0x242ff919u, 0x07dbu, 0x4180u, 0x9c2eu, 0xb86cb68c8c55ull)
#define HVP_CLASS_VSS               HVP_GUID(0x35fa2e29u, 0xea23u, 0x4236u, 0x96aeu, 0x3a6ebacba440ull)
#define HVP_INSTANCE_VSS            HVP_GUID(0x2450ee40u, 0x33bfu, 0x4fbdu, 0x892eu, 0x9fb06e9214cfull)
#define HVP_CLASS_FCOPY             HVP_GUID(0x34d14be3u, 0xdee4u, 0x41c8u, 0x9ae7u, 0x6b174977c192ull)
#define HVP_INSTANCE_FCOPY          HVP_GUID(0xeb765408u, 0x105fu, 0x49b6u, 0xb4aau, 0xc123b64d17d4ull)
#define HVP_CLASS_DYNAMIC_MEMORY    HVP_GUID(0x525074dcu, 0x8985u, 0x46e2u, 0x8057u, 0xa307dc18a502ull)
#define HVP_INSTANCE_DYNAMIC_MEMORY HVP_GUID(0x1eccfd72u, 0x4b41u, 0x45efu, 0xb73au, 0x4a6e44c12924ull)
#define HVP_CLASS_VIDEO             HVP_GUID(0xda0a7802u, 0xe377u, 0x4aacu, 0x8e77u, 0x0558eb1073f8ull)
#define HVP_INSTANCE_VIDEO          HVP_GUID(0x5620e0c7u, 0x8062u, 0x4dceu, 0xaeb7u, 0x520c7ef76171ull)
#define HVP_CLASS_KEYBOARD          HVP_GUID(0xf912ad6du, 0x2b17u, 0x48eau, 0xbd65u, 0xf927a61c7684ull)
#define HVP_INSTANCE_KEYBOARD       HVP_GUID(0xd34b2567u, 0xb9b6u, 0x42b9u, 0x8778u, 0x0a4ec0b955bfull)
#define HVP_CLASS_MOUSE             HVP_GUID(0xcfa8b69eu, 0x5b4au, 0x4cc0u, 0xb98bu, 0x8ba1a1f3f95aull)
#define HVP_INSTANCE_MOUSE          HVP_GUID(0x58f75a6du, 0xd949u, 0x4320u, 0x99e1u, 0xa2a2576d581cull)
#define HVP_CLASS_NETWORK           HVP_GUID(0xf8615163u, 0xdf3eu, 0x46c5u, 0x913fu, 0xf2d2f965ed0eull)
#define HVP_CLASS_SCSI              HVP_GUID(0xba6163d9u, 0x04a1u, 0x4d29u, 0xb605u, 0x72e2ffb1dc7full)
#define HVP_CLASS_IDE               HVP_GUID(0x32412632u, 0x86cbu, 0x44a2u, 0x9b5cu, 0x50d1417354f5ull)
#define HVP_CLASS_FIBRE_CHANNEL     HVP_GUID(0x2f9bcc4au, 0x0069u, 0x4af3u, 0xb76bu, 0x6fd0be528cdaull)
#define HVP_CLASS_RDMA              HVP_GUID(0x8c2eaf3du, 0x32a7u, 0x4b09u, 0xab99u, 0xbd1f1c86b501ull)
#define HVP_CLASS_PCI               HVP_GUID(0x44c4f61du, 0x4444u, 0x4400u, 0x9d52u, 0x802e27ede19full)
#define HVP_CLASS_ACTIVATION_1      HVP_GUID(0xf8e65716u, 0x3cb3u, 0x4a06u, 0x9a60u, 0x1889c5cccab5ull)
#define HVP_CLASS_ACTIVATION_2      HVP_GUID(0x3375baf4u, 0x9e15u, 0x4b30u, 0xb765u, 0x67acb10d607bull)
#define HVP_CLASS_REMOTE_DESKTOP    HVP_GUID(0x276aacf4u, 0xac15u, 0x426cu, 0x98ddu, 0x7521ad3f01feull)
#define HVP_CLASS_FILE_SYSTEM       HVP_GUID(0xc376c1c3u, 0xd276u, 0x48d2u, 0x90a9u, 0xc04748072c60ull)
#define HVP_CLASS_UART              HVP_GUID(0x8b60ccf6u, 0x709fu, 0x4c11u, 0x90b5u, 0x229c959a9e6aull)
#define HVP_CLASS_EMULATION         HVP_GUID(0x8dedd1aau, 0x9056u, 0x49e4u, 0xbfd6u, 0x1bf90dc38ef0ull)
#define HVP_CLASS_CRASH_DUMP        HVP_GUID(0x427b03e7u, 0x4cebu, 0x4286u, 0xb5fcu, 0x486f4a1dd439ull)

/*
 * All of them: name, and the words for users. Those up to REMOTE_DESKTOP are the words of Linux' lsvmbus, brackets
 * included, for which people and programs search; it calls the rest unknown.
 */
#define HVP_CLASS_LIST(X) \
	X(HEARTBEAT, "[Heartbeat]") \
	X(SHUTDOWN, "[Operating system shutdown]") \
	X(TIMESYNC, "[Time Synchronization]") \
	X(KVP, "[Data Exchange]") \
	X(VSS, "[Backup (volume checkpoint)]") \
	X(FCOPY, "[Guest services]") \
	X(DYNAMIC_MEMORY, "[Dynamic Memory]") \
	X(VIDEO, "Synthetic framebuffer adapter") \
	X(KEYBOARD, "Synthetic keyboard") \
	X(MOUSE, "Synthetic mouse") \
	X(NETWORK, "Synthetic network adapter") \
	X(SCSI, "Synthetic SCSI Controller") \
	X(IDE, "Synthetic IDE Controller") \
	X(FIBRE_CHANNEL, "Synthetic fiber channel adapter") \
	X(RDMA, "Synthetic RDMA adapter") \
	X(PCI, "PCI Express pass-through") \
	X(ACTIVATION_1, "[Reserved system device]") \
	X(ACTIVATION_2, "[Reserved system device]") \
	X(REMOTE_DESKTOP, "[Reserved system device]") \
	X(FILE_SYSTEM, "[Virtual file system]") \
	X(UART, "[Serial port]") \
	X(EMULATION, "[Device emulation]") \
	X(CRASH_DUMP, "[Crash dump]")
/* clang-format on */

#endif
