/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The guest core's storage between a SCSI layer and a host that answers wrong, late, twice or not at all.
 */
#include "hvg/hvg_stor.h"
#include "hvp_scsi.h"
#include "hvw_storvsp.h"

extern const struct hvg_driver stor_driver;

#define WORLD_DRIVER stor_driver
#include "tests/unit/guest_world.h"

#define COMMANDS 12u
#define SEEN	 32u

enum mode {
	MODE_RIGHT,
	MODE_SILENT, /* to commands */
	MODE_DEAF, /* to all */
	MODE_REFUSES, /* all set-up */
	MODE_SHORT, /* properties that end too early */
	MODE_OTHER, /* an answer that is none */
};

/* One run. */
static struct bed {
	struct world *w;
	struct fake_channel *channel, *sub;

	/* The host. */
	enum mode mode;
	bool confuses; /* before each answer one with another number, which says no */
	uint32_t version_max; /* of storage */
	uint16_t sub_channels;
	bool fibre, secondary;
	unsigned versions, orders[HVP_STORVSP_END];
	uint64_t id[SEEN]; /* of commands */
	struct hvw_storvsp seen[SEEN];
	unsigned seen_count;

	/* The guest's SCSI layer. */
	struct hvg_stor *stor;
	int attach_result;
	struct hvg_stor_request request[COMMANDS];
	bool more; /* others follow the next request */
	bool out[COMMANDS];
	unsigned done, rooms, rescans;
} b;

/* --- the SCSI layer ------------------------------------------------------------------------------------- */

static void on_done(void *ctx, struct hvg_stor_request *request)
{
	const size_t n = (size_t)(request - b.request);

	(void)ctx;
	TAP_CHECK(b.out[n]);
	b.out[n] = false;
	b.done++;
}

static void on_room(void *ctx, unsigned queue)
{
	(void)ctx;
	(void)queue;
	b.rooms++;
}

static void on_rescan(void *ctx)
{
	(void)ctx;
	b.rescans++;
}

static const struct hvg_stor_ops ops = { on_done, on_room, on_rescan };

static int attach(struct hvg_device *device)
{
	const struct hvg_stor_config config = { .version_max = HVP_STORVSP_6_2,
						.queues = 2,
						.depth = 4,
						.ring_pages = 2,
						.timeout_seconds = 60,
						.fibre = b.fibre };
	struct hvg_stor *stor;

	b.attach_result = hvg_stor_create(device, &config, &ops, NULL, &stor);
	if (b.attach_result)
		return b.attach_result;
	hvg_device_set_data(device, stor);
	b.attach_result = hvg_stor_attach(stor);
	if (b.attach_result)
		hvg_stor_destroy(stor);
	else
		b.stor = stor;
	return b.attach_result;
}

static void detach(struct hvg_device *device)
{
	b.stor = NULL;
	hvg_stor_detach(hvg_device_data(device));
	for (unsigned i = 0; i < COMMANDS; i++)
		TAP_CHECK(!b.out[i]);
	hvg_stor_destroy(hvg_device_data(device));
}

const struct hvg_driver stor_driver = {
	.name = "storage",
	.class_id = HVP_CLASS_SCSI,
	.attach = attach,
	.detach = detach,
	.subchannel = hvg_stor_device_subchannel,
	.subchannel_gone = hvg_stor_device_subchannel_gone,
};

static int submit(unsigned n, unsigned queue)
{
	int err;

	b.request[n] = (struct hvg_stor_request){
		.lun = 2, .cdb = { HVP_SCSI_TEST_UNIT_READY, n }, .cdb_length = 6, .more = b.more
	};
	b.out[n] = true;
	err = hvg_stor_submit(b.stor, queue, &b.request[n]);
	if (err)
		b.out[n] = false;
	return err;
}

/* --- the host ------------------------------------------------------------------------------------------- */

static void put(struct fake_channel *channel, uint16_t type, uint64_t id, const void *bytes,
		uint32_t len)
{
	const struct hvw_piece piece = { bytes, len };

	if (!hvw_tx_put(&channel->tx, type, 0, id, 0, &piece, 1) && hvw_tx_commit(&channel->tx))
		fake_signal(&b.w->fake, channel);
}

