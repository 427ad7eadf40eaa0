/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Coroutines by <ucontext.h>, announced to the sanitizers, which otherwise take a change of stacks for a fault.
 */
#include <stdlib.h>
#include <ucontext.h>

#include "port/sim/sim_priv.h"

#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/common_interface_defs.h>
#define SIM_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#include <sanitizer/tsan_interface.h>
#define SIM_TSAN 1
#endif

#define STACK_BYTES (256u << 10)

struct sim_fiber {
	struct sim_fiber *next; /* of those that wait for use, also by the next simulation */
	ucontext_t context;
	void *stack;
	const void *bottom; /* as the sanitizer knows it */
	size_t bytes;
	void *fake; /* ASan's stack beside it */
	void *tsan;
};

static struct sim_fiber *unused, *left;

static struct sim_fiber *get(bool with_stack)
{
	struct sim_fiber *fiber = unused;

	if (with_stack && fiber) {
		unused = fiber->next;
		return fiber;
	}
	fiber = calloc(1, sizeof(*fiber));
	if (!fiber || (with_stack && !(fiber->stack = malloc(STACK_BYTES))))
		sim_die("no memory for a stack");
	fiber->bottom = fiber->stack;
	fiber->bytes = STACK_BYTES;
	return fiber;
}

static void prepare(struct sim_fiber *fiber, void (*fn)(void))
{
	getcontext(&fiber->context);
	fiber->context.uc_stack.ss_sp = fiber->stack;
	fiber->context.uc_stack.ss_size = STACK_BYTES;
	fiber->context.uc_link = NULL;
	makecontext(&fiber->context, fn, 0);
}

struct sim_fiber *sim_fiber_create(void (*fn)(void))
{
	struct sim_fiber *fiber = get(fn != NULL);

	if (fn)
		prepare(fiber, fn);
#ifdef SIM_TSAN
	fiber->tsan = fn ? __tsan_create_fiber(0) : __tsan_get_current_fiber();
#endif
	return fiber;
}

void sim_fiber_switch(struct sim_fiber *from, struct sim_fiber *to, bool forever)
{
	left = from;
#ifdef SIM_ASAN
	__sanitizer_start_switch_fiber(forever ? NULL : &from->fake, to->bottom, to->bytes);
#else
	(void)forever;
#endif
#ifdef SIM_TSAN
	__tsan_switch_to_fiber(to->tsan, 0);
#endif
	swapcontext(&from->context, &to->context);
#ifdef SIM_ASAN
	__sanitizer_finish_switch_fiber(from->fake, &left->bottom, &left->bytes);
#endif
}

void sim_fiber_entered(void)
{
#ifdef SIM_ASAN
	__sanitizer_finish_switch_fiber(NULL, &left->bottom, &left->bytes);
#endif
}

void sim_fiber_release(struct sim_fiber *fiber)
{
#ifdef SIM_TSAN
	if (fiber->stack)
		__tsan_destroy_fiber(fiber->tsan);
#endif
	if (!fiber->stack) {
		free(fiber);
		return;
	}
	fiber->next = unused;
	unused = fiber;
}
