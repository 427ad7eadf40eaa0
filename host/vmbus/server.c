/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The connection: version negotiation, dispatch of the guest's messages, the queue of ours.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server_priv.h"

#include "hvw_guid.h"

#define STATE_TAG     HVH_STATE_TAG('V', 'B', 'U', 'S')
#define STATE_VERSION 1

/* --- log and the queue of messages ------------------------------------------------------------ */

/* At most one line too many per window when threads meet: that is what it costs to do without a lock. */
static bool log_allowed(struct hvh_server *server, struct log_limit *limit)
{
	uint64_t now = server->ops->now_ns(server->ctx);
	uint64_t began = atomic_load(&limit->window_ns);

	if (now - began > LOG_WINDOW_NS &&
	    atomic_compare_exchange_strong(&limit->window_ns, &began, now))
		atomic_store(&limit->lines, 0);
	/* Not counted further: the number must not wrap. */
	return atomic_load(&limit->lines) < LOG_WINDOW_MAX &&
	       atomic_fetch_add(&limit->lines, 1) < LOG_WINDOW_MAX;
}

static void log_line(struct hvh_server *server, struct log_limit *limit, enum hvh_log_level level,
		     const char *format, va_list args)
{
	char line[256];

	if (!log_allowed(server, limit))
		return;
	vsnprintf(line, sizeof(line), format, args);
	server->ops->log(server->ctx, level, line);
}

void hvh_server_log(struct hvh_server *server, struct log_limit *limit, enum hvh_log_level level,
		    const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_line(server, limit, level, format, args);
	va_end(args);
}

void hvh_server_violation(struct hvh_server *server, const char *format, ...)
{
	va_list args;

	server->stats.violations++;
	va_start(args, format);
	log_line(server, &server->violation_limit, HVH_LOG_WARNING, format, args);
	va_end(args);
}

static bool grow_waiting(struct hvh_server *server)
{
	unsigned capacity = server->waiting_capacity ? server->waiting_capacity * 2 : 16, i;
	struct waiting_message *grown = malloc(capacity * sizeof(*grown));

	if (!grown)
		return false;
	for (i = 0; i < server->waiting_count; i++)
		grown[i] = server->waiting[(server->waiting_first + i) % server->waiting_capacity];
	free(server->waiting);
	server->waiting = grown;
	server->waiting_first = 0;
	server->waiting_capacity = capacity;
	return true;
}

void hvh_server_flush(struct hvh_server *server)
{
	while (server->waiting_count) {
		struct waiting_message *first = &server->waiting[server->waiting_first];

		if (!server->ops->post_message(server->ctx, server->message_vp,
					       server->message_sint, first->bytes, first->len))
			return;
		server->waiting_first = (server->waiting_first + 1) % server->waiting_capacity;
		server->waiting_count--;
		server->stats.messages_out++;
	}
}

static void trace(const struct hvh_server *server, enum hvp_direction direction, const void *bytes,
		  size_t len)
{
	if (server->ops->trace_message)
		server->ops->trace_message(server->ctx, direction, bytes, len);
}

void hvh_server_send(struct hvh_server *server, const void *message, size_t len)
{
	struct waiting_message *last;

	/* After a reset, and for a new contact, there is nobody left who asked. */
	if (server->state == CONNECTION_LEAVING && server->after_leaving != AFTER_UNLOAD)
		return;
	if (server->waiting_count == server->waiting_capacity && !grow_waiting(server)) {
		hvh_server_log(server, &server->event_limit, HVH_LOG_ERROR,
			       "out of memory: a VMBus message to the guest is lost");
		return;
	}
	last = &server->waiting[(server->waiting_first + server->waiting_count) %
				server->waiting_capacity];
	last->len = (uint32_t)len;
	memcpy(last->bytes, message, len);
	server->waiting_count++;
	trace(server, HVP_TO_GUEST, message, len);
	hvh_server_flush(server);
}

/* --- connection ------------------------------------------------------------------------------ */

static bool version_known(const struct hvh_server *server, uint32_t version)
{
	static const uint32_t known[] = {
#define KNOWN(major, minor) HVP_VERSION(major, minor),
		HVP_VERSION_LIST(KNOWN)
#undef KNOWN
	};
	unsigned i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i] == version)
			return version <= server->config.version_max;
	return false;
}

