/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The network device: save and load. All loops are stopped. What is loaded may come from an enemy: each sub-allocation
 * must be in exactly one place, and everything a guest could not have brought about is refused.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net_priv.h"

#define STATE_TAG     HVH_STATE_TAG('N', 'E', 'T', ' ')
#define STATE_VERSION 1

/* --- save ------------------------------------------------------------------------------------------ */

static void save_buffer(const struct net_buffer *buffer, struct hvh_state_writer *w)
{
	uint32_t users = atomic_load(&buffer->users) & ~BUFFER_REVOKED_BIT;

	hvh_state_put_u32(w, buffer->state);
	hvh_state_put_u32(w, buffer->id);
	hvh_state_put_u32(w, users ? buffer->share->handle : 0);
}

static void save_fifo(const struct net *net, const struct net_fifo *fifo,
		      struct hvh_state_writer *w)
{
	uint32_t head = atomic_load(&fifo->head), tail = atomic_load(&fifo->tail);

	hvh_state_put_u32(w, tail - head);
	for (; head != tail; head++)
		hvh_state_put_u32(w, fifo->entry[head & (net->fifo_size - 1)]);
}

/* What the guest has of one queue. */
static void save_outstanding(const struct net *net, unsigned queue, struct hvh_state_writer *w)
{
	uint32_t sub, chain, packets = 0;

	for (sub = 0; sub < net->sub_count; sub++)
		packets += net->sub[sub].first && atomic_load(&net->sub[sub].queue) == queue;
	hvh_state_put_u32(w, packets);
	for (sub = 0; sub < net->sub_count; sub++) {
		if (!net->sub[sub].first || atomic_load(&net->sub[sub].queue) != queue)
			continue;
		for (chain = sub; chain != SUB_NONE; chain = net->sub[chain].next)
			hvh_state_put_u32(w, chain);
		hvh_state_put_u32(w, SUB_NONE);
	}
}

/* clang-format off */
#define COUNTERS(X) \
	X(rx_frames) \
	X(rx_bytes) \
	X(rx_dropped) \
	X(tx_frames) \
	X(tx_bytes) \
	X(tx_dropped) \
	X(tx_checksums) \
	X(tx_large) \
	X(tx_segments) \
	X(rx_completions) \
	X(rx_joined) \
	X(faults)
/* clang-format on */

static void save_queue(const struct net *net, const struct net_queue *q, struct hvh_state_writer *w)
{
	hvh_state_put_u32(w, q->channel != NULL);
	hvh_state_put_u32(w, q->uses_recv);
	hvh_state_put_u32(w, q->uses_send);
	hvh_state_put_u32(w, q->tx_done);
	hvh_state_put_u32(w, q->cut_done);
	hvh_state_put_u32(w, q->due.waits);
	if (q->due.waits) {
		hvh_state_put_u64(w, q->due.transaction_id);
		hvh_state_put_u32(w, q->due.len);
		hvh_state_put_bytes(w, q->due.bytes, q->due.len);
	}
	save_fifo(net, &q->free, w);
	save_fifo(net, &q->filled, w);
	save_outstanding(net, q->index, w);
#define SAVE_COUNTER(name) hvh_state_put_u64(w, atomic_load(&q->name));
	COUNTERS(SAVE_COUNTER)
#undef SAVE_COUNTER
}

