/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Files in memory for the code of images (vmm/image/store.h), which remember what was done to them, so that one can see what
 * a crash may leave of it; and which fail when told to. One thread.
 */
#ifndef FUZZ_MEMORY_STORE_H
#define FUZZ_MEMORY_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vmm_disk_call;
struct vmm_disk_file;

/* A file cannot be larger. */
extern uint64_t memory_store_max;

enum memory_op_kind {
	MEMORY_WRITE,
	MEMORY_RESIZE, /* to `at` */
	MEMORY_ZERO,
	MEMORY_SYNC,
};

struct memory_op {
	enum memory_op_kind kind;
	bool durable; /* WRITE: it was not done before it was on the medium */
	uint64_t at, bytes;
	uint8_t *data; /* WRITE */
};

struct memory_store {
	uint8_t **page; /* NULL: zeros */
	uint64_t pages, bytes;
	bool records;
	struct memory_op *op;
	unsigned ops, ops_max;
	bool lies; /* says that it has synced, and has not */
	int fail_after; /* so many changes from now on one fails; negative: none */
	int fail_err;
	unsigned syncs;
};

/* An empty file; what stands for its descriptor. */
int memory_store_create(void);
void memory_store_destroy(int fd);
struct memory_store *memory_store_of(int fd);

/* The same bytes; nothing recorded. */
void memory_store_copy(int to, int from);

/* Carry out again. False for the kind SYNC. */
void memory_store_apply(int fd, const struct memory_op *op);

void memory_store_forget(int fd); /* what was recorded */

/* From and to a file of the system; false: it cannot be read or written. */
bool memory_store_load(int fd, const char *path);
bool memory_store_save(int fd, const char *path);

/* Takes the place of vmm_disk_call(). */
int memory_store_call(const struct vmm_disk_file *file, const struct vmm_disk_call *call);

#endif
