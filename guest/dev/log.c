/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "hvg/hvg_log.h"

#define WINDOW_NS  10000000000ull
#define WINDOW_MAX 20u

/* Both (a): for all devices there are, because the host can take them away and bring others. */
static uint64_t window_ns;
static uint32_t lines;

void hvg_log_begin(void)
{
	__atomic_store_n(&window_ns, hvos_now_ns(), __ATOMIC_RELAXED);
	__atomic_store_n(&lines, 0, __ATOMIC_RELAXED);
}

bool hvg_log_allowed(void)
{
	uint64_t now_ns = hvos_now_ns(), began_ns = __atomic_load_n(&window_ns, __ATOMIC_RELAXED);

	if (now_ns - began_ns > WINDOW_NS &&
	    __atomic_compare_exchange_n(&window_ns, &began_ns, now_ns, false, __ATOMIC_RELAXED,
					__ATOMIC_RELAXED))
		__atomic_store_n(&lines, 0, __ATOMIC_RELAXED);
	/* Not counted further: the number must not wrap. */
	return __atomic_load_n(&lines, __ATOMIC_RELAXED) < WINDOW_MAX &&
	       __atomic_fetch_add(&lines, 1, __ATOMIC_RELAXED) < WINDOW_MAX;
}
