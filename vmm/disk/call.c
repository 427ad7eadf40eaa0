/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/disk/call.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <unistd.h>

#include "vmm/disk/file.h"
#include "vmm/image/image.h"

/* What a request's last call was. */
enum stage {
	STAGE_BEGIN, /* there was none */
	STAGE_TRANSFER, /* READ, WRITE; and ZERO where only writing helps */
	STAGE_FALLOCATE,
	STAGE_FREE, /* room is given back, if the file system can */
	STAGE_PREPARE,
	STAGE_SYNC, /* the last */
};

/* What is written where a range cannot be zeroed otherwise; not const, because pieces of memory never are. */
static uint8_t zeros[64 << 10];

/* --- pieces of memory -------------------------------------------------------------------------------- */

/* The pieces from io->done on, for io->part bytes. */
static unsigned pieces_of_part(struct hvh_disk_io *io)
{
	uint64_t skip = io->done, left = io->part;
	unsigned count = 0;

	for (unsigned i = 0; i < io->iovs && left; i++) {
		const struct iovec *iov = &io->iov[i];
		size_t len;

		if (skip >= iov->iov_len) {
			skip -= iov->iov_len;
			continue;
		}
		len = iov->iov_len - skip < left ? iov->iov_len - skip : left;
		io->rest[count].iov_base = (uint8_t *)iov->iov_base + skip;
		io->rest[count++].iov_len = len;
		left -= len;
		skip = 0;
	}
	return count;
}

