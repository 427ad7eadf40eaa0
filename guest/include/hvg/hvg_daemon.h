/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Services that a daemon in user space answers for: what a port makes its character device of. Messages are those
 * of hvp_daemon.h.
 *
 * All functions: T, of a device with such a driver between its attach and its detach.
 */
#ifndef GUEST_INCLUDE_HVG_HVG_DAEMON_H
#define GUEST_INCLUDE_HVG_HVG_DAEMON_H

#include "hvg/hvg_device.h"

extern const struct hvg_driver hvg_kvp_driver;
extern const struct hvg_driver hvg_vss_driver;
extern const struct hvg_driver hvg_fcopy_driver;

/* One daemon at a time: -EBUSY. `wake` is called when hvg_daemon_read() may have something; it calls nothing of these. */
int hvg_daemon_open(struct hvg_device *device, hvos_fn wake, void *ctx) HVW_MUST_CHECK;

/* It has gone: the host is told that what it was asked has failed. */
void hvg_daemon_close(struct hvg_device *device);

/* The next message, whole: its bytes. -EAGAIN: none; -EINVAL: `size` is too small for it. */
int hvg_daemon_read(struct hvg_device *device, void *buffer, size_t size) HVW_MUST_CHECK;
bool hvg_daemon_readable(struct hvg_device *device);

/* A message of the daemon's; `size`, or -EINVAL: it is none, or it answers nothing. */
int hvg_daemon_write(struct hvg_device *device, const void *message, size_t size) HVW_MUST_CHECK;

#endif
