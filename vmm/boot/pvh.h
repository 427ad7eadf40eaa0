/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Booting an ELF file by its PVH entry point: Linux' vmlinux, and kernels of others that take the
 * trouble of one note.
 * Sources: Xen's docs/misc/pvh.pandoc and public/arch-x86/hvm/start_info.h; System V ABI for ELF.
 */
#ifndef VMM_BOOT_PVH_H
#define VMM_BOOT_PVH_H

#include <stdint.h>

#define VMM_PVH_SEGMENTS_MAX 32

struct vmm_pvh_segment {
	uint64_t offset; /* in the file */
	uint64_t file_bytes;
	uint64_t gpa;
	uint64_t bytes; /* file_bytes or more: the rest is cleared */
};

/* What the file says, checked: segments are in the file, above 1 MiB, below 4 GiB and apart from each other. */
struct vmm_pvh_kernel {
	struct vmm_pvh_segment segments[VMM_PVH_SEGMENTS_MAX];
	unsigned segment_count; /* 1 or more */
	uint32_t entry_gpa; /* in a segment */
	uint64_t end_gpa; /* of the highest segment */
};

/*
 * `fd`: a regular file of `file_bytes`. -ENOEXEC with the reason as a phrase in `why`, which has room
 * for VMM_WHY_MAX bytes.
 */
int vmm_pvh_parse(int fd, uint64_t file_bytes, struct vmm_pvh_kernel *kernel, char *why);

#endif
