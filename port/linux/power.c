/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Power off, restart, hibernation: user space does it.
 */
#include <linux/kobject.h>
#include <linux/reboot.h>

#include "compat.h"
#include "linux_priv.h"

/* Of the shutdown service, the last that came: the `change` event names it. */
static DEFINE_MUTEX(shutdown_lock);
static struct hvg_device *shutdown_device;

void hvg_linux_power_device(struct hvg_device *device, bool there)
{
	mutex_lock(&shutdown_lock);
	if (there)
		shutdown_device = device;
	else if (shutdown_device == device)
		shutdown_device = NULL;
	mutex_unlock(&shutdown_lock);
}

static void ask_for_hibernation(void)
{
	static char *environment[] = { "EVENT=hibernate", NULL };

	mutex_lock(&shutdown_lock);
	if (shutdown_device)
		kobject_uevent_env(&shutdown_device->hv->device.kobj, KOBJ_CHANGE, environment);
	mutex_unlock(&shutdown_lock);
}

bool hvos_power_supported(enum hvos_power action)
{
	return action != HVOS_HIBERNATE || compat_hibernation_supported();
}

/* Where user space cannot power off, the kernel does. Hibernation is the administrator's, by a udev rule. */
void hvos_power(enum hvos_power action, bool force)
{
	switch (action) {
	case HVOS_POWER_OFF:
		orderly_poweroff(true);
		break;
	case HVOS_RESTART:
		orderly_reboot();
		break;
	case HVOS_HIBERNATE:
		ask_for_hibernation();
		break;
	}
}
