/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/nested/clock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vmm/control.h"
#include "vmm/log.h"
#include "vmm/loop.h"
#include "vmm/nested/layout.h"

#define NS_PER_S 1000000000ll

/* Questions in a row: one of them is likely to find neither side busy. */
#define QUESTIONS 8

/* The emulated processor's TSC is only as good as the inner Linux could measure it. */
#define PERIOD_NS 10000000000ull

/* A stream that lost an answer is asked anew after this. */
#define ANSWER_TIMEOUT_NS 5000000000ull

/* Below that the measurement is no better than the clock. */
#define ERROR_MIN_NS 50000ll

struct vmm_nested_clock {
	struct vmm_control *control;
	struct vmm_timer timer;
	unsigned asked; /* in this row */
	bool set; /* once at least */
	json_int_t number; /* of the question that waits for its answer */
	int64_t asked_at_ns;
	int64_t best_way_ns; /* there and back */
	int64_t best_error_ns; /* by which the outer clock is ahead */
};

static int64_t real_time_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static void ask(struct vmm_nested_clock *clock)
{
	clock->number++;
	clock->asked++;
	vmm_timer_set(&clock->timer, vmm_now_ns() + ANSWER_TIMEOUT_NS);
	clock->asked_at_ns = real_time_ns();
	vmm_control_event(clock->control, json_pack("{s:s, s:I}", "event", NESTED_EVENT_CLOCK,
						    "number", clock->number));
}

static void begin(void *ctx)
{
	struct vmm_nested_clock *clock = ctx;

	clock->asked = 0;
	clock->best_way_ns = INT64_MAX;
	ask(clock);
}

/*
 * What is certain of the error: it may be smaller by half of the way there and back. On a busy machine that is more than
 * the clock is wrong by, and correcting it by the middle would make it jump about. The first time is a start only.
 */
static int64_t certain_error_ns(const struct vmm_nested_clock *clock)
{
	int64_t bound_ns = clock->set ? clock->best_way_ns / 2 : 0;

	if (clock->best_error_ns > bound_ns)
		return clock->best_error_ns - bound_ns;
	return clock->best_error_ns < -bound_ns ? clock->best_error_ns + bound_ns : 0;
}

/* By a jump: nothing in the inner Linux minds, and the guest is given the right time from the next message on. */
static void correct(struct vmm_nested_clock *clock)
{
	int64_t error_ns = certain_error_ns(clock), now_ns = real_time_ns() + error_ns;
	struct timespec now = { now_ns / NS_PER_S, now_ns % NS_PER_S };

	clock->set = true;
	if (error_ns > -ERROR_MIN_NS && error_ns < ERROR_MIN_NS)
		return;
	if (clock_settime(CLOCK_REALTIME, &now))
		vmm_log(HVH_LOG_WARNING, "cannot set the nested machine's clock: %s",
			strerror(errno));
}

void vmm_nested_clock_told(struct vmm_nested_clock *clock, const json_t *answer)
{
	int64_t now_ns = real_time_ns(), way_ns = now_ns - clock->asked_at_ns;
	int64_t told_ns = json_integer_value(json_object_get(answer, "time_ns"));

	/* One that comes after its time, or from the past, says nothing. */
	if (json_integer_value(json_object_get(answer, "number")) != clock->number || way_ns < 0)
		return;
	if (way_ns < clock->best_way_ns) {
		clock->best_way_ns = way_ns;
		clock->best_error_ns = told_ns - (clock->asked_at_ns + way_ns / 2);
	}
	if (clock->asked < QUESTIONS) {
		ask(clock);
		return;
	}
	correct(clock);
	vmm_timer_set(&clock->timer, vmm_now_ns() + PERIOD_NS);
}

int vmm_nested_clock_create(struct vmm_loop *loop, struct vmm_control *control,
			    struct vmm_nested_clock **out)
{
	struct vmm_nested_clock *clock = calloc(1, sizeof(*clock));

	if (!clock)
		return -ENOMEM;
	clock->control = control;
	vmm_timer_init(&clock->timer, loop, begin, clock);
	*out = clock;
	begin(clock);
	return 0;
}

void vmm_nested_clock_destroy(struct vmm_nested_clock *clock)
{
	if (!clock)
		return;
	vmm_timer_set(&clock->timer, 0);
	free(clock);
}

json_t *vmm_nested_clock_answer(const json_t *question)
{
	return json_pack("{s:s, s:I, s:I}", "command", NESTED_COMMAND_CLOCK, "number",
			 json_integer_value(json_object_get(question, "number")), "time_ns",
			 (json_int_t)real_time_ns());
}
