/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What disks are kept in: the words of --disk, files and their sizes, requests as system calls, and both engines on a real
 * file.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"
#include "vmm/disk/call.h"
#include "vmm/disk/engine.h"
#include "vmm/disk/file.h"
#include "vmm/loop.h"

#define DISK_BYTES (4u << 20)

/* --- words ------------------------------------------------------------------------------------------- */

TAP_TEST(what_disk_says_is_understood)
{
	struct vmm_disk_config config;

	TAP_CHECK(!vmm_disk_config_parse("/a/b.img", &config));
	TAP_STR_EQ(config.path, "/a/b.img");
	TAP_EQ(config.lun, VMM_DISK_LUN_ANY);
	TAP_EQ(config.block_bytes, 0);
	TAP_EQ(config.format, VMM_DISK_AUTO);
	TAP_CHECK(!vmm_disk_config_parse(
		"memory:3M,readonly,lun=63,serial=a-1,block=4096,format=raw", &config));
	TAP_STR_EQ(config.path, "");
	TAP_EQ(config.memory_bytes, 3 << 20);
	TAP_CHECK(config.read_only);
	TAP_EQ(config.format, VMM_DISK_RAW);
	TAP_EQ(config.lun, 63);
	TAP_EQ(config.block_bytes, 4096);
	TAP_STR_EQ(config.serial, "a-1");
	TAP_CHECK(!vmm_disk_config_parse("a,format=vhdx", &config));
	TAP_EQ(config.format, VMM_DISK_VHDX);
	TAP_CHECK(!vmm_disk_config_parse("a,format=vhd", &config));
	TAP_EQ(config.format, VMM_DISK_VHD);
}

TAP_TEST(drives_and_faults_are_understood)
{
	struct vmm_disk_config config;
	struct vmm_disk_file file;
	char why[256];

	TAP_CHECK(!vmm_disk_config_parse("a.iso,dvd,lun=2", &config));
	TAP_STR_EQ(config.path, "a.iso");
	TAP_CHECK(config.dvd && config.read_only);
	TAP_EQ(config.format, VMM_DISK_RAW);
	TAP_EQ(config.block_bytes, 2048);
	TAP_CHECK(!vmm_disk_config_parse("empty,dvd", &config));
	TAP_STR_EQ(config.path, "");
	TAP_EQ(vmm_disk_file_open(&config, &file, why, sizeof(why)), 0);
	TAP_EQ(file.fd, -1);
	TAP_EQ(file.bytes, 0);
	TAP_EQ(vmm_disk_file_close(&file), 0);
	TAP_CHECK(!vmm_disk_config_parse("empty", &config));
	TAP_STR_EQ(config.path, "empty");
	TAP_CHECK(!config.dvd && !config.late_ms && !config.fail_every);
	TAP_CHECK(!vmm_disk_config_parse("a,late=600000,fail=10", &config));
	TAP_EQ(config.late_ms, 600000);
	TAP_EQ(config.fail_every, 10);
}

TAP_TEST(what_makes_no_sense_is_refused_with_words)
{
	static const char *const wrong[] = {
		"",
		",readonly",
		"memory:",
		"memory:12",
		"memory:0M",
		"memory:9999999999T",
		"a,lun=64",
		"a,lun=",
		"a,lun=-1",
		"a,lun=1x",
		"a,serial=",
		"a,serial=x y",
		"a,serial=012345678901234567890123456789012",
		"a,block=1024",
		"a,format=qcow2",
		"a,dvd,format=vhdx",
		"a,dvd,block=512",
		"memory:1M,dvd",
		"a,late=0",
		"a,late=600001",
		"a,late=-1",
		"a,fail=",
		"a,fail=1x",
		"a,readonly=1",
		"a,",
		"a,what",
	};
	struct vmm_disk_config config;

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		tap_note(vmm_disk_config_parse(wrong[i], &config) != NULL, __FILE__, __LINE__,
			 "accepted: %s", wrong[i]);
}

/* --- files ------------------------------------------------------------------------------------------- */

static char path[64];

/* A new file of that size; its descriptor. */
static int make_file(off_t bytes)
{
	int fd;

	strcpy(path, "/tmp/hvis-disk-XXXXXX");
	fd = mkstemp(path);
	if (fd < 0 || ftruncate(fd, bytes))
		tap_note(false, __FILE__, __LINE__, "no file in /tmp");
	return fd;
}

