/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <hvh/hvh_mem.h>

#include "hvp_base.h"

struct region {
	uint64_t gpa;
	uint64_t len;
	uint8_t *host;
	int fd;
	atomic_uchar *dirty; /* a bit per page; outlives every map that names the region */
};

/* Immutable once published. */
struct map {
	struct map *older; /* kept until the memory goes: a reader may still walk it */
	unsigned count;
	struct region regions[];
};

struct hvh_mem {
	_Atomic(struct map *) map;
	atomic_uint held; /* pins and mappings */
	atomic_bool logging;
};

/* A map with one region more, at its place in ascending order. */
static struct map *map_with(struct map *old, const struct region *added)
{
	unsigned count = old ? old->count : 0, at = 0;
	struct map *map = malloc(sizeof(*map) + (count + 1) * sizeof(map->regions[0]));

	if (!map)
		return NULL;
	while (at < count && old->regions[at].gpa < added->gpa)
		at++;
	if (at)
		memcpy(map->regions, old->regions, at * sizeof(map->regions[0]));
	map->regions[at] = *added;
	if (at < count)
		memcpy(map->regions + at + 1, old->regions + at,
		       (count - at) * sizeof(map->regions[0]));
	map->count = count + 1;
	map->older = old;
	return map;
}

int hvh_mem_create(struct hvh_mem **mem)
{
	struct hvh_mem *created = calloc(1, sizeof(*created));

	if (!created)
		return -ENOMEM;
	*mem = created;
	return 0;
}

void hvh_mem_destroy(struct hvh_mem *mem)
{
	struct map *map = atomic_load(&mem->map);
	unsigned i;

	/* The newest map names every region there ever was. */
	for (i = 0; map && i < map->count; i++) {
		munmap(map->regions[i].host, map->regions[i].len);
		close(map->regions[i].fd);
		free(map->regions[i].dirty);
	}
	while (map) {
		struct map *older = map->older;

		free(map);
		map = older;
	}
	free(mem);
}

/* What x86-64 and arm64 with 4 KiB pages map as one, and the boundary it must start at. */
#define HUGE_PAGE_BYTES (2ull << 20)

/*
 * Maps `fd` at a huge page's boundary and asks for huge pages. Whether there are any for shared memory is
 * the host's setting (transparent_hugepage/shmem_enabled); without them this is an ordinary mapping.
 */
