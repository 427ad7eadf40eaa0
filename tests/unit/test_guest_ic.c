/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The guest's integration services: negotiation, heartbeat, shutdown, time synchronisation.
 */
#include "hvw_ic.h"
#include "tests/unit/guest_world.h"

#define MINUTE_MS 60000u

static const struct hvp_guid classes[] = { HVP_CLASS_HEARTBEAT, HVP_CLASS_SHUTDOWN,
					   HVP_CLASS_TIMESYNC };

enum service { HEARTBEAT, SHUTDOWN, TIMESYNC };

struct reply {
	uint8_t bytes[4096];
	struct hvw_ic ic;
	uint64_t id;
};

/* Connected, with one service. NULL: a failure kept it away. */
static struct fake_channel *serve(struct world *w, enum service service)
{
	struct fake_channel *channel = fake_add(&w->fake, classes[service], 1, 0);

	if (!world_up(w))
		return NULL;
	W_EQ(w, channel->open, true);
	return channel->open ? channel : NULL;
}

static struct hvg_ic_status status_of(struct world *w)
{
	struct hvg_ic_status status;

	hvg_ic_status(w->bus->devices, &status);
	return status;
}

static int ask(struct world *w, struct fake_channel *channel, struct hvp_ic_header header,
	       const void *body, uint16_t size)
{
	uint8_t bytes[4096] = { 0 };
	size_t len;

	header.size = size;
	header.flags |= HVP_IC_FLAG_TRANSACTION;
	len = hvw_ic_build(bytes, &header);
	memcpy(bytes + HVW_IC_HEADERS, body, size);
	return fake_put(&w->fake, channel, 4711, bytes, (uint32_t)len);
}

static bool answer(struct world *w, struct fake_channel *channel, struct reply *reply)
{
	int len;

	hvos_sleep_ms(1);
	len = fake_take(&w->fake, channel, &reply->id, reply->bytes, sizeof(reply->bytes));
	if (len < 0 || hvw_ic_parse(&reply->ic, reply->bytes, (size_t)len))
		return false;
	W_EQ(w, reply->id, 4711);
	return reply->ic.h.flags == (HVP_IC_FLAG_TRANSACTION | HVP_IC_FLAG_RESPONSE);
}

static bool negotiate(struct world *w, struct fake_channel *channel, uint16_t newest)
{
	struct hvp_ic_version framework[] = { { 1, 0 }, { 3, 0 } };
	struct hvp_ic_version message[] = { { 1, 0 }, { newest, 0 } }, chosen[2];
	uint8_t bytes[256];
	struct reply reply;
	int len = hvw_ic_build_negotiate(bytes, sizeof(bytes), framework, 2, message, 2);

	W_EQ(w, fake_put(&w->fake, channel, 4711, bytes, (uint32_t)len), 0);
	W_EQ(w, answer(w, channel, &reply), true);
	if (!w->strict)
		return status_of(w).ready;
	TAP_EQ(hvw_ic_parse_choice(&reply.ic, framework, 2, message, 2, &chosen[0], &chosen[1]), 0);
	TAP_EQ(chosen[0].major, 3);
	TAP_EQ(chosen[1].major, newest);
	TAP_CHECK(status_of(w).ready);
	return true;
}

static struct fake_channel *ready(struct world *w, enum service service, uint16_t newest)
{
	struct fake_channel *channel = serve(w, service);

	return channel && negotiate(w, channel, newest) ? channel : NULL;
}

static const struct hvp_ic_header request = { .flags = HVP_IC_FLAG_REQUEST };

static struct hvp_ic_header request_of(uint16_t type)
{
	struct hvp_ic_header header = request;

	header.type = type;
	return header;
}

/* --- heartbeat ------------------------------------------------------------------------------------------- */

