/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/pae.h"
#include "vmm/serial.h"
#include "vmm/vm_priv.h"

/* Does nothing but end KVM_RUN, and system calls that wait. */
#define KICK_SIGNAL SIGRTMIN

/* Far more than is used, yet too small for the kernel to back it with a huge page that has to be cleared. */
#define STACK_BYTES (512u << 10)

#define JOIN_TIMEOUT_NS 1000000000u
#define JOIN_KICK_NS	10000000u

#define RFLAGS_FIXED	   0x2u
#define CR0_PROTECTED	   (1u << 0)
#define CR0_EXTENSION_TYPE (1u << 4)
#define CR0_NUMERIC_ERROR  (1u << 5)
#define CR0_PAGING	   (1u << 31)
#define CR4_PAE		   (1u << 5)
#define EFER_LONG_MODE	   (1u << 8)
#define EFER_LONG_ACTIVE   (1u << 10)
#define SEGMENT_CODE	   0xb /* execute, read, accessed */
#define SEGMENT_DATA	   0x3 /* read, write, accessed */

#define APIC_LVT_LINT0	     0x350
#define APIC_LVT_LINT1	     0x360
#define APIC_DELIVERY_NMI    (4u << 8)
#define APIC_DELIVERY_EXTINT (7u << 8)

struct vmm_vcpu_power_on {
	struct kvm_mp_state mp_state;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_xcrs xcrs;
	struct kvm_debugregs debugregs;
	struct kvm_lapic_state lapic;
	struct kvm_vcpu_events events;
	struct kvm_xsave xsave; /* last: KVM may declare it longer */
};

static int vcpu_ioctl(struct vmm_vcpu *vcpu, unsigned long request, void *argument)
{
	return ioctl(vcpu->fd, request, argument) < 0 ? -errno : 0;
}

