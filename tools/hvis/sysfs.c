/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "tools/hvis/sysfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Room for one record of the kernel's log, which it gives whole or not at all. */
#define READ_STEP 8192

static int root = AT_FDCWD;
static bool recorded;

int hvis_root_open(void)
{
	const char *path = getenv("HVIS_ROOT");

	recorded = path && *path;
	root = open(recorded ? path : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? -errno : 0;
}

bool hvis_root_recorded(void)
{
	return recorded;
}

/* -ENAMETOOLONG: no such file can be meant. */
static int make_path(char path[HVIS_PATH_MAX], const char *format, va_list args)
{
	int len = vsnprintf(path, HVIS_PATH_MAX, format, args);

	return len < 0 || len >= HVIS_PATH_MAX ? -ENAMETOOLONG : 0;
}

/* Not blocking: something else than a file may lie there. */
static int open_path(const char *format, va_list args)
{
	char path[HVIS_PATH_MAX];
	int err = make_path(path, format, args), fd;

	if (err)
		return err;
	fd = openat(root, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

int hvis_read_text(char *text, size_t size, const char *format, ...)
{
	size_t len = 0;
	ssize_t got;
	va_list args;
	int fd;

	text[0] = '\0';
	va_start(args, format);
	fd = open_path(format, args);
	va_end(args);
	if (fd < 0)
		return fd;
	do {
		got = read(fd, text + len, size - 1 - len);
		if (got > 0)
			len += (size_t)got;
	} while (got > 0 && len < size - 1);
	if (got < 0)
		len = 0;
	text[len] = '\0';
	len = strlen(text);
	while (len && text[len - 1] == '\n')
		text[--len] = '\0';
	if (got < 0)
		got = -errno;
	close(fd);
	return got < 0 ? (int)got : (int)len;
}

int hvis_read_number(uint32_t *number, const char *format, ...)
{
	char path[HVIS_PATH_MAX], text[32], *end;
	unsigned long long value;
	va_list args;
	int err;

	va_start(args, format);
	err = make_path(path, format, args);
	va_end(args);
	if (!err)
		err = hvis_read_text(text, sizeof(text), "%s", path);
	if (err < 0)
		return err;
	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	value = strtoull(text, &end, 10);
	if (*end || value > UINT32_MAX)
		return -EINVAL;
	*number = (uint32_t)value;
	return 0;
}

/* 0: at its end, or where a log has no more for now. */
static ssize_t read_some(int fd, char *to, size_t size)
{
	for (;;) {
		ssize_t got = read(fd, to, size);

		/* EPIPE: the log has lost its oldest records meanwhile; it goes on behind them. */
		if (got >= 0 || (errno != EINTR && errno != EPIPE))
			return got < 0 && errno == EAGAIN ? 0 : got;
	}
}

static char *read_fd(int fd, size_t max)
{
	size_t len = 0, room = 0;
	char *text = NULL;
	ssize_t got = 0;

	do {
		len += (size_t)got;
		if (room - len < READ_STEP + 1) {
			char *larger = realloc(text, room = 2 * room + READ_STEP + 1);

			if (!larger)
				goto fail;
			text = larger;
		}
		got = len < max ? read_some(fd, text + len, room - 1 - len) : 0;
	} while (got > 0);
	if (got < 0)
		goto fail;
	text[len] = '\0';
	return text;

fail:
	free(text);
	return NULL;
}

char *hvis_read_all(size_t max, const char *format, ...)
{
	va_list args;
	char *text;
	int fd, err;

	va_start(args, format);
	fd = open_path(format, args);
	va_end(args);
	if (fd < 0) {
		errno = -fd;
		return NULL;
	}
	text = read_fd(fd, max);
	err = errno;
	close(fd);
	errno = err;
	return text;
}

int hvis_link_name(char name[HVIS_NAME_MAX], const char *format, ...)
{
	char path[HVIS_PATH_MAX], target[4096], *last;
	va_list args;
	ssize_t len;
	int err;

	va_start(args, format);
	err = make_path(path, format, args);
	va_end(args);
	if (err)
		return err;
	len = readlinkat(root, path, target, sizeof(target) - 1);
	if (len < 0)
		return -errno;
	target[len] = '\0';
	last = strrchr(target, '/');
	last = last ? last + 1 : target;
	if (strlen(last) >= HVIS_NAME_MAX)
		return -ENAMETOOLONG;
	strcpy(name, last);
	return 0;
}

bool hvis_exists(const char *format, ...)
{
	char path[HVIS_PATH_MAX];
	va_list args;
	int err;

	va_start(args, format);
	err = make_path(path, format, args);
	va_end(args);
	return !err && faccessat(root, path, F_OK, 0) == 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_name(struct hvis_names *list, const char *name)
{
	/* One more whenever the count is a power of two: the room doubles. */
	if (!(list->count & (list->count - 1))) {
		size_t room = list->count ? 2 * list->count : 1;
		char **larger = realloc(list->names, room * sizeof(*larger));

		if (!larger)
			return -ENOMEM;
		list->names = larger;
	}
	list->names[list->count] = strdup(name);
	if (!list->names[list->count])
		return -ENOMEM;
	list->count++;
	return 0;
}

int hvis_list(struct hvis_names *list, const char *folder)
{
	struct dirent *entry;
	int fd, err = 0;
	DIR *dir;

	*list = (struct hvis_names){ 0 };
	fd = openat(root, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		err = -errno;
		close(fd);
		return err;
	}
	while (!err && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			err = add_name(list, entry->d_name);
	closedir(dir);
	if (list->count)
		qsort(list->names, list->count, sizeof(*list->names), by_name);
	return err;
}

void hvis_names_fini(struct hvis_names *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->names[i]);
	free(list->names);
	*list = (struct hvis_names){ 0 };
}
