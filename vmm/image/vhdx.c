/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A VHDX while it is in use.
 *
 * Its header says from the first change to the end that there is a log, so that whoever opens it after a crash replays
 * it. A block that the guest gives back keeps its place, so nothing that is still under way to it can damage another, until
 * the image is opened and changed the next time: then nothing is. New blocks go to such places, and when there are no more, to
 * the end of the file, which grows by some at a time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/image/store.h"
#include "vmm/image/vhdx_priv.h"

/* The file grows by so much, or by one block. */
#define ROOM_BYTES (64u << 20)

/* What media write at once. */
#define SECTOR 512u

static void new_id(struct hvp_guid *id)
{
	vmm_store_random(id, sizeof(*id));
	/* By their version, identifiers that are random; also, that is not zero. */
	id->b[7] = (uint8_t)((id->b[7] & 0x0f) | 0x40);
	id->b[8] = (uint8_t)((id->b[8] & 0x3f) | 0x80);
}

/* Blocks that were given back and have a place: how many, and (unless NULL) their places, which they leave. */
static uint64_t leave_places(struct vhdx *v, uint64_t *place)
{
	struct vmm_disk_image *image = &v->image;
	uint64_t count = 0;

	pthread_mutex_lock(&image->lock);
	for (uint64_t slot = 0; slot < image->entries; slot++) {
		uint64_t entry = image->table[slot];

		if (block_state(entry) != BLOCK_KEPT)
			continue;
		if (place) {
			place[count] = block_place(entry);
			vmm_disk_image_change(image, slot, BLOCK_ABSENT);
		}
		count++;
	}
	pthread_mutex_unlock(&image->lock);
	return count;
}

/* They may be others' when it is durable that they are not those blocks' any more. */
static int gather_spares(struct vhdx *v)
{
	uint64_t count = v->fixed ? 0 : leave_places(v, NULL);
	int err;

	if (!count)
		return 0;
	v->spare = malloc(count * sizeof(*v->spare));
	/* Then they stay as they are. */
	if (!v->spare)
		return 0;
	(void)leave_places(v, v->spare);
	err = vmm_disk_image_commit(&v->image);
	if (!err)
		v->spares = count;
	return err;
}

/*
 * The log's new name is in the header only when the log holds an entry of that name: a header that tells of a log with
 * nothing in it is that of a damaged file.
 */
static int begin(struct vmm_disk_image *image)
{
	struct vhdx *v = (struct vhdx *)image;
	int err;

	image->synced_bytes = image->file_bytes;
	new_id(&v->header.file_write);
	new_id(&v->header.data_write);
	new_id(&v->header.log);
	err = vmm_vhdx_log_begin(v);
	if (err)
		return err;
	err = vmm_vhdx_headers_write(v);
	if (!err)
		err = gather_spares(v);
	/* One of them may tell of that log already: it cannot begin again. */
	if (err)
		image->broken = err;
	return err;
}

static int use_spare(struct vhdx *v)
{
	struct vmm_disk_image *image = &v->image;
	uint64_t place = v->spare[v->spares - 1];
	int err = vmm_store_zero(image->fd, place, image->block_bytes);

	if (err)
		return err;
	v->spares--;
	vmm_disk_image_make_room(image, place, place + image->block_bytes, image->file_bytes);
	return 0;
}

static int extend(struct vmm_disk_image *image)
{
	struct vhdx *v = (struct vhdx *)image;
	uint64_t from = image->used_bytes, bytes = ROOM_BYTES;
	int err = 0;

	if (v->spares)
		return use_spare(v);
	if (bytes < image->block_bytes)
		bytes = image->block_bytes;
	if (from + bytes > VHDX_FILE_BYTES_MAX)
		return -EFBIG;
	/* The first time: what a crash has left there must not come to light. */
	if (v->file_bytes > from)
		err = vmm_store_resize(image->fd, from);
	if (!err)
		err = vmm_store_resize(image->fd, from + bytes);
	if (err)
		return err;
	v->file_bytes = 0;
	image->used_bytes = from + bytes;
	vmm_disk_image_make_room(image, from, from + bytes, from + bytes);
	return 0;
}

static int settle(struct vmm_disk_image *image, uint64_t slot, bool writing)
{
	(void)image;
	(void)slot;
	(void)writing;
	return -EIO;
}

static void put_entry(const struct vmm_disk_image *image, uint8_t *page, unsigned index,
		      uint64_t entry)
{
	static const uint64_t states[] = {
		[BLOCK_ABSENT] = VHDX_BAT_ABSENT,
		[BLOCK_KEPT] = VHDX_BAT_ZERO,
		[BLOCK_PRESENT] = VHDX_BAT_PRESENT,
	};
	uint64_t is = block_place(entry) | states[block_state(entry)];

	(void)image;
	memcpy(page + index * sizeof(is), &is, sizeof(is));
}

