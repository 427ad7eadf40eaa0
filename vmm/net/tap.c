/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A TAP interface: frames go to the kernel, and come from it, with a virtio_net_hdr in front, by which it takes large frames
 * whole and frames without checksums. Each queue of the NIC has a queue of the interface, on its own loop; which of them
 * gets a frame the kernel chooses, by where the guest has sent that flow from. A queue that the guest has not opened
 * is detached, so that it gets none.
 */
#include "vmm/net/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <hvh/hvh_net.h>
#include <hvh/hvh_server.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/loop.h"
#include "vmm/net/nic.h"

/* A large frame, and what stands beside it. */
#define FRAME_MAX (65536u + HVH_NET_FRAME_MIN + 4u)

/* Frames that are read before others have their turn. */
#define READ_BATCH 64u

/* Pieces of a frame, at most: those of the device's, and the header. */
#define IOVS_MAX 192u

struct tap_queue {
	struct tap *tap;
	unsigned index;
	int fd;
	struct vmm_loop *loop; /* NULL: closed */
	size_t waiting; /* bytes in `frame` for which the guest had no room; 0: none */
	struct virtio_net_hdr header; /* of these */
	uint8_t frame[FRAME_MAX];
};

/* A queue belongs to its loop. */
struct tap {
	struct vmm_nic *nic;
	unsigned queues;
	bool offloads; /* those that the NIC has are left to the kernel */
	struct tap_queue *queue;
};

int vmm_tap_open(const char *name, bool several)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	if (several)
		request.ifr_flags |= IFF_MULTI_QUEUE;
	strcpy(request.ifr_name, name);
	err = ioctl(fd, TUNSETIFF, &request) ? -errno : 0;
	/* One that was made for several must be opened so, also for one. */
	if (err == -EINVAL && !several) {
		request.ifr_flags |= IFF_MULTI_QUEUE;
		err = ioctl(fd, TUNSETIFF, &request) ? -errno : 0;
	}
	if (!err)
		return fd;
	close(fd);
	return err;
}

/* --- frames from the kernel -------------------------------------------------------------------------- */

/* 0, or -EAGAIN: the guest has no room. */
static int deliver(struct tap_queue *q)
{
	struct iovec iov = { q->frame, q->waiting };
	struct hvh_net_meta meta = {
		.verified = q->header.flags & VIRTIO_NET_HDR_F_DATA_VALID,
		.segment_bytes = q->header.gso_type ? q->header.gso_size : 0,
	};
	int err;

	if (q->header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		meta.checksum_start = q->header.csum_start;
		meta.checksum_offset = q->header.csum_offset;
	}
	err = vmm_nic_receive(q->tap->nic, q->index, &iov, 1, &meta);
	if (err == -EAGAIN)
		return err;
	q->waiting = 0;
	return 0;
}

/* The next frame into q->frame; false: there is none. */
static bool read_frame(struct tap_queue *q)
{
	const struct iovec iov[] = { { &q->header, sizeof(q->header) },
				     { q->frame, sizeof(q->frame) } };
	ssize_t len = readv(q->fd, iov, 2);

	if (len <= (ssize_t)sizeof(q->header))
		return false;
	q->waiting = (size_t)len - sizeof(q->header);
	return true;
}

static void on_readable(void *ctx, uint32_t events)
{
	struct tap_queue *q = ctx;
	int err = 0;

	(void)events;
	for (unsigned i = 0; i < READ_BATCH && !err && (q->waiting || read_frame(q)); i++)
		err = deliver(q);
	vmm_nic_flush(q->tap->nic, q->index);
	/* The rest waits with the kernel until the guest has room. */
	if (err)
		vmm_loop_modify(q->loop, q->fd, 0);
}

static void tap_receive_ready(void *port, unsigned queue)
{
	struct tap *tap = port;
	struct tap_queue *q = &tap->queue[queue];

	if (q->loop)
		vmm_loop_modify(q->loop, q->fd, EPOLLIN);
}

/* --- frames to the kernel ---------------------------------------------------------------------------- */

static int tap_send(void *port, unsigned queue, const struct iovec *iov, unsigned iovs,
		    const struct hvh_net_meta *meta)
{
	const struct tap *tap = port;
	struct virtio_net_hdr header = { .flags = 0 };
	struct iovec all[IOVS_MAX];

	if (iovs >= IOVS_MAX)
		return -EMSGSIZE;
	if (meta->checksum_start) {
		header.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		header.csum_start = meta->checksum_start;
		header.csum_offset = meta->checksum_offset;
	}
	if (meta->segment_bytes) {
		header.gso_type = meta->ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
		if (meta->cwr)
			header.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
		header.gso_size = meta->segment_bytes;
		header.hdr_len = meta->header_bytes;
	}
	all[0] = (struct iovec){ &header, sizeof(header) };
	memcpy(all + 1, iov, iovs * sizeof(*iov));
	/* An interface that is down, or full, loses frames, as any wire does. */
	return writev(tap->queue[queue].fd, all, (int)iovs + 1) < 0 ? -EIO : 0;
}

