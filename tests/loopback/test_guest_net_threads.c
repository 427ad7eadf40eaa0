/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Both ends of the network against each other with real threads: four send TCP streams by the guest's queues, and a back end
 * on the host's loop checks every byte and sends it back, to be checked again. What the host may do for a frame is
 * left to it or not; the back end is often not ready, the rings are short, and the NIC has faults on purpose.
 *
 * HVIS_MEBIBYTES: how much goes each way at least, 8 unless given; HVIS_TEST_SEED.
 */
#include <hvh/hvh_net.h>
#include <pthread.h>

#include "fuzz/tcp_flow.h"
#include "fuzz/threaded_host.h"
#include "hvg/hvg_bus.h"
#include "hvg/hvg_netif.h"
#include "hvp_ndis.h"
#include "hvp_nvsp.h"
#include "tap.h"
#include "tests/loopback/threads.h"

#define SENDERS	     4u /* and flows, and queues */
#define PACKETS	     16u /* of each sender */
#define PACKET_PAGES 4u
#define SEND_MAX     9000u
#define FIFO	     2048u
#define FIFO_MANY    1000u
#define FRAME_MAX    66000u
#define RAM	     (16u << 20)
#define WAIT_MS	     60000u
#define OS_ID	     0x8100000000000000ull

static const uint8_t guest_mac[] = { 0x00, 0x15, 0x5d, 1, 2, 3 };
static const uint8_t peer_mac[] = { 0x52, 0x55, 10, 0, 2, 2 };

struct sender {
	struct tcp_flow made; /* (s) its thread's */
	uint64_t random; /* (s) */
	struct hvg_netif_packet packets[PACKETS]; /* (s) while it is not out */
	struct hvg_netif_piece pieces[PACKETS];
	bool out[PACKETS]; /* (a) */
	struct hvos_shared memory;
	uint64_t bytes; /* (s) */
	unsigned cut; /* (s) */
	struct tcp_flow out_check; /* (h) the host's loop's */
	struct tcp_flow back_check; /* the poller's of its queue, one at a time */
	uint64_t back; /* (a) bytes that came back */
};

static struct {
	struct sender senders[SENDERS];
	struct threaded_host *host;
	struct hvg_net_port *nic; /* (a) */
	struct hvg_net_config config;
	struct hvh_net_config nic_config;
	struct hvh_net_backend backend;
	uint64_t goal; /* bytes of each sender */
	unsigned waiting; /* (h) */
	uint64_t random; /* (h) */
	unsigned refused; /* (h) */
	uint64_t faults; /* of the NIC, when it is gone */
	uint64_t joined; /* (a) */
	unsigned wrong; /* (a) */
	char first_wrong[100];
	struct {
		struct hvh_net_meta meta;
		uint32_t len;
		uint8_t bytes[SEND_MAX + 200];
	} fifo[FIFO]; /* (h) */
	unsigned fifo_head, fifo_tail; /* (h); tail also (a) */
} w;

static void fail(unsigned flow, const char *what, uint32_t len)
{
	if (!__atomic_fetch_add(&w.wrong, 1, __ATOMIC_RELAXED))
		snprintf(w.first_wrong, sizeof(w.first_wrong), "flow %u, %u bytes: %s", flow, len,
			 what);
}

/* --- the back end: the host's loop --------------------------------------------------------------------------- */

static int on_send(void *ctx, unsigned queue, const struct iovec *iov, unsigned iovs,
		   const struct hvh_net_meta *meta)
{
	const unsigned slot = w.fifo_tail % FIFO;
	uint8_t *frame = w.fifo[slot].bytes;
	struct sender *sender;
	const char *wrong;
	uint32_t len = 0;
	int flow;

	(void)ctx;
	for (unsigned i = 0; i < iovs; i++) {
		memcpy(frame + len, iov[i].iov_base, iov[i].iov_len);
		len += (uint32_t)iov[i].iov_len;
	}
	flow = tcp_flow_of(frame, len);
	if (flow < 0 || flow >= (int)SENDERS || w.fifo_tail - w.fifo_head == FIFO) {
		fail(99, "nobody's, or too many", len);
		return -EINVAL;
	}
	sender = &w.senders[flow];
	if (!random_below(&w.random, 50)) {
		w.waiting |= 1u << queue;
		w.refused++;
		return -EAGAIN;
	}
	wrong = tcp_flow_check(&sender->out_check, frame, len, !meta->checksum_start);
	if (wrong)
		fail((unsigned)flow, wrong, len);
	memcpy(frame, guest_mac, sizeof(guest_mac));
	memcpy(frame + 6, peer_mac, sizeof(peer_mac));
	w.fifo[slot].meta = (struct hvh_net_meta){ .checksum_start = meta->checksum_start,
						   .checksum_offset = meta->checksum_offset,
						   .verified = random_below(&w.random, 2) };
	w.fifo[slot].len = len;
	__atomic_store_n(&w.fifo_tail, w.fifo_tail + 1, __ATOMIC_RELAXED);
	return 0;
}

