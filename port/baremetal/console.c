/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The serial port COM1, and enough of printf for it.
 */
#include "bm.h"

#define COM1	     0x3f8
#define FIFO_CONTROL (COM1 + 2)
#define FIFO_BYTES   16
#define LINE_STATUS  (COM1 + 5)
#define EMPTY	     0x20

static struct hvos_lock console_lock;

/* Each access to a port leaves the guest: the line is asked once for each FIFO full. */
static void put(char c)
{
	static unsigned room;

	if (c == '\n')
		put('\r');
	if (!room) {
		bm_out8(FIFO_CONTROL, 1);
		while (!(bm_in8(LINE_STATUS) & EMPTY))
			;
		room = FIFO_BYTES;
	}
	room--;
	bm_out8(COM1, (uint8_t)c);
}

static void put_number(uint64_t value, unsigned base)
{
	char digits[20];
	size_t at = sizeof(digits);

	do
		digits[--at] = "0123456789abcdef"[value % base];
	while (value /= base);
	while (at < sizeof(digits))
		put(digits[at++]);
}

/* One conversion: "l" and "z" in any number, d u x s c; a width is passed over. Returns what follows it. */
static const char *convert(const char *format, va_list *args)
{
	bool wide = false;
	const char *text;
	int64_t number;

	while (*format == '-' || (*format >= '0' && *format <= '9'))
		format++;
	for (; *format == 'l' || *format == 'z'; format++)
		wide = true;
	switch (*format) {
	case 'd':
		number = wide ? va_arg(*args, int64_t) : va_arg(*args, int);
		if (number < 0)
			put('-');
		put_number(number < 0 ? 0 - (uint64_t)number : (uint64_t)number, 10);
		break;
	case 'u':
	case 'x':
		put_number(wide ? va_arg(*args, uint64_t) : va_arg(*args, unsigned),
			   *format == 'x' ? 16 : 10);
		break;
	case 's':
		for (text = va_arg(*args, const char *); *text; text++)
			put(*text);
		break;
	case 'c':
		put((char)va_arg(*args, int));
		break;
	default:
		put('%');
		return format;
	}
	return format + 1;
}

void bm_vprintf(const char *format, va_list args)
{
	va_list copy;

	va_copy(copy, args);
	hvos_lock(&console_lock);
	while (*format) {
		char c = *format++;

		if (c == '%')
			format = convert(format, &copy);
		else
			put(c);
	}
	hvos_unlock(&console_lock);
	va_end(copy);
}

void bm_printf(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	bm_vprintf(format, args);
	va_end(args);
}

void hvos_log(enum hvos_level level, const char *format, ...)
{
	static const char *const names[] = { "error: ", "warning: ", "", "debug: " };
	va_list args;

	bm_printf("%s", names[level]);
	va_start(args, format);
	bm_vprintf(format, args);
	va_end(args);
	bm_printf("\n");
}
