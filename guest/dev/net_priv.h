/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the files of the NIC share.
 *
 * Keys: (c) const while attached, (C) control context, (s) the queue's sender, (p) its poller, (a) atomic,
 * (m) net.subs_mutex. Names of contexts as in hvg/hvg_net.h.
 */
#ifndef GUEST_DEV_NET_PRIV_H
#define GUEST_DEV_NET_PRIV_H

#include "hvg/hvg_log.h"
#include "hvg/hvg_net.h"
#include "hvp_ndis.h"
#include "hvp_rndis.h"
#include "hvw_nvsp.h"
#include "hvw_pkt.h"
#include "hvw_rndis.h"
#include "hvw_rss.h"

/* How long the host has for an answer. */
#define HVG_NET_ANSWER_MS 10000u

/* The same for what was sent to leave, before nothing more is to be received. */
#define HVG_NET_DRAIN_MS 2000u

/* Where the host reads nothing, how often is looked whether it has begun to. */
#define HVG_NET_RETRY_MS 10u

/* Changes of the link are shown to the system one by one, so long apart. */
#define HVG_NET_LINK_MS 2000u

/* A queue that may get no signal looks again after this. */
#define HVG_NET_NUDGE_MS 10u

/* Completions of received frames wait for company on their way to the host: at most so long, and for so many frames. */
#define HVG_NET_KICK_MS	    2u
#define HVG_NET_QUIET_MAX   64u
#define HVG_NET_QUIET_SHARE 8u /* nor for more than this part of the receive buffer */

/* Our name for the receive buffer. */
#define HVG_NET_RECEIVE_ID 0xcafeu

/* Ids of packets: kind, generation, place in its table. */
#define HVG_NET_ID_KIND_SHIFT 62
#define HVG_NET_ID_SEND	      1u
#define HVG_NET_ID_SETUP      2u
#define HVG_NET_ID_CONTROL    3u

static inline uint64_t hvg_net_id(unsigned kind, uint32_t generation, unsigned place)
{
	return (uint64_t)kind << HVG_NET_ID_KIND_SHIFT | (uint64_t)generation << 16 | place;
}

/* --- sending ------------------------------------------------------------------------------------------- */

/* Packets outstanding on one queue; hosts count with so many. */
#define HVG_NET_SLOTS 1024u

/* Free ones below which no frame is taken: it may come upon a batch and be kept itself. */
#define HVG_NET_SLOTS_SPARE 2u

/* RNDIS header and infos of a frame that goes by reference. */
#define HVG_NET_HEADER_BYTES 128u

/* Bytes of a frame's headers that are copied when the rest is not. */
#define HVG_NET_HEAD_MAX 256u

/* A packet that the host has not completed. */
struct hvg_net_slot {
	uint32_t generation; /* (a) of the packet; 0: none. The rest is written before, and read after it is taken back */
	uint32_t section;
	uint32_t bytes;
	uint32_t frames;
	void *cookie;
};

/* Frames that are in a section and not on the ring. */
struct hvg_net_batch {
	uint32_t section;
	uint32_t used;
	uint32_t bytes;
	uint32_t frames; /* 0: no batch */
	void *cookie; /* of the last one; those of the others have gone back */
};

/* A completion that the host is to get. */
struct hvg_net_owed {
	uint64_t id;
	uint32_t status; /* HVP_NVSP_STATUS_* */
};

struct hvg_net_queue {
	struct hvg_net *net; /* (c) */
	struct hvg_chan *chan; /* (c) while open */
	unsigned index; /* (c) */
	uint32_t open; /* (a) written with subs_mutex */
	uint32_t ready; /* (a) what follows was made: by hvg_net_queue_prepare() */

	/* The sender's. */
	struct hvg_net_batch batch; /* (s) */
	struct hvg_net_frame kept; /* (s) accepted, and there was no room */
	bool keeps; /* (s) `kept` is one */
	uint32_t generation; /* (s) the last */
	uint32_t free_head; /* (s) */
	struct hvos_shared headers; /* (c) HVG_NET_HEADER_BYTES for each slot */

