/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Freezing, and that all is thawed whatever happens, with file systems that are folders and a kernel that is a table.
 */
#include "daemons/freeze.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

#define MOUNTS 4

/* What the kernel has, as all processes see it. */
static struct kernel {
	atomic_bool frozen[MOUNTS];
	atomic_uint order[MOUNTS], thaw_order[MOUNTS], freezes, thaws, syncs;
	int refuse[MOUNTS]; /* what a freeze is answered */
	bool kill; /* whoever freezes, when it is done and nobody knows yet */
	unsigned slow_us;
} * kernel;

static ino_t inode[MOUNTS];
static struct hvd_mounts mounts;
static struct hvd_freeze f;

static unsigned which(int fd)
{
	struct stat status;
	unsigned i = 0;

	if (fstat(fd, &status))
		abort();
	while (i < MOUNTS && inode[i] != status.st_ino)
		i++;
	return i;
}

static int fake_sync(int fd)
{
	(void)fd;
	kernel->syncs++;
	return 0;
}

static int fake_freeze(int fd)
{
	unsigned i = which(fd);

	usleep(kernel->slow_us);
	if (kernel->refuse[i])
		return kernel->refuse[i];
	if (atomic_exchange(&kernel->frozen[i], true))
		return -EBUSY;
	kernel->order[i] = ++kernel->freezes;
	if (kernel->kill && kernel->freezes == 2)
		raise(SIGKILL);
	return 0;
}

static int fake_thaw(int fd)
{
	unsigned i = which(fd);

	if (!atomic_exchange(&kernel->frozen[i], false))
		return -EINVAL;
	kernel->thaw_order[i] = ++kernel->thaws;
	return 0;
}

static const struct hvd_freeze_ops ops = { fake_sync, fake_freeze, fake_thaw };

static void make(void)
{
	static char path[MOUNTS][64];
	static char folder[] = "/tmp/hvis-freeze-XXXXXX";
	static bool made;
	struct stat status;

	if (!made && !mkdtemp(folder))
		abort();
	if (!kernel)
		kernel = mmap(NULL, sizeof(*kernel), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memset(kernel, 0, sizeof(*kernel));
	for (unsigned i = 0; i < MOUNTS; i++) {
		snprintf(path[i], sizeof(path[i]), "%s/%u", folder, i);
		if (!made && mkdir(path[i], 0700))
			abort();
		if (stat(path[i], &status))
			abort();
		inode[i] = status.st_ino;
		mounts.mount[i] = (struct hvd_mount){ status.st_dev, path[i], "ext4" };
	}
	made = true;
	mounts.count = MOUNTS;
	memset(&f, 0, sizeof(f));
	f.ops = &ops;
}

static unsigned frozen(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < MOUNTS; i++)
		count += kernel->frozen[i];
	return count;
}

static bool thawed_within(unsigned ms)
{
	for (; ms && frozen(); ms -= 10)
		usleep(10000);
	return !frozen();
}

TAP_TEST(last_mounted_first_frozen)
{
	make();
	TAP_EQ(hvd_freeze(&f, &mounts, 60, -1), 0);
	TAP_EQ(frozen(), MOUNTS);
	TAP_EQ(kernel->syncs, MOUNTS);
	for (unsigned i = 0; i < MOUNTS; i++)
		TAP_EQ(kernel->order[i], MOUNTS - i);
	TAP_EQ(hvd_thaw(&f), 0);
	TAP_EQ(frozen(), 0);
	for (unsigned i = 0; i < MOUNTS; i++)
		TAP_EQ(kernel->thaw_order[i], i + 1);
	TAP_STR_EQ(f.report, "");
	TAP_EQ(waitpid(-1, NULL, WNOHANG), -1);
	TAP_EQ(hvd_thaw(&f), 0);
}

TAP_TEST(one_that_fails_lets_all_go_on)
{
	make();
	kernel->refuse[1] = -EIO;
	TAP_EQ(hvd_freeze(&f, &mounts, 60, -1), -EIO);
	TAP_EQ(frozen(), 0);
	TAP_EQ(kernel->thaws, 2);
	TAP_CHECK(strstr(f.report, "/1 (ext4): Input/output error"));
	TAP_EQ(waitpid(-1, NULL, WNOHANG), -1);
}