static void heartbeats(struct world *w)
{
	struct fake_channel *channel = ready(w, HEARTBEAT, 3);
	struct hvp_ic_heartbeat beat = { .sequence = 41, .state = 0x1234 };
	struct reply reply;

	for (unsigned i = 0; channel && i < 3; i++, beat.sequence += 10) {
		struct hvp_ic_heartbeat back = { 0 };

		/* The last is as short as a heartbeat can be. */
		W_EQ(w,
		     ask(w, channel, request_of(HVP_IC_HEARTBEAT), &beat,
			 i == 2 ? sizeof(beat.sequence) : sizeof(beat)),
		     0);
		W_EQ(w, answer(w, channel, &reply), true);
		if (!w->strict)
			continue;
		TAP_EQ(reply.ic.h.status, HVP_IC_SUCCESS);
		memcpy(&back, reply.ic.body, reply.ic.h.size < sizeof(back) ? 8 : sizeof(back));
		TAP_EQ(back.sequence, beat.sequence + 1);
		TAP_EQ(back.state, i == 2 ? 0 : beat.state);
	}
}

TAP_TEST(heartbeats_go_back_with_the_next_number)
{
	world_run(heartbeats, 0);
}

static void no_common_version(struct world *w)
{
	struct fake_channel *channel = serve(w, HEARTBEAT);
	struct hvp_ic_version odd[] = { { 77, 1 } }, chosen[2];
	uint8_t bytes[256];
	struct reply reply;
	int len;

	if (!channel || !negotiate(w, channel, 3))
		return;
	len = hvw_ic_build_negotiate(bytes, sizeof(bytes), odd, 1, odd, 1);
	W_EQ(w, fake_put(&w->fake, channel, 4711, bytes, (uint32_t)len), 0);
	W_EQ(w, answer(w, channel, &reply), true);
	if (w->strict)
		TAP_EQ(hvw_ic_parse_choice(&reply.ic, odd, 1, odd, 1, &chosen[0], &chosen[1]),
		       -EOPNOTSUPP);
	W_EQ(w, status_of(w).ready, false);
	/* And a host that thinks again is heard. */
	(void)negotiate(w, channel, 3);
}

TAP_TEST(versions_are_negotiated_anew_at_any_time)
{
	world_run(no_common_version, 0);
}

static void nonsense(struct world *w)
{
	struct fake_channel *channel = serve(w, HEARTBEAT);
	struct hvp_ic_heartbeat beat = { .sequence = 1 };
	struct hvp_ic_header header = request_of(HVP_IC_HEARTBEAT);
	uint8_t bytes[4000] = { 0 };
	struct reply reply;

	if (!channel)
		return;
	/* Before the versions are known. */
	W_EQ(w, ask(w, channel, header, &beat, sizeof(beat)), 0);
	W_EQ(w, answer(w, channel, &reply), false);
	W_EQ(w, status_of(w).violations, 1);
	if (!negotiate(w, channel, 3))
		return;
	/* Too short for the headers; no request; a length that is not there. */
	W_EQ(w, fake_put(&w->fake, channel, 1, bytes, 8), 0);
	header.flags = 0;
	W_EQ(w, ask(w, channel, header, &beat, sizeof(beat)), 0);
	header = request_of(HVP_IC_HEARTBEAT);
	header.size = 4000;
	(void)hvw_ic_build(bytes, &header);
	W_EQ(w, fake_put(&w->fake, channel, 1, bytes, 64), 0);
	W_EQ(w, answer(w, channel, &reply), false);
	W_EQ(w, status_of(w).violations, 4);
	/* Another service's request, and a heartbeat without a number: answered, with an error. */
	W_EQ(w, ask(w, channel, request_of(HVP_IC_KVP), &beat, sizeof(beat)), 0);
	W_EQ(w, answer(w, channel, &reply), true);
	W_EQ(w, reply.ic.h.status, HVP_IC_FAIL);
	W_EQ(w, ask(w, channel, request_of(HVP_IC_HEARTBEAT), &beat, 4), 0);
	W_EQ(w, answer(w, channel, &reply), true);
	W_EQ(w, reply.ic.h.status, HVP_IC_FAIL);
	W_EQ(w, status_of(w).requests, 2);
}

