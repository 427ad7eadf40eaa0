/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What a channel's device and the guest exchange. Owner loop.
 */
#include <errno.h>

#include "server_priv.h"

#include "hvw_pkt.h"

/* Only the owner loop writes a counter: no locked instruction is needed. */
static void count(_Atomic uint64_t *counter)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

static void signal_guest(struct hvh_channel *channel)
{
	uint32_t vp = atomic_load_explicit(&channel->target_vp, memory_order_relaxed);

	count(&channel->signals_out);
	if (vp != HVP_TARGET_VP_NONE)
		channel->server->ops->signal(channel->server->ctx, vp, HVP_VMBUS_SINT, channel->id);
}

/* The device's own timer runs on its first channel. */
static uint64_t device_deadline(const struct hvh_channel *channel)
{
	return channel->device->channel == channel ? channel->device->deadline_ns : 0;
}

static void arm(struct hvh_channel *channel)
{
	uint64_t first = device_deadline(channel);

	if (channel->retry_ns && (!first || channel->retry_ns < first))
		first = channel->retry_ns;
	channel->server->ops->timer(channel->server->ctx, channel, first);
}

/* Notify the device again at `when_ns`, unless that is due earlier already. */
static void retry_at(struct hvh_channel *channel, uint64_t when_ns)
{
	when_ns += !when_ns; /* 0 is "never" */
	if (channel->retry_ns && channel->retry_ns <= when_ns)
		return;
	channel->retry_ns = when_ns;
	arm(channel);
}

void hvh_channel_give_back(struct hvh_channel *channel)
{
	if (hvw_rx_release(&channel->rx))
		signal_guest(channel);
}

int hvh_channel_start(struct hvh_channel *channel)
{
	struct hvh_device *device = channel->device;
	int err;

	if (!channel->restored) {
		channel->broken = false;
		err = device->ops->open(device, channel);
		if (err)
			return err;
	}
	channel->running = true;
	if (device_deadline(channel))
		arm(channel);
	return 0;
}

void hvh_channel_stop(struct hvh_channel *channel)
{
	struct hvh_device *device = channel->device;

	channel->retry_ns = 0;
	if (device->channel == channel)
		device->deadline_ns = 0;
	arm(channel);
	channel->running = false;
	device->ops->close(device, channel);
}

unsigned hvh_channel_index(const struct hvh_channel *channel)
{
	return channel->index;
}

void hvh_channel_stopped(struct hvh_channel *channel)
{
	channel->server->ops->channel_drained(channel->server->ctx, channel);
}

static void notify(struct hvh_channel *channel)
{
	/* Late or early, for a channel that is stopped or not open to the guest's knowledge, it is for nobody. */
	if (!channel->running || !channel->announced || channel->broken)
		return;
	channel->budget = RECV_BUDGET;
	hvw_rx_mask(&channel->rx);
	channel->device->ops->notify(channel->device, channel);
}

void hvh_channel_notify(struct hvh_channel *channel)
{
	count(&channel->signals_in);
	notify(channel);
}

void hvh_channel_attend(struct hvh_channel *channel)
{
	if (!channel->running)
		return;
	hvh_share_attend(channel);
	notify(channel);
}

static int broken(struct hvh_channel *channel, const char *why)
{
	if (!channel->broken)
		hvh_server_log(channel->server, &channel->server->violation_limit, HVH_LOG_WARNING,
			       "%s: channel %u is broken: %s", channel->name, channel->id, why);
	channel->broken = true;
	return -EPROTO;
}

void hvh_channel_fail(struct hvh_channel *channel, const char *why)
{
	(void)broken(channel, why);
}

static void trace_received(const struct hvh_channel *channel, const struct hvw_rx_packet *packet)
{
	const struct hvw_rx *rx = &channel->rx;
	uint32_t at = hvw_ring_wrap(packet->start + packet->header_len, rx->size);
	uint32_t first = rx->size - at < packet->payload_len ? rx->size - at : packet->payload_len;
	const struct hvh_trace_packet trace = {
		.channel = channel,
		.direction = HVP_TO_HOST,
		.type = packet->h.type,
		.flags = packet->h.flags,
		.transaction_id = packet->h.transaction_id,
		.payload = { { (void *)(rx->data + at), first },
			     { (void *)rx->data, packet->payload_len - first } },
	};

	channel->server->ops->trace_packet(channel->server->ctx, &trace);
}

