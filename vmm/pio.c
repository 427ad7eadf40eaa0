/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/pio.h"

#include <errno.h>
#include <string.h>

void vmm_pio_init(struct vmm_pio *pio)
{
	memset(pio, 0, sizeof(*pio));
}

int vmm_pio_add(struct vmm_pio *pio, const struct vmm_pio_range *range)
{
	for (unsigned i = 0; i < pio->used; i++) {
		const struct vmm_pio_range *other = &pio->ranges[i];

		if (range->first < other->first + other->count &&
		    other->first < range->first + range->count)
			return -EEXIST;
	}
	if (pio->used == VMM_PIO_RANGES)
		return -ENOSPC;
	pio->ranges[pio->used++] = *range;
	return 0;
}

static const struct vmm_pio_range *find(const struct vmm_pio *pio, uint32_t port)
{
	for (unsigned i = 0; i < pio->used; i++) {
		const struct vmm_pio_range *range = &pio->ranges[i];

		if (port >= range->first && port - range->first < range->count)
			return range;
	}
	return NULL;
}

/* One access that a single device decodes as a whole. `data` is little-endian, as both processors are. */
static void access_range(const struct vmm_pio_range *range, uint32_t port, bool write,
			 unsigned size, uint8_t *data)
{
	uint32_t value = 0;

	if (write) {
		memcpy(&value, data, size);
		range->write(range->ctx, port - range->first, size, value);
	} else {
		value = range->read(range->ctx, port - range->first, size);
		memcpy(data, &value, size);
	}
}

static void access_one(struct vmm_pio *pio, uint32_t port, bool write, unsigned size, uint8_t *data)
{
	const struct vmm_pio_range *range = find(pio, port);

	if (range && size <= range->width && port - range->first + size <= range->count) {
		access_range(range, port, write, size, data);
		return;
	}
	if (size > 1) {
		for (unsigned i = 0; i < size; i++)
			access_one(pio, port + i, write, 1, data + i);
		return;
	}
	atomic_fetch_add_explicit(&pio->unclaimed, 1, memory_order_relaxed);
	if (!write)
		*data = 0xff;
}

void vmm_pio_access(struct vmm_pio *pio, uint16_t port, bool write, unsigned size, uint8_t *data,
		    size_t count)
{
	for (size_t i = 0; i < count; i++)
		access_one(pio, port, write, size, data + i * size);
}
