/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Our ring. One message is: size, room and header checked; descriptor, payload and trailer written;
 * write index published with a full barrier; mask and read index loaded for the signal decision. Then:
 * write index loaded and checked, descriptor loaded once and checked, payload copied out with a check
 * of its place; read index published with a full barrier, pending size looked at for the space signal.
 */
#include "hvw_ring.h"

#include "ring_loop.inc"

/* In reality the halves lie in different address spaces: they share no cache line. */
static struct {
	struct hvw_tx tx;
} producer __attribute__((aligned(128)));

static struct {
	struct hvw_rx rx;
	uint64_t space_signals;
} consumer __attribute__((aligned(128)));

RING_INLINE int side_send(const void *payload, uint32_t len, uint64_t id, bool *signal)
{
	return hvw_tx_send(&producer.tx, 0, id, payload, len, signal);
}

/* Everything of a receive but giving the space back. */
RING_INLINE int take(void *payload, uint32_t size, uint32_t *len, uint64_t *id)
{
	struct hvw_rx_packet packet;
	int err = hvw_rx_next(&consumer.rx, &packet);

	if (err)
		return err;
	if (packet.payload_len > size)
		return -EMSGSIZE;
	*len = packet.payload_len;
	*id = packet.h.transaction_id;
	return hvw_rx_copy(&consumer.rx, &packet, packet.header_len, payload, packet.payload_len);
}

RING_INLINE int side_recv(void *payload, uint32_t size, uint32_t *len, uint64_t *id)
{
	int err = take(payload, size, len, id);

	if (!err && hvw_rx_release(&consumer.rx))
		consumer.space_signals++;
	return err;
}

static void open_ring(void *memory, size_t bytes)
{
	if (hvw_tx_init(&producer.tx, memory, bytes) || hvw_rx_init(&consumer.rx, memory, bytes))
		bench_fail("hvis: no ring in %zu bytes", bytes);
}

RING_HOT uint64_t ring_hvis_run_batched(const struct ring_load *load, unsigned batch)
{
	static uint8_t received[RING_MAX_PAYLOAD] __attribute__((aligned(64)));
	uint64_t signals = 0, first, i;

	for (first = 1; first <= load->messages; first += batch) {
		for (i = first; i < first + batch; i++) {
			struct hvw_piece piece = { loop_payload(load, i), load->len };
			int err = hvw_tx_put(&producer.tx, HVP_PACKET_INBAND, 0, i, 0, &piece, 1);

			if (err)
				bench_fail("put: error %d", err);
		}
		signals += hvw_tx_commit(&producer.tx);
		for (i = first; i < first + batch; i++) {
			uint32_t len;
			uint64_t id;
			int err = take(received, sizeof(received), &len, &id);

			if (err)
				bench_fail("take: error %d", err);
			loop_check(load, received, len, id, i);
		}
		consumer.space_signals += hvw_rx_release(&consumer.rx);
	}
	return signals;
}

const struct ring_side ring_side_hvis = {
	.name = "hvis",
	.open = open_ring,
	.send = send_one,
	.recv = recv_one,
	.run_alone = run_alone,
	.run_producer = run_producer,
	.run_consumer = run_consumer,
};
