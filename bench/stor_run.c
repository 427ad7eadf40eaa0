/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Both ends of the storage in one process, on port/user and libhvis-host, for bench/stor:
 *
 *   stor_run read|write DEPTH COUNT   so many requests of 4 KiB, DEPTH at a time, to a disk in memory; prints nanoseconds for
 *                                     each, and nanoseconds of a processor for each
 *
 * What has come back is replaced at once, with one doorbell. The disk's bytes are copied once, as by a file in the page cache.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "bench.h"
#include "fuzz/threaded_host.h"
#include "hvg/hvg_bus.h"
#include "hvg/hvg_stor.h"
#include "hvp_scsi.h"
#include "hvw_pkt.h"

#include <hvh/hvh_scsi.h>
#include <stdio.h>

#define DEPTH_MAX 64u
#define BLOCK	  4096u
#define BLOCKS	  4096u
#define LUN	  0u
#define WAIT_MS	  60000u
#define NEXT	  257u

struct slot {
	struct hvg_stor_request request; /* first: the core's is ours */
	uint8_t ranges[64];
	bool back; /* (l) */
};

static struct {
	struct hvg_stor *stor; /* (a) */
	struct hvos_shared memory;
	struct hvos_work work;
	struct hvos_event done;
	struct hvos_lock lock;
	struct slot slots[DEPTH_MAX];
	unsigned depth, count, sent, block; /* the work's */
	unsigned received; /* (l) */
	bool reads;
	uint8_t disk[BLOCKS * BLOCK];
} run;

/* --- the back end: the host's loop ---------------------------------------------------------------------- */

static void on_submit(void *ctx, struct hvh_disk_io *io)
{
	uint8_t *at = run.disk + io->offset;

	(void)ctx;
	for (unsigned i = 0; i < io->iovs; at += io->iov[i++].iov_len) {
		if (io->op == HVH_DISK_READ)
			memcpy(io->iov[i].iov_base, at, io->iov[i].iov_len);
		else if (io->op == HVH_DISK_WRITE)
			memcpy(at, io->iov[i].iov_base, io->iov[i].iov_len);
	}
	hvh_scsi_done(io, 0);
}

static void on_released(void *ctx, unsigned lun, void *disk)
{
	(void)ctx;
	(void)lun;
	(void)disk;
}

static const struct hvh_scsi_backend backend = { .submit = on_submit, .released = on_released };

static struct hvh_device *create_controller(void *ctx)
{
	const struct hvh_scsi_config config = { .instance_id = { { 7 } }, .queues_max = 1 };
	const struct hvh_scsi_disk is = { .disk = run.disk,
					  .bytes = sizeof(run.disk),
					  .block_bytes = BLOCK,
					  .physical_bytes = BLOCK,
					  .id = { { 1 } } };
	struct hvh_device *device = NULL;

	(void)ctx;
	if (hvh_scsi_create(&config, &backend, NULL, &device) || hvh_scsi_add(device, LUN, &is))
		bench_fail("no controller");
	return device;
}

/* --- the guest's SCSI layer ----------------------------------------------------------------------------- */

static void send_one(struct slot *slot, bool more)
{
	const unsigned n = (unsigned)(slot - run.slots);
	const uint64_t page = hvos_shared_gpn(&run.memory, n);
	struct hvw_gpa_writer writer;

	run.block = (run.block + NEXT) % BLOCKS;
	slot->request = (struct hvg_stor_request){
		.lun = LUN,
		.cdb = { run.reads ? HVP_SCSI_READ_10 : HVP_SCSI_WRITE_10,
			 [4] = (uint8_t)(run.block >> 8), [5] = (uint8_t)run.block, [8] = 1 },
		.cdb_length = 10,
		.data_in = run.reads ? HVP_STORVSP_READ : HVP_STORVSP_WRITE,
		.bytes = BLOCK,
		.ranges = slot->ranges,
		.more = more,
	};
	if (hvw_gpa_writer_init(&writer, slot->ranges, sizeof(slot->ranges)) ||
	    hvw_gpa_writer_add(&writer, &page, 0, BLOCK))
		bench_fail("no list of pages");
	slot->request.ranges_len = (uint32_t)hvw_gpa_writer_finish(&writer);
	if (hvg_stor_submit(run.stor, 0, &slot->request))
		bench_fail("a request is not taken");
}

