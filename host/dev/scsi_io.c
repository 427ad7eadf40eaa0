/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The SCSI controller: commands that move or change blocks. Each is one request to the back end or a row of them, one
 * after the other; r->step is what comes next.
 */
#include <errno.h>
#include <string.h>

#include "scsi_priv.h"

/* --- checks ------------------------------------------------------------------------------------------ */

/* [lba, lba + blocks) is on the disk. */
static bool in_range(const struct scsi_request *r, uint64_t lba, uint64_t blocks)
{
	uint64_t size = atomic_load(&r->lun->blocks);

	return lba <= size && blocks <= size - lba;
}

static void out_of_range(struct scsi_request *r)
{
	hvh_scsi_check(r, HVP_SENSE_ILLEGAL_REQUEST, HVP_ASC_LBA_OUT_OF_RANGE);
}

static void write_protected(struct scsi_request *r)
{
	hvh_scsi_check(r, HVP_SENSE_DATA_PROTECT, HVP_ASC_WRITE_PROTECTED);
}

/* What the back end could not do, in the words of SCSI. */
static void failed(struct scsi_request *r, bool writing)
{
	switch (r->io.result) {
	case -ENOSPC:
		hvh_scsi_check(r, HVP_SENSE_DATA_PROTECT, HVP_ASC_SPACE_ALLOCATION_FAILED);
		break;
	case -EROFS:
		write_protected(r);
		break;
	default:
		hvh_scsi_check(r, HVP_SENSE_MEDIUM_ERROR,
			       writing ? HVP_ASC_WRITE_ERROR : HVP_ASC_READ_ERROR);
		break;
	}
}

/* --- the back end ------------------------------------------------------------------------------------ */

static void submit(struct scsi_request *r, enum hvh_disk_op op, uint64_t offset, uint64_t bytes,
		   void (*step)(struct scsi_request *r))
{
	struct scsi *scsi = r->q->scsi;

	if (op == HVH_DISK_FLUSH || op == HVH_DISK_ZERO) {
		r->io.iov = NULL;
		r->io.iovs = 0;
	}
	r->io.op = op;
	r->io.queue = r->q->index;
	r->io.disk = r->lun->disk.disk;
	r->io.offset = offset;
	r->io.bytes = bytes;
	r->io.done = 0;
	r->step = step;
	scsi->backend->submit(scsi->ctx, &r->io);
}

/* --- READ, WRITE ------------------------------------------------------------------------------------- */

/* The pieces end with the transfer: guests may give more memory than that. */
static void trim(struct scsi_request *r, uint32_t bytes)
{
	unsigned i;

	for (i = 0; i < r->iovs && bytes; i++) {
		if (r->iov[i].iov_len > bytes)
			r->iov[i].iov_len = bytes;
		bytes -= (uint32_t)r->iov[i].iov_len;
	}
	r->iovs = i;
}

static void read_done(struct scsi_request *r)
{
	if (r->io.result) {
		failed(r, false);
		return;
	}
	hvh_channel_written(r->q->channel, r->iov, r->iovs);
	scsi_count(&r->q->reads, 1);
	scsi_count(&r->q->read_bytes, r->io.bytes);
	hvh_scsi_good(r, (uint32_t)r->io.bytes);
}

static void write_done(struct scsi_request *r)
{
	if (r->io.result) {
		failed(r, true);
		return;
	}
	scsi_count(&r->q->writes, 1);
	scsi_count(&r->q->write_bytes, r->io.bytes);
	hvh_scsi_good(r, (uint32_t)r->io.bytes);
}

/* Blocks of a command whose shortest form means 256 by 0. */
static uint32_t blocks_of(const struct scsi_request *r)
{
	return !r->cdb.length && hvw_cdb_bytes(r->cdb.op) == sizeof(struct hvp_cdb_6) ?
		       256 :
		       r->cdb.length;
}

/* Bits of byte 1 that are none of the block's number. */
static uint8_t flags_of(const struct scsi_request *r)
{
	return hvw_cdb_bytes(r->cdb.op) == sizeof(struct hvp_cdb_6) ? 0 : r->cdb.flags;
}

static void transfer(struct scsi_request *r, bool writing, bool durable)
{
	uint32_t blocks = blocks_of(r);
	uint64_t bytes = (uint64_t)blocks << r->lun->shift;

	if (flags_of(r) & HVP_CDB_PROTECT) {
		hvh_scsi_invalid(r);
	} else if (!in_range(r, r->cdb.lba, blocks)) {
		out_of_range(r);
	} else if (writing && r->lun->disk.read_only) {
		write_protected(r);
	} else if (!blocks) {
		hvh_scsi_good(r, 0);
	} else if (bytes > r->room ||
		   r->message.u.srb.data_in != (writing ? HVP_STORVSP_WRITE : HVP_STORVSP_READ)) {
		hvh_scsi_invalid(r);
	} else {
		trim(r, (uint32_t)bytes);
		r->io.iov = r->iov;
		r->io.iovs = r->iovs;
		r->io.durable = durable;
		submit(r, writing ? HVH_DISK_WRITE : HVH_DISK_READ, r->cdb.lba << r->lun->shift,
		       bytes, writing ? write_done : read_done);
	}
}

