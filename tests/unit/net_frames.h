/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Ethernet frames made by hand, and a checker of checksums that shares no code with the device.
 */
#ifndef TESTS_UNIT_NET_FRAMES_H
#define TESTS_UNIT_NET_FRAMES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "tap.h"

#define MADE_SEQUENCE 0xfffffe00u
#define MADE_IP_ID    0xfffe

struct made {
	uint8_t bytes[8192];
	size_t len;
};

TAP_UNUSED static const uint8_t own_mac[6] = { 0x00, 0x15, 0x5d, 0x01, 0x02, 0x03 };
TAP_UNUSED static const uint8_t other_mac[6] = { 0x02, 0, 0, 0, 0, 1 };

/* The sum of big-endian words, an odd byte being the higher half of the last. */
TAP_UNUSED static uint32_t made_sum(uint32_t sum, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static inline void made_be16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* Headers of Ethernet and IP for `l4_len` bytes behind; where these begin. */
static inline size_t made_head(struct made *m, const uint8_t *from, const uint8_t *to, bool ipv6,
			       uint8_t protocol, size_t l4_len)
{
	uint8_t *ip = m->bytes + 14;

	memset(m->bytes, 0, sizeof(m->bytes));
	memcpy(m->bytes, to, 6);
	memcpy(m->bytes + 6, from, 6);
	made_be16(m->bytes + 12, ipv6 ? 0x86dd : 0x0800);
	if (ipv6) {
		ip[0] = 0x60;
		made_be16(ip + 4, (uint32_t)l4_len);
		ip[6] = protocol;
		ip[7] = 64;
		ip[8] = ip[24] = 0xfe;
		ip[9] = ip[25] = 0x80;
		ip[23] = 1;
		ip[39] = 2;
		m->len = 54 + l4_len;
		return 54;
	}
	ip[0] = 0x45;
	made_be16(ip + 2, (uint32_t)(20 + l4_len));
	made_be16(ip + 4, MADE_IP_ID);
	ip[8] = 64;
	ip[9] = protocol;
	memcpy(ip + 12, "\x0a\x00\x00\x01\x0a\x00\x00\x02", 8);
	made_be16(ip + 10, ~made_sum(0, ip, 20));
	m->len = 34 + l4_len;
	return 34;
}

/* The pseudo-header's part, for `length` bytes. */
static inline uint32_t made_pseudo(const uint8_t *frame, bool ipv6, uint8_t protocol, size_t length)
{
	uint32_t sum = ipv6 ? made_sum(0, frame + 22, 32) : made_sum(0, frame + 26, 8);

	return sum + protocol + (uint32_t)length;
}

static inline void made_fill(struct made *m, size_t at)
{
	for (size_t i = at; i < m->len; i++)
		m->bytes[i] = (uint8_t)(i * 7 + (i >> 8));
}

/* UDP over IPv4 with `payload` bytes, whole. */
TAP_UNUSED static void made_udp(struct made *m, const uint8_t *from, const uint8_t *to,
				size_t payload)
{
	size_t at = made_head(m, from, to, false, 17, 8 + payload);

	made_be16(m->bytes + at, 1000);
	made_be16(m->bytes + at + 2, 2000);
	made_be16(m->bytes + at + 4, (uint32_t)(8 + payload));
	made_fill(m, at + 8);
	made_be16(m->bytes + at + 6, ~made_sum(made_pseudo(m->bytes, false, 17, 8 + payload),
					       m->bytes + at, 8 + payload));
}

static inline size_t made_udp_len(size_t payload)
{
	return 42 + payload;
}

static inline size_t made_transport(struct made *m, const uint8_t *from, const uint8_t *to,
				    bool ipv6, bool udp, size_t payload)
{
	size_t header = udp ? 8 : 20,
	       at = made_head(m, from, to, ipv6, udp ? 17 : 6, header + payload);
	uint8_t *l4 = m->bytes + at;

	made_be16(l4, 1000);
	made_be16(l4 + 2, 2000);
	if (udp) {
		made_be16(l4 + 4, (uint32_t)(header + payload));
	} else {
		made_be16(l4 + 4, MADE_SEQUENCE >> 16);
		made_be16(l4 + 6, MADE_SEQUENCE & 0xffff);
		l4[12] = 0x50;
		l4[13] = 0x99; /* CWR, ACK, PSH, FIN */
	}
	made_fill(m, at + header);
	return at;
}

/* As a guest sends it that leaves the checksum to the host: the pseudo-header's sum stands in its place. */
TAP_UNUSED static void made_partial(struct made *m, const uint8_t *from, const uint8_t *to,
				    bool ipv6, bool udp, size_t payload)
{
	size_t at = made_transport(m, from, to, ipv6, udp, payload);
	uint32_t sum = made_pseudo(m->bytes, ipv6, udp ? 17 : 6, (udp ? 8 : 20) + payload);

	made_be16(m->bytes + at + (udp ? 6 : 16), made_sum(sum, NULL, 0));
	if (!ipv6)
		made_be16(m->bytes + 24, 0xdead);
}

/* … or that leaves it to be cut: no lengths, and the pseudo-header's sum without one. */
TAP_UNUSED static void made_large(struct made *m, const uint8_t *from, const uint8_t *to, bool ipv6,
				  size_t payload)
{
	size_t at = made_transport(m, from, to, ipv6, false, payload);

	made_be16(m->bytes + at + 16, made_sum(made_pseudo(m->bytes, ipv6, 6, 0), NULL, 0));
	made_be16(m->bytes + (ipv6 ? 18 : 16), 0);
	if (!ipv6)
		made_be16(m->bytes + 24, 0);
}

/* What is wrong with lengths and checksums; "": nothing. */
TAP_UNUSED static const char *made_wrong(const uint8_t *frame, size_t len)
{
	bool ipv6 = frame[12] == 0x86;
	size_t at = ipv6 ? 54 : 34, l4_len = ipv6 ? (size_t)(frame[18] << 8 | frame[19]) :
						    (size_t)(frame[16] << 8 | frame[17]) - 20;
	uint8_t protocol = ipv6 ? frame[20] : frame[23];

	if (at + l4_len != len)
		return "IP length";
	if (!ipv6 && made_sum(0, frame + 14, 20) != 0xffff)
		return "IP header's checksum";
	if (made_sum(made_pseudo(frame, ipv6, protocol, l4_len), frame + at, l4_len) != 0xffff)
		return "checksum";
	return "";
}

#endif
