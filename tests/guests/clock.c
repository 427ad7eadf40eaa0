/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * First program of a guest whose clock is watched: loads the modules of /modules.list, then prints the
 * realtime clock less the monotonic one, and the realtime clock, at the start and whenever the former
 * has jumped.
 */
#include <stdio.h>
#include <time.h>

#include "modules.h"

#define LOOK_NS	   2000000
#define JUMP_NS	   20000000
#define PER_SECOND 1000000000ll

static long long read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * PER_SECOND + ts.tv_nsec;
}

int main(void)
{
	const struct timespec pause = { .tv_nsec = LOOK_NS };
	long long shown = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	load_modules();
	for (;;) {
		/* A reading that took long, because of an interruption, is done again. */
		long long before = read_clock(CLOCK_MONOTONIC), real = read_clock(CLOCK_REALTIME),
			  after = read_clock(CLOCK_MONOTONIC);
		long long difference = real - (before + after) / 2, jump = difference - shown;

		if (after - before < 2 * LOOK_NS && (jump > JUMP_NS || jump < -JUMP_NS)) {
			shown = difference;
			printf("guest: clock %.6f at %.6f\n", (double)difference / PER_SECOND,
			       (double)real / PER_SECOND);
		}
		nanosleep(&pause, NULL);
	}
}
