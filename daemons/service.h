/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the daemons share: their arguments, words for the log, and the device by which a driver speaks to them
 * (hvp_daemon.h).
 */
#ifndef DAEMONS_SERVICE_H
#define DAEMONS_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <syslog.h>

/* One option of a daemon's own: takes a value, which `set` returns false for if it is wrong. */
struct hvd_option {
	const char *name; /* with its minuses; NULL ends a list */
	const char *help; /* value and what it is, for --help */
	bool (*set)(const char *value);
};

/*
 * --device PATH (or fd:N, a descriptor that is open), --help, --version, and `options`. Returns the device's path, or ends the
 * process: with 0 after help, with 2 after a line about what is wrong.
 */
const char *hvd_arguments(int argc, char **argv, const char *name, const char *device,
			  const struct hvd_option *options);

/* A line to stderr, with its priority (LOG_*) as systemd's journal takes it when it is that. */
void hvd_log(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The device, or -errno after a line. */
int hvd_open(const char *device);

/*
 * Says what the daemon is, and reads the driver's answer of at most `size` bytes. Its length, or -errno after a line.
 */
ssize_t hvd_register(int fd, const void *hello, size_t hello_len, void *answer, size_t size);

/*
 * The next message: its length; 0: the device has gone; -errno. hvd_stop() ends the wait: -EINTR. Write: 0 or -errno.
 */
ssize_t hvd_read(int fd, void *message, size_t size);
int hvd_write(int fd, const void *message, size_t len);

/* From now on SIGTERM and SIGINT end the process in order: hvd_stopped() is true, and waits are over. */
void hvd_catch_signals(void);
bool hvd_stopped(void);

#endif
