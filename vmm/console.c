/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/loop.h"
#include "vmm/terminal.h"

#define INPUT_BYTES  (64u << 10)
#define OUTPUT_BYTES (16u << 10)
#define CHUNK_BYTES  4096u
#define FLUSH_NS     1000000000ull
#define LEAVE_BYTE   0x1d /* Ctrl-] */

/* How often to look whether the shell has given the terminal back. */
#define FOREGROUND_CHECK_NS 500000000ull

/* (c) const after create, (l) lock, (o) the loop's thread */
struct vmm_console {
	struct vmm_loop *loop; /* (c) */
	struct vmm_console_ops ops; /* (c) */
	void *ctx; /* (c) */

	int in_fd; /* (o) -1: no input, or no more */
	bool in_is_terminal; /* (c) */
	bool in_is_ready; /* (c) a file: always readable, and nothing to wait on */
	bool watching; /* (o) in_fd is in the loop */
	/* Bytes that were not taken may be there: vmm_console_resume() has to act. */
	atomic_bool input_waits;
	struct vmm_timer foreground; /* (o) */
	struct vmm_call room, file_ready, resume; /* (c) */
	uint8_t input[INPUT_BYTES]; /* (o) a ring */
	size_t input_at; /* (o) */
	size_t input_len; /* (o) */

	int out_fd; /* (c) -1: none, and no writer */
	bool out_is_ours; /* (c) */
	pthread_t writer; /* (c) */
	pthread_mutex_t lock;
	pthread_cond_t more; /* for the writer */
	pthread_cond_t less; /* output was taken, or nobody needs to wait any longer */
	uint8_t output[OUTPUT_BYTES]; /* (l) a ring */
	size_t output_at; /* (l) */
	size_t output_len; /* (l) */
	bool writing; /* (l) the writer has bytes in hand */
	bool room_wanted; /* (l) vmm_console_offer() took less than all */
	bool cut; /* (l) do not block */
	bool closing; /* (l) */
	bool abandoned; /* (l) closing took too long: the writer frees it all */
	bool gone; /* (l) nobody is there to read */
	bool warned; /* writer only */
};

/* --- output ----------------------------------------------------------------------------------- */

/*
 * Output has a thread of its own, so that a stopped terminal holds up only the processor that
 * prints, and many bytes go out with one call.
 */

static void tell_output_room(void *ctx)
{
	struct vmm_console *console = ctx;

	if (console->ops.output_room)
		console->ops.output_room(console->ctx);
}

/* Output was taken, or will be dropped: whoever waits for room may go on. */
static void tell_less_locked(struct vmm_console *console)
{
	pthread_cond_broadcast(&console->less);
	if (console->room_wanted)
		vmm_call_post(&console->room);
	console->room_wanted = false;
}

/* Takes the oldest bytes out of the ring, waiting for some; 0: it is over. */
static size_t take_output(struct vmm_console *console, uint8_t *chunk)
{
	size_t len;

	pthread_mutex_lock(&console->lock);
	console->writing = false;
	pthread_cond_broadcast(&console->less);
	while (!console->output_len && !console->closing)
		pthread_cond_wait(&console->more, &console->lock);
	len = console->output_len < CHUNK_BYTES ? console->output_len : CHUNK_BYTES;
	if (len > OUTPUT_BYTES - console->output_at)
		len = OUTPUT_BYTES - console->output_at;
	memcpy(chunk, console->output + console->output_at, len);
	console->output_at = (console->output_at + len) % OUTPUT_BYTES;
	console->output_len -= len;
	console->writing = len != 0;
	tell_less_locked(console);
	pthread_mutex_unlock(&console->lock);
	return len;
}

/* write(), with the descriptor possibly made non-blocking by another program that shares the terminal. */
static ssize_t write_some(int fd, const uint8_t *bytes, size_t len)
{
	ssize_t n = write(fd, bytes, len);

	if (n < 0 && errno == EAGAIN) {
		struct pollfd room = { .fd = fd, .events = POLLOUT };

		poll(&room, 1, -1);
		errno = EINTR;
	}
	return n;
}

