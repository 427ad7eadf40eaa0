/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the VMBus of guest/bus needs besides: memory for the host, processors, interrupts. A port on a kernel's own bus has
 * no use for it.
 */
#include "tests/port/conformance_checks.h"

/* --- memory ------------------------------------------------------------------------------------------- */

static void shared_memory_is_zeroed_numbered_and_given_back(const struct conformance_port *port)
{
	struct hvos_shared shared, other;
	uint32_t round, i, j;

	for (round = 0; round < 3; round++) {
		int err = hvos_shared_alloc(&shared, 5);

		CHECK(!err);
		if (err)
			return;
		CHECK(shared.pages == 5 && (uintptr_t)shared.base % HVP_PAGE_SIZE == 0);
		CHECK(all_zero(shared.base, 5 * HVP_PAGE_SIZE));
		for (i = 0; i < 5; i++)
			for (j = 0; j < i; j++)
				CHECK(hvos_shared_gpn(&shared, i) != hvos_shared_gpn(&shared, j));
		err = hvos_shared_alloc(&other, 2);
		CHECK(!err);
		for (i = 0; !err && i < 10; i++)
			CHECK(hvos_shared_gpn(&shared, i % 5) != hvos_shared_gpn(&other, i / 5));
		/* The next round must not see this. */
		hvw_memset(shared.base, 0xff, 5 * HVP_PAGE_SIZE);
		CHECK(err || all_zero(other.base, 2 * HVP_PAGE_SIZE));
		CHECK(err || !hvos_shared_free(&other));
		CHECK(!hvos_shared_free(&shared));
	}
}

static void a_code_page_has_a_number(const struct conformance_port *port)
{
	struct hvos_shared code, shared;

	if (hvos_code_alloc(&code)) {
		port->failed("hvos_code_alloc", __LINE__);
		return;
	}
	CHECK(code.base && (uintptr_t)code.base % HVP_PAGE_SIZE == 0);
	if (!hvos_shared_alloc(&shared, 1)) {
		CHECK(hvos_shared_gpn(&code, 0) != hvos_shared_gpn(&shared, 0));
		CHECK(!hvos_shared_free(&shared));
	}
	hvos_code_free(&code);
}

/* --- processors ------------------------------------------------------------------------------------------------ */

static void on_cpu(void *ctx)
{
	add(ctx);
}

static void calls_run_on_every_processor_that_runs(const struct conformance_port *port)
{
	unsigned cpu, cpus = hvos_cpu_count();
	uint32_t calls = 0, online = 0;

	CHECK(cpus >= 1 && hvos_cpu_online(0) && !hvos_cpu_online(cpus));
	for (cpu = 0; cpu < cpus; cpu++) {
		int err = hvos_cpu_call(cpu, on_cpu, &calls);

		CHECK(err == (hvos_cpu_online(cpu) ? 0 : -ENODEV));
		online += !err;
		CHECK(get(&calls) == online);
	}
	CHECK(hvos_cpu_call(cpus, on_cpu, &calls) == -ENODEV);
	CHECK(hvos_cpu_count() == cpus);
}

struct interrupted {
	uint32_t begun, ended, wrong; /* (a) */
};

static void on_interrupt(void *ctx, unsigned cpu)
{
	struct interrupted *x = ctx;

	add(&x->begun);
	if (cpu >= hvos_cpu_count())
		add(&x->wrong);
	hvos_delay_us(100);
	add(&x->ended);
}

/* If it can be, when the interrupt has begun and not ended. */
static void interrupt_and_drain(const struct conformance_port *port, struct interrupted *x,
				unsigned cpu)
{
	uint32_t begun = get(&x->begun), us;

	port->interrupt(cpu);
	for (us = 0; get(&x->begun) == begun && us < 1000; us++)
		hvos_delay_us(1);
	begun = get(&x->begun);
	hvos_interrupt_drain();
	CHECK(get(&x->ended) >= begun);
}

static void interrupts_drain_and_stop(const struct conformance_port *port)
{
	struct interrupted x = { .begun = 0 };
	unsigned cpu, cpus = hvos_cpu_count();
	uint8_t vector = 0;
	uint32_t round;

	if (!port->interrupt) {
		port->skipped("the hypervisor's interrupt cannot be raised");
		return;
	}
	if (hvos_interrupt_start(on_interrupt, &x, &vector)) {
		port->failed("hvos_interrupt_start", __LINE__);
		return;
	}
	CHECK(vector >= 16);
	hvos_interrupt_drain();
	for (round = 0; round < ROUNDS; round++)
		for (cpu = 0; cpu < cpus; cpu++)
			if (hvos_cpu_online(cpu))
				interrupt_and_drain(port, &x, cpu);
	hvos_sleep_ms(5);
	CHECK(get(&x.begun) >= 1);
	port->interrupt(0);
	hvos_interrupt_stop();
	round = get(&x.begun);
	CHECK(get(&x.ended) == round && !x.wrong);
	hvos_sleep_ms(5);
	CHECK(get(&x.begun) == round);
}

const struct conformance_test conformance_bus_tests[] = {
	CONFORMANCE_TEST(shared_memory_is_zeroed_numbered_and_given_back),
	CONFORMANCE_TEST(a_code_page_has_a_number),
	CONFORMANCE_TEST(calls_run_on_every_processor_that_runs),
	CONFORMANCE_TEST(interrupts_drain_and_stop),
	{ NULL, NULL },
};
