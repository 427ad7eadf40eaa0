/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Keys: (c) const after create, (s) control loop, (o) the owner loop, (v) the processor's thread, (l) the
 * structure's lock, (a) atomic.
 *
 * Locks, in this order: doors, a loop's. A processor's is taken alone.
 */
#ifndef FUZZ_THREADED_HOST_PRIV_H
#define FUZZ_THREADED_HOST_PRIV_H

#include <hvh/hvh_mem.h>
#include <hvh/hvh_synic.h>
#include <pthread.h>
#include <stdatomic.h>

#include "fuzz/threaded_host.h"
#include "hvp_hv.h"

#define OWNERS 2u
#define DOORS  32u

/* Something for a loop to do. */
struct job {
	struct job *next; /* (l) */
	void (*fn)(struct threaded_host *host, struct job *job);
	bool queued; /* (l) in some loop's queue */
	bool done; /* (l) of the control loop: for those that are waited for */
};

struct loop {
	struct threaded_host *host; /* (c) */
	unsigned index; /* (c) of an owner */
	pthread_t thread; /* (c) */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct job *first, **last; /* (l) */
	struct job *held, **held_last; /* (l) control loop: what waits while it reloads */
	bool stop; /* (l) */
	bool parked; /* (l) owner: stands still */
	bool park; /* (l) owner: is to */
};

/* A channel that an owner loop has, and the connection that the guest signals for it. */
struct door {
	struct threaded_host *host; /* (c) */
	struct hvh_channel *channel; /* (doors lock) NULL: free */
	uint32_t connection_id; /* (doors lock) */
	bool live; /* (doors lock) */
	struct loop *owner; /* from the start to the end */
	struct job start, notify, attend, stop; /* for the owner */
	struct job started, stopped; /* for the control loop */
	int result; /* of the start; handed over with `started` */
	struct echo_device *echo; /* handed over with `start`; NULL: another device */
	bool running; /* (o) */
	uint64_t deadline_ns; /* (o) 0: none */
};

struct mail {
	uint32_t sint;
	uint32_t len;
	uint8_t bytes[HVP_MESSAGE_PAYLOAD_MAX];
};

struct vp {
	struct hvh_synic *synic; /* (v), and control loop while it is parked */
	uint64_t scontrol, siefp, simp; /* (v) */
	_Atomic uint64_t sint[HVP_SINT_COUNT]; /* (a) */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool full; /* (l) */
	struct mail mail; /* (l) a message on its way to the slot */
	bool park, parked; /* (l) */
};

struct threaded_host {
	struct threaded_host_config config; /* (c) */
	struct hvh_mem *mem; /* (c) */
	struct hvg_soft_hypervisor table; /* (c) */
	struct hvh_server *server; /* (s) */
	/* (s) and owner loops, between jobs of each other */
	struct hvh_device *devices[THREADED_DEVICES];
	unsigned starting; /* (s) channels that were given to an owner, which has not answered */
	unsigned leaving; /* (s) devices that were removed and are not gone */
	struct loop control;
	struct loop owners[OWNERS];
	pthread_mutex_t doors_lock;
	struct door doors[DOORS];
	struct job flush, work; /* for the control loop */
	struct vp vps[THREADED_CPUS_MAX]; /* by the guest's number */
	atomic_bool muted; /* (a) the server goes away: the guest gets nothing of it */
	_Atomic uint64_t os_id, hypercall, reference_tsc; /* (a) */
	atomic_uint lines; /* (a) */
	char line[200]; /* (doors lock) the first of them */
	_Atomic uint64_t dropped; /* (a) */
};

#define THREADED_REQUIRE(condition)                                                                \
	do {                                                                                       \
		if (!(condition))                                                                  \
			threaded_host_die(__FILE__, __LINE__, #condition);                         \
	} while (0)
_Noreturn void threaded_host_die(const char *file, int line, const char *what);

uint64_t threaded_host_now_ns(void);

/* The partition's reference counter, and the wall clock of the host. */
uint64_t threaded_host_reference(void);

/* threaded_loop.c */
void threaded_loop_init(struct loop *loop, struct threaded_host *host, void *(*run)(void *loop));
void threaded_loop_end(struct loop *loop); /* the thread; what is queued is not done any more */
void threaded_loop_fini(struct loop *loop); /* after the last that could give it something */
void threaded_loop_give(struct loop *loop, struct job *job);
void threaded_loop_cancel(struct loop *loop, struct job *job);
void *threaded_control_run(void *loop);
void *threaded_owner_run(void *loop);

/* Give it to the control loop, behind what is held, and wait. False: the loop ended before. */
bool threaded_loop_ask(struct threaded_host *host, struct job *job);
void threaded_job_done(struct threaded_host *host, struct job *job);

/* Control loop, from within a job: do what the doors ask until `until` is true. */
void threaded_control_nested(struct threaded_host *host, bool (*until)(struct threaded_host *host));
void threaded_owner_park(struct loop *owner);
void threaded_owner_unpark(struct loop *owner);

/* threaded_partition.c */
void threaded_partition_init(struct threaded_host *host);
void threaded_partition_fini(struct threaded_host *host);
bool threaded_partition_post(void *host, uint32_t vp, uint32_t sint, const void *bytes, size_t len);
void threaded_partition_signal(void *host, uint32_t vp, uint32_t sint, uint32_t flag);
void threaded_partition_kicked(void *host, unsigned cpu);
void threaded_partition_park(struct threaded_host *host);
void threaded_partition_unpark(struct threaded_host *host);

/* Parked: save the SynICs, destroy them, load new ones. */
void threaded_partition_reload(struct threaded_host *host);

/* threaded_host.c: what hypercalls bring. Both return the hypercall's status. */
uint16_t threaded_host_post(struct threaded_host *host, const struct hvp_post_message *post);
uint16_t threaded_host_doorbell(struct threaded_host *host, uint32_t connection_id);

/* Owner loop: its timers; returns the time of the next one, 0: there is none. */
uint64_t threaded_host_expire(struct threaded_host *host, const struct loop *owner);

/* Owner loop, nothing else to do: I/O of closing devices comes to its end. */
void threaded_host_idle(struct threaded_host *host, const struct loop *owner);

#endif
