/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Both ends of the network against each other on port/sim: TCP streams leave the guest's NIC in segments of all sizes, with
 * what the host may do for it left to the host or not; a back end that is often not ready checks each byte and each checksum,
 * and sends all of it back, joined by the host or not; the guest checks it again. Rings, buffers and sections are few.
 *
 * HVIS_SCHEDULES says how many (default 60), HVIS_TEST_SEED which is the first; a failure prints its seed.
 */
#include <hvh/hvh_net.h>

#include "fuzz/loopback.h"
#include "fuzz/tcp_flow.h"
#include "hvg/hvg_bus.h"
#include "hvg/hvg_netif.h"
#include "hvp_ndis.h"
#include "hvp_nvsp.h"
#include "port/sim/sim.h"
#include "tap.h"

#define FLOWS	     6u
#define QUEUES	     4u
#define PACKETS	     14u
#define SEND_MAX     9000u
#define PACKET_PAGES 4u
#define PIECES	     12u
#define FIFO	     1024u /* frames on their way back */
#define FIFO_MANY    500u
#define FRAME_MAX    66000u
#define SETTLE_MS    100000u
#define VLAN	     0x2005u

static const uint8_t guest_mac[] = { 0x00, 0x15, 0x5d, 1, 2, 3 };
static const uint8_t peer_mac[] = { 0x52, 0x55, 10, 0, 2, 2 };

static struct {
	struct loopback *l;

	/* The guest's stack. */
	struct hvg_net_port *nic;
	struct hvg_net_config config;
	unsigned users;
	struct hvg_netif_packet packets[PACKETS];
	struct hvg_netif_piece pieces[PACKETS][PIECES];
	struct hvos_shared memory; /* of the packets' bytes */
	bool out[PACKETS];
	struct tcp_flow sent[FLOWS]; /* made by the guest, checked by the back end */
	uint32_t returned[FLOWS]; /* bytes that the guest has seen again */
	unsigned joined, refused, returns, segmented;

	/* The back end. */
	struct hvh_net_config nic_config;
	struct hvh_net_backend backend;
	struct {
		struct hvh_net_meta meta;
		uint32_t len;
		uint8_t bytes[SEND_MAX + 200];
	} fifo[FIFO];
	unsigned fifo_head, fifo_tail;
	unsigned waiting; /* queues to which it said no: a bit for each */
} w;

/* --- the back end ------------------------------------------------------------------------------------------ */

static struct hvh_device *device(void)
{
	return w.l->e.slots[EMBEDDER_HOT];
}

/* The tag is put beside the frame again by the device. */
static uint32_t tag_bytes(const uint8_t *frame)
{
	return frame[12] == 0x81 && !frame[13] ? 4 : 0;
}

static void check_sent(const uint8_t *frame, uint32_t len, const struct hvh_net_meta *meta)
{
	static uint8_t plain[FRAME_MAX];
	const uint32_t tag = tag_bytes(frame);
	const char *wrong;
	int flow;

	memcpy(plain, frame, 12);
	memcpy(plain + 12, frame + 12 + tag, len - 12 - tag);
	flow = tcp_flow_of(plain, len - tag);
	if (!TAP_CHECK(flow >= 0 && flow < (int)FLOWS))
		return;
	TAP_EQ(tag, flow % 3 == 2 ? 4 : 0);
	wrong = tcp_flow_check(&w.sent[flow], plain, len - tag, !meta->checksum_start);
	if (wrong)
		tap_note(false, __FILE__, __LINE__, "flow %d, %u bytes out: %s", flow, len, wrong);
}

