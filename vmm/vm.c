/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <hvh/hvh_ic.h>
#include <hvh/hvh_mem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "vmm/acpi/tables.h"
#include "vmm/console.h"
#include "vmm/log.h"
#include "vmm/pm.h"
#include "vmm/serial.h"
#include "vmm/vm_priv.h"

/* Time for a guest that reported a crash to write its last words, or to restart. */
#define CRASH_GRACE_NS 5000000000ull

/* A processor's thread that takes longer to stop is stuck in something that is not ours. */
#define PARK_TIMEOUT_SECONDS 5
#define JOIN_ATTEMPTS	     5

/* Port 0x80 is what PCs write to for a short delay. */
#define DELAY_PORT 0x80

/* --- what KVM must have -------------------------------------------------------------------------- */

struct capability {
	int number;
	const char *name;
};

/* clang-format off */
static const struct capability capabilities[] = {
	{ KVM_CAP_IRQCHIP, "interrupt controllers" },
	{ KVM_CAP_USER_MEMORY, "user memory" },
	{ KVM_CAP_SET_TSS_ADDR, "TSS address" },
	{ KVM_CAP_SET_IDENTITY_MAP_ADDR, "identity map address" },
	{ KVM_CAP_EXT_CPUID, "CPUID" },
	{ KVM_CAP_PIT2, "interval timer" },
	{ KVM_CAP_IRQ_ROUTING, "interrupt routing" },
	{ KVM_CAP_IRQFD, "irqfd" },
	{ KVM_CAP_IRQFD_RESAMPLE, "irqfd with resampling" },
	{ KVM_CAP_IOEVENTFD, "ioeventfd" },
	{ KVM_CAP_IMMEDIATE_EXIT, "immediate exit" },
	{ KVM_CAP_XSAVE, "XSAVE state" },
	{ KVM_CAP_HYPERV, "Hyper-V" },
	{ KVM_CAP_HYPERV_TIME, "Hyper-V clocks" },
	{ KVM_CAP_HYPERV_SYNIC2, "Hyper-V SynIC" },
	{ KVM_CAP_HYPERV_VP_INDEX, "Hyper-V processor numbers" },
	{ KVM_CAP_HYPERV_EVENTFD, "Hyper-V doorbells" },
	{ KVM_CAP_HYPERV_CPUID, "Hyper-V CPUID" },
	{ KVM_CAP_X86_USER_SPACE_MSR, "MSRs in user space" },
	{ KVM_CAP_X86_MSR_FILTER, "MSR filter" },
};
/* clang-format on */

int vmm_kvm_check(char *why, size_t why_size)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC), err = 0;

	if (fd < 0) {
		err = -errno;
		if (err == -EACCES || err == -EPERM)
			snprintf(why, why_size,
				 "no permission on /dev/kvm: join the group kvm, or use --accel nested");
		else
			snprintf(why, why_size, "no KVM (/dev/kvm: %s): use --accel nested",
				 strerror(-err));
		return err == -EPERM ? -EACCES : err == -EACCES ? err : -ENOENT;
	}
	if (ioctl(fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
		snprintf(why, why_size, "/dev/kvm has another API version: use --accel nested");
		err = -EOPNOTSUPP;
	}
	for (size_t i = 0; !err && i < sizeof(capabilities) / sizeof(capabilities[0]); i++) {
		if (ioctl(fd, KVM_CHECK_EXTENSION, capabilities[i].number) > 0)
			continue;
		snprintf(why, why_size, "this kernel's KVM cannot host Hyper-V guests (no %s): use --accel nested",
			 capabilities[i].name);
		err = -EOPNOTSUPP;
	}
	close(fd);
	return err;
}

/* --- interrupts ---------------------------------------------------------------------------------- */

void vmm_vm_set_irq(struct vmm_vm *vm, unsigned gsi, int level)
{
	struct kvm_irq_level irq = { .irq = gsi, .level = (uint32_t)level };

	ioctl(vm->fd, KVM_IRQ_LINE, &irq);
}

static void add_pin(struct kvm_irq_routing *table, unsigned gsi, unsigned chip, unsigned pin)
{
	table->entries[table->nr++] = (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = chip, .pin = pin },
	};
}

