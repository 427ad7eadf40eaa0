/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A network guest that does what it is told, in the embedder's world: the NIC stands in EMBEDDER_HOT and is its
 * channel NET_GUEST_CHANNEL; sub-channels follow. Frames of the device are kept; frames for the guest are pushed in.
 */
#ifndef FUZZ_NET_SCRIPT_H
#define FUZZ_NET_SCRIPT_H

#include <hvh/hvh_net.h>

#include "fuzz/guest_script.h"
#include "hvp_ndis.h"
#include "hvw_nvsp.h"
#include "hvw_rndis.h"

#define NET_GUEST_CHANNEL   3u
#define NET_GUEST_RING	    16u /* pages; half of them each way */
#define NET_GUEST_RECV	    64u /* pages */
#define NET_GUEST_SEND	    16u
#define NET_GUEST_FRAME_MAX 10000u
#define NET_GUEST_FRAMES    128u
#define NET_GUEST_QUEUES    4u
#define NET_GUEST_RECV_ID   0xcafe

struct net_frame {
	unsigned queue;
	uint32_t len;
	struct hvh_net_meta meta;
	uint8_t bytes[NET_GUEST_FRAME_MAX];
};

struct net_guest {
	struct embedder e;
	struct guest g;
	struct hvh_net_config config; /* for the test to set before net_guest_init() */
	struct hvh_net_backend backend; /* likewise: `can` */
	int send_result; /* what the back end answers */
	unsigned refuse_after; /* … after so many more frames; 0: never */
	unsigned frames; /* that the device sent */
	struct net_frame frame[NET_GUEST_FRAMES];
	unsigned ready_calls;
	unsigned joins; /* what the device lets the back end join */
	unsigned kicks;
	uint32_t version;
	uint32_t recv_gpadl, send_gpadl;
	uint64_t recv_gpns[NET_GUEST_RECV], send_gpns[NET_GUEST_SEND], data_gpns[16];
	uint8_t *recv, *send,
		*data; /* where these are with us: the embedder's memory is contiguous */
	struct hvp_nvsp_recv_section section;
	uint64_t next_id;

	/* The last packet that was received. */
	struct hvw_rx_packet packet;
	uint8_t payload[256];
	uint8_t ranges[1024];
	uint32_t range_count;
};

/* The NIC is offered, its channel open; nothing was said. False: it is not so. */
bool net_guest_init(struct net_guest *n);
void net_guest_fini(struct net_guest *n);

/* All set-up up to the filter, at that version. */
bool net_guest_up(struct net_guest *n, uint32_t version);

/* Send an NVSP message, with a completion asked for; take its completion: its length, or negative. */
int net_guest_say(struct net_guest *n, struct hvw_nvsp *message, uint32_t len);
int net_guest_ask(struct net_guest *n, struct hvw_nvsp *message, struct hvw_nvsp *answer);

/* The next packet of a channel; 0 or negative errno. Completes transfer-page packets if `complete`. */
int net_guest_take(struct net_guest *n, unsigned channel, bool complete);

/* The guest completes a transfer-page packet. */
void net_guest_complete(struct net_guest *n, unsigned channel, uint64_t id);

/* RNDIS bytes as a GPA-direct packet; the transaction id. */
uint64_t net_guest_send_direct(struct net_guest *n, unsigned channel, const void *bytes,
			       uint32_t len, uint32_t channel_type);

/* … or from section `index` of the send buffer. */
uint64_t net_guest_send_section(struct net_guest *n, unsigned channel, uint32_t index,
				const void *bytes, uint32_t len);

/* A control message and its answer: the answer's length (it is in n->recv + *at), or negative. */
int net_guest_control(struct net_guest *n, const void *bytes, uint32_t len, uint32_t *at);

/* A SET or QUERY: HVP_RNDIS_STATUS_*. `value` gets the answer to a query. */
uint32_t net_guest_set(struct net_guest *n, uint32_t oid, const void *info, uint32_t len);
uint32_t net_guest_query(struct net_guest *n, uint32_t oid, void *value, uint32_t *len);

/* Save, destroy, load. 0; -EBUSY: something is under way. */
int net_guest_save_and_load(struct net_guest *n);

struct hvh_device *net_guest_device(struct net_guest *n);

#endif
