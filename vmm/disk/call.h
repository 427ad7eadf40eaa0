/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A request to a disk as a row of system calls on its file, whoever makes them: transfers that come back short go on,
 * and what a file system cannot do is done by writing zeros.
 */
#ifndef VMM_DISK_CALL_H
#define VMM_DISK_CALL_H

#include <hvh/hvh_scsi.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

enum vmm_disk_call_kind {
	VMM_DISK_READV,
	VMM_DISK_WRITEV,
	VMM_DISK_FALLOCATE,
	VMM_DISK_FDATASYNC,
};

struct vmm_disk_call {
	enum vmm_disk_call_kind kind;
	const struct iovec *iov; /* valid until the call's result is told */
	unsigned iovs;
	uint64_t offset, bytes;
	int flags; /* RWF_* of READV and WRITEV, FALLOC_FL_* */
};

/* The first call of a request. Any thread, as the other; one at a time for one request. */
void vmm_disk_first(struct hvh_disk_io *io, struct vmm_disk_call *call);

/* `result`: of the last call, negative errno or bytes. True: `call` comes next; false: io->result says how it ended. */
bool vmm_disk_next(struct hvh_disk_io *io, int result, struct vmm_disk_call *call);

/* Make the call; negative errno or bytes. */
int vmm_disk_call(int fd, const struct vmm_disk_call *call);

#endif
