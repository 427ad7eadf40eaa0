/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The network device: the receive buffer, and its way to the guest and back.
 *
 * The receive buffer is cut in sub-allocations. Those that are free wait in the fifo of a queue; the reader takes
 * one, fills it and puts it into the fifo of the queue that the frame's hash chooses; that queue's loop sends
 * what is there in one transfer-page packet, and frees it when the guest completes the packet. So each fifo has one
 * producer and one consumer, and no lock.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net_priv.h"

/* --- fifos ----------------------------------------------------------------------------------------- */

bool hvh_net_fifo_put(const struct net *net, struct net_fifo *fifo, uint32_t value)
{
	uint32_t tail = atomic_load_explicit(&fifo->tail, memory_order_relaxed);

	if (tail - atomic_load_explicit(&fifo->head, memory_order_acquire) >= net->fifo_size)
		return false;
	fifo->entry[tail & (net->fifo_size - 1)] = value;
	atomic_store_explicit(&fifo->tail, tail + 1, memory_order_release);
	return true;
}

bool hvh_net_fifo_get(const struct net *net, struct net_fifo *fifo, uint32_t *value)
{
	uint32_t head = atomic_load_explicit(&fifo->head, memory_order_relaxed);

	if (head == atomic_load_explicit(&fifo->tail, memory_order_acquire))
		return false;
	*value = fifo->entry[head & (net->fifo_size - 1)];
	atomic_store_explicit(&fifo->head, head + 1, memory_order_release);
	return true;
}

/* For the consumer: how many there are, and one of them. */
uint32_t hvh_net_fifo_count(const struct net_fifo *fifo)
{
	return atomic_load_explicit(&fifo->tail, memory_order_acquire) -
	       atomic_load_explicit(&fifo->head, memory_order_relaxed);
}

static uint32_t fifo_peek(const struct net *net, const struct net_fifo *fifo, uint32_t index)
{
	return fifo->entry[(atomic_load_explicit(&fifo->head, memory_order_relaxed) + index) &
			   (net->fifo_size - 1)];
}

/* Several at once: the consumer sees all of them or none. There is room. */
static void fifo_put_row(const struct net *net, struct net_fifo *fifo, const uint32_t *values,
			 unsigned count)
{
	uint32_t tail = atomic_load_explicit(&fifo->tail, memory_order_relaxed);

	for (unsigned i = 0; i < count; i++)
		fifo->entry[(tail + i) & (net->fifo_size - 1)] = values[i];
	atomic_store_explicit(&fifo->tail, tail + count, memory_order_release);
}

/* --- sub-allocations ------------------------------------------------------------------------------- */

/* Two fifos for each queue that there may be. */
int hvh_net_rx_allocate(struct net *net)
{
	unsigned i;

	net->fifo_size = 1;
	while (net->fifo_size < net->sub_count)
		net->fifo_size *= 2;
	net->sub = calloc(net->sub_count, sizeof(*net->sub));
	net->fifo_memory = calloc((size_t)net->fifo_size * 2 * net->config.queues_max,
				  sizeof(*net->fifo_memory));
	if (!net->sub || !net->fifo_memory) {
		hvh_net_rx_reset(net);
		return -ENOMEM;
	}
	for (i = 0; i < net->config.queues_max; i++) {
		net->queue[i].free.entry = net->fifo_memory + (size_t)net->fifo_size * 2 * i;
		net->queue[i].filled.entry = net->queue[i].free.entry + net->fifo_size;
	}
	return 0;
}

int hvh_net_rx_setup(struct net *net)
{
	uint32_t i;
	int err;

	net->sub_bytes = net->frame_max + RX_HEADROOM + RX_TAILROOM;
	net->sub_count = net->recv.share->bytes / net->sub_bytes;
	if (net->sub_count > SUB_NONE)
		net->sub_count = SUB_NONE;
	if (net->sub_count <= RX_CONTROL)
		return -ENOSPC;
	err = hvh_net_rx_allocate(net);
	if (err)
		return err;
	for (i = 0; i < net->sub_count - RX_CONTROL; i++)
		hvh_net_fifo_put(net, &net->queue[0].free, i);
	net->control_free_count = 0;
	for (; i < net->sub_count; i++)
		net->control_free[net->control_free_count++] = (uint16_t)i;
	return 0;
}

void hvh_net_rx_reset(struct net *net)
{
	unsigned i;

	for (i = 0; i < HVH_NET_QUEUES_MAX; i++) {
		struct net_queue *q = &net->queue[i];

		memset(&q->free, 0, sizeof(q->free));
		memset(&q->filled, 0, sizeof(q->filled));
		atomic_store(&q->rx_starved, false);
		memset(q->run, 0, sizeof(q->run));
	}
	free(net->sub);
	free(net->fifo_memory);
	net->sub = NULL;
	net->fifo_memory = NULL;
	net->sub_count = 0;
	net->sub_bytes = 0;
	net->fifo_size = 0;
	net->control_free_count = 0;
	net->kicks = 0;
	atomic_store(&net->reader_waits, false);
}

