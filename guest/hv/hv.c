/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The partition: detection, identity, hypercalls, reference time.
 */
#include "hv_priv.h"

/* What VMBus cannot do without. */
#define ACCESS_NEEDED (HVP_ACCESS_SYNIC | HVP_ACCESS_HYPERCALL | HVP_ACCESS_VP_INDEX)

/*
 * A host that has no buffer free gets some in the time the other end takes to read one. Delays double
 * from the first to the last; together they are about 8 seconds.
 */
#define POST_DELAY_FIRST_US 16u
#define POST_DELAY_LAST_US  1048576u
#define POST_SPIN_US	    1024u /* up to here it does not pay to sleep */
#define POST_TRIES_AT_LAST  6u

/* --- pages that the hypervisor knows -------------------------------------------------------------- */

static void take_back(struct hvg_hv *hv, struct hvos_shared *shared)
{
	uint32_t pages = shared->pages;

	if (shared->base && hvos_shared_free(shared)) {
		hvos_log(HVOS_WARNING, "%u pages stay visible to the host: lost", pages);
		hv->lost_pages += pages;
	}
	shared->base = NULL;
}

/* A page register: reserved bits are kept. */
static void set_page(uint32_t reg, uint64_t gpn)
{
	hvg_arch_set(reg, (hvg_arch_get(reg) & (HVP_PAGE_SIZE - 1) & ~HVP_MSR_ENABLE) |
				  gpn << HVP_PAGE_SHIFT | HVP_MSR_ENABLE);
}

static void clear_page(uint32_t reg)
{
	hvg_arch_set(reg, hvg_arch_get(reg) & (HVP_PAGE_SIZE - 1) & ~HVP_MSR_ENABLE);
}

#ifdef HVG_HYPERCALL_PAGE
static int start_hypercalls(struct hvg_hv *hv)
{
	int err = hvos_code_alloc(&hv->code);

	if (err)
		return err;
	set_page(HVG_REG(HYPERCALL), hvos_shared_gpn(&hv->code, 0));
	/* It does not stick where the hypervisor refuses, which leaves no way to post a message. */
	if (hvg_arch_get(HVG_REG(HYPERCALL)) & HVP_MSR_ENABLE)
		return 0;
	hvos_code_free(&hv->code);
	hv->code.base = NULL;
	return -ENODEV;
}

static void stop_hypercalls(struct hvg_hv *hv)
{
	if (!hv->code.base)
		return;
	clear_page(HVG_REG(HYPERCALL));
	hvos_code_free(&hv->code);
	hv->code.base = NULL;
}
#else
static int start_hypercalls(struct hvg_hv *hv)
{
	(void)hv;
	return 0;
}

static void stop_hypercalls(struct hvg_hv *hv)
{
	(void)hv;
}
#endif

/* Without it the register serves, which is slower: no error. */
static void start_clock(struct hvg_hv *hv)
{
	if (!(hv->features.access & HVP_ACCESS_REF_TSC) || hvos_shared_alloc(&hv->tsc, 1))
		return;
	set_page(HVG_REG(REFERENCE_TSC), hvos_shared_gpn(&hv->tsc, 0));
}

static void stop_clock(struct hvg_hv *hv)
{
	if (!hv->tsc.base)
		return;
	clear_page(HVG_REG(REFERENCE_TSC));
	take_back(hv, &hv->tsc);
}

/* --- reference time --------------------------------------------------------------------------------- */

/* False: the page says that it is not valid. */
static bool read_tsc_page(const struct hvg_hv *hv, uint64_t *time)
{
	const struct hvp_reference_tsc_page HVW_SHARED *page =
		(const struct hvp_reference_tsc_page HVW_SHARED *)hv->tsc.base;
	uint32_t sequence, tries;

	/* The host may change it without end; then the register tells. */
	for (tries = 0; tries < 100; tries++) {
		uint64_t scale, offset, clock;

		sequence = hvw_load32_acquire(&page->sequence);
		if (!sequence)
			return false;
		scale = hvw_load64(&page->scale);
		offset = hvw_load64((const uint64_t HVW_SHARED *)&page->offset);
		clock = hvg_arch_clock();
		/* Loads of the fields before the second load of the sequence. */
		hvw_barrier_full();
		if (hvw_load32(&page->sequence) == sequence) {
			*time = (uint64_t)((unsigned __int128)clock * scale >> 64) + offset;
			return true;
		}
	}
	return false;
}

uint64_t hvg_hv_reference(const struct hvg_hv *hv)
{
	uint64_t time;

	if (hv->tsc.base && read_tsc_page(hv, &time))
		return time;
	return hvg_arch_get(HVG_REG(TIME_REF_COUNT));
}

/* --- messages to the host --------------------------------------------------------------------------- */

static uint64_t post_page(struct hvg_hv *hv, uint32_t page, uint32_t connection_id,
			  const void *message, size_t len)
{
	struct hvp_post_message post = {
		.connection_id = connection_id,
		.message_type = HVP_MESSAGE_VMBUS,
		.payload_size = (uint32_t)len,
	};

	hvw_memcpy(post.payload, message, len);
	hvw_copy_in((uint8_t HVW_SHARED *)hv->post.base + page * HVP_PAGE_SIZE, &post,
		    sizeof(post));
	return hvg_arch_call(hv->code.base, HVP_CALL_POST_MESSAGE,
			     hvos_shared_gpn(&hv->post, page) << HVP_PAGE_SHIFT, 0) &
	       HVP_STATUS_MASK;
}

