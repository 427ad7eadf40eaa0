/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * IP settings of an adapter: told to the host, and taken from it.
 */
#ifndef DAEMONS_IP_H
#define DAEMONS_IP_H

#include <stdint.h>

#include "hvp_daemon.h"

struct hvd_ip_config {
	const char *root; /* where /etc, /run and /sys are; "" but in tests */
	const char *folder; /* for the files that the hook gets; it is there */
	const char *hook; /* the program that applies them */
};

/* HVP_IC_*. The adapter is named by its MAC address. */
uint32_t hvd_ip_get(const struct hvd_ip_config *config, struct hvp_daemon_ip *ip);

/*
 * The adapter is named by the GUID of its device. The settings go into two files, `ifcfg-NAME` and `NAME.nmconnection`, and the
 * hook gets their paths. HVP_IC_NOT_FOUND: no such adapter; HVP_IC_INVALID: a text is no address; HVP_IC_FAIL: the hook
 * failed, or took more than 25 seconds.
 */
uint32_t hvd_ip_set(const struct hvd_ip_config *config, const struct hvp_daemon_ip *ip);

#endif
