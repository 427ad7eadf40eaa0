/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The consumer's half of a ring against a hostile producer, who changes control page and data between
 * any two calls. The input is a list of actions, each a byte for the action and 4 bytes for its two
 * arguments (little-endian, 16 bits each). READ_ actions are the consumer's, all others the producer's.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz_target.h"
#include "hvw_pkt.h"
#include "hvw_ring.h"

#define RING_BYTES  (3u * HVP_PAGE_SIZE)
#define ACTION_SIZE 5u
#define TYPES	    32

enum action {
	READ_NEXT, /* and copy arg1 bytes from offset arg2 of what was found */
	READ_RELEASE,
	READ_MASK,
	READ_UNMASK,
	SET_WRITE_INDEX, /* arg1, or with bit 15 of arg2 an index that cannot be */
	SET_PENDING, /* arg1 */
	SET_FEATURES, /* arg1 */
	SET_READ_INDEX, /* arg1: not the producer's to write, and without effect */
	SET_WORD, /* the 16 bits arg2 at offset arg1 of the data */
	PUT_DESCRIPTOR, /* at the write index: type arg1 % 16, header arg1 / 16 % 16, length arg2 */
	PUT_RANGES, /* behind the last descriptor: arg1 ranges of arg2 bytes */
	PUBLISH, /* moves the write index on by arg1 */
	START_AT, /* begins anew with both indices at arg1 */
	ACTIONS
};

struct state {
	uint8_t *memory;
	struct hvp_ring_control *control;
	uint8_t *data;
	struct hvw_rx rx;
	uint32_t descriptor; /* where the last one was put */
};

static unsigned taken[TYPES], refused_indices, refused_headers, wraps, space_signals, ranges_walked;

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* What holds after every call whatever the producer did. */
static void check_half(const struct hvw_rx *rx)
{
	uint32_t held = rx->read >= rx->published ? rx->read - rx->published :
						    rx->read + rx->size - rx->published;

	check(rx->size == RING_BYTES - HVP_PAGE_SIZE);
	check(rx->read < rx->size && rx->read % 8 == 0);
	check(rx->published < rx->size && rx->published % 8 == 0);
	check(rx->filled < rx->size && rx->filled % 8 == 0 && held + rx->filled < rx->size);
}

static void poke16(struct state *s, uint32_t at, uint16_t value)
{
	s->data[at % s->rx.size] = (uint8_t)value;
	s->data[(at + 1) % s->rx.size] = (uint8_t)(value >> 8);
}

static void poke32(struct state *s, uint32_t at, uint32_t value)
{
	poke16(s, at, (uint16_t)value);
	poke16(s, at + 2, (uint16_t)(value >> 16));
}

/* As a device does: the header to private memory, then its ranges. */
static void walk_ranges(const struct state *s, const struct hvw_rx_packet *packet)
{
	struct hvp_gpa_direct direct;
	struct hvw_gpa_iter iter;
	struct hvw_gpa_range range;
	uint8_t *header;

	if (packet->header_len < sizeof(struct hvp_packet) + sizeof(direct))
		return;
	header = malloc(packet->header_len);
	if (!header)
		return;
	check(hvw_rx_copy(&s->rx, packet, 0, header, packet->header_len) == 0);
	memcpy(&direct, header + sizeof(struct hvp_packet), sizeof(direct));
	hvw_gpa_iter_init(&iter, header + 24, packet->header_len - 24, direct.range_count);
	while (!hvw_gpa_iter_next(&iter, &range))
		for (uint32_t page = 0; page < range.page_count; page++, ranges_walked++)
			(void)hvw_gpa_page(&range, page);
	free(header);
}

static void take_packet(struct state *s, uint16_t len, uint16_t offset)
{
	struct hvw_rx before = s->rx;
	struct hvw_rx_packet packet = { .start = 0 };
	uint8_t *copy;
	uint32_t whole;
	int err = hvw_rx_next(&s->rx, &packet);

	check(err == 0 || err == -EAGAIN || err == -EPROTO);
	if (err) {
		refused_indices += err == -EPROTO && s->rx.filled == 0;
		refused_headers += err == -EPROTO && s->rx.filled != 0;
		check(s->rx.read == before.read && s->rx.published == before.published);
		return;
	}
	whole = packet.header_len + packet.payload_len;
	check(packet.start == before.read && packet.header_len >= sizeof(struct hvp_packet));
	check(whole + HVP_PACKET_TRAILER < s->rx.size);
	check(whole == packet.h.length8 * 8u && packet.header_len == packet.h.offset8 * 8u);
	wraps += packet.start + whole > s->rx.size;
	if (packet.h.type < TYPES)
		taken[packet.h.type]++;
	copy = malloc(whole);
	if (copy) {
		check(hvw_rx_copy(&s->rx, &packet, 0, copy, whole) == 0);
		check(hvw_rx_copy(&s->rx, &packet, 0, copy, whole + 1) == -EPROTO);
		check(hvw_rx_copy(&s->rx, &packet, offset, copy, len) ==
		      (offset <= whole && len <= whole - offset ? 0 : -EPROTO));
		free(copy);
	}
	if (packet.h.type == HVP_PACKET_GPA_DIRECT)
		walk_ranges(s, &packet);
}

