/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the files of the Linux port share.
 */
#ifndef PORT_LINUX_LINUX_PRIV_H
#define PORT_LINUX_LINUX_PRIV_H

#include <linux/hyperv.h>

#include "hvg/hvg_device.h"

/* A device of the kernel's bus as the core's drivers see it. (c): const from its probe to its removal. */
struct hvg_device {
	struct hv_device *hv; /* (c) */
	const struct hvg_driver *driver; /* (c) */
	struct hvg_device_info info; /* (c) */
	struct hvg_chan primary;
	void *data; /* the driver's */
	struct hvg_linux_ptp *ptp; /* probe and removal; NULL: none */
	struct hvg_linux_daemon *daemon; /* likewise */
	struct dentry *debug; /* probe and removal */
};

/* os.c: before the first work is queued; after the last is finished. */
int hvos_linux_start(void) HVW_MUST_CHECK;
void hvos_linux_stop(void);

/* chan.c. NULL: no memory. */
struct hvg_device *hvg_linux_device_create(struct hv_device *hv, const struct hvg_driver *driver);
void hvg_linux_device_destroy(struct hvg_device *device);
void hvg_linux_chan_init(struct hvg_chan *chan, struct hvg_device *device,
			 struct vmbus_channel *channel);

/* power.c: the device of the shutdown service comes and goes. */
void hvg_linux_power_device(struct hvg_device *device, bool there);

/*
 * ptp.c: a clock `hyperv` that is read from a device of the time synchronisation service, while that is
 * attached. The kernel may be built without such clocks; the service works all the same.
 */
void hvg_linux_ptp_start(struct hvg_device *device);
void hvg_linux_ptp_stop(struct hvg_device *device);

/* daemon.c: /dev/vmbus/NODE for a device of hvg/hvg_daemon.h, while that is attached. */
int hvg_linux_daemon_start(struct hvg_device *device, const char *node) HVW_MUST_CHECK;
void hvg_linux_daemon_stop(struct hvg_device *device);

/* debug.c: the module's folder in debugfs; in it a file for each device, while that is attached. */
void hvg_linux_debug_start(void);
void hvg_linux_debug_stop(void);
void hvg_linux_debug_add(struct hvg_device *device);
void hvg_linux_debug_remove(struct hvg_device *device);

#endif
