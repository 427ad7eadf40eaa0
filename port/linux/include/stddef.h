/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* As stdbool.h. */
#ifndef PORT_LINUX_INCLUDE_STDDEF_H
#define PORT_LINUX_INCLUDE_STDDEF_H

#include <linux/types.h>

#endif
