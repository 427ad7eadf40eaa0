/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "hvw_frame.h"
#include "hvw_shared.h"

/* IPv6 extension headers. */
#define EXTENSION_HOP_BY_HOP  0u
#define EXTENSION_ROUTING     43u
#define EXTENSION_FRAGMENT    44u
#define EXTENSION_DESTINATION 60u

#define FRAGMENT_HEADER 8u

/* Enough for any packet that is not made to keep somebody busy. */
#define EXTENSIONS_MAX 8

/* A transport header at `at`, if it is there whole. */
static void find_l4(struct hvw_frame *frame, const uint8_t *bytes, size_t len, size_t at)
{
	size_t l4_len;

	if (frame->fragment || at > len)
		return;
	if (frame->protocol == HVW_PROTOCOL_UDP) {
		l4_len = HVW_UDP_HEADER;
	} else if (frame->protocol == HVW_PROTOCOL_TCP && len - at >= HVW_TCP_HEADER) {
		l4_len = (size_t)(bytes[at + 12] >> 4) * 4;
		if (l4_len < HVW_TCP_HEADER)
			return;
	} else {
		return;
	}
	if (l4_len > len - at)
		return;
	frame->l4 = (uint16_t)at;
	frame->l4_len = (uint16_t)l4_len;
}

static void find_ipv4(struct hvw_frame *frame, const uint8_t *bytes, size_t len, size_t at)
{
	size_t header;

	if (len - at < HVW_IPV4_HEADER || bytes[at] >> 4 != 4)
		return;
	header = (size_t)(bytes[at] & 0xf) * 4;
	if (header < HVW_IPV4_HEADER || header > len - at)
		return;
	frame->ip = 4;
	frame->l3 = (uint16_t)at;
	frame->protocol = bytes[at + 9];
	frame->extended = header > HVW_IPV4_HEADER;
	/* More fragments to come, or not the first. */
	frame->fragment = (hvw_be16(bytes + at + 6) & 0x3fff) != 0;
	find_l4(frame, bytes, len, at + header);
}

static void find_ipv6(struct hvw_frame *frame, const uint8_t *bytes, size_t len, size_t at)
{
	unsigned extensions;

	if (len - at < HVW_IPV6_HEADER || bytes[at] >> 4 != 6)
		return;
	frame->ip = 6;
	frame->l3 = (uint16_t)at;
	frame->protocol = bytes[at + 6];
	at += HVW_IPV6_HEADER;
	for (extensions = 0; extensions < EXTENSIONS_MAX; extensions++) {
		size_t header = FRAGMENT_HEADER;

		switch (frame->protocol) {
		case EXTENSION_HOP_BY_HOP:
		case EXTENSION_ROUTING:
		case EXTENSION_DESTINATION:
			if (len - at < FRAGMENT_HEADER)
				return;
			header = ((size_t)bytes[at + 1] + 1) * 8;
			break;
		case EXTENSION_FRAGMENT:
			if (len - at < FRAGMENT_HEADER)
				return;
			/* A datagram in one piece may carry this header too. */
			if (hvw_be16(bytes + at + 2) & 0xfff9)
				frame->fragment = true;
			break;
		default:
			find_l4(frame, bytes, len, at);
			return;
		}
		if (header > len - at)
			return;
		frame->extended = true;
		frame->protocol = bytes[at];
		at += header;
	}
}

void hvw_frame_dissect(struct hvw_frame *frame, const uint8_t *bytes, size_t len)
{
	size_t at = HVW_ETHERNET_HEADER;

	hvw_memset(frame, 0, sizeof(*frame));
	if (len < at)
		return;
	if (len > 0xffffu)
		len = 0xffffu;
	frame->ethertype = hvw_be16(bytes + at - 2);
	if (frame->ethertype == HVW_ETHERTYPE_VLAN) {
		frame->ethertype = 0;
		if (len - at < HVW_VLAN_TAG)
			return;
		frame->tagged = true;
		frame->vlan = hvw_be16(bytes + at);
		at += HVW_VLAN_TAG;
		frame->ethertype = hvw_be16(bytes + at - 2);
	}
	if (frame->ethertype == HVW_ETHERTYPE_IPV4)
		find_ipv4(frame, bytes, len, at);
	else if (frame->ethertype == HVW_ETHERTYPE_IPV6)
		find_ipv6(frame, bytes, len, at);
}
