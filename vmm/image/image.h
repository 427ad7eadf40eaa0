/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Images of disks, VHD and VHDX, fixed and dynamic: which bytes of a file are which bytes of a disk.
 *
 * An image moves no data of the guest's. It says where the next bytes of a request are (map), does what has to be done
 * before they are anywhere (prepare), and makes what the file says about itself durable (commit). A block that is written
 * for the first time gets its place at once; the image's table of blocks says so on stable storage after the next commit,
 * whose first step is to have the data there. So a flush is a commit, and a crash before it loses what no flush has covered.
 */
#ifndef VMM_IMAGE_IMAGE_H
#define VMM_IMAGE_IMAGE_H

#include <hvh/hvh_scsi.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vmm_disk_image;

enum vmm_disk_image_format {
	VMM_IMAGE_RAW, /* no image at all: the file's bytes are the disk's */
	VMM_IMAGE_VHD,
	VMM_IMAGE_VHDX,
};

struct vmm_disk_image_facts {
	uint64_t bytes; /* of the disk */
	uint32_t block_bytes; /* that the guest counts in */
	uint32_t physical_bytes;
	uint32_t allocation_bytes; /* in which the file takes room for the disk; 0: it has all of it */
	struct hvp_guid id;
	bool replayed; /* its log had changes that were not in place: it was not closed */
};

enum vmm_extent_kind {
	VMM_EXTENT_FILE, /* at these bytes of the file */
	VMM_EXTENT_ZEROS, /* zeros, and nowhere in the file; ZERO: nothing is to be done */
	VMM_EXTENT_FREED, /* ZERO with unmap: these bytes of the file are not needed any more */
	VMM_EXTENT_PREPARE, /* vmm_disk_image_prepare() first, then ask again */
};

struct vmm_extent {
	enum vmm_extent_kind kind;
	uint64_t at; /* in the file */
	uint64_t bytes; /* as far as that holds; not 0, not more than was asked for */
};

/*
 * VHD or VHDX. The file is borrowed until close, and nobody else writes to it. Negative errno after a line in `why`, for
 * the user. A VHDX that was not closed is repaired by its log, for which it must be open for writing.
 */
int vmm_disk_image_open(int fd, enum vmm_disk_image_format format, bool read_only,
			struct vmm_disk_image **image, char *why, size_t why_size);

/* Nothing is under way. Commits; negative errno: that failed, the image is as after a crash. Frees it in any case. */
int vmm_disk_image_close(struct vmm_disk_image *image);

const struct vmm_disk_image_facts *vmm_disk_image_facts(const struct vmm_disk_image *image);

/*
 * The disk becomes that large, a multiple of its blocks, while requests to what it had are under way; what comes reads as zeros. All
 * of that is on stable storage then. Waits for the file. As open; nothing has changed after an error.
 */
int vmm_disk_image_resize(struct vmm_disk_image *image, uint64_t bytes, char *why, size_t why_size);

/*
 * Where `bytes` bytes of the disk from `offset` on are, for a READ, WRITE or ZERO that follows at once. Gives a block its
 * place (WRITE) or takes it away (ZERO with `unmap`). Any thread; does not wait.
 */
void vmm_disk_image_map(struct vmm_disk_image *image, enum hvh_disk_op op, bool unmap,
			uint64_t offset, uint64_t bytes, struct vmm_extent *extent);

/* Any thread; waits for the file. 0: map again. */
int vmm_disk_image_prepare(struct vmm_disk_image *image, enum hvh_disk_op op, uint64_t offset);

/* Whether the place of any of these bytes is not durable: then only a commit makes them so. Any thread; does not wait. */
bool vmm_disk_image_pending(const struct vmm_disk_image *image, uint64_t offset, uint64_t bytes);

/* Whether anything waits for a commit: if not, a sync of the file does. Any thread; does not wait. */
bool vmm_disk_image_dirty(const struct vmm_disk_image *image);

/* All data and all places of what was done before are on stable storage. Any thread; waits for the file. */
int vmm_disk_image_commit(struct vmm_disk_image *image);

#endif
