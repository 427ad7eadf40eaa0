/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fake_host.h"

#define CONNECTION_5_0 0x1234u /* what 5.0 and later are told to use */
#define EVENT_BASE     0x2000u

/* Longer than the guest waits for anything. */
#define LATE_MS 40000u

static void fault(struct fake_host *fake, const char *format, ...)
{
	va_list args;

	fake->faults++;
	va_start(args, format);
	vsnprintf(fake->fault, sizeof(fake->fault), format, args);
	va_end(args);
}

static struct fake_channel *find_channel(struct fake_host *fake, uint32_t id)
{
	for (unsigned i = 0; i < FAKE_CHANNELS; i++)
		if (id && fake->channels[i].id == id)
			return &fake->channels[i];
	return NULL;
}

static struct fake_gpadl *find_gpadl(struct fake_host *fake, uint32_t handle)
{
	for (unsigned i = 0; i < FAKE_GPADLS; i++)
		if (fake->gpadl[i].handle == handle)
			return &fake->gpadl[i];
	return NULL;
}

/* --- to the guest ---------------------------------------------------------------------------------------- */

void fake_send(struct fake_host *fake, const void *message, size_t len)
{
	if (!fake->tamper || !fake->tamper(fake, message, len))
		soft_message(&fake->soft, fake->message_vp, HVP_MESSAGE_VMBUS, message, len);
}

static void send_ref(struct fake_host *fake, uint32_t type, uint32_t id)
{
	struct hvp_msg_channel_ref ref = { .h.type = type, .channel_id = id };

	fake_send(fake, &ref, sizeof(ref));
}

void fake_offer(struct fake_host *fake, struct fake_channel *channel)
{
	struct hvp_msg_offer_channel offer = {
		.h.type = HVP_MSG_OFFER_CHANNEL,
		.class_id = channel->class_id,
		.instance_id = channel->instance_id,
		.subchannel_index = channel->index,
		.channel_id = channel->id,
		.monitor_id = HVP_MONITOR_ID_NONE,
		.dedicated_interrupt = 1,
		.connection_id = EVENT_BASE | channel->id,
	};

	channel->connection_id = offer.connection_id;
	channel->offered = true;
	channel->rescinded = false;
	fake_send(fake, &offer, sizeof(offer));
}

void fake_rescind(struct fake_host *fake, struct fake_channel *channel)
{
	if (!channel->offered)
		return;
	channel->offered = false;
	channel->rescinded = true;
	send_ref(fake, HVP_MSG_RESCIND_OFFER, channel->id);
}

/* An answer with ids that nobody asked about, and bad news. */
static void spoil_ids(struct hvw_msg *answer)
{
	switch (answer->u.h.type) {
	case HVP_MSG_OPEN_RESULT:
		answer->u.OPEN_RESULT.open_id += 1000;
		answer->u.OPEN_RESULT.status = HVP_OPEN_FAILED;
		break;
	case HVP_MSG_GPADL_CREATED:
		answer->u.GPADL_CREATED.gpadl += 1000;
		answer->u.GPADL_CREATED.status = HVP_GPADL_FAILED;
		break;
	case HVP_MSG_GPADL_TORNDOWN:
		answer->u.GPADL_TORNDOWN.gpadl += 1000;
		break;
	case HVP_MSG_MODIFY_CHANNEL_RESPONSE:
		answer->u.MODIFY_CHANNEL_RESPONSE.channel_id += 1000;
		break;
	default: /* these carry none */
		answer->u.h.type = 0;
		break;
	}
}

void fake_send_garbage(struct fake_host *fake, uint32_t answer)
{
	struct hvw_msg msg;
	uint32_t type;

	for (type = 0; type < HVP_MSG_END + 2; type++) {
		if (type == answer || type == HVP_MSG_VERSION_RESPONSE ||
		    type == HVP_MSG_UNLOAD_RESPONSE)
			continue;
		memset(&msg, 0xff, sizeof(msg));
		msg.u.h.type = type;
		fake_send(fake, &msg.u, 0);
		fake_send(fake, &msg.u, sizeof(type) - 1);
		fake_send(fake, &msg.u, hvw_msg_least(type) ? hvw_msg_least(type) - 1 : 8);
		/* A complete one with numbers that cannot be. */
		if (type != HVP_MSG_ALL_OFFERS_DELIVERED)
			fake_send(fake, &msg.u, HVP_MESSAGE_PAYLOAD_MAX);
	}
	soft_message(&fake->soft, fake->message_vp, 0x80000010u, &msg.u, 32);
	for (type = 0; type <= HVP_CHANNEL_ID_MAX; type += 97)
		soft_event(&fake->soft, fake->message_vp, type);
}

