/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Commands: out on a queue's channel, and what comes back.
 */
#include "stor_priv.h"

/* As Linux has them; hosts do not look. */
#define SRB_QUEUE_TAG	 0xffu
#define SRB_SIMPLE	 0x20u
#define SRB_FLAGS_ALWAYS 0x10au
#define SRB_FLAG_IN	 0x40u
#define SRB_FLAG_OUT	 0x80u

/* --- slots ---------------------------------------------------------------------------------------------- */

/* 0: there is none. */
static uint64_t take_slot(struct hvg_stor_queue *queue, struct hvg_stor_request *request)
{
	struct hvg_stor_slot *slot;
	uint64_t id = 0;
	uint16_t index;

	hvos_lock(&queue->lock);
	index = queue->free;
	if (index != HVG_STOR_NO_SLOT) {
		slot = &queue->slots[index];
		queue->free = slot->next;
		slot->request = request;
		slot->uses++;
		id = ((uint64_t)slot->uses << HVG_STOR_ID_SHIFT | index) + 1;
		queue->under_way++;
	}
	hvos_unlock(&queue->lock);
	return id;
}

/* Whose id that is, which is over now; NULL: nobody's. */
static struct hvg_stor_request *free_slot(struct hvg_stor_queue *queue, uint64_t id)
{
	const uint64_t index = (id - 1) & HVG_STOR_ID_SLOT, uses = (id - 1) >> HVG_STOR_ID_SHIFT;
	struct hvg_stor_request *request = NULL;
	struct hvg_stor_slot *slot;

	if (index >= queue->stor->config.depth)
		return NULL;
	hvos_lock(&queue->lock);
	slot = &queue->slots[index];
	if (slot->request && slot->uses == uses) {
		request = slot->request;
		slot->request = NULL;
		slot->next = queue->free;
		queue->free = (uint16_t)index;
		queue->under_way--;
	}
	hvos_unlock(&queue->lock);
	return request;
}

/* --- out ------------------------------------------------------------------------------------------------ */

static void build(const struct hvg_stor *stor, const struct hvg_stor_request *request,
		  struct hvw_storvsp *msg)
{
	struct hvp_storvsp_srb *srb = &msg->u.srb;
	const uint32_t bytes = hvw_storvsp_bytes(stor->info.version);

	hvw_storvsp_init(msg, HVP_STORVSP_EXECUTE_SRB);
	srb->h.flags = 1;
	srb->length = (uint16_t)(bytes - sizeof(srb->h));
	srb->path = request->path;
	srb->target = request->target;
	srb->lun = request->lun;
	srb->cdb_length = request->cdb_length;
	srb->sense_length = bytes < HVP_STORVSP_BYTES ? HVP_SENSE_OLD : HVP_SENSE_ROOM;
	srb->data_in = request->bytes ? request->data_in : HVP_STORVSP_NO_DATA;
	srb->transfer_length = request->bytes;
	hvw_memcpy(srb->cdb, request->cdb, request->cdb_length);
	srb->queue_tag = SRB_QUEUE_TAG;
	srb->queue_action = SRB_SIMPLE;
	srb->flags = SRB_FLAGS_ALWAYS;
	if (request->bytes)
		srb->flags |= request->data_in == HVP_STORVSP_READ ? SRB_FLAG_IN : SRB_FLAG_OUT;
	srb->timeout_seconds = stor->config.timeout_seconds;
	msg->len = bytes;
}

static int send(struct hvg_stor_queue *queue, uint64_t id, const struct hvg_stor_request *request,
		const struct hvw_storvsp *msg)
{
	const struct hvw_piece pieces[] = { { request->ranges, request->ranges_len },
					    { msg->u.bytes, msg->len } };
	const unsigned skipped = request->bytes ? 0 : 1;
	const uint16_t type = skipped ? HVP_PACKET_INBAND : HVP_PACKET_GPA_DIRECT;
	const uint32_t header = skipped ? 0 : request->ranges_len;

	int err;

	if (!request->more)
		return hvg_chan_send_pieces(queue->chan, type, HVP_PACKET_FLAG_COMPLETION, id,
					    header, pieces + skipped, 2 - skipped);
	err = hvg_chan_send_quietly(queue->chan, type, HVP_PACKET_FLAG_COMPLETION, id, header,
				    pieces + skipped, 2 - skipped);
	/* Behind it: who commits for others may be quicker, and who sends this one has yet to. */
	__atomic_store_n(&queue->quiet, 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&queue->stor->quiet, 1, __ATOMIC_SEQ_CST);
	return err;
}

