/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "hvw_nvsp.h"
#include "tap.h"

/* Parses a message of `len` bytes, all 0xff behind the type, that stands at the very end of its memory. */
static int parse(struct hvw_nvsp *msg, uint32_t type, size_t len, unsigned direction,
		 uint32_t version)
{
	uint8_t *bytes = malloc(len ? len : 1);
	int err;

	memset(bytes, 0xff, len);
	memcpy(bytes, &type, len < sizeof(type) ? len : sizeof(type));
	err = hvw_nvsp_parse(msg, bytes, len, direction, version);
	free(bytes);
	return err;
}

TAP_TEST(a_message_needs_its_fields)
{
	struct hvw_nvsp msg;

#define CHECK_LEAST(number, name, type, least, direction, version)                                 \
	TAP_EQ(parse(&msg, number, least, direction, HVP_NVSP_6_1), 0);                            \
	TAP_EQ(parse(&msg, number, (least)-1, direction, HVP_NVSP_6_1), -EPROTO);
	HVP_NVSP_LIST(CHECK_LEAST)
#undef CHECK_LEAST
	TAP_EQ(parse(&msg, HVP_NVSP_INIT, 3, HVP_NVSP_TO_HOST, HVP_NVSP_6_1), -EPROTO);
	TAP_EQ(parse(&msg, HVP_NVSP_INIT, 0, HVP_NVSP_TO_HOST, HVP_NVSP_6_1), -EPROTO);
}

TAP_TEST(a_message_needs_its_version)
{
	struct hvw_nvsp msg;

#define CHECK_SINCE(number, name, type, least, direction, version)                                 \
	TAP_EQ(parse(&msg, number, 64, direction, version), 0);                                    \
	TAP_EQ(parse(&msg, number, 64, direction, (version)-1),                                    \
	       (number) == HVP_NVSP_INIT || (number) == HVP_NVSP_INIT_COMPLETE ? 0 : -EPROTO);
	HVP_NVSP_LIST(CHECK_SINCE)
#undef CHECK_SINCE
}

TAP_TEST(only_the_side_that_may_send_a_message_is_believed)
{
	struct hvw_nvsp msg;

	TAP_EQ(parse(&msg, HVP_NVSP_INIT, 64, HVP_NVSP_TO_GUEST, HVP_NVSP_6_1), -EPROTO);
	TAP_EQ(parse(&msg, HVP_NVSP_VF_ASSOCIATION, 64, HVP_NVSP_TO_HOST, HVP_NVSP_6_1), -EPROTO);
	TAP_EQ(parse(&msg, HVP_NVSP_SEND_RNDIS_PACKET, 64, HVP_NVSP_TO_HOST, HVP_NVSP_1), 0);
	TAP_EQ(parse(&msg, HVP_NVSP_SEND_RNDIS_PACKET, 64, HVP_NVSP_TO_GUEST, HVP_NVSP_1), 0);
}

TAP_TEST(unknown_and_unused_messages_are_refused)
{
	struct hvw_nvsp msg;

	TAP_EQ(parse(&msg, 0, 64, HVP_NVSP_BOTH, HVP_NVSP_6_1), -EPROTO);
	TAP_EQ(parse(&msg, HVP_NVSP_END, 64, HVP_NVSP_BOTH, HVP_NVSP_6_1), -EPROTO);
	TAP_EQ(parse(&msg, 0xffffffff, 64, HVP_NVSP_BOTH, HVP_NVSP_6_1), -EPROTO);
#define CHECK_UNUSED(number, name)                                                                 \
	TAP_EQ(parse(&msg, number, 64, HVP_NVSP_BOTH, HVP_NVSP_6_1), -EPROTO);
	HVP_NVSP_UNUSED_LIST(CHECK_UNUSED)
#undef CHECK_UNUSED
}

TAP_TEST(fields_behind_the_end_are_zero_and_a_long_tail_is_ignored)
{
	struct hvw_nvsp msg;

	TAP_REQUIRE(
		!parse(&msg, HVP_NVSP_SEND_RECV_BUF_COMPLETE, 12, HVP_NVSP_TO_GUEST, HVP_NVSP_1));
	TAP_EQ(msg.len, 12);
	TAP_EQ(msg.u.SEND_RECV_BUF_COMPLETE.section_count, 0xffffffff);
	TAP_EQ(msg.u.SEND_RECV_BUF_COMPLETE.section.size, 0);
	TAP_REQUIRE(!parse(&msg, HVP_NVSP_INIT, 4000, HVP_NVSP_TO_HOST, 0));
	TAP_EQ(msg.len, HVW_NVSP_MAX);
}

