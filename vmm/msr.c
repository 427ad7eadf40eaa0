/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * MSRs of the hypervisor that are answered here and not by KVM.
 */
#include <errno.h>
#include <sys/ioctl.h>

#include "vmm/enlighten.h"
#include "vmm/vm_priv.h"

/* Bits of a filter's map: a zero takes the MSR out of KVM. */
static uint8_t taken_out[(HVP_CRASH_PARAMETERS + 1 + 7) / 8];

static void add_range(struct kvm_msr_filter *filter, unsigned *used, uint32_t flags, uint32_t base,
		      uint32_t count)
{
	filter->ranges[(*used)++] = (struct kvm_msr_filter_range){
		.flags = flags,
		.nmsrs = count,
		.base = base,
		.bitmap = taken_out,
	};
}

static bool is_off(const struct vmm_vm *vm, unsigned enlightenment)
{
	return vmm_enlighten_closure(vm->config->enlightenments_off) & enlightenment;
}

/*
 * The crash MSRs, because KVM's do not offer a text. Writes of the operating system's id, which are
 * passed on to KVM: they tell that a crashed guest starts another kernel. The VP assist page when the
 * APIC's MSRs are off: Linux enables it whatever it was told (hypervisor.md 1.6), and a page that nobody
 * uses is better than a fault on each processor.
 */
int vmm_msr_take_out(struct vmm_vm *vm)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_X86_USER_SPACE_MSR,
		.args = { KVM_MSR_EXIT_REASON_FILTER },
	};
	struct kvm_msr_filter filter = { .flags = KVM_MSR_FILTER_DEFAULT_ALLOW };
	unsigned used = 0;

	add_range(&filter, &used, KVM_MSR_FILTER_WRITE, HVP_MSR_GUEST_OS_ID, 1);
	add_range(&filter, &used, KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE, HVP_MSR_CRASH_P0,
		  HVP_CRASH_PARAMETERS + 1);
	if (is_off(vm, VMM_ENLIGHTENMENT_APIC_MSRS))
		add_range(&filter, &used, KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE,
			  HVP_MSR_VP_ASSIST_PAGE, 1);
	if (ioctl(vm->fd, KVM_ENABLE_CAP, &cap) < 0 ||
	    ioctl(vm->fd, KVM_X86_SET_MSR_FILTER, &filter) < 0)
		return -errno;
	return 0;
}

static bool is_crash_msr(uint32_t msr)
{
	return msr >= HVP_MSR_CRASH_P0 && msr <= HVP_MSR_CRASH_CTL;
}

/* False: the guest gets a general protection fault. */
static bool read_msr(struct vmm_vcpu *vcpu, uint32_t msr, uint64_t *value)
{
	if (msr == HVP_MSR_VP_ASSIST_PAGE)
		*value = vcpu->vp_assist;
	else if (is_crash_msr(msr) && !is_off(vcpu->vm, VMM_ENLIGHTENMENT_CRASH))
		*value = vmm_crash_read(&vcpu->vm->crash, msr);
	else
		return false;
	return true;
}

static bool write_msr(struct vmm_vcpu *vcpu, uint32_t msr, uint64_t value)
{
	struct vmm_vm *vm = vcpu->vm;
	bool news = false;

	if (msr == HVP_MSR_VP_ASSIST_PAGE) {
		vcpu->vp_assist = value;
	} else if (msr == HVP_MSR_GUEST_OS_ID) {
		if (vmm_vcpu_set_msr(vcpu, msr, value))
			return false;
		atomic_store(&vm->hyperv.guest_os_id, value);
		news = vmm_crash_identified(&vm->crash, value);
	} else if (is_crash_msr(msr) && !is_off(vm, VMM_ENLIGHTENMENT_CRASH)) {
		news = vmm_crash_write(&vm->crash, vm->mem, msr, value);
	} else {
		return false;
	}
	if (news)
		vmm_vm_wake(vm);
	return true;
}

void vmm_msr_exit(struct vmm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint64_t value = 0;
	bool good;

	if (run->exit_reason == KVM_EXIT_X86_RDMSR) {
		good = read_msr(vcpu, run->msr.index, &value);
		run->msr.data = value;
	} else {
		good = write_msr(vcpu, run->msr.index, run->msr.data);
	}
	run->msr.error = !good;
}
