/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "raw.h"

static unsigned tests, failed;

/* `reason`: why a failure is known, or NULL. Results are the boot processor's; others only complain. */
static void result(bool good, const char *reason, const char *format, va_list args)
{
	bm_printf("%s %u - ", good ? "ok" : "not ok", ++tests);
	bm_vprintf(format, args);
	if (reason)
		bm_printf(" # TODO KVM: %s", reason);
	else
		failed += !good;
	bm_printf("\n");
}

bool tap_ok(bool good, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	result(good, NULL, format, args);
	va_end(args);
	return good;
}

bool tap_eq(uint64_t seen, uint64_t expected, const char *format, ...)
{
	bool good = seen == expected;
	va_list args;

	va_start(args, format);
	result(good, NULL, format, args);
	va_end(args);
	if (!good)
		bm_printf("# seen 0x%lx, expected 0x%lx\n", seen, expected);
	return good;
}

void tap_known(bool good, const char *reason, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	result(good, reason, format, args);
	va_end(args);
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
