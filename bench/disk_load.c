/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The load of bench/disk, in the guest: `disk_load ROW DEVICE COUNT` reads or writes so many blocks of the row and prints what each
 * side of the machine did meanwhile:
 *
 *	bench: ROW COUNT TICKS IDLE_MS INTERRUPTS DOORBELLS
 *
 * A row is read or write, the size of a block, and how many are under way at a time: what has come back is replaced in one system
 * call. Blocks of 4 KiB are at random places, larger ones follow each other. Ticks are of the processor's clock; milliseconds
 * in which the inner Linux had nothing to do are its own, for which this asks on its standard output, and reads them from its
 * standard input. Interrupts and doorbells are the channels' (0 if the disk is not on VMBus).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <x86intrin.h>

#define DEPTH_MAX    32u
#define BLOCK_MAX    (1u << 20)
#define RANDOM_BLOCK 4096u

struct row {
	bool writes;
	unsigned kib, depth;
};

struct moment {
	uint64_t ticks;
	uint64_t idle_ms;
	uint64_t interrupts;
	uint64_t doorbells;
};

static struct {
	int fd;
	uint64_t blocks; /* of the row's size, on the disk */
	uint64_t next;
	uint32_t chance;
	aio_context_t ring;
	struct iocb each[DEPTH_MAX];
	uint8_t *memory[DEPTH_MAX];
} disk;

static void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("bench: failed: ");
	vprintf(format, args);
	printf(": %s\n", strerror(errno));
	va_end(args);
	exit(1);
}

static uint64_t sum(const char *file)
{
	char pattern[256];
	uint64_t total = 0;
	glob_t found;

	snprintf(pattern, sizeof(pattern), "/sys/bus/vmbus/drivers/hv_storvsc/*/channels/*/%s",
		 file);
	if (glob(pattern, 0, NULL, &found))
		return 0;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		FILE *counter = fopen(found.gl_pathv[i], "r");
		unsigned long long value;

		if (!counter || fscanf(counter, "%llu", &value) != 1)
			fail("%s", found.gl_pathv[i]);
		fclose(counter);
		total += value;
	}
	globfree(&found);
	return total;
}

static uint64_t idle_ms(void)
{
	unsigned long long idle;
	char line[64];

	printf("bench: idle?\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin))
		if (sscanf(line, "idle %llu", &idle) == 1)
			return idle;
	fail("nobody tells the idle time");
}

static struct moment now(void)
{
	struct moment moment = { .idle_ms = idle_ms() };

	moment.interrupts = sum("interrupts");
	moment.doorbells = sum("events");
	moment.ticks = __rdtsc();
	return moment;
}

static uint64_t place(const struct row *row)
{
	if (row->kib << 10 != RANDOM_BLOCK)
		return disk.next++ % disk.blocks;
	disk.chance = disk.chance * 1664525u + 1013904223u;
	return (disk.chance >> 8) % disk.blocks;
}

static void prepare(const struct row *row, unsigned slot)
{
	const uint64_t bytes = (uint64_t)row->kib << 10;

	disk.each[slot] =
		(struct iocb){ .aio_data = slot,
			       .aio_lio_opcode = row->writes ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD,
			       .aio_fildes = (uint32_t)disk.fd,
			       .aio_buf = (uintptr_t)disk.memory[slot],
			       .aio_nbytes = bytes,
			       .aio_offset = (int64_t)(place(row) * bytes) };
}

static void submit(struct iocb **which, unsigned count)
{
	while (count) {
		const long taken = syscall(SYS_io_submit, disk.ring, (long)count, which);

		if (taken <= 0)
			fail("io_submit");
		which += taken;
		count -= (unsigned)taken;
	}
}

static void run(const struct row *row, unsigned count)
{
	struct io_event events[DEPTH_MAX];
	struct iocb *which[DEPTH_MAX];
	unsigned started = 0, ended = 0;

	for (; started < row->depth && started < count; started++) {
		prepare(row, started);
		which[started] = &disk.each[started];
	}
	submit(which, started);
	while (ended < count) {
		const long got =
			syscall(SYS_io_getevents, disk.ring, 1L, (long)DEPTH_MAX, events, NULL);
		unsigned again = 0;

		if (got <= 0)
			fail("io_getevents");
		for (long i = 0; i < got; i++) {
			const unsigned slot = (unsigned)events[i].data;

			if (events[i].res != (int64_t)row->kib << 10) {
				errno = events[i].res < 0 ? (int)-events[i].res : EIO;
				fail("a block");
			}
			if (started == count)
				continue;
			prepare(row, slot);
			which[again++] = &disk.each[slot];
			started++;
		}
		ended += (unsigned)got;
		submit(which, again);
	}
}

static void set_up(const struct row *row, const char *device)
{
	uint64_t bytes;

	disk.fd = open(device, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (disk.fd < 0 || ioctl(disk.fd, BLKGETSIZE64, &bytes))
		fail("%s", device);
	disk.blocks = bytes / ((uint64_t)row->kib << 10);
	if (syscall(SYS_io_setup, DEPTH_MAX, &disk.ring))
		fail("io_setup");
	for (unsigned i = 0; i < row->depth; i++) {
		disk.memory[i] = aligned_alloc(4096, BLOCK_MAX);
		if (!disk.memory[i])
			fail("memory");
		memset(disk.memory[i], (int)i, BLOCK_MAX);
	}
}

int main(int argc, char **argv)
{
	struct moment before, after;
	struct row row = { 0 };
	char verb[8];
	unsigned count;

	if (argc != 4 || !(count = (unsigned)atoi(argv[3])) ||
	    sscanf(argv[1], "%7[a-z]-%uk-%u", verb, &row.kib, &row.depth) != 3 || !row.depth ||
	    row.depth > DEPTH_MAX || !row.kib || row.kib << 10 > BLOCK_MAX)
		fail("usage: disk_load read|write-KIBk-DEPTH DEVICE COUNT");
	row.writes = !strcmp(verb, "write");
	set_up(&row, argv[2]);
	/* What comes first only once: memory of the file, lists. */
	run(&row, count / 8 + 1);
	before = now();
	run(&row, count);
	after = now();
	printf("bench: %s %u %llu %llu %llu %llu\n", argv[1], count,
	       (unsigned long long)(after.ticks - before.ticks),
	       (unsigned long long)(after.idle_ms - before.idle_ms),
	       (unsigned long long)(after.interrupts - before.interrupts),
	       (unsigned long long)(after.doorbells - before.doorbells));
	return 0;
}