static int open_file(const char *options, struct vmm_disk_file *file, char *why)
{
	struct vmm_disk_config config;
	char text[128];

	snprintf(text, sizeof(text), "%s%s", path, options);
	TAP_CHECK(!vmm_disk_config_parse(text, &config));
	return vmm_disk_file_open(&config, file, why, 256);
}

TAP_TEST(a_file_is_opened_as_large_as_it_is)
{
	int fd = make_file(DISK_BYTES + 1000);
	struct vmm_disk_file file, other;
	char why[256];

	TAP_EQ(open_file("", &file, why), 0);
	TAP_EQ(file.bytes, DISK_BYTES + 512);
	/* Once for writing, or as often as one likes for reading. */
	TAP_EQ(open_file("", &other, why), -EBUSY);
	TAP_EQ(open_file(",readonly", &other, why), -EBUSY);
	vmm_disk_file_close(&file);
	TAP_EQ(open_file(",readonly,block=4096", &file, why), 0);
	TAP_EQ(file.bytes, DISK_BYTES);
	TAP_EQ(file.unmap_bytes, 0);
	TAP_EQ(open_file(",readonly", &other, why), 0);
	vmm_disk_file_close(&other);
	vmm_disk_file_close(&file);
	close(fd);
	unlink(path);
	TAP_EQ(open_file("", &file, why), -ENOENT);
}

TAP_TEST(images_that_are_no_plain_disk_are_not_taken_for_one)
{
	static const struct {
		const char *magic;
		off_t at;
	} images[] = { { "vhdxfile", 0 },
		       { "conectix", 0 },
		       { "conectix", DISK_BYTES - 512 },
		       { "QFI\xfb", 0 } };
	struct vmm_disk_file file;
	char why[256];

	for (unsigned i = 0; i < 4; i++) {
		int fd = make_file(DISK_BYTES);

		TAP_CHECK(pwrite(fd, images[i].magic, strlen(images[i].magic), images[i].at) > 0);
		TAP_EQ(open_file("", &file, why), -EINVAL);
		TAP_CHECK(strstr(why, "image") != NULL);
		TAP_EQ(open_file(",format=raw", &file, why), 0);
		vmm_disk_file_close(&file);
		close(fd);
		unlink(path);
	}
	close(make_file(100));
	TAP_EQ(open_file("", &file, why), -EINVAL);
	unlink(path);
	strcpy(path, "/tmp");
	TAP_EQ(open_file(",readonly", &file, why), -EINVAL);
}

TAP_TEST(files_grow_and_do_not_shrink)
{
	int fd = make_file(DISK_BYTES);
	struct vmm_disk_file file;
	char why[256];

	TAP_EQ(open_file("", &file, why), 0);
	TAP_EQ(vmm_disk_file_resize(&file, 2 * DISK_BYTES, why, sizeof(why)), 0);
	TAP_EQ(file.bytes, 2 * DISK_BYTES);
	TAP_EQ(vmm_disk_file_resize(&file, DISK_BYTES, why, sizeof(why)), -EINVAL);
	TAP_EQ(file.bytes, 2 * DISK_BYTES);
	/* Somebody else made it larger; smaller. */
	TAP_EQ(ftruncate(fd, 3 * DISK_BYTES), 0);
	TAP_EQ(vmm_disk_file_resize(&file, 0, why, sizeof(why)), 0);
	TAP_EQ(file.bytes, 3 * DISK_BYTES);
	TAP_EQ(ftruncate(fd, DISK_BYTES), 0);
	TAP_EQ(vmm_disk_file_resize(&file, 0, why, sizeof(why)), -EINVAL);
	TAP_EQ(file.bytes, 3 * DISK_BYTES);
	vmm_disk_file_close(&file);
	close(fd);
	unlink(path);
}

/* --- calls ------------------------------------------------------------------------------------------- */

static void first(struct hvh_disk_io *io, struct vmm_disk_call *call)
{
	const struct vmm_disk_file file = { .fd = -1, .dsync = true };

	vmm_disk_begin(io);
	TAP_CHECK(vmm_disk_again(&file, io, call));
}

