/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The guest's hypervisor layer by itself: what it leaves in the registers, and what arrives in its pages.
 */
#include <hvh/hvh_mem.h>

#include "fuzz/fake_host.h"
#include "guest/hv/hv_priv.h"
#include "port/sim/sim.h"
#include "tap.h"

#define RAM   (256u << 10)
#define OS_ID 0x8100000000000000ull

struct bed {
	struct fake_host fake;
	struct hvg_hv hv;
	unsigned events[HVP_EVENT_FLAG_COUNT];
	unsigned messages;
	size_t last_len;
	unsigned clock_reads;
	bool clock_spoils_each; /* the page changes with each reading of the clock, not only the first */
};

static void on_event(void *ctx, uint32_t flag)
{
	struct bed *b = ctx;

	b->events[flag]++;
}

static bool on_message(void *ctx, const void *payload, size_t len)
{
	struct bed *b = ctx;

	(void)payload;
	b->messages++;
	b->last_len = len;
	return true;
}

static const struct hvg_hv_ops ops = { on_event, on_message };

static void begin(struct bed *b, const char *fail_service)
{
	struct sim_config config = { .cpus = 2, .steady = true, .fail_service = fail_service };

	memset(b, 0, sizeof(*b));
	fake_init(&b->fake, 2, RAM);
	soft_configure(&b->fake.soft, &config);
	sim_start(&config);
}

static void end(struct bed *b)
{
	hvg_hv_stop(&b->hv);
	sim_stop();
	fake_fini(&b->fake);
}

static bool up(struct bed *b)
{
	return TAP_EQ(hvg_hv_start(&b->hv, OS_ID, &ops, b), 0);
}

static void write_page(struct bed *b, uint64_t reg, size_t offset, const void *bytes, size_t len)
{
	TAP_EQ(hvh_mem_write(b->fake.mem, (reg & ~(uint64_t)(HVP_PAGE_SIZE - 1)) + offset, bytes,
			     len),
	       0);
}

TAP_TEST(registers_are_set_and_reset)
{
	struct soft_hypervisor *soft;
	struct bed b;

	begin(&b, NULL);
	soft = &b.fake.soft;
	/* As firmware may have left it. */
	soft->cpu[0].sint[HVP_VMBUS_SINT] = 0x31 | HVP_SINT_AUTO_EOI | HVP_SINT_MASKED;
	if (up(&b)) {
		TAP_EQ(soft->os_id, OS_ID);
		TAP_EQ(soft_mapped(soft), 4);
		for (unsigned cpu = 0; cpu < 2; cpu++) {
			TAP_EQ(soft->cpu[cpu].sint[HVP_VMBUS_SINT] &
				       (HVP_SINT_VECTOR_MASK | HVP_SINT_AUTO_EOI | HVP_SINT_MASKED),
			       b.hv.vector);
			TAP_CHECK(soft->cpu[cpu].scontrol & HVP_MSR_ENABLE);
		}
		TAP_CHECK(soft->reference_tsc & HVP_MSR_ENABLE);
		hvg_hv_stop(&b.hv);
		TAP_EQ(soft->os_id, 0);
		TAP_EQ(soft->hypercall & HVP_MSR_ENABLE, 0);
		TAP_EQ(soft->reference_tsc & HVP_MSR_ENABLE, 0);
		TAP_EQ(soft_mapped(soft), 0);
		for (unsigned cpu = 0; cpu < 2; cpu++) {
			TAP_CHECK(soft->cpu[cpu].sint[HVP_VMBUS_SINT] & HVP_SINT_MASKED);
			TAP_EQ(soft->cpu[cpu].scontrol & HVP_MSR_ENABLE, 0);
		}
	}
	end(&b);
}

TAP_TEST(an_event_that_has_not_interrupted_yet_is_taken_when_its_processor_leaves)
{
	struct bed b;

	begin(&b, NULL);
	if (up(&b)) {
		TAP_CHECK(hvh_synic_signal(b.fake.soft.cpu[1].synic, HVP_VMBUS_SINT, 45));
		hvg_hv_cpu_stop(&b.hv, 1);
		TAP_EQ(b.events[45], 1);
		TAP_CHECK(!hvg_hv_cpu_ready(&b.hv, 1));
	}
	end(&b);
}

