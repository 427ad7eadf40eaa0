/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/vm.h"

#include <errno.h>
#include <hvh/hvh_ic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmm/console.h"
#include "vmm/enlighten.h"
#include "vmm/log.h"
#include "vmm/pm.h"
#include "vmm/serial.h"
#include "vmm/vm_priv.h"

/*
 * Time for a guest that reported a crash to write its last words, or to restart: a panicked kernel that
 * only stands still (panic=0, Linux's default) must end too.
 */
#define CRASH_GRACE_NS 5000000000ull

/*
 * From a guest's giving up its identity, so that another kernel can run, to that kernel's own: it is
 * checked, unpacked and started in between, which in emulation takes most of a minute.
 */
#define HANDOVER_GRACE_NS 180000000000ull

/* Devices that have not given the guest's memory back by then are stuck. */
#define FINISH_NS 5000000000ull

/* A processor's thread that takes more seconds to stop is stuck in something that is not ours. */
#define JOIN_ATTEMPTS 5

/* --- creation ------------------------------------------------------------------------------------ */

static void arm_flush(struct vmm_vm *vm)
{
	vmm_timer_set(&vm->flush_timer, vmm_now_ns() + VMM_SERIAL_FLUSH_MS * 1000000ull);
}

/* The output itself is done by a processor's thread: it may block, and the loop must not. */
static void on_flush_timer(void *ctx)
{
	struct vmm_vm *vm = ctx;

	if (vmm_serial_output_waits(vm->serial)) {
		vmm_vcpu_request(&vm->vcpus[0], VMM_REQUEST_FLUSH);
		arm_flush(vm);
		return;
	}
	atomic_store(&vm->flush_armed, false);
	/* What came in between found the flag set and told nobody. */
	if (vmm_serial_output_waits(vm->serial) && !atomic_exchange(&vm->flush_armed, true))
		arm_flush(vm);
}

static void on_wake(void *ctx, uint32_t events);
static void on_crash_timer(void *ctx);
static void on_finish_timer(void *ctx);

int vmm_vm_create(struct vmm_loop *loop, const struct vmm_config *config, struct vmm_vm **out)
{
	struct vmm_vm *vm;
	const char *warning;
	int err;

	if (config->cpus < 1 || config->cpus > VMM_CPUS_MAX)
		return -EINVAL;
	vm = calloc(1, sizeof(*vm) + config->cpus * sizeof(vm->vcpus[0]));
	if (!vm) {
		vmm_log(HVH_LOG_ERROR, "out of memory");
		return -ENOMEM;
	}
	vm->loop = loop;
	vm->config = config;
	vm->kvm_fd = vm->fd = vm->delay_fd = -1;
	atomic_init(&vm->end_status, VMM_NOT_ENDED);
	pthread_mutex_init(&vm->lock, NULL);
	pthread_cond_init(&vm->changed, NULL);
	vmm_timer_init(&vm->flush_timer, loop, on_flush_timer, vm);
	vmm_timer_init(&vm->crash_timer, loop, on_crash_timer, vm);
	vmm_timer_init(&vm->finish_timer, loop, on_finish_timer, vm);
	vmm_pio_init(&vm->pio);
	vmm_crash_init(&vm->crash);
	for (unsigned i = 0; i < config->cpus; i++) {
		struct vmm_vcpu *vcpu = &vm->vcpus[i];

		vcpu->vm = vm;
		vcpu->fd = vcpu->sint_fd = vcpu->eom_fd = vcpu->eom_irq_fd = -1;
	}
	warning = vmm_enlighten_warning(config->enlightenments_off);
	if (warning)
		vmm_log(HVH_LOG_WARNING, "%s", warning);
	vm->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = vm->wake_fd < 0 ? -errno : vmm_loop_add(loop, vm->wake_fd, EPOLLIN, on_wake, vm);
	/* The user's files first: these errors are the likely ones. */
	if (!err)
		err = vmm_image_open(config->kernel, config->initrd, config->append,
				     vmm_low_ram_bytes(config->memory_bytes, config->mmio_gap_bytes),
				     &vm->image);
	if (!err) {
		vm->pae_marked = config->accel == VMM_ACCEL_NESTED &&
				 vmm_image_is_32_bit(vm->image);
		if (vm->pae_marked && config->cpus > 1)
			vmm_log(HVH_LOG_WARNING,
				"QEMU's emulation runs 32-bit kernels with PAE (686-pae) on one processor only, and --cpus is %u",
				config->cpus);
		err = vmm_machine_create(vm);
	}
	if (err) {
		vmm_vm_destroy(vm);
		return err;
	}
	*out = vm;
	return 0;
}

