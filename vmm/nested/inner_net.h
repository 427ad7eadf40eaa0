/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#ifndef VMM_NESTED_INNER_NET_H
#define VMM_NESTED_INNER_NET_H

/* Bring the inner Linux's network up, of which the outer side made the other end. Negative errno. */
int vmm_inner_network(void);

#endif
