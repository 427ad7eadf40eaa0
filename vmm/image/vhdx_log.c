/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * The log of a VHDX. Other programs' logs are read as the format allows them; what is written here is simple: each entry
 * holds pages of the table, and is the only one that is needed, because a commit begins by syncing what the entry before
 * it had put in its place.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/image/crc32c.h"
#include "vmm/image/store.h"
#include "vmm/image/vhdx_priv.h"

/* --- reading ----------------------------------------------------------------------------------------- */

/*
 * The log in memory, twice in a row, so that an entry that goes on at the log's beginning is one piece. Sums are what
 * costs time: a log may hold as many bytes of old entries as it has, several times over where they overlap, and not more.
 */
struct scan {
	const uint8_t *bytes;
	uint32_t log_bytes;
	const struct hvp_guid *log;
	uint64_t budget; /* bytes that may still be summed */
};
#define SCAN_LAPS 8u

/* A run of entries, each following the one before it. */
struct run {
	uint32_t first, last; /* entries: where they are */
	uint32_t tail; /* the first that counts */
	uint64_t sequence; /* of the last */
	bool valid;
};

static const struct vhdx_log_header *header_at(const struct scan *s, uint32_t at)
{
	return (const void *)(s->bytes + at);
}

/* Sectors with the header and descriptors. */
static uint32_t descriptor_sectors(uint32_t descriptors)
{
	return descriptors <= VHDX_LOG_FIRST_SECTOR ?
		       1 :
		       1 + (descriptors - VHDX_LOG_FIRST_SECTOR + VHDX_LOG_NEXT_SECTORS - 1) /
				       VHDX_LOG_NEXT_SECTORS;
}

/* Descriptors follow the header without a gap. */
static const struct vhdx_log_descriptor *descriptor_at(const struct vhdx_log_header *h,
						       uint32_t index)
{
	return (const struct vhdx_log_descriptor *)(h + 1) + index;
}

/* Whether the descriptors, and the sectors of data that belong to them, fill the entry. */
static bool parts_are_valid(const struct vhdx_log_header *h)
{
	uint32_t sectors = descriptor_sectors(h->descriptors);
	const struct vhdx_log_data *data =
		(const void *)((const uint8_t *)h + (size_t)sectors * VHDX_LOG_SECTOR);

	for (uint32_t i = 0; i < h->descriptors; i++) {
		const struct vhdx_log_descriptor *d = descriptor_at(h, i);

		if (d->sequence != h->sequence)
			return false;
		if (d->signature == VHDX_LOG_ZERO)
			continue;
		if (d->signature != VHDX_LOG_DESCRIPTOR || sectors >= h->bytes / VHDX_LOG_SECTOR ||
		    data->signature != VHDX_LOG_DATA ||
		    data->sequence_high != (uint32_t)(h->sequence >> 32) ||
		    data->sequence_low != (uint32_t)h->sequence)
			return false;
		sectors++;
		data++;
	}
	return sectors == h->bytes / VHDX_LOG_SECTOR;
}

static bool entry_is_valid(struct scan *s, uint32_t at)
{
	const struct vhdx_log_header *h = header_at(s, at);

	if (h->signature != VHDX_LOG_SIGNATURE || memcmp(&h->log, s->log, sizeof(h->log)) ||
	    !h->bytes || h->bytes % VHDX_LOG_SECTOR || h->bytes > s->log_bytes ||
	    h->tail % VHDX_LOG_SECTOR || h->tail >= s->log_bytes || !h->sequence ||
	    h->descriptors > h->bytes / sizeof(struct vhdx_log_descriptor) ||
	    descriptor_sectors(h->descriptors) > h->bytes / VHDX_LOG_SECTOR || s->budget < h->bytes)
		return false;
	s->budget -= h->bytes;
	return h->checksum == vmm_crc32c_without(h, h->bytes,
						 offsetof(struct vhdx_log_header, checksum)) &&
	       parts_are_valid(h);
}

/* Where the run that begins with the valid entry at `at` ends; and whether the tail of its last entry is one of it. */
static struct run follow(struct scan *s, uint32_t at)
{
	struct run run = { .first = at, .last = at, .valid = false };
	uint32_t passed = 0;

	for (;;) {
		const struct vhdx_log_header *h = header_at(s, run.last), *next;
		uint32_t to = (run.last + h->bytes) % s->log_bytes;

		run.sequence = h->sequence;
		passed += h->bytes;
		next = header_at(s, to);
		if (passed >= s->log_bytes || next->sequence != h->sequence + 1 ||
		    !entry_is_valid(s, to))
			break;
		run.last = to;
	}
	run.tail = header_at(s, run.last)->tail;
	for (at = run.first;; at = (at + header_at(s, at)->bytes) % s->log_bytes) {
		if (at == run.tail)
			run.valid = true;
		if (run.valid || at == run.last)
			return run;
	}
}

