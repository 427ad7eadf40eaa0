/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "fuzz/memory_store.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "vmm/disk/call.h"
#include "vmm/disk/file.h"
#include "vmm/image/image.h"
#include "vmm/image/store.h"

#define STORES 16
#define PAGE   4096u

/* Descriptors are far from any of the system's. */
#define FIRST_FD 100000

uint64_t memory_store_max = 16ull << 30;

static struct memory_store *stores[STORES];

static void *must(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

int memory_store_create(void)
{
	int i = 0;

	while (stores[i])
		if (++i == STORES)
			abort();
	stores[i] = must(calloc(1, sizeof(*stores[i])));
	stores[i]->fail_after = -1;
	return FIRST_FD + i;
}

struct memory_store *memory_store_of(int fd)
{
	if (fd < FIRST_FD || fd >= FIRST_FD + STORES || !stores[fd - FIRST_FD])
		abort();
	return stores[fd - FIRST_FD];
}

void memory_store_forget(int fd)
{
	struct memory_store *s = memory_store_of(fd);

	for (unsigned i = 0; i < s->ops; i++)
		free(s->op[i].data);
	s->ops = 0;
}

static void set_size(struct memory_store *s, uint64_t bytes)
{
	uint64_t pages = (bytes + PAGE - 1) / PAGE;

	for (uint64_t i = pages; i < s->pages; i++)
		free(s->page[i]);
	if (pages != s->pages) {
		s->page = must(realloc(s->page, (pages + 1) * sizeof(*s->page)));
		for (uint64_t i = s->pages; i < pages; i++)
			s->page[i] = NULL;
	}
	/* What is behind the end is zeros when the file grows again. */
	if (bytes < s->bytes && bytes % PAGE && s->page[bytes / PAGE])
		memset(s->page[bytes / PAGE] + bytes % PAGE, 0, PAGE - bytes % PAGE);
	s->pages = pages;
	s->bytes = bytes;
}

void memory_store_destroy(int fd)
{
	struct memory_store *s = memory_store_of(fd);

	memory_store_forget(fd);
	set_size(s, 0);
	free(s->page);
	free(s->op);
	free(s);
	stores[fd - FIRST_FD] = NULL;
}

void memory_store_copy(int to, int from)
{
	struct memory_store *t = memory_store_of(to), *f = memory_store_of(from);

	set_size(t, 0);
	set_size(t, f->bytes);
	for (uint64_t i = 0; i < f->pages; i++) {
		if (!f->page[i])
			continue;
		t->page[i] = must(malloc(PAGE));
		memcpy(t->page[i], f->page[i], PAGE);
	}
}

static void put(struct memory_store *s, uint64_t at, const uint8_t *bytes, uint64_t len)
{
	if (at + len > s->bytes)
		set_size(s, at + len);
	while (len) {
		uint8_t **page = &s->page[at / PAGE];
		uint64_t step = PAGE - at % PAGE < len ? PAGE - at % PAGE : len;

		if (!*page && bytes)
			*page = must(calloc(1, PAGE));
		if (bytes)
			memcpy(*page + at % PAGE, bytes, step);
		else if (*page)
			memset(*page + at % PAGE, 0, step);
		bytes = bytes ? bytes + step : NULL;
		at += step;
		len -= step;
	}
}

static void get(const struct memory_store *s, uint64_t at, uint8_t *bytes, uint64_t len)
{
	while (len) {
		const uint8_t *page = s->page[at / PAGE];
		uint64_t step = PAGE - at % PAGE < len ? PAGE - at % PAGE : len;

		if (page)
			memcpy(bytes, page + at % PAGE, step);
		else
			memset(bytes, 0, step);
		bytes += step;
		at += step;
		len -= step;
	}
}

void memory_store_apply(int fd, const struct memory_op *op)
{
	struct memory_store *s = memory_store_of(fd);

	if (op->kind == MEMORY_WRITE)
		put(s, op->at, op->data, op->bytes);
	else if (op->kind == MEMORY_RESIZE)
		set_size(s, op->at);
	else if (op->kind == MEMORY_ZERO && op->at < s->bytes)
		put(s, op->at, NULL, op->bytes < s->bytes - op->at ? op->bytes : s->bytes - op->at);
}

/* A change is carried out and remembered, or fails. */
static int change(int fd, struct memory_op op, const void *data)
{
	struct memory_store *s = memory_store_of(fd);

	if (s->fail_after >= 0 && !s->fail_after--)
		return s->fail_err;
	if (op.at > memory_store_max || op.bytes > memory_store_max - op.at)
		return -EFBIG;
	s->syncs += op.kind == MEMORY_SYNC;
	if (op.kind == MEMORY_SYNC && s->lies)
		return 0;
	op.data = (uint8_t *)(uintptr_t)data;
	memory_store_apply(fd, &op);
	if (!s->records)
		return 0;
	if (data) {
		op.data = must(malloc(op.bytes));
		memcpy(op.data, data, op.bytes);
	}
	if (s->ops == s->ops_max) {
		s->ops_max = s->ops_max ? 2 * s->ops_max : 64;
		s->op = must(realloc(s->op, s->ops_max * sizeof(*s->op)));
	}
	s->op[s->ops++] = op;
	return 0;
}

/* --- vmm/image/store.h ------------------------------------------------------------------------------- */

int vmm_store_read(int fd, void *bytes, size_t len, uint64_t at)
{
	struct memory_store *s = memory_store_of(fd);

	if (at > s->bytes || len > s->bytes - at)
		return -EIO;
	get(s, at, bytes, len);
	return 0;
}

int vmm_store_write(int fd, const void *bytes, size_t len, uint64_t at)
{
	return change(fd, (struct memory_op){ .kind = MEMORY_WRITE, .at = at, .bytes = len },
		      bytes);
}

int vmm_store_sync(int fd)
{
	return change(fd, (struct memory_op){ .kind = MEMORY_SYNC }, NULL);
}

int vmm_store_size(int fd, uint64_t *bytes)
{
	*bytes = memory_store_of(fd)->bytes;
	return 0;
}

int vmm_store_resize(int fd, uint64_t bytes)
{
	return change(fd, (struct memory_op){ .kind = MEMORY_RESIZE, .at = bytes }, NULL);
}

int vmm_store_zero(int fd, uint64_t at, uint64_t bytes)
{
	return change(fd, (struct memory_op){ .kind = MEMORY_ZERO, .at = at, .bytes = bytes },
		      NULL);
}

/* The same each time. */
void vmm_store_random(void *bytes, size_t len)
{
	static uint64_t state = 1;
	uint8_t *to = bytes;

	while (len--) {
		state = state * 6364136223846793005ull + 1442695040888963407ull;
		*to++ = (uint8_t)(state >> 56);
	}
}

/* --- calls ------------------------------------------------------------------------------------------- */

static int transfer(int fd, const struct vmm_disk_call *call)
{
	struct memory_store *s = memory_store_of(fd);
	uint64_t at = call->offset;

	for (unsigned i = 0; i < call->iovs; i++, at += call->iov[i - 1].iov_len) {
		struct memory_op op = { .kind = MEMORY_WRITE,
					.at = at,
					.bytes = call->iov[i].iov_len,
					.durable = call->flags & RWF_DSYNC && !s->lies };
		int err;

		if (call->kind == VMM_DISK_READV)
			err = vmm_store_read(fd, call->iov[i].iov_base, op.bytes, at);
		else
			err = change(fd, op, call->iov[i].iov_base);
		if (err)
			return err;
	}
	return (int)(at - call->offset);
}

int memory_store_call(const struct vmm_disk_file *file, const struct vmm_disk_call *call)
{
	switch (call->kind) {
	case VMM_DISK_READV:
	case VMM_DISK_WRITEV:
		return transfer(file->fd, call);
	case VMM_DISK_FALLOCATE:
		return vmm_store_zero(file->fd, call->offset, call->bytes);
	case VMM_DISK_FDATASYNC:
		return vmm_store_sync(file->fd);
	default:
		return vmm_disk_call(file, call);
	}
}

/* --- files of the system ----------------------------------------------------------------------------- */

bool memory_store_load(int fd, const char *path)
{
	struct memory_store *s = memory_store_of(fd);
	int file = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t page[PAGE];
	struct stat st;
	uint64_t at = 0;
	ssize_t got = 0;

	if (file < 0 || fstat(file, &st) < 0)
		return false;
	set_size(s, 0);
	set_size(s, (uint64_t)st.st_size);
	while (at < s->bytes) {
		off_t data = lseek(file, (off_t)at, SEEK_DATA);

		if (data < 0)
			break;
		at = (uint64_t)data / PAGE * PAGE;
		got = pread(file, page, PAGE, (off_t)at);
		if (got <= 0)
			break;
		put(s, at, page, (uint64_t)got);
		at += (uint64_t)got;
	}
	close(file);
	return got >= 0;
}

bool memory_store_save(int fd, const char *path)
{
	const struct memory_store *s = memory_store_of(fd);
	int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool good = file >= 0 && !ftruncate(file, (off_t)s->bytes);

	for (uint64_t i = 0; i < s->pages && good; i++) {
		size_t len = s->bytes - i * PAGE < PAGE ? s->bytes - i * PAGE : PAGE;

		if (s->page[i])
			good = pwrite(file, s->page[i], len, (off_t)(i * PAGE)) == (ssize_t)len;
	}
	if (file >= 0)
		close(file);
	return good;
}
