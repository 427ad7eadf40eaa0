/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Channels: their life. The data path is inline, in hvg/hvg_chan.h.
 */
#include "bus_priv.h"

#define RING_PAGES_MAX 4096u

/* A host that does not answer has surely seen a message after this. */
#define UNANSWERED_NS 1000000000ull

/* With the bus's mutex held, so that a rescind finds the channel where it belongs or not at all. */
int hvg_chan_create(struct hvg_device *device, const struct hvp_msg_offer_channel *offer,
		    struct hvg_chan **out)
{
	struct hvg_chan *chan = hvos_alloc(sizeof(*chan));

	hvos_mutex_assert(&device->bus->mutex);
	if (!chan)
		return -ENOMEM;
	chan->bus = device->bus;
	chan->device = device;
	chan->id = offer->channel_id;
	chan->connection_id = offer->connection_id;
	chan->index = offer->subchannel_index;
	hvos_lock_init(&chan->tx_lock, "hvg tx");
	__atomic_store_n(&chan->bus->by_id[chan->id], chan, __ATOMIC_RELEASE);
	*out = chan;
	return 0;
}

/* From now on the host may give its number to another. `tell`: it waits to hear that. */
void hvg_chan_release_id(struct hvg_chan *chan, bool tell)
{
	struct hvp_msg_channel_ref released = {
		.h.type = HVP_MSG_RELID_RELEASED,
		.channel_id = chan->id,
	};
	bool ours;
	int err;

	/* Before the message, because the host may offer the number again at once. */
	hvos_mutex_lock(&chan->bus->mutex);
	ours = chan->bus->by_id[chan->id] == chan;
	if (ours)
		__atomic_store_n(&chan->bus->by_id[chan->id], NULL, __ATOMIC_RELEASE);
	hvos_mutex_unlock(&chan->bus->mutex);
	if (!ours || !tell)
		return;
	err = hvg_conn_post(chan->bus, &released, sizeof(released));
	if (err)
		hvg_log(HVOS_WARNING, "channel %u could not be released: error %d", chan->id, -err);
}

/* Closed and released. Interrupts that were on the way to it have ended. */
void hvg_chan_destroy(struct hvg_chan *chan)
{
	hvos_interrupt_drain();
	hvos_lock_fini(&chan->tx_lock);
	hvos_free(chan);
}

/* --- open and close ------------------------------------------------------------------------------------- */

/* The host has let go of it, or never will. */
static void drop_ring(struct hvg_chan *chan, bool host_let_go)
{
	uint32_t pages = chan->ring.pages;
	bool lost = !host_let_go;

	if (host_let_go)
		lost = hvos_shared_free(&chan->ring) != 0;
	else
		hvos_shared_lose(&chan->ring);
	chan->ring.base = NULL;
	if (!lost)
		return;
	hvg_bus_count(&chan->bus->counters.lost_pages, pages);
	hvg_log(HVOS_WARNING, "channel %u: %u pages stay with the host: lost", chan->id, pages);
}

static int make_ring(struct hvg_chan *chan, const struct hvg_chan_config *config)
{
	size_t send_bytes = (size_t)config->send_pages * HVP_PAGE_SIZE;
	uint8_t HVW_SHARED *base;
	int err = hvos_shared_alloc(&chan->ring, config->send_pages + config->receive_pages);

	if (err)
		return err;
	base = (uint8_t HVW_SHARED *)chan->ring.base;
	err = hvw_tx_init(&chan->tx, base, send_bytes);
	if (!err)
		err = hvw_rx_init(&chan->rx, base + send_bytes,
				  (size_t)config->receive_pages * HVP_PAGE_SIZE);
	if (!err)
		err = hvg_gpadl_create(chan, &chan->ring, &chan->ring_gpadl);
	if (err)
		drop_ring(chan, err != -ETIMEDOUT);
	return err;
}

static void set_listener(struct hvg_chan *chan, hvos_fn signalled, void *ctx)
{
	if (signalled)
		chan->signalled_ctx = ctx;
	__atomic_store_n(&chan->signalled, signalled, __ATOMIC_RELEASE);
}

static int ask_open(struct hvg_chan *chan, const struct hvg_chan_config *config)
{
	struct hvp_msg_open_channel message = {
		.h.type = HVP_MSG_OPEN_CHANNEL,
		.channel_id = chan->id,
		.ring_gpadl = chan->ring_gpadl,
		.target_vp = hvg_hv_vp(&chan->bus->hv, config->cpu),
		.downstream_page = config->send_pages,
	};
	struct hvg_request request;
	int err;

	if (config->user_data)
		hvw_memcpy(message.user_data, config->user_data, sizeof(message.user_data));
	hvos_lock(&chan->bus->lock);
	message.open_id = ++chan->bus->last_open;
	hvos_unlock(&chan->bus->lock);
	hvg_request_begin(chan->bus, &request, HVP_MSG_OPEN_RESULT, chan->id, message.open_id,
			  chan);
	err = hvg_request_ask(chan->bus, &request, &message, sizeof(message));
	if (err)
		return err;
	return request.answer.u.OPEN_RESULT.status == HVP_OPEN_SUCCESS ? 0 : -EIO;
}

static void leave_cpu(struct hvg_chan *chan)
{
	hvos_mutex_lock(&chan->bus->mutex);
	chan->open = false;
	hvos_mutex_unlock(&chan->bus->mutex);
}

