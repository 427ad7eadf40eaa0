/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmm/enlighten.h"
#include "vmm/log.h"
#include "vmm/pae.h"
#include "vmm/vm_priv.h"

#define ENTRIES_MAX	 512
#define HYPERVISOR_FIRST 0x40000000u
#define HYPERVISOR_LAST	 0x4fffffffu

#define LEAF1_ECX_TSC_DEADLINE (1u << 24)
#define LEAF1_ECX_HYPERVISOR   (1u << 31)
#define LEAF1_EDX_SIBLINGS     (1u << 28)
#define AMD1_ECX_CMP_LEGACY    (1u << 1)
#define LEVEL_SMT	       1
#define LEVEL_CORE	       2

static struct kvm_cpuid2 *allocate(void)
{
	struct kvm_cpuid2 *cpuid =
		calloc(1, sizeof(*cpuid) + ENTRIES_MAX * sizeof(struct kvm_cpuid_entry2));

	if (cpuid)
		cpuid->nent = ENTRIES_MAX;
	return cpuid;
}

/* Bits of an APIC id that number `count` processors. */
static unsigned id_bits(unsigned count)
{
	unsigned bits = 0;

	while (1u << bits < count)
		bits++;
	return bits;
}

static void replace_bits(uint32_t *word, unsigned shift, unsigned width, uint32_t value)
{
	uint32_t mask = ((1u << width) - 1) << shift;

	*word = (*word & ~mask) | (value << shift & mask);
}

/* Extended topology: one package of `cpus` cores with one thread each. */
static void set_topology(struct kvm_cpuid_entry2 *e, unsigned apic_id, unsigned cpus)
{
	e->eax = e->ebx = 0;
	e->ecx = e->index & 0xff;
	e->edx = apic_id;
	if (e->index == 0) {
		e->ebx = 1;
		e->ecx |= LEVEL_SMT << 8;
	} else if (e->index == 1) {
		e->eax = id_bits(cpus);
		e->ebx = cpus;
		e->ecx |= LEVEL_CORE << 8;
	}
}

/* Caches below the last level belong to one core, the last level to all. */
static void set_cache_sharing(struct kvm_cpuid_entry2 *e, unsigned cpus)
{
	unsigned type = e->eax & 0x1f, level = e->eax >> 5 & 7;

	if (type)
		replace_bits(&e->eax, 14, 12, level >= 3 ? (1u << id_bits(cpus)) - 1 : 0);
}

/* What differs between processors, and what the host's shape must not leak into. */
static void adapt_entry(struct kvm_cpuid_entry2 *e, unsigned apic_id, unsigned cpus,
			bool tsc_deadline)
{
	switch (e->function) {
	case 1:
		replace_bits(&e->ebx, 24, 8, apic_id);
		replace_bits(&e->ebx, 16, 8, cpus);
		e->ecx |= LEAF1_ECX_HYPERVISOR | (tsc_deadline ? LEAF1_ECX_TSC_DEADLINE : 0);
		e->edx &= ~LEAF1_EDX_SIBLINGS;
		e->edx |= cpus > 1 ? LEAF1_EDX_SIBLINGS : 0;
		break;
	case 4:
		set_cache_sharing(e, cpus);
		if (e->eax & 0x1f)
			replace_bits(&e->eax, 26, 6, (1u << id_bits(cpus)) - 1);
		break;
	case 0xb:
	case 0x1f:
		set_topology(e, apic_id, cpus);
		break;
	case 0x80000001:
		e->ecx &= ~AMD1_ECX_CMP_LEGACY;
		e->ecx |= cpus > 1 ? AMD1_ECX_CMP_LEGACY : 0;
		break;
	case 0x80000008:
		e->ecx = (cpus - 1) | id_bits(cpus) << 12;
		break;
	case 0x8000001d:
		set_cache_sharing(e, cpus);
		break;
	case 0x8000001e:
		e->eax = apic_id;
		e->ebx = apic_id; /* core id; one thread per core */
		e->ecx = 0; /* one node */
		break;
	}
}

