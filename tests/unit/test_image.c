/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Images of disks: what is written is read again, at once and after opening again; what a file must say about itself, and
 * what is refused; logs, bitmaps, room that is given back; a file that fails.
 */
#include <errno.h>

#include "fuzz/image_driver.h"
#include "fuzz/image_maker.h"
#include "hvw_be.h"
#include "tap.h"
#include "vmm/image/crc32c.h"
#include "vmm/image/store.h"

#define MIB 1048576ull

static uint8_t buffer[2 << 20];
static char why[256];

/* --- a disk and what should be on it ----------------------------------------------------------------- */

struct bed {
	int fd;
	enum image_kind kind;
	struct image_maker maker;
	struct vmm_disk_file file;
	uint8_t *model;
};

static bool open_bed(struct bed *b)
{
	int err = image_driver_open(b->fd, b->kind, false, &b->file, why);

	return tap_note(!err, __FILE__, __LINE__, "not opened: %s", why);
}

static struct bed make(enum image_kind kind, uint64_t bytes, uint32_t block_bytes,
		       uint32_t sector_bytes, bool fixed)
{
	struct bed b = { .fd = memory_store_create(),
			 .kind = kind,
			 .maker = { bytes, block_bytes, sector_bytes, fixed },
			 .model = calloc(1, bytes) };

	if (kind == IMAGE_VHDX)
		image_make_vhdx(b.fd, &b.maker);
	else if (kind == IMAGE_VHD)
		image_make_vhd(b.fd, &b.maker);
	else
		TAP_EQ(vmm_store_resize(b.fd, bytes), 0);
	if (open_bed(&b))
		TAP_EQ(b.file.bytes, bytes);
	return b;
}

static void done(struct bed *b)
{
	if (b->file.image)
		TAP_EQ(image_driver_close(&b->file), 0);
	memory_store_destroy(b->fd);
	free(b->model);
}

static void again(struct bed *b)
{
	TAP_EQ(image_driver_close(&b->file), 0);
	open_bed(b);
}

static int write_at(struct bed *b, uint64_t offset, uint64_t bytes, int value)
{
	memset(buffer, value, bytes);
	memset(b->model + offset, value, bytes);
	return image_io(&b->file, HVH_DISK_WRITE, 0, offset, bytes, buffer);
}

static int flush(struct bed *b)
{
	return image_io(&b->file, HVH_DISK_FLUSH, 0, 0, 0, NULL);
}

static bool all_right(struct bed *b)
{
	for (uint64_t at = 0; at < b->file.bytes; at += sizeof(buffer)) {
		uint64_t left = b->file.bytes - at;
		uint64_t bytes = left < sizeof(buffer) ? left : sizeof(buffer);

		memset(buffer, 0xee, bytes);
		if (image_io(&b->file, HVH_DISK_READ, 0, at, bytes, buffer) ||
		    memcmp(buffer, b->model + at, bytes))
			return tap_note(false, __FILE__, __LINE__, "wrong between %llu and %llu",
					(unsigned long long)at, (unsigned long long)(at + bytes));
	}
	return true;
}

/* --- what is written is read again ------------------------------------------------------------------- */

static void random_request(struct bed *b)
{
	uint64_t sector = b->maker.sector_bytes, sectors = b->file.bytes / sector;
	uint64_t max = sizeof(buffer) / sector;
	uint64_t offset = tap_random() % sectors, bytes;
	unsigned what = tap_random() % 16;

	bytes = 1 + tap_random() % (what & 1 ? max : 64);
	if (bytes > sectors - offset)
		bytes = sectors - offset;
	offset *= sector;
	bytes *= sector;
	if (what < 10) {
		TAP_EQ(write_at(b, offset, bytes, (int)(tap_random() % 256)), 0);
	} else if (what < 14) {
		memset(b->model + offset, 0, bytes);
		TAP_EQ(image_io(&b->file, HVH_DISK_ZERO, what & 3, offset, bytes, NULL), 0);
	} else if (what < 15) {
		TAP_EQ(flush(b), 0);
	} else {
		again(b);
	}
}

static void try_all(enum image_kind kind, uint64_t bytes, uint32_t block_bytes,
		    uint32_t sector_bytes, bool fixed)
{
	struct bed b = make(kind, bytes, block_bytes, sector_bytes, fixed);

	for (unsigned i = 0; i < 300 && b.file.bytes; i++)
		random_request(&b);
	TAP_CHECK(all_right(&b));
	again(&b);
	TAP_CHECK(all_right(&b));
	done(&b);
}

TAP_TEST(what_is_written_to_a_dynamic_vhdx_is_read_again)
{
	try_all(IMAGE_VHDX, 37 * MIB + 512, 1 << 20, 512, false);
	try_all(IMAGE_VHDX, 37 * MIB, 2 << 20, 4096, false);
	try_all(IMAGE_VHDX, 100 * MIB, 32 << 20, 512, false);
}

TAP_TEST(what_is_written_to_a_fixed_vhdx_is_read_again)
{
	try_all(IMAGE_VHDX, 20 * MIB, 2 << 20, 512, true);
}

TAP_TEST(what_is_written_to_a_dynamic_vhd_is_read_again)
{
	try_all(IMAGE_VHD, 37 * MIB + 512, 2 << 20, 512, false);
	try_all(IMAGE_VHD, 20 * MIB, 512 << 10, 512, false);
}

TAP_TEST(what_is_written_to_a_fixed_vhd_is_read_again)
{
	try_all(IMAGE_VHD, 10 * MIB + 512, 2 << 20, 512, true);
}

