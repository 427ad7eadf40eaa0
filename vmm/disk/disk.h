/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Disks of the virtual machine: one SCSI controller of libhvis-host, its disks' files, and the engines that do its I/O.
 *
 * Queue k of the controller belongs to the owner loop of its channel k. Disks come and go on the control loop, which sends
 * the controller's part of it to the loop of queue 0.
 */
#ifndef VMM_DISK_DISK_H
#define VMM_DISK_DISK_H

#include <hvh/hvh_scsi.h>
#include <jansson.h>
#include <stdbool.h>

struct hvh_device;
struct vmm_request;
struct vmm_vm;

/* --- for the machine. Control loop ------------------------------------------------------------------ */

/* All that the configuration names. Negative errno after a line to the log. */
int vmm_disks_create(struct vmm_vm *vm);

/* With the owner loops gone. */
void vmm_disks_destroy(struct vmm_vm *vm);

/* The controller; NULL: there is none. */
struct hvh_device *vmm_scsi_device(const struct vmm_vm *vm);

/* Command `disk` of the control socket: add, remove, resize. */
void vmm_disk_command(struct vmm_vm *vm, struct vmm_request *request, const json_t *arguments);

/* For `status`. */
json_t *vmm_disks_json(const struct vmm_vm *vm, const struct hvh_scsi_status *status);

#endif
