/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/base64.h"

#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void vmm_base64_encode(char *text, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i += 3) {
		unsigned left = len - i < 3 ? (unsigned)(len - i) : 3;
		uint32_t bits = (uint32_t)bytes[i] << 16;

		if (left > 1)
			bits |= (uint32_t)bytes[i + 1] << 8;
		if (left > 2)
			bits |= bytes[i + 2];
		*text++ = digits[bits >> 18];
		*text++ = digits[bits >> 12 & 63];
		*text++ = left > 1 ? digits[bits >> 6 & 63] : '=';
		*text++ = left > 2 ? digits[bits & 63] : '=';
	}
	*text = '\0';
}

static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

ssize_t vmm_base64_decode(uint8_t *bytes, size_t size, const char *text)
{
	size_t len = strlen(text), pad = 0, count;

	if (len % 4)
		return -1;
	if (len && text[len - 1] == '=')
		pad = text[len - 2] == '=' ? 2 : 1;
	count = len / 4 * 3 - pad;
	if (count > size)
		return -1;
	for (size_t i = 0, out = 0; i < len; i += 4) {
		uint32_t bits = 0;

		for (size_t k = 0; k < 4; k++) {
			int value = i + k < len - pad ? value_of(text[i + k]) : 0;

			if (value < 0)
				return -1;
			bits = bits << 6 | (uint32_t)value;
		}
		for (int shift = 16; shift >= 0 && out < count; shift -= 8)
			bytes[out++] = (uint8_t)(bits >> shift);
	}
	return (ssize_t)count;
}
