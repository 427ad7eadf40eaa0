/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The disks of the SCSI controller: each command, what it moves, and what it says when it cannot.
 */
#include <errno.h>

#include "tests/unit/scsi_world.h"

/* --- what describes a disk --------------------------------------------------------------------------- */

TAP_TEST(inquiry_tells_of_a_virtual_disk)
{
	struct scsi_guest *n = world();
	const uint8_t cdb[16] = { HVP_SCSI_INQUIRY, 0, 0, 0, 255 };
	const uint8_t absent[8] = { 0x7f, 0, 5, 2, 99 };

	TAP_EQ(data_in(n, 0, cdb, 255), 104);
	TAP_EQ(n->data[0], 0);
	TAP_EQ(n->data[2], 5);
	TAP_EQ(n->data[3], 2);
	TAP_EQ(n->data[4], 99);
	TAP_EQ(n->data[7], 2);
	TAP_MEM_EQ(n->data + 8, "Msft    Virtual Disk    1.0 ", 28);
	TAP_EQ(hvw_be16(n->data + 60), 0x04c0);
	TAP_EQ(data_in(n, 0, cdb, 36), 36);
	TAP_EQ(data_in(n, 9, cdb, 255), 104);
	TAP_MEM_EQ(n->data, absent, sizeof(absent));
	end(n);
}

TAP_TEST(answers_are_cut_to_what_was_asked_for)
{
	struct scsi_guest *n = world();
	uint8_t cdb[16] = { HVP_SCSI_INQUIRY, 0, 0, 0, 5 };

	TAP_EQ(data_in(n, 0, cdb, 255), 5);
	cdb[4] = 0;
	TAP_EQ(data_in(n, 0, cdb, 255), 0);
	TAP_EQ(data_in(n, 0, cdb, 0), 0);
	/* Data in the wrong direction. */
	TAP_CHECK(scsi_guest_command(n, 0, cdb, HVP_STORVSP_WRITE, 255));
	TAP_EQ(outcome(n), INVALID_FIELD);
	cdb[1] = 2;
	TAP_EQ(data_in(n, 0, cdb, 255), -(int)INVALID_FIELD);
	cdb[1] = 0;
	cdb[2] = 0x80;
	TAP_EQ(data_in(n, 0, cdb, 255), -(int)INVALID_FIELD);
	end(n);
}

static int vpd(struct scsi_guest *n, unsigned lun, uint8_t page)
{
	const uint8_t cdb[16] = { HVP_SCSI_INQUIRY, HVP_CDB_EVPD, page, 2, 0 };
	int len = data_in(n, lun, cdb, 512);

	if (len < 0)
		return len;
	TAP_EQ(n->data[0], 0);
	TAP_EQ(n->data[1], page);
	TAP_EQ(hvw_be16(n->data + 2), len - 4);
	return len;
}

TAP_TEST(product_data_pages_are_those_that_are_listed)
{
	struct scsi_guest *n = world();
	uint8_t listed[256] = { 0 };

	for (unsigned lun = 0; lun < 6; lun += 5) {
		int len = vpd(n, lun, 0);

		memset(listed, 0, sizeof(listed));
		for (int i = 4; i < len; i++)
			listed[n->data[i]] = 1;
		for (unsigned page = 0; page < 256; page++) {
			if (listed[page])
				TAP_CHECK(vpd(n, lun, (uint8_t)page) > 4);
			else
				TAP_EQ(vpd(n, lun, (uint8_t)page), -(int)INVALID_FIELD);
		}
		TAP_EQ(listed[0x80], lun == 0);
		TAP_EQ(listed[0xb2], lun == 0);
		TAP_CHECK(listed[0x83] && listed[0xb0] && listed[0xb1]);
	}
	TAP_EQ(vpd(n, 9, 0x83), -(int)INVALID_FIELD);
	end(n);
}

TAP_TEST(a_disk_is_known_by_its_serial_number_and_its_identifier)
{
	struct scsi_guest *n = world();
	static const uint8_t naa[20] = {
		1,    3,    0,	  16,	0x60, 0x02, 0x24, 0x80, 0x10, 0x10,
		0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10
	};

	TAP_EQ(vpd(n, 0, 0x80), 12);
	TAP_MEM_EQ(n->data + 4, "serial-0", 8);
	TAP_EQ(vpd(n, 0, 0x83), 52);
	TAP_EQ(n->data[7], 24);
	TAP_MEM_EQ(n->data + 8, "Msft    ", 8);
	TAP_MEM_EQ(n->data + 32, naa, sizeof(naa));
	end(n);
}

TAP_TEST(block_limits_are_in_the_disks_blocks)
{
	struct scsi_guest *n = world();

	for (unsigned lun = 0; lun < 2; lun++) {
		unsigned block = lun ? 4096 : 512;

		TAP_EQ(vpd(n, lun, 0xb0), 64);
		TAP_EQ(hvw_be16(n->data + 6), 4096 / block);
		TAP_EQ(hvw_be32(n->data + 8), HVH_SCSI_TRANSFER_MAX / block);
		TAP_EQ(hvw_be32(n->data + 20), (4ull << 30) / block);
		TAP_EQ(hvw_be32(n->data + 24), 255);
		TAP_EQ(hvw_be32(n->data + 28), 4096 / block);
		TAP_EQ(hvw_be32(n->data + 32), 0x80000000);
		TAP_EQ(hvw_be64(n->data + 36), (64u << 20) / block);
	}
	/* A disk that gives nothing back. */
	TAP_EQ(vpd(n, 5, 0xb0), 64);
	TAP_EQ(hvw_be32(n->data + 20), 0);
	TAP_EQ(vpd(n, 0, 0xb1), 64);
	TAP_EQ(hvw_be16(n->data + 4), 1);
	TAP_EQ(vpd(n, 0, 0xb2), 8);
	TAP_EQ(n->data[5], 0xe4);
	TAP_EQ(n->data[6], 2);
	end(n);
}

