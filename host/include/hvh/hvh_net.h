/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The synthetic network device, and what it needs of the back end that carries its frames.
 *
 * Frames go straight between guest memory and the back end: the device makes the pieces, the back end does the
 * I/O. Functions of queue 0 run on the owner loop of the device's first channel, those of queue k on that of
 * sub-channel k. A back end reads on one loop, that of queue 0 (the device spreads the frames over the queues by
 * their hash), or, with HVH_NET_READS_QUEUES, on each.
 */
#ifndef HOST_INCLUDE_HVH_HVH_NET_H
#define HOST_INCLUDE_HVH_HVH_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <hvh/hvh_inject.h>

#include "hvw_error.h"

struct hvh_device;

#define HVH_NET_QUEUES_MAX 64
#define HVH_NET_MAC_BYTES  6

/* Bytes of a frame without VLAN tag, Ethernet header included. */
#define HVH_NET_FRAME_MIN     14u
#define HVH_NET_FRAME_DEFAULT 1514u
#define HVH_NET_FRAME_MAX     9216u

/* What is known of a frame beside its bytes. Offsets count from the beginning of the frame. */
struct hvh_net_meta {
	/*
	 * The sum from checksum_start to the end is to be stored checksum_offset behind that place, where the
	 * pseudo-header's sum is now. 0: nothing to do. From the back end: the device stores it, in the first piece of
	 * the back end's own memory, and the guest gets a frame that is verified.
	 */
	uint16_t checksum_start;
	uint16_t checksum_offset;

	/*
	 * To the back end: TCP payload is to be cut in pieces of so many bytes; 0: nothing to do. From the back end: it was
	 * joined from segments of so many bytes, and is longer than a frame may be.
	 */
	uint16_t segment_bytes;
	uint16_t header_bytes; /* then: of all headers */
	bool ipv6; /* then */
	bool cwr; /* then: the flag of that name is for the first piece alone */

	/* From the back end: the checksums inside are known to be right. */
	bool verified;
};

/* What a back end can do. */
#define HVH_NET_CHECKSUMS    0x1u /* send() with checksum_start */
#define HVH_NET_SEGMENTS     0x2u /* send() with segment_bytes, and so HVH_NET_CHECKSUMS */
#define HVH_NET_READS_QUEUES 0x4u /* it reads frames for each queue on that queue's loop */

/* What the guest takes joined: segments of TCP. */
#define HVH_NET_JOINS_IPV4 0x1u
#define HVH_NET_JOINS_IPV6 0x2u

struct hvh_net_backend {
	unsigned can; /* HVH_NET_* */

	/*
	 * A frame from the guest, which may change its bytes meanwhile; the pieces are valid during the call. 0: taken.
	 * -EAGAIN: later: hvh_net_tx_ready() says when. Another error: dropped, and counted. Loop of the queue.
	 */
	int (*send)(void *ctx, unsigned queue, const struct iovec *iov, unsigned iovs,
		    const struct hvh_net_meta *meta);

	/*
	 * The guest has opened that queue, or closed it. Loop of the queue, with which frames may be received while it is
	 * open. May be NULL.
	 */
	void (*opened)(void *ctx, unsigned queue, bool open);

	/*
	 * From now on frames may come with segment_bytes, of what `joins` says; those of others are dropped. Loop of
	 * queue 0. May be NULL, and then the device joins what comes in a row.
	 */
	void (*joins)(void *ctx, unsigned joins);

	/* Room for frames again, after hvh_net_receive() said -EAGAIN. Loop of the reader. May be NULL. */
	void (*receive_ready)(void *ctx, unsigned queue);

	/*
	 * Have hvh_net_run() called soon on the loop of that queue. Any thread. Only with more than one queue and without
	 * HVH_NET_READS_QUEUES.
	 */
	void (*kick)(void *ctx, unsigned queue);
};

