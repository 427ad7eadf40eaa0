/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/image/image_priv.h"
#include "vmm/image/store.h"

/* --- opening and closing ----------------------------------------------------------------------------- */

int vmm_disk_image_refuse(struct vmm_disk_image *image, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(image->why, image->why_size, format, args);
	va_end(args);
	return -EINVAL;
}

int vmm_disk_image_fail(struct vmm_disk_image *image, const char *what, int err)
{
	snprintf(image->why, image->why_size, "%s: %s", what, strerror(-err));
	return err;
}

int vmm_disk_image_make_table(struct vmm_disk_image *image, uint64_t entries, uint64_t capacity,
			      unsigned entry_bytes)
{
	size_t pages;

	image->entries = entries;
	image->capacity = capacity;
	image->page_entries = TABLE_PAGE / entry_bytes;
	pages = (size_t)((capacity + image->page_entries - 1) / image->page_entries);
	image->table = calloc(capacity, sizeof(*image->table));
	if (!image->read_only) {
		image->changed = calloc(pages, sizeof(*image->changed));
		image->is_changed = calloc(pages, sizeof(*image->is_changed));
		image->page_bytes = malloc(COMMIT_PAGES * TABLE_PAGE);
	}
	image->page_change = calloc(pages, sizeof(*image->page_change));
	if (!image->table || !image->page_change ||
	    (!image->read_only && (!image->changed || !image->is_changed || !image->page_bytes)))
		return vmm_disk_image_fail(image, "its table of blocks", -ENOMEM);
	return 0;
}

static void destroy(struct vmm_disk_image *image)
{
	pthread_cond_destroy(&image->committed);
	pthread_mutex_destroy(&image->lock);
	pthread_mutex_destroy(&image->prepare_lock);
	free(image->table);
	free(image->changed);
	free(image->is_changed);
	free(image->page_bytes);
	free(image->page_change);
	image->ops->destroy(image);
}

int vmm_disk_image_open(int fd, enum vmm_disk_image_format format, bool read_only,
			struct vmm_disk_image **image, char *why, size_t why_size)
{
	const struct vmm_disk_image as = {
		.fd = fd, .read_only = read_only, .why = why, .why_size = why_size
	};
	struct vmm_disk_image *made = NULL;
	int err = format == VMM_IMAGE_VHDX ? vmm_vhdx_open(&made, &as) : vmm_vhd_open(&made, &as);

	if (!made) {
		snprintf(why, why_size, "out of memory");
		return err;
	}
	pthread_mutex_init(&made->prepare_lock, NULL);
	pthread_mutex_init(&made->lock, NULL);
	pthread_cond_init(&made->committed, NULL);
	if (err) {
		destroy(made);
		return err;
	}
	*image = made;
	return 0;
}

int vmm_disk_image_close(struct vmm_disk_image *image)
{
	int err = 0;

	if (image->begun) {
		err = vmm_disk_image_commit(image);
		if (!err)
			err = image->ops->end(image);
	}
	destroy(image);
	return err;
}

int vmm_disk_image_resize(struct vmm_disk_image *image, uint64_t bytes, char *why, size_t why_size)
{
	int err;

	image->why = why;
	image->why_size = why_size;
	if (!image->ops->resize)
		err = vmm_disk_image_refuse(image, "an image of its kind keeps its size");
	else if (bytes < image->facts.bytes || bytes % image->facts.block_bytes)
		err = vmm_disk_image_refuse(image, "it grows only, by blocks of %u bytes",
					    image->facts.block_bytes);
	else
		err = image->ops->resize(image, bytes);
	image->why = NULL;
	image->why_size = 0;
	return err;
}

const struct vmm_disk_image_facts *vmm_disk_image_facts(const struct vmm_disk_image *image)
{
	return &image->facts;
}

/* --- the table --------------------------------------------------------------------------------------- */

static uint64_t slot_of(const struct vmm_disk_image *image, uint64_t offset)
{
	uint64_t block = offset / image->block_bytes;

	return block + (block >> image->gap_shift);
}

void vmm_disk_image_change(struct vmm_disk_image *image, uint64_t slot, uint64_t entry)
{
	uint32_t page = (uint32_t)(slot / image->page_entries);
	uint64_t number = atomic_load_explicit(&image->last_change, memory_order_relaxed) + 1;

	/* In this order: who sees the entry sees that it is not durable. */
	atomic_store(&image->last_change, number);
	atomic_store(&image->page_change[page], number);
	atomic_store(&image->table[slot], entry);
	if (!image->is_changed[page]) {
		image->is_changed[page] = true;
		image->changed[image->changes++] = page;
	}
}

