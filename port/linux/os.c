/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The services of hvos.h that every module here needs: memory, locks, works, the clock, the log.
 */
#define pr_fmt(format) KBUILD_MODNAME ": " format

#include <hvg/hvos.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>

#include "hvp_ic.h"
#include "linux_priv.h"

/* --- memory, locks ------------------------------------------------------------------------------------ */

void *hvos_alloc(size_t bytes)
{
	return kvzalloc(bytes, GFP_KERNEL);
}

void hvos_free(void *memory)
{
	kvfree(memory);
}

void hvos_lock_init(struct hvos_lock *lock, const char *name)
{
	spin_lock_init(&lock->spin);
}

void hvos_lock_fini(struct hvos_lock *lock)
{
}

void hvos_lock(struct hvos_lock *lock) __acquires(&lock->spin)
{
	unsigned long flags;

	spin_lock_irqsave(&lock->spin, flags);
	lock->flags = flags;
}

void hvos_unlock(struct hvos_lock *lock) __releases(&lock->spin)
{
	unsigned long flags = lock->flags;

	spin_unlock_irqrestore(&lock->spin, flags);
}

/* --- works -------------------------------------------------------------------------------------------- */

static struct workqueue_struct *works;

int hvos_linux_start(void)
{
	/* Any processor may run them: the one that is interrupted may be busy. */
	works = alloc_workqueue("%s", WQ_UNBOUND, 0, KBUILD_MODNAME);
	return works ? 0 : -ENOMEM;
}

void hvos_linux_stop(void)
{
	destroy_workqueue(works);
}

static void run_work(struct work_struct *work)
{
	struct hvos_work *ours = container_of(work, struct hvos_work, work);

	ours->fn(ours->ctx);
}

void hvos_work_init(struct hvos_work *work, hvos_fn fn, void *ctx)
{
	INIT_WORK(&work->work, run_work);
	work->fn = fn;
	work->ctx = ctx;
	WRITE_ONCE(work->finished, false);
}

void hvos_work_queue(struct hvos_work *work)
{
	/* From the look to the queueing: hvos_work_fini() waits for who is between the two. */
	rcu_read_lock();
	if (!READ_ONCE(work->finished))
		queue_work(works, &work->work);
	rcu_read_unlock();
}

void hvos_work_fini(struct hvos_work *work)
{
	WRITE_ONCE(work->finished, true);
	cancel_work_sync(&work->work);
	/* Who looked before that may have queued it after the first. */
	synchronize_rcu();
	cancel_work_sync(&work->work);
}

/* --- clock -------------------------------------------------------------------------------------------- */

uint64_t hvos_now_ns(void)
{
	return ktime_get_ns();
}

uint64_t hvos_clock_get(void)
{
	return HVP_TIME_UNIX_EPOCH + div_u64(ktime_get_real_ns(), 100);
}

/*
 * Drivers can only say what time it is, and are late by as long as anything interrupts them there. What the
 * wall clock is to be ahead of the monotonic one does not age: so that is looked at afterwards.
 */
int hvos_clock_step(int64_t delta)
{
	const s64 late_max_ns = 10 * NSEC_PER_USEC;
	s64 delta_ns, ahead_ns, now_ns;
	struct timespec64 now;
	int tries, err;

	/* The host may have said anything. */
	if (check_mul_overflow((s64)delta, (s64)100, &delta_ns) ||
	    check_add_overflow(ktime_to_ns(ktime_mono_to_real(0)), delta_ns, &ahead_ns))
		return -EINVAL;
	for (tries = 0; tries < 3; tries++) {
		if (check_add_overflow(ktime_to_ns(ktime_get()), ahead_ns, &now_ns))
			return -EINVAL;
		now = ns_to_timespec64(now_ns);
		err = do_settimeofday64(&now);
		if (err)
			return err;
		if (ahead_ns - ktime_to_ns(ktime_mono_to_real(0)) <= late_max_ns)
			break;
	}
	return 0;
}

/* A clock that others may be steering: who wants the samples reads the PTP device. */
int hvos_clock_slew(int64_t delta)
{
	return -EOPNOTSUPP;
}

/* --- log ---------------------------------------------------------------------------------------------- */

void hvos_log(enum hvos_level level, const char *format, ...)
{
	struct va_format line;
	va_list args;

	va_start(args, format);
	line.fmt = format;
	line.va = &args;
	switch (level) {
	case HVOS_ERROR:
		pr_err("%pV\n", &line);
		break;
	case HVOS_WARNING:
		pr_warn("%pV\n", &line);
		break;
	case HVOS_INFO:
		pr_info("%pV\n", &line);
		break;
	case HVOS_DEBUG:
		pr_debug("%pV\n", &line);
		break;
	}
	va_end(args);
}