TAP_TEST(short_transfers_go_on_where_they_stopped)
{
	uint8_t bytes[300];
	struct iovec iov[3] = { { bytes, 100 }, { bytes + 100, 100 }, { bytes + 200, 100 } };
	struct hvh_disk_io io = { .op = HVH_DISK_WRITE,
				  .offset = 1000,
				  .bytes = 300,
				  .iov = iov,
				  .iovs = 3,
				  .durable = true };
	const struct vmm_disk_file file = { .fd = -1, .dsync = true };
	struct vmm_disk_call call;

	first(&io, &call);
	TAP_EQ(call.kind, VMM_DISK_WRITEV);
	TAP_EQ(call.flags, RWF_DSYNC);
	TAP_EQ(call.iovs, 3);
	TAP_CHECK(vmm_disk_next(&file, &io, 150, &call));
	TAP_EQ(call.offset, 1150);
	TAP_EQ(call.iovs, 2);
	TAP_CHECK(call.iov[0].iov_base == bytes + 150);
	TAP_EQ(call.iov[0].iov_len, 50);
	TAP_EQ(call.flags, RWF_DSYNC);
	TAP_CHECK(vmm_disk_next(&file, &io, -EINTR, &call));
	TAP_EQ(call.offset, 1150);
	TAP_CHECK(!vmm_disk_next(&file, &io, 150, &call));
	TAP_EQ(io.result, 0);
	/* Nothing more comes: the file has been cut. */
	io.op = HVH_DISK_READ;
	first(&io, &call);
	TAP_EQ(call.flags, 0);
	TAP_CHECK(vmm_disk_next(&file, &io, 100, &call));
	TAP_CHECK(!vmm_disk_next(&file, &io, 0, &call));
	TAP_EQ(io.result, -EIO);
	first(&io, &call);
	TAP_CHECK(!vmm_disk_next(&file, &io, -ENOSPC, &call));
	TAP_EQ(io.result, -ENOSPC);
}

TAP_TEST(where_a_write_is_not_durable_by_itself_a_sync_follows)
{
	uint8_t bytes[512];
	struct iovec iov = { bytes, sizeof(bytes) };
	struct hvh_disk_io io = {
		.op = HVH_DISK_WRITE, .bytes = 512, .iov = &iov, .iovs = 1, .durable = true
	};
	const struct vmm_disk_file file = { .fd = -1 };
	struct vmm_disk_call call;

	vmm_disk_begin(&io);
	TAP_CHECK(vmm_disk_again(&file, &io, &call));
	TAP_EQ(call.kind, VMM_DISK_WRITEV);
	TAP_EQ(call.flags, 0);
	TAP_REQUIRE(vmm_disk_next(&file, &io, 512, &call));
	TAP_EQ(call.kind, VMM_DISK_FDATASYNC);
	TAP_CHECK(!vmm_disk_next(&file, &io, 0, &call));
	TAP_EQ(io.result, 0);
}

