/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Heartbeat: one request every two seconds; the guest answers with the sequence plus one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <hvh/hvh_state.h>

#include "ic_priv.h"

#define STATE_TAG     HVH_STATE_TAG('H', 'B', 'E', 'A')
#define STATE_VERSION 1

#define PERIOD_NS 2000000000ull

/* This many periods without a reply: contact is lost. */
#define PERIODS_TO_LOSE 5

static const struct hvp_ic_version versions[] = { { 1, 0 }, { 3, 0 } };

struct heartbeat {
	struct ic ic;
	uint64_t sequence; /* of the last request */
	uint64_t last_reply_ns; /* 0: none since the channel was opened */
	uint32_t guest_state;
	unsigned missed; /* periods that the outstanding request is without its reply */
};

static void beat(struct heartbeat *hb, uint64_t now_ns)
{
	uint8_t message[HVW_IC_HEADERS + sizeof(struct hvp_ic_heartbeat)];
	struct hvp_ic_heartbeat body = { .sequence = hb->sequence + 1 };

	memcpy(message + HVW_IC_HEADERS, &body, sizeof(body));
	/* While one is outstanding none is sent: a guest that wakes up answers it. One that lost it gets another. */
	if (hb->ic.outstanding && ++hb->missed >= PERIODS_TO_LOSE)
		hvh_ic_forget(&hb->ic);
	if (!hvh_ic_request(&hb->ic, message, sizeof(body))) {
		hb->sequence = body.sequence;
		hb->missed = 0;
	}
	hvh_device_arm(&hb->ic.device, now_ns + PERIOD_NS);
}

static void ready(struct ic *ic)
{
	beat((struct heartbeat *)ic, hvh_device_now(&ic->device));
}

static bool reply(struct ic *ic, const struct hvw_ic *message)
{
	struct heartbeat *hb = (struct heartbeat *)ic;
	struct hvp_ic_heartbeat body;

	if (hvw_ic_read(message, 0, &body.sequence, sizeof(body.sequence)) ||
	    body.sequence != hb->sequence + 1)
		return false;
	hb->last_reply_ns = hvh_device_now(&ic->device);
	/* The state is optional, and old guests send back what they got. */
	if (!hvw_ic_read(message, offsetof(struct hvp_ic_heartbeat, state), &body.state,
			 sizeof(body.state)) &&
	    body.state <= HVP_HEARTBEAT_STOPPED)
		hb->guest_state = body.state;
	return true;
}

static void lost(struct ic *ic)
{
	struct heartbeat *hb = (struct heartbeat *)ic;

	hb->sequence = 0;
	hb->last_reply_ns = 0;
	hb->guest_state = HVP_HEARTBEAT_UNKNOWN;
	hvh_device_arm(&ic->device, 0);
}

static void expire(struct hvh_device *device, uint64_t now_ns)
{
	struct heartbeat *hb = (struct heartbeat *)device;

	if (hb->ic.status.state == HVH_IC_READY)
		beat(hb, now_ns);
}

static void save(const struct hvh_device *device, struct hvh_state_writer *w)
{
	const struct heartbeat *hb = (const struct heartbeat *)device;

	hvh_state_begin(w, STATE_TAG, STATE_VERSION);
	hvh_ic_save(&hb->ic, w);
	hvh_state_put_u64(w, hb->sequence);
	hvh_state_put_u32(w, hb->last_reply_ns != 0);
	hvh_state_put_u64(w, hb->last_reply_ns ? hvh_device_now(device) - hb->last_reply_ns : 0);
	hvh_state_put_u32(w, hb->guest_state);
	hvh_state_put_u32(w, hb->missed);
	hvh_ic_save_deadline(&hb->ic, w);
	hvh_state_end(w);
}

static int load(struct hvh_device *device, struct hvh_state_reader *r)
{
	struct heartbeat *hb = (struct heartbeat *)device;
	uint64_t age_ns;
	bool replied;
	int err;

	hvh_state_enter(r, STATE_TAG, STATE_VERSION);
	err = hvh_ic_load(&hb->ic, r);
	hb->sequence = hvh_state_get_u64(r);
	replied = hvh_state_get_u32(r) != 0;
	age_ns = hvh_state_get_u64(r);
	hb->guest_state = hvh_state_get_u32(r);
	hb->missed = hvh_state_get_u32(r);
	hvh_ic_load_deadline(&hb->ic, r, PERIOD_NS);
	hvh_state_leave(r);
	if (err || r->err || hb->guest_state > HVP_HEARTBEAT_STOPPED ||
	    hb->missed > PERIODS_TO_LOSE)
		return -EPROTO;
	/* May lie before this clock's beginning: only differences count, and those are right modulo 2^64. */
	hb->last_reply_ns = replied ? hvh_device_now(device) - age_ns : 0;
	hb->last_reply_ns += replied && !hb->last_reply_ns;
	return 0;
}

static const struct ic_class heartbeat_class = {
	.type = HVP_IC_HEARTBEAT,
	.versions = versions,
	.version_count = sizeof(versions) / sizeof(versions[0]),
	.ready = ready,
	.reply = reply,
	.lost = lost,
};

static const struct hvh_device_ops heartbeat_ops = {
	.open = hvh_ic_open,
	.notify = hvh_ic_notify,
	.close = hvh_ic_close,
	.expire = expire,
	.save = save,
	.load = load,
};

int hvh_heartbeat_create(struct hvh_device **device)
{
	struct heartbeat *hb = calloc(1, sizeof(*hb));

	if (!hb)
		return -ENOMEM;
	hvh_ic_init(&hb->ic, &heartbeat_class, &heartbeat_ops, "heartbeat",
		    (struct hvp_guid)HVP_CLASS_HEARTBEAT, (struct hvp_guid)HVP_INSTANCE_HEARTBEAT);
	*device = &hb->ic.device;
	return 0;
}

void hvh_heartbeat_destroy(struct hvh_device *device)
{
	free(device);
}

void hvh_heartbeat_status(const struct hvh_device *device, struct hvh_heartbeat_status *status)
{
	const struct heartbeat *hb = (const struct heartbeat *)device;

	status->ic = hb->ic.status;
	status->sequence = hb->sequence;
	status->guest_state = hb->guest_state;
	status->last_reply_ns = hb->last_reply_ns;
	if (!hb->last_reply_ns)
		status->verdict = HVH_HEARTBEAT_NONE;
	else if (hvh_device_now(device) - hb->last_reply_ns < PERIODS_TO_LOSE * PERIOD_NS)
		status->verdict = HVH_HEARTBEAT_OK;
	else
		status->verdict = HVH_HEARTBEAT_LOST;
}

const char *hvh_heartbeat_verdict_name(enum hvh_heartbeat_verdict verdict)
{
	static const char *const names[] = {
		[HVH_HEARTBEAT_NONE] = "no contact",
		[HVH_HEARTBEAT_OK] = "ok",
		[HVH_HEARTBEAT_LOST] = "lost contact",
	};

	return names[verdict];
}
