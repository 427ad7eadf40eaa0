/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The services of hvos.h for drivers that wait: mutexes, events, sleep, timers.
 */
#include <hvg/hvos.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/lockdep.h>
#include <linux/timekeeping.h>

#include "compat.h"

/* --- locks -------------------------------------------------------------------------------------------- */

void hvos_mutex_init(struct hvos_mutex *mutex, const char *name)
{
	mutex_init(&mutex->mutex);
}

void hvos_mutex_fini(struct hvos_mutex *mutex)
{
	mutex_destroy(&mutex->mutex);
}

void hvos_mutex_lock(struct hvos_mutex *mutex)
{
	mutex_lock(&mutex->mutex);
}

void hvos_mutex_unlock(struct hvos_mutex *mutex)
{
	mutex_unlock(&mutex->mutex);
}

void hvos_lock_assert(const struct hvos_lock *lock)
{
	lockdep_assert_held(&lock->spin);
}

void hvos_mutex_assert(const struct hvos_mutex *mutex)
{
	lockdep_assert_held(&mutex->mutex);
}

/* --- waiting ------------------------------------------------------------------------------------------ */

/* A completion, and not a flag with a queue: who has waited may free it at once. */
void hvos_event_init(struct hvos_event *event)
{
	init_completion(&event->set);
}

void hvos_event_fini(struct hvos_event *event)
{
}

void hvos_event_set(struct hvos_event *event)
{
	complete_all(&event->set);
}

void hvos_event_reset(struct hvos_event *event)
{
	reinit_completion(&event->set);
}

/* One tick more than asked for, because the first is under way already. */
int hvos_event_wait(struct hvos_event *event, uint32_t timeout_ms)
{
	const unsigned long ticks = msecs_to_jiffies(timeout_ms) + 1;

	return wait_for_completion_timeout(&event->set, ticks) ? 0 : -ETIMEDOUT;
}

void hvos_sleep_ms(uint32_t ms)
{
	msleep(ms);
}

/*
 * The kernel counts loops, as many as it measured on each processor when that started: too few where
 * something interrupted it then. On the second processor of a 5.10 it was 0.4 of what is right. So a clock
 * is asked too; not without end, for it may stand still while interrupts are off.
 */
void hvos_delay_us(uint32_t us)
{
	const u64 end_ns = ktime_get_ns() + (u64)us * NSEC_PER_USEC;
	unsigned tries = 0;

	do {
		mdelay(us / 1000);
		udelay(us % 1000);
	} while (ktime_get_ns() < end_ns && ++tries < 10);
}

/* --- timers ------------------------------------------------------------------------------------------- */

static unsigned long ticks_until(u64 deadline_ns)
{
	u64 now_ns = ktime_get_ns();

	return now_ns < deadline_ns ? nsecs_to_jiffies(deadline_ns - now_ns) + 1 : 0;
}

static void run_timer(struct timer_list *timer)
{
	struct hvos_timer *ours = container_of(timer, struct hvos_timer, timer);
	unsigned long ticks = ticks_until(READ_ONCE(ours->deadline_ns));

	/* Ticks are coarse, and one of them may be shorter: never early. */
	if (ticks)
		mod_timer(timer, jiffies + ticks);
	else
		ours->fn(ours->ctx);
}

void hvos_timer_init(struct hvos_timer *timer, hvos_fn fn, void *ctx)
{
	timer_setup(&timer->timer, run_timer, 0);
	timer->fn = fn;
	timer->ctx = ctx;
}

void hvos_timer_arm(struct hvos_timer *timer, uint64_t deadline_ns)
{
	WRITE_ONCE(timer->deadline_ns, deadline_ns);
	mod_timer(&timer->timer, jiffies + ticks_until(deadline_ns));
}

void hvos_timer_stop(struct hvos_timer *timer)
{
	compat_timer_delete_sync(&timer->timer);
}