/* All queues are on one loop. */
static void on_kick(void *ctx, unsigned queue);

static void run_queue(struct hvh_device *device, void *ctx)
{
	(void)ctx;
	for (unsigned queue = 0; queue < SENDERS; queue++)
		hvh_net_run(device, queue);
}

static bool kicked;

static void on_kick(void *ctx, unsigned queue)
{
	(void)ctx;
	(void)queue;
	kicked = true;
}

static void pump(struct hvh_device *device, void *ctx)
{
	unsigned some = 1 + random_below(&w.random, 64);

	(void)ctx;
	while (w.fifo_head != w.fifo_tail && some--) {
		unsigned slot = w.fifo_head % FIFO;
		struct iovec iov = { w.fifo[slot].bytes, w.fifo[slot].len };

		if (hvh_net_receive(device, 0, &iov, 1, &w.fifo[slot].meta) == -EAGAIN)
			break;
		__atomic_store_n(&w.fifo_head, w.fifo_head + 1, __ATOMIC_RELAXED);
	}
	hvh_net_flush(device, 0);
	if (kicked) {
		kicked = false;
		run_queue(device, NULL);
	}
	for (unsigned queue = 0; queue < SENDERS; queue++)
		if (w.waiting & 1u << queue) {
			w.waiting &= ~(1u << queue);
			hvh_net_tx_ready(device, queue);
		}
}

static struct hvh_device *create_nic(void *ctx)
{
	struct hvh_device *device = NULL;

	(void)ctx;
	if (hvh_net_create(&w.nic_config, &w.backend, NULL, &device))
		abort();
	return device;
}

static void destroy_nic(struct hvh_device *device)
{
	struct hvh_net_status status;

	hvh_net_status(device, &status);
	for (unsigned i = 0; i < SENDERS; i++)
		w.faults += status.queue[i].faults;
	hvh_net_destroy(device);
}

/* --- the guest's stack ------------------------------------------------------------------------------------------ */

static void on_attached(struct hvg_net_port *nic)
{
	__atomic_store_n(&w.nic, nic, __ATOMIC_RELEASE);
}

/* The senders have ended before. */
static void on_detached(struct hvg_net_port *nic)
{
	(void)nic;
	__atomic_store_n(&w.nic, NULL, __ATOMIC_RELEASE);
}

static void on_received(struct hvg_net_port *nic, unsigned queue, const struct hvg_net_rx *rx)
{
	static __thread uint8_t frame[FRAME_MAX];
	struct sender *sender;
	const char *wrong;
	uint32_t len = 0, before;
	int flow;

	(void)nic;
	(void)queue;
	for (unsigned i = 0; i < rx->piece_count; i++) {
		hvw_copy_out(frame + len, rx->pieces[i].data, rx->pieces[i].len);
		len += rx->pieces[i].len;
	}
	flow = tcp_flow_of(frame, len);
	if (flow < 0 || flow >= (int)SENDERS) {
		fail(99, "received nobody's", len);
		return;
	}
	sender = &w.senders[flow];
	before = sender->back_check.checked;
	wrong = tcp_flow_check(&sender->back_check, frame, len, rx->piece_count == 1);
	if (wrong)
		fail((unsigned)flow, wrong, len);
	if (rx->piece_count > 1)
		__atomic_fetch_add(&w.joined, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&sender->back, sender->back_check.checked - before, __ATOMIC_RELEASE);
}

static void on_done(struct hvg_net_port *nic, struct hvg_netif_packet *packet)
{
	struct sender *sender = NULL;

	(void)nic;
	for (unsigned i = 0; i < SENDERS; i++)
		if (packet >= w.senders[i].packets && packet < w.senders[i].packets + PACKETS)
			sender = &w.senders[i];
	if (!sender ||
	    !__atomic_exchange_n(&sender->out[packet - sender->packets], false, __ATOMIC_ACQ_REL))
		fail(99, "given back twice", 0);
}

static const struct hvg_netif_ops ops = {
	.attached = on_attached,
	.detached = on_detached,
	.received = on_received,
	.done = on_done,
};

static int nic_attach(struct hvg_device *device)
{
	return hvg_netif_attach(device, &w.config, &ops, NULL);
}

static const struct hvg_driver nic_driver = {
	.name = "network",
	.class_id = HVP_CLASS_NETWORK,
	.attach = nic_attach,
	.detach = hvg_netif_detach,
	.subchannel = hvg_netif_subchannel,
	.subchannel_gone = hvg_netif_subchannel_gone,
	.suspend = hvg_netif_suspend,
	.resume = hvg_netif_resume,
};

