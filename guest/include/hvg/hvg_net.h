/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The guest's end of the synthetic network, below any system's network stack. One struct hvg_net is one
 * NIC, one struct hvg_net_queue one of its channels: a transmit and a receive queue.
 *
 * Contexts:
 *   T  thread, may sleep
 *   C  T, and one call for each NIC at a time: the port's own lock sees to that (Linux: the rtnl)
 *   S  sender of a queue: any context, one caller at a time for each queue
 *   P  poller of a queue: any context, one caller at a time for each queue; beside S and C
 *   A  any
 *
 * The port's part is "hvg_net_port.h" on the include path, bound when the core is built: the types
 *
 *   struct hvg_net_port        of a NIC, the caller's of hvg_net_create()
 *   struct hvg_net_port_queue  of a queue, embedded in the core's; zeroed before its first use
 *
 * and these hooks, inline where they are hot:
 *
 *   A  void hvg_net_port_schedule(struct hvg_net_port_queue *queue);
 *	Have hvg_net_poll() called soon, and hvg_net_poll_end() when there is no more.
 *
 *   P  void hvg_net_port_receive(struct hvg_net_port_queue *queue, const struct hvg_net_rx *rx);
 *	A frame. Its pieces lie in memory that the host may change at any moment: copy once. They are
 *	valid for this call only.
 *
 *   S,P,C  void hvg_net_port_done(struct hvg_net_port_queue *queue, void *cookie);
 *	The memory of a frame that was accepted is the port's again. Once for each, in any order.
 *
 *   P,C  void hvg_net_port_completed(struct hvg_net_port_queue *queue, unsigned frames, unsigned bytes);
 *	So much of what was accepted has left; in all as much as was accepted. For queue limits.
 *
 *   S  void hvg_net_port_stop(struct hvg_net_port_queue *queue);
 *	No more sends, please, until
 *
 *   S,P  void hvg_net_port_wake(struct hvg_net_port_queue *queue);
 *	There may be room. The port calls hvg_net_flush() as a sender, then sends again.
 *
 *   S  void hvg_net_port_copy(const struct hvg_net_frame *frame, uint32_t offset, void *dst, uint32_t len);
 *   S  unsigned hvg_net_port_pieces(const struct hvg_net_frame *frame, uint32_t offset,
 *				     struct hvg_net_piece *pieces, unsigned max);
 *	The bytes of a frame from `offset` on: copied, or where they lie. The latter returns how many
 *	pieces there are, or 0 when it is more than `max`.
 *
 *   T  int hvg_net_port_queue_start(struct hvg_net_port_queue *port, struct hvg_net_port *nic,
 *				     struct hvg_net_queue *queue, unsigned index);
 *	From here on hvg_net_port_schedule() has its effect. An error is passed on.
 *
 *   T  void hvg_net_port_queue_stop(struct hvg_net_port_queue *port);
 *	When it returns nobody polls or sends on this queue, or will. hvg_net_port_schedule() may still be
 *	called, and does nothing.
 *
 *   C  int hvg_net_port_wait(struct hvg_net_port *nic, struct hvos_event *event, uint32_t timeout_ms);
 *	As hvos_event_wait(); NULL: sleep so long. Polling goes on meanwhile, also where a work waits that
 *	keeps other works from running.
 *
 *   A  void hvg_net_port_work(struct hvg_net_port *nic, uint32_t delay_ms);
 *	Have hvg_net_work() called in C, after that time at the earliest. Asked for again: the earlier.
 *
 *   C  void hvg_net_port_changed(struct hvg_net_port *nic, enum hvg_net_change change);
 *	Called by hvg_net_work() alone.
 *
 * All memory is allocated by create, attach and the opening of sub-channels; none while packets go.
 */
#ifndef GUEST_INCLUDE_HVG_HVG_NET_H
#define GUEST_INCLUDE_HVG_HVG_NET_H

#include "hvg/hvg_device.h"
#include "hvp_nvsp.h"

#define HVG_NET_QUEUES_MAX    HVP_NVSP_CHANNELS_MAX
#define HVG_NET_MAC_BYTES     6u
#define HVG_NET_ETHERNET      14u /* bytes of a frame's header */
#define HVG_NET_RSS_TABLE_MAX 256u
#define HVG_NET_RSS_KEY_BYTES 40u
#define HVG_NET_NAME_MAX      256u /* UTF-16 units */

struct hvg_net;
struct hvg_net_queue;
struct hvg_net_port;
struct hvg_net_port_queue;

/* --- frames ------------------------------------------------------------------------------------------- */

/* Guest-physical memory, without a gap. */
struct hvg_net_piece {
	uint64_t gpa;
	uint32_t len; /* not 0 */
};

