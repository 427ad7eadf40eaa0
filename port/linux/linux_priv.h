/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the files of the Linux port share.
 */
#ifndef PORT_LINUX_LINUX_PRIV_H
#define PORT_LINUX_LINUX_PRIV_H

#include <linux/hyperv.h>

#include "hvg/hvg_device.h"

struct workqueue_struct;

/* Works of the drivers. */
extern struct workqueue_struct *hvos_linux_works;

/* A `change` event of the shutdown device for user space. */
void hvos_linux_uevent(char **environment);

/* A device of the kernel's bus as the core's drivers see it. */
struct hvg_device {
	struct hv_device *hv; /* (c) */
	const struct hvg_driver *driver; /* (c) */
	struct hvg_device_info info; /* (c) */
	struct hvg_chan primary;
	void *data; /* the driver's */
};

/* Of hvg_device, in chan.c. */
struct hvg_device *hvg_linux_device_create(struct hv_device *hv, const struct hvg_driver *driver);
void hvg_linux_device_destroy(struct hvg_device *device);

/* ptp.c: the clock `hyperv`, read through the time synchronisation service while there is one. */
int hvg_linux_ptp_start(struct hvg_device *device);
void hvg_linux_ptp_stop(void);

#endif
