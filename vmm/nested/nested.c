/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The outer side: QEMU as a child process, two streams, and the user's requests passed on.
 */
#include "vmm/nested/nested.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/cmdline.h"
#include "vmm/console.h"
#include "vmm/control.h"
#include "vmm/log.h"
#include "vmm/loop.h"
#include "vmm/nested/clock.h"
#include "vmm/nested/layout.h"
#include "vmm/nested/qemu.h"
#include "vmm/nested/share.h"

#define LINE_MAX_BYTES (256u << 10) /* of the control stream */
#define OUTPUT_MAX     (16u << 20) /* as much as all requests that may wait can be, and more */
#define WORDS_MAX                                                                                  \
	16384 /* the last words of QEMU, the inner kernel, a sanitizer: for when it fails */
#define REQUESTS_MAX   64

/* Nobody waits for ever for the inner monitor's first word. */
#define START_TIMEOUT_NS 180000000000ull
#define WAKE_PERIOD_NS	 1000000000ull

struct pending {
	json_int_t id;
	struct vmm_request *request; /* NULL: free */
};

struct vmm_nested {
	struct vmm_loop *loop;
	const struct vmm_config *config;
	struct vmm_console *console; /* or NULL */
	uint8_t console_bytes[4096]; /* output that the terminal has not taken yet: from _at to _len */
	size_t console_at, console_len;
	bool input_waits; /* the inner side reads too slowly */
	struct vmm_share share;
	char *argv_bytes;
	size_t argv_len;
	int console_fd, control_fd, output_fd, process_fd;
	pid_t pid; /* 0: not running */
	const struct vmm_nested_ops *ops;
	void *ctx;
	bool started; /* the inner monitor runs the VM */
	bool status_known;
	enum vmm_exit status;
	struct vmm_timer timer;
	struct vmm_timer wake_timer;
	struct pending pending[REQUESTS_MAX];
	json_int_t last_id;
	char *line;
	size_t line_len;
	char *output; /* for the control stream, which does not take it yet */
	size_t output_len, output_size;
	char words[WORDS_MAX];
	size_t words_len;
	unsigned forwards; /* ports that the inner Linux is to be reached at */
	struct vmm_qemu_forward forward[VMM_NICS_MAX * VMM_NIC_FORWARDS_MAX];
	unsigned taps; /* interfaces that it gets */
	int tap_fd[VMM_NICS_MAX];
};

int vmm_nested_check(char *why, size_t why_size)
{
	return vmm_qemu_check(why, why_size);
}

/* --- the command line of the inner monitor ------------------------------------------------------ */

static int share_path(struct vmm_nested *nested, const char **path, bool writable, char *buffer,
		      size_t size)
{
	const char *entry;
	int err;

	if (!*path)
		return 0;
	err = vmm_share_add(&nested->share, *path, writable, &entry);
	if (err) {
		vmm_log(HVH_LOG_ERROR, "%s: %s", *path, strerror(-err));
		return err;
	}
	snprintf(buffer, size, NESTED_SHARE_PATH "/%s", entry);
	*path = buffer;
	return 0;
}

/* The file must be there before it can be shared; what it held goes, as when the VM writes it itself. */
static int create_output(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	if (fd < 0) {
		vmm_log(HVH_LOG_ERROR, "%s: %s", path, strerror(errno));
		return -errno;
	}
	close(fd);
	return 0;
}

/* QEMU uses one queue of it. */
static int open_tap(struct vmm_nested *nested, const char *name)
{
	int fd = vmm_tap_open(name, false);

	if (fd < 0) {
		vmm_log(HVH_LOG_ERROR, "%s: %s", name, strerror(-fd));
		return fd;
	}
	nested->tap_fd[nested->taps++] = fd;
	return 0;
}

/* A NIC's text with the file of its frames as the inner side names it; ports that are forwarded, on both sides. */
static int share_nic(struct vmm_nested *nested, const char **text, char *buffer, size_t size)
{
	struct vmm_nic_config nic;
	const char *path = nic.pcap, *option;
	char shared[64];
	size_t kept;
	int err;

	if (vmm_nic_config_parse(*text, &nic))
		return -EINVAL;
	if (nic.kind == VMM_NIC_TAP) {
		err = open_tap(nested, nic.interface);
		if (err)
			return err;
	}
	for (unsigned i = 0; i < nic.forwards; i++) {
		nested->forward[nested->forwards].udp = nic.forward[i].udp;
		nested->forward[nested->forwards++].port = nic.forward[i].host_port;
	}
	if (!*nic.pcap)
		return 0;
	err = create_output(path);
	if (!err)
		err = share_path(nested, &path, true, shared, sizeof(shared));
	if (err)
		return err;
	option = strstr(*text, ",pcap=");
	kept = strcspn(option + 1, ",") + 1;
	snprintf(buffer, size, "%.*s%s,pcap=%s", (int)(option - *text), *text, option + kept, path);
	*text = buffer;
	return 0;
}