/* The run with the newest entry. */
static struct run find_active(struct scan *s)
{
	struct run best = { .valid = false };
	uint32_t at = 0;

	while (at < s->log_bytes) {
		struct run run;
		uint32_t end;

		if (!entry_is_valid(s, at)) {
			at += VHDX_LOG_SECTOR;
			continue;
		}
		run = follow(s, at);
		if (run.valid && (!best.valid || run.sequence > best.sequence))
			best = run;
		end = run.last + header_at(s, run.last)->bytes;
		/* One that went over the end of the log has been all that was left of it. */
		if (run.last < at)
			break;
		at = end;
	}
	return best;
}

/* What is behind the end of the file reads as zeros anyway. */
static int put_zeros(struct vhdx *v, const struct vhdx_log_descriptor *d)
{
	uint64_t left = d->offset < v->file_bytes ? v->file_bytes - d->offset : 0;
	uint64_t bytes = d->zero_bytes < left ? d->zero_bytes : left;

	return bytes ? vmm_store_zero(v->image.fd, d->offset, bytes) : 0;
}

static int put_sector(struct vhdx *v, const struct vhdx_log_descriptor *d,
		      const struct vhdx_log_data *data)
{
	uint8_t sector[VHDX_LOG_SECTOR];

	memcpy(sector, d->leading, sizeof(d->leading));
	memcpy(sector + sizeof(d->leading), data->bytes, sizeof(data->bytes));
	memcpy(sector + sizeof(sector) - sizeof(d->trailing), d->trailing, sizeof(d->trailing));
	return vmm_store_write(v->image.fd, sector, sizeof(sector), d->offset);
}

/* Neither the headers nor the log itself change by the log; and nothing is put behind the end of the file. */
static bool may_change(const struct vhdx *v, const struct vhdx_log_descriptor *d)
{
	bool zeros = d->signature == VHDX_LOG_ZERO;
	uint64_t bytes = zeros ? d->zero_bytes : VHDX_LOG_SECTOR;

	if (d->offset % VHDX_LOG_SECTOR || bytes % VHDX_LOG_SECTOR ||
	    d->offset < VHDX_REGIONS_OFFSET(0) || d->offset > VHDX_FILE_BYTES_MAX ||
	    bytes > VHDX_FILE_BYTES_MAX || (!zeros && d->offset + bytes > v->file_bytes))
		return false;
	return d->offset + bytes <= v->header.log_offset ||
	       d->offset >= v->header.log_offset + v->header.log_bytes;
}

static int apply(struct vhdx *v, const struct vhdx_log_header *h, bool *foreign)
{
	const struct vhdx_log_data *data =
		(const void *)((const uint8_t *)h +
			       (size_t)descriptor_sectors(h->descriptors) * VHDX_LOG_SECTOR);
	int err = 0;

	for (uint32_t i = 0; i < h->descriptors && !err; i++) {
		const struct vhdx_log_descriptor *d = descriptor_at(h, i);

		*foreign = !may_change(v, d);
		if (*foreign)
			return -EINVAL;
		err = d->signature == VHDX_LOG_ZERO ? put_zeros(v, d) : put_sector(v, d, data++);
	}
	return err;
}

static int apply_run(struct vhdx *v, const struct scan *s, const struct run *run)
{
	const struct vhdx_log_header *last = header_at(s, run->last);
	uint32_t at = run->tail;
	bool foreign = false;
	int err = 0;

	if (v->file_bytes < last->flushed_file_bytes)
		return vmm_disk_image_refuse(
			&v->image,
			"the VHDX has been cut: it has %llu bytes, and had %llu when its log was written",
			(unsigned long long)v->file_bytes,
			(unsigned long long)last->flushed_file_bytes);
	if (last->last_file_bytes > VHDX_FILE_BYTES_MAX)
		return vmm_disk_image_refuse(&v->image, "the VHDX's log is damaged");
	if (v->file_bytes < last->last_file_bytes) {
		err = vmm_store_resize(v->image.fd, last->last_file_bytes);
		if (!err)
			v->file_bytes = last->last_file_bytes;
	}
	while (!err) {
		err = apply(v, header_at(s, at), &foreign);
		if (at == run->last)
			break;
		at = (at + header_at(s, at)->bytes) % s->log_bytes;
	}
	if (foreign)
		return vmm_disk_image_refuse(&v->image,
					     "the VHDX's log would change what no log may change");
	if (!err)
		err = vmm_store_sync(v->image.fd);
	return err ? vmm_disk_image_fail(&v->image, "replaying the VHDX's log", err) : 0;
}

