/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The SCSI controller's own state.
 *
 * Key: (c) const while the first channel is open; (0) loop of queue 0; (q) loop of the queue; (a) atomic.
 */
#ifndef HOST_DEV_SCSI_PRIV_H
#define HOST_DEV_SCSI_PRIV_H

#include <stdatomic.h>

#include <hvh/hvh_channel.h>
#include <hvh/hvh_scsi.h>
#include <hvh/hvh_state.h>

#include "hvw_scsi.h"
#include "hvw_storvsp.h"

/* Commands under way on one queue; the ring is not read beyond that. */
#define SCSI_REQUESTS 256u

/* Answers that are made here, and lists of parameters that come. */
#define SCSI_BUFFER 4096u

/* What the block limits page promises. */
#define UNMAP_BYTES_MAX (4ull << 30)
#define UNMAP_DESCRIPTORS_MAX                                                                      \
	((SCSI_BUFFER - sizeof(struct hvp_unmap_list)) / sizeof(struct hvp_unmap_descriptor))
#define WRITE_SAME_BYTES_MAX (64u << 20)

enum scsi_lun_state {
	LUN_EMPTY,
	LUN_PRESENT,
	LUN_LEAVING, /* removed, and still in use */
};

/* Users: commands under way; with the bit nobody may begin to use it. */
#define LUN_GONE_BIT 0x80000000u

/* Unit attentions, each told once, in this order. */
#define ATTENTION_MEDIUM   0x1u
#define ATTENTION_CAPACITY 0x2u
#define ATTENTIONS	   (ATTENTION_MEDIUM | ATTENTION_CAPACITY)

/* What a DVD drive has to tell, in this order. */
#define EVENT_REMOVAL	    0x1u
#define EVENT_NEW	    0x2u
#define EVENT_EJECT_REQUEST 0x4u
#define EVENTS		    (EVENT_REMOVAL | EVENT_NEW | EVENT_EJECT_REQUEST)

struct scsi_lun {
	_Atomic uint32_t users; /* (a) */
	_Atomic uint32_t state; /* (a) enum scsi_lun_state: changed on (0), and by the last user */
	_Atomic uint64_t blocks; /* (a) */
	_Atomic uint32_t attentions; /* (a) */
	_Atomic bool write_cache; /* (a) */
	/* A DVD drive's: commands that use its medium; with LUN_GONE_BIT: there is none, or it is just going. */
	_Atomic uint32_t medium_users; /* (a) */
	_Atomic bool medium_out; /* (a) another may come */
	_Atomic bool locked; /* (a) the guest keeps it in */
	_Atomic uint32_t events; /* (a) */
	unsigned shift; /* bytes of a block, as a power of two; as all below (c) while there are users */
	struct hvh_scsi_disk disk;
};

/* A command from its packet to its answer, or a set-up message that waits for room in the ring. (q) */
struct scsi_request {
	struct hvh_disk_io io; /* first */
	struct scsi_queue *q; /* (c) */
	struct scsi_request *next; /* in the list of the free ones, or of those that are due */
	struct scsi_lun *lun; /* in use; NULL: there is none */
	bool medium; /* the drive's medium is in use too */
	uint64_t transaction_id;
	bool answer; /* the guest wants one */
	struct hvw_storvsp message; /* the guest's, then ours */
	struct hvw_cdb cdb;
	uint32_t room; /* bytes of the guest's memory */
	unsigned iovs;
	struct iovec iov[HVH_SCSI_IOVS];
	void (*step)(struct scsi_request *r); /* when the back end has done io */
	struct hvw_unmap_iter unmap; /* UNMAP: what is left, in buffer */
	uint64_t at, end; /* WRITE SAME: bytes that are left */
	struct iovec same[HVH_SCSI_IOVS]; /* … all of them the buffer */
	uint8_t buffer[SCSI_BUFFER];
};

struct scsi_queue {
	struct scsi *scsi; /* (c) */
	unsigned index; /* (c) */
	struct hvh_channel *channel; /* (q) NULL: closed */
	bool closing; /* (q) stopped as soon as nothing is under way */
	bool serving; /* (q) */
	_Atomic bool open; /* (a) */
	_Atomic unsigned busy; /* (a) requests that are not free; written by (q) */
	struct scsi_request *requests; /* (c) while open: SCSI_REQUESTS of them */
	struct scsi_request *free; /* (q) */
	struct scsi_request *due, **due_end; /* (q) answers that wait for room, oldest first */
	/* (a), written by (q) */
	_Atomic uint64_t commands, reads, read_bytes, writes, write_bytes, flushes, zeroes, errors;
};

/* How far set-up has come with this guest. */
enum scsi_state {
	SCSI_RESET, /* nothing was said */
	SCSI_BEGUN,
	SCSI_AGREED, /* there is a version */
	SCSI_QUERIED, /* the guest knows what we can do */
	SCSI_READY, /* commands are taken */
};