/* A disk's text for the inner side, where the file's name does not say what it is. */
static void name_disk(const struct vmm_disk_config *disk, const char *text, const char *path,
		      char *buffer, size_t size)
{
	snprintf(buffer, size, "%s%s,format=%s", path, text + strcspn(text, ","),
		 vmm_disk_format_names[disk->format]);
}

/* A disk's text with its file as the inner side names it; what is not in a file stays as it is. */
static int share_disk(struct vmm_nested *nested, const char **text, char *buffer, size_t size)
{
	struct vmm_disk_config disk;
	const char *path = disk.path;
	char shared[64];
	int err;

	if (vmm_disk_config_parse(*text, &disk))
		return -EINVAL;
	if (!*path)
		return 0;
	err = share_path(nested, &path, !disk.read_only, shared, sizeof(shared));
	if (err)
		return err;
	name_disk(&disk, *text, path, buffer, size);
	*text = buffer;
	return 0;
}

static int build_argv(struct vmm_nested *nested, const struct vmm_config *config)
{
	char nics[VMM_NICS_MAX][VMM_NIC_PATH_MAX + 1024];
	char disks[VMM_DISKS_MAX][256];
	struct vmm_config inner = *config;
	char kernel[64], initrd[64], serial[64], trace[64], **argv;
	int err, i;

	inner.accel = VMM_ACCEL_NESTED; /* whatever it was: the VM is to know whose KVM it is on */
	inner.daemonize = false;
	inner.timeout_seconds = 0; /* ours counts */
	err = share_path(nested, &inner.kernel, false, kernel, sizeof(kernel));
	if (!err)
		err = share_path(nested, &inner.initrd, false, initrd, sizeof(initrd));
	if (!err && inner.serial == VMM_SERIAL_FILE) {
		err = create_output(inner.serial_path);
		if (!err)
			err = share_path(nested, &inner.serial_path, true, serial, sizeof(serial));
	}
	if (!err && inner.trace_path) {
		err = create_output(inner.trace_path);
		if (!err)
			err = share_path(nested, &inner.trace_path, true, trace, sizeof(trace));
	}
	for (unsigned n = 0; n < inner.nics && !err; n++)
		err = share_nic(nested, &inner.nic[n], nics[n], sizeof(nics[n]));
	for (unsigned n = 0; n < inner.disks && !err; n++)
		err = share_disk(nested, &inner.disk[n], disks[n], sizeof(disks[n]));
	if (err)
		return err;
	argv = vmm_config_to_argv(&inner);
	if (!argv)
		return -ENOMEM;
	for (i = 0; argv[i]; i++)
		nested->argv_len += strlen(argv[i]) + 1;
	nested->argv_bytes = malloc(nested->argv_len);
	if (nested->argv_bytes) {
		char *at = nested->argv_bytes;

		for (i = 0; argv[i]; i++)
			at = stpcpy(at, argv[i]) + 1;
	}
	free(argv);
	return nested->argv_bytes ? 0 : -ENOMEM;
}

/* --- the end ------------------------------------------------------------------------------------ */

static void unwatch(struct vmm_nested *nested, int *fd)
{
	if (*fd < 0)
		return;
	vmm_loop_remove(nested->loop, *fd);
	close(*fd);
	*fd = -1;
}

static void fail_requests(struct vmm_nested *nested)
{
	for (unsigned i = 0; i < REQUESTS_MAX; i++) {
		if (nested->pending[i].request)
			vmm_reply_error(nested->pending[i].request, "the VM ended");
		nested->pending[i].request = NULL;
	}
}

static void read_words(void *ctx, uint32_t events);
static void read_console(void *ctx, uint32_t events);

static void log_words(const struct vmm_nested *nested)
{
	const char *at = nested->words, *end = at + nested->words_len;

	vmm_log(HVH_LOG_ERROR, "the nested machine ended unexpectedly%s",
		at < end ? "; its last words:" : "");
	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *line_end = newline ? newline : end;

		if (line_end > at)
			vmm_log(HVH_LOG_ERROR, "  %.*s", (int)(line_end - at), at);
		at = line_end + 1;
	}
}

