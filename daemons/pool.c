/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Programs lock these files in one of two ways (fcntl and flock), and so both locks are taken. Because a file may be replaced, whoever
 * gets a lock looks whether it still is the file of that name.
 *
 * A pair that is added, or whose change lies in one sector, is written in its place: what is not a whole pair at the end counts for
 * nobody, and a sector is the old or the new one after any crash. Anything else replaces the file.
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

/* Disks write as much at once, or not at all. */
#define SECTOR_BYTES 512

/* Pairs that are read at once */
#define CHUNK_PAIRS 16

_Static_assert(sizeof(struct hvd_pair) % SECTOR_BYTES == 0, "no sector is of two pairs");
_Static_assert(sizeof(struct hvd_pair) == HVD_KEY_BYTES + HVD_VALUE_BYTES, "as in the file");

struct pool {
	int fd; /* locked */
	struct hvd_pair *pair;
	size_t count;
};

/* Hashes of the keys in a file, so that not all of it has to be read for one. What is found by them is looked at. */
struct index {
	struct stat of; /* the file as it was; st_ino 0: none */
	uint32_t *hash;
	size_t count, room;
};

static struct index indexes[HVP_KVP_POOLS];
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

/* What is not a whole pair at the end is what somebody has not finished. */
static size_t pairs_in(off_t bytes)
{
	size_t count = (size_t)bytes / sizeof(struct hvd_pair);

	return count < HVD_PAIRS_MAX ? count : HVD_PAIRS_MAX;
}

static int read_pairs(int fd, struct hvd_pair *pair, size_t first, size_t count)
{
	size_t want = count * sizeof(*pair), got = 0;

	while (got < want) {
		ssize_t n = pread(fd, (char *)pair + got, want - got,
				  (off_t)(first * sizeof(*pair) + got));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		got += (size_t)n;
	}
	return 0;
}

static int read_all(struct pool *p, off_t bytes)
{
	int err;

	p->count = pairs_in(bytes);
	p->pair = malloc((p->count + 1) * sizeof(struct hvd_pair));
	err = p->pair ? read_pairs(p->fd, p->pair, 0, p->count) : -ENOMEM;
	for (size_t i = 0; i < p->count && !err; i++)
		terminate(&p->pair[i]);
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
	if (!err && (renameat(folder_fd, fresh, folder_fd, name) || fsync(folder_fd)))
		err = -errno;
	if (err)
		unlinkat(folder_fd, fresh, 0);
	return err;
}

static int write_in_place(int fd, const void *bytes, size_t len, off_t at)
{
	ssize_t n;

	do
		n = pwrite(fd, bytes, len, at);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)len)
		return n < 0 ? -errno : -ENOSPC;
	return fdatasync(fd) ? -errno : 0;
}

/* --- keys -------------------------------------------------------------------------------------------- */

