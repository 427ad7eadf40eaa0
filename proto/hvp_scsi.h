/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * SCSI as a synthetic controller's disks and drives speak it: commands, status, sense, and the data of the commands that
 * describe a device. All numbers in it are big-endian: arrays of bytes here, read by hvw_be.h.
 *
 * Positions and names are those of the T10 standards SPC-3, SBC-3 and MMC-5.
 */
#ifndef PROTO_HVP_SCSI_H
#define PROTO_HVP_SCSI_H

#include "hvp_base.h"

/* Commands: number, name, bytes. */
#define HVP_SCSI_OP_LIST(X)                                                                        \
	X(0x00, TEST_UNIT_READY, 6)                                                                \
	X(0x03, REQUEST_SENSE, 6)                                                                  \
	X(0x08, READ_6, 6)                                                                         \
	X(0x0a, WRITE_6, 6)                                                                        \
	X(0x12, INQUIRY, 6)                                                                        \
	X(0x15, MODE_SELECT_6, 6)                                                                  \
	X(0x16, RESERVE_6, 6)                                                                      \
	X(0x17, RELEASE_6, 6)                                                                      \
	X(0x1a, MODE_SENSE_6, 6)                                                                   \
	X(0x1b, START_STOP_UNIT, 6)                                                                \
	X(0x1d, SEND_DIAGNOSTIC, 6)                                                                \
	X(0x1e, PREVENT_ALLOW, 6)                                                                  \
	X(0x25, READ_CAPACITY_10, 10)                                                              \
	X(0x28, READ_10, 10)                                                                       \
	X(0x2a, WRITE_10, 10)                                                                      \
	X(0x2e, WRITE_VERIFY_10, 10)                                                               \
	X(0x2f, VERIFY_10, 10)                                                                     \
	X(0x35, SYNCHRONIZE_CACHE_10, 10)                                                          \
	X(0x41, WRITE_SAME_10, 10)                                                                 \
	X(0x42, UNMAP, 10)                                                                         \
	X(0x43, READ_TOC, 10)                                                                      \
	X(0x46, GET_CONFIGURATION, 10)                                                             \
	X(0x4a, GET_EVENT_STATUS, 10)                                                              \
	X(0x51, READ_DISC_INFORMATION, 10)                                                         \
	X(0x55, MODE_SELECT_10, 10)                                                                \
	X(0x5a, MODE_SENSE_10, 10)                                                                 \
	X(0x88, READ_16, 16)                                                                       \
	X(0x8a, WRITE_16, 16)                                                                      \
	X(0x8e, WRITE_VERIFY_16, 16)                                                               \
	X(0x8f, VERIFY_16, 16)                                                                     \
	X(0x91, SYNCHRONIZE_CACHE_16, 16)                                                          \
	X(0x93, WRITE_SAME_16, 16)                                                                 \
	X(0x9e, SERVICE_ACTION_IN_16, 16)                                                          \
	X(0xa0, REPORT_LUNS, 12)                                                                   \
	X(0xa3, MAINTENANCE_IN, 12)                                                                \
	X(0xa8, READ_12, 12)                                                                       \
	X(0xaa, WRITE_12, 12)                                                                      \
	X(0xae, WRITE_VERIFY_12, 12)                                                               \
	X(0xaf, VERIFY_12, 12)

enum hvp_scsi_op {
#define HVP_SCSI_OP_ENUM(number, name, bytes) HVP_SCSI_##name = (number),
	HVP_SCSI_OP_LIST(HVP_SCSI_OP_ENUM)
#undef HVP_SCSI_OP_ENUM
};

/* Service actions: the low five bits of byte 1. */
#define HVP_SCSI_ACTION_MASK		  0x1fu
#define HVP_SCSI_ACTION_READ_CAPACITY_16  0x10u /* of SERVICE_ACTION_IN_16 */
#define HVP_SCSI_ACTION_SUPPORTED_OPCODES 0x0cu /* of MAINTENANCE_IN */

/* Status. */
#define HVP_SCSI_GOOD		 0x00u
#define HVP_SCSI_CHECK_CONDITION 0x02u
#define HVP_SCSI_BUSY		 0x08u

