/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * UTF-8 to UTF-16 and back; keys and values made of it.
 */
#include "hvw_kvp.h"
#include "tap.h"

TAP_TEST(every_code_point_there_and_back)
{
	unsigned wrong = 0;

	for (uint32_t point = 1; point <= 0x10ffff; point++) {
		uint16_t units[3] = { (uint16_t)point, 0, 0 }, again[3];
		char text[5];
		int count = 1, len;

		if (point >= 0xd800 && point < 0xe000)
			continue;
		if (point > 0xffff) {
			units[0] = (uint16_t)(0xd800 + ((point - 0x10000) >> 10));
			units[1] = (uint16_t)(0xdc00 + ((point - 0x10000) & 0x3ff));
			count = 2;
		}
		len = hvw_utf16_to_utf8(text, sizeof(text), units, 3);
		wrong += len != (point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4);
		wrong += hvw_utf16_from_utf8(again, 3, text) != count ||
			 memcmp(again, units, sizeof(units[0]) * (size_t)count);
	}
	TAP_EQ(wrong, 0);
}

TAP_TEST(what_is_no_utf8)
{
	static const char *const texts[] = {
		"\x80",
		"a\xbf",
		"\xc3",
		"\xc3z",
		"\xe2\x82",
		"\xf0\x9f\x92", /* cut short */
		"\xc0\x80",
		"\xc1\xbf",
		"\xe0\x9f\xbf",
		"\xf0\x8f\xbf\xbf", /* overlong */
		"\xed\xa0\x80",
		"\xed\xbf\xbf", /* surrogates */
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xff",
		"\xfe", /* beyond the last */
	};
	uint16_t units[8];

	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		TAP_EQ(hvw_utf16_from_utf8(units, 8, texts[i]), -EILSEQ);
}

TAP_TEST(no_more_is_written_than_there_is_room_for)
{
	uint16_t units[4] = { 7, 7, 7, 7 };
	char text[8] = "xxxxxxx";

	TAP_EQ(hvw_utf16_from_utf8(units, 3, "ab"), 2);
	TAP_EQ(units[2], 0);
	TAP_EQ(units[3], 7);
	TAP_EQ(hvw_utf16_from_utf8(units, 2, "ab"), -EMSGSIZE);
	TAP_EQ(hvw_utf16_from_utf8(units, 0, ""), -EMSGSIZE);
	TAP_EQ(hvw_utf16_from_utf8(units, 2, "\xf0\x9f\x92\xbe"), -EMSGSIZE);
	TAP_EQ(units[2], 0);
	TAP_EQ(hvw_utf16_from_utf8(units, 3, "\xf0\x9f\x92\xbe"), 2);
	units[0] = 0x20ac;
	units[1] = 'b';
	TAP_EQ(hvw_utf16_to_utf8(text, 5, units, 2), 4);
	TAP_MEM_EQ(text, "\xe2\x82\xac\x62\0xx", 7);
	TAP_EQ(hvw_utf16_to_utf8(text, 4, units, 2), -EMSGSIZE);
	TAP_EQ(hvw_utf16_to_utf8(text, 3, units, 1), -EMSGSIZE);
	TAP_EQ(hvw_utf16_to_utf8(text, 0, units, 0), -EMSGSIZE);
	TAP_EQ(hvw_utf16_to_utf8(text, 1, units, 0), 0);
}

TAP_TEST(half_a_pair_becomes_a_replacement_and_what_follows_stays)
{
	static const struct {
		uint16_t units[4];
		const char *text;
	} cases[] = {
		{ { 0xd83d, 'a' }, "\xef\xbf\xbd\x61" },
		{ { 0xdcbe, 'a' }, "\xef\xbf\xbd\x61" },
		{ { 0xd83d, 0xd83d, 0xdcbe }, "\xef\xbf\xbd\xf0\x9f\x92\xbe" },
		{ { 'a', 'b', 'c', 0xd83d }, "abc\xef\xbf\xbd" },
	};
	static const uint16_t cut[] = { 'a', 0xd83d, 0xdcbe };
	char text[HVW_UTF16_ROOM(4)];

	/* The other half lies behind the end. */
	TAP_EQ(hvw_utf16_to_utf8(text, sizeof(text), cut, 2), 4);
	TAP_CHECK(!strcmp(text, "a\xef\xbf\xbd"));
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		TAP_CHECK(hvw_utf16_to_utf8(text, sizeof(text), cases[i].units, 4) > 0);
		TAP_CHECK(!strcmp(text, cases[i].text));
	}
}

TAP_TEST(texts_that_are_not_well_made_are_mended_and_cut)
{
	uint16_t units[4] = { 7, 7, 7, 7 };

	TAP_EQ(hvw_utf16_from_any(units, 4, "a\xff\xc3", 3), 3);
	TAP_MEM_EQ(units, "a\0\xfd\xff\xfd\xff\0\0", 8);
	TAP_EQ(hvw_utf16_from_any(units, 4, "\xe2\x82\xac\xe2\x82\xac", 4),
	       2); /* ends in the middle */
	TAP_MEM_EQ(units, "\xac\x20\xfd\xff\0\0", 6);
	TAP_EQ(hvw_utf16_from_any(units, 2, "abc", 3), 1);
	TAP_MEM_EQ(units, "a\0\0\0", 4);
	TAP_EQ(hvw_utf16_from_any(units, 3, "a\xf0\x9f\x92\xbe", 5), 1); /* no half of a pair */
	TAP_EQ(hvw_utf16_from_any(units, 4, "ab\0cd", 5), 2);
	TAP_EQ(hvw_utf16_from_any(units, 1, "", 0), 0);
	TAP_EQ(units[0], 0);
}

