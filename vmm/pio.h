/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The port bus: which device answers which I/O ports.
 *
 * Ranges are added before the processors start; afterwards any processor's thread may access. Ports
 * that nobody claims read as all ones and swallow writes, as on a real bus.
 */
#ifndef VMM_PIO_H
#define VMM_PIO_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An access of `size` bytes (1, 2, 4; at most the range's `width`), `offset` from the range's first port. */
typedef uint32_t (*vmm_pio_read_fn)(void *ctx, unsigned offset, unsigned size);
typedef void (*vmm_pio_write_fn)(void *ctx, unsigned offset, unsigned size, uint32_t value);

struct vmm_pio_range {
	uint16_t first;
	uint16_t count;
	uint8_t width; /* widest access the device decodes; wider ones are split as a bus does */
	vmm_pio_read_fn read;
	vmm_pio_write_fn write;
	void *ctx;
};

#define VMM_PIO_RANGES 8

struct vmm_pio {
	struct vmm_pio_range ranges[VMM_PIO_RANGES];
	unsigned used;
	atomic_ullong unclaimed; /* accesses that nobody answered */
};

void vmm_pio_init(struct vmm_pio *pio);

/* -EEXIST: overlaps another; -ENOSPC. */
int vmm_pio_add(struct vmm_pio *pio, const struct vmm_pio_range *range);

/* `count` accesses of `size` bytes to the same port; `data` holds or receives them one after the other. */
void vmm_pio_access(struct vmm_pio *pio, uint16_t port, bool write, unsigned size, uint8_t *data,
		    size_t count);

#endif
