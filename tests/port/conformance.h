/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The suite that every port passes: what hvg/hvos.h promises, as far as it can be seen from inside.
 * Written against that header alone, so that a kernel can run it too; the port says how to begin another
 * thread, if it has any, and how to print.
 */
#ifndef TESTS_PORT_CONFORMANCE_H
#define TESTS_PORT_CONFORMANCE_H

#include "hvg/hvos.h"

struct conformance_port {
	/*
	 * Run `fn` beside the caller, soon: in a thread of its own; or, where `one_thread` is set, on another
	 * processor, where it cannot sleep. NULL: there is none.
	 */
	void (*thread)(hvos_fn fn, void *ctx);

	/* Raise the hypervisor's interrupt on a processor; NULL: this port cannot. */
	void (*interrupt)(unsigned cpu);

	/* A check failed. */
	void (*failed)(const char *what, int line);

	/* The test ends here, because it needs something that this port has not got. */
	void (*skipped)(const char *why);

	bool one_thread; /* works run while it waits */
};

struct conformance_test {
	const char *name; /* a sentence */
	void (*run)(const struct conformance_port *port);
};

/* The last has no name. Each runs in a thread and leaves nothing behind. The second is for ports of guest/bus. */
extern const struct conformance_test conformance_tests[];
extern const struct conformance_test conformance_bus_tests[];

#endif
