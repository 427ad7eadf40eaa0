/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Integration service messages: framing, and version negotiation from both sides.
 *
 * A message is pipe header, IC header, body. Parsing works on a private copy of the packet's payload.
 */
#ifndef WIRE_HVW_IC_H
#define WIRE_HVW_IC_H

#include "hvp_ic.h"
#include "hvp_ring.h"
#include "hvw_error.h"

/* Pipe header and IC header. */
#define HVW_IC_HEADERS (sizeof(struct hvp_pipe_header) + sizeof(struct hvp_ic_header))

/* What hvw_ic_build_choice() writes: headers, counts, one version of each kind. */
#define HVW_IC_CHOICE (HVW_IC_HEADERS + sizeof(struct hvp_ic_negotiate) + 2 * sizeof(struct hvp_ic_version))

struct hvw_ic {
	struct hvp_ic_header h;
	const uint8_t *body; /* h.size bytes, in the caller's buffer, possibly unaligned */
};

/*
 * -EPROTO: shorter than its headers or than they say, or not pipe data. Bytes behind the body (the
 * ring pads) are ignored.
 */
int hvw_ic_parse(struct hvw_ic *ic, const void *payload, size_t len) HVW_MUST_CHECK;

/* Copy `len` bytes at `offset` of the body; -EPROTO when it is shorter. */
int hvw_ic_read(const struct hvw_ic *ic, size_t offset, void *dst, size_t len) HVW_MUST_CHECK;

/*
 * Write both headers, for a body of h->size bytes that the caller puts at HVW_IC_HEADERS. Returns
 * the length of the whole message.
 */
size_t hvw_ic_build(void *payload, const struct hvp_ic_header *h);

/* Host: a negotiation request with both lists, ascending. Returns its length, or -EMSGSIZE. */
int hvw_ic_build_negotiate(void *payload, size_t size, const struct hvp_ic_version *framework, unsigned frameworks,
			   const struct hvp_ic_version *message, unsigned messages) HVW_MUST_CHECK;

/*
 * Host: what the guest chose, from an answer whose type, flags and transaction id the caller has
 * checked. -EPROTO: not one version of each kind, or one that was not offered; -EOPNOTSUPP: the guest
 * says that it has none in common (a count of 0, or an error status).
 */
int hvw_ic_parse_choice(const struct hvw_ic *ic, const struct hvp_ic_version *framework, unsigned frameworks,
			const struct hvp_ic_version *message, unsigned messages, struct hvp_ic_version *framework_chosen,
			struct hvp_ic_version *message_chosen) HVW_MUST_CHECK;

/*
 * Guest: the best version that both know, from lists that are best first. -EPROTO: malformed
 * request; -EOPNOTSUPP: none in common.
 */
int hvw_ic_choose(const struct hvw_ic *ic, const struct hvp_ic_version *framework, unsigned frameworks,
		  const struct hvp_ic_version *message, unsigned messages, struct hvp_ic_version *framework_chosen,
		  struct hvp_ic_version *message_chosen) HVW_MUST_CHECK;

/*
 * Guest: the answer to a negotiation request; `framework` and `message` NULL when none is in common.
 * `payload` has room for HVW_IC_CHOICE bytes, which may be more than the request took. Returns the length.
 */
size_t hvw_ic_build_choice(void *payload, const struct hvp_ic_header *request, const struct hvp_ic_version *framework,
			   const struct hvp_ic_version *message);

#endif
