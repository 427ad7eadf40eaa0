/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The guest's channels: memory shared, processors, suspend and resume, the end in a crash.
 */
#include "tests/unit/guest_world.h"

static struct fake_channel *open_one(struct world *w)
{
	struct fake_channel *channel = fake_add(&w->fake, PROBE_CLASS, 1, 0);

	if (!world_up(w))
		return NULL;
	W_EQ(w, channel->open, true);
	return channel->open && probe.last ? channel : NULL;
}

static struct hvg_chan *primary(void)
{
	return hvg_device_chan(probe.last);
}

/* --- shared memory -------------------------------------------------------------------------------------- */

static struct fake_gpadl *gpadl_of(struct world *w, uint32_t handle)
{
	for (unsigned i = 0; i < FAKE_GPADLS; i++)
		if (w->fake.gpadl[i].handle == handle)
			return &w->fake.gpadl[i];
	return NULL;
}

static void check_gpns(struct world *w, const struct hvos_shared *shared, uint32_t handle)
{
	const struct fake_gpadl *gpadl = gpadl_of(w, handle);
	uint32_t page, wrong = 0;

	if (!TAP_CHECK(gpadl))
		return;
	TAP_EQ(gpadl->filled, shared->pages);
	for (page = 0; page < shared->pages; page++)
		wrong += gpadl->gpns[page] != hvos_shared_gpn(shared, page);
	TAP_EQ(wrong, 0);
}

/* `pages` shared and taken back; the result of the share. */
static int share(struct world *w, uint32_t pages)
{
	struct hvos_shared shared = { 0 };
	uint32_t handle = 0;
	int err = hvos_shared_alloc(&shared, pages), result;

	if (err)
		return err;
	result = hvg_chan_share(primary(), &shared, &handle);
	if (!result) {
		check_gpns(w, &shared, handle);
		err = hvg_chan_unshare(primary(), handle);
		TAP_CHECK(err || !gpadl_of(w, handle));
	}
	if (result == -ETIMEDOUT || err)
		hvos_shared_lose(&shared);
	else if (hvos_shared_free(&shared))
		err = -EIO;
	return result ? result : err;
}

/* Pages, and messages they take. */
static const struct {
	uint32_t pages, bodies;
} sizes[] = {
	{ 1, 0 }, { 25, 0 }, { 26, 0 }, { 27, 1 }, { 54, 1 }, { 55, 2 }, { 8190, 292 },
};

static void sizes_shared(struct world *w)
{
	unsigned before, headers;

	if (!open_one(w))
		return;
	before = w->fake.seen[HVP_MSG_GPADL_BODY];
	headers = w->fake.seen[HVP_MSG_GPADL_HEADER];
	W_EQ(w, share(w, sizes[w->n].pages), 0);
	W_EQ(w, w->fake.seen[HVP_MSG_GPADL_BODY] - before, sizes[w->n].bodies);
	W_EQ(w, w->fake.seen[HVP_MSG_GPADL_HEADER] - headers, 1);
}

TAP_TEST(memory_of_any_size_is_shared_and_taken_back)
{
	for (unsigned n = 0; n < 6; n++)
		world_run(sizes_shared, n);
	for (uint64_t seed = 0; seed < 2; seed++) {
		struct sim_config config = world_config(seed);

		world_once(sizes_shared, &config, 6, 40u << 20);
	}
}

static void too_large(struct world *w)
{
	struct hvos_shared shared;
	uint32_t handle;

	if (!open_one(w) || !TAP_EQ(hvos_shared_alloc(&shared, 8191), 0))
		return;
	W_EQ(w, hvg_chan_share(primary(), &shared, &handle), -EINVAL);
	W_EQ(w, hvos_shared_free(&shared), 0);
}

TAP_TEST(more_than_one_gpadl_can_name_is_refused)
{
	struct sim_config config = world_config(0);

	world_once(too_large, &config, 0, 40u << 20);
}

