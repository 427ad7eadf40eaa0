/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Byte vectors of synthetic storage: messages, commands, sense data.
 */
#include "golden/vectors.h"
#include "hvw_scsi.h"
#include "hvw_storvsp.h"

/* --- messages ---------------------------------------------------------------------------------------- */

/* The fields of each vector. A message of HVP_STORVSP_LIST without a list here does not compile. */
/* clang-format off */
#define FIELDS_COMPLETE_IO(N)		N(h.status, HVP_STORVSP_STATUS_SUCCESS)
#define FIELDS_REMOVE_DEVICE(N)
#define FIELDS_EXECUTE_SRB(N)                                                                      \
	N(h.flags, 1) N(srb.length, 52) N(srb.port, 2) N(srb.lun, 3) N(srb.cdb_length, 10)         \
	N(srb.sense_length, HVP_SENSE_ROOM) N(srb.data_in, HVP_STORVSP_READ)                       \
	N(srb.transfer_length, 4096) N(srb.cdb[0], HVP_SCSI_READ_10) N(srb.cdb[4], 8)              \
	N(srb.cdb[8], 8) N(srb.queue_tag, 0xff) N(srb.queue_action, 0x20) N(srb.flags, 0x14a)      \
	N(srb.timeout_seconds, 60)
#define FIELDS_RESET(N)                                                                            \
	N(h.flags, 1) N(srb.length, 52) N(srb.path, 1) N(srb.target, 1) N(srb.lun, 5)
#define FIELDS_RESET_LUN(N)		FIELDS_RESET(N)
#define FIELDS_RESET_ADAPTER(N)		FIELDS_RESET(N)
#define FIELDS_RESET_BUS(N)		FIELDS_RESET(N)
#define FIELDS_BEGIN_INITIALIZATION(N)	N(h.flags, 1)
#define FIELDS_END_INITIALIZATION(N)	N(h.flags, 1)
#define FIELDS_QUERY_PROTOCOL_VERSION(N) N(h.flags, 1) N(query_version.version, HVP_STORVSP_6_2)
#define FIELDS_QUERY_PROPERTIES(N)	N(h.flags, 1)
#define FIELDS_ENUMERATE_BUS(N)
#define FIELDS_CREATE_SUB_CHANNELS(N)	N(h.flags, 1) N(sub_channels.count, 3)
/* clang-format on */

#define SET_FIELD(field, value) built.u.field = (value);
#define IS_FIELD(field, value)	TAP_EQ((uint64_t)parsed.u.field, (uint64_t)(value));