/* QEMU is gone: hand on what is still in the pipes, then tell. */
static void process_ended(void *ctx, uint32_t events)
{
	struct vmm_nested *nested = ctx;

	(void)events;
	waitpid(nested->pid, NULL, 0);
	nested->pid = 0;
	vmm_timer_set(&nested->timer, 0);
	vmm_timer_set(&nested->wake_timer, 0);
	if (nested->console_fd >= 0)
		read_console(nested, 0);
	if (nested->output_fd >= 0)
		read_words(nested, 0);
	if (!nested->status_known) {
		log_words(nested);
		nested->status = VMM_EXIT_FAILED;
	}
	unwatch(nested, &nested->process_fd);
	unwatch(nested, &nested->console_fd);
	unwatch(nested, &nested->control_fd);
	unwatch(nested, &nested->output_fd);
	fail_requests(nested);
	nested->ops->ended(nested->ctx, nested->status);
}

static void kill_process(struct vmm_nested *nested)
{
	if (nested->pid > 0)
		kill(nested->pid, SIGKILL);
}

static void timed_out(void *ctx)
{
	struct vmm_nested *nested = ctx;

	vmm_log(HVH_LOG_ERROR, "the nested machine did not start within %llu seconds",
		START_TIMEOUT_NS / 1000000000ull);
	kill_process(nested);
}

/* --- streams ------------------------------------------------------------------------------------ */

static void read_words(void *ctx, uint32_t events)
{
	struct vmm_nested *nested = ctx;
	char bytes[1024];
	ssize_t n;

	(void)events;
	while ((n = read(nested->output_fd, bytes, sizeof(bytes))) > 0) {
		size_t len = (size_t)n, room = WORDS_MAX - nested->words_len;

		if (len > room) {
			memmove(nested->words, nested->words + (len - room),
				nested->words_len - (len - room));
			nested->words_len -= len - room;
		}
		memcpy(nested->words + nested->words_len, bytes, len);
		nested->words_len += len;
	}
	if (n == 0)
		unwatch(nested, &nested->output_fd);
}

static void watch_console(struct vmm_nested *nested)
{
	uint32_t events = nested->console_at == nested->console_len ? EPOLLIN : 0;

	if (nested->input_waits)
		events |= EPOLLOUT;
	vmm_loop_modify(nested->loop, nested->console_fd, events);
}

/* What was read goes to the terminal. False: it takes no more now, and will say when it does. */
static bool offer_output(struct vmm_nested *nested)
{
	if (nested->console)
		nested->console_at += vmm_console_offer(nested->console,
							nested->console_bytes + nested->console_at,
							nested->console_len - nested->console_at);
	else
		nested->console_at = nested->console_len;
	return nested->console_at == nested->console_len;
}

static void read_console(void *ctx, uint32_t events)
{
	struct vmm_nested *nested = ctx;
	ssize_t n = -1;

	while (offer_output(nested) && (n = read(nested->console_fd, nested->console_bytes,
						 sizeof(nested->console_bytes))) > 0) {
		nested->console_at = 0;
		nested->console_len = (size_t)n;
	}
	if (n == 0) {
		unwatch(nested, &nested->console_fd);
		return;
	}
	if (events & EPOLLOUT) {
		nested->input_waits = false;
		if (nested->console)
			vmm_console_resume(nested->console);
	}
	watch_console(nested);
}

void vmm_nested_output_room(struct vmm_nested *nested)
{
	if (nested->console_fd >= 0)
		read_console(nested, 0);
}

size_t vmm_nested_serial_input(struct vmm_nested *nested, const uint8_t *bytes, size_t len)
{
	ssize_t n;

	if (nested->console_fd < 0)
		return len;
	n = send(nested->console_fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0)
		n = 0;
	if ((size_t)n < len) {
		nested->input_waits = true;
		watch_console(nested);
	}
	return (size_t)n;
}

/* The outer name of a file that the inner side calls `path`; NULL: it is none of those shared. */
static const char *outer_path(const struct vmm_nested *nested, const char *path)
{
	const size_t prefix = strlen(NESTED_SHARE_PATH "/");

	if (!path || strncmp(path, NESTED_SHARE_PATH "/", prefix))
		return NULL;
	for (unsigned i = 0; i < nested->share.count; i++)
		if (!strcmp(path + prefix, nested->share.files[i].entry))
			return nested->share.files[i].path;
	return NULL;
}

