/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Both ends of storage against each other on port/sim: the guest core reads and writes a disk of libhvis-host's controller,
 * on several queues, with rings and slots that are often full, while the back end answers in any order, late, or with errors;
 * disks come and go, the controller is reset, closed, and taken away in the middle of it.
 *
 * HVIS_SCHEDULES says how many (default 60), HVIS_TEST_SEED which is the first; a failure prints its seed.
 */
#include <hvh/hvh_scsi.h>

#include "fuzz/loopback.h"
#include "hvg/hvg_bus.h"
#include "hvg/hvg_stor.h"
#include "hvp_scsi.h"
#include "hvw_scsi.h"
#include "port/sim/sim.h"
#include "tap.h"

#define COMMANDS  16u
#define PAGES	  3u /* of each command's memory */
#define BLOCK	  512u
#define BLOCKS	  1024u /* of the disk */
#define SHARE	  (BLOCKS / COMMANDS) /* blocks that a command has to itself */
#define QUEUES	  4u
#define HELD	  256u
#define TURNS	  700u
#define SETTLE_MS 100000u
#define LUN	  3u

struct command {
	struct hvg_stor_request request;
	uint8_t ranges[64];
	bool out; /* with the core */
	bool again; /* it had no room */
	bool reads, fails;
	unsigned first, count; /* blocks of the disk */
	unsigned offset; /* of the data in the first page */
	unsigned queue;
};

static struct {
	struct loopback *l;

	/* The guest's SCSI layer. */
	struct hvg_stor *stor;
	struct hvg_stor_config config;
	struct hvos_shared memory;
	struct command commands[COMMANDS];
	unsigned rescans, done, full, errors, gone, helped;
	bool leaving;

	/* The back end. */
	uint8_t disk[BLOCKS * BLOCK];
	uint8_t model[BLOCKS * BLOCK];
	struct hvh_disk_io *held[HELD];
	unsigned holds, released;
	struct hvh_scsi_config host_config;
} w;

/* --- the back end --------------------------------------------------------------------------------------- */

static struct hvh_device *device(void)
{
	return w.l->e.slots[EMBEDDER_HOT];
}

static void on_submit(void *ctx, struct hvh_disk_io *io)
{
	(void)ctx;
	EMBEDDER_REQUIRE(w.holds < HELD);
	w.held[w.holds++] = io;
}

static void on_released(void *ctx, unsigned lun, void *disk)
{
	(void)ctx;
	(void)lun;
	(void)disk;
	w.released++;
}

static const struct hvh_scsi_backend backend = { .submit = on_submit, .released = on_released };

static void carry_out(const struct hvh_disk_io *io)
{
	uint8_t *at = w.disk + io->offset;

	EMBEDDER_REQUIRE(io->offset + io->bytes <= sizeof(w.disk));
	for (unsigned i = 0; i < io->iovs; at += io->iov[i++].iov_len) {
		if (io->op == HVH_DISK_READ)
			memcpy(io->iov[i].iov_base, at, io->iov[i].iov_len);
		else if (io->op == HVH_DISK_WRITE)
			memcpy(at, io->iov[i].iov_base, io->iov[i].iov_len);
	}
}

/* Some of what it has, in any order. */
static void run_backend(unsigned some)
{
	while (w.holds && some--) {
		unsigned pick = sim_random(w.holds), queue = w.held[pick]->queue;
		struct hvh_disk_io *io = w.held[pick];
		bool fails = !sim_random(12);

		w.held[pick] = w.held[--w.holds];
		if (!fails)
			carry_out(io);
		hvh_scsi_done(io, fails ? -EIO : 0);
		/* With the last one a controller that was taken away may be gone. */
		if (device())
			hvh_scsi_flush(device(), queue);
	}
	loopback_kick(w.l);
}

static struct hvh_device *create_controller(struct embedder *e)
{
	const struct hvh_scsi_disk is = { .disk = w.disk,
					  .bytes = sizeof(w.disk),
					  .block_bytes = BLOCK,
					  .physical_bytes = BLOCK,
					  .id = { { 1 } } };
	struct hvh_device *made = NULL;

	(void)e;
	EMBEDDER_REQUIRE(hvh_scsi_create(&w.host_config, &backend, NULL, &made) == 0);
	EMBEDDER_REQUIRE(hvh_scsi_add(made, LUN, &is) == 0);
	return made;
}

/* --- the guest's SCSI layer ----------------------------------------------------------------------------- */

