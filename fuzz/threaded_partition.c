/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the hypervisor does for the threaded host: registers, SynIC, hypercalls, and the way of messages
 * to the virtual processor whose page they go to.
 */
#include <hvh/hvh_state.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fuzz/threaded_host_priv.h"

/* The reference counter runs with the clock, 100 ns a tick. */
#define REFERENCE_START 77u
#define TSC_SCALE	(UINT64_MAX / 100 + 1) /* of a clock that counts nanoseconds */

uint64_t threaded_host_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t threaded_host_reference(void)
{
	return REFERENCE_START + threaded_host_now_ns() / 100;
}

static unsigned cpu_of(const struct threaded_host *host, uint32_t vp)
{
	THREADED_REQUIRE(vp < host->config.cpus);
	return host->config.cpus - 1 - vp;
}

/* --- to the guest ------------------------------------------------------------------------------------- */

static void raise_sint(struct threaded_host *host, unsigned cpu, uint32_t sint)
{
	uint64_t value = atomic_load(&host->vps[cpu].sint[sint]);

	if (!(value & HVP_SINT_MASKED) && (value & HVP_SINT_VECTOR_MASK))
		user_interrupt(cpu);
}

bool threaded_partition_post(void *ctx, uint32_t vp, uint32_t sint, const void *bytes, size_t len)
{
	struct threaded_host *host = ctx;
	unsigned cpu = cpu_of(host, vp);
	struct vp *to = &host->vps[cpu];
	bool room;

	if (atomic_load(&host->muted))
		return true;
	pthread_mutex_lock(&to->lock);
	room = !to->full;
	if (room) {
		to->full = true;
		to->mail.sint = sint;
		to->mail.len = (uint32_t)len;
		memcpy(to->mail.bytes, bytes, len);
	}
	pthread_mutex_unlock(&to->lock);
	if (room)
		user_kick(cpu);
	return room;
}

void threaded_partition_signal(void *ctx, uint32_t vp, uint32_t sint, uint32_t flag)
{
	struct threaded_host *host = ctx;
	unsigned cpu = cpu_of(host, vp);

	if (!atomic_load(&host->muted) && hvh_synic_signal(host->vps[cpu].synic, sint, flag))
		raise_sint(host, cpu, sint);
}

/* On the processor's thread. A slot that is busy is tried again when the guest writes EOM. */
static void deliver(struct threaded_host *host, unsigned cpu)
{
	struct vp *vp = &host->vps[cpu];
	uint32_t sint = 0;
	int err = -EAGAIN;

	pthread_mutex_lock(&vp->lock);
	if (vp->full) {
		sint = vp->mail.sint;
		err = hvh_synic_post(vp->synic, sint, HVP_MESSAGE_VMBUS, vp->mail.bytes,
				     vp->mail.len);
		vp->full = err == -EAGAIN;
	}
	pthread_mutex_unlock(&vp->lock);
	if (err == -EAGAIN)
		return;
	if (err)
		atomic_fetch_add(&host->dropped, 1);
	else
		raise_sint(host, cpu, sint);
	threaded_loop_give(&host->control, &host->flush);
}

void threaded_partition_kicked(void *ctx, unsigned cpu)
{
	struct threaded_host *host = ctx;
	struct vp *vp = &host->vps[cpu];

	pthread_mutex_lock(&vp->lock);
	while (vp->park) {
		vp->parked = true;
		pthread_cond_broadcast(&vp->changed);
		pthread_cond_wait(&vp->changed, &vp->lock);
	}
	vp->parked = false;
	pthread_cond_broadcast(&vp->changed);
	pthread_mutex_unlock(&vp->lock);
	deliver(host, cpu);
}

void threaded_partition_park(struct threaded_host *host)
{
	unsigned cpu;

	for (cpu = 0; cpu < host->config.cpus; cpu++) {
		struct vp *vp = &host->vps[cpu];

		pthread_mutex_lock(&vp->lock);
		vp->park = true;
		pthread_mutex_unlock(&vp->lock);
		user_kick(cpu);
		pthread_mutex_lock(&vp->lock);
		while (!vp->parked)
			pthread_cond_wait(&vp->changed, &vp->lock);
		pthread_mutex_unlock(&vp->lock);
	}
}

