/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * port/sim itself: it passes the suite of all ports, repeats a seed, and finds what it promises to find.
 */
#include <sys/wait.h>
#include <unistd.h>

#include <hvh/hvh_mem.h>

#include "fuzz/soft_hypervisor.h"
#include "port/sim/sim.h"
#include "tap.h"
#include "tests/port/conformance.h"

#define RAM (256u << 10)

static struct hvh_mem *mem;

static void begin(uint64_t seed, unsigned cpus, enum sim_works works)
{
	struct sim_config config = { .seed = seed, .cpus = cpus, .works = works };

	if (hvh_mem_create(&mem) || hvh_mem_add(mem, 0x100000, RAM))
		sim_die("no memory");
	config.arena = soft_arena(mem);
	sim_start(&config);
}

static void end(void)
{
	sim_stop();
	hvh_mem_destroy(mem);
}

/* --- the suite ------------------------------------------------------------------------------------------ */

static void thread(hvos_fn fn, void *ctx)
{
	sim_thread("conformance", fn, ctx);
}

static void failed(const char *what, int line)
{
	tap_note(false, "tests/port/conformance.c", line, "not true: %s", what);
}

/* It has all that the suite asks for. */
static void skipped(const char *why)
{
	failed(why, 0);
}

static const struct conformance_port port = {
	.thread = thread,
	.interrupt = sim_interrupt,
	.failed = failed,
	.skipped = skipped,
};

static void run_suite(const struct conformance_test *suite)
{
	for (const struct conformance_test *test = suite; test->name; test++) {
		for (uint64_t seed = 0; seed < 24; seed++) {
			unsigned failures = tap.failures;

			begin(seed, 1 + (unsigned)seed % 4,
			      (enum sim_works)(seed / 4 % SIM_WORKS_WAYS));
			test->run(&port);
			end();
			if (tap.failures != failures) {
				printf("# %s, seed %" PRIu64 "\n", test->name, seed);
				break;
			}
		}
	}
}

TAP_TEST(sim_conforms_as_every_port)
{
	run_suite(conformance_tests);
	run_suite(conformance_bus_tests);
}

/* --- seeds ------------------------------------------------------------------------------------------------ */

static char order[64];

static void write_name(void *ctx)
{
	for (unsigned i = 0; i < 5; i++) {
		size_t len = strlen(order);

		order[len] = *(const char *)ctx;
		sim_point();
	}
}

static void interleave(uint64_t seed)
{
	memset(order, 0, sizeof(order));
	begin(seed, 2, SIM_WORKS_PARALLEL);
	sim_thread("a", write_name, "a");
	sim_thread("b", write_name, "b");
	sim_thread("c", write_name, "c");
	sim_run();
	end();
}

TAP_TEST(a_seed_repeats_and_another_differs)
{
	char first[sizeof(order)];
	unsigned different = 0;

	interleave(1);
	memcpy(first, order, sizeof(first));
	TAP_EQ(strlen(first), 15);
	interleave(1);
	TAP_STR_EQ(order, first);
	for (uint64_t seed = 2; seed < 12; seed++) {
		interleave(seed);
		different += strcmp(order, first) != 0;
	}
	TAP_CHECK(different > 5);
}

TAP_TEST(virtual_time_takes_none)
{
	time_t before = time(NULL);

	begin(1, 1, SIM_WORKS_PARALLEL);
	hvos_sleep_ms(1000000);
	end();
	TAP_CHECK(time(NULL) - before < 100);
}

/* --- wrong use, each in a process that must end ---------------------------------------------------------------- */

static struct hvos_lock lock;
static struct hvos_mutex mutex;
static struct hvos_event event;
static struct hvos_work work;

static void sleep_with_lock(void)
{
	hvos_lock_init(&lock, "it");
	hvos_lock(&lock);
	hvos_sleep_ms(1);
}

static void lock_twice(void)
{
	hvos_lock_init(&lock, "it");
	hvos_lock(&lock);
	hvos_lock(&lock);
}

static void mutex_twice(void)
{
	hvos_mutex_init(&mutex, "it");
	hvos_mutex_lock(&mutex);
	hvos_mutex_lock(&mutex);
}

static void unlock_unlocked(void)
{
	hvos_lock_init(&lock, "it");
	hvos_unlock(&lock);
}

static void lock_uninitialised(void)
{
	hvos_lock(&lock);
}

