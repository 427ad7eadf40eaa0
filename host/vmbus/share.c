/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Buffers that devices share with the guest: GPADLs lent to owner loops, and taken back.
 *
 * A slot's state says whose it is: each side changes only what is its own, and the other is told through
 * ops->attention or ops->channel_attend.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server_priv.h"

#include "hvw_pkt.h"

/* --- control loop ---------------------------------------------------------------------------------- */

/* The pages of a list that is there whole, of one range. NULL: none such, or no memory. */
static struct hvh_share *look_up(struct hvh_channel *channel, uint32_t handle)
{
	struct hvh_server *server = channel->server;
	const struct gpadl *gpadl = hvh_gpadl_find(server, handle);
	struct hvw_gpa_iter iter;
	struct hvw_gpa_range range;
	struct hvh_share *share;
	uint32_t i;

	if (!gpadl || gpadl->state != GPADL_READY || gpadl->channel_id != channel->id ||
	    gpadl->range_count != 1)
		return NULL;
	hvw_gpa_iter_init(&iter, gpadl->ranges, gpadl->bytes, 1);
	if (hvw_gpa_iter_next(&iter, &range))
		return NULL;
	share = malloc(sizeof(*share) + range.page_count * sizeof(share->page[0]));
	if (!share)
		return NULL;
	share->mem = server->mem;
	share->handle = handle;
	share->bytes = range.byte_count;
	share->offset = range.byte_offset;
	share->pages = range.page_count;
	for (i = 0; i < range.page_count; i++) {
		/* All of them were RAM when the list was complete. */
		share->page[i] = hvh_mem_page(server->mem, hvw_gpa_page(&range, i));
		if (!share->page[i]) {
			free(share);
			return NULL;
		}
	}
	hvh_mem_hold(server->mem);
	return share;
}

static void end_share(struct share_slot *slot)
{
	if (slot->share) {
		hvh_mem_release(slot->share->mem);
		free(slot->share);
	}
	slot->share = NULL;
	slot->handle = 0;
	atomic_store(&slot->state, SHARE_FREE);
}

/* What has happened to one slot; true: the owner loop has to hear of it. */
static bool work_slot(struct hvh_channel *channel, struct share_slot *slot)
{
	uint32_t handle = slot->handle;

	switch (atomic_load(&slot->state)) {
	case SHARE_WANTED:
		slot->share = look_up(channel, handle);
		atomic_store(&slot->state, SHARE_ANSWERED);
		return true;
	case SHARE_RETURNED:
		end_share(slot);
		hvh_gpadl_unused(channel->server, handle);
		return false;
	default:
		return false;
	}
}

void hvh_share_work(struct hvh_channel *channel)
{
	struct hvh_server *server = channel->server;
	bool tell = atomic_exchange(&channel->attend_due, false);
	unsigned i;

	if (!hvh_channel_owned(channel))
		return;
	for (i = 0; i < HVH_SHARES_MAX; i++)
		tell |= work_slot(channel, &channel->shares[i]);
	if (tell && server->ops->channel_attend)
		server->ops->channel_attend(server->ctx, channel);
}

bool hvh_share_busy(const struct hvh_channel *channel)
{
	unsigned i;

	for (i = 0; i < HVH_SHARES_MAX; i++) {
		enum share_state state = atomic_load(&channel->shares[i].state);

		if (state != SHARE_FREE && state != SHARE_HELD)
			return true;
	}
	return false;
}

bool hvh_share_uses(const struct hvh_channel *channel, uint32_t handle)
{
	unsigned i;

	for (i = 0; i < HVH_SHARES_MAX; i++)
		if (channel->shares[i].share && channel->shares[i].handle == handle)
			return true;
	return false;
}

void hvh_share_recall(struct hvh_channel *channel, uint32_t handle)
{
	struct hvh_server *server = channel->server;
	unsigned i;

	for (i = 0; i < HVH_SHARES_MAX; i++) {
		struct share_slot *slot = &channel->shares[i];
		enum share_state held = SHARE_HELD;

		if (!slot->share || slot->handle != handle)
			continue;
		atomic_store(&slot->recalled, true);
		/* One that it has not heard of yet, or is just giving back, it needs not hear of twice. */
		if (atomic_compare_exchange_strong(&slot->state, &held, SHARE_RECALLED))
			server->ops->channel_attend(server->ctx, channel);
	}
}

void hvh_share_end(struct hvh_channel *channel)
{
	unsigned i;

	atomic_store(&channel->attend_due, false);
	for (i = 0; i < HVH_SHARES_MAX; i++) {
		uint32_t handle = channel->shares[i].handle;

		end_share(&channel->shares[i]);
		if (handle)
			hvh_gpadl_unused(channel->server, handle);
	}
}

const struct hvh_share *hvh_channel_share_restore(struct hvh_channel *channel, uint32_t handle)
{
	struct share_slot *slot = NULL;
	unsigned i;

	if (!channel || channel->index || !channel->restored || hvh_share_uses(channel, handle))
		return NULL;
	for (i = 0; i < HVH_SHARES_MAX && !slot; i++)
		if (atomic_load(&channel->shares[i].state) == SHARE_FREE)
			slot = &channel->shares[i];
	if (!slot)
		return NULL;
	slot->share = look_up(channel, handle);
	if (!slot->share)
		return NULL;
	slot->handle = handle;
	atomic_store(&slot->recalled, false);
	atomic_store(&slot->state, SHARE_HELD);
	return slot->share;
}

/* --- owner loop ------------------------------------------------------------------------------------ */

