/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Keys and values of KVP messages: whatever a peer's pair holds is refused, or a text in UTF-8 that makes the same text again.
 * And any bytes as a key and a value. The input is the pair; what is missing of it is zero.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz_target.h"
#include "hvw_kvp.h"

static unsigned keys, values, numbers, refused, unlike;

typedef int (*get_fn)(const void *pair, char *text, size_t room);

/* In memory as large as may be, so that sanitizers see one byte more. NULL: refused. */
static char *get(get_fn fn, const struct hvp_kvp_pair *pair, size_t room)
{
	char *text = malloc(room);
	int len = text ? fn(pair, text, room) : -1;

	if (len < 0) {
		refused++;
		free(text);
		return NULL;
	}
	if ((size_t)len > room || text[len - 1] != '\0')
		abort();
	return text;
}

static void check_key(const struct hvp_kvp_pair *pair)
{
	static struct hvp_kvp_pair again;
	char *text = get(hvw_kvp_get_key, pair, HVW_KVP_KEY), *same;

	if (!text)
		return;
	keys++;
	/* What has no terminator may be one unit too long. */
	if (hvw_kvp_put_key(&again, text) == 0) {
		same = get(hvw_kvp_get_key, &again, HVW_KVP_KEY);
		if (!same || strcmp(text, same) != 0)
			abort();
		free(same);
	}
	free(text);
}

static void check_value(const struct hvp_kvp_pair *pair)
{
	static struct hvp_kvp_pair again;
	char *text = get(hvw_kvp_get_value, pair, HVW_KVP_VALUE), *same;

	if (!text)
		return;
	values++;
	numbers += pair->type != HVP_KVP_STRING && pair->type != HVP_KVP_EXPAND;
	if (hvw_kvp_put_value(&again, text) == 0) {
		same = get(hvw_kvp_get_value, &again, HVW_KVP_VALUE);
		if (!same || strcmp(text, same) != 0)
			abort();
		free(same);
	}
	free(text);
}

/* Any bytes can be sent, and what the other end gets of them is a text. */
static void check_any(const uint8_t *data, size_t len)
{
	static struct hvp_kvp_pair pair;
	char *bytes = malloc(len + 1), *key, *value;

	if (!bytes)
		return;
	if (len)
		memcpy(bytes, data, len);
	bytes[len] = '\0';
	hvw_kvp_put_any_key(&pair, bytes, len);
	hvw_kvp_put_any_value(&pair, bytes, len);
	key = get(hvw_kvp_get_key, &pair, HVW_KVP_KEY);
	value = get(hvw_kvp_get_value, &pair, HVW_KVP_VALUE);
	if (!key || !value || strncmp(key, value, strlen(key)) != 0)
		abort();
	unlike += strcmp(value, bytes) != 0;
	free(key);
	free(value);
	free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct hvp_kvp_pair pair;

	memset(&pair, 0, sizeof(pair));
	if (len)
		memcpy(&pair, data, len < sizeof(pair) ? len : sizeof(pair));
	check_key(&pair);
	check_value(&pair);
	check_any(data, len);
	return 0;
}

static int missing(unsigned count, const char *what)
{
	if (!count)
		printf("# %s\n", what);
	return !count;
}

int fuzz_corpus_complete(void)
{
	return missing(keys, "no key was accepted") + missing(values, "no value was accepted") +
	       missing(numbers, "no number was accepted") +
	       missing(refused, "nothing was refused") + missing(unlike, "no bytes were replaced");
}
