/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Save and load: connection, channels, lists of pages, devices. Control loop, with all owner loops
 * stopped. What is loaded may come from an enemy: nothing is taken over that no sequence of messages
 * and devices leads to.
 */
#include <errno.h>
#include <string.h>

#include "server_priv.h"

#include "hvw_guid.h"

#define SERVER_TAG	HVH_STATE_TAG('V', 'B', 'U', 'S')
#define SERVER_VERSION	1
#define CHANNEL_TAG	HVH_STATE_TAG('C', 'H', 'A', 'N')
#define CHANNEL_VERSION 1
#define DEVICE_TAG	HVH_STATE_TAG('D', 'E', 'V', 'I')
#define DEVICE_VERSION	1

/* A header, or half of one on purpose (hvh_inject.h). */
#define MESSAGE_LEN_MIN (sizeof(struct hvp_msg_header) / 2)

/* --- save ---------------------------------------------------------------------------------------- */

static bool busy(const struct hvh_server *server)
{
	const struct hvh_device *device;
	unsigned i;

	if (server->state == CONNECTION_LEAVING || server->removed || hvh_inject_holds(server) ||
	    atomic_load(&server->shares_due))
		return true;
	for (device = server->devices; device; device = device->next)
		if (atomic_load(&device->subchannels_wanted))
			return true;
	/* Among them at least one of each device that is being removed. */
	for (i = 0; i < server->channel_count; i++)
		if ((hvh_channel_owned(server->channels[i]) &&
		     server->channels[i]->state != CHANNEL_OPEN) ||
		    hvh_share_busy(server->channels[i]))
			return true;
	return false;
}

static void save_waiting(const struct hvh_server *server, struct hvh_state_writer *w)
{
	unsigned i;

	hvh_state_put_u32(w, server->waiting_count);
	for (i = 0; i < server->waiting_count; i++) {
		const struct waiting_message *waiting =
			&server->waiting[(server->waiting_first + i) % server->waiting_capacity];

		hvh_state_put_u32(w, waiting->vp);
		hvh_state_put_u32(w, waiting->sint);
		hvh_state_put_u32(w, waiting->len);
		hvh_state_put_bytes(w, waiting->bytes, waiting->len);
	}
}

static void save_channel(struct hvh_channel *channel, struct hvh_state_writer *w)
{
	/* The rings' cursors are in guest memory, once what was read is released. */
	if (channel->state == CHANNEL_OPEN && !channel->broken)
		hvh_channel_give_back(channel);
	hvh_state_begin(w, CHANNEL_TAG, CHANNEL_VERSION);
	hvh_state_put_u32(w, channel->id);
	hvh_state_put_u32(w, channel->state);
	hvh_state_put_u32(w, channel->index);
	hvh_state_put_bytes(w, &channel->instance_id, sizeof(channel->instance_id));
	hvh_state_put_bytes(w, &channel->class_id, sizeof(channel->class_id));
	hvh_state_put_u32(w, channel->request.open_id);
	hvh_state_put_u32(w, channel->request.ring_gpadl);
	hvh_state_put_u32(w, channel->request.downstream_page);
	hvh_state_put_u32(w, channel->target_vp);
	hvh_state_put_u32(w, channel->broken);
	hvh_state_end(w);
}

/* In the order of their first channels, so that the same state is the same bytes. */
static void save_devices(const struct hvh_server *server, struct hvh_state_writer *w)
{
	unsigned i;

	for (i = 0; i < server->channel_count; i++) {
		const struct hvh_device *device = server->channels[i]->device;

		if (!device || server->channels[i]->index)
			continue;
		hvh_state_begin(w, DEVICE_TAG, DEVICE_VERSION);
		device->ops->save(device, w);
		hvh_state_end(w);
	}
}

int hvh_server_save(struct hvh_server *server, struct hvh_state_writer *w)
{
	unsigned i;

	if (busy(server))
		return -EBUSY;
	hvh_state_begin(w, SERVER_TAG, SERVER_VERSION);
	hvh_state_put_u32(w, server->state);
	hvh_state_put_u32(w, server->version);
	hvh_state_put_u32(w, server->message_vp);
	hvh_state_put_u32(w, server->message_sint);
	hvh_state_put_u32(w, server->offers_requested);
	save_waiting(server, w);
	hvh_state_put_u32(w, server->channel_count);
	for (i = 0; i < server->channel_count; i++)
		save_channel(server->channels[i], w);
	hvh_gpadl_save(server, w);
	save_devices(server, w);
	hvh_state_end(w);
	return hvh_state_writer_finish(w);
}