static void send_one(struct sender *s, unsigned n, bool more)
{
	const uint32_t at =
		n * PACKET_PAGES * HVP_PAGE_SIZE + random_below(&s->random, HVP_PAGE_SIZE);
	uint8_t *frame = (uint8_t *)s->memory.base + at;
	const uint32_t mss = 500 + random_below(&s->random, 800);
	const enum tcp_flow_sums sums = (enum tcp_flow_sums)random_below(&s->random, 3);
	const struct tcp_flow before = s->made;
	uint32_t payload = 1 + random_below(&s->random, 1300), headers, transport;

	if (sums == TCP_FLOW_LARGE)
		payload = mss + 1 + random_below(&s->random, SEND_MAX - 200 - mss);
	headers = tcp_flow_make(&s->made, frame, payload, peer_mac, guest_mac, sums, &transport);
	s->packets[n] = (struct hvg_netif_packet){
		.frame = { .len = headers + payload,
			   .head = headers,
			   .transport = (uint16_t)transport,
			   .mss = (uint16_t)mss,
			   .flags = (uint8_t)((s->made.ipv6 ? HVG_NET_IPV6 : 0) |
					      (sums == TCP_FLOW_LARGE	? HVG_NET_LSO :
					       sums == TCP_FLOW_PARTIAL ? HVG_NET_TCP_CSUM :
									  0)) },
		.pieces = &s->pieces[n],
		.piece_count = 1,
	};
	/* Shared memory lies in one piece here. */
	s->pieces[n] = (struct hvg_netif_piece){
		frame,
		(hvos_shared_gpn(&s->memory, at / HVP_PAGE_SIZE) << HVP_PAGE_SHIFT) +
			at % HVP_PAGE_SIZE,
		headers + payload,
	};
	__atomic_store_n(&s->out[n], true, __ATOMIC_RELEASE);
	if (hvg_netif_send(w.nic, s->made.number, &s->packets[n], more)) {
		__atomic_store_n(&s->out[n], false, __ATOMIC_RELAXED);
		s->made = before;
		nap(50);
		return;
	}
	s->bytes += payload;
	s->cut += sums == TCP_FLOW_LARGE;
}

static void *sender_run(void *argument)
{
	struct sender *s = argument;
	unsigned n;

	while (s->bytes < w.goal && !__atomic_load_n(&w.wrong, __ATOMIC_RELAXED)) {
		for (n = 0; n < PACKETS && __atomic_load_n(&s->out[n], __ATOMIC_ACQUIRE); n++)
			;
		if (n < PACKETS && __atomic_load_n(&w.fifo_tail, __ATOMIC_RELAXED) -
						   __atomic_load_n(&w.fifo_head, __ATOMIC_RELAXED) <
					   FIFO_MANY) {
			send_one(s, n, random_below(&s->random, 2));
			continue;
		}
		hvg_netif_flush(w.nic, s->made.number);
		nap(20);
	}
	hvg_netif_flush(w.nic, s->made.number);
	return NULL;
}

/* --- the life ------------------------------------------------------------------------------------------------------ */

static bool bring_up(void)
{
	bool settled = false;
	int err;

	for (unsigned i = 0; i < WAIT_MS && !__atomic_load_n(&w.nic, __ATOMIC_ACQUIRE); i++)
		nap(1000);
	if (!TAP_CHECK(w.nic))
		return false;
	hvg_netif_lock(w.nic);
	err = hvg_netif_up(w.nic);
	hvg_netif_unlock(w.nic);
	TAP_EQ(err, 0);
	for (unsigned i = 0; i < WAIT_MS && !settled; i++) {
		nap(1000);
		hvg_netif_lock(w.nic);
		settled = hvg_net_settled(w.nic->net);
		hvg_netif_unlock(w.nic);
	}
	TAP_CHECK(settled);
	return TAP_EQ(hvg_net_queue_count(w.nic->net), SENDERS) && !err;
}

static bool all_back(void)
{
	for (unsigned i = 0; i < SENDERS; i++) {
		if (__atomic_load_n(&w.senders[i].back, __ATOMIC_ACQUIRE) != w.senders[i].bytes)
			return false;
		for (unsigned n = 0; n < PACKETS; n++)
			if (__atomic_load_n(&w.senders[i].out[n], __ATOMIC_ACQUIRE))
				return false;
	}
	return true;
}

static void wait_for_all(void)
{
	for (unsigned i = 0; i < WAIT_MS && !all_back() && !w.wrong; i++) {
		threaded_host_call(w.host, pump, NULL);
		nap(1000);
	}
	for (unsigned i = 0; i < SENDERS; i++)
		TAP_EQ(w.senders[i].back, w.senders[i].bytes);
	TAP_CHECK(all_back());
}

