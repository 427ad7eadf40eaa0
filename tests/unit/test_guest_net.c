/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The guest's NIC against a host that does as it is told.
 */
#include "fuzz/net_host.h"
#include "hvg/hvg_netif.h"
#include "hvw_nvsp.h"

#define WORLD_RAM    (6u << 20)
#define WORLD_DRIVER net_driver
static const struct hvg_driver net_driver;

#include "tests/unit/guest_world.h"

#define PACKETS	  1600u
#define PIECES	  18u
#define MEMORY	  (51u * HVP_PAGE_SIZE) /* of frames, some of which go by reference */
#define OWN	  UINT32_MAX /* a place that belongs to the packet: of so many bytes */
#define OWN_BYTES 128u
#define FRAME_MAX 66000u
#define SMALL	  100u
#define STACK_MS  20000u

/* What is above the NIC. */
static struct {
	struct hvg_net_port *nic; /* NULL: there is none */
	unsigned users; /* that have it in their hands */
	struct hvg_net_config config;
	int attach_err;
	struct hvg_netif_packet packets[PACKETS];
	struct hvg_netif_piece pieces[PACKETS][PIECES];
	struct hvos_shared memory;
	unsigned sent, done, twice;
	bool out[PACKETS];
	uint32_t number; /* of the next frame */
	unsigned received, bad, rooms;
	uint32_t expected;
	struct hvg_net_rx last;
	unsigned changes[HVG_NET_VF + 1];
	bool link;
} stack;

static struct net_host host;

static void stack_attached(struct hvg_net_port *nic)
{
	stack.nic = nic;
}

static void stack_detached(struct hvg_net_port *nic)
{
	(void)nic;
	stack.nic = NULL;
	while (stack.users)
		hvos_sleep_ms(1);
}

static struct hvg_net_port *hold(void)
{
	stack.users += stack.nic != NULL;
	return stack.nic;
}

static void let_go(void)
{
	stack.users--;
}

static void stack_received(struct hvg_net_port *nic, unsigned queue, const struct hvg_net_rx *rx)
{
	static uint8_t frame[FRAME_MAX];
	uint32_t number, len = 0;

	(void)nic;
	(void)queue;
	for (unsigned i = 0; i < rx->piece_count && len + rx->pieces[i].len <= sizeof(frame); i++) {
		hvw_copy_out(frame + len, rx->pieces[i].data, rx->pieces[i].len);
		len += rx->pieces[i].len;
	}
	stack.last = *rx;
	stack.received++;
	if (len != rx->len || !net_frame_check(frame, len, &number) || number != stack.expected++)
		stack.bad++;
}

static void stack_done(struct hvg_net_port *nic, struct hvg_netif_packet *packet)
{
	size_t n = (size_t)(packet - stack.packets);

	(void)nic;
	if (!stack.out[n])
		stack.twice++;
	stack.out[n] = false;
	stack.done++;
}

static void stack_room(struct hvg_net_port *nic, unsigned queue)
{
	(void)nic;
	(void)queue;
	stack.rooms++;
}

static void stack_changed(struct hvg_net_port *nic, enum hvg_net_change change)
{
	stack.changes[change]++;
	stack.link = hvg_net_link(nic->net);
}

static const struct hvg_netif_ops stack_ops = {
	.attached = stack_attached,
	.detached = stack_detached,
	.received = stack_received,
	.done = stack_done,
	.room = stack_room,
	.changed = stack_changed,
};

static int net_attach(struct hvg_device *device)
{
	stack.attach_err = hvg_netif_attach(device, &stack.config, &stack_ops, NULL);
	return stack.attach_err;
}

static const struct hvg_driver net_driver = {
	.name = "network",
	.class_id = HVP_CLASS_NETWORK,
	.attach = net_attach,
	.detach = hvg_netif_detach,
	.subchannel = hvg_netif_subchannel,
	.subchannel_gone = hvg_netif_subchannel_gone,
	.suspend = hvg_netif_suspend,
	.resume = hvg_netif_resume,
};

/* --- sending -------------------------------------------------------------------------------------------- */

static uint8_t *memory(void)
{
	return stack.memory.base;
}

static uint64_t gpa_of(uint32_t at)
{
	return (hvos_shared_gpn(&stack.memory, at / HVP_PAGE_SIZE) << HVP_PAGE_SHIFT) +
	       at % HVP_PAGE_SIZE;
}

/* A packet that is not out; NULL: none. */
static struct hvg_netif_packet *free_packet(void)
{
	for (unsigned i = 0; i < PACKETS; i++)
		if (!stack.out[i])
			return &stack.packets[i];
	return NULL;
}

/* The pages behind it are scattered; and headers are often on their own. */
static unsigned cut(struct hvg_netif_piece *pieces, uint32_t at, uint32_t len)
{
	uint32_t part = len < 60 ? len : 60;
	unsigned count = 0;

	for (; len; at += part, len -= part, part = len) {
		if (part > HVP_PAGE_SIZE - at % HVP_PAGE_SIZE)
			part = HVP_PAGE_SIZE - at % HVP_PAGE_SIZE;
		pieces[count++] = (struct hvg_netif_piece){ memory() + at, gpa_of(at), part };
	}
	return count;
}

/* A frame of `len` bytes with the next number. `at`: where in the memory that the host can read. */
static int send_at(struct hvg_net_frame frame, uint32_t at, uint32_t len, unsigned queue, bool more)
{
	struct hvg_netif_packet *packet = free_packet();
	struct hvg_net_port *nic = packet ? hold() : NULL;
	size_t n;
	int err;

	if (!nic)
		return -ENODEV;
	n = (size_t)(packet - stack.packets);
	if (at == OWN)
		at = (uint32_t)n * OWN_BYTES;
	net_frame_fill(memory() + at, len, stack.number);
	packet->frame = frame;
	packet->frame.len = len;
	packet->pieces = stack.pieces[n];
	packet->piece_count = cut(stack.pieces[n], at, len);
	stack.out[n] = true;
	err = hvg_netif_send(nic, queue, packet, more);
	if (err) {
		stack.out[n] = false;
	} else {
		stack.sent++;
		stack.number++;
	}
	let_go();
	return err;
}

static int send_frame(uint32_t len, bool more)
{
	return send_at((struct hvg_net_frame){ 0 }, len > OWN_BYTES ? 0 : OWN, len, 0, more);
}

static void settle(void)
{
	hvos_sleep_ms(50);
}

/* The host reads and completes all there is. */
static void go_on(void)
{
	host.paused = host.hold = false;
	for (unsigned i = 0; i < 20; i++) {
		net_host_run(&host);
		hvos_sleep_ms(20);
	}
}

/* --- a NIC ------------------------------------------------------------------------------------------------ */

static bool switch_on(void)
{
	struct hvg_net_port *nic = hold();
	int err;

	if (!nic)
		return false;
	hvg_netif_lock(nic);
	err = hvg_netif_up(nic);
	hvg_netif_unlock(nic);
	let_go();
	return !err;
}

