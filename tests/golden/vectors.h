/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Files of byte vectors, for the programs that check them: tests/golden/<folder>/<name>.txt holds pairs of
 * hexadecimal digits; "00*16" repeats one; "#" begins a comment. One comment line begins with "source:" (the
 * public specification or header that says so) or "observed:" (real traffic: of what, when). Vectors are never made
 * by the code that they check.
 */
#ifndef TESTS_GOLDEN_VECTORS_H
#define TESTS_GOLDEN_VECTORS_H

#include <ctype.h>
#include <dirent.h>

#include "tap.h"

#define ROOT	   "tests/golden"
#define VECTOR_MAX 4096
#define FILES_MAX  200

struct vector {
	uint8_t bytes[VECTOR_MAX];
	size_t len;
};

/* Which files were read, so that one that no test reads is found. */
static char files_read[FILES_MAX][80];
static unsigned files_read_count;

/* --- files ----------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Adds the bytes of one line; false: not hexadecimal, or too long. */
static bool add_line(struct vector *v, const char *line)
{
	for (;;) {
		unsigned long repeat = 1;
		int high, low;
		char *end;

		while (isspace((unsigned char)*line))
			line++;
		if (!*line || *line == '#')
			return true;
		high = hex_digit(line[0]);
		low = high < 0 ? -1 : hex_digit(line[1]);
		if (low < 0)
			return false;
		line += 2;
		if (*line == '*') {
			repeat = strtoul(line + 1, &end, 10);
			line = end;
		}
		if (repeat > VECTOR_MAX - v->len || (*line && !isspace((unsigned char)*line)))
			return false;
		memset(v->bytes + v->len, high << 4 | low, repeat);
		v->len += repeat;
	}
}

TAP_UNUSED static bool load(struct vector *v, const char *name)
{
	char path[160], line[1024];
	unsigned sources = 0, number = 0;
	bool sound = true;
	FILE *file;

	memset(v, 0, sizeof(*v));
	snprintf(path, sizeof(path), ROOT "/%s.txt", name);
	file = fopen(path, "r");
	if (!tap_note(file != NULL, __FILE__, __LINE__, "no vector %s", path))
		return false;
	while (sound && fgets(line, sizeof(line), file)) {
		number++;
		sources += !strncmp(line, "# source: ", 10) || !strncmp(line, "# observed: ", 12);
		sound = tap_note(add_line(v, line), __FILE__, __LINE__, "%s:%u: %s", path, number,
				 line);
	}
	fclose(file);
	tap_note(sources == 1, __FILE__, __LINE__, "%s has %u sources", path, sources);
	tap_note(v->len > 0, __FILE__, __LINE__, "%s is empty", path);
	if (TAP_CHECK(files_read_count < FILES_MAX))
		snprintf(files_read[files_read_count++], sizeof(files_read[0]), "%s.txt", name);
	return sound;
}

TAP_UNUSED static bool same_bytes(const struct vector *v, const void *bytes, size_t len)
{
	return TAP_EQ(v->len, len) && TAP_MEM_EQ(bytes, v->bytes, len);
}

TAP_UNUSED static bool was_read(const char *name)
{
	for (unsigned i = 0; i < files_read_count; i++)
		if (!strcmp(files_read[i], name))
			return true;
	return false;
}

/* Each file of the folder must have been loaded: for a program's last test. */
TAP_UNUSED static void every_vector_was_read(const char *folder)
{
	char name[80];
	DIR *dir;
	struct dirent *entry;

	snprintf(name, sizeof(name), ROOT "/%s", folder);
	dir = opendir(name);
	TAP_REQUIRE(dir != NULL);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%.60s", folder, entry->d_name);
		tap_note(was_read(name), __FILE__, __LINE__, "no test reads %s", name);
	}
	closedir(dir);
}

#endif
