/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Synthetic timers, on all processors at once.
 */
#include "check.h"
#include "hv.h"

#define SINT	  4u /* clear of VMBus' */
#define WAIT	  (2000 * TICKS_PER_MS)
#define SOON	  (20 * TICKS_PER_MS)
#define PERIOD	  (10 * TICKS_PER_MS)
#define PERIODS	  5
#define CONFIG(n) (HVP_MSR_STIMER0_CONFIG + 2 * (n))
#define COUNT(n)  (HVP_MSR_STIMER0_COUNT + 2 * (n))
#define TO_SINT	  ((uint64_t)SINT << HVP_STIMER_SINT_SHIFT)

#define ITEMS(X)                                                                                   \
	X(RESET, "off at the start")                                                               \
	X(ONE_SHOT, "one-shot: one message with what was programmed, then off")                    \
	X(EARLY, "one-shot: never before its time by the reference counter")                       \
	X(PAST, "one-shot: a time that has passed fires at once")                                  \
	X(AUTO, "auto-enable: writing the count arms it")                                          \
	X(PERIODIC, "periodic: a message for each period, none early")                             \
	X(STOP, "count 0 stops it and clears the enable bit")                                      \
	X(BUSY, "a message for a busy slot comes after the EOM")                                   \
	X(DIRECT, "direct mode: one interrupt, not early, no message")                             \
	X(SINT0, "SINT 0 takes the enable bit off an armed timer")

enum item { ITEMS(CHECK_ITEM_ENUM) };

static struct check_item items[] = { ITEMS(CHECK_ITEM) };

static void note(enum item item, bool good)
{
	check_note(&items[item], good);
}

static bool slot_full(void)
{
	return *(volatile uint32_t *)&cpu_this()->messages->slot[SINT].type != HVP_MESSAGE_NONE;
}

/* The timer's next message. */
static bool take(unsigned timer, struct hvp_timer_message *payload)
{
	struct hvp_synic_message message;

	if (!TIME_UNTIL(slot_full(), WAIT) || !hv_synic_take(SINT, &message))
		return false;
	hvw_memcpy(payload, message.payload, sizeof(*payload));
	return message.type == HVP_MESSAGE_TIMER_EXPIRED && message.size == sizeof(*payload) &&
	       payload->timer == timer;
}

static bool quiet(void)
{
	return !TIME_UNTIL(slot_full(), SOON);
}

static bool armed(unsigned timer)
{
	return hvg_arch_get(CONFIG(timer)) & HVP_STIMER_ENABLE;
}

static void check_one_shot(void)
{
	struct cpu *cpu = cpu_this();
	uint32_t before = cpu_interrupts(cpu, VECTOR_SINT + SINT);
	uint64_t expiry = time_now() + SOON;
	struct hvp_timer_message m = { 0 };

	hvg_arch_set(COUNT(0), expiry);
	hvg_arch_set(CONFIG(0), HVP_STIMER_ENABLE | TO_SINT);
	note(ITEM_ONE_SHOT,
	     take(0, &m) && m.expiration == expiry && !armed(0) &&
		     TIME_UNTIL(cpu_interrupts(cpu, VECTOR_SINT + SINT) == before + 1, WAIT));
	note(ITEM_EARLY, time_now() >= expiry && m.delivery >= expiry);
	note(ITEM_ONE_SHOT, quiet());

	hvg_arch_set(COUNT(0), time_now() - SOON);
	hvg_arch_set(CONFIG(0), HVP_STIMER_ENABLE | TO_SINT);
	note(ITEM_PAST, take(0, &m) && !armed(0));

	expiry = time_now() + SOON;
	hvg_arch_set(CONFIG(0), HVP_STIMER_AUTO_ENABLE | TO_SINT);
	note(ITEM_AUTO, !armed(0));
	hvg_arch_set(COUNT(0), expiry);
	/* Unless this processor was stopped for so long that it is over. */
	note(ITEM_AUTO, armed(0) || time_now() >= expiry);
	note(ITEM_AUTO, take(0, &m) && m.expiration == expiry);
	note(ITEM_EARLY, time_now() >= expiry);
	hvg_arch_set(CONFIG(0), 0);
}