static void answer(struct fake_channel *channel, uint64_t id, const struct hvw_storvsp *m,
		   uint32_t len)
{
	put(channel, HVP_PACKET_COMPLETION, id, m->u.bytes, len);
}

static void answer_order(struct fake_channel *channel, uint64_t id, const struct hvw_storvsp *m)
{
	struct hvw_storvsp to;
	uint32_t len = 64;

	if (b.confuses) {
		hvw_storvsp_init(&to, HVP_STORVSP_COMPLETE_IO);
		to.u.h.status = HVP_STORVSP_STATUS_INVALID_STATE;
		answer(channel, id - 1, &to, 64);
		answer(channel, id + 1, &to, 64);
	}
	hvw_storvsp_init(&to, b.mode == MODE_OTHER ? HVP_STORVSP_ENUMERATE_BUS :
						     HVP_STORVSP_COMPLETE_IO);
	if (b.mode == MODE_REFUSES)
		to.u.h.status = HVP_STORVSP_STATUS_INVALID_STATE;
	if (m->u.h.operation == HVP_STORVSP_QUERY_PROTOCOL_VERSION) {
		b.versions++;
		if (m->u.query_version.version > b.version_max)
			to.u.h.status = HVP_STORVSP_STATUS_REVISION_MISMATCH;
	} else if (m->u.h.operation == HVP_STORVSP_QUERY_PROPERTIES) {
		to.u.properties.sub_channels_max = b.sub_channels;
		to.u.properties.flags = b.sub_channels ? HVP_STORVSP_MULTI_CHANNEL : 0;
		to.u.properties.transfer_max = 0x40000;
		len = b.mode == MODE_SHORT && !b.fibre ? 24 : 64;
	} else if (m->u.h.operation == HVP_STORVSP_CREATE_SUB_CHANNELS && b.sub_channels) {
		b.sub = fake_add(&b.w->fake, (struct hvp_guid)HVP_CLASS_SCSI, 1, 1);
		fake_offer(&b.w->fake, b.sub);
	} else if (m->u.h.operation == HVP_STORVSP_FIBRE_DATA) {
		to.u.fibre.primary = !b.secondary;
		for (unsigned i = 0; i < 2; i++) {
			memset(to.u.fibre.paths[i].port, 0x50 + i, 8);
			memset(to.u.fibre.paths[i].node, 0x20 + i, 8);
		}
		len = b.mode == MODE_SHORT ? 40 : 64;
	}
	answer(channel, id, &to, len);
}

static void good(struct fake_channel *channel, uint64_t id, uint32_t len)
{
	struct hvw_storvsp to;

	hvw_storvsp_init(&to, HVP_STORVSP_COMPLETE_IO);
	to.u.srb.srb_status = HVP_SRB_SUCCESS;
	answer(channel, id, &to, len);
}

static void hear(struct fake_channel *channel, const struct hvw_rx_packet *packet,
		 const struct hvw_storvsp *m)
{
	if (m->u.h.operation < HVP_STORVSP_END)
		b.orders[m->u.h.operation]++;
	TAP_CHECK(packet->h.flags & HVP_PACKET_FLAG_COMPLETION);
	TAP_CHECK(packet->h.transaction_id != 0);
	if (b.mode == MODE_DEAF)
		return;
	if (m->u.h.operation != HVP_STORVSP_EXECUTE_SRB) {
		answer_order(channel, packet->h.transaction_id, m);
		return;
	}
	if (b.seen_count < SEEN) {
		b.id[b.seen_count] = packet->h.transaction_id;
		b.seen[b.seen_count++] = *m;
	}
	if (b.mode == MODE_RIGHT)
		good(channel, packet->h.transaction_id, m->len);
}

