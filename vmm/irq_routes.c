/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/irq_routes.h"

#include <stdlib.h>

#define PIC_PINS 16
#define PIT_PIN	 2 /* of the IO-APIC; on the other controller the second one hangs there */

static void add_pin(struct kvm_irq_routing *table, unsigned gsi, unsigned chip, unsigned pin)
{
	table->entries[table->nr++] = (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = chip, .pin = pin },
	};
}

struct kvm_irq_routing *vmm_irq_routes_make(unsigned cpus)
{
	unsigned most = PIC_PINS + VMM_IOAPIC_PINS + cpus * HVP_SINT_COUNT;
	struct kvm_irq_routing *table =
		calloc(1, sizeof(*table) + most * sizeof(struct kvm_irq_routing_entry));

	if (!table)
		return NULL;
	for (unsigned pin = 0; pin < PIC_PINS; pin++)
		if (pin != PIT_PIN)
			add_pin(table, pin,
				pin < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE, pin % 8);
	for (unsigned pin = 1; pin < VMM_IOAPIC_PINS; pin++)
		add_pin(table, pin == PIT_PIN ? 0 : pin, KVM_IRQCHIP_IOAPIC, pin);
	for (unsigned i = 0; i < cpus; i++)
		for (unsigned sint = 0; sint < HVP_SINT_COUNT; sint++)
			table->entries[table->nr++] = (struct kvm_irq_routing_entry){
				.gsi = VMM_SINT_GSI(i, sint),
				.type = KVM_IRQ_ROUTING_HV_SINT,
				.u.hv_sint = { .vcpu = i, .sint = sint },
			};
	return table;
}