/* With room wanted: once more, for some may have come just before that was said. */
static int try_twice(struct hvg_stor_queue *queue, struct hvg_stor_request *request)
{
	struct hvw_storvsp msg;
	unsigned tries;
	int err = -EAGAIN;
	uint64_t id;

	build(queue->stor, request, &msg);
	for (tries = 0; tries < 2 && err == -EAGAIN; tries++) {
		if (tries)
			__atomic_store_n(&queue->wants_room, 1, __ATOMIC_SEQ_CST);
		id = take_slot(queue, request);
		if (!id)
			continue;
		err = send(queue, id, request, &msg);
		if (err)
			(void)free_slot(queue, id);
	}
	return err;
}

/* For put_queue(); false: it has no channel. */
static bool get_queue_alone(struct hvg_stor_queue *queue)
{
	__atomic_fetch_add(&queue->users, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&queue->open, __ATOMIC_SEQ_CST))
		return true;
	__atomic_fetch_sub(&queue->users, 1, __ATOMIC_RELEASE);
	return false;
}

static void put_queue(struct hvg_stor_queue *queue)
{
	__atomic_fetch_sub(&queue->users, 1, __ATOMIC_RELEASE);
}

/* The queue, or the first where it has no channel, for put_queue(); NULL: neither has. */
static struct hvg_stor_queue *get_queue(struct hvg_stor *stor, unsigned index)
{
	struct hvg_stor_queue *queue = &stor->queues[index < HVG_STOR_QUEUES_MAX ? index : 0];

	if (get_queue_alone(queue))
		return queue;
	return queue->index && get_queue_alone(&stor->queues[0]) ? &stor->queues[0] : NULL;
}

static bool is_crowded(const struct hvg_stor_queue *queue)
{
	return hvw_tx_guess_room(&queue->chan->tx) < queue->spare;
}

/* Instead of this one the next that has room, if any: one of both to put_queue(), the other has been. */
static struct hvg_stor_queue *get_other(struct hvg_stor_queue *crowded)
{
	struct hvg_stor *stor = crowded->stor;
	struct hvg_stor_queue *queue;
	unsigned i;

	for (i = 1; i < stor->config.queues; i++) {
		queue = &stor->queues[(crowded->index + i) % stor->config.queues];
		if (!get_queue_alone(queue))
			continue;
		if (!is_crowded(queue)) {
			put_queue(crowded);
			hvg_stor_count(&queue->counters.helped);
			return queue;
		}
		put_queue(queue);
	}
	return crowded;
}

static int submit(struct hvg_stor_queue *queue, struct hvg_stor_request *request)
{
	const struct hvg_stor *stor = queue->stor;
	int err;

	if (!__atomic_load_n(&stor->ready, __ATOMIC_ACQUIRE))
		return -ENODEV;
	if (request->cdb_length > HVP_CDB_BYTES || request->bytes > stor->info.transfer_max ||
	    (request->bytes && (!request->ranges || request->data_in > HVP_STORVSP_READ)))
		return -EINVAL;
	err = try_twice(queue, request);
	if (!err)
		hvg_stor_count(&queue->counters.submitted);
	else if (err == -EAGAIN)
		hvg_stor_count(&queue->counters.full);
	return err == -EPROTO ? -ENODEV : err;
}

int hvg_stor_submit(struct hvg_stor *stor, unsigned queue, struct hvg_stor_request *request)
{
	struct hvg_stor_queue *q = get_queue(stor, queue);
	const bool more = request->more;
	int err;

	if (!q)
		return -ENODEV;
	if (is_crowded(q))
		q = get_other(q);
	err = submit(q, request);
	put_queue(q);
	/* Those before it may be in other queues: the caller has moved to another processor, or one was crowded. */
	if (!more && __atomic_load_n(&stor->quiet, __ATOMIC_SEQ_CST))
		hvg_stor_commit(stor);
	return err;
}

