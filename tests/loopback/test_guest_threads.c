/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The guest core against libhvis-host, both with real threads, in random schedules: three actors do as the
 * seed says at the same time. One starts, stops, suspends and resumes the bus; one opens and closes channels,
 * moves them to other processors, shares memory and sends traffic, whose bytes are checked; one is the
 * host, which saves, destroys and loads everything it has under the running guest, and asks for a
 * shutdown. The order of what each actor does is the same for each run of a seed; how they meet is not, nor
 * how much the other two do until the first is through.
 *
 * After each schedule the traffic has come back whole, and nothing is left on either side.
 *
 * HVIS_SCHEDULES: how many; HVIS_TEST_SEED: the first one's seed, the next ones follow by 1. HVIS_GUEST_LOG
 * and HVIS_HOST_LOG: what both sides say.
 */
#include <pthread.h>

#include "fuzz/echo_driver.h"
#include "fuzz/threaded_host.h"
#include "hvg/hvg_bus.h"
#include "hvg/hvg_ic.h"
#include "tap.h"
#include "tests/loopback/threads.h"

#define SCHEDULES 50u
#define RAM	  (4u << 20)
#define WAIT_MS	  60000u

/* Each takes a millisecond or more. */
#define QUIET_ROUNDS 1000u

#define OS_ID 0x8100000000000000ull

static const uint32_t versions[] = {
	HVP_VERSION_2_4, HVP_VERSION_3_0, HVP_VERSION_4_0, HVP_VERSION_4_1,
	HVP_VERSION_5_0, HVP_VERSION_5_1, HVP_VERSION_5_2, HVP_VERSION_5_3,
};
#define VERSIONS (sizeof(versions) / sizeof(versions[0]))

static const struct hvg_driver *const drivers[] = {
	&hvg_heartbeat_driver,
	&hvg_shutdown_driver,
	&hvg_timesync_driver,
	&echo_driver,
};

struct actor {
	uint64_t random;
	struct schedule *schedule;
	unsigned actions;
	unsigned failures;
	char failure[220]; /* the first one */
};

struct schedule {
	uint64_t seed;
	struct threaded_host_config host_config;
	struct user_config user;
	struct hvg_bus_config bus_config;
	struct threaded_host *host;
	struct hvg_bus *bus; /* of the first actor */
	struct actor bus_actor, channel_actor, host_actor;
	bool over; /* (a) the bus's actor is through: the others come to their end */
};

/* What all schedules did together: proof that they did something. */
static struct {
	uint64_t starts, suspends, actions, turns, reloads, busy, powers, echoed, version[VERSIONS];
} done;

static void fail(struct actor *actor, const char *what, long value)
{
	if (!actor->failures++)
		snprintf(actor->failure, sizeof(actor->failure), "%s: %ld", what, value);
}

/* Mostly not at all. */
static void dawdle(struct actor *actor)
{
	const long us = random_below(&actor->random, 300);

	if (!random_below(&actor->random, 4))
		nap(us);
}

/* --- the bus ----------------------------------------------------------------------------------------- */

static void check_counters(struct actor *actor, struct hvg_bus *bus)
{
	struct hvg_bus_counters counters;

	hvg_bus_counters(bus, &counters);
	if (counters.violations)
		fail(actor, "violations that the guest saw", (long)counters.violations);
	if (counters.timeouts)
		fail(actor, "requests without an answer", (long)counters.timeouts);
	if (counters.lost_pages)
		fail(actor, "pages lost", (long)counters.lost_pages);
}

static void count_device(void *ctx, const struct hvg_device_status *status)
{
	*(unsigned *)ctx += status->driver != NULL;
}

static void start_bus(struct actor *actor)
{
	struct schedule *s = actor->schedule;
	uint32_t version = s->bus_config.version_max;
	int err = hvg_bus_start(&s->bus_config, &s->bus);

	if (err) {
		fail(actor, "the bus does not start", err);
		s->bus = NULL;
		return;
	}
	if (version > s->host_config.version_max)
		version = s->host_config.version_max;
	if (hvg_bus_version(s->bus) != version)
		fail(actor, "version", (long)hvg_bus_version(s->bus));
	__atomic_fetch_add(&done.starts, 1, __ATOMIC_RELAXED);
}

static void stop_bus(struct actor *actor)
{
	struct schedule *s = actor->schedule;

	if (!s->bus)
		return;
	check_counters(actor, s->bus);
	hvg_bus_stop(s->bus);
	s->bus = NULL;
}

