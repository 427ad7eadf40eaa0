/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Images that somebody has made up. The input: a byte that chooses an image in order (KIND_*), changes to its parts, which
 * sums are made right afterwards, and what a guest then does with it, if it opens.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz_target.h"
#include "fuzz/image_driver.h"
#include "fuzz/image_maker.h"
#include "fuzz/input.h"
#include "hvw_be.h"
#include "vmm/image/crc32c.h"
#include "vmm/image/store.h"

#define REQUIRE(condition)                                                                         \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

const unsigned fuzz_cuts = 6;

#define KIND_VHDX      0x01u
#define KIND_FIXED     0x02u
#define KIND_CRASHED   0x04u /* not closed */
#define KIND_READ_ONLY 0x08u
#define KIND_GROWS     0x10u /* while it is in use */

#define MIB	   (1u << 20)
#define DISK_BYTES (40u * MIB)

/* Of a dynamic VHD: before the first page of the host's behind the table. */
#define FIRST_BITMAP (4096u - 512u)

static unsigned opened[8], replayed, refused, written, grown;

/* --- images in order --------------------------------------------------------------------------------- */

static int templates[8];

static void make_template(unsigned kind)
{
	const struct image_maker maker = { DISK_BYTES, 2 * MIB, 512, kind & KIND_FIXED };
	enum image_kind format = kind & KIND_VHDX ? IMAGE_VHDX : IMAGE_VHD;
	int fd = memory_store_create(), crashed;
	static uint8_t data[8192];
	struct vmm_disk_file file;
	char why[256];

	memset(data, 0x5a, sizeof(data));
	if (format == IMAGE_VHDX)
		image_make_vhdx(fd, &maker);
	else
		image_make_vhd(fd, &maker);
	REQUIRE(!image_driver_open(fd, format, false, &file, why));
	for (unsigned i = 0; i < 3; i++) {
		REQUIRE(!image_io(&file, HVH_DISK_WRITE, 0, i * 7 * MIB, sizeof(data), data));
		REQUIRE(!image_io(&file, HVH_DISK_FLUSH, 0, 0, 0, NULL));
	}
	crashed = memory_store_create();
	memory_store_copy(crashed, fd);
	REQUIRE(!image_driver_close(&file));
	templates[kind & ~KIND_CRASHED] = fd;
	templates[kind | KIND_CRASHED] = crashed;
}

static int copy_of(unsigned kind)
{
	int fd;

	if (!templates[0])
		for (unsigned i = 0; i < 4; i++)
			make_template(i);
	fd = memory_store_create();
	memory_store_copy(fd, templates[kind % 8]);
	return fd;
}

/* --- changes ----------------------------------------------------------------------------------------- */

static void put(int fd, struct input *in, uint64_t at)
{
	uint8_t bytes[32];
	size_t len = input_byte(in) % (sizeof(bytes) + 1);

	input_take(in, bytes, len);
	(void)vmm_store_write(fd, bytes, len, at);
}

/* An entry of the log whose parts fit, with places of the input's choice. */
static void put_log_entry(int fd, struct input *in)
{
	static uint8_t entry[16 * VHDX_LOG_SECTOR];
	struct vhdx_log_header *h = (void *)entry;
	struct vhdx_log_descriptor *d = (void *)(h + 1);
	struct vhdx_log_data *data = (void *)(entry + VHDX_LOG_SECTOR);
	unsigned sector = input_byte(in), bits = input_byte(in), sectors = 1;

	memset(entry, 0, sizeof(entry));
	h->signature = VHDX_LOG_SIGNATURE;
	h->tail = (bits & 0x80 ? input_byte(in) : sector) * VHDX_LOG_SECTOR;
	h->sequence = 1 + (bits >> 4 & 7);
	h->descriptors = bits % 16;
	h->flushed_file_bytes = (uint64_t)input_byte(in) * MIB;
	h->last_file_bytes = (uint64_t)input_byte(in) * MIB;
	for (unsigned i = 0; i < h->descriptors; i++, d++) {
		unsigned what = input_byte(in);

		d->offset = (uint64_t)input_word(in) * VHDX_LOG_SECTOR;
		d->sequence = h->sequence;
		if (what & 1) {
			d->signature = VHDX_LOG_ZERO;
			d->zero_bytes = (uint64_t)(what >> 1) * VHDX_LOG_SECTOR;
			continue;
		}
		d->signature = VHDX_LOG_DESCRIPTOR;
		input_take(in, d->leading, sizeof(d->leading));
		data->signature = VHDX_LOG_DATA;
		data->sequence_low = (uint32_t)h->sequence;
		data++;
		sectors++;
	}
	h->bytes = sectors * VHDX_LOG_SECTOR;
	(void)vmm_store_write(fd, entry, h->bytes,
			      IMAGE_VHDX_LOG + (uint64_t)sector * VHDX_LOG_SECTOR);
}