/* `tell`: the host takes it for open, or may. */
static void close_chan(struct hvg_chan *chan, bool tell)
{
	struct hvp_msg_channel_ref message = {
		.h.type = HVP_MSG_CLOSE_CHANNEL,
		.channel_id = chan->id,
	};
	int err;

	set_listener(chan, NULL, NULL);
	/* A processor that goes takes its last events with the mutex held, and not in an interrupt. */
	leave_cpu(chan);
	hvos_interrupt_drain();
	if (tell && !hvg_chan_revoked(chan)) {
		err = hvg_conn_post(chan->bus, &message, sizeof(message));
		if (err)
			hvg_log(HVOS_WARNING, "channel %u could not be closed: error %d", chan->id,
				-err);
	}
	drop_ring(chan, hvg_gpadl_teardown(chan, chan->ring_gpadl) == 0);
}

/* From here on `cpu` does not go offline, until `until_ns` nor the one before. False: it is not there. */
static bool use_cpu(struct hvg_chan *chan, unsigned cpu, uint64_t until_ns)
{
	struct hvg_bus *bus = chan->bus;
	bool ready;

	hvos_mutex_lock(&bus->mutex);
	ready = hvg_hv_cpu_ready(&bus->hv, cpu);
	if (ready) {
		chan->other_cpu = chan->open ? chan->cpu : cpu;
		chan->other_ns = until_ns;
		chan->cpu = cpu;
		chan->open = true;
	}
	hvos_mutex_unlock(&bus->mutex);
	return ready;
}

int hvg_chan_open(struct hvg_chan *chan, const struct hvg_chan_config *config)
{
	int err;

	if (chan->open || !config->signalled || config->send_pages > RING_PAGES_MAX ||
	    config->receive_pages > RING_PAGES_MAX)
		return -EINVAL;
	if (hvg_chan_revoked(chan))
		return -ENODEV;
	if (!use_cpu(chan, config->cpu, 0))
		return -EINVAL;
	__atomic_store_n(&chan->broken, 0, __ATOMIC_RELAXED);
	err = make_ring(chan, config);
	if (err) {
		leave_cpu(chan);
		return err;
	}
	/* Interrupts may come before the answer. */
	set_listener(chan, config->signalled, config->ctx);
	err = ask_open(chan, config);
	/* What the host refused to open it has not open. */
	if (err)
		close_chan(chan, err != -EIO);
	return err;
}

void hvg_chan_close(struct hvg_chan *chan)
{
	if (chan->open)
		close_chan(chan, true);
}

/* The move is over, as far as `err` says; one of the two may still get interrupts until `until_ns`. */
static void settle_cpu(struct hvg_chan *chan, int err, uint64_t until_ns)
{
	unsigned cpu;

	hvos_mutex_lock(&chan->bus->mutex);
	if (err) {
		cpu = chan->cpu;
		chan->cpu = chan->other_cpu;
		chan->other_cpu = cpu;
	}
	/* Without an answer nobody knows what the host did. */
	chan->other_ns = err == -ETIMEDOUT ? UINT64_MAX : until_ns;
	hvos_mutex_unlock(&chan->bus->mutex);
}

int hvg_chan_set_cpu(struct hvg_chan *chan, unsigned cpu)
{
	uint64_t until_ns = 0;
	struct hvg_bus *bus = chan->bus;
	struct hvp_msg_modify_channel message = {
		.h.type = HVP_MSG_MODIFY_CHANNEL,
		.channel_id = chan->id,
		.target_vp = hvg_hv_vp(&bus->hv, cpu),
	};
	struct hvg_request request;
	int err;

	if (!chan->open)
		return -EINVAL;
	if (bus->version < hvw_msg_since(HVP_MSG_MODIFY_CHANNEL))
		return -EOPNOTSUPP;
	/* Until the host has said so interrupts may come to either. */
	if (!use_cpu(chan, cpu, UINT64_MAX))
		return -EINVAL;
	if (bus->version < hvw_msg_since(HVP_MSG_MODIFY_CHANNEL_RESPONSE)) {
		err = hvg_conn_post(bus, &message, sizeof(message));
		until_ns = hvos_now_ns() + UNANSWERED_NS;
	} else {
		hvg_request_begin(bus, &request, HVP_MSG_MODIFY_CHANNEL_RESPONSE, chan->id, 0,
				  chan);
		err = hvg_request_ask(bus, &request, &message, sizeof(message));
		if (!err && request.answer.u.MODIFY_CHANNEL_RESPONSE.status)
			err = -EIO;
	}
	settle_cpu(chan, err, until_ns);
	return err;
}

/* --- what drivers ask ------------------------------------------------------------------------------------- */

bool hvg_chan_revoked(const struct hvg_chan *chan)
{
	return __atomic_load_n(&chan->revoked, __ATOMIC_ACQUIRE);
}

struct hvg_device *hvg_chan_device(const struct hvg_chan *chan)
{
	return chan->device;
}

uint32_t hvg_chan_index(const struct hvg_chan *chan)
{
	return chan->index;
}

void hvg_chan_signal(struct hvg_chan *chan)
{
	hvg_hv_signal(&chan->bus->hv, chan->connection_id);
}

void hvg_chan_break(struct hvg_chan *chan, const char *which)
{
	if (!__atomic_exchange_n(&chan->broken, 1, __ATOMIC_RELAXED)) {
		hvg_bus_count(&chan->bus->counters.violations, 1);
		hvg_log(HVOS_WARNING, "channel %u: the host has spoilt the %s ring: no more of it",
			chan->id, which);
	}
}
