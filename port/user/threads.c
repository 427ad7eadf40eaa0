/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The port's threads: works, timers, virtual processors.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "port/user/user_priv.h"

/* --- works ------------------------------------------------------------------------------------------- */

void hvos_work_init(struct hvos_work *work, hvos_fn fn, void *ctx)
{
	*work = (struct hvos_work){ .fn = fn, .ctx = ctx };
}

static void append(struct hvos_work *work)
{
	work->state = USER_WORK_QUEUED;
	work->next = NULL;
	*user.works_end = work;
	user.works_end = &work->next;
	pthread_cond_broadcast(&user.works_changed);
}

void hvos_work_queue(struct hvos_work *work)
{
	pthread_mutex_lock(&user.works_lock);
	if (!work->finishing && work->state == USER_WORK_IDLE)
		append(work);
	else if (!work->finishing && work->state == USER_WORK_RUNNING)
		work->state = USER_WORK_AGAIN;
	pthread_mutex_unlock(&user.works_lock);
}

static void unlink_work(struct hvos_work *work)
{
	struct hvos_work **link = &user.works;

	while (*link != work)
		link = &(*link)->next;
	*link = work->next;
	if (!*link)
		user.works_end = link;
}

void hvos_work_fini(struct hvos_work *work)
{
	user_may_sleep();
	pthread_mutex_lock(&user.works_lock);
	work->finishing = true;
	if (work->state == USER_WORK_QUEUED) {
		unlink_work(work);
		work->state = USER_WORK_IDLE;
	}
	while (work->state == USER_WORK_RUNNING || work->state == USER_WORK_AGAIN)
		pthread_cond_wait(&user.works_changed, &user.works_lock);
	work->state = USER_WORK_FINISHED;
	pthread_mutex_unlock(&user.works_lock);
}

static void *worker(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&user.works_lock);
	while (!user.works_stop) {
		struct hvos_work *work = user.works;

		if (!work) {
			pthread_cond_wait(&user.works_changed, &user.works_lock);
			continue;
		}
		unlink_work(work);
		work->state = USER_WORK_RUNNING;
		pthread_mutex_unlock(&user.works_lock);
		work->fn(work->ctx);
		pthread_mutex_lock(&user.works_lock);
		if (work->state == USER_WORK_AGAIN && !work->finishing)
			append(work);
		else
			work->state = USER_WORK_IDLE;
		/* Who waits in fini may free it from here on. */
		pthread_cond_broadcast(&user.works_changed);
	}
	pthread_mutex_unlock(&user.works_lock);
	return NULL;
}

/* --- timers ------------------------------------------------------------------------------------------ */

void hvos_timer_init(struct hvos_timer *timer, hvos_fn fn, void *ctx)
{
	*timer = (struct hvos_timer){ .fn = fn, .ctx = ctx };
}

static void disarm(struct hvos_timer *timer)
{
	struct hvos_timer **link;

	for (link = &user.timers; *link && *link != timer; link = &(*link)->next)
		;
	if (*link)
		*link = timer->next;
	timer->deadline_ns = 0;
}

void hvos_timer_arm(struct hvos_timer *timer, uint64_t deadline_ns)
{
	struct hvos_timer **link;

	pthread_mutex_lock(&user.timers_lock);
	disarm(timer);
	timer->deadline_ns = deadline_ns + !deadline_ns;
	for (link = &user.timers; *link && (*link)->deadline_ns <= timer->deadline_ns;
	     link = &(*link)->next)
		;
	timer->next = *link;
	*link = timer;
	pthread_cond_broadcast(&user.timers_changed);
	pthread_mutex_unlock(&user.timers_lock);
}

void hvos_timer_stop(struct hvos_timer *timer)
{
	user_may_sleep();
	pthread_mutex_lock(&user.timers_lock);
	disarm(timer);
	while (user.firing == timer)
		pthread_cond_wait(&user.timers_changed, &user.timers_lock);
	/* It may have armed itself anew. */
	disarm(timer);
	pthread_mutex_unlock(&user.timers_lock);
}

