/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "hvw_msg.h"
#include "hvw_shared.h"

struct msg_rule {
	const char *name;
	uint32_t least;
	uint32_t since;
	enum hvp_direction direction;
};

static const struct msg_rule rules[HVP_MSG_END] = {
#define MSG_RULE(number, name, type, least, direction, version) [number] = { #name, least, version, direction },
	HVP_MSG_LIST(MSG_RULE)
#undef MSG_RULE
};

static const struct msg_rule *find_rule(uint32_t type)
{
	return type < HVP_MSG_END && rules[type].name ? &rules[type] : NULL;
}

int hvw_msg_parse(struct hvw_msg *msg, const void *bytes, size_t len, enum hvp_direction direction)
{
	const struct msg_rule *rule;
	struct hvp_msg_header h;

	if (len < sizeof(h) || len > sizeof(msg->u.bytes))
		return -EPROTO;
	hvw_memcpy(&h, bytes, sizeof(h));
	rule = find_rule(h.type);
	if (!rule || rule->direction != direction || len < rule->least)
		return -EPROTO;
	hvw_memset(&msg->u, 0, sizeof(msg->u));
	hvw_memcpy(msg->u.bytes, bytes, len);
	msg->len = (uint32_t)len;
	return 0;
}

uint32_t hvw_msg_since(uint32_t type)
{
	const struct msg_rule *rule = find_rule(type);

	return rule ? rule->since : 0;
}

const char *hvw_msg_name(uint32_t type)
{
	const struct msg_rule *rule = find_rule(type);

	return rule ? rule->name : "UNKNOWN";
}

uint32_t hvw_msg_least(uint32_t type)
{
	const struct msg_rule *rule = find_rule(type);

	return rule ? rule->least : 0;
}
