/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * In the guest of bench/time: prints the realtime clock together with the partition's reference counter, and the realtime
 * clock alone whenever a line is typed. What it prints in nanoseconds begins with "guest: ".
 */
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "hvp_hv.h"

#define PERIOD_MS 500
#define TRIES	  20

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* The counter is read between two looks at the clock, and taken for the middle; of some tries the quickest. */
static void sample(int msr)
{
	int64_t width_best = INT64_MAX, middle = 0;
	uint64_t reference, best = 0;
	int i;

	for (i = 0; i < TRIES; i++) {
		int64_t begin = now_ns(), end;

		if (pread(msr, &reference, sizeof(reference), HVP_MSR_TIME_REF_COUNT) !=
		    sizeof(reference))
			exit(1);
		end = now_ns();
		if (end >= begin && end - begin < width_best) {
			width_best = end - begin;
			middle = begin + width_best / 2;
			best = reference;
		}
	}
	printf("guest: sample %lld %llu %lld\n", (long long)middle, (unsigned long long)best,
	       (long long)width_best);
}

int main(void)
{
	struct pollfd typed = { .fd = STDIN_FILENO, .events = POLLIN };
	int msr = open("/dev/cpu/0/msr", O_RDONLY);
	char line[256];

	if (msr < 0) {
		perror("/dev/cpu/0/msr");
		return 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("guest: ready\n");
	for (;;) {
		if (poll(&typed, 1, PERIOD_MS) <= 0)
			sample(msr);
		else if (read(STDIN_FILENO, line, sizeof(line)) > 0)
			printf("guest: asked %lld\n", (long long)now_ns());
	}
}
