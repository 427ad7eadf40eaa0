/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A small guest without an operating system: words to the serial line, memory, time, power.
 *
 * It prints TAP. The kernel's command line says what it runs; see main.c.
 */
#ifndef TESTS_GUESTS_BARE_BARE_H
#define TESTS_GUESTS_BARE_BARE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- console.c ------------------------------------------------------------------------------------ */

/* %s %c %u %d %x %%, with l for 64 bits; whole calls do not mix with those of other processors. */
void con_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
void con_vprintf(const char *format, va_list args);

/* Wait for a line from the other side of the serial port. */
void con_wait_line(void);

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

/* --- machine.c ------------------------------------------------------------------------------------ */

/* From the PVH start info: command line, free memory, ACPI tables. */
void machine_init(uint32_t start_info_gpa);

/* True: the command line has the word, or "word=…", whose number goes to `value` unless NULL. */
bool machine_word(const char *word, uint64_t *value);

/* True: the command line has "word=text". */
bool machine_word_is(const char *word, const char *text);

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

/* Bytes of RAM from address 0 up to the first gap. */
uint64_t mem_end(void);

/* Calls `found` with the APIC id of each processor. */
void machine_each_cpu(void (*found)(uint32_t apic_id));

/* The ACPI timer: 3,579,545 Hz, 32 bits. */
#define PM_TIMER_HZ 3579545u
uint32_t machine_pm_timer(void);

_Noreturn void machine_power_off(void);

/* A line that says why, then power off. Any processor. */
_Noreturn void machine_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* --- time and chance ------------------------------------------------------------------------------ */

#define TICKS_PER_MS 10000ull

/* The hypervisor's reference counter: 100 ns. */
uint64_t time_now(void);
void time_wait(uint64_t ticks);

/* Waits until the condition holds, at most so many ticks; false if it never did. */
#define TIME_UNTIL(condition, ticks)                                                               \
	({                                                                                         \
		uint64_t time_end = time_now() + (ticks);                                          \
		bool time_done;                                                                    \
		while (!(time_done = (condition)) && time_now() < time_end)                        \
			cpu_pause();                                                               \
		time_done || (condition);                                                          \
	})

/* Next number of a sequence (xorshift64*) of its own; `state` is not 0. */
uint64_t chance_next(uint64_t *state);

/* --- what the guest can be asked for -------------------------------------------------------------- */

void checks_run(void);

#endif
