/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The suite for ports as a kernel module: it runs when it is loaded, and its results, in the form of TAP,
 * are lines of the kernel log. Moves the wall clock by an hour and back.
 */
#define pr_fmt(format) KBUILD_MODNAME ": " format

#include <linux/module.h>

#include "port/linux/linux_priv.h"
#include "tests/port/conformance.h"

#define THREADS_MAX 16u

/* A worker each; Linux has as many as there are works that wait. */
static struct {
	struct work_struct work;
	hvos_fn fn;
	void *ctx;
} threads[THREADS_MAX];
static unsigned int thread_count;
static struct workqueue_struct *workers;
static atomic_t failures;

static void run_thread(struct work_struct *work)
{
	const size_t i = container_of(work, typeof(threads[0]), work) - threads;

	threads[i].fn(threads[i].ctx);
}

static void begin_thread(hvos_fn fn, void *ctx)
{
	const unsigned int i = thread_count;

	if (WARN_ON(i == THREADS_MAX))
		return;
	thread_count++;
	threads[i].fn = fn;
	threads[i].ctx = ctx;
	INIT_WORK(&threads[i].work, run_thread);
	queue_work(workers, &threads[i].work);
}

static void join_threads(void)
{
	while (thread_count)
		flush_work(&threads[--thread_count].work);
}

static void failed(const char *what, int line)
{
	pr_err("# not true: %s (line %d)\n", what, line);
	atomic_inc(&failures);
}

/* Nothing in this part of the suite takes more than there is. */
static void skipped(const char *why)
{
	failed(why, 0);
}

static const struct conformance_port port = {
	.thread = begin_thread,
	.failed = failed,
	.skipped = skipped,
};

static int __init conformance_init(void)
{
	const struct conformance_test *test;
	unsigned int count = 0;
	int err = hvos_linux_start();

	if (err)
		return err;
	workers = alloc_workqueue("%s_threads", WQ_UNBOUND, 0, KBUILD_MODNAME);
	if (!workers) {
		hvos_linux_stop();
		return -ENOMEM;
	}
	for (test = conformance_tests; test->name; test++) {
		atomic_set(&failures, 0);
		test->run(&port);
		join_threads();
		pr_info("%s %u - %s\n", atomic_read(&failures) ? "not ok" : "ok", ++count,
			test->name);
	}
	pr_info("1..%u\n", count);
	destroy_workqueue(workers);
	hvos_linux_stop();
	return 0;
}

static void __exit conformance_exit(void)
{
}

module_init(conformance_init);
module_exit(conformance_exit);

MODULE_DESCRIPTION("Test of the Linux port of hvis: runs when it is loaded");
MODULE_VERSION(HVIS_VERSION);
MODULE_LICENSE("Dual BSD/GPL");
