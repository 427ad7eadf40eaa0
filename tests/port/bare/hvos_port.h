/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * No port: types without services, so that the core compiles with each processor's own way to the
 * hypervisor, of which no port in user space can use any.
 */
#ifndef TESTS_PORT_BARE_HVOS_PORT_H
#define TESTS_PORT_BARE_HVOS_PORT_H

struct hvos_lock {
	int port;
};

struct hvos_mutex {
	int port;
};

struct hvos_event {
	int port;
};

struct hvos_work {
	int port;
};

struct hvos_timer {
	int port;
};

#ifdef __aarch64__
#include "hvg/hvg_arm64.h"
#else
#include "hvg/hvg_x86.h"
#endif

#endif
