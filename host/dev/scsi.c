/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The SCSI controller: its life, its queues, and what comes in and goes out on them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "scsi_priv.h"

/* --- requests -------------------------------------------------------------------------------------- */

int hvh_scsi_queue_allocate(struct scsi_queue *q)
{
	unsigned i;

	q->requests = calloc(SCSI_REQUESTS, sizeof(*q->requests));
	if (!q->requests)
		return -ENOMEM;
	q->free = NULL;
	q->due = NULL;
	q->due_end = &q->due;
	for (i = SCSI_REQUESTS; i--;) {
		q->requests[i].q = q;
		q->requests[i].next = q->free;
		q->free = &q->requests[i];
	}
	return 0;
}

struct scsi_request *hvh_scsi_request_get(struct scsi_queue *q)
{
	struct scsi_request *r = q->free;

	q->free = r->next;
	r->next = NULL;
	r->lun = NULL;
	r->medium = false;
	r->room = 0;
	r->iovs = 0;
	atomic_store_explicit(&q->busy, atomic_load_explicit(&q->busy, memory_order_relaxed) + 1,
			      memory_order_relaxed);
	return r;
}

static void put_request(struct scsi_request *r)
{
	struct scsi_queue *q = r->q;

	r->next = q->free;
	q->free = r;
	atomic_store_explicit(&q->busy, atomic_load_explicit(&q->busy, memory_order_relaxed) - 1,
			      memory_order_relaxed);
}

/* -EAGAIN: no room in the ring. */
static int send_answer(struct scsi_request *r)
{
	const struct hvw_piece piece = { r->message.u.bytes, r->message.len };

	if (!r->answer)
		return 0;
	return hvh_channel_put(r->q->channel, HVP_PACKET_COMPLETION, 0, r->transaction_id, 0,
			       &piece, 1);
}

void hvh_scsi_request_due(struct scsi_request *r)
{
	r->next = NULL;
	*r->q->due_end = r;
	r->q->due_end = &r->next;
}

static void drop_due(struct scsi_queue *q)
{
	while (q->due) {
		struct scsi_request *r = q->due;

		q->due = r->next;
		put_request(r);
	}
	q->due_end = &q->due;
}

/* False: some still wait. */
static bool send_due(struct scsi_queue *q)
{
	while (q->due) {
		struct scsi_request *r = q->due;

		if (send_answer(r) == -EAGAIN)
			return false;
		q->due = r->next;
		if (!q->due)
			q->due_end = &q->due;
		put_request(r);
	}
	return true;
}

static void closed(struct scsi_queue *q)
{
	struct hvh_channel *channel = q->channel;

	q->closing = false;
	q->channel = NULL;
	free(q->requests);
	q->requests = NULL;
	if (!q->index)
		hvh_scsi_forget(q->scsi);
	hvh_channel_stopped(channel);
}

void hvh_scsi_finish(struct scsi_request *r)
{
	struct scsi_queue *q = r->q;

	if (r->medium)
		hvh_scsi_medium_put(q->scsi, r->lun);
	if (r->lun)
		hvh_scsi_lun_put(q->scsi, r->lun);
	r->medium = false;
	r->lun = NULL;
	if (!q->closing && (q->due || send_answer(r) == -EAGAIN)) {
		hvh_scsi_request_due(r);
		return;
	}
	put_request(r);
	if (q->closing && !atomic_load_explicit(&q->busy, memory_order_relaxed))
		closed(q);
}

/* --- queues ---------------------------------------------------------------------------------------- */

void hvh_scsi_fail(struct scsi *scsi, struct scsi_queue *q, const char *why)
{
	atomic_fetch_add(&scsi->violations, 1);
	hvh_channel_fail(q->channel, why);
}

/* The guest's memory for the data. False: the packet makes no sense. */
static bool take_data(struct scsi_request *r, const struct hvw_rx_packet *packet)
{
	uint32_t wanted = r->message.u.srb.transfer_length, bytes = 0;
	int iovs = 0;

	if (packet->h.type == HVP_PACKET_GPA_DIRECT) {
		iovs = hvh_channel_pin(r->q->channel, packet, r->iov, HVH_SCSI_IOVS, &bytes);
		if (iovs < 0)
			return false;
	}
	r->iovs = (unsigned)iovs;
	r->room = wanted;
	return wanted <= bytes;
}