static uint8_t *memory_of(const struct command *c)
{
	return (uint8_t *)w.memory.base + (size_t)(c - w.commands) * PAGES * HVP_PAGE_SIZE +
	       c->offset;
}

static void check_read(struct command *c)
{
	if (memcmp(memory_of(c), w.model + c->first * BLOCK, c->count * BLOCK))
		tap_note(false, __FILE__, __LINE__, "other bytes than were written: block %u",
			 c->first);
}

static void on_done(void *ctx, struct hvg_stor_request *request)
{
	struct command *c = (struct command *)request;
	uint8_t key = 0;
	uint16_t asc = 0;

	TAP_CHECK(ctx == &w);
	TAP_CHECK(c->out);
	c->out = false;
	w.done++;
	if (request->err) {
		TAP_EQ(request->err, -ENODEV);
		TAP_CHECK(w.leaving);
		w.gone++;
	} else if (request->srb_status == HVP_SRB_SUCCESS) {
		TAP_EQ(request->transferred, c->count * BLOCK);
		if (c->reads)
			check_read(c);
	} else {
		TAP_EQ(request->scsi_status, HVP_SCSI_CHECK_CONDITION);
		TAP_CHECK(!hvw_sense_parse(request->sense, request->sense_length, &key, &asc));
		w.errors++;
	}
	/* Whether a write that did not succeed was carried out is not known; here it is looked at. */
	if (!c->reads && c->count && (request->err || request->srb_status != HVP_SRB_SUCCESS))
		memcpy(w.model + c->first * BLOCK, w.disk + c->first * BLOCK, c->count * BLOCK);
}

static void on_room(void *ctx, unsigned queue)
{
	(void)ctx;
	(void)queue;
	for (unsigned i = 0; i < COMMANDS; i++)
		w.commands[i].again = false;
}

static void on_rescan(void *ctx)
{
	(void)ctx;
	w.rescans++;
}

static const struct hvg_stor_ops ops = { on_done, on_room, on_rescan };

static int stor_attach(struct hvg_device *found)
{
	struct hvg_stor *stor;
	int err = hvg_stor_create(found, &w.config, &ops, &w, &stor);

	if (err)
		return err;
	hvg_device_set_data(found, stor);
	err = hvg_stor_attach(stor);
	if (err)
		hvg_stor_destroy(stor);
	else
		w.stor = stor;
	return err;
}

static void stor_detach(struct hvg_device *found)
{
	struct hvg_stor *stor = hvg_device_data(found);

	w.leaving = true;
	w.stor = NULL;
	hvg_stor_detach(stor);
	for (unsigned i = 0; i < COMMANDS; i++)
		TAP_CHECK(!w.commands[i].out);
	hvg_stor_destroy(stor);
}

static const struct hvg_driver driver = {
	.name = "storage",
	.class_id = HVP_CLASS_SCSI,
	.attach = stor_attach,
	.detach = stor_detach,
	.subchannel = hvg_stor_device_subchannel,
	.subchannel_gone = hvg_stor_device_subchannel_gone,
};

static void put_cdb(struct command *c)
{
	uint8_t *cdb = c->request.cdb;

	memset(cdb, 0, sizeof(c->request.cdb));
	cdb[0] = c->reads ? HVP_SCSI_READ_10 : HVP_SCSI_WRITE_10;
	cdb[4] = (uint8_t)(c->first >> 8);
	cdb[5] = (uint8_t)c->first;
	cdb[8] = (uint8_t)c->count;
	c->request.cdb_length = 10;
	if (c->count)
		return;
	cdb[0] = HVP_SCSI_TEST_UNIT_READY;
	c->request.cdb_length = 6;
}

static void put_ranges(struct command *c)
{
	const uint32_t page = (uint32_t)(c - w.commands) * PAGES;
	struct hvw_gpa_writer writer;
	uint64_t gpns[PAGES];

	for (unsigned i = 0; i < PAGES; i++)
		gpns[i] = hvos_shared_gpn(&w.memory, page + i);
	TAP_EQ(hvw_gpa_writer_init(&writer, c->ranges, sizeof(c->ranges)), 0);
	TAP_EQ(hvw_gpa_writer_add(&writer, gpns, c->offset, c->count * BLOCK), 0);
	c->request.ranges = c->ranges;
	c->request.ranges_len = (uint32_t)hvw_gpa_writer_finish(&writer);
}

