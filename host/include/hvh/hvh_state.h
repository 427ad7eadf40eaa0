/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Saved state: how every object of the host writes itself down and comes back.
 *
 * State is a tree of sections, each { u32 tag, u32 version, u32 bytes }, then fields in fixed order.
 * A reader refuses a section with another tag or a newer version. Errors stick: an object may read
 * all its fields and look at the result once, at the end. Saved state may come from an enemy: each
 * object checks its values as if the guest had sent them.
 */
#ifndef HOST_INCLUDE_HVH_HVH_STATE_H
#define HOST_INCLUDE_HVH_HVH_STATE_H

#include <stddef.h>
#include <stdint.h>

#include "hvw_error.h"

#define HVH_STATE_TAG(a, b, c, d)                                                                  \
	((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)
#define HVH_STATE_DEPTH 8

struct hvh_state_writer {
	uint8_t *bytes; /* the caller frees it */
	size_t len;
	size_t capacity;
	size_t open[HVH_STATE_DEPTH];
	unsigned depth;
	int err;
};

void hvh_state_writer_init(struct hvh_state_writer *w);
void hvh_state_begin(struct hvh_state_writer *w, uint32_t tag, uint32_t version);
void hvh_state_end(struct hvh_state_writer *w);
void hvh_state_put_u32(struct hvh_state_writer *w, uint32_t value);
void hvh_state_put_u64(struct hvh_state_writer *w, uint64_t value);
void hvh_state_put_bytes(struct hvh_state_writer *w, const void *bytes, size_t len);

/* 0, or the first error: -ENOMEM. */
int hvh_state_writer_finish(struct hvh_state_writer *w) HVW_MUST_CHECK;

struct hvh_state_reader {
	const uint8_t *bytes;
	size_t len; /* of the innermost open section: its end */
	size_t at;
	size_t open[HVH_STATE_DEPTH]; /* ends of the sections around it */
	unsigned depth;
	int err;
};

void hvh_state_reader_init(struct hvh_state_reader *r, const void *bytes, size_t len);

/* Returns the section's version, 1 to `newest`; 0 after an error. */
uint32_t hvh_state_enter(struct hvh_state_reader *r, uint32_t tag, uint32_t newest);

/* The section must be used up. */
void hvh_state_leave(struct hvh_state_reader *r);
uint32_t hvh_state_get_u32(struct hvh_state_reader *r);
uint64_t hvh_state_get_u64(struct hvh_state_reader *r);
void hvh_state_get_bytes(struct hvh_state_reader *r, void *dst, size_t len);

/* Fail on behalf of the reader's user: a value makes no sense. */
void hvh_state_refuse(struct hvh_state_reader *r);

/* 0, or -EPROTO: not a state of ours, damaged, or from a newer version. */
int hvh_state_reader_finish(const struct hvh_state_reader *r) HVW_MUST_CHECK;

#endif
