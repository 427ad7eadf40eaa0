/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>

#include "tap.h"
#include "vmm/config.h"
#include "vmm/memmap.h"

#define MIB  (1ull << 20)
#define GIB  (1ull << 30)
#define ACPI 0x8000u

static struct vmm_memory_map map;
static struct vmm_e820_entry entries[VMM_E820_MAX];
static unsigned count;

static int make(uint64_t memory_bytes, uint64_t gap_bytes, unsigned bits)
{
	int err = vmm_memory_map_make(memory_bytes, gap_bytes, bits, &map);

	count = err ? 0 : vmm_memory_map_e820(&map, ACPI, entries);
	return err;
}

/* Whatever the sizes: entries in order, apart from each other and from the windows, and no memory lost. */
static bool is_sound(uint64_t memory_bytes, uint64_t gap_bytes, unsigned bits)
{
	uint64_t end = 0, ram = 0, hole = MIB - VMM_BIOS_GPA;
	bool sound = count <= VMM_E820_MAX;

	for (unsigned i = 0; i < count; i++) {
		uint64_t last = entries[i].gpa + entries[i].bytes - 1;

		sound &= entries[i].bytes > 0 && entries[i].gpa >= end;
		sound &= last < map.low.first || entries[i].gpa >= VMM_4_GIB;
		sound &= last < map.high.first;
		end = last + 1;
		ram += entries[i].type == VMM_E820_RAM ? entries[i].bytes : 0;
	}
	sound &= ram == memory_bytes - hole;
	sound &= map.low.first == VMM_4_GIB - gap_bytes && map.low.last == 0xfebfffff;
	sound &= map.low.first < map.low.last;
	sound &= map.high.first >= VMM_4_GIB && map.high.first % GIB == 0;
	sound &= map.high.last - map.high.first + 1 >= GIB;
	sound &= map.high.last - map.high.first + 1 <= 64 * GIB;
	sound &= map.high.last < 1ull << bits;
	return sound;
}

TAP_TEST(memory_that_fits_below_the_gap_is_in_one_piece)
{
	TAP_EQ(make(512 * MIB, GIB, 40), 0);
	TAP_EQ(count, 3);
	TAP_EQ(entries[2].gpa, MIB);
	TAP_EQ(entries[2].bytes, 511 * MIB);
	TAP_EQ(entries[1].gpa, 0xe0000);
	TAP_EQ(entries[1].bytes, ACPI);
	TAP_EQ(entries[1].type, VMM_E820_ACPI);
	TAP_EQ(map.low.first, 3 * GIB);
	TAP_EQ(map.high.first, 4 * GIB);
	TAP_EQ(map.high.last, 68 * GIB - 1);
}

TAP_TEST(memory_goes_on_at_4_gib)
{
	TAP_EQ(make(3 * GIB, GIB, 40), 0);
	TAP_EQ(count, 3);
	TAP_EQ(map.high.first, 4 * GIB);
	TAP_EQ(make(3 * GIB + MIB, GIB, 40), 0);
	TAP_EQ(count, 4);
	TAP_EQ(entries[2].bytes, 3 * GIB - MIB);
	TAP_EQ(entries[3].gpa, 4 * GIB);
	TAP_EQ(entries[3].bytes, MIB);
	TAP_EQ(map.high.first, 5 * GIB);
	TAP_EQ(make(4 * GIB, GIB, 40), 0);
	TAP_EQ(entries[3].bytes, GIB);
	TAP_EQ(map.high.first, 5 * GIB);
}

TAP_TEST(gap_decides_how_much_is_below_4_gib)
{
	TAP_EQ(make(5 * GIB, VMM_MMIO_GAP_MIN, 40), 0);
	TAP_EQ(map.low_ram_bytes, 4 * GIB - 128 * MIB);
	TAP_EQ(map.high_ram_bytes, GIB + 128 * MIB);
	TAP_EQ(map.low.first, 4 * GIB - 128 * MIB);
	TAP_EQ(map.high.first, 6 * GIB);
	TAP_EQ(make(5 * GIB, VMM_MMIO_GAP_MAX, 40), 0);
	TAP_EQ(map.low_ram_bytes, 512 * MIB);
	TAP_EQ(map.low.first, 512 * MIB);
	TAP_EQ(map.high_ram_bytes, 4 * GIB + 512 * MIB);
	TAP_EQ(map.high.first, 9 * GIB);
	TAP_EQ(vmm_low_ram_bytes(64 * MIB, VMM_MMIO_GAP_MAX), 64 * MIB);
	TAP_EQ(vmm_low_ram_bytes(512 * MIB, VMM_MMIO_GAP_MAX), 512 * MIB);
	TAP_EQ(vmm_low_ram_bytes(513 * MIB, VMM_MMIO_GAP_MAX), 512 * MIB);
}

TAP_TEST(processor_must_address_memory_and_a_high_window)
{
	/* 36 bits: 64 GiB. The last GiB stays for the window. */
	TAP_EQ(make(62 * GIB, GIB, 36), 0);
	TAP_EQ(map.high.first, 63 * GIB);
	TAP_EQ(map.high.last, 64 * GIB - 1);
	TAP_EQ(make(62 * GIB + MIB, GIB, 36), -ERANGE);
	TAP_EQ(make(64 * GIB, GIB, 36), -ERANGE);
	TAP_EQ(make(1024 * GIB, GIB, 36), -ERANGE);
	TAP_EQ(make(512 * MIB, GIB, 32), -ERANGE);
	TAP_EQ(make(512 * MIB, GIB, 33), 0);
	TAP_EQ(map.high.last, 8 * GIB - 1);
	TAP_EQ(make(1024 * GIB, GIB, 52), 0);
}

TAP_TEST(map_is_sound_at_all_sizes)
{
	const uint64_t edges[] = { 64 * MIB, 512 * MIB, 3 * GIB, 4 * GIB, 5 * GIB, 62 * GIB };
	unsigned made = 0;

	for (uint64_t gap = VMM_MMIO_GAP_MIN; gap <= VMM_MMIO_GAP_MAX; gap += 64 * MIB)
		for (unsigned i = 0; i < sizeof(edges) / sizeof(edges[0]); i++)
			for (int step = -2; step <= 2; step++)
				for (unsigned bits = 36; bits <= 52; bits += 4) {
					uint64_t memory = edges[i] + (uint64_t)step * MIB;

					if (make(memory, gap, bits))
						continue;
					made++;
					TAP_REQUIRE(is_sound(memory, gap, bits));
				}
	TAP_CHECK(made > 5000);
}

TAP_MAIN()