TAP_TEST(ranges_are_zeroed_by_the_file_system_or_else_written)
{
	struct hvh_disk_io io = {
		.op = HVH_DISK_ZERO, .offset = 4096, .bytes = 6u << 20, .unmap = true
	};
	const struct vmm_disk_file file = { .fd = -1 };
	struct vmm_disk_call call;

	first(&io, &call);
	TAP_EQ(call.kind, VMM_DISK_FALLOCATE);
	TAP_EQ(call.flags, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
	TAP_CHECK(!vmm_disk_next(&file, &io, 0, &call));
	io.unmap = false;
	io.durable = true;
	first(&io, &call);
	TAP_EQ(call.flags, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE);
	TAP_CHECK(vmm_disk_next(&file, &io, -EOPNOTSUPP, &call));
	TAP_EQ(call.kind, VMM_DISK_WRITEV);
	TAP_EQ(call.offset, 4096);
	TAP_EQ(call.bytes, HVH_SCSI_IOVS * 65536);
	TAP_CHECK(vmm_disk_next(&file, &io, HVH_SCSI_IOVS * 65536, &call));
	TAP_EQ(call.bytes, (6u << 20) - HVH_SCSI_IOVS * 65536);
	TAP_CHECK(vmm_disk_next(&file, &io, (int)call.bytes, &call));
	TAP_EQ(call.kind, VMM_DISK_FDATASYNC);
	TAP_CHECK(!vmm_disk_next(&file, &io, 0, &call));
	TAP_EQ(io.result, 0);
}

/* --- engines ----------------------------------------------------------------------------------------- */

#define REQUESTS 64u

struct bench {
	struct vmm_loop *loop;
	const struct vmm_disk_engine_ops *ops;
	void *engine;
	struct vmm_disk_file file;
	struct vmm_call go;
	struct hvh_disk_io io[REQUESTS];
	struct iovec iov[REQUESTS];
	uint8_t bytes[REQUESTS][4096];
	unsigned done, flushes, bad;
	void (*submit)(struct bench *b);
};

static const struct vmm_disk_file *file_of(void *disk)
{
	return &((const struct bench *)disk)->file;
}

static void on_done(void *ctx, struct hvh_disk_io *io)
{
	struct bench *b = ctx;

	b->bad += io->result != 0;
	if (++b->done == REQUESTS)
		vmm_loop_stop(b->loop);
}

static void on_flush(void *ctx)
{
	((struct bench *)ctx)->flushes++;
}

static void on_go(void *ctx)
{
	struct bench *b = ctx;

	b->done = 0;
	b->submit(b);
	b->ops->kick(b->engine);
}

static void run(struct bench *b, void (*submit)(struct bench *b))
{
	b->submit = submit;
	vmm_call_init(&b->go, b->loop, on_go, b);
	vmm_call_post(&b->go);
	vmm_loop_run(b->loop);
	TAP_EQ(b->done, REQUESTS);
	TAP_EQ(b->bad, 0);
}

static void submit_all(struct bench *b, enum hvh_disk_op op)
{
	for (unsigned i = 0; i < REQUESTS; i++) {
		b->iov[i] = (struct iovec){ b->bytes[i], 4096 };
		b->io[i] = (struct hvh_disk_io){ .op = i == REQUESTS - 1 ? HVH_DISK_FLUSH : op,
						 .disk = b,
						 .offset = i * 8192,
						 .bytes = 4096,
						 .iov = &b->iov[i],
						 .iovs = 1,
						 .durable = i % 2,
						 .unmap = i % 3 };
		b->ops->submit(b->engine, &b->io[i]);
	}
}

static void write_all(struct bench *b)
{
	for (unsigned i = 0; i < REQUESTS; i++)
		memset(b->bytes[i], (int)i + 1, 4096);
	submit_all(b, HVH_DISK_WRITE);
}

static void read_all(struct bench *b)
{
	memset(b->bytes, 0xee, sizeof(b->bytes));
	submit_all(b, HVH_DISK_READ);
}

static void zero_all(struct bench *b)
{
	submit_all(b, HVH_DISK_ZERO);
}

static void try_engine(const struct vmm_disk_engine_ops *ops)
{
	struct bench *b = calloc(1, sizeof(*b));
	const struct vmm_disk_engine_user user = { file_of, on_done, on_flush, b };
	int err;

	b->ops = ops;
	b->file.fd = make_file(DISK_BYTES);
	TAP_EQ(vmm_loop_create(&b->loop), 0);
	err = ops->create(b->loop, &user, &b->engine);
	if (err == -ENOSYS || err == -EPERM) {
		printf("# %s cannot be had here: %s\n", ops->name, strerror(-err));
	} else if (TAP_EQ(err, 0) && TAP_EQ(ops->start(b->engine), 0)) {
		run(b, write_all);
		run(b, read_all);
		for (unsigned i = 0; i < REQUESTS - 1; i++)
			TAP_CHECK(b->bytes[i][0] == i + 1 && b->bytes[i][4095] == i + 1);
		run(b, zero_all);
		run(b, read_all);
		for (unsigned i = 0; i < REQUESTS - 1; i++)
			TAP_CHECK(!b->bytes[i][0] && !b->bytes[i][4095]);
		TAP_CHECK(b->flushes > 0);
		ops->destroy(b->engine);
	}
	vmm_loop_destroy(b->loop);
	close(b->file.fd);
	unlink(path);
	free(b);
}

TAP_TEST(io_uring_reads_writes_zeroes_and_flushes)
{
	try_engine(&vmm_disk_uring);
}

TAP_TEST(threads_read_write_zero_and_flush)
{
	try_engine(&vmm_disk_threads);
}

TAP_MAIN()