/* Pages that a frame's pieces may touch; a longer one is copied together by the port. */
#define HVG_NET_PAGES_MAX 31u

#define HVG_NET_HASH 0x01u /* `hash` is valid */
#define HVG_NET_VLAN 0x02u /* `vlan` is valid */
#define HVG_NET_IPV6 0x04u /* for the three below; else IPv4 */
#define HVG_NET_TCP_CSUM                                                                           \
	0x08u /* the host is to finish the checksum; the pseudo-header's sum is in place */
#define HVG_NET_UDP_CSUM 0x10u
#define HVG_NET_LSO                                                                                \
	0x20u /* the host is to cut it: version 2, headers prepared as spec 10.2 has it */

/* A frame to send. No VLAN tag stands in it: that is `vlan`. */
struct hvg_net_frame {
	void *cookie; /* for hvg_net_port_done() */
	uint32_t len; /* bytes, Ethernet header included */
	uint32_t head; /* bytes of headers, which are best copied; 0: unknown */
	uint32_t hash;
	uint16_t vlan; /* priority 15:13, DEI 12, id 11:0, as in the tag */
	uint16_t transport; /* offset of the TCP or UDP header, for checksums and LSO */
	uint16_t mss; /* TCP payload of each segment, for LSO */
	uint8_t flags; /* HVG_NET_* */
};

struct hvg_net_rx_piece {
	const void HVW_SHARED *data;
	uint32_t len;
};

/* More than one piece: the host has joined several frames of one TCP stream. */
#define HVG_NET_RX_PIECES_MAX 562u

/* What the host says of checksums: not checked unless it says so. */
#define HVG_NET_RX_TCP_GOOD 0x01u
#define HVG_NET_RX_UDP_GOOD 0x02u
#define HVG_NET_RX_IP_GOOD  0x04u
#define HVG_NET_RX_IP_UNSET 0x08u /* the IPv4 header's was never written */
#define HVG_NET_RX_HASH	    0x10u
#define HVG_NET_RX_VLAN	    0x20u

struct hvg_net_rx {
	const struct hvg_net_rx_piece *pieces;
	unsigned piece_count; /* 1 or more */
	uint32_t len; /* of all: HVG_NET_ETHERNET or more */
	uint32_t hash;
	uint16_t vlan; /* as in the tag */
	uint8_t flags; /* HVG_NET_RX_* */
};

/*
 * S. 0: accepted: the frame belongs to the core until hvg_net_port_done(), which may come before the return. The
 * structure itself is copied. `more`: another send or a flush follows at once, so this one may wait for it.
 * -EAGAIN: only between hvg_net_port_stop() and hvg_net_port_wake(). -EMSGSIZE: it touches more than
 * HVG_NET_PAGES_MAX pages. -ENODEV, -EPROTO: this channel takes no more. After an error it is the caller's.
 */
int hvg_net_send(struct hvg_net_queue *queue, const struct hvg_net_frame *frame,
		 bool more) HVW_MUST_CHECK;

/* S. False: hvg_net_send() would return -EAGAIN. */
bool hvg_net_sendable(const struct hvg_net_queue *queue);

/* S. Nothing follows after all; or there may be room for what waits. */
void hvg_net_flush(struct hvg_net_queue *queue);

/*
 * P. Take packets until `budget` frames were received or the ring is empty. 0: completions of sends alone, as
 * far as they come before the next frame. Returns the number of frames; less than `budget`: call
 * hvg_net_poll_end(), else poll again.
 */
unsigned hvg_net_poll(struct hvg_net_queue *queue, unsigned budget);

/* P. Signals again. True: something came meanwhile, they are masked as before: poll again. */
bool hvg_net_poll_end(struct hvg_net_queue *queue) HVW_MUST_CHECK;

/* A. Which queue a hash is to go to, by the host's table. */
unsigned hvg_net_tx_queue(const struct hvg_net *net, uint32_t hash);

/* A. That table, as the host gave it: HVP_NVSP_INDIRECTION_ENTRIES; 0 until it has. */
uint32_t hvg_net_tx_entry(const struct hvg_net *net, unsigned entry);

/* A. */
struct hvg_net_queue *hvg_net_queue(struct hvg_net *net, unsigned index);
struct hvg_net_port_queue *hvg_net_queue_port(struct hvg_net_queue *queue);

/* --- a NIC's life ---------------------------------------------------------------------------------------- */

struct hvg_net_config {
	uint32_t mtu; /* without the Ethernet header */
	unsigned queues; /* as many as the host and the processors allow, at most so many */
	uint32_t ring_pages; /* each way and channel, control page included */
	uint32_t receive_bytes,
		send_bytes; /* of the shared buffers; send 0: all frames go by reference */
	uint32_t version_max; /* HVP_NVSP_* */
	bool vf; /* a virtual function may take the traffic over */
	bool join; /* the host may join received frames, where it can */
};

