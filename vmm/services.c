/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/services.h"

#include <errno.h>
#include <hvh/hvh_fcopy.h>
#include <hvh/hvh_ic.h>
#include <hvh/hvh_server.h>
#include <hvh/hvh_vss.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "vmm/disk/disk.h"
#include "vmm/hyperv_priv.h"
#include "vmm/io_loops.h"
#include "vmm/net/nic.h"
#include "vmm/vm_priv.h"

/* --- creation --------------------------------------------------------------------------------------- */

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

static int create_heartbeat(struct vmm_vm *vm, struct hvh_device **device)
{
	(void)vm;
	return hvh_heartbeat_create(device);
}

static int create_shutdown(struct vmm_vm *vm, struct hvh_device **device)
{
	(void)vm;
	return hvh_shutdown_create(device);
}

static int create_timesync(struct vmm_vm *vm, struct hvh_device **device)
{
	return hvh_timesync_create(on_timesync_clock, vm, device);
}

static int create_kvp(struct vmm_vm *vm, struct hvh_device **device)
{
	return vmm_kvp_create(vm, device);
}

static int create_fcopy(struct vmm_vm *vm, struct hvh_device **device)
{
	(void)vm;
	return hvh_fcopy_create(device);
}

static int create_vss(struct vmm_vm *vm, struct hvh_device **device)
{
	(void)vm;
	return hvh_vss_create(device);
}

static const struct service_class {
	int (*create)(struct vmm_vm *vm, struct hvh_device **device);
	void (*destroy)(struct hvh_device *device);
} classes[VMM_SERVICES] = {
#define SERVICE_CLASS(bit, name) [bit] = { create_##name, hvh_##name##_destroy },
	VMM_SERVICE_LIST(SERVICE_CLASS)
#undef SERVICE_CLASS
};

/* Linux's driver reads the reference counter without asking whether it may. */
static bool lacks_counter(const struct vmm_vm *vm, unsigned index)
{
	return index == VMM_SERVICE_INDEX_timesync &&
	       (vm->config->enlightenments_off & VMM_ENLIGHTENMENT_REFERENCE_COUNTER);
}

int vmm_service_on(struct vmm_vm *vm, unsigned index)
{
	struct hvh_device *device;
	int err;

	if (vm->hyperv.services[index].device)
		return -EALREADY;
	if (vm->hyperv.services[index].leaving)
		return -EBUSY;
	if (lacks_counter(vm, index))
		return -EOPNOTSUPP;
	err = classes[index].create(vm, &device);
	if (err)
		return err;
	err = hvh_server_add(vm->hyperv.server, device);
	if (err) {
		classes[index].destroy(device);
		return err;
	}
	vm->hyperv.services[index].device = device;
	return 0;
}

/* On the loop of the service, behind all errands that may still want it. */
static void on_destroy(void *ctx)
{
	struct vmm_ic *ic = ctx;

	classes[ic - ic->vm->hyperv.services].destroy(ic->leaving);
	vmm_call_post(&ic->destroyed);
}

static void on_destroyed(void *ctx)
{
	struct vmm_ic *ic = ctx;
	struct vmm_vm *vm = ic->vm;

	ic->leaving = NULL;
	ic->off(ic->off_ctx);
	if (!--vm->hyperv.errands)
		vmm_vm_wake(vm);
}

int vmm_service_off(struct vmm_vm *vm, unsigned index, void (*off)(void *ctx), void *ctx)
{
	struct vmm_ic *ic = &vm->hyperv.services[index];
	int err;

	if (!ic->device)
		return ic->leaving ? -EBUSY : -EALREADY;
	err = hvh_server_remove(vm->hyperv.server, ic->device);
	if (err)
		return err;
	ic->leaving = ic->device;
	ic->device = NULL;
	ic->off = off;
	ic->off_ctx = ctx;
	vm->hyperv.errands++;
	return 0;
}

