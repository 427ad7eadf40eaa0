/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Files into the guest: the `copy` command of the control socket (docs/control.md). Control loop.
 */
#ifndef VMM_COPY_H
#define VMM_COPY_H

#include <jansson.h>
#include <stdbool.h>

#include "vmm/control.h"
#include "vmm/loop.h"

struct vmm_request;
struct vmm_vm;

/* Bytes of a file in one request: they fill whole messages to the guest. */
#define VMM_COPY_PIECE_MAX VMM_CONTROL_DATA_MAX

/* The file that is being copied; there is one at a time. */
struct vmm_copy {
	bool open;
	json_int_t id; /* of the last one */
	unsigned busy; /* requests under way */
	struct vmm_timer idle; /* nobody goes on with it */
};

void vmm_copy_init(struct vmm_vm *vm);
void vmm_copy_fini(struct vmm_vm *vm);
void vmm_copy_command(struct vmm_vm *vm, struct vmm_request *request, const json_t *arguments);

#endif