struct hvh_net_config {
	uint8_t mac[HVH_NET_MAC_BYTES];
	uint8_t instance[8]; /* what makes the instance of this device differ from others' */
	unsigned queues_max; /* 1 to HVH_NET_QUEUES_MAX */
	uint32_t frame_max; /* 0: HVH_NET_FRAME_MAX; larger ones are never exchanged */
	uint64_t bits_per_second;
	bool mac_change; /* the guest may change its address */
	bool foreign_macs; /* the guest may send from others' addresses */
	bool no_join; /* receive coalescing is not offered */
	uint32_t fault_every[HVH_INJECT_NICS]; /* faults on purpose: each N-th; 0: none (hvh_inject.h) */
};

struct hvh_net_queue_status {
	bool open;
	uint64_t rx_frames, rx_bytes, rx_dropped;
	uint64_t tx_frames, tx_bytes, tx_dropped;
	uint64_t tx_checksums; /* frames whose checksum was left to the host */
	uint64_t tx_large; /* frames that were left to be segmented */
	uint64_t tx_segments; /* what those became here */
	uint64_t rx_completions;
	uint64_t faults; /* on purpose */
	uint64_t rx_joined; /* packets of several segments that the guest got */
};

struct hvh_net_status {
	uint32_t version; /* HVP_NVSP_*; 0: none agreed on */
	uint32_t ndis_major, ndis_minor;
	uint32_t mtu; /* without the Ethernet header */
	uint32_t filter; /* HVP_FILTER_* */
	uint8_t mac[HVH_NET_MAC_BYTES];
	bool link;
	bool ready; /* RNDIS is initialised */
	unsigned queues; /* granted to the guest */
	uint32_t rss_types; /* 0: frames are not spread */
	uint32_t joins; /* HVH_NET_JOINS_* */
	uint64_t violations; /* packets that made no sense and were refused */
	struct hvh_net_queue_status queue[HVH_NET_QUEUES_MAX];
};

/* -EINVAL: the configuration; -ENOMEM. `backend` is borrowed until destroy. */
int hvh_net_create(const struct hvh_net_config *config, const struct hvh_net_backend *backend,
		   void *ctx, struct hvh_device **device) HVW_MUST_CHECK;
void hvh_net_destroy(struct hvh_device *device);

/* Loop of queue 0. */
void hvh_net_status(const struct hvh_device *device, struct hvh_net_status *status);
void hvh_net_link(struct hvh_device *device, bool up);

/*
 * Whether nobody waits for anything on that queue: the guest has taken all frames, messages and completions and has given the
 * frames' room back, and nothing has passed since the last call. Also when the queue is closed. Loop of the queue.
 *
 * What it is for: Linux' driver waits, without limit, for the completion of all that it has sent before its adapter goes, and looks
 * at no ring any more from the RESCIND on. So an embedder takes the link down first (the guest stops sending, nothing comes for
 * it) and calls hvh_server_remove() when all queues have been quiet for a while; or after a limit, whatever the guest does.
 */
bool hvh_net_quiet(struct hvh_device *device, unsigned queue);

/* The network behind the link is another: guests ask for their addresses anew. */
void hvh_net_changed(struct hvh_device *device);

/* --- for the back end ------------------------------------------------------------------------------ */

/* After send() said -EAGAIN: it would take more now. Loop of the queue. */
void hvh_net_tx_ready(struct hvh_device *device, unsigned queue);

/*
 * A frame for the guest. 0: taken, or not for this guest, and dropped. -EAGAIN: the guest has no room; receive_ready() says
 * when it has. -EMSGSIZE: longer than the guest's MTU allows; dropped. What is taken is shown to the guest by
 * hvh_net_flush(), after one frame or several. Loop of the reader.
 */
int hvh_net_receive(struct hvh_device *device, unsigned queue, const struct iovec *iov,
		    unsigned iovs, const struct hvh_net_meta *meta) HVW_MUST_CHECK;
void hvh_net_flush(struct hvh_device *device, unsigned queue);

/* What backend->kick() asks for. Loop of the queue. */
void hvh_net_run(struct hvh_device *device, unsigned queue);

#endif
