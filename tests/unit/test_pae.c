/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <hvh/hvh_mem.h>

#include "tap.h"
#include "vmm/pae.h"

#define RAM_BYTES 0x800000u

/* Where the tables are. The first is in the middle of a page, as they may be, and CR3 has low bits that mean nothing. */
#define POINTERS  0x1020u
#define CR3	  (POINTERS | 0x18u)
#define DIRECTORY 0x2000u
#define TABLE	  0x3000u

#define VALID	 0x1u
#define ACCESSED 0x20u
#define LARGE	 0x80u
#define NO_EXEC	 (1ull << 63)

static struct hvh_mem *mem;

static void put(uint64_t gpa, uint64_t entry)
{
	TAP_REQUIRE(hvh_mem_write(mem, gpa, &entry, sizeof(entry)) == 0);
}

/* 0xc0a03000 is at 0x5000, and 2 MiB from 0xc0c00000 on at 0x400000. The pointers are marked, which is why we are here. */
static void set_up(void)
{
	TAP_REQUIRE(hvh_mem_create(&mem) == 0);
	TAP_REQUIRE(hvh_mem_add(mem, 0, RAM_BYTES) == 0);
	put(POINTERS + 3 * 8, DIRECTORY | ACCESSED | VALID);
	put(DIRECTORY + 5 * 8, TABLE | ACCESSED | VALID);
	put(TABLE + 3 * 8, NO_EXEC | 0x5000 | ACCESSED | VALID);
	put(DIRECTORY + 6 * 8, 0x400000 | LARGE | VALID);
}

static void put_bytes(uint64_t gpa, const char *bytes, size_t len)
{
	TAP_REQUIRE(hvh_mem_write(mem, gpa, bytes, len) == 0);
}

TAP_TEST(cpuid_is_found_on_small_and_on_large_pages)
{
	set_up();
	put_bytes(0x5000, "\x0f\xa2", 2);
	put_bytes(0x5678, "\x0f\xa2", 2);
	put_bytes(0x400000, "\x0f\xa2", 2);
	put_bytes(0x5ffffe, "\x0f\xa2", 2);
	TAP_CHECK(vmm_pae_is_cpuid(mem, CR3, 0xc0a03000));
	TAP_CHECK(vmm_pae_is_cpuid(mem, CR3, 0xc0a03678));
	TAP_CHECK(vmm_pae_is_cpuid(mem, CR3, 0xc0c00000));
	TAP_CHECK(vmm_pae_is_cpuid(mem, CR3, 0xc0dffffe));
	hvh_mem_destroy(mem);
}

TAP_TEST(cpuid_is_found_across_two_pages)
{
	set_up();
	put(TABLE + 4 * 8, 0x4000 | VALID);
	put_bytes(0x5fff, "\x0f", 1);
	TAP_CHECK(!vmm_pae_is_cpuid(mem, CR3, 0xc0a03fff));
	put_bytes(0x4000, "\xa2", 1);
	TAP_CHECK(vmm_pae_is_cpuid(mem, CR3, 0xc0a03fff));
	put(TABLE + 4 * 8, 0);
	TAP_CHECK(!vmm_pae_is_cpuid(mem, CR3, 0xc0a03fff));
	hvh_mem_destroy(mem);
}

TAP_TEST(other_instructions_are_not_cpuid)
{
	set_up();
	put_bytes(0x5000, "\x0f\x33\x90\xa2", 4);
	TAP_CHECK(!vmm_pae_is_cpuid(mem, CR3, 0xc0a03000));
	TAP_CHECK(!vmm_pae_is_cpuid(mem, CR3, 0xc0a03002));
	hvh_mem_destroy(mem);
}

/* All of memory but the tables is full of the instruction, so that a wrong way ends at one. */
TAP_TEST(absent_entry_of_each_level_leads_nowhere)
{
	set_up();
	for (uint64_t gpa = 0x4000; gpa < RAM_BYTES; gpa += 2)
		put_bytes(gpa, "\x0f\xa2", 2);
	TAP_CHECK(vmm_pae_is_cpuid(mem, CR3, 0xc0a03000));
	TAP_CHECK(!vmm_pae_is_cpuid(mem, CR3, 0x40a03000));
	TAP_CHECK(!vmm_pae_is_cpuid(mem, CR3, 0xc0803000));
	TAP_CHECK(!vmm_pae_is_cpuid(mem, CR3, 0xc0a04000));
	hvh_mem_destroy(mem);
}

TAP_TEST(table_outside_of_memory_leads_nowhere)
{
	set_up();
	put_bytes(0x5000, "\x0f\xa2", 2);
	TAP_CHECK(vmm_pae_is_cpuid(mem, CR3, 0xc0a03000));
	TAP_CHECK(!vmm_pae_is_cpuid(mem, RAM_BYTES, 0xc0a03000));
	put(DIRECTORY + 5 * 8, RAM_BYTES | VALID);
	TAP_CHECK(!vmm_pae_is_cpuid(mem, CR3, 0xc0a03000));
	put(POINTERS + 3 * 8, 0x000ffffffffff000ull | VALID);
	TAP_CHECK(!vmm_pae_is_cpuid(mem, CR3, 0xc0a03000));
	hvh_mem_destroy(mem);
}

TAP_TEST(only_the_features_that_reload_the_table_are_hidden)
{
	struct kvm_cpuid_entry2 one = { .function = 1, .ebx = ~0u, .ecx = ~0u, .edx = ~0u };
	struct kvm_cpuid_entry2 seven = { .function = 7, .ebx = ~0u, .ecx = ~0u, .edx = ~0u };
	struct kvm_cpuid_entry2 other = { .function = 7, .index = 1, .ebx = ~0u };

	vmm_pae_hide_features(&one);
	TAP_EQ(one.edx, 0xffffcff7);
	TAP_CHECK(one.ebx == ~0u && one.ecx == ~0u);
	vmm_pae_hide_features(&seven);
	TAP_EQ(seven.ebx, 0xffffff7f);
	TAP_CHECK(seven.ecx == ~0u && seven.edx == ~0u);
	vmm_pae_hide_features(&other);
	TAP_EQ(other.ebx, ~0u);
}

TAP_MAIN()