static void suspend_bus(struct actor *actor)
{
	struct schedule *s = actor->schedule;
	int err = hvg_bus_suspend(s->bus);

	if (err) {
		fail(actor, "suspend", err);
		return;
	}
	dawdle(actor);
	/* A stop in place of a resume is allowed too. */
	if (!random_below(&actor->random, 4)) {
		stop_bus(actor);
		return;
	}
	err = hvg_bus_resume(s->bus);
	if (err)
		fail(actor, "resume", err);
	__atomic_fetch_add(&done.suspends, 1, __ATOMIC_RELAXED);
}

static void settle_bus(struct actor *actor)
{
	struct schedule *s = actor->schedule;
	int err = hvg_bus_settle(s->bus, WAIT_MS);
	unsigned there = 0;

	if (err)
		fail(actor, "settle", err);
	hvg_bus_each(s->bus, count_device, &there);
	if (there > THREADED_DEVICES)
		fail(actor, "devices with drivers", (long)there);
}

static void turn_cpu(struct actor *actor)
{
	struct schedule *s = actor->schedule;
	unsigned cpu = random_below(&actor->random, s->user.cpus);
	int err = hvg_bus_cpu_offline(s->bus, cpu);

	if (err && err != -EBUSY)
		fail(actor, "processor off", err);
	if (!err)
		err = hvg_bus_cpu_online(s->bus, cpu);
	if (err && err != -EBUSY)
		fail(actor, "processor on", err);
}

static void *bus_actor(void *argument)
{
	struct actor *actor = argument;
	struct schedule *s = actor->schedule;
	unsigned i;

	for (i = 0; i < actor->actions && !actor->failures; i++) {
		if (!s->bus)
			start_bus(actor);
		if (!s->bus)
			break;
		switch (random_below(&actor->random, 6)) {
		case 0:
			stop_bus(actor);
			break;
		case 1:
			suspend_bus(actor);
			break;
		case 2:
			turn_cpu(actor);
			break;
		default:
			settle_bus(actor);
		}
		dawdle(actor);
	}
	__atomic_store_n(&s->over, true, __ATOMIC_RELAXED);
	return NULL;
}

/* The others go on while it does something. */
static bool goes_on(struct actor *actor, unsigned round)
{
	return !actor->failures && (round < actor->actions ||
				    !__atomic_load_n(&actor->schedule->over, __ATOMIC_RELAXED));
}

/* --- channels ----------------------------------------------------------------------------------------- */

static void *channel_actor(void *argument)
{
	struct actor *actor = argument;
	unsigned i;

	for (i = 0; goes_on(actor, i); i++) {
		enum echo_action action = random_below(&actor->random, ECHO_ACTIONS + 2);
		unsigned which = random_below(&actor->random, ECHO_DRIVER_CHANNELS);
		uint32_t number = random_below(&actor->random, 200);
		int err;

		if (action >= ECHO_ACTIONS)
			action = ECHO_SEND;
		if (action == ECHO_SHARE)
			number %= 64;
		err = echo_driver_do(which, action, number);
		/* Refused: the host has just taken the device away. Invalid: that processor was just off. */
		if (err && err != -ENOENT && err != -ENODEV && err != -EOPNOTSUPP && err != -EIO &&
		    !((action == ECHO_SET_CPU || action == ECHO_OPEN) && err == -EINVAL))
			fail(actor, "channel", err);
		if (!err)
			__atomic_fetch_add(&done.actions, 1, __ATOMIC_RELAXED);
		dawdle(actor);
	}
	return NULL;
}

/* --- the host ------------------------------------------------------------------------------------------- */

static void *host_actor(void *argument)
{
	struct actor *actor = argument;
	struct threaded_host *host = actor->schedule->host;
	struct threaded_host_stats stats;
	unsigned i;

	for (i = 0; goes_on(actor, i); i++) {
		switch (random_below(&actor->random, 7)) {
		case 0:
			(void)threaded_host_shutdown(host, 0);
			break;
		case 1:
			(void)threaded_host_step(host,
						 (int64_t)random_below(&actor->random, 100000));
			break;
		case 2:
			threaded_host_turn(host, random_below(&actor->random, THREADED_ECHOES));
			__atomic_fetch_add(&done.turns, 1, __ATOMIC_RELAXED);
			break;
		case 3:
			threaded_host_stats(host, &stats);
			if (stats.server.violations)
				fail(actor, "violations that the host saw",
				     (long)stats.server.violations);
			break;
		default:
			__atomic_fetch_add(threaded_host_reload(host) ? &done.reloads : &done.busy,
					   1, __ATOMIC_RELAXED);
		}
		dawdle(actor);
	}
	return NULL;
}

