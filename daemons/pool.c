/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Programs lock these files in one of two ways (fcntl and flock), and so both locks are taken. Because the file is replaced, whoever
 * gets a lock looks whether it still is the file of that name.
 */
#include "daemons/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hvp_kvp.h"

/* Other programs hold a lock for as long as it takes to write a few pairs. */
#define LOCK_TRIES   100
#define LOCK_STEP_US 20000

_Static_assert(sizeof(struct hvd_pair) == HVD_KEY_BYTES + HVD_VALUE_BYTES, "as in the file");

struct pool {
	int fd; /* locked */
	struct hvd_pair *pair;
	size_t count;
};

static int folder_fd = -1;

int hvd_pools_open(const char *folder, bool make)
{
	if (make && mkdir(folder, 0755) && errno != EEXIST)
		return -errno;
	folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return folder_fd < 0 ? -errno : 0;
}

int hvd_pools_folder(void)
{
	return folder_fd;
}

static void name_of(char name[32], unsigned pool, const char *end)
{
	snprintf(name, 32, ".kvp_pool_%u%s", pool, end);
}

/* --- the lock ---------------------------------------------------------------------------------------- */

static int lock(int fd, bool alone)
{
	const short type = alone ? F_WRLCK : F_RDLCK;
	struct flock whole = { .l_type = type, .l_whence = SEEK_SET };

	for (unsigned i = 0; i < LOCK_TRIES; i++) {
		if (!fcntl(fd, F_SETLK, &whole)) {
			if (!flock(fd, (alone ? LOCK_EX : LOCK_SH) | LOCK_NB))
				return 0;
			whole.l_type = F_UNLCK;
			fcntl(fd, F_SETLK, &whole);
			whole.l_type = type;
		}
		if (errno != EAGAIN && errno != EACCES && errno != EWOULDBLOCK)
			return -errno;
		usleep(LOCK_STEP_US);
	}
	return -ETIMEDOUT;
}

