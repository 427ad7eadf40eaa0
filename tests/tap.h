/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Test programs in C that speak TAP. A file holds TAP_TEST() functions named as sentences and ends with TAP_MAIN():
 *
 *	TAP_TEST(ring_write_wraps_at_end)
 *	{
 *		TAP_REQUIRE(ring_make(&r) == 0);	a failure ends this test
 *		TAP_CHECK(r.size > 0);			a failure is noted, the test goes on
 *		TAP_EQ(ring_room(&r), 4088);		as TAP_CHECK, and prints both values
 *	}
 *	TAP_MAIN()
 *
 * Include it in one .c file of a program. Checks are for the program's main thread.
 */
#ifndef TESTS_TAP_H
#define TESTS_TAP_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TAP_UNUSED __attribute__((unused))

struct tap_test {
	const char *name;
	void (*run)(void);
	struct tap_test *next;
};

TAP_UNUSED static struct {
	struct tap_test *first, **last;
	const char *skipped; /* reason, set by TAP_SKIP in the running test */
	unsigned failures; /* in the running test */
	uint64_t random;
} tap = { .last = &tap.first };

#define TAP_TEST(function)                                                                         \
	static void function(void);                                                                \
	__attribute__((constructor)) static void tap_add_##function(void)                          \
	{                                                                                          \
		static struct tap_test test = { #function, function, NULL };                       \
		*tap.last = &test;                                                                 \
		tap.last = &test.next;                                                             \
	}                                                                                          \
	static void function(void)

#define TAP_CHECK(condition) tap_note((condition), __FILE__, __LINE__, "not true: %s", #condition)
#define TAP_EQ(actual, expected)                                                                   \
	tap_eq((intmax_t)(actual), (intmax_t)(expected), #actual, __FILE__, __LINE__)
#define TAP_STR_EQ(actual, expected) tap_str_eq((actual), (expected), #actual, __FILE__, __LINE__)
#define TAP_MEM_EQ(actual, expected, len)                                                          \
	tap_mem_eq((actual), (expected), (len), #actual, __FILE__, __LINE__)
#define TAP_REQUIRE(condition)                                                                     \
	do {                                                                                       \
		if (!TAP_CHECK(condition))                                                         \
			return;                                                                    \
	} while (0)
#define TAP_SKIP(reason)                                                                           \
	do {                                                                                       \
		tap.skipped = (reason);                                                            \
		return;                                                                            \
	} while (0)

__attribute__((format(printf, 4, 5))) TAP_UNUSED static bool tap_note(bool ok, const char *file,
								      int line, const char *format,
								      ...)
{
	va_list args;

	if (ok)
		return true;
	tap.failures++;
	printf("# %s:%d: ", file, line);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	return false;
}

TAP_UNUSED static bool tap_eq(intmax_t actual, intmax_t expected, const char *text,
			      const char *file, int line)
{
	return tap_note(actual == expected, file, line, "%s is %jd (0x%jx), expected %jd (0x%jx)",
			text, actual, (uintmax_t)actual, expected, (uintmax_t)expected);
}

TAP_UNUSED static bool tap_str_eq(const char *actual, const char *expected, const char *text,
				  const char *file, int line)
{
	return tap_note(actual && strcmp(actual, expected) == 0, file, line,
			"%s is \"%s\", expected \"%s\"", text, actual ? actual : "(null)",
			expected);
}

TAP_UNUSED static bool tap_mem_eq(const void *actual, const void *expected, size_t len,
				  const char *text, const char *file, int line)
{
	const uint8_t *a = actual, *e = expected;
	size_t i = 0;

	while (i < len && a[i] == e[i])
		i++;
	return tap_note(i == len, file, line, "byte %zu of %s is 0x%02x, expected 0x%02x", i, text,
			i < len ? a[i] : 0, i < len ? e[i] : 0);
}

/* Next number of a sequence (xorshift64*) that HVIS_TEST_SEED repeats; the seed is printed at its first use. */
TAP_UNUSED static uint64_t tap_random(void)
{
	if (!tap.random) {
		const char *seed = getenv("HVIS_TEST_SEED");

		tap.random = seed ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL) * 0x9e3779b9u;
		tap.random += !tap.random; /* 0 would stay 0 */
		printf("# HVIS_TEST_SEED=%" PRIu64 "\n", tap.random);
	}
	tap.random ^= tap.random >> 12;
	tap.random ^= tap.random << 25;
	tap.random ^= tap.random >> 27;
	return tap.random * 0x2545f4914f6cdd1du;
}

TAP_UNUSED static int tap_run(void)
{
	unsigned number = 0, failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (struct tap_test *test = tap.first; test; test = test->next, number++) {
		tap.failures = 0;
		tap.skipped = NULL;
		test->run();
		failed += tap.failures != 0;
		printf("%sok %u - %s%s%s\n", tap.failures ? "not " : "", number + 1, test->name,
		       tap.skipped ? " # SKIP " : "", tap.skipped ? tap.skipped : "");
	}
	printf("1..%u\n", number);
	return failed || !number;
}

#define TAP_MAIN()                                                                                 \
	int main(void)                                                                             \
	{                                                                                          \
		return tap_run();                                                                  \
	}

#endif
