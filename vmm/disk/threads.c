/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The engine on threads, each of which makes one call at a time.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "vmm/disk/call.h"
#include "vmm/disk/engine.h"
#include "vmm/loop.h"

#define THREADS 4u

struct list {
	struct hvh_disk_io *first, **end;
};

struct pool {
	struct vmm_disk_engine_user user;
	struct vmm_call done_call; /* to the loop */
	pthread_t thread[THREADS];
	unsigned threads; /* that run */
	pthread_mutex_t lock; /* the rest, not held during a call */
	pthread_cond_t more;
	struct list todo, done;
	bool ends;
};

static void append(struct list *list, struct hvh_disk_io *io)
{
	io->next = NULL;
	*list->end = io;
	list->end = &io->next;
}

static struct hvh_disk_io *take(struct list *list)
{
	struct hvh_disk_io *io = list->first;

	if (!io)
		return NULL;
	list->first = io->next;
	if (!list->first)
		list->end = &list->first;
	return io;
}

static void carry_out(struct pool *pool, struct hvh_disk_io *io)
{
	struct vmm_disk_call call;
	const struct vmm_disk_file *file = pool->user.file_of(io->disk);
	bool more = vmm_disk_again(file, io, &call);

	while (more)
		more = vmm_disk_next(file, io, vmm_disk_call(file, &call), &call);
}

static void *run(void *ctx)
{
	struct pool *pool = ctx;
	struct hvh_disk_io *io;

	pthread_mutex_lock(&pool->lock);
	for (;;) {
		while (!(io = take(&pool->todo)) && !pool->ends)
			pthread_cond_wait(&pool->more, &pool->lock);
		if (!io)
			break;
		pthread_mutex_unlock(&pool->lock);
		carry_out(pool, io);
		pthread_mutex_lock(&pool->lock);
		append(&pool->done, io);
		vmm_call_post(&pool->done_call);
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

static void on_done(void *ctx)
{
	struct pool *pool = ctx;
	struct hvh_disk_io *io;

	for (;;) {
		pthread_mutex_lock(&pool->lock);
		io = take(&pool->done);
		pthread_mutex_unlock(&pool->lock);
		if (!io)
			break;
		pool->user.done(pool->user.ctx, io);
	}
	pool->user.flush(pool->user.ctx);
}

static void destroy(void *engine)
{
	struct pool *pool = engine;

	pthread_mutex_lock(&pool->lock);
	pool->ends = true;
	pthread_cond_broadcast(&pool->more);
	pthread_mutex_unlock(&pool->lock);
	while (pool->threads)
		pthread_join(pool->thread[--pool->threads], NULL);
	pthread_cond_destroy(&pool->more);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

static int create(struct vmm_loop *loop, const struct vmm_disk_engine_user *user, void **engine)
{
	struct pool *pool = calloc(1, sizeof(*pool));
	int err = 0;

	if (!pool)
		return -ENOMEM;
	pool->user = *user;
	pool->todo.end = &pool->todo.first;
	pool->done.end = &pool->done.first;
	vmm_call_init(&pool->done_call, loop, on_done, pool);
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->more, NULL);
	while (!err && pool->threads < THREADS) {
		err = -pthread_create(&pool->thread[pool->threads], NULL, run, pool);
		pool->threads += !err;
	}
	/* One is enough. */
	if (!pool->threads) {
		destroy(pool);
		return err;
	}
	*engine = pool;
	return 0;
}

static int start(void *engine)
{
	(void)engine;
	return 0;
}

void vmm_disk_threads_take(void *engine, struct hvh_disk_io *io)
{
	struct pool *pool = engine;

	pthread_mutex_lock(&pool->lock);
	append(&pool->todo, io);
	pthread_cond_signal(&pool->more);
	pthread_mutex_unlock(&pool->lock);
}

static void submit(void *engine, struct hvh_disk_io *io)
{
	vmm_disk_begin(io);
	vmm_disk_threads_take(engine, io);
}

static void kick(void *engine)
{
	(void)engine;
}

const struct vmm_disk_engine_ops vmm_disk_threads = {
	.name = "threads",
	.create = create,
	.destroy = destroy,
	.start = start,
	.submit = submit,
	.kick = kick,
};
