/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The PC's battery-backed clock: UTC, alarm, periodic and update interrupts, 114 bytes of memory. It
 * follows the host's clock; a guest that sets it gets an offset to that, which stays until hvhost ends.
 * Source: the data sheet of Motorola's MC146818A, and the century register of PCs.
 *
 * Unlike the chip the day of the week follows from the date, and periods that went by before the guest
 * took the last interrupt are not counted.
 */
#ifndef VMM_RTC_H
#define VMM_RTC_H

#include <stdint.h>

#define VMM_RTC_PORTS 2 /* index, data */

#define VMM_RTC_CENTURY 0x32 /* register */

/* Called on the thread that calls vmm_rtc_*(), under a lock: must not call back. */
struct vmm_rtc_ops {
	uint64_t (*now_ns)(void *ctx); /* the host's clock: since 1970, UTC */
	void (*set_irq)(void *ctx, int level);
	void (*changed)(void *ctx); /* what vmm_rtc_run() returned last does not hold any more */
};

struct vmm_rtc;

/* -ENOMEM. */
int vmm_rtc_create(const struct vmm_rtc_ops *ops, void *ctx, struct vmm_rtc **rtc);
void vmm_rtc_destroy(struct vmm_rtc *rtc);

/* Any thread. Accesses of one byte. */
uint32_t vmm_rtc_read(void *rtc, unsigned offset, unsigned size);
void vmm_rtc_write(void *rtc, unsigned offset, unsigned size, uint32_t value);

/* Interrupts that are due are raised. Returns the time until the next one; 0: none to wait for. Any thread. */
uint64_t vmm_rtc_run(struct vmm_rtc *rtc);

/* The guest restarts: no interrupts, the usual format; the time goes on. */
void vmm_rtc_reset(struct vmm_rtc *rtc);

#endif
