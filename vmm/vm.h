/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The virtual machine on this kernel's KVM: processors, memory, platform devices, the VMBus server
 * with its devices, all on one control loop (the caller's thread) and one thread per processor.
 */
#ifndef VMM_VM_H
#define VMM_VM_H

#include <jansson.h>

#include "vmm/config.h"

struct vmm_console;
struct vmm_loop;
struct vmm_request;
struct vmm_vm;

/*
 * Why KVM cannot be used here, as one line with what to do about it, in `why`; or 0. -EACCES: no
 * permission on /dev/kvm; -ENOENT: none; -EOPNOTSUPP: it lacks what a Hyper-V guest needs.
 */
int vmm_kvm_check(char *why, size_t why_size);

/* All of it, up to the first instruction; after a failure a line was logged. */
int vmm_vm_create(struct vmm_loop *loop, const struct vmm_config *config, struct vmm_vm **vm);

/* The guest's serial line: bytes typed by the user, taken as far as there is room; output goes to the console. */
void vmm_vm_set_console(struct vmm_vm *vm, struct vmm_console *console);
size_t vmm_vm_serial_input(struct vmm_vm *vm, const uint8_t *bytes, size_t len);

/* What the machine tells, on the loop. */
struct vmm_vm_ops {
	/* Once: it is over, with the exit status that hvhost should have. */
	void (*ended)(void *ctx, enum vmm_exit status);
	/* An event for the control socket's clients (docs/control.md); `event` is the callee's. */
	void (*event)(void *ctx, json_t *event);
};

/* Start the processors. `ops` is borrowed. */
int vmm_vm_start(struct vmm_vm *vm, const struct vmm_vm_ops *ops, void *ctx);

/* Stop the processors now and report `status`. */
void vmm_vm_stop(struct vmm_vm *vm, enum vmm_exit status);

/*
 * The user wants out: the first call asks the guest by the shutdown service (or the power button
 * when no driver answers), the second stops it.
 */
void vmm_vm_interrupt(struct vmm_vm *vm);

/* Commands of the control socket about this VM: status, heartbeat, shutdown. */
void vmm_vm_command(struct vmm_vm *vm, struct vmm_request *request, const char *command,
		    const json_t *arguments);

void vmm_vm_destroy(struct vmm_vm *vm);

#endif
