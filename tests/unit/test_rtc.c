/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "tap.h"
#include "vmm/rtc.h"

#define MS 1000000ull
#define S  1000000000ull

/* 2024-02-28 23:59:50 UTC, a Wednesday. */
#define START 1709164790ull

enum { SECONDS, MINUTES = 2, HOURS = 4, WEEKDAY = 6, DAY, MONTH, YEAR, A, B, C, D, CENTURY = 0x32 };
enum { SECONDS_ALARM = 1, MINUTES_ALARM = 3, HOURS_ALARM = 5 };
enum { STOP = 0x80, PERIODIC = 0x40, ALARM = 0x20, UPDATED = 0x10, BINARY = 4, H24 = 2 };

static struct vmm_rtc *rtc;
static uint64_t host_ns;
static int irq;
static unsigned raised, changes;

static uint64_t now(void *ctx)
{
	(void)ctx;
	return host_ns;
}

static void set_irq(void *ctx, int level)
{
	(void)ctx;
	TAP_CHECK(irq != level);
	irq = level;
	raised += level != 0;
}

static void changed(void *ctx)
{
	(void)ctx;
	changes++;
}

static const struct vmm_rtc_ops ops = { now, set_irq, changed };

static bool set_up(void)
{
	host_ns = START * S;
	irq = 0;
	raised = changes = 0;
	return vmm_rtc_create(&ops, NULL, &rtc) == 0;
}

static unsigned get(unsigned reg)
{
	vmm_rtc_write(rtc, 0, 1, reg);
	return vmm_rtc_read(rtc, 1, 1);
}

static void put(unsigned reg, unsigned value)
{
	vmm_rtc_write(rtc, 0, 1, reg);
	vmm_rtc_write(rtc, 1, 1, value);
}

/* "2024-02-28 23:59:50 4", with the digits as they stand in the registers; checks are made on it. */
static const char *shown(void)
{
	static char text[64];

	snprintf(text, sizeof(text), "%02x%02x-%02x-%02x %02x:%02x:%02x %u", get(CENTURY),
		 get(YEAR), get(MONTH), get(DAY), get(HOURS), get(MINUTES), get(SECONDS),
		 get(WEEKDAY));
	return text;
}

/* As Linux does it: stop, hold the divider, write, go on. */
static void set_clock(unsigned century, unsigned year, unsigned month, unsigned day, unsigned hour,
		      unsigned minute, unsigned second)
{
	unsigned b = get(B), a = get(A);

	put(B, b | STOP);
	put(A, a | 0x70);
	put(YEAR, year);
	put(MONTH, month);
	put(DAY, day);
	put(HOURS, hour);
	put(MINUTES, minute);
	put(SECONDS, second);
	put(CENTURY, century);
	put(B, b);
	put(A, a);
}

static void wait(uint64_t ns)
{
	host_ns += ns;
}

/* Lets the clock run for so long as its owner does; the interrupts that the guest took meanwhile. */
static unsigned run(uint64_t ns)
{
	uint64_t end = host_ns + ns;
	unsigned before = raised;

	while (host_ns < end) {
		uint64_t next = vmm_rtc_run(rtc);

		if (irq) {
			TAP_CHECK(get(C) & 0x80);
			TAP_EQ(irq, 0);
			continue;
		}
		host_ns = next && host_ns + next < end ? host_ns + next : end;
	}
	vmm_rtc_run(rtc);
	return raised - before;
}

TAP_TEST(time_is_the_hosts_in_utc)
{
	TAP_REQUIRE(set_up());
	TAP_STR_EQ(shown(), "2024-02-28 23:59:50 4");
	wait(10 * S);
	TAP_STR_EQ(shown(), "2024-02-29 00:00:00 5");
	wait(86400 * S);
	TAP_STR_EQ(shown(), "2024-03-01 00:00:00 6");
	TAP_EQ(get(D), 0x80);
	TAP_EQ(get(A), 0x26);
	TAP_EQ(get(B), H24);
	vmm_rtc_destroy(rtc);
}

TAP_TEST(update_is_announced_before_the_second_ends)
{
	TAP_REQUIRE(set_up());
	wait(S - 3 * MS);
	TAP_EQ(get(A) & 0x80, 0);
	wait(MS);
	TAP_EQ(get(A) & 0x80, 0x80);
	wait(2 * MS);
	TAP_EQ(get(A) & 0x80, 0);
	TAP_EQ(get(SECONDS), 0x51);
	vmm_rtc_destroy(rtc);
}

