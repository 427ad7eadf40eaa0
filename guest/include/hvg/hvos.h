/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the guest driver core needs of an operating system: the whole of it. A port implements these
 * functions, and gives the types and inline parts in a header of its own, "hvos_port.h", on its
 * include path:
 *
 *   struct hvos_lock, hvos_mutex, hvos_event, hvos_work, hvos_timer   complete types
 *   one of hvg/hvg_x86.h, hvg/hvg_arm64.h and hvg/hvg_soft.h, included: how to reach the hypervisor
 *
 * Context of each function: T = thread, may sleep; A = any: interrupts, timers, with locks held; never
 * sleeps. Functions that say neither fail nor return an error cannot fail. Everything that is
 * initialised is finished again before its memory goes away. tests/port/ holds the suite that every
 * port passes; docs/porting.md walks through one.
 */
#ifndef GUEST_INCLUDE_HVG_HVOS_H
#define GUEST_INCLUDE_HVG_HVOS_H

#include <stdbool.h>

#include "hvp_base.h"
#include "hvw_error.h"

#include "hvos_port.h"

typedef void (*hvos_fn)(void *ctx);

/* --- memory ------------------------------------------------------------------------------------- */

/* T. Zeroed, for this kernel alone; NULL when there is none. */
void *hvos_alloc(size_t bytes);

/* T. NULL is allowed. */
void hvos_free(void *memory);

/*
 * Memory that the host may touch: contiguous addresses for us, pages of HVP_PAGE_SIZE for the host,
 * wherever they lie. In a confidential guest only such memory is visible to the host.
 */
struct hvos_shared {
	void *base; /* NULL: nothing */
	uint32_t pages; /* of HVP_PAGE_SIZE */
	void *port; /* the port's own */
};

/*
 * T. Zeroed and visible to the host, and never its page 0, which some messages take for none. -ENOMEM,
 * or -EIO when it could not be made visible: nothing is left then.
 */
int hvos_shared_alloc(struct hvos_shared *shared, uint32_t pages) HVW_MUST_CHECK;

/*
 * T. The host must have given it up before. -EIO: the host's access cannot be taken back. Then the
 * memory is lost, for reuse would hand it secrets; the port keeps it out of circulation for ever.
 */
int hvos_shared_free(struct hvos_shared *shared) HVW_MUST_CHECK;

/* T. The host does not give it up: as if hvos_shared_free() had failed. The port may count it; it is used no more. */
void hvos_shared_lose(struct hvos_shared *shared);

/* A. The number by which the host knows page `page`. */
uint64_t hvos_shared_gpn(const struct hvos_shared *shared, uint32_t page);

/*
 * T. A page of memory that this kernel can execute, for the hypervisor to fill: not written by us, and
 * in a confidential guest private. -ENOMEM. Freed by hvos_code_free(), which cannot fail.
 */
int hvos_code_alloc(struct hvos_shared *page) HVW_MUST_CHECK;
void hvos_code_free(struct hvos_shared *page);

/* --- locks -------------------------------------------------------------------------------------- */

/* A. Exclude other processors, and interrupts on this one. Not recursive; held for short. */
void hvos_lock_init(struct hvos_lock *lock, const char *name);
void hvos_lock_fini(struct hvos_lock *lock);
void hvos_lock(struct hvos_lock *lock);
void hvos_unlock(struct hvos_lock *lock);

/* T. The holder may sleep. */
void hvos_mutex_init(struct hvos_mutex *mutex, const char *name);
void hvos_mutex_fini(struct hvos_mutex *mutex);
void hvos_mutex_lock(struct hvos_mutex *mutex);
void hvos_mutex_unlock(struct hvos_mutex *mutex);

/* A. Complain, in builds that check, when the caller does not hold it. */
void hvos_lock_assert(const struct hvos_lock *lock);
void hvos_mutex_assert(const struct hvos_mutex *mutex);

/* --- waiting ------------------------------------------------------------------------------------ */

/* An event stays set until it is reset. init, reset, set: A. fini: nobody waits. */
void hvos_event_init(struct hvos_event *event);
void hvos_event_fini(struct hvos_event *event);
void hvos_event_set(struct hvos_event *event);
void hvos_event_reset(struct hvos_event *event);

