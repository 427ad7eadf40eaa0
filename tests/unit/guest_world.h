/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What tests of the guest core run in: port/sim, the fake host, the bus, and a driver that echoes.
 *
 * A scenario is one function. world_run() calls it under many schedules, and then again with every
 * fallible call failing in turn until none is left to fail. With a failure a scenario may end otherwise
 * than it should (W_EQ then is silent), but what must never happen is checked always: memory that is
 * left, or free while the host still knows it, or messages that break the protocol.
 *
 * WORLD_DRIVER, defined before: a driver of the test's own. WORLD_RAM: bytes.
 */
#ifndef TESTS_UNIT_GUEST_WORLD_H
#define TESTS_UNIT_GUEST_WORLD_H

#include "fuzz/fake_host.h"
#include "guest/bus/bus_priv.h"
#include "hvg/hvg_bus.h"
#include "hvg/hvg_ic.h"
#include "port/sim/sim.h"
#include "tap.h"

#ifndef WORLD_RAM
#define WORLD_RAM (512u << 10)
#endif
#define SETTLE_MS 100000u

struct world {
	struct fake_host fake;
	struct hvg_bus *bus;
	uint32_t version_max; /* of the guest */
	bool strict; /* nothing was made to fail */
	bool faults_allowed; /* the host was told to do what makes the guest look guilty */
	bool loss_allowed;
	unsigned n; /* which one of a series, for the scenario */
};

typedef void (*world_scenario)(struct world *w);

