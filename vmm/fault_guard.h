/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A triple fault resets a PC, and some guests restart by one on purpose (Linux' reboot=triple). This
 * tells them from a guest that faults whenever it starts. No locks: the caller's.
 */
#ifndef VMM_FAULT_GUARD_H
#define VMM_FAULT_GUARD_H

#include <stdbool.h>
#include <stdint.h>

/* So many lives in a row, each of them as short as that, are enough. */
#define VMM_SHORT_LIVES_MAX 3
#define VMM_SHORT_LIFE_NS   10000000000ull

struct vmm_fault_guard {
	uint64_t began_ns;
	unsigned short_lives;
	bool faulted; /* in this life: other processors may follow */
};

/* The guest starts, or starts again. */
void vmm_fault_guard_begin(struct vmm_fault_guard *guard, uint64_t now_ns);

/* A triple fault. False: it gets nowhere. */
bool vmm_fault_guard_note(struct vmm_fault_guard *guard, uint64_t now_ns);

#endif
