/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What --disk says: FILE[,OPTION]... or memory:SIZE[,OPTION]..., or a DVD drive: FILE,dvd[,OPTION]... or empty,dvd[,OPTION]...
 */
#ifndef VMM_DISK_DISK_CONFIG_H
#define VMM_DISK_DISK_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#define VMM_DISKS_MAX	    64
#define VMM_DISK_PATH_MAX   1024
#define VMM_DISK_SERIAL_MAX 32
#define VMM_DISK_LUN_ANY    VMM_DISKS_MAX

enum vmm_disk_format {
	VMM_DISK_AUTO, /* raw, but no file that looks like an image */
	VMM_DISK_RAW,
	VMM_DISK_VHD,
	VMM_DISK_VHDX,
};
extern const char *const vmm_disk_format_names[];

struct vmm_disk_config {
	char path[VMM_DISK_PATH_MAX]; /* "": in memory, or a drive with nothing in it */
	bool dvd; /* a drive; read_only then */
	uint64_t memory_bytes;
	bool read_only;
	enum vmm_disk_format format; /* as said, or else as the file's name says */
	unsigned lun; /* VMM_DISK_LUN_ANY: the first that is free */
	unsigned block_bytes; /* 0: as the image says, 512 where there is none */
	char serial[VMM_DISK_SERIAL_MAX + 1]; /* "": none */
	/* Faults on purpose. 0: none */
	unsigned late_ms; /* each request is answered so much later */
	unsigned fail_every; /* each one of so many fails */
};

/* NULL; or what would be right, in words for the user. */
const char *vmm_disk_config_parse(const char *text, struct vmm_disk_config *config);

/* By its name in vmm_disk_format_names; false: none of them. */
bool vmm_disk_format_parse(const char *name, enum vmm_disk_format *format);

/* "64M", "2G", … in bytes, a multiple of 512; false: not such a number. */
bool vmm_disk_size_parse(const char *text, uint64_t *bytes);

#endif
