/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/boot/linux.h"

#include <errno.h>
#include <hvh/hvh_mem.h>
#include <string.h>

#include "hvp_base.h"
#include "vmm/boot/image_priv.h"
#include "vmm/log.h"

/* The setup header, by offset in the file and, the same, in the zero page. */
#define HDR_SETUP_SECTORS 0x1f1 /* u8; the header begins here */
#define HDR_SYSTEM_SIZE	  0x1f4 /* u32, in 16 bytes */
#define HDR_BOOT_FLAG	  0x1fe /* u16 */
#define HDR_JUMP	  0x200 /* u16; its second byte gives the header's end */
#define HDR_MAGIC	  0x202 /* u32 */
#define HDR_VERSION	  0x206 /* u16 */
#define HDR_LOADER	  0x210 /* u8 */
#define HDR_LOAD_FLAGS	  0x211 /* u8 */
#define HDR_INITRD	  0x218 /* u32 */
#define HDR_INITRD_SIZE	  0x21c /* u32 */
#define HDR_COMMAND_LINE  0x228 /* u32 */
#define HDR_INITRD_MAX	  0x22c /* u32 */
#define HDR_XLOAD_FLAGS	  0x236 /* u16 */
#define HDR_COMMAND_SIZE  0x238 /* u32 */
#define HDR_PREFERRED	  0x258 /* u64 */
#define HDR_INIT_SIZE	  0x260 /* u32 */
#define HDR_END		  0x264 /* of what protocol 2.12 has */
#define HDR_END_MAX	  0x290 /* of its place in the zero page */

#define BOOT_FLAG	  0xaa55
#define MAGIC		  0x53726448 /* "HdrS" */
#define VERSION_NEEDED	  0x020c
#define LOAD_FLAG_HIGH	  0x01
#define XLOAD_FLAG_64	  0x0001
#define LOADER_UNDEFINED  0xff
#define ENTRY_64	  0x200 /* from the load address */
#define SECTOR		  512
#define SETUP_SECTORS_OLD 4 /* when the field is 0 */

/* The rest of the zero page. */
#define ZERO_ACPI_RSDP	0x070 /* u64 */
#define ZERO_E820_COUNT 0x1e8 /* u8 */
#define ZERO_E820	0x2d0

/* Beside what every format has (image_priv.h). */
#define GDT_GPA	       0x6000u
#define PAGE_TABLE_GPA 0x9000u /* 6 pages: one PML4, one PDPT, four page directories */

#define CODE_SELECTOR 0x10
#define DATA_SELECTOR 0x18

/* Segment descriptors: flat, 4 GiB. */
#define CODE_32 0x00cf9b000000ffffull
#define CODE_64 0x00af9b000000ffffull
#define DATA	0x00cf93000000ffffull

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

static uint32_t get32(const uint8_t *at)
{
	return get16(at) | (uint32_t)get16(at + 2) << 16;
}

static uint64_t get64(const uint8_t *at)
{
	return get32(at) | (uint64_t)get32(at + 4) << 32;
}

static void put32(uint8_t *at, uint32_t value)
{
	memcpy(at, &value, sizeof(value));
}

static void put64(uint8_t *at, uint64_t value)
{
	memcpy(at, &value, sizeof(value));
}

/* Magic numbers and what this loader needs. */
static int check_kind(const uint8_t *head, size_t head_bytes, char why[VMM_WHY_MAX])
{
	if (head_bytes < HDR_VERSION + 2 || get16(head + HDR_BOOT_FLAG) != BOOT_FLAG ||
	    get32(head + HDR_MAGIC) != MAGIC)
		return vmm_image_refuse(why, "not a Linux kernel (bzImage)");
	if (get16(head + HDR_VERSION) < VERSION_NEEDED)
		return vmm_image_refuse(
			why,
			"its boot protocol is %u.%02u, but 2.12 (Linux 3.8) or newer is needed",
			head[HDR_VERSION + 1], head[HDR_VERSION]);
	if (head_bytes < HDR_END || HDR_JUMP + 2u + head[HDR_JUMP + 1] < HDR_END)
		return vmm_image_refuse(why, "its header is cut off");
	if (!(head[HDR_LOAD_FLAGS] & LOAD_FLAG_HIGH))
		return vmm_image_refuse(why, "not a Linux kernel (bzImage) that loads above 1 MiB");
	return 0;
}

int vmm_linux_parse(const uint8_t *head, size_t head_bytes, uint64_t file_bytes,
		    struct vmm_linux_header *header, char why[VMM_WHY_MAX])
{
	struct vmm_linux_header h;
	uint32_t sectors, header_end;
	int err = check_kind(head, head_bytes, why);

	if (err)
		return err;
	sectors = head[HDR_SETUP_SECTORS] ? head[HDR_SETUP_SECTORS] : SETUP_SECTORS_OLD;
	h.payload_offset = (sectors + 1) * SECTOR;
	h.payload_bytes = (uint64_t)get32(head + HDR_SYSTEM_SIZE) * 16;
	/* The size is rounded up to 16; what follows it (a signature) is not loaded. */
	if (h.payload_bytes <= ENTRY_64 || file_bytes < h.payload_offset ||
	    file_bytes - h.payload_offset + 15 < h.payload_bytes)
		return vmm_image_refuse(why, "the file is cut off");
	if (h.payload_bytes > file_bytes - h.payload_offset)
		h.payload_bytes = file_bytes - h.payload_offset;

