/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The Hyper-V side of the virtual machine: SynIC, hypercalls, the VMBus server and its devices. hyperv.c
 * (creation, exits), mail.c (messages), channels.c (owner loops), services.c; what these share is in
 * hyperv_priv.h.
 *
 * Keys as in vm_priv.h.
 */
#ifndef VMM_HYPERV_H
#define VMM_HYPERV_H

#include <hvh/hvh_server.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/copy.h"
#include "vmm/kvp.h"
#include "vmm/loop.h"
#include "vmm/services.h"

struct vmm_io_loops;
struct vmm_scsi;
struct vmm_trace;
struct vmm_vcpu;
struct vmm_vm;

/* All (o) unless it says otherwise. */
struct vmm_hyperv {
	struct hvh_server *server;
	struct hvh_server_ops ops; /* (c) */
	struct vmm_call work; /* (c) what the server puts off */
	struct vmm_timer work_timer; /* the same, to a certain time */
	struct vmm_io_loops *io; /* (c) owner loops */
	struct vmm_trace *trace; /* (c) NULL: none is wanted */
	struct vmm_ic services[VMM_SERVICES];
	struct hvh_kvp_fact facts[VMM_KVP_FACTS_MAX]; /* (c) which the kvp service reads */
	struct vmm_copy copy;
	struct vmm_nic *nics[VMM_NICS_MAX]; /* (o) NULL: not there */
	struct vmm_scsi *scsi; /* (o) NULL: no disk has been named yet */
	unsigned channels_started; /* that have an owner loop */
	unsigned errands; /* under way */
	atomic_uint timers; /* (a) channels that have armed theirs */
	bool disconnecting;
	uint32_t message_vp; /* where the last message went */
	struct vmm_timer mail_timer; /* tries busy slots again, should an EOM be missed */
	uint64_t mail_delay_ns;
	atomic_ullong messages_dropped; /* (a) the guest's SynIC was off */
	atomic_ullong guest_os_id; /* (a) as last seen */
};

int vmm_hyperv_create(struct vmm_vm *vm);

/* False: an I/O thread does not end, or a device's I/O, and all that they may use stays. Accepts a half-built one. */
bool vmm_hyperv_destroy(struct vmm_vm *vm);

/* SynIC of one processor: before its first run, after all processors before it. */
int vmm_hyperv_create_vcpu(struct vmm_vcpu *vcpu);
void vmm_hyperv_destroy_vcpu(struct vmm_vcpu *vcpu);

/*
 * Forget the guest; the processors are not running. False: some channel or errand is not through yet;
 * vmm_vm_wake() follows, and then it is called again.
 */
bool vmm_hyperv_disconnect(struct vmm_vm *vm);

/* Clear what KVM holds of the guest. */
int vmm_hyperv_reset_vcpu(struct vmm_vcpu *vcpu);

/* On the processor's thread: an exit of type KVM_EXIT_HYPERV. */
void vmm_hyperv_exit(struct vmm_vcpu *vcpu);

/* On the processor's thread, for VMM_REQUEST_MAIL: the message in the mailbox goes into the guest's slot. */
void vmm_mail_deliver(struct vmm_vcpu *vcpu);

/* On the control loop after vmm_vm_wake(): messages from and to the guest. */
void vmm_mail_poll(struct vmm_vm *vm);

#endif
