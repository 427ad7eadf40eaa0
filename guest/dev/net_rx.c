/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Polling a channel: frames, completions of sends, and on the first channel the rest.
 *
 * The host gives frames in a buffer that it may change at any moment. What is decided by is copied out
 * once: the list of ranges, then of each message its header and infos. A packet's ranges may take several
 * polls. When the last is done the packet is owed a completion: hosts have no other way to get the memory back, so none
 * is ever forgotten, and there is a place to remember as many as there are parts of the buffer.
 */
#include "net_priv.h"

/* Other packets in one poll, beside the frames of its budget. */
#define OTHERS_MAX 1024u

/* Infos of one frame. We know six, of 16 bytes; hosts have room for some 200 bytes. */
#define INFOS_MAX 256u

/* Packets between two releases of the ring's space. */
#define RELEASE_EVERY 16u

/* --- completions --------------------------------------------------------------------------------------- */

static void owe(struct hvg_net_queue *queue)
{
	struct hvg_net_owed *owed;

	/* Only when the host gives what it has given before. */
	if (queue->owed_count == queue->owed_size) {
		hvg_net_count(&queue->poll.violations, 1);
		return;
	}
	owed = &queue->owed[(queue->owed_first + queue->owed_count) % queue->owed_size];
	owed->id = queue->range_id;
	owed->status = queue->range_status;
	queue->owed_count++;
}

static int send_owed(struct hvg_net_queue *queue, const struct hvg_net_owed *owed)
{
	const struct hvp_nvsp_rndis_complete msg = {
		.h.type = HVP_NVSP_SEND_RNDIS_PACKET_COMPLETE,
		.status = owed->status,
	};
	const struct hvw_piece piece = { &msg, sizeof(msg) };

	return hvg_chan_send_quietly(queue->chan, HVP_PACKET_COMPLETION, 0, owed->id, 0, &piece, 1);
}

/*
 * The host has memory to go on with, so a doorbell for this alone can wait: what is sent soon, an acknowledgement or an answer,
 * rings it anyway.
 */
static void tell_later(struct hvg_net_queue *queue)
{
	const uint32_t share = queue->net->info.receive_sections / HVG_NET_QUIET_SHARE;

	if (queue->quiet >= HVG_NET_QUIET_MAX || queue->quiet >= share) {
		queue->quiet = 0;
		hvg_chan_kick(queue->chan);
	} else if (queue->quiet && !__atomic_load_n(&queue->kick_due, __ATOMIC_RELAXED)) {
		__atomic_store_n(&queue->kick_due, 1, __ATOMIC_RELAXED);
		hvg_net_todo(queue->net, HVG_NET_TODO_KICK, HVG_NET_KICK_MS);
	}
}

/* As far as there is room; a signal tells when there is more. On an ended channel nobody waits for them. */
static void pay(struct hvg_net_queue *queue)
{
	int err;

	while (queue->owed_count) {
		err = send_owed(queue, &queue->owed[queue->owed_first]);
		if (err == -EAGAIN) {
			hvg_net_count(&queue->poll.completions_late, 1);
			return;
		}
		queue->owed_first = (queue->owed_first + 1) % queue->owed_size;
		queue->owed_count--;
	}
}

/* --- one frame ----------------------------------------------------------------------------------------- */

static const uint8_t HVW_SHARED *receive_bytes(const struct hvg_net *net)
{
	return (const uint8_t HVW_SHARED *)net->receive.base;
}

/* Where its parts are, and its infos, from a private copy of each. */
static int parse(const uint8_t HVW_SHARED *message, uint32_t len, struct hvw_rndis_packet *packet,
		 struct hvw_rndis_meta *meta)
{
	uint8_t infos[INFOS_MAX];
	struct hvp_rndis_packet h;

	if (len < sizeof(h))
		return -EPROTO;
	hvw_copy_out(&h, message, sizeof(h));
	if (hvw_rndis_packet_parse(packet, &h, len) || packet->info_len > sizeof(infos))
		return -EPROTO;
	hvw_copy_out(infos, message + packet->info_at, packet->info_len);
	return hvw_rndis_meta_parse(meta, infos, packet->info_len);
}

static void describe(struct hvg_net_rx *rx, const struct hvw_rndis_meta *meta)
{
	rx->flags = 0;
	if (meta->has & HVW_META_HASH) {
		rx->flags |= HVG_NET_RX_HASH;
		rx->hash = meta->hash;
	}
	if (meta->has & HVW_META_VLAN) {
		rx->flags |= HVG_NET_RX_VLAN;
		rx->vlan = hvw_rndis_vlan_tag(meta->vlan);
	}
	if (!(meta->has & HVW_META_CHECKSUM))
		return;
	if (meta->checksum & HVP_RX_CHECKSUM_TCP_SUCCEEDED)
		rx->flags |= HVG_NET_RX_TCP_GOOD;
	if (meta->checksum & HVP_RX_CHECKSUM_UDP_SUCCEEDED)
		rx->flags |= HVG_NET_RX_UDP_GOOD;
	if (meta->checksum & HVP_RX_CHECKSUM_IP_SUCCEEDED)
		rx->flags |= HVG_NET_RX_IP_GOOD;
	if (meta->checksum & HVP_RX_CHECKSUM_IP_VALUE_INVALID)
		rx->flags |= HVG_NET_RX_IP_UNSET;
}