TAP_TEST(capacity_is_told_in_both_lengths)
{
	struct scsi_guest *n = world();
	const uint8_t ten[16] = { HVP_SCSI_READ_CAPACITY_10 };
	uint8_t sixteen[16] = { HVP_SCSI_SERVICE_ACTION_IN_16, 0x10, [13] = 32 };

	TAP_EQ(data_in(n, 0, ten, 8), 8);
	TAP_EQ(hvw_be32(n->data), 2047);
	TAP_EQ(hvw_be32(n->data + 4), 512);
	TAP_EQ(data_in(n, 0, sixteen, 32), 32);
	TAP_EQ(hvw_be64(n->data), 2047);
	TAP_EQ(n->data[13], 3);
	TAP_EQ(n->data[14], 0xc0);
	TAP_EQ(data_in(n, 1, sixteen, 32), 32);
	TAP_EQ(hvw_be64(n->data), 255);
	TAP_EQ(hvw_be32(n->data + 8), 4096);
	TAP_EQ(n->data[13], 0);
	TAP_EQ(data_in(n, 5, sixteen, 32), 32);
	TAP_EQ(n->data[14], 0);
	sixteen[1] = 0x12;
	TAP_EQ(data_in(n, 0, sixteen, 32), -(int)INVALID_FIELD);
	/* Beyond 2 TiB the short form only says so. */
	TAP_EQ(hvh_scsi_resize(scsi_guest_device(n), 0, 3ull << 40), 0);
	TAP_EQ(scsi_guest_take(n, SCSI_GUEST_CHANNEL), 0);
	TAP_CHECK(data_in(n, 0, ten, 8) < 0);
	TAP_EQ(data_in(n, 0, ten, 8), 8);
	TAP_EQ(hvw_be32(n->data), 0xffffffff);
	end(n);
}

TAP_TEST(luns_are_listed_from_any_of_them)
{
	struct scsi_guest *n = world();
	uint8_t cdb[16] = { HVP_SCSI_REPORT_LUNS, [8] = 2 };

	for (unsigned lun = 0; lun < 2; lun++) {
		TAP_EQ(data_in(n, lun ? 33 : 0, cdb, 512), 32);
		TAP_EQ(hvw_be32(n->data), 24);
		TAP_EQ(n->data[9], 0);
		TAP_EQ(n->data[17], 1);
		TAP_EQ(n->data[25], 5);
	}
	cdb[8] = 0;
	cdb[9] = 16;
	TAP_EQ(data_in(n, 0, cdb, 512), 16);
	TAP_EQ(hvw_be32(n->data), 24);
	end(n);
}

TAP_TEST(supported_commands_are_told_one_by_one_and_all)
{
	struct scsi_guest *n = world();
	uint8_t cdb[16] = { HVP_SCSI_MAINTENANCE_IN, 0x0c, [8] = 4 };
	uint8_t listed[256] = { 0 };
	int len = data_in(n, 0, cdb, 1024);

	TAP_EQ(hvw_be32(n->data), len - 4);
	for (int i = 4; i < len; i += 8) {
		listed[n->data[i]] = 1;
		TAP_EQ(hvw_be16(n->data + i + 6), hvw_cdb_bytes(n->data[i]));
	}
	for (unsigned op = 0; op < 256; op++) {
		bool action = op == 0x9e || op == 0xa3;

		cdb[2] = action ? 2 : 1;
		cdb[3] = (uint8_t)op;
		cdb[5] = op == 0x9e ? 0x10 : action ? 0x0c : 0;
		TAP_CHECK(data_in(n, 0, cdb, 1024) >= 4);
		TAP_EQ(n->data[1], listed[op] ? 3 : 1);
		if (listed[op])
			TAP_EQ(n->data[4], op);
	}
	cdb[2] = 1;
	cdb[3] = 0x9e;
	TAP_EQ(data_in(n, 0, cdb, 1024), -(int)INVALID_FIELD);
	cdb[2] = 3;
	TAP_EQ(data_in(n, 0, cdb, 1024), -(int)INVALID_FIELD);
	end(n);
}

TAP_TEST(supported_commands_are_told_with_their_timeouts_if_these_are_asked_for)
{
	struct scsi_guest *n = world();
	uint8_t cdb[16] = { HVP_SCSI_MAINTENANCE_IN, 0x0c, 0x80, [8] = 4 };
	int len = data_in(n, 0, cdb, 1024);

	TAP_EQ(hvw_be32(n->data), len - 4);
	TAP_EQ((len - 4) % 20, 0);
	for (int i = 4; i < len; i += 20) {
		TAP_EQ(n->data[i + 5] & 0x02, 0x02);
		TAP_EQ(hvw_be16(n->data + i + 8), 10);
	}
	cdb[2] = 0x81;
	cdb[3] = HVP_SCSI_READ_10;
	TAP_EQ(data_in(n, 0, cdb, 1024), 4 + 10 + 12);
	TAP_EQ(n->data[1], 0x83);
	TAP_EQ(n->data[4], HVP_SCSI_READ_10);
	TAP_EQ(hvw_be16(n->data + 14), 10);
	cdb[3] = 0xff;
	TAP_EQ(data_in(n, 0, cdb, 1024), 4);
	TAP_EQ(n->data[1], 1);
	end(n);
}

