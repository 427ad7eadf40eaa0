/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>

#include <hvh/hvh_state.h>

#include "tap.h"

#define OUTER HVH_STATE_TAG('O', 'U', 'T', 'R')
#define INNER HVH_STATE_TAG('I', 'N', 'N', 'R')

/* An outer section of version 2 with a number, an inner section of version 1 with bytes, and a number. */
static struct hvh_state_writer make(void)
{
	struct hvh_state_writer w;

	hvh_state_writer_init(&w);
	hvh_state_begin(&w, OUTER, 2);
	hvh_state_put_u32(&w, 7);
	hvh_state_begin(&w, INNER, 1);
	hvh_state_put_bytes(&w, "hello", 5);
	hvh_state_end(&w);
	hvh_state_put_u64(&w, 1ull << 40);
	hvh_state_end(&w);
	if (hvh_state_writer_finish(&w))
		abort();
	return w;
}

/* 0 or the reader's error; what was read must be right in the first case. */
static int read_back(const uint8_t *bytes, size_t len)
{
	struct hvh_state_reader r;
	char hello[6] = "";
	uint32_t outer, number;
	uint64_t last;
	int err;

	hvh_state_reader_init(&r, bytes, len);
	outer = hvh_state_enter(&r, OUTER, 2);
	number = hvh_state_get_u32(&r);
	hvh_state_enter(&r, INNER, 1);
	hvh_state_get_bytes(&r, hello, 5);
	hvh_state_leave(&r);
	last = hvh_state_get_u64(&r);
	hvh_state_leave(&r);
	err = hvh_state_reader_finish(&r);
	if (!err) {
		TAP_EQ(outer, 2);
		TAP_EQ(number, 7);
		TAP_STR_EQ(hello, "hello");
		TAP_EQ(last, 1ull << 40);
	}
	return err;
}

TAP_TEST(what_is_written_is_read_back)
{
	struct hvh_state_writer w = make();

	TAP_EQ(w.len, 12 + 4 + 12 + 5 + 8);
	TAP_EQ(read_back(w.bytes, w.len), 0);
	free(w.bytes);
}

TAP_TEST(a_state_cut_at_any_byte_is_refused)
{
	struct hvh_state_writer w = make();

	for (size_t cut = 0; cut < w.len; cut++) {
		uint8_t *exact = malloc(cut ? cut : 1);

		memcpy(exact, w.bytes, cut);
		TAP_EQ(read_back(exact, cut), -EPROTO);
		free(exact);
	}
	free(w.bytes);
}

TAP_TEST(bytes_behind_the_state_are_refused)
{
	struct hvh_state_writer w = make();

	hvh_state_put_u32(&w, 0);
	TAP_EQ(read_back(w.bytes, w.len), -EPROTO);
	free(w.bytes);
}

TAP_TEST(foreign_sections_and_newer_versions_are_refused)
{
	struct hvh_state_writer w = make();

	for (size_t at = 0; at < 8; at++) {
		w.bytes[at] ^= 0x40;
		TAP_EQ(read_back(w.bytes, w.len), -EPROTO);
		w.bytes[at] ^= 0x40;
	}
	w.bytes[4] = 3;
	TAP_EQ(read_back(w.bytes, w.len), -EPROTO);
	w.bytes[4] = 0;
	TAP_EQ(read_back(w.bytes, w.len), -EPROTO);
	w.bytes[4] = 2;
	TAP_EQ(read_back(w.bytes, w.len), 0);
	free(w.bytes);
}

TAP_TEST(older_versions_are_told_to_the_reader)
{
	struct hvh_state_writer w = make();
	struct hvh_state_reader r;

	w.bytes[4] = 1;
	hvh_state_reader_init(&r, w.bytes, w.len);
	TAP_EQ(hvh_state_enter(&r, OUTER, 2), 1);
	free(w.bytes);
}

TAP_TEST(a_section_cannot_reach_out_of_the_one_around_it)
{
	struct hvh_state_writer w = make();

	/* The inner section's length: all that is left of the state, and one byte more. */
	w.bytes[12 + 4 + 8] = 5 + 8;
	TAP_EQ(read_back(w.bytes, w.len), -EPROTO);
	w.bytes[12 + 4 + 8] = 5 + 8 + 1;
	TAP_EQ(read_back(w.bytes, w.len), -EPROTO);
	memset(&w.bytes[12 + 4 + 8], 0xff, 4);
	TAP_EQ(read_back(w.bytes, w.len), -EPROTO);
	free(w.bytes);
}

