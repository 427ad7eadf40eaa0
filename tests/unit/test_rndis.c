/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "hvw_ndis.h"
#include "hvw_rndis.h"
#include "tap.h"

/* Memory of exactly `len` bytes, so that the sanitizers see each read beyond; the caller frees it. */
static uint8_t *exact(const void *bytes, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	if (len)
		memcpy(copy, bytes, len);
	return copy;
}

/* --- messages in a stream -------------------------------------------------------------------- */

/* The walk's first result over one header that claims `length`, with `len` bytes there. */
static int first_message(uint32_t type, uint32_t length, size_t len)
{
	const struct hvp_rndis_header h = { type, length };
	uint8_t *bytes = calloc(1, len ? len : 1);
	struct hvw_rndis_iter iter;
	struct hvw_rndis_msg msg;
	int err;

	memcpy(bytes, &h, len < sizeof(h) ? len : sizeof(h));
	hvw_rndis_iter_init(&iter, bytes, len);
	err = hvw_rndis_iter_next(&iter, &msg);
	if (!err)
		TAP_EQ(iter.left, len - length);
	free(bytes);
	return err;
}

TAP_TEST(a_message_has_its_fixed_part_and_ends_inside_the_stream)
{
#define CHECK_FIXED(number, name, type, bytes)                                                     \
	TAP_EQ(first_message(number, bytes, bytes), 0);                                            \
	TAP_EQ(first_message(number, bytes, (bytes) + 5), 0);                                      \
	TAP_EQ(first_message(number, (bytes)-1, bytes), -EPROTO);                                  \
	TAP_EQ(first_message(number, bytes, (bytes)-1), -EPROTO);
	HVP_RNDIS_LIST(CHECK_FIXED)
#undef CHECK_FIXED
	TAP_EQ(first_message(HVP_RNDIS_HALT, 0, 64), -EPROTO);
	TAP_EQ(first_message(HVP_RNDIS_HALT, 0xffffffff, 64), -EPROTO);
	TAP_EQ(first_message(0, 64, 64), -EPROTO);
	TAP_EQ(first_message(0x80000001, 64, 64), -EPROTO);
	TAP_EQ(first_message(HVP_RNDIS_HALT, 12, 7), -EPROTO);
	TAP_EQ(first_message(HVP_RNDIS_HALT, 12, 0), -EAGAIN);
}

TAP_TEST(several_messages_follow_by_their_lengths)
{
	uint8_t bytes[400];
	struct hvw_rndis_iter iter;
	struct hvw_rndis_msg msg;
	const struct hvw_rndis_meta meta = { .has = HVW_META_VLAN, .vlan = 0x50 };
	size_t len = 0;

	memset(bytes, 0xee, sizeof(bytes));
	for (unsigned i = 0; i < 3; i++) {
		struct hvp_rndis_header h;

		TAP_REQUIRE(hvw_rndis_packet_build(bytes + len, &meta, 0, 33 + i, 7 - i) > 0);
		memcpy(&h, bytes + len, sizeof(h));
		TAP_EQ(h.length, 60 + 40);
		len += h.length;
	}
	hvw_rndis_iter_init(&iter, bytes, len);
	for (unsigned i = 0; i < 3; i++) {
		TAP_REQUIRE(hvw_rndis_iter_next(&iter, &msg) == 0);
		TAP_EQ(msg.bytes - bytes, i * 100);
	}
	TAP_EQ(hvw_rndis_iter_next(&iter, &msg), -EAGAIN);
}

/* --- packets --------------------------------------------------------------------------------- */

/* A sound packet of 200 bytes: 16 of information at 44, 100 of data at 64. */
static const struct hvp_rndis_packet sound = {
	.h = { HVP_RNDIS_PACKET, 200 },
	.data_offset = 56,
	.data_length = 100,
	.info_offset = 36,
	.info_length = 16,
};

static int judge(struct hvp_rndis_packet h)
{
	struct hvw_rndis_packet packet;

	return hvw_rndis_packet_parse(&packet, &h, 200);
}