static void fini_held(void)
{
	hvos_lock_init(&lock, "it");
	hvos_lock(&lock);
	hvos_lock_fini(&lock);
}

static void init_twice(void)
{
	hvos_event_init(&event);
	hvos_event_init(&event);
}

static void wait_forever(void *ctx)
{
	if (hvos_event_wait(ctx, 100000))
		return;
}

static void fini_waited_for(void)
{
	hvos_event_init(&event);
	sim_thread("waiter", wait_forever, &event);
	sim_run();
	hvos_event_fini(&event);
}

static void finish_itself(void *ctx)
{
	hvos_work_fini(ctx);
}

static void work_finishes_itself(void)
{
	hvos_work_init(&work, finish_itself, &work);
	hvos_work_queue(&work);
	sim_run();
}

static void sleep_there(void *ctx)
{
	(void)ctx;
	hvos_sleep_ms(1);
}

static void sleep_in_call(void)
{
	if (hvos_cpu_call(0, sleep_there, NULL))
		return;
}

static void sleep_in_timer(void)
{
	struct hvos_timer timer;

	hvos_timer_init(&timer, sleep_there, NULL);
	hvos_timer_arm(&timer, 0);
	hvos_sleep_ms(10);
}

static void lose_memory(void)
{
	if (!hvos_alloc(8))
		return;
}

static void lose_shared_memory(void)
{
	struct hvos_shared shared;

	if (hvos_shared_alloc(&shared, 1))
		return;
}

static void lose_event(void)
{
	hvos_event_init(&event);
}

static void lose_work(void)
{
	hvos_work_init(&work, finish_itself, &work);
}

static void free_twice(void)
{
	struct hvos_shared shared, again;

	if (hvos_shared_alloc(&shared, 1))
		return;
	again = shared;
	if (!hvos_shared_free(&shared) && !hvos_shared_free(&again))
		return;
}

static void host_writes_to_free_page(void)
{
	struct hvos_shared shared;
	uint64_t gpa;

	if (hvos_shared_alloc(&shared, 1))
		return;
	gpa = hvos_shared_gpn(&shared, 0) << HVP_PAGE_SHIFT;
	if (hvos_shared_free(&shared) || hvh_mem_write(mem, gpa + 8, "x", 1))
		return;
}

static void host_writes_to_fresh_page(void)
{
	if (hvh_mem_write(mem, 0x100000 + 5 * HVP_PAGE_SIZE, "x", 1))
		return;
}

static void lock_mutex(void *ctx)
{
	hvos_mutex_lock(ctx);
}

static void wait_for_each_other(void)
{
	hvos_mutex_init(&mutex, "it");
	hvos_mutex_lock(&mutex);
	sim_thread("other", lock_mutex, &mutex);
	sim_run();
}

static const struct {
	const char *name;
	void (*run)(void);
} wrongs[] = {
#define WRONG(name)                                                                                \
	{                                                                                          \
#name, name                                                                        \
	}
	WRONG(sleep_with_lock),
	WRONG(lock_twice),
	WRONG(mutex_twice),
	WRONG(unlock_unlocked),
	WRONG(lock_uninitialised),
	WRONG(fini_held),
	WRONG(init_twice),
	WRONG(fini_waited_for),
	WRONG(work_finishes_itself),
	WRONG(sleep_in_call),
	WRONG(sleep_in_timer),
	WRONG(lose_memory),
	WRONG(lose_shared_memory),
	WRONG(lose_event),
	WRONG(lose_work),
	WRONG(free_twice),
	WRONG(host_writes_to_free_page),
	WRONG(host_writes_to_fresh_page),
	WRONG(wait_for_each_other),
#undef WRONG
};

TAP_TEST(wrong_use_and_remainders_are_found)
{
	for (unsigned i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		int status = 0;
		pid_t child;

		fflush(stdout);
		child = fork();
		if (child == 0) {
			if (!freopen("/dev/null", "w", stderr))
				_exit(3);
			begin(1, 2, SIM_WORKS_PARALLEL);
			wrongs[i].run();
			sim_stop();
			_exit(0);
		}
		TAP_REQUIRE(child > 0 && waitpid(child, &status, 0) == child);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT)
			tap_note(false, __FILE__, __LINE__, "%s was not found: status 0x%x",
				 wrongs[i].name, (unsigned)status);
	}
}

TAP_MAIN()
