/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The network device: its life, and what comes in on its channels.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net_priv.h"

/* --- one queue ------------------------------------------------------------------------------------- */

bool hvh_net_fault(struct net *net, struct net_queue *q, enum hvh_inject_nic kind)
{
	uint32_t every = net->config.fault_every[kind];

	if (!every || ++q->fault_count[kind] % every)
		return false;
	q->faulty = true;
	net_count(&q->faults, 1);
	/* Through the control loop: that is what makes it late. */
	hvh_device_attend(&net->device);
	return true;
}

void hvh_net_complete(struct net *net, struct net_queue *q, uint64_t transaction_id,
		      const void *payload, uint32_t len)
{
	const struct hvw_piece piece = { payload, len };

	if (!hvh_net_fault(net, q, HVH_INJECT_NIC_COMPLETION) &&
	    hvh_channel_put(q->channel, HVP_PACKET_COMPLETION, 0, transaction_id, 0, &piece, 1) !=
		    -EAGAIN)
		return;
	/* Nothing more is read before it is out, so one place is enough. */
	q->due.waits = true;
	q->due.transaction_id = transaction_id;
	q->due.len = len;
	if (len)
		memcpy(q->due.bytes, payload, len);
}

static bool send_due(struct net_queue *q)
{
	const struct hvw_piece piece = { q->due.bytes, q->due.len };

	if (!q->due.waits)
		return true;
	if (hvh_channel_put(q->channel, HVP_PACKET_COMPLETION, 0, q->due.transaction_id, 0, &piece,
			    1) == -EAGAIN)
		return false;
	q->due.waits = false;
	return true;
}

bool hvh_net_drain(struct net *net, struct net_queue *q)
{
	if ((atomic_load(&net->recv.users) | atomic_load(&net->send.users)) & BUFFER_REVOKED_BIT)
		hvh_net_buffer_leave(net, q);
	if (q->faulty || !send_due(q))
		return false;
	if (!q->index)
		hvh_net_control_flush(net);
	hvh_net_rx_send(net, q);
	return !q->blocked && net->recv.state != BUFFER_WANTED && net->send.state != BUFFER_WANTED;
}

static void take_completion(struct net *net, struct net_queue *q,
			    const struct hvw_rx_packet *packet)
{
	net_count(&q->rx_completions, 1);
	if (!hvh_net_rx_completed(net, q, packet->h.transaction_id))
		hvh_channel_fail(q->channel, "completion of a packet that it does not have");
}

/* A message in a data packet; false: read it again later. */
static bool take_message(struct net *net, struct net_queue *q, const struct hvw_rx_packet *packet)
{
	uint8_t payload[HVW_NVSP_MAX];
	uint32_t len = packet->payload_len < sizeof(payload) ? packet->payload_len :
							       sizeof(payload);
	struct hvp_nvsp_rndis_packet rndis;

	if (hvh_channel_read(q->channel, packet, packet->header_len, payload, len) ||
	    len < sizeof(uint32_t)) {
		hvh_channel_fail(q->channel, "packet without a message");
		return true;
	}
	if (len >= sizeof(rndis)) {
		memcpy(&rndis, payload, sizeof(rndis));
		if (rndis.h.type == HVP_NVSP_SEND_RNDIS_PACKET)
			return hvh_net_tx(net, q, packet, &rndis) != -EAGAIN;
	}
	if (q->index) {
		hvh_channel_fail(q->channel, "set-up message on a sub-channel");
		return true;
	}
	hvh_net_nvsp(net, q, packet, payload, len);
	return true;
}

/* All that can be done on this queue now. */
static void serve(struct net *net, struct net_queue *q)
{
	struct hvw_rx_packet packet;

	while (hvh_net_drain(net, q) && !hvh_channel_recv(q->channel, &packet)) {
		if (packet.h.type == HVP_PACKET_COMPLETION) {
			take_completion(net, q, &packet);
		} else if (packet.h.type != HVP_PACKET_INBAND &&
			   packet.h.type != HVP_PACKET_GPA_DIRECT) {
			hvh_channel_fail(q->channel, "packet of a strange type");
		} else if (!take_message(net, q, &packet)) {
			hvh_channel_unread(q->channel, &packet);
			break;
		}
	}
	if (q->channel)
		hvh_channel_flush(q->channel);
}

/* --- device ---------------------------------------------------------------------------------------- */

