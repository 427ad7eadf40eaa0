/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <linux/timer.h>
int probe_timer(struct timer_list *timer);
int probe_timer(struct timer_list *timer)
{
	return timer_delete_sync(timer);
}
