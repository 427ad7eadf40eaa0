/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The SCSI controller: which commands there are, and how they are answered.
 */
#include <string.h>

#include "scsi_priv.h"

/* --- answers ----------------------------------------------------------------------------------------- */

static void answer(struct scsi_request *r, uint32_t status, uint8_t srb_status, uint8_t scsi_status)
{
	struct hvp_storvsp_srb *srb = &r->message.u.srb;

	srb->h.operation = HVP_STORVSP_COMPLETE_IO;
	srb->h.flags = 0;
	srb->h.status = status;
	srb->srb_status = srb_status;
	srb->scsi_status = scsi_status;
	if (scsi_status != HVP_SCSI_GOOD)
		scsi_count(&r->q->errors, 1);
	hvh_scsi_finish(r);
}

/* The command's room becomes that of the sense data. */
static void clear_answer(struct scsi_request *r, uint32_t transferred)
{
	struct hvp_storvsp_srb *srb = &r->message.u.srb;

	memset(srb->sense, 0, sizeof(srb->sense));
	srb->sense_length = 0;
	srb->transfer_length = transferred;
}

void hvh_scsi_good(struct scsi_request *r, uint32_t transferred)
{
	clear_answer(r, transferred);
	answer(r, HVP_STORVSP_STATUS_SUCCESS, HVP_SRB_SUCCESS, HVP_SCSI_GOOD);
}

void hvh_scsi_check(struct scsi_request *r, uint8_t key, uint16_t asc)
{
	struct hvp_sense sense;

	clear_answer(r, 0);
	hvw_sense_build(&sense, key, asc);
	memcpy(r->message.u.srb.sense, &sense, sizeof(sense));
	r->message.u.srb.sense_length = sizeof(sense);
	answer(r, HVP_STORVSP_STATUS_IO_ERROR, HVP_SRB_ERROR | HVP_SRB_SENSE_VALID,
	       HVP_SCSI_CHECK_CONDITION);
}

void hvh_scsi_invalid(struct scsi_request *r)
{
	hvh_scsi_check(r, HVP_SENSE_ILLEGAL_REQUEST, HVP_ASC_INVALID_FIELD_IN_CDB);
}

/* Guests take a disk away that is answered for so. */
static void absent(struct scsi_request *r)
{
	clear_answer(r, 0);
	answer(r, HVP_STORVSP_STATUS_NO_DEVICE, HVP_SRB_INVALID_LUN, HVP_SCSI_CHECK_CONDITION);
}

/* --- data -------------------------------------------------------------------------------------------- */

void hvh_scsi_reply(struct scsi_request *r, uint32_t len, uint32_t allocation)
{
	uint32_t done = 0;
	unsigned i;

	if (r->message.u.srb.data_in != HVP_STORVSP_READ && r->room) {
		hvh_scsi_invalid(r);
		return;
	}
	len = len < allocation ? len : allocation;
	len = len < r->room ? len : r->room;
	for (i = 0; i < r->iovs && done < len; i++) {
		uint32_t step = len - done < r->iov[i].iov_len ? len - done :
								 (uint32_t)r->iov[i].iov_len;

		memcpy(r->iov[i].iov_base, r->buffer + done, step);
		r->iov[i].iov_len = step;
		done += step;
	}
	hvh_channel_written(r->q->channel, r->iov, i);
	hvh_scsi_good(r, done);
}

bool hvh_scsi_fetch(struct scsi_request *r, uint32_t len)
{
	uint32_t done = 0;
	unsigned i;

	if (r->message.u.srb.data_in != HVP_STORVSP_WRITE || len > r->room ||
	    len > sizeof(r->buffer))
		return false;
	for (i = 0; i < r->iovs && done < len; i++) {
		uint32_t step = len - done < r->iov[i].iov_len ? len - done :
								 (uint32_t)r->iov[i].iov_len;

		memcpy(r->buffer + done, r->iov[i].iov_base, step);
		done += step;
	}
	return true;
}

/* --- commands ---------------------------------------------------------------------------------------- */

static void good(struct scsi_request *r)
{
	hvh_scsi_good(r, 0);
}