static void *pump_run(void *stop)
{
	while (!__atomic_load_n((bool *)stop, __ATOMIC_RELAXED)) {
		threaded_host_call(w.host, pump, NULL);
		nap(20);
	}
	return NULL;
}

static void traffic(void)
{
	pthread_t threads[SENDERS], pumper;
	bool stop = false;

	if (pthread_create(&pumper, NULL, pump_run, &stop))
		abort();
	for (unsigned i = 0; i < SENDERS; i++)
		if (pthread_create(&threads[i], NULL, sender_run, &w.senders[i]))
			abort();
	for (unsigned i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(pumper, NULL);
	wait_for_all();
}

static void prepare(uint64_t seed)
{
	const char *text = getenv("HVIS_MEBIBYTES");

	memset(&w, 0, sizeof(w));
	w.goal = ((text ? strtoull(text, NULL, 0) : 8) << 20) / SENDERS;
	w.random = seed * 7 + 1;
	for (unsigned i = 0; i < SENDERS; i++) {
		struct sender *s = &w.senders[i];

		s->made.number = s->out_check.number = s->back_check.number = i;
		s->made.ipv6 = s->out_check.ipv6 = s->back_check.ipv6 = i % 2;
		s->random = (seed + i + 1) * 0x9e3779b97f4a7c15ull;
	}
	w.config = (struct hvg_net_config){
		.mtu = 1500,
		.queues = SENDERS,
		.ring_pages = 3,
		.receive_bytes = 1u << 20,
		.send_bytes = 20 * 6144,
		.version_max = HVP_NVSP_6_1,
		.join = true,
	};
	memcpy(w.nic_config.mac, guest_mac, sizeof(guest_mac));
	w.nic_config.queues_max = SENDERS;
	w.nic_config.bits_per_second = 10000000000;
	w.nic_config.fault_every[HVH_INJECT_NIC_SEND] = 211;
	w.nic_config.fault_every[HVH_INJECT_NIC_COMPLETION] = 173;
	w.nic_config.fault_every[HVH_INJECT_NIC_RING] = 97;
	w.backend.send = on_send;
	w.backend.kick = on_kick;
}

static void power(enum hvos_power action, bool force)
{
	(void)action;
	(void)force;
}

TAP_TEST(streams_pass_both_ends_whole_with_threads)
{
	static const struct hvg_driver *const drivers[] = { &nic_driver };
	const struct threaded_host_config host_config = {
		.cpus = 4,
		.version_max = HVP_VERSION_5_3,
		.ram_bytes = RAM,
		.own_create = create_nic,
		.own_destroy = destroy_nic,
	};
	const struct hvg_bus_config bus_config = { .os_id = OS_ID,
						   .version_max = HVP_VERSION_5_3,
						   .drivers = drivers,
						   .driver_count = 1 };
	const char *text = getenv("HVIS_TEST_SEED");
	const uint64_t seed = text ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);
	struct user_config user = { .power = power };
	struct threaded_host_stats stats;
	struct hvg_bus *bus = NULL;
	uint64_t bytes = 0;
	unsigned cut = 0;

	printf("# HVIS_TEST_SEED=%" PRIu64 "\n", seed);
	prepare(seed);
	w.host = threaded_host_create(&host_config, &user);
	hide_shared(&user);
	TAP_REQUIRE(user_start(&user) == 0);
	for (unsigned i = 0; i < SENDERS; i++)
		TAP_REQUIRE(hvos_shared_alloc(&w.senders[i].memory, PACKETS * PACKET_PAGES) == 0);
	TAP_REQUIRE(hvg_bus_start(&bus_config, &bus) == 0);
	if (bring_up())
		traffic();
	TAP_STR_EQ(w.first_wrong, "");
	threaded_host_stats(w.host, &stats);
	TAP_EQ(stats.server.violations, 0);
	TAP_STR_EQ(stats.line, "");
	hvg_bus_stop(bus);
	for (unsigned i = 0; i < SENDERS; i++) {
		TAP_EQ(hvos_shared_free(&w.senders[i].memory), 0);
		bytes += w.senders[i].back;
		cut += w.senders[i].cut;
	}
	threaded_host_stop(w.host);
	TAP_EQ(user_stop() + user_lost_pages(), 0);
	TAP_EQ(threaded_host_destroy(w.host), 0);
	printf("# %" PRIu64 " bytes there and back, %u frames cut by the host, %" PRIu64
	       " joined by it, %u refused at first, %" PRIu64 " faults\n",
	       bytes, cut, w.joined, w.refused, w.faults);
	TAP_CHECK(cut && w.joined && w.refused && w.faults);
}

TAP_MAIN()
