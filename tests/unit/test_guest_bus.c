/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The guest's connection, offers and channels, against a host that does as it is told.
 */
#include "tests/unit/guest_world.h"

static const uint32_t versions[] = {
#define VERSION(major, minor) HVP_VERSION(major, minor),
	HVP_VERSION_LIST(VERSION)
#undef VERSION
};
#define VERSIONS 8u /* the last of the list is one that no guest speaks */

/* --- negotiation ---------------------------------------------------------------------------------------- */

static void at_version(struct world *w)
{
	struct fake_channel *channel = fake_add(&w->fake, PROBE_CLASS, 1, 0);

	w->fake.version_max = versions[w->n];
	if (!world_up(w))
		return;
	W_EQ(w, hvg_bus_version(w->bus), versions[w->n]);
	W_EQ(w, probe.attached, 1);
	W_EQ(w, channel->open, true);
	W_EQ(w, w->fake.seen[HVP_MSG_INITIATE_CONTACT], VERSIONS - w->n);
}

TAP_TEST(each_version_is_negotiated)
{
	for (unsigned n = 0; n < VERSIONS; n++)
		world_schedules(at_version, n);
	world_failures(at_version, 0);
	world_failures(at_version, VERSIONS - 1);
}

static void capped(struct world *w)
{
	w->version_max = versions[w->n];
	if (world_up(w))
		W_EQ(w, hvg_bus_version(w->bus), versions[w->n]);
	W_EQ(w, w->fake.seen[HVP_MSG_INITIATE_CONTACT], 1);
}

TAP_TEST(the_guest_can_be_capped)
{
	for (unsigned n = 0; n < VERSIONS; n++)
		world_schedules(capped, n);
}

static void before_5_0(struct world *w)
{
	w->fake.old = true;
	w->fake.version_max = HVP_VERSION_4_1;
	if (world_up(w))
		W_EQ(w, hvg_bus_version(w->bus), HVP_VERSION_4_1);
}

TAP_TEST(a_host_without_the_newer_connection_is_taken_at_4_1)
{
	world_run(before_5_0, 0);
}

static void no_version(struct world *w)
{
	w->fake.version_max = HVP_VERSION(1, 1);
	W_EQ(w, world_connect(w), -EOPNOTSUPP);
}

TAP_TEST(no_version_in_common_is_said)
{
	world_run(no_version, 0);
}

static void no_host(struct world *w)
{
	switch (w->n) {
	case 0:
		w->fake.soft.absent = true;
		break;
	case 1:
		w->fake.soft.features.access &= ~HVP_ACCESS_SYNIC;
		break;
	case 2:
		w->fake.soft.no_hypercalls = true;
		break;
	default:
		w->fake.absent = true;
		break;
	}
	W_EQ(w, world_connect(w), -ENODEV);
}

TAP_TEST(where_there_is_no_host_the_start_says_so)
{
	for (unsigned n = 0; n < 4; n++)
		world_run(no_host, n);
}

static void wrong_config(struct world *w)
{
	w->version_max = w->n ? HVP_VERSION_6_0 : HVP_VERSION(1, 1);
	W_EQ(w, world_connect(w), -EINVAL);
}

TAP_TEST(impossible_versions_are_refused)
{
	world_run(wrong_config, 0);
	world_run(wrong_config, 1);
}

static void low_resources(struct world *w)
{
	w->fake.connection_state = HVP_CONTACT_LOW_RESOURCES;
	W_EQ(w, world_connect(w), -EIO);
}

TAP_TEST(a_host_without_resources_is_an_error)
{
	world_run(low_resources, 0);
}

static void full_host(struct world *w)
{
	uint64_t begin = hvos_now_ns();

	w->fake.rules[0] = (struct fake_rule){ HVP_MSG_REQUEST_OFFERS, 0, FAKE_FULL };
	W_EQ(w, world_connect(w), -ETIMEDOUT);
	W_EQ(w, hvos_now_ns() - begin < 10 * 1000000000ull, true);
}

TAP_TEST(a_host_that_stays_full_is_given_up)
{
	world_run(full_host, 0);
}

static void silent_contact(struct world *w)
{
	uint64_t begin = hvos_now_ns();

	w->fake.rules[0] = (struct fake_rule){ HVP_MSG_INITIATE_CONTACT, 0, FAKE_SILENT };
	if (w->n)
		w->fake.rules[1] = (struct fake_rule){ HVP_MSG_UNLOAD, 0, FAKE_IGNORE };
	w->loss_allowed = w->n;
	W_EQ(w, world_connect(w), -ETIMEDOUT);
	W_EQ(w, sim_stats()->lost_pages, w->n ? 3 : 0);
	W_EQ(w, hvos_now_ns() - begin < 40 * 1000000000ull, true);
}