TAP_TEST(what_makes_no_sense_is_dropped_or_refused)
{
	world_schedules(nonsense, 0);
}

static void full_ring(struct world *w)
{
	struct fake_channel *channel = ready(w, HEARTBEAT, 3);
	struct hvp_ic_heartbeat beat = { .sequence = 0 };
	unsigned sent = 0, got = 0, stuck = 0;
	struct reply reply;

	if (!channel)
		return;
	/* The host asks and does not read, until no answer fits and then no question. */
	while (sent < 1000 && stuck < 3) {
		int err = ask(w, channel, request_of(HVP_IC_HEARTBEAT), &beat, sizeof(beat));

		if (err == -EAGAIN)
			stuck++;
		else
			beat.sequence += 10, sent++;
		hvos_sleep_ms(1);
	}
	W_EQ(w, sent > 150 && sent < 1000, true);
	while (answer(w, channel, &reply)) {
		uint64_t sequence;

		memcpy(&sequence, reply.ic.body, sizeof(sequence));
		W_EQ(w, sequence, got * 10 + 1);
		got++;
	}
	W_EQ(w, got, sent);
}

TAP_TEST(no_request_is_lost_when_the_host_does_not_read)
{
	world_schedules(full_ring, 0);
}

/* More at once than a service takes in one turn: nothing in between lets the guest run. */
static void flood(struct world *w)
{
	struct fake_channel *channel = ready(w, HEARTBEAT, 3);
	struct hvp_ic_heartbeat beat = { .sequence = 0 };
	unsigned sent = 0, got = 0;
	struct reply reply;

	if (!channel)
		return;
	while (sent < 150 &&
	       !ask(w, channel, request_of(HVP_IC_HEARTBEAT), &beat, sizeof(beat.sequence)))
		sent++;
	W_EQ(w, sent, 150);
	while (answer(w, channel, &reply))
		got++;
	W_EQ(w, got, sent);
}

TAP_TEST(a_flood_takes_several_turns)
{
	world_schedules(flood, 0);
}

static void broken_ring(struct world *w)
{
	struct fake_channel *channel = ready(w, HEARTBEAT, 3);

	if (!channel)
		return;
	hvw_store32(&channel->tx.control->write_index, 3);
	fake_signal(&w->fake, channel);
	hvos_sleep_ms(1);
	fake_signal(&w->fake, channel);
	hvos_sleep_ms(1);
	W_EQ(w, world_counters(w).violations, 1);
	W_EQ(w, sim_stats()->logged[HVOS_WARNING], 1);
}

TAP_TEST(a_spoilt_ring_ends_the_channel_with_one_line)
{
	world_run(broken_ring, 0);
}

/* --- shutdown ----------------------------------------------------------------------------------------------- */

static const struct {
	uint32_t flags;
	enum hvos_power power;
	bool force, refused;
} shutdowns[] = {
	{ 0, HVOS_POWER_OFF, false, false },
	{ HVP_SHUTDOWN_FORCE, HVOS_POWER_OFF, true, false },
	{ HVP_SHUTDOWN_RESTART, HVOS_RESTART, false, false },
	{ HVP_SHUTDOWN_RESTART | HVP_SHUTDOWN_FORCE, HVOS_RESTART, true, false },
	{ HVP_SHUTDOWN_HIBERNATE, HVOS_HIBERNATE, false, false },
	{ 0x80, HVOS_POWER_OFF, false, true },
	{ HVP_SHUTDOWN_RESTART | HVP_SHUTDOWN_HIBERNATE, HVOS_POWER_OFF, false, true },
};