/* Blocks of one chunk and of the next have a sector bitmap's entry between them. */
TAP_TEST(the_entry_of_a_sector_bitmap_is_left_out)
{
	struct bed b = make(IMAGE_VHDX, 4200 * MIB, 256 << 20, 512, false);
	uint64_t entry;

	/* 16 blocks of 256 MiB are a chunk of 4 GiB: the 17th has the 18th entry. */
	TAP_EQ(write_at(&b, 4100 * MIB, 512, 7), 0);
	TAP_EQ(image_driver_close(&b.file), 0);
	TAP_EQ(vmm_store_read(b.fd, &entry, 8, IMAGE_VHDX_BAT + 16 * 8), 0);
	TAP_EQ(entry, 0);
	TAP_EQ(vmm_store_read(b.fd, &entry, 8, IMAGE_VHDX_BAT + 17 * 8), 0);
	TAP_EQ(entry, IMAGE_VHDX_BLOCKS | VHDX_BAT_PRESENT);
	done(&b);
}

TAP_TEST(an_image_that_is_only_read_does_not_change)
{
	struct bed b = make(IMAGE_VHDX, 8 * MIB, 1 << 20, 512, false);

	TAP_EQ(write_at(&b, 0, 512, 7), 0);
	again(&b);
	memory_store_of(b.fd)->records = true;
	TAP_CHECK(all_right(&b));
	again(&b);
	TAP_EQ(memory_store_of(b.fd)->ops, 0);
	TAP_EQ(image_driver_close(&b.file), 0);
	TAP_EQ(image_driver_open(b.fd, IMAGE_VHDX, true, &b.file, why), 0);
	TAP_EQ(write_at(&b, 0, 512, 8), -EROFS);
	TAP_EQ(write_at(&b, 4 * MIB, 512, 8), -EROFS);
	TAP_EQ(memory_store_of(b.fd)->ops, 0);
	done(&b);
}

TAP_TEST(a_file_ends_where_its_blocks_do_after_it_was_closed)
{
	struct bed b = make(IMAGE_VHDX, 80 * MIB, 1 << 20, 512, false);
	struct bed vhd = make(IMAGE_VHD, 80 * MIB, 1 << 20, 512, false);
	uint64_t bytes;

	TAP_EQ(write_at(&b, 5 * MIB, 512, 7), 0);
	TAP_EQ(write_at(&b, 50 * MIB, 512, 7), 0);
	TAP_EQ(image_driver_close(&b.file), 0);
	TAP_EQ(vmm_store_size(b.fd, &bytes), 0);
	TAP_EQ(bytes, IMAGE_VHDX_BLOCKS + 2 * MIB);
	TAP_EQ(write_at(&vhd, 5 * MIB, 512, 7), 0);
	TAP_EQ(image_driver_close(&vhd.file), 0);
	TAP_EQ(vmm_store_size(vhd.fd, &bytes), 0);
	/* Header, table, bitmap, alignment, block, footer. */
	TAP_CHECK(bytes > MIB && bytes < MIB + 16384);
	done(&b);
	done(&vhd);
}

TAP_TEST(writing_and_data_have_new_identifiers_before_the_first_change)
{
	struct bed b = make(IMAGE_VHDX, 8 * MIB, 1 << 20, 512, false);
	struct vhdx_header before, h[2];
	unsigned newest;

	TAP_EQ(vmm_store_read(b.fd, &before, sizeof(before), VHDX_HEADER_OFFSET(1)), 0);
	TAP_EQ(write_at(&b, 0, 512, 7), 0);
	for (unsigned i = 0; i < 2; i++)
		TAP_EQ(vmm_store_read(b.fd, &h[i], sizeof(h[i]), VHDX_HEADER_OFFSET(i)), 0);
	newest = h[1].sequence > h[0].sequence;
	TAP_CHECK(h[newest].sequence > before.sequence);
	TAP_CHECK(memcmp(&h[newest].file_write, &before.file_write, 16) != 0);
	TAP_CHECK(memcmp(&h[newest].data_write, &before.data_write, 16) != 0);
	TAP_CHECK(memcmp(&h[newest].log, &before.log, 16) != 0);
	TAP_MEM_EQ(&h[0].log, &h[1].log, 16);
	TAP_EQ(image_driver_close(&b.file), 0);
	TAP_EQ(vmm_store_read(b.fd, &h[0], sizeof(h[0]), VHDX_HEADER_OFFSET(0)), 0);
	TAP_MEM_EQ(&h[0].log, &before.log, 16);
	done(&b);
}

/* --- room that is given back ------------------------------------------------------------------------- */

static uint64_t bat_entry(const struct bed *b, unsigned slot)
{
	uint64_t entry = 0;

	TAP_EQ(vmm_store_read(b->fd, &entry, 8, IMAGE_VHDX_BAT + slot * 8ull), 0);
	return entry;
}

TAP_TEST(a_block_that_is_given_back_reads_as_zeros_and_keeps_its_place)
{
	struct bed b = make(IMAGE_VHDX, 8 * MIB, 1 << 20, 512, false);
	uint64_t bytes, now;

	TAP_EQ(write_at(&b, 0, 2 * MIB, 7), 0);
	TAP_EQ(image_io(&b.file, HVH_DISK_ZERO, IMAGE_UNMAP, 512, 2 * MIB - 512, NULL), 0);
	memset(b.model + 512, 0, 2 * MIB - 512);
	TAP_CHECK(all_right(&b));
	TAP_EQ(flush(&b), 0);
	TAP_EQ(bat_entry(&b, 0), IMAGE_VHDX_BLOCKS | VHDX_BAT_PRESENT);
	TAP_EQ(bat_entry(&b, 1), (IMAGE_VHDX_BLOCKS + MIB) | VHDX_BAT_ZERO);
	TAP_EQ(vmm_store_size(b.fd, &bytes), 0);
	again(&b);
	TAP_CHECK(all_right(&b));
	/* What was there does not come back with it, also where no hole was made. */
	memset(buffer, 0xaa, MIB);
	TAP_EQ(vmm_store_write(b.fd, buffer, MIB, IMAGE_VHDX_BLOCKS + MIB), 0);
	TAP_EQ(write_at(&b, MIB + 4096, 512, 9), 0);
	TAP_CHECK(all_right(&b));
	again(&b);
	TAP_CHECK(all_right(&b));
	TAP_EQ(bat_entry(&b, 1), (IMAGE_VHDX_BLOCKS + MIB) | VHDX_BAT_PRESENT);
	TAP_EQ(vmm_store_size(b.fd, &now), 0);
	TAP_EQ(now, IMAGE_VHDX_BLOCKS + 2 * MIB);
	done(&b);
}

