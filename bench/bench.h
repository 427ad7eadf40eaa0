/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What every benchmark needs: a clock, pinning, medians, and the result line that scripts/run-bench
 * reads. A benchmark prints result lines to standard output and everything else to standard error.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stddef.h>
#include <stdint.h>

/* One side's repeated measurements of one row, in the row's unit. */
#define BENCH_MAX_RUNS 101

struct bench_series {
	double value[BENCH_MAX_RUNS];
	unsigned count;
};

/* One row of the table: ours against the peer's, lower being better. */
struct bench_row {
	const char *area; /* "ring" */
	const char *name; /* "msg16-2t" */
	const char *unit; /* "ns" */
	const char *peer_name; /* with its version */
	const char *mode; /* how the program ran: "user" is an ordinary process */
	const struct bench_series *ours;
	const struct bench_series *peer;
};

/* Monotonic time. */
uint64_t bench_now_ns(void);

/* The time that all processors of this machine spent idle, with and without I/O under way, since its start. */
uint64_t bench_idle_ms(void);

/* Ties the calling thread to one processor; exits with a message when that processor is not ours. */
void bench_pin(unsigned cpu);

/* Exits with status 1 and a message: a benchmark that cannot measure has no result. */
void bench_fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* Tells the reader when others use the machine; two-thread figures suffer most. */
void bench_warn_if_busy(void);

void bench_series_add(struct bench_series *series, double value);
double bench_series_median(const struct bench_series *series);

/*
 * Prints the row: medians, ratio (above 1 = ours is better) and, for the reader to judge noise, the
 * quartiles of both sides.
 */
void bench_row_print(const struct bench_row *row);

#endif
