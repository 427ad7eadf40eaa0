/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The SynIC of each processor: its pages, and what arrives in them.
 */
#include "hv_priv.h"

#define EVENT_WORDS (HVP_EVENT_FLAG_COUNT / 32)

static void count(uint64_t *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

/* --- on and off, each on its own processor ------------------------------------------------------------ */

static uint64_t keep(uint32_t reg, uint64_t replaced)
{
	return hvg_arch_get(reg) & ~replaced;
}

void hvg_hv_synic_on(void *ctx)
{
	struct hvg_hv_cpu *cpu = ctx;
	const uint64_t page = ~(uint64_t)(HVP_PAGE_SIZE - 1) | HVP_MSR_ENABLE;
	const uint32_t sint = HVG_REG(SINT0) + HVP_VMBUS_SINT;

	hvw_zero(cpu->messages.base, HVP_PAGE_SIZE);
	hvw_zero(cpu->events.base, HVP_PAGE_SIZE);
	__atomic_store_n(&cpu->vp, (uint32_t)hvg_arch_get(HVG_REG(VP_INDEX)), __ATOMIC_RELAXED);
	__atomic_store_n(&cpu->online, 1, __ATOMIC_RELEASE);
	hvg_arch_set(HVG_REG(SIMP), keep(HVG_REG(SIMP), page) |
					    hvos_shared_gpn(&cpu->messages, 0) << HVP_PAGE_SHIFT |
					    HVP_MSR_ENABLE);
	hvg_arch_set(HVG_REG(SIEFP), keep(HVG_REG(SIEFP), page) |
					     hvos_shared_gpn(&cpu->events, 0) << HVP_PAGE_SHIFT |
					     HVP_MSR_ENABLE);
	/* Never with automatic end of interrupt: every host takes an explicit one, and most want it. */
	hvg_arch_set(sint, keep(sint, HVP_SINT_VECTOR_MASK | HVP_SINT_MASKED | HVP_SINT_AUTO_EOI) |
				   cpu->hv->vector);
	hvg_arch_set(HVG_REG(SCONTROL), keep(HVG_REG(SCONTROL), 0) | HVP_MSR_ENABLE);
}

static void take_word(struct hvg_hv *hv, uint32_t word, uint32_t HVW_SHARED *flags)
{
	uint32_t bits = hvw_load32(flags) ? hvw_exchange32(flags, 0) : 0;

	for (; bits; bits &= bits - 1)
		hv->ops->event(hv->ctx, word * 32 + (uint32_t)__builtin_ctz(bits));
}

/* Each flag is cleared before its ring is looked at: only a change from 0 to 1 interrupts again. */
static void take_events(struct hvg_hv *hv, struct hvg_hv_cpu *cpu)
{
	struct hvp_synic_event_page HVW_SHARED *page =
		(struct hvp_synic_event_page HVW_SHARED *)cpu->events.base;
	uint32_t HVW_SHARED *flags = page->flags[HVP_VMBUS_SINT];
	uint32_t word;

	/* Most are clear: two at a glance. */
	for (word = 0; word < EVENT_WORDS; word += 2) {
		if (!hvw_load64((const uint64_t HVW_SHARED *)&flags[word]))
			continue;
		take_word(hv, word, &flags[word]);
		take_word(hv, word + 1, &flags[word + 1]);
	}
}

void hvg_hv_synic_off(void *ctx)
{
	struct hvg_hv_cpu *cpu = ctx;
	const uint64_t page = ~(uint64_t)(HVP_PAGE_SIZE - 1) | HVP_MSR_ENABLE;
	const uint32_t sint = HVG_REG(SINT0) + HVP_VMBUS_SINT;

	hvg_arch_set(sint, keep(sint, 0) | HVP_SINT_MASKED);
	/* A channel that was moved away may have left an event here whose interrupt has not come yet. */
	take_events(cpu->hv, cpu);
	hvg_arch_set(HVG_REG(SIMP), keep(HVG_REG(SIMP), page));
	hvg_arch_set(HVG_REG(SIEFP), keep(HVG_REG(SIEFP), page));
	hvg_arch_set(HVG_REG(SCONTROL), keep(HVG_REG(SCONTROL), HVP_MSR_ENABLE));
	__atomic_store_n(&cpu->online, 0, __ATOMIC_RELEASE);
}

int hvg_hv_cpu_start(struct hvg_hv *hv, unsigned cpu)
{
	return cpu < hv->cpu_count ? hvos_cpu_call(cpu, hvg_hv_synic_on, &hv->cpus[cpu]) : -ENODEV;
}

void hvg_hv_cpu_stop(struct hvg_hv *hv, unsigned cpu)
{
	if (cpu >= hv->cpu_count || !__atomic_load_n(&hv->cpus[cpu].online, __ATOMIC_ACQUIRE))
		return;
	/* One that stopped running without telling has lost its SynIC with everything else. */
	if (hvos_cpu_call(cpu, hvg_hv_synic_off, &hv->cpus[cpu]))
		__atomic_store_n(&hv->cpus[cpu].online, 0, __ATOMIC_RELEASE);
}

bool hvg_hv_cpu_ready(const struct hvg_hv *hv, unsigned cpu)
{
	return cpu < hv->cpu_count && __atomic_load_n(&hv->cpus[cpu].online, __ATOMIC_ACQUIRE);
}

uint32_t hvg_hv_vp(const struct hvg_hv *hv, unsigned cpu)
{
	return cpu < hv->cpu_count ? __atomic_load_n(&hv->cpus[cpu].vp, __ATOMIC_RELAXED) : 0;
}

/* --- what arrives --------------------------------------------------------------------------------------- */

/*
 * Give the slot back. By exchange, because the crash path may be emptying the same one and the host
 * may have filled it again since.
 */
static void free_slot(struct hvp_synic_message HVW_SHARED *slot, uint32_t type)
{
	uint8_t flags;

	if (!hvw_replace32(&slot->type, type, HVP_MESSAGE_NONE))
		return;
	/* The slot is free before we ask whether more waits; the host looks in the other order. */
	hvw_barrier_full();
	flags = hvw_load8(&slot->flags);
	if (flags & HVP_MESSAGE_FLAG_PENDING)
		hvg_arch_set(HVG_REG(EOM), 0);
}

/* Empty the slot; messages nobody knows are for nobody. False: it stays for want of room above. */
static bool take_message(struct hvg_hv *hv, struct hvg_hv_cpu *cpu)
{
	struct hvp_synic_message_page HVW_SHARED *page =
		(struct hvp_synic_message_page HVW_SHARED *)cpu->messages.base;
	struct hvp_synic_message HVW_SHARED *slot = &page->slot[HVP_VMBUS_SINT];
	struct hvp_synic_message copy;
	uint32_t type = hvw_load32_acquire(&slot->type);

	if (type == HVP_MESSAGE_NONE)
		return true;
	hvw_copy_out(&copy, slot, sizeof(copy));
	if (type != HVP_MESSAGE_VMBUS || copy.size > sizeof(copy.payload))
		count(&hv->bad_messages);
	else if (!hv->ops->message(hv->ctx, copy.payload, copy.size))
		return false;
	free_slot(slot, type);
	return true;
}

/*
 * Room may be made between the refusal and our saying that we wait for it, and hvg_hv_resume() looks
 * only at what was said: so say it, and try once more.
 */
static void take_or_stall(struct hvg_hv_cpu *cpu)
{
	if (take_message(cpu->hv, cpu))
		return;
	__atomic_store_n(&cpu->stalled, 1, __ATOMIC_SEQ_CST);
	if (take_message(cpu->hv, cpu))
		__atomic_store_n(&cpu->stalled, 0, __ATOMIC_SEQ_CST);
}

void hvg_hv_interrupt(void *ctx, unsigned index)
{
	struct hvg_hv *hv = ctx;
	struct hvg_hv_cpu *cpu;

	if (index >= hv->cpu_count)
		return;
	cpu = &hv->cpus[index];
	if (!__atomic_load_n(&cpu->online, __ATOMIC_ACQUIRE))
		return;
	take_events(hv, cpu);
	take_or_stall(cpu);
}

static void resume_cpu(void *ctx)
{
	struct hvg_hv_cpu *cpu = ctx;

	__atomic_store_n(&cpu->stalled, 0, __ATOMIC_SEQ_CST);
	take_or_stall(cpu);
}

void hvg_hv_resume(struct hvg_hv *hv)
{
	unsigned i;

	/* On the processor that owns the slot: end of message counts there only. */
	for (i = 0; hv->cpus && i < hv->cpu_count; i++)
		if (__atomic_load_n(&hv->cpus[i].stalled, __ATOMIC_SEQ_CST) &&
		    hvos_cpu_call(i, resume_cpu, &hv->cpus[i]))
			__atomic_store_n(&hv->cpus[i].stalled, 0, __ATOMIC_SEQ_CST);
}

void hvg_hv_poll_crash(struct hvg_hv *hv)
{
	unsigned i;

	/* Which processor the answer comes to differs between hosts; others' EOM cannot be written from here. */
	for (i = 0; hv->cpus && i < hv->cpu_count; i++)
		if (hv->cpus[i].messages.base)
			(void)take_message(hv, &hv->cpus[i]);
}
