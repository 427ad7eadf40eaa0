/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Both ends of the storage against each other with real threads: four write and read by the guest's queues, each on blocks of
 * its own, and a back end on the host's loop carries that out in any order, with errors. The rings are short.
 *
 * HVIS_COMMANDS: how many each thread sends, 20,000 unless given; HVIS_TEST_SEED.
 */
#include <hvh/hvh_scsi.h>
#include <pthread.h>

#include "fuzz/threaded_host.h"
#include "hvg/hvg_bus.h"
#include "hvg/hvg_stor.h"
#include "hvp_scsi.h"
#include "hvw_pkt.h"
#include "tap.h"
#include "tests/loopback/threads.h"

#define SENDERS	 4u /* and queues */
#define COMMANDS 16u /* of each at a time */
#define SHARE	 16u /* blocks of each of these */
#define BLOCK	 512u
#define PAGES	 3u
#define LUN	 5u
#define HELD	 512u
#define RAM	 (16u << 20)
#define WAIT_MS	 60000u
#define OS_ID	 0x8100000000000000ull

struct command {
	struct hvg_stor_request request; /* first: the core's is ours */
	uint8_t ranges[64];
	uint8_t model[SHARE * BLOCK], before[SHARE * BLOCK];
	bool out; /* (a) */
	bool reads;
	unsigned first, count; /* blocks of its share */
	uint8_t *data;
};

struct sender {
	unsigned queue;
	uint64_t random;
	struct command commands[COMMANDS];
	struct hvos_shared memory;
	unsigned done, errors, full; /* its thread's */
};

static struct {
	struct sender senders[SENDERS];
	struct threaded_host *host;
	struct hvg_stor *stor; /* (a) */
	unsigned goal; /* commands of each sender */
	unsigned wrong; /* (a) */

	/* The host's loop's. */
	uint8_t disk[SENDERS * COMMANDS * SHARE * BLOCK];
	struct hvh_disk_io *held[HELD];
	unsigned holds;
	uint64_t random;
} w;

/* --- the back end: the host's loop ---------------------------------------------------------------------- */

static void on_submit(void *ctx, struct hvh_disk_io *io)
{
	(void)ctx;
	if (w.holds == HELD)
		abort();
	w.held[w.holds++] = io;
}

static void on_released(void *ctx, unsigned lun, void *disk)
{
	(void)ctx;
	(void)lun;
	(void)disk;
}

static const struct hvh_scsi_backend backend = { .submit = on_submit, .released = on_released };

static void carry_out(const struct hvh_disk_io *io)
{
	uint8_t *at = w.disk + io->offset;

	if (io->offset + io->bytes > sizeof(w.disk))
		abort();
	for (unsigned i = 0; i < io->iovs; at += io->iov[i++].iov_len) {
		if (io->op == HVH_DISK_READ)
			memcpy(io->iov[i].iov_base, at, io->iov[i].iov_len);
		else if (io->op == HVH_DISK_WRITE)
			memcpy(at, io->iov[i].iov_base, io->iov[i].iov_len);
	}
}

/* Some of what it has, in any order. */
static void pump(struct hvh_device *device, void *ctx)
{
	unsigned some = 1 + random_below(&w.random, 64), queues = 0, queue;

	(void)ctx;
	while (w.holds && some--) {
		const unsigned pick = random_below(&w.random, w.holds);
		struct hvh_disk_io *io = w.held[pick];
		const bool fails = !random_below(&w.random, 50);

		queues |= 1u << io->queue;
		w.held[pick] = w.held[--w.holds];
		if (!fails)
			carry_out(io);
		hvh_scsi_done(io, fails ? -EIO : 0);
	}
	for (queue = 0; queues >> queue; queue++)
		if (queues >> queue & 1)
			hvh_scsi_flush(device, queue);
}

static struct hvh_device *create_controller(void *ctx)
{
	const struct hvh_scsi_config config = { .instance_id = { { 7 } }, .queues_max = SENDERS };
	const struct hvh_scsi_disk is = { .disk = w.disk,
					  .bytes = sizeof(w.disk),
					  .block_bytes = BLOCK,
					  .physical_bytes = BLOCK,
					  .id = { { 1 } } };
	struct hvh_device *device = NULL;

	(void)ctx;
	if (hvh_scsi_create(&config, &backend, NULL, &device) || hvh_scsi_add(device, LUN, &is))
		abort();
	return device;
}

/* --- the guest's SCSI layer ----------------------------------------------------------------------------- */

static void on_done(void *ctx, struct hvg_stor_request *request)
{
	struct command *c = (struct command *)request;

	(void)ctx;
	if (!__atomic_exchange_n(&c->out, false, __ATOMIC_ACQ_REL))
		__atomic_fetch_add(&w.wrong, 1, __ATOMIC_RELAXED);
}

static void on_room(void *ctx, unsigned queue)
{
	(void)ctx;
	(void)queue;
}

static void on_rescan(void *ctx)
{
	(void)ctx;
}

static const struct hvg_stor_ops ops = { on_done, on_room, on_rescan };