/* Without a write cache each write is to be durable. */
static bool to_be_durable(const struct scsi_request *r)
{
	return !atomic_load(&r->lun->write_cache);
}

/*
 * FUA with READ: what was written is to be on the medium before it is read. Reads see each write that has been done, so the
 * data is the same; guests that want it durable flush.
 */
void hvh_scsi_read(struct scsi_request *r)
{
	transfer(r, false, false);
}

void hvh_scsi_write(struct scsi_request *r)
{
	transfer(r, true, to_be_durable(r) || (flags_of(r) & HVP_CDB_FUA));
}

/* Bytes are not compared with what was just written to stable storage: that is what it would be read from. */
void hvh_scsi_write_verify(struct scsi_request *r)
{
	if (r->cdb.flags & HVP_CDB_BYTCHK)
		hvh_scsi_invalid(r);
	else
		transfer(r, true, true);
}

/* There is no medium that wears out: the host's file system says so when blocks are read. */
void hvh_scsi_verify(struct scsi_request *r)
{
	if (r->cdb.flags & (HVP_CDB_BYTCHK | HVP_CDB_PROTECT))
		hvh_scsi_invalid(r);
	else if (!in_range(r, r->cdb.lba, r->cdb.length))
		out_of_range(r);
	else
		hvh_scsi_good(r, 0);
}

/* --- SYNCHRONIZE CACHE ------------------------------------------------------------------------------- */

static void flush_done(struct scsi_request *r)
{
	if (r->io.result) {
		failed(r, true);
		return;
	}
	scsi_count(&r->q->flushes, 1);
	hvh_scsi_good(r, 0);
}

void hvh_scsi_flush_all(struct scsi_request *r)
{
	if (r->lun->disk.read_only) {
		hvh_scsi_good(r, 0);
		return;
	}
	submit(r, HVH_DISK_FLUSH, 0, 0, flush_done);
}

/* The whole cache, whatever range: and also when an answer at once would do, since it tells more. */
void hvh_scsi_synchronize(struct scsi_request *r)
{
	if (in_range(r, r->cdb.lba, r->cdb.length))
		hvh_scsi_flush_all(r);
	else
		out_of_range(r);
}

/* --- WRITE SAME -------------------------------------------------------------------------------------- */

static void zero_done(struct scsi_request *r)
{
	if (r->io.result) {
		failed(r, true);
		return;
	}
	scsi_count(&r->q->zeroes, 1);
	hvh_scsi_good(r, 0);
}

static void zero(struct scsi_request *r, uint64_t offset, uint64_t bytes, bool unmap,
		 void (*step)(struct scsi_request *r))
{
	r->io.unmap = unmap;
	r->io.durable = to_be_durable(r);
	submit(r, HVH_DISK_ZERO, offset, bytes, step);
}

/* The next part of a pattern: the buffer, several times over. */
static void write_pattern(struct scsi_request *r)
{
	uint64_t bytes = r->end - r->at, left;
	unsigned i;

	if (bytes > (uint64_t)HVH_SCSI_IOVS * SCSI_BUFFER)
		bytes = (uint64_t)HVH_SCSI_IOVS * SCSI_BUFFER;
	for (i = 0, left = bytes; left; i++) {
		r->same[i].iov_base = r->buffer;
		r->same[i].iov_len = left < SCSI_BUFFER ? left : SCSI_BUFFER;
		left -= r->same[i].iov_len;
	}
	r->io.iov = r->same;
	r->io.iovs = i;
	r->io.durable = to_be_durable(r);
	r->at += bytes;
}

static void pattern_step(struct scsi_request *r)
{
	uint64_t at = r->at;

	if (r->io.result) {
		failed(r, true);
	} else if (at == r->end) {
		scsi_count(&r->q->writes, 1);
		hvh_scsi_good(r, 0);
	} else {
		write_pattern(r);
		submit(r, HVH_DISK_WRITE, at, r->at - at, pattern_step);
	}
}

static bool all_zeros(const uint8_t *bytes, size_t len)
{
	return !bytes[0] && !memcmp(bytes, bytes + 1, len - 1);
}

