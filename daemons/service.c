/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemons/service.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *program = "hvis";
static volatile sig_atomic_t stopped;
static sigset_t waiting_mask; /* of a wait: the signals come through then, and only then */

/* --- words ------------------------------------------------------------------------------------------- */

void hvd_log(int priority, const char *format, ...)
{
	char line[1024];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (len < 0)
		return;
	for (char *c = line; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	/* The journal takes the priority off, and a terminal has no use for it. */
	if (getenv("JOURNAL_STREAM"))
		fprintf(stderr, "<%d>%s\n", priority, line);
	else
		fprintf(stderr, "%s: %s\n", program, line);
}

/* --- arguments --------------------------------------------------------------------------------------- */

static void print_help(const char *device, const struct hvd_option *options)
{
	printf("usage: %s [OPTION]...\n\n"
	       "  --device PATH    the driver's device (%s); fd:N is an open descriptor\n",
	       program, device);
	for (; options && options->name; options++)
		printf("  %s %s\n", options->name, options->help);
	printf("  --help           this\n  --version        which it is\n");
}

__attribute__((noreturn)) static void wrong(const char *what, const char *argument)
{
	fprintf(stderr, "%s: %s: %s (see `%s --help`)\n", program, argument, what, program);
	exit(2);
}

static bool is(const char *argument, const char *name)
{
	return strcmp(argument, name) == 0;
}

const char *hvd_arguments(int argc, char **argv, const char *name, const char *device,
			  const struct hvd_option *options)
{
	const char *path = device;

	program = name;
	for (int i = 1; i < argc; i++) {
		const struct hvd_option *option = options;

		if (is(argv[i], "--help")) {
			print_help(device, options);
			exit(0);
		}
		if (is(argv[i], "--version")) {
			printf("%s " HVIS_VERSION "\n", program);
			exit(0);
		}
		while (option && option->name && !is(argv[i], option->name))
			option++;
		if (!is(argv[i], "--device") && (!option || !option->name))
			wrong("there is no such option", argv[i]);
		if (i + 1 == argc)
			wrong("needs a value", argv[i]);
		if (is(argv[i], "--device"))
			path = argv[++i];
		else if (!option->set(argv[++i]))
			wrong("is no value for this option", argv[i]);
	}
	return path;
}

/* --- the device -------------------------------------------------------------------------------------- */

int hvd_open(const char *device)
{
	int fd = -1, err;

	if (!strncmp(device, "fd:", 3)) {
		fd = atoi(device + 3);
		if (!fcntl(fd, F_SETFD, FD_CLOEXEC))
			return fd;
	} else {
		fd = open(device, O_RDWR | O_CLOEXEC);
	}
	err = errno;
	if (fd >= 0 && strncmp(device, "fd:", 3))
		return fd;
	hvd_log(LOG_ERR, "%s: %s%s", device, strerror(err),
		err == EBUSY ? "; another daemon has it" : "");
	return -err;
}

static void on_signal(int number)
{
	(void)number;
	stopped = 1;
}

void hvd_catch_signals(void)
{
	const struct sigaction action = { .sa_handler = on_signal };
	sigset_t blocked;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGINT);
	sigprocmask(SIG_BLOCK, &blocked, &waiting_mask);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

bool hvd_stopped(void)
{
	return stopped;
}

ssize_t hvd_read(int fd, void *message, size_t size)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };

	for (;;) {
		ssize_t n;

		if (stopped)
			return -EINTR;
		if (ppoll(&ready, 1, NULL, &waiting_mask) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		/* Drivers say so with either; what can be read still is. */
		if (!(ready.revents & POLLIN))
			return 0;
		n = read(fd, message, size);
		if (n >= 0)
			return n;
		if (errno == EBADF || errno == ENODEV)
			return 0;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
}

int hvd_write(int fd, const void *message, size_t len)
{
	ssize_t n;

	do
		n = write(fd, message, len);
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)len)
		return 0;
	return n < 0 ? -errno : -EIO;
}

ssize_t hvd_register(int fd, const void *hello, size_t hello_len, void *answer, size_t size)
{
	ssize_t n = hvd_write(fd, hello, hello_len);

	if (!n)
		n = hvd_read(fd, answer, size);
	if (n <= 0 && n != -EINTR)
		hvd_log(LOG_ERR, "the driver does not take this daemon: %s",
			n ? strerror((int)-n) : "it has gone");
	return n ? n : -ENODEV;
}
