/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024

/*
 * The lock orders the two that change together; it is held while a diverted line is handed over,
 * so that after vmm_log_divert() nobody is in the old function.
 */
static pthread_mutex_t divert_lock = PTHREAD_MUTEX_INITIALIZER;
static void (*divert_fn)(void *ctx, enum hvh_log_level level, const char *line);
static void *divert_ctx;

static _Atomic(const char *) prefix_name;
static atomic_bool raw_terminal;
static atomic_bool debug;

void vmm_log_init(const char *vm_name)
{
	const char *wanted = getenv("HVHOST_DEBUG");

	atomic_store(&debug, wanted && strcmp(wanted, "1") == 0);
	atomic_store(&prefix_name, vm_name);
}

void vmm_log_divert(void (*fn)(void *ctx, enum hvh_log_level level, const char *line), void *ctx)
{
	pthread_mutex_lock(&divert_lock);
	divert_fn = fn;
	divert_ctx = ctx;
	pthread_mutex_unlock(&divert_lock);
}

void vmm_log_raw(int raw)
{
	atomic_store(&raw_terminal, raw != 0);
}

static bool hand_over(enum hvh_log_level level, const char *line)
{
	bool diverted;

	pthread_mutex_lock(&divert_lock);
	diverted = divert_fn;
	if (diverted)
		divert_fn(divert_ctx, level, line);
	pthread_mutex_unlock(&divert_lock);
	return diverted;
}

void vmm_log(enum hvh_log_level level, const char *format, ...)
{
	char line[LINE_MAX_BYTES], whole[LINE_MAX_BYTES + 128];
	const char *name = atomic_load(&prefix_name);
	va_list args;
	int len;

	if (level == HVH_LOG_DEBUG && !atomic_load(&debug))
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	/* Parts may be the guest's: nothing that moves the cursor or ends the line. */
	for (char *c = line; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	if (hand_over(level, line))
		return;
	len = snprintf(whole, sizeof(whole), "hvhost: %.64s%s%s%s", name ? name : "",
		       name ? ": " : "", line, atomic_load(&raw_terminal) ? "\r\n" : "\n");
	/* One write, so that lines of several threads do not mix. Where it fails there is nobody to tell. */
	if (write(STDERR_FILENO, whole, (size_t)len) < 0)
		return;
}