static uint8_t *map_aligned(int fd, uint64_t len)
{
	uint64_t reserved = len + HUGE_PAGE_BYTES, skip;
	uint8_t *base, *host;

	if (reserved < len)
		return MAP_FAILED;
	base = mmap(NULL, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return base;
	skip = -(uintptr_t)base % HUGE_PAGE_BYTES;
	host = mmap(base + skip, len, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd, 0);
	if (host == MAP_FAILED) {
		munmap(base, reserved);
		return host;
	}
	if (skip)
		munmap(base, skip);
	if (skip < HUGE_PAGE_BYTES)
		munmap(host + len, HUGE_PAGE_BYTES - skip);
	madvise(host, len, MADV_HUGEPAGE);
	return host;
}

static int region_create(struct region *region, uint64_t gpa, uint64_t len)
{
	region->gpa = gpa;
	region->len = len;
	region->dirty = calloc((len >> HVP_PAGE_SHIFT) / 8 + 1, 1);
	if (!region->dirty)
		return -ENOMEM;
	region->fd = memfd_create("guest-ram", MFD_CLOEXEC);
	if (region->fd < 0)
		goto err_dirty;
	if (ftruncate(region->fd, (off_t)len) < 0)
		goto err_fd;
	region->host = map_aligned(region->fd, len);
	if (region->host == MAP_FAILED)
		goto err_fd;
	return 0;

err_fd:
	close(region->fd);
err_dirty:
	free(region->dirty);
	return -ENOMEM;
}

int hvh_mem_add(struct hvh_mem *mem, uint64_t gpa, uint64_t len)
{
	struct map *old = atomic_load(&mem->map), *map;
	struct region region;
	unsigned i;
	int err;

	if (!len || (gpa | len) % HVP_PAGE_SIZE || gpa + len < gpa || len > (uint64_t)INT64_MAX)
		return -EINVAL;
	for (i = 0; old && i < old->count; i++)
		if (gpa < old->regions[i].gpa + old->regions[i].len &&
		    old->regions[i].gpa < gpa + len)
			return -EEXIST;
	err = region_create(&region, gpa, len);
	if (err)
		return err;
	map = map_with(old, &region);
	if (!map) {
		munmap(region.host, len);
		close(region.fd);
		free(region.dirty);
		return -ENOMEM;
	}
	atomic_store_explicit(&mem->map, map, memory_order_release);
	return 0;
}

bool hvh_mem_region(const struct hvh_mem *mem, unsigned index, struct hvh_mem_region *region)
{
	const struct map *map = atomic_load_explicit(&mem->map, memory_order_acquire);

	if (!map || index >= map->count)
		return false;
	region->gpa = map->regions[index].gpa;
	region->len = map->regions[index].len;
	region->host = map->regions[index].host;
	region->fd = map->regions[index].fd;
	region->fd_offset = 0;
	return true;
}

static const struct region *find(const struct hvh_mem *mem, uint64_t gpa)
{
	const struct map *map = atomic_load_explicit(&mem->map, memory_order_acquire);
	unsigned i;

	for (i = 0; map && i < map->count; i++)
		if (gpa >= map->regions[i].gpa && gpa - map->regions[i].gpa < map->regions[i].len)
			return &map->regions[i];
	return NULL;
}

/* The longest piece of [gpa, gpa + len) that lies in one region; NULL: gpa is no RAM. */
static uint8_t *piece(const struct region *region, uint64_t gpa, uint64_t len, uint64_t *piece_len)
{
	uint64_t offset = gpa - region->gpa;

	*piece_len = len < region->len - offset ? len : region->len - offset;
	return region->host + offset;
}

bool hvh_mem_contains(const struct hvh_mem *mem, uint64_t gpa, uint64_t len)
{
	if (gpa + len < gpa)
		return false;
	while (len) {
		const struct region *region = find(mem, gpa);
		uint64_t step;

		if (!region)
			return false;
		piece(region, gpa, len, &step);
		gpa += step;
		len -= step;
	}
	return true;
}

static void mark_dirty(const struct hvh_mem *mem, const struct region *region, uint64_t gpa,
		       uint64_t len)
{
	uint64_t first, last, page;

	if (!atomic_load_explicit(&mem->logging, memory_order_relaxed))
		return;
	first = (gpa - region->gpa) >> HVP_PAGE_SHIFT;
	last = (gpa - region->gpa + len - 1) >> HVP_PAGE_SHIFT;
	for (page = first; page <= last; page++)
		atomic_fetch_or(&region->dirty[page / 8], (unsigned char)(1u << page % 8));
}

int hvh_mem_read(const struct hvh_mem *mem, uint64_t gpa, void *dst, size_t len)
{
	if (!hvh_mem_contains(mem, gpa, len))
		return -EFAULT;
	while (len) {
		uint64_t step;
		const uint8_t *src = piece(find(mem, gpa), gpa, len, &step);

		memcpy(dst, src, step);
		dst = (uint8_t *)dst + step;
		gpa += step;
		len -= step;
	}
	return 0;
}

int hvh_mem_write(struct hvh_mem *mem, uint64_t gpa, const void *src, size_t len)
{
	if (!hvh_mem_contains(mem, gpa, len))
		return -EFAULT;
	while (len) {
		const struct region *region = find(mem, gpa);
		uint64_t step;
		uint8_t *dst = piece(region, gpa, len, &step);

		memcpy(dst, src, step);
		mark_dirty(mem, region, gpa, step);
		src = (const uint8_t *)src + step;
		gpa += step;
		len -= step;
	}
	return 0;
}

int hvh_mem_pin(struct hvh_mem *mem, const uint64_t *gpa_pages, size_t pages, uint32_t offset,
		size_t len, bool writable, struct hvh_pin *pin)
{
	const struct region *last = NULL;
	struct iovec *iov;
	unsigned iovs = 0;
	size_t i;

	if (offset >= HVP_PAGE_SIZE || pages > SIZE_MAX / HVP_PAGE_SIZE)
		return -EFAULT;
	if (len > (pages ? pages * HVP_PAGE_SIZE - offset : 0))
		return -EFAULT;
	iov = calloc(pages ? pages : 1, sizeof(*iov));
	if (!iov)
		return -ENOMEM;
	for (i = 0; i < pages && len; i++) {
		uint64_t gpa = gpa_pages[i] + offset;
		size_t step = len < HVP_PAGE_SIZE - offset ? len : HVP_PAGE_SIZE - offset;
		const struct region *region = find(mem, gpa);
		uint8_t *host;

		if (!region || gpa_pages[i] % HVP_PAGE_SIZE) {
			free(iov);
			return -EFAULT;
		}
		host = region->host + (gpa - region->gpa);
		if (writable)
			mark_dirty(mem, region, gpa, step);
		if (region == last &&
		    (uint8_t *)iov[iovs - 1].iov_base + iov[iovs - 1].iov_len == host) {
			iov[iovs - 1].iov_len += step;
		} else {
			iov[iovs].iov_base = host;
			iov[iovs].iov_len = step;
			iovs++;
		}
		last = region;
		len -= step;
		offset = 0;
	}
	atomic_fetch_add(&mem->held, 1);
	pin->mem = mem;
	pin->iov = iov;
	pin->iovs = iovs;
	pin->writable = writable;
	return 0;
}

/* The region behind an address that hvh_mem_pin() gave out. */
static const struct region *find_host(const struct hvh_mem *mem, const uint8_t *host)
{
	const struct map *map = atomic_load_explicit(&mem->map, memory_order_acquire);
	unsigned i = 0;

	while (host < map->regions[i].host ||
	       (uint64_t)(host - map->regions[i].host) >= map->regions[i].len)
		i++;
	return &map->regions[i];
}

void hvh_mem_unpin(struct hvh_pin *pin)
{
	unsigned i;

	/* Again: the log may have been taken between the pin and the last write through it. */
	for (i = 0; pin->writable && i < pin->iovs; i++) {
		const uint8_t *host = pin->iov[i].iov_base;
		const struct region *region = find_host(pin->mem, host);

		mark_dirty(pin->mem, region, region->gpa + (uint64_t)(host - region->host),
			   pin->iov[i].iov_len);
	}
	free(pin->iov);
	atomic_fetch_sub(&pin->mem->held, 1);
	memset(pin, 0, sizeof(*pin));
}

void *hvh_mem_page(const struct hvh_mem *mem, uint64_t gpn)
{
	const struct region *region =
		gpn > UINT64_MAX >> HVP_PAGE_SHIFT ? NULL : find(mem, gpn << HVP_PAGE_SHIFT);

	return region ? region->host + ((gpn << HVP_PAGE_SHIFT) - region->gpa) : NULL;
}

void hvh_mem_hold(struct hvh_mem *mem)
{
	atomic_fetch_add(&mem->held, 1);
}

void hvh_mem_release(struct hvh_mem *mem)
{
	atomic_fetch_sub(&mem->held, 1);
}

bool hvh_mem_logging(const struct hvh_mem *mem)
{
	return atomic_load_explicit(&mem->logging, memory_order_relaxed);
}

void hvh_mem_written(struct hvh_mem *mem, const void *host, size_t len)
{
	const struct region *region = find_host(mem, host);

	mark_dirty(mem, region, region->gpa + (uint64_t)((const uint8_t *)host - region->host),
		   len);
}

int hvh_mem_map(struct hvh_mem *mem, const uint64_t *gpns, size_t pages,
		struct hvh_mapping *mapping)
{
	size_t bytes = pages * HVP_PAGE_SIZE, i, run;
	uint8_t *base;

	if (!pages)
		return -EFAULT;
	base = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return -ENOMEM;
	for (i = 0; i < pages; i += run) {
		const struct region *region = gpns[i] > UINT64_MAX >> HVP_PAGE_SHIFT ?
						      NULL :
						      find(mem, gpns[i] << HVP_PAGE_SHIFT);
		uint64_t offset, pages_left;

		if (!region) {
			munmap(base, bytes);
			return -EFAULT;
		}
		offset = (gpns[i] << HVP_PAGE_SHIFT) - region->gpa;
		pages_left = (region->len - offset) >> HVP_PAGE_SHIFT;
		/* Neighbouring pages in one mapping: the kernel limits how many there are. */
		for (run = 1; i + run < pages && run < pages_left && gpns[i + run] == gpns[i] + run;
		     run++)
			;
		if (mmap(base + i * HVP_PAGE_SIZE, run * HVP_PAGE_SIZE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, region->fd, (off_t)offset) == MAP_FAILED) {
			munmap(base, bytes);
			return -ENOMEM;
		}
	}
	atomic_fetch_add(&mem->held, 1);
	mapping->mem = mem;
	mapping->base = base;
	mapping->bytes = bytes;
	return 0;
}

void hvh_mem_unmap(struct hvh_mapping *mapping)
{
	munmap(mapping->base, mapping->bytes);
	atomic_fetch_sub(&mapping->mem->held, 1);
	memset(mapping, 0, sizeof(*mapping));
}

unsigned hvh_mem_held(const struct hvh_mem *mem)
{
	return atomic_load(&mem->held);
}

void hvh_mem_dirty_start(struct hvh_mem *mem)
{
	atomic_store(&mem->logging, true);
}

int hvh_mem_dirty_take(struct hvh_mem *mem, uint64_t gpa, uint8_t *bitmap, size_t bitmap_bytes)
{
	const struct region *region = find(mem, gpa);
	size_t bytes, i;

	if (!region || region->gpa != gpa)
		return -ENOENT;
	bytes = ((region->len >> HVP_PAGE_SHIFT) + 7) / 8;
	if (bitmap_bytes < bytes)
		return -EINVAL;
	for (i = 0; i < bytes; i++)
		bitmap[i] = atomic_exchange(&region->dirty[i], 0);
	return 0;
}
