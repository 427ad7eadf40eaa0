/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "tools/hvis/bus.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hvp_vmbus.h"
#include "hvw_guid.h"

#define DEVICES "sys/bus/vmbus/devices"

/* A page: what the kernel gives of one file. Of thousands of channels it shows as many as fit. */
#define MAPPING_MAX 65536

/* Before the number in the version of our modules. */
#define OUR_VERSION "hvis-"

static const struct {
	struct hvp_guid guid;
	const char *words;
} classes[] = {
#define CLASS(name, words) { HVP_CLASS_##name, words },
	HVP_CLASS_LIST(CLASS)
#undef CLASS
};

static const char *words_of(const struct hvp_guid *guid)
{
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (hvw_guid_equal(guid, &classes[i].guid))
			return classes[i].words;
	return "Unknown";
}

/* --- modules ---------------------------------------------------------------------------------- */

/* The kernel's own modules have no version; ours says that it is ours. Others, built elsewhere, taint the kernel. */
static void read_module(struct hvis_module *module, const char *name)
{
	char taint[32], version[sizeof(module->version)];

	snprintf(module->name, sizeof(module->name), "%s", name);
	/* What is built in has no state in which it could be. */
	module->built_in = !hvis_exists("sys/module/%s/initstate", name);
	hvis_read_text(taint, sizeof(taint), "sys/module/%s/taint", name);
	hvis_read_text(version, sizeof(version), "sys/module/%s/version", name);
	if (strncmp(version, OUR_VERSION, strlen(OUR_VERSION)) == 0) {
		module->origin = HVIS_ORIGIN_HVIS;
		strcpy(module->version, version + strlen(OUR_VERSION));
	} else {
		module->origin = strchr(taint, 'O') ? HVIS_ORIGIN_OTHER : HVIS_ORIGIN_KERNEL;
		strcpy(module->version, version);
	}
}

static void read_driver(struct hvis_device *device)
{
	char module[HVIS_NAME_MAX];

	if (hvis_link_name(device->driver, DEVICES "/%s/driver", device->folder)) {
		device->driver[0] = '\0';
		return;
	}
	if (hvis_link_name(module, "sys/bus/vmbus/drivers/%s/module", device->driver))
		strcpy(module, device->driver);
	read_module(&device->module, module);
}

/* --- one device ------------------------------------------------------------------------------- */

static void read_guid(struct hvp_guid *guid, const char *text)
{
	char bare[HVW_GUID_TEXT];
	size_t len = strlen(text);

	memset(guid, 0, sizeof(*guid));
	if (len != HVW_GUID_TEXT + 1 || text[0] != '{' || text[len - 1] != '}')
		return;
	memcpy(bare, text + 1, HVW_GUID_TEXT - 1);
	bare[HVW_GUID_TEXT - 1] = '\0';
	if (hvw_guid_parse(guid, bare))
		memset(guid, 0, sizeof(*guid));
}

/* Of a closed channel these files cannot be read. */
static void read_ring(struct hvis_ring *ring, const char *folder, const char *which)
{
	uint32_t waiting, space;

	ring->open =
		!hvis_read_number(&waiting, DEVICES "/%s/%s_read_bytes_avail", folder, which) &&
		!hvis_read_number(&space, DEVICES "/%s/%s_write_bytes_avail", folder, which) &&
		space <= UINT32_MAX - waiting;
	if (ring->open) {
		ring->bytes = waiting + space;
		ring->waiting = waiting;
	}
}

static void read_counters(struct hvis_channel *channel, const char *folder)
{
	uint32_t relid = channel->relid;

	channel->counted = !hvis_read_number(&channel->subchannel,
					     DEVICES "/%s/channels/%u/subchannel_id", folder,
					     relid) &&
			   !hvis_read_number(&channel->interrupts,
					     DEVICES "/%s/channels/%u/interrupts", folder, relid) &&
			   !hvis_read_number(&channel->events, DEVICES "/%s/channels/%u/events",
					     folder, relid);
}

static int by_relid(const void *a, const void *b)
{
	const struct hvis_channel *x = a, *y = b;

	return x->relid < y->relid ? -1 : x->relid > y->relid;
}

/* "RELID:CPU" and nothing else. */
static bool parse_mapping(struct hvis_channel *channel, const char *line)
{
	static const char digits[] = "0123456789";
	size_t relid = strspn(line, digits), cpu;

	if (!relid || relid > 9 || line[relid] != ':')
		return false;
	cpu = strspn(line + relid + 1, digits);
	if (!cpu || cpu > 9 || line[relid + 1 + cpu])
		return false;
	channel->relid = (uint32_t)strtoul(line, NULL, 10);
	channel->cpu = (uint32_t)strtoul(line + relid + 1, NULL, 10);
	return true;
}

