/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/rtc.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

enum {
	REG_SECONDS = 0,
	REG_SECONDS_ALARM = 1,
	REG_MINUTES = 2,
	REG_MINUTES_ALARM = 3,
	REG_HOURS = 4,
	REG_HOURS_ALARM = 5,
	REG_WEEKDAY = 6,
	REG_DAY = 7,
	REG_MONTH = 8,
	REG_YEAR = 9,
	REG_A = 10,
	REG_B = 11,
	REG_C = 12,
	REG_D = 13,
	REGS = 128,
};

#define A_UPDATING   0x80 /* read-only */
#define A_DIVIDER    0x60 /* both bits: held at zero */
#define A_RATE	     0x0f
#define A_START	     0x26 /* 32 kHz, 1024 Hz */
#define B_STOP	     0x80 /* the guest sets the time */
#define B_INTERRUPTS 0x70 /* the same bits as in C */
#define B_BINARY     0x04
#define B_24_HOURS   0x02
#define C_INTERRUPT  0x80
#define C_PERIODIC   0x40
#define C_ALARM	     0x20
#define C_UPDATED    0x10
#define D_VALID	     0x80
#define HOUR_PM	     0x80
#define ALARM_ANY    0xc0
#define INDEX_NO_NMI 0x80

#define NS_PER_S      1000000000ull
#define SECONDS_A_DAY 86400
#define UPDATE_NS     2228000u /* 244 us of warning, 1984 us of update */
#define RATE_MAX_HZ   32768u
#define NEVER	      INT64_MAX

/*
 * The divider's position is the host's clock plus `phase_ns`: at each of its full seconds the time moves
 * on by one, unless it stands still. The time is the divider's seconds plus `offset_s`.
 */
struct vmm_rtc {
	const struct vmm_rtc_ops *ops;
	void *ctx;
	pthread_mutex_t lock; /* for all below */
	uint8_t index;
	uint8_t bytes[REGS]; /* of the time: only while it stands still */
	uint64_t phase_ns; /* below one second */
	int64_t offset_s;
	uint64_t seen_ns; /* the divider's position up to which events are in register C */
	int level;
};

/* --- time and its digits -------------------------------------------------------------------------- */

static uint8_t encode(const struct vmm_rtc *rtc, int value)
{
	if (rtc->bytes[REG_B] & B_BINARY)
		return (uint8_t)value;
	return (uint8_t)(value / 10 % 10 << 4 | value % 10);
}

static int decode(const struct vmm_rtc *rtc, uint8_t byte)
{
	return rtc->bytes[REG_B] & B_BINARY ? byte : (byte >> 4) * 10 + (byte & 15);
}

static uint8_t encode_hour(const struct vmm_rtc *rtc, int hour)
{
	if (rtc->bytes[REG_B] & B_24_HOURS)
		return encode(rtc, hour);
	return encode(rtc, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOUR_PM : 0);
}

static int decode_hour(const struct vmm_rtc *rtc, uint8_t byte)
{
	if (rtc->bytes[REG_B] & B_24_HOURS)
		return decode(rtc, byte);
	return decode(rtc, byte & (uint8_t)~HOUR_PM) % 12 + (byte & HOUR_PM ? 12 : 0);
}

/* Fill the registers of the time. */
static void store_time(struct vmm_rtc *rtc, int64_t seconds)
{
	time_t time = (time_t)seconds;
	struct tm tm = { 0 };
	int year;

	gmtime_r(&time, &tm);
	/* A month 0 of the year 0 lies before it. */
	year = tm.tm_year > -1900 ? tm.tm_year + 1900 : 0;
	rtc->bytes[REG_SECONDS] = encode(rtc, tm.tm_sec);
	rtc->bytes[REG_MINUTES] = encode(rtc, tm.tm_min);
	rtc->bytes[REG_HOURS] = encode_hour(rtc, tm.tm_hour);
	rtc->bytes[REG_WEEKDAY] = encode(rtc, tm.tm_wday + 1);
	rtc->bytes[REG_DAY] = encode(rtc, tm.tm_mday);
	rtc->bytes[REG_MONTH] = encode(rtc, tm.tm_mon + 1);
	rtc->bytes[REG_YEAR] = encode(rtc, year % 100);
	rtc->bytes[VMM_RTC_CENTURY] = encode(rtc, year / 100);
}