/* n: which message, and what comes of it. */
static void share_fails(struct world *w)
{
	static const enum fake_action actions[] = { FAKE_FAIL, FAKE_BUSY, FAKE_REFUSE,
						    FAKE_SILENT };
	enum fake_action action = actions[w->n % 4];
	unsigned nth = w->n / 4; /* 0: the header; then bodies */
	uint32_t type = nth ? HVP_MSG_GPADL_BODY : HVP_MSG_GPADL_HEADER;
	bool last = nth == 2;
	int expected = 0;

	if (!open_one(w))
		return;
	w->fake.rules[0] = (struct fake_rule){ type, w->fake.seen[type] + (nth ? nth : 1), action };
	/* Only the last message is answered. */
	if (action == FAKE_FAIL)
		expected = -EIO;
	else if (action == FAKE_REFUSE && last)
		expected = -EIO;
	else if (action == FAKE_SILENT && last)
		expected = -EIO; /* it was given up, and the host let go of it */
	W_EQ(w, share(w, 60), expected);
	W_EQ(w, share(w, 60), 0);
}

TAP_TEST(a_share_that_fails_at_any_message_leaves_nothing)
{
	for (unsigned n = 0; n < 12; n++)
		world_schedules(share_fails, n);
}

static void never_let_go(struct world *w)
{
	struct hvos_shared shared;
	uint32_t handle;

	w->loss_allowed = true;
	if (!open_one(w))
		return;
	w->fake.rules[0] = (struct fake_rule){ HVP_MSG_GPADL_CREATED, 0, FAKE_ANSWER };
	w->fake.rules[1] = (struct fake_rule){ HVP_MSG_GPADL_TEARDOWN, 0, FAKE_IGNORE };
	if (!TAP_EQ(hvos_shared_alloc(&shared, 60), 0))
		return;
	if (w->n) {
		w->fake.rules[2] = (struct fake_rule){ HVP_MSG_GPADL_BODY, 2, FAKE_SILENT };
		W_EQ(w, hvg_chan_share(primary(), &shared, &handle), -ETIMEDOUT);
		W_EQ(w, world_counters(w).lost_pages, 60);
	} else {
		W_EQ(w, hvg_chan_share(primary(), &shared, &handle), 0);
		W_EQ(w, hvg_chan_unshare(primary(), handle), -ETIMEDOUT);
	}
	hvos_shared_lose(&shared);
	hvg_bus_stop(w->bus);
	w->bus = NULL;
	/* These and the channel's ring. */
	W_EQ(w, sim_stats()->lost_pages, 64);
}

TAP_TEST(what_the_host_does_not_let_go_is_lost_and_counted)
{
	world_schedules(never_let_go, 0);
	world_schedules(never_let_go, 1);
}

/* --- open -------------------------------------------------------------------------------------------------- */

static void open_fails(struct world *w)
{
	static const enum fake_action actions[] = { FAKE_REFUSE, FAKE_SILENT, FAKE_RESCIND_INSTEAD,
						    FAKE_WRONG_IDS, FAKE_TWICE };
	struct fake_channel *channel = fake_add(&w->fake, PROBE_CLASS, 1, 0);
	bool works = w->n >= 3;

	w->fake.rules[0] = (struct fake_rule){ HVP_MSG_OPEN_CHANNEL, 0, actions[w->n] };
	if (!world_up(w))
		return;
	hvos_sleep_ms(1); /* an answer too many may come behind what matters */
	W_EQ(w, probe.attached, works);
	W_EQ(w, channel->open, works);
	W_EQ(w, w->fake.seen[HVP_MSG_CLOSE_CHANNEL], w->n == 1);
	W_EQ(w, world_counters(w).unexpected, works);
	W_EQ(w, world_counters(w).timeouts, w->n == 1);
	W_EQ(w, w->fake.gpadls, works);
}

TAP_TEST(an_open_that_fails_leaves_nothing_open)
{
	for (unsigned n = 0; n < 5; n++)
		world_run(open_fails, n);
}

static void odd_rings(struct world *w)
{
	struct hvg_chan_config config = { .send_pages = 2, .receive_pages = 2 };

	if (!open_one(w))
		return;
	/* Open already, no listener, no such processor, sizes that cannot be. */
	W_EQ(w, hvg_chan_open(primary(), &config), -EINVAL);
	config.signalled = probe_signalled;
	W_EQ(w, hvg_chan_open(primary(), &config), -EINVAL);
	W_EQ(w, hvg_chan_index(primary()), 0);
	W_EQ(w, hvg_chan_revoked(primary()), false);
	W_EQ(w, hvg_chan_device(primary()) == probe.last, true);
	W_EQ(w, hvg_device_info(probe.last)->class_id.b[0], 0xec);
}

static void one_page_ring(struct world *w)
{
	probe.ring_pages = w->n;
	fake_add(&w->fake, PROBE_CLASS, 1, 0);
	if (!world_up(w))
		return;
	W_EQ(w, probe.attached, 0);
}

