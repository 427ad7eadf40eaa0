/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <stdlib.h>
#include <string.h>

#include "fuzz/soft_hypervisor.h"
#include "hvp_vmbus.h"

/* The reference counter runs with the clock, 100 ns a tick. */
#define REFERENCE_START 77u
#define TSC_SCALE	(UINT64_MAX / 100 + 1) /* of a clock that counts nanoseconds */

uint64_t soft_reference(void)
{
	return REFERENCE_START + sim_now_ns() / 100;
}

static unsigned cpu_of(const struct soft_hypervisor *soft, uint32_t vp)
{
	if (vp >= soft->cpus)
		sim_die("virtual processor %u of %u", vp, soft->cpus);
	return soft->cpus - 1 - vp;
}

/* --- to the guest --------------------------------------------------------------------------------------- */

static void raise(struct soft_hypervisor *soft, unsigned cpu)
{
	uint64_t sint = soft->cpu[cpu].sint[HVP_VMBUS_SINT];

	if (!(sint & HVP_SINT_MASKED) && (sint & HVP_SINT_VECTOR_MASK))
		sim_interrupt(cpu);
}

static void deliver(struct soft_hypervisor *soft, unsigned index)
{
	struct soft_cpu *cpu = &soft->cpu[index];
	struct soft_message *first = cpu->queue;

	if (!cpu->queued ||
	    hvh_synic_post(cpu->synic, HVP_VMBUS_SINT, first->type, first->bytes, first->len))
		return;
	memmove(first, first + 1, --cpu->queued * sizeof(*first));
	/* The next finds the slot busy, and so has the guest write EOM. */
	if (cpu->queued && hvh_synic_post(cpu->synic, HVP_VMBUS_SINT, first->type, first->bytes,
					  first->len) != -EAGAIN)
		sim_die("the slot is not busy behind a message");
	raise(soft, index);
}

void soft_message(struct soft_hypervisor *soft, uint32_t vp, uint32_t type, const void *bytes,
		  size_t len)
{
	unsigned index = cpu_of(soft, vp);
	struct soft_cpu *cpu = &soft->cpu[index];
	struct soft_message *message;

	if (cpu->queued == cpu->capacity) {
		cpu->capacity = cpu->capacity ? 2 * cpu->capacity : 16;
		cpu->queue = realloc(cpu->queue, cpu->capacity * sizeof(*cpu->queue));
		if (!cpu->queue)
			sim_die("no memory");
	}
	message = &cpu->queue[cpu->queued++];
	message->type = type;
	message->len = (uint8_t)len;
	memcpy(message->bytes, bytes, len);
	deliver(soft, index);
}

void soft_event(struct soft_hypervisor *soft, uint32_t vp, uint32_t flag)
{
	unsigned cpu = cpu_of(soft, vp);

	if (hvh_synic_signal(soft->cpu[cpu].synic, HVP_VMBUS_SINT, flag))
		raise(soft, cpu);
}

unsigned soft_queued(const struct soft_hypervisor *soft)
{
	unsigned queued = 0, cpu;

	for (cpu = 0; cpu < soft->cpus; cpu++)
		queued += soft->cpu[cpu].queued;
	return queued;
}

unsigned soft_mapped(const struct soft_hypervisor *soft)
{
	unsigned mapped = 0, cpu;

	for (cpu = 0; cpu < soft->cpus; cpu++)
		mapped += !!(soft->cpu[cpu].simp & HVP_MSR_ENABLE) +
			  !!(soft->cpu[cpu].siefp & HVP_MSR_ENABLE);
	return mapped;
}

/* --- registers ------------------------------------------------------------------------------------------ */

static bool detect(void *ctx, struct hvg_features *features)
{
	const struct soft_hypervisor *soft = ctx;

	if (soft->absent)
		return false;
	*features = soft->features;
	return true;
}

