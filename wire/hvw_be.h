/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Big-endian numbers at any address of private memory.
 */
#ifndef WIRE_HVW_BE_H
#define WIRE_HVW_BE_H

#include "hvp_base.h"

static inline uint16_t hvw_be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t hvw_be32(const uint8_t *at)
{
	return (uint32_t)hvw_be16(at) << 16 | hvw_be16(at + 2);
}

static inline uint64_t hvw_be64(const uint8_t *at)
{
	return (uint64_t)hvw_be32(at) << 32 | hvw_be32(at + 4);
}

static inline void hvw_put_be16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline void hvw_put_be32(uint8_t *at, uint32_t value)
{
	hvw_put_be16(at, (uint16_t)(value >> 16));
	hvw_put_be16(at + 2, (uint16_t)value);
}

static inline void hvw_put_be64(uint8_t *at, uint64_t value)
{
	hvw_put_be32(at, (uint32_t)(value >> 32));
	hvw_put_be32(at + 4, (uint32_t)value);
}

#endif
