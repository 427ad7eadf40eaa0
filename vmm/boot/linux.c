/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/boot/linux.h"

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

/* Where the boot data lies in guest memory: below the conventional 640 KiB, free once the kernel runs. */
#define GDT_GPA		   0x6000u
#define ZERO_PAGE_GPA	   0x7000u
#define PAGE_TABLE_GPA	   0x9000u /* 6 pages: one PML4, one PDPT, four page directories */
#define COMMAND_LINE_GPA   0x20000u
#define COMMAND_LINE_BYTES 0x10000u
#define KERNEL_GPA_MIN	   0x100000u
#define LOW_BYTES_MAX	   0x100000000ull

#define CODE_SELECTOR 0x10
#define DATA_SELECTOR 0x18

#define READ_CHUNK_PAGES 256

struct vmm_linux {
	const char *command_line;
	int kernel_fd;
	int initrd_fd; /* -1: none */
	struct vmm_linux_header header;
	uint64_t initrd_gpa;
	uint64_t initrd_bytes;
	uint8_t head[VMM_LINUX_HEAD_BYTES];
};

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

static __attribute__((format(printf, 2, 3))) int refuse(char why[VMM_WHY_MAX], const char *format,
							...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, VMM_WHY_MAX, format, args);
	va_end(args);
	return -ENOEXEC;
}

/* Magic numbers and what this loader needs. */
static int check_kind(const uint8_t *head, size_t head_bytes, char why[VMM_WHY_MAX])
{
	if (head_bytes < HDR_VERSION + 2 || get16(head + HDR_BOOT_FLAG) != BOOT_FLAG ||
	    get32(head + HDR_MAGIC) != MAGIC)
		return refuse(why, "not a Linux kernel (bzImage)");
	if (get16(head + HDR_VERSION) < VERSION_NEEDED)
		return refuse(
			why,
			"its boot protocol is %u.%02u, but 2.12 (Linux 3.8) or newer is needed",
			head[HDR_VERSION + 1], head[HDR_VERSION]);
	if (head_bytes < HDR_END || HDR_JUMP + 2u + head[HDR_JUMP + 1] < HDR_END)
		return refuse(why, "its header is cut off");
	if (!(head[HDR_LOAD_FLAGS] & LOAD_FLAG_HIGH))
		return refuse(why, "not a Linux kernel (bzImage) that loads above 1 MiB");
	if (!(get16(head + HDR_XLOAD_FLAGS) & XLOAD_FLAG_64))
		return refuse(why, "a 32-bit only kernel, and a 64-bit one is needed");
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
		return refuse(why, "the file is cut off");
	if (h.payload_bytes > file_bytes - h.payload_offset)
		h.payload_bytes = file_bytes - h.payload_offset;

	h.load_gpa = get64(head + HDR_PREFERRED);
	h.needs_bytes = get32(head + HDR_INIT_SIZE);
	if (h.needs_bytes < h.payload_bytes)
		h.needs_bytes = h.payload_bytes;
	if (h.load_gpa < KERNEL_GPA_MIN || h.load_gpa % HVP_PAGE_SIZE ||
	    h.load_gpa > LOW_BYTES_MAX - h.needs_bytes)
		return refuse(why, "its load address 0x%llx cannot be used",
			      (unsigned long long)h.load_gpa);

	header_end = HDR_JUMP + 2u + head[HDR_JUMP + 1];
	if (header_end > HDR_END_MAX)
		header_end = HDR_END_MAX;
	if (header_end > head_bytes)
		return refuse(why, "its header is cut off");
	h.header_bytes = header_end - HDR_SETUP_SECTORS;
	h.initrd_gpa_max = get32(head + HDR_INITRD_MAX);
	h.command_line_max = get32(head + HDR_COMMAND_SIZE);
	*header = h;
	return 0;
}

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

static int need_memory(const char *kernel, uint64_t bytes)
{
	vmm_log(HVH_LOG_ERROR, "kernel %s: needs at least %llu MiB of memory", kernel,
		mebibytes(bytes));
	return -ENOMEM;
}

