/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/disk/call.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

/* Where a request is. */
enum stage {
	STAGE_TRANSFER, /* READ, WRITE; and ZERO where only writing helps */
	STAGE_FALLOCATE,
	STAGE_SYNC, /* the last */
};

/* What is written where a range cannot be zeroed otherwise; not const, because pieces of memory never are. */
static uint8_t zeros[64 << 10];

static void put_sync(struct hvh_disk_io *io, struct vmm_disk_call *call)
{
	io->stage = STAGE_SYNC;
	*call = (struct vmm_disk_call){ .kind = VMM_DISK_FDATASYNC };
}

/* Holes read as zeros; so do ranges that are zeroed and stay allocated. */
static void put_fallocate(struct hvh_disk_io *io, struct vmm_disk_call *call)
{
	io->stage = STAGE_FALLOCATE;
	*call = (struct vmm_disk_call){
		.kind = VMM_DISK_FALLOCATE,
		.offset = io->offset,
		.bytes = io->bytes,
		.flags = FALLOC_FL_KEEP_SIZE |
			 (io->unmap ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE),
	};
}

/* What is left of the pieces. */
static unsigned rest_of_pieces(struct hvh_disk_io *io)
{
	uint64_t skip = io->done;
	unsigned count = 0;

	for (unsigned i = 0; i < io->iovs; i++) {
		const struct iovec *iov = &io->iov[i];

		if (skip >= iov->iov_len) {
			skip -= iov->iov_len;
			continue;
		}
		io->rest[count].iov_base = (uint8_t *)iov->iov_base + skip;
		io->rest[count++].iov_len = iov->iov_len - skip;
		skip = 0;
	}
	return count;
}

static unsigned rest_of_zeros(struct hvh_disk_io *io, uint64_t *bytes)
{
	uint64_t left = io->bytes - io->done;
	unsigned count = 0;

	for (*bytes = 0; left && count < HVH_SCSI_IOVS; count++) {
		size_t step = left < sizeof(zeros) ? left : sizeof(zeros);

		io->rest[count].iov_base = zeros;
		io->rest[count].iov_len = step;
		*bytes += step;
		left -= step;
	}
	return count;
}

static void put_transfer(struct hvh_disk_io *io, struct vmm_disk_call *call)
{
	io->stage = STAGE_TRANSFER;
	*call = (struct vmm_disk_call){
		.kind = io->op == HVH_DISK_READ ? VMM_DISK_READV : VMM_DISK_WRITEV,
		.iov = io->rest,
		.offset = io->offset + io->done,
		.bytes = io->bytes - io->done,
		.flags = io->op == HVH_DISK_WRITE && io->durable ? RWF_DSYNC : 0,
	};
	if (io->op == HVH_DISK_ZERO) {
		call->iovs = rest_of_zeros(io, &call->bytes);
	} else if (io->done) {
		call->iovs = rest_of_pieces(io);
	} else {
		call->iov = io->iov;
		call->iovs = io->iovs;
	}
}

void vmm_disk_first(struct hvh_disk_io *io, struct vmm_disk_call *call)
{
	io->done = 0;
	if (io->op == HVH_DISK_FLUSH)
		put_sync(io, call);
	else if (io->op == HVH_DISK_ZERO)
		put_fallocate(io, call);
	else
		put_transfer(io, call);
}

/* The data is where it belongs; but for ZERO there is no way to have it durable at once. */
static bool transferred(struct hvh_disk_io *io, struct vmm_disk_call *call)
{
	if (io->op != HVH_DISK_ZERO || !io->durable)
		return false;
	put_sync(io, call);
	return true;
}

bool vmm_disk_next(struct hvh_disk_io *io, int result, struct vmm_disk_call *call)
{
	if (result == -EINTR || result == -EAGAIN) {
		if (io->stage == STAGE_SYNC)
			put_sync(io, call);
		else if (io->stage == STAGE_FALLOCATE)
			put_fallocate(io, call);
		else
			put_transfer(io, call);
		return true;
	}
	if (io->stage == STAGE_FALLOCATE && (result == -EOPNOTSUPP || result == -ENOSYS)) {
		put_transfer(io, call);
		return true;
	}
	io->result = result < 0 ? result : 0;
	if (result < 0 || io->stage == STAGE_SYNC)
		return false;
	if (io->stage == STAGE_FALLOCATE)
		return transferred(io, call);
	/* A file that ends before the disk does has been cut behind our back. */
	if (!result) {
		io->result = -EIO;
		return false;
	}
	io->done += (uint64_t)result;
	if (io->done >= io->bytes)
		return transferred(io, call);
	put_transfer(io, call);
	return true;
}

int vmm_disk_call(int fd, const struct vmm_disk_call *call)
{
	ssize_t result = -1;

	switch (call->kind) {
	case VMM_DISK_READV:
		result = preadv2(fd, call->iov, (int)call->iovs, (off_t)call->offset, call->flags);
		break;
	case VMM_DISK_WRITEV:
		result = pwritev2(fd, call->iov, (int)call->iovs, (off_t)call->offset, call->flags);
		break;
	case VMM_DISK_FALLOCATE:
		result = fallocate(fd, call->flags, (off_t)call->offset, (off_t)call->bytes);
		break;
	case VMM_DISK_FDATASYNC:
		result = fdatasync(fd);
		break;
	}
	return result < 0 ? -errno : (int)result;
}
