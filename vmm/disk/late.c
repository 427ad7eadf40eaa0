/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/disk/late.h"

#include <stddef.h>

static void on_timer(void *ctx)
{
	struct vmm_disk_late *late = ctx;
	uint64_t now = vmm_now_ns();

	while (late->first && late->first->done <= now) {
		struct hvh_disk_io *io = late->first;

		late->first = io->next;
		hvh_scsi_done(io, io->result);
	}
	vmm_timer_set(&late->timer, late->first ? late->first->done : 0);
	late->flush(late->ctx);
}

void vmm_disk_late_init(struct vmm_disk_late *late, struct vmm_loop *loop, void (*flush)(void *ctx),
			void *ctx)
{
	late->first = NULL;
	late->flush = flush;
	late->ctx = ctx;
	vmm_timer_init(&late->timer, loop, on_timer, late);
}

void vmm_disk_late_add(struct vmm_disk_late *late, struct hvh_disk_io *io, unsigned milliseconds)
{
	struct hvh_disk_io **at = &late->first;

	io->done = vmm_now_ns() + milliseconds * 1000000ull;
	while (*at && (*at)->done <= io->done)
		at = &(*at)->next;
	io->next = *at;
	*at = io;
	vmm_timer_set(&late->timer, late->first->done);
}
