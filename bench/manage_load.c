/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The load of bench/manage, beside hvhost: `manage_load SOCKET ROW COUNT` has the guest do the row so often, by the control socket,
 * and prints how long that took by the clock of the Linux that both run in:
 *
 *	bench: ROW COUNT NANOSECONDS
 *
 * kvp-set: pairs given; kvp-list: pairs read; copy: KiB of one file; freeze: freezes, each from the request to the confirmation,
 * without the thaws; wait: until the service for pairs is ready.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* What `hvhost copy` sends at once, and how much of it is under way. */
#define PIECE  43008u
#define WINDOW 2u
#define PAIRS  20u

static FILE *in, *out;
static char piece[PIECE];
static char reply[1 << 20];

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("bench: failed: ");
	vprintf(format, args);
	putchar('\n');
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(out, format, args);
	va_end(args);
	putc('\n', out);
	fflush(out);
}

static bool good(void)
{
	/* Events are for others. */
	do
		if (!fgets(reply, sizeof(reply), in))
			fail("hvhost has gone");
	while (!strstr(reply, "\"ok\""));
	return strstr(reply, "\"ok\": true") || strstr(reply, "\"ok\":true");
}

static void hear(void)
{
	if (!good())
		fail("%s", reply);
}

/* A number of the last reply. */
static long number(const char *name)
{
	char key[32], *at;

	snprintf(key, sizeof(key), "\"%s\":", name);
	at = strstr(reply, key);
	return at ? strtol(at + strlen(key), NULL, 10) : 0;
}

static void set_pairs(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		say("{\"command\": \"kvp\", \"order\": \"set\", \"pool\": \"external\", "
		    "\"key\": \"key-%u\", \"value\": \"value %u\"}",
		    i % PAIRS, i);
		hear();
	}
}

static void list_pairs(unsigned count)
{
	for (unsigned i = 0; i < count; i += PAIRS) {
		say("{\"command\": \"kvp\", \"order\": \"list\", \"pool\": \"external\", \"index\": 0}");
		hear();
	}
}

static void copy_file(unsigned kib)
{
	unsigned pieces = kib * 1024u / PIECE, sent = 0, done = 0;
	long copy;

	say("{\"command\": \"copy\", \"order\": \"start\", \"path\": \"/tmp/\", \"name\": \"file\", "
	    "\"bytes\": %u, \"overwrite\": true}",
	    pieces * PIECE);
	hear();
	copy = number("copy");
	while (done < pieces) {
		while (sent < pieces && sent < done + WINDOW) {
			fprintf(out,
				"{\"command\": \"copy\", \"order\": \"write\", \"copy\": %ld, \"offset\": %u, \"data_bytes\": %u}\n",
				copy, sent++ * PIECE, PIECE);
			fwrite(piece, PIECE, 1, out);
			fflush(out);
		}
		hear();
		done++;
	}
	say("{\"command\": \"copy\", \"order\": \"complete\", \"copy\": %ld}", copy);
	hear();
}

static uint64_t freeze_and_thaw(unsigned count)
{
	uint64_t ns = 0;

	for (unsigned i = 0; i < count; i++) {
		uint64_t begin = now_ns();

		say("{\"command\": \"backup\", \"order\": \"freeze\", \"hold_seconds\": 60}");
		hear();
		ns += now_ns() - begin;
		say("{\"command\": \"backup\", \"order\": \"thaw\", \"freeze\": %ld}",
		    number("freeze"));
		hear();
	}
	return ns;
}

static void wait_for_pairs(void)
{
	for (;;) {
		say("{\"command\": \"kvp\", \"order\": \"set\", \"pool\": \"external\", \"key\": \"key-0\", \"value\": \"\"}");
		if (good())
			return;
		usleep(10000);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	const char *row = argc == 4 ? argv[2] : "";
	unsigned count = argc == 4 ? (unsigned)atoi(argv[3]) : 0;
	uint64_t begin, ns = 0;

	if (argc != 4)
		fail("usage: manage_load SOCKET ROW COUNT");
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", argv[1]);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
		fail("%s cannot be reached", argv[1]);
	in = fdopen(fd, "r");
	out = fdopen(dup(fd), "w");
	begin = now_ns();
	if (!strcmp(row, "kvp-set"))
		set_pairs(count);
	else if (!strcmp(row, "kvp-list"))
		list_pairs(count);
	else if (!strcmp(row, "copy"))
		copy_file(count);
	else if (!strcmp(row, "freeze"))
		ns = freeze_and_thaw(count);
	else if (!strcmp(row, "wait"))
		wait_for_pairs();
	else
		fail("no row %s", row);
	if (!ns)
		ns = now_ns() - begin;
	printf("bench: %s %u %llu\n", row, count, (unsigned long long)ns);
	return 0;
}