/* What stock guests begin with. */
#define HVG_NET_MTU_DEFAULT	1500u
#define HVG_NET_QUEUES_DEFAULT	8u
#define HVG_NET_RING_PAGES	129u
#define HVG_NET_RECEIVE_BYTES	(16u << 20)
#define HVG_NET_RECEIVE_MAX	(31u << 20)
#define HVG_NET_RECEIVE_OLD_MAX (15u << 20) /* NVSP 1 and 2 */
#define HVG_NET_SEND_BYTES	(1020u << 10)
#define HVG_NET_SEND_MAX	(15u << 20)

/* Offloads. As capabilities: what the host can do; as a setting: what it is to do. */
#define HVG_NET_OFFLOAD_TX_TCP4 0x01u
#define HVG_NET_OFFLOAD_TX_TCP6 0x02u
#define HVG_NET_OFFLOAD_TX_UDP4 0x04u
#define HVG_NET_OFFLOAD_TX_UDP6 0x08u
#define HVG_NET_OFFLOAD_LSO4	0x10u
#define HVG_NET_OFFLOAD_LSO6	0x20u
#define HVG_NET_OFFLOAD_JOIN	0x40u
#define HVG_NET_OFFLOAD_RX_CSUM 0x80u

/* What the host said; valid while attached. */
struct hvg_net_info {
	uint32_t version; /* HVP_NVSP_* */
	uint8_t mac[HVG_NET_MAC_BYTES]; /* the permanent one */
	uint32_t mtu_max;
	uint32_t offloads; /* HVG_NET_OFFLOAD_* */
	uint32_t lso_max; /* bytes, the lesser of both families; 0: no LSO */
	unsigned queues_max;
	unsigned rss_entries; /* of the table */
	uint32_t receive_section, receive_sections; /* bytes, number */
	uint32_t send_section, send_sections;
	unsigned name_len; /* 0: none */
	uint16_t name[HVG_NET_NAME_MAX]; /* UTF-16, as the administrator of the host calls it */
};

/* T. No contact with the host yet. -ENOMEM. */
int hvg_net_create(struct hvg_device *device, struct hvg_net_port *nic,
		   struct hvg_net **net) HVW_MUST_CHECK;

/* C. Detached. */
void hvg_net_destroy(struct hvg_net *net);

/*
 * C. Open the channel and agree on everything; nothing is received yet. Settings made before (filter, offloads, RSS)
 * are made again. Sub-channels follow by and by (HVG_NET_QUEUES). -ENODEV: the device is gone; -EIO: the
 * host refuses; -ETIMEDOUT; -EPROTO: it makes no sense; -ENOMEM; -EINVAL. After a failure it is detached.
 */
int hvg_net_attach(struct hvg_net *net, const struct hvg_net_config *config) HVW_MUST_CHECK;

/* C. The port sends no more. All frames come back; memory that the host does not give up is lost. Twice: nothing happens. */
void hvg_net_detach(struct hvg_net *net);

/*
 * C. Detach and attach with other values, and everything else as it was; the port sends nothing meanwhile. When
 * that fails, the old ones again: then the error comes back and hvg_net_attached() tells whether these worked.
 */
int hvg_net_reconfigure(struct hvg_net *net, const struct hvg_net_config *config) HVW_MUST_CHECK;
bool hvg_net_attached(const struct hvg_net *net);

/* C. */
const struct hvg_net_config *hvg_net_config(const struct hvg_net *net);
const struct hvg_net_info *hvg_net_info(const struct hvg_net *net);

/* T. See struct hvg_driver. One that is not wanted stays closed. */
void hvg_net_subchannel(struct hvg_net *net, struct hvg_chan *chan);
void hvg_net_subchannel_gone(struct hvg_net *net, struct hvg_chan *chan);

/* C. What hvg_net_port_work() was asked for. */
void hvg_net_work(struct hvg_net *net);

enum hvg_net_change {
	HVG_NET_QUEUES, /* hvg_net_queue_count() is another */
	HVG_NET_LINK, /* hvg_net_link() is another, or may have been for a moment */
	HVG_NET_PEERS, /* up as before, but perhaps elsewhere: tell the neighbours where we are */
	HVG_NET_SPEED, /* hvg_net_speed() is another */
	HVG_NET_VF, /* hvg_net_vf() is another */
};

/* A. Those that can be sent on: 1 until all sub-channels are open. */
unsigned hvg_net_queue_count(const struct hvg_net *net);

/* C. No sub-channels are waited for: there will not be more queues. */
bool hvg_net_settled(const struct hvg_net *net);

/* A. The medium is there. */
bool hvg_net_link(const struct hvg_net *net);

