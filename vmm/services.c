/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The integration services: which there are, and the clock that time synchronisation reads.
 */
#include <hvh/hvh_ic.h>
#include <hvh/hvh_server.h>
#include <sys/ioctl.h>
#include <time.h>

#include "vmm/hyperv_priv.h"
#include "vmm/vm_priv.h"

/*
 * KVM's reference counter is its clock of the VM in 100 ns, also where the guest computes it from the
 * reference TSC page, whose values KVM derives from that clock. With a stable TSC KVM tells the real
 * time of the same instant; else that is read between two readings of the clock.
 */
static bool on_timesync_clock(void *ctx, uint64_t *host_time, uint64_t *reference_time)
{
	struct vmm_vm *vm = ctx;
	struct kvm_clock_data first = { 0 }, second = { 0 };
	uint64_t clock_ns, real_ns;
	struct timespec now;

	if (ioctl(vm->fd, KVM_GET_CLOCK, &first) < 0)
		return false;
	if (first.flags & KVM_CLOCK_REALTIME) {
		clock_ns = first.clock;
		real_ns = first.realtime;
	} else {
		if (clock_gettime(CLOCK_REALTIME, &now) ||
		    ioctl(vm->fd, KVM_GET_CLOCK, &second) < 0)
			return false;
		clock_ns = first.clock + (second.clock - first.clock) / 2;
		real_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	}
	*host_time = HVP_TIME_UNIX_EPOCH + real_ns / 100;
	*reference_time = clock_ns / 100;
	return true;
}

int vmm_services_create(struct vmm_vm *vm)
{
	struct vmm_hyperv *hv = &vm->hyperv;
	int err = 0;

	if (!(vm->config->services_off & VMM_SERVICE_heartbeat)) {
		err = hvh_heartbeat_create(&hv->heartbeat);
		if (!err)
			err = hvh_server_add(hv->server, hv->heartbeat);
	}
	if (!err && !(vm->config->services_off & VMM_SERVICE_shutdown)) {
		err = hvh_shutdown_create(&hv->shutdown);
		if (!err)
			err = hvh_server_add(hv->server, hv->shutdown);
	}
	/* Linux's driver reads the counter without asking whether it may. */
	if (!err && !(vm->config->services_off & VMM_SERVICE_timesync) &&
	    !(vm->config->enlightenments_off & VMM_ENLIGHTENMENT_REFERENCE_COUNTER)) {
		err = hvh_timesync_create(on_timesync_clock, vm, &hv->timesync);
		if (!err)
			err = hvh_server_add(hv->server, hv->timesync);
	}
	return err;
}

void vmm_services_destroy(struct vmm_vm *vm)
{
	struct vmm_hyperv *hv = &vm->hyperv;

	if (hv->heartbeat)
		hvh_heartbeat_destroy(hv->heartbeat);
	if (hv->shutdown)
		hvh_shutdown_destroy(hv->shutdown);
	if (hv->timesync)
		hvh_timesync_destroy(hv->timesync);
}
