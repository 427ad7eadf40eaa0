/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The guest's kernel with its initrd and command line: opened once, loaded at each start of the guest.
 * Formats: bzImage (vmm/boot/linux.h) and ELF with a PVH entry point (vmm/boot/pvh.h).
 */
#ifndef VMM_BOOT_IMAGE_H
#define VMM_BOOT_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

struct hvh_mem;

/* Files open and checked: nothing of them leads outside of the file or of the guest's memory. */
struct vmm_image;

/*
 * `low_bytes`: RAM from address 0 up to the first gap. `command_line` is borrowed; it and `initrd` may
 * be NULL. After a failure a line was logged.
 */
int vmm_image_open(const char *kernel, const char *initrd, const char *command_line,
		   uint64_t low_bytes, struct vmm_image **out);
void vmm_image_close(struct vmm_image *image);

/* The kernel is a bzImage that says it has no code for long mode. */
bool vmm_image_is_32_bit(const struct vmm_image *image);

/* e820 types; PVH's are the same. */
#define VMM_E820_RAM	  1
#define VMM_E820_RESERVED 2
#define VMM_E820_ACPI	  3

struct vmm_e820_entry {
	uint64_t gpa;
	uint64_t bytes;
	uint32_t type;
} __attribute__((packed));

#define VMM_E820_MAX 16

/* What firmware would tell the kernel of the machine. */
struct vmm_firmware {
	const struct vmm_e820_entry *map;
	unsigned map_entries; /* at most VMM_E820_MAX */
	uint64_t rsdp_gpa;
};

/* How the boot processor starts: flat segments, interrupts off. */
enum vmm_entry_mode {
	VMM_ENTRY_LONG, /* 64-bit, paging on */
	VMM_ENTRY_PROTECTED, /* 32-bit, paging off */
};

struct vmm_entry {
	enum vmm_entry_mode mode;
	uint64_t rip;
	uint64_t rbx;
	uint64_t rsi;
	uint64_t cr3; /* long mode */
	uint64_t gdt;
	uint16_t gdt_limit;
	uint16_t code_selector;
	uint16_t data_selector;
};

/* May be called again, for a guest that restarts. After a failure a line was logged. */
int vmm_image_load(const struct vmm_image *image, struct hvh_mem *mem,
		   const struct vmm_firmware *firmware, struct vmm_entry *entry);

#endif