static void doorbell(struct fake_host *fake, struct fake_channel *channel)
{
	struct hvw_rx_packet packet;
	struct hvw_storvsp m;

	while (!hvw_rx_next(&channel->rx, &packet)) {
		memset(&m, 0, sizeof(m));
		m.len = packet.payload_len < 64 ? packet.payload_len : 64;
		TAP_EQ(hvw_rx_copy(&channel->rx, &packet, packet.header_len, m.u.bytes, m.len), 0);
		if (hvw_rx_release(&channel->rx))
			fake_signal(fake, channel);
		hear(channel, &packet, &m);
	}
}

static void begin(struct world *w, enum mode mode, uint32_t version_max)
{
	memset(&b, 0, sizeof(b));
	b.w = w;
	b.mode = mode;
	b.version_max = version_max;
	b.channel = fake_add(&w->fake, (struct hvp_guid)HVP_CLASS_SCSI, 1, 0);
	w->fake.doorbell = doorbell;
}

static bool up(struct world *w, enum mode mode)
{
	bool good;

	begin(w, mode, HVP_STORVSP_6_2);
	good = world_up(w) && b.stor;
	W_EQ(w, good, true);
	return good;
}

static struct hvg_stor_counters counters(unsigned queue)
{
	struct hvg_stor_counters c;

	hvg_stor_counters(b.stor, queue, &c);
	return c;
}

/* --- set-up --------------------------------------------------------------------------------------------- */

static void each_version(struct world *w)
{
	static const uint32_t versions[] = { HVP_STORVSP_6_2, HVP_STORVSP_6_0, HVP_STORVSP_5_1,
					     HVP_STORVSP_4_2, HVP_STORVSP_2_0 };

	begin(w, MODE_RIGHT, versions[w->n]);
	W_EQ(w, world_up(w), true);
	W_EQ(w, b.stor != NULL, true);
	if (!b.stor)
		return;
	W_EQ(w, hvg_stor_info(b.stor)->version, versions[w->n]);
	W_EQ(w, b.versions, w->n + 1);
	W_EQ(w, b.orders[HVP_STORVSP_BEGIN_INITIALIZATION], 1);
	W_EQ(w, b.orders[HVP_STORVSP_END_INITIALIZATION], 1);
	W_EQ(w, submit(0, 0), 0);
	hvos_sleep_ms(5);
	W_EQ(w, b.done, 1);
	W_EQ(w, b.request[0].err, 0);
	W_EQ(w, b.request[0].srb_status, HVP_SRB_SUCCESS);
	W_EQ(w, b.seen[0].len, hvw_storvsp_bytes(versions[w->n]));
	W_EQ(w, b.seen[0].u.srb.length, b.seen[0].len - 12);
	W_EQ(w, b.seen[0].u.srb.lun, 2);
	W_EQ(w, b.seen[0].u.srb.data_in, HVP_STORVSP_NO_DATA);
	W_EQ(w, b.seen[0].u.srb.sense_length,
	     versions[w->n] < HVP_STORVSP_5_1 ? HVP_SENSE_OLD : HVP_SENSE_ROOM);
}

TAP_TEST(each_version_is_agreed_on_when_the_host_has_no_newer_one)
{
	for (unsigned n = 0; n < 5; n++)
		world_schedules(each_version, n);
}

static void bad_set_up(struct world *w)
{
	static const struct {
		enum mode mode;
		uint32_t version_max;
		int result;
	} ways[] = { { MODE_REFUSES, HVP_STORVSP_6_2, -EIO },
		     { MODE_RIGHT, 0x100, -EIO },
		     { MODE_SHORT, HVP_STORVSP_6_2, -EPROTO },
		     { MODE_OTHER, HVP_STORVSP_6_2, -EPROTO },
		     { MODE_DEAF, HVP_STORVSP_6_2, -ETIMEDOUT } };

	begin(w, ways[w->n].mode, ways[w->n].version_max);
	W_EQ(w, world_connect(w), 0);
	if (!w->bus)
		return;
	(void)!hvg_bus_settle(w->bus, 400000);
	W_EQ(w, b.attach_result, ways[w->n].result);
	W_EQ(w, b.stor == NULL, true);
	W_EQ(w, b.channel->open, false);
}

