/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* No framework for network devices here. */
#ifndef PORT_SIM_HVG_NET_PORT_H
#define PORT_SIM_HVG_NET_PORT_H

#include "hvg/hvg_netif.h"

#endif
