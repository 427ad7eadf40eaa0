/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The real core against the real server, under random schedules: traffic on channels that come and go,
 * suspends, restarts, changes of processors, and a host that is saved, destroyed and loaded under the guest.
 *
 * HVIS_SCHEDULES says how many (default 300), HVIS_TEST_SEED which is the first; a failure prints its seed.
 */
#include "fuzz/loopback.h"
#include "hvg/hvg_bus.h"
#include "hvg/hvg_ic.h"
#include "hvw_msg.h"
#include "port/sim/sim.h"
#include "tap.h"

#define LANES	  5u
#define WINDOW	  6u /* packets under way */
#define SETTLE_MS 100000u

/* --- a driver that sends and checks what comes back -------------------------------------------------------- */

struct lane {
	struct hvg_chan *chan;
	struct hvos_work work;
	uint32_t quota; /* packets to be sent (a) */
	uint64_t sent, received;
	unsigned cpu;
};

struct echo {
	struct lane *lanes[LANES]; /* by index of the channel */
};

static struct {
	uint64_t packets; /* that came back */
	unsigned attached, detached, resumed, lanes;
	struct hvg_device *devices[8]; /* attached ones */
} seen;

/* Differs in length and content from one packet to the next. */
static uint32_t fill(uint8_t *bytes, uint64_t id)
{
	uint32_t len = 8 * (1 + (uint32_t)(id * 7 % 40)), i;

	for (i = 0; i < len; i++)
		bytes[i] = (uint8_t)(id * 31 + i);
	return len;
}

static void receive(struct lane *lane)
{
	uint8_t expected[512], got[512];
	struct hvw_rx_packet packet;

	while (!hvg_chan_next(lane->chan, &packet)) {
		uint32_t len = fill(expected, lane->received);

		TAP_EQ(packet.h.transaction_id, lane->received);
		if (TAP_EQ(packet.payload_len, len) &&
		    TAP_EQ(hvg_chan_copy(lane->chan, &packet, packet.header_len, got, len), 0))
			TAP_MEM_EQ(got, expected, len);
		lane->received++;
		seen.packets++;
		hvg_chan_release(lane->chan);
	}
}

static void send_more(struct lane *lane)
{
	uint8_t bytes[512];

	while (lane->sent - lane->received < WINDOW &&
	       lane->sent < __atomic_load_n(&lane->quota, __ATOMIC_RELAXED)) {
		uint32_t len = fill(bytes, lane->sent);

		if (hvg_chan_send(lane->chan, 0, lane->sent, bytes, len))
			return;
		lane->sent++;
	}
}

static void lane_work(void *ctx)
{
	struct lane *lane = ctx;

	hvg_chan_mask(lane->chan);
	receive(lane);
	send_more(lane);
	if (hvg_chan_unmask(lane->chan))
		hvos_work_queue(&lane->work);
}

static void signalled(void *ctx)
{
	hvos_work_queue(&((struct lane *)ctx)->work);
}

static int lane_open(struct lane *lane)
{
	struct hvg_chan_config config = {
		.send_pages = 2,
		.receive_pages = 2,
		.signalled = signalled,
		.ctx = lane,
	};
	int err;

	lane->sent = lane->received = 0;
	lane->quota = 10;
	config.cpu = sim_random(hvos_cpu_count());
	hvos_work_init(&lane->work, lane_work, lane);
	err = hvg_chan_open(lane->chan, &config);
	if (err)
		hvos_work_fini(&lane->work);
	else
		hvos_work_queue(&lane->work);
	return err;
}

static void lane_close(struct lane *lane)
{
	hvos_work_fini(&lane->work);
	hvg_chan_close(lane->chan);
}

static int lane_add(struct echo *echo, struct hvg_chan *chan)
{
	struct lane *lane = hvos_alloc(sizeof(*lane));
	int err;

	if (!lane)
		return -ENOMEM;
	lane->chan = chan;
	err = lane_open(lane);
	if (err) {
		hvos_free(lane);
		return err;
	}
	echo->lanes[hvg_chan_index(chan)] = lane;
	seen.lanes++;
	return 0;
}

