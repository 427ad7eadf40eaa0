/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The network device's own state.
 *
 * Key: (c) const while the first channel is open; (0) loop of queue 0; (q) loop of the queue; (r) loop of the reader, which is
 * (0) or, with HVH_NET_READS_QUEUES, (q); (a) atomic.
 */
#ifndef HOST_DEV_NET_PRIV_H
#define HOST_DEV_NET_PRIV_H

#include <stdatomic.h>

#include <hvh/hvh_channel.h>
#include <hvh/hvh_net.h>
#include <hvh/hvh_share.h>
#include <hvh/hvh_state.h>

#include "hvp_ndis.h"
#include "hvw_frame.h"
#include "hvw_nvsp.h"
#include "hvw_pkt.h"
#include "hvw_rndis.h"
#include "hvw_rss.h"

/* In front of and behind the data in a sub-allocation of the receive buffer: as real hosts do (spec of OpenVMM). */
#define RX_HEADROOM 256u
#define RX_TAILROOM 36u

/* Sub-allocations that are kept for control messages. */
#define RX_CONTROL 16u

/* Ranges in one transfer-page packet. */
#define RX_BATCH 64u

/* Guests cut the send buffer in sections of that size. */
#define TX_SECTION 6144u

/* Pieces of guest memory that one frame may have, and its private beginning. */
#define TX_IOVS 160u
#define TX_HEAD (HVW_FRAME_HEADERS_MAX + HVW_VLAN_TAG)

/* Per-packet information that is looked at. */
#define TX_INFO_MAX 512u

/* What INITIALIZE_COMPLETE says. */
#define TX_PACKETS_MAX 8u
#define TX_ALIGNMENT   3u

/* Longest frame to be segmented, and the fewest segments that are worth it. */
#define LSO_BYTES_MAX	 62780u
#define LSO_SEGMENTS_MIN 2u

/* A request of the guest's, and answers that wait for room. */
#define CONTROL_REQUEST_MAX 4096u
#define CONTROL_ANSWERS_MAX 32768u

enum buffer_state {
	BUFFER_NONE,
	BUFFER_WANTED, /* the control loop looks it up; the ring is not read meanwhile */
	BUFFER_READY,
	BUFFER_REVOKED,
};

/* A buffer of the guest's that all queues use. `users`: queues that may look at it, and whether it is revoked. */
#define BUFFER_REVOKED_BIT 0x80000000u
struct net_buffer {
	enum buffer_state state; /* (0) */
	uint16_t id; /* (c) */
	uint64_t transaction_id; /* (0) of the message that waits for the answer */
	const struct hvh_share *share; /* (c) while in use */
	_Atomic uint32_t users; /* (a) */
};

/* One producer and one consumer, each on a loop of its own; room for every sub-allocation, so never full. */
struct net_fifo {
	uint32_t *entry; /* net.fifo_size of them */
	_Atomic uint32_t head; /* consumer's */
	_Atomic uint32_t tail; /* producer's */
};

/* A packet that is to be sent and for which there was no room. */
struct net_due {
	bool waits;
	uint64_t transaction_id;
	uint32_t len;
	uint8_t bytes[HVW_NVSP_MAX];
};

/* What the fifo of filled ones holds. `follows`: the next one is a part of the same packet. */
#define RX_FILLED_FOLLOWS    0x80000000u
#define RX_FILLED(sub, len)  ((sub) | (uint32_t)(len) << 16)
#define RX_FILLED_SUB(value) ((value)&0xffffu)
#define RX_FILLED_LEN(value) ((value) >> 16 & 0x7fffu)

/* A frame from the back end. A tag is in `found` and `head`, not in what the guest gets. (r) */
struct net_rx_frame {
	const struct iovec *iov;
	unsigned iovs;
	size_t len, head_len;
	uint8_t head[HVW_FRAME_HEADERS_MAX];
	struct hvw_frame found;
	struct hvw_rndis_meta meta;
	bool verified; /* its checksums are right */
};

/* Segments of a flow that are being joined, each in a sub-allocation. (r) */
#define RX_RUNS 4u
struct net_run {
	struct net_queue *q; /* where it goes; NULL: there is none */
	unsigned count;
	uint32_t filled[RX_BATCH];
	uint8_t head[HVW_FRAME_HEADERS_MAX]; /* of the first */
	struct hvw_frame found;
	struct hvw_rndis_meta meta;
	uint32_t payload; /* of all */
};

