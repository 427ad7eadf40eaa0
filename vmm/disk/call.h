/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A request to a disk as a row of system calls on its file, whoever makes them: an image says where its parts are,
 * transfers that come back short go on, and what a file system cannot do is done by writing zeros.
 */
#ifndef VMM_DISK_CALL_H
#define VMM_DISK_CALL_H

#include <hvh/hvh_scsi.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

struct vmm_disk_file;

enum vmm_disk_call_kind {
	VMM_DISK_READV,
	VMM_DISK_WRITEV,
	VMM_DISK_FALLOCATE,
	VMM_DISK_FDATASYNC,
	VMM_DISK_PREPARE, /* vmm_disk_image_prepare() */
	VMM_DISK_COMMIT, /* vmm_disk_image_commit() */
};

struct vmm_disk_call {
	enum vmm_disk_call_kind kind;
	const struct iovec *iov; /* valid until the call's result is told */
	unsigned iovs;
	uint64_t offset, bytes; /* in the file; PREPARE: on the disk */
	int flags; /* RWF_* of READV and WRITEV, FALLOC_FL_*, enum hvh_disk_op of PREPARE */
};

/* Any thread, as the others; one at a time for one request. */
void vmm_disk_begin(struct hvh_disk_io *io);

/* True: `call` comes next, also a second time; false: io->result says how the request ended. */
bool vmm_disk_again(const struct vmm_disk_file *file, struct hvh_disk_io *io,
		    struct vmm_disk_call *call);

/* The same after a call. `result`: its negative errno or bytes. */
bool vmm_disk_next(const struct vmm_disk_file *file, struct hvh_disk_io *io, int result,
		   struct vmm_disk_call *call);

/* Make the call; negative errno or bytes. */
int vmm_disk_call(const struct vmm_disk_file *file, const struct vmm_disk_call *call);

#endif
