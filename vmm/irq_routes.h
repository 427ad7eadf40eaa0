/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Global interrupts: the 24 pins of the IO-APIC, then one for each SINT of each processor.
 */
#ifndef VMM_IRQ_ROUTES_H
#define VMM_IRQ_ROUTES_H

#include <linux/kvm.h>

#include "hvp_hv.h"

#define VMM_IOAPIC_PINS		 24
#define VMM_SINT_GSI(vcpu, sint) (VMM_IOAPIC_PINS + (vcpu)*HVP_SINT_COUNT + (sint))

/* KVM's table for all of them. To be freed; NULL: no memory. */
struct kvm_irq_routing *vmm_irq_routes_make(unsigned cpus);

#endif
