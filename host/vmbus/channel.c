/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Channels: the life of one (control loop), and what its device and the guest exchange (owner loop).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server_priv.h"

#define STATE_TAG     HVH_STATE_TAG('C', 'H', 'A', 'N')
#define STATE_VERSION 1

static const char *const state_names[CHANNEL_STATES] = {
	[CHANNEL_RELEASED] = "not offered",
	[CHANNEL_OFFERED] = "offered",
	[CHANNEL_OPENING] = "opening",
	[CHANNEL_OPEN] = "open",
	[CHANNEL_CLOSING] = "closing",
	[CHANNEL_CLOSING_REOPEN] = "closing, will reopen",
	[CHANNEL_CLOSING_RELEASE] = "closing, guest is leaving",
	[CHANNEL_OPENING_RELEASE] = "opening, guest is leaving",
};

/* --- control loop --------------------------------------------------------------------------- */

int hvh_channel_create(struct hvh_server *server, struct hvh_device *device, uint32_t id,
		       struct hvh_channel **channel)
{
	struct hvh_channel *created = calloc(1, sizeof(*created));

	if (!created)
		return -ENOMEM;
	created->server = server;
	created->device = device;
	created->id = id;
	created->connection_id = CONNECTION_ID_EVENT(id);
	created->state = CHANNEL_RELEASED;
	*channel = created;
	return 0;
}

void hvh_channel_destroy(struct hvh_channel *channel)
{
	if (channel->ring.base)
		hvh_mem_unmap(&channel->ring);
	free(channel);
}

void hvh_channel_offer(struct hvh_channel *channel)
{
	const struct hvh_device *device = channel->device;
	struct hvp_msg_offer_channel offer = {
		.h.type = HVP_MSG_OFFER_CHANNEL,
		.class_id = device->class_id,
		.instance_id = device->instance_id,
		.flags = device->offer_flags,
		.channel_id = channel->id,
		.monitor_id = HVP_MONITOR_ID_NONE,
		.dedicated_interrupt = 1,
		.connection_id = channel->connection_id,
	};

	if (channel->state != CHANNEL_RELEASED)
		return;
	memcpy(offer.user_data, device->user_data, sizeof(offer.user_data));
	channel->state = CHANNEL_OFFERED;
	hvh_server_send(channel->server, &offer, sizeof(offer));
}

static void send_open_result(struct hvh_channel *channel, uint32_t open_id, int32_t status)
{
	struct hvp_msg_open_result result = {
		.h.type = HVP_MSG_OPEN_RESULT,
		.channel_id = channel->id,
		.open_id = open_id,
		.status = status,
	};

	hvh_server_send(channel->server, &result, sizeof(result));
}

static void unmap_ring(struct hvh_channel *channel)
{
	uint32_t handle = channel->ring_gpadl;

	if (channel->ring.base)
		hvh_mem_unmap(&channel->ring);
	channel->ring_gpadl = 0;
	if (handle)
		hvh_gpadl_ring_unused(channel->server, handle);
}

/* Both rings in place, at the indices that the guest gave. */
static int map_ring(struct hvh_channel *channel, const struct hvp_msg_open_channel *msg)
{
	uint8_t *base;
	size_t split = (size_t)msg->downstream_page * HVP_PAGE_SIZE;
	int err = hvh_gpadl_map_ring(channel->server, channel, msg->ring_gpadl, &channel->ring);

	if (err)
		return err;
	channel->ring_gpadl = msg->ring_gpadl;
	base = channel->ring.base;
	err = split < channel->ring.bytes ? hvw_rx_init(&channel->rx, base, split) : -EINVAL;
	if (!err)
		err = hvw_tx_init(&channel->tx, base + split, channel->ring.bytes - split);
	if (err == -EPROTO && channel->restored) {
		/* The guest spoilt its own ring before or after the save: that costs it the channel, not the machine. */
		channel->broken = true;
		return 0;
	}
	if (err)
		unmap_ring(channel);
	return err;
}

static bool target_vp_valid(const struct hvh_server *server, uint32_t vp)
{
	return vp < server->config.vps || vp == HVP_TARGET_VP_NONE;
}

