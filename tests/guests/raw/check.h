/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The parts of the checks of the hypervisor interface. Each runs on the boot processor and leaves
 * things as it found them: hypercall page on, SynIC off, no timer armed.
 */
#ifndef TESTS_GUESTS_RAW_CHECK_H
#define TESTS_GUESTS_RAW_CHECK_H

#include "raw.h"

/* What is checked on each processor, and reported once for all. Lists are X(name, text). */
struct check_item {
	const char *text;
	uint32_t failed_on; /* processors, as bits */
};

#define CHECK_ITEM_ENUM(name, text) ITEM_##name,
#define CHECK_ITEM(name, text)	    { text, 0 },

/* Any processor. */
static inline void check_note(struct check_item *item, bool good)
{
	if (!good)
		__atomic_fetch_or(&item->failed_on, 1u << cpu_this()->index, __ATOMIC_RELAXED);
}

/* `subject` stands before each text. */
void check_report(const char *subject, const struct check_item *items, unsigned count);

void check_cpuid(void);
void check_msrs(void);
void check_hypercall_page(void);
void check_clocks(void);
void check_apic(void);
void check_synic(void);
void check_timers(void);
void check_calls(void);
void check_tlb_and_ipi(void);

#endif
