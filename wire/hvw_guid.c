/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "hvw_guid.h"
#include "hvw_shared.h"

/* Which byte of the wire form each pair of digits is, in the order of the text; dashes stand before these pairs. */
static const uint8_t wire_order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };

static bool dash_before(unsigned pair)
{
	return pair == 4 || pair == 6 || pair == 8 || pair == 10;
}

bool hvw_guid_equal(const struct hvp_guid *a, const struct hvp_guid *b)
{
	return __builtin_memcmp(a, b, sizeof(*a)) == 0;
}

void hvw_guid_format(const struct hvp_guid *guid, char text[HVW_GUID_TEXT])
{
	static const char digits[] = "0123456789abcdef";
	unsigned pair;

	for (pair = 0; pair < 16; pair++) {
		uint8_t byte = guid->b[wire_order[pair]];

		if (dash_before(pair))
			*text++ = '-';
		*text++ = digits[byte >> 4];
		*text++ = digits[byte & 15];
	}
	*text = '\0';
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -EINVAL;
}

int hvw_guid_parse(struct hvp_guid *guid, const char *text)
{
	struct hvp_guid parsed;
	unsigned pair;

	for (pair = 0; pair < 16; pair++) {
		int high, low;

		if (dash_before(pair) && *text++ != '-')
			return -EINVAL;
		high = digit_value(text[0]);
		low = high < 0 ? high : digit_value(text[1]);
		if (low < 0)
			return -EINVAL;
		parsed.b[wire_order[pair]] = (uint8_t)(high << 4 | low);
		text += 2;
	}
	if (*text)
		return -EINVAL;
	*guid = parsed;
	return 0;
}
