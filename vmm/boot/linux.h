/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Booting a Linux kernel (bzImage) by its 64-bit entry point, or by its 32-bit one where it has no other.
 * Source: Documentation/x86/boot.rst of the kernel.
 */
#ifndef VMM_BOOT_LINUX_H
#define VMM_BOOT_LINUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As much of a kernel file as its header can fill. */
#define VMM_LINUX_HEAD_BYTES 1024

/* What the header says, checked: nothing of it can lead outside of the file or wrap around. */
struct vmm_linux_header {
	bool has_64_bit_entry;
	uint32_t payload_offset; /* in the file: the code that is loaded */
	uint64_t payload_bytes;
	uint64_t load_gpa;
	uint64_t needs_bytes; /* from load_gpa on, until the kernel knows its memory */
	uint32_t initrd_gpa_max; /* last byte an initrd may have */
	uint32_t command_line_max; /* without the terminating zero */
	uint32_t header_bytes; /* of the part that is handed to the kernel */
};

#define VMM_WHY_MAX 160

/* -ENOEXEC with the reason as a phrase in `why`: "not a Linux kernel (bzImage)". */
int vmm_linux_parse(const uint8_t *head, size_t head_bytes, uint64_t file_bytes,
		    struct vmm_linux_header *header, char why[VMM_WHY_MAX]);

#endif
