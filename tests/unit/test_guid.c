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
		{ HVP_CLASS_TIMESYNC, "9527e630-d0ae-497b-adce-e80ab0175caf" },
		{ HVP_INSTANCE_TIMESYNC, "2dd1ce17-079e-403c-b352-a1921ee207ee" },
		{ HVP_CLASS_KVP, "a9a0f4e7-5a45-4d96-b827-8a841e8c03e6" },
		{ HVP_INSTANCE_KVP, "242ff919-07db-4180-9c2e-b86cb68c8c55" },
		{ HVP_CLASS_VSS, "35fa2e29-ea23-4236-96ae-3a6ebacba440" },
		{ HVP_INSTANCE_VSS, "2450ee40-33bf-4fbd-892e-9fb06e9214cf" },
		{ HVP_CLASS_FCOPY, "34d14be3-dee4-41c8-9ae7-6b174977c192" },
		{ HVP_INSTANCE_FCOPY, "eb765408-105f-49b6-b4aa-c123b64d17d4" },
		{ HVP_CLASS_DYNAMIC_MEMORY, "525074dc-8985-46e2-8057-a307dc18a502" },
		{ HVP_INSTANCE_DYNAMIC_MEMORY, "1eccfd72-4b41-45ef-b73a-4a6e44c12924" },
		{ HVP_CLASS_VIDEO, "da0a7802-e377-4aac-8e77-0558eb1073f8" },
		{ HVP_INSTANCE_VIDEO, "5620e0c7-8062-4dce-aeb7-520c7ef76171" },
		{ HVP_CLASS_KEYBOARD, "f912ad6d-2b17-48ea-bd65-f927a61c7684" },
		{ HVP_INSTANCE_KEYBOARD, "d34b2567-b9b6-42b9-8778-0a4ec0b955bf" },
		{ HVP_CLASS_MOUSE, "cfa8b69e-5b4a-4cc0-b98b-8ba1a1f3f95a" },
		{ HVP_INSTANCE_MOUSE, "58f75a6d-d949-4320-99e1-a2a2576d581c" },
		{ HVP_CLASS_NETWORK, "f8615163-df3e-46c5-913f-f2d2f965ed0e" },
		{ HVP_CLASS_SCSI, "ba6163d9-04a1-4d29-b605-72e2ffb1dc7f" },
		{ HVP_CLASS_IDE, "32412632-86cb-44a2-9b5c-50d1417354f5" },
		{ HVP_CLASS_FIBRE_CHANNEL, "2f9bcc4a-0069-4af3-b76b-6fd0be528cda" },
		{ HVP_CLASS_RDMA, "8c2eaf3d-32a7-4b09-ab99-bd1f1c86b501" },
		{ HVP_CLASS_PCI, "44c4f61d-4444-4400-9d52-802e27ede19f" },
		{ HVP_CLASS_ACTIVATION_1, "f8e65716-3cb3-4a06-9a60-1889c5cccab5" },
		{ HVP_CLASS_ACTIVATION_2, "3375baf4-9e15-4b30-b765-67acb10d607b" },
		{ HVP_CLASS_REMOTE_DESKTOP, "276aacf4-ac15-426c-98dd-7521ad3f01fe" },
		{ HVP_CLASS_FILE_SYSTEM, "c376c1c3-d276-48d2-90a9-c04748072c60" },
		{ HVP_CLASS_UART, "8b60ccf6-709f-4c11-90b5-229c959a9e6a" },
		{ HVP_CLASS_EMULATION, "8dedd1aa-9056-49e4-bfd6-1bf90dc38ef0" },
		{ HVP_CLASS_CRASH_DUMP, "427b03e7-4ceb-4286-b5fc-486f4a1dd439" },
	};

	for (size_t i = 0; i < sizeof(published) / sizeof(published[0]); i++) {
		char text[HVW_GUID_TEXT];

		hvw_guid_format(&published[i].guid, text);
		TAP_STR_EQ(text, published[i].text);
	}
}

TAP_TEST(device_classes_are_all_different_and_have_words)
{
	static const struct {
		struct hvp_guid guid;
		const char *words;
	} classes[] = {
#define CLASS(name, words) { HVP_CLASS_##name, words },
		HVP_CLASS_LIST(CLASS)
#undef CLASS
	};
	const size_t n = sizeof(classes) / sizeof(classes[0]);

	for (size_t i = 0; i < n; i++) {
		TAP_CHECK(classes[i].words[0]);
		for (size_t j = 0; j < i; j++)
			TAP_CHECK(!hvw_guid_equal(&classes[i].guid, &classes[j].guid));
	}
}

TAP_MAIN()
