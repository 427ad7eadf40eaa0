/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Buffers that a guest shares with a device for long: a GPADL on the device's first channel, named in a
 * packet. The device asks for it, the control loop looks it up, and hands it to the owner loop of the first
 * channel; the guest is told that its memory is free again (GPADL_TORNDOWN) only after the device has given
 * it back.
 *
 *   owner loop                            control loop
 *   hvh_channel_share(handle)    ------>  finds the list of pages
 *   device ops->shared(share)    <------  (NULL: there is none)
 *                                         the guest tears it down
 *   device ops->recall(share)    <------
 *   hvh_channel_unshare(share)   ------>  GPADL_TORNDOWN
 *
 * What a device holds when it says hvh_channel_stopped() is taken from it.
 */
#ifndef HOST_INCLUDE_HVH_HVH_SHARE_H
#define HOST_INCLUDE_HVH_HVH_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "hvw_error.h"

struct hvh_channel;
struct hvh_device;
struct hvh_mem;

/* So many buffers at a time on one channel. */
#define HVH_SHARES_MAX 4

/* Read by any thread as long as the device has not given it back. */
struct hvh_share {
	struct hvh_mem *mem;
	uint32_t handle;
	uint32_t bytes;
	uint32_t offset; /* of the first byte in the first page */
	uint32_t pages;
	uint8_t *page[]; /* where each is with us */
};

/*
 * Ask for the GPADL `handle`; hvh_device_ops.shared follows. On the first channel's owner loop, while it is open.
 * -EBUSY: too many, or that one is there or under way; -EINVAL: not the first channel.
 */
int hvh_channel_share(struct hvh_channel *channel, uint32_t handle) HVW_MUST_CHECK;

/* Give it back; nobody of the device's looks at it any more. Any thread, while the first channel is started. */
void hvh_channel_unshare(struct hvh_channel *channel, const struct hvh_share *share);

/* For hvh_device_ops.load: the buffer that the saved device held; NULL: the state makes no sense, or no memory. */
const struct hvh_share *hvh_channel_share_restore(struct hvh_channel *channel, uint32_t handle);

/*
 * [offset, offset + len) as pieces of our memory: returns how many, or -EFAULT (not inside the buffer), -EMSGSIZE (more than
 * `iovs_max`). The guest changes what is there at any time. Who writes says hvh_share_written() afterwards.
 */
int hvh_share_iov(const struct hvh_share *share, uint32_t offset, uint32_t len, struct iovec *iov,
		  unsigned iovs_max) HVW_MUST_CHECK;
void hvh_share_written(const struct hvh_share *share, uint32_t offset, uint32_t len);

/* Copies; -EFAULT: not inside the buffer. */
int hvh_share_read(const struct hvh_share *share, uint32_t offset, void *dst,
		   uint32_t len) HVW_MUST_CHECK;
int hvh_share_write(const struct hvh_share *share, uint32_t offset, const void *src,
		    uint32_t len) HVW_MUST_CHECK;

/*
 * Have each open channel of the device notified on its own loop, as if the guest had signalled. Any thread, while the
 * first channel is started.
 */
void hvh_device_attend(struct hvh_device *device);

#endif
