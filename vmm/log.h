/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Words for people: one line on stderr each, "hvhost: NAME: text". Any thread.
 */
#ifndef VMM_LOG_H
#define VMM_LOG_H

#include <hvh/hvh_server.h>

/* The VM's name for the prefix, borrowed; NULL: none. */
void vmm_log_init(const char *vm_name);

/* Where lines go instead of stderr (a nested monitor passes them outward); NULL: stderr. */
void vmm_log_divert(void (*fn)(void *ctx, enum hvh_log_level level, const char *line), void *ctx);

/* While the terminal is in raw mode a line needs its own carriage return. */
void vmm_log_raw(int raw);

/* HVH_LOG_DEBUG lines are printed only with HVHOST_DEBUG=1 in the environment. */
void vmm_log(enum hvh_log_level level, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
