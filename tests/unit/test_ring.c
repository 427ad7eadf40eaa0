/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Both halves of a ring in one thread: formats, limits, signal decisions, and what each half makes of a
 * hostile peer. Two threads: test_ring_threads.c.
 */
#include "hvw_ring.h"
#include "tap.h"
#include "unit/ring_pair.h"

#define TRAILER HVP_PACKET_TRAILER

static uint8_t pattern(uint64_t seed, uint32_t at)
{
	return (uint8_t)((seed + at) * 0x9du + ((seed + at) >> 7));
}

static void fill(uint8_t *bytes, uint32_t len, uint64_t seed)
{
	for (uint32_t i = 0; i < len; i++)
		bytes[i] = pattern(seed, i);
}

/* Sends one in-band packet of `len` bytes of the pattern; the result of hvw_tx_put. */
static int put(struct ring_pair *r, uint64_t id, uint32_t len)
{
	uint8_t *payload = malloc(len ? len : 1);
	struct hvw_piece piece = { payload, len };
	int err;

	fill(payload, len, id);
	err = hvw_tx_put(&r->tx, HVP_PACKET_INBAND, 0, id, 0, &piece, 1);
	free(payload);
	return err;
}

static bool put_commit(struct ring_pair *r, uint64_t id, uint32_t len)
{
	return TAP_EQ(put(r, id, len), 0) && hvw_tx_commit(&r->tx);
}

/* Takes one packet and compares all of it with what put() sent. */
static bool take(struct ring_pair *r, uint64_t id, uint32_t len)
{
	struct hvw_rx_packet packet = { .start = 0 };
	uint8_t *payload;
	bool same = true;

	if (!TAP_EQ(hvw_rx_next(&r->rx, &packet), 0) || !TAP_EQ(packet.h.transaction_id, id) ||
	    !TAP_EQ(packet.h.type, HVP_PACKET_INBAND) || !TAP_EQ(packet.header_len, 16) ||
	    !TAP_EQ(packet.payload_len, (len + 7) / 8 * 8))
		return false;
	payload = malloc(packet.payload_len + 1);
	if (!TAP_EQ(hvw_rx_copy(&r->rx, &packet, 16, payload, packet.payload_len), 0))
		same = false;
	for (uint32_t i = 0; same && i < packet.payload_len; i++)
		same = TAP_EQ(payload[i], i < len ? pattern(id, i) : 0);
	free(payload);
	return same;
}

static void expect_empty(struct ring_pair *r)
{
	struct hvw_rx_packet packet = { .start = 0 };

	TAP_EQ(hvw_rx_next(&r->rx, &packet), -EAGAIN);
}

/* --- set-up ---------------------------------------------------------------------------------- */

TAP_TEST(a_ring_of_impossible_size_is_refused)
{
	static const uint64_t sizes[] = {
		0, 1, 4096, 8191, 8200, 12287, 12289, 1u << 29 | 8, (1u << 30) + 4096u, 1ull << 32
	};
	struct ring_pair r;

	ring_pair_make(&r, 2, 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		TAP_EQ(hvw_tx_init(&r.tx, r.control, sizes[i]), -EINVAL);
		TAP_EQ(hvw_rx_init(&r.rx, r.control, sizes[i]), -EINVAL);
	}
	/* Touches the control page only, so the missing rest does not matter. */
	TAP_EQ(hvw_tx_init(&r.tx, r.control, 1u << 30), 0);
	TAP_EQ(hvw_rx_init(&r.rx, r.control, 1u << 30), 0);
	ring_pair_free(&r);
}

TAP_TEST(impossible_indices_are_refused_at_set_up)
{
	static const uint32_t bad[] = { 1,    4,    7,		4095,	    4096,      4100,
					4104, 8192, 0x80000000, 0xfffffff8, 0xffffffff };
	struct ring_pair r;

	ring_pair_make(&r, 2, 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		r.control->write_index = bad[i];
		r.control->read_index = 0;
		TAP_EQ(hvw_tx_init(&r.tx, r.control, r.bytes), -EPROTO);
		TAP_EQ(hvw_rx_init(&r.rx, r.control, r.bytes), -EPROTO);
		r.control->write_index = 0;
		r.control->read_index = bad[i];
		TAP_EQ(hvw_tx_init(&r.tx, r.control, r.bytes), -EPROTO);
		TAP_EQ(hvw_rx_init(&r.rx, r.control, r.bytes), -EPROTO);
	}
	ring_pair_free(&r);
}

TAP_TEST(a_failed_set_up_leaves_the_half_and_the_page_alone)
{
	struct ring_pair r;
	struct hvw_tx tx;
	struct hvp_ring_control page;

	ring_pair_make(&r, 2, 0);
	memset(r.control, 0, sizeof(*r.control));
	r.control->write_index = 3;
	page = *r.control;
	tx = r.tx;
	TAP_EQ(hvw_tx_init(&r.tx, r.control, r.bytes), -EPROTO);
	TAP_MEM_EQ(&tx, &r.tx, sizeof(tx));
	TAP_MEM_EQ(&page, r.control, sizeof(page));
	ring_pair_free(&r);
}

TAP_TEST(packets_already_in_the_ring_are_taken_over_at_set_up)
{
	struct ring_pair r;

	ring_pair_make(&r, 3, 8184);
	put_commit(&r, 1, 40);
	put_commit(&r, 2, 41);
	TAP_EQ(hvw_rx_init(&r.rx, r.control, r.bytes), 0);
	TAP_EQ(hvw_tx_init(&r.tx, r.control, r.bytes), 0);
	TAP_EQ(r.tx.room, 8192 - 64 - 72);
	take(&r, 1, 40);
	take(&r, 2, 41);
	expect_empty(&r);
	ring_pair_free(&r);
}

