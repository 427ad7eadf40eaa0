/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The server's own state: connection, channels, GPADLs.
 */
#ifndef HOST_VMBUS_SERVER_PRIV_H
#define HOST_VMBUS_SERVER_PRIV_H

#include <stdatomic.h>

#include <hvh/hvh_channel.h>
#include <hvh/hvh_mem.h>
#include <hvh/hvh_server.h>
#include <hvh/hvh_share.h>
#include <hvh/hvh_state.h>

#include "hvp_hv.h"
#include "hvw_msg.h"
#include "hvw_ring.h"

/* Event connection ids: VTL 0, SINT 2, channel id. KVM looks up ids below 2^24 only. */
#define CONNECTION_ID_EVENT(channel_id) (0x2000u | (channel_id))

/* What one guest may make us keep. */
#define GPADL_MAX	     4096u
#define GPADL_PAGES_MAX	     327680u /* 1280 MiB, as Windows Server 2019 */
#define MESSAGES_WAITING_MAX 64u /* answers waiting to be read before new messages are put off */

/*
 * What can wait at most: besides those, what the end of each channel can still add (offer, open result, teardown, a
 * reopen's result, rescind), and the refusal of each list of pages that is not complete.
 */
#define MESSAGES_WAITING_LIMIT (MESSAGES_WAITING_MAX + GPADL_MAX + 6 * HVP_CHANNEL_ID_MAX)

#define CHANNEL_NAME_MAX 32

/* Packets that a device takes per notification, so that a busy guest does not keep the owner loop to itself. */
#define RECV_BUDGET 256u

/* Lines that the guest can provoke: so many of a kind in a window. */
#define LOG_WINDOW_NS  5000000000ull
#define LOG_WINDOW_MAX 10u
#define LOG_INJECT_MAX 100u /* of faults on purpose: who asked for them wants to see them */

/* A blocked send is tried again this often, for guests that never signal room. */
#define SEND_RETRY_NS 10000000ull

/* All (a): any thread logs. */
struct log_limit {
	unsigned max; /* (c) in a window; 0: LOG_WINDOW_MAX */
	_Atomic uint64_t window_ns; /* when it began */
	_Atomic unsigned lines; /* in this window */
};

/*
 * What the guest knows, and what the owner loop does. A channel whose device goes away is stopped first
 * and rescinded then: guests take a RESCIND as the word that nobody touches their memory any longer.
 */
enum channel_state {
	CHANNEL_RELEASED, /* not known to the guest */
	CHANNEL_REOFFERED, /* the same, until the guest lets go of an old offer of this instance */
	CHANNEL_OFFERED, /* known, not open */
	CHANNEL_OPENING, /* with the owner loop; the guest waits for OPEN_RESULT */
	CHANNEL_OPEN,
	CHANNEL_CLOSING, /* the device drains */
	CHANNEL_CLOSING_REOPEN, /* the same, and the guest has sent the next OPEN */
	CHANNEL_CLOSING_RELEASE, /* the same, and the guest is leaving */
	CHANNEL_OPENING_RELEASE, /* the guest left while the owner loop was opening */
	CHANNEL_OPENING_REVOKE, /* the device left while the owner loop was opening */
	CHANNEL_CLOSING_REVOKE, /* the device drains; then RESCIND_OFFER */
	CHANNEL_CLOSING_REVOKE_OPEN, /* the same, and an OPEN is to be refused before that */
	CHANNEL_REVOKED, /* rescinded: nothing is left but the id, until the guest releases it */
	CHANNEL_STATES,
};

/*
 * A buffer that a device asked for (hvh_share.h). In brackets who may change it: the owner loop or any of the
 * device's threads (o), the control loop (s).
 */
enum share_state {
	SHARE_FREE, /* (o) */
	SHARE_WANTED, /* (s) */
	SHARE_ANSWERED, /* (o) there is one, or NULL: the device has to hear of it */
	SHARE_HELD, /* (o), and (s) to SHARE_RECALLED */
	SHARE_RECALLED, /* (o) the guest wants it back: the device has to hear of it */
	SHARE_RECALL_TOLD, /* (o) */
	SHARE_RETURNED, /* (s) */
};

struct share_slot {
	_Atomic enum share_state state;
	_Atomic bool recalled;
	_Atomic uint32_t handle; /* (a) */
	struct hvh_share *share; /* set and cleared by (s) */
};