void threaded_partition_unpark(struct threaded_host *host)
{
	unsigned cpu;

	for (cpu = 0; cpu < host->config.cpus; cpu++) {
		struct vp *vp = &host->vps[cpu];

		pthread_mutex_lock(&vp->lock);
		vp->park = false;
		pthread_cond_broadcast(&vp->changed);
		while (vp->parked)
			pthread_cond_wait(&vp->changed, &vp->lock);
		pthread_mutex_unlock(&vp->lock);
	}
}

void threaded_partition_reload(struct threaded_host *host)
{
	unsigned cpu;

	for (cpu = 0; cpu < host->config.cpus; cpu++) {
		struct vp *vp = &host->vps[cpu];
		struct hvh_state_writer w;
		struct hvh_state_reader r;

		hvh_state_writer_init(&w);
		pthread_mutex_lock(&vp->lock);
		hvh_synic_save(vp->synic, &w);
		THREADED_REQUIRE(hvh_state_writer_finish(&w) == 0);
		hvh_synic_destroy(vp->synic);
		THREADED_REQUIRE(hvh_synic_create(host->mem, &vp->synic) == 0);
		hvh_state_reader_init(&r, w.bytes, w.len);
		THREADED_REQUIRE(hvh_synic_load(vp->synic, &r) == 0);
		THREADED_REQUIRE(hvh_state_reader_finish(&r) == 0);
		pthread_mutex_unlock(&vp->lock);
		free(w.bytes);
	}
}

/* --- registers ---------------------------------------------------------------------------------------- */

static bool detect(void *ctx, struct hvg_features *features)
{
	(void)ctx;
	*features = (struct hvg_features){
		.access = HVP_ACCESS_SYNIC | HVP_ACCESS_HYPERCALL | HVP_ACCESS_VP_INDEX |
			  HVP_ACCESS_REF_COUNTER | HVP_ACCESS_REF_TSC,
		.privileges = HVP_PRIV_POST_MESSAGES | HVP_PRIV_SIGNAL_EVENTS,
	};
	return true;
}

static uint64_t get(void *ctx, uint32_t reg)
{
	struct threaded_host *host = ctx;
	const struct vp *vp = &host->vps[user_cpu_current()];

	if (reg >= HVP_MSR_SINT0 && reg < HVP_MSR_SINT0 + HVP_SINT_COUNT)
		return atomic_load(&vp->sint[reg - HVP_MSR_SINT0]);
	switch (reg) {
	case HVP_MSR_GUEST_OS_ID:
		return atomic_load(&host->os_id);
	case HVP_MSR_HYPERCALL:
		return atomic_load(&host->hypercall);
	case HVP_MSR_VP_INDEX:
		return host->config.cpus - 1 - user_cpu_current();
	case HVP_MSR_TIME_REF_COUNT:
		return threaded_host_reference();
	case HVP_MSR_REFERENCE_TSC:
		return atomic_load(&host->reference_tsc);
	case HVP_MSR_SCONTROL:
		return vp->scontrol;
	case HVP_MSR_SIEFP:
		return vp->siefp;
	case HVP_MSR_SIMP:
		return vp->simp;
	default:
		threaded_host_die(__FILE__, __LINE__, "a register that is there is read");
	}
}

static void set_reference_tsc(struct threaded_host *host, uint64_t value)
{
	struct hvp_reference_tsc_page page = {
		.sequence = 1,
		.scale = TSC_SCALE,
		.offset = REFERENCE_START,
	};

	atomic_store(&host->reference_tsc, value);
	if (value & HVP_MSR_ENABLE)
		THREADED_REQUIRE(hvh_mem_write(host->mem, value & ~(uint64_t)(HVP_PAGE_SIZE - 1),
					       &page, sizeof(page)) == 0);
}

