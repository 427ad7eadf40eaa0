/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A network adapter's packets and RNDIS messages, as traces show them.
 */
#include <string.h>

#include "hvp_ndis.h"
#include "hvp_ring.h"
#include "hvw_nvsp.h"
#include "hvw_rndis.h"
#include "tap.h"
#include "vmm/trace.h"

static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static json_int_t number_at(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* A packet of the adapter's. */
static json_t *packet(enum hvp_direction direction, uint16_t type, const void *bytes, size_t len)
{
	struct vmm_trace_record record = {
		.direction = direction,
		.is_packet = true,
		.type = type,
		.len = (uint32_t)len,
		.kept = (uint32_t)len,
		.device = "network",
	};

	memcpy(record.bytes, bytes, len);
	return vmm_trace_record_json(&record);
}

/* What one names in memory, `kept` bytes of it. */
static json_t *named(const void *bytes, uint32_t len, uint32_t kept)
{
	struct vmm_trace_record record = {
		.is_packet = true,
		.named = true,
		.len = len,
		.kept = kept,
		.transaction_id = 11,
		.device = "network",
	};

	memcpy(record.bytes, bytes, kept);
	return vmm_trace_record_json(&record);
}

/* --- NVSP ---------------------------------------------------------------------------------------------- */

TAP_TEST(set_up_messages_have_names_and_fields)
{
	struct hvw_nvsp m;
	json_t *line;
	const json_t *nvsp;

	hvw_nvsp_init(&m, HVP_NVSP_INIT);
	m.u.INIT.version_min = HVP_NVSP_5;
	m.u.INIT.version_max = HVP_NVSP_6_1;
	line = packet(HVP_TO_HOST, HVP_PACKET_INBAND, m.u.bytes, 40);
	nvsp = json_object_get(line, "nvsp");
	TAP_STR_EQ(text_at(nvsp, "message"), "INIT");
	TAP_EQ(number_at(nvsp, "version_min"), HVP_NVSP_5);
	TAP_EQ(number_at(nvsp, "version_max"), HVP_NVSP_6_1);
	TAP_EQ(json_object_size(nvsp), 3);
	json_decref(line);
	/* A structure in the message; numbers of two and of eight bytes. */
	hvw_nvsp_init(&m, HVP_NVSP_SEND_RECV_BUF_COMPLETE);
	m.u.SEND_RECV_BUF_COMPLETE.status = HVP_NVSP_STATUS_SUCCESS;
	m.u.SEND_RECV_BUF_COMPLETE.section_count = 1;
	m.u.SEND_RECV_BUF_COMPLETE.section.size = 1806;
	m.u.SEND_RECV_BUF_COMPLETE.section.count = 99;
	line = packet(HVP_TO_GUEST, HVP_PACKET_COMPLETION, m.u.bytes, 40);
	nvsp = json_object_get(line, "nvsp");
	TAP_STR_EQ(text_at(nvsp, "message"), "SEND_RECV_BUF_COMPLETE");
	TAP_EQ(number_at(nvsp, "size"), 1806);
	TAP_EQ(number_at(nvsp, "count"), 99);
	json_decref(line);
	hvw_nvsp_init(&m, HVP_NVSP_NDIS_CONFIG);
	m.u.NDIS_CONFIG.mtu = 9014;
	m.u.NDIS_CONFIG.capabilities = 0x100000002;
	line = packet(HVP_TO_HOST, HVP_PACKET_INBAND, m.u.bytes, 40);
	nvsp = json_object_get(line, "nvsp");
	TAP_EQ(number_at(nvsp, "mtu"), 9014);
	TAP_EQ(number_at(nvsp, "capabilities"), 0x100000002);
	json_decref(line);
}

/* The question and its answer have one number. */
TAP_TEST(a_question_for_sub_channels_is_not_taken_for_its_answer)
{
	struct hvw_nvsp m;
	json_t *line;

	hvw_nvsp_init(&m, HVP_NVSP_SUBCHANNEL);
	m.u.SUBCHANNEL.operation = 1;
	m.u.SUBCHANNEL.count = 3;
	line = packet(HVP_TO_HOST, HVP_PACKET_INBAND, m.u.bytes, 40);
	TAP_EQ(number_at(json_object_get(line, "nvsp"), "operation"), 1);
	TAP_EQ(number_at(json_object_get(line, "nvsp"), "count"), 3);
	TAP_CHECK(!json_object_get(json_object_get(line, "nvsp"), "status"));
	json_decref(line);
	hvw_nvsp_init(&m, HVP_NVSP_SUBCHANNEL);
	m.u.SUBCHANNEL_COMPLETE.status = HVP_NVSP_STATUS_SUCCESS;
	m.u.SUBCHANNEL_COMPLETE.count = 2;
	line = packet(HVP_TO_GUEST, HVP_PACKET_COMPLETION, m.u.bytes, 40);
	TAP_EQ(number_at(json_object_get(line, "nvsp"), "status"), HVP_NVSP_STATUS_SUCCESS);
	TAP_EQ(number_at(json_object_get(line, "nvsp"), "count"), 2);
	TAP_CHECK(!json_object_get(json_object_get(line, "nvsp"), "operation"));
	json_decref(line);
}

TAP_TEST(what_is_no_message_of_that_direction_is_shown_as_bytes)
{
	struct hvw_nvsp m;
	json_t *line;

	hvw_nvsp_init(&m, HVP_NVSP_INIT);
	line = packet(HVP_TO_GUEST, HVP_PACKET_INBAND, m.u.bytes, 40);
	TAP_CHECK(!json_object_get(line, "nvsp"));
	TAP_EQ(strlen(text_at(line, "payload")), 80);
	json_decref(line);
	line = packet(HVP_TO_HOST, HVP_PACKET_INBAND, m.u.bytes, 7);
	TAP_CHECK(!json_object_get(line, "nvsp"));
	json_decref(line);
	memset(m.u.bytes, 0xff, sizeof(m.u.bytes));
	line = packet(HVP_TO_HOST, HVP_PACKET_INBAND, m.u.bytes, 40);
	TAP_CHECK(!json_object_get(line, "nvsp"));
	json_decref(line);
	/* An empty completion is none either. */
	line = packet(HVP_TO_GUEST, HVP_PACKET_COMPLETION, m.u.bytes, 0);
	TAP_CHECK(!json_object_get(line, "nvsp"));
	json_decref(line);
}

/* --- RNDIS --------------------------------------------------------------------------------------------- */

static const json_t *rndis_of(const json_t *line)
{
	return json_object_get(line, "rndis");
}

TAP_TEST(requests_show_what_they_are_about_and_answers_how_they_went)
{
	const uint32_t filter = HVP_FILTER_DIRECTED;
	uint8_t bytes[200];
	json_t *line;
	int len;

	len = hvw_rndis_build_request(bytes, sizeof(bytes), HVP_RNDIS_SET, 7,
				      HVP_OID_GEN_CURRENT_PACKET_FILTER, &filter, sizeof(filter));
	TAP_REQUIRE(len > 0);
	line = named(bytes, (uint32_t)len, (uint32_t)len);
	TAP_STR_EQ(text_at(rndis_of(line), "message"), "SET");
	TAP_STR_EQ(text_at(rndis_of(line), "oid"), "GEN_CURRENT_PACKET_FILTER");
	TAP_EQ(number_at(rndis_of(line), "id"), 7);
	TAP_EQ(number_at(line, "transaction"), 11);
	json_decref(line);
	len = hvw_rndis_build_request(bytes, sizeof(bytes), HVP_RNDIS_QUERY, 8, 0x12345678, NULL,
				      0);
	TAP_REQUIRE(len > 0);
	line = named(bytes, (uint32_t)len, (uint32_t)len);
	TAP_STR_EQ(text_at(rndis_of(line), "oid"), "UNKNOWN");
	json_decref(line);
	len = hvw_rndis_build_completion(bytes, sizeof(bytes), HVP_RNDIS_SET_COMPLETE, 7,
					 HVP_RNDIS_STATUS_FAILURE, NULL, 0);
	TAP_REQUIRE(len > 0);
	line = named(bytes, (uint32_t)len, (uint32_t)len);
	TAP_STR_EQ(text_at(rndis_of(line), "message"), "SET_COMPLETE");
	TAP_EQ(number_at(rndis_of(line), "id"), 7);
	TAP_EQ(number_at(rndis_of(line), "status"), HVP_RNDIS_STATUS_FAILURE);
	json_decref(line);
	len = hvw_rndis_build_halt(bytes, sizeof(bytes), 9);
	TAP_REQUIRE(len > 0);
	line = named(bytes, (uint32_t)len, (uint32_t)len);
	TAP_STR_EQ(text_at(rndis_of(line), "message"), "HALT");
	TAP_CHECK(!json_object_get(rndis_of(line), "oid"));
	json_decref(line);
}

TAP_TEST(of_a_long_request_the_beginning_is_enough)
{
	const uint8_t table[600] = { 0 };
	uint8_t bytes[700];
	json_t *line;
	int len = hvw_rndis_build_request(bytes, sizeof(bytes), HVP_RNDIS_SET, 7,
					  HVP_OID_GEN_RECEIVE_SCALE_PARAMETERS, table,
					  sizeof(table));

	TAP_REQUIRE(len > VMM_TRACE_BYTES);
	line = named(bytes, (uint32_t)len, VMM_TRACE_BYTES);
	TAP_STR_EQ(text_at(rndis_of(line), "oid"), "GEN_RECEIVE_SCALE_PARAMETERS");
	TAP_EQ(number_at(rndis_of(line), "id"), 7);
	json_decref(line);
	line = named(bytes, (uint32_t)len, 20);
	TAP_CHECK(!rndis_of(line));
	json_decref(line);
	/* Longer than any. */
	line = named(bytes, 1u << 20, VMM_TRACE_BYTES);
	TAP_CHECK(!rndis_of(line));
	json_decref(line);
}

TAP_TEST(frames_show_their_length_and_what_is_said_of_them)
{
	const struct hvw_rndis_meta meta = {
		.has = HVW_META_LSO | HVW_META_VLAN | HVW_META_HASH,
		.lso = 1448,
		.vlan = 5 << 4,
		.hash = 0xabcdef01,
	};
	uint8_t bytes[VMM_TRACE_BYTES] = { 0 };
	int head = hvw_rndis_packet_build(bytes, &meta, 0, 60000, 0);
	json_t *line;

	TAP_REQUIRE(head > 0);
	/* Only the beginning is kept; and not even all of the infos. */
	line = named(bytes, (uint32_t)head + 60000, VMM_TRACE_BYTES);
	TAP_STR_EQ(text_at(rndis_of(line), "message"), "PACKET");
	TAP_EQ(number_at(rndis_of(line), "data"), 60000);
	TAP_EQ(number_at(rndis_of(line), "lso"), 1448);
	TAP_EQ(number_at(rndis_of(line), "vlan"), 5 << 4);
	TAP_EQ(number_at(rndis_of(line), "hash"), 0xabcdef01);
	TAP_CHECK(!json_object_get(rndis_of(line), "checksum"));
	json_decref(line);
	line = named(bytes, (uint32_t)head + 60000, sizeof(struct hvp_rndis_packet) + 4);
	TAP_EQ(number_at(rndis_of(line), "data"), 60000);
	TAP_CHECK(!json_object_get(rndis_of(line), "lso"));
	json_decref(line);
}

TAP_TEST(what_is_cut_or_senseless_is_shown_as_bytes)
{
	uint8_t bytes[100] = { HVP_RNDIS_PACKET };
	json_t *line = named(bytes, sizeof(bytes), sizeof(bytes));

	TAP_CHECK(!rndis_of(line));
	TAP_EQ(strlen(text_at(line, "payload")), 2 * sizeof(bytes));
	json_decref(line);
	for (uint32_t kept = 0; kept < 12; kept++) {
		memset(bytes, 0xff, sizeof(bytes));
		line = named(bytes, sizeof(bytes), kept);
		TAP_CHECK(!rndis_of(line));
		json_decref(line);
	}
}

TAP_MAIN()