static void negotiate(struct hvh_server *server, const struct hvp_msg_initiate_contact *contact)
{
	struct hvp_msg_version_response response = { .h.type = HVP_MSG_VERSION_RESPONSE };
	uint32_t version = contact->version;

	/* Even a refusal must reach the guest: where it asked for it, as far as that makes sense. */
	server->message_vp = version >= HVP_VERSION_3_0 && contact->target_vp < server->config.vps ?
				     contact->target_vp :
				     0;
	server->message_sint = HVP_VMBUS_SINT;
	if (version >= HVP_VERSION_5_0 && contact->u.v5.sint > 0 &&
	    contact->u.v5.sint < HVP_SINT_COUNT)
		server->message_sint = contact->u.v5.sint;
	if (version_known(server, version)) {
		server->state = CONNECTION_READY;
		server->version = version;
		response.supported = 1;
		response.connection_id = version >= HVP_VERSION_5_0 ? HVP_CONNECTION_MESSAGE_4 :
								      version;
		hvh_server_log(server, &server->event_limit, HVH_LOG_INFO,
			       "guest connected, VMBus %u.%u", HVP_VERSION_MAJOR(version),
			       HVP_VERSION_MINOR(version));
	} else {
		hvh_server_log(server, &server->event_limit, HVH_LOG_DEBUG,
			       "guest asked for VMBus %u.%u: refused", HVP_VERSION_MAJOR(version),
			       HVP_VERSION_MINOR(version));
	}
	hvh_server_send(server, &response, sizeof(response));
}

/* Channels are all released: say what the guest waits for. */
void hvh_server_left(struct hvh_server *server)
{
	struct hvp_msg_header unloaded = { .type = HVP_MSG_UNLOAD_RESPONSE };
	enum after_leaving after = server->after_leaving;
	unsigned i;

	if (server->state != CONNECTION_LEAVING)
		return;
	for (i = 0; i < server->channel_count; i++)
		if (server->channels[i]->state != CHANNEL_RELEASED)
			return;
	hvh_gpadl_drop_all(server);
	server->state = CONNECTION_NONE;
	server->after_leaving = AFTER_NOTHING;
	server->version = 0;
	server->offers_requested = false;
	switch (after) {
	case AFTER_UNLOAD:
		hvh_server_log(server, &server->event_limit, HVH_LOG_INFO, "guest disconnected");
		hvh_server_send(server, &unloaded, sizeof(unloaded));
		break;
	case AFTER_CONTACT:
		negotiate(server, &server->contact);
		break;
	case AFTER_NOTHING:
		break;
	}
}

/* Release everything the guest has of us, then `after`. A later call overrides what the earlier one waits for. */
static void leave(struct hvh_server *server, enum after_leaving after)
{
	unsigned i;

	server->state = CONNECTION_LEAVING;
	server->after_leaving = after;
	for (i = 0; i < server->channel_count; i++)
		hvh_channel_release(server->channels[i]);
	hvh_server_left(server);
}

static void initiate_contact(struct hvh_server *server,
			     const struct hvp_msg_initiate_contact *contact)
{
	/* Whatever was said to the previous owner of the guest is void: firmware may have left without UNLOAD. */
	server->waiting_count = 0;
	server->contact = *contact;
	leave(server, AFTER_CONTACT);
}

static void request_offers(struct hvh_server *server)
{
	struct hvp_msg_header delivered = { .type = HVP_MSG_ALL_OFFERS_DELIVERED };
	unsigned i;

	if (server->offers_requested) {
		hvh_server_violation(server, "second REQUEST_OFFERS");
		return;
	}
	server->offers_requested = true;
	for (i = 0; i < server->channel_count; i++)
		hvh_channel_offer(server->channels[i]);
	hvh_server_send(server, &delivered, sizeof(delivered));
}

/* --- dispatch ---------------------------------------------------------------------------------- */

struct hvh_channel *hvh_server_find_channel(struct hvh_server *server, uint32_t id)
{
	unsigned i;

	for (i = 0; i < server->channel_count; i++)
		if (server->channels[i]->id == id && server->channels[i]->state != CHANNEL_RELEASED)
			return server->channels[i];
	return NULL;
}

static void channel_message(struct hvh_server *server, const struct hvw_msg *msg)
{
	uint32_t id = msg->u.OPEN_CHANNEL.channel_id; /* at the same place in all of them */
	struct hvh_channel *channel = hvh_server_find_channel(server, id);

	if (!channel) {
		hvh_server_violation(server, "%s for channel %u, which is not offered",
				     hvw_msg_name(msg->u.h.type), id);
		return;
	}
	switch (msg->u.h.type) {
	case HVP_MSG_OPEN_CHANNEL:
		hvh_channel_open(channel, &msg->u.OPEN_CHANNEL);
		break;
	case HVP_MSG_CLOSE_CHANNEL:
		hvh_channel_close(channel);
		break;
	case HVP_MSG_RELID_RELEASED:
		hvh_channel_guest_released(channel);
		break;
	default:
		hvh_channel_modify(channel, msg->u.MODIFY_CHANNEL.target_vp);
	}
}