static uint64_t get(void *ctx, uint32_t reg)
{
	const struct soft_hypervisor *soft = ctx;
	const struct soft_cpu *cpu = &soft->cpu[sim_cpu()];

	if (reg >= HVP_MSR_SINT0 && reg < HVP_MSR_SINT0 + HVP_SINT_COUNT)
		return cpu->sint[reg - HVP_MSR_SINT0];
	switch (reg) {
	case HVP_MSR_GUEST_OS_ID:
		return soft->os_id;
	case HVP_MSR_HYPERCALL:
		return soft->hypercall;
	case HVP_MSR_VP_INDEX:
		return soft->cpus - 1 - sim_cpu();
	case HVP_MSR_TIME_REF_COUNT:
		return soft_reference();
	case HVP_MSR_REFERENCE_TSC:
		return soft->reference_tsc;
	case HVP_MSR_SCONTROL:
		return cpu->scontrol;
	case HVP_MSR_SIEFP:
		return cpu->siefp;
	case HVP_MSR_SIMP:
		return cpu->simp;
	case HVP_MSR_CRASH_CTL:
		return HVP_CRASH_NOTIFY | HVP_CRASH_MESSAGE;
	default:
		sim_die("read of register 0x%x", reg);
	}
}

static void set_synic(struct soft_hypervisor *soft, unsigned index)
{
	struct soft_cpu *cpu = &soft->cpu[index];

	if (hvh_synic_set(cpu->synic, cpu->scontrol, cpu->siefp, cpu->simp))
		sim_die("a SynIC page that is no memory");
	deliver(soft, index);
}

static void set_reference_tsc(struct soft_hypervisor *soft, uint64_t value)
{
	struct hvp_reference_tsc_page page = { 0 };

	soft->reference_tsc = value;
	if (!(value & HVP_MSR_ENABLE))
		return;
	if (!soft->refuse_tsc_page)
		page = (struct hvp_reference_tsc_page){ .sequence = 1,
							.scale = TSC_SCALE,
							.offset = REFERENCE_START };
	if (hvh_mem_write(soft->mem, value & ~(uint64_t)(HVP_PAGE_SIZE - 1), &page, sizeof(page)))
		sim_die("a TSC page that is no memory");
}

static void set(void *ctx, uint32_t reg, uint64_t value)
{
	struct soft_hypervisor *soft = ctx;
	struct soft_cpu *cpu = &soft->cpu[sim_cpu()];

	if (reg >= HVP_MSR_SINT0 && reg < HVP_MSR_SINT0 + HVP_SINT_COUNT) {
		cpu->sint[reg - HVP_MSR_SINT0] = value;
		return;
	}
	if (reg >= HVP_MSR_CRASH_P0 && reg < HVP_MSR_CRASH_P0 + HVP_CRASH_PARAMETERS) {
		soft->crash[reg - HVP_MSR_CRASH_P0] = value;
		return;
	}
	switch (reg) {
	case HVP_MSR_GUEST_OS_ID:
		soft->os_id = value;
		if (!value)
			soft->hypercall = 0;
		return;
	case HVP_MSR_HYPERCALL:
		soft->hypercall = soft->os_id && !soft->no_hypercalls ? value : 0;
		return;
	case HVP_MSR_REFERENCE_TSC:
		set_reference_tsc(soft, value);
		return;
	case HVP_MSR_SCONTROL:
		cpu->scontrol = value;
		break;
	case HVP_MSR_SIEFP:
		cpu->siefp = value;
		break;
	case HVP_MSR_SIMP:
		cpu->simp = value;
		break;
	case HVP_MSR_EOM:
		deliver(soft, sim_cpu());
		return;
	case HVP_MSR_CRASH_CTL:
		soft->crash_control = value;
		soft->crashes++;
		return;
	default:
		sim_die("write of register 0x%x", reg);
	}
	set_synic(soft, sim_cpu());
}

