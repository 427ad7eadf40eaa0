/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The network device: RNDIS control messages, and what the host says without being asked. Loop of queue 0.
 *
 * Answers wait in a buffer of the device's until the guest has room for them: a sub-allocation of those that are
 * kept for this, and a place in the ring.
 */
#include <errno.h>
#include <string.h>

#include "net_priv.h"

/* Where the next answer may be written, and how long it may be. */
static uint8_t *answer_room(struct net *net, size_t *room)
{
	size_t used = net->answers_len + sizeof(uint32_t);

	*room = used < sizeof(net->answers) ? sizeof(net->answers) - used : 0;
	if (*room > net->sub_bytes)
		*room = net->sub_bytes;
	return net->answers + (used < sizeof(net->answers) ? used : 0);
}

/* It was written there. False: there was no room for it. */
static bool answer_done(struct net *net, int len)
{
	uint32_t bytes = (uint32_t)len;

	if (len < 0)
		return false;
	memcpy(net->answers + net->answers_len, &bytes, sizeof(bytes));
	net->answers_len += (uint32_t)sizeof(bytes) + bytes;
	return true;
}

static bool indicate(struct net *net, uint32_t status, const void *info, uint32_t info_len)
{
	size_t room;
	uint8_t *at = answer_room(net, &room);

	return answer_done(net, hvw_rndis_build_indication(at, room, status, info, info_len));
}

static bool complete(struct net *net, const struct hvw_rndis_request *request, uint32_t status,
		     const void *info, uint32_t info_len)
{
	size_t room;
	uint8_t *at = answer_room(net, &room);

	return answer_done(net, hvw_rndis_build_completion(at, room,
							   request->type | HVP_RNDIS_COMPLETION,
							   request->id, status, info, info_len));
}

/* --- requests -------------------------------------------------------------------------------------- */

static bool on_initialize(struct net *net, const struct hvw_rndis_request *request)
{
	const struct hvp_rndis_initialize_complete limits = {
		.request_id = request->id,
		.status = HVP_RNDIS_STATUS_SUCCESS,
		.packets_max = TX_PACKETS_MAX,
		.transfer_max = 0xefffffffu,
		.alignment = TX_ALIGNMENT,
	};
	size_t room;
	uint8_t *at = answer_room(net, &room);

	if (atomic_load(&net->initialised))
		return false;
	atomic_store(&net->initialised, true);
	return answer_done(net, hvw_rndis_build_initialize_complete(at, room, &limits));
}

static bool on_query(struct net *net, const struct hvw_rndis_request *request)
{
	uint8_t value[HVP_RNDIS_ANSWER_MAX];
	uint32_t len = 0, status = hvh_net_oid_query(net, request, value, &len);

	return complete(net, request, status, value, status == HVP_RNDIS_STATUS_SUCCESS ? len : 0);
}

static bool on_set(struct net *net, const struct hvw_rndis_request *request)
{
	return complete(net, request, hvh_net_oid_set(net, request), NULL, 0);
}

/* The guest is through; its driver may begin anew on the same channel. */
static void on_halt(struct net *net)
{
	atomic_store(&net->initialised, false);
	atomic_store(&net->filter, 0);
	net->notes = 0;
}

bool hvh_net_control(struct net *net, const uint8_t *bytes, uint32_t len)
{
	struct hvw_rndis_iter iter;
	struct hvw_rndis_msg msg;
	struct hvw_rndis_request request;
	bool good;

	hvw_rndis_iter_init(&iter, bytes, len);
	if (hvw_rndis_iter_next(&iter, &msg))
		return false;
	if (hvw_rndis_request_parse(&request, &msg)) {
		/* What can be answered is answered, as Hyper-V does. */
		if (msg.type != HVP_RNDIS_QUERY && msg.type != HVP_RNDIS_SET)
			return false;
		memcpy(&request.id, msg.bytes + sizeof(struct hvp_rndis_header),
		       sizeof(request.id));
		atomic_fetch_add(&net->violations, 1);
		good = complete(net, &request, HVP_RNDIS_STATUS_INVALID_DATA, NULL, 0);
		hvh_net_control_flush(net);
		return good;
	}
	if (!atomic_load(&net->initialised) && request.type != HVP_RNDIS_INITIALIZE &&
	    request.type != HVP_RNDIS_HALT)
		return false;
	switch (request.type) {
	case HVP_RNDIS_INITIALIZE:
		good = on_initialize(net, &request);
		break;
	case HVP_RNDIS_QUERY:
		good = on_query(net, &request);
		break;
	case HVP_RNDIS_SET:
	case HVP_RNDIS_SET_EX:
		good = on_set(net, &request);
		break;
	case HVP_RNDIS_HALT:
		on_halt(net);
		return true;
	default: /* KEEPALIVE; RESET, which is answered and resets nothing: no request is under way */
		good = complete(net, &request, HVP_RNDIS_STATUS_SUCCESS, NULL, 0);
		break;
	}
	hvh_net_control_flush(net);
	return good;
}