static void make(struct command *c)
{
	const unsigned mine = (unsigned)(c - w.commands) * SHARE;

	c->count = sim_random(10) ? 1 + sim_random(SHARE < 16 ? SHARE : 16) : 0;
	c->first = mine + (c->count < SHARE ? sim_random(SHARE - c->count) : 0);
	c->reads = sim_random(2);
	c->offset = sim_random(8) * BLOCK;
	c->queue = sim_random(QUEUES + 1);
	memset(&c->request, 0, sizeof(c->request));
	c->request.lun = LUN;
	c->request.data_in = c->reads ? HVP_STORVSP_READ : HVP_STORVSP_WRITE;
	c->request.bytes = c->count * BLOCK;
	c->request.more = !sim_random(3);
	put_cdb(c);
	if (!c->count)
		return;
	put_ranges(c);
	memset(memory_of(c), (int)sim_random(256), c->count * BLOCK);
	if (!c->reads)
		memcpy(w.model + c->first * BLOCK, memory_of(c), c->count * BLOCK);
}

static void submit_one(void)
{
	struct command *c = &w.commands[sim_random(COMMANDS)];
	uint8_t before[16 * BLOCK];
	int err;

	if (c->out || c->again || !w.stor)
		return;
	memcpy(before, w.model + (c - w.commands) * SHARE * BLOCK, sizeof(before));
	make(c);
	c->out = c->again = true;
	err = hvg_stor_submit(w.stor, c->queue, &c->request);
	if (!err) {
		c->again = false;
		if (!sim_random(4))
			hvg_stor_commit(w.stor);
		return;
	}
	hvg_stor_commit(w.stor);
	c->out = false;
	TAP_CHECK(err == -EAGAIN || (err == -ENODEV && w.leaving));
	w.full += err == -EAGAIN;
	if (c->count && !c->reads)
		memcpy(w.model + c->first * BLOCK, w.disk + c->first * BLOCK, c->count * BLOCK);
}

/* --- a life --------------------------------------------------------------------------------------------- */

static bool is_quiet(void)
{
	for (unsigned i = 0; i < COMMANDS; i++)
		if (w.commands[i].out)
			return false;
	return true;
}

static void drain(void)
{
	for (unsigned i = 0; i < 3000 && !is_quiet(); i++) {
		if (device())
			run_backend(20);
		if (w.stor)
			hvg_stor_commit(w.stor);
		hvos_sleep_ms(2);
	}
	TAP_CHECK(is_quiet());
}

static void plug(void)
{
	const struct hvh_scsi_disk is = { .disk = w.model,
					  .bytes = BLOCK,
					  .block_bytes = BLOCK,
					  .physical_bytes = BLOCK,
					  .id = { { 2 } } };
	unsigned before = w.rescans;

	if (hvh_scsi_add(device(), 9, &is))
		TAP_EQ(hvh_scsi_remove(device(), 9), 0);
	loopback_kick(w.l);
	for (unsigned i = 0; i < 2000 && w.rescans == before; i++) {
		run_backend(5);
		hvos_sleep_ms(1);
	}
	TAP_CHECK(w.rescans > before);
}

static void traffic(unsigned turns)
{
	for (unsigned i = 0; i < turns && !tap.failures; i++) {
		submit_one();
		if (!sim_random(3))
			run_backend(1 + sim_random(6));
		if (!sim_random(12))
			hvos_sleep_ms(sim_random(3));
		if (!sim_random(200))
			plug();
		if (!sim_random(300) && w.stor)
			TAP_EQ(hvg_stor_reset(w.stor), 0);
	}
}

static void wait_for_queues(void)
{
	unsigned wanted = w.config.queues;

	if (hvg_stor_info(w.stor)->queues_max < wanted)
		wanted = hvg_stor_info(w.stor)->queues_max;
	for (unsigned i = 0; i < 2000 && !hvg_stor_queue_open(w.stor, wanted - 1); i++)
		hvos_sleep_ms(5);
	TAP_CHECK(hvg_stor_queue_open(w.stor, wanted - 1));
	TAP_CHECK(!hvg_stor_queue_open(w.stor, wanted));
}

