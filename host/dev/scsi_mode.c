/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The SCSI controller: mode pages. The one thing that can be changed is whether writes are cached.
 */
#include <string.h>

#include "scsi_priv.h"

#define PAGE_HEADER 2u

/* Pages, in ascending order: number, bytes behind the two of the header, whether disks and DVD drives have it. */
static const struct {
	uint8_t page;
	uint8_t bytes;
	bool disk, dvd;
} pages[] = {
	{ HVP_MODE_PAGE_ERRORS, HVP_MODE_ERRORS_BYTES, true, true },
	{ HVP_MODE_PAGE_CACHING, HVP_MODE_CACHING_BYTES, true, false },
	{ HVP_MODE_PAGE_CONTROL, HVP_MODE_CONTROL_BYTES, true, false },
	{ HVP_MODE_PAGE_EXCEPTIONS, HVP_MODE_EXCEPTIONS_BYTES, true, false },
	{ HVP_MODE_PAGE_DRIVE, HVP_MODE_DRIVE_BYTES, false, true },
};
#define PAGES (sizeof(pages) / sizeof(pages[0]))

static bool has_page(const struct scsi_lun *lun, unsigned index)
{
	return lun->disk.dvd ? pages[index].dvd : pages[index].disk;
}

/* All but these two are zeros. Returns where the next one goes. */
static uint8_t *put_page(uint8_t *at, unsigned index, const struct scsi_lun *lun, uint8_t control,
			 bool write_cache)
{
	memset(at, 0, PAGE_HEADER + pages[index].bytes);
	at[0] = pages[index].page;
	at[1] = pages[index].bytes;
	if (pages[index].page == HVP_MODE_PAGE_CACHING &&
	    (control == HVP_MODE_CHANGEABLE || control == HVP_MODE_DEFAULT || write_cache))
		at[2] = HVP_MODE_WCE;
	if (pages[index].page == HVP_MODE_PAGE_DRIVE && control != HVP_MODE_CHANGEABLE) {
		at[2] = HVP_MODE_DRIVE_READS;
		at[6] = HVP_MODE_DRIVE_MECHANISM;
		if (atomic_load(&lun->locked) && control == HVP_MODE_CURRENT)
			at[6] |= HVP_MODE_DRIVE_LOCKED;
	}
	return at + PAGE_HEADER + pages[index].bytes;
}

static uint8_t *put_block(uint8_t *at, const struct scsi_lun *lun)
{
	uint64_t blocks = atomic_load(&lun->blocks);
	struct hvp_mode_block block;

	hvw_put_be32(block.blocks, blocks < UINT32_MAX ? (uint32_t)blocks : UINT32_MAX);
	hvw_put_be32(block.block_bytes, lun->disk.block_bytes);
	memcpy(at, &block, sizeof(block));
	return at + sizeof(block);
}

static uint8_t specific(const struct scsi_lun *lun)
{
	if (lun->disk.dvd)
		return 0;
	return (uint8_t)((lun->disk.read_only ? HVP_MODE_WRITE_PROTECTED : 0) | HVP_MODE_FUA);
}

/* In front of what is in the buffer already; `len` of it, header included. */
static void put_header(struct scsi_request *r, uint32_t len, uint32_t block_len)
{
	if (r->cdb.op == HVP_SCSI_MODE_SENSE_6) {
		const struct hvp_mode_header_6 h = { (uint8_t)(len - 1), 0, specific(r->lun),
						     (uint8_t)block_len };

		memcpy(r->buffer, &h, sizeof(h));
	} else {
		struct hvp_mode_header_10 h = { .specific = specific(r->lun) };

		hvw_put_be16(h.length, (uint16_t)(len - sizeof(h.length)));
		hvw_put_be16(h.block_length, (uint16_t)block_len);
		memcpy(r->buffer, &h, sizeof(h));
	}
}

