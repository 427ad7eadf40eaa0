/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The connection: contact with the host, what it sends, and the end.
 */
#include "bus_priv.h"

/* --- to the host ------------------------------------------------------------------------------------- */

int hvg_conn_post(struct hvg_bus *bus, const void *message, size_t len)
{
	if (!bus->hv.started)
		return -ENODEV;
	/* Only before the contact may the host not know the connection at all. */
	return hvg_hv_post(&bus->hv, bus->connection_id, !bus->version, message, len);
}

static struct hvp_msg_initiate_contact contact_message(struct hvg_bus *bus, uint32_t version)
{
	struct hvp_msg_initiate_contact contact = {
		.h.type = HVP_MSG_INITIATE_CONTACT,
		.version = version,
		.target_vp = bus->message_vp,
		.monitor_page_to_guest = hvos_shared_gpn(&bus->pages, 1) << HVP_PAGE_SHIFT,
		.monitor_page_to_host = hvos_shared_gpn(&bus->pages, 2) << HVP_PAGE_SHIFT,
	};

	if (version >= HVP_VERSION_5_0)
		contact.u.v5.sint = HVP_VMBUS_SINT;
	else
		contact.u.interrupt_page = hvos_shared_gpn(&bus->pages, 0) << HVP_PAGE_SHIFT;
	return contact;
}

/* -EOPNOTSUPP: not this version. */
static int try_version(struct hvg_bus *bus, uint32_t version)
{
	struct hvp_msg_initiate_contact contact;
	const struct hvp_msg_version_response *response;
	struct hvg_request request;
	int err;

	/* Before 3.0 the host does not ask where its messages should go. */
	bus->message_vp = version >= HVP_VERSION_3_0 ? hvg_hv_vp(&bus->hv, 0) : 0;
	contact = contact_message(bus, version);
	bus->connection_id = version >= HVP_VERSION_5_0 ? HVP_CONNECTION_MESSAGE_4 :
							  HVP_CONNECTION_MESSAGE_1;
	hvg_request_begin(bus, &request, HVP_MSG_VERSION_RESPONSE, 0, 0, NULL);
	err = hvg_request_ask(bus, &request, &contact, sizeof(contact));
	/* A host older than 5.0 does not know the newer connection. */
	if (err == -ENXIO)
		return version >= HVP_VERSION_5_0 ? -EOPNOTSUPP : -ENODEV;
	/* One that did not answer may still do so. */
	bus->contacted = true;
	if (err)
		return err;
	response = &request.answer.u.VERSION_RESPONSE;
	if (!response->supported) {
		bus->contacted = false;
		return -EOPNOTSUPP;
	}
	if (version >= HVP_VERSION_5_0)
		bus->connection_id = response->connection_id;
	if (response->connection_state != HVP_CONTACT_OK) {
		hvos_log(HVOS_ERROR, "the host cannot take the connection now: state %u",
			 response->connection_state);
		return -EIO;
	}
	__atomic_store_n(&bus->version, version, __ATOMIC_RELEASE);
	return 0;
}

int hvg_conn_contact(struct hvg_bus *bus, uint32_t version_max, uint32_t version_min)
{
	static const uint32_t versions[] = {
#define VERSION(major, minor) HVP_VERSION(major, minor),
		HVP_VERSION_LIST(VERSION)
#undef VERSION
	};
	unsigned i = sizeof(versions) / sizeof(versions[0]);

	while (i--) {
		int err;

		if (versions[i] > version_max || versions[i] < version_min)
			continue;
		err = try_version(bus, versions[i]);
		if (err != -EOPNOTSUPP)
			return err;
	}
	return -EOPNOTSUPP;
}

int hvg_conn_request_offers(struct hvg_bus *bus)
{
	struct hvp_msg_header message = { .type = HVP_MSG_REQUEST_OFFERS };

	hvos_event_reset(&bus->offers_delivered);
	hvos_lock(&bus->lock);
	bus->inbox_count = 0;
	bus->closed = false;
	hvos_unlock(&bus->lock);
	return hvg_conn_post(bus, &message, sizeof(message));
}