static uint64_t post_once(struct hvg_hv *hv, uint32_t connection_id, const void *message,
			  size_t len)
{
	uint64_t status;

	hvos_lock(&hv->post_lock);
	status = post_page(hv, 0, connection_id, message, len);
	hvos_unlock(&hv->post_lock);
	return status;
}

int hvg_hv_post(struct hvg_hv *hv, uint32_t connection_id, bool fresh, const void *message,
		size_t len)
{
	uint32_t delay_us = POST_DELAY_FIRST_US, at_last = 0;

	if (len > HVP_MESSAGE_PAYLOAD_MAX)
		return -EINVAL;
	for (;;) {
		uint64_t status = post_once(hv, connection_id, message, len);

		if (status == HVP_STATUS_SUCCESS)
			return 0;
		if (status == HVP_STATUS_INVALID_CONNECTION_ID && fresh)
			return -ENXIO;
		/* A connection that was there may be away while the host sets itself up anew. */
		if (status != HVP_STATUS_INSUFFICIENT_BUFFERS &&
		    status != HVP_STATUS_INSUFFICIENT_MEMORY &&
		    status != HVP_STATUS_INVALID_CONNECTION_ID)
			return -EIO;
		if (delay_us == POST_DELAY_LAST_US && ++at_last > POST_TRIES_AT_LAST)
			return -ETIMEDOUT;
		if (delay_us <= POST_SPIN_US)
			hvos_delay_us(delay_us);
		else
			hvos_sleep_ms(delay_us / 1000);
		if (delay_us < POST_DELAY_LAST_US)
			delay_us *= 2;
	}
}

int hvg_hv_post_crash(struct hvg_hv *hv, uint32_t connection_id, const void *message, size_t len)
{
	if (len > HVP_MESSAGE_PAYLOAD_MAX)
		return -EINVAL;
	return post_page(hv, 1, connection_id, message, len) == HVP_STATUS_SUCCESS ? 0 : -EIO;
}

/* --- life ------------------------------------------------------------------------------------------- */

static int share_pages(struct hvg_hv *hv)
{
	int err = hvos_shared_alloc(&hv->post, 2);
	unsigned i;

	hv->cpus = err ? NULL : hvos_alloc(hv->cpu_count * sizeof(hv->cpus[0]));
	if (!hv->cpus)
		return err ? err : -ENOMEM;
	for (i = 0; i < hv->cpu_count && !err; i++) {
		struct hvg_hv_cpu *cpu = &hv->cpus[i];

		cpu->hv = hv;
		cpu->index = i;
		err = hvos_shared_alloc(&cpu->messages, 1);
		if (!err)
			err = hvos_shared_alloc(&cpu->events, 1);
	}
	return err;
}

static void unshare_pages(struct hvg_hv *hv)
{
	unsigned i;

	for (i = 0; hv->cpus && i < hv->cpu_count; i++) {
		take_back(hv, &hv->cpus[i].messages);
		take_back(hv, &hv->cpus[i].events);
	}
	take_back(hv, &hv->post);
	hvos_free(hv->cpus);
	hv->cpus = NULL;
}

static int start_cpus(struct hvg_hv *hv)
{
	unsigned i;
	int err;

	/* The one that brings up the bus must do; another may have gone meanwhile. */
	err = hvg_hv_cpu_start(hv, 0);
	for (i = 1; i < hv->cpu_count && !err; i++)
		if (hvos_cpu_online(i) && hvg_hv_cpu_start(hv, i))
			hvos_log(HVOS_WARNING, "processor %u gets no interrupts from the host", i);
	return err;
}

int hvg_hv_start(struct hvg_hv *hv, uint64_t os_id, const struct hvg_hv_ops *ops, void *ctx)
{
	int err;

	hvw_memset(hv, 0, sizeof(*hv));
	if (!hvg_arch_detect(&hv->features) ||
	    (hv->features.access & ACCESS_NEEDED) != ACCESS_NEEDED)
		return -ENODEV;
	hv->started = true;
	hv->ops = ops;
	hv->ctx = ctx;
	hv->cpu_count = hvos_cpu_count();
	hvos_lock_init(&hv->post_lock, "hvg post");
	hvg_arch_set(HVG_REG(GUEST_OS_ID), os_id);
	err = start_hypercalls(hv);
	if (!err)
		err = share_pages(hv);
	if (!err)
		err = hvos_interrupt_start(hvg_hv_interrupt, hv, &hv->vector);
	if (!err) {
		hv->interrupts = true;
		start_clock(hv);
		err = start_cpus(hv);
	}
	if (err)
		hvg_hv_stop(hv);
	return err;
}

void hvg_hv_stop(struct hvg_hv *hv)
{
	unsigned i;

	if (!hv->started)
		return;
	hv->started = false;
	for (i = 0; hv->cpus && i < hv->cpu_count; i++)
		hvg_hv_cpu_stop(hv, i);
	if (hv->interrupts)
		hvos_interrupt_stop();
	hv->interrupts = false;
	unshare_pages(hv);
	/* In this order: hypercalls end when the operating system gives up its name. */
	stop_hypercalls(hv);
	stop_clock(hv);
	hvg_arch_set(HVG_REG(GUEST_OS_ID), 0);
	hvos_lock_fini(&hv->post_lock);
}
