/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The framework of the integration services. The host speaks first, always: versions, then requests
 * one after the other. All is done in the service's work; the interrupt only queues it.
 */
#include "ic_priv.h"

/* Ring pages each way, as every guest has it: hosts size their messages by that. */
#define RING_PAGES 4u

/* Packets in one run of the work; then others get their turn. */
#define BUDGET 64u

static void count(unsigned long *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

/* hvg_ic_status() reads the versions from other threads; one that does so while they change may see some of each. */
static void version_set(struct hvp_ic_version *to, struct hvp_ic_version from)
{
	__atomic_store_n(&to->major, from.major, __ATOMIC_RELAXED);
	__atomic_store_n(&to->minor, from.minor, __ATOMIC_RELAXED);
}

static struct hvp_ic_version version_get(const struct hvp_ic_version *from)
{
	return (struct hvp_ic_version){ __atomic_load_n(&from->major, __ATOMIC_RELAXED),
					__atomic_load_n(&from->minor, __ATOMIC_RELAXED) };
}

/* --- one packet ---------------------------------------------------------------------------------------- */

/* False: no room; the host signals when there is. */
static bool send_answer(struct hvg_ic *ic)
{
	int err = hvg_chan_send(ic->chan, 0, ic->transaction_id, ic->buffer, ic->waiting);

	if (err == -EAGAIN)
		return false;
	ic->waiting = 0;
	if (!err && ic->act && ic->service->answered)
		ic->service->answered(ic);
	ic->act = false;
	return true;
}

static void negotiate(struct hvg_ic *ic, const struct hvw_ic *request)
{
	const struct hvg_ic_service *service = ic->service;
	const struct hvp_ic_header header = request->h;
	struct hvp_ic_version framework = { 0 }, message = { 0 };
	int err = hvw_ic_choose(request, service->framework, service->frameworks, service->message,
				service->messages, &framework, &message);

	version_set(&ic->framework, framework);
	version_set(&ic->message, message);
	/* The host may begin anew at any time; what was agreed before is void. */
	__atomic_store_n(&ic->ready, !err, __ATOMIC_RELEASE);
	if (err)
		hvg_log(HVOS_WARNING, "%s: no version in common with the host", service->name);
	else
		hvg_log(HVOS_INFO, "%s: version %u.%u, framework %u.%u", service->name,
			message.major, message.minor, framework.major, framework.minor);
	ic->waiting = (uint32_t)hvw_ic_build_choice(ic->buffer, &header, err ? NULL : &framework,
						    err ? NULL : &message);
}

/* The answer lies in the request's place. */
static void answer(struct hvg_ic *ic, uint32_t status)
{
	struct hvp_ic_header header = ic->request;

	header.status = status;
	header.flags = HVP_IC_FLAG_TRANSACTION | HVP_IC_FLAG_RESPONSE;
	ic->waiting = (uint32_t)hvw_ic_build(ic->buffer, &header);
	ic->act = header.type == ic->service->type;
	count(&ic->requests);
}

static void serve(struct hvg_ic *ic)
{
	uint32_t status = HVP_IC_FAIL;

	if (ic->request.type == ic->service->type)
		status = ic->service->request(ic, ic->buffer + HVW_IC_HEADERS, ic->request.size);
	ic->later = status == HVG_IC_LATER;
	if (!ic->later)
		answer(ic, status);
}

static void finish(struct hvg_ic *ic)
{
	uint32_t status = ic->service->finish(ic, ic->buffer + HVW_IC_HEADERS, ic->request.size);

	if (status == HVG_IC_LATER)
		return;
	ic->later = false;
	answer(ic, status);
}

static void give_up(struct hvg_ic *ic)
{
	if (ic->later)
		ic->service->give_up(ic);
	ic->later = false;
}

static void take(struct hvg_ic *ic, const struct hvw_rx_packet *packet)
{
	uint32_t len = packet->payload_len;
	struct hvw_ic request;

	/* A host asks one thing at a time: it does not wait for that answer any more. */
	give_up(ic);
	if (packet->h.type != HVP_PACKET_INBAND || len > ic->buffer_bytes ||
	    hvg_chan_copy(ic->chan, packet, packet->header_len, ic->buffer, len) ||
	    hvw_ic_parse(&request, ic->buffer, len) || !(request.h.flags & HVP_IC_FLAG_REQUEST)) {
		count(&ic->violations);
		return;
	}
	ic->transaction_id = packet->h.transaction_id;
	ic->request = request.h;
	if (request.h.type == HVP_IC_NEGOTIATE)
		negotiate(ic, &request);
	else if (__atomic_load_n(&ic->ready, __ATOMIC_RELAXED))
		serve(ic);
	else
		count(&ic->violations);
}

/* --- the work ------------------------------------------------------------------------------------------- */

static bool listens(struct hvg_ic *ic)
{
	return !ic->service->listens || ic->service->listens(ic);
}

/* True: there may be more, and nothing but our own patience keeps us from it. */
static bool drain(struct hvg_ic *ic)
{
	struct hvw_rx_packet packet;
	unsigned left;

	for (left = BUDGET; left; left--) {
		if (ic->later)
			finish(ic);
		if (ic->waiting && !send_answer(ic))
			return false;
		if (!listens(ic) || hvg_chan_next(ic->chan, &packet))
			return false;
		take(ic, &packet);
		hvg_chan_release(ic->chan);
	}
	return true;
}

static void service_work(void *ctx)
{
	struct hvg_ic *ic = ctx;
	bool more;

	hvg_chan_mask(ic->chan);
	more = drain(ic);
	/* Without room for the answer the next packets wait too: signals for room come masked as well. */
	if (!more && !ic->waiting && listens(ic))
		more = hvg_chan_unmask(ic->chan);
	if (more)
		hvos_work_queue(&ic->work);
}

static void signalled(void *ctx)
{
	struct hvg_ic *ic = ctx;

	hvos_work_queue(&ic->work);
}

/* --- life ----------------------------------------------------------------------------------------------- */

static int open_chan(struct hvg_ic *ic)
{
	struct hvg_chan_config config = {
		.send_pages = RING_PAGES,
		.receive_pages = RING_PAGES,
		.signalled = signalled,
		.ctx = ic,
	};
	int err;

	ic->waiting = 0;
	ic->act = false;
	ic->later = false;
	__atomic_store_n(&ic->ready, 0, __ATOMIC_RELAXED);
	hvos_work_init(&ic->work, service_work, ic);
	err = hvg_chan_open(ic->chan, &config);
	ic->awake = !err;
	if (err)
		hvos_work_fini(&ic->work);
	return err;
}

/* First the work, which uses the rings: whoever queues it then, as a daemon that is not asleep yet, does so in vain. */
static void close_chan(struct hvg_ic *ic)
{
	hvos_work_fini(&ic->work);
	give_up(ic);
	hvg_chan_close(ic->chan);
	ic->awake = false;
	if (ic->service->closed)
		ic->service->closed(ic);
}

int hvg_ic_attach(struct hvg_device *device, const struct hvg_ic_service *service)
{
	struct hvg_ic *ic = hvos_alloc(service->bytes);
	int err;

	if (!ic)
		return -ENOMEM;
	ic->service = service;
	ic->device = device;
	ic->chan = hvg_device_chan(device);
	ic->buffer_bytes = service->message_max ? service->message_max : HVG_IC_MESSAGE_MAX;
	ic->buffer = hvos_alloc(ic->buffer_bytes);
	if (!ic->buffer) {
		hvos_free(ic);
		return -ENOMEM;
	}
	hvg_device_set_data(device, ic);
	if (service->init)
		service->init(ic);
	err = open_chan(ic);
	if (err)
		hvg_ic_detach(device);
	return err;
}

int hvg_ic_suspend(struct hvg_device *device)
{
	struct hvg_ic *ic = hvg_device_data(device);

	close_chan(ic);
	return 0;
}

int hvg_ic_resume(struct hvg_device *device)
{
	return open_chan(hvg_device_data(device));
}

void hvg_ic_detach(struct hvg_device *device)
{
	struct hvg_ic *ic = hvg_device_data(device);

	if (ic->awake)
		close_chan(ic);
	if (ic->service->fini)
		ic->service->fini(ic);
	hvos_free(ic->buffer);
	hvos_free(ic);
}

void hvg_ic_status(const struct hvg_device *device, struct hvg_ic_status *status)
{
	const struct hvg_ic *ic = hvg_device_data(device);

	status->ready = __atomic_load_n(&ic->ready, __ATOMIC_ACQUIRE);
	status->framework = version_get(&ic->framework);
	status->message = version_get(&ic->message);
	status->requests = __atomic_load_n(&ic->requests, __ATOMIC_RELAXED);
	status->violations = __atomic_load_n(&ic->violations, __ATOMIC_RELAXED);
}
