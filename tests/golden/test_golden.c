/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Byte vectors against proto/ and wire/, in both directions: what we build has these bytes, and these bytes
 * parse to the same fields. Control messages, ring packets, integration services, GUIDs.
 */
#include "golden/vectors.h"
#include "hvw_guid.h"
#include "hvw_ic.h"
#include "hvw_msg.h"
#include "hvw_pkt.h"
#include "tap.h"
#include "unit/ring_pair.h"

/* --- control messages ------------------------------------------------------------------------ */

#define HEARTBEAT_CLASS	   "57164f39-9115-4e78-ab55-382f3bd5422d"
#define HEARTBEAT_INSTANCE "fd149e91-82e0-4a7d-afa6-2a4166cbd7c0"
#define SHUTDOWN_CLASS	   "0e0b6031-5213-4934-818b-38d90ced39db"
#define SHUTDOWN_INSTANCE  "b6650ff7-33bc-4840-8048-e0676786f393"
#define PORT_1234	   "000004d2-facb-11e6-bd58-64006a7986d3"
#define PORT_5678	   "0000162e-facb-11e6-bd58-64006a7986d3"

/*
 * The fields of each vector: N a number, G a GUID, B bytes that count up from a number, or zeros. A
 * message of HVP_MSG_LIST without a list here does not compile; one without a file fails.
 */
/* clang-format off */
#define FIELDS_OFFER_CHANNEL(N, G, B)                                                              \
	G(class_id, SHUTDOWN_CLASS) G(instance_id, SHUTDOWN_INSTANCE) N(flags, 0x0011)             \
	N(mmio_megabytes, 0x1234) B(user_data, 0x80) N(subchannel_index, 3)                        \
	N(mmio_megabytes_optional, 0x5678) N(channel_id, 0x7e1) N(monitor_id, HVP_MONITOR_ID_NONE) \
	N(monitor_allocated, 0) N(dedicated_interrupt, 1) N(connection_id, 0x27e1)
#define FIELDS_CHANNEL_REF(N, G, B) N(channel_id, 0x07654321)
#define FIELDS_RESCIND_OFFER(N, G, B)		FIELDS_CHANNEL_REF(N, G, B)
#define FIELDS_REQUEST_OFFERS(N, G, B)
#define FIELDS_ALL_OFFERS_DELIVERED(N, G, B)
#define FIELDS_OPEN_CHANNEL(N, G, B)                                                               \
	N(channel_id, 0x7e1) N(open_id, 0x44332211) N(ring_gpadl, 0x0dccbbaa) N(target_vp, 0x102)  \
	N(downstream_page, 0x30405) B(user_data, 1)
#define FIELDS_OPEN_RESULT(N, G, B)                                                                \
	N(channel_id, 0x7e1) N(open_id, 0x44332211) N(status, HVP_OPEN_FAILED)
#define FIELDS_CLOSE_CHANNEL(N, G, B)		FIELDS_CHANNEL_REF(N, G, B)
#define FIELDS_GPADL_HEADER(N, G, B)                                                               \
	N(channel_id, 0x7e1) N(gpadl, 0xe11e01) N(range_bytes, 248) N(range_count, 1)
#define FIELDS_GPADL_BODY(N, G, B)		N(message_number, 1) N(gpadl, 0xe11e01)
#define FIELDS_GPADL_CREATED(N, G, B)                                                              \
	N(channel_id, 0x7e1) N(gpadl, 0xe11e01) N(status, HVP_GPADL_FAILED)
#define FIELDS_GPADL_TEARDOWN(N, G, B)		N(channel_id, 0x7e1) N(gpadl, 0xe11e01)
#define FIELDS_GPADL_TORNDOWN(N, G, B)		N(gpadl, 0xe11e01)
#define FIELDS_RELID_RELEASED(N, G, B)		FIELDS_CHANNEL_REF(N, G, B)
#define FIELDS_INITIATE_CONTACT(N, G, B)                                                           \
	N(version, HVP_VERSION_5_3) N(target_vp, 0x01020304) N(u.v5.sint, HVP_VMBUS_SINT)          \
	N(u.v5.vtl, 1) N(u.v5.features, 0x11223344)                                                \
	N(monitor_page_to_guest, 0x4030201000) N(monitor_page_to_host, 0x4131211100)
