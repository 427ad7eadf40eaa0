/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Where memory is in the guest's address space, and where it is not: the windows from which devices
 * get their addresses.
 *
 *	0               low RAM, with a PC's hole for firmware below 1 MiB
 *	4 GiB - gap     the low window, at whose end the interrupt controllers are
 *	4 GiB           high RAM: what did not fit below the gap
 *	next GiB        the high window
 */
#ifndef VMM_MEMMAP_H
#define VMM_MEMMAP_H

#include <stdint.h>

#include "vmm/boot/image.h"

/* Conventional memory ends where a PC's BIOS data would begin; the ACPI tables lie below 1 MiB. */
#define VMM_BIOS_GPA 0x9fc00ull
#define VMM_ACPI_GPA 0xe0000ull

#define VMM_4_GIB	    (1ull << 32)
#define VMM_LOW_WINDOW_LAST 0xfebfffffull
#define VMM_HIGH_WINDOW_MAX (64ull << 30)
#define VMM_HIGH_WINDOW_STEP                                                                       \
	(1ull << 30) /* it begins and ends at a multiple, but where it is cut off */

/* Both inclusive. */
struct vmm_window {
	uint64_t first;
	uint64_t last;
};

struct vmm_memory_map {
	uint64_t low_ram_bytes; /* from address 0 */
	uint64_t high_ram_bytes; /* from 4 GiB */
	struct vmm_window low;
	struct vmm_window high;
};

/* RAM below the gap. */
uint64_t vmm_low_ram_bytes(uint64_t memory_bytes, uint64_t gap_bytes);

/*
 * `gap_bytes` from VMM_MMIO_GAP_MIN to VMM_MMIO_GAP_MAX. -ERANGE: `address_bits` are too few for the
 * memory and a high window of at least one step.
 */
int vmm_memory_map_make(uint64_t memory_bytes, uint64_t gap_bytes, unsigned address_bits,
			struct vmm_memory_map *map);

/* What the kernel is told of it; returns the number of entries. The ACPI tables take `acpi_bytes`. */
unsigned vmm_memory_map_e820(const struct vmm_memory_map *map, uint64_t acpi_bytes,
			     struct vmm_e820_entry entries[VMM_E820_MAX]);

#endif
