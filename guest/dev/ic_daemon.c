/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The host's request becomes a message that the daemon reads; what the daemon writes becomes the
 * answer. Either side can be late, gone or anew at any time, and the other is told or kept from it: the host gets a
 * failure, and a daemon's answer to what nobody waits for any more goes nowhere.
 *
 * The daemon's side runs in its own thread, under the lock; what touches the channel is left to the service's work.
 */
#include "ic_daemon_priv.h"

static struct hvg_daemon *daemon_of(const struct hvg_device *device)
{
	return hvg_device_data(device);
}

static const struct hvg_daemon_service *service_of(const struct hvg_daemon *daemon)
{
	return (const struct hvg_daemon_service *)daemon->ic.service;
}

/* --- the host's side: the service's work ------------------------------------------------------------- */

/* Context A. */
static void expire(void *ctx)
{
	struct hvg_daemon *daemon = ctx;

	__atomic_store_n(&daemon->expired, 1, __ATOMIC_RELAXED);
	hvos_work_queue(&daemon->ic.work);
}

bool hvg_daemon_listens(struct hvg_ic *ic)
{
	/* Hosts take a service that fails at once for one that is not there, and may never ask again. */
	return __atomic_load_n(&((struct hvg_daemon *)ic)->listens, __ATOMIC_ACQUIRE);
}

uint32_t hvg_daemon_ask(struct hvg_ic *ic, uint8_t *body, size_t size)
{
	struct hvg_daemon *daemon = (struct hvg_daemon *)ic;
	const struct hvg_daemon_service *service = service_of(daemon);
	uint32_t status = HVP_IC_FAIL;

	hvos_mutex_lock(&daemon->lock);
	daemon->message_len = service->ask(body, size, daemon->message, &status);
	if (daemon->message_len && !daemon->registered) {
		status = HVP_IC_FAIL;
	} else if (daemon->message_len) {
		daemon->request = HVG_DAEMON_UNREAD;
		__atomic_store_n(&daemon->expired, 0, __ATOMIC_RELAXED);
		hvos_timer_arm(&daemon->timer,
			       hvos_now_ns() + service->timeout_ms(daemon->message) * 1000000ull);
		daemon->wake(daemon->wake_ctx);
		status = HVG_IC_LATER;
	}
	hvos_mutex_unlock(&daemon->lock);
	return status;
}

/* With the lock held. */
static void forget(struct hvg_daemon *daemon)
{
	daemon->stale = daemon->stale || daemon->request == HVG_DAEMON_READ;
	daemon->request = HVG_DAEMON_NONE;
}

uint32_t hvg_daemon_finish(struct hvg_ic *ic, uint8_t *body, size_t size)
{
	struct hvg_daemon *daemon = (struct hvg_daemon *)ic;
	const struct hvg_daemon_service *service = service_of(daemon);
	uint32_t status = HVG_IC_LATER;
	bool expired = false;

	hvos_mutex_lock(&daemon->lock);
	if (daemon->request == HVG_DAEMON_ANSWERED) {
		status = service->answer(daemon->message, body, size);
	} else if (daemon->request == HVG_DAEMON_LOST) {
		status = HVP_IC_FAIL;
	} else if (__atomic_load_n(&daemon->expired, __ATOMIC_RELAXED)) {
		status = HVP_IC_FAIL;
		expired = true;
	}
	if (status != HVG_IC_LATER)
		forget(daemon);
	hvos_mutex_unlock(&daemon->lock);
	if (status == HVG_IC_LATER)
		return status;
	hvos_timer_stop(&daemon->timer);
	if (expired)
		hvg_log(HVOS_WARNING, "%s: the daemon does not answer", ic->service->name);
	return status;
}

void hvg_daemon_give_up(struct hvg_ic *ic)
{
	struct hvg_daemon *daemon = (struct hvg_daemon *)ic;

	hvos_mutex_lock(&daemon->lock);
	forget(daemon);
	hvos_mutex_unlock(&daemon->lock);
	hvos_timer_stop(&daemon->timer);
}

void hvg_daemon_closed(struct hvg_ic *ic)
{
	struct hvg_daemon *daemon = (struct hvg_daemon *)ic;

	hvos_mutex_lock(&daemon->lock);
	daemon->undo = daemon->holds;
	daemon->holds = false;
	if (daemon->undo)
		daemon->wake(daemon->wake_ctx);
	hvos_mutex_unlock(&daemon->lock);
}

/* --- the daemon's side ------------------------------------------------------------------------------- */

int hvg_daemon_open(struct hvg_device *device, hvos_fn wake, void *ctx)
{
	struct hvg_daemon *daemon = daemon_of(device);
	int err = 0;

	hvos_mutex_lock(&daemon->lock);
	if (daemon->open) {
		err = -EBUSY;
	} else {
		daemon->open = true;
		daemon->wake = wake;
		daemon->wake_ctx = ctx;
	}
	hvos_mutex_unlock(&daemon->lock);
	return err;
}

