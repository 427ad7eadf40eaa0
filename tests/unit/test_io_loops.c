/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "tap.h"
#include "vmm/io_loops.h"
#include "vmm/loop.h"

#define LOOPS	   3
#define BALLS	   8
#define PASSES	   3000
#define GIVE_UP_NS 20000000000ull

static struct vmm_io_loops *io;
static struct vmm_loop *control; /* the test's own thread */

static bool set_up(void)
{
	return vmm_loop_create(&control) == 0 && vmm_io_loops_create(LOOPS, &io) == 0;
}

static void on_give_up(void *ctx)
{
	*(bool *)ctx = true;
	vmm_loop_stop(control);
}

/* Until something stops the control loop. False: nothing did. */
static bool run_control(void)
{
	struct vmm_timer timer;
	bool gave_up = false;

	vmm_timer_init(&timer, control, on_give_up, &gave_up);
	vmm_timer_set(&timer, vmm_now_ns() + GIVE_UP_NS);
	vmm_loop_run(control);
	vmm_timer_set(&timer, 0);
	return !gave_up;
}

/* --- tests ------------------------------------------------------------------------------------------- */

struct where {
	struct vmm_call there, back;
	pthread_t thread;
};

static void on_there(void *ctx)
{
	struct where *where = ctx;

	where->thread = pthread_self();
	vmm_call_post(&where->back);
}

static unsigned came_back;

static void on_back(void *ctx)
{
	(void)ctx;
	if (++came_back == LOOPS + 1)
		vmm_loop_stop(control);
}

TAP_TEST(each_loop_has_a_thread_of_its_own_and_indices_go_round)
{
	struct where where[LOOPS + 1];

	TAP_REQUIRE(set_up());
	came_back = 0;
	TAP_EQ(vmm_io_loops_count(io), LOOPS);
	for (unsigned i = 0; i <= LOOPS; i++) {
		vmm_call_init(&where[i].there, vmm_io_loops_get(io, i), on_there, &where[i]);
		vmm_call_init(&where[i].back, control, on_back, NULL);
		vmm_call_post(&where[i].there);
	}
	TAP_REQUIRE(run_control());
	for (unsigned i = 0; i < LOOPS; i++) {
		TAP_CHECK(!pthread_equal(where[i].thread, pthread_self()));
		for (unsigned j = 0; j < i; j++)
			TAP_CHECK(!pthread_equal(where[i].thread, where[j].thread));
	}
	TAP_CHECK(pthread_equal(where[LOOPS].thread, where[0].thread));
	TAP_CHECK(vmm_io_loops_destroy(io));
	vmm_loop_destroy(control);
}

/* Handed from loop to loop, the control loop included: what it carries needs no lock. */
struct ball {
	struct vmm_call call;
	unsigned passes;
	unsigned next;
};

static unsigned balls_done;

static void on_ball(void *ctx);

static void on_ball_done(void *ctx)
{
	struct ball *ball = ctx;

	TAP_EQ(ball->passes, PASSES);
	if (++balls_done == BALLS)
		vmm_loop_stop(control);
}

static void on_ball(void *ctx)
{
	struct ball *ball = ctx;
	unsigned next = ball->next++ % (LOOPS + 1);

	if (++ball->passes == PASSES)
		vmm_call_init(&ball->call, control, on_ball_done, ball);
	else
		vmm_call_init(&ball->call, next == LOOPS ? control : vmm_io_loops_get(io, next),
			      on_ball, ball);
	vmm_call_post(&ball->call);
}

TAP_TEST(work_goes_round_between_all_loops_without_one_waiting_for_another)
{
	struct ball balls[BALLS] = { 0 };

	TAP_REQUIRE(set_up());
	balls_done = 0;
	for (unsigned i = 0; i < BALLS; i++) {
		balls[i].next = i;
		vmm_call_init(&balls[i].call, vmm_io_loops_get(io, i), on_ball, &balls[i]);
		vmm_call_post(&balls[i].call);
	}
	TAP_CHECK(run_control());
	TAP_EQ(balls_done, BALLS);
	TAP_CHECK(vmm_io_loops_destroy(io));
	vmm_loop_destroy(control);
}

static atomic_uint counted;

static void on_count(void *ctx)
{
	(void)ctx;
	atomic_fetch_add(&counted, 1);
}

TAP_TEST(what_was_posted_before_the_end_is_done)
{
	struct vmm_call calls[100];

	TAP_REQUIRE(set_up());
	atomic_store(&counted, 0);
	for (unsigned i = 0; i < 100; i++) {
		vmm_call_init(&calls[i], vmm_io_loops_get(io, i), on_count, NULL);
		vmm_call_post(&calls[i]);
	}
	TAP_CHECK(vmm_io_loops_destroy(io));
	TAP_EQ(atomic_load(&counted), 100);
	TAP_CHECK(vmm_io_loops_destroy(NULL));
	vmm_loop_destroy(control);
}

TAP_MAIN()
