/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The network device: set-up messages, and the buffers that the guest shares. Loop of queue 0, where nothing else is
 * said.
 */
#include <errno.h>
#include <string.h>

#include "net_priv.h"

#define MDL_CHAIN_MAX 34u

/* All that was agreed on with a guest is void. */
void hvh_net_forget(struct net *net)
{
	net->version = 0;
	net->configured = false;
	net->frame_max = HVH_NET_FRAME_DEFAULT;
	net->capabilities = 0;
	net->ndis_major = 0;
	net->ndis_minor = 0;
	memset(&net->recv, 0, sizeof(net->recv));
	memset(&net->send, 0, sizeof(net->send));
	net->queues = 0;
	atomic_store(&net->initialised, false);
	atomic_store(&net->filter, 0);
	memset(&net->offload, 0, sizeof(net->offload));
	hvh_net_join_set(net);
	net->rss_types = 0;
	net->rss_entries = 0;
	net->table_sent = false;
	net->notes = 0;
	net->answers_len = 0;
	atomic_store(&net->mac, net_mac_of(net->config.mac));
	hvh_net_rx_reset(net);
}

static void fail(struct net *net, struct net_queue *q, const char *why)
{
	atomic_fetch_add(&net->violations, 1);
	hvh_channel_fail(q->channel, why);
}

/* Answer a packet that wants it; `message` NULL: with nothing in it. */
static void answer(struct net *net, struct net_queue *q, uint64_t transaction_id,
		   struct hvw_nvsp *message)
{
	hvh_net_complete(net, q, transaction_id, message ? message->u.bytes : NULL,
			 message ? hvw_nvsp_bytes(net->version) : 0);
}

static bool wants_answer(const struct hvw_rx_packet *packet)
{
	return packet->h.flags & HVP_PACKET_FLAG_COMPLETION;
}

/* --- buffers --------------------------------------------------------------------------------------- */

/* The queue looks at the buffer no more; the last one gives it back. */
static void drop_use(struct net *net, struct net_buffer *buffer, bool *uses)
{
	if (!*uses)
		return;
	*uses = false;
	if (atomic_fetch_sub(&buffer->users, 1) - 1 == BUFFER_REVOKED_BIT)
		hvh_channel_unshare(net->device.channel, buffer->share);
}

static bool add_use(struct net_buffer *buffer, bool *uses)
{
	uint32_t users = atomic_load(&buffer->users);

	do {
		if (users & BUFFER_REVOKED_BIT)
			return false;
	} while (!atomic_compare_exchange_weak(&buffer->users, &users, users + 1));
	*uses = true;
	return true;
}

bool hvh_net_buffer_join(struct net *net, struct net_queue *q)
{
	if (!add_use(&net->recv, &q->uses_recv))
		return false;
	if (!net->send.share)
		return true;
	if (add_use(&net->send, &q->uses_send))
		return true;
	drop_use(net, &net->recv, &q->uses_recv);
	return false;
}

void hvh_net_buffer_leave(struct net *net, struct net_queue *q)
{
	if (!q->channel || !atomic_load(&q->open) ||
	    (atomic_load(&net->recv.users) & BUFFER_REVOKED_BIT))
		drop_use(net, &net->recv, &q->uses_recv);
	if (!q->channel || !atomic_load(&q->open) ||
	    (atomic_load(&net->send.users) & BUFFER_REVOKED_BIT))
		drop_use(net, &net->send, &q->uses_send);
}

void hvh_net_buffer_revoke(struct net *net, struct net_buffer *buffer)
{
	if (buffer->state != BUFFER_READY)
		return;
	buffer->state = BUFFER_REVOKED;
	atomic_fetch_or(&buffer->users, BUFFER_REVOKED_BIT);
	hvh_net_buffer_leave(net, &net->queue[0]);
	/* The other queues leave on their own loops. */
	if (net->queues > 1)
		hvh_device_attend(&net->device);
}

static void answer_recv(struct net *net, const struct hvh_share *share)
{
	struct net_queue *q = &net->queue[0];
	struct hvp_nvsp_recv_buf_complete *complete;
	struct hvw_nvsp message;

	hvw_nvsp_init(&message, HVP_NVSP_SEND_RECV_BUF_COMPLETE);
	complete = &message.u.SEND_RECV_BUF_COMPLETE;
	complete->status = HVP_NVSP_STATUS_FAILURE;
	net->recv.state = BUFFER_NONE;
	net->recv.share = share;
	if (share && !hvh_net_rx_setup(net)) {
		net->recv.state = BUFFER_READY;
		add_use(&net->recv, &q->uses_recv);
		net->queues = 1;
		complete->status = HVP_NVSP_STATUS_SUCCESS;
		complete->section_count = 1;
		complete->section.size = net->sub_bytes;
		complete->section.count = net->sub_count;
		complete->section.end_offset = net->sub_bytes * net->sub_count;
	} else if (share) {
		hvh_channel_unshare(q->channel, share);
	}
	answer(net, q, net->recv.transaction_id, &message);
}

