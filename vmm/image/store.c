/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "vmm/image/store.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int vmm_store_read(int fd, void *bytes, size_t len, uint64_t at)
{
	uint8_t *to = bytes;

	while (len) {
		ssize_t got = pread(fd, to, len, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? -errno : -EIO;
		to += got;
		at += (uint64_t)got;
		len -= (size_t)got;
	}
	return 0;
}

int vmm_store_write(int fd, const void *bytes, size_t len, uint64_t at)
{
	const uint8_t *from = bytes;

	while (len) {
		ssize_t put = pwrite(fd, from, len, (off_t)at);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put ? -errno : -EIO;
		from += put;
		at += (uint64_t)put;
		len -= (size_t)put;
	}
	return 0;
}

int vmm_store_sync(int fd)
{
	return fdatasync(fd) < 0 ? -errno : 0;
}

int vmm_store_size(int fd, uint64_t *bytes)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	*bytes = (uint64_t)st.st_size;
	return 0;
}

int vmm_store_resize(int fd, uint64_t bytes)
{
	return ftruncate(fd, (off_t)bytes) < 0 ? -errno : 0;
}

int vmm_store_zero(int fd, uint64_t at, uint64_t bytes)
{
	static const uint8_t zeros[64 << 10];
	int err = 0;

	if (!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)bytes))
		return 0;
	while (bytes && !err) {
		size_t step = bytes < sizeof(zeros) ? bytes : sizeof(zeros);

		err = vmm_store_write(fd, zeros, step, at);
		at += step;
		bytes -= step;
	}
	return err;
}

void vmm_store_random(void *bytes, size_t len)
{
	uint8_t *to = bytes;
	struct timespec now;

	if (getrandom(bytes, len, GRND_NONBLOCK) == (ssize_t)len)
		return;
	/* Early in a machine's life. Identifiers need to differ, not to be secret. */
	clock_gettime(CLOCK_REALTIME, &now);
	for (size_t i = 0; i < len; i++)
		to[i] = (uint8_t)((uint64_t)now.tv_nsec >> i % 4 * 8) ^
			(uint8_t)((uint64_t)now.tv_sec >> i % 5 * 8) ^ (uint8_t)(i * 167);
}
