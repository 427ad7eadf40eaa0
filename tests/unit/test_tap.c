/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * TAP interfaces as what carries a NIC's frames, in a network namespace of the test's own. The kernel's end of the interface
 * is a packet socket that sees offloads.
 */
#include <errno.h>
#include <fcntl.h>
#include <hvh/hvh_net.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tap.h"
#include "unit/net_frames.h"
#include "vmm/loop.h"
#include "vmm/net/nic.h"

#define INTERFACE "hvtap0"

/* --- the NIC that the port sees ---------------------------------------------------------------------- */

struct vmm_nic {
	unsigned queues;
	unsigned room; /* frames that the guest takes */
	unsigned refused, frames, flushes;
	unsigned queue; /* of the last frame */
	struct hvh_net_meta meta; /* and what was told of it */
	uint8_t bytes[70000];
	size_t len;
};

static struct vmm_nic nic;
static struct vmm_loop *loop;
static void *port;
static int outside = -1; /* the packet socket */

int vmm_nic_receive(struct vmm_nic *to, unsigned queue, const struct iovec *iov, unsigned iovs,
		    const struct hvh_net_meta *meta)
{
	if (to->frames == to->room) {
		to->refused++;
		return -EAGAIN;
	}
	to->frames++;
	to->queue = queue;
	to->meta = *meta;
	to->len = iovs == 1 ? iov->iov_len : 0;
	memcpy(to->bytes, iov->iov_base, to->len);
	return 0;
}

void vmm_nic_flush(struct vmm_nic *to, unsigned queue)
{
	(void)queue;
	to->flushes++;
}

const char *vmm_nic_name(const struct vmm_nic *of)
{
	(void)of;
	return "nic 0";
}

unsigned vmm_nic_queues(const struct vmm_nic *of)
{
	return of->queues;
}

/* --- a world of its own ------------------------------------------------------------------------------ */

static bool bring_up(void)
{
	struct ifreq request = { .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;

	strcpy(request.ifr_name, INTERFACE);
	err = ioctl(fd, SIOCSIFFLAGS, &request);
	close(fd);
	return !err;
}

static bool open_outside(void)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int on = 1;

	outside = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL));
	address.sll_ifindex = (int)if_nametoindex(INTERFACE);
	return outside >= 0 && !setsockopt(outside, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) &&
	       !bind(outside, (struct sockaddr *)&address, sizeof(address));
}

/* The kernel itself has things to say on an interface that comes up, over IPv6. */
static void silence(void)
{
	int fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		(void)!write(fd, "1", 1);
		close(fd);
	}
}

/* NULL, or why there is no TAP interface here. */
static const char *make_world(unsigned queues, bool offloads)
{
	struct vmm_nic_config config;

	if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET))
		return "no network namespaces here";
	if (access("/dev/net/tun", R_OK | W_OK))
		return "no /dev/net/tun here";
	silence();
	nic = (struct vmm_nic){ .queues = queues, .room = 1000 };
	TAP_CHECK(!vmm_nic_config_parse("tap=" INTERFACE, &config));
	if (!offloads)
		strcpy(config.pcap, "file");
	TAP_EQ(vmm_net_tap.create(&nic, &config, &port), 0);
	TAP_EQ(vmm_loop_create(&loop), 0);
	TAP_CHECK(bring_up());
	TAP_CHECK(open_outside());
	return NULL;
}

static void end_world(void)
{
	close(outside);
	vmm_net_tap.destroy(port);
	vmm_loop_destroy(loop);
}

static void on_end(void *ctx)
{
	(void)ctx;
	vmm_loop_stop(loop);
}

static void run_for(unsigned ms)
{
	struct vmm_timer timer;

	vmm_timer_init(&timer, loop, on_end, NULL);
	vmm_timer_set(&timer, vmm_now_ns() + ms * 1000000ull);
	vmm_loop_run(loop);
}