	h.load_gpa = get64(head + HDR_PREFERRED);
	h.needs_bytes = get32(head + HDR_INIT_SIZE);
	if (h.needs_bytes < h.payload_bytes)
		h.needs_bytes = h.payload_bytes;
	if (h.load_gpa < VMM_IMAGE_KERNEL_GPA_MIN || h.load_gpa % HVP_PAGE_SIZE ||
	    h.load_gpa > VMM_IMAGE_LOW_BYTES_MAX - h.needs_bytes)
		return vmm_image_refuse(why, "its load address 0x%llx cannot be used",
					(unsigned long long)h.load_gpa);

	h.has_64_bit_entry = get16(head + HDR_XLOAD_FLAGS) & XLOAD_FLAG_64;
	header_end = HDR_JUMP + 2u + head[HDR_JUMP + 1];
	if (header_end > HDR_END_MAX)
		header_end = HDR_END_MAX;
	if (header_end > head_bytes)
		return vmm_image_refuse(why, "its header is cut off");
	h.header_bytes = header_end - HDR_SETUP_SECTORS;
	h.initrd_gpa_max = get32(head + HDR_INITRD_MAX);
	h.command_line_max = get32(head + HDR_COMMAND_SIZE);
	*header = h;
	return 0;
}

static int parse(struct vmm_image *image, char why[VMM_WHY_MAX])
{
	struct vmm_linux_header *header = &image->kernel.bzimage;
	int err = vmm_linux_parse(image->head, image->head_bytes, image->kernel_bytes, header, why);

	if (err)
		return err;
	image->is_32_bit = !header->has_64_bit_entry;
	image->kernel_end_gpa = header->load_gpa + header->needs_bytes;
	image->initrd_end_max_gpa = (uint64_t)header->initrd_gpa_max + 1;
	image->command_line_max = header->command_line_max;
	return 0;
}

/* The first 4 GiB one to one, in pages of 2 MiB. */
static int write_page_tables(struct hvh_mem *mem)
{
	enum { PRESENT_WRITABLE = 3, LARGE = 0x80, ENTRIES = 512 };
	static uint64_t tables[6][ENTRIES];

	memset(tables, 0, sizeof(tables));
	tables[0][0] = (PAGE_TABLE_GPA + HVP_PAGE_SIZE) | PRESENT_WRITABLE;
	for (uint64_t i = 0; i < 4; i++)
		tables[1][i] = (PAGE_TABLE_GPA + (2 + i) * HVP_PAGE_SIZE) | PRESENT_WRITABLE;
	for (uint64_t i = 0; i < 4 * ENTRIES; i++)
		tables[2 + i / ENTRIES][i % ENTRIES] = i << 21 | PRESENT_WRITABLE | LARGE;
	return hvh_mem_write(mem, PAGE_TABLE_GPA, tables, sizeof(tables));
}

static int write_zero_page(const struct vmm_image *image, struct hvh_mem *mem,
			   const struct vmm_firmware *firmware)
{
	uint8_t zero[HVP_PAGE_SIZE] = { 0 };

	memcpy(zero + HDR_SETUP_SECTORS, image->head + HDR_SETUP_SECTORS,
	       image->kernel.bzimage.header_bytes);
	zero[HDR_LOADER] = LOADER_UNDEFINED;
	put32(zero + HDR_COMMAND_LINE, VMM_IMAGE_COMMAND_LINE_GPA);
	put32(zero + HDR_INITRD, (uint32_t)image->initrd_gpa);
	put32(zero + HDR_INITRD_SIZE, (uint32_t)image->initrd_bytes);
	put64(zero + ZERO_ACPI_RSDP, firmware->rsdp_gpa);
	zero[ZERO_E820_COUNT] = (uint8_t)firmware->map_entries;
	memcpy(zero + ZERO_E820, firmware->map, firmware->map_entries * sizeof(*firmware->map));
	return hvh_mem_write(mem, VMM_IMAGE_DATA_GPA, zero, sizeof(zero));
}

static int write_boot_data(const struct vmm_image *image, struct hvh_mem *mem,
			   const struct vmm_firmware *firmware)
{
	const uint64_t code = image->is_32_bit ? CODE_32 : CODE_64;
	/* Null, unused, code, data: the selectors that the boot protocol asks for. */
	const uint64_t gdt[4] = { 0, 0, code, DATA };
	int err = write_zero_page(image, mem, firmware);

	if (!err)
		err = hvh_mem_write(mem, GDT_GPA, gdt, sizeof(gdt));
	if (!err && !image->is_32_bit)
		err = write_page_tables(mem);
	if (err)
		vmm_log(HVH_LOG_ERROR, "writing the boot data: %s", strerror(-err));
	return err;
}

static int load(const struct vmm_image *image, struct hvh_mem *mem,
		const struct vmm_firmware *firmware, struct vmm_entry *entry)
{
	const struct vmm_linux_header *header = &image->kernel.bzimage;
	int err = vmm_image_read_file("kernel", image->kernel_fd, header->payload_offset, mem,
				      header->load_gpa, header->payload_bytes);

	if (!err)
		err = write_boot_data(image, mem, firmware);
	if (err)
		return err;
	*entry = (struct vmm_entry){
		.mode = image->is_32_bit ? VMM_ENTRY_PROTECTED : VMM_ENTRY_LONG,
		.rip = header->load_gpa + (image->is_32_bit ? 0 : ENTRY_64),
		.rsi = VMM_IMAGE_DATA_GPA,
		.cr3 = image->is_32_bit ? 0 : PAGE_TABLE_GPA,
		.gdt = GDT_GPA,
		.gdt_limit = 4 * sizeof(uint64_t) - 1,
		.code_selector = CODE_SELECTOR,
		.data_selector = DATA_SELECTOR,
	};
	return 0;
}

const struct vmm_image_format vmm_linux_format = { .parse = parse, .load = load };
