/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Backup: an integration service by which the host has the guest make its file systems quiet while the disks are copied.
 *
 * Requests wait in a queue, because a guest answers one at a time. Whatever happens the guest is told to thaw: after a freeze that
 * it refused or did not answer, when nobody says so in time, and after a load of a state in which it was frozen. All
 * functions: the device's owner loop.
 */
#ifndef HOST_INCLUDE_HVH_HVH_VSS_H
#define HOST_INCLUDE_HVH_HVH_VSS_H

#include "hvh_ic.h"
#include "hvp_vss.h"

struct hvh_vss_status {
	struct hvh_ic_status ic;
	bool frozen; /* as far as is known: from when it was told to freeze until it says that it has thawed */
	uint64_t freezes; /* that the guest confirmed */
	uint64_t overdue; /* times it was thawed because nobody else did it */
};

/* A guest may have much to write first: Linux's own driver gives its daemon 15 minutes. */
#define HVH_VSS_FREEZE_TIMEOUT_MS 960000
#define HVH_VSS_TIMEOUT_MS	  60000

/*
 * Stays the caller's, untouched by it until `done`, which is called once after hvh_vss_request() returned 0, and may ask
 * anew. `result` 0: the guest answered with `status`; HVP_IC_SUCCESS: it is done. -ENOTCONN: the channel closed first;
 * -ETIMEDOUT: no answer in time; -EPROTO: an answer that makes no sense.
 */
struct hvh_vss_request {
	struct hvh_ic_link link; /* the device's */
	enum hvp_vss_op op; /* HOT_BACKUP, FREEZE, THAW or COMPLETE */
	uint32_t timeout_ms; /* 0: as above */
	uint32_t hold_ms; /* of FREEZE: so long it may last before the guest is thawed by itself; not 0 */
	uint32_t flags; /* HOT_BACKUP's answer */
	uint64_t number; /* FREEZE's answer; THAW ends only the freeze that has it */
	void (*done)(struct hvh_vss_request *request, int result, uint32_t status);
	void *ctx;
};

int hvh_vss_create(struct hvh_device **device) HVW_MUST_CHECK;
void hvh_vss_destroy(struct hvh_device *device);
void hvh_vss_status(const struct hvh_device *device, struct hvh_vss_status *status);

/*
 * -ENOTCONN: nothing in the guest answers (closed, negotiating or unusable); -EBUSY: FREEZE while it is frozen, or not known to
 * have thawed; -ENOENT: THAW while it is not frozen, or not any more by that
 * freeze; -EINVAL: an operation that is none of these.
 */
int hvh_vss_request(struct hvh_device *device, struct hvh_vss_request *request) HVW_MUST_CHECK;

#endif