static void reset_cpu(void *ctx, unsigned index)
{
	struct soft_hypervisor *soft = ctx;
	struct soft_cpu *cpu = &soft->cpu[index];

	cpu->scontrol = cpu->siefp = cpu->simp = 0;
	for (unsigned i = 0; i < HVP_SINT_COUNT; i++)
		cpu->sint[i] = HVP_SINT_MASKED;
	if (cpu->synic)
		set_synic(soft, index);
}

/* --- hypercalls ------------------------------------------------------------------------------------------- */

static uint64_t call(void *ctx, uint64_t control, uint64_t input, uint64_t output)
{
	struct soft_hypervisor *soft = ctx;
	struct hvp_post_message post;

	(void)output;
	if (!(soft->hypercall & HVP_MSR_ENABLE))
		sim_die("a hypercall without a page");
	switch (control) {
	case HVP_CALL_POST_MESSAGE:
		if (input % 8 || hvh_mem_read(soft->mem, input, &post, sizeof(post)) ||
		    post.payload_size > sizeof(post.payload))
			sim_die("a POST_MESSAGE that makes no sense");
		return soft->ops->post(soft->ctx, post.connection_id, post.message_type,
				       post.payload, post.payload_size);
	case HVP_CALL_SIGNAL_EVENT | HVP_CALL_FAST:
		return soft->ops->doorbell(soft->ctx, (uint32_t)input);
	default:
		sim_die("hypercall 0x%llx", (unsigned long long)control);
	}
}

static uint64_t read_clock(void *ctx)
{
	(void)ctx;
	return sim_now_ns();
}

/* --- life ------------------------------------------------------------------------------------------------- */

struct sim_arena soft_arena(const struct hvh_mem *mem)
{
	struct hvh_mem_region region;

	if (!hvh_mem_region(mem, 0, &region))
		sim_die("no memory");
	/* Page 0 is for nobody; see hvos_shared_alloc(). */
	return (struct sim_arena){
		.fd = region.fd,
		.offset = (uint64_t)region.fd_offset + HVP_PAGE_SIZE,
		.gpn = (region.gpa >> HVP_PAGE_SHIFT) + 1,
		.pages = (uint32_t)(region.len >> HVP_PAGE_SHIFT) - 1,
	};
}

void soft_configure(struct soft_hypervisor *soft, struct sim_config *config)
{
	config->arena = soft_arena(soft->mem);
	config->hypervisor = &soft->table;
	config->cpu_reset = reset_cpu;
	config->ctx = soft;
}

void soft_init(struct soft_hypervisor *soft, struct hvh_mem *mem, unsigned cpus,
	       const struct soft_host_ops *ops, void *ctx)
{
	memset(soft, 0, sizeof(*soft));
	soft->mem = mem;
	soft->cpus = cpus;
	soft->ops = ops;
	soft->ctx = ctx;
	soft->features.access = HVP_ACCESS_SYNIC | HVP_ACCESS_HYPERCALL | HVP_ACCESS_VP_INDEX |
				HVP_ACCESS_REF_COUNTER | HVP_ACCESS_REF_TSC;
	soft->features.privileges = HVP_PRIV_POST_MESSAGES | HVP_PRIV_SIGNAL_EVENTS;
	soft->features.misc = HVP_FEATURE_CRASH_MSR;
	soft->table = (struct hvg_soft_hypervisor){ detect, get, set, call, read_clock, soft };
	for (unsigned cpu = 0; cpu < cpus; cpu++) {
		if (hvh_synic_create(mem, &soft->cpu[cpu].synic))
			sim_die("no memory");
		reset_cpu(soft, cpu);
	}
}

void soft_fini(struct soft_hypervisor *soft)
{
	for (unsigned cpu = 0; cpu < soft->cpus; cpu++) {
		hvh_synic_destroy(soft->cpu[cpu].synic);
		free(soft->cpu[cpu].queue);
	}
}
