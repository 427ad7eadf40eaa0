/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Processors: interrupts, the clock, calls from one to another.
 */
#include "bm.h"

#include "hvw_shared.h"

#define TRAMPOLINE 0x8000u
#define TICK_HZ	   250u

struct cpu {
	uint32_t online; /* 1: takes calls */
	uint32_t in_interrupt; /* the hypervisor's: nesting */
	uint32_t called; /* 1: a call is not over */
	hvos_fn call; /* NULL: none, or taken */
	void *call_ctx;
};

static struct cpu cpus[BM_CPUS_MAX];
static uint64_t tsc_hz;
static bm_vector_fn *vector_fns[256];
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

static void apic_send(unsigned cpu, uint32_t what)
{
	bool on = bm_interrupts_off();

	bm_apic_write(APIC_ICR_HIGH, (uint32_t)bm_firmware.apic_ids[cpu] << 24);
	bm_apic_write(APIC_ICR_LOW, what);
	while (bm_apic_read(APIC_ICR_LOW) & APIC_BUSY)
		;
	bm_interrupts_restore(on);
}

/* Its stack tells. */
unsigned bm_cpu_current(void)
{
	const uint8_t *here = __builtin_frame_address(0);

	return (unsigned)((size_t)(here - bm_stacks[0]) / BM_STACK_BYTES);
}

/* --- interrupts ------------------------------------------------------------------------------------- */

static void on_hypervisor(struct bm_frame *frame)
{
	unsigned cpu = bm_cpu_current();

	(void)frame;
	__atomic_fetch_add(&cpus[cpu].in_interrupt, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&hypervisor_fn, __ATOMIC_ACQUIRE))
		hypervisor_fn(hypervisor_ctx, cpu);
	__atomic_fetch_sub(&cpus[cpu].in_interrupt, 1, __ATOMIC_SEQ_CST);
	bm_apic_write(APIC_EOI, 0);
}

/* Ended first: a call may take long and let interrupts in. */
static void on_call(struct bm_frame *frame)
{
	struct cpu *cpu = &cpus[bm_cpu_current()];
	hvos_fn call = __atomic_exchange_n(&cpu->call, NULL, __ATOMIC_ACQUIRE);

	(void)frame;
	bm_apic_write(APIC_EOI, 0);
	if (!call)
		return;
	call(cpu->call_ctx);
	__atomic_store_n(&cpu->called, 0, __ATOMIC_RELEASE);
}

static void on_tick(struct bm_frame *frame)
{
	(void)frame;
	bm_tick();
	bm_apic_write(APIC_EOI, 0);
}

void bm_vector_set(uint8_t vector, bm_vector_fn *fn)
{
	vector_fns[vector] = fn;
}

void bm_interrupt(struct bm_frame *frame)
{
	bm_vector_fn *fn = vector_fns[frame->vector];

	if (fn) {
		fn(frame);
	} else if (frame->vector < BM_EXCEPTIONS) {
		bm_printf("exception %lu, error 0x%lx, at 0x%lx on processor %u\n", frame->vector,
			  frame->error, frame->rip, bm_cpu_current());
		bm_halt();
	} else if (frame->vector != BM_VECTOR_SPURIOUS) {
		bm_apic_write(APIC_EOI, 0);
	}
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
		uint64_t entry = (uint64_t)(uintptr_t)bm_vectors[i];

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
	bm_vector_set(BM_VECTOR_HYPERVISOR, on_hypervisor);
	bm_vector_set(BM_VECTOR_CALL, on_call);
	bm_vector_set(BM_VECTOR_TICK, on_tick);
}

/* --- clock ------------------------------------------------------------------------------------------ */

/*
 * What the APIC's timer and the TSC count in 1/50 s, measured at once. A virtual processor may be off
 * its real one meanwhile, so where the hypervisor tells the TSC's frequency, that counts.
 */
static void calibrate(uint32_t *apic_ticks)
{
	uint32_t first = bm_in32(bm_firmware.pm_timer), ticks;
	uint64_t tsc = hvg_arch_clock();
	struct hvg_features features;

	bm_apic_write(APIC_DIVIDE, APIC_DIVIDE_16);
	bm_apic_write(APIC_COUNT, 0xffffffffu);
	do
		ticks = (bm_in32(bm_firmware.pm_timer) - first) & 0xffffffu;
	while (ticks < BM_PM_TIMER_HZ / 50);
	tsc_hz = (hvg_arch_clock() - tsc) * BM_PM_TIMER_HZ / ticks;
	*apic_ticks = 0xffffffffu - bm_apic_read(APIC_NOW);
	if (hvg_arch_detect(&features) && features.access & HVP_ACCESS_FREQUENCY &&
	    features.misc & HVP_FEATURE_FREQUENCY)
		tsc_hz = hvg_arch_get(HVP_MSR_TSC_FREQUENCY);
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
		bm_pause();
}

/* --- start ------------------------------------------------------------------------------------------ */

static void init_cpu(void)
{
	load_idt();
	bm_apic_write(APIC_SPURIOUS, APIC_ENABLE | BM_VECTOR_SPURIOUS);
	__atomic_store_n(&cpus[bm_cpu_current()].online, 1, __ATOMIC_RELEASE);
}

/* The other processors do nothing but take interrupts. One that comes late, after the next, has the wrong number. */
void bm_main_cpu(void)
{
	if (bm_apic_read(APIC_ID) >> 24 != bm_firmware.apic_ids[bm_cpu_current()])
		bm_halt();
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
	end_ns = hvos_now_ns() + 10000000000u;
	while (!hvos_cpu_online(cpu) && hvos_now_ns() < end_ns)
		bm_pause();
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
	for (cpu = 1; cpu < bm_firmware.cpu_count; cpu++)
		start_cpu(cpu);
	bm_apic_write(APIC_TIMER, APIC_PERIODIC | BM_VECTOR_TICK);
	bm_apic_write(APIC_COUNT, apic_ticks * 50 / TICK_HZ);
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

/* Only processor 0 calls, so the box is empty. A processor that is halted for good would be a bug of ours. */
void bm_call_start(unsigned cpu, hvos_fn fn, void *ctx)
{
	cpus[cpu].call_ctx = ctx;
	cpus[cpu].called = 1;
	__atomic_store_n(&cpus[cpu].call, fn, __ATOMIC_RELEASE);
	apic_send(cpu, APIC_FIXED | BM_VECTOR_CALL);
}

void bm_call_wait(unsigned cpu)
{
	while (__atomic_load_n(&cpus[cpu].called, __ATOMIC_ACQUIRE))
		bm_pause();
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
	bm_call_start(cpu, fn, ctx);
	bm_call_wait(cpu);
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
			bm_pause();
}
