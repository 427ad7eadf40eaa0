/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Sends back what it gets on port 7 of TCP and UDP, over IPv4 and IPv6. What comes by TCP goes out again in segments of
 * other sizes, of 1 to 65,536 bytes, each size of a number of bits as often as those of another.
 *
 * usage: echo SEED
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PORT = 7, BYTES_MAX = 65536, WAITING_MAX = 16 };

static int listen_on(int type)
{
	const struct sockaddr_in6 here = { .sin6_family = AF_INET6, .sin6_port = htons(PORT) };
	int fd = socket(AF_INET6, type, 0), off = 0;

	if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) ||
	    bind(fd, (const struct sockaddr *)&here, sizeof(here)) ||
	    (type == SOCK_STREAM && listen(fd, WAITING_MAX))) {
		perror("echo");
		exit(1);
	}
	return fd;
}

static size_t next_size(void)
{
	return 1 + (size_t)random() % ((size_t)1 << random() % 17);
}

static int send_all(int fd, const char *bytes, size_t len)
{
	while (len) {
		ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);

		if (sent <= 0)
			return -1;
		bytes += sent;
		len -= (size_t)sent;
	}
	return 0;
}

static void serve_stream(int fd)
{
	static char bytes[BYTES_MAX];
	ssize_t len;
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	while ((len = recv(fd, bytes, next_size(), 0)) > 0)
		if (send_all(fd, bytes, (size_t)len))
			break;
}

static void serve_datagrams(int fd)
{
	static char bytes[BYTES_MAX];

	for (;;) {
		struct sockaddr_in6 from;
		socklen_t from_len = sizeof(from);
		ssize_t len =
			recvfrom(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &from_len);

		if (len >= 0)
			sendto(fd, bytes, (size_t)len, 0, (const struct sockaddr *)&from, from_len);
	}
}

int main(int argc, char **argv)
{
	const unsigned seed = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1;
	const int listener = listen_on(SOCK_STREAM), datagrams = listen_on(SOCK_DGRAM);
	unsigned count = 0;

	signal(SIGCHLD, SIG_IGN);
	if (!fork())
		serve_datagrams(datagrams);
	for (;;) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			continue;
		count++;
		if (!fork()) {
			srandom(seed + count);
			serve_stream(fd);
			exit(0);
		}
		close(fd);
	}
}
