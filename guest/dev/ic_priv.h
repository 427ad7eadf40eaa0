/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the integration services share: the channel, negotiation, request and answer.
 *
 * Keys: (c) const after attach, (w) the service's work, (a) atomic.
 */
#ifndef GUEST_DEV_IC_PRIV_H
#define GUEST_DEV_IC_PRIV_H

#include "hvg/hvg_ic.h"
#include "hvg/hvg_log.h"
#include "hvw_ic.h"

/* Room for the whole message of a service that does not say how long its requests are. */
#define HVG_IC_MESSAGE_MAX 4096u

/* What `request` returns in place of a status: the answer comes later, from `finish`. */
#define HVG_IC_LATER 0xffffffffu

struct hvg_ic;

struct hvg_ic_service {
	const char *name;
	uint16_t type; /* HVP_IC_* of its requests */
	const struct hvp_ic_version *framework, *message; /* best first */
	unsigned frameworks, messages;
	size_t bytes; /* of the service's structure, which begins with struct hvg_ic */
	void (*init)(struct hvg_ic *ic); /* NULL: zeroes will do */
	void (*fini)(struct hvg_ic *ic);
	uint32_t message_max; /* bytes of its longest message, headers included; 0: HVG_IC_MESSAGE_MAX */

	/*
	 * A request: `body` is `size` bytes in our own memory, which go back as the answer. Returns the
	 * answer's status, HVP_IC_*, or HVG_IC_LATER.
	 */
	uint32_t (*request)(struct hvg_ic *ic, uint8_t *body, size_t size);

	/*
	 * For services that answer later, else NULL. finish: the same, each time that the work runs. give_up: the host
	 * speaks again, or the channel is closed, before that: the answer is not wanted any more. listens: false while
	 * nothing may be read from the host yet; whoever changes that queues the work. closed: the channel is.
	 */
	uint32_t (*finish)(struct hvg_ic *ic, uint8_t *body, size_t size);
	void (*give_up)(struct hvg_ic *ic);
	bool (*listens)(struct hvg_ic *ic);
	void (*closed)(struct hvg_ic *ic);

	/* The answer to a request is in the ring; NULL: nothing to do then. */
	void (*answered)(struct hvg_ic *ic);
};

struct hvg_ic {
	const struct hvg_ic_service *service; /* (c) */
	struct hvg_device *device; /* (c) */
	struct hvg_chan *chan; /* (c) */
	struct hvos_work work;
	bool awake; /* the channel is open, and the work initialised; attach to detach, one at a time */
	struct hvp_ic_version framework, message; /* (w) negotiated */
	uint32_t ready; /* (a) */
	unsigned long requests, violations; /* (a) as wide as any processor adds to at once */
	uint32_t waiting; /* (w) bytes of an answer for which there is no room yet; 0: none */
	bool act; /* (w) `answered` is due when it is sent */
	bool later; /* (w) the request in the buffer waits for `finish` */
	uint64_t transaction_id; /* (w) of the packet being answered */
	struct hvp_ic_header request; /* (w) in it */
	uint32_t buffer_bytes; /* (c) */
	uint8_t *buffer; /* (w) */
};

/* hvg_driver.attach and detach of every service. */
int hvg_ic_attach(struct hvg_device *device, const struct hvg_ic_service *service) HVW_MUST_CHECK;
void hvg_ic_detach(struct hvg_device *device);
int hvg_ic_suspend(struct hvg_device *device) HVW_MUST_CHECK;
int hvg_ic_resume(struct hvg_device *device) HVW_MUST_CHECK;

#endif