TAP_TEST(a_section_must_be_used_up)
{
	struct hvh_state_writer w = make();
	struct hvh_state_reader r;

	hvh_state_reader_init(&r, w.bytes, w.len);
	hvh_state_enter(&r, OUTER, 2);
	hvh_state_leave(&r);
	TAP_EQ(hvh_state_reader_finish(&r), -EPROTO);

	hvh_state_reader_init(&r, w.bytes, w.len);
	hvh_state_enter(&r, OUTER, 2);
	TAP_EQ(hvh_state_reader_finish(&r), -EPROTO);

	hvh_state_reader_init(&r, w.bytes, w.len);
	hvh_state_leave(&r);
	TAP_EQ(hvh_state_reader_finish(&r), -EPROTO);
	free(w.bytes);
}

TAP_TEST(errors_stick_and_later_fields_read_as_zero)
{
	struct hvh_state_writer w = make();
	struct hvh_state_reader r;
	uint8_t bytes[4] = { 1, 2, 3, 4 };

	hvh_state_reader_init(&r, w.bytes, w.len);
	hvh_state_enter(&r, OUTER, 2);
	hvh_state_refuse(&r);
	TAP_EQ(hvh_state_get_u32(&r), 0);
	TAP_EQ(hvh_state_get_u64(&r), 0);
	hvh_state_get_bytes(&r, bytes, sizeof(bytes));
	TAP_EQ(bytes[0] | bytes[3], 0);
	TAP_EQ(hvh_state_enter(&r, INNER, 1), 0);
	hvh_state_leave(&r);
	TAP_EQ(hvh_state_reader_finish(&r), -EPROTO);
	free(w.bytes);
}

TAP_TEST(too_deep_is_an_error_on_both_sides)
{
	struct hvh_state_writer w;
	struct hvh_state_reader r;
	unsigned i;

	hvh_state_writer_init(&w);
	for (i = 0; i <= HVH_STATE_DEPTH; i++)
		hvh_state_begin(&w, OUTER, 1);
	for (i = 0; i <= HVH_STATE_DEPTH; i++)
		hvh_state_end(&w);
	TAP_EQ(hvh_state_writer_finish(&w), -EINVAL);
	free(w.bytes);

	/* A reader meets it in a state that nobody of ours wrote. */
	hvh_state_writer_init(&w);
	for (i = 0; i <= HVH_STATE_DEPTH; i++) {
		hvh_state_put_u32(&w, OUTER);
		hvh_state_put_u32(&w, 1);
		hvh_state_put_u32(&w, 12 * (HVH_STATE_DEPTH - i));
	}
	hvh_state_reader_init(&r, w.bytes, w.len);
	for (i = 0; i < HVH_STATE_DEPTH; i++)
		TAP_EQ(hvh_state_enter(&r, OUTER, 1), 1);
	TAP_EQ(hvh_state_enter(&r, OUTER, 1), 0);
	TAP_EQ(hvh_state_reader_finish(&r), -EPROTO);
	free(w.bytes);
}

TAP_TEST(large_states_grow)
{
	struct hvh_state_writer w;
	struct hvh_state_reader r;
	uint8_t *big = malloc(100000), *back = malloc(100000);

	for (unsigned i = 0; i < 100000; i++)
		big[i] = (uint8_t)(i ^ i >> 8);
	hvh_state_writer_init(&w);
	hvh_state_begin(&w, OUTER, 1);
	hvh_state_put_bytes(&w, big, 100);
	hvh_state_put_bytes(&w, big, 100000);
	hvh_state_put_bytes(&w, NULL, 0);
	hvh_state_end(&w);
	TAP_EQ(hvh_state_writer_finish(&w), 0);
	hvh_state_reader_init(&r, w.bytes, w.len);
	hvh_state_enter(&r, OUTER, 1);
	hvh_state_get_bytes(&r, back, 100);
	hvh_state_get_bytes(&r, back, 100000);
	hvh_state_leave(&r);
	TAP_EQ(hvh_state_reader_finish(&r), 0);
	TAP_MEM_EQ(back, big, 100000);
	free(big);
	free(back);
	free(w.bytes);
}

TAP_MAIN()
