/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Receive-side scaling: the Toeplitz hash of a frame's flow, and the parameters that choose a channel by it.
 */
#ifndef WIRE_HVW_RSS_H
#define WIRE_HVW_RSS_H

#include "hvp_ndis.h"
#include "hvw_error.h"
#include "hvw_frame.h"

/* Both addresses and both ports of IPv6. */
#define HVW_FLOW_BYTES_MAX 36u

/* The key Microsoft published its test vectors for, which many systems use. */
extern const uint8_t hvw_rss_default_key[HVP_RSS_KEY_BYTES];

/* A key, as what each half of a byte at each place adds to the hash: 4.6 kB. */
struct hvw_toeplitz {
	uint32_t table[HVW_FLOW_BYTES_MAX * 2][16];
};

void hvw_toeplitz_init(struct hvw_toeplitz *toeplitz, const uint8_t key[HVP_RSS_KEY_BYTES]);

/* `len`: at most HVW_FLOW_BYTES_MAX; what is behind that does not count. */
uint32_t hvw_toeplitz_hash(const struct hvw_toeplitz *toeplitz, const uint8_t *bytes, size_t len);

/*
 * Hash a frame whose first bytes were dissected, by the best of `types` (HVP_RSS_*) that fits it. Returns
 * the type, or 0: none fits, *hash is 0.
 */
uint32_t hvw_rss_hash(const struct hvw_toeplitz *toeplitz, uint32_t types,
		      const struct hvw_frame *frame, const uint8_t *bytes, uint32_t *hash);

/* OID_GEN_RECEIVE_SCALE_PARAMETERS, taken apart. */
struct hvw_rss_params {
	uint16_t flags; /* HVP_RSS_* */
	uint32_t hash; /* function and types */
	uint32_t entries; /* 0: none given */
	uint32_t table[HVP_RSS_TABLE_MAX];
	bool keyed;
	uint8_t key[HVP_RSS_KEY_BYTES];
};

/*
 * -EPROTO: cut short; a table that is not whole entries, or more than HVP_RSS_TABLE_MAX, or a key of another
 * length than HVP_RSS_KEY_BYTES, or either not inside the `len` bytes; an entry of `channels` or more. Table and
 * key are not looked at when the flags disable scaling or say that they are unchanged.
 */
int hvw_rss_params_parse(struct hvw_rss_params *params, const void *bytes, size_t len,
			 uint32_t channels) HVW_MUST_CHECK;

/* Revision 2, table behind the fixed part, then the key. Its length, or -EMSGSIZE. */
int hvw_rss_params_build(void *dst, size_t size,
			 const struct hvw_rss_params *params) HVW_MUST_CHECK;

#endif
