/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/loop.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_PER_WAIT 32

struct watch {
	int fd;
	vmm_loop_fd_fn fn; /* NULL: removed, waits to be freed */
	void *ctx;
	struct watch *next_dead;
};

/* (c) const after create, (l) lock, (o) the loop's thread */
struct vmm_loop {
	int epoll_fd; /* (c) */
	int wake_fd; /* (c) */
	pthread_mutex_t lock;
	struct vmm_call *calls; /* (l) oldest first; their fields but fn and ctx too */
	struct vmm_call **calls_end; /* (l) */
	uint64_t posted; /* (l) calls so far */
	bool stop; /* (l) */
	struct watch **watches; /* (o) by descriptor */
	size_t watches_size; /* (o) */
	struct watch *dead; /* (o) removed while their events may still be in the batch at hand */
	struct vmm_timer *timers; /* (o) by deadline */
};

uint64_t vmm_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int vmm_loop_create(struct vmm_loop **out)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct vmm_loop *loop = calloc(1, sizeof(*loop));
	int err;

	if (!loop)
		return -ENOMEM;
	pthread_mutex_init(&loop->lock, NULL);
	loop->calls_end = &loop->calls;
	loop->wake_fd = -1;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0)
		goto err_errno;
	loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->wake_fd < 0)
		goto err_errno;
	/* The wake-up's events are told from others by their empty pointer. */
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &event) < 0)
		goto err_errno;
	*out = loop;
	return 0;

err_errno:
	err = -errno;
	vmm_loop_destroy(loop);
	return err;
}

static void free_dead(struct vmm_loop *loop)
{
	while (loop->dead) {
		struct watch *watch = loop->dead;

		loop->dead = watch->next_dead;
		free(watch);
	}
}

void vmm_loop_destroy(struct vmm_loop *loop)
{
	if (!loop)
		return;
	for (size_t fd = 0; fd < loop->watches_size; fd++)
		free(loop->watches[fd]);
	free(loop->watches);
	free_dead(loop);
	if (loop->wake_fd >= 0)
		close(loop->wake_fd);
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	pthread_mutex_destroy(&loop->lock);
	free(loop);
}

static int reserve_watch(struct vmm_loop *loop, int fd)
{
	size_t size = loop->watches_size ? loop->watches_size : 64;
	struct watch **watches;

	if (fd < 0)
		return -EBADF;
	while (size <= (size_t)fd)
		size *= 2;
	if (size == loop->watches_size)
		return 0;
	watches = realloc(loop->watches, size * sizeof(struct watch *));
	if (!watches)
		return -ENOMEM;
	memset(watches + loop->watches_size, 0,
	       (size - loop->watches_size) * sizeof(struct watch *));
	loop->watches = watches;
	loop->watches_size = size;
	return 0;
}

static struct watch *find_watch(const struct vmm_loop *loop, int fd)
{
	return fd >= 0 && (size_t)fd < loop->watches_size ? loop->watches[fd] : NULL;
}

int vmm_loop_add(struct vmm_loop *loop, int fd, uint32_t events, vmm_loop_fd_fn fn, void *ctx)
{
	struct epoll_event event = { .events = events };
	struct watch *watch;
	int err = reserve_watch(loop, fd);

	if (err)
		return err;
	if (loop->watches[fd])
		return -EEXIST;
	watch = malloc(sizeof(*watch));
	if (!watch)
		return -ENOMEM;
	*watch = (struct watch){ .fd = fd, .fn = fn, .ctx = ctx };
	event.data.ptr = watch;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		err = -errno;
		free(watch);
		return err;
	}
	loop->watches[fd] = watch;
	return 0;
}

int vmm_loop_modify(struct vmm_loop *loop, int fd, uint32_t events)
{
	struct watch *watch = find_watch(loop, fd);
	struct epoll_event event = { .events = events, .data.ptr = watch };

	if (!watch)
		return -ENOENT;
	return epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, fd, &event) < 0 ? -errno : 0;
}

void vmm_loop_remove(struct vmm_loop *loop, int fd)
{
	struct watch *watch = find_watch(loop, fd);

	if (!watch)
		return;
	epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	loop->watches[fd] = NULL;
	watch->fn = NULL;
	watch->next_dead = loop->dead;
	loop->dead = watch;
}

void vmm_timer_init(struct vmm_timer *timer, struct vmm_loop *loop, vmm_loop_fn fn, void *ctx)
{
	*timer = (struct vmm_timer){ .loop = loop, .fn = fn, .ctx = ctx };
}

void vmm_timer_set(struct vmm_timer *timer, uint64_t deadline_ns)
{
	struct vmm_timer **at;

	if (timer->deadline_ns) {
		for (at = &timer->loop->timers; *at != timer; at = &(*at)->next)
			;
		*at = timer->next;
	}
	timer->deadline_ns = deadline_ns;
	if (!deadline_ns)
		return;
	for (at = &timer->loop->timers; *at && (*at)->deadline_ns <= deadline_ns; at = &(*at)->next)
		;
	timer->next = *at;
	*at = timer;
}

