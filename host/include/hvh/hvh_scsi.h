/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A synthetic SCSI controller: the storage protocol and SCSI on one side, disks as ranges of bytes on the other.
 *
 * A controller has queues, each a channel with its own owner loop; the guest opens as many as it wants. A command of queue
 * k is carried out on the loop of queue k: what it does to a disk goes to the back end as one request or several, with
 * pointers into the guest's memory, and comes back on that loop. Queues share no lock. Disks (LUNs) come, go and change
 * their size on the loop of queue 0.
 */
#ifndef HOST_INCLUDE_HVH_HVH_SCSI_H
#define HOST_INCLUDE_HVH_HVH_SCSI_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "hvp_base.h"
#include "hvw_error.h"

struct hvh_device;

#define HVH_SCSI_QUEUES_MAX 64u
#define HVH_SCSI_LUNS	    64u

/* What one command can transfer, and the pieces of memory that may have. */
#define HVH_SCSI_TRANSFER_MAX (256u << 10)
#define HVH_SCSI_IOVS	      (HVH_SCSI_TRANSFER_MAX / HVP_PAGE_SIZE + 1)

#define HVH_SCSI_SERIAL_MAX 32u

enum hvh_disk_op {
	HVH_DISK_READ,
	HVH_DISK_WRITE,
	HVH_DISK_ZERO, /* no data: these bytes read as zeros from now on */
	HVH_DISK_FLUSH, /* all that was done before is on stable storage */
};

/* A request to a disk; the back end's from submit() to hvh_scsi_done(). */
struct hvh_disk_io {
	enum hvh_disk_op op;
	bool durable; /* WRITE, ZERO: on stable storage before it is done */
	bool unmap; /* ZERO: the room may be given back */
	unsigned queue;
	void *disk; /* hvh_scsi_disk.disk */
	uint64_t offset, bytes; /* inside the disk */
	const struct iovec
		*iov; /* READ, WRITE: `bytes` in all; the guest changes what is there at any time */
	unsigned iovs;

	/* For the back end's use. */
	struct hvh_disk_io *next;
	uint64_t done, part;
	unsigned stage;
	bool unsynced, no_fallocate;
	int result;
	struct iovec rest[HVH_SCSI_IOVS];
};

struct hvh_scsi_backend {
	/* Carry it out, then hvh_scsi_done(), within the call or later. Loop of io->queue. */
	void (*submit)(void *ctx, struct hvh_disk_io *io);

	/* No more comes for now: what submit() gathered can go out. Loop of that queue. May be NULL. */
	void (*kick)(void *ctx, unsigned queue);

	/* After hvh_scsi_remove(): nobody uses that disk any more. On the loop of the queue that used it last. */
	void (*released)(void *ctx, unsigned lun, void *disk);

	/*
	 * The medium of a DVD drive is out, by hvh_scsi_eject() or by the guest's order: nobody uses it any more. As
	 * released(), which comes later if it comes. NULL: there are no DVD drives.
	 */
	void (*ejected)(void *ctx, unsigned lun, void *disk);
};

struct hvh_scsi_config {
	struct hvp_guid instance_id;
	unsigned queues_max; /* 1 to HVH_SCSI_QUEUES_MAX */
};

/* A disk, or a DVD drive with or without a medium, for hvh_scsi_add(). */
struct hvh_scsi_disk {
	void *disk; /* the embedder's */
	bool dvd; /* with blocks of 2048 bytes, read-only, without unmap_bytes */
	uint64_t bytes; /* a multiple of block_bytes; 0: a drive with nothing in it */
	uint32_t block_bytes; /* 512 or 4096 */
	uint32_t physical_bytes; /* of a block that is written at once: block_bytes times a power of two */
	uint32_t unmap_bytes; /* what room is given back in; 0: never */
	bool read_only;
	struct hvp_guid id; /* stable and unique */
	char serial[HVH_SCSI_SERIAL_MAX + 1]; /* printable; "": none */
};

struct hvh_scsi_queue_status {
	bool open;
	unsigned busy; /* commands under way */
	uint64_t commands;
	uint64_t reads, read_bytes;
	uint64_t writes, write_bytes;
	uint64_t flushes;
	uint64_t zeroes; /* ranges zeroed or given back */
	uint64_t errors; /* commands that were not carried out, unit attentions included */
};

struct hvh_scsi_lun_status {
	bool present;
	bool dvd;
	bool locked; /* the guest keeps the medium in the drive */
	bool read_only;
	bool write_cache; /* as the guest has set it */
	uint64_t bytes;
};

struct hvh_scsi_status {
	uint32_t version; /* HVP_STORVSP_*; 0: none agreed on */
	bool ready; /* commands are taken */
	unsigned queues; /* granted to the guest */
	uint64_t violations; /* packets that made no sense and were refused */
	struct hvh_scsi_queue_status queue[HVH_SCSI_QUEUES_MAX];
	struct hvh_scsi_lun_status lun[HVH_SCSI_LUNS];
};

/* -EINVAL: the configuration; -ENOMEM. `backend` is borrowed until destroy, which leaves the disks to the caller. */
int hvh_scsi_create(const struct hvh_scsi_config *config, const struct hvh_scsi_backend *backend,
		    void *ctx, struct hvh_device **device) HVW_MUST_CHECK;
void hvh_scsi_destroy(struct hvh_device *device);

/*
 * Loop of queue 0, or before anything runs. -EINVAL: the disk, or no such LUN; -EEXIST: there is one; -EBUSY: it is just
 * being removed; -ENOENT: there is none. The guest is told, and asked to look again.
 */
int hvh_scsi_add(struct hvh_device *device, unsigned lun,
		 const struct hvh_scsi_disk *disk) HVW_MUST_CHECK;
int hvh_scsi_remove(struct hvh_device *device, unsigned lun) HVW_MUST_CHECK;
int hvh_scsi_resize(struct hvh_device *device, unsigned lun, uint64_t bytes) HVW_MUST_CHECK;

/*
 * The medium of a DVD drive. Loop of queue 0. -EINVAL: no such drive, or no such size. Eject: -ENOMEDIUM: there is none;
 * -EPERM: the guest keeps it in, and is told that somebody wants it out. Insert: -EBUSY: there is one, or the old one is still
 * in use.
 */
int hvh_scsi_eject(struct hvh_device *device, unsigned lun) HVW_MUST_CHECK;
int hvh_scsi_insert(struct hvh_device *device, unsigned lun, uint64_t bytes) HVW_MUST_CHECK;

/* Loop of queue 0. */
void hvh_scsi_status(const struct hvh_device *device, struct hvh_scsi_status *status);

/* --- for the back end ------------------------------------------------------------------------------ */

/*
 * 0, or negative errno: -ENOSPC and -EROFS are told to the guest as such, all others as an error of the medium. What is done is shown to the guest by hvh_scsi_flush(), after one request or several; it also takes
 * new commands. Loop of the queue. Within submit() and kick() no flush is needed.
 */
void hvh_scsi_done(struct hvh_disk_io *io, int result);
void hvh_scsi_flush(struct hvh_device *device, unsigned queue);

#endif
