/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A queue's NAPI context, and the hooks between its sender and its poller.
 */
#include "nic.h"
#include "nic_compat.h"

/*
 * Byte queue limits shrink to what one round of completions brings back. That is little where host and guest take turns on
 * a processor, and a guest then keeps long in its own queue what the ring has room for: so long that fq_codel drops from it. So
 * two of the largest frames may always be on their way.
 */
#define LIMIT_MIN (2u * 65536u)

void nic_init_limits(struct net_device *ndev)
{
#ifdef CONFIG_BQL
	unsigned i;

	for (i = 0; i < ndev->num_tx_queues; i++)
		netdev_get_tx_queue(ndev, i)->dql.min_limit = LIMIT_MIN;
#endif
}

static struct netdev_queue *tx_queue(const struct hvg_net_port_queue *queue)
{
	return netdev_get_tx_queue(queue->nic->ndev, queue->index);
}

int hvg_net_port_queue_start(struct hvg_net_port_queue *queue, struct hvg_net_port *nic,
			     struct hvg_net_queue *core, unsigned index)
{
	struct netdev_queue *txq;
	int err;

	queue->nic = nic;
	queue->core = core;
	queue->index = index;
	queue->wake = false;
	u64_stats_init(&queue->rx.sync);
	u64_stats_init(&queue->tx.sync);
	txq = tx_queue(queue);
	netdev_tx_reset_queue(txq);
	compat_napi_add(nic->ndev, &queue->napi, nic_poll);
	err = nic_xdp_queue_start(queue);
	if (err) {
		netif_napi_del(&queue->napi);
		return err;
	}
	napi_enable(&queue->napi);
	__netif_tx_lock_bh(txq);
	queue->open = true;
	__netif_tx_unlock_bh(txq);
	return 0;
}

void hvg_net_port_queue_stop(struct hvg_net_port_queue *queue)
{
	struct netdev_queue *txq = tx_queue(queue);

	__netif_tx_lock_bh(txq);
	queue->open = false;
	__netif_tx_unlock_bh(txq);
	napi_disable(&queue->napi);
	nic_xdp_queue_stop(queue);
	netif_napi_del(&queue->napi);
}

void hvg_net_port_completed(struct hvg_net_port_queue *queue, unsigned frames, unsigned bytes)
{
	netdev_tx_completed_queue(tx_queue(queue), frames, bytes);
}

void hvg_net_port_stop(struct hvg_net_port_queue *queue)
{
	netif_tx_stop_queue(tx_queue(queue));
}

/* The sender's lock is held. */
static void go_on(struct hvg_net_port_queue *queue)
{
	if (queue->open)
		hvg_net_flush(queue->core);
}

/*
 * A poll of netpoll's may come upon the lock that the interrupted sender holds on this processor; then the next poll
 * does it.
 */
void hvg_net_port_wake(struct hvg_net_port_queue *queue)
{
	struct netdev_queue *txq = tx_queue(queue);

	queue->wake = false;
	if (queue->budget) {
		__netif_tx_lock(txq, smp_processor_id());
	} else if (!__netif_tx_trylock(txq)) {
		queue->wake = true;
		napi_schedule(&queue->napi);
		return;
	}
	go_on(queue);
	__netif_tx_unlock(txq);
	if (hvg_net_sendable(queue->core))
		netif_tx_wake_queue(txq);
}

int nic_poll(struct napi_struct *napi, int budget)
{
	struct hvg_net_port_queue *queue = container_of(napi, struct hvg_net_port_queue, napi);
	int done;

	queue->budget = budget;
	if (unlikely(queue->wake))
		hvg_net_port_wake(queue);
	done = hvg_net_poll(queue->core, budget);
	if (unlikely(queue->flush_redirects || queue->flush_sends))
		nic_xdp_flush(queue);
	if (done < budget && napi_complete_done(napi, done) && hvg_net_poll_end(queue->core))
		napi_schedule(napi);
	return done;
}