/* A frame to the interface as if the kernel had routed it there. */
static bool push(const struct virtio_net_hdr *header, const struct made *frame)
{
	struct iovec iov[] = { { (void *)header, sizeof(*header) },
			       { (void *)frame->bytes, frame->len } };

	return writev(outside, iov, 2) == (ssize_t)(sizeof(*header) + frame->len);
}

/* What came out of the interface. */
static ssize_t pull(struct virtio_net_hdr *header, uint8_t *bytes, size_t size)
{
	struct iovec iov[] = { { header, sizeof(*header) }, { bytes, size } };
	ssize_t len = readv(outside, iov, 2);

	return len < 0 ? -errno : len - (ssize_t)sizeof(*header);
}

/* --- tests -------------------------------------------------------------------------------------------- */

TAP_TEST(a_plain_frame_goes_out_as_it_is)
{
	const char *missing = make_world(1, true);
	const struct hvh_net_meta meta = { .verified = false };
	struct virtio_net_hdr header;
	struct made frame;
	uint8_t bytes[2000];
	struct iovec iov[2];

	if (missing)
		TAP_SKIP(missing);
	made_udp(&frame, own_mac, other_mac, 100);
	iov[0] = (struct iovec){ frame.bytes, 60 };
	iov[1] = (struct iovec){ frame.bytes + 60, frame.len - 60 };
	vmm_net_tap.opened(port, 0, loop);
	TAP_EQ(vmm_net_tap.send(port, 0, iov, 2, &meta), 0);
	TAP_EQ(pull(&header, bytes, sizeof(bytes)), frame.len);
	TAP_EQ(header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM, 0);
	TAP_EQ(header.gso_type, VIRTIO_NET_HDR_GSO_NONE);
	TAP_MEM_EQ(bytes, frame.bytes, frame.len);
	end_world();
}

TAP_TEST(checksums_and_segments_are_left_to_the_kernel)
{
	const char *missing = make_world(1, true);
	struct hvh_net_meta meta = { .checksum_start = 34, .checksum_offset = 16 };
	struct virtio_net_hdr header;
	struct made frame;
	uint8_t bytes[9000];
	struct iovec iov;

	if (missing)
		TAP_SKIP(missing);
	made_partial(&frame, own_mac, other_mac, false, false, 5000);
	frame.bytes[24] = frame.bytes[25] = 0;
	made_be16(frame.bytes + 24, ~made_sum(0, frame.bytes + 14, 20));
	iov = (struct iovec){ frame.bytes, frame.len };
	vmm_net_tap.opened(port, 0, loop);
	meta.segment_bytes = 1000;
	meta.header_bytes = 54;
	meta.cwr = true;
	TAP_EQ(vmm_net_tap.send(port, 0, &iov, 1, &meta), 0);
	TAP_EQ(pull(&header, bytes, sizeof(bytes)), frame.len);
	TAP_EQ(header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	TAP_EQ(header.csum_start, 34);
	TAP_EQ(header.csum_offset, 16);
	TAP_EQ(header.gso_type, VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN);
	TAP_EQ(header.gso_size, 1000);
	TAP_MEM_EQ(bytes, frame.bytes, frame.len);
	made_partial(&frame, own_mac, other_mac, true, false, 3000);
	iov = (struct iovec){ frame.bytes, frame.len };
	meta = (struct hvh_net_meta){ .checksum_start = 54,
				      .checksum_offset = 16,
				      .segment_bytes = 1000,
				      .header_bytes = 74,
				      .ipv6 = true };
	TAP_EQ(vmm_net_tap.send(port, 0, &iov, 1, &meta), 0);
	TAP_EQ(pull(&header, bytes, sizeof(bytes)), frame.len);
	TAP_EQ(header.gso_type, VIRTIO_NET_HDR_GSO_TCPV6);
	end_world();
}

TAP_TEST(what_the_kernel_did_not_sum_is_told)
{
	const char *missing = make_world(1, true);
	const struct virtio_net_hdr partial = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
						.csum_start = 34,
						.csum_offset = 6 };
	struct made frame;

	if (missing)
		TAP_SKIP(missing);
	made_partial(&frame, other_mac, own_mac, false, true, 300);
	vmm_net_tap.opened(port, 0, loop);
	TAP_CHECK(push(&partial, &frame));
	run_for(20);
	TAP_EQ(nic.frames, 1);
	TAP_EQ(nic.meta.checksum_start, 34);
	TAP_EQ(nic.meta.checksum_offset, 6);
	TAP_MEM_EQ(nic.bytes, frame.bytes, frame.len);
	TAP_CHECK(nic.flushes > 0);
	end_world();
	/* Where all is recorded it is summed before. */
	TAP_CHECK(!make_world(1, false));
	vmm_net_tap.opened(port, 0, loop);
	TAP_CHECK(push(&partial, &frame));
	run_for(20);
	TAP_EQ(nic.frames, 1);
	TAP_EQ(nic.meta.checksum_start, 0);
	TAP_CHECK(memcmp(nic.bytes + 40, frame.bytes + 40, 2) != 0);
	end_world();
}

