/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <elf.h>
#include <errno.h>
#include <hvh/hvh_mem.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/last_line.h"
#include "vmm/boot/image.h"
#include "vmm/boot/image_priv.h"
#include "vmm/boot/pvh.h"

#define MIB	(1ull << 20)
#define TEXT	0x200000u /* physical */
#define DATA	0x300000u
#define ENTRY	(TEXT + 0x40)
#define TEXT_AT 0x1000u /* in the file */
#define DATA_AT 0x2003u
#define BYTES	0x1234u
#define BSS	0x5432u
#define NOTES	0x800u

/* A kernel with two segments and, behind another note, the one that counts. */
static struct {
	Elf64_Ehdr h;
	Elf64_Phdr p[3];
	uint8_t rest[0x4000];
} file;

static uint8_t *at(size_t offset)
{
	return (uint8_t *)&file + offset;
}

static size_t add_note(size_t offset, const char *name, uint32_t type, const void *desc,
		       uint32_t len, size_t align)
{
	const Elf64_Nhdr note = { (uint32_t)strlen(name) + 1, len, type };
	size_t name_at = offset + sizeof(note);
	size_t desc_at = (name_at + note.n_namesz - NOTES + align - 1) / align * align + NOTES;

	memcpy(at(offset), &note, sizeof(note));
	memcpy(at(name_at), name, note.n_namesz);
	memcpy(at(desc_at), desc, len);
	return (desc_at + len - NOTES + align - 1) / align * align + NOTES;
}

static void make_kernel(void)
{
	const uint64_t entry = ENTRY;
	size_t end;

	memset(&file, 0, sizeof(file));
	memcpy(file.h.e_ident, ELFMAG, SELFMAG);
	file.h.e_ident[EI_CLASS] = ELFCLASS64;
	file.h.e_ident[EI_DATA] = ELFDATA2LSB;
	file.h.e_type = ET_EXEC;
	file.h.e_machine = EM_X86_64;
	file.h.e_phoff = sizeof(file.h);
	file.h.e_phentsize = sizeof(file.p[0]);
	file.h.e_phnum = 3;
	end = add_note(NOTES, "GNU", 3, "build id", 7, 4);
	end = add_note(end, "Xen", 18, &entry, 8, 4);
	file.p[0] = (Elf64_Phdr){
		.p_type = PT_NOTE, .p_offset = NOTES, .p_filesz = end - NOTES, .p_align = 4
	};
	file.p[1] = (Elf64_Phdr){ .p_type = PT_LOAD,
				  .p_offset = TEXT_AT,
				  .p_vaddr = ~0ull,
				  .p_paddr = TEXT,
				  .p_filesz = BYTES,
				  .p_memsz = BYTES };
	file.p[2] = (Elf64_Phdr){ .p_type = PT_LOAD,
				  .p_offset = DATA_AT,
				  .p_paddr = DATA + 5,
				  .p_filesz = BYTES,
				  .p_memsz = BYTES + BSS };
	for (unsigned i = 0; i < BYTES; i++) {
		*at(TEXT_AT + i) = (uint8_t)(i * 7 + i / 256);
		*at(DATA_AT + i) = (uint8_t)(i * 5 + i / 256);
	}
}

