/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What drivers need of any system.
 */
#include "tests/port/conformance_checks.h"

#define THREADS 3u
/* --- memory ------------------------------------------------------------------------------------------- */

static void allocations_are_zeroed_and_apart(const struct conformance_port *port)
{
	uint8_t *a = hvos_alloc(5000), *b = hvos_alloc(5000);

	CHECK(a && b);
	if (a && b) {
		CHECK(all_zero(a, 5000) && all_zero(b, 5000));
		CHECK((uintptr_t)a % sizeof(uint64_t) == 0);
		hvw_memset(a, 0xff, 5000);
		CHECK(all_zero(b, 5000));
	}
	hvos_free(a);
	hvos_free(b);
	hvos_free(NULL);
	a = hvos_alloc(5000);
	CHECK(a && all_zero(a, 5000));
	hvos_free(a);
}

/* --- locks --------------------------------------------------------------------------------------------- */

struct excluded {
	struct hvos_lock lock;
	struct hvos_mutex mutex;
	uint32_t inside; /* (a) */
	uint32_t broken; /* (a) */
	uint32_t count; /* under the lock */
	uint32_t ended; /* (a) */
};

static void init_excluded(struct excluded *x)
{
	*x = (struct excluded){ .count = 0 };
	hvos_lock_init(&x->lock, "conformance");
	hvos_mutex_init(&x->mutex, "conformance");
}

static void fini_excluded(struct excluded *x)
{
	hvos_mutex_fini(&x->mutex);
	hvos_lock_fini(&x->lock);
}

static void go_in(struct excluded *x)
{
	if (__atomic_exchange_n(&x->inside, 1, __ATOMIC_SEQ_CST))
		add(&x->broken);
	x->count++;
}

static void go_out(struct excluded *x)
{
	__atomic_store_n(&x->inside, 0, __ATOMIC_SEQ_CST);
}

static void lock_for(struct excluded *x, uint32_t us)
{
	hvos_lock(&x->lock);
	hvos_lock_assert(&x->lock);
	go_in(x);
	hvos_delay_us(us);
	go_out(x);
	hvos_unlock(&x->lock);
}

static void mutex_for(struct excluded *x, uint32_t ms)
{
	hvos_mutex_lock(&x->mutex);
	hvos_mutex_assert(&x->mutex);
	go_in(x);
	if (ms)
		hvos_sleep_ms(ms);
	go_out(x);
	hvos_mutex_unlock(&x->mutex);
}

static void lock_often(void *ctx)
{
	struct excluded *x = ctx;
	uint32_t i;

	for (i = 0; i < ROUNDS; i++)
		lock_for(x, 100);
	add(&x->ended);
}

static void mutex_often(void *ctx)
{
	struct excluded *x = ctx;
	uint32_t i;

	for (i = 0; i < ROUNDS; i++)
		mutex_for(x, i % 16 == 0);
	add(&x->ended);
}

/* Several at once, the caller among them until the last of the others has ended. */
static void exclude(const struct conformance_port *port, hvos_fn fn)
{
	uint64_t end_ns = hvos_now_ns() + PATIENCE_MS * MS_NS;
	uint32_t parties = THREADS;
	struct excluded x;
	unsigned i;

	init_excluded(&x);
	for (i = 0; i < THREADS; i++)
		port->thread(fn, &x);
	do {
		fn(&x);
		parties++;
		/* With one processor the others may have no other time. */
		hvos_sleep_ms(1);
	} while (get(&x.ended) != parties && hvos_now_ns() < end_ns);
	CHECK(get(&x.ended) == parties);
	CHECK(!x.broken);
	CHECK(x.count == parties * ROUNDS);
	fini_excluded(&x);
}

static void locks_exclude(const struct conformance_port *port)
{
	if (port->thread)
		exclude(port, lock_often);
	else
		port->skipped("nothing runs beside the only thread");
}

static void lock_once(void *ctx)
{
	struct excluded *x = ctx;

	lock_for(x, 1);
	add(&x->ended);
}

static void locks_exclude_timers(const struct conformance_port *port)
{
	struct hvos_timer timer;
	struct excluded x;
	uint32_t round;

	init_excluded(&x);
	hvos_timer_init(&timer, lock_once, &x);
	for (round = 1; round <= 3; round++) {
		hvos_timer_arm(&timer, hvos_now_ns() + MS_NS);
		/* Longer than any tick of a clock */
		lock_for(&x, 15000);
		CHECK(becomes(&x.ended, round));
	}
	CHECK(!x.broken && x.count == 6);
	hvos_timer_stop(&timer);
	fini_excluded(&x);
}