TAP_TEST(digits_are_binary_or_decimal_hours_of_12_or_24)
{
	TAP_REQUIRE(set_up());
	put(B, H24 | BINARY);
	TAP_EQ(get(SECONDS), 50);
	TAP_EQ(get(YEAR), 24);
	TAP_EQ(get(CENTURY), 20);
	put(B, 0);
	TAP_EQ(get(HOURS), 0x91);
	wait(10 * S);
	TAP_EQ(get(HOURS), 0x12);
	wait(12 * 3600 * S);
	TAP_EQ(get(HOURS), 0x92);
	put(B, BINARY);
	wait(3600 * S);
	TAP_EQ(get(HOURS), 0x81);
	vmm_rtc_destroy(rtc);
}

TAP_TEST(guest_sets_the_time_and_it_stays_set)
{
	TAP_REQUIRE(set_up());
	wait(700 * MS);
	set_clock(0x19, 0x99, 0x12, 0x31, 0x23, 0x59, 0x58);
	TAP_STR_EQ(shown(), "1999-12-31 23:59:58 6");
	/* The first second after the divider was held has half a second. */
	wait(499 * MS);
	TAP_EQ(get(SECONDS), 0x58);
	wait(MS);
	TAP_EQ(get(SECONDS), 0x59);
	wait(S);
	TAP_STR_EQ(shown(), "2000-01-01 00:00:00 7");
	vmm_rtc_reset(rtc);
	wait(S);
	TAP_STR_EQ(shown(), "2000-01-01 00:00:01 7");
	/* Far off, where nanoseconds since 1970 would not fit any more. */
	set_clock(0x99, 0x99, 0x12, 0x31, 0x23, 0x59, 0x59);
	TAP_STR_EQ(shown(), "9999-12-31 23:59:59 6");
	set_clock(0x00, 0x01, 0x01, 0x01, 0x00, 0x00, 0x00);
	TAP_STR_EQ(shown(), "0001-01-01 00:00:00 2");
	vmm_rtc_destroy(rtc);
}

TAP_TEST(time_stands_still_while_the_guest_sets_it)
{
	TAP_REQUIRE(set_up());
	wait(300 * MS);
	put(B, STOP | H24);
	wait(10 * S);
	TAP_STR_EQ(shown(), "2024-02-28 23:59:50 4");
	put(MINUTES, 0x30);
	put(B, H24);
	TAP_STR_EQ(shown(), "2024-02-28 23:30:50 4");
	/* Stopped alone, the divider ran on. */
	wait(699 * MS);
	TAP_EQ(get(SECONDS), 0x50);
	wait(MS);
	TAP_EQ(get(SECONDS), 0x51);
	/* One register, while it runs. */
	put(HOURS, 0x07);
	TAP_STR_EQ(shown(), "2024-02-28 07:30:51 4");
	vmm_rtc_destroy(rtc);
}

TAP_TEST(nonsense_in_the_registers_becomes_some_date)
{
	TAP_REQUIRE(set_up());
	for (unsigned round = 0; round < 100000; round++) {
		put((unsigned)(tap_random() % 128), (unsigned)(tap_random() & 0xff));
		host_ns += tap_random() % (2 * S);
		vmm_rtc_run(rtc);
		get((unsigned)(tap_random() % 128));
		if (round % 64 == 0)
			host_ns = START * S;
	}
	put(A, 0x26);
	put(B, H24);
	set_clock(0x20, 0x26, 0x02, 0x31, 0x12, 0x00, 0x00);
	TAP_STR_EQ(shown(), "2026-03-03 12:00:00 3");
	vmm_rtc_destroy(rtc);
}

TAP_TEST(update_interrupt_comes_every_second)
{
	TAP_REQUIRE(set_up());
	wait(250 * MS);
	TAP_EQ(vmm_rtc_run(rtc), 0);
	changes = 0;
	put(B, H24 | UPDATED);
	TAP_CHECK(changes > 0);
	TAP_EQ(vmm_rtc_run(rtc), 750 * MS);
	wait(750 * MS);
	TAP_EQ(vmm_rtc_run(rtc), 0);
	TAP_EQ(irq, 1);
	wait(5 * S);
	TAP_EQ(vmm_rtc_run(rtc), 0);
	TAP_EQ(raised, 1);
	changes = 0;
	/* The periodic interrupt is noted too, enabled or not. */
	TAP_EQ(get(C), 0x80 | PERIODIC | UPDATED);
	TAP_CHECK(changes > 0);
	TAP_EQ(irq, 0);
	TAP_EQ(get(C), 0);
	TAP_EQ(run(10 * S), 10);
	/* Not enabled it is noted all the same. */
	put(B, H24);
	wait(2 * S);
	TAP_EQ(get(C), PERIODIC | UPDATED);
	vmm_rtc_destroy(rtc);
}

