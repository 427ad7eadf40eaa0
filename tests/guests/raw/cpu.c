/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "raw.h"

#define APIC_ISR 0x100 /* in service: 32 vectors every 16 bytes */

struct cpu cpus[BM_CPUS_MAX];

/* --- exceptions and interrupts -------------------------------------------------------------------- */

/* An instruction at 1 that may fault: then the processor goes on at 2, and `fault` stays 1. The linker names the list's ends. */
#define FIXUP                                                                                      \
	"\n2:\n"                                                                                   \
	".pushsection fixups, \"a\"\n"                                                             \
	".quad 1b, 2b\n"                                                                           \
	".popsection\n"

struct fixup {
	uint64_t at, resume;
};

extern const struct fixup __start_fixups[], __stop_fixups[];

static void on_exception(struct bm_frame *frame)
{
	const struct fixup *fixup;
	uint64_t address;

	for (fixup = __start_fixups; fixup < __stop_fixups; fixup++) {
		if (fixup->at == frame->rip) {
			frame->rip = fixup->resume;
			return;
		}
	}
	__asm__ volatile("movq %%cr2, %0" : "=r"(address));
	tap_bail_out("exception %lu, error 0x%lx, at 0x%lx, address 0x%lx", frame->vector,
		     frame->error, frame->rip, address);
}

static void on_interrupt(struct bm_frame *frame)
{
	struct cpu *cpu = cpu_this();

	__atomic_fetch_add(&cpu->interrupts[frame->vector], 1, __ATOMIC_RELEASE);
	if (!cpu->no_eoi[frame->vector])
		bm_apic_write(APIC_EOI, 0);
}

bool cpu_in_service(unsigned vector)
{
	return bm_apic_read(APIC_ISR + vector / 32 * 0x10) >> vector % 32 & 1;
}

bool cpu_try_get(uint32_t msr, uint64_t *value)
{
	uint32_t low = 0, high = 0, fault = 1;

	__asm__ volatile("1: rdmsr\n\txorl %[fault], %[fault]" FIXUP
			 : "+a"(low), "+d"(high), [fault] "+r"(fault)
			 : "c"(msr)
			 : "memory", "cc");
	*value = low | (uint64_t)high << 32;
	return !fault;
}

bool cpu_try_set(uint32_t msr, uint64_t value)
{
	uint32_t fault = 1;

	__asm__ volatile("1: wrmsr\n\txorl %[fault], %[fault]" FIXUP
			 : [fault] "+r"(fault)
			 : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory", "cc");
	return !fault;
}

void cpu_init(void)
{
	for (unsigned vector = 0; vector < BM_EXCEPTIONS; vector++)
		bm_vector_set((uint8_t)vector, on_exception);
	for (unsigned vector = VECTOR_SINT; vector < BM_VECTOR_SPURIOUS; vector++)
		bm_vector_set((uint8_t)vector, on_interrupt);
	for (unsigned i = 0; i < hvos_cpu_count(); i++) {
		cpus[i].index = i;
		if (!hvos_cpu_online(i))
			tap_bail_out("processor %u does not start", i);
	}
}

/* --- work on other processors --------------------------------------------------------------------- */

struct job {
	hvos_fn work;
	void *arg;
};

/* In the port's interrupt for calls, but open to others. */
static void run_job(void *ctx)
{
	const struct job *job = ctx;

	bm_interrupts_restore(true);
	job->work(job->arg);
	(void)bm_interrupts_off();
}

void cpu_run(unsigned cpu, hvos_fn work, void *arg)
{
	struct job job = { work, arg };

	if (cpu == bm_cpu_current()) {
		work(arg);
		return;
	}
	bm_call_start(cpu, run_job, &job);
	bm_call_wait(cpu);
}

void cpu_run_all(hvos_fn work, void *arg)
{
	struct job job = { work, arg };

	for (unsigned i = 1; i < hvos_cpu_count(); i++)
		bm_call_start(i, run_job, &job);
	work(arg);
	for (unsigned i = 1; i < hvos_cpu_count(); i++)
		bm_call_wait(i);
}
