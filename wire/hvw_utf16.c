/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <stdbool.h>

#include "hvw_utf16.h"

#define SURROGATES_BEGIN 0xd800u
#define SURROGATES_LOW	 0xdc00u
#define SURROGATES_END	 0xe000u
#define SUPPLEMENTARY	 0x10000u
#define LAST_POINT	 0x10ffffu
#define REPLACEMENT	 0xfffdu

/* The code point at *text, which moves behind it; negative: not UTF-8. */
static int32_t next_point(const char **text)
{
	/* The smallest that needs so many bytes behind the first: what is below is an overlong form. */
	static const uint32_t smallest[] = { 0, 0x80, 0x800, SUPPLEMENTARY };
	const uint8_t *bytes = (const uint8_t *)*text;
	uint32_t point = bytes[0];
	unsigned more, i;

	if (point < 0x80)
		more = 0;
	else if ((point & 0xe0) == 0xc0)
		more = 1;
	else if ((point & 0xf0) == 0xe0)
		more = 2;
	else if ((point & 0xf8) == 0xf0)
		more = 3;
	else
		return -EILSEQ;
	if (more)
		point &= 0x3fu >> more;
	/* A terminator is no continuation: nothing behind it is read. */
	for (i = 1; i <= more; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return -EILSEQ;
		point = point << 6 | (bytes[i] & 0x3f);
	}
	if (point < smallest[more] || point > LAST_POINT ||
	    (point >= SURROGATES_BEGIN && point < SURROGATES_END))
		return -EILSEQ;
	*text += more + 1;
	return (int32_t)point;
}

int hvw_utf16_from_utf8(uint16_t *units, size_t room, const char *text)
{
	size_t at = 0;

	while (*text) {
		int32_t point = next_point(&text);

		if (point < 0)
			return point;
		if (at + 1 + ((uint32_t)point >= SUPPLEMENTARY) >= room)
			return -EMSGSIZE;
		if ((uint32_t)point >= SUPPLEMENTARY) {
			point -= SUPPLEMENTARY;
			units[at++] = (uint16_t)(SURROGATES_BEGIN | point >> 10);
			point = SURROGATES_LOW | (point & 0x3ff);
		}
		units[at++] = (uint16_t)point;
	}
	if (at >= room)
		return -EMSGSIZE;
	units[at] = 0;
	return (int)at;
}

/* The code point at units[*at], which moves behind it. */
static uint32_t next_pair(const uint16_t *units, size_t count, size_t *at)
{
	uint32_t unit = units[(*at)++], low;

	if (unit < SURROGATES_BEGIN || unit >= SURROGATES_END)
		return unit;
	if (unit >= SURROGATES_LOW || *at == count)
		return REPLACEMENT;
	low = units[*at];
	if (low < SURROGATES_LOW || low >= SURROGATES_END)
		return REPLACEMENT;
	++*at;
	return SUPPLEMENTARY + ((unit & 0x3ff) << 10 | (low & 0x3ff));
}

/* Returns the number of bytes. */
static unsigned put_point(uint8_t bytes[4], uint32_t point)
{
	unsigned more = point < 0x80 ? 0 : point < 0x800 ? 1 : point < SUPPLEMENTARY ? 2 : 3, i;

	for (i = more; i; i--, point >>= 6)
		bytes[i] = (uint8_t)(0x80 | (point & 0x3f));
	bytes[0] = (uint8_t)(more ? (0xf0u << (3 - more) | point) : point);
	return more + 1;
}

int hvw_utf16_to_utf8(char *text, size_t room, const uint16_t *units, size_t count)
{
	size_t at = 0, written = 0;

	while (at < count && units[at]) {
		uint8_t bytes[4];
		unsigned len = put_point(bytes, next_pair(units, count, &at)), i;

		if (len >= room - written || written >= room)
			return -EMSGSIZE;
		for (i = 0; i < len; i++)
			text[written++] = (char)bytes[i];
	}
	if (written >= room)
		return -EMSGSIZE;
	text[written] = '\0';
	return (int)written;
}
