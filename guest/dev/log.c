/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "hvg/hvg_log.h"

/* Time in units of 2^20 ns: so 32 bits are enough, which every processor exchanges at once. */
#define WINDOW	   (10000000000ull >> 20)
#define WINDOW_MAX 20u

/* Both (a): for all devices there are, because the host can take them away and bring others. */
static uint32_t window;
static uint32_t lines;

static uint32_t now(void)
{
	return (uint32_t)(hvos_now_ns() >> 20);
}

void hvg_log_begin(void)
{
	__atomic_store_n(&window, now(), __ATOMIC_RELAXED);
	__atomic_store_n(&lines, 0, __ATOMIC_RELAXED);
}

bool hvg_log_allowed(void)
{
	uint32_t at = now(), began = __atomic_load_n(&window, __ATOMIC_RELAXED);

	if (at - began > WINDOW && __atomic_compare_exchange_n(&window, &began, at, false,
							       __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		__atomic_store_n(&lines, 0, __ATOMIC_RELAXED);
	/* Not counted further: the number must not wrap. */
	return __atomic_load_n(&lines, __ATOMIC_RELAXED) < WINDOW_MAX &&
	       __atomic_fetch_add(&lines, 1, __ATOMIC_RELAXED) < WINDOW_MAX;
}