/* Bits of byte 1, 2 or 4, by the command. */
#define HVP_CDB_EVPD	     0x01u /* INQUIRY 1 */
#define HVP_CDB_BYTCHK	     0x06u /* VERIFY, WRITE AND VERIFY 1 */
#define HVP_CDB_NDOB	     0x01u /* WRITE SAME(16) 1: no data-out buffer, the block is all zeros */
#define HVP_CDB_FUA	     0x08u /* READ, WRITE 1 */
#define HVP_CDB_UNMAP	     0x08u /* WRITE SAME 1 */
#define HVP_CDB_ANCHOR	     0x10u /* WRITE SAME 1 */
#define HVP_CDB_UNMAP_ANCHOR 0x01u /* UNMAP 1 */
#define HVP_CDB_DBD	     0x08u /* MODE SENSE 1: no block descriptors */
#define HVP_CDB_SP	     0x01u /* MODE SELECT 1: save pages */
#define HVP_CDB_PF	     0x10u /* MODE SELECT 1: page format */
#define HVP_CDB_PROTECT	     0xe0u /* READ, WRITE, … 1 */
#define HVP_CDB_DESC	     0x01u /* REQUEST SENSE 1: descriptor format */
#define HVP_CDB_SELF_TEST    0x04u /* SEND DIAGNOSTIC 1 */
#define HVP_CDB_START	     0x01u /* START STOP UNIT 4 */
#define HVP_CDB_LOEJ	     0x02u /* START STOP UNIT 4: load or eject the medium */
#define HVP_CDB_PREVENT	     0x01u /* PREVENT ALLOW MEDIUM REMOVAL 4 */
#define HVP_CDB_MSF	     0x02u /* READ TOC 1: minutes, seconds, frames instead of blocks */
#define HVP_CDB_POLLED	     0x01u /* GET EVENT STATUS NOTIFICATION 1 */

/* --- sense ------------------------------------------------------------------------------------------ */

#define HVP_SENSE_NONE		  0x0u
#define HVP_SENSE_NOT_READY	  0x2u
#define HVP_SENSE_MEDIUM_ERROR	  0x3u
#define HVP_SENSE_HARDWARE_ERROR  0x4u
#define HVP_SENSE_ILLEGAL_REQUEST 0x5u
#define HVP_SENSE_UNIT_ATTENTION  0x6u
#define HVP_SENSE_DATA_PROTECT	  0x7u

/* Additional sense code in the high byte, its qualifier in the low one. */
#define HVP_ASC_NONE			0x0000u
#define HVP_ASC_WRITE_ERROR		0x0c00u
#define HVP_ASC_READ_ERROR		0x1100u
#define HVP_ASC_PARAMETER_LENGTH	0x1a00u
#define HVP_ASC_INVALID_OPCODE		0x2000u
#define HVP_ASC_LBA_OUT_OF_RANGE	0x2100u
#define HVP_ASC_INVALID_FIELD_IN_CDB	0x2400u
#define HVP_ASC_INVALID_PARAMETER	0x2600u
#define HVP_ASC_WRITE_PROTECTED		0x2700u
#define HVP_ASC_SPACE_ALLOCATION_FAILED 0x2707u
#define HVP_ASC_MEDIUM_MAY_HAVE_CHANGED 0x2800u
#define HVP_ASC_CAPACITY_CHANGED	0x2a09u
#define HVP_ASC_SAVING_NOT_SUPPORTED	0x3900u
#define HVP_ASC_NO_MEDIUM_TRAY_CLOSED	0x3a01u
#define HVP_ASC_REMOVAL_PREVENTED	0x5302u

/* Fixed format. */
struct hvp_sense {
	uint8_t response; /* HVP_SENSE_FIXED */
	uint8_t segment;
	uint8_t key; /* low four bits */
	uint8_t information[4];
	uint8_t additional_length;
	uint8_t command_specific[4];
	uint8_t asc[2]; /* code and qualifier */
	uint8_t unit_code;
	uint8_t key_specific[3];
} HVP_WIRE(1);
HVP_SIZE(struct hvp_sense, 18);
HVP_OFFSET(struct hvp_sense, asc, 12);