	/* Between sender and poller. */
	struct hvg_net_slot *slots; /* (c) HVG_NET_SLOTS */
	uint16_t *free; /* (c) twice as many: places of free slots, from free_head to free_tail */
	uint32_t free_tail; /* (a) written by the poller */
	uint32_t stopped; /* (a) no sends until a wake */
	uint32_t room; /* (a) a signal came: the ring may have room */

	/* The poller's. */
	struct hvp_transfer_range *ranges; /* (p) of the packet that is being received */
	unsigned range_count, range_next; /* (p) */
	uint64_t range_id; /* (p) its id */
	uint32_t range_status; /* (p) what it will be completed with */
	struct hvg_net_rx_piece *pieces; /* (p) of the frame that is being received */
	struct hvg_net_rx rx; /* (p) */
	struct hvg_net_owed *owed; /* (p) */
	uint32_t owed_size, owed_first, owed_count; /* (p) */
	uint32_t quiet; /* (p) frames in completions that the host may not have been told of */
	uint32_t kick_due; /* (a) the work will tell it */

	struct hvg_net_counters tx; /* (s) those that the sender writes; read by anyone */
	struct hvg_net_counters poll; /* (p) the others */
	struct hvg_net_port_queue port;
};

/* Each counter has one writer at a time. */
static inline void hvg_net_count(unsigned long *counter, unsigned long by)
{
	__atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + by,
			 __ATOMIC_RELAXED);
}

/* --- asking the host ------------------------------------------------------------------------------------- */

/* RNDIS requests lie in memory that the host reads, each until it says that it has. */
#define HVG_NET_REQUESTS      4u
#define HVG_NET_REQUEST_BYTES 2048u

/* No answer that we ask for is longer. */
#define HVG_NET_ANSWER_BYTES 4096u

/* A question: C asks, the poller of queue 0 brings the answer. */
struct hvg_net_question {
	uint32_t id; /* (a) 0: nobody asks; ~0: the answer is being copied */
	uint32_t last; /* (C) the last id */
	uint32_t len; /* of the answer */
	struct hvos_event answered;
};

/* Parameters, table and key of RSS. */
#define HVG_NET_RSS_MESSAGE 1104u

/* --- the link -------------------------------------------------------------------------------------------- */

#define HVG_NET_LINK_EVENTS 16u

enum hvg_net_link_event {
	HVG_NET_LINK_UP,
	HVG_NET_LINK_DOWN,
	HVG_NET_LINK_MOVED,
};

/* What there is to do for hvg_net_work(). */
#define HVG_NET_TODO_QUEUES 0x01u
#define HVG_NET_TODO_LINK   0x02u
#define HVG_NET_TODO_SPEED  0x04u
#define HVG_NET_TODO_VF	    0x08u
#define HVG_NET_TODO_SUBS   0x10u /* ask for sub-channels */
#define HVG_NET_TODO_ASK    0x20u /* events were lost: ask for the link's state */
#define HVG_NET_TODO_NUDGE  0x40u /* a stopped queue may get no signal */
#define HVG_NET_TODO_KICK   0x80u /* a host may not have been told of completions */

struct hvg_net {
	struct hvg_device *device; /* (c) */
	struct hvg_net_port *port; /* (c) */
	struct hvg_net_config config; /* (C) */
	struct hvg_net_info info; /* (C) */
	bool attached; /* (C) */
	uint64_t leave_ns; /* (C) no answer is waited for beyond this; 0: not leaving */

	/* The shared buffers. */
	struct hvos_shared receive, send;
	uint32_t receive_handle, send_handle;
	bool receive_shared, send_shared; /* the host knows them */
	uint32_t receive_bytes; /* (c) */
	uint32_t section_words; /* (c) */
	uint32_t *sections; /* (a) a bit for each that is in use */
	uint32_t batch_frames, batch_bytes, batch_align; /* (c) */

