/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * RNDIS as the synthetic network uses it: control messages, object identifiers, and packets with their
 * per-packet information.
 *
 * Offsets inside a message count from its byte HVP_RNDIS_OFFSET_BASE, not from its beginning.
 */
#ifndef PROTO_HVP_RNDIS_H
#define PROTO_HVP_RNDIS_H

#include "hvp_base.h"

#define HVP_RNDIS_OFFSET_BASE 8u

/* Messages: number, name, structure, bytes of its fixed part. */
#define HVP_RNDIS_LIST(X)                                                                          \
	X(0x00000001, PACKET, packet, 44)                                                          \
	X(0x00000002, INITIALIZE, initialize, 24)                                                  \
	X(0x00000003, HALT, halt, 12)                                                              \
	X(0x00000004, QUERY, request, 28)                                                          \
	X(0x00000005, SET, request, 28)                                                            \
	X(0x00000006, RESET, reset, 12)                                                            \
	X(0x00000007, INDICATE_STATUS, indicate_status, 20)                                        \
	X(0x00000008, KEEPALIVE, keepalive, 12)                                                    \
	X(0x00000009, SET_EX, request, 28)                                                         \
	X(0x80000002, INITIALIZE_COMPLETE, initialize_complete, 52)                                \
	X(0x80000004, QUERY_COMPLETE, query_complete, 24)                                          \
	X(0x80000005, SET_COMPLETE, set_complete, 16)                                              \
	X(0x80000006, RESET_COMPLETE, reset_complete, 16)                                          \
	X(0x80000008, KEEPALIVE_COMPLETE, set_complete, 16)                                        \
	X(0x80000009, SET_EX_COMPLETE, query_complete, 24)

/* What makes the number of a request that of its completion. */
#define HVP_RNDIS_COMPLETION 0x80000000u

enum hvp_rndis_type {
#define HVP_RNDIS_ENUM(number, name, type, bytes) HVP_RNDIS_##name = (number),
	HVP_RNDIS_LIST(HVP_RNDIS_ENUM)
#undef HVP_RNDIS_ENUM
};

/* Status of a completion, or what an INDICATE_STATUS is about: NTSTATUS values. */
#define HVP_RNDIS_STATUS_LIST(X)                                                                   \
	X(0x00000000, SUCCESS)                                                                     \
	X(0x00000103, PENDING)                                                                     \
	X(0x4001000b, MEDIA_CONNECT)                                                               \
	X(0x4001000c, MEDIA_DISCONNECT)                                                            \
	X(0x40010013, LINK_SPEED_CHANGE) /* u32, in 100 bit/s */                                   \
	X(0x40010018, NETWORK_CHANGE) /* u32, HVP_RNDIS_NETWORK_CHANGE_* */                        \
	X(0x40020006, OFFLOAD_CURRENT_CONFIG) /* struct hvp_ndis_offload */                        \
	X(0x80000005, BUFFER_OVERFLOW)                                                             \
	X(0xc0000001, FAILURE)                                                                     \
	X(0xc000009a, RESOURCES)                                                                   \
	X(0xc00000bb, NOT_SUPPORTED)                                                               \
	X(0xc0010004, BAD_VERSION)                                                                 \
	X(0xc001000d, RESET_IN_PROGRESS)                                                           \
	X(0xc0010014, INVALID_LENGTH)                                                              \
	X(0xc0010015, INVALID_DATA)                                                                \
	X(0xc0010016, BUFFER_TOO_SHORT)                                                            \
	X(0xc0010017, INVALID_OID)

enum hvp_rndis_status {
#define HVP_RNDIS_STATUS_ENUM(number, name) HVP_RNDIS_STATUS_##name = (number),
	HVP_RNDIS_STATUS_LIST(HVP_RNDIS_STATUS_ENUM)
#undef HVP_RNDIS_STATUS_ENUM
};

#define HVP_RNDIS_NETWORK_CHANGE_POSSIBLE 1u
#define HVP_RNDIS_NETWORK_CHANGE_DEFINITE 2u
#define HVP_RNDIS_NETWORK_CHANGE_CONNECT  3u

struct hvp_rndis_header {
	uint32_t type;
	uint32_t length; /* of the whole message, padding up to the next one included */
} HVP_WIRE(4);
HVP_SIZE(struct hvp_rndis_header, 8);

struct hvp_rndis_packet {
	struct hvp_rndis_header h;
	uint32_t data_offset;
	uint32_t data_length;
	uint32_t oob_offset; /* this and the next two: 0 */
	uint32_t oob_length;
	uint32_t oob_count;
	uint32_t info_offset; /* of the per-packet information */
	uint32_t info_length; /* of all of it */
	uint32_t vc; /* 0 */
	uint32_t reserved;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_rndis_packet, 44);
