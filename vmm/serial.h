/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A 16550A serial port whose line is infinitely fast: what is written is sent at once.
 */
#ifndef VMM_SERIAL_H
#define VMM_SERIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VMM_SERIAL_PORTS 8

/* Called on whichever thread caused it; must not call back. */
struct vmm_serial_ops {
	/* The interrupt line, only when it changes. */
	void (*set_irq)(void *ctx, int level);

	/* What the guest sent, in larger pieces where that costs no delay. May block, others go on. */
	void (*output)(void *ctx, const uint8_t *bytes, size_t len);

	/* Bytes wait to be sent on: have vmm_serial_flush() called within VMM_SERIAL_FLUSH_MS. */
	void (*output_waits)(void *ctx);

	/* The guest made room after vmm_serial_input() took less than all. */
	void (*input_room)(void *ctx);
};

#define VMM_SERIAL_FLUSH_MS 5

struct vmm_serial;

/* -ENOMEM. */
int vmm_serial_create(const struct vmm_serial_ops *ops, void *ctx, struct vmm_serial **serial);
void vmm_serial_destroy(struct vmm_serial *serial);

/* All of the following may be called from any thread. Registers are bytes at offsets 0 to 7. */
uint32_t vmm_serial_read(void *serial, unsigned offset, unsigned size);
void vmm_serial_write(void *serial, unsigned offset, unsigned size, uint32_t value);

/* Returns how many bytes were taken. */
size_t vmm_serial_input(struct vmm_serial *serial, const uint8_t *bytes, size_t len);

/* True while bytes wait to be sent on. */
bool vmm_serial_output_waits(struct vmm_serial *serial);

/* Blocks as long as the output does. */
void vmm_serial_flush(struct vmm_serial *serial);

/* Power-on state. */
void vmm_serial_reset(struct vmm_serial *serial);

#endif
