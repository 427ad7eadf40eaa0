/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What tests of both ends with threads share.
 */
#ifndef TESTS_LOOPBACK_THREADS_H
#define TESTS_LOOPBACK_THREADS_H

#include <stdint.h>
#include <time.h>

#include "port/user/user.h"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HVIS_THREAD_SANITIZER 1
void AnnotateBenignRaceSized(const char *file, int line, const volatile void *memory, long bytes,
			     const char *why);
#endif
#endif

/*
 * The ring orders what both ends do with the memory that they share, but the host sees it at another address, where
 * ThreadSanitizer takes its indices for others. So it is told not to look there; everything else it watches.
 */
static inline void hide_shared(const struct user_config *user)
{
#ifdef HVIS_THREAD_SANITIZER
	AnnotateBenignRaceSized(__FILE__, __LINE__, user->memory, (long)user->memory_bytes,
				"shared with the host");
#else
	(void)user;
#endif
}

/* Next of a thread's own sequence (xorshift64*), 0 to bound - 1; the state must not be 0. */
static inline uint32_t random_below(uint64_t *state, uint32_t bound)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (uint32_t)((*state * 0x2545f4914f6cdd1dull >> 32) * bound >> 32);
}

static inline void nap(long us)
{
	const struct timespec pause = { .tv_nsec = us * 1000 };

	nanosleep(&pause, NULL);
}

#endif
