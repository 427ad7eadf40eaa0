/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Access to memory that the peer can change at any moment.
 *
 * HVW_SHARED marks pointers to such memory: sparse then refuses to dereference them, and only the
 * functions here reach it. The habit they serve: load each value exactly once into private memory,
 * check the private copy, never look back; store once and never read back.
 */
#ifndef WIRE_HVW_SHARED_H
#define WIRE_HVW_SHARED_H

#include <stdbool.h>

#include "hvp_base.h"

#ifdef __CHECKER__
#define HVW_SHARED __attribute__((noderef, address_space(9)))
#define HVW_FORCE  __attribute__((force))
#else
#define HVW_SHARED
#define HVW_FORCE
#endif

/* The compiler's builtins: a kernel's own <string.h> differs, and the calls must be inlined for small sizes. */
#define hvw_memcpy(dst, src, len) __builtin_memcpy((dst), (src), (len))
#define hvw_memset(dst, byte, len) __builtin_memset((dst), (byte), (len))

static inline uint32_t hvw_load32(const uint32_t HVW_SHARED *p)
{
	return __atomic_load_n((const uint32_t HVW_FORCE *)p, __ATOMIC_RELAXED);
}

/* Later loads and stores stay behind this load: pairs with hvw_store32_release and _full of the peer. */
static inline uint32_t hvw_load32_acquire(const uint32_t HVW_SHARED *p)
{
	return __atomic_load_n((const uint32_t HVW_FORCE *)p, __ATOMIC_ACQUIRE);
}

static inline uint8_t hvw_load8(const uint8_t HVW_SHARED *p)
{
	return __atomic_load_n((const uint8_t HVW_FORCE *)p, __ATOMIC_RELAXED);
}

/*
 * Where the processor has 32 bits alone, in two halves: each byte is loaded once all the same, but the peer may
 * change one half between the two.
 */
static inline uint64_t hvw_load64(const uint64_t HVW_SHARED *p)
{
#if __SIZEOF_POINTER__ >= 8
	return __atomic_load_n((const uint64_t HVW_FORCE *)p, __ATOMIC_RELAXED);
#else
	const uint32_t HVW_SHARED *half = (const uint32_t HVW_SHARED *)p;

	return hvw_load32(half) | (uint64_t)hvw_load32(half + 1) << 32;
#endif
}

static inline void hvw_store32(uint32_t HVW_SHARED *p, uint32_t value)
{
	__atomic_store_n((uint32_t HVW_FORCE *)p, value, __ATOMIC_RELAXED);
}

/* Earlier loads and stores stay in front of this store. */
static inline void hvw_store32_release(uint32_t HVW_SHARED *p, uint32_t value)
{
	__atomic_store_n((uint32_t HVW_FORCE *)p, value, __ATOMIC_RELEASE);
}

/* Likewise. */
static inline void hvw_store64(uint64_t HVW_SHARED *p, uint64_t value)
{
#if __SIZEOF_POINTER__ >= 8
	__atomic_store_n((uint64_t HVW_FORCE *)p, value, __ATOMIC_RELAXED);
#else
	uint32_t HVW_SHARED *half = (uint32_t HVW_SHARED *)p;

	hvw_store32(half, (uint32_t)value);
	hvw_store32(half + 1, (uint32_t)(value >> 32));
#endif
}

/* Everything before stays before, everything after stays after, store-to-load included. */
static inline void hvw_barrier_full(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/*
 * Store, then a full barrier, with everything earlier in front of the store. On x86 one exchange
 * does all of it and costs less than a store and an mfence.
 */
static inline void hvw_store32_full(uint32_t HVW_SHARED *p, uint32_t value)
{
#if defined(__x86_64__) || defined(__i386__)
	(void)__atomic_exchange_n((uint32_t HVW_FORCE *)p, value, __ATOMIC_SEQ_CST);
#else
	hvw_store32_release(p, value);
	hvw_barrier_full();
#endif
}

/* What was there; a full barrier. */
static inline uint32_t hvw_exchange32(uint32_t HVW_SHARED *p, uint32_t value)
{
	return __atomic_exchange_n((uint32_t HVW_FORCE *)p, value, __ATOMIC_SEQ_CST);
}

/* Store `value` if `expected` is there; a full barrier. False: something else is. */
static inline bool hvw_replace32(uint32_t HVW_SHARED *p, uint32_t expected, uint32_t value)
{
	return __atomic_compare_exchange_n((uint32_t HVW_FORCE *)p, &expected, value, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/*
 * memcpy for messages. Most are short, and for those the call costs more than the copy: up to 128 bytes
 * go in pieces of 16, the last of which may overlap the one before it. Private pointers may be NULL
 * when there is nothing to copy, which memcpy itself forbids.
 */
static inline void hvw_copy(uint8_t *dst, const uint8_t *src, size_t len)
{
	const uint8_t *last;

	/* The compiler forgets what it knows of `src`: it warns of small objects where it knows no length. */
	__asm__("" : "+r"(src));
	if (len < 16 || len > 128) {
		if (len)
			hvw_memcpy(dst, src, len);
		return;
	}
	last = src + len - 16;
	hvw_memcpy(dst + len - 16, last, 16);
	for (; src < last; src += 16, dst += 16)
		hvw_memcpy(dst, src, 16);
}

/*
 * Bulk copies. The peer may change the bytes meanwhile: what arrives is any mix, so check the copy.
 * The fence is for the compiler alone: without it, an inlined copy may be dropped and its fields
 * read from shared memory again after they were checked.
 */
static inline void hvw_copy_out(void *dst, const void HVW_SHARED *src, size_t len)
{
	hvw_copy(dst, (const void HVW_FORCE *)src, len);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static inline void hvw_copy_in(void HVW_SHARED *dst, const void *src, size_t len)
{
	hvw_copy((void HVW_FORCE *)dst, src, len);
}

static inline void hvw_zero(void HVW_SHARED *dst, size_t len)
{
	hvw_memset((void HVW_FORCE *)dst, 0, len);
}

#endif
