/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "fuzz/net_script.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hvw_pkt.h"

/* --- the back end ---------------------------------------------------------------------------------- */

static int on_send(void *ctx, unsigned queue, const struct iovec *iov, unsigned iovs,
		   const struct hvh_net_meta *meta)
{
	struct net_guest *n = ctx;
	struct net_frame *frame = &n->frame[n->frames % NET_GUEST_FRAMES];

	if (n->send_result && (!n->refuse_after || !--n->refuse_after))
		return n->send_result;
	frame->queue = queue;
	frame->meta = *meta;
	frame->len = 0;
	for (unsigned i = 0; i < iovs && iov[i].iov_len <= sizeof(frame->bytes) - frame->len; i++) {
		memcpy(frame->bytes + frame->len, iov[i].iov_base, iov[i].iov_len);
		frame->len += (uint32_t)iov[i].iov_len;
	}
	n->frames++;
	return 0;
}

static void on_ready(void *ctx, unsigned queue)
{
	(void)queue;
	((struct net_guest *)ctx)->ready_calls++;
}

static void on_joins(void *ctx, unsigned joins)
{
	((struct net_guest *)ctx)->joins = joins;
}

static void on_kick(void *ctx, unsigned queue)
{
	struct net_guest *n = ctx;

	n->kicks++;
	hvh_net_run(net_guest_device(n), queue);
}

static struct hvh_device *own_create(struct embedder *e)
{
	struct net_guest *n = e->ctx;
	struct hvh_device *device = NULL;

	if (hvh_net_create(&n->config, &n->backend, n, &device))
		abort();
	return device;
}

struct hvh_device *net_guest_device(struct net_guest *n)
{
	return n->e.slots[EMBEDDER_HOT];
}

/* --- life ------------------------------------------------------------------------------------------ */

/* Pages of the guest's, and where they are. */
static uint8_t *take_pages(struct net_guest *n, uint64_t *gpns, unsigned count)
{
	struct hvh_mem_region region;

	hvh_mem_region(n->e.mem, 0, &region);
	for (unsigned i = 0; i < count; i++)
		gpns[i] = n->g.next_gpn + i;
	n->g.next_gpn += count;
	return (uint8_t *)region.host + gpns[0] * HVP_PAGE_SIZE;
}

static bool share(struct net_guest *n, const uint64_t *gpns, unsigned pages, uint32_t *handle)
{
	uint32_t id = n->g.channels[NET_GUEST_CHANNEL].id;
	struct hvw_msg msg;

	*handle = n->g.next_gpadl++;
	return !guest_post_gpadl(&n->g, id, *handle, gpns, pages, 0, 0) &&
	       guest_expect(&n->g, HVP_MSG_GPADL_CREATED, &msg) && !msg.u.GPADL_CREATED.status;
}

bool net_guest_init(struct net_guest *n)
{
	struct hvw_msg msg;

	n->e.ctx = n;
	n->e.own_create = own_create;
	n->e.own_destroy = hvh_net_destroy;
	n->backend.send = on_send;
	n->backend.receive_ready = on_ready;
	n->backend.joins = on_joins;
	n->backend.kick = on_kick;
	n->next_id = 1000;
	if (!n->config.queues_max) {
		memcpy(n->config.mac, "\x00\x15\x5d\x01\x02\x03", 6);
		n->config.queues_max = NET_GUEST_QUEUES;
		n->config.bits_per_second = 10000000000;
	}
	embedder_init(&n->e);
	guest_init(&n->g, &n->e);
	return guest_up(&n->g) && !embedder_add(&n->e, EMBEDDER_HOT) &&
	       guest_expect(&n->g, HVP_MSG_OFFER_CHANNEL, &msg) &&
	       guest_share_ring(&n->g, NET_GUEST_CHANNEL, NET_GUEST_RING, NET_GUEST_RING / 2) &&
	       guest_open(&n->g, NET_GUEST_CHANNEL, 0);
}

void net_guest_fini(struct net_guest *n)
{
	guest_fini(&n->g);
	embedder_fini(&n->e);
}

