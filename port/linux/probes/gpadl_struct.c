/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <linux/hyperv.h>
u32 probe_gpadl(const struct vmbus_gpadl *gpadl);
u32 probe_gpadl(const struct vmbus_gpadl *gpadl)
{
	return gpadl->gpadl_handle;
}
