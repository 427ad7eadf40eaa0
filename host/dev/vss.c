/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Backup.
 */
#include <hvh/hvh_vss.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <hvh/hvh_state.h>

#include "ic_queue_priv.h"

#define STATE_TAG     HVH_STATE_TAG('V', 'S', 'S', 'B')
#define STATE_VERSION 1

#define NS_PER_MS 1000000ull

/* How often a guest is told to thaw that does not say that it has. */
#define THAWS_MAX 5

/* Freeze and thaw came with this one. */
static const struct hvp_ic_version versions[] = { { 5, 0 } };

enum phase {
	PHASE_THAWED,
	PHASE_FREEZING, /* FREEZE is under way */
	PHASE_FROZEN,
	PHASE_THAWING, /* THAW is under way */
};

struct vss {
	struct ic_queue queue;
	enum phase phase;
	uint64_t hold_ns; /* until then it may be frozen; 0: no matter */
	unsigned thaws; /* of our own, since it was to thaw */
	uint64_t freezes, overdue; /* counters */
	struct hvh_vss_request own; /* THAW, when nobody else says so */
};

/* --- requests ---------------------------------------------------------------------------------------- */

static int body_bytes(const struct hvh_ic_link *link)
{
	switch (((const struct hvh_vss_request *)link)->op) {
	case HVP_VSS_FREEZE:
		return (int)sizeof(struct hvp_vss_freeze);
	case HVP_VSS_HOT_BACKUP:
	case HVP_VSS_THAW:
	case HVP_VSS_COMPLETE:
		return (int)sizeof(struct hvp_vss_plain);
	default:
		return -EINVAL;
	}
}

static int build(const struct hvh_ic_link *link, uint8_t *body)
{
	const struct hvh_vss_request *request = (const struct hvh_vss_request *)link;
	const struct hvp_vss_header header = { .op = (uint8_t)request->op };

	memcpy(body, &header, sizeof(header));
	return 0;
}

static uint64_t timeout_ns(const struct hvh_ic_link *link)
{
	const struct hvh_vss_request *request = (const struct hvh_vss_request *)link;
	uint64_t ms = request->op == HVP_VSS_FREEZE ? HVH_VSS_FREEZE_TIMEOUT_MS :
						      HVH_VSS_TIMEOUT_MS;

	return (request->timeout_ms && request->timeout_ms < ms ? request->timeout_ms : ms) *
	       NS_PER_MS;
}

static int parse(const struct hvw_ic *message, struct hvh_ic_link *link)
{
	struct hvh_vss_request *request = (struct hvh_vss_request *)link;
	struct hvp_vss_plain body;
	int err;

	if (request->op != HVP_VSS_HOT_BACKUP)
		return 0;
	err = hvw_ic_read(message, 0, &body, sizeof(body));
	if (!err)
		request->flags = body.flags;
	return err;
}

/* The guest is to thaw, whatever anybody says. */
static void thaw(struct vss *vss)
{
	vss->hold_ns = 0;
	vss->phase = PHASE_THAWING;
	vss->thaws++;
	hvh_ic_queue_add(&vss->queue, &vss->own.link);
}

static void freeze_done(struct vss *vss, struct hvh_vss_request *request, bool good)
{
	vss->thaws = 0;
	if (good) {
		request->number = ++vss->freezes;
		vss->phase = PHASE_FROZEN;
		vss->hold_ns = hvh_device_now(&vss->queue.ic.device) + request->hold_ms * NS_PER_MS;
	} else {
		/* Also one that refused may have frozen some. */
		thaw(vss);
	}
}

static void thaw_done(struct vss *vss, bool good)
{
	vss->phase = PHASE_THAWED;
	if (!good && vss->thaws < THAWS_MAX)
		thaw(vss);
}

static void done(struct ic_queue *queue, struct hvh_ic_link *link, int result, uint32_t status)
{
	struct vss *vss = (struct vss *)queue;
	struct hvh_vss_request *request = (struct hvh_vss_request *)link;
	bool good = !result && status == HVP_IC_SUCCESS;

	if (result == -ENOTCONN)
		vss->phase = PHASE_THAWED;
	else if (request->op == HVP_VSS_FREEZE)
		freeze_done(vss, request, good);
	else if (request->op == HVP_VSS_THAW)
		thaw_done(vss, good);
	/* The queue's deadline for a request is over: the device's timer is free for that of the freeze. */
	if (vss->phase == PHASE_FROZEN)
		hvh_device_arm(&queue->ic.device, vss->hold_ns);
	if (request != &vss->own)
		request->done(request, result, status);
}