/* Attached and up; false: a failure kept it away. */
static bool up(struct world *w)
{
	bool is_up;

	if (!world_up(w))
		return false;
	W_EQ(w, stack.attach_err, 0);
	W_EQ(w, stack.nic != NULL, true);
	if (hvos_shared_alloc(&stack.memory, MEMORY / HVP_PAGE_SIZE))
		return false;
	is_up = switch_on();
	settle();
	W_EQ(w, is_up, true);
	return is_up && stack.nic;
}

/* The scenario is run with a fresh stack and host. */
static void (*body)(struct world *w);

static void prepare(void)
{
	memset(&stack, 0, sizeof(stack));
	stack.config = (struct hvg_net_config){
		.mtu = HVG_NET_MTU_DEFAULT,
		.queues = 4,
		.ring_pages = 5,
		.receive_bytes = 128u << 10,
		.send_bytes = 96u << 10,
		.version_max = HVP_NVSP_6_1,
		.vf = true,
		.join = true,
	};
}

/* Afterwards, whatever happened: nothing comes twice, and in the end everything has come back. */
static void scenario(struct world *w)
{
	prepare();
	net_host_init(&host, &w->fake);
	body(w);
	host.paused = false;
	if (w->bus) {
		hvg_bus_stop(w->bus);
		w->bus = NULL;
	}
	TAP_EQ(stack.twice, 0);
	TAP_EQ(stack.done, stack.sent);
	TAP_EQ(stack.nic != NULL, false);
	if (stack.memory.base)
		(void)!hvos_shared_free(&stack.memory);
}

static void schedules(void (*fn)(struct world *w), unsigned n)
{
	body = fn;
	world_schedules(scenario, n);
}

static void all(void (*fn)(struct world *w), unsigned n)
{
	body = fn;
	world_run(scenario, n);
}

/* --- attach ------------------------------------------------------------------------------------------------ */

static const uint32_t versions[] = { HVP_NVSP_6_1, HVP_NVSP_6, HVP_NVSP_5,
				     HVP_NVSP_4,   HVP_NVSP_2, HVP_NVSP_1 };

static void attaches(struct world *w)
{
	const uint32_t version = versions[w->n];
	const struct hvg_net_info *info;

	host.version_max = version;
	if (!up(w))
		return;
	info = hvg_net_info(stack.nic->net);
	W_EQ(w, info->version, version);
	W_EQ(w, host.version, version);
	W_EQ(w, host.mtu, 1514);
	W_EQ(w, host.ndis_minor, version >= HVP_NVSP_5 ? 30 : 1);
	W_EQ(w, host.capabilities & HVP_NVSP_CAP_RSC, version >= HVP_NVSP_6_1 ? 0x80 : 0);
	W_EQ(w, memcmp(info->mac, host.mac, 6), 0);
	W_EQ(w, info->offloads & HVG_NET_OFFLOAD_JOIN, version >= HVP_NVSP_6_1 ? 0x40 : 0);
	W_EQ(w, info->lso_max, 60000);
	W_EQ(w, info->receive_section, 1514 + 292);
	W_EQ(w, info->send_section, 6144);
	W_EQ(w, info->send_sections, 16);
	W_EQ(w, info->name_len, 3);
	W_EQ(w, hvg_net_link(stack.nic->net), true);
	W_EQ(w, hvg_net_speed(stack.nic->net), 100000000);
	W_EQ(w, host.filter, 0x0d);
	W_EQ(w, host.offloads.tcp4, HVP_OFFLOAD_TX_RX);
	W_EQ(w, send_frame(SMALL, false), 0);
	settle();
	W_EQ(w, host.frames, 1);
	hvg_bus_stop(w->bus);
	w->bus = NULL;
	W_EQ(w, host.halted && host.revoked_receive && host.revoked_send, true);
	W_EQ(w, host.filter, 0);
	W_EQ(w, host.bad_frames, 0);
}

TAP_TEST(it_attaches_to_hosts_of_each_version)
{
	all(attaches, 0);
	for (unsigned n = 1; n < sizeof(versions) / sizeof(versions[0]); n++)
		schedules(attaches, n);
}

static const uint32_t asked_nvsp[] = { HVP_NVSP_INIT, HVP_NVSP_SEND_RECV_BUF,
				       HVP_NVSP_SEND_SEND_BUF, HVP_NVSP_SUBCHANNEL };
static const uint32_t asked_oid[] = {
	1,
	HVP_OID_GEN_MAXIMUM_FRAME_SIZE,
	HVP_OID_802_3_PERMANENT_ADDRESS,
	HVP_OID_GEN_FRIENDLY_NAME,
	HVP_OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES,
	HVP_OID_TCP_OFFLOAD_PARAMETERS,
	HVP_OID_GEN_MEDIA_CONNECT_STATUS,
	HVP_OID_GEN_RECEIVE_SCALE_CAPABILITIES,
	HVP_OID_GEN_RECEIVE_SCALE_PARAMETERS,
	HVP_OID_GEN_CURRENT_PACKET_FILTER,
};
#define ASKED_NVSP (sizeof(asked_nvsp) / sizeof(asked_nvsp[0]))
#define ASKED_OID  (sizeof(asked_oid) / sizeof(asked_oid[0]))
#define ACTIONS	   7u

static void misled(struct world *w)
{
	const unsigned what = w->n / ACTIONS;
	enum net_host_action action = w->n % ACTIONS;

	w->faults_allowed = true;
	host.queues = 4;
	host.rules[0].action = action;
	if (what < ASKED_NVSP)
		host.rules[0].nvsp = asked_nvsp[what];
	else
		host.rules[0].oid = asked_oid[what - ASKED_NVSP];
	if (!world_up(w))
		return;
	if (action == NET_HOST_TWICE || action == NET_HOST_WRONG_ID)
		TAP_EQ(stack.attach_err, 0);
	if (!stack.nic)
		return;
	/* Whatever it has answered, the guest waits for nothing for long. */
	(void)!switch_on();
	hvos_sleep_ms(STACK_MS);
	if (action == NET_HOST_TWICE || action == NET_HOST_WRONG_ID)
		TAP_EQ(hvg_net_queue_count(stack.nic->net), 4);
}

TAP_TEST(no_answer_of_the_host_hangs_it)
{
	body = misled;
	for (unsigned n = 0; n < (ASKED_NVSP + ASKED_OID) * ACTIONS; n++)
		for (uint64_t seed = 0; seed < 3 && !tap.failures; seed++) {
			struct sim_config config = world_config(seed + n);

			world_once(scenario, &config, n, WORLD_RAM);
		}
}

/* More queues than it was asked for. */
static void promise_queues(struct net_host *from, uint8_t *bytes, uint32_t *len)
{
	uint32_t type;

	(void)from;
	memcpy(&type, bytes, sizeof(type));
	if (type == HVP_NVSP_SUBCHANNEL && *len >= sizeof(struct hvp_nvsp_subchannel_complete)) {
		struct hvp_nvsp_subchannel_complete answer;

		memcpy(&answer, bytes, sizeof(answer));
		answer.count = 4;
		memcpy(bytes, &answer, sizeof(answer));
	}
}

