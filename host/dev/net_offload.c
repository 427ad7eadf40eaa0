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

void hvh_net_sum_ip_header(uint8_t *ip)
{
	const struct iovec header = { ip, (size_t)(ip[0] & 0xf) * 4 };
	uint16_t sum;

	hvw_put_be16(ip + 10, 0);
	sum = hvh_net_sum_fold(hvh_net_sum(0, &header, 1, 0, header.iov_len));
	memcpy(ip + 10, &sum, sizeof(sum));
}

void hvh_net_set_ip_length(const struct hvw_frame *found, uint8_t *ip, uint32_t l4_bytes,
			   uint16_t number)
{
	if (found->ip == 6) {
		uint32_t extensions = (uint32_t)found->l4 - found->l3 - HVW_IPV6_HEADER;

		hvw_put_be16(ip + 4, (uint16_t)(extensions + l4_bytes));
		return;
	}
	hvw_put_be16(ip + 2, (uint16_t)((uint32_t)found->l4 - found->l3 + l4_bytes));
	hvw_put_be16(ip + 4, number);
	hvh_net_sum_ip_header(ip);
}
