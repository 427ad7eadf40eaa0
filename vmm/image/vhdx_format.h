/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * VHDX on the medium: [MS-VHDX]. Little-endian. Everything from 1 MiB on is in units of 1 MiB.
 */
#ifndef VMM_IMAGE_VHDX_FORMAT_H
#define VMM_IMAGE_VHDX_FORMAT_H

#include "hvp_base.h"

#define VHDX_UNIT (1ull << 20)

#define VHDX_FILE_SIGNATURE	"vhdxfile"
#define VHDX_HEADER_OFFSET(n)	((uint64_t)(64u << 10) * ((n) + 1u)) /* of header 0 or 1 */
#define VHDX_REGIONS_OFFSET(n)	((uint64_t)(64u << 10) * ((n) + 3u)) /* of region table 0 or 1 */
#define VHDX_REGION_TABLE_BYTES (64u << 10)

/* Four characters as they stand in the file. */
#define VHDX_HEADER_SIGNATURE  0x64616568u /* "head" */
#define VHDX_REGIONS_SIGNATURE 0x69676572u /* "regi" */

struct vhdx_header {
	uint32_t signature;
	uint32_t checksum; /* CRC-32C of all of it, with 0 here */
	uint64_t sequence;
	struct hvp_guid file_write; /* new before the first change of any kind */
	struct hvp_guid data_write; /* new before the first change of data */
	struct hvp_guid log; /* zero: the log is empty */
	uint16_t log_version;
	uint16_t version;
	uint32_t log_bytes;
	uint64_t log_offset;
	uint8_t reserved[4016];
} HVP_WIRE(8);
HVP_SIZE(struct vhdx_header, 4096);
HVP_OFFSET(struct vhdx_header, log_offset, 72);

struct vhdx_region_table {
	uint32_t signature;
	uint32_t checksum; /* CRC-32C of 64 KiB, with 0 here */
	uint32_t count;
	uint32_t reserved;
} HVP_WIRE(8);
HVP_SIZE(struct vhdx_region_table, 16);

#define VHDX_REGIONS_MAX 2047u
#define VHDX_REQUIRED	 0x1u

struct vhdx_region {
	struct hvp_guid id;
	uint64_t offset;
	uint32_t bytes;
	uint32_t flags; /* VHDX_REQUIRED */
} HVP_WIRE(8);
HVP_SIZE(struct vhdx_region, 32);

#define VHDX_REGION_BAT	     HVP_GUID(0x2dc27766u, 0xf623u, 0x4200u, 0x9d64u, 0x115e9bfd4a08ull)
#define VHDX_REGION_METADATA HVP_GUID(0x8b7ca206u, 0x4790u, 0x4b9au, 0xb8feu, 0x575f050f886eull)

#define VHDX_METADATA_SIGNATURE	  0x617461646174656dull /* "metadata" */
#define VHDX_METADATA_TABLE_BYTES (64u << 10)
#define VHDX_METADATA_ITEM_MAX	  (1u << 20)

struct vhdx_metadata_table {
	uint64_t signature;
	uint16_t reserved;
	uint16_t count;
	uint8_t reserved2[20];
} HVP_WIRE(8);
HVP_SIZE(struct vhdx_metadata_table, 32);

#define VHDX_ITEM_USER	   0x1u
#define VHDX_ITEM_REQUIRED 0x4u

struct vhdx_metadata_item {
	struct hvp_guid id;
	uint32_t offset; /* in the region */
	uint32_t bytes;
	uint32_t flags; /* VHDX_ITEM_* */
	uint32_t reserved;
} HVP_WIRE(8);
HVP_SIZE(struct vhdx_metadata_item, 32);