TAP_TEST(a_command_is_listed_exactly_if_it_is_carried_out)
{
	struct scsi_guest *n = world();

	for (unsigned op = 0; op < 256; op++) {
		uint8_t cdb[16] = { (uint8_t)op },
			ask[16] = { HVP_SCSI_MAINTENANCE_IN, 0x0c, 1, (uint8_t)op, [9] = 255 };
		bool listed;

		if (op == 0x9e || op == 0xa3)
			continue;
		TAP_CHECK(data_in(n, 0, ask, 255) >= 4);
		listed = n->data[1] == 3;
		TAP_CHECK(scsi_guest_command(n, 0, cdb, HVP_STORVSP_NO_DATA, 0));
		TAP_EQ(outcome(n) != INVALID_OPCODE, listed);
	}
	end(n);
}

/* --- mode pages -------------------------------------------------------------------------------------- */

static int mode_sense(struct scsi_guest *n, bool ten, uint8_t flags, uint8_t page)
{
	uint8_t cdb[16] = { ten ? HVP_SCSI_MODE_SENSE_10 : HVP_SCSI_MODE_SENSE_6, flags, page };

	cdb[ten ? 8 : 4] = 255;
	return data_in(n, 0, cdb, 255);
}

TAP_TEST(mode_pages_are_told_in_both_lengths)
{
	struct scsi_guest *n = world();
	int all_pages = 12 + 20 + 12 + 12;

	TAP_EQ(mode_sense(n, false, 0, 0x3f), 4 + 8 + all_pages);
	TAP_EQ(n->data[0], 4 + 8 + all_pages - 1);
	TAP_EQ(n->data[2], 0x10);
	TAP_EQ(n->data[3], 8);
	TAP_EQ(hvw_be32(n->data + 4), 2048);
	TAP_EQ(hvw_be32(n->data + 8), 512);
	TAP_EQ(n->data[12], 0x01);
	TAP_EQ(mode_sense(n, true, 8, 0x3f), 8 + all_pages);
	TAP_EQ(hvw_be16(n->data), 8 + all_pages - 2);
	TAP_EQ(hvw_be16(n->data + 6), 0);
	TAP_EQ(mode_sense(n, false, 8, 0x08), 4 + 20);
	TAP_EQ(n->data[4], 0x08);
	TAP_EQ(n->data[5], 0x12);
	TAP_EQ(n->data[6], 0x04);
	TAP_EQ(mode_sense(n, false, 8, 0x40 | 0x08), 4 + 20);
	TAP_EQ(n->data[6], 0x04);
	TAP_EQ(mode_sense(n, false, 8, 0x40 | 0x0a), 4 + 12);
	TAP_CHECK(all(n->data + 6, 0, 10));
	TAP_EQ(mode_sense(n, false, 8, 0x02), -(int)INVALID_FIELD);
	TAP_EQ(mode_sense(n, false, 8, 0xc0 | 0x08), -(int)ILLEGAL(HVP_ASC_SAVING_NOT_SUPPORTED));
	end(n);
}

TAP_TEST(a_read_only_disk_says_so_and_is_not_written)
{
	struct scsi_guest *n = world_with(1);
	const struct hvw_unmap unmap = { 0, 8 };

	TAP_EQ(mode_sense(n, false, 0, 0x3f), 68);
	TAP_EQ(n->data[2], 0x90);
	TAP_EQ(blocks(n, 0, HVP_SCSI_WRITE_10, 0, 0, 1, 512), WRITE_PROTECTED);
	TAP_EQ(blocks(n, 0, HVP_SCSI_WRITE_VERIFY_16, 0, 0, 1, 512), WRITE_PROTECTED);
	TAP_EQ(blocks(n, 0, HVP_SCSI_WRITE_SAME_16, 0, 0, 1, 512), WRITE_PROTECTED);
	TAP_EQ(hvw_unmap_build(n->data, 24, &unmap, 1), 24);
	TAP_EQ(blocks(n, 0, HVP_SCSI_UNMAP, 0, 0, 24, 24), WRITE_PROTECTED);
	TAP_EQ(blocks(n, 0, HVP_SCSI_SYNCHRONIZE_CACHE_10, 0, 0, 0, 0), 0);
	TAP_EQ(n->requests, 0);
	TAP_EQ(blocks(n, 0, HVP_SCSI_READ_10, 0, 0, 1, 512), 0);
	end(n);
}

/* MODE SELECT(6) of `len` bytes of n->data. */
static uint32_t mode_select(struct scsi_guest *n, uint8_t flags, uint8_t len)
{
	const uint8_t cdb[16] = { HVP_SCSI_MODE_SELECT_6, flags, 0, 0, len };

	return scsi_guest_command(n, 0, cdb, HVP_STORVSP_WRITE, len) ? outcome(n) : 2;
}

