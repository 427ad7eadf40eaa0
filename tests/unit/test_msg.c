/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "hvw_msg.h"
#include "tap.h"

struct known {
	uint32_t number;
	const char *name;
	uint32_t least;
	size_t structure;
	enum hvp_direction direction;
	uint32_t since;
};

static const struct known known[] = {
#define KNOWN(number, name, type, least, direction, version)                                       \
	{ number, #name, least, sizeof(struct hvp_msg_##type), direction, version },
	HVP_MSG_LIST(KNOWN)
#undef KNOWN
};
#define KNOWN_COUNT (sizeof(known) / sizeof(known[0]))

static enum hvp_direction other(enum hvp_direction direction)
{
	return direction == HVP_TO_GUEST ? HVP_TO_HOST : HVP_TO_GUEST;
}

/* Parses from a block of exactly `len` bytes, so that a sanitizer sees any read behind it. */
static int parse(struct hvw_msg *msg, uint32_t type, size_t len, enum hvp_direction direction)
{
	uint8_t *exact = malloc(len ? len : 1);
	int err;

	memset(exact, 0xa5, len);
	memcpy(exact, &type, len < sizeof(type) ? len : sizeof(type));
	err = hvw_msg_parse(msg, exact, len, direction);
	free(exact);
	return err;
}

TAP_TEST(numbers_run_from_1_without_gap)
{
	for (size_t i = 0; i < KNOWN_COUNT; i++)
		TAP_EQ(known[i].number, i + 1);
	TAP_EQ(HVP_MSG_END, KNOWN_COUNT + 1);
}

TAP_TEST(every_message_is_accepted_at_its_least_length_and_any_longer_one)
{
	for (size_t i = 0; i < KNOWN_COUNT; i++) {
		for (size_t len = known[i].least; len <= HVP_MESSAGE_PAYLOAD_MAX; len++) {
			struct hvw_msg msg;

			TAP_EQ(parse(&msg, known[i].number, len, known[i].direction), 0);
			TAP_EQ(msg.len, len);
			TAP_EQ(msg.u.h.type, known[i].number);
			TAP_EQ(msg.u.bytes[len - 1], 0xa5);
		}
	}
}

TAP_TEST(every_message_is_refused_when_shorter)
{
	for (size_t i = 0; i < KNOWN_COUNT; i++) {
		for (size_t len = 0; len < known[i].least; len++) {
			struct hvw_msg msg;

			TAP_EQ(parse(&msg, known[i].number, len, known[i].direction), -EPROTO);
		}
	}
}

TAP_TEST(every_message_is_refused_in_the_other_direction)
{
	for (size_t i = 0; i < KNOWN_COUNT; i++) {
		struct hvw_msg msg;

		TAP_EQ(parse(&msg, known[i].number, HVP_MESSAGE_PAYLOAD_MAX,
			     other(known[i].direction)),
		       -EPROTO);
	}
}

TAP_TEST(no_message_is_longer_than_a_synic_slot_holds)
{
	for (size_t i = 0; i < KNOWN_COUNT; i++) {
		struct hvw_msg msg;

		TAP_EQ(parse(&msg, known[i].number, HVP_MESSAGE_PAYLOAD_MAX + 1, known[i].direction),
		       -EPROTO);
		TAP_EQ(parse(&msg, known[i].number, HVP_PAGE_SIZE, known[i].direction), -EPROTO);
		TAP_CHECK(known[i].structure <= HVP_MESSAGE_PAYLOAD_MAX);
		TAP_EQ(known[i].structure, known[i].least);
	}
}

TAP_TEST(unknown_types_are_refused_and_have_no_name)
{
	static const uint32_t types[] = { 0,	 HVP_MSG_END, HVP_MSG_END + 1,
					  0x101, 0x80000001,  UINT32_MAX };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct hvw_msg msg;

		TAP_EQ(parse(&msg, types[i], HVP_MESSAGE_PAYLOAD_MAX, HVP_TO_HOST), -EPROTO);
		TAP_EQ(parse(&msg, types[i], HVP_MESSAGE_PAYLOAD_MAX, HVP_TO_GUEST), -EPROTO);
		TAP_STR_EQ(hvw_msg_name(types[i]), "UNKNOWN");
		TAP_EQ(hvw_msg_since(types[i]), 0);
		TAP_EQ(hvw_msg_least(types[i]), 0);
	}
}

TAP_TEST(every_message_has_its_name_length_and_first_version)
{
	for (size_t i = 0; i < KNOWN_COUNT; i++) {
		TAP_STR_EQ(hvw_msg_name(known[i].number), known[i].name);
		TAP_EQ(hvw_msg_least(known[i].number), known[i].least);
		TAP_EQ(hvw_msg_since(known[i].number), known[i].since);
	}
	TAP_EQ(hvw_msg_since(HVP_MSG_MODIFY_CHANNEL_RESPONSE), 0x00050003);
	TAP_EQ(hvw_msg_since(HVP_MSG_TL_CONNECT_REQUEST), 0x00040000);
}

TAP_TEST(bytes_that_the_sender_did_not_give_are_zero)
{
	for (size_t i = 0; i < KNOWN_COUNT; i++) {
		struct hvw_msg msg;

		memset(&msg, 0x5a, sizeof(msg));
		TAP_EQ(parse(&msg, known[i].number, known[i].least, known[i].direction), 0);
		for (size_t at = known[i].least; at < sizeof(msg.u); at++)
			TAP_EQ(msg.u.bytes[at], 0);
	}
}

TAP_TEST(a_refused_message_leaves_the_result_alone)
{
	struct hvw_msg msg, before;

	memset(&msg, 0x5a, sizeof(msg));
	before = msg;
	TAP_EQ(parse(&msg, HVP_MSG_OPEN_CHANNEL, 147, HVP_TO_HOST), -EPROTO);
	TAP_EQ(parse(&msg, HVP_MSG_OPEN_CHANNEL, 148, HVP_TO_GUEST), -EPROTO);
	TAP_EQ(parse(&msg, HVP_MSG_OPEN_CHANNEL, 241, HVP_TO_HOST), -EPROTO);
	TAP_EQ(parse(&msg, 99, 240, HVP_TO_HOST), -EPROTO);
	TAP_EQ(parse(&msg, HVP_MSG_UNLOAD, 7, HVP_TO_HOST), -EPROTO);
	TAP_MEM_EQ(&msg, &before, sizeof(msg));
}

TAP_TEST(a_parsed_message_is_a_copy)
{
	struct hvp_msg_channel_ref wire = { { HVP_MSG_CLOSE_CHANNEL, 0 }, 7 };
	struct hvw_msg msg;

	TAP_REQUIRE(hvw_msg_parse(&msg, &wire, sizeof(wire), HVP_TO_HOST) == 0);
	wire.channel_id = 8;
	wire.h.type = HVP_MSG_UNLOAD;
	TAP_EQ(msg.u.CLOSE_CHANNEL.channel_id, 7);
	TAP_EQ(msg.u.h.type, HVP_MSG_CLOSE_CHANNEL);
}

TAP_TEST(the_padding_of_the_header_is_not_checked)
{
	struct hvp_msg_header wire = { HVP_MSG_UNLOAD, 0xffffffff };
	struct hvw_msg msg;

	TAP_EQ(hvw_msg_parse(&msg, &wire, sizeof(wire), HVP_TO_HOST), 0);
}

TAP_MAIN()
