/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Ports without a network: one that swallows, one that returns each frame as it is, and one that returns it with
 * the addresses and ports of both ends exchanged, so that the guest that sent it takes it.
 */
#include <errno.h>
#include <string.h>

#include "hvw_frame.h"
#include "vmm/net/nic.h"

static int create(struct vmm_nic *nic, const struct vmm_nic_config *config, void **port)
{
	(void)config;
	*port = nic;
	return 0;
}

static void destroy(void *port)
{
	(void)port;
}

static int null_send(void *port, unsigned queue, const struct iovec *iov, unsigned iovs,
		     const struct hvh_net_meta *meta)
{
	(void)port;
	(void)queue;
	(void)meta;
	(void)iov;
	(void)iovs;
	return 0;
}

static int loop_send(void *port, unsigned queue, const struct iovec *iov, unsigned iovs,
		     const struct hvh_net_meta *meta)
{
	int err = vmm_nic_receive(port, 0, iov, iovs, NULL);

	(void)queue;
	(void)meta;
	vmm_nic_flush(port, 0);
	return err;
}

static void exchange(uint8_t *a, uint8_t *b, size_t len)
{
	uint8_t kept[16];

	memcpy(kept, a, len);
	memcpy(a, b, len);
	memcpy(b, kept, len);
}

/* No checksum changes by that: the sums do not depend on the order. The first piece is private and has all headers. */
static int echo_send(void *port, unsigned queue, const struct iovec *iov, unsigned iovs,
		     const struct hvh_net_meta *meta)
{
	uint8_t *bytes = iov[0].iov_base;
	struct hvw_frame frame;

	if (iov[0].iov_len < HVW_ETHERNET_HEADER)
		return -EINVAL;
	hvw_frame_dissect(&frame, bytes, iov[0].iov_len);
	exchange(bytes, bytes + 6, 6);
	if (frame.ip == 4)
		exchange(bytes + frame.l3 + 12, bytes + frame.l3 + 16, 4);
	else if (frame.ip == 6)
		exchange(bytes + frame.l3 + 8, bytes + frame.l3 + 24, 16);
	if (frame.l4)
		exchange(bytes + frame.l4, bytes + frame.l4 + 2, 2);
	return loop_send(port, queue, iov, iovs, meta);
}

const struct vmm_net_port_ops vmm_net_null = { .create = create,
					       .destroy = destroy,
					       .send = null_send };
const struct vmm_net_port_ops vmm_net_loop = { .create = create,
					       .destroy = destroy,
					       .send = loop_send };
const struct vmm_net_port_ops vmm_net_echo = { .create = create,
					       .destroy = destroy,
					       .send = echo_send };
