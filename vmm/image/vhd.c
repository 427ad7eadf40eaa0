/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A VHD. It has no log: an entry of its table lies inside one sector, which a medium writes as a whole, and points to room
 * that is on the medium by then, so each state between two writes is one that makes sense. The footer at the end is
 * worth nothing while the file grows; the copy at its beginning is what it is opened by after a crash.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hvw_be.h"
#include "vmm/image/image_priv.h"
#include "vmm/image/store.h"
#include "vmm/image/vhd_format.h"

/* The file grows by so much, or by one block. */
#define ROOM_BYTES (16u << 20)

/* New blocks' data begins where the host's pages do. */
#define ALIGNMENT 4096u

#define BLOCK_BYTES_MIN (64u << 10)
#define BLOCK_BYTES_MAX (256u << 20)

/* Blocks of a fixed disk's table: as large as they can be. */
#define FIXED_BLOCK (1u << 31)

struct vhd {
	struct vmm_disk_image image; /* first */
	struct vhd_footer footer; /* (c) */
	bool copy_is_bad; /* (p) the footer at the beginning of a dynamic disk */
	bool fixed; /* (c) */
	uint64_t file_bytes; /* as opened; 0: nothing behind what is in use any more */
	uint64_t table_offset; /* (c) */
	unsigned bitmap_bytes; /* (c) */
	uint8_t *ones; /* (c) a bitmap with all bits */
	uint8_t **bitmap; /* (p) of each PARTIAL block; never replaced */
};

/* --- opening ----------------------------------------------------------------------------------------- */

static uint32_t checksum(const void *bytes, size_t len, size_t field)
{
	const uint8_t *at = bytes;
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++)
		if (i < field || i >= field + 4)
			sum += at[i];
	return ~sum;
}

static bool footer_is_valid(const struct vhd_footer *footer)
{
	return !memcmp(footer->cookie, VHD_FOOTER_COOKIE, sizeof(footer->cookie)) &&
	       hvw_be32(footer->checksum) ==
		       checksum(footer, sizeof(*footer), offsetof(struct vhd_footer, checksum));
}

/* The one at the end counts: what a fixed disk begins with is the guest's. */
static int find_footer(struct vhd *v)
{
	struct vhd_footer copy;
	int err = vmm_store_size(v->image.fd, &v->file_bytes);

	if (!err && v->file_bytes < sizeof(copy))
		return vmm_disk_image_refuse(&v->image, "too short for a VHD");
	if (!err)
		err = vmm_store_read(v->image.fd, &v->footer, sizeof(v->footer),
				     v->file_bytes - sizeof(v->footer));
	if (!err)
		err = vmm_store_read(v->image.fd, &copy, sizeof(copy), 0);
	if (err)
		return vmm_disk_image_fail(&v->image, "its footer", err);
	v->copy_is_bad = !footer_is_valid(&copy);
	if (footer_is_valid(&v->footer))
		return 0;
	v->footer = copy;
	v->image.facts.replayed = true;
	if (v->copy_is_bad)
		return vmm_disk_image_refuse(&v->image,
					     "not a VHD, or both its footers are damaged");
	if (hvw_be32(copy.type) != VHD_DYNAMIC)
		return vmm_disk_image_refuse(&v->image, "the VHD's footer is damaged");
	return 0;
}

static int check_footer(struct vhd *v)
{
	uint64_t bytes = hvw_be64(v->footer.bytes);
	uint32_t type = hvw_be32(v->footer.type);

	if (hvw_be32(v->footer.version) != VHD_VERSION)
		return vmm_disk_image_refuse(&v->image, "a VHD of version %#x is not supported",
					     hvw_be32(v->footer.version));
	if (type == VHD_DIFFERENCING)
		return vmm_disk_image_refuse(
			&v->image,
			"a differencing VHD, which needs its parent: merge it into that, or convert it");
	if (type != VHD_FIXED && type != VHD_DYNAMIC)
		return vmm_disk_image_refuse(&v->image, "a VHD of type %u is not supported", type);
	if (!bytes || bytes % VHD_SECTOR || bytes > VHD_BYTES_MAX)
		return vmm_disk_image_refuse(&v->image, "the VHD is a disk of %llu bytes",
					     (unsigned long long)bytes);
	v->fixed = type == VHD_FIXED;
	if (v->fixed && bytes > v->file_bytes - sizeof(v->footer))
		return vmm_disk_image_refuse(&v->image,
					     "the VHD is a disk of %llu bytes, in a file of %llu",
					     (unsigned long long)bytes,
					     (unsigned long long)v->file_bytes);
	v->image.facts.bytes = bytes;
	v->image.facts.block_bytes = VHD_SECTOR;
	v->image.facts.physical_bytes = VHD_SECTOR;
	v->image.facts.id = v->footer.id;
	return 0;
}

