/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The peer: the VMBus driver of DPDK, used through its public functions. One message is:
 * rte_vmbus_chan_send(), which finds room, claims it with a locked instruction (several threads may
 * send), writes descriptor, payload, padding and trailer, publishes the write index with a locked
 * instruction, has a full barrier and decides on the signal. Then rte_vmbus_chan_recv(), which copies the
 * descriptor out, checks it, copies the payload, publishes the read index and, because the ring has
 * the feature bit set (as ours has), has a full barrier and decides on the space signal.
 */
#if !__has_include(<rte_bus_vmbus.h>)
#error "no headers of DPDK's VMBus driver: scripts/deps bench installs them"
#endif
#include <rte_bus_vmbus.h>
#include <rte_version.h>

#include "ring_loop.inc"

/*
 * A channel comes from a device that the kernel's uio_hv_generic driver holds. There is none here, so
 * this makes the part of a channel that sending and receiving use: DPDK's private structure in the
 * layout of version 22.11 on 64-bit processors. A wrong layout cannot measure something else: each
 * message is checked, and messages are exchanged with our ring before the first run.
 */
struct dpdk_ring {
	struct vmbus_bufring *control;
	uint32_t data_bytes;
	uint32_t write_index; /* claimed by senders */
};

struct dpdk_channel {
	void *list_and_device[4];
	struct dpdk_ring rx;
	struct dpdk_ring tx;
	uint16_t relid;
	uint16_t subchannel;
	uint8_t monitor_id;
	struct vmbus_mon_page *monitor; /* a space signal sets a bit here */
} __attribute__((aligned(128)));

_Static_assert(offsetof(struct dpdk_channel, rx) == 0x20 &&
		       offsetof(struct dpdk_channel, tx) == 0x30 &&
		       offsetof(struct dpdk_channel, monitor_id) == 0x44 &&
		       offsetof(struct dpdk_channel, monitor) == 0x48,
	       "layout of DPDK's channel");

/* As on our side, one for each half. */
static struct dpdk_channel sender, receiver;
static struct vmbus_mon_page monitor;

RING_INLINE struct vmbus_channel *channel_of(struct dpdk_channel *channel)
{
	return (struct vmbus_channel *)(void *)channel;
}

RING_INLINE int side_send(const void *payload, uint32_t len, uint64_t id, bool *signal)
{
	/* The function only reads the payload; its prototype does not say so. */
	return rte_vmbus_chan_send(channel_of(&sender), VMBUS_CHANPKT_TYPE_INBAND,
				   (void *)(uintptr_t)payload, len, id, VMBUS_CHANPKT_FLAG_NONE,
				   signal);
}

RING_INLINE int side_recv(void *payload, uint32_t size, uint32_t *len, uint64_t *id)
{
	*len = size;
	return rte_vmbus_chan_recv(channel_of(&receiver), payload, len, id);
}

static void open_ring(void *memory, size_t bytes)
{
	struct vmbus_bufring *control = memory;
	struct dpdk_ring ring = {
		.control = control,
		.data_bytes = (uint32_t)bytes - 4096u,
		.write_index = control->windex,
	};

	control->feature_bits.feat_pending_send_sz = 1;
	sender = (struct dpdk_channel){ .rx = ring, .tx = ring, .monitor = &monitor };
	receiver = sender;
}

const char *ring_dpdk_version(void)
{
	return rte_version();
}

const struct ring_side ring_side_dpdk = {
	.name = "dpdk",
	.open = open_ring,
	.send = send_one,
	.recv = recv_one,
	.run_alone = run_alone,
	.run_producer = run_producer,
	.run_consumer = run_consumer,
};