	/* Questions and their answers. */
	struct hvg_net_question setup, rndis;
	uint8_t setup_answer[HVW_NVSP_MAX];
	uint8_t *rndis_answer; /* HVG_NET_ANSWER_BYTES */
	struct hvos_shared requests;
	uint32_t request_busy[HVG_NET_REQUESTS]; /* (a) generation; 0: free */
	uint32_t request_generation; /* (C) */
	uint8_t *indication; /* (p) of queue 0: a control message, HVG_NET_ANSWER_BYTES */

	/* Queues. */
	struct hvos_mutex subs_mutex;
	bool subs_wanted; /* (m) */
	unsigned granted; /* (a) queues that the host agreed to, the first included */
	unsigned opened; /* (m) */
	uint32_t queue_count; /* (a) */
	uint32_t tx_table[HVP_NVSP_INDIRECTION_ENTRIES]; /* (a) */
	uint32_t tx_table_set; /* (a) */

	/* Settings. */
	uint32_t filter; /* (C) */
	uint32_t receiving; /* (a) */
	uint32_t offloads; /* (C) wanted */
	bool offloads_set; /* (C) by the port */
	bool rss_set; /* (C) the table is the port's */
	uint16_t rss_table[HVG_NET_RSS_TABLE_MAX]; /* (C) */
	uint8_t rss_key[HVG_NET_RSS_KEY_BYTES]; /* (C) */
	struct hvw_rss_params rss_params; /* (C) being sent */
	uint8_t rss_message[HVG_NET_RSS_MESSAGE]; /* (C) the same */

	/* Told by the host, for the work. */
	uint32_t todo; /* (a) */
	uint32_t speed; /* (a) */
	uint32_t link; /* (a) */
	uint8_t link_events[HVG_NET_LINK_EVENTS];
	uint32_t link_head, link_tail; /* (a) head: the work's, tail: the poller's */
	uint64_t link_next_ns; /* (C) not before this */
	bool link_back; /* (C) up again is the second half of a move */
	bool link_ask; /* (C) events were lost */
	uint32_t vf_allocated, vf_serial; /* (a) */
	uint32_t vf_active; /* (a) */

	struct hvg_net_queue queues[HVG_NET_QUEUES_MAX];
};

static inline struct hvg_chan *hvg_net_chan(struct hvg_net *net)
{
	return hvg_device_chan(net->device);
}

/* net.c */
void hvg_net_todo(struct hvg_net *net, uint32_t what, uint32_t delay_ms);

/* net_queue.c: a channel and all that belongs to it. */
int hvg_net_queue_open(struct hvg_net_queue *queue, struct hvg_chan *chan) HVW_MUST_CHECK;
int hvg_net_queue_prepare(struct hvg_net_queue *queue) HVW_MUST_CHECK; /* the buffers are known */
void hvg_net_queue_stop(struct hvg_net_queue *queue); /* nobody sends or polls any more */
void hvg_net_queue_close(struct hvg_net_queue *queue); /* stopped */

/* net_nvsp.c */
int hvg_net_nvsp_start(struct hvg_net *net) HVW_MUST_CHECK;
void hvg_net_nvsp_stop(struct hvg_net *net); /* the host is to let go of the buffers */
void hvg_net_nvsp_unshare(struct hvg_net *net);

/* *granted: of `wanted` sub-channels. */
int hvg_net_nvsp_subchannels(struct hvg_net *net, unsigned wanted,
			     unsigned *granted) HVW_MUST_CHECK;
int hvg_net_nvsp_switch(struct hvg_net *net, bool to_vf) HVW_MUST_CHECK;

/* P of queue 0. */
void hvg_net_nvsp_completion(struct hvg_net *net, const struct hvw_rx_packet *packet);
void hvg_net_nvsp_message(struct hvg_net *net, const struct hvw_rx_packet *packet);