#define W_EQ(w, actual, expected)                                                                  \
	do {                                                                                       \
		intmax_t w_actual = (intmax_t)(actual);                                            \
                                                                                                   \
		if ((w)->strict)                                                                   \
			tap_eq(w_actual, (intmax_t)(expected), #actual, __FILE__, __LINE__);       \
	} while (0)

/* --- a driver ------------------------------------------------------------------------------------------ */

#define PROBE_CLASS ((struct hvp_guid){ { 0xec } })

struct probe_chan {
	struct hvg_chan *chan;
	struct hvos_work work;
	unsigned signals;
	unsigned echoed;
};

struct probe {
	struct probe_chan primary;
	struct probe_chan subs[4];
	unsigned sub_count;
};

/* What the driver was told, in one run. */
TAP_UNUSED static struct {
	unsigned attached, detached, subs, subs_gone, suspended, resumed;
	struct hvg_device *last; /* attached */
	int attach_result; /* what it answers without a try */
	unsigned cpu; /* that it has interrupted */
	bool no_suspend;
	uint32_t ring_pages; /* each way; 0: 2 */
} probe;

static void probe_signalled(void *ctx)
{
	struct probe_chan *pc = ctx;

	pc->signals++;
	hvos_work_queue(&pc->work);
}

static void probe_work(void *ctx)
{
	struct probe_chan *pc = ctx;
	struct hvw_rx_packet packet;
	uint8_t bytes[256];

	hvg_chan_mask(pc->chan);
	while (!hvg_chan_next(pc->chan, &packet)) {
		uint32_t len = packet.payload_len;

		if (len <= sizeof(bytes) &&
		    !hvg_chan_copy(pc->chan, &packet, packet.header_len, bytes, len) &&
		    !hvg_chan_send(pc->chan, 0, packet.h.transaction_id, bytes, len))
			pc->echoed++;
		hvg_chan_release(pc->chan);
	}
	if (hvg_chan_unmask(pc->chan))
		hvos_work_queue(&pc->work);
}

static int probe_open(struct probe_chan *pc)
{
	struct hvg_chan_config config = {
		.send_pages = probe.ring_pages ? probe.ring_pages : 2,
		.receive_pages = probe.ring_pages ? probe.ring_pages : 2,
		.cpu = probe.cpu,
		.signalled = probe_signalled,
		.ctx = pc,
	};
	int err;

	hvos_work_init(&pc->work, probe_work, pc);
	err = hvg_chan_open(pc->chan, &config);
	if (err)
		hvos_work_fini(&pc->work);
	return err;
}

static void probe_close(struct probe_chan *pc)
{
	hvos_work_fini(&pc->work);
	hvg_chan_close(pc->chan);
}

static int probe_attach(struct hvg_device *device)
{
	struct probe *p;
	int err;

	if (probe.attach_result)
		return probe.attach_result;
	p = hvos_alloc(sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->primary.chan = hvg_device_chan(device);
	err = probe_open(&p->primary);
	if (err) {
		hvos_free(p);
		return err;
	}
	hvg_device_set_data(device, p);
	probe.attached++;
	probe.last = device;
	return 0;
}

static void probe_detach(struct hvg_device *device)
{
	struct probe *p = hvg_device_data(device);

	TAP_EQ(p->sub_count, 0);
	/* After a suspend it is closed. */
	if (p->primary.chan->open)
		probe_close(&p->primary);
	hvos_free(p);
	probe.detached++;
	if (probe.last == device)
		probe.last = NULL;
}

static void probe_subchannel(struct hvg_device *device, struct hvg_chan *chan)
{
	struct probe *p = hvg_device_data(device);
	struct probe_chan *pc = &p->subs[p->sub_count];

	probe.subs++;
	pc->chan = chan;
	if (!probe_open(pc))
		p->sub_count++;
}

static void probe_subchannel_gone(struct hvg_device *device, struct hvg_chan *chan)
{
	struct probe *p = hvg_device_data(device);
	unsigned i;

	probe.subs_gone++;
	for (i = 0; i < p->sub_count; i++)
		if (p->subs[i].chan == chan) {
			probe_close(&p->subs[i]);
			/* A work that rests can be moved; at the end of the list there is nothing to move. */
			if (i != --p->sub_count)
				sim_die("sub-channels go in the order they came in");
			return;
		}
}

static int probe_suspend(struct hvg_device *device)
{
	struct probe *p = hvg_device_data(device);

	if (probe.no_suspend)
		return -EBUSY;
	probe_close(&p->primary);
	probe.suspended++;
	return 0;
}

static int probe_resume(struct hvg_device *device)
{
	struct probe *p = hvg_device_data(device);

	probe.resumed++;
	return probe_open(&p->primary);
}

TAP_UNUSED static const struct hvg_driver probe_driver = {
	.name = "probe",
	.class_id = { { 0xec } },
	.attach = probe_attach,
	.detach = probe_detach,
	.subchannel = probe_subchannel,
	.subchannel_gone = probe_subchannel_gone,
	.suspend = probe_suspend,
	.resume = probe_resume,
};

/* --- the bus --------------------------------------------------------------------------------------------- */

static const struct hvg_driver *const world_drivers[] = {
	&probe_driver, &hvg_heartbeat_driver, &hvg_shutdown_driver, &hvg_timesync_driver,
#ifdef WORLD_DRIVER
	&WORLD_DRIVER,
#endif
};

TAP_UNUSED static int world_connect(struct world *w)
{
	struct hvg_bus_config config = {
		.os_id = 0x8100000000000000ull,
		.version_max = w->version_max,
		.drivers = world_drivers,
		.driver_count = sizeof(world_drivers) / sizeof(world_drivers[0]),
	};
	int err = hvg_bus_start(&config, &w->bus);

	if (err)
		w->bus = NULL;
	return err;
}

/* Connected, and all devices attached. */
TAP_UNUSED static bool world_up(struct world *w)
{
	W_EQ(w, world_connect(w), 0);
	if (!w->bus)
		return false;
	W_EQ(w, hvg_bus_settle(w->bus, SETTLE_MS), 0);
	return true;
}

TAP_UNUSED static struct hvg_bus_counters world_counters(const struct world *w)
{
	struct hvg_bus_counters counters;

	hvg_bus_counters(w->bus, &counters);
	return counters;
}

/* --- one run ------------------------------------------------------------------------------------------------ */

static void world_check(struct world *w)
{
	const struct sim_stats *stats = sim_stats();

	if (w->fake.faults && !w->faults_allowed)
		tap_note(false, __FILE__, __LINE__, "the guest broke the protocol: %s",
			 w->fake.fault);
	if (w->strict && !w->loss_allowed)
		TAP_EQ(stats->lost_pages, 0);
}

/* One run; returns whether the call that should have failed was there. `ram`: bytes. */
static bool world_once(world_scenario scenario, const struct sim_config *config, unsigned n,
		       uint64_t ram)
{
	struct sim_config sim = *config;
	struct world w = { .version_max = HVP_VERSION_5_3, .n = n };
	unsigned failures = tap.failures;
	bool failed;

	memset(&probe, 0, sizeof(probe));
	w.strict = !config->fail_at && !config->fail_service;
	fake_init(&w.fake, config->cpus, ram);
	soft_configure(&w.fake.soft, &sim);
	sim_start(&sim);
	scenario(&w);
	if (w.bus)
		hvg_bus_stop(w.bus);
	TAP_EQ(probe.detached, probe.attached);
	/* What the host still had to say comes when nobody listens any more. */
	hvos_sleep_ms(100000);
	fake_scribble(&w.fake);
	world_check(&w);
	failed = sim_stats()->failed != 0;
	if (tap.failures != failures)
		printf("# run: n %u, seed %" PRIu64 ", %u processors, works %d, call %u %s\n", n,
		       sim.seed, sim.cpus, (int)sim.works, sim.fail_at,
		       failed ? sim_stats()->failed_service : "");
	sim_stop();
	fake_fini(&w.fake);
	return failed;
}

static struct sim_config world_config(uint64_t seed)
{
	static const unsigned cpus[] = { 2, 1, 4, 3 };

	return (struct sim_config){
		.seed = seed,
		.cpus = cpus[seed % 4],
		.works = (enum sim_works)(seed / 4 % SIM_WORKS_WAYS),
	};
}

#define WORLD_SCHEDULES 24u

/* Under many schedules. */
TAP_UNUSED static void world_schedules(world_scenario scenario, unsigned n)
{
	for (uint64_t seed = 0; seed < WORLD_SCHEDULES && !tap.failures; seed++) {
		struct sim_config config = world_config(seed);

		world_once(scenario, &config, n, WORLD_RAM);
	}
}

/* With every fallible call failing in turn. */
TAP_UNUSED static void world_failures(world_scenario scenario, unsigned n)
{
	bool failed = true;

	for (unsigned fail_at = 1; failed && !tap.failures; fail_at++) {
		struct sim_config config = world_config(fail_at);

		config.fail_at = fail_at;
		failed = world_once(scenario, &config, n, WORLD_RAM);
		if (fail_at > 5000)
			TAP_CHECK(!"an end of the calls that fail");
	}
}

TAP_UNUSED static void world_run(world_scenario scenario, unsigned n)
{
	world_schedules(scenario, n);
	world_failures(scenario, n);
}

#endif
