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

/* Requests are shorter than a page but for KVP, which is not here. */
#define HVG_IC_MESSAGE_MAX 4096u

struct hvg_ic;

struct hvg_ic_service {
	const char *name;
	uint16_t type; /* HVP_IC_* of its requests */
	const struct hvp_ic_version *framework, *message; /* best first */
	unsigned frameworks, messages;
	size_t bytes; /* of the service's structure, which begins with struct hvg_ic */
	void (*init)(struct hvg_ic *ic); /* NULL: zeroes will do */
	void (*fini)(struct hvg_ic *ic);

	/*
	 * A request: `body` is `size` bytes in our own memory, which go back as the answer. Returns the
	 * answer's status, HVP_IC_*.
	 */
	uint32_t (*request)(struct hvg_ic *ic, uint8_t *body, size_t size);

	/* The answer to a request is in the ring; NULL: nothing to do then. */
	void (*answered)(struct hvg_ic *ic);
};

struct hvg_ic {
	const struct hvg_ic_service *service; /* (c) */
	struct hvg_device *device; /* (c) */
	struct hvg_chan *chan; /* (c) */
	struct hvos_work work;
	struct hvp_ic_version framework, message; /* (w) negotiated */
	uint32_t ready; /* (a) */
	unsigned long requests, violations; /* (a) as wide as any processor adds to at once */
	uint32_t waiting; /* (w) bytes of an answer for which there is no room yet; 0: none */
	bool act; /* (w) `answered` is due when it is sent */
	uint64_t transaction_id; /* (w) of the packet being answered */
	uint8_t buffer[HVG_IC_MESSAGE_MAX]; /* (w) */
};

/* hvg_driver.attach and detach of every service. */
int hvg_ic_attach(struct hvg_device *device, const struct hvg_ic_service *service) HVW_MUST_CHECK;
void hvg_ic_detach(struct hvg_device *device);
int hvg_ic_suspend(struct hvg_device *device) HVW_MUST_CHECK;
int hvg_ic_resume(struct hvg_device *device) HVW_MUST_CHECK;

#endif
