/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The integration services of a virtual machine, and how the control loop gets something done by them:
 * each lives on the owner loop of its channel, also while the channel is closed.
 *
 * Keys as in vm_priv.h.
 */
#ifndef VMM_SERVICES_H
#define VMM_SERVICES_H

#include <stdbool.h>

#include "vmm/config.h"
#include "vmm/loop.h"

struct hvh_device;
struct vmm_nic;
struct vmm_vm;

/* Index in vmm_hyperv.services. */
enum vmm_service_index {
#define VMM_SERVICE_INDEX(bit, name) VMM_SERVICE_INDEX_##name = (bit),
	VMM_SERVICE_LIST(VMM_SERVICE_INDEX)
#undef VMM_SERVICE_INDEX
		VMM_SERVICES
};

struct vmm_ic {
	struct vmm_vm *vm; /* (c) */
	struct hvh_device *device; /* (o) NULL: switched off */
	struct hvh_device *leaving; /* (o) switched off, and not destroyed yet; NULL: none */
	void (*off)(void *ctx); /* (o) who waits for that */
	void *off_ctx; /* (o) */
	struct vmm_call destroy, destroyed; /* (c) to its loop, and back */
};

/* Those that the configuration does not leave out. Destroy accepts a half-built set; the I/O loops have ended. */
int vmm_services_create(struct vmm_vm *vm);
void vmm_services_destroy(struct vmm_vm *vm);

/*
 * Switch a service on or off at any time; control loop. On: the guest is offered the device; off: the
 * offer is rescinded, and `off` is called on the control loop when the device is gone.
 * -EALREADY: it is so; -EBUSY: it is just being switched off; -EOPNOTSUPP: its drivers need an
 * enlightenment that is switched off; -ENOMEM, -ENOSPC.
 */
int vmm_service_on(struct vmm_vm *vm, unsigned index);
int vmm_service_off(struct vmm_vm *vm, unsigned index, void (*off)(void *ctx), void *ctx);

/* What an errand can visit: services by their index, then the NICs, then the SCSI controller. */
#define VMM_STOP_NIC(nic) (VMM_SERVICES + (nic))
#define VMM_STOP_SCSI	  VMM_STOP_NIC(VMM_NICS_MAX)
#define VMM_STOPS	  (VMM_STOP_SCSI + 1)

/*
 * An errand: visit the loops of some services one after the other, then come back to the control loop.
 * Embedded at the start of what it carries, zeroed. A service that goes away meanwhile is destroyed on its own
 * loop, behind the visit; a NIC is kept until the errand is back.
 */
struct vmm_errand {
	struct vmm_vm *vm; /* (c) */
	struct hvh_device *devices[VMM_STOPS]; /* (c) NULL: there is none */
	struct vmm_nic *nics[VMM_NICS_MAX]; /* (c) held meanwhile, where they are visited */
	unsigned left; /* those still to be visited, as bits */
	unsigned at; /* index of the one that is being visited */
	struct vmm_call call;

	/* On the loop of the one with that index. False: stay here until vmm_errand_go_on(), on the same loop. */
	bool (*visit)(struct vmm_errand *errand, unsigned index);

	/* On the control loop; may free it. */
	void (*back)(struct vmm_errand *errand);
};

/*
 * `vm`, visit and back are set by the caller; `stops`: bits VMM_SERVICE_*, and 1 << VMM_STOP_NIC() or _SCSI. Those that are not
 * there are not visited. Control loop.
 */
void vmm_errand_start(struct vmm_errand *errand, unsigned stops);
void vmm_errand_go_on(struct vmm_errand *errand);

#endif