/*
 * Each of `queues` gets an equal part of the free ones, before any of them but the first is open. What the guest has
 * now comes back to the first.
 */
void hvh_net_rx_spread(struct net *net, unsigned queues)
{
	uint32_t part = (net->sub_count - RX_CONTROL) / queues, sub;
	unsigned i;

	for (i = 1; i < queues; i++) {
		uint32_t given;

		for (given = 0; given < part && hvh_net_fifo_get(net, &net->queue[0].free, &sub);
		     given++) {
			atomic_store(&net->sub[sub].queue, (uint8_t)i);
			hvh_net_fifo_put(net, &net->queue[i].free, sub);
		}
	}
}

/* --- to the guest ---------------------------------------------------------------------------------- */

/* The first `count` of what is filled, in one packet. */
static int send_packet(struct net *net, struct net_queue *q, uint32_t count)
{
	uint8_t header[sizeof(struct hvp_transfer_pages) +
		       RX_BATCH * sizeof(struct hvp_transfer_range)];
	struct hvw_nvsp message;
	struct hvw_transfer_writer writer;
	struct hvw_piece pieces[2] = { { header, 0 },
				       { message.u.bytes, hvw_nvsp_bytes(net->version) } };
	uint32_t first = RX_FILLED_SUB(fifo_peek(net, &q->filled, 0)), i;

	hvw_transfer_writer_init(&writer, header, RX_BATCH);
	for (i = 0; i < count; i++) {
		uint32_t value = fifo_peek(net, &q->filled, i);

		if (hvw_transfer_writer_add(&writer, RX_FILLED_SUB(value) * net->sub_bytes,
					    RX_FILLED_LEN(value)))
			return -EMSGSIZE;
	}
	pieces[0].len = hvw_transfer_writer_finish(&writer, net->recv.id);
	hvw_nvsp_init(&message, HVP_NVSP_SEND_RNDIS_PACKET);
	message.u.SEND_RNDIS_PACKET.channel_type = HVP_NVSP_CHANNEL_DATA;
	message.u.SEND_RNDIS_PACKET.section_index = HVP_NVSP_SECTION_NONE;
	return hvh_channel_put(q->channel, HVP_PACKET_TRANSFER_PAGES, HVP_PACKET_FLAG_COMPLETION,
			       first, pieces[0].len, pieces, 2);
}

/* So many of the `count` go into one packet: as many as it takes, and all parts of what is joined or none. */
static uint32_t batch(const struct net *net, const struct net_queue *q, uint32_t count)
{
	uint32_t whole = count < RX_BATCH ? count : RX_BATCH;

	count = whole;
	while (count && fifo_peek(net, &q->filled, count - 1) & RX_FILLED_FOLLOWS)
		count--;
	/* Only what was loaded can be without an end. */
	return count ? count : whole;
}

void hvh_net_rx_publish(struct net *net, struct net_queue *reader, struct net_queue *q,
			const uint32_t *values, unsigned count)
{
	fifo_put_row(net, &q->filled, values, count);
	if (q != reader)
		net->kicks |= 1ull << q->index;
}

bool hvh_net_rx_send(struct net *net, struct net_queue *q)
{
	uint32_t count;

	if (!q->channel || !q->uses_recv)
		return true;
	if (q->faulty)
		return false;
	while ((count = hvh_net_fifo_count(&q->filled))) {
		uint32_t i, sub, before = SUB_NONE;

		count = batch(net, q, count);
		if (hvh_net_fault(net, q, HVH_INJECT_NIC_RING) || send_packet(net, q, count))
			return false;
		for (i = 0; i < count && hvh_net_fifo_get(net, &q->filled, &sub); i++) {
			sub = RX_FILLED_SUB(sub);
			net->sub[sub].first = !i;
			net->sub[sub].next = SUB_NONE;
			if (i)
				net->sub[before].next = (uint16_t)sub;
			before = sub;
		}
	}
	return true;
}

/* Free room is there again for a reader that found none. */
static void tell_reader(struct net *net, struct net_queue *q)
{
	if (!atomic_exchange(&q->rx_starved, false))
		return;
	if (!q->index || (net->backend->can & HVH_NET_READS_QUEUES)) {
		if (net->backend->receive_ready)
			net->backend->receive_ready(net->ctx, q->index);
		return;
	}
	atomic_store(&net->reader_waits, true);
	net->backend->kick(net->ctx, 0);
}

bool hvh_net_rx_completed(struct net *net, struct net_queue *q, uint64_t transaction_id)
{
	uint32_t sub = (uint32_t)transaction_id;

	if (transaction_id >= net->sub_count || atomic_load(&net->sub[sub].queue) != q->index ||
	    !net->sub[sub].first)
		return false;
	net->sub[sub].first = false;
	if (sub >= net->sub_count - RX_CONTROL) {
		net->control_free[net->control_free_count++] = (uint16_t)sub;
		return true;
	}
	while (sub != SUB_NONE) {
		hvh_net_fifo_put(net, &q->free, sub);
		sub = net->sub[sub].next;
	}
	tell_reader(net, q);
	return true;
}