#define HVP_SENSE_FIXED	     0x70u
#define HVP_SENSE_FIXED_MASK 0x7fu
#define HVP_SENSE_ADDITIONAL 10u /* additional_length */

/* --- commands ---------------------------------------------------------------------------------------- */

/* How commands are laid out that name blocks, by their length. In the shortest the block takes five bits of `flags` too. */
struct hvp_cdb_6 {
	uint8_t op;
	uint8_t flags;
	uint8_t lba[2];
	uint8_t length; /* of READ and WRITE: 0 means 256 */
	uint8_t control;
} HVP_WIRE(1);
HVP_SIZE(struct hvp_cdb_6, 6);

struct hvp_cdb_10 {
	uint8_t op;
	uint8_t flags;
	uint8_t lba[4];
	uint8_t group;
	uint8_t length[2];
	uint8_t control;
} HVP_WIRE(1);
HVP_SIZE(struct hvp_cdb_10, 10);
HVP_OFFSET(struct hvp_cdb_10, length, 7);

struct hvp_cdb_12 {
	uint8_t op;
	uint8_t flags;
	uint8_t lba[4];
	uint8_t length[4];
	uint8_t group;
	uint8_t control;
} HVP_WIRE(1);
HVP_SIZE(struct hvp_cdb_12, 12);
HVP_OFFSET(struct hvp_cdb_12, length, 6);

struct hvp_cdb_16 {
	uint8_t op;
	uint8_t flags;
	uint8_t lba[8];
	uint8_t length[4];
	uint8_t group;
	uint8_t control;
} HVP_WIRE(1);
HVP_SIZE(struct hvp_cdb_16, 16);
HVP_OFFSET(struct hvp_cdb_16, length, 10);

/* --- INQUIRY ----------------------------------------------------------------------------------------- */

#define HVP_INQUIRY_DISK      0x00u
#define HVP_INQUIRY_DVD	      0x05u
#define HVP_INQUIRY_REMOVABLE 0x80u
#define HVP_INQUIRY_NO_DEVICE 0x7fu /* nothing there, and nothing can be */
#define HVP_INQUIRY_SPC_3     5u
#define HVP_INQUIRY_FORMAT    2u
#define HVP_INQUIRY_CMDQUE    0x02u

struct hvp_inquiry {
	uint8_t type;
	uint8_t removable; /* HVP_INQUIRY_REMOVABLE */
	uint8_t version;
	uint8_t format;
	uint8_t additional_length; /* all behind this byte */
	uint8_t flags5;
	uint8_t flags6;
	uint8_t flags7; /* HVP_INQUIRY_CMDQUE */
	uint8_t vendor[8]; /* padded with blanks, as those below */
	uint8_t product[16];
	uint8_t revision[4];
	uint8_t vendor_specific[20];
	uint8_t reserved[2];
	uint8_t descriptors[8][2]; /* standards that are kept to */
	uint8_t reserved2[22];
	uint8_t rest[8];
} HVP_WIRE(1);
HVP_SIZE(struct hvp_inquiry, 104);
HVP_OFFSET(struct hvp_inquiry, descriptors, 58);

#define HVP_STANDARD_SPC_3 0x0300u
#define HVP_STANDARD_SBC_3 0x04c0u

/* Vital product data: pages, and what stands in front of each. */
#define HVP_VPD_PAGES	     0x00u
#define HVP_VPD_SERIAL	     0x80u
#define HVP_VPD_IDENTIFIERS  0x83u
#define HVP_VPD_BLOCK_LIMITS 0xb0u
#define HVP_VPD_BLOCK_DEVICE 0xb1u
#define HVP_VPD_PROVISIONING 0xb2u

struct hvp_vpd {
	uint8_t type;
	uint8_t page;
	uint8_t length[2]; /* behind this header */
} HVP_WIRE(1);
HVP_SIZE(struct hvp_vpd, 4);

struct hvp_vpd_identifier {
	uint8_t code_set;
	uint8_t type;
	uint8_t reserved;
	uint8_t length;
} HVP_WIRE(1);
HVP_SIZE(struct hvp_vpd_identifier, 4);