HVP_OFFSET(struct hvp_rndis_packet, info_offset, 28);
HVP_OFFSET(struct hvp_rndis_packet, vc, 36);

struct hvp_rndis_initialize {
	struct hvp_rndis_header h;
	uint32_t request_id;
	uint32_t major;
	uint32_t minor;
	uint32_t transfer_max;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_rndis_initialize, 24);

#define HVP_RNDIS_MAJOR 1u
#define HVP_RNDIS_MINOR 0u

#define HVP_RNDIS_CONNECTIONLESS 1u
#define HVP_RNDIS_MEDIUM_802_3	 0u

struct hvp_rndis_initialize_complete {
	struct hvp_rndis_header h;
	uint32_t request_id;
	uint32_t status;
	uint32_t major;
	uint32_t minor;
	uint32_t device_flags;
	uint32_t medium;
	uint32_t packets_max; /* in one NVSP message */
	uint32_t transfer_max; /* bytes of one NVSP message */
	uint32_t alignment; /* of packets in one message: power of two */
	uint32_t af_offset;
	uint32_t af_size;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_rndis_initialize_complete, 52);
HVP_OFFSET(struct hvp_rndis_initialize_complete, packets_max, 32);
HVP_OFFSET(struct hvp_rndis_initialize_complete, af_size, 48);

struct hvp_rndis_halt {
	struct hvp_rndis_header h;
	uint32_t request_id;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_rndis_halt, 12);

/* QUERY, SET, SET_EX. */
struct hvp_rndis_request {
	struct hvp_rndis_header h;
	uint32_t request_id;
	uint32_t oid;
	uint32_t info_length;
	uint32_t info_offset; /* Hyper-V fails a QUERY with 0 here, even without information */
	uint32_t vc;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_rndis_request, 28);
HVP_OFFSET(struct hvp_rndis_request, vc, 24);

struct hvp_rndis_query_complete {
	struct hvp_rndis_header h;
	uint32_t request_id;
	uint32_t status;
	uint32_t info_length;
	uint32_t info_offset; /* Linux wants 16 or more, also without information */
} HVP_WIRE(4);
HVP_SIZE(struct hvp_rndis_query_complete, 24);
HVP_OFFSET(struct hvp_rndis_query_complete, info_offset, 20);

/* SET_COMPLETE and KEEPALIVE_COMPLETE. */
struct hvp_rndis_set_complete {
	struct hvp_rndis_header h;
	uint32_t request_id;
	uint32_t status;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_rndis_set_complete, 16);

struct hvp_rndis_reset {
	struct hvp_rndis_header h;
	uint32_t reserved;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_rndis_reset, 12);

/* Without a request id, as the request is. */
struct hvp_rndis_reset_complete {
	struct hvp_rndis_header h;
	uint32_t status;
	uint32_t addressing_reset;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_rndis_reset_complete, 16);

struct hvp_rndis_indicate_status {
	struct hvp_rndis_header h;
	uint32_t status;
	uint32_t buffer_length;
	uint32_t buffer_offset;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_rndis_indicate_status, 20);

struct hvp_rndis_keepalive {
	struct hvp_rndis_header h;
	uint32_t request_id;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_rndis_keepalive, 12);

/* No guest takes a larger answer than this to a query. */
#define HVP_RNDIS_ANSWER_MAX 4000u

