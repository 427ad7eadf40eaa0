/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/boot/pvh.h"

#include <elf.h>
#include <errno.h>
#include <hvh/hvh_mem.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hvp_base.h"
#include "vmm/boot/image_priv.h"
#include "vmm/log.h"

/* The note that makes an ELF file bootable this way: physical address of the 32-bit entry point. */
#define NOTE_NAME	  "Xen"
#define NOTE_PHYS32_ENTRY 18

/* More than any kernel has: what is read at once stays small. */
#define HEADERS_MAX    64
#define NOTE_BYTES_MAX (64u << 10)

/* struct hvm_start_info, what it points to, and their magic number. */
#define START_MAGIC   0x336ec578u
#define START_VERSION 1 /* with a memory map */

struct start_info {
	uint32_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t module_count;
	uint64_t modules;
	uint64_t command_line;
	uint64_t rsdp;
	uint64_t map;
	uint32_t map_entries;
	uint32_t reserved;
};
_Static_assert(sizeof(struct start_info) == 56, "hvm_start_info");

struct module {
	uint64_t gpa;
	uint64_t bytes;
	uint64_t command_line;
	uint64_t reserved;
};
_Static_assert(sizeof(struct module) == 32, "hvm_modlist_entry");

struct map_entry {
	uint64_t gpa;
	uint64_t bytes;
	uint32_t type; /* as in e820 */
	uint32_t reserved;
};
_Static_assert(sizeof(struct map_entry) == 24, "hvm_memmap_table_entry");

/* All in the one page that there is for boot data. */
struct boot_data {
	struct start_info start;
	struct module initrd;
	struct map_entry map[VMM_E820_MAX];
};
_Static_assert(sizeof(struct boot_data) <= HVP_PAGE_SIZE, "boot data in a page");

/* The entry point is told of no selectors and needs a table of its own before it loads one. */
#define CODE_SELECTOR 0x08
#define DATA_SELECTOR 0x10

/* --- the file ------------------------------------------------------------------------------------- */

struct file {
	int fd;
	uint64_t bytes;
};