static void lane_remove(struct echo *echo, struct hvg_chan *chan)
{
	struct lane *lane = echo->lanes[hvg_chan_index(chan)];

	if (!lane || lane->chan != chan)
		return;
	echo->lanes[hvg_chan_index(chan)] = NULL;
	lane_close(lane);
	hvos_free(lane);
}

static int echo_attach(struct hvg_device *device)
{
	struct echo *echo = hvos_alloc(sizeof(*echo));
	unsigned i;
	int err;

	if (!echo)
		return -ENOMEM;
	err = lane_add(echo, hvg_device_chan(device));
	if (err) {
		hvos_free(echo);
		return err;
	}
	hvg_device_set_data(device, echo);
	seen.attached++;
	for (i = 0; i < 8 && seen.devices[i]; i++)
		;
	if (i < 8)
		seen.devices[i] = device;
	return 0;
}

static void echo_detach(struct hvg_device *device)
{
	struct echo *echo = hvg_device_data(device);
	unsigned i;

	for (i = 0; i < 8; i++)
		if (seen.devices[i] == device)
			seen.devices[i] = NULL;
	if (echo->lanes[0])
		lane_remove(echo, hvg_device_chan(device));
	for (i = 0; i < LANES; i++)
		TAP_CHECK(!echo->lanes[i]);
	hvos_free(echo);
	seen.detached++;
}

static void echo_subchannel(struct hvg_device *device, struct hvg_chan *chan)
{
	if (hvg_chan_index(chan) < LANES)
		(void)lane_add(hvg_device_data(device), chan);
}

static void echo_subchannel_gone(struct hvg_device *device, struct hvg_chan *chan)
{
	if (hvg_chan_index(chan) < LANES)
		lane_remove(hvg_device_data(device), chan);
}

static int echo_suspend(struct hvg_device *device)
{
	struct echo *echo = hvg_device_data(device);

	lane_remove(echo, hvg_device_chan(device));
	return 0;
}

static int echo_resume(struct hvg_device *device)
{
	seen.resumed++;
	return lane_add(hvg_device_data(device), hvg_device_chan(device));
}

static const struct hvg_driver echo_driver = {
	.name = "echo",
	.class_id = { { 0xec } },
	.attach = echo_attach,
	.detach = echo_detach,
	.subchannel = echo_subchannel,
	.subchannel_gone = echo_subchannel_gone,
	.suspend = echo_suspend,
	.resume = echo_resume,
};

static const struct hvg_driver *const drivers[] = { &echo_driver, &hvg_heartbeat_driver,
						    &hvg_shutdown_driver, &hvg_timesync_driver };

/* --- one life ------------------------------------------------------------------------------------------------ */

static int start_bus(struct hvg_bus **bus)
{
	struct hvg_bus_config config = {
		.os_id = 0x8100000000000000ull,
		.version_max = HVP_VERSION_5_3,
		.drivers = drivers,
		.driver_count = sizeof(drivers) / sizeof(drivers[0]),
	};

	return hvg_bus_start(&config, bus);
}

/* The host is saved, destroyed and loaded again; it may be busy with a channel. */
static void replace_host(struct embedder *e)
{
	uint8_t *state;
	size_t len;

	if (embedder_save(e, &state, &len))
		return;
	EMBEDDER_REQUIRE(embedder_load(e, state, len) == 0);
	free(state);
	/* The guest stands still until its channels are started again. */
	embedder_run(e);
}

static void each_action(struct embedder *e)
{
	if (sim_random(8))
		return;
	e->after_action = NULL;
	replace_host(e);
	e->after_action = each_action;
}