TAP_TEST(the_producer_announces_that_it_knows_the_pending_size)
{
	struct ring_pair r;

	ring_pair_make(&r, 2, 0);
	TAP_EQ(r.control->features, HVP_RING_FEATURE_PENDING_SEND);
	r.control->pending_send_size = 64; /* of an earlier owner, whom nobody serves any more */
	TAP_EQ(hvw_tx_init(&r.tx, r.control, r.bytes), 0);
	TAP_EQ(r.control->pending_send_size, 0);
	ring_pair_free(&r);
}

/* --- format ---------------------------------------------------------------------------------- */

TAP_TEST(each_field_of_the_control_page_is_where_the_specification_says)
{
	struct ring_pair r;
	uint32_t words[17];

	ring_pair_make(&r, 2, 64);
	put_commit(&r, 1, 8);
	hvw_rx_mask(&r.rx);
	TAP_EQ(hvw_tx_want_space(&r.tx, 4088), -EAGAIN);
	memcpy(words, r.control, sizeof(words));
	TAP_EQ(words[0], 64 + 32);
	TAP_EQ(words[1], 64);
	TAP_EQ(words[2], 1);
	TAP_EQ(words[3], 4088);
	TAP_EQ(words[16], 1);
	ring_pair_free(&r);
}

TAP_TEST(a_packet_survives_every_wrap_position_in_every_size_of_ring)
{
	static const unsigned page_counts[] = { 2, 3, 4, 5, 9, 33, 256, 257 };
	static const uint32_t lengths[] = { 0, 1, 7, 8, 9, 15, 16, 17, 31, 63, 100, 1001 };

	for (size_t p = 0; p < sizeof(page_counts) / sizeof(page_counts[0]); p++) {
		struct ring_pair r;
		uint32_t first;

		ring_pair_make(&r, page_counts[p], 0);
		/* All positions of small rings; of large ones those before the end and after the start. */
		first = r.size > 8192 ? r.size - 1200 : 0;
		for (uint32_t at = first; at < first + (r.size > 8192 ? 1400 : r.size); at += 8) {
			uint32_t start = at % r.size;
			uint32_t len = lengths[at / 8 % (sizeof(lengths) / sizeof(lengths[0]))];

			r.control->write_index = start;
			r.control->read_index = start;
			TAP_REQUIRE(!hvw_tx_init(&r.tx, r.control, r.bytes));
			TAP_REQUIRE(!hvw_rx_init(&r.rx, r.control, r.bytes));
			for (uint64_t id = 1; id <= 3; id++) {
				put_commit(&r, id, len);
				TAP_REQUIRE(take(&r, id, len));
			}
			expect_empty(&r);
			(void)!hvw_rx_release(&r.rx); /* nobody waits for space here */
			TAP_EQ(r.control->read_index,
			       (start + 3 * hvw_packet_space(0, len)) % r.size);
			TAP_EQ(r.control->write_index, r.control->read_index);
		}
		ring_pair_free(&r);
	}
}

TAP_TEST(descriptor_padding_and_trailer_are_as_specified_at_every_position)
{
	for (uint32_t start = 0; start < 4096; start += 8) {
		struct ring_pair r;
		struct hvw_piece piece = { "abcdefghijk", 11 };

		ring_pair_make(&r, 2, start);
		TAP_EQ(hvw_tx_put(&r.tx, HVP_PACKET_COMPLETION, 1, 0x0123456789abcdef, 0, &piece, 1),
		       0);
		TAP_CHECK(hvw_tx_commit(&r.tx));
		TAP_EQ(ring_pair_word(&r, start), 0x000100040002000b);
		TAP_EQ(ring_pair_word(&r, start + 8), 0x0123456789abcdef);
		TAP_EQ(ring_pair_word(&r, start + 16), 0x6867666564636261);
		TAP_EQ(ring_pair_word(&r, start + 24), 0x6b6a69); /* padded with zeros */
		TAP_EQ(ring_pair_word(&r, start + 32), (uint64_t)start << 32);
		TAP_EQ(ring_pair_word(&r, start + 40), 0xa5a5a5a5a5a5a5a5); /* untouched */
		TAP_EQ(r.control->write_index, (start + 40) % 4096);
		ring_pair_free(&r);
	}
}

TAP_TEST(the_space_of_a_packet_is_what_a_put_takes)
{
	struct ring_pair r;

	ring_pair_make(&r, 2, 0);
	for (uint32_t len = 0; len < 64; len++) {
		uint8_t bytes[24 + 64] = { 0 };
		struct hvw_piece pieces[] = { { bytes, 24 }, { bytes, len } };
		uint32_t before = r.tx.write;

		TAP_EQ(hvw_tx_put(&r.tx, HVP_PACKET_GPA_DIRECT, 0, 1, 24, pieces, 2), 0);
		TAP_EQ(r.tx.write - before, hvw_packet_space(24, len));
		r.control->read_index = r.control->write_index = 0;
		TAP_REQUIRE(!hvw_tx_init(&r.tx, r.control, r.bytes));
	}
	TAP_EQ(hvw_packet_space(0, 0), 24);
	TAP_EQ(hvw_packet_space(0, 1), 32);
	TAP_EQ(hvw_packet_space(0, 8), 32);
	ring_pair_free(&r);
}

TAP_TEST(pieces_of_any_lengths_are_joined_at_every_position)
{
	for (uint32_t start = 0; start < 4096; start += 8) {
		struct ring_pair r;
		struct hvw_piece pieces[8];
		uint8_t source[400], got[400];
		uint32_t total = 0;
		struct hvw_rx_packet packet = { .start = 0 };

		fill(source, sizeof(source), start);
		for (unsigned i = 0; i < 8; i++) {
			uint32_t len = (uint32_t)(tap_random() % 50);

			pieces[i] = (struct hvw_piece){ source + total, len };
			total += len;
		}
		ring_pair_make(&r, 2, start);
		TAP_EQ(hvw_tx_put(&r.tx, HVP_PACKET_INBAND, 0, 1, 0, pieces, 8), 0);
		TAP_CHECK(hvw_tx_commit(&r.tx));
		TAP_REQUIRE(hvw_rx_next(&r.rx, &packet) == 0);
		TAP_EQ(packet.payload_len, (total + 7) / 8 * 8);
		TAP_EQ(hvw_rx_copy(&r.rx, &packet, 16, got, total), 0);
		TAP_MEM_EQ(got, source, total);
		ring_pair_free(&r);
	}
}