static void deliver(struct hvg_net_queue *queue)
{
	struct hvg_net_rx *rx = &queue->rx;

	rx->pieces = queue->pieces;
	if (rx->len < HVG_NET_ETHERNET) {
		queue->range_status = HVP_NVSP_STATUS_FAILURE;
		hvg_net_count(&queue->poll.rx_invalid, 1);
	} else if (!__atomic_load_n(&queue->net->receiving, __ATOMIC_RELAXED)) {
		hvg_net_count(&queue->poll.rx_down, 1);
	} else {
		if (rx->piece_count > 1)
			hvg_net_count(&queue->poll.rx_joined, 1);
		hvg_net_port_receive(&queue->port, rx);
	}
	rx->piece_count = 0;
}

/*
 * A piece of a frame, or all of it. The infos of the first piece count for all.
 * -EPROTO: not where a piece may be. -EAGAIN: more of the frame follows.
 */
static int add_piece(struct hvg_net_queue *queue, const uint8_t HVW_SHARED *data, uint32_t len,
		     const struct hvw_rndis_meta *meta)
{
	struct hvg_net_rx *rx = &queue->rx;
	const bool joined = meta->has & HVW_META_PACKET_ID &&
			    meta->packet_id & HVP_PACKET_ID_SUBALLOCATION;
	const bool first = !joined || meta->packet_id & HVP_PACKET_ID_FIRST;
	const bool last = !joined || meta->packet_id & HVP_PACKET_ID_LAST;

	/* A new one before the end of the one before, or a part of none. */
	if (first == (rx->piece_count != 0) || rx->piece_count == HVG_NET_RX_PIECES_MAX) {
		rx->piece_count = 0;
		return -EPROTO;
	}
	if (first) {
		rx->len = 0;
		describe(rx, meta);
	}
	queue->pieces[rx->piece_count].data = data;
	queue->pieces[rx->piece_count].len = len;
	rx->piece_count++;
	rx->len += len;
	return last ? 0 : -EAGAIN;
}

static void receive_frame(struct hvg_net_queue *queue, const uint8_t HVW_SHARED *message,
			  uint32_t len)
{
	struct hvw_rndis_packet packet;
	struct hvw_rndis_meta meta;
	int err = parse(message, len, &packet, &meta);

	if (!err)
		err = add_piece(queue, message + packet.data_at, packet.data_len, &meta);
	else
		queue->rx.piece_count = 0;
	if (err == -EPROTO) {
		queue->range_status = HVP_NVSP_STATUS_FAILURE;
		hvg_net_count(&queue->poll.rx_invalid, 1);
	}
	if (!err)
		deliver(queue);
}

/* --- one packet ------------------------------------------------------------------------------------------ */

static bool has_ranges(const struct hvg_net_queue *queue)
{
	return queue->range_next < queue->range_count;
}

/* The next range of the packet. */
static void receive_range(struct hvg_net_queue *queue)
{
	struct hvg_net *net = queue->net;
	const struct hvp_transfer_range range = queue->ranges[queue->range_next++];
	const uint8_t HVW_SHARED *message = receive_bytes(net) + range.byte_offset;
	struct hvp_rndis_header h;

	if (range.byte_offset > net->receive_bytes ||
	    range.byte_count > net->receive_bytes - range.byte_offset ||
	    range.byte_count > net->info.receive_section || range.byte_count < sizeof(h)) {
		queue->range_status = HVP_NVSP_STATUS_FAILURE;
		queue->rx.piece_count = 0;
		hvg_net_count(&queue->poll.rx_invalid, 1);
	} else {
		hvw_copy_out(&h, message, sizeof(h));
		if (h.type == HVP_RNDIS_PACKET)
			receive_frame(queue, message, range.byte_count);
		else if (queue->index || !hvg_net_rndis_control(net, message, range.byte_count)) {
			queue->range_status = HVP_NVSP_STATUS_FAILURE;
			hvg_net_count(&queue->poll.violations, 1);
		}
	}
	queue->quiet++;
	if (has_ranges(queue))
		return;
	/* No frame goes on in another packet. */
	if (queue->rx.piece_count) {
		queue->rx.piece_count = 0;
		queue->range_status = HVP_NVSP_STATUS_FAILURE;
		hvg_net_count(&queue->poll.rx_invalid, 1);
	}
	owe(queue);
}

