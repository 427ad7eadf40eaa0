/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Lines that the host can provoke again and again: 20 in 10 seconds, for everything together.
 */
#ifndef GUEST_INCLUDE_HVG_HVG_LOG_H
#define GUEST_INCLUDE_HVG_HVG_LOG_H

#include "hvg/hvos.h"

/* A. Forget what was logged: the guest has begun something anew, which the host cannot have it do. */
void hvg_log_begin(void);

/* A. May another line go out now? Where threads meet, one too many in a window. */
bool hvg_log_allowed(void);

/* A. As hvos_log(). */
#define hvg_log(level, ...)                                                                        \
	do {                                                                                       \
		if (hvg_log_allowed())                                                             \
			hvos_log((level), __VA_ARGS__);                                            \
	} while (0)

#endif
