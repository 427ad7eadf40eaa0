/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * NDIS structures that RNDIS queries and sets carry: offloads, receive-side scaling, link.
 */
#ifndef PROTO_HVP_NDIS_H
#define PROTO_HVP_NDIS_H

#include "hvp_base.h"

/* In front of each; revision and size tell how much of it the sender knows. */
struct hvp_ndis_header {
	uint8_t type;
	uint8_t revision;
	uint16_t size;
} HVP_WIRE(2);
HVP_SIZE(struct hvp_ndis_header, 4);

#define HVP_NDIS_DEFAULT	  0x80u
#define HVP_NDIS_RSS_CAPABILITIES 0x88u
#define HVP_NDIS_RSS_PARAMETERS	  0x89u
#define HVP_NDIS_OID_REQUEST	  0x96u
#define HVP_NDIS_OFFLOAD	  0xa7u
#define HVP_NDIS_ENCAPSULATION	  0xa8u

/* NDIS versions that guests send in SEND_NDIS_VERSION. */
#define HVP_NDIS_MAJOR	  6u
#define HVP_NDIS_MINOR_V1 1u /* with NVSP before 5 */
#define HVP_NDIS_MINOR_V5 30u

/* --- OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES, _CURRENT_CONFIG --------------------------------------- */

#define HVP_NDIS_ENCAPSULATION_802_3 0x2u

/* Checksum flags; IPV4_* where IPv6 has another meaning. */
#define HVP_OFFLOAD_IPV4_OPTIONS    0x001u
#define HVP_OFFLOAD_IPV6_EXTENSIONS 0x001u
#define HVP_OFFLOAD_TCP_OPTIONS	    0x004u
#define HVP_OFFLOAD_TCP		    0x010u
#define HVP_OFFLOAD_UDP		    0x040u
#define HVP_OFFLOAD_IPV4_HEADER	    0x100u

struct hvp_ndis_offload_checksum {
	uint32_t encapsulation;
	uint32_t flags;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_ndis_offload_checksum, 8);

struct hvp_ndis_offload_lso {
	uint32_t encapsulation;
	uint32_t size_max;
	uint32_t segments_min;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_ndis_offload_lso, 12);

#define HVP_OFFLOAD_LSO_IPV6_EXTENSIONS 0x1u
#define HVP_OFFLOAD_LSO_TCP_OPTIONS	0x4u

struct hvp_ndis_offload {
	struct hvp_ndis_header h; /* type OFFLOAD */
	struct hvp_ndis_offload_checksum tx4;
	struct hvp_ndis_offload_checksum rx4;
	struct hvp_ndis_offload_checksum tx6;
	struct hvp_ndis_offload_checksum rx6;
	struct hvp_ndis_offload_lso lso1;
	uint32_t lso1_options;
	uint8_t ipsec1[28];
	struct hvp_ndis_offload_lso lso4;
	struct hvp_ndis_offload_lso lso6;
	uint32_t lso6_flags; /* HVP_OFFLOAD_LSO_* */
	uint32_t flags;
	uint8_t ipsec2[32]; /* revision 2 */
	uint8_t rsc4; /* revision 3 */
	uint8_t rsc6;
	uint8_t reserved[2];
	uint32_t encapsulated_flags;
	uint32_t encapsulated_header_max;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_ndis_offload, 156);
HVP_OFFSET(struct hvp_ndis_offload, lso1, 36);
HVP_OFFSET(struct hvp_ndis_offload, lso4, 80);
HVP_OFFSET(struct hvp_ndis_offload, lso6_flags, 104);
HVP_OFFSET(struct hvp_ndis_offload, ipsec2, 112);
HVP_OFFSET(struct hvp_ndis_offload, rsc4, 144);
HVP_OFFSET(struct hvp_ndis_offload, encapsulated_header_max, 152);

/* By revision. FreeBSD's header declares 156 and 168 for the last two and reads the first 112 bytes. */
#define HVP_NDIS_OFFLOAD_SIZE_1 112u
#define HVP_NDIS_OFFLOAD_SIZE_2 144u
#define HVP_NDIS_OFFLOAD_SIZE_3 156u

/* --- OID_TCP_OFFLOAD_PARAMETERS ------------------------------------------------------------------- */

#define HVP_OFFLOAD_UNCHANGED 0u
#define HVP_OFFLOAD_OFF	      1u
#define HVP_OFFLOAD_TX	      2u /* checksums */
#define HVP_OFFLOAD_RX	      3u
#define HVP_OFFLOAD_TX_RX     4u
#define HVP_OFFLOAD_ON	      2u /* LSO and RSC */

struct hvp_ndis_offload_params {
	struct hvp_ndis_header h; /* type DEFAULT */
	uint8_t ipv4_header;
	uint8_t tcp4;
	uint8_t udp4;
	uint8_t tcp6;
	uint8_t udp6;
	uint8_t lso1;
	uint8_t ipsec1;
	uint8_t lso4;
	uint8_t lso6;
	uint8_t connection4;
	uint8_t connection6;
	uint8_t reserved1;
	uint32_t flags;
	uint8_t ipsec2; /* revision 2 */
	uint8_t ipsec2_ipv4;
	uint8_t rsc4; /* revision 3 */
	uint8_t rsc6;
	uint8_t encapsulated;
	uint8_t encapsulation_types;
	uint8_t reserved2[2];
} HVP_WIRE(4);
HVP_SIZE(struct hvp_ndis_offload_params, 28);
HVP_OFFSET(struct hvp_ndis_offload_params, flags, 16);
HVP_OFFSET(struct hvp_ndis_offload_params, ipsec2, 20);
HVP_OFFSET(struct hvp_ndis_offload_params, rsc4, 22);
HVP_OFFSET(struct hvp_ndis_offload_params, encapsulation_types, 25);

