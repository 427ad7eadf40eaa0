/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the host announces, that it keeps its word, and that it keeps to it.
 */
#include "check.h"
#include "hv.h"

#define LEAF1_ECX_HYPERVISOR (1u << 31)

/* All that hvhost may announce: what is not in here has no emulation. */
#define ACCESS_KNOWN                                                                               \
	(HVP_ACCESS_VP_RUNTIME | HVP_ACCESS_REF_COUNTER | HVP_ACCESS_SYNIC | HVP_ACCESS_STIMER |   \
	 HVP_ACCESS_APIC | HVP_ACCESS_HYPERCALL | HVP_ACCESS_VP_INDEX | HVP_ACCESS_RESET |         \
	 HVP_ACCESS_REF_TSC | HVP_ACCESS_FREQUENCY | HVP_ACCESS_REENLIGHTENMENT |                  \
	 HVP_ACCESS_TSC_INVARIANT)
#define PRIVILEGES_KNOWN (HVP_PRIV_POST_MESSAGES | HVP_PRIV_SIGNAL_EVENTS)
#define FEATURES_KNOWN                                                                             \
	(HVP_FEATURE_XMM_INPUT | HVP_FEATURE_FREQUENCY | HVP_FEATURE_CRASH_MSR |                   \
	 HVP_FEATURE_STIMER_DIRECT)
#define HINTS_KNOWN                                                                                \
	(HVP_HINT_REMOTE_TLB_FLUSH | HVP_HINT_APIC_MSR | HVP_HINT_RESET_MSR |                      \
	 HVP_HINT_RELAXED_TIMING | HVP_HINT_NO_AUTO_EOI | HVP_HINT_CLUSTER_IPI |                   \
	 HVP_HINT_EX_MASKS)

struct leaf {
	uint32_t eax, ebx, ecx, edx;
};

static struct leaf leaf(uint32_t number)
{
	uint32_t r[4];

	hvg_arch_cpuid(number, r);
	return (struct leaf){ r[0], r[1], r[2], r[3] };
}

static void same_on_this_cpu(void *arg)
{
	uint32_t *differ = arg;
	static struct leaf first[6];
	struct cpu *cpu = cpu_this();

	for (uint32_t i = 0; i < 6; i++) {
		struct leaf r = leaf(HVP_CPUID_VENDOR + i);

		if (!cpu->index)
			first[i] = r;
		else if (__builtin_memcmp(&first[i], &r, sizeof(r)))
			__atomic_fetch_add(differ, 1, __ATOMIC_RELAXED);
	}
}

void check_cpuid(void)
{
	struct leaf vendor = leaf(HVP_CPUID_VENDOR);
	struct leaf features = leaf(HVP_CPUID_FEATURES), hints = leaf(HVP_CPUID_HINTS);
	struct leaf limits = leaf(HVP_CPUID_LIMITS);
	uint32_t differ = 0;

	bm_printf("# leaf 3: %x %x %x %x, leaf 4: %x %x %x %x\n", features.eax, features.ebx,
		  features.ecx, features.edx, hints.eax, hints.ebx, hints.ecx, hints.edx);
	tap_ok(leaf(1).ecx & LEAF1_ECX_HYPERVISOR, "CPUID: a hypervisor is present");
	tap_ok(vendor.ebx == HVP_VENDOR_EBX && vendor.ecx == HVP_VENDOR_ECX &&
		       vendor.edx == HVP_VENDOR_EDX,
	       "CPUID: it is Microsoft Hv");
	tap_ok(vendor.eax >= HVP_CPUID_LIMITS && vendor.eax <= 0x4000ffff,
	       "CPUID: the leaves are there, and end where Linux expects it");
	tap_eq(leaf(HVP_CPUID_INTERFACE).eax, HVP_INTERFACE_HV1, "CPUID: interface Hv#1");
	tap_eq(features.eax & ~ACCESS_KNOWN, 0, "CPUID: no MSRs without emulation");
	tap_eq(features.ebx & ~PRIVILEGES_KNOWN, 0, "CPUID: no hypercalls without emulation");
	tap_eq(features.edx & ~FEATURES_KNOWN, 0, "CPUID: no features without emulation");
	tap_eq(hints.eax & ~HINTS_KNOWN, 0, "CPUID: no hints without emulation");
	tap_ok(features.eax & HVP_ACCESS_HYPERCALL && features.eax & HVP_ACCESS_VP_INDEX &&
		       features.eax & HVP_ACCESS_SYNIC,
	       "CPUID: what a VMBus driver needs");
	tap_eq(features.ebx, PRIVILEGES_KNOWN, "CPUID: messages may be posted, events signalled");
	tap_ok(!!(features.eax & HVP_ACCESS_FREQUENCY) == !!(features.edx & HVP_FEATURE_FREQUENCY),
	       "CPUID: both frequency bits or none");
	tap_ok(hints.eax & HVP_HINT_NO_AUTO_EOI, "CPUID: AutoEOI is discouraged");
	tap_eq(hints.ebx, HVP_SPIN_NEVER_NOTIFY, "CPUID: long spin waits are not reported");
	tap_ok(limits.eax >= hvos_cpu_count(), "CPUID: the limit of processors holds all of them");
	cpu_run(0, same_on_this_cpu, &differ);
	cpu_run_all(same_on_this_cpu, &differ);
	tap_eq(differ, 0, "CPUID: the same on all processors");
}

