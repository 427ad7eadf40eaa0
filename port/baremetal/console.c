/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The serial port COM1, and enough of printf for it.
 */
#include "bm.h"

#define COM1	    0x3f8
#define LINE_STATUS (COM1 + 5)
#define ROOM	    0x20

static struct hvos_lock console_lock;

static void put(char c)
{
	if (c == '\n')
		put('\r');
	while (!(bm_in8(LINE_STATUS) & ROOM))
		;
	bm_out8(COM1, (uint8_t)c);
}

static void put_padded(const char *text, size_t len, int width, char pad, bool left)
{
	int fill = width - (int)len;

	while (!left && fill-- > 0)
		put(pad);
	while (len--)
		put(*text++);
	while (left && fill-- > 0)
		put(' ');
}

static void put_number(uint64_t value, bool negative, unsigned base, int width, char pad, bool left)
{
	char digits[24];
	size_t at = sizeof(digits);

	do
		digits[--at] = "0123456789abcdef"[value % base];
	while (value /= base);
	if (negative)
		digits[--at] = '-';
	put_padded(digits + at, sizeof(digits) - at, width, pad, left);
}

/* One conversion: flags "-" and "0", width, "l" and "z" in any number, d u x s c. Returns what follows it. */
static const char *convert(const char *format, va_list *args)
{
	bool left = false, wide = false;
	char pad = ' ';
	int width = 0;
	const char *text;
	int64_t number;
	size_t len;

	for (; *format == '-' || *format == '0'; format++) {
		left |= *format == '-';
		pad = *format == '0' ? '0' : pad;
	}
	for (; *format >= '0' && *format <= '9'; format++)
		width = width * 10 + *format - '0';
	for (; *format == 'l' || *format == 'z'; format++)
		wide = true;
	switch (*format) {
	case 'd':
		number = wide ? va_arg(*args, int64_t) : va_arg(*args, int);
		put_number(number < 0 ? 0 - (uint64_t)number : (uint64_t)number, number < 0, 10,
			   width, pad, left);
		break;
	case 'u':
	case 'x':
		put_number(wide ? va_arg(*args, uint64_t) : va_arg(*args, unsigned), false,
			   *format == 'x' ? 16 : 10, width, pad, left);
		break;
	case 's':
		text = va_arg(*args, const char *);
		for (len = 0; text[len]; len++)
			;
		put_padded(text, len, width, ' ', left);
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
