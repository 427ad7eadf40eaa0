/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <stdbool.h>

#include "hvw_ic.h"
#include "hvw_shared.h"

int hvw_ic_parse(struct hvw_ic *ic, const void *payload, size_t len)
{
	const uint8_t *bytes = payload;
	struct hvp_pipe_header pipe;
	struct hvp_ic_header h;

	if (len < HVW_IC_HEADERS)
		return -EPROTO;
	hvw_memcpy(&pipe, bytes, sizeof(pipe));
	hvw_memcpy(&h, bytes + sizeof(pipe), sizeof(h));
	if (pipe.type != HVP_PIPE_DATA || pipe.length < sizeof(h) || pipe.length > len - sizeof(pipe) ||
	    h.size > pipe.length - sizeof(h))
		return -EPROTO;
	ic->h = h;
	ic->body = bytes + HVW_IC_HEADERS;
	return 0;
}

int hvw_ic_read(const struct hvw_ic *ic, size_t offset, void *dst, size_t len)
{
	if (offset > ic->h.size || len > ic->h.size - offset)
		return -EPROTO;
	hvw_memcpy(dst, ic->body + offset, len);
	return 0;
}

size_t hvw_ic_build(void *payload, const struct hvp_ic_header *h)
{
	struct hvp_pipe_header pipe = { HVP_PIPE_DATA, (uint32_t)sizeof(*h) + h->size };

	hvw_memcpy(payload, &pipe, sizeof(pipe));
	hvw_memcpy((uint8_t *)payload + sizeof(pipe), h, sizeof(*h));
	return HVW_IC_HEADERS + h->size;
}

int hvw_ic_build_negotiate(void *payload, size_t size, const struct hvp_ic_version *framework, unsigned frameworks,
			   const struct hvp_ic_version *message, unsigned messages)
{
	struct hvp_ic_negotiate counts = { (uint16_t)frameworks, (uint16_t)messages, 0 };
	size_t one = sizeof(struct hvp_ic_version);
	struct hvp_ic_header h = {
		.type = HVP_IC_NEGOTIATE,
		.flags = HVP_IC_FLAG_TRANSACTION | HVP_IC_FLAG_REQUEST,
	};
	uint8_t *body = (uint8_t *)payload + HVW_IC_HEADERS;

	if (frameworks > HVP_IC_VERSIONS_MAX || messages > HVP_IC_VERSIONS_MAX ||
	    size < HVW_IC_HEADERS + sizeof(counts) + (frameworks + messages) * one)
		return -EMSGSIZE;
	h.size = (uint16_t)(sizeof(counts) + (frameworks + messages) * one);
	hvw_memcpy(body, &counts, sizeof(counts));
	hvw_memcpy(body + sizeof(counts), framework, frameworks * one);
	hvw_memcpy(body + sizeof(counts) + frameworks * one, message, messages * one);
	return (int)hvw_ic_build(payload, &h);
}

static bool version_in(const struct hvp_ic_version *list, unsigned count, struct hvp_ic_version version)
{
	unsigned i;

	for (i = 0; i < count; i++)
		if (list[i].major == version.major && list[i].minor == version.minor)
			return true;
	return false;
}

int hvw_ic_parse_choice(const struct hvw_ic *ic, const struct hvp_ic_version *framework, unsigned frameworks,
			const struct hvp_ic_version *message, unsigned messages, struct hvp_ic_version *framework_chosen,
			struct hvp_ic_version *message_chosen)
{
	struct hvp_ic_negotiate counts;
	struct hvp_ic_version chosen[2];
	int err;

	/* First, because a refusal may come without a body. */
	if (ic->h.status)
		return -EOPNOTSUPP;
	err = hvw_ic_read(ic, 0, &counts, sizeof(counts));
	if (err)
		return err;
	if (!counts.framework_count || !counts.message_count)
		return -EOPNOTSUPP;
	if (counts.framework_count != 1 || counts.message_count != 1)
		return -EPROTO;
	err = hvw_ic_read(ic, sizeof(counts), chosen, sizeof(chosen));
	if (err)
		return err;
	if (!version_in(framework, frameworks, chosen[0]) || !version_in(message, messages, chosen[1]))
		return -EPROTO;
	*framework_chosen = chosen[0];
	*message_chosen = chosen[1];
	return 0;
}

/* The first of `own` (best first) that stands in `count` versions at `offset` of the body. */
static int choose(const struct hvw_ic *ic, size_t offset, unsigned count, const struct hvp_ic_version *own,
		  unsigned owned, struct hvp_ic_version *chosen)
{
	struct hvp_ic_version offered[HVP_IC_VERSIONS_MAX];
	int err = hvw_ic_read(ic, offset, offered, count * sizeof(offered[0]));
	unsigned i;

	if (err)
		return err;
	for (i = 0; i < owned; i++) {
		if (version_in(offered, count, own[i])) {
			*chosen = own[i];
			return 0;
		}
	}
	return -EOPNOTSUPP;
}

int hvw_ic_choose(const struct hvw_ic *ic, const struct hvp_ic_version *framework, unsigned frameworks,
		  const struct hvp_ic_version *message, unsigned messages, struct hvp_ic_version *framework_chosen,
		  struct hvp_ic_version *message_chosen)
{
	struct hvp_ic_negotiate counts;
	struct hvp_ic_version best[2];
	size_t offset = sizeof(counts);
	int err = hvw_ic_read(ic, 0, &counts, sizeof(counts));

	if (err)
		return err;
	if (counts.framework_count > HVP_IC_VERSIONS_MAX || counts.message_count > HVP_IC_VERSIONS_MAX)
		return -EPROTO;
	err = choose(ic, offset, counts.framework_count, framework, frameworks, &best[0]);
	if (err)
		return err;
	offset += counts.framework_count * sizeof(struct hvp_ic_version);
	err = choose(ic, offset, counts.message_count, message, messages, &best[1]);
	if (err)
		return err;
	*framework_chosen = best[0];
	*message_chosen = best[1];
	return 0;
}

size_t hvw_ic_build_choice(void *payload, const struct hvp_ic_header *request, const struct hvp_ic_version *framework,
			   const struct hvp_ic_version *message)
{
	bool agreed = framework && message;
	struct hvp_ic_negotiate counts = { agreed, agreed, 0 };
	struct hvp_ic_version chosen[2] = { { 0, 0 }, { 0, 0 } };
	struct hvp_ic_header h = *request;
	uint8_t *body = (uint8_t *)payload + HVW_IC_HEADERS;

	if (agreed) {
		chosen[0] = *framework;
		chosen[1] = *message;
	}
	h.flags = HVP_IC_FLAG_TRANSACTION | HVP_IC_FLAG_RESPONSE;
	h.status = HVP_IC_SUCCESS;
	h.size = sizeof(counts) + sizeof(chosen);
	hvw_memcpy(body, &counts, sizeof(counts));
	hvw_memcpy(body + sizeof(counts), chosen, sizeof(chosen));
	return hvw_ic_build(payload, &h);
}