TAP_TEST(frames_wait_until_the_guest_has_room)
{
	const char *missing = make_world(1, true);
	const struct virtio_net_hdr plain = { .flags = 0 };
	struct made frame;

	if (missing)
		TAP_SKIP(missing);
	nic.room = 3;
	vmm_net_tap.opened(port, 0, loop);
	for (unsigned i = 0; i < 10; i++) {
		made_udp(&frame, other_mac, own_mac, 100 + i);
		TAP_CHECK(push(&plain, &frame));
	}
	run_for(20);
	TAP_EQ(nic.frames, 3);
	/* It is asked once, and again when there is room, not all the time. */
	TAP_EQ(nic.refused, 1);
	nic.room = 1000;
	vmm_net_tap.receive_ready(port, 0);
	run_for(20);
	TAP_EQ(nic.frames, 10);
	TAP_EQ(nic.len, made_udp_len(109));
	end_world();
}

TAP_TEST(a_queue_that_the_guest_has_not_opened_gets_nothing)
{
	const char *missing = make_world(4, true);
	const struct virtio_net_hdr plain = { .flags = 0 };
	unsigned seen = 0;
	struct made frame;

	if (missing)
		TAP_SKIP(missing);
	vmm_net_tap.opened(port, 0, loop);
	vmm_net_tap.opened(port, 2, loop);
	for (unsigned i = 0; i < 64; i++) {
		made_udp(&frame, other_mac, own_mac, 100);
		made_be16(frame.bytes + 34, 3000 + i);
		TAP_CHECK(push(&plain, &frame));
		run_for(1);
		seen |= 1u << nic.queue;
	}
	run_for(20);
	TAP_EQ(nic.frames, 64);
	TAP_EQ(seen, 1u << 0 | 1u << 2);
	vmm_net_tap.opened(port, 2, NULL);
	seen = 0;
	for (unsigned i = 0; i < 64; i++) {
		made_udp(&frame, other_mac, own_mac, 100);
		made_be16(frame.bytes + 34, 3000 + i);
		TAP_CHECK(push(&plain, &frame));
		run_for(1);
		seen |= 1u << nic.queue;
	}
	run_for(20);
	TAP_EQ(nic.frames, 128);
	TAP_EQ(seen, 1u << 0);
	end_world();
}

TAP_TEST(an_interface_of_another_kind_is_refused)
{
	const char *missing = make_world(1, true);
	struct vmm_nic_config config;
	void *other;

	if (missing)
		TAP_SKIP(missing);
	TAP_CHECK(!vmm_nic_config_parse("tap=lo", &config));
	TAP_EQ(vmm_net_tap.create(&nic, &config, &other), -EINVAL);
	/* One queue of it is taken. */
	TAP_CHECK(!vmm_nic_config_parse("tap=" INTERFACE, &config));
	TAP_EQ(vmm_net_tap.create(&nic, &config, &other), -EBUSY);
	end_world();
}

TAP_MAIN()
