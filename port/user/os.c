/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Memory, locks, waiting, log, clock and power.
 */
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hvp_ic.h"
#include "port/user/user_priv.h"

struct user_state user;

static void die(const char *what)
{
	fprintf(stderr, "user port: %s\n", what);
	abort();
}

/* --- memory ------------------------------------------------------------------------------------------ */

void *hvos_alloc(size_t bytes)
{
	void *memory = calloc(1, bytes);

	if (memory) {
		__atomic_fetch_add(&user.allocations, 1, __ATOMIC_RELAXED);
		__atomic_fetch_add(&user.bytes, malloc_usable_size(memory), __ATOMIC_RELAXED);
	}
	return memory;
}

void hvos_free(void *memory)
{
	if (memory) {
		__atomic_fetch_sub(&user.allocations, 1, __ATOMIC_RELAXED);
		__atomic_fetch_sub(&user.bytes, malloc_usable_size(memory), __ATOMIC_RELAXED);
	}
	free(memory);
}

void user_usage(struct user_usage *usage)
{
	usage->allocations = __atomic_load_n(&user.allocations, __ATOMIC_RELAXED);
	usage->bytes = __atomic_load_n(&user.bytes, __ATOMIC_RELAXED);
}

/* First fit of free pages in the bitmap; the whole is small and this is rare. */
int hvos_shared_alloc(struct hvos_shared *shared, uint32_t pages)
{
	uint32_t first = 0, run = 0, page;

	pthread_mutex_lock(&user.memory_lock);
	for (page = 0; page < user.pages && run < pages; page++) {
		if (user.used[page])
			run = 0;
		else if (run++ == 0)
			first = page;
	}
	if (run == pages)
		memset(user.used + first, 1, pages);
	pthread_mutex_unlock(&user.memory_lock);
	if (run < pages || !pages)
		return -ENOMEM;
	shared->base = (uint8_t *)user.config->memory + (size_t)first * HVP_PAGE_SIZE;
	shared->pages = pages;
	memset(shared->base, 0, (size_t)pages * HVP_PAGE_SIZE);
	return 0;
}

static uint32_t page_of(const struct hvos_shared *shared)
{
	return (uint32_t)(((uint8_t *)shared->base - (uint8_t *)user.config->memory) /
			  HVP_PAGE_SIZE);
}

int hvos_shared_free(struct hvos_shared *shared)
{
	pthread_mutex_lock(&user.memory_lock);
	memset(user.used + page_of(shared), 0, shared->pages);
	pthread_mutex_unlock(&user.memory_lock);
	return 0;
}

void hvos_shared_lose(struct hvos_shared *shared)
{
	__atomic_fetch_add(&user.lost_pages, shared->pages, __ATOMIC_RELAXED);
}

uint64_t hvos_shared_gpn(const struct hvos_shared *shared, uint32_t page)
{
	return (user.config->memory_gpa >> HVP_PAGE_SHIFT) + page_of(shared) + page;
}

int hvos_code_alloc(struct hvos_shared *page)
{
	return hvos_shared_alloc(page, 1);
}

void hvos_code_free(struct hvos_shared *page)
{
	pthread_mutex_lock(&user.memory_lock);
	user.used[page_of(page)] = 0;
	pthread_mutex_unlock(&user.memory_lock);
}

/* --- locks ------------------------------------------------------------------------------------------- */

static void init_checked(pthread_mutex_t *mutex)
{
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
	pthread_mutex_init(mutex, &attributes);
	pthread_mutexattr_destroy(&attributes);
}

void hvos_lock_init(struct hvos_lock *lock, const char *name)
{
	(void)name;
	init_checked(&lock->mutex);
	lock->held = false;
}

void hvos_lock_fini(struct hvos_lock *lock)
{
	if (pthread_mutex_destroy(&lock->mutex))
		die("a lock is finished while it is held");
}

void hvos_lock(struct hvos_lock *lock)
{
	if (pthread_mutex_lock(&lock->mutex))
		die("a lock is taken twice");
	lock->holder = pthread_self();
	lock->held = true;
	user_locks_held++;
}

void hvos_unlock(struct hvos_lock *lock)
{
	lock->held = false;
	user_locks_held--;
	if (pthread_mutex_unlock(&lock->mutex))
		die("a lock is released by another thread");
}

/* Called by the holder, so nobody else writes these meanwhile. */
void hvos_lock_assert(const struct hvos_lock *lock)
{
	if (!lock->held || !pthread_equal(lock->holder, pthread_self()))
		die("a lock is not held");
}

