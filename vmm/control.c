/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/cmdline.h"
#include "vmm/log.h"
#include "vmm/loop.h"

#define LINE_BYTES_MAX	 (64u << 10) /* and of what follows a line */
#define OUTPUT_BYTES_MAX (1u << 20) /* unread output of one client */
#define CLIENTS_MAX	 64
#define REQUESTS_MAX	 64 /* waiting ones of one client */
#define FLUSH_MS	 1000
#define ACCEPT_PAUSE_NS	 1000000000ull

_Static_assert(VMM_CONTROL_DATA_MAX <= LINE_BYTES_MAX, "both are read into the same place");

struct client {
	struct vmm_control *control;
	struct client *next;
	int fd;
	bool is_socket; /* else a character device */
	bool busy; /* a function on the stack works with it */
	bool dead; /* closed; freed when no longer busy */
	bool skipping; /* the rest of a line that was too long */
	bool finished; /* it will ask no more; it may still wait for replies */
	unsigned requests; /* waiting for their reply */
	uint64_t last_request_ns;
	char *line; /* LINE_BYTES_MAX */
	size_t line_len;
	json_t *object; /* a request whose bytes are not all here; else NULL */
	size_t data_bytes; /* that it has */
	char *output;
	size_t output_len;
	size_t output_size;
};

struct vmm_request {
	struct vmm_control *control;
	struct vmm_request *next;
	struct client *client; /* NULL: gone */
	json_t *id; /* or NULL */
	const uint8_t *data; /* while it is handled */
	size_t data_len;
};

struct vmm_control {
	struct vmm_loop *loop;
	vmm_control_fn fn;
	void *ctx;
	struct client *clients;
	unsigned client_count;
	struct vmm_request *requests;
	/* Of a socket; -1 where one stream is served */
	int folder_fd;
	int lock_fd;
	int listen_fd;
	struct vmm_timer accept_again;
	char socket_name[VMM_NAME_MAX + 8];
	char lock_name[VMM_NAME_MAX + 8];
};

/* --- clients ---------------------------------------------------------------------------------- */

static void client_free(struct client *client)
{
	json_decref(client->object);
	free(client->line);
	free(client->output);
	free(client);
}

/* The client is gone, at once for the outside; its memory goes when nobody on the stack uses it. */
static void client_drop(struct client *client)
{
	struct vmm_control *control = client->control;
	struct client **link = &control->clients;

	if (client->dead)
		return;
	while (*link != client)
		link = &(*link)->next;
	*link = client->next;
	control->client_count--;
	for (struct vmm_request *r = control->requests; r; r = r->next)
		if (r->client == client)
			r->client = NULL;
	vmm_loop_remove(control->loop, client->fd);
	close(client->fd);
	client->dead = true;
	if (!client->busy)
		client_free(client);
}

static ssize_t client_write(struct client *client, const char *bytes, size_t len)
{
	return client->is_socket ? send(client->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT) :
				   write(client->fd, bytes, len);
}

static bool is_temporary(int error)
{
	return error == EAGAIN || error == EINTR;
}

