/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <stdio.h>

#include "tools/hvis/bus.h"
#include "tools/hvis/json.h"
#include "tools/hvis/report.h"

#define SYSFS_FOLDER "/sys/bus/vmbus/devices/"

/* --- for people, who know lsvmbus -vv: its lines, and two more ---------------------------------- */

static void print_safely(const char *text)
{
	for (; *text; text++)
		putchar(*text >= ' ' && *text < 0x7f ? *text : '?');
}

static void print_ring(const char *which, const struct hvis_ring *ring)
{
	if (ring->open)
		printf("%s %u bytes, %u waiting", which, ring->bytes, ring->waiting);
	else
		printf("%s closed", which);
}

static void print_device(const struct hvis_device *device)
{
	printf("VMBUS ID ");
	if (device->id_known)
		printf("%2u", device->id);
	else
		printf(" ?");
	printf(": Class_ID = ");
	print_safely(device->class_id);
	printf(" - %s\n\tDevice_ID = ", device->words);
	print_safely(device->device_id);
	printf("\n\tSysfs path: " SYSFS_FOLDER);
	print_safely(device->folder);
	printf("\n\tDriver: ");
	print_safely(device->driver[0] ? device->driver : "none");
	printf("\n\tRings: ");
	print_ring("out", &device->out);
	printf("; ");
	print_ring("in", &device->in);
	putchar('\n');
	for (size_t i = 0; i < device->channel_count; i++)
		printf("\tRel_ID=%u, target_cpu=%u\n", device->channels[i].relid,
		       device->channels[i].cpu);
	putchar('\n');
}

bool hvis_devices_print(const struct hvis_bus *bus)
{
	for (size_t i = 0; i < bus->device_count; i++)
		print_device(&bus->devices[i]);
	return true;
}

/* --- for programs ----------------------------------------------------------------------------- */

static json_t *json_ring(const struct hvis_ring *ring)
{
	return ring->open ? json_pack("{s:I, s:I}", "bytes", (json_int_t)ring->bytes, "waiting",
				      (json_int_t)ring->waiting) :
			    json_null();
}

static json_t *json_channel(const struct hvis_channel *channel)
{
	json_t *json = json_pack("{s:I, s:I}", "relid", (json_int_t)channel->relid, "target_cpu",
				 (json_int_t)channel->cpu);

	if (channel->counted &&
	    json_object_update_new(json, json_pack("{s:I, s:I, s:I}", "subchannel",
						   (json_int_t)channel->subchannel, "interrupts",
						   (json_int_t)channel->interrupts, "events",
						   (json_int_t)channel->events))) {
		json_decref(json);
		return NULL;
	}
	return json;
}

static json_t *json_device(const struct hvis_device *device)
{
	char path[sizeof(SYSFS_FOLDER) + HVIS_NAME_MAX];
	json_t *channels = json_array();

	snprintf(path, sizeof(path), "%s%s", SYSFS_FOLDER, device->folder);
	for (size_t i = 0; i < device->channel_count; i++)
		if (json_array_append_new(channels, json_channel(&device->channels[i]))) {
			json_decref(channels);
			return NULL;
		}
	return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:o}", "id",
			 device->id_known ? json_integer(device->id) : json_null(), "name",
			 device->words, "class_id", hvis_json_text(device->class_id), "device_id",
			 hvis_json_text(device->device_id), "sysfs", hvis_json_text(path), "driver",
			 hvis_json_text(device->driver[0] ? device->driver : NULL), "state",
			 hvis_state_name(device), "out", json_ring(&device->out), "in",
			 json_ring(&device->in), "channels", channels);
}

json_t *hvis_devices_json(const struct hvis_bus *bus)
{
	json_t *devices = json_array();

	for (size_t i = 0; i < bus->device_count; i++)
		if (json_array_append_new(devices, json_device(&bus->devices[i]))) {
			json_decref(devices);
			return NULL;
		}
	return devices;
}