static void answer_send(struct net *net, const struct hvh_share *share)
{
	struct net_queue *q = &net->queue[0];
	struct hvw_nvsp message;
	bool good = share && share->bytes >= TX_SECTION;

	hvw_nvsp_init(&message, HVP_NVSP_SEND_SEND_BUF_COMPLETE);
	message.u.SEND_SEND_BUF_COMPLETE.status = good ? HVP_NVSP_STATUS_SUCCESS :
							 HVP_NVSP_STATUS_FAILURE;
	message.u.SEND_SEND_BUF_COMPLETE.section_size = good ? TX_SECTION : 0;
	net->send.state = good ? BUFFER_READY : BUFFER_NONE;
	net->send.share = good ? share : NULL;
	if (good)
		add_use(&net->send, &q->uses_send);
	else if (share)
		hvh_channel_unshare(q->channel, share);
	answer(net, q, net->send.transaction_id, &message);
}

void hvh_net_buffer_answer(struct net *net, const struct hvh_share *share)
{
	if (net->recv.state == BUFFER_WANTED)
		answer_recv(net, share);
	else if (net->send.state == BUFFER_WANTED)
		answer_send(net, share);
	else if (share)
		hvh_channel_unshare(net->device.channel, share);
}

static void want_buffer(struct net *net, struct net_queue *q, struct net_buffer *buffer,
			const struct hvp_nvsp_send_buffer *m, uint64_t transaction_id)
{
	if (buffer->state != BUFFER_NONE) {
		fail(net, q, "a buffer that it has shared already");
		return;
	}
	buffer->id = m->id;
	buffer->transaction_id = transaction_id;
	buffer->state = BUFFER_WANTED;
	if (hvh_channel_share(q->channel, m->gpadl))
		hvh_net_buffer_answer(net, NULL);
}

/* --- messages -------------------------------------------------------------------------------------- */

static void on_init(struct net *net, struct net_queue *q, const struct hvp_nvsp_init *m,
		    uint64_t transaction_id)
{
	struct hvw_nvsp message;
	struct hvp_nvsp_init_complete *complete = &message.u.INIT_COMPLETE;
	uint32_t version = m->version_max;

	if (net->version) {
		fail(net, q, "INIT after a version was agreed on");
		return;
	}
	hvw_nvsp_init(&message, HVP_NVSP_INIT_COMPLETE);
	complete->version = version == HVP_NVSP_1 ? version : HVP_NVSP_INIT_VERSION_NONE;
	complete->mdl_chain_max = MDL_CHAIN_MAX;
	if (hvw_nvsp_version_known(version) && m->version_min <= version) {
		complete->status = HVP_NVSP_STATUS_SUCCESS;
		net->version = version;
	} else {
		complete->status = HVP_NVSP_STATUS_NONE;
	}
	answer(net, q, transaction_id, &message);
}

static void on_ndis_config(struct net *net, struct net_queue *q,
			   const struct hvp_nvsp_ndis_config *m)
{
	if (net->configured || net->recv.state != BUFFER_NONE) {
		fail(net, q, "NDIS_CONFIG twice or too late");
		return;
	}
	net->configured = true;
	net->capabilities = m->capabilities;
	if (m->mtu >= HVH_NET_FRAME_DEFAULT && m->mtu <= net->config.frame_max)
		net->frame_max = m->mtu;
}

static void on_ndis_version(struct net *net, struct net_queue *q,
			    const struct hvp_nvsp_ndis_version *m)
{
	if (net->ndis_major || net->recv.state != BUFFER_NONE || !m->major) {
		fail(net, q, "SEND_NDIS_VERSION twice or too late");
		return;
	}
	net->ndis_major = m->major;
	net->ndis_minor = m->minor;
}

