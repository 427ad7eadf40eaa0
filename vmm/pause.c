/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A virtual machine that stands still: its processors wait at the gate, and its clocks do too. Control
 * loop, unless it says otherwise.
 */
#include <errno.h>
#include <hvh/hvh_ic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <x86intrin.h>

#include "vmm/control.h"
#include "vmm/log.h"
#include "vmm/vm_priv.h"

/* --- the guest's clocks --------------------------------------------------------------------------- */

static int tsc_offset(struct vmm_vcpu *vcpu, unsigned long request, uint64_t *offset)
{
	struct kvm_device_attr attr = {
		.group = KVM_VCPU_TSC_CTRL,
		.attr = KVM_VCPU_TSC_OFFSET,
		.addr = (uintptr_t)offset,
	};

	return ioctl(vcpu->fd, request, &attr) < 0 ? -errno : 0;
}

/*
 * On Hyper-V no time passes in a partition that is paused. Where it does, Linux reports a soft lockup of
 * each processor at once when it goes on after 20 s.
 */
static void stop_clocks(struct vmm_vm *vm)
{
	struct vmm_pause *pause = &vm->pause;

	pause->clock_known = ioctl(vm->fd, KVM_GET_CLOCK, &pause->clock) == 0;
	pause->tsc = __rdtsc();
	for (unsigned i = 0; i < vm->config->cpus; i++)
		/* KVM before 5.16 has no such attribute; then the TSC goes on, and only the others stand still. */
		vm->vcpus[i].tsc_offset_known = tsc_offset(&vm->vcpus[i], KVM_GET_DEVICE_ATTR,
							   &vm->vcpus[i].tsc_offset) == 0;
}

/* The same difference for all, so that KVM sees that they still agree. */
static void start_clocks(struct vmm_vm *vm)
{
	struct vmm_pause *pause = &vm->pause;
	struct kvm_clock_data clock = { .clock = pause->clock.clock };
	uint64_t stood = __rdtsc() - pause->tsc;
	int err = 0;

	for (unsigned i = 0; !err && i < vm->config->cpus; i++) {
		struct vmm_vcpu *vcpu = &vm->vcpus[i];
		uint64_t offset = vcpu->tsc_offset - stood;

		if (vcpu->tsc_offset_known)
			err = tsc_offset(vcpu, KVM_SET_DEVICE_ATTR, &offset);
	}
	if (!err && pause->clock_known && ioctl(vm->fd, KVM_SET_CLOCK, &clock) < 0)
		err = -errno;
	if (err)
		vmm_log(HVH_LOG_WARNING, "the guest's clocks did not stand still: %s",
			strerror(-err));
}

/* --- the clock of the devices ----------------------------------------------------------------------- */

uint64_t vmm_vm_clock_ns(struct vmm_vm *vm)
{
	uint64_t stood_at_ns = atomic_load(&vm->pause.stood_at_ns);

	return stood_at_ns ? stood_at_ns : vmm_now_ns() - atomic_load(&vm->pause.lag_ns);
}

uint64_t vmm_vm_clock_deadline(struct vmm_vm *vm, uint64_t deadline_ns)
{
	uint64_t now_ns = vmm_vm_clock_ns(vm),
		 left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;

	/* Nobody tells these timers when it goes on, so they look. */
	if (atomic_load(&vm->pause.stood_at_ns) && left_ns < VMM_PAUSE_LOOK_NS)
		left_ns = VMM_PAUSE_LOOK_NS;
	return vmm_now_ns() + left_ns;
}

/* --- stop and go ------------------------------------------------------------------------------------ */

