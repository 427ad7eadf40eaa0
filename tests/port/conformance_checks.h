/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the files of the suite share.
 */
#ifndef TESTS_PORT_CONFORMANCE_CHECKS_H
#define TESTS_PORT_CONFORMANCE_CHECKS_H

#include "hvw_shared.h"
#include "tests/port/conformance.h"

#define ROUNDS	    50u
#define PATIENCE_MS 10000u
#define MS_NS	    1000000ull

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			port->failed(#condition, __LINE__);                                        \
	} while (0)

static inline uint32_t get(const uint32_t *value)
{
	return __atomic_load_n(value, __ATOMIC_SEQ_CST);
}

static inline void add(uint32_t *value)
{
	__atomic_fetch_add(value, 1, __ATOMIC_SEQ_CST);
}

/* Until *value is `wanted`, or patience ends. */
static inline bool becomes(const uint32_t *value, uint32_t wanted)
{
	uint32_t waited_ms;

	for (waited_ms = 0; get(value) != wanted && waited_ms < PATIENCE_MS; waited_ms++)
		hvos_sleep_ms(1);
	return get(value) == wanted;
}

static inline bool all_zero(const uint8_t *bytes, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (bytes[i])
			return false;
	return true;
}

#define CONFORMANCE_TEST(test)                                                                     \
	{                                                                                          \
#test, test                                                                        \
	}

#endif
