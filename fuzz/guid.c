/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/* GUIDs as text: what is accepted comes back the same, in lower case. The input is the text. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz_target.h"
#include "hvw_guid.h"

static unsigned accepted, refused;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = malloc(len + 1), again[HVW_GUID_TEXT];
	struct hvp_guid guid;

	if (!text)
		return 0;
	if (len)
		memcpy(text, data, len);
	text[len] = '\0';
	if (hvw_guid_parse(&guid, text) == 0) {
		accepted++;
		hvw_guid_format(&guid, again);
		for (char *c = text; *c; c++)
			*c = (char)tolower((unsigned char)*c);
		if (strcmp(text, again) != 0)
			abort();
	} else {
		refused++;
	}
	free(text);
	return 0;
}

int fuzz_corpus_complete(void)
{
	if (!accepted)
		printf("# no GUID was accepted\n");
	if (!refused)
		printf("# no GUID was refused\n");
	return !accepted + !refused;
}
