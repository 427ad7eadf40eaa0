/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * VMBus: the connection with the host, the devices that it offers, and the drivers that serve them.
 * For ports without a VMBus of their own.
 *
 * Context of every function: T = thread, may sleep, unless it says otherwise. start, stop, suspend,
 * resume and the calls about processors exclude each other: the caller sees to that.
 */
#ifndef GUEST_INCLUDE_HVG_HVG_BUS_H
#define GUEST_INCLUDE_HVG_HVG_BUS_H

#include <stdbool.h>

#include "hvg/hvg_device.h"
#include "hvp_vmbus.h"

struct hvg_bus;

/* What the bus counts; read any time, each value by itself. */
#define HVG_BUS_COUNTERS(X)                                                                        \
	X(messages) /* from the host */                                                            \
	X(violations) /* messages that broke the protocol; dropped */                              \
	X(unexpected) /* answers that nobody waited for, or not any more */                        \
	X(timeouts) /* requests that the host did not answer */                                    \
	X(stray_events) /* signals for channels that are not open */                               \
	X(lost_pages) /* memory that the host may still know: never used again */

struct hvg_bus_counters {
#define HVG_BUS_COUNTER(name) uint64_t name;
	HVG_BUS_COUNTERS(HVG_BUS_COUNTER)
#undef HVG_BUS_COUNTER
};

struct hvg_bus_config {
	uint64_t os_id; /* GUEST_OS_ID: who we are; not 0 */
	uint32_t version_max; /* HVP_VERSION_2_4 … HVP_VERSION_5_3 */
	const struct hvg_driver *const *drivers; /* outlive the bus */
	unsigned driver_count;
	/* NULL: all. In confidential guests: which devices the port trusts itself to drive. */
	bool (*allowed)(const struct hvp_guid *class_id);
};

/*
 * Find the host, connect, ask for its offers. Devices attach from deferred work, also after the
 * return; hvg_bus_settle() waits for those of the start. -ENODEV: no Hyper-V here; -EOPNOTSUPP: no
 * version in common; -ETIMEDOUT: it does not answer; -ENOMEM, -EIO.
 */
int hvg_bus_start(const struct hvg_bus_config *config, struct hvg_bus **bus) HVW_MUST_CHECK;

/* Wait until the offers of the start are complete and their drivers attached. -ETIMEDOUT. */
int hvg_bus_settle(struct hvg_bus *bus, uint32_t timeout_ms) HVW_MUST_CHECK;

/* Detach all drivers, tell the host, take back every page, free the bus. The way to kexec and module unload. */
void hvg_bus_stop(struct hvg_bus *bus);

/*
 * Hibernation and its like: after a suspend the host may forget us. A resume brings back the same version and
 * the same devices, as far as they are there. After a failed one there is no device and no connection any
 * more; only hvg_bus_stop() is left, which also may come in place of a resume.
 */
int hvg_bus_suspend(struct hvg_bus *bus) HVW_MUST_CHECK;
int hvg_bus_resume(struct hvg_bus *bus) HVW_MUST_CHECK;

/*
 * The system is about to die and another kernel may follow: have the host let go of our memory. Any
 * context, all other processors are stopped; takes no lock, allocates nothing, returns after
 * `timeout_ms` at the latest. Nothing else may be called on the bus afterwards.
 */
void hvg_bus_crash(struct hvg_bus *bus, uint32_t timeout_ms);

/*
 * Report a crash to the host, before or without hvg_bus_crash(). Any context. `text`: in shared memory
 * of the caller, at most a page; NULL: `parameters` alone, five of them. Nothing where the host has no use for it.
 */
void hvg_bus_report_crash(struct hvg_bus *bus, const uint64_t parameters[5],
			  const struct hvos_shared *text, uint32_t text_len);

/*
 * A processor came or goes; the port calls while it runs. -EBUSY: it is the first, or channels interrupt it or did
 * a moment ago, or the host's messages do.
 */
int hvg_bus_cpu_online(struct hvg_bus *bus, unsigned cpu) HVW_MUST_CHECK;
int hvg_bus_cpu_offline(struct hvg_bus *bus, unsigned cpu) HVW_MUST_CHECK;

/* A. */
uint32_t hvg_bus_version(const struct hvg_bus *bus);
void hvg_bus_counters(const struct hvg_bus *bus, struct hvg_bus_counters *counters);

/* --- what is there, for people -------------------------------------------------------------------- */

struct hvg_device_status {
	const struct hvg_device_info *info;
	const char *driver; /* NULL: none serves it */
	uint32_t channel_id;
	uint32_t channels; /* open ones */
	bool revoked;
};

/* Calls `fn` for each device; it may not sleep for long nor call the bus. */
void hvg_bus_each(struct hvg_bus *bus,
		  void (*fn)(void *ctx, const struct hvg_device_status *status), void *ctx);

#endif
