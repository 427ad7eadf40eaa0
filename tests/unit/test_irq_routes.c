/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "tap.h"
#include "vmm/config.h"
#include "vmm/irq_routes.h"

/* What KVM takes: KVM_MAX_IRQ_ROUTES. */
#define ROUTES_MAX 4096

static unsigned routes_of(const struct kvm_irq_routing *table, unsigned gsi, unsigned type,
			  unsigned *last)
{
	unsigned found = 0;

	for (unsigned i = 0; i < table->nr; i++)
		if (table->entries[i].gsi == gsi && table->entries[i].type == type) {
			found++;
			*last = i;
		}
	return found;
}

static bool sints_are_right(const struct kvm_irq_routing *table, unsigned cpus)
{
	bool right = true;

	for (unsigned cpu = 0; cpu < cpus; cpu++)
		for (unsigned sint = 0; sint < 16; sint++) {
			const struct kvm_irq_routing_entry *e;
			unsigned at = 0, gsi = VMM_SINT_GSI(cpu, sint);

			right &= routes_of(table, gsi, KVM_IRQ_ROUTING_HV_SINT, &at) == 1;
			right &= routes_of(table, gsi, KVM_IRQ_ROUTING_IRQCHIP, &at) == 0;
			e = &table->entries[at];
			right &= e->u.hv_sint.vcpu == cpu && e->u.hv_sint.sint == sint;
		}
	return right;
}

TAP_TEST(every_sint_of_every_processor_has_one_route)
{
	for (unsigned cpus = 1; cpus <= VMM_CPUS_MAX; cpus++) {
		struct kvm_irq_routing *table = vmm_irq_routes_make(cpus);

		TAP_REQUIRE(table);
		TAP_CHECK(table->nr <= ROUTES_MAX);
		TAP_EQ(table->nr, 15 + 23 + cpus * 16);
		TAP_REQUIRE(sints_are_right(table, cpus));
		for (unsigned i = 0; i < table->nr; i++)
			TAP_REQUIRE(table->entries[i].gsi < ROUTES_MAX);
		free(table);
	}
}

TAP_TEST(pins_are_those_of_a_pc)
{
	struct kvm_irq_routing *table = vmm_irq_routes_make(1);
	unsigned at = 0;

	TAP_REQUIRE(table);
	for (unsigned gsi = 0; gsi < 24; gsi++)
		TAP_EQ(routes_of(table, gsi, KVM_IRQ_ROUTING_IRQCHIP, &at), gsi == 2 ? 0 :
									    gsi < 16 ? 2 :
										       1);
	/* The timer is on pin 2 of the IO-APIC, the clock on the second controller's first. */
	routes_of(table, 0, KVM_IRQ_ROUTING_IRQCHIP, &at);
	TAP_EQ(table->entries[at].u.irqchip.irqchip, KVM_IRQCHIP_IOAPIC);
	TAP_EQ(table->entries[at].u.irqchip.pin, 2);
	for (unsigned i = 0; i < table->nr; i++)
		if (table->entries[i].gsi == 8 &&
		    table->entries[i].u.irqchip.irqchip != KVM_IRQCHIP_IOAPIC) {
			TAP_EQ(table->entries[i].u.irqchip.irqchip, KVM_IRQCHIP_PIC_SLAVE);
			TAP_EQ(table->entries[i].u.irqchip.pin, 0);
		}
	free(table);
}

TAP_MAIN()