TAP_TEST(versions_and_messages_have_names)
{
	TAP_STR_EQ(hvw_nvsp_version_name(HVP_NVSP_6_1), "6.1");
	TAP_STR_EQ(hvw_nvsp_version_name(HVP_NVSP_1), "1");
	TAP_STR_EQ(hvw_nvsp_version_name(0x30000), "none");
	TAP_CHECK(hvw_nvsp_version_known(HVP_NVSP_5));
	TAP_CHECK(!hvw_nvsp_version_known(0));
	TAP_CHECK(!hvw_nvsp_version_known(0x00060002));
	TAP_EQ(hvw_nvsp_bytes(HVP_NVSP_6), 28);
	TAP_EQ(hvw_nvsp_bytes(HVP_NVSP_6_1), 40);
	TAP_EQ(hvw_nvsp_bytes(0), 28);
	TAP_STR_EQ(hvw_nvsp_name(HVP_NVSP_NDIS_CONFIG), "NDIS_CONFIG");
	TAP_STR_EQ(hvw_nvsp_name(HVP_NVSP_UPLINK_CONNECT_STATE), "UPLINK_CONNECT_STATE");
	TAP_STR_EQ(hvw_nvsp_name(99), "UNKNOWN");
}

/* A table message of `len` bytes that says `count` and `offset`. */
static int table_of(uint32_t count, uint32_t offset, size_t len, uint32_t version)
{
	uint32_t table[HVP_NVSP_INDIRECTION_ENTRIES];
	uint8_t bytes[200] = { HVP_NVSP_SEND_INDIRECTION_TABLE };
	struct hvw_nvsp msg;

	memcpy(bytes + 4, &count, sizeof(count));
	memcpy(bytes + 8, &offset, sizeof(offset));
	if (!TAP_EQ(hvw_nvsp_parse(&msg, bytes, len, HVP_NVSP_TO_GUEST, version), 0))
		return -EINVAL;
	return hvw_nvsp_indirection(&msg, version, table);
}

TAP_TEST(an_indirection_table_lies_inside_its_message)
{
	TAP_EQ(table_of(16, 12, 76, HVP_NVSP_6_1), 0);
	TAP_EQ(table_of(16, 12, 75, HVP_NVSP_6_1), -EPROTO);
	TAP_EQ(table_of(16, 13, 76, HVP_NVSP_6_1), -EPROTO);
	TAP_EQ(table_of(16, 11, 76, HVP_NVSP_6_1), -EPROTO);
	TAP_EQ(table_of(16, 0xfffffffc, 76, HVP_NVSP_6_1), -EPROTO);
	TAP_EQ(table_of(16, 0, 76, HVP_NVSP_6_1), -EPROTO);
	TAP_EQ(table_of(15, 12, 76, HVP_NVSP_6_1), -EPROTO);
	TAP_EQ(table_of(17, 12, 80, HVP_NVSP_6_1), -EPROTO);
	/* Long messages of old hosts alone are known not to mean their offset. */
	TAP_EQ(table_of(16, 500, 104, HVP_NVSP_6), 0);
	TAP_EQ(table_of(16, 500, 103, HVP_NVSP_6), -EPROTO);
	TAP_EQ(table_of(16, 500, 104, HVP_NVSP_6_1), -EPROTO);
}

/* The judgement on a section of a 16 MiB buffer in a message of `len` bytes. */
static int section_of(struct hvp_nvsp_recv_section section, uint32_t count, size_t len)
{
	struct hvw_nvsp msg, built;
	struct hvp_nvsp_recv_section found;

	hvw_nvsp_init(&built, HVP_NVSP_SEND_RECV_BUF_COMPLETE);
	built.u.SEND_RECV_BUF_COMPLETE.section_count = count;
	built.u.SEND_RECV_BUF_COMPLETE.section = section;
	if (!TAP_EQ(hvw_nvsp_parse(&msg, built.u.bytes, len, HVP_NVSP_TO_GUEST, HVP_NVSP_5), 0))
		return -EINVAL;
	return hvw_nvsp_recv_section(&msg, 68, 16u << 20, &found);
}

TAP_TEST(a_receive_section_fits_its_buffer)
{
	const struct hvp_nvsp_recv_section good = { 0, 1024, 16384, 16u << 20 };
	struct hvp_nvsp_recv_section section = good;

	TAP_EQ(section_of(good, 1, 28), 0);
	TAP_EQ(section_of(good, 1, 27), -EPROTO);
	TAP_EQ(section_of(good, 0, 28), -EPROTO);
	TAP_EQ(section_of(good, 2, 28), -EPROTO);
	section.offset = 8;
	TAP_EQ(section_of(section, 1, 28), -EPROTO);
	section = good;
	section.count++;
	TAP_EQ(section_of(section, 1, 28), -EPROTO);
	section.count = 0;
	TAP_EQ(section_of(section, 1, 28), -EPROTO);
	section = good;
	section.size = 67;
	TAP_EQ(section_of(section, 1, 28), -EPROTO);
	/* The product has more than 32 bits. */
	section.size = 0x10000;
	section.count = 0x10001;
	TAP_EQ(section_of(section, 1, 28), -EPROTO);
}

TAP_MAIN()