/* --- port -------------------------------------------------------------------------------------------- */

static int attach(const struct tap_queue *q, bool on)
{
	struct ifreq request = { .ifr_flags = on ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };

	/* The only queue is always there. */
	return q->tap->queues > 1 && ioctl(q->fd, TUNSETQUEUE, &request) ? -errno : 0;
}

static void tap_opened(void *port, unsigned queue, struct vmm_loop *loop)
{
	struct tap *tap = port;
	struct tap_queue *q = &tap->queue[queue];
	int err = 0;

	if (q->loop)
		vmm_loop_remove(q->loop, q->fd);
	q->loop = loop;
	q->waiting = 0;
	if (loop)
		err = vmm_loop_add(loop, q->fd, EPOLLIN, on_readable, q);
	if (!err)
		err = attach(q, loop);
	if (err)
		vmm_log(HVH_LOG_ERROR, "%s: queue %u of the interface cannot be used: %s",
			vmm_nic_name(tap->nic), queue, strerror(-err));
}

static void tap_destroy(void *port)
{
	struct tap *tap = port;

	for (unsigned i = 0; i < tap->queues; i++)
		if (tap->queue[i].fd >= 0)
			close(tap->queue[i].fd);
	free(tap->queue);
	free(tap);
}

static void explain(const struct tap *tap, const char *name, int err)
{
	if (err == -EINVAL && tap->queues > 1)
		vmm_log(HVH_LOG_ERROR,
			"%s: %s is no TAP interface for several queues: give queues=1, or make it "
			"with `ip tuntap add mode tap multi_queue`",
			vmm_nic_name(tap->nic), name);
	else if (err == -EINVAL)
		vmm_log(HVH_LOG_ERROR, "%s: %s is no TAP interface", vmm_nic_name(tap->nic), name);
	else
		vmm_log(HVH_LOG_ERROR, "%s: %s: %s", vmm_nic_name(tap->nic), name, strerror(-err));
}

/* What the interface may give us. What is computed here need not be computed there: the frame has to be copied anyway. */
static int take(const struct tap *tap, unsigned joins)
{
	unsigned long offloads = TUN_F_CSUM;

	if (joins & HVH_NET_JOINS_IPV4)
		offloads |= TUN_F_TSO4;
	if (joins & HVH_NET_JOINS_IPV6)
		offloads |= TUN_F_TSO6;
	return ioctl(tap->queue[0].fd, TUNSETOFFLOAD, offloads) ? -errno : 0;
}

static void tap_joins(void *port, unsigned joins)
{
	const struct tap *tap = port;

	/* Refused, frames come as before. */
	if (tap->offloads)
		(void)take(tap, joins);
}

static int open_queues(struct tap *tap, const char *name)
{
	int err = 0;

	for (unsigned i = 0; i < tap->queues && !err; i++) {
		struct tap_queue *q = &tap->queue[i];

		q->fd = vmm_tap_open(name, tap->queues > 1);
		err = q->fd < 0 ? q->fd : attach(q, false);
	}
	if (!err && tap->offloads)
		err = take(tap, 0);
	if (err)
		explain(tap, name, err);
	return err;
}

static int tap_create(struct vmm_nic *nic, const struct vmm_nic_config *config, void **port)
{
	struct tap *tap = calloc(1, sizeof(*tap));
	int err = -ENOMEM;

	if (!tap)
		return -ENOMEM;
	tap->nic = nic;
	tap->queues = vmm_nic_queues(nic);
	tap->offloads = !*config->pcap;
	tap->queue = calloc(tap->queues, sizeof(*tap->queue));
	for (unsigned i = 0; tap->queue && i < tap->queues; i++) {
		tap->queue[i].tap = tap;
		tap->queue[i].index = i;
		tap->queue[i].fd = -1;
	}
	if (tap->queue)
		err = open_queues(tap, config->interface);
	if (err) {
		tap_destroy(tap);
		return err;
	}
	*port = tap;
	return 0;
}

const struct vmm_net_port_ops vmm_net_tap = {
	.can = HVH_NET_CHECKSUMS | HVH_NET_SEGMENTS | HVH_NET_READS_QUEUES,
	.create = tap_create,
	.destroy = tap_destroy,
	.opened = tap_opened,
	.joins = tap_joins,
	.send = tap_send,
	.receive_ready = tap_receive_ready,
};
