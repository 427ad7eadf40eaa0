/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The files that the inner machine may see: each named file is one entry of a folder that exists only
 * in a mount namespace of its own, so that nothing beside them can be reached.
 */
#ifndef VMM_NESTED_SHARE_H
#define VMM_NESTED_SHARE_H

#include <stdbool.h>
#include <stddef.h>

#define SHARE_FILES_MAX 96

/* Where the folder is, for the process that called vmm_share_enter(). */
#define SHARE_FOLDER "/mnt"

struct vmm_share_file {
	char entry[24]; /* its name in the folder */
	char *path; /* absolute */
	bool writable;
};

struct vmm_share {
	struct vmm_share_file files[SHARE_FILES_MAX];
	unsigned count;
};

/* Add a file; *entry gets its name in the share, borrowed. Negative errno. */
int vmm_share_add(struct vmm_share *share, const char *path, bool writable, const char **entry);
void vmm_share_close(struct vmm_share *share);

/*
 * In a child process that has one thread: enter the namespace and put the files there, and a file
 * `name` with `bytes`. As root, or as anybody where user namespaces are allowed. Negative errno, with
 * what failed in *step.
 */
int vmm_share_enter(const struct vmm_share *share, const char *name, const char *bytes, size_t len,
		    const char **step);

#endif
