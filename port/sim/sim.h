/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A simulated system for the guest core: one process, one thread, and every run of a seed the same.
 *
 * Threads, deferred work, interrupts and timers are coroutines. Each call of an OS service is a point
 * where the scheduler may go on with another of them, begin a pending interrupt on some processor or
 * expire a timer, as the seed says and as a machine of so many processors could. The clock is virtual:
 * it stands still while somebody can run, but for a little that each service call takes, and jumps to
 * the next deadline when nobody can.
 *
 * Memory for the host comes from an arena, which is the machine's memory as the host sees it; nothing
 * else ever lies there. Pages of it that are not shared hold a pattern: a write of the host to one is
 * found. Each call that may fail is counted, and a chosen one fails.
 *
 * Wrong use of a service, and anything that is left at the end, ends the process with a line that says
 * what and where. One simulation at a time.
 */
#ifndef PORT_SIM_SIM_H
#define PORT_SIM_SIM_H

#include "hvg/hvos.h"

#define SIM_CPUS_MAX 8u

/* The machine's memory: `pages` pages of the file from `offset` on; the host knows the first as `gpn`. */
struct sim_arena {
	int fd; /* as mmap takes it, shared; stays the caller's */
	uint64_t offset;
	uint64_t gpn;
	uint32_t pages;
};

/* How works run. All are ways that a port may have. */
enum sim_works {
	SIM_WORKS_PARALLEL,
	SIM_WORKS_SERIAL, /* one after the other, on one thread */
	SIM_WORKS_NESTED, /* the same, but while one waits without a mutex another may run on its stack */
	SIM_WORKS_WAYS,
};

struct sim_config {
	uint64_t seed;
	unsigned cpus; /* 1 to SIM_CPUS_MAX */
	struct sim_arena arena;
	enum sim_works works;
	bool steady; /* the running one goes on until it waits: for tests that are about something else */
	bool no_slew; /* the clock can only be stepped */
	bool no_power; /* nothing that hvos_power() is asked for can be done */
	unsigned fail_at; /* the call that fails among those that may; 0: none */
	const char *fail_service; /* all calls of this service fail; NULL: none does */
	const struct hvg_soft_hypervisor *hypervisor; /* NULL: there is none */

	/*
	 * A processor was stopped or begins anew: the hypervisor forgets its registers. NULL: nobody cares.
	 */
	void (*cpu_reset)(void *ctx, unsigned cpu);
	void *ctx; /* of cpu_reset */
};

/* The caller becomes the first thread. */
void sim_start(const struct sim_config *config);

/* Let the others come to their end, then see that nothing is left; the pages that were lost are not counted. */
void sim_stop(void);

/* --- what the test does ---------------------------------------------------------------------------- */

/* Another thread; it ends before sim_stop(). */
void sim_thread(const char *name, hvos_fn fn, void *ctx);

/* Let others run; when it returns none of them can, now. */
void sim_run(void);

/* The hypervisor's interrupt on that processor, once it can be taken. Any context. */
void sim_interrupt(unsigned cpu);

/* Stop or begin a processor other than 0. */
void sim_cpu_set_online(unsigned cpu, bool online);

/* The processor that the caller runs on. */
unsigned sim_cpu(void);

/* Inside: a point like the one in each service call. */
void sim_point(void);

/* --- what the test sees ------------------------------------------------------------------------------ */

struct sim_stats {
	uint64_t points;
	uint64_t switches;
	unsigned fallible; /* calls that could fail */
	unsigned failed; /* of those, were made to */
	const char *failed_service; /* the last one */
	uint32_t shared_pages; /* with the host now */
	uint32_t lost_pages; /* given up: the host may still know them */
	unsigned logged[HVOS_DEBUG + 1]; /* lines, by level */
	unsigned powers; /* calls of hvos_power() */
	enum hvos_power power; /* the last one */
	bool force;
	int64_t stepped, slewed; /* the clock, in all */
	unsigned steps, slews;
};
const struct sim_stats *sim_stats(void);

/* The last line logged. */
const char *sim_last_line(void);

/* The clock, without taking time. */
uint64_t sim_now_ns(void);

/* A number of the seed's sequence, below `bound`: for what else is to be the same in every run. */
uint32_t sim_random(uint32_t bound);

/* False while a wrong use or a remainder would end the process: never in a passed test. */
_Noreturn void sim_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
