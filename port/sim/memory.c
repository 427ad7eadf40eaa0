/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Memory: private from the heap, shared from the arena, whose other pages are watched.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "port/sim/sim_priv.h"

/* What an unshared page holds after its first use; before, zeroes. */
#define PATTERN 0xdb

/*
 * Up to here the pages of an allocation are scattered over the arena, or its beginning. For more of them
 * that takes too long; they lie in a row, for which there must be room.
 */
#define SCATTERED_PAGES 64u
#define SCATTERED_OVER	1024u

enum page_state { PAGE_FRESH, PAGE_FREE, PAGE_SHARED, PAGE_CODE, PAGE_LOST };

struct block {
	struct block *next, *last;
	size_t bytes;
	uint8_t data[] __attribute__((aligned(16)));
};

/* hvos_shared.port */
struct view {
	struct view *next;
	void *base;
	uint32_t pages;
	enum page_state state;
	uint32_t index[]; /* in the arena */
};

static struct {
	struct block *blocks;
	struct view *views;
	uint8_t *arena; /* all of it, as the host sees it */
	int fd; /* of it, ours: the host may end before us */
	uint8_t *state; /* enum page_state of each page */
} memory;

bool sim_fails(const char *service)
{
	bool fails = ++sim_state.stats.fallible == sim_state.config.fail_at ||
		     (sim_state.config.fail_service &&
		      strcmp(service, sim_state.config.fail_service) == 0);

	if (fails) {
		sim_state.stats.failed++;
		sim_state.stats.failed_service = service;
	}
	sim_point();
	return fails;
}

/* --- private ------------------------------------------------------------------------------------------ */

void *hvos_alloc(size_t bytes)
{
	struct block *block;

	sim_require_thread("hvos_alloc");
	if (sim_fails("hvos_alloc"))
		return NULL;
	block = calloc(1, sizeof(*block) + bytes);
	if (!block)
		sim_die("no memory");
	block->bytes = bytes;
	block->next = memory.blocks;
	if (block->next)
		block->next->last = block;
	memory.blocks = block;
	return block->data;
}

void hvos_free(void *data)
{
	struct block *block;

	sim_require_thread("hvos_free");
	if (!data)
		return;
	block = (struct block *)((uint8_t *)data - offsetof(struct block, data));
	if (block->last)
		block->last->next = block->next;
	else if (memory.blocks == block)
		memory.blocks = block->next;
	else
		sim_die("hvos_free() of what was not allocated");
	if (block->next)
		block->next->last = block->last;
	memset(data, PATTERN, block->bytes);
	free(block);
	sim_point();
}

/* --- shared ------------------------------------------------------------------------------------------- */

static uint8_t *page_at(uint32_t index)
{
	return memory.arena + (size_t)index * HVP_PAGE_SIZE;
}

static void check_page(uint32_t index)
{
	const uint8_t *page = page_at(index);
	uint8_t expected = memory.state[index] == PAGE_FRESH ? 0 : PATTERN;

	if (page[0] != expected || memcmp(page, page + 1, HVP_PAGE_SIZE - 1) != 0)
		sim_die("the host has written to page %u, which is not shared", index);
}

static bool usable(uint32_t index)
{
	return memory.state[index] == PAGE_FRESH || memory.state[index] == PAGE_FREE;
}

/* First of `run` usable pages from a random place on; the number of pages in the arena: there are none. */
static uint32_t find_run(uint32_t run)
{
	uint32_t all = sim_state.config.arena.pages, tried, i;
	uint32_t start = sim_random(run == 1 && all > SCATTERED_OVER ? SCATTERED_OVER : all);

	for (tried = 0; tried < all; tried++) {
		uint32_t first = (start + tried) % all;

		if (run > all - first)
			continue;
		for (i = 0; i < run && usable(first + i); i++)
			;
		if (i == run)
			return first;
	}
	return all;
}

static bool take_pages(struct view *view)
{
	uint32_t run = view->pages <= SCATTERED_PAGES ? 1 : view->pages, at, i;

	for (at = 0; at < view->pages; at += run) {
		uint32_t first = find_run(run);

		if (first == sim_state.config.arena.pages)
			break;
		for (i = 0; i < run; i++) {
			check_page(first + i);
			view->index[at + i] = first + i;
			memory.state[first + i] = (uint8_t)view->state;
		}
	}
	if (at >= view->pages)
		return true;
	for (i = 0; i < at; i++) {
		memory.state[view->index[i]] = PAGE_FREE;
		memset(page_at(view->index[i]), PATTERN, HVP_PAGE_SIZE);
	}
	return false;
}

static void map_pages(struct view *view)
{
	const struct sim_arena *arena = &sim_state.config.arena;
	size_t bytes = (size_t)view->pages * HVP_PAGE_SIZE;
	uint32_t run, i;

	view->base = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (i = 0; i < view->pages; i += run) {
		uint8_t *at = (uint8_t *)view->base + (size_t)i * HVP_PAGE_SIZE;
		off_t offset = (off_t)(arena->offset + (uint64_t)view->index[i] * HVP_PAGE_SIZE);

		run = view->pages <= SCATTERED_PAGES ? 1 : view->pages;
		if (view->base == MAP_FAILED ||
		    mmap(at, (size_t)run * HVP_PAGE_SIZE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, memory.fd, offset) != at)
			sim_die("cannot map the arena");
	}
}