int hvh_channel_share(struct hvh_channel *channel, uint32_t handle)
{
	struct share_slot *slot = NULL;
	unsigned i;

	if (channel->index || !handle)
		return -EINVAL;
	for (i = 0; i < HVH_SHARES_MAX; i++) {
		bool is_free = atomic_load(&channel->shares[i].state) == SHARE_FREE;

		if (!is_free && channel->shares[i].handle == handle)
			return -EBUSY;
		if (is_free && !slot)
			slot = &channel->shares[i];
	}
	if (!slot)
		return -EBUSY;
	slot->handle = handle;
	atomic_store(&slot->recalled, false);
	atomic_store(&slot->state, SHARE_WANTED);
	atomic_store(&channel->server->shares_due, true);
	channel->server->ops->attention(channel->server->ctx);
	return 0;
}

/* Only then is the rest of the slot not the control loop's. */
static bool is_lent(const struct share_slot *slot)
{
	enum share_state state = atomic_load(&slot->state);

	return state == SHARE_HELD || state == SHARE_RECALLED || state == SHARE_RECALL_TOLD;
}

void hvh_channel_unshare(struct hvh_channel *channel, const struct hvh_share *share)
{
	unsigned i;

	for (i = 0; i < HVH_SHARES_MAX; i++) {
		if (!is_lent(&channel->shares[i]) || channel->shares[i].share != share)
			continue;
		atomic_store(&channel->shares[i].state, SHARE_RETURNED);
		atomic_store(&channel->server->shares_due, true);
		channel->server->ops->attention(channel->server->ctx);
	}
}

/* The answer: a buffer that was recalled meanwhile is none. */
static void tell_shared(struct hvh_channel *channel, struct share_slot *slot)
{
	struct hvh_device *device = channel->device;
	const struct hvh_share *share = slot->share;
	uint32_t handle = slot->handle;

	if (!share) {
		slot->handle = 0;
		atomic_store(&slot->state, SHARE_FREE);
	} else {
		atomic_store(&slot->state, SHARE_HELD);
		if (atomic_load(&slot->recalled)) {
			hvh_channel_unshare(channel, share);
			share = NULL;
		}
	}
	device->ops->shared(device, channel, handle, share);
}

void hvh_share_attend(struct hvh_channel *channel)
{
	struct hvh_device *device = channel->device;
	unsigned i;

	for (i = 0; i < HVH_SHARES_MAX; i++) {
		struct share_slot *slot = &channel->shares[i];
		enum share_state recalled = SHARE_RECALLED;

		if (atomic_load(&slot->state) == SHARE_ANSWERED)
			tell_shared(channel, slot);
		else if (atomic_compare_exchange_strong(&slot->state, &recalled, SHARE_RECALL_TOLD))
			device->ops->recall(device, channel, slot->share);
	}
}

void hvh_device_attend(struct hvh_device *device)
{
	struct hvh_server *server = device->server;

	atomic_store(&device->attend_wanted, true);
	atomic_store(&server->shares_due, true);
	server->ops->attention(server->ctx);
}

/* --- the memory itself ----------------------------------------------------------------------------- */

static bool inside(const struct hvh_share *share, uint32_t offset, uint32_t len)
{
	return offset <= share->bytes && len <= share->bytes - offset;
}

/* The longest piece from `offset` on that lies in one page; 0 < len, inside the buffer. */
static uint8_t *piece(const struct hvh_share *share, uint32_t offset, uint32_t len,
		      uint32_t *piece_len)
{
	uint64_t at = (uint64_t)share->offset + offset;
	uint32_t in_page = (uint32_t)(at % HVP_PAGE_SIZE);

	*piece_len = len < HVP_PAGE_SIZE - in_page ? len : HVP_PAGE_SIZE - in_page;
	return share->page[at >> HVP_PAGE_SHIFT] + in_page;
}

int hvh_share_iov(const struct hvh_share *share, uint32_t offset, uint32_t len, struct iovec *iov,
		  unsigned iovs_max)
{
	unsigned iovs = 0;

	if (!inside(share, offset, len))
		return -EFAULT;
	while (len) {
		uint32_t step;
		uint8_t *base = piece(share, offset, len, &step);

		if (iovs && (uint8_t *)iov[iovs - 1].iov_base + iov[iovs - 1].iov_len == base) {
			iov[iovs - 1].iov_len += step;
		} else if (iovs < iovs_max) {
			iov[iovs].iov_base = base;
			iov[iovs++].iov_len = step;
		} else {
			return -EMSGSIZE;
		}
		offset += step;
		len -= step;
	}
	return (int)iovs;
}

void hvh_share_written(const struct hvh_share *share, uint32_t offset, uint32_t len)
{
	if (!hvh_mem_logging(share->mem) || !inside(share, offset, len))
		return;
	while (len) {
		uint32_t step;
		uint8_t *base = piece(share, offset, len, &step);

		hvh_mem_written(share->mem, base, step);
		offset += step;
		len -= step;
	}
}

int hvh_share_read(const struct hvh_share *share, uint32_t offset, void *dst, uint32_t len)
{
	uint8_t *to = dst;

	if (!inside(share, offset, len))
		return -EFAULT;
	while (len) {
		uint32_t step;
		const uint8_t *base = piece(share, offset, len, &step);

		hvw_copy_out(to, base, step);
		to += step;
		offset += step;
		len -= step;
	}
	return 0;
}

int hvh_share_write(const struct hvh_share *share, uint32_t offset, const void *src, uint32_t len)
{
	const uint8_t *from = src;
	uint32_t at = offset, left = len;

	if (!inside(share, offset, len))
		return -EFAULT;
	while (left) {
		uint32_t step;
		uint8_t *base = piece(share, at, left, &step);

		hvw_copy_in(base, from, step);
		from += step;
		at += step;
		left -= step;
	}
	hvh_share_written(share, offset, len);
	return 0;
}