/* The file that has the name, locked; made if it is missing. */
static int open_locked(unsigned pool)
{
	char name[32];

	name_of(name, pool, "");
	for (;;) {
		struct stat locked, named;
		int fd = openat(folder_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
		int err = fd < 0 ? -errno : lock(fd, true);

		if (!err && fstat(fd, &locked))
			err = -errno;
		if (!err && !fstatat(folder_fd, name, &named, AT_SYMLINK_NOFOLLOW) &&
		    named.st_ino == locked.st_ino && named.st_dev == locked.st_dev)
			return fd;
		if (fd >= 0)
			close(fd);
		if (err)
			return err;
	}
}

/* --- the file ---------------------------------------------------------------------------------------- */

/* Other programs may fill all the room of a text. */
static void terminate(struct hvd_pair *pair)
{
	pair->key[HVD_KEY_BYTES - 1] = '\0';
	pair->value[HVD_VALUE_BYTES - 1] = '\0';
}

static int read_all(struct pool *p, off_t bytes)
{
	size_t count = (size_t)bytes / sizeof(struct hvd_pair), got = 0, want;

	/* What is not a whole pair at the end is what somebody has not finished. */
	if (count > HVD_PAIRS_MAX)
		count = HVD_PAIRS_MAX;
	want = count * sizeof(struct hvd_pair);
	/* Room for one more. */
	p->pair = calloc(count + 1, sizeof(struct hvd_pair));
	if (!p->pair)
		return -ENOMEM;
	while (got < want) {
		ssize_t n = pread(p->fd, (char *)p->pair + got, want - got, (off_t)got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		got += (size_t)n;
	}
	p->count = count;
	for (size_t i = 0; i < count; i++)
		terminate(&p->pair[i]);
	return 0;
}

static void leave(struct pool *p)
{
	free(p->pair);
	/* Both locks go with it. */
	close(p->fd);
}

static int enter(struct pool *p, unsigned pool)
{
	struct stat status;
	int err;

	*p = (struct pool){ .fd = open_locked(pool) };
	if (p->fd < 0)
		return p->fd;
	err = fstat(p->fd, &status) ? -errno : read_all(p, status.st_size);
	if (err)
		leave(p);
	return err;
}

static int write_all(int fd, const struct pool *p)
{
	size_t left = p->count * sizeof(struct hvd_pair);
	const char *at = (const char *)p->pair;

	while (left) {
		ssize_t n = write(fd, at, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		at += n;
		left -= (size_t)n;
	}
	return fchmod(fd, 0644) || fdatasync(fd) ? -errno : 0;
}

/* Under the lock of the file that is replaced. */
static int replace(const struct pool *p, unsigned pool)
{
	char name[32], fresh[32];
	int fd, err;

	name_of(name, pool, "");
	name_of(fresh, pool, ".new");
	/* One that was left behind is in nobody's use. */
	fd = openat(folder_fd, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	err = write_all(fd, p);
	close(fd);
	if (!err && renameat(folder_fd, fresh, folder_fd, name))
		err = -errno;
	if (err)
		unlinkat(folder_fd, fresh, 0);
	return err;
}

/* Where other programs write, too. */
static int write_in_place(const struct pool *p, const struct hvd_pair *pair)
{
	ssize_t n;

	do
		n = pwrite(p->fd, pair, sizeof(*pair), (pair - p->pair) * (off_t)sizeof(*pair));
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(*pair))
		return n < 0 ? -errno : -ENOSPC;
	return fdatasync(p->fd) ? -errno : 0;
}

/* --- pairs ------------------------------------------------------------------------------------------- */

static struct hvd_pair *find(const struct pool *p, const char *key)
{
	for (size_t i = 0; i < p->count; i++)
		if (!strcmp(p->pair[i].key, key))
			return &p->pair[i];
	return NULL;
}

int hvd_pool_read(unsigned pool, struct hvd_pair **pairs, size_t *count)
{
	struct pool p = { .fd = -1 };
	struct stat status;
	char name[32];
	int err = 0;

	*pairs = NULL;
	*count = 0;
	name_of(name, pool, "");
	p.fd = openat(folder_fd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (p.fd < 0)
		return errno == ENOENT ? 0 : -errno;
	err = lock(p.fd, false);
	if (!err)
		err = fstat(p.fd, &status) ? -errno : read_all(&p, status.st_size);
	close(p.fd);
	if (err) {
		free(p.pair);
		return err;
	}
	*pairs = p.pair;
	*count = p.count;
	return 0;
}

int hvd_pool_get(unsigned pool, const char *key, char value[HVD_VALUE_BYTES])
{
	const struct hvd_pair *pair;
	struct pool p;
	int err = enter(&p, pool);

	if (err)
		return err;
	pair = find(&p, key);
	if (pair)
		memcpy(value, pair->value, HVD_VALUE_BYTES);
	leave(&p);
	return pair ? 0 : -ENOENT;
}

/* Hosts read a pool pair by pair: no more is read than that one. */
int hvd_pool_at(unsigned pool, uint32_t index, struct hvd_pair *pair)
{
	int fd = open_locked(pool);
	ssize_t n;

	if (fd < 0)
		return fd;
	do
		n = index < HVD_PAIRS_MAX ?
			    pread(fd, pair, sizeof(*pair), index * (off_t)sizeof(*pair)) :
			    0;
	while (n < 0 && errno == EINTR);
	n = n < 0 ? -errno : n;
	close(fd);
	if (n < 0)
		return (int)n;
	terminate(pair);
	return n == (ssize_t)sizeof(*pair) ? 0 : -ENOENT;
}

int hvd_pool_set(unsigned pool, const char *key, const char *value)
{
	struct hvd_pair *pair;
	struct pool p;
	int err = enter(&p, pool);

	if (err)
		return err;
	pair = find(&p, key);
	if (!pair && p.count < HVD_PAIRS_MAX)
		pair = &p.pair[p.count++];
	if (pair) {
		memset(pair, 0, sizeof(*pair));
		snprintf(pair->key, sizeof(pair->key), "%s", key);
		snprintf(pair->value, sizeof(pair->value), "%s", value);
		err = pool == HVP_KVP_POOL_GUEST ? write_in_place(&p, pair) : replace(&p, pool);
	} else {
		err = -EFBIG;
	}
	leave(&p);
	return err;
}

int hvd_pool_delete(unsigned pool, const char *key)
{
	struct hvd_pair *pair;
	struct pool p;
	int err = enter(&p, pool);

	if (err)
		return err;
	pair = find(&p, key);
	if (pair) {
		size_t behind = p.count - (size_t)(pair - p.pair) - 1;

		memmove(pair, pair + 1, behind * sizeof(*pair));
		p.count--;
		err = replace(&p, pool);
	} else {
		err = -ENOENT;
	}
	leave(&p);
	return err;
}