/* As much as goes without waiting. May drop the client. */
static void client_flush(struct client *client)
{
	size_t done = 0;

	while (done < client->output_len) {
		ssize_t n = client_write(client, client->output + done, client->output_len - done);

		if (n < 0 && !is_temporary(errno)) {
			client_drop(client);
			return;
		}
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	client->output_len -= done;
	if (client->output_len)
		memmove(client->output, client->output + done, client->output_len);
	if (client->finished && !client->output_len && !client->requests)
		client_drop(client);
	else
		vmm_loop_modify(client->control->loop, client->fd,
				(client->finished ? 0 : EPOLLIN) |
					(client->output_len ? EPOLLOUT : 0));
}

static bool client_reserve(struct client *client, size_t len)
{
	size_t size = client->output_size ? client->output_size : 4096;
	char *bigger;

	if (len > OUTPUT_BYTES_MAX - client->output_len)
		return false;
	while (size < client->output_len + len)
		size *= 2;
	if (size == client->output_size)
		return true;
	bigger = realloc(client->output, size);
	if (!bigger)
		return false;
	client->output = bigger;
	client->output_size = size;
	return true;
}

/* One object as a line. Drops a client that lets too much pile up. */
static void client_send(struct client *client, const json_t *object)
{
	char *text = json_dumps(object, JSON_COMPACT);
	size_t len = text ? strlen(text) : 0;

	if (!text || !client_reserve(client, len + 1)) {
		client_drop(client);
	} else {
		memcpy(client->output + client->output_len, text, len);
		client->output[client->output_len + len] = '\n';
		client->output_len += len + 1;
		client_flush(client);
	}
	free(text);
}

/* --- requests --------------------------------------------------------------------------------- */

/* `reply` is taken; NULL: no memory for it. */
static void request_finish(struct vmm_request *request, json_t *reply)
{
	struct vmm_request **link = &request->control->requests;

	while (*link != request)
		link = &(*link)->next;
	*link = request->next;
	if (request->client) {
		request->client->requests--;
		if (reply && request->id)
			json_object_set(reply, "id", request->id);
		if (reply)
			client_send(request->client, reply);
		else
			client_drop(request->client);
	}
	json_decref(reply);
	json_decref(request->id);
	free(request);
}

const uint8_t *vmm_request_data(const struct vmm_request *request, size_t *len)
{
	*len = request->data_len;
	return request->data;
}

void vmm_reply(struct vmm_request *request, json_t *result)
{
	request_finish(request, json_pack("{s:b, s:o}", "ok", 1, "result", result));
}

static json_t *error_reply(const char *text)
{
	json_t *string = json_string(text);

	/* NULL when the text was not UTF-8, which a path may well be. */
	if (!string)
		string = json_string("failed");
	return json_pack("{s:b, s:o}", "ok", 0, "error", string);
}

void vmm_reply_error(struct vmm_request *request, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	request_finish(request, error_reply(text));
}

/* An error that belongs to no request that could be handled. */
static void client_complain(struct client *client, const char *text)
{
	json_t *reply = error_reply(text);

	if (reply)
		client_send(client, reply);
	else
		client_drop(client);
	json_decref(reply);
}

static void handle_object(struct client *client, json_t *object, const char *data, size_t len)
{
	struct vmm_control *control = client->control;
	const char *command = json_string_value(json_object_get(object, "command"));
	struct vmm_request *request = calloc(1, sizeof(*request));

	if (!request) {
		client_drop(client);
		return;
	}
	*request = (struct vmm_request){
		.control = control,
		.next = control->requests,
		.client = client,
		.id = json_incref(json_object_get(object, "id")),
		.data = (const uint8_t *)data,
		.data_len = len,
	};
	control->requests = request;
	client->requests++;
	client->last_request_ns = vmm_now_ns();
	if (!command)
		vmm_reply_error(request, "\"command\" is missing or no string");
	else if (client->requests > REQUESTS_MAX)
		vmm_reply_error(request, "too many requests are waiting");
	else
		control->fn(control->ctx, request, command, object);
}

static void handle_line(struct client *client, const char *line, size_t len)
{
	json_error_t where;
	json_t *object = json_loadb(line, len, JSON_REJECT_DUPLICATES, &where);
	const json_t *bytes = json_object_get(object, "data_bytes");

	if (!object || !json_is_object(object)) {
		client_complain(client, "a request must be one line with a JSON object");
	} else if (!bytes) {
		handle_object(client, object, NULL, 0);
	} else if (json_is_integer(bytes) && json_integer_value(bytes) > 0 &&
		   json_integer_value(bytes) <= VMM_CONTROL_DATA_MAX) {
		client->object = json_incref(object);
		client->data_bytes = (size_t)json_integer_value(bytes);
	} else {
		/* Where its next line begins nobody knows. */
		client_complain(client, "\"data_bytes\" must be a number from 1 to 43008");
		client_drop(client);
	}
	json_decref(object);
}

/* The next line, or the bytes behind one, from `*start` on; false: it is not all here, as far as `scanned`. */
static bool handle_next(struct client *client, size_t *start, size_t *scanned)
{
	const char *from = client->line + *start, *newline;
	json_t *object = client->object;

	if (object) {
		if (client->line_len - *start < client->data_bytes)
			return false;
		*start += client->data_bytes;
		client->object = NULL;
		handle_object(client, object, from, client->data_bytes);
		json_decref(object);
	} else {
		newline = memchr(client->line + *scanned, '\n', client->line_len - *scanned);
		if (!newline)
			return false;
		*start = (size_t)(newline - client->line) + 1;
		if (client->skipping)
			client->skipping = false;
		else if (newline > from)
			handle_line(client, from, (size_t)(newline - from));
	}
	*scanned = *start;
	return true;
}

/* New bytes are at line + `old_len`: handle what is complete. */
static void handle_input(struct client *client, size_t old_len)
{
	size_t start = 0, scanned = old_len;

	while (!client->dead && handle_next(client, &start, &scanned))
		;
	if (client->dead)
		return;
	client->line_len -= start;
	memmove(client->line, client->line + start, client->line_len);
	if (client->skipping)
		client->line_len = 0;
	if (client->line_len < LINE_BYTES_MAX)
		return;
	client->line_len = 0;
	client->skipping = true;
	client_complain(client, "a request must not be longer than 65536 bytes");
}

static void client_read(struct client *client)
{
	size_t old_len = client->line_len;
	ssize_t n = read(client->fd, client->line + old_len, LINE_BYTES_MAX - old_len);

	if (n > 0) {
		client->line_len += (size_t)n;
		handle_input(client, old_len);
	} else if (n == 0 && client->is_socket) {
		/* Its other direction may still be open: shutdown(2), as nc -N and socat do. */
		client->finished = true;
		client_flush(client);
	} else if (n == 0 || !is_temporary(errno)) {
		client_drop(client);
	}
}

static void client_ready(void *ctx, uint32_t events)
{
	struct client *client = ctx;

	client->busy = true;
	if (events & EPOLLOUT)
		client_flush(client);
	if (!client->dead && (events & ~(uint32_t)EPOLLOUT)) {
		if (client->finished)
			client_drop(client);
		else
			client_read(client);
	}
	client->busy = false;
	if (client->dead)
		client_free(client);
}

static int client_create(struct vmm_control *control, int fd, bool is_socket)
{
	struct client *client = calloc(1, sizeof(*client));
	int error = -ENOMEM;

	if (!client)
		return error;
	*client = (struct client){ .control = control, .fd = fd, .is_socket = is_socket };
	client->last_request_ns = vmm_now_ns();
	client->line = malloc(LINE_BYTES_MAX);
	if (client->line)
		error = vmm_loop_add(control->loop, fd, EPOLLIN, client_ready, client);
	if (error) {
		client_free(client);
		return error;
	}
	client->next = control->clients;
	control->clients = client;
	control->client_count++;
	return 0;
}

/* --- the listening socket --------------------------------------------------------------------- */

/* Make room: the client that waits for nothing and has been silent for longest goes. */
static void drop_idlest(struct vmm_control *control)
{
	struct client *idlest = NULL;

	for (struct client *c = control->clients; c; c = c->next)
		if (!c->busy && !c->requests &&
		    (!idlest || c->last_request_ns <= idlest->last_request_ns))
			idlest = c;
	if (idlest)
		client_drop(idlest);
}

/* The folder keeps others out already, unless somebody changed its mode. */
static bool peer_is_allowed(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (peer.uid == geteuid() || peer.uid == 0);
}

static void listener_ready(void *ctx, uint32_t events)
{
	struct vmm_control *control = ctx;
	int fd = accept4(control->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd < 0) {
		/* Out of descriptors, most likely: the connection stays ready, so look away for a while. */
		if (!is_temporary(errno) && errno != ECONNABORTED) {
			drop_idlest(control);
			vmm_loop_modify(control->loop, control->listen_fd, 0);
			vmm_timer_set(&control->accept_again, vmm_now_ns() + ACCEPT_PAUSE_NS);
		}
		return;
	}
	if (control->client_count >= CLIENTS_MAX)
		drop_idlest(control);
	if (control->client_count >= CLIENTS_MAX || !peer_is_allowed(fd) ||
	    client_create(control, fd, true))
		close(fd);
}

static void accept_again(void *ctx)
{
	struct vmm_control *control = ctx;

	vmm_loop_modify(control->loop, control->listen_fd, EPOLLIN);
}

/* The folder, made if it is missing, private to this user. */
static int open_folder(const char *path)
{
	struct stat status;
	int fd;

	if (mkdir(path, 0700) && errno != EEXIST) {
		int error = errno;

		vmm_log(HVH_LOG_ERROR, "cannot make the folder %s for control sockets: %s%s", path,
			strerror(error),
			getenv("XDG_RUNTIME_DIR") ? "" :
						    "; set XDG_RUNTIME_DIR to a folder of yours");
		return -error;
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &status)) {
		int error = errno;

		vmm_log(HVH_LOG_ERROR, "cannot open the folder %s: %s", path, strerror(error));
		if (fd >= 0)
			close(fd);
		return -error;
	}
	if (status.st_uid != geteuid() || (status.st_mode & 0022)) {
		vmm_log(HVH_LOG_ERROR,
			"%s must belong to you and be writable by nobody else (chmod 700)", path);
		close(fd);
		return -EPERM;
	}
	return fd;
}

