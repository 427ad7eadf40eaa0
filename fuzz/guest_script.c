/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "fuzz/guest_script.h"

#define HEADER_PAGES 26u /* page numbers in a GPADL_HEADER with one range */
#define BODY_PAGES   28u

static const struct hvp_ic_version framework[] = { { 3, 0 }, { 1, 0 } };

void guest_init(struct guest *g, struct embedder *e)
{
	static const struct hvp_ic_version versions[] = { { 3, 2 }, { 3, 1 }, { 3, 0 }, { 1, 0 } };

	memset(g, 0, sizeof(*g));
	g->e = e;
	g->connection = HVP_CONNECTION_MESSAGE_1;
	g->next_gpadl = 0xe1e10;
	g->next_gpn = 16;
	memcpy(g->versions, versions, sizeof(versions));
	g->version_count = 4;
}

static void unmap(struct guest_channel *ch)
{
	if (ch->ring)
		munmap(ch->ring, ch->pages * HVP_PAGE_SIZE);
	ch->ring = NULL;
}

void guest_fini(struct guest *g)
{
	unsigned i;

	for (i = 0; i < EMBEDDER_CHANNELS_MAX; i++)
		unmap(&g->channels[i]);
}

/* --- messages ---------------------------------------------------------------------------------- */

uint16_t guest_post(struct guest *g, const void *message, size_t len)
{
	return embedder_post(g->e, g->connection, message, len);
}

uint16_t guest_post_header(struct guest *g, uint32_t type)
{
	struct hvp_msg_header msg = { .type = type };

	return guest_post(g, &msg, sizeof(msg));
}

uint16_t guest_post_channel(struct guest *g, uint32_t type, uint32_t channel_id)
{
	struct hvp_msg_channel_ref msg = { .h.type = type, .channel_id = channel_id };

	return guest_post(g, &msg, sizeof(msg));
}

static bool note_offer(struct guest *g, const struct hvp_msg_offer_channel *offer)
{
	struct guest_channel *ch;

	if (!offer->channel_id || offer->channel_id > EMBEDDER_CHANNELS_MAX)
		return false;
	ch = &g->channels[offer->channel_id - 1];
	ch->id = offer->channel_id;
	ch->connection_id = offer->connection_id;
	ch->class_id = offer->class_id;
	return true;
}

bool guest_take(struct guest *g, struct hvw_msg *msg)
{
	struct embedder_message message;

	embedder_run(g->e);
	return embedder_take(g->e, &message) &&
	       !hvw_msg_parse(msg, message.bytes, message.len, HVP_TO_GUEST) &&
	       (msg->u.h.type != HVP_MSG_OFFER_CHANNEL || note_offer(g, &msg->u.OFFER_CHANNEL));
}

bool guest_expect(struct guest *g, uint32_t type, struct hvw_msg *msg)
{
	return guest_take(g, msg) && msg->u.h.type == type;
}

bool guest_expect_nothing(struct guest *g)
{
	struct hvw_msg msg;

	return !guest_take(g, &msg);
}

uint16_t guest_post_contact(struct guest *g, uint32_t version, uint32_t target_vp)
{
	struct hvp_msg_initiate_contact msg = {
		.h.type = HVP_MSG_INITIATE_CONTACT,
		.version = version,
		.target_vp = target_vp,
	};

	g->connection = HVP_CONNECTION_MESSAGE_1;
	if (version >= HVP_VERSION_5_0) {
		g->connection = HVP_CONNECTION_MESSAGE_4;
		msg.u.v5.sint = HVP_VMBUS_SINT;
	}
	return guest_post(g, &msg, sizeof(msg));
}

bool guest_contact(struct guest *g, uint32_t version, uint32_t target_vp)
{
	struct hvw_msg msg;

	if (guest_post_contact(g, version, target_vp) ||
	    !guest_expect(g, HVP_MSG_VERSION_RESPONSE, &msg) || !msg.u.VERSION_RESPONSE.supported)
		return false;
	g->version = version;
	if (version >= HVP_VERSION_5_0)
		g->connection = msg.u.VERSION_RESPONSE.connection_id;
	return true;
}