TAP_TEST(a_host_that_agrees_on_nothing_is_left_alone)
{
	for (unsigned n = 0; n < 5; n++)
		world_schedules(bad_set_up, n);
}

static void confused(struct world *w)
{
	begin(w, MODE_RIGHT, HVP_STORVSP_6_0);
	b.confuses = true;
	W_EQ(w, world_up(w), true);
	W_EQ(w, b.stor != NULL, true);
	if (!b.stor)
		return;
	W_EQ(w, hvg_stor_info(b.stor)->version, HVP_STORVSP_6_0);
	W_EQ(w, counters(0).strays, 2 * 5);
}

TAP_TEST(an_answer_to_another_question_is_none)
{
	world_schedules(confused, 0);
}

static void fibre_channel(struct world *w)
{
	begin(w, w->n == 2 ? MODE_SHORT : MODE_RIGHT, HVP_STORVSP_6_2);
	b.fibre = true;
	b.secondary = w->n;
	W_EQ(w, world_up(w), true);
	if (w->n == 2) {
		W_EQ(w, b.attach_result, -EPROTO);
		return;
	}
	W_EQ(w, b.stor != NULL, true);
	if (!b.stor)
		return;
	W_EQ(w, b.orders[HVP_STORVSP_FIBRE_DATA], 1);
	W_EQ(w, hvg_stor_info(b.stor)->fibre_port[7], 0x50 + w->n);
	W_EQ(w, hvg_stor_info(b.stor)->fibre_node[0], 0x20 + w->n);
}

TAP_TEST(a_fibre_channel_adapter_tells_its_names)
{
	for (unsigned n = 0; n < 3; n++)
		world_schedules(fibre_channel, n);
}

/* --- answers -------------------------------------------------------------------------------------------- */

static void wrong_answers(struct world *w)
{
	struct hvw_storvsp to;

	if (!up(w, MODE_SILENT))
		return;
	for (unsigned i = 0; i < 4; i++)
		W_EQ(w, submit(i, 0), 0);
	/* All slots are taken. */
	W_EQ(w, submit(4, 0), -EAGAIN);
	hvos_sleep_ms(5);
	W_EQ(w, b.seen_count, 4);
	hvw_storvsp_init(&to, HVP_STORVSP_COMPLETE_IO);
	to.u.srb.srb_status = HVP_SRB_ERROR | HVP_SRB_SENSE_VALID;
	to.u.srb.scsi_status = HVP_SCSI_CHECK_CONDITION;
	to.u.srb.sense_length = 255;
	to.u.srb.transfer_length = 0xffffffff;
	answer(b.channel, b.id[0], &to, 64);
	good(b.channel, b.id[1], 12);
	to.u.h.operation = HVP_STORVSP_ENUMERATE_BUS;
	answer(b.channel, b.id[2], &to, 64);
	hvos_sleep_ms(5);
	W_EQ(w, b.done, 3);
	W_EQ(w, b.request[0].err, 0);
	W_EQ(w, b.request[0].sense_length, HVP_SENSE_ROOM);
	W_EQ(w, b.request[0].transferred, 0);
	W_EQ(w, b.request[1].err, -EIO);
	W_EQ(w, b.request[2].err, -EIO);
	W_EQ(w, b.rooms, 1);
	W_EQ(w, counters(0).bad, 2);
	/* Again, and what nobody has asked. */
	good(b.channel, b.id[0], 64);
	good(b.channel, b.id[1] + 1, 64);
	good(b.channel, 0, 64);
	good(b.channel, 0x7fffffffffffffffull, 64);
	good(b.channel, 1ull << 63 | 77, 64);
	hvos_sleep_ms(5);
	W_EQ(w, b.done, 3);
	W_EQ(w, counters(0).strays, 5);
	/* The slot is used again: the old answer is not the new one's. */
	W_EQ(w, submit(5, 0), 0);
	W_EQ(w, submit(6, 0), 0);
	W_EQ(w, submit(7, 0), 0);
	hvos_sleep_ms(5);
	for (unsigned i = 0; i < 3; i++)
		good(b.channel, b.id[i], 64);
	hvos_sleep_ms(5);
	W_EQ(w, b.done, 3);
	for (unsigned i = 3; i < b.seen_count; i++)
		good(b.channel, b.id[i], 64);
	hvos_sleep_ms(5);
	W_EQ(w, b.done, 7);
}

