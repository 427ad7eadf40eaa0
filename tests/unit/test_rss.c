/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <arpa/inet.h>

#include "hvw_rss.h"
#include "tap.h"

#define ALL_TYPES                                                                                  \
	(HVP_RSS_IPV4 | HVP_RSS_TCP4 | HVP_RSS_UDP4 | HVP_RSS_IPV6 | HVP_RSS_TCP6 | HVP_RSS_UDP6)

/* --- frames made by hand --------------------------------------------------------------------- */

struct made {
	uint8_t bytes[512];
	size_t len;
};

static void add(struct made *m, const void *bytes, size_t len)
{
	memcpy(m->bytes + m->len, bytes, len);
	m->len += len;
}

static void ethernet(struct made *m, uint16_t ethertype)
{
	m->len = 12;
	memset(m->bytes, 0, sizeof(m->bytes));
	add(m, (uint8_t[2]){ (uint8_t)(ethertype >> 8), (uint8_t)ethertype }, 2);
}

static void ipv4(struct made *m, const char *from, const char *to, uint8_t protocol,
		 unsigned options, uint16_t fragment)
{
	uint8_t h[60] = { (uint8_t)(0x40 | (5 + options)),
			  0,
			  0,
			  0,
			  0,
			  0,
			  (uint8_t)(fragment >> 8),
			  (uint8_t)fragment,
			  64,
			  protocol };

	TAP_EQ(inet_pton(AF_INET, from, h + 12), 1);
	TAP_EQ(inet_pton(AF_INET, to, h + 16), 1);
	add(m, h, 20 + options * 4);
}

static void ipv6(struct made *m, const char *from, const char *to, uint8_t next)
{
	uint8_t h[40] = { 0x60, 0, 0, 0, 0, 0, next, 64 };

	TAP_EQ(inet_pton(AF_INET6, from, h + 8), 1);
	TAP_EQ(inet_pton(AF_INET6, to, h + 24), 1);
	add(m, h, sizeof(h));
}

static void tcp(struct made *m, uint16_t from, uint16_t to, unsigned options)
{
	uint8_t h[60] = { (uint8_t)(from >> 8), (uint8_t)from, (uint8_t)(to >> 8), (uint8_t)to };

	h[12] = (uint8_t)((5 + options) << 4);
	add(m, h, 20 + options * 4);
}

static void udp(struct made *m, uint16_t from, uint16_t to)
{
	add(m, (uint8_t[8]){ (uint8_t)(from >> 8), (uint8_t)from, (uint8_t)(to >> 8), (uint8_t)to },
	    8);
}

/* Dissects from memory that ends with the frame. */
static struct hvw_frame dissect(const struct made *m, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	struct hvw_frame frame;

	memcpy(copy, m->bytes, len);
	hvw_frame_dissect(&frame, copy, len);
	free(copy);
	return frame;
}

/* --- Toeplitz -------------------------------------------------------------------------------- */

/* The definition: for each bit that is set, the 32 bits of the key from there on. */
static uint32_t plain_toeplitz(const uint8_t *key, const uint8_t *bytes, size_t len)
{
	uint32_t hash = 0;

	for (size_t bit = 0; bit < len * 8; bit++) {
		if (!(bytes[bit / 8] & (0x80 >> bit % 8)))
			continue;
		for (size_t i = 0; i < 32; i++)
			if (bit + i < HVP_RSS_KEY_BYTES * 8 &&
			    key[(bit + i) / 8] & (0x80 >> (bit + i) % 8))
				hash ^= 0x80000000u >> i;
	}
	return hash;
}

TAP_TEST(tables_hash_as_the_definition_does)
{
	struct hvw_toeplitz toeplitz;
	uint8_t key[HVP_RSS_KEY_BYTES], flow[64];

	for (unsigned round = 0; round < 200; round++) {
		size_t len = tap_random() % (HVW_FLOW_BYTES_MAX + 1);

		for (size_t i = 0; i < sizeof(key); i++)
			key[i] = (uint8_t)tap_random();
		for (size_t i = 0; i < sizeof(flow); i++)
			flow[i] = (uint8_t)tap_random();
		hvw_toeplitz_init(&toeplitz, key);
		TAP_EQ(hvw_toeplitz_hash(&toeplitz, flow, len), plain_toeplitz(key, flow, len));
		TAP_EQ(hvw_toeplitz_hash(&toeplitz, flow, 64),
		       plain_toeplitz(key, flow, HVW_FLOW_BYTES_MAX));
	}
}

