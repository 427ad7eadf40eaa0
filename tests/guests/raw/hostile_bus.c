/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Control messages that no driver sends.
 */
#include "bus.h"
#include "hostile.h"
#include "hv.h"

#define CHANNELS      4u /* ids that hosts offer first */
#define GPADL_HANDLES 24u /* few, so that they meet */
#define UNKNOWN_TYPES 8u

/* A message under construction. */
struct draft {
	uint32_t len;
	union {
		struct hvw_msg message;
		uint32_t words[HVP_MESSAGE_PAYLOAD_MAX / 4 + 1];
	} u;
};

static uint32_t any_channel(uint64_t *chance)
{
	return hostile_below(chance, 8) ? 1 + hostile_below(chance, CHANNELS) :
					  hostile_number(chance);
}

static uint32_t any_handle(uint64_t *chance)
{
	return hostile_below(chance, 16) ? 0x500 + hostile_below(chance, GPADL_HANDLES) :
					   hostile_number(chance);
}

static uint32_t any_vp(uint64_t *chance)
{
	return hostile_below(chance, 2) ? hostile_below(chance, hvos_cpu_count() + 1) :
					  hostile_number(chance);
}

static uint64_t any_page(uint64_t *chance)
{
	uint64_t ram = bm_firmware.ram_end / HVP_PAGE_SIZE;

	switch (hostile_below(chance, 8)) {
	case 0:
		return chance_next(chance);
	case 1:
		return ram + hostile_below(chance, 3) - 1;
	case 2:
		return (uint64_t)hostile_number(chance) << 20;
	case 3:
		return 0xa0 + hostile_below(chance, 0x60); /* where a PC has its BIOS */
	default:
		return hostile_below(chance, (uint32_t)ram);
	}
}

static void post(uint64_t *chance, const struct draft *d)
{
	uint32_t connection = HVP_CONNECTION_MESSAGE_1 + 3 * hostile_below(chance, 2);

	if (!hostile_below(chance, 32))
		connection = hostile_number(chance);
	hostile_post(connection,
		     hostile_below(chance, 64) ? HVP_MESSAGE_VMBUS : hostile_number(chance),
		     &d->u.message.u, d->len);
	(void)hostile_drain();
}

/* --- messages of any kind ------------------------------------------------------------------------- */

/* Any type, words that may mean something, the length that the type needs or any other. */
static void draft_any(uint64_t *chance, struct draft *d)
{
	uint32_t type = hostile_below(chance, HVP_MSG_END + UNKNOWN_TYPES);

	for (unsigned i = 0; i < HVP_MESSAGE_PAYLOAD_MAX / 4; i++)
		d->u.words[1 + i] = hostile_below(chance, 2) ? hostile_number(chance) :
							       hostile_below(chance, 6);
	/* Contacts and farewells end what others have begun: not so many of them. */
	if ((type == HVP_MSG_INITIATE_CONTACT || type == HVP_MSG_UNLOAD) && hostile_below(chance, 4))
		type = HVP_MSG_REQUEST_OFFERS;
	d->u.message.u.h.type = hostile_below(chance, 64) ? type : hostile_number(chance);
	d->len = hostile_below(chance, 4) ? hvw_msg_least(type) :
					    hostile_below(chance, HVP_MESSAGE_PAYLOAD_MAX + 8);
}

static void draft_contact(uint64_t *chance, struct draft *d)
{
	static const uint32_t versions[] = {
#define NUMBER(major, minor) HVP_VERSION(major, minor),
		HVP_VERSION_LIST(NUMBER)
#undef NUMBER
			HVP_VERSION(0, 13)
	};
	const unsigned count = sizeof(versions) / sizeof(versions[0]);
	uint32_t which = hostile_below(chance, count + 2);

	d->len = sizeof(struct hvp_msg_initiate_contact);
	d->u.message.u.INITIATE_CONTACT = (struct hvp_msg_initiate_contact){
		.h.type = HVP_MSG_INITIATE_CONTACT,
		.version = which < count ? versions[which] : hostile_number(chance),
		.target_vp = any_vp(chance),
		.u.interrupt_page = hostile_number(chance),
		.monitor_page_to_guest = chance_next(chance),
		.monitor_page_to_host = chance_next(chance),
	};
}

void hostile_messages(uint64_t *chance, unsigned rounds)
{
	struct draft d;

	for (unsigned i = 0; i < rounds; i++) {
		if (hostile_below(chance, 16))
			draft_any(chance, &d);
		else
			draft_contact(chance, &d);
		post(chance, &d);
	}
}

/* --- a connection for the others ------------------------------------------------------------------ */

