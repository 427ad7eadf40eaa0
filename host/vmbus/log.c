/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Words for people. What guests can repeat is limited, and the rest only counted.
 */
#include <stdio.h>

#include "server_priv.h"

/* At most one line too many per window when threads meet: that is what it costs to do without a lock. */
static bool log_allowed(struct hvh_server *server, struct log_limit *limit)
{
	uint64_t now = server->ops->now_ns(server->ctx);
	uint64_t began = atomic_load(&limit->window_ns);

	if (now - began > LOG_WINDOW_NS &&
	    atomic_compare_exchange_strong(&limit->window_ns, &began, now))
		atomic_store(&limit->lines, 0);
	/* Not counted further: the number must not wrap. */
	return atomic_load(&limit->lines) < LOG_WINDOW_MAX &&
	       atomic_fetch_add(&limit->lines, 1) < LOG_WINDOW_MAX;
}

static void log_line(struct hvh_server *server, struct log_limit *limit, enum hvh_log_level level,
		     const char *format, va_list args)
{
	char line[256];

	if (!log_allowed(server, limit))
		return;
	vsnprintf(line, sizeof(line), format, args);
	server->ops->log(server->ctx, level, line);
}

void hvh_server_log(struct hvh_server *server, struct log_limit *limit, enum hvh_log_level level,
		    const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_line(server, limit, level, format, args);
	va_end(args);
}

void hvh_server_violation(struct hvh_server *server, const char *format, ...)
{
	va_list args;

	server->stats.violations++;
	va_start(args, format);
	log_line(server, &server->violation_limit, HVH_LOG_WARNING, format, args);
	va_end(args);
}
