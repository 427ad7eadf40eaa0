/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Messages to the guest: they wait in order until the embedder has room for them.
 */
#include <stdlib.h>
#include <string.h>

#include "server_priv.h"

static bool grow(struct hvh_server *server)
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

struct waiting_message *hvh_queue_add(struct hvh_server *server)
{
	if (server->waiting_count == server->waiting_capacity && !grow(server))
		return NULL;
	return &server->waiting[(server->waiting_first + server->waiting_count++) %
				server->waiting_capacity];
}

void hvh_server_flush(struct hvh_server *server)
{
	while (server->waiting_count) {
		struct waiting_message *first = &server->waiting[server->waiting_first];

		if (!server->ops->post_message(server->ctx, first->vp, first->sint, first->bytes,
					       first->len))
			return;
		server->waiting_first = (server->waiting_first + 1) % server->waiting_capacity;
		server->waiting_count--;
		server->stats.messages_out++;
	}
}

void hvh_server_trace(const struct hvh_server *server, enum hvp_direction direction,
		      const void *bytes, size_t len)
{
	if (server->ops->trace_message)
		server->ops->trace_message(server->ctx, direction, bytes, len);
}

void hvh_server_send_to(struct hvh_server *server, uint32_t vp, uint32_t sint, const void *message,
			size_t len)
{
	struct waiting_message *last = hvh_queue_add(server);

	if (!last) {
		hvh_server_log(server, &server->event_limit, HVH_LOG_ERROR,
			       "out of memory: a VMBus message to the guest is lost");
		return;
	}
	last->vp = vp;
	last->sint = sint;
	last->len = (uint32_t)len;
	memcpy(last->bytes, message, len);
	hvh_server_trace(server, HVP_TO_GUEST, message, len);
	hvh_server_flush(server);
}

void hvh_server_send(struct hvh_server *server, const void *message, size_t len)
{
	/* After a reset, and for a new contact, there is nobody left who asked. */
	if (server->state == CONNECTION_LEAVING && server->after_leaving != AFTER_UNLOAD)
		return;
	hvh_server_send_to(server, server->message_vp, server->message_sint, message, len);
}
