/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>
#include <hvh/hvh_mem.h>
#include <unistd.h>

#include "tests/unit/last_line.h"
#include "vmm/boot/image.h"
#include "vmm/boot/linux.h"

#define MIB	  (1ull << 20)
#define LOAD_GPA  0x1000000ull
#define INIT_SIZE 0x300000u
#define PAYLOAD	  0x4321u
#define SECTORS	  3

static uint8_t file[(SECTORS + 1) * 512 + PAYLOAD];

static void put(unsigned offset, uint64_t value, unsigned width)
{
	memcpy(file + offset, &value, width);
}

/* A bzImage as small as it can be, by the offsets of the boot protocol. */
static void make_kernel(void)
{
	memset(file, 0, sizeof(file));
	file[0x1f1] = SECTORS;
	put(0x1f4, (PAYLOAD + 15) / 16, 4);
	put(0x1fe, 0xaa55, 2);
	put(0x200, 0x66eb, 2);
	memcpy(file + 0x202, "HdrS", 4);
	put(0x206, 0x020f, 2);
	file[0x211] = 1;
	put(0x22c, 0x7fffffff, 4);
	put(0x236, 1, 2);
	put(0x238, 2047, 4);
	put(0x258, LOAD_GPA, 8);
	put(0x260, INIT_SIZE, 4);
	for (unsigned i = 0; i < PAYLOAD; i++)
		file[(SECTORS + 1) * 512 + i] = (uint8_t)(i * 7 + i / 256);
}

static int parse(size_t head_bytes, uint64_t file_bytes, struct vmm_linux_header *header)
{
	/* On the heap and exact, so that a sanitizer sees each byte too far. */
	uint8_t *head = malloc(head_bytes ? head_bytes : 1);
	char why[VMM_WHY_MAX] = "";
	int err;

	memcpy(head, file, head_bytes);
	err = vmm_linux_parse(head, head_bytes, file_bytes, header, why);
	TAP_CHECK(err == 0 || (err == -ENOEXEC && *why));
	snprintf(last_line, sizeof(last_line), "%s", why);
	free(head);
	return err;
}

static int parse_all(struct vmm_linux_header *header)
{
	return parse(VMM_LINUX_HEAD_BYTES, sizeof(file), header);
}

TAP_TEST(header_is_understood)
{
	struct vmm_linux_header header;

	make_kernel();
	TAP_REQUIRE(parse_all(&header) == 0);
	TAP_EQ(header.payload_offset, (SECTORS + 1) * 512);
	TAP_EQ(header.payload_bytes, PAYLOAD);
	TAP_EQ(header.load_gpa, LOAD_GPA);
	TAP_EQ(header.needs_bytes, INIT_SIZE);
	TAP_EQ(header.command_line_max, 2047);
	TAP_EQ(header.header_bytes, 0x202 + 0x66 - 0x1f1);
	TAP_CHECK(header.has_64_bit_entry);
	put(0x236, 0, 2);
	TAP_EQ(parse_all(&header), 0);
	TAP_CHECK(!header.has_64_bit_entry);
	file[0x1f1] = 0;
	TAP_EQ(parse(VMM_LINUX_HEAD_BYTES, 5 * 512 + PAYLOAD, &header), 0);
	TAP_EQ(header.payload_offset, 5 * 512);
}

TAP_TEST(other_files_are_refused_with_a_reason)
{
	struct vmm_linux_header header;

	make_kernel();
	file[0x202] = 'X';
	TAP_EQ(parse_all(&header), -ENOEXEC);
	said("not a Linux kernel (bzImage)");
	make_kernel();
	put(0x1fe, 0, 2);
	TAP_EQ(parse_all(&header), -ENOEXEC);
	said("not a Linux kernel (bzImage)");
	make_kernel();
	put(0x206, 0x020b, 2);
	TAP_EQ(parse_all(&header), -ENOEXEC);
	said("2.11");
	make_kernel();
	file[0x211] = 0;
	TAP_EQ(parse_all(&header), -ENOEXEC);
}

