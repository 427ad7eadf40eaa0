/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/pm.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "vmm/loop.h"

#define TIMER_HZ 3579545u

#define STATUS_POWER_BUTTON 0x0100u
/* Timer, global lock, power and sleep button; the clock, because Linux complains when that bit does not stay. */
#define ENABLE_MASK	    0x0721u
#define CONTROL_SCI_ENABLE  0x0001u
#define CONTROL_SLEEP_TYPE  0x1c00u
#define CONTROL_SLEEP_SHIFT 10
#define CONTROL_SLEEP	    0x2000u /* write-only */

struct vmm_pm {
	const struct vmm_pm_ops *ops;
	void *ctx;
	pthread_mutex_t lock; /* for all below */
	uint16_t status, enable, control;
	bool sci;
};

int vmm_pm_create(const struct vmm_pm_ops *ops, void *ctx, struct vmm_pm **out)
{
	struct vmm_pm *pm = calloc(1, sizeof(*pm));

	if (!pm)
		return -ENOMEM;
	pm->ops = ops;
	pm->ctx = ctx;
	pthread_mutex_init(&pm->lock, NULL);
	*out = pm;
	return 0;
}

void vmm_pm_destroy(struct vmm_pm *pm)
{
	if (!pm)
		return;
	pthread_mutex_destroy(&pm->lock);
	free(pm);
}

static void update_sci(struct vmm_pm *pm)
{
	bool sci = (pm->status & pm->enable) != 0;

	if (sci != pm->sci) {
		pm->sci = sci;
		pm->ops->set_sci(pm->ctx, sci);
	}
}

static uint32_t timer_now(void)
{
	return (uint32_t)((unsigned __int128)vmm_now_ns() * TIMER_HZ / 1000000000u);
}

/* The block as 32-bit words; the widest access is one of them. */
static uint32_t read_word(const struct vmm_pm *pm, unsigned offset)
{
	switch (offset) {
	case VMM_PM_EVENT:
		return pm->status | (uint32_t)pm->enable << 16;
	case VMM_PM_CONTROL:
		/* There is no SMI: ACPI mode is always on. */
		return pm->control | CONTROL_SCI_ENABLE;
	case VMM_PM_TIMER:
		return timer_now();
	default:
		return 0;
	}
}

uint32_t vmm_pm_read(void *ctx, unsigned offset, unsigned size)
{
	struct vmm_pm *pm = ctx;
	uint32_t word;

	(void)size;
	pthread_mutex_lock(&pm->lock);
	word = read_word(pm, offset & ~3u);
	pthread_mutex_unlock(&pm->lock);
	return word >> (offset & 3) * 8;
}

/* `mask`: the bits of the word that were written. True: the guest is off. */
static bool write_word(struct vmm_pm *pm, unsigned offset, uint32_t mask, uint32_t value)
{
	unsigned type;

	if (offset == VMM_PM_EVENT) {
		uint16_t enable_mask = (uint16_t)(mask >> 16);

		pm->status &= (uint16_t)~value; /* written ones clear */
		pm->enable = (uint16_t)((pm->enable & ~enable_mask) |
					(value >> 16 & enable_mask & ENABLE_MASK));
		update_sci(pm);
	} else if (offset == VMM_PM_CONTROL) {
		pm->control = (uint16_t)((pm->control & ~mask) | (value & mask)) &
			      (uint16_t)~CONTROL_SLEEP;
		type = (pm->control & CONTROL_SLEEP_TYPE) >> CONTROL_SLEEP_SHIFT;
		return (value & CONTROL_SLEEP) &&
		       (type == VMM_PM_SLEEP_S4 || type == VMM_PM_SLEEP_S5);
	}
	return false;
}

void vmm_pm_write(void *ctx, unsigned offset, unsigned size, uint32_t value)
{
	struct vmm_pm *pm = ctx;
	unsigned shift = (offset & 3) * 8;
	uint32_t mask = (uint32_t)((1ull << size * 8) - 1) << shift;
	bool sleep;

	if (offset == VMM_PM_RESET) {
		if ((value & 0xff) == VMM_PM_RESET_VALUE)
			pm->ops->reset(pm->ctx);
		return;
	}
	pthread_mutex_lock(&pm->lock);
	sleep = write_word(pm, offset & ~3u, mask, value << shift & mask);
	pthread_mutex_unlock(&pm->lock);
	if (sleep)
		pm->ops->power_off(pm->ctx);
}

bool vmm_pm_power_button(struct vmm_pm *pm)
{
	bool listens;

	pthread_mutex_lock(&pm->lock);
	listens = pm->enable & STATUS_POWER_BUTTON;
	pm->status |= listens ? STATUS_POWER_BUTTON : 0;
	update_sci(pm);
	pthread_mutex_unlock(&pm->lock);
	return listens;
}

void vmm_pm_reset(struct vmm_pm *pm)
{
	pthread_mutex_lock(&pm->lock);
	pm->status = pm->enable = pm->control = 0;
	update_sci(pm);
	pthread_mutex_unlock(&pm->lock);
}
