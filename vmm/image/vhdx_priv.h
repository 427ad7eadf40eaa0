/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A VHDX that is open. Keys as in image_priv.h.
 */
#ifndef VMM_IMAGE_VHDX_PRIV_H
#define VMM_IMAGE_VHDX_PRIV_H

#include "vmm/image/image_priv.h"
#include "vmm/image/vhdx_format.h"

/* What is taken for a log: Hyper-V makes 1 MiB. It is read at once. */
#define VHDX_LOG_BYTES_MAX (64u << 20)

struct vhdx {
	struct vmm_disk_image image; /* first */
	struct vhdx_header header; /* (p) the newest */
	unsigned current; /* (p) where it is: 0 or 1 */
	uint64_t file_bytes; /* as opened */
	uint64_t bat_offset, bat_bytes; /* (c) */
	uint64_t metadata_offset, metadata_bytes; /* (c) */
	uint64_t size_offset; /* (c) where in the file the disk's size is */
	bool fixed; /* (c) */
	uint8_t *used; /* while opening: a bit for each unit of the file */
	uint64_t *spare; /* (p) places in the file that blocks have left; NULL: none */
	uint64_t spares; /* (p) */
	uint64_t log_sequence; /* (w) of the next entry */
	uint32_t log_at; /* (w) where in the log it goes */
	uint8_t *entry; /* (w) to build it in */
};

/* vhdx_header.c. Words and negative errno as vmm_disk_image_refuse(). */
int vmm_vhdx_headers_read(struct vhdx *v);

/* v->header with higher numbers, to both places, each synced; a crash leaves one that is right. */
int vmm_vhdx_headers_write(struct vhdx *v);

/* vhdx_log.c: puts what the log holds in its place, for which v->header says that there is something. */
int vmm_vhdx_log_replay(struct vhdx *v);

/* An entry that says nothing, in a log that has held nothing under that name. */
int vmm_vhdx_log_begin(struct vhdx *v);

/* An entry with these pages of the table, synced. All that earlier ones said has been put in its place and synced. */
int vmm_vhdx_log_write(struct vhdx *v, const uint32_t *pages, unsigned count, const uint8_t *bytes);

/* vhdx_open.c: regions, metadata, table of blocks. */
int vmm_vhdx_read_all(struct vhdx *v);
uint64_t vmm_vhdx_entries(const struct vhdx *v, uint64_t bytes);

static inline bool vhdx_is_zero(const struct hvp_guid *id)
{
	for (unsigned i = 0; i < sizeof(id->b); i++)
		if (id->b[i])
			return false;
	return true;
}

#endif
