/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The PC's battery-backed clock, as far as operating systems read it at boot: the date in UTC, and
 * 114 bytes of memory. It does not interrupt and cannot be set; the ACPI tables do not offer it to drivers.
 */
#ifndef VMM_RTC_H
#define VMM_RTC_H

#include <pthread.h>
#include <stdint.h>

#define VMM_RTC_PORTS 2 /* index, data */
#define VMM_RTC_BYTES 128

#define VMM_RTC_CENTURY 0x32 /* register */

struct vmm_rtc {
	pthread_mutex_t lock; /* for all below */
	uint8_t index;
	uint8_t bytes[VMM_RTC_BYTES];
};

void vmm_rtc_init(struct vmm_rtc *rtc);
void vmm_rtc_fini(struct vmm_rtc *rtc);

/* Any thread. */
uint32_t vmm_rtc_read(void *rtc, unsigned offset, unsigned size);
void vmm_rtc_write(void *rtc, unsigned offset, unsigned size, uint32_t value);

#endif