/* T. 0 when it is set, at the latest after `timeout_ms` -ETIMEDOUT. Interrupts and deferred work of others go on. */
int hvos_event_wait(struct hvos_event *event, uint32_t timeout_ms) HVW_MUST_CHECK;

/* T. */
void hvos_sleep_ms(uint32_t ms);

/* A. Busy; for the few places that may not sleep. */
void hvos_delay_us(uint32_t us);

/* A. Nanoseconds that pass steadily, from any start. Not in step with the wall clock. */
uint64_t hvos_now_ns(void);

/* --- deferred work ------------------------------------------------------------------------------ */

/*
 * A function to be run in a thread soon. Queued again while it waits: runs once; queued while it runs:
 * runs once more. Never runs twice at the same time. Different works may run at the same time or one
 * after the other: none may wait for another. What a wait ends is always an interrupt or a timer.
 */
void hvos_work_init(struct hvos_work *work, hvos_fn fn, void *ctx); /* A */
void hvos_work_queue(struct hvos_work *work); /* A */

/* T, not from the work itself. Waits for a run under way and forgets a queued one. From then on queueing does nothing. */
void hvos_work_fini(struct hvos_work *work);

/* --- timers ------------------------------------------------------------------------------------- */

/* `fn` runs in context A, once each time the timer is armed, at `deadline_ns` of hvos_now_ns() or later. */
void hvos_timer_init(struct hvos_timer *timer, hvos_fn fn, void *ctx); /* A */

/* A. Replaces an earlier deadline. */
void hvos_timer_arm(struct hvos_timer *timer, uint64_t deadline_ns);

/* T, not from the timer itself. It does not run any more after the return; it may be armed again. */
void hvos_timer_stop(struct hvos_timer *timer);

/* --- processors and interrupts ------------------------------------------------------------------- */

/* A. Processors are numbered from 0; those that are not running count too. At least 1, constant. */
unsigned hvos_cpu_count(void);
bool hvos_cpu_online(unsigned cpu);

/*
 * T. Run `fn` on that processor in context A, not within a run of the interrupt function there, and wait
 * for its end. -ENODEV: it is not running.
 */
int hvos_cpu_call(unsigned cpu, hvos_fn fn, void *ctx) HVW_MUST_CHECK;

/* The hypervisor's interrupt; it is acknowledged to the interrupt controller by the port. Context A, on processor `cpu`. */
typedef void (*hvos_interrupt_fn)(void *ctx, unsigned cpu);

/* T. *vector gets what the hypervisor is to raise on each processor. -EBUSY: there is none left. */
int hvos_interrupt_start(hvos_interrupt_fn fn, void *ctx, uint8_t *vector) HVW_MUST_CHECK;

/* T. When it returns `fn` is not running and does not run again. */
void hvos_interrupt_stop(void);

/* T. Returns when each run of the interrupt function that had begun, on any processor, has ended. */
void hvos_interrupt_drain(void);

/* --- what the core tells and asks the system -------------------------------------------------------- */

enum hvos_level { HVOS_ERROR, HVOS_WARNING, HVOS_INFO, HVOS_DEBUG };

/* A. One line without a newline. What the host can provoke again and again is rate-limited already. */
void hvos_log(enum hvos_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A. The wall clock in 100 ns since 1601-01-01 00:00 UTC; see hvp_ic.h. */
uint64_t hvos_clock_get(void);

/* T. Move it by `delta` (100 ns, may be negative) at once. -EPERM: the system does not allow it. */
int hvos_clock_step(int64_t delta) HVW_MUST_CHECK;

/* T. Have it gain `delta` (100 ns, may be negative) by running faster or slower. -EOPNOTSUPP: it can only be stepped. */
int hvos_clock_slew(int64_t delta) HVW_MUST_CHECK;

enum hvos_power { HVOS_POWER_OFF, HVOS_RESTART, HVOS_HIBERNATE };

/* A. Can it be done? */
bool hvos_power_supported(enum hvos_power action);

/* T. Begin it in an orderly way and return; `force`: whether or not anybody objects. */
void hvos_power(enum hvos_power action, bool force);

#endif
