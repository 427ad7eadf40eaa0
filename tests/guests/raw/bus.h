/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A VMBus client that means well: what a driver does, as little of it as shows that the host serves.
 * All on the processor that connected, whose SynIC is on.
 */
#ifndef TESTS_GUESTS_RAW_BUS_H
#define TESTS_GUESTS_RAW_BUS_H

#include "hvp_vmbus.h"
#include "hvw_ic.h"
#include "hvw_msg.h"
#include "hvw_ring.h"

#define BUS_CHANNELS_MAX 16
#define BUS_RING_PAGES	 4 /* of each direction, with its control page */
#define BUS_RING_BYTES	 (BUS_RING_PAGES * HVP_PAGE_SIZE)

struct bus_channel {
	struct hvp_msg_offer_channel offer;
	uint32_t gpadl; /* 0: closed */
	uint8_t *ring; /* both rings; stays with the channel */
	struct hvw_tx tx;
	struct hvw_rx rx;
};

/* The offers of this connection. */
extern struct bus_channel bus_channels[BUS_CHANNELS_MAX];
extern unsigned bus_channel_count;

/* Post on the connection that the version wants; false if the host refuses. */
bool bus_post(const void *message, uint32_t len);

/* The next message of that type; others before it are dropped. False: none within two seconds. */
bool bus_await(uint32_t type, struct hvw_msg *message);

/* Drop the messages that are there, until none comes for a moment. */
void bus_drain(void);

/* Contact and offers. */
bool bus_connect(uint32_t version);
bool bus_disconnect(void);

struct bus_channel *bus_find(const struct hvp_guid *class_id);

/* A GPADL of whole pages, one behind the other from `gpa` on, in one message. Returns its length. */
struct bus_gpadl {
	struct hvp_msg_gpadl_header header;
	struct hvp_gpa_range range;
	uint64_t pages[2 * BUS_RING_PAGES];
} HVP_WIRE(4);
uint32_t bus_draft_gpadl(struct bus_gpadl *draft, uint32_t channel_id, uint32_t handle,
			 uint64_t gpa, unsigned pages);

/* Share the memory of a channel's rings, zeroed control pages first; and have it back. */
bool bus_share(struct bus_channel *channel);
bool bus_unshare(struct bus_channel *channel);

/* Open a channel whose rings are shared: the host's status, or -ETIMEDOUT. */
int32_t bus_open_shared(struct bus_channel *channel, uint32_t target_vp);

/* All of that for a channel of this class. NULL: the host does not offer it, or refuses. */
struct bus_channel *bus_open(const struct hvp_guid *class_id, uint32_t target_vp);

/* CLOSE_CHANNEL, then bus_unshare(), whose answer comes when the host is done with the rings. */
bool bus_close(struct bus_channel *channel);

/* Send a packet, and a signal if the host needs one. */
bool bus_send(struct bus_channel *channel, const void *payload, uint32_t len);

/* The next packet's payload: its length, or 0 if none comes within two seconds. */
uint32_t bus_receive(struct bus_channel *channel, void *payload, uint32_t size);

/* Answer the host's negotiation of an integration service with the newest versions. */
bool bus_ic_negotiate(struct bus_channel *channel);

#endif
