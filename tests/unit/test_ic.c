/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "hvw_ic.h"
#include "tap.h"

static const struct hvp_ic_version framework_up[] = { { 1, 0 }, { 3, 0 } };
static const struct hvp_ic_version shutdown_up[] = { { 1, 0 }, { 3, 0 }, { 3, 1 }, { 3, 2 } };
static const struct hvp_ic_version framework_down[] = { { 3, 0 }, { 1, 0 } };
static const struct hvp_ic_version shutdown_down[] = { { 3, 2 }, { 3, 1 }, { 3, 0 }, { 1, 0 } };

/* A message with a body of `body_len` bytes that count up from 1, and what its headers claim. */
static size_t make(uint8_t *bytes, uint32_t pipe_type, uint32_t pipe_length, uint16_t size,
		   size_t body_len)
{
	struct hvp_pipe_header pipe = { pipe_type, pipe_length };
	struct hvp_ic_header h = { .type = HVP_IC_HEARTBEAT, .size = size, .transaction_id = 9 };

	memcpy(bytes, &pipe, sizeof(pipe));
	memcpy(bytes + sizeof(pipe), &h, sizeof(h));
	for (size_t i = 0; i < body_len; i++)
		bytes[HVW_IC_HEADERS + i] = (uint8_t)(i + 1);
	return HVW_IC_HEADERS + body_len;
}

/* Parses a made message from a block of exactly its size. */
static int parse_made(uint32_t pipe_type, uint32_t pipe_length, uint16_t size, size_t body_len)
{
	uint8_t *exact = malloc(HVW_IC_HEADERS + body_len);
	struct hvw_ic ic;
	size_t len = make(exact, pipe_type, pipe_length, size, body_len);
	int err = hvw_ic_parse(&ic, exact, len);

	if (!err && size) {
		TAP_EQ(ic.h.size, size);
		TAP_EQ(ic.h.transaction_id, 9);
		TAP_EQ(ic.body[0], 1);
		TAP_EQ(ic.body[size - 1], (uint8_t)size);
	}
	free(exact);
	return err;
}

TAP_TEST(a_sound_message_is_accepted)
{
	TAP_EQ(parse_made(HVP_PIPE_DATA, 20 + 40, 40, 40), 0);
	TAP_EQ(parse_made(HVP_PIPE_DATA, 20, 0, 0), 0);
}

TAP_TEST(padding_of_the_ring_and_stale_bytes_behind_the_body_are_ignored)
{
	TAP_EQ(parse_made(HVP_PIPE_DATA, 20 + 40, 40, 44), 0);
	TAP_EQ(parse_made(HVP_PIPE_DATA, 20 + 40, 16, 40), 0);
}

TAP_TEST(a_pipe_length_beyond_the_packet_is_refused)
{
	TAP_EQ(parse_made(HVP_PIPE_DATA, 20 + 41, 40, 40), -EPROTO);
	TAP_EQ(parse_made(HVP_PIPE_DATA, UINT32_MAX, 40, 40), -EPROTO);
}

TAP_TEST(a_pipe_length_below_the_header_is_refused)
{
	TAP_EQ(parse_made(HVP_PIPE_DATA, 19, 0, 40), -EPROTO);
	TAP_EQ(parse_made(HVP_PIPE_DATA, 19, 40, 40), -EPROTO);
	TAP_EQ(parse_made(HVP_PIPE_DATA, 0, 40, 40), -EPROTO);
}

TAP_TEST(a_body_beyond_the_pipe_length_is_refused)
{
	TAP_EQ(parse_made(HVP_PIPE_DATA, 20 + 40, 41, 48), -EPROTO);
	TAP_EQ(parse_made(HVP_PIPE_DATA, 20, 1, 48), -EPROTO);
	TAP_EQ(parse_made(HVP_PIPE_DATA, 20 + 40, UINT16_MAX, 40), -EPROTO);
}

TAP_TEST(other_pipe_types_are_refused)
{
	TAP_EQ(parse_made(0, 60, 40, 40), -EPROTO);
	TAP_EQ(parse_made(HVP_PIPE_PARTIAL, 60, 40, 40), -EPROTO);
	TAP_EQ(parse_made(0x101, 60, 40, 40), -EPROTO);
}