/* One table for all: the pins of a PC, the interval timer on pin 2, and every processor's SINTs. */
static int set_routing(struct vmm_vm *vm)
{
	unsigned entries = 16 + VMM_IOAPIC_PINS + vm->config->cpus * HVP_SINT_COUNT;
	struct kvm_irq_routing *table =
		calloc(1, sizeof(*table) + entries * sizeof(struct kvm_irq_routing_entry));
	int err;

	if (!table)
		return -ENOMEM;
	for (unsigned pin = 0; pin < 16; pin++)
		if (pin != 2)
			add_pin(table, pin, pin < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE,
				pin % 8);
	for (unsigned pin = 1; pin < VMM_IOAPIC_PINS; pin++)
		add_pin(table, pin == 2 ? 0 : pin, KVM_IRQCHIP_IOAPIC, pin);
	for (unsigned i = 0; i < vm->config->cpus; i++)
		for (unsigned sint = 0; sint < HVP_SINT_COUNT; sint++)
			table->entries[table->nr++] = (struct kvm_irq_routing_entry){
				.gsi = VMM_SINT_GSI(i, sint),
				.type = KVM_IRQ_ROUTING_HV_SINT,
				.u.hv_sint = { .vcpu = i, .sint = sint },
			};
	err = ioctl(vm->fd, KVM_SET_GSI_ROUTING, table) < 0 ? -errno : 0;
	free(table);
	return err;
}

/* --- serial port, power management --------------------------------------------------------------- */

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

static int create_devices(struct vmm_vm *vm)
{
	/* KVM swallows writes to this port by itself: nobody reads this descriptor. */
	struct kvm_ioeventfd delay = { .addr = DELAY_PORT, .len = 1, .flags = KVM_IOEVENTFD_FLAG_PIO };
	int err = vmm_serial_create(&serial_ops, vm, &vm->serial);

	if (!err)
		err = vmm_pm_create(&pm_ops, vm, &vm->pm);
	if (!err)
		err = vmm_pio_add(&vm->pio, &(struct vmm_pio_range){
						    .first = VMM_SERIAL_PORT,
						    .count = VMM_SERIAL_PORTS,
						    .width = 1,
						    .read = vmm_serial_read,
						    .write = vmm_serial_write,
						    .ctx = vm->serial,
					    });
	if (!err)
		err = vmm_pio_add(&vm->pio, &(struct vmm_pio_range){
						    .first = VMM_PM_PORT,
						    .count = VMM_PM_PORTS,
						    .width = 4,
						    .read = vmm_pm_read,
						    .write = vmm_pm_write,
						    .ctx = vm->pm,
					    });
	if (!err)
		err = vmm_pio_add(&vm->pio, &(struct vmm_pio_range){
						    .first = VMM_RTC_PORT,
						    .count = VMM_RTC_PORTS,
						    .width = 1,
						    .read = vmm_rtc_read,
						    .write = vmm_rtc_write,
						    .ctx = &vm->rtc,
					    });
	if (err)
		return err;
	vm->delay_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	delay.fd = vm->delay_fd;
	if (vm->delay_fd < 0 || ioctl(vm->fd, KVM_IOEVENTFD, &delay) < 0)
		return -errno;
	return 0;
}

/* --- memory, tables, kernel ---------------------------------------------------------------------- */

static uint64_t low_bytes(const struct vmm_vm *vm)
{
	return vm->config->memory_bytes < VMM_LOW_RAM_MAX ? vm->config->memory_bytes :
							    VMM_LOW_RAM_MAX;
}

static uint64_t high_bytes(const struct vmm_vm *vm)
{
	return vm->config->memory_bytes - low_bytes(vm);
}

static int create_memory(struct vmm_vm *vm)
{
	struct hvh_mem_region region;
	int err = hvh_mem_create(&vm->mem);

	if (!err)
		err = hvh_mem_add(vm->mem, 0, low_bytes(vm));
	if (!err && high_bytes(vm))
		err = hvh_mem_add(vm->mem, VMM_HIGH_BASE, high_bytes(vm));
	for (unsigned slot = 0; !err && hvh_mem_region(vm->mem, slot, &region); slot++) {
		struct kvm_userspace_memory_region kvm_region = {
			.slot = slot,
			.guest_phys_addr = region.gpa,
			.memory_size = region.len,
			.userspace_addr = (uint64_t)(uintptr_t)region.host,
		};

		if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &kvm_region) < 0)
			err = -errno;
	}
	if (err)
		vmm_log(HVH_LOG_ERROR, "cannot get %llu MiB of memory for the guest: %s",
			(unsigned long long)(vm->config->memory_bytes >> 20), strerror(-err));
	return err;
}

