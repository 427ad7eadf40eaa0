/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What a network adapter's packets and RNDIS messages say, for traces.
 */
#include <stddef.h>
#include <string.h>

#include "hvw_nvsp.h"
#include "hvw_rndis.h"
#include "vmm/trace_priv.h"

/* No control message is longer, and what is told of one stands in so many bytes. */
#define CONTROL_BYTES_MAX  4096u
#define CONTROL_HEAD_BYTES 32u

/* Fields of NVSP messages: message, field; numbers of any size. */
#define NVSP_FIELD_LIST(X)                                                                         \
	X(INIT, version_min)                                                                       \
	X(INIT, version_max)                                                                       \
	X(INIT_COMPLETE, version)                                                                  \
	X(INIT_COMPLETE, mdl_chain_max)                                                            \
	X(INIT_COMPLETE, status)                                                                   \
	X(SEND_NDIS_VERSION, major)                                                                \
	X(SEND_NDIS_VERSION, minor)                                                                \
	X(SEND_RECV_BUF, gpadl)                                                                    \
	X(SEND_RECV_BUF, id)                                                                       \
	X(SEND_RECV_BUF_COMPLETE, status)                                                          \
	X(SEND_RECV_BUF_COMPLETE, section_count)                                                   \
	X(SEND_RECV_BUF_COMPLETE, section.size)                                                    \
	X(SEND_RECV_BUF_COMPLETE, section.count)                                                   \
	X(REVOKE_RECV_BUF, id)                                                                     \
	X(SEND_SEND_BUF, gpadl)                                                                    \
	X(SEND_SEND_BUF, id)                                                                       \
	X(SEND_SEND_BUF_COMPLETE, status)                                                          \
	X(SEND_SEND_BUF_COMPLETE, section_size)                                                    \
	X(REVOKE_SEND_BUF, id)                                                                     \
	X(SEND_RNDIS_PACKET, channel_type)                                                         \
	X(SEND_RNDIS_PACKET, section_index)                                                        \
	X(SEND_RNDIS_PACKET, section_size)                                                         \
	X(SEND_RNDIS_PACKET_COMPLETE, status)                                                      \
	X(NDIS_CONFIG, mtu)                                                                        \
	X(NDIS_CONFIG, capabilities)                                                               \
	X(VF_ASSOCIATION, allocated)                                                               \
	X(VF_ASSOCIATION, serial)                                                                  \
	X(SWITCH_DATA_PATH, active)                                                                \
	X(SUBCHANNEL, operation)                                                                   \
	X(SUBCHANNEL, count)                                                                       \
	X(SUBCHANNEL_COMPLETE, status)                                                             \
	X(SUBCHANNEL_COMPLETE, count)                                                              \
	X(SEND_INDIRECTION_TABLE, count)                                                           \
	X(SEND_INDIRECTION_TABLE, offset)

static const struct {
	uint32_t type;
	bool to_guest; /* where a completion has its request's number */
	const char *name;
	uint16_t offset;
	uint16_t size;
} fields[] = {
#define FIELD_ENTRY(message, field)                                                                \
	{ HVP_NVSP_##message, HVP_NVSP_##message == HVP_NVSP_SUBCHANNEL && sizeof(#message) > 11,  \
	  #field, offsetof(struct hvw_nvsp, u.message.field),                                      \
	  sizeof(((struct hvw_nvsp *)0)->u.message.field) },
	NVSP_FIELD_LIST(FIELD_ENTRY)
#undef FIELD_ENTRY
};

json_t *vmm_trace_nvsp_json(const struct vmm_trace_record *record)
{
	bool to_guest = record->direction == HVP_TO_GUEST;
	struct hvw_nvsp msg;
	json_t *json;

	/* Whatever version they have agreed on, this one has all messages. */
	if (hvw_nvsp_parse(&msg, record->bytes, record->kept,
			   to_guest ? HVP_NVSP_TO_GUEST : HVP_NVSP_TO_HOST, HVP_NVSP_6_1))
		return NULL;
	json = json_pack("{s:s}", "message", hvw_nvsp_name(msg.u.h.type));
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const char *dot = strrchr(fields[i].name, '.');
		uint64_t number = 0;

		if (fields[i].type != msg.u.h.type ||
		    (msg.u.h.type == HVP_NVSP_SUBCHANNEL && fields[i].to_guest != to_guest))
			continue;
		memcpy(&number, (const uint8_t *)&msg + fields[i].offset, fields[i].size);
		json_object_set_new(json, dot ? dot + 1 : fields[i].name,
				    json_integer((json_int_t)number));
	}
	return json;
}

static json_t *packet_json(const struct vmm_trace_record *record)
{
	struct hvp_rndis_packet h;
	struct hvw_rndis_packet packet;
	struct hvw_rndis_meta meta;
	json_t *json;

	memcpy(&h, record->bytes, sizeof(h));
	if (hvw_rndis_packet_parse(&packet, &h, h.h.length))
		return NULL;
	json = json_pack("{s:s, s:I}", "message", "PACKET", "data", (json_int_t)packet.data_len);
	if (packet.info_at > record->kept || packet.info_len > record->kept - packet.info_at ||
	    hvw_rndis_meta_parse(&meta, record->bytes + packet.info_at, packet.info_len))
		return json;
#define SET_INFO(bit, name)                                                                        \
	if (meta.has & HVW_META_##bit)                                                             \
		json_object_set_new(json, #name, json_integer(meta.name));
	SET_INFO(CHECKSUM, checksum)
	SET_INFO(LSO, lso)
	SET_INFO(VLAN, vlan)
	SET_INFO(HASH, hash)
	SET_INFO(HASH_INFO, hash_info)
	SET_INFO(PACKET_ID, packet_id)
#undef SET_INFO
	return json;
}

static json_t *control_json(const struct hvw_rndis_msg *msg)
{
	struct hvw_rndis_request request;
	struct hvw_rndis_answer answer;
	json_t *json = json_pack("{s:s}", "message", hvw_rndis_name(msg->type));

	if (!hvw_rndis_request_parse(&request, msg)) {
		json_object_set_new(json, "id", json_integer(request.id));
		if (request.oid)
			json_object_set_new(json, "oid", json_string(hvw_oid_name(request.oid)));
	} else if (!hvw_rndis_answer_parse(&answer, msg, msg->len)) {
		json_object_set_new(json, "id", json_integer(answer.id));
		json_object_set_new(json, "status", json_integer(answer.status));
	}
	return json;
}

json_t *vmm_trace_rndis_json(const struct vmm_trace_record *record)
{
	uint8_t whole[CONTROL_BYTES_MAX] = { 0 };
	struct hvw_rndis_iter iter;
	struct hvw_rndis_msg msg;
	uint32_t type = 0;

	if (record->kept >= sizeof(struct hvp_rndis_packet))
		memcpy(&type, record->bytes, sizeof(type));
	if (type == HVP_RNDIS_PACKET)
		return packet_json(record);
	/* Of long ones only the beginning is kept. */
	if (record->len > sizeof(whole) ||
	    (record->kept < record->len && record->kept < CONTROL_HEAD_BYTES))
		return NULL;
	memcpy(whole, record->bytes, record->kept);
	hvw_rndis_iter_init(&iter, whole, record->len);
	return hvw_rndis_iter_next(&iter, &msg) ? NULL : control_json(&msg);
}
