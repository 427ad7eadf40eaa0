/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * `hvhost disk`, and the disks in `hvhost status`.
 */
#include <stdio.h>
#include <string.h>

#include "vmm/ask.h"
#include "vmm/commands.h"

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "-";
}

static long long number_of(const json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}

/* Of all queues. */
static long long sum_of(const json_t *storage, const char *counter)
{
	long long sum = 0;
	size_t index;
	json_t *queue;

	json_array_foreach(json_object_get(storage, "queue"), index, queue)
		sum += number_of(queue, counter);
	return sum;
}

/* "20 GiB", in the largest unit that it has a whole number of. */
static const char *size_of(char *buffer, size_t size, const json_t *object, const char *key)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	const json_t *number = json_object_get(object, key);
	long long bytes = (long long)json_integer_value(number);
	unsigned unit = 0;

	if (!json_is_integer(number))
		return "-";
	for (; unit < 4 && bytes && bytes % 1024 == 0; unit++)
		bytes /= 1024;
	snprintf(buffer, size, "%lld %s", bytes, units[unit]);
	return buffer;
}

void vmm_print_disks(const json_t *storage)
{
	char bytes[32], allocated[32];
	size_t index;
	json_t *disk;

	vmm_print("Controller: storage protocol %s, %lld queue%s, %s; "
		  "%lld reads, %lld writes, %lld flushes\n",
		  text_of(storage, "storvsp"), number_of(storage, "queues"),
		  number_of(storage, "queues") == 1 ? "" : "s", text_of(storage, "io"),
		  sum_of(storage, "reads"), sum_of(storage, "writes"), sum_of(storage, "flushes"));
	vmm_print("%-4s %12s %12s %-5s %s\n", "LUN", "Size", "Allocated", "Mode", "Image");
	json_array_foreach(json_object_get(storage, "disks"), index, disk)
		vmm_print("%-4lld %12s %12s %-5s %s\n", number_of(disk, "lun"),
			  size_of(bytes, sizeof(bytes), disk, "bytes"),
			  size_of(allocated, sizeof(allocated), disk, "allocated_bytes"),
			  json_is_true(json_object_get(disk, "dvd"))	  ? "dvd" :
			  json_is_true(json_object_get(disk, "readonly")) ? "ro" :
									    "rw",
			  text_of(disk, "path"));
}

static enum vmm_exit show(const struct vmm_query *query)
{
	json_t *status = vmm_ask(query->name, json_pack("{s:s}", "command", "status"),
				 VMM_ASK_TIMEOUT_S),
	       *storage;

	if (!status)
		return VMM_EXIT_FAILED;
	storage = json_object_get(status, "storage");
	if (query->json)
		vmm_print_json(json_incref(storage));
	else if (!json_is_object(storage))
		vmm_print("%s: no disks\n", query->name);
	else
		vmm_print_disks(storage);
	json_decref(status);
	return VMM_EXIT_DONE;
}

enum vmm_exit vmm_command_disk(const struct vmm_query *query)
{
	json_t *request, *result;
	char bytes[32];

	if (!query->disk_order)
		return show(query);
	request = json_pack("{s:s, s:s}", "command", "disk", "order", query->disk_order);
	if (query->disk)
		json_object_set_new(request, "disk", json_string(query->disk));
	else
		json_object_set_new(request, "lun", json_integer(query->lun));
	if (query->medium)
		json_object_set_new(request, "disk", json_sprintf("%s,dvd", query->medium));
	if (query->disk_bytes)
		json_object_set_new(request, "bytes", json_integer((json_int_t)query->disk_bytes));
	result = vmm_ask(query->name, request, VMM_ASK_TIMEOUT_S);
	if (!result)
		return VMM_EXIT_FAILED;
	if (query->json) {
		vmm_print_json(result);
		return VMM_EXIT_DONE;
	}
	if (query->disk)
		vmm_print("%s: disk %lld is there, %s\n", query->name, number_of(result, "lun"),
			  size_of(bytes, sizeof(bytes), result, "bytes"));
	else if (!strcmp(query->disk_order, "remove"))
		vmm_print("%s: disk %u is gone\n", query->name, query->lun);
	else if (!strcmp(query->disk_order, "eject"))
		vmm_print("%s: drive %u is empty\n", query->name, query->lun);
	else if (query->medium)
		vmm_print("%s: %s is in drive %u\n", query->name, query->medium, query->lun);
	else
		vmm_print("%s: disk %u has %s\n", query->name, query->lun,
			  size_of(bytes, sizeof(bytes), result, "bytes"));
	json_decref(result);
	return VMM_EXIT_DONE;
}