static unsigned pieces_of_zeros(struct hvh_disk_io *io, uint64_t *bytes)
{
	uint64_t left = io->part;
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

/* --- calls ------------------------------------------------------------------------------------------- */

/* Holes read as zeros; so do ranges that are zeroed and stay allocated. */
static void put_fallocate(struct hvh_disk_io *io, uint64_t at, bool unmap,
			  struct vmm_disk_call *call)
{
	*call = (struct vmm_disk_call){
		.kind = VMM_DISK_FALLOCATE,
		.offset = at,
		.bytes = io->part,
		.flags = FALLOC_FL_KEEP_SIZE | (unmap ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE),
	};
}

/* By itself a write makes durable what it writes, but not what an image says about where that is. */
static int write_flags(const struct vmm_disk_file *file, struct hvh_disk_io *io)
{
	if (io->op != HVH_DISK_WRITE || !io->durable)
		return 0;
	if (file->dsync &&
	    (!file->image || !vmm_disk_image_pending(file->image, io->offset + io->done, io->part)))
		return RWF_DSYNC;
	io->unsynced = true;
	return 0;
}

static void put_transfer(const struct vmm_disk_file *file, struct hvh_disk_io *io, uint64_t at,
			 struct vmm_disk_call *call)
{
	io->stage = STAGE_TRANSFER;
	*call = (struct vmm_disk_call){
		.kind = io->op == HVH_DISK_READ ? VMM_DISK_READV : VMM_DISK_WRITEV,
		.iov = io->rest,
		.offset = at,
		.bytes = io->part,
		.flags = write_flags(file, io),
	};
	if (io->op == HVH_DISK_ZERO) {
		call->iovs = pieces_of_zeros(io, &call->bytes);
	} else if (io->part == io->bytes) {
		call->iov = io->iov;
		call->iovs = io->iovs;
	} else {
		call->iovs = pieces_of_part(io);
	}
}

static void put_extent(const struct vmm_disk_file *file, struct hvh_disk_io *io,
		       const struct vmm_extent *extent, struct vmm_disk_call *call)
{
	if (extent->kind == VMM_EXTENT_PREPARE) {
		io->stage = STAGE_PREPARE;
		*call = (struct vmm_disk_call){ .kind = VMM_DISK_PREPARE,
						.offset = io->offset + io->done,
						.flags = (int)io->op };
	} else if (extent->kind == VMM_EXTENT_FREED) {
		io->stage = STAGE_FREE;
		put_fallocate(io, extent->at, true, call);
	} else if (io->op == HVH_DISK_ZERO && !io->no_fallocate) {
		io->stage = STAGE_FALLOCATE;
		put_fallocate(io, extent->at, io->unmap, call);
	} else {
		put_transfer(file, io, extent->at, call);
	}
}

static void read_zeros(struct hvh_disk_io *io)
{
	unsigned count = pieces_of_part(io);

	for (unsigned i = 0; i < count; i++)
		memset(io->rest[i].iov_base, 0, io->rest[i].iov_len);
}

/* The data is where it belongs. */
static bool put_sync(const struct vmm_disk_file *file, struct hvh_disk_io *io,
		     struct vmm_disk_call *call)
{
	bool commits = file->image && (io->unsynced || vmm_disk_image_dirty(file->image));

	if (io->op != HVH_DISK_FLUSH && !io->unsynced && (io->op != HVH_DISK_ZERO || !io->durable)) {
		io->result = 0;
		return false;
	}
	io->stage = STAGE_SYNC;
	*call = (struct vmm_disk_call){ .kind = commits ? VMM_DISK_COMMIT : VMM_DISK_FDATASYNC };
	return true;
}

void vmm_disk_begin(struct hvh_disk_io *io)
{
	io->done = 0;
	io->stage = STAGE_BEGIN;
	io->unsynced = false;
	io->no_fallocate = false;
}

bool vmm_disk_again(const struct vmm_disk_file *file, struct hvh_disk_io *io,
		    struct vmm_disk_call *call)
{
	while (io->done < io->bytes && io->op != HVH_DISK_FLUSH) {
		struct vmm_extent extent = { .at = io->offset + io->done,
					     .bytes = io->bytes - io->done };

		if (file->image)
			vmm_disk_image_map(file->image, io->op, io->unmap, extent.at, extent.bytes,
					   &extent);
		io->part = extent.bytes;
		if (extent.kind != VMM_EXTENT_ZEROS) {
			put_extent(file, io, &extent, call);
			return true;
		}
		if (io->op == HVH_DISK_READ)
			read_zeros(io);
		io->done += io->part;
	}
	return put_sync(file, io, call);
}

bool vmm_disk_next(const struct vmm_disk_file *file, struct hvh_disk_io *io, int result,
		   struct vmm_disk_call *call)
{
	bool unsupported = result == -EOPNOTSUPP || result == -ENOSYS;

	io->result = result < 0 ? result : 0;
	if (io->stage == STAGE_FREE) {
		/* Nobody needs what is there, whether it goes or not. */
		io->done += io->part;
	} else if (io->stage == STAGE_FALLOCATE && unsupported) {
		io->no_fallocate = true;
	} else if (result == -EINTR || result == -EAGAIN) {
		;
	} else if (result < 0 || io->stage == STAGE_SYNC) {
		return false;
	} else if (io->stage == STAGE_FALLOCATE) {
		io->done += io->part;
	} else if (io->stage == STAGE_TRANSFER) {
		/* A file that ends before the disk does has been cut behind our back. */
		if (!result) {
			io->result = -EIO;
			return false;
		}
		io->done += (uint64_t)result;
	}
	return vmm_disk_again(file, io, call);
}

int vmm_disk_call(const struct vmm_disk_file *file, const struct vmm_disk_call *call)
{
	ssize_t result = -1;

	switch (call->kind) {
	case VMM_DISK_READV:
		result = preadv2(file->fd, call->iov, (int)call->iovs, (off_t)call->offset,
				 call->flags);
		break;
	case VMM_DISK_WRITEV:
		result = pwritev2(file->fd, call->iov, (int)call->iovs, (off_t)call->offset,
				  call->flags);
		break;
	case VMM_DISK_FALLOCATE:
		result = fallocate(file->fd, call->flags, (off_t)call->offset, (off_t)call->bytes);
		break;
	case VMM_DISK_FDATASYNC:
		result = fdatasync(file->fd);
		break;
	case VMM_DISK_PREPARE:
		return vmm_disk_image_prepare(file->image, (enum hvh_disk_op)call->flags,
					      call->offset);
	case VMM_DISK_COMMIT:
		return vmm_disk_image_commit(file->image);
	}
	return result < 0 ? -errno : (int)result;
}
