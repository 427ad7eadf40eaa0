/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Offers and rescinds, and the devices they make and end.
 *
 * The interrupt puts them into the inbox. The bus's work takes them out: it makes devices and
 * channels, marks them revoked, frees what is gone, and never waits for the host. Each device has a work
 * of its own, which calls its driver and may wait. Where that keeps the bus's work from running, whoever
 * waits empties the inbox: a rescind in it may end the wait, and a full one is in front of the answer.
 */
#include "bus_priv.h"

#include "hvw_guid.h"

/* A host that sends on and on does not keep anybody in the inbox; a full inbox is less than this. */
#define TAKE_BUDGET (4 * HVG_INBOX_MESSAGES)

/* --- a device's own work -------------------------------------------------------------------------------- */

static const struct hvg_driver *find_driver(struct hvg_bus *bus, const struct hvp_guid *class_id)
{
	unsigned i;

	if (bus->config.allowed && !bus->config.allowed(class_id))
		return NULL;
	for (i = 0; i < bus->config.driver_count; i++)
		if (hvw_guid_equal(&bus->config.drivers[i]->class_id, class_id))
			return bus->config.drivers[i];
	return NULL;
}

static void set_state(struct hvg_device *device, enum hvg_device_state state)
{
	hvos_mutex_lock(&device->bus->mutex);
	device->state = state;
	hvos_mutex_unlock(&device->bus->mutex);
}

static enum hvg_device_state get_state(struct hvg_device *device)
{
	enum hvg_device_state state;

	hvos_mutex_lock(&device->bus->mutex);
	state = device->state;
	hvos_mutex_unlock(&device->bus->mutex);
	return state;
}

static void attach(struct hvg_device *device)
{
	int err = device->driver ? device->driver->attach(device) : -ENODEV;

	if (err && device->driver)
		hvg_log(HVOS_ERROR, "%s: the driver does not take the device: error %d",
			device->driver->name, -err);
	if (err)
		hvg_chan_close(device->primary);
	set_state(device, err ? HVG_DEVICE_IDLE : HVG_DEVICE_ATTACHED);
}

static void resume(struct hvg_device *device)
{
	int err = device->driver->resume(device);

	if (!err) {
		set_state(device, HVG_DEVICE_ATTACHED);
		return;
	}
	hvg_log(HVOS_ERROR, "%s: cannot go on after the suspend: error %d", device->driver->name,
		-err);
	device->driver->detach(device);
	hvg_chan_close(device->primary);
	set_state(device, HVG_DEVICE_IDLE);
}

/* The first sub-channel that is to be shown to the driver (`gone`: taken from it); a gone one leaves the list. */
static struct hvg_chan *next_sub(struct hvg_device *device, bool gone)
{
	struct hvg_chan **link, *found;

	hvos_mutex_lock(&device->bus->mutex);
	for (link = &device->subs; (found = *link); link = &found->next) {
		bool revoked = hvg_chan_revoked(found);

		if (gone ? revoked : !revoked && !found->presented)
			break;
	}
	if (found && gone)
		*link = found->next;
	hvos_mutex_unlock(&device->bus->mutex);
	return found;
}

static void drop_sub(struct hvg_device *device, struct hvg_chan *sub, bool tell)
{
	if (sub->presented && device->driver && device->driver->subchannel_gone)
		device->driver->subchannel_gone(device, sub);
	hvg_chan_close(sub);
	hvg_chan_release_id(sub, tell);
	hvg_chan_destroy(sub);
}

static void serve_subs(struct hvg_device *device)
{
	struct hvg_chan *sub;

	while ((sub = next_sub(device, true)))
		drop_sub(device, sub, true);
	if (get_state(device) != HVG_DEVICE_ATTACHED || !device->driver->subchannel)
		return;
	while ((sub = next_sub(device, false))) {
		sub->presented = true;
		device->driver->subchannel(device, sub);
	}
}

/* All sub-channels, whether or not the host has taken them away. */
static void drop_subs(struct hvg_device *device, bool tell)
{
	struct hvg_chan *sub;

	for (;;) {
		hvos_mutex_lock(&device->bus->mutex);
		sub = device->subs;
		if (sub)
			device->subs = sub->next;
		hvos_mutex_unlock(&device->bus->mutex);
		if (!sub)
			return;
		drop_sub(device, sub, tell);
	}
}

/* The driver lets go, the channels are closed. */
static void detach(struct hvg_device *device, bool tell)
{
	enum hvg_device_state state = get_state(device);

	drop_subs(device, tell);
	if (state == HVG_DEVICE_ATTACHED || state == HVG_DEVICE_SUSPENDED ||
	    state == HVG_DEVICE_RETURNED)
		device->driver->detach(device);
	hvg_chan_close(device->primary);
	hvg_chan_release_id(device->primary, tell);
	set_state(device, HVG_DEVICE_GONE);
}

