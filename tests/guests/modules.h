/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * For the first program of a guest.
 */
#ifndef TESTS_GUESTS_MODULES_H
#define TESTS_GUESTS_MODULES_H

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Loads the modules that /modules.list names. */
static inline void load_modules(void)
{
	char name[128], path[160];
	FILE *list = fopen("/modules.list", "r");

	while (list && fgets(name, sizeof(name), list)) {
		int fd;

		name[strcspn(name, "\n")] = '\0';
		snprintf(path, sizeof(path), "/modules/%s", name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
			printf("guest: module %s failed\n", name);
		if (fd >= 0)
			close(fd);
	}
	if (list)
		fclose(list);
}

#endif
