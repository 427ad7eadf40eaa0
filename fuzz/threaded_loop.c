/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The loops of the threaded host: queues of jobs, each with a thread.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fuzz/threaded_host_priv.h"

/* --- queues ------------------------------------------------------------------------------------------ */

static void append(struct loop *loop, struct job ***last, struct job *job)
{
	pthread_mutex_lock(&loop->lock);
	if (!job->queued) {
		job->queued = true;
		job->next = NULL;
		**last = job;
		*last = &job->next;
		pthread_cond_broadcast(&loop->changed);
	}
	pthread_mutex_unlock(&loop->lock);
}

void threaded_loop_give(struct loop *loop, struct job *job)
{
	append(loop, &loop->last, job);
}

/* With the loop's lock. */
static struct job *take(struct job **first, struct job ***last)
{
	struct job *job = *first;

	if (!job)
		return NULL;
	*first = job->next;
	if (!*first)
		*last = first;
	job->queued = false;
	return job;
}

/* With the loop's lock. Nothing happens if it is not there. */
static void unlink_job(struct job **first, struct job ***last, struct job *job)
{
	struct job **link;

	for (link = first; *link && *link != job; link = &(*link)->next)
		;
	if (!*link)
		return;
	*link = job->next;
	if (!*link)
		*last = link;
	job->queued = false;
}

void threaded_loop_cancel(struct loop *loop, struct job *job)
{
	pthread_mutex_lock(&loop->lock);
	unlink_job(&loop->first, &loop->last, job);
	pthread_mutex_unlock(&loop->lock);
}

bool threaded_loop_ask(struct threaded_host *host, struct job *job)
{
	struct loop *loop = &host->control;
	bool done;

	append(loop, &loop->held_last, job);
	pthread_mutex_lock(&loop->lock);
	/* One that is not in the queue any more is being done. */
	while (!job->done && !(loop->stop && job->queued))
		pthread_cond_wait(&loop->changed, &loop->lock);
	done = job->done;
	if (!done)
		unlink_job(&loop->held, &loop->held_last, job);
	pthread_mutex_unlock(&loop->lock);
	return done;
}

void threaded_job_done(struct threaded_host *host, struct job *job)
{
	struct loop *loop = &host->control;

	pthread_mutex_lock(&loop->lock);
	job->done = true;
	pthread_cond_broadcast(&loop->changed);
	pthread_mutex_unlock(&loop->lock);
}

void threaded_loop_init(struct loop *loop, struct threaded_host *host, void *(*run)(void *loop))
{
	pthread_condattr_t attributes;

	loop->host = host;
	loop->last = &loop->first;
	loop->held_last = &loop->held;
	pthread_mutex_init(&loop->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&loop->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	THREADED_REQUIRE(pthread_create(&loop->thread, NULL, run, loop) == 0);
}

void threaded_loop_end(struct loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	loop->stop = true;
	pthread_cond_broadcast(&loop->changed);
	pthread_mutex_unlock(&loop->lock);
	pthread_join(loop->thread, NULL);
}

void threaded_loop_fini(struct loop *loop)
{
	pthread_cond_destroy(&loop->changed);
	pthread_mutex_destroy(&loop->lock);
}

/* --- control loop ------------------------------------------------------------------------------------ */

void *threaded_control_run(void *argument)
{
	struct loop *loop = argument;

	pthread_mutex_lock(&loop->lock);
	while (!loop->stop) {
		struct job *job = take(&loop->first, &loop->last);

		if (!job)
			job = take(&loop->held, &loop->held_last);
		if (!job) {
			pthread_cond_wait(&loop->changed, &loop->lock);
			continue;
		}
		pthread_mutex_unlock(&loop->lock);
		job->fn(loop->host, job);
		pthread_mutex_lock(&loop->lock);
	}
	pthread_mutex_unlock(&loop->lock);
	return NULL;
}

void threaded_control_nested(struct threaded_host *host, bool (*until)(struct threaded_host *host))
{
	struct loop *loop = &host->control;

	while (!until(host)) {
		struct job *job;

		pthread_mutex_lock(&loop->lock);
		while (!(job = take(&loop->first, &loop->last)))
			pthread_cond_wait(&loop->changed, &loop->lock);
		pthread_mutex_unlock(&loop->lock);
		job->fn(host, job);
	}
}

/* --- owner loops ------------------------------------------------------------------------------------- */

static void wait_until(struct loop *loop, uint64_t deadline_ns)
{
	struct timespec until = { .tv_sec = (time_t)(deadline_ns / 1000000000),
				  .tv_nsec = (long)(deadline_ns % 1000000000) };

	if (deadline_ns)
		pthread_cond_timedwait(&loop->changed, &loop->lock, &until);
	else
		pthread_cond_wait(&loop->changed, &loop->lock);
}

/* With its lock. */
static void stand_still(struct loop *loop)
{
	loop->parked = true;
	pthread_cond_broadcast(&loop->changed);
	while (loop->park)
		pthread_cond_wait(&loop->changed, &loop->lock);
	loop->parked = false;
	pthread_cond_broadcast(&loop->changed);
}

void *threaded_owner_run(void *argument)
{
	struct loop *loop = argument;
	uint64_t deadline_ns = 0;

	pthread_mutex_lock(&loop->lock);
	for (;;) {
		struct job *job;

		if (loop->park) {
			stand_still(loop);
			continue;
		}
		job = take(&loop->first, &loop->last);
		if (!job && loop->stop)
			break;
		pthread_mutex_unlock(&loop->lock);
		if (job)
			job->fn(loop->host, job);
		else
			threaded_host_idle(loop->host, loop);
		deadline_ns = threaded_host_expire(loop->host, loop);
		pthread_mutex_lock(&loop->lock);
		if (!job && !loop->first && !loop->stop && !loop->park)
			wait_until(loop, deadline_ns);
	}
	pthread_mutex_unlock(&loop->lock);
	return NULL;
}

void threaded_owner_park(struct loop *owner)
{
	pthread_mutex_lock(&owner->lock);
	owner->park = true;
	pthread_cond_broadcast(&owner->changed);
	while (!owner->parked)
		pthread_cond_wait(&owner->changed, &owner->lock);
	pthread_mutex_unlock(&owner->lock);
}

void threaded_owner_unpark(struct loop *owner)
{
	pthread_mutex_lock(&owner->lock);
	owner->park = false;
	pthread_cond_broadcast(&owner->changed);
	while (owner->parked)
		pthread_cond_wait(&owner->changed, &owner->lock);
	pthread_mutex_unlock(&owner->lock);
}
