/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "fuzz/tcp_flow.h"

#include <string.h>

#include "hvw_frame.h"

#define OPTIONS	  12u
#define TCP_BYTES (HVW_TCP_HEADER + OPTIONS)
#define ACK	  0x10

static uint8_t stream_byte(unsigned number, uint32_t at)
{
	return (uint8_t)(at * 7 + (at >> 8) * 13 + (at >> 16) + number * 101);
}

/* --- sums -------------------------------------------------------------------------------------------- */

static uint32_t add(uint32_t sum, const uint8_t *bytes, uint32_t len)
{
	for (; len > 1; bytes += 2, len -= 2)
		sum += hvw_be16(bytes);
	if (len)
		sum += (uint32_t)bytes[0] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* Of the addresses, protocol and length of what follows the IP header. */
static uint32_t pseudo(const uint8_t *ip, bool ipv6, uint32_t len)
{
	return add(HVW_PROTOCOL_TCP + len, ipv6 ? ip + 8 : ip + 12, ipv6 ? 32 : 8);
}

/* --- making ------------------------------------------------------------------------------------------ */

static void make_ip(const struct tcp_flow *flow, uint8_t *ip, uint32_t len, bool large)
{
	if (flow->ipv6) {
		ip[0] = 0x60;
		hvw_put_be16(ip + 4, large ? 0 : (uint16_t)len);
		ip[6] = HVW_PROTOCOL_TCP;
		ip[7] = 64;
		ip[8] = ip[24] = 0xfd;
		ip[23] = 1;
		ip[39] = 2;
		return;
	}
	ip[0] = 0x45;
	hvw_put_be16(ip + 2, large ? 0 : (uint16_t)(HVW_IPV4_HEADER + len));
	ip[6] = 0x40; /* not to be cut */
	ip[8] = 64;
	ip[9] = HVW_PROTOCOL_TCP;
	hvw_put_be32(ip + 12, 0x0a000001);
	hvw_put_be32(ip + 16, 0x0a000002);
	if (!large)
		hvw_put_be16(ip + 10, (uint16_t)~add(0, ip, HVW_IPV4_HEADER));
}

static void make_tcp(const struct tcp_flow *flow, uint8_t *tcp)
{
	hvw_put_be16(tcp, (uint16_t)(TCP_FLOW_PORT + flow->number));
	hvw_put_be16(tcp + 2, (uint16_t)(TCP_FLOW_PORT + flow->number));
	hvw_put_be32(tcp + 4, flow->made);
	hvw_put_be32(tcp + 8, 1);
	tcp[12] = TCP_BYTES / 4 << 4;
	tcp[13] = ACK;
	hvw_put_be16(tcp + 14, 1000);
	/* Nothing, twice, and time stamps: what stacks send. */
	tcp[20] = tcp[21] = 1;
	tcp[22] = 8;
	tcp[23] = 10;
	hvw_put_be32(tcp + 24, 77);
	hvw_put_be32(tcp + 28, 78);
}

uint32_t tcp_flow_make(struct tcp_flow *flow, uint8_t *frame, uint32_t payload,
		       const uint8_t *destination, const uint8_t *source, enum tcp_flow_sums sums,
		       uint32_t *transport)
{
	const uint32_t ip_bytes = flow->ipv6 ? HVW_IPV6_HEADER : HVW_IPV4_HEADER;
	const uint32_t headers = HVW_ETHERNET_HEADER + ip_bytes + TCP_BYTES;
	const bool large = sums == TCP_FLOW_LARGE;
	uint8_t *ip = frame + HVW_ETHERNET_HEADER, *tcp = ip + ip_bytes;
	uint32_t sum;

	memset(frame, 0, headers);
	memcpy(frame, destination, 6);
	memcpy(frame + 6, source, 6);
	hvw_put_be16(frame + 12, flow->ipv6 ? HVW_ETHERTYPE_IPV6 : HVW_ETHERTYPE_IPV4);
	make_ip(flow, ip, TCP_BYTES + payload, large);
	make_tcp(flow, tcp);
	for (uint32_t i = 0; i < payload; i++)
		frame[headers + i] = stream_byte(flow->number, flow->made + i);
	sum = pseudo(ip, flow->ipv6, large ? 0 : TCP_BYTES + payload);
	if (sums == TCP_FLOW_WHOLE)
		sum = (uint16_t)~add(sum, tcp, TCP_BYTES + payload);
	hvw_put_be16(tcp + 16, (uint16_t)sum);
	flow->made += payload;
	*transport = HVW_ETHERNET_HEADER + ip_bytes;
	return headers;
}

/* --- checking ---------------------------------------------------------------------------------------- */

int tcp_flow_of(const uint8_t *frame, uint32_t len)
{
	struct hvw_frame f;

	hvw_frame_dissect(&f, frame, len);
	return f.l4 && f.protocol == HVW_PROTOCOL_TCP ?
		       hvw_be16(frame + f.l4) - (int)TCP_FLOW_PORT :
		       -1;
}

const char *tcp_flow_check(struct tcp_flow *flow, const uint8_t *frame, uint32_t len, bool summed)
{
	struct hvw_frame f;
	uint32_t at, said;

	hvw_frame_dissect(&f, frame, len);
	if (!f.l4 || f.ip != (flow->ipv6 ? 6 : 4) || f.l4_len != TCP_BYTES)
		return "headers";
	said = flow->ipv6 ? hvw_be16(frame + f.l3 + 4) + (uint32_t)f.l4 :
			    hvw_be16(frame + f.l3 + 2) + (uint32_t)f.l3;
	if (said != len)
		return "length";
	if (!flow->ipv6 && add(0, frame + f.l3, HVW_IPV4_HEADER) != 0xffff)
		return "checksum of the IP header";
	if (summed &&
	    add(pseudo(frame + f.l3, flow->ipv6, len - f.l4), frame + f.l4, len - f.l4) != 0xffff)
		return "checksum of TCP";
	if (hvw_be32(frame + f.l4 + 4) != flow->checked)
		return "order";
	at = (uint32_t)f.l4 + f.l4_len;
	for (uint32_t i = 0; i < len - at; i++)
		if (frame[at + i] != stream_byte(flow->number, flow->checked + i))
			return "bytes";
	flow->checked += len - at;
	return NULL;
}
