/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Devices and their drivers. Like hvg_chan.h, implemented by guest/bus, or by a port over its kernel's
 * own VMBus: with hvg_chan.h this is all that a driver in guest/dev knows.
 *
 * Context: T = thread, may sleep; A = any, never sleeps.
 */
#ifndef GUEST_INCLUDE_HVG_HVG_DEVICE_H
#define GUEST_INCLUDE_HVG_HVG_DEVICE_H

#include "hvg/hvg_chan.h"
#include "hvp_vmbus.h"

/*
 * A driver: one constant structure, which serves any number of devices of a class. All in context T,
 * one at a time for each device.
 */
struct hvg_driver {
	const char *name; /* for people: "heartbeat" */
	struct hvp_guid class_id;

	/* A device came. Negative errno: it stays without driver. */
	int (*attach)(struct hvg_device *device);

	/* It goes, or the bus stops. After the return the driver knows neither device nor channels. */
	void (*detach)(struct hvg_device *device);

	/* The host offered a sub-channel, which the driver may open now or later. NULL: never wanted. */
	void (*subchannel)(struct hvg_device *device, struct hvg_chan *chan);

	/* A sub-channel is revoked: close it and forget it. NULL if `subchannel` is. */
	void (*subchannel_gone)(struct hvg_device *device, struct hvg_chan *chan);

	/*
	 * Before a suspend: close all channels, keep what is worth keeping. After it: open anew; the
	 * device is the same, its channels have other numbers. NULL: detached and attached instead.
	 */
	int (*suspend)(struct hvg_device *device);
	int (*resume)(struct hvg_device *device);
};

struct hvg_device_info {
	struct hvp_guid class_id;
	struct hvp_guid instance_id;
	uint16_t flags; /* of the offer */
	uint16_t mmio_megabytes;
	uint8_t user_data[HVP_USER_DATA_MAX];
};

/* A. */
const struct hvg_device_info *hvg_device_info(const struct hvg_device *device);
struct hvg_chan *hvg_device_chan(struct hvg_device *device); /* the primary channel */
void hvg_device_set_data(struct hvg_device *device, void *data);
void *hvg_device_data(const struct hvg_device *device);

/* A. The partition's reference time in 100 ns. */
uint64_t hvg_device_reference(const struct hvg_device *device);

#endif