static bool means_gone(int error)
{
	return error == EPIPE || error == EIO || error == ENXIO || error == EBADF;
}

/* False when there is nobody to write to. */
static bool write_chunk(struct vmm_console *console, const uint8_t *chunk, size_t len)
{
	while (len) {
		ssize_t n = write_some(console->out_fd, chunk, len);

		if (n >= 0) {
			chunk += n;
			len -= (size_t)n;
		} else if (means_gone(errno)) {
			return false;
		} else if (errno != EINTR) {
			/* A full disk, for example: that may pass. */
			if (!console->warned)
				vmm_log(HVH_LOG_WARNING, "serial output is lost: %s",
					strerror(errno));
			console->warned = true;
			return true;
		}
	}
	return true;
}

static void free_console(struct vmm_console *console);

static void *write_output(void *ctx)
{
	struct vmm_console *console = ctx;
	uint8_t chunk[CHUNK_BYTES];
	bool alive = true, abandoned;
	size_t len;

	while (alive && (len = take_output(console, chunk)) != 0)
		alive = write_chunk(console, chunk, len);
	pthread_mutex_lock(&console->lock);
	console->gone = true;
	console->output_len = 0;
	console->writing = false;
	tell_less_locked(console);
	abandoned = console->abandoned;
	pthread_mutex_unlock(&console->lock);
	if (abandoned)
		free_console(console);
	return NULL;
}

/* As much as there is room for. */
static size_t put_output_locked(struct vmm_console *console, const uint8_t *bytes, size_t len)
{
	size_t done = 0;

	while (done < len && console->output_len < OUTPUT_BYTES) {
		size_t end = (console->output_at + console->output_len) % OUTPUT_BYTES;
		size_t room = end < console->output_at ? console->output_at - end :
							 OUTPUT_BYTES - end;

		if (room > len - done)
			room = len - done;
		memcpy(console->output + end, bytes + done, room);
		console->output_len += room;
		done += room;
	}
	pthread_cond_signal(&console->more);
	return done;
}

void vmm_console_write(struct vmm_console *console, const uint8_t *bytes, size_t len)
{
	if (console->out_fd < 0)
		return;
	pthread_mutex_lock(&console->lock);
	while (len && !console->gone) {
		size_t done = put_output_locked(console, bytes, len);

		bytes += done;
		len -= done;
		if (len && console->cut)
			break;
		if (len)
			pthread_cond_wait(&console->less, &console->lock);
	}
	pthread_mutex_unlock(&console->lock);
}

size_t vmm_console_offer(struct vmm_console *console, const uint8_t *bytes, size_t len)
{
	size_t done = len;

	if (console->out_fd < 0)
		return len;
	pthread_mutex_lock(&console->lock);
	if (!console->gone)
		done = put_output_locked(console, bytes, len);
	if (console->cut)
		done = len;
	console->room_wanted = done < len;
	pthread_mutex_unlock(&console->lock);
	return done;
}

void vmm_console_cut(struct vmm_console *console)
{
	pthread_mutex_lock(&console->lock);
	console->cut = true;
	tell_less_locked(console);
	pthread_mutex_unlock(&console->lock);
}