int net_guest_save_and_load(struct net_guest *n)
{
	uint8_t *state;
	size_t len;
	int err = embedder_save(&n->e, &state, &len);

	if (err)
		return err;
	err = embedder_load(&n->e, state, len);
	free(state);
	embedder_run(&n->e);
	return err;
}

/* --- packets --------------------------------------------------------------------------------------- */

/* Puts a packet into the guest's ring and signals. */
static int put(struct net_guest *n, unsigned channel, uint16_t type, uint16_t flags, uint64_t id,
	       uint32_t header, const struct hvw_piece *pieces, unsigned count)
{
	struct guest_channel *ch = &n->g.channels[channel];
	int err = ch->tx.control ? hvw_tx_put(&ch->tx, type, flags, id, header, pieces, count) :
				   -EINVAL;

	if (!err && hvw_tx_commit(&ch->tx))
		embedder_doorbell(&n->e, ch->connection_id);
	embedder_run(&n->e);
	return err;
}

int net_guest_say(struct net_guest *n, struct hvw_nvsp *message, uint32_t len)
{
	const struct hvw_piece piece = { message->u.bytes, len };

	return put(n, NET_GUEST_CHANNEL, HVP_PACKET_INBAND, HVP_PACKET_FLAG_COMPLETION,
		   ++n->next_id, 0, &piece, 1);
}

void net_guest_complete(struct net_guest *n, unsigned channel, uint64_t id)
{
	const struct hvp_nvsp_rndis_complete done = { { HVP_NVSP_SEND_RNDIS_PACKET_COMPLETE },
						      HVP_NVSP_STATUS_SUCCESS };
	const struct hvw_piece piece = { &done, sizeof(done) };

	put(n, channel, HVP_PACKET_COMPLETION, 0, id, 0, &piece, 1);
}

int net_guest_take(struct net_guest *n, unsigned channel, bool completes)
{
	struct guest_channel *ch = &n->g.channels[channel];
	uint32_t header, len;
	int err;

	embedder_run(&n->e);
	err = ch->rx.control ? hvw_rx_next(&ch->rx, &n->packet) : -EINVAL;
	if (err)
		return err;
	len = n->packet.payload_len < sizeof(n->payload) ? n->packet.payload_len :
							   sizeof(n->payload);
	header = n->packet.header_len - (uint32_t)sizeof(struct hvp_packet);
	memset(n->payload, 0, sizeof(n->payload));
	if (hvw_rx_copy(&ch->rx, &n->packet, n->packet.header_len, n->payload, len) ||
	    header > sizeof(n->ranges) ||
	    hvw_rx_copy(&ch->rx, &n->packet, sizeof(struct hvp_packet), n->ranges, header))
		return -EPROTO;
	if (hvw_rx_release(&ch->rx))
		embedder_doorbell(&n->e, ch->connection_id);
	n->range_count = n->packet.h.type == HVP_PACKET_TRANSFER_PAGES ? (header - 8) / 8 : 0;
	if (completes && n->range_count)
		net_guest_complete(n, channel, n->packet.h.transaction_id);
	return 0;
}

int net_guest_ask(struct net_guest *n, struct hvw_nvsp *message, struct hvw_nvsp *answer)
{
	int err = net_guest_say(n, message, 40);

	if (!err)
		err = net_guest_take(n, NET_GUEST_CHANNEL, true);
	if (err)
		return err;
	if (n->packet.h.type != HVP_PACKET_COMPLETION || n->packet.h.transaction_id != n->next_id)
		return -EPROTO;
	memcpy(answer->u.bytes, n->payload, sizeof(answer->u.bytes));
	return (int)n->packet.payload_len;
}

static struct hvp_nvsp_rndis_packet rndis_message(uint32_t type, uint32_t section, uint32_t size)
{
	return (struct hvp_nvsp_rndis_packet){ { HVP_NVSP_SEND_RNDIS_PACKET }, type, section, size };
}

