/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * See hvg/hvg_netif.h.
 */
#include "hvg/hvg_netif.h"

#include "hvp_rndis.h"
#include "hvw_shared.h"

#define NS_PER_MS 1000000ull

/* --- polling -------------------------------------------------------------------------------------------- */

/*
 * When that was asked for, and nobody does: who does goes on for us. True: there is more. Nothing waits here: on
 * a port with one thread a work that waits for another might come on top, and wait for us.
 */
static bool poll(struct hvg_net_port_queue *port)
{
	bool more;

	/* Who waits comes by for each that may be there. */
	if (!__atomic_load_n(&port->open, __ATOMIC_ACQUIRE))
		return false;
	hvos_lock(&port->lock);
	if (!port->open || port->polling || !port->wanted) {
		hvos_unlock(&port->lock);
		return false;
	}
	port->polling = true;
	port->wanted = false;
	hvos_unlock(&port->lock);
	more = hvg_net_poll(port->queue, HVG_NETIF_BUDGET) >= HVG_NETIF_BUDGET ||
	       hvg_net_poll_end(port->queue);
	hvos_lock(&port->lock);
	port->polling = false;
	port->wanted |= more;
	more = port->wanted;
	hvos_unlock(&port->lock);
	return more;
}

static void poll_work(void *ctx)
{
	struct hvg_net_port_queue *port = ctx;

	if (poll(port))
		hvos_work_queue(&port->work);
	hvos_event_set(&port->nic->poked);
}

void hvg_net_port_schedule(struct hvg_net_port_queue *port)
{
	hvos_lock(&port->lock);
	port->wanted = true;
	hvos_unlock(&port->lock);
	hvos_work_queue(&port->work);
	hvos_event_set(&port->nic->poked);
}

/* Our works may be kept from running by the one that waits here. */
int hvg_net_port_wait(struct hvg_net_port *nic, struct hvos_event *event, uint32_t timeout_ms)
{
	const uint64_t end_ns = hvos_now_ns() + timeout_ms * NS_PER_MS;
	uint64_t now_ns;
	unsigned i;

	for (;;) {
		hvos_event_reset(&nic->poked);
		for (i = 0; i < HVG_NET_QUEUES_MAX; i++)
			if (poll(hvg_net_queue_port(hvg_net_queue(nic->net, i))))
				hvos_event_set(&nic->poked);
		if (event && !hvos_event_wait(event, 0))
			return 0;
		now_ns = hvos_now_ns();
		if (now_ns >= end_ns)
			return -ETIMEDOUT;
		(void)!hvos_event_wait(&nic->poked, (uint32_t)((end_ns - now_ns) / NS_PER_MS) + 1);
	}
}

void hvg_net_port_receive(struct hvg_net_port_queue *port, const struct hvg_net_rx *rx)
{
	port->nic->ops->received(port->nic, port->index, rx);
}

int hvg_net_port_queue_start(struct hvg_net_port_queue *port, struct hvg_net_port *nic,
			     struct hvg_net_queue *queue, unsigned index)
{
	(void)nic;
	port->queue = queue;
	port->index = index;
	hvos_work_init(&port->work, poll_work, port);
	hvos_lock(&port->lock);
	port->asked = port->wanted = false;
	__atomic_store_n(&port->open, true, __ATOMIC_RELEASE);
	hvos_unlock(&port->lock);
	return 0;
}

static bool is_polled(struct hvg_net_port_queue *port)
{
	bool polling;

	hvos_lock(&port->lock);
	polling = port->polling;
	hvos_unlock(&port->lock);
	return polling;
}

void hvg_net_port_queue_stop(struct hvg_net_port_queue *port)
{
	hvos_lock(&port->lock);
	__atomic_store_n(&port->open, false, __ATOMIC_RELEASE);
	hvos_unlock(&port->lock);
	hvos_work_fini(&port->work);
	/* Someone who waits for an answer may be at it. */
	while (is_polled(port))
		hvos_sleep_ms(1);
}

/* --- sending -------------------------------------------------------------------------------------------- */