static int stor_attach(struct hvg_device *device)
{
	static const struct hvg_stor_config config = {
		.version_max = HVP_STORVSP_6_2,
		.queues = SENDERS,
		.depth = COMMANDS + 4,
		.ring_pages = 2,
		.timeout_seconds = 60,
		.spare_percent = 70,
	};
	struct hvg_stor *stor;
	int err = hvg_stor_create(device, &config, &ops, NULL, &stor);

	if (err)
		return err;
	hvg_device_set_data(device, stor);
	err = hvg_stor_attach(stor);
	if (err)
		hvg_stor_destroy(stor);
	else
		__atomic_store_n(&w.stor, stor, __ATOMIC_RELEASE);
	return err;
}

/* The senders have ended before. */
static void stor_detach(struct hvg_device *device)
{
	hvg_stor_detach(hvg_device_data(device));
	hvg_stor_destroy(hvg_device_data(device));
}

static const struct hvg_driver stor_driver = {
	.name = "storage",
	.class_id = HVP_CLASS_SCSI,
	.attach = stor_attach,
	.detach = stor_detach,
	.subchannel = hvg_stor_device_subchannel,
	.subchannel_gone = hvg_stor_device_subchannel_gone,
};

/* --- senders -------------------------------------------------------------------------------------------- */

/* What came of the one before: a write that failed was not carried out here. */
static void judge(struct sender *s, struct command *c)
{
	uint8_t *expected = c->model + c->first * BLOCK;
	const uint32_t bytes = c->count * BLOCK;

	if (!c->count)
		return;
	s->done++;
	if (c->request.err || c->request.srb_status != HVP_SRB_SUCCESS) {
		s->errors++;
		if (c->request.err || !c->request.sense_length)
			__atomic_fetch_add(&w.wrong, 1, __ATOMIC_RELAXED);
		if (!c->reads)
			memcpy(expected, c->before, bytes);
	} else if (c->request.transferred != bytes ||
		   (c->reads && memcmp(c->data, expected, bytes))) {
		__atomic_fetch_add(&w.wrong, 1, __ATOMIC_RELAXED);
	}
	c->count = 0;
}

static void describe(struct sender *s, struct command *c)
{
	const unsigned n = (unsigned)(c - s->commands),
		       offset = random_below(&s->random, 8) * BLOCK;
	const unsigned block = (s->queue * COMMANDS + n) * SHARE + c->first;
	struct hvw_gpa_writer writer;
	uint64_t pages[PAGES];

	c->data = (uint8_t *)s->memory.base + (size_t)n * PAGES * HVP_PAGE_SIZE + offset;
	c->request = (struct hvg_stor_request){
		.lun = LUN,
		.cdb = { c->reads ? HVP_SCSI_READ_10 : HVP_SCSI_WRITE_10,
			 [4] = (uint8_t)(block >> 8), [5] = (uint8_t)block, [8] = (uint8_t)c->count },
		.cdb_length = 10,
		.data_in = c->reads ? HVP_STORVSP_READ : HVP_STORVSP_WRITE,
		.bytes = c->count * BLOCK,
		.ranges = c->ranges,
	};
	for (unsigned i = 0; i < PAGES; i++)
		pages[i] = hvos_shared_gpn(&s->memory, n * PAGES + i);
	if (hvw_gpa_writer_init(&writer, c->ranges, sizeof(c->ranges)) ||
	    hvw_gpa_writer_add(&writer, pages, offset, c->request.bytes))
		abort();
	c->request.ranges_len = (uint32_t)hvw_gpa_writer_finish(&writer);
}

static void send_one(struct sender *s, struct command *c)
{
	uint8_t *expected;

	c->count = 1 + random_below(&s->random, SHARE);
	c->first = random_below(&s->random, SHARE - c->count + 1);
	c->reads = random_below(&s->random, 2);
	expected = c->model + c->first * BLOCK;
	describe(s, c);
	memset(c->data, (int)random_below(&s->random, 256), c->request.bytes);
	if (!c->reads) {
		memcpy(c->before, expected, c->request.bytes);
		memcpy(expected, c->data, c->request.bytes);
	}
	__atomic_store_n(&c->out, true, __ATOMIC_RELEASE);
	if (!hvg_stor_submit(w.stor, s->queue, &c->request))
		return;
	__atomic_store_n(&c->out, false, __ATOMIC_RELAXED);
	if (!c->reads)
		memcpy(expected, c->before, c->request.bytes);
	c->count = 0;
	s->full++;
	nap(20);
}

static void *sender_run(void *argument)
{
	struct sender *s = argument;
	unsigned sent = 0, n;

	while (sent < w.goal && !__atomic_load_n(&w.wrong, __ATOMIC_RELAXED)) {
		for (n = 0; n < COMMANDS; n++)
			if (!__atomic_load_n(&s->commands[n].out, __ATOMIC_ACQUIRE))
				break;
		if (n == COMMANDS) {
			nap(20);
			continue;
		}
		judge(s, &s->commands[n]);
		send_one(s, &s->commands[n]);
		sent++;
	}
	return NULL;
}

