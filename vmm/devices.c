/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The machine's devices that hvhost itself emulates: serial port, ACPI power management, clock.
 */
#include <errno.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "vmm/console.h"
#include "vmm/pm.h"
#include "vmm/rtc.h"
#include "vmm/serial.h"
#include "vmm/vm_priv.h"

/* Port 0x80 is what PCs write to for a short delay. */
#define DELAY_PORT 0x80

/* How late an alarm may be after the host's clock was set forward. */
#define RTC_WAIT_MAX_NS 60000000000ull

/* --- serial port ---------------------------------------------------------------------------------- */

static void serial_set_irq(void *ctx, int level)
{
	vmm_vm_set_irq(ctx, VMM_SERIAL_IRQ, level);
}

static void serial_output(void *ctx, const uint8_t *bytes, size_t len)
{
	struct vmm_console *console = atomic_load(&((struct vmm_vm *)ctx)->console);

	if (console)
		vmm_console_write(console, bytes, len);
}

static void serial_output_waits(void *ctx)
{
	struct vmm_vm *vm = ctx;

	if (!atomic_exchange(&vm->flush_armed, true))
		vmm_vm_wake(vm);
}

static void serial_input_room(void *ctx)
{
	struct vmm_console *console = atomic_load(&((struct vmm_vm *)ctx)->console);

	if (console)
		vmm_console_resume(console);
}

static const struct vmm_serial_ops serial_ops = {
	.set_irq = serial_set_irq,
	.output = serial_output,
	.output_waits = serial_output_waits,
	.input_room = serial_input_room,
};

/* --- power management ----------------------------------------------------------------------------- */

static void pm_set_sci(void *ctx, int level)
{
	vmm_vm_set_irq(ctx, VMM_SCI_IRQ, level);
}

static void pm_power_off(void *ctx)
{
	vmm_vm_end(ctx, VMM_EXIT_DONE);
}

static void pm_reset(void *ctx)
{
	vmm_vm_restart(ctx);
}

static const struct vmm_pm_ops pm_ops = {
	.set_sci = pm_set_sci,
	.power_off = pm_power_off,
	.reset = pm_reset,
};

/* --- clock ---------------------------------------------------------------------------------------- */

static uint64_t rtc_now(void *ctx)
{
	struct timespec now;

	(void)ctx;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void rtc_set_irq(void *ctx, int level)
{
	vmm_vm_set_irq(ctx, VMM_RTC_IRQ, level);
}

static void rtc_changed(void *ctx)
{
	vmm_call_post(&((struct vmm_vm *)ctx)->rtc_call);
}

static const struct vmm_rtc_ops rtc_ops = {
	.now_ns = rtc_now,
	.set_irq = rtc_set_irq,
	.changed = rtc_changed,
};

/* On the control loop: now, and when the next interrupt is due. The host's clock may be set meanwhile. */
static void run_rtc(void *ctx)
{
	struct vmm_vm *vm = ctx;
	uint64_t next_ns = vmm_rtc_run(vm->rtc);

	if (next_ns > RTC_WAIT_MAX_NS)
		next_ns = RTC_WAIT_MAX_NS;
	vmm_timer_set(&vm->rtc_timer, next_ns ? vmm_now_ns() + next_ns : 0);
}

/* --- all of them ---------------------------------------------------------------------------------- */

static int add_ports(struct vmm_vm *vm)
{
	const struct vmm_pio_range ranges[] = {
		{ VMM_SERIAL_PORT, VMM_SERIAL_PORTS, 1, vmm_serial_read, vmm_serial_write,
		  vm->serial },
		{ VMM_PM_PORT, VMM_PM_PORTS, 4, vmm_pm_read, vmm_pm_write, vm->pm },
		{ VMM_RTC_PORT, VMM_RTC_PORTS, 1, vmm_rtc_read, vmm_rtc_write, vm->rtc },
	};
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(ranges) / sizeof(ranges[0]); i++)
		err = vmm_pio_add(&vm->pio, &ranges[i]);
	return err;
}

/* KVM swallows writes to this port by itself: nobody reads the descriptor. */
static int add_delay_port(struct vmm_vm *vm)
{
	struct kvm_ioeventfd delay = { .addr = DELAY_PORT,
				       .len = 1,
				       .flags = KVM_IOEVENTFD_FLAG_PIO };

	vm->delay_fd = delay.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vm->delay_fd < 0 || ioctl(vm->fd, KVM_IOEVENTFD, &delay) < 0)
		return -errno;
	return 0;
}

int vmm_devices_create(struct vmm_vm *vm)
{
	int err = vmm_serial_create(&serial_ops, vm, &vm->serial);

	vmm_timer_init(&vm->rtc_timer, vm->loop, run_rtc, vm);
	vmm_call_init(&vm->rtc_call, vm->loop, run_rtc, vm);
	if (!err)
		err = vmm_pm_create(&pm_ops, vm, &vm->pm);
	if (!err)
		err = vmm_rtc_create(&rtc_ops, vm, &vm->rtc);
	if (!err)
		err = add_ports(vm);
	return err ? err : add_delay_port(vm);
}

void vmm_devices_reset(struct vmm_vm *vm)
{
	vmm_serial_reset(vm->serial);
	vmm_pm_reset(vm->pm);
	vmm_rtc_reset(vm->rtc);
}

void vmm_devices_destroy(struct vmm_vm *vm)
{
	if (vm->rtc) {
		vmm_timer_set(&vm->rtc_timer, 0);
		vmm_call_cancel(&vm->rtc_call);
	}
	vmm_serial_destroy(vm->serial);
	vmm_pm_destroy(vm->pm);
	vmm_rtc_destroy(vm->rtc);
	if (vm->delay_fd >= 0)
		close(vm->delay_fd);
}