static void *timer_thread(void *unused)
{
	(void)unused;
	user_in_interrupt = true;
	pthread_mutex_lock(&user.timers_lock);
	while (!user.timers_stop) {
		struct hvos_timer *first = user.timers;

		if (!first) {
			pthread_cond_wait(&user.timers_changed, &user.timers_lock);
		} else if (first->deadline_ns > hvos_now_ns()) {
			struct timespec until = user_deadline(first->deadline_ns);

			pthread_cond_timedwait(&user.timers_changed, &user.timers_lock, &until);
		} else {
			disarm(first);
			user.firing = first;
			pthread_mutex_unlock(&user.timers_lock);
			first->fn(first->ctx);
			pthread_mutex_lock(&user.timers_lock);
			user.firing = NULL;
			pthread_cond_broadcast(&user.timers_changed);
		}
	}
	pthread_mutex_unlock(&user.timers_lock);
	return NULL;
}

/* --- virtual processors ------------------------------------------------------------------------------ */

static _Thread_local unsigned current_cpu;

unsigned user_cpu_current(void)
{
	return current_cpu;
}

static void take_interrupt(struct user_cpu *cpu)
{
	hvos_interrupt_fn fn = __atomic_load_n(&user.interrupt_fn, __ATOMIC_ACQUIRE);

	cpu->interrupt = false;
	pthread_mutex_unlock(&cpu->lock);
	if (fn)
		fn(user.interrupt_ctx, cpu->index);
	pthread_mutex_lock(&cpu->lock);
}

static void take_call(struct user_cpu *cpu)
{
	struct user_call *call = cpu->call;

	pthread_mutex_unlock(&cpu->lock);
	call->fn(call->ctx);
	pthread_mutex_lock(&cpu->lock);
	call->done = true;
	cpu->call = NULL;
	pthread_cond_broadcast(&cpu->changed);
}

static void take_kick(struct user_cpu *cpu)
{
	cpu->kick = false;
	pthread_mutex_unlock(&cpu->lock);
	user.config->kicked(user.config->hypervisor->ctx, cpu->index);
	pthread_mutex_lock(&cpu->lock);
}

/* Calls before interrupts: there is an end to them, and somebody waits for each. */
static void *cpu_thread(void *argument)
{
	struct user_cpu *cpu = argument;

	current_cpu = cpu->index;
	user_in_interrupt = true;
	pthread_mutex_lock(&cpu->lock);
	while (!cpu->stop) {
		if (cpu->kick)
			take_kick(cpu);
		else if (cpu->call)
			take_call(cpu);
		else if (cpu->interrupt)
			take_interrupt(cpu);
		else
			pthread_cond_wait(&cpu->changed, &cpu->lock);
	}
	pthread_mutex_unlock(&cpu->lock);
	return NULL;
}

void user_interrupt(unsigned index)
{
	struct user_cpu *cpu = &user.cpus[index];

	pthread_mutex_lock(&cpu->lock);
	cpu->interrupt = true;
	pthread_cond_broadcast(&cpu->changed);
	pthread_mutex_unlock(&cpu->lock);
}

void user_kick(unsigned index)
{
	struct user_cpu *cpu = &user.cpus[index];

	pthread_mutex_lock(&cpu->lock);
	cpu->kick = true;
	pthread_cond_broadcast(&cpu->changed);
	pthread_mutex_unlock(&cpu->lock);
}

unsigned hvos_cpu_count(void)
{
	return user.config->cpus;
}

bool hvos_cpu_online(unsigned cpu)
{
	return cpu < user.config->cpus;
}

int hvos_cpu_call(unsigned index, hvos_fn fn, void *ctx)
{
	struct user_call call = { .fn = fn, .ctx = ctx };
	struct user_cpu *cpu;

	if (!hvos_cpu_online(index))
		return -ENODEV;
	user_may_sleep();
	cpu = &user.cpus[index];
	pthread_mutex_lock(&cpu->lock);
	while (cpu->call)
		pthread_cond_wait(&cpu->changed, &cpu->lock);
	cpu->call = &call;
	pthread_cond_broadcast(&cpu->changed);
	while (!call.done)
		pthread_cond_wait(&cpu->changed, &cpu->lock);
	pthread_mutex_unlock(&cpu->lock);
	return 0;
}

int hvos_interrupt_start(hvos_interrupt_fn fn, void *ctx, uint8_t *vector)
{
	user.interrupt_ctx = ctx;
	__atomic_store_n(&user.interrupt_fn, fn, __ATOMIC_RELEASE);
	*vector = 0x40;
	return 0;
}

