/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <linux/filter.h>
void probe_warn(struct net_device *dev, struct bpf_prog *prog);
void probe_warn(struct net_device *dev, struct bpf_prog *prog)
{
	bpf_warn_invalid_xdp_action(dev, prog, 0);
}
