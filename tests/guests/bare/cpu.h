/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Instructions, and the processors of the bare guest: exceptions that a test expects, interrupts,
 * work on other processors.
 */
#ifndef TESTS_GUESTS_BARE_CPU_H
#define TESTS_GUESTS_BARE_CPU_H

#include <stdbool.h>
#include <stdint.h>

#define CPUS_MAX 16

/* Vectors: of the SINTs under test, of timers in direct mode, of IPIs, and to wake a processor for work. */
#define VECTOR_SINT  0x40
#define VECTOR_TIMER 0x50
#define VECTOR_IPI   0x60
#define VECTOR_WAKE  0xf0

/* --- instructions --------------------------------------------------------------------------------- */

static inline uint64_t cpu_rdmsr(uint32_t msr)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
	return low | (uint64_t)high << 32;
}

static inline void cpu_wrmsr(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr"
			 :
			 : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory");
}

/* An instruction at 1 that may fault: then the processor goes on at 2, and `fault` stays 1. */
#define TRAP_FIXUP                                                                                 \
	"\n2:\n"                                                                                   \
	".pushsection .trap_fixups, \"a\"\n"                                                       \
	".quad 1b, 2b\n"                                                                           \
	".popsection\n"

/* False: it faulted. */
static inline bool cpu_try_rdmsr(uint32_t msr, uint64_t *value)
{
	uint32_t low = 0, high = 0, fault = 1;

	__asm__ volatile("1: rdmsr\n\txorl %[fault], %[fault]" TRAP_FIXUP
			 : "+a"(low), "+d"(high), [fault] "+r"(fault)
			 : "c"(msr)
			 : "memory", "cc");
	*value = low | (uint64_t)high << 32;
	return !fault;
}

static inline bool cpu_try_wrmsr(uint32_t msr, uint64_t value)
{
	uint32_t fault = 1;

	__asm__ volatile("1: wrmsr\n\txorl %[fault], %[fault]" TRAP_FIXUP
			 : [fault] "+r"(fault)
			 : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory", "cc");
	return !fault;
}

static inline uint8_t cpu_in8(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline uint16_t cpu_in16(uint16_t port)
{
	uint16_t value;

	__asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline uint32_t cpu_in32(uint16_t port)
{
	uint32_t value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline void cpu_out8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void cpu_out16(uint16_t port, uint16_t value)
{
	__asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static inline void cpu_out32(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint64_t cpu_rdtsc(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence\n\trdtsc" : "=a"(low), "=d"(high) : : "memory");
	return low | (uint64_t)high << 32;
}

struct cpuid {
	uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid cpu_cpuid(uint32_t leaf)
{
	struct cpuid r;

	__asm__ volatile("cpuid"
			 : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
			 : "a"(leaf), "c"(0));
	return r;
}

static inline void cpu_pause(void)
{
	__asm__ volatile("pause" : : : "memory");
}

static inline void cpu_irq_on(void)
{
	__asm__ volatile("sti" : : : "memory");
}

static inline void cpu_irq_off(void)
{
	__asm__ volatile("cli" : : : "memory");
}

/* Sleep until an interrupt; they are off before and after. */
static inline void cpu_sleep(void)
{
	__asm__ volatile("sti\n\thlt\n\tcli" : : : "memory");
}

/* --- the processors ------------------------------------------------------------------------------- */

struct hvp_synic_event_page;
struct hvp_synic_message_page;

struct cpu {
	struct cpu *self; /* first: what the gs register points to */
	unsigned index; /* in the order of the MADT, the boot processor first */
	uint32_t apic_id;
	uint32_t vp_index;
	void *input; /* a page for hypercall input */
	struct hvp_synic_message_page *messages; /* while its SynIC is on */
	struct hvp_synic_event_page *events;
	uint32_t interrupts[256]; /* of each vector; read with cpu_interrupts() */
	bool no_eoi[256]; /* the handler leaves the interrupt in service */
	void (*work)(void *arg);
	void *arg;
	bool ready;
};

extern struct cpu cpus[CPUS_MAX];
extern unsigned cpu_count;

static inline struct cpu *cpu_this(void)
{
	struct cpu *cpu;

	__asm__ volatile("movq %%gs:0, %0" : "=r"(cpu));
	return cpu;
}

static inline uint32_t cpu_interrupts(const struct cpu *cpu, unsigned vector)
{
	return __atomic_load_n(&cpu->interrupts[vector], __ATOMIC_ACQUIRE);
}

/* --- trap.c --------------------------------------------------------------------------------------- */

/* Interrupts are counted, and ended unless no_eoi says otherwise. An unexpected exception ends the guest. */
void trap_init(void);

/* This processor's interrupt table, per-processor pointer and local APIC. */
void trap_init_cpu(struct cpu *cpu);

#define APIC_ID	       0x020
#define APIC_TPR       0x080
#define APIC_EOI       0x0b0
#define APIC_SVR       0x0f0
#define APIC_ISR       0x100
#define APIC_ICR_LOW   0x300
#define APIC_ICR_HIGH  0x310
#define APIC_LVT_TIMER 0x320
#define APIC_TIMER     0x380
#define APIC_TIMER_NOW 0x390
#define APIC_TIMER_DIV 0x3e0
uint32_t apic_read(unsigned reg);
void apic_write(unsigned reg, uint32_t value);

/* True: an interrupt with that vector is in service on this processor. */
bool apic_in_service(unsigned vector);

/* A fixed interrupt, or another kind by the bits of the ICR. */
void apic_send(uint32_t apic_id, uint32_t icr);

/* --- smp.c ---------------------------------------------------------------------------------------- */

/* Start all processors of the MADT; ends the guest if one does not come. */
void smp_start(void);

/* Run a function on a processor, also on this one, and wait for its end. */
void smp_run(unsigned cpu, void (*work)(void *arg), void *arg);

/* On all processors at once. */
void smp_run_all(void (*work)(void *arg), void *arg);

#endif
