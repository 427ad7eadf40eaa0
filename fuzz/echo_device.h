/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A device for tests: sends every in-band packet back, keeps one that finds no room, and can be told to
 * refuse an open or to take its time with a close, as a device with I/O under way does.
 */
#ifndef FUZZ_ECHO_DEVICE_H
#define FUZZ_ECHO_DEVICE_H

#include <hvh/hvh_channel.h>

#define ECHO_PACKET_MAX	 1536u
#define ECHO_SUBCHANNELS 4u /* at most */

/* Of one channel. */
struct echo_lane {
	struct hvh_channel *draining; /* closed, and not said to be stopped yet */
	bool open;
	uint32_t kept_len; /* of a packet that found no room; 0: none */
	uint64_t kept_id;
	uint8_t kept[ECHO_PACKET_MAX];
};

/* For the test to set. */
struct echo_behaviour {
	int open_result; /* what the next opens answer */
	bool slow; /* closes wait for echo_device_drain() */
	unsigned subchannels; /* asked for whenever it is opened */
	uint64_t period_ns; /* 0: no timer; else armed while open */
};

struct echo_device {
	struct hvh_device device;
	struct echo_behaviour behaviour;
	uint64_t expired;
	uint64_t echoed;
	uint64_t notified;
	struct echo_lane lanes[1 + ECHO_SUBCHANNELS]; /* the first channel, then sub-channels */
};

void echo_device_init(struct echo_device *echo, uint8_t instance);

/* The I/O of a slow close is done. */
void echo_device_drain(struct echo_device *echo);

#endif