void vmm_disk_image_make_room(struct vmm_disk_image *image, uint64_t next, uint64_t limit,
			      uint64_t file_bytes)
{
	pthread_mutex_lock(&image->lock);
	image->next = next;
	image->limit = limit;
	image->file_bytes = file_bytes;
	pthread_mutex_unlock(&image->lock);
}

/* A new place for an absent block, or for one that has got one meanwhile; false: no room is ready. */
static bool allocate(struct vmm_disk_image *image, uint64_t slot)
{
	bool there = true;

	pthread_mutex_lock(&image->lock);
	if (block_state(image->table[slot]) == BLOCK_ABSENT) {
		there = image->next < image->limit;
		if (there) {
			vmm_disk_image_change(image, slot,
					      (image->next + image->lead_bytes) | BLOCK_PRESENT);
			image->next += image->stride_bytes;
		}
	}
	pthread_mutex_unlock(&image->lock);
	return there;
}

/* Its data is not needed any more; its place stays its own. The old entry. */
static uint64_t keep(struct vmm_disk_image *image, uint64_t slot)
{
	uint64_t entry;

	pthread_mutex_lock(&image->lock);
	entry = image->table[slot];
	if (block_state(entry) == BLOCK_PRESENT)
		vmm_disk_image_change(image, slot, block_place(entry) | BLOCK_KEPT);
	pthread_mutex_unlock(&image->lock);
	return entry;
}

static void map_present(struct vmm_disk_image *image, enum hvh_disk_op op, bool unmap,
			uint64_t slot, uint64_t inside, struct vmm_extent *extent)
{
	uint64_t place = block_place(image->table[slot]);

	extent->kind = VMM_EXTENT_FILE;
	extent->at = place + inside;
	if (op == HVH_DISK_ZERO && unmap && image->keeps && extent->bytes == image->block_bytes &&
	    block_state(keep(image, slot)) == BLOCK_PRESENT)
		extent->kind = VMM_EXTENT_FREED;
}

void vmm_disk_image_map(struct vmm_disk_image *image, enum hvh_disk_op op, bool unmap,
			uint64_t offset, uint64_t bytes, struct vmm_extent *extent)
{
	uint64_t slot = slot_of(image, offset), inside = offset & (image->block_bytes - 1);
	uint64_t left = image->block_bytes - inside;
	enum block_state state = block_state(image->table[slot]);
	bool changes = op == HVH_DISK_WRITE ||
		       (op == HVH_DISK_ZERO && state != BLOCK_ABSENT && state != BLOCK_KEPT);

	*extent = (struct vmm_extent){ .kind = VMM_EXTENT_PREPARE,
				       .bytes = bytes < left ? bytes : left };
	if (changes && (!image->begun || image->broken))
		return;
	if (state == BLOCK_ABSENT && op == HVH_DISK_WRITE && allocate(image, slot))
		state = block_state(image->table[slot]);
	if (state == BLOCK_PRESENT)
		map_present(image, op, unmap, slot, inside, extent);
	else if (state == BLOCK_PARTIAL && op == HVH_DISK_READ)
		image->ops->partial(image, slot, inside, extent);
	else if ((state == BLOCK_ABSENT || state == BLOCK_KEPT) && op != HVH_DISK_WRITE)
		extent->kind = VMM_EXTENT_ZEROS;
}

/* --- before anything can be there -------------------------------------------------------------------- */

/* A block gets back its place, where something old is. */
static int take_back(struct vmm_disk_image *image, uint64_t slot)
{
	uint64_t place = block_place(image->table[slot]);
	int err = vmm_store_zero(image->fd, place, image->block_bytes);

	if (err)
		return err;
	pthread_mutex_lock(&image->lock);
	vmm_disk_image_change(image, slot, place | BLOCK_PRESENT);
	pthread_mutex_unlock(&image->lock);
	return 0;
}

static int prepare_block(struct vmm_disk_image *image, enum hvh_disk_op op, uint64_t slot)
{
	int err;

	switch (block_state(image->table[slot])) {
	case BLOCK_UNKNOWN:
	case BLOCK_PARTIAL:
		return image->ops->settle(image, slot, op != HVH_DISK_READ);
	case BLOCK_KEPT:
		return op == HVH_DISK_WRITE ? take_back(image, slot) : 0;
	case BLOCK_ABSENT:
		if (op != HVH_DISK_WRITE || allocate(image, slot))
			return 0;
		/* Others may be quicker, and the room for one block. */
		do
			err = image->ops->extend(image);
		while (!err && !allocate(image, slot));
		return err;
	default:
		return 0;
	}
}