TAP_TEST(a_message_cut_at_any_byte_is_refused)
{
	uint8_t whole[HVW_IC_HEADERS + 40];
	size_t len = make(whole, HVP_PIPE_DATA, 60, 40, 40);

	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *exact = malloc(cut ? cut : 1);
		struct hvw_ic ic;

		memcpy(exact, whole, cut);
		TAP_EQ(hvw_ic_parse(&ic, exact, cut), -EPROTO);
		free(exact);
	}
}

TAP_TEST(a_refused_message_leaves_the_result_alone)
{
	uint8_t bytes[HVW_IC_HEADERS + 8];
	size_t len = make(bytes, HVP_PIPE_DATA, 29, 9, 8);
	struct hvw_ic ic, before;

	memset(&ic, 0x5a, sizeof(ic));
	before = ic;
	TAP_EQ(hvw_ic_parse(&ic, bytes, len), -EPROTO);
	TAP_MEM_EQ(&ic.h, &before.h, sizeof(ic.h));
	TAP_CHECK(ic.body == before.body);
}

TAP_TEST(reads_stay_inside_the_body)
{
	uint8_t bytes[HVW_IC_HEADERS + 40], got[41];
	size_t len = make(bytes, HVP_PIPE_DATA, 60, 40, 40);
	struct hvw_ic ic;

	TAP_REQUIRE(hvw_ic_parse(&ic, bytes, len) == 0);
	TAP_EQ(hvw_ic_read(&ic, 0, got, 40), 0);
	TAP_EQ(got[39], 40);
	TAP_EQ(hvw_ic_read(&ic, 39, got, 1), 0);
	TAP_EQ(got[0], 40);
	TAP_EQ(hvw_ic_read(&ic, 40, got, 0), 0);
	TAP_EQ(hvw_ic_read(&ic, 40, got, 1), -EPROTO);
	TAP_EQ(hvw_ic_read(&ic, 0, got, 41), -EPROTO);
	TAP_EQ(hvw_ic_read(&ic, 41, got, 0), -EPROTO);
	TAP_EQ(hvw_ic_read(&ic, 1, got, SIZE_MAX), -EPROTO);
	TAP_EQ(hvw_ic_read(&ic, SIZE_MAX, got, 2), -EPROTO);
}

TAP_TEST(reads_end_at_the_declared_body_not_at_the_packet)
{
	uint8_t bytes[HVW_IC_HEADERS + 40], got[40];
	size_t len = make(bytes, HVP_PIPE_DATA, 60, 8, 40);
	struct hvw_ic ic;

	TAP_REQUIRE(hvw_ic_parse(&ic, bytes, len) == 0);
	TAP_EQ(hvw_ic_read(&ic, 0, got, 8), 0);
	TAP_EQ(hvw_ic_read(&ic, 0, got, 9), -EPROTO);
}

/* Builds the host's request with these lists into `bytes` and parses it. */
static bool request(struct hvw_ic *ic, uint8_t *bytes, size_t size,
		    const struct hvp_ic_version *framework, unsigned frameworks,
		    const struct hvp_ic_version *message, unsigned messages)
{
	int len = hvw_ic_build_negotiate(bytes, size, framework, frameworks, message, messages);

	return TAP_EQ(len, HVW_IC_HEADERS + 8 + 4 * (frameworks + messages)) &&
	       TAP_EQ(hvw_ic_parse(ic, bytes, (size_t)len), 0);
}

TAP_TEST(host_and_guest_agree_on_the_best_common_versions)
{
	uint8_t bytes[256], answer[HVW_IC_CHOICE];
	struct hvw_ic ic, reply;
	struct hvp_ic_version framework, message;

	TAP_REQUIRE(request(&ic, bytes, sizeof(bytes), framework_up, 2, shutdown_up, 4));
	TAP_EQ(ic.h.type, HVP_IC_NEGOTIATE);
	TAP_EQ(ic.h.flags, HVP_IC_FLAG_TRANSACTION | HVP_IC_FLAG_REQUEST);
	TAP_EQ(ic.h.status, 0);
	TAP_REQUIRE(hvw_ic_choose(&ic, framework_down, 2, shutdown_down + 1, 3, &framework,
				  &message) == 0);
	TAP_EQ(framework.major, 3);
	TAP_EQ(framework.minor, 0);
	TAP_EQ(message.major, 3);
	TAP_EQ(message.minor, 1);

	ic.h.transaction_id = 77;
	TAP_EQ(hvw_ic_build_choice(answer, &ic.h, &framework, &message), HVW_IC_CHOICE);
	TAP_REQUIRE(hvw_ic_parse(&reply, answer, sizeof(answer)) == 0);
	TAP_EQ(reply.h.transaction_id, 77);
	TAP_EQ(reply.h.type, HVP_IC_NEGOTIATE);
	TAP_EQ(reply.h.flags, HVP_IC_FLAG_TRANSACTION | HVP_IC_FLAG_RESPONSE);
	memset(&framework, 0, sizeof(framework));
	memset(&message, 0, sizeof(message));
	TAP_REQUIRE(hvw_ic_parse_choice(&reply, framework_up, 2, shutdown_up, 4, &framework,
					&message) == 0);
	TAP_EQ(framework.major, 3);
	TAP_EQ(message.major, 3);
	TAP_EQ(message.minor, 1);
}