TAP_TEST(messages_longer_than_their_slot_or_of_unknown_kind_are_dropped_and_counted)
{
	static const struct {
		uint32_t type;
		uint8_t len;
		bool good;
	} cases[] = {
		{ HVP_MESSAGE_VMBUS, HVP_MESSAGE_PAYLOAD_MAX, true },
		{ HVP_MESSAGE_VMBUS, 0, true },
		{ HVP_MESSAGE_VMBUS, HVP_MESSAGE_PAYLOAD_MAX + 1, false },
		{ HVP_MESSAGE_VMBUS, UINT8_MAX, false },
		{ HVP_MESSAGE_TIMER_EXPIRED, 24, false },
		{ UINT32_MAX, 24, false },
	};
	unsigned good = 0, bad = 0;
	struct bed b;

	begin(&b, NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]) && (i || up(&b)); i++) {
		struct hvp_synic_message message = { .type = cases[i].type, .size = cases[i].len };
		uint64_t simp = b.fake.soft.cpu[0].simp;

		write_page(&b, simp, HVP_VMBUS_SINT * sizeof(message), &message, sizeof(message));
		sim_interrupt(0);
		sim_run();
		good += cases[i].good;
		bad += !cases[i].good;
		TAP_EQ(b.messages, good);
		TAP_EQ(b.hv.bad_messages, bad);
		if (cases[i].good)
			TAP_EQ(b.last_len, cases[i].len);
		/* In any case the slot is free again. */
		TAP_EQ(hvh_mem_read(b.fake.mem,
				    (simp & ~(uint64_t)(HVP_PAGE_SIZE - 1)) +
					    HVP_VMBUS_SINT * sizeof(message),
				    &message, sizeof(message)),
		       0);
		TAP_EQ(message.type, HVP_MESSAGE_NONE);
	}
	end(&b);
}

TAP_TEST(pages_that_the_host_keeps_are_lost_and_counted)
{
	struct bed b;

	begin(&b, "hvos_shared_free");
	if (up(&b)) {
		hvg_hv_stop(&b.hv);
		/* Two of each processor's, two for messages to the host, the clock's. */
		TAP_EQ(b.hv.lost_pages, 7);
		TAP_EQ(sim_stats()->lost_pages, 7);
	}
	end(&b);
}

/* --- the clock's page ----------------------------------------------------------------------------- */

#define JUMP 1000000000u

/* The host changes the page while the guest is between its fields and the second look at the sequence. */
static struct bed *spoilt;

static uint64_t spoiling_clock(void *soft)
{
	struct bed *b = spoilt;
	struct hvp_reference_tsc_page page = { .scale = UINT64_MAX / 100 + 1 };

	(void)soft;
	if (!b->clock_reads++ || b->clock_spoils_each) {
		page.sequence = 1 + b->clock_reads;
		page.offset = (int64_t)(soft_reference() - sim_now_ns() / 100 + JUMP);
		write_page(b, b->fake.soft.reference_tsc, 0, &page, sizeof(page));
	}
	return sim_now_ns();
}

static void read_spoilt_clock(bool each)
{
	uint64_t time, expected;
	struct bed b;

	begin(&b, NULL);
	if (up(&b)) {
		b.fake.soft.table.clock = spoiling_clock;
		spoilt = &b;
		b.clock_spoils_each = each;
		hvos_sleep_ms(1000);
		time = hvg_hv_reference(&b.hv);
		/* Where the page never rests, the register tells, which knows nothing of jumps. */
		expected = soft_reference() + (each ? 0 : JUMP);
		TAP_CHECK(time <= expected && expected - time < 100);
		TAP_CHECK(each ? b.clock_reads < 1000 : b.clock_reads == 2);
	}
	end(&b);
}

TAP_TEST(a_clock_page_that_changes_while_it_is_read_is_read_again)
{
	read_spoilt_clock(false);
}

TAP_TEST(a_clock_page_that_never_rests_is_left_for_the_register)
{
	read_spoilt_clock(true);
}

TAP_MAIN()
