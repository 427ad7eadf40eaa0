/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The producer's half of a ring against a hostile consumer, who changes control page and data between any
 * two calls. The input is a list of actions, each a byte for the action and 4 bytes for its two arguments
 * (little-endian, 16 bits each).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz_target.h"
#include "hvw_ring.h"

#define RING_BYTES  (2u * HVP_PAGE_SIZE)
#define ACTION_SIZE 5u
#define PIECES_MAX  4u

enum action {
	PUT, /* arg1 bytes in pieces cut by arg2, type from arg2 */
	PUT_WITH_HEADER, /* the same, arg2 % 8 words of it header */
	COMMIT,
	SEND, /* arg1 bytes */
	WANT_SPACE, /* arg1 bytes */
	SET_READ_INDEX, /* arg1, or with bit 15 of arg2 an index that cannot be */
	READ_ON, /* an honest consumer takes arg1 bytes of what is published */
	SET_MASK, /* arg1 */
	SET_WRITE_INDEX, /* arg1: not the consumer's to write, and without effect */
	SET_WORD, /* the 16 bits arg2 at offset arg1 of the data */
	START_AT, /* begins anew with both indices at arg1 */
	ACTIONS
};

struct state {
	uint8_t *memory;
	struct hvp_ring_control *control;
	uint8_t *data;
	struct hvw_tx tx;
};

static const uint16_t types[] = {
#define PACKET_TYPE(number, name, header) number,
	HVP_PACKET_LIST(PACKET_TYPE)
#undef PACKET_TYPE
};
#define TYPES (sizeof(types) / sizeof(types[0]))

static unsigned put[TYPES], signals, full, too_long, refused_indices, refused_headers, wraps,
	withdrawn;

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* What holds after every call whatever the consumer did. */
static void check_half(const struct hvw_tx *tx)
{
	uint32_t batch = tx->write >= tx->published ? tx->write - tx->published :
						      tx->write + tx->size - tx->published;

	check(tx->size == RING_BYTES - HVP_PAGE_SIZE);
	check(tx->write < tx->size && tx->write % 8 == 0);
	check(tx->published < tx->size && tx->published % 8 == 0);
	check(tx->room && tx->room <= tx->size && tx->room % 8 == 0);
	check(batch + tx->room <= tx->size);
}

static uint64_t word_at(const struct state *s, uint32_t at)
{
	uint64_t word;

	memcpy(&word, s->data + at % s->tx.size, sizeof(word));
	return word;
}

/* The packet from `start` on, as it must stand in the ring behind a put. */
static void check_packet(const struct state *s, uint32_t start, uint32_t len, uint32_t header,
			 uint16_t type, const uint8_t *payload)
{
	uint32_t total = 16 + (len + 7) / 8 * 8;

	check(word_at(s, start) ==
	      ((uint64_t)(total / 8) << 32 | (uint64_t)((16 + header) / 8) << 16 | type));
	check(word_at(s, start + 8) == len);
	for (uint32_t i = 0; i < total - 16; i++)
		check(s->data[(start + 16 + i) % s->tx.size] == (i < len ? payload[i] : 0));
	check(word_at(s, start + total) == (uint64_t)start << 32);
	check(s->tx.write == (start + total + 8) % s->tx.size);
	wraps += start + total > s->tx.size;
}

static void put_packet(struct state *s, uint16_t arg1, uint16_t arg2, uint32_t header)
{
	struct hvw_tx before = s->tx;
	uint8_t *payload = malloc(arg1 ? arg1 : 1);
	struct hvw_piece pieces[PIECES_MAX];
	uint32_t cut = 0, type = arg2 % TYPES;
	int err;

	if (!payload)
		return;
	memset(payload, arg2 | 1, arg1);
	for (unsigned i = 0; i < PIECES_MAX; i++) {
		uint32_t len = i == PIECES_MAX - 1 ? arg1 - cut : (arg1 - cut) * (arg2 % 7) / 7;

		pieces[i] = (struct hvw_piece){ payload + cut, len };
		cut += len;
	}
	err = hvw_tx_put(&s->tx, types[type], 0, arg1, header, pieces, PIECES_MAX);
	if (!err) {
		check(header <= arg1);
		check_packet(s, before.write, arg1, header, types[type], payload);
		withdrawn += before.pending && !s->tx.pending;
		put[type]++;
	} else {
		check(s->tx.write == before.write && s->tx.published == before.published);
		check((err == -EINVAL) == (header > arg1));
		check(err != -EMSGSIZE || hvw_packet_space(0, arg1) >= s->tx.size);
		full += err == -EAGAIN;
		too_long += err == -EMSGSIZE;
		refused_indices += err == -EPROTO;
		refused_headers += err == -EINVAL;
	}
	free(payload);
}

