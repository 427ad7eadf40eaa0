/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Integration service devices: heartbeat, shutdown and time synchronisation.
 *
 * Status and requests are called on the device's owner loop.
 */
#ifndef HOST_INCLUDE_HVH_HVH_IC_H
#define HOST_INCLUDE_HVH_HVH_IC_H

#include <stdbool.h>
#include <stdint.h>

#include "hvp_ic.h"
#include "hvw_error.h"

struct hvh_device;

enum hvh_ic_state {
	HVH_IC_CLOSED, /* the guest has not opened the channel */
	HVH_IC_NEGOTIATING, /* our versions are with the guest */
	HVH_IC_READY,
	HVH_IC_UNUSABLE, /* no version in common, until the channel is opened anew */
};

/* What every integration service can tell. */
struct hvh_ic_status {
	enum hvh_ic_state state;
	struct hvp_ic_version framework; /* when ready */
	struct hvp_ic_version message;
	uint64_t requests; /* sent */
	uint64_t replies; /* accepted */
	uint64_t violations; /* packets from the guest that made no sense */
};

/* "closed", "negotiating", "ready", "unusable". */
const char *hvh_ic_state_name(enum hvh_ic_state state);

/* By it requests of the services that have a queue wait in it; the device's. */
struct hvh_ic_link {
	struct hvh_ic_link *next;
};

/* --- heartbeat: one request every 2 seconds --------------------------------------------------- */

enum hvh_heartbeat_verdict {
	HVH_HEARTBEAT_NONE, /* no reply since the channel was opened */
	HVH_HEARTBEAT_OK, /* the last reply is recent */
	HVH_HEARTBEAT_LOST, /* there were replies, and none for several periods */
};

struct hvh_heartbeat_status {
	struct hvh_ic_status ic;
	enum hvh_heartbeat_verdict verdict;
	uint32_t guest_state; /* HVP_HEARTBEAT_*, as last reported */
	uint64_t sequence; /* of the last request */
	uint64_t last_reply_ns; /* hvh_device_now() at the last reply; 0: none */
};

int hvh_heartbeat_create(struct hvh_device **device) HVW_MUST_CHECK;
void hvh_heartbeat_destroy(struct hvh_device *device);
void hvh_heartbeat_status(const struct hvh_device *device, struct hvh_heartbeat_status *status);
const char *hvh_heartbeat_verdict_name(enum hvh_heartbeat_verdict verdict);

/* --- shutdown --------------------------------------------------------------------------------- */

/*
 * How a request ended. `result` 0: the guest answered with `status`, HVP_IC_SUCCESS = it will do so.
 * -ENOTCONN: the channel closed first; -ETIMEDOUT: no answer within HVH_SHUTDOWN_TIMEOUT_MS. Owner loop.
 */
typedef void (*hvh_shutdown_done)(void *ctx, int result, uint32_t status);

#define HVH_SHUTDOWN_TIMEOUT_MS 30000

int hvh_shutdown_create(struct hvh_device **device) HVW_MUST_CHECK;
void hvh_shutdown_destroy(struct hvh_device *device);
void hvh_shutdown_status(const struct hvh_device *device, struct hvh_ic_status *status);

/*
 * Ask the guest to shut down. `flags`: HVP_SHUTDOWN_*. `text`: shown to its user, ASCII, may be NULL.
 * `done` is called once after a return of 0. An answer says that the guest accepts, not that it is
 * done: that is seen on the virtual machine itself.
 * -ENOTCONN: no driver in the guest answers (closed, negotiating or unusable); -EBUSY: a request is
 * under way; -EOPNOTSUPP: the negotiated version cannot carry these flags; -EAGAIN: no room.
 */
int hvh_shutdown_request(struct hvh_device *device, uint32_t flags, const char *text,
			 hvh_shutdown_done done, void *ctx) HVW_MUST_CHECK;

/* --- time synchronisation: a sync at the start, then a sample every 5 seconds -------------------- */

/*
 * The host's time (100 ns since 1601, UTC) and the partition's reference counter (100 ns) at one
 * moment. False: they cannot be read, and the guest gets none this time. Owner loop.
 */
typedef bool (*hvh_timesync_clock)(void *ctx, uint64_t *host_time, uint64_t *reference_time);

struct hvh_timesync_status {
	struct hvh_ic_status ic;
	int64_t offset; /* by which the guest's time is to differ from the host's, in 100 ns */
	uint64_t syncs; /* times the guest confirmed that it was told to set its clock */
	bool sync_pending; /* it was told to, or will be, and has not confirmed */
};

int hvh_timesync_create(hvh_timesync_clock clock, void *ctx,
			struct hvh_device **device) HVW_MUST_CHECK;
void hvh_timesync_destroy(struct hvh_device *device);
void hvh_timesync_status(const struct hvh_device *device, struct hvh_timesync_status *status);

/*
 * Have the guest set its clock now, to the host's time plus `offset` (100 ns), which stays for all
 * that follows. -ENOTCONN: no driver in the guest answers.
 */
int hvh_timesync_step(struct hvh_device *device, int64_t offset) HVW_MUST_CHECK;

#endif