static void act(struct loopback *l, struct hvg_bus **bus)
{
	enum embedder_slot slot =
		sim_random(5) ? (enum embedder_slot)(EMBEDDER_HOT + sim_random(4)) : EMBEDDER_ECHO;

	switch (sim_random(10)) {
	case 0:
	case 1:
	case 2:
		/* A device whose channel numbers have not come back yet cannot be added again. */
		if (!embedder_add(&l->e, slot))
			embedder_echo(&l->e, slot)->behaviour.subchannels =
				sim_random(ECHO_SUBCHANNELS + 1);
		break;
	case 3:
	case 4:
		(void)embedder_remove(&l->e, slot);
		break;
	case 5:
		(void)embedder_shutdown(&l->e, 0);
		break;
	case 6:
		/* No driver may be there to hear it. */
		if (l->e.timesync && hvh_timesync_step(l->e.timesync, (int64_t)sim_random(1 << 30)))
			break;
		break;
	case 7:
		if (sim_random(3))
			break;
		hvg_bus_stop(*bus);
		*bus = NULL;
		TAP_EQ(start_bus(bus), 0);
		break;
	case 8:
		if (sim_random(2))
			break;
		TAP_EQ(hvg_bus_suspend(*bus), 0);
		TAP_EQ(hvg_bus_resume(*bus), 0);
		break;
	default:
		hvos_sleep_ms(sim_random(3000));
		break;
	}
	loopback_kick(l);
	if (sim_random(2))
		hvos_sleep_ms(sim_random(5));
}

static void run_life(uint64_t seed, uint32_t version, bool saved)
{
	struct sim_config config = {
		.seed = seed,
		.cpus = 1 + (unsigned)(seed % 4),
		.works = (enum sim_works)(seed / 4 % SIM_WORKS_WAYS),
	};
	struct loopback *l = calloc(1, sizeof(*l));
	struct hvg_bus *bus = NULL;
	struct hvg_bus_counters counters;
	unsigned i;

	memset(&seen, 0, sizeof(seen));
	l->e.config.version_max = version;
	l->e.with_timesync = true;
	l->e.after_action = saved ? each_action : NULL;
	l->e.echo.behaviour.subchannels = 2;
	loopback_start(l, &config);
	TAP_EQ(start_bus(&bus), 0);
	if (bus) {
		TAP_EQ(hvg_bus_settle(bus, SETTLE_MS), 0);
		TAP_EQ(hvg_bus_version(bus), version);
	}
	for (i = 0; bus && i < 12; i++)
		act(l, &bus);
	if (bus) {
		hvos_sleep_ms(20000);
		TAP_EQ(hvg_bus_settle(bus, SETTLE_MS), 0);
		hvg_bus_counters(bus, &counters);
		TAP_EQ(counters.violations, 0);
		TAP_EQ(counters.timeouts, 0);
		hvg_bus_stop(bus);
	}
	TAP_EQ(seen.attached, seen.detached);
	TAP_EQ(sim_stats()->lost_pages, 0);
	for (i = 0; i < HVP_MSG_END; i++)
		if (l->e.refused[i])
			tap_note(false, __FILE__, __LINE__, "the host refused %u of message %s: %s",
				 l->e.refused[i], hvw_msg_name(i), l->e.last_line);
	loopback_stop(l);
	free(l);
}

static unsigned schedules(void)
{
	const char *text = getenv("HVIS_SCHEDULES");

	return text ? (unsigned)strtoul(text, NULL, 0) : 300;
}

static uint64_t first_seed(void)
{
	const char *text = getenv("HVIS_TEST_SEED");

	return text ? strtoull(text, NULL, 0) : 1;
}

static const uint32_t versions[] = {
#define VERSION(major, minor) HVP_VERSION(major, minor),
	HVP_VERSION_LIST(VERSION)
#undef VERSION
};

static void run_lives(bool saved, unsigned count)
{
	uint64_t seed = first_seed(), packets = 0, lanes = 0, resumed = 0;

	for (unsigned i = 0; i < count && !tap.failures; i++, seed++) {
		run_life(seed, versions[seed % 8], saved);
		packets += seen.packets;
		lanes += seen.lanes;
		resumed += seen.resumed;
		if (tap.failures)
			printf("# HVIS_TEST_SEED=%" PRIu64 " HVIS_SCHEDULES=1\n", seed);
	}
	printf("# %u schedules: %" PRIu64 " packets back, %" PRIu64 " channels opened, %" PRIu64
	       " resumed\n",
	       count, packets, lanes, resumed);
	if (!tap.failures && count >= 100)
		TAP_CHECK(packets > count && lanes > count && resumed > 0);
}

TAP_TEST(guest_and_host_agree_under_random_schedules)
{
	run_lives(false, schedules());
}

TAP_TEST(the_host_can_be_replaced_under_the_guest)
{
	run_lives(true, schedules() / 2);
}

TAP_MAIN()
