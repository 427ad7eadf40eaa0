/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Time per message through a ring, send and receive together: ours against DPDK's VMBus driver.
 *
 * Both sides use the same memory, the same loops (ring_loop.inc) and the same payloads, which are copied
 * in, copied out and compared byte by byte; what one message is on each side stands in ring_hvis.c and
 * ring_dpdk.c. Each message is published and released on its own, the harder case, with the signal
 * decision each time. One thread on processor 0; or, in rows that end in -2t, producer and consumer
 * on processors 0 and 1. The figure is the median of 11 runs, in turns with the other side's.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bench.h"
#include "ring_side.h"

#define RUNS 11

/* As large as Linux makes a network channel's: control page and 127 pages of data. */
#define RING_BYTES (128u * 4096u)

static const struct {
	uint32_t len;
	uint32_t messages; /* a run of about a tenth of a second */
} sizes[] = {
	{ 16, 1000000 }, { 64, 1000000 }, { 256, 1000000 }, { 1500, 500000 }, { 16384, 64000 },
};

static uint8_t *ring;
static uint8_t pattern[RING_PATTERN_BYTES] __attribute__((aligned(64)));

static void open_side(const struct ring_side *side)
{
	side->open(ring, RING_BYTES);
}

static void make_memory(void)
{
	uint32_t seed = 1;
	size_t i;

	ring = mmap(NULL, RING_BYTES, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (ring == MAP_FAILED)
		bench_fail("no memory");
	for (i = 0; i < sizeof(pattern); i++) {
		seed = seed * 1664525u + 1013904223u;
		pattern[i] = (uint8_t)(seed >> 24);
	}
}

/* Each side's consumer understands the other's producer: the same format, trailer to trailer. */
static void check_exchange(const struct ring_side *from, const struct ring_side *to)
{
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct ring_load load = { .len = sizes[i].len, .pattern = pattern };
		uint64_t number;

		memset(ring, 0, RING_BYTES);
		open_side(from);
		open_side(to);
		/* Twice around the ring and more, so that packets wrap. */
		for (number = 1; number * load.len < 3u * RING_BYTES; number++) {
			if (!from->send(&load, number))
				bench_fail("%s does not signal an empty ring", from->name);
			to->recv(&load, number);
		}
	}
}

struct consumer {
	const struct ring_side *side;
	const struct ring_load *load;
	pthread_barrier_t start;
};

static void *consumer_main(void *argument)
{
	struct consumer *consumer = argument;

	bench_pin(1);
	pthread_barrier_wait(&consumer->start);
	consumer->side->run_consumer(consumer->load);
	return NULL;
}

static uint64_t time_alone(const struct ring_side *side, const struct ring_load *load)
{
	uint64_t begin = bench_now_ns();

	if (side->run_alone(load) != load->messages)
		bench_fail("%s does not signal an empty ring", side->name);
	return bench_now_ns() - begin;
}

static uint64_t time_two_threads(const struct ring_side *side, const struct ring_load *load)
{
	struct consumer consumer = { .side = side, .load = load };
	pthread_t thread;
	uint64_t begin;

	if (pthread_barrier_init(&consumer.start, NULL, 2) ||
	    pthread_create(&thread, NULL, consumer_main, &consumer))
		bench_fail("no second thread");
	pthread_barrier_wait(&consumer.start);
	begin = bench_now_ns();
	side->run_producer(load);
	pthread_join(thread, NULL);
	begin = bench_now_ns() - begin;
	pthread_barrier_destroy(&consumer.start);
	return begin;
}

typedef uint64_t timed_run(const struct ring_side *side, const struct ring_load *load);

static double run_ns(timed_run *run, const struct ring_side *side, const struct ring_load *load)
{
	memset(ring, 0, RING_BYTES);
	open_side(side);
	return (double)run(side, load) / (double)load->messages;
}

static void measure(const struct ring_load *load, const char *suffix, timed_run *run)
{
	struct bench_series ours = { .count = 0 }, peer = { .count = 0 };
	char name[32], peer_name[64];
	unsigned i;

	/* The first pair only warms up; then who goes first changes from pair to pair. */
	for (i = 0; i <= RUNS; i++) {
		bool ours_first = i % 2;
		double first = run_ns(run, ours_first ? &ring_side_hvis : &ring_side_dpdk, load);
		double second = run_ns(run, ours_first ? &ring_side_dpdk : &ring_side_hvis, load);

		if (i == 0)
			continue;
		bench_series_add(&ours, ours_first ? first : second);
		bench_series_add(&peer, ours_first ? second : first);
	}
	snprintf(name, sizeof(name), "msg%u%s", load->len, suffix);
	snprintf(peer_name, sizeof(peer_name), "%s bus_vmbus", ring_dpdk_version());
	bench_row_print(&(struct bench_row){
		.area = "ring",
		.name = name,
		.unit = "ns",
		.peer_name = peer_name,
		.mode = "user",
		.ours = &ours,
		.peer = &peer,
	});
}

static void measure_sizes(const char *suffix, timed_run *run)
{
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct ring_load load = {
			.len = sizes[i].len,
			.messages = sizes[i].messages,
			.pattern = pattern,
		};

		measure(&load, suffix, run);
	}
}

/* Not a row, because the peer has nothing like it: it publishes each message on its own. */
static void tell_batched(void)
{
	struct ring_load load = { .len = 16, .messages = 1u << 20, .pattern = pattern };
	struct bench_series series = { .count = 0 };
	unsigned i;

	for (i = 0; i < RUNS; i++) {
		uint64_t begin;

		memset(ring, 0, RING_BYTES);
		open_side(&ring_side_hvis);
		begin = bench_now_ns();
		if (ring_hvis_run_batched(&load, 16) != load.messages / 16)
			bench_fail("hvis does not signal once for a batch");
		bench_series_add(&series, (double)(bench_now_ns() - begin) / (double)load.messages);
	}
	fprintf(stderr,
		"ring: for information: 16 messages of 16 bytes per publication: %.1f ns each\n",
		bench_series_median(&series));
}

/* One untimed run, for a tool that counts instructions: bench_ring hvis|dpdk LEN MESSAGES. */
static int run_once(char **argv)
{
	const struct ring_side *side = !strcmp(argv[0], "dpdk") ? &ring_side_dpdk : &ring_side_hvis;
	struct ring_load load = {
		.len = (uint32_t)strtoul(argv[1], NULL, 10),
		.messages = strtoull(argv[2], NULL, 10),
		.pattern = pattern,
	};

	if (strcmp(argv[0], side->name) || load.len < 16 || load.len > RING_MAX_PAYLOAD)
		bench_fail("usage: bench_ring [hvis|dpdk LEN MESSAGES]");
	open_side(side);
	return side->run_alone(&load) != load.messages;
}

int main(int argc, char **argv)
{
	if (argc != 1 && argc != 4)
		bench_fail("usage: bench_ring [hvis|dpdk LEN MESSAGES]");
	bench_pin(0);
	make_memory();
	if (argc == 4)
		return run_once(argv + 1);

	bench_warn_if_busy();
	check_exchange(&ring_side_hvis, &ring_side_dpdk);
	check_exchange(&ring_side_dpdk, &ring_side_hvis);
	measure_sizes("", time_alone);
	measure_sizes("-2t", time_two_threads);
	tell_batched();
	return 0;
}
