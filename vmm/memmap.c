/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/memmap.h"

#include <errno.h>

/* Memory that is not a PC's conventional one. */
#define EXTENDED_GPA 0x100000ull

uint64_t vmm_low_ram_bytes(uint64_t memory_bytes, uint64_t gap_bytes)
{
	uint64_t most = VMM_4_GIB - gap_bytes;

	return memory_bytes < most ? memory_bytes : most;
}

int vmm_memory_map_make(uint64_t memory_bytes, uint64_t gap_bytes, unsigned address_bits,
			struct vmm_memory_map *map)
{
	const uint64_t step = VMM_HIGH_WINDOW_STEP, top = 1ull << address_bits;
	struct vmm_memory_map m;
	uint64_t ram_end;

	m.low_ram_bytes = vmm_low_ram_bytes(memory_bytes, gap_bytes);
	m.high_ram_bytes = memory_bytes - m.low_ram_bytes;
	m.low.first = VMM_4_GIB - gap_bytes;
	m.low.last = VMM_LOW_WINDOW_LAST;
	ram_end = VMM_4_GIB + m.high_ram_bytes;
	m.high.first = (ram_end + step - 1) / step * step;
	if (m.high.first > top || top - m.high.first < step)
		return -ERANGE;
	m.high.last = top - 1;
	if (top - m.high.first > VMM_HIGH_WINDOW_MAX)
		m.high.last = m.high.first + VMM_HIGH_WINDOW_MAX - 1;
	*map = m;
	return 0;
}

unsigned vmm_memory_map_e820(const struct vmm_memory_map *map, uint64_t acpi_bytes,
			     struct vmm_e820_entry entries[VMM_E820_MAX])
{
	unsigned count = 0;

	entries[count++] = (struct vmm_e820_entry){ 0, VMM_BIOS_GPA, VMM_E820_RAM };
	entries[count++] = (struct vmm_e820_entry){ VMM_ACPI_GPA, acpi_bytes, VMM_E820_ACPI };
	entries[count++] = (struct vmm_e820_entry){ EXTENDED_GPA, map->low_ram_bytes - EXTENDED_GPA,
						    VMM_E820_RAM };
	if (map->high_ram_bytes)
		entries[count++] =
			(struct vmm_e820_entry){ VMM_4_GIB, map->high_ram_bytes, VMM_E820_RAM };
	return count;
}