static int file_of(const void *bytes, size_t len)
{
	int fd = memfd_create("kernel", 0);

	TAP_CHECK(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
	return fd;
}

static int parse_bytes(const void *bytes, size_t len, struct vmm_pvh_kernel *kernel)
{
	char why[VMM_WHY_MAX] = "";
	int fd = file_of(bytes, len);
	int err = vmm_pvh_parse(fd, len, kernel, why);

	TAP_CHECK(err == 0 || (err == -ENOEXEC && *why));
	snprintf(last_line, sizeof(last_line), "%s", why);
	close(fd);
	return err;
}

static int parse(struct vmm_pvh_kernel *kernel)
{
	return parse_bytes(&file, sizeof(file), kernel);
}

/* Refused, for that reason. */
static void refused(const char *reason)
{
	struct vmm_pvh_kernel kernel;

	TAP_EQ(parse(&kernel), -ENOEXEC);
	said(reason);
}

TAP_TEST(kernel_is_understood)
{
	struct vmm_pvh_kernel kernel;

	make_kernel();
	TAP_REQUIRE(parse(&kernel) == 0);
	TAP_EQ(kernel.entry_gpa, ENTRY);
	TAP_EQ(kernel.segment_count, 2);
	TAP_EQ(kernel.segments[0].gpa, TEXT);
	TAP_EQ(kernel.segments[1].offset, DATA_AT);
	TAP_EQ(kernel.segments[1].gpa, DATA + 5);
	TAP_EQ(kernel.segments[1].file_bytes, BYTES);
	TAP_EQ(kernel.segments[1].bytes, BYTES + BSS);
	TAP_EQ(kernel.end_gpa, DATA + 5 + BYTES + BSS);
}

TAP_TEST(the_entry_point_may_have_four_bytes_and_notes_may_be_aligned_to_eight)
{
	const uint32_t entry = ENTRY + 4;
	struct vmm_pvh_kernel kernel;
	size_t end;

	make_kernel();
	end = add_note(NOTES, "GNU", 5, "property", 8, 8);
	end = add_note(end, "Xen", 18, &entry, 4, 8);
	file.p[0].p_filesz = end - NOTES;
	file.p[0].p_align = 8;
	TAP_EQ(parse(&kernel), 0);
	TAP_EQ(kernel.entry_gpa, ENTRY + 4);
}

TAP_TEST(a_32_bit_kernel_is_understood)
{
	struct {
		Elf32_Ehdr h;
		Elf32_Phdr p[2];
		uint8_t rest[256];
	} small = { .h = { .e_type = ET_EXEC, .e_machine = EM_386, .e_phnum = 2 } };
	const uint32_t entry = TEXT + 4, note[] = { 4, 4, 18, 0, entry };
	struct vmm_pvh_kernel kernel;

	memcpy(small.h.e_ident, ELFMAG, SELFMAG);
	small.h.e_ident[EI_CLASS] = ELFCLASS32;
	small.h.e_ident[EI_DATA] = ELFDATA2LSB;
	small.h.e_phoff = sizeof(small.h);
	small.h.e_phentsize = sizeof(small.p[0]);
	memcpy(small.rest, note, sizeof(note));
	memcpy(small.rest + 12, "Xen", 4);
	small.p[0] = (Elf32_Phdr){ .p_type = PT_NOTE,
				   .p_offset = sizeof(small) - 256,
				   .p_filesz = sizeof(note) };
	small.p[1] =
		(Elf32_Phdr){ .p_type = PT_LOAD, .p_paddr = TEXT, .p_filesz = 64, .p_memsz = 96 };
	TAP_REQUIRE(parse_bytes(&small, sizeof(small), &kernel) == 0);
	TAP_EQ(kernel.entry_gpa, entry);
	TAP_EQ(kernel.segments[0].bytes, 96);
	small.h.e_machine = EM_ARM;
	TAP_EQ(parse_bytes(&small, sizeof(small), &kernel), -ENOEXEC);
	said("another machine (number 40)");
}

TAP_TEST(other_files_are_refused_with_a_reason)
{
	make_kernel();
	file.h.e_ident[0] = 0;
	refused("not an ELF file");
	make_kernel();
	file.h.e_machine = EM_AARCH64;
	refused("another machine (number 183) than x86");
	make_kernel();
	file.h.e_ident[EI_DATA] = ELFDATA2MSB;
	refused("another kind of machine");
	make_kernel();
	file.p[0].p_type = PT_NULL;
	refused("without a PVH entry point (Xen's note 18); a Linux kernel has one with CONFIG_PVH");
	make_kernel();
	*at(NOTES + 12 + 4 + 8 + 8) = 17; /* another of Xen's notes */
	refused("without a PVH entry point");
}

TAP_TEST(impossible_headers_are_refused)
{
	make_kernel();
	file.h.e_phnum = 0;
	refused("program headers");
	make_kernel();
	file.h.e_phnum = 65;
	refused("program headers");
	make_kernel();
	file.h.e_phentsize = 55;
	refused("program headers");
	make_kernel();
	file.h.e_phoff = sizeof(file) - 100;
	refused("program headers");
	make_kernel();
	file.h.e_phoff = ~0ull - 10;
	refused("program headers");
}

TAP_TEST(impossible_segments_are_refused)
{
	static const uint64_t addresses[] = { 0, 0xfffff, 1ull << 32, ~0ull,
					      0xffffffffull - BYTES + 2 };

	for (unsigned i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		make_kernel();
		file.p[1].p_paddr = addresses[i];
		refused("not between 1 MiB and 4 GiB");
	}
	make_kernel();
	file.p[1].p_memsz = ~0ull - TEXT;
	refused("not between 1 MiB and 4 GiB");
	make_kernel();
	file.p[1].p_memsz = BYTES - 1;
	refused("larger than its memory");
	make_kernel();
	file.p[1].p_filesz = file.p[1].p_memsz = sizeof(file);
	refused("cut off");
	make_kernel();
	file.p[1].p_offset = ~0ull;
	refused("cut off");
	make_kernel();
	file.p[2].p_paddr = TEXT + BYTES - 1;
	refused("overlap");
	make_kernel();
	file.p[1].p_memsz = 8 * MIB;
	refused("overlap");
	make_kernel();
	file.p[1].p_type = PT_NULL;
	refused("in no segment");
}

TAP_TEST(malformed_notes_are_refused)
{
	static const uint32_t sizes[] = { 5, 0x7fffffff, 0xfffffff0, 0xffffffff };

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		make_kernel();
		memcpy(at(NOTES), &sizes[i], 4);
		refused("without a PVH entry point");
		make_kernel();
		memcpy(at(NOTES + 24 + 4), &sizes[i], 4);
		refused("without a PVH entry point");
	}
	make_kernel();
	file.p[0].p_filesz = 24 + 12;
	refused("without a PVH entry point");
	make_kernel();
	file.p[0].p_offset = ~0ull - 4;
	refused("without a PVH entry point");
	make_kernel();
	file.p[0].p_filesz = ~0ull;
	refused("without a PVH entry point");
	make_kernel();
	memset(at(NOTES + 24 + 16), 0xff, 8);
	refused("0xffffffffffffffff is in no segment");
}