/* Only timers that were due on entry: one that arms itself anew must not keep the descriptors waiting. */
static void run_timers(struct vmm_loop *loop)
{
	uint64_t now = loop->timers ? vmm_now_ns() : 0;

	while (loop->timers && loop->timers->deadline_ns <= now) {
		struct vmm_timer *timer = loop->timers;

		loop->timers = timer->next;
		timer->deadline_ns = 0;
		timer->fn(timer->ctx);
	}
}

/* Milliseconds for epoll_wait(), rounded up so that a timer is due when the wait ends. */
static int wait_ms(const struct vmm_loop *loop)
{
	uint64_t now, ms;

	if (!loop->timers)
		return -1;
	now = vmm_now_ns();
	if (loop->timers->deadline_ns <= now)
		return 0;
	ms = (loop->timers->deadline_ns - now + 999999) / 1000000;
	return ms < INT_MAX ? (int)ms : INT_MAX;
}

void vmm_eventfd_ring(int fd)
{
	uint64_t one = 1;

	/* Only fails when the counter is full, and then the reader wakes anyhow. */
	if (write(fd, &one, sizeof(one)) < 0)
		return;
}

void vmm_eventfd_drain(int fd)
{
	uint64_t count;

	/* Nothing there is as good. */
	if (read(fd, &count, sizeof(count)) < 0)
		return;
}

void vmm_call_init(struct vmm_call *call, struct vmm_loop *loop, vmm_loop_fn fn, void *ctx)
{
	*call = (struct vmm_call){ .loop = loop, .fn = fn, .ctx = ctx };
}

void vmm_call_post(struct vmm_call *call)
{
	struct vmm_loop *loop = call->loop;

	pthread_mutex_lock(&loop->lock);
	if (call->waits) {
		pthread_mutex_unlock(&loop->lock);
		return;
	}
	call->waits = true;
	call->next = NULL;
	call->number = ++loop->posted;
	*loop->calls_end = call;
	loop->calls_end = &call->next;
	/* Under the lock: once it is released the call may run, and its owner end the loop. */
	vmm_eventfd_ring(loop->wake_fd);
	pthread_mutex_unlock(&loop->lock);
}

static void unlink_call_locked(struct vmm_loop *loop, struct vmm_call **at)
{
	struct vmm_call *call = *at;

	*at = call->next;
	if (loop->calls_end == &call->next)
		loop->calls_end = at;
	call->waits = false;
}

void vmm_call_cancel(struct vmm_call *call)
{
	struct vmm_loop *loop = call->loop;
	struct vmm_call **at = &loop->calls;

	pthread_mutex_lock(&loop->lock);
	if (call->waits) {
		while (*at != call)
			at = &(*at)->next;
		unlink_call_locked(loop, at);
	}
	pthread_mutex_unlock(&loop->lock);
}

/*
 * One by one, because a call may cancel those behind it. Calls posted by these calls run in the next
 * round: their ring came after the descriptor was drained.
 */
static void run_calls(struct vmm_loop *loop)
{
	uint64_t last;

	vmm_eventfd_drain(loop->wake_fd);
	pthread_mutex_lock(&loop->lock);
	last = loop->posted;
	while (loop->calls && loop->calls->number <= last) {
		struct vmm_call *call = loop->calls;
		vmm_loop_fn fn = call->fn;
		void *ctx = call->ctx;

		unlink_call_locked(loop, &loop->calls);
		pthread_mutex_unlock(&loop->lock);
		fn(ctx);
		pthread_mutex_lock(&loop->lock);
	}
	pthread_mutex_unlock(&loop->lock);
}

/* True once; so that a loop can be run again. */
static bool take_stop(struct vmm_loop *loop)
{
	bool stop;

	pthread_mutex_lock(&loop->lock);
	stop = loop->stop;
	loop->stop = false;
	pthread_mutex_unlock(&loop->lock);
	return stop;
}

void vmm_loop_run(struct vmm_loop *loop)
{
	struct epoll_event events[EVENTS_PER_WAIT];

	while (!take_stop(loop)) {
		int count = epoll_wait(loop->epoll_fd, events, EVENTS_PER_WAIT, wait_ms(loop));

		for (int i = 0; i < count; i++) {
			struct watch *watch = events[i].data.ptr;

			if (!watch)
				run_calls(loop);
			else if (watch->fn)
				watch->fn(watch->ctx, events[i].events);
		}
		free_dead(loop);
		run_timers(loop);
	}
	/* What was posted before the stop: often the line that tells why. */
	run_calls(loop);
}

void vmm_loop_stop(struct vmm_loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	loop->stop = true;
	/* Under the lock, as in vmm_call_post(). */
	vmm_eventfd_ring(loop->wake_fd);
	pthread_mutex_unlock(&loop->lock);
}
