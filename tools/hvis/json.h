/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Writes JSON to standard output, a line for each value. In an array `key` is NULL.
 */
#ifndef TOOLS_HVIS_JSON_H
#define TOOLS_HVIS_JSON_H

#include <stdbool.h>

struct hvis_json {
	unsigned depth;
	bool more; /* a value stands before the next one */
};

void hvis_json_open(struct hvis_json *json, const char *key, char bracket);
void hvis_json_close(struct hvis_json *json, char bracket);
/* NULL: null. What is not UTF-8 becomes a replacement character. */
void hvis_json_text(struct hvis_json *json, const char *key, const char *text);
void hvis_json_number(struct hvis_json *json, const char *key, unsigned long long number);
void hvis_json_bool(struct hvis_json *json, const char *key, bool value);
void hvis_json_null(struct hvis_json *json, const char *key);

#endif