TAP_TEST(those_that_cannot_are_reported)
{
	make();
	kernel->refuse[0] = -EOPNOTSUPP;
	kernel->frozen[2] = true; /* by somebody else */
	mounts.mount[3].path = "/nowhere";
	TAP_EQ(hvd_freeze(&f, &mounts, 60, -1), 0);
	TAP_EQ(kernel->freezes, 1);
	TAP_CHECK(strstr(f.report, "/0 (ext4): Operation not supported"));
	TAP_CHECK(strstr(f.report, "/2 (ext4): somebody else"));
	TAP_CHECK(strstr(f.report, "/nowhere (ext4): No such file"));
	TAP_EQ(hvd_thaw(&f), 0);
	/* What somebody else has frozen somebody else thaws. */
	TAP_CHECK(kernel->frozen[2] && !kernel->frozen[1]);
}

TAP_TEST(one_that_lies_below_another_is_not_taken_for_it)
{
	make();
	mounts.mount[1].device++;
	TAP_EQ(hvd_freeze(&f, &mounts, 60, -1), 0);
	TAP_EQ(frozen(), MOUNTS - 1);
	TAP_CHECK(strstr(f.report, "/1 (ext4): another file system is mounted over it"));
	TAP_EQ(hvd_thaw(&f), 0);
	/* btrfs has numbers of its own. */
	make();
	mounts.mount[1].device++;
	mounts.mount[1].type = "btrfs";
	TAP_EQ(hvd_freeze(&f, &mounts, 60, -1), 0);
	TAP_EQ(frozen(), MOUNTS);
	TAP_EQ(hvd_thaw(&f), 0);
}

TAP_TEST(nobody_thaws)
{
	make();
	TAP_EQ(hvd_freeze(&f, &mounts, 1, -1), 0);
	TAP_EQ(frozen(), MOUNTS);
	TAP_CHECK(thawed_within(20000));
	TAP_EQ(hvd_thaw(&f), -ETIME);
	TAP_EQ(waitpid(-1, NULL, WNOHANG), -1);
	TAP_EQ(kernel->thaws, MOUNTS);
}

TAP_TEST(freezing_takes_too_long)
{
	make();
	kernel->slow_us = 700000;
	TAP_EQ(hvd_freeze(&f, &mounts, 1, -1), -ETIME);
	TAP_EQ(frozen(), 0);
	TAP_EQ(waitpid(-1, NULL, WNOHANG), -1);
}

/* Killed at some moment, before, in between or after. */
TAP_TEST(killed_at_any_moment)
{
	for (unsigned round = 0; round < 100; round++) {
		pid_t child;

		make();
		kernel->slow_us = 1000;
		child = fork();
		if (!child) {
			if (!hvd_freeze(&f, &mounts, 60, -1))
				pause();
			_exit(1);
		}
		usleep((round * 7919u) % 9000u);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
		TAP_CHECK(thawed_within(20000));
	}
}

/* The kernel ends a freeze first, however long it takes. */
TAP_TEST(killed_while_the_kernel_freezes)
{
	pid_t child;

	make();
	kernel->kill = true;
	child = fork();
	if (!child) {
		hvd_freeze(&f, &mounts, 60, -1);
		_exit(1);
	}
	waitpid(child, NULL, 0);
	TAP_CHECK(thawed_within(20000));
	TAP_EQ(kernel->thaws, 2);
}

/* As services are ended. */
TAP_TEST(the_watchdog_does_not_go_when_told_to)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };

	make();
	TAP_EQ(hvd_freeze(&f, &mounts, 60, -1), 0);
	usleep(200000);
	for (unsigned i = 0; i < 3; i++)
		kill(f.watchdog, signals[i]);
	usleep(200000);
	TAP_EQ(waitpid(f.watchdog, NULL, WNOHANG), 0);
	TAP_EQ(hvd_thaw(&f), 0);
}

TAP_TEST(stopped_with_its_watchdog_in_the_group)
{
	pid_t child;

	make();
	child = fork();
	if (!child) {
		setpgid(0, 0);
		if (!hvd_freeze(&f, &mounts, 60, -1))
			pause();
		_exit(1);
	}
	for (unsigned i = 0; i < 300 && frozen() < MOUNTS; i++)
		usleep(10000);
	TAP_EQ(frozen(), MOUNTS);
	kill(-child, SIGTERM);
	waitpid(child, NULL, 0);
	TAP_CHECK(thawed_within(20000));
}

TAP_MAIN()