void vmm_vm_set_console(struct vmm_vm *vm, struct vmm_console *console)
{
	atomic_store(&vm->console, console);
}

size_t vmm_vm_serial_input(struct vmm_vm *vm, const uint8_t *bytes, size_t len)
{
	return vmm_serial_input(vm->serial, bytes, len);
}

/* --- running ------------------------------------------------------------------------------------- */

void vmm_vm_wake(struct vmm_vm *vm)
{
	uint64_t one = 1;

	/* Only fails when the counter is full, and then the loop wakes anyhow. */
	if (write(vm->wake_fd, &one, sizeof(one)) < 0)
		return;
}

void vmm_vm_set_gate(struct vmm_vm *vm, enum vmm_gate gate)
{
	pthread_mutex_lock(&vm->lock);
	if (atomic_load(&vm->gate) != VMM_GATE_STOP)
		atomic_store(&vm->gate, gate);
	pthread_cond_broadcast(&vm->changed);
	pthread_mutex_unlock(&vm->lock);
}

void vmm_vm_end(struct vmm_vm *vm, enum vmm_exit status)
{
	int none = VMM_NOT_ENDED;

	if (status == VMM_EXIT_DONE && vmm_crash_phase(&vm->crash) != VMM_CRASH_NONE)
		status = VMM_EXIT_CRASHED;
	atomic_compare_exchange_strong(&vm->end_status, &none, (int)status);
	vmm_vm_wake(vm);
}

void vmm_vm_restart(struct vmm_vm *vm)
{
	if (vmm_crash_phase(&vm->crash) != VMM_CRASH_NONE) {
		vmm_vm_end(vm, VMM_EXIT_CRASHED);
		return;
	}
	/* The processor that asked does not get past the gate any more. */
	atomic_store(&vm->restart_wanted, true);
	vmm_vm_set_gate(vm, VMM_GATE_CLOSED);
	vmm_vm_wake(vm);
}

void vmm_vm_triple_fault(struct vmm_vcpu *vcpu)
{
	struct vmm_vm *vm = vcpu->vm;
	uint64_t now_ns = vmm_vm_clock_ns(vm);
	bool good;

	pthread_mutex_lock(&vm->lock);
	good = vmm_fault_guard_note(&vm->fault_guard, now_ns);
	pthread_mutex_unlock(&vm->lock);
	/* Where it was is not known: KVM has reset the processor by now. */
	vmm_log(HVH_LOG_WARNING, "processor %u: triple fault, which resets the machine",
		vcpu->index);
	if (good) {
		vmm_vm_restart(vm);
		return;
	}
	vmm_log(HVH_LOG_ERROR,
		"stopped: %u times in a row the guest met one within %u s of its start",
		VMM_SHORT_LIVES_MAX, (unsigned)(VMM_SHORT_LIFE_NS / 1000000000u));
	vmm_vm_end(vm, VMM_EXIT_FAILED);
}

/* --- a crashed guest ------------------------------------------------------------------------------- */