/* A unit attention that has not been told yet, once; 0: there is none. */
static uint16_t take_attention(struct scsi_lun *lun)
{
	uint32_t attentions = atomic_load(&lun->attentions), first;

	do {
		if (!attentions)
			return 0;
		first = attentions & ~(attentions - 1);
	} while (!atomic_compare_exchange_weak(&lun->attentions, &attentions, attentions & ~first));
	return first == ATTENTION_MEDIUM ? HVP_ASC_MEDIUM_MAY_HAVE_CHANGED :
					   HVP_ASC_CAPACITY_CHANGED;
}

static void request_sense(struct scsi_request *r)
{
	struct hvp_sense sense;
	uint16_t asc;

	if (r->cdb.flags & HVP_CDB_DESC) {
		hvh_scsi_invalid(r);
		return;
	}
	asc = take_attention(r->lun);
	hvw_sense_build(&sense, asc ? HVP_SENSE_UNIT_ATTENTION : HVP_SENSE_NONE, asc);
	memcpy(r->buffer, &sense, sizeof(sense));
	hvh_scsi_reply(r, sizeof(sense), r->cdb.length);
}

/* A disk that is stopped goes on: there is nothing to spin down. What it holds is safe then. */
static void start_stop(struct scsi_request *r)
{
	if (r->message.u.srb.cdb[4] & HVP_CDB_START)
		hvh_scsi_good(r, 0);
	else
		hvh_scsi_flush_all(r);
}

static void send_diagnostic(struct scsi_request *r)
{
	if (r->cdb.flags & HVP_CDB_SELF_TEST)
		hvh_scsi_good(r, 0);
	else
		hvh_scsi_invalid(r);
}

static void service_action_in(struct scsi_request *r)
{
	if ((r->cdb.flags & HVP_SCSI_ACTION_MASK) == HVP_SCSI_ACTION_READ_CAPACITY_16)
		hvh_scsi_capacity_16(r);
	else
		hvh_scsi_invalid(r);
}

static void maintenance_in(struct scsi_request *r)
{
	if ((r->cdb.flags & HVP_SCSI_ACTION_MASK) == HVP_SCSI_ACTION_SUPPORTED_OPCODES)
		hvh_scsi_report_opcodes(r);
	else
		hvh_scsi_invalid(r);
}

/* Not held up by a unit attention. */
#define BEFORE_ATTENTION 0x1u

/* What has the command; of a drive it may need the medium. */
#define DISK   0x2u
#define DVD    0x4u
#define MEDIUM 0x8u
#define BOTH   (DISK | DVD)