/* --- a schedule ------------------------------------------------------------------------------------------- */

static void power(enum hvos_power action, bool force)
{
	(void)action;
	(void)force;
	__atomic_fetch_add(&done.powers, 1, __ATOMIC_RELAXED);
}

static void guest_log(enum hvos_level level, const char *line)
{
	if (getenv("HVIS_GUEST_LOG"))
		fprintf(stderr, "# guest: %d: %s\n", level, line);
}

static void init_actor(struct schedule *s, struct actor *actor, uint32_t number)
{
	/* One multiplication spreads neighbouring seeds far enough for what they are for. */
	actor->random = (s->seed * 3 + number) * 0x9e3779b97f4a7c15ull + 1;
	actor->schedule = s;
	actor->actions = 1 + random_below(&actor->random, number == 1 ? 40 : 8);
}

static void make_schedule(struct schedule *s, uint64_t seed)
{
	struct actor *choose = &s->bus_actor;

	memset(s, 0, sizeof(*s));
	s->seed = seed;
	init_actor(s, &s->bus_actor, 0);
	init_actor(s, &s->channel_actor, 1);
	init_actor(s, &s->host_actor, 2);
	s->host_config.cpus = 1 + random_below(&choose->random, THREADED_CPUS_MAX);
	s->host_config.version_max = versions[random_below(&choose->random, VERSIONS)];
	s->host_config.ram_bytes = RAM;
	s->host_config.echo.subchannels = random_below(&choose->random, ECHO_SUBCHANNELS + 1);
	s->host_config.echo.slow = random_below(&choose->random, 2);
	s->host_config.echo.period_ns = random_below(&choose->random, 3) * 500000ull;
	s->user.log = guest_log;
	s->user.power = power;
	s->bus_config.os_id = OS_ID;
	/* Mostly it is the host that says how far they go. */
	s->bus_config.version_max = versions[VERSIONS - 1 -
					     (random_below(&choose->random, VERSIONS) &
					      random_below(&choose->random, VERSIONS))];
	s->bus_config.drivers = drivers;
	s->bus_config.driver_count = sizeof(drivers) / sizeof(drivers[0]);
}

static void run_actors(struct schedule *s)
{
	pthread_t bus, channels, host;

	if (pthread_create(&bus, NULL, bus_actor, &s->bus_actor) ||
	    pthread_create(&channels, NULL, channel_actor, &s->channel_actor) ||
	    pthread_create(&host, NULL, host_actor, &s->host_actor))
		abort();
	pthread_join(bus, NULL);
	pthread_join(channels, NULL);
	pthread_join(host, NULL);
}

/* The host has all its devices again, and the guest all channels. */
static void bring_back(struct schedule *s)
{
	struct threaded_host_stats host;
	struct echo_driver_stats guest;
	unsigned i, waited_ms;

	threaded_host_stats(s->host, &host);
	for (i = 0; i < THREADED_ECHOES; i++)
		if (!(host.echoes & 1u << i))
			threaded_host_turn(s->host, i);
	for (waited_ms = 0; waited_ms < WAIT_MS; waited_ms++) {
		for (i = 0; i < ECHO_DRIVER_CHANNELS; i++)
			(void)echo_driver_do(i, ECHO_OPEN, i);
		echo_driver_stats(&guest);
		if (guest.channels == THREADED_ECHOES * (1 + s->host_config.echo.subchannels))
			return;
		nap(1000);
	}
	fail(&s->bus_actor, "channels of echo devices", guest.channels);
}

/* All quiet: everything that is there works, and what was sent comes back. */
static void check_quiet(struct schedule *s)
{
	struct actor *actor = &s->bus_actor;
	struct echo_driver_stats stats;
	unsigned i, rounds = 0;
	int err;

	if (!s->bus)
		start_bus(actor);
	if (!s->bus)
		return;
	settle_bus(actor);
	/* Sub-channels that went with their closed first channel may be among those that are there. */
	do {
		bring_back(s);
		for (i = 0; i < ECHO_DRIVER_CHANNELS; i++)
			(void)echo_driver_do(i, ECHO_SEND, 50);
		err = echo_driver_settle(WAIT_MS);
	} while (err == -ENODEV && rounds++ < QUIET_ROUNDS);
	if (err)
		fail(actor, "traffic does not come back", err);
	echo_driver_stats(&stats);
	done.echoed += stats.received;
	if (stats.faults)
		fail(actor, "packets that were wrong", (long)stats.faults);
	for (i = 0; versions[i] != hvg_bus_version(s->bus); i++)
		;
	done.version[i]++;
}

