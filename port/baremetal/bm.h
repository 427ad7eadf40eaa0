/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The pieces of the bare-metal port.
 */
#ifndef PORT_BAREMETAL_BM_H
#define PORT_BAREMETAL_BM_H

#include <stdarg.h>
#include <stdbool.h>

#include "hvg/hvos.h"

#define BM_CPUS_MAX 64

/* Interrupt vectors. */
#define BM_VECTOR_HYPERVISOR 0x40
#define BM_VECTOR_CALL	     0x41 /* from one processor to another: run a function */
#define BM_VECTOR_TICK	     0x42
#define BM_VECTOR_SPURIOUS   0xff

/* --- start.S --------------------------------------------------------------------------------------- */

extern const uint8_t bm_image_end[];
extern const uint8_t bm_trampoline[],
	bm_trampoline_end[]; /* first instructions of the other processors */
extern const uint64_t bm_vectors[256]; /* entry points, for the table of interrupts */

/* Called by the first instructions of each processor, on a stack of its own. */
void bm_main(uint32_t start_info);
void bm_main_cpu(void);
void bm_interrupt(uint64_t vector, uint64_t error, uint64_t rip);

/* --- console.c --------------------------------------------------------------------------------------- */

void bm_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
void bm_vprintf(const char *format, va_list args);

/* --- cpu.c ------------------------------------------------------------------------------------------- */

/* Interrupts, the clock, the other processors. */
void bm_cpu_init(void);
unsigned bm_cpu_current(void);
uint64_t bm_tsc_to_ns(uint64_t tsc);

/* Off; true: they were on. And back to what they were. */
static inline bool bm_interrupts_off(void)
{
	uint64_t flags;

	__asm__ volatile("pushfq\n\tpop %0\n\tcli" : "=r"(flags) : : "memory");
	return flags & 1u << 9;
}

static inline void bm_interrupts_restore(bool on)
{
	if (on)
		__asm__ volatile("sti" : : : "memory");
}

static inline void bm_out8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t bm_in8(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline void bm_out16(uint16_t port, uint16_t value)
{
	__asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

/* --- firmware.c: what the loader and the ACPI tables tell ------------------------------------------------ */

struct bm_firmware {
	const char *command_line;
	uint64_t ram_first, ram_end; /* for us: above the image, below 4 GiB */
	unsigned cpu_count;
	uint8_t apic_ids[BM_CPUS_MAX]; /* of all processors, in the order of the tables */
	uint16_t pm1a_control, pm1b_control; /* ports; 0: none */
	uint16_t s5_a, s5_b; /* sleep types of power-off, in place */
	uint16_t reset_port; /* 0: none */
	uint8_t reset_value;
	bool can_power_off;
};

extern struct bm_firmware bm_firmware;

void bm_firmware_init(uint32_t start_info);

/* The value behind `key`= on the command line, up to the next blank, in `value`; false: not there. A key alone gives "". */
bool bm_option(const char *key, char *value, size_t size);

/* Do not return. */
void bm_power_off(void) __attribute__((noreturn));
void bm_reset(void) __attribute__((noreturn));
void bm_halt(void) __attribute__((noreturn));

/* --- os.c -------------------------------------------------------------------------------------------- */

void bm_os_init(void);

/* Every 4 ms on processor 0: timers. */
void bm_tick(void);

/* Run works until `event` is set. */
void bm_run(struct hvos_event *event);

/* What the host has asked of the shutdown service. */
extern struct hvos_event bm_power_asked;
extern enum hvos_power bm_power_action;

#endif
