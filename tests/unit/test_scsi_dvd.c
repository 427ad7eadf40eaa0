/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The DVD drives of the SCSI controller: what they are, and media that come, go and are kept in.
 */
#include <errno.h>

#include "tests/unit/scsi_world.h"

#define NO_MEDIUM ((uint32_t)HVP_SENSE_NOT_READY << 16 | HVP_ASC_NO_MEDIUM_TRAY_CLOSED)
#define CHANGED	  ((uint32_t)HVP_SENSE_UNIT_ATTENTION << 16 | HVP_ASC_MEDIUM_MAY_HAVE_CHANGED)
#define DRIVE	  6u
#define DVD_BYTES (1u << 20)

static struct scsi_guest *drive_world(void)
{
	struct scsi_guest *n = world();

	TAP_EQ(scsi_guest_add(n, SCSI_GUEST_DRIVE), 0);
	TAP_EQ(scsi_guest_take(n, SCSI_GUEST_CHANNEL), 0);
	return n;
}

static uint32_t plain(struct scsi_guest *n, uint8_t op, uint8_t byte_4)
{
	const uint8_t cdb[16] = { op, 0, 0, 0, byte_4 };

	return scsi_guest_command(n, DRIVE, cdb, HVP_STORVSP_NO_DATA, 0) ? outcome(n) : 2;
}

/* The code of the next media event, and whether a medium is present in bit 8. */
static int event(struct scsi_guest *n)
{
	const uint8_t cdb[16] = { HVP_SCSI_GET_EVENT_STATUS, 1, 0, 0, 0x10, 0, 0, 0, 8 };

	TAP_EQ(data_in(n, DRIVE, cdb, 8), 8);
	TAP_EQ(hvw_be16(n->data), 6);
	TAP_EQ(n->data[2], 4);
	TAP_EQ(n->data[3], 0x10);
	return n->data[4] | (n->data[5] & 2) << 7;
}

TAP_TEST(a_drive_describes_itself_as_one)
{
	struct scsi_guest *n = drive_world();
	const uint8_t inquiry[16] = { HVP_SCSI_INQUIRY, 0, 0, 0, 255 };
	const uint8_t capacity[16] = { HVP_SCSI_READ_CAPACITY_10 };
	const uint8_t mode[16] = { HVP_SCSI_MODE_SENSE_10, 0, 0x2a, 0, 0, 0, 0, 0, 128 };
	const uint8_t pages[16] = { HVP_SCSI_INQUIRY, HVP_CDB_EVPD, 0, 0, 255 };
	const uint8_t limits[16] = { HVP_SCSI_INQUIRY, HVP_CDB_EVPD, 0xb0, 0, 255 };
	const uint8_t disc[16] = { HVP_SCSI_READ_DISC_INFORMATION, 0, 0, 0, 0, 0, 0, 0, 34 };

	TAP_EQ(data_in(n, DRIVE, inquiry, 255), 104);
	TAP_EQ(n->data[0], 5);
	TAP_EQ(n->data[1], 0x80);
	TAP_MEM_EQ(n->data + 8, "Msft    Virtual DVD-ROM 1.0 ", 28);
	TAP_EQ(data_in(n, DRIVE, capacity, 8), 8);
	TAP_EQ(hvw_be32(n->data), DVD_BYTES / 2048 - 1);
	TAP_EQ(hvw_be32(n->data + 4), 2048);
	TAP_EQ(data_in(n, DRIVE, mode, 128), 8 + 20);
	TAP_EQ(n->data[8], 0x2a);
	TAP_EQ(n->data[10], 0x0b);
	TAP_EQ(n->data[14], 0x29);
	TAP_EQ(data_in(n, DRIVE, pages, 255), 6);
	TAP_EQ(n->data[0], 5);
	TAP_EQ(data_in(n, DRIVE, limits, 255), -(int)INVALID_FIELD);
	TAP_EQ(data_in(n, DRIVE, disc, 255), 34);
	TAP_EQ(hvw_be16(n->data), 32);
	TAP_EQ(n->data[2], 0x0e);
	end(n);
}

TAP_TEST(a_drive_has_none_of_what_changes_a_disk)
{
	static const uint8_t ops[] = { HVP_SCSI_WRITE_10, HVP_SCSI_UNMAP, HVP_SCSI_WRITE_SAME_16,
				       HVP_SCSI_SYNCHRONIZE_CACHE_10 };
	struct scsi_guest *n = drive_world();

	for (unsigned i = 0; i < sizeof(ops); i++)
		TAP_EQ(blocks(n, DRIVE, ops[i], 0, 0, 1, 2048), INVALID_OPCODE);
	TAP_EQ(blocks(n, 0, HVP_SCSI_READ_TOC, 0, 0, 1, 2048), INVALID_OPCODE);
	TAP_EQ(n->requests, 0);
	end(n);
}