static void mutexes_exclude_also_who_sleeps(const struct conformance_port *port)
{
	if (port->one_thread)
		port->skipped("one thread: no other can ask for a mutex");
	else
		exclude(port, mutex_often);
}

static void mutex_once(void *ctx)
{
	struct excluded *x = ctx;

	mutex_for(x, 1);
	add(&x->ended);
}

static void mutexes_exclude_works(const struct conformance_port *port)
{
	struct hvos_work work;
	struct excluded x;

	init_excluded(&x);
	hvos_work_init(&work, mutex_once, &x);
	hvos_work_queue(&work);
	mutex_for(&x, 10);
	CHECK(becomes(&x.ended, 1));
	CHECK(!x.broken && x.count == 2);
	hvos_work_fini(&work);
	fini_excluded(&x);
}

/* --- waiting and time ------------------------------------------------------------------------------------ */

struct signalled {
	struct hvos_event event;
	uint32_t woken; /* (a) */
};

static void wait_for_it(void *ctx)
{
	struct signalled *s = ctx;

	if (!hvos_event_wait(&s->event, PATIENCE_MS))
		add(&s->woken);
}

static void set_it(void *ctx)
{
	struct signalled *s = ctx;

	hvos_event_set(&s->event);
}

static void events_stay_set_until_reset(const struct conformance_port *port)
{
	struct signalled s = { .woken = 0 };
	struct hvos_timer timer;
	uint64_t begin, end;

	hvos_event_init(&s.event);
	begin = hvos_now_ns();
	CHECK(hvos_event_wait(&s.event, 20) == -ETIMEDOUT);
	end = hvos_now_ns();
	CHECK(end - begin >= 19 * MS_NS);
	hvos_timer_init(&timer, set_it, &s);
	hvos_timer_arm(&timer, hvos_now_ns() + 5 * MS_NS);
	CHECK(!hvos_event_wait(&s.event, PATIENCE_MS));
	CHECK(hvos_now_ns() - end < PATIENCE_MS * MS_NS);
	CHECK(!hvos_event_wait(&s.event, 0) && !hvos_event_wait(&s.event, PATIENCE_MS));
	hvos_event_reset(&s.event);
	CHECK(hvos_event_wait(&s.event, 1) == -ETIMEDOUT);
	hvos_timer_stop(&timer);
	hvos_event_fini(&s.event);
}

static void events_wake_all_who_wait(const struct conformance_port *port)
{
	struct signalled s = { .woken = 0 };

	if (port->one_thread) {
		port->skipped("one thread: no two can wait");
		return;
	}
	hvos_event_init(&s.event);
	port->thread(wait_for_it, &s);
	port->thread(wait_for_it, &s);
	hvos_sleep_ms(2);
	CHECK(get(&s.woken) == 0);
	hvos_event_set(&s.event);
	CHECK(becomes(&s.woken, 2));
	hvos_event_fini(&s.event);
}

static void the_clock_goes_forward(const struct conformance_port *port)
{
	uint64_t last = hvos_now_ns(), now;
	uint32_t i;

	for (i = 0; i < 100; i++) {
		now = hvos_now_ns();
		CHECK(now >= last);
		last = now;
	}
	hvos_sleep_ms(20);
	now = hvos_now_ns();
	CHECK(now - last >= 19 * MS_NS && now - last < PATIENCE_MS * MS_NS);
	last = now;
	hvos_delay_us(500);
	/* Delays may be counted by another clock than this one, which somebody may be steering. */
	CHECK(hvos_now_ns() - last >= 450000);
}

/* --- works ------------------------------------------------------------------------------------------------ */

struct worked {
	struct hvos_work work;
	struct hvos_timer timer;
	struct hvos_event go;
	hvos_fn meanwhile; /* what the timer does while the first run waits for `go`; NULL: no run waits */
	uint32_t begun, ended, inside, broken; /* (a) */
	uint32_t queuers; /* (a) that are done */
};