static void on_crash_timer(void *ctx)
{
	struct vmm_vm *vm = ctx;

	/* There was a pause. */
	if (vm->crash_deadline_ns > vmm_vm_clock_ns(vm)) {
		vmm_timer_set(&vm->crash_timer, vmm_vm_clock_deadline(vm, vm->crash_deadline_ns));
		return;
	}
	if (vmm_crash_phase(&vm->crash) == VMM_CRASH_HANDOVER)
		vmm_log(HVH_LOG_WARNING, "the crashed guest's next kernel did not come up");
	vmm_vm_end(vm, VMM_EXIT_CRASHED);
}

/* How long the guest has from now on; 0: as long as it likes. */
static uint64_t crash_grace_ns(enum vmm_crash_phase phase)
{
	switch (phase) {
	case VMM_CRASH_REPORTED:
		return CRASH_GRACE_NS;
	case VMM_CRASH_HANDOVER:
		return HANDOVER_GRACE_NS;
	default:
		return 0;
	}
}

static void log_crash(const struct vmm_crash_news *news)
{
	const uint64_t *p = news->parameters;

	if (news->told && *news->cause)
		vmm_log(HVH_LOG_ERROR, "the guest says: %s", news->cause);
	if (news->told)
		vmm_log(HVH_LOG_ERROR, "the guest crashed: %s",
			*news->panic ? news->panic : "its words are in `hvhost status --json`");
	else if (news->reported)
		vmm_log(HVH_LOG_ERROR,
			"the guest reports a crash: P0 0x%llx P1 0x%llx P2 0x%llx P3 0x%llx P4 0x%llx",
			(unsigned long long)p[0], (unsigned long long)p[1],
			(unsigned long long)p[2], (unsigned long long)p[3],
			(unsigned long long)p[4]);
	if (news->phase == VMM_CRASH_HANDOVER)
		vmm_log(HVH_LOG_INFO, "the crashed guest starts another kernel");
	else if (news->phase == VMM_CRASH_KERNEL)
		vmm_log(HVH_LOG_INFO, "the crashed guest's next kernel runs; waiting for its end");
}

static void look_at_crash(struct vmm_vm *vm)
{
	struct vmm_crash_news news;
	uint64_t grace_ns;

	if (!vmm_crash_take_news(&vm->crash, &news))
		return;
	log_crash(&news);
	vmm_vm_event(vm, json_pack("{s:s, s:o}", "event", "crash", "crash",
				   vmm_crash_json(&vm->crash)));
	grace_ns = crash_grace_ns(news.phase);
	vm->crash_deadline_ns = grace_ns ? vmm_vm_clock_ns(vm) + grace_ns : 0;
	vmm_timer_set(&vm->crash_timer,
		      grace_ns ? vmm_vm_clock_deadline(vm, vm->crash_deadline_ns) : 0);
}

/* --- the gate -------------------------------------------------------------------------------------- */

static void request_all(struct vmm_vm *vm, unsigned request)
{
	for (unsigned i = 0; i < vm->config->cpus; i++)
		vmm_vcpu_request(&vm->vcpus[i], request);
}

/*
 * The last processor that comes to the gate wakes the loop. One whose output waits for the user's
 * terminal may take long.
 */
bool vmm_vm_park(struct vmm_vm *vm)
{
	bool parked;

	request_all(vm, VMM_REQUEST_GATE);
	pthread_mutex_lock(&vm->lock);
	parked = vm->parked == vm->config->cpus;
	pthread_mutex_unlock(&vm->lock);
	return parked;
}

/*
 * A step towards the restart that the guest asked for: when the last processor is at the closed gate, and
 * then when the last channel is stopped; both wake this loop again.
 */
static void try_restart(struct vmm_vm *vm)
{
	if (!vmm_vm_park(vm))
		return;
	if (!vmm_hyperv_disconnect(vm))
		return;
	atomic_store(&vm->restart_wanted, false);
	if (vmm_machine_reset(vm)) {
		vmm_vm_end(vm, VMM_EXIT_FAILED);
		return;
	}
	vm->restarts++;
	vm->interrupted = false;
	vmm_log(HVH_LOG_INFO, "the guest restarts");
	vmm_fault_guard_begin(&vm->fault_guard, vmm_vm_clock_ns(vm));
	if (vm->pause.state == VMM_PAUSE_NONE)
		vmm_vm_set_gate(vm, VMM_GATE_OPEN);
	else
		vmm_pause_poll(vm);
}

