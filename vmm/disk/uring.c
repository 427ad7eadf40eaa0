/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The engine on io_uring: requests are gathered until kick(), and the kernel rings an eventfd of the loop when some are
 * done. What an image has to do in several steps, which wait for one another, goes to threads, with the rest of its request.
 */
#include <errno.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmm/disk/call.h"
#include "vmm/disk/engine.h"
#include "vmm/disk/file.h"
#include "vmm/loop.h"

/* As many as a queue has commands: each has one call under way. */
#define ENTRIES 256u

struct uring {
	struct vmm_disk_engine_user user;
	struct vmm_loop *loop;
	struct io_uring ring;
	int fd; /* rung by the kernel */
	struct vmm_call again; /* the kernel had no memory for what was gathered */
	void *threads; /* for what io_uring has no operation; NULL: not needed yet */
};

static void kick(void *engine)
{
	struct uring *u = engine;

	if (io_uring_sq_ready(&u->ring) && io_uring_submit(&u->ring) < 0)
		vmm_call_post(&u->again);
}

static bool can_all(struct io_uring *ring)
{
	static const int needed[] = { IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC,
				      IORING_OP_FALLOCATE };
	struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
	bool all = probe != NULL;

	for (unsigned i = 0; all && i < sizeof(needed) / sizeof(needed[0]); i++)
		all = io_uring_opcode_supported(probe, needed[i]);
	io_uring_free_probe(probe);
	return all;
}

static int create(struct vmm_loop *loop, const struct vmm_disk_engine_user *user, void **engine)
{
	struct uring *u = calloc(1, sizeof(*u));
	int err;

	if (!u)
		return -ENOMEM;
	u->user = *user;
	u->loop = loop;
	vmm_call_init(&u->again, loop, kick, u);
	u->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (u->fd < 0) {
		err = -errno;
		goto err_free;
	}
	err = io_uring_queue_init(ENTRIES, &u->ring, 0);
	if (err)
		goto err_fd;
	err = can_all(&u->ring) ? io_uring_register_eventfd(&u->ring, u->fd) : -EOPNOTSUPP;
	if (err)
		goto err_ring;
	*engine = u;
	return 0;

err_ring:
	io_uring_queue_exit(&u->ring);
err_fd:
	close(u->fd);
err_free:
	free(u);
	return err;
}

static void destroy(void *engine)
{
	struct uring *u = engine;

	if (u->threads)
		vmm_disk_threads.destroy(u->threads);
	io_uring_queue_exit(&u->ring);
	close(u->fd);
	free(u);
}

/* Threads go on with a request; false: there can be none. */
static bool hand_over(struct uring *u, struct hvh_disk_io *io)
{
	if (!u->threads && vmm_disk_threads.create(u->loop, &u->user, &u->threads))
		return false;
	vmm_disk_threads_take(u->threads, io);
	return true;
}

/* There is always room after the kernel has taken what was gathered. */
static void put(struct uring *u, struct hvh_disk_io *io, const struct vmm_disk_call *call)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
	int fd = u->user.file_of(io->disk)->fd;

	while (!sqe) {
		io_uring_submit(&u->ring);
		sqe = io_uring_get_sqe(&u->ring);
	}
	switch (call->kind) {
	case VMM_DISK_READV:
		io_uring_prep_readv2(sqe, fd, call->iov, call->iovs, call->offset, call->flags);
		break;
	case VMM_DISK_WRITEV:
		io_uring_prep_writev2(sqe, fd, call->iov, call->iovs, call->offset, call->flags);
		break;
	case VMM_DISK_FALLOCATE:
		io_uring_prep_fallocate(sqe, fd, call->flags, (off_t)call->offset,
					(off_t)call->bytes);
		break;
	default:
		io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
		break;
	}
	io_uring_sqe_set_data(sqe, io);
}

/* With the next call of a request, or (`more` is false) at its end. */
static void go_on(struct uring *u, struct hvh_disk_io *io, bool more, struct vmm_disk_call *call)
{
	const struct vmm_disk_file *file = u->user.file_of(io->disk);

	while (more && (call->kind == VMM_DISK_PREPARE || call->kind == VMM_DISK_COMMIT)) {
		if (hand_over(u, io))
			return;
		/* Here and now: it holds up the loop, and it is right. */
		more = vmm_disk_next(file, io, vmm_disk_call(file, call), call);
	}
	if (more)
		put(u, io, call);
	else
		u->user.done(u->user.ctx, io);
}

static void submit(void *engine, struct hvh_disk_io *io)
{
	struct uring *u = engine;
	struct vmm_disk_call call;

	vmm_disk_begin(io);
	go_on(u, io, vmm_disk_again(u->user.file_of(io->disk), io, &call), &call);
}

static void on_done(void *ctx, uint32_t events)
{
	struct uring *u = ctx;
	struct io_uring_cqe *cqe;

	(void)events;
	vmm_eventfd_drain(u->fd);
	while (!io_uring_peek_cqe(&u->ring, &cqe)) {
		struct hvh_disk_io *io = io_uring_cqe_get_data(cqe);
		struct vmm_disk_call call;
		int result = cqe->res;

		io_uring_cqe_seen(&u->ring, cqe);
		go_on(u, io, vmm_disk_next(u->user.file_of(io->disk), io, result, &call), &call);
	}
	u->user.flush(u->user.ctx);
	kick(u);
}

static int start(void *engine)
{
	struct uring *u = engine;

	return vmm_loop_add(u->loop, u->fd, EPOLLIN, on_done, u);
}

const struct vmm_disk_engine_ops vmm_disk_uring = {
	.name = "io_uring",
	.create = create,
	.destroy = destroy,
	.start = start,
	.submit = submit,
	.kick = kick,
};