/* What no calendar has, as a 31st of June, becomes the day that it leads to. */
static int64_t load_time(const struct vmm_rtc *rtc)
{
	struct tm tm = {
		.tm_sec = decode(rtc, rtc->bytes[REG_SECONDS]),
		.tm_min = decode(rtc, rtc->bytes[REG_MINUTES]),
		.tm_hour = decode_hour(rtc, rtc->bytes[REG_HOURS]),
		.tm_mday = decode(rtc, rtc->bytes[REG_DAY]),
		.tm_mon = decode(rtc, rtc->bytes[REG_MONTH]) - 1,
		.tm_year = decode(rtc, rtc->bytes[VMM_RTC_CENTURY]) * 100 +
			   decode(rtc, rtc->bytes[REG_YEAR]) - 1900,
	};

	return timegm(&tm);
}

/* --- the divider ------------------------------------------------------------------------------------ */

static bool divider_is_held(const struct vmm_rtc *rtc)
{
	return (rtc->bytes[REG_A] & A_DIVIDER) == A_DIVIDER;
}

static bool stands_still(const struct vmm_rtc *rtc)
{
	return divider_is_held(rtc) || (rtc->bytes[REG_B] & B_STOP);
}

static uint64_t divider_now(const struct vmm_rtc *rtc)
{
	return rtc->ops->now_ns(rtc->ctx) + rtc->phase_ns;
}

static int64_t time_at(const struct vmm_rtc *rtc, uint64_t divider_ns)
{
	return (int64_t)(divider_ns / NS_PER_S) + rtc->offset_s;
}

/* Move divider and time to where the registers say, `fraction_ns` after a full second. */
static void set_time(struct vmm_rtc *rtc, uint64_t fraction_ns)
{
	uint64_t now_ns = rtc->ops->now_ns(rtc->ctx);

	rtc->phase_ns = (fraction_ns + NS_PER_S - now_ns % NS_PER_S) % NS_PER_S;
	rtc->seen_ns = now_ns + rtc->phase_ns;
	rtc->offset_s = load_time(rtc) - (int64_t)(rtc->seen_ns / NS_PER_S);
}

/* Of the periodic interrupt; 0: off. Always a power of two, so that a second is a whole number of periods. */
static unsigned rate_hz(const struct vmm_rtc *rtc)
{
	unsigned rate = rtc->bytes[REG_A] & A_RATE;

	if (!rate || divider_is_held(rtc))
		return 0;
	/* The two slowest of another crystal's rates stand in for the two that this one does not have. */
	return RATE_MAX_HZ >> (rate <= 2 ? rate + 6 : rate - 1);
}

static uint64_t periods(uint64_t divider_ns, unsigned hz)
{
	return divider_ns / NS_PER_S * hz + divider_ns % NS_PER_S * hz / NS_PER_S;
}

/* --- alarm and interrupts ----------------------------------------------------------------------------- */

static bool alarm_fits(const struct vmm_rtc *rtc, unsigned reg, int value)
{
	uint8_t byte = rtc->bytes[reg];

	if ((byte & ALARM_ANY) == ALARM_ANY)
		return true;
	return value == (reg == REG_HOURS_ALARM ? decode_hour(rtc, byte) : decode(rtc, byte));
}

/* The first second after `time` at which the alarm goes off. */
static int64_t next_alarm(const struct vmm_rtc *rtc, int64_t time)
{
	const int64_t last = time + SECONDS_A_DAY;

	for (int64_t at = time + 1; at <= last;) {
		int second = (int)(((at % SECONDS_A_DAY) + SECONDS_A_DAY) % SECONDS_A_DAY);

		if (!alarm_fits(rtc, REG_HOURS_ALARM, second / 3600))
			at += 3600 - second % 3600;
		else if (!alarm_fits(rtc, REG_MINUTES_ALARM, second / 60 % 60))
			at += 60 - second % 60;
		else if (!alarm_fits(rtc, REG_SECONDS_ALARM, second % 60))
			at++;
		else
			return at;
	}
	return NEVER;
}

