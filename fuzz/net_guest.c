/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The guest's NIC on port/sim, and a hostile host: the input says what becomes of each packet of a host that
 * would otherwise do what is right, what the host does on its own account, and what the guest does meanwhile. What
 * must hold whatever the host does is checked here and by port/sim: each frame comes back once, nothing that is received lies
 * outside the buffer, no wait without an end, nothing left.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz_target.h"
#include "fuzz/input.h"
#include "fuzz/net_host.h"
#include "hvg/hvg_bus.h"
#include "hvg/hvg_netif.h"
#include "hvw_nvsp.h"
#include "port/sim/sim.h"

#define RAM	  (3u << 20)
#define CPUS	  2u
#define STEPS_MAX 64u
#define PACKETS	  64u
#define FRAME_MAX 9000u

const unsigned fuzz_cuts = 3;

static struct input in;

static struct fake_host fake;
static struct net_host host;
static struct hvg_bus *bus;

static struct {
	struct hvg_net_port *nic;
	unsigned users;
	struct hvg_net_config config;
	struct hvg_netif_packet packets[PACKETS];
	struct hvg_netif_piece piece[PACKETS];
	bool out[PACKETS];
} stack;

static uint8_t frame[FRAME_MAX];

/* What the corpus has to reach. */
static unsigned long received, joined, sent, reconfigured;
static unsigned queues;

static unsigned byte(void)
{
	return input_byte(&in);
}

static unsigned word(void)
{
	return input_word(&in);
}

/* --- the stack ------------------------------------------------------------------------------------------ */

static void on_attached(struct hvg_net_port *nic)
{
	stack.nic = nic;
}

static void on_detached(struct hvg_net_port *nic)
{
	(void)nic;
	stack.nic = NULL;
	while (stack.users)
		hvos_sleep_ms(1);
}

static void on_received(struct hvg_net_port *nic, unsigned queue, const struct hvg_net_rx *rx)
{
	uint32_t len = 0;
	uint8_t bytes[256];

	(void)nic;
	(void)queue;
	for (unsigned i = 0; i < rx->piece_count; i++) {
		uint32_t part = rx->pieces[i].len;

		hvw_copy_out(bytes, rx->pieces[i].data,
			     part < sizeof(bytes) ? part : sizeof(bytes));
		len += part;
	}
	if (!rx->piece_count || len != rx->len || len < HVG_NET_ETHERNET)
		abort();
	received++;
	joined += rx->piece_count > 1;
}

static void on_done(struct hvg_net_port *nic, struct hvg_netif_packet *packet)
{
	size_t n = (size_t)(packet - stack.packets);

	(void)nic;
	if (!stack.out[n])
		abort();
	stack.out[n] = false;
	sent++;
}

static const struct hvg_netif_ops ops = {
	.attached = on_attached,
	.detached = on_detached,
	.received = on_received,
	.done = on_done,
};

static int attach(struct hvg_device *device)
{
	return hvg_netif_attach(device, &stack.config, &ops, NULL);
}

static const struct hvg_driver driver = {
	.name = "network",
	.class_id = HVP_CLASS_NETWORK,
	.attach = attach,
	.detach = hvg_netif_detach,
	.subchannel = hvg_netif_subchannel,
	.subchannel_gone = hvg_netif_subchannel_gone,
	.suspend = hvg_netif_suspend,
	.resume = hvg_netif_resume,
};

static void send_one(void)
{
	const uint32_t len = 18 + word() % (FRAME_MAX - 18);
	const unsigned what = byte();
	unsigned n;

	for (n = 0; n < PACKETS && stack.out[n]; n++)
		;
	if (!stack.nic || n == PACKETS)
		return;
	net_frame_fill(frame, len, n);
	stack.packets[n] = (struct hvg_netif_packet){ .frame = { .len = len, .head = what % 200 },
						      .pieces = &stack.piece[n],
						      .piece_count = 1 };
	/* Not known to the host: a long one is refused. */
	stack.piece[n] = (struct hvg_netif_piece){ frame, 0, len };
	stack.out[n] = true;
	stack.users++;
	if (hvg_netif_send(stack.nic, what % 4, &stack.packets[n], what & 4))
		stack.out[n] = false;
	stack.users--;
}

