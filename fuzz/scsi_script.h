/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A storage guest that does what it is told, in the embedder's world, and disks in memory: the controller stands in
 * EMBEDDER_HOT and is its channel SCSI_GUEST_CHANNEL; sub-channels follow.
 */
#ifndef FUZZ_SCSI_SCRIPT_H
#define FUZZ_SCSI_SCRIPT_H

#include <hvh/hvh_scsi.h>

#include "fuzz/guest_script.h"
#include "hvw_scsi.h"
#include "hvw_storvsp.h"

#define SCSI_GUEST_CHANNEL 3u
#define SCSI_GUEST_RING	   32u /* pages; half of them each way */
#define SCSI_GUEST_DATA	   65u /* pages */
#define SCSI_GUEST_QUEUES  4u
#define SCSI_GUEST_DISKS   4u /* LUNs 0, 1 and 5; a DVD drive at 6 */
#define SCSI_GUEST_DRIVE   3u /* … which is that disk */
#define SCSI_GUEST_LOG	   1024u

/* A disk in memory, twice as large as it says, so that it can grow. */
struct scsi_guest_disk {
	unsigned lun;
	struct hvh_scsi_disk is;
	bool there; /* given to the controller, and not back yet */
	bool medium; /* the same, of a drive's */
	uint8_t *bytes;
};

struct scsi_guest_io {
	enum hvh_disk_op op;
	bool durable, unmap;
	uint64_t offset, bytes;
};

struct scsi_guest {
	struct embedder e;
	struct guest g;
	struct hvh_scsi_config config; /* for the test to set before scsi_guest_init() */
	struct hvh_scsi_backend backend;
	struct scsi_guest_disk disk[SCSI_GUEST_DISKS];
	bool hold; /* requests wait for scsi_guest_release() */
	bool batch; /* … for kick() */
	int result; /* what all requests come to, unless 0 */
	unsigned requests; /* that came to the back end */
	struct scsi_guest_io log[SCSI_GUEST_LOG];
	struct hvh_disk_io *held, **held_end;
	unsigned kicks, released, ejected;
	uint64_t data_gpns[SCSI_GUEST_DATA];
	uint8_t *data; /* where these are with us: the embedder's memory is contiguous */
	uint64_t next_id;

	/* The last packet that was received. */
	struct hvw_rx_packet packet;
	struct hvw_storvsp answer;
};

/* The controller is offered, its channel open; nothing was said. LUN 0 is there. False: it is not so. */
bool scsi_guest_init(struct scsi_guest *n);
void scsi_guest_fini(struct scsi_guest *n);

/* All set-up at that version. */
bool scsi_guest_up(struct scsi_guest *n, uint32_t version);

/* Sub-channels, open. */
bool scsi_guest_queues(struct scsi_guest *n, unsigned count);

/* Send a set-up message of `len` bytes; its answer's status, or 1 when none came. */
uint32_t scsi_guest_ask(struct scsi_guest *n, unsigned channel, struct hvw_storvsp *m,
			uint32_t len);
uint32_t scsi_guest_say(struct scsi_guest *n, uint32_t operation);

/* The next packet of a channel, into n->packet and n->answer; 0 or negative errno. */
int scsi_guest_take(struct scsi_guest *n, unsigned channel);

/*
 * Send a command with `bytes` of n->data from `offset` on. `m` is a request of which all is set but the operation; 0
 * or negative errno.
 */
int scsi_guest_send(struct scsi_guest *n, unsigned channel, struct hvw_storvsp *m, uint32_t offset,
		    uint32_t bytes, uint32_t len);

/* A command to LUN `lun` and its answer. True: the answer came; it is in n->answer. */
bool scsi_guest_command(struct scsi_guest *n, unsigned lun, const uint8_t *cdb, uint8_t data_in,
			uint32_t bytes);
bool scsi_guest_blocks(struct scsi_guest *n, unsigned lun, uint8_t op, uint8_t flags, uint64_t lba,
		       uint32_t length, uint32_t bytes);

/* Requests that were held, oldest first, all or `count`. */
void scsi_guest_release(struct scsi_guest *n, unsigned count);

int scsi_guest_add(struct scsi_guest *n, unsigned disk);

/* A medium of so many bytes into the drive. */
int scsi_guest_insert(struct scsi_guest *n, uint64_t bytes);

/* Save, destroy, load. 0; -EBUSY: something is under way. */
int scsi_guest_save_and_load(struct scsi_guest *n);

struct hvh_device *scsi_guest_device(struct scsi_guest *n);

#endif
