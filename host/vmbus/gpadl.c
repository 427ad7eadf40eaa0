/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * GPADLs: lists of guest pages that the guest shares under a handle of its choice. They are assembled
 * from several messages in private memory and checked as a whole before the guest hears "created".
 */
#include <stdlib.h>
#include <string.h>

#include "server_priv.h"

#include "hvw_pkt.h"

#define STATE_TAG     HVH_STATE_TAG('G', 'P', 'A', 'D')
#define STATE_VERSION 1

struct gpadl *hvh_gpadl_find(struct hvh_server *server, uint32_t handle)
{
	struct gpadl *gpadl = server->gpadls;

	while (gpadl && gpadl->handle != handle)
		gpadl = gpadl->next;
	return gpadl;
}

static void send_created(struct hvh_server *server, uint32_t channel_id, uint32_t handle,
			 int32_t status)
{
	struct hvp_msg_gpadl_created created = {
		.h.type = HVP_MSG_GPADL_CREATED,
		.channel_id = channel_id,
		.gpadl = handle,
		.status = status,
	};

	hvh_server_send(server, &created, sizeof(created));
}

static void book(struct hvh_server *server, struct gpadl *gpadl)
{
	gpadl->next = server->gpadls;
	server->gpadls = gpadl;
	server->stats.gpadls++;
	server->stats.gpadl_pages += gpadl->pages;
}

static void drop(struct hvh_server *server, struct gpadl *gpadl)
{
	struct gpadl **link = &server->gpadls;

	while (*link != gpadl)
		link = &(*link)->next;
	*link = gpadl->next;
	server->stats.gpadls--;
	server->stats.gpadl_pages -= gpadl->pages;
	free(gpadl);
}

/* All declared ranges are there and every page is RAM. */
static int check_ranges(struct hvh_server *server, const struct gpadl *gpadl)
{
	struct hvw_gpa_iter iter;
	struct hvw_gpa_range range;
	uint32_t i;
	int err;

	hvw_gpa_iter_init(&iter, gpadl->ranges, gpadl->bytes, gpadl->range_count);
	while (!(err = hvw_gpa_iter_next(&iter, &range))) {
		for (i = 0; i < range.page_count; i++) {
			uint64_t gpn = hvw_gpa_page(&range, i);

			if (gpn > UINT64_MAX >> HVP_PAGE_SHIFT ||
			    !hvh_mem_contains(server->mem, gpn << HVP_PAGE_SHIFT, HVP_PAGE_SIZE))
				return -EFAULT;
		}
	}
	return err == -EAGAIN ? 0 : err;
}

/* More of the range bytes; when it is complete the guest gets its answer. */
static void fill(struct hvh_server *server, struct gpadl *gpadl, const uint8_t *bytes, uint32_t len)
{
	uint32_t missing = gpadl->bytes - gpadl->filled;
	int err;

	/*
	 * Firmware always sends messages of full size: bytes behind what it declared, and half a page
	 * number behind the last whole one of a header.
	 */
	len -= len % (uint32_t)sizeof(uint64_t);
	if (len > missing)
		len = missing;
	memcpy(gpadl->ranges + gpadl->filled, bytes, len);
	gpadl->filled += len;
	if (gpadl->filled < gpadl->bytes)
		return;
	if (gpadl->state == GPADL_ABORTED) {
		/* The guest has its answer. */
		drop(server, gpadl);
		return;
	}

	err = check_ranges(server, gpadl);
	if (err) {
		hvh_server_violation(server, "GPADL 0x%x of channel %u: %s", gpadl->handle,
				     gpadl->channel_id,
				     err == -EFAULT ? "a page is not RAM" : "malformed ranges");
		send_created(server, gpadl->channel_id, gpadl->handle, HVP_GPADL_FAILED);
		drop(server, gpadl);
		return;
	}
	gpadl->state = GPADL_READY;
	send_created(server, gpadl->channel_id, gpadl->handle, HVP_GPADL_SUCCESS);
}

static const char *refuse_reason(struct hvh_server *server, const struct hvp_msg_gpadl_header *h,
				 uint32_t pages)
{
	/* No range is empty, so each has a page number: what is booked by pages bounds the memory too. */
	const size_t range_least = sizeof(struct hvp_gpa_range) + sizeof(uint64_t);

	const struct gpadl *old = hvh_gpadl_find(server, h->gpadl);

	if (!h->gpadl || (old && old->state != GPADL_ABORTED))
		return "the handle is in use or 0";
	if (!h->range_count || h->range_bytes < h->range_count * range_least ||
	    h->range_bytes % sizeof(uint64_t))
		return "impossible size";
	if (server->stats.gpadls >= GPADL_MAX ||
	    pages > GPADL_PAGES_MAX - server->stats.gpadl_pages)
		return "too much shared memory";
	return NULL;
}

