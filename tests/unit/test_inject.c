/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Faults on purpose: the rules' text, and what each fault does to each message.
 */
#include <errno.h>

#include "host/vmbus/server_priv.h"
#include "tests/unit/bed.h"

#define ECHO 2u

static void make(struct bed *b, const char *rules)
{
	bed_make(b);
	embedder_inject(&b->e, rules);
}

static uint64_t injected(struct bed *b)
{
	return bed_stats(b).injected;
}

/* --- the text ------------------------------------------------------------------------------------ */

static char error[256];

static bool parses(const char *text, struct hvh_inject *inject)
{
	memset(inject, 0xa5, sizeof(*inject));
	error[0] = '\0';
	return hvh_inject_parse(text, inject, error, sizeof(error)) == 0;
}

static bool rule_is(const struct hvh_inject_rule *rule, uint32_t type, enum hvh_inject_fault fault,
		    uint32_t first, uint32_t last)
{
	return rule->type == type && rule->fault == fault && rule->first == first &&
	       rule->last == last;
}

TAP_TEST(rules_name_a_message_a_fault_and_which_ones)
{
	struct hvh_inject i;

	TAP_REQUIRE(parses("open-result:late:2", &i));
	TAP_EQ(i.count, 1);
	TAP_CHECK(rule_is(&i.rules[0], HVP_MSG_OPEN_RESULT, HVH_INJECT_LATE, 2, 2));
	TAP_REQUIRE(parses("gpadl-created:bad-id,offer-channel:never:3+,tl-connect-result:short:1",
			   &i));
	TAP_EQ(i.count, 3);
	TAP_CHECK(rule_is(&i.rules[0], HVP_MSG_GPADL_CREATED, HVH_INJECT_BAD_ID, 1, UINT32_MAX));
	TAP_CHECK(rule_is(&i.rules[1], HVP_MSG_OFFER_CHANNEL, HVH_INJECT_NEVER, 3, UINT32_MAX));
	TAP_CHECK(rule_is(&i.rules[2], HVP_MSG_TL_CONNECT_RESULT, HVH_INJECT_SHORT, 1, 1));
}

/* "OPEN_RESULT" as it is written in a rule. */
static const char *rule_name(const char *name)
{
	static char text[64];
	size_t i;

	for (i = 0; name[i]; i++)
		text[i] = name[i] == '_' ? '-' : (char)(name[i] | 0x20);
	text[i] = '\0';
	return text;
}

static const char *const fault_names[] = {
#define FAULT(id, name) name,
	HVH_INJECT_FAULT_LIST(FAULT)
#undef FAULT
};

TAP_TEST(every_message_to_the_guest_goes_with_every_fault_and_no_other_message)
{
	struct hvh_inject i;
	unsigned rules = 0;
	char text[128];

	for (unsigned fault = 0; fault <= HVH_INJECT_NEVER; fault++) {
#define EACH(number, name, type, least, direction, version)                                        \
	snprintf(text, sizeof(text), "%s:%s", rule_name(#name), fault_names[fault]);               \
	TAP_EQ(parses(text, &i), (direction) == HVP_TO_GUEST);                                     \
	if ((direction) == HVP_TO_GUEST) {                                                         \
		TAP_CHECK(rule_is(&i.rules[0], number, (enum hvh_inject_fault)fault, 1,            \
				  UINT32_MAX));                                                    \
		rules++;                                                                           \
	}
		HVP_MSG_LIST(EACH)
#undef EACH
	}
	TAP_EQ(rules, 7 * 13);
}

TAP_TEST(what_is_no_rule_is_told_so)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "", "a rule is" },
		{ "open-result", "a rule is" },
		{ "open-result:late,", "a rule is" },
		{ ",open-result:late", "a rule is" },
		{ "open-result:late,,open-result:late", "a rule is" },
		{ ":late", "no such message" },
		{ "open-resul:late", "no such message" },
		{ "open-results:late", "no such message" },
		{ "open_result:late", "no such message" },
		{ "OPEN-RESULT:late", "no such message" },
		{ "open-channel:late", "no such message" },
		{ "open-result:", "must be one of short long" },
		{ "open-result:lat", "must be one of" },
		{ "open-result:later", "must be one of" },
		{ "open-result:late:", "a number" },
		{ "open-result:late:0", "a number" },
		{ "open-result:late:0+", "a number" },
		{ "open-result:late:+", "a number" },
		{ "open-result:late:-1", "a number" },
		{ "open-result:late:1++", "a number" },
		{ "open-result:late:1 ", "a number" },
		{ "open-result:late:1:2", "a number" },
		{ "open-result:late:1234567890", "a number" },
		{ "open-result:late,open-result:x", "'open-result:x'" },
	};
	struct hvh_inject i;

	for (unsigned n = 0; n < sizeof(bad) / sizeof(bad[0]); n++) {
		bool wrong = !parses(bad[n].text, &i) && strstr(error, bad[n].says) &&
			     i.count == 0xa5a5a5a5u;

		TAP_CHECK(wrong);
		if (!wrong)
			printf("# %s: %s\n", bad[n].text, error);
	}
}