TAP_TEST(a_packet_without_payload_is_a_descriptor_and_a_trailer)
{
	struct ring_pair r;
	bool signal = false;

	ring_pair_make(&r, 2, 4088);
	TAP_EQ(hvw_tx_put(&r.tx, HVP_PACKET_INBAND, 0, 1, 0, NULL, 0), 0);
	TAP_EQ(r.tx.write, 16);
	TAP_EQ(hvw_tx_send(&r.tx, 0, 2, NULL, 0, &signal), 0);
	TAP_CHECK(signal);
	take(&r, 1, 0);
	take(&r, 2, 0);
	expect_empty(&r);
	ring_pair_free(&r);
}

TAP_TEST(header_pieces_come_between_descriptor_and_payload)
{
	for (uint32_t start = 4096 - 80; start < 4096; start += 8) {
		struct ring_pair r;
		struct hvp_gpa_direct fixed = { 0, 1 };
		struct {
			struct hvp_gpa_range range;
			uint64_t page;
		} range = { { 512, 16 }, 0x1234 };
		struct hvw_piece pieces[] = { { &fixed, sizeof(fixed) },
					      { &range, sizeof(range) },
					      { "payload", 7 } };
		struct hvw_rx_packet packet = { .start = 0 };
		uint8_t got[56];

		ring_pair_make(&r, 2, start);
		TAP_EQ(hvw_tx_put(&r.tx, HVP_PACKET_GPA_DIRECT, HVP_PACKET_FLAG_COMPLETION, 5, 24,
				  pieces, 3),
		       0);
		TAP_CHECK(hvw_tx_commit(&r.tx));
		TAP_REQUIRE(hvw_rx_next(&r.rx, &packet) == 0);
		TAP_EQ(packet.h.type, HVP_PACKET_GPA_DIRECT);
		TAP_EQ(packet.h.flags, HVP_PACKET_FLAG_COMPLETION);
		TAP_EQ(packet.h.offset8, 5);
		TAP_EQ(packet.h.length8, 6);
		TAP_EQ(packet.h.transaction_id, 5);
		TAP_EQ(packet.start, start);
		TAP_EQ(packet.header_len, 40);
		TAP_EQ(packet.payload_len, 8);
		TAP_EQ(hvw_rx_copy(&r.rx, &packet, 0, got, 48), 0);
		TAP_MEM_EQ(got + 16, &fixed, 8);
		TAP_MEM_EQ(got + 24, &range, 16);
		TAP_MEM_EQ(got + 40, "payload", 8);
		ring_pair_free(&r);
	}
}

TAP_TEST(a_header_that_the_pieces_do_not_hold_is_refused)
{
	struct ring_pair r;
	uint8_t bytes[32] = { 0 };
	struct hvw_piece piece = { bytes, 24 };

	ring_pair_make(&r, 2, 0);
	TAP_EQ(hvw_tx_put(&r.tx, HVP_PACKET_GPA_DIRECT, 0, 1, 24, &piece, 1), 0);
	TAP_EQ(hvw_tx_put(&r.tx, HVP_PACKET_GPA_DIRECT, 0, 1, 32, &piece, 1), -EINVAL);
	TAP_EQ(hvw_tx_put(&r.tx, HVP_PACKET_GPA_DIRECT, 0, 1, 12, &piece, 1), -EINVAL);
	TAP_EQ(hvw_tx_put(&r.tx, HVP_PACKET_GPA_DIRECT, 0, 1, 0xfffffff8, &piece, 1), -EINVAL);
	TAP_EQ(r.tx.write, 48);
	ring_pair_free(&r);
}

TAP_TEST(copies_into_and_out_of_shared_memory_are_exact_at_every_length)
{
	/* Blocks of exactly the length, so that a sanitizer sees a byte too many on either side. */
	for (uint32_t len = 0; len < 300; len++) {
		uint8_t *in = malloc(len ? len : 1), *shared = malloc(len ? len : 1);
		uint8_t *out = calloc(1, len ? len : 1);

		fill(in, len, len);
		hvw_copy_in(shared, in, len);
		TAP_MEM_EQ(shared, in, len);
		hvw_copy_out(out, shared, len);
		TAP_MEM_EQ(out, in, len);
		free(in);
		free(shared);
		free(out);
	}
	hvw_copy_in(NULL, NULL, 0);
	hvw_copy_out(NULL, NULL, 0);
}

/* --- limits ---------------------------------------------------------------------------------- */

TAP_TEST(a_ring_is_never_filled_completely)
{
	for (uint32_t start = 0; start < 4096; start += 8) {
		struct ring_pair r;

		ring_pair_make(&r, 2, start);
		/* 4096 - 8 bytes: the largest that may stand in it. */
		TAP_EQ(put(&r, 1, 4088 - 24), 0);
		TAP_EQ(r.tx.room, 8);
		TAP_EQ(put(&r, 2, 0), -EAGAIN);
		TAP_CHECK(hvw_tx_commit(&r.tx));
		TAP_CHECK(r.control->write_index != r.control->read_index);
		take(&r, 1, 4088 - 24);
		ring_pair_free(&r);
	}
}

TAP_TEST(a_packet_as_large_as_the_data_can_never_be_sent)
{
	struct ring_pair r;
	bool signal = true;

	ring_pair_make(&r, 2, 0);
	TAP_EQ(put(&r, 1, 4096 - 24), -EMSGSIZE);
	TAP_EQ(put(&r, 1, 4096 - 31), -EMSGSIZE);
	TAP_EQ(put(&r, 1, 4096), -EMSGSIZE);
	TAP_EQ(hvw_tx_send(&r.tx, 0, 1, r.control, 4096, &signal), -EMSGSIZE);
	TAP_CHECK(signal); /* out-parameters are written on success only */
	TAP_EQ(put(&r, 1, 4096 - 32), 0);
	ring_pair_free(&r);
}

