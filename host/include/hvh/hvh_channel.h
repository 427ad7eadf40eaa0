/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Channels as devices see them, and the interface a device implements.
 *
 * Everything here runs on the channel's owner loop, unless it says otherwise.
 */
#ifndef HOST_INCLUDE_HVH_HVH_CHANNEL_H
#define HOST_INCLUDE_HVH_HVH_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "hvp_vmbus.h"
#include "hvw_ring.h"

struct hvh_channel;
struct hvh_device;
struct hvh_server;
struct hvh_share;
struct hvh_state_reader;
struct hvh_state_writer;

/*
 * A device has one channel, and sub-channels if it asks for them. Each channel has its own owner loop,
 * on which the functions below get it. Sub-channels are there only while the first channel is open, and
 * are closed before it.
 */
struct hvh_device_ops {
	/* The guest opened the channel; the rings are ready. Negative errno: refuse. */
	int (*open)(struct hvh_device *device, struct hvh_channel *channel);

	/* The guest signalled: packets to read, or room for blocked sends, or neither. */
	void (*notify)(struct hvh_device *device, struct hvh_channel *channel);

	/* Stop using the channel; say hvh_channel_stopped() when no I/O and no pin is left, now or later. */
	void (*close)(struct hvh_device *device, struct hvh_channel *channel);

	/* The time given to hvh_device_arm() has come. NULL: the device has no timer. */
	void (*expire)(struct hvh_device *device, uint64_t now_ns);

	/*
	 * The answer to hvh_channel_share(): NULL: the guest shares no such memory. And: the guest wants it back; give
	 * it back soon, on every loop that uses it. Both NULL if the device asks for none. See hvh_share.h.
	 */
	void (*shared)(struct hvh_device *device, struct hvh_channel *channel, uint32_t handle,
		       const struct hvh_share *share);
	void (*recall)(struct hvh_device *device, struct hvh_channel *channel,
		       const struct hvh_share *share);

	/* State that outlives a save: negotiated versions, requests under way. On the control loop, with all others stopped. */
	void (*save)(const struct hvh_device *device, struct hvh_state_writer *w);
	int (*load)(struct hvh_device *device, struct hvh_state_reader *r);
};

enum hvh_device_life { HVH_DEVICE_ADDED, HVH_DEVICE_LEAVING, HVH_DEVICE_GONE };

/* Embedded at the start of each device. */
struct hvh_device {
	const char *name; /* for people: "heartbeat"; (c) */
	const struct hvh_device_ops *ops; /* (c) */
	struct hvp_guid class_id; /* (c) */
	struct hvp_guid instance_id; /* (c) */
	uint16_t offer_flags; /* (c) */
	uint16_t subchannels_max; /* (c) the largest hvh_channel_index() it can serve */
	uint8_t user_data[HVP_USER_DATA_MAX]; /* (c) */

	/* Private to the server, set by hvh_server_add(). Key as for struct hvh_channel. */
	struct hvh_server *server; /* (c) */
	struct hvh_channel *channel; /* (c) the first; NULL after removal */
	struct hvh_device *next; /* (s) in a list of the server's */
	enum hvh_device_life life; /* (s) */
	_Atomic uint32_t subchannels_wanted; /* (a) 0: nothing to do */
	_Atomic bool attend_wanted; /* (a) */
	uint64_t deadline_ns; /* (o) of the first channel: the device's own timer; 0: none */
};

/* --- for devices ---------------------------------------------------------------------------- */

/*
 * The next packet: 0, -EAGAIN (none, or enough for this time; a notification follows), -EPROTO (the ring is broken: the device
 * gets no more notifications, and waits for its close()).
 */
int hvh_channel_recv(struct hvh_channel *channel, struct hvw_rx_packet *packet) HVW_MUST_CHECK;

/* Copy from a packet just received; valid until the next hvh_channel_recv(). -EPROTO: beyond its end. */
int hvh_channel_read(struct hvh_channel *channel, const struct hvw_rx_packet *packet,
		     uint32_t offset, void *dst, uint32_t len) HVW_MUST_CHECK;

/*
 * Send an in-band packet and signal the guest if it must be. -EAGAIN: no room; the device gets a
 * notification when there is (also on a timer for guests that never tell). -EMSGSIZE, -EPROTO.
 */
int hvh_channel_send(struct hvh_channel *channel, uint16_t flags, uint64_t transaction_id,
		     const void *payload, uint32_t len) HVW_MUST_CHECK;

/*
 * The same for any packet, in pieces and without the signal, as hvw_tx_put(); hvh_channel_flush() shows the guest all that was
 * put and signals once. -EAGAIN: what was put before is shown, a notification follows.
 */