/* Those of one processor, on its thread. */
static void set_synic(struct threaded_host *host, unsigned cpu, uint32_t reg, uint64_t value)
{
	struct vp *vp = &host->vps[cpu];

	switch (reg) {
	case HVP_MSR_SCONTROL:
		vp->scontrol = value;
		break;
	case HVP_MSR_SIEFP:
		vp->siefp = value;
		break;
	case HVP_MSR_SIMP:
		vp->simp = value;
		break;
	case HVP_MSR_EOM:
		break;
	default:
		threaded_host_die(__FILE__, __LINE__, "a register that is there is written");
	}
	if (reg != HVP_MSR_EOM)
		THREADED_REQUIRE(hvh_synic_set(vp->synic, vp->scontrol, vp->siefp, vp->simp) == 0);
	deliver(host, cpu);
}

static void set(void *ctx, uint32_t reg, uint64_t value)
{
	struct threaded_host *host = ctx;
	unsigned cpu = user_cpu_current();

	if (reg >= HVP_MSR_SINT0 && reg < HVP_MSR_SINT0 + HVP_SINT_COUNT) {
		atomic_store(&host->vps[cpu].sint[reg - HVP_MSR_SINT0], value);
		return;
	}
	switch (reg) {
	case HVP_MSR_GUEST_OS_ID:
		atomic_store(&host->os_id, value);
		if (!value)
			atomic_store(&host->hypercall, 0);
		return;
	case HVP_MSR_HYPERCALL:
		atomic_store(&host->hypercall, atomic_load(&host->os_id) ? value : 0);
		return;
	case HVP_MSR_REFERENCE_TSC:
		set_reference_tsc(host, value);
		return;
	default:
		set_synic(host, cpu, reg, value);
	}
}

/* --- hypercalls ---------------------------------------------------------------------------------------- */

static uint64_t call(void *ctx, uint64_t control, uint64_t input, uint64_t output)
{
	struct threaded_host *host = ctx;
	struct hvp_post_message post;

	(void)output;
	THREADED_REQUIRE(atomic_load(&host->hypercall) & HVP_MSR_ENABLE);
	switch (control) {
	case HVP_CALL_POST_MESSAGE:
		THREADED_REQUIRE(input % 8 == 0);
		THREADED_REQUIRE(hvh_mem_read(host->mem, input, &post, sizeof(post)) == 0);
		THREADED_REQUIRE(post.payload_size <= sizeof(post.payload));
		return threaded_host_post(host, &post);
	case HVP_CALL_SIGNAL_EVENT | HVP_CALL_FAST:
		return threaded_host_doorbell(host, (uint32_t)input);
	default:
		threaded_host_die(__FILE__, __LINE__, "a hypercall that is there is made");
	}
}

static uint64_t read_clock(void *ctx)
{
	(void)ctx;
	return threaded_host_now_ns();
}

/* --- life ---------------------------------------------------------------------------------------------- */

void threaded_partition_init(struct threaded_host *host)
{
	unsigned cpu, sint;

	host->table = (struct hvg_soft_hypervisor){ detect, get, set, call, read_clock, host };
	for (cpu = 0; cpu < host->config.cpus; cpu++) {
		struct vp *vp = &host->vps[cpu];

		pthread_mutex_init(&vp->lock, NULL);
		pthread_cond_init(&vp->changed, NULL);
		THREADED_REQUIRE(hvh_synic_create(host->mem, &vp->synic) == 0);
		for (sint = 0; sint < HVP_SINT_COUNT; sint++)
			atomic_store(&vp->sint[sint], HVP_SINT_MASKED);
	}
}

void threaded_partition_fini(struct threaded_host *host)
{
	unsigned cpu;

	for (cpu = 0; cpu < host->config.cpus; cpu++) {
		hvh_synic_destroy(host->vps[cpu].synic);
		pthread_cond_destroy(&host->vps[cpu].changed);
		pthread_mutex_destroy(&host->vps[cpu].lock);
	}
}
