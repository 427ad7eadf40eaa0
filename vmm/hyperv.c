/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The embedder of the VMBus server: SynIC and hypercalls of KVM on one side, hvh_server on the other.
 */
#include <errno.h>
#include <hvh/hvh_inject.h>
#include <hvh/hvh_server.h>
#include <hvh/hvh_synic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm/disk/disk.h"
#include "vmm/hyperv_priv.h"
#include "vmm/io_loops.h"
#include "vmm/log.h"
#include "vmm/net/nic.h"
#include "vmm/trace.h"
#include "vmm/vm_priv.h"

/* A guest cannot keep more I/O threads busy than it has processors; beyond this, nothing shows a gain. */
#define IO_LOOPS_MAX 4

/* --- interrupts to the guest ---------------------------------------------------------------------- */

void vmm_sint_raise(struct vmm_vcpu *vcpu, uint32_t sint)
{
	if (sint == HVP_VMBUS_SINT) {
		vmm_eventfd_ring(vcpu->sint_fd);
	} else {
		/* A guest may choose another for its messages; nothing fast uses it. */
		vmm_vm_set_irq(vcpu->vm, VMM_SINT_GSI(vcpu->index, sint), 1);
	}
}

static void on_signal(void *ctx, uint32_t vp, uint32_t sint, uint32_t flag)
{
	struct vmm_vm *vm = ctx;

	if (vp < vm->config->cpus && hvh_synic_signal(vm->vcpus[vp].synic, sint, flag))
		vmm_sint_raise(&vm->vcpus[vp], sint);
}

int vmm_sint_assign_irqfd(struct vmm_vcpu *vcpu, int fd, int resample_fd, unsigned flags)
{
	struct kvm_irqfd irqfd = {
		.fd = (uint32_t)fd,
		.gsi = VMM_SINT_GSI(vcpu->index, HVP_VMBUS_SINT),
		.flags = flags,
		.resamplefd = (uint32_t)resample_fd,
	};

	return ioctl(vcpu->vm->fd, KVM_IRQFD, &irqfd) < 0 ? -errno : 0;
}

/* --- exits ---------------------------------------------------------------------------------------- */

static uint64_t hypercall(struct vmm_vcpu *vcpu)
{
	uint64_t input = vcpu->run->hyperv.u.hcall.input;
	const __u64 *params = vcpu->run->hyperv.u.hcall.params;

	switch (input & HVP_CALL_CODE_MASK) {
	case HVP_CALL_POST_MESSAGE:
		return vmm_mail_receive(vcpu, input, params[0]);
	case HVP_CALL_SIGNAL_EVENT:
		/*
		 * KVM answers this by eventfd for every connection that there is, and comes here with
		 * the others and with flag numbers, which no connection of ours has. Whether
		 * params[0] is the parameter or its address depends on KVM's version, except in the
		 * fast form.
		 */
		if ((input & HVP_CALL_FAST) && (params[0] >> 32 & 0xffff))
			return HVP_STATUS_INVALID_PORT_ID;
		return HVP_STATUS_INVALID_CONNECTION_ID;
	default:
		return HVP_STATUS_INVALID_CALL_CODE;
	}
}

static void synic_changed(struct vmm_vcpu *vcpu)
{
	const struct kvm_hyperv_exit *exit = &vcpu->run->hyperv;

	if (hvh_synic_set(vcpu->synic, exit->u.synic.control, exit->u.synic.evt_page,
			  exit->u.synic.msg_page))
		vmm_log(HVH_LOG_DEBUG, "processor %u: a SynIC page is not in RAM", vcpu->index);
}

void vmm_hyperv_exit(struct vmm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	if (run->hyperv.type == KVM_EXIT_HYPERV_HCALL) {
		atomic_fetch_add_explicit(&vcpu->exits.hypercall, 1, memory_order_relaxed);
		run->hyperv.u.hcall.result = hypercall(vcpu);
	} else if (run->hyperv.type == KVM_EXIT_HYPERV_SYNIC) {
		atomic_fetch_add_explicit(&vcpu->exits.synic, 1, memory_order_relaxed);
		synic_changed(vcpu);
	}
}

