/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "check.h"
#include "hv.h"

void check_report(const char *subject, const struct check_item *items, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		tap_eq(items[i].failed_on, 0, "%s: %s", subject, items[i].text);
}

void checks_run(void)
{
	check_cpuid();
	check_hypercall_page();
	hv_init();
	cpu_run_all(hv_init_cpu, NULL);
	check_msrs();
	check_clocks();
	check_apic();
	check_synic();
	check_timers();
	check_calls();
	check_tlb_and_ipi();
}
