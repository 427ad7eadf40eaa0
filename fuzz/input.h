/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * A target's input as a supply of numbers. When it is used up they are zero.
 */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct input {
	const uint8_t *next;
	size_t left;
};

static inline void input_take(struct input *in, void *dst, size_t len)
{
	size_t some = len < in->left ? len : in->left;

	memset(dst, 0, len);
	if (some)
		memcpy(dst, in->next, some);
	in->next += some;
	in->left -= some;
}

static inline unsigned input_byte(struct input *in)
{
	uint8_t value;

	input_take(in, &value, sizeof(value));
	return value;
}

static inline unsigned input_word(struct input *in)
{
	uint16_t value;

	input_take(in, &value, sizeof(value));
	return value;
}

#endif