TAP_TEST(impossible_sizes_and_addresses_are_refused)
{
	static const uint64_t addresses[] = { 0,	  0x1000,     0xff000, 0x1000001,
					      0xfff00000, 1ull << 32, ~0ull,   ~0xfffull };
	struct vmm_linux_header header;

	for (unsigned i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		make_kernel();
		put(0x258, addresses[i], 8);
		TAP_EQ(parse_all(&header), -ENOEXEC);
		said("load address");
	}
	make_kernel();
	put(0x1f4, 0, 4);
	TAP_EQ(parse_all(&header), -ENOEXEC);
	said("cut off");
	make_kernel();
	put(0x1f4, 0xffffffff, 4);
	TAP_EQ(parse_all(&header), -ENOEXEC);
	said("cut off");
	make_kernel();
	put(0x260, 0xffffffff, 4);
	TAP_EQ(parse_all(&header), -ENOEXEC);
	make_kernel();
	file[0x201] = 0x10;
	TAP_EQ(parse_all(&header), -ENOEXEC);
	make_kernel();
	file[0x201] = 0xff;
	TAP_EQ(parse_all(&header), 0);
	TAP_CHECK(header.header_bytes <= 0x290 - 0x1f1);
}

TAP_TEST(a_file_cut_anywhere_is_refused)
{
	struct vmm_linux_header header;

	make_kernel();
	for (size_t len = 0; len < sizeof(file); len += len < 1024 ? 1 : 97)
		TAP_REQUIRE(parse(len < VMM_LINUX_HEAD_BYTES ? len : VMM_LINUX_HEAD_BYTES, len,
				  &header) == -ENOEXEC);
}

TAP_TEST(whatever_the_header_says_stays_within_bounds)
{
	unsigned accepted = 0;

	for (unsigned round = 0; round < 200000; round++) {
		struct vmm_linux_header h;
		unsigned changes = 1 + (unsigned)(tap_random() % 4);

		if (round % 64 == 0)
			make_kernel();
		for (unsigned i = 0; i < changes; i++)
			file[0x1f1 + tap_random() % (0x290 - 0x1f1)] = (uint8_t)tap_random();
		/* What makes it a kernel is repaired, so that the rest is looked at. */
		put(0x1fe, 0xaa55, 2);
		memcpy(file + 0x202, "HdrS", 4);
		put(0x206, 0x020f, 2);
		file[0x211] |= 1;
		file[0x236] |= 1;
		if (parse_all(&h))
			continue;
		accepted++;
		TAP_REQUIRE(h.payload_offset <= sizeof(file));
		TAP_REQUIRE(h.payload_bytes <= sizeof(file) - h.payload_offset);
		TAP_REQUIRE(h.payload_bytes <= h.needs_bytes);
		TAP_REQUIRE(h.load_gpa >= MIB && h.load_gpa < 4096 * MIB);
		TAP_REQUIRE(h.needs_bytes <= 4096 * MIB - h.load_gpa);
		TAP_REQUIRE(h.header_bytes <= 0x290 - 0x1f1);
	}
	TAP_CHECK(accepted > 1000);
}

/* --- opening and loading ---------------------------------------------------------------------------- */

static char kernel_path[64], initrd_path[64];

