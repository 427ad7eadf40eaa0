/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * File copy.
 */
#include <hvh/hvh_fcopy.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <hvh/hvh_state.h>

#include "hvw_utf16.h"
#include "ic_queue_priv.h"

#define STATE_TAG     HVH_STATE_TAG('F', 'C', 'P', 'Y')
#define STATE_VERSION 1

#define TIMEOUT_NS (HVH_FCOPY_TIMEOUT_MS * 1000000ull)

static const struct hvp_ic_version versions[] = { { 1, 1 } };

enum file {
	FILE_NONE,
	FILE_STARTING, /* START is under way: the guest may have made the file */
	FILE_OPEN,
	FILE_ENDING, /* COMPLETE or CANCEL is under way */
};

struct fcopy {
	struct ic_queue queue;
	enum file file;
	uint64_t file_bytes; /* as START said */
	uint64_t files, bytes; /* counters */
	bool cancelling; /* `own` is in the queue */
	struct hvh_fcopy_request own; /* has the guest remove what it has of a file that failed */
};

/* --- bodies ------------------------------------------------------------------------------------------ */

static int build_start(const struct hvh_fcopy_request *request, uint8_t *body)
{
	struct hvp_fcopy_start start = {
		.h = { .op = HVP_FCOPY_START },
		.flags = request->flags,
		.bytes = request->bytes,
	};
	int len = hvw_utf16_from_utf8(start.name, HVP_FCOPY_NAME_UNITS, request->name);

	if (len >= 0)
		len = hvw_utf16_from_utf8(start.path, HVP_FCOPY_NAME_UNITS, request->path);
	if (len < 0)
		return len;
	memcpy(body, &start, sizeof(start));
	return 0;
}

static void build_write(const struct hvh_fcopy_request *request, uint8_t *body)
{
	const struct hvp_fcopy_header header = { .op = HVP_FCOPY_WRITE };

	memcpy(body, &header, sizeof(header));
	memcpy(body + offsetof(struct hvp_fcopy_write, offset), &request->offset,
	       sizeof(request->offset));
	memcpy(body + offsetof(struct hvp_fcopy_write, size), &request->size,
	       sizeof(request->size));
	memcpy(body + offsetof(struct hvp_fcopy_write, data), request->data, request->size);
}

static int body_bytes(const struct hvh_ic_link *link)
{
	_Static_assert(sizeof(struct hvp_fcopy_write) <= IC_BODY_MAX, "the longest body fits");
	switch (((const struct hvh_fcopy_request *)link)->op) {
	case HVP_FCOPY_START:
		return (int)sizeof(struct hvp_fcopy_start);
	case HVP_FCOPY_WRITE:
		return (int)sizeof(struct hvp_fcopy_write);
	case HVP_FCOPY_COMPLETE:
	case HVP_FCOPY_CANCEL:
		return (int)sizeof(struct hvp_fcopy_header);
	}
	return -EINVAL;
}

static int build(const struct hvh_ic_link *link, uint8_t *body)
{
	const struct hvh_fcopy_request *request = (const struct hvh_fcopy_request *)link;
	const struct hvp_fcopy_header header = { .op = request->op };

	if (request->op == HVP_FCOPY_START)
		return build_start(request, body);
	if (request->op == HVP_FCOPY_WRITE)
		build_write(request, body);
	else
		memcpy(body, &header, sizeof(header));
	return 0;
}

/* --- requests ---------------------------------------------------------------------------------------- */

static uint64_t timeout_ns(const struct hvh_ic_link *link)
{
	(void)link;
	return TIMEOUT_NS;
}

static void tell(struct hvh_ic_link *link, int result, uint32_t status)
{
	struct hvh_fcopy_request *request = (struct hvh_fcopy_request *)link;

	request->done(request, result, status);
}

/* The file is over; what waits in the queue is of it. */
static void fail(struct fcopy *fcopy, struct hvh_ic_link *link, int result, uint32_t status)
{
	bool refused = ((struct hvh_fcopy_request *)link)->op == HVP_FCOPY_START && !result;
	struct hvh_ic_link *rest = hvh_ic_queue_take_all(&fcopy->queue);

	fcopy->file = FILE_NONE;
	/* What a guest that refused START has at that place is not ours to remove. */
	if (!refused && result != -ENOTCONN) {
		fcopy->cancelling = true;
		hvh_ic_queue_add(&fcopy->queue, &fcopy->own.link);
	}
	tell(link, result, status);
	while (rest) {
		link = rest;
		rest = link->next;
		tell(link, result == -ENOTCONN ? result : -ECANCELED, 0);
	}
}

static void done(struct ic_queue *queue, struct hvh_ic_link *link, int result, uint32_t status)
{
	struct fcopy *fcopy = (struct fcopy *)queue;
	const struct hvh_fcopy_request *request = (const struct hvh_fcopy_request *)link;

	if (request == &fcopy->own) {
		fcopy->cancelling = false;
		return;
	}
	if (request->op != HVP_FCOPY_CANCEL && (result || status != HVP_IC_SUCCESS)) {
		fail(fcopy, link, result, status);
		return;
	}
	if (request->op == HVP_FCOPY_WRITE) {
		fcopy->bytes += request->size;
	} else if (request->op == HVP_FCOPY_START) {
		/* Unless its end waits in the queue already. */
		if (fcopy->file == FILE_STARTING)
			fcopy->file = FILE_OPEN;
	} else {
		fcopy->file = FILE_NONE;
		fcopy->files += request->op == HVP_FCOPY_COMPLETE;
	}
	tell(link, result, status);
}