void hvg_stor_commit(struct hvg_stor *stor)
{
	struct hvg_stor_queue *queue;
	unsigned i;

	__atomic_store_n(&stor->quiet, 0, __ATOMIC_SEQ_CST);
	for (i = 0; i < stor->config.queues; i++) {
		queue = &stor->queues[i];
		if (!__atomic_load_n(&queue->quiet, __ATOMIC_RELAXED) || !get_queue_alone(queue))
			continue;
		__atomic_store_n(&queue->quiet, 0, __ATOMIC_SEQ_CST);
		hvg_chan_kick(queue->chan);
		put_queue(queue);
	}
}

/* --- back ----------------------------------------------------------------------------------------------- */

static void take_answer(struct hvg_stor_request *request, const struct hvp_storvsp_srb *srb)
{
	request->err = 0;
	request->srb_status = srb->srb_status;
	request->scsi_status = srb->scsi_status;
	request->transferred = srb->transfer_length < request->bytes ? srb->transfer_length :
								       request->bytes;
	request->sense_length = 0;
	if (!(srb->srb_status & HVP_SRB_SENSE_VALID))
		return;
	request->sense_length = srb->sense_length < HVP_SENSE_ROOM ? srb->sense_length :
								     HVP_SENSE_ROOM;
	hvw_memcpy(request->sense, srb->sense, request->sense_length);
}

static void end_command(struct hvg_stor_queue *queue, uint64_t id, const uint8_t *bytes,
			uint32_t len)
{
	struct hvg_stor *stor = queue->stor;
	struct hvg_stor_request *request = free_slot(queue, id);
	struct hvw_storvsp msg;

	if (!request) {
		hvg_stor_count(&queue->counters.strays);
		return;
	}
	hvg_stor_count(&queue->counters.completed);
	if (hvw_storvsp_parse(&msg, bytes, len, HVP_STORVSP_TO_GUEST, stor->info.version) ||
	    msg.u.h.operation != HVP_STORVSP_COMPLETE_IO || len < HVP_STORVSP_BYTES_OLD) {
		hvg_stor_count(&queue->counters.bad);
		request->err = -EIO;
	} else {
		take_answer(request, &msg.u.srb);
	}
	stor->ops->done(stor->ctx, request);
}

/* What the host says unasked. */
static void heard(struct hvg_stor_queue *queue, const uint8_t *bytes, uint32_t len)
{
	struct hvg_stor *stor = queue->stor;
	struct hvw_storvsp msg;
	const int err =
		hvw_storvsp_parse(&msg, bytes, len, HVP_STORVSP_TO_GUEST, stor->info.version);

	if (!err && !queue->index &&
	    (msg.u.h.operation == HVP_STORVSP_ENUMERATE_BUS ||
	     msg.u.h.operation == HVP_STORVSP_REMOVE_DEVICE)) {
		if (__atomic_load_n(&stor->ready, __ATOMIC_ACQUIRE))
			stor->ops->rescan(stor->ctx);
		return;
	}
	hvg_stor_count(&queue->counters.bad);
}

static void take_packet(struct hvg_stor_queue *queue, const struct hvw_rx_packet *packet)
{
	uint8_t bytes[HVP_STORVSP_BYTES];
	uint32_t len = packet->payload_len < sizeof(bytes) ? packet->payload_len : sizeof(bytes);

	if (hvg_chan_copy(queue->chan, packet, packet->header_len, bytes, len)) {
		hvg_stor_count(&queue->counters.bad);
	} else if (packet->h.type == HVP_PACKET_INBAND) {
		heard(queue, bytes, len);
	} else if (packet->h.type != HVP_PACKET_COMPLETION) {
		hvg_stor_count(&queue->counters.bad);
	} else if (!(packet->h.transaction_id & HVG_STOR_ID_QUESTION)) {
		end_command(queue, packet->h.transaction_id, bytes, len);
	} else if (queue->index ||
		   !hvg_stor_answer(queue->stor, packet->h.transaction_id, bytes, len)) {
		hvg_stor_count(&queue->counters.strays);
	}
}