/* Microsoft, "Verifying the RSS Hash Calculation". */
static const struct {
	const char *to;
	uint16_t to_port;
	const char *from;
	uint16_t from_port;
	uint32_t addresses, ports;
} published4[] = {
	{ "161.142.100.80", 1766, "66.9.149.187", 2794, 0x323e8fc2, 0x51ccc178 },
	{ "65.69.140.83", 4739, "199.92.111.2", 14230, 0xd718262a, 0xc626b0ea },
	{ "12.22.207.184", 38024, "24.19.198.95", 12898, 0xd2d0a5de, 0x5c2b394a },
	{ "209.142.163.6", 2217, "38.27.205.30", 48228, 0x82989176, 0xafc7327f },
	{ "202.188.127.2", 1303, "153.39.163.191", 44251, 0x5d1809c5, 0x10e828a2 },
}, published6[] = {
	{ "3ffe:2501:200:3::1", 1766, "3ffe:2501:200:1fff::7", 2794, 0x2cc18cd5, 0x40207d3d },
	{ "ff02::1", 4739, "3ffe:501:8::260:97ff:fe40:efab", 14230, 0x0f0c461c, 0xdde51bbf },
	{ "fe80::200:f8ff:fe21:67cf", 38024, "3ffe:1900:4545:3:200:f8ff:fe21:67cf", 44251, 0x4b61e985,
	  0x02d1feef },
};

static void check_hash(const struct made *m, uint32_t types, uint32_t type, uint32_t expected)
{
	struct hvw_toeplitz toeplitz;
	struct hvw_frame frame = dissect(m, m->len);
	uint32_t hash = 1;

	hvw_toeplitz_init(&toeplitz, hvw_rss_default_key);
	TAP_EQ(hvw_rss_hash(&toeplitz, types, &frame, m->bytes, &hash), type);
	TAP_EQ(hash, expected);
}

TAP_TEST(the_published_vectors_of_ipv4_come_out)
{
	struct made m;

	for (size_t i = 0; i < sizeof(published4) / sizeof(published4[0]); i++) {
		ethernet(&m, 0x0800);
		ipv4(&m, published4[i].from, published4[i].to, 6, i % 3, 0x4000);
		tcp(&m, published4[i].from_port, published4[i].to_port, 3);
		check_hash(&m, ALL_TYPES, HVP_RSS_TCP4, published4[i].ports);
		check_hash(&m, HVP_RSS_IPV4, HVP_RSS_IPV4, published4[i].addresses);
		check_hash(&m, HVP_RSS_IPV4 | HVP_RSS_UDP4, HVP_RSS_IPV4, published4[i].addresses);
		check_hash(&m, HVP_RSS_IPV6 | HVP_RSS_TCP6, 0, 0);
		ethernet(&m, 0x0800);
		ipv4(&m, published4[i].from, published4[i].to, 17, 0, 0);
		udp(&m, published4[i].from_port, published4[i].to_port);
		check_hash(&m, ALL_TYPES, HVP_RSS_UDP4, published4[i].ports);
	}
}

TAP_TEST(the_published_vectors_of_ipv6_come_out)
{
	struct made m;

	for (size_t i = 0; i < sizeof(published6) / sizeof(published6[0]); i++) {
		ethernet(&m, 0x86dd);
		ipv6(&m, published6[i].from, published6[i].to, 6);
		tcp(&m, published6[i].from_port, published6[i].to_port, 0);
		check_hash(&m, ALL_TYPES, HVP_RSS_TCP6, published6[i].ports);
		check_hash(&m, HVP_RSS_IPV6, HVP_RSS_IPV6, published6[i].addresses);
		ethernet(&m, 0x86dd);
		ipv6(&m, published6[i].from, published6[i].to, 17);
		udp(&m, published6[i].from_port, published6[i].to_port);
		check_hash(&m, ALL_TYPES, HVP_RSS_UDP6, published6[i].ports);
	}
}

/* --- dissection ------------------------------------------------------------------------------ */

TAP_TEST(headers_are_found_behind_a_tag_and_options)
{
	struct made m;
	struct hvw_frame frame;

	ethernet(&m, HVW_ETHERTYPE_VLAN);
	add(&m, "\x60\x05\x08\x00", 4);
	ipv4(&m, "10.0.0.1", "10.0.0.2", 6, 2, 0x4000);
	tcp(&m, 1, 2, 5);
	frame = dissect(&m, m.len);
	TAP_CHECK(frame.tagged);
	TAP_EQ(frame.vlan, 0x6005);
	TAP_EQ(frame.ethertype, HVW_ETHERTYPE_IPV4);
	TAP_EQ(frame.ip, 4);
	TAP_EQ(frame.l3, 18);
	TAP_CHECK(frame.extended);
	TAP_EQ(frame.l4, 18 + 28);
	TAP_EQ(frame.l4_len, 40);
	/* A second tag is not walked through. */
	ethernet(&m, HVW_ETHERTYPE_VLAN);
	add(&m, "\x00\x05\x81\x00\x00\x06\x08\x00", 8);
	frame = dissect(&m, m.len);
	TAP_EQ(frame.ethertype, HVW_ETHERTYPE_VLAN);
	TAP_EQ(frame.ip, 0);
}