TAP_TEST(the_order_of_an_offer_carries_no_promise)
{
	uint8_t bytes[256];
	struct hvw_ic ic;
	struct hvp_ic_version framework, message;

	TAP_REQUIRE(request(&ic, bytes, sizeof(bytes), framework_down, 2, shutdown_down, 4));
	TAP_EQ(hvw_ic_choose(&ic, framework_down, 2, shutdown_down, 4, &framework, &message), 0);
	TAP_EQ(framework.major, 3);
	TAP_EQ(message.minor, 2);
}

TAP_TEST(a_version_must_match_exactly)
{
	static const struct hvp_ic_version near[] = { { 3, 3 }, { 4, 2 }, { 2, 3 } };
	uint8_t bytes[256];
	struct hvw_ic ic;
	struct hvp_ic_version framework = { 8, 8 }, message = { 9, 9 };

	TAP_REQUIRE(request(&ic, bytes, sizeof(bytes), framework_up, 2, near, 3));
	TAP_EQ(hvw_ic_choose(&ic, framework_down, 2, shutdown_down, 4, &framework, &message),
	       -EOPNOTSUPP);
	TAP_REQUIRE(request(&ic, bytes, sizeof(bytes), near, 3, shutdown_up, 4));
	TAP_EQ(hvw_ic_choose(&ic, framework_down, 2, shutdown_down, 4, &framework, &message),
	       -EOPNOTSUPP);
	TAP_EQ(framework.major, 8);
	TAP_EQ(message.major, 9);
}

TAP_TEST(a_framework_version_is_not_taken_from_the_message_list)
{
	uint8_t bytes[256];
	struct hvw_ic ic;
	struct hvp_ic_version framework, message;

	/* 1.0 stands among the message versions only, 3.1 among the framework versions only. */
	TAP_REQUIRE(request(&ic, bytes, sizeof(bytes), shutdown_up + 2, 1, shutdown_up, 1));
	TAP_EQ(hvw_ic_choose(&ic, framework_down, 2, shutdown_down, 4, &framework, &message),
	       -EOPNOTSUPP);
	TAP_REQUIRE(request(&ic, bytes, sizeof(bytes), framework_up, 1, shutdown_up + 3, 1));
	TAP_EQ(hvw_ic_choose(&ic, framework_down, 2, framework_down, 2, &framework, &message),
	       -EOPNOTSUPP);
}

TAP_TEST(negotiation_counts_beyond_the_body_or_the_limit_are_refused)
{
	static const struct {
		uint16_t frameworks, messages;
	} cases[] = { { 1, 6 }, { 6, 1 }, { 7, 0 }, { 101, 1 }, { 1, 101 }, { 0xffff, 0xffff } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t bytes[256];
		struct hvw_ic ic;
		struct hvp_ic_version framework, message;
		struct hvp_ic_negotiate counts = { cases[i].frameworks, cases[i].messages, 0 };

		TAP_REQUIRE(request(&ic, bytes, sizeof(bytes), framework_up, 2, shutdown_up, 4));
		memcpy(bytes + HVW_IC_HEADERS, &counts, sizeof(counts));
		TAP_EQ(hvw_ic_choose(&ic, framework_down, 2, shutdown_down, 4, &framework, &message),
		       -EPROTO);
	}
}

