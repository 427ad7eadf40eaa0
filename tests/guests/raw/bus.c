/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "bus.h"
#include "hv.h"

#include "hvw_guid.h"

#define WAIT	     (2000 * TICKS_PER_MS)
#define MOMENT	     (30 * TICKS_PER_MS)
#define GPADL_FIRST  0x100u
#define PACKET_BYTES 512

struct bus_channel bus_channels[BUS_CHANNELS_MAX];
unsigned bus_channel_count;

static uint32_t connection_id = HVP_CONNECTION_MESSAGE_4;
static uint32_t next_gpadl = GPADL_FIRST;

/* --- messages ------------------------------------------------------------------------------------- */

bool bus_post(const void *message, uint32_t len)
{
	uint16_t status = HVP_STATUS_SUCCESS;

	/* The host may have no room while its own messages wait. */
	return TIME_UNTIL((status = hv_post(connection_id, HVP_MESSAGE_VMBUS, message, len)) !=
				  HVP_STATUS_INSUFFICIENT_BUFFERS,
			  WAIT) &&
	       status == HVP_STATUS_SUCCESS;
}

static bool take(struct hvw_msg *message)
{
	struct hvp_synic_message slot;

	return hv_synic_take(HVP_VMBUS_SINT, &slot) && slot.type == HVP_MESSAGE_VMBUS &&
	       !hvw_msg_parse(message, slot.payload, slot.size, HVP_TO_GUEST);
}

bool bus_await(uint32_t type, struct hvw_msg *message)
{
	return TIME_UNTIL(take(message) && message->u.h.type == type, WAIT);
}

void bus_drain(void)
{
	struct hvp_synic_message slot;

	while (TIME_UNTIL(hv_synic_take(HVP_VMBUS_SINT, &slot), MOMENT))
		;
}

/* --- connection ----------------------------------------------------------------------------------- */

static bool contact(uint32_t version)
{
	struct hvp_msg_initiate_contact message = {
		.h.type = HVP_MSG_INITIATE_CONTACT,
		.version = version,
		.target_vp = cpu_this()->vp_index,
	};
	struct hvw_msg answer;

	connection_id = HVP_CONNECTION_MESSAGE_1;
	if (version >= HVP_VERSION_5_0) {
		message.u.v5.sint = HVP_VMBUS_SINT;
		connection_id = HVP_CONNECTION_MESSAGE_4;
	}
	if (!bus_post(&message, sizeof(message)) || !bus_await(HVP_MSG_VERSION_RESPONSE, &answer) ||
	    !answer.u.VERSION_RESPONSE.supported)
		return false;
	if (version >= HVP_VERSION_5_0)
		connection_id = answer.u.VERSION_RESPONSE.connection_id;
	return true;
}

static bool take_offer(bool *last)
{
	struct hvw_msg message;

	if (!TIME_UNTIL(take(&message), WAIT))
		return false;
	*last = message.u.h.type == HVP_MSG_ALL_OFFERS_DELIVERED;
	if (message.u.h.type == HVP_MSG_OFFER_CHANNEL && bus_channel_count < BUS_CHANNELS_MAX)
		bus_channels[bus_channel_count++].offer = message.u.OFFER_CHANNEL;
	return true;
}

bool bus_connect(uint32_t version)
{
	const struct hvp_msg_header request = { .type = HVP_MSG_REQUEST_OFFERS };
	bool last = false;

	bus_drain();
	bus_channel_count = 0;
	for (unsigned i = 0; i < BUS_CHANNELS_MAX; i++)
		bus_channels[i].gpadl = 0;
	if (!contact(version) || !bus_post(&request, sizeof(request)))
		return false;
	while (!last)
		if (!take_offer(&last))
			return false;
	return bus_channel_count != 0;
}

bool bus_disconnect(void)
{
	const struct hvp_msg_header unload = { .type = HVP_MSG_UNLOAD };
	struct hvw_msg answer;

	return bus_post(&unload, sizeof(unload)) && bus_await(HVP_MSG_UNLOAD_RESPONSE, &answer);
}

/* --- channels ------------------------------------------------------------------------------------- */

struct bus_channel *bus_find(const struct hvp_guid *class_id)
{
	for (unsigned i = 0; i < bus_channel_count; i++)
		if (hvw_guid_equal(&bus_channels[i].offer.class_id, class_id))
			return &bus_channels[i];
	return NULL;
}

uint32_t bus_draft_gpadl(struct bus_gpadl *draft, uint32_t channel_id, uint32_t handle,
			 uint64_t gpa, unsigned pages)
{
	uint32_t list_bytes = (uint32_t)(sizeof(draft->range) + pages * sizeof(draft->pages[0]));

	*draft = (struct bus_gpadl){
		.header = {
			.h.type = HVP_MSG_GPADL_HEADER,
			.channel_id = channel_id,
			.gpadl = handle,
			.range_bytes = (uint16_t)list_bytes,
			.range_count = 1,
		},
		.range = { .byte_count = pages * HVP_PAGE_SIZE },
	};
	for (unsigned i = 0; i < pages; i++)
		draft->pages[i] = gpa / HVP_PAGE_SIZE + i;
	return (uint32_t)sizeof(draft->header) + list_bytes;
}

