/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#ifndef TOOLS_HVIS_JSON_H
#define TOOLS_HVIS_JSON_H

#include <jansson.h>

/* A string, in which replacement characters stand for what is not UTF-8; of NULL: null. NULL: no memory. */
json_t *hvis_json_text(const char *text);

#endif
