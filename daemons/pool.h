/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Pools of key-value pairs in files: 2560 bytes for each pair, 512 for the key and 2048 for the value, filled up with
 * zeroes. Other programs read and write them too, so this is as the kernel's own daemon has it.
 *
 * Every call works on what the file holds at that moment, under its lock. Whoever comes after a crash finds each pair as it was
 * before the call or after it, and what was confirmed is there. Where a pair is deleted, or much of it changed, the file is replaced;
 * but the guest's own pool only to delete one, because programs that write it do not look whether the file that they have the lock
 * of has been replaced.
 */
#ifndef DAEMONS_POOL_H
#define DAEMONS_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HVD_KEY_BYTES	512
#define HVD_VALUE_BYTES 2048

/* More than this no pool has; a file may be longer, and its end is then left out. */
#define HVD_PAIRS_MAX 65536

struct hvd_pair {
	char key[HVD_KEY_BYTES];
	char value[HVD_VALUE_BYTES];
};

/* The files lie in `folder`; `make`: it is made if it is missing. 0 or -errno. */
int hvd_pools_open(const char *folder, bool make);

/* All pairs, to be freed, by whoever may read the file; none if there is no file. */
int hvd_pool_read(unsigned pool, struct hvd_pair **pairs, size_t *count);

/* -ENOENT: there is no such pair; -ETIMEDOUT: another program keeps the lock; -EFBIG: too many pairs; others of files. */
int hvd_pool_get(unsigned pool, const char *key, char value[HVD_VALUE_BYTES]);
int hvd_pool_set(unsigned pool, const char *key, const char *value);
int hvd_pool_delete(unsigned pool, const char *key);
int hvd_pool_at(unsigned pool, uint32_t index, struct hvd_pair *pair);

/* The folder, for files beside the pools. */
int hvd_pools_folder(void);

#endif