static void change_vhdx(int fd, struct input *in)
{
	static const uint64_t areas[] = { 0,
					  VHDX_HEADER_OFFSET(0),
					  VHDX_HEADER_OFFSET(1),
					  VHDX_REGIONS_OFFSET(0),
					  VHDX_REGIONS_OFFSET(1),
					  IMAGE_VHDX_METADATA,
					  IMAGE_VHDX_METADATA + 65536,
					  IMAGE_VHDX_BAT,
					  IMAGE_VHDX_LOG };
	unsigned area = input_byte(in) % 11;

	if (area < 9)
		put(fd, in, areas[area] + input_word(in) % 16384);
	else if (area == 9)
		put_log_entry(fd, in);
	else
		(void)vmm_store_resize(fd, (uint64_t)input_word(in) * 4096 % (128 * MIB));
}

static void change_vhd(int fd, struct input *in)
{
	uint64_t end;

	(void)vmm_store_size(fd, &end);
	switch (input_byte(in) % 6) {
	case 0:
		put(fd, in, input_byte(in));
		break;
	case 1:
		put(fd, in, end > 512 ? end - 512 + input_byte(in) : 0);
		break;
	case 2:
		put(fd, in, IMAGE_VHD_HEADER + input_word(in) % 1024);
		break;
	case 3:
		put(fd, in, IMAGE_VHD_TABLE + input_word(in) % 8192);
		break;
	case 4:
		put(fd, in, FIRST_BITMAP + input_word(in) % 512);
		break;
	default:
		(void)vmm_store_resize(fd, (uint64_t)input_word(in) * 512);
		break;
	}
}

/* Makes sums right, and entries of the log ones of the log that the headers name. */
static void seal_log(int fd, bool name)
{
	static uint8_t bytes[64 << 10];
	struct vhdx_header header;
	struct vhdx_log_header *h = (void *)bytes;

	if (vmm_store_read(fd, &header, sizeof(header), VHDX_HEADER_OFFSET(0)))
		return;
	for (unsigned i = 0; i < 2 && name; i++) {
		header.log.b[0] = 1;
		(void)vmm_store_write(fd, &header.log, sizeof(header.log),
				      VHDX_HEADER_OFFSET(i) + offsetof(struct vhdx_header, log));
	}
	for (unsigned sector = 0; sector < 256; sector++) {
		uint64_t at = IMAGE_VHDX_LOG + sector * VHDX_LOG_SECTOR;

		if (vmm_store_read(fd, h, sizeof(*h), at) || h->signature != VHDX_LOG_SIGNATURE ||
		    h->bytes < sizeof(*h) || h->bytes > sizeof(bytes) ||
		    h->bytes > (256 - sector) * VHDX_LOG_SECTOR ||
		    vmm_store_read(fd, bytes, h->bytes, at))
			continue;
		h->log = header.log;
		h->checksum = vmm_crc32c_without(bytes, h->bytes,
						 offsetof(struct vhdx_log_header, checksum));
		(void)vmm_store_write(fd, h, sizeof(*h), at);
	}
}

static void seal_vhdx(int fd, unsigned which)
{
	uint64_t bytes;

	(void)vmm_store_size(fd, &bytes);
	if (bytes < IMAGE_VHDX_METADATA)
		return;
	if (which & 0x30)
		seal_log(fd, which & 0x20);
	for (unsigned i = 0; i < 2; i++) {
		if (which & 1u << i)
			image_seal_header(fd, i);
		if (which & 4u << i)
			image_seal_regions(fd, i);
	}
}

static void seal_vhd(int fd, unsigned which)
{
	struct vhd_footer footer;
	uint64_t bytes;

	(void)vmm_store_size(fd, &bytes);
	if (bytes < 4096)
		return;
	for (unsigned i = 0; i < 2; i++) {
		uint64_t at = i ? 0 : bytes - sizeof(footer);

		if (!(which & 1u << i) || vmm_store_read(fd, &footer, sizeof(footer), at))
			continue;
		image_seal_vhd(&footer);
		(void)vmm_store_write(fd, &footer, sizeof(footer), at);
	}
	if (which & 4)
		image_seal_vhd_header(fd);
}

/* --- the guest --------------------------------------------------------------------------------------- */

/* What was written last, which is to be there after opening again. */
struct last {
	uint64_t at, bytes;
	uint8_t value;
};

static uint8_t buffer[64 << 10], expected[64 << 10];

