/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The inner Linux's clock follows the outer machine's, so that "the host's time" in the guest is that of
 * the user's machine. The emulated real-time clock, from which the inner Linux starts, only counts seconds.
 *
 * The inner side asks on the control stream and takes the answer for the time half-way; of several
 * answers it believes the quickest.
 */
#ifndef VMM_NESTED_CLOCK_H
#define VMM_NESTED_CLOCK_H

#include <jansson.h>

struct vmm_control;
struct vmm_loop;
struct vmm_nested_clock;

/* Inner side: ask at once, and then every few seconds. -ENOMEM. */
int vmm_nested_clock_create(struct vmm_loop *loop, struct vmm_control *control,
			    struct vmm_nested_clock **clock);
void vmm_nested_clock_destroy(struct vmm_nested_clock *clock);

/* Inner side: the outer one's answer. */
void vmm_nested_clock_told(struct vmm_nested_clock *clock, const json_t *answer);

/* Outer side: the answer to that question; the caller's. NULL: no memory. */
json_t *vmm_nested_clock_answer(const json_t *question);

#endif
