/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The guest's SCSI controller on port/sim, and a hostile host: the input says what becomes of each packet of a host that would
 * otherwise do what is right, what it says on its own account, and what the guest does meanwhile. What must hold whatever the
 * host does: each command comes back once, with no more bytes and sense data than there is room for, and none is left.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fake_host.h"
#include "fuzz/fuzz_target.h"
#include "fuzz/input.h"
#include "hvg/hvg_bus.h"
#include "hvg/hvg_stor.h"
#include "hvp_scsi.h"
#include "hvw_pkt.h"
#include "hvw_storvsp.h"
#include "port/sim/sim.h"

#define RAM	  (3u << 20)
#define CPUS	  2u
#define STEPS_MAX 64u
#define COMMANDS  32u
#define HELD	  64u
#define QUEUES	  3u
#define BYTES	  (3 * HVP_PAGE_SIZE)

const unsigned fuzz_cuts = 3;

static struct input in;

static struct fake_host fake;

/* The host. */
static struct {
	struct fake_channel *channels[QUEUES]; /* NULL: not offered */
	struct {
		struct fake_channel *channel;
		uint64_t id;
		struct hvw_storvsp what;
	} held[HELD]; /* commands that are answered later */
	unsigned holds;
	bool holding, silent, asleep;
} host;

/* The guest's SCSI layer. */
static struct {
	struct hvg_stor *stor;
	unsigned users;
	struct hvg_stor_config config;
	struct hvg_stor_request requests[COMMANDS];
	uint8_t ranges[COMMANDS][64];
	bool out[COMMANDS];
} guest;

/* What the corpus has to reach. */
static unsigned long done, errors, spoilt, gone, full, rescans, resets, helped;
static unsigned queues;

static unsigned byte(void)
{
	return input_byte(&in);
}

static unsigned word(void)
{
	return input_word(&in);
}

/* --- the SCSI layer ------------------------------------------------------------------------------------- */

static void on_done(void *ctx, struct hvg_stor_request *request)
{
	const size_t n = (size_t)(request - guest.requests);

	(void)ctx;
	if (!guest.out[n] || request->transferred > request->bytes ||
	    request->sense_length > HVP_SENSE_ROOM ||
	    (request->err && request->err != -EIO && request->err != -ENODEV))
		abort();
	guest.out[n] = false;
	done += !request->err && request->srb_status == HVP_SRB_SUCCESS;
	errors += !request->err && request->sense_length;
	spoilt += request->err == -EIO;
	gone += request->err == -ENODEV;
}

static void on_room(void *ctx, unsigned queue)
{
	(void)ctx;
	if (queue >= QUEUES)
		abort();
}

static void on_rescan(void *ctx)
{
	(void)ctx;
	rescans++;
}

static const struct hvg_stor_ops ops = { on_done, on_room, on_rescan };

static int attach(struct hvg_device *device)
{
	struct hvg_stor *stor;
	int err = hvg_stor_create(device, &guest.config, &ops, NULL, &stor);

	if (err)
		return err;
	hvg_device_set_data(device, stor);
	err = hvg_stor_attach(stor);
	if (err)
		hvg_stor_destroy(stor);
	else
		guest.stor = stor;
	return err;
}

static void detach(struct hvg_device *device)
{
	struct hvg_stor *stor = hvg_device_data(device);

	guest.stor = NULL;
	while (guest.users)
		hvos_sleep_ms(1);
	hvg_stor_detach(stor);
	for (unsigned n = 0; n < COMMANDS; n++)
		if (guest.out[n])
			abort();
	hvg_stor_destroy(stor);
}

static const struct hvg_driver driver = {
	.name = "storage",
	.class_id = HVP_CLASS_SCSI,
	.attach = attach,
	.detach = detach,
	.subchannel = hvg_stor_device_subchannel,
	.subchannel_gone = hvg_stor_device_subchannel_gone,
};

static void count_queues(const struct hvg_stor *stor)
{
	struct hvg_stor_counters counters;
	unsigned open = 0, i;

	for (i = 0; i < QUEUES; i++) {
		open += hvg_stor_queue_open(stor, i);
		hvg_stor_counters(stor, i, &counters);
		helped += counters.helped;
	}
	queues = open > queues ? open : queues;
}

