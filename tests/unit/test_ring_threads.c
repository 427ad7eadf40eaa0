/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * One producer thread and one consumer thread on one ring, woken by the ring's signals and by nothing
 * else: a wait that lasts WAIT_MS is a lost wake-up. Every packet's bytes depend on its number and are
 * compared.
 *
 * ThreadSanitizer has nothing to excuse here: honest halves never touch the same bytes of the data
 * at the same time, because each index is stored with release and loaded with acquire.
 */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "hvw_ring.h"
#include "tap.h"
#include "unit/ring_pair.h"

#define WAIT_MS 10000
#define LEN_MAX 4000u
#define RUN_MS	2000 /* a plan ends early when the machine is slow or busy */
#define LAST	HVP_PACKET_FLAG_COMPLETION /* flag of the last packet */

/* How both threads behave. */
struct plan {
	unsigned pages;
	unsigned packets; /* at most */
	uint32_t len_max;
	unsigned batch_max; /* packets in one commit */
	unsigned release_one_in; /* the consumer releases after one packet in so many, and when empty */
	bool mask; /* the consumer masks while it is awake */
	/*
	 * The producer sends only into an empty ring, and signals are counters that the threads poll:
	 * so that most commits meet an unmasking, which they seldom do when a thread has to be woken.
	 */
	bool lockstep;
};

struct waker {
	int fd; /* an eventfd; -1: poll the counter */
	uint64_t count; /* signals; (a) */
	uint64_t seen; /* (o) the waiting thread */
};

struct run {
	const struct plan *plan;
	struct ring_pair ring;
	struct waker data, space; /* for the consumer, for the producer */
	uint64_t seed;
	uint64_t taken; /* packets; (a) */
	bool last_taken; /* (o) the consumer */
	bool stopped; /* by a consumer that found an error; (a) */
	/* Written by the producer, read after it was joined */
	const char *producer_error;
	unsigned data_signals, space_waits;
	unsigned space_signals; /* consumer's */
};

