/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The life of a channel. Control loop.
 */
#include <errno.h>
#include <string.h>

#include "server_priv.h"

static const char *const state_names[CHANNEL_STATES] = {
	[CHANNEL_RELEASED] = "not offered",
	[CHANNEL_REOFFERED] = "waiting for the old offer's release",
	[CHANNEL_OFFERED] = "offered",
	[CHANNEL_OPENING] = "opening",
	[CHANNEL_OPEN] = "open",
	[CHANNEL_CLOSING] = "closing",
	[CHANNEL_CLOSING_REOPEN] = "closing, will reopen",
	[CHANNEL_CLOSING_RELEASE] = "closing, guest is leaving",
	[CHANNEL_OPENING_RELEASE] = "opening, guest is leaving",
	[CHANNEL_OPENING_REVOKE] = "opening, device is leaving",
	[CHANNEL_CLOSING_REVOKE] = "closing, device is leaving",
	[CHANNEL_CLOSING_REVOKE_OPEN] = "closing, device is leaving, open to be refused",
	[CHANNEL_REVOKED] = "revoked",
};

/* The guest has had an offer of this id and has not given it back. */
bool hvh_channel_known(const struct hvh_channel *channel)
{
	switch (channel->state) {
	case CHANNEL_RELEASED:
	case CHANNEL_REOFFERED:
	case CHANNEL_OPENING_RELEASE:
	case CHANNEL_CLOSING_RELEASE:
		return false;
	default:
		return true;
	}
}

/* The owner loop has it, or is to get it. */
bool hvh_channel_owned(const struct hvh_channel *channel)
{
	switch (channel->state) {
	case CHANNEL_RELEASED:
	case CHANNEL_REOFFERED:
	case CHANNEL_OFFERED:
	case CHANNEL_REVOKED:
		return false;
	default:
		return true;
	}
}

/* --- offers ------------------------------------------------------------------------------------- */

void hvh_channel_offer(struct hvh_channel *channel)
{
	const struct hvh_device *device = channel->device;
	struct hvp_msg_offer_channel offer = {
		.h.type = HVP_MSG_OFFER_CHANNEL,
		.class_id = channel->class_id,
		.instance_id = channel->instance_id,
		.flags = device->offer_flags,
		.subchannel_index = (uint16_t)channel->index,
		.channel_id = channel->id,
		.monitor_id = HVP_MONITOR_ID_NONE,
		.dedicated_interrupt = 1,
		.connection_id = channel->connection_id,
	};

	/* Guests know a device by instance and index, and drop the offer of one that they have. */
	if (hvh_channel_blocked(channel)) {
		channel->state = CHANNEL_REOFFERED;
		return;
	}
	memcpy(offer.user_data, device->user_data, sizeof(offer.user_data));
	channel->state = CHANNEL_OFFERED;
	hvh_server_send(channel->server, &offer, sizeof(offer));
}

/* The guest has released something: offer what has waited for that. */
void hvh_channel_reoffer(struct hvh_server *server)
{
	unsigned i;

	for (i = 0; i < server->channel_count; i++)
		if (server->channels[i]->state == CHANNEL_REOFFERED)
			hvh_channel_offer(server->channels[i]);
}

/*
 * The guest does not know the channel, nobody uses it: it waits for the next connection, unless it has
 * nothing to come back for. May free it.
 */
static void released(struct hvh_channel *channel)
{
	channel->state = CHANNEL_RELEASED;
	if (!channel->device || channel->index || channel->device->life != HVH_DEVICE_ADDED)
		hvh_channel_remove(channel);
}

/* Nobody uses the channel any more: now the guest hears that it is gone. */
static void rescind(struct hvh_channel *channel)
{
	struct hvp_msg_channel_ref msg = {
		.h.type = HVP_MSG_RESCIND_OFFER,
		.channel_id = channel->id,
	};

	hvh_gpadl_abort(channel->server, channel->id);
	channel->state = CHANNEL_REVOKED;
	hvh_channel_detach(channel);
	hvh_server_send(channel->server, &msg, sizeof(msg));
}

