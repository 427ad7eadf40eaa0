/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <string.h>

#include "fuzz/loopback.h"

/* The host looks at its timers at least so often. */
#define TICK_MS 50u

/* What the server has for the guest goes into the SynIC's queue. */
static void pass_messages(struct loopback *l)
{
	struct embedder_message message;

	while (embedder_take(&l->e, &message))
		soft_message(&l->soft, message.vp, HVP_MESSAGE_VMBUS, message.bytes, message.len);
}

void loopback_kick(struct loopback *l)
{
	pass_messages(l);
	hvos_event_set(&l->wake);
}

static uint16_t op_post(void *ctx, uint32_t connection_id, uint32_t type, const void *payload,
			size_t len)
{
	struct loopback *l = ctx;
	uint16_t status;

	EMBEDDER_REQUIRE(type == HVP_MESSAGE_VMBUS);
	status = embedder_post(&l->e, connection_id, payload, len);
	loopback_kick(l);
	return status;
}

static uint16_t op_doorbell(void *ctx, uint32_t connection_id)
{
	struct loopback *l = ctx;
	unsigned i;

	/* An eventfd counts, its reader does not. */
	for (i = 0; i < l->doorbell_count; i++)
		if (l->doorbells[i] == connection_id)
			return HVP_STATUS_SUCCESS;
	EMBEDDER_REQUIRE(l->doorbell_count < LOOPBACK_DOORBELLS);
	l->doorbells[l->doorbell_count++] = connection_id;
	hvos_event_set(&l->wake);
	return HVP_STATUS_SUCCESS;
}

static const struct soft_host_ops ops = { op_post, op_doorbell };

static void on_signal(struct embedder *e, uint32_t vp, uint32_t flag)
{
	soft_event(&((struct loopback *)e->ctx)->soft, vp, flag);
}

static unsigned held(const struct embedder *e)
{
	return soft_mapped(&((const struct loopback *)e->ctx)->soft);
}

static void take_doorbell(struct loopback *l)
{
	unsigned pick = sim_random(l->doorbell_count);
	uint32_t connection_id = l->doorbells[pick];

	l->doorbells[pick] = l->doorbells[--l->doorbell_count];
	embedder_doorbell(&l->e, connection_id);
}

/* One thing, of those that may come next. False: nothing is to be done. */
static bool host_step(struct loopback *l)
{
	uint64_t now_ns = sim_now_ns();

	if (now_ns > l->e.now_ns)
		embedder_advance(&l->e, now_ns - l->e.now_ns);
	if (l->doorbell_count && (!l->e.task_count || sim_random(2)))
		take_doorbell(l);
	else if (!embedder_step(&l->e, sim_random(256)))
		return false;
	pass_messages(l);
	return true;
}

static void host_thread(void *ctx)
{
	struct loopback *l = ctx;

	while (!l->stopping) {
		hvos_event_reset(&l->wake);
		while (host_step(l))
			sim_point();
		pass_messages(l);
		if (hvos_event_wait(&l->wake, TICK_MS))
			continue; /* for the timers */
	}
	l->stopped = true;
}

void loopback_start(struct loopback *l, const struct sim_config *config)
{
	struct sim_config sim = *config;

	if (!l->e.config.version_max)
		l->e.config.version_max = HVP_VERSION_5_3;
	l->e.config.vps = config->cpus;
	l->e.signal = on_signal;
	l->e.ctx = l;
	embedder_init(&l->e);
	l->e.held = held;
	soft_init(&l->soft, l->e.mem, config->cpus, &ops, l);
	soft_configure(&l->soft, &sim);
	l->doorbell_count = 0;
	l->stopping = l->stopped = false;
	sim_start(&sim);
	l->e.now_ns = sim_now_ns();
	hvos_event_init(&l->wake);
	sim_thread("host", host_thread, l);
}

void loopback_stop(struct loopback *l)
{
	l->stopping = true;
	while (!l->stopped) {
		hvos_event_set(&l->wake);
		hvos_sleep_ms(1);
	}
	hvos_event_fini(&l->wake);
	embedder_fini(&l->e);
	sim_stop();
	soft_fini(&l->soft);
}