static int start_writer(struct vmm_console *console)
{
	sigset_t all, old;
	int error;

	/* Signals are for the threads that know what to do; faults are always their own thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = pthread_create(&console->writer, NULL, write_output, console);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -error;
}

/*
 * False: the writer is stuck in a terminal that is stopped, and nothing can get it out. It owns the
 * console from now on and frees it should it come back; otherwise the end of the process does.
 */
static bool stop_writer(struct vmm_console *console)
{
	uint64_t deadline_ns = vmm_now_ns() + FLUSH_NS;
	struct timespec deadline = { (time_t)(deadline_ns / 1000000000u),
				     (long)(deadline_ns % 1000000000u) };
	pthread_t writer = console->writer;
	bool abandoned;
	int error = 0;

	pthread_mutex_lock(&console->lock);
	console->closing = true;
	console->room_wanted = false; /* the loop may be gone soon */
	vmm_call_cancel(&console->room);
	pthread_cond_signal(&console->more);
	while ((console->output_len || console->writing) && !error)
		error = pthread_cond_timedwait(&console->less, &console->lock, &deadline);
	abandoned = console->abandoned = error != 0;
	console->output_len = 0;
	pthread_mutex_unlock(&console->lock);
	if (abandoned)
		pthread_detach(writer);
	else
		pthread_join(writer, NULL);
	return !abandoned;
}

/* --- input ------------------------------------------------------------------------------------ */

static void watch_input(struct vmm_console *console);

/* Hands over as much as is wanted now. */
static void offer_input(struct vmm_console *console)
{
	while (console->input_len) {
		size_t len = INPUT_BYTES - console->input_at, taken;

		if (len > console->input_len)
			len = console->input_len;
		/* Before the call: its room may come back before it returns. */
		atomic_store(&console->input_waits, true);
		taken = console->ops.input(console->ctx, console->input + console->input_at, len);
		console->input_at = (console->input_at + taken) % INPUT_BYTES;
		console->input_len -= taken;
		if (taken < len)
			return;
	}
	atomic_store(&console->input_waits, false);
}

static void keep_input(struct vmm_console *console, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (console->in_is_terminal && bytes[i] == LEAVE_BYTE)
			console->ops.leave(console->ctx);
		else if (console->input_len < INPUT_BYTES)
			console->input[(console->input_at + console->input_len++) % INPUT_BYTES] =
				bytes[i];
	}
}

/* How much may be read now. A terminal is always read, for Ctrl-]: what has no room then is lost, as on a real line. */
static size_t readable(const struct vmm_console *console)
{
	size_t room = INPUT_BYTES - console->input_len;

	return console->in_is_terminal || room > CHUNK_BYTES ? CHUNK_BYTES : room;
}

static void unwatch_input(struct vmm_console *console)
{
	if (console->watching && !console->in_is_ready)
		vmm_loop_remove(console->loop, console->in_fd);
	console->watching = false;
}

/* False: no more now. */
static bool read_input(struct vmm_console *console, uint32_t events)
{
	uint8_t chunk[CHUNK_BYTES];
	ssize_t n;

	if (console->in_is_terminal && vmm_terminal_is_background()) {
		unwatch_input(console);
		vmm_timer_set(&console->foreground, vmm_now_ns() + FOREGROUND_CHECK_NS);
		return false;
	}
	n = read(console->in_fd, chunk, readable(console));
	if (n > 0) {
		keep_input(console, chunk, (size_t)n);
		offer_input(console);
		return true;
	}
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	/* In raw mode nothing is no end, unless the terminal was hung up. */
	if (n == 0 && console->in_is_terminal && !(events & (EPOLLHUP | EPOLLERR)))
		return true;
	unwatch_input(console);
	console->in_fd = -1;
	return false;
}

static void input_ready(void *ctx, uint32_t events)
{
	struct vmm_console *console = ctx;

	if (console->in_fd >= 0 && read_input(console, events) && !readable(console))
		unwatch_input(console);
}

/* A file is read whenever there is room, a piece at a time, so that the loop has its turn. */
static void input_file_ready(void *ctx)
{
	struct vmm_console *console = ctx;

	console->watching = false;
	if (console->in_fd >= 0 && read_input(console, 0))
		watch_input(console);
}

static void watch_input(struct vmm_console *console)
{
	int error = 0;

	if (console->in_fd < 0 || console->watching || !readable(console))
		return;
	if (!console->in_is_ready) {
		error = vmm_loop_add(console->loop, console->in_fd, EPOLLIN, input_ready, console);
		console->in_is_ready = error == -EPERM;
	}
	if (console->in_is_ready) {
		vmm_call_post(&console->file_ready);
		error = 0;
	}
	console->watching = !error;
	if (error)
		vmm_log(HVH_LOG_WARNING, "no input for the guest's serial line: %s",
			strerror(-error));
}

