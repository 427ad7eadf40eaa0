/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Freezes file systems, and sees to it that they are thawed: a second process, which starts before the first one is frozen and
 * has all that it needs in memory, thaws when this one ends, however it does, and when it takes too long.
 */
#ifndef DAEMONS_FREEZE_H
#define DAEMONS_FREEZE_H

#include <stdbool.h>
#include <sys/types.h>

#include "daemons/mounts.h"

/* What is done to a file system that is open as `fd`: 0 or -errno. */
struct hvd_freeze_ops {
	int (*sync)(int fd);
	int (*freeze)(int fd); /* -EBUSY: somebody else has frozen it */
	int (*thaw)(int fd);
};
extern const struct hvd_freeze_ops hvd_freeze_ops;

struct hvd_freeze_shared;

struct hvd_freeze {
	const struct hvd_freeze_ops *ops;
	struct hvd_freeze_shared *shared; /* NULL: nothing is frozen */
	pid_t watchdog;
	int peer; /* to it: how it learns that all is thawed, or that we are gone */
	int fd[HVD_MOUNTS_MAX]; /* of each mount; -1: left out */
	size_t count;
	char report[8192]; /* lines for the log, which must wait until all is thawed */
	size_t report_len;
};

/*
 * All of them, the last mounted first; those that cannot be frozen are reported and left out. Fails, with nothing frozen, when
 * one fails otherwise: -errno. `device`: closed in the watchdog; -1: none. The watchdog thaws after `limit_s`.
 */
int hvd_freeze(struct hvd_freeze *f, const struct hvd_mounts *mounts, unsigned limit_s, int device);

/* All that was frozen. -ETIME: it was not frozen until now. */
int hvd_thaw(struct hvd_freeze *f);

#endif