static void nothing(void *ctx)
{
	(void)ctx;
}

/* A processor that answers a call is not in an interrupt, or in a later one. */
void hvos_interrupt_drain(void)
{
	unsigned i;

	for (i = 0; i < user.config->cpus; i++)
		(void)!hvos_cpu_call(i, nothing, NULL);
}

void hvos_interrupt_stop(void)
{
	__atomic_store_n(&user.interrupt_fn, NULL, __ATOMIC_RELEASE);
	hvos_interrupt_drain();
}

/* --- life -------------------------------------------------------------------------------------------- */

static void init_state(const struct user_config *config)
{
	memset(&user, 0, sizeof(user));
	user.config = config;
	user.pages = (uint32_t)(config->memory_bytes / HVP_PAGE_SIZE);
	pthread_mutex_init(&user.memory_lock, NULL);
	pthread_mutex_init(&user.works_lock, NULL);
	pthread_mutex_init(&user.timers_lock, NULL);
	user_cond_init(&user.works_changed);
	user_cond_init(&user.timers_changed);
	user.works_end = &user.works;
}

/* A test program that gets no thread has no business to go on. */
static void start_thread(pthread_t *thread, void *(*fn)(void *), void *argument)
{
	if (pthread_create(thread, NULL, fn, argument)) {
		fprintf(stderr, "user port: cannot start a thread\n");
		abort();
	}
}

int user_start(const struct user_config *config)
{
	unsigned i;

	init_state(config);
	user.used = calloc(user.pages, 1);
	user.cpus = calloc(config->cpus, sizeof(user.cpus[0]));
	if (!user.used || !user.cpus) {
		free(user.used);
		free(user.cpus);
		return -ENOMEM;
	}
	for (i = 0; i < USER_WORKERS; i++)
		start_thread(&user.workers[i], worker, NULL);
	start_thread(&user.timer_thread, timer_thread, NULL);
	for (i = 0; i < config->cpus; i++) {
		struct user_cpu *cpu = &user.cpus[i];

		cpu->index = i;
		pthread_mutex_init(&cpu->lock, NULL);
		user_cond_init(&cpu->changed);
		start_thread(&cpu->thread, cpu_thread, cpu);
	}
	return 0;
}

static void stop_threads(void)
{
	unsigned i;

	pthread_mutex_lock(&user.works_lock);
	user.works_stop = true;
	pthread_cond_broadcast(&user.works_changed);
	pthread_mutex_unlock(&user.works_lock);
	for (i = 0; i < USER_WORKERS; i++)
		pthread_join(user.workers[i], NULL);
	pthread_mutex_lock(&user.timers_lock);
	user.timers_stop = true;
	pthread_cond_broadcast(&user.timers_changed);
	pthread_mutex_unlock(&user.timers_lock);
	pthread_join(user.timer_thread, NULL);
	for (i = 0; i < user.config->cpus; i++) {
		struct user_cpu *cpu = &user.cpus[i];

		pthread_mutex_lock(&cpu->lock);
		cpu->stop = true;
		pthread_cond_broadcast(&cpu->changed);
		pthread_mutex_unlock(&cpu->lock);
		pthread_join(cpu->thread, NULL);
		pthread_cond_destroy(&cpu->changed);
		pthread_mutex_destroy(&cpu->lock);
	}
}

static unsigned complain(const char *what, uint64_t count)
{
	if (count)
		fprintf(stderr, "user port: left behind: %llu %s\n", (unsigned long long)count,
			what);
	return count != 0;
}

uint64_t user_lost_pages(void)
{
	return __atomic_load_n(&user.lost_pages, __ATOMIC_RELAXED);
}

unsigned user_stop(void)
{
	uint64_t shared = 0;
	unsigned left = 0;
	uint32_t page;

	stop_threads();
	for (page = 0; page < user.pages; page++)
		shared += user.used[page];
	left += complain("allocations", user.allocations);
	left += complain("shared pages", shared - user.lost_pages);
	left += complain("queued works", user.works != NULL);
	left += complain("armed timers", user.timers != NULL);
	left += complain("interrupt functions", user.interrupt_fn != NULL);
	free(user.used);
	free(user.cpus);
	return left;
}