TAP_TEST(the_longest_packet_that_a_descriptor_can_name_is_sent_and_no_longer_one)
{
	struct ring_pair r;

	ring_pair_make(&r, 257, 1024);
	TAP_EQ(put(&r, 1, 0xffff * 8 - 16 + 1), -EMSGSIZE);
	TAP_EQ(r.tx.write, 1024);
	put_commit(&r, 1, 0xffff * 8 - 16);
	take(&r, 1, 0xffff * 8 - 16);
	TAP_CHECK(!hvw_rx_release(&r.rx));
	put_commit(&r, 2, 0xffff * 8 - 16); /* and over the end of the data */
	take(&r, 2, 0xffff * 8 - 16);
	ring_pair_free(&r);
}

TAP_TEST(piece_lengths_do_not_wrap_around_when_added)
{
	struct ring_pair r;
	struct hvw_piece pieces[] = { { "", 0xfffffff0 }, { "", 0x20 }, { "", 0xffffffff } };

	ring_pair_make(&r, 2, 0);
	TAP_EQ(hvw_tx_put(&r.tx, HVP_PACKET_INBAND, 0, 1, 0, pieces, 2), -EMSGSIZE);
	TAP_EQ(hvw_tx_put(&r.tx, HVP_PACKET_INBAND, 0, 1, 0, pieces, 3), -EMSGSIZE);
	TAP_EQ(hvw_tx_put(&r.tx, HVP_PACKET_INBAND, 0, 1, 0, pieces + 2, 1), -EMSGSIZE);
	ring_pair_free(&r);
}

TAP_TEST(a_put_that_fails_writes_nothing)
{
	struct ring_pair r;
	uint8_t *before;
	struct hvw_tx tx;

	ring_pair_make(&r, 2, 2048);
	TAP_EQ(put(&r, 1, 3000), 0);
	(void)!hvw_tx_commit(&r.tx);
	before = malloc(r.bytes);
	memcpy(before, r.control, r.bytes);
	tx = r.tx;
	TAP_EQ(put(&r, 2, 2000), -EAGAIN);
	TAP_EQ(put(&r, 2, 5000), -EMSGSIZE);
	r.control->read_index = 4;
	TAP_EQ(put(&r, 2, 2000), -EPROTO);
	r.control->read_index = 2048;
	TAP_MEM_EQ(r.control, before, r.bytes);
	TAP_MEM_EQ(&r.tx, &tx, sizeof(tx));
	free(before);
	ring_pair_free(&r);
}

TAP_TEST(the_room_of_a_ring_is_exact_at_every_fill_level)
{
	struct ring_pair r;

	ring_pair_make(&r, 2, 1000);
	for (uint32_t used = 0; used < 4096; used += 8) {
		r.control->read_index = 1000;
		r.control->write_index = (1000 + used) % 4096;
		for (uint32_t need = 24; need < 4096; need += 8) {
			/* Taken over as if with less room, so that each put looks at the index again. */
			TAP_REQUIRE(!hvw_tx_init(&r.tx, r.control, r.bytes));
			r.tx.room = 8;
			if (put(&r, 1, need - 24) != (4096 - used > need ? 0 : -EAGAIN)) {
				TAP_EQ(need, 4096 - used);
				break;
			}
		}
	}
	ring_pair_free(&r);
}

TAP_TEST(space_becomes_usable_only_when_the_consumer_releases_it)
{
	struct ring_pair r;

	ring_pair_make(&r, 2, 512);
	put_commit(&r, 1, 2000);
	put_commit(&r, 2, 2000);
	TAP_EQ(put(&r, 3, 1000), -EAGAIN);
	take(&r, 1, 2000);
	TAP_EQ(put(&r, 3, 1000), -EAGAIN);
	TAP_CHECK(!hvw_rx_release(&r.rx));
	TAP_EQ(put(&r, 3, 1000), 0);
	TAP_CHECK(!hvw_tx_commit(&r.tx));
	take(&r, 2, 2000);
	take(&r, 3, 1000);
	ring_pair_free(&r);
}

/* --- publishing and signals ------------------------------------------------------------------ */

TAP_TEST(a_batch_is_invisible_before_its_commit_and_makes_one_signal)
{
	struct ring_pair r;

	ring_pair_make(&r, 2, 4000);
	for (uint64_t id = 1; id <= 3; id++) {
		TAP_EQ(put(&r, id, 100), 0);
		TAP_EQ(r.control->write_index, 4000);
		expect_empty(&r);
	}
	TAP_CHECK(hvw_tx_commit(&r.tx));
	TAP_CHECK(!hvw_tx_commit(&r.tx));
	for (uint64_t id = 1; id <= 3; id++)
		take(&r, id, 100);
	expect_empty(&r);
	ring_pair_free(&r);
}

TAP_TEST(a_commit_of_nothing_does_not_touch_the_ring)
{
	struct ring_pair r;

	ring_pair_make(&r, 2, 64);
	r.control->write_index = 0x5a5a5a58; /* would be overwritten */
	TAP_CHECK(!hvw_tx_commit(&r.tx));
	TAP_EQ(r.control->write_index, 0x5a5a5a58);
	ring_pair_free(&r);
}

TAP_TEST(only_the_step_from_empty_to_not_empty_is_signalled)
{
	struct ring_pair r;

	ring_pair_make(&r, 2, 0);
	TAP_CHECK(put_commit(&r, 1, 8)); /* empty before */
	TAP_CHECK(!put_commit(&r, 2, 8)); /* not empty */
	take(&r, 1, 8);
	TAP_CHECK(!hvw_rx_release(&r.rx));
	TAP_CHECK(!put_commit(&r, 3, 8)); /* one is still there */
	take(&r, 2, 8);
	take(&r, 3, 8);
	TAP_CHECK(!put_commit(&r, 4, 8)); /* taken, not released: the consumer is awake */
	take(&r, 4, 8);
	TAP_CHECK(!hvw_rx_release(&r.rx));
	TAP_CHECK(put_commit(&r, 5, 8)); /* empty again */
	ring_pair_free(&r);
}