/* OFFERED -> OPENING, and on to the owner loop. Negative errno: still OFFERED. */
static int begin_open(struct hvh_channel *channel, const struct hvp_msg_open_channel *msg)
{
	struct hvh_server *server = channel->server;
	int err;

	if (!target_vp_valid(server, msg->target_vp))
		return -EINVAL;
	err = map_ring(channel, msg);
	if (err)
		return err;
	channel->request = *msg;
	channel->target_vp = msg->target_vp;
	channel->announced = false;
	channel->state = CHANNEL_OPENING;
	err = server->ops->channel_start(server->ctx, channel, channel->connection_id);
	if (err) {
		channel->state = CHANNEL_OFFERED;
		unmap_ring(channel);
	}
	return err;
}

void hvh_channel_open(struct hvh_channel *channel, const struct hvp_msg_open_channel *msg)
{
	int err;

	if (channel->state == CHANNEL_CLOSING) {
		channel->request = *msg;
		channel->state = CHANNEL_CLOSING_REOPEN;
		return;
	}
	if (channel->state != CHANNEL_OFFERED) {
		hvh_server_violation(channel->server, "%s: OPEN_CHANNEL while %s",
				     channel->device->name, state_names[channel->state]);
		return;
	}
	err = begin_open(channel, msg);
	if (err) {
		hvh_server_violation(
			channel->server,
			"%s: OPEN_CHANNEL refused: ring GPADL 0x%x, page %u, VP %u: error %d",
			channel->device->name, msg->ring_gpadl, msg->downstream_page,
			msg->target_vp, -err);
		send_open_result(channel, msg->open_id, HVP_OPEN_FAILED);
	}
}

static void begin_close(struct hvh_channel *channel, enum channel_state closing)
{
	struct hvh_server *server = channel->server;

	channel->state = closing;
	server->stats.channels_open--;
	server->ops->channel_stop(server->ctx, channel);
}

void hvh_channel_close(struct hvh_channel *channel)
{
	if (channel->state == CHANNEL_OPEN) {
		begin_close(channel, CHANNEL_CLOSING);
		return;
	}
	if (channel->state == CHANNEL_CLOSING_REOPEN) {
		channel->state = CHANNEL_CLOSING;
		return;
	}
	hvh_server_violation(channel->server, "%s: CLOSE_CHANNEL while %s", channel->device->name,
			     state_names[channel->state]);
}

void hvh_channel_modify(struct hvh_channel *channel, uint32_t target_vp)
{
	struct hvh_server *server = channel->server;
	struct hvp_msg_modify_channel_response response = {
		.h.type = HVP_MSG_MODIFY_CHANNEL_RESPONSE,
		.channel_id = channel->id,
	};

	if (channel->state != CHANNEL_OPEN || target_vp >= server->config.vps) {
		hvh_server_violation(server, "%s: MODIFY_CHANNEL to VP %u while %s",
				     channel->device->name, target_vp, state_names[channel->state]);
		response.status = HVP_OPEN_FAILED;
	} else {
		channel->target_vp = target_vp;
	}
	if (server->version >= hvw_msg_since(HVP_MSG_MODIFY_CHANNEL_RESPONSE))
		hvh_server_send(server, &response, sizeof(response));
}

/* RELID_RELEASED: the guest has no use for the offer. */
void hvh_channel_guest_released(struct hvh_channel *channel)
{
	switch (channel->state) {
	case CHANNEL_OFFERED:
		channel->state = CHANNEL_RELEASED;
		break;
	case CHANNEL_CLOSING:
		channel->state = CHANNEL_CLOSING_RELEASE;
		break;
	default:
		hvh_server_violation(channel->server, "%s: RELID_RELEASED while %s",
				     channel->device->name, state_names[channel->state]);
	}
}

/* The guest leaves or is reset; hvh_server_left() follows when the last channel is released. */
void hvh_channel_release(struct hvh_channel *channel)
{
	switch (channel->state) {
	case CHANNEL_OFFERED:
		channel->state = CHANNEL_RELEASED;
		break;
	case CHANNEL_OPENING:
		channel->state = CHANNEL_OPENING_RELEASE;
		break;
	case CHANNEL_OPEN:
		begin_close(channel, CHANNEL_CLOSING_RELEASE);
		break;
	case CHANNEL_CLOSING:
	case CHANNEL_CLOSING_REOPEN:
		channel->state = CHANNEL_CLOSING_RELEASE;
		break;
	default:
		break;
	}
}

