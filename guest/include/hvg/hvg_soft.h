/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A hypervisor that is a table of functions, for ports that run in a process: tests, fuzzing, benches.
 * Included by hvos_port.h.
 */
#ifndef GUEST_INCLUDE_HVG_HVG_SOFT_H
#define GUEST_INCLUDE_HVG_HVG_SOFT_H

#include "hvg/hvg_features.h"
#include "hvp_hv.h"

/* Numbers of the hypervisor's registers. */
#define HVG_REG(name) HVP_MSR_##name

/* As x86-64 has it. */
#define HVG_HYPERCALL_PAGE

/* Called on the thread that plays the virtual processor whose registers are meant. */
struct hvg_soft_hypervisor {
	bool (*detect)(void *ctx, struct hvg_features *features);
	uint64_t (*get)(void *ctx, uint32_t reg);
	void (*set)(void *ctx, uint32_t reg, uint64_t value);
	uint64_t (*call)(void *ctx, uint64_t control, uint64_t input, uint64_t output);
	uint64_t (*clock)(void *ctx);
	void *ctx;
};

/* Given by the port: the one that this thread runs under. */
const struct hvg_soft_hypervisor *hvg_soft_hypervisor(void);

static inline uint64_t hvg_arch_get(uint32_t reg)
{
	const struct hvg_soft_hypervisor *soft = hvg_soft_hypervisor();

	return soft->get(soft->ctx, reg);
}

static inline void hvg_arch_set(uint32_t reg, uint64_t value)
{
	const struct hvg_soft_hypervisor *soft = hvg_soft_hypervisor();

	soft->set(soft->ctx, reg, value);
}

static inline uint64_t hvg_arch_call(void *code, uint64_t control, uint64_t input, uint64_t output)
{
	const struct hvg_soft_hypervisor *soft = hvg_soft_hypervisor();

	(void)code;
	return soft->call(soft->ctx, control, input, output);
}

static inline uint64_t hvg_arch_clock(void)
{
	const struct hvg_soft_hypervisor *soft = hvg_soft_hypervisor();

	return soft->clock(soft->ctx);
}

static inline bool hvg_arch_detect(struct hvg_features *features)
{
	const struct hvg_soft_hypervisor *soft = hvg_soft_hypervisor();

	return soft && soft->detect(soft->ctx, features);
}

#endif