TAP_TEST(the_decision_counts_from_the_last_commit_not_from_the_last_packet)
{
	struct ring_pair r;

	ring_pair_make(&r, 2, 0);
	TAP_CHECK(put_commit(&r, 1, 8));
	TAP_EQ(put(&r, 2, 8), 0);
	TAP_EQ(put(&r, 3, 8), 0);
	take(&r, 1, 8);
	TAP_CHECK(!hvw_rx_release(&r.rx));
	TAP_CHECK(hvw_tx_commit(&r.tx)); /* the consumer had read all that was shown to it */
	ring_pair_free(&r);
}

TAP_TEST(a_masked_ring_is_not_signalled)
{
	struct ring_pair r;

	ring_pair_make(&r, 2, 0);
	hvw_rx_mask(&r.rx);
	TAP_CHECK(!put_commit(&r, 1, 8));
	take(&r, 1, 8);
	TAP_CHECK(!hvw_rx_release(&r.rx));
	TAP_CHECK(!put_commit(&r, 2, 8));
	take(&r, 2, 8);
	TAP_CHECK(!hvw_rx_release(&r.rx));
	TAP_CHECK(!hvw_rx_unmask(&r.rx));
	TAP_CHECK(put_commit(&r, 3, 8));
	/* Any value but 0 masks. */
	take(&r, 3, 8);
	TAP_CHECK(!hvw_rx_release(&r.rx));
	r.control->interrupt_mask = 0x80000000;
	TAP_CHECK(!put_commit(&r, 4, 8));
	ring_pair_free(&r);
}

TAP_TEST(unmasking_finds_what_came_in_unsignalled)
{
	struct ring_pair r;

	ring_pair_make(&r, 2, 4080);
	hvw_rx_mask(&r.rx);
	expect_empty(&r);
	TAP_CHECK(!hvw_rx_release(&r.rx));
	TAP_CHECK(!put_commit(&r, 1, 8)); /* between the last look and the unmasking */
	TAP_CHECK(hvw_rx_unmask(&r.rx));
	TAP_EQ(r.control->interrupt_mask, 0);
	hvw_rx_mask(&r.rx);
	take(&r, 1, 8);
	TAP_CHECK(!hvw_rx_release(&r.rx));
	TAP_CHECK(!hvw_rx_unmask(&r.rx));
	ring_pair_free(&r);
}

TAP_TEST(unmasking_with_packets_left_says_go_on)
{
	struct ring_pair r;

	ring_pair_make(&r, 2, 0);
	put_commit(&r, 1, 8);
	put_commit(&r, 2, 8);
	hvw_rx_mask(&r.rx);
	take(&r, 1, 8);
	TAP_CHECK(hvw_rx_unmask(&r.rx));
	ring_pair_free(&r);
}

/* --- the blocked producer -------------------------------------------------------------------- */

/* A ring of 4096 bytes from `start` on with ten packets of 400 bytes in it: 96 bytes of room. */
static void make_filled(struct ring_pair *r, uint32_t start)
{
	ring_pair_make(r, 2, start);
	for (uint64_t id = 1; id <= 10; id++)
		put_commit(r, id, 400 - 24);
}

TAP_TEST(a_release_signals_exactly_when_the_wanted_space_becomes_more_than_free)
{
	/* One release of 400 bytes: room goes from 96 to 496. */
	static const struct {
		uint32_t pending;
		bool signal;
	} cases[] = {
		{ 0, false },	       { 8, false },   { 88, false },	{ 95, false },
		{ 96, true },	       { 104, true },  { 488, true },	{ 495, true },
		{ 496, false },	       { 504, false }, { 4088, false }, { 4096, false },
		{ UINT32_MAX, false },
	};

	for (uint32_t start = 0; start < 4096; start += 256) {
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			struct ring_pair r;

			make_filled(&r, start);
			r.control->pending_send_size = cases[i].pending;
			take(&r, 1, 400 - 24);
			TAP_EQ(hvw_rx_release(&r.rx), cases[i].signal);
			ring_pair_free(&r);
		}
	}
}

TAP_TEST(a_waiting_producer_is_signalled_once)
{
	struct ring_pair r;
	unsigned signals = 0;

	make_filled(&r, 2000);
	TAP_EQ(hvw_tx_want_space(&r.tx, 1200), -EAGAIN);
	for (uint64_t id = 1; id <= 10; id++) {
		take(&r, id, 400 - 24);
		if (hvw_rx_release(&r.rx)) {
			signals++;
			TAP_EQ(id, 3); /* 96 + 3 * 400 = 1296 */
		}
	}
	TAP_EQ(signals, 1);
	ring_pair_free(&r);
}

TAP_TEST(several_packets_released_together_count_together)
{
	struct ring_pair r;

	make_filled(&r, 2000);
	TAP_EQ(hvw_tx_want_space(&r.tx, 3000), -EAGAIN);
	for (uint64_t id = 1; id <= 7; id++)
		take(&r, id, 400 - 24);
	TAP_CHECK(!hvw_rx_release(&r.rx)); /* 2896 */
	take(&r, 8, 400 - 24);
	take(&r, 9, 400 - 24);
	take(&r, 10, 400 - 24);
	TAP_CHECK(hvw_rx_release(&r.rx));
	TAP_CHECK(!hvw_rx_release(&r.rx)); /* nothing more to release */
	ring_pair_free(&r);
}

TAP_TEST(a_producer_may_ask_to_be_told_when_the_ring_is_empty)
{
	struct ring_pair r;

	make_filled(&r, 0);
	r.control->pending_send_size = 4095; /* data size - 1, as some guests write it */
	for (uint64_t id = 1; id <= 10; id++) {
		take(&r, id, 400 - 24);
		TAP_EQ(hvw_rx_release(&r.rx), id == 10);
	}
	ring_pair_free(&r);
}

