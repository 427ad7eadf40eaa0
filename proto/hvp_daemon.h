/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Between the drivers of integration services and their daemons: what is read from and written to
 * /dev/vmbus/hv_kvp, hv_vss and hv_fcopy. It is the interface of Linux's own drivers and daemons, in the guest's byte order.
 */
#ifndef PROTO_HVP_DAEMON_H
#define PROTO_HVP_DAEMON_H

#include "hvp_base.h"
#include "hvp_fcopy.h"

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

/* --- backup ------------------------------------------------------------------------------------------- */

/* The operation of a daemon's first message, and the driver's answer to it: this number in four bytes. */
#define HVP_DAEMON_VSS_REGISTER 129u

/* Also the daemon's answer, with a status, HVP_IC_*, over the first four bytes. */
struct hvp_daemon_vss {
	union {
		uint8_t op; /* HVP_VSS_HOT_BACKUP, HVP_VSS_FREEZE, HVP_VSS_THAW, or HVP_DAEMON_VSS_REGISTER */
		uint32_t status;
		uint8_t header[8];
	} HVP_WIRE(4);
	uint32_t flags;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_daemon_vss, 12);
HVP_OFFSET(struct hvp_daemon_vss, flags, 8);

/* --- file copy ---------------------------------------------------------------------------------------- */

/* The first message of a daemon, four bytes, and the driver's answer to it. */
#define HVP_DAEMON_FCOPY_VERSION 1u

#define HVP_DAEMON_FCOPY_NAME_BYTES 520

/*
 * START as the daemon reads it; the other messages are those of the host, WRITE whole. The daemon answers each with four
 * bytes, a status HVP_IC_*.
 */
struct hvp_daemon_fcopy_start {
	struct hvp_fcopy_header h;
	char name[HVP_DAEMON_FCOPY_NAME_BYTES]; /* UTF-8 */
	char path[HVP_DAEMON_FCOPY_NAME_BYTES];
	uint32_t flags;
	uint64_t bytes;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_daemon_fcopy_start, 1088);
HVP_OFFSET(struct hvp_daemon_fcopy_start, path, 556);
HVP_OFFSET(struct hvp_daemon_fcopy_start, bytes, 1080);

#endif