static void release(struct state *s)
{
	bool changes = s->rx.read != s->rx.published;

	space_signals += hvw_rx_release(&s->rx);
	check(s->rx.published == s->rx.read);
	check(!changes || s->control->read_index == s->rx.read);
}

static void put_descriptor(struct state *s, uint16_t arg1, uint16_t arg2)
{
	uint32_t at = s->control->write_index % s->rx.size;

	s->descriptor = at;
	poke16(s, at, arg1 % 16);
	poke16(s, at + 2, arg1 / 16 % 16);
	poke16(s, at + 4, arg2);
	poke16(s, at + 6, arg1 >> 8);
}

static void put_ranges(struct state *s, uint16_t arg1, uint16_t arg2)
{
	uint32_t at = s->descriptor + sizeof(struct hvp_packet);

	poke32(s, at, 0);
	poke32(s, at + 4, arg1);
	for (unsigned i = 0; i < arg1 % 8u; i++) {
		poke32(s, at + 8 + 16 * i, arg2);
		poke32(s, at + 12 + 16 * i, 0);
	}
}

static void start_at(struct state *s, uint16_t index)
{
	memset(s->control, 0, sizeof(*s->control));
	s->control->write_index = s->control->read_index = index;
	if (hvw_rx_init(&s->rx, s->control, RING_BYTES)) {
		refused_indices++;
		s->control->write_index = s->control->read_index = 0;
		check(hvw_rx_init(&s->rx, s->control, RING_BYTES) == 0);
	}
}

static void act(struct state *s, enum action action, uint16_t arg1, uint16_t arg2)
{
	switch (action) {
	case READ_NEXT:
		take_packet(s, arg1, arg2);
		break;
	case READ_RELEASE:
		release(s);
		break;
	case READ_MASK:
		hvw_rx_mask(&s->rx);
		check(s->control->interrupt_mask != 0);
		break;
	case READ_UNMASK:
		check(hvw_rx_unmask(&s->rx) == (s->control->write_index != s->rx.read));
		check(s->control->interrupt_mask == 0);
		break;
	case SET_WRITE_INDEX:
		s->control->write_index = arg2 & 0x8000 ? 0xffff0000u | arg1 : arg1;
		break;
	case SET_PENDING:
		s->control->pending_send_size = arg1;
		break;
	case SET_FEATURES:
		s->control->features = arg1;
		break;
	case SET_READ_INDEX:
		s->control->read_index = arg1;
		break;
	case SET_WORD:
		poke16(s, arg1, arg2);
		break;
	case PUT_DESCRIPTOR:
		put_descriptor(s, arg1, arg2);
		break;
	case PUT_RANGES:
		put_ranges(s, arg1, arg2);
		break;
	case PUBLISH:
		s->control->write_index = (s->control->write_index + arg1) % s->rx.size;
		break;
	case START_AT:
		start_at(s, arg1);
		break;
	case ACTIONS:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct state s;

	s.memory = aligned_alloc(HVP_PAGE_SIZE, RING_BYTES);
	if (!s.memory)
		return 0;
	s.control = (struct hvp_ring_control *)s.memory;
	s.data = s.memory + HVP_PAGE_SIZE;
	s.descriptor = 0;
	memset(s.memory, 0, RING_BYTES);
	start_at(&s, 0);
	for (; len >= ACTION_SIZE; data += ACTION_SIZE, len -= ACTION_SIZE) {
		act(&s, data[0] % ACTIONS, (uint16_t)(data[1] | data[2] << 8),
		    (uint16_t)(data[3] | data[4] << 8));
		check_half(&s.rx);
	}
	free(s.memory);
	return 0;
}

int fuzz_corpus_complete(void)
{
	int missing =
		!refused_indices + !refused_headers + !wraps + !space_signals + !ranges_walked;

	if (missing)
		printf("# refused indices %u, refused headers %u, wraps %u, space signals %u, "
		       "ranges %u\n",
		       refused_indices, refused_headers, wraps, space_signals, ranges_walked);
#define CHECK_TAKEN(number, name, header)                                                          \
	if (!taken[number]) {                                                                      \
		printf("# never taken: " #name "\n");                                              \
		missing++;                                                                         \
	}
	HVP_PACKET_LIST(CHECK_TAKEN)
#undef CHECK_TAKEN
	return missing;
}
