/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * VMBus in the guest: the connection's state, devices, requests under way.
 *
 * Keys: (c) const after start, (l) bus.lock, (m) bus.mutex, (w) the bus's work, (a) atomic.
 */
#ifndef GUEST_BUS_BUS_PRIV_H
#define GUEST_BUS_BUS_PRIV_H

#include "guest/hv/hv_priv.h"
#include "hvg/hvg_bus.h"
#include "hvg/hvg_log.h"
#include "hvw_msg.h"

/* The host has this long for an answer. Loaded ones have been seen to take many seconds for an open. */
#define HVG_REQUEST_TIMEOUT_MS 30000u

/* One that let it pass and has said nothing since gets no more than this, or a stop would take hours. */
#define HVG_SILENT_TIMEOUT_MS 1000u

/* Offers and rescinds on their way from the interrupt to the bus's work; more wait with the host. */
#define HVG_INBOX_MESSAGES 16u

/* One question to the host. Lives on the asker's stack, in the list while it waits. */
struct hvg_request {
	struct hvg_request *next; /* (l) */
	uint32_t type; /* (c) of the answer */
	uint32_t id[2]; /* (c) that the answer must carry */
	struct hvg_chan *chan; /* (c) a rescind of which ends the wait; NULL: none does */
	struct hvos_event done;
	int result; /* (l) 0: answered */
	struct hvw_msg answer; /* (l) */
};

enum hvg_device_state {
	HVG_DEVICE_NEW, /* offered; its driver has not been asked */
	HVG_DEVICE_ATTACHED,
	HVG_DEVICE_IDLE, /* no driver, or it failed */
	HVG_DEVICE_SUSPENDED, /* the host has forgotten it, its driver has not */
	HVG_DEVICE_RETURNED, /* offered again after a suspend; its driver has not been told */
	HVG_DEVICE_GONE, /* detached and released: the bus's work frees it */
};

struct hvg_device {
	struct hvg_device *next; /* (m) */
	struct hvg_bus *bus; /* (c) */
	struct hvg_device_info info; /* (c) */
	const struct hvg_driver *driver; /* (c) NULL: none knows the class */
	void *data; /* the driver's */
	enum hvg_device_state state; /* (m) */
	struct hvg_chan *primary; /* (c) */
	struct hvg_chan *subs; /* (m) */
	struct hvos_work work; /* attach, detach, sub-channels: one call into the driver at a time */
};

struct hvg_bus {
	struct hvg_hv hv;
	struct hvg_bus_config config; /* (c) */
	uint32_t version; /* (a) 0: not connected */
	uint32_t connection_id; /* (c) after the contact */
	uint32_t message_vp; /* (c) the processor that the host's messages interrupt, as the host counts */
	/* (c) interrupt page and monitor pages, which old hosts want and none uses */
	struct hvos_shared pages;

	struct hvos_lock lock;
	struct hvg_request *requests; /* (l) */
	struct hvw_msg inbox[HVG_INBOX_MESSAGES]; /* (l) a FIFO */
	unsigned inbox_first, inbox_count; /* (l) */
	bool closed; /* (l) offers and rescinds are for nobody */
	bool stopping; /* (m) no new devices, and none is freed */
	bool working; /* (c) the works are initialised */
	bool contacted; /* (c) the host may know `pages`: it was told and has not said that it forgot */
	uint32_t silent; /* (a) 1: the last request got no answer, nor did anything else come since */
	uint32_t next_gpadl; /* (l) */
	uint32_t last_open; /* (l) ids count from 1: an answer of zeros is nobody's */

	struct hvos_mutex inbox_mutex; /* taken before `mutex` */
	struct hvos_mutex mutex;
	struct hvg_device *devices; /* (m) in the order of their offers */
	struct hvos_work work; /* what is in the inbox; frees what is gone */
	struct hvos_event offers_delivered;
	struct hvos_event progress; /* some work is done: whoever waits for the devices looks again */
	uint32_t suspended_version; /* (c) while suspended */
	bool unloaded; /* crash path: the host has let go */

	struct hvg_chan *by_id[HVP_CHANNEL_ID_MAX + 1]; /* (a) */
	struct hvg_bus_counters counters; /* (a) */
};

static inline void hvg_bus_count(uint64_t *counter, uint64_t by)
{
	__atomic_fetch_add(counter, by, __ATOMIC_RELAXED);
}

/* conn.c */
int hvg_conn_contact(struct hvg_bus *bus, uint32_t version_max,
		     uint32_t version_min) HVW_MUST_CHECK;
int hvg_conn_request_offers(struct hvg_bus *bus) HVW_MUST_CHECK;
void hvg_conn_unload(struct hvg_bus *bus);
int hvg_conn_post(struct hvg_bus *bus, const void *message, size_t len) HVW_MUST_CHECK;
bool hvg_conn_message(void *bus, const void *payload, size_t len);
void hvg_conn_event(void *bus, uint32_t flag);

/* request.c */
void hvg_request_begin(struct hvg_bus *bus, struct hvg_request *request, uint32_t type,
		       uint32_t id0, uint32_t id1, struct hvg_chan *chan);

/* Not asked after all. */
void hvg_request_cancel(struct hvg_bus *bus, struct hvg_request *request);

/* The question is posted: wait. 0: request->answer is there. -ENODEV: rescinded; -ETIMEDOUT. */
int hvg_request_wait(struct hvg_bus *bus, struct hvg_request *request) HVW_MUST_CHECK;

/* Both for a question of one message; also errors of the post. */
int hvg_request_ask(struct hvg_bus *bus, struct hvg_request *request, const void *message,
		    size_t len) HVW_MUST_CHECK;
void hvg_request_answer(struct hvg_bus *bus, const struct hvw_msg *msg);
void hvg_request_revoke(struct hvg_bus *bus, const struct hvg_chan *chan);

/* gpadl.c: see hvg_chan_share(). *handle is valid when the host may know the memory: on 0 and -ETIMEDOUT. */
int hvg_gpadl_create(struct hvg_chan *chan, const struct hvos_shared *shared,
		     uint32_t *handle) HVW_MUST_CHECK;
int hvg_gpadl_teardown(struct hvg_chan *chan, uint32_t handle) HVW_MUST_CHECK;

/* chan.c */
int hvg_chan_create(struct hvg_device *device, const struct hvp_msg_offer_channel *offer,
		    struct hvg_chan **chan) HVW_MUST_CHECK;
void hvg_chan_release_id(struct hvg_chan *chan, bool tell);
void hvg_chan_destroy(struct hvg_chan *chan);

/*
 * Context A: whoever waits for an answer is to empty the inbox. What ends his wait may be in it, or
 * behind it when it is full, and he may be what keeps the bus's work from running.
 */
void hvg_request_nudge(struct hvg_bus *bus);

/* offer.c */
void hvg_offer_work(void *bus);

/* Empty the inbox. Any thread, none of the bus's locks held. */
void hvg_offer_take(struct hvg_bus *bus);
void hvg_offer_detach_all(struct hvg_bus *bus);
int hvg_offer_suspend_all(struct hvg_bus *bus) HVW_MUST_CHECK;
void hvg_offer_drop_missing(struct hvg_bus *bus);
void hvg_offer_restart(struct hvg_bus *bus);
bool hvg_offer_settled(struct hvg_bus *bus);

#endif