/* Sections that the buffer does not hold; queues that are not there. */
static void promised(struct world *w)
{
	host.queues = 4;
	if (w->n)
		host.spoil = promise_queues;
	else
		host.section_bytes = (96u << 10) + 8;
	w->faults_allowed = true;
	if (!world_up(w))
		return;
	W_EQ(w, stack.attach_err, w->n ? 0 : -EPROTO);
	if (!stack.nic)
		return;
	(void)!switch_on();
	settle();
	hvg_netif_lock(stack.nic);
	W_EQ(w, hvg_net_settled(stack.nic->net), true);
	W_EQ(w, hvg_net_queue_count(stack.nic->net), 1);
	hvg_netif_unlock(stack.nic);
}

TAP_TEST(more_than_there_is_is_not_taken)
{
	schedules(promised, 0);
	schedules(promised, 1);
}

/* --- transmit ---------------------------------------------------------------------------------------------- */

static void sends(struct world *w)
{
	static const uint32_t lens[] = { 18, 60, 61, 1514, 5900, 6016, 6100, 9014, 40000, 62000 };
	struct hvg_net_counters counters;

	stack.config.send_bytes = w->n ? 0 : 96u << 10;
	if (!up(w))
		return;
	for (unsigned i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		W_EQ(w, send_frame(lens[i], false), 0);
		settle();
		W_EQ(w, host.last_len, lens[i]);
	}
	W_EQ(w, host.frames, sizeof(lens) / sizeof(lens[0]));
	W_EQ(w, host.bad_frames + host.lost, 0);
	W_EQ(w, stack.done, stack.sent);
	hvg_net_counters(stack.nic->net, 0, &counters);
	W_EQ(w, counters.tx_packets, host.packets);
	W_EQ(w, counters.tx_copied, w->n ? 0 : 5);
	W_EQ(w, counters.tx_mixed, w->n ? 0 : 5);
	W_EQ(w, counters.tx_direct, w->n ? 10 : 0);
	W_EQ(w, host.in_section, counters.tx_copied);
	W_EQ(w, host.mixed, counters.tx_mixed);
	W_EQ(w, host.direct, counters.tx_direct);
	W_EQ(w, counters.completions_unknown, 0);
}

TAP_TEST(frames_of_all_sizes_arrive)
{
	all(sends, 0);
	all(sends, 1);
}

static void describes(struct world *w)
{
	struct hvg_net_frame frame = { .hash = 0x12345678,
				       .vlan = 0xb123,
				       .transport = 34,
				       .mss = 1400,
				       .flags = HVG_NET_HASH | HVG_NET_VLAN | HVG_NET_TCP_CSUM };

	if (!up(w))
		return;
	W_EQ(w, send_at(frame, 0, 1000, 0, false), 0);
	settle();
	W_EQ(w, host.last_meta.has, HVW_META_HASH | HVW_META_VLAN | HVW_META_CHECKSUM);
	W_EQ(w, host.last_meta.hash, 0x12345678);
	W_EQ(w, host.last_meta.vlan, 0x123d);
	W_EQ(w, host.last_meta.checksum,
	     HVP_TX_CHECKSUM_IPV4 | HVP_TX_CHECKSUM_TCP | 34u << HVP_TX_CHECKSUM_OFFSET_SHIFT);
	frame.flags = HVG_NET_UDP_CSUM | HVG_NET_IPV6;
	frame.transport = 54;
	W_EQ(w, send_at(frame, 0, 1000, 0, false), 0);
	settle();
	W_EQ(w, host.last_meta.checksum,
	     HVP_TX_CHECKSUM_IPV6 | HVP_TX_CHECKSUM_UDP | 54u << HVP_TX_CHECKSUM_OFFSET_SHIFT);
	frame.flags = HVG_NET_LSO | HVG_NET_IPV6 | HVG_NET_TCP_CSUM;
	frame.head = 74;
	W_EQ(w, send_at(frame, 0, 30000, 0, false), 0);
	settle();
	W_EQ(w, host.last_meta.has, HVW_META_LSO);
	W_EQ(w, host.last_meta.lso,
	     1400u | 54u << HVP_LSO_OFFSET_SHIFT | HVP_LSO_VERSION_2 | HVP_LSO_IPV6);
	W_EQ(w, host.mixed, 1);
	W_EQ(w, host.bad_frames, 0);
}

TAP_TEST(what_the_host_is_to_do_with_a_frame_goes_with_it)
{
	schedules(describes, 0);
}

static void batches(struct world *w)
{
	unsigned i;

	host.packets_max = 8;
	if (!up(w))
		return;
	host.paused = true;
	for (i = 0; i < 20; i++)
		W_EQ(w, send_frame(i % 2 ? 200 : 61, i != 19), 0);
	host.paused = false;
	net_host_run(&host);
	settle();
	W_EQ(w, host.frames, 20);
	W_EQ(w, host.packets, 3);
	W_EQ(w, host.batched, 17);
	W_EQ(w, host.bad_frames + host.lost, 0);
	/* A long one ends a batch, and goes behind it. */
	W_EQ(w, send_frame(100, true), 0);
	W_EQ(w, send_frame(20000, true), 0);
	W_EQ(w, send_frame(100, false), 0);
	settle();
	W_EQ(w, host.packets, 6);
	W_EQ(w, host.bad_frames + host.lost, 0);
	W_EQ(w, stack.done, stack.sent);
}

TAP_TEST(frames_go_together_while_more_are_promised)
{
	all(batches, 0);
}

/* The host does not read, or does not complete: all frames wait, and then arrive in order. */
static void full(struct world *w)
{
	unsigned i, total = 3000, waits = 0;

	if (w->n & 2)
		host.hold = true;
	else
		host.paused = true;
	if (w->n & 4)
		stack.config.ring_pages = 200;
	host.paused = false;
	if (!up(w))
		return;
	host.paused = !(w->n & 2);
	for (i = 0; i < total && waits < 400;) {
		const uint32_t len = w->n & 1 ? 6500 : SMALL;
		int err = send_at((struct hvg_net_frame){ 0 }, len > OWN_BYTES ? i % 3 * 8192 : OWN,
				  len, 0, i % 5 != 4);

		if (!err) {
			i++;
			/* They stay in place until the host has them. */
			if (len > SMALL && i % 3 == 0)
				hvos_sleep_ms(1);
			continue;
		}
		W_EQ(w, err, stack.nic && free_packet() ? -EAGAIN : -ENODEV);
		if (!w->strict && err != -EAGAIN)
			return;
		waits++;
		host.paused = false;
		net_host_run(&host);
		net_host_complete(&host, 300);
		hvos_sleep_ms(30);
		host.paused = !(w->n & 2) && waits % 2;
	}
	W_EQ(w, i, total);
	W_EQ(w, waits > 0, true);
	(void)!send_frame(SMALL, false);
	go_on();
	W_EQ(w, stack.done, stack.sent);
	if (!(w->n & 1)) {
		W_EQ(w, host.frames, total + 1);
		W_EQ(w, host.bad_frames + host.lost, 0);
	}
}

