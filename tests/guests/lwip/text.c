/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What lwIP calls of a C library, besides what compilers call.
 */
#include <stddef.h>

size_t strlen(const char *text);
int strncmp(const char *a, const char *b, size_t len);
long strtol(const char *text, char **end, int base);

size_t strlen(const char *text)
{
	size_t len = 0;

	while (text[len])
		len++;
	return len;
}

int strncmp(const char *a, const char *b, size_t len)
{
	for (; len && *a == *b && *a; len--, a++, b++)
		;
	return len ? (unsigned char)*a - (unsigned char)*b : 0;
}

/* For the number behind an interface's name, and no more: decimal, without a sign. */
long strtol(const char *text, char **end, int base)
{
	long value = 0;

	(void)end;
	(void)base;
	while (*text >= '0' && *text <= '9')
		value = value * 10 + (*text++ - '0');
	return value;
}
