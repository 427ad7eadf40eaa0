/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The other end of bench/net's TAP interface, in the inner Linux: what net_peer.h lists. One connection at a time.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "net_peer.h"

static char bytes[1 << 18];

static int bound(int type, uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, type, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) ||
	    (type == SOCK_STREAM && listen(fd, 1)))
		bench_fail("port %u: %s", port, strerror(errno));
	return fd;
}

/* What nobody looks at is not copied. */
static void discard(int fd)
{
	while (recv(fd, NULL, 0, MSG_DONTWAIT | MSG_TRUNC) >= 0)
		;
}

static void sink(int listener)
{
	int fd = accept(listener, NULL, NULL);

	while (recv(fd, NULL, sizeof(bytes), MSG_TRUNC) > 0)
		;
	close(fd);
}

static void source(int listener)
{
	int fd = accept(listener, NULL, NULL);
	uint64_t left;

	if (recv(fd, &left, sizeof(left), MSG_WAITALL) != sizeof(left))
		left = 0;
	while (left) {
		ssize_t sent =
			send(fd, bytes, left < sizeof(bytes) ? left : sizeof(bytes), MSG_NOSIGNAL);

		if (sent <= 0)
			break;
		left -= (uint64_t)sent;
	}
	close(fd);
}

static void echo(int fd)
{
	struct sockaddr_in from;
	socklen_t length = sizeof(from);
	ssize_t got = recvfrom(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &length);

	if (got >= 0)
		sendto(fd, bytes, (size_t)got, 0, (struct sockaddr *)&from, length);
}

static void tell_idle(int fd)
{
	struct sockaddr_in from;
	socklen_t length = sizeof(from);
	uint64_t idle = bench_idle_ms();

	if (recvfrom(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &length) >= 0)
		sendto(fd, &idle, sizeof(idle), 0, (struct sockaddr *)&from, length);
}

int main(void)
{
	static void (*const serve[])(int fd) = { discard, sink, source, echo, tell_idle };
	struct pollfd fds[] = {
		{ .fd = bound(SOCK_DGRAM, PEER_DISCARD), .events = POLLIN },
		{ .fd = bound(SOCK_STREAM, PEER_SINK), .events = POLLIN },
		{ .fd = bound(SOCK_STREAM, PEER_SOURCE), .events = POLLIN },
		{ .fd = bound(SOCK_DGRAM, PEER_ECHO), .events = POLLIN },
		{ .fd = bound(SOCK_DGRAM, PEER_IDLE), .events = POLLIN },
	};
	const unsigned count = sizeof(fds) / sizeof(*fds);

	for (;;) {
		if (poll(fds, count, -1) < 0)
			bench_fail("poll: %s", strerror(errno));
		for (unsigned i = 0; i < count; i++)
			if (fds[i].revents)
				serve[i](fds[i].fd);
	}
}