TAP_TEST(nothing_is_lost_when_the_host_is_slow)
{
	for (unsigned n = 0; n < 8; n++) {
		if ((n & 1) && !(n & 2))
			continue; /* memory by reference would change before it is read */
		schedules(full, n);
	}
}

static void completes_nonsense(struct world *w)
{
	struct hvg_net_counters counters;
	uint8_t bytes[28] = { 0 };

	if (!up(w))
		return;
	for (uint64_t kind = 0; kind < 4; kind++) {
		net_host_say(&host, 0, HVP_PACKET_COMPLETION, kind << 62, 0, bytes, 28);
		net_host_say(&host, 0, HVP_PACKET_COMPLETION, kind << 62 | 0x10000, 0, bytes, 28);
		net_host_say(&host, 0, HVP_PACKET_COMPLETION, kind << 62 | 0x1ffff, 0, bytes, 8);
		net_host_say(&host, 0, HVP_PACKET_COMPLETION, ~0ull >> 2 | kind << 62, 0, bytes, 8);
	}
	host.hold = true;
	W_EQ(w, send_frame(SMALL, false), 0);
	settle();
	W_EQ(w, host.held_count, 1);
	if (!host.held_count)
		return;
	/* Once with a bad status, and then again. */
	net_host_say(&host, 0, HVP_PACKET_COMPLETION, host.held[0].id, 0, bytes, 28);
	net_host_say(&host, 0, HVP_PACKET_COMPLETION, host.held[0].id, 0, bytes, 28);
	net_host_complete(&host, 1);
	host.hold = false;
	settle();
	W_EQ(w, stack.done, 1);
	hvg_net_counters(stack.nic->net, 0, &counters);
	W_EQ(w, counters.completions_unknown, 18);
	W_EQ(w, counters.tx_failed, 1);
	W_EQ(w, send_frame(SMALL, false), 0);
	settle();
	W_EQ(w, stack.done, 2);
}

TAP_TEST(completions_of_nothing_are_counted_and_ignored)
{
	schedules(completes_nonsense, 0);
}

/* --- receive ------------------------------------------------------------------------------------------------ */

static void receives(struct world *w)
{
	struct hvw_rndis_meta meta = {
		.has = HVW_META_HASH | HVW_META_VLAN | HVW_META_CHECKSUM,
		.hash = 77,
		.vlan = 0x123d,
		.checksum = HVP_RX_CHECKSUM_TCP_SUCCEEDED | HVP_RX_CHECKSUM_IP_SUCCEEDED |
			    HVP_RX_CHECKSUM_IP_VALUE_INVALID,
	};
	struct net_host_range ranges[40] = { 0 };
	static uint8_t frames[40][1514];
	uint32_t number = 0;

	if (!up(w))
		return;
	net_frame_fill(frames[0], 1514, number++);
	W_EQ(w, net_host_send_frame(&host, 0, frames[0], 1514, &meta), 0);
	settle();
	W_EQ(w, stack.received, 1);
	W_EQ(w, stack.last.flags,
	     HVG_NET_RX_HASH | HVG_NET_RX_VLAN | HVG_NET_RX_TCP_GOOD | HVG_NET_RX_IP_GOOD |
		     HVG_NET_RX_IP_UNSET);
	W_EQ(w, stack.last.hash, 77);
	W_EQ(w, stack.last.vlan, 0xb123);
	/* Many in one packet: more than a poll's budget in all. */
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < 40; i++) {
			net_frame_fill(frames[i], 60 + i, number++);
			ranges[i] = (struct net_host_range){ .frame = frames[i], .len = 60 + i };
		}
		W_EQ(w, net_host_send(&host, 0, ranges, 40, NULL), 0);
		settle();
	}
	W_EQ(w, stack.received, 801);
	W_EQ(w, stack.bad, 0);
	W_EQ(w, net_host_parts_out(&host), 0);
	W_EQ(w, host.failed_parts, 0);
}

TAP_TEST(frames_are_received)
{
	all(receives, 0);
}

static void joins(struct world *w)
{
	static uint8_t frame[20000];
	struct net_host_range ranges[30] = { 0 };
	struct hvg_net_counters counters;
	unsigned count = 0, returned;
	uint32_t at, len = 20000;

	if (!up(w))
		return;
	net_frame_fill(frame, len, 0);
	for (at = 0; at < len; at += 1400, count++) {
		ranges[count].frame = frame + at;
		ranges[count].len = len - at < 1400 ? len - at : 1400;
		ranges[count].meta.has = HVW_META_PACKET_ID | (at ? 0 : HVW_META_VLAN);
		ranges[count].meta.vlan = 0x20;
		ranges[count].meta.packet_id = HVP_PACKET_ID_VERSION | HVP_PACKET_ID_SUBALLOCATION |
					       (at ? 0 : HVP_PACKET_ID_FIRST) |
					       (at + 1400 >= len ? HVP_PACKET_ID_LAST : 0) |
					       7u << HVP_PACKET_ID_SHIFT;
	}
	returned = host.returned;
	W_EQ(w, net_host_send(&host, 0, ranges, count, NULL), 0);
	settle();
	W_EQ(w, stack.received, 1);
	W_EQ(w, stack.bad, 0);
	W_EQ(w, stack.last.len, len);
	W_EQ(w, stack.last.vlan, 2);
	/* The first is missing; the last is; two firsts. None is a frame, all is completed. */
	W_EQ(w, net_host_send(&host, 0, ranges + 1, count - 1, NULL), 0);
	W_EQ(w, net_host_send(&host, 0, ranges, count - 1, NULL), 0);
	settle();
	ranges[1].meta = ranges[0].meta;
	W_EQ(w, net_host_send(&host, 0, ranges, count, NULL), 0);
	settle();
	W_EQ(w, stack.received, 1);
	W_EQ(w, host.returned - returned, 4);
	W_EQ(w, host.failed_parts, 3);
	W_EQ(w, net_host_parts_out(&host), 0);
	hvg_net_counters(stack.nic->net, 0, &counters);
	W_EQ(w, counters.rx_joined, 1);
	W_EQ(w, counters.rx_invalid > 3, true);
	/* And a whole one is received as ever. */
	stack.expected = 5;
	net_frame_fill(frame, 100, 5);
	W_EQ(w, net_host_send_frame(&host, 0, frame, 100, NULL), 0);
	settle();
	W_EQ(w, stack.received, 2);
	W_EQ(w, stack.bad, 0);
}

TAP_TEST(frames_in_pieces_are_put_together_or_dropped_whole)
{
	all(joins, 0);
}

static void set_word(uint8_t *message, uint32_t at, uint32_t value)
{
	memcpy(message + at, &value, sizeof(value));
}