TAP_TEST(there_is_an_end_of_rules_and_of_words)
{
	static char text[(HVH_INJECT_RULES_MAX + 1) * 20 + 1];
	struct hvh_inject i;

	strcpy(text, "open-result:late");
	for (unsigned n = 1; n < HVH_INJECT_RULES_MAX; n++)
		strcat(text, ",open-result:late");
	TAP_CHECK(parses(text, &i));
	TAP_EQ(i.count, HVH_INJECT_RULES_MAX);
	strcat(text, ",open-result:late");
	TAP_CHECK(!parses(text, &i));
	TAP_CHECK(strstr(error, "too many"));
	memset(text, 'x', sizeof(text) - 1);
	TAP_CHECK(!parses(text, &i));
	TAP_CHECK(strlen(error) < 150);
	TAP_CHECK(hvh_inject_parse("x", &i, error, 8) == -EINVAL);
	TAP_EQ(strlen(error), 7);
}

TAP_TEST(the_server_checks_rules_itself)
{
	struct hvh_inject i = { .count = 1,
				.rules = { { HVP_MSG_OPEN_RESULT, HVH_INJECT_LATE, 1, 1 } } };
	struct hvh_server_ops ops;
	struct bed b;

	make(&b, "open-result:never");
	TAP_EQ(hvh_server_inject(b.e.server, &i), 0);
	i.rules[0].type = HVP_MSG_OPEN_CHANNEL;
	TAP_EQ(hvh_server_inject(b.e.server, &i), -EINVAL);
	i.rules[0].type = HVP_MSG_END;
	TAP_EQ(hvh_server_inject(b.e.server, &i), -EINVAL);
	i.rules[0].type = HVP_MSG_OPEN_RESULT;
	i.rules[0].first = 0;
	TAP_EQ(hvh_server_inject(b.e.server, &i), -EINVAL);
	i.rules[0].first = 2;
	TAP_EQ(hvh_server_inject(b.e.server, &i), -EINVAL);
	i.rules[0].first = 1;
	i.rules[0].fault = HVH_INJECT_NEVER + 1;
	TAP_EQ(hvh_server_inject(b.e.server, &i), -EINVAL);
	i.count = HVH_INJECT_RULES_MAX + 1;
	TAP_EQ(hvh_server_inject(b.e.server, &i), -EINVAL);
	i.count = 1;
	i.rules[0].fault = HVH_INJECT_LATE;
	ops = *b.e.server->ops;
	ops.work_at = NULL;
	b.e.server->ops = &ops;
	TAP_EQ(hvh_server_inject(b.e.server, &i), -EINVAL);
	i.rules[0].fault = HVH_INJECT_NEVER;
	TAP_EQ(hvh_server_inject(b.e.server, &i), 0);
	bed_drop(&b);
}

/* --- what happens ------------------------------------------------------------------------------- */