static struct net_queue *queue_of(struct net *net, const struct hvh_channel *channel)
{
	return &net->queue[hvh_channel_index(channel)];
}

static int net_open(struct hvh_device *device, struct hvh_channel *channel)
{
	struct net *net = (struct net *)device;
	struct net_queue *q = queue_of(net, channel);

	if (!q->index)
		hvh_net_forget(net);
	else if (q->index >= net->queues || !hvh_net_buffer_join(net, q))
		return -EINVAL;
	q->channel = channel;
	q->blocked = false;
	q->faulty = false;
	q->tx_done = 0;
	q->cut_done = 0;
	q->due.waits = false;
	atomic_store(&q->open, true);
	if (net->backend->opened)
		net->backend->opened(net->ctx, q->index, true);
	/* The last one: the guest is told on the first channel how to choose among them. */
	if (atomic_fetch_add(&net->queues_open, 1) + 1 == net->queues && q->index)
		hvh_device_attend(device);
	return 0;
}

static void net_close(struct hvh_device *device, struct hvh_channel *channel)
{
	struct net *net = (struct net *)device;
	struct net_queue *q = queue_of(net, channel);

	atomic_store(&q->open, false);
	if (net->backend->opened)
		net->backend->opened(net->ctx, q->index, false);
	atomic_fetch_sub(&net->queues_open, 1);
	hvh_net_buffer_leave(net, q);
	q->channel = NULL;
	if (!q->index)
		hvh_net_forget(net);
	hvh_channel_stopped(channel);
}

static void net_notify(struct hvh_device *device, struct hvh_channel *channel)
{
	struct net *net = (struct net *)device;
	struct net_queue *q = queue_of(net, channel);

	/* What a fault has put off goes on. */
	if (q->faulty) {
		q->faulty = false;
		q->blocked = false;
	}
	serve(net, q);
}

/* The control loop's answer about a buffer: the guest waits for ours. */
static void net_shared(struct hvh_device *device, struct hvh_channel *channel, uint32_t handle,
		       const struct hvh_share *share)
{
	struct net *net = (struct net *)device;

	(void)channel;
	(void)handle;
	hvh_net_buffer_answer(net, share);
}

static void net_recall(struct hvh_device *device, struct hvh_channel *channel,
		       const struct hvh_share *share)
{
	struct net *net = (struct net *)device;

	(void)channel;
	hvh_net_buffer_revoke(net, share == net->recv.share ? &net->recv : &net->send);
}

static const struct hvh_device_ops net_ops = {
	.open = net_open,
	.notify = net_notify,
	.close = net_close,
	.shared = net_shared,
	.recall = net_recall,
	.save = hvh_net_save,
	.load = hvh_net_load,
};

int hvh_net_create(const struct hvh_net_config *config, const struct hvh_net_backend *backend,
		   void *ctx, struct hvh_device **device)
{
	const struct hvp_guid class_id = HVP_CLASS_NETWORK;
	struct net *net;
	unsigned i;

	if (!config->queues_max || config->queues_max > HVH_NET_QUEUES_MAX ||
	    (config->mac[0] & 1) ||
	    (config->frame_max &&
	     (config->frame_max < HVH_NET_FRAME_DEFAULT || config->frame_max > HVH_NET_FRAME_MAX)))
		return -EINVAL;
	net = calloc(1, sizeof(*net));
	if (!net)
		return -ENOMEM;
	net->config = *config;
	if (!net->config.frame_max)
		net->config.frame_max = HVH_NET_FRAME_MAX;
	net->backend = backend;
	net->ctx = ctx;
	atomic_init(&net->mac, net_mac_of(config->mac));
	atomic_init(&net->link, true);
	net->device.name = "network";
	net->device.ops = &net_ops;
	net->device.class_id = class_id;
	/* A random GUID's form: version 4, its last part the address, as people look for that. */
	memcpy(net->device.instance_id.b, config->instance, sizeof(config->instance));
	net->device.instance_id.b[7] = (uint8_t)(0x40 | (net->device.instance_id.b[7] & 0xf));
	net->device.instance_id.b[8] = 0x80;
	memcpy(net->device.instance_id.b + 10, config->mac, sizeof(config->mac));
	net->device.offer_flags = HVP_OFFER_ENUMERATE_DEVICE;
	net->device.subchannels_max = (uint16_t)(config->queues_max - 1);
	for (i = 0; i < HVH_NET_QUEUES_MAX; i++)
		net->queue[i].index = i;
	*device = &net->device;
	return 0;
}

