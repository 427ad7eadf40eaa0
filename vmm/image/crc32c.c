/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/image/crc32c.h"

#include <pthread.h>

#define POLYNOMIAL 0x82f63b78u /* its bits reversed */

/* What eight bytes in a row do to the sum, each in its place. */
static uint32_t table[8][256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_table(void)
{
	for (unsigned i = 0; i < 256; i++) {
		uint32_t crc = i;

		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
		table[0][i] = crc;
	}
	for (unsigned n = 1; n < 8; n++)
		for (unsigned i = 0; i < 256; i++)
			table[n][i] = table[n - 1][i] >> 8 ^ table[0][table[n - 1][i] & 0xff];
}

uint32_t vmm_crc32c(uint32_t crc, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	pthread_once(&once, make_table);
	crc = ~crc;
	for (; len >= 8; len -= 8, at += 8)
		crc = table[7][at[0] ^ (crc & 0xff)] ^ table[6][at[1] ^ (crc >> 8 & 0xff)] ^
		      table[5][at[2] ^ (crc >> 16 & 0xff)] ^ table[4][at[3] ^ (crc >> 24)] ^
		      table[3][at[4]] ^ table[2][at[5]] ^ table[1][at[6]] ^ table[0][at[7]];
	for (; len; len--, at++)
		crc = crc >> 8 ^ table[0][*at ^ (crc & 0xff)];
	return ~crc;
}

uint32_t vmm_crc32c_without(const void *bytes, size_t len, size_t field)
{
	static const uint8_t zeros[4];
	const uint8_t *at = bytes;
	uint32_t crc = vmm_crc32c(0, at, field);

	crc = vmm_crc32c(crc, zeros, sizeof(zeros));
	return vmm_crc32c(crc, at + field + sizeof(zeros), len - field - sizeof(zeros));
}
