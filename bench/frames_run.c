/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * One measurement of the guest core's network on port/user, against the NIC of libhvis-host in the same process, for
 * bench/frames:
 *
 *   frames_run out LEN FRAMES BATCH   so many frames from the guest to a back end that drops them; with each BATCH the sender
 *                                     says that no more follow
 *   frames_run in LEN FRAMES BATCH    so many from a back end, in rows of BATCH, to a guest that counts them
 *
 * Prints nanoseconds for each, from before the first to after the last.
 */
#include <hvh/hvh_net.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "fuzz/threaded_host.h"
#include "hvg/hvg_bus.h"
#include "hvg/hvg_netif.h"
#include "hvp_nvsp.h"

#define PACKETS 512u /* on their way at once */
/* When each goes alone: fewer than there are sections to copy them to. */
#define ALONE	  128u
#define BYTES_MAX 2048u
#define PER_PAGE  (HVP_PAGE_SIZE / BYTES_MAX)
#define WAIT_MS	  60000u

static const uint8_t guest_mac[] = { 0x00, 0x15, 0x5d, 1, 2, 3 };

static struct {
	struct hvg_netif_packet packets[PACKETS];
	struct hvg_netif_piece pieces[PACKETS];
	bool out[PACKETS]; /* (a) on its way */
	unsigned waited; /* (a) for that to come back; PACKETS: for none */
	struct hvos_shared memory;
	struct hvg_net_port *nic; /* (a) */
	struct hvos_event go_on; /* a packet has come back, or there is room; or all have come */
	uint32_t len, batch, window;
	uint64_t count, taken, received; /* (a) */
	uint8_t frame[BYTES_MAX]; /* the back end's */
} w;

/* --- the back end ----------------------------------------------------------------------------------------- */

static int on_send(void *ctx, unsigned queue, const struct iovec *iov, unsigned iovs,
		   const struct hvh_net_meta *meta)
{
	uint32_t len = 0;

	(void)ctx;
	(void)queue;
	(void)meta;
	for (unsigned i = 0; i < iovs; i++)
		len += (uint32_t)iov[i].iov_len;
	if (len != w.len)
		bench_fail("a frame of %u bytes", len);
	__atomic_fetch_add(&w.taken, 1, __ATOMIC_RELAXED);
	return 0;
}

/* A row of frames, as far as there is room. */
static void push(struct hvh_device *device, void *ctx)
{
	const struct iovec iov = { w.frame, w.len };

	(void)ctx;
	for (uint32_t i = 0; i < w.batch && w.taken < w.count; i++, w.taken++)
		if (hvh_net_receive(device, 0, &iov, 1, NULL) == -EAGAIN)
			break;
	hvh_net_flush(device, 0);
}

static struct hvh_device *create_nic(void *ctx)
{
	static const struct hvh_net_backend backend = { .send = on_send };
	struct hvh_net_config config = { .queues_max = 1, .bits_per_second = 10000000000 };
	struct hvh_device *device = NULL;

	(void)ctx;
	memcpy(config.mac, guest_mac, sizeof(guest_mac));
	if (hvh_net_create(&config, &backend, NULL, &device))
		bench_fail("no NIC");
	return device;
}

/* --- the guest --------------------------------------------------------------------------------------------- */

static void on_attached(struct hvg_net_port *nic)
{
	__atomic_store_n(&w.nic, nic, __ATOMIC_RELEASE);
	hvos_event_set(&w.go_on);
}

static void on_received(struct hvg_net_port *nic, unsigned queue, const struct hvg_net_rx *rx)
{
	(void)nic;
	(void)queue;
	if (rx->len != w.len)
		bench_fail("received %u bytes", rx->len);
	if (__atomic_add_fetch(&w.received, 1, __ATOMIC_RELAXED) == w.count)
		hvos_event_set(&w.go_on);
}

static void on_done(struct hvg_net_port *nic, struct hvg_netif_packet *packet)
{
	const unsigned place = (unsigned)(packet - w.packets);

	(void)nic;
	__atomic_store_n(&w.out[place], false, __ATOMIC_SEQ_CST);
	if (place == __atomic_load_n(&w.waited, __ATOMIC_SEQ_CST))
		hvos_event_set(&w.go_on);
}

static void on_room(struct hvg_net_port *nic, unsigned queue)
{
	(void)nic;
	(void)queue;
	hvos_event_set(&w.go_on);
}

static const struct hvg_netif_ops ops = {
	.attached = on_attached,
	.received = on_received,
	.done = on_done,
	.room = on_room,
};

static int nic_attach(struct hvg_device *device)
{
	const struct hvg_net_config config = {
		.mtu = HVG_NET_MTU_DEFAULT,
		.queues = 1,
		.ring_pages = HVG_NET_RING_PAGES,
		.receive_bytes = HVG_NET_RECEIVE_BYTES,
		.send_bytes = HVG_NET_SEND_BYTES,
		.version_max = HVP_NVSP_6_1,
	};

	return hvg_netif_attach(device, &config, &ops, NULL);
}

static const struct hvg_driver nic_driver = {
	.name = "network",
	.class_id = HVP_CLASS_NETWORK,
	.attach = nic_attach,
	.detach = hvg_netif_detach,
	.subchannel = hvg_netif_subchannel,
	.subchannel_gone = hvg_netif_subchannel_gone,
};

