/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "bench.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

uint64_t bench_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t bench_idle_ms(void)
{
	unsigned long long idle, waiting;
	FILE *file = fopen("/proc/stat", "re");

	if (!file || fscanf(file, "cpu %*u %*u %*u %llu %llu", &idle, &waiting) != 2)
		bench_fail("/proc/stat does not tell the idle time");
	fclose(file);
	return (idle + waiting) * 1000u / (unsigned long)sysconf(_SC_CLK_TCK);
}

void bench_pin(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		bench_fail("cannot run on processor %u: %s", cpu, strerror(errno));
}

void bench_fail(const char *format, ...)
{
	va_list args;

	fputs("bench: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

void bench_warn_if_busy(void)
{
	double load;

	if (getloadavg(&load, 1) == 1 && load > 0.5)
		fprintf(stderr,
			"bench: this machine is busy (load %.1f): the figures mean little\n", load);
}

void bench_series_add(struct bench_series *series, double value)
{
	if (series->count == BENCH_MAX_RUNS)
		bench_fail("more than %d runs", BENCH_MAX_RUNS);
	series->value[series->count++] = value;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The value below which `quarters` quarters of the runs lie (nearest rank). */
static double quartile(const struct bench_series *series, unsigned quarters)
{
	struct bench_series sorted = *series;

	if (!sorted.count)
		bench_fail("a row without a run");
	qsort(sorted.value, sorted.count, sizeof(sorted.value[0]), compare_doubles);
	return sorted.value[(sorted.count - 1) * quarters / 4];
}

double bench_series_median(const struct bench_series *series)
{
	return quartile(series, 2);
}

void bench_row_print(const struct bench_row *row)
{
	double ours = bench_series_median(row->ours), peer = bench_series_median(row->peer);

	printf("{\"area\": \"%s\", \"name\": \"%s\", \"unit\": \"%s\", \"ours\": %.2f, \"peer\": %.2f, "
	       "\"peer_name\": \"%s\", \"ratio\": %.2f, \"better\": \"lower\", \"mode\": \"%s\", "
	       "\"ours_quartiles\": [%.2f, %.2f], \"peer_quartiles\": [%.2f, %.2f]}\n",
	       row->area, row->name, row->unit, ours, peer, row->peer_name, peer / ours, row->mode,
	       quartile(row->ours, 1), quartile(row->ours, 3), quartile(row->peer, 1),
	       quartile(row->peer, 3));
	fflush(stdout);
}