/* --- what the server needs ------------------------------------------------------------------------- */

static uint64_t on_now(void *ctx)
{
	return vmm_vm_clock_ns(ctx);
}

static void on_log(void *ctx, enum hvh_log_level level, const char *line)
{
	(void)ctx;
	vmm_log(level, "%s", line);
}

static void on_attention(void *ctx)
{
	struct vmm_vm *vm = ctx;

	vmm_call_post(&vm->hyperv.work);
}

static void on_work(void *ctx)
{
	struct vmm_vm *vm = ctx;

	hvh_server_work(vm->hyperv.server);
}

static void on_trace_message(void *ctx, enum hvp_direction direction, const void *bytes, size_t len)
{
	struct vmm_vm *vm = ctx;

	vmm_trace_message(vm->hyperv.trace, direction, bytes, len);
}

static void on_work_at(void *ctx, uint64_t deadline_ns)
{
	struct vmm_vm *vm = ctx;

	vmm_timer_set(&vm->hyperv.work_timer, vmm_vm_clock_deadline(vm, deadline_ns));
}

static const struct hvh_server_ops server_ops = {
	.post_message = vmm_mail_post,
	.withdraw = vmm_mail_withdraw,
	.signal = on_signal,
	.channel_start = vmm_channel_start,
	.channel_stop = vmm_channel_stop,
	.channel_drained = vmm_channel_drained,
	.channel_attend = vmm_channel_attend,
	.timer = vmm_channel_timer,
	.attention = on_attention,
	.device_removed = vmm_device_removed,
	.work_at = on_work_at,
	.now_ns = on_now,
	.log = on_log,
};

/* --- life ----------------------------------------------------------------------------------------- */

/* Negative errno after a line to the log. */
static int start_trace(struct vmm_vm *vm)
{
	struct vmm_hyperv *hv = &vm->hyperv;

	hv->ops = server_ops;
	if (!vm->config->trace_path)
		return 0;
	hv->ops.trace_message = on_trace_message;
	hv->ops.trace_packet = vmm_channel_trace;
	return vmm_trace_create(vm->config->trace_path, &hv->trace);
}

/* The command line was checked already. */
static int inject(struct vmm_vm *vm)
{
	struct hvh_inject rules;
	char error[128];
	int err;

	if (!vm->config->inject)
		return 0;
	err = hvh_inject_parse(vm->config->inject, &rules, error, sizeof(error));
	return err ? err : hvh_server_inject(vm->hyperv.server, &rules);
}

int vmm_hyperv_create(struct vmm_vm *vm)
{
	const struct hvh_server_config config = {
		.version_max = vm->config->vmbus_version_max,
		.vps = vm->config->cpus,
	};
	unsigned loops = vm->config->cpus < IO_LOOPS_MAX ? vm->config->cpus : IO_LOOPS_MAX;
	int err = start_trace(vm);

	if (err)
		return err;
	err = vmm_io_loops_create(loops, &vm->hyperv.io);
	vmm_mail_init(vm);
	vmm_call_init(&vm->hyperv.work, vm->loop, on_work, vm);
	vmm_timer_init(&vm->hyperv.work_timer, vm->loop, on_work, vm);
	vmm_copy_init(vm);
	if (!err)
		err = hvh_server_create(vm->mem, &config, &vm->hyperv.ops, vm, &vm->hyperv.server);
	if (!err)
		err = inject(vm);
	if (!err)
		err = vmm_services_create(vm);
	if (!err)
		err = vmm_nics_create(vm);
	if (!err)
		err = vmm_disks_create(vm);
	if (err)
		vmm_log(HVH_LOG_ERROR, "cannot create the VMBus server: %s", strerror(-err));
	return err;
}