static int store_pages(struct vmm_disk_image *image, const uint32_t *pages, unsigned count,
		       const uint8_t *bytes, bool *logged)
{
	struct vhdx *v = (struct vhdx *)image;
	int err = vmm_vhdx_log_write(v, pages, count, bytes);

	*logged = !err;
	for (unsigned i = 0; i < count && !err; i++)
		err = vmm_store_write(image->fd, bytes + i * TABLE_PAGE, TABLE_PAGE,
				      v->bat_offset + (uint64_t)pages[i] * TABLE_PAGE);
	return err;
}

/* --- a larger disk ----------------------------------------------------------------------------------- */

/* What is behind the disk's end in its last block was nobody's, and becomes zeros. */
static int clear_tail(struct vmm_disk_image *image)
{
	uint64_t inside = image->facts.bytes % image->block_bytes;
	uint64_t entry = image->table[image->entries - 1];

	if (!inside || block_state(entry) != BLOCK_PRESENT)
		return 0;
	return vmm_store_zero(image->fd, block_place(entry) + inside, image->block_bytes - inside);
}

/* The entries that come are zeros in the file before the size says that they count. */
static void add_entries(struct vmm_disk_image *image, uint64_t entries)
{
	pthread_mutex_lock(&image->lock);
	for (uint64_t slot = image->entries; slot < entries;
	     slot += image->page_entries - slot % image->page_entries)
		vmm_disk_image_change(image, slot, BLOCK_ABSENT);
	image->entries = entries;
	pthread_mutex_unlock(&image->lock);
}

/* Eight bytes in one sector: after a crash the old size is there or the new one. */
static int write_size(struct vhdx *v, uint64_t bytes)
{
	int err = vmm_store_write(v->image.fd, &bytes, sizeof(bytes), v->size_offset);

	return err ? err : vmm_store_sync(v->image.fd);
}

static int resize(struct vmm_disk_image *image, uint64_t bytes)
{
	struct vhdx *v = (struct vhdx *)image;
	uint64_t entries = vmm_vhdx_entries(v, bytes);
	int err;

	if (v->fixed)
		return vmm_disk_image_refuse(image, "a fixed VHDX keeps its size");
	if (bytes > VHDX_DISK_BYTES_MAX || entries > image->capacity)
		return vmm_disk_image_refuse(
			image, "the VHDX's table has room for %llu blocks of %u MiB only",
			(unsigned long long)image->capacity, image->block_bytes >> 20);
	if (v->size_offset / SECTOR != (v->size_offset + sizeof(bytes) - 1) / SECTOR)
		return vmm_disk_image_refuse(image, "the VHDX has its size across two sectors");
	err = vmm_disk_image_begin(image);
	if (!err)
		err = clear_tail(image);
	if (!err) {
		add_entries(image, entries);
		err = vmm_disk_image_commit(image);
	}
	/* Also where the log has it, and its place has not. */
	if (!err)
		err = image->broken;
	if (!err)
		err = write_size(v, bytes);
	if (err)
		return vmm_disk_image_fail(image, "the VHDX cannot grow", err);
	image->facts.bytes = bytes;
	return 0;
}

/* --- the end ----------------------------------------------------------------------------------------- */

/* The file is made shorter last: by its log it may not be. */
static int end(struct vmm_disk_image *image)
{
	struct vhdx *v = (struct vhdx *)image;
	int err = vmm_store_sync(image->fd);

	if (err)
		return err;
	memset(&v->header.log, 0, sizeof(v->header.log));
	err = vmm_vhdx_headers_write(v);
	/* A place that a block has left may be in the midst of it. */
	if (!err && image->next < image->limit && image->limit == image->used_bytes)
		err = vmm_store_resize(image->fd, image->next);
	return err;
}

static void destroy(struct vmm_disk_image *image)
{
	struct vhdx *v = (struct vhdx *)image;

	free(v->spare);
	free(v->entry);
	free(v);
}

static const struct vmm_disk_image_ops ops = {
	.begin = begin,
	.extend = extend,
	.settle = settle,
	.put_entry = put_entry,
	.store_pages = store_pages,
	.resize = resize,
	.end = end,
	.destroy = destroy,
};

int vmm_vhdx_open(struct vmm_disk_image **image, const struct vmm_disk_image *as)
{
	struct vhdx *v = calloc(1, sizeof(*v));
	int err;

	if (!v)
		return -ENOMEM;
	v->image.ops = &ops;
	v->image.fd = as->fd;
	v->image.read_only = as->read_only;
	v->image.why = as->why;
	v->image.why_size = as->why_size;
	*image = &v->image;
	err = vmm_vhdx_headers_read(v);
	if (!err && !vhdx_is_zero(&v->header.log))
		err = vmm_vhdx_log_replay(v);
	if (!err)
		err = vmm_vhdx_read_all(v);
	if (err)
		return err;
	v->image.file_bytes = v->image.used_bytes;
	v->entry = malloc((1 + COMMIT_PAGES) * VHDX_LOG_SECTOR);
	return v->entry ? 0 : vmm_disk_image_fail(&v->image, "its log", -ENOMEM);
}
