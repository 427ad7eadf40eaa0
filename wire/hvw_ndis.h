/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * NDIS structures that grew: what a peer sends may be an older or a newer revision than we know.
 */
#ifndef WIRE_HVW_NDIS_H
#define WIRE_HVW_NDIS_H

#include "hvp_ndis.h"
#include "hvw_error.h"

/*
 * Offload capabilities. Parts that the sender's revision does not have are zero. -EPROTO: another structure,
 * shorter than revision 1, or shorter than it says.
 */
int hvw_ndis_offload_parse(struct hvp_ndis_offload *offload, const void *bytes,
			   size_t len) HVW_MUST_CHECK;

/*
 * The same to send, in the newest revision that `room` bytes hold (HVP_NDIS_OFFLOAD_SIZE_*) and the peer, which names
 * its `revision`, knows. Sets revision and size; returns the bytes to send, or -EMSGSIZE.
 */
int hvw_ndis_offload_fit(struct hvp_ndis_offload *offload, unsigned revision,
			 size_t room) HVW_MUST_CHECK;

/* Offload parameters, likewise. */
int hvw_ndis_offload_params_parse(struct hvp_ndis_offload_params *params, const void *bytes,
				  size_t len) HVW_MUST_CHECK;

/* Scaling capabilities, likewise; `entries` is HVP_RSS_TABLE_ENTRIES where revision 1 does not tell. */
int hvw_ndis_rss_caps_parse(struct hvp_ndis_rss_caps *caps, const void *bytes,
			    size_t len) HVW_MUST_CHECK;

#endif
