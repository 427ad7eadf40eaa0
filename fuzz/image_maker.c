/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "fuzz/image_maker.h"

#include <stdlib.h>
#include <string.h>

#include "hvw_be.h"
#include "vmm/image/crc32c.h"
#include "vmm/image/store.h"

static void put(int fd, const void *bytes, size_t len, uint64_t at)
{
	if (vmm_store_write(fd, bytes, len, at))
		abort();
}

static void get(int fd, void *bytes, size_t len, uint64_t at)
{
	if (vmm_store_read(fd, bytes, len, at))
		abort();
}

static void resize(int fd, uint64_t bytes)
{
	if (vmm_store_resize(fd, bytes))
		abort();
}

/* --- VHDX -------------------------------------------------------------------------------------------- */

void image_seal_header(int fd, unsigned index)
{
	struct vhdx_header h;

	get(fd, &h, sizeof(h), VHDX_HEADER_OFFSET(index));
	h.checksum = vmm_crc32c_without(&h, sizeof(h), offsetof(struct vhdx_header, checksum));
	put(fd, &h, sizeof(h), VHDX_HEADER_OFFSET(index));
}

void image_seal_regions(int fd, unsigned index)
{
	static uint8_t bytes[VHDX_REGION_TABLE_BYTES];
	struct vhdx_region_table *table = (void *)bytes;

	get(fd, bytes, sizeof(bytes), VHDX_REGIONS_OFFSET(index));
	table->checksum = vmm_crc32c_without(bytes, sizeof(bytes),
					     offsetof(struct vhdx_region_table, checksum));
	put(fd, bytes, sizeof(bytes), VHDX_REGIONS_OFFSET(index));
}

static void put_headers(int fd)
{
	struct vhdx_header h = { .signature = VHDX_HEADER_SIGNATURE,
				 .file_write = { { 1 } },
				 .data_write = { { 2 } },
				 .version = 1,
				 .log_bytes = (uint32_t)VHDX_UNIT,
				 .log_offset = IMAGE_VHDX_LOG };

	for (unsigned i = 0; i < 2; i++) {
		h.sequence = 7 + i;
		put(fd, &h, sizeof(h), VHDX_HEADER_OFFSET(i));
		image_seal_header(fd, i);
	}
}

static void put_regions(int fd)
{
	static const struct {
		struct vhdx_region_table table;
		struct vhdx_region region[2];
	} regions = {
		.table = { .signature = VHDX_REGIONS_SIGNATURE, .count = 2 },
		.region = { { VHDX_REGION_BAT, IMAGE_VHDX_BAT, (uint32_t)VHDX_UNIT, VHDX_REQUIRED },
			    { VHDX_REGION_METADATA, IMAGE_VHDX_METADATA, (uint32_t)VHDX_UNIT,
			      VHDX_REQUIRED } },
	};

	for (unsigned i = 0; i < 2; i++) {
		put(fd, &regions, sizeof(regions), VHDX_REGIONS_OFFSET(i));
		image_seal_regions(fd, i);
	}
}

static void put_metadata(int fd, const struct image_maker *maker)
{
	struct {
		struct vhdx_metadata_table table;
		struct vhdx_metadata_item item[5];
	} table = { .table = { .signature = VHDX_METADATA_SIGNATURE, .count = 5 },
		    .item = {
			    { VHDX_ITEM_PARAMETERS, 65536, 8, VHDX_ITEM_REQUIRED, 0 },
			    { VHDX_ITEM_SIZE, 65544, 8, VHDX_ITEM_REQUIRED | 2, 0 },
			    { VHDX_ITEM_DISK_ID, 65552, 16, VHDX_ITEM_REQUIRED | 2, 0 },
			    { VHDX_ITEM_LOGICAL, 65568, 4, VHDX_ITEM_REQUIRED | 2, 0 },
			    { VHDX_ITEM_PHYSICAL, 65572, 4, VHDX_ITEM_REQUIRED | 2, 0 },
		    } };
	struct {
		struct vhdx_parameters parameters;
		uint64_t bytes;
		struct hvp_guid id;
		uint32_t logical, physical;
	} items = { .parameters = { maker->block_bytes, maker->fixed ? VHDX_PARAMETERS_KEEP : 0 },
		    .bytes = maker->bytes,
		    .id = { { 0x11, 0x22, 0x33, 0x44 } },
		    .logical = maker->sector_bytes,
		    .physical = 4096 };

	put(fd, &table, sizeof(table), IMAGE_VHDX_METADATA);
	put(fd, &items, sizeof(items), IMAGE_VHDX_METADATA + 65536);
}

