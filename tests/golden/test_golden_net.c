/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Byte vectors of the synthetic network: NVSP, RNDIS and NDIS structures, in both directions.
 */
#include "golden/vectors.h"
#include "hvp_ndis.h"
#include "hvw_ndis.h"
#include "hvw_nvsp.h"
#include "hvw_rndis.h"
#include "hvw_rss.h"

/* --- NVSP ------------------------------------------------------------------------------------ */

/*
 * The fields of each vector. A message of HVP_NVSP_LIST without a list here does not compile; one without a
 * file fails.
 */
/* clang-format off */
#define FIELDS_INIT(N)			N(version_min, HVP_NVSP_6_1) N(version_max, HVP_NVSP_6_1)
#define FIELDS_INIT_COMPLETE(N)                                                                    \
	N(version, HVP_NVSP_INIT_VERSION_NONE) N(mdl_chain_max, 34) N(status, HVP_NVSP_STATUS_SUCCESS)
#define FIELDS_SEND_NDIS_VERSION(N)	N(major, HVP_NDIS_MAJOR) N(minor, HVP_NDIS_MINOR_V5)
#define FIELDS_SEND_RECV_BUF(N)		N(gpadl, 0xe1e10) N(id, 0xcafe)
#define FIELDS_SEND_RECV_BUF_COMPLETE(N)                                                           \
	N(status, HVP_NVSP_STATUS_SUCCESS) N(section_count, 1) N(section.offset, 0)                \
	N(section.size, 1806) N(section.count, 9289) N(section.end_offset, 1806 * 9289)
#define FIELDS_REVOKE_RECV_BUF(N)	N(id, 0xcafe)
#define FIELDS_SEND_SEND_BUF(N)		N(gpadl, 0xe1e11) N(id, 0xface)
#define FIELDS_SEND_SEND_BUF_COMPLETE(N) N(status, HVP_NVSP_STATUS_SUCCESS) N(section_size, 6144)
#define FIELDS_REVOKE_SEND_BUF(N)	N(id, 0xface)
#define FIELDS_SEND_RNDIS_PACKET(N)                                                                \
	N(channel_type, HVP_NVSP_CHANNEL_DATA) N(section_index, 5) N(section_size, 154)
#define FIELDS_SEND_RNDIS_PACKET_COMPLETE(N) N(status, HVP_NVSP_STATUS_SUCCESS)
#define FIELDS_NDIS_CONFIG(N)                                                                      \
	N(mtu, 1514) N(capabilities, HVP_NVSP_CAP_8021Q | HVP_NVSP_CAP_SRIOV |                     \
				     HVP_NVSP_CAP_TEAMING | HVP_NVSP_CAP_RSC)
#define FIELDS_VF_ASSOCIATION(N)	N(allocated, 1) N(serial, 3)
#define FIELDS_SWITCH_DATA_PATH(N)	N(active, HVP_NVSP_PATH_VF)
#define FIELDS_OID_QUERY_EX(N)                                                                     \
	N(object[0], HVP_NDIS_OID_REQUEST) N(object[1], 1) N(object[2], 4)                         \
	N(oid, HVP_OID_GEN_LINK_STATE)
#define FIELDS_OID_QUERY_EX_COMPLETE(N) N(status, HVP_NVSP_STATUS_SUCCESS) N(bytes, 40)
#define FIELDS_SUBCHANNEL(N)		N(operation, HVP_NVSP_SUBCHANNEL_ALLOCATE) N(count, 7)
#define FIELDS_SUBCHANNEL_COMPLETE(N)	N(status, HVP_NVSP_STATUS_SUCCESS) N(count, 3)
#define FIELDS_SEND_INDIRECTION_TABLE(N) N(count, HVP_NVSP_INDIRECTION_ENTRIES) N(offset, 12)
#define FIELDS_PD_API(N)		N(operation, 3)
#define FIELDS_PD_API_COMPLETE(N)	N(operation, 3) N(status, HVP_RNDIS_STATUS_NOT_SUPPORTED)
#define FIELDS_PD_POST_BATCH(N)		N(count, 1) N(flags, 2)
/* clang-format on */

#define SET_FIELD(field, value) m->field = (value);
#define IS_FIELD(field, value)	TAP_EQ((uint64_t)m->field, (uint64_t)(value));

