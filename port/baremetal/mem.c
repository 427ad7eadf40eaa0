/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What a freestanding compiler may call on its own account.
 */
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *dst, const void *src, size_t len);
void *memmove(void *dst, const void *src, size_t len);
void *memset(void *dst, int byte, size_t len);
int memcmp(const void *a, const void *b, size_t len);

void *memcpy(void *dst, const void *src, size_t len)
{
	void *to = dst;

	__asm__ volatile("rep movsb" : "+D"(to), "+S"(src), "+c"(len) : : "memory");
	return dst;
}

void *memmove(void *dst, const void *src, size_t len)
{
	uint8_t *to = dst;
	const uint8_t *from = src;

	if ((uintptr_t)dst <= (uintptr_t)src)
		return memcpy(dst, src, len);
	while (len--)
		to[len] = from[len];
	return dst;
}

void *memset(void *dst, int byte, size_t len)
{
	void *to = dst;

	__asm__ volatile("rep stosb" : "+D"(to), "+c"(len) : "a"(byte) : "memory");
	return dst;
}

int memcmp(const void *a, const void *b, size_t len)
{
	const uint8_t *x = a, *y = b;

	for (; len && *x == *y; len--, x++, y++)
		;
	return len ? *x - *y : 0;
}