bool guest_request_offers(struct guest *g)
{
	struct hvw_msg msg;

	if (guest_post_header(g, HVP_MSG_REQUEST_OFFERS))
		return false;
	while (guest_take(g, &msg)) {
		if (msg.u.h.type == HVP_MSG_ALL_OFFERS_DELIVERED)
			return true;
		if (msg.u.h.type != HVP_MSG_OFFER_CHANNEL)
			return false;
	}
	return false;
}

/* One GPADL message with as many of the pages as fit; how many that were. */
static unsigned gpadl_message(struct guest *g, uint32_t channel_id, uint32_t gpadl,
			      const uint64_t *gpns, unsigned pages, unsigned first, unsigned stray,
			      uint16_t *status)
{
	struct hvp_msg_gpadl_header header = {
		.h.type = HVP_MSG_GPADL_HEADER,
		.channel_id = channel_id,
		.gpadl = gpadl,
		.range_bytes = (uint16_t)(sizeof(struct hvp_gpa_range) + pages * sizeof(gpns[0])),
		.range_count = 1,
	};
	struct hvp_msg_gpadl_body body = { .h.type = HVP_MSG_GPADL_BODY, .gpadl = gpadl };
	struct hvp_gpa_range range = { .byte_count = pages * HVP_PAGE_SIZE };
	uint8_t bytes[HVP_MESSAGE_PAYLOAD_MAX];
	unsigned most = first ? BODY_PAGES : HEADER_PAGES;
	unsigned here = pages - first < most ? pages - first : most;
	size_t len;

	memset(bytes, 0xff, sizeof(bytes));
	if (first) {
		memcpy(bytes, &body, sizeof(body));
		len = sizeof(body);
	} else {
		memcpy(bytes, &header, sizeof(header));
		memcpy(bytes + sizeof(header), &range, sizeof(range));
		len = sizeof(header) + sizeof(range);
	}
	memcpy(bytes + len, gpns + first, here * sizeof(gpns[0]));
	len += here * sizeof(gpns[0]) + stray;
	*status = guest_post(g, bytes, len < sizeof(bytes) ? len : sizeof(bytes));
	return here;
}

uint16_t guest_post_gpadl(struct guest *g, uint32_t channel_id, uint32_t gpadl,
			  const uint64_t *gpns, unsigned pages, unsigned messages, unsigned stray)
{
	unsigned first = 0;
	uint16_t status;

	do {
		first += gpadl_message(g, channel_id, gpadl, gpns, pages, first, stray, &status);
	} while (first < pages && !status && --messages);
	return status;
}

uint16_t guest_post_gpadl_rest(struct guest *g, uint32_t gpadl, const uint64_t *gpns,
			       unsigned pages, unsigned first)
{
	unsigned at = first ? HEADER_PAGES + (first - 1) * BODY_PAGES : 0;
	uint16_t status = HVP_STATUS_SUCCESS;

	while (at < pages && !status)
		at += gpadl_message(g, 0, gpadl, gpns, pages, at, 0, &status);
	return status;
}

