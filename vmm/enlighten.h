/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The hypervisor's CPUID leaves: what a guest is told it may use and should use.
 */
#ifndef VMM_ENLIGHTEN_H
#define VMM_ENLIGHTEN_H

#include <linux/kvm.h>

#include "hvp_hv.h"
#include "vmm/config.h"

#define VMM_ENLIGHTEN_LEAF_LAST HVP_CPUID_LIMITS

/* `off` (VMM_ENLIGHTENMENT_*) and what cannot be used without those. */
unsigned vmm_enlighten_closure(unsigned off);

/* What the user should know about leaving those out, as one line; NULL: nothing. */
const char *vmm_enlighten_warning(unsigned off);

/* A leaf as KVM offers it becomes the guest's: what is answered completely, without `off` and its closure. */
void vmm_enlighten_leaf(unsigned off, struct kvm_cpuid_entry2 *leaf);

#endif
