/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#ifndef PORT_SIM_SIM_PRIV_H
#define PORT_SIM_SIM_PRIV_H

#include "port/sim/sim.h"

#define SIM_NEVER UINT64_MAX

enum sim_task_state { SIM_RUNNABLE, SIM_WAITING, SIM_DONE };

struct sim_task {
	struct sim_task *next;
	struct sim_fiber *fiber;
	const char *name;
	hvos_fn fn;
	void *ctx;
	enum sim_task_state state;
	bool (*ready)(void *ctx); /* while it waits: can it go on? */
	void *ready_ctx;
	uint64_t deadline_ns; /* while it waits: until then at most */
	unsigned locks; /* held, or waited for: neither sleep nor interrupt */
	unsigned mutexes; /* held */
	bool atomic; /* context A: belongs to `cpu` */
	unsigned cpu; /* that it runs on, or ran on last */
	struct hvos_work *work; /* whose task it is */
	bool working; /* it runs a work */
	bool idle; /* it waits for an event or for time, where another work may run on its stack */
	struct sim_task *below; /* the one that runs another work, and waits for ours to end */
};

struct sim {
	struct sim_config config;
	struct sim_stats stats;
	char last_line[256];
	uint64_t random;
	uint64_t now_ns;
	struct sim_task *tasks; /* all */
	struct sim_task *main; /* that of sim_start() */
	struct sim_task *current;
	struct sim_task *worker; /* serial and nested works: the last that began one */
	struct sim_object *objects;
	struct hvos_timer *timers; /* armed */
	bool online[SIM_CPUS_MAX];
	bool pending[SIM_CPUS_MAX]; /* an interrupt */
	unsigned interrupting[SIM_CPUS_MAX]; /* the interrupt function runs there */
	hvos_interrupt_fn interrupt_fn;
	void *interrupt_ctx;
	int64_t clock_offset; /* of the wall clock */
};
extern struct sim sim_state;

/* --- sched.c --- */

/* A task that begins at the next point or later. */
struct sim_task *sim_task_create(const char *name, hvos_fn fn, void *ctx);

/* Wait until `ready` says so, which any switch may ask; false: `deadline_ns` came first. */
bool sim_wait(bool (*ready)(void *ctx), void *ctx, uint64_t deadline_ns);

/* No other context A runs on that processor, nor anything that keeps interrupts off. */
bool sim_cpu_free(unsigned cpu);

/* Die unless the caller may sleep. */
void sim_require_thread(const char *service);

/* --- fiber.c: what runs on a stack of its own --- */
struct sim_fiber *sim_fiber_create(void (*fn)(void)); /* NULL: the caller's own */
void sim_fiber_switch(struct sim_fiber *from, struct sim_fiber *to, bool forever);
void sim_fiber_entered(void); /* first thing in a new one */
void sim_fiber_release(struct sim_fiber *fiber);

/* --- memory.c --- */
void sim_memory_start(void);
void sim_memory_stop(void);

/* The next fallible call: is it the one that fails? */
bool sim_fails(const char *service);

/* --- sync.c --- */
void sim_object_add(struct sim_object *object, const char *kind, const char *name);
void sim_object_remove(struct sim_object *object, const char *kind);
void sim_object_require(const struct sim_object *object, const char *kind);

#endif