/* Each field that the guest has to check, wrong. */
static void hostile(struct world *w)
{
	static const struct {
		uint32_t at, value;
	} wrongs[] = {
		{ 0, 99 },	    { 4, 43 },		{ 4, 0xffffffff },  { 8, 35 },
		{ 8, 0xfffffff8 },  { 8, 2000 },	{ 12, 0 },	    { 12, 5000 },
		{ 12, 0xffffffff }, { 16, 1 },		{ 20, 1 },	    { 24, 1 },
		{ 28, 35 },	    { 28, 0xfffffff0 }, { 32, 0xffffffff }, { 32, 2000 },
		{ 36, 7 },	    { 44, 0 },		{ 44, 8 },	    { 44, 14 },
		{ 44, 0xfffffffc }, { 52, 8 },		{ 52, 13 },	    { 52, 0xffffffff },
		{ 12, 13 },
	};
	struct hvp_transfer_pages pages = { .set_id = 0xcafe, .range_count = 1 };
	struct net_host_range range = { 0 };
	struct hvw_rndis_meta meta = { .has = HVW_META_HASH };
	struct hvg_net_counters counters;
	uint8_t good[600] = { 0 }, bad[600], packet[48] = { 0 };
	uint32_t count = sizeof(wrongs) / sizeof(wrongs[0]);

	if (!up(w))
		return;
	TAP_CHECK(hvw_rndis_packet_build(good, &meta, 100, 200, 0) > 0);
	net_frame_fill(good + 100, 200, 0);
	range.message = bad;
	range.len = 300;
	for (unsigned i = 0; i < count; i++) {
		memcpy(bad, good, sizeof(bad));
		set_word(bad, wrongs[i].at, wrongs[i].value);
		W_EQ(w, net_host_send(&host, 0, &range, 1, NULL), 0);
		settle();
		W_EQ(w, stack.received, 0);
		W_EQ(w, host.failed_parts, i + 1);
	}
	/* Infos that nobody has room for. */
	memset(bad, 0, sizeof(bad));
	TAP_CHECK(hvw_rndis_packet_build(bad, &meta, 500, 100, 0) > 0);
	set_word(bad, 32, 450);
	range.len = 600;
	W_EQ(w, net_host_send(&host, 0, &range, 1, NULL), 0);
	settle();
	W_EQ(w, stack.received, 0);
	W_EQ(w, host.failed_parts, ++count);
	range.len = 300;
	/* A frame that is good lies where the next ones begin. */
	memcpy(bad, good, sizeof(bad));
	W_EQ(w, net_host_send(&host, 0, &range, 1, NULL), 0);
	settle();
	W_EQ(w, stack.received, 1);
	/* Ranges that are not in the buffer, or longer than a part, or too short for anything. */
	static const struct net_host_range outside[] = {
		{ .raw = true, .offset = 128u << 10, .count = 8 },
		{ .raw = true, .offset = 0xfffffff0, .count = 100 },
		{ .raw = true, .offset = (128u << 10) - 50, .count = 60 },
		{ .raw = true, .offset = 0, .count = 1807 },
		{ .raw = true, .offset = 0, .count = 0 },
		{ .raw = true, .offset = 0, .count = 7 },
		{ .raw = true, .offset = 0, .count = 0xffffffff },
	};
	for (unsigned i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
		W_EQ(w, net_host_send(&host, 0, &outside[i], 1, NULL), 0);
	settle();
	W_EQ(w, host.failed_parts, count + 7);
	/* Headers that make no sense: more ranges than there are, none, another buffer. */
	pages.range_count = 3;
	memcpy(packet, &pages, sizeof(pages));
	net_host_say(&host, 0, HVP_PACKET_TRANSFER_PAGES, 5, 16, packet, 48);
	pages.range_count = 0;
	memcpy(packet, &pages, sizeof(pages));
	net_host_say(&host, 0, HVP_PACKET_TRANSFER_PAGES, 5, 16, packet, 48);
	pages.range_count = 1;
	pages.set_id = 0xcaff;
	memcpy(packet, &pages, sizeof(pages));
	net_host_say(&host, 0, HVP_PACKET_TRANSFER_PAGES, 5, 16, packet, 48);
	net_host_say(&host, 0, HVP_PACKET_TRANSFER_PAGES, 5, 0, packet, 48);
	net_host_say(&host, 0, HVP_PACKET_INBAND, 5, 0, packet, 48);
	net_host_say(&host, 0, 0x7777, 5, 0, packet, 48);
	settle();
	W_EQ(w, stack.received, 1);
	hvg_net_counters(stack.nic->net, 0, &counters);
	/* These, and a message above of no type. Only a list that is there is gone through. */
	W_EQ(w, counters.violations, 6 + 1);
	W_EQ(w, counters.rx_invalid, host.failed_parts - 1);
	/* After all that it still works. */
	stack.expected = 0;
	memcpy(bad, good, sizeof(bad));
	W_EQ(w, net_host_send(&host, 0, &range, 1, NULL), 0);
	W_EQ(w, send_frame(SMALL, false), 0);
	settle();
	W_EQ(w, stack.received, 2);
	W_EQ(w, stack.bad, 0);
	W_EQ(w, host.frames, 1);
}

TAP_TEST(frames_that_make_no_sense_are_dropped_and_given_back)
{
	schedules(hostile, 0);
}

/* No room for completions: they are owed, and paid in the end. */
static void owes(struct world *w)
{
	struct hvg_net_counters counters;
	uint8_t frame[SMALL];
	unsigned sent = 0, rounds;

	stack.config.ring_pages = 3;
	if (!up(w))
		return;
	for (rounds = 0; rounds < 12; rounds++) {
		host.paused = true;
		/* Until our own frames fill the ring … */
		while (!send_frame(SMALL, false))
			;
		/* … and the host has no memory left. */
		while (sent < 100000) {
			net_frame_fill(frame, sizeof(frame), sent);
			if (net_host_send_frame(&host, 0, frame, sizeof(frame), NULL))
				break;
			sent++;
		}
		settle();
		host.paused = false;
		net_host_run(&host);
		settle();
		W_EQ(w, net_host_parts_out(&host), 0);
	}
	W_EQ(w, stack.received, sent);
	W_EQ(w, stack.bad, 0);
	W_EQ(w, stack.done, stack.sent);
	hvg_net_counters(stack.nic->net, 0, &counters);
	W_EQ(w, counters.completions_late > 0, true);
	W_EQ(w, counters.violations, 0);
	W_EQ(w, host.frames, stack.sent);
}

TAP_TEST(no_completion_is_lost_when_the_ring_is_full)
{
	schedules(owes, 0);
}

static void ring_once(struct world *w, uint32_t number, bool reply)
{
	uint8_t frame[SMALL];

	net_frame_fill(frame, sizeof(frame), number);
	W_EQ(w, net_host_send_frame(&host, 0, frame, sizeof(frame), NULL), 0);
	if (reply) {
		hvos_sleep_ms(1);
		W_EQ(w, stack.received, number + 1);
		W_EQ(w, send_frame(SMALL, false), 0);
	}
	settle();
	W_EQ(w, net_host_parts_out(&host), 0);
}

/* Completions ring no doorbell of their own: what is sent next rings it, or a little time, or their number. */
static void rings(struct world *w)
{
	const unsigned *doorbells;
	uint8_t frame[SMALL];
	unsigned before;
	uint32_t number;

	if (!up(w))
		return;
	doorbells = &host.channels[0]->doorbells;
	before = *doorbells;
	for (number = 0; number < 40; number++)
		ring_once(w, number, true);
	/* Now and then the time is over before the reply. */
	W_EQ(w, *doorbells - before >= 40 && *doorbells - before < 60, true);
	before = *doorbells;
	ring_once(w, number++, false);
	W_EQ(w, *doorbells, before + 1);
	for (unsigned i = 0; i < NET_HOST_PARTS; i++) {
		net_frame_fill(frame, sizeof(frame), number++);
		W_EQ(w, net_host_send_frame(&host, 0, frame, sizeof(frame), NULL), 0);
	}
	before = *doorbells;
	hvos_sleep_ms(1);
	W_EQ(w, *doorbells > before, true);
	settle();
	W_EQ(w, net_host_parts_out(&host), 0);
	W_EQ(w, stack.received, number);
}

TAP_TEST(completions_share_a_doorbell)
{
	schedules(rings, 0);
}

/* --- queues, settings ------------------------------------------------------------------------------------------ */

static void several(struct world *w)
{
	struct hvg_net *net;
	uint8_t frame[SMALL];
	uint16_t entries[HVG_NET_RSS_TABLE_MAX];
	uint8_t key[HVG_NET_RSS_KEY_BYTES] = { 1 };
	uint32_t expected_rss = 2;
	int err;

	host.queues = 8;
	host.grant_less = w->n;
	if (!up(w))
		return;
	hvos_sleep_ms(200);
	net = stack.nic->net;
	W_EQ(w, hvg_net_queue_count(net), 4 - w->n);
	W_EQ(w, stack.changes[HVG_NET_QUEUES], w->n < 3);
	if (w->n == 3 || hvg_net_queue_count(net) < 2)
		return;
	W_EQ(w, host.rss_set, expected_rss);
	W_EQ(w, host.rss.entries, 128);
	W_EQ(w, host.rss.table[5], 5 % (4 - w->n));
	W_EQ(w, memcmp(host.rss.key, hvw_rss_default_key, 40), 0);
	for (unsigned queue = 0; queue < hvg_net_queue_count(net); queue++) {
		W_EQ(w, send_at((struct hvg_net_frame){ 0 }, 0, SMALL, queue, false), 0);
		settle();
		W_EQ(w, host.last_queue, queue);
		net_frame_fill(frame, sizeof(frame), queue);
		W_EQ(w, net_host_send_frame(&host, queue, frame, sizeof(frame), NULL), 0);
		settle();
		W_EQ(w, stack.received, queue + 1);
	}
	for (unsigned i = 0; i < HVG_NET_RSS_TABLE_MAX; i++)
		entries[i] = 1;
	hvg_netif_lock(stack.nic);
	err = hvg_net_set_rss(net, entries, 128, key);
	W_EQ(w, err, 0);
	W_EQ(w, hvg_net_set_rss(net, entries, 127, key), -EINVAL);
	entries[7] = 4;
	W_EQ(w, hvg_net_set_rss(net, entries, 128, NULL), -EINVAL);
	/* All of it is there again after a change of the MTU. */
	stack.config.mtu = 4000;
	if (!err)
		err = hvg_net_reconfigure(net, &stack.config);
	hvg_netif_unlock(stack.nic);
	W_EQ(w, err, 0);
	hvos_sleep_ms(300);
	W_EQ(w, hvg_net_queue_count(net), 4 - w->n);
	W_EQ(w, host.mtu, 4014);
	W_EQ(w, host.filter, 0x0d);
	W_EQ(w, host.rss.table[9], 1);
	W_EQ(w, host.rss.key[0], 1);
	W_EQ(w, send_at((struct hvg_net_frame){ 0 }, 0, 3000, 1, false), 0);
	settle();
	W_EQ(w, host.last_len, 3000);
	W_EQ(w, stack.bad + host.bad_frames, 0);
	W_EQ(w, stack.done, stack.sent);
}

TAP_TEST(several_queues_are_opened_and_used)
{
	all(several, 0);
	schedules(several, 1);
	schedules(several, 3);
}

static void table(struct world *w)
{
	uint32_t entries[HVP_NVSP_INDIRECTION_ENTRIES];
	struct hvw_nvsp msg;
	struct hvg_net *net;

	host.queues = 4;
	if (!up(w))
		return;
	hvos_sleep_ms(200);
	net = stack.nic->net;
	W_EQ(w, hvg_net_tx_entry(net, 5), 0);
	for (uint32_t hash = 0; hash < 64; hash++)
		W_EQ(w, hvg_net_tx_queue(net, hash), hash % 16 % hvg_net_queue_count(net));
	for (unsigned i = 0; i < HVP_NVSP_INDIRECTION_ENTRIES; i++)
		entries[i] = i == 3 ? 0xffffffff : 2;
	hvw_nvsp_init(&msg, HVP_NVSP_SEND_INDIRECTION_TABLE);
	hvw_nvsp_indirection_build(&msg, entries);
	net_host_say(&host, 0, HVP_PACKET_INBAND, 0, 0, msg.u.bytes, msg.len);
	settle();
	W_EQ(w, hvg_net_tx_queue(net, 18), 2);
	W_EQ(w, hvg_net_tx_entry(net, 5), 2);
	/* It is wrapped, not believed. */
	W_EQ(w, hvg_net_tx_queue(net, 19), 3);
	msg.u.SEND_INDIRECTION_TABLE.count = 15;
	net_host_say(&host, 0, HVP_PACKET_INBAND, 0, 0, msg.u.bytes, msg.len);
	settle();
	W_EQ(w, hvg_net_tx_queue(net, 18), 2);
}

TAP_TEST(the_hosts_table_says_where_to_send)
{
	schedules(table, 0);
}

/* What the host refuses or does not answer leaves the NIC as it was. */
static void reverts(struct world *w)
{
	struct hvg_net_config config;
	struct hvg_net *net;
	int err;

	w->faults_allowed = true;
	if (!up(w))
		return;
	net = stack.nic->net;
	config = stack.config;
	config.mtu = 3000;
	config.send_bytes = 40u << 10;
	hvg_netif_lock(stack.nic);
	host.refuse_mtu = 3014;
	err = hvg_net_reconfigure(net, &config);
	W_EQ(w, err, -EIO);
	W_EQ(w, hvg_net_attached(net), true);
	W_EQ(w, hvg_net_config(net)->mtu, 1500);
	config.mtu = 60;
	W_EQ(w, hvg_net_reconfigure(net, &config), -EINVAL);
	W_EQ(w, hvg_net_attached(net), true);
	host.rules[0] = (struct net_host_rule){ .oid = HVP_OID_TCP_OFFLOAD_PARAMETERS,
						.action = NET_HOST_REFUSE };
	W_EQ(w, hvg_net_set_offloads(net, 0), -EIO);
	host.rules[0].action = NET_HOST_ANSWER;
	W_EQ(w, hvg_net_set_offloads(net, HVG_NET_OFFLOAD_TX_TCP4), 0);
	W_EQ(w, host.offloads.tcp4, HVP_OFFLOAD_TX);
	W_EQ(w, host.offloads.tcp6, HVP_OFFLOAD_OFF);
	W_EQ(w, host.offloads.rsc4, HVP_OFFLOAD_OFF);
	err = hvg_netif_down(stack.nic);
	W_EQ(w, err, 0);
	W_EQ(w, host.filter, 0);
	err = hvg_netif_up(stack.nic);
	hvg_netif_unlock(stack.nic);
	W_EQ(w, err, 0);
	W_EQ(w, send_frame(SMALL, false), 0);
	settle();
	W_EQ(w, host.frames, 1);
}

TAP_TEST(what_fails_leaves_it_as_it_was)
{
	all(reverts, 0);
}

static void sleeps(struct world *w)
{
	int err;

	host.queues = 4;
	if (!up(w))
		return;
	hvos_sleep_ms(200);
	W_EQ(w, send_frame(SMALL, false), 0);
	err = hvg_bus_suspend(w->bus);
	W_EQ(w, err, 0);
	if (!w->strict && err)
		return;
	err = hvg_bus_resume(w->bus);
	W_EQ(w, err, 0);
	if (err || hvg_bus_settle(w->bus, SETTLE_MS))
		return;
	hvos_sleep_ms(300);
	W_EQ(w, host.filter, 0x0d);
	W_EQ(w, stack.nic && send_frame(SMALL, false) == 0, true);
	settle();
	W_EQ(w, host.frames, 2);
}

TAP_TEST(it_goes_on_after_a_suspend)
{
	schedules(sleeps, 0);
}

static void vanishes(struct world *w)
{
	unsigned i;

	w->faults_allowed = true;
	host.queues = 4;
	if (!up(w))
		return;
	hvos_sleep_ms(200);
	host.hold = w->n & 1;
	host.paused = w->n & 2;
	for (i = 0; i < 300; i++)
		(void)!send_at((struct hvg_net_frame){ 0 }, 0, 100 + i, i % 4, i % 3 != 0);
	net_host_rescind(&host);
	for (i = 0; i < 50 && stack.nic; i++) {
		(void)!send_at((struct hvg_net_frame){ 0 }, 0, 100 + i, i % 4, true);
		hvos_sleep_ms(i % 2);
	}
	hvos_sleep_ms(STACK_MS);
	W_EQ(w, stack.nic == NULL, true);
	W_EQ(w, stack.done, stack.sent);
}

TAP_TEST(it_can_be_taken_away_at_any_time)
{
	for (unsigned n = 0; n < 4; n++)
		schedules(vanishes, n);
}

/* The ring is as full as it gets, so that not even a question can be asked. */
static void deaf(struct world *w)
{
	uint64_t before_ns;

	host.queues = 4;
	if (!up(w))
		return;
	hvos_sleep_ms(200);
	host.paused = true;
	while (w->n && !send_frame(SMALL, false))
		;
	hvg_netif_lock(stack.nic);
	before_ns = sim_now_ns();
	hvg_net_detach(stack.nic->net);
	W_EQ(w, sim_now_ns() - before_ns < 15000000000u, true);
	W_EQ(w, hvg_net_attached(stack.nic->net), false);
	hvg_netif_unlock(stack.nic);
	W_EQ(w, stack.done, stack.sent);
}

TAP_TEST(it_leaves_a_host_that_does_not_listen_in_time)
{
	for (unsigned n = 0; n < 2; n++)
		schedules(deaf, n);
}

/* --- link, virtual function ---------------------------------------------------------------------------------------- */

static void links(struct world *w)
{
	uint32_t speed = 400000000, reason = HVP_RNDIS_NETWORK_CHANGE_DEFINITE;
	struct hvg_net *net;

	host.down = true;
	if (!up(w))
		return;
	net = stack.nic->net;
	W_EQ(w, hvg_net_link(net), false);
	W_EQ(w, net_host_indicate(&host, HVP_RNDIS_STATUS_MEDIA_CONNECT, NULL, 0), 0);
	hvos_sleep_ms(100);
	W_EQ(w, hvg_net_link(net), true);
	/* Two at once: each is seen, with time in between. */
	W_EQ(w, net_host_indicate(&host, HVP_RNDIS_STATUS_MEDIA_DISCONNECT, NULL, 0), 0);
	W_EQ(w, net_host_indicate(&host, HVP_RNDIS_STATUS_MEDIA_CONNECT, NULL, 0), 0);
	hvos_sleep_ms(3000);
	W_EQ(w, hvg_net_link(net), false);
	hvos_sleep_ms(2000);
	W_EQ(w, hvg_net_link(net), true);
	W_EQ(w, stack.changes[HVG_NET_LINK], 3);
	hvos_sleep_ms(3000);
	W_EQ(w, net_host_indicate(&host, HVP_RNDIS_STATUS_MEDIA_CONNECT, NULL, 0), 0);
	hvos_sleep_ms(3000);
	W_EQ(w, stack.changes[HVG_NET_PEERS], 1);
	W_EQ(w, net_host_indicate(&host, HVP_RNDIS_STATUS_NETWORK_CHANGE, &reason, 4), 0);
	hvos_sleep_ms(500);
	W_EQ(w, hvg_net_link(net), false);
	hvos_sleep_ms(4000);
	W_EQ(w, hvg_net_link(net), true);
	W_EQ(w, net_host_indicate(&host, HVP_RNDIS_STATUS_LINK_SPEED_CHANGE, &speed, 4), 0);
	hvos_sleep_ms(100);
	W_EQ(w, hvg_net_speed(net), speed);
	W_EQ(w, stack.changes[HVG_NET_SPEED], 1);
	/* More than it remembers: it asks. */
	host.down = true;
	for (unsigned i = 0; i < 40; i++)
		(void)!net_host_indicate(&host, HVP_RNDIS_STATUS_MEDIA_CONNECT, NULL, 0);
	hvos_sleep_ms(100000);
	W_EQ(w, hvg_net_link(net), false);
}

TAP_TEST(changes_of_the_link_are_seen_one_by_one)
{
	schedules(links, 0);
}

static void associate(bool allocated, uint32_t serial)
{
	struct hvw_nvsp msg;

	hvw_nvsp_init(&msg, HVP_NVSP_VF_ASSOCIATION);
	msg.u.VF_ASSOCIATION.allocated = allocated;
	msg.u.VF_ASSOCIATION.serial = serial;
	net_host_say(&host, 0, HVP_PACKET_INBAND, 1ull << 63, 0, msg.u.bytes, 40);
	settle();
}

static void functions(struct world *w)
{
	uint32_t serial = 0;
	struct hvg_net *net;

	if (!up(w))
		return;
	net = stack.nic->net;
	W_EQ(w, hvg_net_vf(net, &serial), HVG_NET_VF_NONE);
	hvg_netif_lock(stack.nic);
	W_EQ(w, hvg_net_vf_switch(net, true), -ENOENT);
	hvg_netif_unlock(stack.nic);
	associate(true, 7);
	W_EQ(w, hvg_net_vf(net, &serial), HVG_NET_VF_THERE);
	W_EQ(w, serial, 7);
	W_EQ(w, stack.changes[HVG_NET_VF], 1);
	hvg_netif_lock(stack.nic);
	W_EQ(w, hvg_net_vf_switch(net, true), 0);
	W_EQ(w, host.path_vf, true);
	W_EQ(w, hvg_net_vf(net, &serial), HVG_NET_VF_ACTIVE);
	W_EQ(w, hvg_net_vf_switch(net, false), 0);
	W_EQ(w, host.path_vf, false);
	host.rules[0] = (struct net_host_rule){ .nvsp = HVP_NVSP_SWITCH_DATA_PATH,
						.action = NET_HOST_SILENT };
	W_EQ(w, hvg_net_vf_switch(net, true), -ETIMEDOUT);
	hvg_netif_unlock(stack.nic);
	associate(false, 7);
	W_EQ(w, hvg_net_vf(net, &serial), HVG_NET_VF_NONE);
}

TAP_TEST(a_virtual_function_takes_over_and_gives_back)
{
	schedules(functions, 0);
}

/* As its device comes and goes, and as the host announces it and takes it back, in whatever order. */
static void follows(struct world *w)
{
	uint32_t serial = 0;
	struct hvg_net *net;

	if (!up(w))
		return;
	net = stack.nic->net;
	hvg_netif_lock(stack.nic);
	W_EQ(w, hvg_net_vf_follow(net, true), 0);
	W_EQ(w, host.path_vf, false);
	hvg_netif_unlock(stack.nic);
	associate(true, 7);
	hvg_netif_lock(stack.nic);
	W_EQ(w, hvg_net_vf_follow(net, false), 0);
	W_EQ(w, host.path_vf, false);
	W_EQ(w, hvg_net_vf_follow(net, true), 0);
	W_EQ(w, host.path_vf, true);
	/* The host is not told what it knows. */
	host.path_vf = false;
	W_EQ(w, hvg_net_vf_follow(net, true), 0);
	W_EQ(w, host.path_vf, false);
	hvg_netif_unlock(stack.nic);
	/* Taken back and announced anew: the path begins here again. */
	associate(false, 7);
	W_EQ(w, hvg_net_vf(net, &serial), HVG_NET_VF_NONE);
	associate(true, 8);
	W_EQ(w, hvg_net_vf(net, &serial), HVG_NET_VF_THERE);
	W_EQ(w, serial, 8);
	hvg_netif_lock(stack.nic);
	W_EQ(w, hvg_net_vf_follow(net, true), 0);
	W_EQ(w, host.path_vf, true);
	W_EQ(w, hvg_net_vf_follow(net, false), 0);
	W_EQ(w, host.path_vf, false);
	/* After a failure it is tried again. */
	host.rules[0] = (struct net_host_rule){ .nvsp = HVP_NVSP_SWITCH_DATA_PATH,
						.action = NET_HOST_SILENT };
	W_EQ(w, hvg_net_vf_follow(net, true), -ETIMEDOUT);
	host.rules[0] = (struct net_host_rule){ 0 };
	W_EQ(w, hvg_net_vf_follow(net, true), 0);
	W_EQ(w, host.path_vf, true);
	/* It does not outlive what was agreed on. */
	hvg_net_detach(net);
	W_EQ(w, hvg_net_vf(net, &serial), HVG_NET_VF_NONE);
	W_EQ(w, hvg_net_vf_follow(net, true), 0);
	hvg_netif_unlock(stack.nic);
}

TAP_TEST(the_path_follows_the_functions_device)
{
	schedules(follows, 0);
}

static void pairs(struct world *w)
{
	struct hvg_net_vf_device device = { .serial = 7 };
	struct hvg_net *net;

	if (!up(w))
		return;
	net = stack.nic->net;
	W_EQ(w, hvg_net_vf_match(net, &device), HVG_NET_VF_OTHER);
	memcpy(device.current_mac, host.mac, sizeof(host.mac));
	W_EQ(w, hvg_net_vf_match(net, &device), HVG_NET_VF_BY_ADDRESS);
	memcpy(device.permanent, host.mac, sizeof(host.mac));
	W_EQ(w, hvg_net_vf_match(net, &device), HVG_NET_VF_BY_ADDRESS);
	associate(true, 6);
	W_EQ(w, hvg_net_vf_match(net, &device), HVG_NET_VF_BY_ADDRESS);
	associate(true, 7);
	W_EQ(w, hvg_net_vf_match(net, &device), HVG_NET_VF_BY_SERIAL);
	memset(device.current_mac, 0x55, sizeof(device.current_mac));
	W_EQ(w, hvg_net_vf_match(net, &device), HVG_NET_VF_BY_SERIAL);
	/* The serial of another bus's slot. */
	device.permanent[5] ^= 1;
	W_EQ(w, hvg_net_vf_match(net, &device), HVG_NET_VF_OTHER);
}

TAP_TEST(a_function_is_known_by_serial_and_address)
{
	schedules(pairs, 0);
}

/* --- by chance ---------------------------------------------------------------------------------------------------------- */

static void chance(struct world *w)
{
	static uint8_t frame[1514];
	uint32_t number = 0;

	host.queues = 4;
	host.section_bytes = 2048u << sim_random(3);
	host.packets_max = sim_random(10);
	host.alignment = sim_random(5);
	stack.config.send_bytes = sim_random(4) ? (8u + sim_random(80)) << 10 : 0;
	stack.config.ring_pages = 2 + sim_random(8);
	if (stack.config.send_bytes && host.section_bytes > stack.config.send_bytes)
		host.section_bytes = 2048;
	if (!up(w))
		return;
	for (unsigned i = 0; i < 2000; i++) {
		switch (sim_random(12)) {
		case 0:
			host.paused = !host.paused;
			net_host_run(&host);
			break;
		case 1:
			host.hold = !host.hold;
			break;
		case 2:
			net_host_complete(&host, sim_random(40));
			break;
		case 3:
		case 4:
			net_frame_fill(frame, sizeof(frame), number);
			number +=
				!net_host_send_frame(&host, 0, frame, 18 + sim_random(1400), NULL) ?
					1 :
					0;
			break;
		case 5:
			hvos_sleep_ms(sim_random(3));
			break;
		default:
			(void)!send_frame(18 + sim_random(sim_random(8) ? 300 : 5000),
					  sim_random(2));
			break;
		}
	}
	go_on();
	(void)!send_frame(SMALL, false);
	hvos_sleep_ms(200);
	W_EQ(w, stack.done, stack.sent);
	W_EQ(w, net_host_parts_out(&host), 0);
	W_EQ(w, stack.received, number);
}

TAP_TEST(whatever_happens_everything_comes_back)
{
	for (unsigned n = 0; n < 10; n++)
		schedules(chance, n);
}

TAP_MAIN()