/* As a crash leaves it, after blocks had got room and before the table said so. */
TAP_TEST(what_is_behind_the_blocks_does_not_come_to_light)
{
	for (unsigned kind = IMAGE_VHD; kind <= IMAGE_VHDX; kind++) {
		struct bed b = make((enum image_kind)kind, 8 * MIB, 1 << 20, 512, false);
		uint64_t bytes;

		TAP_EQ(vmm_store_size(b.fd, &bytes), 0);
		memset(buffer, 0xaa, sizeof(buffer));
		TAP_EQ(vmm_store_write(b.fd, buffer, sizeof(buffer), bytes), 0);
		TAP_EQ(image_driver_close(&b.file), 0);
		TAP_REQUIRE(open_bed(&b));
		TAP_EQ(write_at(&b, 5 * MIB + 4096, 512, 7), 0);
		TAP_CHECK(all_right(&b));
		again(&b);
		TAP_CHECK(all_right(&b));
		done(&b);
	}
}

TAP_TEST(zeros_are_not_written_where_nothing_is)
{
	struct bed b = make(IMAGE_VHDX, 64 * MIB, 1 << 20, 512, false);

	memory_store_of(b.fd)->records = true;
	TAP_EQ(image_io(&b.file, HVH_DISK_ZERO, IMAGE_UNMAP, 0, 64 * MIB, NULL), 0);
	TAP_EQ(image_io(&b.file, HVH_DISK_ZERO, 0, 512, 5 * MIB, NULL), 0);
	TAP_EQ(memory_store_of(b.fd)->ops, 0);
	done(&b);
}

/* --- sectors of a VHD that are not there ------------------------------------------------------------- */

TAP_TEST(sectors_that_a_vhd_block_does_not_have_are_zeros)
{
	struct bed b = make(IMAGE_VHD, 8 * MIB, 1 << 20, 512, false);
	uint8_t bitmap[512] = { 0x41 }, all[256];
	uint32_t sector = 8;
	uint8_t entry[4];

	TAP_EQ(image_driver_close(&b.file), 0);
	/* A block in which somebody has written sectors 1 and 7 only, with other bytes beside them. */
	TAP_EQ(vmm_store_resize(b.fd, 4096), 0);
	hvw_put_be32(entry, sector);
	TAP_EQ(vmm_store_write(b.fd, entry, 4, IMAGE_VHD_TABLE + 4), 0);
	TAP_EQ(vmm_store_write(b.fd, bitmap, 512, sector * 512), 0);
	memset(buffer, 0xaa, MIB);
	TAP_EQ(vmm_store_write(b.fd, buffer, MIB, sector * 512 + 512), 0);
	memset(b.model + MIB + 512, 0xaa, 512);
	memset(b.model + MIB + 7 * 512, 0xaa, 512);
	/* Without a footer at its end: by the copy at its beginning. */
	TAP_REQUIRE(open_bed(&b));
	TAP_CHECK(vmm_disk_image_facts(b.file.image)->replayed);
	TAP_CHECK(all_right(&b));
	/* A write makes it whole. */
	TAP_EQ(write_at(&b, MIB + 3 * 512, 1024, 5), 0);
	TAP_CHECK(all_right(&b));
	again(&b);
	TAP_CHECK(all_right(&b));
	TAP_CHECK(!vmm_disk_image_facts(b.file.image)->replayed);
	memset(all, 0xff, sizeof(all));
	TAP_EQ(vmm_store_read(b.fd, bitmap, 512, sector * 512), 0);
	TAP_MEM_EQ(bitmap, all, sizeof(all));
	done(&b);
}

/* --- what is refused --------------------------------------------------------------------------------- */

static void refused(int fd, enum image_kind kind, const char *word, int line)
{
	struct vmm_disk_file file;
	int err;

	why[0] = '\0';
	err = image_driver_open(fd, kind, false, &file, why);
	tap_note(err && strstr(why, word), __FILE__, line, "%d, \"%s\", expected \"%s\"", err, why,
		 word);
	if (!err)
		(void)image_driver_close(&file);
}

/* `len` bytes at `at`; checksums made right again. */
static void try_vhdx(uint64_t at, const void *bytes, size_t len, const char *word, int line)
{
	const struct image_maker maker = { 8 * MIB, 1 << 20, 512, true };
	int fd = memory_store_create();

	image_make_vhdx(fd, &maker);
	TAP_EQ(vmm_store_write(fd, bytes, len, at), 0);
	for (unsigned i = 0; i < 2; i++) {
		if (at >= VHDX_HEADER_OFFSET(i) && at < VHDX_HEADER_OFFSET(i + 1)) {
			/* The other one is not to be used. */
			TAP_EQ(vmm_store_write(fd, "x", 1, VHDX_HEADER_OFFSET(!i) + 8), 0);
			image_seal_header(fd, i);
		}
		if (at >= VHDX_REGIONS_OFFSET(i) && at < VHDX_REGIONS_OFFSET(i + 1))
			image_seal_regions(fd, i);
	}
	refused(fd, IMAGE_VHDX, word, line);
	memory_store_destroy(fd);
}