struct late {
	struct fake_host *fake;
	struct hvw_msg msg;
	uint32_t len;
};

static void send_late(void *ctx)
{
	struct late *late = ctx;

	hvos_sleep_ms(LATE_MS);
	fake_send(late->fake, &late->msg.u, late->len);
	free(late);
}

static void answer_late(struct fake_host *fake, const struct hvw_msg *msg, uint32_t len)
{
	struct late *late = malloc(sizeof(*late));

	if (!late)
		sim_die("no memory");
	late->fake = fake;
	late->msg = *msg;
	late->len = len;
	sim_thread("late answer", send_late, late);
}

static void answer(struct fake_host *fake, enum fake_action action, struct fake_channel *channel,
		   struct hvw_msg *msg)
{
	uint32_t len = hvw_msg_least(msg->u.h.type);
	struct hvw_msg wrong = *msg;

	switch (action) {
	case FAKE_RESCIND_INSTEAD:
	case FAKE_RESCIND_BEFORE:
		if (channel)
			fake_rescind(fake, channel);
		if (action == FAKE_RESCIND_INSTEAD && msg->u.h.type != HVP_MSG_GPADL_TORNDOWN)
			return;
		break;
	case FAKE_WRONG_IDS:
		spoil_ids(&wrong);
		fake_send(fake, &wrong.u, len);
		break;
	case FAKE_GARBAGE:
		fake_send_garbage(fake, msg->u.h.type);
		break;
	case FAKE_SILENT:
		return;
	case FAKE_LATE:
		answer_late(fake, msg, len);
		return;
	default:
		break;
	}
	fake_send(fake, &msg->u, len);
	if (action == FAKE_TWICE)
		fake_send(fake, &msg->u, len);
	if (action == FAKE_RESCIND_AFTER && channel)
		fake_rescind(fake, channel);
}

/* --- what it knows of the guest's memory -------------------------------------------------------------------- */

static void unmap_ring(struct fake_channel *channel)
{
	if (channel->ring.base)
		hvh_mem_unmap(&channel->ring);
	channel->ring.base = NULL;
	channel->open = false;
}

static void forget_gpadl(struct fake_host *fake, struct fake_gpadl *gpadl)
{
	for (unsigned i = 0; i < FAKE_CHANNELS; i++)
		if (fake->channels[i].ring.base && fake->channels[i].ring_gpadl == gpadl->handle)
			unmap_ring(&fake->channels[i]);
	free(gpadl->gpns);
	memset(gpadl, 0, sizeof(*gpadl));
	fake->gpadls--;
}

static void forget_guest(struct fake_host *fake)
{
	for (unsigned i = 0; i < FAKE_GPADLS; i++)
		if (fake->gpadl[i].handle)
			forget_gpadl(fake, &fake->gpadl[i]);
	for (unsigned i = 0; i < FAKE_CHANNELS; i++) {
		fake->channels[i].offered = false;
		if (fake->channels[i].rescinded)
			fake->channels[i].id = 0;
	}
	fake->version = 0;
	fake->contacted = false;
	memset(fake->contact_pages, 0, sizeof(fake->contact_pages));
}

static void scribble_page(struct fake_host *fake, uint64_t gpn)
{
	uint64_t noise = 0xa5a5a5a5a5a5a5a5;

	if (hvh_mem_write(fake->mem, (gpn << HVP_PAGE_SHIFT) + sim_random(500) * 8, &noise,
			  sizeof(noise)))
		sim_die("a page that is no memory");
}

void fake_scribble(struct fake_host *fake)
{
	for (unsigned i = 0; i < FAKE_GPADLS; i++)
		for (uint32_t page = 0; page < fake->gpadl[i].filled; page++)
			scribble_page(fake, fake->gpadl[i].gpns[page]);
	for (unsigned i = 0; fake->contacted && i < 3; i++)
		if (fake->contact_pages[i])
			scribble_page(fake, fake->contact_pages[i] >> HVP_PAGE_SHIFT);
	for (unsigned cpu = 0; cpu < fake->soft.cpus; cpu++) {
		if (fake->soft.cpu[cpu].simp & HVP_MSR_ENABLE)
			scribble_page(fake, fake->soft.cpu[cpu].simp >> HVP_PAGE_SHIFT);
		if (fake->soft.cpu[cpu].siefp & HVP_MSR_ENABLE)
			scribble_page(fake, fake->soft.cpu[cpu].siefp >> HVP_PAGE_SHIFT);
	}
	if (fake->soft.reference_tsc & HVP_MSR_ENABLE)
		scribble_page(fake, fake->soft.reference_tsc >> HVP_PAGE_SHIFT);
}