/* Pairs with the release in hvg_net_queue_prepare(), which comes while queue 0 is polled. */
static bool is_ready(const struct hvg_net_queue *queue)
{
	return __atomic_load_n(&queue->ready, __ATOMIC_ACQUIRE);
}

/* Its list of ranges becomes ours. */
static void take_transfer(struct hvg_net_queue *queue, const struct hvw_rx_packet *packet)
{
	struct hvp_transfer_pages header = { 0 };
	const uint32_t at = (uint32_t)sizeof(struct hvp_packet), list = at + sizeof(header);
	struct hvp_nvsp_header msg = { 0 };
	bool good = is_ready(queue) && packet->header_len >= list &&
		    packet->payload_len >= sizeof(struct hvp_nvsp_rndis_packet);

	if (good)
		good = !hvg_chan_copy(queue->chan, packet, at, &header, sizeof(header)) &&
		       !hvg_chan_copy(queue->chan, packet, packet->header_len, &msg, sizeof(msg)) &&
		       msg.type == HVP_NVSP_SEND_RNDIS_PACKET &&
		       header.set_id == HVG_NET_RECEIVE_ID && header.range_count &&
		       header.range_count <= HVG_NET_RX_PIECES_MAX &&
		       header.range_count <= (packet->header_len - list) / sizeof(*queue->ranges);
	queue->range_id = packet->h.transaction_id;
	queue->range_status = good ? HVP_NVSP_STATUS_SUCCESS : HVP_NVSP_STATUS_FAILURE;
	queue->range_next = 0;
	queue->range_count = 0;
	if (good && !hvg_chan_copy(queue->chan, packet, list, queue->ranges,
				   header.range_count * (uint32_t)sizeof(*queue->ranges))) {
		queue->range_count = header.range_count;
		hvg_net_count(&queue->poll.rx_packets, 1);
		return;
	}
	hvg_net_count(&queue->poll.violations, 1);
	/* Before there is a buffer nothing in it can be given back. */
	if (is_ready(queue) && packet->h.flags & HVP_PACKET_FLAG_COMPLETION)
		owe(queue);
}

static void take_completion(struct hvg_net_queue *queue, const struct hvw_rx_packet *packet,
			    struct hvg_net_sent *sent)
{
	const unsigned kind = (unsigned)(packet->h.transaction_id >> HVG_NET_ID_KIND_SHIFT);

	if (kind == HVG_NET_ID_SEND && is_ready(queue))
		hvg_net_tx_completion(queue, packet, sent);
	else if (kind == HVG_NET_ID_SETUP && !queue->index)
		hvg_net_nvsp_completion(queue->net, packet);
	else if (kind == HVG_NET_ID_CONTROL && !queue->index)
		hvg_net_rndis_completion(queue->net, packet->h.transaction_id);
	else
		hvg_net_count(&queue->poll.completions_unknown, 1);
}

static void take(struct hvg_net_queue *queue, const struct hvw_rx_packet *packet,
		 struct hvg_net_sent *sent)
{
	switch (packet->h.type) {
	case HVP_PACKET_TRANSFER_PAGES:
		take_transfer(queue, packet);
		return;
	case HVP_PACKET_COMPLETION:
		take_completion(queue, packet, sent);
		return;
	case HVP_PACKET_INBAND:
		if (queue->index)
			break;
		hvg_net_nvsp_message(queue->net, packet);
		return;
	default:
		break;
	}
	hvg_net_count(&queue->poll.violations, 1);
}

/* --- what the port calls ----------------------------------------------------------------------------------- */

unsigned hvg_net_poll(struct hvg_net_queue *queue, unsigned budget)
{
	struct hvg_net_sent sent = { 0 };
	struct hvw_rx_packet packet;
	unsigned done = 0, others = 0;

	pay(queue);
	for (;;) {
		if (has_ranges(queue)) {
			if (done >= budget)
				break;
			receive_range(queue);
			done++;
			continue;
		}
		if ((budget && done >= budget) || others >= OTHERS_MAX ||
		    hvg_chan_next(queue->chan, &packet))
			break;
		take(queue, &packet, &sent);
		if (++others % RELEASE_EVERY == 0)
			hvg_chan_release(queue->chan);
	}
	hvg_chan_release(queue->chan);
	pay(queue);
	tell_later(queue);
	hvg_net_tx_poll_end(queue, &sent);
	return others >= OTHERS_MAX ? budget : done;
}

bool hvg_net_poll_end(struct hvg_net_queue *queue)
{
	if (!hvg_chan_unmask(queue->chan))
		return false;
	hvg_chan_mask(queue->chan);
	return true;
}