TAP_TEST(what_is_cut_short_is_not_there)
{
	struct made m;
	struct hvw_frame frame;

	ethernet(&m, 0x0800);
	ipv4(&m, "10.0.0.1", "10.0.0.2", 6, 1, 0);
	tcp(&m, 1, 2, 2);
	for (size_t len = 0; len < m.len; len++) {
		frame = dissect(&m, len);
		TAP_EQ(frame.ethertype, len < 14 ? 0 : HVW_ETHERTYPE_IPV4);
		TAP_EQ(frame.ip, len < 38 ? 0 : 4);
		TAP_EQ(frame.l4, 0);
	}
	TAP_EQ(dissect(&m, m.len).l4, 38);
	ethernet(&m, 0x86dd);
	ipv6(&m, "::1", "::2", 0);
	add(&m, (uint8_t[16]){ 60, 1 }, 16);
	add(&m, (uint8_t[8]){ 17, 0 }, 8);
	udp(&m, 1, 2);
	for (size_t len = 0; len < m.len; len++) {
		frame = dissect(&m, len);
		TAP_EQ(frame.ip, len < 54 ? 0 : 6);
		TAP_EQ(frame.l4, 0);
	}
	frame = dissect(&m, m.len);
	TAP_EQ(frame.l4, 54 + 24);
	TAP_EQ(frame.protocol, 17);
	TAP_CHECK(frame.extended);
}

TAP_TEST(fragments_have_no_ports)
{
	static const uint16_t fields[] = { 0x2000, 0x0001, 0x1fff, 0x3000 };
	struct made m;

	for (unsigned i = 0; i < 4; i++) {
		ethernet(&m, 0x0800);
		ipv4(&m, "66.9.149.187", "161.142.100.80", 17, 0, fields[i]);
		udp(&m, 2794, 1766);
		TAP_CHECK(dissect(&m, m.len).fragment);
		check_hash(&m, ALL_TYPES, HVP_RSS_IPV4, 0x323e8fc2);
	}
	ethernet(&m, 0x86dd);
	ipv6(&m, "::1", "::2", 44);
	add(&m, (uint8_t[8]){ 17, 0, 0, 1 }, 8);
	udp(&m, 1, 2);
	TAP_CHECK(dissect(&m, m.len).fragment);
	TAP_EQ(dissect(&m, m.len).l4, 0);
	/* Offset 0 and no more to come: the whole datagram. */
	m.bytes[54 + 3] = 0;
	TAP_CHECK(!dissect(&m, m.len).fragment);
	TAP_EQ(dissect(&m, m.len).l4, 62);
}

TAP_TEST(headers_that_make_no_sense_are_not_there)
{
	struct made m;

	ethernet(&m, 0x0800);
	ipv4(&m, "10.0.0.1", "10.0.0.2", 6, 0, 0);
	tcp(&m, 1, 2, 0);
	m.bytes[14] = 0x44; /* a header of 16 bytes */
	TAP_EQ(dissect(&m, m.len).ip, 0);
	m.bytes[14] = 0x65;
	TAP_EQ(dissect(&m, m.len).ip, 0);
	m.bytes[14] = 0x45;
	m.bytes[14 + 20 + 12] = 0x40; /* a TCP header of 16 bytes */
	TAP_EQ(dissect(&m, m.len).l4, 0);
	m.bytes[14 + 20 + 12] = 0x60; /* of 24, which are not there */
	TAP_EQ(dissect(&m, m.len).l4, 0);
	TAP_EQ(dissect(&m, m.len).ip, 4);
}

TAP_TEST(a_chain_of_extensions_ends)
{
	struct made m;

	ethernet(&m, 0x86dd);
	ipv6(&m, "::1", "::2", 60);
	for (unsigned i = 0; i < 20; i++)
		add(&m, (uint8_t[8]){ i < 19 ? 60 : 17, 0 }, 8);
	udp(&m, 1, 2);
	TAP_EQ(dissect(&m, m.len).l4, 0);
	TAP_EQ(dissect(&m, m.len).ip, 6);
}

/* --- parameters ------------------------------------------------------------------------------ */

static const struct hvp_ndis_rss_params sound = {
	.h = { HVP_NDIS_RSS_PARAMETERS, 2, 40 },
	.table_bytes = 16,
	.table_offset = 40,
	.key_bytes = 40,
	.key_offset = 56,
};

