/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Which queue serves which processor. The kernel decides which processor a channel interrupts, and its users may change that.
 */
#include <linux/smp.h>
#include <linux/topology.h>

#include "hba.h"

static struct hvg_chan *chan_of(const struct hba *hba, unsigned queue)
{
	return queue ? &hba->subs[queue] : hvg_device_chan(hba->device);
}

static unsigned cpu_of(const struct hba *hba, unsigned queue)
{
	return READ_ONCE(chan_of(hba, queue)->channel->target_cpu);
}

/* The next of them after `last`, of that node; as many as there are: none. */
static unsigned next_queue(const struct hba *hba, unsigned last, int node)
{
	unsigned i, queue;

	for (i = 1; i <= HVG_STOR_QUEUES_MAX; i++) {
		queue = (last + i) % HVG_STOR_QUEUES_MAX;
		if (hvg_stor_queue_open(hba->stor, queue) &&
		    (node == NUMA_NO_NODE || cpu_to_node(cpu_of(hba, queue)) == node))
			return queue;
	}
	return HVG_STOR_QUEUES_MAX;
}

/* The queue that interrupts this processor, or in turn those of its node, or of all. */
void hba_map_queues(struct hba *hba)
{
	unsigned cpu, queue, last = 0;

	mutex_lock(&hba->map_lock);
	for_each_possible_cpu(cpu)
	{
		for (queue = 0; queue < HVG_STOR_QUEUES_MAX; queue++)
			if (hvg_stor_queue_open(hba->stor, queue) && cpu_of(hba, queue) == cpu)
				break;
		if (queue == HVG_STOR_QUEUES_MAX) {
			queue = next_queue(hba, last, cpu_to_node(cpu));
			if (queue == HVG_STOR_QUEUES_MAX)
				queue = next_queue(hba, last, NUMA_NO_NODE);
			last = queue;
		}
		WRITE_ONCE(hba->map[cpu], queue % HVG_STOR_QUEUES_MAX);
	}
	mutex_unlock(&hba->map_lock);
}

/* --- sub-channels --------------------------------------------------------------------------------------- */

static void processor_changed(struct vmbus_channel *channel, u32 before, u32 now)
{
	struct vmbus_channel *primary = channel->primary_channel ?: channel;
	struct hba *hba = hv_get_drvdata(primary->device_obj);

	if (hba)
		hba_map_queues(hba);
}

static void take_subchannel(struct vmbus_channel *channel)
{
	struct hba *hba = hv_get_drvdata(channel->primary_channel->device_obj);
	const u16 index = channel->offermsg.offer.sub_channel_index;

	if (!hba || !index || index >= HVG_STOR_QUEUES_MAX)
		return;
	hvg_linux_chan_init(&hba->subs[index], hba->device, channel);
	channel->change_target_cpu_callback = processor_changed;
	hvg_stor_subchannel(hba->stor, &hba->subs[index]);
	hba_map_queues(hba);
}

/* Before any are asked for: the kernel forgets it each time that the first channel is closed. */
void hba_expect_subchannels(struct hba *hba)
{
	struct vmbus_channel *primary = hvg_device_chan(hba->device)->channel;

	primary->change_target_cpu_callback = processor_changed;
	vmbus_set_sc_create_callback(primary, take_subchannel);
}