TAP_TEST(the_write_cache_can_be_switched_off)
{
	struct scsi_guest *n = world();

	TAP_EQ(blocks(n, 0, HVP_SCSI_WRITE_10, 0, 0, 1, 512), 0);
	TAP_CHECK(!n->log[0].durable);
	/* What is there is taken as it is. */
	TAP_EQ(mode_sense(n, false, 0, 0x3f), 68);
	n->data[0] = 0;
	TAP_EQ(mode_select(n, 0x10, 68), 0);
	TAP_EQ(mode_sense(n, false, 8, 0x08), 24);
	n->data[6] = 0;
	TAP_EQ(mode_select(n, 0x10, 24), 0);
	TAP_EQ(n->requests, 2);
	TAP_EQ(n->log[1].op, HVH_DISK_FLUSH);
	TAP_EQ(mode_sense(n, false, 8, 0x08), 24);
	TAP_EQ(n->data[6], 0);
	TAP_EQ(blocks(n, 0, HVP_SCSI_WRITE_10, 0, 0, 1, 512), 0);
	TAP_CHECK(n->log[2].durable);
	TAP_EQ(mode_sense(n, false, 8, 0x08), 24);
	n->data[6] = 4;
	TAP_EQ(mode_select(n, 0x10, 24), 0);
	TAP_EQ(blocks(n, 0, HVP_SCSI_WRITE_10, 0, 0, 1, 512), 0);
	TAP_CHECK(!n->log[3].durable);
	end(n);
}

TAP_TEST(mode_pages_that_cannot_be_so_are_refused_and_change_nothing)
{
	static const struct {
		uint8_t at, value, len;
		uint32_t outcome;
	} wrong[] = {
		{ 4, 0x09, 24, ILLEGAL(HVP_ASC_INVALID_PARAMETER) },
		{ 5, 0x11, 24, ILLEGAL(HVP_ASC_INVALID_PARAMETER) },
		{ 5, 0x13, 24, ILLEGAL(HVP_ASC_INVALID_PARAMETER) },
		{ 6, 0x05, 24, ILLEGAL(HVP_ASC_INVALID_PARAMETER) },
		{ 23, 0x01, 24, ILLEGAL(HVP_ASC_INVALID_PARAMETER) },
		{ 3, 0x08, 24, ILLEGAL(HVP_ASC_INVALID_PARAMETER) },
		{ 3, 0xff, 24, ILLEGAL(HVP_ASC_INVALID_PARAMETER) },
		{ 0, 0, 23, ILLEGAL(HVP_ASC_INVALID_PARAMETER) },
		{ 0, 0, 5, ILLEGAL(HVP_ASC_INVALID_PARAMETER) },
		{ 0, 0, 3, ILLEGAL(HVP_ASC_PARAMETER_LENGTH) },
	};
	struct scsi_guest *n = world();

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		TAP_EQ(mode_sense(n, false, 8, 0x08), 24);
		n->data[0] = 0;
		n->data[6] = 0;
		n->data[wrong[i].at] = wrong[i].value;
		TAP_EQ(mode_select(n, 0x10, wrong[i].len), wrong[i].outcome);
	}
	TAP_EQ(mode_select(n, 0x11, 24), INVALID_FIELD);
	TAP_EQ(mode_select(n, 0, 24), INVALID_FIELD);
	TAP_EQ(mode_select(n, 0x10, 0), 0);
	TAP_EQ(mode_sense(n, false, 8, 0x08), 24);
	TAP_EQ(n->data[6], 4);
	TAP_EQ(n->requests, 0);
	end(n);
}

/* --- reading and writing ----------------------------------------------------------------------------- */

TAP_TEST(blocks_are_read_and_written_by_commands_of_every_length)
{
	static const struct {
		uint8_t read, write;
	} ops[] = { { HVP_SCSI_READ_6, HVP_SCSI_WRITE_6 },
		    { HVP_SCSI_READ_10, HVP_SCSI_WRITE_10 },
		    { HVP_SCSI_READ_12, HVP_SCSI_WRITE_12 },
		    { HVP_SCSI_READ_16, HVP_SCSI_WRITE_16 },
		    { HVP_SCSI_READ_10, HVP_SCSI_WRITE_VERIFY_10 },
		    { HVP_SCSI_READ_12, HVP_SCSI_WRITE_VERIFY_12 },
		    { HVP_SCSI_READ_16, HVP_SCSI_WRITE_VERIFY_16 } };
	struct scsi_guest *n = world();

	for (unsigned i = 0; i < 7; i++) {
		uint8_t value = (uint8_t)(0x40 + i);

		memset(n->data, value, 3 * 512);
		TAP_EQ(blocks(n, 0, ops[i].write, 0, 100, 3, 3 * 512), 0);
		TAP_EQ(n->answer.u.srb.transfer_length, 3 * 512);
		TAP_EQ(n->log[(n->requests - 1) % SCSI_GUEST_LOG].durable, i >= 4);
		TAP_CHECK(all(n->disk[0].bytes + 51200, value, 3 * 512));
		TAP_EQ(n->disk[0].bytes[51199], 0x11);
		TAP_EQ(n->disk[0].bytes[51200 + 3 * 512], 0x11);
		memset(n->data, 0, 4 * KIB);
		TAP_EQ(blocks(n, 0, ops[i].read, 0, 99, 5, 5 * 512), 0);
		TAP_EQ(n->data[511], 0x11);
		TAP_CHECK(all(n->data + 512, value, 3 * 512));
		TAP_EQ(n->data[4 * 512], 0x11);
	}
	end(n);
}

