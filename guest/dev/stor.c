/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A storage controller's life: attach and detach, sub-channels.
 */
#include "stor_priv.h"

static bool config_valid(const struct hvg_stor_config *config)
{
	return config->queues && config->queues <= HVG_STOR_QUEUES_MAX && config->depth &&
	       config->depth <= HVG_STOR_DEPTH_MAX && config->ring_pages >= HVP_RING_MIN_PAGES &&
	       config->version_max >= HVP_STORVSP_2_0 && config->spare_percent <= 100;
}

int hvg_stor_create(struct hvg_device *device, const struct hvg_stor_config *config,
		    const struct hvg_stor_ops *ops, void *ctx, struct hvg_stor **out)
{
	struct hvg_stor *stor;
	unsigned i;

	if (!config_valid(config))
		return -EINVAL;
	stor = hvos_alloc(sizeof(*stor));
	if (!stor)
		return -ENOMEM;
	stor->device = device;
	stor->config = *config;
	stor->ops = ops;
	stor->ctx = ctx;
	for (i = 0; i < HVG_STOR_QUEUES_MAX; i++) {
		stor->queues[i].stor = stor;
		stor->queues[i].index = i;
	}
	hvos_mutex_init(&stor->subs_mutex, "hvg stor sub-channels");
	hvos_mutex_init(&stor->ask_mutex, "hvg stor questions");
	hvos_lock_init(&stor->ask_lock, "hvg stor question");
	hvos_event_init(&stor->answered);
	*out = stor;
	return 0;
}

void hvg_stor_destroy(struct hvg_stor *stor)
{
	hvos_event_fini(&stor->answered);
	hvos_lock_fini(&stor->ask_lock);
	hvos_mutex_fini(&stor->ask_mutex);
	hvos_mutex_fini(&stor->subs_mutex);
	hvos_free(stor);
}

/* --- attach, detach ------------------------------------------------------------------------------------- */

/*
 * Sub-channels first: they do not live without the first. Some systems really close them only with that one, and until then the
 * host may be at work for them.
 */
static void stop_all(struct hvg_stor *stor)
{
	unsigned i;

	hvos_mutex_lock(&stor->subs_mutex);
	stor->subs_wanted = false;
	for (i = HVG_STOR_QUEUES_MAX; i--;)
		hvg_stor_queue_close(&stor->queues[i]);
	for (i = 0; i < HVG_STOR_QUEUES_MAX; i++)
		hvg_stor_queue_end(&stor->queues[i]);
	hvos_mutex_unlock(&stor->subs_mutex);
}

/* What the host may offer before its answer is here is wanted already. */
static void want_subchannels(struct hvg_stor *stor)
{
	unsigned wanted = stor->config.queues;
	int err;

	if (wanted > stor->info.queues_max)
		wanted = stor->info.queues_max;
	hvos_mutex_lock(&stor->subs_mutex);
	stor->subs_wanted = wanted > 1;
	stor->granted = wanted;
	hvos_mutex_unlock(&stor->subs_mutex);
	if (wanted < 2)
		return;
	err = hvg_stor_ask_subchannels(stor, wanted - 1);
	if (err)
		hvg_log(HVOS_WARNING, "storage: one queue alone: error %d", -err);
}

int hvg_stor_attach(struct hvg_stor *stor)
{
	int err;

	hvos_mutex_lock(&stor->subs_mutex);
	stor->granted = 1;
	err = hvg_stor_queue_start(&stor->queues[0], hvg_stor_chan(stor));
	hvos_mutex_unlock(&stor->subs_mutex);
	if (err)
		return err;
	err = hvg_stor_agree(stor);
	if (err) {
		stop_all(stor);
		return err;
	}
	want_subchannels(stor);
	__atomic_store_n(&stor->ready, 1, __ATOMIC_RELEASE);
	return 0;
}

void hvg_stor_detach(struct hvg_stor *stor)
{
	const uint64_t end_ns = hvos_now_ns() + HVG_STOR_DRAIN_MS * 1000000ull;

	__atomic_store_n(&stor->ready, 0, __ATOMIC_RELEASE);
	while (hvg_stor_busy(stor) && !hvg_chan_revoked(hvg_stor_chan(stor)) &&
	       hvos_now_ns() < end_ns)
		hvos_sleep_ms(1);
	stop_all(stor);
}

/* --- sub-channels --------------------------------------------------------------------------------------- */

void hvg_stor_subchannel(struct hvg_stor *stor, struct hvg_chan *chan)
{
	const uint32_t index = hvg_chan_index(chan);
	int err;

	hvos_mutex_lock(&stor->subs_mutex);
	if (stor->subs_wanted && index && index < stor->granted &&
	    !hvg_stor_queue_open(stor, index)) {
		err = hvg_stor_queue_start(&stor->queues[index], chan);
		if (err)
			hvg_log(HVOS_WARNING, "storage: queue %u cannot be opened: error %d", index,
				-err);
	}
	hvos_mutex_unlock(&stor->subs_mutex);
}

/* The host takes one of several away, or all before the device. */
void hvg_stor_subchannel_gone(struct hvg_stor *stor, struct hvg_chan *chan)
{
	const uint32_t index = hvg_chan_index(chan);

	hvos_mutex_lock(&stor->subs_mutex);
	if (index < HVG_STOR_QUEUES_MAX && stor->queues[index].chan == chan) {
		hvg_stor_queue_close(&stor->queues[index]);
		hvg_stor_queue_end(&stor->queues[index]);
	}
	hvos_mutex_unlock(&stor->subs_mutex);
}

/* --- what others ask ------------------------------------------------------------------------------------ */

const struct hvg_stor_info *hvg_stor_info(const struct hvg_stor *stor)
{
	return &stor->info;
}

bool hvg_stor_queue_open(const struct hvg_stor *stor, unsigned queue)
{
	return queue < HVG_STOR_QUEUES_MAX &&
	       __atomic_load_n(&stor->queues[queue].open, __ATOMIC_ACQUIRE);
}

bool hvg_stor_busy(const struct hvg_stor *stor)
{
	unsigned i;

	for (i = 0; i < HVG_STOR_QUEUES_MAX; i++)
		if (__atomic_load_n(&stor->queues[i].open, __ATOMIC_ACQUIRE) &&
		    __atomic_load_n(&stor->queues[i].under_way, __ATOMIC_ACQUIRE))
			return true;
	return false;
}

void hvg_stor_counters(const struct hvg_stor *stor, unsigned queue,
		       struct hvg_stor_counters *counters)
{
	const struct hvg_stor_counters *of = &stor->queues[queue].counters;

#define COPY(name) counters->name = __atomic_load_n(&of->name, __ATOMIC_RELAXED);
	HVG_STOR_COUNTERS(COPY)
#undef COPY
}