int hvh_channel_put(struct hvh_channel *channel, uint16_t type, uint16_t flags,
		    uint64_t transaction_id, uint32_t header, const struct hvw_piece *pieces,
		    unsigned npieces) HVW_MUST_CHECK;
void hvh_channel_flush(struct hvh_channel *channel);

/*
 * The guest gets back the space of all that was received, which can be read no longer. hvh_channel_recv() does so when there
 * is no more; a device that sends what the guest answers at once with a packet that needs the space does it before. Owner
 * loop, or when it is stopped.
 */
void hvh_channel_give_back(struct hvh_channel *channel);

/* Take the packet that was received last again with the next hvh_channel_recv(), in a later notification. */
void hvh_channel_unread(struct hvh_channel *channel, const struct hvw_rx_packet *packet);

/*
 * Whether both ends have read all that the other has sent, and no packet has passed since the last call of this. What the
 * guest can make true or false as it likes: for waits that have a limit.
 */
bool hvh_channel_idle(struct hvh_channel *channel);

/*
 * The guest memory that a GPA-direct packet names, as pieces of ours: returns how many; they stay until the device says
 * hvh_channel_stopped(). The guest changes what is there at any time. `bytes` gets their sum. -EPROTO: malformed, or not RAM;
 * -EMSGSIZE: more than `iovs_max` pieces, or more pages than any known guest names. Who writes there says so afterwards.
 */
int hvh_channel_pin(struct hvh_channel *channel, const struct hvw_rx_packet *packet,
		    struct iovec *iov, unsigned iovs_max, uint32_t *bytes) HVW_MUST_CHECK;
void hvh_channel_written(struct hvh_channel *channel, const struct iovec *iov, unsigned iovs);

/*
 * Have it in a trace, if there is one: what the packet of that transaction names in memory, or the beginning of it. Whose
 * meaning that is the device's name tells.
 */
void hvh_channel_trace(const struct hvh_channel *channel, enum hvp_direction direction,
		       uint64_t transaction_id, const void *bytes, uint32_t len);

/* The peer broke the device's protocol: one line to the log, a counter, and no more from this channel. */
void hvh_channel_fail(struct hvh_channel *channel, const char *why);

/* Answer to hvh_device_ops.close, and the last thing a device may do with the channel. */
void hvh_channel_stopped(struct hvh_channel *channel);

/* 0: the device's first channel; else a sub-channel. Any thread. */
unsigned hvh_channel_index(const struct hvh_channel *channel);

/*
 * Have sub-channels 1 to `count` (at most subchannels_max) offered to the guest; those that are there
 * already stay as they are. On the owner loop of the first channel, while it is open; when that closes
 * they are rescinded.
 */
void hvh_device_request_subchannels(struct hvh_device *device, unsigned count);

/* The device's channel of that index that is open or may be opened, or NULL. For hvh_device_ops.load. */
struct hvh_channel *hvh_device_channel(const struct hvh_device *device, unsigned index);

/*
 * Have hvh_device_ops.expire called at `deadline_ns` of hvh_device_now(); 0: never. Both on the owner
 * loop of the device's first channel, whose closing cancels it.
 */
void hvh_device_arm(struct hvh_device *device, uint64_t deadline_ns);

/* Any thread. */
uint64_t hvh_device_now(const struct hvh_device *device);

/* --- for the embedder ----------------------------------------------------------------------- */

/* See hvh_server.h. hvh_channel_start() returns the device's answer, for hvh_server_started(). */
int hvh_channel_start(struct hvh_channel *channel) HVW_MUST_CHECK;
void hvh_channel_stop(struct hvh_channel *channel);
void hvh_channel_notify(struct hvh_channel *channel);
void hvh_channel_expire(struct hvh_channel *channel, uint64_t now_ns);
void hvh_channel_attend(struct hvh_channel *channel);

/* For the embedder's use: set before hvh_channel_start(), read on either loop, NULL at first. */
void hvh_channel_set_context(struct hvh_channel *channel, void *context);
void *hvh_channel_context(const struct hvh_channel *channel);

/* What the channel is, for people. Control loop; valid until the channel goes. */
struct hvh_channel_info {
	const struct hvh_device *device; /* NULL: it was removed */
	const char *name; /* of the device */
	struct hvp_guid class_id;
	struct hvp_guid instance_id;
	uint32_t id;
	uint32_t connection_id;
	uint32_t subchannel_index;
	uint32_t target_vp;
	const char *state; /* "offered", "open", … */
	bool open;
	bool broken;
	uint64_t packets_in;
	uint64_t packets_out;
	uint64_t signals_in;
	uint64_t signals_out;
};
void hvh_channel_info(const struct hvh_channel *channel, struct hvh_channel_info *info);

#endif
