/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/boot/image.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <hvh/hvh_mem.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hvp_base.h"
#include "vmm/boot/image_priv.h"
#include "vmm/log.h"

#define CHUNK_PAGES 256

int vmm_image_refuse(char why[VMM_WHY_MAX], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, VMM_WHY_MAX, format, args);
	va_end(args);
	return -ENOEXEC;
}

/* --- opening -------------------------------------------------------------------------------------- */

/* Opens a regular file. -1 after a line to the log. */
static int open_file(const char *what, const char *path, uint64_t *bytes)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		vmm_log(HVH_LOG_ERROR, "%s %s: %s", what, path, strerror(errno));
		return -1;
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		vmm_log(HVH_LOG_ERROR, "%s %s: not a regular file", what, path);
		close(fd);
		return -1;
	}
	*bytes = (uint64_t)st.st_size;
	return fd;
}

static unsigned long long mebibytes(uint64_t bytes)
{
	return (bytes + (1u << 20) - 1) >> 20;
}

static int need_memory(const char *kernel, uint64_t bytes, uint64_t low_bytes)
{
	vmm_log(HVH_LOG_ERROR,
		"kernel %s: needs at least %llu MiB of memory below the MMIO gap, and there are %llu",
		kernel, mebibytes(bytes), (unsigned long long)(low_bytes >> 20));
	return -ENOMEM;
}

static const struct vmm_image_format *format_of(const struct vmm_image *image)
{
	bool elf = image->head_bytes >= SELFMAG && !memcmp(image->head, ELFMAG, SELFMAG);

	return elf ? &vmm_pvh_format : &vmm_linux_format;
}

static int open_kernel(struct vmm_image *image, const char *path, uint64_t low_bytes)
{
	char why[VMM_WHY_MAX];
	ssize_t got;

	image->kernel_fd = open_file("kernel", path, &image->kernel_bytes);
	if (image->kernel_fd < 0)
		return -ENOENT;
	got = pread(image->kernel_fd, image->head, sizeof(image->head), 0);
	if (got < 0) {
		vmm_log(HVH_LOG_ERROR, "kernel %s: %s", path, strerror(errno));
		return -EIO;
	}
	image->head_bytes = (size_t)got;
	image->format = format_of(image);
	if (image->format->parse(image, why) < 0) {
		vmm_log(HVH_LOG_ERROR, "kernel %s: %s", path, why);
		return -ENOEXEC;
	}
	if (image->kernel_end_gpa > low_bytes)
		return need_memory(path, image->kernel_end_gpa, low_bytes);
	return 0;
}

/* As high as kernel and memory allow, so that it is out of the way of the kernel's unpacking. */
static int open_initrd(struct vmm_image *image, const char *kernel, const char *path,
		       uint64_t low_bytes)
{
	uint64_t end = image->initrd_end_max_gpa;
	uint64_t pages_bytes;

	image->initrd_fd = open_file("initrd", path, &image->initrd_bytes);
	if (image->initrd_fd < 0)
		return -ENOENT;
	if (!image->initrd_bytes) {
		vmm_log(HVH_LOG_ERROR, "initrd %s: empty", path);
		return -EINVAL;
	}
	if (end > low_bytes)
		end = low_bytes;
	end &= ~(uint64_t)(HVP_PAGE_SIZE - 1);
	if (image->initrd_bytes > VMM_IMAGE_LOW_BYTES_MAX) {
		vmm_log(HVH_LOG_ERROR, "initrd %s: too large", path);
		return -EFBIG;
	}
	pages_bytes = (image->initrd_bytes + HVP_PAGE_SIZE - 1) & ~(uint64_t)(HVP_PAGE_SIZE - 1);
	if (end < pages_bytes || end - pages_bytes < image->kernel_end_gpa) {
		if (end == low_bytes)
			return need_memory(kernel, image->kernel_end_gpa + pages_bytes, low_bytes);
		vmm_log(HVH_LOG_ERROR, "initrd %s: too large for the kernel's limit of %llu MiB",
			path, mebibytes(end));
		return -EFBIG;
	}
	image->initrd_gpa = end - pages_bytes;
	return 0;
}

static int check_command_line(const struct vmm_image *image, const char *kernel)
{
	uint64_t most = VMM_IMAGE_COMMAND_LINE_BYTES - 1;

	if (most > image->command_line_max)
		most = image->command_line_max;
	if (strlen(image->command_line) <= most)
		return 0;
	vmm_log(HVH_LOG_ERROR, "kernel %s: takes at most %llu bytes of command line", kernel,
		(unsigned long long)most);
	return -E2BIG;
}

