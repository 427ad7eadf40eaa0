/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What a virtual machine is and does, as JSON (docs/control.md). Control loop; what belongs to other
 * loops comes in a snapshot.
 */
#ifndef VMM_STATUS_H
#define VMM_STATUS_H

#include <hvh/hvh_fcopy.h>
#include <hvh/hvh_ic.h>
#include <hvh/hvh_kvp.h>
#include <hvh/hvh_net.h>
#include <hvh/hvh_scsi.h>
#include <hvh/hvh_vss.h>
#include <jansson.h>

#include "vmm/net/nic_config.h"

struct vmm_vm;

/* What the services told, each at one moment. */
struct vmm_snapshot {
	bool paused; /* the guest was when it began */
	uint64_t now_ns; /* vmm_vm_clock_ns() then */
	unsigned taken; /* VMM_SERVICE_* and 1 << VMM_STOP_NIC() or _SCSI */
	struct hvh_heartbeat_status heartbeat;
	struct hvh_ic_status shutdown;
	struct hvh_timesync_status timesync;
	struct hvh_kvp_status kvp;
	struct hvh_fcopy_status fcopy;
	struct hvh_vss_status vss;
	struct hvh_net_status nics[VMM_NICS_MAX];
	struct hvh_scsi_status scsi;
};

/* Add the service, NIC or controller with this index (VMM_STOP_*). On its loop. */
void vmm_snapshot_take(struct vmm_snapshot *snapshot, unsigned stop,
		       const struct hvh_device *device);

/* The whole of `status`, and one of its services. */
json_t *vmm_status_json(struct vmm_vm *vm, const struct vmm_snapshot *snapshot);
json_t *vmm_service_json(const struct vmm_snapshot *snapshot, unsigned service);

#endif