TAP_TEST(impossible_rings_are_refused)
{
	world_run(odd_rings, 0);
	world_run(one_page_ring, 1);
	world_run(one_page_ring, 5000);
}

/* --- packets ---------------------------------------------------------------------------------------------------- */

static const uint8_t payload[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };

/* `header`: what is behind the descriptor. */
static void check_gpa_direct(struct fake_channel *channel, const uint64_t header[3])
{
	uint8_t bytes[sizeof(struct hvp_packet) + 3 * sizeof(uint64_t) + sizeof(payload)];
	struct hvw_rx_packet packet;
	int err = hvw_rx_next(&channel->rx, &packet);

	TAP_EQ(err, 0);
	if (err)
		return;
	TAP_EQ(packet.h.type, HVP_PACKET_GPA_DIRECT);
	TAP_EQ(packet.h.flags, HVP_PACKET_FLAG_COMPLETION);
	TAP_EQ(packet.h.transaction_id, 77);
	TAP_EQ(packet.header_len, sizeof(bytes) - sizeof(payload));
	TAP_EQ(packet.payload_len, sizeof(payload));
	TAP_EQ(hvw_rx_copy(&channel->rx, &packet, 0, bytes, sizeof(bytes)), 0);
	TAP_MEM_EQ(bytes + sizeof(struct hvp_packet), header, 3 * sizeof(*header));
	TAP_MEM_EQ(bytes + packet.header_len, payload, sizeof(payload));
}

static void gpa_direct(struct world *w)
{
	struct fake_channel *channel = open_one(w);
	static const uint64_t page = 5;
	uint64_t header[3], sent = 0;
	struct hvw_gpa_writer writer;
	int err;

	if (!channel)
		return;
	TAP_EQ(hvw_gpa_writer_init(&writer, header, sizeof(header)), 0);
	TAP_EQ(hvw_gpa_writer_add(&writer, &page, 0x700, 0x200), 0);
	TAP_EQ(hvw_gpa_writer_finish(&writer), sizeof(header));
	W_EQ(w,
	     hvg_chan_send_gpas(primary(), HVP_PACKET_FLAG_COMPLETION, 77, header, sizeof(header),
				payload, 12),
	     0);
	W_EQ(w, channel->doorbells, 1);
	check_gpa_direct(channel, header);

	/* Until it is full, which the host is told. */
	do {
		err = hvg_chan_send_gpas(primary(), 0, ++sent, header, sizeof(header), payload, 12);
	} while (!err);
	W_EQ(w, err, -EAGAIN);
	W_EQ(w, sent, HVP_PAGE_SIZE / 64 - 1);
	TAP_EQ(hvw_rx_release(&channel->rx), true);
	W_EQ(w, hvg_chan_send_gpas(primary(), 0, sent, header, sizeof(header), payload, 12), 0);
}

TAP_TEST(a_packet_names_memory_and_carries_a_payload)
{
	world_run(gpa_direct, 0);
}

/* --- processors ------------------------------------------------------------------------------------------------ */

static void set_cpu(struct world *w)
{
	static const uint32_t versions[] = { HVP_VERSION_4_0, HVP_VERSION_4_1, HVP_VERSION_5_3 };
	static const int results[] = { -EOPNOTSUPP, 0, 0 };
	struct fake_channel *channel;
	unsigned cpus = hvos_cpu_count(), cpu = cpus - 1;
	struct probe *p;

	w->fake.version_max = versions[w->n];
	channel = open_one(w);
	if (!channel)
		return;
	p = hvg_device_data(probe.last);
	W_EQ(w, hvg_chan_set_cpu(primary(), cpus), w->n ? -EINVAL : -EOPNOTSUPP);
	W_EQ(w, hvg_chan_set_cpu(primary(), cpu), results[w->n]);
	W_EQ(w, channel->target_vp, w->n ? cpus - 1 - cpu : cpus - 1);
	p->primary.signals = 0;
	fake_signal(&w->fake, channel);
	hvos_sleep_ms(1);
	W_EQ(w, p->primary.signals, 1);
	if (w->n < 2)
		return;
	w->fake.rules[0] = (struct fake_rule){ HVP_MSG_MODIFY_CHANNEL, 0, FAKE_REFUSE };
	W_EQ(w, hvg_chan_set_cpu(primary(), 0), -EIO);
}

