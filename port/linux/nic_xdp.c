/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Programs that see each frame before the kernel makes a socket buffer of it (XDP). A frame is copied to a page of its own,
 * as every frame is copied once; what is dropped leaves its page for the next one.
 */
#include <linux/bpf_trace.h>
#include <linux/filter.h>
#include <linux/mm.h>
#include <net/xdp.h>

#include "nic.h"
#include "nic_compat.h"

/* Behind the frame there is what a socket buffer made of the page needs. */
#define TAIL	  SKB_DATA_ALIGN(sizeof(struct skb_shared_info))
#define FRAME_MAX (PAGE_SIZE - XDP_PACKET_HEADROOM - TAIL)

/* --- life ------------------------------------------------------------------------------------------------- */

int nic_xdp_queue_start(struct hvg_net_port_queue *queue)
{
	int err = compat_rxq_reg(&queue->rxq, queue->nic->ndev, queue->index, &queue->napi);

	if (err)
		return err;
	err = xdp_rxq_info_reg_mem_model(&queue->rxq, MEM_TYPE_PAGE_ORDER0, NULL);
	if (err)
		xdp_rxq_info_unreg(&queue->rxq);
	return err;
}

void nic_xdp_queue_stop(struct hvg_net_port_queue *queue)
{
	xdp_rxq_info_unreg(&queue->rxq);
	if (queue->page)
		put_page(queue->page);
	queue->page = NULL;
}

unsigned nic_xdp_mtu_max(void)
{
	return FRAME_MAX - ETH_HLEN;
}

/* --- the program ------------------------------------------------------------------------------------------ */

static void set_program(struct hvg_net_port *nic, struct bpf_prog *program)
{
	struct bpf_prog *old = rtnl_dereference(nic->program);

	rcu_assign_pointer(nic->program, program);
	/* Who still runs it is in an RCU section, and the program goes after that. */
	if (old)
		bpf_prog_put(old);
	if (!old != !program)
		netdev_update_features(nic->ndev);
}

static int setup(struct hvg_net_port *nic, struct netdev_bpf *bpf)
{
	if (bpf->prog && nic->ndev->mtu > nic_xdp_mtu_max()) {
		NL_SET_ERR_MSG_MOD(bpf->extack, "MTU too large for XDP");
		return -EOPNOTSUPP;
	}
	set_program(nic, bpf->prog);
	nic_vf_set_program(nic, bpf->prog, bpf->extack);
	return 0;
}

int nic_bpf(struct net_device *ndev, struct netdev_bpf *bpf)
{
	return bpf->command == XDP_SETUP_PROG ? setup(nic_of(ndev), bpf) : -EINVAL;
}

/* The device goes, or could not be registered. */
void nic_xdp_fini(struct hvg_net_port *nic)
{
	struct bpf_prog *program = rcu_dereference_protected(nic->program, true);

	RCU_INIT_POINTER(nic->program, NULL);
	if (program)
		bpf_prog_put(program);
}

/* --- sending ---------------------------------------------------------------------------------------------- */

/* The sender's lock is held. */
static bool send_frame(struct hvg_net_port_queue *queue, struct netdev_queue *txq,
		       struct xdp_frame *xdp, bool more)
{
	const struct hvg_net_frame frame = {
		.cookie = (void *)((unsigned long)xdp | NIC_COOKIE_XDP),
		.len = xdp->len,
	};
	const u32 len = xdp->len;

	if (!queue->open || len < ETH_HLEN || !hvg_net_sendable(queue->core))
		return false;
	/* The core's count of what has left has these in it. */
	netdev_tx_sent_queue(txq, len);
	if (hvg_net_send(queue->core, &frame, more))
		return false;
	u64_stats_update_begin(&queue->tx.sync);
	queue->tx.packets++;
	queue->tx.bytes += len;
	u64_stats_update_end(&queue->tx.sync);
	return true;
}

/* Frames that other devices redirect here: each processor to a queue. */
int nic_xdp_xmit(struct net_device *ndev, int count, struct xdp_frame **frames, u32 flags)
{
	struct hvg_net_port *nic = nic_of(ndev);
	struct net_device *vf = nic_vf_active(nic);
	const unsigned cpu = smp_processor_id();
	struct hvg_net_port_queue *queue;
	struct netdev_queue *txq;
	int sent = 0;

	if (unlikely(flags & ~XDP_XMIT_FLAGS_MASK))
		return -EINVAL;
	if (unlikely(!netif_running(ndev) || !netif_device_present(ndev)))
		return -ENETDOWN;
	if (vf && vf->netdev_ops->ndo_xdp_xmit)
		return vf->netdev_ops->ndo_xdp_xmit(vf, count, frames, flags);
	queue = nic_queue(nic, cpu % ndev->real_num_tx_queues);
	txq = netdev_get_tx_queue(ndev, cpu % ndev->real_num_tx_queues);
	__netif_tx_lock(txq, cpu);
	while (sent < count && send_frame(queue, txq, frames[sent], true))
		sent++;
	u64_stats_update_begin(&queue->tx.sync);
	queue->tx.xdp[0] += sent;
	u64_stats_update_end(&queue->tx.sync);
	if (queue->open)
		hvg_net_flush(queue->core);
	__netif_tx_unlock(txq);
	return compat_xdp_sent(frames, sent, count);
}