static void send_one(void)
{
	static const uint64_t pages[4] = { 1, 2, 3, 4 };
	const unsigned what = byte();
	struct hvw_gpa_writer writer;
	struct hvg_stor_request *request;
	unsigned n;
	int err;

	for (n = 0; n < COMMANDS && guest.out[n]; n++)
		;
	if (!guest.stor || n == COMMANDS)
		return;
	request = &guest.requests[n];
	*request = (struct hvg_stor_request){
		.lun = (uint8_t)what,
		.cdb = { HVP_SCSI_READ_10 },
		.cdb_length = (uint8_t)(what % 32 ? 10 : word() % 20),
		.data_in = what & 1,
		.bytes = what & 6 ? 1 + word() % (BYTES - 512) : 0,
	};
	if (hvw_gpa_writer_init(&writer, guest.ranges[n], sizeof(guest.ranges[n])))
		abort();
	if (request->bytes) {
		if (hvw_gpa_writer_add(&writer, pages, 512, request->bytes))
			abort();
		request->ranges = guest.ranges[n];
		request->ranges_len = (uint32_t)hvw_gpa_writer_finish(&writer);
	}
	guest.out[n] = true;
	guest.users++;
	err = hvg_stor_submit(guest.stor, what / 64, request);
	guest.users--;
	if (!err)
		return;
	guest.out[n] = false;
	full += err == -EAGAIN;
	if (err != -EAGAIN && err != -ENODEV && err != -EINVAL)
		abort();
}

static void reset(void)
{
	struct hvg_stor *stor = guest.stor;

	if (!stor)
		return;
	guest.users++;
	resets += !hvg_stor_reset(stor);
	count_queues(stor);
	guest.users--;
}

/* --- the host ------------------------------------------------------------------------------------------- */

/* Bytes that are used up are zero, which lets it through. */
static void put(struct fake_channel *channel, uint16_t type, uint64_t id,
		const struct hvw_storvsp *msg, uint32_t len)
{
	const unsigned what = byte();
	uint8_t bytes[HVP_STORVSP_BYTES + 64] = { 0 };
	struct hvw_piece piece = { bytes, len };
	uint32_t value;

	if (!channel || !channel->open)
		return;
	memcpy(bytes, msg->u.bytes, sizeof(msg->u.bytes));
	switch (what % 16) {
	case 1:
		piece.len = byte() % sizeof(bytes) & ~7u;
		break;
	case 2:
		bytes[byte() % len] ^= (uint8_t)byte();
		break;
	case 3:
		value = byte() % 8 ? (uint32_t)byte() : 0xffffffffu - (uint32_t)byte();
		memcpy(bytes + byte() % (len / 4) * 4, &value, sizeof(value));
		break;
	case 4:
		id ^= (uint64_t)byte() << (byte() % 64);
		break;
	case 5:
		type = (uint16_t)byte();
		break;
	default:
		break;
	}
	if (!hvw_tx_put(&channel->tx, type, 0, id, 0, &piece, 1) && hvw_tx_commit(&channel->tx))
		fake_signal(&fake, channel);
}

static void answer(struct fake_channel *channel, uint64_t id, const struct hvw_storvsp *msg)
{
	put(channel, HVP_PACKET_COMPLETION, id, msg, HVP_STORVSP_BYTES);
}

static void offer_subchannels(unsigned count)
{
	for (unsigned i = 1; i < QUEUES && i <= count; i++) {
		if (host.channels[i])
			continue;
		host.channels[i] = fake_add(&fake, (struct hvp_guid)HVP_CLASS_SCSI, 1, (uint16_t)i);
		if (host.channels[i])
			fake_offer(&fake, host.channels[i]);
	}
}

static void answer_order(struct fake_channel *channel, uint64_t id, const struct hvw_storvsp *msg)
{
	struct hvw_storvsp to;

	hvw_storvsp_init(&to, HVP_STORVSP_COMPLETE_IO);
	if (msg->u.h.operation == HVP_STORVSP_QUERY_PROPERTIES) {
		to.u.properties.sub_channels_max = QUEUES - 1;
		to.u.properties.flags = HVP_STORVSP_MULTI_CHANNEL;
		to.u.properties.transfer_max = BYTES;
	} else if (msg->u.h.operation == HVP_STORVSP_CREATE_SUB_CHANNELS) {
		offer_subchannels(msg->u.sub_channels.count);
	}
	answer(channel, id, &to);
}

static void carry_out(unsigned n)
{
	const struct hvw_storvsp *what = &host.held[n].what;
	struct fake_channel *channel = host.held[n].channel;
	const uint64_t id = host.held[n].id;
	struct hvw_storvsp to;

	hvw_storvsp_init(&to, HVP_STORVSP_COMPLETE_IO);
	to.u.srb.srb_status = HVP_SRB_SUCCESS;
	to.u.srb.transfer_length = what->u.srb.transfer_length;
	if (what->u.srb.lun % 8 == 7) {
		to.u.srb.srb_status = HVP_SRB_ERROR | HVP_SRB_SENSE_VALID;
		to.u.srb.scsi_status = HVP_SCSI_CHECK_CONDITION;
		to.u.srb.sense_length = what->u.srb.lun;
	}
	host.held[n] = host.held[--host.holds];
	answer(channel, id, &to);
}