static uint64_t step(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* The length of packet `number` and its bytes. */
static uint32_t make_payload(const struct run *run, uint64_t number, uint8_t *bytes)
{
	uint64_t state = run->seed ^ (number + 1) * 0x9e3779b97f4a7c15u;
	uint32_t len;

	state += !state;
	step(&state);
	len = (uint32_t)(step(&state) % (run->plan->len_max + 1));
	for (uint32_t at = 0; at < len; at += 8) {
		uint64_t word = step(&state);

		memcpy(bytes + at, &word, len - at < 8 ? len - at : 8);
	}
	return len;
}

static void waker_open(struct waker *waker, bool poll_counter)
{
	*waker = (struct waker){ .fd = poll_counter ? -1 : eventfd(0, 0) };
}

static void waker_close(struct waker *waker)
{
	if (waker->fd >= 0)
		close(waker->fd);
}

static void waker_signal(struct waker *waker)
{
	uint64_t one = 1;

	if (waker->fd < 0)
		__atomic_add_fetch(&waker->count, 1, __ATOMIC_RELAXED);
	else if (write(waker->fd, &one, sizeof(one)) != sizeof(one))
		abort();
}

static bool poll_counter(struct waker *waker)
{
	time_t limit = time(NULL) + WAIT_MS / 1000;
	uint64_t count;

	for (unsigned spins = 1;; spins++) {
		count = __atomic_load_n(&waker->count, __ATOMIC_RELAXED);
		if (count != waker->seen)
			break;
		if (spins % 65536 == 0 && time(NULL) > limit)
			return false;
		if (spins % 4096 == 0)
			sched_yield(); /* for machines with one processor */
	}
	waker->seen = count;
	return true;
}

/* False: nobody signalled. */
static bool waker_wait(struct waker *waker)
{
	struct pollfd event = { .fd = waker->fd, .events = POLLIN };
	uint64_t count;

	if (waker->fd < 0)
		return poll_counter(waker);
	return poll(&event, 1, WAIT_MS) == 1 &&
	       read(waker->fd, &count, sizeof(count)) == sizeof(count);
}

static void pause_up_to(uint64_t *state, unsigned limit)
{
	for (uint64_t spins = step(state) % limit; spins; spins--)
		__asm__ volatile("");
}

static bool stopped(const struct run *run)
{
	return __atomic_load_n(&run->stopped, __ATOMIC_RELAXED);
}

static void commit(struct run *run)
{
	if (hvw_tx_commit(&run->ring.tx)) {
		run->data_signals++;
		waker_signal(&run->data);
	}
}

static bool put_waiting(struct run *run, uint64_t number, bool last, const uint8_t *bytes,
			uint32_t len)
{
	struct hvw_piece pieces[2] = { { bytes, len / 3 }, { bytes + len / 3, len - len / 3 } };
	int err;

	while ((err = hvw_tx_put(&run->ring.tx, HVP_PACKET_INBAND, last ? LAST : 0, number, 0,
				 pieces, 2))) {
		if (err != -EAGAIN)
			return false;
		commit(run);
		err = hvw_tx_want_space(&run->ring.tx, hvw_packet_space(0, len));
		if (err == -EAGAIN) {
			run->space_waits++;
			if (!waker_wait(&run->space) || stopped(run))
				return false;
		} else if (err) {
			return false;
		}
	}
	return true;
}

static void wait_taken(const struct run *run, uint64_t packets)
{
	for (unsigned spins = 1;
	     __atomic_load_n(&run->taken, __ATOMIC_RELAXED) < packets && !stopped(run); spins++)
		if (spins % 4096 == 0)
			sched_yield(); /* for machines with one processor */
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void *produce(void *context)
{
	struct run *run = context;
	uint64_t state = run->seed;
	uint64_t deadline = now_ms() + RUN_MS;
	unsigned in_batch = 0;
	bool last = false;

	for (uint64_t number = 0; !last && !stopped(run); number++) {
		uint8_t bytes[LEN_MAX + 8];
		uint32_t len = make_payload(run, number, bytes);

		last = number + 1 == run->plan->packets ||
		       (number % 64 == 0 && now_ms() > deadline);
		if (run->plan->lockstep) {
			wait_taken(run, number);
			pause_up_to(&state, 256);
		}
		if (!put_waiting(run, number, last, bytes, len)) {
			run->producer_error = "no space signal, or a put failed";
			break;
		}
		if (++in_batch >= 1 + step(&state) % run->plan->batch_max) {
			commit(run);
			in_batch = 0;
		}
	}
	commit(run);
	return NULL;
}

static void release(struct run *run)
{
	if (hvw_rx_release(&run->ring.rx)) {
		run->space_signals++;
		waker_signal(&run->space);
	}
}

/* One packet, compared with what was sent. */
static bool check_packet(struct run *run, const struct hvw_rx_packet *packet)
{
	uint8_t expected[LEN_MAX + 8], got[LEN_MAX + 8];
	uint32_t len = make_payload(run, run->taken, expected);

	return TAP_EQ(packet->h.transaction_id, run->taken) &&
	       TAP_EQ(packet->payload_len, (len + 7) / 8 * 8) &&
	       TAP_EQ(hvw_rx_copy(&run->ring.rx, packet, packet->header_len, got, len), 0) &&
	       TAP_MEM_EQ(got, expected, len);
}

/* Until the ring is empty, or everything was taken. */
static bool drain(struct run *run, uint64_t *state)
{
	struct hvw_rx_packet packet = { .start = 0 };
	int err;

	while ((err = hvw_rx_next(&run->ring.rx, &packet)) == 0) {
		if (!check_packet(run, &packet))
			return false;
		run->last_taken = packet.h.flags == LAST;
		if (!(step(state) % run->plan->release_one_in))
			release(run);
		__atomic_store_n(&run->taken, run->taken + 1, __ATOMIC_RELAXED);
	}
	release(run);
	return TAP_EQ(err, -EAGAIN);
}

static void consume(struct run *run)
{
	uint64_t state = ~run->seed;

	while (!run->last_taken) {
		if (run->plan->mask)
			hvw_rx_mask(&run->ring.rx);
		if (!drain(run, &state))
			return;
		if (run->plan->lockstep)
			pause_up_to(&state, 256);
		if (run->last_taken || hvw_rx_unmask(&run->ring.rx))
			continue;
		if (!TAP_CHECK(waker_wait(&run->data) && "signal for data"))
			return;
	}
}

static void run_plan(const struct plan *plan)
{
	struct run run = { .plan = plan, .seed = tap_random() };
	pthread_t producer;

	ring_pair_make(&run.ring, plan->pages,
		       (uint32_t)(tap_random() % (plan->pages - 1)) * HVP_PAGE_SIZE);
	waker_open(&run.data, plan->lockstep);
	waker_open(&run.space, false);
	TAP_REQUIRE(pthread_create(&producer, NULL, produce, &run) == 0);
	consume(&run);
	__atomic_store_n(&run.stopped, true, __ATOMIC_RELAXED);
	if (!run.last_taken)
		waker_signal(&run.space);
	pthread_join(producer, NULL);
	TAP_CHECK(!run.producer_error);
	TAP_CHECK(run.last_taken);
	TAP_CHECK(run.data_signals <= run.taken);
	TAP_CHECK(run.space_signals >= 1 || !run.space_waits);
	printf("# %" PRIu64 " packets, %u data signals, %u waits for space, %u space signals\n",
	       run.taken, run.data_signals, run.space_waits, run.space_signals);
	ring_pair_free(&run.ring);
	waker_close(&run.data);
	waker_close(&run.space);
}

TAP_TEST(no_wake_up_is_lost_when_every_packet_meets_an_unmasking)
{
	run_plan(&(struct plan){ .pages = 2,
				 .packets = 300000,
				 .len_max = 16,
				 .batch_max = 1,
				 .release_one_in = 1,
				 .mask = true,
				 .lockstep = true });
}

TAP_TEST(no_wake_up_is_lost_by_a_consumer_that_never_masks)
{
	run_plan(&(struct plan){ .pages = 2,
				 .packets = 300000,
				 .len_max = 16,
				 .batch_max = 1,
				 .release_one_in = 1,
				 .lockstep = true });
}

TAP_TEST(no_wake_up_is_lost_in_a_ring_that_is_nearly_always_full)
{
	run_plan(&(struct plan){ .pages = 2,
				 .packets = 10000,
				 .len_max = LEN_MAX,
				 .batch_max = 1,
				 .release_one_in = 1,
				 .mask = true });
}

TAP_TEST(no_wake_up_is_lost_with_batches_and_late_releases)
{
	run_plan(&(struct plan){ .pages = 3,
				 .packets = 50000,
				 .len_max = 600,
				 .batch_max = 10,
				 .release_one_in = 20,
				 .mask = true });
}

TAP_TEST(no_wake_up_is_lost_with_batches_and_no_mask)
{
	run_plan(&(struct plan){ .pages = 5,
				 .packets = 50000,
				 .len_max = 200,
				 .batch_max = 30,
				 .release_one_in = 5 });
}

TAP_TEST(no_wake_up_is_lost_in_a_large_ring)
{
	run_plan(&(struct plan){ .pages = 65,
				 .packets = 50000,
				 .len_max = 1500,
				 .batch_max = 64,
				 .release_one_in = 64,
				 .mask = true });
}

TAP_MAIN()