#define HVP_IDENTIFIER_BINARY 1u
#define HVP_IDENTIFIER_T10    1u
#define HVP_IDENTIFIER_NAA    3u

struct hvp_vpd_block_limits {
	struct hvp_vpd h;
	uint8_t wsnz;
	uint8_t compare_max;
	uint8_t transfer_granularity[2];
	uint8_t transfer_max[4];
	uint8_t transfer_optimal[4];
	uint8_t prefetch_max[4];
	uint8_t unmap_blocks_max[4];
	uint8_t unmap_descriptors_max[4];
	uint8_t unmap_granularity[4];
	uint8_t unmap_alignment[4]; /* HVP_UNMAP_ALIGNMENT_VALID */
	uint8_t write_same_max[8];
	uint8_t reserved[20];
} HVP_WIRE(1);
HVP_SIZE(struct hvp_vpd_block_limits, 64);
HVP_OFFSET(struct hvp_vpd_block_limits, write_same_max, 36);

#define HVP_UNMAP_ALIGNMENT_VALID 0x80000000u

struct hvp_vpd_block_device {
	struct hvp_vpd h;
	uint8_t rotation[2]; /* HVP_ROTATION_NONE */
	uint8_t reserved[58];
} HVP_WIRE(1);
HVP_SIZE(struct hvp_vpd_block_device, 64);

#define HVP_ROTATION_NONE 1u

struct hvp_vpd_provisioning {
	struct hvp_vpd h;
	uint8_t threshold;
	uint8_t flags; /* HVP_PROVISIONING_* */
	uint8_t type;
	uint8_t reserved;
} HVP_WIRE(1);
HVP_SIZE(struct hvp_vpd_provisioning, 8);

#define HVP_PROVISIONING_UNMAP	       0x80u
#define HVP_PROVISIONING_WRITE_SAME_16 0x40u
#define HVP_PROVISIONING_WRITE_SAME_10 0x20u
#define HVP_PROVISIONING_ZEROS	       0x04u
#define HVP_PROVISIONING_THIN	       2u

/* --- capacity, LUNs ---------------------------------------------------------------------------------- */

struct hvp_capacity_10 {
	uint8_t last[4]; /* 0xffffffff: ask READ CAPACITY(16) */
	uint8_t block_bytes[4];
} HVP_WIRE(1);
HVP_SIZE(struct hvp_capacity_10, 8);

struct hvp_capacity_16 {
	uint8_t last[8];
	uint8_t block_bytes[4];
	uint8_t protection;
	uint8_t exponent; /* low four bits: logical blocks in a physical one, as a power of two */
	uint8_t provisioning[2]; /* HVP_CAPACITY_*, and the lowest aligned block */
	uint8_t reserved[16];
} HVP_WIRE(1);
HVP_SIZE(struct hvp_capacity_16, 32);

#define HVP_CAPACITY_THIN  0x8000u
#define HVP_CAPACITY_ZEROS 0x4000u

/* REPORT LUNS: the header, then an entry for each. */
struct hvp_lun_list {
	uint8_t length[4];
	uint8_t reserved[4];
} HVP_WIRE(1);
HVP_SIZE(struct hvp_lun_list, 8);

struct hvp_lun_entry {
	uint8_t method; /* 0 for LUNs below 256 */
	uint8_t lun;
	uint8_t reserved[6];
} HVP_WIRE(1);
HVP_SIZE(struct hvp_lun_entry, 8);

/* --- UNMAP ------------------------------------------------------------------------------------------- */

struct hvp_unmap_list {
	uint8_t length[2]; /* behind these bytes */
	uint8_t descriptors_length[2];
	uint8_t reserved[4];
} HVP_WIRE(1);
HVP_SIZE(struct hvp_unmap_list, 8);

struct hvp_unmap_descriptor {
	uint8_t lba[8];
	uint8_t blocks[4];
	uint8_t reserved[4];
} HVP_WIRE(1);
HVP_SIZE(struct hvp_unmap_descriptor, 16);

/* --- mode pages -------------------------------------------------------------------------------------- */