TAP_TEST(a_limit_of_versions_that_all_fit_is_accepted_and_one_more_is_not)
{
	struct hvp_ic_version many[HVP_IC_VERSIONS_MAX + 1] = { { 0, 0 } };
	uint8_t bytes[2048];
	struct hvw_ic ic;
	struct hvp_ic_version framework, message;

	for (unsigned i = 0; i <= HVP_IC_VERSIONS_MAX; i++)
		many[i].major = (uint16_t)(1000 + i);
	TAP_REQUIRE(request(&ic, bytes, sizeof(bytes), many, HVP_IC_VERSIONS_MAX, many,
			    HVP_IC_VERSIONS_MAX));
	TAP_EQ(hvw_ic_choose(&ic, many + 99, 1, many + 99, 1, &framework, &message), 0);
	TAP_EQ(framework.major, 1099);
	TAP_EQ(message.major, 1099);
	TAP_EQ(hvw_ic_build_negotiate(bytes, sizeof(bytes), many, 101, many, 1), -EMSGSIZE);
	TAP_EQ(hvw_ic_build_negotiate(bytes, sizeof(bytes), many, 1, many, 101), -EMSGSIZE);
}

TAP_TEST(one_version_more_than_the_limit_is_refused_although_it_is_there)
{
	static const unsigned counts[][2] = { { 101, 1 }, { 1, 101 }, { 1000, 1000 } };

	for (size_t i = 0; i < 3; i++) {
		unsigned versions = counts[i][0] + counts[i][1];
		struct hvp_ic_negotiate claim = { (uint16_t)counts[i][0], (uint16_t)counts[i][1],
						  0 };
		struct hvp_ic_header h = { .type = HVP_IC_NEGOTIATE,
					   .size = (uint16_t)(sizeof(claim) + 4 * versions) };
		uint8_t *body = calloc(1, h.size);
		struct hvw_ic ic = { h, body };
		struct hvp_ic_version framework, message;

		memcpy(body, &claim, sizeof(claim));
		for (unsigned v = 0; v < versions; v++)
			body[sizeof(claim) + 4 * v] = 3; /* 3.0 */
		TAP_EQ(hvw_ic_choose(&ic, framework_down, 2, shutdown_down, 4, &framework, &message),
		       -EPROTO);
		free(body);
	}
}

TAP_TEST(an_offer_that_does_not_fit_its_buffer_is_refused)
{
	uint8_t bytes[HVW_IC_HEADERS + 8 + 24];

	TAP_EQ(hvw_ic_build_negotiate(bytes, sizeof(bytes), framework_up, 2, shutdown_up, 4),
	       (int)sizeof(bytes));
	TAP_EQ(hvw_ic_build_negotiate(bytes, sizeof(bytes) - 1, framework_up, 2, shutdown_up, 4),
	       -EMSGSIZE);
	TAP_EQ(hvw_ic_build_negotiate(bytes, 0, framework_up, 2, shutdown_up, 4), -EMSGSIZE);
}

/* What the host makes of an answer with these counts, versions, status and body length. */
static int judge(uint16_t frameworks, uint16_t messages, struct hvp_ic_version framework,
		 struct hvp_ic_version message, uint32_t status, uint16_t body)
{
	struct {
		struct hvp_ic_negotiate counts;
		struct hvp_ic_version version[2];
	} answer = { { frameworks, messages, 0 }, { framework, message } };
	struct hvw_ic ic = { { .type = HVP_IC_NEGOTIATE, .status = status, .size = body },
			     (const uint8_t *)&answer };
	struct hvp_ic_version out[2] = { { 7, 7 }, { 7, 7 } };
	int err = hvw_ic_parse_choice(&ic, framework_up, 2, shutdown_up, 4, &out[0], &out[1]);

	TAP_EQ(out[0].major == 7, err != 0);
	TAP_EQ(out[1].major == 7, err != 0);
	return err;
}

TAP_TEST(the_host_accepts_exactly_one_version_of_each_kind)
{
	struct hvp_ic_version f = { 3, 0 }, m = { 3, 2 };

	TAP_EQ(judge(1, 1, f, m, 0, 16), 0);
	TAP_EQ(judge(2, 1, f, m, 0, 16), -EPROTO);
	TAP_EQ(judge(1, 2, f, m, 0, 16), -EPROTO);
	TAP_EQ(judge(0xffff, 0xffff, f, m, 0, 16), -EPROTO);
}

TAP_TEST(the_host_refuses_a_version_that_it_did_not_offer)
{
	struct hvp_ic_version f = { 3, 0 }, m = { 3, 2 }, odd = { 3, 3 }, newer = { 4, 0 };

	TAP_EQ(judge(1, 1, odd, m, 0, 16), -EPROTO);
	TAP_EQ(judge(1, 1, f, odd, 0, 16), -EPROTO);
	TAP_EQ(judge(1, 1, newer, m, 0, 16), -EPROTO);
	TAP_EQ(judge(1, 1, m, f, 0, 16), -EPROTO);
}