void guest_ring_pages(struct guest *g, unsigned channel, unsigned pages, unsigned split)
{
	struct guest_channel *ch = &g->channels[channel];
	struct hvh_mem_region region;
	unsigned i;

	EMBEDDER_REQUIRE(pages <= GUEST_RING_PAGES_MAX && hvh_mem_region(g->e->mem, 0, &region));
	unmap(ch);
	ch->pages = pages;
	ch->split = split;
	ch->gpadl = g->next_gpadl++;
	ch->ring = mmap(NULL, pages * HVP_PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	EMBEDDER_REQUIRE(ch->ring != MAP_FAILED);
	if (g->next_gpn + 2 * pages > region.len >> HVP_PAGE_SHIFT)
		g->next_gpn = 16;
	for (i = 0; i < pages; i++) {
		/* Every other page, from the top: nothing is contiguous. */
		ch->gpns[i] = g->next_gpn + 2 * (pages - 1 - i);
		EMBEDDER_REQUIRE(mmap(ch->ring + i * HVP_PAGE_SIZE, HVP_PAGE_SIZE,
				      PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, region.fd,
				      (off_t)(ch->gpns[i] << HVP_PAGE_SHIFT)) != MAP_FAILED);
		memset(ch->ring + i * HVP_PAGE_SIZE, 0, HVP_PAGE_SIZE);
	}
	g->next_gpn += 2 * pages;
	/* A script may want rings that are none. */
	memset(&ch->tx, 0, sizeof(ch->tx));
	memset(&ch->rx, 0, sizeof(ch->rx));
	if (split > pages || hvw_tx_init(&ch->tx, ch->ring, split * HVP_PAGE_SIZE))
		return;
	if (hvw_rx_init(&ch->rx, ch->ring + split * HVP_PAGE_SIZE, (pages - split) * HVP_PAGE_SIZE))
		memset(&ch->tx, 0, sizeof(ch->tx));
}

bool guest_share_ring(struct guest *g, unsigned channel, unsigned pages, unsigned split)
{
	struct guest_channel *ch = &g->channels[channel];
	struct hvw_msg msg;

	guest_ring_pages(g, channel, pages, split);
	return !guest_post_gpadl(g, ch->id, ch->gpadl, ch->gpns, pages, 0, 0) &&
	       guest_expect(g, HVP_MSG_GPADL_CREATED, &msg) &&
	       msg.u.GPADL_CREATED.channel_id == ch->id && msg.u.GPADL_CREATED.gpadl == ch->gpadl &&
	       msg.u.GPADL_CREATED.status == HVP_GPADL_SUCCESS;
}

uint16_t guest_post_open(struct guest *g, unsigned channel, uint32_t target_vp)
{
	struct guest_channel *ch = &g->channels[channel];
	struct hvp_msg_open_channel msg = {
		.h.type = HVP_MSG_OPEN_CHANNEL,
		.channel_id = ch->id,
		.open_id = ++ch->open_id,
		.ring_gpadl = ch->gpadl,
		.target_vp = target_vp,
		.downstream_page = ch->split,
	};

	return guest_post(g, &msg, sizeof(msg));
}

bool guest_open(struct guest *g, unsigned channel, uint32_t target_vp)
{
	struct guest_channel *ch = &g->channels[channel];
	struct hvw_msg msg;

	return !guest_post_open(g, channel, target_vp) &&
	       guest_expect(g, HVP_MSG_OPEN_RESULT, &msg) &&
	       msg.u.OPEN_RESULT.channel_id == ch->id && msg.u.OPEN_RESULT.open_id == ch->open_id &&
	       msg.u.OPEN_RESULT.status == HVP_OPEN_SUCCESS;
}

uint16_t guest_post_close(struct guest *g, unsigned channel)
{
	return guest_post_channel(g, HVP_MSG_CLOSE_CHANNEL, g->channels[channel].id);
}

uint16_t guest_post_modify(struct guest *g, unsigned channel, uint32_t target_vp)
{
	struct hvp_msg_modify_channel msg = {
		.h.type = HVP_MSG_MODIFY_CHANNEL,
		.channel_id = g->channels[channel].id,
		.target_vp = target_vp,
	};

	return guest_post(g, &msg, sizeof(msg));
}

uint16_t guest_post_teardown(struct guest *g, uint32_t channel_id, uint32_t gpadl)
{
	struct hvp_msg_gpadl_teardown msg = {
		.h.type = HVP_MSG_GPADL_TEARDOWN,
		.channel_id = channel_id,
		.gpadl = gpadl,
	};

	return guest_post(g, &msg, sizeof(msg));
}

bool guest_unshare_ring(struct guest *g, unsigned channel)
{
	struct guest_channel *ch = &g->channels[channel];
	struct hvw_msg msg;

	return !guest_post_teardown(g, ch->id, ch->gpadl) &&
	       guest_expect(g, HVP_MSG_GPADL_TORNDOWN, &msg) &&
	       msg.u.GPADL_TORNDOWN.gpadl == ch->gpadl;
}

bool guest_unload(struct guest *g)
{
	struct hvw_msg msg;

	return !guest_post_header(g, HVP_MSG_UNLOAD) &&
	       guest_expect(g, HVP_MSG_UNLOAD_RESPONSE, &msg);
}

bool guest_up(struct guest *g)
{
	unsigned i;

	if (!guest_contact(g, HVP_VERSION_5_3, 0) || !guest_request_offers(g))
		return false;
	for (i = 0; i < EMBEDDER_CHANNELS; i++) {
		if (!guest_share_ring(g, i, 8, 4) || !guest_open(g, i, i))
			return false;
		embedder_run(g->e);
	}
	return guest_serve(g, 0) && guest_serve(g, 1);
}

/* --- packets ----------------------------------------------------------------------------------- */

int guest_send(struct guest *g, unsigned channel, uint64_t transaction_id, const void *payload,
	       uint32_t len)
{
	struct guest_channel *ch = &g->channels[channel];
	bool signal;
	int err = ch->tx.control ? hvw_tx_send(&ch->tx, 0, transaction_id, payload, len, &signal) :
				   -EINVAL;

	if (!err && signal)
		embedder_doorbell(g->e, ch->connection_id);
	return err;
}

int guest_recv(struct guest *g, unsigned channel, void *payload, uint32_t size,
	       uint64_t *transaction_id)
{
	struct guest_channel *ch = &g->channels[channel];
	struct hvw_rx_packet packet;
	int err = ch->rx.control ? hvw_rx_next(&ch->rx, &packet) : -EINVAL;

	if (err)
		return err;
	if (transaction_id)
		*transaction_id = packet.h.transaction_id;
	err = hvw_rx_copy(&ch->rx, &packet, packet.header_len, payload,
			  packet.payload_len < size ? packet.payload_len : size);
	if (err)
		return err;
	if (hvw_rx_release(&ch->rx))
		embedder_doorbell(g->e, ch->connection_id);
	return (int)packet.payload_len;
}

static void answer(struct guest *g, unsigned channel, uint8_t *message, const struct hvw_ic *ic)
{
	struct hvp_ic_header h = ic->h;
	struct hvp_ic_version best[2];
	uint64_t sequence;
	size_t len;

	h.flags = HVP_IC_FLAG_TRANSACTION | HVP_IC_FLAG_RESPONSE;
	switch (ic->h.type) {
	case HVP_IC_NEGOTIATE:
		if (hvw_ic_choose(ic, framework, 2, g->versions, g->version_count, &best[0],
				  &best[1]))
			len = hvw_ic_build_choice(message, &ic->h, NULL, NULL);
		else
			len = hvw_ic_build_choice(message, &ic->h, &best[0], &best[1]);
		break;
	case HVP_IC_HEARTBEAT:
		if (hvw_ic_read(ic, 0, &sequence, sizeof(sequence)))
			return;
		sequence++;
		memcpy(message + HVW_IC_HEADERS, &sequence, sizeof(sequence));
		len = hvw_ic_build(message, &h);
		break;
	default:
		h.status = g->shutdown_status;
		len = hvw_ic_build(message, &h);
	}
	/* No room, or a ring that the script spoilt: the host stays without an answer. */
	(void)guest_send(g, channel, 0, message, (uint32_t)len);
}

unsigned guest_serve(struct guest *g, unsigned channel)
{
	uint8_t message[4096];
	unsigned taken = 0;
	int len;

	while ((len = guest_recv(g, channel, message, sizeof(message), NULL)) >= 0) {
		struct hvw_ic ic;

		if (hvw_ic_parse(&ic, message, (size_t)len))
			break;
		embedder_trace(g->e,
			       "packet on channel %u: type %u version %u.%u size %u transaction %u",
			       channel + 1, ic.h.type, ic.h.message.major, ic.h.message.minor,
			       ic.h.size, ic.h.transaction_id);
		if (!g->mute)
			answer(g, channel, message, &ic);
		taken++;
	}
	return taken;
}