static void write_file(char *path, const char *name, const void *bytes, size_t len)
{
	int fd;

	snprintf(path, 64, "/tmp/test_boot-%s.XXXXXX", name);
	fd = mkstemp(path);
	TAP_CHECK(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
	close(fd);
}

static void write_files(void)
{
	static uint8_t initrd[5000];

	make_kernel();
	memset(initrd, 0x5a, sizeof(initrd));
	write_file(kernel_path, "kernel", file, sizeof(file));
	write_file(initrd_path, "initrd", initrd, sizeof(initrd));
}

static void remove_files(void)
{
	unlink(kernel_path);
	unlink(initrd_path);
}

TAP_TEST(user_errors_get_one_clear_line)
{
	struct vmm_image *image;
	char line[3000];

	write_files();
	TAP_CHECK(vmm_image_open("/nonexistent/kernel", NULL, NULL, 64 * MIB, &image) < 0);
	said("kernel /nonexistent/kernel: No such file");
	TAP_CHECK(vmm_image_open("/tmp", NULL, NULL, 64 * MIB, &image) < 0);
	said("kernel /tmp: not a regular file");
	TAP_CHECK(vmm_image_open(initrd_path, NULL, NULL, 64 * MIB, &image) < 0);
	said("not a Linux kernel (bzImage)");
	TAP_EQ(vmm_image_open(kernel_path, NULL, NULL, 18 * MIB, &image), -ENOMEM);
	said("needs at least 19 MiB of memory");
	TAP_EQ(vmm_image_open(kernel_path, initrd_path, NULL, 19 * MIB, &image), -ENOMEM);
	said("needs at least 20 MiB of memory");
	TAP_CHECK(vmm_image_open(kernel_path, "/nonexistent/initrd", NULL, 64 * MIB, &image) < 0);
	said("initrd /nonexistent/initrd: No such file");
	memset(line, 'x', sizeof(line));
	line[2048] = '\0';
	TAP_EQ(vmm_image_open(kernel_path, NULL, line, 64 * MIB, &image), -E2BIG);
	said("takes at most 2047 bytes");
	remove_files();
}

static uint64_t read_guest(struct hvh_mem *mem, uint64_t gpa, unsigned width)
{
	uint64_t value = 0;

	TAP_EQ(hvh_mem_read(mem, gpa, &value, width), 0);
	return value;
}

static void check_loaded(struct hvh_mem *mem, const struct vmm_entry *entry)
{
	static uint8_t loaded[PAYLOAD];
	uint64_t pdpt, directory, zero = entry->rsi;
	char line[32];

	TAP_EQ(hvh_mem_read(mem, LOAD_GPA, loaded, PAYLOAD), 0);
	TAP_MEM_EQ(loaded, file + (SECTORS + 1) * 512, PAYLOAD);
	TAP_EQ(read_guest(mem, LOAD_GPA + PAYLOAD, 1), 0);
	TAP_EQ(entry->mode, VMM_ENTRY_LONG);
	TAP_EQ(entry->rip, LOAD_GPA + 0x200);
	/* The zero page: header, command line, initrd, memory map, ACPI. */
	TAP_EQ(read_guest(mem, zero + 0x202, 4), 0x53726448);
	TAP_EQ(read_guest(mem, zero + 0x1e8, 1), 2);
	TAP_EQ(read_guest(mem, zero + 0x2d0 + 20, 8), MIB);
	TAP_EQ(read_guest(mem, zero + 0x2d0 + 36, 4), VMM_E820_RAM);
	TAP_EQ(read_guest(mem, zero + 0x070, 8), 0xe0000);
	TAP_EQ(read_guest(mem, zero + 0x218, 4), 64 * MIB - 8192);
	TAP_EQ(read_guest(mem, zero + 0x21c, 4), 5000);
	TAP_EQ(read_guest(mem, 64 * MIB - 8192 + 4999, 2), 0x005a);
	TAP_EQ(hvh_mem_read(mem, read_guest(mem, zero + 0x228, 4), line, 14), 0);
	TAP_STR_EQ(line, "console=ttyS0");
	/* The page tables map the kernel where it is, and the selectors are what the protocol asks for. */
	pdpt = read_guest(mem, entry->cr3, 8);
	TAP_EQ(pdpt & 3, 3);
	directory = read_guest(mem, pdpt & ~0xfffull, 8);
	TAP_EQ(read_guest(mem, (directory & ~0xfffull) + 8 * (LOAD_GPA >> 21), 8), LOAD_GPA | 0x83);
	TAP_EQ(entry->code_selector, 0x10);
	TAP_EQ(entry->data_selector, 0x18);
	TAP_EQ(read_guest(mem, entry->gdt + 0x10, 8) >> 40 & 0xff, 0x9b);
}

TAP_TEST(kernel_and_initrd_are_loaded_and_can_be_loaded_again)
{
	static const struct vmm_e820_entry map[] = { { 0, 0x9fc00, VMM_E820_RAM },
						     { MIB, 63 * MIB, VMM_E820_RAM } };
	static const struct vmm_firmware firmware = { map, 2, 0xe0000 };
	struct vmm_image *image;
	struct vmm_entry entry;
	struct hvh_mem *mem;

	write_files();
	TAP_REQUIRE(hvh_mem_create(&mem) == 0 && hvh_mem_add(mem, 0, 64 * MIB) == 0);
	TAP_REQUIRE(vmm_image_open(kernel_path, initrd_path, "console=ttyS0", 64 * MIB, &image) ==
		    0);
	TAP_EQ(vmm_image_load(image, mem, &firmware, &entry), 0);
	check_loaded(mem, &entry);
	/* Also when the files are gone by then. */
	remove_files();
	TAP_EQ(hvh_mem_write(mem, LOAD_GPA, "spoilt", 6), 0);
	TAP_EQ(vmm_image_load(image, mem, &firmware, &entry), 0);
	check_loaded(mem, &entry);
	TAP_EQ(hvh_mem_held(mem), 0);
	vmm_image_close(image);
	hvh_mem_destroy(mem);
}

TAP_TEST(kernel_of_32_bits_starts_at_its_first_byte_without_paging)
{
	static const struct vmm_e820_entry map[] = { { 0, 0x9fc00, VMM_E820_RAM } };
	static const struct vmm_firmware firmware = { map, 1, 0xe0000 };
	struct vmm_image *image;
	struct vmm_entry entry;
	struct hvh_mem *mem;

	make_kernel();
	put(0x236, 0, 2);
	write_file(kernel_path, "kernel", file, sizeof(file));
	TAP_REQUIRE(hvh_mem_create(&mem) == 0 && hvh_mem_add(mem, 0, 64 * MIB) == 0);
	TAP_REQUIRE(vmm_image_open(kernel_path, NULL, NULL, 64 * MIB, &image) == 0);
	TAP_EQ(vmm_image_load(image, mem, &firmware, &entry), 0);
	TAP_EQ(entry.mode, VMM_ENTRY_PROTECTED);
	TAP_EQ(entry.rip, LOAD_GPA);
	TAP_EQ(entry.rbx, 0);
	TAP_EQ(entry.cr3, 0);
	TAP_EQ(read_guest(mem, entry.rsi + 0x202, 4), 0x53726448);
	TAP_EQ(entry.code_selector, 0x10);
	TAP_EQ(entry.data_selector, 0x18);
	TAP_EQ(read_guest(mem, entry.gdt + 0x10, 8), 0x00cf9b000000ffff);
	TAP_EQ(read_guest(mem, entry.gdt + 0x18, 8), 0x00cf93000000ffff);
	vmm_image_close(image);
	hvh_mem_destroy(mem);
	unlink(kernel_path);
}

TAP_TEST(file_that_shrinks_meanwhile_is_an_error)
{
	static const struct vmm_e820_entry map[] = { { 0, 0x9fc00, VMM_E820_RAM } };
	static const struct vmm_firmware firmware = { map, 1, 0xe0000 };
	struct vmm_image *image;
	struct vmm_entry entry;
	struct hvh_mem *mem;

	write_files();
	TAP_REQUIRE(hvh_mem_create(&mem) == 0 && hvh_mem_add(mem, 0, 64 * MIB) == 0);
	TAP_REQUIRE(vmm_image_open(kernel_path, NULL, NULL, 64 * MIB, &image) == 0);
	TAP_EQ(truncate(kernel_path, 4096), 0);
	TAP_CHECK(vmm_image_load(image, mem, &firmware, &entry) < 0);
	said("became shorter");
	TAP_EQ(hvh_mem_held(mem), 0);
	vmm_image_close(image);
	hvh_mem_destroy(mem);
	remove_files();
}

TAP_MAIN()
