/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * One channel of a NIC, from its opening to its close.
 */
#include "net_priv.h"

/* A processor for each, as far as they go. */
static unsigned choose_cpu(unsigned index)
{
	unsigned cpu = index % hvos_cpu_count(), tries;

	for (tries = hvos_cpu_count(); tries && !hvos_cpu_online(cpu); tries--)
		cpu = (cpu + 1) % hvos_cpu_count();
	return cpu;
}

/* Data, or room: a stopped queue may go on. */
static void signalled(void *ctx)
{
	struct hvg_net_queue *queue = ctx;

	__atomic_store_n(&queue->room, 1, __ATOMIC_SEQ_CST);
	hvg_chan_mask(queue->chan);
	hvg_net_port_schedule(&queue->port);
}

int hvg_net_queue_open(struct hvg_net_queue *queue, struct hvg_chan *chan)
{
	const struct hvg_chan_config config = {
		.send_pages = queue->net->config.ring_pages,
		.receive_pages = queue->net->config.ring_pages,
		.cpu = choose_cpu(queue->index),
		.signalled = signalled,
		.ctx = queue,
	};
	int err;

	queue->chan = chan;
	queue->ready = 0;
	queue->range_count = queue->range_next = 0;
	queue->rx.piece_count = 0;
	queue->owed_count = queue->owed_first = 0;
	queue->quiet = queue->kick_due = 0;
	queue->stopped = queue->room = 0;
	err = hvg_net_port_queue_start(&queue->port, queue->net->port, queue, queue->index);
	if (err)
		return err;
	err = hvg_chan_open(chan, &config);
	if (err) {
		hvg_net_port_queue_stop(&queue->port);
		return err;
	}
	__atomic_store_n(&queue->open, 1, __ATOMIC_RELEASE);
	return 0;
}

int hvg_net_queue_prepare(struct hvg_net_queue *queue)
{
	int err = hvg_net_tx_init(queue);

	if (err)
		return err;
	/* One more than there are parts of the buffer that the host can give. */
	queue->owed_size = queue->net->info.receive_sections + 1;
	queue->owed = hvos_alloc(queue->owed_size * sizeof(*queue->owed));
	queue->pieces = hvos_alloc(HVG_NET_RX_PIECES_MAX * sizeof(*queue->pieces));
	queue->ranges = hvos_alloc(HVG_NET_RX_PIECES_MAX * sizeof(*queue->ranges));
	if (!queue->owed || !queue->pieces || !queue->ranges)
		return -ENOMEM;
	__atomic_store_n(&queue->ready, 1, __ATOMIC_RELEASE);
	return 0;
}

void hvg_net_queue_stop(struct hvg_net_queue *queue)
{
	if (queue->open)
		hvg_net_port_queue_stop(&queue->port);
}

void hvg_net_queue_close(struct hvg_net_queue *queue)
{
	if (!queue->open)
		return;
	hvg_chan_close(queue->chan);
	hvg_net_tx_fini(queue);
	hvos_free(queue->owed);
	hvos_free(queue->pieces);
	hvos_free(queue->ranges);
	queue->owed = NULL;
	queue->pieces = NULL;
	queue->ranges = NULL;
	queue->chan = NULL;
	__atomic_store_n(&queue->open, 0, __ATOMIC_RELEASE);
}