/* struct kvm_msrs ends in an array without a length; this is room for one entry. */
union one_msr {
	struct kvm_msrs msrs;
	uint8_t bytes[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
};

/* KVM_GET_MSRS and KVM_SET_MSRS return how many they did. */
static int msr_ioctl(struct vmm_vcpu *vcpu, unsigned long request, uint32_t index, uint64_t *value)
{
	union one_msr one = { .msrs.nmsrs = 1 };
	struct kvm_msr_entry *entry = one.msrs.entries;
	int done;

	entry->index = index;
	entry->data = *value;
	done = ioctl(vcpu->fd, request, &one);
	if (done != 1)
		return done < 0 ? -errno : -EINVAL;
	*value = entry->data;
	return 0;
}

int vmm_vcpu_get_msr(struct vmm_vcpu *vcpu, uint32_t index, uint64_t *value)
{
	uint64_t got = 0;
	int err = msr_ioctl(vcpu, KVM_GET_MSRS, index, &got);

	if (!err)
		*value = got;
	return err;
}

int vmm_vcpu_set_msr(struct vmm_vcpu *vcpu, uint32_t index, uint64_t value)
{
	return msr_ioctl(vcpu, KVM_SET_MSRS, index, &value);
}

/* --- creation and restart ------------------------------------------------------------------------ */

/* As firmware leaves it: the 8259 through LINT0, NMI through LINT1. */
static int set_lapic_pins(struct vmm_vcpu *vcpu)
{
	const uint32_t lint0 = APIC_DELIVERY_EXTINT, lint1 = APIC_DELIVERY_NMI;
	struct kvm_lapic_state lapic;
	int err = vcpu_ioctl(vcpu, KVM_GET_LAPIC, &lapic);

	if (err)
		return err;
	memcpy(lapic.regs + APIC_LVT_LINT0, &lint0, sizeof(lint0));
	memcpy(lapic.regs + APIC_LVT_LINT1, &lint1, sizeof(lint1));
	return vcpu_ioctl(vcpu, KVM_SET_LAPIC, &lapic);
}

int vmm_vcpu_create(struct vmm_vm *vm, unsigned index, struct vmm_vcpu *vcpu)
{
	int run_size = ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	void *run;
	int err;

	vcpu->vm = vm;
	vcpu->index = index;
	vcpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, (unsigned long)index);
	if (vcpu->fd < 0 || run_size < (int)sizeof(struct kvm_run)) {
		err = vcpu->fd < 0 ? -errno : -EINVAL;
		goto err_log;
	}
	run = mmap(NULL, (size_t)run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (run == MAP_FAILED) {
		err = -errno;
		goto err_log;
	}
	vcpu->run = run;
	err = vmm_cpuid_set(vcpu);
	if (err)
		return err;
	err = vmm_hyperv_create_vcpu(vcpu);
	if (err)
		return err;
	err = set_lapic_pins(vcpu);
	if (!err)
		return 0;
err_log:
	vmm_log(HVH_LOG_ERROR, "KVM: cannot create processor %u: %s", index, strerror(-err));
	return err;
}

void vmm_vcpu_destroy(struct vmm_vcpu *vcpu)
{
	int run_size;

	vmm_hyperv_destroy_vcpu(vcpu);
	if (vcpu->run) {
		run_size = ioctl(vcpu->vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
		munmap(vcpu->run, (size_t)run_size);
	}
	if (vcpu->fd >= 0)
		close(vcpu->fd);
	free(vcpu->power_on);
}

int vmm_vcpu_keep_power_on(struct vmm_vcpu *vcpu)
{
	struct vmm_vcpu_power_on *state = calloc(1, sizeof(*state));
	int err;

	if (!state)
		return -ENOMEM;
	vcpu->power_on = state;
	err = vcpu_ioctl(vcpu, KVM_GET_MP_STATE, &state->mp_state);
	if (!err)
		err = vcpu_ioctl(vcpu, KVM_GET_REGS, &state->regs);
	if (!err)
		err = vcpu_ioctl(vcpu, KVM_GET_SREGS, &state->sregs);
	if (!err)
		err = vcpu_ioctl(vcpu, KVM_GET_XSAVE, &state->xsave);
	if (!err)
		err = vcpu_ioctl(vcpu, KVM_GET_XCRS, &state->xcrs);
	if (!err)
		err = vcpu_ioctl(vcpu, KVM_GET_DEBUGREGS, &state->debugregs);
	if (!err)
		err = vcpu_ioctl(vcpu, KVM_GET_LAPIC, &state->lapic);
	if (!err)
		err = vcpu_ioctl(vcpu, KVM_GET_VCPU_EVENTS, &state->events);
	return err;
}

/*
 * On AMD processors a triple fault makes KVM clear the guest's control block, and with it the distance
 * between the guest's time stamp counter and the real one, which it does not put there again. It still
 * knows it: what it reads is right, and what is written comes back into the block.
 */
static int restore_tsc(struct vmm_vcpu *vcpu)
{
	uint64_t tsc;
	int err = vmm_vcpu_get_msr(vcpu, VMM_MSR_TSC, &tsc);

	return err ? err : vmm_vcpu_set_msr(vcpu, VMM_MSR_TSC, tsc);
}

int vmm_vcpu_reset(struct vmm_vcpu *vcpu)
{
	struct vmm_vcpu_power_on *state = vcpu->power_on;
	const struct kvm_msrs *msrs = vcpu->vm->power_on_msrs;
	int err = vmm_hyperv_reset_vcpu(vcpu);

	vcpu->vp_assist = 0;
	/* The APIC's base is part of SREGS and decides how its registers are written. */
	if (!err)
		err = vcpu_ioctl(vcpu, KVM_SET_SREGS, &state->sregs);
	if (!err)
		err = vcpu_ioctl(vcpu, KVM_SET_REGS, &state->regs);
	if (!err)
		err = vcpu_ioctl(vcpu, KVM_SET_XCRS, &state->xcrs);
	if (!err)
		err = vcpu_ioctl(vcpu, KVM_SET_XSAVE, &state->xsave);
	if (!err)
		err = vcpu_ioctl(vcpu, KVM_SET_DEBUGREGS, &state->debugregs);
	/* One by one: a few of KVM's list can only be read. */
	for (unsigned i = 0; !err && i < msrs->nmsrs; i++)
		(void)vmm_vcpu_set_msr(vcpu, msrs->entries[i].index, msrs->entries[i].data);
	if (!err)
		err = restore_tsc(vcpu);
	if (!err)
		err = vcpu_ioctl(vcpu, KVM_SET_LAPIC, &state->lapic);
	if (!err)
		err = vcpu_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &state->events);
	if (!err)
		err = vcpu_ioctl(vcpu, KVM_SET_MP_STATE, &state->mp_state);
	return err;
}

static struct kvm_segment flat_segment(uint16_t selector, uint8_t type, bool long_code)
{
	return (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = selector,
		.type = type,
		.present = 1,
		.s = 1,
		.g = 1,
		.l = long_code,
		.db = !long_code,
	};
}

int vmm_vcpu_set_entry(struct vmm_vcpu *vcpu, const struct vmm_entry *entry)
{
	struct kvm_segment data = flat_segment(entry->data_selector, SEGMENT_DATA, false);
	struct kvm_regs regs = {
		.rip = entry->rip,
		.rbx = entry->rbx,
		.rsi = entry->rsi,
		.rflags = RFLAGS_FIXED,
	};
	bool long_mode = entry->mode == VMM_ENTRY_LONG;
	struct kvm_sregs sregs;
	int err = vcpu_ioctl(vcpu, KVM_GET_SREGS, &sregs);

	if (err)
		return err;
	sregs.cs = flat_segment(entry->code_selector, SEGMENT_CODE, long_mode);
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.gdt.base = entry->gdt;
	sregs.gdt.limit = entry->gdt_limit;
	sregs.idt.base = 0;
	sregs.idt.limit = 0;
	sregs.cr0 = CR0_PROTECTED | CR0_EXTENSION_TYPE;
	sregs.cr4 = 0;
	sregs.efer = 0;
	if (long_mode) {
		sregs.cr0 |= CR0_NUMERIC_ERROR | CR0_PAGING;
		sregs.cr4 = CR4_PAE;
		sregs.efer = EFER_LONG_MODE | EFER_LONG_ACTIVE;
	}
	sregs.cr3 = entry->cr3;
	err = vcpu_ioctl(vcpu, KVM_SET_SREGS, &sregs);
	return err ? err : vcpu_ioctl(vcpu, KVM_SET_REGS, &regs);
}

/* --- exits --------------------------------------------------------------------------------------- */

static void count(atomic_ullong *counter)
{
	/* Only this thread writes; others may read. */
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

static unsigned long long instruction_pointer(struct vmm_vcpu *vcpu)
{
	struct kvm_regs regs = { 0 };

	return vcpu_ioctl(vcpu, KVM_GET_REGS, &regs) ? 0 : regs.rip;
}

static void fail(struct vmm_vcpu *vcpu, const char *what, unsigned long long detail)
{
	vmm_log(HVH_LOG_ERROR, "processor %u: %s (0x%llx) at 0x%llx", vcpu->index, what, detail,
		instruction_pointer(vcpu));
	vmm_vm_end(vcpu->vm, VMM_EXIT_FAILED);
}

static void exit_mmio(struct vmm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct vmm_vm *vm = vcpu->vm;

	if (!run->mmio.is_write)
		memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
	if (atomic_fetch_add_explicit(&vm->mmio_unclaimed, 1, memory_order_relaxed) == 0)
		vmm_log(HVH_LOG_WARNING,
			"the guest uses address 0x%llx, where there is nothing (only reported once)",
			(unsigned long long)run->mmio.phys_addr);
}

static void exit_system_event(struct vmm_vcpu *vcpu)
{
	switch (vcpu->run->system_event.type) {
	case KVM_SYSTEM_EVENT_RESET:
		vmm_vm_restart(vcpu->vm);
		break;
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		vmm_vm_end(vcpu->vm, VMM_EXIT_DONE);
		break;
	default:
		fail(vcpu, "unknown system event", vcpu->run->system_event.type);
		break;
	}
}

/*
 * KVM writes the results of CPUID and then reads the instruction to learn its length, which QEMU does not
 * tell. It cannot find a program's instruction without the tables that it refused, and gives up there: we
 * do the rest. Of what programs may execute, nothing else makes KVM give up.
 */
static bool step_over_cpuid(struct vmm_vcpu *vcpu)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	if (!vcpu->vm->pae_marked || vcpu_ioctl(vcpu, KVM_GET_SREGS, &sregs) ||
	    vcpu_ioctl(vcpu, KVM_GET_REGS, &regs))
		return false;
	if (!(sregs.cr0 & CR0_PAGING) || !(sregs.cr4 & CR4_PAE) || sregs.efer & EFER_LONG_ACTIVE ||
	    !vmm_pae_is_cpuid(vcpu->vm->mem, sregs.cr3, (uint32_t)(sregs.cs.base + regs.rip)))
		return false;
	regs.rip += 2;
	return vcpu_ioctl(vcpu, KVM_SET_REGS, &regs) == 0;
}

static void exit_internal_error(struct vmm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	unsigned words = run->internal.ndata < 16 ? run->internal.ndata : 16;

	count(&vcpu->exits.other);
	if (run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION && step_over_cpuid(vcpu))
		return;
	for (unsigned i = 0; i < words; i++)
		vmm_log(HVH_LOG_DEBUG, "KVM internal error, data %u: 0x%llx", i,
			(unsigned long long)run->internal.data[i]);
	fail(vcpu,
	     run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION ?
		     "KVM cannot emulate an instruction" :
		     "KVM internal error",
	     run->internal.suberror);
}

static void handle_exit(struct vmm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		count(&vcpu->exits.io);
		vmm_pio_access(&vcpu->vm->pio, run->io.port, run->io.direction == KVM_EXIT_IO_OUT,
			       run->io.size, (uint8_t *)run + run->io.data_offset, run->io.count);
		break;
	case KVM_EXIT_MMIO:
		count(&vcpu->exits.mmio);
		exit_mmio(vcpu);
		break;
	case KVM_EXIT_X86_RDMSR:
	case KVM_EXIT_X86_WRMSR:
		count(&vcpu->exits.msr);
		vmm_msr_exit(vcpu);
		break;
	case KVM_EXIT_HYPERV:
		vmm_hyperv_exit(vcpu);
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		count(&vcpu->exits.other);
		exit_system_event(vcpu);
		break;
	case KVM_EXIT_INTR:
		count(&vcpu->exits.interrupted);
		break;
	case KVM_EXIT_SHUTDOWN:
		count(&vcpu->exits.other);
		vmm_vm_triple_fault(vcpu);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		fail(vcpu, "KVM cannot enter the guest",
		     run->fail_entry.hardware_entry_failure_reason);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		exit_internal_error(vcpu);
		break;
	default:
		fail(vcpu, "unknown exit", run->exit_reason);
		break;
	}
}

