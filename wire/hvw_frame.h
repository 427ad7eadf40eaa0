/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What an Ethernet frame is: its headers found by a bounded walk over a private copy of its beginning.
 */
#ifndef WIRE_HVW_FRAME_H
#define WIRE_HVW_FRAME_H

#include <stdbool.h>

#include "hvp_base.h"
#include "hvw_be.h"

#define HVW_ETHERNET_HEADER 14u
#define HVW_VLAN_TAG	    4u
#define HVW_IPV4_HEADER	    20u
#define HVW_IPV6_HEADER	    40u
#define HVW_TCP_HEADER	    20u
#define HVW_UDP_HEADER	    8u

#define HVW_ETHERTYPE_IPV4 0x0800u
#define HVW_ETHERTYPE_IPV6 0x86ddu
#define HVW_ETHERTYPE_VLAN 0x8100u

#define HVW_PROTOCOL_TCP 6u
#define HVW_PROTOCOL_UDP 17u

/* All that is looked at lies in so many first bytes. */
#define HVW_FRAME_HEADERS_MAX 256u

struct hvw_frame {
	uint16_t ethertype; /* behind a VLAN tag; 0: too short to have one */
	uint16_t vlan; /* the tag's lower half, when `tagged` */
	bool tagged;
	uint8_t ip; /* 4, 6, or 0: neither, or cut short */
	uint8_t protocol; /* when `ip`: of what follows the IP headers */
	bool extended; /* an IPv4 header with options, an IPv6 header with extensions */
	bool fragment; /* a part of a datagram; then there is no l4 */
	uint16_t l3; /* offset of the IP header, when `ip` */
	uint16_t l4; /* offset of the TCP or UDP header, which is there whole; 0: none */
	uint16_t l4_len; /* of that header: of TCP with its options; 0: none */
};

/*
 * Find the headers in the first `len` bytes of a frame (more than HVW_FRAME_HEADERS_MAX are not needed). What is cut short, or
 * makes no sense, is not there. One VLAN tag is walked through.
 */
void hvw_frame_dissect(struct hvw_frame *frame, const uint8_t *bytes, size_t len);

#endif
