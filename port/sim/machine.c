/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Processors, the interrupt, the wall clock, power, the log.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "port/sim/sim_priv.h"

/* Of the clock at time 0: some day of 2022. */
#define CLOCK_BASE 133000000000000000ull

#define VECTOR 0x50

/* --- processors --------------------------------------------------------------------------------------- */

unsigned hvos_cpu_count(void)
{
	return sim_state.config.cpus;
}

bool hvos_cpu_online(unsigned cpu)
{
	return cpu < sim_state.config.cpus && sim_state.online[cpu];
}

static bool cpu_ready(void *ctx)
{
	unsigned cpu = *(unsigned *)ctx;

	return sim_cpu_free(cpu) || !sim_state.online[cpu];
}

static void stop_cpu(unsigned cpu)
{
	/* The first cannot be done without, but it can have been reset. */
	sim_state.online[cpu] = cpu == 0;
	sim_state.pending[cpu] = false;
	if (sim_state.config.cpu_reset)
		sim_state.config.cpu_reset(sim_state.config.ctx, cpu);
}

void sim_cpu_set_online(unsigned cpu, bool online)
{
	sim_require_thread("sim_cpu_set_online");
	if (sim_state.online[cpu] == online)
		return;
	if (!online)
		(void)sim_wait(cpu_ready, &cpu, SIM_NEVER);
	if (online)
		sim_state.online[cpu] = true;
	else
		stop_cpu(cpu);
	sim_point();
}

int hvos_cpu_call(unsigned cpu, hvos_fn fn, void *ctx)
{
	struct sim_task *task = sim_state.current;
	bool fails;

	sim_require_thread("hvos_cpu_call");
	fails = sim_fails("hvos_cpu_call");
	if (!hvos_cpu_online(cpu))
		return -ENODEV;
	(void)sim_wait(cpu_ready, &cpu, SIM_NEVER);
	if (fails)
		stop_cpu(cpu);
	if (fails || !sim_state.online[cpu])
		return -ENODEV;
	task->cpu = cpu;
	task->atomic = true;
	fn(ctx);
	task->atomic = false;
	sim_point();
	return 0;
}

/* --- the interrupt ------------------------------------------------------------------------------------- */

int hvos_interrupt_start(hvos_interrupt_fn fn, void *ctx, uint8_t *vector)
{
	sim_require_thread("hvos_interrupt_start");
	if (sim_fails("hvos_interrupt_start"))
		return -EBUSY;
	if (sim_state.interrupt_fn)
		sim_die("the interrupt is started twice");
	sim_state.interrupt_fn = fn;
	sim_state.interrupt_ctx = ctx;
	*vector = VECTOR;
	return 0;
}

/* Which run of the interrupt function each processor is in. */
struct runs {
	unsigned number[SIM_CPUS_MAX];
};

static bool ended(void *ctx)
{
	const struct runs *runs = ctx;
	unsigned cpu;

	for (cpu = 0; cpu < SIM_CPUS_MAX; cpu++)
		if (runs->number[cpu] % 2 && sim_state.interrupting[cpu] == runs->number[cpu])
			return false;
	return true;
}

void hvos_interrupt_drain(void)
{
	struct runs runs;
	unsigned cpu;

	sim_require_thread("hvos_interrupt_drain");
	sim_point();
	for (cpu = 0; cpu < SIM_CPUS_MAX; cpu++)
		runs.number[cpu] = sim_state.interrupting[cpu];
	(void)sim_wait(ended, &runs, SIM_NEVER);
}

void hvos_interrupt_stop(void)
{
	unsigned cpu;

	sim_require_thread("hvos_interrupt_stop");
	if (!sim_state.interrupt_fn)
		sim_die("the interrupt is stopped without a start");
	sim_state.interrupt_fn = NULL;
	for (cpu = 0; cpu < SIM_CPUS_MAX; cpu++)
		sim_state.pending[cpu] = false;
	hvos_interrupt_drain();
}

const struct hvg_soft_hypervisor *hvg_soft_hypervisor(void)
{
	sim_point();
	return sim_state.config.hypervisor;
}

/* --- clock, power, log ----------------------------------------------------------------------------------- */

uint64_t hvos_clock_get(void)
{
	sim_point();
	return CLOCK_BASE + sim_state.now_ns / 100 + (uint64_t)sim_state.clock_offset;
}

static void move_clock(int64_t *total, int64_t delta)
{
	/* The host's numbers may be any. */
	sim_state.clock_offset = (int64_t)((uint64_t)sim_state.clock_offset + (uint64_t)delta);
	*total = (int64_t)((uint64_t)*total + (uint64_t)delta);
}

int hvos_clock_step(int64_t delta)
{
	sim_require_thread("hvos_clock_step");
	if (sim_fails("hvos_clock_step"))
		return -EPERM;
	sim_state.stats.steps++;
	move_clock(&sim_state.stats.stepped, delta);
	return 0;
}

int hvos_clock_slew(int64_t delta)
{
	sim_require_thread("hvos_clock_slew");
	if (sim_fails("hvos_clock_slew") || sim_state.config.no_slew)
		return -EOPNOTSUPP;
	sim_state.stats.slews++;
	move_clock(&sim_state.stats.slewed, delta);
	return 0;
}

bool hvos_power_supported(enum hvos_power action)
{
	(void)action;
	return !sim_state.config.no_power;
}

void hvos_power(enum hvos_power action, bool force)
{
	sim_require_thread("hvos_power");
	sim_state.stats.powers++;
	sim_state.stats.power = action;
	sim_state.stats.force = force;
	sim_point();
}

void hvos_log(enum hvos_level level, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(sim_state.last_line, sizeof(sim_state.last_line), format, args);
	va_end(args);
	sim_state.stats.logged[level]++;
	if (getenv("HVIS_SIM_LOG"))
		printf("# %llu us: %s\n", (unsigned long long)(sim_state.now_ns / 1000),
		       sim_state.last_line);
	sim_point();
}