static void stand_still(struct vmm_vm *vm)
{
	struct vmm_pause *pause = &vm->pause;
	uint64_t now_ns = vmm_now_ns();

	pause->state = VMM_PAUSE_STANDS;
	pause->since_ns = now_ns;
	stop_clocks(vm);
	atomic_store(&pause->stood_at_ns, now_ns - atomic_load(&pause->lag_ns));
	vmm_log(HVH_LOG_INFO, "paused");
	vmm_vm_event(vm, json_pack("{s:s}", "event", "paused"));
	vmm_reply(pause->request, json_object());
	pause->request = NULL;
}

static double go_on(struct vmm_vm *vm)
{
	struct vmm_pause *pause = &vm->pause;
	uint64_t now_ns = vmm_now_ns();

	start_clocks(vm);
	atomic_store(&pause->lag_ns, now_ns - atomic_load(&pause->stood_at_ns));
	atomic_store(&pause->stood_at_ns, 0);
	return (double)(now_ns - pause->since_ns) / 1e9;
}

void vmm_pause_begin(struct vmm_vm *vm, struct vmm_request *request)
{
	struct vmm_pause *pause = &vm->pause;

	if (pause->state != VMM_PAUSE_NONE) {
		vmm_reply_error(request, "it is paused already");
		return;
	}
	pause->state = VMM_PAUSE_BEGINS;
	pause->request = request;
	vmm_vm_set_gate(vm, VMM_GATE_CLOSED);
	vmm_pause_poll(vm);
}

void vmm_pause_poll(struct vmm_vm *vm)
{
	/* A restart that the guest has asked for comes first. */
	if (vm->pause.state == VMM_PAUSE_BEGINS && !atomic_load(&vm->restart_wanted) &&
	    vmm_vm_park(vm))
		stand_still(vm);
}

/* --- the guest's date ------------------------------------------------------------------------------- */

struct order {
	struct vmm_errand errand;
	struct vmm_request *request;
	double paused_seconds;
	bool given;
};

/* A guest without that driver keeps the wrong date, and nobody asks it. */
static bool order_time(struct vmm_errand *errand, unsigned index)
{
	struct order *order = (struct order *)errand;
	struct hvh_timesync_status status;

	hvh_timesync_status(errand->devices[index], &status);
	order->given = hvh_timesync_step(errand->devices[index], status.offset) == 0;
	return true;
}

static void reply_order(struct vmm_errand *errand)
{
	struct order *order = (struct order *)errand;

	vmm_reply(order->request, json_pack("{s:f, s:b}", "paused_seconds", order->paused_seconds,
					    "clock_ordered", order->given));
	free(order);
}

void vmm_pause_end(struct vmm_vm *vm, struct vmm_request *request)
{
	struct vmm_pause *pause = &vm->pause;
	struct order *order;
	double seconds = 0;

	if (pause->state == VMM_PAUSE_NONE) {
		vmm_reply_error(request, "it is not paused");
		return;
	}
	order = calloc(1, sizeof(*order));
	if (!order) {
		vmm_reply_error(request, "out of memory");
		return;
	}
	if (pause->state == VMM_PAUSE_STANDS)
		seconds = go_on(vm);
	vmm_pause_cancel(vm, "it was resumed before it stood still");
	pause->state = VMM_PAUSE_NONE;
	order->errand.vm = vm;
	order->errand.visit = order_time;
	order->errand.back = reply_order;
	order->request = request;
	order->paused_seconds = seconds;
	/* The guest's clock should be wrong for as short as can be. */
	vmm_errand_start(&order->errand, VMM_SERVICE_timesync);
	if (!atomic_load(&vm->restart_wanted))
		vmm_vm_set_gate(vm, VMM_GATE_OPEN);
	vmm_vm_wake(vm);
	vmm_log(HVH_LOG_INFO, "goes on after a pause of %.1f s", seconds);
	vmm_vm_event(vm, json_pack("{s:s}", "event", "resumed"));
}

void vmm_pause_cancel(struct vmm_vm *vm, const char *why)
{
	if (vm->pause.request)
		vmm_reply_error(vm->pause.request, "%s", why);
	vm->pause.request = NULL;
}