/* Has the server send one message of that type, and nothing else of it. The guest is at 5.3. */
static void provoke(struct bed *b, uint32_t type)
{
	uint64_t gpn = 7;

	switch (type) {
	case HVP_MSG_OFFER_CHANNEL:
		TAP_EQ(embedder_add(&b->e, EMBEDDER_HOT), 0);
		break;
	case HVP_MSG_RESCIND_OFFER:
		TAP_EQ(embedder_remove(&b->e, EMBEDDER_SHUTDOWN), 0);
		break;
	case HVP_MSG_OPEN_RESULT:
		TAP_EQ(guest_post_open(&b->g, ECHO, 0), HVP_STATUS_SUCCESS);
		break;
	case HVP_MSG_GPADL_CREATED:
		TAP_EQ(guest_post_gpadl(&b->g, 1, 5, &gpn, 1, 0, 0), HVP_STATUS_SUCCESS);
		break;
	case HVP_MSG_GPADL_TORNDOWN:
		TAP_EQ(guest_post_teardown(&b->g, 1, 9), HVP_STATUS_SUCCESS);
		break;
	case HVP_MSG_VERSION_RESPONSE:
	case HVP_MSG_ALL_OFFERS_DELIVERED:
		TAP_EQ(guest_post_contact(&b->g, HVP_VERSION_5_3, 0), HVP_STATUS_SUCCESS);
		if (type == HVP_MSG_ALL_OFFERS_DELIVERED)
			TAP_EQ(guest_post_header(&b->g, HVP_MSG_REQUEST_OFFERS),
			       HVP_STATUS_SUCCESS);
		break;
	case HVP_MSG_UNLOAD_RESPONSE:
		TAP_EQ(guest_post_header(&b->g, HVP_MSG_UNLOAD), HVP_STATUS_SUCCESS);
		break;
	case HVP_MSG_CLOSE_RESERVED_RESPONSE: {
		struct hvp_msg_close_reserved msg = { .h.type = HVP_MSG_CLOSE_RESERVED,
						      .channel_id = 9,
						      .target_sint = 2 };

		TAP_EQ(guest_post(&b->g, &msg, sizeof(msg)), HVP_STATUS_SUCCESS);
		break;
	}
	case HVP_MSG_TL_CONNECT_RESULT: {
		struct hvp_msg_tl_connect_request msg = { .h.type = HVP_MSG_TL_CONNECT_REQUEST };

		TAP_EQ(guest_post(&b->g, &msg, sizeof(msg)), HVP_STATUS_SUCCESS);
		break;
	}
	default:
		TAP_EQ(guest_post_modify(&b->g, 0, 1), HVP_STATUS_SUCCESS);
	}
	embedder_run(&b->e);
}

/* Connected and offered, with a list 9 of channel 1 and a ring of the echo device. */
static void make_ready(struct bed *b, const char *rules)
{
	uint64_t gpn = 7;

	make(b, "version-response:never:1000000");
	TAP_CHECK(guest_contact(&b->g, HVP_VERSION_5_3, 0) && guest_request_offers(&b->g));
	TAP_CHECK(guest_share_ring(&b->g, ECHO, 8, 4));
	TAP_EQ(guest_post_gpadl(&b->g, 1, 9, &gpn, 1, 0, 0), HVP_STATUS_SUCCESS);
	TAP_CHECK(guest_expect(&b->g, HVP_MSG_GPADL_CREATED, &(struct hvw_msg){ 0 }));
	embedder_inject(&b->e, rules);
}

/* The messages of that type (in their first two bytes), or spoilt ones, that arrive; the last of them. */
static unsigned arrived(struct bed *b, uint32_t type, struct embedder_message *last)
{
	struct embedder_message message;
	unsigned count = 0;

	while (embedder_take(&b->e, &message)) {
		uint32_t got;

		memcpy(&got, message.bytes, sizeof(got));
		if (got != type && got != type + 0x100)
			continue;
		*last = message;
		count++;
	}
	return count;
}

static const uint32_t provoked[] = { HVP_MSG_OFFER_CHANNEL,	      HVP_MSG_RESCIND_OFFER,
				     HVP_MSG_ALL_OFFERS_DELIVERED,    HVP_MSG_OPEN_RESULT,
				     HVP_MSG_GPADL_CREATED,	      HVP_MSG_GPADL_TORNDOWN,
				     HVP_MSG_VERSION_RESPONSE,	      HVP_MSG_UNLOAD_RESPONSE,
				     HVP_MSG_CLOSE_RESERVED_RESPONSE, HVP_MSG_TL_CONNECT_RESULT,
				     HVP_MSG_MODIFY_CHANNEL_RESPONSE };

/* One message of that type, sent with this fault and without any; how many came, the last of each kind. */
static unsigned try_fault(uint32_t type, const char *fault, struct embedder_message *spoilt,
			  struct embedder_message *sound)
{
	char rules[128];
	unsigned count;
	struct bed b;

