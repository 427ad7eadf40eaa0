/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * TAP interfaces of this machine: opening one, also for the nested mode, whose QEMU gets the descriptor.
 */
#ifndef VMM_NET_TAP_H
#define VMM_NET_TAP_H

#include <stdbool.h>

/* As the kernel has it, with the zero. */
#define VMM_TAP_NAME_MAX 16

/*
 * One queue of the interface, which is made if there is none, and goes again with its last queue; `several`: others
 * may follow. Frames have a virtio_net_hdr in front. Returns the descriptor, non-blocking, or a negative errno:
 * -EINVAL: it is no TAP interface, or several were asked for and it was made for one; -EBUSY: others use it.
 */
int vmm_tap_open(const char *name, bool several);

#endif
