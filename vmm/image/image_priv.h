/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the formats share: the table of blocks and its changes.
 *
 * Key: (c) const while open; (a) atomic, changed under `lock`; (l) lock; (p) prepare_lock; (w) who commits.
 */
#ifndef VMM_IMAGE_IMAGE_PRIV_H
#define VMM_IMAGE_IMAGE_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "vmm/image/image.h"

/* Tables are written in such pieces. */
#define TABLE_PAGE 4096u

/* … so many at once: with its header a log entry of them is a quarter of the smallest log. */
#define COMMIT_PAGES 60u

/* An entry of the table: a place in the file, a multiple of 512, and below that a state. */
#define BLOCK_STATE 0x1ffull
enum block_state {
	BLOCK_ABSENT, /* reads as zeros; no place */
	BLOCK_KEPT, /* reads as zeros; the place is its own, what is there is not */
	BLOCK_PRESENT,
	BLOCK_UNKNOWN, /* which of its sectors are present was not looked at yet */
	BLOCK_PARTIAL, /* some of them are */
};

struct vmm_disk_image_ops {
	/* Before the first change: the file says that it is being changed. (p) */
	int (*begin)(struct vmm_disk_image *image);

	/* Makes room for at least one block from image->next to image->limit. (p) */
	int (*extend)(struct vmm_disk_image *image);

	/* An UNKNOWN block becomes PRESENT or PARTIAL; with `writing` a PARTIAL one becomes PRESENT. (p) */
	int (*settle)(struct vmm_disk_image *image, uint64_t slot, bool writing);

	/* Which sectors of a PARTIAL block are there: an extent of one kind from a byte of the block on. */
	void (*partial)(struct vmm_disk_image *image, uint64_t slot, uint64_t inside,
			struct vmm_extent *extent);

	/* An entry as the file has it, at its place in a page. */
	void (*put_entry)(const struct vmm_disk_image *image, uint8_t *page, unsigned index,
			  uint64_t entry);

	/*
	 * These pages of the table are durable; all that they point to is. `logged`: they are although an error follows,
	 * after which the image must not go on. (w)
	 */
	int (*store_pages)(struct vmm_disk_image *image, const uint32_t *pages, unsigned count,
			   const uint8_t *bytes, bool *logged);

	/*
	 * Makes the disk larger: as vmm_disk_image_resize(), with image->why. NULL: the format cannot. Who calls sees to it that
	 * nobody else changes the size.
	 */
	int (*resize)(struct vmm_disk_image *image, uint64_t bytes);

	/* After the last commit: the file is as if it had never been opened. */
	int (*end)(struct vmm_disk_image *image);

	void (*destroy)(struct vmm_disk_image *image);
};

struct vmm_disk_image {
	const struct vmm_disk_image_ops *ops; /* (c) */
	int fd; /* (c) */
	bool read_only; /* (c) */
	struct vmm_disk_image_facts facts; /* (c), but for its size */
	uint32_t block_bytes; /* (c) of the table's blocks, a power of two */
	unsigned gap_shift; /* (c) after so many blocks (a power of two) an entry is none; 63: never */
	unsigned lead_bytes; /* (c) before a block's place there are so many that belong to it */
	unsigned stride_bytes; /* (c) from one new block to the next */
	bool keeps; /* (c) the format has KEPT blocks */

	_Atomic uint64_t *table; /* (a) */
	uint64_t entries; /* (l) changed when the disk becomes larger, up to: */
	uint64_t capacity; /* (c) entries that there is room for */
	unsigned page_entries; /* (c) */

	pthread_mutex_t prepare_lock; /* before `lock` */
	_Atomic bool begun; /* (a) the first change has been announced */
	uint64_t used_bytes; /* (p) of the file: what is behind them was not in use when it was opened */

	pthread_mutex_t lock;
	pthread_cond_t committed;
	uint64_t next, limit; /* (l) room for new blocks; reads as zeros */
	uint64_t file_bytes; /* (l) the file has at least so many, all that is in use among them */
	uint64_t synced_bytes; /* (w) … on stable storage */
	uint32_t *changed; /* (l) pages that wait for a commit */
	uint32_t changes; /* (l) … how many */
	bool *is_changed; /* (l) of each page */
	_Atomic uint64_t *page_change; /* (a) of each page: the number of its last change */
	_Atomic uint64_t last_change; /* (a) */
	_Atomic uint64_t durable_change; /* (a) all up to this one are durable */
	uint64_t asked, served; /* (l) commits */
	bool committing; /* (l) */
	int result; /* (l) of the last commit */
	_Atomic int broken; /* (a) negative errno: what is on stable storage is not known any more */
	uint32_t page_numbers[COMMIT_PAGES]; /* (w) */
	uint8_t *page_bytes; /* (w) COMMIT_PAGES of them */

	char *why; /* while opening, or being made larger */
	size_t why_size;
};

static inline enum block_state block_state(uint64_t entry)
{
	return (enum block_state)(entry & BLOCK_STATE);
}

static inline uint64_t block_place(uint64_t entry)
{
	return entry & ~BLOCK_STATE;
}

/* For the formats, while opening. The words for the user; returns -EINVAL. */
__attribute__((format(printf, 2, 3))) int vmm_disk_image_refuse(struct vmm_disk_image *image,
								const char *format, ...);

/* The same for a failed call; returns `err`. */
int vmm_disk_image_fail(struct vmm_disk_image *image, const char *what, int err);

/* The table, with all blocks absent, when its geometry is known: room for `capacity` entries. -ENOMEM. */
int vmm_disk_image_make_table(struct vmm_disk_image *image, uint64_t entries, uint64_t capacity,
			      unsigned entry_bytes);

/* Before the first change, and later: the file says that it is being changed. Takes (p). */
int vmm_disk_image_begin(struct vmm_disk_image *image);

/* With image->lock: an entry that a commit is to write. */
void vmm_disk_image_change(struct vmm_disk_image *image, uint64_t slot, uint64_t entry);

/* Without image->lock: room for new blocks up to `limit`, from `next` on, in a file of so many bytes. */
void vmm_disk_image_make_room(struct vmm_disk_image *image, uint64_t next, uint64_t limit,
			      uint64_t file_bytes);

/* The formats: an image of theirs, or negative errno after words. */
int vmm_vhd_open(struct vmm_disk_image **image, const struct vmm_disk_image *as);
int vmm_vhdx_open(struct vmm_disk_image **image, const struct vmm_disk_image *as);

#endif