void vmm_device_removed(void *ctx, struct hvh_device *device)
{
	struct vmm_vm *vm = ctx;

	if (vmm_nic_removed(vm, device))
		return;
	for (unsigned i = 0; i < VMM_SERVICES; i++)
		if (vm->hyperv.services[i].leaving == device)
			vmm_call_post(&vm->hyperv.services[i].destroy);
}

int vmm_services_create(struct vmm_vm *vm)
{
	int err = 0;

	for (unsigned i = 0; i < VMM_SERVICES; i++) {
		struct vmm_ic *ic = &vm->hyperv.services[i];

		ic->vm = vm;
		vmm_call_init(&ic->destroy, vmm_io_loops_get(vm->hyperv.io, i), on_destroy, ic);
		vmm_call_init(&ic->destroyed, vm->loop, on_destroyed, ic);
		if (!err && !(vm->config->services_off & 1u << i))
			err = vmm_service_on(vm, i);
		/* Left out then, which the configuration's warning has told. */
		if (err == -EOPNOTSUPP)
			err = 0;
	}
	return err;
}

void vmm_services_destroy(struct vmm_vm *vm)
{
	for (unsigned i = 0; i < VMM_SERVICES; i++)
		if (vm->hyperv.services[i].device)
			classes[i].destroy(vm->hyperv.services[i].device);
}

unsigned vmm_service_index(const struct vmm_vm *vm, const struct hvh_device *device)
{
	unsigned i = 0;

	while (i < VMM_SERVICES && vm->hyperv.services[i].device != device &&
	       vm->hyperv.services[i].leaving != device)
		i++;
	return i;
}

/* --- errands ----------------------------------------------------------------------------------------- */

static void on_back(void *ctx)
{
	struct vmm_errand *errand = ctx;
	struct vmm_vm *vm = errand->vm;
	struct vmm_nic *nics[VMM_NICS_MAX];

	memcpy(nics, errand->nics, sizeof(nics));
	errand->back(errand);
	for (unsigned i = 0; i < VMM_NICS_MAX; i++)
		if (nics[i])
			vmm_nic_release(nics[i]);
	if (!--vm->hyperv.errands)
		vmm_vm_wake(vm);
}

static void on_visit(void *ctx)
{
	struct vmm_errand *errand = ctx;

	if (errand->visit(errand, errand->at))
		vmm_errand_go_on(errand);
}

void vmm_errand_go_on(struct vmm_errand *errand)
{
	struct vmm_vm *vm = errand->vm;

	for (unsigned i = 0; i < VMM_STOPS; i++) {
		if (!(errand->left & 1u << i))
			continue;
		errand->left &= ~(1u << i);
		errand->at = i;
		vmm_call_init(&errand->call, vmm_io_loops_get(vm->hyperv.io, i), on_visit, errand);
		vmm_call_post(&errand->call);
		return;
	}
	vmm_call_init(&errand->call, vm->loop, on_back, errand);
	vmm_call_post(&errand->call);
}

static struct hvh_device *hold_nic(struct vmm_errand *errand, unsigned index)
{
	errand->nics[index] = vmm_nic_hold(errand->vm, index);
	return errand->nics[index] ? vmm_nic_device(errand->vm, index) : NULL;
}

void vmm_errand_start(struct vmm_errand *errand, unsigned stops)
{
	struct vmm_vm *vm = errand->vm;

	errand->left = 0;
	for (unsigned i = 0; i < VMM_STOPS; i++) {
		if (i < VMM_SERVICES)
			errand->devices[i] = vm->hyperv.services[i].device;
		else if (i == VMM_STOP_SCSI)
			errand->devices[i] = vmm_scsi_device(vm);
		else if (stops & 1u << i)
			errand->devices[i] = hold_nic(errand, i - VMM_SERVICES);
		if (errand->devices[i])
			errand->left |= stops & 1u << i;
	}
	vm->hyperv.errands++;
	vmm_errand_go_on(errand);
}
