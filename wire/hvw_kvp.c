/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include "hvw_kvp.h"
#include "hvw_shared.h"

#define FIELD(pair, name) ((void *)((uint8_t *)(pair) + offsetof(struct hvp_kvp_pair, name)))
#define CONST_FIELD(pair, name)                                                                    \
	((const void *)((const uint8_t *)(pair) + offsetof(struct hvp_kvp_pair, name)))

static void put_number(void *field, uint32_t number)
{
	hvw_memcpy(field, &number, sizeof(number));
}

static uint32_t get_number(const void *field)
{
	uint32_t number;

	hvw_memcpy(&number, field, sizeof(number));
	return number;
}

static void set_key_units(void *pair, int units)
{
	put_number(FIELD(pair, key_size), 2 * ((uint32_t)units + 1));
}

static void set_value_units(void *pair, int units)
{
	put_number(FIELD(pair, type), HVP_KVP_STRING);
	put_number(FIELD(pair, value_size), 2 * ((uint32_t)units + 1));
}

int hvw_kvp_put_key(void *pair, const char *key)
{
	int units = hvw_utf16_from_utf8(FIELD(pair, key), HVP_KVP_KEY_UNITS, key);

	if (units < 0)
		return units;
	set_key_units(pair, units);
	return 0;
}

int hvw_kvp_put_value(void *pair, const char *value)
{
	int units = hvw_utf16_from_utf8(FIELD(pair, value), HVP_KVP_VALUE_UNITS, value);

	if (units < 0)
		return units;
	set_value_units(pair, units);
	return 0;
}

void hvw_kvp_put_any_key(void *pair, const char *key, size_t size)
{
	set_key_units(pair, hvw_utf16_from_any(FIELD(pair, key), HVP_KVP_KEY_UNITS, key, size));
}

void hvw_kvp_put_any_value(void *pair, const char *value, size_t size)
{
	set_value_units(pair,
			hvw_utf16_from_any(FIELD(pair, value), HVP_KVP_VALUE_UNITS, value, size));
}

/* A terminator is not insisted on: guests reuse their buffers, and what counts is that nothing behind the size is read. */
static int get_text(const void *units, uint32_t size, uint32_t max, char *text, size_t room)
{
	int len;

	if (size % 2 || size / 2 > max)
		return -EPROTO;
	len = hvw_utf16_to_utf8(text, room, units, size / 2);
	return len < 0 ? len : len + 1;
}

int hvw_kvp_get_key(const void *pair, char *key, size_t room)
{
	return get_text(CONST_FIELD(pair, key), get_number(CONST_FIELD(pair, key_size)),
			HVP_KVP_KEY_UNITS, key, room);
}

/* By subtraction: 32-bit kernels have no division of 64-bit numbers. */
static int put_decimal(char *text, size_t room, uint64_t number)
{
	uint64_t powers[20] = { 1 };
	size_t len = 0;
	unsigned i;

	for (i = 1; i < 20; i++)
		powers[i] = 10 * powers[i - 1];
	while (i--) {
		char digit = '0';

		for (; number >= powers[i]; number -= powers[i])
			digit++;
		if (digit == '0' && !len && i)
			continue;
		if (len + 1 >= room)
			return -EMSGSIZE;
		text[len++] = digit;
	}
	text[len] = '\0';
	return (int)len + 1;
}

int hvw_kvp_get_value(const void *pair, char *value, size_t room)
{
	uint32_t type = get_number(CONST_FIELD(pair, type)),
		 size = get_number(CONST_FIELD(pair, value_size));
	uint32_t len = type == HVP_KVP_U32 ? 4 : 8;
	uint64_t number = 0;

	switch (type) {
	case HVP_KVP_STRING:
	case HVP_KVP_EXPAND:
		return get_text(CONST_FIELD(pair, value), size, HVP_KVP_VALUE_UNITS, value, room);
	case HVP_KVP_U32:
	case HVP_KVP_U64:
	case HVP_KVP_U64_WINDOWS:
		if (size < len)
			return -EPROTO;
		hvw_memcpy(&number, CONST_FIELD(pair, value), len);
		return put_decimal(value, room, number);
	default:
		return -EPROTO;
	}
}
