/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <asm/mshyperv.h>
#include <linux/types.h>
bool probe_isolation(void);
bool probe_isolation(void)
{
	return hv_is_isolation_supported();
}
