/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Sending. A frame that fits is copied to a section of the send buffer, several one behind the other while the stack says
 * that more come; of a longer one the headers are copied and the rest goes by reference; without a section
 * all goes by reference.
 *
 * What was accepted and finds no room on the ring waits here: a batch, and one frame behind it. The queue is
 * stopped then. Packets on the ring stand in a table, and come out of it when the host completes them.
 */
#include "net_priv.h"

#define FREE_SIZE (2u * HVG_NET_SLOTS) /* so that one may come back before its send has returned */

/* With fewer free slots a stopped queue is not woken: it would stop again at once. */
#define WAKE_SLOTS (HVG_NET_SLOTS / 8u)

/* NVSP's message in front of a frame is as long as that of others, for whoever compares traces. */
#define MESSAGE_BYTES 40u

/* Type-specific header of a packet whose ranges touch all pages that may be, each in a range of its own. */
#define RANGES_BYTES                                                                               \
	(sizeof(struct hvp_gpa_direct) +                                                           \
	 (HVG_NET_PAGES_MAX + 1u) * (sizeof(struct hvp_gpa_range) + sizeof(uint64_t)))

_Static_assert(HVG_NET_SLOTS <= 1u << 15, "a slot's place has 16 bits, its free list's 16 too");
_Static_assert(HVG_NET_HEADER_BYTES >=
		       sizeof(struct hvp_rndis_packet) + 4 * (sizeof(struct hvp_rndis_info) + 4),
	       "room for a header with hash, VLAN, and LSO or checksum");

/* --- slots --------------------------------------------------------------------------------------------- */

static uint32_t free_slots(const struct hvg_net_queue *queue)
{
	return __atomic_load_n(&queue->free_tail, __ATOMIC_ACQUIRE) -
	       __atomic_load_n(&queue->free_head, __ATOMIC_RELAXED);
}

/* S. The place that comes next; it is taken by take_slot(). The caller knows that there is one. */
static unsigned next_slot(const struct hvg_net_queue *queue)
{
	return queue->free[queue->free_head % FREE_SIZE];
}

static uint32_t next_generation(struct hvg_net_queue *queue)
{
	if (!++queue->generation)
		queue->generation = 1;
	return queue->generation;
}

/* P or, when nobody polls, C. All that went with it comes back. */
static void free_slot(struct hvg_net_queue *queue, unsigned place)
{
	uint32_t tail = queue->free_tail;

	queue->free[tail % FREE_SIZE] = (uint16_t)place;
	__atomic_store_n(&queue->free_tail, tail + 1, __ATOMIC_RELEASE);
}

/* --- sections ------------------------------------------------------------------------------------------ */