/*
 * Whoever holds the lock file has the name. The file is removed at the end, so having locked one is
 * only good while it still is the one that the name leads to.
 */
static int take_lock(struct vmm_control *control)
{
	for (;;) {
		struct stat locked, named;
		int fd = openat(control->folder_fd, control->lock_name,
				O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX | LOCK_NB)) {
			int error = errno == EWOULDBLOCK ? EADDRINUSE : errno;

			close(fd);
			return -error;
		}
		if (fstat(fd, &locked) == 0 &&
		    fstatat(control->folder_fd, control->lock_name, &named, 0) == 0 &&
		    locked.st_ino == named.st_ino && locked.st_dev == named.st_dev) {
			control->lock_fd = fd;
			return 0;
		}
		close(fd);
	}
}

static int start_listening(struct vmm_control *control)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	control->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (control->listen_fd < 0)
		return -errno;
	/* Through the descriptor, because the folder's path may be longer than an address can be. */
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s",
		 control->folder_fd, control->socket_name);
	/* Ours is the lock: what lies there is left from a process that is gone. */
	if (unlinkat(control->folder_fd, control->socket_name, 0) && errno != ENOENT)
		return -errno;
	if (fchmod(control->listen_fd, 0600) ||
	    bind(control->listen_fd, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(control->listen_fd, SOMAXCONN))
		return -errno;
	return vmm_loop_add(control->loop, control->listen_fd, EPOLLIN, listener_ready, control);
}