TAP_TEST(zero_blocks_are_256_in_the_shortest_command_and_none_in_the_others)
{
	struct scsi_guest *n = world();

	TAP_EQ(blocks(n, 0, HVP_SCSI_READ_6, 0, 0, 0, 256 * 512), 0);
	TAP_EQ(n->answer.u.srb.transfer_length, 256 * 512);
	TAP_EQ(blocks(n, 0, HVP_SCSI_READ_10, 0, 0, 0, 0), 0);
	TAP_EQ(n->answer.u.srb.transfer_length, 0);
	TAP_EQ(blocks(n, 0, HVP_SCSI_WRITE_16, 0, 2048, 0, 0), 0);
	TAP_EQ(n->requests, 1);
	end(n);
}

TAP_TEST(force_unit_access_makes_a_write_durable)
{
	struct scsi_guest *n = world();

	TAP_EQ(blocks(n, 0, HVP_SCSI_WRITE_10, HVP_CDB_FUA, 0, 1, 512), 0);
	TAP_CHECK(n->log[0].durable);
	TAP_EQ(blocks(n, 0, HVP_SCSI_WRITE_16, HVP_CDB_FUA, 0, 1, 512), 0);
	TAP_CHECK(n->log[1].durable);
	TAP_EQ(blocks(n, 0, HVP_SCSI_WRITE_12, 0, 0, 1, 512), 0);
	TAP_CHECK(!n->log[2].durable);
	/* In the shortest form that bit is one of the block's number. */
	TAP_EQ(blocks(n, 0, HVP_SCSI_WRITE_6, 0, 0x80000, 1, 512), OUT_OF_RANGE);
	end(n);
}

TAP_TEST(the_largest_transfer_goes_in_one_request)
{
	struct scsi_guest *n = world();
	struct hvw_storvsp m;

	hvw_storvsp_init(&m, 0);
	m.u.srb.cdb[0] = HVP_SCSI_READ_10;
	m.u.srb.cdb[7] = 2;
	m.u.srb.cdb_length = 10;
	m.u.srb.data_in = HVP_STORVSP_READ;
	m.u.srb.transfer_length = HVH_SCSI_TRANSFER_MAX;
	/* Not at the beginning of a page. */
	TAP_EQ(scsi_guest_send(n, SCSI_GUEST_CHANNEL, &m, 100, HVH_SCSI_TRANSFER_MAX, 64), 0);
	TAP_EQ(scsi_guest_take(n, SCSI_GUEST_CHANNEL), 0);
	TAP_EQ(outcome(n), 0);
	TAP_EQ(n->requests, 1);
	TAP_EQ(n->data[99], 0);
	TAP_CHECK(all(n->data + 100, 0x11, HVH_SCSI_TRANSFER_MAX));
	TAP_EQ(n->data[100 + HVH_SCSI_TRANSFER_MAX], 0);
	end(n);
}

TAP_TEST(a_disk_with_blocks_of_4096_bytes_counts_in_them)
{
	struct scsi_guest *n = world();

	memset(n->data, 0x77, 8192);
	TAP_EQ(blocks(n, 1, HVP_SCSI_WRITE_10, 0, 254, 2, 8192), 0);
	TAP_CHECK(all(n->disk[1].bytes + 254 * 4096, 0x77, 8192));
	TAP_EQ(blocks(n, 1, HVP_SCSI_WRITE_10, 0, 255, 2, 8192), OUT_OF_RANGE);
	TAP_EQ(blocks(n, 1, HVP_SCSI_READ_10, 0, 0, 2, 4096), INVALID_FIELD);
	end(n);
}

TAP_TEST(blocks_behind_the_end_are_refused)
{
	struct scsi_guest *n = world();

	TAP_EQ(blocks(n, 0, HVP_SCSI_READ_10, 0, 2047, 1, 512), 0);
	n->requests = 0;
	TAP_EQ(blocks(n, 0, HVP_SCSI_READ_10, 0, 2048, 1, 512), OUT_OF_RANGE);
	TAP_EQ(blocks(n, 0, HVP_SCSI_READ_10, 0, 2047, 2, 1024), OUT_OF_RANGE);
	TAP_EQ(blocks(n, 0, HVP_SCSI_READ_16, 0, UINT64_MAX, 1, 512), OUT_OF_RANGE);
	TAP_EQ(blocks(n, 0, HVP_SCSI_READ_16, 0, UINT64_MAX - 1, 4, 2048), OUT_OF_RANGE);
	TAP_EQ(blocks(n, 0, HVP_SCSI_WRITE_16, 0, 1ull << 55, 1, 512), OUT_OF_RANGE);
	TAP_EQ(blocks(n, 0, HVP_SCSI_WRITE_16, 0, 0, 0xffffffff, 512), OUT_OF_RANGE);
	TAP_EQ(blocks(n, 0, HVP_SCSI_VERIFY_10, 0, 2048, 1, 0), OUT_OF_RANGE);
	TAP_EQ(blocks(n, 0, HVP_SCSI_VERIFY_16, 0, 2047, 1, 0), 0);
	TAP_EQ(blocks(n, 0, HVP_SCSI_SYNCHRONIZE_CACHE_16, 0, 2048, 1, 0), OUT_OF_RANGE);
	TAP_EQ(blocks(n, 0, HVP_SCSI_WRITE_SAME_16, 0, 2047, 2, 512), OUT_OF_RANGE);
	TAP_EQ(blocks(n, 0, HVP_SCSI_WRITE_SAME_16, 0, 2049, 0, 512), OUT_OF_RANGE);
	TAP_EQ(n->requests, 0);
	end(n);
}

