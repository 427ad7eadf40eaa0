/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * GUIDs as text: aabbccdd-eeff-gghh-iijj-kkllmmnnoopp.
 */
#ifndef WIRE_HVW_GUID_H
#define WIRE_HVW_GUID_H

#include <stdbool.h>

#include "hvp_base.h"
#include "hvw_error.h"

#define HVW_GUID_TEXT 37 /* with the terminating zero */

bool hvw_guid_equal(const struct hvp_guid *a, const struct hvp_guid *b);
void hvw_guid_format(const struct hvp_guid *guid, char text[HVW_GUID_TEXT]);

/* Exactly the 36 characters, upper or lower case; else -EINVAL. */
int hvw_guid_parse(struct hvp_guid *guid, const char *text) HVW_MUST_CHECK;

#endif
