/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What services negotiated, and what they counted, in debugfs: a file for each device in
 * /sys/kernel/debug/hvis-MODULE. The tool `hvis` reads it (tools/hvis/versions.c). It is not in
 * sysfs because the stock drivers have nothing of the kind there.
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include "hvg/hvg_ic.h"
#include "hvp_vmbus.h"
#include "linux_priv.h"

static struct dentry *folder;

static int status_show(struct seq_file *file, void *unused)
{
	const struct hvg_device *device = file->private;
	struct hvg_ic_status status;

	hvg_ic_status(device, &status);
	seq_printf(file, "vmbus %u.%u\n", HVP_VERSION_MAJOR(vmbus_proto_version),
		   HVP_VERSION_MINOR(vmbus_proto_version));
	if (status.ready) {
		seq_printf(file, "message %u.%u\n", status.message.major, status.message.minor);
		seq_printf(file, "framework %u.%u\n", status.framework.major,
			   status.framework.minor);
	}
	seq_printf(file, "requests %llu\nviolations %llu\n", status.requests, status.violations);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(status);

/* Errors are no one's concern, as everywhere with debugfs: it may be built out, or locked. */
void hvg_linux_debug_start(void)
{
	folder = debugfs_create_dir("hvis-" KBUILD_MODNAME, NULL);
}

void hvg_linux_debug_stop(void)
{
	debugfs_remove_recursive(folder);
}

void hvg_linux_debug_add(struct hvg_device *device)
{
	device->debug = debugfs_create_file(dev_name(&device->hv->device), 0400, folder, device,
					    &status_fops);
}

/* Returns when nobody reads any more. */
void hvg_linux_debug_remove(struct hvg_device *device)
{
	debugfs_remove(device->debug);
}
