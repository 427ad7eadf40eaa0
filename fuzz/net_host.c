/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <string.h>

#include "fuzz/net_host.h"
#include "hvw_nvsp.h"
#include "hvw_pkt.h"

#define INSTANCE	  9u
#define NET_HOST_PART_MAX 12000u

static const uint8_t our_mac[6] = { 0x00, 0x15, 0x5d, 0x01, 0x02, 0x03 };

/* --- frames ------------------------------------------------------------------------------------------- */

void net_frame_fill(uint8_t *frame, uint32_t len, uint32_t number)
{
	memset(frame, 0, 12);
	frame[12] = 0x88;
	frame[13] = 0xb5;
	memcpy(frame + 14, &number, sizeof(number));
	for (uint32_t i = 18; i < len; i++)
		frame[i] = (uint8_t)(number * 3 + i);
}

bool net_frame_check(const uint8_t *frame, uint32_t len, uint32_t *number)
{
	if (len < 18 || frame[12] != 0x88 || frame[13] != 0xb5)
		return false;
	memcpy(number, frame + 14, sizeof(*number));
	for (uint32_t i = 18; i < len; i++)
		if (frame[i] != (uint8_t)(*number * 3 + i))
			return false;
	return true;
}

/* --- the guest's memory --------------------------------------------------------------------------------- */

static const struct fake_gpadl *gpadl_of(const struct net_host *host, uint32_t handle)
{
	for (unsigned i = 0; handle && i < FAKE_GPADLS; i++)
		if (host->fake->gpadl[i].handle == handle)
			return &host->fake->gpadl[i];
	return NULL;
}

/* -EINVAL: there is no such place. */
static int buffer_access(struct net_host *host, uint32_t handle, uint64_t at, void *bytes,
			 uint32_t len, bool write)
{
	const struct fake_gpadl *gpadl = gpadl_of(host, handle);
	uint8_t *p = bytes;

	while (len) {
		uint32_t offset = (uint32_t)at % HVP_PAGE_SIZE, part = HVP_PAGE_SIZE - offset;
		uint64_t gpa;

		if (!gpadl || at / HVP_PAGE_SIZE >= gpadl->filled)
			return -EINVAL;
		part = part < len ? part : len;
		gpa = (gpadl->gpns[at / HVP_PAGE_SIZE] << HVP_PAGE_SHIFT) + offset;
		if (write ? hvh_mem_write(host->fake->mem, gpa, p, part) :
			    hvh_mem_read(host->fake->mem, gpa, p, part))
			return -EINVAL;
		p += part;
		at += part;
		len -= part;
	}
	return 0;
}

/* --- onto the ring ---------------------------------------------------------------------------------------- */

static int put(struct net_host *host, unsigned queue, uint16_t type, uint16_t flags, uint64_t id,
	       uint32_t header, const struct hvw_piece *pieces, unsigned count)
{
	struct fake_channel *channel = host->channels[queue];
	uint8_t bytes[512];
	struct hvw_piece spoilt = { bytes, pieces->len };
	int err;

	if (!channel || !channel->open)
		return -EAGAIN;
	/* Of what has one piece alone: the other form's second is always the same. */
	if (host->spoil && count == 1 && pieces->len <= sizeof(bytes) && pieces->len > 8) {
		memcpy(bytes, pieces->data, pieces->len);
		host->spoil(host, bytes, &spoilt.len);
		if (spoilt.len < header || spoilt.len < 8)
			spoilt.len = pieces->len;
		pieces = &spoilt;
	}
	err = hvw_tx_put(&channel->tx, type, flags, id, header, pieces, count);
	if (!err && hvw_tx_commit(&channel->tx))
		fake_signal(host->fake, channel);
	return err;
}

void net_host_say(struct net_host *host, unsigned queue, uint16_t type, uint64_t id,
		  uint32_t header, const void *bytes, uint32_t len)
{
	const struct hvw_piece piece = { bytes, len };

	(void)!put(host, queue, type, 0, id, header, &piece, 1);
}

static unsigned free_part(const struct net_host *host)
{
	unsigned part;

	for (part = 0; part < NET_HOST_PARTS && host->part_of[part]; part++)
		;
	return part;
}

static uint32_t part_bytes(const struct net_host *host)
{
	return host->part_bytes ? host->part_bytes : host->mtu + 256 + 36;
}

