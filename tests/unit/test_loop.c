/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tap.h"
#include "vmm/loop.h"

#define MILLISECOND 1000000ull

/* What happened, in order, as letters. */
static char story[64];
static struct vmm_loop *loop;
static int fds[2];

static void tell(char letter)
{
	size_t len = strlen(story);

	if (len + 1 < sizeof(story)) {
		story[len] = letter;
		story[len + 1] = '\0';
	}
}

static bool set_up(void)
{
	story[0] = '\0';
	for (int i = 0; i < 2; i++)
		fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return fds[0] >= 0 && fds[1] >= 0 && vmm_loop_create(&loop) == 0;
}

static void tear_down(void)
{
	vmm_loop_destroy(loop);
	close(fds[0]);
	close(fds[1]);
}

static void ring(int fd)
{
	TAP_EQ(eventfd_write(fd, 1), 0);
}

static void on_stop(void *ctx)
{
	(void)ctx;
	tell('s');
	vmm_loop_stop(loop);
}

static void on_letter(void *ctx)
{
	tell(*(const char *)ctx);
}

/* Stop soon, whatever happens. */
static void run_for(uint64_t ns)
{
	struct vmm_timer timer;

	vmm_timer_init(&timer, loop, on_stop, NULL);
	vmm_timer_set(&timer, vmm_now_ns() + ns);
	vmm_loop_run(loop);
	vmm_timer_set(&timer, 0);
}

TAP_TEST(timers_fire_in_order_and_not_early)
{
	struct vmm_timer a, b, c;
	uint64_t now = vmm_now_ns();

	TAP_REQUIRE(set_up());
	vmm_timer_init(&a, loop, on_letter, "a");
	vmm_timer_init(&b, loop, on_letter, "b");
	vmm_timer_init(&c, loop, on_letter, "c");
	vmm_timer_set(&c, now + 9 * MILLISECOND);
	vmm_timer_set(&a, now + 3 * MILLISECOND);
	vmm_timer_set(&b, now + 6 * MILLISECOND);
	run_for(12 * MILLISECOND);
	TAP_STR_EQ(story, "abcs");
	TAP_CHECK(vmm_now_ns() - now >= 12 * MILLISECOND);
	tear_down();
}

TAP_TEST(timer_can_be_moved_and_disarmed)
{
	struct vmm_timer a, b;
	uint64_t now = vmm_now_ns();

	TAP_REQUIRE(set_up());
	vmm_timer_init(&a, loop, on_letter, "a");
	vmm_timer_init(&b, loop, on_letter, "b");
	vmm_timer_set(&a, now + MILLISECOND);
	vmm_timer_set(&b, now + 2 * MILLISECOND);
	vmm_timer_set(&a, now + 3 * MILLISECOND);
	vmm_timer_set(&b, 0);
	vmm_timer_set(&b, 0);
	run_for(6 * MILLISECOND);
	TAP_STR_EQ(story, "as");
	TAP_EQ(a.deadline_ns, 0);
	tear_down();
}

static void on_both(void *ctx, uint32_t events)
{
	int *other = ctx;

	(void)events;
	tell('x');
	vmm_loop_remove(loop, fds[0]);
	vmm_loop_remove(loop, fds[1]);
	vmm_loop_remove(loop, *other);
	vmm_loop_stop(loop);
}

TAP_TEST(removed_descriptor_gets_no_event_that_was_in_the_same_batch)
{
	TAP_REQUIRE(set_up());
	TAP_EQ(vmm_loop_add(loop, fds[0], EPOLLIN, on_both, &fds[1]), 0);
	TAP_EQ(vmm_loop_add(loop, fds[1], EPOLLIN, on_both, &fds[0]), 0);
	ring(fds[0]);
	ring(fds[1]);
	vmm_loop_run(loop);
	run_for(2 * MILLISECOND);
	TAP_STR_EQ(story, "xs");
	tear_down();
}

static void on_ready(void *ctx, uint32_t events)
{
	(void)ctx;
	tell(events & EPOLLIN ? 'i' : 'o');
	vmm_loop_stop(loop);
}

TAP_TEST(descriptor_is_level_triggered_and_can_be_modified_and_added_again)
{
	TAP_REQUIRE(set_up());
	TAP_EQ(vmm_loop_add(loop, fds[0], EPOLLIN, on_ready, NULL), 0);
	TAP_EQ(vmm_loop_add(loop, fds[0], EPOLLIN, on_ready, NULL), -EEXIST);
	ring(fds[0]);
	vmm_loop_run(loop);
	vmm_loop_run(loop);
	TAP_EQ(vmm_loop_modify(loop, fds[0], EPOLLOUT), 0);
	vmm_loop_run(loop);
	vmm_loop_remove(loop, fds[0]);
	TAP_EQ(vmm_loop_modify(loop, fds[0], EPOLLIN), -ENOENT);
	run_for(2 * MILLISECOND);
	TAP_EQ(vmm_loop_add(loop, fds[0], EPOLLIN, on_ready, NULL), 0);
	vmm_loop_run(loop);
	TAP_STR_EQ(story, "iiosi");
	TAP_EQ(vmm_loop_add(loop, -1, EPOLLIN, on_ready, NULL), -EBADF);
	tear_down();
}

TAP_TEST(calls_run_in_order_and_those_before_a_stop_are_not_lost)
{
	struct vmm_call a, stop, b, c;

	TAP_REQUIRE(set_up());
	vmm_call_init(&a, loop, on_letter, "a");
	vmm_call_init(&stop, loop, on_stop, NULL);
	vmm_call_init(&b, loop, on_letter, "b");
	vmm_call_init(&c, loop, on_letter, "c");
	vmm_call_post(&a);
	vmm_call_post(&stop);
	vmm_call_post(&b);
	vmm_loop_run(loop);
	TAP_STR_EQ(story, "asb");
	vmm_call_post(&c);
	vmm_loop_stop(loop);
	vmm_loop_run(loop);
	TAP_STR_EQ(story, "asbc");
	tear_down();
}