static void control(void)
{
	const unsigned what = byte();
	struct hvg_net_port *nic = stack.nic;
	uint16_t entries[128] = { 0 };

	if (!nic)
		return;
	stack.users++;
	hvg_netif_lock(nic);
	switch (what % 6) {
	case 0:
		stack.config.mtu = 100 + word() % 9000;
		reconfigured += !hvg_net_reconfigure(nic->net, &stack.config);
		break;
	case 1:
		(void)!hvg_netif_down(nic);
		break;
	case 2:
		(void)!hvg_net_set_offloads(nic->net, what);
		break;
	case 3:
		(void)!hvg_net_set_rss(nic->net, entries, 128, NULL);
		break;
	case 4:
		(void)!hvg_net_vf_switch(nic->net, what & 8);
		break;
	default:
		(void)!hvg_netif_up(nic);
		break;
	}
	if (hvg_net_queue_count(nic->net) > queues)
		queues = hvg_net_queue_count(nic->net);
	hvg_netif_unlock(nic);
	stack.users--;
}

/* --- the host ------------------------------------------------------------------------------------------- */

/* Each message of the host passes here; bytes that are used up are zero, which lets it through. */
static void spoil(struct net_host *h, uint8_t *bytes, uint32_t *len)
{
	const unsigned what = byte();
	uint32_t value;

	(void)h;
	switch (what % 16) {
	case 1:
		*len = byte() % (*len + 1) & ~7u;
		break;
	case 2:
		bytes[byte() % *len] ^= (uint8_t)byte();
		break;
	case 3:
		value = byte() % 8 ? (uint32_t)byte() : 0xffffffffu - (uint32_t)byte();
		memcpy(bytes + byte() % (*len / 4 + 1) * 4 % (*len - 3), &value, sizeof(value));
		break;
	default:
		break;
	}
}

static void raw_packet(void)
{
	static const uint16_t types[] = { HVP_PACKET_INBAND, HVP_PACKET_TRANSFER_PAGES,
					  HVP_PACKET_GPA_DIRECT, HVP_PACKET_COMPLETION };
	const unsigned what = byte();
	uint8_t bytes[256];
	const uint32_t len = 8 + byte() % (sizeof(bytes) - 8);
	uint64_t id = (uint64_t)byte() << 62 | (uint64_t)byte() << 16 | byte();

	input_take(&in, bytes, sizeof(bytes));
	net_host_say(&host, what % 4, types[what / 4 % 4], id, (what / 16 * 8) % (len & ~7u), bytes,
		     len);
}

/* A message with infos, of a few ranges. */
static void raw_frames(void)
{
	const unsigned count = 1 + byte() % 6, queue = byte() % 4;
	struct net_host_range ranges[6] = { 0 };

	net_frame_fill(frame, 1400, count);
	for (unsigned i = 0; i < count; i++) {
		ranges[i].frame = frame;
		ranges[i].len = 20 + byte() * 4;
		ranges[i].meta.has = byte() % 64;
		ranges[i].meta.packet_id = byte() << 8;
		ranges[i].meta.checksum = byte();
		ranges[i].meta.vlan = word();
	}
	(void)!net_host_send(&host, queue, ranges, count, NULL);
}

static void raw_ranges(void)
{
	const unsigned count = 1 + byte() % 4;
	struct net_host_range ranges[4] = { 0 };

	for (unsigned i = 0; i < count; i++) {
		ranges[i].raw = true;
		ranges[i].offset = byte() % 4 ? word() : 0xffffffffu - word();
		ranges[i].count = byte() % 4 ? word() : 0xffffffffu - word();
	}
	(void)!net_host_send(&host, byte() % 4, ranges, count, NULL);
}

