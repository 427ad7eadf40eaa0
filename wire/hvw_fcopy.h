/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * File copy: the host's messages as daemons read them, whoever drives the channel.
 */
#ifndef WIRE_HVW_FCOPY_H
#define WIRE_HVW_FCOPY_H

#include "hvp_daemon.h"
#include "hvw_error.h"

/* The longest. */
#define HVW_FCOPY_MESSAGE sizeof(struct hvp_fcopy_write)

/*
 * `body`: of `size` bytes, from the host. Its length as a daemon's message, of which `message` has HVW_FCOPY_MESSAGE; or 0, and
 * *status is what the host is told.
 */
uint32_t hvw_fcopy_to_daemon(const uint8_t *body, size_t size, uint8_t *message,
			     uint32_t *status) HVW_MUST_CHECK;

#endif