#define JUDGE(field, value)                                                                        \
	({                                                                                         \
		struct hvp_rndis_packet h_ = sound;                                                \
                                                                                                   \
		h_.field = (value);                                                                \
		judge(h_);                                                                         \
	})

TAP_TEST(a_packets_parts_lie_inside_it)
{
	struct hvw_rndis_packet packet;

	TAP_REQUIRE(hvw_rndis_packet_parse(&packet, &sound, 200) == 0);
	TAP_EQ(packet.data_at, 64);
	TAP_EQ(packet.info_at, 44);
	TAP_EQ(hvw_rndis_packet_parse(&packet, &sound, 199), -EPROTO);
	TAP_EQ(JUDGE(h.type, HVP_RNDIS_SET), -EPROTO);
	TAP_EQ(JUDGE(h.length, 163), -EPROTO);
	TAP_EQ(JUDGE(h.length, 164), 0);
	TAP_EQ(JUDGE(h.length, 43), -EPROTO);
	TAP_EQ(JUDGE(h.length, 0), -EPROTO);
	TAP_EQ(JUDGE(data_length, 0), -EPROTO);
	TAP_EQ(JUDGE(data_length, 136), 0);
	TAP_EQ(JUDGE(data_length, 137), -EPROTO);
	TAP_EQ(JUDGE(data_offset, 92), 0);
	TAP_EQ(JUDGE(data_offset, 93), -EPROTO);
	TAP_EQ(JUDGE(data_offset, 35), -EPROTO);
	/* Offset plus length, or the base that is counted from, would wrap. */
	TAP_EQ(JUDGE(data_offset, 0xffffffff), -EPROTO);
	TAP_EQ(JUDGE(data_offset, 0xfffffff8), -EPROTO);
	TAP_EQ(JUDGE(data_offset, 0xffffffa0), -EPROTO);
	TAP_EQ(JUDGE(data_length, 0xffffffc8), -EPROTO);
	TAP_EQ(JUDGE(info_offset, 176), 0);
	TAP_EQ(JUDGE(info_offset, 177), -EPROTO);
	TAP_EQ(JUDGE(info_offset, 35), -EPROTO);
	TAP_EQ(JUDGE(info_offset, 0xfffffff8), -EPROTO);
	TAP_EQ(JUDGE(info_length, 157), -EPROTO);
	TAP_EQ(JUDGE(info_length, 0xffffffdc), -EPROTO);
}

TAP_TEST(parts_that_nobody_uses_are_refused)
{
	TAP_EQ(JUDGE(oob_offset, 1), -EPROTO);
	TAP_EQ(JUDGE(oob_length, 1), -EPROTO);
	TAP_EQ(JUDGE(oob_count, 1), -EPROTO);
	TAP_EQ(JUDGE(vc, 1), -EPROTO);
	TAP_EQ(JUDGE(reserved, 1), 0);
}

TAP_TEST(without_information_its_offset_means_nothing)
{
	struct hvp_rndis_packet h = sound;

	h.info_length = 0;
	h.info_offset = 0;
	TAP_EQ(judge(h), 0);
	h.info_offset = 0xffffffff;
	TAP_EQ(judge(h), 0);
}

/* --- per-packet information ------------------------------------------------------------------ */

struct element {
	uint32_t size, type, offset, value;
};

/* The walk's result behind the elements that pass; *passed counts them. */
static int walk(const void *bytes, size_t len, unsigned *passed)
{
	uint8_t *copy = exact(bytes, len);
	struct hvw_rndis_infos iter;
	struct hvw_rndis_info info;
	int err;

	hvw_rndis_infos_init(&iter, copy, len);
	for (*passed = 0; !(err = hvw_rndis_infos_next(&iter, &info)); (*passed)++)
		if (!TAP_CHECK(*passed < 100))
			break;
	free(copy);
	return err;
}

