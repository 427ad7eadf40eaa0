/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A record of the trace as JSON: names from the lists in proto/, fields from its structures.
 */
#include <stddef.h>
#include <string.h>

#include "hvp_ic.h"
#include "hvp_ring.h"
#include "hvw_guid.h"
#include "hvw_ic.h"
#include "hvw_msg.h"
#include "vmm/trace_priv.h"

/* The fields of the messages that a person wants to see: message, field. Their width tells how they look. */
#define FIELD_LIST(X)                                                                              \
	X(OFFER_CHANNEL, class_id)                                                                 \
	X(OFFER_CHANNEL, instance_id)                                                              \
	X(OFFER_CHANNEL, flags)                                                                    \
	X(OFFER_CHANNEL, mmio_megabytes)                                                           \
	X(OFFER_CHANNEL, user_data)                                                                \
	X(OFFER_CHANNEL, subchannel_index)                                                         \
	X(OFFER_CHANNEL, mmio_megabytes_optional)                                                  \
	X(OFFER_CHANNEL, channel_id)                                                               \
	X(OFFER_CHANNEL, monitor_id)                                                               \
	X(OFFER_CHANNEL, monitor_allocated)                                                        \
	X(OFFER_CHANNEL, dedicated_interrupt)                                                      \
	X(OFFER_CHANNEL, connection_id)                                                            \
	X(RESCIND_OFFER, channel_id)                                                               \
	X(OPEN_CHANNEL, channel_id)                                                                \
	X(OPEN_CHANNEL, open_id)                                                                   \
	X(OPEN_CHANNEL, ring_gpadl)                                                                \
	X(OPEN_CHANNEL, target_vp)                                                                 \
	X(OPEN_CHANNEL, downstream_page)                                                           \
	X(OPEN_CHANNEL, user_data)                                                                 \
	X(OPEN_RESULT, channel_id)                                                                 \
	X(OPEN_RESULT, open_id)                                                                    \
	X(OPEN_RESULT, status)                                                                     \
	X(CLOSE_CHANNEL, channel_id)                                                               \
	X(GPADL_HEADER, channel_id)                                                                \
	X(GPADL_HEADER, gpadl)                                                                     \
	X(GPADL_HEADER, range_bytes)                                                               \
	X(GPADL_HEADER, range_count)                                                               \
	X(GPADL_BODY, message_number)                                                              \
	X(GPADL_BODY, gpadl)                                                                       \
	X(GPADL_CREATED, channel_id)                                                               \
	X(GPADL_CREATED, gpadl)                                                                    \
	X(GPADL_CREATED, status)                                                                   \
	X(GPADL_TEARDOWN, channel_id)                                                              \
	X(GPADL_TEARDOWN, gpadl)                                                                   \
	X(GPADL_TORNDOWN, gpadl)                                                                   \
	X(RELID_RELEASED, channel_id)                                                              \
	X(INITIATE_CONTACT, version)                                                               \
	X(INITIATE_CONTACT, target_vp)                                                             \
	X(INITIATE_CONTACT, u.interrupt_page)                                                      \
	X(INITIATE_CONTACT, u.v5.sint)                                                             \
	X(INITIATE_CONTACT, u.v5.vtl)                                                              \
	X(INITIATE_CONTACT, monitor_page_to_guest)                                                 \
	X(INITIATE_CONTACT, monitor_page_to_host)                                                  \
	X(VERSION_RESPONSE, supported)                                                             \
	X(VERSION_RESPONSE, connection_state)                                                      \
	X(VERSION_RESPONSE, connection_id)                                                         \
	X(OPEN_RESERVED, channel_id)                                                               \
	X(OPEN_RESERVED, target_vp)                                                                \
	X(OPEN_RESERVED, target_sint)                                                              \
	X(OPEN_RESERVED, ring_gpadl)                                                               \
	X(OPEN_RESERVED, downstream_page)                                                          \
	X(CLOSE_RESERVED, channel_id)                                                              \
	X(CLOSE_RESERVED, target_vp)                                                               \
	X(CLOSE_RESERVED, target_sint)                                                             \
	X(CLOSE_RESERVED_RESPONSE, channel_id)                                                     \
	X(TL_CONNECT_REQUEST, endpoint_id)                                                         \
	X(TL_CONNECT_REQUEST, service_id)                                                          \
	X(MODIFY_CHANNEL, channel_id)                                                              \
	X(MODIFY_CHANNEL, target_vp)                                                               \
	X(TL_CONNECT_RESULT, endpoint_id)                                                          \
	X(TL_CONNECT_RESULT, service_id)                                                           \
	X(TL_CONNECT_RESULT, status)                                                               \
	X(MODIFY_CHANNEL_RESPONSE, channel_id)                                                     \
	X(MODIFY_CHANNEL_RESPONSE, status)                                                         \
	X(MODIFY_CONNECTION, monitor_page_to_guest)                                                \
	X(MODIFY_CONNECTION, monitor_page_to_host)                                                 \
	X(MODIFY_CONNECTION_RESPONSE, connection_state)

static const struct field {
	uint32_t type;
	const char *name;
	uint16_t offset;
	uint16_t size;
} fields[] = {
#define FIELD_ENTRY(message, field)                                                                \
	{ HVP_MSG_##message, #field, offsetof(struct hvw_msg, u.message.field),                    \
	  sizeof(((struct hvw_msg *)0)->u.message.field) },
	FIELD_LIST(FIELD_ENTRY)
#undef FIELD_ENTRY
};

/* Of "u.v5.sint" what follows the last dot. */
static const char *last_name(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot ? dot + 1 : name;
}

