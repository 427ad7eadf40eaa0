/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * VMBus ring buffers: the control page in front of each ring, packet descriptors, GPA ranges.
 */
#ifndef PROTO_HVP_RING_H
#define PROTO_HVP_RING_H

#include "hvp_base.h"

/*
 * The first page of a ring; the data follows. Each field has one writer: the producer owns
 * write_index, pending_send_size and features, the consumer read_index and interrupt_mask.
 */
struct hvp_ring_control {
	uint32_t write_index; /* bytes into the data, a multiple of 8, below its size */
	uint32_t read_index;
	uint32_t interrupt_mask; /* non-zero: the consumer wants no signal for data */
	uint32_t pending_send_size; /* bytes the blocked producer needs; 0: not blocked */
	uint32_t reserved1[12];
	uint32_t features;
	uint32_t reserved2[1007];
} HVP_WIRE(8);
HVP_SIZE(struct hvp_ring_control, HVP_PAGE_SIZE);
HVP_OFFSET(struct hvp_ring_control, features, 64);

#define HVP_RING_FEATURE_PENDING_SEND 0x1u

/* Control page and one page of data. */
#define HVP_RING_MIN_PAGES 2

/* Packet types: number, name, bytes of its fixed header. */
#define HVP_PACKET_LIST(X)                                                                         \
	X(6, INBAND, 16)                                                                           \
	X(7, TRANSFER_PAGES, 24)                                                                   \
	X(9, GPA_DIRECT, 24)                                                                       \
	X(11, COMPLETION, 16)

enum hvp_packet_type {
#define HVP_PACKET_ENUM(number, name, header) HVP_PACKET_##name = (number),
	HVP_PACKET_LIST(HVP_PACKET_ENUM)
#undef HVP_PACKET_ENUM
};

#define HVP_PACKET_FLAG_COMPLETION 0x0001u /* the sender wants a completion packet */

struct hvp_packet {
	uint16_t type;
	uint16_t offset8; /* header length, in 8-byte units */
	uint16_t length8; /* header, payload and padding, in 8-byte units, without the trailer */
	uint16_t flags;
	uint64_t transaction_id;
} HVP_WIRE(8);
HVP_SIZE(struct hvp_packet, 16);

/* Behind each packet: the high half is the ring offset at which the packet starts. */
#define HVP_PACKET_TRAILER 8u

/* After the descriptor of a TRANSFER_PAGES packet. */
struct hvp_transfer_pages {
	uint16_t set_id;
	uint8_t sender_owns_set;
	uint8_t reserved;
	uint32_t range_count;
} HVP_WIRE(8);
HVP_SIZE(struct hvp_transfer_pages, 8);

struct hvp_transfer_range {
	uint32_t byte_count;
	uint32_t byte_offset;
} HVP_WIRE(8);
HVP_SIZE(struct hvp_transfer_range, 8);

/* After the descriptor of a GPA_DIRECT packet. */
struct hvp_gpa_direct {
	uint32_t reserved;
	uint32_t range_count;
} HVP_WIRE(8);
HVP_SIZE(struct hvp_gpa_direct, 8);

/* A range of guest pages, in GPA_DIRECT packets and in GPADL messages; the page numbers follow. */
struct hvp_gpa_range {
	uint32_t byte_count;
	uint32_t byte_offset; /* in the first page */
} HVP_WIRE(4);
HVP_SIZE(struct hvp_gpa_range, 8);

/* In front of each payload on a channel in pipe mode. */
#define HVP_PIPE_DATA	 1u
#define HVP_PIPE_PARTIAL 2u

struct hvp_pipe_header {
	uint32_t type;
	uint32_t length; /* bytes behind this header */
} HVP_WIRE(4);
HVP_SIZE(struct hvp_pipe_header, 8);

#endif
