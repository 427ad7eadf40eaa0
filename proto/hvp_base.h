/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What every wire format needs: fixed-width types, the layout attribute, layout assertions, GUIDs.
 *
 * All formats of Hyper-V are little-endian and hvis runs on little-endian processors only; that is
 * asserted once, here, so that no other file converts byte order.
 */
#ifndef PROTO_HVP_BASE_H
#define PROTO_HVP_BASE_H

/* The only switch on the environment: where types and error numbers come from. */
#if defined(__KERNEL__) && defined(__linux__)
#include <linux/errno.h>
#include <linux/stddef.h>
#include <linux/types.h>
#elif defined(_KERNEL) && defined(__FreeBSD__)
#include <sys/errno.h>
#include <sys/stddef.h>
#include <sys/types.h>
#else
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#endif

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "hvis needs a little-endian processor");

/*
 * A structure as it stands on the wire, aligned as the wire guarantees (`align` bytes). Natural
 * layout would pad the 196-byte offer to 200; plain packing would give byte accesses. Never take
 * the address of a member.
 */
#define HVP_WIRE(align) __attribute__((packed, aligned(align)))

/* Under each structure: its size, and the place of its last field and of each later-version field. */
#define HVP_SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), "size of " #type)
#define HVP_OFFSET(type, field, bytes)                                                             \
	_Static_assert(offsetof(type, field) == (bytes), "offset of " #type "." #field)

/* The protocol's page, never the operating system's. */
#define HVP_PAGE_SHIFT 12
#define HVP_PAGE_SIZE  4096u

/* A GUID as it stands on the wire: the first three groups of the text form are little-endian. */
struct hvp_guid {
	uint8_t b[16];
};
HVP_SIZE(struct hvp_guid, 16);

/* Initialiser from the groups of the text form: HVP_GUID(0xf8615163, 0xdf3e, 0x46c5, 0x913f, 0xf2d2f965ed0e). */
#define HVP_GUID(d1, d2, d3, d4, d5)                                                               \
	{                                                                                          \
		{                                                                                  \
			HVP_BYTE(d1, 0), HVP_BYTE(d1, 1), HVP_BYTE(d1, 2), HVP_BYTE(d1, 3),        \
				HVP_BYTE(d2, 0), HVP_BYTE(d2, 1), HVP_BYTE(d3, 0),                 \
				HVP_BYTE(d3, 1), HVP_BYTE(d4, 1), HVP_BYTE(d4, 0),                 \
				HVP_BYTE(d5, 5), HVP_BYTE(d5, 4), HVP_BYTE(d5, 3),                 \
				HVP_BYTE(d5, 2), HVP_BYTE(d5, 1), HVP_BYTE(d5, 0)                  \
		}                                                                                  \
	}

/* Byte `n` of a number, 0 the lowest. Masked, because sparse complains of a constant that a cast cuts off. */
#define HVP_BYTE(value, n) ((uint8_t)((value) >> ((n) << 3) & 0xff))

#endif