static void check_left(struct schedule *s)
{
	struct actor *actor = &s->bus_actor;
	struct threaded_host_stats stats;
	unsigned left;

	stop_bus(actor);
	threaded_host_stats(s->host, &stats);
	if (stats.server.gpadls || stats.server.gpadl_pages)
		fail(actor, "GPADLs left", stats.server.gpadls);
	if (stats.server.channels_open)
		fail(actor, "channels left open", stats.server.channels_open);
	if (stats.server.violations || stats.lines)
		fail(actor, stats.line, (long)stats.server.violations);
	threaded_host_stop(s->host);
	left = user_stop();
	if (left || user_lost_pages())
		fail(actor, "left in the guest", left + (long)user_lost_pages());
	left = threaded_host_destroy(s->host);
	if (left)
		fail(actor, "mappings left in the host", left);
}

static bool run_schedule(uint64_t seed)
{
	struct actor *actors[3];
	struct schedule s;
	unsigned i, failures = 0;

	make_schedule(&s, seed);
	s.host = threaded_host_create(&s.host_config, &s.user);
	if (user_start(&s.user))
		abort();
	/* What fits into the smallest ring that the driver opens, three times. */
	echo_driver_init(500);
	run_actors(&s);
	check_quiet(&s);
	check_left(&s);
	echo_driver_fini();
	actors[0] = &s.bus_actor;
	actors[1] = &s.channel_actor;
	actors[2] = &s.host_actor;
	for (i = 0; i < 3; i++) {
		if (actors[i]->failures)
			printf("# seed %llu: %s\n", (unsigned long long)seed, actors[i]->failure);
		failures += actors[i]->failures;
	}
	return !failures;
}

TAP_TEST(random_schedules_leave_nothing_behind)
{
	const char *count_text = getenv("HVIS_SCHEDULES"), *seed_text = getenv("HVIS_TEST_SEED");
	unsigned count = count_text ? (unsigned)strtoul(count_text, NULL, 0) : SCHEDULES, i, v;
	uint64_t seed = seed_text ? strtoull(seed_text, NULL, 0) : (uint64_t)time(NULL) * 1000;

	printf("# HVIS_TEST_SEED=%llu HVIS_SCHEDULES=%u\n", (unsigned long long)seed, count);
	for (i = 0; i < count; i++) {
		if (!TAP_CHECK(run_schedule(seed + i)))
			break;
		if (i % 1000 == 999)
			printf("# %u schedules\n", i + 1);
	}
	printf("# %u schedules: %llu starts, %llu resumes, %llu channel actions, %llu rescinds and re-offers, %llu reloads (%llu found it busy), %llu shutdowns, %llu packets\n",
	       i, (unsigned long long)done.starts, (unsigned long long)done.suspends,
	       (unsigned long long)done.actions, (unsigned long long)done.turns,
	       (unsigned long long)done.reloads, (unsigned long long)done.busy,
	       (unsigned long long)done.powers, (unsigned long long)done.echoed);
	for (v = 0; v < VERSIONS; v++)
		printf("# VMBus %u.%u: %llu\n", HVP_VERSION_MAJOR(versions[v]),
		       HVP_VERSION_MINOR(versions[v]), (unsigned long long)done.version[v]);
	TAP_CHECK(done.echoed && done.starts >= i);
}

/* Whatever the seed: each pair of versions is tried, and the older one is agreed on. */
TAP_TEST(every_version_is_spoken)
{
	unsigned v;

	for (v = 0; v < 2 * VERSIONS; v++) {
		struct schedule s;

		make_schedule(&s, v);
		s.bus_config.version_max = v < VERSIONS ? versions[v] : HVP_VERSION_5_3;
		s.host_config.version_max = v < VERSIONS ? HVP_VERSION_5_3 : versions[v % VERSIONS];
		s.host = threaded_host_create(&s.host_config, &s.user);
		TAP_REQUIRE(user_start(&s.user) == 0);
		echo_driver_init(500);
		check_quiet(&s);
		check_left(&s);
		echo_driver_fini();
		TAP_STR_EQ(s.bus_actor.failure, "");
	}
}

TAP_MAIN()