static bool request(const struct vmm_disk_file *file, struct input *in, struct last *last)
{
	uint64_t sector = vmm_disk_image_facts(file->image)->block_bytes;
	uint64_t sectors = file->bytes / sector, at, bytes;
	unsigned what = input_byte(in);
	int err;

	at = (uint64_t)input_word(in) * (what & 0x80 ? sectors / 65536 + 1 : 1) % sectors;
	bytes = 1 + input_byte(in) % (sizeof(buffer) / sector);
	if (bytes > sectors - at)
		bytes = sectors - at;
	at *= sector;
	bytes *= sector;
	switch (what % 4) {
	case 0:
		memset(buffer, (int)what, bytes);
		memset(expected, (int)what, bytes);
		err = image_io(file, HVH_DISK_WRITE, what >> 2 & 3, at, bytes, buffer);
		if (!err)
			*last = (struct last){ at, bytes, (uint8_t)what };
		else
			last->bytes = 0;
		written += !err;
		break;
	case 1:
		last->bytes = 0;
		bytes <<= what >> 4 & 7;
		if (bytes > file->bytes - at)
			bytes = file->bytes - at;
		err = image_io(file, HVH_DISK_ZERO, what >> 2 & 3, at, bytes, NULL);
		break;
	case 2:
		err = image_io(file, HVH_DISK_FLUSH, 0, 0, 0, NULL);
		break;
	default:
		(void)image_io(file, HVH_DISK_READ, 0, at, bytes, buffer);
		return true;
	}
	return !err;
}

static void check_last(const struct vmm_disk_file *file, const struct last *last)
{
	if (!last->bytes)
		return;
	memset(expected, last->value, last->bytes);
	REQUIRE(!image_io(file, HVH_DISK_READ, 0, last->at, last->bytes, buffer));
	REQUIRE(!memcmp(buffer, expected, last->bytes));
}

/* Somewhat larger, or far too large; what it is then it stays. */
static bool grow(struct vmm_disk_file *file, struct input *in)
{
	const struct vmm_disk_image_facts *facts = vmm_disk_image_facts(file->image);
	uint64_t more = ((uint64_t)input_word(in) + 1) << (input_byte(in) % 48) >> 12 << 12;
	char why[256] = "";

	if (vmm_disk_image_resize(file->image, file->bytes + more, why, sizeof(why))) {
		REQUIRE(why[0] && facts->bytes == file->bytes);
		return false;
	}
	REQUIRE(facts->bytes == file->bytes + more);
	file->bytes = facts->bytes;
	grown += more != 0;
	return true;
}

static void use(int fd, unsigned kind, struct input *in)
{
	enum image_kind format = kind & KIND_VHDX ? IMAGE_VHDX : IMAGE_VHD;
	bool read_only = kind & KIND_READ_ONLY, good = true;
	const struct vmm_disk_image_facts *facts;
	struct last last = { .bytes = 0 };
	struct vmm_disk_file file;
	char why[256] = "";
	uint64_t bytes;

	if (image_driver_open(fd, format, read_only, &file, why)) {
		REQUIRE(why[0]);
		refused++;
		return;
	}
	facts = vmm_disk_image_facts(file.image);
	opened[kind % 4]++;
	replayed += facts->replayed;
	REQUIRE(file.bytes && file.bytes <= VHDX_DISK_BYTES_MAX);
	REQUIRE(facts->block_bytes == 512 || facts->block_bytes == 4096);
	REQUIRE(file.bytes % facts->block_bytes == 0);
	for (unsigned i = 0; i < 24 && in->left; i++) {
		if (kind & KIND_GROWS && !read_only && i == 4)
			(void)grow(&file, in);
		good &= request(&file, in, &last);
	}
	check_last(&file, &last);
	if (image_driver_close(&file) || !good || read_only)
		return;
	/* What it was made of has changed by no more than what the guest wrote. */
	bytes = file.bytes;
	REQUIRE(!image_driver_open(fd, format, false, &file, why));
	REQUIRE(file.bytes == bytes);
	check_last(&file, &last);
	REQUIRE(!image_driver_close(&file));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct input in = { data, len };
	unsigned kind = input_byte(&in), changes = input_byte(&in) % 16, seals;
	int fd;

	memory_store_max = 160 * MIB;
	fd = copy_of(kind);
	while (changes--) {
		if (kind & KIND_VHDX)
			change_vhdx(fd, &in);
		else
			change_vhd(fd, &in);
	}
	seals = input_byte(&in);
	if (kind & KIND_VHDX)
		seal_vhdx(fd, seals);
	else
		seal_vhd(fd, seals);
	use(fd, kind, &in);
	memory_store_destroy(fd);
	return 0;
}

int fuzz_corpus_complete(void)
{
	static const char *const names[] = { "a dynamic VHD was opened",
					     "a dynamic VHDX was opened", "a fixed VHD was opened",
					     "a fixed VHDX was opened" };
	int missing = 0;

	for (unsigned i = 0; i < 4; i++) {
		if (opened[i])
			continue;
		printf("# never: %s\n", names[i]);
		missing++;
	}
	if (!replayed || !refused || !written || !grown) {
		printf("# never: a log replayed, an image refused, one written to, or one that grew\n");
		missing++;
	}
	return missing;
}
