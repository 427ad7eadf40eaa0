/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Bytes in the texts of the control socket.
 */
#ifndef VMM_BASE64_H
#define VMM_BASE64_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Characters that so many bytes take, without a terminator. */
#define VMM_BASE64_LEN(bytes) (((bytes) + 2) / 3 * 4)

/* `text` has room for VMM_BASE64_LEN(len) + 1. */
void vmm_base64_encode(char *text, const uint8_t *bytes, size_t len);

/* How many bytes there are, or -1: it is not base64 with its padding, or more than `size`. */
ssize_t vmm_base64_decode(uint8_t *bytes, size_t size, const char *text);

#endif