/* --- from the guest ------------------------------------------------------------------------------------------ */

static void offer_all(struct fake_host *fake)
{
	for (unsigned i = 0; i < FAKE_CHANNELS; i++)
		if (fake->channels[i].id && !fake->channels[i].offered && !fake->no_offers)
			fake_offer(fake, &fake->channels[i]);
}

static void on_contact(struct fake_host *fake, const struct hvp_msg_initiate_contact *contact,
		       enum fake_action action)
{
	bool supported = contact->version <= fake->version_max && action != FAKE_REFUSE;
	struct hvw_msg msg = { .u.VERSION_RESPONSE = { .h.type = HVP_MSG_VERSION_RESPONSE } };

	forget_guest(fake);
	fake->message_vp = contact->version >= HVP_VERSION_3_0 ? contact->target_vp : 0;
	if (contact->monitor_page_to_guest % HVP_PAGE_SIZE ||
	    contact->monitor_page_to_host % HVP_PAGE_SIZE || !contact->monitor_page_to_guest)
		fault(fake, "monitor pages");
	msg.u.VERSION_RESPONSE.supported = supported;
	msg.u.VERSION_RESPONSE.connection_state = supported ? fake->connection_state : 0;
	msg.u.VERSION_RESPONSE.connection_id =
		contact->version >= HVP_VERSION_5_0 ? CONNECTION_5_0 : contact->version;
	if (supported) {
		fake->version = contact->version;
		fake->contacted = true;
		fake->contact_pages[0] = contact->monitor_page_to_guest;
		fake->contact_pages[1] = contact->monitor_page_to_host;
		if (contact->version < HVP_VERSION_5_0)
			fake->contact_pages[2] = contact->u.interrupt_page;
		if (fake->eager)
			offer_all(fake);
	}
	answer(fake, action, NULL, &msg);
}

static void created(struct fake_host *fake, const struct fake_gpadl *gpadl, enum fake_action action)
{
	struct hvw_msg msg = { .u.GPADL_CREATED = {
				       .h.type = HVP_MSG_GPADL_CREATED,
				       .channel_id = gpadl->channel_id,
				       .gpadl = gpadl->handle,
				       .status = action == FAKE_REFUSE ? HVP_GPADL_FAILED :
									 HVP_GPADL_SUCCESS,
			       } };
	struct fake_channel *channel = find_channel(fake, gpadl->channel_id);

	if (action == FAKE_REFUSE)
		forget_gpadl(fake, find_gpadl(fake, gpadl->handle));
	answer(fake, action, channel, &msg);
}

static void add_pages(struct fake_host *fake, struct fake_gpadl *gpadl, const uint8_t *bytes,
		      size_t len, enum fake_action action)
{
	if (len % sizeof(uint64_t) || len / sizeof(uint64_t) > gpadl->pages - gpadl->filled) {
		fault(fake, "GPADL 0x%x: %zu bytes too many", gpadl->handle, len);
		return;
	}
	memcpy(gpadl->gpns + gpadl->filled, bytes, len);
	gpadl->filled += (uint32_t)(len / sizeof(uint64_t));
	for (uint32_t i = 0; i < gpadl->filled; i++)
		if (!hvh_mem_contains(fake->mem, gpadl->gpns[i] << HVP_PAGE_SHIFT, HVP_PAGE_SIZE))
			fault(fake, "GPADL 0x%x: page %u is no memory", gpadl->handle, i);
	if (gpadl->filled == gpadl->pages)
		created(fake, gpadl, action);
	else if (action == FAKE_RESCIND_INSTEAD || action == FAKE_RESCIND_BEFORE)
		fake_rescind(fake, find_channel(fake, gpadl->channel_id));
}

static void on_gpadl_header(struct fake_host *fake, const struct hvw_msg *msg,
			    enum fake_action action)
{
	const struct hvp_msg_gpadl_header *header = &msg->u.GPADL_HEADER;
	const size_t fixed = sizeof(*header) + sizeof(struct hvp_gpa_range);
	struct fake_gpadl *gpadl = find_gpadl(fake, 0);
	struct hvp_gpa_range range;

