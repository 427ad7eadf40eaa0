/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <stdio.h>
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

static void widen(size_t widths[COLUMNS], const struct row *row)
{
	for (unsigned i = 0; i < COLUMNS; i++)
		if (strlen(row->cells[i]) > widths[i])
			widths[i] = strlen(row->cells[i]);
}

static void print_row(const size_t widths[COLUMNS], const struct row *row)
{
	for (unsigned i = 0; i < COLUMNS - 1; i++)
		printf("%-*s  ", (int)widths[i], row->cells[i]);
	puts(row->cells[COLUMNS - 1]);
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

void hvis_status_print(const struct hvis_bus *bus)
{
	size_t widths[COLUMNS] = { 0 };
	struct row row;

	print_bus(bus);
	if (!bus->device_count) {
		puts("The host offers no devices.");
		return;
	}
	widen(widths, &heading);
	for (size_t i = 0; i < bus->device_count; i++) {
		make_row(&row, &bus->devices[i]);
		widen(widths, &row);
	}
	putchar('\n');
	print_row(widths, &heading);
	for (size_t i = 0; i < bus->device_count; i++) {
		make_row(&row, &bus->devices[i]);
		print_row(widths, &row);
	}
	print_nics(bus);
	if (hvis_versions_missing(bus))
		printf("\n?: %s\n",
		       bus->log_denied ? "only root may read where the kernel tells that" :
					 "the kernel does not tell, or its log has forgotten it");
}

/* --- for programs ----------------------------------------------------------------------------- */

static void json_version(struct hvis_json *json, const char *key,
			 const struct hvis_version *version)
{
	char text[CELL_BYTES];

	set_version(text, version);
	hvis_json_text(json, key, version->known ? text : NULL);
}

static void json_module(struct hvis_json *json, const char *key, const struct hvis_module *module)
{
	hvis_json_open(json, key, '{');
	hvis_json_text(json, "name", module->name);
	hvis_json_text(json, "from", origin_name(module));
	hvis_json_bool(json, "built_in", module->built_in);
	hvis_json_text(json, "version", module->version[0] ? module->version : NULL);
	hvis_json_close(json, '}');
}

static void json_nic(struct hvis_json *json, const struct hvis_nic *nic)
{
	hvis_json_open(json, NULL, '{');
	hvis_json_text(json, "name", nic->name);
	hvis_json_text(json, "state", nic->state[0] ? nic->state : NULL);
	hvis_json_number(json, "mtu", nic->mtu);
	hvis_json_number(json, "queues", nic->queues);
	if (nic->offloads_known) {
		hvis_json_open(json, "offloads", '{');
		for (unsigned i = 0; i < HVIS_OFFLOADS; i++)
			hvis_json_bool(json, hvis_offload_name(i), nic->offloads & 1u << i);
		hvis_json_close(json, '}');
	} else {
		hvis_json_null(json, "offloads");
	}
	hvis_json_close(json, '}');
}

static void json_device(struct hvis_json *json, const struct hvis_device *device)
{
	char words[CELL_BYTES];

	plain_words(words, device);
	hvis_json_open(json, NULL, '{');
	hvis_json_text(json, "name", words);
	hvis_json_text(json, "class_id", device->class_id);
	hvis_json_text(json, "device_id", device->device_id);
	hvis_json_text(json, "state", hvis_state_name(device));
	if (device->driver[0]) {
		hvis_json_text(json, "driver", device->driver);
		json_module(json, "module", &device->module);
	} else {
		hvis_json_null(json, "driver");
		hvis_json_null(json, "module");
	}
	json_version(json, "service_version", &device->service);
	json_version(json, "framework_version", &device->framework);
	hvis_json_open(json, "network", '[');
	for (size_t i = 0; i < device->nic_count; i++)
		json_nic(json, &device->nics[i]);
	hvis_json_close(json, ']');
	hvis_json_close(json, '}');
}

void hvis_status_json(const struct hvis_bus *bus)
{
	struct hvis_json json = { 0 };

	hvis_json_open(&json, NULL, '{');
	hvis_json_text(&json, "kernel", bus->kernel[0] ? bus->kernel : NULL);
	hvis_json_open(&json, "vmbus", '{');
	json_version(&json, "version", &bus->version);
	json_module(&json, "module", &bus->module);
	hvis_json_close(&json, '}');
	hvis_json_open(&json, "devices", '[');
	for (size_t i = 0; i < bus->device_count; i++)
		json_device(&json, &bus->devices[i]);
	hvis_json_close(&json, ']');
	hvis_json_close(&json, '}');
}