TAP_TEST(without_the_feature_bit_or_a_wish_no_space_is_signalled)
{
	struct ring_pair r;

	make_filled(&r, 0);
	r.control->pending_send_size = 200;
	r.control->features = 0;
	take(&r, 1, 400 - 24);
	TAP_CHECK(!hvw_rx_release(&r.rx));
	r.control->pending_send_size = 800;
	r.control->features = ~HVP_RING_FEATURE_PENDING_SEND;
	take(&r, 2, 400 - 24);
	TAP_CHECK(!hvw_rx_release(&r.rx));
	r.control->pending_send_size = 1200;
	r.control->features = UINT32_MAX;
	take(&r, 3, 400 - 24);
	TAP_CHECK(hvw_rx_release(&r.rx));
	ring_pair_free(&r);
}

TAP_TEST(a_space_signal_does_not_ask_the_mask)
{
	struct ring_pair r;

	make_filled(&r, 0);
	hvw_rx_mask(&r.rx);
	TAP_EQ(hvw_tx_want_space(&r.tx, 96), -EAGAIN);
	take(&r, 1, 400 - 24);
	TAP_CHECK(hvw_rx_release(&r.rx));
	ring_pair_free(&r);
}

TAP_TEST(a_waiting_producer_with_a_broken_write_index_is_signalled)
{
	static const uint32_t bad[] = { 4, 4096, 0xfffffff8 };

	for (size_t i = 0; i < 3; i++) {
		struct ring_pair r;

		make_filled(&r, 0);
		TAP_EQ(hvw_tx_want_space(&r.tx, 4000), -EAGAIN);
		take(&r, 1, 400 - 24);
		r.control->write_index = bad[i];
		TAP_CHECK(hvw_rx_release(&r.rx));
		ring_pair_free(&r);
	}
}

TAP_TEST(wanting_space_that_is_there_by_now_succeeds_and_withdraws_the_wish)
{
	struct ring_pair r;

	make_filled(&r, 0);
	TAP_EQ(hvw_tx_want_space(&r.tx, 96), -EAGAIN); /* equality is not enough */
	TAP_EQ(r.control->pending_send_size, 96);
	take(&r, 1, 400 - 24);
	TAP_CHECK(hvw_rx_release(&r.rx));
	TAP_EQ(hvw_tx_want_space(&r.tx, 496), -EAGAIN);
	TAP_EQ(hvw_tx_want_space(&r.tx, 488), 0);
	TAP_EQ(r.control->pending_send_size, 0);
	TAP_EQ(put(&r, 11, 488 - 24), 0);
	ring_pair_free(&r);
}

TAP_TEST(a_put_that_finds_room_withdraws_the_wish)
{
	struct ring_pair r;

	make_filled(&r, 0);
	TAP_EQ(put(&r, 11, 376), -EAGAIN);
	TAP_EQ(hvw_tx_want_space(&r.tx, 400), -EAGAIN);
	TAP_EQ(r.control->pending_send_size, 400);
	TAP_EQ(put(&r, 11, 376), -EAGAIN);
	TAP_EQ(r.control->pending_send_size, 400);
	take(&r, 1, 400 - 24);
	TAP_CHECK(hvw_rx_release(&r.rx));
	TAP_EQ(put(&r, 11, 376), 0);
	TAP_EQ(r.control->pending_send_size, 0);
	ring_pair_free(&r);
}

TAP_TEST(wanting_more_than_the_ring_is_refused_without_a_wish)
{
	struct ring_pair r;

	make_filled(&r, 0);
	TAP_EQ(hvw_tx_want_space(&r.tx, 4096), -EMSGSIZE);
	TAP_EQ(hvw_tx_want_space(&r.tx, UINT32_MAX), -EMSGSIZE);
	TAP_EQ(r.control->pending_send_size, 0);
	ring_pair_free(&r);
}

/* --- hostile consumers ----------------------------------------------------------------------- */

/* What the producer says when the consumer, having read up to 800, stores `read_index`. */
static int producer_meets(uint32_t read_index, bool batch)
{
	struct ring_pair r;
	int err;

	ring_pair_make(&r, 2, 0);
	for (uint64_t id = 1; id <= 4; id++) /* published up to 1600 */
		put_commit(&r, id, 400 - 24);
	r.control->read_index = 800;
	TAP_EQ(hvw_tx_want_space(&r.tx, 4000), -EAGAIN); /* so that the producer has seen 800 */
	if (batch)
		TAP_EQ(put(&r, 5, 400 - 24), 0); /* not published, up to 2000 */
	r.control->read_index = read_index;
	err = put(&r, 6, 3400 - 24);
	if (err == -EPROTO)
		TAP_EQ(hvw_tx_want_space(&r.tx, 3400), -EPROTO);
	ring_pair_free(&r);
	return err;
}

TAP_TEST(the_producer_refuses_a_read_index_that_is_unaligned_or_out_of_range)
{
	static const uint32_t bad[] = { 801,  804,	  1596,	      4096,	 4104,
					8192, 0x80000000, 0xfffffff8, UINT32_MAX };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		TAP_EQ(producer_meets(bad[i], false), -EPROTO);
		TAP_EQ(producer_meets(bad[i], true), -EPROTO);
	}
}

TAP_TEST(the_producer_refuses_a_read_index_that_goes_back)
{
	TAP_EQ(producer_meets(792, false), -EPROTO);
	TAP_EQ(producer_meets(0, false), -EPROTO);
	TAP_EQ(producer_meets(792, true), -EPROTO);
	TAP_EQ(producer_meets(0, true), -EPROTO);
}

