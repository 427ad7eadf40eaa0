/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The guest's file systems made quiet for a backup: the `backup` command of the control socket (docs/control.md). Control loop.
 */
#ifndef VMM_BACKUP_H
#define VMM_BACKUP_H

#include <jansson.h>

struct vmm_request;
struct vmm_vm;

/* Seconds that a guest may be frozen. */
#define VMM_BACKUP_HOLD_MAX 3600

void vmm_backup_command(struct vmm_vm *vm, struct vmm_request *request, const json_t *arguments);

#endif
