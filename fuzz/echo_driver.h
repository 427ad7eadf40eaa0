/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A driver for the echo device (fuzz/echo_device.h), for tests of the guest core: sends packets whose
 * bytes depend on their number, and compares what comes back. What it may do with its channel at all, a
 * test has it do, from any thread that may sleep and at any time, also while the device goes away.
 */
#ifndef FUZZ_ECHO_DRIVER_H
#define FUZZ_ECHO_DRIVER_H

#include "hvg/hvg_device.h"

#define ECHO_DRIVER_CHANNELS 32u /* at the same time, sub-channels included */

extern const struct hvg_driver echo_driver;

/* T. Around everything else; the bus is stopped before `fini`. */
void echo_driver_init(uint32_t packet_max);
void echo_driver_fini(void);

enum echo_action {
	ECHO_SEND, /* so many packets more */
	ECHO_OPEN, /* with rings as the number says */
	ECHO_CLOSE,
	ECHO_SET_CPU,
	ECHO_SHARE, /* so many pages, and take them back */
	ECHO_ACTIONS,
};

/*
 * T. `which`: of the channels that are there now, modulo their number. 0; -ENOENT: there is none; else what the
 * core said. Nothing happens to a channel that is not open (for ECHO_OPEN: that is).
 */
int echo_driver_do(unsigned which, enum echo_action action, uint32_t number);

/*
 * T. Have each channel that is there open, and wait until all that was sent is back. -ENODEV: one was
 * taken away; -ETIMEDOUT; errors of opening.
 */
int echo_driver_settle(uint32_t timeout_ms);

struct echo_driver_stats {
	unsigned channels; /* that are there now */
	uint64_t attached, received;
	uint64_t faults; /* packets that were not what was expected */
};
void echo_driver_stats(struct echo_driver_stats *stats);

#endif
