/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Runs a monitor until its guest writes a given text to its standard output, then kills it. Prints what
 * that took from just before the monitor's exec: ticks of the processor's clock, nanoseconds, and
 * milliseconds in which this machine's processors were idle. Runs in the inner Linux of bench/boot.
 *
 * usage: boot_run SECONDS TEXT PROGRAM [ARGUMENT]...
 *
 * It fails when nothing at all is written for so many seconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#include "bench.h"

struct moment {
	uint64_t ticks;
	uint64_t ns;
	uint64_t idle_ms;
};

static struct moment now(void)
{
	return (struct moment){ .ticks = __rdtsc(),
				.ns = bench_now_ns(),
				.idle_ms = bench_idle_ms() };
}

static pid_t start(char **argv, int output)
{
	pid_t pid = fork();

	if (pid < 0)
		bench_fail("fork: %s", strerror(errno));
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
	dup2(output, STDOUT_FILENO);
	execvp(argv[0], argv);
	bench_fail("%s: %s", argv[0], strerror(errno));
}

/* False: the output ended, or nothing came for too long, before `text`. All output goes to stderr then. */
static bool wait_text(int fd, const char *text, int limit_ms)
{
	static char bytes[1 << 20];
	size_t used = 0;

	while (used < sizeof(bytes) - 1) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		ssize_t got = poll(&wait, 1, limit_ms) > 0 ?
				      read(fd, bytes + used, sizeof(bytes) - 1 - used) :
				      0;

		if (got <= 0)
			break;
		used += (size_t)got;
		if (memmem(bytes, used, text, strlen(text)))
			return true;
	}
	fwrite(bytes, 1, used, stderr);
	return false;
}

int main(int argc, char **argv)
{
	struct moment before, after;
	int output[2];
	bool said;
	pid_t pid;

	if (argc < 4 || atoi(argv[1]) <= 0)
		bench_fail("usage: boot_run SECONDS TEXT PROGRAM [ARGUMENT]...");
	if (pipe2(output, O_CLOEXEC))
		bench_fail("pipe: %s", strerror(errno));
	before = now();
	pid = start(argv + 3, output[1]);
	close(output[1]);
	said = wait_text(output[0], argv[2], atoi(argv[1]) * 1000);
	after = now();
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (!said)
		bench_fail("%s ended, or stood still, before its guest wrote '%s'", argv[2],
			   argv[1]);
	printf("%llu %llu %llu\n", (unsigned long long)(after.ticks - before.ticks),
	       (unsigned long long)(after.ns - before.ns),
	       (unsigned long long)(after.idle_ms - before.idle_ms));
	return 0;
}
