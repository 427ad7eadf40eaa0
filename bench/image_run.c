/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The load of bench/image: `image_run FILE read|write COUNT` reads or writes so many blocks of 4 KiB of an image, 32 at a time, through
 * hvhost's engine for io_uring, in the order in which `qemu-img bench` does with the same step. Prints the microseconds that this
 * took, and those that the process spent in all, opening and closing the image among them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "bench/bench.h"
#include "vmm/disk/engine.h"
#include "vmm/disk/file.h"
#include "vmm/loop.h"

#define DEPTH 32u
#define BLOCK 4096u
#define STEP  (257u * BLOCK)

static struct {
	struct vmm_loop *loop;
	void *engine;
	struct vmm_disk_file file;
	struct vmm_call go;
	struct {
		struct hvh_disk_io io;
		struct iovec iov;
	} slot[DEPTH];
	uint8_t bytes[DEPTH][BLOCK];
	enum hvh_disk_op op;
	uint64_t offset;
	unsigned count, begun, done;
} run;

static const struct vmm_disk_file *file_of(void *disk)
{
	(void)disk;
	return &run.file;
}

static void next(unsigned slot)
{
	run.slot[slot].iov = (struct iovec){ run.bytes[slot], BLOCK };
	run.slot[slot].io = (struct hvh_disk_io){ .op = run.op,
						  .disk = &run,
						  .offset = run.offset,
						  .bytes = BLOCK,
						  .iov = &run.slot[slot].iov,
						  .iovs = 1 };
	run.offset = (run.offset + STEP) % run.file.bytes;
	run.begun++;
	vmm_disk_uring.submit(run.engine, &run.slot[slot].io);
}

static void on_done(void *ctx, struct hvh_disk_io *io)
{
	(void)ctx;
	if (io->result)
		bench_fail("a block: %s", strerror(-io->result));
	run.done++;
	if (run.begun < run.count)
		next((unsigned)(((char *)io - (char *)run.slot) / (ptrdiff_t)sizeof(run.slot[0])));
	else if (run.done == run.begun)
		vmm_loop_stop(run.loop);
}

static void on_flush(void *ctx)
{
	(void)ctx;
	vmm_disk_uring.kick(run.engine);
}

static void on_go(void *ctx)
{
	(void)ctx;
	for (unsigned i = 0; i < DEPTH; i++)
		next(i);
	vmm_disk_uring.kick(run.engine);
}

static uint64_t spent_us(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000u +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

int main(int argc, char **argv)
{
	const struct vmm_disk_engine_user user = { file_of, on_done, on_flush, NULL };
	const uint64_t begin_ns = bench_now_ns();
	struct vmm_disk_config config;
	char why[512] = "";
	int err;

	if (argc != 4 || (run.count = (unsigned)atoi(argv[3])) < DEPTH)
		bench_fail("usage: image_run FILE read|write COUNT");
	run.op = !strcmp(argv[2], "write") ? HVH_DISK_WRITE : HVH_DISK_READ;
	if (vmm_disk_config_parse(argv[1], &config) ||
	    vmm_disk_file_open(&config, &run.file, why, sizeof(why)))
		bench_fail("%s: %s", argv[1], why);
	err = vmm_loop_create(&run.loop);
	if (!err)
		err = vmm_disk_uring.create(run.loop, &user, &run.engine);
	if (!err)
		err = vmm_disk_uring.start(run.engine);
	if (err)
		bench_fail("no io_uring here: %s", strerror(-err));
	vmm_call_init(&run.go, run.loop, on_go, NULL);
	vmm_call_post(&run.go);
	vmm_loop_run(run.loop);
	vmm_disk_uring.destroy(run.engine);
	vmm_loop_destroy(run.loop);
	if (vmm_disk_file_close(&run.file))
		bench_fail("the image cannot be closed");
	printf("%llu %llu\n", (unsigned long long)(bench_now_ns() - begin_ns) / 1000,
	       (unsigned long long)spent_us());
	return 0;
}