/* Other programs may leave a key without an end. */
static uint32_t hash_of(const char *key)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < HVD_KEY_BYTES - 1 && key[i]; i++)
		hash = (hash ^ (unsigned char)key[i]) * 16777619u;
	return hash;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static int add_hash(struct index *index, uint32_t hash)
{
	if (index->count == index->room) {
		size_t room = index->room ? index->room * 2 : 64;
		uint32_t *more = realloc(index->hash, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		index->hash = more;
		index->room = room;
	}
	index->hash[index->count++] = hash;
	return 0;
}

static int make_index(struct index *index, int fd, const struct stat *status)
{
	static struct hvd_pair chunk[CHUNK_PAIRS];
	const size_t count = pairs_in(status->st_size);
	int err = 0;

	index->of.st_ino = 0;
	index->count = 0;
	for (size_t first = 0; first < count && !err; first += CHUNK_PAIRS) {
		size_t here = count - first < CHUNK_PAIRS ? count - first : CHUNK_PAIRS;

		err = read_pairs(fd, chunk, first, here);
		for (size_t i = 0; i < here && !err; i++)
			err = add_hash(index, hash_of(chunk[i].key));
	}
	if (!err)
		index->of = *status;
	return err;
}

/*
 * The pair of that key, as it lies there, and its place; -ENOENT: there is none, and the place is the end. Times of files are no finer than the
 * clock's ticks, so the index is not asked of the pool that other programs write.
 */
static int locate(unsigned pool, int fd, const char *key, struct hvd_pair *pair, size_t *at)
{
	struct index *index = &indexes[pool];
	const uint32_t hash = hash_of(key);
	struct stat status;
	int err = fstat(fd, &status) ? -errno : 0;

	if (!err && (pool == HVP_KVP_POOL_GUEST || !is_same(&index->of, &status)))
		err = make_index(index, fd, &status);
	for (*at = 0; !err && *at < index->count; ++*at) {
		if (index->hash[*at] != hash)
			continue;
		err = read_pairs(fd, pair, *at, 1);
		if (err || !strncmp(pair->key, key, HVD_KEY_BYTES - 1))
			return err;
	}
	return err ? err : -ENOENT;
}

/* The file has changed, and the index with it. */
static void keep_index(unsigned pool, int fd)
{
	if (fstat(fd, &indexes[pool].of))
		indexes[pool].of.st_ino = 0;
}

/* --- pairs ------------------------------------------------------------------------------------------- */

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
	struct hvd_pair pair;
	size_t at;
	int fd = open_locked(pool), err;

	if (fd < 0)
		return fd;
	err = locate(pool, fd, key, &pair, &at);
	terminate(&pair);
	if (!err)
		memcpy(value, pair.value, HVD_VALUE_BYTES);
	close(fd);
	return err;
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

static int append(unsigned pool, int fd, const struct hvd_pair *pair, size_t at)
{
	int err;

	if (at == HVD_PAIRS_MAX)
		return -EFBIG;
	err = add_hash(&indexes[pool], hash_of(pair->key));
	if (!err)
		err = write_in_place(fd, pair, sizeof(*pair), (off_t)(at * sizeof(*pair)));
	/* A file that is new, for all to read. */
	if (!err && !at && (fchmod(fd, 0644) || fsync(folder_fd)))
		err = -errno;
	if (err)
		indexes[pool].of.st_ino = 0;
	else
		keep_index(pool, fd);
	return err;
}

/* The pair at that place becomes another with the same key, or, NULL, goes. Under the lock. */
static int replace_pair(unsigned pool, int fd, size_t at, const struct hvd_pair *pair)
{
	struct pool p = { .fd = fd };
	struct stat status;
	int err = fstat(fd, &status) ? -errno : read_all(&p, status.st_size);

	if (!err && pair)
		p.pair[at] = *pair;
	else if (!err)
		memmove(&p.pair[at], &p.pair[at + 1], (--p.count - at) * sizeof(*pair));
	if (!err)
		err = replace(&p, pool);
	indexes[pool].of.st_ino = 0;
	free(p.pair);
	return err;
}

static int change(unsigned pool, int fd, const struct hvd_pair *old, const struct hvd_pair *pair,
		  size_t at)
{
	const char *from = (const char *)old, *to = (const char *)pair;
	size_t first = 0, end = sizeof(*pair);
	int err;

	while (first < end && from[first] == to[first])
		first++;
	while (end > first && from[end - 1] == to[end - 1])
		end--;
	/* Whose programs have the lock of the guest's file do not look whether it is replaced. */
	if (pool != HVP_KVP_POOL_GUEST && first < end &&
	    first / SECTOR_BYTES != (end - 1) / SECTOR_BYTES)
		return replace_pair(pool, fd, at, pair);
	err = write_in_place(fd, to + first, end - first, (off_t)(at * sizeof(*pair) + first));
	keep_index(pool, fd);
	return err;
}

int hvd_pool_set(unsigned pool, const char *key, const char *value)
{
	struct hvd_pair pair = { .key = "" }, old;
	size_t at;
	int fd = open_locked(pool), err;

	if (fd < 0)
		return fd;
	snprintf(pair.key, sizeof(pair.key), "%s", key);
	snprintf(pair.value, sizeof(pair.value), "%s", value);
	err = locate(pool, fd, pair.key, &old, &at);
	if (!err)
		err = change(pool, fd, &old, &pair, at);
	else if (err == -ENOENT)
		err = append(pool, fd, &pair, at);
	/* Both locks go with it. */
	close(fd);
	return err;
}

int hvd_pool_delete(unsigned pool, const char *key)
{
	struct hvd_pair pair;
	size_t at;
	int fd = open_locked(pool), err;

	if (fd < 0)
		return fd;
	err = locate(pool, fd, key, &pair, &at);
	if (!err)
		err = replace_pair(pool, fd, at, NULL);
	close(fd);
	return err;
}