/* A message at the beginning of a part; the frame at its byte 256, as hosts have it. */
static uint32_t place(struct net_host *host, unsigned part, const struct net_host_range *range)
{
	uint8_t bytes[NET_HOST_PART_MAX] = { 0 };
	uint32_t len = range->len;

	if (range->frame) {
		(void)!hvw_rndis_packet_build(bytes, &range->meta, 256, range->len, 0);
		memcpy(bytes + 256, range->frame, range->len);
		len += 256;
	} else {
		memcpy(bytes, range->message, range->len);
	}
	if (host->spoil && len > 8)
		host->spoil(host, bytes, &len);
	(void)!buffer_access(host, host->receive_gpadl, (uint64_t)part * part_bytes(host), bytes,
			     len, true);
	return len;
}

int net_host_send(struct net_host *host, unsigned queue, const struct net_host_range *ranges,
		  unsigned count, uint64_t *id_out)
{
	uint8_t header[sizeof(struct hvp_transfer_pages) +
		       600 * sizeof(struct hvp_transfer_range)] = { 0 };
	struct hvp_transfer_pages pages = { .set_id = host->receive_id, .range_count = count };
	struct hvp_nvsp_rndis_packet msg = { .h.type = HVP_NVSP_SEND_RNDIS_PACKET,
					     .section_index = HVP_NVSP_SECTION_NONE };
	uint8_t padded[40] = { 0 };
	uint64_t id = ++host->next_id;
	uint32_t header_len = sizeof(pages) + count * 8;
	const struct hvw_piece pieces[] = { { header, header_len }, { padded, 32 } };
	int err;

	memcpy(header, &pages, sizeof(pages));
	memcpy(padded, &msg, sizeof(msg));
	for (unsigned i = 0; i < count; i++) {
		struct hvp_transfer_range range = { ranges[i].count, ranges[i].offset };
		unsigned part = free_part(host);

		if (!ranges[i].raw) {
			if (part == NET_HOST_PARTS) {
				err = -EAGAIN;
				goto give_up;
			}
			host->part_of[part] = id;
			range.byte_offset = part * part_bytes(host);
			range.byte_count = place(host, part, &ranges[i]);
		}
		memcpy(header + sizeof(pages) + i * 8, &range, sizeof(range));
	}
	err = put(host, queue, HVP_PACKET_TRANSFER_PAGES, HVP_PACKET_FLAG_COMPLETION, id,
		  header_len, pieces, 2);
	if (!err) {
		if (id_out)
			*id_out = id;
		return 0;
	}
give_up:
	for (unsigned part = 0; part < NET_HOST_PARTS; part++)
		if (host->part_of[part] == id)
			host->part_of[part] = 0;
	return err;
}

int net_host_send_frame(struct net_host *host, unsigned queue, const void *frame, uint32_t len,
			const struct hvw_rndis_meta *meta)
{
	struct net_host_range range = { .frame = frame, .len = len };

	if (meta)
		range.meta = *meta;
	return net_host_send(host, queue, &range, 1, NULL);
}

static int send_message(struct net_host *host, const void *message, int len)
{
	struct net_host_range range = { .message = message, .len = (uint32_t)len };

	return len < 0 ? len : net_host_send(host, 0, &range, 1, NULL);
}

int net_host_indicate(struct net_host *host, uint32_t status, const void *info, uint32_t len)
{
	uint8_t bytes[256];

	return send_message(host, bytes,
			    hvw_rndis_build_indication(bytes, sizeof(bytes), status, info, len));
}

/* --- RNDIS control ---------------------------------------------------------------------------------------- */

static enum net_host_action action_for(const struct net_host *host, uint32_t nvsp, uint32_t oid)
{
	for (unsigned i = 0; i < NET_HOST_RULES; i++)
		if (host->rules[i].action &&
		    ((nvsp && host->rules[i].nvsp == nvsp) || (oid && host->rules[i].oid == oid)))
			return host->rules[i].action;
	return NET_HOST_ANSWER;
}

