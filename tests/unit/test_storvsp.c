/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Messages of the storage protocol, SCSI commands, sense data and UNMAP lists that are cut short or make no sense.
 */
#include "hvw_scsi.h"
#include "hvw_storvsp.h"
#include "tap.h"

/* Parses a message of `len` bytes, all zeros behind the operation but what makes a command, at the very end of its memory. */
static int parse(struct hvw_storvsp *msg, uint32_t operation, size_t len, unsigned direction,
		 uint32_t version)
{
	uint8_t *bytes = calloc(len ? len : 1, 1);
	int err;

	memcpy(bytes, &operation, len < sizeof(operation) ? len : sizeof(operation));
	if (len > offsetof(struct hvp_storvsp_srb, cdb_length))
		bytes[offsetof(struct hvp_storvsp_srb, cdb_length)] = 6;
	err = hvw_storvsp_parse(msg, bytes, len, direction, version);
	free(bytes);
	return err;
}

TAP_TEST(a_message_needs_its_fields_and_its_version)
{
	struct hvw_storvsp msg;

#define CHECK(number, name, structure, least, direction, since)                                    \
	TAP_EQ(parse(&msg, number, least, direction, HVP_STORVSP_6_2), 0);                         \
	TAP_EQ(parse(&msg, number, (least)-1, direction, HVP_STORVSP_6_2), -EPROTO);               \
	TAP_EQ(parse(&msg, number, 64, direction, since), 0);                                      \
	TAP_EQ(parse(&msg, number, 64, direction, (since)-1), -EOPNOTSUPP);                        \
	TAP_EQ(parse(&msg, number, 64, HVP_STORVSP_TO_GUEST ^ HVP_STORVSP_TO_HOST ^ (direction),   \
		     HVP_STORVSP_6_2),                                                             \
	       -EOPNOTSUPP);
	HVP_STORVSP_LIST(CHECK)
#undef CHECK
	TAP_EQ(parse(&msg, HVP_STORVSP_BEGIN_INITIALIZATION, 11, HVP_STORVSP_TO_HOST, 0), -EPROTO);
	TAP_EQ(parse(&msg, HVP_STORVSP_BEGIN_INITIALIZATION, 0, HVP_STORVSP_TO_HOST, 0), -EPROTO);
}

TAP_TEST(set_up_begins_without_a_version)
{
	struct hvw_storvsp msg;

	TAP_EQ(parse(&msg, HVP_STORVSP_BEGIN_INITIALIZATION, 48, HVP_STORVSP_TO_HOST, 0), 0);
	TAP_EQ(parse(&msg, HVP_STORVSP_QUERY_PROTOCOL_VERSION, 48, HVP_STORVSP_TO_HOST, 0), 0);
	TAP_EQ(parse(&msg, HVP_STORVSP_CREATE_SUB_CHANNELS, 48, HVP_STORVSP_TO_HOST, 0),
	       -EOPNOTSUPP);
}

TAP_TEST(an_unknown_operation_is_told_from_a_broken_message)
{
	struct hvw_storvsp msg;

	TAP_EQ(parse(&msg, 0, 64, HVP_STORVSP_TO_HOST, HVP_STORVSP_6_2), -EOPNOTSUPP);
	TAP_EQ(parse(&msg, 12, 64, HVP_STORVSP_TO_HOST, HVP_STORVSP_6_2), -EOPNOTSUPP);
	TAP_EQ(parse(&msg, HVP_STORVSP_END, 64, HVP_STORVSP_TO_HOST, HVP_STORVSP_6_2), -EOPNOTSUPP);
	TAP_EQ(msg.u.h.operation, HVP_STORVSP_END);
	TAP_EQ(msg.len, 64);
}

/* The request of the tests, with one byte changed. */
static int parse_srb(size_t at, uint8_t value)
{
	struct hvw_storvsp msg, sent;

	hvw_storvsp_init(&sent, HVP_STORVSP_EXECUTE_SRB);
	sent.u.srb.cdb_length = 16;
	sent.u.bytes[at] = value;
	return hvw_storvsp_parse(&msg, sent.u.bytes, 64, HVP_STORVSP_TO_HOST, HVP_STORVSP_5_1);
}

TAP_TEST(a_request_needs_a_command_of_1_to_16_bytes_and_a_direction)
{
	TAP_EQ(parse_srb(offsetof(struct hvp_storvsp_srb, cdb_length), 16), 0);
	TAP_EQ(parse_srb(offsetof(struct hvp_storvsp_srb, cdb_length), 17), -EPROTO);
	TAP_EQ(parse_srb(offsetof(struct hvp_storvsp_srb, cdb_length), 255), -EPROTO);
	TAP_EQ(parse_srb(offsetof(struct hvp_storvsp_srb, cdb_length), 1), 0);
	TAP_EQ(parse_srb(offsetof(struct hvp_storvsp_srb, cdb_length), 0), -EPROTO);
	TAP_EQ(parse_srb(offsetof(struct hvp_storvsp_srb, data_in), 2), 0);
	TAP_EQ(parse_srb(offsetof(struct hvp_storvsp_srb, data_in), 3), -EPROTO);
}

TAP_TEST(fields_behind_the_end_are_zero_and_a_long_tail_is_ignored)
{
	struct hvw_storvsp msg;
	uint8_t bytes[100];

	memset(bytes, 0x55, sizeof(bytes));
	memcpy(bytes, "\x09\0\0\0", 4);
	TAP_EQ(hvw_storvsp_parse(&msg, bytes, 48, HVP_STORVSP_TO_HOST, HVP_STORVSP_6_2), 0);
	TAP_EQ(msg.len, 48);
	TAP_EQ(msg.u.bytes[47], 0x55);
	TAP_EQ(msg.u.bytes[48], 0);
	TAP_EQ(hvw_storvsp_parse(&msg, bytes, 100, HVP_STORVSP_TO_HOST, HVP_STORVSP_6_2), 0);
	TAP_EQ(msg.len, 64);
}

