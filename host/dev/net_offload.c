/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The network device: Internet checksums over pieces of memory that may change meanwhile.
 */
#include <string.h>

#include "net_priv.h"

/* The bytes of one piece as 16-bit numbers of this processor, with a zero behind an odd last one. */
static uint64_t sum_piece(const uint8_t *at, size_t len)
{
	uint64_t sum = 0;
	uint32_t word;
	uint16_t half;

	for (; len >= sizeof(word); at += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		sum += word;
	}
	if (len >= sizeof(half)) {
		memcpy(&half, at, sizeof(half));
		sum += half;
		at += sizeof(half);
		len -= sizeof(half);
	}
	if (len)
		sum += *at;
	return sum;
}

static uint32_t fold(uint64_t sum)
{
	sum = (sum & 0xffffffffu) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint32_t)((sum & 0xffff) + (sum >> 16));
}

uint32_t hvh_net_sum(uint32_t sum, const struct iovec *iov, unsigned iovs, size_t skip, size_t len)
{
	bool odd = false;

	for (; iovs && len; iov++, iovs--) {
		const uint8_t *at = iov->iov_base;
		size_t step;
		uint32_t part;

		if (skip >= iov->iov_len) {
			skip -= iov->iov_len;
			continue;
		}
		step = iov->iov_len - skip;
		if (step > len)
			step = len;
		part = fold(sum_piece(at + skip, step));
		/* Behind an odd number of bytes, what is high here is low there. */
		if (odd)
			part = (part & 0xff) << 8 | part >> 8;
		sum = fold((uint64_t)sum + part);
		odd ^= step & 1;
		len -= step;
		skip = 0;
	}
	return sum;
}

uint16_t hvh_net_sum_fold(uint32_t sum)
{
	return (uint16_t)~fold(sum);
}