/* Lines "RELID:CPU"; others say nothing. */
static int read_channels(struct hvis_device *device)
{
	char *text = hvis_read_all(MAPPING_MAX, DEVICES "/%s/channel_vp_mapping", device->folder);
	size_t lines = 1;
	char *line, *rest = text;

	if (!text)
		return errno == ENOMEM ? -ENOMEM : 0;
	for (line = text; *line; line++)
		lines += *line == '\n';
	device->channels = calloc(lines, sizeof(*device->channels));
	while (device->channels && (line = strsep(&rest, "\n"))) {
		struct hvis_channel *channel = &device->channels[device->channel_count];

		if (!parse_mapping(channel, line))
			continue;
		read_counters(channel, device->folder);
		device->channel_count++;
	}
	free(text);
	if (!device->channels)
		return -ENOMEM;
	qsort(device->channels, device->channel_count, sizeof(*device->channels), by_relid);
	return 0;
}

static int read_device(struct hvis_device *device, const char *folder)
{
	int err;

	snprintf(device->folder, sizeof(device->folder), "%s", folder);
	hvis_read_text(device->class_id, sizeof(device->class_id), DEVICES "/%s/class_id", folder);
	hvis_read_text(device->device_id, sizeof(device->device_id), DEVICES "/%s/device_id",
		       folder);
	read_guid(&device->class_guid, device->class_id);
	read_guid(&device->instance_guid, device->device_id);
	device->words = words_of(&device->class_guid);
	device->is_service = hvis_is_service(&device->class_guid);
	device->id_known = !hvis_read_number(&device->id, DEVICES "/%s/id", folder);
	device->state_known = !hvis_read_number(&device->state, DEVICES "/%s/state", folder);
	read_driver(device);
	read_ring(&device->out, folder, "out");
	read_ring(&device->in, folder, "in");
	err = hvis_nics_read(device);
	return err ? err : read_channels(device);
}

const char *hvis_state_name(const struct hvis_device *device)
{
	static const char *const names[] = { "offered", "opening", "open", "open" };

	return device->state_known && device->state < sizeof(names) / sizeof(names[0]) ?
		       names[device->state] :
		       "unknown";
}

/* --- the bus ---------------------------------------------------------------------------------- */

/* Those without a number come last. */
static int by_id(const void *a, const void *b)
{
	const struct hvis_device *x = a, *y = b;

	if (x->id_known != y->id_known)
		return x->id_known ? -1 : 1;
	if (x->id_known && x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return strcmp(x->folder, y->folder);
}

static int read_devices(struct hvis_bus *bus, const struct hvis_names *list)
{
	int err = 0;

	bus->devices = calloc(list->count ? list->count : 1, sizeof(*bus->devices));
	if (!bus->devices)
		return -ENOMEM;
	for (size_t i = 0; i < list->count && !err; i++) {
		/* The host may have taken it away since. */
		if (!hvis_exists(DEVICES "/%s/.", list->names[i]))
			continue;
		err = read_device(&bus->devices[bus->device_count++], list->names[i]);
	}
	qsort(bus->devices, bus->device_count, sizeof(*bus->devices), by_id);
	return err;
}

int hvis_bus_read(struct hvis_bus *bus)
{
	struct hvis_names list;
	int err;

	*bus = (struct hvis_bus){ 0 };
	err = hvis_list(&list, DEVICES);
	if (!err)
		err = read_devices(bus, &list);
	else if (err == -ENOENT)
		err = -ENODEV;
	hvis_names_fini(&list);
	if (err)
		return err;
	hvis_read_text(bus->kernel, sizeof(bus->kernel), "proc/sys/kernel/osrelease");
	read_module(&bus->module, "hv_vmbus");
	return 0;
}

void hvis_bus_fini(struct hvis_bus *bus)
{
	for (size_t i = 0; i < bus->device_count; i++) {
		free(bus->devices[i].channels);
		free(bus->devices[i].nics);
	}
	free(bus->devices);
	*bus = (struct hvis_bus){ 0 };
}

bool hvis_bus_lacks_driver(void)
{
	return hvis_exists("sys/bus/acpi/devices/VMBUS:00") ||
	       hvis_exists("sys/bus/acpi/devices/VMBus:00");
}