TAP_TEST(the_producer_refuses_a_read_index_beyond_what_it_published)
{
	TAP_EQ(producer_meets(1608, false), -EPROTO);
	TAP_EQ(producer_meets(4088, false), -EPROTO);
	/* Inside the batch, at its end, behind it */
	TAP_EQ(producer_meets(1608, true), -EPROTO);
	TAP_EQ(producer_meets(2000, true), -EPROTO);
	TAP_EQ(producer_meets(2008, true), -EPROTO);
	TAP_EQ(producer_meets(4088, true), -EPROTO);
}

TAP_TEST(the_producer_accepts_each_read_index_between)
{
	for (uint32_t index = 800; index <= 1600; index += 8) {
		uint32_t room = 4096 - 1600 + index;

		TAP_EQ(producer_meets(index, false), room > 3400 ? 0 : -EAGAIN);
		TAP_EQ(producer_meets(index, true), room - 400 > 3400 ? 0 : -EAGAIN);
	}
}

/* --- hostile producers ----------------------------------------------------------------------- */

TAP_TEST(the_consumer_refuses_a_write_index_that_is_unaligned_or_out_of_range)
{
	static const uint32_t bad[] = { 1,    4,	  4092,	      4096,	 4104,
					8192, 0x80000000, 0xfffffff8, UINT32_MAX };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct ring_pair r;
		struct hvw_rx_packet packet = { .start = 0 };

		ring_pair_make(&r, 2, 0);
		put_commit(&r, 1, 8);
		take(&r, 1, 8);
		r.control->write_index = bad[i];
		TAP_CHECK(hvw_rx_unmask(&r.rx)); /* so that the caller looks again and finds out */
		TAP_EQ(hvw_rx_next(&r.rx, &packet), -EPROTO);
		TAP_EQ(hvw_rx_next(&r.rx, &packet), -EPROTO);
		ring_pair_free(&r);
	}
}

