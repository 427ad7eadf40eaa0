/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/hvis/bus.h"
#include "tools/hvis/json.h"
#include "tools/hvis/report.h"

#define COLUMNS	   7
#define CELL_BYTES 64

struct row {
	char cells[COLUMNS][CELL_BYTES];
};

static const char *origin_name(const struct hvis_module *module)
{
	static const char *const names[] = { "kernel", "hvis", "other" };

	return names[module->origin];
}

/* As the lists of the devices name it, without lsvmbus's brackets. */
static void plain_words(char words[CELL_BYTES], const struct hvis_device *device)
{
	size_t len = strlen(device->words);

	if (device->words[0] == '[')
		snprintf(words, CELL_BYTES, "%.*s", (int)len - 2, device->words + 1);
	else
		snprintf(words, CELL_BYTES, "%s", device->words);
}

/* --- for people ------------------------------------------------------------------------------- */

/* Names of files may hold anything; a terminal gets what it can print. */
static void set_cell(char cell[CELL_BYTES], const char *text)
{
	size_t i;

	for (i = 0; i < CELL_BYTES - 1 && text[i]; i++)
		cell[i] = text[i] > ' ' && text[i] < 0x7f ? text[i] : '?';
	cell[i] = '\0';
	if (!i)
		strcpy(cell, "-");
}

static void set_version(char cell[CELL_BYTES], const struct hvis_version *version)
{
	if (version->known)
		snprintf(cell, CELL_BYTES, "%u.%u", version->major, version->minor);
	else
		strcpy(cell, "?");
}

static void make_row(struct row *row, const struct hvis_device *device)
{
	plain_words(row->cells[0], device);
	for (unsigned i = 1; i < COLUMNS; i++)
		strcpy(row->cells[i], "-");
	set_cell(row->cells[6], device->driver[0] ? hvis_state_name(device) : "unused");
	if (!device->driver[0])
		return;
	set_cell(row->cells[1], device->driver);
	strcpy(row->cells[2], origin_name(&device->module));
	set_cell(row->cells[3], device->module.version);
	if (!device->is_service)
		return;
	set_version(row->cells[4], &device->service);
	set_version(row->cells[5], &device->framework);
}

static const struct row heading = { { "DEVICE", "DRIVER", "FROM", "MODULE", "SERVICE", "FRAMEWORK",
				      "CHANNEL" } };

static void print_table(const struct row *rows, size_t count)
{
	size_t widths[COLUMNS] = { 0 }, row;
	unsigned i;

	for (row = 0; row < count; row++)
		for (i = 0; i < COLUMNS; i++)
			if (strlen(rows[row].cells[i]) > widths[i])
				widths[i] = strlen(rows[row].cells[i]);
	for (row = 0; row < count; row++) {
		for (i = 0; i < COLUMNS - 1; i++)
			printf("%-*s  ", (int)widths[i], rows[row].cells[i]);
		puts(rows[row].cells[i]);
	}
}

static void print_bus(const struct hvis_bus *bus)
{
	const struct hvis_module *module = &bus->module;
	char version[CELL_BYTES], text[CELL_BYTES], kernel[CELL_BYTES];

	set_version(version, &bus->version);
	set_cell(kernel, bus->kernel);
	printf("VMBus %s by ", version);
	if (module->origin == HVIS_ORIGIN_KERNEL) {
		printf("the kernel's own driver");
	} else {
		set_cell(text, module->version);
		printf("%s %s",
		       module->origin == HVIS_ORIGIN_HVIS ? "the driver of hvis" : "another driver",
		       text);
	}
	printf(" (%s%s), Linux %s\n", module->name, module->built_in ? ", built in" : "", kernel);
}

/* Offloads are words for people here. */
static void print_nic(const struct hvis_nic *nic)
{
	char name[CELL_BYTES], state[CELL_BYTES];
	bool any = false;

	set_cell(name, nic->name);
	set_cell(state, nic->state);
	printf("%s: %s, MTU %u, %u queue%s", name, state, nic->mtu, nic->queues,
	       nic->queues == 1 ? "" : "s");
	for (unsigned i = 0; nic->offloads_known && i < HVIS_OFFLOADS; i++) {
		if (!(nic->offloads & 1u << i))
			continue;
		printf("%s%s", any ? ", " : "; offloads: ", hvis_offload_name(i));
		any = true;
	}
	puts(nic->offloads_known && !any ? "; no offloads" : "");
}

