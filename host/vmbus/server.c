/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The connection: version negotiation, dispatch of the guest's messages, reset.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server_priv.h"

/* --- connection ------------------------------------------------------------------------------ */

bool hvh_server_version_known(const struct hvh_server *server, uint32_t version)
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
	if (!contact->monitor_page_to_guest != !contact->monitor_page_to_host) {
		/* Linux and FreeBSD look at `supported` alone. */
		response.connection_state = HVP_CONTACT_FAILED;
		hvh_server_violation(server, "INITIATE_CONTACT with one monitor page of two");
	} else if (hvh_server_version_known(server, version)) {
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
	/* From the end, for sub-channels come first, and with a look at the count: some go. */
	for (i = server->channel_count; i; i--)
		if (i <= server->channel_count)
			hvh_channel_release(server->channels[i - 1]);
	hvh_server_left(server);
}

/* Whatever was said to the guest is void. */
static void forget_messages(struct hvh_server *server)
{
	server->waiting_count = 0;
	if (server->ops->withdraw)
		server->ops->withdraw(server->ctx);
	if (server->injector)
		hvh_inject_forget(server);
}

static void initiate_contact(struct hvh_server *server,
			     const struct hvp_msg_initiate_contact *contact)
{
	/* It may be another owner of the guest than before: firmware may have left without UNLOAD. */
	forget_messages(server);
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

/* There is nobody to connect to. A guest of 4.0 waits until it gives up: that version has no word for it. */
static void tl_connect(struct hvh_server *server, const struct hvp_msg_tl_connect_request *request)
{
	struct hvp_msg_tl_connect_result result = {
		.h.type = HVP_MSG_TL_CONNECT_RESULT,
		.endpoint_id = request->endpoint_id,
		.service_id = request->service_id,
		.status = HVP_TL_CONNECTION_REFUSED,
	};

	hvh_server_log(server, &server->event_limit, HVH_LOG_DEBUG,
		       "the guest's Hyper-V socket finds no listener");
	if (server->version >= hvw_msg_since(HVP_MSG_TL_CONNECT_RESULT))
		hvh_server_send(server, &result, sizeof(result));
}

/* --- reserved channels: Windows' crash dump opens them outside of any connection, and we offer none ------- */

/* The guest says where it looks for the answer. */
static void answer_reserved(struct hvh_server *server, uint32_t vp, uint32_t sint,
			    const void *message, size_t len)
{
	if (vp >= server->config.vps || !sint || sint >= HVP_SINT_COUNT)
		hvh_server_violation(server, "reserved channel: no processor %u with SINT %u", vp,
				     sint);
	else
		hvh_server_send_to(server, vp, sint, message, len);
}

static void open_reserved(struct hvh_server *server, const struct hvp_msg_open_reserved *msg)
{
	struct hvp_msg_open_result result = {
		.h.type = HVP_MSG_OPEN_RESULT,
		.channel_id = msg->channel_id,
		.status = HVP_OPEN_FAILED,
	};

	hvh_server_log(server, &server->event_limit, HVH_LOG_DEBUG,
		       "reserved channel %u refused: there is none", msg->channel_id);
	answer_reserved(server, msg->target_vp, msg->target_sint, &result, sizeof(result));
}

static void close_reserved(struct hvh_server *server, const struct hvp_msg_close_reserved *msg)
{
	struct hvp_msg_channel_ref response = {
		.h.type = HVP_MSG_CLOSE_RESERVED_RESPONSE,
		.channel_id = msg->channel_id,
	};

	answer_reserved(server, msg->target_vp, msg->target_sint, &response, sizeof(response));
}

/* --- dispatch ---------------------------------------------------------------------------------- */

static void channel_message(struct hvh_server *server, const struct hvw_msg *msg)
{
	uint32_t id = msg->u.OPEN_CHANNEL.channel_id; /* at the same place in all of them */
	struct hvh_channel *channel = hvh_server_known_channel(server, id);

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

/* Is there a connection for it, if it needs one, and of a version that has it? */
static bool allowed(const struct hvh_server *server, uint32_t type)
{
	uint32_t version = server->version;

	switch (type) {
	case HVP_MSG_INITIATE_CONTACT:
	case HVP_MSG_CLOSE_RESERVED:
		return true;
	case HVP_MSG_OPEN_RESERVED:
		if (server->state != CONNECTION_READY)
			version = server->config.version_max;
		break;
	default:
		if (server->state != CONNECTION_READY)
			return false;
	}
	return hvw_msg_since(type) <= version;
}

static void dispatch(struct hvh_server *server, const struct hvw_msg *msg)
{
	switch (msg->u.h.type) {
	case HVP_MSG_INITIATE_CONTACT:
		initiate_contact(server, &msg->u.INITIATE_CONTACT);
		break;
	case HVP_MSG_OPEN_RESERVED:
		open_reserved(server, &msg->u.OPEN_RESERVED);
		break;
	case HVP_MSG_CLOSE_RESERVED:
		close_reserved(server, &msg->u.CLOSE_RESERVED);
		break;
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
	case HVP_MSG_TL_CONNECT_REQUEST:
		tl_connect(server, &msg->u.TL_CONNECT_REQUEST);
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
		hvh_server_trace(server, HVP_TO_HOST, payload, len);
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
	hvh_server_trace(server, HVP_TO_HOST, payload, len);
	if (!allowed(server, msg.u.h.type))
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
	created->inject_limit.max = LOG_INJECT_MAX;
	*server = created;
	return 0;
}

void hvh_server_destroy(struct hvh_server *server)
{
	unsigned i;

	hvh_gpadl_drop_all(server);
	for (i = 0; i < server->channel_count; i++) {
		hvh_share_end(server->channels[i]);
		free(server->channels[i]);
	}
	free(server->channels);
	free(server->waiting);
	free(server->injector);
	free(server);
}

void hvh_server_reset(struct hvh_server *server)
{
	forget_messages(server);
	leave(server, AFTER_NOTHING);
}

bool hvh_server_connected(const struct hvh_server *server, uint32_t *version)
{
	*version = server->version;
	return server->state == CONNECTION_READY;
}

void hvh_server_stats(const struct hvh_server *server, struct hvh_server_stats *stats)
{
	*stats = server->stats;
}
