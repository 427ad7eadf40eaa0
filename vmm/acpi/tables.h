/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The ACPI tables: processors, interrupt controllers, power management, the VMBus device with the
 * address windows it may hand out.
 */
#ifndef VMM_ACPI_TABLES_H
#define VMM_ACPI_TABLES_H

#include <stddef.h>
#include <stdint.h>

#include "vmm/memmap.h"

struct vmm_acpi_config {
	unsigned cpus; /* their APIC ids are 0 … cpus - 1 */
	uint16_t pm_port; /* of vmm/pm.h */
	uint8_t sci; /* GSI, level-triggered, active high */
	struct vmm_window low; /* below 4 GiB */
	struct vmm_window high;
};

#define VMM_ACPI_SIZE_MAX 0x8000

/*
 * Build everything for the guest physical address `gpa` (a multiple of 64); the root pointer comes
 * first. Returns the bytes used, at most VMM_ACPI_SIZE_MAX, which `buffer` must hold.
 */
size_t vmm_acpi_build(const struct vmm_acpi_config *config, uint64_t gpa, uint8_t *buffer);

#endif