static int on_send(void *ctx, unsigned queue, const struct iovec *iov, unsigned iovs,
		   const struct hvh_net_meta *meta)
{
	unsigned slot = w.fifo_tail % FIFO;
	uint32_t len = 0;

	(void)ctx;
	/*
	 * Never because too many are on their way back: completions of those lie on the ring behind what is refused, so that
	 * would wait for itself.
	 */
	EMBEDDER_REQUIRE(w.fifo_tail - w.fifo_head < FIFO);
	if (!sim_random(6)) {
		w.waiting |= 1u << queue;
		w.refused++;
		return -EAGAIN;
	}
	for (unsigned i = 0; i < iovs; i++) {
		memcpy(w.fifo[slot].bytes + len, iov[i].iov_base, iov[i].iov_len);
		len += (uint32_t)iov[i].iov_len;
	}
	check_sent(w.fifo[slot].bytes, len, meta);
	memcpy(w.fifo[slot].bytes, guest_mac, sizeof(guest_mac));
	memcpy(w.fifo[slot].bytes + 6, peer_mac, sizeof(peer_mac));
	/* A sum that is still to be made is made on the way back. */
	w.fifo[slot].meta = (struct hvh_net_meta){ .checksum_start = meta->checksum_start,
						   .checksum_offset = meta->checksum_offset,
						   .verified = sim_random(2) };
	w.fifo[slot].len = len;
	w.fifo_tail++;
	return 0;
}

static void on_kick(void *ctx, unsigned queue)
{
	(void)ctx;
	hvh_net_run(device(), queue);
}

static struct hvh_device *create_nic(struct embedder *e)
{
	struct hvh_device *made = NULL;

	(void)e;
	EMBEDDER_REQUIRE(hvh_net_create(&w.nic_config, &w.backend, NULL, &made) == 0);
	return made;
}

/* Some of what there is, and of what waits. */
static void run_backend(void)
{
	unsigned some = 1 + sim_random(20), queue;

	while (device() && w.fifo_head != w.fifo_tail && some--) {
		unsigned slot = w.fifo_head % FIFO;
		struct iovec iov = { w.fifo[slot].bytes, w.fifo[slot].len };

		if (hvh_net_receive(device(), 0, &iov, 1, &w.fifo[slot].meta) == -EAGAIN)
			break;
		w.fifo_head++;
		w.returns++;
	}
	if (device())
		hvh_net_flush(device(), 0);
	for (queue = 0; device() && queue < QUEUES; queue++)
		if (w.waiting & 1u << queue && sim_random(2)) {
			w.waiting &= ~(1u << queue);
			hvh_net_tx_ready(device(), queue);
		}
	loopback_kick(w.l);
}

/* --- the guest's stack --------------------------------------------------------------------------------------- */

static void on_attached(struct hvg_net_port *nic)
{
	w.nic = nic;
}

static void on_detached(struct hvg_net_port *nic)
{
	(void)nic;
	w.nic = NULL;
	while (w.users)
		hvos_sleep_ms(1);
}

static void on_received(struct hvg_net_port *nic, unsigned queue, const struct hvg_net_rx *rx)
{
	static uint8_t frame[FRAME_MAX];
	static struct tcp_flow flow;
	const char *wrong;
	uint32_t len = 0;
	int number;

	(void)nic;
	(void)queue;
	for (unsigned i = 0; i < rx->piece_count; i++) {
		hvw_copy_out(frame + len, rx->pieces[i].data, rx->pieces[i].len);
		len += rx->pieces[i].len;
	}
	TAP_EQ(len, rx->len);
	w.joined += rx->piece_count > 1;
	number = tcp_flow_of(frame, len);
	if (!TAP_CHECK(number >= 0 && number < (int)FLOWS))
		return;
	TAP_EQ(rx->flags & HVG_NET_RX_VLAN ? rx->vlan : 0, number % 3 == 2 ? VLAN : 0);
	flow = w.sent[number];
	flow.checked = w.returned[number];
	/* The sum of a joined frame is that of its first segment. */
	wrong = tcp_flow_check(&flow, frame, len, rx->piece_count == 1);
	if (wrong)
		tap_note(false, __FILE__, __LINE__, "flow %d, %u bytes in %u pieces back: %s",
			 number, len, rx->piece_count, wrong);
	TAP_CHECK(rx->piece_count == 1 || rx->flags & HVG_NET_RX_TCP_GOOD);
	w.returned[number] = flow.checked;
}

