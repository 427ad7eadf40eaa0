/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Locks, events, works, timers.
 */
#include "port/sim/sim_priv.h"

/* --- objects ------------------------------------------------------------------------------------------ */

static struct sim_object **find(const struct sim_object *object)
{
	struct sim_object **link = &sim_state.objects;

	while (*link && *link != object)
		link = &(*link)->next;
	return link;
}

void sim_object_add(struct sim_object *object, const char *kind, const char *name)
{
	if (*find(object))
		sim_die("%s %s: initialised twice", kind, name);
	object->kind = kind;
	object->name = name;
	object->next = sim_state.objects;
	sim_state.objects = object;
}

void sim_object_require(const struct sim_object *object, const char *kind)
{
	if (!*find(object))
		sim_die("a %s that is not initialised", kind);
}

void sim_object_remove(struct sim_object *object, const char *kind)
{
	sim_object_require(object, kind);
	*find(object) = object->next;
}

/* --- locks -------------------------------------------------------------------------------------------- */

void hvos_lock_init(struct hvos_lock *lock, const char *name)
{
	sim_object_add(&lock->object, "lock", name);
	lock->holder = NULL;
}

void hvos_lock_fini(struct hvos_lock *lock)
{
	if (lock->holder)
		sim_die("lock %s: finished while it is held", lock->object.name);
	sim_object_remove(&lock->object, "lock");
}

static bool lock_free(void *lock)
{
	return !((struct hvos_lock *)lock)->holder;
}

void hvos_lock(struct hvos_lock *lock)
{
	struct sim_task *task = sim_state.current;

	sim_object_require(&lock->object, "lock");
	if (lock->holder == task)
		sim_die("lock %s: locked twice", lock->object.name);
	sim_point();
	/* From here on it occupies its processor, also while it spins. */
	task->locks++;
	if (lock->holder)
		(void)sim_wait(lock_free, lock, SIM_NEVER);
	lock->holder = task;
}

void hvos_unlock(struct hvos_lock *lock)
{
	struct sim_task *task = sim_state.current;

	hvos_lock_assert(lock);
	/* What others do while it is held matters too. */
	sim_point();
	lock->holder = NULL;
	task->locks--;
	sim_point();
}

void hvos_lock_assert(const struct hvos_lock *lock)
{
	sim_object_require(&lock->object, "lock");
	if (lock->holder != sim_state.current)
		sim_die("lock %s: not held", lock->object.name);
}

void hvos_mutex_init(struct hvos_mutex *mutex, const char *name)
{
	sim_object_add(&mutex->object, "mutex", name);
	mutex->holder = NULL;
}

void hvos_mutex_fini(struct hvos_mutex *mutex)
{
	if (mutex->holder)
		sim_die("mutex %s: finished while it is held", mutex->object.name);
	sim_object_remove(&mutex->object, "mutex");
}

static bool mutex_free(void *mutex)
{
	return !((struct hvos_mutex *)mutex)->holder;
}

void hvos_mutex_lock(struct hvos_mutex *mutex)
{
	sim_require_thread("hvos_mutex_lock");
	sim_object_require(&mutex->object, "mutex");
	if (mutex->holder == sim_state.current)
		sim_die("mutex %s: locked twice", mutex->object.name);
	sim_point();
	if (mutex->holder)
		(void)sim_wait(mutex_free, mutex, SIM_NEVER);
	mutex->holder = sim_state.current;
	mutex->holder->mutexes++;
}

void hvos_mutex_unlock(struct hvos_mutex *mutex)
{
	hvos_mutex_assert(mutex);
	sim_point();
	mutex->holder->mutexes--;
	mutex->holder = NULL;
	sim_point();
}

void hvos_mutex_assert(const struct hvos_mutex *mutex)
{
	sim_object_require(&mutex->object, "mutex");
	if (mutex->holder != sim_state.current)
		sim_die("mutex %s: not held", mutex->object.name);
}

/* --- waiting ------------------------------------------------------------------------------------------ */

void hvos_event_init(struct hvos_event *event)
{
	sim_object_add(&event->object, "event", "");
	event->set = false;
	event->waiters = 0;
}

void hvos_event_fini(struct hvos_event *event)
{
	if (event->waiters)
		sim_die("an event is finished while somebody waits for it");
	sim_object_remove(&event->object, "event");
}

void hvos_event_set(struct hvos_event *event)
{
	sim_object_require(&event->object, "event");
	event->set = true;
	sim_point();
}

void hvos_event_reset(struct hvos_event *event)
{
	sim_object_require(&event->object, "event");
	event->set = false;
	sim_point();
}

static bool wait_idle(bool (*ready)(void *ctx), void *ctx, uint32_t ms)
{
	struct sim_task *task = sim_state.current;
	bool result;

	/* With one held no work comes on top: it might want the same. */
	task->idle = !task->mutexes;
	result = sim_wait(ready, ctx, sim_state.now_ns + ms * 1000000ull);
	task->idle = false;
	return result;
}