int hvg_netif_send(struct hvg_net_port *nic, unsigned queue, struct hvg_netif_packet *packet,
		   bool more)
{
	struct hvg_net_port_queue *port = hvg_net_queue_port(hvg_net_queue(nic->net, queue));
	int err = -ENETDOWN;

	packet->frame.cookie = packet;
	if (!__atomic_load_n(&port->open, __ATOMIC_ACQUIRE))
		return err;
	hvos_lock(&port->lock);
	if (port->open)
		err = hvg_net_send(port->queue, &packet->frame, more);
	if (err == -EAGAIN)
		port->asked = true;
	hvos_unlock(&port->lock);
	return err;
}

void hvg_netif_flush(struct hvg_net_port *nic, unsigned queue)
{
	struct hvg_net_port_queue *port = hvg_net_queue_port(hvg_net_queue(nic->net, queue));

	if (!__atomic_load_n(&port->open, __ATOMIC_ACQUIRE))
		return;
	hvos_lock(&port->lock);
	if (port->open)
		hvg_net_flush(port->queue);
	hvos_unlock(&port->lock);
}

void hvg_net_port_wake(struct hvg_net_port_queue *port)
{
	bool asked;

	hvos_lock(&port->lock);
	if (port->open)
		hvg_net_flush(port->queue);
	asked = port->asked && port->open && hvg_net_sendable(port->queue);
	if (asked)
		port->asked = false;
	hvos_unlock(&port->lock);
	if (asked && port->nic->ops->room)
		port->nic->ops->room(port->nic, port->index);
}

void hvg_net_port_done(struct hvg_net_port_queue *port, void *cookie)
{
	if (port->nic->ops->done)
		port->nic->ops->done(port->nic, cookie);
}

void hvg_net_port_copy(const struct hvg_net_frame *frame, uint32_t offset, void *dst, uint32_t len)
{
	const struct hvg_netif_packet *packet = frame->cookie;
	uint8_t *to = dst;
	unsigned i;

	for (i = 0; len && i < packet->piece_count; i++) {
		const struct hvg_netif_piece *piece = &packet->pieces[i];
		uint32_t part;

		if (offset >= piece->len) {
			offset -= piece->len;
			continue;
		}
		part = piece->len - offset < len ? piece->len - offset : len;
		hvw_memcpy(to, (const uint8_t *)piece->data + offset, part);
		to += part;
		len -= part;
		offset = 0;
	}
}

unsigned hvg_net_port_pieces(const struct hvg_net_frame *frame, uint32_t offset,
			     struct hvg_net_piece *pieces, unsigned max)
{
	const struct hvg_netif_packet *packet = frame->cookie;
	unsigned i, count = 0;

	for (i = 0; i < packet->piece_count; i++) {
		const struct hvg_netif_piece *piece = &packet->pieces[i];

		if (offset >= piece->len) {
			offset -= piece->len;
			continue;
		}
		if (count == max || !piece->gpa)
			return 0;
		pieces[count].gpa = piece->gpa + offset;
		pieces[count++].len = piece->len - offset;
		offset = 0;
	}
	return count;
}

/* --- control -------------------------------------------------------------------------------------------- */

static void control_work(void *ctx)
{
	struct hvg_net_port *nic = ctx;

	hvos_mutex_lock(&nic->control);
	hvg_net_work(nic->net);
	hvos_mutex_unlock(&nic->control);
}

static void expired(void *ctx)
{
	struct hvg_net_port *nic = ctx;

	hvos_lock(&nic->timer_lock);
	nic->deadline_ns = 0;
	hvos_unlock(&nic->timer_lock);
	hvos_work_queue(&nic->work);
}

void hvg_net_port_work(struct hvg_net_port *nic, uint32_t delay_ms)
{
	const uint64_t deadline_ns = hvos_now_ns() + delay_ms * NS_PER_MS;

	if (!delay_ms) {
		hvos_work_queue(&nic->work);
		return;
	}
	hvos_lock(&nic->timer_lock);
	if (!nic->closing && (!nic->deadline_ns || deadline_ns < nic->deadline_ns)) {
		nic->deadline_ns = deadline_ns;
		hvos_timer_arm(&nic->timer, deadline_ns);
	}
	hvos_unlock(&nic->timer_lock);
}

void hvg_net_port_changed(struct hvg_net_port *nic, enum hvg_net_change change)
{
	if (nic->ops->changed)
		nic->ops->changed(nic, change);
}

void hvg_netif_lock(struct hvg_net_port *nic)
{
	hvos_mutex_lock(&nic->control);
}

void hvg_netif_unlock(struct hvg_net_port *nic)
{
	hvos_mutex_unlock(&nic->control);
}