	make_ready(&b, "version-response:never:1000000");
	provoke(&b, type);
	TAP_EQ(arrived(&b, type, sound), 1);
	TAP_EQ(injected(&b), 0);
	bed_drop(&b);

	snprintf(rules, sizeof(rules), "%s:%s", rule_name(hvw_msg_name(type)), fault);
	make_ready(&b, rules);
	provoke(&b, type);
	count = arrived(&b, type, spoilt);
	TAP_EQ(injected(&b), 1);
	TAP_CHECK(strstr(b.e.last_line, hvw_msg_name(type)) && strstr(b.e.last_line, fault));
	embedder_advance(&b.e, 99999999);
	if (!strcmp(fault, "late"))
		TAP_EQ(arrived(&b, type, spoilt), 0);
	embedder_advance(&b.e, 1);
	count += arrived(&b, type, spoilt);
	bed_drop(&b);
	return count;
}

TAP_TEST(short_messages_are_half_as_long)
{
	struct embedder_message spoilt, sound;

	for (unsigned i = 0; i < sizeof(provoked) / sizeof(provoked[0]); i++) {
		TAP_EQ(try_fault(provoked[i], "short", &spoilt, &sound), 1);
		TAP_EQ(spoilt.len, sound.len / 2);
		TAP_MEM_EQ(spoilt.bytes, sound.bytes, spoilt.len);
	}
}

TAP_TEST(long_messages_are_the_same_with_more_behind_them)
{
	struct embedder_message spoilt, sound;

	for (unsigned i = 0; i < sizeof(provoked) / sizeof(provoked[0]); i++) {
		TAP_EQ(try_fault(provoked[i], "long", &spoilt, &sound), 1);
		TAP_EQ(spoilt.len, HVP_MESSAGE_PAYLOAD_MAX);
		TAP_MEM_EQ(spoilt.bytes, sound.bytes, sound.len);
		for (unsigned at = sound.len; at < spoilt.len; at++)
			TAP_EQ(spoilt.bytes[at], 0xff);
	}
}

TAP_TEST(bad_ids_are_those_of_nothing)
{
	struct embedder_message spoilt, sound;

	for (unsigned i = 0; i < sizeof(provoked) / sizeof(provoked[0]); i++) {
		struct hvw_msg was, is;
		unsigned differ = 0;

		TAP_EQ(try_fault(provoked[i], "bad-id", &spoilt, &sound), 1);
		TAP_EQ(spoilt.len, sound.len);
		for (unsigned at = 0; at < sound.len; at++)
			differ += spoilt.bytes[at] != sound.bytes[at];
		TAP_EQ(hvw_msg_parse(&was, sound.bytes, sound.len, HVP_TO_GUEST), 0);
		if (provoked[i] == HVP_MSG_ALL_OFFERS_DELIVERED ||
		    provoked[i] == HVP_MSG_UNLOAD_RESPONSE) {
			TAP_EQ(differ, 1);
			TAP_EQ(spoilt.bytes[1], 1);
			continue;
		}
		TAP_EQ(hvw_msg_parse(&is, spoilt.bytes, spoilt.len, HVP_TO_GUEST), 0);
		TAP_EQ(differ, provoked[i] == HVP_MSG_TL_CONNECT_RESULT ? 16 : 1);
		switch (provoked[i]) {
		case HVP_MSG_OFFER_CHANNEL:
			TAP_EQ(is.u.OFFER_CHANNEL.channel_id,
			       was.u.OFFER_CHANNEL.channel_id + 2048);
			break;
		case HVP_MSG_GPADL_CREATED:
			TAP_EQ(is.u.GPADL_CREATED.gpadl, was.u.GPADL_CREATED.gpadl ^ 0x80000000u);
			break;
		case HVP_MSG_GPADL_TORNDOWN:
			TAP_EQ(is.u.GPADL_TORNDOWN.gpadl, was.u.GPADL_TORNDOWN.gpadl ^ 0x80000000u);
			break;
		case HVP_MSG_VERSION_RESPONSE:
			TAP_EQ(is.u.VERSION_RESPONSE.connection_id, 4 ^ 0x80000000u);
			break;
		case HVP_MSG_TL_CONNECT_RESULT:
			TAP_EQ(is.u.TL_CONNECT_RESULT.endpoint_id.b[0], 0xff);
			break;
		default:
			TAP_EQ(is.u.RESCIND_OFFER.channel_id,
			       was.u.RESCIND_OFFER.channel_id + 2048);
		}
	}
}