/* A message that is built and one that is parsed; the vector's tail is zeros, or a table. */
#define NVSP_VECTOR(number, name, structure, least, direction, since)                              \
	static void set_##name(struct hvp_nvsp_##structure *m)                                     \
	{                                                                                          \
		FIELDS_##name(SET_FIELD)                                                           \
	}                                                                                          \
	static void is_##name(const struct hvp_nvsp_##structure *m)                                \
	{                                                                                          \
		FIELDS_##name(IS_FIELD)                                                            \
	}                                                                                          \
	static void vector_##name(void)                                                            \
	{                                                                                          \
		struct hvw_nvsp built, parsed;                                                     \
		struct vector v;                                                                   \
                                                                                                   \
		TAP_REQUIRE(load(&v, "nvsp/" #name));                                              \
		TAP_REQUIRE(v.len >= (least) && v.len <= HVW_NVSP_MAX);                            \
		hvw_nvsp_init(&built, HVP_NVSP_##name);                                            \
		set_##name(&built.u.name);                                                         \
		TAP_MEM_EQ(built.u.bytes, v.bytes, sizeof(built.u.name));                          \
		TAP_REQUIRE(!hvw_nvsp_parse(&parsed, v.bytes, v.len, direction, HVP_NVSP_6_1));    \
		TAP_EQ(parsed.len, v.len);                                                         \
		TAP_EQ(parsed.u.h.type, number);                                                   \
		is_##name(&parsed.u.name);                                                         \
	}
HVP_NVSP_LIST(NVSP_VECTOR)

TAP_TEST(every_nvsp_message_has_its_vector)
{
#define RUN_NVSP(number, name, structure, least, direction, since) vector_##name();
	HVP_NVSP_LIST(RUN_NVSP)
#undef RUN_NVSP
}

TAP_TEST(a_control_message_without_a_section_has_its_vector)
{
	struct hvw_nvsp parsed;
	struct vector v;

	TAP_REQUIRE(load(&v, "nvsp/SEND_RNDIS_PACKET-control"));
	TAP_REQUIRE(!hvw_nvsp_parse(&parsed, v.bytes, v.len, HVP_NVSP_TO_HOST, HVP_NVSP_1));
	TAP_EQ(parsed.u.SEND_RNDIS_PACKET.channel_type, HVP_NVSP_CHANNEL_CONTROL);
	TAP_EQ(parsed.u.SEND_RNDIS_PACKET.section_index, HVP_NVSP_SECTION_NONE);
}

/* `version`: that at which the table is found there. */
static void check_table(const char *file, uint32_t version, size_t at)
{
	uint32_t table[HVP_NVSP_INDIRECTION_ENTRIES];
	struct hvw_nvsp parsed;
	struct vector v;

	TAP_REQUIRE(load(&v, file));
	TAP_REQUIRE(!hvw_nvsp_parse(&parsed, v.bytes, v.len, HVP_NVSP_TO_GUEST, version));
	TAP_REQUIRE(hvw_nvsp_indirection(&parsed, version, table) == 0);
	TAP_MEM_EQ(table, v.bytes + at, sizeof(table));
	for (uint32_t i = 0; i < HVP_NVSP_INDIRECTION_ENTRIES; i++)
		TAP_EQ(table[i], i % 4);
}

TAP_TEST(indirection_tables_of_new_and_old_hosts_have_their_vectors)
{
	uint32_t table[HVP_NVSP_INDIRECTION_ENTRIES];
	struct hvw_nvsp built;
	struct vector v;

	check_table("nvsp/SEND_INDIRECTION_TABLE", HVP_NVSP_5, 12);
	check_table("nvsp/SEND_INDIRECTION_TABLE", HVP_NVSP_6_1, 12);
	check_table("nvsp/SEND_INDIRECTION_TABLE-old", HVP_NVSP_5, 40);
	TAP_REQUIRE(load(&v, "nvsp/SEND_INDIRECTION_TABLE"));
	for (uint32_t i = 0; i < HVP_NVSP_INDIRECTION_ENTRIES; i++)
		table[i] = i % 4;
	hvw_nvsp_indirection_build(&built, table);
	same_bytes(&v, built.u.bytes, built.len);
}

/* --- RNDIS: control messages ----------------------------------------------------------------- */

static const uint8_t mac[6] = { 0x00, 0x15, 0x5d, 0x01, 0x02, 0x03 };

/* The one message of a vector. */
static bool find_message(struct vector *v, const char *file, uint32_t type,
			 struct hvw_rndis_msg *msg)
{
	struct hvw_rndis_iter iter;

	if (!load(v, file))
		return false;
	hvw_rndis_iter_init(&iter, v->bytes, v->len);
	return TAP_EQ(hvw_rndis_iter_next(&iter, msg), 0) && TAP_EQ(msg->type, type) &&
	       TAP_EQ(hvw_rndis_iter_next(&iter, msg), -EAGAIN);
}

/* `info` is what the vector carries. */
static void check_request(const char *file, uint32_t type, uint32_t id, uint32_t oid,
			  const void *info, uint32_t info_len, const uint8_t *built, int built_len)
{
	struct hvw_rndis_request request;
	struct hvw_rndis_msg msg;
	struct vector v;

	TAP_REQUIRE(find_message(&v, file, type, &msg));
	same_bytes(&v, built, (size_t)built_len);
	TAP_REQUIRE(hvw_rndis_request_parse(&request, &msg) == 0);
	TAP_EQ(request.type, type);
	TAP_EQ(request.id, id);
	TAP_EQ(request.oid, oid);
	TAP_EQ(request.info_len, info_len);
	if (info_len)
		TAP_MEM_EQ(request.info, info, info_len);
	TAP_EQ(request.transfer_max, type == HVP_RNDIS_INITIALIZE ? 0x4000 : 0);
}

TAP_TEST(what_a_guest_asks_has_its_vectors)
{
	const uint32_t filter = HVP_FILTER_DIRECTED | HVP_FILTER_ALL_MULTICAST |
				HVP_FILTER_BROADCAST;
	const uint32_t none = 0;
	uint8_t built[64];

	check_request("rndis/INITIALIZE", HVP_RNDIS_INITIALIZE, 0x10001, 0, NULL, 0, built,
		      hvw_rndis_build_initialize(built, sizeof(built), 0x10001, 0x4000));
	check_request("rndis/HALT", HVP_RNDIS_HALT, 0x10002, 0, NULL, 0, built,
		      hvw_rndis_build_halt(built, sizeof(built), 0x10002));
	check_request("rndis/QUERY", HVP_RNDIS_QUERY, 0x10003, HVP_OID_802_3_PERMANENT_ADDRESS,
		      NULL, 0, built,
		      hvw_rndis_build_request(built, sizeof(built), HVP_RNDIS_QUERY, 0x10003,
					      HVP_OID_802_3_PERMANENT_ADDRESS, NULL, 0));
	check_request("rndis/SET", HVP_RNDIS_SET, 0x10004, HVP_OID_GEN_CURRENT_PACKET_FILTER,
		      &filter, 4, built,
		      hvw_rndis_build_request(built, sizeof(built), HVP_RNDIS_SET, 0x10004,
					      HVP_OID_GEN_CURRENT_PACKET_FILTER, &filter, 4));
	check_request("rndis/SET_EX", HVP_RNDIS_SET_EX, 0x10006, HVP_OID_GEN_CURRENT_PACKET_FILTER,
		      &none, 4, built,
		      hvw_rndis_build_request(built, sizeof(built), HVP_RNDIS_SET_EX, 0x10006,
					      HVP_OID_GEN_CURRENT_PACKET_FILTER, &none, 4));
	check_request("rndis/RESET", HVP_RNDIS_RESET, 0, 0, NULL, 0, built,
		      hvw_rndis_build_reset(built, sizeof(built)));
	check_request("rndis/KEEPALIVE", HVP_RNDIS_KEEPALIVE, 0x10005, 0, NULL, 0, built,
		      hvw_rndis_build_keepalive(built, sizeof(built), 0x10005));
}

static void check_answer(const char *file, uint32_t type, uint32_t id, uint32_t status,
			 const void *info, uint32_t info_len, const uint8_t *built, int built_len)
{
	struct hvw_rndis_answer answer;
	struct hvw_rndis_msg msg;
	struct vector v;

	TAP_REQUIRE(find_message(&v, file, type, &msg));
	same_bytes(&v, built, (size_t)built_len);
	TAP_REQUIRE(hvw_rndis_answer_parse(&answer, &msg, v.len) == 0);
	TAP_EQ(answer.type, type);
	TAP_EQ(answer.id, id);
	TAP_EQ(answer.status, status);
	TAP_EQ(answer.info_len, info_len);
	if (info_len)
		TAP_MEM_EQ(answer.info, info, info_len);
}

TAP_TEST(what_a_host_answers_has_its_vectors)
{
	const uint32_t speed = 100000000;
	uint8_t built[64];

	check_answer("rndis/QUERY_COMPLETE", HVP_RNDIS_QUERY_COMPLETE, 0x10003, 0, mac, sizeof(mac),
		     built,
		     hvw_rndis_build_completion(built, sizeof(built), HVP_RNDIS_QUERY_COMPLETE,
						0x10003, HVP_RNDIS_STATUS_SUCCESS, mac,
						sizeof(mac)));
	check_answer("rndis/SET_COMPLETE", HVP_RNDIS_SET_COMPLETE, 0x10004, 0, NULL, 0, built,
		     hvw_rndis_build_completion(built, sizeof(built), HVP_RNDIS_SET_COMPLETE,
						0x10004, HVP_RNDIS_STATUS_SUCCESS, NULL, 0));
	check_answer("rndis/RESET_COMPLETE", HVP_RNDIS_RESET_COMPLETE, 0, 0, NULL, 0, built,
		     hvw_rndis_build_completion(built, sizeof(built), HVP_RNDIS_RESET_COMPLETE, 77,
						HVP_RNDIS_STATUS_SUCCESS, NULL, 0));
	check_answer("rndis/KEEPALIVE_COMPLETE", HVP_RNDIS_KEEPALIVE_COMPLETE, 0x10005, 0, NULL, 0,
		     built,
		     hvw_rndis_build_completion(built, sizeof(built), HVP_RNDIS_KEEPALIVE_COMPLETE,
						0x10005, HVP_RNDIS_STATUS_SUCCESS, NULL, 0));
	check_answer("rndis/SET_EX_COMPLETE", HVP_RNDIS_SET_EX_COMPLETE, 0x10006,
		     HVP_RNDIS_STATUS_NOT_SUPPORTED, NULL, 0, built,
		     hvw_rndis_build_completion(built, sizeof(built), HVP_RNDIS_SET_EX_COMPLETE,
						0x10006, HVP_RNDIS_STATUS_NOT_SUPPORTED, NULL, 0));
	check_answer("rndis/INDICATE_STATUS", HVP_RNDIS_INDICATE_STATUS, 0,
		     HVP_RNDIS_STATUS_LINK_SPEED_CHANGE, &speed, 4, built,
		     hvw_rndis_build_indication(built, sizeof(built),
						HVP_RNDIS_STATUS_LINK_SPEED_CHANGE, &speed, 4));
}

TAP_TEST(limits_have_their_vector)
{
	const struct hvp_rndis_initialize_complete limits = {
		.request_id = 0x10001,
		.packets_max = 8,
		.transfer_max = 0xefffffff,
		.alignment = 3,
	};
	struct hvw_rndis_answer answer;
	uint8_t built[64];
	struct vector v;
	struct hvw_rndis_msg msg;

	TAP_REQUIRE(
		find_message(&v, "rndis/INITIALIZE_COMPLETE", HVP_RNDIS_INITIALIZE_COMPLETE, &msg));
	same_bytes(&v, built,
		   (size_t)hvw_rndis_build_initialize_complete(built, sizeof(built), &limits));
	TAP_REQUIRE(hvw_rndis_answer_parse(&answer, &msg, v.len) == 0);
	TAP_EQ(answer.id, 0x10001);
	TAP_EQ(answer.status, 0);
	TAP_EQ(answer.limits.device_flags, HVP_RNDIS_CONNECTIONLESS);
	TAP_EQ(answer.limits.packets_max, 8);
	TAP_EQ(answer.limits.transfer_max, 0xefffffff);
	TAP_EQ(answer.limits.alignment, 3);
}

TAP_TEST(a_link_speed_that_is_not_counted_is_read)
{
	struct hvp_rndis_header h;
	struct hvw_rndis_answer answer;
	struct hvw_rndis_msg msg;
	struct vector v;
	uint32_t speed;

	TAP_REQUIRE(load(&v, "rndis/INDICATE_STATUS-uncounted"));
	memcpy(&h, v.bytes, sizeof(h));
	msg = (struct hvw_rndis_msg){ h.type, h.length, v.bytes };
	TAP_REQUIRE(hvw_rndis_answer_parse(&answer, &msg, v.len) == 0);
	TAP_REQUIRE(answer.info_len == sizeof(speed));
	memcpy(&speed, answer.info, sizeof(speed));
	TAP_EQ(speed, 100000000);
	TAP_EQ(hvw_rndis_answer_parse(&answer, &msg, h.length), -EPROTO);
}

/* --- RNDIS: packets -------------------------------------------------------------------------- */

/* `meta` and the place of the data are the vector's; the data is all 0xa5. */
static void check_rndis_packet(const char *file, const struct hvw_rndis_meta *meta,
			       uint32_t data_at, uint32_t data_len, uint32_t padding)
{
	struct hvp_rndis_packet h;
	struct hvw_rndis_packet packet;
	struct hvw_rndis_meta found;
	uint8_t built[VECTOR_MAX] = { 0 };
	struct vector v;

	TAP_REQUIRE(load(&v, file) && v.len >= sizeof(h));
	TAP_REQUIRE(hvw_rndis_packet_build(built, meta, data_at, data_len, padding) > 0);
	memcpy(&h, built, sizeof(h));
	memset(built + h.data_offset + HVP_RNDIS_OFFSET_BASE, 0xa5, data_len);
	same_bytes(&v, built, h.h.length);

	memcpy(&h, v.bytes, sizeof(h));
	TAP_REQUIRE(hvw_rndis_packet_parse(&packet, &h, v.len) == 0);
	TAP_EQ(packet.len, v.len);
	TAP_EQ(packet.data_len, data_len);
	TAP_EQ(v.bytes[packet.data_at], 0xa5);
	TAP_EQ(v.bytes[packet.data_at + data_len - 1], 0xa5);
	TAP_REQUIRE(hvw_rndis_meta_parse(&found, v.bytes + packet.info_at, packet.info_len) == 0);
	TAP_MEM_EQ(&found, meta, sizeof(found));
}

TAP_TEST(packets_have_their_vectors)
{
	const struct hvw_rndis_meta none = { 0 };
	const struct hvw_rndis_meta tx = {
		.has = HVW_META_HASH | HVW_META_VLAN | HVW_META_LSO,
		.hash = 0x51ccc178,
		.vlan = 5 << HVP_VLAN_ID_SHIFT | 3,
		.lso = 1460 | 54 << HVP_LSO_OFFSET_SHIFT | HVP_LSO_VERSION_2,
	};
	const struct hvw_rndis_meta checksum = {
		.has = HVW_META_CHECKSUM,
		.checksum = HVP_TX_CHECKSUM_IPV6 | HVP_TX_CHECKSUM_TCP |
			    54 << HVP_TX_CHECKSUM_OFFSET_SHIFT,
	};
	const struct hvw_rndis_meta rx = {
		.has = HVW_META_PACKET_ID | HVW_META_HASH | HVW_META_HASH_INFO | HVW_META_CHECKSUM,
		.packet_id = HVP_PACKET_ID_VERSION | HVP_PACKET_ID_SUBALLOCATION |
			     HVP_PACKET_ID_FIRST | 7 << HVP_PACKET_ID_SHIFT,
		.hash = 0x51ccc178,
		.hash_info = HVP_RSS_FUNCTION_TOEPLITZ | HVP_RSS_TCP4,
		.checksum = HVP_RX_CHECKSUM_TCP_SUCCEEDED | HVP_RX_CHECKSUM_IP_SUCCEEDED,
	};

	check_rndis_packet("rndis/PACKET", &none, 0, 60, 0);
	check_rndis_packet("rndis/PACKET-tx", &tx, 0, 70, 6);
	check_rndis_packet("rndis/PACKET-checksum", &checksum, 0, 70, 0);
	check_rndis_packet("rndis/PACKET-rx", &rx, 256, 60, 0);
}

/* --- NDIS ------------------------------------------------------------------------------------ */

TAP_TEST(offload_capabilities_have_their_vectors)
{
	const uint32_t checksum4 = HVP_OFFLOAD_IPV4_OPTIONS | HVP_OFFLOAD_TCP_OPTIONS |
				   HVP_OFFLOAD_TCP | HVP_OFFLOAD_UDP | HVP_OFFLOAD_IPV4_HEADER;
	const uint32_t checksum6 = HVP_OFFLOAD_IPV6_EXTENSIONS | HVP_OFFLOAD_TCP_OPTIONS |
				   HVP_OFFLOAD_TCP | HVP_OFFLOAD_UDP;
	const struct hvp_ndis_offload_lso lso = { HVP_NDIS_ENCAPSULATION_802_3, 0xf53c, 2 };
	struct hvp_ndis_offload built = {
		.tx4 = { HVP_NDIS_ENCAPSULATION_802_3, checksum4 },
		.rx4 = { HVP_NDIS_ENCAPSULATION_802_3, checksum4 },
		.tx6 = { HVP_NDIS_ENCAPSULATION_802_3, checksum6 },
		.rx6 = { HVP_NDIS_ENCAPSULATION_802_3, checksum6 },
		.lso1 = lso,
		.lso1_options = 1,
		.lso4 = lso,
		.lso6 = lso,
		.lso6_flags = HVP_OFFLOAD_LSO_IPV6_EXTENSIONS | HVP_OFFLOAD_LSO_TCP_OPTIONS,
		.rsc4 = 1,
		.rsc6 = 1,
	};
	struct hvp_ndis_offload found;
	struct vector v;

	TAP_REQUIRE(load(&v, "ndis/offload"));
	TAP_EQ(hvw_ndis_offload_fit(&built, 3, 168), HVP_NDIS_OFFLOAD_SIZE_3);
	same_bytes(&v, &built, built.h.size);
	TAP_REQUIRE(hvw_ndis_offload_parse(&found, v.bytes, v.len) == 0);
	TAP_MEM_EQ(&found, &built, sizeof(found));

	TAP_REQUIRE(load(&v, "ndis/offload-1"));
	memset(&found, 0xff, sizeof(found));
	TAP_REQUIRE(hvw_ndis_offload_parse(&found, v.bytes, v.len) == 0);
	TAP_EQ(found.tx4.flags, HVP_OFFLOAD_TCP | HVP_OFFLOAD_TCP_OPTIONS);
	TAP_EQ(found.lso4.size_max, 0xf53c);
	TAP_EQ(found.rsc4, 0);
	TAP_EQ(hvw_ndis_offload_fit(&found, 3, 140), HVP_NDIS_OFFLOAD_SIZE_1);
	same_bytes(&v, &found, found.h.size);
}

TAP_TEST(offload_parameters_have_their_vectors)
{
	struct hvp_ndis_offload_params params;
	struct vector v;

	TAP_REQUIRE(load(&v, "ndis/offload-params"));
	TAP_REQUIRE(hvw_ndis_offload_params_parse(&params, v.bytes, v.len) == 0);
	TAP_EQ(params.ipv4_header, HVP_OFFLOAD_OFF);
	TAP_EQ(params.tcp4, HVP_OFFLOAD_TX_RX);
	TAP_EQ(params.udp4, HVP_OFFLOAD_TX_RX);
	TAP_EQ(params.tcp6, HVP_OFFLOAD_TX_RX);
	TAP_EQ(params.udp6, HVP_OFFLOAD_TX_RX);
	TAP_EQ(params.lso1, HVP_OFFLOAD_OFF);
	TAP_EQ(params.lso4, HVP_OFFLOAD_ON);
	TAP_EQ(params.lso6, HVP_OFFLOAD_ON);
	TAP_EQ(params.rsc4, HVP_OFFLOAD_ON);
	TAP_EQ(params.rsc6, HVP_OFFLOAD_ON);

	TAP_REQUIRE(load(&v, "ndis/offload-params-old"));
	TAP_REQUIRE(hvw_ndis_offload_params_parse(&params, v.bytes, v.len) == 0);
	TAP_EQ(params.tcp4, HVP_OFFLOAD_TX_RX);
	TAP_EQ(params.lso4, HVP_OFFLOAD_ON);
	TAP_EQ(params.rsc4, HVP_OFFLOAD_UNCHANGED);
}

TAP_TEST(scaling_capabilities_have_their_vectors)
{
	const struct hvp_ndis_rss_caps built = {
		.h = { HVP_NDIS_RSS_CAPABILITIES, 2, HVP_NDIS_RSS_CAPS_SIZE_2 },
		.flags = HVP_RSS_FUNCTION_TOEPLITZ | HVP_RSS_CAP_IPV4 | HVP_RSS_CAP_IPV6,
		.messages = 1,
		.queues = HVP_NVSP_CHANNELS_MAX,
		.entries = HVP_RSS_TABLE_ENTRIES,
	};
	struct hvp_ndis_rss_caps caps;
	struct vector v;

	TAP_REQUIRE(load(&v, "ndis/rss-caps"));
	same_bytes(&v, &built, sizeof(built));
	TAP_REQUIRE(hvw_ndis_rss_caps_parse(&caps, v.bytes, v.len) == 0);
	TAP_MEM_EQ(&caps, &built, sizeof(built));
	TAP_REQUIRE(load(&v, "ndis/rss-caps-1"));
	TAP_REQUIRE(hvw_ndis_rss_caps_parse(&caps, v.bytes, v.len) == 0);
	TAP_EQ(caps.queues, 8);
	TAP_EQ(caps.entries, HVP_RSS_TABLE_ENTRIES);
}

static void check_rss_params(const struct vector *v)
{
	struct hvw_rss_params params;

	TAP_REQUIRE(hvw_rss_params_parse(&params, v->bytes, v->len, 4) == 0);
	TAP_EQ(params.flags, 0);
	TAP_EQ(params.hash, HVP_RSS_FUNCTION_TOEPLITZ | HVP_RSS_IPV4 | HVP_RSS_TCP4 | HVP_RSS_IPV6 |
				    HVP_RSS_TCP6);
	TAP_EQ(params.entries, 4);
	for (uint32_t i = 0; i < 4; i++)
		TAP_EQ(params.table[i], i);
	TAP_CHECK(params.keyed);
	TAP_MEM_EQ(params.key, hvw_rss_default_key, sizeof(params.key));
	TAP_EQ(hvw_rss_params_parse(&params, v->bytes, v->len, 3), -EPROTO);
}

TAP_TEST(scaling_parameters_have_their_vectors)
{
	struct hvw_rss_params params = {
		.hash = HVP_RSS_FUNCTION_TOEPLITZ | HVP_RSS_IPV4 | HVP_RSS_TCP4 | HVP_RSS_IPV6 |
			HVP_RSS_TCP6,
		.entries = 4,
		.table = { 0, 1, 2, 3 },
		.keyed = true,
	};
	uint8_t built[256];
	struct vector v;

	memcpy(params.key, hvw_rss_default_key, sizeof(params.key));
	TAP_REQUIRE(load(&v, "ndis/rss-params"));
	same_bytes(&v, built, (size_t)hvw_rss_params_build(built, sizeof(built), &params));
	check_rss_params(&v);
	TAP_REQUIRE(load(&v, "ndis/rss-params-key-first"));
	check_rss_params(&v);
}

TAP_TEST(link_and_encapsulation_have_their_vectors)
{
	const struct hvp_ndis_link_state link = {
		.h = { HVP_NDIS_DEFAULT, 1, sizeof(link) },
		.connect_state = HVP_NDIS_LINK_CONNECTED,
		.tx_bits_per_second = 10000000000,
		.rx_bits_per_second = 10000000000,
	};
	const struct hvp_ndis_encapsulation encapsulation = {
		{ HVP_NDIS_ENCAPSULATION, 1, sizeof(encapsulation) },
		1,
		HVP_NDIS_ENCAPSULATION_802_3,
		HVW_ETHERNET_HEADER,
		1,
		HVP_NDIS_ENCAPSULATION_802_3,
		HVW_ETHERNET_HEADER,
	};
	struct vector v;

	TAP_REQUIRE(load(&v, "ndis/link-state"));
	same_bytes(&v, &link, sizeof(link));
	TAP_REQUIRE(load(&v, "ndis/encapsulation"));
	same_bytes(&v, &encapsulation, sizeof(encapsulation));
}

TAP_TEST(every_vector_file_is_checked_by_a_test)
{
	every_vector_was_read("nvsp");
	every_vector_was_read("rndis");
	every_vector_was_read("ndis");
}

TAP_MAIN()