/* False: a thread is stuck, and what it uses must stay. */
static bool stop_vcpus(struct vmm_vm *vm)
{
	bool all = true;

	vmm_vm_set_gate(vm, VMM_GATE_STOP);
	request_all(vm, VMM_REQUEST_GATE);
	for (unsigned i = 0; i < vm->config->cpus; i++) {
		unsigned attempt = 0;
		bool joined;

		while (!(joined = vmm_vcpu_join(&vm->vcpus[i])) && ++attempt < JOIN_ATTEMPTS) {
			/* Its output may wait for a terminal that nobody reads. */
			struct vmm_console *console = atomic_load(&vm->console);

			if (console)
				vmm_console_cut(console);
		}
		if (!joined)
			vmm_log(HVH_LOG_ERROR, "processor %u does not stop", i);
		all &= joined;
	}
	vm->running = !all;
	return all;
}

static void report_end(struct vmm_vm *vm)
{
	vm->finished = true;
	vmm_timer_set(&vm->finish_timer, 0);
	vm->ops->ended(vm->ops_ctx, (enum vmm_exit)atomic_load(&vm->end_status));
}

static void on_finish_timer(void *ctx)
{
	vmm_log(HVH_LOG_ERROR, "I/O of the guest does not end");
	report_end(ctx);
}

/* A step towards the end: the processors stop, then the channels, whose last one wakes this loop again. */
static void finish(struct vmm_vm *vm)
{
	if (!vm->ops || vm->finished)
		return;
	if (!vm->finishing) {
		vm->finishing = true;
		vmm_pause_cancel(vm, "the VM ended");
		vmm_timer_set(&vm->crash_timer, 0);
		if (!stop_vcpus(vm)) {
			report_end(vm);
			return;
		}
		vmm_timer_set(&vm->finish_timer, vmm_now_ns() + FINISH_NS);
	}
	/* Answers what waits for the guest, requests of users included. */
	if (vmm_hyperv_disconnect(vm))
		report_end(vm);
}

static void on_wake(void *ctx, uint32_t events)
{
	struct vmm_vm *vm = ctx;
	uint64_t count;

	(void)events;
	if (read(vm->wake_fd, &count, sizeof(count)) < 0)
		return;
	/* First, so that the guest's words come before the end that it brought about. */
	look_at_crash(vm);
	if (atomic_load(&vm->end_status) != VMM_NOT_ENDED) {
		finish(vm);
		return;
	}
	if (atomic_load(&vm->restart_wanted)) {
		try_restart(vm);
		return;
	}
	vmm_pause_poll(vm);
	vmm_mail_poll(vm);
	if (atomic_load(&vm->flush_armed) && !vm->flush_timer.deadline_ns)
		arm_flush(vm);
}

const char *vmm_vm_state_name(struct vmm_vm *vm)
{
	static const char *const paused[] = {
		[VMM_PAUSE_BEGINS] = "pausing",
		[VMM_PAUSE_STANDS] = "paused",
	};

	if (atomic_load(&vm->end_status) != VMM_NOT_ENDED)
		return "ending";
	if (atomic_load(&vm->restart_wanted))
		return "restarting";
	if (vm->pause.state != VMM_PAUSE_NONE)
		return paused[vm->pause.state];
	return vmm_crash_phase(&vm->crash) == VMM_CRASH_NONE ? "running" : "crashed";
}

void vmm_vm_event(struct vmm_vm *vm, json_t *event)
{
	if (vm->ops)
		vm->ops->event(vm->ops_ctx, event);
	else
		json_decref(event);
}