/* --- the thread ---------------------------------------------------------------------------------- */

/*
 * KVM finishes the instruction of the last exit when it is entered again; a restart must not find that
 * half done. With immediate_exit it finishes and does not go on.
 */
static void complete_exit(struct vmm_vcpu *vcpu)
{
	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	while (ioctl(vcpu->fd, KVM_RUN, 0) == 0 &&
	       atomic_load(&vcpu->vm->end_status) == VMM_NOT_ENDED)
		handle_exit(vcpu);
}

/* False: end. */
static bool pass_gate(struct vmm_vcpu *vcpu)
{
	struct vmm_vm *vm = vcpu->vm;
	enum vmm_gate gate;

	if (atomic_load(&vm->gate) == VMM_GATE_CLOSED) {
		complete_exit(vcpu);
		/* What the guest said before it stood still is not held back. */
		vmm_serial_flush(vm->serial);
	}
	pthread_mutex_lock(&vm->lock);
	vm->parked++;
	if (vm->parked == vm->config->cpus)
		vmm_vm_wake(vm);
	while ((gate = atomic_load(&vm->gate)) == VMM_GATE_CLOSED)
		pthread_cond_wait(&vm->changed, &vm->lock);
	vm->parked--;
	pthread_mutex_unlock(&vm->lock);
	return gate != VMM_GATE_STOP;
}

