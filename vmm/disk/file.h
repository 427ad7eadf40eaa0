/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What a disk is kept in: a file whose bytes are the disk's, an image, a block device, or memory.
 */
#ifndef VMM_DISK_FILE_H
#define VMM_DISK_FILE_H

#include <stddef.h>

#include "hvp_base.h"
#include "vmm/disk/disk_config.h"

struct vmm_disk_image;

struct vmm_disk_file {
	int fd; /* -1: a drive with nothing in it */
	struct vmm_disk_image *image; /* NULL: the file's bytes are the disk's */
	const char *format; /* for people */
	bool device; /* a block device */
	bool dsync; /* a write with RWF_DSYNC is on stable storage when it returns */
	bool read_only;
	uint64_t bytes; /* a multiple of the block */
	uint32_t block_bytes; /* that the guest counts in */
	uint32_t physical_bytes;
	struct hvp_guid id; /* the image's; zero: none */
	uint32_t unmap_bytes; /* what room is given back in; 0: never */
};

/* Negative errno after a line in `why`, for the user. */
int vmm_disk_file_open(const struct vmm_disk_config *config, struct vmm_disk_file *file, char *why,
		       size_t why_size);

/* Negative errno: an image could not be completed, and is as after a crash. */
int vmm_disk_file_close(struct vmm_disk_file *file);

/* Make it that large; 0: look how large it has become. Never smaller than it was. As open. */
int vmm_disk_file_resize(struct vmm_disk_file *file, uint64_t bytes, char *why, size_t why_size);

/* Bytes that it takes up on the host; 0: unknown. */
uint64_t vmm_disk_file_allocated(const struct vmm_disk_file *file);

#endif
