/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include <hvh/hvh_mem.h>
#include <hvh/hvh_state.h>
#include <hvh/hvh_synic.h>

#include "hvp_hv.h"
#include "tap.h"

#define PAGE	 HVP_PAGE_SIZE
#define MESSAGES (3 * (uint64_t)PAGE)
#define EVENTS	 (5 * (uint64_t)PAGE)
#define NO_RAM	 (100 * (uint64_t)PAGE)

struct bed {
	struct hvh_mem *mem;
	struct hvh_synic *synic;
};

static struct bed make(void)
{
	struct bed b;

	if (hvh_mem_create(&b.mem) || hvh_mem_add(b.mem, 0, 16 * PAGE) ||
	    hvh_synic_create(b.mem, &b.synic))
		abort();
	return b;
}

static struct bed make_on(void)
{
	struct bed b = make();

	TAP_EQ(hvh_synic_set(b.synic, HVP_MSR_ENABLE, EVENTS | HVP_MSR_ENABLE,
			     MESSAGES | HVP_MSR_ENABLE),
	       0);
	return b;
}

static void drop(struct bed *b)
{
	hvh_synic_destroy(b->synic);
	TAP_EQ(hvh_mem_held(b->mem), 0);
	hvh_mem_destroy(b->mem);
}

static struct hvp_synic_message slot(const struct bed *b, unsigned sint)
{
	struct hvp_synic_message message;

	if (hvh_mem_read(b->mem, MESSAGES + sint * sizeof(message), &message, sizeof(message)))
		abort();
	return message;
}

static void free_slot(const struct bed *b, unsigned sint)
{
	static const uint32_t none = HVP_MESSAGE_NONE;

	TAP_EQ(hvh_mem_write(b->mem, MESSAGES + sint * sizeof(struct hvp_synic_message), &none,
			     sizeof(none)),
	       0);
}

static uint32_t flag_word(const struct bed *b, unsigned sint, unsigned flag)
{
	uint32_t word;

	if (hvh_mem_read(b->mem, EVENTS + sint * (HVP_EVENT_FLAG_COUNT / 8) + flag / 32 * 4, &word,
			 sizeof(word)))
		abort();
	return word;
}

TAP_TEST(a_message_lands_in_the_slot_of_its_sint)
{
	struct bed b = make_on();
	struct hvp_synic_message got;

	TAP_EQ(hvh_synic_post(b.synic, 2, HVP_MESSAGE_VMBUS, "0123456789", 10), 0);
	got = slot(&b, 2);
	TAP_EQ(got.type, HVP_MESSAGE_VMBUS);
	TAP_EQ(got.size, 10);
	TAP_EQ(got.flags, 0);
	TAP_EQ(got.sender, 0);
	TAP_MEM_EQ(got.payload, "0123456789", 10);
	TAP_EQ(slot(&b, 1).type, HVP_MESSAGE_NONE);
	TAP_EQ(slot(&b, 3).type, HVP_MESSAGE_NONE);
	drop(&b);
}

TAP_TEST(a_busy_slot_is_left_alone_but_marked)
{
	struct bed b = make_on();

	TAP_EQ(hvh_synic_post(b.synic, 2, HVP_MESSAGE_VMBUS, "first", 5), 0);
	TAP_EQ(hvh_synic_post(b.synic, 2, HVP_MESSAGE_VMBUS, "other", 5), -EAGAIN);
	TAP_MEM_EQ(slot(&b, 2).payload, "first", 5);
	TAP_EQ(slot(&b, 2).flags, HVP_MESSAGE_FLAG_PENDING);
	free_slot(&b, 2);
	TAP_EQ(hvh_synic_post(b.synic, 2, HVP_MESSAGE_VMBUS, "other", 5), 0);
	TAP_MEM_EQ(slot(&b, 2).payload, "other", 5);
	TAP_EQ(slot(&b, 2).flags, 0);
	drop(&b);
}

TAP_TEST(impossible_posts_are_refused)
{
	struct bed b = make_on();
	uint8_t bytes[HVP_MESSAGE_PAYLOAD_MAX + 1] = { 0 };

	TAP_EQ(hvh_synic_post(b.synic, HVP_SINT_COUNT, 1, bytes, 8), -EINVAL);
	TAP_EQ(hvh_synic_post(b.synic, 2, 1, bytes, sizeof(bytes)), -EINVAL);
	TAP_EQ(hvh_synic_post(b.synic, HVP_SINT_COUNT - 1, 1, bytes, HVP_MESSAGE_PAYLOAD_MAX), 0);
	drop(&b);
}