void hvh_gpadl_header(struct hvh_server *server, const struct hvw_msg *msg)
{
	const struct hvp_msg_gpadl_header *h = &msg->u.GPADL_HEADER;
	uint32_t pages = h->range_bytes / sizeof(uint64_t) - h->range_count;
	const char *reason = hvh_server_known_channel(server, h->channel_id) ?
				     refuse_reason(server, h, pages) :
				     "no such channel";
	struct gpadl *gpadl = hvh_gpadl_find(server, h->gpadl);

	if (reason) {
		hvh_server_violation(server, "GPADL 0x%x of channel %u refused: %s", h->gpadl,
				     h->channel_id, reason);
		send_created(server, h->channel_id, h->gpadl, HVP_GPADL_FAILED);
		return;
	}
	if (gpadl)
		drop(server, gpadl); /* aborted, and the guest uses its handle again */
	gpadl = calloc(1, sizeof(*gpadl) + h->range_bytes);
	if (!gpadl) {
		hvh_server_log(server, &server->event_limit, HVH_LOG_ERROR,
			       "out of memory: GPADL 0x%x of channel %u refused", h->gpadl,
			       h->channel_id);
		send_created(server, h->channel_id, h->gpadl, HVP_GPADL_FAILED);
		return;
	}
	gpadl->handle = h->gpadl;
	gpadl->channel_id = h->channel_id;
	gpadl->state = GPADL_ASSEMBLING;
	gpadl->range_count = h->range_count;
	gpadl->bytes = h->range_bytes;
	gpadl->pages = pages;
	book(server, gpadl);
	fill(server, gpadl, msg->u.bytes + sizeof(*h), msg->len - (uint32_t)sizeof(*h));
}

void hvh_gpadl_body(struct hvh_server *server, const struct hvw_msg *msg)
{
	const struct hvp_msg_gpadl_body *body = &msg->u.GPADL_BODY;
	struct gpadl *gpadl = hvh_gpadl_find(server, body->gpadl);

	if (!gpadl || (gpadl->state != GPADL_ASSEMBLING && gpadl->state != GPADL_ABORTED)) {
		hvh_server_violation(server, "GPADL_BODY for 0x%x, which is not being assembled",
				     body->gpadl);
		return;
	}
	fill(server, gpadl, msg->u.bytes + sizeof(*body), msg->len - (uint32_t)sizeof(*body));
}

static void send_torndown(struct hvh_server *server, uint32_t handle)
{
	struct hvp_msg_gpadl_torndown torndown = { .h.type = HVP_MSG_GPADL_TORNDOWN,
						   .gpadl = handle };

	hvh_server_send(server, &torndown, sizeof(torndown));
}

static bool in_use(struct hvh_server *server, uint32_t handle)
{
	unsigned i;

	for (i = 0; i < server->channel_count; i++)
		if (server->channels[i]->ring_gpadl == handle ||
		    hvh_share_uses(server->channels[i], handle))
			return true;
	return false;
}

void hvh_gpadl_teardown(struct hvh_server *server, const struct hvp_msg_gpadl_teardown *msg)
{
	struct gpadl *gpadl = hvh_gpadl_find(server, msg->gpadl);

	if (!gpadl || gpadl->channel_id != msg->channel_id || gpadl->state == GPADL_TEARING_DOWN ||
	    gpadl->state == GPADL_ABORTED) {
		hvh_server_violation(server, "GPADL_TEARDOWN of 0x%x on channel %u, which has none",
				     msg->gpadl, msg->channel_id);
		return;
	}
	if (in_use(server, gpadl->handle)) {
		unsigned i;

		gpadl->state = GPADL_TEARING_DOWN;
		for (i = 0; i < server->channel_count; i++)
			hvh_share_recall(server->channels[i], msg->gpadl);
		return;
	}
	drop(server, gpadl);
	send_torndown(server, msg->gpadl);
}

int hvh_gpadl_map_ring(struct hvh_server *server, const struct hvh_channel *channel,
		       uint32_t handle, struct hvh_mapping *ring)
{
	struct gpadl *gpadl = hvh_gpadl_find(server, handle);
	struct hvw_gpa_iter iter;
	struct hvw_gpa_range range;
	uint64_t *gpns;
	uint32_t i;
	int err;

	if (!gpadl || gpadl->channel_id != channel->id || gpadl->range_count != 1)
		return -EINVAL;
	/* A channel from a saved state keeps the ring whose teardown waits for its close. */
	if (gpadl->state != GPADL_READY &&
	    !(channel->restored && gpadl->state == GPADL_TEARING_DOWN))
		return -EINVAL;
	hvw_gpa_iter_init(&iter, gpadl->ranges, gpadl->bytes, 1);
	err = hvw_gpa_iter_next(&iter, &range);
	if (err || range.byte_offset || range.byte_count % HVP_PAGE_SIZE)
		return -EINVAL;
	gpns = malloc(range.page_count * sizeof(*gpns));
	if (!gpns)
		return -ENOMEM;
	for (i = 0; i < range.page_count; i++)
		gpns[i] = hvw_gpa_page(&range, i);
	err = hvh_mem_map(server->mem, gpns, range.page_count, ring);
	free(gpns);
	return err;
}

void hvh_gpadl_unused(struct hvh_server *server, uint32_t handle)
{
	struct gpadl *gpadl = hvh_gpadl_find(server, handle);

	if (gpadl && gpadl->state == GPADL_TEARING_DOWN && !in_use(server, handle)) {
		drop(server, gpadl);
		send_torndown(server, handle);
	}
}

