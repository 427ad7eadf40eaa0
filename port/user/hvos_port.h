/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Types of the user-space port; see hvg/hvos.h and user.h.
 */
#ifndef PORT_USER_HVOS_PORT_H
#define PORT_USER_HVOS_PORT_H

#include <pthread.h>
#include <stdbool.h>

#include "hvg/hvg_soft.h"

struct hvos_lock {
	pthread_mutex_t mutex; /* of the kind that finds wrong use */
	pthread_t holder;
	bool held;
};

struct hvos_mutex {
	pthread_mutex_t mutex;
	pthread_t holder;
	bool held;
};

struct hvos_event {
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	bool set;
};

enum user_work_state {
	USER_WORK_IDLE,
	USER_WORK_QUEUED,
	USER_WORK_RUNNING,
	USER_WORK_AGAIN, /* runs, and was queued meanwhile */
	USER_WORK_FINISHED,
};

/* All under the lock of works. */
struct hvos_work {
	struct hvos_work *next; /* in the queue */
	void (*fn)(void *ctx);
	void *ctx;
	enum user_work_state state;
	bool finishing; /* goes to USER_WORK_FINISHED as soon as it does not run */
};

/* All under the lock of timers. */
struct hvos_timer {
	struct hvos_timer *next; /* armed ones, the earliest first */
	void (*fn)(void *ctx);
	void *ctx;
	uint64_t deadline_ns; /* 0: not armed */
};

#endif