void hvh_net_save(const struct hvh_device *device, struct hvh_state_writer *w)
{
	struct net *net = (struct net *)device;
	unsigned i;

	/* What is held back is not saved as such: for the guest that makes no difference. */
	for (i = 0; i < net->config.queues_max; i++)
		hvh_net_join_end(net, &net->queue[i]);
	hvh_state_begin(w, STATE_TAG, STATE_VERSION);
	hvh_state_put_u64(w, atomic_load(&net->mac));
	hvh_state_put_u32(w, net->version);
	hvh_state_put_u32(w, net->configured);
	hvh_state_put_u32(w, net->frame_max);
	hvh_state_put_u64(w, net->capabilities);
	hvh_state_put_u32(w, net->ndis_major);
	hvh_state_put_u32(w, net->ndis_minor);
	save_buffer(&net->recv, w);
	save_buffer(&net->send, w);
	hvh_state_put_u32(w, net->sub_count);
	hvh_state_put_u32(w, net->queues);
	hvh_state_put_u32(w, atomic_load(&net->initialised));
	hvh_state_put_u32(w, atomic_load(&net->filter));
	hvh_state_put_u32(w, atomic_load(&net->link));
	hvh_state_put_bytes(w, &net->offload, sizeof(net->offload));
	hvh_state_put_u32(w, net->rss_types);
	hvh_state_put_u32(w, net->rss_entries);
	hvh_state_put_bytes(w, net->rss_table, net->rss_entries);
	hvh_state_put_bytes(w, net->rss_key, sizeof(net->rss_key));
	hvh_state_put_u32(w, net->table_sent);
	hvh_state_put_u32(w, net->notes);
	hvh_state_put_u32(w, net->answers_len);
	hvh_state_put_bytes(w, net->answers, net->answers_len);
	hvh_state_put_u32(w, net->control_free_count);
	for (i = 0; i < net->control_free_count; i++)
		hvh_state_put_u32(w, net->control_free[i]);
	for (i = 0; i < net->config.queues_max; i++)
		save_queue(net, &net->queue[i], w);
	hvh_state_end(w);
}

/* --- load ------------------------------------------------------------------------------------------ */

/* Which sub-allocations have been seen. */
struct seen {
	uint8_t *bits;
	uint32_t count; /* of the buffer */
	uint32_t found;
};

static bool see(struct seen *seen, uint32_t sub, bool control)
{
	if (sub >= seen->count || control != (sub >= seen->count - RX_CONTROL) ||
	    (seen->bits[sub / 8] & 1u << sub % 8))
		return false;
	seen->bits[sub / 8] |= (uint8_t)(1u << sub % 8);
	seen->found++;
	return true;
}

static void load_buffer(struct net *net, struct net_buffer *buffer, struct hvh_state_reader *r)
{
	uint32_t state = hvh_state_get_u32(r), id = hvh_state_get_u32(r),
		 handle = hvh_state_get_u32(r);

	if (r->err || state > BUFFER_REVOKED || state == BUFFER_WANTED || id > 0xffff ||
	    (state == BUFFER_NONE && handle) || (state == BUFFER_READY && !handle)) {
		hvh_state_refuse(r);
		return;
	}
	buffer->state = state;
	buffer->id = (uint16_t)id;
	if (state == BUFFER_REVOKED)
		atomic_store(&buffer->users, BUFFER_REVOKED_BIT);
	if (!handle)
		return;
	buffer->share = hvh_channel_share_restore(net->device.channel, handle);
	if (!buffer->share)
		hvh_state_refuse(r);
}

static void load_fifo(struct net *net, struct net_fifo *fifo, unsigned queue, bool filled,
		      struct seen *seen, struct hvh_state_reader *r)
{
	uint32_t count = hvh_state_get_u32(r);

	for (; count && !r->err; count--) {
		uint32_t value = hvh_state_get_u32(r), sub = filled ? RX_FILLED_SUB(value) : value;

		if (r->err || !see(seen, sub, false) ||
		    (filled && (RX_FILLED_LEN(value) < RX_HEADROOM ||
				RX_FILLED_LEN(value) > net->sub_bytes))) {
			hvh_state_refuse(r);
			return;
		}
		atomic_store(&net->sub[sub].queue, (uint8_t)queue);
		hvh_net_fifo_put(net, fifo, value);
	}
}

static void load_outstanding(struct net *net, unsigned queue, struct seen *seen,
			     struct hvh_state_reader *r)
{
	uint32_t packets = hvh_state_get_u32(r);