TAP_TEST(answers_count_once_and_only_if_they_make_sense)
{
	world_schedules(wrong_answers, 0);
}

static void unasked(struct world *w)
{
	struct hvw_storvsp m;
	uint8_t bytes[4] = { 0 };

	if (!up(w, MODE_RIGHT))
		return;
	hvw_storvsp_init(&m, HVP_STORVSP_ENUMERATE_BUS);
	put(b.channel, HVP_PACKET_INBAND, 0, m.u.bytes, 64);
	hvos_sleep_ms(5);
	W_EQ(w, b.rescans, 1);
	hvw_storvsp_init(&m, HVP_STORVSP_REMOVE_DEVICE);
	put(b.channel, HVP_PACKET_INBAND, 0, m.u.bytes, 64);
	hvos_sleep_ms(5);
	W_EQ(w, b.rescans, 2);
	/* What only guests say, what nobody says, half a message. */
	hvw_storvsp_init(&m, HVP_STORVSP_EXECUTE_SRB);
	put(b.channel, HVP_PACKET_INBAND, 0, m.u.bytes, 64);
	hvw_storvsp_init(&m, 4711);
	put(b.channel, HVP_PACKET_INBAND, 0, m.u.bytes, 64);
	put(b.channel, HVP_PACKET_INBAND, 0, bytes, 4);
	hvos_sleep_ms(5);
	W_EQ(w, b.rescans, 2);
	W_EQ(w, counters(0).bad, 3);
	W_EQ(w, submit(0, 0), 0);
	hvos_sleep_ms(5);
	W_EQ(w, b.done, 1);
}

TAP_TEST(the_host_says_when_disks_have_changed)
{
	world_schedules(unasked, 0);
}

static void together(struct world *w)
{
	if (!up(w, MODE_SILENT))
		return;
	hvg_stor_commit(b.stor);
	b.more = true;
	W_EQ(w, submit(0, 0), 0);
	W_EQ(w, submit(1, 0), 0);
	W_EQ(w, submit(2, 0), 0);
	hvos_sleep_ms(5);
	W_EQ(w, b.seen_count, 0);
	hvg_stor_commit(b.stor);
	hvos_sleep_ms(5);
	W_EQ(w, b.seen_count, 3);
	for (unsigned i = 0; i < 3; i++)
		good(b.channel, b.id[i], 64);
	hvos_sleep_ms(5);
	/* The last of them tells of the one before it. */
	W_EQ(w, submit(3, 0), 0);
	b.more = false;
	W_EQ(w, submit(4, 0), 0);
	hvos_sleep_ms(5);
	W_EQ(w, b.seen_count, 5);
	for (unsigned i = 3; i < 5; i++)
		good(b.channel, b.id[i], 64);
	hvos_sleep_ms(5);
	W_EQ(w, b.done, 5);
	/* One for which there is no room does not come after them. */
	b.more = true;
	for (unsigned i = 0; i < 4; i++)
		W_EQ(w, submit(i, 0), 0);
	W_EQ(w, submit(4, 0), -EAGAIN);
	hvg_stor_commit(b.stor);
	hvos_sleep_ms(5);
	W_EQ(w, b.seen_count, 9);
}

TAP_TEST(the_host_hears_of_many_commands_at_once)
{
	world_schedules(together, 0);
}