#define STORVSP_VECTOR(number, name, structure, least, direction, since)                           \
	static void vector_##name(void)                                                            \
	{                                                                                          \
		struct hvw_storvsp built, parsed;                                                  \
		struct vector v;                                                                   \
                                                                                                   \
		TAP_REQUIRE(load(&v, "storvsp/" #name));                                           \
		hvw_storvsp_init(&built, HVP_STORVSP_##name);                                      \
		FIELDS_##name(SET_FIELD)                                                           \
			TAP_CHECK(same_bytes(&v, built.u.bytes, HVP_STORVSP_BYTES));               \
		TAP_REQUIRE(                                                                       \
			!hvw_storvsp_parse(&parsed, v.bytes, v.len, direction, HVP_STORVSP_6_2));  \
		TAP_EQ(parsed.len, v.len);                                                         \
		TAP_EQ(parsed.u.h.operation, number);                                              \
		FIELDS_##name(IS_FIELD)                                                            \
	}
HVP_STORVSP_LIST(STORVSP_VECTOR)

TAP_TEST(every_storage_message_has_its_vector)
{
#define RUN_STORVSP(number, name, structure, least, direction, since) vector_##name();
	HVP_STORVSP_LIST(RUN_STORVSP)
#undef RUN_STORVSP
}

TAP_TEST(the_shorter_request_of_old_versions_has_its_vector)
{
	struct hvw_storvsp parsed;
	struct vector v;

	TAP_REQUIRE(load(&v, "storvsp/EXECUTE_SRB-old"));
	TAP_EQ(v.len, HVP_STORVSP_BYTES_OLD);
	TAP_REQUIRE(
		!hvw_storvsp_parse(&parsed, v.bytes, v.len, HVP_STORVSP_TO_HOST, HVP_STORVSP_2_0));
	TAP_EQ(parsed.u.srb.length, 36);
	TAP_EQ(parsed.u.srb.cdb_length, 6);
	TAP_EQ(parsed.u.srb.sense_length, HVP_SENSE_OLD);
	TAP_EQ(parsed.u.srb.data_in, HVP_STORVSP_NO_DATA);
	TAP_EQ(parsed.u.srb.flags, 0);
}

TAP_TEST(the_controllers_properties_have_their_vector)
{
	struct hvw_storvsp parsed, built;
	struct vector v;

	TAP_REQUIRE(load(&v, "storvsp/properties"));
	hvw_storvsp_init(&built, HVP_STORVSP_COMPLETE_IO);
	built.u.properties.sub_channels_max = 7;
	built.u.properties.flags = HVP_STORVSP_MULTI_CHANNEL;
	built.u.properties.transfer_max = 256 << 10;
	built.u.properties.unique_id = 0x1122334455667788;
	TAP_CHECK(same_bytes(&v, built.u.bytes, HVP_STORVSP_BYTES));
	TAP_REQUIRE(
		!hvw_storvsp_parse(&parsed, v.bytes, v.len, HVP_STORVSP_TO_GUEST, HVP_STORVSP_5_1));
	TAP_EQ(parsed.u.properties.sub_channels_max, 7);
	TAP_EQ(parsed.u.properties.unique_id, 0x1122334455667788);
}

TAP_TEST(a_check_condition_has_its_vector)
{
	struct hvw_storvsp parsed;
	struct vector v;
	uint8_t key = 0;
	uint16_t asc = 0;

	TAP_REQUIRE(load(&v, "storvsp/check-condition"));
	TAP_REQUIRE(
		!hvw_storvsp_parse(&parsed, v.bytes, v.len, HVP_STORVSP_TO_GUEST, HVP_STORVSP_6_2));
	TAP_EQ(parsed.u.h.status, HVP_STORVSP_STATUS_IO_ERROR);
	TAP_EQ(parsed.u.srb.srb_status, HVP_SRB_ERROR | HVP_SRB_SENSE_VALID);
	TAP_EQ(parsed.u.srb.scsi_status, HVP_SCSI_CHECK_CONDITION);
	TAP_REQUIRE(!hvw_sense_parse(parsed.u.srb.sense, parsed.u.srb.sense_length, &key, &asc));
	TAP_EQ(key, HVP_SENSE_UNIT_ATTENTION);
	TAP_EQ(asc, HVP_ASC_CAPACITY_CHANGED);
}

/* --- commands ---------------------------------------------------------------------------------------- */

static void check_cdb(const char *name, uint8_t op, uint8_t flags, uint64_t lba, uint32_t length)
{
	const struct hvw_cdb cdb = { op, flags, length, lba };
	uint8_t built[HVP_CDB_BYTES];
	struct hvw_cdb parsed;
	struct vector v;

	TAP_REQUIRE(load(&v, name));
	hvw_cdb_build(built, &cdb);
	TAP_CHECK(same_bytes(&v, built, hvw_cdb_bytes(op)));
	TAP_REQUIRE(!hvw_cdb_parse(&parsed, v.bytes, v.len));
	TAP_EQ(parsed.op, op);
	TAP_EQ(parsed.lba, lba);
	TAP_EQ(parsed.length, length);
}

TAP_TEST(commands_of_every_length_have_their_vectors)
{
	check_cdb("scsi/READ_6", HVP_SCSI_READ_6, 0, 0x123456, 7);
	check_cdb("scsi/WRITE_10", HVP_SCSI_WRITE_10, HVP_CDB_FUA, 0x89abcdef, 0x102);
	check_cdb("scsi/READ_12", HVP_SCSI_READ_12, 0, 0x01020304, 0x10203);
	check_cdb("scsi/WRITE_16", HVP_SCSI_WRITE_16, 0, 0x1122334455667788, 0x40);
}

TAP_TEST(sense_data_has_its_vector)
{
	struct hvp_sense sense;
	struct vector v;

	TAP_REQUIRE(load(&v, "scsi/sense"));
	hvw_sense_build(&sense, HVP_SENSE_NOT_READY, 0x3a01);
	TAP_CHECK(same_bytes(&v, &sense, sizeof(sense)));
}

TAP_TEST(an_unmap_list_has_its_vector)
{
	static const struct hvw_unmap unmap[2] = { { 2048, 256 }, { 1ull << 32, 0xffffffff } };
	struct hvw_unmap_iter iter;
	struct hvw_unmap found;
	uint8_t built[64];
	struct vector v;

	TAP_REQUIRE(load(&v, "scsi/unmap"));
	TAP_EQ(hvw_unmap_build(built, sizeof(built), unmap, 2), 40);
	TAP_CHECK(same_bytes(&v, built, 40));
	TAP_REQUIRE(!hvw_unmap_iter_init(&iter, v.bytes, v.len));
	for (unsigned i = 0; i < 2; i++) {
		TAP_REQUIRE(!hvw_unmap_iter_next(&iter, &found));
		TAP_EQ(found.lba, unmap[i].lba);
		TAP_EQ(found.blocks, unmap[i].blocks);
	}
	TAP_EQ(hvw_unmap_iter_next(&iter, &found), -EAGAIN);
}

TAP_TEST(every_storage_vector_was_read)
{
	every_vector_was_read("storvsp");
	every_vector_was_read("scsi");
}

TAP_MAIN()
