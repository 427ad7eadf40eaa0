/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The port's own state. Keys: (c) const while it runs, (m) memory_lock, (w) works_lock, (t) timers_lock,
 * (a) atomic.
 */
#ifndef PORT_USER_USER_PRIV_H
#define PORT_USER_USER_PRIV_H

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "port/user/user.h"

#define USER_WORKERS 4u

struct user_call {
	hvos_fn fn;
	void *ctx;
	bool done;
};

/* All under its lock, but (c). */
struct user_cpu {
	pthread_t thread; /* (c) */
	unsigned index; /* (c) */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool interrupt; /* pending */
	bool kick; /* pending */
	struct user_call *call; /* asked, or under way; NULL: none */
	bool stop;
};

struct user_state {
	const struct user_config *config; /* (c) */
	pthread_mutex_t memory_lock;
	uint8_t *used; /* (m) a byte a page */
	uint32_t pages; /* (c) */
	uint64_t allocations, bytes; /* (a) */
	uint64_t lost_pages; /* (a) that the host does not give up */
	uint64_t clock_ahead; /* (a) */

	pthread_mutex_t works_lock;
	pthread_cond_t works_changed;
	struct hvos_work *works, **works_end; /* (w) the queue */
	bool works_stop; /* (w) */
	pthread_t workers[USER_WORKERS]; /* (c) */

	pthread_mutex_t timers_lock;
	pthread_cond_t timers_changed;
	struct hvos_timer *timers; /* (t) armed */
	struct hvos_timer *firing; /* (t) the one whose function runs */
	bool timers_stop; /* (t) */
	pthread_t timer_thread; /* (c) */

	struct user_cpu *cpus; /* (c) */
	hvos_interrupt_fn interrupt_fn; /* (a) */
	void *interrupt_ctx; /* stored before */
};

extern struct user_state user;
extern _Thread_local unsigned user_locks_held;
extern _Thread_local bool user_in_interrupt;

void user_may_sleep(void);
struct timespec user_deadline(uint64_t deadline_ns);
void user_cond_init(pthread_cond_t *cond);

#endif
