/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What a VHDX says about itself, all checked before any of it is used: regions, metadata, table of blocks. Each unit of the
 * file may be used once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/image/crc32c.h"
#include "vmm/image/store.h"
#include "vmm/image/vhdx_priv.h"

/* --- who uses which unit of the file ----------------------------------------------------------------- */

/* -EINVAL after words: they are not units, not in the file, or in use already. */
static int use(struct vhdx *v, uint64_t offset, uint64_t bytes, const char *what)
{
	uint64_t unit = offset / VHDX_UNIT, end;

	if (offset % VHDX_UNIT || bytes % VHDX_UNIT || offset < VHDX_UNIT || !bytes)
		return vmm_disk_image_refuse(&v->image,
					     "%s of the VHDX is at %llu, where it cannot be", what,
					     (unsigned long long)offset);
	if (offset > v->file_bytes || bytes > v->file_bytes - offset)
		return vmm_disk_image_refuse(
			&v->image, "%s of the VHDX, at %llu, is outside the file of %llu bytes",
			what, (unsigned long long)offset, (unsigned long long)v->file_bytes);
	end = unit + bytes / VHDX_UNIT;
	for (; unit < end; unit++) {
		if (v->used[unit / 8] & 1u << unit % 8)
			return vmm_disk_image_refuse(
				&v->image,
				"%s of the VHDX, at %llu, is where something else is already", what,
				(unsigned long long)offset);
		v->used[unit / 8] |= (uint8_t)(1u << unit % 8);
	}
	if (offset + bytes > v->image.used_bytes)
		v->image.used_bytes = offset + bytes;
	return 0;
}

/* --- regions ----------------------------------------------------------------------------------------- */

static bool is(const struct hvp_guid *id, const struct hvp_guid *other)
{
	return !memcmp(id, other, sizeof(*id));
}

static int use_region(struct vhdx *v, const struct vhdx_region *region)
{
	static const struct hvp_guid bat = VHDX_REGION_BAT, metadata = VHDX_REGION_METADATA;
	int err;

	if (is(&region->id, &bat)) {
		err = use(v, region->offset, region->bytes, "the table of blocks");
		v->bat_offset = region->offset;
		v->bat_bytes = region->bytes;
	} else if (is(&region->id, &metadata)) {
		err = use(v, region->offset, region->bytes, "the metadata");
		v->metadata_offset = region->offset;
		v->metadata_bytes = region->bytes;
	} else if (region->flags & VHDX_REQUIRED) {
		err = vmm_disk_image_refuse(&v->image,
					    "the VHDX needs a region of a kind that is not known");
	} else {
		err = use(v, region->offset, region->bytes, "a region");
	}
	return err;
}

static bool table_is_valid(const struct vhdx_region_table *table)
{
	return table->signature == VHDX_REGIONS_SIGNATURE &&
	       table->checksum ==
		       vmm_crc32c_without(table, VHDX_REGION_TABLE_BYTES,
					  offsetof(struct vhdx_region_table, checksum)) &&
	       table->count <= VHDX_REGIONS_MAX;
}

static int read_regions(struct vhdx *v, void *bytes)
{
	const struct vhdx_region_table *table = bytes;
	const struct vhdx_region *region = (const void *)(table + 1);
	int err =
		vmm_store_read(v->image.fd, bytes, VHDX_REGION_TABLE_BYTES, VHDX_REGIONS_OFFSET(0));

	if (!err && !table_is_valid(table))
		err = vmm_store_read(v->image.fd, bytes, VHDX_REGION_TABLE_BYTES,
				     VHDX_REGIONS_OFFSET(1));
	if (err)
		return vmm_disk_image_fail(&v->image, "its table of regions", err);
	if (!table_is_valid(table))
		return vmm_disk_image_refuse(&v->image,
					     "both tables of regions of the VHDX are damaged");
	if (v->header.log_bytes)
		err = use(v, v->header.log_offset, v->header.log_bytes, "the log");
	/* One that comes twice overlaps itself, or its first place would be lost: */
	for (uint32_t i = 0; i < table->count && !err; i++) {
		for (uint32_t k = 0; k < i && !err; k++)
			if (is(&region[i].id, &region[k].id))
				err = vmm_disk_image_refuse(&v->image,
							    "the VHDX has two regions of one kind");
		if (!err)
			err = use_region(v, &region[i]);
	}
	if (!err && (!v->bat_bytes || !v->metadata_bytes))
		err = vmm_disk_image_refuse(&v->image,
					    "the VHDX has no metadata or no table of blocks");
	return err;
}

/* --- metadata ---------------------------------------------------------------------------------------- */

struct facts {
	struct vhdx_parameters parameters;
	uint64_t bytes;
	struct hvp_guid id;
	uint32_t logical, physical;
	unsigned found; /* a bit for each */
};

