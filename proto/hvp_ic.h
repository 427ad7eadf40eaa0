/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Integration services: the framing that all share, version negotiation, heartbeat, shutdown and
 * time synchronisation.
 *
 * On the ring a message is an in-band packet whose payload is struct hvp_pipe_header, struct
 * hvp_ic_header and a body. The structures here begin behind the pipe header.
 */
#ifndef PROTO_HVP_IC_H
#define PROTO_HVP_IC_H

#include "hvp_base.h"

struct hvp_ic_version {
	uint16_t major;
	uint16_t minor;
} HVP_WIRE(2);
HVP_SIZE(struct hvp_ic_version, 4);

/* Message types: number, name. */
#define HVP_IC_TYPE_LIST(X)                                                                        \
	X(0, NEGOTIATE)                                                                            \
	X(1, HEARTBEAT)                                                                            \
	X(2, KVP)                                                                                  \
	X(3, SHUTDOWN)                                                                             \
	X(4, TIMESYNC)                                                                             \
	X(5, VSS)                                                                                  \
	X(7, FCOPY)

enum hvp_ic_type {
#define HVP_IC_TYPE_ENUM(number, name) HVP_IC_##name = (number),
	HVP_IC_TYPE_LIST(HVP_IC_TYPE_ENUM)
#undef HVP_IC_TYPE_ENUM
};

#define HVP_IC_FLAG_TRANSACTION 0x1u
#define HVP_IC_FLAG_REQUEST	0x2u
#define HVP_IC_FLAG_RESPONSE	0x4u

#define HVP_IC_SUCCESS	     0x00000000u
#define HVP_IC_FAIL	     0x80004005u
#define HVP_IC_NOT_SUPPORTED 0x80070032u
#define HVP_IC_NO_MORE_ITEMS 0x80070103u /* end of an enumeration; also: there is no such key */
#define HVP_IC_INVALID	     0x80070057u
#define HVP_IC_NOT_FOUND     0x80041002u
#define HVP_IC_EXISTS	     0x80070050u
#define HVP_IC_DISK_FULL     0x80070070u

struct hvp_ic_header {
	struct hvp_ic_version framework;
	uint16_t type;
	struct hvp_ic_version message;
	uint16_t size; /* bytes of the body */
	uint32_t status;
	uint8_t transaction_id;
	uint8_t flags;
	uint16_t reserved;
} HVP_WIRE(2);
HVP_SIZE(struct hvp_ic_header, 20);
HVP_OFFSET(struct hvp_ic_header, size, 10);
HVP_OFFSET(struct hvp_ic_header, flags, 17);

/* Body of NEGOTIATE; the framework versions follow, then the message versions. */
struct hvp_ic_negotiate {
	uint16_t framework_count;
	uint16_t message_count;
	uint32_t reserved;
} HVP_WIRE(2);
HVP_SIZE(struct hvp_ic_negotiate, 8);

/* More versions than this in a list is not a message that any host or guest sends. */
#define HVP_IC_VERSIONS_MAX 100

/* State that the guest may report in a heartbeat. */
#define HVP_HEARTBEAT_UNKNOWN  0u
#define HVP_HEARTBEAT_HEALTHY  1u
#define HVP_HEARTBEAT_CRITICAL 2u
#define HVP_HEARTBEAT_STOPPED  3u

/* Only `sequence` is required of the peer. */
struct hvp_ic_heartbeat {
	uint64_t sequence; /* the guest answers with one more */
	uint32_t state;
	uint8_t reserved[28];
} HVP_WIRE(4);
HVP_SIZE(struct hvp_ic_heartbeat, 40);
HVP_OFFSET(struct hvp_ic_heartbeat, state, 8);

#define HVP_SHUTDOWN_FORCE     0x1u
#define HVP_SHUTDOWN_RESTART   0x2u /* from message version 3.1 */
#define HVP_SHUTDOWN_HIBERNATE 0x4u /* from message version 3.2 */

#define HVP_SHUTDOWN_REASON_PLANNED 0x80000000u

struct hvp_ic_shutdown {
	uint32_t reason;
	uint32_t timeout_seconds;
	uint32_t flags;
	uint16_t text[1024]; /* UTF-16LE, shown to the user */
} HVP_WIRE(4);
HVP_SIZE(struct hvp_ic_shutdown, 2060);
HVP_OFFSET(struct hvp_ic_shutdown, text, 12);

/* What the guest is to do with the time. */
#define HVP_TIMESYNC_PROBE  0u /* answer, no more */
#define HVP_TIMESYNC_SYNC   1u /* set the clock */
#define HVP_TIMESYNC_SAMPLE 2u /* know it */

/* Times count 100 ns; the host's UTC from 1601-01-01 00:00 on, which is this long before Unix's epoch. */
#define HVP_TIME_PER_SECOND 10000000
#define HVP_TIME_UNIX_EPOCH 116444736000000000ull

/* Up to message version 3.0. */
struct hvp_ic_timesync {
	uint64_t host_time;
	uint64_t child_time;
	uint64_t round_trip;
	uint8_t flags; /* HVP_TIMESYNC_* */
} HVP_WIRE(1);
HVP_SIZE(struct hvp_ic_timesync, 25);
HVP_OFFSET(struct hvp_ic_timesync, round_trip, 16);
HVP_OFFSET(struct hvp_ic_timesync, flags, 24);

/* From message version 4.0. Guests want 22 bytes at least; Hyper-V sends these 24. */
struct hvp_ic_timesync_v4 {
	uint64_t host_time;
	uint64_t reference_time; /* the partition's reference counter at that moment */
	uint8_t flags; /* HVP_TIMESYNC_* */
	uint8_t leap; /* as in NTP */
	uint8_t stratum;
	uint8_t reserved[5];
} HVP_WIRE(2);
HVP_SIZE(struct hvp_ic_timesync_v4, 24);
HVP_OFFSET(struct hvp_ic_timesync_v4, reference_time, 8);
HVP_OFFSET(struct hvp_ic_timesync_v4, flags, 16);
HVP_OFFSET(struct hvp_ic_timesync_v4, stratum, 18);

#endif