int vmm_image_open(const char *kernel, const char *initrd, const char *command_line,
		   uint64_t low_bytes, struct vmm_image **out)
{
	struct vmm_image *image = calloc(1, sizeof(*image));
	int err;

	if (!image) {
		vmm_log(HVH_LOG_ERROR, "out of memory");
		return -ENOMEM;
	}
	image->kernel_fd = image->initrd_fd = -1;
	image->command_line = command_line ? command_line : "";
	err = open_kernel(image, kernel, low_bytes);
	if (!err && initrd)
		err = open_initrd(image, kernel, initrd, low_bytes);
	if (!err)
		err = check_command_line(image, kernel);
	if (err) {
		vmm_image_close(image);
		return err;
	}
	*out = image;
	return 0;
}

void vmm_image_close(struct vmm_image *image)
{
	if (!image)
		return;
	if (image->kernel_fd >= 0)
		close(image->kernel_fd);
	if (image->initrd_fd >= 0)
		close(image->initrd_fd);
	free(image);
}

bool vmm_image_is_32_bit(const struct vmm_image *image)
{
	return image->is_32_bit;
}

/* --- loading -------------------------------------------------------------------------------------- */

/* Guest memory that is contiguous in the guest. */
static int pin(struct hvh_mem *mem, uint64_t gpa, size_t bytes, struct hvh_pin *pin)
{
	uint64_t pages[CHUNK_PAGES + 1];
	uint32_t offset = gpa % HVP_PAGE_SIZE;
	size_t count = (offset + bytes + HVP_PAGE_SIZE - 1) / HVP_PAGE_SIZE;

	for (size_t i = 0; i < count; i++)
		pages[i] = gpa - offset + i * HVP_PAGE_SIZE;
	return hvh_mem_pin(mem, pages, count, offset, bytes, true, pin);
}

/* Read exactly these bytes of the file. */
static int read_iovec(int fd, uint64_t offset, const struct iovec *iov)
{
	uint8_t *at = iov->iov_base;
	size_t left = iov->iov_len;

	while (left) {
		ssize_t got = pread(fd, at, left, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? -errno : -ENODATA;
		at += got;
		left -= (size_t)got;
		offset += (uint64_t)got;
	}
	return 0;
}

static int read_chunk(int fd, uint64_t offset, struct hvh_mem *mem, uint64_t gpa, size_t bytes)
{
	struct hvh_pin held;
	int err = pin(mem, gpa, bytes, &held);

	if (err)
		return err;
	for (unsigned i = 0; i < held.iovs && !err; i++) {
		err = read_iovec(fd, offset, &held.iov[i]);
		offset += held.iov[i].iov_len;
	}
	hvh_mem_unpin(&held);
	return err;
}

static size_t chunk_bytes(uint64_t left)
{
	const size_t most = CHUNK_PAGES * HVP_PAGE_SIZE;

	return left < most ? (size_t)left : most;
}

int vmm_image_read_file(const char *what, int fd, uint64_t offset, struct hvh_mem *mem,
			uint64_t gpa, uint64_t bytes)
{
	for (uint64_t done = 0; done < bytes; done += chunk_bytes(bytes - done)) {
		int err = read_chunk(fd, offset + done, mem, gpa + done, chunk_bytes(bytes - done));

		if (err) {
			vmm_log(HVH_LOG_ERROR, "reading the %s: %s", what,
				err == -ENODATA ? "the file became shorter" : strerror(-err));
			return err;
		}
	}
	return 0;
}

int vmm_image_clear(struct hvh_mem *mem, uint64_t gpa, uint64_t bytes)
{
	for (uint64_t done = 0; done < bytes; done += chunk_bytes(bytes - done)) {
		struct hvh_pin held;
		int err = pin(mem, gpa + done, chunk_bytes(bytes - done), &held);

		if (err)
			return err;
		for (unsigned i = 0; i < held.iovs; i++)
			memset(held.iov[i].iov_base, 0, held.iov[i].iov_len);
		hvh_mem_unpin(&held);
	}
	return 0;
}

int vmm_image_load(const struct vmm_image *image, struct hvh_mem *mem,
		   const struct vmm_firmware *firmware, struct vmm_entry *entry)
{
	int err;

	if (firmware->map_entries > VMM_E820_MAX)
		return -EINVAL;
	if (image->initrd_fd >= 0) {
		err = vmm_image_read_file("initrd", image->initrd_fd, 0, mem, image->initrd_gpa,
					  image->initrd_bytes);
		if (err)
			return err;
	}
	err = hvh_mem_write(mem, VMM_IMAGE_COMMAND_LINE_GPA, image->command_line,
			    strlen(image->command_line) + 1);
	if (err) {
		vmm_log(HVH_LOG_ERROR, "writing the command line: %s", strerror(-err));
		return err;
	}
	return image->format->load(image, mem, firmware, entry);
}