/* --- life ------------------------------------------------------------------------------------- */

const char *vmm_control_folder(void)
{
	static char folder[4096];
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	/* Relative ones are to be ignored, says the specification of that variable. */
	snprintf(folder, sizeof(folder), "%s/hvhost",
		 runtime && runtime[0] == '/' ? runtime : "/run");
	return folder;
}

static struct vmm_control *control_new(struct vmm_loop *loop, vmm_control_fn fn, void *ctx)
{
	struct vmm_control *control = calloc(1, sizeof(*control));

	if (!control)
		return NULL;
	*control = (struct vmm_control){ .loop = loop, .fn = fn, .ctx = ctx };
	control->folder_fd = control->lock_fd = control->listen_fd = -1;
	vmm_timer_init(&control->accept_again, loop, accept_again, control);
	return control;
}

/* Undoes as much of a socket as there is. Without the lock nothing in the folder is ours. */
static void close_socket(struct vmm_control *control)
{
	if (control->listen_fd >= 0) {
		vmm_loop_remove(control->loop, control->listen_fd);
		close(control->listen_fd);
		unlinkat(control->folder_fd, control->socket_name, 0);
	}
	if (control->lock_fd >= 0) {
		unlinkat(control->folder_fd, control->lock_name, 0);
		close(control->lock_fd);
	}
	if (control->folder_fd >= 0)
		close(control->folder_fd);
}