/* Object identifiers: number, name. */
#define HVP_OID_LIST(X)                                                                            \
	X(0x00010101, GEN_SUPPORTED_LIST)                                                          \
	X(0x00010102, GEN_HARDWARE_STATUS)                                                         \
	X(0x00010103, GEN_MEDIA_SUPPORTED)                                                         \
	X(0x00010104, GEN_MEDIA_IN_USE)                                                            \
	X(0x00010105, GEN_MAXIMUM_LOOKAHEAD)                                                       \
	X(0x00010106, GEN_MAXIMUM_FRAME_SIZE)                                                      \
	X(0x00010107, GEN_LINK_SPEED)                                                              \
	X(0x00010108, GEN_TRANSMIT_BUFFER_SPACE)                                                   \
	X(0x00010109, GEN_RECEIVE_BUFFER_SPACE)                                                    \
	X(0x0001010a, GEN_TRANSMIT_BLOCK_SIZE)                                                     \
	X(0x0001010b, GEN_RECEIVE_BLOCK_SIZE)                                                      \
	X(0x0001010c, GEN_VENDOR_ID)                                                               \
	X(0x0001010d, GEN_VENDOR_DESCRIPTION)                                                      \
	X(0x0001010e, GEN_CURRENT_PACKET_FILTER)                                                   \
	X(0x0001010f, GEN_CURRENT_LOOKAHEAD)                                                       \
	X(0x00010110, GEN_DRIVER_VERSION)                                                          \
	X(0x00010111, GEN_MAXIMUM_TOTAL_SIZE)                                                      \
	X(0x00010112, GEN_PROTOCOL_OPTIONS)                                                        \
	X(0x00010113, GEN_MAC_OPTIONS)                                                             \
	X(0x00010114, GEN_MEDIA_CONNECT_STATUS)                                                    \
	X(0x00010115, GEN_MAXIMUM_SEND_PACKETS)                                                    \
	X(0x00010116, GEN_VENDOR_DRIVER_VERSION)                                                   \
	X(0x00010118, GEN_NETWORK_LAYER_ADDRESSES)                                                 \
	X(0x00010119, GEN_TRANSPORT_HEADER_OFFSET)                                                 \
	X(0x00010203, GEN_RECEIVE_SCALE_CAPABILITIES)                                              \
	X(0x00010204, GEN_RECEIVE_SCALE_PARAMETERS)                                                \
	X(0x00010206, GEN_MAX_LINK_SPEED)                                                          \
	X(0x00010207, GEN_LINK_STATE)                                                              \
	X(0x00010208, GEN_LINK_PARAMETERS)                                                         \
	X(0x00010209, GEN_INTERRUPT_MODERATION)                                                    \
	X(0x00020101, GEN_XMIT_OK)                                                                 \
	X(0x00020102, GEN_RCV_OK)                                                                  \
	X(0x00020103, GEN_XMIT_ERROR)                                                              \
	X(0x00020104, GEN_RCV_ERROR)                                                               \
	X(0x00020105, GEN_RCV_NO_BUFFER)                                                           \
	X(0x00020201, GEN_DIRECTED_BYTES_XMIT)                                                     \
	X(0x00020202, GEN_DIRECTED_FRAMES_XMIT)                                                    \
	X(0x00020203, GEN_MULTICAST_BYTES_XMIT)                                                    \
	X(0x00020204, GEN_MULTICAST_FRAMES_XMIT)                                                   \
	X(0x00020205, GEN_BROADCAST_BYTES_XMIT)                                                    \
	X(0x00020206, GEN_BROADCAST_FRAMES_XMIT)                                                   \
	X(0x00020207, GEN_DIRECTED_BYTES_RCV)                                                      \
	X(0x00020208, GEN_DIRECTED_FRAMES_RCV)                                                     \
	X(0x00020209, GEN_MULTICAST_BYTES_RCV)                                                     \
	X(0x0002020a, GEN_MULTICAST_FRAMES_RCV)                                                    \
	X(0x0002020b, GEN_BROADCAST_BYTES_RCV)                                                     \
	X(0x0002020c, GEN_BROADCAST_FRAMES_RCV)                                                    \
	X(0x0002020d, GEN_RCV_CRC_ERROR)                                                           \
	X(0x0002020e, GEN_TRANSMIT_QUEUE_LENGTH)                                                   \
	X(0x00020216, GEN_FRIENDLY_NAME)                                                           \
	X(0x00020219, GEN_BYTES_RCV)                                                               \
	X(0x0002021a, GEN_BYTES_XMIT)                                                              \
	X(0x0001021a, GEN_MACHINE_NAME)                                                            \
	X(0x0001021b, GEN_RNDIS_CONFIG_PARAMETER)                                                  \
	X(0x0001021c, GEN_VLAN_ID)                                                                 \
	X(0x01010101, 802_3_PERMANENT_ADDRESS)                                                     \
	X(0x01010102, 802_3_CURRENT_ADDRESS)                                                       \
	X(0x01010103, 802_3_MULTICAST_LIST)                                                        \
	X(0x01010104, 802_3_MAXIMUM_LIST_SIZE)                                                     \
	X(0x01020101, 802_3_RCV_ERROR_ALIGNMENT)                                                   \
	X(0x01020102, 802_3_XMIT_ONE_COLLISION)                                                    \
	X(0x01020103, 802_3_XMIT_MORE_COLLISIONS)                                                  \
	X(0x0101010a, OFFLOAD_ENCAPSULATION)                                                       \
	X(0xfc01020b, TCP_OFFLOAD_CURRENT_CONFIG)                                                  \
	X(0xfc01020c, TCP_OFFLOAD_PARAMETERS)                                                      \
	X(0xfc01020d, TCP_OFFLOAD_HARDWARE_CAPABILITIES)

enum hvp_oid {
#define HVP_OID_ENUM(number, name) HVP_OID_##name = (number),
	HVP_OID_LIST(HVP_OID_ENUM)
#undef HVP_OID_ENUM
};

#define HVP_MEDIA_CONNECTED    0u
#define HVP_MEDIA_DISCONNECTED 1u