uint64_t net_guest_send_direct(struct net_guest *n, unsigned channel, const void *bytes,
			       uint32_t len, uint32_t channel_type)
{
	const struct hvp_nvsp_rndis_packet message =
		rndis_message(channel_type, HVP_NVSP_SECTION_NONE, 0);
	uint8_t header[256];
	struct hvw_gpa_writer writer;
	struct hvw_piece pieces[2] = { { header, 0 }, { &message, sizeof(message) } };
	uint32_t first = len < 100 ? len : 100;

	/* In two ranges, the second of which begins inside a page. */
	memcpy(n->data, bytes, first);
	if (len > first)
		memcpy(n->data + HVP_PAGE_SIZE + 7, (const uint8_t *)bytes + first, len - first);
	if (hvw_gpa_writer_init(&writer, header, sizeof(header)) ||
	    hvw_gpa_writer_add(&writer, n->data_gpns, 0, first) ||
	    (len > first && hvw_gpa_writer_add(&writer, n->data_gpns + 1, 7, len - first)))
		abort();
	pieces[0].len = (uint32_t)hvw_gpa_writer_finish(&writer);
	put(n, channel, HVP_PACKET_GPA_DIRECT, HVP_PACKET_FLAG_COMPLETION, ++n->next_id,
	    pieces[0].len, pieces, 2);
	return n->next_id;
}

uint64_t net_guest_send_section(struct net_guest *n, unsigned channel, uint32_t index,
				const void *bytes, uint32_t len)
{
	const struct hvp_nvsp_rndis_packet message =
		rndis_message(HVP_NVSP_CHANNEL_DATA, index, len);
	const struct hvw_piece piece = { &message, sizeof(message) };

	if (bytes)
		memcpy(n->send + index * 6144, bytes, len);
	put(n, channel, HVP_PACKET_INBAND, HVP_PACKET_FLAG_COMPLETION, ++n->next_id, 0, &piece, 1);
	return n->next_id;
}

/* --- RNDIS ----------------------------------------------------------------------------------------- */

int net_guest_control(struct net_guest *n, const void *bytes, uint32_t len, uint32_t *at)
{
	uint64_t id =
		net_guest_send_direct(n, NET_GUEST_CHANNEL, bytes, len, HVP_NVSP_CHANNEL_CONTROL);
	struct hvp_transfer_range range;
	int err, answer = -ENOENT;

	/* The completion of what was sent and the answer, in any order; what was not asked for is passed over. */
	while (!(err = net_guest_take(n, NET_GUEST_CHANNEL, true))) {
		uint32_t type;

		if (n->packet.h.type == HVP_PACKET_COMPLETION && n->packet.h.transaction_id != id)
			return -EPROTO;
		if (!n->range_count)
			continue;
		memcpy(&range, n->ranges + sizeof(struct hvp_transfer_pages), sizeof(range));
		memcpy(&type, n->recv + range.byte_offset, sizeof(type));
		if (type == HVP_RNDIS_INDICATE_STATUS)
			continue;
		*at = range.byte_offset;
		answer = (int)range.byte_count;
	}
	return err == -EAGAIN ? answer : err;
}

static uint32_t request(struct net_guest *n, uint32_t type, uint32_t oid, const void *info,
			uint32_t len, void *value, uint32_t *value_len)
{
	struct hvw_rndis_answer answer;
	struct hvw_rndis_iter iter;
	struct hvw_rndis_msg msg;
	uint8_t bytes[2048];
	uint32_t at;
	int size = hvw_rndis_build_request(bytes, sizeof(bytes), type, 77, oid, info, len);

	size = size < 0 ? size : net_guest_control(n, bytes, (uint32_t)size, &at);
	if (size < 0)
		return 0xffffffff;
	hvw_rndis_iter_init(&iter, n->recv + at, (size_t)size);
	if (hvw_rndis_iter_next(&iter, &msg) || hvw_rndis_answer_parse(&answer, &msg, msg.len) ||
	    answer.id != 77)
		return 0xffffffff;
	if (value) {
		memcpy(value, answer.info, answer.info_len);
		*value_len = answer.info_len;
	}
	return answer.status;
}

uint32_t net_guest_set(struct net_guest *n, uint32_t oid, const void *info, uint32_t len)
{
	return request(n, HVP_RNDIS_SET, oid, info, len, NULL, NULL);
}