/* In a status disks have the names of their files out here. */
static void name_disks(const struct vmm_nested *nested, json_t *result)
{
	json_t *disk;
	size_t i;

	json_array_foreach(json_object_get(json_object_get(result, "storage"), "disks"), i, disk)
	{
		const char *path =
			outer_path(nested, json_string_value(json_object_get(disk, "path")));

		if (path)
			json_object_set_new(disk, "path", json_string(path));
	}
}

static void handle_reply(struct vmm_nested *nested, const json_t *message)
{
	json_int_t id = json_integer_value(json_object_get(message, "id"));

	for (unsigned i = 0; i < REQUESTS_MAX; i++) {
		struct vmm_request *request = nested->pending[i].request;

		if (!request || nested->pending[i].id != id)
			continue;
		nested->pending[i].request = NULL;
		/* The inner monitor sees KVM and cannot know better. */
		json_object_set_new(json_object_get(json_object_get(message, "result"), "vm"),
				    "accel", json_string("nested"));
		name_disks(nested, json_object_get(message, "result"));
		if (json_is_true(json_object_get(message, "ok")))
			vmm_reply(request, json_incref(json_object_get(message, "result")));
		else
			vmm_reply_error(request, "%s",
					json_string_value(json_object_get(message, "error")));
		return;
	}
}

static int send_line(struct vmm_nested *nested, const json_t *message);

/*
 * QEMU's emulation now and then loses an interrupt (docs/nested.md). If it was an idle processor's timer, nothing wakes that
 * processor any more but an interrupt that comes from elsewhere.
 */
static void wake(void *ctx)
{
	struct vmm_nested *nested = ctx;
	json_t *message = json_pack("{s:s}", "command", NESTED_COMMAND_WAKE);

	send_line(nested, message);
	json_decref(message);
	vmm_timer_set(&nested->wake_timer, vmm_now_ns() + WAKE_PERIOD_NS);
}

static void handle_event(struct vmm_nested *nested, const char *event, json_t *message)
{
	json_t *answer;

	if (!strcmp(event, NESTED_EVENT_LOG)) {
		vmm_log((enum hvh_log_level)json_integer_value(json_object_get(message, "level")),
			"%s", json_string_value(json_object_get(message, "line")));
	} else if (!strcmp(event, NESTED_EVENT_CLOCK)) {
		answer = vmm_nested_clock_answer(message);
		/* One that is not sent is asked for again. */
		send_line(nested, answer);
		json_decref(answer);
	} else if (!strcmp(event, NESTED_EVENT_RUNNING)) {
		nested->started = true;
		vmm_timer_set(&nested->timer, 0);
		wake(nested);
		nested->ops->running(nested->ctx);
	} else if (!strcmp(event, NESTED_EVENT_EXIT) && !nested->status_known) {
		nested->status_known = true;
		nested->status =
			(enum vmm_exit)json_integer_value(json_object_get(message, "status"));
		/* The inner side has written out everything; waiting for its kernel to go down would be lost time. */
		kill_process(nested);
	} else if (nested->started && !nested->status_known) {
		nested->ops->event(nested->ctx, json_incref(message));
	}
}

static void handle_line(struct vmm_nested *nested, const char *line, size_t len)
{
	json_t *message = json_loadb(line, len, 0, NULL);
	const char *event = json_string_value(json_object_get(message, "event"));

	if (event)
		handle_event(nested, event, message);
	else
		handle_reply(nested, message);
	json_decref(message);
}

static int flush_control(struct vmm_nested *nested);

static void read_control(void *ctx, uint32_t events)
{
	struct vmm_nested *nested = ctx;
	ssize_t n;

	if (events & EPOLLOUT)
		flush_control(nested);
	while ((n = read(nested->control_fd, nested->line + nested->line_len,
			 LINE_MAX_BYTES - nested->line_len)) > 0) {
		char *from = nested->line, *end;

		nested->line_len += (size_t)n;
		while ((end = memchr(from, '\n',
				     nested->line_len - (size_t)(from - nested->line)))) {
			handle_line(nested, from, (size_t)(end - from));
			from = end + 1;
		}
		nested->line_len -= (size_t)(from - nested->line);
		memmove(nested->line, from, nested->line_len);
		if (nested->line_len == LINE_MAX_BYTES) {
			vmm_log(HVH_LOG_ERROR, "the nested machine talks nonsense");
			kill_process(nested);
			return;
		}
	}
	if (n == 0)
		unwatch(nested, &nested->control_fd);
}