/* One element, at the end of its memory. */
static int first_info(uint32_t size, uint32_t offset, size_t len)
{
	const struct element element[2] = { { size, HVP_INFO_VLAN, offset, 7 } };
	unsigned passed;
	int err = walk(element, len, &passed);

	return passed ? 0 : err;
}

TAP_TEST(an_element_has_its_header_and_lies_inside_the_list)
{
	TAP_EQ(first_info(16, 12, 16), 0);
	TAP_EQ(first_info(12, 12, 12), 0);
	TAP_EQ(first_info(16, 16, 16), 0);
	TAP_EQ(first_info(16, 17, 16), -EPROTO);
	TAP_EQ(first_info(16, 0xfffffffc, 16), -EPROTO);
	TAP_EQ(first_info(16, 11, 16), -EPROTO);
	TAP_EQ(first_info(16, 0, 16), -EPROTO);
	TAP_EQ(first_info(16, 12, 15), -EPROTO);
	TAP_EQ(first_info(20, 12, 16), -EPROTO);
	TAP_EQ(first_info(0xfffffffc, 12, 16), -EPROTO);
	TAP_EQ(first_info(16, 12, 11), -EPROTO);
	TAP_EQ(first_info(16, 12, 0), -EAGAIN);
}

/* Three known drivers walk on the spot here. */
TAP_TEST(an_element_that_would_not_advance_ends_the_walk)
{
	TAP_EQ(first_info(0, 12, 32), -EPROTO);
	TAP_EQ(first_info(4, 12, 32), -EPROTO);
	TAP_EQ(first_info(8, 12, 32), -EPROTO);
	TAP_EQ(first_info(11, 11, 32), -EPROTO);
	TAP_EQ(first_info(13, 12, 32), -EPROTO);
	TAP_EQ(first_info(14, 12, 32), -EPROTO);
	TAP_EQ(first_info(15, 12, 32), -EPROTO);
}

TAP_TEST(elements_follow_one_another_by_their_size)
{
	const struct element elements[] = {
		{ 16, HVP_INFO_HASH, 12, 1 },
		{ 16, 77, 12, 2 },
		{ 12, 5, 12, 16 }, /* its value is the next one's size */
	};
	const uint32_t rest[3] = { 6, 12, 3 };
	uint8_t bytes[sizeof(elements) + sizeof(rest)];
	struct hvw_rndis_meta meta;
	unsigned passed;

	memcpy(bytes, elements, sizeof(elements));
	memcpy(bytes + sizeof(elements), rest, sizeof(rest));
	TAP_EQ(walk(bytes, sizeof(bytes), &passed), -EAGAIN);
	TAP_EQ(passed, 4);
	TAP_REQUIRE(hvw_rndis_meta_parse(&meta, bytes, sizeof(bytes)) == 0);
	TAP_EQ(meta.has, HVW_META_HASH | HVW_META_VLAN);
	TAP_EQ(meta.hash, 1);
	TAP_EQ(meta.vlan, 3);
	TAP_EQ(walk(bytes, sizeof(bytes) - 4, &passed), -EPROTO);
	TAP_EQ(passed, 3);
	TAP_EQ(hvw_rndis_meta_parse(&meta, bytes, sizeof(bytes) - 4), -EPROTO);
}

TAP_TEST(of_two_of_a_type_the_first_counts)
{
	const struct element elements[] = { { 16, HVP_INFO_LSO, 12, 1 },
					    { 16, HVP_INFO_LSO, 12, 2 } };
	struct hvw_rndis_meta meta;

	TAP_REQUIRE(hvw_rndis_meta_parse(&meta, elements, sizeof(elements)) == 0);
	TAP_EQ(meta.has, HVW_META_LSO);
	TAP_EQ(meta.lso, 1);
}