void hvg_conn_unload(struct hvg_bus *bus)
{
	struct hvp_msg_header message = { .type = HVP_MSG_UNLOAD };
	struct hvg_request request;
	int err;

	if (!bus->contacted)
		return;
	hvg_request_begin(bus, &request, HVP_MSG_UNLOAD_RESPONSE, 0, 0, NULL);
	err = hvg_request_ask(bus, &request, &message, sizeof(message));
	if (err)
		hvos_log(HVOS_WARNING,
			 "the host did not confirm the end of the connection: error %d", -err);
	bus->contacted = err != 0;
	__atomic_store_n(&bus->version, 0, __ATOMIC_RELEASE);
}

/* --- from the host, in interrupt context ---------------------------------------------------------------- */

/*
 * Nobody takes rescinds out of the inbox any more, but drivers that are being detached or suspended may still
 * wait for an answer that does not come. The channel is not freed while an interrupt runs.
 */
static void rescind_closed(struct hvg_bus *bus, uint32_t id)
{
	struct hvg_chan *chan = NULL;

	if (id <= HVP_CHANNEL_ID_MAX)
		chan = __atomic_load_n(&bus->by_id[id], __ATOMIC_ACQUIRE);
	if (!chan)
		return;
	__atomic_store_n(&chan->revoked, 1, __ATOMIC_SEQ_CST);
	hvg_request_revoke(bus, chan);
}

/* False: no room. */
static bool put_in_inbox(struct hvg_bus *bus, const struct hvw_msg *msg)
{
	bool room, closed;

	hvos_lock(&bus->lock);
	closed = bus->closed;
	room = closed || bus->inbox_count < HVG_INBOX_MESSAGES;
	if (closed) {
		hvg_bus_count(&bus->counters.unexpected, 1);
	} else if (room) {
		bus->inbox[(bus->inbox_first + bus->inbox_count++) % HVG_INBOX_MESSAGES] = *msg;
		hvos_work_queue(&bus->work);
	}
	if (!room || msg->u.h.type == HVP_MSG_RESCIND_OFFER)
		hvg_request_nudge(bus);
	hvos_unlock(&bus->lock);
	if (closed && msg->u.h.type == HVP_MSG_RESCIND_OFFER)
		rescind_closed(bus, msg->u.RESCIND_OFFER.channel_id);
	return room;
}

bool hvg_conn_message(void *ctx, const void *payload, size_t len)
{
	struct hvg_bus *bus = ctx;
	struct hvw_msg msg;

	hvg_bus_count(&bus->counters.messages, 1);
	__atomic_store_n(&bus->silent, 0, __ATOMIC_RELAXED);
	if (hvw_msg_parse(&msg, payload, len, HVP_TO_GUEST)) {
		hvg_bus_count(&bus->counters.violations, 1);
		return true;
	}
	switch (msg.u.h.type) {
	case HVP_MSG_OFFER_CHANNEL:
	case HVP_MSG_RESCIND_OFFER:
	case HVP_MSG_ALL_OFFERS_DELIVERED:
		if (put_in_inbox(bus, &msg))
			return true;
		/* It comes again; this time it does not count. */
		hvg_bus_count(&bus->counters.messages, (uint64_t)-1);
		return false;
	default:
		hvg_request_answer(bus, &msg);
		return true;
	}
}

void hvg_conn_event(void *ctx, uint32_t flag)
{
	struct hvg_bus *bus = ctx;
	struct hvg_chan *chan = NULL;
	hvos_fn signalled = NULL;

	if (flag <= HVP_CHANNEL_ID_MAX)
		chan = __atomic_load_n(&bus->by_id[flag], __ATOMIC_ACQUIRE);
	if (chan)
		signalled = __atomic_load_n(&chan->signalled, __ATOMIC_ACQUIRE);
	if (signalled)
		signalled(chan->signalled_ctx);
	else
		hvg_bus_count(&bus->counters.stray_events, 1);
}