static void on_done(struct hvg_net_port *nic, struct hvg_netif_packet *packet)
{
	size_t n = (size_t)(packet - w.packets);

	(void)nic;
	TAP_CHECK(w.out[n]);
	w.out[n] = false;
}

static const struct hvg_netif_ops ops = {
	.attached = on_attached,
	.detached = on_detached,
	.received = on_received,
	.done = on_done,
};

static int nic_attach(struct hvg_device *nic)
{
	return hvg_netif_attach(nic, &w.config, &ops, NULL);
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

/* In pieces of whatever size, none across a page. */
static unsigned cut(struct hvg_netif_piece *pieces, uint32_t at, uint32_t len)
{
	uint32_t part = 1 + sim_random(300);
	unsigned count = 0;

	for (; len; at += part, len -= part, count++) {
		if (count > 4)
			part = len;
		if (part > len)
			part = len;
		if (part > HVP_PAGE_SIZE - at % HVP_PAGE_SIZE)
			part = HVP_PAGE_SIZE - at % HVP_PAGE_SIZE;
		pieces[count] = (struct hvg_netif_piece){
			(uint8_t *)w.memory.base + at,
			(hvos_shared_gpn(&w.memory, at / HVP_PAGE_SIZE) << HVP_PAGE_SHIFT) +
				at % HVP_PAGE_SIZE,
			part,
		};
	}
	return count;
}

/* How the next one is sent: what the host does of it. */
static enum tcp_flow_sums choose(const struct tcp_flow *flow, uint32_t *payload, uint16_t *mss)
{
	const struct hvg_net_info *info = hvg_net_info(w.nic->net);
	const uint32_t lso = flow->ipv6 ? HVG_NET_OFFLOAD_LSO6 : HVG_NET_OFFLOAD_LSO4;
	const uint32_t sum = flow->ipv6 ? HVG_NET_OFFLOAD_TX_TCP6 : HVG_NET_OFFLOAD_TX_TCP4;

	*mss = (uint16_t)(500 + sim_random(800));
	*payload = 1 + sim_random(1300);
	switch (sim_random(3)) {
	case 0:
		if (!(info->offloads & lso))
			break;
		*payload = *mss + 1 + sim_random(SEND_MAX - 200u - *mss);
		w.segmented++;
		return TCP_FLOW_LARGE;
	case 1:
		if (info->offloads & sum)
			return TCP_FLOW_PARTIAL;
		break;
	default:
		break;
	}
	return TCP_FLOW_WHOLE;
}

static void send_one(bool more)
{
	struct tcp_flow *flow = &w.sent[sim_random(FLOWS)], before = *flow;
	struct hvg_netif_packet *packet;
	unsigned n, queue;
	uint32_t payload, transport, headers, at;
	enum tcp_flow_sums sums;
	uint16_t mss;

	for (n = 0; n < PACKETS && w.out[n]; n++)
		;
	if (n == PACKETS || !w.nic)
		return;
	w.users++;
	packet = &w.packets[n];
	at = n * PACKET_PAGES * HVP_PAGE_SIZE + sim_random(HVP_PAGE_SIZE);
	sums = choose(flow, &payload, &mss);
	headers = tcp_flow_make(flow, (uint8_t *)w.memory.base + at, payload, peer_mac, guest_mac,
				sums, &transport);
	*packet = (struct hvg_netif_packet){
		.frame = { .len = headers + payload,
			   .head = sim_random(3) ? headers : 0,
			   .transport = (uint16_t)transport,
			   .mss = mss,
			   .vlan = VLAN,
			   .flags = (uint8_t)((flow->ipv6 ? HVG_NET_IPV6 : 0) |
					      (flow->number % 3 == 2 ? HVG_NET_VLAN : 0) |
					      (sums == TCP_FLOW_LARGE	? HVG_NET_LSO :
					       sums == TCP_FLOW_PARTIAL ? HVG_NET_TCP_CSUM :
									  0)) },
		.pieces = w.pieces[n],
		.piece_count = cut(w.pieces[n], at, headers + payload),
	};
	/* A flow keeps its queue, or its segments would overtake each other. */
	queue = flow->number % hvg_net_queue_count(w.nic->net);
	w.out[n] = true;
	if (hvg_netif_send(w.nic, queue, packet, more)) {
		w.out[n] = false;
		*flow = (struct tcp_flow){ flow->number, flow->ipv6, before.made, flow->checked };
	}
	w.users--;
}

/* --- a life ----------------------------------------------------------------------------------------------------- */

static bool all_back(void)
{
	for (unsigned i = 0; i < FLOWS; i++)
		if (w.sent[i].made != w.sent[i].checked || w.sent[i].made != w.returned[i])
			return false;
	for (unsigned i = 0; i < PACKETS; i++)
		if (w.out[i])
			return false;
	return true;
}

static void drain(void)
{
	for (unsigned i = 0; w.nic && i < QUEUES; i++)
		hvg_netif_flush(w.nic, i);
	for (unsigned i = 0; i < 3000 && !all_back() && !tap.failures; i++) {
		run_backend();
		hvos_sleep_ms(2);
	}
	for (unsigned i = 0; i < FLOWS; i++) {
		TAP_EQ(w.sent[i].checked, w.sent[i].made);
		TAP_EQ(w.returned[i], w.sent[i].made);
	}
	TAP_CHECK(all_back());
}

/* Until no queue is waited for: a stream that changes its queue overtakes itself. */
static void settle(void)
{
	bool settled = false;

	for (unsigned i = 0; i < 1000 && !settled; i++) {
		hvos_sleep_ms(10);
		hvg_netif_lock(w.nic);
		settled = hvg_net_settled(w.nic->net);
		hvg_netif_unlock(w.nic);
	}
	TAP_CHECK(settled);
}

/* With nothing under way: what is dropped on purpose is no loss. */
static void change(void)
{
	uint16_t entries[HVP_RSS_TABLE_ENTRIES];
	struct hvg_net_port *nic = w.nic;
	unsigned queues;

	drain();
	if (!nic)
		return;
	w.users++;
	hvg_netif_lock(nic);
	switch (sim_random(4)) {
	case 0:
		w.config.mtu = 1500 + sim_random(3000);
		w.config.queues = 1 + sim_random(QUEUES);
		w.config.send_bytes = sim_random(3) ? (1 + sim_random(12)) * 6144 : 0;
		TAP_EQ(hvg_net_reconfigure(nic->net, &w.config), 0);
		break;
	case 1:
		TAP_EQ(hvg_net_set_offloads(nic->net,
					    hvg_net_info(nic->net)->offloads & ~sim_random(256)),
		       0);
		break;
	case 2:
		TAP_EQ(hvg_net_set_offloads(nic->net, hvg_net_info(nic->net)->offloads), 0);
		break;
	default:
		queues = hvg_net_queue_count(nic->net);
		for (unsigned i = 0; i < HVP_RSS_TABLE_ENTRIES; i++)
			entries[i] = (uint16_t)sim_random(queues);
		TAP_EQ(hvg_net_set_rss(nic->net, entries, HVP_RSS_TABLE_ENTRIES, NULL), 0);
		break;
	}
	hvg_netif_unlock(nic);
	settle();
	w.users--;
}

static void traffic(void)
{
	for (unsigned i = 0; i < 600 && !tap.failures; i++) {
		if (!sim_random(150))
			change();
		if (w.fifo_tail - w.fifo_head < FIFO_MANY)
			send_one(sim_random(2));
		if (!sim_random(4))
			run_backend();
		if (!sim_random(10))
			hvos_sleep_ms(sim_random(3));
	}
	drain();
}

static void start_nic(void)
{
	TAP_EQ(embedder_add(&w.l->e, EMBEDDER_HOT), 0);
	loopback_kick(w.l);
	for (unsigned i = 0; i < 1000 && !w.nic; i++)
		hvos_sleep_ms(5);
	if (!TAP_CHECK(w.nic))
		return;
	hvg_netif_lock(w.nic);
	TAP_EQ(hvg_netif_up(w.nic), 0);
	hvg_netif_unlock(w.nic);
	settle();
}

static void prepare(uint64_t seed)
{
	memset(&w, 0, sizeof(w));
	for (unsigned i = 0; i < FLOWS; i++) {
		w.sent[i].number = i;
		w.sent[i].ipv6 = i % 2;
	}
	w.config = (struct hvg_net_config){
		.mtu = 1500,
		.queues = 1 + seed % QUEUES,
		.ring_pages = 2 + seed % 4,
		.receive_bytes = 192u << 10,
		.send_bytes = 8 * 6144,
		.version_max = seed % 5 ? HVP_NVSP_6_1 : HVP_NVSP_5,
		.join = true,
	};
	memcpy(w.nic_config.mac, guest_mac, sizeof(guest_mac));
	w.nic_config.queues_max = QUEUES;
	w.nic_config.bits_per_second = 10000000000;
	w.backend.can = seed % 3 == 1 ? HVH_NET_CHECKSUMS : 0;
	w.backend.send = on_send;
	w.backend.kick = on_kick;
	w.l = calloc(1, sizeof(*w.l));
	w.l->e.own_create = create_nic;
	w.l->e.own_destroy = hvh_net_destroy;
}

static void run_life(uint64_t seed)
{
	static const struct hvg_driver *const drivers[] = { &nic_driver };
	const struct hvg_bus_config bus_config = { .os_id = 0x8100000000000000ull,
						   .version_max = HVP_VERSION_5_3,
						   .drivers = drivers,
						   .driver_count = 1 };
	const struct sim_config config = { .seed = seed,
					   .cpus = 1 + (unsigned)(seed % 4),
					   .works = (enum sim_works)(seed / 4 % SIM_WORKS_WAYS) };
	struct hvg_bus *bus = NULL;
	struct hvh_net_status *status = calloc(1, sizeof(*status));

	prepare(seed);
	loopback_start(w.l, &config);
	TAP_EQ(hvg_bus_start(&bus_config, &bus), 0);
	TAP_EQ(hvos_shared_alloc(&w.memory, PACKETS * PACKET_PAGES), 0);
	start_nic();
	if (w.nic)
		traffic();
	if (device()) {
		hvh_net_status(device(), status);
		TAP_EQ(status->violations, 0);
	}
	hvg_bus_stop(bus);
	TAP_EQ(hvos_shared_free(&w.memory), 0);
	TAP_EQ(sim_stats()->lost_pages, 0);
	loopback_stop(w.l);
	free(w.l);
	free(status);
}

TAP_TEST(streams_pass_both_ends_whole)
{
	const char *text = getenv("HVIS_SCHEDULES"), *first = getenv("HVIS_TEST_SEED");
	unsigned count = text ? (unsigned)strtoul(text, NULL, 0) : 60, i;
	uint64_t seed = first ? strtoull(first, NULL, 0) : 1, bytes = 0, joined = 0, refused = 0,
		 segmented = 0;

	for (i = 0; i < count && !tap.failures; i++, seed++) {
		run_life(seed);
		for (unsigned flow = 0; flow < FLOWS; flow++)
			bytes += w.returned[flow];
		joined += w.joined;
		refused += w.refused;
		segmented += w.segmented;
		if (tap.failures)
			printf("# HVIS_TEST_SEED=%" PRIu64 " HVIS_SCHEDULES=1\n", seed);
	}
	printf("# %u schedules: %" PRIu64 " bytes there and back, %" PRIu64
	       " frames cut by the host, %" PRIu64 " joined by it, %" PRIu64 " refused at first\n",
	       i, bytes, segmented, joined, refused);
	if (!tap.failures && count >= 20)
		TAP_CHECK(segmented > count && joined > count && refused > count);
}

TAP_MAIN()