int vmm_control_create(struct vmm_loop *loop, const char *name, vmm_control_fn fn, void *ctx,
		       struct vmm_control **out)
{
	const char *folder = vmm_control_folder();
	struct vmm_control *control;
	int error;

	if (!vmm_name_is_valid(name))
		return -EINVAL;
	control = control_new(loop, fn, ctx);
	if (!control)
		return -ENOMEM;
	snprintf(control->socket_name, sizeof(control->socket_name), "%s.sock", name);
	snprintf(control->lock_name, sizeof(control->lock_name), "%s.lock", name);
	error = control->folder_fd = open_folder(folder);
	if (error >= 0) {
		error = take_lock(control);
		if (!error)
			error = start_listening(control);
		if (error && error != -EADDRINUSE)
			vmm_log(HVH_LOG_ERROR, "cannot make the control socket %s/%s: %s", folder,
				control->socket_name, strerror(-error));
	}
	if (error) {
		close_socket(control);
		free(control);
		return error;
	}
	*out = control;
	return 0;
}

int vmm_control_create_stream(struct vmm_loop *loop, int fd, vmm_control_fn fn, void *ctx,
			      struct vmm_control **out)
{
	struct vmm_control *control = control_new(loop, fn, ctx);
	struct stat status;
	int error = control ? 0 : -ENOMEM;

	if (!error && (fcntl(fd, F_SETFL, O_NONBLOCK) || fstat(fd, &status)))
		error = -errno;
	if (!error)
		error = client_create(control, fd, S_ISSOCK(status.st_mode));
	if (error) {
		close(fd);
		free(control);
		return error;
	}
	*out = control;
	return 0;
}

void vmm_control_event(struct vmm_control *control, json_t *event)
{
	struct client *next;

	for (struct client *client = control->clients; event && client; client = next) {
		next = client->next;
		client_send(client, event);
	}
	json_decref(event);
}

/* What is still to be written, within FLUSH_MS for all clients together. */
static void flush_all(struct vmm_control *control)
{
	uint64_t deadline_ns = vmm_now_ns() + FLUSH_MS * 1000000ull;
	struct client *next;

	for (struct client *client = control->clients; client; client = next) {
		next = client->next;
		while (client->output_len) {
			struct pollfd room = { .fd = client->fd, .events = POLLOUT };
			uint64_t now_ns = vmm_now_ns();
			size_t before = client->output_len;

			if (now_ns >= deadline_ns ||
			    poll(&room, 1, (int)((deadline_ns - now_ns) / 1000000 + 1)) <= 0)
				break;
			client->busy = true;
			client_flush(client);
			client->busy = false;
			if (client->dead) {
				client_free(client);
				break;
			}
			if (client->output_len == before)
				break;
		}
	}
}

void vmm_control_destroy(struct vmm_control *control)
{
	if (!control)
		return;
	while (control->requests)
		vmm_reply_error(control->requests, "the VM has ended");
	flush_all(control);
	vmm_timer_set(&control->accept_again, 0);
	/* The name is free before the clients see the end: a waiting one may start the next VM at once. */
	close_socket(control);
	while (control->clients)
		client_drop(control->clients);
	free(control);
}