/* The payload is the last piece, whatever header stands in front of it. */
static void trace_sent(const struct hvh_channel *channel, uint16_t type, uint16_t flags,
		       uint64_t transaction_id, const struct hvw_piece *payload)
{
	const struct hvh_trace_packet trace = {
		.channel = channel,
		.direction = HVP_TO_GUEST,
		.type = type,
		.flags = flags,
		.transaction_id = transaction_id,
		.payload = { { (void *)payload->data, payload->len } },
	};

	channel->server->ops->trace_packet(channel->server->ctx, &trace);
}

void hvh_channel_trace(const struct hvh_channel *channel, enum hvp_direction direction,
		       uint64_t transaction_id, const void *bytes, uint32_t len)
{
	const struct hvh_trace_packet trace = {
		.channel = channel,
		.direction = direction,
		.transaction_id = transaction_id,
		.named = true,
		.payload = { { (void *)bytes, len } },
	};

	if (__builtin_expect(channel->server->ops->trace_packet != NULL, 0))
		channel->server->ops->trace_packet(channel->server->ctx, &trace);
}

int hvh_channel_recv(struct hvh_channel *channel, struct hvw_rx_packet *packet)
{
	int err;

	if (channel->broken || !channel->running)
		return -EPROTO;
	for (; channel->budget; channel->budget--) {
		err = hvw_rx_next(&channel->rx, packet);
		if (!err) {
			channel->budget--;
			count(&channel->packets_in);
			if (__builtin_expect(channel->server->ops->trace_packet != NULL, 0))
				trace_received(channel, packet);
			return 0;
		}
		if (err != -EAGAIN)
			return broken(channel, "impossible packet or index in the guest's ring");
		hvh_channel_give_back(channel);
		if (!hvw_rx_unmask(&channel->rx))
			return -EAGAIN;
		hvw_rx_mask(&channel->rx);
	}
	/* Signals stay masked: the rest is taken by a notification of our own, after the loop's other work. */
	hvh_channel_give_back(channel);
	retry_at(channel, hvh_device_now(channel->device));
	return -EAGAIN;
}

int hvh_channel_read(struct hvh_channel *channel, const struct hvw_rx_packet *packet,
		     uint32_t offset, void *dst, uint32_t len)
{
	return hvw_rx_copy(&channel->rx, packet, offset, dst, len);
}

void hvh_channel_flush(struct hvh_channel *channel)
{
	if (hvw_tx_commit(&channel->tx))
		signal_guest(channel);
}

int hvh_channel_put(struct hvh_channel *channel, uint16_t type, uint16_t flags,
		    uint64_t transaction_id, uint32_t header, const struct hvw_piece *pieces,
		    unsigned npieces)
{
	uint32_t total = 0;
	unsigned i;
	int err;

	if (channel->broken || !channel->running)
		return -EPROTO;
	do {
		err = hvw_tx_put(&channel->tx, type, flags, transaction_id, header, pieces,
				 npieces);
		if (!err) {
			count(&channel->packets_out);
			if (__builtin_expect(channel->server->ops->trace_packet != NULL, 0))
				trace_sent(channel, type, flags, transaction_id,
					   &pieces[npieces - 1]);
			return 0;
		}
		if (err != -EAGAIN)
			break;
		for (i = 0, total = 0; i < npieces; i++)
			total += pieces[i].len;
		/* What the guest does not see it cannot take away. */
		hvh_channel_flush(channel);
		err = hvw_tx_want_space(&channel->tx, hvw_packet_space(0, total));
	} while (!err);
	if (err == -EAGAIN) {
		retry_at(channel, hvh_device_now(channel->device) + SEND_RETRY_NS);
	} else if (err == -EPROTO) {
		return broken(channel, "impossible index in the host's ring");
	}
	return err;
}

int hvh_channel_send(struct hvh_channel *channel, uint16_t flags, uint64_t transaction_id,
		     const void *payload, uint32_t len)
{
	const struct hvw_piece piece = { payload, len };
	int err = hvh_channel_put(channel, HVP_PACKET_INBAND, flags, transaction_id, 0, &piece, 1);

	if (!err)
		hvh_channel_flush(channel);
	return err;
}

void hvh_channel_unread(struct hvh_channel *channel, const struct hvw_rx_packet *packet)
{
	struct hvw_rx *rx = &channel->rx;

	rx->filled += packet->header_len + packet->payload_len + HVP_PACKET_TRAILER;
	rx->read = packet->start;
}

bool hvh_channel_idle(struct hvh_channel *channel)
{
	uint64_t passed = channel->packets_in + channel->packets_out;
	bool idle = passed == channel->idle_passed && hvw_rx_drained(&channel->rx) &&
		    channel->tx.write == channel->tx.published && hvw_tx_drained(&channel->tx);

	channel->idle_passed = passed;
	return idle;
}