bool bus_share(struct bus_channel *channel)
{
	struct bus_gpadl message;
	struct hvw_msg answer;
	uint32_t len;

	if (!channel->ring)
		channel->ring = mem_pages(2 * BUS_RING_PAGES);
	hvw_memset(channel->ring, 0, HVP_PAGE_SIZE);
	hvw_memset(channel->ring + BUS_RING_BYTES, 0, HVP_PAGE_SIZE);
	len = bus_draft_gpadl(&message, channel->offer.channel_id, next_gpadl++,
			      mem_gpa(channel->ring), 2 * BUS_RING_PAGES);
	if (!bus_post(&message, len) || !bus_await(HVP_MSG_GPADL_CREATED, &answer) ||
	    answer.u.GPADL_CREATED.gpadl != message.header.gpadl || answer.u.GPADL_CREATED.status)
		return false;
	channel->gpadl = message.header.gpadl;
	return true;
}

bool bus_unshare(struct bus_channel *channel)
{
	const struct hvp_msg_gpadl_teardown teardown = {
		.h.type = HVP_MSG_GPADL_TEARDOWN,
		.channel_id = channel->offer.channel_id,
		.gpadl = channel->gpadl,
	};
	struct hvw_msg answer;

	if (!bus_post(&teardown, sizeof(teardown)) || !bus_await(HVP_MSG_GPADL_TORNDOWN, &answer) ||
	    answer.u.GPADL_TORNDOWN.gpadl != channel->gpadl)
		return false;
	channel->gpadl = 0;
	return true;
}

int32_t bus_open_shared(struct bus_channel *channel, uint32_t target_vp)
{
	const struct hvp_msg_open_channel open = {
		.h.type = HVP_MSG_OPEN_CHANNEL,
		.channel_id = channel->offer.channel_id,
		.open_id = channel->offer.channel_id,
		.ring_gpadl = channel->gpadl,
		.target_vp = target_vp,
		.downstream_page = BUS_RING_PAGES,
	};
	struct hvw_msg answer;

	if (!bus_post(&open, sizeof(open)) || !bus_await(HVP_MSG_OPEN_RESULT, &answer) ||
	    answer.u.OPEN_RESULT.channel_id != open.channel_id)
		return -ETIMEDOUT;
	return answer.u.OPEN_RESULT.status;
}

struct bus_channel *bus_open(const struct hvp_guid *class_id, uint32_t target_vp)
{
	struct bus_channel *channel = bus_find(class_id);

	if (!channel || !bus_share(channel) ||
	    hvw_tx_init(&channel->tx, channel->ring, BUS_RING_BYTES) ||
	    hvw_rx_init(&channel->rx, channel->ring + BUS_RING_BYTES, BUS_RING_BYTES) ||
	    bus_open_shared(channel, target_vp))
		return NULL;
	return channel;
}

bool bus_close(struct bus_channel *channel)
{
	const struct hvp_msg_channel_ref close = {
		.h.type = HVP_MSG_CLOSE_CHANNEL,
		.channel_id = channel->offer.channel_id,
	};

	return bus_post(&close, sizeof(close)) && bus_unshare(channel);
}

bool bus_send(struct bus_channel *channel, const void *payload, uint32_t len)
{
	bool signal;

	if (hvw_tx_send(&channel->tx, 0, 0, payload, len, &signal))
		return false;
	return !signal || hv_signal(channel->offer.connection_id, 0) == HVP_STATUS_SUCCESS;
}

uint32_t bus_receive(struct bus_channel *channel, void *payload, uint32_t size)
{
	struct hvw_rx_packet packet;
	uint32_t len;

	if (!TIME_UNTIL(!hvw_rx_next(&channel->rx, &packet), WAIT))
		return 0;
	len = packet.payload_len < size ? packet.payload_len : size;
	if (hvw_rx_copy(&channel->rx, &packet, packet.header_len, payload, len))
		return 0;
	if (hvw_rx_release(&channel->rx))
		(void)hv_signal(channel->offer.connection_id, 0);
	return len;
}

bool bus_ic_negotiate(struct bus_channel *channel)
{
	uint8_t bytes[PACKET_BYTES];
	uint32_t len = bus_receive(channel, bytes, sizeof(bytes));
	struct hvp_ic_negotiate counts;
	struct hvp_ic_version framework, message;
	struct hvw_ic ic;

	if (!len || hvw_ic_parse(&ic, bytes, len) || ic.h.type != HVP_IC_NEGOTIATE ||
	    hvw_ic_read(&ic, 0, &counts, sizeof(counts)) || !counts.framework_count ||
	    !counts.message_count)
		return false;
	/* Both lists are ascending: the last of each. */
	if (hvw_ic_read(&ic, sizeof(counts) + (counts.framework_count - 1u) * sizeof(framework),
			&framework, sizeof(framework)) ||
	    hvw_ic_read(&ic,
			sizeof(counts) + (counts.framework_count + counts.message_count - 1u) *
						 sizeof(message),
			&message, sizeof(message)))
		return false;
	len = (uint32_t)hvw_ic_build_choice(bytes, &ic.h, &framework, &message);
	return bus_send(channel, bytes, len);
}