/* What ends a work's wait is an interrupt or a timer, no other thread: a port need not have one. */
static void do_work(void *ctx)
{
	struct worked *w = ctx;

	if (__atomic_exchange_n(&w->inside, 1, __ATOMIC_SEQ_CST))
		add(&w->broken);
	add(&w->begun);
	if (w->meanwhile && get(&w->begun) == 1) {
		hvos_timer_arm(&w->timer, hvos_now_ns() + 10 * MS_NS);
		if (hvos_event_wait(&w->go, PATIENCE_MS))
			add(&w->broken);
	}
	__atomic_store_n(&w->inside, 0, __ATOMIC_SEQ_CST);
	add(&w->ended);
}

static void init_worked(struct worked *w, hvos_fn meanwhile)
{
	*w = (struct worked){ .meanwhile = meanwhile };
	hvos_event_init(&w->go);
	if (meanwhile)
		hvos_timer_init(&w->timer, meanwhile, w);
	hvos_work_init(&w->work, do_work, w);
}

static void fini_worked(struct worked *w)
{
	hvos_work_fini(&w->work);
	if (w->meanwhile)
		hvos_timer_stop(&w->timer);
	hvos_event_fini(&w->go);
}

static void queue_often(void *ctx)
{
	struct worked *w = ctx;
	uint32_t i;

	for (i = 0; i < ROUNDS; i++)
		hvos_work_queue(&w->work);
	add(&w->queuers);
}

static void queue_twice(void *ctx)
{
	struct worked *w = ctx;

	hvos_work_queue(&w->work);
	hvos_work_queue(&w->work);
	if (get(&w->begun) != 1)
		add(&w->broken);
	hvos_event_set(&w->go);
}

static void works_run_once_more_when_queued_while_they_run(const struct conformance_port *port)
{
	struct worked w;

	init_worked(&w, queue_twice);
	hvos_work_queue(&w.work);
	CHECK(becomes(&w.ended, 2));
	hvos_sleep_ms(2);
	CHECK(get(&w.begun) == 2 && !get(&w.broken));
	fini_worked(&w);
}

static void works_never_run_twice_at_once(const struct conformance_port *port)
{
	struct worked w;
	unsigned i;

	if (!port->thread) {
		port->skipped("nothing runs beside the only thread");
		return;
	}
	init_worked(&w, NULL);
	for (i = 0; i < THREADS; i++)
		port->thread(queue_often, &w);
	queue_often(&w);
	CHECK(becomes(&w.queuers, THREADS + 1));
	hvos_sleep_ms(20);
	CHECK(get(&w.begun) >= 1 && get(&w.begun) == get(&w.ended) && !get(&w.broken));
	fini_worked(&w);
}

static void let_go(void *ctx)
{
	struct worked *w = ctx;

	hvos_event_set(&w->go);
}

static void a_finished_work_has_ended_and_is_deaf(const struct conformance_port *port)
{
	struct worked w;

	init_worked(&w, let_go);
	hvos_work_queue(&w.work);
	CHECK(becomes(&w.begun, 1));
	hvos_work_queue(&w.work); /* forgotten */
	hvos_work_fini(&w.work);
	CHECK(get(&w.ended) == 1);
	hvos_work_queue(&w.work);
	hvos_sleep_ms(5);
	CHECK(get(&w.begun) == 1 && !get(&w.broken));
	hvos_timer_stop(&w.timer);
	hvos_event_fini(&w.go);
}

static void a_finished_work_can_begin_anew(const struct conformance_port *port)
{
	struct worked w;
	uint32_t i;

	init_worked(&w, NULL);
	for (i = 1; i <= 3; i++) {
		hvos_work_queue(&w.work);
		CHECK(becomes(&w.ended, i));
		hvos_work_fini(&w.work);
		hvos_work_init(&w.work, do_work, &w);
	}
	fini_worked(&w);
}

/* --- timers ------------------------------------------------------------------------------------------------- */

struct timed {
	struct hvos_timer timer;
	uint32_t *sequence; /* (a) counts all of a test's timers */
	uint32_t place; /* when its turn came */
	uint32_t runs; /* (a) */
	uint64_t at_ns;
};

static void on_time(void *ctx)
{
	struct timed *t = ctx;

	t->at_ns = hvos_now_ns();
	t->place = __atomic_fetch_add(t->sequence, 1, __ATOMIC_SEQ_CST);
	add(&t->runs);
}