void hvh_net_destroy(struct hvh_device *device)
{
	struct net *net = (struct net *)device;

	hvh_net_rx_reset(net);
	free(net);
}

/* --- for the embedder and the back end ------------------------------------------------------------- */

static void read_queue(const struct net_queue *q, struct hvh_net_queue_status *status)
{
	status->open = atomic_load(&q->open);
	status->rx_frames = atomic_load(&q->rx_frames);
	status->rx_bytes = atomic_load(&q->rx_bytes);
	status->rx_dropped = atomic_load(&q->rx_dropped);
	status->tx_frames = atomic_load(&q->tx_frames);
	status->tx_bytes = atomic_load(&q->tx_bytes);
	status->tx_dropped = atomic_load(&q->tx_dropped);
	status->tx_checksums = atomic_load(&q->tx_checksums);
	status->tx_large = atomic_load(&q->tx_large);
	status->tx_segments = atomic_load(&q->tx_segments);
	status->rx_completions = atomic_load(&q->rx_completions);
	status->rx_joined = atomic_load(&q->rx_joined);
	status->faults = atomic_load(&q->faults);
}

void hvh_net_status(const struct hvh_device *device, struct hvh_net_status *status)
{
	const struct net *net = (const struct net *)device;
	uint64_t mac;
	unsigned i;

	memset(status, 0, sizeof(*status));
	status->version = net->version;
	status->ndis_major = net->ndis_major;
	status->ndis_minor = net->ndis_minor;
	status->mtu = net->version ? net->frame_max - HVW_ETHERNET_HEADER : 0;
	status->filter = atomic_load(&net->filter);
	mac = atomic_load(&net->mac);
	memcpy(status->mac, &mac, sizeof(status->mac));
	status->link = atomic_load(&net->link);
	status->ready = net->initialised;
	status->queues = net->queues;
	status->rss_types = net->rss_types;
	status->joins = atomic_load(&net->joins);
	status->violations = atomic_load(&net->violations);
	for (i = 0; i < HVH_NET_QUEUES_MAX; i++)
		read_queue(&net->queue[i], &status->queue[i]);
}

/* Something is to be said to the guest, if it is there. */
static void note(struct net *net, unsigned notes)
{
	struct net_queue *q = &net->queue[0];

	if (!net->initialised)
		return;
	net->notes |= notes;
	if (q->channel)
		serve(net, q);
}

void hvh_net_link(struct hvh_device *device, bool up)
{
	struct net *net = (struct net *)device;

	if (atomic_exchange(&net->link, up) != up)
		note(net, NOTE_LINK);
}

void hvh_net_changed(struct hvh_device *device)
{
	note((struct net *)device, NOTE_CHANGE);
}

/* Has the guest frames or messages of that queue that it has not completed? */
static bool owed(const struct net *net, const struct net_queue *q)
{
	for (uint32_t i = 0; i < net->sub_count; i++)
		if (net->sub[i].first && atomic_load(&net->sub[i].queue) == q->index)
			return true;
	return false;
}

bool hvh_net_quiet(struct hvh_device *device, unsigned queue)
{
	struct net *net = (struct net *)device;
	struct net_queue *q = &net->queue[queue];

	if (!q->channel)
		return true;
	return hvh_channel_idle(q->channel) && !q->due.waits && !hvh_net_fifo_count(&q->filled) &&
	       (queue || (!net->notes && !net->answers_len)) && !owed(net, q);
}

void hvh_net_tx_ready(struct hvh_device *device, unsigned queue)
{
	struct net *net = (struct net *)device;
	struct net_queue *q = &net->queue[queue];

	if (!q->blocked)
		return;
	q->blocked = false;
	if (q->channel)
		serve(net, q);
}

void hvh_net_run(struct hvh_device *device, unsigned queue)
{
	struct net *net = (struct net *)device;
	struct net_queue *q = &net->queue[queue];

	if (!queue && atomic_exchange(&net->reader_waits, false) && net->backend->receive_ready)
		net->backend->receive_ready(net->ctx, 0);
	if (!q->channel)
		return;
	hvh_net_rx_send(net, q);
	hvh_channel_flush(q->channel);
}
