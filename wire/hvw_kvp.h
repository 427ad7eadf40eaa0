/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Keys, values and lists of KVP messages as texts in UTF-8.
 */
#ifndef WIRE_HVW_KVP_H
#define WIRE_HVW_KVP_H

#include "hvp_kvp.h"
#include "hvw_utf16.h"

/* Room for any key and any value. */
#define HVW_KVP_KEY   HVW_UTF16_ROOM(HVP_KVP_KEY_UNITS - 1)
#define HVW_KVP_VALUE HVW_UTF16_ROOM(HVP_KVP_VALUE_UNITS - 1)

/* A string as key or value: the errors of hvw_utf16_from_utf8(); `pair` is then undefined. */
int hvw_kvp_put_key(struct hvp_kvp_pair *pair, const char *key) HVW_MUST_CHECK;
int hvw_kvp_put_value(struct hvp_kvp_pair *pair, const char *value) HVW_MUST_CHECK;

/*
 * A private copy of a peer's key or value into a text of HVW_KVP_KEY or HVW_KVP_VALUE bytes. Integers become
 * decimal, and a size of 0 an empty text. -EPROTO: a size that is odd, larger than the field or, with an
 * integer, too small, or a type that nobody has.
 */
int hvw_kvp_get_key(const struct hvp_kvp_pair *pair, char *key) HVW_MUST_CHECK;
int hvw_kvp_get_value(const struct hvp_kvp_pair *pair, char *value) HVW_MUST_CHECK;

#endif
