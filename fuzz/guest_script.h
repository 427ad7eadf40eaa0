/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A guest made of proto/ and wire/ alone, for scripts: it does one thing at a time, right when the
 * server is right, and shows what came of it. It lives in the embedder's memory.
 */
#ifndef FUZZ_GUEST_SCRIPT_H
#define FUZZ_GUEST_SCRIPT_H

#include "fuzz/embedder.h"
#include "hvw_ic.h"
#include "hvw_msg.h"
#include "hvw_ring.h"

#define GUEST_RING_PAGES_MAX 64u

struct guest_channel {
	uint32_t id; /* 0: not offered */
	uint32_t connection_id;
	struct hvp_guid class_id;
	uint32_t open_id; /* of the last OPEN_CHANNEL */
	uint32_t gpadl; /* ring */
	unsigned pages;
	unsigned split; /* page at which the host's ring begins */
	uint64_t gpns[GUEST_RING_PAGES_MAX];
	uint8_t *ring; /* our own view: contiguous addresses for scattered pages */
	struct hvw_tx tx;
	struct hvw_rx rx;
};

struct guest {
	struct embedder *e;
	uint32_t connection; /* where messages go */
	uint32_t version;
	uint32_t next_gpadl;
	uint64_t next_gpn;
	struct guest_channel channels[EMBEDDER_CHANNELS_MAX];

	/* How it answers integration services. */
	bool mute; /* takes packets, says nothing */
	struct hvp_ic_version versions[4]; /* of messages, best first */
	unsigned version_count;
	uint32_t shutdown_status;
};

void guest_init(struct guest *g, struct embedder *e);
void guest_fini(struct guest *g);

/* Post; HVP_STATUS_*. */
uint16_t guest_post(struct guest *g, const void *message, size_t len);
uint16_t guest_post_header(struct guest *g, uint32_t type);
uint16_t guest_post_channel(struct guest *g, uint32_t type, uint32_t channel_id);

/* Run the owner loops and take the next message. False: there is none, or (second) it is another. */
bool guest_take(struct guest *g, struct hvw_msg *msg);
bool guest_expect(struct guest *g, uint32_t type, struct hvw_msg *msg);
bool guest_expect_nothing(struct guest *g);

/* What a guest does, each with its answer; false: the answer was not the one hoped for. */
bool guest_contact(struct guest *g, uint32_t version, uint32_t target_vp);
bool guest_request_offers(struct guest *g);
bool guest_share_ring(struct guest *g, unsigned channel, unsigned pages, unsigned split);
bool guest_open(struct guest *g, unsigned channel, uint32_t target_vp);
bool guest_unshare_ring(struct guest *g, unsigned channel);
bool guest_unload(struct guest *g);

/* The same without waiting for the answer. */
uint16_t guest_post_contact(struct guest *g, uint32_t version, uint32_t target_vp);
uint16_t guest_post_open(struct guest *g, unsigned channel, uint32_t target_vp);
uint16_t guest_post_close(struct guest *g, unsigned channel);
uint16_t guest_post_modify(struct guest *g, unsigned channel, uint32_t target_vp);
uint16_t guest_post_teardown(struct guest *g, uint32_t channel_id, uint32_t gpadl);

/*
 * Post a GPADL of one range over `pages` page numbers: header, then bodies, until `messages` of them
 * are posted (0: all). `stray` more bytes at the end of each. The last hypercall's status.
 */
uint16_t guest_post_gpadl(struct guest *g, uint32_t channel_id, uint32_t gpadl,
			  const uint64_t *gpns, unsigned pages, unsigned messages, unsigned stray);
/* The rest of the messages, from number `first` on. */
uint16_t guest_post_gpadl_rest(struct guest *g, uint32_t gpadl, const uint64_t *gpns,
			       unsigned pages, unsigned first);

/* Contact at 5.3, offers, and all channels open with rings of 4 + 4 pages and their services negotiated. */
bool guest_up(struct guest *g);

/* New pages for a ring, scattered and zeroed, mapped as ring of `channel`. */
void guest_ring_pages(struct guest *g, unsigned channel, unsigned pages, unsigned split);

/* Send on a ring and ring the doorbell if the ring says so. Negative errno of hvw_tx_send(). */
int guest_send(struct guest *g, unsigned channel, uint64_t transaction_id, const void *payload,
	       uint32_t len);

/* The next packet: its payload's length, at most `size` bytes of it in `payload`; negative errno of hvw_rx_next(). */
int guest_recv(struct guest *g, unsigned channel, void *payload, uint32_t size,
	       uint64_t *transaction_id);

/* Answer all that waits on an integration service's ring, and trace it. Number of packets taken. */
unsigned guest_serve(struct guest *g, unsigned channel);

#endif
