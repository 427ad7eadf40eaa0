/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Processors: interrupts, the clock, calls from one to another.
 */
#include "bm.h"

#include "hvw_shared.h"

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

#define TRAMPOLINE 0x8000u

/* The interval timer's channel 2 measures the other clocks. */
#define PIT_HZ		1193182u
#define PIT_COMMAND	0x43
#define PIT_CHANNEL2	0x42
#define PIT_GATE	0x61
#define PIT_OUT		(1u << 5)
#define CALIBRATE_TICKS (PIT_HZ / 50)
#define TICK_HZ		250u

struct cpu {
	uint32_t online; /* 1: takes calls */
	uint32_t in_interrupt; /* nesting */
	hvos_fn call; /* asked by processor 0; NULL: done */
	void *call_ctx;
};

static struct cpu cpus[BM_CPUS_MAX];
static uint64_t tsc_hz;
static hvos_interrupt_fn hypervisor_fn;
static void *hypervisor_ctx;

struct gate {
	uint16_t offset_low, selector;
	uint8_t stack, type;
	uint16_t offset_middle;
	uint32_t offset_high, zero;
};
static struct gate idt[256] __attribute__((aligned(16)));

/* --- local APIC ------------------------------------------------------------------------------------ */

static uint32_t apic_read(uint32_t reg)
{
	return *(volatile uint32_t *)(uintptr_t)(APIC + reg);
}

static void apic_write(uint32_t reg, uint32_t value)
{
	*(volatile uint32_t *)(uintptr_t)(APIC + reg) = value;
}

static void apic_send(unsigned cpu, uint32_t what)
{
	bool on = bm_interrupts_off();

	apic_write(APIC_ICR_HIGH, (uint32_t)bm_firmware.apic_ids[cpu] << 24);
	apic_write(APIC_ICR_LOW, what);
	while (apic_read(APIC_ICR_LOW) & APIC_BUSY)
		;
	bm_interrupts_restore(on);
}

unsigned bm_cpu_current(void)
{
	uint8_t id = (uint8_t)(apic_read(APIC_ID) >> 24);
	unsigned cpu;

	for (cpu = 0; cpu < bm_firmware.cpu_count; cpu++)
		if (bm_firmware.apic_ids[cpu] == id)
			return cpu;
	return 0;
}

/* --- interrupts ------------------------------------------------------------------------------------- */

static void take_call(struct cpu *cpu)
{
	hvos_fn call = __atomic_load_n(&cpu->call, __ATOMIC_ACQUIRE);

	if (!call)
		return;
	call(cpu->call_ctx);
	__atomic_store_n(&cpu->call, NULL, __ATOMIC_RELEASE);
}

void bm_interrupt(uint64_t vector, uint64_t error, uint64_t rip)
{
	unsigned index = bm_cpu_current();
	struct cpu *cpu = &cpus[index];

	if (vector < 32) {
		bm_printf("exception %lu, error 0x%lx, at 0x%lx on processor %u\n", vector, error,
			  rip, index);
		bm_halt();
	}
	__atomic_fetch_add(&cpu->in_interrupt, 1, __ATOMIC_SEQ_CST);
	switch (vector) {
	case BM_VECTOR_HYPERVISOR:
		if (__atomic_load_n(&hypervisor_fn, __ATOMIC_ACQUIRE))
			hypervisor_fn(hypervisor_ctx, index);
		break;
	case BM_VECTOR_CALL:
		take_call(cpu);
		break;
	case BM_VECTOR_TICK:
		bm_tick();
		break;
	default:
		break;
	}
	__atomic_fetch_sub(&cpu->in_interrupt, 1, __ATOMIC_SEQ_CST);
	if (vector != BM_VECTOR_SPURIOUS)
		apic_write(APIC_EOI, 0);
}

static void load_idt(void)
{
	struct __attribute__((packed)) {
		uint16_t limit;
		uint64_t base;
	} idtr = { sizeof(idt) - 1, (uint64_t)(uintptr_t)idt };

	__asm__ volatile("lidt %0" : : "m"(idtr));
}

static void init_idt(void)
{
	unsigned i;

	for (i = 0; i < 256; i++) {
		uint64_t entry = bm_vectors[i];

		idt[i] = (struct gate){
			.offset_low = (uint16_t)entry,
			.selector = 0x08,
			.type = 0x8e, /* interrupt gate, present */
			.offset_middle = (uint16_t)(entry >> 16),
			.offset_high = (uint32_t)(entry >> 32),
		};
	}
	/* The old interrupt controllers are silent for good. */
	bm_out8(0x21, 0xff);
	bm_out8(0xa1, 0xff);
	load_idt();
}

/* --- clock ------------------------------------------------------------------------------------------ */

/*
 * What the APIC's timer and the TSC count in 1/50 s, measured at once. A virtual processor may be off
 * its real one meanwhile, so where the hypervisor tells the TSC's frequency, that counts.
 */
