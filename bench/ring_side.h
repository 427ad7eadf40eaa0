/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A ring implementation under measurement. Each is one file that includes ring_loop.inc, so that the
 * loops around send and receive are the same source on every side.
 */
#ifndef BENCH_RING_SIDE_H
#define BENCH_RING_SIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RING_MAX_PAYLOAD   16384u
#define RING_PATTERNS	   64u
#define RING_PATTERN_BYTES (RING_MAX_PAYLOAD + RING_PATTERNS * 8u)

/* What one run moves. */
struct ring_load {
	uint32_t len; /* payload bytes of each message: 16 to RING_MAX_PAYLOAD */
	uint64_t messages;
	const uint8_t *pattern; /* RING_PATTERN_BYTES; each message sends a piece of it */
};

struct ring_side {
	const char *name;
	/* Makes an empty ring in `bytes` of zeroed memory; both halves use it until the next open. */
	void (*open)(void *memory, size_t bytes);
	/* One message, which may go to or come from another side's half of the same ring. */
	bool (*send)(const struct ring_load *load, uint64_t number);
	void (*recv)(const struct ring_load *load, uint64_t number);
	/*
	 * All messages: each sent, then received and checked; or the same work split in two threads.
	 * Senders return how often they would have signalled the consumer.
	 */
	uint64_t (*run_alone)(const struct ring_load *load);
	uint64_t (*run_producer)(const struct ring_load *load);
	void (*run_consumer)(const struct ring_load *load);
};

extern const struct ring_side ring_side_hvis;
extern const struct ring_side ring_side_dpdk;

/* "DPDK" and its version. */
const char *ring_dpdk_version(void);

/* As run_alone, but `batch` messages are sent before one commit, and received before one release. */
uint64_t ring_hvis_run_batched(const struct ring_load *load, unsigned batch);

#endif
