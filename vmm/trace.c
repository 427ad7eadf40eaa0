/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/loop.h"

/* A boot has some 150 records; a burst of this many fits. */
#define RECORDS 4096

#define END_SECONDS 2

struct slot {
	uint64_t lost_before; /* records that did not fit */
	struct vmm_trace_record record;
};

/* (c) const after create, (l) lock, (w) the writer's thread */
struct vmm_trace {
	int fd; /* (c) */
	uint64_t begin_ns; /* (c) */
	pthread_t writer; /* (c) */
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct slot *slots; /* (c) RECORDS of them; those that are filled are the writer's */
	unsigned first, count; /* (l) a FIFO, wrapping */
	uint64_t lost; /* (l) since the last record that did fit */
	bool ending; /* (l) */
	bool failed; /* (w) the file takes no more; told */
};

/* --- any thread -------------------------------------------------------------------------------------- */

/* The next free slot, with the lock held; NULL: full, which was counted. */
static struct slot *begin_locked(struct vmm_trace *trace)
{
	struct slot *slot;

	if (trace->count == RECORDS) {
		trace->lost++;
		return NULL;
	}
	slot = &trace->slots[(trace->first + trace->count) % RECORDS];
	slot->lost_before = trace->lost;
	trace->lost = 0;
	return slot;
}

static void keep(struct vmm_trace_record *record, const void *bytes, size_t len)
{
	size_t room = sizeof(record->bytes) - record->kept;
	size_t part = len < room ? len : room;

	if (part)
		memcpy(record->bytes + record->kept, bytes, part);
	record->kept += (uint32_t)part;
	record->len += (uint32_t)len;
}

void vmm_trace_packet(struct vmm_trace *trace, const struct vmm_trace_record *record,
		      const struct iovec payload[2])
{
	struct slot *slot;

	pthread_mutex_lock(&trace->lock);
	slot = begin_locked(trace);
	if (slot) {
		slot->record = *record;
		/* Under the lock, so that times ascend. */
		slot->record.time_ns = vmm_now_ns() - trace->begin_ns;
		slot->record.len = slot->record.kept = 0;
		keep(&slot->record, payload[0].iov_base, payload[0].iov_len);
		keep(&slot->record, payload[1].iov_base, payload[1].iov_len);
		if (!trace->count++)
			pthread_cond_signal(&trace->more);
	}
	pthread_mutex_unlock(&trace->lock);
}

void vmm_trace_message(struct vmm_trace *trace, enum hvp_direction direction, const void *bytes,
		       size_t len)
{
	const struct vmm_trace_record record = { .direction = direction };
	const struct iovec payload[2] = { { (void *)bytes, len }, { NULL, 0 } };

	vmm_trace_packet(trace, &record, payload);
}

/* --- the writer -------------------------------------------------------------------------------------- */

static void write_text(struct vmm_trace *trace, const char *text, size_t len)
{
	while (len && !trace->failed) {
		ssize_t n = write(trace->fd, text, len);

		if (n > 0) {
			text += n;
			len -= (size_t)n;
		} else if (n == 0 || errno != EINTR) {
			vmm_log(HVH_LOG_ERROR, "the trace ends here: %s",
				n == 0 ? "nothing can be written" : strerror(errno));
			trace->failed = true;
		}
	}
}

static void print_line(FILE *text, json_t *line)
{
	/* Microseconds, of months. */
	if (line && !json_dumpf(line, text, JSON_COMPACT | JSON_REAL_PRECISION(13)))
		fputc('\n', text);
	json_decref(line);
}

static void print_lost(FILE *text, uint64_t lost)
{
	if (lost)
		print_line(text, vmm_trace_lost_json(lost));
}

/* What is there, with one write: in the nested machine each goes a long way. `lost`: behind it. */
static void write_batch(struct vmm_trace *trace, unsigned first, unsigned count, uint64_t lost)
{
	char *bytes = NULL;
	size_t len = 0;
	FILE *text = open_memstream(&bytes, &len);

	if (!text)
		return;
	for (unsigned i = 0; i < count; i++) {
		const struct slot *slot = &trace->slots[(first + i) % RECORDS];

		print_lost(text, slot->lost_before);
		print_line(text, vmm_trace_record_json(&slot->record));
	}
	print_lost(text, lost);
	if (fclose(text) == 0)
		write_text(trace, bytes, len);
	free(bytes);
}

static void *run_writer(void *argument)
{
	struct vmm_trace *trace = argument;
	bool ending;

	do {
		unsigned first, count;
		uint64_t lost;

		pthread_mutex_lock(&trace->lock);
		while (!trace->count && !trace->ending)
			pthread_cond_wait(&trace->more, &trace->lock);
		first = trace->first;
		count = trace->count;
		ending = trace->ending;
		/* At the end nobody adds any more: this batch is the last, and no record behind it tells. */
		lost = ending ? trace->lost : 0;
		pthread_mutex_unlock(&trace->lock);

		write_batch(trace, first, count, lost);

		pthread_mutex_lock(&trace->lock);
		trace->first = (first + count) % RECORDS;
		trace->count -= count;
		pthread_mutex_unlock(&trace->lock);
	} while (!ending);
	return NULL;
}

/* --- life -------------------------------------------------------------------------------------------- */

static int start_writer(struct vmm_trace *trace)
{
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = -pthread_create(&trace->writer, NULL, run_writer, trace);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!err)
		pthread_setname_np(trace->writer, "trace");
	return err;
}

static void free_trace(struct vmm_trace *trace)
{
	if (trace->fd >= 0)
		close(trace->fd);
	pthread_cond_destroy(&trace->more);
	pthread_mutex_destroy(&trace->lock);
	free(trace->slots);
	free(trace);
}

int vmm_trace_create(const char *path, struct vmm_trace **out)
{
	struct vmm_trace *trace = calloc(1, sizeof(*trace));
	int err;

	if (!trace)
		return -ENOMEM;
	pthread_mutex_init(&trace->lock, NULL);
	pthread_cond_init(&trace->more, NULL);
	trace->begin_ns = vmm_now_ns();
	trace->slots = calloc(RECORDS, sizeof(*trace->slots));
	/* Does not wait for the reader of a pipe; the writer's thread may, later. */
	trace->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK, 0666);
	err = trace->fd < 0 || fcntl(trace->fd, F_SETFL, 0) ? -errno : 0;
	if (!err)
		err = trace->slots ? start_writer(trace) : -ENOMEM;
	if (err) {
		vmm_log(HVH_LOG_ERROR, "%s: no trace: %s", path, strerror(-err));
		free_trace(trace);
		return err;
	}
	*out = trace;
	return 0;
}

bool vmm_trace_destroy(struct vmm_trace *trace)
{
	struct timespec until;

	if (!trace)
		return true;
	pthread_mutex_lock(&trace->lock);
	trace->ending = true;
	pthread_cond_signal(&trace->more);
	pthread_mutex_unlock(&trace->lock);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += END_SECONDS;
	if (pthread_timedjoin_np(trace->writer, NULL, &until)) {
		vmm_log(HVH_LOG_ERROR, "the trace cannot be written out: its file takes too long");
		pthread_detach(trace->writer);
		return false;
	}
	free_trace(trace);
	return true;
}
