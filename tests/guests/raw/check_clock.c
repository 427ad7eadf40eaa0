/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The reference counter, the TSC page, frequencies and the local APIC, against each other and against
 * the ACPI timer.
 */
#include "check.h"
#include "hv.h"

#define MONOTONIC_ROUNDS 2000
#define MEASURE_TICKS	 (500 * TICKS_PER_MS)
#define SAMPLE_TRIES	 50

#define APIC_TPR      0x80
#define APIC_MASKED   (1u << 16)
#define APIC_DIVIDE_1 0xb

/* --- monotonic ------------------------------------------------------------------------------------ */

/* Each processor takes the greatest value that any has published, then reads its own: never less. */
struct race {
	uint64_t (*read)(void);
	uint64_t greatest;
	uint64_t back; /* how far it went back at most */
};

static uint64_t read_counter(void)
{
	return hvg_arch_get(HVP_MSR_TIME_REF_COUNT);
}

static void race_on_this_cpu(void *arg)
{
	struct race *race = arg;

	for (unsigned i = 0; i < MONOTONIC_ROUNDS; i++) {
		uint64_t before = __atomic_load_n(&race->greatest, __ATOMIC_SEQ_CST);
		uint64_t now = race->read();
		uint64_t back = __atomic_load_n(&race->back, __ATOMIC_RELAXED);

		while (now < before && before - now > back &&
		       !__atomic_compare_exchange_n(&race->back, &back, before - now, false,
						    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			;
		while (now > before &&
		       !__atomic_compare_exchange_n(&race->greatest, &before, now, false,
						    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			;
	}
}

/* --- rates ---------------------------------------------------------------------------------------- */

/* All clocks at one moment, which lies within so many ticks of the reference counter's. */
struct sample {
	uint64_t ticks, within, tsc;
	uint32_t pm, apic;
};

/* The machine may be slow and shared, and this processor be stopped anywhere: the quickest of many tries. */
static struct sample take_sample(void)
{
	struct sample best = { .within = UINT64_MAX };

	for (unsigned i = 0; i < SAMPLE_TRIES; i++) {
		struct sample s = { .ticks = time_now() };

		s.apic = bm_apic_read(APIC_NOW);
		s.tsc = hvg_arch_clock();
		s.pm = bm_in32(bm_firmware.pm_timer);
		s.within = time_now() - s.ticks;
		if (s.within < best.within)
			best = s;
	}
	return best;
}

/* What a clock counted is what its frequency says, but for a thousandth and the samples' uncertainty. */
static void same_rate(uint64_t counted, uint64_t hz, const struct sample *first,
		      const struct sample *last, const char *title)
{
	const uint64_t per_second = HVP_TICKS_PER_SECOND / 1000;
	uint64_t expected = (last->ticks - first->ticks) * (hz / 1000) / per_second;
	uint64_t allowed =
		expected / 1000 + (first->within + last->within) * (hz / 1000) / per_second;
	uint64_t apart = counted > expected ? counted - expected : expected - counted;

	if (!tap_ok(apart <= allowed, "%s", title))
		bm_printf("# counted %lu, expected %lu, allowed %lu more or less\n", counted,
			  expected, allowed);
}

static void check_rates(uint32_t announced)
{
	uint32_t divide = bm_apic_read(APIC_DIVIDE), timer = bm_apic_read(APIC_TIMER),
		 count = bm_apic_read(APIC_COUNT);
	struct sample first, last;

	bm_apic_write(APIC_DIVIDE, APIC_DIVIDE_1);
	bm_apic_write(APIC_TIMER, APIC_MASKED); /* once */
	bm_apic_write(APIC_COUNT, 0xffffffff);
	first = take_sample();
	time_wait(MEASURE_TICKS);
	last = take_sample();
	bm_apic_write(APIC_DIVIDE, divide);
	bm_apic_write(APIC_TIMER, timer);
	bm_apic_write(APIC_COUNT, count);
	bm_printf("# clocks read within %lu and %lu ticks\n", first.within, last.within);
	same_rate(last.pm - first.pm, BM_PM_TIMER_HZ, &first, &last,
		  "reference counter: as fast as the ACPI timer");
	if (!(announced & HVP_ACCESS_FREQUENCY))
		return;
	same_rate(last.tsc - first.tsc, hvg_arch_get(HVP_MSR_TSC_FREQUENCY), &first, &last,
		  "TSC_FREQUENCY: what the TSC does by the reference counter");
	same_rate(first.apic - last.apic, hvg_arch_get(HVP_MSR_APIC_FREQUENCY), &first, &last,
		  "APIC_FREQUENCY: what the APIC timer does");
}

/* --- the TSC page --------------------------------------------------------------------------------- */

static struct hvp_reference_tsc_page *tsc_page;

static uint64_t read_page(void)
{
	volatile struct hvp_reference_tsc_page *page = tsc_page;
	uint64_t scale, tsc;
	uint32_t sequence;
	int64_t offset;

	do {
		sequence = page->sequence;
		if (!sequence)
			return time_now();
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		scale = page->scale;
		offset = page->offset;
		tsc = hvg_arch_clock();
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while (page->sequence != sequence);
	return (uint64_t)((unsigned __int128)tsc * scale >> 64) + (uint64_t)offset;
}

/* Between two readings of the counter, page's must lie between their values; ever so little apart. */
#define PAGE_APART_TICKS 20 /* 2 us: KVM computes both from different pairs of (TSC, time) */

static void page_on_this_cpu(void *arg)
{
	uint64_t *apart = arg;

	for (unsigned i = 0; i < MONOTONIC_ROUNDS; i++) {
		uint64_t before = time_now(), page = read_page(), after = time_now(), most;
		uint64_t outside = page < before ? before - page : page > after ? page - after : 0;

		most = __atomic_load_n(apart, __ATOMIC_RELAXED);
		while (outside > most &&
		       !__atomic_compare_exchange_n(apart, &most, outside, false, __ATOMIC_RELAXED,
						    __ATOMIC_RELAXED))
			;
	}
}

static void check_tsc_page(void)
{
	struct race race = { .read = read_page };
	uint64_t apart = 0, gpa;

	tsc_page = mem_pages(1);
	gpa = mem_gpa(tsc_page);
	tap_eq(hvg_arch_get(HVP_MSR_REFERENCE_TSC), 0, "REFERENCE_TSC: off at the start");
	hvg_arch_set(HVP_MSR_REFERENCE_TSC, gpa | HVP_MSR_ENABLE);
	tap_eq(hvg_arch_get(HVP_MSR_REFERENCE_TSC), gpa | HVP_MSR_ENABLE, "REFERENCE_TSC: enabled");
	if (TIME_UNTIL(*(volatile uint32_t *)&tsc_page->sequence, 100 * TICKS_PER_MS)) {
		tap_ok(tsc_page->scale, "TSC page: has a scale");
		cpu_run_all(page_on_this_cpu, &apart);
		if (!tap_ok(apart <= PAGE_APART_TICKS, "TSC page: the same time as the counter's"))
			bm_printf("# %lu ticks outside\n", apart);
		cpu_run_all(race_on_this_cpu, &race);
		tap_eq(race.back, 0, "TSC page: does not go back between processors");
	} else {
		/* Without a stable TSC KVM leaves the page invalid, which it may. */
		bm_printf("# the TSC page is invalid here: the host's TSC is not stable\n");
	}
	hvg_arch_set(HVP_MSR_REFERENCE_TSC, 0);
}

void check_clocks(void)
{
	uint32_t announced = hv_features.access;
	struct race race = { .read = read_counter };
	uint64_t first = time_now();

	tap_ok(first < 3600 * HVP_TICKS_PER_SECOND, "reference counter: began near 0");
	cpu_run_all(race_on_this_cpu, &race);
	tap_eq(race.back, 0, "reference counter: does not go back between processors");
	check_rates(announced);
	if (announced & HVP_ACCESS_REF_TSC)
		check_tsc_page();
}

/* --- APIC by MSRs --------------------------------------------------------------------------------- */

static void apic_on_this_cpu(void *arg)
{
	struct cpu *cpu = cpu_this();
	uint32_t before = cpu_interrupts(cpu, VECTOR_IPI);
	uint32_t *wrong = arg;
	bool good;

	hvg_arch_set(HVP_MSR_TPR, 0x20);
	good = (bm_apic_read(APIC_TPR) & 0xff) == 0x20 && hvg_arch_get(HVP_MSR_TPR) == 0x20;
	hvg_arch_set(HVP_MSR_TPR, 0);

	/* To itself, left in service by the handler, then ended by the MSR. */
	cpu->no_eoi[VECTOR_IPI] = true;
	hvg_arch_set(HVP_MSR_ICR, (uint64_t)bm_firmware.apic_ids[cpu->index] << 56 | VECTOR_IPI);
	good &= TIME_UNTIL(cpu_interrupts(cpu, VECTOR_IPI) == before + 1, 100 * TICKS_PER_MS);
	good &= cpu_in_service(VECTOR_IPI);
	hvg_arch_set(HVP_MSR_EOI, 0);
	good &= !cpu_in_service(VECTOR_IPI);
	cpu->no_eoi[VECTOR_IPI] = false;
	if (!good)
		__atomic_fetch_or(wrong, 1u << cpu->index, __ATOMIC_RELAXED);
}

void check_apic(void)
{
	uint32_t wrong = 0;

	if (!(hv_features.access & HVP_ACCESS_APIC))
		return;
	cpu_run_all(apic_on_this_cpu, &wrong);
	tap_eq(wrong, 0, "EOI, ICR and TPR by MSR do what the APIC's registers do");
}
