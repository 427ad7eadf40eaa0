/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Negotiated versions. sysfs has none of them. Our modules tell theirs in debugfs, for as long as they are loaded; the
 * kernel's own drivers say them in the kernel's log, once, so there they are gone when the log has grown enough.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "hvp_vmbus.h"
#include "hvw_guid.h"
#include "tools/hvis/bus.h"

#define DEBUGFS_MAX 65536
#define LOG_MAX	    (16u << 20)

/* The services, and what drivers call them in their messages, in this or another case. */
static const struct {
	struct hvp_guid guid;
	const char *name;
} services[] = {
	{ HVP_CLASS_HEARTBEAT, "Heartbeat" },
	{ HVP_CLASS_SHUTDOWN, "Shutdown" },
	{ HVP_CLASS_TIMESYNC, "TimeSync" },
	{ HVP_CLASS_KVP, "KVP" },
	{ HVP_CLASS_VSS, "VSS" },
	{ HVP_CLASS_FCOPY, "FCopy" },
};

bool hvis_is_service(const struct hvp_guid *class_guid)
{
	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++)
		if (hvw_guid_equal(class_guid, &services[i].guid))
			return true;
	return false;
}

bool hvis_versions_missing(const struct hvis_bus *bus)
{
	bool missing = !bus->version.known;

	for (size_t i = 0; i < bus->device_count; i++)
		missing = missing || (bus->devices[i].is_service && bus->devices[i].driver[0] &&
				      !bus->devices[i].service.known);
	return missing;
}

/* "MAJOR.MINOR" at the beginning of the text. */
static bool parse_version(struct hvis_version *version, const char *text)
{
	struct hvis_version parsed = { .known = true };

	if (sscanf(text, "%5u.%5u", &parsed.major, &parsed.minor) != 2)
		return false;
	*version = parsed;
	return true;
}

/* --- our modules ------------------------------------------------------------------------------ */

/* Lines "NAME VALUE": see port/linux/debug.c. */
static void take_our_line(struct hvis_bus *bus, struct hvis_device *device, const char *line)
{
	static const char vmbus[] = "vmbus ", message[] = "message ", framework[] = "framework ";

	if (strncmp(line, vmbus, strlen(vmbus)) == 0)
		parse_version(&bus->version, line + strlen(vmbus));
	else if (strncmp(line, message, strlen(message)) == 0)
		parse_version(&device->service, line + strlen(message));
	else if (strncmp(line, framework, strlen(framework)) == 0)
		parse_version(&device->framework, line + strlen(framework));
}

static void ask_our_modules(struct hvis_bus *bus)
{
	for (size_t i = 0; i < bus->device_count; i++) {
		struct hvis_device *device = &bus->devices[i];
		char *text, *line, *rest;

		if (!device->driver[0] || device->module.origin != HVIS_ORIGIN_HVIS)
			continue;
		text = rest = hvis_read_all(DEBUGFS_MAX, "sys/kernel/debug/hvis-%s/%s",
					    device->module.name, device->folder);
		while (text && (line = strsep(&rest, "\n")))
			take_our_line(bus, device, line);
		free(text);
	}
}

/* --- the kernel's log ------------------------------------------------------------------------- */

/* What the line says after "PREFIX: ", or NULL. */
static const char *said_by(const char *line, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(line, prefix, len) == 0 && strncmp(line + len, ": ", 2) == 0 ?
		       line + len + 2 :
		       NULL;
}

/* "Heartbeat IC version 3.0" of the kernel's drivers, "heartbeat: version 3.0, framework 3.0" of ours. */
static void take_service(struct hvis_device *device, const char *said, struct hvis_version *service,
			 struct hvis_version *framework)
{
	static const char theirs[] = " IC version ", ours[] = ": version ", and[] = ", framework ";

	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
		size_t len = strlen(services[i].name);
		const char *second;

		if (!hvw_guid_equal(&device->class_guid, &services[i].guid) ||
		    strncasecmp(said, services[i].name, len) != 0)
			continue;
		if (strncmp(said + len, theirs, strlen(theirs)) == 0) {
			parse_version(service, said + len + strlen(theirs));
			framework->known = false;
		} else if (strncmp(said + len, ours, strlen(ours)) == 0) {
			parse_version(service, said + len + strlen(ours));
			second = strstr(said, and);
			if (second)
				parse_version(framework, second + strlen(and));
		}
	}
}

/* What the log says last holds. */
struct log_versions {
	struct hvis_version bus;
	struct hvis_version *services, *frameworks; /* by device */
};

static void take_log_line(struct hvis_bus *bus, struct log_versions *found, const char *line)
{
	static const char vmbus[] = "Vmbus version:";
	const char *said = said_by(line, "hv_vmbus"), *where;

	/* Older kernels name the host's build first. */
	where = said ? strstr(said, vmbus) : NULL;
	if (where)
		parse_version(&found->bus, where + strlen(vmbus));
	for (size_t i = 0; i < bus->device_count; i++) {
		struct hvis_device *device = &bus->devices[i];

		if (!device->driver[0] || !device->is_service)
			continue;
		said = said_by(line, device->module.name);
		if (said)
			take_service(device, said, &found->services[i], &found->frameworks[i]);
	}
}

/* Records "PRIORITY,NUMBER,TIME,...;TEXT"; what processes wrote into the log has a priority of 8 and more. */
static void take_log(struct hvis_bus *bus, struct log_versions *found, char *log)
{
	char *line, *rest = log, *text;

	while ((line = strsep(&rest, "\n"))) {
		if (line[0] < '0' || line[0] > '7' || line[1] != ',')
			continue;
		text = strchr(line, ';');
		if (text)
			take_log_line(bus, found, text + 1);
	}
}

static void ask_log(struct hvis_bus *bus)
{
	char *log = hvis_read_all(LOG_MAX, "dev/kmsg");
	struct log_versions found = { { 0 }, NULL, NULL };

	if (!log) {
		bus->log_denied = errno == EPERM || errno == EACCES;
		return;
	}
	found.services = calloc(bus->device_count + 1, sizeof(*found.services));
	found.frameworks = calloc(bus->device_count + 1, sizeof(*found.frameworks));
	if (found.services && found.frameworks) {
		take_log(bus, &found, log);
		if (!bus->version.known)
			bus->version = found.bus;
		for (size_t i = 0; i < bus->device_count; i++) {
			if (bus->devices[i].service.known)
				continue;
			bus->devices[i].service = found.services[i];
			bus->devices[i].framework = found.frameworks[i];
		}
	}
	free(found.services);
	free(found.frameworks);
	free(log);
}

void hvis_versions_read(struct hvis_bus *bus)
{
	ask_our_modules(bus);
	if (hvis_versions_missing(bus))
		ask_log(bus);
}
