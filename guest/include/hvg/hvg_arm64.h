/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * arm64: hypercalls are HVC instructions, registers of the hypervisor are reached by hypercalls.
 * Included by hvos_port.h.
 */
#ifndef GUEST_INCLUDE_HVG_HVG_ARM64_H
#define GUEST_INCLUDE_HVG_HVG_ARM64_H

#include "hvg/hvg_features.h"
#include "hvp_hv.h"

/* Numbers of the hypervisor's registers. */
#define HVG_REG(name) HVP_REG_##name

/* A. As on x86-64; there is no page to call. */
static inline uint64_t hvg_arch_call(void *code, uint64_t control, uint64_t input, uint64_t output)
{
	register uint64_t x0 __asm__("x0") = HVP_SMCCC_HYPERCALL;
	register uint64_t x1 __asm__("x1") = control;
	register uint64_t x2 __asm__("x2") = input;
	register uint64_t x3 __asm__("x3") = output;

	(void)code;
	__asm__ volatile("hvc #0"
			 : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)
			 :
			 : "memory", "cc", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12",
			   "x13", "x14", "x15", "x16", "x17");
	return x0;
}

/* One register of this processor by the fast form, which has its result in x6; false: refused. */
static inline bool hvg_arm64_register(uint64_t code, uint32_t reg, uint64_t value, uint64_t got[2])
{
	register uint64_t x0 __asm__("x0") = HVP_SMCCC_HYPERCALL;
	register uint64_t x1 __asm__("x1") = code | HVP_CALL_FAST | 1ull << HVP_CALL_COUNT_SHIFT;
	register uint64_t x2 __asm__("x2") = HVP_PARTITION_SELF;
	register uint64_t x3 __asm__("x3") = HVP_VP_SELF;
	register uint64_t x4 __asm__("x4") = reg;
	register uint64_t x5 __asm__("x5") = 0;
	register uint64_t x6 __asm__("x6") = value;
	register uint64_t x7 __asm__("x7") = 0;

	__asm__ volatile("hvc #0"
			 : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3), "+r"(x4), "+r"(x5), "+r"(x6),
			   "+r"(x7)
			 :
			 : "memory", "cc", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15",
			   "x16", "x17");
	got[0] = x6;
	got[1] = x7;
	return (x0 & HVP_STATUS_MASK) == HVP_STATUS_SUCCESS;
}

/* A, on the processor whose register is meant. 0 when the hypervisor refuses. */
static inline uint64_t hvg_arch_get(uint32_t reg)
{
	uint64_t got[2];

	return hvg_arm64_register(HVP_CALL_GET_VP_REGISTERS, reg, 0, got) ? got[0] : 0;
}

static inline void hvg_arch_set(uint32_t reg, uint64_t value)
{
	uint64_t got[2];

	(void)hvg_arm64_register(HVP_CALL_SET_VP_REGISTERS, reg, value, got);
}

/* A. The counter that the reference TSC page scales; not before earlier loads, not after later ones. */
static inline uint64_t hvg_arch_clock(void)
{
	uint64_t count;

	__asm__ volatile("isb\n\tmrs %0, cntvct_el0\n\tisb" : "=r"(count) : : "memory");
	return count;
}

/*
 * A. False: no hypervisor with this interface. Other hypervisors refuse the call; where firmware has
 * no HVC at all the port must know it (the ACPI table FADT names the hypervisor) and not come here.
 */
static inline bool hvg_arch_detect(struct hvg_features *features)
{
	uint64_t got[2];

	if (!hvg_arm64_register(HVP_CALL_GET_VP_REGISTERS, HVP_REG_FEATURES, 0, got))
		return false;
	features->access = (uint32_t)got[0];
	features->privileges = (uint32_t)(got[0] >> 32);
	features->misc = (uint32_t)(got[1] >> 32);
	if (hvg_arm64_register(HVP_CALL_GET_VP_REGISTERS, HVP_REG_HINTS, 0, got))
		features->hints = (uint32_t)got[0];
	if (hvg_arm64_register(HVP_CALL_GET_VP_REGISTERS, HVP_REG_VERSION, 0, got)) {
		features->build = (uint32_t)got[0];
		features->version = (uint32_t)(got[0] >> 32);
	}
	return true;
}

#endif
