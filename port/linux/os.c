/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The services of hvos.h that the device drivers need: a kernel with a VMBus of its own sees to the rest.
 */
#include <hvg/hvos.h>
#include <linux/kobject.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/reboot.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>

#include "compat.h"
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

void hvos_lock(struct hvos_lock *lock)
{
	unsigned long flags;

	spin_lock_irqsave(&lock->spin, flags);
	lock->flags = flags;
}

void hvos_unlock(struct hvos_lock *lock)
{
	unsigned long flags = lock->flags;

	spin_unlock_irqrestore(&lock->spin, flags);
}

/* --- works -------------------------------------------------------------------------------------------- */

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
	if (!READ_ONCE(work->finished))
		queue_work(hvos_linux_works, &work->work);
}

/* Who read the flag before may queue once more after the first cancel; nobody does after it has been seen. */
void hvos_work_fini(struct hvos_work *work)
{
	WRITE_ONCE(work->finished, true);
	cancel_work_sync(&work->work);
	synchronize_rcu(); /* interrupts that had begun have ended */
	cancel_work_sync(&work->work);
}

uint64_t hvos_now_ns(void)
{
	return ktime_get_ns();
}

/* --- clock -------------------------------------------------------------------------------------------- */

uint64_t hvos_clock_get(void)
{
	return HVP_TIME_UNIX_EPOCH + div_u64(ktime_get_real_ns(), 100);
}

int hvos_clock_step(int64_t delta)
{
	struct timespec64 now;

	ktime_get_real_ts64(&now);
	now = timespec64_add(now, ns_to_timespec64(delta * 100));
	return do_settimeofday64(&now);
}

/* A clock that others may be steering: who wants the samples reads the PTP device. */
int hvos_clock_slew(int64_t delta)
{
	return -EOPNOTSUPP;
}

/* --- log, power --------------------------------------------------------------------------------------- */

void hvos_log(enum hvos_level level, const char *format, ...)
{
	struct va_format line;
	va_list args;

	va_start(args, format);
	line.fmt = format;
	line.va = &args;
	switch (level) {
	case HVOS_ERROR:
		pr_err_ratelimited("%pV\n", &line);
		break;
	case HVOS_WARNING:
		pr_warn_ratelimited("%pV\n", &line);
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

bool hvos_power_supported(enum hvos_power action)
{
	return action != HVOS_HIBERNATE || compat_hibernation_supported();
}

/* User space does it; where it cannot, the kernel does. Hibernation is the administrator's, by a udev rule. */
void hvos_power(enum hvos_power action, bool force)
{
	static char *hibernate[] = { "EVENT=hibernate", NULL };

	switch (action) {
	case HVOS_POWER_OFF:
		orderly_poweroff(true);
		break;
	case HVOS_RESTART:
		orderly_reboot();
		break;
	case HVOS_HIBERNATE:
		hvos_linux_uevent(hibernate);
		break;
	}
}