/* --- the life ------------------------------------------------------------------------------------------- */

static bool bring_up(void)
{
	unsigned open = 0;

	for (unsigned i = 0; i < WAIT_MS && !__atomic_load_n(&w.stor, __ATOMIC_ACQUIRE); i++)
		nap(1000);
	if (!TAP_CHECK(w.stor))
		return false;
	for (unsigned i = 0; i < WAIT_MS && open < SENDERS; i++) {
		nap(1000);
		for (open = 0; hvg_stor_queue_open(w.stor, open); open++)
			;
	}
	return TAP_EQ(open, SENDERS);
}

static bool all_back(void)
{
	for (unsigned i = 0; i < SENDERS; i++)
		for (unsigned n = 0; n < COMMANDS; n++)
			if (__atomic_load_n(&w.senders[i].commands[n].out, __ATOMIC_ACQUIRE))
				return false;
	return true;
}

static void *pump_run(void *stop)
{
	while (!__atomic_load_n((bool *)stop, __ATOMIC_RELAXED)) {
		threaded_host_call(w.host, pump, NULL);
		nap(20);
	}
	return NULL;
}

static void traffic(void)
{
	pthread_t threads[SENDERS], pumper;
	bool stop = false;

	if (pthread_create(&pumper, NULL, pump_run, &stop))
		abort();
	for (unsigned i = 0; i < SENDERS; i++)
		if (pthread_create(&threads[i], NULL, sender_run, &w.senders[i]))
			abort();
	for (unsigned i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < WAIT_MS && !all_back(); i++)
		nap(1000);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(pumper, NULL);
	TAP_CHECK(all_back());
	TAP_CHECK(!hvg_stor_busy(w.stor));
	for (unsigned i = 0; i < SENDERS; i++)
		for (unsigned n = 0; n < COMMANDS; n++)
			judge(&w.senders[i], &w.senders[i].commands[n]);
}

static void prepare(uint64_t seed)
{
	const char *text = getenv("HVIS_COMMANDS");

	memset(&w, 0, sizeof(w));
	w.goal = text ? (unsigned)strtoul(text, NULL, 0) : 20000;
	w.random = seed * 7 + 1;
	for (unsigned i = 0; i < SENDERS; i++) {
		w.senders[i].queue = i;
		w.senders[i].random = (seed + i + 1) * 0x9e3779b97f4a7c15ull;
	}
}

static void power(enum hvos_power action, bool force)
{
	(void)action;
	(void)force;
}

TAP_TEST(what_threads_write_they_read_again)
{
	static const struct hvg_driver *const drivers[] = { &stor_driver };
	const struct threaded_host_config host_config = {
		.cpus = 4,
		.version_max = HVP_VERSION_5_3,
		.ram_bytes = RAM,
		.own_create = create_controller,
		.own_destroy = hvh_scsi_destroy,
	};
	const struct hvg_bus_config bus_config = { .os_id = OS_ID,
						   .version_max = HVP_VERSION_5_3,
						   .drivers = drivers,
						   .driver_count = 1 };
	const char *text = getenv("HVIS_TEST_SEED");
	const uint64_t seed = text ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);
	struct user_config user = { .power = power };
	unsigned done = 0, errors = 0, full = 0;
	struct threaded_host_stats stats;
	struct hvg_bus *bus = NULL;

	printf("# HVIS_TEST_SEED=%" PRIu64 "\n", seed);
	prepare(seed);
	w.host = threaded_host_create(&host_config, &user);
	hide_shared(&user);
	TAP_REQUIRE(user_start(&user) == 0);
	for (unsigned i = 0; i < SENDERS; i++)
		TAP_REQUIRE(hvos_shared_alloc(&w.senders[i].memory, COMMANDS * PAGES) == 0);
	TAP_REQUIRE(hvg_bus_start(&bus_config, &bus) == 0);
	if (bring_up())
		traffic();
	TAP_EQ(w.wrong, 0);
	threaded_host_stats(w.host, &stats);
	TAP_EQ(stats.server.violations, 0);
	TAP_STR_EQ(stats.line, "");
	hvg_bus_stop(bus);
	for (unsigned i = 0; i < SENDERS; i++) {
		struct sender *s = &w.senders[i];

		TAP_EQ(hvos_shared_free(&s->memory), 0);
		for (unsigned n = 0; n < COMMANDS; n++)
			TAP_MEM_EQ(s->commands[n].model,
				   w.disk + (size_t)(i * COMMANDS + n) * SHARE * BLOCK,
				   SHARE * BLOCK);
		done += s->done;
		errors += s->errors;
		full += s->full;
	}
	threaded_host_stop(w.host);
	TAP_EQ(user_stop() + user_lost_pages(), 0);
	TAP_EQ(threaded_host_destroy(w.host), 0);
	printf("# %u commands, %u errors, %u times no room\n", done, errors, full);
	TAP_CHECK(done && errors);
}

TAP_MAIN()