static void shut_down(struct world *w)
{
	struct fake_channel *channel = ready(w, SHUTDOWN, 3);
	struct hvp_ic_shutdown body = { .flags = shutdowns[w->n].flags };
	struct reply reply;

	if (!channel)
		return;
	W_EQ(w, ask(w, channel, request_of(HVP_IC_SHUTDOWN), &body, 4), 0);
	W_EQ(w, answer(w, channel, &reply), true);
	W_EQ(w, reply.ic.h.status, HVP_IC_FAIL);
	W_EQ(w, ask(w, channel, request_of(HVP_IC_SHUTDOWN), &body, sizeof(body)), 0);
	W_EQ(w, answer(w, channel, &reply), true);
	W_EQ(w, reply.ic.h.status, shutdowns[w->n].refused ? HVP_IC_FAIL : HVP_IC_SUCCESS);
	W_EQ(w, sim_stats()->powers, !shutdowns[w->n].refused);
	if (shutdowns[w->n].refused)
		return;
	W_EQ(w, sim_stats()->power, shutdowns[w->n].power);
	W_EQ(w, sim_stats()->force, shutdowns[w->n].force);
}

TAP_TEST(a_shutdown_is_answered_and_done)
{
	for (unsigned n = 0; n < sizeof(shutdowns) / sizeof(shutdowns[0]); n++)
		world_run(shut_down, n);
}

static void unable(struct world *w)
{
	struct fake_channel *channel = ready(w, SHUTDOWN, 3);
	struct hvp_ic_shutdown body = { .flags = 0 };
	struct reply reply;

	if (!channel)
		return;
	W_EQ(w, ask(w, channel, request_of(HVP_IC_SHUTDOWN), &body, sizeof(body)), 0);
	W_EQ(w, answer(w, channel, &reply), true);
	W_EQ(w, reply.ic.h.status, HVP_IC_FAIL);
	W_EQ(w, sim_stats()->powers, 0);
}

TAP_TEST(a_shutdown_that_cannot_be_is_refused)
{
	struct sim_config config = world_config(1);

	config.no_power = true;
	world_once(unable, &config, 0, WORLD_RAM);
}

static void answer_first(struct world *w)
{
	struct fake_channel *channel = ready(w, SHUTDOWN, 3);
	struct hvp_ic_shutdown body = { .flags = 0x80 };
	struct reply reply;
	unsigned sent = 0, stuck = 0, got = 0;
	int len;

	if (!channel)
		return;
	/* Refused ones fill the ring of the answers; the one that counts waits behind them. */
	while (stuck < 3) {
		if (ask(w, channel, request_of(HVP_IC_SHUTDOWN), &body, 12) == -EAGAIN)
			stuck++;
		else
			sent++;
		hvos_sleep_ms(1);
	}
	(void)answer(w, channel, &reply);
	hvos_sleep_ms(1);
	body.flags = 0;
	stuck = 0;
	while (ask(w, channel, request_of(HVP_IC_SHUTDOWN), &body, 12) == -EAGAIN && stuck++ < 200) {
		(void)answer(w, channel, &reply);
		got++;
		hvos_sleep_ms(1);
	}
	/* Room for one answer after the other, until the deed is done … */
	while (!sim_stats()->powers && answer(w, channel, &reply)) {
		got++;
		hvos_sleep_ms(1);
	}
	W_EQ(w, sim_stats()->powers, 1);
	/* … when its answer is already in the ring: the guest does not run meanwhile. */
	while ((len = fake_take(&w->fake, channel, &reply.id, reply.bytes, sizeof(reply.bytes))) >=
	       0) {
		W_EQ(w, hvw_ic_parse(&reply.ic, reply.bytes, (size_t)len), 0);
		got++;
	}
	W_EQ(w, reply.ic.h.status, HVP_IC_SUCCESS);
	W_EQ(w, got, sent);
}

TAP_TEST(the_answer_to_a_shutdown_comes_before_the_deed)
{
	world_schedules(answer_first, 0);
}