TAP_TEST(the_consumer_refuses_a_write_index_that_overtakes_what_it_released)
{
	/* Read up to 832 with 416 released. */
	static const struct {
		uint32_t write;
		int err;
	} cases[] = {
		{ 832, -EAGAIN }, /* empty */
		{ 824, -EPROTO }, /* went back */
		{ 424, -EPROTO }, /* overtook */
		{ 416, -EPROTO }, /* full: looks empty to everybody else */
		{ 408, 0 }, /* nearly full */
		{ 856, 0 }, /* one packet */
		{ 4088, 0 },	  { 0, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ring_pair r;
		struct hvw_rx_packet packet = { .start = 0 };

		ring_pair_make(&r, 2, 0);
		put_commit(&r, 1, 416 - 24);
		put_commit(&r, 2, 416 - 24);
		take(&r, 1, 416 - 24);
		TAP_CHECK(!hvw_rx_release(&r.rx));
		take(&r, 2, 416 - 24);
		ring_pair_forge(&r, HVP_PACKET_INBAND, 2, 2, 24);
		r.control->write_index = cases[i].write;
		TAP_EQ(hvw_rx_next(&r.rx, &packet), cases[i].err);
		ring_pair_free(&r);
	}
}

/* What the consumer says about a forged descriptor in a ring that shows `bytes`. */
static int consumer_meets(uint32_t start, uint16_t offset8, uint16_t length8, uint32_t bytes)
{
	struct ring_pair r;
	struct hvw_rx_packet packet = { .start = 0 };
	struct hvw_rx before;
	int err;

	ring_pair_make(&r, 2, start);
	ring_pair_forge(&r, HVP_PACKET_INBAND, offset8, length8, bytes);
	err = hvw_rx_next(&r.rx, &packet);
	if (err) {
		before = r.rx;
		TAP_EQ(r.rx.read, start);
		TAP_CHECK(!hvw_rx_release(&r.rx));
		TAP_EQ(r.control->read_index, start);
		TAP_EQ(hvw_rx_next(&r.rx, &packet), -EPROTO);
		TAP_MEM_EQ(&r.rx, &before, sizeof(before));
	} else {
		TAP_EQ(packet.header_len, offset8 * 8);
		TAP_EQ(packet.payload_len, (length8 - offset8) * 8);
		TAP_EQ(r.rx.read, (start + length8 * 8 + 8) % 4096);
	}
	ring_pair_free(&r);
	return err;
}

TAP_TEST(a_header_shorter_than_the_descriptor_is_refused)
{
	for (uint32_t start = 4064; start < 4096; start += 8) {
		TAP_EQ(consumer_meets(start, 0, 4, 40), -EPROTO);
		TAP_EQ(consumer_meets(start, 1, 4, 40), -EPROTO);
		TAP_EQ(consumer_meets(start, 0, 0, 40), -EPROTO);
		TAP_EQ(consumer_meets(start, 2, 4, 40), 0);
	}
}

TAP_TEST(a_packet_shorter_than_its_header_is_refused)
{
	TAP_EQ(consumer_meets(8, 2, 1, 40), -EPROTO);
	TAP_EQ(consumer_meets(8, 2, 0, 40), -EPROTO);
	TAP_EQ(consumer_meets(8, 4, 3, 40), -EPROTO);
	TAP_EQ(consumer_meets(8, 0xffff, 4, 40), -EPROTO);
	TAP_EQ(consumer_meets(8, 4, 4, 40), 0);
}

TAP_TEST(a_packet_longer_than_what_is_there_is_refused)
{
	TAP_EQ(consumer_meets(4080, 2, 4, 40), 0);
	TAP_EQ(consumer_meets(4080, 2, 5, 40), -EPROTO); /* no room for its trailer */
	TAP_EQ(consumer_meets(4080, 2, 6, 40), -EPROTO);
	TAP_EQ(consumer_meets(4080, 2, 0xffff, 40), -EPROTO);
	TAP_EQ(consumer_meets(4080, 0xffff, 0xffff, 40), -EPROTO);
	TAP_EQ(consumer_meets(0, 2, 510, 4088), 0);
	TAP_EQ(consumer_meets(0, 2, 511, 4088), -EPROTO);
	TAP_EQ(consumer_meets(0, 2, 512, 4088), -EPROTO);
}

TAP_TEST(fewer_bytes_than_a_descriptor_and_a_trailer_are_refused)
{
	TAP_EQ(consumer_meets(0, 2, 2, 8), -EPROTO);
	TAP_EQ(consumer_meets(0, 2, 2, 16), -EPROTO);
	TAP_EQ(consumer_meets(0, 2, 2, 24), 0);
}

TAP_TEST(a_second_packet_is_checked_against_what_the_first_left)
{
	struct ring_pair r;
	struct hvw_rx_packet packet = { .start = 0 };

	ring_pair_make(&r, 2, 4072);
	ring_pair_forge(&r, HVP_PACKET_INBAND, 2, 4, 40);
	ring_pair_forge(&r, HVP_PACKET_INBAND, 2, 5, 40);
	TAP_EQ(hvw_rx_next(&r.rx, &packet), 0);
	TAP_EQ(hvw_rx_next(&r.rx, &packet), -EPROTO);
	/* The first can still be given back. */
	TAP_CHECK(!hvw_rx_release(&r.rx));
	TAP_EQ(r.control->read_index, 16);
	ring_pair_free(&r);
}

TAP_TEST(unknown_packet_types_and_flags_are_handed_on)
{
	struct ring_pair r;
	struct hvw_rx_packet packet = { .start = 0 };

	ring_pair_make(&r, 2, 0);
	ring_pair_forge(&r, 0xffff, 2, 3, 32);
	r.data[6] = 0xfe;
	r.data[7] = 0xff;
	TAP_EQ(hvw_rx_next(&r.rx, &packet), 0);
	TAP_EQ(packet.h.type, 0xffff);
	TAP_EQ(packet.h.flags, 0xfffe);
	TAP_EQ(packet.h.transaction_id, 0x1122334455667788);
	ring_pair_free(&r);
}

TAP_TEST(the_trailer_is_not_looked_at)
{
	struct ring_pair r;

	ring_pair_make(&r, 2, 0);
	put_commit(&r, 1, 8);
	memset(r.data + 24, 0xff, 8);
	take(&r, 1, 8);
	ring_pair_free(&r);
}

TAP_TEST(a_descriptor_changed_after_it_was_read_changes_nothing)
{
	struct ring_pair r;
	struct hvw_rx_packet packet = { .start = 0 };
	uint8_t got[16];

	ring_pair_make(&r, 2, 0);
	put_commit(&r, 1, 8);
	put_commit(&r, 2, 8);
	TAP_REQUIRE(hvw_rx_next(&r.rx, &packet) == 0);
	memset(r.data, 0xff, 16);
	TAP_EQ(packet.h.length8, 3);
	TAP_EQ(packet.payload_len, 8);
	TAP_EQ(hvw_rx_copy(&r.rx, &packet, 16, got, 9), -EPROTO);
	take(&r, 2, 8);
	ring_pair_free(&r);
}

TAP_TEST(a_copy_stays_inside_its_packet)
{
	for (uint32_t start = 4096 - 56; start < 4096; start += 8) {
		struct ring_pair r;
		struct hvw_rx_packet packet = { .start = 0 };

		ring_pair_make(&r, 2, start);
		put_commit(&r, 3, 24);
		TAP_REQUIRE(hvw_rx_next(&r.rx, &packet) == 0);
		for (uint32_t offset = 0; offset <= 48; offset++) {
			for (uint32_t len = 0; len <= 48; len++) {
				uint8_t got[48];
				int err = hvw_rx_copy(&r.rx, &packet, offset, got, len);

				TAP_EQ(err, offset + len <= 40 ? 0 : -EPROTO);
				if (!err && offset >= 16 && len)
					TAP_EQ(got[len - 1], pattern(3, offset + len - 17));
			}
		}
		TAP_EQ(hvw_rx_copy(&r.rx, &packet, 16, &packet, UINT32_MAX), -EPROTO);
		TAP_EQ(hvw_rx_copy(&r.rx, &packet, UINT32_MAX, &packet, 2), -EPROTO);
		TAP_EQ(hvw_rx_copy(&r.rx, &packet, 40, NULL, 0), 0);
		ring_pair_free(&r);
	}
}

/* --- at random ------------------------------------------------------------------------------- */

TAP_TEST(random_traffic_arrives_in_order_and_complete)
{
	static const unsigned page_counts[] = { 2, 3, 5, 17 };
	uint32_t lengths[4096];

	for (size_t p = 0; p < 4; p++) {
		struct ring_pair r;
		uint64_t sent = 0, taken = 0;

		ring_pair_make(&r, page_counts[p], (uint32_t)(tap_random() % 512) * 8);
		for (unsigned step = 0; step < 20000; step++) {
			uint32_t len = (uint32_t)(tap_random() % (tap_random() % 8 ? 200 : 3000));
			uint32_t room;
			int err;

			switch (tap_random() % 6) {
			case 0:
			case 1:
			case 2:
				/* What the producer must find, from the ends of both cursors */
				room = r.rx.published > r.tx.write ?
					       r.rx.published - r.tx.write :
					       r.rx.published + r.size - r.tx.write;
				err = put(&r, sent, len);
				TAP_EQ(err, room > hvw_packet_space(0, len) ? 0 : -EAGAIN);
				if (!err)
					lengths[sent++ % 4096] = len;
				break;
			case 3:
				(void)!hvw_tx_commit(&r.tx);
				break;
			case 4:
				while (r.rx.read != r.control->write_index && tap_random() % 8) {
					TAP_REQUIRE(take(&r, taken, lengths[taken % 4096]));
					taken++;
				}
				break;
			case 5:
				(void)!hvw_rx_release(&r.rx);
				break;
			}
		}
		(void)!hvw_tx_commit(&r.tx);
		for (; taken < sent; taken++)
			TAP_REQUIRE(take(&r, taken, lengths[taken % 4096]));
		expect_empty(&r);
		TAP_CHECK(sent > 1000);
		ring_pair_free(&r);
	}
}

TAP_MAIN()
