/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Prints what was found: for people, and as JSON.
 */
#ifndef TOOLS_HVIS_REPORT_H
#define TOOLS_HVIS_REPORT_H

#include <jansson.h>
#include <stdbool.h>

struct hvis_bus;

/* False or NULL: no memory. */
bool hvis_status_print(const struct hvis_bus *bus);
json_t *hvis_status_json(const struct hvis_bus *bus);
bool hvis_devices_print(const struct hvis_bus *bus);
json_t *hvis_devices_json(const struct hvis_bus *bus);

#endif
