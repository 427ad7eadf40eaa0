/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "fuzz/image_driver.h"

#include <string.h>

int image_driver_open(int fd, enum image_kind kind, bool read_only, struct vmm_disk_file *file,
		      char *why)
{
	int err;

	*file = (struct vmm_disk_file){ .fd = fd, .read_only = read_only, .dsync = true };
	if (kind == IMAGE_RAW) {
		file->bytes = memory_store_of(fd)->bytes;
		return 0;
	}
	err = vmm_disk_image_open(fd, kind == IMAGE_VHDX ? VMM_IMAGE_VHDX : VMM_IMAGE_VHD,
				  read_only, &file->image, why, 256);
	if (!err)
		file->bytes = vmm_disk_image_facts(file->image)->bytes;
	return err;
}

int image_driver_close(struct vmm_disk_file *file)
{
	int err = file->image ? vmm_disk_image_close(file->image) : 0;

	file->image = NULL;
	return err;
}

static unsigned cut(struct iovec *iov, void *data, uint64_t bytes)
{
	uint64_t first = bytes / 3 / 512 * 512;

	if (!first) {
		iov[0] = (struct iovec){ data, bytes };
		return 1;
	}
	iov[0] = (struct iovec){ data, first };
	iov[1] = (struct iovec){ (uint8_t *)data + first, first };
	iov[2] = (struct iovec){ (uint8_t *)data + 2 * first, bytes - 2 * first };
	return 3;
}

void image_request_begin(const struct vmm_disk_file *file, struct image_request *request,
			 enum hvh_disk_op op, uint64_t offset, uint64_t bytes, void *data)
{
	request->io.op = op;
	request->io.offset = offset;
	request->io.bytes = bytes;
	request->io.iovs = data ? cut(request->iov, data, bytes) : 0;
	request->io.iov = request->iov;
	vmm_disk_begin(&request->io);
	request->more = vmm_disk_again(file, &request->io, &request->call);
}

bool image_request_step(const struct vmm_disk_file *file, struct image_request *request)
{
	if (request->more)
		request->more = vmm_disk_next(file, &request->io,
					      memory_store_call(file, &request->call),
					      &request->call);
	return request->more;
}

int image_io(const struct vmm_disk_file *file, enum hvh_disk_op op, unsigned option,
	     uint64_t offset, uint64_t bytes, void *data)
{
	struct image_request request = { .io = { .durable = option & IMAGE_DURABLE,
						 .unmap = option & IMAGE_UNMAP } };

	image_request_begin(file, &request, op, offset, bytes, data);
	while (image_request_step(file, &request))
		;
	return request.io.result;
}