int vmm_vm_start(struct vmm_vm *vm, const struct vmm_vm_ops *ops, void *ctx)
{
	vm->started_ns = vmm_now_ns();
	vmm_fault_guard_begin(&vm->fault_guard, vmm_vm_clock_ns(vm));
	vm->running = true;
	for (unsigned i = 0; i < vm->config->cpus; i++) {
		int err = vmm_vcpu_start(&vm->vcpus[i]);

		if (err) {
			stop_vcpus(vm);
			return err;
		}
	}
	vm->ops = ops;
	vm->ops_ctx = ctx;
	/* It may be over already. */
	vmm_vm_wake(vm);
	return 0;
}

void vmm_vm_stop(struct vmm_vm *vm, enum vmm_exit status)
{
	vmm_vm_end(vm, status);
}

/* --- the user wants out -------------------------------------------------------------------------- */

static void press_power_button(struct vmm_vm *vm)
{
	if (vmm_pm_power_button(vm->pm))
		vmm_log(HVH_LOG_INFO,
			"pressed the guest's power button; once more stops it at once");
	else
		vmm_log(HVH_LOG_WARNING,
			"the guest listens neither to the shutdown service nor to the "
			"power button; once more stops it at once");
}

struct interrupt {
	struct vmm_errand errand;
	bool accepted;
};

static void on_interrupt_answer(void *ctx, int result, uint32_t status)
{
	struct interrupt *interrupt = ctx;

	interrupt->accepted = !result && status == HVP_IC_SUCCESS;
	vmm_errand_go_on(&interrupt->errand);
}

static bool ask_guest(struct vmm_errand *errand, unsigned service)
{
	if (hvh_shutdown_request(errand->devices[service], HVP_SHUTDOWN_FORCE, NULL,
				 on_interrupt_answer, errand))
		return true;
	vmm_log(HVH_LOG_INFO, "asked the guest to shut down; once more stops it at once");
	return false;
}

static void on_interrupt_back(struct vmm_errand *errand)
{
	struct interrupt *interrupt = (struct interrupt *)errand;

	if (!interrupt->accepted && atomic_load(&errand->vm->end_status) == VMM_NOT_ENDED)
		press_power_button(errand->vm);
	free(interrupt);
}

void vmm_vm_interrupt(struct vmm_vm *vm)
{
	struct interrupt *interrupt;

	if (vm->interrupted) {
		vmm_log(HVH_LOG_WARNING, "stopped by force");
		vmm_vm_stop(vm, VMM_EXIT_FAILED);
		return;
	}
	vm->interrupted = true;
	if (vm->pause.state != VMM_PAUSE_NONE) {
		vmm_log(HVH_LOG_WARNING,
			"a paused guest cannot shut down: resume it; once more stops it at once");
		return;
	}
	interrupt = calloc(1, sizeof(*interrupt));
	if (!interrupt) {
		press_power_button(vm);
		return;
	}
	interrupt->errand.vm = vm;
	interrupt->errand.visit = ask_guest;
	interrupt->errand.back = on_interrupt_back;
	vmm_errand_start(&interrupt->errand, VMM_SERVICE_shutdown);
}

/* --- the end ------------------------------------------------------------------------------------- */

void vmm_vm_destroy(struct vmm_vm *vm)
{
	if (!vm)
		return;
	vmm_loop_remove(vm->loop, vm->wake_fd);
	vmm_timer_set(&vm->flush_timer, 0);
	vmm_timer_set(&vm->crash_timer, 0);
	vmm_timer_set(&vm->finish_timer, 0);
	/* A thread that is stuck may still use all of it: then it is left to the end of the process. */
	if ((vm->running && !stop_vcpus(vm)) || !vmm_machine_destroy(vm))
		return;
	if (vm->wake_fd >= 0)
		close(vm->wake_fd);
	vmm_crash_fini(&vm->crash);
	pthread_cond_destroy(&vm->changed);
	pthread_mutex_destroy(&vm->lock);
	free(vm);
}
