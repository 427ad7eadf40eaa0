/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the virtual machine is made of: KVM's part of it, memory, ACPI tables, the kernel.
 */
#include <errno.h>
#include <fcntl.h>
#include <hvh/hvh_mem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm/acpi/tables.h"
#include "vmm/log.h"
#include "vmm/vm_priv.h"

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
			snprintf(why, why_size, "no permission on /dev/kvm: join the group kvm");
		else
			snprintf(why, why_size, "no KVM (/dev/kvm: %s): load kvm-intel or kvm-amd",
				 strerror(-err));
		return err == -EPERM ? -EACCES : err == -EACCES ? err : -ENOENT;
	}
	if (ioctl(fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) {
		snprintf(why, why_size, "/dev/kvm has another API version: run on another kernel");
		err = -EOPNOTSUPP;
	}
	for (size_t i = 0; !err && i < sizeof(capabilities) / sizeof(capabilities[0]); i++) {
		if (ioctl(fd, KVM_CHECK_EXTENSION, capabilities[i].number) > 0)
			continue;
		snprintf(
			why, why_size,
			"this kernel's KVM cannot host Hyper-V guests (no %s): run on another kernel",
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
			add_pin(table, pin,
				pin < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE, pin % 8);
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

/* For steps that cannot fail by the user's doing: passes `err` on, after a line if it is one. */
static int logged(const char *what, int err)
{
	if (err)
		vmm_log(HVH_LOG_ERROR, "cannot create the virtual machine: %s: %s", what,
			strerror(-err));
	return err;
}

/* --- memory, tables, kernel ---------------------------------------------------------------------- */

static int create_memory(struct vmm_vm *vm)
{
	struct hvh_mem_region region;
	int err = hvh_mem_create(&vm->mem);

	if (!err)
		err = hvh_mem_add(vm->mem, 0, vm->map.low_ram_bytes);
	if (!err && vm->map.high_ram_bytes)
		err = hvh_mem_add(vm->mem, VMM_4_GIB, vm->map.high_ram_bytes);
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

static int check_limits(const struct vmm_vm *vm)
{
	int cpus_max = ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);

	if (cpus_max > 0 && vm->config->cpus > (unsigned)cpus_max) {
		vmm_log(HVH_LOG_ERROR, "this kernel's KVM takes at most %d processors", cpus_max);
		return -EINVAL;
	}
	return 0;
}

static int lay_out_memory(struct vmm_vm *vm)
{
	unsigned bits = vmm_cpuid_address_bits(vm->kvm_fd);
	int err = vmm_memory_map_make(vm->config->memory_bytes, vm->config->mmio_gap_bytes, bits,
				      &vm->map);

	if (err)
		vmm_log(HVH_LOG_ERROR, "this processor's %u address bits are too few for %llu MiB",
			bits, (unsigned long long)(vm->config->memory_bytes >> 20));
	return err;
}

static int write_tables(struct vmm_vm *vm)
{
	static uint8_t tables[VMM_ACPI_SIZE_MAX];
	const struct vmm_acpi_config config = {
		.cpus = vm->config->cpus,
		.pm_port = VMM_PM_PORT,
		.sci = VMM_SCI_IRQ,
		.low = vm->map.low,
		.high = vm->map.high,
	};
	size_t bytes = vmm_acpi_build(&config, VMM_ACPI_GPA, tables);

	return hvh_mem_write(vm->mem, VMM_ACPI_GPA, tables, bytes);
}

/* All that firmware would have prepared. The processors are not running. */
static int load_guest(struct vmm_vm *vm)
{
	struct vmm_e820_entry map[VMM_E820_MAX];
	const struct vmm_firmware firmware = {
		.map = map,
		.map_entries = vmm_memory_map_e820(&vm->map, VMM_ACPI_SIZE_MAX, map),
		.rsdp_gpa = VMM_ACPI_GPA,
	};
	struct vmm_entry entry;
	int err = logged("ACPI tables", write_tables(vm));

	if (!err)
		err = vmm_image_load(vm->image, vm->mem, &firmware, &entry);
	if (!err)
		err = logged("boot processor", vmm_vcpu_set_entry(&vm->vcpus[0], &entry));
	return err;
}

/* --- creation ------------------------------------------------------------------------------------ */

static int create_kvm(struct vmm_vm *vm)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	uint64_t identity_map = VMM_IDENTITY_MAP_GPA;

	vm->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm_fd < 0)
		return -errno;
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

int vmm_machine_create(struct vmm_vm *vm)
{
	int err = logged("KVM", create_kvm(vm));

	if (!err)
		err = logged("MSR filter", vmm_msr_take_out(vm));
	if (!err)
		err = check_limits(vm);
	if (!err)
		err = lay_out_memory(vm);
	if (!err)
		err = create_memory(vm);
	if (!err)
		err = vmm_hyperv_create(vm);
	for (unsigned i = 0; !err && i < vm->config->cpus; i++)
		err = vmm_vcpu_create(vm, i, &vm->vcpus[i]);
	if (!err)
		err = logged("interrupt routes", set_routing(vm));
	if (!err)
		err = logged("devices", vmm_devices_create(vm));
	if (!err)
		err = logged("power-on state", keep_power_on(vm));
	return err ? err : load_guest(vm);
}

/* In place: the same threads, descriptors and memory. KVM itself resets nothing of the SynIC. */
int vmm_machine_reset(struct vmm_vm *vm)
{
	int err = 0;

	vmm_devices_reset(vm);
	for (unsigned chip = 0; !err && chip < 3; chip++)
		if (ioctl(vm->fd, KVM_SET_IRQCHIP, &vm->power_on_irqchips[chip]) < 0)
			err = -errno;
	if (!err && ioctl(vm->fd, KVM_SET_PIT2, &vm->power_on_pit) < 0)
		err = -errno;
	for (unsigned i = 0; !err && i < vm->config->cpus; i++)
		err = vmm_vcpu_reset(&vm->vcpus[i]);
	if (err) {
		vmm_log(HVH_LOG_ERROR, "the guest's restart failed: %s", strerror(-err));
		return err;
	}
	return load_guest(vm);
}

bool vmm_machine_destroy(struct vmm_vm *vm)
{
	if (!vmm_hyperv_destroy(vm))
		return false;
	for (unsigned i = 0; i < vm->config->cpus; i++)
		vmm_vcpu_destroy(&vm->vcpus[i]);
	vmm_devices_destroy(vm);
	vmm_image_close(vm->image);
	/* The virtual machine before its memory. */
	if (vm->fd >= 0)
		close(vm->fd);
	if (vm->mem)
		hvh_mem_destroy(vm->mem);
	if (vm->kvm_fd >= 0)
		close(vm->kvm_fd);
	free(vm->power_on_msrs);
	return true;
}
