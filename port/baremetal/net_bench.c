/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A network device that measures: what the driver core takes for a frame with nothing above it.
 *
 * Command line: bench=ROW:COUNT, and ROW is
 *   send  so many frames of 64 bytes, each for itself, to a host that drops them
 *   rows  the same, with rows of 64 of which all but the last say that another one follows
 *   turn  one, and when it has come back the next; the host sends them back
 */
#include <hvg/hvg_netif.h>

#include "bm.h"
#include "hvw_shared.h"

#define FRAME_BYTES 64u
#define ROW	    64u
#define WINDOW	    128u /* on their way at once */
#define WAIT_MS	    10000u
#define SETTLE_MS   1000u /* in which whoever counts beside us can look */

static struct {
	struct hvg_net_port *nic;
	struct hvos_shared memory;
	struct hvg_netif_packet packets[WINDOW];
	struct hvg_netif_piece pieces[WINDOW];
	uint32_t out[WINDOW]; /* (a) */
	struct hvos_event moved; /* something came back */
	unsigned long received; /* (a) */
} bench;

static uint64_t ticks(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

/* --- the device ------------------------------------------------------------------------------------------- */

static void received(struct hvg_net_port *nic, unsigned queue, const struct hvg_net_rx *rx)
{
	(void)nic;
	(void)queue;
	if (rx->len == FRAME_BYTES)
		__atomic_fetch_add(&bench.received, 1, __ATOMIC_RELAXED);
	hvos_event_set(&bench.moved);
}

static void done(struct hvg_net_port *nic, struct hvg_netif_packet *packet)
{
	(void)nic;
	__atomic_store_n(&bench.out[packet - bench.packets], 0, __ATOMIC_RELEASE);
	hvos_event_set(&bench.moved);
}

static void room(struct hvg_net_port *nic, unsigned queue)
{
	(void)nic;
	(void)queue;
	hvos_event_set(&bench.moved);
}

/* All frames are the same, to somebody else's address. */
static void make_packets(const uint8_t *mac)
{
	uint8_t *bytes = bench.memory.base;

	bytes[0] = 0x02;
	hvw_memcpy(bytes + 6, mac, HVG_NET_MAC_BYTES);
	for (unsigned i = 0; i < WINDOW; i++) {
		bench.pieces[i].data = bytes;
		bench.pieces[i].gpa = hvos_shared_gpn(&bench.memory, 0) << HVP_PAGE_SHIFT;
		bench.pieces[i].len = FRAME_BYTES;
		bench.packets[i].frame.len = FRAME_BYTES;
		bench.packets[i].pieces = &bench.pieces[i];
		bench.packets[i].piece_count = 1;
	}
}

static void attached(struct hvg_net_port *nic)
{
	int err;

	if (bench.nic || hvos_shared_alloc(&bench.memory, 1))
		return;
	make_packets(hvg_net_info(nic->net)->mac);
	hvg_netif_lock(nic);
	err = hvg_netif_up(nic);
	hvg_netif_unlock(nic);
	if (err)
		bm_printf("network: it does not open: error %d\n", -err);
	else
		bench.nic = nic;
}

static void detached(struct hvg_net_port *nic)
{
	if (nic != bench.nic)
		return;
	hvg_netif_lock(nic);
	hvg_net_detach(nic->net);
	hvg_netif_unlock(nic);
	bench.nic = NULL;
	(void)!hvos_shared_free(&bench.memory);
}

static const struct hvg_netif_ops ops = {
	.attached = attached,
	.detached = detached,
	.received = received,
	.done = done,
	.room = room,
};

static int attach(struct hvg_device *device)
{
	const struct hvg_net_config config = {
		.mtu = HVG_NET_MTU_DEFAULT,
		.queues = 1,
		.ring_pages = HVG_NET_RING_PAGES,
		.receive_bytes = 2u << 20,
		.send_bytes = HVG_NET_SEND_BYTES,
		.version_max = HVP_NVSP_6_1,
	};

	return hvg_netif_attach(device, &config, &ops, NULL);
}

const struct hvg_driver bm_net_bench_driver = {
	.name = "network bench",
	.class_id = HVP_CLASS_NETWORK,
	.attach = attach,
	.detach = hvg_netif_detach,
	.subchannel = hvg_netif_subchannel,
	.subchannel_gone = hvg_netif_subchannel_gone,
	.suspend = hvg_netif_suspend,
	.resume = hvg_netif_resume,
};

/* --- measuring -------------------------------------------------------------------------------------------- */

/* False: nothing moves any more. */
static bool wait_moved(void)
{
	hvg_netif_flush(bench.nic, 0);
	return !hvos_event_wait(&bench.moved, WAIT_MS);
}

static bool send_one(unsigned place, bool more)
{
	for (;;) {
		hvos_event_reset(&bench.moved);
		if (!__atomic_load_n(&bench.out[place], __ATOMIC_ACQUIRE)) {
			int err;

			bench.out[place] = 1;
			err = hvg_netif_send(bench.nic, 0, &bench.packets[place], more);
			if (!err)
				return true;
			bench.out[place] = 0;
			if (err != -EAGAIN)
				return false;
		}
		if (!wait_moved())
			return false;
	}
}

static bool send_all(unsigned count, unsigned row)
{
	unsigned i;

	for (i = 0; i < count; i++)
		if (!send_one(i % WINDOW, (i + 1) % row && i + 1 < count))
			return false;
	/* It counts what has left. */
	for (i = 0; i < WINDOW; i++) {
		hvos_event_reset(&bench.moved);
		while (__atomic_load_n(&bench.out[i], __ATOMIC_ACQUIRE)) {
			if (!wait_moved())
				return false;
			hvos_event_reset(&bench.moved);
		}
	}
	return true;
}

static bool take_turns(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (!send_one(0, false))
			return false;
		while (__atomic_load_n(&bench.received, __ATOMIC_RELAXED) <= i) {
			if (!wait_moved())
				return false;
			hvos_event_reset(&bench.moved);
		}
	}
	return true;
}

void bm_net_bench(void)
{
	char text[32];
	const char *at = text;
	unsigned count = 0;
	uint64_t begin;
	bool good;

	if (!bm_option("bench", text, sizeof(text)) || !bench.nic)
		return;
	while (*at && *at++ != ':')
		;
	while (*at >= '0' && *at <= '9')
		count = count * 10 + (unsigned)(*at++ - '0');
	bm_printf("bench: begins\n");
	hvos_sleep_ms(SETTLE_MS);
	begin = ticks();
	if (text[0] == 't')
		good = take_turns(count);
	else
		good = send_all(count, text[0] == 'r' ? ROW : 1);
	begin = ticks() - begin;
	if (good)
		bm_printf("bench: took %lu\n", begin);
	else
		bm_printf("bench: failed\n");
}