#define HVP_NDIS_OFFLOAD_PARAMS_SIZE_1 20u
#define HVP_NDIS_OFFLOAD_PARAMS_SIZE_2 22u
#define HVP_NDIS_OFFLOAD_PARAMS_SIZE_3 28u

/* --- OID_GEN_RECEIVE_SCALE_CAPABILITIES, _PARAMETERS ---------------------------------------------- */

#define HVP_RSS_FUNCTION_MASK	  0xffu
#define HVP_RSS_FUNCTION_TOEPLITZ 0x01u

/* Capability flags. */
#define HVP_RSS_CAP_IPV4    0x0100u
#define HVP_RSS_CAP_IPV6    0x0200u
#define HVP_RSS_CAP_IPV6_EX 0x0400u
#define HVP_RSS_CAP_UDP4    0x0800u
#define HVP_RSS_CAP_UDP6    0x1000u
#define HVP_RSS_CAP_UDP6_EX 0x2000u

struct hvp_ndis_rss_caps {
	struct hvp_ndis_header h; /* type RSS_CAPABILITIES */
	uint32_t flags;
	uint32_t messages;
	uint32_t queues;
	uint16_t entries; /* of the indirection table; revision 2 */
	uint16_t reserved;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_ndis_rss_caps, 20);
HVP_OFFSET(struct hvp_ndis_rss_caps, entries, 16);

#define HVP_NDIS_RSS_CAPS_SIZE_1 16u
#define HVP_NDIS_RSS_CAPS_SIZE_2 18u

/* Hash types, in hash information. */
#define HVP_RSS_IPV4	0x00100u
#define HVP_RSS_TCP4	0x00200u
#define HVP_RSS_IPV6	0x00400u
#define HVP_RSS_IPV6_EX 0x00800u
#define HVP_RSS_TCP6	0x01000u
#define HVP_RSS_TCP6_EX 0x02000u
#define HVP_RSS_UDP4	0x04000u
#define HVP_RSS_UDP6	0x08000u
#define HVP_RSS_UDP6_EX 0x10000u

/* Flags of parameters. */
#define HVP_RSS_BASE_CPU_UNCHANGED    0x01u
#define HVP_RSS_HASH_UNCHANGED	      0x02u
#define HVP_RSS_TABLE_UNCHANGED	      0x04u
#define HVP_RSS_KEY_UNCHANGED	      0x08u
#define HVP_RSS_DISABLE		      0x10u
#define HVP_RSS_DEFAULT_CPU_UNCHANGED 0x20u

#define HVP_RSS_KEY_BYTES     40u
#define HVP_RSS_TABLE_ENTRIES 128u
#define HVP_RSS_TABLE_MAX     256u

/* Table (u32 channel indices) and key stand where the offsets say, from the beginning of this. */
struct hvp_ndis_rss_params {
	struct hvp_ndis_header h; /* type RSS_PARAMETERS */
	uint16_t flags;
	uint16_t base_cpu;
	uint32_t hash; /* function and types */
	uint16_t table_bytes;
	uint16_t reserved1;
	uint32_t table_offset;
	uint16_t key_bytes;
	uint16_t reserved2;
	uint32_t key_offset;
	uint32_t masks_offset; /* revision 2 */
	uint32_t masks_count;
	uint32_t masks_size;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_ndis_rss_params, 40);
HVP_OFFSET(struct hvp_ndis_rss_params, hash, 8);
HVP_OFFSET(struct hvp_ndis_rss_params, key_bytes, 20);
HVP_OFFSET(struct hvp_ndis_rss_params, masks_offset, 28);

#define HVP_NDIS_RSS_PARAMS_SIZE_1 28u
#define HVP_NDIS_RSS_PARAMS_SIZE_2 40u

/* --- link ----------------------------------------------------------------------------------------- */

#define HVP_NDIS_LINK_CONNECTED	   1u
#define HVP_NDIS_LINK_DISCONNECTED 2u

/* OID_GEN_LINK_STATE. */
struct hvp_ndis_link_state {
	struct hvp_ndis_header h; /* type DEFAULT, revision 1 */
	uint32_t connect_state;
	uint32_t duplex; /* 0: unknown */
	uint32_t reserved;
	uint64_t tx_bits_per_second;
	uint64_t rx_bits_per_second;
	uint32_t pause;
	uint32_t auto_negotiation;
} HVP_WIRE(8);
HVP_SIZE(struct hvp_ndis_link_state, 40);
HVP_OFFSET(struct hvp_ndis_link_state, tx_bits_per_second, 16);
HVP_OFFSET(struct hvp_ndis_link_state, auto_negotiation, 36);

/* OID_GEN_MAX_LINK_SPEED. */
struct hvp_ndis_link_speed {
	uint64_t tx_bits_per_second;
	uint64_t rx_bits_per_second;
} HVP_WIRE(8);
HVP_SIZE(struct hvp_ndis_link_speed, 16);

/* OID_OFFLOAD_ENCAPSULATION. */
struct hvp_ndis_encapsulation {
	struct hvp_ndis_header h; /* type ENCAPSULATION, revision 1 */
	uint32_t ipv4_enabled; /* 1 on, 2 off, 0 unchanged */
	uint32_t ipv4_type;
	uint32_t ipv4_header_bytes;
	uint32_t ipv6_enabled;
	uint32_t ipv6_type;
	uint32_t ipv6_header_bytes;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_ndis_encapsulation, 28);

#endif