#define FIELDS_VERSION_RESPONSE(N, G, B)                                                           \
	N(supported, 1) N(connection_state, HVP_CONTACT_FAILED) N(connection_id, 0x800024)
#define FIELDS_UNLOAD(N, G, B)
#define FIELDS_UNLOAD_RESPONSE(N, G, B)
#define FIELDS_OPEN_RESERVED(N, G, B)                                                              \
	N(channel_id, 0x7e1) N(target_vp, 0x102) N(target_sint, 5) N(ring_gpadl, 0x0dccbbaa)       \
	N(downstream_page, 0x30405)
#define FIELDS_CLOSE_RESERVED(N, G, B)                                                             \
	N(channel_id, 0x7e1) N(target_vp, 0x102) N(target_sint, 5)
#define FIELDS_CLOSE_RESERVED_RESPONSE(N, G, B) FIELDS_CHANNEL_REF(N, G, B)
#define FIELDS_TL_CONNECT_REQUEST(N, G, B)                                                         \
	G(endpoint_id, PORT_1234) G(service_id, PORT_5678)
#define FIELDS_MODIFY_CHANNEL(N, G, B)		N(channel_id, 0x7e1) N(target_vp, 0x102)
#define FIELDS_TL_CONNECT_RESULT(N, G, B)                                                          \
	G(endpoint_id, PORT_1234) G(service_id, PORT_5678) N(status, HVP_TL_CONNECTION_REFUSED)
#define FIELDS_MODIFY_CHANNEL_RESPONSE(N, G, B) N(channel_id, 0x7e1) N(status, -2)
#define FIELDS_MODIFY_CONNECTION(N, G, B)                                                          \
	N(monitor_page_to_guest, 0x4030201000) N(monitor_page_to_host, 0x4131211100)
#define FIELDS_MODIFY_CONNECTION_RESPONSE(N, G, B) N(connection_state, HVP_CONTACT_LOW_RESOURCES)
#define FIELDS_PAUSE(N, G, B)
#define FIELDS_PAUSE_RESPONSE(N, G, B)
#define FIELDS_RESUME(N, G, B)

/* Other forms of a message: its name, suffix of the function and of the file, structure, direction. */
#define VARIANTS(X)                                                                                \
	X(OPEN_CHANNEL, _6_0, "-6.0", open_channel, HVP_TO_HOST)                                   \
	X(INITIATE_CONTACT, _4_1, "-4.1", initiate_contact, HVP_TO_HOST)                           \
	X(VERSION_RESPONSE, _6_0, "-6.0", version_response, HVP_TO_GUEST)                          \
	X(TL_CONNECT_REQUEST, _5_2, "-5.2", tl_connect_request, HVP_TO_HOST)
#define FIELDS_OPEN_CHANNEL_6_0(N, G, B)                                                           \
	N(channel_id, 0x7e1) N(open_id, 0x44332211) N(ring_gpadl, 0x0dccbbaa)                      \
	N(target_vp, HVP_TARGET_VP_NONE) N(downstream_page, 0x30405) B(user_data, 0)
#define FIELDS_INITIATE_CONTACT_4_1(N, G, B)                                                       \
	N(version, HVP_VERSION_4_1) N(target_vp, 0) N(u.interrupt_page, 0x1234567000)           \
	N(monitor_page_to_guest, 0x4030201000) N(monitor_page_to_host, 0x4131211100)
#define FIELDS_VERSION_RESPONSE_6_0(N, G, B)                                                       \
	N(supported, 1) N(connection_state, HVP_CONTACT_OK) N(connection_id, 0x24)
#define FIELDS_TL_CONNECT_REQUEST_5_2(N, G, B) FIELDS_TL_CONNECT_REQUEST(N, G, B)
/* clang-format on */

static void counting_up(uint8_t *bytes, size_t len, uint8_t from)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = from ? (uint8_t)(from + i) : 0;
}

