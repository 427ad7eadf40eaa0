/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the formats of kernels have in common.
 */
#ifndef VMM_BOOT_IMAGE_PRIV_H
#define VMM_BOOT_IMAGE_PRIV_H

#include <stddef.h>

#include "vmm/boot/image.h"
#include "vmm/boot/linux.h"
#include "vmm/boot/pvh.h"

/* Boot data lies below the conventional 640 KiB, which is free once the kernel runs; kernels lie above 1 MiB. */
#define VMM_IMAGE_DATA_GPA	     0x7000u /* one page: zero page, or start info */
#define VMM_IMAGE_COMMAND_LINE_GPA   0x20000u
#define VMM_IMAGE_COMMAND_LINE_BYTES 0x10000u
#define VMM_IMAGE_KERNEL_GPA_MIN     0x100000u
#define VMM_IMAGE_LOW_BYTES_MAX	     0x100000000ull

struct vmm_image_format {
	/* Fills image->kernel and the limits below it. -ENOEXEC with a phrase in `why`. */
	int (*parse)(struct vmm_image *image, char why[VMM_WHY_MAX]);

	/* Kernel and boot data; initrd and command line are in place. After a failure a line was logged. */
	int (*load)(const struct vmm_image *image, struct hvh_mem *mem,
		    const struct vmm_firmware *firmware, struct vmm_entry *entry);
};

extern const struct vmm_image_format vmm_linux_format;
extern const struct vmm_image_format vmm_pvh_format;

struct vmm_image {
	const struct vmm_image_format *format;
	const char *command_line;
	int kernel_fd;
	int initrd_fd; /* -1: none */
	uint64_t kernel_bytes;
	uint64_t initrd_bytes;
	uint64_t initrd_gpa;
	uint8_t head[VMM_LINUX_HEAD_BYTES]; /* of the kernel's file */
	size_t head_bytes;

	union {
		struct vmm_linux_header bzimage;
		struct vmm_pvh_kernel elf;
	} kernel;
	bool is_32_bit;
	uint64_t kernel_end_gpa; /* RAM that the kernel needs ends here */
	uint64_t initrd_end_max_gpa;
	uint64_t command_line_max; /* without the terminating zero */
};

/* Writes the phrase; returns -ENOEXEC. */
int vmm_image_refuse(char why[VMM_WHY_MAX], const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* These bytes of a file into guest memory. After a failure a line was logged, with `what` the file is. */
int vmm_image_read_file(const char *what, int fd, uint64_t offset, struct hvh_mem *mem,
			uint64_t gpa, uint64_t bytes);

/* -EFAULT: not all of it is RAM. */
int vmm_image_clear(struct hvh_mem *mem, uint64_t gpa, uint64_t bytes);

#endif
