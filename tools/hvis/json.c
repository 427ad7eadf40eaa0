/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "tools/hvis/json.h"

#include <stdio.h>

static void print_character(const unsigned char *c, unsigned bytes)
{
	if (bytes > 1)
		printf("%.*s", (int)bytes, (const char *)c);
	else if (*c == '"' || *c == '\\')
		printf("\\%c", *c);
	else if (*c < 0x20 || *c == 0x7f)
		printf("\\u%04x", *c);
	else
		putchar(*c);
}

/* Bytes of the character, or 0 if it is none in UTF-8: too long forms, surrogates, beyond the last. */
static unsigned character_bytes(const unsigned char *c)
{
	unsigned bytes = *c < 0x80 ? 1 :
			 *c < 0xc2 ? 0 :
			 *c < 0xe0 ? 2 :
			 *c < 0xf0 ? 3 :
			 *c < 0xf5 ? 4 :
				     0;

	for (unsigned i = 1; i < bytes; i++)
		if ((c[i] & 0xc0) != 0x80)
			return 0;
	if ((*c == 0xe0 && c[1] < 0xa0) || (*c == 0xed && c[1] >= 0xa0) ||
	    (*c == 0xf0 && c[1] < 0x90) || (*c == 0xf4 && c[1] >= 0x90))
		return 0;
	return bytes;
}

static void print_string(const char *text)
{
	const unsigned char *c = (const unsigned char *)text;

	putchar('"');
	while (*c) {
		unsigned bytes = character_bytes(c);

		if (bytes)
			print_character(c, bytes);
		else
			fputs("\\ufffd", stdout);
		c += bytes ? bytes : 1;
	}
	putchar('"');
}

static void new_line(const struct hvis_json *json)
{
	printf("\n%*s", (int)(2 * json->depth), "");
}

static void begin_value(struct hvis_json *json, const char *key)
{
	if (json->more)
		putchar(',');
	if (json->depth)
		new_line(json);
	if (key) {
		print_string(key);
		fputs(": ", stdout);
	}
	json->more = true;
}

void hvis_json_open(struct hvis_json *json, const char *key, char bracket)
{
	begin_value(json, key);
	putchar(bracket);
	json->depth++;
	json->more = false;
}

void hvis_json_close(struct hvis_json *json, char bracket)
{
	json->depth--;
	if (json->more)
		new_line(json);
	putchar(bracket);
	json->more = true;
	if (!json->depth)
		putchar('\n');
}

void hvis_json_text(struct hvis_json *json, const char *key, const char *text)
{
	if (!text) {
		hvis_json_null(json, key);
		return;
	}
	begin_value(json, key);
	print_string(text);
}

void hvis_json_number(struct hvis_json *json, const char *key, unsigned long long number)
{
	begin_value(json, key);
	printf("%llu", number);
}

void hvis_json_bool(struct hvis_json *json, const char *key, bool value)
{
	begin_value(json, key);
	fputs(value ? "true" : "false", stdout);
}

void hvis_json_null(struct hvis_json *json, const char *key)
{
	begin_value(json, key);
	fputs("null", stdout);
}