static void check_periodic(void)
{
	uint64_t start = time_now();
	struct hvp_timer_message m;

	hvg_arch_set(COUNT(1), PERIOD);
	hvg_arch_set(CONFIG(1), HVP_STIMER_ENABLE | HVP_STIMER_PERIODIC | TO_SINT);
	for (unsigned i = 1; i <= PERIODS; i++) {
		note(ITEM_PERIODIC, take(1, &m));
		note(ITEM_PERIODIC, time_now() >= start + i * PERIOD);
	}
	note(ITEM_STOP, armed(1));
	hvg_arch_set(COUNT(1), 0);
	note(ITEM_STOP, !armed(1));
	/* One may have come before the stop. */
	if (slot_full())
		(void)take(1, &m);
	note(ITEM_STOP, quiet());
	hvg_arch_set(CONFIG(1), 0);
}

/* Two timers, one slot: the second's message waits. */
static void check_busy(void)
{
	struct hvp_timer_message m;

	hvg_arch_set(COUNT(0), 1);
	hvg_arch_set(CONFIG(0), HVP_STIMER_ENABLE | TO_SINT);
	note(ITEM_BUSY, TIME_UNTIL(slot_full(), WAIT));
	hvg_arch_set(COUNT(2), 1);
	hvg_arch_set(CONFIG(2), HVP_STIMER_ENABLE | TO_SINT);
	time_wait(SOON);
	note(ITEM_BUSY, take(0, &m) && take(2, &m) && quiet());
}

static void check_direct(void)
{
	struct cpu *cpu = cpu_this();
	uint32_t before = cpu_interrupts(cpu, VECTOR_TIMER);
	uint64_t expiry = time_now() + SOON;

	if (!(hv_features.misc & HVP_FEATURE_STIMER_DIRECT))
		return;
	hvg_arch_set(COUNT(3), expiry);
	hvg_arch_set(CONFIG(3), HVP_STIMER_ENABLE | HVP_STIMER_DIRECT |
					(uint64_t)VECTOR_TIMER << HVP_STIMER_VECTOR_SHIFT);
	note(ITEM_DIRECT,
	     TIME_UNTIL(cpu_interrupts(cpu, VECTOR_TIMER) != before, WAIT) && time_now() >= expiry);
	note(ITEM_DIRECT, quiet() && cpu_interrupts(cpu, VECTOR_TIMER) == before + 1 && !armed(3));
}

static void check_sint0(void)
{
	hvg_arch_set(COUNT(0), time_now() + 3600 * HVP_TICKS_PER_SECOND);
	hvg_arch_set(CONFIG(0), HVP_STIMER_ENABLE | TO_SINT);
	note(ITEM_SINT0, armed(0));
	hvg_arch_set(CONFIG(0), HVP_STIMER_ENABLE);
	note(ITEM_SINT0, !armed(0));
	hvg_arch_set(COUNT(0), 0);
}

static void check_this_cpu(void *unused)
{
	(void)unused;
	for (unsigned i = 0; i < HVP_STIMER_COUNT; i++)
		note(ITEM_RESET, !hvg_arch_get(CONFIG(i)) && !hvg_arch_get(COUNT(i)));
	hv_synic_on(NULL);
	hvg_arch_set(HVP_MSR_SINT0 + SINT, VECTOR_SINT + SINT);
	check_one_shot();
	check_periodic();
	check_busy();
	check_direct();
	check_sint0();
	hvg_arch_set(HVP_MSR_SINT0 + SINT, HVP_SINT_MASKED);
	hv_synic_off(NULL);
}

void check_timers(void)
{
	if (!(hv_features.access & HVP_ACCESS_STIMER))
		return;
	cpu_run_all(check_this_cpu, NULL);
	check_report("timer", items, sizeof(items) / sizeof(items[0]));
}
