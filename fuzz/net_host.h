/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The network device of the fake host: it serves the guest's NIC well enough for tests, checks what the guest sends,
 * and can be told to be late, silent, wrong or full.
 *
 * Frames of tests carry a number behind the Ethernet header and bytes that depend on it (net_frame_fill()).
 */
#ifndef FUZZ_NET_HOST_H
#define FUZZ_NET_HOST_H

#include "fuzz/fake_host.h"
#include "hvp_ndis.h"
#include "hvp_nvsp.h"
#include "hvw_rndis.h"
#include "hvw_rss.h"

#define NET_HOST_QUEUES	   8u
#define NET_HOST_PARTS	   64u /* of the receive buffer that are used */
#define NET_HOST_PENDING   2048u
#define NET_HOST_RULES	   4u
#define NET_HOST_FRAME_MAX 70000u

enum net_host_action {
	NET_HOST_ANSWER,
	NET_HOST_SILENT,
	NET_HOST_REFUSE,
	NET_HOST_TWICE,
	NET_HOST_SHORT, /* an answer that is cut */
	NET_HOST_WRONG_ID, /* an answer to nobody comes first */
	NET_HOST_RESCIND, /* the device goes instead */
};

/* `nvsp` or `oid`, whichever is not 0; OID 1: INITIALIZE. */
struct net_host_rule {
	uint32_t nvsp, oid;
	enum net_host_action action;
};

struct net_host {
	/* For the test to set. */
	uint32_t version_max;
	uint32_t section_bytes; /* of the send buffer */
	uint32_t part_bytes; /* of the receive buffer; 0: as the MTU wants it */
	uint32_t packets_max, alignment;
	unsigned queues; /* that RSS capabilities tell of */
	unsigned grant_less; /* sub-channels fewer than asked for */
	bool no_offers; /* granted and never offered */
	bool no_offload;
	bool paused; /* data is not read */
	bool hold; /* data is read and not completed until net_host_complete() */
	bool echo; /* frames go back */
	bool down;
	/* Whatever it says goes here first: to be changed, or cut to a length of 8 or more. NULL: nothing is. */
	void (*spoil)(struct net_host *host, uint8_t *bytes, uint32_t *len);
	uint32_t refuse_mtu; /* its receive buffer is refused */
	struct net_host_rule rules[NET_HOST_RULES];

	/* For the test to read. */
	uint32_t version, ndis_minor, mtu, filter;
	uint64_t capabilities;
	uint32_t offloads_set, rss_set; /* how often */
	struct hvp_ndis_offload_params offloads;
	struct hvw_rss_params rss;
	uint8_t mac[6];
	bool halted, revoked_receive, revoked_send, path_vf;
	unsigned packets, frames, batched; /* of data */
	unsigned in_section, mixed, direct; /* packets */
	unsigned bad_frames, lost; /* content; numbers missing in between */
	uint32_t next_number;
	uint32_t last_len, last_queue;
	struct hvw_rndis_meta last_meta;
	unsigned completed_parts; /* by the guest */
	unsigned failed_parts; /* with another status than success */
	unsigned returned; /* packets that the guest has completed */

	/* Private. */
	struct fake_host *fake;
	struct fake_channel *channels[NET_HOST_QUEUES];
	uint32_t receive_gpadl, send_gpadl;
	uint16_t receive_id;
	uint64_t part_of[NET_HOST_PARTS]; /* transaction that holds it; 0: none */
	uint64_t next_id;
	struct {
		uint64_t id;
		unsigned queue;
	} held[NET_HOST_PENDING];
	unsigned held_count;
	bool running;
	uint8_t stream[NET_HOST_FRAME_MAX];
};

/* Set up `host`, and the channel of a NIC on `fake`. */
void net_host_init(struct net_host *host, struct fake_host *fake);

/* Read what is there on all rings, as the flags say. */
void net_host_run(struct net_host *host);

/* Complete what is held: so many, the oldest first, as far as there is room. */
void net_host_complete(struct net_host *host, unsigned count);

/* One range of a transfer-page packet. */
struct net_host_range {
	const void *frame; /* Ethernet header and all; NULL: `message` as it is */
	uint32_t len;
	struct hvw_rndis_meta meta;
	const void *message;
	uint32_t offset; /* with `raw`: where the guest is told to look */
	uint32_t count;
	bool raw;
};

/* To a queue. 0; -EAGAIN: no room on the ring or in the buffer. The id goes to *id if that is not NULL. */
int net_host_send(struct net_host *host, unsigned queue, const struct net_host_range *ranges,
		  unsigned count, uint64_t *id);
int net_host_send_frame(struct net_host *host, unsigned queue, const void *frame, uint32_t len,
			const struct hvw_rndis_meta *meta);
int net_host_indicate(struct net_host *host, uint32_t status, const void *info, uint32_t len);

/* A message or a packet as it is. */
void net_host_say(struct net_host *host, unsigned queue, uint16_t type, uint64_t id,
		  uint32_t header, const void *bytes, uint32_t len);

/* Parts of the receive buffer that the guest has. */
unsigned net_host_parts_out(const struct net_host *host);

/* Take the NIC away. */
void net_host_rescind(struct net_host *host);

/* A frame of `len` bytes, 18 or more, with that number; and whether it is one. */
void net_frame_fill(uint8_t *frame, uint32_t len, uint32_t number);
bool net_frame_check(const uint8_t *frame, uint32_t len, uint32_t *number);

#endif
