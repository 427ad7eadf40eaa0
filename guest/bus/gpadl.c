/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * GPADLs: our memory under a handle that the host knows. What matters is the end: memory that the
 * host may still know is never given back to the system.
 */
#include "bus_priv.h"

/* Page numbers behind the one range of a header, and in a body. */
#define HEADER_PAGES                                                                               \
	((HVP_MESSAGE_PAYLOAD_MAX - sizeof(struct hvp_msg_gpadl_header) -                          \
	  sizeof(struct hvp_gpa_range)) /                                                          \
	 sizeof(uint64_t))
#define BODY_PAGES                                                                                 \
	((HVP_MESSAGE_PAYLOAD_MAX - sizeof(struct hvp_msg_gpadl_body)) / sizeof(uint64_t))

/* The length of all ranges is a 16-bit field. */
#define PAGES_MAX ((UINT16_MAX - sizeof(struct hvp_gpa_range)) / sizeof(uint64_t))

/* Page numbers go where they may lie unaligned. */
static uint32_t put_pages(uint8_t *at, const struct hvos_shared *shared, uint32_t first,
			  uint32_t max)
{
	uint32_t count = shared->pages - first < max ? shared->pages - first : max, i;

	for (i = 0; i < count; i++) {
		uint64_t gpn = hvos_shared_gpn(shared, first + i);

		hvw_memcpy(at + i * sizeof(gpn), &gpn, sizeof(gpn));
	}
	return count;
}

static size_t build_header(uint8_t *message, const struct hvg_chan *chan,
			   const struct hvos_shared *shared, uint32_t handle, uint32_t *done)
{
	struct hvp_msg_gpadl_header header = {
		.h.type = HVP_MSG_GPADL_HEADER,
		.channel_id = chan->id,
		.gpadl = handle,
		.range_bytes =
			(uint16_t)(sizeof(struct hvp_gpa_range) + shared->pages * sizeof(uint64_t)),
		.range_count = 1,
	};
	struct hvp_gpa_range range = { .byte_count = shared->pages * HVP_PAGE_SIZE };
	size_t len = sizeof(header) + sizeof(range);

	hvw_memcpy(message, &header, sizeof(header));
	hvw_memcpy(message + sizeof(header), &range, sizeof(range));
	*done = put_pages(message + len, shared, 0, HEADER_PAGES);
	return len + *done * sizeof(uint64_t);
}

static size_t build_body(uint8_t *message, const struct hvos_shared *shared, uint32_t handle,
			 uint32_t *done)
{
	struct hvp_msg_gpadl_body body = { .h.type = HVP_MSG_GPADL_BODY, .gpadl = handle };
	uint32_t count = put_pages(message + sizeof(body), shared, *done, BODY_PAGES);

	hvw_memcpy(message, &body, sizeof(body));
	*done += count;
	return sizeof(body) + count * sizeof(uint64_t);
}

static uint32_t new_handle(struct hvg_bus *bus)
{
	uint32_t handle;

	hvos_lock(&bus->lock);
	do
		handle = bus->next_gpadl++;
	while (!handle);
	hvos_unlock(&bus->lock);
	return handle;
}

int hvg_gpadl_create(struct hvg_chan *chan, const struct hvos_shared *shared, uint32_t *handle)
{
	struct hvg_bus *bus = chan->bus;
	struct hvg_request request;
	uint8_t message[HVP_MESSAGE_PAYLOAD_MAX];
	uint32_t given, done;
	bool known = false;
	size_t len;
	int err;

	if (!shared->pages || shared->pages > PAGES_MAX)
		return -EINVAL;
	given = new_handle(bus);
	len = build_header(message, chan, shared, given, &done);
	hvg_request_begin(bus, &request, HVP_MSG_GPADL_CREATED, chan->id, given, chan);
	for (;;) {
		err = hvg_conn_post(bus, message, len);
		if (err)
			break;
		known = true;
		if (done == shared->pages)
			break;
		len = build_body(message, shared, given, &done);
	}
	if (err)
		hvg_request_cancel(bus, &request);
	else
		err = hvg_request_wait(bus, &request);
	if (!err) {
		/* Refused: the host has forgotten it. */
		if (request.answer.u.GPADL_CREATED.status != HVP_GPADL_SUCCESS)
			return -EIO;
		*handle = given;
		return 0;
	}
	/* The host may have all of it, or a part. */
	if (known && hvg_gpadl_teardown(chan, given))
		return -ETIMEDOUT;
	return err == -ETIMEDOUT ? -EIO : err;
}

int hvg_gpadl_teardown(struct hvg_chan *chan, uint32_t handle)
{
	struct hvp_msg_gpadl_teardown message = {
		.h.type = HVP_MSG_GPADL_TEARDOWN,
		.channel_id = chan->id,
		.gpadl = handle,
	};
	struct hvg_request request;

	/* A rescind does not end this wait: only the host's word sets the memory free. */
	hvg_request_begin(chan->bus, &request, HVP_MSG_GPADL_TORNDOWN, handle, 0, NULL);
	return hvg_request_ask(chan->bus, &request, &message, sizeof(message)) ? -ETIMEDOUT : 0;
}

int hvg_chan_share(struct hvg_chan *chan, const struct hvos_shared *shared, uint32_t *handle)
{
	int err = hvg_chan_revoked(chan) ? -ENODEV : hvg_gpadl_create(chan, shared, handle);

	if (err == -ETIMEDOUT)
		hvg_bus_count(&chan->bus->counters.lost_pages, shared->pages);
	return err;
}

int hvg_chan_unshare(struct hvg_chan *chan, uint32_t handle)
{
	return hvg_gpadl_teardown(chan, handle);
}
