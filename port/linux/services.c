/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The module hv_utils: the integration services on the kernel's VMBus, in place of the stock module of
 * this name. Built as hvis_utils it stands beside one that cannot be replaced.
 */
#include <linux/module.h>

#include "compat.h"
#include "hvg/hvg_daemon.h"
#include "hvg/hvg_ic.h"
#include "hvg/hvg_log.h"
#include "linux_priv.h"

/* From 6.10 on the kernel has no driver for file copy, but a daemon that wants the channel itself, by uio_hv_generic. */
static bool fcopy = true;

/* Where a daemon finds the device of this driver; NULL: it needs none. */
static const char *daemon_node(const struct hvg_driver *driver)
{
	if (driver == &hvg_fcopy_driver)
		return "hv_fcopy";
	if (driver == &hvg_vss_driver)
		return "hv_vss";
	return driver == &hvg_kvp_driver ? "hv_kvp" : NULL;
}

static int utils_probe(struct hv_device *hv, const struct hv_vmbus_device_id *id)
{
	const struct hvg_driver *driver = (const struct hvg_driver *)id->driver_data;
	struct hvg_device *device;
	int err;

	/* By driver_override any device can come here. */
	if (!driver || (driver == &hvg_fcopy_driver && !fcopy))
		return -ENODEV;
	if (driver == &hvg_timesync_driver && !hv_read_reference_counter) {
		hvg_log(HVOS_WARNING, "timesync: the kernel has no reference time");
		return -ENODEV;
	}
	device = hvg_linux_device_create(hv, driver);
	if (!device)
		return -ENOMEM;
	if (driver == &hvg_shutdown_driver)
		hvg_linux_power_device(device, true);
	err = driver->attach(device);
	if (err)
		goto fail;
	if (daemon_node(driver)) {
		err = hvg_linux_daemon_start(device, daemon_node(driver));
		if (err) {
			driver->detach(device);
			goto fail;
		}
	}
	if (driver == &hvg_timesync_driver)
		hvg_linux_ptp_start(device);
	hvg_linux_debug_add(device);
	hv_set_drvdata(hv, device);
	return 0;

fail:
	hvg_linux_power_device(device, false);
	hvg_linux_device_destroy(device);
	return err;
}

static COMPAT_REMOVE_TYPE utils_remove(struct hv_device *hv)
{
	struct hvg_device *device = hv_get_drvdata(hv);

	hvg_linux_debug_remove(device);
	hvg_linux_ptp_stop(device);
	hvg_linux_daemon_stop(device);
	device->driver->detach(device);
	hvg_linux_power_device(device, false);
	hvg_linux_device_destroy(device);
	COMPAT_REMOVE_RETURN(0);
}

static int utils_suspend(struct hv_device *hv)
{
	struct hvg_device *device = hv_get_drvdata(hv);

	return device->driver->suspend(device);
}

static int utils_resume(struct hv_device *hv)
{
	struct hvg_device *device = hv_get_drvdata(hv);

	return device->driver->resume(device);
}

static const struct hv_vmbus_device_id utils_ids[] = {
	{ HV_SHUTDOWN_GUID, .driver_data = (kernel_ulong_t)&hvg_shutdown_driver },
	{ HV_TS_GUID, .driver_data = (kernel_ulong_t)&hvg_timesync_driver },
	{ HV_KVP_GUID, .driver_data = (kernel_ulong_t)&hvg_kvp_driver },
	{ HV_VSS_GUID, .driver_data = (kernel_ulong_t)&hvg_vss_driver },
	{ HV_FCOPY_GUID, .driver_data = (kernel_ulong_t)&hvg_fcopy_driver },
	{ HV_HEART_BEAT_GUID, .driver_data = (kernel_ulong_t)&hvg_heartbeat_driver },
	{},
};
MODULE_DEVICE_TABLE(vmbus, utils_ids);

static struct hv_driver utils_driver = {
	.name = KBUILD_MODNAME,
	.id_table = utils_ids,
	.probe = utils_probe,
	.remove = utils_remove,
	.suspend = utils_suspend,
	.resume = utils_resume,
	.driver = {
		.probe_type = PROBE_PREFER_ASYNCHRONOUS,
	},
};

static int __init utils_init(void)
{
	int err = hvos_linux_start();

	if (err)
		return err;
	hvg_linux_debug_start();
	err = vmbus_driver_register(&utils_driver);
	if (err) {
		hvg_linux_debug_stop();
		hvos_linux_stop();
	}
	return err;
}

static void __exit utils_exit(void)
{
	vmbus_driver_unregister(&utils_driver);
	hvg_linux_debug_stop();
	hvos_linux_stop();
}

module_init(utils_init);
module_exit(utils_exit);

module_param(fcopy, bool, 0444);
MODULE_PARM_DESC(fcopy, "Drive file copy; off: leave it to a daemon that uses uio_hv_generic");
module_param_named(timesync_implicit, hvg_timesync_implicit, bool, 0644);
MODULE_PARM_DESC(timesync_implicit,
		 "Set a clock that is seconds behind also when the host does not ask for it");
MODULE_DESCRIPTION(
	"Hyper-V integration services: heartbeat, shutdown, time synchronisation, key-value pairs, backup, file copy");
/* By the prefix administrators, and `hvis status`, tell it from others. */
MODULE_VERSION("hvis-" HVIS_VERSION);
MODULE_LICENSE("Dual BSD/GPL");
