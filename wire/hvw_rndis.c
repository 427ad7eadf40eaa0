/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "hvw_rndis.h"
#include "hvw_shared.h"

const char *hvw_rndis_name(uint32_t type)
{
	switch (type) {
#define RNDIS_NAME(number, name, struct_type, bytes)                                               \
	case number:                                                                               \
		return #name;
		HVP_RNDIS_LIST(RNDIS_NAME)
#undef RNDIS_NAME
	default:
		return "UNKNOWN";
	}
}

const char *hvw_oid_name(uint32_t oid)
{
	switch (oid) {
#define OID_NAME(number, name)                                                                     \
	case number:                                                                               \
		return #name;
		HVP_OID_LIST(OID_NAME)
#undef OID_NAME
	default:
		return "UNKNOWN";
	}
}

/* --- messages in a stream -------------------------------------------------------------------------- */

#define RNDIS_SIZE(number, name, struct_type, bytes)                                               \
	HVP_SIZE(struct hvp_rndis_##struct_type, bytes);
HVP_RNDIS_LIST(RNDIS_SIZE)
#undef RNDIS_SIZE

/* Bytes of the type's fixed part; 0: an unknown type. */
static uint32_t fixed_part(uint32_t type)
{
	switch (type) {
#define RNDIS_FIXED(number, name, struct_type, bytes)                                              \
	case number:                                                                               \
		return bytes;
		HVP_RNDIS_LIST(RNDIS_FIXED)
#undef RNDIS_FIXED
	default:
		return 0;
	}
}

int hvw_rndis_check(const struct hvp_rndis_header *h, uint64_t left)
{
	uint32_t least = fixed_part(h->type);

	return least && h->length >= least && h->length <= left ? 0 : -EPROTO;
}

void hvw_rndis_iter_init(struct hvw_rndis_iter *iter, const void *bytes, size_t len)
{
	iter->next = bytes;
	iter->left = len;
}

int hvw_rndis_iter_next(struct hvw_rndis_iter *iter, struct hvw_rndis_msg *msg)
{
	struct hvp_rndis_header h;

	if (!iter->left)
		return -EAGAIN;
	if (iter->left < sizeof(h))
		return -EPROTO;
	hvw_memcpy(&h, iter->next, sizeof(h));
	if (hvw_rndis_check(&h, iter->left))
		return -EPROTO;
	msg->type = h.type;
	msg->len = h.length;
	msg->bytes = iter->next;
	iter->next += h.length;
	iter->left -= h.length;
	return 0;
}

/*
 * A part of `len` bytes at `offset`, as the wire counts it, of a message of `total` bytes whose fixed part takes `fixed`:
 * its place from the message's beginning, or 0 when it is not behind the fixed part and inside the message.
 */
static uint32_t part_at(uint32_t offset, uint32_t len, uint32_t fixed, uint32_t total)
{
	if (offset < fixed - HVP_RNDIS_OFFSET_BASE || offset > total - HVP_RNDIS_OFFSET_BASE)
		return 0;
	offset += HVP_RNDIS_OFFSET_BASE;
	return len <= total - offset ? offset : 0;
}

/* --- packets --------------------------------------------------------------------------------------- */

int hvw_rndis_packet_parse(struct hvw_rndis_packet *packet, const struct hvp_rndis_packet *h,
			   uint64_t left)
{
	if (h->h.type != HVP_RNDIS_PACKET || h->h.length < sizeof(*h) || h->h.length > left)
		return -EPROTO;
	if (h->oob_offset || h->oob_length || h->oob_count || h->vc || !h->data_length)
		return -EPROTO;
	packet->len = h->h.length;
	packet->data_len = h->data_length;
	packet->data_at = part_at(h->data_offset, h->data_length, sizeof(*h), h->h.length);
	packet->info_len = h->info_length;
	packet->info_at = part_at(h->info_offset, h->info_length, sizeof(*h), h->h.length);
	/* Without information its offset means nothing. */
	if (!packet->data_at || (packet->info_len && !packet->info_at))
		return -EPROTO;
	return 0;
}

void hvw_rndis_infos_init(struct hvw_rndis_infos *iter, const void *bytes, size_t len)
{
	iter->next = bytes;
	iter->left = len;
}

int hvw_rndis_infos_next(struct hvw_rndis_infos *iter, struct hvw_rndis_info *info)
{
	struct hvp_rndis_info h;

	if (!iter->left)
		return -EAGAIN;
	if (iter->left < sizeof(h))
		return -EPROTO;
	hvw_memcpy(&h, iter->next, sizeof(h));
	if (h.size < sizeof(h) || h.size % 4 || h.size > iter->left)
		return -EPROTO;
	if (h.offset < sizeof(h) || h.offset > h.size)
		return -EPROTO;
	info->type = h.type;
	info->len = h.size - h.offset;
	info->value = iter->next + h.offset;
	iter->next += h.size;
	iter->left -= h.size;
	return 0;
}

/* Where the value of a known type goes, and its HVW_META_*; NULL: unknown. */
static uint32_t *meta_field(struct hvw_rndis_meta *meta, uint32_t type, uint32_t *bit)
{
	switch (type) {
	case HVP_INFO_CHECKSUM:
		*bit = HVW_META_CHECKSUM;
		return &meta->checksum;
	case HVP_INFO_LSO:
		*bit = HVW_META_LSO;
		return &meta->lso;
	case HVP_INFO_VLAN:
		*bit = HVW_META_VLAN;
		return &meta->vlan;
	case HVP_INFO_HASH:
		*bit = HVW_META_HASH;
		return &meta->hash;
	case HVP_INFO_HASH_INFO:
		*bit = HVW_META_HASH_INFO;
		return &meta->hash_info;
	case HVP_INFO_PACKET_ID:
		*bit = HVW_META_PACKET_ID;
		return &meta->packet_id;
	default:
		return NULL;
	}
}

int hvw_rndis_meta_parse(struct hvw_rndis_meta *meta, const void *bytes, size_t len)
{
	struct hvw_rndis_infos iter;
	struct hvw_rndis_info info;
	int err;

	hvw_memset(meta, 0, sizeof(*meta));
	hvw_rndis_infos_init(&iter, bytes, len);
	while (!(err = hvw_rndis_infos_next(&iter, &info))) {
		uint32_t bit, *field = meta_field(meta, info.type, &bit);

		if (!field)
			continue;
		if (info.len < sizeof(*field))
			return -EPROTO;
		if (meta->has & bit)
			continue;
		meta->has |= bit;
		hvw_memcpy(field, info.value, sizeof(*field));
	}
	return err == -EAGAIN ? 0 : err;
}

struct info_word {
	struct hvp_rndis_info h;
	uint32_t value;
};

static uint8_t *put_info(uint8_t *at, uint32_t type, uint32_t value)
{
	const struct info_word word = { { sizeof(word), type, sizeof(word.h) }, value };

	hvw_memcpy(at, &word, sizeof(word));
	return at + sizeof(word);
}

int hvw_rndis_packet_build(void *dst, const struct hvw_rndis_meta *meta, uint32_t data_at,
			   uint32_t data_len, uint32_t padding)
{
	struct hvp_rndis_packet h = { .h.type = HVP_RNDIS_PACKET };
	uint8_t *begin = (uint8_t *)dst + sizeof(h), *end = begin;
	uint32_t written;

	if (meta->has & HVW_META_PACKET_ID)
		end = put_info(end, HVP_INFO_PACKET_ID, meta->packet_id);
	if (meta->has & HVW_META_HASH)
		end = put_info(end, HVP_INFO_HASH, meta->hash);
	if (meta->has & HVW_META_HASH_INFO)
		end = put_info(end, HVP_INFO_HASH_INFO, meta->hash_info);
	if (meta->has & HVW_META_VLAN)
		end = put_info(end, HVP_INFO_VLAN, meta->vlan);
	if (meta->has & HVW_META_LSO)
		end = put_info(end, HVP_INFO_LSO, meta->lso);
	if (meta->has & HVW_META_CHECKSUM)
		end = put_info(end, HVP_INFO_CHECKSUM, meta->checksum);

	h.info_length = (uint32_t)(end - begin);
	h.info_offset = h.info_length ? (uint32_t)sizeof(h) - HVP_RNDIS_OFFSET_BASE : 0;
	written = (uint32_t)sizeof(h) + h.info_length;
	if (!data_at)
		data_at = written;
	if (data_at < written || data_len > 0xffffffffu - data_at ||
	    padding > 0xffffffffu - data_at - data_len)
		return -EINVAL;
	h.h.length = data_at + data_len + padding;
	h.data_offset = data_at - HVP_RNDIS_OFFSET_BASE;
	h.data_length = data_len;
	hvw_memcpy(dst, &h, sizeof(h));
	return (int)written;
}

/* --- control messages: readers --------------------------------------------------------------------- */

static int request_info(struct hvw_rndis_request *request, const struct hvw_rndis_msg *msg)
{
	struct hvp_rndis_request h;
	uint32_t at;

	hvw_memcpy(&h, msg->bytes, sizeof(h));
	/* Hyper-V fails an offset of 0, also where there is no information. */
	at = part_at(h.info_offset, h.info_length, sizeof(h), msg->len);
	if (!at)
		return -EPROTO;
	request->id = h.request_id;
	request->oid = h.oid;
	request->info = msg->bytes + at;
	request->info_len = h.info_length;
	return 0;
}

int hvw_rndis_request_parse(struct hvw_rndis_request *request, const struct hvw_rndis_msg *msg)
{
	struct hvp_rndis_initialize initialize;
	struct hvp_rndis_keepalive plain;

	hvw_memset(request, 0, sizeof(*request));
	request->type = msg->type;
	switch (msg->type) {
	case HVP_RNDIS_QUERY:
	case HVP_RNDIS_SET:
	case HVP_RNDIS_SET_EX:
		return request_info(request, msg);
	case HVP_RNDIS_INITIALIZE:
		hvw_memcpy(&initialize, msg->bytes, sizeof(initialize));
		request->id = initialize.request_id;
		request->transfer_max = initialize.transfer_max;
		return 0;
	case HVP_RNDIS_HALT:
	case HVP_RNDIS_KEEPALIVE:
		hvw_memcpy(&plain, msg->bytes, sizeof(plain));
		request->id = plain.request_id;
		return 0;
	case HVP_RNDIS_RESET:
		return 0;
	default:
		return -EPROTO;
	}
}

static int answer_info(struct hvw_rndis_answer *answer, const struct hvw_rndis_msg *msg)
{
	struct hvp_rndis_query_complete h;
	uint32_t at;

	hvw_memcpy(&h, msg->bytes, sizeof(h));
	at = part_at(h.info_offset, h.info_length, sizeof(h), msg->len);
	/* The offset of nothing means nothing. */
	if (!at && h.info_length)
		return -EPROTO;
	answer->id = h.request_id;
	answer->status = h.status;
	answer->info = msg->bytes + at;
	answer->info_len = h.info_length;
	return 0;
}

static int indication(struct hvw_rndis_answer *answer, const struct hvw_rndis_msg *msg, size_t room)
{
	struct hvp_rndis_indicate_status h;
	uint32_t total = msg->len, at;

	hvw_memcpy(&h, msg->bytes, sizeof(h));
	if (h.status == HVP_RNDIS_STATUS_LINK_SPEED_CHANGE && room > total)
		total = room < 0xffffffffu ? (uint32_t)room : 0xffffffffu;
	at = part_at(h.buffer_offset, h.buffer_length, sizeof(h), total);
	if (!at && h.buffer_length)
		return -EPROTO;
	answer->status = h.status;
	answer->info = msg->bytes + at;
	answer->info_len = h.buffer_length;
	return 0;
}

int hvw_rndis_answer_parse(struct hvw_rndis_answer *answer, const struct hvw_rndis_msg *msg,
			   size_t room)
{
	struct hvp_rndis_reset_complete reset;
	struct hvp_rndis_set_complete plain;

	hvw_memset(answer, 0, sizeof(*answer));
	answer->type = msg->type;
	switch (msg->type) {
	case HVP_RNDIS_INITIALIZE_COMPLETE:
		hvw_memcpy(&answer->limits, msg->bytes, sizeof(answer->limits));
		answer->id = answer->limits.request_id;
		answer->status = answer->limits.status;
		return 0;
	case HVP_RNDIS_QUERY_COMPLETE:
	case HVP_RNDIS_SET_EX_COMPLETE:
		return answer_info(answer, msg);
	case HVP_RNDIS_SET_COMPLETE:
	case HVP_RNDIS_KEEPALIVE_COMPLETE:
		hvw_memcpy(&plain, msg->bytes, sizeof(plain));
		answer->id = plain.request_id;
		answer->status = plain.status;
		return 0;
	case HVP_RNDIS_RESET_COMPLETE:
		hvw_memcpy(&reset, msg->bytes, sizeof(reset));
		answer->status = reset.status;
		return 0;
	case HVP_RNDIS_INDICATE_STATUS:
		return indication(answer, msg, room);
	default:
		return -EPROTO;
	}
}

/* --- control messages: writers --------------------------------------------------------------------- */

/* `head`, whose header is written here, and `info` behind it. */
static int build(void *dst, size_t size, uint32_t type, void *head, uint32_t head_len,
		 const void *info, uint32_t info_len)
{
	struct hvp_rndis_header h = { type, head_len + info_len };

	if (size < head_len || info_len > size - head_len || h.length > 0x7fffffffu)
		return -EMSGSIZE;
	hvw_memcpy(head, &h, sizeof(h));
	hvw_memcpy(dst, head, head_len);
	if (info_len)
		hvw_memcpy((uint8_t *)dst + head_len, info, info_len);
	return (int)h.length;
}

int hvw_rndis_build_initialize(void *dst, size_t size, uint32_t id, uint32_t transfer_max)
{
	struct hvp_rndis_initialize h = {
		.request_id = id,
		.major = HVP_RNDIS_MAJOR,
		.minor = HVP_RNDIS_MINOR,
		.transfer_max = transfer_max,
	};

	return build(dst, size, HVP_RNDIS_INITIALIZE, &h, sizeof(h), NULL, 0);
}

int hvw_rndis_build_halt(void *dst, size_t size, uint32_t id)
{
	struct hvp_rndis_halt h = { .request_id = id };

	return build(dst, size, HVP_RNDIS_HALT, &h, sizeof(h), NULL, 0);
}

int hvw_rndis_build_keepalive(void *dst, size_t size, uint32_t id)
{
	struct hvp_rndis_keepalive h = { .request_id = id };

	return build(dst, size, HVP_RNDIS_KEEPALIVE, &h, sizeof(h), NULL, 0);
}

int hvw_rndis_build_reset(void *dst, size_t size)
{
	struct hvp_rndis_reset h = { .reserved = 0 };

	return build(dst, size, HVP_RNDIS_RESET, &h, sizeof(h), NULL, 0);
}

int hvw_rndis_build_request(void *dst, size_t size, uint32_t type, uint32_t id, uint32_t oid,
			    const void *info, uint32_t info_len)
{
	struct hvp_rndis_request h = {
		.request_id = id,
		.oid = oid,
		.info_length = info_len,
		.info_offset = sizeof(h) - HVP_RNDIS_OFFSET_BASE,
	};

	return build(dst, size, type, &h, sizeof(h), info, info_len);
}

int hvw_rndis_build_completion(void *dst, size_t size, uint32_t type, uint32_t id, uint32_t status,
			       const void *info, uint32_t info_len)
{
	struct hvp_rndis_query_complete query = {
		.request_id = id,
		.status = status,
		.info_length = info_len,
		.info_offset = sizeof(query) - HVP_RNDIS_OFFSET_BASE,
	};
	struct hvp_rndis_set_complete plain = { .request_id = id, .status = status };
	struct hvp_rndis_reset_complete reset = { .status = status };

	switch (type) {
	case HVP_RNDIS_QUERY_COMPLETE:
	case HVP_RNDIS_SET_EX_COMPLETE:
		return build(dst, size, type, &query, sizeof(query), info, info_len);
	case HVP_RNDIS_RESET_COMPLETE:
		return build(dst, size, type, &reset, sizeof(reset), NULL, 0);
	default:
		return build(dst, size, type, &plain, sizeof(plain), NULL, 0);
	}
}

int hvw_rndis_build_initialize_complete(void *dst, size_t size,
					const struct hvp_rndis_initialize_complete *limits)
{
	struct hvp_rndis_initialize_complete h = *limits;

	h.major = HVP_RNDIS_MAJOR;
	h.minor = HVP_RNDIS_MINOR;
	h.device_flags = HVP_RNDIS_CONNECTIONLESS;
	h.medium = HVP_RNDIS_MEDIUM_802_3;
	return build(dst, size, HVP_RNDIS_INITIALIZE_COMPLETE, &h, sizeof(h), NULL, 0);
}

int hvw_rndis_build_indication(void *dst, size_t size, uint32_t status, const void *info,
			       uint32_t info_len)
{
	struct hvp_rndis_indicate_status h = {
		.status = status,
		.buffer_length = info_len,
		.buffer_offset = info_len ? (uint32_t)sizeof(h) - HVP_RNDIS_OFFSET_BASE : 0,
	};

	return build(dst, size, HVP_RNDIS_INDICATE_STATUS, &h, sizeof(h), info, info_len);
}