static int check_memory_size(const struct vmm_vm *vm)
{
	unsigned bits = vmm_cpuid_address_bits(vm->kvm_fd);

	if (high_bytes(vm) <= (1ull << bits) - VMM_HIGH_BASE)
		return 0;
	vmm_log(HVH_LOG_ERROR, "this processor addresses %u bits of memory, too few for %llu MiB", bits,
		(unsigned long long)(vm->config->memory_bytes >> 20));
	return -EINVAL;
}

static int write_tables(struct vmm_vm *vm)
{
	static uint8_t tables[VMM_ACPI_SIZE_MAX];
	uint64_t top = 1ull << vmm_cpuid_address_bits(vm->kvm_fd);
	uint64_t high = (VMM_HIGH_BASE + high_bytes(vm) + VMM_HIGH_ALIGN - 1) & ~(VMM_HIGH_ALIGN - 1);
	struct vmm_acpi_config config = {
		.cpus = vm->config->cpus,
		.pm_port = VMM_PM_PORT,
		.sci = VMM_SCI_IRQ,
		.low = { VMM_LOW_RAM_MAX, VMM_LOW_WINDOW_LAST },
	};
	size_t bytes;

	/* RAM up to the last address leaves no second window: then it is the last page, which nobody can use. */
	if (high >= top)
		high = top - HVP_PAGE_SIZE;
	config.high.first = high;
	config.high.last = (top - high < VMM_HIGH_WINDOW ? top : high + VMM_HIGH_WINDOW) - 1;
	bytes = vmm_acpi_build(&config, VMM_ACPI_GPA, tables);
	return hvh_mem_write(vm->mem, VMM_ACPI_GPA, tables, bytes);
}

/* All that firmware would have prepared. The processors are not running. */
static int load_guest(struct vmm_vm *vm)
{
	struct vmm_e820_entry map[4] = {
		{ 0, VMM_BIOS_GPA, VMM_E820_RAM },
		{ VMM_ACPI_GPA, VMM_ACPI_SIZE_MAX, VMM_E820_ACPI },
		{ VMM_HIGH_MEMORY_GPA, low_bytes(vm) - VMM_HIGH_MEMORY_GPA, VMM_E820_RAM },
		{ VMM_HIGH_BASE, high_bytes(vm), VMM_E820_RAM },
	};
	struct vmm_linux_entry entry;
	int err = write_tables(vm);

	if (!err)
		err = vmm_linux_load(vm->image, vm->mem, map, high_bytes(vm) ? 4 : 3, VMM_ACPI_GPA,
				     &entry);
	if (!err)
		err = vmm_vcpu_set_entry(&vm->vcpus[0], &entry);
	return err;
}

/* --- creation ------------------------------------------------------------------------------------ */

static int create_kvm(struct vmm_vm *vm)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	uint64_t identity_map = VMM_IDENTITY_MAP_GPA;
	int cpus_max;

	vm->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm_fd < 0)
		return -errno;
	cpus_max = ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);
	if (cpus_max > 0 && vm->config->cpus > (unsigned)cpus_max) {
		vmm_log(HVH_LOG_ERROR, "this kernel's KVM takes at most %d processors", cpus_max);
		return -EINVAL;
	}
	vm->fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, 0);
	if (vm->fd < 0)
		return -errno;
	if (ioctl(vm->fd, KVM_SET_TSS_ADDR, (unsigned long)VMM_TSS_GPA) < 0 ||
	    ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map) < 0 ||
	    ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0) < 0 || ioctl(vm->fd, KVM_CREATE_PIT2, &pit) < 0)
		return -errno;
	return 0;
}

