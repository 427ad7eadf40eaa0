/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Engines that carry out requests to disks without holding up their loop: io_uring, and where the kernel has none or
 * does not let us, threads. One engine serves one queue, all on its loop.
 */
#ifndef VMM_DISK_ENGINE_H
#define VMM_DISK_ENGINE_H

#include <hvh/hvh_scsi.h>

struct vmm_disk_file;
struct vmm_loop;

/* Set by the embedder. On the engine's loop, unless it says something else. */
struct vmm_disk_engine_user {
	/* What hvh_disk_io.disk is kept in. Any thread. */
	const struct vmm_disk_file *(*file_of)(void *disk);
	void (*done)(void *ctx, struct hvh_disk_io *io); /* io->result */
	void (*flush)(void *ctx); /* after one done() or several */
	void *ctx;
};

struct vmm_disk_engine_ops {
	const char *name; /* for people */

	/* Before anything runs on the loop. Negative errno: cannot be had here. */
	int (*create)(struct vmm_loop *loop, const struct vmm_disk_engine_user *user,
		      void **engine);

	/* Nothing is under way, and the loop has ended. */
	void (*destroy)(void *engine);

	/* On its loop, before the first submit: begin to watch for what is done. */
	int (*start)(void *engine);

	void (*submit)(void *engine, struct hvh_disk_io *io);

	/* No more comes for now. */
	void (*kick)(void *engine);
};
extern const struct vmm_disk_engine_ops vmm_disk_uring, vmm_disk_threads;

/* For an engine of threads: a request that another engine has begun goes on, from vmm_disk_again(). */
void vmm_disk_threads_take(void *engine, struct hvh_disk_io *io);

#endif
