/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Streams of TCP segments whose every byte is known: made for one end, checked at the other. A segment carries the next
 * bytes of its stream, and nothing else of TCP is played.
 */
#ifndef FUZZ_TCP_FLOW_H
#define FUZZ_TCP_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TCP_FLOW_PORT 20000u /* that of flow 0, at both ends */

struct tcp_flow {
	unsigned number; /* which one: its ports and its bytes */
	bool ipv6;
	uint32_t made; /* bytes of the stream so far */
	uint32_t checked;
};

enum tcp_flow_sums {
	TCP_FLOW_WHOLE, /* every checksum is there */
	TCP_FLOW_PARTIAL, /* TCP's is that of the pseudo-header */
	TCP_FLOW_LARGE, /* as for large sends: IPv4's and the lengths are missing too */
};

/*
 * The next `payload` bytes as one frame to `frame`, from `source` to `destination`; *transport: offset of the TCP header,
 * which has 12 bytes of options. Returns the length of all headers.
 */
uint32_t tcp_flow_make(struct tcp_flow *flow, uint8_t *frame, uint32_t payload,
		       const uint8_t *destination, const uint8_t *source, enum tcp_flow_sums sums,
		       uint32_t *transport);

/* Which flow a frame belongs to; negative: none. */
int tcp_flow_of(const uint8_t *frame, uint32_t len);

/* What is wrong with the next frame of a flow; NULL: nothing. `summed`: its checksums have to be right. */
const char *tcp_flow_check(struct tcp_flow *flow, const uint8_t *frame, uint32_t len, bool summed);

#endif