static const struct item {
	struct hvp_guid id;
	uint32_t bytes;
	size_t field;
} items[] = {
	{ VHDX_ITEM_PARAMETERS, sizeof(struct vhdx_parameters), offsetof(struct facts, parameters) },
	{ VHDX_ITEM_SIZE, 8, offsetof(struct facts, bytes) },
	{ VHDX_ITEM_DISK_ID, 16, offsetof(struct facts, id) },
	{ VHDX_ITEM_LOGICAL, 4, offsetof(struct facts, logical) },
	{ VHDX_ITEM_PHYSICAL, 4, offsetof(struct facts, physical) },
};
#define ITEMS (sizeof(items) / sizeof(items[0]))

static int read_item(struct vhdx *v, const struct vhdx_metadata_item *item, struct facts *facts)
{
	static const struct hvp_guid parent = VHDX_ITEM_PARENT;
	unsigned i = 0;
	int err;

	while (i < ITEMS && !is(&item->id, &items[i].id))
		i++;
	if (item->flags & VHDX_ITEM_USER)
		i = ITEMS;
	if (i == ITEMS) {
		/* The parent's name counts only where the parameters say that there is one. */
		if ((item->flags & VHDX_ITEM_REQUIRED) && !is(&item->id, &parent))
			return vmm_disk_image_refuse(
				&v->image, "the VHDX needs metadata of a kind that is not known");
		return 0;
	}
	if (facts->found & 1u << i)
		return vmm_disk_image_refuse(&v->image,
					     "the VHDX has an item of its metadata twice");
	if (item->bytes != items[i].bytes || item->offset < VHDX_METADATA_TABLE_BYTES ||
	    item->offset > v->metadata_bytes || item->bytes > v->metadata_bytes - item->offset)
		return vmm_disk_image_refuse(
			&v->image, "an item of the VHDX's metadata is of the wrong size, or "
				   "outside of them");
	err = vmm_store_read(v->image.fd, (uint8_t *)facts + items[i].field, item->bytes,
			     v->metadata_offset + item->offset);
	if (err)
		return vmm_disk_image_fail(&v->image, "its metadata", err);
	facts->found |= 1u << i;
	if (items[i].field == offsetof(struct facts, bytes))
		v->size_offset = v->metadata_offset + item->offset;
	return 0;
}

static bool is_power_of_two(uint32_t value)
{
	return value && !(value & (value - 1));
}

static int check_facts(struct vhdx *v, const struct facts *facts)
{
	const struct vhdx_parameters *p = &facts->parameters;

	if (facts->found != (1u << ITEMS) - 1)
		return vmm_disk_image_refuse(&v->image, "the VHDX's metadata are not complete");
	if (p->flags & VHDX_PARAMETERS_PARENT)
		return vmm_disk_image_refuse(
			&v->image,
			"a differencing VHDX, which needs its parent: merge it into that, or convert it");
	if (!is_power_of_two(p->block_bytes) || p->block_bytes < VHDX_BLOCK_BYTES_MIN ||
	    p->block_bytes > VHDX_BLOCK_BYTES_MAX)
		return vmm_disk_image_refuse(&v->image, "the VHDX has blocks of %u bytes",
					     p->block_bytes);
	if ((facts->logical != 512 && facts->logical != 4096) ||
	    (facts->physical != 512 && facts->physical != 4096))
		return vmm_disk_image_refuse(&v->image, "the VHDX has sectors of %u and %u bytes",
					     facts->logical, facts->physical);
	if (!facts->bytes || facts->bytes % facts->logical || facts->bytes > VHDX_DISK_BYTES_MAX)
		return vmm_disk_image_refuse(&v->image, "the VHDX is a disk of %llu bytes",
					     (unsigned long long)facts->bytes);
	return 0;
}

static void take_facts(struct vhdx *v, const struct facts *facts)
{
	uint64_t chunk =
		VHDX_CHUNK_SECTORS * facts->logical / facts->parameters.block_bytes; /* of blocks */

	v->fixed = facts->parameters.flags & VHDX_PARAMETERS_KEEP;
	v->image.facts = (struct vmm_disk_image_facts){
		.bytes = facts->bytes,
		.block_bytes = facts->logical,
		.physical_bytes = facts->physical < facts->logical ? facts->logical :
								     facts->physical,
		.allocation_bytes = v->fixed ? 0 : facts->parameters.block_bytes,
		.id = facts->id,
		.replayed = v->image.facts.replayed,
	};
	v->image.block_bytes = facts->parameters.block_bytes;
	v->image.stride_bytes = facts->parameters.block_bytes;
	v->image.gap_shift = (unsigned)__builtin_ctzll(chunk);
	v->image.keeps = !v->fixed;
}

