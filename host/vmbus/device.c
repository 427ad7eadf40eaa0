/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Devices come and go, and the channels that they have meanwhile. Control loop.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server_priv.h"

#include "hvw_guid.h"

/* --- the list of channels ---------------------------------------------------------------------- */

struct hvh_channel *hvh_server_any_channel(struct hvh_server *server, uint32_t id)
{
	unsigned i;

	for (i = 0; i < server->channel_count; i++)
		if (server->channels[i]->id == id)
			return server->channels[i];
	return NULL;
}

struct hvh_channel *hvh_server_known_channel(struct hvh_server *server, uint32_t id)
{
	struct hvh_channel *channel = hvh_server_any_channel(server, id);

	return channel && hvh_channel_known(channel) ? channel : NULL;
}

struct hvh_channel *hvh_server_channel(struct hvh_server *server, unsigned index)
{
	return index < server->channel_count ? server->channels[index] : NULL;
}

/* The lowest id that is free; 0: none. */
static uint32_t free_id(const struct hvh_server *server)
{
	uint8_t used[HVP_CHANNEL_ID_MAX + 1] = { 0 };
	uint32_t id;
	unsigned i;

	for (i = 0; i < server->channel_count; i++)
		used[server->channels[i]->id] = 1;
	for (id = 1; id <= HVP_CHANNEL_ID_MAX; id++)
		if (!used[id])
			return id;
	return 0;
}

static bool grow(struct hvh_server *server)
{
	unsigned capacity = server->channel_capacity ? server->channel_capacity * 2 : 16;
	struct hvh_channel **grown = realloc(server->channels, capacity * sizeof(*grown));

	if (!grown)
		return false;
	server->channels = grown;
	server->channel_capacity = capacity;
	return true;
}

int hvh_channel_create(struct hvh_server *server, struct hvh_device *device, uint32_t index,
		       uint32_t id, struct hvh_channel **channel)
{
	struct hvh_channel *created;

	if (server->channel_count == server->channel_capacity && !grow(server))
		return -ENOMEM;
	created = calloc(1, sizeof(*created));
	if (!created)
		return -ENOMEM;
	created->server = server;
	created->device = device;
	created->index = index;
	created->id = id;
	created->connection_id = CONNECTION_ID_EVENT(id);
	created->state = CHANNEL_RELEASED;
	if (device) {
		strncpy(created->name, device->name, sizeof(created->name) - 1);
		created->class_id = device->class_id;
		created->instance_id = device->instance_id;
	}
	server->channels[server->channel_count++] = created;
	*channel = created;
	return 0;
}

void hvh_channel_detach(struct hvh_channel *channel)
{
	if (channel->device && channel->device->channel == channel)
		channel->device->channel = NULL;
	channel->device = NULL;
}

void hvh_channel_remove(struct hvh_channel *channel)
{
	struct hvh_server *server = channel->server;
	unsigned i = 0;

	while (server->channels[i] != channel)
		i++;
	server->channel_count--;
	memmove(&server->channels[i], &server->channels[i + 1],
		(server->channel_count - i) * sizeof(server->channels[0]));
	hvh_channel_detach(channel);
	hvh_share_end(channel);
	hvh_gpadl_drop(server, channel->id);
	free(channel);
}

bool hvh_channel_blocked(const struct hvh_channel *channel)
{
	const struct hvh_server *server = channel->server;
	unsigned i;

	for (i = 0; i < server->channel_count; i++) {
		const struct hvh_channel *other = server->channels[i];

		if (other != channel && other->index == channel->index &&
		    hvh_channel_known(other) &&
		    hvw_guid_equal(&other->instance_id, &channel->instance_id))
			return true;
	}
	return false;
}

/* --- sub-channels ------------------------------------------------------------------------------- */

/* In use, or to be used. */
static bool in_use(const struct hvh_channel *channel)
{
	switch (channel->state) {
	case CHANNEL_REOFFERED:
	case CHANNEL_OFFERED:
	case CHANNEL_OPENING:
	case CHANNEL_OPEN:
	case CHANNEL_CLOSING:
	case CHANNEL_CLOSING_REOPEN:
		return true;
	default:
		return false;
	}
}

struct hvh_channel *hvh_device_channel(const struct hvh_device *device, unsigned index)
{
	const struct hvh_server *server = device->server;
	unsigned i;

	if (!index)
		return device->channel;
	for (i = 0; i < server->channel_count; i++) {
		struct hvh_channel *channel = server->channels[i];

		if (channel->device == device && channel->index == index && in_use(channel))
			return channel;
	}
	return NULL;
}

static struct hvh_channel *any_subchannel_in_use(const struct hvh_device *device)
{
	const struct hvh_server *server = device->server;
	unsigned i;

	for (i = 0; i < server->channel_count; i++) {
		struct hvh_channel *channel = server->channels[i];

		if (channel->device == device && channel->index && in_use(channel))
			return channel;
	}
	return NULL;
}

void hvh_device_revoke_subchannels(struct hvh_device *device)
{
	struct hvh_channel *channel;

	atomic_store(&device->subchannels_wanted, 0);
	/* Each may be gone, and others with it, when the call returns. */
	while ((channel = any_subchannel_in_use(device)))
		hvh_channel_revoke(channel);
}

bool hvh_device_subchannels_busy(const struct hvh_device *device)
{
	const struct hvh_server *server = device->server;
	unsigned i;

	for (i = 0; i < server->channel_count; i++)
		if (server->channels[i]->device == device && server->channels[i]->index &&
		    hvh_channel_owned(server->channels[i]))
			return true;
	return false;
}