/* --- time --------------------------------------------------------------------------------------------------------- */

static void tell_time(struct world *w, struct fake_channel *channel, int64_t ahead, uint8_t flags,
		      uint64_t age)
{
	struct hvp_ic_timesync_v4 v4 = { .flags = flags };
	struct hvp_ic_timesync v3 = { .flags = flags };
	bool new = status_of(w).message.major >= 4;
	uint64_t now = hvos_clock_get() + (uint64_t)ahead;
	struct reply reply;

	v3.host_time = now;
	v4.host_time = now - age;
	v4.reference_time = soft_reference() - age;
	W_EQ(w,
	     ask(w, channel, request_of(HVP_IC_TIMESYNC), new ? (void *)&v4 : (void *)&v3,
		 new ? sizeof(v4) : sizeof(v3)),
	     0);
	W_EQ(w, answer(w, channel, &reply), true);
	W_EQ(w, reply.ic.h.status, HVP_IC_SUCCESS);
}

/* Within what the way takes. */
static bool near(int64_t value, int64_t expected)
{
	return value - expected < 50000 && expected - value < 50000;
}

static void time_syncs(struct world *w)
{
	const int64_t second = HVP_TIME_PER_SECOND, hour = 3600 * second;
	struct fake_channel *channel = ready(w, TIMESYNC, (uint16_t)w->n);
	const struct sim_stats *stats = sim_stats();
	uint64_t host = 0, reference;

	if (!channel)
		return;
	W_EQ(w, hvg_timesync_read(w->bus->devices, &host, &reference), -EAGAIN);
	tell_time(w, channel, 1000 * second, HVP_TIMESYNC_PROBE, 0);
	W_EQ(w, hvg_timesync_read(w->bus->devices, &host, &reference), -EAGAIN);
	W_EQ(w, stats->steps + stats->slews, 0);
	/* Told to: set, forward and back. */
	tell_time(w, channel, hour, HVP_TIMESYNC_SYNC, 0);
	W_EQ(w, stats->steps, 1);
	W_EQ(w, near(stats->stepped, hour), true);
	tell_time(w, channel, -hour, HVP_TIMESYNC_SYNC, second);
	W_EQ(w, stats->steps, 2);
	W_EQ(w, near(stats->stepped, 0) || w->n < 4, true);
	/* A sample: slewed, unless the clock is right, or far behind and that counts. */
	tell_time(w, channel, 0, HVP_TIMESYNC_SAMPLE, second);
	W_EQ(w, stats->slews, 0);
	tell_time(w, channel, second, HVP_TIMESYNC_SAMPLE, 3 * second);
	W_EQ(w, stats->slews, 1);
	W_EQ(w, near(stats->slewed, second), true);
	tell_time(w, channel, -2 * second, HVP_TIMESYNC_SAMPLE, second);
	W_EQ(w, stats->slews, 2);
	tell_time(w, channel, 10 * second, HVP_TIMESYNC_SAMPLE, 2 * second);
	W_EQ(w, stats->slews, 3);
	W_EQ(w, stats->steps, 2);
	hvg_timesync_implicit = true;
	tell_time(w, channel, 30 * second, HVP_TIMESYNC_SAMPLE, 2 * second);
	hvg_timesync_implicit = false;
	W_EQ(w, stats->slews, 3);
	W_EQ(w, stats->steps, 3);
	W_EQ(w, hvg_timesync_read(w->bus->devices, &host, &reference), 0);
	W_EQ(w, near((int64_t)(host - hvos_clock_get()), 0), true);
}

TAP_TEST(the_clock_is_stepped_when_told_and_slewed_by_samples)
{
	world_run(time_syncs, 4);
	world_run(time_syncs, 3);
}