TAP_TEST(alarm_goes_off_when_all_that_it_names_fits)
{
	TAP_REQUIRE(set_up());
	put(SECONDS_ALARM, 0x05);
	put(MINUTES_ALARM, 0x00);
	put(HOURS_ALARM, 0x00);
	put(B, H24 | ALARM);
	TAP_EQ(vmm_rtc_run(rtc), 15 * S);
	wait(14 * S);
	TAP_EQ(vmm_rtc_run(rtc), S);
	wait(S);
	vmm_rtc_run(rtc);
	TAP_EQ(irq, 1);
	TAP_EQ(get(C), 0x80 | PERIODIC | ALARM | UPDATED);
	TAP_EQ(vmm_rtc_run(rtc), 86400 * S);
	/* Any hour; any minute; any second. */
	put(HOURS_ALARM, 0xff);
	TAP_EQ(vmm_rtc_run(rtc), 3600 * S);
	put(MINUTES_ALARM, 0xc0);
	TAP_EQ(vmm_rtc_run(rtc), 60 * S);
	put(SECONDS_ALARM, 0xff);
	TAP_EQ(vmm_rtc_run(rtc), S);
	TAP_EQ(run(5 * S), 5);
	/* No such time. */
	put(HOURS_ALARM, 0x25);
	get(C);
	TAP_EQ(vmm_rtc_run(rtc), 0);
	TAP_EQ(run(86400 * S), 0);
	/* 3 o'clock in the afternoon. */
	put(HOURS_ALARM, 0x83);
	put(MINUTES_ALARM, 0);
	put(SECONDS_ALARM, 0);
	put(B, ALARM);
	TAP_EQ(vmm_rtc_run(rtc), (15 * 3600 - 10) * S);
	vmm_rtc_destroy(rtc);
}

TAP_TEST(alarm_follows_the_time_that_the_guest_sets)
{
	TAP_REQUIRE(set_up());
	put(SECONDS_ALARM, 0x00);
	put(MINUTES_ALARM, 0x00);
	put(HOURS_ALARM, 0x12);
	put(B, H24 | ALARM);
	set_clock(0x20, 0x25, 0x06, 0x01, 0x11, 0x59, 0x00);
	TAP_EQ(vmm_rtc_run(rtc), 59 * S + 500 * MS);
	TAP_EQ(run(61 * S), 1);
	TAP_STR_EQ(shown(), "2025-06-01 12:00:01 1");
	vmm_rtc_destroy(rtc);
}

TAP_TEST(periodic_interrupt_has_the_chips_rates)
{
	static const unsigned hz[] = { 0,   256, 128, 8192, 4096, 2048, 1024, 512,
				       256, 128, 64,  32,   16,	  8,	4,    2 };

	TAP_REQUIRE(set_up());
	put(B, H24 | PERIODIC);
	for (unsigned rate = 0; rate < 16; rate++) {
		put(A, 0x20 | rate);
		get(C);
		TAP_EQ(run(S), hz[rate]);
	}
	/* Held, the divider makes no periods. */
	put(A, 0x66);
	get(C);
	TAP_EQ(run(S), 0);
	vmm_rtc_destroy(rtc);
}

TAP_TEST(clock_of_the_host_that_goes_back_makes_no_events)
{
	TAP_REQUIRE(set_up());
	put(B, H24 | UPDATED);
	host_ns -= 3600 * S;
	TAP_EQ(vmm_rtc_run(rtc), S);
	TAP_EQ(irq, 0);
	TAP_STR_EQ(shown(), "2024-02-28 22:59:50 4");
	TAP_EQ(run(3 * S), 3);
	vmm_rtc_destroy(rtc);
}

TAP_TEST(restart_of_the_guest_ends_interrupts_and_odd_formats)
{
	TAP_REQUIRE(set_up());
	put(B, BINARY | UPDATED | STOP);
	put(0x40, 0x5a);
	vmm_rtc_reset(rtc);
	TAP_EQ(get(B), H24);
	TAP_EQ(get(C), 0);
	TAP_EQ(vmm_rtc_run(rtc), 0);
	put(B, H24 | UPDATED);
	wait(S);
	vmm_rtc_run(rtc);
	TAP_EQ(irq, 1);
	vmm_rtc_reset(rtc);
	TAP_EQ(irq, 0);
	TAP_EQ(get(0x40), 0x5a);
	vmm_rtc_destroy(rtc);
}

TAP_TEST(registers_that_are_read_only_stay)
{
	TAP_REQUIRE(set_up());
	put(C, 0xff);
	put(D, 0);
	put(A, 0xa6);
	TAP_EQ(get(C), 0);
	TAP_EQ(get(D), 0x80);
	TAP_EQ(get(A), 0x26);
	TAP_EQ(vmm_rtc_read(rtc, 0, 1), 0xff);
	/* The index' highest bit masks the NMI of old PCs. */
	vmm_rtc_write(rtc, 0, 1, 0x80 | B);
	TAP_EQ(vmm_rtc_read(rtc, 1, 1), H24);
	vmm_rtc_destroy(rtc);
}

TAP_MAIN()