/* --- MSRs ----------------------------------------------------------------------------------------- */

struct msr {
	uint32_t number;
	uint32_t access; /* its bit in leaf 3 EAX; 0: its own test */
	const char *name;
};

/* clang-format off */
static const struct msr readable[] = {
	{ HVP_MSR_VP_RUNTIME, HVP_ACCESS_VP_RUNTIME, "VP_RUNTIME" },
	{ HVP_MSR_TIME_REF_COUNT, HVP_ACCESS_REF_COUNTER, "TIME_REF_COUNT" },
	{ HVP_MSR_SCONTROL, HVP_ACCESS_SYNIC, "SCONTROL" },
	{ HVP_MSR_SVERSION, HVP_ACCESS_SYNIC, "SVERSION" },
	{ HVP_MSR_SINT0 + 15, HVP_ACCESS_SYNIC, "SINT15" },
	{ HVP_MSR_STIMER0_CONFIG + 6, HVP_ACCESS_STIMER, "STIMER3_CONFIG" },
	{ HVP_MSR_TPR, HVP_ACCESS_APIC, "TPR" },
	{ HVP_MSR_VP_ASSIST_PAGE, HVP_ACCESS_APIC, "VP_ASSIST_PAGE" },
	{ HVP_MSR_GUEST_OS_ID, HVP_ACCESS_HYPERCALL, "GUEST_OS_ID" },
	{ HVP_MSR_HYPERCALL, HVP_ACCESS_HYPERCALL, "HYPERCALL" },
	{ HVP_MSR_VP_INDEX, HVP_ACCESS_VP_INDEX, "VP_INDEX" },
	{ HVP_MSR_RESET, HVP_ACCESS_RESET, "RESET" },
	{ HVP_MSR_STATS, HVP_ACCESS_STATS, "statistics" },
	{ HVP_MSR_REFERENCE_TSC, HVP_ACCESS_REF_TSC, "REFERENCE_TSC" },
	{ HVP_MSR_GUEST_IDLE, HVP_ACCESS_GUEST_IDLE, "GUEST_IDLE" },
	{ HVP_MSR_TSC_FREQUENCY, HVP_ACCESS_FREQUENCY, "TSC_FREQUENCY" },
	{ HVP_MSR_APIC_FREQUENCY, HVP_ACCESS_FREQUENCY, "APIC_FREQUENCY" },
	{ HVP_MSR_SYNDBG_CONTROL, HVP_ACCESS_DEBUG, "SYNDBG_CONTROL" },
	{ HVP_MSR_REENLIGHTENMENT_CONTROL, HVP_ACCESS_REENLIGHTENMENT, "REENLIGHTENMENT_CONTROL" },
	{ HVP_MSR_TSC_INVARIANT_CONTROL, HVP_ACCESS_TSC_INVARIANT, "TSC_INVARIANT_CONTROL" },
};

static const struct msr read_only[] = {
	{ HVP_MSR_VP_INDEX, HVP_ACCESS_VP_INDEX, "VP_INDEX" },
	{ HVP_MSR_VP_RUNTIME, HVP_ACCESS_VP_RUNTIME, "VP_RUNTIME" },
	{ HVP_MSR_TIME_REF_COUNT, HVP_ACCESS_REF_COUNTER, "TIME_REF_COUNT" },
	{ HVP_MSR_TSC_FREQUENCY, HVP_ACCESS_FREQUENCY, "TSC_FREQUENCY" },
	{ HVP_MSR_APIC_FREQUENCY, HVP_ACCESS_FREQUENCY, "APIC_FREQUENCY" },
	{ HVP_MSR_SVERSION, HVP_ACCESS_SYNIC, "SVERSION" },
};
/* clang-format on */

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static void check_access(void)
{
	uint32_t announced = hv_features.access;
	uint64_t value;

	for (unsigned i = 0; i < COUNT_OF(readable); i++) {
		const struct msr *m = &readable[i];
		bool reads = cpu_try_get(m->number, &value);

		if (announced & m->access)
			tap_ok(reads, "MSR %s is announced and can be read", m->name);
		else if (m->number != HVP_MSR_VP_ASSIST_PAGE)
			tap_ok(!reads, "MSR %s is not announced and faults", m->name);
		else /* Linux enables it whatever it is told: docs/protocol/enlightenments.md */
			tap_ok(reads, "MSR %s is not announced and accepted", m->name);
	}
	for (unsigned i = 0; i < COUNT_OF(read_only); i++)
		if (announced & read_only[i].access)
			tap_ok(!cpu_try_set(read_only[i].number, 1), "MSR %s cannot be written",
			       read_only[i].name);
	tap_ok(!cpu_try_get(0x40000004, &value) && !cpu_try_set(0x400000ff, 0) &&
		       !cpu_try_get(0x4fffffff, &value),
	       "MSRs that do not exist fault");
}

