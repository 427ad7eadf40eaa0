/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Pools in files: what is written where, and what other programs have done to a file meanwhile.
 */
#include "daemons/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hvp_kvp.h"
#include "tap.h"

#define PAIRS_MAX 100

static char folder[] = "/tmp/hvis-pool-XXXXXX";
static struct hvd_pair pair[PAIRS_MAX], *found; /* as they are to be, and as they are read */
static size_t pairs;

static const char *path_of(unsigned pool)
{
	static char path[64];

	snprintf(path, sizeof(path), "%s/.kvp_pool_%u", folder, pool);
	return path;
}

/* Empty pools, and none expected. */
static void make(void)
{
	static bool made;

	if (!made && (!mkdtemp(folder) || hvd_pools_open(folder, true)))
		abort();
	made = true;
	for (unsigned pool = 0; pool < HVP_KVP_POOLS; pool++)
		unlink(path_of(pool));
	pairs = 0;
}

static void expect(const char *key, const char *value)
{
	size_t i = 0;

	while (i < pairs && strcmp(pair[i].key, key))
		i++;
	pairs += i == pairs;
	memset(&pair[i], 0, sizeof(pair[i]));
	snprintf(pair[i].key, sizeof(pair[i].key), "%s", key);
	snprintf(pair[i].value, sizeof(pair[i].value), "%s", value);
}

static int set(unsigned pool, const char *key, const char *value)
{
	expect(key, value);
	return hvd_pool_set(pool, key, value);
}

static ino_t number_of(unsigned pool)
{
	struct stat status;

	return stat(path_of(pool), &status) ? 0 : status.st_ino;
}

/* The file holds what is expected, byte for byte. */
static bool as_expected(unsigned pool)
{
	static struct hvd_pair file[PAIRS_MAX + 1];
	int fd = open(path_of(pool), O_RDONLY);
	ssize_t n = read(fd, file, sizeof(file));

	close(fd);
	return n == (ssize_t)(pairs * sizeof(*pair)) && !memcmp(file, pair, (size_t)n);
}

/* As another program does it. */
static void write_file(unsigned pool, int flags, const void *bytes, size_t len, off_t at)
{
	int fd = open(path_of(pool), O_WRONLY | O_CREAT | flags, 0644);

	if (fd < 0 || pwrite(fd, bytes, len, at) != (ssize_t)len)
		abort();
	close(fd);
}

static const char *text(char with, size_t len)
{
	static char buffer[2][HVD_VALUE_BYTES];
	static unsigned next;

	next = !next;
	memset(buffer[next], with, len);
	buffer[next][len] = '\0';
	return buffer[next];
}

TAP_TEST(pairs_are_added_at_the_end)
{
	ino_t before;

	make();
	TAP_EQ(set(0, "first", "1"), 0);
	before = number_of(0);
	for (unsigned i = 0; i < 40; i++) {
		char key[16];

		snprintf(key, sizeof(key), "key-%u", i);
		TAP_EQ(set(0, key, text('v', i * 50)), 0);
	}
	TAP_CHECK(as_expected(0));
	TAP_CHECK(number_of(0) == before);
	TAP_EQ(set(0, text('k', HVD_KEY_BYTES - 1), text('v', HVD_VALUE_BYTES - 1)), 0);
	TAP_CHECK(as_expected(0) && number_of(0) == before);
}

TAP_TEST(what_lies_in_a_sector_is_changed_there_and_else_the_file_is_replaced)
{
	ino_t before;

	make();
	set(0, "a", "1");
	set(0, "b", text('x', 1000));
	before = number_of(0);
	TAP_EQ(set(0, "a", text('2', 511)), 0);
	/* Its last bytes, which lie in the second sector of the value */
	TAP_EQ(set(0, "b", text('x', 700)), 0);
	TAP_CHECK(number_of(0) == before && as_expected(0));
	/* The same again */
	TAP_EQ(set(0, "b", text('x', 700)), 0);
	TAP_CHECK(number_of(0) == before && as_expected(0));
	TAP_EQ(set(0, "a", text('2', 513)), 0);
	TAP_CHECK(number_of(0) != before && as_expected(0));
	before = number_of(0);
	TAP_EQ(set(0, "b", ""), 0);
	TAP_CHECK(number_of(0) != before && as_expected(0));
}

/* Programs that write there do not look whether the file has been replaced. */
TAP_TEST(the_guests_own_pool_stays_the_file_that_it_is)
{
	ino_t before;

	make();
	set(HVP_KVP_POOL_GUEST, "a", text('1', 2000));
	set(HVP_KVP_POOL_GUEST, "b", "2");
	before = number_of(HVP_KVP_POOL_GUEST);
	TAP_EQ(set(HVP_KVP_POOL_GUEST, "a", "3"), 0);
	TAP_CHECK(number_of(HVP_KVP_POOL_GUEST) == before && as_expected(HVP_KVP_POOL_GUEST));
}