/* More page numbers than any guest puts into one packet. */
#define PIN_HEADER_MAX 4096u

/* Adds [address, address + len) of one page. */
static int add_piece(struct iovec *iov, unsigned *iovs, unsigned iovs_max, uint8_t *address,
		     size_t len)
{
	if (*iovs && (uint8_t *)iov[*iovs - 1].iov_base + iov[*iovs - 1].iov_len == address) {
		iov[*iovs - 1].iov_len += len;
		return 0;
	}
	if (*iovs == iovs_max)
		return -EMSGSIZE;
	iov[*iovs].iov_base = address;
	iov[(*iovs)++].iov_len = len;
	return 0;
}

static int pin_range(const struct hvh_channel *channel, const struct hvw_gpa_range *range,
		     struct iovec *iov, unsigned *iovs, unsigned iovs_max)
{
	uint32_t offset = range->byte_offset, left = range->byte_count, i;

	for (i = 0; i < range->page_count; i++) {
		uint8_t *page = hvh_mem_page(channel->server->mem, hvw_gpa_page(range, i));
		uint32_t step = left < HVP_PAGE_SIZE - offset ? left : HVP_PAGE_SIZE - offset;
		int err;

		if (!page)
			return -EPROTO;
		err = add_piece(iov, iovs, iovs_max, page + offset, step);
		if (err)
			return err;
		left -= step;
		offset = 0;
	}
	return 0;
}

int hvh_channel_pin(struct hvh_channel *channel, const struct hvw_rx_packet *packet,
		    struct iovec *iov, unsigned iovs_max, uint32_t *bytes)
{
	struct {
		struct hvp_gpa_direct h;
		uint8_t ranges[PIN_HEADER_MAX];
	} head;
	uint32_t len = packet->header_len - (uint32_t)sizeof(struct hvp_packet);
	struct hvw_gpa_iter iter;
	struct hvw_gpa_range range;
	uint64_t total = 0;
	unsigned iovs = 0;
	int err;

	if (len < sizeof(head.h))
		return -EPROTO;
	if (len > sizeof(head))
		return -EMSGSIZE;
	err = hvh_channel_read(channel, packet, sizeof(struct hvp_packet), &head, len);
	if (err)
		return err;
	hvw_gpa_iter_init(&iter, head.ranges, len - sizeof(head.h), head.h.range_count);
	while (!(err = hvw_gpa_iter_next(&iter, &range))) {
		err = pin_range(channel, &range, iov, &iovs, iovs_max);
		if (err)
			return err;
		total += range.byte_count;
	}
	if (err != -EAGAIN)
		return err;
	if (total > UINT32_MAX)
		return -EMSGSIZE;
	*bytes = (uint32_t)total;
	return (int)iovs;
}

/* Page by page: what is one piece of ours may be several regions of the guest's. */
void hvh_channel_written(struct hvh_channel *channel, const struct iovec *iov, unsigned iovs)
{
	struct hvh_mem *mem = channel->server->mem;
	unsigned i;

	if (!hvh_mem_logging(mem))
		return;
	for (i = 0; i < iovs; i++) {
		const uint8_t *at = iov[i].iov_base;
		size_t left = iov[i].iov_len;

		while (left) {
			size_t step = HVP_PAGE_SIZE - (uintptr_t)at % HVP_PAGE_SIZE;

			step = step < left ? step : left;
			hvh_mem_written(mem, at, step);
			at += step;
			left -= step;
		}
	}
}

void hvh_device_arm(struct hvh_device *device, uint64_t deadline_ns)
{
	device->deadline_ns = deadline_ns;
	/* While a channel is opened or loaded it has no owner yet: hvh_channel_start() arms then. */
	if (device->channel && device->channel->running)
		arm(device->channel);
}

uint64_t hvh_device_now(const struct hvh_device *device)
{
	return device->server->ops->now_ns(device->server->ctx);
}

void hvh_channel_expire(struct hvh_channel *channel, uint64_t now_ns)
{
	struct hvh_device *device = channel->device;
	uint64_t deadline_ns;

	/* A timer that could not be cancelled in time. */
	if (!channel->running)
		return;
	if (channel->retry_ns && now_ns >= channel->retry_ns) {
		channel->retry_ns = 0;
		notify(channel);
	}
	deadline_ns = device_deadline(channel);
	if (deadline_ns && now_ns >= deadline_ns) {
		device->deadline_ns = 0;
		device->ops->expire(device, now_ns);
	}
	arm(channel);
}
