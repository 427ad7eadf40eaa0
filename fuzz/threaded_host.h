/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * libhvis-host with real threads, behind a hypervisor for port/user: a control loop, owner loops for the
 * channels, and virtual processors, which are the port's threads. What a monitor is, without KVM.
 *
 * Processors are numbered backwards for the host (virtual processor 0 is the last), so that a core which
 * takes one number for the other is found.
 *
 * Order of life: threaded_host_create, user_start, the test, threaded_host_stop, user_stop,
 * threaded_host_destroy. Other functions: any thread that is none of the host's or the guest's.
 */
#ifndef FUZZ_THREADED_HOST_H
#define FUZZ_THREADED_HOST_H

#include <hvh/hvh_server.h>

#include "fuzz/echo_device.h"
#include "port/user/user.h"

#define THREADED_CPUS_MAX 4u
#define THREADED_ECHOES	  3u
#define THREADED_GPA	  0x100000u /* where the guest's memory begins */

enum threaded_device {
	THREADED_HEARTBEAT,
	THREADED_SHUTDOWN,
	THREADED_TIMESYNC,
	THREADED_ECHO, /* the first of them */
	THREADED_OWN = THREADED_ECHO + THREADED_ECHOES, /* the test's, if it has one */
	THREADED_DEVICES,
};

struct threaded_host_config {
	unsigned cpus; /* 1 to THREADED_CPUS_MAX */
	uint32_t version_max;
	uint64_t ram_bytes;
	struct echo_behaviour echo; /* of each of these */
	struct hvh_device *(*own_create)(void *ctx); /* the test's own device; NULL: there is none */
	void (*own_destroy)(struct hvh_device *device);
	void *own_ctx;
};

struct threaded_host;

/* Threads run from here on. Fills in what `user` needs of it. Aborts where that cannot be done. */
struct threaded_host *threaded_host_create(const struct threaded_host_config *config,
					   struct user_config *user);

/* The guest has left, or is left alone: everything is taken from it, and the loops end. */
void threaded_host_stop(struct threaded_host *host);

/* Returns how many pins and mappings of the guest's memory are left: 0 but for a mistake. */
unsigned threaded_host_destroy(struct threaded_host *host);

/*
 * Save server, devices and SynICs, destroy them all, and load new ones, with virtual processors and loops
 * stopped meanwhile. The guest's other threads go on; what they say to the host waits. False: some channel
 * was being opened or closed all the time, and nothing was done.
 */
bool threaded_host_reload(struct threaded_host *host);

/* Take that echo device away, or bring it back. */
void threaded_host_turn(struct threaded_host *host, unsigned echo);

/* Have it called on the loop of the test's own device, and wait for that. */
void threaded_host_call(struct threaded_host *host,
			void (*fn)(struct hvh_device *device, void *ctx), void *ctx);

/* As hvh_shutdown_request() and hvh_timesync_step(). */
int threaded_host_shutdown(struct threaded_host *host, uint32_t flags);
int threaded_host_step(struct threaded_host *host, int64_t offset);

struct threaded_host_stats {
	struct hvh_server_stats server;
	unsigned echoes; /* a bit for each echo device that is there */
	unsigned lines; /* logged, at level warning or worse */
	char line[200]; /* the first of them */
	uint64_t dropped; /* messages for a processor without SynIC */
};
void threaded_host_stats(struct threaded_host *host, struct threaded_host_stats *stats);

#endif