	for (; packets && !r->err; packets--) {
		uint32_t sub = hvh_state_get_u32(r);
		bool control = sub >= seen->count - RX_CONTROL, first = true;

		do {
			if (r->err || !see(seen, sub, control && first && !queue)) {
				hvh_state_refuse(r);
				return;
			}
			atomic_store(&net->sub[sub].queue, (uint8_t)queue);
			net->sub[sub].first = first;
			first = false;
			net->sub[sub].next = (uint16_t)hvh_state_get_u32(r);
			sub = net->sub[sub].next;
		} while (sub != SUB_NONE);
	}
}

static void load_uses(struct net_buffer *buffer, uint32_t uses, bool *flag,
		      struct hvh_state_reader *r)
{
	if (!uses)
		return;
	if (uses != 1 || !buffer->share) {
		hvh_state_refuse(r);
		return;
	}
	*flag = true;
	atomic_fetch_add(&buffer->users, 1);
}

static void load_due(struct net_queue *q, struct hvh_state_reader *r)
{
	uint32_t len;

	if (!hvh_state_get_u32(r))
		return;
	q->due.waits = true;
	q->due.transaction_id = hvh_state_get_u64(r);
	len = hvh_state_get_u32(r);
	if (r->err || len > sizeof(q->due.bytes)) {
		hvh_state_refuse(r);
		return;
	}
	q->due.len = len;
	hvh_state_get_bytes(r, q->due.bytes, len);
}

static void load_queue(struct net *net, struct net_queue *q, struct seen *seen,
		       struct hvh_state_reader *r)
{
	bool open = hvh_state_get_u32(r) != 0;
	uint32_t uses_recv = hvh_state_get_u32(r), uses_send = hvh_state_get_u32(r);

	q->channel = open && !r->err ? hvh_device_channel(&net->device, q->index) : NULL;
	if (open && (!q->channel || (q->index && q->index >= net->queues)))
		hvh_state_refuse(r);
	if ((uses_recv || uses_send) && !open)
		hvh_state_refuse(r);
	load_uses(&net->recv, uses_recv, &q->uses_recv, r);
	load_uses(&net->send, uses_send, &q->uses_send, r);
	atomic_store(&q->open, open);
	if (open)
		atomic_fetch_add(&net->queues_open, 1);
	if (q->channel && net->backend->opened)
		net->backend->opened(net->ctx, q->index, true);
	q->tx_done = hvh_state_get_u32(r);
	q->cut_done = hvh_state_get_u32(r);
	load_due(q, r);
	load_fifo(net, &q->free, q->index, false, seen, r);
	load_fifo(net, &q->filled, q->index, true, seen, r);
	load_outstanding(net, q->index, seen, r);
#define LOAD_COUNTER(name) atomic_store(&q->name, hvh_state_get_u64(r));
	COUNTERS(LOAD_COUNTER)
#undef LOAD_COUNTER
}

/* Answers are in one piece after the other, each with its length. */
static void load_answers(struct net *net, struct hvh_state_reader *r)
{
	uint32_t total = hvh_state_get_u32(r), at = 0, len;

	if (r->err || total > sizeof(net->answers)) {
		hvh_state_refuse(r);
		return;
	}
	hvh_state_get_bytes(r, net->answers, total);
	while (at < total && !r->err) {
		if (total - at < sizeof(len)) {
			hvh_state_refuse(r);
			return;
		}
		memcpy(&len, net->answers + at, sizeof(len));
		at += (uint32_t)sizeof(len);
		if (len > net->sub_bytes || len > total - at) {
			hvh_state_refuse(r);
			return;
		}
		at += len;
	}
	if (!r->err)
		net->answers_len = total;
}

static void load_rss(struct net *net, struct hvh_state_reader *r)
{
	uint32_t i;

	net->rss_types = hvh_state_get_u32(r);
	net->rss_entries = hvh_state_get_u32(r);
	if (r->err || net->rss_entries > sizeof(net->rss_table)) {
		net->rss_entries = 0;
		hvh_state_refuse(r);
		return;
	}
	hvh_state_get_bytes(r, net->rss_table, net->rss_entries);
	for (i = 0; i < net->rss_entries; i++)
		if (net->rss_table[i] >= net->queues)
			hvh_state_refuse(r);
	hvh_state_get_bytes(r, net->rss_key, sizeof(net->rss_key));
	hvw_toeplitz_init(&net->toeplitz, net->rss_key);
}

