/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/enlighten.h"

#include "tap.h"

#define ALL_FEATURES_EAX 0x8aff /* bits 0-7, 9, 11, 15 */
#define ALL_FEATURES_EDX 0x80510 /* bits 4, 8, 10, 19 */
#define ALL_HINTS_EAX	 0xe2c /* bits 2, 3, 5, 9, 10, 11 */

/* A leaf of which KVM offers everything. */
static struct kvm_cpuid_entry2 leaf(uint32_t function, unsigned off)
{
	struct kvm_cpuid_entry2 e = {
		.function = function, .eax = ~0u, .ebx = ~0u, .ecx = ~0u, .edx = ~0u
	};

	vmm_enlighten_leaf(off, &e);
	return e;
}

/* The bits that are cleared by each switch, by their numbers in the specification (hypervisor.md 1.3 to 1.6). */
static const struct {
	const char *name;
	unsigned off;
	uint32_t features_eax, features_edx, hints_eax;
} switches[] = {
	{ "reference-counter", VMM_ENLIGHTENMENT_REFERENCE_COUNTER, 1 << 1 | 1 << 9 | 1 << 3,
	  1 << 19, 0 },
	{ "reference-tsc", VMM_ENLIGHTENMENT_REFERENCE_TSC, 1 << 9, 0, 0 },
	{ "stimer", VMM_ENLIGHTENMENT_STIMER, 1 << 3, 1 << 19, 0 },
	{ "stimer-direct", VMM_ENLIGHTENMENT_STIMER_DIRECT, 0, 1 << 19, 0 },
	{ "vp-index", VMM_ENLIGHTENMENT_VP_INDEX, 1 << 6, 0, 1 << 2 | 1 << 10 | 1 << 11 },
	{ "vp-runtime", VMM_ENLIGHTENMENT_VP_RUNTIME, 1 << 0, 0, 0 },
	{ "apic-msrs", VMM_ENLIGHTENMENT_APIC_MSRS, 1 << 4, 0, 1 << 3 },
	{ "frequencies", VMM_ENLIGHTENMENT_FREQUENCIES, 1 << 11, 1 << 8, 0 },
	{ "tsc-invariant", VMM_ENLIGHTENMENT_TSC_INVARIANT, 1 << 15, 0, 0 },
	{ "tlb-flush", VMM_ENLIGHTENMENT_TLB_FLUSH, 0, 0, 1 << 2 },
	{ "ipi", VMM_ENLIGHTENMENT_IPI, 0, 0, 1 << 10 },
	{ "xmm-input", VMM_ENLIGHTENMENT_XMM_INPUT, 0, 1 << 4, 0 },
	{ "relaxed-timing", VMM_ENLIGHTENMENT_RELAXED_TIMING, 0, 0, 1 << 5 },
	{ "reset", VMM_ENLIGHTENMENT_RESET, 1 << 7, 0, 0 },
	{ "crash", VMM_ENLIGHTENMENT_CRASH, 0, 1 << 10, 0 },
};

TAP_TEST(everything_is_on_unless_told)
{
	struct kvm_cpuid_entry2 features = leaf(HVP_CPUID_FEATURES, 0),
				hints = leaf(HVP_CPUID_HINTS, 0);

	TAP_EQ(features.eax, ALL_FEATURES_EAX);
	TAP_EQ(features.ebx, 1 << 4 | 1 << 5);
	TAP_EQ(features.ecx, 0);
	TAP_EQ(features.edx, ALL_FEATURES_EDX);
	TAP_EQ(hints.eax, ALL_HINTS_EAX);
	TAP_EQ(hints.ebx, 0xffffffff);
	TAP_EQ(hints.ecx | hints.edx, 0);
}

TAP_TEST(each_switch_clears_its_bits_and_no_others)
{
	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++) {
		struct kvm_cpuid_entry2 features = leaf(HVP_CPUID_FEATURES, switches[i].off),
					hints = leaf(HVP_CPUID_HINTS, switches[i].off);

		printf("# %s\n", switches[i].name);
		TAP_EQ(features.eax, ALL_FEATURES_EAX & ~switches[i].features_eax);
		TAP_EQ(features.edx, ALL_FEATURES_EDX & ~switches[i].features_edx);
		TAP_EQ(hints.eax, ALL_HINTS_EAX & ~switches[i].hints_eax);
		TAP_EQ(features.ebx, 1 << 4 | 1 << 5);
	}
}

TAP_TEST(each_switch_of_the_list_is_tested)
{
	unsigned listed = 0, tested = 0;

#define ADD(bit, id, name) listed |= VMM_ENLIGHTENMENT_##id;
	VMM_ENLIGHTENMENT_LIST(ADD)
#undef ADD
	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++)
		tested |= switches[i].off;
	TAP_EQ(listed, tested);
}

TAP_TEST(with_all_off_vmbus_is_left)
{
	TAP_EQ(leaf(HVP_CPUID_FEATURES, ~0u).eax, 1 << 2 | 1 << 5);
	TAP_EQ(leaf(HVP_CPUID_FEATURES, ~0u).ebx, 1 << 4 | 1 << 5);
	TAP_EQ(leaf(HVP_CPUID_FEATURES, ~0u).edx, 0);
	TAP_EQ(leaf(HVP_CPUID_HINTS, ~0u).eax, 1 << 9);
}

TAP_TEST(wide_masks_go_with_the_last_call_that_has_them)
{
	TAP_EQ(leaf(HVP_CPUID_HINTS, VMM_ENLIGHTENMENT_TLB_FLUSH | VMM_ENLIGHTENMENT_IPI).eax,
	       ALL_HINTS_EAX & ~(1 << 2 | 1 << 10 | 1 << 11));
}

TAP_TEST(what_kvm_does_not_offer_is_not_announced)
{
	struct kvm_cpuid_entry2 features = { .function = HVP_CPUID_FEATURES,
					     .eax = 1 << 2 | 1 << 10 },
				hints = { .function = HVP_CPUID_HINTS, .eax = 1 << 14 };

	vmm_enlighten_leaf(0, &features);
	vmm_enlighten_leaf(0, &hints);
	TAP_EQ(features.eax, 1 << 2);
	TAP_EQ(features.edx, 0);
	TAP_EQ(hints.eax, 1 << 9);
}

TAP_TEST(vendor_and_limits)
{
	struct kvm_cpuid_entry2 vendor = leaf(HVP_CPUID_VENDOR, 0),
				limits = leaf(HVP_CPUID_LIMITS, 0);

	TAP_EQ(vendor.eax, 0x40000005);
	TAP_MEM_EQ(&vendor.ebx, "Microsoft Hv", 12);
	TAP_EQ(limits.eax, VMM_CPUS_MAX);
	TAP_EQ(limits.ebx, VMM_CPUS_MAX);
	TAP_EQ(limits.ecx | limits.edx, 0);
}

TAP_TEST(user_is_warned_of_what_linux_needs)
{
	TAP_CHECK(!vmm_enlighten_warning(0));
	TAP_CHECK(!vmm_enlighten_warning(VMM_ENLIGHTENMENT_STIMER));
	TAP_CHECK(strstr(vmm_enlighten_warning(VMM_ENLIGHTENMENT_VP_INDEX), "vp-index"));
	TAP_CHECK(strstr(vmm_enlighten_warning(VMM_ENLIGHTENMENT_REFERENCE_COUNTER), "timesync"));
}

TAP_MAIN()