uint32_t net_guest_query(struct net_guest *n, uint32_t oid, void *value, uint32_t *len)
{
	return request(n, HVP_RNDIS_QUERY, oid, NULL, 0, value, len);
}

/* --- set-up ---------------------------------------------------------------------------------------- */

static bool say_plain(struct net_guest *n, struct hvw_nvsp *m)
{
	struct hvw_nvsp answer;

	return net_guest_ask(n, m, &answer) == 0;
}

static bool set_up_buffers(struct net_guest *n)
{
	struct hvw_nvsp m, answer;

	n->recv = take_pages(n, n->recv_gpns, NET_GUEST_RECV);
	n->send = take_pages(n, n->send_gpns, NET_GUEST_SEND);
	n->data = take_pages(n, n->data_gpns, 16);
	if (!share(n, n->recv_gpns, NET_GUEST_RECV, &n->recv_gpadl) ||
	    !share(n, n->send_gpns, NET_GUEST_SEND, &n->send_gpadl))
		return false;
	hvw_nvsp_init(&m, HVP_NVSP_SEND_RECV_BUF);
	m.u.SEND_RECV_BUF.gpadl = n->recv_gpadl;
	m.u.SEND_RECV_BUF.id = NET_GUEST_RECV_ID;
	if (net_guest_ask(n, &m, &answer) < 28 ||
	    answer.u.SEND_RECV_BUF_COMPLETE.status != HVP_NVSP_STATUS_SUCCESS)
		return false;
	n->section = answer.u.SEND_RECV_BUF_COMPLETE.section;
	hvw_nvsp_init(&m, HVP_NVSP_SEND_SEND_BUF);
	m.u.SEND_SEND_BUF.gpadl = n->send_gpadl;
	return net_guest_ask(n, &m, &answer) >= 12 &&
	       answer.u.SEND_SEND_BUF_COMPLETE.status == HVP_NVSP_STATUS_SUCCESS &&
	       answer.u.SEND_SEND_BUF_COMPLETE.section_size == 6144;
}

bool net_guest_up(struct net_guest *n, uint32_t version)
{
	const uint32_t filter = HVP_FILTER_DIRECTED | HVP_FILTER_ALL_MULTICAST |
				HVP_FILTER_BROADCAST;
	struct hvw_nvsp m, answer;
	uint8_t bytes[64];
	uint32_t at;
	int len;

	n->version = version;
	hvw_nvsp_init(&m, HVP_NVSP_INIT);
	m.u.INIT.version_min = version;
	m.u.INIT.version_max = version;
	if (net_guest_ask(n, &m, &answer) < 28 ||
	    answer.u.INIT_COMPLETE.status != HVP_NVSP_STATUS_SUCCESS)
		return false;
	hvw_nvsp_init(&m, HVP_NVSP_NDIS_CONFIG);
	m.u.NDIS_CONFIG.mtu = HVH_NET_FRAME_DEFAULT;
	m.u.NDIS_CONFIG.capabilities = HVP_NVSP_CAP_8021Q |
				       (version >= HVP_NVSP_6_1 ? HVP_NVSP_CAP_RSC : 0);
	if (version >= HVP_NVSP_2 && !say_plain(n, &m))
		return false;
	hvw_nvsp_init(&m, HVP_NVSP_SEND_NDIS_VERSION);
	m.u.SEND_NDIS_VERSION.major = HVP_NDIS_MAJOR;
	m.u.SEND_NDIS_VERSION.minor = version >= HVP_NVSP_5 ? HVP_NDIS_MINOR_V5 : HVP_NDIS_MINOR_V1;
	if (!say_plain(n, &m) || !set_up_buffers(n))
		return false;
	len = hvw_rndis_build_initialize(bytes, sizeof(bytes), 5, 0x4000);
	return net_guest_control(n, bytes, (uint32_t)len, &at) ==
		       sizeof(struct hvp_rndis_initialize_complete) &&
	       net_guest_set(n, HVP_OID_GEN_CURRENT_PACKET_FILTER, &filter, sizeof(filter)) ==
		       HVP_RNDIS_STATUS_SUCCESS;
}
