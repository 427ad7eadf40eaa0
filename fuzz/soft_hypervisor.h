/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A hypervisor for the guest core on port/sim: registers and SynIC of each processor, hypercalls. What
 * it does not know itself, messages and doorbells, goes to a host behind it.
 *
 * Processors are numbered backwards for the host (virtual processor 0 is the last), so that a core which
 * takes one number for the other is found.
 */
#ifndef FUZZ_SOFT_HYPERVISOR_H
#define FUZZ_SOFT_HYPERVISOR_H

#include <hvh/hvh_mem.h>
#include <hvh/hvh_synic.h>

#include "hvp_hv.h"
#include "port/sim/sim.h"

/* The host behind it. Both return the hypercall's status. */
struct soft_host_ops {
	uint16_t (*post)(void *ctx, uint32_t connection_id, uint32_t type, const void *payload,
			 size_t len);
	uint16_t (*doorbell)(void *ctx, uint32_t connection_id);
};

struct soft_message {
	uint32_t type;
	uint8_t len;
	uint8_t bytes[HVP_MESSAGE_PAYLOAD_MAX];
};

struct soft_cpu {
	struct hvh_synic *synic;
	uint64_t scontrol, siefp, simp;
	uint64_t sint[HVP_SINT_COUNT];
	struct soft_message *queue; /* to the guest, oldest first */
	unsigned queued, capacity;
};

struct soft_hypervisor {
	/* For the test to set. */
	struct hvg_features features; /* filled in by soft_init() */
	bool absent; /* there is no hypervisor */
	bool no_hypercalls; /* the hypercall page cannot be enabled */
	bool refuse_tsc_page; /* the page says that it is not valid */
	struct hvg_soft_hypervisor table; /* filled in by soft_init() */

	/* For the test to read. */
	uint64_t os_id, hypercall, reference_tsc;
	uint64_t crash[HVP_CRASH_PARAMETERS], crash_control;
	unsigned crashes;

	/* Private. */
	struct hvh_mem *mem;
	unsigned cpus;
	struct soft_cpu cpu[SIM_CPUS_MAX];
	const struct soft_host_ops *ops;
	void *ctx;
};

void soft_init(struct soft_hypervisor *soft, struct hvh_mem *mem, unsigned cpus,
	       const struct soft_host_ops *ops, void *ctx);
void soft_fini(struct soft_hypervisor *soft);

/* The memory as sim_config.arena wants it. */
struct sim_arena soft_arena(const struct hvh_mem *mem);

/* Has a simulated guest run on it, in its memory. */
void soft_configure(struct soft_hypervisor *soft, struct sim_config *config);

/* A message of any type, put into the slot when it is free; more than the slot holds wait. */
void soft_message(struct soft_hypervisor *soft, uint32_t vp, uint32_t type, const void *bytes,
		  size_t len);

/* Set an event flag of the VMBus SINT, and interrupt. */
void soft_event(struct soft_hypervisor *soft, uint32_t vp, uint32_t flag);

/* Messages that wait for the guest. */
unsigned soft_queued(const struct soft_hypervisor *soft);

/* Pages of guest memory that it has mapped. */
unsigned soft_mapped(const struct soft_hypervisor *soft);

/* What the host takes for the partition's reference time now. */
uint64_t soft_reference(void);

#endif