/* Now and then, so that the other processors' messages meet a connected host, whoever did it. */
static void connect_sometimes(uint64_t *chance, unsigned round)
{
	struct draft d = { .len = sizeof(struct hvp_msg_initiate_contact) };

	if (round && hostile_below(chance, 100))
		return;
	d.u.message.u.INITIATE_CONTACT = (struct hvp_msg_initiate_contact){
		.h.type = HVP_MSG_INITIATE_CONTACT,
		.version = HVP_VERSION_5_3,
		.target_vp = cpu_this()->vp_index,
		.u.v5.sint = HVP_VMBUS_SINT,
	};
	hostile_post(HVP_CONNECTION_MESSAGE_4, HVP_MESSAGE_VMBUS, &d.u.message.u, d.len);
	d.u.message.u.h = (struct hvp_msg_header){ .type = HVP_MSG_REQUEST_OFFERS };
	hostile_post(HVP_CONNECTION_MESSAGE_4, HVP_MESSAGE_VMBUS, &d.u.message.u,
		     sizeof(struct hvp_msg_header));
}

/* --- GPADLs --------------------------------------------------------------------------------------- */

/* Right but for what chance makes wrong: counts, lengths, pages. */
static void draft_gpadl_header(uint64_t *chance, struct draft *d)
{
	struct hvp_msg_gpadl_header *h = &d->u.message.u.GPADL_HEADER;
	uint32_t pages = hostile_below(chance, 27), total = pages, at = sizeof(*h);
	struct hvp_gpa_range range = {
		.byte_count = pages * HVP_PAGE_SIZE,
		.byte_offset = hostile_below(chance, 4) ? 0 : hostile_number(chance),
	};

	if (!hostile_below(chance, 4))
		total = hostile_below(chance, 8192); /* the rest is for bodies */
	if (!hostile_below(chance, 4))
		range.byte_count = hostile_number(chance);
	*h = (struct hvp_msg_gpadl_header){
		.h.type = HVP_MSG_GPADL_HEADER,
		.channel_id = any_channel(chance),
		.gpadl = any_handle(chance),
		.range_bytes = (uint16_t)(sizeof(range) + total * 8),
		.range_count = hostile_below(chance, 8) ? 1 : (uint16_t)hostile_number(chance),
	};
	if (!hostile_below(chance, 8))
		h->range_bytes = (uint16_t)hostile_number(chance);
	hvw_memcpy(d->u.message.u.bytes + at, &range, sizeof(range));
	at += sizeof(range);
	for (uint32_t i = 0; i < pages; i++, at += 8) {
		uint64_t page = any_page(chance);

		hvw_memcpy(d->u.message.u.bytes + at, &page, sizeof(page));
	}
	d->len = hostile_below(chance, 8) ? at : hostile_below(chance, at + 1);
}

static void draft_gpadl_body(uint64_t *chance, struct draft *d)
{
	d->u.message.u.GPADL_BODY = (struct hvp_msg_gpadl_body){
		.h.type = HVP_MSG_GPADL_BODY,
		.message_number = hostile_number(chance),
		.gpadl = any_handle(chance),
	};
	d->len = sizeof(struct hvp_msg_gpadl_body);
	for (uint32_t i = hostile_below(chance, 29); i; i--, d->len += 8) {
		uint64_t page = any_page(chance);

		hvw_memcpy(d->u.message.u.bytes + d->len, &page, sizeof(page));
	}
}

static void draft_teardown(uint64_t *chance, struct draft *d)
{
	d->u.message.u.GPADL_TEARDOWN = (struct hvp_msg_gpadl_teardown){
		.h.type = HVP_MSG_GPADL_TEARDOWN,
		.channel_id = any_channel(chance),
		.gpadl = any_handle(chance),
	};
	d->len = sizeof(struct hvp_msg_gpadl_teardown);
}

void hostile_gpadls(uint64_t *chance, unsigned rounds)
{
	for (unsigned i = 0; i < rounds; i++) {
		struct draft d;

		connect_sometimes(chance, i);
		switch (hostile_below(chance, 4)) {
		case 0:
			draft_teardown(chance, &d);
			break;
		case 1:
			draft_gpadl_body(chance, &d);
			break;
		default:
			draft_gpadl_header(chance, &d);
		}
		post(chance, &d);
	}
}

/* --- life of channels ----------------------------------------------------------------------------- */

/* A ring that can be opened, under a handle that the others use as well. */
static void draft_ring(uint64_t *chance, struct draft *d)
{
	static uint8_t ring[4 * HVP_PAGE_SIZE] __attribute__((aligned(4096)));
	struct bus_gpadl gpadl;

	d->len = bus_draft_gpadl(&gpadl, 1 + hostile_below(chance, CHANNELS), any_handle(chance),
				 mem_gpa(ring), 4);
	hvw_memcpy(d->u.message.u.bytes, &gpadl, d->len);
}

static void draft_open(uint64_t *chance, struct draft *d)
{
	d->u.message.u.OPEN_CHANNEL = (struct hvp_msg_open_channel){
		.h.type = HVP_MSG_OPEN_CHANNEL,
		.channel_id = any_channel(chance),
		.open_id = hostile_number(chance),
		.ring_gpadl = any_handle(chance),
		.target_vp = any_vp(chance),
		.downstream_page = hostile_below(chance, 4) ? 2 : hostile_number(chance),
	};
	d->len = sizeof(struct hvp_msg_open_channel);
}

