/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What disk.c and disk_commands.c share. Keys as in vm_priv.h; (q): on the queue's loop; (a): atomic.
 */
#ifndef VMM_DISK_DISK_PRIV_H
#define VMM_DISK_DISK_PRIV_H

#include <stdatomic.h>

#include "vmm/disk/disk.h"
#include "vmm/disk/engine.h"
#include "vmm/disk/file.h"
#include "vmm/disk/late.h"
#include "vmm/loop.h"

struct vmm_scsi_queue {
	struct vmm_scsi *scsi; /* (c) */
	unsigned index; /* (c) */
	void *engine; /* (c) */
	struct vmm_call start; /* to its loop */
	struct vmm_disk_late late; /* (q) */
};

struct vmm_disk {
	struct vmm_vm *vm; /* (c) */
	unsigned lun; /* (c) */
	struct vmm_disk_config config; /* (c) */
	struct hvp_guid id; /* (c) what the guest knows it by */
	struct vmm_disk_file file; /* (o), but for what is constant while the controller has it */
	struct vmm_call released; /* to the control loop */
	struct vmm_call ejected; /* … too */
	_Atomic unsigned requests; /* (a) counted for fail_every */
	bool leaving; /* (o) */
	struct vmm_request *request; /* (o) who waits for its end; NULL: nobody */
};

struct vmm_scsi {
	struct vmm_vm *vm; /* (c) */
	struct hvh_device *device; /* (c) */
	const struct vmm_disk_engine_ops *engine; /* (c) */
	unsigned queues; /* (c) */
	struct vmm_scsi_queue queue[HVH_SCSI_QUEUES_MAX];
	struct vmm_disk *disk[VMM_DISKS_MAX]; /* (o) NULL: none */
};

/* The controller, made when there is none. Negative errno. */
int vmm_scsi_get(struct vmm_vm *vm, struct vmm_scsi **scsi);

/* A disk of the controller's, not yet given to it. Negative errno after a line in `why`. */
int vmm_disk_create(struct vmm_scsi *scsi, const char *text, struct vmm_disk **disk, char *why,
		    size_t why_size);
void vmm_disk_destroy(struct vmm_scsi *scsi, struct vmm_disk *disk);

/* On the loop of queue 0, or before anything runs. */
int vmm_disk_attach(struct vmm_scsi *scsi, struct vmm_disk *disk);

#endif