void hvh_scsi_mode_sense(struct scsi_request *r)
{
	const uint8_t *cdb = r->message.u.srb.cdb;
	uint8_t control = cdb[2] & HVP_MODE_CONTROL_MASK, page = cdb[2] & HVP_MODE_PAGE_MASK;
	bool write_cache = atomic_load(&r->lun->write_cache), found = false;
	uint8_t *start = r->buffer + (r->cdb.op == HVP_SCSI_MODE_SENSE_6 ?
					      sizeof(struct hvp_mode_header_6) :
					      sizeof(struct hvp_mode_header_10)),
		*at = start;
	uint32_t block_len, len;
	unsigned i;

	if (control == HVP_MODE_SAVED) {
		hvh_scsi_check(r, HVP_SENSE_ILLEGAL_REQUEST, HVP_ASC_SAVING_NOT_SUPPORTED);
		return;
	}
	/* Drives have none. */
	if (!(r->cdb.flags & HVP_CDB_DBD) && !r->lun->disk.dvd)
		at = put_block(at, r->lun);
	block_len = (uint32_t)(at - start);
	for (i = 0; i < PAGES; i++) {
		if (!has_page(r->lun, i) || (page != HVP_MODE_PAGE_ALL && page != pages[i].page))
			continue;
		at = put_page(at, i, r->lun, control, write_cache);
		found = true;
	}
	if (!found || (cdb[3] && cdb[3] != HVP_MODE_SUBPAGES_ALL)) {
		hvh_scsi_invalid(r);
		return;
	}
	len = (uint32_t)(at - r->buffer);
	put_header(r, len, block_len);
	hvh_scsi_reply(r, len, r->cdb.length);
}

/* A page as the guest wants it: false: something in it would change that cannot. */
static bool take_page(const struct scsi_lun *lun, const uint8_t *at, uint32_t left,
		      bool *write_cache, uint32_t *used)
{
	uint8_t same[PAGE_HEADER + UINT8_MAX];
	unsigned i = 0;

	if (left < PAGE_HEADER)
		return false;
	while (i < PAGES && pages[i].page != at[0])
		i++;
	if (i == PAGES || !has_page(lun, i) || at[1] != pages[i].bytes ||
	    left - PAGE_HEADER < at[1])
		return false;
	*used = PAGE_HEADER + at[1];
	put_page(same, i, lun, HVP_MODE_CURRENT, *write_cache);
	if (at[0] == HVP_MODE_PAGE_CACHING) {
		*write_cache = at[2] & HVP_MODE_WCE;
		same[2] = (uint8_t)((same[2] & ~HVP_MODE_WCE) | (at[2] & HVP_MODE_WCE));
	}
	return !memcmp(same, at, *used);
}

/* Block descriptors may be there, and say what is so already or nothing. */
static bool take_blocks(const struct scsi_lun *lun, const uint8_t *at, uint32_t len)
{
	uint32_t bytes;

	if (!len)
		return true;
	if (len != sizeof(struct hvp_mode_block))
		return false;
	bytes = hvw_be32(at + offsetof(struct hvp_mode_block, block_bytes)) & 0xffffff;
	return !bytes || bytes == lun->disk.block_bytes;
}

static bool take_list(struct scsi_request *r, uint32_t len, bool *write_cache)
{
	bool six = r->cdb.op == HVP_SCSI_MODE_SELECT_6;
	uint32_t at = six ? sizeof(struct hvp_mode_header_6) : sizeof(struct hvp_mode_header_10);
	uint32_t block_len, used;

	block_len = six ? r->buffer[offsetof(struct hvp_mode_header_6, block_length)] :
			  hvw_be16(r->buffer + offsetof(struct hvp_mode_header_10, block_length));
	if (block_len > len - at || !take_blocks(r->lun, r->buffer + at, block_len))
		return false;
	for (at += block_len; at < len; at += used)
		if (!take_page(r->lun, r->buffer + at, len - at, write_cache, &used))
			return false;
	return true;
}

void hvh_scsi_mode_select(struct scsi_request *r)
{
	uint32_t len = r->cdb.length, header = r->cdb.op == HVP_SCSI_MODE_SELECT_6 ?
						       sizeof(struct hvp_mode_header_6) :
						       sizeof(struct hvp_mode_header_10);
	bool write_cache = atomic_load(&r->lun->write_cache);

	if ((r->cdb.flags & (HVP_CDB_SP | HVP_CDB_PF)) != HVP_CDB_PF) {
		hvh_scsi_invalid(r);
	} else if (!len) {
		hvh_scsi_good(r, 0);
	} else if (len < header) {
		hvh_scsi_check(r, HVP_SENSE_ILLEGAL_REQUEST, HVP_ASC_PARAMETER_LENGTH);
	} else if (!hvh_scsi_fetch(r, len)) {
		hvh_scsi_invalid(r);
	} else if (!take_list(r, len, &write_cache)) {
		hvh_scsi_check(r, HVP_SENSE_ILLEGAL_REQUEST, HVP_ASC_INVALID_PARAMETER);
	} else if (r->lun->disk.dvd) {
		hvh_scsi_good(r, len);
	} else if (!write_cache) {
		/* What was cached before is to be durable too. */
		atomic_store(&r->lun->write_cache, false);
		hvh_scsi_flush_all(r);
	} else {
		atomic_store(&r->lun->write_cache, true);
		hvh_scsi_good(r, len);
	}
}
