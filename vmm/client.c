/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/client.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "vmm/control.h"
#include "vmm/loop.h"

#define LINE_BYTES_MAX (4u << 20)
#define SEND_TIMEOUT_S 10

struct vmm_client {
	int fd;
	char *input;
	size_t input_len;
	size_t input_size;
};

static int connect_to(const char *name)
{
	/* A server that does not accept must not hold us for ever: this time limit covers connect() too. */
	struct timeval timeout = { .tv_sec = SEND_TIMEOUT_S };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int folder_fd, fd, error = 0;

	folder_fd = open(vmm_control_folder(), O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (folder_fd < 0)
		return -errno;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s.sock", folder_fd,
		 name);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		error = -errno;
		if (fd >= 0)
			close(fd);
	}
	close(folder_fd);
	return error ? error : fd;
}

int vmm_client_open(const char *name, struct vmm_client **out)
{
	struct vmm_client *client;
	int fd = connect_to(name);

	if (fd < 0)
		return fd;
	client = calloc(1, sizeof(*client));
	if (!client) {
		close(fd);
		return -ENOMEM;
	}
	client->fd = fd;
	*out = client;
	return 0;
}

void vmm_client_close(struct vmm_client *client)
{
	if (!client)
		return;
	close(client->fd);
	free(client->input);
	free(client);
}

pid_t vmm_client_peer(const struct vmm_client *client)
{
	struct ucred peer = { 0 };
	socklen_t len = sizeof(peer);

	return getsockopt(client->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) ? 0 : peer.pid;
}

static int send_all(struct vmm_client *client, const char *at, size_t len)
{
	while (len) {
		ssize_t n = send(client->fd, at, len, MSG_NOSIGNAL);

		if (n > 0) {
			at += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			return -ETIMEDOUT;
		} else if (errno != EINTR) {
			return errno == ECONNRESET ? -EPIPE : -errno;
		}
	}
	return 0;
}

int vmm_client_send_with(struct vmm_client *client, json_t *request, const void *data,
			 size_t data_len)
{
	size_t len = request ? json_dumpb(request, NULL, 0, JSON_COMPACT) : 0;
	char *text = len ? malloc(len + 1 + data_len) : NULL;
	int error = -ENOMEM;

	if (text) {
		json_dumpb(request, text, len, JSON_COMPACT);
		text[len] = '\n';
		if (data_len)
			memcpy(text + len + 1, data, data_len);
		error = send_all(client, text, len + 1 + data_len);
	}
	free(text);
	json_decref(request);
	return error;
}

int vmm_client_send(struct vmm_client *client, json_t *request)
{
	return vmm_client_send_with(client, request, NULL, 0);
}

/* One line out of what has been read: 1, or 0 when there is none yet, or negative errno. */
static int take_line(struct vmm_client *client, json_t **message)
{
	char *newline = client->input_len ? memchr(client->input, '\n', client->input_len) : NULL;
	size_t len;

	if (!newline)
		return 0;
	len = (size_t)(newline - client->input) + 1;
	*message = json_loadb(client->input, len, 0, NULL);
	client->input_len -= len;
	memmove(client->input, client->input + len, client->input_len);
	return *message ? 1 : -EPROTO;
}

static int reserve_input(struct vmm_client *client)
{
	size_t size = client->input_size ? client->input_size * 2 : 16384;
	char *bigger;

	if (client->input_len < client->input_size)
		return 0;
	if (size > LINE_BYTES_MAX)
		return -EPROTO;
	bigger = realloc(client->input, size);
	if (!bigger)
		return -ENOMEM;
	client->input = bigger;
	client->input_size = size;
	return 0;
}

static int wait_for_input(struct vmm_client *client, uint64_t deadline_ns)
{
	uint64_t now_ns = vmm_now_ns(),
		 ms = now_ns < deadline_ns ? (deadline_ns - now_ns + 999999) / 1000000 : 0;
	struct pollfd ready = { .fd = client->fd, .events = POLLIN };
	int n = poll(&ready, 1, ms < INT_MAX ? (int)ms : INT_MAX);

	if (n > 0 || (n < 0 && errno == EINTR))
		return 0;
	return n ? -errno : -ETIMEDOUT;
}

int vmm_client_receive(struct vmm_client *client, uint64_t deadline_ns, json_t **message)
{
	for (;;) {
		int result = take_line(client, message);
		ssize_t n;

		if (result)
			return result < 0 ? result : 0;
		result = wait_for_input(client, deadline_ns);
		if (!result)
			result = reserve_input(client);
		if (result)
			return result;
		n = recv(client->fd, client->input + client->input_len,
			 client->input_size - client->input_len, MSG_DONTWAIT);
		if (n > 0)
			client->input_len += (size_t)n;
		else if (n == 0 || errno == ECONNRESET)
			return -EPIPE;
		else if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
}