#define HEADER(field) (VHDX_HEADER_OFFSET(0) + offsetof(struct vhdx_header, field))
#define REGION(n, field)                                                                           \
	(VHDX_REGIONS_OFFSET(0) + 16 + 32 * (n) + offsetof(struct vhdx_region, field))
#define METADATA(n) (IMAGE_VHDX_METADATA + 32 + 32 * (n))
#define ITEM(n)	    (IMAGE_VHDX_METADATA + 65536 + (n))
#define VHDX_BAD(at, value, type, word)                                                            \
	do {                                                                                       \
		const type is = (value);                                                           \
		try_vhdx(at, &is, sizeof(is), word, __LINE__);                                     \
	} while (0)

TAP_TEST(a_vhdx_header_that_makes_no_sense_is_refused)
{
	VHDX_BAD(0, 'x', uint8_t, "not a VHDX");
	VHDX_BAD(HEADER(version), 2, uint16_t, "version 2");
	VHDX_BAD(HEADER(log_offset), 1024 * MIB, uint64_t, "log is not inside");
	VHDX_BAD(HEADER(log_offset), MIB + 4096, uint64_t, "log is not inside");
	VHDX_BAD(HEADER(log_offset), 0, uint64_t, "log is not inside");
	VHDX_BAD(HEADER(log_bytes), 0, uint32_t, "log is not inside");
	VHDX_BAD(HEADER(log_bytes), 4096, uint32_t, "log is not inside");
	VHDX_BAD(HEADER(log_offset), 2 * MIB, uint64_t, "something else");
	VHDX_BAD(HEADER(log.b[3]), 1, uint8_t, "log is damaged");
}

TAP_TEST(vhdx_regions_that_make_no_sense_are_refused)
{
	VHDX_BAD(REGION(0, offset), IMAGE_VHDX_METADATA, uint64_t, "something else");
	VHDX_BAD(REGION(0, offset), 1ull << 40, uint64_t, "outside the file");
	VHDX_BAD(REGION(0, offset), UINT64_MAX - MIB + 1, uint64_t, "outside the file");
	VHDX_BAD(REGION(0, offset), 3 * MIB + 512, uint64_t, "cannot be");
	VHDX_BAD(REGION(0, offset), 0, uint64_t, "cannot be");
	VHDX_BAD(REGION(0, bytes), 0, uint32_t, "cannot be");
	VHDX_BAD(REGION(0, bytes), 512u << 20, uint32_t, "outside the file");
	VHDX_BAD(REGION(0, id.b[0]), 1, uint8_t, "kind that is not known");
	VHDX_BAD(REGION(0, flags) + 4 + 0, 0x1, uint8_t, "kind that is not known");
	VHDX_BAD(VHDX_REGIONS_OFFSET(0) + 8, 1, uint32_t, "no metadata");
}

TAP_TEST(vhdx_metadata_that_make_no_sense_are_refused)
{
	VHDX_BAD(IMAGE_VHDX_METADATA, 'x', uint8_t, "metadata are damaged");
	VHDX_BAD(IMAGE_VHDX_METADATA + 10, 2048, uint16_t, "metadata are damaged");
	VHDX_BAD(IMAGE_VHDX_METADATA + 10, 4, uint16_t, "not complete");
	VHDX_BAD(METADATA(0), 0, uint8_t, "kind that is not known");
	VHDX_BAD(METADATA(1) + 16, 65535, uint32_t, "wrong size");
	VHDX_BAD(METADATA(1) + 16, 0x7ffffffc, uint32_t, "wrong size");
	VHDX_BAD(METADATA(1) + 20, 9, uint32_t, "wrong size");
	VHDX_BAD(ITEM(0), 3 << 20, uint32_t, "blocks of");
	VHDX_BAD(ITEM(0), 512 << 10, uint32_t, "blocks of");
	VHDX_BAD(ITEM(0), 0, uint32_t, "blocks of");
	VHDX_BAD(ITEM(4), 2, uint32_t, "differencing");
	VHDX_BAD(ITEM(8), 0, uint64_t, "a disk of");
	VHDX_BAD(ITEM(8), 513, uint64_t, "a disk of");
	VHDX_BAD(ITEM(8), 1ull << 50, uint64_t, "a disk of");
	VHDX_BAD(ITEM(8), 1ull << 40, uint64_t, "too short");
	VHDX_BAD(ITEM(32), 1024, uint32_t, "sectors of");
	VHDX_BAD(ITEM(36), 0, uint32_t, "sectors of");
}

TAP_TEST(a_vhdx_item_that_comes_twice_is_refused)
{
	static const struct hvp_guid size = VHDX_ITEM_SIZE;

	VHDX_BAD(METADATA(2), size, struct hvp_guid, "twice");
}

TAP_TEST(vhdx_blocks_that_cannot_be_there_are_refused)
{
	static const char *const states[8] = { [4] = "state 4", [7] = "state 7" };

	VHDX_BAD(IMAGE_VHDX_BAT, (5 * MIB) | 6, uint64_t, "something else");
	VHDX_BAD(IMAGE_VHDX_BAT, (3 * MIB) | 6, uint64_t, "something else");
	VHDX_BAD(IMAGE_VHDX_BAT, (1 * MIB) | 6, uint64_t, "something else");
	VHDX_BAD(IMAGE_VHDX_BAT, 6, uint64_t, "cannot be");
	VHDX_BAD(IMAGE_VHDX_BAT, (12 * MIB) | 6, uint64_t, "outside the file");
	VHDX_BAD(IMAGE_VHDX_BAT, 0xfffffffffff00006ull, uint64_t, "outside the file");
	VHDX_BAD(IMAGE_VHDX_BAT, (4 * MIB) | 8 | 6, uint64_t, "damaged");
	VHDX_BAD(IMAGE_VHDX_BAT, (5 * MIB) | 3, uint64_t, "something else");
	for (unsigned i = 4; i < 8; i += 3)
		VHDX_BAD(IMAGE_VHDX_BAT, (4 * MIB) | i, uint64_t, states[i]);
}