/* --- to the guest ---------------------------------------------------------------------------------- */

static bool send_answer(struct net *net, const uint8_t *answer, uint32_t len)
{
	struct net_queue *q = &net->queue[0];
	uint32_t sub = net->control_free[net->control_free_count - 1];
	struct hvp_transfer_range range = { len, sub * net->sub_bytes };
	struct hvp_transfer_pages header = { .set_id = net->recv.id, .range_count = 1 };
	struct hvw_nvsp message;
	const struct hvw_piece pieces[] = {
		{ &header, sizeof(header) },
		{ &range, sizeof(range) },
		{ message.u.bytes, hvw_nvsp_bytes(net->version) },
	};

	hvw_nvsp_init(&message, HVP_NVSP_SEND_RNDIS_PACKET);
	message.u.SEND_RNDIS_PACKET.channel_type = HVP_NVSP_CHANNEL_CONTROL;
	message.u.SEND_RNDIS_PACKET.section_index = HVP_NVSP_SECTION_NONE;
	if (hvh_share_write(net->recv.share, range.byte_offset, answer, len) ||
	    hvh_channel_put(q->channel, HVP_PACKET_TRANSFER_PAGES, HVP_PACKET_FLAG_COMPLETION, sub,
			    sizeof(header) + sizeof(range), pieces, 3))
		return false;
	hvh_channel_trace(q->channel, HVP_TO_GUEST, sub, answer, len);
	net->control_free_count--;
	net->sub[sub].first = true;
	net->sub[sub].next = SUB_NONE;
	return true;
}

/* What is to be said without having been asked, one of each kind: only the latest news counts. */
static void write_notes(struct net *net)
{
	const uint32_t change = HVP_RNDIS_NETWORK_CHANGE_DEFINITE;
	struct hvp_ndis_offload offload;
	uint32_t speed;
	bool up = atomic_load(&net->link);

	if (net->notes & NOTE_OFFLOAD) {
		hvh_net_offload_config(net, true, &offload);
		if (indicate(net, HVP_RNDIS_STATUS_OFFLOAD_CURRENT_CONFIG, &offload, offload.h.size))
			net->notes &= ~NOTE_OFFLOAD;
	}
	if ((net->notes & NOTE_LINK) &&
	    indicate(net, up ? HVP_RNDIS_STATUS_MEDIA_CONNECT : HVP_RNDIS_STATUS_MEDIA_DISCONNECT,
		     NULL, 0))
		net->notes &= ~NOTE_LINK;
	speed = hvh_net_speed(net);
	/* Guests that can team want to know. */
	if ((net->notes & NOTE_SPEED) &&
	    indicate(net, HVP_RNDIS_STATUS_LINK_SPEED_CHANGE, &speed, sizeof(speed)))
		net->notes &= ~NOTE_SPEED;
	if ((net->notes & NOTE_CHANGE) &&
	    indicate(net, HVP_RNDIS_STATUS_NETWORK_CHANGE, &change, sizeof(change)))
		net->notes &= ~NOTE_CHANGE;
}

/* All queues are open: by what table the guest chooses among them. */
static void send_table(struct net *net)
{
	uint32_t table[HVP_NVSP_INDIRECTION_ENTRIES];
	struct hvw_nvsp message;
	struct hvw_piece piece;
	unsigned i;

	if (net->table_sent || net->queues < 2 || atomic_load(&net->queues_open) != net->queues)
		return;
	for (i = 0; i < HVP_NVSP_INDIRECTION_ENTRIES; i++)
		table[i] = i % net->queues;
	hvw_nvsp_indirection_build(&message, table);
	piece = (struct hvw_piece){ message.u.bytes, message.len };
	if (!hvh_channel_put(net->queue[0].channel, HVP_PACKET_INBAND, 0, 0, 0, &piece, 1))
		net->table_sent = true;
}

bool hvh_net_control_flush(struct net *net)
{
	struct net_queue *q = &net->queue[0];
	uint32_t at = 0, len;

	if (!q->channel || !q->uses_recv)
		return true;
	if (net->notes && atomic_load(&net->initialised))
		write_notes(net);
	send_table(net);
	while (at < net->answers_len && net->control_free_count) {
		memcpy(&len, net->answers + at, sizeof(len));
		if (!send_answer(net, net->answers + at + sizeof(len), len))
			break;
		at += (uint32_t)sizeof(len) + len;
	}
	net->answers_len -= at;
	memmove(net->answers, net->answers + at, net->answers_len);
	return !net->answers_len;
}