/* Sub-allocations as a guest with these buffers has them. */
static void load_sizes(struct net *net, struct seen *seen, struct hvh_state_reader *r)
{
	uint32_t count = hvh_state_get_u32(r);

	net->queues = hvh_state_get_u32(r);
	if (r->err || net->queues > net->config.queues_max ||
	    (net->recv.state == BUFFER_NONE) != !count || !count != !net->queues ||
	    (count && (count <= RX_CONTROL || count > SUB_NONE))) {
		hvh_state_refuse(r);
		return;
	}
	if (!count)
		return;
	net->sub_bytes = net->frame_max + RX_HEADROOM + RX_TAILROOM;
	net->sub_count = count;
	seen->count = count;
	seen->bits = calloc(count / 8 + 1, 1);
	if (!seen->bits || hvh_net_rx_allocate(net) ||
	    (net->recv.share && net->recv.share->bytes / net->sub_bytes < count))
		hvh_state_refuse(r);
}

static void load_control(struct net *net, struct seen *seen, struct hvh_state_reader *r)
{
	uint32_t count = hvh_state_get_u32(r);

	if (r->err || count > RX_CONTROL) {
		hvh_state_refuse(r);
		return;
	}
	for (; count && !r->err; count--) {
		uint32_t sub = hvh_state_get_u32(r);

		if (r->err || !seen->bits || !see(seen, sub, true)) {
			hvh_state_refuse(r);
			return;
		}
		net->control_free[net->control_free_count++] = (uint16_t)sub;
	}
}

static void load_all(struct net *net, struct seen *seen, struct hvh_state_reader *r)
{
	unsigned i;

	atomic_store(&net->mac, hvh_state_get_u64(r));
	net->version = hvh_state_get_u32(r);
	net->configured = hvh_state_get_u32(r) != 0;
	net->frame_max = hvh_state_get_u32(r);
	net->capabilities = hvh_state_get_u64(r);
	net->ndis_major = hvh_state_get_u32(r);
	net->ndis_minor = hvh_state_get_u32(r);
	if (net->frame_max < HVH_NET_FRAME_DEFAULT || net->frame_max > net->config.frame_max ||
	    (net->version && !hvw_nvsp_version_known(net->version)))
		hvh_state_refuse(r);
	if (!r->err)
		load_buffer(net, &net->recv, r);
	if (!r->err)
		load_buffer(net, &net->send, r);
	load_sizes(net, seen, r);
	atomic_store(&net->initialised, hvh_state_get_u32(r) != 0);
	atomic_store(&net->filter, hvh_state_get_u32(r));
	atomic_store(&net->link, hvh_state_get_u32(r) != 0);
	hvh_state_get_bytes(r, &net->offload, sizeof(net->offload));
	load_rss(net, r);
	net->table_sent = hvh_state_get_u32(r) != 0;
	net->notes = hvh_state_get_u32(r);
	load_answers(net, r);
	load_control(net, seen, r);
	for (i = 0; i < net->config.queues_max && !r->err; i++)
		load_queue(net, &net->queue[i], seen, r);
	/* None may be lost: the guest's buffer would shrink for good. */
	if (!r->err && seen->found != seen->count)
		hvh_state_refuse(r);
}

int hvh_net_load(struct hvh_device *device, struct hvh_state_reader *r)
{
	struct net *net = (struct net *)device;
	struct seen seen = { .bits = NULL };

	hvh_net_forget(net);
	hvh_state_enter(r, STATE_TAG, STATE_VERSION);
	load_all(net, &seen, r);
	hvh_state_leave(r);
	hvh_net_join_set(net);
	free(seen.bits);
	return r->err;
}
