/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Key-value pairs and IP settings of a virtual machine: what its guest is told of the host, and the
 * commands of the control socket (docs/control.md). Control loop.
 */
#ifndef VMM_KVP_H
#define VMM_KVP_H

#include <hvh/hvh_kvp.h>
#include <jansson.h>

struct vmm_request;
struct vmm_vm;

#define VMM_KVP_FACTS_MAX 8

/* As classes[] of services.c wants it. The facts stand in `vm`. */
int vmm_kvp_create(struct vmm_vm *vm, struct hvh_device **device);

void vmm_kvp_command(struct vmm_vm *vm, struct vmm_request *request, const json_t *arguments);
void vmm_ip_command(struct vmm_vm *vm, struct vmm_request *request, const json_t *arguments);

#endif