static void put_blocks(int fd, const struct image_maker *maker)
{
	uint64_t blocks = (maker->bytes + maker->block_bytes - 1) / maker->block_bytes;
	uint64_t chunk = VHDX_CHUNK_SECTORS * maker->sector_bytes / maker->block_bytes;

	resize(fd, IMAGE_VHDX_BLOCKS + blocks * maker->block_bytes);
	for (uint64_t i = 0; i < blocks; i++) {
		uint64_t entry = (IMAGE_VHDX_BLOCKS + i * maker->block_bytes) | VHDX_BAT_PRESENT;

		put(fd, &entry, sizeof(entry), IMAGE_VHDX_BAT + (i + i / chunk) * sizeof(entry));
	}
}

void image_make_vhdx(int fd, const struct image_maker *maker)
{
	resize(fd, IMAGE_VHDX_BLOCKS);
	put(fd, VHDX_FILE_SIGNATURE, 8, 0);
	put_headers(fd);
	put_regions(fd);
	put_metadata(fd, maker);
	if (maker->fixed)
		put_blocks(fd, maker);
}

/* --- VHD --------------------------------------------------------------------------------------------- */

/* The sum of all bytes but the field's, inverted. */
static void seal(void *bytes, size_t len, uint8_t *field)
{
	const uint8_t *at = bytes;
	uint32_t sum = 0;

	memset(field, 0, 4);
	for (size_t i = 0; i < len; i++)
		sum += at[i];
	hvw_put_be32(field, ~sum);
}

void image_seal_vhd(struct vhd_footer *footer)
{
	seal(footer, sizeof(*footer), footer->checksum);
}

void image_seal_vhd_header(int fd)
{
	struct vhd_header h;

	get(fd, &h, sizeof(h), IMAGE_VHD_HEADER);
	seal(&h, sizeof(h), h.checksum);
	put(fd, &h, sizeof(h), IMAGE_VHD_HEADER);
}

static void put_table(int fd, const struct image_maker *maker)
{
	uint64_t blocks = (maker->bytes + maker->block_bytes - 1) / maker->block_bytes;
	static const uint8_t absent[512] = { [0 ... 511] = 0xff };
	struct vhd_header h = { .cookie = VHD_HEADER_COOKIE };
	uint64_t at;

	memset(h.data_offset, 0xff, sizeof(h.data_offset));
	hvw_put_be64(h.table_offset, IMAGE_VHD_TABLE);
	hvw_put_be32(h.version, VHD_VERSION);
	hvw_put_be32(h.entries, (uint32_t)blocks);
	hvw_put_be32(h.block_bytes, maker->block_bytes);
	put(fd, &h, sizeof(h), IMAGE_VHD_HEADER);
	image_seal_vhd_header(fd);
	for (at = 0; at < blocks * 4; at += sizeof(absent))
		put(fd, absent, sizeof(absent), IMAGE_VHD_TABLE + at);
}

void image_make_vhd(int fd, const struct image_maker *maker)
{
	struct vhd_footer f = { .cookie = VHD_FOOTER_COOKIE, .id = { { 0x55, 0x66 } } };
	uint64_t end = maker->bytes;

	hvw_put_be32(f.features, 2);
	hvw_put_be32(f.version, VHD_VERSION);
	hvw_put_be64(f.data_offset, maker->fixed ? UINT64_MAX : IMAGE_VHD_HEADER);
	/* By its creator QEMU knows that the size counts, and not the geometry. */
	memcpy(f.creator, "win ", 4);
	hvw_put_be64(f.original_bytes, maker->bytes);
	hvw_put_be64(f.bytes, maker->bytes);
	hvw_put_be32(f.geometry, 0x00100410);
	hvw_put_be32(f.type, maker->fixed ? VHD_FIXED : VHD_DYNAMIC);
	image_seal_vhd(&f);
	if (!maker->fixed) {
		put(fd, &f, sizeof(f), 0);
		put_table(fd, maker);
		(void)vmm_store_size(fd, &end);
	}
	put(fd, &f, sizeof(f), end);
}
