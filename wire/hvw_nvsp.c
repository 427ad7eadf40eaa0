/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "hvw_nvsp.h"
#include "hvw_shared.h"

struct nvsp_rule {
	uint32_t type;
	const char *name;
	uint32_t least;
	unsigned direction;
	uint32_t since;
};

static const struct nvsp_rule rules[] = {
#define NVSP_RULE(number, name, type, least, direction, version)                                   \
	{ number, #name, least, direction, version },
	HVP_NVSP_LIST(NVSP_RULE)
#undef NVSP_RULE
};
#define RULES (sizeof(rules) / sizeof(rules[0]))

static const struct {
	uint32_t version;
	const char *name;
	uint32_t bytes;
} versions[] = {
#define NVSP_VERSION(name, text, number, bytes) { number, text, bytes },
	HVP_NVSP_VERSION_LIST(NVSP_VERSION)
#undef NVSP_VERSION
};
#define VERSIONS (sizeof(versions) / sizeof(versions[0]))

/* Versions ascend as numbers, but for the first: 2 is below 0x30002. */
int hvw_nvsp_parse(struct hvw_nvsp *msg, const void *bytes, size_t len, unsigned direction,
		   uint32_t version)
{
	const struct nvsp_rule *rule = NULL;
	struct hvp_nvsp_header h;
	size_t i;

	if (len < sizeof(h))
		return -EPROTO;
	hvw_memcpy(&h, bytes, sizeof(h));
	for (i = 0; i < RULES && !rule; i++)
		if (rules[i].type == h.type && (rules[i].direction & direction))
			rule = &rules[i];
	if (!rule || len < rule->least)
		return -EPROTO;
	if (version < rule->since && h.type != HVP_NVSP_INIT && h.type != HVP_NVSP_INIT_COMPLETE)
		return -EPROTO;
	hvw_memset(msg, 0, sizeof(*msg));
	msg->len = len < sizeof(msg->u.bytes) ? (uint32_t)len : (uint32_t)sizeof(msg->u.bytes);
	hvw_memcpy(msg->u.bytes, bytes, msg->len);
	return 0;
}

void hvw_nvsp_init(struct hvw_nvsp *msg, uint32_t type)
{
	hvw_memset(msg, 0, sizeof(*msg));
	msg->u.h.type = type;
}

static size_t find_version(uint32_t version)
{
	size_t i;

	for (i = 0; i < VERSIONS && versions[i].version != version; i++)
		;
	return i;
}

uint32_t hvw_nvsp_bytes(uint32_t version)
{
	size_t i = find_version(version);

	return versions[i < VERSIONS ? i : 0].bytes;
}

bool hvw_nvsp_version_known(uint32_t version)
{
	return find_version(version) < VERSIONS;
}

const char *hvw_nvsp_version_name(uint32_t version)
{
	size_t i = find_version(version);

	return i < VERSIONS ? versions[i].name : "none";
}

const char *hvw_nvsp_name(uint32_t type)
{
	size_t i;

	for (i = 0; i < RULES; i++)
		if (rules[i].type == type)
			return rules[i].name;
	switch (type) {
#define NVSP_NAME(number, name)                                                                    \
	case number:                                                                               \
		return #name;
		HVP_NVSP_UNUSED_LIST(NVSP_NAME)
#undef NVSP_NAME
	default:
		return "UNKNOWN";
	}
}

/* --- indirection table ----------------------------------------------------------------------------- */

#define TABLE_BYTES ((uint32_t)(HVP_NVSP_INDIRECTION_ENTRIES * sizeof(uint32_t)))

/*
 * Some Hyper-V hosts up to version 6 put the table behind 40 bytes and write another offset. Linux knows
 * them by the length of the message.
 */
#define OLD_OFFSET     40u
#define OLD_LENGTH_MIN (OLD_OFFSET + TABLE_BYTES)

int hvw_nvsp_indirection(const struct hvw_nvsp *msg, uint32_t version,
			 uint32_t table[HVP_NVSP_INDIRECTION_ENTRIES])
{
	const struct hvp_nvsp_indirection_table *head = &msg->u.SEND_INDIRECTION_TABLE;
	uint32_t offset = head->offset;

	if (head->count != HVP_NVSP_INDIRECTION_ENTRIES)
		return -EPROTO;
	if (version <= HVP_NVSP_6 && msg->len >= OLD_LENGTH_MIN)
		offset = OLD_OFFSET;
	if (offset < sizeof(*head) || offset > msg->len || TABLE_BYTES > msg->len - offset)
		return -EPROTO;
	hvw_memcpy(table, msg->u.bytes + offset, TABLE_BYTES);
	return 0;
}

void hvw_nvsp_indirection_build(struct hvw_nvsp *msg,
				const uint32_t table[HVP_NVSP_INDIRECTION_ENTRIES])
{
	struct hvp_nvsp_indirection_table *head = &msg->u.SEND_INDIRECTION_TABLE;

	hvw_nvsp_init(msg, HVP_NVSP_SEND_INDIRECTION_TABLE);
	head->count = HVP_NVSP_INDIRECTION_ENTRIES;
	head->offset = sizeof(*head);
	hvw_memcpy(msg->u.bytes + sizeof(*head), table, TABLE_BYTES);
	msg->len = (uint32_t)sizeof(*head) + TABLE_BYTES;
}

/* --- receive buffer -------------------------------------------------------------------------------- */

int hvw_nvsp_recv_section(const struct hvw_nvsp *msg, uint32_t size_min, uint32_t buffer_bytes,
			  struct hvp_nvsp_recv_section *section)
{
	const struct hvp_nvsp_recv_buf_complete *complete = &msg->u.SEND_RECV_BUF_COMPLETE;
	struct hvp_nvsp_recv_section found = complete->section;

	if (msg->len < sizeof(*complete) || complete->section_count != 1 || found.offset)
		return -EPROTO;
	if (!found.count || !found.size || found.size < size_min ||
	    (uint64_t)found.size * found.count > buffer_bytes)
		return -EPROTO;
	*section = found;
	return 0;
}