static int replay(struct vhdx *v, uint8_t *bytes)
{
	struct scan s = { .bytes = bytes,
			  .log_bytes = v->header.log_bytes,
			  .log = &v->header.log,
			  .budget = (uint64_t)v->header.log_bytes * SCAN_LAPS };
	struct run run;
	int err = vmm_store_read(v->image.fd, bytes, s.log_bytes, v->header.log_offset);

	if (err)
		return vmm_disk_image_fail(&v->image, "its log", err);
	memcpy(bytes + s.log_bytes, bytes, s.log_bytes);
	run = find_active(&s);
	if (!run.valid)
		return vmm_disk_image_refuse(&v->image,
					     "the VHDX was not closed, and its log is damaged");
	if (v->image.read_only)
		return vmm_disk_image_refuse(
			&v->image,
			"the VHDX was not closed: its log holds changes, for which it must be open for writing once");
	err = apply_run(v, &s, &run);
	if (err)
		return err;
	memset(&v->header.log, 0, sizeof(v->header.log));
	vmm_store_random(&v->header.file_write, sizeof(v->header.file_write));
	err = vmm_vhdx_headers_write(v);
	if (err)
		return vmm_disk_image_fail(&v->image, "its headers", err);
	v->image.facts.replayed = true;
	return vmm_store_size(v->image.fd, &v->file_bytes);
}

int vmm_vhdx_log_replay(struct vhdx *v)
{
	uint8_t *bytes = malloc(2 * (size_t)v->header.log_bytes);
	int err;

	if (!bytes)
		return vmm_disk_image_fail(&v->image, "its log", -ENOMEM);
	err = replay(v, bytes);
	free(bytes);
	return err;
}

/* --- writing ----------------------------------------------------------------------------------------- */

static int put_entry(struct vhdx *v, uint32_t bytes)
{
	uint32_t first = v->header.log_bytes - v->log_at;
	int err;

	if (first > bytes)
		first = bytes;
	err = vmm_store_write(v->image.fd, v->entry, first, v->header.log_offset + v->log_at);
	if (!err && bytes > first)
		err = vmm_store_write(v->image.fd, v->entry + first, bytes - first,
				      v->header.log_offset);
	if (!err)
		err = vmm_store_sync(v->image.fd);
	if (err)
		return err;
	v->log_at = (v->log_at + bytes) % v->header.log_bytes;
	v->log_sequence++;
	return 0;
}

int vmm_vhdx_log_write(struct vhdx *v, const uint32_t *pages, unsigned count, const uint8_t *bytes)
{
	struct vhdx_log_header *h = (void *)v->entry;
	struct vhdx_log_descriptor *d = (void *)(h + 1);
	struct vhdx_log_data *data = (void *)(v->entry + VHDX_LOG_SECTOR);

	memset(v->entry, 0, VHDX_LOG_SECTOR);
	*h = (struct vhdx_log_header){
		.signature = VHDX_LOG_SIGNATURE,
		.bytes = (1 + count) * VHDX_LOG_SECTOR,
		.tail = v->log_at,
		.sequence = v->log_sequence,
		.descriptors = count,
		.log = v->header.log,
		.flushed_file_bytes = v->image.synced_bytes / VHDX_UNIT * VHDX_UNIT,
		.last_file_bytes = v->image.synced_bytes / VHDX_UNIT * VHDX_UNIT,
	};
	for (unsigned i = 0; i < count; i++, d++, data++, bytes += TABLE_PAGE) {
		d->signature = VHDX_LOG_DESCRIPTOR;
		d->offset = v->bat_offset + (uint64_t)pages[i] * TABLE_PAGE;
		d->sequence = h->sequence;
		memcpy(d->leading, bytes, sizeof(d->leading));
		memcpy(d->trailing, bytes + TABLE_PAGE - sizeof(d->trailing), sizeof(d->trailing));
		data->signature = VHDX_LOG_DATA;
		data->sequence_high = (uint32_t)(h->sequence >> 32);
		data->sequence_low = (uint32_t)h->sequence;
		memcpy(data->bytes, bytes + sizeof(d->leading), sizeof(data->bytes));
	}
	h->checksum = vmm_crc32c_without(h, h->bytes, offsetof(struct vhdx_log_header, checksum));
	return put_entry(v, h->bytes);
}

int vmm_vhdx_log_begin(struct vhdx *v)
{
	v->log_at = 0;
	v->log_sequence = 1;
	return vmm_vhdx_log_write(v, NULL, 0, NULL);
}
