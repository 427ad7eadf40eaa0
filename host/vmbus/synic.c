/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <hvh/hvh_mem.h>
#include <hvh/hvh_state.h>
#include <hvh/hvh_synic.h>

#include "hvp_hv.h"
#include "hvw_shared.h"

#define STATE_TAG     HVH_STATE_TAG('S', 'Y', 'N', 'I')
#define STATE_VERSION 1

/*
 * Key: (v) virtual processor's thread; (l) lock. Any thread may set event flags while the processor
 * moves its page; the lock is held for one store or one swap of a pointer, so it spins.
 */
struct hvh_synic {
	struct hvh_mem *mem;
	uint64_t control, siefp, simp; /* (v) as the guest wrote them */
	struct hvh_mapping messages; /* (v) base NULL: off */
	struct hvh_mapping events; /* (v) */
	atomic_flag lock;
	struct hvp_synic_event_page *live_events; /* (l) NULL: off */
};

static void lock(struct hvh_synic *synic)
{
	while (atomic_flag_test_and_set_explicit(&synic->lock, memory_order_acquire))
		;
}

static void unlock(struct hvh_synic *synic)
{
	atomic_flag_clear_explicit(&synic->lock, memory_order_release);
}

static void set_live_events(struct hvh_synic *synic, struct hvp_synic_event_page *page)
{
	lock(synic);
	synic->live_events = page;
	unlock(synic);
}

int hvh_synic_create(struct hvh_mem *mem, struct hvh_synic **synic)
{
	struct hvh_synic *created = calloc(1, sizeof(*created));

	if (!created)
		return -ENOMEM;
	created->mem = mem;
	atomic_flag_clear(&created->lock);
	*synic = created;
	return 0;
}

void hvh_synic_destroy(struct hvh_synic *synic)
{
	if (synic->messages.base)
		hvh_mem_unmap(&synic->messages);
	if (synic->events.base)
		hvh_mem_unmap(&synic->events);
	free(synic);
}

static int map_page(struct hvh_synic *synic, uint64_t msr, bool fresh, struct hvh_mapping *mapping)
{
	uint64_t gpn = msr >> HVP_PAGE_SHIFT;
	int err = hvh_mem_map(synic->mem, &gpn, 1, mapping);

	if (err)
		return err;
	if (fresh)
		memset(mapping->base, 0, HVP_PAGE_SIZE);
	return 0;
}

/* Bring the mappings in line with the registers. `fresh`: pages that come on are zeroed. */
static int apply(struct hvh_synic *synic, uint64_t control, uint64_t siefp, uint64_t simp,
		 bool fresh)
{
	int err = 0, event_err = 0;

	if (simp != synic->simp && synic->messages.base)
		hvh_mem_unmap(&synic->messages);
	if (simp & HVP_MSR_ENABLE && !synic->messages.base)
		err = map_page(synic, simp, fresh, &synic->messages);
	if (siefp != synic->siefp && synic->events.base) {
		set_live_events(synic, NULL);
		hvh_mem_unmap(&synic->events);
	}
	if (siefp & HVP_MSR_ENABLE && !synic->events.base)
		event_err = map_page(synic, siefp, fresh, &synic->events);
	synic->control = control;
	synic->simp = simp;
	synic->siefp = siefp;
	set_live_events(synic, control & HVP_MSR_ENABLE ? synic->events.base : NULL);
	return err ? err : event_err;
}

int hvh_synic_set(struct hvh_synic *synic, uint64_t control, uint64_t siefp, uint64_t simp)
{
	return apply(synic, control, siefp, simp, true);
}

int hvh_synic_post(struct hvh_synic *synic, unsigned sint, uint32_t type, const void *payload,
		   size_t len)
{
	struct hvp_synic_message_page *page = synic->messages.base;
	struct hvp_synic_message *slot;
	uint32_t *slot_type;

	if (sint >= HVP_SINT_COUNT || len > HVP_MESSAGE_PAYLOAD_MAX)
		return -EINVAL;
	if (!page || !(synic->control & HVP_MSR_ENABLE))
		return -ENOTCONN;
	slot = &page->slot[sint];
	slot_type = (uint32_t *)(void *)slot;
	if (hvw_load32_acquire(slot_type) != HVP_MESSAGE_NONE) {
		/* The guest clears the type, then looks at the flag: one of us sees the other's store. */
		__atomic_store_n(&slot->flags, HVP_MESSAGE_FLAG_PENDING, __ATOMIC_RELAXED);
		hvw_barrier_full();
		if (hvw_load32_acquire(slot_type) != HVP_MESSAGE_NONE)
			return -EAGAIN;
	}
	slot->flags = 0;
	slot->size = (uint8_t)len;
	slot->reserved = 0;
	slot->sender = 0;
	memcpy(slot->payload, payload, len);
	hvw_store32_release(slot_type, type);
	return 0;
}

bool hvh_synic_signal(struct hvh_synic *synic, unsigned sint, unsigned flag)
{
	uint32_t bit = 1u << flag % 32;
	bool raise = false;

	if (sint >= HVP_SINT_COUNT || flag >= HVP_EVENT_FLAG_COUNT)
		return false;
	lock(synic);
	if (synic->live_events) {
		uint32_t *word = (uint32_t *)(void *)synic->live_events +
				 sint * (HVP_EVENT_FLAG_COUNT / 32) + flag / 32;

		raise = !(__atomic_fetch_or(word, bit, __ATOMIC_SEQ_CST) & bit);
	}
	unlock(synic);
	return raise;
}

void hvh_synic_save(const struct hvh_synic *synic, struct hvh_state_writer *w)
{
	hvh_state_begin(w, STATE_TAG, STATE_VERSION);
	hvh_state_put_u64(w, synic->control);
	hvh_state_put_u64(w, synic->siefp);
	hvh_state_put_u64(w, synic->simp);
	hvh_state_end(w);
}

int hvh_synic_load(struct hvh_synic *synic, struct hvh_state_reader *r)
{
	uint64_t control, siefp, simp;
	int err;

	hvh_state_enter(r, STATE_TAG, STATE_VERSION);
	control = hvh_state_get_u64(r);
	siefp = hvh_state_get_u64(r);
	simp = hvh_state_get_u64(r);
	hvh_state_leave(r);
	if (r->err)
		return r->err;
	/* What the pages hold came back with the memory. A page that is no RAM was none before the save. */
	err = apply(synic, control, siefp, simp, false);
	return err == -EFAULT ? 0 : err;
}
