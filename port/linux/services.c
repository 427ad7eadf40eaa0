/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The module hv_utils: the integration services on the kernel's VMBus, in place of the stock module of
 * this name.
 */
#define pr_fmt(format) KBUILD_MODNAME ": " format

#include <linux/module.h>

#include "compat.h"
#include "hvg/hvg_ic.h"
#include "linux_priv.h"

struct workqueue_struct *hvos_linux_works;

static struct hvg_device *shutdown_device;

void hvos_linux_uevent(char **environment)
{
	if (shutdown_device)
		kobject_uevent_env(&shutdown_device->hv->device.kobj, KOBJ_CHANGE, environment);
}

static int utils_probe(struct hv_device *hv, const struct hv_vmbus_device_id *id)
{
	const struct hvg_driver *driver = (const struct hvg_driver *)id->driver_data;
	struct hvg_device *device = hvg_linux_device_create(hv, driver);
	int err;

	if (!device)
		return -ENOMEM;
	if (driver == &hvg_shutdown_driver)
		shutdown_device = device;
	err = driver->attach(device);
	if (!err && driver == &hvg_timesync_driver)
		err = hvg_linux_ptp_start(device);
	if (err) {
		if (shutdown_device == device)
			shutdown_device = NULL;
		hvg_linux_device_destroy(device);
		return err;
	}
	hv_set_drvdata(hv, device);
	return 0;
}

static COMPAT_REMOVE_TYPE utils_remove(struct hv_device *hv)
{
	struct hvg_device *device = hv_get_drvdata(hv);

	if (device->driver == &hvg_timesync_driver)
		hvg_linux_ptp_stop();
	device->driver->detach(device);
	if (shutdown_device == device)
		shutdown_device = NULL;
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
	int err;

	hvos_linux_works = alloc_workqueue("hvis", 0, 0);
	if (!hvos_linux_works)
		return -ENOMEM;
	err = vmbus_driver_register(&utils_driver);
	if (err)
		destroy_workqueue(hvos_linux_works);
	return err;
}

static void __exit utils_exit(void)
{
	vmbus_driver_unregister(&utils_driver);
	destroy_workqueue(hvos_linux_works);
}

module_init(utils_init);
module_exit(utils_exit);

MODULE_DESCRIPTION("Hyper-V integration services: heartbeat, shutdown, time synchronisation");
MODULE_VERSION(HVIS_VERSION);
MODULE_LICENSE("Dual BSD/GPL");
