/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Memory for the host, and which processors there are: services of hvos.h and hvg_chan.h for drivers that share
 * buffers.
 */
#include <linux/cpumask.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "compat.h"
#include "linux_priv.h"

int hvos_shared_alloc(struct hvos_shared *shared, uint32_t pages)
{
	void *base = kvzalloc((size_t)pages * HVP_PAGE_SIZE, GFP_KERNEL);

	if (!base)
		return -ENOMEM;
	shared->base = base;
	shared->pages = pages;
	shared->port = NULL;
	return 0;
}

int hvos_shared_free(struct hvos_shared *shared)
{
	kvfree(shared->base);
	shared->base = NULL;
	return 0;
}

void hvos_shared_lose(struct hvos_shared *shared)
{
	shared->base = NULL;
}

uint64_t hvos_shared_gpn(const struct hvos_shared *shared, uint32_t page)
{
	const u8 *at = (const u8 *)shared->base + (size_t)page * HVP_PAGE_SIZE;
	phys_addr_t address = is_vmalloc_addr(at) ?
				      page_to_phys(vmalloc_to_page(at)) + offset_in_page(at) :
				      virt_to_phys((void *)at);

	return address >> HVP_PAGE_SHIFT;
}

unsigned hvos_cpu_count(void)
{
	return nr_cpu_ids;
}

bool hvos_cpu_online(unsigned cpu)
{
	return cpu < nr_cpu_ids && cpu_online(cpu);
}

/* --- channels ------------------------------------------------------------------------------------------- */

/* Kernels want more than the handle to take memory back. */
struct share {
	struct list_head link;
	struct vmbus_channel *channel;
	compat_gpadl gpadl;
};

static LIST_HEAD(shares);
static DEFINE_MUTEX(shares_lock);

int hvg_chan_share(struct hvg_chan *chan, const struct hvos_shared *shared, uint32_t *handle)
{
	struct share *share = kzalloc(sizeof(*share), GFP_KERNEL);
	int err;

	if (!share)
		return -ENOMEM;
	share->channel = chan->channel;
	err = vmbus_establish_gpadl(chan->channel, shared->base, shared->pages * HVP_PAGE_SIZE,
				    &share->gpadl);
	if (err) {
		kfree(share);
		return chan->channel->rescind ? -ENODEV : err;
	}
	*handle = compat_gpadl_handle(&share->gpadl);
	mutex_lock(&shares_lock);
	list_add(&share->link, &shares);
	mutex_unlock(&shares_lock);
	return 0;
}

static struct share *take_share(struct vmbus_channel *channel, u32 handle)
{
	struct share *share, *found = NULL;

	mutex_lock(&shares_lock);
	list_for_each_entry(share, &shares, link) if (share->channel == channel &&
						      compat_gpadl_handle(&share->gpadl) == handle)
	{
		found = share;
		list_del(&share->link);
		break;
	}
	mutex_unlock(&shares_lock);
	return found;
}

int hvg_chan_unshare(struct hvg_chan *chan, uint32_t handle)
{
	struct share *share = take_share(chan->channel, handle);
	int err;

	if (!share)
		return -EINVAL;
	err = compat_gpadl_teardown(chan->channel, &share->gpadl);
	kfree(share);
	return err ? -ETIMEDOUT : 0;
}
