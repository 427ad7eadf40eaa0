/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A disk whose cache can be lost, under any program: preloaded into it, this writes down what the program does to one file, and
 * which of that a sync has made durable. tests/vm/disk_cuts makes of it what the medium may hold after a cut.
 *
 * Environment: CUT_FILE, the file; CUT_LOG, where to write. Records: struct record, behind a write its data.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind {
	KIND_WRITE = 1,
	KIND_SYNC = 2, /* length: of the log when the sync began: what stands before is durable */
	KIND_SIZE = 3, /* length: the file's new one */
};

struct record {
	uint64_t kind, offset, length;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;
static struct stat watched;

__attribute__((constructor)) static void begin(void)
{
	const char *file = getenv("CUT_FILE"), *log = getenv("CUT_LOG");

	if (file && log && !stat(file, &watched))
		log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static bool is_watched(int fd)
{
	struct stat st;

	return log_fd >= 0 && !fstat(fd, &st) && st.st_dev == watched.st_dev &&
	       st.st_ino == watched.st_ino;
}

static void put(enum kind kind, uint64_t offset, uint64_t length, const struct iovec *iov,
		int count)
{
	struct record record = { kind, offset, length };
	struct iovec all[1 + 1024] = { { &record, sizeof(record) } };
	uint64_t left = length;
	int n = 1;

	/* What was written may be less than was asked for. */
	for (int i = 0; i < count && left && n < 1025; i++, n++) {
		all[n] = iov[i];
		if (all[n].iov_len > left)
			all[n].iov_len = left;
		left -= all[n].iov_len;
	}
	if (writev(log_fd, all, n) < 0)
		abort();
}

/* By another name, so that the compiler does not take it for what it declares. */
#define NEXT(type, name) ((type)dlsym(RTLD_NEXT, name))

static ssize_t write_watched(const char *name, int fd, const struct iovec *iov, int count,
			     off_t offset)
{
	ssize_t (*next)(int, const struct iovec *, int, off_t) =
		NEXT(ssize_t(*)(int, const struct iovec *, int, off_t), name);
	ssize_t done;

	if (!is_watched(fd))
		return next(fd, iov, count, offset);
	pthread_mutex_lock(&lock);
	done = next(fd, iov, count, offset);
	if (done > 0)
		put(KIND_WRITE, (uint64_t)offset, (uint64_t)done, iov, count);
	pthread_mutex_unlock(&lock);
	return done;
}

ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
	return write_watched("pwritev", fd, iov, count, offset);
}

ssize_t pwritev64(int fd, const struct iovec *iov, int count, off64_t offset)
{
	return write_watched("pwritev64", fd, iov, count, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
	const struct iovec iov = { (void *)bytes, length };

	return write_watched("pwritev", fd, &iov, 1, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset)
{
	return pwrite(fd, bytes, length, offset);
}

static int sync_watched(const char *name, int fd)
{
	int (*next)(int) = NEXT(int (*)(int), name);
	bool watches = is_watched(fd);
	uint64_t covers = 0;
	int err;

	if (watches) {
		pthread_mutex_lock(&lock);
		covers = (uint64_t)lseek(log_fd, 0, SEEK_END);
		pthread_mutex_unlock(&lock);
	}
	err = next(fd);
	if (watches && !err) {
		pthread_mutex_lock(&lock);
		put(KIND_SYNC, 0, covers, NULL, 0);
		pthread_mutex_unlock(&lock);
	}
	return err;
}

int fsync(int fd)
{
	return sync_watched("fsync", fd);
}

int fdatasync(int fd)
{
	return sync_watched("fdatasync", fd);
}

int ftruncate(int fd, off_t length)
{
	int (*next)(int, off_t) = NEXT(int (*)(int, off_t), "ftruncate");
	int err;

	if (!is_watched(fd))
		return next(fd, length);
	pthread_mutex_lock(&lock);
	err = next(fd, length);
	if (!err)
		put(KIND_SIZE, 0, (uint64_t)length, NULL, 0);
	pthread_mutex_unlock(&lock);
	return err;
}

int ftruncate64(int fd, off64_t length)
{
	return ftruncate(fd, length);
}
