/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "bare.h"
#include "check.h"
#include "cpu.h"
#include "hv.h"

void checks_run(void)
{
	check_cpuid();
	check_hypercall_page();
	hv_init();
	smp_run_all(hv_init_cpu, NULL);
	check_msrs();
	check_clocks();
	check_apic();
	check_synic();
	check_timers();
	check_calls();
	check_tlb_and_ipi();
}
