/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Who runs: tasks, interrupts, timers, and the clock.
 *
 * A task that holds a lock or runs in context A occupies a processor; one without may be anywhere. So a
 * switch to one that does not occupy any is possible only while there is a processor left, which makes
 * a machine with one processor what it is: nothing comes between a lock and its unlock.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "port/sim/sim_priv.h"

#define POINT_NS       100u /* what a service call takes */
#define POINTS_MAX     3000000u
#define CANDIDATES_MAX 64u

/* One point in so many is a switch. */
#define SWITCH_ONE_IN 3u

struct sim sim_state;

struct candidate {
	struct sim_task *task; /* NULL: an interrupt or a timer begins */
	struct hvos_timer *timer; /* NULL: an interrupt does */
	unsigned cpu; /* on which */
};

static struct sim_task *dead; /* it cannot free the stack that it stands on */

_Noreturn void sim_die(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fprintf(stderr, "sim: seed %llu, %s: ", (unsigned long long)sim_state.config.seed,
		sim_state.current ? sim_state.current->name : "no task");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "; last line: %s\n", sim_state.last_line);
	abort();
}

const struct sim_stats *sim_stats(void)
{
	return &sim_state.stats;
}

uint64_t sim_now_ns(void)
{
	return sim_state.now_ns;
}

const char *sim_last_line(void)
{
	return sim_state.last_line;
}

/* splitmix64 */
uint32_t sim_random(uint32_t bound)
{
	uint64_t z = sim_state.random += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (uint32_t)((z ^ z >> 31) % bound);
}

/* --- processors ------------------------------------------------------------------------------------- */

static bool occupies(const struct sim_task *task)
{
	return task->state != SIM_DONE && (task->atomic || task->locks);
}

static unsigned processors_left(void)
{
	const struct sim_task *task;
	unsigned left = 0, cpu;

	for (cpu = 0; cpu < sim_state.config.cpus; cpu++)
		left += sim_state.online[cpu];
	for (task = sim_state.tasks; task; task = task->next)
		left -= occupies(task);
	return left;
}

bool sim_cpu_free(unsigned cpu)
{
	const struct sim_task *task;

	for (task = sim_state.tasks; task; task = task->next)
		if (occupies(task) && task->cpu == cpu)
			return false;
	return sim_state.online[cpu];
}

static unsigned some_free_cpu(void)
{
	unsigned cpu = sim_random(sim_state.config.cpus), tried;

	for (tried = 0; tried < sim_state.config.cpus; tried++) {
		if (sim_cpu_free(cpu))
			return cpu;
		cpu = (cpu + 1) % sim_state.config.cpus;
	}
	sim_die("no processor is left");
}

unsigned sim_cpu(void)
{
	return sim_state.current->cpu;
}

void sim_require_thread(const char *service)
{
	if (sim_state.current->atomic)
		sim_die("%s() in an interrupt", service);
	if (sim_state.current->locks)
		sim_die("%s() with a lock held", service);
}

/* --- tasks ------------------------------------------------------------------------------------------- */

static void reap(void)
{
	struct sim_task **link = &sim_state.tasks, *task = dead;

	if (!task)
		return;
	dead = NULL;
	while (*link != task)
		link = &(*link)->next;
	*link = task->next;
	sim_fiber_release(task->fiber);
	free(task);
}

static void go_on(const struct candidate *candidate);
static struct candidate choose(const struct sim_task *except);

static void entry(void)
{
	struct sim_task *task = sim_state.current;
	struct candidate next;

	sim_fiber_entered();
	reap();
	task->fn(task->ctx);
	if (task->locks)
		sim_die("%s ended with a lock held", task->name);
	task->state = SIM_DONE;
	dead = task;
	next = choose(task);
	go_on(&next);
	abort();
}

static struct sim_task *add_task(const char *name, void (*run)(void))
{
	struct sim_task *task = calloc(1, sizeof(*task)), **link = &sim_state.tasks;

	if (!task)
		sim_die("no memory for a task");
	task->name = name;
	task->fiber = sim_fiber_create(run);
	/* Behind the others: the order is part of what a seed repeats. */
	while (*link)
		link = &(*link)->next;
	*link = task;
	return task;
}

struct sim_task *sim_task_create(const char *name, hvos_fn fn, void *ctx)
{
	struct sim_task *task = add_task(name, entry);

	task->fn = fn;
	task->ctx = ctx;
	return task;
}

void sim_thread(const char *name, hvos_fn fn, void *ctx)
{
	(void)sim_task_create(name, fn, ctx);
	sim_point();
}

/* --- interrupts and timers, as tasks of their own ------------------------------------------------------- */

static void run_interrupt(void *ctx)
{
	unsigned cpu = sim_state.current->cpu;

	(void)ctx;
	/* Between its being chosen and here the handler may have been taken away. */
	if (sim_state.interrupt_fn)
		sim_state.interrupt_fn(sim_state.interrupt_ctx, cpu);
	sim_state.interrupting[cpu]++;
}

static void run_timer(void *ctx)
{
	struct hvos_timer *timer = ctx;

	timer->fn(timer->ctx);
	timer->running--;
}

static struct sim_task *begin(const struct candidate *candidate)
{
	struct sim_task *task;

	if (candidate->timer) {
		struct hvos_timer **link = &sim_state.timers;

		while (*link != candidate->timer)
			link = &(*link)->next;
		*link = candidate->timer->next;
		candidate->timer->armed = false;
		candidate->timer->running++;
		task = sim_task_create("timer", run_timer, candidate->timer);
	} else {
		sim_state.pending[candidate->cpu] = false;
		sim_state.interrupting[candidate->cpu]++; /* odd: it runs */
		task = sim_task_create("interrupt", run_interrupt, NULL);
	}
	task->atomic = true;
	task->cpu = candidate->cpu;
	return task;
}