TAP_TEST(memory_that_does_not_fit_the_command_is_refused)
{
	struct scsi_guest *n = world();
	struct hvw_storvsp m;

	TAP_EQ(blocks(n, 0, HVP_SCSI_READ_10, 0, 0, 2, 512), INVALID_FIELD);
	TAP_EQ(blocks(n, 0, HVP_SCSI_READ_10, 0, 0, 2, 0), INVALID_FIELD);
	TAP_EQ(blocks(n, 0, HVP_SCSI_WRITE_10, 0x20, 0, 1, 512), INVALID_FIELD);
	/* The wrong direction. */
	hvw_storvsp_init(&m, 0);
	m.u.srb.cdb[0] = HVP_SCSI_READ_6;
	m.u.srb.cdb[4] = 1;
	m.u.srb.cdb_length = 6;
	m.u.srb.data_in = HVP_STORVSP_WRITE;
	m.u.srb.transfer_length = 512;
	TAP_EQ(scsi_guest_send(n, SCSI_GUEST_CHANNEL, &m, 0, 512, 64), 0);
	TAP_EQ(scsi_guest_take(n, SCSI_GUEST_CHANNEL), 0);
	TAP_EQ(outcome(n), INVALID_FIELD);
	/* More than there is. */
	m.u.srb.data_in = HVP_STORVSP_READ;
	m.u.srb.transfer_length = 513;
	TAP_EQ(scsi_guest_send(n, SCSI_GUEST_CHANNEL, &m, 0, 512, 64), 0);
	TAP_EQ(scsi_guest_take(n, SCSI_GUEST_CHANNEL), 0);
	TAP_EQ(outcome(n), INVALID_FIELD);
	/* No RAM. */
	n->data_gpns[0] = EMBEDDER_NO_RAM / HVP_PAGE_SIZE;
	m.u.srb.transfer_length = 512;
	TAP_EQ(scsi_guest_send(n, SCSI_GUEST_CHANNEL, &m, 0, 512, 64), 0);
	TAP_EQ(scsi_guest_take(n, SCSI_GUEST_CHANNEL), 0);
	TAP_EQ(outcome(n), INVALID_FIELD);
	TAP_EQ(n->requests, 0);
	end(n);
}

TAP_TEST(the_back_ends_errors_become_sense_data)
{
	static const struct {
		int result;
		uint32_t read, write;
	} errors[] = {
		{ -EIO, (uint32_t)HVP_SENSE_MEDIUM_ERROR << 16 | HVP_ASC_READ_ERROR,
		  (uint32_t)HVP_SENSE_MEDIUM_ERROR << 16 | HVP_ASC_WRITE_ERROR },
		{ -ENOSPC, (uint32_t)HVP_SENSE_DATA_PROTECT << 16 | HVP_ASC_SPACE_ALLOCATION_FAILED,
		  (uint32_t)HVP_SENSE_DATA_PROTECT << 16 | HVP_ASC_SPACE_ALLOCATION_FAILED },
		{ -EROFS, WRITE_PROTECTED, WRITE_PROTECTED },
	};
	struct scsi_guest *n = world();

	for (unsigned i = 0; i < 3; i++) {
		n->result = errors[i].result;
		TAP_EQ(blocks(n, 0, HVP_SCSI_READ_10, 0, 0, 1, 512), errors[i].read);
		TAP_EQ(blocks(n, 0, HVP_SCSI_WRITE_10, 0, 0, 1, 512), errors[i].write);
		TAP_EQ(blocks(n, 0, HVP_SCSI_SYNCHRONIZE_CACHE_10, 0, 0, 0, 0), errors[i].write);
		memset(n->data, 0, 512);
		TAP_EQ(blocks(n, 0, HVP_SCSI_WRITE_SAME_10, 0, 0, 1, 512), errors[i].write);
		n->data[0] = 1;
		TAP_EQ(blocks(n, 0, HVP_SCSI_WRITE_SAME_10, 0, 0, 1, 512), errors[i].write);
	}
	n->result = 0;
	TAP_EQ(blocks(n, 0, HVP_SCSI_READ_10, 0, 0, 1, 512), 0);
	end(n);
}

TAP_TEST(flushes_reach_the_back_end)
{
	struct scsi_guest *n = world();
	const uint8_t stop[16] = { HVP_SCSI_START_STOP_UNIT },
		      start[16] = { HVP_SCSI_START_STOP_UNIT, [4] = 1 };

	TAP_EQ(blocks(n, 0, HVP_SCSI_SYNCHRONIZE_CACHE_10, 0, 0, 0, 0), 0);
	TAP_EQ(blocks(n, 0, HVP_SCSI_SYNCHRONIZE_CACHE_16, 0, 7, 3, 0), 0);
	TAP_CHECK(scsi_guest_command(n, 0, stop, HVP_STORVSP_NO_DATA, 0));
	TAP_EQ(n->requests, 3);
	for (unsigned i = 0; i < 3; i++)
		TAP_EQ(n->log[i].op, HVH_DISK_FLUSH);
	TAP_CHECK(scsi_guest_command(n, 0, start, HVP_STORVSP_NO_DATA, 0));
	TAP_EQ(n->requests, 3);
	end(n);
}

/* --- WRITE SAME, UNMAP ------------------------------------------------------------------------------- */