/* Messages of a connected guest. */
static void dispatch(struct hvh_server *server, const struct hvw_msg *msg)
{
	switch (msg->u.h.type) {
	case HVP_MSG_REQUEST_OFFERS:
		request_offers(server);
		break;
	case HVP_MSG_OPEN_CHANNEL:
	case HVP_MSG_CLOSE_CHANNEL:
	case HVP_MSG_RELID_RELEASED:
	case HVP_MSG_MODIFY_CHANNEL:
		channel_message(server, msg);
		break;
	case HVP_MSG_GPADL_HEADER:
		hvh_gpadl_header(server, msg);
		break;
	case HVP_MSG_GPADL_BODY:
		hvh_gpadl_body(server, msg);
		break;
	case HVP_MSG_GPADL_TEARDOWN:
		hvh_gpadl_teardown(server, &msg->u.GPADL_TEARDOWN);
		break;
	case HVP_MSG_UNLOAD:
		leave(server, AFTER_UNLOAD);
		break;
	default:
		hvh_server_violation(server, "%s is not supported", hvw_msg_name(msg->u.h.type));
	}
}

uint16_t hvh_server_post(struct hvh_server *server, uint32_t connection_id, uint32_t type,
			 const void *payload, size_t len)
{
	struct hvw_msg msg;

	if (type != HVP_MESSAGE_VMBUS || len < sizeof(struct hvp_msg_header) ||
	    len > HVP_MESSAGE_PAYLOAD_MAX)
		return HVP_STATUS_INVALID_CALL_INPUT;
	/* Connection 4 exists on hosts of 5.0 and later: a capped server looks like an old one. */
	if (connection_id != HVP_CONNECTION_MESSAGE_1 &&
	    (connection_id != HVP_CONNECTION_MESSAGE_4 ||
	     server->config.version_max < HVP_VERSION_5_0))
		return HVP_STATUS_INVALID_CONNECTION_ID;
	if (hvw_msg_parse(&msg, payload, len, HVP_TO_HOST)) {
		uint32_t number;

		server->stats.messages_in++;
		trace(server, HVP_TO_HOST, payload, len);
		memcpy(&number, payload, sizeof(number));
		hvh_server_violation(
			server,
			"message %u (%s) of %zu bytes dropped: unknown, misdirected or too short",
			number, hvw_msg_name(number), len);
		return HVP_STATUS_SUCCESS;
	}
	/* A contact empties the queue, so it is always heard. */
	if (server->waiting_count >= MESSAGES_WAITING_MAX &&
	    msg.u.h.type != HVP_MSG_INITIATE_CONTACT)
		return HVP_STATUS_INSUFFICIENT_BUFFERS;
	server->stats.messages_in++;
	trace(server, HVP_TO_HOST, payload, len);
	if (msg.u.h.type == HVP_MSG_INITIATE_CONTACT)
		initiate_contact(server, &msg.u.INITIATE_CONTACT);
	else if (server->state != CONNECTION_READY || hvw_msg_since(msg.u.h.type) > server->version)
		hvh_server_violation(server,
				     "%s before contact, or newer than the connection's version",
				     hvw_msg_name(msg.u.h.type));
	else
		dispatch(server, &msg);
	return HVP_STATUS_SUCCESS;
}

/* --- life ------------------------------------------------------------------------------------ */

int hvh_server_create(struct hvh_mem *mem, const struct hvh_server_config *config,
		      const struct hvh_server_ops *ops, void *ctx, struct hvh_server **server)
{
	struct hvh_server *created;

	if (!config->vps || config->version_max < HVP_VERSION_2_4 ||
	    config->version_max > HVP_VERSION_5_3)
		return -EINVAL;
	created = calloc(1, sizeof(*created));
	if (!created)
		return -ENOMEM;
	created->mem = mem;
	created->config = *config;
	created->ops = ops;
	created->ctx = ctx;
	created->message_sint = HVP_VMBUS_SINT;
	*server = created;
	return 0;
}

void hvh_server_destroy(struct hvh_server *server)
{
	unsigned i;

	hvh_gpadl_drop_all(server);
	for (i = 0; i < server->channel_count; i++)
		hvh_channel_destroy(server->channels[i]);
	free(server->channels);
	free(server->waiting);
	free(server);
}