/* GEN_CURRENT_PACKET_FILTER. */
#define HVP_FILTER_DIRECTED	  0x01u
#define HVP_FILTER_MULTICAST	  0x02u
#define HVP_FILTER_ALL_MULTICAST  0x04u
#define HVP_FILTER_BROADCAST	  0x08u
#define HVP_FILTER_SOURCE_ROUTING 0x10u
#define HVP_FILTER_PROMISCUOUS	  0x20u
#define HVP_FILTER_SMT		  0x40u
#define HVP_FILTER_ALL_LOCAL	  0x80u

/* GEN_RNDIS_CONFIG_PARAMETER; offsets from its beginning, texts UTF-16LE without an end. */
struct hvp_rndis_config_parameter {
	uint32_t name_offset;
	uint32_t name_length;
	uint32_t value_type;
	uint32_t value_offset;
	uint32_t value_length;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_rndis_config_parameter, 20);

#define HVP_RNDIS_CONFIG_INTEGER 0u
#define HVP_RNDIS_CONFIG_STRING	 2u

/* --- per-packet information ---------------------------------------------------------------------- */

/* One element; the value stands at `offset` from its beginning. */
struct hvp_rndis_info {
	uint32_t size; /* of header and value; a multiple of 4 */
	uint32_t type; /* HVP_INFO_*; with HVP_INFO_INTERNAL its own list */
	uint32_t offset; /* 12 */
} HVP_WIRE(4);
HVP_SIZE(struct hvp_rndis_info, 12);

#define HVP_INFO_INTERNAL 0x80000000u

/* All have a value of 4 bytes: number, name. */
#define HVP_INFO_LIST(X)                                                                           \
	X(0x00000000, CHECKSUM)                                                                    \
	X(0x00000002, LSO)                                                                         \
	X(0x00000006, VLAN)                                                                        \
	X(0x00000008, HASH)                                                                        \
	X(0x00000009, HASH_INFO) /* to the guest: HVP_RSS_* of the hash */                         \
	X(0x80000001, PACKET_ID)

enum hvp_info {
#define HVP_INFO_ENUM(number, name) HVP_INFO_##name = (number),
	HVP_INFO_LIST(HVP_INFO_ENUM)
#undef HVP_INFO_ENUM
};

/* CHECKSUM to the host. */
#define HVP_TX_CHECKSUM_IPV4	     0x1u
#define HVP_TX_CHECKSUM_IPV6	     0x2u
#define HVP_TX_CHECKSUM_TCP	     0x4u
#define HVP_TX_CHECKSUM_UDP	     0x8u
#define HVP_TX_CHECKSUM_IP_HEADER    0x10u
#define HVP_TX_CHECKSUM_OFFSET_SHIFT 16 /* of the TCP or UDP header in the frame */
#define HVP_TX_CHECKSUM_OFFSET_MASK  0x3ffu

/* CHECKSUM to the guest. */
#define HVP_RX_CHECKSUM_TCP_FAILED	  0x001u
#define HVP_RX_CHECKSUM_UDP_FAILED	  0x002u
#define HVP_RX_CHECKSUM_IP_FAILED	  0x004u
#define HVP_RX_CHECKSUM_TCP_SUCCEEDED	  0x008u
#define HVP_RX_CHECKSUM_UDP_SUCCEEDED	  0x010u
#define HVP_RX_CHECKSUM_IP_SUCCEEDED	  0x020u
#define HVP_RX_CHECKSUM_LOOPBACK	  0x040u
#define HVP_RX_CHECKSUM_TCP_VALUE_INVALID 0x080u /* the field in the packet was never filled in */
#define HVP_RX_CHECKSUM_IP_VALUE_INVALID  0x100u

/* LSO. */
#define HVP_LSO_MSS_MASK     0xfffffu
#define HVP_LSO_OFFSET_SHIFT 20 /* of the TCP header in the frame */
#define HVP_LSO_OFFSET_MASK  0x3ffu
#define HVP_LSO_VERSION_2    0x40000000u
#define HVP_LSO_IPV6	     0x80000000u

/* VLAN. */
#define HVP_VLAN_PRIORITY_MASK 0x7u
#define HVP_VLAN_CFI	       0x8u
#define HVP_VLAN_ID_SHIFT      4
#define HVP_VLAN_ID_MASK       0xfffu

/* PACKET_ID: one fragment of a coalesced packet. */
#define HVP_PACKET_ID_VERSION	    1u /* bits 0 to 7 */
#define HVP_PACKET_ID_SUBALLOCATION 0x0100u /* on every fragment */
#define HVP_PACKET_ID_FIRST	    0x0200u
#define HVP_PACKET_ID_LAST	    0x0400u
#define HVP_PACKET_ID_SHIFT	    16

/* Fragments of a coalesced packet, and so ranges in one transfer-page packet; without coalescing fewer. */
#define HVP_RSC_FRAGMENTS_MAX	  562
#define HVP_TRANSFER_RANGES_MAX	  375
#define HVP_TRANSFER_RANGES_NDIS5 64 /* under an NDIS version before 6.0 */

#endif
