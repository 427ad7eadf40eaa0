/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A synthetic SCSI controller for a port's SCSI layer: it takes commands with lists of the guest's pages, and gives back
 * what the host said of them. What a command means is between that layer and the disk; which disks there are it finds
 * out by asking (REPORT LUNS, INQUIRY), when it begins and whenever the host says that something has changed.
 *
 * Context: T = thread, may sleep; A = any, never sleeps; S = one at a time for each queue, in context A.
 */
#ifndef GUEST_INCLUDE_HVG_HVG_STOR_H
#define GUEST_INCLUDE_HVG_HVG_STOR_H

#include "hvg/hvg_device.h"
#include "hvp_storvsp.h"

#define HVG_STOR_QUEUES_MAX 64u

/* Commands of one queue that the host has. */
#define HVG_STOR_DEPTH_MAX 4096u

struct hvg_stor;

/* A command, in the port's memory; the core's from submit() to done(). */
struct hvg_stor_request {
	/* In. */
	uint8_t path, target, lun;
	uint8_t cdb_length; /* up to HVP_CDB_BYTES */
	uint8_t cdb[HVP_CDB_BYTES];
	uint8_t data_in; /* HVP_STORVSP_READ, WRITE or NO_DATA */
	uint32_t bytes; /* of data; 0: none */
	const void *
		ranges; /* what a struct hvw_gpa_writer has written: one range of `bytes` bytes; until submit() returns */
	uint32_t ranges_len;
	bool more; /* others follow at once: the host hears of this one with them, at hvg_stor_commit() at the latest */

	/*
	 * Out. `err` 0: the host has answered. -EIO: its answer made no sense. -ENODEV: the device has gone before; the
	 * host does not touch the data any more.
	 */
	int err;
	uint8_t srb_status; /* HVP_SRB_* */
	uint8_t scsi_status;
	uint8_t sense_length; /* 0: none */
	uint8_t sense[HVP_SENSE_ROOM];
	uint32_t transferred; /* up to `bytes` */
};

struct hvg_stor_ops {
	/* A command is over. S, in the channel's interrupt; at the end of detach T. */
	void (*done)(void *ctx, struct hvg_stor_request *request);

	/* After a submit() that had no room: there may be some. S. */
	void (*room)(void *ctx, unsigned queue);

	/* Disks may have come or gone. S, of queue 0. */
	void (*rescan)(void *ctx);
};

struct hvg_stor_config {
	uint32_t version_max; /* HVP_STORVSP_* */
	unsigned queues; /* wanted; 1 to HVG_STOR_QUEUES_MAX */
	unsigned depth; /* commands of each at a time; 1 to HVG_STOR_DEPTH_MAX */
	uint32_t ring_pages; /* each way */
	uint32_t timeout_seconds; /* told to the host with each command */
	bool fibre; /* a Fibre Channel adapter */
	unsigned spare_percent; /* where less of a ring is free, another queue takes the command, if it can; 0: never */
};

struct hvg_stor_info {
	uint32_t version;
	uint32_t transfer_max; /* bytes of one command */
	unsigned queues_max; /* that the host would have, the first included */
	uint8_t fibre_port[8], fibre_node[8]; /* of a Fibre Channel adapter: its names */
};

#define HVG_STOR_COUNTERS(X)                                                                       \
	X(submitted)                                                                               \
	X(completed)                                                                               \
	X(full) /* submits that found no room */                                                   \
	X(helped) /* commands taken for another queue, whose ring was nearly full */               \
	X(strays) /* answers to what nobody had asked */                                           \
	X(bad) /* answers and messages that made no sense */

struct hvg_stor_counters {
#define HVG_STOR_COUNTER(name) unsigned long name;
	HVG_STOR_COUNTERS(HVG_STOR_COUNTER)
#undef HVG_STOR_COUNTER
};

/* T. For a device whose driver's attach is running. `ops` stays the caller's. -ENOMEM, -EINVAL: the configuration. */
int hvg_stor_create(struct hvg_device *device, const struct hvg_stor_config *config,
		    const struct hvg_stor_ops *ops, void *ctx,
		    struct hvg_stor **stor) HVW_MUST_CHECK;

/* T. It is detached. */
void hvg_stor_destroy(struct hvg_stor *stor);

/*
 * T. Open the channel, agree with the host, ask for sub-channels. -EIO: the host refuses; -EPROTO: what it says makes no sense;
 * -ETIMEDOUT; -ENODEV; -ENOMEM. After a failure it is detached.
 */
int hvg_stor_attach(struct hvg_stor *stor) HVW_MUST_CHECK;

/*
 * T. From its beginning submit() says -ENODEV. Waits for the host's answers, unless the device is gone already, closes the
 * channels, and ends what is left with -ENODEV.
 */
void hvg_stor_detach(struct hvg_stor *stor);

/* T. For the driver's functions of those names. */
void hvg_stor_subchannel(struct hvg_stor *stor, struct hvg_chan *chan);
void hvg_stor_subchannel_gone(struct hvg_stor *stor, struct hvg_chan *chan);

/* T. Those functions themselves, of a driver whose devices' data is the controller. */
static inline void hvg_stor_device_subchannel(struct hvg_device *device, struct hvg_chan *chan)
{
	hvg_stor_subchannel(hvg_device_data(device), chan);
}

static inline void hvg_stor_device_subchannel_gone(struct hvg_device *device, struct hvg_chan *chan)
{
	hvg_stor_subchannel_gone(hvg_device_data(device), chan);
}

/* A. While it is attached. */
const struct hvg_stor_info *hvg_stor_info(const struct hvg_stor *stor);

/* A. Whether queue `queue` has a channel of its own now: others' commands go with those of queue 0. */
bool hvg_stor_queue_open(const struct hvg_stor *stor, unsigned queue);

/*
 * A. 0: done() follows, maybe before the return. -EAGAIN: no room, room() follows; -ENODEV; -EINVAL: longer than the host takes,
 * or than its ranges.
 */
int hvg_stor_submit(struct hvg_stor *stor, unsigned queue,
		    struct hvg_stor_request *request) HVW_MUST_CHECK;

/* A. After requests with `more`, the last of which had it, too, or was not taken. */
void hvg_stor_commit(struct hvg_stor *stor);

/* T. Have the host begin anew with all disks. Hosts abort nothing by it. -EIO, -ENODEV, -ETIMEDOUT. */
int hvg_stor_reset(struct hvg_stor *stor) HVW_MUST_CHECK;

/* A. Whether the host has commands. */
bool hvg_stor_busy(const struct hvg_stor *stor);

/* A. */
void hvg_stor_counters(const struct hvg_stor *stor, unsigned queue,
		       struct hvg_stor_counters *counters);

#endif