static void take_packet(struct scsi *scsi, struct scsi_queue *q, const struct hvw_rx_packet *packet)
{
	uint8_t payload[HVP_STORVSP_BYTES];
	uint32_t len = packet->payload_len < sizeof(payload) ? packet->payload_len :
							       sizeof(payload);
	struct scsi_request *r;
	int parsed;

	if (packet->h.type != HVP_PACKET_INBAND && packet->h.type != HVP_PACKET_GPA_DIRECT) {
		hvh_scsi_fail(scsi, q, "packet of a strange type");
		return;
	}
	if (len < HVP_STORVSP_BYTES_OLD ||
	    hvh_channel_read(q->channel, packet, packet->header_len, payload, len)) {
		hvh_scsi_fail(scsi, q, "packet without a message");
		return;
	}
	r = hvh_scsi_request_get(q);
	r->transaction_id = packet->h.transaction_id;
	r->answer = packet->h.flags & HVP_PACKET_FLAG_COMPLETION;
	/* Commands and resets have no version; all else is said on the first channel. */
	parsed = hvw_storvsp_parse(&r->message, payload, len, HVP_STORVSP_TO_HOST,
				   q->index ? HVP_STORVSP_5_1 : scsi->version);
	if (parsed == -EPROTO) {
		put_request(r);
		hvh_scsi_fail(scsi, q, "malformed message");
		return;
	}
	if (!parsed && r->message.u.h.operation == HVP_STORVSP_EXECUTE_SRB &&
	    atomic_load(&scsi->state) == SCSI_READY) {
		scsi_count(&q->commands, 1);
		if (take_data(r, packet)) {
			hvh_scsi_execute(r);
			return;
		}
		atomic_fetch_add(&scsi->violations, 1);
		hvh_scsi_invalid(r);
		return;
	}
	hvh_scsi_setup(scsi, r, parsed);
}

/* The guest is to look for disks again; false: no room to say so. */
static bool send_change(struct scsi *scsi, struct scsi_queue *q)
{
	struct hvw_storvsp message;
	const struct hvw_piece piece = { message.u.bytes, hvw_storvsp_bytes(scsi->version) };

	if (!scsi->changed)
		return true;
	hvw_storvsp_init(&message, HVP_STORVSP_ENUMERATE_BUS);
	if (hvh_channel_put(q->channel, HVP_PACKET_INBAND, 0, 0, 0, &piece, 1) == -EAGAIN)
		return false;
	scsi->changed = false;
	return true;
}

/* All that can be done on this queue now. */
static void serve(struct scsi *scsi, struct scsi_queue *q)
{
	struct hvw_rx_packet packet;
	bool full;

	q->serving = true;
	do {
		while (send_due(q) && (q->index || send_change(scsi, q)) && q->free &&
		       !hvh_channel_recv(q->channel, &packet))
			take_packet(scsi, q, &packet);
		/* What stopped for want of requests goes on when some were done at once. */
		full = !q->free;
		if (scsi->backend->kick)
			scsi->backend->kick(scsi->ctx, q->index);
	} while (full && q->free && !q->due);
	q->serving = false;
	hvh_channel_flush(q->channel);
}

/* --- device ---------------------------------------------------------------------------------------- */

static struct scsi_queue *queue_of(struct scsi *scsi, const struct hvh_channel *channel)
{
	return &scsi->queue[hvh_channel_index(channel)];
}

static int scsi_open(struct hvh_device *device, struct hvh_channel *channel)
{
	struct scsi *scsi = (struct scsi *)device;
	struct scsi_queue *q = queue_of(scsi, channel);
	int err;

	if (q->index > scsi->granted)
		return -EINVAL;
	err = hvh_scsi_queue_allocate(q);
	if (err)
		return err;
	q->channel = channel;
	atomic_store(&q->open, true);
	return 0;
}

static void scsi_close(struct hvh_device *device, struct hvh_channel *channel)
{
	struct scsi *scsi = (struct scsi *)device;
	struct scsi_queue *q = queue_of(scsi, channel);

	atomic_store(&q->open, false);
	q->channel = channel; /* which a load that failed has not set */
	q->closing = true;
	drop_due(q);
	if (!atomic_load_explicit(&q->busy, memory_order_relaxed))
		closed(q);
}

static void scsi_notify(struct hvh_device *device, struct hvh_channel *channel)
{
	struct scsi *scsi = (struct scsi *)device;

	serve(scsi, queue_of(scsi, channel));
}