static void print_nics(const struct hvis_bus *bus)
{
	bool any = false;

	for (size_t i = 0; i < bus->device_count; i++)
		for (size_t j = 0; j < bus->devices[i].nic_count; j++) {
			if (!any)
				putchar('\n');
			any = true;
			print_nic(&bus->devices[i].nics[j]);
		}
}

bool hvis_status_print(const struct hvis_bus *bus)
{
	struct row *rows = calloc(1 + bus->device_count, sizeof(*rows));

	if (!rows)
		return false;
	print_bus(bus);
	rows[0] = heading;
	for (size_t i = 0; i < bus->device_count; i++)
		make_row(&rows[1 + i], &bus->devices[i]);
	if (bus->device_count) {
		putchar('\n');
		print_table(rows, 1 + bus->device_count);
	} else {
		puts("The host offers no devices.");
	}
	free(rows);
	print_nics(bus);
	if (hvis_versions_missing(bus))
		printf("\n?: %s\n",
		       bus->log_denied ? "only root may read where the kernel tells that" :
					 "the kernel does not tell, or its log has forgotten it");
	return true;
}

/* --- for programs ----------------------------------------------------------------------------- */

static json_t *json_version(const struct hvis_version *version)
{
	return version->known ? json_sprintf("%u.%u", version->major, version->minor) : json_null();
}

static json_t *json_module(const struct hvis_module *module)
{
	return json_pack("{s:o, s:s, s:b, s:o}", "name", hvis_json_text(module->name), "from",
			 origin_name(module), "built_in", module->built_in, "version",
			 hvis_json_text(module->version[0] ? module->version : NULL));
}

static json_t *json_offloads(const struct hvis_nic *nic)
{
	json_t *offloads;

	if (!nic->offloads_known)
		return json_null();
	offloads = json_object();
	for (unsigned i = 0; i < HVIS_OFFLOADS; i++)
		if (json_object_set_new(offloads, hvis_offload_name(i),
					json_boolean(nic->offloads & 1u << i))) {
			json_decref(offloads);
			return NULL;
		}
	return offloads;
}

static json_t *json_nic(const struct hvis_nic *nic)
{
	return json_pack("{s:o, s:o, s:I, s:I, s:o}", "name", hvis_json_text(nic->name), "state",
			 hvis_json_text(nic->state[0] ? nic->state : NULL), "mtu",
			 (json_int_t)nic->mtu, "queues", (json_int_t)nic->queues, "offloads",
			 json_offloads(nic));
}

static json_t *json_nics(const struct hvis_device *device)
{
	json_t *nics = json_array();

	for (size_t i = 0; i < device->nic_count; i++)
		if (json_array_append_new(nics, json_nic(&device->nics[i]))) {
			json_decref(nics);
			return NULL;
		}
	return nics;
}

static json_t *json_device(const struct hvis_device *device)
{
	bool driven = device->driver[0];
	char words[CELL_BYTES];

	plain_words(words, device);
	return json_pack("{s:s, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "name", words, "class_id",
			 hvis_json_text(device->class_id), "device_id",
			 hvis_json_text(device->device_id), "state", hvis_state_name(device),
			 "driver", hvis_json_text(driven ? device->driver : NULL), "module",
			 driven ? json_module(&device->module) : json_null(), "service_version",
			 json_version(&device->service), "framework_version",
			 json_version(&device->framework), "network", json_nics(device));
}

json_t *hvis_status_json(const struct hvis_bus *bus)
{
	json_t *devices = json_array();

	for (size_t i = 0; i < bus->device_count; i++)
		if (json_array_append_new(devices, json_device(&bus->devices[i]))) {
			json_decref(devices);
			return NULL;
		}
	return json_pack("{s:o, s:{s:o, s:o}, s:o}", "kernel",
			 hvis_json_text(bus->kernel[0] ? bus->kernel : NULL), "vmbus", "version",
			 json_version(&bus->version), "module", json_module(&bus->module),
			 "devices", devices);
}