TAP_TEST(a_drive_is_read_in_blocks_of_2048)
{
	struct scsi_guest *n = drive_world();

	TAP_EQ(blocks(n, DRIVE, HVP_SCSI_READ_10, 0, DVD_BYTES / 2048 - 2, 2, 4096), 0);
	TAP_EQ(n->answer.u.srb.transfer_length, 4096);
	TAP_CHECK(all(n->data, 0x44, 4096));
	TAP_EQ(blocks(n, DRIVE, HVP_SCSI_READ_10, 0, DVD_BYTES / 2048 - 1, 2, 4096), OUT_OF_RANGE);
	end(n);
}

TAP_TEST(a_medium_is_one_track)
{
	struct scsi_guest *n = drive_world();
	uint8_t cdb[16] = { HVP_SCSI_READ_TOC, 0, 0, 0, 0, 0, 0, 1, 0 };
	const uint8_t lead_out[4] = { 0, 0, 8, 62 }; /* 150 + 512 frames */

	TAP_EQ(data_in(n, DRIVE, cdb, 512), 20);
	TAP_EQ(hvw_be16(n->data), 18);
	TAP_EQ(n->data[2], 1);
	TAP_EQ(n->data[3], 1);
	TAP_EQ(n->data[5], 0x14);
	TAP_EQ(n->data[6], 1);
	TAP_EQ(n->data[14], 0xaa);
	TAP_EQ(hvw_be32(n->data + 16), DVD_BYTES / 2048);
	cdb[1] = 2;
	cdb[6] = 0xaa;
	TAP_EQ(data_in(n, DRIVE, cdb, 512), 12);
	TAP_MEM_EQ(n->data + 8, lead_out, 4);
	cdb[6] = 2;
	TAP_EQ(data_in(n, DRIVE, cdb, 512), -(int)INVALID_FIELD);
	cdb[6] = 0;
	cdb[2] = 1;
	TAP_EQ(data_in(n, DRIVE, cdb, 512), 12);
	TAP_EQ(hvw_be16(n->data), 10);
	cdb[2] = 2;
	TAP_EQ(data_in(n, DRIVE, cdb, 512), -(int)INVALID_FIELD);
	end(n);
}

TAP_TEST(a_drive_says_what_it_can_do_now)
{
	struct scsi_guest *n = drive_world();
	uint8_t cdb[16] = { HVP_SCSI_GET_CONFIGURATION, 0, 0, 0, 0, 0, 0, 1, 0 };

	TAP_EQ(data_in(n, DRIVE, cdb, 512), 8 + 8 + 8 + 8 + 12 + 4);
	TAP_EQ(hvw_be32(n->data), 44);
	TAP_EQ(hvw_be16(n->data + 6), 0x10);
	cdb[1] = 2;
	cdb[3] = 0x10;
	TAP_EQ(data_in(n, DRIVE, cdb, 512), 8 + 12);
	TAP_EQ(n->data[10], 1);
	TAP_EQ(hvw_be32(n->data + 12), 2048);
	cdb[3] = 0x20;
	TAP_EQ(data_in(n, DRIVE, cdb, 512), 8);
	TAP_EQ(hvh_scsi_eject(scsi_guest_device(n), DRIVE), 0);
	cdb[1] = 1;
	cdb[3] = 0;
	TAP_EQ(data_in(n, DRIVE, cdb, 512), 8 + 8 + 8 + 8);
	TAP_EQ(hvw_be16(n->data + 6), 0);
	cdb[1] = 3;
	TAP_EQ(data_in(n, DRIVE, cdb, 512), -(int)INVALID_FIELD);
	end(n);
}

