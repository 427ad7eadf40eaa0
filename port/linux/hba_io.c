/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Commands: from the SCSI layer to the core, and what comes back.
 */
#include <linux/delay.h>
#include <linux/scatterlist.h>
#include <scsi/scsi_common.h>
#include <scsi/scsi_eh.h>
#include <scsi/scsi_proto.h>

#include "hba.h"
#include "hvp_storvsp.h"

/* --- pages ---------------------------------------------------------------------------------------------- */

static u32 pages_touched(u32 offset, u32 bytes)
{
	return (offset + bytes + HVP_PAGE_SIZE - 1) >> HVP_PAGE_SHIFT;
}

u32 hba_scratch_bytes(u32 transfer_max)
{
	return sizeof(struct hvp_gpa_direct) + sizeof(struct hvp_gpa_range) +
	       (transfer_max / HVP_PAGE_SIZE + 1) * sizeof(u64);
}

/*
 * One range: whole pages between the first and the last. The block layer has been told so (virt_boundary_mask); who makes
 * lists without it gets an error.
 */
static bool list_pages(struct scsi_cmnd *cmd, u64 *pages, u32 count)
{
	u32 left = scsi_bufflen(cmd), listed = 0;
	struct scatterlist *piece;
	unsigned i;

	scsi_for_each_sg(cmd, piece, scsi_sg_count(cmd), i)
	{
		const u64 at = sg_phys(piece);
		const u32 offset = at & (HVP_PAGE_SIZE - 1), bytes = min(piece->length, left);
		const u32 here = pages_touched(offset, bytes);
		u32 page;

		left -= bytes;
		if (unlikely((i && offset) || here > count - listed ||
			     (left && (offset + bytes) & (HVP_PAGE_SIZE - 1))))
			return false;
		for (page = 0; page < here; page++)
			pages[listed++] = (at >> HVP_PAGE_SHIFT) + page;
		if (!left)
			break;
	}
	return !left && listed == count;
}

/* Bytes of the ranges; 0: the host cannot be given such a list. */
static u32 write_ranges(const struct hba *hba, struct scsi_cmnd *cmd, void *scratch)
{
	const u32 offset = sg_phys(scsi_sglist(cmd)) & (HVP_PAGE_SIZE - 1);
	struct hvw_gpa_writer writer;
	u64 *pages;
	u32 count;

	if (hvw_gpa_writer_init(&writer, scratch, hba->scratch_bytes))
		return 0;
	pages = hvw_gpa_writer_range(&writer, offset, scsi_bufflen(cmd), &count);
	if (!pages || !list_pages(cmd, pages, count))
		return 0;
	return hvw_gpa_writer_finish(&writer);
}

/* --- out ------------------------------------------------------------------------------------------------ */

/* Old hosts spoil what follows when they get these, which smartd and others send. */
static bool is_refused(const struct hba *hba, const struct scsi_cmnd *cmd)
{
	return hvg_stor_info(hba->stor)->version <= HVP_STORVSP_5_1 &&
	       (cmd->cmnd[0] == WRITE_SAME || cmd->cmnd[0] == SET_WINDOW);
}

static void describe(struct scsi_cmnd *cmd, struct hvg_stor_request *request)
{
	request->path = cmd->device->channel;
	request->target = cmd->device->id;
	request->lun = cmd->device->lun;
	request->cdb_length = min_t(unsigned, cmd->cmd_len, sizeof(request->cdb));
	memcpy(request->cdb, cmd->cmnd, request->cdb_length);
	request->data_in = cmd->sc_data_direction == DMA_TO_DEVICE ? HVP_STORVSP_WRITE :
								     HVP_STORVSP_READ;
	request->bytes = cmd->sc_data_direction == DMA_NONE ? 0 : scsi_bufflen(cmd);
}

/* With the processor to itself: the pages are in its own memory until they are in the ring. */
static int submit(struct hba *hba, struct scsi_cmnd *cmd, struct hvg_stor_request *request)
{
	unsigned long flags;
	int err = 0;

	if (!request->bytes)
		return hvg_stor_submit(hba->stor, hba_queue_here(hba), request);
	local_irq_save(flags);
	request->ranges = this_cpu_ptr(hba->scratch);
	request->ranges_len = write_ranges(hba, cmd, this_cpu_ptr(hba->scratch));
	if (likely(request->ranges_len))
		err = hvg_stor_submit(hba->stor, hba_queue_here(hba), request);
	else
		err = -EINVAL;
	local_irq_restore(flags);
	return err;
}

