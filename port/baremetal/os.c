/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The services of hvos.h that are not about processors: memory, locks, waiting, works, timers, the
 * clock, power.
 *
 * One thread runs on processor 0. While it waits, it runs works, unless it is in one or holds a mutex. That is
 * enough because of what hvos.h promises: no work waits for another, every wait is ended by an interrupt
 * or a timer.
 */
#include "bm.h"

#include "hvp_ic.h"
#include "hvw_shared.h"

/* --- memory ------------------------------------------------------------------------------------------ */

/*
 * Whole pages, first fit, from one piece of memory. Each allocation begins with a page of its own that
 * says how long it is: simple, and more than fast enough for what the core allocates.
 */
struct block {
	struct block *next; /* free blocks, by address */
	uint64_t pages; /* this one included */
};

static struct hvos_lock memory_lock;
static struct block *free_blocks;

void bm_os_init(void)
{
	free_blocks = (struct block *)(uintptr_t)bm_firmware.ram_first;
	free_blocks->next = NULL;
	free_blocks->pages = (bm_firmware.ram_end - bm_firmware.ram_first) / HVP_PAGE_SIZE;
}

static uint8_t *block_end(struct block *block)
{
	return (uint8_t *)block + block->pages * HVP_PAGE_SIZE;
}

/* `pages` zeroed pages behind their header; NULL: no memory. */
static void *take_pages(uint64_t pages)
{
	struct block **link, *block, *rest;

	hvos_lock(&memory_lock);
	for (link = &free_blocks; (block = *link) && block->pages < pages + 1; link = &block->next)
		;
	if (block && block->pages > pages + 1) {
		rest = (struct block *)((uint8_t *)block + (pages + 1) * HVP_PAGE_SIZE);
		rest->next = block->next;
		rest->pages = block->pages - pages - 1;
		block->pages = pages + 1;
		*link = rest;
	} else if (block) {
		*link = block->next;
	}
	hvos_unlock(&memory_lock);
	if (!block)
		return NULL;
	return hvw_memset((uint8_t *)block + HVP_PAGE_SIZE, 0, pages * HVP_PAGE_SIZE);
}

static void give_pages(void *memory)
{
	struct block *block = (struct block *)((uint8_t *)memory - HVP_PAGE_SIZE), **link, *next;

	hvos_lock(&memory_lock);
	for (link = &free_blocks; *link && *link < block; link = &(*link)->next)
		;
	next = block->next = *link;
	*link = block;
	if (next && block_end(block) == (uint8_t *)next) {
		block->pages += next->pages;
		block->next = next->next;
	}
	/* The block before, if there is one, holds the link. */
	if (link != &free_blocks) {
		struct block *before = (struct block *)link; /* `next` is its first field */

		if (block_end(before) == (uint8_t *)block) {
			before->pages += block->pages;
			before->next = block->next;
		}
	}
	hvos_unlock(&memory_lock);
}

void *hvos_alloc(size_t bytes)
{
	return take_pages((bytes + HVP_PAGE_SIZE - 1) / HVP_PAGE_SIZE);
}

void hvos_free(void *memory)
{
	if (memory)
		give_pages(memory);
}

/* All of this machine's memory is the host's too: nothing has to be made visible. */
int hvos_shared_alloc(struct hvos_shared *shared, uint32_t pages)
{
	shared->base = take_pages(pages);
	shared->pages = pages;
	return shared->base ? 0 : -ENOMEM;
}

int hvos_shared_free(struct hvos_shared *shared)
{
	give_pages(shared->base);
	return 0;
}

void hvos_shared_lose(struct hvos_shared *shared)
{
	(void)shared; /* nobody has it any more, and so it stays taken */
}

uint64_t hvos_shared_gpn(const struct hvos_shared *shared, uint32_t page)
{
	return ((uint64_t)(uintptr_t)shared->base >> HVP_PAGE_SHIFT) + page;
}

int hvos_code_alloc(struct hvos_shared *page)
{
	return hvos_shared_alloc(page, 1);
}

void hvos_code_free(struct hvos_shared *page)
{
	give_pages(page->base);
}

