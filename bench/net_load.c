/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The load of bench/net, in the guest: `net_load ROW INTERFACE COUNT` sends or receives so many packets (streams: KiB) of the row
 * and prints what each side of the machine did meanwhile:
 *
 *	bench: ROW COUNT TICKS IDLE_MS INTERRUPTS DOORBELLS
 *
 * Ticks are of the processor's clock; milliseconds in which the inner Linux had nothing to do are its own, which net_peer
 * tells. Interrupts and doorbells are the channels' (0 if the interface is not on VMBus).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <glob.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "net_peer.h"

#define BATCH 64u
/* With Ethernet's, IPv4's and UDP's headers 64 bytes */
#define SMALL	22u
#define SECONDS 60

struct moment {
	uint64_t ticks;
	uint64_t idle_ms;
	uint64_t interrupts;
	uint64_t doorbells;
};

static void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("bench: failed: ");
	vprintf(format, args);
	printf(": %s\n", strerror(errno));
	va_end(args);
	exit(1);
}

static int connected(int type, const char *address, uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct timeval limit = { .tv_sec = SECONDS };
	int fd = socket(AF_INET, type, 0);

	inet_pton(AF_INET, address, &to.sin_addr);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)))
		fail("%s port %u", address, port);
	return fd;
}

static uint64_t sum(const char *interface, const char *file)
{
	char pattern[256];
	uint64_t total = 0;
	glob_t found;

	snprintf(pattern, sizeof(pattern), "/sys/class/net/%s/device/channels/*/%s", interface,
		 file);
	if (glob(pattern, 0, NULL, &found))
		return 0;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		FILE *counter = fopen(found.gl_pathv[i], "r");
		unsigned long long value;

		if (!counter || fscanf(counter, "%llu", &value) != 1)
			fail("%s", found.gl_pathv[i]);
		fclose(counter);
		total += value;
	}
	globfree(&found);
	return total;
}

static uint64_t idle_ms(void)
{
	int fd = connected(SOCK_DGRAM, PEER_ADDRESS, PEER_IDLE);
	uint64_t idle;

	if (send(fd, "", 1, 0) != 1 || recv(fd, &idle, sizeof(idle), 0) != sizeof(idle))
		fail("the peer's idle time");
	close(fd);
	return idle;
}

static struct moment now(const char *interface)
{
	struct moment moment = { .idle_ms = idle_ms() };

	moment.interrupts = sum(interface, "interrupts");
	moment.doorbells = sum(interface, "events");
	moment.ticks = __rdtsc();
	return moment;
}

/* Small datagrams as fast as the interface takes them. */
static void send_small(const char *address, uint16_t port, unsigned count)
{
	static char payload[SMALL];
	struct iovec piece = { .iov_base = payload, .iov_len = sizeof(payload) };
	struct mmsghdr batch[BATCH];
	int fd = connected(SOCK_DGRAM, address, port);

	memset(batch, 0, sizeof(batch));
	for (unsigned i = 0; i < BATCH; i++) {
		batch[i].msg_hdr.msg_iov = &piece;
		batch[i].msg_hdr.msg_iovlen = 1;
	}
	while (count) {
		int sent = sendmmsg(fd, batch, count < BATCH ? count : BATCH, 0);

		if (sent <= 0)
			fail("sendmmsg");
		count -= (unsigned)sent;
	}
	close(fd);
}

/* One datagram on its way at a time. */
static void request_response(const char *address, uint16_t port, unsigned count)
{
	char payload[SMALL] = { 0 };
	int fd = connected(SOCK_DGRAM, address, port);

	while (count--)
		if (send(fd, payload, sizeof(payload), 0) != sizeof(payload) ||
		    recv(fd, payload, sizeof(payload), 0) != sizeof(payload))
			fail("request and response");
	close(fd);
}

