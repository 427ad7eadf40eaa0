/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The hypervisor below VMBus: its announced features, hypercalls, the clock, and the SynIC of each
 * processor, which brings messages and event flags.
 *
 * Keys: (c) const after hvg_hv_start(), (l) hvg_hv.post_lock, (v) its processor, (a) atomic.
 */
#ifndef GUEST_HV_HV_PRIV_H
#define GUEST_HV_HV_PRIV_H

#include <stdbool.h>

#include "hvg/hvg_features.h"
#include "hvg/hvos.h"
#include "hvp_vmbus.h"
#include "hvw_shared.h"

/* Both in interrupt context on the processor concerned. */
struct hvg_hv_ops {
	void (*event)(void *ctx, uint32_t flag);

	/* `payload` is a private copy. False: no room now; hvg_hv_resume() later has it given again. */
	bool (*message)(void *ctx, const void *payload, size_t len);
};

struct hvg_hv_cpu {
	struct hvg_hv *hv; /* (c) */
	unsigned index; /* (c) */
	struct hvos_shared messages; /* (c) */
	struct hvos_shared events; /* (c) */
	uint32_t vp; /* (a) the hypervisor's number for it */
	uint32_t online; /* (a) 1: its SynIC works */
	uint32_t stalled; /* (a) 1: a message waits in the slot for room above */
};

struct hvg_hv {
	struct hvg_features features; /* (c) */
	const struct hvg_hv_ops *ops; /* (c) */
	void *ctx; /* (c) */
	struct hvos_shared code; /* (c) hypercall page */
	struct hvos_shared tsc; /* (c) reference TSC page */
	struct hvos_shared post; /* (l) input of POST_MESSAGE; the second page is for the crash path */
	struct hvos_lock post_lock;
	struct hvg_hv_cpu *cpus; /* (c) */
	unsigned cpu_count; /* (c) */
	uint8_t vector; /* (c) */
	bool started; /* (c) */
	bool interrupts; /* (c) hvos_interrupt_start() was done */
	uint64_t bad_messages; /* (a) too long, or of an unknown kind */
	uint32_t lost_pages; /* (c) after hvg_hv_stop(): they stay visible to the host */
};

/* T. -ENODEV: no Hyper-V, or one without what VMBus needs. `os_id`: GUEST_OS_ID. Half done, it is undone. */
int hvg_hv_start(struct hvg_hv *hv, uint64_t os_id, const struct hvg_hv_ops *ops,
		 void *ctx) HVW_MUST_CHECK;

/* T. The opposite, also after a failed start; every page that the hypervisor knows is taken from it. */
void hvg_hv_stop(struct hvg_hv *hv);

/* T. The SynIC of one processor. -ENODEV: it is not running. */
int hvg_hv_cpu_start(struct hvg_hv *hv, unsigned cpu) HVW_MUST_CHECK;
void hvg_hv_cpu_stop(struct hvg_hv *hv, unsigned cpu);

/* A. The host can interrupt it. */
bool hvg_hv_cpu_ready(const struct hvg_hv *hv, unsigned cpu);

/* A. Number of that processor for the host; 0 for one without SynIC. */
uint32_t hvg_hv_vp(const struct hvg_hv *hv, unsigned cpu);

/*
 * T. Post a VMBus message; tries again for some seconds while the host has no room. -ENXIO: the host
 * knows no such connection (`fresh`: it is not asked again); -ETIMEDOUT: no room in all that time; -EIO.
 */
int hvg_hv_post(struct hvg_hv *hv, uint32_t connection_id, bool fresh, const void *message,
		size_t len) HVW_MUST_CHECK;

/* Any context, the machine is about to end: as above, with neither lock nor sleep, once. */
int hvg_hv_post_crash(struct hvg_hv *hv, uint32_t connection_id, const void *message,
		      size_t len) HVW_MUST_CHECK;

/* A. Ring the host's doorbell. */
static inline void hvg_hv_signal(struct hvg_hv *hv, uint32_t connection_id)
{
	/* A host that refuses has lost the channel, of which it tells by other ways. */
	(void)hvg_arch_call(hv->code.base, HVP_CALL_SIGNAL_EVENT | HVP_CALL_FAST, connection_id, 0);
}

/* T. There is room again: take what waits in the processors' slots. */
void hvg_hv_resume(struct hvg_hv *hv);

/* Crash path, any context: hand each processor's waiting message to ops->message, from here. */
void hvg_hv_poll_crash(struct hvg_hv *hv);

/* A. The partition's reference time in 100 ns. */
uint64_t hvg_hv_reference(const struct hvg_hv *hv);

/* synic.c */
void hvg_hv_interrupt(void *ctx, unsigned cpu);
void hvg_hv_synic_on(void *cpu);
void hvg_hv_synic_off(void *cpu);

#endif
