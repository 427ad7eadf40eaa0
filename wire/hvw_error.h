/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The errors of the layers below an operating system: negative POSIX numbers from the environment's
 * own <errno.h>, so that a caller can pass them on. What each means here:
 *
 *   -EAGAIN    nothing there now (ring empty), or no room now (ring full): wait for a signal
 *   -EPROTO    the peer broke the protocol
 *   -EMSGSIZE  can never fit
 *   -EINVAL    the caller's own arguments
 */
#ifndef WIRE_HVW_ERROR_H
#define WIRE_HVW_ERROR_H

#if defined(__KERNEL__) && defined(__linux__)
#include <linux/errno.h>
#elif defined(_KERNEL) && defined(__FreeBSD__)
#include <sys/errno.h>
#else
#include <errno.h>
#endif

#define HVW_MUST_CHECK __attribute__((warn_unused_result))

#endif