void sim_interrupt(unsigned cpu)
{
	if (sim_state.online[cpu])
		sim_state.pending[cpu] = true;
}

/* --- the choice ------------------------------------------------------------------------------------------ */

static bool can_run(const struct sim_task *task, unsigned left)
{
	if (task->state == SIM_DONE || (!left && !occupies(task)))
		return false;
	if (sim_state.config.works == SIM_WORKS_NESTED && task->working && task != sim_state.worker)
		return false;
	return task->state == SIM_RUNNABLE || sim_state.now_ns >= task->deadline_ns ||
	       task->ready(task->ready_ctx);
}

static unsigned collect(struct candidate *list, const struct sim_task *except)
{
	unsigned left = processors_left(), count = 0, cpu;
	struct hvos_timer *timer;
	struct sim_task *task;

	for (task = sim_state.tasks; task && count < CANDIDATES_MAX; task = task->next)
		if (task != except && can_run(task, left))
			list[count++] = (struct candidate){ .task = task };
	for (cpu = 0; cpu < sim_state.config.cpus && count < CANDIDATES_MAX; cpu++)
		if (sim_state.pending[cpu] && sim_state.interrupt_fn && sim_cpu_free(cpu))
			list[count++] = (struct candidate){ .cpu = cpu };
	for (timer = sim_state.timers; timer && left && count < CANDIDATES_MAX; timer = timer->next)
		if (sim_state.now_ns >= timer->deadline_ns)
			list[count++] = (struct candidate){ .timer = timer };
	return count;
}

/* Nobody can go on: to the next deadline. One that has passed is that of a work under another one. */
static void jump(void)
{
	uint64_t next = SIM_NEVER;
	struct hvos_timer *timer;
	struct sim_task *task;

	for (task = sim_state.tasks; task; task = task->next)
		if (task->state == SIM_WAITING && task->deadline_ns > sim_state.now_ns &&
		    task->deadline_ns < next)
			next = task->deadline_ns;
	for (timer = sim_state.timers; timer; timer = timer->next)
		if (timer->deadline_ns > sim_state.now_ns && timer->deadline_ns < next)
			next = timer->deadline_ns;
	if (next == SIM_NEVER)
		sim_die("all wait for each other, and no deadline is left");
	sim_state.now_ns = next;
}

static struct candidate choose(const struct sim_task *except)
{
	struct candidate list[CANDIDATES_MAX];
	unsigned count;

	while (!(count = collect(list, except)))
		jump();
	return list[sim_random(count)];
}

static void go_on(const struct candidate *candidate)
{
	struct sim_task *from = sim_state.current, *to = candidate->task;
	struct candidate begun = *candidate;

	if (!to) {
		if (begun.timer)
			begun.cpu = some_free_cpu();
		to = begin(&begun);
	} else if (!occupies(to)) {
		to->cpu = some_free_cpu();
	}
	to->state = SIM_RUNNABLE;
	if (to == from)
		return;
	sim_state.stats.switches++;
	sim_state.current = to;
	sim_fiber_switch(from->fiber, to->fiber, from->state == SIM_DONE);
	reap();
}

void sim_point(void)
{
	struct candidate next;

	sim_state.now_ns += POINT_NS;
	if (++sim_state.stats.points > POINTS_MAX)
		sim_die("it does not end");
	if (sim_state.config.steady || sim_random(SWITCH_ONE_IN))
		return;
	next = choose(NULL);
	go_on(&next);
}

bool sim_wait(bool (*ready)(void *ctx), void *ctx, uint64_t deadline_ns)
{
	struct sim_task *task = sim_state.current;
	struct candidate next;

	task->state = SIM_WAITING;
	task->ready = ready;
	task->ready_ctx = ctx;
	task->deadline_ns = deadline_ns;
	next = choose(NULL);
	go_on(&next);
	/* What a ready() says holds until the task that asked does something, and that is this one. */
	return ready(ctx);
}

void sim_run(void)
{
	struct candidate list[CANDIDATES_MAX];
	unsigned count;

	sim_require_thread("sim_run");
	while ((count = collect(list, sim_state.current))) {
		sim_state.now_ns += POINT_NS;
		if (++sim_state.stats.points > POINTS_MAX)
			sim_die("it does not come to rest");
		go_on(&list[sim_random(count)]);
	}
}

/* --- start and end --------------------------------------------------------------------------------------- */

void sim_start(const struct sim_config *config)
{
	unsigned cpu;

	if (!config->cpus || config->cpus > SIM_CPUS_MAX)
		sim_die("%u processors", config->cpus);
	memset(&sim_state, 0, sizeof(sim_state));
	sim_state.config = *config;
	sim_state.random = config->seed;
	sim_state.now_ns = 1000000000;
	for (cpu = 0; cpu < config->cpus; cpu++)
		sim_state.online[cpu] = true;
	sim_state.main = sim_state.current = add_task("main", NULL);
	sim_memory_start();
}

void sim_stop(void)
{
	const struct sim_task *task;

	sim_run();
	for (task = sim_state.tasks; task; task = task->next)
		if (task != sim_state.main)
			sim_die("left: task %s", task->name);
	if (sim_state.objects)
		sim_die("left: %s %s", sim_state.objects->kind, sim_state.objects->name);
	if (sim_state.timers)
		sim_die("left: an armed timer");
	if (sim_state.interrupt_fn)
		sim_die("left: the interrupt");
	sim_memory_stop();
	sim_state.tasks = NULL;
	sim_fiber_release(sim_state.main->fiber);
	free(sim_state.main);
	sim_state.current = NULL;
}