/* Key: (c) const while there is an owner loop; (s) control loop; (o) owner loop while it has the channel; (a) atomic. */
struct hvh_channel {
	struct hvh_server *server; /* (c) */
	struct hvh_device *device; /* (c) NULL: revoked */
	char name[CHANNEL_NAME_MAX]; /* (c) of the device, which may be gone */
	struct hvp_guid class_id; /* (c) as well */
	struct hvp_guid instance_id; /* (c) */
	uint32_t index; /* (c) 0: the device's first channel */
	uint32_t id; /* (c) */
	uint32_t connection_id; /* (c) */
	void *context; /* the embedder's */
	enum channel_state state; /* (s) */
	bool stop_due; /* (s) closing, and the owner loop will be told so when the sub-channels are closed */
	struct hvp_msg_open_channel request; /* (s) of the open under way, or the queued one */
	uint32_t ring_gpadl; /* (s) 0: none */
	_Atomic uint32_t target_vp; /* (a) */
	struct hvh_mapping ring; /* (s) */
	struct share_slot shares[HVH_SHARES_MAX]; /* see there; of a first channel */
	_Atomic bool attend_due; /* (a) ops->channel_attend is to be called */
	bool restored; /* (s) comes from a saved state: the device is open already; (o) in hvh_channel_start */
	struct hvw_rx rx; /* (o) guest to host */
	struct hvw_tx tx; /* (o) host to guest */
	bool running; /* (o) between start and stop */
	unsigned budget; /* (o) packets left in this notification */
	uint64_t retry_ns; /* (o) when to notify the device again: a send is blocked, or the budget was used up; 0: never */
	uint64_t idle_passed; /* (o) packets both ways when hvh_channel_idle() was asked last */
	_Atomic bool announced; /* (a) the guest knows that it is open: devices may write */
	_Atomic bool broken; /* (a) no more from this guest until it opens anew */
	_Atomic uint64_t packets_in, packets_out, signals_in, signals_out; /* (a) */
};

enum gpadl_state {
	GPADL_ASSEMBLING, /* bodies are missing */
	GPADL_READY,
	GPADL_TEARING_DOWN, /* the guest wants it back; a ring still uses it */
	GPADL_ABORTED, /* refused with its channel while bodies were missing, which may still come */
};

/* All (s). */
struct gpadl {
	struct gpadl *next;
	uint32_t handle;
	uint32_t channel_id;
	enum gpadl_state state;
	uint32_t range_count;
	uint32_t bytes; /* of all ranges */
	uint32_t filled;
	uint32_t pages; /* booked: (bytes - ranges) / 8 */
	uint8_t ranges[]; /* `bytes` of them, private copy */
};

struct waiting_message {
	uint32_t vp;
	uint32_t sint;
	uint32_t len;
	uint8_t bytes[HVP_MESSAGE_PAYLOAD_MAX];
};

enum connection_state {
	CONNECTION_NONE,
	CONNECTION_READY,
	CONNECTION_LEAVING, /* channels stop; then `after_leaving` */
};

enum after_leaving {
	AFTER_NOTHING, /* reset of the virtual machine */
	AFTER_UNLOAD, /* UNLOAD_RESPONSE */
	AFTER_CONTACT, /* negotiate `contact` */
};

/* All (s). */
struct hvh_server {
	struct hvh_mem *mem;
	struct hvh_server_config config;
	const struct hvh_server_ops *ops;
	void *ctx;
	enum connection_state state;
	enum after_leaving after_leaving;
	struct hvp_msg_initiate_contact contact;
	uint32_t version; /* 0: not negotiated */
	uint32_t message_vp;
	uint32_t message_sint;
	bool offers_requested;
	struct hvh_device *devices; /* added, and not yet free of channels */
	struct hvh_device *removed; /* hvh_server_work() has to say so */
	struct hvh_channel **channels; /* sub-channels behind their device's first */
	unsigned channel_count, channel_capacity;
	struct gpadl *gpadls;
	_Atomic bool shares_due; /* (a) hvh_share_work() has something to do */
	struct waiting_message *waiting; /* a FIFO: waiting_count from waiting_first on, wrapping */
	unsigned waiting_first, waiting_count, waiting_capacity;
	struct hvh_server_stats stats;
	struct log_limit violation_limit;
	struct log_limit event_limit;
	struct log_limit inject_limit;
	struct injector *injector; /* NULL: no faults on purpose */
};

