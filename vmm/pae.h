/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Guests with PAE paging in the nested mode. QEMU marks the four entries of such a guest's page directory
 * pointer table as accessed, which processors do not; KVM takes the bit for a reserved one and refuses to
 * load a table that has it (docs/nested.md). From then on it knows the kernel's addresses only.
 */
#ifndef VMM_PAE_H
#define VMM_PAE_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

struct hvh_mem;

/*
 * Takes out of a CPUID leaf the features for which a guest writes control registers in such a way that
 * KVM loads the table. What it refuses the guest sees as a general protection fault.
 */
void vmm_pae_hide_features(struct kvm_cpuid_entry2 *leaf);

/* By the guest's own tables, which `cr3` leads to, a CPUID instruction stands at this linear address. */
bool vmm_pae_is_cpuid(const struct hvh_mem *mem, uint64_t cr3, uint32_t linear);

#endif
