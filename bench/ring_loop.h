/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The loops of one side. The file that includes this has defined
 *
 *	RING_INLINE int side_send(const void *payload, uint32_t len, uint64_t id, bool *signal);
 *	RING_INLINE int side_recv(void *payload, uint32_t size, uint32_t *len, uint64_t *id);
 *
 * both 0, -EAGAIN (no room, nothing there) or another error.
 */
#ifndef BENCH_RING_LOOP_H
#define BENCH_RING_LOOP_H

#include <emmintrin.h>
#include <errno.h>
#include <string.h>

#include "bench.h"
#include "ring_side.h"

/*
 * The harness must cost the same on each side, whatever a compiler thinks of its size; and what a
 * side offers as inline functions is inlined, as in a driver's hot function.
 */
#define RING_INLINE static inline __attribute__((always_inline))

#define RING_HOT __attribute__((flatten))

RING_INLINE int side_send(const void *payload, uint32_t len, uint64_t id, bool *signal);
RING_INLINE int side_recv(void *payload, uint32_t size, uint32_t *len, uint64_t *id);

/*
 * What message `number` carries: 64 messages in a row differ, so that bytes left over from an earlier
 * one are found. It is never written while the clock runs; writing it would measure the harness.
 */
RING_INLINE const uint8_t *loop_payload(const struct ring_load *load, uint64_t number)
{
	return load->pattern + number % RING_PATTERNS * 8u;
}

/*
 * Whether two buffers are equal; `len` is 16 or more. A short one is compared here, in pieces as large
 * as those in which the bytes were just stored: memcmp's loads overlap several stores at once, on
 * which some processors stall for longer than the rest of the message takes.
 */
RING_INLINE bool loop_same(const uint8_t *a, const uint8_t *b, uint32_t len)
{
	const uint8_t *last = a + len - 16;
	__m128i same;

	if (len > 128)
		return !memcmp(a, b, len);
	same = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)last),
			      _mm_loadu_si128((const __m128i *)(b + len - 16)));
	for (; a < last; a += 16, b += 16)
		same = _mm_and_si128(same, _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)a),
							  _mm_loadu_si128((const __m128i *)b)));
	return _mm_movemask_epi8(same) == 0xffff;
}

/* All of the message must have come through: length (in whole words), id, every byte. */
RING_INLINE void loop_check(const struct ring_load *load, const uint8_t *payload, uint32_t len,
			    uint64_t id, uint64_t number)
{
	if (len != ((load->len + 7u) & ~7u) || id != number ||
	    !loop_same(payload, loop_payload(load, number), load->len))
		bench_fail("message %llu arrived wrong", (unsigned long long)number);
}

/*
 * What a thread does when the ring gave it nothing: stay away for about a microsecond, less than any
 * wake-up takes. Looking again at once takes the control page's line from the other thread each time.
 */
RING_INLINE void loop_wait(void)
{
	unsigned i;

	for (i = 0; i < 64; i++)
		_mm_pause();
}

/* The number is the transaction id, so it starts at 1. True: the consumer would be signalled. */
RING_INLINE bool loop_send(const struct ring_load *load, uint64_t number)
{
	bool signal = false;
	int err;

	while ((err = side_send(loop_payload(load, number), load->len, number, &signal)) == -EAGAIN)
		loop_wait();
	if (err)
		bench_fail("send: error %d", err);
	return signal;
}

RING_INLINE void loop_recv(const struct ring_load *load, uint64_t number)
{
	static uint8_t received[RING_MAX_PAYLOAD] __attribute__((aligned(64)));
	uint32_t len;
	uint64_t id;
	int err;

	while ((err = side_recv(received, sizeof(received), &len, &id)) == -EAGAIN)
		loop_wait();
	if (err)
		bench_fail("receive: error %d", err);
	loop_check(load, received, len, id, number);
}

static bool send_one(const struct ring_load *load, uint64_t number)
{
	return loop_send(load, number);
}

static void recv_one(const struct ring_load *load, uint64_t number)
{
	loop_recv(load, number);
}

RING_HOT static uint64_t run_alone(const struct ring_load *load)
{
	uint64_t signals = 0, number;

	for (number = 1; number <= load->messages; number++) {
		signals += loop_send(load, number);
		loop_recv(load, number);
	}
	return signals;
}

RING_HOT static uint64_t run_producer(const struct ring_load *load)
{
	uint64_t signals = 0, number;

	for (number = 1; number <= load->messages; number++)
		signals += loop_send(load, number);
	return signals;
}

RING_HOT static void run_consumer(const struct ring_load *load)
{
	uint64_t number;

	for (number = 1; number <= load->messages; number++)
		loop_recv(load, number);
}

#endif