static int read_metadata(struct vhdx *v, void *bytes)
{
	const struct vhdx_metadata_table *table = bytes;
	const struct vhdx_metadata_item *item = (const void *)(table + 1);
	struct facts facts = { .found = 0 };
	int err = vmm_store_read(v->image.fd, bytes, VHDX_METADATA_TABLE_BYTES, v->metadata_offset);

	if (err)
		return vmm_disk_image_fail(&v->image, "its metadata", err);
	if (table->signature != VHDX_METADATA_SIGNATURE || table->count > VHDX_REGIONS_MAX)
		return vmm_disk_image_refuse(&v->image, "the VHDX's metadata are damaged");
	for (unsigned i = 0; i < table->count && !err; i++)
		err = read_item(v, &item[i], &facts);
	if (!err)
		err = check_facts(v, &facts);
	if (!err)
		take_facts(v, &facts);
	return err;
}

/* --- the table of blocks ----------------------------------------------------------------------------- */

static int take_entry(struct vhdx *v, uint64_t slot, uint64_t entry)
{
	uint64_t place = entry & ~(VHDX_BAT_STATE | VHDX_BAT_RESERVED);
	enum block_state state = BLOCK_ABSENT;
	int err;

	if (entry & VHDX_BAT_RESERVED)
		return vmm_disk_image_refuse(&v->image, "entry %llu of the VHDX's table is damaged",
					     (unsigned long long)slot);
	switch (entry & VHDX_BAT_STATE) {
	case VHDX_BAT_ABSENT:
	case VHDX_BAT_UNMAPPED_5:
		return 0;
	case VHDX_BAT_UNDEFINED:
	case VHDX_BAT_ZERO:
	case VHDX_BAT_UNMAPPED:
		if (!place)
			return 0;
		state = BLOCK_KEPT;
		break;
	case VHDX_BAT_PRESENT:
		state = BLOCK_PRESENT;
		break;
	default:
		return vmm_disk_image_refuse(
			&v->image, "entry %llu of the VHDX's table has state %u, which cannot be",
			(unsigned long long)slot, (unsigned)(entry & VHDX_BAT_STATE));
	}
	err = use(v, place, v->image.block_bytes, "a block");
	v->image.table[slot] = place | state;
	return err;
}

/* After so many blocks an entry is that of a sector bitmap, which only disks with a parent have. */
static bool is_gap(const struct vhdx *v, uint64_t slot)
{
	uint64_t chunk = (1ull << v->image.gap_shift) + 1;

	return slot % chunk == chunk - 1;
}

/* A page of the table, whose first entry is that of `slot`. */
static int take_page(struct vhdx *v, uint64_t slot, const uint64_t *entry)
{
	int err = 0;

	for (unsigned i = 0; i < v->image.page_entries && slot < v->image.entries && !err;
	     i++, slot++) {
		if (!is_gap(v, slot))
			err = take_entry(v, slot, entry[i]);
		else if (entry[i] & VHDX_BAT_STATE)
			err = vmm_disk_image_refuse(&v->image,
						    "the VHDX has a sector bitmap, and no parent");
	}
	return err;
}

/* Entries of the table for a disk of so many bytes. */
uint64_t vmm_vhdx_entries(const struct vhdx *v, uint64_t bytes)
{
	uint64_t blocks = (bytes + v->image.block_bytes - 1) / v->image.block_bytes;

	return blocks + ((blocks - 1) >> v->image.gap_shift);
}

static int read_table(struct vhdx *v, void *bytes)
{
	uint64_t entries = vmm_vhdx_entries(v, v->image.facts.bytes), at;
	uint64_t capacity = vmm_vhdx_entries(v, VHDX_DISK_BYTES_MAX);
	int err;

	if (v->bat_bytes / sizeof(uint64_t) < capacity)
		capacity = v->bat_bytes / sizeof(uint64_t);
	if (capacity < entries)
		return vmm_disk_image_refuse(
			&v->image, "the VHDX's table of blocks is too short for the disk");
	err = vmm_disk_image_make_table(&v->image, entries, v->fixed ? entries : capacity,
					sizeof(uint64_t));
	for (at = 0; at < entries && !err; at += v->image.page_entries) {
		err = vmm_store_read(v->image.fd, bytes, TABLE_PAGE,
				     v->bat_offset + at * sizeof(uint64_t));
		if (err)
			return vmm_disk_image_fail(&v->image, "its table of blocks", err);
		err = take_page(v, at, bytes);
	}
	return err;
}

int vmm_vhdx_read_all(struct vhdx *v)
{
	void *bytes = malloc(VHDX_REGION_TABLE_BYTES);
	int err;

	if (v->file_bytes > VHDX_FILE_BYTES_MAX)
		err = vmm_disk_image_refuse(&v->image, "the file is larger than any VHDX");
	else
		err = 0;
	if (!err)
		v->used = calloc(v->file_bytes / VHDX_UNIT / 8 + 1, 1);
	if (!err && (!v->used || !bytes))
		err = vmm_disk_image_fail(&v->image, "its contents", -ENOMEM);
	if (!err)
		err = read_regions(v, bytes);
	if (!err)
		err = read_metadata(v, bytes);
	if (!err)
		err = read_table(v, bytes);
	free(v->used);
	v->used = NULL;
	free(bytes);
	return err;
}