/* --- locks ------------------------------------------------------------------------------------------- */

void hvos_lock_init(struct hvos_lock *lock, const char *name)
{
	(void)name;
	lock->held = 0;
}

void hvos_lock_fini(struct hvos_lock *lock)
{
	(void)lock;
}

void hvos_lock(struct hvos_lock *lock)
{
	bool on = bm_interrupts_off();
	uint32_t me = bm_cpu_current() + 1, nobody = 0;

	while (!__atomic_compare_exchange_n(&lock->held, &nobody, me, false, __ATOMIC_ACQUIRE,
					    __ATOMIC_RELAXED)) {
		if (nobody == me) {
			bm_printf("a lock is taken twice\n");
			bm_halt();
		}
		nobody = 0;
		bm_pause();
	}
	lock->interrupts = on;
}

void hvos_unlock(struct hvos_lock *lock)
{
	bool on = lock->interrupts;

	__atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE);
	bm_interrupts_restore(on);
}

void hvos_lock_assert(const struct hvos_lock *lock)
{
	if (__atomic_load_n(&lock->held, __ATOMIC_RELAXED) == bm_cpu_current() + 1)
		return;
	bm_printf("a lock is not held\n");
	bm_halt();
}

static unsigned busy; /* mutexes held, works on the stack; 0: a work may begin */

void hvos_mutex_init(struct hvos_mutex *mutex, const char *name)
{
	(void)name;
	mutex->held = false;
}

void hvos_mutex_fini(struct hvos_mutex *mutex)
{
	(void)mutex;
}

void hvos_mutex_lock(struct hvos_mutex *mutex)
{
	if (mutex->held) {
		bm_printf("a mutex is taken twice\n");
		bm_halt();
	}
	mutex->held = true;
	busy++;
}

void hvos_mutex_unlock(struct hvos_mutex *mutex)
{
	mutex->held = false;
	busy--;
}

void hvos_mutex_assert(const struct hvos_mutex *mutex)
{
	if (mutex->held)
		return;
	bm_printf("a mutex is not held\n");
	bm_halt();
}

/* --- works ------------------------------------------------------------------------------------------- */

static struct hvos_lock works_lock;
static struct hvos_work *works, **works_end = &works;

void hvos_work_init(struct hvos_work *work, hvos_fn fn, void *ctx)
{
	*work = (struct hvos_work){ .fn = fn, .ctx = ctx };
}

void hvos_work_queue(struct hvos_work *work)
{
	hvos_lock(&works_lock);
	if (!work->queued && !work->finished) {
		work->queued = true;
		work->next = NULL;
		*works_end = work;
		works_end = &work->next;
	}
	hvos_unlock(&works_lock);
}

static struct hvos_work *next_work(void)
{
	struct hvos_work *work;

	hvos_lock(&works_lock);
	work = works;
	if (work) {
		works = work->next;
		if (!works)
			works_end = &works;
		work->queued = false;
	}
	hvos_unlock(&works_lock);
	return work;
}

/* There is one thread, and it is here: none runs. */
void hvos_work_fini(struct hvos_work *work)
{
	struct hvos_work **link;

	hvos_lock(&works_lock);
	work->finished = true;
	for (link = &works; *link && *link != work; link = &(*link)->next)
		;
	if (*link) {
		*link = work->next;
		if (!*link)
			works_end = link;
	}
	hvos_unlock(&works_lock);
}

/* --- waiting ----------------------------------------------------------------------------------------- */

void hvos_event_init(struct hvos_event *event)
{
	event->set = 0;
}

void hvos_event_fini(struct hvos_event *event)
{
	(void)event;
}

void hvos_event_set(struct hvos_event *event)
{
	__atomic_store_n(&event->set, 1, __ATOMIC_RELEASE);
}

void hvos_event_reset(struct hvos_event *event)
{
	__atomic_store_n(&event->set, 0, __ATOMIC_RELEASE);
}