/* The MSRs that KVM can save, at their power-on values, but the ones that count time. */
static int keep_power_on_msrs(struct vmm_vm *vm)
{
	struct kvm_msr_list count = { 0 }, *list;
	struct kvm_msrs *msrs;

	/* E2BIG, with the number in place. */
	ioctl(vm->kvm_fd, KVM_GET_MSR_INDEX_LIST, &count);
	list = calloc(1, sizeof(*list) + count.nmsrs * sizeof(list->indices[0]));
	msrs = calloc(1, sizeof(*msrs) + count.nmsrs * sizeof(msrs->entries[0]));
	vm->power_on_msrs = msrs;
	if (!list || !msrs) {
		free(list);
		return -ENOMEM;
	}
	list->nmsrs = count.nmsrs;
	if (ioctl(vm->kvm_fd, KVM_GET_MSR_INDEX_LIST, list) < 0)
		list->nmsrs = 0;
	for (unsigned i = 0; i < list->nmsrs; i++) {
		struct kvm_msr_entry entry = { .index = list->indices[i] };
		bool hyperv = entry.index >> 12 == HVP_MSR_GUEST_OS_ID >> 12;
		bool tsc = entry.index == 0x10;
		uint64_t value;

		if (hyperv || tsc || vmm_vcpu_get_msr(&vm->vcpus[0], entry.index, &value))
			continue;
		entry.data = value;
		msrs->entries[msrs->nmsrs++] = entry;
	}
	free(list);
	return 0;
}

static int keep_power_on(struct vmm_vm *vm)
{
	int err = keep_power_on_msrs(vm);

	for (unsigned chip = 0; !err && chip < 3; chip++) {
		vm->power_on_irqchips[chip].chip_id = chip;
		if (ioctl(vm->fd, KVM_GET_IRQCHIP, &vm->power_on_irqchips[chip]) < 0)
			err = -errno;
	}
	if (!err && ioctl(vm->fd, KVM_GET_PIT2, &vm->power_on_pit) < 0)
		err = -errno;
	for (unsigned i = 0; !err && i < vm->config->cpus; i++)
		err = vmm_vcpu_keep_power_on(&vm->vcpus[i]);
	return err;
}

static int create_machine(struct vmm_vm *vm)
{
	int err = create_kvm(vm);

	if (!err)
		err = check_memory_size(vm);
	if (!err)
		err = create_memory(vm);
	if (!err)
		err = vmm_hyperv_create(vm);
	for (unsigned i = 0; !err && i < vm->config->cpus; i++)
		err = vmm_vcpu_create(vm, i, &vm->vcpus[i]);
	if (!err)
		err = set_routing(vm);
	if (!err)
		err = create_devices(vm);
	if (!err)
		err = keep_power_on(vm);
	return err ? err : load_guest(vm);
}

static void on_wake(void *ctx, uint32_t events);
static void on_crash_timer(void *ctx);