TAP_TEST(call_that_waits_is_posted_once_and_can_be_posted_again_after_it_ran)
{
	struct vmm_call a, b;

	TAP_REQUIRE(set_up());
	vmm_call_init(&a, loop, on_letter, "a");
	vmm_call_init(&b, loop, on_letter, "b");
	vmm_call_post(&a);
	vmm_call_post(&b);
	vmm_call_post(&a);
	run_for(MILLISECOND);
	vmm_call_post(&a);
	run_for(MILLISECOND);
	TAP_STR_EQ(story, "absas");
	tear_down();
}

TAP_TEST(cancelled_call_does_not_run_wherever_it_stood)
{
	struct vmm_call calls[4];

	TAP_REQUIRE(set_up());
	for (int i = 0; i < 4; i++)
		vmm_call_init(&calls[i], loop, on_letter, &"abcd"[i]);
	vmm_call_cancel(&calls[0]);
	for (int i = 0; i < 4; i++)
		vmm_call_post(&calls[i]);
	vmm_call_cancel(&calls[1]);
	vmm_call_cancel(&calls[3]);
	vmm_call_cancel(&calls[0]);
	vmm_call_cancel(&calls[0]);
	vmm_call_post(&calls[1]);
	run_for(MILLISECOND);
	TAP_STR_EQ(story, "cbs");
	tear_down();
}

static void on_cancel(void *ctx)
{
	tell('x');
	vmm_call_cancel(ctx);
}

static struct vmm_call again;

static void on_again(void *ctx)
{
	(void)ctx;
	tell('r');
	vmm_call_post(&again);
}

TAP_TEST(call_may_cancel_the_next_and_one_that_posts_itself_leaves_others_their_turn)
{
	struct vmm_call cancel, victim;

	TAP_REQUIRE(set_up());
	vmm_call_init(&cancel, loop, on_cancel, &victim);
	vmm_call_init(&victim, loop, on_letter, "v");
	vmm_call_init(&again, loop, on_again, NULL);
	vmm_call_post(&cancel);
	vmm_call_post(&victim);
	vmm_call_post(&again);
	run_for(2 * MILLISECOND);
	TAP_CHECK(strncmp(story, "xrr", 3) == 0);
	tear_down();
}

#define THREADS 4
#define CALLS	2000

static unsigned counted;

/* Its call is on the heap: it is free to go from here on. */
static void on_count(void *ctx)
{
	free(ctx);
	if (++counted == THREADS * CALLS)
		vmm_loop_stop(loop);
}

static void *post_many(void *ctx)
{
	(void)ctx;
	for (unsigned i = 0; i < CALLS; i++) {
		struct vmm_call *call = malloc(sizeof(*call));

		if (!call)
			break;
		vmm_call_init(call, loop, on_count, call);
		vmm_call_post(call);
	}
	return NULL;
}

TAP_TEST(calls_of_many_threads_all_arrive)
{
	pthread_t threads[THREADS];

	TAP_REQUIRE(set_up());
	counted = 0;
	for (unsigned i = 0; i < THREADS; i++)
		TAP_REQUIRE(pthread_create(&threads[i], NULL, post_many, NULL) == 0);
	vmm_loop_run(loop);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	TAP_EQ(counted, THREADS * CALLS);
	tear_down();
}

#define ROUNDS 20000

/* One call that several threads post at will: what was set before a post is seen by a later run. */
static atomic_uint wanted;
static unsigned seen_last, runs;
static struct vmm_call shared;

static void on_shared(void *ctx)
{
	(void)ctx;
	runs++;
	seen_last = atomic_load_explicit(&wanted, memory_order_relaxed);
	if (seen_last == THREADS * ROUNDS)
		vmm_loop_stop(loop);
}

static void *post_shared(void *ctx)
{
	(void)ctx;
	for (unsigned i = 0; i < ROUNDS; i++) {
		atomic_fetch_add_explicit(&wanted, 1, memory_order_relaxed);
		vmm_call_post(&shared);
	}
	return NULL;
}

TAP_TEST(call_posted_by_many_threads_at_once_runs_after_the_last_post)
{
	pthread_t threads[THREADS];

	TAP_REQUIRE(set_up());
	vmm_call_init(&shared, loop, on_shared, NULL);
	for (unsigned i = 0; i < THREADS; i++)
		TAP_REQUIRE(pthread_create(&threads[i], NULL, post_shared, NULL) == 0);
	vmm_loop_run(loop);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	TAP_EQ(seen_last, THREADS * ROUNDS);
	TAP_CHECK(runs >= 1 && runs <= THREADS * ROUNDS);
	tear_down();
}

TAP_TEST(loop_can_be_destroyed_with_calls_and_watches_left)
{
	struct vmm_call call;

	TAP_REQUIRE(set_up());
	vmm_call_init(&call, loop, on_letter, "a");
	vmm_call_post(&call);
	TAP_EQ(vmm_loop_add(loop, fds[0], EPOLLIN, on_ready, NULL), 0);
	TAP_EQ(vmm_loop_add(loop, fds[1], EPOLLIN, on_ready, NULL), 0);
	vmm_loop_remove(loop, fds[1]);
	tear_down();
	TAP_STR_EQ(story, "");
}

TAP_MAIN()