struct net_queue {
	struct hvh_channel *channel; /* (q) NULL: closed */
	_Atomic bool open; /* (a) the reader may give it frames */
	_Atomic bool rx_starved; /* (a) the reader found no free sub-allocation */
	unsigned index; /* (c) */
	bool uses_recv, uses_send; /* (q) counted in the buffers' users */
	bool blocked; /* (q) the back end takes nothing now */
	bool faulty; /* (q) a fault on purpose: nothing goes on until the queue is notified */
	uint32_t fault_count[HVH_INJECT_NICS]; /* (q) chances of one */
	uint32_t tx_done; /* (q) frames of the packet that comes next which are sent already */
	uint32_t cut_done; /* (q) segments of the frame behind them */
	struct net_due due; /* (q) a completion */
	struct net_fifo free; /* produced by (q), consumed by (r): sub-allocations */
	struct net_fifo filled; /* produced by (r), consumed by (q): RX_FILLED() */
	struct net_run run[RX_RUNS]; /* (r) */
	unsigned run_next; /* (r) whose place the next one takes */
	uint8_t head[TX_HEAD]; /* (q) private beginning of the frame that is sent */
	uint8_t segment[TX_HEAD]; /* (q) likewise of a segment */
	struct iovec stream[TX_IOVS]; /* (q) the memory of one packet */
	struct iovec frame[TX_IOVS + 1]; /* (q) of one frame in it */
	struct iovec piece[TX_IOVS + 1]; /* (q) of a segment */
	/* (a), written by one loop each: rx by (r), the others by (q) */
	_Atomic uint64_t rx_frames, rx_bytes, rx_dropped;
	_Atomic uint64_t tx_frames, tx_bytes, tx_dropped, tx_checksums, tx_large, tx_segments;
	_Atomic uint64_t rx_completions, rx_joined, faults;
};

/* A sub-allocation that the guest has: as the first of a transfer packet, or following another. */
#define SUB_NONE 0xffffu
struct net_sub {
	_Atomic uint8_t queue; /* (a) whose it is */
	bool first; /* (q) the transaction id of an outstanding packet */
	uint16_t next; /* (q) in that packet; SUB_NONE: the last */
};

/* What is to be said to the guest without being asked. (0) */
#define NOTE_LINK    0x1u
#define NOTE_SPEED   0x2u
#define NOTE_CHANGE  0x4u
#define NOTE_OFFLOAD 0x8u

struct net {
	struct hvh_device device; /* first */
	struct hvh_net_config config; /* (c) but for the MAC, which is (0) */
	const struct hvh_net_backend *backend; /* (c) */
	void *ctx; /* (c) */
	_Atomic uint64_t mac; /* (a) the address in use, its first byte the lowest */

	/* What the guest agreed on. (0), and constant for the others */
	uint32_t version; /* 0: nothing yet */
	bool configured; /* NDIS_CONFIG came */
	uint32_t frame_max; /* that of this guest */
	uint64_t capabilities;
	uint32_t ndis_major, ndis_minor; /* 0: not told */
	struct net_buffer recv, send;
	uint32_t sub_bytes, sub_count;
	unsigned queues; /* granted, the first included; 0 before the receive buffer */
	_Atomic bool initialised; /* (a) RNDIS */
	_Atomic uint32_t filter; /* (a) */
	_Atomic bool link; /* (a) */
	struct hvp_ndis_offload_params offload; /* what is switched on: HVP_OFFLOAD_* of each */
	_Atomic uint32_t joins; /* (a) HVH_NET_JOINS_*: of what the guest takes joined segments */
	uint32_t rss_types; /* (0) HVP_RSS_*; 0: off */
	uint32_t rss_entries;
	uint8_t rss_table[HVP_RSS_TABLE_MAX];
	uint8_t rss_key[HVP_RSS_KEY_BYTES];
	struct hvw_toeplitz toeplitz;
	bool table_sent; /* the guest was told how to choose among the queues */
	_Atomic uint32_t queues_open; /* (a) */

	/* Control messages to the guest. (0) */
	unsigned notes; /* NOTE_* */
	uint32_t answers_len;
	uint8_t answers[CONTROL_ANSWERS_MAX]; /* each a u32 of its length, then the message */
	uint16_t control_free[RX_CONTROL];
	unsigned control_free_count;

	_Atomic uint64_t violations; /* (a) */
	_Atomic bool reader_waits; /* (a) backend->receive_ready() is to be called */
	uint64_t kicks; /* (r) queues that have got frames since the last flush */
	struct net_sub *sub; /* sub_count */
	uint32_t fifo_size; /* a power of two, above sub_count */
	uint32_t *fifo_memory;
	struct net_queue queue[HVH_NET_QUEUES_MAX];
};

/* Only one loop writes a counter. */
static inline void net_count(_Atomic uint64_t *counter, uint64_t by)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by,
			      memory_order_relaxed);
}

/* net.c: all that waits on that queue is tried again; false: something still waits. (q) */
bool hvh_net_drain(struct net *net, struct net_queue *q);
/* net.c: whether it is time for a fault on purpose. (q) */
bool hvh_net_fault(struct net *net, struct net_queue *q, enum hvh_inject_nic kind);
void hvh_net_complete(struct net *net, struct net_queue *q, uint64_t transaction_id,
		      const void *payload, uint32_t len);

/* net_nvsp.c. (0) */
void hvh_net_nvsp(struct net *net, struct net_queue *q, const struct hvw_rx_packet *packet,
		  const uint8_t *payload, uint32_t len);
void hvh_net_forget(struct net *net);
void hvh_net_buffer_answer(struct net *net, const struct hvh_share *share);
void hvh_net_buffer_revoke(struct net *net, struct net_buffer *buffer);
void hvh_net_buffer_leave(struct net *net, struct net_queue *q);
bool hvh_net_buffer_join(struct net *net, struct net_queue *q);