TAP_TEST(a_file_cut_anywhere_is_refused)
{
	struct vmm_pvh_kernel kernel;

	make_kernel();
	for (size_t len = 0; len < DATA_AT + BYTES; len += len < 0xa00 ? 1 : 97)
		TAP_REQUIRE(parse_bytes(&file, len, &kernel) == -ENOEXEC);
	TAP_EQ(parse_bytes(&file, DATA_AT + BYTES, &kernel), 0);
}

static void check_bounds(const struct vmm_pvh_kernel *kernel)
{
	for (unsigned i = 0; i < kernel->segment_count; i++) {
		const struct vmm_pvh_segment *s = &kernel->segments[i];

		TAP_CHECK(s->offset <= sizeof(file) && s->file_bytes <= sizeof(file) - s->offset);
		TAP_CHECK(s->file_bytes <= s->bytes);
		TAP_CHECK(s->gpa >= MIB && s->gpa <= 4096 * MIB && s->bytes <= 4096 * MIB - s->gpa);
		TAP_CHECK(s->gpa + s->bytes <= kernel->end_gpa);
		for (unsigned j = 0; j < i; j++)
			TAP_CHECK(s->gpa + s->bytes <= kernel->segments[j].gpa ||
				  kernel->segments[j].gpa + kernel->segments[j].bytes <= s->gpa);
	}
}

TAP_TEST(whatever_the_file_says_stays_within_bounds)
{
	unsigned accepted = 0;
	int fd;

	make_kernel();
	fd = file_of(&file, sizeof(file));
	for (unsigned round = 0; round < 100000; round++) {
		struct vmm_pvh_kernel kernel;
		char why[VMM_WHY_MAX];
		unsigned changes = 1 + (unsigned)(tap_random() % 4);

		if (round % 16 == 0)
			make_kernel();
		for (unsigned i = 0; i < changes; i++) {
			size_t where = tap_random() % 2 ?
					       sizeof(file.h) + tap_random() % sizeof(file.p) :
					       NOTES + tap_random() % 64;

			*at(where) =
				(uint8_t)(tap_random() % 4 ? 1u << tap_random() % 8 : tap_random());
		}
		TAP_REQUIRE(pwrite(fd, &file, NOTES + 64, 0) == NOTES + 64);
		if (vmm_pvh_parse(fd, sizeof(file), &kernel, why))
			continue;
		accepted++;
		check_bounds(&kernel);
	}
	close(fd);
	TAP_CHECK(accepted > 1000);
}

/* --- loading -------------------------------------------------------------------------------------- */

static const struct vmm_e820_entry map[] = { { 0, 0x9fc00, VMM_E820_RAM },
					     { 0xe0000, 0x8000, VMM_E820_ACPI },
					     { MIB, 63 * MIB, VMM_E820_RAM } };
static const struct vmm_firmware firmware = { map, 3, 0xe0000 };

static uint64_t read_guest(struct hvh_mem *mem, uint64_t gpa, unsigned width)
{
	uint64_t value = 0;

	TAP_EQ(hvh_mem_read(mem, gpa, &value, width), 0);
	return value;
}

