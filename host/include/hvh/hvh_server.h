/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The VMBus server: an I/O-free state machine. The embedder (a monitor, a test) feeds it the guest's
 * messages and carries out the actions in struct hvh_server_ops; it owns threads, clock and
 * descriptors.
 *
 * Threads: every function here is called on one control loop. Each open channel has exactly one owner
 * loop, chosen by the embedder (it may be the control loop); only that one runs the functions of
 * hvh_channel.h on it. The hand-over is explicit:
 *
 *   open   server: ops->channel_start(channel)    embedder, on the owner loop: hvh_channel_start()
 *          embedder, on the control loop: hvh_server_started(channel, result); then, if that is true,
 *          on the owner loop: hvh_channel_notify() once, because devices may write to the ring only
 *          after the guest was told that it is open
 *   close  server: ops->channel_stop(channel)     embedder, on the owner loop: hvh_channel_stop();
 *          the device drains its I/O, drops its pins and says hvh_channel_stopped(), which calls
 *          ops->channel_drained(); embedder, on the control loop: hvh_server_stopped(channel)
 *
 * A channel that is not started has no owner: from ops->channel_drained, or a failed start, on until the
 * next ops->channel_start no doorbell, timer or other call may reach it, because it may be freed.
 *
 * The server answers the guest (OPEN_RESULT, GPADL_TORNDOWN, UNLOAD_RESPONSE, …) only after that, so
 * no answer goes out while anybody may still touch the guest's memory. channel_start, channel_stop and
 * channel_drained may call back into the server from within the call (an owner loop that is the control
 * loop), and so may device_removed; the other actions may not.
 *
 * Trace hooks are called on the loop that sees the message or packet, and call nothing of the server.
 */
#ifndef HOST_INCLUDE_HVH_HVH_SERVER_H
#define HOST_INCLUDE_HVH_HVH_SERVER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "hvp_vmbus.h"
#include "hvw_error.h"

struct hvh_channel;
struct hvh_device;
struct hvh_mem;
struct hvh_server;
struct hvh_state_reader;
struct hvh_state_writer;

enum hvh_log_level { HVH_LOG_ERROR, HVH_LOG_WARNING, HVH_LOG_INFO, HVH_LOG_DEBUG };

/*
 * A packet that a device received or sent. The payload is what lies from the packet's data offset on,
 * with its padding where it was received; then it is guest memory, which may change while one looks. It
 * lies in one or two pieces; an unused one has length 0.
 */
struct hvh_trace_packet {
	const struct hvh_channel *channel;
	enum hvp_direction direction;
	uint16_t type; /* HVP_PACKET_* */
	uint16_t flags;
	uint64_t transaction_id;
	bool named; /* no packet, but what the packet of that transaction names in memory */
	struct iovec payload[2];
};

/* What the server and the devices need of the embedder. All on the control loop unless it says otherwise. */
struct hvh_server_ops {
	/* Queue a message to the guest. False: no room now; call hvh_server_flush() when there is. */
	bool (*post_message)(void *ctx, uint32_t vp, uint32_t sint, const void *bytes, size_t len);

	/*
	 * Forget the messages that post_message() took and the guest has not been given, as far as that is
	 * possible: they were meant for who had the connection before. May be NULL if there are never any.
	 */
	void (*withdraw)(void *ctx);

	/* Set event flag `flag` of `sint` on virtual processor `vp` and interrupt it. Any thread. */
	void (*signal)(void *ctx, uint32_t vp, uint32_t sint, uint32_t flag);

	/*
	 * Give the channel to an owner loop, which calls hvh_channel_notify() whenever the guest signals
	 * `connection_id`; the doorbell must be live before hvh_server_started(). Negative errno: cannot.
	 */
	int (*channel_start)(void *ctx, struct hvh_channel *channel, uint32_t connection_id);

	/* Have the owner loop call hvh_channel_stop(). */
	void (*channel_stop)(void *ctx, struct hvh_channel *channel);

	/* The owner loop is done with it; see above. Called on the owner loop. */
	void (*channel_drained)(void *ctx, struct hvh_channel *channel);

	/*
	 * Call hvh_channel_expire() on the owner loop at `deadline_ns`, which may be now; a later call replaces it,
	 * 0 cancels. Owner loop, and only for started channels.
	 */
	void (*timer)(void *ctx, struct hvh_channel *channel, uint64_t deadline_ns);

	/*
	 * Have hvh_channel_attend() called on the owner loop, before anything that is asked for later; several may become
	 * one. Only for started channels. May be NULL if no device shares buffers.
	 */
	void (*channel_attend)(void *ctx, struct hvh_channel *channel);

	/* Have hvh_server_work() called soon, on the control loop. Any thread; not from within the call. */
	void (*attention)(void *ctx);

	/*
	 * Have hvh_server_work() called at `deadline_ns`; a later call replaces it. May be NULL unless messages
	 * are to be late (hvh_inject.h).
	 */
	void (*work_at)(void *ctx, uint64_t deadline_ns);

	/*
	 * The device that was given to hvh_server_remove() is in no use any more: the caller may destroy it, or
	 * add it again. From within hvh_server_work(). May be NULL if no device is ever removed.
	 */
	void (*device_removed)(void *ctx, struct hvh_device *device);

