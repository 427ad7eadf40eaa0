/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A file that the host writes into the guest: where it may lie, and how it gets there whole or not at all.
 */
#ifndef DAEMONS_TARGET_H
#define DAEMONS_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HVD_ALLOWED_MAX 16

struct hvd_policy {
	const char *allowed[HVD_ALLOWED_MAX]; /* absolute folders, below which files may be written */
	size_t count;
	mode_t mode; /* of files that are new */
};

struct hvd_target {
	int folder, fd; /* -1: none */
	bool overwrite;
	char name[256];
	char temporary[256]; /* "": the file has no name yet */
	mode_t mode;
	uid_t uid;
	gid_t gid;
	bool replaces; /* a file with that mode and owner is there */
	uint64_t bytes, written;
};

/*
 * The file `name` in the folder `path`. No part of the path may be a symbolic link or `..`, and it must lie below an allowed
 * folder. -EEXIST: it is there, and is not to be overwritten; -ENOSPC; -EACCES: the policy; and others of open(2). With
 * `create` folders that are missing are made.
 */
int hvd_target_open(struct hvd_target *target, const struct hvd_policy *policy, const char *path,
		    const char *name, uint64_t bytes, bool overwrite, bool create);

/* -EFBIG: beyond the size that was announced; -ENOSPC; others of pwrite(2). */
int hvd_target_write(struct hvd_target *target, uint64_t offset, const void *data, size_t len);

/* All is there: the file gets its name. -EBADMSG: it is not all there; -EEXIST: another has come meanwhile. */
int hvd_target_complete(struct hvd_target *target);

/* Nothing stays; may be called at any time. */
void hvd_target_cancel(struct hvd_target *target);

#endif
