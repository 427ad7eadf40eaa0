/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/io_loops.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "vmm/log.h"
#include "vmm/loop.h"

#define JOIN_SECONDS 5

struct io_thread {
	struct vmm_loop *loop;
	pthread_t thread;
};

/* (c) const after create */
struct vmm_io_loops {
	unsigned count; /* (c) threads that run */
	struct io_thread threads[];
};

static void *run(void *argument)
{
	vmm_loop_run(argument);
	return NULL;
}

/* Signals are the control loop's. */
static int start(struct io_thread *io, unsigned index)
{
	sigset_t all, old;
	char name[16];
	int err = vmm_loop_create(&io->loop);

	if (err)
		return err;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = -pthread_create(&io->thread, NULL, run, io->loop);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err) {
		vmm_loop_destroy(io->loop);
		return err;
	}
	snprintf(name, sizeof(name), "io %u", index);
	pthread_setname_np(io->thread, name);
	return 0;
}

int vmm_io_loops_create(unsigned count, struct vmm_io_loops **out)
{
	struct vmm_io_loops *io = calloc(1, sizeof(*io) + count * sizeof(io->threads[0]));

	if (!io)
		return -ENOMEM;
	while (io->count < count) {
		int err = start(&io->threads[io->count], io->count);

		if (err) {
			(void)vmm_io_loops_destroy(io); /* they have nothing to do yet */
			return err;
		}
		io->count++;
	}
	*out = io;
	return 0;
}

struct vmm_loop *vmm_io_loops_get(const struct vmm_io_loops *io, unsigned index)
{
	return io->threads[index % io->count].loop;
}

unsigned vmm_io_loops_count(const struct vmm_io_loops *io)
{
	return io->count;
}

bool vmm_io_loops_destroy(struct vmm_io_loops *io)
{
	struct timespec until;

	if (!io)
		return true;
	for (unsigned i = 0; i < io->count; i++)
		vmm_loop_stop(io->threads[i].loop);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += JOIN_SECONDS;
	while (io->count) {
		struct io_thread *last = &io->threads[io->count - 1];

		if (pthread_timedjoin_np(last->thread, NULL, &until)) {
			vmm_log(HVH_LOG_ERROR, "I/O thread %u does not end", io->count - 1);
			return false;
		}
		vmm_loop_destroy(last->loop);
		io->count--;
	}
	free(io);
	return true;
}