#define VHDX_ITEM_PARAMETERS   HVP_GUID(0xcaa16737u, 0xfa36u, 0x4d43u, 0xb3b6u, 0x33f0aa44e76bull)
#define VHDX_ITEM_SIZE	       HVP_GUID(0x2fa54224u, 0xcd1bu, 0x4876u, 0xb211u, 0x5dbed83bf4b8ull)
#define VHDX_ITEM_DISK_ID      HVP_GUID(0xbeca12abu, 0xb2e6u, 0x4523u, 0x93efu, 0xc309e000c746ull)
#define VHDX_ITEM_LOGICAL      HVP_GUID(0x8141bf1du, 0xa96fu, 0x4709u, 0xba47u, 0xf233a8faab5full)
#define VHDX_ITEM_PHYSICAL     HVP_GUID(0xcda348c7u, 0x445du, 0x4471u, 0x9cc9u, 0xe9885251c556ull)
#define VHDX_ITEM_PARENT       HVP_GUID(0xa8d35f2du, 0xb30bu, 0x454du, 0xabf7u, 0xd3d84834ab0cull)
#define VHDX_PARAMETERS_KEEP   0x1u /* blocks stay allocated: a fixed disk */
#define VHDX_PARAMETERS_PARENT 0x2u

struct vhdx_parameters {
	uint32_t block_bytes;
	uint32_t flags; /* VHDX_PARAMETERS_* */
} HVP_WIRE(4);
HVP_SIZE(struct vhdx_parameters, 8);

#define VHDX_DISK_BYTES_MAX  (64ull << 40)
#define VHDX_FILE_BYTES_MAX  (256ull << 40) /* our own limit */
#define VHDX_BLOCK_BYTES_MIN (1u << 20)
#define VHDX_BLOCK_BYTES_MAX (256u << 20)

/* Sectors of the disk that one block of a sector bitmap describes. */
#define VHDX_CHUNK_SECTORS (1ull << 23)

/* Entry of the block allocation table: a state below, the place in the file above, in units of 1 MiB. */
#define VHDX_BAT_STATE	    0x7ull
#define VHDX_BAT_RESERVED   0xffff8ull
#define VHDX_BAT_ABSENT	    0u
#define VHDX_BAT_UNDEFINED  1u
#define VHDX_BAT_ZERO	    2u
#define VHDX_BAT_UNMAPPED   3u
#define VHDX_BAT_UNMAPPED_5 5u /* in a draft of the format */
#define VHDX_BAT_PRESENT    6u
#define VHDX_BAT_PARTIAL    7u /* only where there is a parent */

/* The log: a ring of sectors of 4096 bytes. */
#define VHDX_LOG_SECTOR	      4096u
#define VHDX_LOG_SIGNATURE    0x65676f6cu /* "loge" */
#define VHDX_LOG_ZERO	      0x6f72657au /* "zero" */
#define VHDX_LOG_DESCRIPTOR   0x63736564u /* "desc" */
#define VHDX_LOG_DATA	      0x61746164u /* "data" */
#define VHDX_LOG_FIRST_SECTOR 126u /* descriptors beside the header, … */
#define VHDX_LOG_NEXT_SECTORS 128u /* … and in each sector that follows */

struct vhdx_log_header {
	uint32_t signature;
	uint32_t checksum; /* CRC-32C of the whole entry, with 0 here */
	uint32_t bytes; /* of the entry */
	uint32_t tail; /* where in the log the oldest entry is that is still needed */
	uint64_t sequence;
	uint32_t descriptors;
	uint32_t reserved;
	struct hvp_guid log;
	uint64_t flushed_file_bytes; /* the file had them on the medium when this was written */
	uint64_t last_file_bytes; /* it has after replay */
} HVP_WIRE(8);
HVP_SIZE(struct vhdx_log_header, 64);

struct vhdx_log_descriptor {
	uint32_t signature; /* VHDX_LOG_DESCRIPTOR or VHDX_LOG_ZERO */
	uint8_t trailing[4]; /* of the sector; ZERO: reserved */
	union {
		uint8_t leading[8]; /* of the sector */
		uint64_t zero_bytes;
	};
	uint64_t offset; /* in the file */
	uint64_t sequence;
} HVP_WIRE(8);
HVP_SIZE(struct vhdx_log_descriptor, 32);

/* A sector's bytes but for its first 8 and last 4, which stand in its descriptor. */
struct vhdx_log_data {
	uint32_t signature;
	uint32_t sequence_high;
	uint8_t bytes[4084];
	uint32_t sequence_low;
} HVP_WIRE(8);
HVP_SIZE(struct vhdx_log_data, 4096);

#endif
