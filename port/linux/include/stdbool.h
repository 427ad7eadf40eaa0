/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* The kernel has ISO C's small headers under names of its own. */
#ifndef PORT_LINUX_INCLUDE_STDBOOL_H
#define PORT_LINUX_INCLUDE_STDBOOL_H

#include <linux/types.h>

#endif
