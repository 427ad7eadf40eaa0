/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "hvp_vmbus.h"
#include "hvw_guid.h"
#include "tap.h"

#define NETWORK_CLASS "f8615163-df3e-46c5-913f-f2d2f965ed0e"

static const struct hvp_guid network =
	HVP_GUID(0xf8615163u, 0xdf3eu, 0x46c5u, 0x913fu, 0xf2d2f965ed0eull);

/* Parses from a block that ends behind the terminating zero. */
static int parse(struct hvp_guid *guid, const char *text)
{
	char *exact = strdup(text);
	int err = hvw_guid_parse(guid, exact);

	free(exact);
	return err;
}

TAP_TEST(the_first_three_groups_are_little_endian)
{
	static const uint8_t wire[16] = { 0x63, 0x51, 0x61, 0xf8, 0x3e, 0xdf, 0xc5, 0x46,
					  0x91, 0x3f, 0xf2, 0xd2, 0xf9, 0x65, 0xed, 0x0e };
	struct hvp_guid guid;

	TAP_EQ(parse(&guid, NETWORK_CLASS), 0);
	TAP_MEM_EQ(guid.b, wire, 16);
	TAP_MEM_EQ(network.b, wire, 16);
}

TAP_TEST(text_and_bytes_convert_both_ways)
{
	for (unsigned i = 0; i < 1000; i++) {
		struct hvp_guid guid, again;
		char text[HVW_GUID_TEXT];

		for (unsigned b = 0; b < 16; b++)
			guid.b[b] = (uint8_t)tap_random();
		hvw_guid_format(&guid, text);
		TAP_EQ(strlen(text), 36);
		TAP_EQ(parse(&again, text), 0);
		TAP_MEM_EQ(&again, &guid, sizeof(guid));
		TAP_CHECK(hvw_guid_equal(&again, &guid));
	}
}

TAP_TEST(formatting_gives_lower_case_and_parsing_takes_both)
{
	struct hvp_guid guid;
	char text[HVW_GUID_TEXT];

	TAP_EQ(parse(&guid, "F8615163-dF3E-46c5-913F-F2D2F965eD0E"), 0);
	hvw_guid_format(&guid, text);
	TAP_STR_EQ(text, NETWORK_CLASS);
}

TAP_TEST(a_guid_cut_anywhere_is_refused)
{
	for (size_t len = 0; len < 36; len++) {
		struct hvp_guid guid;
		char text[HVW_GUID_TEXT] = NETWORK_CLASS;

		text[len] = '\0';
		TAP_EQ(parse(&guid, text), -EINVAL);
	}
}

TAP_TEST(a_wrong_character_anywhere_is_refused)
{
	static const char wrong[] = " -.:/@`gG{}\x7f\x80\xff";

	for (size_t at = 0; at < 36; at++) {
		for (const char *c = wrong; *c; c++) {
			struct hvp_guid guid;
			char text[HVW_GUID_TEXT] = NETWORK_CLASS;

			if (text[at] == *c)
				continue;
			text[at] = *c;
			TAP_EQ(parse(&guid, text), -EINVAL);
		}
	}
}

TAP_TEST(a_digit_in_place_of_a_dash_is_refused)
{
	static const size_t dashes[] = { 8, 13, 18, 23 };

	for (size_t i = 0; i < 4; i++) {
		struct hvp_guid guid;
		char text[HVW_GUID_TEXT] = NETWORK_CLASS;

		text[dashes[i]] = '0';
		TAP_EQ(parse(&guid, text), -EINVAL);
	}
}

TAP_TEST(text_behind_the_guid_is_refused)
{
	struct hvp_guid guid;

	TAP_EQ(parse(&guid, NETWORK_CLASS "0"), -EINVAL);
	TAP_EQ(parse(&guid, NETWORK_CLASS " "), -EINVAL);
	TAP_EQ(parse(&guid, "{" NETWORK_CLASS "}"), -EINVAL);
}

TAP_TEST(a_refused_text_leaves_the_result_alone)
{
	struct hvp_guid guid = network;

	TAP_EQ(parse(&guid, "00000000-0000-0000-0000-00000000000"), -EINVAL);
	TAP_CHECK(hvw_guid_equal(&guid, &network));
}

TAP_TEST(guids_differ_when_any_byte_does)
{
	for (unsigned b = 0; b < 16; b++) {
		struct hvp_guid guid = network;

		TAP_CHECK(hvw_guid_equal(&guid, &network));
		guid.b[b] ^= 1;
		TAP_CHECK(!hvw_guid_equal(&guid, &network));
	}
}

TAP_TEST(device_classes_have_their_published_text)
{
	static const struct {
		struct hvp_guid guid;
		const char *text;
	} published[] = {
		{ HVP_CLASS_HEARTBEAT, "57164f39-9115-4e78-ab55-382f3bd5422d" },
		{ HVP_INSTANCE_HEARTBEAT, "fd149e91-82e0-4a7d-afa6-2a4166cbd7c0" },
		{ HVP_CLASS_SHUTDOWN, "0e0b6031-5213-4934-818b-38d90ced39db" },
		{ HVP_INSTANCE_SHUTDOWN, "b6650ff7-33bc-4840-8048-e0676786f393" },
	};

	for (size_t i = 0; i < sizeof(published) / sizeof(published[0]); i++) {
		char text[HVW_GUID_TEXT];

		hvw_guid_format(&published[i].guid, text);
		TAP_STR_EQ(text, published[i].text);
	}
}

TAP_MAIN()
