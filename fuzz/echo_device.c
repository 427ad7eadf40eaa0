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

	(void)channel;
	if (echo->open_result)
		return echo->open_result;
	echo->open = true;
	echo->kept_len = 0;
	if (echo->period_ns)
		hvh_device_arm(device, hvh_device_now(device) + echo->period_ns);
	return 0;
}

/* False: no room yet, or never again. */
static bool send_kept(struct echo_device *echo, struct hvh_channel *channel)
{
	int err;

	if (!echo->kept_len)
		return true;
	err = hvh_channel_send(channel, 0, echo->kept_id, echo->kept, echo->kept_len);
	if (err == -EAGAIN)
		return false;
	echo->echoed += !err;
	echo->kept_len = 0;
	return true;
}

static void echo_notify(struct hvh_device *device, struct hvh_channel *channel)
{
	struct echo_device *echo = echo_of(device);
	struct hvw_rx_packet packet;

	echo->notified++;
	while (send_kept(echo, channel) && !hvh_channel_recv(channel, &packet)) {
		uint32_t len = packet.payload_len;

		if (packet.h.type != HVP_PACKET_INBAND || len > sizeof(echo->kept)) {
			hvh_channel_fail(channel, "not a packet to send back");
			return;
		}
		if (len && !hvh_channel_read(channel, &packet, packet.header_len, echo->kept, len)) {
			echo->kept_len = len;
			echo->kept_id = packet.h.transaction_id;
		}
	}
}

static void echo_close(struct hvh_device *device, struct hvh_channel *channel)
{
	struct echo_device *echo = echo_of(device);

	echo->open = false;
	if (echo->slow)
		echo->draining = channel;
	else
		hvh_channel_stopped(channel);
}

void echo_device_drain(struct echo_device *echo)
{
	struct hvh_channel *channel = echo->draining;

	echo->draining = NULL;
	if (channel)
		hvh_channel_stopped(channel);
}

static void echo_expire(struct hvh_device *device, uint64_t now_ns)
{
	struct echo_device *echo = echo_of(device);

	echo->expired++;
	hvh_device_arm(device, now_ns + echo->period_ns);
}

static void echo_save(const struct hvh_device *device, struct hvh_state_writer *w)
{
	const struct echo_device *echo = (const struct echo_device *)device;

	hvh_state_begin(w, STATE_TAG, 1);
	hvh_state_put_u32(w, echo->kept_len);
	hvh_state_put_u64(w, echo->kept_id);
	hvh_state_put_bytes(w, echo->kept, echo->kept_len);
	hvh_state_end(w);
}

static int echo_load(struct hvh_device *device, struct hvh_state_reader *r)
{
	struct echo_device *echo = echo_of(device);
	uint32_t len;

	hvh_state_enter(r, STATE_TAG, 1);
	len = hvh_state_get_u32(r);
	echo->kept_id = hvh_state_get_u64(r);
	if (len > sizeof(echo->kept))
		return -EPROTO;
	hvh_state_get_bytes(r, echo->kept, len);
	echo->kept_len = len;
	hvh_state_leave(r);
	echo->open = true;
	if (echo->period_ns)
		hvh_device_arm(device, hvh_device_now(device) + echo->period_ns);
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
}
