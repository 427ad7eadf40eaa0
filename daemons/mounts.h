/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * File systems to freeze, as they are mounted at this moment.
 */
#ifndef DAEMONS_MOUNTS_H
#define DAEMONS_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#define HVD_MOUNTS_MAX 1024

/* A file system that lies on a block device and can be written; once, however often it is mounted. */
struct hvd_mount {
	dev_t device; /* as the kernel numbers the file system */
	char *path; /* where it is mounted */
	char *type;
};

struct hvd_mounts {
	struct hvd_mount mount[HVD_MOUNTS_MAX]; /* in the order in which they were mounted */
	size_t count;
};

/* From `in`, which has the form of /proc/self/mountinfo. 0, -EPROTO: it has not; -E2BIG; -ENOMEM. */
int hvd_mounts_read(struct hvd_mounts *mounts, FILE *in);
void hvd_mounts_free(struct hvd_mounts *mounts);

#endif