TAP_TEST(one_of_two_copies_is_enough)
{
	const struct image_maker maker = { 8 * MIB, 1 << 20, 512, false };
	struct vmm_disk_file file;

	for (unsigned i = 0; i < 2; i++) {
		int fd = memory_store_create();

		image_make_vhdx(fd, &maker);
		TAP_EQ(vmm_store_write(fd, "damage", 6, VHDX_HEADER_OFFSET(i) + 100), 0);
		TAP_EQ(vmm_store_write(fd, "damage", 6, VHDX_REGIONS_OFFSET(!i) + 100), 0);
		if (TAP_EQ(image_driver_open(fd, IMAGE_VHDX, false, &file, why), 0))
			TAP_EQ(image_driver_close(&file), 0);
		TAP_EQ(vmm_store_write(fd, "damage", 6, VHDX_REGIONS_OFFSET(i) + 100), 0);
		refused(fd, IMAGE_VHDX, "tables of regions", __LINE__);
		TAP_EQ(vmm_store_write(fd, "damage", 6, VHDX_HEADER_OFFSET(!i) + 100), 0);
		refused(fd, IMAGE_VHDX, "both headers", __LINE__);
		memory_store_destroy(fd);
	}
}

static void try_vhd(bool fixed, bool header, size_t at, const void *bytes, size_t len,
		    const char *word, int line)
{
	const struct image_maker maker = { 8 * MIB, 1 << 20, 512, fixed };
	int fd = memory_store_create();
	struct vhd_footer footer;
	uint64_t end;

	image_make_vhd(fd, &maker);
	TAP_EQ(vmm_store_size(fd, &end), 0);
	if (header) {
		TAP_EQ(vmm_store_write(fd, bytes, len, IMAGE_VHD_HEADER + at), 0);
		if (at < sizeof(struct vhd_header))
			image_seal_vhd_header(fd);
	} else {
		TAP_EQ(vmm_store_read(fd, &footer, sizeof(footer), end - 512), 0);
		memcpy((uint8_t *)&footer + at, bytes, len);
		image_seal_vhd(&footer);
		TAP_EQ(vmm_store_write(fd, &footer, sizeof(footer), end - 512), 0);
	}
	refused(fd, IMAGE_VHD, word, line);
	memory_store_destroy(fd);
}

/* `value`: 32 bits, big-endian. */
#define VHD_BAD(fixed, header, at, value, word)                                                    \
	do {                                                                                       \
		uint8_t is[4];                                                                     \
		hvw_put_be32(is, (value));                                                         \
		try_vhd(fixed, header, at, is, sizeof(is), word, __LINE__);                        \
	} while (0)
#define FOOTER(field)	  offsetof(struct vhd_footer, field)
#define VHD_HEADER(field) offsetof(struct vhd_header, field)
#define VHD_TABLE	  (IMAGE_VHD_TABLE - IMAGE_VHD_HEADER)

TAP_TEST(a_vhd_that_makes_no_sense_is_refused)
{
	VHD_BAD(true, false, FOOTER(version), 0x20000, "version");
	VHD_BAD(true, false, FOOTER(type), 4, "differencing");
	VHD_BAD(true, false, FOOTER(type), 5, "type 5");
	VHD_BAD(true, false, FOOTER(bytes) + 4, 9 << 20, "in a file of");
	VHD_BAD(true, false, FOOTER(bytes) + 4, 513, "a disk of");
	VHD_BAD(true, false, FOOTER(bytes) + 4, 0, "a disk of");
	VHD_BAD(true, false, FOOTER(bytes), 0x10000, "a disk of");
	VHD_BAD(true, false, FOOTER(cookie), 0, "not a VHD");
	VHD_BAD(false, false, FOOTER(data_offset) + 4, 1 << 30, "outside the file");
	VHD_BAD(false, false, FOOTER(data_offset) + 4, 100, "outside the file");
	VHD_BAD(false, false, FOOTER(data_offset) + 4, 1024, "header is damaged");
	VHD_BAD(false, true, VHD_HEADER(version), 7, "version");
	VHD_BAD(false, true, VHD_HEADER(block_bytes), 3 << 20, "not supported");
	VHD_BAD(false, true, VHD_HEADER(block_bytes), 512, "not supported");
	VHD_BAD(false, true, VHD_HEADER(entries), 7, "too short");
	VHD_BAD(false, true, VHD_HEADER(table_offset) + 4, 1 << 30, "cannot be");
	VHD_BAD(false, true, VHD_HEADER(table_offset) + 4, 512, "cannot be");
	VHD_BAD(false, true, VHD_HEADER(table_offset), 1u << 31, "cannot be");
	VHD_BAD(false, true, VHD_TABLE, 0, "something else");
	VHD_BAD(false, true, VHD_TABLE, 3, "something else");
	VHD_BAD(false, true, VHD_TABLE, 100, "outside the file");
	VHD_BAD(false, true, VHD_TABLE, 0xfffffffe, "outside the file");
}

TAP_TEST(blocks_of_a_vhd_that_overlap_are_refused)
{
	struct bed b = make(IMAGE_VHD, 8 * MIB, 1 << 20, 512, false);
	uint8_t entry[4];

	TAP_EQ(write_at(&b, 0, 4 * MIB / 2, 7), 0);
	TAP_EQ(image_driver_close(&b.file), 0);
	TAP_EQ(vmm_store_read(b.fd, entry, 4, IMAGE_VHD_TABLE), 0);
	hvw_put_be32(entry, hvw_be32(entry) + 9);
	TAP_EQ(vmm_store_write(b.fd, entry, 4, IMAGE_VHD_TABLE + 16), 0);
	refused(b.fd, IMAGE_VHD, "something else", __LINE__);
	done(&b);
}

