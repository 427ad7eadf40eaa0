/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "tap.h"
#include "vmm/fault_guard.h"

#define S 1000000000ull

static struct vmm_fault_guard guard;

static void set_up(void)
{
	guard = (struct vmm_fault_guard){ 0 };
	vmm_fault_guard_begin(&guard, 100 * S);
}

TAP_TEST(guest_that_faults_three_times_at_its_start_gets_nowhere)
{
	set_up();
	TAP_CHECK(vmm_fault_guard_note(&guard, 101 * S));
	vmm_fault_guard_begin(&guard, 102 * S);
	TAP_CHECK(vmm_fault_guard_note(&guard, 111 * S));
	vmm_fault_guard_begin(&guard, 112 * S);
	TAP_CHECK(!vmm_fault_guard_note(&guard, 112 * S));
}

TAP_TEST(guest_that_lived_may_restart_so_as_often_as_it_likes)
{
	uint64_t now = 100 * S;

	set_up();
	for (unsigned life = 0; life < 100; life++) {
		now += VMM_SHORT_LIFE_NS;
		TAP_REQUIRE(vmm_fault_guard_note(&guard, now));
		vmm_fault_guard_begin(&guard, now);
	}
}

TAP_TEST(long_life_or_another_end_between_short_ones_starts_the_row_anew)
{
	set_up();
	for (unsigned round = 0; round < 3; round++) {
		TAP_CHECK(vmm_fault_guard_note(&guard, 100 * S));
		vmm_fault_guard_begin(&guard, 100 * S);
		TAP_CHECK(vmm_fault_guard_note(&guard, 100 * S));
		vmm_fault_guard_begin(&guard, 100 * S);
		/* By the reset register, say. */
		vmm_fault_guard_begin(&guard, 100 * S);
	}
	for (unsigned round = 0; round < 3; round++) {
		TAP_CHECK(vmm_fault_guard_note(&guard, 100 * S));
		vmm_fault_guard_begin(&guard, 100 * S);
		TAP_CHECK(vmm_fault_guard_note(&guard, 100 * S));
		vmm_fault_guard_begin(&guard, 100 * S);
		TAP_CHECK(vmm_fault_guard_note(&guard, 120 * S));
		vmm_fault_guard_begin(&guard, 100 * S);
	}
}

TAP_TEST(processors_that_fault_together_count_once)
{
	set_up();
	for (unsigned i = 0; i < 64; i++)
		TAP_REQUIRE(vmm_fault_guard_note(&guard, 101 * S));
	vmm_fault_guard_begin(&guard, 101 * S);
	TAP_CHECK(vmm_fault_guard_note(&guard, 101 * S));
}

TAP_MAIN()
