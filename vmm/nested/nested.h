/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The virtual machine where there is no usable KVM: the same hvhost as the only program of a small
 * Linux under QEMU's software emulation of a processor with virtualisation.
 *
 *   outer hvhost            QEMU (emulated processor with AMD's virtualisation)
 *     console  <- socket ->   virtio serial port 1  <->  inner hvhost's stdio  <->  guest's serial line
 *     control  <- socket ->   virtio serial port 2  <->  inner hvhost's control stream
 *     files    <- 9p ----->   /share: the files named on the command line and no others
 *
 * The outer process owns terminal, control socket, name and signals; the inner one owns the VM. The
 * interface is that of vm.h, so that whoever runs a VM need not know the difference.
 */
#ifndef VMM_NESTED_NESTED_H
#define VMM_NESTED_NESTED_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/config.h"

struct vmm_console;
struct vmm_loop;
struct vmm_nested;
struct vmm_request;

/* What is missing for nested mode, as one line with what to do about it, in `why`: negative errno; or 0. */
int vmm_nested_check(char *why, size_t why_size);

/* As struct vmm_vm_ops; `running`: once, when the inner monitor runs the VM. */
struct vmm_nested_ops {
	void (*running)(void *ctx);
	void (*ended)(void *ctx, enum vmm_exit status);
	void (*event)(void *ctx, json_t *event);
};

/* As the functions of vm.h. */
int vmm_nested_create(struct vmm_loop *loop, const struct vmm_config *config,
		      struct vmm_nested **nested);
void vmm_nested_set_console(struct vmm_nested *nested, struct vmm_console *console);
size_t vmm_nested_serial_input(struct vmm_nested *nested, const uint8_t *bytes, size_t len);
/* The console can take output again: for vmm_console_ops.output_room. */
void vmm_nested_output_room(struct vmm_nested *nested);
int vmm_nested_start(struct vmm_nested *nested, const struct vmm_nested_ops *ops, void *ctx);
void vmm_nested_stop(struct vmm_nested *nested, enum vmm_exit status);
void vmm_nested_interrupt(struct vmm_nested *nested);
void vmm_nested_command(struct vmm_nested *nested, struct vmm_request *request, const char *command,
			const json_t *arguments);
void vmm_nested_destroy(struct vmm_nested *nested);

/* True when this process is the inner one: the first program of the inner Linux. */
int vmm_nested_is_inner(int argc, char *const *argv);

/* The inner process's whole life; it ends the inner machine. */
void vmm_nested_inner(void) __attribute__((noreturn));

#endif
