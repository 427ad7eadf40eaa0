/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Shutdown: ask the guest to power off, restart or hibernate. Its answer means "accepted".
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <hvh/hvh_state.h>

#include "ic_priv.h"

#define STATE_TAG     HVH_STATE_TAG('S', 'H', 'U', 'T')
#define STATE_VERSION 1

#define TIMEOUT_NS (HVH_SHUTDOWN_TIMEOUT_MS * 1000000ull)

static const struct hvp_ic_version versions[] = { { 1, 0 }, { 3, 0 }, { 3, 1 }, { 3, 2 } };

struct shutdown {
	struct ic ic;
	hvh_shutdown_done done; /* NULL: nobody waits */
	void *ctx;
};

static void finish(struct shutdown *sd, int result, uint32_t status)
{
	hvh_shutdown_done done = sd->done;

	sd->done = NULL;
	hvh_device_arm(&sd->ic.device, 0);
	if (done)
		done(sd->ctx, result, status);
}

static void ready(struct ic *ic)
{
	(void)ic;
}

static bool reply(struct ic *ic, const struct hvw_ic *message)
{
	finish((struct shutdown *)ic, 0, message->h.status);
	return true;
}

static void lost(struct ic *ic)
{
	finish((struct shutdown *)ic, -ENOTCONN, 0);
}

static void expire(struct hvh_device *device, uint64_t now_ns)
{
	struct shutdown *sd = (struct shutdown *)device;

	(void)now_ns;
	hvh_ic_forget(&sd->ic);
	finish(sd, -ETIMEDOUT, 0);
}

/* Who asked is not saved: the request is simply no longer waited for. */
static void save(const struct hvh_device *device, struct hvh_state_writer *w)
{
	const struct shutdown *sd = (const struct shutdown *)device;

	hvh_state_begin(w, STATE_TAG, STATE_VERSION);
	hvh_ic_save(&sd->ic, w);
	hvh_ic_save_deadline(&sd->ic, w);
	hvh_state_end(w);
}

static int load(struct hvh_device *device, struct hvh_state_reader *r)
{
	struct shutdown *sd = (struct shutdown *)device;
	int err;

	hvh_state_enter(r, STATE_TAG, STATE_VERSION);
	err = hvh_ic_load(&sd->ic, r);
	hvh_ic_load_deadline(&sd->ic, r, TIMEOUT_NS);
	hvh_state_leave(r);
	return err || r->err ? -EPROTO : 0;
}

static const struct ic_class shutdown_class = {
	.type = HVP_IC_SHUTDOWN,
	.versions = versions,
	.version_count = sizeof(versions) / sizeof(versions[0]),
	.ready = ready,
	.reply = reply,
	.lost = lost,
};

static const struct hvh_device_ops shutdown_ops = {
	.open = hvh_ic_open,
	.notify = hvh_ic_notify,
	.close = hvh_ic_close,
	.expire = expire,
	.save = save,
	.load = load,
};

int hvh_shutdown_create(struct hvh_device **device)
{
	struct shutdown *sd = calloc(1, sizeof(*sd));

	if (!sd)
		return -ENOMEM;
	hvh_ic_init(&sd->ic, &shutdown_class, &shutdown_ops, "shutdown",
		    (struct hvp_guid)HVP_CLASS_SHUTDOWN, (struct hvp_guid)HVP_INSTANCE_SHUTDOWN);
	*device = &sd->ic.device;
	return 0;
}

void hvh_shutdown_destroy(struct hvh_device *device)
{
	free(device);
}

void hvh_shutdown_status(const struct hvh_device *device, struct hvh_ic_status *status)
{
	*status = ((const struct ic *)device)->status;
}

static bool version_below(struct hvp_ic_version version, unsigned major, unsigned minor)
{
	return version.major < major || (version.major == major && version.minor < minor);
}

int hvh_shutdown_request(struct hvh_device *device, uint32_t flags, const char *text,
			 hvh_shutdown_done done, void *ctx)
{
	struct shutdown *sd = (struct shutdown *)device;
	struct hvp_ic_shutdown body = { .reason = HVP_SHUTDOWN_REASON_PLANNED, .flags = flags };
	uint8_t message[HVW_IC_HEADERS + sizeof(body)];
	size_t i;
	int err;

	if (sd->ic.status.state != HVH_IC_READY)
		return -ENOTCONN;
	if ((flags & HVP_SHUTDOWN_RESTART && version_below(sd->ic.status.message, 3, 1)) ||
	    (flags & HVP_SHUTDOWN_HIBERNATE && version_below(sd->ic.status.message, 3, 2)))
		return -EOPNOTSUPP;
	for (i = 0; text && text[i] && i < sizeof(body.text) / sizeof(body.text[0]) - 1; i++)
		body.text[i] = (uint8_t)text[i];
	memcpy(message + HVW_IC_HEADERS, &body, sizeof(body));
	err = hvh_ic_request(&sd->ic, message, sizeof(body));
	if (err)
		return err;
	sd->done = done;
	sd->ctx = ctx;
	hvh_device_arm(device, hvh_device_now(device) + TIMEOUT_NS);
	return 0;
}