static void calibrate(uint32_t *apic_ticks)
{
	struct hvg_features features;
	uint64_t tsc;

	apic_write(APIC_DIVIDE, APIC_DIVIDE_16);
	bm_out8(PIT_GATE, (uint8_t)((bm_in8(PIT_GATE) & ~0x2u) | 0x1u));
	bm_out8(PIT_COMMAND, 0xb0); /* channel 2, both bytes, mode 0: its output rises at the end */
	bm_out8(PIT_CHANNEL2, (uint8_t)CALIBRATE_TICKS);
	bm_out8(PIT_CHANNEL2, (uint8_t)(CALIBRATE_TICKS >> 8));
	apic_write(APIC_COUNT, 0xffffffffu);
	tsc = hvg_arch_clock();
	while (!(bm_in8(PIT_GATE) & PIT_OUT))
		;
	tsc_hz = (hvg_arch_clock() - tsc) * 50;
	if (hvg_arch_detect(&features) && features.access & HVP_ACCESS_FREQUENCY &&
	    features.misc & HVP_FEATURE_FREQUENCY)
		tsc_hz = hvg_arch_get(HVP_MSR_TSC_FREQUENCY);
	*apic_ticks = 0xffffffffu - apic_read(APIC_NOW);
}

uint64_t bm_tsc_to_ns(uint64_t tsc)
{
	return tsc / tsc_hz * 1000000000u + tsc % tsc_hz * 1000000000u / tsc_hz;
}

uint64_t hvos_now_ns(void)
{
	return bm_tsc_to_ns(hvg_arch_clock());
}

void hvos_delay_us(uint32_t us)
{
	uint64_t end_ns = hvos_now_ns() + us * 1000ull;

	while (hvos_now_ns() < end_ns)
		__asm__ volatile("pause");
}

/* --- start ------------------------------------------------------------------------------------------ */

static void init_cpu(void)
{
	load_idt();
	apic_write(APIC_SPURIOUS, APIC_ENABLE | BM_VECTOR_SPURIOUS);
	__atomic_store_n(&cpus[bm_cpu_current()].online, 1, __ATOMIC_RELEASE);
}

/* The other processors do nothing but take interrupts. */
void bm_main_cpu(void)
{
	init_cpu();
	for (;;)
		__asm__ volatile("sti\n\thlt" : : : "memory");
}

static void start_cpu(unsigned cpu)
{
	uint64_t end_ns;

	apic_send(cpu, APIC_INIT);
	hvos_delay_us(10000);
	apic_send(cpu, APIC_STARTUP | TRAMPOLINE >> 12);
	end_ns = hvos_now_ns() + 1000000000u;
	while (!hvos_cpu_online(cpu) && hvos_now_ns() < end_ns)
		__asm__ volatile("pause");
	if (!hvos_cpu_online(cpu))
		bm_printf("processor %u does not start\n", cpu);
}

void bm_cpu_init(void)
{
	uint32_t apic_ticks;
	unsigned cpu;

	init_idt();
	init_cpu();
	calibrate(&apic_ticks);
	hvw_memcpy((void *)(uintptr_t)TRAMPOLINE, bm_trampoline,
		   (size_t)(bm_trampoline_end - bm_trampoline));
	for (cpu = 0; cpu < bm_firmware.cpu_count; cpu++)
		if (cpu != bm_cpu_current())
			start_cpu(cpu);
	apic_write(APIC_TIMER, APIC_PERIODIC | BM_VECTOR_TICK);
	apic_write(APIC_COUNT, apic_ticks * 50 / TICK_HZ);
	bm_interrupts_restore(true);
}

/* --- services ---------------------------------------------------------------------------------------- */

unsigned hvos_cpu_count(void)
{
	return bm_firmware.cpu_count;
}

bool hvos_cpu_online(unsigned cpu)
{
	return cpu < BM_CPUS_MAX && __atomic_load_n(&cpus[cpu].online, __ATOMIC_ACQUIRE);
}

int hvos_cpu_call(unsigned cpu, hvos_fn fn, void *ctx)
{
	bool on;

	if (!hvos_cpu_online(cpu))
		return -ENODEV;
	if (cpu == bm_cpu_current()) {
		on = bm_interrupts_off();
		fn(ctx);
		bm_interrupts_restore(on);
		return 0;
	}
	/* Only processor 0 calls, so the box is empty. A processor that is halted for good would be a bug of ours. */
	cpus[cpu].call_ctx = ctx;
	__atomic_store_n(&cpus[cpu].call, fn, __ATOMIC_RELEASE);
	apic_send(cpu, APIC_FIXED | BM_VECTOR_CALL);
	while (__atomic_load_n(&cpus[cpu].call, __ATOMIC_ACQUIRE))
		__asm__ volatile("pause");
	return 0;
}

int hvos_interrupt_start(hvos_interrupt_fn fn, void *ctx, uint8_t *vector)
{
	hypervisor_ctx = ctx;
	__atomic_store_n(&hypervisor_fn, fn, __ATOMIC_RELEASE);
	*vector = BM_VECTOR_HYPERVISOR;
	return 0;
}

void hvos_interrupt_stop(void)
{
	__atomic_store_n(&hypervisor_fn, NULL, __ATOMIC_RELEASE);
	hvos_interrupt_drain();
}

/* Interrupts of processor 0 do not run while its thread does. */
void hvos_interrupt_drain(void)
{
	unsigned cpu;

	for (cpu = 0; cpu < bm_firmware.cpu_count; cpu++)
		while (cpu != bm_cpu_current() &&
		       __atomic_load_n(&cpus[cpu].in_interrupt, __ATOMIC_SEQ_CST))
			__asm__ volatile("pause");
}