static int open_fixed(struct vhd *v)
{
	uint64_t blocks = (v->image.facts.bytes + FIXED_BLOCK - 1) / FIXED_BLOCK;
	int err = vmm_disk_image_make_table(&v->image, blocks, blocks, sizeof(uint32_t));

	v->image.block_bytes = FIXED_BLOCK;
	v->image.gap_shift = 63;
	for (uint64_t i = 0; i < blocks && !err; i++)
		v->image.table[i] = i * FIXED_BLOCK | BLOCK_PRESENT;
	return err;
}

/* The dynamic header; *entries: of the table. */
static int read_header(struct vhd *v, uint64_t *entries)
{
	uint64_t at = hvw_be64(v->footer.data_offset), blocks;
	struct vhd_header header;
	uint32_t bytes;
	int err;

	if (at % VHD_SECTOR || at < sizeof(v->footer) || at > v->file_bytes ||
	    v->file_bytes - at < sizeof(header))
		return vmm_disk_image_refuse(&v->image, "the VHD's header is outside the file");
	err = vmm_store_read(v->image.fd, &header, sizeof(header), at);
	if (err)
		return vmm_disk_image_fail(&v->image, "its header", err);
	bytes = hvw_be32(header.block_bytes);
	if (memcmp(header.cookie, VHD_HEADER_COOKIE, sizeof(header.cookie)) ||
	    hvw_be32(header.checksum) !=
		    checksum(&header, sizeof(header), offsetof(struct vhd_header, checksum)))
		return vmm_disk_image_refuse(&v->image, "the VHD's header is damaged");
	if (hvw_be32(header.version) != VHD_VERSION || bytes < BLOCK_BYTES_MIN ||
	    bytes > BLOCK_BYTES_MAX || (bytes & (bytes - 1)))
		return vmm_disk_image_refuse(
			&v->image,
			"a VHD of version %#x, with blocks of %u bytes, is not supported",
			hvw_be32(header.version), bytes);
	blocks = (v->image.facts.bytes + bytes - 1) / bytes;
	v->table_offset = hvw_be64(header.table_offset);
	if (blocks > hvw_be32(header.entries))
		return vmm_disk_image_refuse(&v->image,
					     "the VHD's table of blocks is too short for the disk");
	if (v->table_offset % VHD_SECTOR || v->table_offset < sizeof(v->footer) ||
	    v->table_offset > v->file_bytes ||
	    v->file_bytes - v->table_offset < blocks * sizeof(uint32_t) ||
	    (v->table_offset < at + sizeof(header) &&
	     at < v->table_offset + blocks * sizeof(uint32_t)))
		return vmm_disk_image_refuse(&v->image,
					     "the VHD's table of blocks is where it cannot be");
	v->image.used_bytes = at + sizeof(header);
	v->image.block_bytes = bytes;
	*entries = blocks;
	return 0;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Blocks are all of one size: in order of their places each begins where the one before has ended, or later. */
static int check_places(struct vhd *v, uint32_t *sector, uint64_t count)
{
	uint64_t bytes = v->bitmap_bytes + v->image.block_bytes, free_from = sizeof(v->footer);
	uint64_t header = hvw_be64(v->footer.data_offset);
	uint64_t table_end = v->table_offset + v->image.entries * sizeof(uint32_t);

	qsort(sector, count, sizeof(*sector), compare);
	for (uint64_t i = 0; i < count; i++) {
		uint64_t at = (uint64_t)sector[i] * VHD_SECTOR;

		if (at < free_from || (at < table_end && at + bytes > v->table_offset) ||
		    (at < header + sizeof(struct vhd_header) && at + bytes > header))
			return vmm_disk_image_refuse(
				&v->image,
				"a block of the VHD, at %llu, is where something else is already",
				(unsigned long long)at);
		if (at > v->file_bytes || v->file_bytes - at < bytes)
			return vmm_disk_image_refuse(
				&v->image,
				"a block of the VHD, at %llu, is outside the file of %llu bytes",
				(unsigned long long)at, (unsigned long long)v->file_bytes);
		free_from = at + bytes;
	}
	if (v->image.used_bytes < table_end)
		v->image.used_bytes = table_end;
	if (v->image.used_bytes < free_from)
		v->image.used_bytes = free_from;
	return 0;
}

static int read_table(struct vhd *v, uint32_t *sector)
{
	uint64_t entries = v->image.entries, count = 0;
	int err = vmm_store_read(v->image.fd, sector, entries * sizeof(*sector), v->table_offset);

	if (err)
		return vmm_disk_image_fail(&v->image, "its table of blocks", err);
	for (uint64_t i = 0; i < entries; i++) {
		uint32_t at = hvw_be32((const uint8_t *)&sector[i]);

		if (at == VHD_BLOCK_ABSENT)
			continue;
		v->image.table[i] = ((uint64_t)at * VHD_SECTOR + v->bitmap_bytes) | BLOCK_UNKNOWN;
		sector[count++] = at;
	}
	return check_places(v, sector, count);
}

static int open_dynamic(struct vhd *v)
{
	uint32_t *sector;
	uint64_t entries;
	int err = read_header(v, &entries);

	if (err)
		return err;
	v->bitmap_bytes = v->image.block_bytes / VHD_SECTOR / 8;
	v->bitmap_bytes = (v->bitmap_bytes + VHD_SECTOR - 1) / VHD_SECTOR * VHD_SECTOR;
	v->image.gap_shift = 63;
	v->image.lead_bytes = v->bitmap_bytes;
	v->image.stride_bytes =
		(v->bitmap_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT + v->image.block_bytes;
	v->image.facts.allocation_bytes = v->image.block_bytes;
	err = vmm_disk_image_make_table(&v->image, entries, entries, sizeof(uint32_t));
	if (err)
		return err;
	sector = malloc(entries * sizeof(*sector));
	v->bitmap = calloc(entries, sizeof(*v->bitmap));
	v->ones = malloc(v->bitmap_bytes);
	if (!sector || !v->bitmap || !v->ones) {
		err = vmm_disk_image_fail(&v->image, "its table of blocks", -ENOMEM);
	} else {
		memset(v->ones, 0xff, v->bitmap_bytes);
		err = read_table(v, sector);
	}
	free(sector);
	v->image.file_bytes = v->image.used_bytes;
	return err;
}

/* --- changes ----------------------------------------------------------------------------------------- */

/* The copy of the footer must be good before the footer itself is overwritten. */
static int begin(struct vmm_disk_image *image)
{
	struct vhd *v = (struct vhd *)image;
	int err;

	if (v->fixed || !v->copy_is_bad)
		return 0;
	err = vmm_store_write(image->fd, &v->footer, sizeof(v->footer), 0);
	if (!err)
		err = vmm_store_sync(image->fd);
	v->copy_is_bad = err != 0;
	return err;
}

/*
 * Room with bitmaps in it that say of each block that all of it counts: what was not written reads as zeros, as new room
 * of a file does. The file is first cut where the blocks end: there are an old footer, and what a crash has left.
 */
static int extend(struct vmm_disk_image *image)
{
	struct vhd *v = (struct vhd *)image;
	uint64_t lead = image->lead_bytes, next, limit, at;
	unsigned blocks = image->stride_bytes < ROOM_BYTES ? ROOM_BYTES / image->stride_bytes : 1;
	int err;

	next = (image->used_bytes + lead + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT - lead;
	limit = next + (uint64_t)blocks * image->stride_bytes;
	if (limit / VHD_SECTOR >= VHD_BLOCK_ABSENT)
		return -EFBIG;
	err = vmm_store_resize(image->fd, image->used_bytes);
	if (!err)
		err = vmm_store_resize(image->fd, limit + sizeof(v->footer));
	for (at = next; at < limit && !err; at += image->stride_bytes)
		err = vmm_store_write(image->fd, v->ones, v->bitmap_bytes, at);
	if (!err)
		err = vmm_store_write(image->fd, &v->footer, sizeof(v->footer), limit);
	if (err)
		return err;
	image->used_bytes = limit;
	vmm_disk_image_make_room(image, next, limit, limit);
	return 0;
}

static bool is_there(const uint8_t *bitmap, uint64_t sector)
{
	return bitmap[sector / 8] & 0x80u >> sector % 8;
}

static void partial(struct vmm_disk_image *image, uint64_t slot, uint64_t inside,
		    struct vmm_extent *extent)
{
	const uint8_t *bitmap = ((struct vhd *)image)->bitmap[slot];
	uint64_t first = inside / VHD_SECTOR, sector = first;
	bool there = is_there(bitmap, first);

	while (sector < image->block_bytes / VHD_SECTOR && is_there(bitmap, sector) == there &&
	       sector * VHD_SECTOR < inside + extent->bytes)
		sector++;
	if (extent->bytes > sector * VHD_SECTOR - inside)
		extent->bytes = sector * VHD_SECTOR - inside;
	extent->kind = there ? VMM_EXTENT_FILE : VMM_EXTENT_ZEROS;
	extent->at = block_place(image->table[slot]) + inside;
}

/* What is not there becomes zeros; only when these are on the medium the bitmap says that all is there. */
static int complete(struct vhd *v, uint64_t slot)
{
	uint64_t place = block_place(v->image.table[slot]), at = 0;
	int err = 0;

	while (at < v->image.block_bytes && !err) {
		struct vmm_extent extent = { .bytes = v->image.block_bytes - at };

		partial(&v->image, slot, at, &extent);
		if (extent.kind == VMM_EXTENT_ZEROS)
			err = vmm_store_zero(v->image.fd, extent.at, extent.bytes);
		at += extent.bytes;
	}
	if (!err)
		err = vmm_store_sync(v->image.fd);
	if (!err)
		err = vmm_store_write(v->image.fd, v->ones, v->bitmap_bytes,
				      place - v->bitmap_bytes);
	/* A write that is durable by itself syncs its data alone. */
	if (!err)
		err = vmm_store_sync(v->image.fd);
	if (!err)
		v->image.table[slot] = place | BLOCK_PRESENT;
	return err;
}

static int settle(struct vmm_disk_image *image, uint64_t slot, bool writing)
{
	struct vhd *v = (struct vhd *)image;
	uint64_t place = block_place(image->table[slot]);
	unsigned bytes = image->block_bytes / VHD_SECTOR / 8;
	uint8_t *bitmap;
	int err;

	if (block_state(image->table[slot]) == BLOCK_UNKNOWN) {
		bitmap = malloc(v->bitmap_bytes);
		if (!bitmap)
			return -ENOMEM;
		err = vmm_store_read(image->fd, bitmap, v->bitmap_bytes, place - v->bitmap_bytes);
		if (err || !memcmp(bitmap, v->ones, bytes)) {
			free(bitmap);
			if (!err)
				image->table[slot] = place | BLOCK_PRESENT;
			return err;
		}
		v->bitmap[slot] = bitmap;
		image->table[slot] = place | BLOCK_PARTIAL;
	}
	return writing ? complete(v, slot) : 0;
}

static void put_entry(const struct vmm_disk_image *image, uint8_t *page, unsigned index,
		      uint64_t entry)
{
	hvw_put_be32(page + index * sizeof(uint32_t),
		     block_state(entry) == BLOCK_ABSENT ?
			     VHD_BLOCK_ABSENT :
			     (uint32_t)((block_place(entry) - image->lead_bytes) / VHD_SECTOR));
}

/* Behind the table the blocks begin: its last page is not written beyond its end. */
static int store_pages(struct vmm_disk_image *image, const uint32_t *pages, unsigned count,
		       const uint8_t *bytes, bool *logged)
{
	struct vhd *v = (struct vhd *)image;
	uint64_t table_bytes = image->entries * sizeof(uint32_t);
	int err = 0;

	(void)logged;
	for (unsigned i = 0; i < count && !err; i++) {
		uint64_t at = (uint64_t)pages[i] * TABLE_PAGE, left = table_bytes - at;

		err = vmm_store_write(image->fd, bytes + i * TABLE_PAGE,
				      left < TABLE_PAGE ? left : TABLE_PAGE, v->table_offset + at);
	}
	return err ? err : vmm_store_sync(image->fd);
}

/* The footer stands where the blocks end. */
static int end(struct vmm_disk_image *image)
{
	struct vhd *v = (struct vhd *)image;
	uint64_t at = image->limit ? image->next : image->used_bytes;
	int err;

	if (v->fixed || (image->limit ? at == image->limit : !v->image.facts.replayed))
		return 0;
	err = vmm_store_write(image->fd, &v->footer, sizeof(v->footer), at);
	if (!err)
		err = vmm_store_sync(image->fd);
	if (!err)
		err = vmm_store_resize(image->fd, at + sizeof(v->footer));
	return err;
}

static void destroy(struct vmm_disk_image *image)
{
	struct vhd *v = (struct vhd *)image;

	for (uint64_t i = 0; v->bitmap && i < image->entries; i++)
		free(v->bitmap[i]);
	free(v->bitmap);
	free(v->ones);
	free(v);
}

static const struct vmm_disk_image_ops ops = {
	.begin = begin,
	.extend = extend,
	.settle = settle,
	.partial = partial,
	.put_entry = put_entry,
	.store_pages = store_pages,
	.end = end,
	.destroy = destroy,
};

int vmm_vhd_open(struct vmm_disk_image **image, const struct vmm_disk_image *as)
{
	struct vhd *v = calloc(1, sizeof(*v));
	int err;

	if (!v)
		return -ENOMEM;
	v->image.ops = &ops;
	v->image.fd = as->fd;
	v->image.read_only = as->read_only;
	v->image.why = as->why;
	v->image.why_size = as->why_size;
	*image = &v->image;
	err = find_footer(v);
	if (!err)
		err = check_footer(v);
	if (!err)
		err = v->fixed ? open_fixed(v) : open_dynamic(v);
	return err;
}
