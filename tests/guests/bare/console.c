/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "bare.h"
#include "cpu.h"

#define COM1		 0x3f8
#define COM_LINE	 5
#define LINE_RECEIVED	 0x01
#define LINE_ROOM	 0x20
#define FIFO_BYTES	 16
#define FIFO_ENABLE_PORT 2

static bool locked;
static unsigned tests, failed;

static void lock(void)
{
	while (__atomic_exchange_n(&locked, true, __ATOMIC_ACQUIRE))
		cpu_pause();
}

static void unlock(void)
{
	__atomic_store_n(&locked, false, __ATOMIC_RELEASE);
}

/* Each access to a port is an exit: the line's state is only asked for once per FIFO. */
static void put(char c)
{
	static unsigned room;

	if (!room) {
		cpu_out8(COM1 + FIFO_ENABLE_PORT, 1);
		while (!(cpu_in8(COM1 + COM_LINE) & LINE_ROOM))
			cpu_pause();
		room = FIFO_BYTES;
	}
	room--;
	cpu_out8(COM1, (uint8_t)c);
}

static void put_text(const char *text)
{
	while (*text)
		put(*text++);
}

static void put_number(uint64_t value, unsigned base)
{
	char digits[20];
	unsigned count = 0;

	do
		digits[count++] = "0123456789abcdef"[value % base];
	while (value /= base);
	while (count)
		put(digits[--count]);
}

static void put_signed(int64_t value)
{
	if (value < 0)
		put('-');
	put_number(value < 0 ? -(uint64_t)value : (uint64_t)value, 10);
}

static void put_format(const char *format, va_list args)
{
	for (; *format; format++) {
		bool wide = format[0] == '%' && format[1] == 'l';

		if (*format != '%') {
			put(*format);
			continue;
		}
		format += 1 + wide;
		switch (*format) {
		case 's':
			put_text(va_arg(args, const char *));
			break;
		case 'c':
			put((char)va_arg(args, int));
			break;
		case 'd':
			put_signed(wide ? va_arg(args, int64_t) : va_arg(args, int));
			break;
		case 'u':
		case 'x':
			put_number(wide ? va_arg(args, uint64_t) : va_arg(args, unsigned),
				   *format == 'u' ? 10 : 16);
			break;
		default:
			put(*format);
		}
	}
}

void con_vprintf(const char *format, va_list args)
{
	lock();
	put_format(format, args);
	unlock();
}

void con_printf(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	con_vprintf(format, args);
	va_end(args);
}

void con_wait_line(void)
{
	for (;;) {
		while (!(cpu_in8(COM1 + COM_LINE) & LINE_RECEIVED))
			time_wait(TICKS_PER_MS);
		if (cpu_in8(COM1) == '\n')
			return;
	}
}

/* --- TAP ------------------------------------------------------------------------------------------ */

/* The line up to what comes behind the title; with the lock held. */
static void begin(bool good, const char *format, va_list args)
{
	put_text(good ? "ok " : "not ok ");
	put_number(++tests, 10);
	put_text(" - ");
	put_format(format, args);
}

bool tap_ok(bool good, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	lock();
	begin(good, format, args);
	put('\n');
	failed += !good;
	unlock();
	va_end(args);
	return good;
}

bool tap_eq(uint64_t seen, uint64_t expected, const char *format, ...)
{
	bool good = seen == expected;
	va_list args;

	va_start(args, format);
	lock();
	begin(good, format, args);
	put('\n');
	failed += !good;
	unlock();
	va_end(args);
	if (!good)
		con_printf("# seen 0x%lx, expected 0x%lx\n", seen, expected);
	return good;
}

void tap_known(bool good, const char *reason, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	lock();
	begin(good, format, args);
	put_text(" # TODO KVM: ");
	put_text(reason);
	put('\n');
	unlock();
	va_end(args);
}

void tap_end(void)
{
	con_printf("1..%u\n# %u failed\n", tests, failed);
}
