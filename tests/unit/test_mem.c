/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>
#include <unistd.h>

#include <hvh/hvh_mem.h>

#include "hvp_base.h"
#include "tap.h"

#define PAGE HVP_PAGE_SIZE
#define HIGH (1ull << 32)

/* Four pages at 0, four more right behind them as a region of their own, and four above 4 GiB. */
static struct hvh_mem *make(void)
{
	struct hvh_mem *mem = NULL;

	if (hvh_mem_create(&mem) || hvh_mem_add(mem, 4 * PAGE, 4 * PAGE) ||
	    hvh_mem_add(mem, 0, 4 * PAGE) || hvh_mem_add(mem, HIGH, 4 * PAGE))
		abort();
	return mem;
}

static void drop(struct hvh_mem *mem)
{
	TAP_EQ(hvh_mem_held(mem), 0);
	hvh_mem_destroy(mem);
}

TAP_TEST(regions_are_listed_in_ascending_order)
{
	static const uint64_t gpas[] = { 0, 4 * PAGE, HIGH };
	struct hvh_mem *mem = make();
	struct hvh_mem_region region;

	for (unsigned i = 0; i < 3; i++) {
		TAP_REQUIRE(hvh_mem_region(mem, i, &region));
		TAP_EQ(region.gpa, gpas[i]);
		TAP_EQ(region.len, 4 * PAGE);
		TAP_EQ(region.fd_offset, 0);
		TAP_EQ(lseek(region.fd, 0, SEEK_END), 4 * PAGE);
		TAP_CHECK(region.host != NULL);
	}
	TAP_CHECK(!hvh_mem_region(mem, 3, &region));
	drop(mem);
}

TAP_TEST(memory_without_regions_holds_nothing)
{
	struct hvh_mem *mem;
	struct hvh_mem_region region;
	uint8_t byte;

	TAP_REQUIRE(hvh_mem_create(&mem) == 0);
	TAP_CHECK(!hvh_mem_region(mem, 0, &region));
	TAP_CHECK(!hvh_mem_contains(mem, 0, 1));
	TAP_EQ(hvh_mem_read(mem, 0, &byte, 1), -EFAULT);
	drop(mem);
}

TAP_TEST(impossible_regions_are_refused)
{
	struct hvh_mem *mem = make();

	TAP_EQ(hvh_mem_add(mem, 64 * PAGE, 0), -EINVAL);
	TAP_EQ(hvh_mem_add(mem, 64 * PAGE + 1, PAGE), -EINVAL);
	TAP_EQ(hvh_mem_add(mem, 64 * PAGE, PAGE + 1), -EINVAL);
	TAP_EQ(hvh_mem_add(mem, 0 - (uint64_t)PAGE, 2 * PAGE), -EINVAL);
	TAP_EQ(hvh_mem_add(mem, 0 - (uint64_t)PAGE, PAGE), -EINVAL);
	TAP_EQ(hvh_mem_add(mem, 64 * PAGE, 1ull << 63), -EINVAL);
	TAP_EQ(hvh_mem_add(mem, 0, PAGE), -EEXIST);
	TAP_EQ(hvh_mem_add(mem, 7 * PAGE, 2 * PAGE), -EEXIST);
	TAP_EQ(hvh_mem_add(mem, HIGH - PAGE, 2 * PAGE), -EEXIST);
	TAP_EQ(hvh_mem_add(mem, HIGH - PAGE, 16 * PAGE), -EEXIST);
	TAP_EQ(hvh_mem_add(mem, 8 * PAGE, PAGE), 0);
	drop(mem);
}

TAP_TEST(new_memory_is_zero)
{
	static const uint8_t zero[PAGE];
	struct hvh_mem *mem = make();
	uint8_t page[PAGE];

	TAP_REQUIRE(hvh_mem_read(mem, HIGH + PAGE, page, PAGE) == 0);
	TAP_MEM_EQ(page, zero, PAGE);
	drop(mem);
}

TAP_TEST(contains_knows_every_edge)
{
	struct hvh_mem *mem = make();

	TAP_CHECK(hvh_mem_contains(mem, 0, 8 * PAGE));
	TAP_CHECK(!hvh_mem_contains(mem, 0, 8 * PAGE + 1));
	TAP_CHECK(hvh_mem_contains(mem, 8 * PAGE - 1, 1));
	TAP_CHECK(!hvh_mem_contains(mem, 8 * PAGE, 1));
	TAP_CHECK(!hvh_mem_contains(mem, HIGH - 1, 2));
	TAP_CHECK(hvh_mem_contains(mem, HIGH, 4 * PAGE));
	TAP_CHECK(!hvh_mem_contains(mem, UINT64_MAX, 1));
	TAP_CHECK(!hvh_mem_contains(mem, UINT64_MAX, 2));
	TAP_CHECK(!hvh_mem_contains(mem, 4, UINT64_MAX));
	drop(mem);
}