/* log.c */
void hvh_server_violation(struct hvh_server *server, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void hvh_server_log(struct hvh_server *server, struct log_limit *limit, enum hvh_log_level level,
		    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* queue.c: to where the guest wants its messages, or elsewhere. */
void hvh_server_send(struct hvh_server *server, const void *message, size_t len);
void hvh_server_send_to(struct hvh_server *server, uint32_t vp, uint32_t sint, const void *message,
			size_t len);
void hvh_server_trace(const struct hvh_server *server, enum hvp_direction direction,
		      const void *bytes, size_t len);

/* queue.c: room for one more, counted but not filled in (NULL: no memory); and all of it. */
struct waiting_message *hvh_queue_add(struct hvh_server *server);
void hvh_queue_post(struct hvh_server *server, const struct waiting_message *message);

/*
 * inject.c, for a server that has an injector: what stands between sending and the queue, what is due
 * by now, and the end of those it was for.
 */
void hvh_inject_send(struct hvh_server *server, struct waiting_message *message);
void hvh_inject_work(struct hvh_server *server);
void hvh_inject_forget(struct hvh_server *server);
bool hvh_inject_holds(const struct hvh_server *server); /* any server */

/* server.c */
void hvh_server_left(struct hvh_server *server);
bool hvh_server_version_known(const struct hvh_server *server, uint32_t version);

/* device.c: of the channels that the guest knows, or of all. NULL: none. */
struct hvh_channel *hvh_server_known_channel(struct hvh_server *server, uint32_t id);
struct hvh_channel *hvh_server_any_channel(struct hvh_server *server, uint32_t id);

/*
 * device.c. `device` NULL: what is left of a removed one. Remove frees the channel, which has no owner
 * and is not known to the guest.
 */
int hvh_channel_create(struct hvh_server *server, struct hvh_device *device, uint32_t index,
		       uint32_t id, struct hvh_channel **channel) HVW_MUST_CHECK;
void hvh_channel_remove(struct hvh_channel *channel);

/* device.c: the device has nothing to do with the channel any more. */
void hvh_channel_detach(struct hvh_channel *channel);

/* device.c: is there an offer of the same instance and index that the guest has yet to release? */
bool hvh_channel_blocked(const struct hvh_channel *channel);

/* device.c: what waits for a channel of the device to end, or to open. */
void hvh_device_settle(struct hvh_device *device);
void hvh_device_revoke_subchannels(struct hvh_device *device);
bool hvh_device_subchannels_busy(const struct hvh_device *device);
void hvh_device_offer_subchannels(struct hvh_device *device);

/* channel.c: the control loop's side. `msg` is checked for type and length. */
void hvh_channel_offer(struct hvh_channel *channel);
void hvh_channel_reoffer(struct hvh_server *server);
int hvh_channel_begin_open(struct hvh_channel *channel,
			   const struct hvp_msg_open_channel *msg) HVW_MUST_CHECK;
void hvh_channel_open(struct hvh_channel *channel, const struct hvp_msg_open_channel *msg);
void hvh_channel_close(struct hvh_channel *channel);
void hvh_channel_modify(struct hvh_channel *channel, uint32_t target_vp);
void hvh_channel_guest_released(struct hvh_channel *channel);
void hvh_channel_release(struct hvh_channel *channel);
void hvh_channel_revoke(struct hvh_channel *channel);
bool hvh_channel_known(const struct hvh_channel *channel);
bool hvh_channel_owned(const struct hvh_channel *channel);

/*
 * share.c. Control loop: what the owner loop asked for; is something under way; is that list of pages lent;
 * the guest wants it back; the owner loop is gone. Owner loop: what it has to hear.
 */
void hvh_share_work(struct hvh_channel *channel);
bool hvh_share_busy(const struct hvh_channel *channel);
bool hvh_share_uses(const struct hvh_channel *channel, uint32_t handle);
void hvh_share_recall(struct hvh_channel *channel, uint32_t handle);
void hvh_share_end(struct hvh_channel *channel);
void hvh_share_attend(struct hvh_channel *channel);

/* gpadl.c */
void hvh_gpadl_header(struct hvh_server *server, const struct hvw_msg *msg);
void hvh_gpadl_body(struct hvh_server *server, const struct hvw_msg *msg);
void hvh_gpadl_teardown(struct hvh_server *server, const struct hvp_msg_gpadl_teardown *msg);
struct gpadl *hvh_gpadl_find(struct hvh_server *server, uint32_t handle);
int hvh_gpadl_map_ring(struct hvh_server *server, const struct hvh_channel *channel,
		       uint32_t handle, struct hvh_mapping *ring);
void hvh_gpadl_unused(struct hvh_server *server, uint32_t handle);
void hvh_gpadl_abort(struct hvh_server *server, uint32_t channel_id);
void hvh_gpadl_drop(struct hvh_server *server, uint32_t channel_id);
void hvh_gpadl_drop_all(struct hvh_server *server);
void hvh_gpadl_save(const struct hvh_server *server, struct hvh_state_writer *w);
void hvh_gpadl_load(struct hvh_server *server, struct hvh_state_reader *r);

#endif