	memcpy(&range, msg->u.bytes + sizeof(*header), sizeof(range));
	if (!header->gpadl || find_gpadl(fake, header->gpadl) != NULL || !gpadl ||
	    header->range_count != 1 || range.byte_offset || range.byte_count % HVP_PAGE_SIZE ||
	    range.byte_count / HVP_PAGE_SIZE * 8 + sizeof(range) != header->range_bytes ||
	    msg->len < fixed || !find_channel(fake, header->channel_id)) {
		fault(fake, "GPADL 0x%x makes no sense", header->gpadl);
		return;
	}
	gpadl->handle = header->gpadl;
	gpadl->channel_id = header->channel_id;
	gpadl->pages = range.byte_count / HVP_PAGE_SIZE;
	gpadl->gpns = calloc(gpadl->pages, sizeof(uint64_t));
	if (!gpadl->gpns)
		sim_die("no memory");
	fake->gpadls++;
	add_pages(fake, gpadl, msg->u.bytes + fixed, msg->len - fixed, action);
}

static void on_gpadl_body(struct fake_host *fake, const struct hvw_msg *msg,
			  enum fake_action action)
{
	const size_t fixed = sizeof(struct hvp_msg_gpadl_body);
	struct fake_gpadl *gpadl = find_gpadl(fake, msg->u.GPADL_BODY.gpadl);

	if (!gpadl || !msg->u.GPADL_BODY.gpadl)
		fault(fake, "a body of GPADL 0x%x", msg->u.GPADL_BODY.gpadl);
	else
		add_pages(fake, gpadl, msg->u.bytes + fixed, msg->len - fixed, action);
}

static void on_teardown(struct fake_host *fake, const struct hvp_msg_gpadl_teardown *teardown,
			enum fake_action action)
{
	struct hvw_msg msg = { .u.GPADL_TORNDOWN = { .h.type = HVP_MSG_GPADL_TORNDOWN,
						     .gpadl = teardown->gpadl } };
	struct fake_gpadl *gpadl = find_gpadl(fake, teardown->gpadl);
	struct fake_channel *channel = find_channel(fake, teardown->channel_id);

	if (!gpadl || !teardown->gpadl || gpadl->channel_id != teardown->channel_id) {
		fault(fake, "teardown of GPADL 0x%x", teardown->gpadl);
		return;
	}
	if (channel && channel->open && !channel->rescinded &&
	    channel->ring_gpadl == teardown->gpadl)
		fault(fake, "teardown of the ring of channel %u, which is open", channel->id);
	forget_gpadl(fake, gpadl);
	answer(fake, action, channel, &msg);
}

static bool map_ring(struct fake_host *fake, struct fake_channel *channel,
		     const struct fake_gpadl *gpadl, uint32_t downstream)
{
	size_t send = (size_t)downstream * HVP_PAGE_SIZE;
	uint8_t *base;

	if (!gpadl || !downstream || downstream >= gpadl->pages || gpadl->filled != gpadl->pages ||
	    hvh_mem_map(fake->mem, gpadl->gpns, gpadl->pages, &channel->ring))
		return false;
	base = channel->ring.base;
	return !hvw_rx_init(&channel->rx, base, send) &&
	       !hvw_tx_init(&channel->tx, base + send, channel->ring.bytes - send);
}

static void on_open(struct fake_host *fake, const struct hvp_msg_open_channel *open,
		    enum fake_action action)
{
	struct hvw_msg msg = { .u.OPEN_RESULT = { .h.type = HVP_MSG_OPEN_RESULT,
						  .channel_id = open->channel_id,
						  .open_id = open->open_id } };
	struct fake_channel *channel = find_channel(fake, open->channel_id);

	/* The guest may not have heard of the rescind. */
	if (channel && channel->rescinded)
		return;
	if (!channel || !channel->offered || channel->open || open->target_vp >= fake->soft.cpus) {
		fault(fake, "open of channel %u", open->channel_id);
		return;
	}
	if (action == FAKE_REFUSE) {
		msg.u.OPEN_RESULT.status = HVP_OPEN_FAILED;
	} else if (!map_ring(fake, channel, find_gpadl(fake, open->ring_gpadl),
			     open->downstream_page)) {
		fault(fake, "the ring of channel %u", channel->id);
		return;
	} else {
		channel->open = true;
		channel->opens++;
		channel->ring_gpadl = open->ring_gpadl;
		channel->target_vp = open->target_vp;
		memcpy(channel->user_data, open->user_data, sizeof(channel->user_data));
	}
	answer(fake, action, channel, &msg);
}