bool hvh_channel_in_transition(const struct hvh_channel *channel)
{
	return channel->state != CHANNEL_RELEASED && channel->state != CHANNEL_OFFERED &&
	       channel->state != CHANNEL_OPEN;
}

void hvh_server_started(struct hvh_server *server, struct hvh_channel *channel, int result)
{
	bool leaving = channel->state == CHANNEL_OPENING_RELEASE, restored = channel->restored;

	channel->restored = false;
	if (result) {
		channel->state = leaving ? CHANNEL_RELEASED : CHANNEL_OFFERED;
		unmap_ring(channel);
		if (leaving)
			hvh_server_left(server);
		else if (!restored) /* who did not ask gets no answer */
			send_open_result(channel, channel->request.open_id, HVP_OPEN_FAILED);
		return;
	}
	server->stats.channels_open++;
	if (leaving) {
		begin_close(channel, CHANNEL_CLOSING_RELEASE);
		return;
	}
	channel->state = CHANNEL_OPEN;
	if (!restored)
		send_open_result(channel, channel->request.open_id, HVP_OPEN_SUCCESS);
	else if (channel->target_vp != HVP_TARGET_VP_NONE)
		/* Whatever interrupt was under way when the state was saved is lost. */
		server->ops->signal(server->ctx, channel->target_vp, HVP_VMBUS_SINT, channel->id);
	channel->announced = true;
}

void hvh_server_stopped(struct hvh_server *server, struct hvh_channel *channel)
{
	enum channel_state was = channel->state;

	channel->state = was == CHANNEL_CLOSING_RELEASE ? CHANNEL_RELEASED : CHANNEL_OFFERED;
	unmap_ring(channel);
	if (was == CHANNEL_CLOSING_REOPEN) {
		struct hvp_msg_open_channel again = channel->request;

		hvh_channel_open(channel, &again);
	} else if (was == CHANNEL_CLOSING_RELEASE) {
		hvh_server_left(server);
	}
}

void hvh_channel_set_context(struct hvh_channel *channel, void *context)
{
	channel->context = context;
}

void *hvh_channel_context(const struct hvh_channel *channel)
{
	return channel->context;
}

void hvh_channel_info(const struct hvh_channel *channel, struct hvh_channel_info *info)
{
	info->id = channel->id;
	info->connection_id = channel->connection_id;
	info->subchannel_index = 0;
	info->target_vp = channel->target_vp;
	info->state = state_names[channel->state];
	info->open = channel->state == CHANNEL_OPEN;
	info->broken = channel->broken;
	info->packets_in = channel->packets_in;
	info->packets_out = channel->packets_out;
	info->signals_in = channel->signals_in;
	info->signals_out = channel->signals_out;
	info->device = channel->device;
}

/* --- owner loop ----------------------------------------------------------------------------- */

/* Only the owner loop writes a counter: no locked instruction is needed. */
static void count(_Atomic uint64_t *counter)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

static void signal_guest(struct hvh_channel *channel)
{
	uint32_t vp = atomic_load_explicit(&channel->target_vp, memory_order_relaxed);

	count(&channel->signals_out);
	if (vp != HVP_TARGET_VP_NONE)
		channel->server->ops->signal(channel->server->ctx, vp, HVP_VMBUS_SINT, channel->id);
}

/* The device's own timer runs on its first channel. */
static uint64_t device_deadline(const struct hvh_channel *channel)
{
	return channel->device->channel == channel ? channel->device->deadline_ns : 0;
}

static void arm(struct hvh_channel *channel)
{
	uint64_t first = device_deadline(channel);

	if (channel->retry_ns && (!first || channel->retry_ns < first))
		first = channel->retry_ns;
	channel->server->ops->timer(channel->server->ctx, channel, first);
}

/* Notify the device again at `when_ns`, unless that is due earlier already. */
static void retry_at(struct hvh_channel *channel, uint64_t when_ns)
{
	when_ns += !when_ns; /* 0 is "never" */
	if (channel->retry_ns && channel->retry_ns <= when_ns)
		return;
	channel->retry_ns = when_ns;
	arm(channel);
}

/* Give the space of what was read back to the guest. */
static void release(struct hvh_channel *channel)
{
	if (hvw_rx_release(&channel->rx))
		signal_guest(channel);
}