/* A work, or the next interrupt. */
static void idle(void)
{
	struct hvos_work *work = busy ? NULL : next_work();

	if (work) {
		busy++;
		work->fn(work->ctx);
		busy--;
		return;
	}
	/* An interrupt between the question and the halt ends the halt: STI holds for one instruction. */
	(void)bm_interrupts_off();
	if (busy || !__atomic_load_n(&works, __ATOMIC_RELAXED))
		__asm__ volatile("sti\n\thlt" : : : "memory");
	bm_interrupts_restore(true);
}

int hvos_event_wait(struct hvos_event *event, uint32_t timeout_ms)
{
	uint64_t end_ns = hvos_now_ns() + timeout_ms * 1000000ull;

	while (!__atomic_load_n(&event->set, __ATOMIC_ACQUIRE)) {
		if (hvos_now_ns() >= end_ns)
			return -ETIMEDOUT;
		idle();
	}
	return 0;
}

void hvos_sleep_ms(uint32_t ms)
{
	struct hvos_event never = { 0 };

	if (hvos_event_wait(&never, ms) == 0)
		bm_halt();
}

void bm_run(struct hvos_event *event)
{
	while (!__atomic_load_n(&event->set, __ATOMIC_ACQUIRE))
		idle();
}

/* --- timers ------------------------------------------------------------------------------------------ */

static struct hvos_lock timers_lock;
static struct hvos_timer *timers; /* armed, the earliest first */

static void disarm(struct hvos_timer *timer)
{
	struct hvos_timer **link;

	for (link = &timers; *link && *link != timer; link = &(*link)->next)
		;
	if (*link)
		*link = timer->next;
	timer->deadline_ns = 0;
}

void hvos_timer_init(struct hvos_timer *timer, hvos_fn fn, void *ctx)
{
	*timer = (struct hvos_timer){ .fn = fn, .ctx = ctx };
}

void hvos_timer_arm(struct hvos_timer *timer, uint64_t deadline_ns)
{
	struct hvos_timer **link;

	hvos_lock(&timers_lock);
	disarm(timer);
	timer->deadline_ns = deadline_ns + !deadline_ns;
	for (link = &timers; *link && (*link)->deadline_ns <= timer->deadline_ns;
	     link = &(*link)->next)
		;
	timer->next = *link;
	*link = timer;
	hvos_unlock(&timers_lock);
}

/* They run in processor 0's interrupt: not while its thread is here. */
void hvos_timer_stop(struct hvos_timer *timer)
{
	hvos_lock(&timers_lock);
	disarm(timer);
	hvos_unlock(&timers_lock);
}

void bm_tick(void)
{
	for (;;) {
		struct hvos_timer *due;

		hvos_lock(&timers_lock);
		due = timers && timers->deadline_ns <= hvos_now_ns() ? timers : NULL;
		if (due)
			disarm(due);
		hvos_unlock(&timers_lock);
		if (!due)
			return;
		due->fn(due->ctx);
	}
}

/* --- wall clock, power ------------------------------------------------------------------------------- */

/* What the wall clock is ahead of hvos_now_ns(), in 100 ns. Until the host tells the time it is 1970. */
static uint64_t clock_ahead = HVP_TIME_UNIX_EPOCH;

uint64_t hvos_clock_get(void)
{
	return hvos_now_ns() / 100 + __atomic_load_n(&clock_ahead, __ATOMIC_RELAXED);
}

int hvos_clock_step(int64_t delta)
{
	__atomic_fetch_add(&clock_ahead, (uint64_t)delta, __ATOMIC_RELAXED);
	bm_printf("clock set by %ld ms\n", delta / 10000);
	return 0;
}

/* A system with users would let its clock run faster or slower for a while. */
int hvos_clock_slew(int64_t delta)
{
	__atomic_fetch_add(&clock_ahead, (uint64_t)delta, __ATOMIC_RELAXED);
	return 0;
}

struct hvos_event bm_power_asked;
enum hvos_power bm_power_action;

bool hvos_power_supported(enum hvos_power action)
{
	return action == HVOS_POWER_OFF || action == HVOS_RESTART;
}

void hvos_power(enum hvos_power action, bool force)
{
	(void)force;
	bm_power_action = action;
	hvos_event_set(&bm_power_asked);
}