TAP_TEST(nothing_is_posted_while_a_part_is_off)
{
	struct bed b = make();

	TAP_EQ(hvh_synic_post(b.synic, 2, 1, "x", 1), -ENOTCONN);
	TAP_EQ(hvh_synic_set(b.synic, HVP_MSR_ENABLE, 0, MESSAGES), 0);
	TAP_EQ(hvh_synic_post(b.synic, 2, 1, "x", 1), -ENOTCONN);
	TAP_EQ(hvh_synic_set(b.synic, 0, 0, MESSAGES | HVP_MSR_ENABLE), 0);
	TAP_EQ(hvh_synic_post(b.synic, 2, 1, "x", 1), -ENOTCONN);
	TAP_CHECK(!hvh_synic_signal(b.synic, 2, 1));
	TAP_EQ(hvh_synic_set(b.synic, HVP_MSR_ENABLE, 0, MESSAGES | HVP_MSR_ENABLE), 0);
	TAP_EQ(hvh_synic_post(b.synic, 2, 1, "x", 1), 0);
	TAP_CHECK(!hvh_synic_signal(b.synic, 2, 1));
	drop(&b);
}

TAP_TEST(event_flags_are_raised_once_until_cleared)
{
	struct bed b = make_on();
	static const uint32_t zero = 0;

	TAP_CHECK(hvh_synic_signal(b.synic, 2, 33));
	TAP_CHECK(!hvh_synic_signal(b.synic, 2, 33));
	TAP_CHECK(hvh_synic_signal(b.synic, 2, 32));
	TAP_EQ(flag_word(&b, 2, 33), 3);
	TAP_EQ(hvh_mem_write(b.mem, EVENTS + 2 * 256 + 4, &zero, 4), 0);
	TAP_CHECK(hvh_synic_signal(b.synic, 2, 33));
	TAP_CHECK(hvh_synic_signal(b.synic, HVP_SINT_COUNT - 1, HVP_EVENT_FLAG_COUNT - 1));
	TAP_EQ(flag_word(&b, HVP_SINT_COUNT - 1, HVP_EVENT_FLAG_COUNT - 1), 1u << 31);
	drop(&b);
}

TAP_TEST(impossible_flags_are_ignored)
{
	struct bed b = make_on();

	TAP_CHECK(!hvh_synic_signal(b.synic, HVP_SINT_COUNT, 1));
	TAP_CHECK(!hvh_synic_signal(b.synic, 2, HVP_EVENT_FLAG_COUNT));
	TAP_CHECK(!hvh_synic_signal(b.synic, 2, UINT32_MAX));
	drop(&b);
}

TAP_TEST(pages_are_zeroed_when_they_come_on_and_only_then)
{
	struct bed b = make();
	uint8_t junk[PAGE];

	memset(junk, 0x77, sizeof(junk));
	TAP_EQ(hvh_mem_write(b.mem, MESSAGES, junk, PAGE), 0);
	TAP_EQ(hvh_mem_write(b.mem, EVENTS, junk, PAGE), 0);
	TAP_EQ(hvh_synic_set(b.synic, HVP_MSR_ENABLE, EVENTS | HVP_MSR_ENABLE,
			     MESSAGES | HVP_MSR_ENABLE),
	       0);
	TAP_EQ(slot(&b, 2).type, HVP_MESSAGE_NONE);
	TAP_EQ(flag_word(&b, 2, 1), 0);
	TAP_EQ(hvh_synic_post(b.synic, 2, 1, "keep", 4), 0);
	/* SCONTROL off and on again, and a write of the same value. */
	TAP_EQ(hvh_synic_set(b.synic, 0, EVENTS | HVP_MSR_ENABLE, MESSAGES | HVP_MSR_ENABLE), 0);
	TAP_EQ(hvh_synic_set(b.synic, HVP_MSR_ENABLE, EVENTS | HVP_MSR_ENABLE,
			     MESSAGES | HVP_MSR_ENABLE),
	       0);
	TAP_EQ(slot(&b, 2).type, 1);
	drop(&b);
}

TAP_TEST(a_page_that_moves_leaves_the_old_one_alone)
{
	struct bed b = make_on();
	uint32_t type;

	TAP_EQ(hvh_synic_set(b.synic, HVP_MSR_ENABLE, (EVENTS + PAGE) | HVP_MSR_ENABLE,
			     (MESSAGES + PAGE) | HVP_MSR_ENABLE),
	       0);
	TAP_EQ(hvh_synic_post(b.synic, 0, 1, "x", 1), 0);
	TAP_CHECK(hvh_synic_signal(b.synic, 2, 1));
	TAP_EQ(slot(&b, 0).type, HVP_MESSAGE_NONE);
	TAP_EQ(flag_word(&b, 2, 1), 0);
	TAP_EQ(hvh_mem_read(b.mem, MESSAGES + PAGE, &type, 4), 0);
	TAP_EQ(type, 1);
	TAP_EQ(hvh_synic_set(b.synic, HVP_MSR_ENABLE, EVENTS, MESSAGES), 0);
	TAP_EQ(hvh_mem_held(b.mem), 0);
	drop(&b);
}

