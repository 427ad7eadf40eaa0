/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The guest core and the host library in one process, on port/sim: the soft hypervisor with the embedder
 * behind it. The host's loops are one thread of the simulation, so what they do comes between any two
 * service calls of the guest, in any order that the embedder allows.
 */
#ifndef FUZZ_LOOPBACK_H
#define FUZZ_LOOPBACK_H

#include "fuzz/embedder.h"
#include "fuzz/soft_hypervisor.h"

#define LOOPBACK_DOORBELLS 64u

struct loopback {
	struct embedder e; /* e.config.version_max and the like are set before loopback_start() */
	struct soft_hypervisor soft;

	/* Private. */
	uint32_t doorbells[LOOPBACK_DOORBELLS]; /* connections to be notified, oldest first */
	unsigned doorbell_count;
	struct hvos_event wake;
	bool stopping;
	bool stopped;
};

/* Starts the simulation too; `config` says how, but for arena and hypervisor. */
void loopback_start(struct loopback *l, const struct sim_config *config);

/* The guest is gone: the host forgets it, and the simulation ends. */
void loopback_stop(struct loopback *l);

/* The caller did something with l->e: let it have its effect. */
void loopback_kick(struct loopback *l);

#endif