static void prepare(uint64_t seed)
{
	static const uint32_t versions[] = { HVP_STORVSP_6_2, HVP_STORVSP_6_0, HVP_STORVSP_5_1,
					     HVP_STORVSP_4_2 };

	memset(&w, 0, sizeof(w));
	w.config = (struct hvg_stor_config){
		.version_max = versions[seed % 4],
		.queues = 1 + (unsigned)(seed / 3 % QUEUES),
		.depth = 1 + (unsigned)(seed * 7 % 20),
		.ring_pages = 2 + (uint32_t)(seed % 2),
		.timeout_seconds = 60,
		.spare_percent = seed / 2 % 2 ? 90 : 0,
	};
	w.host_config = (struct hvh_scsi_config){ .instance_id = { { 7 } },
						  .queues_max = 1 + (unsigned)(seed / 2 % QUEUES) };
	w.l = calloc(1, sizeof(*w.l));
	w.l->e.own_create = create_controller;
	w.l->e.own_destroy = hvh_scsi_destroy;
}

static void count_help(void)
{
	struct hvg_stor_counters counters;

	for (unsigned i = 0; i < w.config.queues; i++) {
		hvg_stor_counters(w.stor, i, &counters);
		w.helped += (unsigned)counters.helped;
	}
}

static void live(uint64_t seed)
{
	TAP_EQ(embedder_add(&w.l->e, EMBEDDER_HOT), 0);
	loopback_kick(w.l);
	for (unsigned i = 0; i < 2000 && !w.stor; i++)
		hvos_sleep_ms(5);
	if (!TAP_CHECK(w.stor))
		return;
	TAP_EQ(hvg_stor_info(w.stor)->version, w.config.version_max);
	wait_for_queues();
	traffic(TURNS);
	drain();
	TAP_EQ(w.holds, 0);
	TAP_CHECK(!hvg_stor_busy(w.stor));
	TAP_MEM_EQ(w.disk, w.model, sizeof(w.disk));
	count_help();
	if (seed % 3)
		return;
	/* Taken away with commands under way. */
	traffic(20);
	w.leaving = true;
	TAP_EQ(embedder_remove(&w.l->e, EMBEDDER_HOT), 0);
	loopback_kick(w.l);
	for (unsigned i = 0; i < 2000 && w.stor; i++) {
		run_backend(3);
		hvos_sleep_ms(2);
	}
	TAP_CHECK(!w.stor);
}

static void run_life(uint64_t seed)
{
	static const struct hvg_driver *const drivers[] = { &driver };
	const struct hvg_bus_config bus_config = { .os_id = 0x8100000000000000ull,
						   .version_max = HVP_VERSION_5_3,
						   .drivers = drivers,
						   .driver_count = 1 };
	const struct sim_config config = { .seed = seed,
					   .cpus = 1 + (unsigned)(seed % 4),
					   .works = (enum sim_works)(seed / 4 % SIM_WORKS_WAYS) };
	struct hvg_bus *bus = NULL;
	struct hvh_scsi_status *status = calloc(1, sizeof(*status));

	prepare(seed);
	loopback_start(w.l, &config);
	TAP_EQ(hvg_bus_start(&bus_config, &bus), 0);
	TAP_EQ(hvos_shared_alloc(&w.memory, COMMANDS * PAGES), 0);
	live(seed);
	if (device()) {
		hvh_scsi_status(device(), status);
		TAP_EQ(status->violations, 0);
	}
	w.leaving = true;
	hvg_bus_stop(bus);
	TAP_EQ(hvos_shared_free(&w.memory), 0);
	TAP_EQ(sim_stats()->lost_pages, 0);
	loopback_stop(w.l);
	free(w.l);
	free(status);
}

TAP_TEST(what_is_written_through_both_ends_is_read_again)
{
	const char *text = getenv("HVIS_SCHEDULES"), *first = getenv("HVIS_TEST_SEED");
	unsigned count = text ? (unsigned)strtoul(text, NULL, 0) : 60, i;
	uint64_t seed = first ? strtoull(first, NULL, 0) : 1, done = 0, full = 0, errors = 0,
		 gone = 0, helped = 0;

	for (i = 0; i < count && !tap.failures; i++, seed++) {
		run_life(seed);
		done += w.done;
		full += w.full;
		errors += w.errors;
		gone += w.gone;
		helped += w.helped;
		if (tap.failures)
			printf("# HVIS_TEST_SEED=%" PRIu64 " HVIS_SCHEDULES=1\n", seed);
	}
	printf("# %" PRIu64 " commands in %u lives: %" PRIu64 " errors; %" PRIu64
	       " times no room; %" PRIu64 " taken for other queues; %" PRIu64
	       " ended by the device's end\n",
	       done, i, errors, full, helped, gone);
	TAP_CHECK(tap.failures || text || (full > 0 && errors > 0 && helped > 0));
}

TAP_MAIN()
