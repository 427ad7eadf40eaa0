/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <hvh/hvh_state.h>

/* u32 tag, u32 version, u32 bytes of the content */
#define SECTION_HEADER 12

void hvh_state_writer_init(struct hvh_state_writer *w)
{
	memset(w, 0, sizeof(*w));
}

void hvh_state_put_bytes(struct hvh_state_writer *w, const void *bytes, size_t len)
{
	if (w->err || !len)
		return;
	if (len > w->capacity - w->len) {
		size_t capacity = w->capacity ? w->capacity * 2 : 4096;
		uint8_t *grown;

		if (capacity < w->len + len)
			capacity = w->len + len;
		grown = realloc(w->bytes, capacity);
		if (!grown) {
			w->err = -ENOMEM;
			return;
		}
		w->bytes = grown;
		w->capacity = capacity;
	}
	memcpy(w->bytes + w->len, bytes, len);
	w->len += len;
}

void hvh_state_put_u32(struct hvh_state_writer *w, uint32_t value)
{
	hvh_state_put_bytes(w, &value, sizeof(value));
}

void hvh_state_put_u64(struct hvh_state_writer *w, uint64_t value)
{
	hvh_state_put_bytes(w, &value, sizeof(value));
}

void hvh_state_begin(struct hvh_state_writer *w, uint32_t tag, uint32_t version)
{
	if (w->depth == HVH_STATE_DEPTH) {
		w->err = w->err ? w->err : -EINVAL;
		return;
	}
	hvh_state_put_u32(w, tag);
	hvh_state_put_u32(w, version);
	w->open[w->depth++] = w->len;
	hvh_state_put_u32(w, 0);
}

void hvh_state_end(struct hvh_state_writer *w)
{
	uint32_t bytes;
	size_t at;

	if (w->err)
		return;
	at = w->open[--w->depth];
	bytes = (uint32_t)(w->len - at - sizeof(bytes));
	memcpy(w->bytes + at, &bytes, sizeof(bytes));
}

int hvh_state_writer_finish(struct hvh_state_writer *w)
{
	return w->err;
}

void hvh_state_reader_init(struct hvh_state_reader *r, const void *bytes, size_t len)
{
	memset(r, 0, sizeof(*r));
	r->bytes = bytes;
	r->len = len;
}

void hvh_state_refuse(struct hvh_state_reader *r)
{
	r->err = -EPROTO;
}

void hvh_state_get_bytes(struct hvh_state_reader *r, void *dst, size_t len)
{
	if (!r->err && len > r->len - r->at)
		hvh_state_refuse(r);
	if (r->err) {
		memset(dst, 0, len);
		return;
	}
	memcpy(dst, r->bytes + r->at, len);
	r->at += len;
}

uint32_t hvh_state_get_u32(struct hvh_state_reader *r)
{
	uint32_t value;

	hvh_state_get_bytes(r, &value, sizeof(value));
	return value;
}

uint64_t hvh_state_get_u64(struct hvh_state_reader *r)
{
	uint64_t value;

	hvh_state_get_bytes(r, &value, sizeof(value));
	return value;
}

uint32_t hvh_state_enter(struct hvh_state_reader *r, uint32_t tag, uint32_t newest)
{
	uint32_t found = hvh_state_get_u32(r);
	uint32_t version = hvh_state_get_u32(r);
	uint32_t bytes = hvh_state_get_u32(r);

	if (!r->err && (found != tag || !version || version > newest || bytes > r->len - r->at ||
			r->depth == HVH_STATE_DEPTH))
		hvh_state_refuse(r);
	if (r->err)
		return 0;
	r->open[r->depth++] = r->len;
	r->len = r->at + bytes;
	return version;
}

void hvh_state_leave(struct hvh_state_reader *r)
{
	if (!r->err && (!r->depth || r->at != r->len))
		hvh_state_refuse(r);
	if (!r->err)
		r->len = r->open[--r->depth];
}

int hvh_state_reader_finish(const struct hvh_state_reader *r)
{
	if (r->err)
		return r->err;
	return r->depth == 0 && r->at == r->len ? 0 : -EPROTO;
}