TAP_TEST(versions_have_names_and_lengths)
{
#define CHECK(name, text, number, bytes)                                                           \
	TAP_CHECK(hvw_storvsp_version_known(number));                                              \
	TAP_STR_EQ(hvw_storvsp_version_name(number), text);                                        \
	TAP_EQ(hvw_storvsp_bytes(number), bytes);
	HVP_STORVSP_VERSION_LIST(CHECK)
#undef CHECK
	TAP_CHECK(!hvw_storvsp_version_known(0x0700));
	TAP_STR_EQ(hvw_storvsp_version_name(0), "none");
	TAP_EQ(hvw_storvsp_bytes(0), HVP_STORVSP_BYTES_OLD);
}

/* --- SCSI -------------------------------------------------------------------------------------------- */

TAP_TEST(every_command_has_the_length_of_its_group)
{
	uint8_t bytes[HVP_CDB_BYTES] = { 0 };
	struct hvw_cdb cdb;

#define CHECK(number, name, length)                                                                \
	bytes[0] = (number);                                                                       \
	TAP_EQ(hvw_cdb_bytes(number), length);                                                     \
	TAP_EQ(hvw_cdb_parse(&cdb, bytes, length), 0);                                             \
	TAP_EQ(hvw_cdb_parse(&cdb, bytes, (length)-1), -EPROTO);
	HVP_SCSI_OP_LIST(CHECK)
#undef CHECK
	TAP_EQ(hvw_cdb_parse(&cdb, bytes, 0), -EPROTO);
	for (unsigned op = 0; op < 256; op++) {
		bytes[0] = (uint8_t)op;
		if (op >> 5 == 3 || op >> 5 >= 6)
			TAP_EQ(hvw_cdb_parse(&cdb, bytes, sizeof(bytes)), -EPROTO);
	}
}

TAP_TEST(sense_data_is_taken_in_fixed_format_alone)
{
	struct hvp_sense sense;
	uint8_t key = 0;
	uint16_t asc = 0;

	hvw_sense_build(&sense, HVP_SENSE_DATA_PROTECT, HVP_ASC_WRITE_PROTECTED);
	TAP_EQ(hvw_sense_parse((uint8_t *)&sense, sizeof(sense), &key, &asc), 0);
	TAP_EQ(key, HVP_SENSE_DATA_PROTECT);
	TAP_EQ(asc, HVP_ASC_WRITE_PROTECTED);
	TAP_EQ(hvw_sense_parse((uint8_t *)&sense, 14, &key, &asc), 0);
	TAP_EQ(hvw_sense_parse((uint8_t *)&sense, 13, &key, &asc), -EPROTO);
	sense.response = 0x72;
	TAP_EQ(hvw_sense_parse((uint8_t *)&sense, sizeof(sense), &key, &asc), -EPROTO);
	sense.response = 0x80 | HVP_SENSE_FIXED;
	TAP_EQ(hvw_sense_parse((uint8_t *)&sense, sizeof(sense), &key, &asc), 0);
}

/* The result of a list of one descriptor with these lengths in it, in memory of exactly `len` bytes. */
static int walk(uint16_t whole, uint16_t descriptors, size_t len)
{
	uint8_t *bytes = calloc(len ? len : 1, 1), head[4];
	struct hvw_unmap_iter iter;
	struct hvw_unmap unmap;
	int err, count = 0;

	hvw_put_be16(head, whole);
	hvw_put_be16(head + 2, descriptors);
	memcpy(bytes, head, len < sizeof(head) ? len : sizeof(head));
	err = hvw_unmap_iter_init(&iter, bytes, len);
	while (!err && !hvw_unmap_iter_next(&iter, &unmap))
		count++;
	free(bytes);
	return err ? err : count;
}

TAP_TEST(an_unmap_list_lies_inside_its_bytes)
{
	TAP_EQ(walk(22, 16, 24), 1);
	TAP_EQ(walk(6, 0, 8), 0);
	TAP_EQ(walk(22, 0, 24), 0);
	TAP_EQ(walk(22, 16, 23), -EPROTO);
	TAP_EQ(walk(23, 16, 24), -EPROTO);
	TAP_EQ(walk(21, 16, 24), -EPROTO);
	TAP_EQ(walk(38, 32, 24), -EPROTO);
	TAP_EQ(walk(22, 32, 24), -EPROTO);
	TAP_EQ(walk(22, 15, 24), -EPROTO);
	TAP_EQ(walk(0, 0, 8), -EPROTO);
	TAP_EQ(walk(5, 0, 8), -EPROTO);
	TAP_EQ(walk(0xffff, 0xfff0, 24), -EPROTO);
	TAP_EQ(walk(6, 0, 7), -EPROTO);
	TAP_EQ(walk(6, 0, 0), -EPROTO);
}

TAP_TEST(an_unmap_list_is_not_built_beyond_its_room)
{
	const struct hvw_unmap unmap[2] = { { 1, 1 }, { 2, 2 } };
	uint8_t bytes[40];

	TAP_EQ(hvw_unmap_build(bytes, 40, unmap, 2), 40);
	TAP_EQ(hvw_unmap_build(bytes, 39, unmap, 2), -EMSGSIZE);
	TAP_EQ(hvw_unmap_build(bytes, 7, unmap, 0), -EMSGSIZE);
}

TAP_MAIN()