int hvh_server_add(struct hvh_server *server, struct hvh_device *device)
{
	struct hvh_channel **grown;
	unsigned i;
	int err;

	if (server->channel_count == HVP_CHANNEL_ID_MAX)
		return -ENOSPC;
	for (i = 0; i < server->channel_count; i++)
		if (hvw_guid_equal(&server->channels[i]->device->instance_id, &device->instance_id))
			return -EEXIST;
	grown = realloc(server->channels, (server->channel_count + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	server->channels = grown;
	err = hvh_channel_create(server, device, server->channel_count + 1,
				 &grown[server->channel_count]);
	if (err)
		return err;
	device->server = server;
	device->channel = grown[server->channel_count++];
	device->deadline_ns = 0;
	return 0;
}

void hvh_server_reset(struct hvh_server *server)
{
	server->waiting_count = 0;
	leave(server, AFTER_NOTHING);
}

void hvh_server_work(struct hvh_server *server)
{
	hvh_server_flush(server);
}

bool hvh_server_connected(const struct hvh_server *server, uint32_t *version)
{
	*version = server->version;
	return server->state == CONNECTION_READY;
}

struct hvh_channel *hvh_server_channel(struct hvh_server *server, unsigned index)
{
	return index < server->channel_count ? server->channels[index] : NULL;
}

void hvh_server_stats(const struct hvh_server *server, struct hvh_server_stats *stats)
{
	*stats = server->stats;
}

/* --- save and load ---------------------------------------------------------------------------- */

int hvh_server_save(struct hvh_server *server, struct hvh_state_writer *w)
{
	unsigned i;

	if (server->state == CONNECTION_LEAVING)
		return -EBUSY;
	for (i = 0; i < server->channel_count; i++)
		if (hvh_channel_in_transition(server->channels[i]))
			return -EBUSY;
	hvh_state_begin(w, STATE_TAG, STATE_VERSION);
	hvh_state_put_u32(w, server->state);
	hvh_state_put_u32(w, server->version);
	hvh_state_put_u32(w, server->message_vp);
	hvh_state_put_u32(w, server->message_sint);
	hvh_state_put_u32(w, server->offers_requested);
	hvh_state_put_u32(w, server->waiting_count);
	for (i = 0; i < server->waiting_count; i++) {
		const struct waiting_message *waiting =
			&server->waiting[(server->waiting_first + i) % server->waiting_capacity];

		hvh_state_put_u32(w, waiting->len);
		hvh_state_put_bytes(w, waiting->bytes, waiting->len);
	}
	hvh_state_put_u32(w, server->channel_count);
	for (i = 0; i < server->channel_count; i++)
		hvh_channel_save(server->channels[i], w);
	hvh_gpadl_save(server, w);
	hvh_state_end(w);
	return hvh_state_writer_finish(w);
}

static void load_waiting(struct hvh_server *server, struct hvh_state_reader *r)
{
	uint32_t count = hvh_state_get_u32(r), i;

	for (i = 0; i < count && !r->err; i++) {
		struct waiting_message *last;
		uint32_t len = hvh_state_get_u32(r);

		if (len < sizeof(struct hvp_msg_header) || len > HVP_MESSAGE_PAYLOAD_MAX ||
		    i >= MESSAGES_WAITING_LIMIT(server->channel_count) ||
		    (server->waiting_count == server->waiting_capacity && !grow_waiting(server))) {
			hvh_state_refuse(r);
			return;
		}
		last = &server->waiting[server->waiting_count++];
		last->len = len;
		hvh_state_get_bytes(r, last->bytes, len);
	}
}

int hvh_server_load(struct hvh_server *server, struct hvh_state_reader *r)
{
	uint32_t state, i;

	hvh_state_enter(r, STATE_TAG, STATE_VERSION);
	state = hvh_state_get_u32(r);
	server->version = hvh_state_get_u32(r);
	server->message_vp = hvh_state_get_u32(r);
	server->message_sint = hvh_state_get_u32(r);
	server->offers_requested = hvh_state_get_u32(r) != 0;
	if (state > CONNECTION_READY ||
	    (state == CONNECTION_READY) != version_known(server, server->version) ||
	    (state == CONNECTION_NONE && server->version) ||
	    server->message_vp >= server->config.vps || server->message_sint >= HVP_SINT_COUNT)
		hvh_state_refuse(r);
	load_waiting(server, r);
	if (hvh_state_get_u32(r) != server->channel_count)
		hvh_state_refuse(r);
	for (i = 0; i < server->channel_count && !r->err; i++)
		hvh_channel_load(server->channels[i], r);
	hvh_gpadl_load(server, r);
	hvh_state_leave(r);
	/* Without a connection the guest has nothing of ours. */
	for (i = 0; state == CONNECTION_NONE && i < server->channel_count; i++)
		if (server->gpadls || server->channels[i]->state != CHANNEL_RELEASED)
			hvh_state_refuse(r);
	if (r->err)
		return r->err;
	server->state = state;
	for (i = 0; i < server->channel_count; i++)
		if (hvh_channel_resume(server->channels[i]))
			return -EPROTO;
	hvh_server_flush(server);
	return 0;
}
