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

void hvis_devices_print(const struct hvis_bus *bus)
{
	for (size_t i = 0; i < bus->device_count; i++)
		print_device(&bus->devices[i]);
}

/* --- for programs ----------------------------------------------------------------------------- */

static void json_ring(struct hvis_json *json, const char *key, const struct hvis_ring *ring)
{
	if (!ring->open) {
		hvis_json_null(json, key);
		return;
	}
	hvis_json_open(json, key, '{');
	hvis_json_number(json, "bytes", ring->bytes);
	hvis_json_number(json, "waiting", ring->waiting);
	hvis_json_close(json, '}');
}

static void json_channel(struct hvis_json *json, const struct hvis_channel *channel)
{
	hvis_json_open(json, NULL, '{');
	hvis_json_number(json, "relid", channel->relid);
	hvis_json_number(json, "target_cpu", channel->cpu);
	if (channel->counted) {
		hvis_json_number(json, "subchannel", channel->subchannel);
		hvis_json_number(json, "interrupts", channel->interrupts);
		hvis_json_number(json, "events", channel->events);
	}
	hvis_json_close(json, '}');
}

static void json_device(struct hvis_json *json, const struct hvis_device *device)
{
	char path[sizeof(SYSFS_FOLDER) + HVIS_NAME_MAX];

	snprintf(path, sizeof(path), "%s%s", SYSFS_FOLDER, device->folder);
	hvis_json_open(json, NULL, '{');
	if (device->id_known)
		hvis_json_number(json, "id", device->id);
	else
		hvis_json_null(json, "id");
	hvis_json_text(json, "name", device->words);
	hvis_json_text(json, "class_id", device->class_id);
	hvis_json_text(json, "device_id", device->device_id);
	hvis_json_text(json, "sysfs", path);
	hvis_json_text(json, "driver", device->driver[0] ? device->driver : NULL);
	hvis_json_text(json, "state", hvis_state_name(device));
	json_ring(json, "out", &device->out);
	json_ring(json, "in", &device->in);
	hvis_json_open(json, "channels", '[');
	for (size_t i = 0; i < device->channel_count; i++)
		json_channel(json, &device->channels[i]);
	hvis_json_close(json, ']');
	hvis_json_close(json, '}');
}

void hvis_devices_json(const struct hvis_bus *bus)
{
	struct hvis_json json = { 0 };

	hvis_json_open(&json, NULL, '[');
	for (size_t i = 0; i < bus->device_count; i++)
		json_device(&json, &bus->devices[i]);
	hvis_json_close(&json, ']');
}
