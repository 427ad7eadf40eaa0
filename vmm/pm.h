/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * ACPI fixed hardware: PM1 event and control registers, PM timer, reset register, power button.
 * The tables that announce it: vmm/acpi/tables.c.
 */
#ifndef VMM_PM_H
#define VMM_PM_H

#include <stdbool.h>
#include <stdint.h>

/* Offsets from the first port. */
#define VMM_PM_EVENT   0 /* status, then enable: 2 bytes each */
#define VMM_PM_CONTROL 4
#define VMM_PM_TIMER   8
#define VMM_PM_RESET   12
#define VMM_PM_PORTS   16

#define VMM_PM_RESET_VALUE 1
#define VMM_PM_SLEEP_S4	   4 /* SLP_TYP of \_S4: the guest has written itself to its disk */
#define VMM_PM_SLEEP_S5	   5 /* SLP_TYP of \_S5 */

/* Called on the thread of the processor that wrote, or that of vmm_pm_power_button(); must not call back. */
struct vmm_pm_ops {
	void (*set_sci)(void *ctx, int level);
	void (*power_off)(void *ctx);
	void (*reset)(void *ctx);
};

struct vmm_pm;

/* -ENOMEM. */
int vmm_pm_create(const struct vmm_pm_ops *ops, void *ctx, struct vmm_pm **pm);
void vmm_pm_destroy(struct vmm_pm *pm);

/* Any thread. Accesses of 1 to 4 bytes. */
uint32_t vmm_pm_read(void *pm, unsigned offset, unsigned size);
void vmm_pm_write(void *pm, unsigned offset, unsigned size, uint32_t value);

/* False: the guest does not listen to the button. */
bool vmm_pm_power_button(struct vmm_pm *pm);

void vmm_pm_reset(struct vmm_pm *pm);

#endif
