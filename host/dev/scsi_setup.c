/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The SCSI controller: set-up messages, on the first channel, and resets. Each is answered at once.
 */
#include "scsi_priv.h"

/* Whoever kept media in their drives is gone, or has forgotten it. */
static void unlock_all(struct scsi *scsi)
{
	unsigned i;

	for (i = 0; i < HVH_SCSI_LUNS; i++)
		atomic_store(&scsi->lun[i].locked, false);
}

/* All that was agreed on with a guest is void. */
void hvh_scsi_forget(struct scsi *scsi)
{
	unlock_all(scsi);
	atomic_store(&scsi->state, SCSI_RESET);
	scsi->version = 0;
	scsi->granted = 0;
	scsi->changed = false;
}

static void answer(struct scsi_request *r, uint32_t status)
{
	r->message.u.h.operation = HVP_STORVSP_COMPLETE_IO;
	r->message.u.h.flags = 0;
	r->message.u.h.status = status;
	hvh_scsi_finish(r);
}

static uint32_t on_begin(struct scsi *scsi)
{
	if (atomic_load(&scsi->state) != SCSI_RESET)
		return HVP_STORVSP_STATUS_INVALID_STATE;
	atomic_store(&scsi->state, SCSI_BEGUN);
	return HVP_STORVSP_STATUS_SUCCESS;
}

/* A guest asks for one after the other until it gets one. */
static uint32_t on_version(struct scsi *scsi, uint32_t version)
{
	if (atomic_load(&scsi->state) != SCSI_BEGUN)
		return HVP_STORVSP_STATUS_INVALID_STATE;
	if (!hvw_storvsp_version_known(version))
		return HVP_STORVSP_STATUS_REVISION_MISMATCH;
	scsi->version = version;
	atomic_store(&scsi->state, SCSI_AGREED);
	return HVP_STORVSP_STATUS_SUCCESS;
}

static uint32_t on_properties(struct scsi *scsi, struct scsi_request *r)
{
	struct hvp_storvsp_properties *p = &r->message.u.properties;
	unsigned more = scsi->config.queues_max - 1;

	if (atomic_load(&scsi->state) != SCSI_AGREED)
		return HVP_STORVSP_STATUS_INVALID_STATE;
	*p = (struct hvp_storvsp_properties){ .h = p->h, .transfer_max = HVH_SCSI_TRANSFER_MAX };
	if (more && scsi->version >= HVP_STORVSP_5_1) {
		p->sub_channels_max = (uint16_t)more;
		p->flags = HVP_STORVSP_MULTI_CHANNEL;
	}
	__builtin_memcpy(&p->unique_id, scsi->config.instance_id.b, sizeof(p->unique_id));
	atomic_store(&scsi->state, SCSI_QUERIED);
	return HVP_STORVSP_STATUS_SUCCESS;
}

/* Windows asks before END_INITIALIZATION, the others behind it. All are granted or none: FreeBSD waits for all it asked for. */
static uint32_t on_sub_channels(struct scsi *scsi, uint32_t count)
{
	if (atomic_load(&scsi->state) < SCSI_QUERIED || scsi->granted)
		return HVP_STORVSP_STATUS_INVALID_STATE;
	if (count >= scsi->config.queues_max)
		return HVP_STORVSP_STATUS_INVALID_PARAMETER;
	scsi->granted = count;
	return HVP_STORVSP_STATUS_SUCCESS;
}

static uint32_t on_end(struct scsi *scsi)
{
	if (atomic_load(&scsi->state) != SCSI_QUERIED)
		return HVP_STORVSP_STATUS_INVALID_STATE;
	/* It looks for disks now anyway. */
	scsi->changed = false;
	atomic_store(&scsi->state, SCSI_READY);
	return HVP_STORVSP_STATUS_SUCCESS;
}

/*
 * Nothing is aborted: what is under way comes to its end soon, and is answered. That is what guests wait for after the
 * answer to their reset.
 */
static uint32_t on_reset(struct scsi *scsi)
{
	if (atomic_load(&scsi->state) != SCSI_READY)
		return HVP_STORVSP_STATUS_INVALID_STATE;
	unlock_all(scsi);
	return HVP_STORVSP_STATUS_SUCCESS;
}

static bool is_reset(uint32_t operation)
{
	return operation == HVP_STORVSP_RESET_LUN || operation == HVP_STORVSP_RESET_BUS ||
	       operation == HVP_STORVSP_RESET_ADAPTER;
}

void hvh_scsi_setup(struct scsi *scsi, struct scsi_request *r, int parsed)
{
	uint32_t operation = r->message.u.h.operation, status;
	unsigned granted = scsi->granted;

	if (parsed) {
		answer(r, HVP_STORVSP_STATUS_INVALID_REQUEST);
		return;
	}
	if (is_reset(operation)) {
		answer(r, on_reset(scsi));
		return;
	}
	/* A command before its time, or what belongs on the first channel. */
	if (operation == HVP_STORVSP_EXECUTE_SRB || r->q->index) {
		answer(r, HVP_STORVSP_STATUS_INVALID_STATE);
		return;
	}
	switch (operation) {
	case HVP_STORVSP_BEGIN_INITIALIZATION:
		status = on_begin(scsi);
		break;
	case HVP_STORVSP_QUERY_PROTOCOL_VERSION:
		status = on_version(scsi, r->message.u.query_version.version);
		break;
	case HVP_STORVSP_QUERY_PROPERTIES:
		status = on_properties(scsi, r);
		break;
	case HVP_STORVSP_CREATE_SUB_CHANNELS:
		status = on_sub_channels(scsi, r->message.u.sub_channels.count);
		break;
	default: /* END_INITIALIZATION, the last that a guest may send */
		status = on_end(scsi);
		break;
	}
	answer(r, status);
	if (scsi->granted != granted)
		hvh_device_request_subchannels(&scsi->device, scsi->granted);
}