static json_t *hex(const uint8_t *bytes, size_t len)
{
	char text[2 * VMM_TRACE_BYTES + 1];

	for (size_t i = 0; i < len; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	return json_stringn(text, 2 * len);
}

static json_t *field_json(const struct hvw_msg *msg, const struct field *field)
{
	const uint8_t *bytes = (const uint8_t *)msg + field->offset;
	char text[HVW_GUID_TEXT];
	struct hvp_guid guid;
	uint64_t number = 0;

	if (field->size == sizeof(guid)) {
		memcpy(&guid, bytes, sizeof(guid));
		hvw_guid_format(&guid, text);
		return json_string(text);
	}
	if (field->size > sizeof(number))
		return hex(bytes, field->size);
	/* Little-endian, as the machines that this runs on. */
	memcpy(&number, bytes, field->size);
	return json_integer((json_int_t)number);
}

/* The one union: what it holds depends on the version. */
static bool applies(const struct field *field, const struct hvw_msg *msg)
{
	if (field->type != HVP_MSG_INITIATE_CONTACT || strncmp(field->name, "u.", 2) != 0)
		return true;
	return (msg->u.INITIATE_CONTACT.version >= HVP_VERSION_5_0) ==
	       (strncmp(field->name, "u.v5.", 5) == 0);
}

static void add_message(json_t *line, const struct vmm_trace_record *record)
{
	struct hvw_msg msg;
	uint32_t type = 0;
	json_t *object;
	bool known = !hvw_msg_parse(&msg, record->bytes, record->kept, record->direction);

	memcpy(&type, record->bytes, record->kept < sizeof(type) ? record->kept : sizeof(type));
	json_object_set_new(line, "message", json_string(hvw_msg_name(type)));
	json_object_set_new(line, "type", json_integer(type));
	json_object_set_new(line, "length", json_integer(record->len));
	if (!known)
		return;
	object = json_object();
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (fields[i].type == type && applies(&fields[i], &msg))
			json_object_set_new(object, last_name(fields[i].name),
					    field_json(&msg, &fields[i]));
	json_object_set_new(line, "fields", object);
}

static const char *packet_name(uint16_t type)
{
	switch (type) {
#define PACKET_CASE(number, name, header)                                                          \
	case (number):                                                                             \
		return #name;
		HVP_PACKET_LIST(PACKET_CASE)
#undef PACKET_CASE
	default:
		return "UNKNOWN";
	}
}

static const char *ic_name(uint16_t type)
{
	switch (type) {
#define IC_CASE(number, name)                                                                      \
	case (number):                                                                             \
		return #name;
		HVP_IC_TYPE_LIST(IC_CASE)
#undef IC_CASE
	default:
		return "UNKNOWN";
	}
}

static json_t *ic_json(const struct hvw_ic *ic)
{
	return json_pack("{s:s, s:o, s:o, s:i, s:I, s:i, s:i}", "type", ic_name(ic->h.type),
			 "framework",
			 json_sprintf("%u.%u", ic->h.framework.major, ic->h.framework.minor),
			 "version", json_sprintf("%u.%u", ic->h.message.major, ic->h.message.minor),
			 "size", (int)ic->h.size, "status", (json_int_t)ic->h.status, "transaction",
			 (int)ic->h.transaction_id, "flags", (int)ic->h.flags);
}

static void add_packet(json_t *line, const struct vmm_trace_record *record)
{
	bool network = !strcmp(record->device, "network");
	struct hvw_ic ic;
	json_t *nvsp;

	json_object_set_new(line, "packet", json_string(packet_name(record->type)));
	json_object_set_new(line, "type", json_integer(record->type));
	json_object_set_new(line, "channel", json_integer(record->channel_id));
	json_object_set_new(line, "device", json_string(record->device));
	json_object_set_new(line, "flags", json_integer(record->flags));
	json_object_set_new(line, "transaction", json_integer((json_int_t)record->transaction_id));
	json_object_set_new(line, "length", json_integer(record->len));
	/* A service's message is told by its framing: no other device's begins like that and fits so well. */
	if (record->kept == record->len && record->type == HVP_PACKET_INBAND &&
	    !hvw_ic_parse(&ic, record->bytes, record->kept))
		json_object_set_new(line, "ic", ic_json(&ic));
	nvsp = network ? vmm_trace_nvsp_json(record) : NULL;
	if (nvsp)
		json_object_set_new(line, "nvsp", nvsp);
}

static void add_named(json_t *line, const struct vmm_trace_record *record)
{
	json_t *rndis = strcmp(record->device, "network") ? NULL : vmm_trace_rndis_json(record);

	json_object_set_new(line, "channel", json_integer(record->channel_id));
	json_object_set_new(line, "device", json_string(record->device));
	json_object_set_new(line, "transaction", json_integer((json_int_t)record->transaction_id));
	json_object_set_new(line, "length", json_integer(record->len));
	if (rndis)
		json_object_set_new(line, "rndis", rndis);
}

json_t *vmm_trace_record_json(const struct vmm_trace_record *record)
{
	json_t *line = json_object();

	/* Microseconds do, and doubles hold them exactly enough. */
	json_object_set_new(line, "time", json_real((double)(record->time_ns / 1000) / 1e6));
	json_object_set_new(line, "to",
			    json_string(record->direction == HVP_TO_HOST ? "host" : "guest"));
	if (record->named)
		add_named(line, record);
	else if (record->is_packet)
		add_packet(line, record);
	else
		add_message(line, record);
	json_object_set_new(line, "payload", hex(record->bytes, record->kept));
	return line;
}

json_t *vmm_trace_lost_json(uint64_t lost)
{
	return json_pack("{s:I}", "lost", (json_int_t)lost);
}