TAP_TEST(copies_cross_regions)
{
	struct hvh_mem *mem = make();
	uint8_t in[3 * PAGE], out[3 * PAGE];

	for (unsigned i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 7 + i / 256);
	TAP_EQ(hvh_mem_write(mem, 3 * PAGE + 5, in, sizeof(in)), 0);
	TAP_EQ(hvh_mem_read(mem, 3 * PAGE + 5, out, sizeof(out)), 0);
	TAP_MEM_EQ(out, in, sizeof(in));
	drop(mem);
}

TAP_TEST(a_copy_that_does_not_fit_copies_nothing)
{
	struct hvh_mem *mem = make();
	uint8_t in[16], out[16], zero[16] = { 0 };

	memset(in, 1, sizeof(in));
	memset(out, 2, sizeof(out));
	TAP_EQ(hvh_mem_write(mem, 8 * PAGE - 8, in, 16), -EFAULT);
	TAP_EQ(hvh_mem_read(mem, 8 * PAGE - 8, out, 16), -EFAULT);
	TAP_EQ(out[0], 2);
	TAP_EQ(hvh_mem_read(mem, 8 * PAGE - 8, out, 8), 0);
	TAP_MEM_EQ(out, zero, 8);
	TAP_EQ(hvh_mem_write(mem, UINT64_MAX - 3, in, 8), -EFAULT);
	drop(mem);
}

TAP_TEST(pins_join_neighbours_and_skip_the_offset)
{
	static const uint64_t pages[] = { PAGE, 2 * PAGE, HIGH, 0 };
	struct hvh_mem *mem = make();
	struct hvh_mem_region low, high;
	struct hvh_pin pin;

	TAP_REQUIRE(hvh_mem_region(mem, 0, &low) && hvh_mem_region(mem, 2, &high));
	TAP_REQUIRE(hvh_mem_pin(mem, pages, 4, 100, 3 * PAGE, true, &pin) == 0);
	TAP_EQ(hvh_mem_held(mem), 1);
	TAP_EQ(pin.iovs, 3);
	TAP_CHECK(pin.iov[0].iov_base == (uint8_t *)low.host + PAGE + 100);
	TAP_EQ(pin.iov[0].iov_len, 2 * PAGE - 100);
	TAP_CHECK(pin.iov[1].iov_base == high.host);
	TAP_EQ(pin.iov[1].iov_len, PAGE);
	TAP_CHECK(pin.iov[2].iov_base == low.host);
	TAP_EQ(pin.iov[2].iov_len, 100);
	hvh_mem_unpin(&pin);
	drop(mem);
}

TAP_TEST(impossible_pins_are_refused)
{
	static const uint64_t good[] = { 0, PAGE }, bad[] = { 0, 8 * PAGE },
			      odd[] = { 0, PAGE + 8 };
	struct hvh_mem *mem = make();
	struct hvh_pin pin;

	TAP_EQ(hvh_mem_pin(mem, good, 2, PAGE, 1, false, &pin), -EFAULT);
	TAP_EQ(hvh_mem_pin(mem, good, 2, 8, 2 * PAGE - 7, false, &pin), -EFAULT);
	TAP_EQ(hvh_mem_pin(mem, bad, 2, 0, PAGE + 1, false, &pin), -EFAULT);
	TAP_EQ(hvh_mem_pin(mem, odd, 2, 0, PAGE + 1, false, &pin), -EFAULT);
	TAP_EQ(hvh_mem_pin(mem, good, 0, 8, 1, false, &pin), -EFAULT);
	TAP_EQ(hvh_mem_pin(mem, good, 0, 0, 1, false, &pin), -EFAULT);
	TAP_EQ(hvh_mem_pin(mem, good, SIZE_MAX / PAGE + 1, 0, SIZE_MAX, false, &pin), -EFAULT);
	TAP_EQ(hvh_mem_held(mem), 0);
	drop(mem);
}

TAP_TEST(a_pin_of_nothing_is_held_all_the_same)
{
	struct hvh_mem *mem = make();
	struct hvh_pin pin;

	TAP_REQUIRE(hvh_mem_pin(mem, NULL, 0, 0, 0, false, &pin) == 0);
	TAP_EQ(pin.iovs, 0);
	TAP_EQ(hvh_mem_held(mem), 1);
	hvh_mem_unpin(&pin);
	drop(mem);
}