static void offload_caps(const struct net_host *host, struct hvp_ndis_offload *caps)
{
	memset(caps, 0, sizeof(*caps));
	caps->h.type = HVP_NDIS_OFFLOAD;
	caps->h.revision = 3;
	caps->h.size = HVP_NDIS_OFFLOAD_SIZE_3;
	if (host->no_offload)
		return;
	caps->tx4.encapsulation = caps->tx6.encapsulation = HVP_NDIS_ENCAPSULATION_802_3;
	caps->tx4.flags = HVP_OFFLOAD_TCP | HVP_OFFLOAD_TCP_OPTIONS | HVP_OFFLOAD_UDP;
	caps->tx6.flags = caps->tx4.flags | HVP_OFFLOAD_IPV6_EXTENSIONS;
	caps->lso4.encapsulation = caps->lso6.encapsulation = HVP_NDIS_ENCAPSULATION_802_3;
	caps->lso4.size_max = 62780;
	caps->lso6.size_max = 60000;
	caps->lso6_flags = HVP_OFFLOAD_LSO_IPV6_EXTENSIONS | HVP_OFFLOAD_LSO_TCP_OPTIONS;
	caps->rsc4 = caps->rsc6 = 1;
}

/* Returns the length of the value, or -1: an unknown one. */
static int query(struct net_host *host, uint32_t oid, void *value)
{
	struct hvp_ndis_rss_caps rss = { .h = { HVP_NDIS_RSS_CAPABILITIES, 2, 18 },
					 .queues = host->queues,
					 .entries = 128 };
	struct hvp_ndis_offload caps;
	uint32_t number;

	switch (oid) {
	case HVP_OID_GEN_MAXIMUM_FRAME_SIZE:
		number = host->mtu - 14;
		break;
	case HVP_OID_802_3_PERMANENT_ADDRESS:
		memcpy(value, host->mac, sizeof(host->mac));
		return sizeof(host->mac);
	case HVP_OID_GEN_FRIENDLY_NAME:
		memcpy(value, "N\0e\0t", 6);
		return 6;
	case HVP_OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES:
		offload_caps(host, &caps);
		memcpy(value, &caps, sizeof(caps));
		return sizeof(caps);
	case HVP_OID_GEN_MEDIA_CONNECT_STATUS:
		number = host->down;
		break;
	case HVP_OID_GEN_LINK_SPEED:
		number = 100000000;
		break;
	case HVP_OID_GEN_RECEIVE_SCALE_CAPABILITIES:
		memcpy(value, &rss, 18);
		return 18;
	default:
		return -1;
	}
	memcpy(value, &number, sizeof(number));
	return sizeof(number);
}

static uint32_t set(struct net_host *host, const struct hvw_rndis_request *request)
{
	switch (request->oid) {
	case HVP_OID_TCP_OFFLOAD_PARAMETERS:
		memset(&host->offloads, 0, sizeof(host->offloads));
		memcpy(&host->offloads, request->info,
		       request->info_len < sizeof(host->offloads) ? request->info_len :
								    sizeof(host->offloads));
		host->offloads_set++;
		return HVP_RNDIS_STATUS_SUCCESS;
	case HVP_OID_GEN_RECEIVE_SCALE_PARAMETERS:
		if (hvw_rss_params_parse(&host->rss, request->info, request->info_len,
					 NET_HOST_QUEUES))
			return HVP_RNDIS_STATUS_INVALID_DATA;
		host->rss_set++;
		return HVP_RNDIS_STATUS_SUCCESS;
	case HVP_OID_GEN_CURRENT_PACKET_FILTER:
		if (request->info_len != sizeof(host->filter))
			return HVP_RNDIS_STATUS_INVALID_DATA;
		memcpy(&host->filter, request->info, sizeof(host->filter));
		return HVP_RNDIS_STATUS_SUCCESS;
	case HVP_OID_GEN_RNDIS_CONFIG_PARAMETER:
		return HVP_RNDIS_STATUS_SUCCESS;
	default:
		return HVP_RNDIS_STATUS_NOT_SUPPORTED;
	}
}

