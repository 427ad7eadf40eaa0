/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Files from the host to the guest: the bodies of HVP_IC_FCOPY messages.
 *
 * START names the file, WRITE carries a piece of it, COMPLETE or CANCEL ends it. The guest answers each with a status.
 */
#ifndef PROTO_HVP_FCOPY_H
#define PROTO_HVP_FCOPY_H

#include "hvp_base.h"

enum hvp_fcopy_op {
	HVP_FCOPY_START = 0,
	HVP_FCOPY_WRITE = 1,
	HVP_FCOPY_COMPLETE = 2,
	HVP_FCOPY_CANCEL = 3, /* what has been written is to go */
};

/* Every body begins with this; COMPLETE and CANCEL have no more. */
struct hvp_fcopy_header {
	uint32_t op; /* enum hvp_fcopy_op */
	struct hvp_guid service[2]; /* not used */
} HVP_WIRE(4);
HVP_SIZE(struct hvp_fcopy_header, 36);

/* Code units, with the terminator. */
#define HVP_FCOPY_NAME_UNITS 260

#define HVP_FCOPY_OVERWRITE   0x1u /* without it a file that is there is HVP_IC_EXISTS */
#define HVP_FCOPY_CREATE_PATH 0x2u /* make the directories that are missing */

/*
 * The target is `path`, a slash, `name`. Linux's daemon checks and makes the directories in `path` that a slash follows, so
 * hosts end it with one.
 */
struct hvp_fcopy_start {
	struct hvp_fcopy_header h;
	uint16_t name[HVP_FCOPY_NAME_UNITS]; /* UTF-16LE, terminated */
	uint16_t path[HVP_FCOPY_NAME_UNITS];
	uint32_t flags; /* HVP_FCOPY_OVERWRITE, HVP_FCOPY_CREATE_PATH */
	uint64_t bytes; /* of the file */
} HVP_WIRE(4);
HVP_SIZE(struct hvp_fcopy_start, 1088);
HVP_OFFSET(struct hvp_fcopy_start, path, 556);
HVP_OFFSET(struct hvp_fcopy_start, flags, 1076);
HVP_OFFSET(struct hvp_fcopy_start, bytes, 1080);

#define HVP_FCOPY_DATA 6144

/* Hosts send it whole, however much of `data` counts. */
struct hvp_fcopy_write {
	struct hvp_fcopy_header h;
	uint32_t reserved;
	uint64_t offset;
	uint32_t size; /* bytes of `data` */
	uint8_t data[HVP_FCOPY_DATA];
} HVP_WIRE(4);
HVP_SIZE(struct hvp_fcopy_write, 6196);
HVP_OFFSET(struct hvp_fcopy_write, offset, 40);
HVP_OFFSET(struct hvp_fcopy_write, data, 52);

#endif