/*
 * Take what others asked for. A request is set before immediate_exit, so one that is not seen here
 * finds that flag still set, or sets it later, and KVM_RUN returns at once; if KVM_RUN has begun, the
 * signal ends it. The flag is cleared before the requests are read, never after.
 */
static unsigned take_requests(struct vmm_vcpu *vcpu)
{
	if (__atomic_load_n(&vcpu->run->immediate_exit, __ATOMIC_SEQ_CST))
		__atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
	if (!atomic_load(&vcpu->requests))
		return 0;
	return atomic_exchange(&vcpu->requests, 0);
}

/* One that has not been started by the guest yet takes none, as on a real machine. */
static void inject_nmi(struct vmm_vcpu *vcpu)
{
	struct kvm_mp_state state;

	if (vcpu_ioctl(vcpu, KVM_GET_MP_STATE, &state) ||
	    (state.mp_state != KVM_MP_STATE_RUNNABLE && state.mp_state != KVM_MP_STATE_HALTED))
		return;
	if (ioctl(vcpu->fd, KVM_NMI, 0) < 0)
		vmm_log(HVH_LOG_WARNING, "processor %u: KVM takes no NMI: %s", vcpu->index,
			strerror(errno));
}

static void *run_vcpu(void *argument)
{
	struct vmm_vcpu *vcpu = argument;
	struct vmm_vm *vm = vcpu->vm;

	for (;;) {
		unsigned requests = take_requests(vcpu);

		if (requests & VMM_REQUEST_MAIL)
			vmm_mail_deliver(vcpu);
		if (requests & VMM_REQUEST_FLUSH)
			vmm_serial_flush(vm->serial);
		if (requests & VMM_REQUEST_NMI)
			inject_nmi(vcpu);
		if (atomic_load(&vm->gate) != VMM_GATE_OPEN && !pass_gate(vcpu))
			break;

		if (ioctl(vcpu->fd, KVM_RUN, 0) == 0) {
			handle_exit(vcpu);
			/* Not one instruction more after power-off, restart or failure. */
			if (atomic_load(&vm->end_status) != VMM_NOT_ENDED)
				break;
		} else if (errno == EINTR || errno == EAGAIN) {
			count(&vcpu->exits.interrupted);
		} else {
			fail(vcpu, "KVM_RUN failed, error", (unsigned)errno);
			break;
		}
	}
	vmm_serial_flush(vm->serial);
	return NULL;
}