static void commit(struct state *s)
{
	bool changes = s->tx.published != s->tx.write;

	signals += hvw_tx_commit(&s->tx);
	check(s->tx.published == s->tx.write);
	check(!changes || s->control->write_index == s->tx.write);
}

static void send_packet(struct state *s, uint16_t len)
{
	uint8_t *payload = calloc(1, len ? len : 1);
	bool signal = false;

	if (!payload)
		return;
	if (hvw_tx_send(&s->tx, 0, 1, payload, len, &signal) == 0)
		check(s->tx.published == s->tx.write);
	else
		check(!signal);
	signals += signal;
	free(payload);
}

static void want_space(struct state *s, uint16_t need)
{
	int err = hvw_tx_want_space(&s->tx, need);

	check(err == 0 || err == -EAGAIN || err == -EPROTO || err == -EMSGSIZE);
	check((err == -EMSGSIZE) == (need >= s->tx.size));
	if (err == -EAGAIN)
		check(s->control->pending_send_size == need && s->tx.room <= need);
	if (err == 0)
		check(s->control->pending_send_size == 0);
}

static void read_on(struct state *s, uint16_t bytes)
{
	uint32_t read = s->control->read_index;
	uint32_t there = (s->tx.published + s->tx.size - read % s->tx.size) % s->tx.size;

	if (read < s->tx.size && read % 8 == 0)
		s->control->read_index =
			(read + (bytes < there ? bytes & ~7u : there)) % s->tx.size;
}

static void start_at(struct state *s, uint16_t index)
{
	memset(s->control, 0, sizeof(*s->control));
	s->control->write_index = s->control->read_index = index;
	if (hvw_tx_init(&s->tx, s->control, RING_BYTES)) {
		refused_indices++;
		s->control->write_index = s->control->read_index = 0;
		check(hvw_tx_init(&s->tx, s->control, RING_BYTES) == 0);
	}
}

static void act(struct state *s, enum action action, uint16_t arg1, uint16_t arg2)
{
	switch (action) {
	case PUT:
		put_packet(s, arg1, arg2, 0);
		break;
	case PUT_WITH_HEADER:
		put_packet(s, arg1, arg2, arg2 % 8 * 8);
		break;
	case COMMIT:
		commit(s);
		break;
	case SEND:
		send_packet(s, arg1);
		break;
	case WANT_SPACE:
		want_space(s, arg1);
		break;
	case SET_READ_INDEX:
		s->control->read_index = arg2 & 0x8000 ? 0xffff0000u | arg1 : arg1;
		break;
	case READ_ON:
		read_on(s, arg1);
		break;
	case SET_MASK:
		s->control->interrupt_mask = arg1;
		break;
	case SET_WRITE_INDEX:
		s->control->write_index = arg1;
		break;
	case SET_WORD:
		s->data[arg1 % s->tx.size] = (uint8_t)arg2;
		s->data[(arg1 + 1u) % s->tx.size] = (uint8_t)(arg2 >> 8);
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
	memset(s.memory, 0, RING_BYTES);
	start_at(&s, 0);
	for (; len >= ACTION_SIZE; data += ACTION_SIZE, len -= ACTION_SIZE) {
		act(&s, data[0] % ACTIONS, (uint16_t)(data[1] | data[2] << 8),
		    (uint16_t)(data[3] | data[4] << 8));
		check_half(&s.tx);
	}
	free(s.memory);
	return 0;
}

int fuzz_corpus_complete(void)
{
	int missing = !signals + !full + !too_long + !refused_indices + !refused_headers + !wraps +
		      !withdrawn;

	if (missing)
		printf("# signals %u, full %u, too long %u, refused indices %u, refused headers %u, "
		       "wraps %u, withdrawn %u\n",
		       signals, full, too_long, refused_indices, refused_headers, wraps, withdrawn);
	for (size_t i = 0; i < TYPES; i++) {
		if (!put[i]) {
			printf("# never put: packet type %u\n", types[i]);
			missing++;
		}
	}
	return missing;
}
