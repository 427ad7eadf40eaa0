/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A SCSI controller with disks and a guest that sends it commands: what the tests of disks and of DVD drives share.
 */
#ifndef TESTS_UNIT_SCSI_WORLD_H
#define TESTS_UNIT_SCSI_WORLD_H

#include "fuzz/scsi_script.h"
#include "tap.h"

#define KIB 1024u

static inline struct scsi_guest *world_with(unsigned read_only)
{
	struct scsi_guest *n = calloc(1, sizeof(*n));

	n->disk[0].is.read_only = read_only;
	TAP_CHECK(scsi_guest_init(n));
	TAP_CHECK(scsi_guest_up(n, HVP_STORVSP_6_2));
	TAP_EQ(scsi_guest_add(n, 1), 0);
	TAP_EQ(scsi_guest_take(n, SCSI_GUEST_CHANNEL), 0);
	TAP_EQ(scsi_guest_add(n, 2), 0);
	TAP_EQ(scsi_guest_take(n, SCSI_GUEST_CHANNEL), 0);
	n->requests = 0;
	return n;
}

static inline struct scsi_guest *world(void)
{
	return world_with(0);
}

static inline void end(struct scsi_guest *n)
{
	scsi_guest_fini(n);
	free(n);
}

/* The sense key and code of the last answer; 0: it was good; 1: neither. */
static inline uint32_t outcome(const struct scsi_guest *n)
{
	const struct hvp_storvsp_srb *srb = &n->answer.u.srb;
	uint8_t key;
	uint16_t asc;

	if (srb->srb_status == HVP_SRB_SUCCESS && srb->scsi_status == HVP_SCSI_GOOD)
		return 0;
	if (srb->srb_status != (HVP_SRB_ERROR | HVP_SRB_SENSE_VALID) ||
	    srb->scsi_status != HVP_SCSI_CHECK_CONDITION || srb->transfer_length ||
	    hvw_sense_parse(srb->sense, srb->sense_length, &key, &asc))
		return 1;
	return (uint32_t)key << 16 | asc;
}

#define ILLEGAL(asc)	((uint32_t)HVP_SENSE_ILLEGAL_REQUEST << 16 | (asc))
#define INVALID_FIELD	ILLEGAL(HVP_ASC_INVALID_FIELD_IN_CDB)
#define INVALID_OPCODE	ILLEGAL(HVP_ASC_INVALID_OPCODE)
#define OUT_OF_RANGE	ILLEGAL(HVP_ASC_LBA_OUT_OF_RANGE)
#define WRITE_PROTECTED ((uint32_t)HVP_SENSE_DATA_PROTECT << 16 | HVP_ASC_WRITE_PROTECTED)

/* A command about blocks, and its outcome. */
static inline uint32_t blocks(struct scsi_guest *n, unsigned lun, uint8_t op, uint8_t flags,
			      uint64_t lba, uint32_t length, uint32_t bytes)
{
	return scsi_guest_blocks(n, lun, op, flags, lba, length, bytes) ? outcome(n) : 2;
}

/* A command that answers with data, with room for `room`; the bytes that came, or negative: the outcome. */
static inline int data_in(struct scsi_guest *n, unsigned lun, const uint8_t *cdb, uint32_t room)
{
	uint32_t result;

	memset(n->data, 0xee, 4 * KIB);
	if (!scsi_guest_command(n, lun, cdb, room ? HVP_STORVSP_READ : HVP_STORVSP_NO_DATA, room))
		return -2;
	result = outcome(n);
	if (result)
		return -(int)result;
	TAP_EQ(n->data[n->answer.u.srb.transfer_length], 0xee);
	return (int)n->answer.u.srb.transfer_length;
}

/* All `bytes` are `value`. */
static inline bool all(const uint8_t *at, uint8_t value, size_t bytes)
{
	return at[0] == value && !memcmp(at, at + 1, bytes - 1);
}

#endif
