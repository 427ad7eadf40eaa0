/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "hvw_rss.h"
#include "hvw_shared.h"

const uint8_t hvw_rss_default_key[HVP_RSS_KEY_BYTES] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

/* --- Toeplitz -------------------------------------------------------------------------------------- */

/* The 32 bits of the key from bit `bit` on, the highest of byte 0 being the first; zeros behind its end. */
static uint32_t key_window(const uint8_t *key, unsigned bit)
{
	uint64_t window = 0;
	unsigned i;

	for (i = 0; i < 5; i++)
		window = window << 8 | (bit / 8 + i < HVP_RSS_KEY_BYTES ? key[bit / 8 + i] : 0);
	return (uint32_t)(window >> (8 - bit % 8));
}

void hvw_toeplitz_init(struct hvw_toeplitz *toeplitz, const uint8_t key[HVP_RSS_KEY_BYTES])
{
	unsigned place, half, bit;

	for (place = 0; place < HVW_FLOW_BYTES_MAX * 2; place++)
		for (half = 0; half < 16; half++) {
			uint32_t sum = 0;

			for (bit = 0; bit < 4; bit++)
				if (half & (8u >> bit))
					sum ^= key_window(key, place * 4 + bit);
			toeplitz->table[place][half] = sum;
		}
}

uint32_t hvw_toeplitz_hash(const struct hvw_toeplitz *toeplitz, const uint8_t *bytes, size_t len)
{
	uint32_t hash = 0;
	size_t i;

	if (len > HVW_FLOW_BYTES_MAX)
		len = HVW_FLOW_BYTES_MAX;
	for (i = 0; i < len; i++)
		hash ^= toeplitz->table[2 * i][bytes[i] >> 4] ^
			toeplitz->table[2 * i + 1][bytes[i] & 0xf];
	return hash;
}

/* --- frames ---------------------------------------------------------------------------------------- */

/* Where the addresses stand in an IP header, and how long both are together. */
#define IPV4_ADDRESSES	     12u
#define IPV4_ADDRESSES_BYTES 8u
#define IPV6_ADDRESSES	     8u
#define IPV6_ADDRESSES_BYTES 32u
#define PORTS_BYTES	     4u

static uint32_t best_type(uint32_t types, const struct hvw_frame *frame)
{
	bool ports = frame->l4 != 0;
	uint32_t fits = 0;

	/* In pairs, the one with ports higher up, so that the highest bit that is left is the best. */
	if (frame->ip == 4) {
		fits = HVP_RSS_IPV4;
		if (ports)
			fits |= frame->protocol == HVW_PROTOCOL_TCP ? HVP_RSS_TCP4 : HVP_RSS_UDP4;
	} else if (frame->ip == 6) {
		fits = HVP_RSS_IPV6;
		if (ports)
			fits |= frame->protocol == HVW_PROTOCOL_TCP ? HVP_RSS_TCP6 : HVP_RSS_UDP6;
	}
	fits &= types;
	return fits & (fits - 1) ? fits & (fits - 1) : fits;
}

uint32_t hvw_rss_hash(const struct hvw_toeplitz *toeplitz, uint32_t types,
		      const struct hvw_frame *frame, const uint8_t *bytes, uint32_t *hash)
{
	uint32_t type = best_type(types, frame);
	uint8_t flow[HVW_FLOW_BYTES_MAX];
	size_t len = frame->ip == 4 ? IPV4_ADDRESSES_BYTES : IPV6_ADDRESSES_BYTES;

	*hash = 0;
	if (!type)
		return 0;
	hvw_memcpy(flow, bytes + frame->l3 + (frame->ip == 4 ? IPV4_ADDRESSES : IPV6_ADDRESSES),
		   len);
	if (type != HVP_RSS_IPV4 && type != HVP_RSS_IPV6) {
		hvw_memcpy(flow + len, bytes + frame->l4, PORTS_BYTES);
		len += PORTS_BYTES;
	}
	*hash = hvw_toeplitz_hash(toeplitz, flow, len);
	return type;
}

/* --- parameters ------------------------------------------------------------------------------------ */

/* `bytes` bytes at `offset`, behind the fixed part and inside `len`. */
static bool inside(uint32_t offset, uint32_t bytes, size_t len)
{
	return offset >= HVP_NDIS_RSS_PARAMS_SIZE_1 && offset <= len && bytes <= len - offset;
}

static int read_table(struct hvw_rss_params *params, const struct hvp_ndis_rss_params *h,
		      const uint8_t *bytes, size_t len, uint32_t channels)
{
	uint32_t i;

	if (!h->table_bytes || h->table_bytes % sizeof(uint32_t) ||
	    h->table_bytes > sizeof(params->table) || !inside(h->table_offset, h->table_bytes, len))
		return -EPROTO;
	hvw_memcpy(params->table, bytes + h->table_offset, h->table_bytes);
	params->entries = h->table_bytes / (uint32_t)sizeof(uint32_t);
	for (i = 0; i < params->entries; i++)
		if (params->table[i] >= channels)
			return -EPROTO;
	return 0;
}

int hvw_rss_params_parse(struct hvw_rss_params *params, const void *bytes, size_t len,
			 uint32_t channels)
{
	struct hvp_ndis_rss_params h;
	int err = 0;

	if (len < HVP_NDIS_RSS_PARAMS_SIZE_1)
		return -EPROTO;
	hvw_memset(&h, 0, sizeof(h));
	hvw_memcpy(&h, bytes, len < sizeof(h) ? len : sizeof(h));
	hvw_memset(params, 0, sizeof(*params));
	params->flags = h.flags;
	params->hash = h.hash;
	if (h.flags & HVP_RSS_DISABLE)
		return 0;
	if (!(h.flags & HVP_RSS_TABLE_UNCHANGED))
		err = read_table(params, &h, bytes, len, channels);
	if (err || (h.flags & HVP_RSS_KEY_UNCHANGED))
		return err;
	if (h.key_bytes != sizeof(params->key) || !inside(h.key_offset, h.key_bytes, len))
		return -EPROTO;
	hvw_memcpy(params->key, (const uint8_t *)bytes + h.key_offset, sizeof(params->key));
	params->keyed = true;
	return 0;
}

int hvw_rss_params_build(void *dst, size_t size, const struct hvw_rss_params *params)
{
	uint32_t table = params->entries * (uint32_t)sizeof(uint32_t);
	uint32_t key = params->keyed ? (uint32_t)sizeof(params->key) : 0;
	struct hvp_ndis_rss_params h = {
		.h = { HVP_NDIS_RSS_PARAMETERS, 2, HVP_NDIS_RSS_PARAMS_SIZE_2 },
		.flags = params->flags,
		.hash = params->hash,
		.table_bytes = (uint16_t)table,
		.table_offset = sizeof(h),
		.key_bytes = (uint16_t)key,
		.key_offset = (uint32_t)sizeof(h) + table,
	};

	if (params->entries > HVP_RSS_TABLE_MAX || size < sizeof(h) + table + key)
		return -EMSGSIZE;
	hvw_memcpy(dst, &h, sizeof(h));
	hvw_memcpy((uint8_t *)dst + h.table_offset, params->table, table);
	hvw_memcpy((uint8_t *)dst + h.key_offset, params->key, key);
	return (int)(sizeof(h) + table + key);
}