TAP_TEST(a_channel_moves_to_another_processor_where_the_host_can)
{
	for (unsigned n = 0; n < 3; n++)
		world_run(set_cpu, n);
}

static void processors_go(struct world *w)
{
	unsigned last = hvos_cpu_count() - 1;
	struct fake_channel *channel;

	probe.cpu = last;
	channel = open_one(w);
	if (!channel || !last)
		return;
	W_EQ(w, hvg_bus_cpu_offline(w->bus, 0), -EBUSY);
	W_EQ(w, hvg_bus_cpu_offline(w->bus, last), -EBUSY);
	W_EQ(w, hvg_chan_set_cpu(primary(), 0), 0);
	W_EQ(w, hvg_bus_cpu_offline(w->bus, last), 0);
	sim_cpu_set_online(last, false);
	W_EQ(w, hvg_chan_set_cpu(primary(), last), -EINVAL);
	W_EQ(w, hvg_bus_cpu_online(w->bus, last), -ENODEV);
	sim_cpu_set_online(last, true);
	W_EQ(w, hvg_bus_cpu_online(w->bus, last), 0);
	W_EQ(w, hvg_chan_set_cpu(primary(), last), 0);
	W_EQ(w, channel->target_vp, 0);
}

TAP_TEST(processors_go_and_come_back)
{
	world_run(processors_go, 0);
}

static void absent_processor(struct world *w)
{
	if (hvos_cpu_count() < 2)
		return;
	sim_cpu_set_online(1, false);
	probe.cpu = 1;
	fake_add(&w->fake, PROBE_CLASS, 1, 0);
	if (world_up(w))
		W_EQ(w, probe.attached, 0);
}

TAP_TEST(a_processor_that_does_not_run_gets_no_channel)
{
	world_run(absent_processor, 0);
}

/* --- suspend and resume ----------------------------------------------------------------------------------------- */

static bool resume(struct world *w, int expected)
{
	int err = hvg_bus_resume(w->bus);

	W_EQ(w, err, expected);
	return !err && !hvg_bus_settle(w->bus, SETTLE_MS);
}

/* n: what has changed meanwhile. */
static void suspended(struct world *w)
{
	struct fake_channel *channel = open_one(w), *other = &w->fake.channels[5];
	struct hvg_device *before = probe.last;

	if (!channel)
		return;
	fake_offer(&w->fake, fake_add(&w->fake, PROBE_CLASS, 1, 1));
	hvos_sleep_ms(1);
	W_EQ(w, probe.subs, 1);
	probe.no_suspend = w->n == 4;
	W_EQ(w, hvg_bus_suspend(w->bus), 0);
	W_EQ(w, w->fake.version, 0);
	W_EQ(w, probe.subs_gone, 1);
	w->fake.channels[1].id = 0; /* sub-channels come when they are asked for */
	switch (w->n) {
	case 1: /* other numbers */
		*other = *channel;
		other->id = 700;
		other->opens = 0;
		channel->id = 0;
		channel = other;
		break;
	case 2: /* it is gone */
		channel->id = 0;
		break;
	case 3: /* one more */
		fake_add(&w->fake, PROBE_CLASS, 2, 0);
		break;
	case 5: /* an older host */
		w->fake.version_max = HVP_VERSION_4_1;
		break;
	case 6: /* one that offers for ever */
		w->fake.rules[0] = (struct fake_rule){ HVP_MSG_REQUEST_OFFERS, 0, FAKE_SILENT };
		break;
	default:
		break;
	}
	if (!resume(w, w->n == 5 ? -EOPNOTSUPP : w->n == 6 ? -ETIMEDOUT : 0)) {
		W_EQ(w, probe.detached, probe.attached);
		return;
	}
	hvos_sleep_ms(1);
	W_EQ(w, hvg_bus_version(w->bus), HVP_VERSION_5_3);
	W_EQ(w, probe.resumed, w->n != 2 && w->n != 4);
	W_EQ(w, probe.attached, 1 + (w->n == 3 || w->n == 4));
	W_EQ(w, probe.detached, w->n == 2 || w->n == 4);
	if (w->n == 0 || w->n == 1) {
		W_EQ(w, probe.last == before, true);
		W_EQ(w, channel->open, true);
		W_EQ(w, channel->opens, w->n ? 1 : 2);
	}
}