static void on_close(struct fake_host *fake, uint32_t id)
{
	struct fake_channel *channel = find_channel(fake, id);

	if (channel && channel->rescinded)
		return;
	if (!channel || !channel->open) {
		fault(fake, "close of channel %u", id);
		return;
	}
	unmap_ring(channel);
}

static void on_modify(struct fake_host *fake, const struct hvp_msg_modify_channel *modify,
		      enum fake_action action)
{
	struct hvw_msg msg = { .u.MODIFY_CHANNEL_RESPONSE = {
				       .h.type = HVP_MSG_MODIFY_CHANNEL_RESPONSE,
				       .channel_id = modify->channel_id,
				       .status = action == FAKE_REFUSE ? -1 : 0,
			       } };
	struct fake_channel *channel = find_channel(fake, modify->channel_id);

	if (!channel || fake->version < HVP_VERSION_4_1 || modify->target_vp >= fake->soft.cpus) {
		fault(fake, "modify of channel %u", modify->channel_id);
		return;
	}
	if (action != FAKE_REFUSE)
		channel->target_vp = modify->target_vp;
	if (fake->version >= HVP_VERSION_5_3)
		answer(fake, action, channel, &msg);
}

static void on_released(struct fake_host *fake, uint32_t id)
{
	struct fake_channel *channel = find_channel(fake, id);

	if (!channel || !channel->rescinded) {
		fault(fake, "release of channel %u", id);
		return;
	}
	unmap_ring(channel);
	channel->id = 0;
	channel->rescinded = false;
}

static void on_unload(struct fake_host *fake, enum fake_action action)
{
	struct hvw_msg msg = { .u.h.type = HVP_MSG_UNLOAD_RESPONSE };

	forget_guest(fake);
	answer(fake, action, NULL, &msg);
}

static void on_message(struct fake_host *fake, const struct hvw_msg *msg, enum fake_action action)
{
	struct hvw_msg delivered = { .u.h.type = HVP_MSG_ALL_OFFERS_DELIVERED };
	uint32_t type = msg->u.h.type;

	if (action == FAKE_IGNORE)
		return;
	if (type != HVP_MSG_INITIATE_CONTACT && type != HVP_MSG_UNLOAD && !fake->version) {
		fault(fake, "%s without a connection", hvw_msg_name(type));
		return;
	}
	switch (type) {
	case HVP_MSG_INITIATE_CONTACT:
		on_contact(fake, &msg->u.INITIATE_CONTACT, action);
		break;
	case HVP_MSG_REQUEST_OFFERS:
		offer_all(fake);
		answer(fake, action, NULL, &delivered);
		break;
	case HVP_MSG_GPADL_HEADER:
		on_gpadl_header(fake, msg, action);
		break;
	case HVP_MSG_GPADL_BODY:
		on_gpadl_body(fake, msg, action);
		break;
	case HVP_MSG_GPADL_TEARDOWN:
		on_teardown(fake, &msg->u.GPADL_TEARDOWN, action);
		break;
	case HVP_MSG_OPEN_CHANNEL:
		on_open(fake, &msg->u.OPEN_CHANNEL, action);
		break;
	case HVP_MSG_CLOSE_CHANNEL:
		on_close(fake, msg->u.CLOSE_CHANNEL.channel_id);
		break;
	case HVP_MSG_MODIFY_CHANNEL:
		on_modify(fake, &msg->u.MODIFY_CHANNEL, action);
		break;
	case HVP_MSG_RELID_RELEASED:
		on_released(fake, msg->u.RELID_RELEASED.channel_id);
		break;
	case HVP_MSG_UNLOAD:
		on_unload(fake, action);
		break;
	default:
		fault(fake, "message %s", hvw_msg_name(type));
		break;
	}
}

static enum fake_action find_action(const struct fake_host *fake, uint32_t type)
{
	for (unsigned i = 0; i < FAKE_RULES; i++) {
		const struct fake_rule *rule = &fake->rules[i];

		if (rule->action && (!rule->type || rule->type == type) &&
		    (!rule->nth || rule->nth == (rule->type ? fake->seen[type] : fake->total)))
			return rule->action;
	}
	return FAKE_ANSWER;
}

