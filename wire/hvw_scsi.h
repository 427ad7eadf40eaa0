/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * SCSI commands, sense data and UNMAP lists: read in a private copy, and written.
 */
#ifndef WIRE_HVW_SCSI_H
#define WIRE_HVW_SCSI_H

#include "hvp_scsi.h"
#include "hvw_be.h"
#include "hvw_error.h"

/* What a command says in the places that its length fixes. Of commands that name no blocks the numbers are something else. */
struct hvw_cdb {
	uint8_t op;
	uint8_t flags; /* byte 1 */
	uint32_t length; /* blocks, or bytes of parameters or of room for the answer */
	uint64_t lba;
};

/* Bytes of a command, by the group that its number is in; 0: that group has no fixed length. */
unsigned hvw_cdb_bytes(uint8_t op);

/* -EPROTO: no such group, or shorter than that. */
int hvw_cdb_parse(struct hvw_cdb *cdb, const uint8_t *bytes, size_t len) HVW_MUST_CHECK;

/* `lba` and `length` must fit the command; `bytes` has room for HVP_CDB_BYTES, of which hvw_cdb_bytes() are written. */
void hvw_cdb_build(uint8_t *bytes, const struct hvw_cdb *cdb);

/* Fixed format: `key` HVP_SENSE_*, `asc` HVP_ASC_*. */
void hvw_sense_build(struct hvp_sense *sense, uint8_t key, uint16_t asc);

/* -EPROTO: not in that format, or too short to say. */
int hvw_sense_parse(const uint8_t *bytes, size_t len, uint8_t *key, uint16_t *asc) HVW_MUST_CHECK;

struct hvw_unmap_iter {
	const uint8_t *next;
	unsigned left; /* descriptors */
};

struct hvw_unmap {
	uint64_t lba;
	uint32_t blocks;
};

/* `bytes`: private memory that outlives the walk. -EPROTO: the lengths in it go beyond its end, or cut a descriptor. */
int hvw_unmap_iter_init(struct hvw_unmap_iter *iter, const uint8_t *bytes,
			size_t len) HVW_MUST_CHECK;

/* 0 and a descriptor; -EAGAIN behind the last. */
int hvw_unmap_iter_next(struct hvw_unmap_iter *iter, struct hvw_unmap *unmap) HVW_MUST_CHECK;

/* A list of `count` descriptors; its bytes. `size` is room for them. -EMSGSIZE. */
int hvw_unmap_build(uint8_t *bytes, size_t size, const struct hvw_unmap *unmap,
		    unsigned count) HVW_MUST_CHECK;

#endif
