/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The core in a process: threads for works and timers, and one for each virtual processor, which takes
 * interrupts and calls. The hypervisor is a table of functions (hvg/hvg_soft.h) that the caller gives,
 * with libhvis-host behind it or a host of a test's own.
 */
#ifndef PORT_USER_USER_H
#define PORT_USER_USER_H

#include "hvg/hvos.h"

struct user_config {
	unsigned cpus;
	const struct hvg_soft_hypervisor *hypervisor;

	/* See user_kick(); with the hypervisor's ctx. NULL: nobody kicks. */
	void (*kicked)(void *ctx, unsigned cpu);

	/* The guest's memory as the host sees it: all that is shared comes from here. */
	void *memory;
	uint64_t memory_gpa;
	uint64_t memory_bytes;

	/* Lines of the core; NULL: stderr. Any thread. */
	void (*log)(enum hvos_level level, const char *line);

	/* What the host asked for by the shutdown service; NULL: not supported. A thread of works. */
	void (*power)(enum hvos_power action, bool force);
};

/* One at a time in a process. `config` outlives user_stop(). -ENOMEM, -EAGAIN: no threads. */
int user_start(const struct user_config *config) HVW_MUST_CHECK;

/* Ends the threads. Complains on stderr about what the core has left behind, and returns how many things that are. */
unsigned user_stop(void);

/* What the core has allocated now, by hvos_alloc(), as the C library rounds it. */
struct user_usage {
	uint64_t allocations;
	uint64_t bytes;
};
void user_usage(struct user_usage *usage);

/* Pages given up for good, because the host did not give them back. Before user_start() begins the next. */
uint64_t user_lost_pages(void);

/* The hypervisor interrupts that virtual processor. Any thread. */
void user_interrupt(unsigned cpu);

/*
 * Have config->kicked called on that virtual processor's thread, between what the guest does there: the
 * hypervisor's own work, as if the guest had been made to leave. Any thread.
 */
void user_kick(unsigned cpu);

/* The virtual processor that this thread is; hvg_soft_hypervisor's functions ask. 0 for other threads. */
unsigned user_cpu_current(void);

#endif
