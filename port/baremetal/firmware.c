/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the loader hands over (PVH start info: memory map, command line) and what the ACPI tables tell
 * (processors, power-off, reset).
 */
#include "bm.h"

#include "hvw_shared.h"

struct bm_firmware bm_firmware;

struct start_info {
	uint32_t magic, version, flags, modules;
	uint64_t module_list, command_line, rsdp, memory_map;
	uint32_t memory_entries, reserved;
};
#define START_MAGIC 0x336ec578u

struct memory_entry {
	uint64_t first, bytes;
	uint32_t type, reserved;
};
#define MEMORY_RAM 1u

struct __attribute__((packed)) table {
	uint32_t signature, length;
	uint8_t revision, checksum;
	uint8_t ids[26];
};

#define SIGNATURE(a, b, c, d)                                                                      \
	((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)

static const void *at(uint64_t address)
{
	return (const void *)(uintptr_t)address;
}

static uint64_t field(const void *table, size_t offset, size_t bytes)
{
	uint64_t value = 0;

	hvw_memcpy(&value, (const uint8_t *)table + offset, bytes);
	return value;
}

/* --- ACPI ------------------------------------------------------------------------------------------- */

static void read_processors(const struct table *madt)
{
	const uint8_t *entry = (const uint8_t *)madt + 44,
		      *end = (const uint8_t *)madt + madt->length;

	for (; entry + 8 <= end && entry[1] >= 2; entry += entry[1])
		if (entry[0] == 0 && (entry[4] & 1) && entry[3] != bm_firmware.apic_ids[0] &&
		    bm_firmware.cpu_count < BM_CPUS_MAX)
			bm_firmware.apic_ids[bm_firmware.cpu_count++] = entry[3];
}

/*
 * The sleep types of power-off stand in the byte code of the DSDT: the name _S5_, a package, small
 * integers. The same place is found by every small system that has no interpreter.
 */
static void read_sleep_types(const struct table *dsdt)
{
	const uint8_t *code = (const uint8_t *)dsdt;
	uint32_t i, value[2] = { 0 }, n;

	for (i = sizeof(*dsdt); i + 16 < dsdt->length; i++) {
		if (field(code, i, 4) != SIGNATURE('_', 'S', '5', '_') || code[i + 4] != 0x12)
			continue;
		/* Package length (1 byte and as many as its top bits say), number of elements, elements. */
		i += 5u + 1u + (code[i + 5] >> 6) + 1u;
		for (n = 0; n < 2 && i + 1 < dsdt->length; n++) {
			if (code[i] == 0x0a) /* a byte follows */
				i++;
			value[n] = code[i++];
		}
		bm_firmware.s5_a = (uint16_t)(value[0] << 10);
		bm_firmware.s5_b = (uint16_t)(value[1] << 10);
		bm_firmware.can_power_off = true;
		return;
	}
}

static void read_fadt(const struct table *fadt)
{
	bm_firmware.pm1a_control = (uint16_t)field(fadt, 64, 4);
	bm_firmware.pm1b_control = (uint16_t)field(fadt, 68, 4);
	bm_firmware.pm_timer = (uint16_t)field(fadt, 76, 4);
	if (fadt->length >= 129 && field(fadt, 112, 4) & 1u << 10 && field(fadt, 116, 1) == 1) {
		bm_firmware.reset_port = (uint16_t)field(fadt, 120, 8);
		bm_firmware.reset_value = (uint8_t)field(fadt, 128, 1);
	}
	read_sleep_types(at(field(fadt, 40, 4)));
}

static void read_tables(uint64_t rsdp)
{
	bool extended = field(at(rsdp), 15, 1) >= 2;
	const struct table *root = at(extended ? field(at(rsdp), 24, 8) : field(at(rsdp), 16, 4));
	size_t width = extended ? 8 : 4, offset;

	for (offset = sizeof(*root); offset + width <= root->length; offset += width) {
		const struct table *table = at(field(root, offset, width));

		if (table->signature == SIGNATURE('A', 'P', 'I', 'C'))
			read_processors(table);
		else if (table->signature == SIGNATURE('F', 'A', 'C', 'P'))
			read_fadt(table);
	}
}

/* --- the loader's ------------------------------------------------------------------------------------- */

/* The largest piece of memory behind the image and below 4 GiB. */
static void find_ram(const struct start_info *info)
{
	const struct memory_entry *entries = at(info->memory_map);
	uint64_t image_end = ((uint64_t)(uintptr_t)bm_image_end + HVP_PAGE_SIZE - 1) &
			     ~(uint64_t)(HVP_PAGE_SIZE - 1);
	uint32_t i;

	for (i = 0; i < info->memory_entries; i++) {
		uint64_t first = entries[i].first, end = first + entries[i].bytes;

		if (entries[i].type != MEMORY_RAM)
			continue;
		if (first < image_end)
			first = image_end;
		if (end > 1ull << 32)
			end = 1ull << 32;
		if (end > first && end - first > bm_firmware.ram_end - bm_firmware.ram_first) {
			bm_firmware.ram_first = first;
			bm_firmware.ram_end = end;
		}
	}
}

void bm_firmware_init(uint32_t start_info)
{
	const struct start_info *info = at(start_info);

	bm_firmware.apic_ids[bm_firmware.cpu_count++] = (uint8_t)(bm_apic_read(APIC_ID) >> 24);
	if (info->magic == START_MAGIC && info->version && info->rsdp)
		read_tables(info->rsdp);
	if (!bm_firmware.pm_timer) {
		bm_printf("this needs PVH, version 1, with ACPI tables and their timer\n");
		bm_halt();
	}
	bm_firmware.command_line = info->command_line ? at(info->command_line) : "";
	find_ram(info);
}

bool bm_option(const char *key, char *value, size_t size)
{
	const char *word = bm_firmware.command_line;

	while (*word) {
		size_t i = 0, n = 0;

		while (*word == ' ')
			word++;
		while (key[i] && word[i] == key[i])
			i++;
		if (!key[i] && (word[i] == '=' || word[i] == ' ' || !word[i])) {
			if (word[i] == '=')
				for (i++; word[i] && word[i] != ' ' && n + 1 < size; i++)
					value[n++] = word[i];
			if (size)
				value[n] = '\0';
			return true;
		}
		while (*word && *word != ' ')
			word++;
	}
	return false;
}

/* --- the end ------------------------------------------------------------------------------------------ */

void bm_halt(void)
{
	for (;;)
		__asm__ volatile("cli\n\thlt" : : : "memory");
}

void bm_power_off(void)
{
	const uint16_t enable = 1u << 13;

	if (bm_firmware.can_power_off) {
		bm_out16(bm_firmware.pm1a_control, bm_firmware.s5_a | enable);
		if (bm_firmware.pm1b_control)
			bm_out16(bm_firmware.pm1b_control, bm_firmware.s5_b | enable);
	}
	bm_printf("the machine does not power off\n");
	bm_halt();
}

void bm_reset(void)
{
	if (bm_firmware.reset_port)
		bm_out8(bm_firmware.reset_port, bm_firmware.reset_value);
	bm_out8(0x64, 0xfe); /* the keyboard controller's way */
	bm_printf("the machine does not reset\n");
	bm_halt();
}
