/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * x86-64: registers of the hypervisor are MSRs, hypercalls a call into the page that it filled.
 * Included by hvos_port.h.
 */
#ifndef GUEST_INCLUDE_HVG_HVG_X86_H
#define GUEST_INCLUDE_HVG_HVG_X86_H

#include "hvg/hvg_features.h"
#include "hvp_hv.h"

/* Numbers of the hypervisor's registers. */
#define HVG_REG(name) HVP_MSR_##name

/* Hypercalls go through a page that the guest provides. */
#define HVG_HYPERCALL_PAGE

/* A, on the processor whose register is meant. Only registers whose feature is announced. */
static inline uint64_t hvg_arch_get(uint32_t reg)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(reg) : "memory");
	return (uint64_t)high << 32 | low;
}

static inline void hvg_arch_set(uint32_t reg, uint64_t value)
{
	__asm__ volatile("wrmsr"
			 :
			 : "c"(reg), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory");
}

/*
 * A. Hypercall: both forms put their parameters in the same registers: addresses of the input and
 * output blocks, or the two words of a fast call. `code` is the hypercall page. The status is in the
 * low 16 bits of the result.
 */
static inline uint64_t hvg_arch_call(void *code, uint64_t control, uint64_t input, uint64_t output)
{
	register uint64_t r8 __asm__("r8") = output;
	uint64_t result;

	__asm__ volatile("call *%[code]"
			 : "=a"(result), "+c"(control), "+d"(input), "+r"(r8)
			 : [code] "r"(code)
			 : "memory", "cc", "r9", "r10", "r11");
	return result;
}

/* A. The counter that the reference TSC page scales; not before earlier loads, not after later ones. */
static inline uint64_t hvg_arch_clock(void)
{
	uint32_t low, high;

	__asm__ volatile("lfence\n\trdtsc\n\tlfence" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

static inline void hvg_arch_cpuid(uint32_t leaf, uint32_t r[4])
{
	__asm__ volatile("cpuid"
			 : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
			 : "a"(leaf), "c"(0));
}

/* A. False: no hypervisor with this interface. */
static inline bool hvg_arch_detect(struct hvg_features *features)
{
	uint32_t r[4], highest;

	hvg_arch_cpuid(1, r);
	if (!(r[2] & 1u << 31))
		return false;
	hvg_arch_cpuid(HVP_CPUID_VENDOR, r);
	highest = r[0];
	if (r[1] != HVP_VENDOR_EBX || r[2] != HVP_VENDOR_ECX || r[3] != HVP_VENDOR_EDX ||
	    highest < HVP_CPUID_LIMITS || highest >= HVP_CPUID_VENDOR + 0x10000u)
		return false;
	hvg_arch_cpuid(HVP_CPUID_INTERFACE, r);
	if (r[0] != HVP_INTERFACE_HV1)
		return false;
	hvg_arch_cpuid(HVP_CPUID_VERSION, r);
	features->build = r[0];
	features->version = r[1];
	hvg_arch_cpuid(HVP_CPUID_FEATURES, r);
	features->access = r[0];
	features->privileges = r[1];
	features->misc = r[3];
	hvg_arch_cpuid(HVP_CPUID_HINTS, r);
	features->hints = r[0];
	return true;
}

#endif