static void fail(struct hba *hba, struct scsi_cmnd *cmd, int how)
{
	cmd->result = how << 16;
	compat_scsi_done(cmd);
	/* It may have been the last of those that belong together. */
	hvg_stor_commit(hba->stor);
}

compat_queue_status hba_queue(struct Scsi_Host *shost, struct scsi_cmnd *cmd)
{
	struct hba *hba = hba_of(shost);
	struct hba_command *command = scsi_cmd_priv(cmd);
	int err;

	if (unlikely(is_refused(hba, cmd) || cmd->sc_data_direction == DMA_BIDIRECTIONAL)) {
		fail(hba, cmd, DID_ERROR);
		return 0;
	}
	command->cmd = cmd;
	describe(cmd, &command->request);
	/* Nobody says of a command of the error handling's that it is the last. */
	command->request.more = !(cmd->flags & SCMD_LAST) && !scsi_host_in_recovery(shost);
	err = submit(hba, cmd, &command->request);
	if (likely(!err))
		return 0;
	if (err == -EAGAIN)
		return SCSI_MLQUEUE_DEVICE_BUSY;
	if (err == -ENODEV && READ_ONCE(hba->asleep))
		return SCSI_MLQUEUE_HOST_BUSY;
	if (err != -ENODEV)
		hvg_log(HVOS_WARNING, "storage: command 0x%02x cannot be sent: error %d",
			cmd->cmnd[0], -err);
	fail(hba, cmd, err == -ENODEV ? DID_NO_CONNECT : DID_ERROR);
	return 0;
}

void hba_commit(struct Scsi_Host *shost, u16 queue)
{
	hvg_stor_commit(hba_of(shost)->stor);
}

/* --- back ----------------------------------------------------------------------------------------------- */

/*
 * Hosts do not know all that is asked so; Linux takes an empty answer better than an error. But what is refused with a reason
 * is said so: programs ask for saved mode pages, and can tell a disk that has none from one that answers too little.
 */
static bool is_forgiven(const struct hba *hba, const struct scsi_cmnd *cmd,
			const struct hvg_stor_request *request)
{
	switch (cmd->cmnd[0]) {
	case INQUIRY:
		return true;
	case MODE_SENSE:
	case MODE_SENSE_10:
		return !request->sense_length;
	default:
		return hba->kind->fibre && cmd->cmnd[0] == MAINTENANCE_IN;
	}
}

/* What else is known of the disk is not what it was: its size, or anything but (3F/03) INQUIRY data and (3F/0E) LUNs. */
static bool says_changed(const struct scsi_cmnd *cmd)
{
	struct scsi_sense_hdr sense;

	if (!scsi_normalize_sense(cmd->sense_buffer, SCSI_SENSE_BUFFERSIZE, &sense))
		return false;
	return (sense.asc == 0x2a && sense.ascq == 0x09) ||
	       (sense.asc == 0x3f && sense.ascq != 0x03 && sense.ascq != 0x0e);
}

/* An error with sense data is the SCSI layer's to judge; one without is none that it could. */
static int judge_error(struct hba *hba, struct scsi_cmnd *cmd,
		       const struct hvg_stor_request *request)
{
	if (request->sense_length) {
		if (!says_changed(cmd))
			return DID_OK;
		hba_lun_mark(hba, cmd->device, HBA_CHANGED);
		return DID_REQUEUE;
	}
	switch (cmd->cmnd[0]) {
	case ATA_12:
	case ATA_16:
		return DID_PASSTHROUGH;
	case TEST_UNIT_READY:
		return DID_OK;
	default:
		return DID_ERROR;
	}
}