/* One block of data, or none where the command can say that it is zeros. False: it makes no sense. */
static bool take_block(struct scsi_request *r, uint8_t none)
{
	uint32_t block = r->lun->disk.block_bytes, at;

	if (r->cdb.flags & none) {
		memset(r->buffer, 0, block);
		return r->cdb.op == HVP_SCSI_WRITE_SAME_16;
	}
	if (r->cdb.flags & ~(uint32_t)(HVP_CDB_UNMAP) || !hvh_scsi_fetch(r, block))
		return false;
	for (at = block; at < SCSI_BUFFER; at += block)
		memcpy(r->buffer + at, r->buffer, block);
	return true;
}

void hvh_scsi_write_same(struct scsi_request *r)
{
	const struct scsi_lun *lun = r->lun;
	uint64_t size = atomic_load(&lun->blocks), blocks = r->cdb.length;
	bool unmap = r->cdb.flags & HVP_CDB_UNMAP;

	/* 0: up to the end. */
	if (!blocks && r->cdb.lba < size)
		blocks = size - r->cdb.lba;
	if (!in_range(r, r->cdb.lba, blocks)) {
		out_of_range(r);
		return;
	}
	if (lun->disk.read_only) {
		write_protected(r);
		return;
	}
	if ((r->cdb.flags & (HVP_CDB_ANCHOR | HVP_CDB_PROTECT)) ||
	    blocks > WRITE_SAME_BYTES_MAX >> lun->shift || (unmap && !lun->disk.unmap_bytes) ||
	    !take_block(r, HVP_CDB_NDOB)) {
		hvh_scsi_invalid(r);
		return;
	}
	r->at = r->cdb.lba << lun->shift;
	r->end = r->at + (blocks << lun->shift);
	if (r->at == r->end) {
		hvh_scsi_good(r, 0);
	} else if (all_zeros(r->buffer, lun->disk.block_bytes)) {
		zero(r, r->at, r->end - r->at, unmap, zero_done);
	} else {
		r->io.result = 0;
		pattern_step(r);
	}
}

/* --- UNMAP ------------------------------------------------------------------------------------------- */

static void unmap_step(struct scsi_request *r)
{
	struct hvw_unmap unmap;

	if (r->io.result) {
		failed(r, true);
		return;
	}
	while (!hvw_unmap_iter_next(&r->unmap, &unmap)) {
		/* Again: a resize may have come between. */
		if (!in_range(r, unmap.lba, unmap.blocks)) {
			out_of_range(r);
			return;
		}
		if (!unmap.blocks)
			continue;
		scsi_count(&r->q->zeroes, 1);
		zero(r, unmap.lba << r->lun->shift, (uint64_t)unmap.blocks << r->lun->shift, true,
		     unmap_step);
		return;
	}
	hvh_scsi_good(r, 0);
}

/* Nothing is given back when something in the list is wrong. 0, or the code of what is. */
static uint16_t check_list(const struct scsi_request *r, struct hvw_unmap_iter iter)
{
	struct hvw_unmap unmap;

	if (iter.left > UNMAP_DESCRIPTORS_MAX)
		return HVP_ASC_INVALID_PARAMETER;
	while (!hvw_unmap_iter_next(&iter, &unmap)) {
		if (!in_range(r, unmap.lba, unmap.blocks))
			return HVP_ASC_LBA_OUT_OF_RANGE;
		if (unmap.blocks > UNMAP_BYTES_MAX >> r->lun->shift)
			return HVP_ASC_INVALID_PARAMETER;
	}
	return 0;
}

void hvh_scsi_unmap(struct scsi_request *r)
{
	uint16_t asc;

	if (!r->lun->disk.unmap_bytes) {
		hvh_scsi_check(r, HVP_SENSE_ILLEGAL_REQUEST, HVP_ASC_INVALID_OPCODE);
		return;
	}
	if (r->lun->disk.read_only) {
		write_protected(r);
		return;
	}
	if (!r->cdb.length) {
		hvh_scsi_good(r, 0);
		return;
	}
	if ((r->cdb.flags & HVP_CDB_UNMAP_ANCHOR) || !hvh_scsi_fetch(r, r->cdb.length)) {
		hvh_scsi_invalid(r);
		return;
	}
	if (hvw_unmap_iter_init(&r->unmap, r->buffer, r->cdb.length)) {
		hvh_scsi_check(r, HVP_SENSE_ILLEGAL_REQUEST, HVP_ASC_PARAMETER_LENGTH);
		return;
	}
	asc = check_list(r, r->unmap);
	if (asc) {
		hvh_scsi_check(r, HVP_SENSE_ILLEGAL_REQUEST, asc);
		return;
	}
	r->io.result = 0;
	unmap_step(r);
}