/* --- keys and values --------------------------------------------------------------------------------- */

TAP_TEST(keys_and_values_up_to_the_last_unit)
{
	struct hvp_kvp_pair pair = { 0 };
	char key[HVW_KVP_KEY], value[HVW_KVP_VALUE], text[HVP_KVP_VALUE_UNITS + 1];

	memset(text, 'k', sizeof(text));
	text[HVP_KVP_KEY_UNITS - 1] = '\0';
	TAP_EQ(hvw_kvp_put_key(&pair, text), 0);
	TAP_EQ(pair.key_size, 512);
	TAP_CHECK(hvw_kvp_get_key(&pair, key, sizeof(key)) == (int)strlen(key) + 1);
	TAP_CHECK(!strcmp(key, text));
	text[HVP_KVP_KEY_UNITS - 1] = 'k';
	text[HVP_KVP_KEY_UNITS] = '\0';
	TAP_EQ(hvw_kvp_put_key(&pair, text), -EMSGSIZE);
	text[HVP_KVP_KEY_UNITS] = 'k';
	text[HVP_KVP_VALUE_UNITS - 1] = '\0';
	TAP_EQ(hvw_kvp_put_value(&pair, text), 0);
	TAP_EQ(pair.value_size, 2048);
	TAP_EQ(pair.type, HVP_KVP_STRING);
	TAP_CHECK(hvw_kvp_get_value(&pair, value, sizeof(value)) == (int)strlen(value) + 1);
	TAP_CHECK(!strcmp(value, text));
	text[HVP_KVP_VALUE_UNITS - 1] = 'k';
	text[HVP_KVP_VALUE_UNITS] = '\0';
	TAP_EQ(hvw_kvp_put_value(&pair, text), -EMSGSIZE);
	TAP_EQ(hvw_kvp_put_value(&pair, "\xff"), -EILSEQ);
}

TAP_TEST(the_longest_texts_of_three_bytes_a_unit_fit)
{
	struct hvp_kvp_pair pair = { .type = HVP_KVP_STRING, .key_size = 512, .value_size = 2048 };
	char key[HVW_KVP_KEY], value[HVW_KVP_VALUE];

	for (unsigned i = 0; i < HVP_KVP_KEY_UNITS - 1; i++)
		pair.key[i] = 0x20ac;
	for (unsigned i = 0; i < HVP_KVP_VALUE_UNITS - 1; i++)
		pair.value[i] = 0xd800;
	TAP_CHECK(hvw_kvp_get_key(&pair, key, sizeof(key)) == (int)strlen(key) + 1);
	TAP_EQ(strlen(key), sizeof(key) - 1);
	TAP_CHECK(hvw_kvp_get_value(&pair, value, sizeof(value)) == (int)strlen(value) + 1);
	TAP_EQ(strlen(value), sizeof(value) - 1);
	/* Not ended by anything but the size. */
	pair.key[HVP_KVP_KEY_UNITS - 1] = 0x20ac;
	TAP_EQ(hvw_kvp_get_key(&pair, key, sizeof(key)), -EMSGSIZE);
	memset(pair.key, 0, sizeof(pair.key));
	pair.key[0] = 'a';
	pair.key[1] = 'b';
	pair.key_size = 2;
	TAP_CHECK(hvw_kvp_get_key(&pair, key, sizeof(key)) == (int)strlen(key) + 1);
	TAP_CHECK(!strcmp(key, "a"));
}

TAP_TEST(sizes_that_are_refused)
{
	static const uint32_t sizes[] = { 1, 3, 511, 513, 514, UINT32_MAX, UINT32_MAX - 1 };
	struct hvp_kvp_pair pair = { .type = HVP_KVP_STRING };
	char key[HVW_KVP_KEY], value[HVW_KVP_VALUE];

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		pair.key_size = sizes[i];
		TAP_EQ(hvw_kvp_get_key(&pair, key, sizeof(key)), -EPROTO);
	}
	pair.value_size = 2050;
	TAP_EQ(hvw_kvp_get_value(&pair, value, sizeof(value)), -EPROTO);
	pair.value_size = 0;
	TAP_CHECK(hvw_kvp_get_value(&pair, value, sizeof(value)) == (int)strlen(value) + 1);
	TAP_EQ(value[0], 0);
}

TAP_TEST(integers_become_decimal)
{
	static const struct {
		uint32_t type, size;
		uint64_t number;
		const char *text; /* NULL: refused */
	} cases[] = {
		{ HVP_KVP_U32, 4, 0, "0" },
		{ HVP_KVP_U32, 4, UINT64_MAX, "4294967295" },
		{ HVP_KVP_U32, 3, 1, NULL },
		{ HVP_KVP_U64, 8, UINT64_MAX, "18446744073709551615" },
		{ HVP_KVP_U64_WINDOWS, 8, 1000, "1000" },
		{ HVP_KVP_U64, 4, 1, NULL },
		{ 0, 8, 1, NULL },
		{ 3, 8, 1, NULL },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hvp_kvp_pair pair = { .type = cases[i].type, .value_size = cases[i].size };
		char value[HVW_KVP_VALUE] = "";

		memcpy(pair.value, &cases[i].number, sizeof(cases[i].number));
		TAP_EQ(hvw_kvp_get_value(&pair, value, sizeof(value)),
		       cases[i].text ? (int)strlen(cases[i].text) + 1 : -EPROTO);
		if (cases[i].text)
			TAP_CHECK(!strcmp(value, cases[i].text));
	}
}

TAP_MAIN()
