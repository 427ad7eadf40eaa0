/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The parts of the checks of the hypervisor interface. Each runs on the boot processor and leaves
 * things as it found them: hypercall page on, SynIC off, no timer armed.
 */
#ifndef TESTS_GUESTS_RAW_CHECK_H
#define TESTS_GUESTS_RAW_CHECK_H

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