static int answer_request(struct net_host *host, const struct hvw_rndis_request *request,
			  uint32_t id, bool refuse, uint8_t *bytes, size_t size)
{
	struct hvp_rndis_initialize_complete limits = {
		.request_id = id,
		.status = refuse ? HVP_RNDIS_STATUS_FAILURE : HVP_RNDIS_STATUS_SUCCESS,
		.packets_max = host->packets_max,
		.transfer_max = 0xefffffff,
		.alignment = host->alignment,
	};
	uint32_t status = HVP_RNDIS_STATUS_SUCCESS;
	uint8_t value[512];
	int len = 0;

	switch (request->type) {
	case HVP_RNDIS_INITIALIZE:
		return hvw_rndis_build_initialize_complete(bytes, size, &limits);
	case HVP_RNDIS_QUERY:
		len = refuse ? -1 : query(host, request->oid, value);
		if (len < 0)
			status = HVP_RNDIS_STATUS_NOT_SUPPORTED;
		return hvw_rndis_build_completion(bytes, size, HVP_RNDIS_QUERY_COMPLETE, id, status,
						  value, len < 0 ? 0 : (uint32_t)len);
	case HVP_RNDIS_SET:
		status = refuse ? HVP_RNDIS_STATUS_FAILURE : set(host, request);
		return hvw_rndis_build_completion(bytes, size, HVP_RNDIS_SET_COMPLETE, id, status,
						  NULL, 0);
	default:
		return -1;
	}
}

static void on_control(struct net_host *host, const struct hvw_rndis_msg *msg)
{
	struct hvw_rndis_request request;
	enum net_host_action action;
	uint8_t bytes[1024];
	int len;

	if (hvw_rndis_request_parse(&request, msg)) {
		host->bad_frames++;
		return;
	}
	host->halted |= request.type == HVP_RNDIS_HALT;
	action = action_for(host, 0, request.type == HVP_RNDIS_INITIALIZE ? 1 : request.oid);
	if (action == NET_HOST_SILENT)
		return;
	if (action == NET_HOST_RESCIND) {
		net_host_rescind(host);
		return;
	}
	if (action == NET_HOST_WRONG_ID) {
		len = answer_request(host, &request, request.id + 77, true, bytes, sizeof(bytes));
		(void)!send_message(host, bytes, len);
	}
	len = answer_request(host, &request, request.id, action == NET_HOST_REFUSE, bytes,
			     sizeof(bytes));
	if (action == NET_HOST_SHORT && len > 12)
		len = 12;
	if (len > 0)
		(void)!send_message(host, bytes, len);
	if (len > 0 && action == NET_HOST_TWICE)
		(void)!send_message(host, bytes, len);
}

/* --- data --------------------------------------------------------------------------------------------------- */

static void on_frame(struct net_host *host, unsigned queue, const struct hvw_rndis_msg *msg)
{
	struct hvw_rndis_packet packet;
	struct hvp_rndis_packet h;
	uint32_t number;

	memcpy(&h, msg->bytes, sizeof(h));
	if (hvw_rndis_packet_parse(&packet, &h, msg->len) ||
	    hvw_rndis_meta_parse(&host->last_meta, msg->bytes + packet.info_at, packet.info_len) ||
	    !net_frame_check(msg->bytes + packet.data_at, packet.data_len, &number)) {
		host->bad_frames++;
		return;
	}
	host->frames++;
	if (number != host->next_number)
		host->lost++;
	host->next_number = number + 1;
	host->last_len = packet.data_len;
	host->last_queue = queue;
	if (host->echo && host->filter)
		(void)!net_host_send_frame(host, queue, msg->bytes + packet.data_at,
					   packet.data_len, NULL);
}

/* The bytes of a packet: of a section, and of guest memory. Returns how many; -1: nonsense. */
static int gather(struct net_host *host, const struct hvp_nvsp_rndis_packet *msg,
		  const uint8_t *ranges, uint32_t ranges_len, uint32_t range_count)
{
	struct hvw_gpa_iter iter;
	struct hvw_gpa_range range;
	uint32_t len = 0;
	int err;

	if (msg->section_index != HVP_NVSP_SECTION_NONE) {
		if (msg->section_size > host->section_bytes ||
		    buffer_access(host, host->send_gpadl,
				  (uint64_t)msg->section_index * host->section_bytes, host->stream,
				  msg->section_size, false))
			return -1;
		len = msg->section_size;
	} else if (msg->section_size) {
		return -1;
	}
	hvw_gpa_iter_init(&iter, ranges, ranges_len, range_count);
	while (!(err = hvw_gpa_iter_next(&iter, &range))) {
		uint32_t offset = range.byte_offset, left = range.byte_count;

		for (uint32_t i = 0; i < range.page_count; i++, offset = 0) {
			uint32_t part = HVP_PAGE_SIZE - offset < left ? HVP_PAGE_SIZE - offset :
									left;

			if (part > sizeof(host->stream) - len ||
			    hvh_mem_read(host->fake->mem,
					 (hvw_gpa_page(&range, i) << HVP_PAGE_SHIFT) + offset,
					 host->stream + len, part))
				return -1;
			len += part;
			left -= part;
		}
	}
	return err == -EAGAIN ? (int)len : -1;
}