static void device_work(void *ctx)
{
	struct hvg_device *device = ctx;
	struct hvg_bus *bus = device->bus;

	if (hvg_chan_revoked(device->primary)) {
		if (get_state(device) != HVG_DEVICE_GONE)
			detach(device, true);
		hvos_work_queue(&bus->work);
		return;
	}
	switch (get_state(device)) {
	case HVG_DEVICE_NEW:
		attach(device);
		break;
	case HVG_DEVICE_RETURNED:
		resume(device);
		break;
	default:
		break;
	}
	serve_subs(device);
	hvos_event_set(&bus->progress);
}

/* --- the bus's work --------------------------------------------------------------------------------------- */

static void destroy_device(struct hvg_device *device)
{
	hvos_work_fini(&device->work);
	hvg_chan_destroy(device->primary);
	hvos_free(device);
}

static void free_gone(struct hvg_bus *bus)
{
	struct hvg_device **link = &bus->devices, *gone = NULL, *device;

	hvos_mutex_lock(&bus->mutex);
	while (!bus->stopping && (device = *link)) {
		if (device->state == HVG_DEVICE_GONE) {
			*link = device->next;
			device->next = gone;
			gone = device;
		} else {
			link = &device->next;
		}
	}
	hvos_mutex_unlock(&bus->mutex);
	while ((device = gone)) {
		gone = device->next;
		destroy_device(device);
	}
}

static struct hvg_chan *find_chan(struct hvg_bus *bus, uint32_t id)
{
	return __atomic_load_n(&bus->by_id[id], __ATOMIC_ACQUIRE);
}

static void violation(struct hvg_bus *bus, const char *what, uint32_t id)
{
	hvg_bus_count(&bus->counters.violations, 1);
	hvg_log(HVOS_WARNING, "offer of channel %u dropped: %s", id, what);
}

/* The device with this instance that is not about to go. */
static struct hvg_device *find_device(struct hvg_bus *bus,
				      const struct hvp_msg_offer_channel *offer)
{
	struct hvg_device *device;

	hvos_mutex_assert(&bus->mutex);
	for (device = bus->devices; device; device = device->next)
		if (device->state != HVG_DEVICE_GONE &&
		    hvw_guid_equal(&device->info.instance_id, &offer->instance_id) &&
		    hvw_guid_equal(&device->info.class_id, &offer->class_id) &&
		    !hvg_chan_revoked(device->primary))
			break;
	return device;
}

static int make_device(struct hvg_bus *bus, const struct hvp_msg_offer_channel *offer,
		       struct hvg_device **out)
{
	struct hvg_device *device = hvos_alloc(sizeof(*device)), **link;

	if (!device)
		return -ENOMEM;
	device->bus = bus;
	device->info.class_id = offer->class_id;
	device->info.instance_id = offer->instance_id;
	device->info.flags = offer->flags;
	device->info.mmio_megabytes = offer->mmio_megabytes;
	hvw_memcpy(device->info.user_data, offer->user_data, sizeof(device->info.user_data));
	device->driver = find_driver(bus, &offer->class_id);
	device->state = HVG_DEVICE_NEW;
	if (hvg_chan_create(device, offer, &device->primary)) {
		hvos_free(device);
		return -ENOMEM;
	}
	hvos_work_init(&device->work, device_work, device);
	for (link = &bus->devices; *link; link = &(*link)->next)
		;
	*link = device;
	*out = device;
	return 0;
}

/* A suspended device is back: under other numbers, most likely. */
static void return_device(struct hvg_device *device, const struct hvp_msg_offer_channel *offer)
{
	struct hvg_chan *chan = device->primary;

	chan->id = offer->channel_id;
	chan->connection_id = offer->connection_id;
	__atomic_store_n(&device->bus->by_id[chan->id], chan, __ATOMIC_RELEASE);
	device->state = HVG_DEVICE_RETURNED;
}

static bool has_sub(const struct hvg_device *device, uint32_t index)
{
	const struct hvg_chan *sub;

	for (sub = device->subs; sub; sub = sub->next)
		if (sub->index == index && !hvg_chan_revoked(sub))
			return true;
	return false;
}

static int add_sub(struct hvg_device *device, const struct hvp_msg_offer_channel *offer)
{
	struct hvg_chan *sub;
	int err = hvg_chan_create(device, offer, &sub);

	if (err)
		return err;
	sub->next = device->subs;
	device->subs = sub;
	return 0;
}