TAP_TEST(a_vhd_footer_with_a_wrong_sum_is_none)
{
	struct bed fixed = make(IMAGE_VHD, 8 * MIB, 1 << 20, 512, true);
	struct bed dynamic = make(IMAGE_VHD, 8 * MIB, 1 << 20, 512, false);

	TAP_EQ(image_driver_close(&fixed.file), 0);
	TAP_EQ(vmm_store_write(fixed.fd, "x", 1, 8 * MIB + 30), 0);
	refused(fixed.fd, IMAGE_VHD, "not a VHD", __LINE__);
	done(&fixed);
	TAP_EQ(image_driver_close(&dynamic.file), 0);
	TAP_EQ(vmm_store_write(dynamic.fd, "x", 1, 30), 0);
	TAP_REQUIRE(open_bed(&dynamic));
	TAP_EQ(write_at(&dynamic, 0, 512, 7), 0);
	again(&dynamic);
	/* The copy at its beginning was made good before the end was written to. */
	TAP_EQ(image_driver_close(&dynamic.file), 0);
	TAP_EQ(vmm_store_resize(dynamic.fd, memory_store_of(dynamic.fd)->bytes - 512), 0);
	TAP_CHECK(open_bed(&dynamic));
	TAP_CHECK(all_right(&dynamic));
	done(&dynamic);
}

/* A guest can make its own disk begin like a footer. */
TAP_TEST(the_footer_at_the_end_of_a_fixed_vhd_counts)
{
	struct bed b = make(IMAGE_VHD, 8 * MIB, 1 << 20, 512, true);
	struct vhd_footer footer;

	TAP_EQ(vmm_store_read(b.fd, &footer, sizeof(footer), 8 * MIB), 0);
	hvw_put_be32(footer.type, VHD_DYNAMIC);
	hvw_put_be64(footer.data_offset, 512);
	image_seal_vhd(&footer);
	memcpy(b.model, &footer, sizeof(footer));
	TAP_EQ(image_io(&b.file, HVH_DISK_WRITE, 0, 0, 512, &footer), 0);
	again(&b);
	TAP_CHECK(all_right(&b));
	done(&b);
}

/* --- the log ----------------------------------------------------------------------------------------- */

/* As a crash leaves it: the log is written, and nothing in its place. */
static struct bed crashed(void)
{
	struct bed b = make(IMAGE_VHDX, 8 * MIB, 1 << 20, 512, false);
	static const uint64_t none;

	TAP_EQ(write_at(&b, 3 * MIB, 512, 7), 0);
	TAP_EQ(flush(&b), 0);
	TAP_EQ(vmm_store_write(b.fd, &none, 8, IMAGE_VHDX_BAT + 24), 0);
	/* Closing a copy changes nothing in the file. */
	memory_store_of(b.fd)->fail_after = 0;
	memory_store_of(b.fd)->fail_err = -EIO;
	TAP_CHECK(image_driver_close(&b.file) != 0);
	memory_store_of(b.fd)->fail_after = -1;
	return b;
}

TAP_TEST(what_the_log_says_is_put_in_its_place)
{
	struct bed b = crashed();
	struct vmm_disk_file file;

	TAP_CHECK(image_driver_open(b.fd, IMAGE_VHDX, true, &file, why) != 0);
	TAP_CHECK(strstr(why, "open for writing") != NULL);
	TAP_REQUIRE(open_bed(&b));
	TAP_CHECK(vmm_disk_image_facts(b.file.image)->replayed);
	TAP_CHECK(all_right(&b));
	TAP_EQ(bat_entry(&b, 3), IMAGE_VHDX_BLOCKS | VHDX_BAT_PRESENT);
	again(&b);
	TAP_CHECK(!vmm_disk_image_facts(b.file.image)->replayed);
	TAP_CHECK(all_right(&b));
	done(&b);
}

TAP_TEST(a_file_that_was_cut_behind_its_log_is_refused)
{
	struct bed b = crashed();

	TAP_EQ(vmm_store_resize(b.fd, 4 * MIB), 0);
	refused(b.fd, IMAGE_VHDX, "has been cut", __LINE__);
	done(&b);
}

TAP_TEST(a_log_that_is_damaged_is_refused)
{
	struct bed b = crashed();

	/* Its second entry: then the first, which says nothing, is the newest. */
	TAP_EQ(vmm_store_write(b.fd, "damage", 6, IMAGE_VHDX_LOG + 4096 + 200), 0);
	TAP_REQUIRE(open_bed(&b));
	TAP_EQ(bat_entry(&b, 3), 0);
	TAP_EQ(image_driver_close(&b.file), 0);
	done(&b);
	b = crashed();
	TAP_EQ(vmm_store_write(b.fd, "damage", 6, IMAGE_VHDX_LOG + 200), 0);
	TAP_EQ(vmm_store_write(b.fd, "damage", 6, IMAGE_VHDX_LOG + 4096 + 200), 0);
	refused(b.fd, IMAGE_VHDX, "log is damaged", __LINE__);
	done(&b);
}

TAP_TEST(an_entry_longer_than_its_log_is_none)
{
	static const uint32_t lengths[] = { 2u << 20, 5u << 20, 0xfffff000u };

	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct bed b = crashed();

		TAP_EQ(vmm_store_write(b.fd, &lengths[i], 4, IMAGE_VHDX_LOG + 4096 + 8), 0);
		TAP_REQUIRE(open_bed(&b));
		TAP_EQ(bat_entry(&b, 3), 0);
		TAP_EQ(image_driver_close(&b.file), 0);
		done(&b);
	}
}

static void seal_entry(int fd, uint64_t at)
{
	struct vhdx_log_header h;

	TAP_EQ(vmm_store_read(fd, &h, sizeof(h), at), 0);
	TAP_EQ(vmm_store_read(fd, buffer, h.bytes, at), 0);
	h.checksum =
		vmm_crc32c_without(buffer, h.bytes, offsetof(struct vhdx_log_header, checksum));
	TAP_EQ(vmm_store_write(fd, &h, sizeof(h), at), 0);
}