int hvg_netif_up(struct hvg_net_port *nic)
{
	return hvg_net_set_filter(nic->net, HVP_FILTER_DIRECTED | HVP_FILTER_ALL_MULTICAST |
						    HVP_FILTER_BROADCAST);
}

int hvg_netif_down(struct hvg_net_port *nic)
{
	return hvg_net_set_filter(nic->net, 0);
}

/* --- life ------------------------------------------------------------------------------------------------- */

static void init_queues(struct hvg_net_port *nic)
{
	unsigned i;

	for (i = 0; i < HVG_NET_QUEUES_MAX; i++) {
		struct hvg_net_port_queue *port = hvg_net_queue_port(hvg_net_queue(nic->net, i));

		port->nic = nic;
		hvos_lock_init(&port->lock, "hvg netif queue");
	}
}

static void fini_queues(struct hvg_net_port *nic)
{
	unsigned i;

	for (i = 0; i < HVG_NET_QUEUES_MAX; i++)
		hvos_lock_fini(&hvg_net_queue_port(hvg_net_queue(nic->net, i))->lock);
}

/* Nothing of the core's runs or is to run. */
static void put_away(struct hvg_net_port *nic)
{
	hvos_lock(&nic->timer_lock);
	nic->closing = true;
	hvos_unlock(&nic->timer_lock);
	hvos_timer_stop(&nic->timer);
	hvos_work_fini(&nic->work);
}

static void destroy(struct hvg_net_port *nic)
{
	hvos_mutex_lock(&nic->control);
	hvg_net_detach(nic->net);
	hvos_mutex_unlock(&nic->control);
	put_away(nic);
	fini_queues(nic);
	hvg_net_destroy(nic->net);
	hvos_event_fini(&nic->poked);
	hvos_lock_fini(&nic->timer_lock);
	hvos_mutex_fini(&nic->control);
	hvos_free(nic);
}

static int attach_locked(struct hvg_net_port *nic, const struct hvg_net_config *config)
{
	int err;

	hvos_mutex_lock(&nic->control);
	err = hvg_net_attach(nic->net, config);
	hvos_mutex_unlock(&nic->control);
	return err;
}

int hvg_netif_attach(struct hvg_device *device, const struct hvg_net_config *config,
		     const struct hvg_netif_ops *ops, void *ctx)
{
	struct hvg_net_port *nic = hvos_alloc(sizeof(*nic));
	int err;

	if (!nic)
		return -ENOMEM;
	nic->device = device;
	nic->ops = ops;
	nic->ctx = ctx;
	err = hvg_net_create(device, nic, &nic->net);
	if (err) {
		hvos_free(nic);
		return err;
	}
	init_queues(nic);
	hvos_mutex_init(&nic->control, "hvg netif");
	hvos_event_init(&nic->poked);
	hvos_lock_init(&nic->timer_lock, "hvg netif timer");
	hvos_work_init(&nic->work, control_work, nic);
	hvos_timer_init(&nic->timer, expired, nic);
	hvg_device_set_data(device, nic);
	err = attach_locked(nic, config);
	if (err) {
		destroy(nic);
		return err;
	}
	if (ops->attached)
		ops->attached(nic);
	return 0;
}

void hvg_netif_detach(struct hvg_device *device)
{
	struct hvg_net_port *nic = hvg_device_data(device);

	if (nic->ops->detached)
		nic->ops->detached(nic);
	destroy(nic);
}

void hvg_netif_subchannel(struct hvg_device *device, struct hvg_chan *chan)
{
	struct hvg_net_port *nic = hvg_device_data(device);

	hvg_net_subchannel(nic->net, chan);
}

void hvg_netif_subchannel_gone(struct hvg_device *device, struct hvg_chan *chan)
{
	struct hvg_net_port *nic = hvg_device_data(device);

	hvg_net_subchannel_gone(nic->net, chan);
}

int hvg_netif_suspend(struct hvg_device *device)
{
	struct hvg_net_port *nic = hvg_device_data(device);

	hvos_mutex_lock(&nic->control);
	hvg_net_detach(nic->net);
	hvos_mutex_unlock(&nic->control);
	return 0;
}

int hvg_netif_resume(struct hvg_device *device)
{
	struct hvg_net_port *nic = hvg_device_data(device);

	return attach_locked(nic, hvg_net_config(nic->net));
}
