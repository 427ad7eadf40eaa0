/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "hvw_storvsp.h"
#include "hvw_shared.h"

static const struct {
	uint32_t operation;
	uint32_t least;
	unsigned direction;
	uint32_t since;
} rules[] = {
#define STORVSP_RULE(number, name, type, least, direction, version)                                \
	{ number, least, direction, version },
	HVP_STORVSP_LIST(STORVSP_RULE)
#undef STORVSP_RULE
};
#define RULES (sizeof(rules) / sizeof(rules[0]))

static const struct {
	uint32_t version;
	const char *name;
	uint32_t bytes;
} versions[] = {
#define STORVSP_VERSION(name, text, number, bytes) { number, text, bytes },
	HVP_STORVSP_VERSION_LIST(STORVSP_VERSION)
#undef STORVSP_VERSION
};
#define VERSIONS (sizeof(versions) / sizeof(versions[0]))

int hvw_storvsp_parse(struct hvw_storvsp *msg, const void *bytes, size_t len, unsigned direction,
		      uint32_t version)
{
	size_t i = 0;

	if (len < sizeof(struct hvp_storvsp_header))
		return -EPROTO;
	hvw_memset(msg, 0, sizeof(*msg));
	msg->len = len < sizeof(msg->u.bytes) ? (uint32_t)len : (uint32_t)sizeof(msg->u.bytes);
	hvw_memcpy(msg->u.bytes, bytes, msg->len);
	while (i < RULES &&
	       (rules[i].operation != msg->u.h.operation || !(rules[i].direction & direction)))
		i++;
	/* Set-up begins before there is a version, with what the oldest one has. */
	if (i == RULES || rules[i].since > (version ? version : HVP_STORVSP_2_0))
		return -EOPNOTSUPP;
	if (len < rules[i].least)
		return -EPROTO;
	if (msg->u.h.operation == HVP_STORVSP_EXECUTE_SRB &&
	    (!msg->u.srb.cdb_length || msg->u.srb.cdb_length > HVP_CDB_BYTES ||
	     msg->u.srb.data_in > HVP_STORVSP_NO_DATA))
		return -EPROTO;
	return 0;
}

void hvw_storvsp_init(struct hvw_storvsp *msg, uint32_t operation)
{
	hvw_memset(msg, 0, sizeof(*msg));
	msg->u.h.operation = operation;
}

static size_t find_version(uint32_t version)
{
	size_t i;

	for (i = 0; i < VERSIONS && versions[i].version != version; i++)
		;
	return i;
}

uint32_t hvw_storvsp_bytes(uint32_t version)
{
	size_t i = find_version(version);

	return versions[i < VERSIONS ? i : 0].bytes;
}

bool hvw_storvsp_version_known(uint32_t version)
{
	return find_version(version) < VERSIONS;
}

const char *hvw_storvsp_version_name(uint32_t version)
{
	size_t i = find_version(version);

	return i < VERSIONS ? versions[i].name : "none";
}
