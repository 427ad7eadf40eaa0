/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/pae.h"

#include <errno.h>
#include <hvh/hvh_mem.h>

/* CPUID bits; the first three are of leaf 1, register EDX. */
#define PSE  (1u << 3)
#define MTRR (1u << 12)
#define PGE  (1u << 13)
#define SMEP (1u << 7) /* leaf 7, register EBX */

#define CR3_TABLE    0xffffffe0u
#define ENTRY_VALID  (1u << 0)
#define ENTRY_LARGE  (1u << 7) /* in the second of the three levels */
#define ENTRY_TARGET 0x000ffffffffff000ull

#define LEVELS 3

/* Bits 4, 7 and 20 of CR4 are written when they are there; and for MTRRs, bits 29 and 30 of CR0. */
void vmm_pae_hide_features(struct kvm_cpuid_entry2 *leaf)
{
	if (leaf->function == 1)
		leaf->edx &= ~(PSE | MTRR | PGE);
	else if (leaf->function == 7 && leaf->index == 0)
		leaf->ebx &= ~SMEP;
}

/* -EFAULT: there is nothing at that address. */
static int read_linear(const struct hvh_mem *mem, uint64_t cr3, uint32_t linear, uint8_t *byte)
{
	static const unsigned shifts[LEVELS] = { 30, 21, 12 };
	uint64_t table = cr3 & CR3_TABLE, entry = 0, rest;
	unsigned level;
	int err;

	for (level = 0; level < LEVELS; level++) {
		err = hvh_mem_read(mem, table + (linear >> shifts[level] & 0x1ff) * sizeof(entry),
				   &entry, sizeof(entry));
		if (err)
			return err;
		if (!(entry & ENTRY_VALID))
			return -EFAULT;
		if (level == LEVELS - 1 || (level == 1 && entry & ENTRY_LARGE))
			break;
		table = entry & ENTRY_TARGET;
	}
	rest = (1ull << shifts[level]) - 1;
	return hvh_mem_read(mem, (entry & ENTRY_TARGET & ~rest) | (linear & rest), byte, 1);
}

/* Byte by byte: the next one may stand on another page. */
bool vmm_pae_is_cpuid(const struct hvh_mem *mem, uint64_t cr3, uint32_t linear)
{
	uint8_t first, second;

	return !read_linear(mem, cr3, linear, &first) &&
	       !read_linear(mem, cr3, linear + 1, &second) && first == 0x0f && second == 0xa2;
}
