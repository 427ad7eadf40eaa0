/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <linux/hyperv.h>
#include <linux/module.h>
static void probe_remove(struct hv_device *hv)
{
}
struct hv_driver probe_driver = { .remove = probe_remove };