static void draft_channel_ref(uint64_t *chance, struct draft *d, uint32_t type)
{
	d->u.message.u.MODIFY_CHANNEL = (struct hvp_msg_modify_channel){
		.h.type = type,
		.channel_id = any_channel(chance),
		.target_vp = any_vp(chance),
	};
	d->len = sizeof(struct hvp_msg_modify_channel);
}

void hostile_opens(uint64_t *chance, unsigned rounds)
{
	for (unsigned i = 0; i < rounds; i++) {
		struct draft d;

		connect_sometimes(chance, i);
		switch (hostile_below(chance, 10)) {
		case 0:
		case 1:
			draft_ring(chance, &d);
			break;
		case 2:
		case 3:
		case 4:
			draft_open(chance, &d);
			break;
		case 5:
		case 6:
			draft_channel_ref(chance, &d, HVP_MSG_CLOSE_CHANNEL);
			break;
		case 7:
			draft_channel_ref(chance, &d, HVP_MSG_MODIFY_CHANNEL);
			break;
		case 8:
			if (hostile_below(chance, 8))
				draft_teardown(chance, &d);
			else
				draft_channel_ref(chance, &d, HVP_MSG_RELID_RELEASED);
			break;
		default:
			draft_teardown(chance, &d);
		}
		post(chance, &d);
	}
}

/* --- one of each kind ----------------------------------------------------------------------------- */

#define LOG_WINDOW (5100 * TICKS_PER_MS) /* the host's: ten lines in five seconds */

static void send(const void *message, uint32_t len)
{
	(void)bus_post(message, len);
	bus_drain();
}

static void send_ref(uint32_t type, uint32_t channel_id, uint32_t second)
{
	const struct hvp_msg_modify_channel m = {
		.h.type = type,
		.channel_id = channel_id,
		.target_vp = second,
	};

	send(&m, sizeof(m));
}

/* One page; `list_bytes` is what the message says of the list's length. */
static void send_gpadl(uint32_t handle, uint16_t list_bytes, uint64_t gpa)
{
	struct bus_gpadl gpadl;
	uint32_t len = bus_draft_gpadl(&gpadl, 1, handle, gpa, 1);

	gpadl.header.range_bytes = list_bytes;
	send(&gpadl, len);
}

/* What tests/vm/hostile looks for in the log stands in the same order there. */
void hostile_specimens(void)
{
	static const struct hvp_guid heartbeat = HVP_CLASS_HEARTBEAT;
	struct hvw_msg m = { .u.h.type = 99 };
	struct bus_channel *channel;

	send(&m.u, 8);
	m.u.h.type = HVP_MSG_OPEN_CHANNEL;
	send(&m.u, 20);
	m.u.h.type = HVP_MSG_REQUEST_OFFERS;
	send(&m.u, 8);
	tap_ok(bus_connect(HVP_VERSION_5_3), "specimens: contact");
	send(&m.u, 8);
	send_ref(HVP_MSG_CLOSE_CHANNEL, 999, 0);
	send_ref(HVP_MSG_CLOSE_CHANNEL, 1, 0);
	send_gpadl(0x701, 16, 0xd0000000);
	send_gpadl(0x702, 12, 0x100000);
	time_wait(LOG_WINDOW);

	m.u.GPADL_BODY =
		(struct hvp_msg_gpadl_body){ .h.type = HVP_MSG_GPADL_BODY, .gpadl = 0x703 };
	send(&m.u, 24);
	send_ref(HVP_MSG_GPADL_TEARDOWN, 1, 0x704);
	send_ref(HVP_MSG_MODIFY_CHANNEL, 1, 0);
	m = (struct hvw_msg){ .u.MODIFY_CONNECTION.h.type = HVP_MSG_MODIFY_CONNECTION }; /* of 6.0 */
	send(&m.u, sizeof(m.u.MODIFY_CONNECTION));
	m.u.OPEN_CHANNEL = (struct hvp_msg_open_channel){
		.h.type = HVP_MSG_OPEN_CHANNEL,
		.channel_id = 1,
		.ring_gpadl = 0x705,
		.downstream_page = 2,
	};
	send(&m.u, sizeof(m.u.OPEN_CHANNEL));
	channel = bus_open(&heartbeat, 0);
	if (!tap_ok(channel, "specimens: a channel opens"))
		return;
	m.u.OPEN_CHANNEL.channel_id = channel->offer.channel_id;
	send(&m.u, sizeof(m.u.OPEN_CHANNEL));
	send_ref(HVP_MSG_RELID_RELEASED, channel->offer.channel_id, 0);
	channel->tx.control->write_index = 4;
	(void)hv_signal(channel->offer.connection_id, 0);
	time_wait(100 * TICKS_PER_MS);
	tap_ok(bus_close(channel), "specimens: a broken channel closes");
	tap_ok(bus_disconnect(), "specimens: UNLOAD is answered");
}
