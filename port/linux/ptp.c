/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The host's clock as a PTP device, for chrony and its like: it can be read, and nothing else.
 */
#include <linux/module.h>
#include <linux/ptp_clock_kernel.h>

#include "hvg/hvg_ic.h"
#include "hvg/hvg_log.h"
#include "linux_priv.h"

struct hvg_linux_ptp {
	struct ptp_clock_info info; /* (c) */
	struct ptp_clock *clock; /* (c) */
	struct hvg_device *device; /* (c) that is read */
};

static int ptp_gettime(struct ptp_clock_info *info, struct timespec64 *now)
{
	const struct hvg_linux_ptp *ptp = container_of(info, struct hvg_linux_ptp, info);
	u64 host_time, reference;
	int err = hvg_timesync_read(ptp->device, &host_time, &reference);

	if (!err)
		*now = ns_to_timespec64((s64)((host_time - HVP_TIME_UNIX_EPOCH) * 100));
	/* Readers know one word for a time that is not to be had. */
	return err == -EAGAIN ? -ESTALE : err;
}

static int ptp_settime(struct ptp_clock_info *info, const struct timespec64 *now)
{
	return -EOPNOTSUPP;
}

static int ptp_adjust(struct ptp_clock_info *info, s64 delta)
{
	return -EOPNOTSUPP;
}

static int ptp_adjust_fine(struct ptp_clock_info *info, long delta)
{
	return -EOPNOTSUPP;
}

static int ptp_enable(struct ptp_clock_info *info, struct ptp_clock_request *request, int on)
{
	return -EOPNOTSUPP;
}

static const struct ptp_clock_info ptp_info = {
	.name = "hyperv",
	.owner = THIS_MODULE,
	.gettime64 = ptp_gettime,
	.settime64 = ptp_settime,
	.adjtime = ptp_adjust,
	.adjfine = ptp_adjust_fine,
	.enable = ptp_enable,
};

void hvg_linux_ptp_start(struct hvg_device *device)
{
	struct hvg_linux_ptp *ptp = hvos_alloc(sizeof(*ptp));

	if (!ptp)
		return;
	ptp->info = ptp_info;
	ptp->device = device;
	ptp->clock = ptp_clock_register(&ptp->info, NULL);
	if (IS_ERR_OR_NULL(ptp->clock)) {
		if (ptp->clock)
			hvg_log(HVOS_WARNING, "timesync: no PTP clock: error %d",
				-(int)PTR_ERR(ptp->clock));
		hvos_free(ptp);
		return;
	}
	device->ptp = ptp;
}

/* Once it is unregistered nobody is in ptp_gettime() or gets there any more, whoever holds the file open. */
void hvg_linux_ptp_stop(struct hvg_device *device)
{
	if (!device->ptp)
		return;
	ptp_clock_unregister(device->ptp->clock);
	hvos_free(device->ptp);
	device->ptp = NULL;
}
