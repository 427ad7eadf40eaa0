/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/enlighten.h"

#include <stddef.h>

#define COUNT_OF(list) (sizeof(list) / sizeof((list)[0]))

/* Without these there is no VMBus. */
#define ALWAYS_FEATURES_EAX (HVP_ACCESS_SYNIC | HVP_ACCESS_HYPERCALL)
#define ALWAYS_FEATURES_EBX (HVP_PRIV_POST_MESSAGES | HVP_PRIV_SIGNAL_EVENTS)

/*
 * The others, which KVM answers by itself and completely (the crash MSRs: crash.c); the rest of what it
 * lists is not announced. Bits of a feature that is off are cleared in all three words.
 */
static const struct enlightenment {
	unsigned off; /* VMM_ENLIGHTENMENT_* */
	uint32_t features_eax, features_edx, hints_eax;
	unsigned without; /* what else goes with it */
} enlightenments[] = {
	/* Timers expire at a reference time, and readers of the TSC page fall back to the counter. */
	{ .off = VMM_ENLIGHTENMENT_REFERENCE_COUNTER,
	  .features_eax = HVP_ACCESS_REF_COUNTER,
	  .without = VMM_ENLIGHTENMENT_REFERENCE_TSC | VMM_ENLIGHTENMENT_STIMER },
	{ .off = VMM_ENLIGHTENMENT_REFERENCE_TSC, .features_eax = HVP_ACCESS_REF_TSC },
	{ .off = VMM_ENLIGHTENMENT_STIMER,
	  .features_eax = HVP_ACCESS_STIMER,
	  .without = VMM_ENLIGHTENMENT_STIMER_DIRECT },
	{ .off = VMM_ENLIGHTENMENT_STIMER_DIRECT, .features_edx = HVP_FEATURE_STIMER_DIRECT },
	/* The masks of these calls number processors by VP index. */
	{ .off = VMM_ENLIGHTENMENT_VP_INDEX,
	  .features_eax = HVP_ACCESS_VP_INDEX,
	  .without = VMM_ENLIGHTENMENT_TLB_FLUSH | VMM_ENLIGHTENMENT_IPI },
	{ .off = VMM_ENLIGHTENMENT_VP_RUNTIME, .features_eax = HVP_ACCESS_VP_RUNTIME },
	{ .off = VMM_ENLIGHTENMENT_APIC_MSRS,
	  .features_eax = HVP_ACCESS_APIC,
	  .hints_eax = HVP_HINT_APIC_MSR },
	{ .off = VMM_ENLIGHTENMENT_FREQUENCIES,
	  .features_eax = HVP_ACCESS_FREQUENCY,
	  .features_edx = HVP_FEATURE_FREQUENCY },
	{ .off = VMM_ENLIGHTENMENT_TSC_INVARIANT, .features_eax = HVP_ACCESS_TSC_INVARIANT },
	{ .off = VMM_ENLIGHTENMENT_TLB_FLUSH, .hints_eax = HVP_HINT_REMOTE_TLB_FLUSH },
	{ .off = VMM_ENLIGHTENMENT_IPI, .hints_eax = HVP_HINT_CLUSTER_IPI },
	{ .off = VMM_ENLIGHTENMENT_XMM_INPUT, .features_edx = HVP_FEATURE_XMM_INPUT },
	{ .off = VMM_ENLIGHTENMENT_RELAXED_TIMING, .hints_eax = HVP_HINT_RELAXED_TIMING },
	{ .off = VMM_ENLIGHTENMENT_RESET, .features_eax = HVP_ACCESS_RESET },
	{ .off = VMM_ENLIGHTENMENT_CRASH, .features_edx = HVP_FEATURE_CRASH_MSR },
};

unsigned vmm_enlighten_closure(unsigned off)
{
	/* In the order of the table, so that what follows from what follows is found in the same pass. */
	for (size_t i = 0; i < COUNT_OF(enlightenments); i++)
		if (off & enlightenments[i].off)
			off |= enlightenments[i].without;
	return off;
}

const char *vmm_enlighten_warning(unsigned off)
{
	/* Linux asks for it, besides hypercalls, before it believes that it runs on Hyper-V. */
	if (off & VMM_ENLIGHTENMENT_VP_INDEX)
		return "without vp-index Linux does not use Hyper-V at all: no VMBus, no services";
	if (off & VMM_ENLIGHTENMENT_REFERENCE_COUNTER)
		return "without reference-counter the timesync service is left out, whose drivers read it";
	return NULL;
}

static void adapt_features(unsigned off, struct kvm_cpuid_entry2 *leaf)
{
	uint32_t eax = ALWAYS_FEATURES_EAX, edx = 0;

	for (size_t i = 0; i < COUNT_OF(enlightenments); i++)
		if (!(off & enlightenments[i].off)) {
			eax |= enlightenments[i].features_eax;
			edx |= enlightenments[i].features_edx;
		}
	leaf->eax &= eax;
	leaf->ebx = ALWAYS_FEATURES_EBX;
	leaf->ecx = 0;
	leaf->edx &= edx;
}

static void adapt_hints(unsigned off, struct kvm_cpuid_entry2 *leaf)
{
	const unsigned with_masks = VMM_ENLIGHTENMENT_TLB_FLUSH | VMM_ENLIGHTENMENT_IPI;
	uint32_t eax = (off & with_masks) != with_masks ? HVP_HINT_EX_MASKS : 0;

	for (size_t i = 0; i < COUNT_OF(enlightenments); i++)
		if (!(off & enlightenments[i].off))
			eax |= enlightenments[i].hints_eax;
	leaf->eax = (leaf->eax & eax) | HVP_HINT_NO_AUTO_EOI;
	leaf->ebx = HVP_SPIN_NEVER_NOTIFY;
	leaf->ecx = leaf->edx = 0;
}

void vmm_enlighten_leaf(unsigned off, struct kvm_cpuid_entry2 *leaf)
{
	off = vmm_enlighten_closure(off);
	switch (leaf->function) {
	case HVP_CPUID_VENDOR:
		leaf->eax = VMM_ENLIGHTEN_LEAF_LAST;
		leaf->ebx = HVP_VENDOR_EBX;
		leaf->ecx = HVP_VENDOR_ECX;
		leaf->edx = HVP_VENDOR_EDX;
		break;
	case HVP_CPUID_FEATURES:
		adapt_features(off, leaf);
		break;
	case HVP_CPUID_HINTS:
		adapt_hints(off, leaf);
		break;
	case HVP_CPUID_LIMITS:
		leaf->eax = leaf->ebx = VMM_CPUS_MAX;
		leaf->ecx = leaf->edx = 0;
		break;
	}
}
