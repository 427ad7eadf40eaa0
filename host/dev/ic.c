/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>
#include <string.h>

#include <hvh/hvh_state.h>

#include "ic_priv.h"

#define STATE_TAG     HVH_STATE_TAG('I', 'C', 'F', 'W')
#define STATE_VERSION 1

static const struct hvp_ic_version framework_versions[] = { { 1, 0 }, { 3, 0 } };
#define FRAMEWORK_COUNT (sizeof(framework_versions) / sizeof(framework_versions[0]))

void hvh_ic_init(struct ic *ic, const struct ic_class *class, const struct hvh_device_ops *ops,
		 const char *name, struct hvp_guid class_id, struct hvp_guid instance_id)
{
	const uint32_t mode = HVP_PIPE_MODE_MESSAGE;

	ic->class = class;
	ic->device.name = name;
	ic->device.ops = ops;
	ic->device.class_id = class_id;
	ic->device.instance_id = instance_id;
	ic->device.offer_flags = HVP_OFFER_ENUMERATE_DEVICE | HVP_OFFER_NAMED_PIPE;
	memcpy(ic->device.user_data, &mode, sizeof(mode));
}

static void negotiate(struct ic *ic)
{
	uint8_t message[128];
	int len = hvw_ic_build_negotiate(message, sizeof(message), framework_versions,
					 FRAMEWORK_COUNT, ic->class->versions,
					 ic->class->version_count);

	if (len < 0)
		return;
	/* No room in a fresh ring: a strange guest; the next notification tries again. */
	if (hvh_channel_send(ic->channel, 0, 0, message, (uint32_t)len))
		return;
	ic->negotiate_due = false;
	ic->status.state = HVH_IC_NEGOTIATING;
}

int hvh_ic_open(struct hvh_device *device, struct hvh_channel *channel)
{
	struct ic *ic = (struct ic *)device;

	memset(&ic->status, 0, sizeof(ic->status));
	ic->channel = channel;
	ic->outstanding = false;
	/* Nothing may be written before the guest knows that the channel is open: the first notification does it. */
	ic->negotiate_due = true;
	ic->status.state = HVH_IC_NEGOTIATING;
	return 0;
}

void hvh_ic_forget(struct ic *ic)
{
	ic->outstanding = false;
}

static void lose(struct ic *ic)
{
	ic->class->lost(ic);
	hvh_ic_forget(ic);
}

void hvh_ic_close(struct hvh_device *device, struct hvh_channel *channel)
{
	struct ic *ic = (struct ic *)device;

	ic->channel = NULL;
	ic->negotiate_due = false;
	ic->status.state = HVH_IC_CLOSED;
	lose(ic);
	hvh_channel_stopped(channel);
}

static bool accept_choice(struct ic *ic, const struct hvw_ic *message)
{
	int err;

	if (ic->status.state != HVH_IC_NEGOTIATING || ic->negotiate_due ||
	    message->h.transaction_id != 0)
		return false;
	err = hvw_ic_parse_choice(message, framework_versions, FRAMEWORK_COUNT, ic->class->versions,
				  ic->class->version_count, &ic->status.framework,
				  &ic->status.message);
	if (err == -EOPNOTSUPP) {
		ic->status.state = HVH_IC_UNUSABLE;
		return true;
	}
	if (err)
		return false;
	ic->status.state = HVH_IC_READY;
	ic->class->ready(ic);
	return true;
}

static bool accept(struct ic *ic, const struct hvw_ic *message)
{
	if (!(message->h.flags & HVP_IC_FLAG_RESPONSE))
		return false;
	if (message->h.type == HVP_IC_NEGOTIATE)
		return accept_choice(ic, message);
	if (message->h.type != ic->class->type || !ic->outstanding ||
	    message->h.transaction_id != ic->transaction)
		return false;
	ic->outstanding = false;
	if (!ic->class->reply(ic, message))
		return false;
	ic->status.replies++;
	return true;
}

void hvh_ic_notify(struct hvh_device *device, struct hvh_channel *channel)
{
	struct ic *ic = (struct ic *)device;
	struct hvw_rx_packet packet;

	while (!hvh_channel_recv(channel, &packet)) {
		uint8_t copy[IC_MESSAGE_MAX];
		uint32_t len = packet.payload_len < sizeof(copy) ? packet.payload_len :
								   sizeof(copy);
		struct hvw_ic message;

		if (packet.h.type != HVP_PACKET_INBAND ||
		    hvh_channel_read(channel, &packet, packet.header_len, copy, len))
			len = 0;
		/*
		 * What is sent from here on the guest may answer before we look again, and its ring may hold no two answers: Linux
		 * drops one that finds no room.
		 */
		hvh_channel_give_back(channel);
		if (hvw_ic_parse(&message, copy, len) || !accept(ic, &message))
			ic->status.violations++;
	}
	if (ic->negotiate_due)
		negotiate(ic);
}

