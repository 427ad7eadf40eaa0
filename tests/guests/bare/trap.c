/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Interrupts and exceptions.
 */
#include "bare.h"
#include "cpu.h"

#define GATE_INTERRUPT 0x8e00u
#define CODE64	       0x10u
#define MSR_GS_BASE    0xc0000101u
#define MSR_APIC_BASE  0x1bu
#define APIC_GPA       0xfee00000u
#define APIC_ENABLE    0x100u
#define SPURIOUS       0xffu
#define EXCEPTIONS     32

struct gate {
	uint16_t offset0, selector, flags, offset16;
	uint32_t offset32, reserved;
};

struct trap_frame {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};

struct trap_fixup {
	uint64_t at, resume;
};

extern const uint8_t trap_entries[256][16];
extern const struct trap_fixup trap_fixups[], trap_fixups_end[];

void trap_dispatch(struct trap_frame *frame);

static struct gate idt[256];

uint32_t apic_read(unsigned reg)
{
	return *(volatile uint32_t *)mem_at(APIC_GPA + reg);
}

void apic_write(unsigned reg, uint32_t value)
{
	*(volatile uint32_t *)mem_at(APIC_GPA + reg) = value;
}

bool apic_in_service(unsigned vector)
{
	return apic_read(APIC_ISR + vector / 32 * 0x10) >> vector % 32 & 1;
}

void apic_send(uint32_t apic_id, uint32_t icr)
{
	apic_write(APIC_ICR_HIGH, apic_id << 24);
	apic_write(APIC_ICR_LOW, icr);
}

static bool fix_up(struct trap_frame *frame)
{
	for (const struct trap_fixup *f = trap_fixups; f < trap_fixups_end; f++) {
		if (f->at == frame->rip) {
			frame->rip = f->resume;
			return true;
		}
	}
	return false;
}

void trap_dispatch(struct trap_frame *frame)
{
	struct cpu *cpu = cpu_this();
	unsigned vector = (unsigned)frame->vector;

	if (vector < EXCEPTIONS) {
		uint64_t address;

		if (fix_up(frame))
			return;
		__asm__ volatile("movq %%cr2, %0" : "=r"(address));
		machine_fail("exception %u, error 0x%lx, at 0x%lx, address 0x%lx", vector,
			     frame->error, frame->rip, address);
	}
	__atomic_fetch_add(&cpu->interrupts[vector], 1, __ATOMIC_RELEASE);
	if (vector != SPURIOUS && !cpu->no_eoi[vector])
		apic_write(APIC_EOI, 0);
}

void trap_init(void)
{
	for (unsigned i = 0; i < 256; i++) {
		uint64_t entry = mem_gpa(trap_entries[i]);

		idt[i] = (struct gate){
			.offset0 = (uint16_t)entry,
			.selector = CODE64,
			.flags = GATE_INTERRUPT,
			.offset16 = (uint16_t)(entry >> 16),
			.offset32 = (uint32_t)(entry >> 32),
		};
	}
}

void trap_init_cpu(struct cpu *cpu)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) pointer = { sizeof(idt) - 1, mem_gpa(idt) };

	cpu->self = cpu;
	cpu_wrmsr(MSR_GS_BASE, mem_gpa(cpu));
	__asm__ volatile("lidt %0" : : "m"(pointer));
	cpu_wrmsr(MSR_APIC_BASE, cpu_rdmsr(MSR_APIC_BASE) | 1u << 11);
	apic_write(APIC_SVR, APIC_ENABLE | SPURIOUS);
	apic_write(APIC_TPR, 0);
	cpu->apic_id = apic_read(APIC_ID) >> 24;
}