/* The host byte for what did not succeed. */
static int judge(struct hba *hba, struct scsi_cmnd *cmd, const struct hvg_stor_request *request)
{
	switch (request->srb_status & HVP_SRB_CODE) {
	case HVP_SRB_DATA_OVERRUN:
		return DID_OK;
	case HVP_SRB_INVALID_LUN:
		hba_lun_mark(hba, cmd->device, HBA_GONE);
		return DID_NO_CONNECT;
	case HVP_SRB_INVALID_PATH:
	case HVP_SRB_INVALID_TARGET:
	case HVP_SRB_NO_DEVICE:
		return DID_NO_CONNECT;
	case HVP_SRB_BUS_RESET:
		return DID_RESET;
	case HVP_SRB_BUSY:
		return request->scsi_status ? DID_OK : DID_BUS_BUSY;
	case HVP_SRB_ERROR:
	case HVP_SRB_ABORTED:
	case HVP_SRB_INVALID_REQUEST:
		return judge_error(hba, cmd, request);
	default:
		/* A status of SCSI's own says more. Success it was not. */
		return request->scsi_status ? judge_error(hba, cmd, request) : DID_ERROR;
	}
}

static void show(struct scsi_cmnd *cmd, const struct hvg_stor_request *request)
{
	const int level = cmd->cmnd[0] == TEST_UNIT_READY ? 2 : 1;

	if (hba_logging >= level && hvg_log_allowed())
		scmd_printk(KERN_WARNING, cmd, "command 0x%02x: SCSI status 0x%02x, SRB 0x%02x\n",
			    cmd->cmnd[0], request->scsi_status, request->srb_status);
}

static void finish(struct hba *hba, struct scsi_cmnd *cmd, const struct hvg_stor_request *request)
{
	const u8 code = request->srb_status & HVP_SRB_CODE;
	int host = DID_OK;

	if (likely(request->srb_status == HVP_SRB_SUCCESS && !request->scsi_status)) {
		scsi_set_resid(cmd, request->bytes - request->transferred);
		cmd->result = 0;
		return;
	}
	/* An answer as if there were no disk is one that the scan needs. */
	if (code != HVP_SRB_INVALID_LUN && is_forgiven(hba, cmd, request)) {
		scsi_set_resid(cmd, request->bytes - request->transferred);
		cmd->result = 0;
		return;
	}
	show(cmd, request);
	memcpy(cmd->sense_buffer, request->sense, request->sense_length);
	if (code != HVP_SRB_SUCCESS)
		host = judge(hba, cmd, request);
	scsi_set_resid(cmd, code == HVP_SRB_SUCCESS || code == HVP_SRB_DATA_OVERRUN ?
				    request->bytes - request->transferred :
				    request->bytes);
	cmd->result = host << 16 | request->scsi_status;
}

void hba_done(void *ctx, struct hvg_stor_request *request)
{
	struct scsi_cmnd *cmd = container_of(request, struct hba_command, request)->cmd;

	if (likely(!request->err))
		finish(ctx, cmd, request);
	else
		cmd->result = (request->err == -ENODEV ? DID_NO_CONNECT : DID_ERROR) << 16;
	compat_scsi_done(cmd);
}

/* While it is attached. */
bool hba_is_lost(const struct hba *hba)
{
	unsigned i;

	if (hvg_chan_usable(hvg_device_chan(hba->device)))
		return true;
	for (i = 1; i < HVG_STOR_QUEUES_MAX; i++)
		if (hvg_stor_queue_open(hba->stor, i) && hvg_chan_usable(&hba->subs[i]))
			return true;
	return false;
}

/* --- when it takes too long ----------------------------------------------------------------------------- */

/*
 * The host has the command's memory until it answers or takes the device away, which ends it: nothing can be done before. It
 * aborts nothing.
 */
compat_timeout_action hba_timed_out(struct scsi_cmnd *cmd)
{
	if (hvg_log_allowed())
		scmd_printk(KERN_WARNING, cmd,
			    "command 0x%02x: the host has not answered yet; it is waited for\n",
			    cmd->cmnd[0]);
	return COMPAT_WAIT_ON;
}

static bool has_commands(struct hba *hba)
{
	bool has;

	mutex_lock(&hba->life);
	has = hba->attached && hvg_stor_busy(hba->stor) && !hba_is_lost(hba);
	mutex_unlock(&hba->life);
	return has;
}

/* After it nothing may be under way, for the SCSI layer frees what it had waited for. */
int hba_reset(struct scsi_cmnd *cmd)
{
	struct hba *hba = hba_of(cmd->device->host);
	int err = -ENODEV;

	mutex_lock(&hba->life);
	if (hba->attached)
		err = hvg_stor_reset(hba->stor);
	mutex_unlock(&hba->life);
	while (has_commands(hba))
		msleep(10);
	return err ? FAILED : SUCCESS;
}