/*
 * All of what has come, in the interrupt: a thread that waits for an answer cannot wait for a work, and what is done with a
 * command that is over is the port's to put off.
 */
static void signalled(void *ctx)
{
	struct hvg_stor_queue *queue = ctx;
	const struct hvg_stor *stor = queue->stor;
	struct hvw_rx_packet packet;
	unsigned batch = 0;

	do {
		hvg_chan_mask(queue->chan);
		while (!hvg_chan_next(queue->chan, &packet)) {
			take_packet(queue, &packet);
			if (++batch % HVG_STOR_BATCH == 0)
				hvg_chan_release(queue->chan);
		}
		hvg_chan_release(queue->chan);
	} while (hvg_chan_unmask(queue->chan));
	if (__atomic_exchange_n(&queue->wants_room, 0, __ATOMIC_SEQ_CST))
		stor->ops->room(stor->ctx, queue->index);
}

/* --- queues --------------------------------------------------------------------------------------------- */

/* A processor for each, as far as they go. */
static unsigned choose_cpu(unsigned index)
{
	unsigned cpu = index % hvos_cpu_count(), tries;

	for (tries = hvos_cpu_count(); tries && !hvos_cpu_online(cpu); tries--)
		cpu = (cpu + 1) % hvos_cpu_count();
	return cpu;
}

static void make_slots(struct hvg_stor_queue *queue)
{
	const unsigned depth = queue->stor->config.depth;
	unsigned i;

	for (i = 0; i < depth; i++)
		queue->slots[i].next = (uint16_t)(i + 1 < depth ? i + 1 : HVG_STOR_NO_SLOT);
	queue->free = 0;
	queue->under_way = 0;
	queue->wants_room = 0;
	queue->quiet = 0;
}

int hvg_stor_queue_start(struct hvg_stor_queue *queue, struct hvg_chan *chan)
{
	const struct hvg_chan_config config = {
		.send_pages = queue->stor->config.ring_pages,
		.receive_pages = queue->stor->config.ring_pages,
		.cpu = choose_cpu(queue->index),
		.signalled = signalled,
		.ctx = queue,
	};
	int err;

	queue->slots = hvos_alloc(queue->stor->config.depth * sizeof(*queue->slots));
	if (!queue->slots)
		return -ENOMEM;
	make_slots(queue);
	queue->chan = chan;
	hvos_lock_init(&queue->lock, "hvg stor queue");
	err = hvg_chan_open(chan, &config);
	if (err) {
		hvos_lock_fini(&queue->lock);
		hvos_free(queue->slots);
		queue->slots = NULL;
		queue->chan = NULL;
		return err;
	}
	queue->spare = chan->tx.size / 100 * queue->stor->config.spare_percent;
	__atomic_store_n(&queue->open, 1, __ATOMIC_RELEASE);
	return 0;
}

/* Only when the channel is closed does the host have nothing to do with their memory any more. */
static void end_all(struct hvg_stor_queue *queue)
{
	const struct hvg_stor *stor = queue->stor;
	unsigned i;

	for (i = 0; i < stor->config.depth; i++) {
		struct hvg_stor_request *request = queue->slots[i].request;

		if (!request)
			continue;
		queue->slots[i].request = NULL;
		request->err = -ENODEV;
		stor->ops->done(stor->ctx, request);
	}
}

void hvg_stor_queue_close(struct hvg_stor_queue *queue)
{
	if (!__atomic_exchange_n(&queue->open, 0, __ATOMIC_SEQ_CST))
		return;
	while (__atomic_load_n(&queue->users, __ATOMIC_ACQUIRE))
		hvos_sleep_ms(1);
	hvg_chan_close(queue->chan);
}

void hvg_stor_queue_end(struct hvg_stor_queue *queue)
{
	if (!queue->chan)
		return;
	end_all(queue);
	hvos_lock_fini(&queue->lock);
	hvos_free(queue->slots);
	queue->slots = NULL;
	queue->chan = NULL;
}