/* Why this offer cannot be one; NULL: it can. */
static const char *find_fault(const struct hvg_device *device,
			      const struct hvp_msg_offer_channel *offer)
{
	bool suspended = device && device->state == HVG_DEVICE_SUSPENDED;

	if (offer->subchannel_index) {
		if (!device || suspended)
			return "its device is not offered";
		return has_sub(device, offer->subchannel_index) ? "it is offered already" : NULL;
	}
	return device && !suspended ? "it is offered already" : NULL;
}

static int accept(struct hvg_bus *bus, struct hvg_device *device,
		  const struct hvp_msg_offer_channel *offer)
{
	int err = 0;

	if (offer->subchannel_index)
		err = add_sub(device, offer);
	else if (device)
		return_device(device, offer);
	else
		err = make_device(bus, offer, &device);
	if (!err)
		hvos_work_queue(&device->work);
	return err;
}

static void handle_offer(struct hvg_bus *bus, const struct hvp_msg_offer_channel *offer)
{
	uint32_t id = offer->channel_id;
	struct hvg_device *device;
	const char *fault;

	if (!id || id > HVP_CHANNEL_ID_MAX || find_chan(bus, id)) {
		violation(bus, "impossible or used number", id);
		return;
	}
	hvos_mutex_lock(&bus->mutex);
	/* Rescinds are ahead of what is left in the inbox then, so no offer would be judged rightly. */
	if (bus->stopping) {
		hvos_mutex_unlock(&bus->mutex);
		return;
	}
	device = find_device(bus, offer);
	fault = find_fault(device, offer);
	if (fault)
		violation(bus, fault, id);
	else if (accept(bus, device, offer))
		hvg_log(HVOS_ERROR, "out of memory: channel %u is not served", id);
	hvos_mutex_unlock(&bus->mutex);
}

static void handle_rescind(struct hvg_bus *bus, uint32_t id)
{
	struct hvg_chan *chan;

	/* Until the mutex is released nobody gives the channel's number back, and so its memory. */
	hvos_mutex_lock(&bus->mutex);
	chan = id <= HVP_CHANNEL_ID_MAX ? find_chan(bus, id) : NULL;
	if (chan && !hvg_chan_revoked(chan)) {
		__atomic_store_n(&chan->revoked, 1, __ATOMIC_SEQ_CST);
		hvg_request_revoke(bus, chan);
		hvos_work_queue(&chan->device->work);
	} else {
		/* One that we released before the host took it away, most likely. */
		hvg_bus_count(&bus->counters.unexpected, 1);
	}
	hvos_mutex_unlock(&bus->mutex);
}

static bool take_from_inbox(struct hvg_bus *bus, struct hvw_msg *msg)
{
	bool taken;

	hvos_lock(&bus->lock);
	taken = bus->inbox_count > 0;
	if (taken) {
		*msg = bus->inbox[bus->inbox_first];
		bus->inbox_first = (bus->inbox_first + 1) % HVG_INBOX_MESSAGES;
		bus->inbox_count--;
	}
	hvos_unlock(&bus->lock);
	return taken;
}

void hvg_offer_take(struct hvg_bus *bus)
{
	struct hvw_msg msg;
	unsigned left;

	/* One at a time, so that what the host says of a channel keeps its order. */
	hvos_mutex_lock(&bus->inbox_mutex);
	for (left = TAKE_BUDGET; left && take_from_inbox(bus, &msg); left--) {
		switch (msg.u.h.type) {
		case HVP_MSG_OFFER_CHANNEL:
			handle_offer(bus, &msg.u.OFFER_CHANNEL);
			break;
		case HVP_MSG_RESCIND_OFFER:
			handle_rescind(bus, msg.u.RESCIND_OFFER.channel_id);
			break;
		default:
			hvos_event_set(&bus->offers_delivered);
			break;
		}
	}
	hvos_mutex_unlock(&bus->inbox_mutex);
	if (!left)
		hvos_work_queue(&bus->work);
	/* There may be more where these came from. */
	hvg_hv_resume(&bus->hv);
}

void hvg_offer_work(void *ctx)
{
	struct hvg_bus *bus = ctx;

	hvg_offer_take(bus);
	free_gone(bus);
	hvos_event_set(&bus->progress);
}

/* --- all devices ------------------------------------------------------------------------------------------ */