static void doorbell(struct fake_host *f, struct fake_channel *channel)
{
	struct hvw_rx_packet packet;
	struct hvw_storvsp msg;

	while (!host.asleep && !hvw_rx_next(&channel->rx, &packet)) {
		memset(&msg, 0, sizeof(msg));
		msg.len = packet.payload_len < HVP_STORVSP_BYTES ? packet.payload_len :
								   HVP_STORVSP_BYTES;
		if (hvw_rx_copy(&channel->rx, &packet, packet.header_len, msg.u.bytes, msg.len))
			abort();
		if (hvw_rx_release(&channel->rx))
			fake_signal(f, channel);
		if (host.silent)
			continue;
		if (msg.u.h.operation != HVP_STORVSP_EXECUTE_SRB) {
			answer_order(channel, packet.h.transaction_id, &msg);
			continue;
		}
		if (host.holds == HELD)
			host.holds--;
		host.held[host.holds].channel = channel;
		host.held[host.holds].id = packet.h.transaction_id;
		host.held[host.holds++].what = msg;
		if (!host.holding)
			carry_out(host.holds - 1);
	}
}

static void wake(void)
{
	for (unsigned i = 0; i < QUEUES; i++)
		if (host.channels[i] && host.channels[i]->open)
			doorbell(&fake, host.channels[i]);
}

static void say(void)
{
	const unsigned queue = byte() % QUEUES, how = byte();
	const uint64_t id = how & 1 ? byte() : 0;
	struct hvw_storvsp msg;

	hvw_storvsp_init(&msg, byte() % HVP_STORVSP_END);
	put(host.channels[queue], how & 2 ? HVP_PACKET_COMPLETION : HVP_PACKET_INBAND, id, &msg,
	    HVP_STORVSP_BYTES);
}

static void take_away(void)
{
	const unsigned queue = byte() % 8;

	if (queue >= QUEUES || !host.channels[queue])
		return;
	for (unsigned n = host.holds; n--;)
		if (host.held[n].channel == host.channels[queue])
			host.held[n] = host.held[--host.holds];
	fake_rescind(&fake, host.channels[queue]);
	host.channels[queue] = NULL;
}

static void step(void)
{
	switch (byte() % 16) {
	case 0:
		hvos_sleep_ms(byte());
		break;
	case 1:
		say();
		break;
	case 2:
		host.holding = !host.holding;
		break;
	case 3:
	case 4:
		if (host.holds)
			carry_out(byte() % host.holds);
		break;
	case 5:
		reset();
		break;
	case 6:
		host.asleep = !host.asleep;
		wake();
		break;
	case 7:
		host.silent = byte() % 2;
		break;
	case 8:
		take_away();
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
	struct hvg_bus *bus;
	unsigned steps;

	if (hvg_bus_start(&config, &bus))
		return;
	(void)!hvg_bus_settle(bus, 1000);
	hvos_sleep_ms(100);
	for (steps = 0; in.left && steps < STEPS_MAX; steps++)
		step();
	if (guest.stor)
		count_queues(guest.stor);
	sim_run();
	hvg_bus_stop(bus);
	for (unsigned n = 0; n < COMMANDS; n++)
		if (guest.out[n])
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint32_t versions[] = { HVP_STORVSP_6_2, HVP_STORVSP_6_2, HVP_STORVSP_5_1,
					     HVP_STORVSP_2_0 };
	struct sim_config config = { .cpus = CPUS };

	in.next = data;
	in.left = len;
	memset(&guest, 0, sizeof(guest));
	memset(&host, 0, sizeof(host));
	fake_init(&fake, CPUS, RAM);
	fake.doorbell = doorbell;
	host.channels[0] = fake_add(&fake, (struct hvp_guid)HVP_CLASS_SCSI, 1, 0);
	guest.config = (struct hvg_stor_config){
		.version_max = versions[byte() % 4],
		.queues = 1 + byte() % QUEUES,
		.depth = 1 + byte() % COMMANDS,
		.ring_pages = 2,
		.timeout_seconds = 60,
		.spare_percent = byte() % 101,
	};
	guest.config.fibre = byte() % 4 == 3;
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
	return FUZZ_NEVER(done) + FUZZ_NEVER(errors) + FUZZ_NEVER(spoilt) + FUZZ_NEVER(gone) +
	       FUZZ_NEVER(full) + FUZZ_NEVER(rescans) + FUZZ_NEVER(resets) + FUZZ_NEVER(helped) +
	       FUZZ_NEVER(queues == QUEUES);
}