void hvg_daemon_close(struct hvg_device *device)
{
	struct hvg_daemon *daemon = daemon_of(device);

	hvos_mutex_lock(&daemon->lock);
	if (daemon->request == HVG_DAEMON_UNREAD || daemon->request == HVG_DAEMON_READ)
		daemon->request = HVG_DAEMON_LOST;
	daemon->open = false;
	daemon->registered = false;
	daemon->greeting = false;
	daemon->stale = false;
	daemon->holds = false;
	daemon->undo = false;
	hvos_mutex_unlock(&daemon->lock);
	hvos_work_queue(&daemon->ic.work);
}

/* With the lock held. */
static int read_greeting(struct hvg_daemon *daemon, void *buffer, size_t size)
{
	const struct hvg_daemon_service *service = service_of(daemon);

	if (size < service->greeting_bytes)
		return -EINVAL;
	service->greet(buffer);
	daemon->greeting = false;
	return (int)service->greeting_bytes;
}

/* With the lock held; there is no request then, or one that came after the channel was opened anew. */
static int read_undo(struct hvg_daemon *daemon, void *buffer, size_t size)
{
	const struct hvg_daemon_service *service = service_of(daemon);

	/* It answers a message that it has read before, and only then reads on. */
	if (daemon->stale)
		return -EAGAIN;
	if (size < service->undo_bytes)
		return -EINVAL;
	service->undo(buffer);
	daemon->undo = false;
	daemon->stale = true;
	return (int)service->undo_bytes;
}

/* With the lock held. */
static int read_request(struct hvg_daemon *daemon, void *buffer, size_t size)
{
	const struct hvg_daemon_service *service = service_of(daemon);
	enum hvg_daemon_effect effect;

	if (size < daemon->message_len)
		return -EINVAL;
	hvw_memcpy(buffer, daemon->message, daemon->message_len);
	daemon->request = HVG_DAEMON_READ;
	effect = service->effect ? service->effect(daemon->message) : HVG_DAEMON_AS_BEFORE;
	if (effect != HVG_DAEMON_AS_BEFORE)
		daemon->holds = effect == HVG_DAEMON_HOLDS;
	return (int)daemon->message_len;
}

int hvg_daemon_read(struct hvg_device *device, void *buffer, size_t size)
{
	struct hvg_daemon *daemon = daemon_of(device);
	int len = -EAGAIN;

	hvos_mutex_lock(&daemon->lock);
	if (daemon->greeting)
		len = read_greeting(daemon, buffer, size);
	else if (daemon->undo)
		len = read_undo(daemon, buffer, size);
	else if (daemon->request == HVG_DAEMON_UNREAD)
		len = read_request(daemon, buffer, size);
	hvos_mutex_unlock(&daemon->lock);
	return len;
}

bool hvg_daemon_readable(struct hvg_device *device)
{
	struct hvg_daemon *daemon = daemon_of(device);
	bool readable;

	hvos_mutex_lock(&daemon->lock);
	readable = daemon->greeting || (daemon->undo && !daemon->stale) ||
		   daemon->request == HVG_DAEMON_UNREAD;
	hvos_mutex_unlock(&daemon->lock);
	return readable;
}

/* With the lock held. */
static int take_hello(struct hvg_daemon *daemon, const void *message, size_t size)
{
	const struct hvg_daemon_service *service = service_of(daemon);

	if (!service->hello(message, size))
		return -EINVAL;
	daemon->registered = true;
	daemon->greeting = true;
	__atomic_store_n(&daemon->listens, 1, __ATOMIC_RELEASE);
	hvg_log(HVOS_INFO, "%s: a daemon serves", service->ic.name);
	return (int)size;
}

/* With the lock held. */
static int take_answer(struct hvg_daemon *daemon, const void *message, size_t size)
{
	const uint32_t bytes = service_of(daemon)->answer_bytes;

	if (size < bytes)
		return -EINVAL;
	if (daemon->stale) {
		daemon->stale = false;
		if (daemon->undo)
			daemon->wake(daemon->wake_ctx);
		return (int)size;
	}
	if (daemon->request != HVG_DAEMON_READ)
		return -EINVAL;
	hvw_memcpy(daemon->message, message, bytes);
	daemon->request = HVG_DAEMON_ANSWERED;
	return (int)size;
}

int hvg_daemon_write(struct hvg_device *device, const void *message, size_t size)
{
	struct hvg_daemon *daemon = daemon_of(device);
	int len;

	hvos_mutex_lock(&daemon->lock);
	len = daemon->registered ? take_answer(daemon, message, size) :
				   take_hello(daemon, message, size);
	hvos_mutex_unlock(&daemon->lock);
	if (len > 0)
		hvos_work_queue(&daemon->ic.work);
	return len;
}

/* --- life -------------------------------------------------------------------------------------------- */

void hvg_daemon_init(struct hvg_ic *ic)
{
	struct hvg_daemon *daemon = (struct hvg_daemon *)ic;

	hvos_mutex_init(&daemon->lock, "daemon");
	hvos_timer_init(&daemon->timer, expire, daemon);
}

void hvg_daemon_fini(struct hvg_ic *ic)
{
	struct hvg_daemon *daemon = (struct hvg_daemon *)ic;

	hvos_timer_stop(&daemon->timer);
	hvos_mutex_fini(&daemon->lock);
}