/* There is one initiator, so that a reservation keeps nobody out. */
/* clang-format off */
static const struct command {
	uint8_t op;
	uint8_t flags;
	uint16_t action; /* of those that have one */
	void (*run)(struct scsi_request *r);
} commands[] = {
	{ HVP_SCSI_TEST_UNIT_READY, BOTH | MEDIUM, 0, good },
	{ HVP_SCSI_REQUEST_SENSE, BEFORE_ATTENTION | BOTH, 0, request_sense },
	{ HVP_SCSI_READ_6, BOTH | MEDIUM, 0, hvh_scsi_read },
	{ HVP_SCSI_WRITE_6, DISK, 0, hvh_scsi_write },
	{ HVP_SCSI_INQUIRY, BEFORE_ATTENTION | BOTH, 0, hvh_scsi_inquiry },
	{ HVP_SCSI_MODE_SELECT_6, BOTH, 0, hvh_scsi_mode_select },
	{ HVP_SCSI_RESERVE_6, BOTH, 0, good },
	{ HVP_SCSI_RELEASE_6, BOTH, 0, good },
	{ HVP_SCSI_MODE_SENSE_6, BOTH, 0, hvh_scsi_mode_sense },
	{ HVP_SCSI_START_STOP_UNIT, DISK, 0, start_stop },
	{ HVP_SCSI_START_STOP_UNIT, DVD, 0, hvh_scsi_dvd_start_stop },
	{ HVP_SCSI_SEND_DIAGNOSTIC, BOTH, 0, send_diagnostic },
	{ HVP_SCSI_PREVENT_ALLOW, DISK, 0, good },
	{ HVP_SCSI_PREVENT_ALLOW, DVD, 0, hvh_scsi_dvd_prevent_allow },
	{ HVP_SCSI_READ_CAPACITY_10, BOTH | MEDIUM, 0, hvh_scsi_capacity_10 },
	{ HVP_SCSI_READ_10, BOTH | MEDIUM, 0, hvh_scsi_read },
	{ HVP_SCSI_WRITE_10, DISK, 0, hvh_scsi_write },
	{ HVP_SCSI_WRITE_VERIFY_10, DISK, 0, hvh_scsi_write_verify },
	{ HVP_SCSI_VERIFY_10, BOTH | MEDIUM, 0, hvh_scsi_verify },
	{ HVP_SCSI_SYNCHRONIZE_CACHE_10, DISK, 0, hvh_scsi_synchronize },
	{ HVP_SCSI_WRITE_SAME_10, DISK, 0, hvh_scsi_write_same },
	{ HVP_SCSI_UNMAP, DISK, 0, hvh_scsi_unmap },
	{ HVP_SCSI_READ_TOC, DVD | MEDIUM, 0, hvh_scsi_dvd_toc },
	{ HVP_SCSI_GET_CONFIGURATION, BEFORE_ATTENTION | DVD, 0, hvh_scsi_dvd_configuration },
	{ HVP_SCSI_GET_EVENT_STATUS, BEFORE_ATTENTION | DVD, 0, hvh_scsi_dvd_event },
	{ HVP_SCSI_READ_DISC_INFORMATION, DVD | MEDIUM, 0, hvh_scsi_dvd_disc },
	{ HVP_SCSI_MODE_SELECT_10, BOTH, 0, hvh_scsi_mode_select },
	{ HVP_SCSI_MODE_SENSE_10, BOTH, 0, hvh_scsi_mode_sense },
	{ HVP_SCSI_READ_16, BOTH | MEDIUM, 0, hvh_scsi_read },
	{ HVP_SCSI_WRITE_16, DISK, 0, hvh_scsi_write },
	{ HVP_SCSI_WRITE_VERIFY_16, DISK, 0, hvh_scsi_write_verify },
	{ HVP_SCSI_VERIFY_16, DISK, 0, hvh_scsi_verify },
	{ HVP_SCSI_SYNCHRONIZE_CACHE_16, DISK, 0, hvh_scsi_synchronize },
	{ HVP_SCSI_WRITE_SAME_16, DISK, 0, hvh_scsi_write_same },
	{ HVP_SCSI_SERVICE_ACTION_IN_16, DISK, HVP_SCSI_ACTION_READ_CAPACITY_16, service_action_in },
	{ HVP_SCSI_REPORT_LUNS, BEFORE_ATTENTION | BOTH, 0, hvh_scsi_report_luns },
	{ HVP_SCSI_MAINTENANCE_IN, BOTH, HVP_SCSI_ACTION_SUPPORTED_OPCODES, maintenance_in },
	{ HVP_SCSI_READ_12, BOTH | MEDIUM, 0, hvh_scsi_read },
	{ HVP_SCSI_WRITE_12, DISK, 0, hvh_scsi_write },
	{ HVP_SCSI_WRITE_VERIFY_12, DISK, 0, hvh_scsi_write_verify },
	{ HVP_SCSI_VERIFY_12, DISK, 0, hvh_scsi_verify },
};
/* clang-format on */
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static bool has(const struct scsi_lun *lun, const struct command *command)
{
	return command->flags & (lun->disk.dvd ? DVD : DISK);
}

static const struct command *find(const struct scsi_lun *lun, uint8_t op)
{
	size_t i;

	for (i = 0; i < COMMANDS; i++)
		if (commands[i].op == op && has(lun, &commands[i]))
			return &commands[i];
	return NULL;
}

/* At an address without a disk guests look for one, and for the list of those that there are. */
static void execute_absent(struct scsi_request *r)
{
	if (r->cdb.op == HVP_SCSI_INQUIRY)
		hvh_scsi_inquiry_absent(r);
	else if (r->cdb.op == HVP_SCSI_REPORT_LUNS)
		hvh_scsi_report_luns(r);
	else
		absent(r);
}

