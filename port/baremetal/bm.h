/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The pieces of the bare-metal port.
 */
#ifndef PORT_BAREMETAL_BM_H
#define PORT_BAREMETAL_BM_H

#define BM_CPUS_MAX    64
#define BM_STACK_BYTES 32768

#ifndef __ASSEMBLER__
#include <stdarg.h>
#include <stdbool.h>

#include "hvg/hvos.h"

/* Interrupt vectors. */
#define BM_EXCEPTIONS	     32 /* below: the processor's own */
#define BM_VECTOR_HYPERVISOR 0x40
#define BM_VECTOR_CALL	     0x41 /* from one processor to another: run a function */
#define BM_VECTOR_TICK	     0x42
#define BM_VECTOR_SPURIOUS   0xff

/* --- start.S --------------------------------------------------------------------------------------- */

extern const uint8_t bm_image_end[];
/* First instructions of the other processors. */
extern const uint8_t bm_trampoline[], bm_trampoline_end[];
extern const uint8_t bm_vectors[256][16]; /* code: entry points of interrupts */
extern uint8_t bm_stacks[BM_CPUS_MAX][BM_STACK_BYTES]; /* in the order in which processors start */

/* What an interrupt leaves on the stack; it goes on at `rip`. */
struct bm_frame {
	uint64_t vector, error, rip, cs, flags, rsp, ss;
};

/* Called by the first instructions of each processor, on a stack of its own; bm_main() is the program's. */
void bm_main(uint32_t start_info);
void bm_main_cpu(void);
void bm_interrupt(struct bm_frame *frame);

/* --- console.c --------------------------------------------------------------------------------------- */

void bm_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
void bm_vprintf(const char *format, va_list args);

/* --- cpu.c ------------------------------------------------------------------------------------------- */

/* Interrupts, the clock, the other processors. */
void bm_cpu_init(void);
unsigned bm_cpu_current(void); /* the one that booted is 0 */
uint64_t bm_tsc_to_ns(uint64_t tsc);

/* Called with interrupts off; an interrupt's, not an exception's, ends with a write to APIC_EOI. */
typedef void bm_vector_fn(struct bm_frame *frame);
void bm_vector_set(uint8_t vector, bm_vector_fn *fn);

/* Has another processor run a function in its interrupt; and waits for its end, which is due before the next call. */
void bm_call_start(unsigned cpu, hvos_fn fn, void *ctx);
void bm_call_wait(unsigned cpu);

/* The local APIC: each processor sees its own at the same address. */
#define APIC	       0xfee00000u
#define APIC_ID	       0x20
#define APIC_EOI       0xb0
#define APIC_SPURIOUS  0xf0
#define APIC_ENABLE    (1u << 8)
#define APIC_ICR_LOW   0x300
#define APIC_ICR_HIGH  0x310
#define APIC_BUSY      (1u << 12)
#define APIC_INIT      0x4500u
#define APIC_STARTUP   0x4600u
#define APIC_FIXED     0x4000u
#define APIC_TIMER     0x320
#define APIC_PERIODIC  (1u << 17)
#define APIC_COUNT     0x380
#define APIC_NOW       0x390
#define APIC_DIVIDE    0x3e0
#define APIC_DIVIDE_16 0x3

static inline uint32_t bm_apic_read(uint32_t reg)
{
	return *(volatile uint32_t *)(uintptr_t)(APIC + reg);
}

static inline void bm_apic_write(uint32_t reg, uint32_t value)
{
	*(volatile uint32_t *)(uintptr_t)(APIC + reg) = value;
}

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

static inline void bm_pause(void)
{
	__asm__ volatile("pause" : : : "memory");
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

static inline uint32_t bm_in32(uint16_t port)
{
	uint32_t value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

/* --- firmware.c: what the loader and the ACPI tables tell ------------------------------------------------ */

struct bm_firmware {
	const char *command_line;
	uint64_t ram_first, ram_end; /* for us: above the image, below 4 GiB */
	unsigned cpu_count;
	uint8_t apic_ids[BM_CPUS_MAX]; /* of all processors, the one that booted first */
	uint16_t pm_timer; /* port of the ACPI timer */
	uint16_t pm1a_control, pm1b_control; /* ports; 0: none */
	uint16_t s5_a, s5_b; /* sleep types of power-off, in place */
	uint16_t reset_port; /* 0: none */
	uint8_t reset_value;
	bool can_power_off;
};

#define BM_PM_TIMER_HZ 3579545u

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

/* --- net.c: answers ARP, ping and UDP echo ------------------------------------------------------------------ */

struct hvg_driver;
extern const struct hvg_driver bm_net_driver;

/* --- net_bench.c: measures instead, when bench= is on the command line -------------------------------------------- */

extern const struct hvg_driver bm_net_bench_driver;
void bm_net_bench(void);

/* --- disk.c ------------------------------------------------------------------------------------------------- */

extern const struct hvg_driver bm_disk_driver;

#endif
#endif
