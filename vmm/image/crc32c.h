/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * CRC-32C (Castagnoli): polynomial 0x1EDC6F41, reflected, all ones at the beginning and inverted at the end.
 */
#ifndef VMM_IMAGE_CRC32C_H
#define VMM_IMAGE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Of the bytes of several calls in a row: begin with 0, go on with what the last call returned. Any thread. */
uint32_t vmm_crc32c(uint32_t crc, const void *bytes, size_t len);

/* Of a structure whose field of 4 bytes at `field` holds the sum, which counts as zero. */
uint32_t vmm_crc32c_without(const void *bytes, size_t len, size_t field);

#endif