void hvh_scsi_execute(struct scsi_request *r)
{
	const struct hvp_storvsp_srb *srb = &r->message.u.srb;
	bool known = !hvw_cdb_parse(&r->cdb, srb->cdb, srb->cdb_length);
	const struct command *command;
	uint16_t asc;

	r->lun = hvh_scsi_lun_get(r->q->scsi, srb);
	if (!r->lun) {
		execute_absent(r);
		return;
	}
	command = known ? find(r->lun, r->cdb.op) : NULL;
	if (!command) {
		hvh_scsi_check(r, HVP_SENSE_ILLEGAL_REQUEST, HVP_ASC_INVALID_OPCODE);
		return;
	}
	asc = command->flags & BEFORE_ATTENTION ? 0 : take_attention(r->lun);
	r->medium = !asc && r->lun->disk.dvd && (command->flags & MEDIUM) &&
		    hvh_scsi_medium_get(r->lun);
	if (asc)
		hvh_scsi_check(r, HVP_SENSE_UNIT_ATTENTION, asc);
	else if (r->lun->disk.dvd && (command->flags & MEDIUM) && !r->medium)
		hvh_scsi_check(r, HVP_SENSE_NOT_READY, HVP_ASC_NO_MEDIUM_TRAY_CLOSED);
	else
		command->run(r);
}

/* --- which ones there are ---------------------------------------------------------------------------- */

/* What a command may take: nothing is said. */
static uint32_t put_timeouts(uint8_t *at)
{
	struct hvp_opcode_timeouts timeouts = { .reserved = 0 };

	hvw_put_be16(timeouts.length, sizeof(timeouts) - sizeof(timeouts.length));
	memcpy(at, &timeouts, sizeof(timeouts));
	return sizeof(timeouts);
}

/* A list with an entry for each. */
static void report_all(struct scsi_request *r, bool wants_timeouts)
{
	uint32_t len = sizeof(uint32_t);
	size_t i;

	for (i = 0; i < COMMANDS; i++) {
		struct hvp_opcode_entry entry = { .op = commands[i].op };

		if (!has(r->lun, &commands[i]))
			continue;
		if (commands[i].action) {
			hvw_put_be16(entry.action, commands[i].action);
			entry.flags = HVP_OPCODE_HAS_ACTION;
		}
		if (wants_timeouts)
			entry.flags |= HVP_OPCODE_HAS_TIMEOUTS;
		hvw_put_be16(entry.cdb_length, (uint16_t)hvw_cdb_bytes(commands[i].op));
		memcpy(r->buffer + len, &entry, sizeof(entry));
		len += (uint32_t)sizeof(entry);
		if (wants_timeouts)
			len += put_timeouts(r->buffer + len);
	}
	hvw_put_be32(r->buffer, len - (uint32_t)sizeof(uint32_t));
	hvh_scsi_reply(r, len, r->cdb.length);
}

/* About one command: whether it is there, and which of its bits are looked at (not told in detail: all of them). */
static void report_one(struct scsi_request *r, uint8_t op, bool has_action, uint16_t action,
		       bool wants_timeouts)
{
	const struct command *command = find(r->lun, op);
	unsigned len = command ? hvw_cdb_bytes(op) : 0;

	if (command && !command->action != !has_action) {
		hvh_scsi_invalid(r);
		return;
	}
	if (command && command->action != action)
		len = 0;
	memset(r->buffer, 0, sizeof(uint32_t));
	r->buffer[1] = len ? HVP_OPCODE_SUPPORTED : HVP_OPCODE_NOT_SUPPORTED;
	hvw_put_be16(r->buffer + 2, (uint16_t)len);
	memset(r->buffer + sizeof(uint32_t), 0xff, len);
	r->buffer[sizeof(uint32_t)] = op;
	len += (unsigned)sizeof(uint32_t);
	if (wants_timeouts && r->buffer[1] == HVP_OPCODE_SUPPORTED) {
		r->buffer[1] |= HVP_OPCODE_ONE_TIMEOUTS;
		len += put_timeouts(r->buffer + len);
	}
	hvh_scsi_reply(r, len, r->cdb.length);
}

void hvh_scsi_report_opcodes(struct scsi_request *r)
{
	const uint8_t *cdb = r->message.u.srb.cdb;
	uint16_t action = hvw_be16(cdb + 4);
	bool wants_timeouts = cdb[2] & HVP_OPCODES_TIMEOUTS;

	switch (cdb[2] & HVP_OPCODES_MASK) {
	case HVP_OPCODES_ALL:
		report_all(r, wants_timeouts);
		break;
	case HVP_OPCODES_ONE:
		report_one(r, cdb[3], false, 0, wants_timeouts);
		break;
	case HVP_OPCODES_ONE_ACTION:
		report_one(r, cdb[3], true, action, wants_timeouts);
		break;
	default:
		hvh_scsi_invalid(r);
		break;
	}
}