/* The channel is revoked: the lists that are not complete fail; their bodies may be under way. */
void hvh_gpadl_abort(struct hvh_server *server, uint32_t channel_id)
{
	struct gpadl *gpadl;

	for (gpadl = server->gpadls; gpadl; gpadl = gpadl->next) {
		if (gpadl->channel_id != channel_id || gpadl->state != GPADL_ASSEMBLING)
			continue;
		gpadl->state = GPADL_ABORTED;
		send_created(server, channel_id, gpadl->handle, HVP_GPADL_FAILED);
	}
}

/* The channel is gone, and its id may come to mean another. */
void hvh_gpadl_drop(struct hvh_server *server, uint32_t channel_id)
{
	struct gpadl *gpadl = server->gpadls, *next;

	for (; gpadl; gpadl = next) {
		next = gpadl->next;
		if (gpadl->channel_id == channel_id)
			drop(server, gpadl);
	}
}

void hvh_gpadl_drop_all(struct hvh_server *server)
{
	while (server->gpadls)
		drop(server, server->gpadls);
}

void hvh_gpadl_save(const struct hvh_server *server, struct hvh_state_writer *w)
{
	const struct gpadl *gpadl;

	hvh_state_begin(w, STATE_TAG, STATE_VERSION);
	hvh_state_put_u32(w, server->stats.gpadls);
	for (gpadl = server->gpadls; gpadl; gpadl = gpadl->next) {
		hvh_state_put_u32(w, gpadl->handle);
		hvh_state_put_u32(w, gpadl->channel_id);
		hvh_state_put_u32(w, gpadl->state);
		hvh_state_put_u32(w, gpadl->range_count);
		hvh_state_put_u32(w, gpadl->bytes);
		hvh_state_put_u32(w, gpadl->filled);
		hvh_state_put_bytes(w, gpadl->ranges, gpadl->filled);
	}
	hvh_state_end(w);
}

/* A teardown waits for the ring that uses the pages: only a channel that is open can be what it waits for. */
static bool teardown_ends(const struct hvh_channel *channel, uint32_t handle)
{
	return channel->restored && channel->request.ring_gpadl == handle;
}

/* What no sequence of messages leads to. `h`: the header as the guest sent it, `pages` what it declared. */
static bool impossible(struct hvh_server *server, const struct hvp_msg_gpadl_header *h,
		       uint32_t pages, uint32_t state, uint32_t filled)
{
	const struct hvh_channel *channel = hvh_server_any_channel(server, h->channel_id);
	bool part = state == GPADL_ASSEMBLING || state == GPADL_ABORTED;

	if (!channel || state > GPADL_ABORTED || filled > h->range_bytes ||
	    part != (filled < h->range_bytes))
		return true;
	if (state == GPADL_TEARING_DOWN && !teardown_ends(channel, h->gpadl))
		return true;
	if (state == GPADL_ABORTED && channel->state != CHANNEL_REVOKED)
		return true;
	if (hvh_gpadl_find(server, h->gpadl))
		return true;
	return refuse_reason(server, h, pages) != NULL;
}

static void load_one(struct hvh_server *server, struct hvh_state_reader *r)
{
	struct hvp_msg_gpadl_header h = { .h.type = HVP_MSG_GPADL_HEADER };
	uint32_t state, range_count, bytes, filled, pages;
	struct gpadl *gpadl;

	h.gpadl = hvh_state_get_u32(r);
	h.channel_id = hvh_state_get_u32(r);
	state = hvh_state_get_u32(r);
	range_count = hvh_state_get_u32(r);
	bytes = hvh_state_get_u32(r);
	filled = hvh_state_get_u32(r);
	h.range_count = (uint16_t)range_count;
	h.range_bytes = (uint16_t)bytes;
	pages = h.range_bytes / (uint32_t)sizeof(uint64_t) - h.range_count;
	if (r->err || range_count > UINT16_MAX || bytes > UINT16_MAX ||
	    impossible(server, &h, pages, state, filled)) {
		hvh_state_refuse(r);
		return;
	}
	gpadl = calloc(1, sizeof(*gpadl) + bytes);
	if (!gpadl) {
		hvh_state_refuse(r);
		return;
	}
	gpadl->handle = h.gpadl;
	gpadl->channel_id = h.channel_id;
	gpadl->state = state;
	gpadl->range_count = range_count;
	gpadl->bytes = bytes;
	gpadl->filled = filled;
	gpadl->pages = pages;
	hvh_state_get_bytes(r, gpadl->ranges, filled);
	book(server, gpadl);
	if (filled == bytes && check_ranges(server, gpadl))
		hvh_state_refuse(r);
}

void hvh_gpadl_load(struct hvh_server *server, struct hvh_state_reader *r)
{
	uint32_t count;

	hvh_state_enter(r, STATE_TAG, STATE_VERSION);
	for (count = hvh_state_get_u32(r); count && !r->err; count--)
		load_one(server, r);
	hvh_state_leave(r);
}