/* 4 entries, then the key, in memory of `len` bytes. */
static int judge(struct hvp_ndis_rss_params h, uint32_t entry, size_t len)
{
	uint8_t *bytes = calloc(1, len);
	struct hvw_rss_params params;
	int err;

	memcpy(bytes, &h, len < sizeof(h) ? len : sizeof(h));
	if (len >= 56)
		memcpy(bytes + 52, &entry, sizeof(entry));
	err = hvw_rss_params_parse(&params, bytes, len, 4);
	free(bytes);
	return err;
}

#define JUDGE(field, value)                                                                        \
	({                                                                                         \
		struct hvp_ndis_rss_params h_ = sound;                                             \
                                                                                                   \
		h_.field = (value);                                                                \
		judge(h_, 0, 96);                                                                  \
	})

TAP_TEST(table_and_key_lie_inside_the_parameters)
{
	TAP_EQ(judge(sound, 3, 96), 0);
	TAP_EQ(judge(sound, 4, 96), -EPROTO);
	TAP_EQ(judge(sound, 0xffffffff, 96), -EPROTO);
	TAP_EQ(judge(sound, 0, 95), -EPROTO);
	TAP_EQ(judge(sound, 0, 27), -EPROTO);
	TAP_EQ(JUDGE(table_bytes, 0), -EPROTO);
	TAP_EQ(JUDGE(table_bytes, 15), -EPROTO);
	TAP_EQ(JUDGE(table_bytes, 60), -EPROTO);
	TAP_EQ(JUDGE(table_bytes, 1028), -EPROTO);
	TAP_EQ(JUDGE(table_offset, 80), 0);
	TAP_EQ(JUDGE(table_offset, 84), -EPROTO);
	TAP_EQ(JUDGE(table_offset, 24), -EPROTO);
	TAP_EQ(JUDGE(table_offset, 0xfffffff8), -EPROTO);
	TAP_EQ(JUDGE(key_bytes, 39), -EPROTO);
	TAP_EQ(JUDGE(key_bytes, 0), -EPROTO);
	TAP_EQ(JUDGE(key_offset, 57), -EPROTO);
	TAP_EQ(JUDGE(key_offset, 0xffffffe0), -EPROTO);
}

TAP_TEST(what_is_unchanged_or_off_is_not_looked_at)
{
	struct hvp_ndis_rss_params h = { .flags = HVP_RSS_DISABLE };

	TAP_EQ(judge(h, 0, 28), 0);
	h = sound;
	h.flags = HVP_RSS_TABLE_UNCHANGED;
	h.table_bytes = 0;
	TAP_EQ(judge(h, 0, 96), 0);
	h.flags = HVP_RSS_TABLE_UNCHANGED | HVP_RSS_KEY_UNCHANGED;
	h.key_bytes = 0;
	TAP_EQ(judge(h, 0, 40), 0);
	h.flags = HVP_RSS_KEY_UNCHANGED;
	TAP_EQ(judge(h, 0, 96), -EPROTO);
}

TAP_TEST(a_table_of_more_entries_than_anybody_uses_is_refused)
{
	static uint8_t bytes[40 + 1028 + 40];
	struct hvp_ndis_rss_params h = sound;
	struct hvw_rss_params params;

	h.table_bytes = 1028;
	h.key_offset = 40 + 1028;
	memcpy(bytes, &h, sizeof(h));
	TAP_EQ(hvw_rss_params_parse(&params, bytes, sizeof(bytes), 4), -EPROTO);
	h.table_bytes = 1024;
	memcpy(bytes, &h, sizeof(h));
	TAP_EQ(hvw_rss_params_parse(&params, bytes, sizeof(bytes), 4), 0);
}

TAP_TEST(parameters_of_the_largest_table_are_built_and_read)
{
	struct hvw_rss_params params = { .entries = HVP_RSS_TABLE_MAX, .keyed = true }, found;
	uint8_t bytes[40 + 1024 + 40];

	for (uint32_t i = 0; i < HVP_RSS_TABLE_MAX; i++)
		params.table[i] = i % 64;
	TAP_EQ(hvw_rss_params_build(bytes, sizeof(bytes) - 1, &params), -EMSGSIZE);
	TAP_EQ(hvw_rss_params_build(bytes, sizeof(bytes), &params), sizeof(bytes));
	TAP_EQ(hvw_rss_params_parse(&found, bytes, sizeof(bytes), 64), 0);
	TAP_MEM_EQ(&found, &params, sizeof(found));
	params.entries++;
	TAP_EQ(hvw_rss_params_build(bytes, sizeof(bytes), &params), -EMSGSIZE);
}

TAP_MAIN()
