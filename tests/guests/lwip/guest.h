/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The guest with a protocol stack: lwIP on the driver core's network, on the machine of port/baremetal. All of lwIP runs in works,
 * which that machine has one thread for.
 */
#ifndef TESTS_GUESTS_LWIP_GUEST_H
#define TESTS_GUESTS_LWIP_GUEST_H

#include <stdbool.h>

struct hvg_driver;

/* nic.c: the first NIC becomes lwIP's interface, and, with vlan=, a second one for that VLAN. */
extern const struct hvg_driver guest_nic_driver;

/* servers.c: echo over UDP and TCP, port 7. */
void guest_servers_start(void);

#endif
