/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Requests to a disk in a file in memory, as an engine carries them out, but one call at a time.
 */
#ifndef FUZZ_IMAGE_DRIVER_H
#define FUZZ_IMAGE_DRIVER_H

#include "fuzz/memory_store.h"
#include "vmm/disk/call.h"
#include "vmm/disk/file.h"
#include "vmm/image/image.h"

enum image_kind {
	IMAGE_RAW,
	IMAGE_VHD,
	IMAGE_VHDX,
};

/* What is in the store; the size of the disk, or negative errno. `why`: 256 bytes. */
int image_driver_open(int fd, enum image_kind kind, bool read_only, struct vmm_disk_file *file,
		      char *why);
int image_driver_close(struct vmm_disk_file *file);

/* A request under way. */
struct image_request {
	struct hvh_disk_io io;
	struct iovec iov[3];
	struct vmm_disk_call call;
	bool more;
};

/* `data`: cut into pieces, if there is enough of it; borrowed until the end. */
void image_request_begin(const struct vmm_disk_file *file, struct image_request *request,
			 enum hvh_disk_op op, uint64_t offset, uint64_t bytes, void *data);

/* One call, if there is any; false: the end, io.result says how. */
bool image_request_step(const struct vmm_disk_file *file, struct image_request *request);

/* From beginning to end. WRITE, ZERO: `option` 1 durable, 2 unmap. */
int image_io(const struct vmm_disk_file *file, enum hvh_disk_op op, unsigned option,
	     uint64_t offset, uint64_t bytes, void *data);
#define IMAGE_DURABLE 1u
#define IMAGE_UNMAP   2u

#endif
