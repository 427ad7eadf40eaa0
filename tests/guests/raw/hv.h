/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The hypervisor interface, as a guest uses it that means well.
 */
#ifndef TESTS_GUESTS_RAW_HV_H
#define TESTS_GUESTS_RAW_HV_H

#include "hvp_vmbus.h"
#include "raw.h"

/* What CPUID announces, after hv_init(). */
extern struct hvg_features hv_features;

/* The CPUID leaves say Hyper-V; else ends the guest. Sets GUEST_OS_ID and the hypercall page; may be called again. */
void hv_init(void);

/* What hv_init() writes: open source, a type that no known system has. */
#define HV_OS_ID (1ull << 63 | 0x42ull << 56 | 0x0001ull << 16)

/* The page behind MSR_HYPERCALL. */
void *hv_page(void);

/* This processor: its index, a page for input. */
void hv_init_cpu(void *unused);

/* The whole result. `input`, `output`: addresses, or the parameters of the fast form. */
uint64_t hv_call(uint64_t control, uint64_t input, uint64_t output);

/* Status alone. */
static inline uint16_t hv_status(uint64_t result)
{
	return (uint16_t)result;
}

/* POST_MESSAGE from this processor's input page. */
uint16_t hv_post(uint32_t connection_id, uint32_t type, const void *payload, uint32_t len);

/* SIGNAL_EVENT, fast form. */
uint16_t hv_signal(uint32_t connection_id, uint16_t flag);

/* This processor's SynIC: pages, VMBus' SINT with VECTOR_SINT, on. And off again. */
void hv_synic_on(void *unused);
void hv_synic_off(void *unused);

/*
 * Take the message out of this processor's slot: false if there is none. `message` is a copy.
 * Ends with an EOM if the host wants one.
 */
bool hv_synic_take(unsigned sint, struct hvp_synic_message *message);

/* Test and clear an event flag of this processor. */
bool hv_synic_event(unsigned sint, unsigned flag);

#endif
