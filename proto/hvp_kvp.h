/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Key-value pairs and IP settings: the bodies of HVP_IC_KVP messages.
 *
 * Pairs are asked for and given by the host alone; the guest keeps them in pools. Texts are UTF-16LE, and
 * their sizes count bytes, with the terminator.
 */
#ifndef PROTO_HVP_KVP_H
#define PROTO_HVP_KVP_H

#include "hvp_base.h"

enum hvp_kvp_op {
	HVP_KVP_GET = 0, /* hosts enumerate instead: Linux answers this one wrongly */
	HVP_KVP_SET = 1,
	HVP_KVP_DELETE = 2,
	HVP_KVP_ENUMERATE = 3,
	HVP_KVP_GET_IP = 4,
	HVP_KVP_SET_IP = 5,
};

/* Pools that are spoken of: number, name for programs and people. */
#define HVP_KVP_POOL_LIST(X)                                                                       \
	X(0, EXTERNAL, "external") /* the host's administrator writes, the guest reads */          \
	X(1, GUEST, "guest") /* programs in the guest write, the host reads */                     \
	X(2, AUTO, "auto") /* facts about the guest */                                             \
	X(3, AUTO_EXTERNAL, "auto-external") /* facts about the host */

enum hvp_kvp_pool {
#define HVP_KVP_POOL_ENUM(number, id, name) HVP_KVP_POOL_##id = (number),
	HVP_KVP_POOL_LIST(HVP_KVP_POOL_ENUM)
#undef HVP_KVP_POOL_ENUM
		HVP_KVP_POOLS
};

/* Types of values. 64-bit integers have two numbers: Linux's and FreeBSD's headers have 8, Windows 11. */
#define HVP_KVP_STRING	    1u
#define HVP_KVP_EXPAND	    2u
#define HVP_KVP_U32	    4u
#define HVP_KVP_U64	    8u
#define HVP_KVP_U64_WINDOWS 11u

/* Code units, with the terminator. */
#define HVP_KVP_KEY_UNITS   256
#define HVP_KVP_VALUE_UNITS 1024

struct hvp_kvp_header {
	uint8_t op; /* enum hvp_kvp_op */
	uint8_t pool; /* enum hvp_kvp_pool */
} HVP_WIRE(1);
HVP_SIZE(struct hvp_kvp_header, 2);

/* A number stands at the start of `value`, little-endian. */
struct hvp_kvp_pair {
	uint32_t type;
	uint32_t key_size;
	uint32_t value_size;
	uint16_t key[HVP_KVP_KEY_UNITS];
	uint16_t value[HVP_KVP_VALUE_UNITS];
} HVP_WIRE(4);
HVP_SIZE(struct hvp_kvp_pair, 2572);
HVP_OFFSET(struct hvp_kvp_pair, key, 12);
HVP_OFFSET(struct hvp_kvp_pair, value, 524);

/* GET and SET. */
struct hvp_kvp_set {
	struct hvp_kvp_header h;
	uint16_t reserved;
	struct hvp_kvp_pair pair;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_kvp_set, 2576);

struct hvp_kvp_delete {
	struct hvp_kvp_header h;
	uint16_t reserved;
	uint32_t key_size;
	uint16_t key[HVP_KVP_KEY_UNITS];
} HVP_WIRE(4);
HVP_SIZE(struct hvp_kvp_delete, 520);
HVP_OFFSET(struct hvp_kvp_delete, key, 8);

/* From index 0 on, until the guest answers HVP_IC_NO_MORE_ITEMS. */
struct hvp_kvp_enumerate {
	struct hvp_kvp_header h;
	uint16_t reserved;
	uint32_t index;
	struct hvp_kvp_pair pair; /* in the answer */
} HVP_WIRE(4);
HVP_SIZE(struct hvp_kvp_enumerate, 2580);

/* Families of addresses in IP settings, as bits. */
#define HVP_KVP_IPV4 0x1u
#define HVP_KVP_IPV6 0x2u

/*
 * GET_IP and SET_IP up to message version 4.0. Lists are separated by `;`, and masks stand in the order of the
 * addresses: dotted for IPv4, `/64` for IPv6. The adapter is named by its MAC address (`00:15:5D:…`) to get its
 * settings, by the instance GUID of its device (`{…}`, lower case) to set them.
 */
struct hvp_kvp_ip {
	struct hvp_kvp_header h;
	uint16_t adapter[128];
	uint8_t family; /* HVP_KVP_IPV4 and HVP_KVP_IPV6; in a request of GET_IP without meaning to Linux */
	uint8_t dhcp; /* 1: IPv4 addresses come from a server */
	uint16_t addresses[1024];
	uint16_t masks[1024];
	uint16_t gateways[512];
	uint16_t dns[1024];
} HVP_WIRE(2);
HVP_SIZE(struct hvp_kvp_ip, 7428);
HVP_OFFSET(struct hvp_kvp_ip, family, 258);
HVP_OFFSET(struct hvp_kvp_ip, addresses, 260);
HVP_OFFSET(struct hvp_kvp_ip, gateways, 4356);
HVP_OFFSET(struct hvp_kvp_ip, dns, 5380);

/* Its texts. */
#define HVP_KVP_IP_TEXT_LIST(X)                                                                    \
	X(adapter)                                                                                 \
	X(addresses)                                                                               \
	X(masks)                                                                                   \
	X(gateways)                                                                                \
	X(dns)

/* Hosts send so many bytes of body with SET, DELETE and ENUMERATE, whichever it is. */
#define HVP_KVP_PAIR_BODY sizeof(struct hvp_kvp_enumerate)

#endif
