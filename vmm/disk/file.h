/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What a disk is kept in: a file whose bytes are the disk's, a block device, or memory.
 */
#ifndef VMM_DISK_FILE_H
#define VMM_DISK_FILE_H

#include <stddef.h>

#include "vmm/disk/disk_config.h"

struct vmm_disk_file {
	int fd;
	bool device; /* a block device */
	bool read_only;
	uint64_t bytes; /* a multiple of the block */
	uint32_t unmap_bytes; /* what room is given back in; 0: never */
};

/* Negative errno after a line in `why`, for the user. */
int vmm_disk_file_open(const struct vmm_disk_config *config, struct vmm_disk_file *file, char *why,
		       size_t why_size);
void vmm_disk_file_close(struct vmm_disk_file *file);

/* Make it that large; 0: look how large it has become. Never smaller than it was. As open. */
int vmm_disk_file_resize(struct vmm_disk_file *file, uint64_t bytes, uint32_t block_bytes,
			 char *why, size_t why_size);

/* Bytes that it takes up on the host; 0: unknown. */
uint64_t vmm_disk_file_allocated(const struct vmm_disk_file *file);

#endif
