/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * `hvhost copy`: reads the file and sends it to the VM in pieces.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/ask.h"
#include "vmm/client.h"
#include "vmm/commands.h"
#include "vmm/copy.h"
#include "vmm/log.h"
#include "vmm/loop.h"

/* Longer than a whole piece may take the guest: the VM itself gives up earlier. */
#define ANSWER_TIMEOUT_NS 500000000000ull
#define PROGRESS_STEP_NS  200000000ull
#define CANCEL_TIMEOUT_NS 5000000000ull

/* Pieces under way: the guest is at work while the next one travels. */
#define WINDOW 2

#define BAR 30

struct copy {
	const struct vmm_query *query;
	struct vmm_client *client;
	char *folder, *name; /* in the guest */
	int fd;
	uint64_t bytes, sent, done;
	uint64_t begin_ns, shown_ns;
	json_int_t id;
	unsigned waiting; /* requests without a reply */
	bool shown; /* the screen has a line that is not finished */
	uint8_t piece[VMM_COPY_PIECE_MAX];
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

/* --- the screen ----------------------------------------------------------------------------------- */

static void wipe(struct copy *copy)
{
	if (copy->shown)
		fputs("\r\033[K", stderr);
	copy->shown = false;
}

static void show(struct copy *copy)
{
	uint64_t now_ns = vmm_now_ns();
	double seconds = (double)(now_ns - copy->begin_ns) / 1e9,
	       mib = (double)copy->done / 1048576;
	double part = copy->bytes ? (double)copy->done / (double)copy->bytes : 1;
	char bar[BAR + 1];

	if (copy->query->json || !isatty(STDERR_FILENO) ||
	    now_ns - copy->shown_ns < PROGRESS_STEP_NS)
		return;
	for (int i = 0; i < BAR; i++)
		bar[i] = i < (int)(part * BAR) ? '#' : '.';
	bar[BAR] = '\0';
	fprintf(stderr, "\r\033[K%s: [%s] %3.0f %%  %.1f of %.1f MiB  %.1f MiB/s",
		copy->query->name, bar, part * 100, mib, (double)copy->bytes / 1048576,
		seconds > 0 ? mib / seconds : 0);
	if (copy->done)
		fprintf(stderr, "  %.0f s left", seconds / part - seconds);
	fflush(stderr);
	copy->shown = true;
	copy->shown_ns = now_ns;
}

static int complain(struct copy *copy, const char *text)
{
	wipe(copy);
	vmm_log(HVH_LOG_ERROR, "the VM '%s': %s", copy->query->name, text);
	return -1;
}

/* --- talking to the VM ---------------------------------------------------------------------------- */

/* `request` is taken. -1 after a line to stderr. */
static int send_order(struct copy *copy, json_t *request, size_t data_len)
{
	int err = vmm_client_send_with(copy->client, request, copy->piece, data_len);

	if (err) {
		wipe(copy);
		vmm_ask_silence(copy->query->name, err);
		return -1;
	}
	copy->waiting++;
	return 0;
}

/* The reply to the request that has waited longest. -1 after a line to stderr. */
static int receive_reply(struct copy *copy)
{
	uint64_t deadline_ns = vmm_now_ns() + ANSWER_TIMEOUT_NS;
	json_t *reply, *id;
	int err, result = 0;

	do {
		uint64_t step_ns = vmm_now_ns() + PROGRESS_STEP_NS;

		err = vmm_ask_receive(copy->client, step_ns, &reply);
		show(copy);
	} while (err == -ETIMEDOUT && vmm_now_ns() < deadline_ns && !interrupted);
	if (err == -ETIMEDOUT && interrupted)
		return complain(copy, "interrupted");
	if (err) {
		wipe(copy);
		vmm_ask_silence(copy->query->name, err);
		return -1;
	}
	copy->waiting--;
	id = json_object_get(json_object_get(reply, "result"), "copy");
	if (id)
		copy->id = json_integer_value(id);
	if (!json_is_true(json_object_get(reply, "ok"))) {
		const char *text = json_string_value(json_object_get(reply, "error"));

		result = complain(copy, text ? text : "answers nonsense");
	}
	json_decref(reply);
	return result;
}

static int order(struct copy *copy, json_t *request)
{
	return send_order(copy, request, 0) ? -1 : receive_reply(copy);
}

/* A reply that nobody minds any more, but for the number of the copy. False: none has come. */
static bool drop_reply(struct copy *copy, uint64_t deadline_ns)
{
	json_t *reply, *id;

	if (!copy->waiting || vmm_ask_receive(copy->client, deadline_ns, &reply))
		return false;
	copy->waiting--;
	id = json_object_get(json_object_get(reply, "result"), "copy");
	if (id)
		copy->id = json_integer_value(id);
	json_decref(reply);
	return true;
}

/* What is known to be over at the VM needs no word; it does not mind one either. */
static void cancel(struct copy *copy)
{
	uint64_t deadline_ns = vmm_now_ns() + CANCEL_TIMEOUT_NS;

	/* Who is interrupted early does not know the number yet. */
	while (!copy->id && drop_reply(copy, deadline_ns))
		;
	if (!copy->id ||
	    vmm_client_send(copy->client, json_pack("{s:s, s:s, s:I}", "command", "copy", "order",
						    "cancel", "copy", copy->id)))
		return;
	copy->waiting++;
	while (drop_reply(copy, deadline_ns))
		;
}

/* --- the file ------------------------------------------------------------------------------------- */

static int send_piece(struct copy *copy)
{
	uint64_t left = copy->bytes - copy->sent;
	size_t want = left < sizeof(copy->piece) ? (size_t)left : sizeof(copy->piece), len = 0;
	ssize_t n;

	while (len < want) {
		n = pread(copy->fd, copy->piece + len, want - len, (off_t)(copy->sent + len));
		if (n < 0 && errno == EINTR && !interrupted)
			continue;
		if (n <= 0) {
			wipe(copy);
			vmm_log(HVH_LOG_ERROR, "%s: %s", copy->query->source,
				n ? strerror(errno) : "became shorter while it was copied");
			return -1;
		}
		len += (size_t)n;
	}
	if (send_order(copy,
		       json_pack("{s:s, s:s, s:I, s:I, s:I}", "command", "copy", "order", "write",
				 "copy", copy->id, "offset", (json_int_t)copy->sent, "data_bytes",
				 (json_int_t)len),
		       len))
		return -1;
	copy->sent += len;
	return 0;
}

static int send_file(struct copy *copy)
{
	while (copy->done < copy->bytes) {
		uint64_t piece = copy->bytes - copy->done;

		if (interrupted)
			return complain(copy, "interrupted");
		if (copy->sent < copy->bytes && copy->waiting < WINDOW) {
			if (send_piece(copy))
				return -1;
			continue;
		}
		if (receive_reply(copy))
			return -1;
		copy->done += piece < sizeof(copy->piece) ? piece : sizeof(copy->piece);
		show(copy);
	}
	return 0;
}

/* False after a line to stderr. */
static bool open_source(struct copy *copy)
{
	struct stat status;

	copy->fd = open(copy->query->source, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (copy->fd < 0 || fstat(copy->fd, &status)) {
		vmm_log(HVH_LOG_ERROR, "%s: %s", copy->query->source, strerror(errno));
		return false;
	}
	if (!S_ISREG(status.st_mode)) {
		vmm_log(HVH_LOG_ERROR, "%s: is not a regular file", copy->query->source);
		return false;
	}
	copy->bytes = (uint64_t)status.st_size;
	return true;
}

/* Folder and name in the guest; a path that is a folder gets the file's own name. */
static bool split_target(struct copy *copy)
{
	const char *target = copy->query->target, *slash = strrchr(target, '/');
	const char *own = strrchr(copy->query->source, '/');

	copy->folder = strndup(target, (size_t)(slash - target) + 1);
	copy->name = strdup(slash[1] ? slash + 1 : own ? own + 1 : copy->query->source);
	return copy->folder && copy->name;
}

static enum vmm_exit report(const struct copy *copy)
{
	double seconds = (double)(vmm_now_ns() - copy->begin_ns) / 1e9;

	if (copy->query->json)
		vmm_print_json(json_pack(
			"{s:o*, s:o*, s:I, s:I}", "source", json_string(copy->query->source),
			"target", json_sprintf("%s%s", copy->folder, copy->name), "bytes",
			(json_int_t)copy->bytes, "elapsed_ms", (json_int_t)(seconds * 1000)));
	else
		vmm_print("%s: %s%s: %llu bytes in %.1f s\n", copy->query->name, copy->folder,
			  copy->name, (unsigned long long)copy->bytes, seconds);
	return VMM_EXIT_DONE;
}

static enum vmm_exit run(struct copy *copy)
{
	json_t *start = json_pack("{s:s, s:s, s:s, s:s, s:I, s:b, s:b}", "command", "copy", "order",
				  "start", "path", copy->folder, "name", copy->name, "bytes",
				  (json_int_t)copy->bytes, "create_dirs", copy->query->create_dirs,
				  "overwrite", copy->query->overwrite);

	if (!start) {
		vmm_log(HVH_LOG_ERROR, "the path in the guest must be UTF-8");
		return VMM_EXIT_FAILED;
	}
	if (order(copy, start) || send_file(copy) ||
	    order(copy, json_pack("{s:s, s:s, s:I}", "command", "copy", "order", "complete", "copy",
				  copy->id))) {
		cancel(copy);
		return VMM_EXIT_FAILED;
	}
	wipe(copy);
	return report(copy);
}

enum vmm_exit vmm_command_copy(const struct vmm_query *query)
{
	const struct sigaction action = { .sa_handler = on_signal };
	struct copy *copy = calloc(1, sizeof(*copy));
	enum vmm_exit result = VMM_EXIT_FAILED;

	if (!copy) {
		vmm_log(HVH_LOG_ERROR, "out of memory");
		return result;
	}
	copy->query = query;
	copy->fd = -1;
	copy->begin_ns = vmm_now_ns();
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (open_source(copy) && split_target(copy) && !vmm_ask_open(query->name, &copy->client))
		result = run(copy);
	vmm_client_close(copy->client);
	if (copy->fd >= 0)
		close(copy->fd);
	free(copy->folder);
	free(copy->name);
	free(copy);
	return result;
}