/* False: these bytes are not all in the file. */
static bool read_at(const struct file *file, uint64_t offset, void *to, size_t len)
{
	uint8_t *at = to;

	if (offset > file->bytes || len > file->bytes - offset)
		return false;
	while (len) {
		ssize_t got = pread(file->fd, at, len, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		at += got;
		offset += (uint64_t)got;
		len -= (size_t)got;
	}
	return true;
}

/* The program headers, in the form of the 64-bit class. */
struct headers {
	Elf64_Phdr list[HEADERS_MAX];
	unsigned count;
};

static void widen(const Elf32_Phdr *from, Elf64_Phdr *to)
{
	*to = (Elf64_Phdr){
		.p_type = from->p_type,
		.p_offset = from->p_offset,
		.p_paddr = from->p_paddr,
		.p_filesz = from->p_filesz,
		.p_memsz = from->p_memsz,
		.p_align = from->p_align,
	};
}

static int read_headers_32(const struct file *file, struct headers *headers, char *why)
{
	Elf32_Phdr list[HEADERS_MAX];
	Elf32_Ehdr h;

	if (!read_at(file, 0, &h, sizeof(h)))
		return vmm_image_refuse(why, "the file is cut off");
	if (h.e_machine != EM_386)
		return vmm_image_refuse(why, "an ELF file for another machine (number %u) than x86",
					h.e_machine);
	if (!h.e_phnum || h.e_phnum > HEADERS_MAX || h.e_phentsize != sizeof(list[0]) ||
	    !read_at(file, h.e_phoff, list, h.e_phnum * sizeof(list[0])))
		return vmm_image_refuse(why, "its program headers are cut off or malformed");
	for (headers->count = 0; headers->count < h.e_phnum; headers->count++)
		widen(&list[headers->count], &headers->list[headers->count]);
	return 0;
}

static int read_headers_64(const struct file *file, struct headers *headers, char *why)
{
	Elf64_Ehdr h;

	if (!read_at(file, 0, &h, sizeof(h)))
		return vmm_image_refuse(why, "the file is cut off");
	if (h.e_machine != EM_X86_64)
		return vmm_image_refuse(why, "an ELF file for another machine (number %u) than x86",
					h.e_machine);
	if (!h.e_phnum || h.e_phnum > HEADERS_MAX || h.e_phentsize != sizeof(headers->list[0]) ||
	    !read_at(file, h.e_phoff, headers->list, h.e_phnum * sizeof(headers->list[0])))
		return vmm_image_refuse(why, "its program headers are cut off or malformed");
	headers->count = h.e_phnum;
	return 0;
}

static int read_headers(const struct file *file, struct headers *headers, char *why)
{
	unsigned char ident[EI_NIDENT];

	if (!read_at(file, 0, ident, sizeof(ident)) || memcmp(ident, ELFMAG, SELFMAG))
		return vmm_image_refuse(why, "not an ELF file");
	if (ident[EI_DATA] == ELFDATA2LSB && ident[EI_CLASS] == ELFCLASS64)
		return read_headers_64(file, headers, why);
	if (ident[EI_DATA] == ELFDATA2LSB && ident[EI_CLASS] == ELFCLASS32)
		return read_headers_32(file, headers, why);
	return vmm_image_refuse(why, "an ELF file for another kind of machine than x86");
}

/* --- the note ------------------------------------------------------------------------------------- */

static size_t round_up(size_t value, size_t align)
{
	return (value + align - 1) & ~(align - 1);
}

/* True: the entry point is among these notes; in 64-bit kernels it takes eight bytes. */
static bool find_in_notes(const uint8_t *notes, size_t len, size_t align, uint64_t *entry)
{
	size_t at = 0;

	while (len - at >= sizeof(Elf64_Nhdr)) {
		size_t name = at + sizeof(Elf64_Nhdr), value;
		Elf64_Nhdr note; /* the same in both classes */

		memcpy(&note, notes + at, sizeof(note));
		value = round_up(name + note.n_namesz, align);
		if (value > len || note.n_descsz > len - value)
			return false;
		if (note.n_type == NOTE_PHYS32_ENTRY && note.n_namesz == sizeof(NOTE_NAME) &&
		    !memcmp(notes + name, NOTE_NAME, sizeof(NOTE_NAME)) &&
		    (note.n_descsz == 4 || note.n_descsz == 8)) {
			*entry = 0;
			memcpy(entry, notes + value, note.n_descsz);
			return true;
		}
		at = round_up(value + note.n_descsz, align);
		if (at > len)
			return false;
	}
	return false;
}

static bool find_entry(const struct file *file, const struct headers *headers, uint64_t *entry)
{
	bool found = false;

	for (unsigned i = 0; i < headers->count && !found; i++) {
		const Elf64_Phdr *p = &headers->list[i];
		uint8_t *notes;

		if (p->p_type != PT_NOTE || !p->p_filesz || p->p_filesz > NOTE_BYTES_MAX)
			continue;
		notes = malloc(p->p_filesz);
		if (notes && read_at(file, p->p_offset, notes, p->p_filesz))
			found = find_in_notes(notes, p->p_filesz, p->p_align == 8 ? 8 : 4, entry);
		free(notes);
	}
	return found;
}

/* --- segments ------------------------------------------------------------------------------------- */

static int check_segment(const struct file *file, const Elf64_Phdr *p, char *why)
{
	if (p->p_offset > file->bytes || p->p_filesz > file->bytes - p->p_offset)
		return vmm_image_refuse(why, "the file is cut off");
	if (p->p_filesz > p->p_memsz)
		return vmm_image_refuse(why, "its segment at 0x%llx is larger than its memory",
					(unsigned long long)p->p_paddr);
	if (p->p_paddr < VMM_IMAGE_KERNEL_GPA_MIN || p->p_paddr > VMM_IMAGE_LOW_BYTES_MAX ||
	    p->p_memsz > VMM_IMAGE_LOW_BYTES_MAX - p->p_paddr)
		return vmm_image_refuse(
			why, "its segment at 0x%llx is not between 1 MiB and 4 GiB: link it there",
			(unsigned long long)p->p_paddr);
	return 0;
}

static bool apart(const struct vmm_pvh_segment *a, const struct vmm_pvh_segment *b)
{
	return a->gpa + a->bytes <= b->gpa || b->gpa + b->bytes <= a->gpa;
}

static int add_segment(const struct file *file, const Elf64_Phdr *p, struct vmm_pvh_kernel *kernel,
		       char *why)
{
	struct vmm_pvh_segment *segment = &kernel->segments[kernel->segment_count];
	int err = check_segment(file, p, why);

	if (err)
		return err;
	if (kernel->segment_count == VMM_PVH_SEGMENTS_MAX)
		return vmm_image_refuse(why, "it has more than %u segments", VMM_PVH_SEGMENTS_MAX);
	*segment = (struct vmm_pvh_segment){
		.offset = p->p_offset,
		.file_bytes = p->p_filesz,
		.gpa = p->p_paddr,
		.bytes = p->p_memsz,
	};
	for (unsigned i = 0; i < kernel->segment_count; i++)
		if (!apart(&kernel->segments[i], segment))
			return vmm_image_refuse(why, "its segments at 0x%llx and 0x%llx overlap",
						(unsigned long long)kernel->segments[i].gpa,
						(unsigned long long)segment->gpa);
	kernel->segment_count++;
	if (segment->gpa + segment->bytes > kernel->end_gpa)
		kernel->end_gpa = segment->gpa + segment->bytes;
	return 0;
}

static bool in_segment(const struct vmm_pvh_kernel *kernel, uint64_t gpa)
{
	for (unsigned i = 0; i < kernel->segment_count; i++)
		if (gpa >= kernel->segments[i].gpa &&
		    gpa - kernel->segments[i].gpa < kernel->segments[i].file_bytes)
			return true;
	return false;
}

int vmm_pvh_parse(int fd, uint64_t file_bytes, struct vmm_pvh_kernel *out, char *why)
{
	const struct file file = { .fd = fd, .bytes = file_bytes };
	struct vmm_pvh_kernel kernel = { .segment_count = 0 };
	struct headers headers;
	uint64_t entry;
	int err = read_headers(&file, &headers, why);

	if (err)
		return err;
	/* First: without it nothing else matters, and it is what any other program lacks. */
	if (!find_entry(&file, &headers, &entry))
		return vmm_image_refuse(why, "an ELF file without a PVH entry point (Xen's note "
					     "18); a Linux kernel has one with CONFIG_PVH, else "
					     "give its bzImage");
	for (unsigned i = 0; !err && i < headers.count; i++)
		if (headers.list[i].p_type == PT_LOAD && headers.list[i].p_memsz)
			err = add_segment(&file, &headers.list[i], &kernel, why);
	if (err)
		return err;
	if (!in_segment(&kernel, entry))
		return vmm_image_refuse(why, "its PVH entry point 0x%llx is in no segment",
					(unsigned long long)entry);
	kernel.entry_gpa = (uint32_t)entry;
	*out = kernel;
	return 0;
}

static int parse(struct vmm_image *image, char why[VMM_WHY_MAX])
{
	struct vmm_pvh_kernel *kernel = &image->kernel.elf;
	int err = vmm_pvh_parse(image->kernel_fd, image->kernel_bytes, kernel, why);

	if (err)
		return err;
	image->kernel_end_gpa = kernel->end_gpa;
	image->initrd_end_max_gpa = VMM_IMAGE_LOW_BYTES_MAX;
	/* The protocol sets no limit, and a kernel does not say its own. */
	image->command_line_max = VMM_IMAGE_COMMAND_LINE_BYTES - 1;
	return 0;
}

/* --- loading -------------------------------------------------------------------------------------- */

static int load_segments(const struct vmm_image *image, struct hvh_mem *mem)
{
	const struct vmm_pvh_kernel *kernel = &image->kernel.elf;

	for (unsigned i = 0; i < kernel->segment_count; i++) {
		const struct vmm_pvh_segment *s = &kernel->segments[i];
		int err = vmm_image_read_file("kernel", image->kernel_fd, s->offset, mem, s->gpa,
					      s->file_bytes);

		if (err)
			return err;
		/* After a restart the guest's memory holds what it held before. */
		err = vmm_image_clear(mem, s->gpa + s->file_bytes, s->bytes - s->file_bytes);
		if (err) {
			vmm_log(HVH_LOG_ERROR, "clearing the kernel's memory: %s", strerror(-err));
			return err;
		}
	}
	return 0;
}

static int write_boot_data(const struct vmm_image *image, struct hvh_mem *mem,
			   const struct vmm_firmware *firmware)
{
	struct boot_data data = {
		.start = {
			.magic = START_MAGIC,
			.version = START_VERSION,
			.command_line = VMM_IMAGE_COMMAND_LINE_GPA,
			.rsdp = firmware->rsdp_gpa,
			.map = VMM_IMAGE_DATA_GPA + offsetof(struct boot_data, map),
			.map_entries = firmware->map_entries,
		},
	};
	int err;

	if (image->initrd_fd >= 0) {
		data.start.module_count = 1;
		data.start.modules = VMM_IMAGE_DATA_GPA + offsetof(struct boot_data, initrd);
		data.initrd.gpa = image->initrd_gpa;
		data.initrd.bytes = image->initrd_bytes;
	}
	for (unsigned i = 0; i < firmware->map_entries; i++)
		data.map[i] = (struct map_entry){
			.gpa = firmware->map[i].gpa,
			.bytes = firmware->map[i].bytes,
			.type = firmware->map[i].type,
		};
	err = hvh_mem_write(mem, VMM_IMAGE_DATA_GPA, &data, sizeof(data));
	if (err)
		vmm_log(HVH_LOG_ERROR, "writing the boot data: %s", strerror(-err));
	return err;
}

static int load(const struct vmm_image *image, struct hvh_mem *mem,
		const struct vmm_firmware *firmware, struct vmm_entry *entry)
{
	int err = load_segments(image, mem);

	if (!err)
		err = write_boot_data(image, mem, firmware);
	if (err)
		return err;
	*entry = (struct vmm_entry){
		.mode = VMM_ENTRY_PROTECTED,
		.rip = image->kernel.elf.entry_gpa,
		.rbx = VMM_IMAGE_DATA_GPA,
		.code_selector = CODE_SELECTOR,
		.data_selector = DATA_SELECTOR,
	};
	return 0;
}

const struct vmm_image_format vmm_pvh_format = { .parse = parse, .load = load };
