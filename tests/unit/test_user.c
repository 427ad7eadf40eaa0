/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * port/user itself: the suite that every port passes, and that what is left behind is found.
 */
#include <pthread.h>

#include "hvg/hvg_log.h"
#include "port/user/user.h"
#include "tap.h"
#include "tests/port/conformance.h"

#define PAGES	    64u
#define THREADS_MAX 16u

static uint8_t memory[PAGES * HVP_PAGE_SIZE] __attribute__((aligned(4096)));

/* --- the suite's threads ------------------------------------------------------------------------------- */

static struct {
	pthread_t handle;
	hvos_fn fn;
	void *ctx;
} threads[THREADS_MAX];
static unsigned thread_count;
static pthread_mutex_t report_lock = PTHREAD_MUTEX_INITIALIZER;

static void *run_thread(void *argument)
{
	const size_t i = (size_t)argument;

	threads[i].fn(threads[i].ctx);
	return NULL;
}

/* Tests call this from their own thread alone. */
static void thread(hvos_fn fn, void *ctx)
{
	const size_t i = thread_count++;

	if (i == THREADS_MAX)
		abort();
	threads[i].fn = fn;
	threads[i].ctx = ctx;
	if (pthread_create(&threads[i].handle, NULL, run_thread, (void *)i))
		abort();
}

static void join_threads(void)
{
	while (thread_count)
		pthread_join(threads[--thread_count].handle, NULL);
}

static void failed(const char *what, int line)
{
	pthread_mutex_lock(&report_lock);
	tap_note(false, "tests/port/conformance.c", line, "not true: %s", what);
	pthread_mutex_unlock(&report_lock);
}

/* It has all that the suite asks for. */
static void skipped(const char *why)
{
	failed(why, 0);
}

static const struct conformance_port port = {
	.thread = thread,
	.interrupt = user_interrupt,
	.failed = failed,
	.skipped = skipped,
};

static void quiet(enum hvos_level level, const char *line)
{
	(void)level;
	(void)line;
}

static struct user_config config = {
	.memory = memory,
	.memory_gpa = 0x100000,
	.memory_bytes = sizeof(memory),
	.log = quiet,
};

/* --- tests -------------------------------------------------------------------------------------------- */

static void run_suite(const struct conformance_test *suite)
{
	for (const struct conformance_test *test = suite; test->name; test++) {
		unsigned failures = tap.failures;

		TAP_REQUIRE(user_start(&config) == 0);
		test->run(&port);
		join_threads();
		TAP_EQ(user_stop(), 0);
		if (tap.failures != failures)
			printf("# %s, %u processors\n", test->name, config.cpus);
	}
}

TAP_TEST(user_conforms_as_every_port)
{
	for (unsigned cpus = 1; cpus <= 4; cpus++) {
		config.cpus = cpus;
		run_suite(conformance_tests);
		run_suite(conformance_bus_tests);
	}
}

static void nothing(void *ctx)
{
	(void)ctx;
}

TAP_TEST(what_is_left_behind_is_found)
{
	struct hvos_shared shared, lost;
	struct hvos_timer timer;
	void *left;

	config.cpus = 1;
	TAP_REQUIRE(user_start(&config) == 0);
	left = hvos_alloc(1);
	TAP_REQUIRE(left && !hvos_shared_alloc(&shared, 1) && !hvos_shared_alloc(&lost, 2));
	hvos_shared_lose(&lost);
	hvos_timer_init(&timer, nothing, NULL);
	hvos_timer_arm(&timer, UINT64_MAX);
	/* An allocation, a page, a timer; pages that are declared lost count for themselves. */
	TAP_EQ(user_stop(), 3);
	TAP_EQ(user_lost_pages(), 2);
	free(left);
}

TAP_TEST(the_host_cannot_fill_the_log)
{
	unsigned allowed = 0;

	hvg_log_begin();
	for (unsigned i = 0; i < 100000; i++)
		allowed += hvg_log_allowed();
	TAP_EQ(allowed, 20);
	hvg_log_begin();
	TAP_CHECK(hvg_log_allowed());
}

TAP_MAIN()