static bool event_ready(void *event)
{
	return ((struct hvos_event *)event)->set;
}

int hvos_event_wait(struct hvos_event *event, uint32_t timeout_ms)
{
	bool set;

	sim_require_thread("hvos_event_wait");
	sim_object_require(&event->object, "event");
	event->waiters++;
	sim_point();
	set = event->set || wait_idle(event_ready, event, timeout_ms);
	event->waiters--;
	return set ? 0 : -ETIMEDOUT;
}

static bool never(void *ctx)
{
	(void)ctx;
	return false;
}

void hvos_sleep_ms(uint32_t ms)
{
	sim_require_thread("hvos_sleep_ms");
	(void)wait_idle(never, NULL, ms);
}

void hvos_delay_us(uint32_t us)
{
	sim_state.now_ns += us * 1000ull;
	sim_point();
}

uint64_t hvos_now_ns(void)
{
	sim_point();
	return sim_state.now_ns;
}

/* --- works -------------------------------------------------------------------------------------------- */

static bool work_may_begin(void *ctx)
{
	const struct sim_task *last = sim_state.worker;

	(void)ctx;
	switch (sim_state.config.works) {
	case SIM_WORKS_SERIAL:
		return !last;
	case SIM_WORKS_NESTED:
		return !last || last->idle;
	default:
		return true;
	}
}

static void run_once(struct hvos_work *work)
{
	bool parallel = sim_state.config.works == SIM_WORKS_PARALLEL;
	struct sim_task *task = sim_state.current;

	task->below = sim_state.worker;
	task->working = true;
	sim_state.worker = parallel ? NULL : task;
	work->queued = false;
	work->running = true;
	work->fn(work->ctx);
	work->running = false;
	task->working = false;
	sim_state.worker = task->below;
	sim_point();
}

static void run_work(void *ctx)
{
	struct sim_task *task = ctx;
	struct hvos_work *work;

	for (;;) {
		(void)sim_wait(work_may_begin, NULL, SIM_NEVER);
		/* hvos_work_fini() takes back a work that waits. */
		work = task->work;
		if (!work || !work->queued)
			break;
		run_once(work);
	}
	if (work)
		work->task = NULL;
}

void hvos_work_init(struct hvos_work *work, hvos_fn fn, void *ctx)
{
	sim_object_add(&work->object, "work", "");
	work->fn = fn;
	work->ctx = ctx;
	work->task = NULL;
	work->queued = work->running = work->finished = false;
}

void hvos_work_queue(struct hvos_work *work)
{
	/* One that is finished is no object any more, and still may be queued. */
	if (!work->finished) {
		sim_object_require(&work->object, "work");
		work->queued = true;
		if (!work->task) {
			work->task = sim_task_create("work", run_work, NULL);
			work->task->ctx = work->task;
			work->task->work = work;
		}
	}
	sim_point();
}

static bool work_rests(void *ctx)
{
	return !((struct hvos_work *)ctx)->running;
}

void hvos_work_fini(struct hvos_work *work)
{
	sim_require_thread("hvos_work_fini");
	sim_object_require(&work->object, "work");
	if (work->task == sim_state.current)
		sim_die("a work finishes itself");
	work->finished = true;
	work->queued = false;
	sim_point();
	if (work->running)
		(void)sim_wait(work_rests, work, SIM_NEVER);
	if (work->task)
		work->task->work = NULL;
	work->task = NULL;
	sim_object_remove(&work->object, "work");
}

/* --- timers ------------------------------------------------------------------------------------------- */

void hvos_timer_init(struct hvos_timer *timer, hvos_fn fn, void *ctx)
{
	timer->next = NULL;
	timer->fn = fn;
	timer->ctx = ctx;
	timer->deadline_ns = 0;
	timer->armed = false;
	timer->running = 0;
}

static void disarm(struct hvos_timer *timer)
{
	struct hvos_timer **link = &sim_state.timers;

	while (*link && *link != timer)
		link = &(*link)->next;
	if (*link)
		*link = timer->next;
	timer->armed = false;
}

void hvos_timer_arm(struct hvos_timer *timer, uint64_t deadline_ns)
{
	disarm(timer);
	timer->deadline_ns = deadline_ns;
	timer->armed = true;
	timer->next = sim_state.timers;
	sim_state.timers = timer;
	sim_point();
}

static bool timer_rests(void *timer)
{
	return !((struct hvos_timer *)timer)->running;
}

void hvos_timer_stop(struct hvos_timer *timer)
{
	sim_require_thread("hvos_timer_stop");
	disarm(timer);
	/* One that runs may arm itself again. */
	while (timer->running) {
		(void)sim_wait(timer_rests, timer, SIM_NEVER);
		disarm(timer);
	}
	sim_point();
}
