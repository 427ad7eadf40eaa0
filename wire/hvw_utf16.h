/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * UTF-8 to UTF-16LE and back, bounded. Code units stand in messages, at any address.
 */
#ifndef WIRE_HVW_UTF16_H
#define WIRE_HVW_UTF16_H

#include "hvw_error.h"

/*
 * A terminated text as code units with a terminator. Returns how many without it. -EILSEQ: not
 * UTF-8 (also overlong forms and surrogates); -EMSGSIZE: more than `room` units with the terminator.
 */
int hvw_utf16_from_utf8(void *units, size_t room, const char *text) HVW_MUST_CHECK;

/*
 * The same for a text that may not be well made: of `size` bytes at most, it ends where they end; what is not
 * UTF-8 becomes U+FFFD, and what does not fit is cut off. `room` is not 0.
 */
int hvw_utf16_from_any(void *units, size_t room, const char *text, size_t size);

/*
 * `count` code units, or those before the first 0, as a terminated text. A surrogate without its other half
 * becomes U+FFFD, as this is a peer's text, of which nothing else should be lost. Returns the bytes without
 * the terminator. -EMSGSIZE: more than `room` with it; HVW_UTF16_ROOM(count) is enough for any.
 */
int hvw_utf16_to_utf8(char *text, size_t room, const void *units, size_t count) HVW_MUST_CHECK;

#define HVW_UTF16_ROOM(count) (3 * (count) + 1)

#endif
