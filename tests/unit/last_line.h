/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * In place of the monitor's log: what it was told last.
 */
#ifndef TESTS_UNIT_LAST_LINE_H
#define TESTS_UNIT_LAST_LINE_H

#include "tap.h"
#include "vmm/log.h"

static char last_line[512];

void vmm_log(enum hvh_log_level level, const char *format, ...)
{
	va_list args;

	(void)level;
	va_start(args, format);
	vsnprintf(last_line, sizeof(last_line), format, args);
	va_end(args);
}

TAP_UNUSED static bool said(const char *text)
{
	return TAP_CHECK(strstr(last_line, text) != NULL) ||
	       (printf("# said: %s\n", last_line), false);
}

#endif