#define HVP_MODE_CONTROL_MASK	 0xc0u /* which values: byte 2 of MODE SENSE */
#define HVP_MODE_CURRENT	 0x00u
#define HVP_MODE_CHANGEABLE	 0x40u
#define HVP_MODE_DEFAULT	 0x80u
#define HVP_MODE_SAVED		 0xc0u
#define HVP_MODE_PAGE_MASK	 0x3fu
#define HVP_MODE_PAGE_ERRORS	 0x01u
#define HVP_MODE_PAGE_CACHING	 0x08u
#define HVP_MODE_PAGE_CONTROL	 0x0au
#define HVP_MODE_PAGE_EXCEPTIONS 0x1cu
#define HVP_MODE_PAGE_DRIVE	 0x2au /* what a CD or DVD drive can do */
#define HVP_MODE_PAGE_ALL	 0x3fu
#define HVP_MODE_SUBPAGES_ALL	 0xffu
#define HVP_MODE_SUBPAGE	 0x40u /* byte 0 of a page that has them */

#define HVP_MODE_WRITE_PROTECTED 0x80u /* device-specific byte */
#define HVP_MODE_FUA		 0x10u
#define HVP_MODE_WCE		 0x04u /* byte 2 of the caching page */

struct hvp_mode_header_6 {
	uint8_t length; /* behind this field */
	uint8_t medium;
	uint8_t specific;
	uint8_t block_length; /* of the block descriptors */
} HVP_WIRE(1);
HVP_SIZE(struct hvp_mode_header_6, 4);

struct hvp_mode_header_10 {
	uint8_t length[2];
	uint8_t medium;
	uint8_t specific;
	uint8_t reserved[2];
	uint8_t block_length[2];
} HVP_WIRE(1);
HVP_SIZE(struct hvp_mode_header_10, 8);

struct hvp_mode_block {
	uint8_t blocks[4]; /* 0xffffffff: more than fit */
	uint8_t block_bytes[4]; /* low three bytes */
} HVP_WIRE(1);
HVP_SIZE(struct hvp_mode_block, 8);

/* Behind the two bytes of a page's number and length. */
#define HVP_MODE_ERRORS_BYTES	  0x0au
#define HVP_MODE_CACHING_BYTES	  0x12u
#define HVP_MODE_CONTROL_BYTES	  0x0au
#define HVP_MODE_EXCEPTIONS_BYTES 0x0au
#define HVP_MODE_DRIVE_BYTES	  0x12u

#define HVP_MODE_DRIVE_READS 0x0bu /* byte 2: CD-R, CD-RW, DVD-ROM */
#define HVP_MODE_DRIVE_MECHANISM                                                                   \
	0x29u /* byte 6: a tray, ejects, can be locked; also in a feature */
#define HVP_MODE_DRIVE_LOCKED 0x02u /* byte 6 */

/* --- REPORT SUPPORTED OPERATION CODES ---------------------------------------------------------------- */

#define HVP_OPCODES_MASK       0x07u /* byte 2: which */
#define HVP_OPCODES_ALL	       0u
#define HVP_OPCODES_ONE	       1u
#define HVP_OPCODES_ONE_ACTION 2u

struct hvp_opcode_entry {
	uint8_t op;
	uint8_t reserved;
	uint8_t action[2];
	uint8_t reserved2;
	uint8_t flags; /* HVP_OPCODE_HAS_ACTION */
	uint8_t cdb_length[2];
} HVP_WIRE(1);
HVP_SIZE(struct hvp_opcode_entry, 8);

#define HVP_OPCODES_TIMEOUTS 0x80u /* … and a struct hvp_opcode_timeouts behind each */

/* All 0: none is recommended. */
struct hvp_opcode_timeouts {
	uint8_t length[2]; /* of what follows */
	uint8_t reserved;
	uint8_t specific;
	uint8_t nominal_seconds[4];
	uint8_t recommended_seconds[4];
} HVP_WIRE(1);
HVP_SIZE(struct hvp_opcode_timeouts, 12);

#define HVP_OPCODE_HAS_ACTION	 0x01u
#define HVP_OPCODE_HAS_TIMEOUTS	 0x02u
#define HVP_OPCODE_ONE_TIMEOUTS	 0x80u /* byte 1 of the answer about one: the same */
#define HVP_OPCODE_NOT_SUPPORTED 1u /* byte 1 of the answer about one */
#define HVP_OPCODE_SUPPORTED	 3u