int hvh_ic_request(struct ic *ic, void *message, size_t body_len)
{
	struct hvp_ic_header h = {
		.framework = ic->status.framework,
		.type = ic->class->type,
		.message = ic->status.message,
		.size = (uint16_t)body_len,
		.transaction_id = (uint8_t)(ic->transaction + 1),
		.flags = HVP_IC_FLAG_TRANSACTION | HVP_IC_FLAG_REQUEST,
	};
	int err;

	if (ic->status.state != HVH_IC_READY)
		return -ENOTCONN;
	if (ic->outstanding)
		return -EBUSY;
	err = hvh_channel_send(ic->channel, 0, 0, message, (uint32_t)hvw_ic_build(message, &h));
	if (err)
		return err;
	ic->transaction = h.transaction_id;
	ic->outstanding = true;
	ic->status.requests++;
	return 0;
}

const char *hvh_ic_state_name(enum hvh_ic_state state)
{
	static const char *const names[] = {
		[HVH_IC_CLOSED] = "closed",
		[HVH_IC_NEGOTIATING] = "negotiating",
		[HVH_IC_READY] = "ready",
		[HVH_IC_UNUSABLE] = "unusable",
	};

	return names[state];
}

void hvh_ic_save(const struct ic *ic, struct hvh_state_writer *w)
{
	hvh_state_begin(w, STATE_TAG, STATE_VERSION);
	hvh_state_put_u32(w, ic->status.state);
	hvh_state_put_bytes(w, &ic->status.framework, sizeof(ic->status.framework));
	hvh_state_put_bytes(w, &ic->status.message, sizeof(ic->status.message));
	hvh_state_put_u64(w, ic->status.requests);
	hvh_state_put_u64(w, ic->status.replies);
	hvh_state_put_u64(w, ic->status.violations);
	hvh_state_put_u32(w, ic->negotiate_due);
	hvh_state_put_u32(w, ic->outstanding);
	hvh_state_put_u32(w, ic->transaction);
	hvh_state_end(w);
}

void hvh_ic_save_deadline(const struct ic *ic, struct hvh_state_writer *w)
{
	uint64_t deadline_ns = ic->device.deadline_ns, now_ns = hvh_device_now(&ic->device);

	/* Clocks start anew where the state is loaded; 0 is "none". */
	hvh_state_put_u64(w, !deadline_ns ? 0 : deadline_ns > now_ns ? deadline_ns - now_ns : 1);
}

void hvh_ic_load_deadline(struct ic *ic, struct hvh_state_reader *r, uint64_t longest_ns)
{
	uint64_t left_ns = hvh_state_get_u64(r);

	if (left_ns > longest_ns)
		hvh_state_refuse(r);
	else if (left_ns)
		hvh_device_arm(&ic->device, hvh_device_now(&ic->device) + left_ns);
}

static bool version_listed(const struct hvp_ic_version *list, unsigned count,
			   struct hvp_ic_version version)
{
	unsigned i;

	for (i = 0; i < count; i++)
		if (list[i].major == version.major && list[i].minor == version.minor)
			return true;
	return false;
}

/* What no sequence of events leads to. */
static bool impossible(const struct ic *ic, uint32_t state, uint32_t transaction)
{
	if (state > HVH_IC_UNUSABLE || transaction > UINT8_MAX)
		return true;
	if (state == HVH_IC_READY &&
	    (!version_listed(framework_versions, FRAMEWORK_COUNT, ic->status.framework) ||
	     !version_listed(ic->class->versions, ic->class->version_count, ic->status.message)))
		return true;
	return (ic->negotiate_due && state != HVH_IC_NEGOTIATING) ||
	       (ic->outstanding && state != HVH_IC_READY);
}

int hvh_ic_load(struct ic *ic, struct hvh_state_reader *r)
{
	uint32_t state, transaction;

	hvh_state_enter(r, STATE_TAG, STATE_VERSION);
	state = hvh_state_get_u32(r);
	hvh_state_get_bytes(r, &ic->status.framework, sizeof(ic->status.framework));
	hvh_state_get_bytes(r, &ic->status.message, sizeof(ic->status.message));
	ic->status.requests = hvh_state_get_u64(r);
	ic->status.replies = hvh_state_get_u64(r);
	ic->status.violations = hvh_state_get_u64(r);
	ic->negotiate_due = hvh_state_get_u32(r) != 0;
	ic->outstanding = hvh_state_get_u32(r) != 0;
	transaction = hvh_state_get_u32(r);
	hvh_state_leave(r);
	if (!r->err && impossible(ic, state, transaction))
		hvh_state_refuse(r);
	if (r->err)
		return r->err;
	ic->status.state = state;
	ic->transaction = (uint8_t)transaction;
	ic->channel = state == HVH_IC_CLOSED ? NULL : ic->device.channel;
	return 0;
}