static void check_guid(const struct hvp_guid *guid, const char *expected)
{
	char text[HVW_GUID_TEXT];

	hvw_guid_format(guid, text);
	TAP_STR_EQ(text, expected);
}

static void check_counting_up(const uint8_t *bytes, size_t len, uint8_t from)
{
	uint8_t expected[HVP_USER_DATA_MAX];

	counting_up(expected, len, from);
	TAP_MEM_EQ(bytes, expected, len);
}

#define SET_NUMBER(field, value) m.field = (value);
#define SET_GUID(field, value)	 TAP_EQ(hvw_guid_parse(&m.field, value), 0);
#define SET_BYTES(field, value)	 counting_up(m.field, sizeof(m.field), value);
#define IS_NUMBER(field, value)	 TAP_EQ(m->field, value);
#define IS_GUID(field, value)	 check_guid(&m->field, value);
#define IS_BYTES(field, value)	 check_counting_up(m->field, sizeof(m->field), value);

/* Bytes behind the structure are checked by the tests of the ranges, or nobody's. */
#define MESSAGE_VECTOR(name, suffix, file, structure, direction)                                   \
	static void vector_##name##suffix(void)                                                    \
	{                                                                                          \
		struct hvp_msg_##structure m;                                                      \
		struct vector v;                                                                   \
		struct hvw_msg parsed;                                                             \
                                                                                                   \
		memset(&m, 0, sizeof(m));                                                          \
		memcpy(&m, &(uint32_t){ HVP_MSG_##name }, sizeof(uint32_t));                       \
		FIELDS_##name##suffix(SET_NUMBER, SET_GUID, SET_BYTES)                             \
			TAP_REQUIRE(load(&v, "vmbus/" #name file));                                \
		TAP_REQUIRE(v.len >= sizeof(m) && v.len <= HVP_MESSAGE_PAYLOAD_MAX);               \
		TAP_MEM_EQ(&m, v.bytes, sizeof(m));                                                \
		TAP_REQUIRE(hvw_msg_parse(&parsed, v.bytes, v.len, direction) == 0);               \
		TAP_EQ(parsed.len, v.len);                                                         \
		TAP_EQ(parsed.u.h.type, HVP_MSG_##name);                                           \
		check_##name##suffix(&parsed.u.name);                                              \
	}

#define MESSAGE_CHECK(name, suffix, structure)                                                     \
	static void check_##name##suffix(const struct hvp_msg_##structure *m)                      \
	{                                                                                          \
		(void)m;                                                                           \
		FIELDS_##name##suffix(IS_NUMBER, IS_GUID, IS_BYTES)                                \
	}

#define DEFINE_MESSAGE(number, name, structure, least, direction, version)                         \
	MESSAGE_CHECK(name, , structure)                                                           \
	MESSAGE_VECTOR(name, , "", structure, direction)
HVP_MSG_LIST(DEFINE_MESSAGE)

#define DEFINE_VARIANT(name, suffix, file, structure, direction)                                   \
	MESSAGE_CHECK(name, suffix, structure)                                                     \
	MESSAGE_VECTOR(name, suffix, file, structure, direction)
VARIANTS(DEFINE_VARIANT)

TAP_TEST(every_message_has_its_vector)
{
#define RUN_MESSAGE(number, name, type, least, direction, version) vector_##name();
	HVP_MSG_LIST(RUN_MESSAGE)
#undef RUN_MESSAGE
}

TAP_TEST(longer_and_older_forms_have_their_vectors)
{
#define RUN_VARIANT(name, suffix, file, type, direction) vector_##name##suffix();
	VARIANTS(RUN_VARIANT)
#undef RUN_VARIANT
}

TAP_TEST(a_gpadl_of_30_pages_is_a_header_and_a_body)
{
	struct vector header, body;
	struct hvw_msg first, second;
	struct hvw_gpa_iter iter;
	struct hvw_gpa_range range;
	uint8_t ranges[8 + 30 * 8];
	size_t in_header, in_body;

	TAP_REQUIRE(load(&header, "vmbus/GPADL_HEADER") && load(&body, "vmbus/GPADL_BODY"));
	TAP_REQUIRE(!hvw_msg_parse(&first, header.bytes, header.len, HVP_TO_HOST));
	TAP_REQUIRE(!hvw_msg_parse(&second, body.bytes, body.len, HVP_TO_HOST));
	in_header = first.len - sizeof(first.u.GPADL_HEADER);
	in_body = second.len - sizeof(second.u.GPADL_BODY);
	TAP_EQ(in_header, 8 + 26 * 8);
	TAP_EQ(in_header + in_body, first.u.GPADL_HEADER.range_bytes);
	TAP_EQ(second.u.GPADL_BODY.gpadl, first.u.GPADL_HEADER.gpadl);
	TAP_REQUIRE(in_header + in_body == sizeof(ranges));
	memcpy(ranges, first.u.bytes + sizeof(first.u.GPADL_HEADER), in_header);
	memcpy(ranges + in_header, second.u.bytes + sizeof(second.u.GPADL_BODY), in_body);

	hvw_gpa_iter_init(&iter, ranges, sizeof(ranges), first.u.GPADL_HEADER.range_count);
	TAP_REQUIRE(hvw_gpa_iter_next(&iter, &range) == 0);
	TAP_EQ(range.byte_count, 30 * HVP_PAGE_SIZE);
	TAP_EQ(range.byte_offset, 0);
	TAP_EQ(range.page_count, 30);
	for (uint32_t i = 0; i < range.page_count; i++)
		TAP_EQ(hvw_gpa_page(&range, i), 0x10a000 + i);
	TAP_EQ(hvw_gpa_iter_next(&iter, &range), -EAGAIN);
}

/* --- ring packets ---------------------------------------------------------------------------- */

struct packet_case {
	const char *file;
	uint32_t start; /* in a ring of three pages, or of two when it wraps */
	unsigned pages;
	uint16_t type, flags;
	uint64_t id;
	uint32_t header; /* bytes behind the descriptor */
	struct hvw_piece pieces[6]; /* header, then payload */
};

/* Builds the packet and compares the ring with the vector; leaves the ring without consumer. */
static void check_built(const struct packet_case *c, const struct vector *v)
{
	struct ring_pair r;
	uint8_t built[VECTOR_MAX];
	unsigned pieces = 0;

	while (pieces < 6 && c->pieces[pieces].data)
		pieces++;
	ring_pair_make(&r, c->pages, c->start);
	TAP_EQ(hvw_tx_put(&r.tx, c->type, c->flags, c->id, c->header, c->pieces, pieces), 0);
	TAP_CHECK(hvw_tx_commit(&r.tx));
	TAP_EQ(r.control->write_index, (c->start + v->len) % r.size);
	for (size_t i = 0; i < v->len; i++)
		built[i] = r.data[(c->start + i) % r.size];
	same_bytes(v, built, v->len);
	ring_pair_free(&r);
}

/* Puts the vector's bytes into a ring and compares what the consumer finds. */
static void check_found(const struct packet_case *c, const struct vector *v)
{
	struct ring_pair r;
	struct hvw_rx_packet packet = { .start = 0 };
	uint8_t body[VECTOR_MAX];
	uint32_t at = 0;

	ring_pair_make(&r, c->pages, c->start);
	for (size_t i = 0; i < v->len; i++)
		r.data[(c->start + i) % r.size] = v->bytes[i];
	r.control->write_index = (uint32_t)(c->start + v->len) % r.size;
	if (TAP_EQ(hvw_rx_next(&r.rx, &packet), 0)) {
		TAP_EQ(packet.h.type, c->type);
		TAP_EQ(packet.h.flags, c->flags);
		TAP_EQ(packet.h.transaction_id, c->id);
		TAP_EQ(packet.start, c->start);
		TAP_EQ(packet.header_len, 16 + c->header);
		TAP_EQ(16 + c->header + packet.payload_len + HVP_PACKET_TRAILER, v->len);
		TAP_EQ(hvw_rx_copy(&r.rx, &packet, 16, body, (uint32_t)v->len - 24), 0);
		for (unsigned i = 0; i < 6 && c->pieces[i].data; at += c->pieces[i++].len)
			TAP_MEM_EQ(body + at, c->pieces[i].data, c->pieces[i].len);
	}
	TAP_EQ(hvw_rx_next(&r.rx, &packet), -EAGAIN);
	ring_pair_free(&r);
}

static void check_packet(const struct packet_case *c)
{
	struct vector v;

	TAP_REQUIRE(load(&v, c->file));
	check_built(c, &v);
	check_found(c, &v);
}

TAP_TEST(an_in_band_packet_has_its_vector)
{
	check_packet(&(struct packet_case){ "ring/inband",
					    0x40,
					    3,
					    HVP_PACKET_INBAND,
					    HVP_PACKET_FLAG_COMPLETION,
					    0x1122334455667788,
					    0,
					    { { "hello", 5 } } });
}

TAP_TEST(a_packet_that_wraps_inside_its_descriptor_has_its_vector)
{
	check_packet(&(struct packet_case){ "ring/inband-wrap",
					    0xff8,
					    2,
					    HVP_PACKET_INBAND,
					    HVP_PACKET_FLAG_COMPLETION,
					    0x1122334455667788,
					    0,
					    { { "hello", 5 } } });
}

TAP_TEST(a_completion_packet_has_its_vector)
{
	static const uint8_t payload[] = { 0x6b, 0, 0, 0, 5, 0x40, 0, 0x80 };

	check_packet(&(struct packet_case){ "ring/completion",
					    0,
					    3,
					    HVP_PACKET_COMPLETION,
					    0,
					    0x8000000000000001,
					    0,
					    { { payload, 8 } } });
}

TAP_TEST(a_transfer_page_packet_has_its_vector)
{
	static const struct hvp_transfer_pages pages = { 0xcafe, 1, 0, 2 };
	static const struct hvp_transfer_range ranges[] = { { 90, 0 }, { 1514, 1600 } };
	static const uint8_t payload[] = { 0x6b, 0, 0, 0, 1, 0, 0, 0 };

	check_packet(&(struct packet_case){
		"ring/transfer-pages",
		0x1000,
		3,
		HVP_PACKET_TRANSFER_PAGES,
		HVP_PACKET_FLAG_COMPLETION,
		0xdeadbeef,
		24,
		{ { &pages, sizeof(pages) }, { ranges, sizeof(ranges) }, { payload, 8 } } });
}

TAP_TEST(a_gpa_direct_packet_has_its_vector)
{
	static const struct hvp_gpa_direct direct = { 0, 2 };
	static const struct hvp_gpa_range ranges[] = { { 0x1200, 0xe00 }, { 0x200, 0 } };
	static const uint64_t pages[] = { 0x12345, 0x100078899, 0xffffff };
	static const uint8_t payload[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };
	struct vector v;
	struct hvw_gpa_iter iter;
	struct hvw_gpa_range range;
	struct hvw_gpa_writer writer;
	uint8_t header[48];

	check_packet(&(struct packet_case){ "ring/gpa-direct",
					    0xfe0,
					    2,
					    HVP_PACKET_GPA_DIRECT,
					    HVP_PACKET_FLAG_COMPLETION,
					    0x0a0b0c0d,
					    48,
					    { { &direct, 8 },
					      { ranges, 8 },
					      { pages, 16 },
					      { ranges + 1, 8 },
					      { pages + 2, 8 },
					      { payload, 12 } } });

	TAP_REQUIRE(load(&v, "ring/gpa-direct"));
	hvw_gpa_iter_init(&iter, v.bytes + 24, 40, 2);
	TAP_REQUIRE(hvw_gpa_iter_next(&iter, &range) == 0);
	TAP_EQ(range.byte_count, 0x1200);
	TAP_EQ(range.byte_offset, 0xe00);
	TAP_EQ(range.page_count, 2);
	TAP_EQ(hvw_gpa_page(&range, 0), 0x12345);
	TAP_EQ(hvw_gpa_page(&range, 1), 0x100078899);
	TAP_REQUIRE(hvw_gpa_iter_next(&iter, &range) == 0);
	TAP_EQ(range.byte_count, 0x200);
	TAP_EQ(range.page_count, 1);
	TAP_EQ(hvw_gpa_page(&range, 0), 0xffffff);
	TAP_EQ(hvw_gpa_iter_next(&iter, &range), -EAGAIN);
	TAP_EQ(iter.left, 0);

	TAP_EQ(hvw_gpa_writer_init(&writer, header, sizeof(header)), 0);
	TAP_EQ(hvw_gpa_writer_add(&writer, pages, 0xe00, 0x1200), 0);
	TAP_EQ(hvw_gpa_writer_add(&writer, pages + 2, 0, 0x200), 0);
	TAP_EQ(hvw_gpa_writer_finish(&writer), sizeof(header));
	TAP_MEM_EQ(header, v.bytes + 16, sizeof(header));
}

/* --- integration services -------------------------------------------------------------------- */

static const struct hvp_ic_version framework_up[] = { { 1, 0 }, { 3, 0 } };
static const struct hvp_ic_version message_up[] = { { 1, 0 }, { 3, 0 }, { 3, 1 }, { 3, 2 } };
static const struct hvp_ic_version framework_down[] = { { 3, 0 }, { 1, 0 } };
static const struct hvp_ic_version message_down[] = { { 3, 2 }, { 3, 1 }, { 3, 0 }, { 1, 0 } };

/* What the host makes of an answer; 0 also means: framework 3.0, messages 3.2. */
static int judge(const struct hvw_ic *ic)
{
	struct hvp_ic_version framework = { 0, 0 }, message = { 0, 0 };
	int err = hvw_ic_parse_choice(ic, framework_up, 2, message_up, 4, &framework, &message);

	TAP_EQ(framework.major, err ? 0 : 3);
	TAP_EQ(framework.minor, 0);
	TAP_EQ(message.major, err ? 0 : 3);
	TAP_EQ(message.minor, err ? 0 : 2);
	return err;
}

TAP_TEST(a_negotiation_request_has_its_vector)
{
	uint8_t built[128];
	int len = hvw_ic_build_negotiate(built, sizeof(built), framework_up, 2, message_up, 4);
	struct hvp_ic_version framework, message;
	struct vector v;
	struct hvw_ic ic;

	TAP_REQUIRE(load(&v, "ic/negotiate") && len > 0);
	same_bytes(&v, built, (size_t)len);
	TAP_REQUIRE(hvw_ic_parse(&ic, v.bytes, v.len) == 0);
	TAP_EQ(ic.h.type, HVP_IC_NEGOTIATE);
	TAP_EQ(ic.h.size, 32);
	TAP_EQ(ic.h.flags, HVP_IC_FLAG_TRANSACTION | HVP_IC_FLAG_REQUEST);
	TAP_EQ(hvw_ic_choose(&ic, framework_down, 2, message_down, 4, &framework, &message), 0);
	TAP_EQ(framework.major, 3);
	TAP_EQ(message.minor, 2);
}

/* The guest's answer to negotiate.txt, built by us, against the vector. */
static void check_choice(const char *file, const struct hvp_ic_version *framework,
			 const struct hvp_ic_version *message, int expected)
{
	struct vector request, v;
	struct hvw_ic ic;
	uint8_t built[HVW_IC_CHOICE];

	TAP_REQUIRE(load(&request, "ic/negotiate") && load(&v, file));
	TAP_REQUIRE(hvw_ic_parse(&ic, request.bytes, request.len) == 0);
	same_bytes(&v, built, hvw_ic_build_choice(built, &ic.h, framework, message));
	TAP_REQUIRE(hvw_ic_parse(&ic, v.bytes, v.len) == 0);
	TAP_EQ(ic.h.size, 16);
	TAP_EQ(ic.h.flags, HVP_IC_FLAG_TRANSACTION | HVP_IC_FLAG_RESPONSE);
	TAP_EQ(judge(&ic), expected);
}

TAP_TEST(answers_to_a_negotiation_have_their_vectors)
{
	check_choice("ic/choice", &framework_up[1], &message_up[3], 0);
	check_choice("ic/choice-none", NULL, NULL, -EOPNOTSUPP);
}

TAP_TEST(an_answer_written_over_the_request_is_understood)
{
	struct vector v;
	struct hvw_ic ic;

	TAP_REQUIRE(load(&v, "ic/choice-in-place"));
	TAP_REQUIRE(hvw_ic_parse(&ic, v.bytes, v.len) == 0);
	TAP_EQ(ic.h.size, 16);
	TAP_EQ(judge(&ic), 0);
}

static void check_heartbeat(const char *file, uint8_t flags, uint64_t sequence, uint32_t state)
{
	struct hvp_ic_heartbeat body = { .sequence = sequence, .state = state };
	struct hvp_ic_header h = { .framework = { 3, 0 },
				   .type = HVP_IC_HEARTBEAT,
				   .message = { 3, 0 },
				   .size = sizeof(body),
				   .transaction_id = 7,
				   .flags = flags };
	uint8_t built[HVW_IC_HEADERS + sizeof(body)];
	struct vector v;
	struct hvw_ic ic;

	TAP_REQUIRE(load(&v, file));
	memcpy(built + HVW_IC_HEADERS, &body, sizeof(body));
	same_bytes(&v, built, hvw_ic_build(built, &h));
	memset(&body, 0xff, sizeof(body));
	TAP_REQUIRE(hvw_ic_parse(&ic, v.bytes, v.len) == 0);
	TAP_REQUIRE(hvw_ic_read(&ic, 0, &body, sizeof(body)) == 0);
	TAP_MEM_EQ(&ic.h, &h, sizeof(h));
	TAP_EQ(ic.h.type, HVP_IC_HEARTBEAT);
	TAP_EQ(ic.h.transaction_id, 7);
	TAP_EQ(ic.h.flags, flags);
	TAP_EQ(body.sequence, sequence);
	TAP_EQ(body.state, state);
}

TAP_TEST(heartbeats_have_their_vectors)
{
	check_heartbeat("ic/heartbeat-request", HVP_IC_FLAG_TRANSACTION | HVP_IC_FLAG_REQUEST,
			0x0102030405060708, HVP_HEARTBEAT_UNKNOWN);
	check_heartbeat("ic/heartbeat-reply", HVP_IC_FLAG_TRANSACTION | HVP_IC_FLAG_RESPONSE,
			0x0102030405060709, HVP_HEARTBEAT_HEALTHY);
}

TAP_TEST(a_shutdown_request_has_its_vector)
{
	struct hvp_ic_shutdown body = {
		HVP_SHUTDOWN_REASON_PLANNED, 300, HVP_SHUTDOWN_FORCE, { 'o', 'f', 'f' }
	};
	struct hvp_ic_header h = { .framework = { 3, 0 },
				   .type = HVP_IC_SHUTDOWN,
				   .message = { 3, 2 },
				   .size = sizeof(body),
				   .transaction_id = 9,
				   .flags = HVP_IC_FLAG_TRANSACTION | HVP_IC_FLAG_REQUEST };
	uint8_t built[HVW_IC_HEADERS + sizeof(body)];
	struct vector v;
	struct hvw_ic ic;

	TAP_REQUIRE(load(&v, "ic/shutdown-request"));
	memcpy(built + HVW_IC_HEADERS, &body, sizeof(body));
	same_bytes(&v, built, hvw_ic_build(built, &h));
	memset(&body, 0xff, sizeof(body));
	TAP_REQUIRE(hvw_ic_parse(&ic, v.bytes, v.len) == 0);
	TAP_REQUIRE(hvw_ic_read(&ic, 0, &body, sizeof(body)) == 0);
	TAP_EQ(ic.h.type, HVP_IC_SHUTDOWN);
	TAP_EQ(ic.h.message.minor, 2);
	TAP_EQ(body.reason, HVP_SHUTDOWN_REASON_PLANNED);
	TAP_EQ(body.timeout_seconds, 300);
	TAP_EQ(body.flags, HVP_SHUTDOWN_FORCE);
	TAP_EQ(body.text[2], 'f');
	TAP_EQ(body.text[3], 0);
}

/* 2020-01-01 00:00:00 UTC is 1577836800 in Unix's count. */
#define YEAR_2020 (HVP_TIME_UNIX_EPOCH + 1577836800ull * HVP_TIME_PER_SECOND)

static void check_timesync(const char *file, uint16_t version, const void *body, size_t body_len)
{
	struct hvp_ic_header h = { .framework = { 3, 0 },
				   .type = HVP_IC_TIMESYNC,
				   .message = { version, 0 },
				   .size = (uint16_t)body_len,
				   .transaction_id = 5,
				   .flags = HVP_IC_FLAG_TRANSACTION | HVP_IC_FLAG_REQUEST };
	uint8_t built[HVW_IC_HEADERS + sizeof(struct hvp_ic_timesync)];
	struct vector v;
	struct hvw_ic ic;

	TAP_REQUIRE(load(&v, file));
	memcpy(built + HVW_IC_HEADERS, body, body_len);
	same_bytes(&v, built, hvw_ic_build(built, &h));
	TAP_REQUIRE(hvw_ic_parse(&ic, v.bytes, v.len) == 0);
	TAP_MEM_EQ(&ic.h, &h, sizeof(h));
	TAP_MEM_EQ(ic.body, body, body_len);
}

TAP_TEST(time_synchronisation_has_its_vectors)
{
	const struct hvp_ic_timesync_v4 sync = {
		.host_time = YEAR_2020,
		.reference_time = 0x0102030405060708,
		.flags = HVP_TIMESYNC_SYNC,
	};
	const struct hvp_ic_timesync sample = {
		.host_time = YEAR_2020,
		.flags = HVP_TIMESYNC_SAMPLE,
	};

	check_timesync("ic/timesync-sync-4.0", 4, &sync, sizeof(sync));
	check_timesync("ic/timesync-sample-3.0", 3, &sample, sizeof(sample));
}

/* --- GUIDs ----------------------------------------------------------------------------------- */

TAP_TEST(guids_have_their_vectors)
{
	static const struct {
		const char *file, *text;
		struct hvp_guid guid;
	} cases[] = {
		{ "guid/heartbeat-class", HEARTBEAT_CLASS, HVP_CLASS_HEARTBEAT },
		{ "guid/heartbeat-instance", HEARTBEAT_INSTANCE, HVP_INSTANCE_HEARTBEAT },
		{ "guid/shutdown-class", SHUTDOWN_CLASS, HVP_CLASS_SHUTDOWN },
		{ "guid/shutdown-instance", SHUTDOWN_INSTANCE, HVP_INSTANCE_SHUTDOWN },
		{ "guid/timesync-class", "9527e630-d0ae-497b-adce-e80ab0175caf",
		  HVP_CLASS_TIMESYNC },
		{ "guid/timesync-instance", "2dd1ce17-079e-403c-b352-a1921ee207ee",
		  HVP_INSTANCE_TIMESYNC },
		{ "guid/network-class", "f8615163-df3e-46c5-913f-f2d2f965ed0e",
		  HVP_GUID(0xf8615163u, 0xdf3eu, 0x46c5u, 0x913fu, 0xf2d2f965ed0eull) },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vector v;
		struct hvp_guid guid;

		TAP_REQUIRE(load(&v, cases[i].file));
		same_bytes(&v, &cases[i].guid, sizeof(cases[i].guid));
		TAP_EQ(hvw_guid_parse(&guid, cases[i].text), 0);
		same_bytes(&v, &guid, sizeof(guid));
		memcpy(&guid, v.bytes, sizeof(guid));
		check_guid(&guid, cases[i].text);
	}
}

/* --- the last one: nothing left over --------------------------------------------------------- */

TAP_TEST(every_vector_file_is_checked_by_a_test)
{
	every_vector_was_read("vmbus");
	every_vector_was_read("ring");
	every_vector_was_read("ic");
	every_vector_was_read("guid");
}

TAP_MAIN()