static int open_kernel(struct vmm_linux *image, const char *path, uint64_t low_bytes)
{
	char why[VMM_WHY_MAX];
	uint64_t bytes;
	ssize_t got;

	image->kernel_fd = open_file("kernel", path, &bytes);
	if (image->kernel_fd < 0)
		return -ENOENT;
	got = pread(image->kernel_fd, image->head, sizeof(image->head), 0);
	if (got < 0) {
		vmm_log(HVH_LOG_ERROR, "kernel %s: %s", path, strerror(errno));
		return -EIO;
	}
	if (vmm_linux_parse(image->head, (size_t)got, bytes, &image->header, why) < 0) {
		vmm_log(HVH_LOG_ERROR, "kernel %s: %s", path, why);
		return -ENOEXEC;
	}
	if (image->header.load_gpa + image->header.needs_bytes > low_bytes)
		return need_memory(path, image->header.load_gpa + image->header.needs_bytes);
	return 0;
}

/* As high as kernel and memory allow, so that it is out of the way of the kernel's unpacking. */
static int open_initrd(struct vmm_linux *image, const char *kernel, const char *path,
		       uint64_t low_bytes)
{
	uint64_t kernel_end = image->header.load_gpa + image->header.needs_bytes;
	uint64_t end = (uint64_t)image->header.initrd_gpa_max + 1;
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
	if (image->initrd_bytes > LOW_BYTES_MAX) {
		vmm_log(HVH_LOG_ERROR, "initrd %s: too large", path);
		return -EFBIG;
	}
	pages_bytes = (image->initrd_bytes + HVP_PAGE_SIZE - 1) & ~(uint64_t)(HVP_PAGE_SIZE - 1);
	if (end < pages_bytes || end - pages_bytes < kernel_end) {
		if (end == low_bytes)
			return need_memory(kernel, kernel_end + pages_bytes);
		vmm_log(HVH_LOG_ERROR, "initrd %s: too large for the kernel's limit of %llu MiB",
			path, mebibytes(end));
		return -EFBIG;
	}
	image->initrd_gpa = end - pages_bytes;
	return 0;
}

int vmm_linux_open(const char *kernel, const char *initrd, const char *command_line,
		   uint64_t low_bytes, struct vmm_linux **out)
{
	struct vmm_linux *image = calloc(1, sizeof(*image));
	size_t line_max = COMMAND_LINE_BYTES - 1;
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
	if (!err) {
		if (line_max > image->header.command_line_max)
			line_max = image->header.command_line_max;
		if (strlen(image->command_line) > line_max) {
			vmm_log(HVH_LOG_ERROR, "kernel %s: takes at most %zu bytes of command line",
				kernel, line_max);
			err = -E2BIG;
		}
	}
	if (err) {
		vmm_linux_close(image);
		return err;
	}
	*out = image;
	return 0;
}

void vmm_linux_close(struct vmm_linux *image)
{
	if (!image)
		return;
	if (image->kernel_fd >= 0)
		close(image->kernel_fd);
	if (image->initrd_fd >= 0)
		close(image->initrd_fd);
	free(image);
}

/* Read exactly these bytes of the file into guest memory that is contiguous in the guest. */
static int read_chunk(int fd, uint64_t offset, struct hvh_mem *mem, uint64_t gpa, size_t bytes)
{
	uint64_t pages[READ_CHUNK_PAGES];
	size_t count = (bytes + HVP_PAGE_SIZE - 1) / HVP_PAGE_SIZE;
	struct hvh_pin pin;
	int err;

	for (size_t i = 0; i < count; i++)
		pages[i] = gpa + i * HVP_PAGE_SIZE;
	err = hvh_mem_pin(mem, pages, count, 0, bytes, true, &pin);
	if (err)
		return err;
	for (unsigned i = 0; i < pin.iovs && !err; i++) {
		uint8_t *at = pin.iov[i].iov_base;
		size_t left = pin.iov[i].iov_len;

		while (left && !err) {
			ssize_t got = pread(fd, at, left, (off_t)offset);

			if (got < 0 && errno == EINTR)
				continue;
			if (got <= 0) {
				err = got ? -errno : -ENODATA;
				break;
			}
			at += got;
			left -= (size_t)got;
			offset += (uint64_t)got;
		}
	}
	hvh_mem_unpin(&pin);
	return err;
}