static void resume_input(void *ctx)
{
	struct vmm_console *console = ctx;

	offer_input(console);
	if (!vmm_terminal_is_background())
		watch_input(console);
}

void vmm_console_resume(struct vmm_console *console)
{
	if (atomic_exchange(&console->input_waits, false))
		vmm_call_post(&console->resume);
}

static void check_foreground(void *ctx)
{
	struct vmm_console *console = ctx;

	if (vmm_terminal_is_background()) {
		vmm_timer_set(&console->foreground, vmm_now_ns() + FOREGROUND_CHECK_NS);
		return;
	}
	vmm_terminal_raw();
	watch_input(console);
}

/* --- life ------------------------------------------------------------------------------------- */

static int open_file(struct vmm_console *console, const char *path)
{
	/* Without O_NONBLOCK a FIFO that nobody reads would hold us here. */
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666),
	    error;

	if (fd < 0 || fcntl(fd, F_SETFL, 0) < 0) {
		error = errno;
		vmm_log(HVH_LOG_ERROR, "cannot write the serial file %s: %s", path,
			error == ENXIO ? "nobody reads this FIFO" : strerror(error));
		if (fd >= 0)
			close(fd);
		return -error;
	}
	console->out_fd = fd;
	console->out_is_ours = true;
	return 0;
}

static void open_stdio(struct vmm_console *console)
{
	struct stat status;

	console->out_fd = STDOUT_FILENO;
	console->in_fd = fstat(STDIN_FILENO, &status) ? -1 : STDIN_FILENO;
	console->in_is_terminal = isatty(STDIN_FILENO);
	if (!console->in_is_terminal)
		return;
	vmm_terminal_take(STDIN_FILENO);
	if (vmm_terminal_raw())
		vmm_log(HVH_LOG_INFO, "Ctrl-] asks the guest to shut down, twice stops it");
}

static void init_output(struct vmm_console *console)
{
	pthread_condattr_t monotonic;

	pthread_mutex_init(&console->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&console->more, &monotonic);
	pthread_cond_init(&console->less, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

static void free_console(struct vmm_console *console)
{
	if (console->out_is_ours)
		close(console->out_fd);
	pthread_cond_destroy(&console->more);
	pthread_cond_destroy(&console->less);
	pthread_mutex_destroy(&console->lock);
	free(console);
}

int vmm_console_create(struct vmm_loop *loop, const struct vmm_config *config,
		       const struct vmm_console_ops *ops, void *ctx, struct vmm_console **out)
{
	struct vmm_console *console = calloc(1, sizeof(*console));
	int error = 0;

	if (!console) {
		vmm_log(HVH_LOG_ERROR, "no memory for the console");
		return -ENOMEM;
	}
	console->loop = loop;
	console->ops = *ops;
	console->ctx = ctx;
	console->in_fd = console->out_fd = -1;
	vmm_timer_init(&console->foreground, loop, check_foreground, console);
	vmm_call_init(&console->room, loop, tell_output_room, console);
	vmm_call_init(&console->file_ready, loop, input_file_ready, console);
	vmm_call_init(&console->resume, loop, resume_input, console);
	init_output(console);
	if (config->serial == VMM_SERIAL_FILE)
		error = open_file(console, config->serial_path);
	else if (config->serial == VMM_SERIAL_STDIO)
		open_stdio(console);
	if (!error && console->out_fd >= 0) {
		error = start_writer(console);
		if (error)
			vmm_log(HVH_LOG_ERROR, "cannot start the console's thread: %s",
				strerror(-error));
	}
	if (error) {
		vmm_terminal_give_back();
		free_console(console);
		return error;
	}
	watch_input(console);
	*out = console;
	return 0;
}

void vmm_console_destroy(struct vmm_console *console)
{
	if (!console)
		return;
	unwatch_input(console);
	vmm_timer_set(&console->foreground, 0);
	vmm_call_cancel(&console->file_ready);
	vmm_call_cancel(&console->resume);
	if (console->out_fd < 0 || stop_writer(console))
		free_console(console);
	vmm_terminal_give_back();
}