/* net_rndis.c. (0) A control message, private copy: false: the channel is to be failed. What waits is sent. */
bool hvh_net_control(struct net *net, const uint8_t *bytes, uint32_t len);
bool hvh_net_control_flush(struct net *net);

/* An address as net.mac has it. */
static inline uint64_t net_mac_of(const uint8_t *bytes)
{
	uint64_t mac = 0;

	__builtin_memcpy(&mac, bytes, HVH_NET_MAC_BYTES);
	return mac;
}

/* net_oid.c. In 100 bit/s. */
uint32_t hvh_net_speed(const struct net *net);

/* net_oid.c. (0) Values go to `value` (HVP_RNDIS_ANSWER_MAX bytes) and *len; returns HVP_RNDIS_STATUS_*. */
uint32_t hvh_net_oid_query(struct net *net, const struct hvw_rndis_request *request, uint8_t *value,
			   uint32_t *len);
uint32_t hvh_net_oid_set(struct net *net, const struct hvw_rndis_request *request);
bool hvh_net_join_offered(const struct net *net);
void hvh_net_offload_config(const struct net *net, bool current, struct hvp_ndis_offload *offload);

/* net_tx.c. (q) -EAGAIN: read the packet again later. */
int hvh_net_tx(struct net *net, struct net_queue *q, const struct hvw_rx_packet *packet,
	       const struct hvp_nvsp_rndis_packet *message);

/* net_rx.c */
int hvh_net_rx_setup(struct net *net) HVW_MUST_CHECK;
int hvh_net_rx_allocate(struct net *net) HVW_MUST_CHECK;
void hvh_net_rx_reset(struct net *net);
void hvh_net_rx_spread(struct net *net, unsigned queues);
bool hvh_net_rx_send(struct net *net, struct net_queue *q);
bool hvh_net_rx_completed(struct net *net, struct net_queue *q, uint64_t transaction_id);
uint32_t hvh_net_fifo_count(const struct net_fifo *fifo);
void hvh_net_rx_publish(struct net *net, struct net_queue *reader, struct net_queue *q,
			const uint32_t *values, unsigned count);
bool hvh_net_fifo_put(const struct net *net, struct net_fifo *fifo, uint32_t value);
bool hvh_net_fifo_get(const struct net *net, struct net_fifo *fifo, uint32_t *value);

/*
 * net_receive.c. Into the receive buffer: [at, end) of the pieces to `offset`; a frame, and what stands in front of it or of a
 * part of it.
 */
void hvh_net_copy_in(const struct hvh_share *share, uint32_t offset, const struct iovec *iov,
		     unsigned iovs, size_t at, size_t end);
void hvh_net_write_frame(const struct net *net, uint32_t sub, const struct net_rx_frame *f);
void hvh_net_write_head(const struct net *net, uint32_t sub, uint32_t len,
			const struct hvw_rndis_meta *meta);

/*
 * net_join.c: receive coalescing. Whether the frame may be joined with others of its flow; and whether, when nobody else has
 * looked, its checksums are right, of those that may; what the guest has agreed to anew (0); a frame in its sub-allocations (r): false: it is to be published as it is, none in front of it is
 * held back any more; the end of a row of frames (r): nothing is held back.
 */
bool hvh_net_joins(const struct net *net, const struct net_rx_frame *f);
bool hvh_net_join_verify(const struct net *net, const struct net_rx_frame *f);
void hvh_net_join_set(struct net *net);
bool hvh_net_join(struct net *net, struct net_queue *reader, struct net_queue *q,
		  const struct net_rx_frame *f, const uint32_t *subs, unsigned count);
void hvh_net_join_end(struct net *net, struct net_queue *reader);

/*
 * net_pieces.c. Copies [at, at + len) of the pieces, of what there is of it; returns how many bytes. And the same as pieces:
 * returns how many, never more than there were.
 */
size_t hvh_net_copy(void *dst, const struct iovec *iov, unsigned iovs, size_t at, size_t len);
unsigned hvh_net_slice(const struct iovec *iov, unsigned iovs, size_t at, size_t len,
		       struct iovec *out);

/* net_offload.c: the Internet checksum of pieces, continued from `sum`; and of what is written down. */
uint32_t hvh_net_sum(uint32_t sum, const struct iovec *iov, unsigned iovs, size_t skip, size_t len);
uint16_t hvh_net_sum_fold(uint32_t sum);

/*
 * net_offload.c, in a private copy of an IP header: its own sum; the length of what is behind it, and of IPv4 its number
 * and its sum.
 */
void hvh_net_sum_ip_header(uint8_t *ip);
void hvh_net_set_ip_length(const struct hvw_frame *found, uint8_t *ip, uint32_t l4_bytes,
			   uint16_t number);

/* net_save.c */
void hvh_net_save(const struct hvh_device *device, struct hvh_state_writer *w);
int hvh_net_load(struct hvh_device *device, struct hvh_state_reader *r);

#endif
