/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The suite for ports on the bare machine: prints TAP, and powers off.
 *
 * There is one thread. What the suite runs beside it runs on another processor, in an interrupt.
 */
#include "port/baremetal/bm.h"
#include "tests/port/conformance.h"

static unsigned next_cpu;
static uint32_t failures; /* (a) */
static const char *skip_reason;

/* A processor has one call at a time: when each has one, this waits for the oldest. */
static void beside(hvos_fn fn, void *ctx)
{
	do
		next_cpu = next_cpu + 1 < hvos_cpu_count() ? next_cpu + 1 : 1;
	while (!hvos_cpu_online(next_cpu));
	bm_call_wait(next_cpu);
	bm_call_start(next_cpu, fn, ctx);
}

static void wait_for_all(void)
{
	unsigned cpu;

	for (cpu = 1; cpu < hvos_cpu_count(); cpu++)
		bm_call_wait(cpu);
}

static void interrupt(unsigned cpu)
{
	bool on = bm_interrupts_off();

	bm_apic_write(APIC_ICR_HIGH, (uint32_t)bm_firmware.apic_ids[cpu] << 24);
	bm_apic_write(APIC_ICR_LOW, APIC_FIXED | BM_VECTOR_HYPERVISOR);
	while (bm_apic_read(APIC_ICR_LOW) & APIC_BUSY)
		bm_pause();
	bm_interrupts_restore(on);
}

static void failed(const char *what, int line)
{
	bm_printf("# not true, line %d: %s\n", line, what);
	__atomic_fetch_add(&failures, 1, __ATOMIC_SEQ_CST);
}

static void skipped(const char *why)
{
	skip_reason = why;
}

static void run(const struct conformance_port *port, const struct conformance_test *test,
		unsigned number)
{
	failures = 0;
	skip_reason = NULL;
	test->run(port);
	wait_for_all();
	bm_printf("%s %u - %s", failures ? "not ok" : "ok", number, test->name);
	if (skip_reason)
		bm_printf(" # SKIP %s", skip_reason);
	bm_printf("\n");
}

void bm_main(uint32_t start_info)
{
	struct conformance_port port = {
		.interrupt = interrupt,
		.failed = failed,
		.skipped = skipped,
		.one_thread = true,
	};
	unsigned cpu, online = 0, count = 0;

	bm_firmware_init(start_info);
	bm_os_init();
	bm_cpu_init();
	for (cpu = 0; cpu < hvos_cpu_count(); cpu++)
		online += hvos_cpu_online(cpu);
	bm_printf("# port/baremetal, %u processors\n", online);
	if (online > 1)
		port.thread = beside;
	for (const struct conformance_test *test = conformance_tests; test->name; test++)
		run(&port, test, ++count);
	for (const struct conformance_test *test = conformance_bus_tests; test->name; test++)
		run(&port, test, ++count);
	bm_printf("1..%u\n", count);
	bm_power_off();
}