static const struct hvh_device_ops scsi_ops = {
	.open = scsi_open,
	.notify = scsi_notify,
	.close = scsi_close,
	.save = hvh_scsi_save,
	.load = hvh_scsi_load,
};

int hvh_scsi_create(const struct hvh_scsi_config *config, const struct hvh_scsi_backend *backend,
		    void *ctx, struct hvh_device **device)
{
	const struct hvp_guid class_id = HVP_CLASS_SCSI;
	struct scsi *scsi;
	unsigned i;

	if (!config->queues_max || config->queues_max > HVH_SCSI_QUEUES_MAX)
		return -EINVAL;
	scsi = calloc(1, sizeof(*scsi));
	if (!scsi)
		return -ENOMEM;
	scsi->config = *config;
	scsi->backend = backend;
	scsi->ctx = ctx;
	scsi->device.name = "scsi";
	scsi->device.ops = &scsi_ops;
	scsi->device.class_id = class_id;
	scsi->device.instance_id = config->instance_id;
	scsi->device.offer_flags = HVP_OFFER_ENUMERATE_DEVICE;
	scsi->device.subchannels_max = (uint16_t)(config->queues_max - 1);
	for (i = 0; i < HVH_SCSI_LUNS; i++)
		atomic_init(&scsi->lun[i].users, LUN_GONE_BIT);
	for (i = 0; i < HVH_SCSI_QUEUES_MAX; i++) {
		scsi->queue[i].scsi = scsi;
		scsi->queue[i].index = i;
	}
	*device = &scsi->device;
	return 0;
}

void hvh_scsi_destroy(struct hvh_device *device)
{
	struct scsi *scsi = (struct scsi *)device;
	unsigned i;

	for (i = 0; i < HVH_SCSI_QUEUES_MAX; i++)
		free(scsi->queue[i].requests);
	free(scsi);
}

/* --- for the embedder and the back end ------------------------------------------------------------- */

static void read_queue(const struct scsi_queue *q, struct hvh_scsi_queue_status *status)
{
	status->open = atomic_load(&q->open);
	status->busy = atomic_load(&q->busy);
	status->commands = atomic_load(&q->commands);
	status->reads = atomic_load(&q->reads);
	status->read_bytes = atomic_load(&q->read_bytes);
	status->writes = atomic_load(&q->writes);
	status->write_bytes = atomic_load(&q->write_bytes);
	status->flushes = atomic_load(&q->flushes);
	status->zeroes = atomic_load(&q->zeroes);
	status->errors = atomic_load(&q->errors);
}

static void read_lun(const struct scsi_lun *lun, struct hvh_scsi_lun_status *status)
{
	status->present = atomic_load(&lun->state) == LUN_PRESENT;
	if (!status->present)
		return;
	status->read_only = lun->disk.read_only;
	status->write_cache = atomic_load(&lun->write_cache);
	status->bytes = atomic_load(&lun->blocks) << lun->shift;
	status->dvd = lun->disk.dvd;
	if (!status->dvd)
		return;
	status->locked = atomic_load(&lun->locked);
	if (!hvh_scsi_medium_present(lun))
		status->bytes = 0;
}

void hvh_scsi_status(const struct hvh_device *device, struct hvh_scsi_status *status)
{
	const struct scsi *scsi = (const struct scsi *)device;
	unsigned i;

	memset(status, 0, sizeof(*status));
	status->version = scsi->version;
	status->ready = atomic_load(&scsi->state) == SCSI_READY;
	status->queues = scsi->version ? scsi->granted + 1 : 0;
	status->violations = atomic_load(&scsi->violations);
	for (i = 0; i < HVH_SCSI_QUEUES_MAX; i++)
		read_queue(&scsi->queue[i], &status->queue[i]);
	for (i = 0; i < HVH_SCSI_LUNS; i++)
		read_lun(&scsi->lun[i], &status->lun[i]);
}

void hvh_scsi_done(struct hvh_disk_io *io, int result)
{
	struct scsi_request *r = (struct scsi_request *)io;

	io->result = result;
	r->step(r);
}

void hvh_scsi_flush(struct hvh_device *device, unsigned queue)
{
	struct scsi *scsi = (struct scsi *)device;
	struct scsi_queue *q = &scsi->queue[queue];

	if (q->channel && !q->closing && !q->serving)
		serve(scsi, q);
}