TAP_TEST(a_medium_goes_and_another_comes)
{
	struct scsi_guest *n = drive_world();
	struct hvh_device *device = scsi_guest_device(n);

	TAP_EQ(event(n), 0x100);
	TAP_EQ(scsi_guest_insert(n, 4096), -EBUSY);
	TAP_EQ(hvh_scsi_eject(device, DRIVE), 0);
	TAP_EQ(n->ejected, 1);
	TAP_EQ(hvh_scsi_eject(device, DRIVE), -ENOMEDIUM);
	TAP_EQ(plain(n, HVP_SCSI_TEST_UNIT_READY, 0), NO_MEDIUM);
	TAP_EQ(plain(n, HVP_SCSI_START_STOP_UNIT, 3), NO_MEDIUM);
	TAP_EQ(blocks(n, DRIVE, HVP_SCSI_READ_10, 0, 0, 1, 2048), NO_MEDIUM);
	TAP_EQ(scsi_guest_insert(n, 100), -EINVAL);
	TAP_EQ(scsi_guest_insert(n, 4096), 0);
	TAP_EQ(event(n), 0x100 | HVP_MEDIA_REMOVAL);
	TAP_EQ(event(n), 0x100 | HVP_MEDIA_NEW);
	TAP_EQ(event(n), 0x100);
	TAP_EQ(plain(n, HVP_SCSI_TEST_UNIT_READY, 0), CHANGED);
	TAP_EQ(plain(n, HVP_SCSI_TEST_UNIT_READY, 0), 0);
	TAP_EQ(blocks(n, DRIVE, HVP_SCSI_READ_10, 0, 2, 1, 2048), OUT_OF_RANGE);
	TAP_EQ(hvh_scsi_eject(device, 0), -EINVAL);
	TAP_EQ(hvh_scsi_resize(device, DRIVE, 8192), -EINVAL);
	end(n);
}

TAP_TEST(the_guest_ejects_and_keeps_a_medium_in)
{
	struct scsi_guest *n = drive_world();
	const uint8_t mode[16] = { HVP_SCSI_MODE_SENSE_10, 0, 0x2a, 0, 0, 0, 0, 0, 128 };
	struct hvh_scsi_status status;

	TAP_EQ(plain(n, HVP_SCSI_PREVENT_ALLOW, 1), 0);
	hvh_scsi_status(scsi_guest_device(n), &status);
	TAP_CHECK(status.lun[DRIVE].dvd && status.lun[DRIVE].locked);
	data_in(n, DRIVE, mode, 128);
	TAP_EQ(n->data[14], 0x2b);
	TAP_EQ(plain(n, HVP_SCSI_START_STOP_UNIT, 2), ILLEGAL(HVP_ASC_REMOVAL_PREVENTED));
	TAP_EQ(hvh_scsi_eject(scsi_guest_device(n), DRIVE), -EPERM);
	TAP_EQ(event(n), 0x100 | HVP_MEDIA_EJECT_REQUEST);
	/* Through a save and a load it stays so. */
	TAP_EQ(scsi_guest_save_and_load(n), 0);
	TAP_EQ(hvh_scsi_eject(scsi_guest_device(n), DRIVE), -EPERM);
	TAP_EQ(plain(n, HVP_SCSI_PREVENT_ALLOW, 0), 0);
	TAP_EQ(plain(n, HVP_SCSI_START_STOP_UNIT, 2), 0);
	TAP_EQ(n->ejected, 1);
	hvh_scsi_status(scsi_guest_device(n), &status);
	TAP_EQ(status.lun[DRIVE].bytes, 0);
	TAP_EQ(scsi_guest_save_and_load(n), 0);
	TAP_EQ(plain(n, HVP_SCSI_TEST_UNIT_READY, 0), NO_MEDIUM);
	end(n);
}

TAP_TEST(a_reset_lets_go_of_a_medium)
{
	struct scsi_guest *n = drive_world();

	TAP_EQ(plain(n, HVP_SCSI_PREVENT_ALLOW, 1), 0);
	TAP_EQ(scsi_guest_say(n, HVP_STORVSP_RESET_BUS), 0);
	TAP_EQ(hvh_scsi_eject(scsi_guest_device(n), DRIVE), 0);
	end(n);
}

TAP_TEST(a_medium_in_use_goes_when_it_is_not_any_more)
{
	struct scsi_guest *n = drive_world();
	struct hvw_storvsp m;
	const struct hvw_cdb cdb = { .op = HVP_SCSI_READ_10, .length = 1 };

	n->hold = true;
	hvw_storvsp_init(&m, 0);
	m.u.srb.lun = DRIVE;
	m.u.srb.data_in = HVP_STORVSP_READ;
	m.u.srb.cdb_length = 10;
	m.u.srb.transfer_length = 2048;
	hvw_cdb_build(m.u.srb.cdb, &cdb);
	TAP_EQ(scsi_guest_send(n, SCSI_GUEST_CHANNEL, &m, 0, 2048, 64), 0);
	TAP_EQ(n->requests, 1);
	TAP_EQ(hvh_scsi_eject(scsi_guest_device(n), DRIVE), 0);
	TAP_EQ(n->ejected, 0);
	TAP_EQ(scsi_guest_insert(n, 4096), -EBUSY);
	scsi_guest_release(n, 1);
	TAP_EQ(n->ejected, 1);
	TAP_EQ(scsi_guest_take(n, SCSI_GUEST_CHANNEL), 0);
	TAP_EQ(outcome(n), 0);
	TAP_EQ(scsi_guest_insert(n, 4096), 0);
	end(n);
}

TAP_MAIN()
