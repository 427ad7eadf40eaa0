/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Drivers of the integration services. A port lists the ones it wants in hvg_bus_config.drivers, or
 * hands them to its kernel's VMBus; they need nothing else of it than hvos.h.
 */
#ifndef GUEST_INCLUDE_HVG_HVG_IC_H
#define GUEST_INCLUDE_HVG_HVG_IC_H

#include "hvg/hvg_device.h"
#include "hvp_ic.h"

extern const struct hvg_driver hvg_heartbeat_driver;
extern const struct hvg_driver hvg_shutdown_driver;
extern const struct hvg_driver hvg_timesync_driver;

/*
 * (a) Step the clock also when it is seconds behind and the host does not say that time has jumped: some
 * hosts forget to after a sleep of their own. Off at first, because a clock may be behind on purpose.
 */
extern bool hvg_timesync_implicit;

struct hvg_ic_status {
	bool ready; /* the versions below are negotiated */
	struct hvp_ic_version framework;
	struct hvp_ic_version message;
	uint64_t requests; /* answered */
	uint64_t violations; /* packets that made no sense; dropped */
};

/* T. Of a device that one of the drivers above is attached to. */
void hvg_ic_status(const struct hvg_device *device, struct hvg_ic_status *status);

/*
 * A. The host's time now, in 100 ns since 1601, from its last sample and the reference time that has
 * passed since; *reference gets the reference time it holds for. -EAGAIN: no sample yet; -ESTALE: the last is
 * older than 10 minutes, so the host has stopped to send any.
 */
int hvg_timesync_read(const struct hvg_device *device, uint64_t *host_time,
		      uint64_t *reference) HVW_MUST_CHECK;

#endif
