/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The host's clock as a PTP device, for chrony and its like: it can be read, and nothing else.
 */
#include <linux/module.h>
#include <linux/ptp_clock_kernel.h>

#include "hvg/hvg_ic.h"
#include "linux_priv.h"

/* The device that is read; NULL: the service is away. */
static struct hvg_device *source;
static DEFINE_MUTEX(source_lock);
static struct ptp_clock *clock;

static int ptp_gettime(struct ptp_clock_info *info, struct timespec64 *now)
{
	u64 host_time, reference;
	int err = -ENODEV;

	mutex_lock(&source_lock);
	if (source)
		err = hvg_timesync_read(source, &host_time, &reference);
	mutex_unlock(&source_lock);
	if (!err)
		*now = ns_to_timespec64((s64)(host_time - HVP_TIME_UNIX_EPOCH) * 100);
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

static struct ptp_clock_info ptp_info = {
	.name = "hyperv",
	.owner = THIS_MODULE,
	.gettime64 = ptp_gettime,
	.settime64 = ptp_settime,
	.adjtime = ptp_adjust,
	.adjfine = ptp_adjust_fine,
	.enable = ptp_enable,
};

int hvg_linux_ptp_start(struct hvg_device *device)
{
	struct ptp_clock *made;

	mutex_lock(&source_lock);
	source = device;
	mutex_unlock(&source_lock);
	made = ptp_clock_register(&ptp_info, NULL);
	/* The kernel may be built without; the service works all the same. */
	if (IS_ERR_OR_NULL(made)) {
		hvos_log(HVOS_INFO, "timesync: no PTP clock");
		return 0;
	}
	clock = made;
	return 0;
}

void hvg_linux_ptp_stop(void)
{
	mutex_lock(&source_lock);
	source = NULL;
	mutex_unlock(&source_lock);
	if (clock)
		ptp_clock_unregister(clock);
	clock = NULL;
}
