/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A guest that speaks to the host with no driver core in between, because the core refuses to misbehave
 * and takes what the checks want to see. The machine below is port/baremetal's (bm.h, hvos.h).
 *
 * It prints TAP. The command line says what it runs; see main.c.
 */
#ifndef TESTS_GUESTS_RAW_RAW_H
#define TESTS_GUESTS_RAW_RAW_H

#include "hvw_shared.h"
#include "port/baremetal/bm.h"

/* --- tap.c ---------------------------------------------------------------------------------------- */

/* A result; false if it failed. */
bool tap_ok(bool good, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A result; prints both values if they differ. */
bool tap_eq(uint64_t seen, uint64_t expected, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * As tap_ok, but a failure is known and has a reason, which is a section of docs/protocol/kvm.md: KVM
 * does not follow the specification there.
 */
void tap_known(bool good, const char *reason, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The plan. */
void tap_end(void);

/* A line that says why, then power off. Any processor. */
void tap_bail_out(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* --- memory --------------------------------------------------------------------------------------- */

/* Zeroed pages, one behind the other, never given back. Ends the guest when there are none left. */
void *mem_pages(unsigned count);

/* Memory is mapped one to one. */
static inline uint64_t mem_gpa(const void *at)
{
	return (uint64_t)(uintptr_t)at;
}

static inline void *mem_at(uint64_t gpa)
{
	return (void *)(uintptr_t)gpa;
}

/* --- time and chance ------------------------------------------------------------------------------ */

#define TICKS_PER_MS 10000ull

/* The hypervisor's reference counter: 100 ns. */
static inline uint64_t time_now(void)
{
	return hvg_arch_get(HVP_MSR_TIME_REF_COUNT);
}

/* Waits until the condition holds, at most so many ticks; false if it never did. */
#define TIME_UNTIL(condition, ticks)                                                               \
	({                                                                                         \
		uint64_t time_end = time_now() + (ticks);                                          \
		bool time_done;                                                                    \
		while (!(time_done = (condition)) && time_now() < time_end)                        \
			bm_pause();                                                                \
		time_done || (condition);                                                          \
	})

static inline void time_wait(uint64_t ticks)
{
	(void)TIME_UNTIL(false, ticks);
}

/* Next number of a sequence (xorshift64*) of its own; `state` is not 0. */
uint64_t chance_next(uint64_t *state);

/* --- cpu.c: exceptions that a test expects, interrupts that are counted, work on all processors ------ */

/* Vectors, beside the port's: of the SINTs under test, of timers in direct mode, of IPIs. */
#define VECTOR_SINT  0x50
#define VECTOR_TIMER 0x60
#define VECTOR_IPI   0x70

struct cpu {
	unsigned index; /* the port's number for it */
	uint32_t vp_index;
	void *input; /* a page for hypercall input */
	struct hvp_synic_message_page *messages; /* while its SynIC is on */
	struct hvp_synic_event_page *events;
	uint32_t interrupts[256]; /* of each vector; read with cpu_interrupts() */
	bool no_eoi[256]; /* the interrupt is left in service */
};

extern struct cpu cpus[BM_CPUS_MAX];

/* All processors run. Their interrupts are counted, and ended; an unexpected exception ends the guest. */
void cpu_init(void);

static inline struct cpu *cpu_this(void)
{
	return &cpus[bm_cpu_current()];
}

static inline uint32_t cpu_interrupts(const struct cpu *cpu, unsigned vector)
{
	return __atomic_load_n(&cpu->interrupts[vector], __ATOMIC_ACQUIRE);
}

/* True: an interrupt with that vector is in service on this processor. */
bool cpu_in_service(unsigned vector);

/* False: it faulted. */
bool cpu_try_get(uint32_t msr, uint64_t *value);
bool cpu_try_set(uint32_t msr, uint64_t value);

/* From the boot processor: run a function on a processor, also on this one, and wait for its end. */
void cpu_run(unsigned cpu, hvos_fn work, void *arg);

/* On all processors at once. */
void cpu_run_all(hvos_fn work, void *arg);

/* --- what the guest can be asked for -------------------------------------------------------------- */

void checks_run(void);
void hostile_run(void);

/* Does not return. */
void orders_run(void);

/* For both: a character from the other side of the serial port. */
char orders_read(void);

#endif