static void indicate(void)
{
	static const uint32_t statuses[] = { HVP_RNDIS_STATUS_MEDIA_CONNECT,
					     HVP_RNDIS_STATUS_MEDIA_DISCONNECT,
					     HVP_RNDIS_STATUS_NETWORK_CHANGE,
					     HVP_RNDIS_STATUS_LINK_SPEED_CHANGE };
	uint32_t value = word();

	(void)!net_host_indicate(&host, statuses[byte() % 4], &value, byte() % 5);
}

static void associate(void)
{
	struct hvw_nvsp msg;

	hvw_nvsp_init(&msg, HVP_NVSP_VF_ASSOCIATION);
	msg.u.VF_ASSOCIATION.allocated = byte() % 2;
	net_host_say(&host, 0, HVP_PACKET_INBAND, 0, 0, msg.u.bytes, 40);
}

static void set_rule(void)
{
	struct net_host_rule *rule = &host.rules[byte() % NET_HOST_RULES];

	rule->nvsp = byte();
	rule->oid = rule->nvsp ? 0 : 1;
	rule->action = (enum net_host_action)(byte() % (NET_HOST_RESCIND + 1));
}

static void step(void)
{
	switch (byte() % 16) {
	case 0:
		hvos_sleep_ms(byte());
		break;
	case 1:
		raw_packet();
		break;
	case 2:
		raw_frames();
		break;
	case 3:
		raw_ranges();
		break;
	case 4:
		indicate();
		break;
	case 5:
		associate();
		break;
	case 6:
		set_rule();
		break;
	case 7:
		control();
		break;
	case 8:
		host.paused = !host.paused;
		net_host_run(&host);
		break;
	case 9:
		host.hold = !host.hold;
		break;
	case 10:
		net_host_complete(&host, byte());
		break;
	case 11:
		if (!byte())
			net_host_rescind(&host);
		break;
	default:
		send_one();
		break;
	}
}

/* --- one input ------------------------------------------------------------------------------------------ */

static void run(void)
{
	static const struct hvg_driver *const drivers[] = { &driver };
	const struct hvg_bus_config config = {
		.os_id = 1ull << 63,
		.version_max = HVP_VERSION_5_3,
		.drivers = drivers,
		.driver_count = 1,
	};
	unsigned steps;

	if (hvg_bus_start(&config, &bus))
		return;
	(void)!hvg_bus_settle(bus, 1000);
	control();
	hvos_sleep_ms(100);
	for (steps = 0; in.left && steps < STEPS_MAX; steps++)
		step();
	host.paused = false;
	sim_run();
	hvg_bus_stop(bus);
	for (unsigned n = 0; n < PACKETS; n++)
		if (stack.out[n])
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct sim_config config = { .cpus = CPUS };

	in.next = data;
	in.left = len;
	memset(&stack, 0, sizeof(stack));
	fake_init(&fake, CPUS, RAM);
	net_host_init(&host, &fake);
	host.queues = 4;
	host.spoil = spoil;
	host.version_max = byte() % 2 ? HVP_NVSP_5 : HVP_NVSP_6_1;
	host.section_bytes = 64u + byte() * 32u;
	stack.config = (struct hvg_net_config){
		.mtu = 1500,
		.queues = 1 + byte() % 4,
		.ring_pages = 3,
		.receive_bytes = 64u << 10,
		.send_bytes = 32u << 10,
		.version_max = HVP_NVSP_6_1,
		.vf = true,
		.join = true,
	};
	config.seed = byte();
	config.works = (enum sim_works)(byte() % SIM_WORKS_WAYS);
	soft_configure(&fake.soft, &config);
	sim_start(&config);
	run();
	sim_stop();
	fake_fini(&fake);
	return 0;
}

int fuzz_corpus_complete(void)
{
	return FUZZ_NEVER(received) + FUZZ_NEVER(joined) + FUZZ_NEVER(sent) +
	       FUZZ_NEVER(reconfigured) + FUZZ_NEVER(queues == 4);
}
