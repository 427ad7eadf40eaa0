/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Questions to the host and their answers, matched by the ids they carry. The asker stands in the list
 * before the question goes out; what ends the wait is the answer, a rescind of the channel, or time.
 */
#include "bus_priv.h"

/* The result of a request that has none yet, and so of one that never gets any. */
#define WAITING (-ETIMEDOUT)

void hvg_request_begin(struct hvg_bus *bus, struct hvg_request *request, uint32_t type,
		       uint32_t id0, uint32_t id1, struct hvg_chan *chan)
{
	request->type = type;
	request->id[0] = id0;
	request->id[1] = id1;
	request->chan = chan;
	request->result = WAITING;
	hvos_event_init(&request->done);
	hvos_lock(&bus->lock);
	request->next = bus->requests;
	bus->requests = request;
	/* Rescinds that came before would not find it in the list; those that come later do. */
	if (chan && hvg_chan_revoked(chan)) {
		request->result = -ENODEV;
		hvos_event_set(&request->done);
	}
	hvos_unlock(&bus->lock);
}

void hvg_request_cancel(struct hvg_bus *bus, struct hvg_request *request)
{
	struct hvg_request **link;

	hvos_lock(&bus->lock);
	for (link = &bus->requests; *link != request; link = &(*link)->next)
		;
	*link = request->next;
	hvos_unlock(&bus->lock);
	hvos_event_fini(&request->done);
}

/* Woken without an answer: by hvg_request_nudge(). */
static bool nudged(struct hvg_bus *bus, struct hvg_request *request)
{
	bool waiting;

	hvos_lock(&bus->lock);
	waiting = request->result == WAITING;
	if (waiting)
		hvos_event_reset(&request->done);
	hvos_unlock(&bus->lock);
	return waiting;
}

int hvg_request_wait(struct hvg_bus *bus, struct hvg_request *request)
{
	uint32_t timeout_ms = __atomic_load_n(&bus->silent, __ATOMIC_RELAXED) ?
				      HVG_SILENT_TIMEOUT_MS :
				      HVG_REQUEST_TIMEOUT_MS;
	uint64_t now_ns = hvos_now_ns(), end_ns = now_ns + timeout_ms * 1000000ull;

	while (now_ns < end_ns) {
		/* What came in before we stood in the list nudged nobody. */
		hvg_offer_take(bus);
		if (hvos_event_wait(&request->done, (uint32_t)((end_ns - now_ns) / 1000000 + 1)) ||
		    !nudged(bus, request))
			break;
		now_ns = hvos_now_ns();
	}
	/* An answer in the very last moment counts; after the cancel nobody writes there any more. */
	hvg_request_cancel(bus, request);
	if (request->result == WAITING) {
		__atomic_store_n(&bus->silent, 1, __ATOMIC_RELAXED);
		hvg_bus_count(&bus->counters.timeouts, 1);
		hvg_log(HVOS_WARNING, "no %s from the host", hvw_msg_name(request->type));
	}
	return request->result;
}

int hvg_request_ask(struct hvg_bus *bus, struct hvg_request *request, const void *message,
		    size_t len)
{
	int err = hvg_conn_post(bus, message, len);

	if (!err)
		return hvg_request_wait(bus, request);
	hvg_request_cancel(bus, request);
	return err;
}

static void answer_ids(const struct hvw_msg *msg, uint32_t id[2])
{
	id[0] = id[1] = 0;
	switch (msg->u.h.type) {
	case HVP_MSG_OPEN_RESULT:
		id[0] = msg->u.OPEN_RESULT.channel_id;
		id[1] = msg->u.OPEN_RESULT.open_id;
		break;
	case HVP_MSG_GPADL_CREATED:
		id[0] = msg->u.GPADL_CREATED.channel_id;
		id[1] = msg->u.GPADL_CREATED.gpadl;
		break;
	case HVP_MSG_GPADL_TORNDOWN:
		id[0] = msg->u.GPADL_TORNDOWN.gpadl;
		break;
	case HVP_MSG_MODIFY_CHANNEL_RESPONSE:
		id[0] = msg->u.MODIFY_CHANNEL_RESPONSE.channel_id;
		break;
	default: /* VERSION_RESPONSE, UNLOAD_RESPONSE: one at a time */
		break;
	}
}

static void finish(struct hvg_request *request, int result)
{
	request->result = result;
	hvos_event_set(&request->done);
}

void hvg_request_answer(struct hvg_bus *bus, const struct hvw_msg *msg)
{
	struct hvg_request *request;
	uint32_t id[2];

	answer_ids(msg, id);
	hvos_lock(&bus->lock);
	for (request = bus->requests; request; request = request->next)
		if (request->result == WAITING && request->type == msg->u.h.type &&
		    request->id[0] == id[0] && request->id[1] == id[1])
			break;
	if (request) {
		request->answer = *msg;
		finish(request, 0);
	}
	hvos_unlock(&bus->lock);
	if (!request)
		hvg_bus_count(&bus->counters.unexpected, 1);
}

void hvg_request_revoke(struct hvg_bus *bus, const struct hvg_chan *chan)
{
	struct hvg_request *request;

	hvos_lock(&bus->lock);
	for (request = bus->requests; request; request = request->next)
		if (request->chan == chan && request->result == WAITING)
			finish(request, -ENODEV);
	hvos_unlock(&bus->lock);
}

void hvg_request_nudge(struct hvg_bus *bus)
{
	struct hvg_request *request;

	hvos_lock_assert(&bus->lock);
	for (request = bus->requests; request; request = request->next)
		hvos_event_set(&request->done);
}