TAP_TEST(a_suspend_keeps_what_comes_back)
{
	for (unsigned n = 0; n < 7; n++)
		world_run(suspended, n);
}

static void suspended_twice(struct world *w)
{
	if (!open_one(w))
		return;
	for (unsigned i = 0; i < 3; i++) {
		if (hvg_bus_suspend(w->bus) || !resume(w, 0))
			return;
		W_EQ(w, probe.resumed, i + 1);
	}
	/* And stopped in that state. */
	W_EQ(w, hvg_bus_suspend(w->bus), 0);
}

TAP_TEST(suspends_repeat_and_may_end_in_a_stop)
{
	world_run(suspended_twice, 0);
}

/* --- the end --------------------------------------------------------------------------------------------------- */

static void crash_now(void *ctx)
{
	hvg_bus_crash(((struct world *)ctx)->bus, 1000);
}

static void crashed(struct world *w)
{
	uint64_t begin;

	if (w->n == 1)
		w->fake.version_max = HVP_VERSION_2_4;
	if (w->n == 2)
		w->fake.rules[0] = (struct fake_rule){ HVP_MSG_UNLOAD, 1, FAKE_IGNORE };
	if (!open_one(w))
		return;
	/* Other messages are in front of the answer. */
	fake_offer(&w->fake, fake_add(&w->fake, PROBE_CLASS, 3, 0));
	begin = sim_now_ns();
	/* With interrupts off, as in a crash. */
	if (hvos_cpu_call(0, crash_now, w))
		return;
	W_EQ(w, w->fake.seen[HVP_MSG_UNLOAD], w->n != 1);
	W_EQ(w, w->fake.version != 0, w->n != 0);
	W_EQ(w, sim_now_ns() - begin >= 1000000000ull, w->n == 2);
	/* Nobody frees anything after a crash; the test has to. */
	w->faults_allowed = w->loss_allowed = true;
}

TAP_TEST(a_crash_lets_go_of_the_guests_memory)
{
	for (unsigned n = 0; n < 3; n++)
		world_schedules(crashed, n);
}

static void crash_told(struct world *w)
{
	const uint64_t parameters[5] = { 1, 2, 3, 4, 5 };
	struct hvos_shared text;

	if (!open_one(w) || hvos_shared_alloc(&text, 1))
		return;
	hvg_bus_report_crash(w->bus, parameters, NULL, 0);
	W_EQ(w, w->fake.soft.crashes, 1);
	W_EQ(w, w->fake.soft.crash_control == HVP_CRASH_NOTIFY, true);
	W_EQ(w, w->fake.soft.crash[4], 5);
	hvg_bus_report_crash(w->bus, parameters, &text, 10000);
	W_EQ(w, w->fake.soft.crash_control == (HVP_CRASH_NOTIFY | HVP_CRASH_MESSAGE), true);
	W_EQ(w, w->fake.soft.crash[3], hvos_shared_gpn(&text, 0) << HVP_PAGE_SHIFT);
	W_EQ(w, w->fake.soft.crash[4], HVP_PAGE_SIZE);
	W_EQ(w, hvos_shared_free(&text), 0);
}

TAP_TEST(a_crash_is_reported)
{
	world_run(crash_told, 0);
}

static void no_crash_registers(struct world *w)
{
	const uint64_t parameters[5] = { 1, 2, 3, 4, 5 };

	w->fake.soft.features.misc = 0;
	if (!open_one(w))
		return;
	hvg_bus_report_crash(w->bus, parameters, NULL, 0);
	TAP_EQ(w->fake.soft.crashes, 0);
}

TAP_TEST(a_crash_is_not_reported_to_who_does_not_listen)
{
	world_run(no_crash_registers, 0);
}

/* --- reference time ---------------------------------------------------------------------------------------------- */

static void reference_time(struct world *w)
{
	int64_t difference;

	if (w->n == 1)
		w->fake.soft.features.access &= ~HVP_ACCESS_REF_TSC;
	w->fake.soft.refuse_tsc_page = w->n == 2;
	if (!open_one(w))
		return;
	hvos_sleep_ms(123456);
	difference = (int64_t)(hvg_device_reference(probe.last) - soft_reference());
	W_EQ(w, difference >= -10 && difference <= 10, true);
}

TAP_TEST(the_reference_time_is_right_by_page_and_by_register)
{
	for (unsigned n = 0; n < 3; n++)
		world_run(reference_time, n);
}

TAP_MAIN()