	/* Monotonic clock. Any thread. */
	uint64_t (*now_ns)(void *ctx);

	/* One line without a newline; what guests can repeat is rate-limited already. Any thread. */
	void (*log)(void *ctx, enum hvh_log_level level, const char *line);

	/*
	 * Both may be NULL: no trace. A control message as the guest posted it, also one that is refused, but
	 * not one that the guest is told to post again; or one to the guest when it is queued, which may be
	 * shorter than its header (hvh_inject.h). Control loop.
	 */
	void (*trace_message)(void *ctx, enum hvp_direction direction, const void *bytes,
			      size_t len);

	/* A packet that a device takes from a ring or puts into one. Owner loop. */
	void (*trace_packet)(void *ctx, const struct hvh_trace_packet *packet);
};

/* What the guest did, for people and tests. */
struct hvh_server_stats {
	uint64_t messages_in;
	uint64_t messages_out;
	uint64_t violations; /* messages dropped because they broke the protocol */
	uint64_t injected; /* faults on purpose (hvh_inject.h) */
	unsigned gpadls;
	unsigned gpadl_pages;
	unsigned channels_open;
};

struct hvh_server_config {
	uint32_t version_max; /* newest version to accept: HVP_VERSION_2_4 … HVP_VERSION_5_3 */
	uint32_t vps; /* virtual processors: a target VP must be below this */
};

/* -EINVAL: the configuration; -ENOMEM. */
int hvh_server_create(struct hvh_mem *mem, const struct hvh_server_config *config,
		      const struct hvh_server_ops *ops, void *ctx,
		      struct hvh_server **server) HVW_MUST_CHECK;

/* All channels must be stopped: hvh_server_reset() and its drained channels first. Devices are the caller's. */
void hvh_server_destroy(struct hvh_server *server);

/*
 * Offer a device: at once if the guest has asked for offers, else when it does. The server borrows the
 * device until ops->device_removed or hvh_server_destroy(). An instance that is being removed may be
 * added again at once; the guest sees it under a new channel id, as soon as it has let go of the old
 * offer. -ENOSPC: no channel id is left; -EEXIST: that instance is there already; -ENOMEM.
 */
int hvh_server_add(struct hvh_server *server, struct hvh_device *device) HVW_MUST_CHECK;

/*
 * Take a device away from the guest, open or not: its channels are stopped, sub-channels first, then
 * their offers are rescinded. ops->device_removed follows when nobody uses the device any longer,
 * whatever the guest does. A channel id is not used again before the guest has released it.
 * -ENOENT: the device is not there, or is being removed already.
 */
int hvh_server_remove(struct hvh_server *server, struct hvh_device *device) HVW_MUST_CHECK;

/*
 * The guest posted a message (hypercall POST_MESSAGE): private copy. Returns the hypercall's status
 * (HVP_STATUS_*): INSUFFICIENT_BUFFERS while too many answers wait to be read, so that the guest tries again.
 */
uint16_t hvh_server_post(struct hvh_server *server, uint32_t connection_id, uint32_t type,
			 const void *payload, size_t len);

/* What ops->attention asked for; harmless at any other time. */
void hvh_server_work(struct hvh_server *server);

/* The way to the guest's message slot is free again: post what waits. */
void hvh_server_flush(struct hvh_server *server);

/* The virtual machine was reset: forget the guest. Channels stop; the way back is as after create. */
void hvh_server_reset(struct hvh_server *server);

/*
 * The embedder's answers; see above. `result`: 0 or negative errno. The first one is true when the guest was told that
 * the channel is open, and hvh_channel_notify() has to follow.
 */
bool hvh_server_started(struct hvh_server *server, struct hvh_channel *channel,
			int result) HVW_MUST_CHECK;
void hvh_server_stopped(struct hvh_server *server, struct hvh_channel *channel);

/* True when the guest is connected; *version gets the negotiated version. */
bool hvh_server_connected(const struct hvh_server *server, uint32_t *version);

/*
 * Channel `index` in the order of adding, sub-channels and such as the guest has yet to release
 * included; NULL behind the last. The order changes when channels go.
 */
struct hvh_channel *hvh_server_channel(struct hvh_server *server, unsigned index);

void hvh_server_stats(const struct hvh_server *server, struct hvh_server_stats *stats);

/*
 * Save the server, its channels and their devices; the embedder has stopped the owner loops and the
 * guest. -EBUSY: a channel is just being opened or closed, let the owner loops finish that first, or
 * hvh_server_work() has something to do.
 * Load into a fresh server to which the same instances were added that were there (those being removed
 * are not), in any order: open channels are handed to the embedder by ops->channel_start as if the
 * guest had opened them, but their devices continue where they were. The guest may run again when
 * hvh_server_started() was called for each.
 * -EPROTO: damaged or foreign state; then only hvh_server_reset() and destroy are left.
 */
int hvh_server_save(struct hvh_server *server, struct hvh_state_writer *w) HVW_MUST_CHECK;
int hvh_server_load(struct hvh_server *server, struct hvh_state_reader *r) HVW_MUST_CHECK;

#endif
