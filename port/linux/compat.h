/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What differs between kernels, all of it. COMPAT_* come from the build: each is 1 when a small file in
 * probes/ compiles against that kernel. Versions are not asked, because distributions take
 * interfaces from newer kernels into older ones.
 */
#ifndef PORT_LINUX_COMPAT_H
#define PORT_LINUX_COMPAT_H

#include <asm/mshyperv.h>
#include <clocksource/hyperv_timer.h> /* hv_read_reference_counter() stood here before it moved to mshyperv.h */
#include <linux/hyperv.h>
#include <linux/timer.h>

/* hv_driver.remove returns nothing in newer kernels. */
#if COMPAT_REMOVE_VOID
#define COMPAT_REMOVE_TYPE	void
#define COMPAT_REMOVE_RETURN(x) return
#else
#define COMPAT_REMOVE_TYPE	int
#define COMPAT_REMOVE_RETURN(x) return (x)
#endif

/* It had another name. */
static inline void compat_timer_delete_sync(struct timer_list *timer)
{
#if COMPAT_TIMER_DELETE
	timer_delete_sync(timer);
#else
	del_timer_sync(timer);
#endif
}

/* Shared memory was a number alone. */
#if COMPAT_GPADL_STRUCT
typedef struct vmbus_gpadl compat_gpadl;

static inline u32 compat_gpadl_handle(const compat_gpadl *gpadl)
{
	return gpadl->gpadl_handle;
}

static inline int compat_gpadl_teardown(struct vmbus_channel *channel, compat_gpadl *gpadl)
{
	return vmbus_teardown_gpadl(channel, gpadl);
}
#else
typedef u32 compat_gpadl;

static inline u32 compat_gpadl_handle(const compat_gpadl *gpadl)
{
	return *gpadl;
}

static inline int compat_gpadl_teardown(struct vmbus_channel *channel, compat_gpadl *gpadl)
{
	return vmbus_teardown_gpadl(channel, *gpadl);
}
#endif

/* The host does not see this guest's memory. */
static inline bool compat_isolated(void)
{
#if COMPAT_ISOLATION
	return hv_is_isolation_supported();
#else
	return false;
#endif
}

static inline bool compat_hibernation_supported(void)
{
#if COMPAT_HIBERNATION
	return hv_is_hibernation_supported();
#else
	return false;
#endif
}

#endif