TAP_TEST(a_log_that_would_change_what_it_may_not_is_refused)
{
	static const uint64_t places[] = {
		0,	    VHDX_HEADER_OFFSET(0), IMAGE_VHDX_LOG, IMAGE_VHDX_BAT + 512,
		1ull << 40, UINT64_MAX - 4095
	};
	const uint64_t entry = IMAGE_VHDX_LOG + 4096;

	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct bed b = crashed();

		TAP_EQ(vmm_store_write(b.fd, &places[i], 8, entry + 64 + 16), 0);
		seal_entry(b.fd, entry);
		refused(b.fd, IMAGE_VHDX, "would change what no log may", __LINE__);
		done(&b);
	}
}

/* A log of the smallest size is gone round many times. */
TAP_TEST(the_log_goes_round)
{
	struct bed b = make(IMAGE_VHDX, 600 * MIB, 1 << 20, 512, false);

	for (unsigned i = 0; i < 600; i++) {
		TAP_EQ(write_at(&b, i * MIB, 512, (int)i % 255 + 1), 0);
		TAP_EQ(flush(&b), 0);
	}
	memory_store_of(b.fd)->fail_after = 0;
	memory_store_of(b.fd)->fail_err = -EIO;
	TAP_CHECK(image_driver_close(&b.file) != 0);
	memory_store_of(b.fd)->fail_after = -1;
	TAP_REQUIRE(open_bed(&b));
	TAP_CHECK(vmm_disk_image_facts(b.file.image)->replayed);
	TAP_CHECK(all_right(&b));
	done(&b);
}

/* --- a file that fails ------------------------------------------------------------------------------- */

TAP_TEST(a_full_file_system_fails_the_flush_and_no_more)
{
	struct bed b = make(IMAGE_VHDX, 8 * MIB, 1 << 20, 512, false);

	TAP_EQ(write_at(&b, 0, 512, 7), 0);
	/* The sync is good, the log has no room. */
	memory_store_of(b.fd)->fail_after = 1;
	memory_store_of(b.fd)->fail_err = -ENOSPC;
	TAP_EQ(flush(&b), -ENOSPC);
	TAP_EQ(flush(&b), 0);
	TAP_EQ(bat_entry(&b, 0), IMAGE_VHDX_BLOCKS | VHDX_BAT_PRESENT);
	again(&b);
	TAP_CHECK(all_right(&b));
	done(&b);
}

TAP_TEST(after_a_sync_that_failed_nothing_is_changed_any_more)
{
	for (unsigned kind = IMAGE_VHD; kind <= IMAGE_VHDX; kind++) {
		struct bed b = make((enum image_kind)kind, 8 * MIB, 1 << 20, 512, false);

		TAP_EQ(write_at(&b, 0, 512, 7), 0);
		memory_store_of(b.fd)->fail_after = 0;
		memory_store_of(b.fd)->fail_err = -EIO;
		TAP_EQ(flush(&b), -EIO);
		TAP_EQ(flush(&b), -EIO);
		TAP_EQ(image_io(&b.file, HVH_DISK_WRITE, 0, 0, 512, buffer), -EIO);
		TAP_EQ(image_io(&b.file, HVH_DISK_READ, 0, 0, 512, buffer), 0);
		TAP_EQ(image_driver_close(&b.file), -EIO);
		done(&b);
	}
}

/* Each of the changes that a row of requests makes fails once: no request is lost, and the image opens. */
TAP_TEST(whatever_fails_the_image_is_one_that_opens)
{
	for (unsigned kind = IMAGE_VHD; kind <= IMAGE_VHDX; kind++) {
		for (int n = 0;; n++) {
			struct bed b = make((enum image_kind)kind, 8 * MIB, 1 << 20, 512, false);
			bool failed;

			memory_store_of(b.fd)->fail_after = n;
			memory_store_of(b.fd)->fail_err = n & 1 ? -EIO : -ENOSPC;
			for (unsigned i = 0; i < 4; i++) {
				(void)write_at(&b, (i & 1) * 3 * MIB + 4096 * i, 8192, 9);
				(void)image_io(&b.file, HVH_DISK_ZERO, IMAGE_UNMAP, 3 * MIB, MIB,
					       NULL);
				(void)flush(&b);
			}
			(void)image_driver_close(&b.file);
			failed = memory_store_of(b.fd)->fail_after < 0;
			memory_store_of(b.fd)->fail_after = -1;
			open_bed(&b);
			done(&b);
			if (!failed)
				break;
		}
	}
}

/* --- larger disks ------------------------------------------------------------------------------------- */

static int grow(struct bed *b, uint64_t bytes)
{
	uint64_t had = b->file.bytes;
	int err = vmm_disk_image_resize(b->file.image, bytes, why, sizeof(why));

	if (err)
		return err;
	b->model = realloc(b->model, bytes);
	memset(b->model + had, 0, bytes - had);
	b->file.bytes = bytes;
	return 0;
}

