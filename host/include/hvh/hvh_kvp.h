/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Key-value pairs and IP settings: an integration service that the host asks and the guest's daemon answers.
 *
 * Requests wait in a queue, because a guest answers one at a time. All functions: the device's owner loop.
 */
#ifndef HOST_INCLUDE_HVH_HVH_KVP_H
#define HOST_INCLUDE_HVH_HVH_KVP_H

#include "hvh_ic.h"
#include "hvw_kvp.h"

/* A fact about the host, which each guest gets into HVP_KVP_POOL_AUTO_EXTERNAL when its driver is ready. */
struct hvh_kvp_fact {
	char key[64];
	char value[256];
};

struct hvh_kvp_status {
	struct hvh_ic_status ic;
	unsigned facts; /* that the guest has taken since the channel was opened */
};

/* Lists are separated by `;`. Room for what the message can carry. */
struct hvh_kvp_ip {
	char adapter[HVW_UTF16_ROOM(127)];
	uint8_t family; /* HVP_KVP_IPV4, HVP_KVP_IPV6 */
	bool dhcp;
	char addresses[HVW_UTF16_ROOM(1023)];
	char masks[HVW_UTF16_ROOM(1023)];
	char gateways[HVW_UTF16_ROOM(511)];
	char dns[HVW_UTF16_ROOM(1023)];
};

#define HVH_KVP_TIMEOUT_MS 60000

/*
 * Stays the caller's, untouched by it until `done`, which is called once after hvh_kvp_request() returned 0,
 * and may ask anew. `result` 0: the guest answered with `status`; HVP_IC_SUCCESS: it is done, and what was asked for
 * is here. -ENOTCONN: the channel closed first; -ETIMEDOUT: no answer within HVH_KVP_TIMEOUT_MS after
 * the requests before this one; -EPROTO: the answer made no sense.
 */
struct hvh_kvp_request {
	struct hvh_ic_link link; /* the device's */
	enum hvp_kvp_op op; /* not HVP_KVP_GET */
	uint8_t pool;
	uint32_t index; /* of ENUMERATE */
	char key[HVW_KVP_KEY]; /* to SET and DELETE, and ENUMERATE's answer */
	char value[HVW_KVP_VALUE]; /* to SET, and ENUMERATE's answer */
	struct hvh_kvp_ip *
		ip; /* to SET_IP, and GET_IP's answer, for which only `adapter` and `family` count before */
	void (*done)(struct hvh_kvp_request *request, int result, uint32_t status);
	void *ctx;
};

/* `facts`, which may be none, are the caller's, and outlive the device. */
int hvh_kvp_create(const struct hvh_kvp_fact *facts, unsigned count,
		   struct hvh_device **device) HVW_MUST_CHECK;
void hvh_kvp_destroy(struct hvh_device *device);
void hvh_kvp_status(const struct hvh_device *device, struct hvh_kvp_status *status);

/*
 * -ENOTCONN: nothing in the guest answers (closed, negotiating or unusable); -EILSEQ, -EMSGSIZE: a text that is
 * not UTF-8 or too long.
 */
int hvh_kvp_request(struct hvh_device *device, struct hvh_kvp_request *request) HVW_MUST_CHECK;

#endif