static void update_irq(struct vmm_rtc *rtc)
{
	int level = (rtc->bytes[REG_B] & rtc->bytes[REG_C] & B_INTERRUPTS) != 0;

	if (level != rtc->level) {
		rtc->level = level;
		rtc->ops->set_irq(rtc->ctx, level);
	}
}

/* Note in register C what happened since the last time. */
static void catch_up(struct vmm_rtc *rtc)
{
	uint64_t now_ns = divider_now(rtc), seen_ns = rtc->seen_ns;
	unsigned hz = rate_hz(rtc);

	rtc->seen_ns = now_ns;
	/* The host's clock may have been set back: then nothing happened. */
	if (now_ns <= seen_ns)
		return;
	if (!stands_still(rtc) && now_ns / NS_PER_S != seen_ns / NS_PER_S) {
		rtc->bytes[REG_C] |= C_UPDATED;
		if (next_alarm(rtc, time_at(rtc, seen_ns)) <= time_at(rtc, now_ns))
			rtc->bytes[REG_C] |= C_ALARM;
	}
	if (hz && periods(now_ns, hz) != periods(seen_ns, hz))
		rtc->bytes[REG_C] |= C_PERIODIC;
	update_irq(rtc);
}

static uint64_t until(const struct vmm_rtc *rtc, int64_t time)
{
	uint64_t now_ns = rtc->seen_ns;

	return (uint64_t)(time - time_at(rtc, now_ns)) * NS_PER_S - now_ns % NS_PER_S;
}

static uint64_t until_next_period(const struct vmm_rtc *rtc, unsigned hz)
{
	uint64_t fraction_ns = rtc->seen_ns % NS_PER_S, number = fraction_ns * hz / NS_PER_S + 1;

	return (number * NS_PER_S + hz - 1) / hz - fraction_ns;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return !a || b < a ? b : a;
}

/* After catch_up(). */
static uint64_t next_interrupt(const struct vmm_rtc *rtc)
{
	unsigned enabled = rtc->bytes[REG_B], hz = rate_hz(rtc);
	int64_t time = time_at(rtc, rtc->seen_ns), alarm;
	uint64_t next_ns = 0;

	/* The line stays up until the guest reads register C: nothing can be added before. */
	if (rtc->level)
		return 0;
	if ((enabled & C_UPDATED) && !stands_still(rtc))
		next_ns = until(rtc, time + 1);
	if ((enabled & C_ALARM) && !stands_still(rtc)) {
		alarm = next_alarm(rtc, time);
		if (alarm != NEVER)
			next_ns = sooner(next_ns, until(rtc, alarm));
	}
	if ((enabled & C_PERIODIC) && hz)
		next_ns = sooner(next_ns, until_next_period(rtc, hz));
	return next_ns;
}

uint64_t vmm_rtc_run(struct vmm_rtc *rtc)
{
	uint64_t next_ns;

	pthread_mutex_lock(&rtc->lock);
	catch_up(rtc);
	next_ns = next_interrupt(rtc);
	pthread_mutex_unlock(&rtc->lock);
	return next_ns;
}

/* --- registers ---------------------------------------------------------------------------------------- */

static bool is_time(unsigned index)
{
	return index == REG_SECONDS || index == REG_MINUTES || index == REG_HOURS ||
	       (index >= REG_WEEKDAY && index <= REG_YEAR) || index == VMM_RTC_CENTURY;
}

static bool is_alarm(unsigned index)
{
	return index == REG_SECONDS_ALARM || index == REG_MINUTES_ALARM || index == REG_HOURS_ALARM;
}