/* A. In units of 100 bit/s; 0: unknown. */
uint32_t hvg_net_speed(const struct hvg_net *net);

/* --- settings -------------------------------------------------------------------------------------------- */

/*
 * All C, and kept for the next attach. Detached: 0, and no more happens. Else the errors of attach, or -EIO when the host says no;
 * then what was before holds.
 */

/* HVP_FILTER_*; 0: receive nothing, and wait (not for ever) until what was sent has left. */
int hvg_net_set_filter(struct hvg_net *net, uint32_t filter) HVW_MUST_CHECK;

/* HVG_NET_OFFLOAD_*; what the host cannot is left out. */
int hvg_net_set_offloads(struct hvg_net *net, uint32_t offloads) HVW_MUST_CHECK;

/* `entries`: queue numbers; -EINVAL for one that is not there, or another number of them than info->rss_entries. NULL: as it is. */
int hvg_net_set_rss(struct hvg_net *net, const uint16_t *entries, unsigned count,
		    const uint8_t *key) HVW_MUST_CHECK;
void hvg_net_rss(const struct hvg_net *net, uint16_t *entries, uint8_t *key);

/* Not kept: the host does that. */
int hvg_net_set_mac(struct hvg_net *net, const uint8_t *mac) HVW_MUST_CHECK;

/* --- virtual function ------------------------------------------------------------------------------------- */

/*
 * The host announces one (HVG_NET_VF_THERE), the port finds and brings up its device and moves the path there and back. Frames
 * for others still come here.
 */
enum hvg_net_vf {
	HVG_NET_VF_NONE, /* nothing announced */
	HVG_NET_VF_THERE, /* announced; traffic goes here */
	HVG_NET_VF_ACTIVE, /* the host sends to the other */
};

/* A. *serial: by which the device is known, when there is one. */
enum hvg_net_vf hvg_net_vf(const struct hvg_net *net, uint32_t *serial);

/* C. Move the path. 0 when it is there; -ENOENT: nothing is announced; -ENODEV, -ETIMEDOUT. */
int hvg_net_vf_switch(struct hvg_net *net, bool to_vf) HVW_MUST_CHECK;

/*
 * C. Move it where it should be, if it is not there: to the function while one is announced and its device is `up`, else
 * back. To be called whenever either may have changed. 0: it is where it should be; or errors of the switch.
 */
int hvg_net_vf_follow(struct hvg_net *net, bool up) HVW_MUST_CHECK;

/* A network device that may be a function of this NIC. */
struct hvg_net_vf_device {
	uint32_t serial; /* the number of its slot */
	uint8_t permanent[HVG_NET_MAC_BYTES], current_mac[HVG_NET_MAC_BYTES];
};

/* It is this NIC's by its serial, which counts more than others by their address. */
enum hvg_net_vf_match {
	HVG_NET_VF_OTHER,
	HVG_NET_VF_BY_ADDRESS,
	HVG_NET_VF_BY_SERIAL,
};

/* C. */
enum hvg_net_vf_match hvg_net_vf_match(const struct hvg_net *net,
				       const struct hvg_net_vf_device *device);

/* --- what it counts --------------------------------------------------------------------------------------- */

/* Of each queue; read any time, each value by itself. They go on through detach and attach. */
#define HVG_NET_COUNTERS(X)                                                                        \
	X(tx_copied) /* frames in sections */                                                      \
	X(tx_mixed) /* head in a section, the rest by reference */                                 \
	X(tx_direct) /* all by reference */                                                        \
	X(tx_batched) /* frames that went together with an earlier one */                          \
	X(tx_packets) /* on the ring */                                                            \
	X(tx_busy) /* sends that found no room */                                                  \
	X(tx_no_section) /* frames that would have been copied but for that */                     \
	X(tx_failed) /* of which the host says that it could not send them */                      \
	X(stops)                                                                                   \
	X(wakes)                                                                                   \
	X(rx_packets) /* on the ring */                                                            \
	X(rx_joined) /* frames in several pieces */                                                \
	X(rx_down) /* frames that came while nothing should be received */                         \
	X(rx_invalid) /* frames that made no sense */                                              \
	X(completions_late) /* that found no room at first */                                      \
	X(completions_unknown) /* of nothing that was outstanding */                               \
	X(violations) /* other things that the host must not do */

struct hvg_net_counters {
#define HVG_NET_COUNTER(name) unsigned long name;
	HVG_NET_COUNTERS(HVG_NET_COUNTER)
#undef HVG_NET_COUNTER
};

/* A. Of one queue. */
void hvg_net_counters(const struct hvg_net *net, unsigned queue, struct hvg_net_counters *counters);

#include "hvg_net_port.h"

#endif