static void make_packets(void)
{
	if (hvos_shared_alloc(&w.memory, PACKETS / PER_PAGE))
		bench_fail("no memory");
	for (unsigned i = 0; i < PACKETS; i++) {
		uint8_t *bytes = (uint8_t *)w.memory.base + (size_t)i * BYTES_MAX;

		memcpy(bytes, "\x52\x55\x0a\x00\x02\x02", 6);
		memcpy(bytes + 6, guest_mac, 6);
		w.pieces[i] = (struct hvg_netif_piece){
			bytes,
			(hvos_shared_gpn(&w.memory, i / PER_PAGE) << HVP_PAGE_SHIFT) +
				i % PER_PAGE * BYTES_MAX,
			w.len,
		};
		w.packets[i] = (struct hvg_netif_packet){
			.frame = { .len = w.len },
			.pieces = &w.pieces[i],
			.piece_count = 1,
		};
	}
}

/* --- measurements ------------------------------------------------------------------------------------------ */

static void wait_for(void)
{
	if (hvos_event_wait(&w.go_on, WAIT_MS))
		bench_fail("it stands still at %llu", (unsigned long long)w.taken);
}

/* The oldest is still on its way: until about half of all have come back, so that waking up counts for little. */
static void wait_for_half(unsigned next)
{
	unsigned place = next + w.window / 2;

	hvg_netif_flush(w.nic, 0);
	hvos_event_reset(&w.go_on);
	/* Of those that go in one packet the last alone stays out. */
	while (place != next && !__atomic_load_n(&w.out[place % w.window], __ATOMIC_ACQUIRE))
		place--;
	place %= w.window;
	__atomic_store_n(&w.waited, place, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&w.out[place], __ATOMIC_SEQ_CST))
		wait_for();
	__atomic_store_n(&w.waited, PACKETS, __ATOMIC_RELAXED);
}

static void send_all(void)
{
	uint64_t sent = 0;

	while (sent < w.count) {
		const unsigned next = sent % w.window;
		int err;

		if (__atomic_load_n(&w.out[next], __ATOMIC_ACQUIRE)) {
			wait_for_half(next);
			continue;
		}
		hvos_event_reset(&w.go_on);
		__atomic_store_n(&w.out[next], true, __ATOMIC_RELAXED);
		err = hvg_netif_send(w.nic, 0, &w.packets[next],
				     (sent + 1) % w.batch && sent + 1 < w.count);
		if (!err) {
			sent++;
			continue;
		}
		if (err != -EAGAIN)
			bench_fail("send: error %d", -err);
		__atomic_store_n(&w.out[next], false, __ATOMIC_RELAXED);
		wait_for();
	}
	while (__atomic_load_n(&w.taken, __ATOMIC_RELAXED) < w.count)
		hvos_sleep_ms(1);
}

static void receive_all(struct threaded_host *host)
{
	hvos_event_reset(&w.go_on);
	while (w.taken < w.count)
		threaded_host_call(host, push, NULL);
	wait_for();
}

static void measure(bool out)
{
	static const struct hvg_driver *const drivers[] = { &nic_driver };
	const struct threaded_host_config host_config = {
		.cpus = 2,
		.version_max = HVP_VERSION_5_3,
		.ram_bytes = 32u << 20,
		.own_create = create_nic,
		.own_destroy = hvh_net_destroy,
	};
	const struct hvg_bus_config bus_config = {
		.os_id = 1ull << 63,
		.version_max = HVP_VERSION_5_3,
		.drivers = drivers,
		.driver_count = 1,
	};
	struct user_config user = { 0 };
	struct threaded_host *host = threaded_host_create(&host_config, &user);
	struct hvg_bus *bus;
	uint64_t begin;
	int err;

	if (user_start(&user))
		bench_fail("no threads");
	hvos_event_init(&w.go_on);
	make_packets();
	w.waited = PACKETS;
	w.window = w.batch > 1 ? PACKETS : ALONE;
	if (hvg_bus_start(&bus_config, &bus))
		bench_fail("the bus does not start");
	wait_for();
	hvg_netif_lock(w.nic);
	err = hvg_netif_up(w.nic);
	hvg_netif_unlock(w.nic);
	if (err)
		bench_fail("the NIC does not open: error %d", -err);
	memcpy(w.frame, guest_mac, sizeof(guest_mac));
	begin = bench_now_ns();
	if (out)
		send_all();
	else
		receive_all(host);
	printf("%.1f\n", (double)(bench_now_ns() - begin) / (double)w.count);
	hvg_bus_stop(bus);
	(void)!hvos_shared_free(&w.memory);
	threaded_host_stop(host);
	hvos_event_fini(&w.go_on);
	if (user_stop() || threaded_host_destroy(host))
		bench_fail("something is left");
}

int main(int argc, char **argv)
{
	const bool out = argc == 5 && !strcmp(argv[1], "out");

	if (argc == 5) {
		w.len = (uint32_t)strtoul(argv[2], NULL, 10);
		w.count = strtoull(argv[3], NULL, 10);
		w.batch = (uint32_t)strtoul(argv[4], NULL, 10);
	}
	if ((!out && (argc != 5 || strcmp(argv[1], "in"))) || w.len < HVG_NET_ETHERNET ||
	    w.len > HVG_NET_MTU_DEFAULT + HVG_NET_ETHERNET || !w.count || !w.batch)
		bench_fail("usage: frames_run out|in LEN FRAMES BATCH");
	measure(out);
	return 0;
}