void hvos_mutex_init(struct hvos_mutex *mutex, const char *name)
{
	(void)name;
	init_checked(&mutex->mutex);
	mutex->held = false;
}

void hvos_mutex_fini(struct hvos_mutex *mutex)
{
	if (pthread_mutex_destroy(&mutex->mutex))
		die("a mutex is finished while it is held");
}

void hvos_mutex_lock(struct hvos_mutex *mutex)
{
	user_may_sleep();
	if (pthread_mutex_lock(&mutex->mutex))
		die("a mutex is taken twice");
	mutex->holder = pthread_self();
	mutex->held = true;
}

void hvos_mutex_unlock(struct hvos_mutex *mutex)
{
	mutex->held = false;
	if (pthread_mutex_unlock(&mutex->mutex))
		die("a mutex is released by another thread");
}

void hvos_mutex_assert(const struct hvos_mutex *mutex)
{
	if (!mutex->held || !pthread_equal(mutex->holder, pthread_self()))
		die("a mutex is not held");
}

_Thread_local unsigned user_locks_held;
_Thread_local bool user_in_interrupt;

void user_may_sleep(void)
{
	if (user_locks_held || user_in_interrupt)
		die("sleeps with a lock held or in an interrupt");
}

/* --- waiting ----------------------------------------------------------------------------------------- */

struct timespec user_deadline(uint64_t deadline_ns)
{
	return (struct timespec){ .tv_sec = (time_t)(deadline_ns / 1000000000),
				  .tv_nsec = (long)(deadline_ns % 1000000000) };
}

void user_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attributes);
	pthread_condattr_destroy(&attributes);
}

void hvos_event_init(struct hvos_event *event)
{
	pthread_mutex_init(&event->mutex, NULL);
	user_cond_init(&event->changed);
	event->set = false;
}

void hvos_event_fini(struct hvos_event *event)
{
	pthread_cond_destroy(&event->changed);
	pthread_mutex_destroy(&event->mutex);
}

static void set_event(struct hvos_event *event, bool set)
{
	pthread_mutex_lock(&event->mutex);
	event->set = set;
	if (set)
		pthread_cond_broadcast(&event->changed);
	pthread_mutex_unlock(&event->mutex);
}

void hvos_event_set(struct hvos_event *event)
{
	set_event(event, true);
}

void hvos_event_reset(struct hvos_event *event)
{
	set_event(event, false);
}

int hvos_event_wait(struct hvos_event *event, uint32_t timeout_ms)
{
	struct timespec until = user_deadline(hvos_now_ns() + timeout_ms * 1000000ull);
	int err = 0;

	user_may_sleep();
	pthread_mutex_lock(&event->mutex);
	while (!event->set && !err)
		err = pthread_cond_timedwait(&event->changed, &event->mutex, &until);
	if (event->set)
		err = 0;
	pthread_mutex_unlock(&event->mutex);
	return err ? -ETIMEDOUT : 0;
}

static void sleep_ns(uint64_t ns)
{
	struct timespec left = user_deadline(ns);

	while (nanosleep(&left, &left) && errno == EINTR)
		;
}

void hvos_sleep_ms(uint32_t ms)
{
	user_may_sleep();
	sleep_ns(ms * 1000000ull);
}

void hvos_delay_us(uint32_t us)
{
	sleep_ns(us * 1000ull);
}

uint64_t hvos_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* --- log, clock, power ------------------------------------------------------------------------------- */

void hvos_log(enum hvos_level level, const char *format, ...)
{
	char line[256];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (user.config->log)
		user.config->log(level, line);
	else
		fprintf(stderr, "guest: %s\n", line);
}

/* A wall clock of the guest's own: the process's is not ours to set. */
uint64_t hvos_clock_get(void)
{
	return HVP_TIME_UNIX_EPOCH + hvos_now_ns() / 100 +
	       __atomic_load_n(&user.clock_ahead, __ATOMIC_RELAXED);
}

int hvos_clock_step(int64_t delta)
{
	__atomic_fetch_add(&user.clock_ahead, (uint64_t)delta, __ATOMIC_RELAXED);
	return 0;
}

int hvos_clock_slew(int64_t delta)
{
	__atomic_fetch_add(&user.clock_ahead, (uint64_t)delta, __ATOMIC_RELAXED);
	return 0;
}

bool hvos_power_supported(enum hvos_power action)
{
	(void)action;
	return user.config->power != NULL;
}

void hvos_power(enum hvos_power action, bool force)
{
	user.config->power(action, force);
}

const struct hvg_soft_hypervisor *hvg_soft_hypervisor(void)
{
	return user.config->hypervisor;
}
