/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Types of the Linux port; see hvg/hvos.h. Hypercalls and the SynIC are the kernel's business: the
 * drivers here run on its own VMBus, so no processor's interface to the hypervisor is included.
 */
#ifndef PORT_LINUX_HVOS_PORT_H
#define PORT_LINUX_HVOS_PORT_H

#include <linux/completion.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/workqueue.h>

struct hvos_lock {
	spinlock_t spin;
	unsigned long flags; /* the holder's */
};

struct hvos_mutex {
	struct mutex mutex;
};

struct hvos_event {
	struct completion set;
};

struct hvos_work {
	struct work_struct work;
	void (*fn)(void *ctx);
	void *ctx;
	bool finished; /* (a) queueing does nothing */
};

struct hvos_timer {
	struct timer_list timer;
	u64 deadline_ns; /* of who armed it last */
	void (*fn)(void *ctx);
	void *ctx;
};

#endif