TAP_TEST(the_host_sees_when_the_guest_has_no_common_version)
{
	struct hvp_ic_version f = { 3, 0 }, m = { 3, 2 };

	TAP_EQ(judge(0, 0, f, m, 0, 16), -EOPNOTSUPP);
	TAP_EQ(judge(0, 1, f, m, 0, 16), -EOPNOTSUPP);
	TAP_EQ(judge(1, 0, f, m, 0, 16), -EOPNOTSUPP);
	TAP_EQ(judge(1, 1, f, m, HVP_IC_FAIL, 16), -EOPNOTSUPP);
	TAP_EQ(judge(0, 0, f, m, 0, 8), -EOPNOTSUPP);
}

TAP_TEST(an_error_status_without_a_body_is_a_refusal_too)
{
	struct hvp_ic_version none = { 0, 0 };

	TAP_EQ(judge(0, 0, none, none, HVP_IC_FAIL, 0), -EOPNOTSUPP);
}

TAP_TEST(a_short_answer_is_refused)
{
	struct hvp_ic_version f = { 3, 0 }, m = { 3, 2 };

	for (uint16_t body = 0; body < 16; body++)
		TAP_EQ(judge(1, 1, f, m, 0, body), -EPROTO);
}

TAP_TEST(a_guest_without_a_common_version_answers_with_counts_of_zero)
{
	struct hvp_ic_header h = { .type = HVP_IC_NEGOTIATE, .size = 999, .transaction_id = 3 };
	const struct hvp_ic_version *cases[][2] = { { NULL, NULL },
						    { framework_up, NULL },
						    { NULL, shutdown_up } };

	for (size_t i = 0; i < 3; i++) {
		uint8_t answer[HVW_IC_CHOICE];
		struct hvw_ic ic;
		struct hvp_ic_version f, m;

		memset(answer, 0xff, sizeof(answer));
		TAP_EQ(hvw_ic_build_choice(answer, &h, cases[i][0], cases[i][1]), sizeof(answer));
		TAP_REQUIRE(hvw_ic_parse(&ic, answer, sizeof(answer)) == 0);
		TAP_EQ(ic.h.size, 16);
		TAP_EQ(ic.h.status, 0);
		TAP_EQ(ic.h.transaction_id, 3);
		for (unsigned at = 0; at < 16; at++)
			TAP_EQ(ic.body[at], 0);
		TAP_EQ(hvw_ic_parse_choice(&ic, framework_up, 2, shutdown_up, 4, &f, &m),
		       -EOPNOTSUPP);
	}
}

TAP_TEST(headers_say_the_length_of_the_body)
{
	struct hvp_ic_header h = { .type = HVP_IC_SHUTDOWN, .size = 2060 };
	uint8_t *payload = calloc(1, HVW_IC_HEADERS + 2060);
	struct hvp_pipe_header pipe;
	struct hvw_ic ic;

	TAP_EQ(hvw_ic_build(payload, &h), HVW_IC_HEADERS + 2060);
	memcpy(&pipe, payload, sizeof(pipe));
	TAP_EQ(pipe.type, HVP_PIPE_DATA);
	TAP_EQ(pipe.length, 20 + 2060);
	TAP_EQ(hvw_ic_parse(&ic, payload, HVW_IC_HEADERS + 2060), 0);
	TAP_EQ(ic.h.size, 2060);
	free(payload);
}

TAP_TEST(the_largest_body_a_header_can_name_is_handled)
{
	struct hvp_ic_header h = { .type = HVP_IC_KVP, .size = UINT16_MAX };
	uint8_t *payload = calloc(1, HVW_IC_HEADERS + UINT16_MAX);
	struct hvw_ic ic;

	TAP_EQ(hvw_ic_build(payload, &h), HVW_IC_HEADERS + UINT16_MAX);
	TAP_EQ(hvw_ic_parse(&ic, payload, HVW_IC_HEADERS + UINT16_MAX), 0);
	TAP_EQ(hvw_ic_parse(&ic, payload, HVW_IC_HEADERS + UINT16_MAX - 1), -EPROTO);
	free(payload);
}

TAP_MAIN()