TAP_TEST(a_known_element_needs_its_value)
{
	struct hvw_rndis_meta meta;

#define CHECK_VALUE(number, name)                                                                  \
	{                                                                                          \
		const uint32_t empty[3] = { 12, number, 12 };                                      \
		const struct element late = { 16, number, 14, 0 };                                 \
		const struct element whole = { 16, number, 12, 0x01020304 };                       \
		uint8_t *copy = exact(empty, sizeof(empty));                                       \
                                                                                                   \
		TAP_EQ(hvw_rndis_meta_parse(&meta, copy, sizeof(empty)), -EPROTO);                 \
		free(copy);                                                                        \
		TAP_EQ(hvw_rndis_meta_parse(&meta, &late, sizeof(late)), -EPROTO);                 \
		TAP_EQ(hvw_rndis_meta_parse(&meta, &whole, sizeof(whole)), 0);                     \
		TAP_EQ(meta.has, HVW_META_##name);                                                 \
	}
	HVP_INFO_LIST(CHECK_VALUE)
#undef CHECK_VALUE
}

TAP_TEST(a_packet_that_is_too_long_cannot_be_built)
{
	const struct hvw_rndis_meta meta = { .has = HVW_META_HASH };
	uint8_t head[HVW_RNDIS_HEAD_MAX];

	TAP_EQ(hvw_rndis_packet_build(head, &meta, 0, 100, 0), 60);
	TAP_EQ(hvw_rndis_packet_build(head, &meta, 60, 100, 0), 60);
	TAP_EQ(hvw_rndis_packet_build(head, &meta, 59, 100, 0), -EINVAL);
	TAP_EQ(hvw_rndis_packet_build(head, &meta, 256, 0xffffffff - 256, 0), 60);
	TAP_EQ(hvw_rndis_packet_build(head, &meta, 256, 0xffffffff - 255, 0), -EINVAL);
	TAP_EQ(hvw_rndis_packet_build(head, &meta, 256, 0xffffffff - 260, 5), -EINVAL);
}

/* --- control messages ------------------------------------------------------------------------ */

/* A request or an answer of `len` bytes whose information is said to be `info_len` at `info_offset`. */
static int judge_info(uint32_t type, uint32_t info_offset, uint32_t info_len, uint32_t len,
		      size_t room)
{
	struct hvp_rndis_request h = { { type, len }, 5, 6, 0, 0, 0 };
	uint8_t *bytes = calloc(1, room);
	struct hvw_rndis_request request;
	struct hvw_rndis_answer answer;
	struct hvw_rndis_msg msg = { type, len, bytes };
	int err;

	if (type == HVP_RNDIS_INDICATE_STATUS) {
		h.oid = info_len;
		h.info_length = info_offset;
		h.request_id = HVP_RNDIS_STATUS_LINK_SPEED_CHANGE;
	} else {
		h.info_length = info_len;
		h.info_offset = info_offset;
	}
	memcpy(bytes, &h, sizeof(h) < room ? sizeof(h) : room);
	if (type & HVP_RNDIS_COMPLETION || type == HVP_RNDIS_INDICATE_STATUS)
		err = hvw_rndis_answer_parse(&answer, &msg, room);
	else
		err = hvw_rndis_request_parse(&request, &msg);
	free(bytes);
	return err;
}

TAP_TEST(information_lies_inside_its_message)
{
	static const uint32_t requests[] = { HVP_RNDIS_QUERY, HVP_RNDIS_SET, HVP_RNDIS_SET_EX };

	for (unsigned i = 0; i < 3; i++) {
		TAP_EQ(judge_info(requests[i], 20, 4, 32, 32), 0);
		TAP_EQ(judge_info(requests[i], 20, 5, 32, 32), -EPROTO);
		TAP_EQ(judge_info(requests[i], 24, 0, 32, 32), 0);
		TAP_EQ(judge_info(requests[i], 25, 0, 32, 32), -EPROTO);
		TAP_EQ(judge_info(requests[i], 19, 4, 32, 32), -EPROTO);
		TAP_EQ(judge_info(requests[i], 0xfffffff8, 16, 32, 32), -EPROTO);
		TAP_EQ(judge_info(requests[i], 20, 0xffffffe4, 32, 32), -EPROTO);
		/* Hyper-V refuses this one too. */
		TAP_EQ(judge_info(requests[i], 0, 0, 28, 28), -EPROTO);
	}
	TAP_EQ(judge_info(HVP_RNDIS_QUERY_COMPLETE, 16, 8, 32, 32), 0);
	TAP_EQ(judge_info(HVP_RNDIS_QUERY_COMPLETE, 16, 9, 32, 32), -EPROTO);
	TAP_EQ(judge_info(HVP_RNDIS_QUERY_COMPLETE, 15, 8, 32, 32), -EPROTO);
	TAP_EQ(judge_info(HVP_RNDIS_QUERY_COMPLETE, 0, 0, 32, 32), 0);
	TAP_EQ(judge_info(HVP_RNDIS_QUERY_COMPLETE, 0xfffffff8, 8, 32, 32), -EPROTO);
}

TAP_TEST(only_a_link_speed_may_lie_behind_its_message)
{
	struct hvp_rndis_indicate_status h = {
		{ HVP_RNDIS_INDICATE_STATUS, 20 }, HVP_RNDIS_STATUS_NETWORK_CHANGE, 4, 12
	};
	uint8_t bytes[24] = { 0 };
	struct hvw_rndis_msg msg = { HVP_RNDIS_INDICATE_STATUS, 20, bytes };
	struct hvw_rndis_answer answer;

	memcpy(bytes, &h, sizeof(h));
	TAP_EQ(hvw_rndis_answer_parse(&answer, &msg, 24), -EPROTO);
	TAP_EQ(judge_info(HVP_RNDIS_INDICATE_STATUS, 12, 4, 20, 24), 0);
	TAP_EQ(judge_info(HVP_RNDIS_INDICATE_STATUS, 12, 5, 20, 24), -EPROTO);
	TAP_EQ(judge_info(HVP_RNDIS_INDICATE_STATUS, 0, 0, 20, 20), 0);
}

TAP_TEST(each_side_reads_what_the_other_may_say)
{
	struct hvw_rndis_request request;
	struct hvw_rndis_answer answer;
	uint8_t bytes[64] = { 0 };

#define CHECK_SIDE(number, name, type, fixed)                                                      \
	{                                                                                          \
		struct hvw_rndis_msg msg = { number, fixed, bytes };                               \
		uint32_t at = 20;                                                                  \
		bool from_host = (number)&HVP_RNDIS_COMPLETION ||                                  \
				 (number) == HVP_RNDIS_INDICATE_STATUS;                            \
                                                                                                   \
		memcpy(bytes + 20, &at, sizeof(at));                                               \
		TAP_EQ(hvw_rndis_request_parse(&request, &msg),                                    \
		       from_host || (number) == HVP_RNDIS_PACKET ? -EPROTO : 0);                   \
		TAP_EQ(hvw_rndis_answer_parse(&answer, &msg, sizeof(bytes)),                       \
		       from_host ? 0 : -EPROTO);                                                   \
		TAP_STR_EQ(hvw_rndis_name(number), #name);                                         \
	}
	HVP_RNDIS_LIST(CHECK_SIDE)
#undef CHECK_SIDE
	TAP_STR_EQ(hvw_rndis_name(77), "UNKNOWN");
	TAP_STR_EQ(hvw_oid_name(HVP_OID_GEN_LINK_SPEED), "GEN_LINK_SPEED");
	TAP_STR_EQ(hvw_oid_name(0), "UNKNOWN");
}

TAP_TEST(writers_keep_to_their_room)
{
	const uint8_t info[16] = { 0 };
	uint8_t dst[64];

	TAP_EQ(hvw_rndis_build_request(dst, 44, HVP_RNDIS_SET, 1, 2, info, 16), 44);
	TAP_EQ(hvw_rndis_build_request(dst, 43, HVP_RNDIS_SET, 1, 2, info, 16), -EMSGSIZE);
	TAP_EQ(hvw_rndis_build_request(dst, 27, HVP_RNDIS_SET, 1, 2, NULL, 0), -EMSGSIZE);
	TAP_EQ(hvw_rndis_build_completion(dst, 15, HVP_RNDIS_SET_COMPLETE, 1, 0, NULL, 0),
	       -EMSGSIZE);
	TAP_EQ(hvw_rndis_build_completion(dst, 64, HVP_RNDIS_QUERY_COMPLETE, 1, 0, info, 0xfffffff0),
	       -EMSGSIZE);
	TAP_EQ(hvw_rndis_build_initialize(dst, 23, 1, 1), -EMSGSIZE);
	TAP_EQ(hvw_rndis_build_halt(dst, 11, 1), -EMSGSIZE);
	TAP_EQ(hvw_rndis_build_keepalive(dst, 11, 1), -EMSGSIZE);
	TAP_EQ(hvw_rndis_build_reset(dst, 11), -EMSGSIZE);
	TAP_EQ(hvw_rndis_build_indication(dst, 35, 1, info, 16), -EMSGSIZE);
}

/* --- NDIS structures of several revisions ---------------------------------------------------- */

TAP_TEST(an_ndis_structure_is_as_long_as_it_says)
{
	struct hvp_ndis_offload bytes = { .h = { HVP_NDIS_OFFLOAD, 3, 156 }, .rsc4 = 1 }, found;

	TAP_EQ(hvw_ndis_offload_parse(&found, &bytes, 156), 0);
	TAP_EQ(found.rsc4, 1);
	TAP_EQ(hvw_ndis_offload_parse(&found, &bytes, 155), -EPROTO);
	TAP_EQ(hvw_ndis_offload_parse(&found, &bytes, 3), -EPROTO);
	bytes.h.size = 144;
	TAP_EQ(hvw_ndis_offload_parse(&found, &bytes, 156), 0);
	TAP_EQ(found.rsc4, 0);
	bytes.h.size = 111;
	TAP_EQ(hvw_ndis_offload_parse(&found, &bytes, 156), -EPROTO);
	bytes.h = (struct hvp_ndis_header){ HVP_NDIS_OFFLOAD, 0, 156 };
	TAP_EQ(hvw_ndis_offload_parse(&found, &bytes, 156), -EPROTO);
	bytes.h = (struct hvp_ndis_header){ HVP_NDIS_DEFAULT, 3, 156 };
	TAP_EQ(hvw_ndis_offload_parse(&found, &bytes, 156), -EPROTO);
}

TAP_TEST(a_longer_structure_of_the_future_is_read_as_far_as_known)
{
	uint8_t bytes[200];
	const struct hvp_ndis_header h = { HVP_NDIS_OFFLOAD, 4, 200 };
	struct hvp_ndis_offload found;

	memset(bytes, 0x5a, sizeof(bytes));
	memcpy(bytes, &h, sizeof(h));
	TAP_EQ(hvw_ndis_offload_parse(&found, bytes, sizeof(bytes)), 0);
	TAP_EQ(found.encapsulated_header_max, 0x5a5a5a5a);
}

TAP_TEST(capabilities_are_sent_in_a_revision_that_fits)
{
	struct hvp_ndis_offload offload = { .rsc4 = 1 };

	TAP_EQ(hvw_ndis_offload_fit(&offload, 3, 156), 156);
	TAP_EQ(hvw_ndis_offload_fit(&offload, 9, 4000), 156);
	TAP_EQ(offload.h.revision, 3);
	TAP_EQ(hvw_ndis_offload_fit(&offload, 2, 4000), 144);
	TAP_EQ(offload.h.revision, 2);
	TAP_EQ(hvw_ndis_offload_fit(&offload, 3, 155), 144);
	TAP_EQ(hvw_ndis_offload_fit(&offload, 3, 112), 112);
	TAP_EQ(hvw_ndis_offload_fit(&offload, 3, 111), -EMSGSIZE);
	TAP_EQ(hvw_ndis_offload_fit(&offload, 0, 4000), -EMSGSIZE);
}

TAP_MAIN()
