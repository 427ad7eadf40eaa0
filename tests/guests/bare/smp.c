/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The other processors: started by INIT and SIPI, then asleep until there is work.
 */
#include "bare.h"
#include "cpu.h"
#include "hvp_hv.h"

#define START_GPA   0x8000u /* below 1 MiB, clear of the PVH boot data */
#define STACK_PAGES 4
#define ICR_INIT    0x4500u
#define ICR_STARTUP 0x4600u
#define START_MS    10000

extern const uint8_t ap_start[], ap_start_end[];
extern uint64_t ap_stack;

void smp_ap_main(void);

struct cpu cpus[CPUS_MAX];
unsigned cpu_count;

/* With interrupts off but while asleep, work that comes between the look and the sleep still wakes. */
void smp_ap_main(void)
{
	struct cpu *cpu = &cpus[cpu_count];

	trap_init_cpu(cpu);
	__atomic_store_n(&cpu->ready, true, __ATOMIC_RELEASE);
	for (;;) {
		void (*work)(void *arg) = __atomic_load_n(&cpu->work, __ATOMIC_ACQUIRE);

		if (!work) {
			cpu_sleep();
			continue;
		}
		cpu_irq_on();
		work(cpu->arg);
		cpu_irq_off();
		__atomic_store_n(&cpu->work, NULL, __ATOMIC_RELEASE);
	}
}

static void start_cpu(uint32_t apic_id)
{
	struct cpu *cpu = &cpus[cpu_count];

	if (apic_id == cpus[0].apic_id)
		return;
	if (cpu_count == CPUS_MAX)
		machine_fail("more than %u processors", CPUS_MAX);
	cpu->index = cpu_count;
	ap_stack = mem_gpa(mem_pages(STACK_PAGES)) + STACK_PAGES * HVP_PAGE_SIZE;
	apic_send(apic_id, ICR_INIT);
	time_wait(10 * TICKS_PER_MS);
	apic_send(apic_id, ICR_STARTUP | START_GPA / HVP_PAGE_SIZE);
	if (!TIME_UNTIL(__atomic_load_n(&cpu->ready, __ATOMIC_ACQUIRE), START_MS * TICKS_PER_MS))
		machine_fail("the processor with APIC id %u does not start", apic_id);
	cpu_count++;
}

void smp_start(void)
{
	__builtin_memcpy(mem_at(START_GPA), ap_start, (size_t)(ap_start_end - ap_start));
	cpu_count = 1;
	cpus[0].ready = true;
	machine_each_cpu(start_cpu);
}

static void give(struct cpu *cpu, void (*work)(void *arg), void *arg)
{
	cpu->arg = arg;
	__atomic_store_n(&cpu->work, work, __ATOMIC_RELEASE);
	apic_send(cpu->apic_id, VECTOR_WAKE);
}

static void await(struct cpu *cpu)
{
	while (__atomic_load_n(&cpu->work, __ATOMIC_ACQUIRE))
		cpu_pause();
}

void smp_run(unsigned index, void (*work)(void *arg), void *arg)
{
	if (index == cpu_this()->index) {
		work(arg);
		return;
	}
	give(&cpus[index], work, arg);
	await(&cpus[index]);
}

void smp_run_all(void (*work)(void *arg), void *arg)
{
	unsigned own = cpu_this()->index;

	for (unsigned i = 0; i < cpu_count; i++)
		if (i != own)
			give(&cpus[i], work, arg);
	work(arg);
	for (unsigned i = 0; i < cpu_count; i++)
		if (i != own)
			await(&cpus[i]);
}
