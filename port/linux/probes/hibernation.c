/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <asm/mshyperv.h>
#include <linux/types.h>
bool probe_hibernation(void);
bool probe_hibernation(void)
{
	return hv_is_hibernation_supported();
}