struct scsi {
	struct hvh_device device; /* first */
	struct hvh_scsi_config config; /* (c) */
	const struct hvh_scsi_backend *backend; /* (c) */
	void *ctx; /* (c) */
	_Atomic uint32_t state; /* (a) enum scsi_state, changed on (0) */
	uint32_t version; /* (0) 0: none */
	unsigned granted; /* (0) sub-channels */
	bool changed; /* (0) the guest is to look for disks again */
	_Atomic uint64_t violations; /* (a) */
	struct scsi_lun lun[HVH_SCSI_LUNS];
	struct scsi_queue queue[HVH_SCSI_QUEUES_MAX];
};

/* Only one loop writes a counter. */
static inline void scsi_count(_Atomic uint64_t *counter, uint64_t by)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by,
			      memory_order_relaxed);
}

/* scsi.c. The end of a request: r->message is the answer. (q) */
void hvh_scsi_finish(struct scsi_request *r);
void hvh_scsi_fail(struct scsi *scsi, struct scsi_queue *q, const char *why);
struct scsi_request *hvh_scsi_request_get(struct scsi_queue *q);
void hvh_scsi_request_due(struct scsi_request *r);
int hvh_scsi_queue_allocate(struct scsi_queue *q) HVW_MUST_CHECK;

/* scsi_setup.c. (0) */
void hvh_scsi_setup(struct scsi *scsi, struct scsi_request *r, int parsed);
void hvh_scsi_forget(struct scsi *scsi);

/* scsi_lun.c. (q) NULL: there is none at that address. */
struct scsi_lun *hvh_scsi_lun_get(struct scsi *scsi, const struct hvp_storvsp_srb *srb);
void hvh_scsi_lun_put(struct scsi *scsi, struct scsi_lun *lun);
bool hvh_scsi_lun_present(const struct scsi *scsi, unsigned lun);

/* … of a DVD drive. False: there is no medium; eject: there was none. */
bool hvh_scsi_medium_get(struct scsi_lun *lun);
void hvh_scsi_medium_put(struct scsi *scsi, struct scsi_lun *lun);
bool hvh_scsi_medium_present(const struct scsi_lun *lun);
bool hvh_scsi_medium_eject(struct scsi *scsi, struct scsi_lun *lun);

/* scsi_command.c: a command begins; it ends with one of the answers below, now or later. (q) */
void hvh_scsi_execute(struct scsi_request *r);
void hvh_scsi_good(struct scsi_request *r, uint32_t transferred);
void hvh_scsi_check(struct scsi_request *r, uint8_t key, uint16_t asc);
void hvh_scsi_invalid(struct scsi_request *r); /* a field of the command is not supported */

/* `len` bytes of r->buffer, as much of them as the command and the guest's memory have room for. */
void hvh_scsi_reply(struct scsi_request *r, uint32_t len, uint32_t allocation);

/* Copies the first `len` bytes of what the guest sent to r->buffer; false: there are not so many. */
bool hvh_scsi_fetch(struct scsi_request *r, uint32_t len);

/* Answers a REPORT SUPPORTED OPERATION CODES. */
void hvh_scsi_report_opcodes(struct scsi_request *r);

/* scsi_io.c: commands that move or change blocks. */
void hvh_scsi_read(struct scsi_request *r);
void hvh_scsi_write(struct scsi_request *r);
void hvh_scsi_write_verify(struct scsi_request *r);
void hvh_scsi_verify(struct scsi_request *r);
void hvh_scsi_synchronize(struct scsi_request *r);
void hvh_scsi_flush_all(struct scsi_request *r);
void hvh_scsi_write_same(struct scsi_request *r);
void hvh_scsi_unmap(struct scsi_request *r);

/* scsi_inquiry.c: what describes a disk. */
void hvh_scsi_inquiry(struct scsi_request *r);
void hvh_scsi_inquiry_absent(struct scsi_request *r);
void hvh_scsi_report_luns(struct scsi_request *r);
void hvh_scsi_capacity_10(struct scsi_request *r);
void hvh_scsi_capacity_16(struct scsi_request *r);

/* scsi_mode.c */
void hvh_scsi_mode_sense(struct scsi_request *r);
void hvh_scsi_mode_select(struct scsi_request *r);

/* scsi_dvd.c: what only DVD drives have. */
void hvh_scsi_dvd_start_stop(struct scsi_request *r);
void hvh_scsi_dvd_prevent_allow(struct scsi_request *r);
void hvh_scsi_dvd_toc(struct scsi_request *r);
void hvh_scsi_dvd_configuration(struct scsi_request *r);
void hvh_scsi_dvd_event(struct scsi_request *r);
void hvh_scsi_dvd_disc(struct scsi_request *r);

/* scsi_save.c */
void hvh_scsi_save(const struct hvh_device *device, struct hvh_state_writer *w);
int hvh_scsi_load(struct hvh_device *device, struct hvh_state_reader *r);

#endif