int hvh_channel_start(struct hvh_channel *channel)
{
	struct hvh_device *device = channel->device;
	int err;

	if (!channel->restored) {
		channel->broken = false;
		err = device->ops->open(device, channel);
		if (err)
			return err;
	}
	channel->running = true;
	if (device_deadline(channel))
		arm(channel);
	return 0;
}

void hvh_channel_stop(struct hvh_channel *channel)
{
	struct hvh_device *device = channel->device;

	channel->retry_ns = 0;
	if (device->channel == channel)
		device->deadline_ns = 0;
	arm(channel);
	channel->running = false;
	device->ops->close(device, channel);
}

void hvh_channel_stopped(struct hvh_channel *channel)
{
	channel->server->ops->channel_drained(channel->server->ctx, channel);
}

static void notify(struct hvh_channel *channel)
{
	/* Late or early, for a channel that is stopped or not open to the guest's knowledge, it is for nobody. */
	if (!channel->running || !channel->announced || channel->broken)
		return;
	channel->budget = RECV_BUDGET;
	hvw_rx_mask(&channel->rx);
	channel->device->ops->notify(channel->device, channel);
}

void hvh_channel_notify(struct hvh_channel *channel)
{
	count(&channel->signals_in);
	notify(channel);
}

static int broken(struct hvh_channel *channel, const char *why)
{
	if (!channel->broken)
		hvh_server_log(channel->server, &channel->server->violation_limit, HVH_LOG_WARNING,
			       "%s: channel %u is broken: %s", channel->device->name, channel->id,
			       why);
	channel->broken = true;
	return -EPROTO;
}

void hvh_channel_fail(struct hvh_channel *channel, const char *why)
{
	(void)broken(channel, why);
}

static void trace_received(const struct hvh_channel *channel, const struct hvw_rx_packet *packet)
{
	const struct hvw_rx *rx = &channel->rx;
	uint32_t at = hvw_ring_wrap(packet->start + packet->header_len, rx->size);
	uint32_t first = rx->size - at < packet->payload_len ? rx->size - at : packet->payload_len;
	const struct hvh_trace_packet trace = {
		.channel = channel,
		.direction = HVP_TO_HOST,
		.type = packet->h.type,
		.flags = packet->h.flags,
		.transaction_id = packet->h.transaction_id,
		.payload = { { (void *)(rx->data + at), first },
			     { (void *)rx->data, packet->payload_len - first } },
	};

	channel->server->ops->trace_packet(channel->server->ctx, &trace);
}

static void trace_sent(const struct hvh_channel *channel, uint16_t flags, uint64_t transaction_id,
		       const void *payload, uint32_t len)
{
	const struct hvh_trace_packet trace = {
		.channel = channel,
		.direction = HVP_TO_GUEST,
		.type = HVP_PACKET_INBAND,
		.flags = flags,
		.transaction_id = transaction_id,
		.payload = { { (void *)payload, len } },
	};

	channel->server->ops->trace_packet(channel->server->ctx, &trace);
}

int hvh_channel_recv(struct hvh_channel *channel, struct hvw_rx_packet *packet)
{
	int err;

	if (channel->broken || !channel->running)
		return -EPROTO;
	for (; channel->budget; channel->budget--) {
		err = hvw_rx_next(&channel->rx, packet);
		if (!err) {
			channel->budget--;
			count(&channel->packets_in);
			if (__builtin_expect(channel->server->ops->trace_packet != NULL, 0))
				trace_received(channel, packet);
			return 0;
		}
		if (err != -EAGAIN)
			return broken(channel, "impossible packet or index in the guest's ring");
		release(channel);
		if (!hvw_rx_unmask(&channel->rx))
			return -EAGAIN;
		hvw_rx_mask(&channel->rx);
	}
	/* Signals stay masked: the rest is taken by a notification of our own, after the loop's other work. */
	release(channel);
	retry_at(channel, hvh_device_now(channel->device));
	return -EAGAIN;
}

int hvh_channel_read(struct hvh_channel *channel, const struct hvw_rx_packet *packet,
		     uint32_t offset, void *dst, uint32_t len)
{
	return hvw_rx_copy(&channel->rx, packet, offset, dst, len);
}