/* Leaf 0xb and its like are in KVM's list only as far as the host has levels; the guest needs two. */
static int complete_topology(struct kvm_cpuid2 *cpuid)
{
	static const uint32_t functions[] = { 0xb, 0x1f };

	for (unsigned f = 0; f < 2; f++) {
		bool listed = false;
		unsigned kept = 0;

		for (unsigned i = 0; i < cpuid->nent; i++) {
			listed |= cpuid->entries[i].function == functions[f];
			if (cpuid->entries[i].function != functions[f])
				cpuid->entries[kept++] = cpuid->entries[i];
		}
		cpuid->nent = kept;
		if (!listed)
			continue;
		if (kept + 3 > ENTRIES_MAX)
			return -E2BIG;
		for (unsigned level = 0; level < 3; level++)
			cpuid->entries[cpuid->nent++] = (struct kvm_cpuid_entry2){
				.function = functions[f],
				.index = level,
				.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
			};
	}
	return 0;
}

static void drop_hypervisor_leaves(struct kvm_cpuid2 *cpuid)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < cpuid->nent; i++) {
		uint32_t function = cpuid->entries[i].function;

		if (function < HYPERVISOR_FIRST || function > HYPERVISOR_LAST)
			cpuid->entries[kept++] = cpuid->entries[i];
	}
	cpuid->nent = kept;
}

static int append_hyperv(struct vmm_vcpu *vcpu, struct kvm_cpuid2 *cpuid)
{
	struct kvm_cpuid2 *hyperv = allocate();
	int err = 0;

	if (!hyperv)
		return -ENOMEM;
	if (ioctl(vcpu->fd, KVM_GET_SUPPORTED_HV_CPUID, hyperv) < 0)
		err = -errno;
	for (unsigned i = 0; !err && i < hyperv->nent; i++) {
		struct kvm_cpuid_entry2 *e = &hyperv->entries[i];

		if (e->function < HVP_CPUID_VENDOR || e->function > VMM_ENLIGHTEN_LEAF_LAST)
			continue;
		if (cpuid->nent == ENTRIES_MAX) {
			err = -E2BIG;
			break;
		}
		vmm_enlighten_leaf(vcpu->vm->config->enlightenments_off, e);
		cpuid->entries[cpuid->nent++] = *e;
	}
	free(hyperv);
	return err;
}

/*
 * What is not announced is refused: a general protection fault for an MSR, "access denied" for a hypercall.
 * KVM before 5.14 cannot; there a guest that uses what it was not offered gets it all the same.
 */
static int enforce(struct vmm_vcpu *vcpu)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_HYPERV_ENFORCE_CPUID, .args = { 1 } };

	if (ioctl(vcpu->vm->fd, KVM_CHECK_EXTENSION, cap.cap) <= 0)
		return 0;
	return ioctl(vcpu->fd, KVM_ENABLE_CAP, &cap) < 0 ? -errno : 0;
}

int vmm_cpuid_set(struct vmm_vcpu *vcpu)
{
	struct vmm_vm *vm = vcpu->vm;
	bool tsc_deadline = ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0;
	struct kvm_cpuid2 *cpuid = allocate();
	int err = -ENOMEM;

	if (!cpuid)
		goto out;
	err = ioctl(vm->kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid) < 0 ? -errno : 0;
	if (err)
		goto out;
	drop_hypervisor_leaves(cpuid);
	err = complete_topology(cpuid);
	if (!err)
		err = append_hyperv(vcpu, cpuid);
	if (err)
		goto out;
	for (unsigned i = 0; i < cpuid->nent; i++) {
		adapt_entry(&cpuid->entries[i], vcpu->index, vm->config->cpus, tsc_deadline);
		if (vm->pae_marked)
			vmm_pae_hide_features(&cpuid->entries[i]);
	}
	err = ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid) < 0 ? -errno : 0;
out:
	if (!err)
		err = enforce(vcpu);
	if (err)
		vmm_log(HVH_LOG_ERROR, "KVM: CPUID of processor %u: %s", vcpu->index,
			strerror(-err));
	free(cpuid);
	return err;
}

unsigned vmm_cpuid_address_bits(int kvm_fd)
{
	struct kvm_cpuid2 *cpuid = allocate();
	unsigned bits = 36; /* what every 64-bit processor has at least */

	if (cpuid && ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid) == 0)
		for (unsigned i = 0; i < cpuid->nent; i++)
			if (cpuid->entries[i].function == 0x80000008)
				bits = cpuid->entries[i].eax & 0xff;
	free(cpuid);
	return bits < 52 ? bits : 52;
}
