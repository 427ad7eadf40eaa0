/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * An event loop: descriptors (epoll), timers, calls posted by other threads. Everything runs on the
 * loop's own thread, except vmm_call_post() and vmm_loop_stop(), which any thread may call.
 */
#ifndef VMM_LOOP_H
#define VMM_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct vmm_loop;

/* `events`: EPOLL*. */
typedef void (*vmm_loop_fd_fn)(void *ctx, uint32_t events);
typedef void (*vmm_loop_fn)(void *ctx);

int vmm_loop_create(struct vmm_loop **loop);
void vmm_loop_destroy(struct vmm_loop *loop);

/* Watch a descriptor, level-triggered; the loop does not own it. Safe from within callbacks, also for the one running. */
int vmm_loop_add(struct vmm_loop *loop, int fd, uint32_t events, vmm_loop_fd_fn fn, void *ctx);
int vmm_loop_modify(struct vmm_loop *loop, int fd, uint32_t events);
void vmm_loop_remove(struct vmm_loop *loop, int fd);

/* Embedded by its user. */
struct vmm_timer {
	struct vmm_loop *loop;
	struct vmm_timer *next;
	uint64_t deadline_ns; /* 0: not armed */
	vmm_loop_fn fn;
	void *ctx;
};
void vmm_timer_init(struct vmm_timer *timer, struct vmm_loop *loop, vmm_loop_fn fn, void *ctx);

/* Fire once at `deadline_ns` of vmm_now_ns(); 0 disarms. */
void vmm_timer_set(struct vmm_timer *timer, uint64_t deadline_ns);

/* An eventfd: have its reader wake; take what there is. Never block. Any thread. */
void vmm_eventfd_ring(int fd);
void vmm_eventfd_drain(int fd);

/* CLOCK_MONOTONIC. Any thread. */
uint64_t vmm_now_ns(void);

/*
 * A call that any thread may post: the loop calls `fn` soon, in order of posting. Embedded by its user,
 * who keeps it until it has run, so posting neither allocates nor fails nor blocks. Posting one that
 * waits already does nothing; from `fn` on it may be posted again, or freed.
 */
struct vmm_call {
	struct vmm_loop *loop;
	struct vmm_call *next;
	uint64_t number; /* in order of posting */
	bool waits;
	vmm_loop_fn fn;
	void *ctx;
};
void vmm_call_init(struct vmm_call *call, struct vmm_loop *loop, vmm_loop_fn fn, void *ctx);
void vmm_call_post(struct vmm_call *call);

/* It does not run any more, if it waits. On the loop's thread, or while the loop does not run. */
void vmm_call_cancel(struct vmm_call *call);

/* Until vmm_loop_stop(); calls posted before that are run. */
void vmm_loop_run(struct vmm_loop *loop);
void vmm_loop_stop(struct vmm_loop *loop);

#endif
