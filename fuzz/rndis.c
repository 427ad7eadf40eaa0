/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A stream of RNDIS messages as either end takes it: messages, per-packet information, requests, answers, the
 * structures that they carry, and the headers of a packet's frame.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz_target.h"
#include "hvw_ndis.h"
#include "hvw_rndis.h"
#include "hvw_rss.h"

/* One counter for each row of the lists, in their order. */
enum message_row {
#define MESSAGE_ROW(number, name, type, bytes) MESSAGE_##name,
	HVP_RNDIS_LIST(MESSAGE_ROW)
#undef MESSAGE_ROW
		MESSAGES
};

static unsigned messages[MESSAGES], requests, answers, metas, hashes, structures[4];
static uint32_t metas_seen;

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void count(uint32_t type)
{
	switch (type) {
#define COUNT_MESSAGE(number, name, struct_type, bytes)                                            \
	case number:                                                                               \
		messages[MESSAGE_##name]++;                                                        \
		break;
		HVP_RNDIS_LIST(COUNT_MESSAGE)
#undef COUNT_MESSAGE
	default:
		abort();
	}
}

/* Reads every byte, so that the sanitizers see any outside. */
static unsigned sum(const uint8_t *bytes, size_t len)
{
	unsigned total = 0;

	while (len--)
		total += *bytes++;
	return total;
}

static void take_structures(const uint8_t *info, uint32_t len)
{
	struct hvp_ndis_offload offload;
	struct hvp_ndis_offload_params offload_params;
	struct hvp_ndis_rss_caps caps;
	struct hvw_rss_params rss;
	uint8_t built[2048];

	structures[0] += !hvw_ndis_offload_parse(&offload, info, len);
	structures[1] += !hvw_ndis_offload_params_parse(&offload_params, info, len);
	structures[2] += !hvw_ndis_rss_caps_parse(&caps, info, len);
	if (hvw_rss_params_parse(&rss, info, len, 8))
		return;
	structures[3]++;
	check(rss.entries <= HVP_RSS_TABLE_MAX);
	for (uint32_t i = 0; i < rss.entries; i++)
		check(rss.table[i] < 8);
	if (rss.entries && rss.keyed) {
		struct hvw_rss_params again;
		int built_len = hvw_rss_params_build(built, sizeof(built), &rss);

		check(built_len > 0);
		check(!hvw_rss_params_parse(&again, built, (size_t)built_len, 8));
		check(!memcmp(&again, &rss, sizeof(rss)));
	}
}

static void take_frame(const uint8_t *bytes, size_t len)
{
	static struct hvw_toeplitz toeplitz;
	static bool ready;
	struct hvw_frame frame;
	uint32_t hash;

	if (!ready)
		hvw_toeplitz_init(&toeplitz, hvw_rss_default_key);
	ready = true;
	hvw_frame_dissect(&frame, bytes, len);
	check(!frame.l4 || (size_t)frame.l4 + frame.l4_len <= len);
	check(!frame.l4 || frame.ip);
	check(!frame.ip || (size_t)frame.l3 + (frame.ip == 4 ? 20 : 40) <= len);
	hashes += hvw_rss_hash(&toeplitz, 0xffffff00u, &frame, bytes, &hash) != 0;
}

static void take_packet(const struct hvw_rndis_msg *msg)
{
	struct hvw_rndis_packet packet;
	struct hvw_rndis_meta meta, again;
	struct hvp_rndis_packet h;
	uint8_t head[HVW_RNDIS_HEAD_MAX];
	struct hvw_rndis_infos iter;
	struct hvw_rndis_info info;
	size_t steps = 0;
	int err;

	if (msg->type != HVP_RNDIS_PACKET)
		return;
	memcpy(&h, msg->bytes, sizeof(h));
	if (hvw_rndis_packet_parse(&packet, &h, msg->len))
		return;
	check((uint64_t)packet.data_at + packet.data_len <= msg->len && packet.data_at >= sizeof(h));
	check((uint64_t)packet.info_at + packet.info_len <= msg->len);
	take_frame(msg->bytes + packet.data_at, packet.data_len);
	hvw_rndis_infos_init(&iter, msg->bytes + packet.info_at, packet.info_len);
	while (!(err = hvw_rndis_infos_next(&iter, &info))) {
		check(++steps <= packet.info_len / 12);
		sum(info.value, info.len);
	}
	check(err == -EPROTO || err == -EAGAIN);
	if (hvw_rndis_meta_parse(&meta, msg->bytes + packet.info_at, packet.info_len))
		return;
	metas++;
	metas_seen |= meta.has;
	/* What was read can be written, and reads the same. */
	err = hvw_rndis_packet_build(head, &meta, 0, packet.data_len, 0);
	if (err < 0)
		return;
	memcpy(&h, head, sizeof(h));
	check(!hvw_rndis_packet_parse(&packet, &h, h.h.length));
	check(!hvw_rndis_meta_parse(&again, head + packet.info_at, packet.info_len));
	check(!memcmp(&again, &meta, sizeof(meta)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct hvw_rndis_iter iter;
	struct hvw_rndis_msg msg;
	struct hvw_rndis_request request;
	struct hvw_rndis_answer answer;
	size_t walked = 0;

	take_structures(data, (uint32_t)len);
	take_frame(data, len);
	hvw_rndis_iter_init(&iter, data, len);
	while (!hvw_rndis_iter_next(&iter, &msg)) {
		size_t room = len - walked;

		check(msg.bytes == data + walked && msg.len <= room);
		walked += msg.len;
		count(msg.type);
		take_packet(&msg);
		if (!hvw_rndis_request_parse(&request, &msg)) {
			requests++;
			sum(request.info, request.info_len);
			take_structures(request.info, request.info_len);
		}
		if (!hvw_rndis_answer_parse(&answer, &msg, room)) {
			answers++;
			sum(answer.info, answer.info_len);
		}
	}
	return 0;
}

int fuzz_corpus_complete(void)
{
	int missing = !requests + !answers + !metas + !hashes;

	if (missing)
		printf("# requests %u, answers %u, information %u, hashes %u\n", requests, answers,
		       metas, hashes);
	for (int i = 0; i < 4; i++)
		if (!structures[i]) {
			printf("# structure %d never parsed\n", i);
			missing++;
		}
#define CHECK_MESSAGE(number, name, type, bytes)                                                   \
	if (!messages[MESSAGE_##name]) {                                                           \
		printf("# never parsed: " #name "\n");                                             \
		missing++;                                                                         \
	}
	HVP_RNDIS_LIST(CHECK_MESSAGE)
#undef CHECK_MESSAGE
#define CHECK_META(number, name)                                                                   \
	if (!(metas_seen & HVW_META_##name)) {                                                     \
		printf("# never found: " #name "\n");                                              \
		missing++;                                                                         \
	}
	HVP_INFO_LIST(CHECK_META)
#undef CHECK_META
	return missing;
}
