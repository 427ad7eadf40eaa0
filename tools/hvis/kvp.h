/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * `hvis kvp`: the pairs that host and guest exchange, in the files in which the guest's daemon keeps them.
 */
#ifndef TOOLS_HVIS_KVP_H
#define TOOLS_HVIS_KVP_H

#include <stdbool.h>

struct hvis_kvp_request {
	const char *order; /* NULL: list */
	const char *pool; /* its name; NULL: all, or "guest" for what changes */
	const char *key, *value;
	bool json;
};

/* What is wrong with it, or NULL. */
const char *hvis_kvp_check(const struct hvis_kvp_request *request);

/* The exit status; what is wrong is told. */
int hvis_kvp_run(const struct hvis_kvp_request *request);

#endif