TAP_TEST(a_page_that_is_no_ram_is_not_used)
{
	struct bed b = make();

	TAP_EQ(hvh_synic_set(b.synic, HVP_MSR_ENABLE, NO_RAM | HVP_MSR_ENABLE,
			     MESSAGES | HVP_MSR_ENABLE),
	       -EFAULT);
	TAP_EQ(hvh_synic_post(b.synic, 2, 1, "x", 1), 0);
	TAP_CHECK(!hvh_synic_signal(b.synic, 2, 1));
	TAP_EQ(hvh_synic_set(b.synic, HVP_MSR_ENABLE, EVENTS | HVP_MSR_ENABLE, UINT64_MAX),
	       -EFAULT);
	TAP_EQ(hvh_synic_post(b.synic, 2, 1, "x", 1), -ENOTCONN);
	TAP_CHECK(hvh_synic_signal(b.synic, 2, 1));
	drop(&b);
}

static struct hvh_state_writer save(const struct hvh_synic *synic)
{
	struct hvh_state_writer w;

	hvh_state_writer_init(&w);
	hvh_synic_save(synic, &w);
	if (hvh_state_writer_finish(&w))
		abort();
	return w;
}

TAP_TEST(a_loaded_synic_goes_on_with_its_pages_as_they_are)
{
	struct bed b = make_on();
	struct hvh_state_writer w;
	struct hvh_state_reader r;

	TAP_EQ(hvh_synic_post(b.synic, 2, 1, "kept", 4), 0);
	TAP_CHECK(hvh_synic_signal(b.synic, 2, 1));
	w = save(b.synic);
	hvh_synic_destroy(b.synic);
	TAP_REQUIRE(hvh_synic_create(b.mem, &b.synic) == 0);
	hvh_state_reader_init(&r, w.bytes, w.len);
	TAP_EQ(hvh_synic_load(b.synic, &r), 0);
	TAP_EQ(hvh_state_reader_finish(&r), 0);
	TAP_MEM_EQ(slot(&b, 2).payload, "kept", 4);
	TAP_EQ(hvh_synic_post(b.synic, 2, 1, "x", 1), -EAGAIN);
	TAP_CHECK(!hvh_synic_signal(b.synic, 2, 1));
	TAP_CHECK(hvh_synic_signal(b.synic, 2, 2));
	free(w.bytes);
	drop(&b);
}

TAP_TEST(a_guest_whose_page_is_no_ram_can_be_loaded)
{
	struct bed b = make();
	struct hvh_state_writer w;
	struct hvh_state_reader r;

	TAP_EQ(hvh_synic_set(b.synic, HVP_MSR_ENABLE, NO_RAM | HVP_MSR_ENABLE,
			     MESSAGES | HVP_MSR_ENABLE),
	       -EFAULT);
	w = save(b.synic);
	hvh_synic_destroy(b.synic);
	TAP_REQUIRE(hvh_synic_create(b.mem, &b.synic) == 0);
	hvh_state_reader_init(&r, w.bytes, w.len);
	TAP_EQ(hvh_synic_load(b.synic, &r), 0);
	TAP_EQ(hvh_synic_post(b.synic, 2, 1, "x", 1), 0);
	free(w.bytes);
	drop(&b);
}

TAP_TEST(a_damaged_state_is_refused)
{
	struct bed b = make_on();
	struct hvh_state_writer w = save(b.synic);
	struct hvh_state_reader r;

	for (size_t cut = 0; cut < w.len; cut++) {
		hvh_state_reader_init(&r, w.bytes, cut);
		TAP_EQ(hvh_synic_load(b.synic, &r), -EPROTO);
	}
	w.bytes[4]++;
	hvh_state_reader_init(&r, w.bytes, w.len);
	TAP_EQ(hvh_synic_load(b.synic, &r), -EPROTO);
	free(w.bytes);
	drop(&b);
}

static atomic_bool stop;
static atomic_uint raised_in_all;

static void *signal_all_the_time(void *ctx)
{
	unsigned flag = 0;

	while (!atomic_load(&stop))
		if (hvh_synic_signal(ctx, 2, flag++ % HVP_EVENT_FLAG_COUNT))
			atomic_fetch_add(&raised_in_all, 1);
	return NULL;
}

TAP_TEST(signals_and_a_moving_page_do_not_meet)
{
	struct bed b = make_on();
	pthread_t threads[2];

	atomic_store(&stop, false);
	for (unsigned i = 0; i < 2; i++)
		TAP_REQUIRE(pthread_create(&threads[i], NULL, signal_all_the_time, b.synic) == 0);
	/* On a busy machine the threads may take their time to begin. */
	for (unsigned i = 0; i < 2000 || (!atomic_load(&raised_in_all) && i < 50000000); i++) {
		uint64_t page = EVENTS + (i % 3) * PAGE;

		TAP_EQ(hvh_synic_set(b.synic, i % 5 ? HVP_MSR_ENABLE : 0,
				     page | (i % 7 ? HVP_MSR_ENABLE : 0), MESSAGES | HVP_MSR_ENABLE),
		       0);
	}
	atomic_store(&stop, true);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	TAP_CHECK(atomic_load(&raised_in_all) != 0);
	drop(&b);
}

TAP_MAIN()
