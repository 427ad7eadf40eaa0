/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Between the first freeze and the last thaw neither process writes, logs or allocates: whoever waits for a frozen file
 * system waits for us.
 */
#include "daemons/freeze.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* What we have done to a file system. */
enum {
	NOTHING,
	FREEZING, /* the kernel has been told to */
	FROZEN,
};

/* Of both processes. */
struct hvd_freeze_shared {
	atomic_bool over; /* the watchdog thaws, or has thawed */
	atomic_uchar state[HVD_MOUNTS_MAX];
};

/* --- what is done ------------------------------------------------------------------------------------ */

static int sync_it(int fd)
{
	return syncfs(fd) ? -errno : 0;
}

static int freeze_it(int fd)
{
	return ioctl(fd, FIFREEZE, 0) ? -errno : 0;
}

static int thaw_it(int fd)
{
	return ioctl(fd, FITHAW, 0) ? -errno : 0;
}

const struct hvd_freeze_ops hvd_freeze_ops = { sync_it, freeze_it, thaw_it };

__attribute__((format(printf, 2, 3))) static void report(struct hvd_freeze *f, const char *format,
							 ...)
{
	size_t room = sizeof(f->report) - f->report_len;
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(f->report + f->report_len, room, format, args);
	va_end(args);
	if (len > 0)
		f->report_len += (size_t)len < room ? (size_t)len : room - 1;
}

/* If it is in that state. */
static void thaw_one(const struct hvd_freeze *f, size_t i, unsigned char state)
{
	if (atomic_compare_exchange_strong(&f->shared->state[i], &state, NOTHING))
		f->ops->thaw(f->fd[i]);
}

/* What was frozen first is thawed last. */
static void thaw_all(const struct hvd_freeze *f)
{
	for (size_t i = 0; i < f->count; i++)
		thaw_one(f, i, FROZEN);
}

/* Nobody knows how a freeze ended that was under way; one too many is better than a system that stands still. */
static void thaw_after_death(const struct hvd_freeze *f)
{
	for (size_t i = 0; i < f->count; i++)
		thaw_one(f, i, FREEZING);
	thaw_all(f);
}

/* --- the watchdog ------------------------------------------------------------------------------------ */

/* As poll(2), for so long. */
static int wait_until(int fd, int timeout_ms)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	int n;

	do
		n = poll(&ready, 1, timeout_ms);
	while (n < 0 && errno == EINTR);
	return n;
}

__attribute__((noreturn)) static void watch(const struct hvd_freeze *f, int alive, unsigned limit_s)
{
	static const int ignored[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE };
	char byte;
	int n;

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	setsid();
	prctl(PR_SET_NAME, "hvis-vssd-watch");
	/* Without it all the same: what it needs was just used. */
	(void)mlockall(MCL_CURRENT | MCL_FUTURE);
	n = wait_until(alive, (int)limit_s * 1000);
	if (!n) {
		atomic_store(&f->shared->over, true);
		thaw_all(f);
		/* A freeze may be under way even now. */
		n = wait_until(alive, -1);
	}
	/* A byte: all is thawed. Nothing more to read: it has died. */
	if (n > 0 && read(alive, &byte, 1) == 1)
		_exit(0);
	atomic_store(&f->shared->over, true);
	thaw_after_death(f);
	_exit(0);
}

static int start_watchdog(struct hvd_freeze *f, unsigned limit_s, int device)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return -errno;
	f->watchdog = fork();
	if (!f->watchdog) {
		close(ends[1]);
		/* The driver must see the daemon go. */
		if (device >= 0)
			close(device);
		watch(f, ends[0], limit_s);
	}
	close(ends[0]);
	f->peer = ends[1];
	return f->watchdog < 0 ? -errno : 0;
}

static void stop_watchdog(struct hvd_freeze *f)
{
	if (f->watchdog > 0) {
		(void)!send(f->peer, "", 1, MSG_NOSIGNAL);
		while (waitpid(f->watchdog, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (f->peer >= 0)
		close(f->peer);
}

/* --- freeze and thaw --------------------------------------------------------------------------------- */

static void end(struct hvd_freeze *f)
{
	stop_watchdog(f);
	for (size_t i = 0; i < f->count; i++)
		if (f->fd[i] >= 0)
			close(f->fd[i]);
	munmap(f->shared, sizeof(*f->shared));
	f->shared = NULL;
}

/* Another file system may be mounted over it; what is there then is that one. */
static bool is_hidden(int fd, const struct hvd_mount *mount)
{
	struct stat status;

	/* btrfs numbers its subvolumes itself. */
	return strcmp(mount->type, "btrfs") && !fstat(fd, &status) &&
	       status.st_dev != mount->device;
}

static void open_all(struct hvd_freeze *f, const struct hvd_mounts *mounts)
{
	f->count = mounts->count;
	for (size_t i = 0; i < mounts->count; i++) {
		const struct hvd_mount *mount = &mounts->mount[i];
		int fd = open(mount->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

		if (fd < 0) {
			report(f, "not frozen: %s (%s): %s\n", mount->path, mount->type,
			       strerror(errno));
		} else if (is_hidden(fd, mount)) {
			report(f, "not frozen: %s (%s): another file system is mounted over it\n",
			       mount->path, mount->type);
			close(fd);
			fd = -1;
		}
		f->fd[i] = fd;
	}
}

/* 0: it is frozen, or is left out. */
static int freeze_one(struct hvd_freeze *f, const struct hvd_mount *mount, size_t i)
{
	int err;

	if (f->fd[i] < 0)
		return 0;
	atomic_store(&f->shared->state[i], FREEZING);
	err = f->ops->freeze(f->fd[i]);
	atomic_store(&f->shared->state[i], err ? NOTHING : FROZEN);
	if (!err)
		return 0;
	report(f, "not frozen: %s (%s): %s\n", mount->path, mount->type,
	       err == -EBUSY ? "somebody else has frozen it" : strerror(-err));
	/* What somebody else has frozen stands still, and those that cannot be frozen no backup finds at rest. */
	return err == -EBUSY || err == -EOPNOTSUPP || err == -ENOTTY ? 0 : err;
}

int hvd_freeze(struct hvd_freeze *f, const struct hvd_mounts *mounts, unsigned limit_s, int device)
{
	int err;

	f->watchdog = 0;
	f->peer = -1;
	f->report_len = 0;
	f->report[0] = '\0';
	f->shared = mmap(NULL, sizeof(*f->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (f->shared == MAP_FAILED) {
		f->shared = NULL;
		return -ENOMEM;
	}
	open_all(f, mounts);
	/* Most is written while all still goes on; so the freeze is short. */
	for (size_t i = 0; i < f->count; i++)
		if (f->fd[i] >= 0)
			f->ops->sync(f->fd[i]);
	err = start_watchdog(f, limit_s, device);
	for (size_t i = f->count; i-- > 0 && !err;) {
		err = freeze_one(f, &mounts->mount[i], i);
		if (!err && atomic_load(&f->shared->over))
			err = -ETIME;
	}
	if (err) {
		thaw_all(f);
		end(f);
	}
	return err;
}

int hvd_thaw(struct hvd_freeze *f)
{
	bool over;

	if (!f->shared)
		return 0;
	thaw_all(f);
	over = atomic_load(&f->shared->over);
	end(f);
	return over ? -ETIME : 0;
}