/* --- open and close ----------------------------------------------------------------------------- */

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
		hvh_gpadl_unused(channel->server, handle);
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
int hvh_channel_begin_open(struct hvh_channel *channel, const struct hvp_msg_open_channel *msg)
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

	switch (channel->state) {
	case CHANNEL_OFFERED:
		break;
	case CHANNEL_CLOSING:
		channel->request = *msg;
		channel->state = CHANNEL_CLOSING_REOPEN;
		return;
	case CHANNEL_CLOSING_REVOKE:
	case CHANNEL_REVOKED:
		/* A race, no violation: the guest did not know yet, and the RESCIND tells it. */
		return;
	default:
		hvh_server_violation(channel->server, "%s: OPEN_CHANNEL while %s", channel->name,
				     state_names[channel->state]);
		return;
	}
	err = hvh_channel_begin_open(channel, msg);
	if (err) {
		hvh_server_violation(
			channel->server,
			"%s: OPEN_CHANNEL refused: ring GPADL 0x%x, page %u, VP %u: error %d",
			channel->name, msg->ring_gpadl, msg->downstream_page, msg->target_vp, -err);
		send_open_result(channel, msg->open_id, HVP_OPEN_FAILED);
	}
}

static void begin_close(struct hvh_channel *channel, enum channel_state closing)
{
	struct hvh_server *server = channel->server;

	channel->state = closing;
	server->stats.channels_open--;
	if (!channel->index) {
		hvh_device_revoke_subchannels(channel->device);
		channel->stop_due = hvh_device_subchannels_busy(channel->device);
		if (channel->stop_due)
			return;
	}
	server->ops->channel_stop(server->ctx, channel);
}

void hvh_channel_close(struct hvh_channel *channel)
{
	switch (channel->state) {
	case CHANNEL_OPEN:
		begin_close(channel, CHANNEL_CLOSING);
		break;
	case CHANNEL_CLOSING_REOPEN:
		channel->state = CHANNEL_CLOSING;
		break;
	case CHANNEL_CLOSING_REVOKE_OPEN:
		channel->state = CHANNEL_CLOSING_REVOKE;
		break;
	case CHANNEL_OPENING_REVOKE:
	case CHANNEL_CLOSING_REVOKE:
	case CHANNEL_REVOKED:
		break;
	default:
		hvh_server_violation(channel->server, "%s: CLOSE_CHANNEL while %s", channel->name,
				     state_names[channel->state]);
	}
}

static bool being_revoked(const struct hvh_channel *channel)
{
	return channel->state == CHANNEL_OPENING_REVOKE ||
	       channel->state == CHANNEL_CLOSING_REVOKE ||
	       channel->state == CHANNEL_CLOSING_REVOKE_OPEN || channel->state == CHANNEL_REVOKED;
}

void hvh_channel_modify(struct hvh_channel *channel, uint32_t target_vp)
{
	struct hvh_server *server = channel->server;
	struct hvp_msg_modify_channel_response response = {
		.h.type = HVP_MSG_MODIFY_CHANNEL_RESPONSE,
		.channel_id = channel->id,
	};

	if (being_revoked(channel))
		return;
	if (channel->state != CHANNEL_OPEN || target_vp >= server->config.vps) {
		hvh_server_violation(server, "%s: MODIFY_CHANNEL to VP %u while %s", channel->name,
				     target_vp, state_names[channel->state]);
		response.status = HVP_OPEN_FAILED;
	} else {
		channel->target_vp = target_vp;
	}
	if (server->version >= hvw_msg_since(HVP_MSG_MODIFY_CHANNEL_RESPONSE))
		hvh_server_send(server, &response, sizeof(response));
}

/* --- the end, from either side --------------------------------------------------------------------- */

/* RELID_RELEASED: the guest has no use for the offer. May free the channel. */
void hvh_channel_guest_released(struct hvh_channel *channel)
{
	struct hvh_server *server = channel->server;

	switch (channel->state) {
	case CHANNEL_OFFERED:
	case CHANNEL_REVOKED:
		released(channel);
		break;
	case CHANNEL_CLOSING:
	case CHANNEL_CLOSING_REVOKE:
		channel->state = CHANNEL_CLOSING_RELEASE;
		break;
	default:
		hvh_server_violation(server, "%s: RELID_RELEASED while %s", channel->name,
				     state_names[channel->state]);
		return;
	}
	hvh_channel_reoffer(server);
}

/* The guest leaves or is reset; hvh_server_left() follows when the last channel is released. May free the channel. */
void hvh_channel_release(struct hvh_channel *channel)
{
	switch (channel->state) {
	case CHANNEL_OFFERED:
	case CHANNEL_REOFFERED:
	case CHANNEL_REVOKED:
		released(channel);
		break;
	case CHANNEL_OPENING:
	case CHANNEL_OPENING_REVOKE:
		channel->state = CHANNEL_OPENING_RELEASE;
		break;
	case CHANNEL_OPEN:
		begin_close(channel, CHANNEL_CLOSING_RELEASE);
		break;
	case CHANNEL_CLOSING:
	case CHANNEL_CLOSING_REOPEN:
	case CHANNEL_CLOSING_REVOKE:
	case CHANNEL_CLOSING_REVOKE_OPEN:
		channel->state = CHANNEL_CLOSING_RELEASE;
		break;
	default:
		break;
	}
}