TAP_TEST(duplicates_come_twice_late_ones_later_and_others_never)
{
	struct embedder_message spoilt, sound;

	for (unsigned i = 0; i < sizeof(provoked) / sizeof(provoked[0]); i++) {
		TAP_EQ(try_fault(provoked[i], "duplicate", &spoilt, &sound), 2);
		TAP_MEM_EQ(spoilt.bytes, sound.bytes, sound.len);
		TAP_EQ(try_fault(provoked[i], "late", &spoilt, &sound), 1);
		TAP_MEM_EQ(spoilt.bytes, sound.bytes, sound.len);
		TAP_EQ(try_fault(provoked[i], "never", &spoilt, &sound), 0);
	}
}

TAP_TEST(messages_in_the_wrong_state_come_when_none_is_due)
{
#define EACH(number, name, type, least, direction, version)                                        \
	if ((direction) == HVP_TO_GUEST) {                                                         \
		struct embedder_message before, message;                                           \
		char rules[128];                                                                   \
		struct bed b;                                                                      \
                                                                                                   \
		snprintf(rules, sizeof(rules), "%s:wrong-state:2", rule_name(#name));              \
		make(&b, rules);                                                                   \
		for (unsigned round = 1; round <= 3; round++) {                                    \
			uint32_t got;                                                              \
                                                                                                   \
			TAP_CHECK(guest_contact(&b.g, HVP_VERSION_5_3, 0));                        \
			if ((number) == HVP_MSG_VERSION_RESPONSE)                                  \
				TAP_CHECK(guest_request_offers(&b.g));                             \
			TAP_EQ(embedder_take(&b.e, &message), round == 2);                         \
			if (round != 2)                                                            \
				continue;                                                          \
			before = message;                                                          \
			memcpy(&got, before.bytes, sizeof(got));                                   \
			TAP_EQ(got, number);                                                       \
			TAP_EQ(before.len, least);                                                 \
		}                                                                                  \
		TAP_EQ(injected(&b), 1);                                                           \
		bed_drop(&b);                                                                      \
	}
	HVP_MSG_LIST(EACH)
#undef EACH
}

TAP_TEST(wrong_messages_speak_of_the_first_channel_and_list)
{
	struct hvw_msg msg;
	struct bed b;

	make(&b, "gpadl-created:wrong-state,open-result:wrong-state,offer-channel:wrong-state");
	TAP_CHECK(guest_contact(&b.g, HVP_VERSION_5_3, 0));
	TAP_REQUIRE(guest_expect(&b.g, HVP_MSG_OFFER_CHANNEL, &msg));
	TAP_EQ(msg.u.OFFER_CHANNEL.channel_id, 1);
	TAP_REQUIRE(guest_expect(&b.g, HVP_MSG_OPEN_RESULT, &msg));
	TAP_EQ(msg.u.OPEN_RESULT.channel_id, 1);
	TAP_REQUIRE(guest_expect(&b.g, HVP_MSG_GPADL_CREATED, &msg));
	TAP_EQ(msg.u.GPADL_CREATED.channel_id, 1);
	TAP_EQ(msg.u.GPADL_CREATED.gpadl, 1);
	/* None behind a refusal. */
	TAP_CHECK(!guest_contact(&b.g, HVP_VERSION_6_0, 0));
	TAP_CHECK(guest_expect_nothing(&b.g));
	bed_drop(&b);
}

/* --- which ones ---------------------------------------------------------------------------------- */

/* How many of six lists the guest hears of, as a word of 0 and 1. */
static void heard(const char *rules, char word[7])
{
	uint64_t gpn = 7;
	struct bed b;

	make_ready(&b, rules);
	for (unsigned i = 0; i < 6; i++) {
		struct embedder_message message;

		TAP_EQ(guest_post_gpadl(&b.g, 1, 20 + i, &gpn, 1, 0, 0), HVP_STATUS_SUCCESS);
		word[i] = '0';
		while (embedder_take(&b.e, &message))
			word[i]++;
	}
	word[6] = '\0';
	bed_drop(&b);
}

TAP_TEST(numbers_say_which_ones_and_the_first_rule_that_fits_counts)
{
	char word[7];

	heard("gpadl-created:never:2", word);
	TAP_STR_EQ(word, "101111");
	heard("gpadl-created:never:4+", word);
	TAP_STR_EQ(word, "111000");
	heard("gpadl-created:never:2,gpadl-created:never:5", word);
	TAP_STR_EQ(word, "101101");
	heard("gpadl-created:duplicate:3+,gpadl-created:never", word);
	TAP_STR_EQ(word, "002222");
	heard("gpadl-created:never:7,gpadl-torndown:never", word);
	TAP_STR_EQ(word, "111111");
	heard("gpadl-created:wrong-state:1,gpadl-created:never:1", word);
	TAP_STR_EQ(word, "011111");
}

TAP_TEST(faults_are_told_within_the_limit_of_the_log)
{
	struct bed b;
	uint64_t gpn = 7;

	make_ready(&b, "gpadl-created:never");
	b.e.lines = 0;
	for (unsigned i = 0; i < 150; i++)
		TAP_EQ(guest_post_gpadl(&b.g, 1, 20 + i, &gpn, 1, 0, 0), HVP_STATUS_SUCCESS);
	TAP_EQ(b.e.lines, 100);
	TAP_EQ(injected(&b), 150);
	bed_drop(&b);
}

/* --- late ones ------------------------------------------------------------------------------------- */

TAP_TEST(late_messages_let_others_go_ahead)
{
	struct hvw_msg msg;
	uint64_t gpn = 7;
	struct bed b;

	make_ready(&b, "gpadl-created:late:1,gpadl-created:late:3");
	for (unsigned i = 1; i <= 3; i++) {
		TAP_EQ(guest_post_gpadl(&b.g, 1, 20 + i, &gpn, 1, 0, 0), HVP_STATUS_SUCCESS);
		embedder_advance(&b.e, 40000000);
	}
	TAP_REQUIRE(guest_expect(&b.g, HVP_MSG_GPADL_CREATED, &msg));
	TAP_EQ(msg.u.GPADL_CREATED.gpadl, 22);
	TAP_REQUIRE(guest_expect(&b.g, HVP_MSG_GPADL_CREATED, &msg));
	TAP_EQ(msg.u.GPADL_CREATED.gpadl, 21);
	TAP_CHECK(guest_expect_nothing(&b.g));
	embedder_advance(&b.e, 60000000);
	TAP_REQUIRE(guest_expect(&b.g, HVP_MSG_GPADL_CREATED, &msg));
	TAP_EQ(msg.u.GPADL_CREATED.gpadl, 23);
	bed_drop(&b);
}

TAP_TEST(late_messages_end_with_their_connection)
{
	for (unsigned way = 0; way < 2; way++) {
		uint8_t *state;
		size_t len;
		uint64_t gpn = 7;
		struct bed b;

		make_ready(&b, "gpadl-created:late");
		TAP_EQ(guest_post_gpadl(&b.g, 1, 20, &gpn, 1, 0, 0), HVP_STATUS_SUCCESS);
		TAP_EQ(embedder_save(&b.e, &state, &len), -EBUSY);
		if (way)
			embedder_reset(&b.e);
		else
			TAP_CHECK(guest_contact(&b.g, HVP_VERSION_5_3, 0));
		embedder_advance(&b.e, 1000000000);
		TAP_CHECK(guest_expect_nothing(&b.g));
		bed_drop(&b);
	}
}

TAP_TEST(what_cannot_be_held_back_any_more_is_sent)
{
	uint64_t gpn = 7;
	unsigned sent = 0;
	struct bed b;

	make_ready(&b, "gpadl-created:late");
	for (unsigned i = 0; i < 70; i++) {
		TAP_EQ(guest_post_gpadl(&b.g, 1, 20 + i, &gpn, 1, 0, 0), HVP_STATUS_SUCCESS);
		sent += guest_expect(&b.g, HVP_MSG_GPADL_CREATED, &(struct hvw_msg){ 0 });
	}
	TAP_EQ(sent, 6);
	embedder_advance(&b.e, 100000000);
	while (guest_expect(&b.g, HVP_MSG_GPADL_CREATED, &(struct hvw_msg){ 0 }))
		sent++;
	TAP_EQ(sent, 70);
	bed_drop(&b);
}

TAP_MAIN()
