/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "hvw_kvp.h"
#include "hvw_shared.h"

int hvw_kvp_put_key(struct hvp_kvp_pair *pair, const char *key)
{
	uint16_t units[HVP_KVP_KEY_UNITS] = { 0 };
	int len = hvw_utf16_from_utf8(units, HVP_KVP_KEY_UNITS, key);

	if (len < 0)
		return len;
	hvw_memcpy(pair->key, units, sizeof(units));
	pair->key_size = 2 * ((uint32_t)len + 1);
	return 0;
}

int hvw_kvp_put_value(struct hvp_kvp_pair *pair, const char *value)
{
	uint16_t units[HVP_KVP_VALUE_UNITS] = { 0 };
	int len = hvw_utf16_from_utf8(units, HVP_KVP_VALUE_UNITS, value);

	if (len < 0)
		return len;
	hvw_memcpy(pair->value, units, sizeof(units));
	pair->type = HVP_KVP_STRING;
	pair->value_size = 2 * ((uint32_t)len + 1);
	return 0;
}

/* A terminator is not insisted on: guests reuse their buffers, and what counts is that nothing behind the size is read. */
static int get_text(const uint16_t *units, uint32_t size, uint32_t max, char *text, size_t room)
{
	if (size % 2 || size / 2 > max || hvw_utf16_to_utf8(text, room, units, size / 2) < 0)
		return -EPROTO;
	return 0;
}

int hvw_kvp_get_key(const struct hvp_kvp_pair *pair, char *key)
{
	uint16_t units[HVP_KVP_KEY_UNITS];

	hvw_memcpy(units, pair->key, sizeof(units));
	return get_text(units, pair->key_size, HVP_KVP_KEY_UNITS, key, HVW_KVP_KEY);
}

static void put_decimal(char *text, uint64_t number)
{
	char digits[20];
	unsigned count = 0;

	do
		digits[count++] = (char)('0' + number % 10);
	while (number /= 10);
	while (count)
		*text++ = digits[--count];
	*text = '\0';
}

int hvw_kvp_get_value(const struct hvp_kvp_pair *pair, char *value)
{
	uint16_t units[HVP_KVP_VALUE_UNITS];
	uint64_t number = 0;
	uint32_t len = pair->type == HVP_KVP_U32 ? 4 : 8;

	hvw_memcpy(units, pair->value, sizeof(units));
	switch (pair->type) {
	case HVP_KVP_STRING:
	case HVP_KVP_EXPAND:
		return get_text(units, pair->value_size, HVP_KVP_VALUE_UNITS, value, HVW_KVP_VALUE);
	case HVP_KVP_U32:
	case HVP_KVP_U64:
	case HVP_KVP_U64_WINDOWS:
		if (pair->value_size < len)
			return -EPROTO;
		hvw_memcpy(&number, units, len);
		put_decimal(value, number);
		return 0;
	default:
		return -EPROTO;
	}
}