/* The device takes it away. May free the channel; else hvh_server_stopped() goes on. */
void hvh_channel_revoke(struct hvh_channel *channel)
{
	switch (channel->state) {
	case CHANNEL_RELEASED:
	case CHANNEL_REOFFERED:
		hvh_channel_remove(channel);
		break;
	case CHANNEL_OFFERED:
		rescind(channel);
		break;
	case CHANNEL_OPENING:
		channel->state = CHANNEL_OPENING_REVOKE;
		break;
	case CHANNEL_OPEN:
		begin_close(channel, CHANNEL_CLOSING_REVOKE);
		break;
	case CHANNEL_CLOSING:
		channel->state = CHANNEL_CLOSING_REVOKE;
		break;
	case CHANNEL_CLOSING_REOPEN:
		channel->state = CHANNEL_CLOSING_REVOKE_OPEN;
		break;
	default:
		break;
	}
}

/* --- the embedder's answers ------------------------------------------------------------------------ */

static void start_failed(struct hvh_channel *channel, bool restored)
{
	struct hvh_device *device = channel->device;
	struct hvh_server *server = channel->server;
	enum channel_state was = channel->state;

	channel->state = CHANNEL_OFFERED;
	unmap_ring(channel);
	hvh_share_end(channel);
	if (was == CHANNEL_OPENING_RELEASE) {
		released(channel);
	} else {
		if (!restored) /* who did not ask gets no answer */
			send_open_result(channel, channel->request.open_id, HVP_OPEN_FAILED);
		if (was == CHANNEL_OPENING_REVOKE)
			rescind(channel);
		else if (!channel->index)
			hvh_device_revoke_subchannels(device);
	}
	hvh_device_settle(device);
	hvh_server_left(server);
}

bool hvh_server_started(struct hvh_server *server, struct hvh_channel *channel, int result)
{
	bool restored = channel->restored;

	channel->restored = false;
	if (result) {
		start_failed(channel, restored);
		return false;
	}
	server->stats.channels_open++;
	if (channel->state == CHANNEL_OPENING_RELEASE) {
		begin_close(channel, CHANNEL_CLOSING_RELEASE);
		return false;
	}
	if (channel->state == CHANNEL_OPENING_REVOKE) {
		begin_close(channel,
			    restored ? CHANNEL_CLOSING_REVOKE : CHANNEL_CLOSING_REVOKE_OPEN);
		return false;
	}
	channel->state = CHANNEL_OPEN;
	if (!restored)
		send_open_result(channel, channel->request.open_id, HVP_OPEN_SUCCESS);
	else if (channel->target_vp != HVP_TARGET_VP_NONE)
		/* Whatever interrupt was under way when the state was saved is lost. */
		server->ops->signal(server->ctx, channel->target_vp, HVP_VMBUS_SINT, channel->id);
	channel->announced = true;
	if (!channel->index)
		hvh_device_offer_subchannels(channel->device);
	return true;
}

void hvh_server_stopped(struct hvh_server *server, struct hvh_channel *channel)
{
	struct hvh_device *device = channel->device;
	struct hvp_msg_open_channel again = channel->request;
	enum channel_state was = channel->state;

	channel->state = CHANNEL_OFFERED;
	unmap_ring(channel);
	hvh_share_end(channel);
	/* A late wish of a device that has closed since. */
	if (!channel->index)
		atomic_store(&device->subchannels_wanted, 0);
	switch (was) {
	case CHANNEL_CLOSING_RELEASE:
		released(channel);
		break;
	case CHANNEL_CLOSING_REOPEN:
		hvh_channel_open(channel, &again);
		break;
	case CHANNEL_CLOSING_REVOKE_OPEN:
		send_open_result(channel, again.open_id, HVP_OPEN_FAILED);
		rescind(channel);
		break;
	case CHANNEL_CLOSING_REVOKE:
		rescind(channel);
		break;
	default:
		break;
	}
	hvh_device_settle(device);
	hvh_server_left(server);
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
	info->device = channel->device;
	info->name = channel->name;
	info->class_id = channel->class_id;
	info->instance_id = channel->instance_id;
	info->id = channel->id;
	info->connection_id = channel->connection_id;
	info->subchannel_index = channel->index;
	info->target_vp = channel->target_vp;
	info->state = state_names[channel->state];
	info->open = channel->state == CHANNEL_OPEN;
	info->broken = channel->broken;
	info->packets_in = channel->packets_in;
	info->packets_out = channel->packets_out;
	info->signals_in = channel->signals_in;
	info->signals_out = channel->signals_out;
}
