/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Between the drivers of integration services and their daemons: what is read from and written to
 * /dev/vmbus/hv_kvp. It is the interface of Linux's own drivers and daemons, in the guest's byte order.
 */
#ifndef PROTO_HVP_DAEMON_H
#define PROTO_HVP_DAEMON_H

#include "hvp_base.h"

/*
 * The first message of a daemon for key-value pairs, and the driver's answer to it: with this operation in
 * hvp_daemon_kvp.op, and in the answer the version of the services as a text in `version`.
 */
#define HVP_DAEMON_KVP_REGISTER	     100u
#define HVP_DAEMON_KVP_VERSION_BYTES 512

#define HVP_DAEMON_KVP_KEY_BYTES   512
#define HVP_DAEMON_KVP_VALUE_BYTES 2048

/* Texts are UTF-8, and their sizes count the terminator. */
struct hvp_daemon_pair {
	uint32_t type; /* HVP_KVP_STRING */
	uint32_t key_size;
	uint32_t value_size;
	char key[HVP_DAEMON_KVP_KEY_BYTES];
	char value[HVP_DAEMON_KVP_VALUE_BYTES];
} HVP_WIRE(4);
HVP_SIZE(struct hvp_daemon_pair, 2572);

struct hvp_daemon_enumerate {
	uint32_t index;
	struct hvp_daemon_pair pair; /* in the answer */
} HVP_WIRE(4);

struct hvp_daemon_delete {
	uint32_t key_size;
	char key[HVP_DAEMON_KVP_KEY_BYTES];
} HVP_WIRE(4);

/* As struct hvp_kvp_ip, with texts in bytes that take the room of its units. */
struct hvp_daemon_ip {
	char adapter[256];
	uint8_t family;
	uint8_t dhcp;
	char addresses[2048];
	char masks[2048];
	char gateways[1024];
	char dns[2048];
} HVP_WIRE(2);
HVP_SIZE(struct hvp_daemon_ip, 7426);

/* The daemon's answer is the message with a status, HVP_IC_*, over its first four bytes. */
struct hvp_daemon_kvp {
	union {
		struct {
			uint8_t op; /* enum hvp_kvp_op, or HVP_DAEMON_KVP_REGISTER */
			uint8_t pool;
			uint16_t reserved;
		} HVP_WIRE(4);
		uint32_t status;
	} HVP_WIRE(4);
	union {
		struct hvp_daemon_pair set;
		struct hvp_daemon_delete delete;
		struct hvp_daemon_enumerate enumerate;
		struct hvp_daemon_ip ip;
		char version[HVP_DAEMON_KVP_VERSION_BYTES];
	} HVP_WIRE(4);
} HVP_WIRE(4);
HVP_SIZE(struct hvp_daemon_kvp, 7432);
HVP_OFFSET(struct hvp_daemon_kvp, enumerate.pair.key, 20);
HVP_OFFSET(struct hvp_daemon_kvp, set.key, 16);
HVP_OFFSET(struct hvp_daemon_kvp, delete.key, 8);
HVP_OFFSET(struct hvp_daemon_kvp, ip.family, 260);
HVP_OFFSET(struct hvp_daemon_kvp, ip.dns, 5382);

#endif
