/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The errors of the layers below an operating system: negative POSIX numbers, the environment's own, so that
 * a caller can pass them on. What each means here:
 *
 *   -EAGAIN    nothing there now (ring empty), or no room now (ring full): wait for a signal
 *   -EPROTO    the peer broke the protocol
 *   -EMSGSIZE  can never fit
 *   -EINVAL    the caller's own arguments
 */
#ifndef WIRE_HVW_ERROR_H
#define WIRE_HVW_ERROR_H

#include "hvp_base.h"

#define HVW_MUST_CHECK __attribute__((warn_unused_result))

#endif