static int allocate(struct hvos_shared *shared, uint32_t pages, enum page_state state)
{
	struct view *view = calloc(1, sizeof(*view) + pages * sizeof(view->index[0]));

	if (!view)
		sim_die("no memory");
	view->pages = pages;
	view->state = state;
	if (!take_pages(view)) {
		free(view);
		return -ENOMEM;
	}
	map_pages(view);
	memset(view->base, state == PAGE_CODE ? PATTERN : 0, (size_t)pages * HVP_PAGE_SIZE);
	view->next = memory.views;
	memory.views = view;
	shared->base = view->base;
	shared->pages = pages;
	shared->port = view;
	return 0;
}

/* What becomes of the pages of a view that ends. */
static void release(const struct hvos_shared *shared, enum page_state from, enum page_state to)
{
	struct view **link = &memory.views, *view;
	uint32_t i;

	while ((view = *link) && view != shared->port)
		link = &view->next;
	if (!view || view->base != shared->base || view->pages != shared->pages ||
	    view->state != from)
		sim_die("memory that is not shared, or in another way");
	*link = view->next;
	for (i = 0; i < view->pages; i++) {
		if (from == PAGE_CODE)
			check_page(view->index[i]);
		memory.state[view->index[i]] = (uint8_t)to;
		if (to == PAGE_FREE)
			memset(page_at(view->index[i]), PATTERN, HVP_PAGE_SIZE);
	}
	munmap(view->base, (size_t)view->pages * HVP_PAGE_SIZE);
	free(view);
}

int hvos_shared_alloc(struct hvos_shared *shared, uint32_t pages)
{
	int err;

	sim_require_thread("hvos_shared_alloc");
	if (!pages)
		sim_die("hvos_shared_alloc() of nothing");
	if (sim_fails("hvos_shared_alloc"))
		return sim_random(2) ? -ENOMEM : -EIO;
	err = allocate(shared, pages, PAGE_SHARED);
	if (!err)
		sim_state.stats.shared_pages += pages;
	return err;
}

int hvos_shared_free(struct hvos_shared *shared)
{
	sim_require_thread("hvos_shared_free");
	if (sim_fails("hvos_shared_free")) {
		hvos_shared_lose(shared);
		return -EIO;
	}
	sim_state.stats.shared_pages -= shared->pages;
	release(shared, PAGE_SHARED, PAGE_FREE);
	return 0;
}

void hvos_shared_lose(struct hvos_shared *shared)
{
	sim_state.stats.shared_pages -= shared->pages;
	sim_state.stats.lost_pages += shared->pages;
	release(shared, PAGE_SHARED, PAGE_LOST);
	sim_point();
}

uint64_t hvos_shared_gpn(const struct hvos_shared *shared, uint32_t page)
{
	const struct view *view = shared->port;

	if (page >= view->pages)
		sim_die("page %u of %u", page, view->pages);
	return sim_state.config.arena.gpn + view->index[page];
}

int hvos_code_alloc(struct hvos_shared *page)
{
	sim_require_thread("hvos_code_alloc");
	return sim_fails("hvos_code_alloc") ? -ENOMEM : allocate(page, 1, PAGE_CODE);
}

void hvos_code_free(struct hvos_shared *page)
{
	sim_require_thread("hvos_code_free");
	release(page, PAGE_CODE, PAGE_FREE);
}

/* --- start and end ------------------------------------------------------------------------------------- */

void sim_memory_start(void)
{
	const struct sim_arena *arena = &sim_state.config.arena;

	memset(&memory, 0, sizeof(memory));
	if (!arena->pages)
		return;
	memory.state = calloc(arena->pages, 1);
	memory.fd = dup(arena->fd);
	memory.arena = mmap(NULL, (size_t)arena->pages * HVP_PAGE_SIZE, PROT_READ | PROT_WRITE,
			    MAP_SHARED, memory.fd, (off_t)arena->offset);
	if (!memory.state || memory.arena == MAP_FAILED)
		sim_die("cannot map the arena");
}

/* The first page from that one on that anybody has ever written to. Others hold zeroes, and to read them would take memory. */
static uint32_t next_written(uint32_t index)
{
	const struct sim_arena *arena = &sim_state.config.arena;
	off_t at = (off_t)(arena->offset + (uint64_t)index * HVP_PAGE_SIZE);

	at = lseek(memory.fd, at, SEEK_DATA);
	if (at < 0 && errno != ENXIO)
		sim_die("cannot look through the arena");
	return at < 0 ? arena->pages : (uint32_t)(((uint64_t)at - arena->offset) / HVP_PAGE_SIZE);
}

void sim_memory_stop(void)
{
	uint32_t pages = sim_state.config.arena.pages, i;

	if (memory.blocks)
		sim_die("left: %zu bytes of memory", memory.blocks->bytes);
	if (memory.views)
		sim_die("left: %u pages of shared memory", memory.views->pages);
	for (i = pages ? next_written(0) : 0; i < pages; i = next_written(i + 1))
		if (usable(i))
			check_page(i);
	if (pages) {
		munmap(memory.arena, (size_t)pages * HVP_PAGE_SIZE);
		close(memory.fd);
	}
	free(memory.state);
}
