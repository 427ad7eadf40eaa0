/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <asm/mshyperv.h>
#include <linux/types.h>
u64 probe_reference(void);
u64 probe_reference(void)
{
	return hv_read_reference_counter();
}
