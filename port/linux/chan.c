/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Channels and devices over the kernel's VMBus.
 */
#include "compat.h"
#include "hvg/hvg_log.h"
#include "linux_priv.h"

/* --- channels ----------------------------------------------------------------------------------------- */

/* In the kernel's interrupt for this channel. */
static void on_interrupt(void *context)
{
	struct hvg_chan *chan = context;

	/* Pairs with the release in hvg_chan_open(): before that the rings are not ready. */
	if (smp_load_acquire(&chan->ready))
		chan->signalled(chan->ctx);
}

static int init_rings(struct hvg_chan *chan)
{
	struct hv_ring_buffer_info *out = &chan->channel->outbound, *in = &chan->channel->inbound;
	int err = hvw_tx_init(&chan->tx, (void HVW_SHARED HVW_FORCE *)out->ring_buffer,
			      out->ring_size);

	return err ? err :
		     hvw_rx_init(&chan->rx, (void HVW_SHARED HVW_FORCE *)in->ring_buffer,
				 in->ring_size);
}

int hvg_chan_open(struct hvg_chan *chan, const struct hvg_chan_config *config)
{
	struct vmbus_channel *channel = chan->channel;
	int err = vmbus_alloc_ring(channel, config->send_pages * HVP_PAGE_SIZE,
				   config->receive_pages * HVP_PAGE_SIZE);

	if (err)
		return err;
	chan->signalled = config->signalled;
	chan->ctx = config->ctx;
	WRITE_ONCE(chan->broken, false);
	/* Our own code masks signals and looks again: the kernel's must not do so too. */
	set_channel_read_mode(channel, HV_CALL_ISR);
	err = vmbus_connect_ring(channel, on_interrupt, chan);
	if (err) {
		vmbus_free_ring(channel);
		return err;
	}
	chan->open = true;
	err = init_rings(chan);
	if (err) {
		hvg_chan_close(chan);
		return err;
	}
	smp_store_release(&chan->ready, true);
	/* For what was signalled meanwhile. */
	chan->signalled(chan->ctx);
	return 0;
}

/*
 * The kernel closes sub-channels with the first channel, and not before; until then nobody listens. The lock is held
 * around each call of whoever does.
 */
static void hush(struct hvg_chan *chan)
{
	unsigned long flags;

	spin_lock_irqsave(&chan->channel->sched_lock, flags);
	chan->channel->onchannel_callback = NULL;
	spin_unlock_irqrestore(&chan->channel->sched_lock, flags);
}

void hvg_chan_close(struct hvg_chan *chan)
{
	if (!chan->open)
		return;
	chan->open = false;
	if (chan->channel->primary_channel)
		hush(chan);
	else
		vmbus_close(chan->channel);
	WRITE_ONCE(chan->ready, false);
}

bool hvg_chan_revoked(const struct hvg_chan *chan)
{
	return READ_ONCE(chan->channel->rescind);
}

uint32_t hvg_chan_index(const struct hvg_chan *chan)
{
	return chan->channel->offermsg.offer.sub_channel_index;
}

struct hvg_device *hvg_chan_device(const struct hvg_chan *chan)
{
	return chan->device;
}

void hvg_chan_break(struct hvg_chan *chan, const char *which)
{
	if (!xchg(&chan->broken, true))
		hvg_log(HVOS_WARNING, "%s: the host has spoilt the %s ring: no more of it",
			chan->device->driver->name, which);
}

/* --- devices ------------------------------------------------------------------------------------------ */

void hvg_linux_chan_init(struct hvg_chan *chan, struct hvg_device *device,
			 struct vmbus_channel *channel)
{
	memset(chan, 0, sizeof(*chan));
	chan->channel = channel;
	chan->device = device;
	hvos_lock_init(&chan->tx_lock, "hvg tx");
}

struct hvg_device *hvg_linux_device_create(struct hv_device *hv, const struct hvg_driver *driver)
{
	struct hvg_device *device = hvos_alloc(sizeof(*device));
	const struct vmbus_channel_offer *offer = &hv->channel->offermsg.offer;

	if (!device)
		return NULL;
	device->hv = hv;
	device->driver = driver;
	hvw_memcpy(&device->info.class_id, &hv->dev_type, sizeof(device->info.class_id));
	hvw_memcpy(&device->info.instance_id, &hv->dev_instance, sizeof(device->info.instance_id));
	device->info.flags = offer->chn_flags;
	device->info.mmio_megabytes = offer->mmio_megabytes;
	hvw_memcpy(device->info.user_data, &offer->u, sizeof(device->info.user_data));
	hvg_linux_chan_init(&device->primary, device, hv->channel);
	return device;
}

void hvg_linux_device_destroy(struct hvg_device *device)
{
	hvos_free(device);
}

const struct hvg_device_info *hvg_device_info(const struct hvg_device *device)
{
	return &device->info;
}

struct hvg_chan *hvg_device_chan(struct hvg_device *device)
{
	return &device->primary;
}

void hvg_device_set_data(struct hvg_device *device, void *data)
{
	device->data = data;
}

void *hvg_device_data(const struct hvg_device *device)
{
	return device->data;
}

uint64_t hvg_device_reference(const struct hvg_device *device)
{
	return hv_read_reference_counter();
}
