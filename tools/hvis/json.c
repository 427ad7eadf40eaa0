/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "tools/hvis/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHARACTER_MAX 4u
#define REPLACEMENT   "\xef\xbf\xbd"

/* Bytes of the character at the start, or 0 if it is none in UTF-8. jansson takes nothing else. */
static size_t character_bytes(const char *text)
{
	size_t bytes, most = strnlen(text, CHARACTER_MAX);

	for (bytes = 1; bytes <= most; bytes++) {
		json_t *character = json_stringn(text, bytes);

		json_decref(character);
		if (character)
			return bytes;
	}
	return 0;
}

json_t *hvis_json_text(const char *text)
{
	json_t *string = text ? json_string(text) : json_null();
	char *valid, *to;

	if (string)
		return string;
	valid = to = malloc(strlen(text) * strlen(REPLACEMENT) + 1);
	if (!valid)
		return NULL;
	while (*text) {
		size_t bytes = character_bytes(text);

		to = mempcpy(to, bytes ? text : REPLACEMENT, bytes ? bytes : strlen(REPLACEMENT));
		text += bytes ? bytes : 1;
	}
	string = json_stringn(valid, (size_t)(to - valid));
	free(valid);
	return string;
}