/* As much as goes without waiting. */
static int flush_control(struct vmm_nested *nested)
{
	ssize_t n = 0;

	while (nested->output_len &&
	       (n = send(nested->control_fd, nested->output, nested->output_len,
			 MSG_NOSIGNAL | MSG_DONTWAIT)) > 0) {
		nested->output_len -= (size_t)n;
		memmove(nested->output, nested->output + n, nested->output_len);
	}
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return -errno;
	vmm_loop_modify(nested->loop, nested->control_fd,
			EPOLLIN | (nested->output_len ? EPOLLOUT : 0));
	return 0;
}

static int add_output(struct vmm_nested *nested, const char *bytes, size_t len)
{
	size_t size = nested->output_size ? nested->output_size : 4096;
	char *bigger;

	while (size < nested->output_len + len)
		size *= 2;
	if (size > OUTPUT_MAX)
		return -ENOBUFS;
	bigger = size > nested->output_size ? realloc(nested->output, size) : nested->output;
	if (!bigger)
		return -ENOMEM;
	nested->output = bigger;
	nested->output_size = size;
	memcpy(nested->output + nested->output_len, bytes, len);
	nested->output_len += len;
	return 0;
}

/*
 * One object to the inner monitor, and bytes behind it. The stream is read there all the time: if it stays full something is
 * wrong.
 */
static int send_with(struct vmm_nested *nested, const json_t *message, const uint8_t *data,
		     size_t data_len)
{
	const size_t before = nested->output_len;
	char *text = json_dumps(message, JSON_COMPACT);
	size_t len;
	int err;

	if (!text)
		return -ENOMEM;
	len = strlen(text);
	text[len++] = '\n';
	err = nested->control_fd < 0 ? -EPIPE : add_output(nested, text, len);
	free(text);
	if (!err && data_len)
		err = add_output(nested, (const char *)data, data_len);
	if (err) {
		/* A line without its bytes would put all that follows out of step. */
		nested->output_len = before;
		return err;
	}
	return flush_control(nested);
}

static int send_line(struct vmm_nested *nested, const json_t *message)
{
	return send_with(nested, message, NULL, 0);
}

/*
 * *message gets a copy of the command for the inner side, with a disk's file named as that sees it. The files it can
 * see were chosen when it began: false: this is none of them.
 */
static bool names_shared_disk(const struct vmm_nested *nested, const char *command,
			      const json_t *arguments, json_t **message)
{
	const char *text = json_string_value(json_object_get(arguments, "disk"));
	struct vmm_disk_config disk;
	char *path, shared[64], inner[256] = "";

	*message = json_copy((json_t *)arguments);
	/* What is wrong with it the inner side says. */
	if (strcmp(command, "disk") || !text || vmm_disk_config_parse(text, &disk) || !*disk.path)
		return true;
	path = realpath(disk.path, NULL);
	for (unsigned i = 0; path && i < nested->share.count; i++) {
		if (strcmp(path, nested->share.files[i].path))
			continue;
		snprintf(shared, sizeof(shared), NESTED_SHARE_PATH "/%s",
			 nested->share.files[i].entry);
		name_disk(&disk, text, shared, inner, sizeof(inner));
	}
	free(path);
	if (*inner)
		json_object_set_new(*message, "disk", json_string(inner));
	else
		json_decref(*message);
	return *inner;
}

void vmm_nested_command(struct vmm_nested *nested, struct vmm_request *request, const char *command,
			const json_t *arguments)
{
	struct pending *slot = nested->pending;
	size_t data_len;
	const uint8_t *data = vmm_request_data(request, &data_len);
	json_t *message;
	int err;

	if (!names_shared_disk(nested, command, arguments, &message)) {
		vmm_reply_error(request,
				"in nested mode a file can be added or inserted that the VM "
				"was started with, or a disk in memory be added");
		return;
	}
	while (slot < nested->pending + REQUESTS_MAX && slot->request)
		slot++;
	if (slot == nested->pending + REQUESTS_MAX) {
		vmm_reply_error(request, "too many requests are waiting");
		json_decref(message);
		return;
	}
	slot->id = ++nested->last_id;
	json_object_set_new(message, "id", json_integer(slot->id));
	err = send_with(nested, message, data, data_len);
	json_decref(message);
	if (err)
		vmm_reply_error(request, "the nested machine does not answer");
	else
		slot->request = request;
}

/* --- life --------------------------------------------------------------------------------------- */