TAP_TEST(a_silent_host_ends_the_start_and_keeps_what_it_may_know)
{
	world_run(silent_contact, 0);
	world_run(silent_contact, 1);
}

/* --- offers ------------------------------------------------------------------------------------------------ */

static void count_devices(void *ctx, const struct hvg_device_status *status)
{
	*(unsigned *)ctx += !status->revoked;
}

static unsigned devices(struct world *w)
{
	unsigned count = 0;

	hvg_bus_each(w->bus, count_devices, &count);
	return count;
}

static void many_offers(struct world *w)
{
	for (uint8_t i = 0; i < 20; i++)
		fake_add(&w->fake, PROBE_CLASS, i, 0);
	if (!world_up(w))
		return;
	W_EQ(w, probe.attached, 20);
	W_EQ(w, devices(w), 20);
}

TAP_TEST(more_offers_than_the_inbox_holds_all_arrive)
{
	world_schedules(many_offers, 0);
}

static void no_driver(struct world *w)
{
	fake_add(&w->fake, (struct hvp_guid){ { 1, 2, 3 } }, 1, 0);
	if (!world_up(w))
		return;
	W_EQ(w, devices(w), 1);
	W_EQ(w, w->fake.seen[HVP_MSG_OPEN_CHANNEL], 0);
}

TAP_TEST(a_device_without_driver_is_listed_and_left_alone)
{
	world_run(no_driver, 0);
}

static void driver_refuses(struct world *w)
{
	struct fake_channel *channel = fake_add(&w->fake, PROBE_CLASS, 1, 0);

	probe.attach_result = -EBUSY;
	if (!world_up(w))
		return;
	W_EQ(w, devices(w), 1);
	fake_rescind(&w->fake, channel);
	sim_run();
	W_EQ(w, devices(w), 0);
	W_EQ(w, channel->id, 0);
}

TAP_TEST(a_device_that_its_driver_refuses_can_still_be_taken_away)
{
	world_run(driver_refuses, 0);
}

static void hot_add(struct world *w)
{
	struct fake_channel *channel;

	if (!world_up(w))
		return;
	W_EQ(w, devices(w), 0);
	channel = fake_add(&w->fake, PROBE_CLASS, 1, 0);
	fake_offer(&w->fake, channel);
	hvos_sleep_ms(1);
	W_EQ(w, probe.attached, 1);
	fake_rescind(&w->fake, channel);
	hvos_sleep_ms(1);
	W_EQ(w, probe.detached, 1);
	W_EQ(w, channel->id, 0);
	/* The same again, with the number it had. */
	fake_offer(&w->fake, fake_add(&w->fake, PROBE_CLASS, 1, 0));
	hvos_sleep_ms(1);
	W_EQ(w, probe.attached, 2);
	W_EQ(w, devices(w), 1);
}

TAP_TEST(devices_come_and_go)
{
	world_run(hot_add, 0);
}

static void bad_offers(struct world *w)
{
	struct fake_channel *channel = fake_add(&w->fake, PROBE_CLASS, 1, 0), *other;
	uint64_t before;

	if (!world_up(w))
		return;
	before = world_counters(w).violations;
	fake_offer(&w->fake, channel); /* all of it is there */
	other = fake_add(&w->fake, PROBE_CLASS, 9, 0);
	other->id = channel->id;
	fake_offer(&w->fake, other); /* the number is used */
	fake_offer(&w->fake, fake_add(&w->fake, PROBE_CLASS, 1, 0)); /* the device is there */
	fake_offer(&w->fake, fake_add(&w->fake, PROBE_CLASS, 7, 3)); /* a sub-channel of none */
	channel = fake_add(&w->fake, PROBE_CLASS, 8, 0);
	channel->id = HVP_CHANNEL_ID_MAX + 1;
	fake_offer(&w->fake, channel);
	sim_run();
	W_EQ(w, world_counters(w).violations - before, 5);
	W_EQ(w, devices(w), 1);
	W_EQ(w, probe.attached, 1);
}

TAP_TEST(impossible_offers_are_dropped_and_counted)
{
	world_run(bad_offers, 0);
}

static void eager_host(struct world *w)
{
	w->fake.eager = true;
	fake_add(&w->fake, PROBE_CLASS, 1, 0);
	if (!world_up(w))
		return;
	W_EQ(w, world_counters(w).unexpected, 1);
	W_EQ(w, devices(w), 0);
}

