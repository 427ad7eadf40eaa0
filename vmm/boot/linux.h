/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Booting a Linux kernel (bzImage) by its 64-bit entry point.
 * Source: Documentation/x86/boot.rst of the kernel.
 */
#ifndef VMM_BOOT_LINUX_H
#define VMM_BOOT_LINUX_H

#include <stddef.h>
#include <stdint.h>

struct hvh_mem;

/* As much of a kernel file as its header can fill. */
#define VMM_LINUX_HEAD_BYTES 1024

/* What the header says, checked: nothing of it can lead outside of the file or wrap around. */
struct vmm_linux_header {
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

/* A kernel and its initrd, open and checked. */
struct vmm_linux;

/*
 * `low_bytes`: RAM from address 0 up to the first gap. Strings are borrowed; `initrd` and
 * `command_line` may be NULL. After a failure a line was logged.
 */
int vmm_linux_open(const char *kernel, const char *initrd, const char *command_line,
		   uint64_t low_bytes, struct vmm_linux **out);
void vmm_linux_close(struct vmm_linux *image);

/* e820 types. */
#define VMM_E820_RAM	  1
#define VMM_E820_RESERVED 2
#define VMM_E820_ACPI	  3

struct vmm_e820_entry {
	uint64_t gpa;
	uint64_t bytes;
	uint32_t type;
} __attribute__((packed));

#define VMM_E820_MAX 16

/* How the boot processor starts: long mode, flat segments, paging on, interrupts off. */
struct vmm_linux_entry {
	uint64_t rip;
	uint64_t rsi;
	uint64_t cr3;
	uint64_t gdt;
	uint16_t gdt_limit;
	uint16_t code_selector;
	uint16_t data_selector;
};

/* May be called again, for a guest that restarts. After a failure a line was logged. */
int vmm_linux_load(const struct vmm_linux *image, struct hvh_mem *mem,
		   const struct vmm_e820_entry *map, unsigned map_entries, uint64_t rsdp_gpa,
		   struct vmm_linux_entry *entry);

#endif