TAP_TEST(zeros_are_written_the_same_without_data)
{
	struct scsi_guest *n = world();

	memset(n->data, 0, 512);
	TAP_EQ(blocks(n, 0, HVP_SCSI_WRITE_SAME_10, 0, 16, 8, 512), 0);
	TAP_EQ(n->requests, 1);
	TAP_EQ(n->log[0].op, HVH_DISK_ZERO);
	TAP_CHECK(!n->log[0].unmap);
	TAP_EQ(n->log[0].offset, 8192);
	TAP_EQ(n->log[0].bytes, 4096);
	TAP_CHECK(all(n->disk[0].bytes + 8192, 0, 4096));
	TAP_EQ(n->disk[0].bytes[12288], 0x11);
	TAP_EQ(blocks(n, 0, HVP_SCSI_WRITE_SAME_16, HVP_CDB_UNMAP, 0, 8, 512), 0);
	TAP_CHECK(n->log[1].unmap);
	/* The long form can do without a block of data. */
	TAP_EQ(blocks(n, 0, HVP_SCSI_WRITE_SAME_16, HVP_CDB_NDOB, 32, 8, 0), 0);
	TAP_EQ(n->log[2].op, HVH_DISK_ZERO);
	TAP_EQ(blocks(n, 0, HVP_SCSI_WRITE_SAME_10, HVP_CDB_NDOB, 32, 8, 0), INVALID_FIELD);
	/* Up to the end. */
	TAP_EQ(blocks(n, 0, HVP_SCSI_WRITE_SAME_16, HVP_CDB_NDOB, 2040, 0, 0), 0);
	TAP_EQ(n->log[3].bytes, 4096);
	TAP_EQ(blocks(n, 0, HVP_SCSI_WRITE_SAME_16, HVP_CDB_NDOB, 2048, 0, 0), 0);
	TAP_EQ(n->requests, 4);
	end(n);
}

TAP_TEST(a_pattern_is_written_in_parts_and_exactly_there)
{
	struct scsi_guest *n = world();
	bool good = true;

	for (unsigned i = 0; i < 512; i++)
		n->data[i] = (uint8_t)(i + 1);
	TAP_EQ(blocks(n, 0, HVP_SCSI_WRITE_SAME_16, 0, 1, 1501, 512), 0);
	TAP_CHECK(n->requests > 1);
	for (unsigned block = 1; block < 1502; block++)
		good = good && !memcmp(n->disk[0].bytes + block * 512, n->data, 512);
	TAP_CHECK(good);
	TAP_EQ(n->disk[0].bytes[511], 0x11);
	TAP_EQ(n->disk[0].bytes[1502 * 512], 0x11);
	memset(n->data, 0x66, 4096);
	TAP_EQ(blocks(n, 1, HVP_SCSI_WRITE_SAME_10, 0, 1, 2, 4096), 0);
	TAP_CHECK(all(n->disk[1].bytes + 4096, 0x66, 8192));
	TAP_EQ(n->disk[1].bytes[12288], 0x22);
	end(n);
}

TAP_TEST(write_same_refuses_what_it_does_not_know)
{
	struct scsi_guest *n = world();

	TAP_EQ(blocks(n, 0, HVP_SCSI_WRITE_SAME_16, 0, 0, 1, 511), INVALID_FIELD);
	TAP_EQ(blocks(n, 0, HVP_SCSI_WRITE_SAME_16, 0, 0, 1, 0), INVALID_FIELD);
	TAP_EQ(blocks(n, 0, HVP_SCSI_WRITE_SAME_16, HVP_CDB_ANCHOR, 0, 1, 512), INVALID_FIELD);
	TAP_EQ(blocks(n, 0, HVP_SCSI_WRITE_SAME_16, 0x02, 0, 1, 512), INVALID_FIELD);
	TAP_EQ(blocks(n, 5, HVP_SCSI_WRITE_SAME_16, HVP_CDB_UNMAP, 0, 1, 512), INVALID_FIELD);
	TAP_EQ(hvh_scsi_resize(scsi_guest_device(n), 5, 1ull << 40), 0);
	TAP_EQ(scsi_guest_take(n, SCSI_GUEST_CHANNEL), 0);
	TAP_CHECK(blocks(n, 5, HVP_SCSI_TEST_UNIT_READY, 0, 0, 0, 0) != 0);
	TAP_EQ(blocks(n, 5, HVP_SCSI_WRITE_SAME_16, HVP_CDB_NDOB, 0, 131073, 0), INVALID_FIELD);
	TAP_EQ(n->requests, 0);
	end(n);
}

static uint32_t unmap(struct scsi_guest *n, unsigned lun, const struct hvw_unmap *list,
		      unsigned count)
{
	int len = hvw_unmap_build(n->data, 8192, list, count);

	return blocks(n, lun, HVP_SCSI_UNMAP, 0, 0, (uint32_t)len, (uint32_t)len);
}

TAP_TEST(unmapped_blocks_are_given_back_and_read_as_zeros)
{
	const struct hvw_unmap list[] = { { 8, 8 }, { 0, 0 }, { 2040, 8 } };
	struct scsi_guest *n = world();

	TAP_EQ(unmap(n, 0, list, 3), 0);
	TAP_EQ(n->requests, 2);
	TAP_CHECK(n->log[0].unmap && n->log[1].unmap);
	TAP_EQ(n->log[1].offset, 2040 * 512);
	TAP_CHECK(all(n->disk[0].bytes + 4096, 0, 4096));
	TAP_EQ(n->disk[0].bytes[4095], 0x11);
	TAP_EQ(unmap(n, 0, list, 0), 0);
	TAP_EQ(blocks(n, 0, HVP_SCSI_UNMAP, 0, 0, 0, 0), 0);
	TAP_EQ(unmap(n, 5, list, 3), INVALID_OPCODE);
	TAP_EQ(n->requests, 2);
	end(n);
}

