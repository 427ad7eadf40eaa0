/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What lwIP asks of compiler and machine.
 */
#ifndef TESTS_GUESTS_LWIP_ARCH_CC_H
#define TESTS_GUESTS_LWIP_ARCH_CC_H

#include <stdint.h>

#define BYTE_ORDER	 LITTLE_ENDIAN
#define LWIP_NO_UNISTD_H 1
#define LWIP_NO_CTYPE_H	 1

uint32_t guest_random(void);
void guest_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void guest_fail(const char *why) __attribute__((noreturn));

#define LWIP_RAND()		    guest_random()
#define LWIP_PLATFORM_DIAG(words)   guest_print words
#define LWIP_PLATFORM_ASSERT(words) guest_fail(words)

#endif