static void check_crash(void)
{
	uint64_t value = 0;

	if (!(hv_features.misc & HVP_FEATURE_CRASH_MSR)) {
		tap_ok(!cpu_try_get(HVP_MSR_CRASH_CTL, &value),
		       "crash MSRs are not announced and fault");
		return;
	}
	tap_ok(cpu_try_get(HVP_MSR_CRASH_CTL, &value) && value & HVP_CRASH_NOTIFY &&
		       !(value & ~(HVP_CRASH_NOTIFY | HVP_CRASH_MESSAGE)),
	       "CRASH_CTL: says what it can do");
	for (unsigned i = 0; i < HVP_CRASH_PARAMETERS; i++)
		hvg_arch_set(HVP_MSR_CRASH_P0 + i, 0x1111111111111111ull * (i + 1));
	for (unsigned i = 0; i < HVP_CRASH_PARAMETERS; i++)
		tap_eq(hvg_arch_get(HVP_MSR_CRASH_P0 + i), 0x1111111111111111ull * (i + 1),
		       "CRASH_P%u keeps what is written", i);
	for (unsigned i = 0; i < HVP_CRASH_PARAMETERS; i++)
		hvg_arch_set(HVP_MSR_CRASH_P0 + i, 0);
	tap_ok(cpu_try_set(HVP_MSR_CRASH_CTL, 0),
	       "CRASH_CTL without the notify bit reports nothing");
}

static void index_on_this_cpu(void *arg)
{
	uint64_t *seen = arg;
	uint64_t index = hvg_arch_get(HVP_MSR_VP_INDEX);

	if (index < 64)
		__atomic_fetch_or(seen, 1ull << index, __ATOMIC_RELAXED);
}

void check_msrs(void)
{
	uint64_t seen = 0;

	check_access();
	check_crash();
	cpu_run_all(index_on_this_cpu, &seen);
	tap_eq(seen, (1ull << hvos_cpu_count()) - 1,
	       "VP_INDEX: from 0 on, without a gap, each once");
}

/* --- the hypercall page --------------------------------------------------------------------------- */

void check_hypercall_page(void)
{
	uint8_t *at = mem_pages(1);
	uint64_t page = mem_gpa(at);

	tap_eq(hvg_arch_get(HVP_MSR_GUEST_OS_ID), 0, "GUEST_OS_ID: 0 at the start");
	tap_eq(hvg_arch_get(HVP_MSR_HYPERCALL), 0, "HYPERCALL: off at the start");
	hvg_arch_set(HVP_MSR_HYPERCALL, page | HVP_MSR_ENABLE);
	tap_eq(hvg_arch_get(HVP_MSR_HYPERCALL) & HVP_MSR_ENABLE, 0,
	       "HYPERCALL: cannot be enabled without GUEST_OS_ID");
	hvg_arch_set(HVP_MSR_GUEST_OS_ID, HV_OS_ID);
	tap_eq(hvg_arch_get(HVP_MSR_GUEST_OS_ID), HV_OS_ID, "GUEST_OS_ID: keeps what is written");
	hvg_arch_set(HVP_MSR_HYPERCALL, page | HVP_MSR_ENABLE);
	tap_eq(hvg_arch_get(HVP_MSR_HYPERCALL), page | HVP_MSR_ENABLE, "HYPERCALL: enabled");
	tap_ok(at[0] && at[1], "HYPERCALL: there is code in the page");
	hvg_arch_set(HVP_MSR_GUEST_OS_ID, 0);
	tap_eq(hvg_arch_get(HVP_MSR_HYPERCALL) & HVP_MSR_ENABLE, 0,
	       "HYPERCALL: GUEST_OS_ID 0 disables it");
	tap_ok(!cpu_try_set(HVP_MSR_HYPERCALL, ~0xfffull | HVP_MSR_ENABLE) ||
		       !(hvg_arch_get(HVP_MSR_HYPERCALL) & HVP_MSR_ENABLE),
	       "HYPERCALL: cannot be enabled where there is no RAM");
	hvg_arch_set(HVP_MSR_HYPERCALL, 0);
}
