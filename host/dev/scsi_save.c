/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The SCSI controller: save and load. All loops are stopped, and no command is under way: one that is makes the save fail
 * with -EBUSY, and the embedder lets it come to its end. What is loaded may come from an enemy.
 *
 * Disks are the embedder's: those of the saved controller have been added to the one that is loaded.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "scsi_priv.h"

#define STATE_TAG     HVH_STATE_TAG('S', 'C', 'S', 'I')
#define STATE_VERSION 2

/* clang-format off */
#define COUNTERS(X) \
	X(commands) \
	X(reads) \
	X(read_bytes) \
	X(writes) \
	X(write_bytes) \
	X(flushes) \
	X(zeroes) \
	X(errors)
/* clang-format on */

/* --- save ------------------------------------------------------------------------------------------ */

static void save_queue(const struct scsi_queue *q, struct hvh_state_writer *w)
{
	const struct scsi_request *r;
	unsigned due = 0;

	for (r = q->due; r; r = r->next)
		due++;
	if (due != atomic_load(&q->busy) && !w->err)
		w->err = -EBUSY;
	hvh_state_put_u32(w, q->channel != NULL);
	hvh_state_put_u32(w, due);
	for (r = q->due; r; r = r->next) {
		hvh_state_put_u64(w, r->transaction_id);
		hvh_state_put_u32(w, r->answer);
		hvh_state_put_u32(w, r->message.len);
		hvh_state_put_bytes(w, r->message.u.bytes, r->message.len);
	}
#define SAVE_COUNTER(name) hvh_state_put_u64(w, atomic_load(&q->name));
	COUNTERS(SAVE_COUNTER)
#undef SAVE_COUNTER
}

static void save_lun(const struct scsi_lun *lun, struct hvh_state_writer *w)
{
	bool present = atomic_load(&lun->state) == LUN_PRESENT;

	hvh_state_put_u32(w, present);
	if (!present)
		return;
	hvh_state_put_u64(w, atomic_load(&lun->blocks) << lun->shift);
	hvh_state_put_u32(w, atomic_load(&lun->attentions));
	hvh_state_put_u32(w, atomic_load(&lun->write_cache));
	hvh_state_put_u32(w, lun->disk.dvd && hvh_scsi_medium_present(lun));
	hvh_state_put_u32(w, atomic_load(&lun->locked));
	hvh_state_put_u32(w, atomic_load(&lun->events));
}

void hvh_scsi_save(const struct hvh_device *device, struct hvh_state_writer *w)
{
	const struct scsi *scsi = (const struct scsi *)device;
	unsigned i;

	hvh_state_begin(w, STATE_TAG, STATE_VERSION);
	hvh_state_put_u32(w, atomic_load(&scsi->state));
	hvh_state_put_u32(w, scsi->version);
	hvh_state_put_u32(w, scsi->granted);
	hvh_state_put_u32(w, scsi->changed);
	for (i = 0; i < HVH_SCSI_LUNS; i++)
		save_lun(&scsi->lun[i], w);
	for (i = 0; i < scsi->config.queues_max; i++)
		save_queue(&scsi->queue[i], w);
	hvh_state_end(w);
}

/* --- load ------------------------------------------------------------------------------------------ */

static void load_due(struct scsi_queue *q, struct hvh_state_reader *r)
{
	uint32_t due = hvh_state_get_u32(r);

	if (due > SCSI_REQUESTS || (due && !q->channel)) {
		hvh_state_refuse(r);
		return;
	}
	for (; due && !r->err; due--) {
		struct scsi_request *request = hvh_scsi_request_get(q);

		request->transaction_id = hvh_state_get_u64(r);
		request->answer = hvh_state_get_u32(r) != 0;
		request->message.len = hvh_state_get_u32(r);
		hvh_scsi_request_due(request);
		if (r->err || request->message.len < HVP_STORVSP_BYTES_OLD ||
		    request->message.len > HVP_STORVSP_BYTES) {
			request->message.len = 0;
			hvh_state_refuse(r);
			return;
		}
		hvh_state_get_bytes(r, request->message.u.bytes, request->message.len);
	}
}

