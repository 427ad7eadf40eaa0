/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* No declaration tells; this member came with the same merge. */
#include <linux/filter.h>
u32 probe_type(const struct bpf_redirect_info *info);
u32 probe_type(const struct bpf_redirect_info *info)
{
	return info->map_type;
}
