/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Backup: the bodies of HVP_IC_VSS messages. The host has the guest make its file systems quiet, takes a snapshot of the disks,
 * and lets them go on.
 */
#ifndef PROTO_HVP_VSS_H
#define PROTO_HVP_VSS_H

#include "hvp_base.h"

enum hvp_vss_op {
	HVP_VSS_CREATE = 0,
	HVP_VSS_DELETE = 1,
	HVP_VSS_HOT_BACKUP = 2, /* can the guest be backed up while it runs? */
	HVP_VSS_GET_DM_INFO = 3, /* disks that the host does not see */
	HVP_VSS_COMPLETE = 4, /* the backup is over; from message version 4.0 */
	HVP_VSS_FREEZE = 5, /* this and the others from 5.0 */
	HVP_VSS_THAW = 6,
	HVP_VSS_AUTO_RECOVER = 7,
};

struct hvp_vss_header {
	uint8_t op; /* enum hvp_vss_op */
	uint8_t reserved[7];
} HVP_WIRE(4);
HVP_SIZE(struct hvp_vss_header, 8);

/* All but FREEZE and AUTO_RECOVER; Linux drops what is shorter. */
struct hvp_vss_plain {
	struct hvp_vss_header h;
	uint32_t flags;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_vss_plain, 12);

/* The answer to HOT_BACKUP: it can, and what is frozen needs no repair. */
#define HVP_VSS_NO_AUTO_RECOVERY 0x5u

#define HVP_VSS_LUNS 260

struct hvp_vss_lun {
	uint8_t bus;
	uint8_t reserved[3];
	struct hvp_guid controller;
	uint8_t port;
	uint8_t target;
	uint8_t lun;
	uint8_t reserved_2;
} HVP_WIRE(4);
HVP_SIZE(struct hvp_vss_lun, 24);

struct hvp_vss_freeze {
	struct hvp_vss_header h;
	uint32_t backup_type;
	uint32_t flags;
	uint32_t luns; /* how many of `lun` count; 0: all that the guest has */
	struct hvp_vss_lun lun[HVP_VSS_LUNS];
} HVP_WIRE(4);
HVP_SIZE(struct hvp_vss_freeze, 6260);
HVP_OFFSET(struct hvp_vss_freeze, luns, 16);

#endif