static void on_subchannel(struct net *net, struct net_queue *q, const struct hvp_nvsp_subchannel *m,
			  uint64_t transaction_id)
{
	struct hvw_nvsp message;
	struct hvp_nvsp_subchannel_complete *complete = &message.u.SUBCHANNEL_COMPLETE;
	bool good = m->operation == HVP_NVSP_SUBCHANNEL_ALLOCATE && m->count &&
		    m->count < net->config.queues_max && net->queues == 1 && net->initialised &&
		    net->recv.state == BUFFER_READY &&
		    (net->sub_count - RX_CONTROL) / (m->count + 1) >= 1;

	hvw_nvsp_init(&message, HVP_NVSP_SUBCHANNEL_COMPLETE);
	complete->status = good ? HVP_NVSP_STATUS_SUCCESS : HVP_NVSP_STATUS_FAILURE;
	complete->count = good ? m->count : 0;
	if (good) {
		net->queues = m->count + 1;
		hvh_net_rx_spread(net, net->queues);
	}
	answer(net, q, transaction_id, &message);
	if (good)
		hvh_device_request_subchannels(&net->device, m->count);
}

static void on_pd_api(struct net *net, struct net_queue *q, const struct hvp_nvsp_pd_api *m,
		      uint64_t transaction_id)
{
	struct hvw_nvsp message;

	hvw_nvsp_init(&message, HVP_NVSP_PD_API_COMPLETE);
	message.u.PD_API_COMPLETE.operation = m->operation;
	message.u.PD_API_COMPLETE.status = HVP_RNDIS_STATUS_NOT_SUPPORTED;
	answer(net, q, transaction_id, &message);
}

static void on_oid_query_ex(struct net *net, struct net_queue *q, uint64_t transaction_id)
{
	struct hvw_nvsp message;

	hvw_nvsp_init(&message, HVP_NVSP_OID_QUERY_EX_COMPLETE);
	message.u.OID_QUERY_EX_COMPLETE.status = HVP_NVSP_STATUS_FAILURE;
	answer(net, q, transaction_id, &message);
}

/* Messages without an answer of their own. False: not one of them. */
static bool plain_message(struct net *net, struct net_queue *q, const struct hvw_nvsp *m)
{
	switch (m->u.h.type) {
	case HVP_NVSP_NDIS_CONFIG:
		on_ndis_config(net, q, &m->u.NDIS_CONFIG);
		return true;
	case HVP_NVSP_SEND_NDIS_VERSION:
		on_ndis_version(net, q, &m->u.SEND_NDIS_VERSION);
		return true;
	case HVP_NVSP_REVOKE_RECV_BUF:
		hvh_net_buffer_revoke(net, &net->recv);
		return true;
	case HVP_NVSP_REVOKE_SEND_BUF:
		hvh_net_buffer_revoke(net, &net->send);
		return true;
	case HVP_NVSP_SWITCH_DATA_PATH: /* there is no VF: the path stays as it is */
	case HVP_NVSP_PD_POST_BATCH:
		return true;
	default:
		return false;
	}
}

void hvh_net_nvsp(struct net *net, struct net_queue *q, const struct hvw_rx_packet *packet,
		  const uint8_t *payload, uint32_t len)
{
	uint64_t transaction_id = packet->h.transaction_id;
	struct hvw_nvsp m;

	if (hvw_nvsp_parse(&m, payload, len, HVP_NVSP_TO_HOST, net->version)) {
		fail(net, q, "malformed, unknown or untimely set-up message");
		return;
	}
	if (plain_message(net, q, &m)) {
		if (wants_answer(packet))
			answer(net, q, transaction_id, NULL);
		return;
	}
	switch (m.u.h.type) {
	case HVP_NVSP_INIT:
		on_init(net, q, &m.u.INIT, transaction_id);
		break;
	case HVP_NVSP_SEND_RECV_BUF:
		if (!net->ndis_major)
			fail(net, q, "SEND_RECV_BUF before SEND_NDIS_VERSION");
		else
			want_buffer(net, q, &net->recv, &m.u.SEND_RECV_BUF, transaction_id);
		break;
	case HVP_NVSP_SEND_SEND_BUF:
		if (net->recv.state != BUFFER_READY)
			fail(net, q, "SEND_SEND_BUF before SEND_RECV_BUF");
		else
			want_buffer(net, q, &net->send, &m.u.SEND_SEND_BUF, transaction_id);
		break;
	case HVP_NVSP_SUBCHANNEL:
		on_subchannel(net, q, &m.u.SUBCHANNEL, transaction_id);
		break;
	case HVP_NVSP_PD_API:
		on_pd_api(net, q, &m.u.PD_API, transaction_id);
		break;
	case HVP_NVSP_OID_QUERY_EX:
		on_oid_query_ex(net, q, transaction_id);
		break;
	default:
		fail(net, q, "set-up message of a guest that hosts alone send");
	}
}