static int read_file(const char *what, int fd, uint64_t offset, struct hvh_mem *mem, uint64_t gpa,
		     uint64_t bytes)
{
	const size_t chunk = READ_CHUNK_PAGES * HVP_PAGE_SIZE;

	for (uint64_t done = 0; done < bytes; done += chunk) {
		size_t len = bytes - done < chunk ? (size_t)(bytes - done) : chunk;
		int err = read_chunk(fd, offset + done, mem, gpa + done, len);

		if (err) {
			vmm_log(HVH_LOG_ERROR, "reading the %s: %s", what,
				err == -ENODATA ? "the file became shorter" : strerror(-err));
			return err;
		}
	}
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

static int write_zero_page(const struct vmm_linux *image, struct hvh_mem *mem,
			   const struct vmm_e820_entry *map, unsigned map_entries,
			   uint64_t rsdp_gpa)
{
	uint8_t zero[HVP_PAGE_SIZE] = { 0 };

	memcpy(zero + HDR_SETUP_SECTORS, image->head + HDR_SETUP_SECTORS,
	       image->header.header_bytes);
	zero[HDR_LOADER] = LOADER_UNDEFINED;
	put32(zero + HDR_COMMAND_LINE, COMMAND_LINE_GPA);
	put32(zero + HDR_INITRD, (uint32_t)image->initrd_gpa);
	put32(zero + HDR_INITRD_SIZE, (uint32_t)image->initrd_bytes);
	put64(zero + ZERO_ACPI_RSDP, rsdp_gpa);
	zero[ZERO_E820_COUNT] = (uint8_t)map_entries;
	memcpy(zero + ZERO_E820, map, map_entries * sizeof(*map));
	return hvh_mem_write(mem, ZERO_PAGE_GPA, zero, sizeof(zero));
}

static int write_boot_data(const struct vmm_linux *image, struct hvh_mem *mem,
			   const struct vmm_e820_entry *map, unsigned map_entries,
			   uint64_t rsdp_gpa)
{
	/* Null, unused, 64-bit code, flat data: the selectors that the boot protocol asks for. */
	static const uint64_t gdt[4] = { 0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff };
	int err = write_zero_page(image, mem, map, map_entries, rsdp_gpa);

	if (!err)
		err = hvh_mem_write(mem, COMMAND_LINE_GPA, image->command_line,
				    strlen(image->command_line) + 1);
	if (!err)
		err = hvh_mem_write(mem, GDT_GPA, gdt, sizeof(gdt));
	if (!err)
		err = write_page_tables(mem);
	if (err)
		vmm_log(HVH_LOG_ERROR, "writing the boot data: %s", strerror(-err));
	return err;
}

int vmm_linux_load(const struct vmm_linux *image, struct hvh_mem *mem,
		   const struct vmm_e820_entry *map, unsigned map_entries, uint64_t rsdp_gpa,
		   struct vmm_linux_entry *entry)
{
	const struct vmm_linux_header *header = &image->header;
	int err;

	if (map_entries > VMM_E820_MAX)
		return -EINVAL;
	err = read_file("kernel", image->kernel_fd, header->payload_offset, mem, header->load_gpa,
			header->payload_bytes);
	if (!err && image->initrd_fd >= 0)
		err = read_file("initrd", image->initrd_fd, 0, mem, image->initrd_gpa,
				image->initrd_bytes);
	if (!err)
		err = write_boot_data(image, mem, map, map_entries, rsdp_gpa);
	if (err)
		return err;
	*entry = (struct vmm_linux_entry){
		.rip = header->load_gpa + ENTRY_64,
		.rsi = ZERO_PAGE_GPA,
		.cr3 = PAGE_TABLE_GPA,
		.gdt = GDT_GPA,
		.gdt_limit = 4 * sizeof(uint64_t) - 1,
		.code_selector = CODE_SELECTOR,
		.data_selector = DATA_SELECTOR,
	};
	return 0;
}