/* Back where it came from. */
static bool turn_round(struct hvg_net_port_queue *queue, struct xdp_buff *xdp)
{
	struct netdev_queue *txq = netdev_get_tx_queue(queue->nic->ndev, queue->index);
	struct xdp_frame *frame = xdp_convert_buff_to_frame(xdp);
	bool sent;

	if (!frame)
		return false;
	__netif_tx_lock(txq, smp_processor_id());
	sent = send_frame(queue, txq, frame, true);
	__netif_tx_unlock(txq);
	queue->flush_sends |= sent;
	return sent;
}

/* --- receiving -------------------------------------------------------------------------------------------- */

static struct page *take_page(struct hvg_net_port_queue *queue)
{
	struct page *page = queue->page;

	queue->page = NULL;
	return page ? page : dev_alloc_page();
}

static void keep_page(struct hvg_net_port_queue *queue, struct page *page)
{
	queue->page = page;
}

static void count(struct hvg_net_port_queue *queue, u64 *counter)
{
	u64_stats_update_begin(&queue->rx.sync);
	(*counter)++;
	u64_stats_update_end(&queue->rx.sync);
}

/* True: it is for the kernel. Else the page has gone, or is kept. */
static bool decide(struct hvg_net_port_queue *queue, struct bpf_prog *program, struct xdp_buff *xdp,
		   struct page *page)
{
	struct net_device *ndev = queue->nic->ndev;
	const u32 act = bpf_prog_run_xdp(program, xdp);

	switch (act) {
	case XDP_PASS:
		return true;
	case XDP_TX:
		if (turn_round(queue, xdp)) {
			count(queue, &queue->rx.xdp[NIC_XDP_SENT]);
			return false;
		}
		trace_xdp_exception(ndev, program, act);
		break;
	case XDP_REDIRECT:
		if (!xdp_do_redirect(ndev, xdp, program)) {
			queue->flush_redirects = true;
			count(queue, &queue->rx.xdp[NIC_XDP_REDIRECTED]);
			return false;
		}
		trace_xdp_exception(ndev, program, act);
		break;
	case XDP_DROP:
		break;
	default:
		compat_warn_action(ndev, program, act);
		fallthrough;
	case XDP_ABORTED:
		trace_xdp_exception(ndev, program, act);
		break;
	}
	count(queue, &queue->rx.xdp[NIC_XDP_DROPPED]);
	keep_page(queue, page);
	return false;
}

static struct sk_buff *build(struct xdp_buff *xdp, struct page *page)
{
	struct sk_buff *skb = build_skb(xdp->data_hard_start, PAGE_SIZE);
	const u32 meta = xdp->data - xdp->data_meta;

	if (!skb) {
		put_page(page);
		return NULL;
	}
	skb_reserve(skb, xdp->data - xdp->data_hard_start);
	skb_put(skb, xdp->data_end - xdp->data);
	if (meta)
		skb_metadata_set(skb, meta);
	return skb;
}

struct sk_buff *nic_xdp_receive(struct hvg_net_port_queue *queue, const struct hvg_net_rx *rx,
				struct bpf_prog *program, bool *taken)
{
	struct sk_buff *skb = NULL;
	struct xdp_buff xdp;
	struct page *page;

	*taken = true;
	/* Such ones were not agreed on; no program has seen them, so nobody does. */
	if (unlikely(rx->len > FRAME_MAX)) {
		count(queue, &queue->rx.xdp[NIC_XDP_DROPPED]);
		return NULL;
	}
	page = take_page(queue);
	if (unlikely(!page)) {
		*taken = false;
		return NULL;
	}
	compat_xdp_init(&xdp, &queue->rxq, page_address(page));
	nic_copy_pieces(xdp.data, rx);
	xdp.data_end = xdp.data + rx->len;
	if (decide(queue, program, &xdp, page)) {
		skb = build(&xdp, page);
		*taken = skb != NULL;
	}
	return skb;
}

/* The poll is over. */
void nic_xdp_flush(struct hvg_net_port_queue *queue)
{
	struct netdev_queue *txq = netdev_get_tx_queue(queue->nic->ndev, queue->index);

	if (queue->flush_redirects)
		xdp_do_flush();
	queue->flush_redirects = false;
	if (!queue->flush_sends)
		return;
	queue->flush_sends = false;
	__netif_tx_lock(txq, smp_processor_id());
	if (queue->open)
		hvg_net_flush(queue->core);
	__netif_tx_unlock(txq);
}
