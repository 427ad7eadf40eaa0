/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Empty images of disks, as another program would have made them; and what it takes to damage them on purpose.
 */
#ifndef FUZZ_IMAGE_MAKER_H
#define FUZZ_IMAGE_MAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/image/vhd_format.h"
#include "vmm/image/vhdx_format.h"

struct image_maker {
	uint64_t bytes; /* of the disk */
	uint32_t block_bytes;
	uint32_t sector_bytes; /* VHDX */
	bool fixed;
};

/* Where the parts of such a VHDX are. The table has one unit, and so have the log and the metadata. */
#define IMAGE_VHDX_LOG	    (1ull << 20)
#define IMAGE_VHDX_METADATA (2ull << 20)
#define IMAGE_VHDX_BAT	    (3ull << 20)
#define IMAGE_VHDX_BLOCKS   (4ull << 20)

/* Where those of a dynamic VHD are. */
#define IMAGE_VHD_HEADER 512u
#define IMAGE_VHD_TABLE	 1536u

/* Into an empty file of vmm/image/store.h. */
void image_make_vhdx(int fd, const struct image_maker *maker);
void image_make_vhd(int fd, const struct image_maker *maker);

/* Makes checksums right after changes. */
void image_seal_header(int fd, unsigned index);
void image_seal_regions(int fd, unsigned index);
void image_seal_vhd(struct vhd_footer *footer);
void image_seal_vhd_header(int fd);

#endif