int vmm_vm_create(struct vmm_loop *loop, const struct vmm_config *config, struct vmm_vm **out)
{
	struct vmm_vm *vm;
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
	vmm_pio_init(&vm->pio);
	vmm_rtc_init(&vm->rtc);
	for (unsigned i = 0; i < config->cpus; i++) {
		struct vmm_vcpu *vcpu = &vm->vcpus[i];

		vcpu->vm = vm;
		vcpu->fd = vcpu->sint_fd = vcpu->eom_fd = vcpu->eom_irq_fd = -1;
	}
	vm->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = vm->wake_fd < 0 ? -errno : vmm_loop_add(loop, vm->wake_fd, EPOLLIN, on_wake, vm);
	/* The user's files first: these errors are the likely ones. */
	if (!err)
		err = vmm_linux_open(config->kernel, config->initrd, config->append, low_bytes(vm),
				     &vm->image);
	if (!err) {
		err = create_machine(vm);
		if (err)
			vmm_log(HVH_LOG_ERROR, "cannot create the virtual machine: %s",
				strerror(-err));
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

static void set_gate(struct vmm_vm *vm, enum vmm_gate gate)
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

	pthread_mutex_lock(&vm->lock);
	if (vm->crash.reported && status == VMM_EXIT_DONE)
		status = VMM_EXIT_CRASHED;
	pthread_mutex_unlock(&vm->lock);
	atomic_compare_exchange_strong(&vm->end_status, &none, (int)status);
	vmm_vm_wake(vm);
}

void vmm_vm_restart(struct vmm_vm *vm)
{
	bool crashed;

	pthread_mutex_lock(&vm->lock);
	crashed = vm->crash.reported;
	pthread_mutex_unlock(&vm->lock);
	if (crashed) {
		vmm_vm_end(vm, VMM_EXIT_CRASHED);
		return;
	}
	/* The processor that asked does not get past the gate any more. */
	atomic_store(&vm->restart_wanted, true);
	set_gate(vm, VMM_GATE_CLOSED);
	vmm_vm_wake(vm);
}

void vmm_vm_crash(struct vmm_vcpu *vcpu)
{
	struct vmm_vm *vm = vcpu->vm;
	struct vmm_crash crash = { .reported = true };
	bool first;

	for (unsigned i = 0; i < 5; i++)
		if (vmm_vcpu_get_msr(vcpu, HVP_MSR_CRASH_P0 + i, &crash.parameters[i]))
			crash.parameters[i] = 0;
	pthread_mutex_lock(&vm->lock);
	first = !vm->crash.reported;
	if (first)
		vm->crash = crash;
	pthread_mutex_unlock(&vm->lock);
	if (!first)
		return;
	vmm_log(HVH_LOG_ERROR, "the guest reports a crash: P0 0x%llx P1 0x%llx P2 0x%llx P3 0x%llx P4 0x%llx",
		(unsigned long long)crash.parameters[0], (unsigned long long)crash.parameters[1],
		(unsigned long long)crash.parameters[2], (unsigned long long)crash.parameters[3],
		(unsigned long long)crash.parameters[4]);
	vmm_vm_wake(vm);
}

static void on_crash_timer(void *ctx)
{
	vmm_vm_end(ctx, VMM_EXIT_CRASHED);
}

static void request_all(struct vmm_vm *vm, unsigned request)
{
	for (unsigned i = 0; i < vm->config->cpus; i++)
		vmm_vcpu_request(&vm->vcpus[i], request);
}

/* Wait until every processor is at the closed gate. -ETIMEDOUT: one is stuck. */
static int park_all(struct vmm_vm *vm)
{
	struct timespec until;
	int err = 0;

	set_gate(vm, VMM_GATE_CLOSED);
	request_all(vm, VMM_REQUEST_GATE);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PARK_TIMEOUT_SECONDS;
	pthread_mutex_lock(&vm->lock);
	while (vm->parked < vm->config->cpus && !err)
		err = -pthread_cond_timedwait(&vm->changed, &vm->lock, &until);
	pthread_mutex_unlock(&vm->lock);
	return err;
}

/* In place: the same threads, descriptors and memory. KVM itself resets nothing of the SynIC. */
static int restart(struct vmm_vm *vm)
{
	int err = park_all(vm);

	if (err)
		return err;
	vmm_hyperv_disconnect(vm);
	vmm_serial_reset(vm->serial);
	vmm_pm_reset(vm->pm);
	for (unsigned chip = 0; !err && chip < 3; chip++)
		if (ioctl(vm->fd, KVM_SET_IRQCHIP, &vm->power_on_irqchips[chip]) < 0)
			err = -errno;
	if (!err && ioctl(vm->fd, KVM_SET_PIT2, &vm->power_on_pit) < 0)
		err = -errno;
	for (unsigned i = 0; !err && i < vm->config->cpus; i++)
		err = vmm_vcpu_reset(&vm->vcpus[i]);
	if (!err)
		err = load_guest(vm);
	if (!err) {
		vm->restarts++;
		set_gate(vm, VMM_GATE_OPEN);
	}
	return err;
}

/* False: a thread is stuck, and what it uses must stay. */
static bool stop_vcpus(struct vmm_vm *vm)
{
	bool all = true;

	set_gate(vm, VMM_GATE_STOP);
	request_all(vm, VMM_REQUEST_GATE);
	for (unsigned i = 0; i < vm->config->cpus; i++) {
		unsigned attempt = 0;
		bool joined;

		do
			joined = vmm_vcpu_join(&vm->vcpus[i]);
		while (!joined && ++attempt < JOIN_ATTEMPTS);
		if (!joined)
			vmm_log(HVH_LOG_ERROR, "processor %u does not stop", i);
		all &= joined;
	}
	vm->running = !all;
	return all;
}

static void finish(struct vmm_vm *vm)
{
	void (*ended)(void *ctx, enum vmm_exit status) = vm->ended;

	if (!ended)
		return;
	vm->ended = NULL;
	vmm_timer_set(&vm->crash_timer, 0);
	if (stop_vcpus(vm)) {
		/* Answers what waits for the guest, requests of users included. */
		vmm_hyperv_disconnect(vm);
	}
	ended(vm->ended_ctx, (enum vmm_exit)atomic_load(&vm->end_status));
}

static void on_wake(void *ctx, uint32_t events)
{
	struct vmm_vm *vm = ctx;
	uint64_t count;
	bool crashed;

	(void)events;
	if (read(vm->wake_fd, &count, sizeof(count)) < 0)
		return;
	if (atomic_load(&vm->end_status) != VMM_NOT_ENDED) {
		finish(vm);
		return;
	}
	if (atomic_exchange(&vm->restart_wanted, false)) {
		int err = restart(vm);

		vmm_log(err ? HVH_LOG_ERROR : HVH_LOG_INFO, "the guest restarts%s%s",
			err ? ": " : "", err ? strerror(-err) : "");
		if (err)
			vmm_vm_end(vm, VMM_EXIT_FAILED);
		return;
	}
	vmm_hyperv_poll(vm);
	if (atomic_load(&vm->flush_armed) && !vm->flush_timer.deadline_ns)
		arm_flush(vm);
	pthread_mutex_lock(&vm->lock);
	crashed = vm->crash.reported;
	pthread_mutex_unlock(&vm->lock);
	if (crashed && !vm->crash_timer.deadline_ns)
		vmm_timer_set(&vm->crash_timer, vmm_now_ns() + CRASH_GRACE_NS);
}

int vmm_vm_start(struct vmm_vm *vm, void (*ended)(void *ctx, enum vmm_exit status), void *ctx)
{
	vm->started_ns = vmm_now_ns();
	vm->running = true;
	for (unsigned i = 0; i < vm->config->cpus; i++) {
		int err = vmm_vcpu_start(&vm->vcpus[i]);

		if (err) {
			stop_vcpus(vm);
			return err;
		}
	}
	vm->ended = ended;
	vm->ended_ctx = ctx;
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
		vmm_log(HVH_LOG_INFO, "pressed the guest's power button; once more stops it at once");
	else
		vmm_log(HVH_LOG_WARNING, "the guest listens neither to the shutdown service nor to the "
					 "power button; once more stops it at once");
}

static void on_interrupt_answer(void *ctx, int result, uint32_t status)
{
	struct vmm_vm *vm = ctx;

	if (atomic_load(&vm->end_status) != VMM_NOT_ENDED)
		return;
	if (result || status != HVP_IC_SUCCESS)
		press_power_button(vm);
}

void vmm_vm_interrupt(struct vmm_vm *vm)
{
	int err = -ENOTCONN;

	if (vm->interrupted) {
		vmm_log(HVH_LOG_WARNING, "stopped by force");
		vmm_vm_stop(vm, VMM_EXIT_FAILED);
		return;
	}
	vm->interrupted = true;
	if (vm->hyperv.shutdown)
		err = hvh_shutdown_request(vm->hyperv.shutdown, HVP_SHUTDOWN_FORCE, NULL,
					   on_interrupt_answer, vm);
	if (err)
		press_power_button(vm);
	else
		vmm_log(HVH_LOG_INFO, "asked the guest to shut down; once more stops it at once");
}

/* --- the end ------------------------------------------------------------------------------------- */

void vmm_vm_destroy(struct vmm_vm *vm)
{
	if (!vm)
		return;
	vmm_loop_remove(vm->loop, vm->wake_fd);
	vmm_timer_set(&vm->flush_timer, 0);
	vmm_timer_set(&vm->crash_timer, 0);
	/* A thread that is stuck may still use all of it: then it is left to the end of the process. */
	if (vm->running && !stop_vcpus(vm))
		return;
	if (vm->hyperv.server)
		vmm_hyperv_disconnect(vm);
	vmm_hyperv_destroy(vm);
	for (unsigned i = 0; i < vm->config->cpus; i++)
		vmm_vcpu_destroy(&vm->vcpus[i]);
	vmm_serial_destroy(vm->serial);
	vmm_pm_destroy(vm->pm);
	vmm_rtc_fini(&vm->rtc);
	vmm_linux_close(vm->image);
	/* The virtual machine before its memory. */
	if (vm->fd >= 0)
		close(vm->fd);
	if (vm->mem)
		hvh_mem_destroy(vm->mem);
	if (vm->kvm_fd >= 0)
		close(vm->kvm_fd);
	if (vm->delay_fd >= 0)
		close(vm->delay_fd);
	if (vm->wake_fd >= 0)
		close(vm->wake_fd);
	free(vm->power_on_msrs);
	pthread_cond_destroy(&vm->changed);
	pthread_mutex_destroy(&vm->lock);
	free(vm);
}