TAP_TEST(mappings_put_scattered_pages_in_a_row)
{
	static const uint64_t gpns[] = { 2, 3, 4, 0, (HIGH >> HVP_PAGE_SHIFT) + 3 };
	struct hvh_mem *mem = make();
	struct hvh_mapping mapping;
	uint8_t byte = 0x5a;

	TAP_REQUIRE(hvh_mem_map(mem, gpns, 5, &mapping) == 0);
	TAP_EQ(mapping.bytes, 5 * PAGE);
	TAP_EQ(hvh_mem_held(mem), 1);
	for (unsigned i = 0; i < 5; i++)
		((uint8_t *)mapping.base)[i * PAGE + 1] = (uint8_t)(i + 1);
	for (unsigned i = 0; i < 5; i++) {
		TAP_EQ(hvh_mem_read(mem, gpns[i] * PAGE + 1, &byte, 1), 0);
		TAP_EQ(byte, i + 1);
	}
	hvh_mem_unmap(&mapping);
	TAP_CHECK(mapping.base == NULL);
	drop(mem);
}

TAP_TEST(impossible_mappings_are_refused)
{
	static const uint64_t behind[] = { 7, 8 }, huge[] = { 1ull << 52 },
			      wraps[] = { UINT64_MAX };
	struct hvh_mem *mem = make();
	struct hvh_mapping mapping;

	TAP_EQ(hvh_mem_map(mem, behind, 0, &mapping), -EFAULT);
	TAP_EQ(hvh_mem_map(mem, behind, 2, &mapping), -EFAULT);
	/* Shifted up, this one would be page 0. */
	TAP_EQ(hvh_mem_map(mem, huge, 1, &mapping), -EFAULT);
	TAP_EQ(hvh_mem_map(mem, wraps, 1, &mapping), -EFAULT);
	TAP_EQ(hvh_mem_held(mem), 0);
	drop(mem);
}

static uint8_t dirty(struct hvh_mem *mem, uint64_t gpa)
{
	uint8_t bits = 0xff;

	TAP_EQ(hvh_mem_dirty_take(mem, gpa, &bits, 1), 0);
	return bits;
}

TAP_TEST(writes_are_logged_once_the_log_is_on)
{
	struct hvh_mem *mem = make();
	uint8_t bytes[PAGE + 2] = { 0 };

	TAP_EQ(hvh_mem_write(mem, 0, bytes, 1), 0);
	hvh_mem_dirty_start(mem);
	TAP_EQ(dirty(mem, 0), 0);
	TAP_EQ(hvh_mem_write(mem, PAGE - 1, bytes, PAGE + 2), 0);
	TAP_EQ(dirty(mem, 0), 0x7);
	TAP_EQ(dirty(mem, 0), 0);
	TAP_EQ(hvh_mem_write(mem, 4 * PAGE - 1, bytes, 2), 0);
	TAP_EQ(dirty(mem, 0), 0x8);
	TAP_EQ(dirty(mem, 4 * PAGE), 0x1);
	TAP_EQ(hvh_mem_read(mem, 0, bytes, PAGE), 0);
	TAP_EQ(hvh_mem_write(mem, 0, bytes, 0), 0);
	TAP_EQ(dirty(mem, 0), 0);
	drop(mem);
}

TAP_TEST(writable_pins_are_dirty_until_after_they_are_unpinned)
{
	static const uint64_t pages[] = { 3 * PAGE, 4 * PAGE, HIGH + 2 * PAGE, HIGH + 3 * PAGE };
	struct hvh_mem *mem = make();
	struct hvh_pin pin;

	hvh_mem_dirty_start(mem);
	TAP_REQUIRE(hvh_mem_pin(mem, pages, 4, 0, 4 * PAGE, false, &pin) == 0);
	hvh_mem_unpin(&pin);
	TAP_EQ(dirty(mem, 0), 0);
	TAP_REQUIRE(hvh_mem_pin(mem, pages, 4, 0, 4 * PAGE, true, &pin) == 0);
	TAP_EQ(dirty(mem, 0), 0x8);
	TAP_EQ(dirty(mem, 4 * PAGE), 0x1);
	TAP_EQ(dirty(mem, HIGH), 0xc);
	/* I/O may write now, after the log was taken. */
	hvh_mem_unpin(&pin);
	TAP_EQ(dirty(mem, 0), 0x8);
	TAP_EQ(dirty(mem, 4 * PAGE), 0x1);
	TAP_EQ(dirty(mem, HIGH), 0xc);
	drop(mem);
}

TAP_TEST(the_log_is_taken_of_whole_regions_only)
{
	struct hvh_mem *mem = make();
	uint8_t bits;

	TAP_EQ(hvh_mem_dirty_take(mem, PAGE, &bits, 1), -ENOENT);
	TAP_EQ(hvh_mem_dirty_take(mem, 8 * PAGE, &bits, 1), -ENOENT);
	TAP_EQ(hvh_mem_dirty_take(mem, 0, &bits, 0), -EINVAL);
	drop(mem);
}

TAP_MAIN()