static void check_start_info(struct hvh_mem *mem, uint64_t start)
{
	uint64_t module = read_guest(mem, start + 16, 8), entries = read_guest(mem, start + 40, 8);
	char line[8];

	TAP_EQ(read_guest(mem, start, 4), 0x336ec578);
	TAP_EQ(read_guest(mem, start + 4, 4), 1);
	TAP_EQ(read_guest(mem, start + 8, 4), 0);
	TAP_EQ(read_guest(mem, start + 12, 4), 1);
	TAP_EQ(hvh_mem_read(mem, read_guest(mem, start + 24, 8), line, 8), 0);
	TAP_STR_EQ(line, "one two");
	TAP_EQ(read_guest(mem, start + 32, 8), 0xe0000);
	TAP_EQ(read_guest(mem, start + 48, 4), 3);
	TAP_EQ(read_guest(mem, module, 8), 64 * MIB - 8192);
	TAP_EQ(read_guest(mem, module + 8, 8), 5000);
	TAP_EQ(read_guest(mem, 64 * MIB - 8192 + 4999, 2), 0x005a);
	TAP_EQ(read_guest(mem, entries + 24, 8), 0xe0000);
	TAP_EQ(read_guest(mem, entries + 24 + 16, 4), VMM_E820_ACPI);
	TAP_EQ(read_guest(mem, entries + 48 + 8, 8), 63 * MIB);
}

static void check_loaded(struct hvh_mem *mem, const struct vmm_entry *entry)
{
	static uint8_t loaded[BYTES], zeros[BSS];

	TAP_EQ(hvh_mem_read(mem, TEXT, loaded, BYTES), 0);
	TAP_MEM_EQ(loaded, at(TEXT_AT), BYTES);
	TAP_EQ(hvh_mem_read(mem, DATA + 5, loaded, BYTES), 0);
	TAP_MEM_EQ(loaded, at(DATA_AT), BYTES);
	TAP_EQ(hvh_mem_read(mem, DATA + 5 + BYTES, loaded, BYTES), 0);
	TAP_MEM_EQ(loaded, zeros, BYTES);
	TAP_EQ(read_guest(mem, DATA + 5 + BYTES + BSS - 8, 8), 0);
	TAP_EQ(entry->mode, VMM_ENTRY_PROTECTED);
	TAP_EQ(entry->rip, ENTRY);
	check_start_info(mem, entry->rbx);
}

static void write_file(char *path, const void *bytes, size_t len)
{
	int fd;

	strcpy(path, "/tmp/test_pvh.XXXXXX");
	fd = mkstemp(path);
	TAP_CHECK(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
	close(fd);
}

TAP_TEST(kernel_and_initrd_are_loaded_and_can_be_loaded_again)
{
	static uint8_t initrd[5000], spoilt[BSS];
	char kernel_path[32], initrd_path[32];
	struct vmm_image *image;
	struct vmm_entry entry;
	struct hvh_mem *mem;

	make_kernel();
	memset(initrd, 0x5a, sizeof(initrd));
	memset(spoilt, 0xee, sizeof(spoilt));
	write_file(kernel_path, &file, sizeof(file));
	write_file(initrd_path, initrd, sizeof(initrd));
	TAP_REQUIRE(hvh_mem_create(&mem) == 0 && hvh_mem_add(mem, 0, 64 * MIB) == 0);
	TAP_REQUIRE(vmm_image_open(kernel_path, initrd_path, "one two", 64 * MIB, &image) == 0);
	unlink(kernel_path);
	unlink(initrd_path);
	TAP_EQ(vmm_image_load(image, mem, &firmware, &entry), 0);
	check_loaded(mem, &entry);
	/* A guest that restarts finds its variables cleared. */
	TAP_EQ(hvh_mem_write(mem, DATA + 5 + BYTES, spoilt, BSS), 0);
	TAP_EQ(hvh_mem_write(mem, TEXT, spoilt, BYTES), 0);
	TAP_EQ(vmm_image_load(image, mem, &firmware, &entry), 0);
	check_loaded(mem, &entry);
	TAP_EQ(hvh_mem_held(mem), 0);
	vmm_image_close(image);
	hvh_mem_destroy(mem);
}

TAP_TEST(user_errors_get_one_clear_line)
{
	struct vmm_image *image;
	char path[32];

	make_kernel();
	file.p[2].p_memsz = 100 * MIB;
	write_file(path, &file, sizeof(file));
	TAP_EQ(vmm_image_open(path, NULL, NULL, 64 * MIB, &image), -ENOMEM);
	said("needs at least 104 MiB of memory");
	unlink(path);
	file.p[0].p_type = PT_NULL;
	write_file(path, &file, sizeof(file));
	TAP_EQ(vmm_image_open(path, NULL, NULL, 64 * MIB, &image), -ENOEXEC);
	said("an ELF file without a PVH entry point");
	unlink(path);
}

TAP_MAIN()
