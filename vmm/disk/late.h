/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Requests of one queue whose answers are held back on purpose, to see what guests do then (late= of --disk).
 */
#ifndef VMM_DISK_LATE_H
#define VMM_DISK_LATE_H

#include <hvh/hvh_scsi.h>

#include "vmm/loop.h"

struct vmm_disk_late {
	struct vmm_timer timer;
	struct hvh_disk_io *first; /* by their times, which are in io->done */
	void (*flush)(void *ctx); /* after one hvh_scsi_done() or several */
	void *ctx;
};

/* Before the loop runs; the others on it. */
void vmm_disk_late_init(struct vmm_disk_late *late, struct vmm_loop *loop, void (*flush)(void *ctx),
			void *ctx);

/* A request that has been carried out: hvh_scsi_done() with io->result so much later. */
void vmm_disk_late_add(struct vmm_disk_late *late, struct hvh_disk_io *io, unsigned milliseconds);

#endif