void vmm_nested_interrupt(struct vmm_nested *nested)
{
	json_t *message = json_pack("{s:s}", "command", NESTED_COMMAND_INTERRUPT);

	if (!nested->started) {
		vmm_log(HVH_LOG_WARNING, "stopped before the VM ran");
		vmm_nested_stop(nested, VMM_EXIT_FAILED);
	} else if (send_line(nested, message)) {
		vmm_log(HVH_LOG_WARNING, "the nested machine does not answer: stopped");
		vmm_nested_stop(nested, VMM_EXIT_FAILED);
	}
	json_decref(message);
}

void vmm_nested_stop(struct vmm_nested *nested, enum vmm_exit status)
{
	if (!nested->status_known) {
		nested->status_known = true;
		nested->status = status;
	}
	kill_process(nested);
}

int vmm_nested_create(struct vmm_loop *loop, const struct vmm_config *config,
		      struct vmm_nested **nested)
{
	struct vmm_nested *created = calloc(1, sizeof(*created));
	int err;

	if (!created)
		return -ENOMEM;
	created->loop = loop;
	created->config = config;
	created->console_fd = created->control_fd = created->output_fd = created->process_fd = -1;
	vmm_timer_init(&created->timer, loop, timed_out, created);
	vmm_timer_init(&created->wake_timer, loop, wake, created);
	created->line = malloc(LINE_MAX_BYTES);
	err = created->line ? build_argv(created, config) : -ENOMEM;
	if (err) {
		vmm_nested_destroy(created);
		return err;
	}
	*nested = created;
	return 0;
}

void vmm_nested_set_console(struct vmm_nested *nested, struct vmm_console *console)
{
	nested->console = console;
}

static int watch(struct vmm_nested *nested, int fd, vmm_loop_fd_fn fn)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	return vmm_loop_add(nested->loop, fd, EPOLLIN, fn, nested);
}

int vmm_nested_start(struct vmm_nested *nested, const struct vmm_nested_ops *ops, void *ctx)
{
	int console[2] = { -1, -1 }, control[2] = { -1, -1 }, err = 0;
	struct vmm_qemu_config config = {
		.cpus = nested->config->cpus,
		.guest_memory_bytes = nested->config->memory_bytes,
		.share = &nested->share,
		.argv_bytes = nested->argv_bytes,
		.argv_len = nested->argv_len,
		.network = vmm_config_needs_network(nested->config),
		.forwards = nested->forwards,
		.taps = nested->taps,
	};

	memcpy(config.forward, nested->forward, sizeof(config.forward));
	memcpy(config.tap_fd, nested->tap_fd, sizeof(config.tap_fd));

	nested->ops = ops;
	nested->ctx = ctx;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, console) ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, control)) {
		err = -errno;
	} else {
		config.console_fd = console[1];
		config.control_fd = control[1];
		nested->pid = vmm_qemu_start(&config, &nested->output_fd);
		if (nested->pid < 0) {
			err = nested->pid;
			nested->pid = 0;
		}
	}
	close(console[1]);
	close(control[1]);
	nested->console_fd = console[0];
	nested->control_fd = control[0];
	if (!err) {
		nested->process_fd = pidfd_open(nested->pid, 0);
		err = nested->process_fd < 0 ? -errno : 0;
	}
	if (!err)
		err = watch(nested, nested->console_fd, read_console);
	if (!err)
		err = watch(nested, nested->control_fd, read_control);
	if (!err)
		err = watch(nested, nested->output_fd, read_words);
	if (!err)
		err = vmm_loop_add(nested->loop, nested->process_fd, EPOLLIN, process_ended,
				   nested);
	if (err)
		vmm_log(HVH_LOG_ERROR, "cannot start the nested machine: %s", strerror(-err));
	else
		vmm_timer_set(&nested->timer, vmm_now_ns() + START_TIMEOUT_NS);
	return err;
}

void vmm_nested_destroy(struct vmm_nested *nested)
{
	vmm_timer_set(&nested->timer, 0);
	vmm_timer_set(&nested->wake_timer, 0);
	if (nested->pid > 0) {
		kill_process(nested);
		waitpid(nested->pid, NULL, 0);
	}
	unwatch(nested, &nested->process_fd);
	unwatch(nested, &nested->console_fd);
	unwatch(nested, &nested->control_fd);
	unwatch(nested, &nested->output_fd);
	fail_requests(nested);
	vmm_share_close(&nested->share);
	for (unsigned i = 0; i < nested->taps; i++)
		close(nested->tap_fd[i]);
	free(nested->argv_bytes);
	free(nested->line);
	free(nested->output);
	free(nested);
}
