/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * An integration service whose requests come from outside and wait in a queue: a guest answers one at a time.
 */
#ifndef HOST_DEV_IC_QUEUE_PRIV_H
#define HOST_DEV_IC_QUEUE_PRIV_H

#include "ic_priv.h"

/* Bytes of the largest body. */
#define IC_BODY_MAX (IC_MESSAGE_MAX - HVW_IC_HEADERS)

struct ic_queue;

struct ic_queue_class {
	struct ic_class ic; /* begins with IC_QUEUE_CLASS */
	uint64_t timeout_max_ns;

	/* How long the request's body is, or -EINVAL. */
	int (*body_bytes)(const struct hvh_ic_link *link);

	/* The body into `body`, of which so much is zeroed: 0, or why it cannot be said. */
	int (*build)(const struct hvh_ic_link *link, uint8_t *body);

	/* From the time on when a request is the first. */
	uint64_t (*timeout_ns)(const struct hvh_ic_link *link);

	/* What the guest was asked for, after HVP_IC_SUCCESS; NULL: nothing. */
	int (*parse)(const struct hvw_ic *message, struct hvh_ic_link *link);

	/* A request is over, and no longer in the queue. */
	void (*done)(struct ic_queue *queue, struct hvh_ic_link *link, int result, uint32_t status);

	/* Versions are agreed; NULL: nothing to do. */
	void (*ready)(struct ic_queue *queue);

	/* The channel has closed; its requests were told. NULL: nothing to do. */
	void (*closed)(struct ic_queue *queue);
};

/* All fields: owner loop. */
struct ic_queue {
	struct ic ic;
	struct hvh_ic_link *first, **last; /* the first is the one under way */
	bool started; /* it has its deadline, if it may not be sent yet */
};

void hvh_ic_queue_init(struct ic_queue *queue, const struct ic_queue_class *class,
		       const struct hvh_device_ops *ops, const char *name, struct hvp_guid class_id,
		       struct hvp_guid instance_id);

/* Behind the others; hvh_ic_queue_go_on() sends it when it is its turn. */
void hvh_ic_queue_add(struct ic_queue *queue, struct hvh_ic_link *link);
void hvh_ic_queue_go_on(struct ic_queue *queue);

/* From within `done`: all that wait behind the request that is over, in their order, taken out of the queue. */
struct hvh_ic_link *hvh_ic_queue_take_all(struct ic_queue *queue);

/* Is there somebody to ask? 0 or -ENOTCONN. */
int hvh_ic_queue_check_ready(const struct ic_queue *queue) HVW_MUST_CHECK;

/* And can it be said? 0, -ENOTCONN, or as `body_bytes` and `build`. */
int hvh_ic_queue_check(struct ic_queue *queue, const struct hvh_ic_link *link) HVW_MUST_CHECK;

/* For the classes and operations of all of them. */
void hvh_ic_queue_ready(struct ic *ic);
bool hvh_ic_queue_reply(struct ic *ic, const struct hvw_ic *message);
void hvh_ic_queue_lost(struct ic *ic);
void hvh_ic_queue_notify(struct hvh_device *device, struct hvh_channel *channel);
void hvh_ic_queue_expire(struct hvh_device *device, uint64_t now_ns);

#define IC_QUEUE_CLASS                                                                             \
	.ready = hvh_ic_queue_ready, .reply = hvh_ic_queue_reply, .lost = hvh_ic_queue_lost
#define IC_QUEUE_OPS                                                                               \
	.open = hvh_ic_open, .notify = hvh_ic_queue_notify, .close = hvh_ic_close,                 \
	.expire = hvh_ic_queue_expire

/*
 * Who asked is not saved: requests are simply no longer waited for. What a load has put into the queue is sent on the
 * owner loop, after hvh_ic_queue_loaded().
 */
void hvh_ic_queue_save(const struct ic_queue *queue, struct hvh_state_writer *w);
int hvh_ic_queue_load(struct ic_queue *queue, struct hvh_state_reader *r) HVW_MUST_CHECK;
void hvh_ic_queue_loaded(struct ic_queue *queue);

#endif
