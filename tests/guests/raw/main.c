/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Words of the command line: "checks" (the hypervisor interface; check_*.c), "orders" (see orders.c),
 * "hostile" (see hostile.c). It powers off at the end.
 */
#include "raw.h"

void *mem_pages(unsigned count)
{
	void *pages = hvos_alloc((size_t)count * HVP_PAGE_SIZE);

	if (!pages)
		tap_bail_out("out of memory");
	return pages;
}

uint64_t chance_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1du;
}

void bm_main(uint32_t start_info)
{
	bm_firmware_init(start_info);
	bm_os_init();
	bm_cpu_init();
	cpu_init();
	bm_printf("# raw guest, %u processors, %lu MiB below the gap\n", hvos_cpu_count(),
		  bm_firmware.ram_end >> 20);
	if (bm_option("checks", NULL, 0))
		checks_run();
	else if (bm_option("orders", NULL, 0))
		orders_run();
	else if (bm_option("hostile", NULL, 0))
		hostile_run();
	else
		tap_bail_out("the command line has none of: checks orders hostile");
	tap_end();
	bm_power_off();
}
