/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Types of the bare-metal port; see hvg/hvos.h. One thread, on processor 0, runs everything that may
 * sleep; all processors take interrupts.
 */
#ifndef PORT_BAREMETAL_HVOS_PORT_H
#define PORT_BAREMETAL_HVOS_PORT_H

#include <stdbool.h>

#include "hvg/hvg_x86.h"

struct hvos_lock {
	uint32_t held; /* 1 + the holder's processor; 0: free */
	bool interrupts; /* were on when it was taken; the holder's */
};

/* There is one thread, so nobody ever waits for one. */
struct hvos_mutex {
	bool held;
};

struct hvos_event {
	uint32_t set;
};

struct hvos_work {
	struct hvos_work *next; /* in the queue */
	void (*fn)(void *ctx);
	void *ctx;
	bool queued, finished;
};

struct hvos_timer {
	struct hvos_timer *next; /* of those that are armed */
	void (*fn)(void *ctx);
	void *ctx;
	uint64_t deadline_ns; /* 0: not armed */
};

#endif