/* --- load ---------------------------------------------------------------------------------------- */

static void load_waiting(struct hvh_server *server, struct hvh_state_reader *r)
{
	uint32_t count = hvh_state_get_u32(r), i;

	for (i = 0; i < count && !r->err; i++) {
		uint32_t vp = hvh_state_get_u32(r), sint = hvh_state_get_u32(r);
		uint32_t len = hvh_state_get_u32(r);
		struct waiting_message *last;

		if (vp >= server->config.vps || sint >= HVP_SINT_COUNT || len < MESSAGE_LEN_MIN ||
		    len > HVP_MESSAGE_PAYLOAD_MAX || i >= MESSAGES_WAITING_LIMIT ||
		    !(last = hvh_queue_add(server))) {
			hvh_state_refuse(r);
			return;
		}
		last->vp = vp;
		last->sint = sint;
		last->len = len;
		hvh_state_get_bytes(r, last->bytes, len);
	}
}

/* What a section says about a channel. */
struct saved_channel {
	uint32_t id;
	uint32_t state;
	uint32_t index;
	struct hvp_guid instance_id;
	struct hvp_guid class_id;
	struct hvp_msg_open_channel request;
	bool broken;
};

static void read_channel(struct hvh_state_reader *r, struct saved_channel *saved)
{
	memset(saved, 0, sizeof(*saved));
	hvh_state_enter(r, CHANNEL_TAG, CHANNEL_VERSION);
	saved->id = hvh_state_get_u32(r);
	saved->state = hvh_state_get_u32(r);
	saved->index = hvh_state_get_u32(r);
	hvh_state_get_bytes(r, &saved->instance_id, sizeof(saved->instance_id));
	hvh_state_get_bytes(r, &saved->class_id, sizeof(saved->class_id));
	saved->request.channel_id = saved->id;
	saved->request.open_id = hvh_state_get_u32(r);
	saved->request.ring_gpadl = hvh_state_get_u32(r);
	saved->request.downstream_page = hvh_state_get_u32(r);
	saved->request.target_vp = hvh_state_get_u32(r);
	saved->broken = hvh_state_get_u32(r) != 0;
	hvh_state_leave(r);
}

/* The first channel of that instance's device, if it is at one of these places. */
static struct hvh_channel *first_channel(const struct hvh_server *server,
					 const struct hvp_guid *instance_id, unsigned from,
					 unsigned to)
{
	unsigned i;

	for (i = from; i < to; i++) {
		struct hvh_channel *channel = server->channels[i];

		if (channel->device && !channel->index &&
		    hvw_guid_equal(&channel->instance_id, instance_id))
			return channel;
	}
	return NULL;
}

/* Put a channel at place `at` of the list, in front of those that are not loaded yet. */
static void place(struct hvh_server *server, struct hvh_channel *channel, unsigned at)
{
	unsigned i = at;

	while (server->channels[i] != channel)
		i++;
	for (; i > at; i--)
		server->channels[i] = server->channels[i - 1];
	server->channels[at] = channel;
}

/* The object for a saved channel: one that its device brought, or a new one. NULL: impossible, or no memory. */
static struct hvh_channel *object_for(struct hvh_server *server, const struct saved_channel *saved,
				      unsigned loaded)
{
	struct hvh_channel *channel = NULL, *first;
	struct hvh_device *device = NULL;
	unsigned i;

	for (i = 0; i < loaded; i++)
		if (server->channels[i]->id == saved->id)
			return NULL;
	if (saved->state != CHANNEL_REVOKED && !saved->index)
		return first_channel(server, &saved->instance_id, loaded, server->channel_count);
	if (saved->state != CHANNEL_REVOKED) {
		first = first_channel(server, &saved->instance_id, 0, loaded);
		if (!first || !first->restored || saved->index > first->device->subchannels_max ||
		    hvh_device_channel(first->device, saved->index))
			return NULL;
		device = first->device;
	}
	if (hvh_channel_create(server, device, saved->index, saved->id, &channel))
		return NULL;
	if (!device) {
		strncpy(channel->name, "removed device", sizeof(channel->name) - 1);
		channel->instance_id = saved->instance_id;
		channel->class_id = saved->class_id;
	}
	return channel;
}

