/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Guest memory: the only place where a guest physical address becomes a pointer of ours.
 *
 * Memory is a set of regions, each a range of a file descriptor (memfd). The map of regions is
 * immutable and is replaced as a whole when a region is added, so every function here may be called
 * from any thread without a lock. The guest runs meanwhile and may change any byte at any time: copy
 * once, check the copy.
 */
#ifndef HOST_INCLUDE_HVH_HVH_MEM_H
#define HOST_INCLUDE_HVH_HVH_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "hvw_error.h"

struct hvh_mem;

/* What a region is, for the monitor that maps it into the virtual machine. */
struct hvh_mem_region {
	uint64_t gpa; /* page-aligned */
	uint64_t len; /* bytes, page-aligned */
	void *host; /* our mapping of it */
	int fd; /* backing, shared */
	off_t fd_offset;
};

/* -ENOMEM. */
int hvh_mem_create(struct hvh_mem **mem) HVW_MUST_CHECK;

/* No pin and no mapping may be left. */
void hvh_mem_destroy(struct hvh_mem *mem);

/*
 * Add zeroed RAM. Not concurrently with itself. -EINVAL: unaligned, empty or wrapping; -EEXIST:
 * overlaps a region; -ENOMEM.
 */
int hvh_mem_add(struct hvh_mem *mem, uint64_t gpa, uint64_t len) HVW_MUST_CHECK;

/* Region `index` in ascending order of address; false behind the last. */
bool hvh_mem_region(const struct hvh_mem *mem, unsigned index, struct hvh_mem_region *region);

/* True when all of [gpa, gpa + len) is RAM. */
bool hvh_mem_contains(const struct hvh_mem *mem, uint64_t gpa, uint64_t len);

/* Copy out of and into guest memory, across regions. -EFAULT: not all of it is RAM; nothing was copied. */
int hvh_mem_read(const struct hvh_mem *mem, uint64_t gpa, void *dst, size_t len) HVW_MUST_CHECK;
int hvh_mem_write(struct hvh_mem *mem, uint64_t gpa, const void *src, size_t len) HVW_MUST_CHECK;

/*
 * Guest memory held in place for I/O: `iov` points into it until hvh_mem_unpin(). `gpa_pages` lists
 * the pages; the first `offset` bytes of the first page are skipped and `len` bytes follow. Adjacent
 * pages share an iovec. `writable` marks the pages dirty, now and when they are unpinned. -EFAULT, -ENOMEM.
 */
struct hvh_pin {
	struct hvh_mem *mem;
	struct iovec *iov;
	unsigned iovs;
	bool writable;
};
int hvh_mem_pin(struct hvh_mem *mem, const uint64_t *gpa_pages, size_t pages, uint32_t offset,
		size_t len, bool writable, struct hvh_pin *pin) HVW_MUST_CHECK;
void hvh_mem_unpin(struct hvh_pin *pin);

/*
 * One page of guest memory, by its number, as our memory; NULL: no RAM. It stays there while the caller holds the
 * memory. Who writes to it says so afterwards (any bytes that lie in one page), for the dirty log.
 */
void *hvh_mem_page(const struct hvh_mem *mem, uint64_t gpn);
void hvh_mem_hold(struct hvh_mem *mem);
void hvh_mem_release(struct hvh_mem *mem);
bool hvh_mem_logging(const struct hvh_mem *mem);
void hvh_mem_written(struct hvh_mem *mem, const void *host, size_t len);

/*
 * Guest pages, scattered, as one contiguous range of our addresses: for rings and for single pages
 * that both sides use for long. `gpns` are page numbers. -EFAULT: a page is not RAM; -ENOMEM.
 */
struct hvh_mapping {
	struct hvh_mem *mem;
	void *base;
	size_t bytes;
};
int hvh_mem_map(struct hvh_mem *mem, const uint64_t *gpns, size_t pages,
		struct hvh_mapping *mapping) HVW_MUST_CHECK;
void hvh_mem_unmap(struct hvh_mapping *mapping);

/* Pins, mappings and holds: 0 when nothing leaks. */
unsigned hvh_mem_held(const struct hvh_mem *mem);

/*
 * Dirty log of our own writes (the processor's are the monitor's business): off until started.
 * hvh_mem_dirty_take() writes one bit per page of the region that begins at `gpa`, lowest first, into
 * `bitmap` and clears them. -ENOENT: no such region; -EINVAL: the bitmap is too small. Pages under
 * hvh_mem_map() are not logged: whoever maps them counts them as dirty while it does.
 */
void hvh_mem_dirty_start(struct hvh_mem *mem);
int hvh_mem_dirty_take(struct hvh_mem *mem, uint64_t gpa, uint8_t *bitmap,
		       size_t bitmap_bytes) HVW_MUST_CHECK;

#endif
