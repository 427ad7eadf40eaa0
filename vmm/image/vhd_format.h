/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * VHD (version 1) on the medium: "Virtual Hard Disk Image Format Specification". Big-endian: fields are bytes.
 */
#ifndef VMM_IMAGE_VHD_FORMAT_H
#define VMM_IMAGE_VHD_FORMAT_H

#include "hvp_base.h"

#define VHD_SECTOR    512u
#define VHD_VERSION   0x00010000u
#define VHD_BYTES_MAX (2040ull << 30)

#define VHD_FOOTER_COOKIE "conectix"

enum vhd_type {
	VHD_FIXED = 2,
	VHD_DYNAMIC = 3,
	VHD_DIFFERENCING = 4,
};

/* The last sector of the file; of a dynamic one a copy is the first. */
struct vhd_footer {
	uint8_t cookie[8];
	uint8_t features[4];
	uint8_t version[4]; /* VHD_VERSION */
	uint8_t data_offset[8]; /* of the dynamic header; all ones: there is none */
	uint8_t timestamp[4];
	uint8_t creator[4];
	uint8_t creator_version[4];
	uint8_t creator_os[4];
	uint8_t original_bytes[8];
	uint8_t bytes[8]; /* of the disk */
	uint8_t geometry[4];
	uint8_t type[4]; /* enum vhd_type */
	uint8_t checksum[4]; /* the sum of all bytes but these, inverted */
	struct hvp_guid id;
	uint8_t saved_state;
	uint8_t reserved[427];
} HVP_WIRE(1);
HVP_SIZE(struct vhd_footer, 512);
HVP_OFFSET(struct vhd_footer, checksum, 64);

#define VHD_HEADER_COOKIE "cxsparse"

struct vhd_header {
	uint8_t cookie[8];
	uint8_t data_offset[8];
	uint8_t table_offset[8];
	uint8_t version[4]; /* VHD_VERSION */
	uint8_t entries[4];
	uint8_t block_bytes[4];
	uint8_t checksum[4]; /* as in the footer */
	struct hvp_guid parent_id;
	uint8_t parent_timestamp[4];
	uint8_t reserved[4];
	uint8_t parent_name[512];
	uint8_t locators[8][24];
	uint8_t reserved2[256];
} HVP_WIRE(1);
HVP_SIZE(struct vhd_header, 1024);
HVP_OFFSET(struct vhd_header, checksum, 36);
HVP_OFFSET(struct vhd_header, locators, 576);

/*
 * The table: of each block the sector where it begins, or this. A block begins with a bit for each of its sectors, the
 * highest of a byte first, in whole sectors: in a dynamic disk one that is clear reads as zeros.
 */
#define VHD_BLOCK_ABSENT 0xffffffffu

#endif