/* net_rndis.c: C. Values of queries: *len is the room, and then what came. */
int hvg_net_rndis_start(struct hvg_net *net) HVW_MUST_CHECK;
void hvg_net_rndis_halt(struct hvg_net *net);
int hvg_net_rndis_query(struct hvg_net *net, uint32_t oid, const void *input, uint32_t input_len,
			void *value, uint32_t *len) HVW_MUST_CHECK;
int hvg_net_rndis_set(struct hvg_net *net, uint32_t oid, const void *value,
		      uint32_t len) HVW_MUST_CHECK;

/* P of queue 0. `message`: in the buffer that the host writes. False: it makes no sense. */
bool hvg_net_rndis_control(struct hvg_net *net, const uint8_t HVW_SHARED *message, uint32_t len);
void hvg_net_rndis_completion(struct hvg_net *net, uint64_t id);

/* net_question.c: C. begin; send the question; wait. 0: the answer is there. -ENODEV, -ETIMEDOUT. */
void hvg_net_question_init(struct hvg_net_question *question);
void hvg_net_question_fini(struct hvg_net_question *question);
uint32_t hvg_net_question_begin(struct hvg_net_question *question);
void hvg_net_question_cancel(struct hvg_net *net, struct hvg_net_question *question);
int hvg_net_question_wait(struct hvg_net *net, struct hvg_net_question *question) HVW_MUST_CHECK;

/* P of queue 0. True: the caller copies the answer, and then ends it. */
bool hvg_net_question_answer(struct hvg_net_question *question, uint32_t id);
void hvg_net_question_end(struct hvg_net_question *question, uint32_t len);

void hvg_net_pause(struct hvg_net *net, uint32_t ms); /* C. A sleep; polling goes on */
uint64_t hvg_net_deadline_ns(const struct hvg_net *net); /* C. Of a question that is asked now */

/* C. -EAGAIN is waited for. */
int hvg_net_send_patiently(struct hvg_net *net, uint16_t type, uint16_t flags, uint64_t id,
			   uint32_t header, const struct hvw_piece *pieces,
			   unsigned npieces) HVW_MUST_CHECK;

/* net_settings.c: C. */
int hvg_net_settings_query(struct hvg_net *net) HVW_MUST_CHECK;
int hvg_net_settings_offloads(struct hvg_net *net) HVW_MUST_CHECK;
int hvg_net_settings_rss(struct hvg_net *net) HVW_MUST_CHECK;
void hvg_net_settings_rss_default(struct hvg_net *net);
void hvg_net_settings_init(struct hvg_net *net);
int hvg_net_settings_filter(struct hvg_net *net, uint32_t filter) HVW_MUST_CHECK;

/* net_vf.c: P of queue 0 */
void hvg_net_vf_associate(struct hvg_net *net, bool allocated, uint32_t serial);

/* net_link.c. */
int hvg_net_link_query(struct hvg_net *net) HVW_MUST_CHECK; /* C */
void hvg_net_link_event(struct hvg_net *net, enum hvg_net_link_event event); /* P of queue 0 */
void hvg_net_link_work(struct hvg_net *net, uint32_t todo); /* C */

/* net_tx.c */
int hvg_net_tx_init(struct hvg_net_queue *queue) HVW_MUST_CHECK;
void hvg_net_tx_fini(struct hvg_net_queue *queue); /* the channel is closed: all comes back */
bool hvg_net_tx_idle(const struct hvg_net_queue *queue); /* A: nothing is outstanding */

struct hvg_net_sent {
	unsigned frames, bytes;
	bool any; /* completions came */
};

/* P. */
void hvg_net_tx_completion(struct hvg_net_queue *queue, const struct hvw_rx_packet *packet,
			   struct hvg_net_sent *sent);
void hvg_net_tx_poll_end(struct hvg_net_queue *queue, const struct hvg_net_sent *sent);

#endif