/* Queues begin at different places, so that they seldom meet. */
static uint32_t take_section(struct hvg_net_queue *queue)
{
	struct hvg_net *net = queue->net;
	uint32_t words = net->section_words, i;

	for (i = 0; i < words; i++) {
		const uint32_t at = (queue->index + i) % words;
		uint32_t word = __atomic_load_n(&net->sections[at], __ATOMIC_RELAXED);

		while (~word) {
			const uint32_t bit = (uint32_t)__builtin_ctz(~word);

			if (at * 32 + bit >= net->info.send_sections)
				break;
			if (__atomic_compare_exchange_n(&net->sections[at], &word, word | 1u << bit,
							false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
				return at * 32 + bit;
		}
	}
	return HVP_NVSP_SECTION_NONE;
}

static void free_section(struct hvg_net *net, uint32_t section)
{
	if (section != HVP_NVSP_SECTION_NONE)
		__atomic_fetch_and(&net->sections[section / 32], ~(1u << section % 32),
				   __ATOMIC_RELEASE);
}

static uint8_t *section_bytes(const struct hvg_net *net, uint32_t section)
{
	return (uint8_t *)net->send.base + (size_t)section * net->info.send_section;
}

/* --- RNDIS --------------------------------------------------------------------------------------------- */

/* Returns the bytes that it takes. */
static uint32_t describe(const struct hvg_net_frame *frame, struct hvw_rndis_meta *meta)
{
	const uint32_t one = sizeof(struct hvp_rndis_info) + sizeof(uint32_t);
	const bool ipv6 = frame->flags & HVG_NET_IPV6;
	uint32_t bytes = 0;

	meta->has = 0;
	if (frame->flags & HVG_NET_HASH) {
		bytes += one;
		meta->has |= HVW_META_HASH;
		meta->hash = frame->hash;
	}
	if (frame->flags & HVG_NET_VLAN) {
		bytes += one;
		meta->has |= HVW_META_VLAN;
		meta->vlan = hvw_rndis_vlan(frame->vlan);
	}
	if (frame->flags & HVG_NET_LSO) {
		bytes += one;
		meta->has |= HVW_META_LSO;
		meta->lso = frame->mss | (uint32_t)frame->transport << HVP_LSO_OFFSET_SHIFT |
			    HVP_LSO_VERSION_2 | (ipv6 ? HVP_LSO_IPV6 : 0);
	} else if (frame->flags & (HVG_NET_TCP_CSUM | HVG_NET_UDP_CSUM)) {
		bytes += one;
		meta->has |= HVW_META_CHECKSUM;
		meta->checksum = (ipv6 ? HVP_TX_CHECKSUM_IPV6 : HVP_TX_CHECKSUM_IPV4) |
				 (frame->flags & HVG_NET_TCP_CSUM ? HVP_TX_CHECKSUM_TCP :
								    HVP_TX_CHECKSUM_UDP) |
				 (uint32_t)frame->transport << HVP_TX_CHECKSUM_OFFSET_SHIFT;
	}
	return bytes;
}

/* Header and infos of a frame to `dst`, which has room for HVG_NET_HEADER_BYTES; returns their length. */
static uint32_t put_header(const struct hvg_net_frame *frame, uint8_t *dst, uint32_t align)
{
	uint8_t bytes[HVW_RNDIS_HEAD_MAX];
	struct hvw_rndis_meta meta;
	uint32_t whole, padding;
	int len;

	whole = (uint32_t)sizeof(struct hvp_rndis_packet) + describe(frame, &meta) + frame->len;
	padding = -whole & (align - 1);
	len = hvw_rndis_packet_build(bytes, &meta, 0, frame->len, padding);
	hvw_memcpy(dst, bytes, (size_t)len);
	return (uint32_t)len;
}

/* What a frame takes of a section at most, whatever infos go with it. */
static uint32_t room_for(const struct hvg_net *net, const struct hvg_net_frame *frame)
{
	return frame->len + HVG_NET_HEADER_BYTES + net->batch_align;
}

/* --- onto the ring --------------------------------------------------------------------------------------- */

/*
 * The slot is complete before the packet goes: the host may answer at once, or, if it is evil, before. Behind the send
 * nothing of it is touched any more.
 */
static int send_packet(struct hvg_net_queue *queue, const struct hvg_net_slot *what, uint32_t used,
		       const void *ranges, uint32_t ranges_len)
{
	const struct hvp_nvsp_rndis_packet rndis = {
		.h.type = HVP_NVSP_SEND_RNDIS_PACKET,
		.channel_type = HVP_NVSP_CHANNEL_DATA,
		.section_index = what->section,
		.section_size = used,
	};
	const unsigned place = next_slot(queue);
	struct hvg_net_slot *slot = &queue->slots[place];
	uint32_t generation = next_generation(queue);
	const uint64_t id = hvg_net_id(HVG_NET_ID_SEND, generation, place);
	uint8_t msg[MESSAGE_BYTES] = { 0 };
	int err;

	hvw_memcpy(msg, &rndis, sizeof(rndis));
	slot->section = what->section;
	slot->bytes = what->bytes;
	slot->frames = what->frames;
	slot->cookie = what->cookie;
	__atomic_store_n(&slot->generation, generation, __ATOMIC_RELEASE);
	if (ranges)
		err = hvg_chan_send_gpas(queue->chan, HVP_PACKET_FLAG_COMPLETION, id, ranges,
					 ranges_len, msg, sizeof(msg));
	else
		err = hvg_chan_send(queue->chan, HVP_PACKET_FLAG_COMPLETION, id, msg, sizeof(msg));
	if (!err) {
		__atomic_store_n(&queue->free_head, queue->free_head + 1, __ATOMIC_RELAXED);
		hvg_net_count(&queue->tx.tx_packets, 1);
		return 0;
	}
	/* A host that completes what it was not sent has its will: the frame is gone. */
	if (!__atomic_compare_exchange_n(&slot->generation, &generation, 0, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_RELAXED)) {
		__atomic_store_n(&queue->free_head, queue->free_head + 1, __ATOMIC_RELAXED);
		return 0;
	}
	return err;
}

/* The batch. -EAGAIN: it stays. After other errors it waits in its slot for the end of the queue. */
static int send_batch(struct hvg_net_queue *queue)
{
	struct hvg_net_batch *batch = &queue->batch;
	const struct hvg_net_slot what = {
		.section = batch->section,
		.bytes = batch->bytes,
		.frames = batch->frames,
		.cookie = batch->cookie,
	};
	int err = send_packet(queue, &what, batch->used, NULL, 0);

	if (err == -EAGAIN)
		return err;
	if (err) {
		struct hvg_net_slot *slot = &queue->slots[next_slot(queue)];

		__atomic_store_n(&slot->generation, queue->generation, __ATOMIC_RELEASE);
		__atomic_store_n(&queue->free_head, queue->free_head + 1, __ATOMIC_RELAXED);
	}
	batch->frames = 0;
	return 0;
}

/* --- by reference ------------------------------------------------------------------------------------------- */

static int name_range(struct hvw_gpa_writer *writer, const struct hvg_net_piece *piece,
		      unsigned *pages_left)
{
	const uint32_t offset = (uint32_t)piece->gpa % HVP_PAGE_SIZE;
	const uint32_t pages =
		(uint32_t)(((uint64_t)offset + piece->len + HVP_PAGE_SIZE - 1) >> HVP_PAGE_SHIFT);
	uint64_t numbers[HVG_NET_PAGES_MAX];
	uint32_t i;

	if (pages > *pages_left)
		return -EMSGSIZE;
	*pages_left -= pages;
	for (i = 0; i < pages; i++)
		numbers[i] = (piece->gpa >> HVP_PAGE_SHIFT) + i;
	return hvw_gpa_writer_add(writer, numbers, offset, piece->len);
}

/* Ranges for the frame from `offset` on, behind `first` if there is one. Returns the header's length or -EMSGSIZE. */
static int build_ranges(const struct hvg_net_frame *frame, uint32_t offset,
			const struct hvg_net_piece *first, void *bytes)
{
	struct hvg_net_piece pieces[HVG_NET_PAGES_MAX];
	unsigned pages_left = HVG_NET_PAGES_MAX, count, i, one = 1;
	struct hvw_gpa_writer writer;
	int err = hvw_gpa_writer_init(&writer, bytes, RANGES_BYTES);

	if (!err && first)
		err = name_range(&writer, first, &one);
	count = hvg_net_port_pieces(frame, offset, pieces, HVG_NET_PAGES_MAX);
	if (!count)
		err = -EMSGSIZE;
	for (i = 0; !err && i < count; i++)
		err = name_range(&writer, &pieces[i], &pages_left);
	return err ? err : (int)hvw_gpa_writer_finish(&writer);
}

/* The headers in a section, the rest by reference. */
static int send_mixed(struct hvg_net_queue *queue, const struct hvg_net_frame *frame,
		      uint32_t section)
{
	uint8_t *dst = section_bytes(queue->net, section), ranges[RANGES_BYTES];
	const uint32_t head =
		frame->head <= HVG_NET_HEAD_MAX && frame->head < frame->len ? frame->head : 0;
	const struct hvg_net_slot what = {
		.section = section,
		.bytes = frame->len,
		.frames = 1,
		.cookie = frame->cookie,
	};
	int header = build_ranges(frame, head, NULL, ranges), err;
	uint32_t used;

	if (header < 0)
		return header;
	used = put_header(frame, dst, 1);
	if (head)
		hvg_net_port_copy(frame, 0, dst + used, head);
	err = send_packet(queue, &what, used + head, ranges, (uint32_t)header);
	if (!err)
		hvg_net_count(&queue->tx.tx_mixed, 1);
	return err;
}

static int send_direct(struct hvg_net_queue *queue, const struct hvg_net_frame *frame)
{
	const uint32_t at = next_slot(queue) * HVG_NET_HEADER_BYTES;
	struct hvg_net_piece first = {
		.gpa = (hvos_shared_gpn(&queue->headers, at / HVP_PAGE_SIZE) << HVP_PAGE_SHIFT) +
		       at % HVP_PAGE_SIZE,
	};
	const struct hvg_net_slot what = {
		.section = HVP_NVSP_SECTION_NONE,
		.bytes = frame->len,
		.frames = 1,
		.cookie = frame->cookie,
	};
	uint8_t ranges[RANGES_BYTES];
	int header, err;

	first.len = put_header(frame, (uint8_t *)queue->headers.base + at, 1);
	header = build_ranges(frame, 0, &first, ranges);
	if (header < 0)
		return header;
	err = send_packet(queue, &what, 0, ranges, (uint32_t)header);
	if (!err)
		hvg_net_count(&queue->tx.tx_direct, 1);
	return err;
}

static int send_reference(struct hvg_net_queue *queue, const struct hvg_net_frame *frame)
{
	const uint32_t room = HVG_NET_HEADER_BYTES + HVG_NET_HEAD_MAX;
	uint32_t section = HVP_NVSP_SECTION_NONE;
	int err;

	if (queue->net->info.send_section >= room)
		section = take_section(queue);
	if (section == HVP_NVSP_SECTION_NONE)
		return send_direct(queue, frame);
	err = send_mixed(queue, frame, section);
	if (err)
		free_section(queue->net, section);
	return err;
}

/* --- into a batch ------------------------------------------------------------------------------------------- */

/* It can be copied at all. The test is strict, as hosts want it. */
static bool fits_section(const struct hvg_net *net, const struct hvg_net_frame *frame)
{
	return room_for(net, frame) < net->info.send_section;
}

static bool fits_batch(const struct hvg_net *net, const struct hvg_net_batch *batch, uint32_t more)
{
	return batch->frames < net->batch_frames && more < net->info.send_section - batch->used &&
	       batch->used + more <= net->batch_bytes;
}

/* The caller knows that it fits. */
static void add_to_batch(struct hvg_net_queue *queue, const struct hvg_net_frame *frame)
{
	struct hvg_net *net = queue->net;
	struct hvg_net_batch *batch = &queue->batch;
	uint8_t *dst = section_bytes(net, batch->section) + batch->used;
	const uint32_t head = put_header(frame, dst, net->batch_align);

	hvg_net_port_copy(frame, 0, dst + head, frame->len);
	if (batch->frames) {
		hvg_net_port_done(&queue->port, batch->cookie);
		hvg_net_count(&queue->tx.tx_batched, 1);
	}
	batch->used += (head + frame->len + net->batch_align - 1) & -net->batch_align;
	batch->bytes += frame->len;
	batch->frames++;
	batch->cookie = frame->cookie;
	hvg_net_count(&queue->tx.tx_copied, 1);
}

/* False: there is no section free. */
static bool begin_batch(struct hvg_net_queue *queue)
{
	const uint32_t section = take_section(queue);

	if (section == HVP_NVSP_SECTION_NONE) {
		hvg_net_count(&queue->tx.tx_no_section, 1);
		return false;
	}
	queue->batch.section = section;
	queue->batch.used = 0;
	queue->batch.bytes = 0;
	return true;
}

/* --- what the port calls ------------------------------------------------------------------------------------- */

/* Enough slots, and a sign that the host has read the ring. */
static bool may_wake(const struct hvg_net_queue *queue)
{
	return __atomic_load_n(&queue->room, __ATOMIC_SEQ_CST) && free_slots(queue) >= WAKE_SLOTS;
}

/*
 * S. Nothing more for now. The poller wakes it; when what it waits for came before it was stopped, it has to be told.
 * When nothing is outstanding no completion will come, and not every host signals room.
 */
static void stop(struct hvg_net_queue *queue)
{
	hvg_net_count(&queue->tx.stops, 1);
	hvg_net_port_stop(&queue->port);
	__atomic_store_n(&queue->stopped, 1, __ATOMIC_SEQ_CST);
	if (may_wake(queue))
		hvg_net_port_schedule(&queue->port);
	else if (free_slots(queue) >= HVG_NET_SLOTS)
		hvg_net_todo(queue->net, HVG_NET_TODO_NUDGE, HVG_NET_NUDGE_MS);
}

/* What waits. False: there is no room. What an ended channel does not take comes back when it is closed. */
static bool push(struct hvg_net_queue *queue)
{
	int err = queue->batch.frames ? send_batch(queue) : 0;

	if (!err && queue->keeps) {
		err = send_reference(queue, &queue->kept);
		queue->keeps = err != 0;
	}
	return err != -EAGAIN;
}

/*
 * The ring is full. A signal of before tells nothing, so it is tried once more: the one that follows is seen in `room`.
 */
static void wait_for_room(struct hvg_net_queue *queue)
{
	hvg_net_count(&queue->tx.tx_busy, 1);
	__atomic_store_n(&queue->room, 0, __ATOMIC_SEQ_CST);
	if (!push(queue))
		stop(queue);
}

static void stop_when_short(struct hvg_net_queue *queue)
{
	if (free_slots(queue) >= HVG_NET_SLOTS_SPARE)
		return;
	/* No signal is needed: completions come anyway. */
	__atomic_store_n(&queue->room, 1, __ATOMIC_RELAXED);
	stop(queue);
}

bool hvg_net_sendable(const struct hvg_net_queue *queue)
{
	return !__atomic_load_n(&queue->stopped, __ATOMIC_RELAXED);
}

void hvg_net_flush(struct hvg_net_queue *queue)
{
	if ((!queue->batch.frames && !queue->keeps) || !hvg_net_sendable(queue))
		return;
	if (!push(queue))
		wait_for_room(queue);
	else
		stop_when_short(queue);
}

/* By reference, behind what waits. */
static int send_long(struct hvg_net_queue *queue, const struct hvg_net_frame *frame)
{
	uint8_t ranges[RANGES_BYTES];
	int err = queue->batch.frames ? send_batch(queue) : 0;

	if (!err)
		err = send_reference(queue, frame);
	else if (build_ranges(frame, 0, NULL, ranges) < 0)
		err = -EMSGSIZE;
	if (err != -EAGAIN)
		return err;
	queue->kept = *frame;
	queue->keeps = true;
	wait_for_room(queue);
	return 0;
}

int hvg_net_send(struct hvg_net_queue *queue, const struct hvg_net_frame *frame, bool more)
{
	struct hvg_net *net = queue->net;
	struct hvg_net_batch *batch = &queue->batch;
	const uint32_t room = room_for(net, frame);
	int err;

	if (!hvg_net_sendable(queue))
		return -EAGAIN;
	/* Left by a channel that has ended. */
	if (queue->keeps)
		return -ENODEV;
	if (!fits_section(net, frame) ||
	    (batch->frames && !fits_batch(net, batch, room) && send_batch(queue)) ||
	    (!batch->frames && !begin_batch(queue))) {
		err = send_long(queue, frame);
	} else {
		add_to_batch(queue, frame);
		if (more && fits_batch(net, batch, room))
			return 0;
		err = send_batch(queue);
		if (err) {
			wait_for_room(queue);
			err = 0;
		}
	}
	stop_when_short(queue);
	return err;
}

/* --- completions ------------------------------------------------------------------------------------------- */

static bool was_sent(struct hvg_net_queue *queue, const struct hvw_rx_packet *packet)
{
	uint8_t bytes[16]; /* more than the message, or compilers warn of the copy's other cases */
	struct hvp_nvsp_rndis_complete msg;

	if (packet->payload_len < sizeof(msg) ||
	    hvg_chan_copy(queue->chan, packet, packet->header_len, bytes, sizeof(msg)))
		return false;
	hvw_memcpy(&msg, bytes, sizeof(msg));
	return msg.status == HVP_NVSP_STATUS_SUCCESS;
}

void hvg_net_tx_completion(struct hvg_net_queue *queue, const struct hvw_rx_packet *packet,
			   struct hvg_net_sent *sent)
{
	const uint64_t id = packet->h.transaction_id;
	const unsigned place = (uint16_t)id;
	uint32_t generation = (uint32_t)(id >> 16);
	struct hvg_net_slot *slot;

	sent->any = true;
	if (place >= HVG_NET_SLOTS || !generation ||
	    !__atomic_compare_exchange_n(&queue->slots[place].generation, &generation, 0, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
		hvg_net_count(&queue->poll.completions_unknown, 1);
		return;
	}
	slot = &queue->slots[place];
	if (!was_sent(queue, packet))
		hvg_net_count(&queue->poll.tx_failed, slot->frames);
	sent->frames += slot->frames;
	sent->bytes += slot->bytes;
	free_section(queue->net, slot->section);
	hvg_net_port_done(&queue->port, slot->cookie);
	free_slot(queue, place);
}

void hvg_net_tx_poll_end(struct hvg_net_queue *queue, const struct hvg_net_sent *sent)
{
	if (sent->frames)
		hvg_net_port_completed(&queue->port, sent->frames, sent->bytes);
	if (!__atomic_load_n(&queue->stopped, __ATOMIC_SEQ_CST))
		return;
	/* Completions are a sign, too, that the host has read. */
	if (sent->any)
		__atomic_store_n(&queue->room, 1, __ATOMIC_SEQ_CST);
	if (may_wake(queue)) {
		__atomic_store_n(&queue->stopped, 0, __ATOMIC_SEQ_CST);
		hvg_net_count(&queue->poll.wakes, 1);
		hvg_net_port_wake(&queue->port);
	}
}

/* --- life --------------------------------------------------------------------------------------------------- */

bool hvg_net_tx_idle(const struct hvg_net_queue *queue)
{
	return !__atomic_load_n(&queue->open, __ATOMIC_ACQUIRE) ||
	       free_slots(queue) >= HVG_NET_SLOTS;
}

int hvg_net_tx_init(struct hvg_net_queue *queue)
{
	const uint32_t pages = HVG_NET_SLOTS * HVG_NET_HEADER_BYTES / HVP_PAGE_SIZE;
	unsigned i;

	queue->slots = hvos_alloc(HVG_NET_SLOTS * sizeof(*queue->slots));
	queue->free = hvos_alloc(FREE_SIZE * sizeof(*queue->free));
	if (!queue->slots || !queue->free)
		return -ENOMEM;
	for (i = 0; i < HVG_NET_SLOTS; i++)
		queue->free[i] = (uint16_t)i;
	queue->free_head = 0;
	__atomic_store_n(&queue->free_tail, HVG_NET_SLOTS, __ATOMIC_RELAXED);
	queue->batch.frames = 0;
	queue->keeps = false;
	queue->stopped = queue->room = 0;
	return hvos_shared_alloc(&queue->headers, pages);
}

static void give_back(struct hvg_net_queue *queue)
{
	struct hvg_net_sent sent = { 0 };
	unsigned i;

	if (queue->batch.frames) {
		sent.frames += queue->batch.frames;
		sent.bytes += queue->batch.bytes;
		hvg_net_port_done(&queue->port, queue->batch.cookie);
	}
	if (queue->keeps) {
		sent.frames++;
		sent.bytes += queue->kept.len;
		hvg_net_port_done(&queue->port, queue->kept.cookie);
	}
	for (i = 0; i < HVG_NET_SLOTS; i++) {
		if (!queue->slots[i].generation)
			continue;
		sent.frames += queue->slots[i].frames;
		sent.bytes += queue->slots[i].bytes;
		hvg_net_port_done(&queue->port, queue->slots[i].cookie);
	}
	if (sent.frames)
		hvg_net_port_completed(&queue->port, sent.frames, sent.bytes);
}

/* The host does not read any more what lies in our memory, for its ring is gone. */
void hvg_net_tx_fini(struct hvg_net_queue *queue)
{
	if (queue->headers.base) {
		give_back(queue);
		(void)!hvos_shared_free(&queue->headers);
	}
	queue->headers.base = NULL;
	hvos_free(queue->slots);
	hvos_free(queue->free);
	queue->slots = NULL;
	queue->free = NULL;
}
