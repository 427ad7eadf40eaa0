/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The bus: start, stop, suspend and resume, the end in a crash.
 */
#include "bus_priv.h"

#define CRASH_STEP_US 1000u

/* First handle of a GPADL. Any but 0 would do; hosts' logs are easier to read when it is no small number. */
#define FIRST_GPADL 0xe1e10u

static const struct hvg_hv_ops hv_ops = {
	.event = hvg_conn_event,
	.message = hvg_conn_message,
};

/* From nothing to the list of offers under way; after a failure the rest is disconnect()'s. */
static int connect_host(struct hvg_bus *bus, uint32_t version_max, uint32_t version_min)
{
	int err = hvg_hv_start(&bus->hv, bus->config.os_id, &hv_ops, bus);

	if (err)
		return err;
	err = hvg_conn_contact(bus, version_max, version_min);
	if (!err)
		err = hvg_conn_request_offers(bus);
	return err;
}

static void disconnect(struct hvg_bus *bus)
{
	hvg_conn_unload(bus);
	hvg_hv_stop(&bus->hv);
	hvg_bus_count(&bus->counters.lost_pages, bus->hv.lost_pages);
	hvg_bus_count(&bus->counters.violations, bus->hv.bad_messages);
	bus->hv.lost_pages = 0;
	bus->hv.bad_messages = 0;
}

static void lose_pages(struct hvg_bus *bus)
{
	if (!bus->contacted && !hvos_shared_free(&bus->pages))
		return;
	if (bus->contacted)
		hvos_shared_lose(&bus->pages);
	hvos_log(HVOS_WARNING, "pages of the connection stay with the host: lost");
}

static void destroy(struct hvg_bus *bus)
{
	if (bus->pages.base)
		lose_pages(bus);
	hvos_event_fini(&bus->offers_delivered);
	hvos_event_fini(&bus->progress);
	hvos_mutex_fini(&bus->inbox_mutex);
	hvos_mutex_fini(&bus->mutex);
	hvos_lock_fini(&bus->lock);
	hvos_free(bus);
}

int hvg_bus_start(const struct hvg_bus_config *config, struct hvg_bus **out)
{
	struct hvg_bus *bus;
	int err;

	if (!config->os_id || config->version_max < HVP_VERSION_2_4 ||
	    config->version_max > HVP_VERSION_5_3)
		return -EINVAL;
	hvg_log_begin();
	bus = hvos_alloc(sizeof(*bus));
	if (!bus)
		return -ENOMEM;
	bus->config = *config;
	bus->next_gpadl = FIRST_GPADL;
	bus->closed = true;
	hvos_lock_init(&bus->lock, "hvg bus");
	hvos_mutex_init(&bus->mutex, "hvg devices");
	hvos_mutex_init(&bus->inbox_mutex, "hvg inbox");
	hvos_event_init(&bus->offers_delivered);
	hvos_event_init(&bus->progress);
	hvg_offer_restart(bus);
	err = hvos_shared_alloc(&bus->pages, 3);
	if (!err)
		err = connect_host(bus, config->version_max, HVP_VERSION_2_4);
	if (err) {
		hvg_bus_stop(bus);
		return err;
	}
	hvos_log(HVOS_INFO, "VMBus %u.%u", HVP_VERSION_MAJOR(bus->version),
		 HVP_VERSION_MINOR(bus->version));
	*out = bus;
	return 0;
}

int hvg_bus_settle(struct hvg_bus *bus, uint32_t timeout_ms)
{
	uint64_t end_ns = hvos_now_ns() + timeout_ms * 1000000ull;
	int err = hvos_event_wait(&bus->offers_delivered, timeout_ms);

	while (!err) {
		uint64_t now_ns = hvos_now_ns();

		hvos_event_reset(&bus->progress);
		if (hvg_offer_settled(bus))
			return 0;
		if (now_ns >= end_ns)
			return -ETIMEDOUT;
		err = hvos_event_wait(&bus->progress, (uint32_t)((end_ns - now_ns) / 1000000 + 1));
	}
	return err;
}

void hvg_bus_stop(struct hvg_bus *bus)
{
	hvg_offer_detach_all(bus);
	disconnect(bus);
	destroy(bus);
}

int hvg_bus_suspend(struct hvg_bus *bus)
{
	uint32_t version = bus->version;
	int err = hvg_offer_suspend_all(bus);

	if (err)
		return err;
	disconnect(bus);
	bus->suspended_version = version;
	return 0;
}

int hvg_bus_resume(struct hvg_bus *bus)
{
	int err;

	hvg_offer_restart(bus);
	/* Drivers have negotiated what depends on it: another version would be another machine. */
	err = connect_host(bus, bus->suspended_version, bus->suspended_version);
	if (!err)
		err = hvos_event_wait(&bus->offers_delivered, HVG_REQUEST_TIMEOUT_MS);
	if (err) {
		hvg_offer_detach_all(bus);
		disconnect(bus);
		return err;
	}
	hvg_offer_drop_missing(bus);
	return 0;
}