static void closed(struct ic_queue *queue)
{
	((struct fcopy *)queue)->file = FILE_NONE;
}

/* 0, or why not. */
static int check_order(const struct fcopy *fcopy, const struct hvh_fcopy_request *request)
{
	if (request->op == HVP_FCOPY_START)
		return fcopy->file != FILE_NONE || fcopy->cancelling ? -EBUSY : 0;
	if (fcopy->file == FILE_NONE || fcopy->file == FILE_ENDING)
		return -ENOENT;
	if (request->op == HVP_FCOPY_WRITE &&
	    (request->size > HVP_FCOPY_DATA || request->offset > fcopy->file_bytes ||
	     request->size > fcopy->file_bytes - request->offset))
		return -EINVAL;
	return 0;
}

int hvh_fcopy_request(struct hvh_device *device, struct hvh_fcopy_request *request)
{
	struct fcopy *fcopy = (struct fcopy *)device;
	int err = check_order(fcopy, request);

	/* Only names can be such as cannot be said. */
	if (!err)
		err = request->op == HVP_FCOPY_START ?
			      hvh_ic_queue_check(&fcopy->queue, &request->link) :
			      hvh_ic_queue_check_ready(&fcopy->queue);
	if (err)
		return err;
	if (request->op == HVP_FCOPY_START) {
		fcopy->file = FILE_STARTING;
		fcopy->file_bytes = request->bytes;
	} else if (request->op != HVP_FCOPY_WRITE) {
		fcopy->file = FILE_ENDING;
	}
	hvh_ic_queue_add(&fcopy->queue, &request->link);
	hvh_ic_queue_go_on(&fcopy->queue);
	return 0;
}

/* --- the service ------------------------------------------------------------------------------------- */

static void save(const struct hvh_device *device, struct hvh_state_writer *w)
{
	const struct fcopy *fcopy = (const struct fcopy *)device;

	hvh_state_begin(w, STATE_TAG, STATE_VERSION);
	hvh_ic_queue_save(&fcopy->queue, w);
	hvh_state_put_u32(w, fcopy->file != FILE_NONE || fcopy->cancelling);
	hvh_state_put_u64(w, fcopy->files);
	hvh_state_put_u64(w, fcopy->bytes);
	hvh_state_end(w);
}

static int load(struct hvh_device *device, struct hvh_state_reader *r)
{
	struct fcopy *fcopy = (struct fcopy *)device;
	bool open;
	int err;

	hvh_state_enter(r, STATE_TAG, STATE_VERSION);
	err = hvh_ic_queue_load(&fcopy->queue, r);
	open = hvh_state_get_u32(r) != 0;
	fcopy->files = hvh_state_get_u64(r);
	fcopy->bytes = hvh_state_get_u64(r);
	hvh_state_leave(r);
	if (err || r->err)
		return -EPROTO;
	/* Nobody goes on with the file that the guest has open. */
	if (open && fcopy->queue.ic.status.state == HVH_IC_READY) {
		fcopy->cancelling = true;
		hvh_ic_queue_add(&fcopy->queue, &fcopy->own.link);
		hvh_ic_queue_loaded(&fcopy->queue);
	}
	return 0;
}

static const struct ic_queue_class fcopy_class = {
	.ic = {
		IC_QUEUE_CLASS,
		.type = HVP_IC_FCOPY,
		.versions = versions,
		.version_count = sizeof(versions) / sizeof(versions[0]),
	},
	.timeout_max_ns = TIMEOUT_NS,
	.body_bytes = body_bytes,
	.build = build,
	.timeout_ns = timeout_ns,
	.done = done,
	.closed = closed,
};

static const struct hvh_device_ops fcopy_ops = {
	IC_QUEUE_OPS,
	.save = save,
	.load = load,
};

int hvh_fcopy_create(struct hvh_device **device)
{
	struct fcopy *fcopy = calloc(1, sizeof(*fcopy));

	if (!fcopy)
		return -ENOMEM;
	hvh_ic_queue_init(&fcopy->queue, &fcopy_class, &fcopy_ops, "fcopy",
			  (struct hvp_guid)HVP_CLASS_FCOPY, (struct hvp_guid)HVP_INSTANCE_FCOPY);
	fcopy->own.op = HVP_FCOPY_CANCEL;
	*device = &fcopy->queue.ic.device;
	return 0;
}

void hvh_fcopy_destroy(struct hvh_device *device)
{
	free(device);
}

void hvh_fcopy_status(const struct hvh_device *device, struct hvh_fcopy_status *status)
{
	const struct fcopy *fcopy = (const struct fcopy *)device;

	status->ic = fcopy->queue.ic.status;
	status->open = fcopy->file != FILE_NONE || fcopy->cancelling;
	status->files = fcopy->files;
	status->bytes = fcopy->bytes;
}