int hvh_channel_send(struct hvh_channel *channel, uint16_t flags, uint64_t transaction_id,
		     const void *payload, uint32_t len)
{
	bool signal;
	int err;

	if (channel->broken || !channel->running)
		return -EPROTO;
	do {
		err = hvw_tx_send(&channel->tx, flags, transaction_id, payload, len, &signal);
		if (!err) {
			count(&channel->packets_out);
			if (__builtin_expect(channel->server->ops->trace_packet != NULL, 0))
				trace_sent(channel, flags, transaction_id, payload, len);
			if (signal)
				signal_guest(channel);
			return 0;
		}
		if (err == -EAGAIN)
			err = hvw_tx_want_space(&channel->tx, hvw_packet_space(0, len));
	} while (!err);
	if (err == -EAGAIN) {
		retry_at(channel, hvh_device_now(channel->device) + SEND_RETRY_NS);
	} else if (err == -EPROTO) {
		return broken(channel, "impossible index in the host's ring");
	}
	return err;
}

void hvh_device_arm(struct hvh_device *device, uint64_t deadline_ns)
{
	device->deadline_ns = deadline_ns;
	/* While a channel is opened or loaded it has no owner yet: hvh_channel_start() arms then. */
	if (device->channel->running)
		arm(device->channel);
}

uint64_t hvh_device_now(const struct hvh_device *device)
{
	return device->server->ops->now_ns(device->server->ctx);
}

void hvh_channel_expire(struct hvh_channel *channel, uint64_t now_ns)
{
	struct hvh_device *device = channel->device;
	uint64_t deadline_ns;

	/* A timer that could not be cancelled in time. */
	if (!channel->running)
		return;
	if (channel->retry_ns && now_ns >= channel->retry_ns) {
		channel->retry_ns = 0;
		notify(channel);
	}
	deadline_ns = device_deadline(channel);
	if (deadline_ns && now_ns >= deadline_ns) {
		device->deadline_ns = 0;
		device->ops->expire(device, now_ns);
	}
	arm(channel);
}

/* --- save and load -------------------------------------------------------------------------- */

void hvh_channel_save(struct hvh_channel *channel, struct hvh_state_writer *w)
{
	/* The rings' cursors are in guest memory, once what was read is released. */
	if (channel->state == CHANNEL_OPEN && !channel->broken)
		release(channel);
	hvh_state_begin(w, STATE_TAG, STATE_VERSION);
	hvh_state_put_u32(w, channel->id);
	hvh_state_put_u32(w, channel->state);
	hvh_state_put_u32(w, channel->request.open_id);
	hvh_state_put_u32(w, channel->request.ring_gpadl);
	hvh_state_put_u32(w, channel->request.downstream_page);
	hvh_state_put_u32(w, channel->target_vp);
	hvh_state_put_u32(w, channel->broken);
	channel->device->ops->save(channel->device, w);
	hvh_state_end(w);
}

void hvh_channel_load(struct hvh_channel *channel, struct hvh_state_reader *r)
{
	struct hvp_msg_open_channel *request = &channel->request;
	uint32_t id, state;

	hvh_state_enter(r, STATE_TAG, STATE_VERSION);
	id = hvh_state_get_u32(r);
	state = hvh_state_get_u32(r);
	request->channel_id = channel->id;
	request->open_id = hvh_state_get_u32(r);
	request->ring_gpadl = hvh_state_get_u32(r);
	request->downstream_page = hvh_state_get_u32(r);
	request->target_vp = hvh_state_get_u32(r);
	channel->broken = hvh_state_get_u32(r) != 0;
	if (r->err || id != channel->id ||
	    (state != CHANNEL_RELEASED && state != CHANNEL_OFFERED && state != CHANNEL_OPEN)) {
		hvh_state_refuse(r);
		return;
	}
	channel->restored = state == CHANNEL_OPEN;
	channel->state = state == CHANNEL_RELEASED ? CHANNEL_RELEASED : CHANNEL_OFFERED;
	if (channel->device->ops->load(channel->device, r))
		hvh_state_refuse(r);
	hvh_state_leave(r);
}

/* After everything was loaded: hand an open channel to its owner loop again. */
int hvh_channel_resume(struct hvh_channel *channel)
{
	return channel->restored ? begin_open(channel, &channel->request) : 0;
}