bool vmm_hyperv_destroy(struct vmm_vm *vm)
{
	struct vmm_hyperv *hv = &vm->hyperv;

	if (!vmm_io_loops_destroy(hv->io) || hv->channels_started)
		return false;
	hv->io = NULL;
	/* Nobody adds to it any more. If its file hangs, only its own memory stays. */
	(void)vmm_trace_destroy(hv->trace);
	if (!hv->server)
		return true;
	vmm_call_cancel(&hv->work);
	vmm_timer_set(&hv->work_timer, 0);
	vmm_copy_fini(vm);
	hvh_server_destroy(hv->server);
	vmm_timer_set(&hv->mail_timer, 0);
	vmm_services_destroy(vm);
	vmm_nics_destroy(vm);
	vmm_disks_destroy(vm);
	return true;
}

int vmm_hyperv_create_vcpu(struct vmm_vcpu *vcpu)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_HYPERV_SYNIC2 };
	int err = hvh_synic_create(vcpu->vm->mem, &vcpu->synic);

	if (!err && ioctl(vcpu->fd, KVM_ENABLE_CAP, &cap) < 0)
		err = -errno;
	if (!err)
		err = vmm_vcpu_set_msr(vcpu, HVP_MSR_VP_INDEX, vcpu->index);
	/* KVM's own choice here differs between versions. */
	if (!err)
		err = vmm_vcpu_set_msr(vcpu, HVP_MSR_SCONTROL, 0);
	if (!err) {
		vcpu->sint_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		err = vcpu->sint_fd < 0 ? -errno :
					  vmm_sint_assign_irqfd(vcpu, vcpu->sint_fd, -1, 0);
	}
	if (err)
		vmm_log(HVH_LOG_ERROR, "KVM: SynIC of processor %u: %s", vcpu->index,
			strerror(-err));
	return err;
}

void vmm_hyperv_destroy_vcpu(struct vmm_vcpu *vcpu)
{
	vmm_mail_unwatch(vcpu);
	if (vcpu->sint_fd >= 0)
		close(vcpu->sint_fd);
	if (vcpu->synic)
		hvh_synic_destroy(vcpu->synic);
}

bool vmm_hyperv_disconnect(struct vmm_vm *vm)
{
	struct vmm_hyperv *hv = &vm->hyperv;

	if (!hv->disconnecting) {
		hv->disconnecting = true;
		hvh_server_reset(hv->server);
	}
	if (hv->channels_started || hv->errands)
		return false;
	hv->disconnecting = false;
	vmm_mail_reset(vm);
	atomic_store(&hv->guest_os_id, 0);
	return true;
}

int vmm_hyperv_reset_vcpu(struct vmm_vcpu *vcpu)
{
	/* First what may write to memory or interrupt; the operating system's id last. */
	static const uint32_t cleared[] = {
		HVP_MSR_STIMER0_CONFIG,
		HVP_MSR_STIMER0_CONFIG + 1,
		HVP_MSR_STIMER0_CONFIG + 2,
		HVP_MSR_STIMER0_CONFIG + 3,
		HVP_MSR_STIMER0_CONFIG + 4,
		HVP_MSR_STIMER0_CONFIG + 5,
		HVP_MSR_STIMER0_CONFIG + 6,
		HVP_MSR_STIMER0_CONFIG + 7,
		HVP_MSR_SCONTROL,
		HVP_MSR_SIMP,
		HVP_MSR_SIEFP,
		HVP_MSR_VP_ASSIST_PAGE,
		HVP_MSR_REFERENCE_TSC,
		HVP_MSR_HYPERCALL,
		HVP_MSR_GUEST_OS_ID,
	};
	int err = hvh_synic_set(vcpu->synic, 0, 0, 0);

	for (unsigned i = 0; !err && i < sizeof(cleared) / sizeof(cleared[0]); i++)
		err = vmm_vcpu_set_msr(vcpu, cleared[i], 0);
	for (unsigned sint = 0; !err && sint < HVP_SINT_COUNT; sint++)
		err = vmm_vcpu_set_msr(vcpu, HVP_MSR_SINT0 + sint, HVP_SINT_MASKED);
	return err;
}