/* --- crash -------------------------------------------------------------------------------------------------- */

static void crash_event(void *bus, uint32_t flag)
{
	(void)bus;
	(void)flag;
}

/* Only one message counts any more; the others give their slots back. */
static bool crash_message(void *ctx, const void *payload, size_t len)
{
	struct hvg_bus *bus = ctx;
	struct hvw_msg msg;

	if (hvw_msg_parse(&msg, payload, len, HVP_TO_GUEST) == 0 &&
	    msg.u.h.type == HVP_MSG_UNLOAD_RESPONSE)
		bus->unloaded = true;
	return true;
}

static const struct hvg_hv_ops crash_ops = {
	.event = crash_event,
	.message = crash_message,
};

void hvg_bus_crash(struct hvg_bus *bus, uint32_t timeout_ms)
{
	struct hvp_msg_header unload = { .type = HVP_MSG_UNLOAD };
	uint64_t waited_us;

	/* Hosts before 3.0 take no second contact: nothing would be gained. */
	if (bus->version < HVP_VERSION_3_0)
		return;
	bus->unloaded = false;
	bus->hv.ops = &crash_ops;
	if (hvg_hv_post_crash(&bus->hv, bus->connection_id, &unload, sizeof(unload)))
		return;
	for (waited_us = 0; waited_us < timeout_ms * 1000ull && !bus->unloaded;
	     waited_us += CRASH_STEP_US) {
		hvg_hv_poll_crash(&bus->hv);
		hvos_delay_us(CRASH_STEP_US);
	}
	/* Slots that are full would keep the next kernel's messages out. */
	hvg_hv_poll_crash(&bus->hv);
}

void hvg_bus_report_crash(struct hvg_bus *bus, const uint64_t parameters[5],
			  const struct hvos_shared *text, uint32_t text_len)
{
	uint64_t actions, wanted = HVP_CRASH_NOTIFY;
	unsigned i;

	if (!(bus->hv.features.misc & HVP_FEATURE_CRASH_MSR))
		return;
	actions = hvg_arch_get(HVG_REG(CRASH_CTL));
	for (i = 0; i < 5; i++)
		hvg_arch_set(HVG_REG(CRASH_P0) + i, parameters[i]);
	if (text && actions & HVP_CRASH_MESSAGE) {
		hvg_arch_set(HVG_REG(CRASH_P0) + 3, hvos_shared_gpn(text, 0) << HVP_PAGE_SHIFT);
		hvg_arch_set(HVG_REG(CRASH_P0) + 4,
			     text_len < HVP_PAGE_SIZE ? text_len : HVP_PAGE_SIZE);
		wanted |= HVP_CRASH_MESSAGE;
	}
	hvg_arch_set(HVG_REG(CRASH_CTL), wanted & actions);
}

/* --- processors, numbers ------------------------------------------------------------------------------------ */

int hvg_bus_cpu_online(struct hvg_bus *bus, unsigned cpu)
{
	return hvg_hv_cpu_start(&bus->hv, cpu);
}

static bool uses_cpu(const struct hvg_chan *chan, unsigned cpu)
{
	return chan->open &&
	       (chan->cpu == cpu || (chan->other_cpu == cpu && hvos_now_ns() < chan->other_ns));
}

int hvg_bus_cpu_offline(struct hvg_bus *bus, unsigned cpu)
{
	struct hvg_device *device;
	struct hvg_chan *sub;
	bool busy;

	if (!hvg_hv_cpu_ready(&bus->hv, cpu))
		return 0;
	/* The first is where drivers without a wish have their interrupts. */
	busy = cpu == 0 || hvg_hv_vp(&bus->hv, cpu) == bus->message_vp;

	hvos_mutex_lock(&bus->mutex);
	for (device = bus->devices; device; device = device->next) {
		busy |= uses_cpu(device->primary, cpu);
		for (sub = device->subs; sub; sub = sub->next)
			busy |= uses_cpu(sub, cpu);
	}
	/* With the mutex, so that no channel comes to it meanwhile. */
	if (!busy)
		hvg_hv_cpu_stop(&bus->hv, cpu);
	hvos_mutex_unlock(&bus->mutex);
	return busy ? -EBUSY : 0;
}

uint32_t hvg_bus_version(const struct hvg_bus *bus)
{
	return __atomic_load_n(&bus->version, __ATOMIC_ACQUIRE);
}

void hvg_bus_counters(const struct hvg_bus *bus, struct hvg_bus_counters *counters)
{
#define READ(name) counters->name = __atomic_load_n(&bus->counters.name, __ATOMIC_RELAXED);
	HVG_BUS_COUNTERS(READ)
#undef READ
	counters->violations += __atomic_load_n(&bus->hv.bad_messages, __ATOMIC_RELAXED);
}
