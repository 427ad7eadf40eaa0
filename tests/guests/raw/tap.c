/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "raw.h"

static unsigned tests, failed;

/* The line, without what comes behind the title. Results are the boot processor's; others only complain. */
static void print(bool good, const char *format, va_list args)
{
	bm_printf("%s %u - ", good ? "ok" : "not ok", ++tests);
	bm_vprintf(format, args);
}

bool tap_ok(bool good, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print(good, format, args);
	va_end(args);
	bm_printf("\n");
	failed += !good;
	return good;
}

bool tap_eq(uint64_t seen, uint64_t expected, const char *format, ...)
{
	bool good = seen == expected;
	va_list args;

	va_start(args, format);
	print(good, format, args);
	va_end(args);
	bm_printf("\n");
	failed += !good;
	if (!good)
		bm_printf("# seen 0x%lx, expected 0x%lx\n", seen, expected);
	return good;
}

void tap_known(bool good, const char *reason, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print(good, format, args);
	va_end(args);
	bm_printf(" # TODO KVM: %s\n", reason);
}

void tap_end(void)
{
	bm_printf("1..%u\n# %u failed\n", tests, failed);
}

void tap_bail_out(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	bm_printf("\nBail out! processor %u: ", bm_cpu_current());
	bm_vprintf(format, args);
	bm_printf("\n");
	va_end(args);
	bm_power_off();
}