int vmm_disk_image_begin(struct vmm_disk_image *image)
{
	int err = image->read_only ? -EROFS : image->broken;

	if (err)
		return err;
	pthread_mutex_lock(&image->prepare_lock);
	if (!image->begun) {
		err = image->ops->begin(image);
		if (!err)
			atomic_store(&image->begun, true);
	}
	pthread_mutex_unlock(&image->prepare_lock);
	return err;
}

int vmm_disk_image_prepare(struct vmm_disk_image *image, enum hvh_disk_op op, uint64_t offset)
{
	int err = op == HVH_DISK_READ ? image->broken : vmm_disk_image_begin(image);

	if (!err) {
		pthread_mutex_lock(&image->prepare_lock);
		err = prepare_block(image, op, slot_of(image, offset));
		pthread_mutex_unlock(&image->prepare_lock);
	}
	return err;
}

/* --- commits ----------------------------------------------------------------------------------------- */

bool vmm_disk_image_pending(const struct vmm_disk_image *image, uint64_t offset, uint64_t bytes)
{
	uint64_t page = slot_of(image, offset) / image->page_entries;
	uint64_t last = slot_of(image, offset + bytes - 1) / image->page_entries;

	for (; page <= last; page++)
		if (image->page_change[page] > image->durable_change)
			return true;
	return false;
}

bool vmm_disk_image_dirty(const struct vmm_disk_image *image)
{
	return image->broken || image->last_change > image->durable_change;
}

/* What has changed, or so much of it as is written at once. */
static unsigned take_pages(struct vmm_disk_image *image, uint64_t *change)
{
	unsigned count = image->changes < COMMIT_PAGES ? image->changes : COMMIT_PAGES;

	for (unsigned i = 0; i < count; i++) {
		uint32_t page = image->changed[--image->changes];
		uint64_t slot = (uint64_t)page * image->page_entries;
		uint8_t *bytes = image->page_bytes + i * TABLE_PAGE;

		image->is_changed[page] = false;
		image->page_numbers[i] = page;
		/* Behind the end of the table, where the last page goes on, is nothing of ours. */
		memset(bytes, 0, TABLE_PAGE);
		for (unsigned e = 0; e < image->page_entries; e++)
			if (slot + e < image->entries)
				image->ops->put_entry(image, bytes, e, image->table[slot + e]);
	}
	*change = image->changes ? image->durable_change : image->last_change;
	return count;
}

static void give_pages_back(struct vmm_disk_image *image, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		uint32_t page = image->page_numbers[i];

		if (!image->is_changed[page]) {
			image->is_changed[page] = true;
			image->changed[image->changes++] = page;
		}
	}
}

/*
 * The data first, then the table that makes it visible: an entry is only taken here when the room that it points to is in
 * the file already, so the sync that follows makes both durable. *more: not all pages went.
 */
static int commit_some(struct vmm_disk_image *image, bool *more)
{
	bool logged = false;
	uint64_t change, file_bytes;
	unsigned count;
	int err;

	pthread_mutex_lock(&image->lock);
	file_bytes = image->file_bytes;
	count = take_pages(image, &change);
	*more = image->changes != 0;
	pthread_mutex_unlock(&image->lock);

	err = vmm_store_sync(image->fd);
	/* After that nobody knows what is on the medium, and a second sync that succeeds would not tell. */
	if (err)
		image->broken = err;
	image->synced_bytes = file_bytes;
	if (!err && count)
		err = image->ops->store_pages(image, image->page_numbers, count, image->page_bytes,
					      &logged);
	if (err && (logged || err != -ENOSPC))
		image->broken = err;

	pthread_mutex_lock(&image->lock);
	if (!err || logged)
		atomic_store(&image->durable_change, change);
	else
		give_pages_back(image, count);
	pthread_mutex_unlock(&image->lock);
	return logged ? 0 : err;
}

/* Those who ask while one is under way are served together by the next. */
int vmm_disk_image_commit(struct vmm_disk_image *image)
{
	uint64_t mine, serves;
	bool more = true;
	int err = image->broken;

	if (err)
		return err;
	pthread_mutex_lock(&image->lock);
	mine = ++image->asked;
	while (image->committing && image->served < mine)
		pthread_cond_wait(&image->committed, &image->lock);
	if (image->served >= mine) {
		err = image->result;
		pthread_mutex_unlock(&image->lock);
		return err;
	}
	image->committing = true;
	serves = image->asked;
	pthread_mutex_unlock(&image->lock);

	while (!err && more)
		err = commit_some(image, &more);

	pthread_mutex_lock(&image->lock);
	image->served = serves;
	image->result = err;
	image->committing = false;
	pthread_cond_broadcast(&image->committed);
	pthread_mutex_unlock(&image->lock);
	return err;
}