static uint8_t read_register(struct vmm_rtc *rtc, unsigned index)
{
	uint8_t value;

	if (is_time(index) && !stands_still(rtc))
		store_time(rtc, time_at(rtc, divider_now(rtc)));
	value = rtc->bytes[index];
	switch (index) {
	case REG_A:
		if (!stands_still(rtc) && divider_now(rtc) % NS_PER_S >= NS_PER_S - UPDATE_NS)
			value |= A_UPDATING;
		break;
	case REG_C:
		catch_up(rtc);
		value = rtc->bytes[REG_C] | (rtc->level ? C_INTERRUPT : 0);
		rtc->bytes[REG_C] = 0;
		update_irq(rtc);
		if (value & C_INTERRUPT)
			rtc->ops->changed(rtc->ctx);
		break;
	case REG_D:
		value = D_VALID;
		break;
	}
	return value;
}

/* Registers A and B: they hold and release the time. */
static void write_control(struct vmm_rtc *rtc, unsigned index, uint8_t value)
{
	bool was_held = divider_is_held(rtc), was_still = stands_still(rtc);
	/* The first second after a held divider is half as long. */
	uint64_t fraction_ns = was_held ? NS_PER_S / 2 : divider_now(rtc) % NS_PER_S;

	catch_up(rtc);
	if (!was_still)
		store_time(rtc, time_at(rtc, rtc->seen_ns));
	rtc->bytes[index] = index == REG_A ? value & (uint8_t)~A_UPDATING : value;
	if (was_still && !divider_is_held(rtc))
		set_time(rtc, fraction_ns);
	update_irq(rtc);
	rtc->ops->changed(rtc->ctx);
}

static void write_time(struct vmm_rtc *rtc, unsigned index, uint8_t value)
{
	uint64_t now_ns;

	if (stands_still(rtc)) {
		rtc->bytes[index] = value;
		return;
	}
	catch_up(rtc);
	now_ns = rtc->seen_ns;
	store_time(rtc, time_at(rtc, now_ns));
	rtc->bytes[index] = value;
	set_time(rtc, now_ns % NS_PER_S);
	rtc->ops->changed(rtc->ctx);
}

static void write_register(struct vmm_rtc *rtc, unsigned index, uint8_t value)
{
	if (is_time(index)) {
		write_time(rtc, index, value);
	} else if (index == REG_A || index == REG_B) {
		write_control(rtc, index, value);
	} else if (is_alarm(index)) {
		catch_up(rtc);
		rtc->bytes[index] = value;
		rtc->ops->changed(rtc->ctx);
	} else if (index != REG_C && index != REG_D) {
		rtc->bytes[index] = value;
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
		rtc->index = value & ~INDEX_NO_NMI & (REGS - 1);
	else
		write_register(rtc, rtc->index, (uint8_t)value);
	pthread_mutex_unlock(&rtc->lock);
}

/* --- life --------------------------------------------------------------------------------------------- */

int vmm_rtc_create(const struct vmm_rtc_ops *ops, void *ctx, struct vmm_rtc **out)
{
	struct vmm_rtc *rtc = calloc(1, sizeof(*rtc));

	if (!rtc)
		return -ENOMEM;
	rtc->ops = ops;
	rtc->ctx = ctx;
	pthread_mutex_init(&rtc->lock, NULL);
	rtc->bytes[REG_A] = A_START;
	rtc->bytes[REG_B] = B_24_HOURS;
	rtc->seen_ns = divider_now(rtc);
	*out = rtc;
	return 0;
}

void vmm_rtc_destroy(struct vmm_rtc *rtc)
{
	if (!rtc)
		return;
	pthread_mutex_destroy(&rtc->lock);
	free(rtc);
}

void vmm_rtc_reset(struct vmm_rtc *rtc)
{
	pthread_mutex_lock(&rtc->lock);
	rtc->index = 0;
	write_control(rtc, REG_A, A_START);
	write_control(rtc, REG_B, B_24_HOURS);
	rtc->bytes[REG_C] = 0;
	pthread_mutex_unlock(&rtc->lock);
}