static int send_completion(struct net_host *host, unsigned queue, uint64_t id, uint32_t status)
{
	struct hvp_nvsp_rndis_complete done = { .h.type = HVP_NVSP_SEND_RNDIS_PACKET_COMPLETE,
						.status = status };
	uint8_t bytes[32] = { 0 };
	const struct hvw_piece piece = { bytes, 28 };

	memcpy(bytes, &done, sizeof(done));
	return put(host, queue, HVP_PACKET_COMPLETION, 0, id, 0, &piece, 1);
}

static void on_rndis(struct net_host *host, unsigned queue, const struct hvw_rx_packet *packet,
		     const uint8_t *bytes)
{
	struct hvp_nvsp_rndis_packet msg;
	struct hvp_gpa_direct direct = { 0 };
	struct hvw_rndis_iter iter;
	struct hvw_rndis_msg rndis;
	unsigned frames = 0;
	bool control = false;
	int len;

	memcpy(&msg, bytes + packet->header_len, sizeof(msg));
	if (packet->h.type == HVP_PACKET_GPA_DIRECT)
		memcpy(&direct, bytes + 16, sizeof(direct));
	len = gather(host, &msg, bytes + 24, packet->header_len > 24 ? packet->header_len - 24 : 0,
		     direct.range_count);
	if (len < 0 || !(packet->h.flags & HVP_PACKET_FLAG_COMPLETION)) {
		host->bad_frames++;
		return;
	}
	hvw_rndis_iter_init(&iter, host->stream, (size_t)len);
	while (!hvw_rndis_iter_next(&iter, &rndis)) {
		control = rndis.type != HVP_RNDIS_PACKET;
		if (control) {
			/* As hosts do: read first, answered later. */
			(void)!send_completion(host, queue, packet->h.transaction_id, 1);
			on_control(host, &rndis);
			return;
		}
		on_frame(host, queue, &rndis);
		frames++;
	}
	if (iter.left)
		host->bad_frames++;
	host->packets++;
	host->batched += frames ? frames - 1 : 0;
	if (msg.section_index == HVP_NVSP_SECTION_NONE)
		host->direct++;
	else if (direct.range_count)
		host->mixed++;
	else
		host->in_section++;
	if ((host->hold || send_completion(host, queue, packet->h.transaction_id, 1)) &&
	    host->held_count < NET_HOST_PENDING) {
		host->held[host->held_count].id = packet->h.transaction_id;
		host->held[host->held_count++].queue = queue;
	}
}

void net_host_complete(struct net_host *host, unsigned count)
{
	unsigned i;

	for (i = 0; i < count && i < host->held_count; i++)
		if (send_completion(host, host->held[i].queue, host->held[i].id, 1))
			break;
	host->held_count -= i;
	memmove(host->held, host->held + i, host->held_count * sizeof(host->held[0]));
}

/* --- NVSP --------------------------------------------------------------------------------------------------- */

static void offer_subs(struct net_host *host, unsigned count)
{
	for (unsigned i = 1; i <= count && !host->no_offers; i++) {
		/* One of before its close. */
		if (host->channels[i] && host->channels[i]->index == i)
			fake_rescind(host->fake, host->channels[i]);
		host->channels[i] = fake_add(host->fake, (struct hvp_guid)HVP_CLASS_NETWORK,
					     INSTANCE, (uint16_t)i);
		fake_offer(host->fake, host->channels[i]);
	}
}

static bool answer_nvsp(struct net_host *host, const struct hvw_nvsp *msg, bool refuse,
			struct hvw_nvsp *answer)
{
	const uint32_t status = refuse ? HVP_NVSP_STATUS_FAILURE : HVP_NVSP_STATUS_SUCCESS;
	const struct fake_gpadl *gpadl;