/* No work of theirs runs or comes any more. */
static void quiesce(struct hvg_bus *bus)
{
	struct hvg_device *device;

	if (!bus->working)
		return;
	bus->working = false;
	hvos_mutex_lock(&bus->mutex);
	bus->stopping = true;
	hvos_mutex_unlock(&bus->mutex);
	/* The list stays as it is. Rescinds still end what these wait for. */
	for (device = bus->devices; device; device = device->next)
		hvos_work_fini(&device->work);
	hvos_lock(&bus->lock);
	bus->closed = true;
	hvos_unlock(&bus->lock);
	hvos_work_fini(&bus->work);
	/* Offers come too late. Rescinds do not: drivers may still wait for an answer. */
	hvg_offer_take(bus);
}

static void unlink_and_free(struct hvg_bus *bus, struct hvg_device *device)
{
	struct hvg_device **link = &bus->devices;

	hvos_mutex_lock(&bus->mutex);
	while (*link != device)
		link = &(*link)->next;
	*link = device->next;
	hvos_mutex_unlock(&bus->mutex);
	hvg_chan_destroy(device->primary);
	hvos_free(device);
}

void hvg_offer_detach_all(struct hvg_bus *bus)
{
	quiesce(bus);
	while (bus->devices) {
		struct hvg_device *device = bus->devices;

		if (device->state != HVG_DEVICE_GONE)
			detach(device, false);
		unlink_and_free(bus, device);
	}
}

int hvg_offer_suspend_all(struct hvg_bus *bus)
{
	struct hvg_device *device, *next;

	quiesce(bus);
	for (device = bus->devices; device; device = next) {
		int err = -EOPNOTSUPP;

		next = device->next;
		if (device->state == HVG_DEVICE_ATTACHED && device->driver->suspend &&
		    !hvg_chan_revoked(device->primary)) {
			drop_subs(device, false);
			err = device->driver->suspend(device);
			if (err)
				hvg_log(HVOS_WARNING, "%s: cannot be suspended: error %d; detached",
					device->driver->name, -err);
		}
		if (err) {
			/* Offered again later, it is a new device. */
			if (device->state != HVG_DEVICE_GONE)
				detach(device, false);
			unlink_and_free(bus, device);
			continue;
		}
		hvg_chan_close(device->primary);
		hvg_chan_release_id(device->primary, false);
		device->state = HVG_DEVICE_SUSPENDED;
	}
	return 0;
}

/* After a resume, when all offers are there: what did not come back is gone. */
void hvg_offer_drop_missing(struct hvg_bus *bus)
{
	struct hvg_device *device;

	hvos_mutex_lock(&bus->mutex);
	for (device = bus->devices; device; device = device->next)
		if (device->state == HVG_DEVICE_SUSPENDED) {
			hvg_log(HVOS_WARNING, "%s: the host does not have it any more",
				device->driver->name);
			__atomic_store_n(&device->primary->revoked, 1, __ATOMIC_SEQ_CST);
			hvos_work_queue(&device->work);
		}
	hvos_mutex_unlock(&bus->mutex);
}

/* The works are ready. */
void hvg_offer_restart(struct hvg_bus *bus)
{
	struct hvg_device *device;

	bus->stopping = false;
	bus->working = true;
	hvos_work_init(&bus->work, hvg_offer_work, bus);
	for (device = bus->devices; device; device = device->next)
		hvos_work_init(&device->work, device_work, device);
}

bool hvg_offer_settled(struct hvg_bus *bus)
{
	struct hvg_device *device;
	bool settled = true;

	hvos_mutex_lock(&bus->mutex);
	for (device = bus->devices; device; device = device->next)
		if (device->state == HVG_DEVICE_NEW || device->state == HVG_DEVICE_RETURNED)
			settled = false;
	hvos_mutex_unlock(&bus->mutex);
	return settled;
}

void hvg_bus_each(struct hvg_bus *bus,
		  void (*fn)(void *ctx, const struct hvg_device_status *status), void *ctx)
{
	struct hvg_device *device;
	struct hvg_chan *sub;

	hvos_mutex_lock(&bus->mutex);
	for (device = bus->devices; device; device = device->next) {
		struct hvg_device_status status = {
			.info = &device->info,
			.driver = device->state == HVG_DEVICE_ATTACHED ? device->driver->name :
									 NULL,
			.channel_id = device->primary->id,
			.channels = device->primary->open,
			.revoked = hvg_chan_revoked(device->primary),
		};

		for (sub = device->subs; sub; sub = sub->next)
			status.channels += sub->open;
		fn(ctx, &status);
	}
	hvos_mutex_unlock(&bus->mutex);
}

/* --- what drivers ask --------------------------------------------------------------------------------------- */

const struct hvg_device_info *hvg_device_info(const struct hvg_device *device)
{
	return &device->info;
}

struct hvg_chan *hvg_device_chan(struct hvg_device *device)
{
	return device->primary;
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
	return hvg_hv_reference(&device->bus->hv);
}