static void load_queue(struct scsi *scsi, struct scsi_queue *q, struct hvh_state_reader *r)
{
	bool open = hvh_state_get_u32(r) != 0;

	q->channel = open && !r->err ? hvh_device_channel(&scsi->device, q->index) : NULL;
	if (open && (!q->channel || q->index > scsi->granted || hvh_scsi_queue_allocate(q))) {
		q->channel = NULL;
		hvh_state_refuse(r);
		return;
	}
	atomic_store(&q->open, open);
	load_due(q, r);
#define LOAD_COUNTER(name) atomic_store(&q->name, hvh_state_get_u64(r));
	COUNTERS(LOAD_COUNTER)
#undef LOAD_COUNTER
}

/* A drive in which there is another medium now, or none any more: the guest is to hear of it. */
static void load_drive(struct scsi_lun *lun, bool medium, bool other, uint32_t *attentions,
		       uint32_t *events)
{
	bool now = hvh_scsi_medium_present(lun);

	if (medium && (!now || other))
		*events |= EVENT_REMOVAL;
	if (now && (!medium || other)) {
		*events |= EVENT_NEW;
		*attentions |= ATTENTION_MEDIUM;
	}
}

static void load_lun(struct scsi_lun *lun, struct hvh_state_reader *r)
{
	bool present = hvh_state_get_u32(r) != 0, medium, other;
	uint32_t attentions, events;

	if (r->err || present != (atomic_load(&lun->state) == LUN_PRESENT)) {
		hvh_state_refuse(r);
		return;
	}
	if (!present)
		return;
	other = hvh_state_get_u64(r) != atomic_load(&lun->blocks) << lun->shift;
	attentions = hvh_state_get_u32(r);
	atomic_store(&lun->write_cache, hvh_state_get_u32(r) && !lun->disk.dvd);
	medium = hvh_state_get_u32(r) != 0;
	atomic_store(&lun->locked, hvh_state_get_u32(r) && lun->disk.dvd);
	events = hvh_state_get_u32(r);
	if ((attentions & ~ATTENTIONS) || (events & ~EVENTS))
		hvh_state_refuse(r);
	if (lun->disk.dvd)
		load_drive(lun, medium, other, &attentions, &events);
	else if (other)
		attentions |= ATTENTION_CAPACITY;
	atomic_store(&lun->attentions, attentions & ATTENTIONS);
	atomic_store(&lun->events, events & EVENTS);
}

int hvh_scsi_load(struct hvh_device *device, struct hvh_state_reader *r)
{
	struct scsi *scsi = (struct scsi *)device;
	uint32_t state;
	unsigned i;

	hvh_state_enter(r, STATE_TAG, STATE_VERSION);
	state = hvh_state_get_u32(r);
	scsi->version = hvh_state_get_u32(r);
	scsi->granted = hvh_state_get_u32(r);
	scsi->changed = hvh_state_get_u32(r) != 0;
	if (r->err || state > SCSI_READY || scsi->granted >= scsi->config.queues_max ||
	    (state >= SCSI_AGREED) != hvw_storvsp_version_known(scsi->version) ||
	    (scsi->granted && state < SCSI_QUERIED) || (scsi->changed && state != SCSI_READY)) {
		hvh_scsi_forget(scsi);
		hvh_state_refuse(r);
		return r->err;
	}
	atomic_store(&scsi->state, state);
	for (i = 0; i < HVH_SCSI_LUNS && !r->err; i++)
		load_lun(&scsi->lun[i], r);
	for (i = 0; i < scsi->config.queues_max && !r->err; i++)
		load_queue(scsi, &scsi->queue[i], r);
	hvh_state_leave(r);
	return r->err;
}