	switch (msg->u.h.type) {
	case HVP_NVSP_INIT:
		hvw_nvsp_init(answer, HVP_NVSP_INIT_COMPLETE);
		answer->u.INIT_COMPLETE.status = msg->u.INIT.version_max <= host->version_max ?
							 status :
							 HVP_NVSP_STATUS_FAILURE;
		if (answer->u.INIT_COMPLETE.status == HVP_NVSP_STATUS_SUCCESS)
			host->version = msg->u.INIT.version_max;
		return true;
	case HVP_NVSP_SEND_RECV_BUF:
		gpadl = gpadl_of(host, msg->u.SEND_RECV_BUF.gpadl);
		host->receive_gpadl = msg->u.SEND_RECV_BUF.gpadl;
		host->receive_id = msg->u.SEND_RECV_BUF.id;
		hvw_nvsp_init(answer, HVP_NVSP_SEND_RECV_BUF_COMPLETE);
		answer->u.SEND_RECV_BUF_COMPLETE.status =
			gpadl && host->mtu != host->refuse_mtu ? status : HVP_NVSP_STATUS_FAILURE;
		answer->u.SEND_RECV_BUF_COMPLETE.section_count = 1;
		answer->u.SEND_RECV_BUF_COMPLETE.section.size = part_bytes(host);
		answer->u.SEND_RECV_BUF_COMPLETE.section.count =
			gpadl ? gpadl->pages * HVP_PAGE_SIZE / part_bytes(host) : 0;
		return true;
	case HVP_NVSP_SEND_SEND_BUF:
		host->send_gpadl = msg->u.SEND_SEND_BUF.gpadl;
		hvw_nvsp_init(answer, HVP_NVSP_SEND_SEND_BUF_COMPLETE);
		answer->u.SEND_SEND_BUF_COMPLETE.status = status;
		answer->u.SEND_SEND_BUF_COMPLETE.section_size = host->section_bytes;
		return true;
	case HVP_NVSP_SUBCHANNEL: {
		uint32_t count = msg->u.SUBCHANNEL.count;

		hvw_nvsp_init(answer, HVP_NVSP_SUBCHANNEL);
		count -= host->grant_less < count ? host->grant_less : count;
		answer->u.SUBCHANNEL_COMPLETE.status = status;
		answer->u.SUBCHANNEL_COMPLETE.count = refuse ? 0 : count;
		if (!refuse)
			offer_subs(host, count);
		return true;
	}
	case HVP_NVSP_SWITCH_DATA_PATH:
		host->path_vf = msg->u.SWITCH_DATA_PATH.active == HVP_NVSP_PATH_VF;
		hvw_nvsp_init(answer, 0);
		return true;
	default:
		return false;
	}
}

static void note_nvsp(struct net_host *host, const struct hvw_nvsp *msg)
{
	switch (msg->u.h.type) {
	case HVP_NVSP_NDIS_CONFIG:
		host->mtu = msg->u.NDIS_CONFIG.mtu;
		host->capabilities = msg->u.NDIS_CONFIG.capabilities;
		break;
	case HVP_NVSP_SEND_NDIS_VERSION:
		host->ndis_minor = msg->u.SEND_NDIS_VERSION.minor;
		break;
	case HVP_NVSP_REVOKE_RECV_BUF:
		host->revoked_receive = true;
		break;
	case HVP_NVSP_REVOKE_SEND_BUF:
		host->revoked_send = true;
		break;
	default:
		break;
	}
}