static void old_samples(struct world *w)
{
	struct fake_channel *channel = ready(w, TIMESYNC, 4);
	const int64_t second = HVP_TIME_PER_SECOND;
	struct hvp_ic_timesync_v4 v4 = { .flags = HVP_TIMESYNC_SYNC };
	uint64_t host = 1, reference = 2;
	struct reply reply;

	if (!channel)
		return;
	/* Too old, from the future, and a body that is cut. */
	tell_time(w, channel, 100 * second, HVP_TIMESYNC_SYNC, 601 * (uint64_t)second);
	tell_time(w, channel, 100 * second, HVP_TIMESYNC_SYNC, (uint64_t)-second);
	W_EQ(w, sim_stats()->steps, 0);
	W_EQ(w, ask(w, channel, request_of(HVP_IC_TIMESYNC), &v4, 17), 0);
	W_EQ(w, answer(w, channel, &reply), true);
	W_EQ(w, reply.ic.h.status, HVP_IC_FAIL);
	W_EQ(w, hvg_timesync_read(w->bus->devices, &host, &reference), -EAGAIN);
	tell_time(w, channel, second, HVP_TIMESYNC_SYNC, 0);
	hvos_sleep_ms(9 * MINUTE_MS);
	W_EQ(w, hvg_timesync_read(w->bus->devices, &host, &reference), 0);
	hvos_sleep_ms(2 * MINUTE_MS);
	host = 1;
	W_EQ(w, hvg_timesync_read(w->bus->devices, &host, &reference), -ESTALE);
	W_EQ(w, host, 1);
}

TAP_TEST(samples_grow_old)
{
	world_run(old_samples, 0);
}

static void unwilling_clock(struct world *w)
{
	struct fake_channel *channel = ready(w, TIMESYNC, 4);

	if (!TAP_CHECK(channel))
		return;
	tell_time(w, channel, HVP_TIME_PER_SECOND, HVP_TIMESYNC_SAMPLE, 0);
	tell_time(w, channel, HVP_TIME_PER_SECOND, w->n ? HVP_TIMESYNC_SYNC : HVP_TIMESYNC_SAMPLE,
		  0);
	TAP_EQ(sim_stats()->steps + sim_stats()->slews, w->n);
	/* That it can only be stepped is no news; that it cannot be is worth a line. */
	TAP_EQ(sim_stats()->logged[HVOS_WARNING], w->n);
}

TAP_TEST(a_clock_that_cannot_be_moved_is_left_alone)
{
	for (uint64_t seed = 0; seed < 4; seed++) {
		struct sim_config config = world_config(seed);

		config.no_slew = true;
		world_once(unwilling_clock, &config, 0, WORLD_RAM);
		config.no_slew = false;
		config.fail_service = "hvos_clock_step";
		world_once(unwilling_clock, &config, 1, WORLD_RAM);
	}
}

/* --- suspend --------------------------------------------------------------------------------------------------------- */

static void goes_on_after_suspend(struct world *w)
{
	struct fake_channel *channel = ready(w, HEARTBEAT, 3);
	struct hvp_ic_heartbeat beat = { .sequence = 5 };
	struct reply reply;
	int err;

	if (!channel)
		return;
	err = hvg_bus_suspend(w->bus);
	W_EQ(w, err, 0);
	W_EQ(w, channel->open, false);
	if (w->n)
		return; /* and is stopped so */
	err = hvg_bus_resume(w->bus);
	W_EQ(w, err, 0);
	if (err || hvg_bus_settle(w->bus, SETTLE_MS) || !channel->open)
		return;
	W_EQ(w, status_of(w).ready, false);
	if (!negotiate(w, channel, 3))
		return;
	W_EQ(w, ask(w, channel, request_of(HVP_IC_HEARTBEAT), &beat, sizeof(beat)), 0);
	W_EQ(w, answer(w, channel, &reply), true);
}

TAP_TEST(a_service_goes_on_after_a_suspend)
{
	world_run(goes_on_after_suspend, 0);
	world_run(goes_on_after_suspend, 1);
}

TAP_MAIN()
