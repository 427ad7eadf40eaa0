/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#ifndef VMM_NESTED_INNER_NET_H
#define VMM_NESTED_INNER_NET_H

struct vmm_config;

/* Bring the inner Linux's network up, of which the outer side made the other end. Negative errno. */
int vmm_inner_network(void);

/*
 * For each TAP interface that the VM's adapters name: make it, and join it by a bridge to the network card that leads to
 * the interface of that name of the outer machine. Negative errno.
 */
int vmm_inner_taps(const struct vmm_config *config);

#endif