static void timers_keep_their_order(const struct conformance_port *port)
{
	static const uint32_t after_ms[3] = { 60, 20, 40 }, places[3] = { 2, 0, 1 };
	struct timed t[3] = { { .runs = 0 } };
	uint64_t begin = hvos_now_ns();
	uint32_t sequence = 0;
	unsigned i;

	for (i = 0; i < 3; i++) {
		t[i].sequence = &sequence;
		hvos_timer_init(&t[i].timer, on_time, &t[i]);
		hvos_timer_arm(&t[i].timer, begin + after_ms[i] * MS_NS);
	}
	CHECK(becomes(&sequence, 3));
	for (i = 0; i < 3; i++) {
		hvos_timer_stop(&t[i].timer);
		CHECK(t[i].runs == 1 && t[i].place == places[i]);
		CHECK(t[i].at_ns >= begin + after_ms[i] * MS_NS);
	}
}

static void timers_stop_and_are_armed_again(const struct conformance_port *port)
{
	uint32_t sequence = 0;
	struct timed t = { .sequence = &sequence };

	hvos_timer_init(&t.timer, on_time, &t);
	hvos_timer_arm(&t.timer, hvos_now_ns() + 10 * MS_NS);
	hvos_timer_arm(&t.timer, hvos_now_ns() + 30 * MS_NS); /* in place of the first */
	hvos_sleep_ms(60);
	CHECK(get(&t.runs) == 1);
	hvos_timer_arm(&t.timer, hvos_now_ns() + 100 * MS_NS);
	hvos_timer_stop(&t.timer);
	hvos_sleep_ms(150);
	CHECK(get(&t.runs) == 1);
	hvos_timer_arm(&t.timer, 0); /* long past: at once */
	CHECK(becomes(&t.runs, 2));
	hvos_timer_stop(&t.timer);
	hvos_timer_stop(&t.timer);
}

/* --- the wall clock ---------------------------------------------------------------------------------------------- */

static void the_wall_clock_goes_with_time_and_can_be_moved(const struct conformance_port *port)
{
	const int64_t second = (int64_t)10 * 1000 * 1000;
	uint64_t before = hvos_clock_get(), after;
	int err;

	hvos_sleep_ms(20);
	after = hvos_clock_get();
	CHECK(after > before && after - before < PATIENCE_MS * 10000ull);
	err = hvos_clock_step(3600 * second);
	CHECK(!err || err == -EPERM);
	if (err)
		return;
	CHECK(hvos_clock_get() - after >= 3600 * (uint64_t)second);
	CHECK(!hvos_clock_step(-3600 * second));
	CHECK(hvos_clock_get() - after < 3600 * (uint64_t)second);
	err = hvos_clock_slew(second / 1000);
	CHECK(!err || err == -EOPNOTSUPP);
}

static void log_lines_of_any_length_are_taken(const struct conformance_port *port)
{
	static const char text[] = "a line of some length, which comes several times in one: ";

	(void)port;
	hvos_log(HVOS_DEBUG, "conformance: %s%s%s%s%s%s", text, text, text, text, text, text);
}

const struct conformance_test conformance_tests[] = {
	CONFORMANCE_TEST(allocations_are_zeroed_and_apart),
	CONFORMANCE_TEST(locks_exclude),
	CONFORMANCE_TEST(locks_exclude_timers),
	CONFORMANCE_TEST(mutexes_exclude_also_who_sleeps),
	CONFORMANCE_TEST(mutexes_exclude_works),
	CONFORMANCE_TEST(events_stay_set_until_reset),
	CONFORMANCE_TEST(events_wake_all_who_wait),
	CONFORMANCE_TEST(the_clock_goes_forward),
	CONFORMANCE_TEST(works_run_once_more_when_queued_while_they_run),
	CONFORMANCE_TEST(works_never_run_twice_at_once),
	CONFORMANCE_TEST(a_finished_work_has_ended_and_is_deaf),
	CONFORMANCE_TEST(a_finished_work_can_begin_anew),
	CONFORMANCE_TEST(timers_keep_their_order),
	CONFORMANCE_TEST(timers_stop_and_are_armed_again),
	CONFORMANCE_TEST(the_wall_clock_goes_with_time_and_can_be_moved),
	CONFORMANCE_TEST(log_lines_of_any_length_are_taken),
	{ NULL, NULL },
};