/* Room that blocks have left is other blocks' from the next opening on, so that the file does not grow. */
TAP_TEST(places_that_were_given_back_are_used_again)
{
	struct bed b = make(IMAGE_VHDX, 16 * MIB, 1 << 20, 512, false);
	uint64_t bytes;

	for (unsigned i = 0; i < 8; i++)
		TAP_EQ(write_at(&b, i * MIB, MIB, 1 + (int)i), 0);
	memset(b.model, 0, 4 * MIB);
	TAP_EQ(image_io(&b.file, HVH_DISK_ZERO, IMAGE_UNMAP, 0, 4 * MIB, NULL), 0);
	again(&b);
	TAP_EQ(vmm_store_size(b.fd, &bytes), 0);
	/* What is there from before does not come to light. */
	for (unsigned i = 10; i < 14; i++)
		TAP_EQ(write_at(&b, i * MIB + 4096, 4096, (int)i), 0);
	TAP_CHECK(all_right(&b));
	again(&b);
	TAP_CHECK(all_right(&b));
	TAP_EQ(memory_store_of(b.fd)->bytes, bytes);
	/* One that is used up, one that is left over, and no more. */
	memset(b.model + 6 * MIB, 0, 2 * MIB);
	TAP_EQ(image_io(&b.file, HVH_DISK_ZERO, IMAGE_UNMAP, 6 * MIB, 2 * MIB, NULL), 0);
	again(&b);
	TAP_EQ(write_at(&b, 0, 4096, 77), 0);
	again(&b);
	TAP_CHECK(all_right(&b));
	TAP_EQ(memory_store_of(b.fd)->bytes, bytes);
	for (unsigned i = 1; i < 4; i++)
		TAP_EQ(write_at(&b, i * MIB, MIB, 80 + (int)i), 0);
	again(&b);
	TAP_CHECK(all_right(&b));
	done(&b);
}

TAP_TEST(a_dynamic_vhdx_grows_while_it_is_open)
{
	struct bed b = make(IMAGE_VHDX, 8 * MIB + 512, 1 << 20, 512, false);

	TAP_EQ(write_at(&b, 8 * MIB - 4096, 4096 + 512, 5), 0);
	TAP_EQ(grow(&b, 20 * MIB), 0);
	TAP_CHECK(all_right(&b));
	TAP_EQ(write_at(&b, 19 * MIB, MIB, 6), 0);
	TAP_EQ(write_at(&b, 8 * MIB + 512, 8192, 7), 0);
	again(&b);
	TAP_EQ(b.file.bytes, 20 * MIB);
	TAP_CHECK(all_right(&b));
	/* With more of the table than was in use: 4096 bytes of it are 512 blocks. */
	TAP_EQ(grow(&b, 1200 * MIB), 0);
	TAP_EQ(write_at(&b, 1199 * MIB, MIB, 8), 0);
	again(&b);
	TAP_EQ(b.file.bytes, 1200 * MIB);
	TAP_CHECK(all_right(&b));
	done(&b);
}

/* What an image's maker left behind the end of its disk is none of the guest's. */
TAP_TEST(a_disk_that_grows_shows_nothing_old)
{
	struct bed b = make(IMAGE_VHDX, 8 * MIB + 512, 1 << 20, 512, false);
	struct vmm_extent extent;

	TAP_EQ(write_at(&b, 8 * MIB, 512, 5), 0);
	TAP_EQ(flush(&b), 0);
	vmm_disk_image_map(b.file.image, HVH_DISK_READ, false, 8 * MIB, 512, &extent);
	memset(buffer, 0xdd, 4096);
	TAP_EQ(vmm_store_write(b.fd, buffer, 4096, extent.at + 512), 0);
	TAP_EQ(grow(&b, 9 * MIB), 0);
	TAP_CHECK(all_right(&b));
	done(&b);
}

TAP_TEST(other_images_keep_their_size)
{
	struct bed vhd = make(IMAGE_VHD, 8 * MIB, 1 << 20, 512, false);
	struct bed fixed = make(IMAGE_VHDX, 8 * MIB, 1 << 20, 512, true);
	struct bed vhdx = make(IMAGE_VHDX, 8 * MIB, 1 << 20, 512, false);

	TAP_EQ(grow(&vhd, 16 * MIB), -EINVAL);
	TAP_EQ(grow(&fixed, 16 * MIB), -EINVAL);
	TAP_EQ(grow(&vhdx, 4 * MIB), -EINVAL);
	TAP_EQ(grow(&vhdx, 8 * MIB + 1), -EINVAL);
	/* A table of 1 MiB has room for so many blocks. */
	TAP_EQ(grow(&vhdx, MIB << 18), -EINVAL);
	TAP_CHECK(strstr(why, "has room for"));
	TAP_CHECK(all_right(&vhdx));
	done(&vhd);
	done(&fixed);
	done(&vhdx);
}

/* Each of the changes that growing makes fails once: the image is as large as before or as it was to become. */
TAP_TEST(growing_that_fails_leaves_an_image)
{
	for (int n = 0;; n++) {
		struct bed b = make(IMAGE_VHDX, 8 * MIB, 1 << 20, 512, false);
		bool failed;

		TAP_EQ(write_at(&b, MIB, 4096, 9), 0);
		TAP_EQ(flush(&b), 0);
		memory_store_of(b.fd)->fail_after = n;
		memory_store_of(b.fd)->fail_err = n & 1 ? -EIO : -ENOSPC;
		failed = grow(&b, 16 * MIB) != 0;
		TAP_EQ(failed, memory_store_of(b.fd)->fail_after < 0);
		memory_store_of(b.fd)->fail_after = -1;
		(void)image_driver_close(&b.file);
		if (open_bed(&b)) {
			TAP_CHECK(b.file.bytes == 16 * MIB || (failed && b.file.bytes == 8 * MIB));
			b.model = realloc(b.model, 16 * MIB);
			memset(b.model + 8 * MIB, 0, 8 * MIB);
			TAP_CHECK(all_right(&b));
		}
		done(&b);
		if (!failed)
			break;
	}
}

TAP_TEST(the_checksum_is_crc32c)
{
	TAP_EQ(vmm_crc32c(0, "123456789", 9), 0xe3069283);
	TAP_EQ(vmm_crc32c(vmm_crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
	TAP_EQ(vmm_crc32c(0, "123456789012345678901234567890", 30),
	       vmm_crc32c(vmm_crc32c(0, "12345678901", 11), "2345678901234567890", 19));
}

TAP_MAIN()
