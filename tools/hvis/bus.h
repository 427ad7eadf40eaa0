/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The VMBus of this guest as the kernel shows it: devices, their drivers and channels, and who made the drivers.
 */
#ifndef TOOLS_HVIS_BUS_H
#define TOOLS_HVIS_BUS_H

#include "hvp_base.h"
#include "tools/hvis/sysfs.h"

enum hvis_origin {
	HVIS_ORIGIN_KERNEL, /* came with the kernel */
	HVIS_ORIGIN_HVIS,
	HVIS_ORIGIN_OTHER, /* built outside the kernel, and not by us */
};

/* A kernel module, or a part of the kernel of that name. */
struct hvis_module {
	char name[HVIS_NAME_MAX];
	bool built_in;
	enum hvis_origin origin;
	char version[64]; /* "": it says none */
};

struct hvis_version {
	bool known;
	unsigned major, minor;
};

struct hvis_channel {
	uint32_t relid, cpu;
	uint32_t subchannel; /* 0: the primary one */
	uint32_t interrupts, events; /* taken; signals sent to the host */
	bool counted; /* the three above are known */
};

struct hvis_ring {
	bool open; /* the rest is known */
	uint32_t bytes, waiting; /* its size; written and not yet read */
};

#define HVIS_OFFLOADS 5u

/* A network device of the kernel's. */
struct hvis_nic {
	char name[HVIS_NAME_MAX];
	char state[32]; /* "up" etc.; "": unknown */
	uint32_t mtu; /* 0: unknown */
	unsigned queues; /* 0: unknown */
	bool offloads_known;
	unsigned offloads; /* a bit for each */
};

struct hvis_device {
	char folder[HVIS_NAME_MAX]; /* below /sys/bus/vmbus/devices */
	char class_id[64], device_id[64]; /* as the kernel writes them: with braces */
	struct hvp_guid class_guid, instance_guid; /* zero: no GUID stood there */
	const char *words; /* what it is */
	bool id_known, state_known;
	uint32_t id, state;
	char driver[HVIS_NAME_MAX]; /* "": none */
	struct hvis_module module; /* if there is a driver */
	struct hvis_ring out, in;
	struct hvis_channel *channels; /* by relid */
	size_t channel_count;
	bool is_service; /* an integration service: these are negotiated */
	struct hvis_version service, framework;
	struct hvis_nic *nics;
	size_t nic_count;
};

struct hvis_bus {
	char kernel[HVIS_NAME_MAX]; /* its release; "": unknown */
	struct hvis_module module;
	struct hvis_version version;
	bool log_denied; /* the kernel's log, which has versions, may not be read */
	struct hvis_device *devices; /* by id */
	size_t device_count;
};

/* All but the versions. 0 or -errno; -ENODEV: there is no VMBus. hvis_bus_fini() is for all of these. */
int hvis_bus_read(struct hvis_bus *bus);
void hvis_bus_fini(struct hvis_bus *bus);

/* After -ENODEV: the machine has a VMBus, and its driver is missing. */
bool hvis_bus_lacks_driver(void);

/* "open" etc. */
const char *hvis_state_name(const struct hvis_device *device);

/* nics.c: those of that device. 0 or -ENOMEM. */
int hvis_nics_read(struct hvis_device *device);
const char *hvis_offload_name(unsigned offload);

/* versions.c: devices of this class are integration services. */
bool hvis_is_service(const struct hvp_guid *class_guid);

/* What our modules and, where they leave something open, the kernel's log tell of versions. */
void hvis_versions_read(struct hvis_bus *bus);

/* A version that has been negotiated is not known. */
bool hvis_versions_missing(const struct hvis_bus *bus);

#endif
