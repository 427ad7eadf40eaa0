/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/rtc.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

enum {
	REG_SECONDS = 0,
	REG_MINUTES = 2,
	REG_HOURS = 4,
	REG_WEEKDAY = 6,
	REG_DAY = 7,
	REG_MONTH = 8,
	REG_YEAR = 9,
	REG_A = 10,
	REG_B = 11,
	REG_C = 12,
	REG_D = 13,
};

#define A_32_KHZ     0x26 /* and no update is ever under way */
#define B_24_HOURS   0x02 /* and decimal digits, as every operating system expects */
#define D_VALID	     0x80
#define INDEX_NO_NMI 0x80

void vmm_rtc_init(struct vmm_rtc *rtc)
{
	memset(rtc, 0, sizeof(*rtc));
	pthread_mutex_init(&rtc->lock, NULL);
}

void vmm_rtc_fini(struct vmm_rtc *rtc)
{
	pthread_mutex_destroy(&rtc->lock);
}

static uint8_t decimal(int value)
{
	return (uint8_t)(value / 10 % 10 << 4 | value % 10);
}

static bool is_time(unsigned index)
{
	return index == REG_SECONDS || index == REG_MINUTES || index == REG_HOURS ||
	       (index >= REG_WEEKDAY && index <= REG_YEAR) || index == VMM_RTC_CENTURY;
}

static uint8_t read_time(unsigned index)
{
	time_t now = time(NULL);
	struct tm tm;

	if (!gmtime_r(&now, &tm))
		return 0;
	switch (index) {
	case REG_SECONDS:
		return decimal(tm.tm_sec);
	case REG_MINUTES:
		return decimal(tm.tm_min);
	case REG_HOURS:
		return decimal(tm.tm_hour);
	case REG_WEEKDAY:
		return decimal(tm.tm_wday + 1);
	case REG_DAY:
		return decimal(tm.tm_mday);
	case REG_MONTH:
		return decimal(tm.tm_mon + 1);
	case REG_YEAR:
		return decimal(tm.tm_year);
	default:
		return decimal((tm.tm_year + 1900) / 100);
	}
}

static uint8_t read_register(const struct vmm_rtc *rtc, unsigned index)
{
	if (is_time(index))
		return read_time(index);
	switch (index) {
	case REG_A:
		return A_32_KHZ;
	case REG_B:
		return B_24_HOURS;
	case REG_C:
		return 0;
	case REG_D:
		return D_VALID;
	default:
		return rtc->bytes[index];
	}
}

uint32_t vmm_rtc_read(void *ctx, unsigned offset, unsigned size)
{
	struct vmm_rtc *rtc = ctx;
	uint8_t value;

	(void)size;
	pthread_mutex_lock(&rtc->lock);
	value = offset ? read_register(rtc, rtc->index) : 0xff;
	pthread_mutex_unlock(&rtc->lock);
	return value;
}

void vmm_rtc_write(void *ctx, unsigned offset, unsigned size, uint32_t value)
{
	struct vmm_rtc *rtc = ctx;

	(void)size;
	pthread_mutex_lock(&rtc->lock);
	if (!offset)
		rtc->index = value & ~INDEX_NO_NMI & (VMM_RTC_BYTES - 1);
	else
		rtc->bytes[rtc->index] = (uint8_t)value;
	pthread_mutex_unlock(&rtc->lock);
}