/* Whatever has come back goes out again. */
static void again(void *ctx)
{
	struct slot *ready[DEPTH_MAX];
	unsigned n = 0;
	bool over;

	(void)ctx;
	hvos_lock(&run.lock);
	for (unsigned i = 0; i < run.depth && run.sent + n < run.count; i++) {
		if (!run.slots[i].back)
			continue;
		run.slots[i].back = false;
		ready[n++] = &run.slots[i];
	}
	over = run.received == run.count;
	hvos_unlock(&run.lock);
	run.sent += n;
	for (unsigned i = 0; i < n; i++)
		send_one(ready[i], i + 1 < n);
	if (over)
		hvos_event_set(&run.done);
}

static void on_done(void *ctx, struct hvg_stor_request *request)
{
	(void)ctx;
	if (request->err || request->srb_status != HVP_SRB_SUCCESS || request->transferred != BLOCK)
		bench_fail("a request fails");
	hvos_lock(&run.lock);
	((struct slot *)request)->back = true;
	run.received++;
	hvos_unlock(&run.lock);
	hvos_work_queue(&run.work);
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

static int attach(struct hvg_device *device)
{
	static const struct hvg_stor_config config = { .version_max = HVP_STORVSP_6_2,
						       .queues = 1,
						       .depth = DEPTH_MAX,
						       .ring_pages = 32,
						       .timeout_seconds = 60 };
	struct hvg_stor *stor;
	int err = hvg_stor_create(device, &config, &ops, NULL, &stor);

	if (err)
		return err;
	hvg_device_set_data(device, stor);
	err = hvg_stor_attach(stor);
	if (err)
		hvg_stor_destroy(stor);
	else
		__atomic_store_n(&run.stor, stor, __ATOMIC_RELEASE);
	return err;
}

static void detach(struct hvg_device *device)
{
	hvg_stor_detach(hvg_device_data(device));
	hvg_stor_destroy(hvg_device_data(device));
}

static const struct hvg_driver stor_driver = {
	.name = "storage",
	.class_id = HVP_CLASS_SCSI,
	.attach = attach,
	.detach = detach,
};

/* --- the measurement ------------------------------------------------------------------------------------ */

static uint64_t spent_ns(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return ((uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000u +
		(uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec)) *
	       1000u;
}

static void measure(void)
{
	const uint64_t spent = spent_ns(), begin = bench_now_ns();

	for (unsigned i = 0; i < run.depth; i++)
		run.slots[i].back = true;
	hvos_work_queue(&run.work);
	if (hvos_event_wait(&run.done, 10 * WAIT_MS))
		bench_fail("%u of %u requests came back", run.received, run.count);
	printf("%.0f %.0f\n", (double)(bench_now_ns() - begin) / run.count,
	       (double)(spent_ns() - spent) / run.count);
}

static void no_log(enum hvos_level level, const char *line)
{
	(void)level;
	(void)line;
}

int main(int argc, char **argv)
{
	static const struct hvg_driver *const drivers[] = { &stor_driver };
	const struct threaded_host_config host_config = { .cpus = 2,
							  .version_max = HVP_VERSION_5_3,
							  .ram_bytes = 8u << 20,
							  .own_create = create_controller,
							  .own_destroy = hvh_scsi_destroy };
	const struct hvg_bus_config bus_config = { .os_id = 1ull << 63,
						   .version_max = HVP_VERSION_5_3,
						   .drivers = drivers,
						   .driver_count = 1 };
	struct user_config user = { .log = no_log };
	struct threaded_host *host;
	struct hvg_bus *bus;

	if (argc != 4 || !(run.depth = (unsigned)atoi(argv[2])) || run.depth > DEPTH_MAX ||
	    (run.count = (unsigned)atoi(argv[3])) < run.depth)
		bench_fail("usage: stor_run read|write DEPTH COUNT");
	run.reads = !strcmp(argv[1], "read");
	host = threaded_host_create(&host_config, &user);
	if (user_start(&user) || hvos_shared_alloc(&run.memory, DEPTH_MAX))
		bench_fail("no threads");
	hvos_event_init(&run.done);
	hvos_lock_init(&run.lock, "bench");
	hvos_work_init(&run.work, again, NULL);
	if (hvg_bus_start(&bus_config, &bus) || hvg_bus_settle(bus, WAIT_MS) || !run.stor)
		bench_fail("the controller does not start");
	measure();
	hvg_bus_stop(bus);
	hvos_work_fini(&run.work);
	if (hvos_shared_free(&run.memory))
		bench_fail("memory is not given back");
	threaded_host_stop(host);
	hvos_lock_fini(&run.lock);
	hvos_event_fini(&run.done);
	if (user_stop() || threaded_host_destroy(host))
		bench_fail("something is left");
	return 0;
}