TAP_TEST(offers_before_they_are_asked_for_are_dropped)
{
	world_run(eager_host, 0);
}

/* --- a life with all there is, and a host that misbehaves in it ------------------------------------------------- */

static int share(struct world *w, uint32_t pages)
{
	struct probe *p = hvg_device_data(probe.last);
	struct hvos_shared shared = { 0 };
	uint32_t handle;
	int err = hvos_shared_alloc(&shared, pages);

	if (err)
		return err;
	err = hvg_chan_share(p->primary.chan, &shared, &handle);
	if (!err) {
		for (unsigned i = 0; i < FAKE_GPADLS; i++)
			if (w->fake.gpadl[i].handle == handle)
				for (uint32_t page = 0; page < pages; page++)
					W_EQ(w, w->fake.gpadl[i].gpns[page],
					     hvos_shared_gpn(&shared, page));
		err = hvg_chan_unshare(p->primary.chan, handle);
	}
	if (err == -ETIMEDOUT)
		hvos_shared_lose(&shared);
	else if (hvos_shared_free(&shared))
		return -EIO;
	return err;
}

static void whole_life(struct world *w)
{
	struct fake_channel *channel = fake_add(&w->fake, PROBE_CLASS, 1, 0), *sub;
	const uint8_t packet[24] = "over the ring";
	uint8_t back[64];
	uint64_t id = 0;

	fake_add(&w->fake, (struct hvp_guid)HVP_CLASS_HEARTBEAT, 2, 0);
	if (!world_up(w))
		return;
	sub = fake_add(&w->fake, PROBE_CLASS, 1, 1);
	fake_offer(&w->fake, sub);
	if (channel->open) {
		W_EQ(w, fake_put(&w->fake, channel, 77, packet, sizeof(packet)), 0);
		hvos_sleep_ms(1);
		if (channel->open)
			W_EQ(w, fake_take(&w->fake, channel, &id, back, sizeof(back)), 24);
		W_EQ(w, id, 77);
	}
	/* Whoever takes the device away is the bus's work; this thread has no business with a driver then. */
	if (probe.last && !channel->rescinded && channel->open && !w->fake.rules[0].action) {
		W_EQ(w, share(w, 30), 0);
		W_EQ(w, hvg_chan_set_cpu(hvg_device_chan(probe.last), 0), 0);
	}
	hvos_sleep_ms(1);
	W_EQ(w, sub->open, true);
	fake_rescind(&w->fake, sub);
	hvos_sleep_ms(1);
	W_EQ(w, sub->id, 0);
	fake_rescind(&w->fake, channel);
	hvos_sleep_ms(1);
	W_EQ(w, channel->id, 0);
	fake_offer(&w->fake, fake_add(&w->fake, PROBE_CLASS, 1, 0));
	fake_offer(&w->fake, fake_add(&w->fake, PROBE_CLASS, 1, 2));
}

TAP_TEST(a_whole_life_with_every_call_failing_in_turn)
{
	world_run(whole_life, 0);
}

static const char *const action_names[] = {
	"answer",  "silent",	      "ignore",		"refuse",	 "twice", "wrong ids",
	"garbage", "rescind instead", "rescind before", "rescind after", "late",  "busy",
	"fail",
};

/* n: the action, and which message it is for. */
static void misbehaved(struct world *w)
{
	enum fake_action action = (enum fake_action)(w->n % 100);

	w->strict = false;
	/* A close that the host never got looks like none. */
	w->faults_allowed = action == FAKE_IGNORE || action == FAKE_FAIL;
	w->fake.rules[0] = (struct fake_rule){ 0, w->n / 100, action };
	whole_life(w);
}

TAP_TEST(a_host_that_misbehaves_at_any_message_does_no_harm)
{
	for (unsigned action = FAKE_SILENT; action <= FAKE_FAIL && !tap.failures; action++) {
		for (unsigned nth = 0; nth < 45 && !tap.failures; nth++)
			for (uint64_t seed = 0; seed < 4; seed++) {
				struct sim_config config = world_config(nth * 4 + seed);

				world_once(misbehaved, &config, nth * 100 + action, WORLD_RAM);
			}
		if (tap.failures)
			printf("# the host: %s\n", action_names[action]);
	}
}

TAP_TEST(a_host_that_never_answers_leaves_a_stop_that_ends)
{
	for (unsigned nth = 0; nth < 20; nth++)
		world_failures(misbehaved, nth * 100 + FAKE_SILENT);
}

TAP_MAIN()