static void on_nvsp(struct net_host *host, unsigned queue, const struct hvw_rx_packet *packet,
		    const uint8_t *bytes)
{
	enum net_host_action action;
	struct hvw_nvsp msg, answer;
	uint32_t len;

	if (packet->payload_len < 32 ||
	    hvw_nvsp_parse(&msg, bytes + packet->header_len, packet->payload_len, HVP_NVSP_TO_HOST,
			   host->version) ||
	    queue) {
		host->bad_frames++;
		return;
	}
	action = action_for(host, msg.u.h.type, 0);
	note_nvsp(host, &msg);
	if (!(packet->h.flags & HVP_PACKET_FLAG_COMPLETION))
		return;
	if (action == NET_HOST_SILENT)
		return;
	if (action == NET_HOST_RESCIND) {
		net_host_rescind(host);
		return;
	}
	if (!answer_nvsp(host, &msg, action == NET_HOST_REFUSE, &answer))
		return;
	len = action == NET_HOST_SHORT ? 8 : hvw_nvsp_bytes(host->version);
	if (action == NET_HOST_WRONG_ID)
		net_host_say(host, 0, HVP_PACKET_COMPLETION, packet->h.transaction_id + 0x10000, 0,
			     answer.u.bytes, len);
	net_host_say(host, 0, HVP_PACKET_COMPLETION, packet->h.transaction_id, 0, answer.u.bytes,
		     len);
	if (action == NET_HOST_TWICE)
		net_host_say(host, 0, HVP_PACKET_COMPLETION, packet->h.transaction_id, 0,
			     answer.u.bytes, len);
}

/* --- the rings ---------------------------------------------------------------------------------------------- */

static void on_completion(struct net_host *host, const struct hvw_rx_packet *packet,
			  const uint8_t *bytes)
{
	struct hvp_nvsp_rndis_complete msg;
	unsigned parts = 0;

	memcpy(&msg, bytes + packet->header_len, sizeof(msg));
	for (unsigned part = 0; part < NET_HOST_PARTS; part++)
		if (host->part_of[part] == packet->h.transaction_id) {
			host->part_of[part] = 0;
			parts++;
		}
	host->returned++;
	host->completed_parts += parts;
	if (msg.status != HVP_NVSP_STATUS_SUCCESS)
		host->failed_parts++;
}

static bool run_one(struct net_host *host, unsigned queue)
{
	struct fake_channel *channel = host->channels[queue];
	uint8_t bytes[8192];
	struct hvw_rx_packet packet;
	struct hvp_nvsp_header h;

	if (!channel || !channel->open || host->paused || hvw_rx_next(&channel->rx, &packet))
		return false;
	if (packet.header_len + packet.payload_len > sizeof(bytes) || packet.payload_len < 8 ||
	    hvw_rx_copy(&channel->rx, &packet, 0, bytes, packet.header_len + packet.payload_len))
		sim_die("a packet of %u bytes", packet.header_len + packet.payload_len);
	if (hvw_rx_release(&channel->rx))
		fake_signal(host->fake, channel);
	memcpy(&h, bytes + packet.header_len, sizeof(h));
	if (packet.h.type == HVP_PACKET_COMPLETION)
		on_completion(host, &packet, bytes);
	else if (h.type == HVP_NVSP_SEND_RNDIS_PACKET)
		on_rndis(host, queue, &packet, bytes);
	else
		on_nvsp(host, queue, &packet, bytes);
	return true;
}

void net_host_run(struct net_host *host)
{
	bool any;

	if (host->running)
		return;
	host->running = true;
	if (!host->hold)
		net_host_complete(host, NET_HOST_PENDING);
	do {
		any = false;
		for (unsigned queue = 0; queue < NET_HOST_QUEUES; queue++)
			while (run_one(host, queue))
				any = true;
	} while (any);
	host->running = false;
}

static void doorbell(struct fake_host *fake, struct fake_channel *channel)
{
	(void)channel;
	net_host_run(fake->device);
}

unsigned net_host_parts_out(const struct net_host *host)
{
	unsigned out = 0;

	for (unsigned part = 0; part < NET_HOST_PARTS; part++)
		out += host->part_of[part] != 0;
	return out;
}

void net_host_rescind(struct net_host *host)
{
	for (unsigned queue = NET_HOST_QUEUES; queue--;)
		if (host->channels[queue])
			fake_rescind(host->fake, host->channels[queue]);
}

void net_host_init(struct net_host *host, struct fake_host *fake)
{
	memset(host, 0, sizeof(*host));
	host->fake = fake;
	host->version_max = HVP_NVSP_6_1;
	host->section_bytes = 6144;
	host->packets_max = 8;
	host->alignment = 3;
	host->queues = 1;
	host->mtu = 1514;
	memcpy(host->mac, our_mac, sizeof(our_mac));
	host->channels[0] = fake_add(fake, (struct hvp_guid)HVP_CLASS_NETWORK, INSTANCE, 0);
	fake->doorbell = doorbell;
	fake->device = host;
}