TAP_TEST(a_pair_is_deleted)
{
	char value[HVD_VALUE_BYTES];

	make();
	set(3, "b", "2");
	TAP_EQ(hvd_pool_set(3, "a", "1"), 0);
	set(3, "c", "3");
	TAP_EQ(hvd_pool_delete(3, "a"), 0);
	TAP_CHECK(as_expected(3));
	TAP_EQ(hvd_pool_delete(3, "a"), -ENOENT);
	TAP_EQ(hvd_pool_get(3, "a", value), -ENOENT);
	TAP_EQ(hvd_pool_get(3, "c", value), 0);
	TAP_STR_EQ(value, "3");
	TAP_EQ(set(3, "d", "4"), 0);
	TAP_CHECK(as_expected(3));
}

TAP_TEST(what_another_program_has_not_finished_is_written_over)
{
	make();
	set(0, "a", "1");
	write_file(0, 0, "half", 4, sizeof(*pair));
	TAP_EQ(set(0, "b", "2"), 0);
	TAP_CHECK(as_expected(0));
}

TAP_TEST(a_file_that_was_replaced_is_read_anew)
{
	struct hvd_pair other[2] = { { "z", "26" }, { "a", "27" } };
	char fresh[80];

	make();
	set(0, "a", "1");
	set(0, "b", "2");
	snprintf(fresh, sizeof(fresh), "%s/fresh", folder);
	rename(path_of(0), fresh);
	write_file(0, O_TRUNC, other, sizeof(other), 0);
	pairs = 0;
	expect("z", "26");
	expect("a", "27");
	TAP_EQ(set(0, "a", "3"), 0);
	TAP_CHECK(as_expected(0));
	TAP_EQ(set(0, "b", "4"), 0);
	TAP_CHECK(as_expected(0));
	unlink(fresh);
}

/* Times of files are no finer than the clock's ticks: what is seen of the file is the same before and after. */
TAP_TEST(the_pool_of_other_programs_is_read_each_time)
{
	for (unsigned i = 0; i < 200; i++) {
		char key[16];

		make();
		snprintf(key, sizeof(key), "mine-%u", i);
		set(HVP_KVP_POOL_GUEST, key, "1");
		snprintf(key, sizeof(key), "your-%u", i);
		pairs = 0;
		expect(key, "1");
		write_file(HVP_KVP_POOL_GUEST, 0, pair, sizeof(*pair), 0);
		set(HVP_KVP_POOL_GUEST, key, "2");
		if (!as_expected(HVP_KVP_POOL_GUEST))
			break;
	}
	TAP_CHECK(as_expected(HVP_KVP_POOL_GUEST));
}

TAP_TEST(a_record_without_ends_is_cut)
{
	struct hvd_pair full;
	char value[HVD_VALUE_BYTES];
	size_t count;

	make();
	memset(full.key, 'k', sizeof(full.key));
	memset(full.value, 'v', sizeof(full.value));
	write_file(0, 0, &full, sizeof(full), 0);
	TAP_EQ(hvd_pool_get(0, text('k', HVD_KEY_BYTES - 1), value), 0);
	TAP_STR_EQ(value, text('v', HVD_VALUE_BYTES - 1));
	TAP_EQ(hvd_pool_at(0, 0, &full), 0);
	TAP_EQ(strlen(full.key), HVD_KEY_BYTES - 1);
	TAP_EQ(hvd_pool_read(0, &found, &count), 0);
	TAP_CHECK(count == 1 && strlen(found->value) == HVD_VALUE_BYTES - 1);
	free(found);
	TAP_EQ(set(0, text('k', HVD_KEY_BYTES - 1), "short"), 0);
	TAP_CHECK(as_expected(0));
	/* One that is the longer key's beginning is another. */
	TAP_EQ(set(0, "k", "1"), 0);
	TAP_CHECK(as_expected(0));
}

TAP_TEST(pairs_by_their_place)
{
	struct hvd_pair one;
	size_t count;

	make();
	TAP_EQ(hvd_pool_read(0, &found, &count), 0);
	TAP_CHECK(!count && !found);
	set(0, "a", "1");
	set(0, "b", "2");
	TAP_EQ(hvd_pool_at(0, 1, &one), 0);
	TAP_STR_EQ(one.key, "b");
	TAP_EQ(hvd_pool_at(0, 2, &one), -ENOENT);
	TAP_EQ(hvd_pool_at(0, UINT32_MAX, &one), -ENOENT);
	TAP_EQ(hvd_pool_read(0, &found, &count), 0);
	TAP_CHECK(count == 2 && !memcmp(found, pair, 2 * sizeof(*pair)));
	free(found);
	make();
	rmdir(folder);
}

TAP_MAIN()
