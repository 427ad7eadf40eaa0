/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "daemons/mounts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

/* The kernel writes blanks and the like as three octal digits. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' &&
		    from[2] <= '7' && from[3] >= '0' && from[3] <= '7') {
			*to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

static bool has_option(const char *options, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = options; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (!strncmp(at, name, len) && (at[len] == ',' || !at[len]))
			return true;
	}
	return false;
}

static bool known(const struct hvd_mounts *mounts, dev_t device)
{
	for (size_t i = 0; i < mounts->count; i++)
		if (mounts->mount[i].device == device)
			return true;
	return false;
}

static int add(struct hvd_mounts *mounts, dev_t device, char *path, const char *type)
{
	struct hvd_mount *mount = &mounts->mount[mounts->count];

	if (mounts->count == HVD_MOUNTS_MAX)
		return -E2BIG;
	unescape(path);
	mount->device = device;
	mount->path = strdup(path);
	mount->type = strdup(type);
	mounts->count++;
	return mount->path && mount->type ? 0 : -ENOMEM;
}

/* "id parent major:minor root path options [tags]... - type source options of the file system" */
static int take_line(struct hvd_mounts *mounts, char *line)
{
	char *field[6], *rest, *save = NULL, *type, *source, *options;
	unsigned major_number, minor_number;

	for (int i = 0; i < 6; i++) {
		field[i] = strtok_r(i ? NULL : line, " \n", &save);
		if (!field[i])
			return -EPROTO;
	}
	do
		rest = strtok_r(NULL, " \n", &save);
	while (rest && strcmp(rest, "-"));
	type = strtok_r(NULL, " \n", &save);
	source = strtok_r(NULL, " \n", &save);
	options = strtok_r(NULL, " \n", &save);
	if (!options || sscanf(field[2], "%u:%u", &major_number, &minor_number) != 2)
		return -EPROTO;
	/*
	 * One mount of a file system may be read-only while others are not: what counts are the options of the file system
	 * itself. The first mount is taken, from which the others may have been bound.
	 */
	if (strncmp(source, "/dev/", 5) || has_option(options, "ro") ||
	    known(mounts, makedev(major_number, minor_number)))
		return 0;
	return add(mounts, makedev(major_number, minor_number), field[4], type);
}

int hvd_mounts_read(struct hvd_mounts *mounts, FILE *in)
{
	char *line = NULL;
	size_t size = 0;
	int err = 0;

	mounts->count = 0;
	while (!err && getline(&line, &size, in) > 0)
		err = take_line(mounts, line);
	if (!err && ferror(in))
		err = -EIO;
	free(line);
	if (err)
		hvd_mounts_free(mounts);
	return err;
}

void hvd_mounts_free(struct hvd_mounts *mounts)
{
	for (size_t i = 0; i < mounts->count; i++) {
		free(mounts->mount[i].path);
		free(mounts->mount[i].type);
	}
	mounts->count = 0;
}
