/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The owner loops of the channels: a fixed set of event loops, each with a thread of its own. All
 * functions on the control loop.
 *
 * A loop's callbacks never wait for another loop, so whoever waits for one of these loops gets an end.
 */
#ifndef VMM_IO_LOOPS_H
#define VMM_IO_LOOPS_H

#include <stdbool.h>

struct vmm_io_loops;
struct vmm_loop;

/* Start `count` threads. Negative errno: none is left. */
int vmm_io_loops_create(unsigned count, struct vmm_io_loops **io);

/* Any number: there are as many as were created, and it goes round. */
struct vmm_loop *vmm_io_loops_get(const struct vmm_io_loops *io, unsigned index);
unsigned vmm_io_loops_count(const struct vmm_io_loops *io);

/*
 * End the threads after what was posted to them. False: one of them did not end within some seconds,
 * and all that it may use has to stay. NULL is fine.
 */
bool vmm_io_loops_destroy(struct vmm_io_loops *io);

#endif
