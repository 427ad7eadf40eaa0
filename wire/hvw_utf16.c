/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <stdbool.h>

#include "hvw_shared.h"
#include "hvw_utf16.h"

#define SURROGATES_BEGIN 0xd800u
#define SURROGATES_LOW	 0xdc00u
#define SURROGATES_END	 0xe000u
#define SUPPLEMENTARY	 0x10000u
#define LAST_POINT	 0x10ffffu
#define REPLACEMENT	 0xfffd

static void put_unit(void *units, size_t at, uint32_t unit)
{
	uint16_t value = (uint16_t)unit;

	hvw_memcpy((uint8_t *)units + 2 * at, &value, sizeof(value));
}

static uint32_t get_unit(const void *units, size_t at)
{
	uint16_t value;

	hvw_memcpy(&value, (const uint8_t *)units + 2 * at, sizeof(value));
	return value;
}

/* The code point at *at, which moves behind it; -EILSEQ: not UTF-8. There is a byte. */
static int32_t next_point(const uint8_t **at, const uint8_t *end)
{
	/* The smallest that needs so many bytes behind the first: what is below is an overlong form. */
	static const uint32_t smallest[] = { 0, 0x80, 0x800, SUPPLEMENTARY };
	const uint8_t *bytes = *at;
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
	if (more >= (size_t)(end - bytes))
		return -EILSEQ;
	if (more)
		point &= 0x3fu >> more;
	for (i = 1; i <= more; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return -EILSEQ;
		point = point << 6 | (bytes[i] & 0x3f);
	}
	if (point < smallest[more] || point > LAST_POINT ||
	    (point >= SURROGATES_BEGIN && point < SURROGATES_END))
		return -EILSEQ;
	*at = bytes + more + 1;
	return (int32_t)point;
}

/* `strict`: errors instead of replacing and cutting. */
static int encode(void *units, size_t room, const char *text, size_t size, bool strict)
{
	const uint8_t *at = (const uint8_t *)text, *end = at + size;
	size_t written = 0;

	while (at < end && *at) {
		int32_t point = next_point(&at, end);

		if (point < 0) {
			if (strict)
				return point;
			point = REPLACEMENT;
			at++;
		}
		if (written + 1 + (point >= (int32_t)SUPPLEMENTARY) >= room) {
			if (strict)
				return -EMSGSIZE;
			break;
		}
		if (point >= (int32_t)SUPPLEMENTARY) {
			point -= SUPPLEMENTARY;
			put_unit(units, written++, SURROGATES_BEGIN | (uint32_t)point >> 10);
			point = SURROGATES_LOW | (point & 0x3ff);
		}
		put_unit(units, written++, (uint32_t)point);
	}
	if (written >= room)
		return -EMSGSIZE;
	put_unit(units, written, 0);
	return (int)written;
}

int hvw_utf16_from_utf8(void *units, size_t room, const char *text)
{
	size_t size = 0;

	while (text[size])
		size++;
	return encode(units, room, text, size, true);
}

int hvw_utf16_from_any(void *units, size_t room, const char *text, size_t size)
{
	return encode(units, room, text, size, false);
}

/* The code point at *at, which moves behind it. */
static uint32_t next_pair(const void *units, size_t count, size_t *at)
{
	uint32_t unit = get_unit(units, (*at)++), low;

	if (unit < SURROGATES_BEGIN || unit >= SURROGATES_END)
		return unit;
	if (unit >= SURROGATES_LOW || *at == count)
		return REPLACEMENT;
	low = get_unit(units, *at);
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

int hvw_utf16_to_utf8(char *text, size_t room, const void *units, size_t count)
{
	size_t at = 0, written = 0;

	while (at < count && get_unit(units, at)) {
		uint8_t bytes[4];
		unsigned len = put_point(bytes, next_pair(units, count, &at)), i;

		if (written >= room || len >= room - written)
			return -EMSGSIZE;
		for (i = 0; i < len; i++)
			text[written++] = (char)bytes[i];
	}
	if (written >= room)
		return -EMSGSIZE;
	text[written] = '\0';
	return (int)written;
}