static void on_kick(int signal)
{
	(void)signal;
}

/*
 * In QEMU's emulation with several processors the first one's flags are written by the others, without a lock, each
 * time they load the state of the floating point unit (docs/nested.md). Where a guest runs these flags change all the
 * time, and changes get lost: that this is a guest, that interrupts are off. So none runs there.
 */
static void keep_off_first_processor(const struct vmm_vcpu *vcpu, pthread_attr_t *attributes)
{
	const struct vmm_config *config = vcpu->vm->config;
	cpu_set_t cpus;

	if (config->accel != VMM_ACCEL_NESTED || config->cpus == 1 ||
	    sched_getaffinity(0, sizeof(cpus), &cpus))
		return;
	CPU_CLR(0, &cpus);
	if (CPU_COUNT(&cpus))
		pthread_attr_setaffinity_np(attributes, sizeof(cpus), &cpus);
}

int vmm_vcpu_start(struct vmm_vcpu *vcpu)
{
	struct sigaction action = { .sa_handler = on_kick };
	pthread_attr_t attributes;
	sigset_t all, old;
	int err;

	/* Without SA_RESTART, so that a kick also ends a blocked write. */
	sigaction(KICK_SIGNAL, &action, NULL);
	sigfillset(&all);
	sigdelset(&all, KICK_SIGNAL);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	keep_off_first_processor(vcpu, &attributes);
	err = -pthread_create(&vcpu->thread, &attributes, run_vcpu, vcpu);
	pthread_attr_destroy(&attributes);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err) {
		vmm_log(HVH_LOG_ERROR, "cannot start processor %u: %s", vcpu->index,
			strerror(-err));
		return err;
	}
	vcpu->started = true;
	return 0;
}

static void kick(struct vmm_vcpu *vcpu)
{
	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	pthread_kill(vcpu->thread, KICK_SIGNAL);
}

void vmm_vcpu_request(struct vmm_vcpu *vcpu, unsigned request)
{
	/* Who set the same request before has kicked already. */
	if (!(atomic_fetch_or(&vcpu->requests, request) & request) && vcpu->started)
		kick(vcpu);
}

bool vmm_vcpu_join(struct vmm_vcpu *vcpu)
{
	uint64_t waited_ns = 0;

	if (!vcpu->started)
		return true;
	while (waited_ns < JOIN_TIMEOUT_NS) {
		struct timespec until;

		/* Again and again: the thread may block anew in what its last exit needs. */
		kick(vcpu);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += JOIN_KICK_NS;
		if (until.tv_nsec >= 1000000000) {
			until.tv_sec++;
			until.tv_nsec -= 1000000000;
		}
		if (pthread_timedjoin_np(vcpu->thread, NULL, &until) == 0) {
			vcpu->started = false;
			return true;
		}
		waited_ns += JOIN_KICK_NS;
	}
	return false;
}