static int add_subchannel(struct hvh_device *device, uint32_t index)
{
	struct hvh_server *server = device->server;
	uint32_t id = free_id(server);
	struct hvh_channel *channel;
	int err = id ? hvh_channel_create(server, device, index, id, &channel) : -ENOSPC;

	if (!err)
		hvh_channel_offer(channel);
	return err;
}

void hvh_device_offer_subchannels(struct hvh_device *device)
{
	struct hvh_server *server = device->server;
	const struct hvh_channel *first = device->channel;
	uint32_t wanted, index;
	int err = 0;

	/* While the first channel is being opened the request waits; with any other state it is void. */
	if (first && first->state == CHANNEL_OPENING)
		return;
	wanted = atomic_exchange(&device->subchannels_wanted, 0);
	if (!first || first->state != CHANNEL_OPEN)
		return;
	for (index = 1; index <= wanted && !err; index++)
		if (!hvh_device_channel(device, index))
			err = add_subchannel(device, index);
	if (err)
		hvh_server_log(server, &server->event_limit, HVH_LOG_ERROR,
			       "%s: sub-channel %u of %u cannot be offered: error %d", device->name,
			       index - 1, wanted, -err);
}

void hvh_device_request_subchannels(struct hvh_device *device, unsigned count)
{
	atomic_store(&device->subchannels_wanted,
		     count < device->subchannels_max ? count : device->subchannels_max);
	device->server->ops->attention(device->server->ctx);
}

/* --- devices ------------------------------------------------------------------------------------ */

int hvh_server_add(struct hvh_server *server, struct hvh_device *device)
{
	uint32_t id = free_id(server);
	struct hvh_device *other;
	int err;

	if (!id)
		return -ENOSPC;
	for (other = server->devices; other; other = other->next)
		if (other->life == HVH_DEVICE_ADDED &&
		    hvw_guid_equal(&other->instance_id, &device->instance_id))
			return -EEXIST;
	err = hvh_channel_create(server, device, 0, id, &device->channel);
	if (err)
		return err;
	device->server = server;
	device->life = HVH_DEVICE_ADDED;
	device->deadline_ns = 0;
	atomic_init(&device->subchannels_wanted, 0);
	device->next = server->devices;
	server->devices = device;
	if (server->state == CONNECTION_READY && server->offers_requested)
		hvh_channel_offer(device->channel);
	return 0;
}

static void unlink_device(struct hvh_server *server, const struct hvh_device *device)
{
	struct hvh_device **link = &server->devices;

	while (*link != device)
		link = &(*link)->next;
	*link = device->next;
}

/* True when no channel refers to the device any more. */
static bool detached(const struct hvh_device *device)
{
	const struct hvh_server *server = device->server;
	unsigned i;

	for (i = 0; i < server->channel_count; i++)
		if (server->channels[i]->device == device)
			return false;
	return true;
}

void hvh_device_settle(struct hvh_device *device)
{
	struct hvh_server *server = device->server;
	struct hvh_channel *first = device->channel;

	if (first && first->stop_due && !hvh_device_subchannels_busy(device)) {
		first->stop_due = false;
		server->ops->channel_stop(server->ctx, first);
		/* What follows was done by whoever ended that. */
		return;
	}
	if (device->life != HVH_DEVICE_LEAVING || !detached(device))
		return;
	/* Not told from here: the device may be among our callers. */
	device->life = HVH_DEVICE_GONE;
	unlink_device(server, device);
	device->next = server->removed;
	server->removed = device;
	server->ops->attention(server->ctx);
}

int hvh_server_remove(struct hvh_server *server, struct hvh_device *device)
{
	struct hvh_device *other = server->devices;

	while (other && other != device)
		other = other->next;
	if (!other || device->life != HVH_DEVICE_ADDED)
		return -ENOENT;
	device->life = HVH_DEVICE_LEAVING;
	hvh_device_revoke_subchannels(device);
	hvh_channel_revoke(device->channel);
	hvh_device_settle(device);
	return 0;
}

/*
 * Each channel of a device that wants it is to be told. The wish is taken back first: another loop may have one while the channels
 * are gone through, and that is for the next time.
 */
static void spread_wishes(struct hvh_server *server)
{
	unsigned i, k;

	for (i = 0; i < server->channel_count; i++) {
		struct hvh_device *device = server->channels[i]->device;

		if (!device || !atomic_exchange(&device->attend_wanted, false))
			continue;
		for (k = 0; k < server->channel_count; k++)
			if (server->channels[k]->device == device)
				atomic_store(&server->channels[k]->attend_due, true);
	}
}

/* Channels that open or close neither get lent anything nor are told. */
static void work_shares(struct hvh_server *server)
{
	unsigned i;

	if (!atomic_exchange(&server->shares_due, false))
		return;
	spread_wishes(server);
	for (i = 0; i < server->channel_count; i++)
		if (server->channels[i]->state == CHANNEL_OPEN)
			hvh_share_work(server->channels[i]);
}

void hvh_server_work(struct hvh_server *server)
{
	struct hvh_device *device;

	for (device = server->devices; device; device = device->next)
		if (atomic_load(&device->subchannels_wanted))
			hvh_device_offer_subchannels(device);
	work_shares(server);
	while ((device = server->removed)) {
		server->removed = device->next;
		if (server->ops->device_removed)
			server->ops->device_removed(server->ctx, device);
	}
	if (server->injector)
		hvh_inject_work(server);
	hvh_server_flush(server);
}
