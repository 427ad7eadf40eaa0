/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Time synchronisation: a "sync" when the guest connects, when it is told to step, and after a load;
 * then a "sample" five seconds after each answer.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <hvh/hvh_state.h>

#include "ic_priv.h"

#define STATE_TAG     HVH_STATE_TAG('T', 'I', 'M', 'E')
#define STATE_VERSION 1

#define PERIOD_NS 5000000000ull

static const struct hvp_ic_version versions[] = { { 1, 0 }, { 3, 0 }, { 4, 0 } };

/* The first version whose messages carry the reference counter. */
#define MAJOR_WITH_REFERENCE 4

struct timesync {
	struct ic ic;
	hvh_timesync_clock clock;
	void *ctx;
	int64_t offset; /* added to the host's time, in 100 ns */
	bool sync_due; /* the guest has yet to be told to set its clock */
	bool sync_sent; /* the outstanding request tells it so */
	uint64_t syncs;
};

/* The clocks are read right before the message goes into the ring; without room their values are dropped. */
static int request(struct timesync *ts, uint8_t flags)
{
	uint8_t message[HVW_IC_HEADERS + sizeof(struct hvp_ic_timesync)];
	struct hvp_ic_timesync old = { .flags = flags };
	struct hvp_ic_timesync_v4 v4 = { .flags = flags };
	uint64_t host_time, reference_time;

	if (!ts->clock(ts->ctx, &host_time, &reference_time))
		return -EIO;
	host_time += (uint64_t)ts->offset;
	if (ts->ic.status.message.major < MAJOR_WITH_REFERENCE) {
		old.host_time = host_time;
		memcpy(message + HVW_IC_HEADERS, &old, sizeof(old));
		return hvh_ic_request(&ts->ic, message, sizeof(old));
	}
	v4.host_time = host_time;
	v4.reference_time = reference_time;
	memcpy(message + HVW_IC_HEADERS, &v4, sizeof(v4));
	return hvh_ic_request(&ts->ic, message, sizeof(v4));
}

static void arm(struct timesync *ts)
{
	hvh_device_arm(&ts->ic.device, hvh_device_now(&ts->ic.device) + PERIOD_NS);
}

/* Nothing is outstanding. What cannot be sent now is sent when the timer expires. */
static void send_time(struct timesync *ts)
{
	if (!request(ts, ts->sync_due ? HVP_TIMESYNC_SYNC : HVP_TIMESYNC_SAMPLE)) {
		ts->sync_sent = ts->sync_due;
		ts->sync_due = false;
	}
	arm(ts);
}

static void ready(struct ic *ic)
{
	struct timesync *ts = (struct timesync *)ic;

	ts->sync_due = true;
	send_time(ts);
}

static bool reply(struct ic *ic, const struct hvw_ic *message)
{
	struct timesync *ts = (struct timesync *)ic;

	/* A guest that will not have its clock set is not asked again. */
	if (ts->sync_sent && message->h.status == HVP_IC_SUCCESS)
		ts->syncs++;
	ts->sync_sent = false;
	if (ts->sync_due)
		send_time(ts);
	else
		arm(ts);
	return true;
}

static void lost(struct ic *ic)
{
	struct timesync *ts = (struct timesync *)ic;

	ts->sync_due = ts->sync_sent = false;
	ts->syncs = 0;
	hvh_device_arm(&ic->device, 0);
}

static void expire(struct hvh_device *device, uint64_t now_ns)
{
	struct timesync *ts = (struct timesync *)device;

	(void)now_ns;
	/* A whole period without an answer: should the guest get to it yet, that time is stale. */
	hvh_ic_forget(&ts->ic);
	ts->sync_due |= ts->sync_sent;
	ts->sync_sent = false;
	if (ts->ic.status.state == HVH_IC_READY)
		send_time(ts);
}

static void save(const struct hvh_device *device, struct hvh_state_writer *w)
{
	const struct timesync *ts = (const struct timesync *)device;

	hvh_state_begin(w, STATE_TAG, STATE_VERSION);
	hvh_ic_save(&ts->ic, w);
	hvh_state_put_u64(w, (uint64_t)ts->offset);
	hvh_state_put_u32(w, ts->sync_sent);
	hvh_state_put_u64(w, ts->syncs);
	hvh_ic_save_deadline(&ts->ic, w);
	hvh_state_end(w);
}

static int load(struct hvh_device *device, struct hvh_state_reader *r)
{
	struct timesync *ts = (struct timesync *)device;
	int err;

	hvh_state_enter(r, STATE_TAG, STATE_VERSION);
	err = hvh_ic_load(&ts->ic, r);
	ts->offset = (int64_t)hvh_state_get_u64(r);
	ts->sync_sent = hvh_state_get_u32(r) != 0;
	ts->syncs = hvh_state_get_u64(r);
	hvh_ic_load_deadline(&ts->ic, r, PERIOD_NS);
	hvh_state_leave(r);
	if (err || r->err || (ts->sync_sent && !ts->ic.outstanding))
		return -EPROTO;
	if (ts->ic.status.state != HVH_IC_READY)
		return 0;
	/* Time has passed since it was saved. An outstanding request is waited for as ever. */
	ts->sync_due = true;
	if (!ts->ic.outstanding)
		hvh_device_arm(device, hvh_device_now(device) + 1);
	return 0;
}

static const struct ic_class timesync_class = {
	.type = HVP_IC_TIMESYNC,
	.versions = versions,
	.version_count = sizeof(versions) / sizeof(versions[0]),
	.ready = ready,
	.reply = reply,
	.lost = lost,
};

static const struct hvh_device_ops timesync_ops = {
	.open = hvh_ic_open,
	.notify = hvh_ic_notify,
	.close = hvh_ic_close,
	.expire = expire,
	.save = save,
	.load = load,
};

int hvh_timesync_create(hvh_timesync_clock clock, void *ctx, struct hvh_device **device)
{
	struct timesync *ts = calloc(1, sizeof(*ts));

	if (!ts)
		return -ENOMEM;
	ts->clock = clock;
	ts->ctx = ctx;
	hvh_ic_init(&ts->ic, &timesync_class, &timesync_ops, "timesync",
		    (struct hvp_guid)HVP_CLASS_TIMESYNC, (struct hvp_guid)HVP_INSTANCE_TIMESYNC);
	*device = &ts->ic.device;
	return 0;
}

void hvh_timesync_destroy(struct hvh_device *device)
{
	free(device);
}

void hvh_timesync_status(const struct hvh_device *device, struct hvh_timesync_status *status)
{
	const struct timesync *ts = (const struct timesync *)device;

	status->ic = ts->ic.status;
	status->offset = ts->offset;
	status->syncs = ts->syncs;
	status->sync_pending = ts->sync_due || ts->sync_sent;
}

int hvh_timesync_step(struct hvh_device *device, int64_t offset)
{
	struct timesync *ts = (struct timesync *)device;

	if (ts->ic.status.state != HVH_IC_READY)
		return -ENOTCONN;
	ts->offset = offset;
	ts->sync_due = true;
	if (!ts->ic.outstanding)
		send_time(ts);
	return 0;
}
