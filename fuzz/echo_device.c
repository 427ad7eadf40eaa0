/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>
#include <string.h>

#include <hvh/hvh_state.h>

#include "fuzz/echo_device.h"

#define STATE_TAG HVH_STATE_TAG('E', 'C', 'H', 'O')

static struct echo_device *echo_of(struct hvh_device *device)
{
	return (struct echo_device *)device;
}

static int echo_open(struct hvh_device *device, struct hvh_channel *channel)
{
	struct echo_device *echo = echo_of(device);
	unsigned index = hvh_channel_index(channel);

	if (echo->behaviour.open_result)
		return echo->behaviour.open_result;
	echo->lanes[index].open = true;
	echo->lanes[index].kept_len = 0;
	if (index)
		return 0;
	if (echo->behaviour.subchannels)
		hvh_device_request_subchannels(device, echo->behaviour.subchannels);
	if (echo->behaviour.period_ns)
		hvh_device_arm(device, hvh_device_now(device) + echo->behaviour.period_ns);
	return 0;
}

/* False: no room yet, or never again. */
static bool send_kept(struct echo_device *echo, struct echo_lane *lane, struct hvh_channel *channel)
{
	int err;

	if (!lane->kept_len)
		return true;
	err = hvh_channel_send(channel, 0, lane->kept_id, lane->kept, lane->kept_len);
	if (err == -EAGAIN)
		return false;
	echo->echoed += !err;
	lane->kept_len = 0;
	return true;
}

static void echo_notify(struct hvh_device *device, struct hvh_channel *channel)
{
	struct echo_device *echo = echo_of(device);
	struct echo_lane *lane = &echo->lanes[hvh_channel_index(channel)];
	struct hvw_rx_packet packet;

	echo->notified++;
	while (send_kept(echo, lane, channel) && !hvh_channel_recv(channel, &packet)) {
		uint32_t len = packet.payload_len;

		if (packet.h.type != HVP_PACKET_INBAND || len > sizeof(lane->kept)) {
			hvh_channel_fail(channel, "not a packet to send back");
			return;
		}
		if (len && !hvh_channel_read(channel, &packet, packet.header_len, lane->kept, len)) {
			lane->kept_len = len;
			lane->kept_id = packet.h.transaction_id;
		}
	}
}

static void echo_close(struct hvh_device *device, struct hvh_channel *channel)
{
	struct echo_device *echo = echo_of(device);
	struct echo_lane *lane = &echo->lanes[hvh_channel_index(channel)];

	lane->open = false;
	if (echo->behaviour.slow)
		lane->draining = channel;
	else
		hvh_channel_stopped(channel);
}

void echo_device_drain(struct echo_device *echo)
{
	unsigned index;

	/* The first channel is closed when the others are, which may happen here. */
	for (index = ECHO_SUBCHANNELS + 1; index--;) {
		struct hvh_channel *channel = echo->lanes[index].draining;

		echo->lanes[index].draining = NULL;
		if (channel)
			hvh_channel_stopped(channel);
	}
}

static void echo_expire(struct hvh_device *device, uint64_t now_ns)
{
	struct echo_device *echo = echo_of(device);

	echo->expired++;
	if (echo->behaviour.period_ns)
		hvh_device_arm(device, now_ns + echo->behaviour.period_ns);
}

static void echo_save(const struct hvh_device *device, struct hvh_state_writer *w)
{
	const struct echo_device *echo = (const struct echo_device *)device;
	unsigned index;

	hvh_state_begin(w, STATE_TAG, 1);
	for (index = 0; index <= ECHO_SUBCHANNELS; index++) {
		const struct echo_lane *lane = &echo->lanes[index];

		hvh_state_put_u32(w, lane->open);
		hvh_state_put_u32(w, lane->kept_len);
		hvh_state_put_u64(w, lane->kept_id);
		hvh_state_put_bytes(w, lane->kept, lane->kept_len);
	}
	hvh_state_end(w);
}

static int echo_load(struct hvh_device *device, struct hvh_state_reader *r)
{
	struct echo_device *echo = echo_of(device);
	unsigned index;

	hvh_state_enter(r, STATE_TAG, 1);
	for (index = 0; index <= ECHO_SUBCHANNELS; index++) {
		struct echo_lane *lane = &echo->lanes[index];
		uint32_t len;

		lane->open = hvh_state_get_u32(r) != 0;
		len = hvh_state_get_u32(r);
		lane->kept_id = hvh_state_get_u64(r);
		if (len > sizeof(lane->kept))
			return -EPROTO;
		hvh_state_get_bytes(r, lane->kept, len);
		lane->kept_len = len;
	}
	hvh_state_leave(r);
	if (echo->lanes[0].open && echo->behaviour.period_ns)
		hvh_device_arm(device, hvh_device_now(device) + echo->behaviour.period_ns);
	return r->err;
}

static const struct hvh_device_ops echo_ops = {
	.open = echo_open,
	.notify = echo_notify,
	.close = echo_close,
	.expire = echo_expire,
	.save = echo_save,
	.load = echo_load,
};

void echo_device_init(struct echo_device *echo, uint8_t instance)
{
	memset(echo, 0, sizeof(*echo));
	echo->device.name = "echo";
	echo->device.ops = &echo_ops;
	echo->device.class_id.b[0] = 0xec;
	echo->device.instance_id.b[0] = instance;
	echo->device.instance_id.b[15] = 1;
	echo->device.subchannels_max = ECHO_SUBCHANNELS;
}
