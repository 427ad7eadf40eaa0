/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the files of the storage controller share.
 *
 * Keys: (c) const from probe to removal, (m) life, (a) atomic.
 */
#ifndef PORT_LINUX_HBA_H
#define PORT_LINUX_HBA_H

#include <linux/mutex.h>
#include <linux/smp.h>
#include <linux/workqueue.h>
#include <scsi/scsi.h>
#include <scsi/scsi_cmnd.h>
#include <scsi/scsi_device.h>
#include <scsi/scsi_host.h>

#include "compat.h"
#include "hba_compat.h"
#include "hvg/hvg_log.h"
#include "hvg/hvg_stor.h"
#include "linux_priv.h"

/* Of a command. Hosts are slow when theirs is; what to do after it: hba_timed_out(). */
#define HBA_COMMAND_SECONDS 180

/* What differs between the classes of controllers. */
struct hba_kind {
	unsigned channels, targets, luns; /* of each: what comes before it */
	bool one_disk; /* each device is a disk, whose target its instance's identifier tells */
	bool fibre;
	bool subchannels;
	u32 transfer_max; /* bytes of a command, also where the host would take more */
};

/* Memory of a SCSI host. */
struct hba {
	struct Scsi_Host *shost; /* (c) */
	const struct hba_kind *kind; /* (c) */
	struct hvg_device *device; /* (c) */
	struct hvg_stor *stor; /* (c) */
	struct hvg_chan *subs; /* (c) HVG_STOR_QUEUES_MAX; the first is not used */
	void __percpu *
		scratch; /* (c) of scratch_bytes each: a command's pages, until it is in the ring */
	u32 scratch_bytes; /* (c) */
	struct mutex map_lock; /* to write the map */
	u8 *map; /* (c); the elements (a): by processor, the queue that serves it */
	struct mutex life; /* to ask the host something, or to attach or detach */
	bool attached; /* (m) */
	bool asleep; /* (a) commands wait for the resume */
	struct hvos_work scan; /* disks may have come or gone */
	struct hvos_work luns; /* those with a mark */
	struct delayed_work watch; /* of the host, during the removal */
	u64 answers; /* the watch's: seen so far */
	unsigned long give_up; /* the watch's: in jiffies */
};

static inline struct hba *hba_of(struct Scsi_Host *shost)
{
	return shost_priv(shost);
}

/* Behind each struct scsi_cmnd. */
struct hba_command {
	struct hvg_stor_request request; /* first: the core's is ours */
	struct scsi_cmnd *cmd;
};

/* Bits kept with each struct scsi_device. */
enum hba_mark {
	HBA_GONE, /* the host says that there is no such disk */
	HBA_CHANGED, /* and that its size, or what else is known of it, is another */
};

/* A module parameter, hba.c. */
extern int hba_logging;

/* hba_io.c */
compat_queue_status hba_queue(struct Scsi_Host *shost, struct scsi_cmnd *cmd);
void hba_commit(struct Scsi_Host *shost, u16 queue);
compat_timeout_action hba_timed_out(struct scsi_cmnd *cmd);
int hba_reset(struct scsi_cmnd *cmd);
void hba_done(void *ctx, struct hvg_stor_request *request);
u32 hba_scratch_bytes(u32 transfer_max);
bool hba_is_lost(const struct hba *hba); /* no more answers come */

/* hba_lun.c */
int hba_lun_alloc(struct scsi_device *sdev);
compat_configure_type hba_lun_configure;
compat_geometry_type hba_geometry;
void hba_lun_mark(struct hba *hba, struct scsi_device *sdev, enum hba_mark mark);
void hba_run_luns(void *ctx); /* works; `ctx` is a struct hba */
void hba_run_scan(void *ctx);

/* hba_fibre.c. T. The transport, while the module is there; then what differs for such a host. */
int hba_fibre_start(void) HVW_MUST_CHECK;
void hba_fibre_stop(void);
void hba_fibre_init(struct Scsi_Host *shost);
int hba_fibre_add(struct hba *hba) HVW_MUST_CHECK; /* after scsi_add_host() */
void hba_fibre_remove(struct hba *hba);

/* hba_queue.c. T. */
void hba_map_queues(struct hba *hba);
void hba_expect_subchannels(struct hba *hba);

/* Context A: for a command from this processor. */
static inline unsigned hba_queue_here(const struct hba *hba)
{
	return READ_ONCE(hba->map[raw_smp_processor_id()]);
}

#endif
