/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Reads small files, links and folders of /sys and its like, whatever they hold. Paths are relative to a root, which is
 * the system's own unless the environment variable HVIS_ROOT names the folder of a recorded tree.
 */
#ifndef TOOLS_HVIS_SYSFS_H
#define TOOLS_HVIS_SYSFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HVIS_PATH_MAX 1024
#define HVIS_NAME_MAX 256 /* of a file, with the terminating zero */

/* 0 or -errno. Everything below needs it first. */
int hvis_root_open(void);

/* The root is not the system's own. */
bool hvis_root_recorded(void);

/*
 * The file's text, without what follows its first zero byte and without newlines at its end; as much as fits. Returns its
 * length or -errno, then with "" in `text`.
 */
int hvis_read_text(char *text, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The file's decimal number: 0, -errno, or -EINVAL when it holds anything else. */
int hvis_read_number(uint32_t *number, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The file's whole text up to `max` bytes, with a zero behind it; for the caller to free. NULL: errno says why. */
char *hvis_read_all(size_t max, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The last name of where a link points to: 0 or -errno. */
int hvis_link_name(char name[HVIS_NAME_MAX], const char *format, ...)
	__attribute__((format(printf, 2, 3)));

bool hvis_exists(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The names in a folder, sorted, without those that begin with a dot. */
struct hvis_names {
	char **names;
	size_t count;
};

/* 0 or -errno; hvis_names_fini() is for both. */
int hvis_list(struct hvis_names *list, const char *folder);
void hvis_names_fini(struct hvis_names *list);

#endif
