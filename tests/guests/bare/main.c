/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Words of the command line: "checks" (the hypervisor interface). It powers off at the end.
 */
#include "bare.h"
#include "cpu.h"
#include "hv.h"

void bare_main(uint32_t start_info_gpa);

void bare_main(uint32_t start_info_gpa)
{
	trap_init();
	machine_init(start_info_gpa);
	trap_init_cpu(&cpus[0]);
	smp_start();
	cpu_irq_on();
	con_printf("# bare guest, %u processors, %lu MiB below the gap\n", cpu_count,
		   mem_end() >> 20);
	if (machine_word("checks", NULL))
		checks_run();
	else
		machine_fail("the command line does not have: checks");
	tap_end();
	machine_power_off();
}