static void stream_out(unsigned kib)
{
	static char bytes[65536];
	uint64_t left = (uint64_t)kib << 10;
	int fd = connected(SOCK_STREAM, PEER_ADDRESS, PEER_SINK);

	while (left) {
		ssize_t sent = send(fd, bytes, left < sizeof(bytes) ? left : sizeof(bytes), 0);

		if (sent <= 0)
			fail("stream");
		left -= (uint64_t)sent;
	}
	shutdown(fd, SHUT_WR);
	/* The peer closes when it has all. */
	if (recv(fd, bytes, 1, 0))
		fail("the stream's end");
	close(fd);
}

static void stream_in(unsigned kib)
{
	uint64_t left = (uint64_t)kib << 10;
	int fd = connected(SOCK_STREAM, PEER_ADDRESS, PEER_SOURCE);
	static char bytes[65536];
	ssize_t got;

	if (send(fd, &left, sizeof(left), 0) != sizeof(left))
		fail("stream");
	for (; (got = recv(fd, bytes, sizeof(bytes), 0)) > 0; left -= (uint64_t)got)
		;
	if (left)
		fail("the stream ended %llu bytes early", (unsigned long long)left);
	close(fd);
}

static void tell(const char *path, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void tell(const char *path, const char *format, ...)
{
	FILE *file = fopen(path, "w");
	va_list args;

	if (!file)
		fail("%s", path);
	va_start(args, format);
	vfprintf(file, format, args);
	va_end(args);
	if (fclose(file))
		fail("%s", path);
}

/* The kernel's packet generator: next to nothing but the driver. */
static void generate(const char *interface, unsigned count)
{
	char path[64], line[256];
	unsigned long long sent = 0;
	FILE *file;

	tell("/proc/net/pktgen/kpktgend_0", "rem_device_all\n");
	tell("/proc/net/pktgen/kpktgend_0", "add_device %s\n", interface);
	snprintf(path, sizeof(path), "/proc/net/pktgen/%s", interface);
	tell(path, "count %u\n", count);
	tell(path, "pkt_size 60\n");
	tell(path, "delay 0\n");
	tell(path, "dst_mac 02:00:00:00:00:01\n");
	tell(path, "dst " NULL_ADDRESS "\n");
	tell("/proc/net/pktgen/pgctrl", "start\n");
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file))
		sscanf(line, " pkts-sofar: %llu", &sent);
	if (!file || sent != count)
		fail("pktgen sent %llu packets", sent);
	fclose(file);
}

static void run(const char *row, const char *interface, unsigned count)
{
	if (!strcmp(row, "udp64"))
		send_small(NULL_ADDRESS, PEER_DISCARD, count);
	else if (!strcmp(row, "rr"))
		request_response(ECHO_ADDRESS, PEER_ECHO, count);
	else if (!strcmp(row, "driver64"))
		generate(interface, count);
	else if (!strcmp(row, "tap-udp64"))
		send_small(PEER_ADDRESS, PEER_DISCARD, count);
	else if (!strcmp(row, "tap-rr"))
		request_response(PEER_ADDRESS, PEER_ECHO, count);
	else if (!strcmp(row, "stream-out"))
		stream_out(count);
	else if (!strcmp(row, "stream-in"))
		stream_in(count);
	else
		fail("no row %s", row);
}

int main(int argc, char **argv)
{
	struct moment before, after;
	unsigned count;

	if (argc != 4 || !(count = (unsigned)atoi(argv[3])))
		fail("usage: net_load ROW INTERFACE COUNT");
	/* What comes first only once: addresses of neighbours, memory. */
	run(argv[1], argv[2], count / 16);
	before = now(argv[2]);
	run(argv[1], argv[2], count);
	after = now(argv[2]);
	printf("bench: %s %u %llu %llu %llu %llu\n", argv[1], count,
	       (unsigned long long)(after.ticks - before.ticks),
	       (unsigned long long)(after.idle_ms - before.idle_ms),
	       (unsigned long long)(after.interrupts - before.interrupts),
	       (unsigned long long)(after.doorbells - before.doorbells));
	return 0;
}
