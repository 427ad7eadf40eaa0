/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What all integration services share: framing, negotiation, and one request at a time.
 */
#ifndef HOST_DEV_IC_PRIV_H
#define HOST_DEV_IC_PRIV_H

#include <hvh/hvh_channel.h>
#include <hvh/hvh_ic.h>

#include "hvp_kvp.h"
#include "hvw_ic.h"

/* The largest body so far is that of IP settings. */
#define IC_MESSAGE_MAX (HVW_IC_HEADERS + sizeof(struct hvp_kvp_ip) + 8)

struct ic;

/* One service. */
struct ic_class {
	uint16_t type; /* HVP_IC_* of its messages */
	const struct hvp_ic_version *versions; /* of its messages */
	unsigned version_count;

	/* Versions are agreed. */
	void (*ready)(struct ic *ic);

	/* The answer to the outstanding request. False: it makes no sense. */
	bool (*reply)(struct ic *ic, const struct hvw_ic *message);

	/* The channel is gone, or negotiation begins anew: an outstanding request is lost. */
	void (*lost)(struct ic *ic);
};

/* All fields: owner loop. */
struct ic {
	struct hvh_device device;
	const struct ic_class *class;
	struct hvh_channel *channel; /* NULL while closed */
	struct hvh_ic_status status;
	bool negotiate_due; /* the request could not be sent yet */
	bool outstanding; /* a request waits for its reply */
	uint8_t transaction; /* of the last request */
};

/* `name`, class and instance; the rest is common. */
void hvh_ic_init(struct ic *ic, const struct ic_class *class, const struct hvh_device_ops *ops,
		 const char *name, struct hvp_guid class_id, struct hvp_guid instance_id);

/* For struct hvh_device_ops. */
int hvh_ic_open(struct hvh_device *device, struct hvh_channel *channel);
void hvh_ic_notify(struct hvh_device *device, struct hvh_channel *channel);
void hvh_ic_close(struct hvh_device *device, struct hvh_channel *channel);

/*
 * Send a request; `message` has room for the headers in front of `body_len` bytes of body, which are
 * in place. -EBUSY, -ENOTCONN, -EAGAIN, -EPROTO.
 */
int hvh_ic_request(struct ic *ic, void *message, size_t body_len) HVW_MUST_CHECK;

/* The answer to the outstanding request will not come, or is not wanted. */
void hvh_ic_forget(struct ic *ic);

/* The time left of the device's timer; `longest_ns`: what it can be at most. */
void hvh_ic_save_deadline(const struct ic *ic, struct hvh_state_writer *w);
void hvh_ic_load_deadline(struct ic *ic, struct hvh_state_reader *r, uint64_t longest_ns);

void hvh_ic_save(const struct ic *ic, struct hvh_state_writer *w);
int hvh_ic_load(struct ic *ic, struct hvh_state_reader *r) HVW_MUST_CHECK;

#endif
