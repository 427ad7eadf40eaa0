/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The types of the simulated system; see sim.h.
 */
#ifndef PORT_SIM_HVOS_PORT_H
#define PORT_SIM_HVOS_PORT_H

#include <stdbool.h>
#include <stdint.h>

struct sim_task;

/* What is initialised and not finished stands in one list: it is found at the end, and wrong use at once. */
struct sim_object {
	struct sim_object *next;
	const char *kind;
	const char *name; /* of a lock */
};

struct hvos_lock {
	struct sim_object object;
	struct sim_task *holder;
};

struct hvos_mutex {
	struct sim_object object;
	struct sim_task *holder;
};

struct hvos_event {
	struct sim_object object;
	bool set;
	unsigned waiters;
};

struct hvos_work {
	struct sim_object object;
	void (*fn)(void *ctx);
	void *ctx;
	struct sim_task *task; /* that runs it or will */
	bool queued;
	bool running;
	bool finished; /* by hvos_work_fini(): queueing does nothing */
};

struct hvos_timer {
	struct hvos_timer *next; /* in the list of those that are armed */
	void (*fn)(void *ctx);
	void *ctx;
	uint64_t deadline_ns;
	bool armed;
	unsigned running;
};

#include "hvg/hvg_soft.h"

#endif