static void closed(struct ic_queue *queue)
{
	struct vss *vss = (struct vss *)queue;

	vss->phase = PHASE_THAWED;
	vss->hold_ns = 0;
}

int hvh_vss_request(struct hvh_device *device, struct hvh_vss_request *request)
{
	struct vss *vss = (struct vss *)device;
	int err = 0;

	if (request->op == HVP_VSS_FREEZE)
		err = vss->phase != PHASE_THAWED ? -EBUSY : request->hold_ms ? 0 : -EINVAL;
	else if (request->op == HVP_VSS_THAW &&
		 (vss->phase != PHASE_FROZEN || request->number != vss->freezes))
		err = -ENOENT;
	if (!err)
		err = hvh_ic_queue_check(&vss->queue, &request->link);
	if (err)
		return err;
	if (request->op == HVP_VSS_FREEZE) {
		vss->phase = PHASE_FREEZING;
	} else if (request->op == HVP_VSS_THAW) {
		vss->phase = PHASE_THAWING;
		vss->hold_ns = 0;
	}
	hvh_ic_queue_add(&vss->queue, &request->link);
	hvh_ic_queue_go_on(&vss->queue);
	return 0;
}

/* --- the service ------------------------------------------------------------------------------------- */

static void expire(struct hvh_device *device, uint64_t now_ns)
{
	struct vss *vss = (struct vss *)device;

	if (vss->phase == PHASE_FROZEN && !vss->queue.started) {
		vss->overdue++;
		thaw(vss);
		hvh_ic_queue_go_on(&vss->queue);
		return;
	}
	hvh_ic_queue_expire(device, now_ns);
}

static void save(const struct hvh_device *device, struct hvh_state_writer *w)
{
	const struct vss *vss = (const struct vss *)device;

	hvh_state_begin(w, STATE_TAG, STATE_VERSION);
	hvh_ic_queue_save(&vss->queue, w);
	hvh_state_put_u32(w, vss->phase != PHASE_THAWED);
	hvh_state_put_u64(w, vss->freezes);
	hvh_state_put_u64(w, vss->overdue);
	hvh_state_end(w);
}

static int load(struct hvh_device *device, struct hvh_state_reader *r)
{
	struct vss *vss = (struct vss *)device;
	bool frozen;
	int err;

	hvh_state_enter(r, STATE_TAG, STATE_VERSION);
	err = hvh_ic_queue_load(&vss->queue, r);
	frozen = hvh_state_get_u32(r) != 0;
	vss->freezes = hvh_state_get_u64(r);
	vss->overdue = hvh_state_get_u64(r);
	hvh_state_leave(r);
	if (err || r->err)
		return -EPROTO;
	/* Whoever had it frozen is not here. */
	if (frozen && vss->queue.ic.status.state == HVH_IC_READY) {
		thaw(vss);
		hvh_ic_queue_loaded(&vss->queue);
	}
	return 0;
}

static const struct ic_queue_class vss_class = {
	.ic = {
		IC_QUEUE_CLASS,
		.type = HVP_IC_VSS,
		.versions = versions,
		.version_count = sizeof(versions) / sizeof(versions[0]),
	},
	.timeout_max_ns = HVH_VSS_FREEZE_TIMEOUT_MS * NS_PER_MS,
	.body_bytes = body_bytes,
	.build = build,
	.timeout_ns = timeout_ns,
	.parse = parse,
	.done = done,
	.closed = closed,
};

static const struct hvh_device_ops vss_ops = {
	.open = hvh_ic_open,
	.notify = hvh_ic_queue_notify,
	.close = hvh_ic_close,
	.expire = expire,
	.save = save,
	.load = load,
};

int hvh_vss_create(struct hvh_device **device)
{
	struct vss *vss = calloc(1, sizeof(*vss));

	if (!vss)
		return -ENOMEM;
	hvh_ic_queue_init(&vss->queue, &vss_class, &vss_ops, "vss", (struct hvp_guid)HVP_CLASS_VSS,
			  (struct hvp_guid)HVP_INSTANCE_VSS);
	vss->own.op = HVP_VSS_THAW;
	*device = &vss->queue.ic.device;
	return 0;
}

void hvh_vss_destroy(struct hvh_device *device)
{
	free(device);
}

void hvh_vss_status(const struct hvh_device *device, struct hvh_vss_status *status)
{
	const struct vss *vss = (const struct vss *)device;

	status->ic = vss->queue.ic.status;
	status->frozen = vss->phase != PHASE_THAWED;
	status->freezes = vss->freezes;
	status->overdue = vss->overdue;
}