TAP_TEST(nothing_is_unmapped_by_a_list_with_a_mistake)
{
	struct hvw_unmap list[256] = { { 8, 8 }, { 2047, 2 } };
	struct scsi_guest *n = world();
	int len;

	TAP_EQ(unmap(n, 0, list, 2), OUT_OF_RANGE);
	list[1].lba = UINT64_MAX;
	TAP_EQ(unmap(n, 0, list, 2), OUT_OF_RANGE);
	list[1] = list[0];
	len = hvw_unmap_build(n->data, 8192, list, 2);
	TAP_EQ(blocks(n, 0, HVP_SCSI_UNMAP, HVP_CDB_UNMAP_ANCHOR, 0, (uint32_t)len, 40),
	       INVALID_FIELD);
	TAP_EQ(blocks(n, 0, HVP_SCSI_UNMAP, 0, 0, 39, 40), ILLEGAL(HVP_ASC_PARAMETER_LENGTH));
	TAP_EQ(blocks(n, 0, HVP_SCSI_UNMAP, 0, 0, 41, 40), INVALID_FIELD);
	TAP_EQ(blocks(n, 0, HVP_SCSI_UNMAP, 0, 0, 7, 40), ILLEGAL(HVP_ASC_PARAMETER_LENGTH));
	TAP_EQ(blocks(n, 0, HVP_SCSI_UNMAP, 0, 0, 5000, 5000), INVALID_FIELD);
	/* One more than the limits page says. */
	for (unsigned i = 0; i < 256; i++)
		list[i] = (struct hvw_unmap){ i, 1 };
	TAP_EQ(unmap(n, 0, list, 256), INVALID_FIELD);
	TAP_EQ(n->requests, 0);
	TAP_EQ(unmap(n, 0, list, 255), 0);
	TAP_EQ(n->requests, 255);
	end(n);
}

TAP_TEST(a_disk_that_shrinks_under_an_unmap_is_not_touched_behind_its_end)
{
	const struct hvw_unmap list[] = { { 0, 8 }, { 2040, 8 } };
	struct scsi_guest *n = world();
	struct hvw_storvsp m;
	int len;

	n->hold = true;
	len = hvw_unmap_build(n->data, 64, list, 2);
	hvw_storvsp_init(&m, 0);
	m.u.srb.cdb[0] = HVP_SCSI_UNMAP;
	m.u.srb.cdb[8] = (uint8_t)len;
	m.u.srb.cdb_length = 10;
	m.u.srb.transfer_length = (uint32_t)len;
	TAP_EQ(scsi_guest_send(n, SCSI_GUEST_CHANNEL, &m, 0, (uint32_t)len, 64), 0);
	TAP_EQ(hvh_scsi_resize(scsi_guest_device(n), 0, 512 * 1024), 0);
	TAP_EQ(scsi_guest_take(n, SCSI_GUEST_CHANNEL), 0);
	/* The list is ours already. */
	memset(n->data, 0xff, 64);
	scsi_guest_release(n, ~0u);
	TAP_EQ(scsi_guest_take(n, SCSI_GUEST_CHANNEL), 0);
	TAP_EQ(outcome(n), OUT_OF_RANGE);
	TAP_EQ(n->requests, 1);
	end(n);
}

TAP_TEST(commands_without_meaning_for_a_disk_are_taken)
{
	static const uint8_t ops[] = { HVP_SCSI_TEST_UNIT_READY, HVP_SCSI_RESERVE_6,
				       HVP_SCSI_RELEASE_6, HVP_SCSI_PREVENT_ALLOW };
	const uint8_t self_test[16] = { HVP_SCSI_SEND_DIAGNOSTIC, HVP_CDB_SELF_TEST };
	const uint8_t other_test[16] = { HVP_SCSI_SEND_DIAGNOSTIC };
	const uint8_t descriptor[16] = { HVP_SCSI_REQUEST_SENSE, HVP_CDB_DESC, 0, 0, 18 };
	struct scsi_guest *n = world();

	for (unsigned i = 0; i < sizeof(ops); i++)
		TAP_EQ(blocks(n, 0, ops[i], 0, 0, 0, 0), 0);
	TAP_CHECK(scsi_guest_command(n, 0, self_test, HVP_STORVSP_NO_DATA, 0));
	TAP_EQ(outcome(n), 0);
	TAP_CHECK(scsi_guest_command(n, 0, other_test, HVP_STORVSP_NO_DATA, 0));
	TAP_EQ(outcome(n), INVALID_FIELD);
	TAP_EQ(data_in(n, 0, descriptor, 18), -(int)INVALID_FIELD);
	end(n);
}

TAP_TEST(a_command_that_is_cut_short_is_refused)
{
	struct scsi_guest *n = world();
	struct hvw_storvsp m;

	hvw_storvsp_init(&m, 0);
	m.u.srb.cdb[0] = HVP_SCSI_READ_16;
	m.u.srb.cdb_length = 10;
	m.u.srb.data_in = HVP_STORVSP_NO_DATA;
	TAP_EQ(scsi_guest_send(n, SCSI_GUEST_CHANNEL, &m, 0, 0, 64), 0);
	TAP_EQ(scsi_guest_take(n, SCSI_GUEST_CHANNEL), 0);
	TAP_EQ(outcome(n), INVALID_OPCODE);
	end(n);
}

TAP_MAIN()