/* The last of them goes to another queue than the ones before it. */
static void moved(struct world *w)
{
	begin(w, MODE_SILENT, HVP_STORVSP_6_2);
	b.sub_channels = 1;
	if (!world_up(w) || !b.stor)
		return;
	for (unsigned i = 0; i < 100 && !hvg_stor_queue_open(b.stor, 1); i++)
		hvos_sleep_ms(1);
	W_EQ(w, hvg_stor_queue_open(b.stor, 1), true);
	for (unsigned queue = 0; queue < 2; queue++) {
		b.more = true;
		W_EQ(w, submit(2 * queue, queue), 0);
		b.more = false;
		W_EQ(w, submit(2 * queue + 1, !queue), 0);
		hvos_sleep_ms(5);
		W_EQ(w, b.seen_count, 2 * (queue + 1));
	}
}

TAP_TEST(the_host_hears_of_many_commands_in_several_queues)
{
	world_schedules(moved, 0);
}

/* --- the end -------------------------------------------------------------------------------------------- */

static void taken_away(struct world *w)
{
	if (!up(w, MODE_SILENT))
		return;
	for (unsigned i = 0; i < 3; i++)
		W_EQ(w, submit(i, 0), 0);
	if (w->n)
		b.mode = MODE_DEAF;
	fake_rescind(&w->fake, b.channel);
	hvos_sleep_ms(1000);
	W_EQ(w, b.stor == NULL, true);
	W_EQ(w, b.done, 3);
	for (unsigned i = 0; i < 3; i++)
		W_EQ(w, b.request[i].err, -ENODEV);
}

TAP_TEST(commands_end_when_the_controller_is_taken_away)
{
	for (unsigned n = 0; n < 2; n++)
		world_schedules(taken_away, n);
}

static void never_answered(struct world *w)
{
	if (!up(w, MODE_SILENT))
		return;
	W_EQ(w, submit(0, 0), 0);
	hvos_sleep_ms(5);
	b.mode = MODE_DEAF;
	W_EQ(w, hvg_stor_reset(b.stor), -ETIMEDOUT);
	/* The bus stops with the command under way: it waits for a time, and then closes the channel. */
	hvg_bus_stop(w->bus);
	w->bus = NULL;
	W_EQ(w, b.done, 1);
	W_EQ(w, b.request[0].err, -ENODEV);
}

TAP_TEST(a_host_that_never_answers_is_waited_for_and_left)
{
	world_schedules(never_answered, 0);
}

static void whatever_fails(struct world *w)
{
	if (!up(w, MODE_RIGHT))
		return;
	W_EQ(w, submit(0, 0), 0);
	W_EQ(w, hvg_stor_reset(b.stor), 0);
	hvos_sleep_ms(5);
	W_EQ(w, b.done, 1);
}

TAP_TEST(each_call_that_can_fail_may)
{
	world_run(whatever_fails, 0);
}

static void longer_than_allowed(struct world *w)
{
	if (!up(w, MODE_RIGHT))
		return;
	W_EQ(w, hvg_stor_info(b.stor)->transfer_max, 0x40000);
	b.request[0] = (struct hvg_stor_request){ .cdb_length = 17 };
	W_EQ(w, hvg_stor_submit(b.stor, 0, &b.request[0]), -EINVAL);
	b.request[0] = (struct hvg_stor_request){ .bytes = 0x40001, .ranges = &b };
	W_EQ(w, hvg_stor_submit(b.stor, 0, &b.request[0]), -EINVAL);
	b.request[0] = (struct hvg_stor_request){ .bytes = 512 };
	W_EQ(w, hvg_stor_submit(b.stor, 0, &b.request[0]), -EINVAL);
	b.request[0] = (struct hvg_stor_request){ .bytes = 512, .ranges = &b, .data_in = 2 };
	W_EQ(w, hvg_stor_submit(b.stor, 0, &b.request[0]), -EINVAL);
	/* A queue that there is not: the first does it. */
	W_EQ(w, submit(1, 63), 0);
	W_EQ(w, submit(2, 4711), 0);
	hvos_sleep_ms(5);
	W_EQ(w, b.done, 2);
	W_EQ(w, counters(0).submitted, 2);
}

TAP_TEST(what_the_host_would_not_take_is_not_sent)
{
	world_schedules(longer_than_allowed, 0);
}

TAP_MAIN()
