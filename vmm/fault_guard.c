/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/fault_guard.h"

void vmm_fault_guard_begin(struct vmm_fault_guard *guard, uint64_t now_ns)
{
	/* A life that ended otherwise breaks the row too. */
	if (!guard->faulted)
		guard->short_lives = 0;
	guard->faulted = false;
	guard->began_ns = now_ns;
}

bool vmm_fault_guard_note(struct vmm_fault_guard *guard, uint64_t now_ns)
{
	if (!guard->faulted) {
		guard->faulted = true;
		if (now_ns - guard->began_ns < VMM_SHORT_LIFE_NS)
			guard->short_lives++;
		else
			guard->short_lives = 0;
	}
	return guard->short_lives < VMM_SHORT_LIVES_MAX;
}
