/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Keys and values of KVP messages as texts in UTF-8. `pair`: a struct hvp_kvp_pair in a private copy of the message,
 * at any address.
 */
#ifndef WIRE_HVW_KVP_H
#define WIRE_HVW_KVP_H

#include "hvp_kvp.h"
#include "hvw_utf16.h"

/* Room for any key and any value. */
#define HVW_KVP_KEY   HVW_UTF16_ROOM(HVP_KVP_KEY_UNITS - 1)
#define HVW_KVP_VALUE HVW_UTF16_ROOM(HVP_KVP_VALUE_UNITS - 1)

/* A string as key or value: the errors of hvw_utf16_from_utf8(); `pair` is then undefined. */
int hvw_kvp_put_key(void *pair, const char *key) HVW_MUST_CHECK;
int hvw_kvp_put_value(void *pair, const char *value) HVW_MUST_CHECK;

/* The same for texts of `size` bytes at most, as hvw_utf16_from_any(). */
void hvw_kvp_put_any_key(void *pair, const char *key, size_t size);
void hvw_kvp_put_any_value(void *pair, const char *value, size_t size);

/*
 * A peer's key or value as a terminated text; its bytes with the terminator. Integers become decimal, and a size of 0
 * an empty text. -EPROTO: a size that is odd, larger than the field or, with an integer, too small, or a type
 * that nobody has; -EMSGSIZE: more than `room` bytes.
 */
int hvw_kvp_get_key(const void *pair, char *key, size_t room) HVW_MUST_CHECK;
int hvw_kvp_get_value(const void *pair, char *value, size_t room) HVW_MUST_CHECK;

#endif