/* What no channel can be. */
static bool impossible(const struct saved_channel *saved, bool offers_requested)
{
	if (!saved->id || saved->id > HVP_CHANNEL_ID_MAX || saved->index > UINT16_MAX)
		return true;
	switch (saved->state) {
	case CHANNEL_RELEASED:
		return saved->index != 0;
	case CHANNEL_REOFFERED:
	case CHANNEL_OFFERED:
	case CHANNEL_OPEN:
	case CHANNEL_REVOKED:
		/* The guest has these, or had them. */
		return !offers_requested;
	default:
		return true;
	}
}

static void load_channel(struct hvh_server *server, struct hvh_state_reader *r, unsigned at,
			 bool offers_requested)
{
	struct saved_channel saved;
	struct hvh_channel *channel;

	read_channel(r, &saved);
	if (r->err || impossible(&saved, offers_requested) ||
	    !(channel = object_for(server, &saved, at))) {
		hvh_state_refuse(r);
		return;
	}
	place(server, channel, at);
	channel->id = saved.id;
	channel->connection_id = CONNECTION_ID_EVENT(saved.id);
	channel->request = saved.request;
	channel->broken = saved.broken;
	channel->restored = saved.state == CHANNEL_OPEN;
	channel->state = saved.state == CHANNEL_OPEN ? CHANNEL_OFFERED : saved.state;
}

/* Those wait, and only those, whose instance the guest has yet to release. */
static bool offers_fit(const struct hvh_server *server)
{
	unsigned i;

	for (i = 0; i < server->channel_count; i++) {
		const struct hvh_channel *channel = server->channels[i];

		if (hvh_channel_blocked(channel) != (channel->state == CHANNEL_REOFFERED))
			return false;
	}
	return true;
}

static void load_channels(struct hvh_server *server, struct hvh_state_reader *r,
			  bool offers_requested)
{
	uint32_t count = hvh_state_get_u32(r), i;

	if (count > HVP_CHANNEL_ID_MAX)
		hvh_state_refuse(r);
	for (i = 0; i < count && !r->err; i++)
		load_channel(server, r, i, offers_requested);
	if (!r->err && (count != server->channel_count || !offers_fit(server)))
		hvh_state_refuse(r);
}

static void load_devices(struct hvh_server *server, struct hvh_state_reader *r)
{
	unsigned i;

	for (i = 0; i < server->channel_count && !r->err; i++) {
		struct hvh_device *device = server->channels[i]->device;

		if (!device || server->channels[i]->index)
			continue;
		hvh_state_enter(r, DEVICE_TAG, DEVICE_VERSION);
		if (device->ops->load(device, r))
			hvh_state_refuse(r);
		hvh_state_leave(r);
	}
}

/* Buffers that devices hold of channels which come to nothing: nobody will say that those are stopped. */
static int give_up(struct hvh_server *server, int err)
{
	unsigned i;

	for (i = 0; i < server->channel_count; i++)
		if (!hvh_channel_owned(server->channels[i]))
			hvh_share_end(server->channels[i]);
	return err;
}

int hvh_server_load(struct hvh_server *server, struct hvh_state_reader *r)
{
	uint32_t state;
	unsigned i;

	hvh_state_enter(r, SERVER_TAG, SERVER_VERSION);
	state = hvh_state_get_u32(r);
	server->version = hvh_state_get_u32(r);
	server->message_vp = hvh_state_get_u32(r);
	server->message_sint = hvh_state_get_u32(r);
	server->offers_requested = hvh_state_get_u32(r) != 0;
	if (state > CONNECTION_READY ||
	    (state == CONNECTION_READY) != hvh_server_version_known(server, server->version) ||
	    (state == CONNECTION_NONE && (server->version || server->offers_requested)) ||
	    server->message_vp >= server->config.vps || server->message_sint >= HVP_SINT_COUNT)
		hvh_state_refuse(r);
	load_waiting(server, r);
	load_channels(server, r, server->offers_requested);
	hvh_gpadl_load(server, r);
	load_devices(server, r);
	hvh_state_leave(r);
	/* Without a connection the guest has nothing of ours. */
	if (state == CONNECTION_NONE && server->gpadls)
		hvh_state_refuse(r);
	if (r->err)
		return give_up(server, r->err);
	server->state = state;
	for (i = 0; i < server->channel_count; i++)
		if (server->channels[i]->restored &&
		    hvh_channel_begin_open(server->channels[i], &server->channels[i]->request))
			return give_up(server, -EPROTO);
	hvh_server_flush(server);
	return 0;
}
