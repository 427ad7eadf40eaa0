/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A host that does as a test says: it knows VMBus well enough to serve the guest core and to notice when
 * the core breaks the protocol, and for any message of the guest it can be told to do something else than
 * what is right.
 */
#ifndef FUZZ_FAKE_HOST_H
#define FUZZ_FAKE_HOST_H

#include "fuzz/soft_hypervisor.h"
#include "hvp_vmbus.h"
#include "hvw_msg.h"
#include "hvw_ring.h"

#define FAKE_CHANNELS 24u
#define FAKE_GPADLS   64u
#define FAKE_RULES    8u

enum fake_action {
	FAKE_ANSWER,
	FAKE_SILENT, /* do it, and do not answer */
	FAKE_IGNORE, /* neither */
	FAKE_REFUSE, /* say no, where the answer can */
	FAKE_TWICE, /* the same answer again */
	FAKE_WRONG_IDS, /* first one with other ids */
	FAKE_GARBAGE, /* first all kinds of things */
	FAKE_RESCIND_INSTEAD, /* take the channel away and answer nothing but a teardown */
	FAKE_RESCIND_BEFORE, /* the answer comes after that */
	FAKE_RESCIND_AFTER,
	FAKE_LATE, /* the answer comes when nobody waits any more */
	FAKE_BUSY, /* the hypercall says that there is no room, once */
	FAKE_FAIL, /* the hypercall fails */
	FAKE_FULL, /* as FAKE_BUSY, for ever */
};

/* For the nth message of that type (from 1; 0: each); 0 as type: any. */
struct fake_rule {
	uint32_t type;
	unsigned nth;
	enum fake_action action;
};

struct fake_gpadl {
	uint32_t handle; /* 0: none */
	uint32_t channel_id;
	uint32_t pages, filled;
	uint64_t *gpns;
};

struct fake_channel {
	/* For the test to set. */
	struct hvp_guid class_id, instance_id;
	uint16_t index; /* 0: primary */
	uint32_t id; /* 0: nothing is here */

	/* For the test to read. */
	uint32_t connection_id;
	bool offered, rescinded, open;
	uint32_t ring_gpadl, target_vp;
	unsigned opens, doorbells;
	uint8_t user_data[HVP_USER_DATA_MAX];
	struct hvh_mapping ring;
	struct hvw_tx tx;
	struct hvw_rx rx;
};

struct fake_host {
	/* For the test to set. */
	uint32_t version_max;
	bool old; /* does not know connection 4 */
	bool absent; /* knows no connection at all */
	bool no_offers; /* REQUEST_OFFERS is answered by ALL_OFFERS_DELIVERED alone */
	uint8_t connection_state; /* of the VERSION_RESPONSE */
	bool eager; /* offers all at the contact already, unasked */
	struct fake_rule rules[FAKE_RULES];
	void (*doorbell)(struct fake_host *fake, struct fake_channel *channel); /* NULL: count */
	void *device; /* whose doorbell it is */
	/* Each message to the guest goes here first; true: it has been seen to. NULL: it is sent as it is. */
	bool (*tamper)(struct fake_host *fake, const void *message, size_t len);

	/* For the test to read. */
	struct fake_channel channels[FAKE_CHANNELS];
	struct hvh_mem *mem;
	struct soft_hypervisor soft;
	unsigned seen[HVP_MSG_END]; /* messages of the guest, by type */
	unsigned total;
	uint32_t version; /* 0: not connected */
	uint32_t message_vp;
	unsigned gpadls; /* that are known */
	unsigned faults; /* of the guest */
	char fault[160]; /* the last one */

	/* Private. */
	bool busy; /* the last post was refused: the same message comes again */
	bool contacted;
	uint64_t contact_pages[3];
	struct fake_gpadl gpadl[FAKE_GPADLS];
};

/* `ram`: bytes. */
void fake_init(struct fake_host *fake, unsigned cpus, uint64_t ram);
void fake_fini(struct fake_host *fake);

/* Write to every page that the guest let it know and has not taken back. */
void fake_scribble(struct fake_host *fake);

/* The first channel that is free; NULL: none is. It is offered when the guest asks, or by fake_offer(). */
struct fake_channel *fake_add(struct fake_host *fake, struct hvp_guid class_id, uint8_t instance,
			      uint16_t index);

void fake_offer(struct fake_host *fake, struct fake_channel *channel);
void fake_rescind(struct fake_host *fake, struct fake_channel *channel);

/* A message to the guest as it is. */
void fake_send(struct fake_host *fake, const void *message, size_t len);

/* Everything that makes no sense. `answer`: but for this type. */
void fake_send_garbage(struct fake_host *fake, uint32_t answer);

/* On an open channel. As hvw_tx_send(); -EAGAIN, or the payload's length with padding. */
int fake_put(struct fake_host *fake, struct fake_channel *channel, uint64_t transaction_id,
	     const void *payload, uint32_t len);
int fake_take(struct fake_host *fake, struct fake_channel *channel, uint64_t *transaction_id,
	      void *payload, uint32_t max);

/* The channel's event flag, whether or not there is a reason. */
void fake_signal(struct fake_host *fake, struct fake_channel *channel);

#endif