/* --- DVD drives -------------------------------------------------------------------------------------- */

#define HVP_DVD_BLOCK 2048u

/* READ TOC: which, in byte 2; tracks: one with data, and the lead-out behind it. */
#define HVP_TOC_FORMAT_MASK 0x0fu
#define HVP_TOC_TRACKS	    0u
#define HVP_TOC_SESSIONS    1u
#define HVP_TOC_DATA	    0x14u /* control and ADR */
#define HVP_TOC_LEAD_OUT    0xaau
#define HVP_MSF_FRAMES	    75u /* of a second */
#define HVP_MSF_START	    150u /* frames before the first block */

struct hvp_toc {
	uint8_t length[2]; /* behind this field */
	uint8_t first, last;
} HVP_WIRE(1);
HVP_SIZE(struct hvp_toc, 4);

struct hvp_toc_track {
	uint8_t reserved;
	uint8_t control;
	uint8_t track;
	uint8_t reserved2;
	uint8_t start[4];
} HVP_WIRE(1);
HVP_SIZE(struct hvp_toc_track, 8);

/* GET CONFIGURATION: a header, then features in the order of their numbers. */
#define HVP_CONFIGURATION_MASK	  0x03u /* byte 1: which */
#define HVP_CONFIGURATION_ALL	  0u
#define HVP_CONFIGURATION_CURRENT 1u
#define HVP_CONFIGURATION_ONE	  2u

struct hvp_configuration {
	uint8_t length[4]; /* behind this field */
	uint8_t reserved[2];
	uint8_t profile[2]; /* HVP_PROFILE_DVD_ROM; 0: no medium */
} HVP_WIRE(1);
HVP_SIZE(struct hvp_configuration, 8);

struct hvp_feature {
	uint8_t code[2];
	uint8_t flags; /* HVP_FEATURE_* below */
	uint8_t length; /* behind this header */
} HVP_WIRE(1);
HVP_SIZE(struct hvp_feature, 4);

#define HVP_PROFILE_DVD_ROM	    0x0010u
#define HVP_FEATURE_PROFILES	    0x0000u
#define HVP_FEATURE_CORE	    0x0001u
#define HVP_FEATURE_REMOVABLE	    0x0003u
#define HVP_FEATURE_RANDOM_READABLE 0x0010u
#define HVP_FEATURE_DVD_READ	    0x001fu
#define HVP_FEATURE_IS_CURRENT	    0x01u
#define HVP_FEATURE_PERSISTENT	    0x02u
#define HVP_FEATURE_INTERFACE_SCSI  1u

/* GET EVENT STATUS NOTIFICATION: one class of events at a time. */
struct hvp_event {
	uint8_t length[2]; /* behind this field */
	uint8_t class_; /* HVP_EVENT_NONE_AVAILABLE */
	uint8_t classes; /* a bit for each that there is */
	uint8_t code; /* of class HVP_EVENT_MEDIA, as what follows */
	uint8_t status;
	uint8_t slots[2];
} HVP_WIRE(1);
HVP_SIZE(struct hvp_event, 8);

#define HVP_EVENT_MEDIA		 4u
#define HVP_EVENT_NONE_AVAILABLE 0x80u
#define HVP_MEDIA_EJECT_REQUEST	 1u
#define HVP_MEDIA_NEW		 2u
#define HVP_MEDIA_REMOVAL	 3u
#define HVP_MEDIA_PRESENT	 0x02u /* status */

struct hvp_disc_information {
	uint8_t length[2]; /* behind this field */
	uint8_t status; /* HVP_DISC_COMPLETE */
	uint8_t first_track;
	uint8_t sessions;
	uint8_t first_of_last, last_of_last;
	uint8_t flags; /* HVP_DISC_UNRESTRICTED */
	uint8_t type;
	uint8_t reserved[25];
} HVP_WIRE(1);
HVP_SIZE(struct hvp_disc_information, 34);

#define HVP_DISC_COMPLETE     0x0eu /* it and its last session */
#define HVP_DISC_UNRESTRICTED 0x20u

#endif