static uint16_t op_post(void *ctx, uint32_t connection_id, uint32_t type, const void *payload,
			size_t len)
{
	struct fake_host *fake = ctx;
	enum fake_action action;
	struct hvw_msg msg;

	if (fake->absent || (fake->old && connection_id == HVP_CONNECTION_MESSAGE_4))
		return HVP_STATUS_INVALID_CONNECTION_ID;
	if (type != HVP_MESSAGE_VMBUS || hvw_msg_parse(&msg, payload, len, HVP_TO_HOST)) {
		fault(fake, "no message");
		return HVP_STATUS_INVALID_PARAMETER;
	}
	/* One that was never told which to use takes the one of the contact. */
	if (msg.u.h.type != HVP_MSG_INITIATE_CONTACT && fake->version &&
	    (msg.u.h.type != HVP_MSG_UNLOAD || connection_id != HVP_CONNECTION_MESSAGE_4) &&
	    connection_id !=
		    (fake->version >= HVP_VERSION_5_0 ? CONNECTION_5_0 : HVP_CONNECTION_MESSAGE_1))
		fault(fake, "%s by connection %u", hvw_msg_name(msg.u.h.type), connection_id);
	fake->seen[msg.u.h.type] += !fake->busy;
	fake->total += !fake->busy;
	action = find_action(fake, msg.u.h.type);
	fake->busy = action == FAKE_FULL || (!fake->busy && action == FAKE_BUSY);
	if (fake->busy)
		return HVP_STATUS_INSUFFICIENT_BUFFERS;
	if (action == FAKE_FAIL)
		return HVP_STATUS_INVALID_PARAMETER;
	on_message(fake, &msg, action);
	return HVP_STATUS_SUCCESS;
}

static uint16_t op_doorbell(void *ctx, uint32_t connection_id)
{
	struct fake_host *fake = ctx;
	struct fake_channel *channel = find_channel(fake, connection_id & ~EVENT_BASE);

	if (!channel || channel->connection_id != connection_id)
		return HVP_STATUS_INVALID_CONNECTION_ID;
	channel->doorbells++;
	if (fake->doorbell)
		fake->doorbell(fake, channel);
	return HVP_STATUS_SUCCESS;
}

static const struct soft_host_ops ops = { op_post, op_doorbell };

/* --- packets -------------------------------------------------------------------------------------------------- */

void fake_signal(struct fake_host *fake, struct fake_channel *channel)
{
	soft_event(&fake->soft, channel->target_vp, channel->id);
}

int fake_put(struct fake_host *fake, struct fake_channel *channel, uint64_t transaction_id,
	     const void *payload, uint32_t len)
{
	bool signal = false;
	int err = hvw_tx_send(&channel->tx, 0, transaction_id, payload, len, &signal);

	if (signal)
		fake_signal(fake, channel);
	return err;
}

int fake_take(struct fake_host *fake, struct fake_channel *channel, uint64_t *transaction_id,
	      void *payload, uint32_t max)
{
	struct hvw_rx_packet packet;
	int err = hvw_rx_next(&channel->rx, &packet);

	if (err)
		return err;
	if (packet.h.type != HVP_PACKET_INBAND || packet.payload_len > max)
		return -EMSGSIZE;
	*transaction_id = packet.h.transaction_id;
	err = hvw_rx_copy(&channel->rx, &packet, packet.header_len, payload, packet.payload_len);
	if (hvw_rx_release(&channel->rx))
		fake_signal(fake, channel);
	return err ? err : (int)packet.payload_len;
}

/* --- life ------------------------------------------------------------------------------------------------------ */

struct fake_channel *fake_add(struct fake_host *fake, struct hvp_guid class_id, uint8_t instance,
			      uint16_t index)
{
	static const struct fake_channel none;

	for (unsigned i = 0; i < FAKE_CHANNELS; i++) {
		struct fake_channel *channel = &fake->channels[i];

		if (channel->id)
			continue;
		*channel = none;
		channel->class_id = class_id;
		channel->instance_id.b[0] = instance;
		channel->index = index;
		channel->id = i + 1;
		return channel;
	}
	return NULL;
}

void fake_init(struct fake_host *fake, unsigned cpus, uint64_t ram)
{
	memset(fake, 0, sizeof(*fake));
	fake->version_max = HVP_VERSION_5_3;
	/* Not at 0, so that numbers of pages are not mistaken for offsets. */
	if (hvh_mem_create(&fake->mem) || hvh_mem_add(fake->mem, 0x10000000, ram))
		sim_die("no memory");
	soft_init(&fake->soft, fake->mem, cpus, &ops, fake);
}

void fake_fini(struct fake_host *fake)
{
	forget_guest(fake);
	soft_fini(&fake->soft);
	hvh_mem_destroy(fake->mem);
}
